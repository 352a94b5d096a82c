# SPDX-License-Identifier: Apache-2.0
"""Check-ins: what each message answers and leaves in the tables."""

import base64
import plistlib

import pytest

from device import CHECKIN, command
from tables import (associate, associations, count, device_columns,
                    enrollment, forget, is_active, is_enabled, last_seen,
                    result, user_columns)
from system import wait_until

GONE = b"Gone\n"
SERVER_ERROR = b"Internal Server Error\n"
TOKEN = b"\0bootstrap\xff" * 7

PLIST_HEAD = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN"'
    b' "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n'
    b'<plist version="1.0">')

IPAD_UDID = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334"
MAC_UDID = "564D2F91-6C1B-4E0A-B7D3-0F9A8C7B6E5D"
TOPIC = "com.apple.mgmt.External.5d1b2a3c-0000-4444-8888-aabbccddeeff"

# As devices write them: tabs, and data in lines.
AUTHENTICATE = PLIST_HEAD + b"""
<dict>
\t<key>BuildVersion</key>
\t<string>22B83</string>
\t<key>MessageType</key>
\t<string>Authenticate</string>
\t<key>Model</key>
\t<string>%(model)s</string>
\t<key>OSVersion</key>
\t<string>18.1</string>
\t<key>ProductName</key>
\t<string>%(model)s</string>
\t<key>SerialNumber</key>
\t<string>%(serial)s</string>
\t<key>Topic</key>
\t<string>%(topic)s</string>
\t<key>UDID</key>
\t<string>%(udid)s</string>
</dict>
</plist>
"""

TOKEN_UPDATE = PLIST_HEAD + b"""
<dict>
\t<key>AwaitingConfiguration</key>
\t<false/>
\t<key>MessageType</key>
\t<string>TokenUpdate</string>
\t<key>PushMagic</key>
\t<string>7F1C7B0E-53D2-4B7C-9B6C-2E7D0A5F4C31</string>
\t<key>Token</key>
\t<data>
\tAAECAwQFBgcICQoLDA0ODxAREhMU
\tFRYXGBkaGxwdHh8=
\t</data>
\t<key>Topic</key>
\t<string>%(topic)s</string>
\t<key>UDID</key>
\t<string>%(udid)s</string>%(unlock)s
</dict>
</plist>
"""

UNLOCK = b"""
\t<key>UnlockToken</key>
\t<data>
\tdW5sb2NrIG1lIQ==
\t</data>"""


def is_done(answer):
    """Success with nothing to say."""
    return (answer.status == 200 and answer.body == b""
            and answer.headers["Content-Type"] is None)


def is_refused(answer, status, body):
    return (answer.status == status and answer.body == body
            and answer.headers["Content-Type"].startswith("text/plain")
            and answer.headers["X-Content-Type-Options"] == "nosniff")


def unlock_token(db, device):
    token, at = device_columns(db, device, "unlock_token",
                               "unlock_token_at")
    return None if token is None else bytes(token), at


@pytest.fixture(params=["Device", "User", "Shared iPad",
                        "User Enrollment (Device)", "User Enrollment"])
def channel(request, device):
    """A channel of each type, its device having authenticated."""
    kind = request.param
    if kind in ("Device", "User Enrollment (Device)"):
        channel = device(kind=kind)
        channel.authenticate()
        return channel
    parent = ("User Enrollment (Device)" if kind == "User Enrollment"
              else "Device")
    return device(kind=parent).enroll().user(kind)


# -- Enrollment -------------------------------------------------------

def test_c01_c21_token_update_stores_every_type(channel, db):
    """C1, C21: rows, types and parents of all five types."""
    assert is_done(channel.token_update())
    stored = enrollment(db, channel)
    is_user = channel.parent_id is not None
    assert stored == (
        channel.udid, channel.id if is_user else None, channel.kind,
        channel.topic, channel.push_magic, channel.token.hex(), 1, 1)
    names = user_columns(db, channel, "user_short_name",
                         "user_long_name") if is_user else None
    assert names == (("alice", "Alice Doe") if is_user else None)


def test_c01_messages_are_stored_verbatim(device, db):
    """C1: raw bodies, with their times, in the device's row."""
    mac = device()
    bodies = [plistlib.dumps(mac.message(kind, **keys)).replace(
        b"<dict>", "<!-- Zoë’s 💻 -->\n<dict>".encode(), 1)
        for kind, keys in [
            ("Authenticate", {"Topic": mac.topic}),
            ("TokenUpdate", {"Topic": mac.topic, "Token": mac.token,
                             "PushMagic": mac.push_magic})]]
    for body in bodies:
        assert is_done(mac.send(body, CHECKIN))
    authenticate, token_update, *times = device_columns(
        db, mac, "authenticate", "token_update", "authenticate_at",
        "token_update_at")
    assert [authenticate, token_update] == [b.decode() for b in bodies]
    assert None not in times


def test_c01_user_message_is_stored_in_the_users_row(device, db):
    """C1: a user's TokenUpdate leaves the device's own alone."""
    mac = device().enroll()
    before = device_columns(db, mac, "token_update")
    user = mac.user()
    body = plistlib.dumps(user.message(
        "TokenUpdate", Topic=user.topic, Token=user.token,
        PushMagic=user.push_magic))
    assert is_done(user.send(body, CHECKIN))
    stored, at = user_columns(db, user, "token_update",
                              "token_update_at")
    assert (stored, at is None) == (body.decode(), False)
    assert device_columns(db, mac, "token_update") == before


def test_c01_absent_user_names_are_null(device, db):
    """C1: a user channel without names has none stored."""
    user = device().enroll().user(long_name="")
    answer = user.token_update(UserShortName=None)
    assert is_done(answer)
    assert user_columns(db, user, "user_short_name",
                        "user_long_name") == (None, None)


def test_c01_later_token_update_changes_push_info(device, db):
    """C1: topic, magic and token are those of the last message."""
    mac = device().enroll()
    mac.topic, mac.push_magic, mac.token = "com.apple.mgmt.x", "m", b"\xAB"
    assert is_done(mac.token_update())
    assert enrollment(db, mac)[3:6] == ("com.apple.mgmt.x", "m", "ab")


def test_c02_tally_counts_token_updates_since_enrollment(device, db):
    """C2: 1, then 2; 0 by Authenticate; 1 again."""
    mac = device().enroll()
    assert is_enabled(db, mac) == (True, 1)
    mac.token_update()
    assert is_enabled(db, mac) == (True, 2)
    mac.authenticate()
    assert is_enabled(db, mac) == (False, 0)
    mac.token_update()
    assert is_enabled(db, mac) == (True, 1)


@pytest.mark.parametrize("key", ["Topic", "PushMagic", "Token"])
@pytest.mark.parametrize("empty", [False, True],
                         ids=["missing", "empty"])
def test_token_update_without_push_info_is_400(device, db, key, empty):
    """Refused before anything is stored (2.5)."""
    mac = device()
    mac.authenticate()
    nothing = {"Token": b""}.get(key, "") if empty else None
    answer = mac.token_update(UnlockToken=b"unlock", **{key: nothing})
    assert is_refused(answer, 400, b"Bad Request\n")
    assert enrollment(db, mac) is None
    assert device_columns(db, mac, "token_update", "unlock_token") == (
        None, None)


# -- Bootstrap token --------------------------------------------------

def test_c03_bootstrap_token_lives_until_re_enrollment(device, db):
    """C3: none, set, got, gone with the next Authenticate."""
    mac = device().enroll()
    assert is_done(mac.get_bootstrap_token())
    assert is_done(mac.set_bootstrap_token(TOKEN))
    assert mac.get_bootstrap_token().plist == {"BootstrapToken": TOKEN}
    stored, at = device_columns(db, mac, "bootstrap_token_b64",
                                "bootstrap_token_at")
    assert stored == base64.b64encode(TOKEN).decode()
    assert at is not None
    mac.enroll()
    assert is_done(mac.get_bootstrap_token())
    assert device_columns(db, mac, "bootstrap_token_b64",
                          "bootstrap_token_at") == (None, None)


@pytest.mark.parametrize("nothing", [b"", None],
                         ids=["empty", "missing"])
def test_c04_bootstrap_token_is_removed_by_nothing(device, db, nothing):
    """C4: an empty or missing token removes, and says when."""
    mac = device().enroll()
    mac.set_bootstrap_token(TOKEN)
    assert is_done(mac.set_bootstrap_token(nothing))
    assert is_done(mac.get_bootstrap_token())
    stored, at = device_columns(db, mac, "bootstrap_token_b64",
                                "bootstrap_token_at")
    assert (stored, at is None) == (None, False)


def test_c05_bootstrap_token_reply_is_a_compact_plist(device):
    """C5: the exact bytes, with exactly one key."""
    mac = device().enroll()
    mac.set_bootstrap_token(TOKEN)
    answer = mac.get_bootstrap_token()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert answer.body == (
        PLIST_HEAD + b"<dict><key>BootstrapToken</key><data>"
        + base64.b64encode(TOKEN) + b"</data></dict></plist>\n")


def test_long_bootstrap_token_comes_back_whole(device):
    """2.8: arbitrary bytes of any length."""
    mac = device().enroll()
    token = bytes(range(256)) * 64
    assert is_done(mac.set_bootstrap_token(token))
    assert mac.get_bootstrap_token().plist == {"BootstrapToken": token}


def test_user_channel_has_no_bootstrap_token(device, db):
    """2.8: Set is an error there, Get finds none."""
    mac = device().enroll()
    user = mac.user().enroll()
    mac.set_bootstrap_token(TOKEN)
    answer = user.set_bootstrap_token(b"of the user")
    assert is_refused(answer, 500, SERVER_ERROR)
    assert is_done(user.get_bootstrap_token())
    assert mac.get_bootstrap_token().plist == {"BootstrapToken": TOKEN}


# -- CheckOut ---------------------------------------------------------

def test_c06_checkout_disables_device_and_users(device, operator, db):
    """C6: disabled with tally 0; all else stays; TokenUpdate enables."""
    mac = device().enroll()
    user = mac.user().enroll()
    mac.set_bootstrap_token(TOKEN)
    mac.token_update(UnlockToken=b"unlock")
    pushes = enrollment(db, mac)[:6]
    uuid, plist = command()
    operator.enqueue([mac.id, user.id], plist)

    assert is_done(mac.checkout())
    for channel in (mac, user):
        assert is_enabled(db, channel) == (False, 0)
        assert channel.idle().body == plist
    assert enrollment(db, mac)[:6] == pushes
    assert mac.get_bootstrap_token().plist == {"BootstrapToken": TOKEN}
    assert unlock_token(db, mac)[0] == b"unlock"
    assert associations(db, mac) == [mac.identity.sha256]

    assert is_done(mac.token_update())
    assert is_enabled(db, mac) == (True, 1)
    assert is_enabled(db, user) == (False, 0)


def test_c06_checkout_leaves_other_devices_alone(device, db):
    """C6: no other is disabled."""
    leaver, stayer = device().enroll(), device().enroll()
    assert is_done(leaver.checkout())
    assert is_enabled(db, stayer) == (True, 1)


def test_c06_checkout_before_token_update_is_accepted(device, db):
    """C6: no enrollment to disable is no error."""
    mac = device()
    mac.authenticate()
    assert is_done(mac.checkout())
    assert enrollment(db, mac) is None


def test_c07_checkout_of_a_user_disables_that_user_only(device, db):
    """C7: the device and its other users stay enabled."""
    mac = device().enroll()
    alice, bob = mac.user().enroll(), mac.user().enroll()
    assert is_done(alice.checkout())
    assert is_enabled(db, alice) == (False, 0)
    assert is_enabled(db, bob) == (True, 1)
    assert is_enabled(db, mac) == (True, 1)
    assert is_done(alice.token_update())
    assert is_enabled(db, alice) == (True, 1)


# -- Authenticate -----------------------------------------------------

def test_c08_authenticate_on_user_channel_stores_nothing(device, db):
    """C8: 500 before any write, also none for the device."""
    user = device().user()
    assert is_refused(user.authenticate(), 500, SERVER_ERROR)
    assert count(db, "devices", "id IN (%s, %s)", user.id,
                 user.udid) == 0
    assert associations(db, user) == []


def test_c08_authenticate_on_user_channel_disturbs_nothing(device, db):
    """C8: an enrolled device stays as it is."""
    mac = device().enroll()
    before = device_columns(db, mac, "authenticate", "authenticate_at",
                            "serial_number")
    user = mac.user().enroll()
    assert user.authenticate(SerialNumber="other").status == 500
    assert device_columns(db, mac, "authenticate", "authenticate_at",
                          "serial_number") == before
    assert is_enabled(db, mac) == is_enabled(db, user) == (True, 1)


def test_c09_re_enrollment(device, operator, db):
    """C9: the walk-through of 2.11, on device and user channel."""
    mac = device().enroll()
    user = mac.user().enroll()
    channels = (mac, user)
    (c0, plist0), (c1, plist1), (c2, plist2) = [
        command() for _ in range(3)]
    for plist in (plist0, plist1, plist2):
        operator.enqueue([mac.id, user.id], plist)
    for channel in channels:
        assert channel.idle().body == plist0
        assert channel.acknowledge(c0, Answer="kept").body == plist1
        assert channel.not_now(c1).body == plist2
    mac.set_bootstrap_token(TOKEN)
    for tally in (2, 3):
        mac.token_update()
        assert is_enabled(db, mac) == (True, tally)
    assert is_enabled(db, user) == (True, 1)

    assert is_done(mac.authenticate())
    for channel in channels:
        assert is_done(channel.idle())
        assert is_enabled(db, channel) == (False, 0)
        assert "kept" in result(db, channel, c0).result
        assert [is_active(db, channel, uuid) for uuid in (c0, c1, c2)
                ] == [True, False, False]
    assert is_done(mac.get_bootstrap_token())

    assert is_done(mac.token_update())
    assert is_enabled(db, mac) == (True, 1)
    assert is_enabled(db, user) == (False, 0)
    assert is_done(user.token_update())
    assert is_enabled(db, user) == (True, 1)

    c3, plist3 = command()
    operator.enqueue([mac.id, user.id], plist3)
    for channel in channels:
        assert channel.acknowledge(c1, Late="yes").body == plist3
        late = result(db, channel, c1)
        assert late.status == "Acknowledged"
        assert plistlib.loads(late.result.encode())["Late"] == "yes"
        assert channel.idle().body == plist3
        assert is_done(channel.acknowledge(c3))


def test_c09_re_enrollment_leaves_other_devices_alone(device, operator,
                                                      db):
    """C9: other queues, tokens and enrollments stay."""
    mac, other = device().enroll(), device().enroll()
    uuid, plist = command()
    operator.enqueue([mac.id, other.id], plist)
    other.set_bootstrap_token(TOKEN)
    assert is_done(mac.authenticate())
    assert is_enabled(db, other) == (True, 1)
    assert other.idle().body == plist
    assert other.get_bootstrap_token().plist["BootstrapToken"] == TOKEN


def test_c10_unlock_token_is_kept_until_replaced(device, db):
    """C10: a TokenUpdate without one never erases it."""
    mac = device().enroll()
    assert unlock_token(db, mac) == (None, None)
    assert is_done(mac.token_update(UnlockToken=b"\0first\xff"))
    first, first_at = unlock_token(db, mac)
    assert (first, first_at is None) == (b"\0first\xff", False)
    for nothing in (None, b""):
        assert is_done(mac.token_update(UnlockToken=nothing))
        assert unlock_token(db, mac) == (first, first_at)
    assert is_done(mac.token_update(UnlockToken=b"second" * 1000))
    assert unlock_token(db, mac)[0] == b"second" * 1000


def test_c10_unlock_token_is_cleared_by_authenticate(device, db):
    """C10 and Q49: it belongs to the enrollment that is over."""
    mac = device().enroll()
    mac.token_update(UnlockToken=b"unlock")
    assert is_done(mac.authenticate())
    assert unlock_token(db, mac) == (None, None)


def test_c11_unlock_token_of_a_user_is_not_stored(device, server, db):
    """C11: 200, and an info line says so."""
    mac = device().enroll()
    user = mac.user()
    mark = server.mark()
    assert is_done(user.token_update(UnlockToken=b"of the user"))
    assert unlock_token(db, mac) == (None, None)
    server.wait_for_log(rf"nanomdm:info.*{user.id}.*(?i:unlock ?token)",
                        mark)


def test_c12_token_update_needs_the_device_row(device, db, expect_log):
    """C12: never authenticated, yet associated: 500, nothing stored."""
    stranger = device()
    associate(db, stranger)
    expect_log("nanomdm:error", stranger.udid, optional=True)
    answer = stranger.token_update()
    assert is_refused(answer, 500, SERVER_ERROR)
    assert enrollment(db, stranger) is None
    assert device_columns(db, stranger, "id") is None


@pytest.mark.parametrize("nothing", [None, ""], ids=["absent", "empty"])
def test_c13_serial_number_is_null_when_absent(device, db, nothing):
    """C13: present, then absent on re-Authenticate."""
    mac = device()
    mac.authenticate()
    assert device_columns(db, mac, "serial_number") == (mac.serial,)
    assert is_done(mac.authenticate(SerialNumber=nothing))
    assert device_columns(db, mac, "serial_number") == (None,)


@pytest.mark.parametrize("key", ["ec", "rsa"])
def test_c14_identity_cert_is_the_presented_one(device, ca, db, key):
    """C14: its PEM, that of the last Authenticate."""
    mac = device()
    mac.authenticate()
    again = device(identity=ca.issue(key=key), udid=mac.udid)
    for presented in (mac, again):
        assert is_done(presented.authenticate())
        assert device_columns(db, mac, "identity_cert") == (
            presented.identity.pem.decode(),)


# -- What is not configured -------------------------------------------

@pytest.mark.parametrize("service_type, parameters", [
    ("com.apple.maid", None),
    ("com.apple.watch.pairing", {"PhoneUDID": "p", "WatchUDID": "w",
                                 "SecurityToken": "s"}),
    ("com.example.unknown", None)])
def test_c18_c19_get_token_without_handler_is_500(device, service_type,
                                                  parameters):
    """C18, C19: well-formed, but no handler is configured."""
    answer = device().enroll().get_token(service_type,
                                         TokenParameters=parameters)
    assert is_refused(answer, 500, SERVER_ERROR)


@pytest.mark.parametrize("service_type", [
    None, "", "com.apple.watch.pairing"])
def test_c20_invalid_get_token_is_an_error(device, service_type):
    """C20: 500 as NanoMDM, or the 400 that Q17 allows."""
    answer = device().enroll().get_token(service_type)
    assert (is_refused(answer, 500, SERVER_ERROR)
            or is_refused(answer, 400, b"Bad Request\n"))


def test_d10_declarative_management_without_url_is_500(device):
    """D10: not configured."""
    answer = device().enroll().declarative_management("tokens")
    assert is_refused(answer, 500, SERVER_ERROR)


# -- Recorded messages ------------------------------------------------

@pytest.mark.parametrize("udid, model, unlock", [
    (IPAD_UDID, "iPad13,4", UNLOCK), (MAC_UDID, "MacBookPro18,3", b"")],
    ids=["ipad", "mac"])
def test_c22_recorded_messages(device, db, udid, model, unlock):
    """C22: an iPad's 40 hex digits, a Mac's UUID."""
    apple = device(udid=udid)
    words = {b"udid": udid.encode(), b"model": model.encode(),
             b"serial": b"SERIAL", b"topic": TOPIC.encode(),
             b"unlock": unlock}
    for sample in (AUTHENTICATE, TOKEN_UPDATE):
        assert is_done(apple.send(sample % words, CHECKIN))
    stored = enrollment(db, apple)
    assert (stored.device_id, stored.topic) == (udid, TOPIC)
    assert stored.token_hex == bytes(range(32)).hex()
    assert unlock_token(db, apple)[0] == (b"unlock me!" if unlock
                                          else None)


# -- Last seen --------------------------------------------------------

@pytest.mark.parametrize("message", [
    "token_update", "checkout", "get_bootstrap_token"])
def test_checkins_move_last_seen(device, db, message):
    """Also S10: these check-ins bump last_seen_at."""
    mac = device().enroll()
    before = forget(db, mac)
    assert getattr(mac, message)().status == 200
    assert wait_until(lambda: last_seen(db, mac) > before)
