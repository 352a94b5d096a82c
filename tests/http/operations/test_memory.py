# SPDX-License-Identifier: Apache-2.0
"""What a large message costs in memory, at most."""

import base64
import concurrent.futures
import gzip
import json
import os
import plistlib

import pytest

from device import Client, Operator, command
from load import Load
from receiver import Answer, Receiver, signature
from system import peak_memory, wait_until
from tables import result

# Sanitizers take memory of their own, and keep what is freed.
pytestmark = pytest.mark.unsanitized
MIB = 1 << 20

WEBHOOKS = """\
NanoMDMWebhook http://127.0.0.1:{port}/plain key=one
NanoMDMWebhook http://127.0.0.1:{port}/redacted redact=on key=two
"""
SETTINGS = {
    "no webhook": "",
    "two webhooks": WEBHOOKS,
    "two durable webhooks": WEBHOOKS + "NanoMDMWebhookDelivery durable\n",
    "signature": "NanoMDMIdentity signature\n",
}


def peak(server):
    """The most that the only child ever had in memory, in bytes."""
    pid, = server.children()
    return peak_memory(pid)


@pytest.fixture
def receiver():
    receiver = Receiver()
    receiver.start()
    yield receiver
    receiver.stop()


def answer(mac, uuid, size, status="Acknowledged"):
    """A report of this size, with a secret and much data in lines."""
    return plistlib.dumps({
        **mac.ids(), "Status": status, "CommandUUID": uuid,
        "UnlockToken": b"secret", "Answer": bytes(size * 72 // 100)})


def report(httpd, device, receiver, settings, size):
    """Sends a report of so many MiB. Returns what it cost in memory, as a
    multiple of its size but for the 6 MiB that connections and buffers take
    by themselves, and the report."""
    server = httpd(extra_mdm=settings.format(port=receiver.port))
    mac = device(server, transport="signature" if "signature" in settings
                 else "tls")
    mac.enroll()
    uuid, plist = command()
    Operator(server).enqueue(mac.id, plist)
    assert mac.idle().plist["CommandUUID"] == uuid
    body = answer(mac, uuid, size * MIB)
    before = peak(server)
    assert mac.send(body).status == 200
    if "Webhook" in settings:
        for path in ("/plain", "/redacted"):
            assert wait_until(lambda: any(
                len(request.body) > size * MIB
                for request in receiver.wait_for(1, path=path)), seconds=60)
    return (peak(server) - before - 6 * MIB) / len(body), body


@pytest.mark.parametrize("name, size", [
    ("two webhooks", 30),
    ("two durable webhooks", 12),
    # Too long to be kept: sent once, whole, to each.
    ("two durable webhooks", 30),
    # What a driver does with a report is seen above.
    *(pytest.param(name, size, marks=pytest.mark.one_database)
      for name, size in (("no webhook", 30), ("signature", 30),
                         ("two webhooks", 12)))])
def test_a_message_costs_three_times_its_size(httpd, device, receiver, name,
                                              size):
    cost, body = report(httpd, device, receiver, SETTINGS[name], size)
    assert cost < 3
    for request in receiver.requests:
        if len(request.body) > size * MIB:
            raw = base64.b64decode(json.loads(request.body)[
                "acknowledge_event"]["raw_payload"])
            key = "one" if request.path == "/plain" else "two"
            assert request.headers["X-Hmac-Signature"] == signature(
                key, request.body)
            assert (raw == body) == (request.path == "/plain")


def test_the_next_report_costs_no_more(httpd, device):
    """It takes the place of the one before, and finds nothing of that left in
    memory."""
    server = httpd()
    mac = device(server).enroll()
    uuid, plist = command()
    Operator(server).enqueue(mac.id, plist)
    assert mac.idle().plist["CommandUUID"] == uuid
    before = peak(server)
    for status in ("NotNow",) * 5 + ("Acknowledged",):
        body = answer(mac, uuid, 30 * MIB, status)
        assert mac.send(body).status == 200
    assert (peak(server) - before - 6 * MIB) / len(body) < 3
    stored = result(server.database, mac, uuid)
    assert stored.status == "Acknowledged" and stored.not_now_tally == 5


@pytest.mark.one_database
def test_masked_status_reports_do_not_add_up(httpd, device, receiver):
    """Each of 20 takes 40 MiB while it is looked through for secrets."""
    server = httpd(
        extra_mdm=f"NanoMDMWebhook {receiver.url}/redacted redact=on\n")
    mac = device(server).enroll()
    status = b'{"push-token":[' + b"0," * (511 * 1024) + b"0]}"
    body = plistlib.dumps({**mac.ids(), "Status": "Idle",
                           "Answers": [{"Data": status}] * 20})
    before = peak(server)
    assert mac.send(body).status == 200
    assert wait_until(lambda: any(
        len(request.body) > 20 * MIB for request in receiver.requests),
        seconds=60)
    assert (peak(server) - before - 6 * MIB) / len(body) < 6


@pytest.mark.one_database
def test_replies_of_webhook_receivers_are_not_kept(httpd, device, receiver):
    server = httpd(extra_mdm=f"NanoMDMWebhook {receiver.url}/hook\n")
    macs = [device(server).enroll() for _ in range(4)]
    receiver.wait_for(8)
    before = peak(server)
    receiver.answers["*"] = Answer(body=bytes(15 * MIB))
    # The third of a device comes when the reply to its second was read.
    with concurrent.futures.ThreadPoolExecutor(len(macs)) as pool:
        for _ in range(3):
            list(pool.map(lambda mac: mac.idle(), macs))
    receiver.wait_for(20)
    assert peak(server) - before < 12 * MIB


@pytest.mark.one_database
def test_a_packed_answer_is_not_taken_apart(httpd, device, receiver):
    """Some thousand bytes, of which a tree would take 350 MiB."""
    body = b'{"a":[' + b"0," * (7 * MIB) + b"0]}"
    receiver.answers["*"] = Answer(body=gzip.compress(body),
                                   headers={"Content-Encoding": "gzip"})
    server = httpd(
        extra_mdm=f"NanoMDMDeclarativeManagementURL {receiver.url}/\n")
    mac = device(server).enroll()
    before = peak(server)
    assert mac.declarative_management("tokens").body == body
    assert peak(server) - before < 6 * len(body)


@pytest.mark.one_database
def test_a_path_that_a_pattern_takes_late(httpd):
    """All its beginnings together are 30 MiB."""
    server = httpd(extra_vhost='<LocationMatch "/stats$">\n'
                   "SetHandler nanomdm-status\n</LocationMatch>\n")
    client = Client(server)
    assert client.raw("GET", "/stats?health").status == 200
    before = peak(server)
    assert client.raw("GET", f"/{'x' * 7900}/stats?health").status == 200
    client.close()
    assert peak(server) - before < 4 * MIB


@pytest.mark.one_database
def test_a_path_whose_beginnings_a_pattern_looks_through(httpd):
    """All of them took a second and more."""
    server = httpd(extra_vhost='<LocationMatch "^/(.+)/stats(/.*)?$">\n'
                   "SetHandler nanomdm-status\n</LocationMatch>\n")
    client = Client(server)
    assert client.raw("GET", "/x/stats?health").status == 200
    before = server.cpu_seconds()
    for _ in range(4):
        assert client.raw("GET",
                          f"/{'x' * 7900}/stats?health").status == 200
    client.close()
    assert server.cpu_seconds() - before < 1


def open_databases(server):
    """How many connections its only child has to SQLite."""
    pid, = server.children()
    folder = f"/proc/{pid}/fd"
    return sum(os.readlink(f"{folder}/{fd}").endswith(".db")
               for fd in os.listdir(folder))


@pytest.mark.one_database
def test_few_connections_of_sqlite_serve_many_threads(httpd, fresh_db,
                                                      device):
    """Each holds the schema, statements and pages; none is faster for it."""
    database = fresh_db()
    if database.kind != "sqlite3":
        pytest.skip("others are asked by as many as there are threads")
    server = httpd(database, threads=40)
    macs = [device(server).enroll() for _ in range(24)]
    with Load(database, macs, commands=60) as load:
        load.wait_for(600)
        connections = open_databases(server)
    assert not load.failed() and not load.lost()
    assert connections <= os.cpu_count() + 6
