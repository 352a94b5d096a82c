# SPDX-License-Identifier: Apache-2.0
"""Receivers of webhook events that fail, receivers with TLS, and what waits
when the server ends (5)."""

import contextlib
import plistlib
import socket
import threading
import time

import pytest

import ca as certs
from device import REPORT
from receiver import Answer, Receiver, tls_context
from server import server_authority, server_identity
from system import free_port, wait_until
from webhook_site import (LOST, TIMEOUT, WARNING, about, events_of, hook_lines,
                          hooked, is_about, mac, one_database, own_receiver,
                          receiver, receiver_of_module, requests_of, topics_of)

HURRY = 1                       # of those at which it is waited for
PROMPT = 20                     # seconds in which a device is answered
NOBODY = "http://localhost:{port}/hook"


@contextlib.contextmanager
def promptly():
    """The block must not wait for a receiver that lets it wait."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < PROMPT


# -- Receivers that fail (W6, W10, W11) -------------------------------

@one_database
def test_device_does_not_wait_for_the_receiver(httpd, device,
                                               own_receiver):
    """It answers when the device has its answers."""
    answered = threading.Event()

    def answer(_):
        answered.wait(TIMEOUT)
        return Answer()
    own_receiver.answers["*"] = answer
    mac = device(httpd(extra_vhost=hook_lines(own_receiver.url)))
    with promptly():
        mac.enroll()
    assert not answered.is_set()
    answered.set()
    assert topics_of(own_receiver, mac, 2) == ["mdm.Authenticate",
                                               "mdm.TokenUpdate"]


@one_database
@pytest.mark.parametrize("answer, is_lost", [
    (Answer(201), False), (Answer(204), False),
    (Answer(500), True), (Answer(404, b"<html>"), True),
    (Answer(close="before"), True)])
def test_device_does_not_notice_the_receiver(
        httpd, device, own_receiver, expect_log, answer, is_lost):
    own_receiver.answers["*"] = answer
    server = httpd(extra_vhost=hook_lines(own_receiver.url))
    mac = device(server)
    if is_lost:
        expect_log(WARNING, LOST, server=server)
    with promptly():
        mac.enroll()
    own_receiver.wait_for(1)
    own_receiver.answers["*"] = Answer()
    mac.idle()
    assert wait_until(lambda: any(
        each.json()["topic"] == "mdm.Connect"
        for each in own_receiver.requests))


@one_database
def test_device_does_not_notice_that_nobody_listens(httpd, device,
                                                    expect_log):
    server = httpd(extra_vhost="NanoMDMWebhookURL "
                   + NOBODY.format(port=free_port()))
    mac = device(server)
    expect_log(WARNING, LOST, server=server)
    with promptly():
        mac.enroll()
        assert mac.idle().status == 200


@one_database
def test_lost_event_is_logged_with_its_device(httpd, device, own_receiver,
                                              expect_log):
    own_receiver.answers["*"] = Answer(500)
    server = httpd(extra_vhost=hook_lines(own_receiver.url))
    mac = device(server)
    expect_log(WARNING, LOST, optional=True)
    expect_log(WARNING, f"NMDM\\d{{4}}: {mac.id}: ", server=server)
    assert mac.authenticate().status == 200
    own_receiver.wait_for(1)


@one_database
def test_hanging_receiver_costs_its_timeout(httpd, device, own_receiver,
                                            expect_log):
    own_receiver.answers["*"] = Answer(hang=True)
    server = httpd(extra_vhost=hook_lines(own_receiver.url, timeout=HURRY))
    mac = device(server)
    expect_log(WARNING, LOST, server=server)
    assert mac.authenticate().status == 200
    own_receiver.wait_for(1)
    own_receiver.answers["*"] = Answer()
    assert mac.token_update().status == 200
    assert wait_until(lambda: any(
        each.json()["topic"] == "mdm.TokenUpdate"
        for each in own_receiver.requests))


@one_database
def test_waiting_in_line_does_not_count_as_time_of_the_receiver(
        httpd, device, own_receiver):
    """It answers each event in time, all of them take longer."""
    own_receiver.answers["*"] = Answer(delay=0.5)
    mac = device(httpd(extra_vhost=hook_lines(own_receiver.url,
                                              timeout=4))).enroll()
    for _ in range(8):
        mac.idle()
    assert len(events_of(own_receiver, mac, 10)) == 10


@one_database
def test_hanging_event_does_not_hold_up_other_devices(
        httpd, device, own_receiver, expect_log):
    server = httpd(extra_vhost=hook_lines(own_receiver.url))
    stuck, other = device(server), device(server)
    own_receiver.answers["*"] = lambda request: Answer(
        hang=is_about(request, stuck))
    expect_log(WARNING, LOST, server=server, optional=True)
    stuck.authenticate()
    own_receiver.wait_for(1)
    with promptly():
        other.enroll()
        events_of(own_receiver, other, 2)


@one_database
def test_many_hanging_events_do_not_slow_devices_down(
        httpd, device, own_receiver, expect_log):
    own_receiver.answers["*"] = Answer(hang=True)
    server = httpd(extra_vhost=hook_lines(own_receiver.url), threads=16)
    expect_log(WARNING, LOST, server=server)
    macs = [device(server) for _ in range(10)]
    for mac in macs:
        with promptly():
            mac.enroll()
    for _ in range(20):
        with promptly():
            assert macs[0].idle().status == 200
    assert own_receiver.connections <= 40
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < PROMPT - 5
    assert "signal" not in server.error_log()


@one_database
def test_events_of_a_device_keep_their_order(httpd, device, own_receiver):
    own_receiver.answers["*"] = lambda request: Answer(
        delay=0.3 if request.json()["topic"] == "mdm.Authenticate" else 0)
    server = httpd(extra_vhost=hook_lines(own_receiver.url))
    macs = [device(server) for _ in range(3)]
    for mac in macs:
        mac.enroll()
        for i in range(5):
            mac.acknowledge(f"{i}")
    for mac in macs:
        requests = requests_of(own_receiver, mac, 7)
        assert [about(each.json()).get("command_uuid")
                for each in requests] == [None, None, *"01234"]
        assert requests[1].time - requests[0].time >= 0.3


@one_database
def test_order_is_kept_although_the_connections_differ(
        hooked, receiver, mac, device):
    """A device that opens a connection for each of its messages."""
    mac.enroll()
    for i in range(10):
        mac.close()
        mac.acknowledge(str(i))
    assert [about(event).get("command_uuid") for event in events_of(
        receiver, mac, 12)] == [None, None, *"0123456789"]


@one_database
@pytest.mark.parametrize("status", [301, 302, 303])
def test_redirect_does_not_become_get(httpd, device, own_receiver,
                                      expect_log, status):
    own_receiver.answers["/hook"] = Answer(
        status, headers={"Location": own_receiver.url + "/else"})
    server = httpd(extra_vhost=hook_lines(own_receiver.url))
    mac = device(server)
    expect_log(WARNING, LOST, server=server, optional=True)
    mac.authenticate()
    own_receiver.wait_for(1)
    server.stop()               # gives what waits a moment to be sent
    assert {each.method for each in own_receiver.requests} == {"POST"}


@one_database
def test_endless_reply_is_not_read_for_ever(httpd, device, own_receiver,
                                            expect_log):
    own_receiver.answers["*"] = lambda request: Answer(
        body=b"x" * 65536,
        endless=request.json()["topic"] == "mdm.Authenticate")
    server = httpd(extra_vhost=hook_lines(own_receiver.url, timeout=HURRY))
    mac = device(server)
    expect_log(WARNING, LOST, server=server, optional=True)
    with promptly():
        mac.enroll()
    assert wait_until(lambda: any(
        each.json()["topic"] == "mdm.TokenUpdate"
        for each in own_receiver.requests))


@one_database
def test_client_that_goes_away_is_told_of_all_the_same(hooked, receiver,
                                                       mac):
    mac.enroll()
    body = plistlib.dumps({"UDID": mac.udid, "Status": "Idle"})
    connection = mac.connect(False)
    connection.putrequest("PUT", "/mdm", skip_host=True)
    for name, value in [("Host", "localhost"), ("Content-Type", REPORT),
                        ("Content-Length", str(len(body)))]:
        connection.putheader(name, value)
    connection.endheaders(body)
    socket.socket.shutdown(connection.sock, socket.SHUT_WR)
    assert topics_of(receiver, mac, 3)[2] == "mdm.Connect"
    connection.close()


# -- TLS --------------------------------------------------------------

@pytest.fixture
def tls_receiver(tmp_path):
    identity = server_identity()
    pem = tmp_path / "receiver.pem"
    pem.write_bytes(identity.pem + identity.key_pem)
    with Receiver(tls=tls_context(pem, None)) as receiver:
        yield receiver


def trusting(httpd, receiver, authority):
    return httpd(
        extra_vhost=hook_lines(
            receiver.url, "NanoMDMUpstreamCACertificateFile"
            " {folder}/upstream-ca.pem"),
        files={"upstream-ca.pem": authority.pem})


@one_database
def test_receiver_with_tls(httpd, device, tls_receiver):
    mac = device(trusting(httpd, tls_receiver, server_authority()))
    mac.enroll()
    assert len(events_of(tls_receiver, mac, 2)) == 2


@one_database
def test_receiver_of_another_ca_is_told_nothing(httpd, device,
                                                tls_receiver, expect_log):
    server = trusting(httpd, tls_receiver, certs.root("Another CA"))
    mac = device(server)
    expect_log(WARNING, LOST, "certificate", server=server)
    assert mac.authenticate().status == 200
    server.wait_for_log("NMDM.*certificate")
    assert not tls_receiver.requests


# -- The end of a child (W10) -----------------------------------------

@one_database
def test_stop_delivers_what_waits(httpd, device, own_receiver):
    own_receiver.answers["*"] = Answer(delay=0.2)
    server = httpd(extra_vhost=hook_lines(own_receiver.url))
    macs = [device(server) for _ in range(3)]
    for mac in macs:
        mac.enroll()
        mac.close()
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < PROMPT - 5
    for mac in macs:
        assert topics_of(own_receiver, mac, 2) == ["mdm.Authenticate",
                                                   "mdm.TokenUpdate"]


@one_database
def test_graceful_restart_delivers_what_waits(httpd, device,
                                              own_receiver):
    own_receiver.answers["*"] = Answer(delay=0.2)
    server = httpd(extra_vhost=hook_lines(own_receiver.url))
    macs = [device(server) for _ in range(3)]
    for mac in macs:
        mac.enroll()
        mac.close()
    server.graceful()
    for mac in macs:
        mac.idle()
        assert sorted(topics_of(own_receiver, mac, 3)) == [
            "mdm.Authenticate", "mdm.Connect", "mdm.TokenUpdate"]


@one_database
def test_lost_at_the_end_is_logged(httpd, device, own_receiver,
                                   expect_log):
    own_receiver.answers["*"] = Answer(hang=True)
    server = httpd(extra_vhost=hook_lines(own_receiver.url))
    device(server).enroll()
    own_receiver.wait_for(1)
    expect_log(WARNING, LOST, server=server)
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < PROMPT - 5
