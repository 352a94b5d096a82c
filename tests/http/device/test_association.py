# SPDX-License-Identifier: Apache-2.0
"""NanoMDMAssociation latest: one certificate of a device serves it, the one it
enrolled with last (A7)."""

import re

import pytest

from device import Operator, command
from tables import associations, device_columns, is_enabled, result
from test_certauth import is_refused
from test_storage import Owners, load_upgrades, nanomdm_database

VHOST = """\
LogLevel nanomdm:debug
NanoMDMAssociation latest
<Location "/keep">
    SetHandler nanomdm
    NanoMDMReenroll keep
</Location>
<Location "/retro">
    SetHandler nanomdm
    NanoMDMRetroactive On
</Location>
<Location "/all">
    SetHandler nanomdm
    NanoMDMAssociation all
</Location>
<Location "/files">
    Require nanomdm-enrolled
</Location>
"""
WHY = "has enrolled with another certificate since"


@pytest.fixture(scope="module")
def strict(module_httpd):
    server = module_httpd(extra_vhost=VHOST)
    folder = server.folder / "htdocs" / "files"
    folder.mkdir()
    (folder / "one").write_text("text")
    return server


@pytest.fixture
def renewed(strict, device, ca, expect_log):
    """renewed(old): the same device with a new certificate."""
    expect_log("AH01630: client denied", server=strict, optional=True)

    def make(old):
        new = device(strict, identity=ca.issue(), udid=old.udid)
        new.path = old.path
        return new
    return make


@pytest.fixture
def mac(strict, device):
    return device(strict).enroll()


def queue(device):
    uuid, plist = command()
    operator = Operator(device.server)
    assert operator.enqueue(device.id, plist).status == 200
    operator.close()
    return uuid, plist


def assert_shut_out(old):
    """Whatever it says, and its user too."""
    for answer in (old.idle(), old.not_now("x"), old.acknowledge("x"),
                   old.token_update(), old.authenticate(), old.checkout(),
                   old.get_bootstrap_token(), old.user().idle()):
        assert is_refused(answer), answer
    file = old.raw("GET", "/files/one")
    assert (file.status, file.body) == (400, b"Unauthorized\n")


def date_association(device, day):
    device.server.database.execute(
        "UPDATE cert_auth_associations SET created_at = %s"
        " WHERE id = %s AND sha256 = %s", f"2020-01-0{day} 00:00:00",
        device.udid, device.identity.sha256)


def assert_works_off(new):
    uuid, plist = queue(new)
    assert new.idle().body == plist
    assert new.not_now(uuid).body == b""
    assert new.acknowledge(uuid).body == b""
    assert result(new.server.database, new, uuid).status == "Acknowledged"


def assert_served(new):
    assert_works_off(new)
    assert new.token_update().status == 200
    assert new.user().token_update().status == 200
    assert new.raw("GET", "/files/one").body == b"text"


def test_a07_the_old_certificate_ends(strict, mac, renewed):
    assert_served(mac)
    new = renewed(mac)
    assert is_refused(new.idle())
    assert new.authenticate().status == 200
    assert_shut_out(mac)
    assert new.token_update().status == 200
    mark = strict.mark()
    assert_shut_out(mac)
    assert WHY in strict.log_since(mark)
    assert_served(new)
    assert is_enabled(strict.database, new)[0]


def test_what_the_old_one_reports_is_not_stored(strict, mac, renewed):
    uuid, _ = queue(mac)
    new = renewed(mac).enroll()
    uuid, plist = queue(new)
    assert is_refused(mac.acknowledge(uuid))
    assert is_refused(mac.not_now(uuid))
    assert result(strict.database, new, uuid) is None
    assert new.idle().body == plist


def test_the_same_certificate_again(mac):
    assert mac.enroll()
    assert_served(mac)


def test_an_older_one_does_not_come_back(mac, renewed):
    """Else a thief of it could."""
    second = renewed(mac).enroll()
    third = renewed(mac).enroll()
    assert_shut_out(mac)
    assert_shut_out(second)
    assert_served(third)


def test_times_do_not_decide(strict, mac, renewed):
    """Two of one second, as in tables of NanoMDM, or of a clock set
    back."""
    new = renewed(mac).enroll()
    for times in (1, 2), (2, 1), (1, 1):
        for one, day in zip((mac, new), times):
            date_association(one, day)
        assert_shut_out(mac)
        assert_served(new)


def test_a_lost_token_update_leaves_the_old_one(mac, renewed, strict):
    """NanoMDMReenroll keep."""
    mac.path = "/keep"
    lost, new = renewed(mac), renewed(mac)
    assert lost.authenticate().status == 200
    assert_served(mac)
    assert lost.idle().status == 200
    assert new.authenticate().status == 200
    assert_served(mac)
    assert is_refused(lost.token_update())
    assert len(associations(strict.database, mac)) == 3
    assert new.token_update().status == 200
    assert_shut_out(mac)
    assert_shut_out(lost)
    assert_served(new)


def test_a_migrated_device(strict, mac, renewed):
    """Its last Authenticate came without a certificate: the newest
    association counts, and one alone."""
    new = renewed(mac).enroll()
    strict.database.execute("UPDATE devices SET identity_cert = NULL"
                            " WHERE id = %s", mac.udid)
    date_association(mac, 1)
    assert_served(new)
    assert_shut_out(mac)
    date_association(new, 1)
    served, refused = sorted((mac, new), key=lambda one: one.identity.sha256,
                             reverse=True)
    assert_served(served)
    assert_shut_out(refused)


def test_retroactive_association(strict, mac, renewed):
    """The one that is associated late is the latest."""
    db = strict.database
    db.execute("DELETE FROM cert_auth_associations WHERE id = %s", mac.udid)
    new = renewed(mac)
    new.path = "/retro"
    assert new.idle().status == 200
    assert associations(db, new) == [new.identity.sha256]
    assert device_columns(db, new, "identity_cert") == (
        new.identity.pem.decode(),)
    new.path = "/mdm"
    assert_served(new)
    assert is_refused(mac.idle())


def test_a_location_may_differ(mac, renewed):
    new = renewed(mac).enroll()
    assert is_refused(mac.idle())
    mac.path = "/all"
    assert mac.idle().status == 200
    assert new.idle().status == 200


def test_an_idle_poll_is_one_statement(strict, mac):
    def asked(path):
        mac.path = path
        mark = strict.mark()
        assert mac.idle().status == 200
        return re.findall(f"NMDM0103: {mac.id}: (\\w+)",
                          strict.log_since(mark))
    asked("/mdm")
    latest, usual = asked("/mdm"), asked("/all")
    assert len(usual) == 1
    assert latest == [f"{name}_latest" for name in usual]


@pytest.mark.parametrize("way", ["check", "upgraded"])
def test_a_database_of_nanomdm(db_server, httpd, device, expect_log, way):
    """Without our tables no device is served rather than all."""
    if db_server.kind == "sqlite3":
        pytest.skip("NanoMDM makes none")
    db = nanomdm_database(db_server)
    if way == "upgraded":
        load_upgrades(db_server, db)
    server = httpd(db, start=False, extra_server="NanoMDMAssociation latest")
    if way == "check":
        expect_log("nanomdm:error", "NMDM0503")
        expect_log("nanomdm:error", "NMDM080[45]")
        expect_log("(?i)create|drop|insert|update|prepare|execute|set"
                   "|schema|add column|^(?!\\[)", optional=True)
    server.start()
    mac = Owners(server, device).mac
    if way == "check":
        for answer in mac.idle(), mac.authenticate(), mac.acknowledge("x"):
            assert answer.status == 503
            assert "Retry-After" in answer.headers
        return
    # Authenticate came with another: that one counts, not the newest.
    assert is_refused(mac.idle())
    new = device(server)
    new.enroll()
    assert_works_off(new)
