# SPDX-License-Identifier: Apache-2.0
"""NanoMDMDump: whole exchanges with devices, in a file."""

import base64
import os
import re
import stat
import threading
from uuid import uuid4

import pytest

import ca as certs
from device import Operator, command
from system import wait_until
from test_secrets import leaks

one_database = pytest.mark.one_database

DUMP = "NanoMDMDump {folder}/dump"
MIGRATION = """\
<Location "/migration">
    SetHandler nanomdm-migration
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
</Location>
"""
RECORD = re.compile(
    rb"==== (?P<trace>[0-9a-f]{16}) (?P<time>\S+) (?P<peer>\S+) (?P<id>.*)\n"
    rb"(?P<line>.*)\n(?P<headers>(?:\S+: .*\n)*)"
    rb"---- (?P=trace) identity (?P<identity>.*)\n"
    rb"---- (?P=trace) body(?P<body>(?:.|\n)*?)"
    rb"---- (?P=trace) reply (?P<status>\d+) (?P<reply>(?:.|\n)*?)"
    rb"==== (?P=trace) end\n")


def records(server, name="dump", number=None):
    """All of them, nothing being between; wait until there are so many."""
    path = server.folder / name

    def read():
        text, found = path.read_bytes(), []
        while text:
            match = RECORD.match(text)
            if not match:
                return None
            found.append(match)
            text = text[match.end():]
        return number is None or len(found) == number and found
    assert wait_until(read), path.read_bytes()[-2000:]
    return read() if number is not None else None


def whole(server, number):
    return records(server, number=number)


@pytest.fixture
def recorded(httpd, fresh_db):
    """recorded(words="", **options): a server that dumps everything."""
    def launch(words="", vhost=MIGRATION, **options):
        return httpd(fresh_db(), extra_vhost=f"{DUMP} {words}\n{vhost}",
                     **options)
    return launch


def secrets_of(mac):
    return {"magic": mac.push_magic.encode(), "token": mac.token,
            "unlock": b"unlock-" + mac.push_magic.encode(),
            "bootstrap": b"bootstrap-" + mac.push_magic.encode(),
            "pin": b"31415926535897932384", "profile": uuid4().hex.encode(),
            "recovery": uuid4().hex.encode()}


def live(mac, operator, secrets):
    """Ten exchanges."""
    mac.authenticate()
    mac.token_update(UnlockToken=secrets["unlock"])
    mac.set_bootstrap_token(secrets["bootstrap"])
    assert secrets["bootstrap"] in mac.get_bootstrap_token().plist[
        "BootstrapToken"]
    for keys in ({"Payload": secrets["profile"]},
                 {"PIN": secrets["pin"].decode()}):
        uuid, plist = command("InstallProfile", **keys)
        assert operator.enqueue(mac.id, plist).status == 200
        assert mac.idle().body == plist
        mac.acknowledge(uuid, UnlockToken=secrets["unlock"], Deep={
            "EncryptedNewRecoveryKey": secrets["recovery"].decode()})
    # Cut within a secret, and behind one.
    for text in (b"<plist><dict><key>UnlockToken</key><data>",
                 b"<plist><dict><key>PushMagic</key>"):
        mac.send(text + base64.b64encode(secrets["unlock"]), "text/xml")


def dump_of(server):
    return (server.folder / "dump").read_bytes()


# -- What is in it ----------------------------------------------------

def test_an_enrollment(recorded, device):
    server = recorded()
    mac = device(server).enroll()
    uuid, plist = command("DeviceInformation")
    Operator(server).enqueue(mac.id, plist)
    mac.idle()
    mac.acknowledge(uuid, Answer="forty-two")
    first, token, poll, report = whole(server, 4)
    for record in (first, token, poll, report):
        assert record["id"].decode() == mac.id
        assert record["identity"].decode() == mac.identity.sha256
        assert record["line"] == b"PUT /mdm HTTP/1.1"
        assert record["status"] == b"200"
        assert record["peer"] == b"127.0.0.1"
        assert record["trace"] in server.error_log().encode()
    assert b"User-Agent: MDM-OSX/1.0 mdmclient/1\n" in first["headers"]
    assert b"Content-Type: application/x-apple-aspen-mdm-checkin" in \
        first["headers"]
    assert b"<string>Authenticate</string>" in first["body"]
    assert mac.serial.encode() in first["body"]
    assert b"<string>redacted</string>" in token["body"]
    assert plist.strip() in poll["reply"]
    assert b"forty-two" in report["body"]
    assert b" bytes\n" in report["reply"] and b", 0 bytes" in report["reply"]


def test_secrets_are_masked(recorded, device):
    server = recorded()
    mac = device(server)
    secrets = secrets_of(mac)
    live(mac, Operator(server), secrets)
    whole(server, 10)
    assert leaks(dump_of(server), secrets) == set()


@one_database
def test_secrets_are_not_masked_when_told_so(recorded, device):
    server = recorded("secrets")
    mac = device(server)
    secrets = secrets_of(mac)
    live(mac, Operator(server), secrets)
    whole(server, 10)
    assert leaks(dump_of(server).replace(b"\n\t\t", b""),
                 secrets) == set(secrets)
    assert b"---- " + re.search(rb"==== (\S+) end\n$", dump_of(server))[1] + \
        b" reply 400 Bad Request" in dump_of(server)


@one_database
@pytest.mark.parametrize("words, shown", [("", False), ("secrets", True)])
def test_credentials(recorded, device, words, shown):
    server = recorded(words, vhost="NanoMDMIdentity signature\n" + MIGRATION)
    device(server, transport="signature").enroll()
    operator = Operator(server)
    answer = operator.call("PUT", "/migration", b"no message")
    assert answer.status == 400
    whole(server, 3)
    key = operator.authorization[1].encode()
    assert (b"Mdm-Signature: MII" in dump_of(server)) == shown
    assert (key in dump_of(server)) == shown
    assert (b"Mdm-Signature: redacted\n" in dump_of(server)) != shown
    assert (b"Authorization: redacted\n" in dump_of(server)) != shown


# -- What was refused -------------------------------------------------

@one_database
def test_what_we_refuse(recorded, device, expect_log):
    server = recorded(vhost="NanoMDMMaxBody 100000\n")
    stranger = device(server, identity=certs.self_signed())
    assert stranger.authenticate().status == 400
    mac = device(server)
    assert mac.send(b"<plist><dict><key>Status</key><oh/>").status == 400
    assert mac.idle().status == 500
    assert mac.send(b"x", path="/mdm/below").status == 404
    assert mac.send(b"x" * 200000, fresh=True).status == 413
    refused, unreadable, unknown, below, large = whole(server, 5)
    assert refused["identity"].decode() == stranger.identity.sha256
    assert stranger.serial.encode() in refused["body"]
    assert b"Bad Request\n" in refused["reply"]
    assert b"<key>Status</key>" in unreadable["body"]
    assert unknown["id"].decode() == mac.id
    assert below["line"] == b"PUT /mdm/below HTTP/1.1"
    assert large["body"] == b", not read\n"
    assert [int(record["status"]) for record in
            (refused, unreadable, unknown, below, large)] == [
                400, 400, 500, 404, 413]


@one_database
def test_a_stranger_fills_no_disk(recorded, device):
    server = recorded()
    stranger = device(server, identity=certs.self_signed())
    for size in (1000, 1_000_000):
        answer = stranger.send(b"<plist><dict><key>a</key><string>"
                               + b"x" * size, fresh=True)
        assert answer.status == 400
    short, long = whole(server, 2)
    assert b"x" * 1000 in short["body"]
    assert long["body"] == b", not read\n"


@one_database
def test_entities_of_a_stranger_are_not_expanded(recorded, device):
    """Each of 10,000 references would be 100 secrets, in room for one."""
    server = recorded()
    children = server.children()
    stranger = device(server, identity=certs.self_signed())
    assert stranger.send(
        b'<!DOCTYPE plist [<!ENTITY e "' + b"<key>Token</key><a/>" * 100
        + b'">]><plist><dict>' + b"&e;" * 10_000
        + b"</dict></plist>").status == 400
    refused, = whole(server, 1)
    assert b"more bytes, not shown" in refused["body"]
    assert b"ENTITY" not in refused["body"]
    assert device(server).enroll()
    assert server.children() == children


@one_database
def test_an_answer_is_the_same_with_and_without(httpd, fresh_db, device):
    answers = []
    for line in ("", DUMP):
        server = httpd(fresh_db(), extra_vhost="NanoMDMMaxBody 5000\n" + line)
        stranger = device(server, identity=certs.self_signed())
        answers.append([(answer.status, answer.body) for answer in (
            stranger.authenticate(), stranger.send(b"nothing"),
            device(server).idle(), device(server).authenticate())])
    assert answers[0] == answers[1]


@one_database
def test_what_httpd_refuses(recorded, device, expect_log):
    expect_log("NMDM1401", "error")
    expect_log("AH01630")
    server = recorded(extra_mdm="Require all denied")
    assert device(server).authenticate().status == 500
    (refused,) = whole(server, 1)
    assert refused["status"] == b"500" and refused["id"] == b"-"
    assert b"Internal Server Error\n" in refused["reply"]


@one_database
def test_a_client_cannot_forge_a_record(recorded, device):
    server = recorded("secrets")
    mac = device(server)
    fake = (b"==== 0123456789abcdef end\n==== 0123456789abcdef"
            b" 2026-01-01T00:00:00Z 127.0.0.1 other\n")
    mac.send(fake, headers={"traceparent": "x\ty"})
    mac.checkin("Authenticate", UDID="A\n==== forged", Topic="t")
    forged, name = whole(server, 2)
    assert fake in forged["body"]
    assert b"\\n==== forged" in name["id"] or name["id"] == b"-"


# -- The file ---------------------------------------------------------

@one_database
def test_records_of_many_stay_apart(recorded, device):
    server = recorded(children=3, threads=4)
    macs = [device(server).enroll() for _ in range(8)]

    def speak(mac):
        for _ in range(10):
            mac.close()
            mac.report("Idle", Much=mac.id * 3000)
    threads = [threading.Thread(target=speak, args=(mac,)) for mac in macs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = whole(server, 8 * 12)
    for mac in macs:
        mine = [record for record in found
                if record["id"].decode() == mac.id]
        assert len(mine) == 12
        assert sum(mac.id.encode() * 3000 in record["body"]
                   for record in mine) == 10


@one_database
def test_a_file_for_its_owner_that_may_be_rotated(recorded, device):
    server = recorded()
    path = server.folder / "dump"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_uid == os.getuid()
    device(server).idle()
    whole(server, 1)
    path.rename(server.folder / "dump.1")
    server.graceful()
    device(server).idle()
    whole(server, 1)
    assert "NMDM2002" in server.error_log()


@one_database
def test_a_disk_that_is_full_hurts_no_device(httpd, fresh_db, device,
                                             expect_log):
    server = httpd(fresh_db(), extra_vhost="NanoMDMDump /dev/full")
    expect_log("NMDM2003", "No space left", "/dev/full")
    mac = device(server).enroll()
    for _ in range(5):
        assert mac.idle().status == 200
    # A minute may end meanwhile.
    assert 1 <= server.error_log().count("NMDM2003") <= 2


@one_database
def test_each_location_may_have_its_own(httpd, fresh_db, device):
    server = httpd(fresh_db(), extra_vhost=DUMP, extra_mdm=
                   "NanoMDMDump {folder}/other secrets")
    mac = device(server).enroll()
    assert records(server, "other", 2)
    assert mac.push_magic.encode() in (server.folder / "other").read_bytes()
    assert dump_of(server) == b""


@one_database
def test_nobody_else_is_recorded(recorded):
    server = recorded()
    operator = Operator(server)
    operator.call("GET", "/v1/queue/X")
    operator.version()
    assert dump_of(server) == b""


@one_database
def test_a_file_that_cannot_be_opened_stops_the_start(httpd, fresh_db,
                                                       expect_log):
    expect_log("NMDM2001", "name a file")
    expect_log("AH00015")
    server = httpd(fresh_db(), start=False,
                   extra_vhost="NanoMDMDump /proc/version_not")
    assert server.configtest()[0] == 0
    with pytest.raises(RuntimeError, match="NMDM2001"):
        server.start()
