# SPDX-License-Identifier: Apache-2.0
"""The handler nanomdm-migration: an operator speaks for devices that
another server enrolled (6.7)."""

import plistlib

import pytest

from device import Device, Operator, command
from system import wait_until
from tables import (associations, device_columns, enrollment, is_enabled,
                    user_columns)
from wire import assert_empty, assert_error, is_stored

BASIC = """\
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
"""
LOCATIONS = f"""\
<Location "/migration">
    SetHandler nanomdm-migration
{BASIC}</Location>
<Location "/challenging">
    SetHandler nanomdm-migration
    NanoMDMUserAuthenticate empty-challenge
{BASIC}</Location>
<Location "/small">
    SetHandler nanomdm-migration
    NanoMDMMaxBody 100
{BASIC}</Location>
<Location "/open">
    SetHandler nanomdm-migration
</Location>
<Location "/retro">
    SetHandler nanomdm
    NanoMDMRetroactive On
</Location>
"""
TOKEN = b"\0bootstrap\xff" * 9


class Mover(Device):
    """An operator with the API key who speaks for a device."""

    path = "/migration"

    def credentials(self, body):
        return [Operator(self.server).authorization]


@pytest.fixture(scope="module")
def migration(module_httpd):
    """A server with migration URLs."""
    return module_httpd(extra_vhost=LOCATIONS)


@pytest.fixture
def mover(migration):
    """mover(**options of Device): an operator moving a new device."""
    movers = []

    def make(**options):
        movers.append(Mover(migration, None, transport="none", **options))
        return movers[-1]
    yield make
    for made in movers:
        made.close()


@pytest.fixture
def moved(mover):
    """A device that was moved here: enrolled, without an association."""
    return mover().enroll()


@pytest.fixture
def arrive(device, migration):
    """arrive(moved, path): the device itself, with its certificate."""
    def make(moved, path="/mdm", **options):
        made = device(migration, udid=moved.udid, **options)
        made.path = path
        return made
    return make


# -- Who may ----------------------------------------------------------

@pytest.mark.one_database
@pytest.mark.parametrize("authorization", [
    None, "Basic bmFub21kbTp4", "Basic eDphcGktc2VjcmV0", "Basic !",
    "Bearer api-secret"],
    ids=["none", "key", "user", "malformed", "bearer"])
def test_p02_migration_wants_the_key(migration, mover, expect_log,
                                     authorization):
    """P2: 401 is right here, this is no device URL."""
    expect_log(r"auth_basic:error", optional=True)
    stranger = mover()
    stranger.credentials = lambda body: (
        [("Authorization", authorization)] if authorization else [])
    answer = stranger.authenticate()
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="nanomdm"'
    assert not is_stored(migration, stranger.udid)


@pytest.mark.one_database
@pytest.mark.parametrize("with_key", [False, True])
def test_unprotected_migration_is_403(migration, mover, expect_log,
                                      with_key):
    """The request is not authenticated, whatever it says of itself."""
    expect_log(r"nanomdm:error.*NMDM\d{4}.*/open")
    stranger = mover()
    stranger.path = "/open"
    if not with_key:
        stranger.credentials = lambda body: []
    answer = stranger.authenticate()
    assert answer.status == 403
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json) == ["error"]
    assert not is_stored(migration, stranger.udid)


@pytest.mark.one_database
def test_device_certificate_is_no_key(migration, device):
    """A device's identity opens no URL of the operators."""
    mac = device(migration).enroll()
    mac.path = "/migration"
    assert mac.token_update().status == 401


@pytest.mark.one_database
@pytest.mark.parametrize("path", ["/migration/", "/migration/x"])
def test_migration_answers_its_exact_path(migration, mover, path):
    """1.1"""
    lost = mover()
    lost.path = path
    assert lost.authenticate().status == 404
    assert not is_stored(migration, lost.udid)


# -- Enrollments ------------------------------------------------------

DEVICE = ("serial_number", "bootstrap_token_b64", "unlock_token")
USER = ("user_short_name", "user_long_name", "user_authenticate")


def rows(db, channels):
    """What the tables hold of a device and its users, by whoever it
    came, without times, ids and random values."""
    parent, *users = channels
    return ([device_columns(db, parent, *DEVICE)]
            + [user_columns(db, user, *USER) for user in users]
            + [enrollment(db, channel)._replace(
                device_id=None, user_id=None, push_magic=None,
                token_hex=None) for channel in channels])


def enroll_all(parent, *user_kinds):
    """A device with a bootstrap token, and its users."""
    parent.enroll()
    assert_empty(parent.set_bootstrap_token(TOKEN))
    return [parent, *(parent.user(kind).enroll() for kind in user_kinds)]


@pytest.mark.parametrize("kind, user_kinds", [
    ("Device", ["User", "Shared iPad"]),
    ("User Enrollment (Device)", ["User Enrollment"])])
def test_p19_migration_makes_the_same_rows(mover, device, migration, db,
                                           kind, user_kinds):
    """P19: as devices that enroll themselves."""
    moved = enroll_all(mover(kind=kind, short_name="bob"), *user_kinds)
    direct = enroll_all(device(migration, kind=kind, short_name="bob"),
                        *user_kinds)
    assert_empty(moved[0].authenticate(SerialNumber="C1"))
    assert_empty(direct[0].authenticate(SerialNumber="C1"))
    for channel in moved + direct:
        assert_empty(channel.token_update(UnlockToken=b"unlock"))
    assert rows(db, moved) == rows(db, direct)
    for channel in moved:
        row = enrollment(db, channel)
        assert row.push_magic == channel.push_magic
        assert row.token_hex == channel.token.hex()
        assert row.device_id == channel.udid
        assert is_enabled(db, channel) == (True, 1)


def test_c14_migrated_device_has_no_certificate(moved, db):
    """C14, 2.4"""
    assert device_columns(db, moved, "identity_cert") == (None,)
    assert associations(db, moved) == []


@pytest.mark.one_database
def test_messages_are_stored_verbatim(mover, db):
    """Byte for byte, whatever the Content-Type and the method."""
    moved = mover()
    body = plistlib.dumps(moved.message(
        "Authenticate", Topic=moved.topic, Note="ü <&>")) + b"\n\n"
    for method in ("PUT", "POST"):
        for content_type in (None, "text/plain",
                             "application/x-www-form-urlencoded"):
            assert_empty(moved.send(body, content_type, method=method))
    assert device_columns(db, moved, "authenticate") == (body.decode(),)


def test_bootstrap_token_comes_back(mover):
    """Answers have bodies, as on device URLs."""
    moved = mover()
    moved.authenticate()
    assert_empty(moved.get_bootstrap_token())
    assert_empty(moved.set_bootstrap_token(TOKEN))
    answer = moved.get_bootstrap_token()
    assert answer.plist == {"BootstrapToken": TOKEN}
    assert answer.headers["Content-Type"].startswith("text/xml")


@pytest.mark.one_database
def test_bootstrap_token_of_a_device_never_seen(mover):
    """2.8: 500 as NanoMDM, or nothing."""
    answer = mover().get_bootstrap_token()
    assert (answer.status, answer.body) == (200, b"") \
        or answer.status == 500


@pytest.mark.one_database
def test_checkout_disables(moved, db):
    assert_empty(moved.checkout())
    assert is_enabled(db, moved) == (False, 0)


def test_moving_twice_is_a_re_enrollment(moved, db):
    """C2: a migration that is run again changes nothing."""
    moved.token_update()
    moved.enroll()
    assert is_enabled(db, moved) == (True, 1)


@pytest.mark.one_database
def test_moving_a_device_that_is_here(mover, device, migration, db):
    """2.4: the stored certificate goes, its association stays."""
    mac = device(migration).enroll()
    mover(udid=mac.udid).enroll()
    assert device_columns(db, mac, "identity_cert") == (None,)
    assert associations(db, mac) == [mac.identity.sha256]
    assert mac.idle().status == 200


# -- What is refused --------------------------------------------------

def test_c12_token_update_of_an_unknown_device(mover, db):
    """C12: and no row of it."""
    for stranger in (mover(), mover().user()):
        assert_error(stranger.token_update(), 500)
        assert enrollment(db, stranger) is None


@pytest.mark.one_database
@pytest.mark.parametrize("body", [
    b"", b"garbage", b"<plist>", plistlib.dumps([1]),
    plistlib.dumps({"MessageType": "Authenticate"}, fmt=plistlib.FMT_BINARY)
    + b"\0", plistlib.dumps({"UDID": "u"}),
    plistlib.dumps({"MessageType": "Enroll", "UDID": "u"}),
    plistlib.dumps({"Status": "Idle", "UDID": "u"})],
    ids=["empty", "garbage", "open", "array", "binary", "no type",
         "unknown type", "report"])
def test_what_is_no_checkin_is_400(mover, body):
    assert_error(mover().send(body), 400)


@pytest.mark.one_database
def test_message_without_id(mover):
    """M32: 500, or the 400 that Q16 allows."""
    nobody = mover()
    nobody.ids = dict
    assert_error(nobody.authenticate(), 400, 500)


@pytest.mark.one_database
def test_body_above_the_limit(mover):
    large = mover()
    large.path = "/small"
    assert_error(large.authenticate(), 413)


@pytest.mark.one_database
def test_c15_user_authenticate_is_declined(moved, db):
    user = moved.user()
    assert_error(user.user_authenticate(), 410)
    assert user_columns(db, user, "id") is None


def test_c16_user_authenticate_is_stored(moved, db):
    """C16, with the Location's own NanoMDMUserAuthenticate."""
    user = moved.user()
    user.path = "/challenging"
    assert user.user_authenticate().plist == {"DigestChallenge": ""}
    assert_empty(user.user_authenticate(DigestResponse="digest"))
    first, second = user_columns(db, user, "user_authenticate",
                                 "user_authenticate_digest")
    assert "DigestResponse" not in first and "digest" in second


# -- The device itself comes ------------------------------------------

def test_a09_moved_device_without_retro_is_refused(moved, arrive, db):
    mac = arrive(moved)
    for answer in (mac.idle(), mac.token_update()):
        assert_error(answer, 500)
    assert associations(db, moved) == []


def test_a09_moved_device_with_retro_is_taken(moved, arrive, db):
    mac = arrive(moved, "/retro")
    assert_empty(mac.idle())
    assert associations(db, moved) == [mac.identity.sha256]
    assert_empty(arrive(moved, identity=mac.identity).token_update())


def test_a09_certificate_known_elsewhere_is_refused(moved, arrive, device,
                                                    migration, db):
    other = device(migration).enroll()
    thief = arrive(moved, "/retro", identity=other.identity)
    assert_error(thief.idle(), 500)
    assert associations(db, moved) == []


def test_moved_device_may_enroll_again(moved, arrive, db):
    """Authenticate needs no retro."""
    mac = arrive(moved).enroll()
    assert associations(db, moved) == [mac.identity.sha256]
    assert is_enabled(db, moved) == (True, 1)


def test_commands_wait_for_a_moved_device(moved, arrive, migration):
    """P19: queued at once, delivered when it comes."""
    operator = Operator(migration)
    uuid, plist = command()
    answer = operator.enqueue(moved.id, plist)
    operator.close()
    assert answer.status == 200, answer
    mac = arrive(moved, "/retro")
    assert mac.idle().body == plist
    assert_empty(mac.acknowledge(uuid))


@pytest.mark.one_database
def test_migration_tells_its_story(httpd):
    """%{NANOMDM_ID}e and the others, and one line at info."""
    server = httpd(extra_vhost=LOCATIONS + 'CustomLog "{folder}/story" "'
                   '%{NANOMDM_ID}e %{NANOMDM_TYPE}e %{NANOMDM_MESSAGE}e"\n')
    moved = Mover(server, None, transport="none")
    moved.authenticate()
    moved.close()
    assert wait_until(lambda: f"{moved.id} Device Authenticate\n"
                      in (server.folder / "story").read_text())
    server.wait_for_log(rf"nanomdm:info.*NMDM\d{{4}}: {moved.id}")
