# SPDX-License-Identifier: Apache-2.0
"""Durable events of long reports: their payload is stored in parts, read part
by part, and sent as one event."""

import base64
import contextlib
import json
import os
import plistlib
import signal
import socket
import threading

import pytest

from databases import USER
from device import Operator, command
from receiver import Answer, Receiver, signature
from system import wait_until
from tables import back_to_version_6, count

one_database = pytest.mark.one_database

FAILED = r"NMDM1812: "
LONG = 60                       # seconds until something must have happened
KIB = 1024
PART = 256 * KIB                # characters of base64


def durable(url, *more):
    return "\n".join([f"NanoMDMWebhook {url}/hook key=secret",
                      "NanoMDMWebhookDelivery durable",
                      f"NanoMDMUpstreamTimeout {LONG}", *more])


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


def body_of(mac, uuid, size, status="Acknowledged"):
    """A report of so many bytes, no two alike."""
    body = plistlib.dumps({**mac.ids(), "Status": status, "CommandUUID": uuid,
                           "Answer": os.urandom(size * 70 // 100)})
    return body + b" " * (size - len(body))


def enrolled(server, device):
    """A device that was sent a command; the command's UUID."""
    mac = device(server).enroll()
    uuid, plist = command()
    Operator(server).enqueue(mac.id, plist)
    assert mac.idle().plist["CommandUUID"] == uuid
    return mac, uuid


def payloads(receiver, path="/hook"):
    """Those of the reports that came, each signed."""
    found = []
    for request in list(receiver.requests):
        event = json.loads(request.body)
        if request.path == path and "acknowledge_event" in event:
            assert request.headers["X-Hmac-Signature"] == signature(
                "secret", request.body)
            found.append(base64.b64decode(
                event["acknowledge_event"]["raw_payload"], validate=True))
    return found


def wait_for_payloads(receiver, expected, **options):
    assert wait_until(
        lambda: len(payloads(receiver, **options)) >= len(expected), LONG)
    assert payloads(receiver, **options) == expected


def end_leases(db, mac):
    db.execute("UPDATE nanomdm_events SET leased_until = 0, next_at = 0"
               " WHERE device_id = %s", mac.id)


def is_empty(db, mac):
    """Nothing waits, and there are no parts without an event."""
    return not (count(db, "nanomdm_events", "device_id = %s", mac.id)
                or count(db, "nanomdm_event_parts",
                         "seq NOT IN (SELECT seq FROM nanomdm_events)"))


def long_ones(db, mac):
    return db.query("SELECT seq, payload_size, body FROM nanomdm_events"
                    " WHERE device_id = %s AND payload_size > 0", mac.id)


def waits(db, mac):
    """(parts, characters) of the only long event that waits."""
    (seq, size, body), = long_ones(db, mac)
    # Complete but for its payload, to a server that knows of no parts.
    assert json.loads(body)["acknowledge_event"]["raw_payload"] == ""
    (parts, stored), = db.query(
        "SELECT COUNT(*), SUM(LENGTH(content)) FROM nanomdm_event_parts"
        " WHERE seq = %s", seq)
    assert stored == size
    return parts, size


@pytest.mark.parametrize("size", [
    193 * KIB, 700 * KIB, 3000 * KIB])
def test_a_long_event_is_stored_in_parts(httpd, device, receiver, size,
                                         expect_log):
    expect_log(FAILED, optional=True)
    receiver.answers["*"] = Answer(500)
    server = httpd(extra_vhost=durable(receiver.url))
    mac, uuid = enrolled(server, device)
    body = body_of(mac, uuid, size)
    assert mac.send(body).status == 200
    parts, stored = waits(server.database, mac)
    assert stored == (len(body) + 2) // 3 * 4
    assert parts == (stored + PART - 1) // PART
    receiver.answers["*"] = Answer()

    def is_there():
        end_leases(server.database, mac)
        return body in payloads(receiver)
    assert wait_until(is_there, LONG)
    assert set(payloads(receiver)) == {body}
    assert wait_until(lambda: is_empty(server.database, mac), LONG)


@one_database
@pytest.mark.parametrize("size", [
    # Lengths that are and are not a multiple of three, around one part.
    192 * KIB + more for more in (-1, 0, 1, 2, 3)])
def test_the_ends_of_parts(httpd, device, receiver, size):
    server = httpd(extra_vhost=durable(receiver.url))
    mac, uuid = enrolled(server, device)
    body = body_of(mac, uuid, size)
    assert len(body) == size and mac.send(body).status == 200
    wait_for_payloads(receiver, [body])
    assert wait_until(lambda: is_empty(server.database, mac), LONG)


def test_dropped_and_dead_events_leave_no_parts(httpd, device, receiver,
                                                expect_log):
    expect_log("NMDM18(1[12]|21)", optional=True)
    receiver.answers["*"] = Answer(500)
    server = httpd(extra_vhost=durable(receiver.url))
    db = server.database
    mac, uuid = enrolled(server, device)
    body = body_of(mac, uuid, 700 * KIB)
    mac.send(body)
    assert waits(db, mac)[0] == 4
    db.execute("UPDATE nanomdm_events SET dies_at = 0, next_at = 0,"
               " leased_until = 0 WHERE device_id = %s", mac.id)

    def is_dead():
        return count(db, "nanomdm_events", "is_dead = TRUE AND"
                     " payload_size > 0 AND device_id = %s", mac.id)
    assert wait_until(is_dead, LONG)
    receiver.answers["*"] = Answer()
    operator = Operator(server)
    assert operator.call("POST", "/v1/events/replay", json.dumps(
        {"ids": [str(long_ones(db, mac)[0][0])]}).encode()).status == 200
    assert wait_until(lambda: not long_ones(db, mac), LONG)
    assert payloads(receiver)[-1] == body
    receiver.answers["*"] = Answer(500)
    mac.send(body)
    (seq, _, _), = long_ones(db, mac)
    assert operator.call("DELETE", f"/v1/events/{seq}").status == 200
    assert not count(db, "nanomdm_event_parts", "seq = %s", seq)
    operator.close()


def test_a_damaged_payload_is_a_failure(httpd, device, receiver, expect_log):
    """What was done to the table by hand is named, and the rest goes on."""
    expect_log(FAILED, optional=True)
    receiver.answers["*"] = Answer(500)
    server = httpd(extra_vhost=durable(receiver.url))
    db = server.database
    mac, uuid = enrolled(server, device)
    mac.send(body_of(mac, uuid, 700 * KIB))
    (seq, _, _), = long_ones(db, mac)
    db.execute("DELETE FROM nanomdm_event_parts WHERE part = 2 AND seq = %s",
               seq)
    receiver.answers["*"] = Answer()

    def is_named():
        end_leases(db, mac)
        return count(db, "nanomdm_events", "seq = %s AND last_error LIKE"
                     " 'part 2 of its payload is missing%%'", seq)
    assert wait_until(is_named, LONG)
    assert not payloads(receiver)
    other = device(server).enroll()
    assert wait_until(lambda: not count(
        db, "nanomdm_events", "device_id = %s", other.id), LONG)


def test_one_long_event_at_a_time(httpd, device, receiver, expect_log):
    """Whatever the receivers; short ones go on."""
    expect_log(FAILED, optional=True)
    receiver.answers["/hook"] = lambda request: Answer(
        hang=len(request.body) > PART)
    server = httpd(extra_vhost=durable(
        receiver.url, f"NanoMDMWebhook {receiver.url}/other key=secret"))
    macs = [enrolled(server, device) for _ in range(3)]
    for mac, uuid in macs:
        assert mac.send(body_of(mac, uuid, 300 * KIB)).status == 200
    assert wait_until(lambda: payloads(receiver), LONG)
    other = device(server).enroll()
    for path in ("/hook", "/other"):
        assert wait_until(lambda: sum(
            other.id.encode() in request.body and request.path == path
            for request in list(receiver.requests)) == 2, LONG)
    assert len(payloads(receiver)) == 1


def test_receivers_take_turns_with_long_events(httpd, device, receiver):
    """One has no more under way than the other before it, however many wait
    for either."""
    may_go = threading.Event()

    def answer(request):
        if len(request.body) > PART:
            may_go.wait(LONG)
        return Answer()
    receiver.answers["*"] = answer
    server = httpd(extra_vhost=durable(
        receiver.url, f"NanoMDMWebhook {receiver.url}/other key=secret"))
    macs = [enrolled(server, device) for _ in range(5)]
    for mac, uuid in macs:
        assert mac.send(body_of(mac, uuid, 300 * KIB)).status == 200
    may_go.set()
    assert wait_until(lambda: all(is_empty(server.database, mac)
                                  for mac, _ in macs), LONG)
    order = [request.path for request in receiver.requests
             if len(request.body) > PART]
    assert len(order) == 10
    for number in range(len(order)):
        first = order[:number]
        assert abs(first.count("/hook") - first.count("/other")) <= 1, order


@contextlib.contextmanager
def stalled():
    """A receiver that stops to read in the middle of a long event; whether it
    has, and its URL."""
    has_begun = threading.Event()

    def serve():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=take, args=(client,),
                                 daemon=True).start()

    def take(client):
        with client, client.makefile("rb") as stream, \
                contextlib.suppress(OSError):
            while True:
                length = 0
                while (line := stream.readline().strip()):
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                if length > PART:
                    stream.read(PART)
                    has_begun.set()
                    may_end.wait(2 * LONG)
                    return
                stream.read(length)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    may_end = threading.Event()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=serve, daemon=True).start()
        yield has_begun, f"http://localhost:{listener.getsockname()[1]}"
        may_end.set()
        listener.shutdown(socket.SHUT_RDWR)


def test_a_graceful_restart_in_the_middle(httpd, device, receiver,
                                          expect_log):
    """The child that was sending ends, and the next one sends it again, whole;
    what another receiver has had is not repeated to it."""
    expect_log(FAILED, optional=True)
    with stalled() as (has_begun, url):
        server = httpd(extra_vhost=durable(
            receiver.url, f"NanoMDMWebhook {url}/slow key=secret"))
        db = server.database
        mac, uuid = enrolled(server, device)
        body = body_of(mac, uuid, 9000 * KIB)
        assert mac.send(body).status == 200
        assert has_begun.wait(LONG)
        old, = server.children()
        server.graceful()
        assert wait_until(lambda: old not in server.children(), LONG)
        has_begun.clear()

        def is_sent_again():
            end_leases(db, mac)
            return has_begun.wait(1)
        assert wait_until(is_sent_again, LONG)
        assert waits(db, mac)[1] == (len(body) + 2) // 3 * 4
        server.stop()
    wait_for_payloads(receiver, [body])


def test_killed_while_it_stores_and_delivers(httpd, device, receiver,
                                             expect_log):
    """The whole of an event is there or nothing; what was answered 200 is
    delivered."""
    expect_log("AH00052|NMDM|AH", optional=True)
    server = httpd(extra_vhost=durable(receiver.url))
    db = server.database
    mac, uuid = enrolled(server, device)
    bodies = [body_of(mac, uuid, 4000 * KIB, "NotNow") for _ in range(4)]
    stored = []
    for number, body in enumerate(bodies):
        child, = server.children()
        timer = threading.Timer(0.05 * number, os.kill, (child,
                                                         signal.SIGKILL))
        timer.start()
        try:
            if mac.send(body).status == 200:
                stored.append(body)
        except OSError:
            mac.close()
        timer.join()
        assert wait_until(lambda: server.children() not in ([], [child]), LONG)
        for seq, size, _ in long_ones(db, mac):
            (length,), = db.query("SELECT SUM(LENGTH(content)) FROM"
                                  " nanomdm_event_parts WHERE seq = %s", seq)
            assert length in (size, None)   # None: delivered meanwhile
        end_leases(db, mac)
    assert mac.send(bodies[-1]).status == 200
    stored.append(bodies[-1])

    def is_done():
        end_leases(db, mac)
        return is_empty(db, mac)
    assert wait_until(is_done, LONG)
    assert set(payloads(receiver)) >= set(stored)
    assert set(payloads(receiver)) <= set(bodies)


def test_a_database_of_version_6(fresh_db, httpd, db_server, device,
                                 receiver, expect_log):
    """Serves as before; what waits in it is delivered after the upgrade."""
    expect_log(FAILED, optional=True)
    expect_log("NMDM0804", "more memory with durable webhooks")
    expect_log("NMDM0805.*(payload_size|event_parts|VALUES \\(7\\))",
               optional=True)
    db = fresh_db()
    if db_server.kind == "sqlite3":
        httpd(db).stop()        # makes the tables
    back_to_version_6(db)
    hook = durable(receiver.url)
    server = httpd(db, extra_vhost=hook + "\nNanoMDMSchema check\n")
    mac, uuid = enrolled(server, device)
    first = body_of(mac, uuid, 700 * KIB, "NotNow")
    assert mac.send(first).status == 200
    wait_for_payloads(receiver, [first])
    receiver.answers["*"] = Answer(500)
    second = body_of(mac, uuid, 700 * KIB)
    assert mac.send(second).status == 200
    assert count(db, "nanomdm_events", "LENGTH(body) > 900000") == 1
    server.stop()
    receiver.answers["*"] = Answer()
    server = httpd(db, extra_vhost=hook + "\nNanoMDMSchema auto\n")
    device(server).enroll()

    def is_there():
        end_leases(db, mac)
        return payloads(receiver)[-1] == second
    assert wait_until(is_there, LONG)
    assert wait_until(lambda: is_empty(db, mac), LONG)


def test_a_server_that_missed_the_upgrade(fresh_db, httpd, db_server, device,
                                          receiver, expect_log):
    """Sends what another has stored in parts with them, although it found a
    database of version 6 when it started."""
    expect_log(FAILED, optional=True)
    expect_log("NMDM080[45]", optional=True)
    db = fresh_db()
    if db_server.kind == "sqlite3":
        httpd(db).stop()        # makes the tables
    back_to_version_6(db)
    hook = durable(receiver.url)
    late = httpd(db, extra_vhost=hook + "\nNanoMDMSchema check\n")
    device(late).enroll()
    receiver.answers["*"] = Answer(500)
    server = httpd(db, extra_vhost=hook + "\nNanoMDMSchema auto\n")
    mac, uuid = enrolled(server, device)
    body = body_of(mac, uuid, 700 * KIB)
    assert mac.send(body).status == 200
    assert waits(db, mac)[0] == 4
    server.stop()
    before = len(payloads(receiver))
    receiver.answers["*"] = Answer()

    def is_there():
        end_leases(db, mac)
        return len(payloads(receiver)) > before
    assert wait_until(is_there, LONG)
    assert set(payloads(receiver)) == {body}
    assert wait_until(lambda: is_empty(db, mac), LONG)


def test_rights_to_the_tables_are_enough(fresh_db, httpd, db_server, device,
                                         receiver):
    """SELECT, INSERT, UPDATE and DELETE on them, of another owner."""
    if db_server.kind != "pgsql":
        pytest.skip("sequences are PostgreSQL's")
    db = fresh_db()
    with contextlib.closing(db_server.admin(db.name)) as admin:
        admin.autocommit = True
        for table, in db.query("SELECT tablename FROM pg_tables"
                               " WHERE schemaname = 'public'"):
            admin.cursor().execute(
                f"ALTER TABLE {table} OWNER TO postgres; GRANT SELECT,"
                f" INSERT, UPDATE, DELETE ON {table} TO {USER}")
    server = httpd(db, extra_vhost=durable(receiver.url),
                   extra_server="NanoMDMSchema check\n")
    mac, uuid = enrolled(server, device)
    body = body_of(mac, uuid, 700 * KIB)
    assert mac.send(body).status == 200
    wait_for_payloads(receiver, [body])
    assert wait_until(lambda: is_empty(db, mac), LONG)


def test_an_insertion_that_gives_no_number(fresh_db, httpd, db_server, device,
                                           receiver, expect_log):
    """A trigger that swallows rows: the report is not taken without its event,
    and the parts do not become another event's."""
    if db_server.kind == "mysql":
        pytest.skip("its triggers cannot leave a row out")
    expect_log("NMDM1825.* nanomdm_events")
    expect_log("NMDM0712.* is lost")
    server = httpd(fresh_db(), extra_vhost=durable(receiver.url))
    db = server.database
    mac, uuid = enrolled(server, device)
    assert wait_until(lambda: is_empty(db, mac), LONG)
    condition = "NEW.payload_size > 0"
    if db_server.kind == "sqlite3":
        db.execute("CREATE TRIGGER swallow BEFORE INSERT ON nanomdm_events"
                   f" WHEN {condition} BEGIN SELECT RAISE(IGNORE); END")
    else:
        db.execute("CREATE FUNCTION swallow() RETURNS trigger LANGUAGE"
                   " plpgsql AS 'BEGIN RETURN NULL; END'")
        db.execute("CREATE TRIGGER swallow BEFORE INSERT ON nanomdm_events"
                   f" FOR EACH ROW WHEN ({condition})"
                   " EXECUTE FUNCTION swallow()")
    body = body_of(mac, uuid, 700 * KIB)
    assert mac.send(body).status == 500
    assert is_empty(db, mac)
    db.execute("DROP TRIGGER swallow" + (
        " ON nanomdm_events" if db_server.kind == "pgsql" else ""))
    assert mac.send(body).status == 200
    wait_for_payloads(receiver, [body])
