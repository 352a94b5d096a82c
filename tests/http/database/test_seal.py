# SPDX-License-Identifier: Apache-2.0
"""NanoMDMStorageKey: push keys and tokens sealed in the database."""

import base64
import hashlib
import re
import secrets
from uuid import uuid4

import pytest

import ca as certs
from apns import Apns
from device import Operator
from push_site import options
from system import wait_until
from tables import count, device_columns
from test_storage import load_upgrades, nanomdm_database

SEALED = b"-----NANOMDM SEALED 1 "
one_database = pytest.mark.one_database


class Home:
    """A server with a database of its own, and a device that has stored a
    bootstrap token, an unlock token and, by its operator, a push key."""

    def __init__(self, launch, db, apns, key_line, **more):
        self.db = db
        self.keys = {name: secrets.token_hex(32) for name in "abc"}
        given = options(apns, **more)
        given["files"] |= {f"{name}.key": key + "\n"
                           for name, key in self.keys.items()}
        self.server = launch(db, extra_server=key_line, **given)
        self.operator = Operator(self.server)
        self.bootstrap, self.unlock = (uuid4().bytes * 4 for _ in range(2))
        self.topic = certs.push_topic()
        self.pushing = certs.push_certificate(self.topic, key="ec")
        self.mac = None

    def move_in(self, device):
        self.mac = device(self.server, topic=self.topic).enroll()
        self.mac.token_update(UnlockToken=self.unlock)
        assert self.mac.set_bootstrap_token(self.bootstrap).status == 200
        assert self.operator.pushcert_put(self.pushing).status == 200
        return self

    def configure(self, line):
        """NanoMDMStorageKey, as this line says from now on."""
        text = self.server.conf.read_text().splitlines()
        text = [one for one in text if "NanoMDMStorageKey" not in one]
        at = next(i for i, one in enumerate(text) if "LogLevel" in one)
        text.insert(at, line.format(folder=self.server.folder))
        self.server.conf.write_text("\n".join(text) + "\n")
        mark = self.server.mark()
        self.server.graceful()
        return mark

    def hurry(self):
        """The next pass is due."""
        self.db.execute("UPDATE nanomdm_chores SET next_at = 0"
                        " WHERE name = 'seal'")

    def id_of(self, name):
        key = bytes.fromhex(self.keys[name])
        return hashlib.sha256(key).hexdigest()[:16]

    def settled(self, pattern, mark=0):
        """Wait until a pass has found everything as it should be. Another
        may still be at it, with the keys of before."""
        def is_done():
            self.hurry()
            return re.search(pattern, self.server.log_since(mark))
        assert wait_until(is_done, seconds=40)

    def settled_with(self, name, mark=0):
        self.settled("nanomdm:info.*NMDM0951: -: \\d+ stored secrets are"
                     f" sealed with the key {self.id_of(name)};", mark)
        assert self.ids() == {self.id_of(name)}

    def stored(self):
        bootstrap, unlock, update = device_columns(
            self.db, self.mac, "bootstrap_token_b64", "unlock_token",
            "token_update")
        (key,), = self.db.query("SELECT key_pem FROM push_certs"
                                " WHERE topic = %s", self.topic)
        return [value if isinstance(value, bytes) else
                bytes(value) if isinstance(value, memoryview) else
                value.encode() for value in (bootstrap, unlock, key, update)]

    def ids(self):
        """By which keys it is sealed."""
        return {value[len(SEALED):].split(b" ")[0].decode()
                for value in self.stored()[:3]
                if value.startswith(SEALED)}

    def assert_sealed(self):
        bootstrap, unlock, key, update = self.stored()
        for value in bootstrap, unlock, key:
            assert value.startswith(SEALED) and value.endswith(b"-----")
        clear = {self.unlock, base64.b64encode(self.unlock),
                 base64.b64encode(self.bootstrap), b"PRIVATE KEY"}
        everything = b"\n".join((bootstrap, unlock, key, update))
        flat = everything.translate(None, b" \t\r\n")
        assert not [one for one in clear
                    if one in everything or one in flat]
        assert b"UnlockToken" not in update and b"PushMagic" in update

    def assert_clear(self):
        bootstrap, unlock, key, _ = self.stored()
        assert bootstrap == base64.b64encode(self.bootstrap)
        assert unlock == self.unlock
        assert key.startswith(b"-----BEGIN ") and b"PRIVATE KEY" in key

    def assert_serves(self):
        """Each client with a right to a secret gets it."""
        answer = self.mac.get_bootstrap_token()
        assert answer.status == 200
        assert answer.plist["BootstrapToken"] == self.bootstrap
        one = self.operator.call("GET", f"/v1/enrollments/{self.mac.id}")
        assert base64.b64decode(one.json["device"]["unlock_token"]) \
            == self.unlock
        some = self.operator.call(
            "POST", "/v1/enrollments/query",
            b'{"options":{"include_unlock_token":true}}').json
        assert one.json["device"]["unlock_token"] in [
            each.get("device", {}).get("unlock_token")
            for each in some["enrollments"]]
        assert self.operator.pushcert_get(self.topic).json["topic"] \
            == self.topic
        answer = self.operator.push(self.mac.id)
        assert answer.status == 200, answer


@pytest.fixture
def home(httpd, fresh_db, device):
    homes = []
    with Apns() as apns:
        def make(key_line="", db=None, moves_in=True, **more):
            homes.append(Home(httpd, db or fresh_db(), apns, key_line,
                              **more))
            return homes[-1].move_in(device) if moves_in else homes[-1]
        yield make
        for one in homes:
            one.operator.close()


def key(*names, off=False):
    return " ".join(["NanoMDMStorageKey", *["off"] * off,
                     *(f"file:{{folder}}/{name}.key" for name in names)])


def test_what_is_stored_is_sealed(home):
    one = home(key("a"))
    one.assert_sealed()
    one.assert_serves()
    one.mac.token_update()      # one without an unlock token leaves it
    one.assert_serves()
    one.settled_with("a")
    one.assert_sealed()
    one.assert_serves()


@one_database
def test_without_the_directive_nothing_is_sealed(home):
    one = home()
    one.assert_clear()
    assert b"UnlockToken" in one.stored()[3]
    one.assert_serves()
    assert not one.db.query("SELECT name FROM nanomdm_chores"
                            " WHERE name = 'seal'")


def test_an_existing_database_is_sealed(home):
    """While it serves; TokenUpdates lose the unlock token they hold."""
    one = home()
    one.assert_clear()
    mark = one.configure(key("a"))
    one.assert_serves()
    one.settled_with("a", mark)
    one.assert_sealed()
    one.assert_serves()


@one_database
def test_rotation_and_the_way_back(home, expect_log):
    """A child of before may be at it when the first of the new ones has
    sealed something with a key that it does not know."""
    for pattern in "NMDM0952", "NMDM0953":
        expect_log("error", pattern, optional=True)
    one = home(key("a"), children=2)
    one.settled_with("a")
    mark = one.configure(key("b", "a"))
    one.assert_serves()
    one.settled_with("b", mark)
    mark = one.configure(key("b"))
    one.assert_serves()
    one.settled_with("b", mark)
    mark = one.configure(key("b", off=True))
    one.settled("nanomdm:info.*NMDM0956: -: 3 stored secrets are in the"
                " clear", mark)
    one.assert_clear()
    one.assert_serves()
    one.configure("")
    one.assert_clear()
    one.assert_serves()


@one_database
@pytest.mark.parametrize("line", ["", key("b")], ids=["none", "another"])
def test_a_missing_key_is_an_error_and_no_loss(home, expect_log, line):
    """An empty answer would tell a Mac that there is no token."""
    one = home(key("a"))
    before = one.stored()
    (id_,) = one.ids()
    expect_log("error", f"NMDM0352: .* is sealed with the key {id_}, which"
               " NanoMDMStorageKey does not name; write it")
    expect_log("error", "NMDM0924: -: not pushed: .*NanoMDMStorageKey")
    for pattern in "NMDM0952", "NMDM0953":
        expect_log("error", pattern, optional=True)
    one.configure(line)
    answer = one.mac.get_bootstrap_token()
    assert answer.status == 500 and b"BootstrapToken" not in answer.body
    answer = one.operator.push(one.mac.id)
    assert answer.status == 500
    assert "NanoMDMStorageKey" in answer.json["push_error"]
    answer = one.operator.pushcert_get(one.topic)
    assert answer.status == 500
    assert "NanoMDMStorageKey" in answer.json["error"]
    answer = one.operator.call("GET", f"/v1/enrollments/{one.mac.id}")
    assert answer.status == 500
    assert "NanoMDMStorageKey" in answer.json["error"]
    assert one.mac.idle().status == 200
    if line:
        one.server.wait_for_log("NMDM0953: -: 3 stored secrets cannot be"
                                " opened", seconds=20)
    assert one.stored() == before
    one.configure(key("b", "a"))
    one.assert_serves()


@one_database
def test_other_topics_are_pushed_to(home, device, expect_log):
    one = home(key("a"))
    other = certs.push_topic()
    assert one.operator.pushcert_put(
        certs.push_certificate(other, key="ec")).status == 200
    mac = device(one.server, topic=other).enroll()
    one.db.execute("UPDATE push_certs SET key_pem = %s WHERE topic = %s",
                   one.stored()[2].decode(), other)
    expect_log("error", f"NMDM0924: -: not pushed: {other}: .*another"
               " row")
    for pattern in "NMDM0952", "NMDM0953":
        expect_log("error", pattern, optional=True)
    answer = one.operator.push([one.mac.id, mac.id])
    assert list(answer.json["status"]) == [one.mac.id]
    assert "another row" in answer.json["push_error"]


@one_database
def test_tampering_is_found_out(home, device, expect_log):
    """By an account that can write to the database: moved, or changed."""
    one = home(key("a"))
    liar = device(one.server, topic=one.topic).enroll()
    token = one.stored()[0].decode()
    for pattern in "NMDM0952", "NMDM0953":
        expect_log("error", pattern, optional=True)
    expect_log("error", f"NMDM0353: {liar.id}: .*of another row")
    expect_log("error", f"NMDM0353: {one.mac.id}: .*changed")

    def put(who, value):
        one.db.execute("UPDATE devices SET bootstrap_token_b64 = %s"
                       " WHERE id = %s", value, who.id)
    put(liar, token)
    assert liar.get_bootstrap_token().status == 500
    put(one.mac, token[:60] + ("B" if token[60] == "A" else "A") + token[61:])
    assert one.mac.get_bootstrap_token().status == 500
    assert one.mac.set_bootstrap_token(one.bootstrap).status == 200
    one.assert_serves()


@one_database
def test_a_renewed_enrollment_keeps_what_is_sealed(home):
    one = home(key("a") + "\nNanoMDMReenroll keep")
    one.mac.authenticate()
    one.mac.token_update()
    one.assert_sealed()
    one.assert_serves()


@one_database
def test_a_re_enrollment_forgets_as_before(home):
    one = home(key("a"))
    one.mac.enroll()
    assert device_columns(one.db, one.mac, "bootstrap_token_b64",
                          "unlock_token") == (None, None)
    answer = one.mac.get_bootstrap_token()
    assert answer.status == 200 and not answer.body
    assert one.mac.set_bootstrap_token(one.bootstrap).status == 200
    assert one.mac.set_bootstrap_token(b"").status == 200
    answer = one.mac.get_bootstrap_token()
    assert answer.status == 200 and not answer.body


def test_a_long_token_fits(home):
    one = home(key("a"))
    one.unlock = secrets.token_bytes(65536)
    one.mac.token_update(UnlockToken=one.unlock)
    one.assert_sealed()
    one.assert_serves()


def test_a_database_of_nanomdm(home, httpd, db_server, device, expect_log):
    """It takes what is sealed; what is there already waits for our tables."""
    if db_server.kind == "sqlite3":
        pytest.skip("NanoMDM has no schema for SQLite")
    expect_log("error", "NMDM080[45]")
    expect_log("error", "NMDM0954: -: NanoMDMStorageKey needs the additive")
    one = home(key("a"), db=nanomdm_database(db_server))
    one.server.wait_for_log("NMDM0954", seconds=20)
    one.assert_sealed()
    one.assert_serves()
    load_upgrades(db_server, one.db)
    one.server.graceful()
    one.settled_with("a")
    one.assert_sealed()


def test_several_servers_share_the_work(home, httpd):
    one = home()
    for number in range(120):
        one.db.execute("INSERT INTO devices (id, authenticate,"
                       " bootstrap_token_b64) VALUES (%s, %s, %s)",
                       f"X{number}", "<?xml?>", "AAAA")
    line = key("a").format(folder=one.server.folder)
    others = [httpd(one.db, extra_server=line, children=2)
              for _ in range(2)]
    one.configure(line)

    def is_done():
        one.hurry()
        return any("NMDM0951: -: 123 stored secrets" in server.log_since(0)
                   for server in (one.server, *others))
    assert wait_until(is_done, seconds=60)
    one.assert_sealed()
    assert count(one.db, "devices", "bootstrap_token_b64 LIKE %s",
                 SEALED.decode() + "%") == 121
