# SPDX-License-Identifier: Apache-2.0
"""The operator's API: queues and results."""

import base64
import datetime
import json
import plistlib
import urllib.parse

import pytest

from device import REPORT, Operator, command
from system import ROOT
from tables import fill_queues, insert, set_reported

one_database = pytest.mark.one_database
JSON = {"Content-Type": "application/json"}
SOON = "2030-06-01T12:00:00Z"


def path(*parts):
    return "/v1/" + "/".join(urllib.parse.quote(part, safe=",")
                             for part in parts)


def get(operator, *parts, **parameters):
    query = urllib.parse.urlencode(parameters)
    answer = operator.call("GET", path(*parts) + (query and "?" + query))
    return answer


def queue_of(operator, id_, **parameters):
    answer = get(operator, "queue", id_, **parameters)
    assert answer.status == 200, answer
    return [entry["command_uuid"] for entry in answer.json["commands"]]


def walk(operator, key, *parts, limit):
    """All entries, page by page."""
    entries, cursor = [], {}
    while cursor is not None:
        answer = get(operator, *parts, limit=limit, **cursor)
        assert answer.status == 200, answer
        assert len(answer.json[key]) <= limit
        entries += answer.json[key]
        cursor = answer.json.get("next_cursor")
        cursor = cursor and {"cursor": cursor}
    return entries


def delete(operator, *parts, **parameters):
    query = urllib.parse.urlencode(parameters)
    return operator.call("DELETE", path(*parts) + (query and "?" + query))


def enqueue(operator, ids, uuid=None, **terms):
    """Queue a command; its UUID."""
    uuid, plist = command(uuid=uuid)
    answer = operator.call(
        "PUT", path("enqueue", ids) + "?" + urllib.parse.urlencode(
            {"nopush": 1, **terms}), plist)
    assert answer.status == 200, answer
    return uuid


@pytest.fixture
def mac(device):
    return device().enroll()


# -- What waits -------------------------------------------------------

def test_queue_in_the_order_of_delivery(operator, mac):
    late = enqueue(operator, mac.id, priority=-5)
    first = enqueue(operator, mac.id)
    second = enqueue(operator, mac.id)
    urgent = enqueue(operator, mac.id, priority=127)
    order = [urgent, first, second, late]
    assert queue_of(operator, mac.id) == order
    for uuid in order:
        assert mac.idle().plist["CommandUUID"] == uuid
        mac.acknowledge(uuid)
    assert queue_of(operator, mac.id) == []


def test_an_entry_and_all_its_fields(operator, mac):
    uuid, plist = command("SecurityInfo")
    operator.enqueue(mac.id, plist)
    answer = get(operator, "queue", mac.id)
    assert list(answer.json) == ["commands"]
    (entry,) = answer.json["commands"]
    assert datetime.datetime.fromisoformat(
        entry.pop("created_at").replace("Z", "+00:00"))
    assert entry == {"command_uuid": uuid, "request_type": "SecurityInfo",
                     "command": base64.b64encode(plist).decode()}
    mac.not_now(uuid)
    mac.not_now(uuid)
    (entry,) = get(operator, "queue", mac.id).json["commands"]
    assert (entry["status"], entry["not_now_tally"]) == ("NotNow", 2)
    assert "not_now_at" in entry


def test_numbers_of_any_length(operator, mac):
    """Side by side, since one database's driver mixes them up."""
    priorities = [127, 100, 10, 9, 1, -1, -9, -10, -100, -128]
    uuids = [enqueue(operator, mac.id, priority=priority)
             for priority in priorities]
    for _ in range(12):
        mac.not_now(uuids[4])
    mac.not_now(uuids[5])
    entries = get(operator, "queue", mac.id).json["commands"]
    assert [entry["command_uuid"] for entry in entries] == uuids
    assert [entry["priority"] for entry in entries] == priorities
    assert [entry.get("not_now_tally") for entry in entries[3:7]] \
        == [None, 12, 1, None]


def test_pages_of_a_queue(operator, mac, db):
    uuids = fill_queues(db, [mac], 230)
    for number, uuid in enumerate(uuids[:40]):
        db.execute("UPDATE enrollment_queue SET priority = %s"
                   " WHERE command_uuid = %s", number % 3 - 1, uuid)
    whole = queue_of(operator, mac.id, limit=1000)
    assert sorted(whole) == sorted(uuids)
    for limit in (7, 100, 115, 230):
        entries = walk(operator, "commands", "queue", mac.id, limit=limit)
        assert [entry["command_uuid"] for entry in entries] == whole
    assert len(queue_of(operator, mac.id)) == 100


def test_pages_while_commands_come_and_go(operator, mac):
    uuids = [enqueue(operator, mac.id) for _ in range(6)]
    page = get(operator, "queue", mac.id, limit=2).json
    mac.acknowledge(uuids[1])                 # the cursor's own
    more = enqueue(operator, mac.id)
    enqueue(operator, mac.id, priority=1)     # before the cursor
    rest = queue_of(operator, mac.id, cursor=page["next_cursor"])
    assert rest == uuids[2:] + [more]


def test_channels_have_queues_of_their_own(operator, mac):
    user, ipad = mac.user().enroll(), mac.user("Shared iPad").enroll()
    uuids = {channel.id: enqueue(operator, channel.id)
             for channel in (mac, user, ipad)}
    for id_, uuid in uuids.items():
        assert queue_of(operator, id_) == [uuid]
    assert delete(operator, "queue", mac.id).status == 204
    assert queue_of(operator, mac.id) == []
    assert queue_of(operator, user.id) == [uuids[user.id]]
    assert user.idle().plist["CommandUUID"] == uuids[user.id]


def test_unknown_ids_are_404(operator):
    for call in ("queue", "results"):
        answer = get(operator, call, "nobody")
        assert answer.status == 404
        assert answer.json == {"error": "nobody is not enrolled"}
    for method in ("GET", "DELETE"):
        answer = operator.call(method, "/v1/commands/none")
        assert answer.status == 404
        assert answer.json == {"error": "there is no command none"}
    for call in ("queue/", "queue", "results/", "commands/"):
        assert operator.call("GET", "/v1/" + call).status == 400


def test_a_large_command_ends_its_page(operator, mac):
    sizes = [3 << 20, 3 << 20, 100]
    uuids = []
    for size in sizes:
        uuid, plist = command("InstallProfile", Payload=b"x" * size)
        assert operator.enqueue(mac.id, plist).status == 200
        uuids.append(uuid)
    page = get(operator, "queue", mac.id)
    assert [entry["command_uuid"] for entry in page.json["commands"]] \
        == uuids[:1]
    entries = walk(operator, "commands", "queue", mac.id, limit=100)
    assert [entry["command_uuid"] for entry in entries] == uuids


# -- Priority and expiry ----------------------------------------------

def test_terms_in_a_json_body(operator, mac):
    uuid, plist = command()
    answer = operator.call("POST", "/v1/enqueue", json.dumps({
        "ids": [mac.id], "command": base64.b64encode(plist).decode(),
        "nopush": True, "priority": -128, "expires": SOON}).encode(), JSON)
    assert answer.status == 200, answer
    (entry,) = get(operator, "queue", mac.id).json["commands"]
    assert (entry["priority"], entry["expires_at"]) == (-128, SOON)


@pytest.mark.parametrize("text, stored", [
    ("2030-06-01T12:00:00Z", SOON), ("2030-06-01T14:00:00+02:00", SOON),
    ("2030-06-01t11:30:00.75-00:30", SOON)])
def test_expiry_is_a_time_with_an_offset(operator, mac, text, stored):
    enqueue(operator, mac.id, expires=text)
    (entry,) = get(operator, "queue", mac.id).json["commands"]
    assert entry["expires_at"] == stored


def test_expiry_in_seconds(operator, mac):
    enqueue(operator, mac.id, expires=3600)
    (entry,) = get(operator, "queue", mac.id).json["commands"]
    left = (datetime.datetime.fromisoformat(
        entry["expires_at"].replace("Z", "+00:00"))
        - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    assert abs(left - 3600) < 600


def test_what_has_expired_is_not_delivered(operator, mac, db):
    """Nor counted, nor shown as waiting."""
    gone = enqueue(operator, mac.id, priority=1, expires=3600)
    stays = enqueue(operator, mac.id)
    assert mac.idle().plist["CommandUUID"] == gone
    db.execute("UPDATE enrollment_queue SET expires_at ="
               " '2020-01-01 00:00:00' WHERE command_uuid = %s", gone)
    assert mac.idle().plist["CommandUUID"] == stays
    assert queue_of(operator, mac.id) == [stays]
    (entry,) = get(operator, "commands", gone).json["enrollments"]
    assert entry["state"] == "expired"
    assert get(operator, "enrollments", mac.id).json["queue"][
        "pending"] == 1
    # What a device answers late is stored all the same.
    assert mac.acknowledge(gone).plist["CommandUUID"] == stays
    (entry,) = get(operator, "commands", gone).json["enrollments"]
    assert entry["state"] == "answered"


@one_database
@pytest.mark.parametrize("name, value", [
    ("priority", "128"), ("priority", "-129"), ("priority", "x"),
    ("priority", "1.5"), ("priority", "-"), ("priority", "9" * 30),
    ("expires", "0"), ("expires", "-5"), ("expires", "tomorrow"),
    ("expires", "2020-01-01T00:00:00Z"), ("expires", "2040-01-01T00:00:00Z"),
    ("expires", "2030-13-01T00:00:00Z"), ("expires", "2030-01-01"),
    ("expires", "2030-01-01T00:00:00"), ("expires", "9999999999"),
])
def test_bad_terms_are_400(operator, mac, name, value):
    uuid, plist = command()
    answer = operator.call("PUT", path("enqueue", mac.id) + "?"
                           + urllib.parse.urlencode({name: value}), plist)
    assert answer.status == 400, answer
    assert f'"{name}"' in answer.json["error"]
    body = {"ids": [mac.id], "command": base64.b64encode(plist).decode(),
            name: value}
    answer = operator.call("POST", "/v1/enqueue",
                           json.dumps(body).encode(), JSON)
    assert answer.status == 400, answer
    assert f'"{name}"' in answer.json["error"]
    assert queue_of(operator, mac.id) == []


# -- Results ----------------------------------------------------------

def test_a_result_raw_and_as_json(operator, mac):
    uuid = enqueue(operator, mac.id)
    when = datetime.datetime(2026, 5, 4, 3, 2, 1)
    mac.acknowledge(uuid, QueryResponses={
        "Name": "Zoë <&> 💻", "Data": b"\0\xff" * 60, "When": when,
        "Count": 2 ** 40, "Big": 2 ** 64 - 1, "Negative": -7, "Real": 1.5,
        "Yes": True, "No": False, "List": [1, ["a", {}], []]})
    answer = get(operator, "results", mac.id)
    assert list(answer.json) == ["results"]
    (entry,) = answer.json["results"]
    raw = base64.b64decode(entry["result"])
    assert plistlib.loads(raw)["CommandUUID"] == uuid
    assert entry["result_json"] == {
        **mac.ids(), "Status": "Acknowledged", "CommandUUID": uuid,
        "QueryResponses": {
            "Name": "Zoë <&> 💻",
            "Data": base64.b64encode(b"\0\xff" * 60).decode(),
            "When": "2026-05-04T03:02:01Z", "Count": 2 ** 40,
            "Big": str(2 ** 64 - 1), "Negative": -7, "Real": 1.5,
            "Yes": True, "No": False, "List": [1, ["a", {}], []]}}
    assert (entry["command_uuid"], entry["status"],
            entry["request_type"]) == (uuid, "Acknowledged",
                                       "DeviceInformation")
    assert "updated_at" in entry
    answer = get(operator, "commands", uuid)
    (recipient,) = answer.json["enrollments"]
    assert recipient["result"] == entry["result"]
    assert recipient["result_json"] == entry["result_json"]
    assert (recipient["id"], recipient["state"], recipient["status"]) == (
        mac.id, "answered", "Acknowledged")
    assert plistlib.loads(base64.b64decode(
        answer.json["command"]))["CommandUUID"] == uuid
    assert answer.json["request_type"] == "DeviceInformation"


def test_newest_results_first_and_pages(operator, mac, db):
    uuids = [enqueue(operator, mac.id) for _ in range(12)]
    for number, uuid in enumerate(uuids):
        mac.acknowledge(uuid)
        set_reported(db, mac, uuid, number)
    entries = walk(operator, "results", "results", mac.id, limit=5)
    assert [entry["command_uuid"] for entry in entries] == uuids[::-1]
    answer = get(operator, "results", mac.id, limit=1)
    assert answer.json["results"][0]["command_uuid"] == uuids[-1]
    answer = get(operator, "results", mac.id, command_uuid=uuids[3])
    assert [entry["command_uuid"] for entry in answer.json["results"]] \
        == [uuids[3]]
    answer = get(operator, "results", mac.id, command_uuid="none")
    assert (answer.status, answer.json) == (200, {"results": []})


def test_who_has_a_command(operator, device):
    macs = sorted((device().enroll() for _ in range(3)),
                  key=lambda mac: mac.id)
    user = macs[0].user().enroll()
    ids = sorted([mac.id for mac in macs] + [user.id])
    uuid = enqueue(operator, ",".join(ids))
    macs[0].error(uuid, ErrorChain=[{"ErrorCode": 5}])
    user.not_now(uuid)
    entries = walk(operator, "enrollments", "commands", uuid, limit=1)
    assert sorted(entry["id"] for entry in entries) == ids
    by_id = {entry["id"]: entry for entry in entries}
    assert by_id[macs[0].id]["result_json"]["ErrorChain"] == [
        {"ErrorCode": 5}]
    assert (by_id[macs[0].id]["state"], by_id[macs[0].id]["status"]) == (
        "answered", "Error")
    assert (by_id[user.id]["state"], by_id[user.id]["status"]) == (
        "pending", "NotNow")
    assert by_id[macs[1].id]["state"] == "pending"
    assert "result" not in by_id[macs[1].id]


def test_what_is_too_much_for_json_is_given_raw(operator, mac):
    uuid = enqueue(operator, mac.id)
    mac.send(plistlib.dumps({**mac.ids(), "CommandUUID": uuid,
                             "Status": "Error",
                             "List": [{}] * 200001}), REPORT)
    (entry,) = get(operator, "results", mac.id).json["results"]
    assert "result_json" not in entry
    assert base64.b64decode(entry["result"]).startswith(b"<?xml")


def test_a_report_that_is_no_plist_any_more(operator, mac, db):
    """As another program may have stored it."""
    uuid = enqueue(operator, mac.id)
    insert(db, "command_results", ("id", "command_uuid", "status",
                                   "result"),
           [(mac.id, uuid, "Error", "<?xml garbage")])
    (entry,) = get(operator, "results", mac.id).json["results"]
    assert base64.b64decode(entry["result"]) == b"<?xml garbage"
    assert "result_json" not in entry


# -- What cannot be used ----------------------------------------------

def cursor_of(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("call", ["queue", "results"])
@pytest.mark.parametrize("parameters", [
    {"limit": 0}, {"limit": "1e3"}, {"limit": 1001}, {"cursor": "x"},
    {"cursor": cursor_of("q0\nx\n1")}, {"cursor": cursor_of("rx\ny")},
    {"cursor": cursor_of("q0\n2026-02-31 00:00:00\n1")},
    {"cursor": cursor_of("r2026-02-31 00:00:00\nu")},
    {"cursor": cursor_of("q1;2\n2026-02-01 00:00:00\n1")},
    {"cursor": cursor_of("q99999999999\n2026-02-01 00:00:00\n1")},
    {"cursor": cursor_of("r2026-02-01 00:00:00'--\nu")},
    {"cursor": cursor_of("r2026-02-01 24:00:00\nu")},
])
def test_bad_page_is_400(operator, mac, call, parameters):
    answer = get(operator, call, mac.id, **parameters)
    assert answer.status == 400, answer
    assert list(parameters)[0] in answer.json["error"]


@one_database
@pytest.mark.parametrize("method, call, status", [
    ("POST", "queue/x", 405), ("PUT", "queue/x", 405),
    ("DELETE", "results/x", 405), ("POST", "results/x", 405),
    ("PUT", "commands/x", 405), ("POST", "commands/x", 405),
    ("HEAD", "queue/x", 405), ("DELETE", "queue/%FF", 400),
    ("DELETE", "queue/", 400), ("DELETE", "queue/,", 400),
    ("GET", "queue/%FF", 400), ("DELETE", "commands/%C3", 400),
])
def test_methods_and_paths(operator, method, call, status):
    assert operator.call(method, "/v1/" + call, b"").status == status


@one_database
def test_only_with_the_key(operator):
    for method, call in (("GET", "queue/x"), ("DELETE", "queue/x"),
                         ("GET", "results/x"), ("GET", "commands/x"),
                         ("DELETE", "commands/x"), ("POST", "commands")):
        assert operator.raw(method, "/v1/" + call, b"").status == 401


# -- A database of NanoMDM --------------------------------------------

def test_on_nanomdms_own_database(db_server, httpd, device, expect_log):
    """NanoMDMSchema check: all but expiry."""
    if db_server.kind == "sqlite3":
        pytest.skip("NanoMDM makes none")
    database = db_server.fresh(
        ROOT / "tests" / "data" / f"nanomdm-{db_server.kind}.sql")
    expect_log("nanomdm:error", optional=True)
    server = httpd(database)
    operator = Operator(server)
    mac = device(server).enroll()
    first = enqueue(operator, mac.id, priority=3)
    second = enqueue(operator, mac.id, priority=2)
    third = enqueue(operator, mac.id, priority=1)
    assert queue_of(operator, mac.id) == [first, second, third]
    assert [entry["command_uuid"] for entry in walk(
        operator, "commands", "queue", mac.id, limit=1)] \
        == [first, second, third]
    mac.acknowledge(first)
    assert queue_of(operator, mac.id) == [second, third]
    (entry,) = get(operator, "results", mac.id).json["results"]
    assert entry["command_uuid"] == first
    assert delete(operator, "queue", mac.id,
                  command_uuid=second).status == 204
    assert delete(operator, "commands", third).json["cancelled"] == 1
    (entry,) = get(operator, "commands", third).json["enrollments"]
    assert entry["state"] == "cancelled"
    assert mac.idle().body == b""
    enqueue(operator, mac.id)
    assert delete(operator, "queue", mac.id).status == 204
    assert mac.idle().body == b""
    uuid, plist = command()
    answer = operator.call("PUT", path("enqueue", mac.id)
                           + "?nopush=1&expires=60", plist)
    assert answer.status == 500, answer
    assert "NanoMDMSchema auto" in answer.json["command_error"]
    operator.close()


# -- Paging by offset --------------------------------------------------

@pytest.mark.parametrize("offset", [0, 1, 99, 100, 101, 229, 230, 5000])
def test_queue_and_results_by_offset(operator, mac, db, offset):
    uuids = fill_queues(db, [mac], 230)
    whole = queue_of(operator, mac.id, limit=1000)
    assert queue_of(operator, mac.id, limit=50, offset=offset) \
        == whole[offset:offset + 50]
    insert(db, "command_results", ("id", "command_uuid", "status", "result"),
           [(mac.id, uuid, "Acknowledged", "<?xml") for uuid in uuids])

    def results(**parameters):
        answer = get(operator, "results", mac.id, **parameters)
        assert answer.status == 200, answer
        return answer.json
    whole = [entry["command_uuid"]
             for entry in results(limit=1000)["results"]]
    assert sorted(whole) == sorted(uuids)
    page = results(limit=50, offset=offset)
    assert [entry["command_uuid"] for entry in page["results"]] \
        == whole[offset:offset + 50]
    if offset < 150:
        page = results(limit=50, cursor=page["next_cursor"])
        assert [entry["command_uuid"] for entry in page["results"]] \
            == whole[offset + 50:offset + 100]


@pytest.mark.parametrize("offset", [0, 1, 99, 100, 149, 150, 5000])
def test_a_commands_enrollments_by_offset(operator, db, device, offset):
    ids = sorted(f"o-{offset}-{n:03}" for n in range(150))
    insert(db, "devices", ("id", "authenticate"),
           [(id_, "<?xml") for id_ in ids])
    insert(db, "enrollments", ("id", "device_id", "type", "topic",
                               "push_magic", "token_hex"),
           [(id_, id_, "Device", "t", "m", "00") for id_ in ids])
    uuid = enqueue(operator, ",".join(ids))
    answer = get(operator, "commands", uuid, limit=20, offset=offset)
    assert [entry["id"] for entry in answer.json["enrollments"]] \
        == ids[offset:offset + 20]


def test_one_result_by_offset(operator, mac):
    uuid = enqueue(operator, mac.id)
    mac.acknowledge(uuid)
    for offset, number in (0, 1), (1, 0):
        answer = get(operator, "results", mac.id, command_uuid=uuid,
                     offset=offset)
        assert len(answer.json["results"]) == number


@pytest.mark.parametrize("call", ["queue", "results"])
def test_a_page_of_nobody_is_404(operator, call):
    answer = get(operator, call, "no-such-id", offset=3)
    assert answer.status == 404
    assert answer.json == {"error": "no-such-id is not enrolled"}
