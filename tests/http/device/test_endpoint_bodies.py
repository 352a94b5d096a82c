# SPDX-License-Identifier: Apache-2.0
"""Property lists that devices send: malformed, odd and hostile (1.9, 2, 9)."""

import plistlib
import random
import time

import pytest

from device import CHECKIN, REPORT, without_none
from test_endpoint import assert_refused, one_database
from wire import DOCTYPE, assert_empty, assert_error, authenticate, is_stored

XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'
PLIST = b'<plist version="1.0">'


def dict_of(xml):
    """The <dict> of an XML plist, without what surrounds it."""
    start = xml.index(b"<dict>")
    return xml[start:xml.index(b"</dict>") + len(b"</dict>")]


# -- property lists ---------------------------------------------------

def iso_8859_1(xml):
    return xml.replace(b"UTF-8", b"ISO-8859-1")


def utf_16(xml):
    text = xml.decode().replace("UTF-8", "UTF-16")
    return text.encode("utf-16")


def internal_entity(xml):
    start = xml.index(b"<plist")
    dtd = b'<!DOCTYPE plist [<!ENTITY x "Authenticate">]>\n'
    return XML + dtd + xml[start:].replace(b">Authenticate<", b">&x;<")


def binary(value):
    return plistlib.dumps(value, fmt=plistlib.FMT_BINARY)


MALFORMED = {
    "truncated": lambda xml: xml[:-30],
    "cut in the dict": lambda xml: xml[:xml.index(b"</dict>")],
    "empty": lambda xml: b"",
    "blank": lambda xml: b"\n \n",
    "array": lambda xml: plistlib.dumps(["Authenticate"]),
    "string": lambda xml: plistlib.dumps("Authenticate"),
    "dict in an array": lambda xml: plistlib.dumps(
        [plistlib.loads(xml)]),
    "ISO-8859-1": iso_8859_1,
    "UTF-16": utf_16,
    "internal entity": internal_entity,
    "NUL inside": lambda xml: xml.replace(b"<dict>", b"<dict>\0"),
    "JSON": lambda xml: b'{"MessageType": "Authenticate"}',
    "truncated binary": lambda xml: binary(plistlib.loads(xml))[:-1],
    "binary array": lambda xml: binary([plistlib.loads(xml)]),
    "binary and more": lambda xml: binary(plistlib.loads(xml)) + b"\0",
    "form": lambda xml: b"MessageType=Authenticate",
}


@one_database
@pytest.mark.parametrize("mangle", MALFORMED.values(), ids=MALFORMED)
def test_m28_malformed_checkin_is_400(device, mangle):
    """M28, M33"""
    mac = device()
    answer = mac.send(mangle(authenticate(mac)), CHECKIN)
    assert_refused(mac, answer)


@one_database
@pytest.mark.parametrize("mangle", MALFORMED.values(), ids=MALFORMED)
def test_m28_malformed_report_is_400(device, mangle):
    """M28, M33"""
    mac = device().enroll()
    report = plistlib.dumps({**mac.ids(), "Status": "Idle",
                             "x": "Authenticate", "Topic": "y"})
    assert_error(mac.send(mangle(report), REPORT), 400)


TOLERATED = {
    "bare dict": dict_of,
    "no declaration": lambda xml: xml[xml.index(b"<!DOCTYPE"):],
    "no DOCTYPE": lambda xml: XML + xml[xml.index(b"<plist"):],
    "trailing newlines": lambda xml: xml + b"\n\n\n",
    "trailing garbage": lambda xml: xml + b"garbage",
    "trailing NUL": lambda xml: xml + b"\0",
    "comments": lambda xml: xml.replace(
        b"<dict>", b"<!-- <dict> --><dict><!-- & -->"),
    "CDATA": lambda xml: xml.replace(
        b">Authenticate<", b"><![CDATA[Authenticate]]><"),
    "character reference": lambda xml: xml.replace(
        b">Authenticate<", b">Authen&#116;ic&#x61;te<"),
}


@pytest.mark.parametrize("dress", TOLERATED.values(), ids=TOLERATED)
def test_m29_odd_but_legible_is_accepted(device, dress):
    """M29"""
    mac = device()
    body = dress(authenticate(mac))
    assert_empty(mac.send(body, CHECKIN))
    (stored,), = mac.server.database.query(
        "SELECT authenticate FROM devices WHERE id = %s", mac.udid)
    assert body.startswith(stored.encode())
    assert dict_of(stored.encode()) == dict_of(body)


@one_database
def test_m29_last_of_equal_keys_wins(device):
    """M29"""
    mac, other = device(), device()
    body = authenticate(mac).replace(
        b"</dict>", f"<key>UDID</key><string>{other.udid}</string></dict>"
        .encode())
    assert_empty(mac.send(body, CHECKIN))
    assert is_stored(mac.server, other.udid)
    assert not is_stored(mac.server, mac.udid)


@one_database
def test_unknown_keys_of_any_type_are_ignored(device):
    """1.6"""
    mac = device()
    assert_empty(mac.authenticate(
        A=1, B=-1, C=1.5, D=True, E=b"x", F=["y", {"z": []}], G={},
        udid="lower case", Token="not looked at here"))
    assert is_stored(mac.server, mac.udid)


@one_database
@pytest.mark.parametrize("keys", [
    {"MessageType": 1}, {"UDID": 1}, {"UDID": ["x"]},
    {"UDID": b"x"}, {"SerialNumber": 5}, {"Topic": {}},
    {"UserID": True}], ids=str)
def test_m30_wrong_type_of_a_known_key_is_400(device, keys):
    """M30"""
    mac = device()
    assert_refused(mac, mac.authenticate(**keys))


@one_database
@pytest.mark.parametrize("keys", [
    {"Token": "a string"}, {"Token": 1}, {"PushMagic": b"data"},
    {"UnlockToken": "a string"}], ids=str)
def test_m30_wrong_type_in_a_token_update_is_400(device, db, keys):
    """M30"""
    mac = device()
    mac.authenticate()
    assert_error(mac.token_update(**keys), 400)
    assert db.query("SELECT id FROM enrollments WHERE id = %s",
                    mac.id) == []


@one_database
@pytest.mark.parametrize("data, token", [
    ("AAEC\t/w\r\n ==\n", b"\x00\x01\x02\xff"),
    ("-_8=", None), ("AA", None), ("AA=", None), ("A!==", None)])
def test_m30_base64_is_the_standard_one(device, db, data, token):
    """1.6: white space is removed, the alphabet and padding are not
    negotiable."""
    mac = device()
    mac.authenticate()
    body = plistlib.dumps(mac.message(
        "TokenUpdate", Topic=mac.topic, PushMagic="m", Token=b"TOKEN"))
    body = body.replace(b"VE9LRU4=", data.encode())
    answer = mac.send(body, CHECKIN)
    if token:
        assert_empty(answer)
    else:
        assert_error(answer, 400)
    assert db.query("SELECT token_hex FROM enrollments WHERE id = %s",
                    mac.id) == ([(token.hex(),)] if token else [])


@one_database
def test_m30_other_messages_keys_are_not_checked(device):
    """1.6: a bad Token does not matter to CheckOut."""
    mac = device().enroll()
    assert_empty(mac.checkout(Token="a string"))


@one_database
def test_m30_odd_error_chain_does_not_block_the_queue(device):
    """1.6 [BETTER]"""
    mac = device().enroll()
    assert_empty(mac.idle(ErrorChain="none"))


@one_database
@pytest.mark.parametrize("status", [None, "", 1, ["Idle"]])
def test_report_needs_a_status(device, status):
    """1.9"""
    mac = device().enroll()
    answer = mac.send(without_none({**mac.ids(), "Status": status}))
    assert_error(answer, 400)


@one_database
@pytest.mark.parametrize("name", ["Bogus", "authenticate", " Authenticate"])
def test_m31_unknown_message_type_is_400_and_logged(device, server, name):
    """M31"""
    mac = device()
    mark = server.mark()
    assert_refused(mac, mac.checkin(name))
    server.wait_for_log(f'unrecognized MessageType: "{name}"', mark)


@one_database
@pytest.mark.parametrize("name", [None, ""])
def test_m31_missing_message_type_is_400(device, name):
    """M31"""
    mac = device()
    assert_refused(mac, mac.checkin("Authenticate", MessageType=name))


@one_database
def test_m31_log_line_cannot_be_forged(device, server):
    """M31: the name in the log is the device's own choice."""
    mac = device()
    mark = server.mark()
    assert_error(mac.checkin("x\n[forged] NMDM0000: line"), 400)
    server.wait_for_log("unrecognized MessageType", mark)
    assert "\n[forged]" not in server.log_since(mark)


@one_database
@pytest.mark.parametrize("send", [
    lambda mac: mac.authenticate(UDID=None),
    lambda mac: mac.authenticate(UDID=""),
    lambda mac: mac.idle(UDID=""),
    lambda mac: mac.send({"Status": "Idle"})])
def test_m32_without_identifier_is_no_401(device, expect_log, send):
    """M32: 500 as the reference, or 400."""
    expect_log("NMDM", optional=True)
    assert_error(send(device()), 400, 500)


# -- hostile ----------------------------------------------------------

def billion_laughs():
    entities = '<!ENTITY l0 "lol">' + "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return (XML + f"<!DOCTYPE plist [{entities}]>".encode() + PLIST
            + b"<dict><key>MessageType</key><string>&l9;</string>"
            b"</dict></plist>")


def external_entity():
    return (XML + b'<!DOCTYPE plist [<!ENTITY x SYSTEM '
            b'"file:///etc/passwd">]>' + PLIST
            + b"<dict><key>MessageType</key><string>&x;</string>"
            b"</dict></plist>")


def nested(depth, start, end):
    """What is known precedes the nesting."""
    return (XML + DOCTYPE + PLIST
            + b"<dict><key>MessageType</key><string>Authenticate"
            b"</string><key>UDID</key><string>NESTED</string>"
            b"<key>x</key>" + start * depth + end * depth
            + b"</dict></plist>")


def binary_list(objects, *, top=0, offset_size=2, ref_size=2, count=None,
                offsets=None, table=None):
    """A binary property list of these objects, which may be wrong."""
    body, found = b"bplist00", []
    for item in objects:
        found.append(len(body))
        body += item
    offsets = offsets or found
    start = len(body) if table is None else table
    body += b"".join(at.to_bytes(offset_size, "big") for at in offsets)
    return body + bytes(6) + bytes([offset_size, ref_size]) + b"".join(
        number.to_bytes(8, "big")
        for number in (len(found) if count is None else count, top, start))


def refs(*numbers):
    return b"".join(n.to_bytes(2, "big") for n in numbers)


KEY = b"\x51k"
HUGE = 2 ** 64 - 1


def binary_bomb():
    """References to the same list, each level ten times the last."""
    levels = [b"\xd1" + refs(1, 2), KEY]
    levels += [b"\xaa" + refs(*[n + 1] * 10) for n in range(2, 12)]
    return binary_list(levels + [b"\x5f\x10\x64" + b"x" * 100])


def binary_wide():
    """One string of 60,000 bytes, 60,000 times."""
    return binary_list([
        b"\xd1" + refs(1, 2), KEY, b"\xaf\x11\xea\x60" + refs(3) * 60_000,
        b"\x5f\x11\xea\x60" + b"x" * 60_000], offset_size=4)


def binary_deep():
    levels = [b"\xd1" + refs(1, 2), KEY]
    levels += [b"\xa1" + refs(n + 1) for n in range(2, 5000)]
    return binary_list(levels + [b"\x09"])


def binary_overlapping():
    """A thousand arrays, which are the same 50,000 references."""
    return binary_list(
        [b"\xd1" + refs(1, 2), KEY,
         b"\xaf\x11\x03\xe8" + refs(*range(3, 1003)),
         b"\xaf\x11\xc3\x50" + refs(1) * 50_000],
        offset_size=4, count=1003, offsets=[8, 13, 15] + [2019] * 1000)


BINARY_DICT = [b"\xd1" + refs(1, 2), KEY, b"\x09"]

HOSTILE = {
    "billion laughs": billion_laughs,
    "external entity": external_entity,
    "10 000 dicts": lambda: nested(
        10_000, b"<dict><key>k</key>", b"</dict>"),
    "10 000 arrays": lambda: nested(10_000, b"<array>", b"</array>"),
    "a million unclosed": lambda: nested(1_000_000, b"<array>", b""),
    "a million unclosed comments": lambda: nested(
        1_000_000, b"<!--", b""),
    "binary bomb": binary_bomb,
    "binary wide": binary_wide,
    "binary deep": binary_deep,
    "binary overlapping": binary_overlapping,
    "binary cycle": lambda: binary_list([
        b"\xd1" + refs(1, 2), KEY, b"\xa1" + refs(0)]),
    "binary of itself": lambda: binary_list([b"\xd1" + refs(1, 0), KEY]),
    "binary huge count": lambda: binary_list(BINARY_DICT, count=HUGE),
    "binary many objects": lambda: binary_list(
        BINARY_DICT, count=2 ** 31, offset_size=8),
    "binary huge top": lambda: binary_list(BINARY_DICT, top=HUGE),
    "binary table outside": lambda: binary_list(BINARY_DICT, table=HUGE),
    "binary table at the end": lambda: binary_list(BINARY_DICT, table=60),
    "binary table first": lambda: binary_list(BINARY_DICT, table=0),
    "binary offset outside": lambda: binary_list(
        BINARY_DICT, offsets=[8, 13, 65535]),
    "binary offset in the table": lambda: binary_list(
        BINARY_DICT, offsets=[8, 13, 16]),
    "binary offset in the header": lambda: binary_list(
        BINARY_DICT, offsets=[8, 13, 0]),
    "binary reference outside": lambda: binary_list(
        [b"\xd1" + refs(1, 9), KEY, b"\x09"]),
    "binary no offset size": lambda: binary_list(
        BINARY_DICT)[:-26] + bytes(1) + binary_list(BINARY_DICT)[-25:],
    "binary string too long": lambda: binary_list(
        [b"\xd1" + refs(1, 2), KEY, b"\x5f\x13" + b"\xff" * 8 + b"x"]),
    "binary array too long": lambda: binary_list(
        [b"\xd1" + refs(1, 2), KEY, b"\xaf\x13\x7f" + b"\xff" * 7]),
    "binary UTF-16 too long": lambda: binary_list(
        [b"\xd1" + refs(1, 2), KEY, b"\x6f\x12\x80\0\0\0"]),
    "binary key no string": lambda: binary_list(
        [b"\xd1" + refs(2, 2), KEY, b"\x09"]),
    "binary null": lambda: binary_list([b"\xd1" + refs(1, 2), KEY, b"\0"]),
    "binary set": lambda: binary_list(
        [b"\xd1" + refs(1, 2), KEY, b"\xc1" + refs(1)]),
    "binary UID": lambda: binary_list(
        [b"\xd1" + refs(1, 2), KEY, b"\x80\x01"]),
    "binary integer of 128 bits": lambda: binary_list(
        [b"\xd1" + refs(1, 2), KEY, b"\x14" + b"\x7f" * 16]),
    "binary version 15": lambda: b"bplist15" + binary_list(BINARY_DICT)[8:],
    "bplist header": lambda: b"bplist00",
    "NULs": lambda: bytes(100_000),
}


@one_database
@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("content_type", [CHECKIN, REPORT])
def test_m35_m36_hostile_body_is_400_soon(device, make, content_type):
    """M35, M36"""
    mac = device()
    body = make()
    start = time.monotonic()
    assert_error(mac.send(body, content_type), 400)
    assert time.monotonic() - start < 3
    assert not is_stored(mac.server, "NESTED")


@one_database
@pytest.mark.parametrize("digits", [20, 4000, 1_000_000])
def test_m36_huge_integer_does_no_harm(device, digits):
    """M36: 400; of a report it is only stored, so that is served."""
    mac = device()
    body = authenticate(mac, x=12345).replace(b"12345", b"9" * digits)
    assert_error(mac.send(body, CHECKIN), 400)
    assert not is_stored(mac.server, mac.udid)
    mac.enroll()
    body = plistlib.dumps({"Status": "Idle", "UDID": mac.udid, "x": 12345})
    body = body.replace(b"12345", b"9" * digits)
    assert mac.send(body, REPORT).status == 200


@one_database
def test_m36_random_bytes_never_crash(device):
    """M36: noise, and messages with a few bytes changed."""
    chance = random.Random(36)
    mac = device()
    body = authenticate(mac, Model="a", x=[1, {"y": b"data"}])
    for _ in range(60):
        noise = chance.randbytes(chance.randrange(2000))
        assert_error(mac.send(noise, CHECKIN), 400)
        mutant = bytearray(body)
        for _ in range(3):
            mutant[chance.randrange(len(body))] = chance.randrange(256)
        assert mac.send(bytes(mutant), CHECKIN).status in (200, 400, 500)
