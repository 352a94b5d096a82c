# SPDX-License-Identifier: Apache-2.0
"""Certificate authorization: a device is its certificate.

A11 (no certificate at this layer) cannot happen in a running server:
verification refuses first, with 400.
"""

import hashlib
import re

import pytest

from device import command
from tables import (associate, associations, count, device_columns,
                    enrollment, is_enabled, result)


def is_refused(answer):
    """Every refusal looks like this (A12)."""
    return (answer.status == 500
            and answer.body == b"Internal Server Error\n")


@pytest.fixture(scope="module")
def retro(module_httpd):
    """A server with retroactive association."""
    return module_httpd(extra_vhost="NanoMDMRetroactive On")


@pytest.fixture
def thief(device, ca):
    """Makes a device that claims another's UDID, with a certificate of
    its own that nobody has seen."""
    return lambda victim, at=None: device(at or victim.server,
                                          identity=ca.issue(),
                                          udid=victim.udid)


@pytest.fixture
def migrated(device, db):
    """Makes a device that is enrolled, but without an association."""
    def make(at=None):
        made = device(at).enroll()
        db.execute("DELETE FROM cert_auth_associations WHERE id = %s",
                   made.udid)
        return made
    return make


def test_a01_token_update_before_authenticate_is_refused(device, db):
    """A1: twice in a row, and nothing is associated."""
    stranger = device()
    for _ in range(2):
        assert is_refused(stranger.token_update())
    assert associations(db, stranger) == []
    assert enrollment(db, stranger) is None


def test_a02_a10_authenticate_associates(device, db):
    """A2, A10: lower-case hex SHA-256 of the DER certificate."""
    mac = device()
    assert mac.authenticate().status == 200
    (sha256,) = associations(db, mac)
    assert re.fullmatch("[0-9a-f]{64}", sha256)
    assert sha256 == hashlib.sha256(mac.identity.der).hexdigest()
    assert mac.token_update().status == 200
    assert associations(db, mac) == [sha256]


@pytest.mark.parametrize("message", [
    "token_update", "checkout", "get_bootstrap_token", "idle",
    "user_authenticate"])
def test_a03_other_certificate_is_refused(device, thief, db, message):
    """A3: nothing but Authenticate may bring a new certificate."""
    mac = device().enroll()
    assert is_refused(getattr(thief(mac), message)())
    assert associations(db, mac) == [mac.identity.sha256]
    assert is_enabled(db, mac) == (True, 1)


def test_a03_certificate_of_another_device_is_refused(device, db):
    """A3: also one that is known."""
    mac, other = device().enroll(), device().enroll()
    masked = device(identity=other.identity, udid=mac.udid)
    before = device_columns(db, mac, "token_update")
    assert is_refused(masked.token_update(PushMagic="stolen"))
    assert device_columns(db, mac, "token_update") == before
    assert enrollment(db, mac).push_magic == mac.push_magic


def test_a03_thief_gets_no_command_and_answers_none(device, thief,
                                                    operator, db):
    """A3: a command's plist may hold secrets, a result may lie."""
    mac = device().enroll()
    uuid, plist = command()
    operator.enqueue(mac.id, plist)
    other = thief(mac)
    assert is_refused(other.idle())
    assert is_refused(other.acknowledge(uuid))
    assert result(db, mac, uuid) is None
    assert mac.idle().body == plist


def test_a04_retro_associates_the_first_certificate(migrated, thief,
                                                    retro, db):
    """A4: first passes, second passes, other is refused."""
    mac = migrated(retro)
    assert mac.token_update().status == 200
    assert associations(db, mac) == [mac.identity.sha256]
    assert mac.token_update().status == 200
    assert is_refused(thief(mac).token_update())
    assert associations(db, mac) == [mac.identity.sha256]


@pytest.mark.parametrize("message", ["idle", "get_bootstrap_token"])
def test_a04_retro_associates_with_any_message(migrated, retro, db,
                                               message):
    """A4: not with a TokenUpdate alone."""
    mac = migrated(retro)
    assert getattr(mac, message)().status == 200
    assert associations(db, mac) == [mac.identity.sha256]


def test_a05_certificate_cannot_authenticate_another(device, db):
    """A5: nothing is stored for the second UDID."""
    first = device().enroll()
    second = device(identity=first.identity)
    assert is_refused(second.authenticate())
    assert device_columns(db, second, "id") is None
    assert associations(db, second) == []
    assert associations(db, first) == [first.identity.sha256]


def test_a05_certificate_cannot_re_enroll_another(device, operator, db):
    """A5: an enrolled victim is neither disabled nor cleared."""
    victim, other = device().enroll(), device().enroll()
    uuid, plist = command()
    operator.enqueue(victim.id, plist)
    masked = device(identity=other.identity, udid=victim.udid)
    assert is_refused(masked.authenticate())
    assert is_enabled(db, victim) == (True, 1)
    assert victim.idle().body == plist


def test_a06_a07_new_certificate_joins_the_old(device, ca, db):
    """A6, A7: re-enrollment with the same and with a new certificate;
    the old one is still good, as with NanoMDM's SQL."""
    old = device().enroll()
    assert old.authenticate().status == 200
    assert associations(db, old) == [old.identity.sha256]
    new = device(identity=ca.issue(), udid=old.udid)
    assert new.authenticate().status == 200
    assert associations(db, old) == sorted(
        [old.identity.sha256, new.identity.sha256])
    for either in (new, old):
        assert either.token_update().status == 200
        assert either.idle().status == 200
    assert old.authenticate().status == 200


def test_a06_superseded_certificate_is_no_one_elses(device, ca):
    """A6: the old certificate stays the device's (4.3)."""
    old = device().enroll()
    device(identity=ca.issue(), udid=old.udid).enroll()
    assert is_refused(device(identity=old.identity).authenticate())


@pytest.mark.parametrize("kind, user_kind", [
    ("Device", "User"), ("Device", "Shared iPad"),
    ("User Enrollment (Device)", "User Enrollment")])
def test_a08_users_share_the_devices_association(device, ca, db, kind,
                                                 user_kind):
    """A8: a user's messages need the device's certificate."""
    parent = device(kind=kind).enroll()
    user = parent.user(user_kind).enroll()
    assert user.idle().status == 200
    assert associations(db, parent) == [parent.identity.sha256]
    assert count(db, "cert_auth_associations", "id = %s", user.id) == 0
    other = device(identity=ca.issue(), kind=user_kind,
                   udid=parent.udid, user_id=user.user_id)
    assert is_refused(other.token_update())
    assert is_refused(other.idle())


def test_a09_migrated_device_without_retro_is_refused(migrated, db):
    """A9: enrolled, but never associated."""
    mac = migrated()
    assert is_refused(mac.idle())
    assert is_refused(mac.token_update())
    assert associations(db, mac) == []


def test_a09_retro_takes_a_fresh_certificate(migrated, thief, retro, db):
    """A9: any certificate that nobody has used will do."""
    fresh = thief(migrated(retro))
    assert fresh.token_update().status == 200
    assert associations(db, fresh) == [fresh.identity.sha256]


def test_a09_retro_takes_no_certificate_known_elsewhere(
        migrated, device, retro, db):
    """A9: re-use is not permitted."""
    mac = migrated(retro)
    other = device(retro).enroll()
    masked = device(retro, identity=other.identity, udid=mac.udid)
    assert is_refused(masked.token_update())
    assert associations(db, mac) == []


def test_a12_refusals_of_authenticate_with_retro(device, retro, db):
    """A12: retro loosens nothing for Authenticate."""
    first = device(retro).enroll()
    second = device(retro, identity=first.identity)
    assert is_refused(second.authenticate())
    assert device_columns(db, second, "id") is None


def test_association_made_by_another_program_counts(migrated, db):
    """The table is the truth: no server remembers a refusal."""
    mac = migrated()
    assert is_refused(mac.idle())
    associate(db, mac)
    assert mac.idle().status == 200
    db.execute("DELETE FROM cert_auth_associations WHERE id = %s",
               mac.udid)
    assert is_refused(mac.idle())


def test_a_refusal_names_certificate_and_owner(device, server, ca):
    """A5, A3: in the log alone; the device hears nothing of it."""
    mac, other = device().enroll(), device().enroll()
    mark = server.mark()
    for one, said in (
            (device(identity=mac.identity), mac.authenticate),
            (device(identity=mac.identity, udid=other.udid),
             mac.token_update)):
        answer = getattr(one, said.__name__)()
        assert is_refused(answer)
        server.wait_for_log(rf"NMDM0701: {one.udid}: cert auth: .*certificate "
                            rf"{mac.identity.sha256} belongs to {mac.udid}",
                            mark)
    fresh = device(identity=ca.issue(), udid=mac.udid)
    assert is_refused(fresh.token_update())
    server.wait_for_log(rf"NMDM0701: {mac.udid}: .*certificate "
                        rf"{fresh.identity.sha256} belongs to no device",
                        mark)


def test_a_refusal_says_that_an_id_is_unknown(device, server):
    mac = device()
    mark = server.mark()
    assert is_refused(mac.idle())
    server.wait_for_log(rf"NMDM0728: {mac.udid}: .*no device with this ID has "
                        rf"enrolled; certificate {mac.identity.sha256} "
                        "belongs to no device", mark)


def test_the_first_refusal_of_a_minute_is_seen(httpd, device):
    """LogLevel warn, as httpd has it by default: one line of each kind."""
    server = httpd(extra_vhost="LogLevel warn", children=2)
    for _ in range(5):
        assert device(server, transport="none").authenticate().status == 400
        assert is_refused(device(server).idle())
    text = server.log_since(0)
    print(text[-3000:])
    assert text.count("NMDM1002") == 1
    assert text.count("NMDM0728") == 1
    assert "nanomdm:notice" in text
