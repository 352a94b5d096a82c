# SPDX-License-Identifier: Apache-2.0
"""Bodies that are not quite XML: no device may be kept from its queue by one
(the decisions of 2026-11-27 on 1.6 and 3.5)."""

import base64
import json
import plistlib
import time

import pytest

from device import CHECKIN, REPORT, SHARED_IPAD_USER, command
from receiver import Receiver
from system import wait_until
from tables import result, user_columns

FFFD = "\N{REPLACEMENT CHARACTER}".encode()

# What a device sent, what is stored, how many characters that are.
DAMAGE = {
    "nul": (b"a\0b", b"a" + FFFD + b"b", 1),
    "controls": (b"\x01\x0b\x1f", 3 * FFFD, 3),
    "cut": (b"\xf0\x9f\x93", FFFD, 1),
    "latin1": (b"Zo\xeb", b"Zo" + FFFD, 1),
    "overlong": (b"\xc0\x80", 2 * FFFD, 2),
    "surrogates": (b"\xed\xa0\xbd", 3 * FFFD, 3),
    "noncharacter": (b"\xef\xbf\xbe\xef\xbf\xbf", 2 * FFFD, 2),
    "reference": (b"&#0;&#x1F;", 2 * FFFD, 2),
    "surrogate references": (b"&#xD83D;&#xDE00;", 2 * FFFD, 2),
    "beyond": (b"&#x110000;", FFFD, 1),
    "cdata": (b"<![CDATA[&#0;\x02]]>", b"<![CDATA[&#0;" + FFFD + b"]]>", 1),
    "many": (b"\0" * 5000, 5000 * FFFD, 5000),
    # Where it is, that a report says more than it is asked for.
    "key": (b"</string><key>a\0</key><string>b", b"</string><key>a" + FFFD
            + b"</key><string>b", 1),
    "comment": (b"<!-- \0&#0; -->", b"<!-- " + FFFD + b"&#0; -->", 1),
    "deep": (b"</string><key>d</key><array><dict><key>k\xff</key><array>"
             b"<string>\x00</string></array></dict></array><key>e</key>"
             b"<string>", b"</string><key>d</key><array><dict><key>k" + FFFD
             + b"</key><array><string>" + FFFD + b"</string></array></dict>"
             b"</array><key>e</key><string>", 2),
    "after a pair": (b"&#x1F600;\xf0\x9f\x98\x80\0", b"&#x1F600;"
                     b"\xf0\x9f\x98\x80" + FFFD, 1),
    "lead bytes": (b"\xc2\xe0\xa0\xf4\x90\x80\x80", 6 * FFFD, 6),
}


@pytest.fixture
def waiting(device, operator):
    """waiting(): an enrolled device, the UUIDs of two commands for it and
    the second command."""
    def make(**options):
        mac = device(**options).enroll()
        (one, first), (two, second) = command(), command()
        for plist in (first, second):
            assert operator.enqueue(mac.id, plist).status == 200
        assert mac.idle().body == first
        return mac, one, two, second
    return make


def report(mac, uuid, part, **keys):
    """A report with this between <string> tags, and <integer> tags."""
    text = plistlib.dumps({**mac.ids(), "Status": "Acknowledged",
                           "CommandUUID": uuid, "Name": "@string@",
                           "Number": 4711, **keys})
    return text.replace(b"@string@", part)


@pytest.mark.parametrize("name", DAMAGE)
def test_characters_that_xml_lacks_do_not_stop_a_queue(
        waiting, server, db, expect_log, name):
    """The stored report has U+FFFD, the next command comes."""
    sent, stored, number = DAMAGE[name]
    mac, uuid, _, following = waiting()
    expect_log("NMDM0727: " + mac.id + f": {number} character", ":info]")
    answer = mac.send(report(mac, uuid, sent), REPORT)
    assert (answer.status, answer.body) == (200, following)
    status, text = result(db, mac, uuid)[:2]
    assert status == "Acknowledged"
    assert text.encode() == report(mac, uuid, stored)
    assert plistlib.loads(text.encode())["Number"] == 4711


def test_such_a_report_is_shown_as_json(waiting, operator):
    mac, uuid, _, _ = waiting()
    mac.send(report(mac, uuid, b"a\0b"), REPORT)
    (one,) = operator.call("GET", f"/v1/results/{mac.id}").json["results"]
    assert one["result_json"]["Name"] == "a\N{REPLACEMENT CHARACTER}b"


def test_a_name_in_a_checkin_is_repaired(device, db):
    mac = device().enroll()
    user = mac.user(long_name="@name@")
    body = plistlib.dumps(user.message(
        "TokenUpdate", Topic=user.topic, PushMagic=user.push_magic,
        Token=user.token)).replace(b"@name@", b"Zo\xeb\0")
    assert user.send(body, CHECKIN).status == 200
    assert user_columns(db, user, "user_long_name") == (
        "Zo\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}",)


def test_a_first_checkin_is_repaired(device, db):
    """What a device is called, and even its serial number: the device is
    enrolled, and what is stored can be read."""
    mac = device()
    damaged = plistlib.dumps(mac.message(
        "Authenticate", Topic=mac.topic, SerialNumber="S@", DeviceName="@"))
    assert mac.send(b"\xef\xbb\xbf" + damaged.replace(b"@", b"\0"),
                    CHECKIN).status == 200
    assert mac.token_update().status == 200
    (authenticate, serial), = db.query(
        "SELECT authenticate, serial_number FROM devices WHERE id = %s",
        mac.id)
    assert serial == "S\N{REPLACEMENT CHARACTER}"
    assert authenticate.encode() == damaged.replace(b"@", FFFD)
    for body in (mac.message("SetBootstrapToken", BootstrapToken=b"x",
                             Name="@"),
                 mac.message("CheckOut", Name="@")):
        assert mac.send(plistlib.dumps(body).replace(b"@", b"\xc3"),
                        CHECKIN).status == 200


@pytest.mark.parametrize("type_", ["Authenticate", "CheckOut",
                                   "GetBootstrapToken"])
@pytest.mark.parametrize("key", ["EnrollmentID", "UDID"])
def test_no_id_of_any_checkin_is_repaired(device, db, expect_log, key, type_):
    mac = device()
    message = mac.message(type_, Topic=mac.topic)
    message.pop("UDID")
    expect_log("NMDM0408")
    body = plistlib.dumps({**message, key: "who@"}).replace(b"@", b"\xc0\x80")
    assert mac.send(body, CHECKIN).status == 400
    assert not db.query("SELECT 1 FROM devices WHERE id LIKE %s", "who%")


def test_a_users_name_that_is_an_id_is_not_repaired(device, db, expect_log):
    """Of a Shared iPad; of another user it is a name."""
    mac = device().enroll()
    message = {**mac.message("TokenUpdate", Topic=mac.topic, Token=mac.token,
                             PushMagic=mac.push_magic),
               "UserShortName": "ada@"}
    for user_id, status in ((SHARED_IPAD_USER, 400), ("ada", 200)):
        if status == 400:
            expect_log("NMDM0408")
        body = plistlib.dumps({**message, "UserID": user_id})
        assert mac.send(body.replace(b"@", b"\x0b"),
                        CHECKIN).status == status
    assert db.query("SELECT user_short_name FROM users WHERE device_id = %s",
                    mac.id) == [("ada\N{REPLACEMENT CHARACTER}",)]


def test_a_uuid_that_is_damaged_is_of_no_command(waiting, db):
    """The command stays queued, and the device is served."""
    mac, uuid, _, _ = waiting()
    body = report(mac, uuid + "@", b"x").replace(b"@", b"\0")
    answer = mac.send(body, REPORT)
    assert answer.status == 200 and uuid.encode() in answer.body
    assert result(db, mac, uuid) is None


@pytest.mark.parametrize("key", ["UDID", "UserID", "Topic", "PushMagic"])
def test_an_id_is_not_repaired(device, db, expect_log, key):
    """Two ids that differ there would be one."""
    mac = device().enroll()
    channel = mac.user() if key == "UserID" else mac
    message = channel.message("TokenUpdate", Topic=mac.topic,
                              PushMagic=mac.push_magic, Token=mac.token)
    message[key] += "@"
    expect_log("NMDM0408")
    answer = channel.send(plistlib.dumps(message).replace(b"@", b"\x01"),
                          CHECKIN)
    assert (answer.status, answer.body) == (400, b"Bad Request\n")
    assert not db.query("SELECT 1 FROM enrollments WHERE id LIKE %s",
                        "%\N{REPLACEMENT CHARACTER}")


@pytest.mark.one_database
def test_a_command_is_not_repaired(device, operator):
    """An operator can do something about it; a device gets what was meant."""
    mac = device().enroll()
    _, plist = command(Name="@")
    answer = operator.enqueue(mac.id, plist.replace(b"@", b"\x01"))
    assert answer.status == 400
    assert "not well-formed" in answer.json["command_error"]
    assert mac.idle().body == b""


@pytest.mark.one_database
@pytest.mark.parametrize("text", [r"\u0000", r"\ud800", r"\udc00\ud800",
                                  "\x01", r"\uffff"])
def test_a_command_in_json_is_not_repaired(device, operator, text):
    mac = device().enroll()
    for body in ('{"udid": "%s", "request_type": "X", "name": "%s"}',
                 '{"udid": "%s", "request_type": "%s"}',
                 '{"udid": "%s", "request_type": "X", "a": {"b": ["%s"]}}',
                 '{"udid": "%s", "request_type": "X", "%s": 1}'):
        answer = operator.call("POST", "/v1/commands",
                               (body % (mac.id, text)).encode(),
                               {"Content-Type": "application/json"})
        assert answer.status == 400, answer
        assert answer.json.get("error") or answer.json["command_error"]
    assert mac.idle().body == b""


@pytest.mark.one_database
@pytest.mark.parametrize("words, received", [("", False), (" secrets", True)])
def test_the_dump_has_a_repaired_report(device, operator, httpd, words,
                                        received):
    """As the guide says: as it is stored, and with "secrets" as it came."""
    server = httpd(extra_vhost="NanoMDMDump {folder}/dump" + words)
    mac = device(server).enroll()
    uuid, plist = command()
    operator.enqueue(mac.id, plist)
    came = report(mac, uuid, b"a\0b")
    assert mac.send(came, REPORT).status == 200
    stored = report(mac, uuid, b"a" + FFFD + b"b")
    path = server.folder / "dump"
    assert wait_until(lambda: uuid.encode() in path.read_bytes()
                      and path.read_bytes().endswith(b" end\n"))
    dump = path.read_bytes()
    assert (came in dump, stored in dump) == (received, not received)
    assert (b"shown as U+FFFD: 1\n" in dump) == (not received)
    assert b"not shown" not in dump
    assert f"body of {len(came)} bytes".encode() in dump


@pytest.mark.one_database
@pytest.mark.parametrize("redact", [False, True])
def test_the_webhook_has_the_bytes_as_they_came(device, operator, httpd,
                                                redact):
    with Receiver() as receiver:
        server = httpd(extra_vhost=f"NanoMDMWebhook {receiver.url}/hook"
                       " topics=mdm.Connect" + " redact=on" * redact)
        mac = device(server).enroll()
        uuid, plist = command()
        operator.enqueue(mac.id, plist)
        body = report(mac, uuid, b"a\0b")
        assert mac.send(body, REPORT).status == 200
        (event,) = receiver.wait_for(1)
        raw = base64.b64decode(
            event.json()["acknowledge_event"]["raw_payload"])
    assert raw.rstrip() == (report(mac, uuid, b"a" + FFFD + b"b") if redact
                            else body).rstrip()


# -- what is not read -------------------------------------------------

@pytest.mark.parametrize("number", [
    "", " ", "nan", "1.5", "-", "0x", "18446744073709551616", "9" * 400,
    "1e21", "inf", "\N{FULLWIDTH DIGIT ONE}"])
def test_odd_numbers_that_are_only_stored(waiting, operator, db, number):
    mac, uuid, _, following = waiting()
    body = report(mac, uuid, b"x").replace(b"4711", number.encode())
    assert mac.send(body, REPORT).body == following
    assert result(db, mac, uuid)[1].encode() == body
    (one,) = operator.call("GET", f"/v1/results/{mac.id}").json["results"]
    assert one["result_json"]["Number"] == number.strip()


@pytest.mark.parametrize("element", [
    "<real>x</real>", "<date>yesterday</date>", "<data>!</data>",
    "<integer/>"])
def test_odd_values_that_are_only_stored(waiting, db, element):
    mac, uuid, _, following = waiting()
    body = report(mac, uuid, b"x").replace(b"<integer>4711</integer>",
                                           element.encode())
    assert mac.send(body, REPORT).body == following
    assert result(db, mac, uuid)[1].encode() == body


@pytest.mark.parametrize("name", ["utf-8", "UTF8", "utf8", "US-ASCII",
                                  "us-ascii"])
def test_names_of_an_encoding(waiting, db, name):
    mac, uuid, _, following = waiting()
    body = report(mac, uuid, b"x").replace(b"UTF-8", name.encode())
    assert mac.send(body, REPORT).body == following
    assert result(db, mac, uuid)[1].encode() == body


def test_a_byte_order_mark(device, operator, db):
    """Passed over before check-ins, reports and commands."""
    mark = b"\xef\xbb\xbf"
    mac = device()
    for message in (
            mac.message("Authenticate", Topic=mac.topic),
            mac.message("TokenUpdate", Topic=mac.topic, Token=mac.token,
                        PushMagic=mac.push_magic)):
        assert mac.send(mark + plistlib.dumps(message), CHECKIN).status == 200
    uuid, plist = command()
    assert operator.enqueue(mac.id, mark + plist).status == 200
    assert mac.idle().body == plist
    body = report(mac, uuid, b"x")
    assert mac.send(mark + body, REPORT).status == 200
    assert result(db, mac, uuid)[1].encode() == body


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be",
                                      "latin-1", "utf-7"])
def test_other_encodings_are_400(waiting, db, encoding):
    mac, uuid, _, _ = waiting()
    body = report(mac, uuid, b"x").decode().replace("UTF-8", encoding)
    assert mac.send(body.encode(encoding), REPORT).status == 400
    assert not db.query("SELECT 1 FROM command_results WHERE id = %s",
                        mac.id)


@pytest.mark.parametrize("after", [b"garbage", b"<!-- x -->", b"\0", b"\xff",
                                   b"<dict/>"])
def test_what_follows_a_report_is_not_stored(waiting, db, after):
    mac, uuid, _, following = waiting()
    body = report(mac, uuid, b"x")
    assert mac.send(body + after, REPORT).body == following
    assert result(db, mac, uuid)[1].encode() == body.rstrip()


@pytest.mark.parametrize("element", [
    "<real></real>", "<real>0x1p3</real>", "<real>1,5</real>",
    "<date></date>", "<date>2024-13-41T99:99:99Z</date>",
    "<date>2024-05-06</date>", "<data>====</data>", "<data>\u20ac</data>",
    "<integer>+1</integer>", "<integer>0x7fffffffffffffffff</integer>",
    "<integer>1_000</integer>", "<integer>-9223372036854775809</integer>",
    "<true>yes</true>", "<array><integer/><real/></array>",
    "<dict><key></key><integer>-</integer></dict>"])
def test_odd_values_in_any_report(waiting, operator, db, element):
    """The report of each status is taken, shown, and the queue goes on."""
    mac, uuid, other, following = waiting()
    body = report(mac, uuid, b"x").replace(b"<integer>4711</integer>",
                                           element.encode())
    assert mac.send(body.replace(b"Acknowledged", b"NotNow"),
                    REPORT).body == following
    assert mac.send(body.replace(b"Acknowledged", b"Error"),
                    REPORT).body == following
    assert result(db, mac, uuid)[1].encode() == body.replace(
        b"Acknowledged", b"Error")
    answer = operator.call("GET", f"/v1/results/{mac.id}")
    assert answer.status == 200 and len(answer.json["results"]) == 1
    idle = report(mac, other, b"x").replace(b"<integer>4711</integer>",
                                            element.encode())
    assert mac.send(idle.replace(b"Acknowledged", b"Idle"),
                    REPORT).body == following


# -- long names -------------------------------------------------------

@pytest.mark.parametrize("length", [255, 256, 5000])
def test_a_long_user_name_is_shortened(device, operator, db, length):
    """UserLongName and UserShortName of any length: enrolled, served."""
    name = "\N{LATIN SMALL LETTER E WITH ACUTE}" * length
    mac = device().enroll()
    user = mac.user(long_name=name, short_name=name).enroll()
    assert user_columns(db, user, "user_long_name", "user_short_name") == (
        name[:255], name[:255])
    uuid, plist = command()
    assert operator.enqueue(user.id, plist).status == 200
    assert user.idle().body == plist
    assert user.acknowledge(uuid).status == 200
    assert result(db, user, uuid).status == "Acknowledged"


@pytest.mark.parametrize("letter", ["\N{GRINNING FACE}", "e\u0301",
                                    "\N{EURO SIGN}", "&<>\"'"])
def test_a_long_name_in_any_letters(device, operator, db, letter):
    """In characters, not bytes, and never a part of one; a report of that
    user, and one that asks for the user's name, are as any."""
    name = letter * 300
    mac = device().enroll()
    user = mac.user(long_name=name).enroll()
    assert user_columns(db, user, "user_long_name") == (name[:255],)
    uuid, plist = command()
    assert operator.enqueue(user.id, plist).status == 200
    assert user.idle(UserLongName=name).body == plist
    assert user.report("NotNow", uuid, UserLongName=name).status == 200
    assert user.report("Acknowledged", uuid, UserLongName=name,
                       UserShortName=name).status == 200
    assert name in plistlib.loads(
        result(db, user, uuid).result.encode())["UserLongName"]
    answer = operator.call("POST", "/v1/enrollments/query", json.dumps(
        {"filter": {"ids": [user.id]}}).encode())
    (one,) = answer.json["enrollments"]
    assert name[:255] in json.dumps(one, ensure_ascii=False) or (
        json.dumps(name[:255])[1:-1] in json.dumps(one))


@pytest.mark.one_database
def test_a_report_does_not_look_at_the_users_name(device):
    mac = device().enroll()
    user = mac.user().enroll()
    assert user.idle(UserLongName=4711).status == 200
    assert user.idle(UserShortName=[]).status == 200


def test_an_error_with_thousands_of_keys(device, expect_log):
    """What a device that could not renew its identity says is looked through
    for its reason. A tree of this one took eight seconds."""
    mac = device().enroll()
    keys = [f"<key>k{i}</key><true/>" for i in range(40000)]
    body = plistlib.dumps({**mac.ids(), "Status": "Error",
                           "CommandUUID": "renewal-0"}).replace(
        b"</dict>", "".join(keys + keys[:10000]).encode() + b"</dict>")
    expect_log("NMDM0741", mac.id, "the device reports an error")
    began = time.monotonic()
    assert mac.send(body, REPORT).status == 200
    assert time.monotonic() - began < 3
