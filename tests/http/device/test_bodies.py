# SPDX-License-Identifier: Apache-2.0
"""Bodies that are not quite XML: no device may be kept from its queue by one
(the decisions of 2026-11-27 on 1.6 and 3.5)."""

import base64
import plistlib

import pytest

from device import CHECKIN, REPORT, command
from receiver import Receiver
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


@pytest.mark.one_database
def test_a_report_does_not_look_at_the_users_name(device):
    mac = device().enroll()
    user = mac.user().enroll()
    assert user.idle(UserLongName=4711).status == 200
    assert user.idle(UserShortName=[]).status == 200
