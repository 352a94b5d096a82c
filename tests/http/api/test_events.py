# SPDX-License-Identifier: Apache-2.0
"""Durable webhooks: the outbox, its courier, the dead letters."""

import concurrent.futures
import json
import os
import signal
import time
from uuid import uuid4

import pytest

from device import Operator, command
from receiver import Answer, Receiver
from system import free_port, wait_until
from tables import result

one_database = pytest.mark.one_database

FAILED = r"NMDM1812: "
DEAD = r"NMDM1811: "
LEASE = 20                      # seconds
LONG = 60                       # until something must have happened


def durable(url, *more):
    return "\n".join([f"NanoMDMWebhookURL {url}/hook",
                      "NanoMDMWebhookDelivery durable",
                      f"NanoMDMUpstreamTimeout {LONG}", *more])


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


def id_of(event):
    inner = event.get("checkin_event") or event["acknowledge_event"]
    return inner["ids"]["id"]


def requests_of(receiver, channel, path="/hook"):
    return [each for each in list(receiver.requests)
            if each.path == path and id_of(each.json()) == channel.id]


def wait_for(receiver, channel, number, seconds=LONG, **options):
    """Their events as JSON, when there are that many and no more."""
    assert wait_until(lambda: len(requests_of(
        receiver, channel, **options)) >= number, seconds), (
        f"{len(requests_of(receiver, channel, **options))} of {number}")
    events = [each.json() for each in requests_of(receiver, channel,
                                                  **options)]
    assert len(events) == number, events
    return events


def topics(events):
    return [event["topic"] for event in events]


def rows(db, channel):
    """What waits, or is dead, for a device: (topic, is_dead, tries)."""
    return [(topic, bool(dead), tries) for topic, dead, tries in db.query(
        "SELECT topic, is_dead, tries FROM nanomdm_events"
        " WHERE device_id = %s ORDER BY seq", channel.id)]


def wait_for_rows(db, channel, expected, seconds=LONG):
    assert wait_until(lambda: rows(db, channel) == expected, seconds), (
        rows(db, channel))


def make_due(db, channel, age=False):
    """Let the next try be now, and with age be the last."""
    changes = "next_at = 0, leased_until = 0" + ", dies_at = 0" * age
    db.execute(f"UPDATE nanomdm_events SET {changes}"
               " WHERE device_id = %s", channel.id)


def end_leases(db, macs):
    """As their time would, in a while: see the first test of killed ones."""
    for mac in macs:
        db.execute("UPDATE nanomdm_events SET leased_until = 0"
                   " WHERE device_id = %s", mac.id)


def wait_for_a_try(db, channel):
    """Until the first event was refused, once or more; the others wait."""
    def refused():
        return [tries > 0 for _, _, tries in rows(db, channel)] == [
            True, False]
    assert wait_until(refused, LONG), rows(db, channel)


# -- The normal course ------------------------------------------------

def test_events_arrive_and_leave_nothing(httpd, device, receiver):
    server = httpd(extra_vhost=durable(receiver.url))
    mac = device(server).enroll()
    assert topics(wait_for(receiver, mac, 2)) == ["mdm.Authenticate",
                                                  "mdm.TokenUpdate"]
    wait_for_rows(server.database, mac, [])


def test_report_is_stored_with_its_event(httpd, device, receiver):
    server = httpd(extra_vhost=durable(receiver.url))
    mac = device(server).enroll()
    uuid, plist = command()
    operator = Operator(server)
    assert operator.enqueue(mac.id, plist).status == 200
    assert mac.acknowledge(uuid).status == 200
    event = wait_for(receiver, mac, 3)[2]
    assert event["acknowledge_event"]["command_uuid"] == uuid
    assert result(server.database, mac, uuid)
    assert mac.acknowledge("nobody-queued-this").status == 200
    event = wait_for(receiver, mac, 4)[3]
    assert event["acknowledge_event"]["command_uuid"] == (
        "nobody-queued-this")
    wait_for_rows(server.database, mac, [])
    operator.close()


def wait_for_bytes(db, mac):
    (number,), = db.query("SELECT COALESCE(SUM(LENGTH(body) + payload_size),"
                          " 0) FROM nanomdm_events WHERE device_id = %s",
                          mac.id)
    return number


@pytest.mark.parametrize("more", [[], ["NanoMDMDeleteCommands On"]], ids=str)
def test_reports_on_unknown_commands_keep_no_payload(httpd, device, receiver,
                                                     expect_log, more):
    """Nor do those that name none: a device cannot fill the database."""
    expect_log(FAILED, optional=True)
    receiver.answers["*"] = Answer(500)
    server = httpd(extra_vhost=durable(receiver.url, *more))
    mac = device(server).enroll()
    large = "x" * 300000
    before = wait_for_bytes(server.database, mac)
    for status in ("NotNow", "Acknowledged", "Error"):
        assert mac.report(status, str(uuid4()), Large=large).status == 200
    for _ in range(2):
        assert mac.report("NotNow", "one-that-repeats",
                          Large=large).status == 200
    assert mac.report("Acknowledged", None, Large=large).status == 200
    assert wait_for_bytes(server.database, mac) - before < 6 * 2000
    uuid, plist = command()
    operator = Operator(server)
    operator.enqueue(mac.id, plist)
    mac.acknowledge(uuid, Large=large)
    assert wait_for_bytes(server.database, mac) > 300000
    operator.close()


def test_budget_of_a_device(httpd, device, receiver, expect_log, many=9):
    """Four at once, so that they look before another has written."""
    expect_log(FAILED, optional=True)
    receiver.answers["*"] = Answer(500)
    server = httpd(extra_vhost=durable(receiver.url))
    mac = device(server).enroll()
    other = device(server).enroll()
    large = "x" * (5 * 1024 * 1024)

    def update(_):
        again = device(server, udid=mac.udid, identity=mac.identity,
                       topic=mac.topic)
        return again.token_update(Large=large).status
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert set(pool.map(update, range(many))) == {200}
    taken = wait_for_bytes(server.database, mac)
    assert taken < (32 + 3 * 7) * 1024 * 1024
    assert mac.token_update(Large=large).status == 200
    assert wait_for_bytes(server.database, mac) - taken < 8 * 1024 * 1024
    assert other.token_update(Large=large).status == 200
    assert wait_for_bytes(server.database, other) > len(large)
    assert "NMDM0719" in server.error_log()


def test_budget_counts_small_events(httpd, device, receiver, expect_log):
    """As soon as so much waits that one device may have used up its own."""
    expect_log(FAILED, optional=True)
    expect_log("NMDM0719", optional=True)
    receiver.answers["*"] = Answer(500)
    server = httpd(extra_vhost=durable(receiver.url))
    mac = device(server).enroll()
    other = device(server).enroll()

    def bodies(whose):
        return [json.loads(body)["checkin_event"]["raw_payload"]
                for body, in server.database.query(
                    "SELECT body FROM nanomdm_events WHERE device_id = %s"
                    " ORDER BY seq", whose.id)]

    def fill(mebibytes):
        """As if its first event, put off, were so long; a child counts when
        it starts."""
        server.database.execute(
            "UPDATE nanomdm_events SET payload_size = %s, next_at = %s"
            " WHERE device_id = %s AND topic = 'mdm.Authenticate'",
            mebibytes << 20, int(time.time()) + 6000, mac.id)
        server.restart()
        mark = server.mark()
        assert wait_until(lambda: mac.token_update().status == 200
                          and "NMDM0719" in server.log_since(mark), LONG)

    fill(33)
    assert bodies(mac)[-1] == ""
    assert other.token_update().status == 200
    assert all(bodies(other))
    fill(37)
    before = len(bodies(mac))
    assert mac.token_update().status == 200
    assert len(bodies(mac)) == before
    assert other.token_update().status == 200
    assert all(bodies(other))


def test_removed_commands_have_events_too(httpd, device, receiver):
    server = httpd(extra_vhost=durable(receiver.url,
                                       "NanoMDMDeleteCommands On"))
    mac = device(server).enroll()
    uuid, plist = command()
    operator = Operator(server)
    operator.enqueue(mac.id, plist)
    assert mac.acknowledge(uuid).status == 200
    assert topics(wait_for(receiver, mac, 3))[2] == "mdm.Connect"
    operator.close()


@one_database
def test_polls_are_left_out_unless_asked_for(httpd, device, receiver):
    server = httpd(extra_vhost=durable(receiver.url), extra_mdm="")
    mac = device(server).enroll()
    mac.idle()
    mac.checkout()
    assert topics(wait_for(receiver, mac, 3)) == [
        "mdm.Authenticate", "mdm.TokenUpdate", "mdm.CheckOut"]
    server = httpd(extra_vhost=durable(
        receiver.url, "NanoMDMWebhookTopics all"))
    mac = device(server).enroll()
    mac.idle()
    assert topics(wait_for(receiver, mac, 3))[2] == "mdm.Connect"


def test_failed_message_has_its_event(httpd, device, receiver):
    """The change was rolled back, its event is written alone."""
    server = httpd(extra_vhost=durable(receiver.url))
    mac = device(server).enroll()
    assert mac.get_token("com.example.none").status == 500
    assert mac.declarative_management("tokens").status == 500
    assert mac.user_authenticate(UserID="someone").status == 410
    assert sorted(topics(wait_for(receiver, mac, 4))[2:]) == [
        "mdm.DeclarativeManagement", "mdm.GetToken"]
    wait_for_rows(server.database, mac, [])


def test_stranger_has_no_event(httpd, device, receiver, ca):
    server = httpd(extra_vhost=durable(receiver.url))
    mac = device(server).enroll()
    other = device(server, identity=ca.issue(), udid=mac.udid)
    assert other.token_update().status == 500
    mac.checkout()
    assert topics(wait_for(receiver, mac, 3))[2] == "mdm.CheckOut"


# -- Failures ---------------------------------------------------------

def test_receiver_down_and_up(httpd, device, expect_log):
    port = free_port()
    server = httpd(extra_vhost=durable(f"http://localhost:{port}"))
    expect_log(FAILED, server=server)
    mac = device(server).enroll()
    wait_for_a_try(server.database, mac)
    with Receiver(port=port) as receiver:
        make_due(server.database, mac)
        assert topics(wait_for(receiver, mac, 2)) == [
            "mdm.Authenticate", "mdm.TokenUpdate"]
        wait_for_rows(server.database, mac, [])


def test_tries_have_one_event_id_and_keep_the_order(httpd, device,
                                                    receiver, expect_log):
    refused = []

    def refuse_twice(request):
        refused.append(request.body)
        return Answer(503 if len(refused) < 3 else 202)
    receiver.answers["/hook"] = refuse_twice
    server = httpd(extra_vhost=durable(receiver.url))
    expect_log(FAILED, "answered 503", server=server)
    mac = device(server).enroll()
    wait_for_a_try(server.database, mac)
    make_due(server.database, mac)

    def is_refused_again():
        return rows(server.database, mac)[0][2] == 2
    assert wait_until(is_refused_again, LONG)
    make_due(server.database, mac)
    events = wait_for(receiver, mac, 4)
    assert topics(events) == 3 * ["mdm.Authenticate"] + [
        "mdm.TokenUpdate"]
    assert len({event["event_id"] for event in events[:3]}) == 1
    assert refused[0] == refused[1] == refused[2]


@one_database
def test_one_device_does_not_keep_others_waiting(httpd, device, receiver,
                                                 expect_log):
    server = httpd(extra_vhost=durable(receiver.url))
    expect_log(FAILED, server=server)
    bad = device(server)
    receiver.answers["/hook"] = lambda request: Answer(
        500 if id_of(request.json()) == bad.id else 200)
    bad.enroll()
    for mac in [device(server) for _ in range(3)]:
        mac.enroll()
        wait_for(receiver, mac, 2)
    assert set(topics(event.json() for event in requests_of(
        receiver, bad))) == {"mdm.Authenticate"}


def test_hanging_receiver_costs_devices_nothing(httpd, device, receiver,
                                                expect_log):
    receiver.answers["/hook"] = Answer(hang=True)
    server = httpd(extra_vhost=durable(receiver.url))
    expect_log(FAILED, server=server, optional=True)
    macs = [device(server) for _ in range(12)]
    started = time.monotonic()
    for mac in macs:
        mac.enroll()
        mac.idle()
    assert time.monotonic() - started < LONG
    assert all(len(rows(server.database, mac)) == 2 for mac in macs)


def test_change_and_event_are_one(httpd, fresh_db, device, receiver,
                                  expect_log):
    """Where the event cannot be written nothing is."""
    server = httpd(fresh_db(), extra_vhost=durable(receiver.url))
    db = server.database
    mac = device(server).enroll()
    wait_for(receiver, mac, 2)
    wait_for_rows(db, mac, [])

    def tally():
        return db.query("SELECT token_update_tally FROM enrollments"
                        " WHERE id = %s", mac.id)[0][0]
    assert tally() == 1
    expect_log(":(error|warn)", server=server, optional=True)
    db.execute("ALTER TABLE nanomdm_events RENAME TO elsewhere")
    assert mac.token_update().status == 500
    assert tally() == 1
    db.execute("ALTER TABLE elsewhere RENAME TO nanomdm_events")
    assert mac.token_update().status == 200
    assert tally() == 2
    event = wait_for(receiver, mac, 3)[2]
    assert event["checkin_event"]["token_update_tally"] == 2


# -- Ends of children and servers -------------------------------------

def killed_while_it_delivers(httpd, device, receiver):
    """A server whose child was, and the device."""
    receiver.answers["/hook"] = Answer(hang=True)
    server = httpd(extra_vhost=durable(receiver.url))
    mac = device(server).enroll()
    receiver.wait_for(1)
    child, = server.children()
    os.kill(child, signal.SIGKILL)
    receiver.answers["/hook"] = Answer()
    assert wait_until(lambda: child not in server.children())
    return server, mac


def check_nothing_was_lost(server, receiver, mac, seconds=LONG):
    events = wait_for(receiver, mac, 3, seconds)
    assert topics(events) == ["mdm.Authenticate", "mdm.Authenticate",
                              "mdm.TokenUpdate"]
    assert events[0] == events[1]
    wait_for_rows(server.database, mac, [])


@one_database
@pytest.mark.slow
def test_lease_of_a_killed_child_ends(httpd, device, receiver):
    server, mac = killed_while_it_delivers(httpd, device, receiver)
    check_nothing_was_lost(server, receiver, mac, LEASE + LONG)


def test_killed_child_loses_nothing(httpd, device, receiver):
    server, mac = killed_while_it_delivers(httpd, device, receiver)
    end_leases(server.database, [mac])
    check_nothing_was_lost(server, receiver, mac)


@one_database
def test_graceful_restart_delivers_once(httpd, device, receiver):
    receiver.answers["/hook"] = Answer(delay=0.2)
    server = httpd(extra_vhost=durable(receiver.url))
    macs = [device(server) for _ in range(4)]
    for mac in macs:
        mac.enroll()
        mac.close()
    server.graceful()
    for mac in macs:
        assert topics(wait_for(receiver, mac, 2)) == [
            "mdm.Authenticate", "mdm.TokenUpdate"]
        wait_for_rows(server.database, mac, [])


@one_database
def test_stop_and_start(httpd, device, receiver, expect_log):
    receiver.answers["/hook"] = Answer(500)
    server = httpd(extra_vhost=durable(receiver.url))
    expect_log(FAILED, server=server)
    mac = device(server).enroll()
    receiver.wait_for(1)
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 15
    receiver.answers["/hook"] = Answer()
    receiver.forget()
    server.start()
    assert topics(wait_for(receiver, mac, 2)) == ["mdm.Authenticate",
                                                  "mdm.TokenUpdate"]


# -- Two servers ------------------------------------------------------

def test_two_nodes_deliver_each_event_once(httpd, fresh_db, device,
                                           receiver):
    db = fresh_db()
    lines = durable(receiver.url)
    nodes = [httpd(db, extra_vhost=lines) for _ in range(2)]
    macs = [device(nodes[i % 2]) for i in range(16)]
    for mac in macs:
        mac.enroll()
    for mac in macs:
        events = wait_for(receiver, mac, 2)
        assert topics(events) == ["mdm.Authenticate", "mdm.TokenUpdate"]
    for mac in macs:
        wait_for_rows(db, mac, [])
    assert len(receiver.requests) == 2 * len(macs)


def test_one_node_goes_on_for_another(httpd, fresh_db, device, receiver):
    db = fresh_db()
    lines = durable(receiver.url)
    first = httpd(db, extra_vhost=lines)
    receiver.answers["/hook"] = Answer(hang=True)
    macs = [device(first).enroll() for _ in range(2)]
    receiver.wait_for(2)
    first.kill()
    receiver.answers["/hook"] = Answer()
    end_leases(db, macs)
    httpd(db, extra_vhost=lines)
    for mac in macs:
        assert topics(wait_for(receiver, mac, 3)) == [
            "mdm.Authenticate", "mdm.Authenticate", "mdm.TokenUpdate"]
