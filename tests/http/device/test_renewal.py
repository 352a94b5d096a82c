# SPDX-License-Identifier: Apache-2.0
"""NanoMDMReenroll keep: a renewed profile leaves queue and tokens."""

import pytest

from device import Device, Operator, command
from tables import associations, count, device_columns, is_enabled
from test_storage import Owners, load_upgrades, nanomdm_database

TOKEN = b"bootstrap"


@pytest.fixture(scope="module")
def keeper(module_httpd, db_server):
    """A server that keeps, on the shared database."""
    return module_httpd(extra_server="NanoMDMReenroll keep")


class Mac:
    """An enrolled device of the keeper, with a user and a command."""

    def __init__(self, keeper, device, ca):
        self.db = keeper.database
        self.old = device(keeper)
        self.old.enroll()
        self.user = self.old.user()
        self.user.enroll()
        assert self.old.set_bootstrap_token(TOKEN).status == 200
        assert self.old.token_update(UnlockToken=b"unlock").status == 200
        self.new = device(keeper, identity=ca.issue(), udid=self.old.udid)
        self.uuid, self.plist = command()
        operator = Operator(keeper)
        answer = operator.enqueue([self.old.id, self.user.id], self.plist)
        operator.close()
        assert answer.status == 200, answer

    def keeps(self):
        token, unlock = device_columns(
            self.db, self.old, "bootstrap_token_b64", "unlock_token")
        return (token is not None, unlock is not None,
                count(self.db, "enrollment_queue",
                      "command_uuid = %s AND active = TRUE", self.uuid))

    def staged(self):
        return count(self.db, "nanomdm_renewals", "id = %s", self.old.udid)


@pytest.fixture
def mac(keeper, device, ca):
    return Mac(keeper, device, ca)


def test_a_renewal_keeps(mac):
    """The whole way, with a new certificate."""
    assert mac.new.authenticate(SerialNumber="RENEWED").status == 200
    assert is_enabled(mac.db, mac.old) == (True, 2)
    assert mac.keeps() == (True, True, 2)
    assert mac.staged() == 1
    assert len(associations(mac.db, mac.old)) == 2
    assert mac.old.idle().body == mac.plist
    assert mac.new.token_update().status == 200
    assert is_enabled(mac.db, mac.old) == (True, 3)
    assert is_enabled(mac.db, mac.user) == (True, 1)
    assert mac.keeps() == (True, True, 2)
    assert mac.staged() == 0
    serial, pem = device_columns(mac.db, mac.old, "serial_number",
                                 "identity_cert")
    assert serial == "RENEWED"
    assert pem.encode() == mac.new.identity.pem
    assert mac.new.get_bootstrap_token().plist == {"BootstrapToken": TOKEN}
    assert mac.new.idle().body == mac.plist
    assert mac.new.acknowledge(mac.uuid).body == b""


def test_a_setup_resets(mac):
    """AwaitingConfiguration: erased, and enrolled by itself."""
    assert mac.new.authenticate().status == 200
    late, plist = command()
    operator = Operator(mac.new.server)
    assert operator.enqueue(mac.old.id, plist).status == 200
    operator.close()
    assert mac.new.token_update(AwaitingConfiguration=True).status == 200
    assert is_enabled(mac.db, mac.old) == (True, 1)
    assert is_enabled(mac.db, mac.user) == (False, 0)
    assert mac.keeps() == (False, False, 0)
    assert mac.staged() == 0
    # Queued since Authenticate: as with reset.
    assert mac.new.idle().body == plist
    assert mac.new.acknowledge(late).body == b""


def test_a_lost_token_update_loses_nothing(mac):
    """The profile was not installed after all."""
    for _ in range(20):
        assert mac.new.authenticate().status == 200
    assert mac.staged() == 1
    assert mac.old.token_update().status == 200
    assert is_enabled(mac.db, mac.old) == (True, 3)
    assert mac.user.token_update().status == 200
    assert mac.staged() == 1
    assert mac.keeps() == (True, True, 2)
    assert mac.old.idle().body == mac.plist
    assert mac.user.idle().body == mac.plist


def test_a_check_out_resets(mac):
    """Staged, then removed."""
    assert mac.new.authenticate().status == 200
    assert mac.new.checkout().status == 200
    assert is_enabled(mac.db, mac.old) == (False, 0)
    assert mac.keeps() == (False, False, 0)
    assert mac.staged() == 0
    assert mac.new.authenticate().status == 200
    assert mac.staged() == 0
    assert mac.new.token_update().status == 200
    assert is_enabled(mac.db, mac.old) == (True, 1)


def test_another_certificate_is_refused(mac, keeper, device):
    """Of another device: nothing is staged."""
    other = device(keeper).enroll()
    thief = Device(keeper, other.identity, udid=mac.old.udid)
    assert thief.authenticate().status == 500
    thief.close()
    assert mac.staged() == 0
    assert mac.keeps() == (True, True, 2)


def test_a_location_may_differ(keeper, httpd, device):
    """reset by the server, keep by the Location."""
    server = httpd(extra_server="NanoMDMReenroll reset",
                   extra_mdm="NanoMDMReenroll keep")
    mac = device(server).enroll()
    assert mac.authenticate().status == 200
    assert is_enabled(server.database, mac) == (True, 1)


def test_reset_is_the_default(device, db):
    mac = device().enroll()
    assert mac.authenticate().status == 200
    assert is_enabled(db, mac) == (False, 0)


@pytest.mark.parametrize("way", ["check", "upgraded"])
def test_a_database_of_nanomdm(db_server, httpd, device, expect_log, way):
    """Without our tables it is a reset, and an error says so."""
    if db_server.kind == "sqlite3":
        pytest.skip("NanoMDM makes none")
    db = nanomdm_database(db_server)
    if way == "upgraded":
        load_upgrades(db_server, db)
    server = httpd(db, start=False, extra_server="NanoMDMReenroll keep")
    if way == "check":
        expect_log("nanomdm:error", "NMDM0720")
        expect_log("nanomdm:error", "NMDM080[45]")
        expect_log("(?i)create|drop|insert|update|prepare|execute|set"
                   "|schema|add column|^(?!\\[)", optional=True)
    server.start()
    mac = Owners(server, device).mac
    for _ in range(2):
        assert mac.authenticate().status == 200
    assert is_enabled(db, mac)[0] is (way == "upgraded")
    assert mac.token_update().status == 200
    assert is_enabled(db, mac)[0]
    has_token = mac.get_bootstrap_token().body != b""
    assert has_token is (way == "upgraded")
    if way == "check":
        assert server.error_log().count("NMDM0720") == 1


@pytest.mark.one_database
def test_a_wrong_word_is_named(httpd):
    server = httpd(start=False, extra_server="NanoMDMReenroll maybe")
    status, said = server.configtest()
    assert status != 0
    assert 'NanoMDMReenroll "maybe": write reset or keep' in said
