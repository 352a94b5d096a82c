# SPDX-License-Identifier: Apache-2.0
"""The operator's API: clearing queues, cancelling commands, and commands for
thousands."""

import base64
import json
import random

import pytest

from device import Operator, command
from tables import insert, is_active
from test_queue_api import (SOON, delete, enqueue, get, mac,  # noqa: F401
                            one_database, path, queue_of, walk)


def test_clearing_takes_what_waits(operator, mac, device, db):
    other = device().enroll()
    done, put_off, untouched = (enqueue(operator, f"{mac.id},{other.id}")
                                for _ in range(3))
    mac.acknowledge(done)
    mac.not_now(put_off)
    answer = delete(operator, "queue", mac.id)
    assert (answer.status, answer.body) == (204, b"")
    assert mac.idle().body == b""
    assert queue_of(operator, mac.id) == []
    assert is_active(db, mac, done)
    assert queue_of(operator, other.id) == [done, put_off, untouched]
    assert delete(operator, "queue", mac.id).status == 204


def test_clearing_several_and_an_unknown_one(operator, device):
    macs = [device().enroll() for _ in range(3)]
    ids = ",".join(mac.id for mac in macs)
    enqueue(operator, ids)
    answer = delete(operator, "queue", ids + ",nobody,,nobody")
    assert answer.status == 207, answer
    assert answer.json == {"status": {"nobody": "nobody is not enrolled"}}
    assert all(mac.idle().body == b"" for mac in macs)


def test_cancelling_one_command(operator, mac):
    first, second = (enqueue(operator, mac.id) for _ in range(2))
    answer = delete(operator, "queue", mac.id, command_uuid=first)
    assert answer.status == 204
    assert mac.idle().plist["CommandUUID"] == second
    answer = delete(operator, "queue", mac.id, command_uuid=first)
    assert answer.status == 207
    assert answer.json == {"status": {
        mac.id: f"{mac.id}: command {first} does not wait"}}
    mac.acknowledge(second)
    assert delete(operator, "queue", mac.id,
                  command_uuid=second).status == 207


@one_database
@pytest.mark.parametrize("query", [
    "command_uuid=", "command_uuid", "uuid=x", "command_uuid=%FF", "x"])
def test_a_misspelt_cancel_clears_nothing(operator, mac, query):
    uuid = enqueue(operator, mac.id)
    answer = operator.call("DELETE", path("queue", mac.id) + "?" + query)
    assert answer.status == 400, answer
    assert queue_of(operator, mac.id) == [uuid]


def test_cancelling_for_everybody(operator, device):
    macs = [device().enroll() for _ in range(4)]
    uuid = enqueue(operator, ",".join(mac.id for mac in macs))
    macs[0].acknowledge(uuid)
    macs[1].not_now(uuid)
    answer = delete(operator, "commands", uuid)
    assert (answer.status, answer.json) == (200, {
        "command_uuid": uuid, "cancelled": 3}), answer
    assert all(mac.idle().body == b"" for mac in macs)
    states = {entry["id"]: entry["state"] for entry in
              get(operator, "commands", uuid).json["enrollments"]}
    assert states == {macs[0].id: "answered", **{
        mac.id: "cancelled" for mac in macs[1:]}}
    assert delete(operator, "commands", uuid).json["cancelled"] == 0


def thousands(db):
    """Enrollments that never spoke; their ids."""
    ids = [f"id-{n:04}" for n in range(2500)]
    for i in range(0, len(ids), 500):
        part = ids[i:i + 500]
        insert(db, "devices", ("id", "authenticate"),
               [(id_, "x") for id_ in part])
        insert(db, "enrollments", ("id", "device_id", "type", "topic",
                                   "push_magic", "token_hex"),
               [(id_, id_, "Device", "t", "m", "00") for id_ in part])
    return ids


@pytest.mark.parametrize("options", [{}, {"expires": SOON, "priority": 7}],
                         ids=["plain", "expiring"])
def test_queueing_for_thousands(httpd, fresh_db, options):
    """In any order: each has the command once, or nobody has it."""
    db = fresh_db()
    operator = Operator(httpd(db))
    get(operator, "queue", "x")               # SQLite: makes the tables
    ids = thousands(db)
    shuffled = random.Random(1).sample(ids, len(ids))
    for body, expected in ((shuffled, 200), ([*shuffled, "id-2500"], 500),
                           (["a", *shuffled], 500), (shuffled[:1001], 200)):
        uuid, plist = command()
        answer = operator.call("POST", "/v1/enqueue", json.dumps({
            "ids": body, "nopush": True, **options,
            "command": base64.b64encode(plist).decode()}).encode(),
            {"Content-Type": "application/json"})
        assert answer.status == expected, answer
        queued = db.query("SELECT id FROM enrollment_queue WHERE"
                          " command_uuid = %s ORDER BY id", uuid)
        assert [row[0] for row in queued] == (
            sorted(body) if expected == 200 else [])
    operator.close()


def test_cancelling_for_thousands(httpd, fresh_db):
    db = fresh_db()
    operator = Operator(httpd(db))
    get(operator, "queue", "x")               # SQLite: makes the tables
    ids = thousands(db)
    insert(db, "commands", ("command_uuid", "request_type", "command"),
           [("C", "T", "<?xml")])
    for i in range(0, len(ids), 500):
        insert(db, "enrollment_queue", ("id", "command_uuid"),
               [(id_, "C") for id_ in ids[i:i + 500]])
    entries = walk(operator, "enrollments", "commands", "C", limit=1000)
    assert [entry["id"] for entry in entries] == ids
    assert delete(operator, "commands", "C").json["cancelled"] == 2500
    assert db.query("SELECT COUNT(*) FROM enrollment_queue"
                    " WHERE active = TRUE") == [(0,)]
    operator.close()
