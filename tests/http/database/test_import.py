# SPDX-License-Identifier: Apache-2.0
"""nmdm-import.py: NanoMDM's file storage becomes rows."""

import base64
import os
import plistlib
import re
import time
import uuid

import pytest

import ca as certs
from databases import PASSWORD
from device import Operator, command
from filekv import FileKV, authenticate_of, token_update_of
from system import ROOT
from tables import (associations, count, device_columns, enrollment,
                    is_active, is_enabled, result, user_columns)
from test_tools import dsn_of, source_of, tool

pytestmark = pytest.mark.unsanitized
one_database = pytest.mark.one_database

TOKEN = b"\0bootstrap\xff" * 9
UNLOCK = b"\xffunlock\0" * 5
LONG_AGO = 1714980000                 # 2024-05-06 07:20:00 UTC
BINARY = plistlib.FMT_BINARY


@pytest.fixture
def files(tmp_path):
    return FileKV(tmp_path / "dbkv")


@pytest.fixture
def server(httpd, fresh_db):
    """One with a database of its own."""
    return httpd(fresh_db())


@pytest.fixture
def db(server):
    return server.database


def run(files, db, *words, options_of=source_of):
    return tool("nmdm-import.py", *options_of(db), files.root, *words)


def imported(files, db, *words, **more):
    done = run(files, db, *words, **more)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    return done.stdout.decode()


def complained(files, db, *words):
    """Its lines; exit status 1 and no traceback."""
    done = run(files, db, *words)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.stderr.decode().splitlines()


def seconds(db, column, table, where, *args):
    """A time as seconds since 1970, as the server sees it."""
    how = {"sqlite3": "(julianday({}) - 2440587.5) * 86400",
           "pgsql": "EXTRACT(EPOCH FROM CAST({} AS TIMESTAMPTZ))",
           "mysql": "UNIX_TIMESTAMP({})"}[db.kind].format(column)
    ((at,),) = db.query(f"SELECT {how} FROM {table} WHERE {where}", *args)
    return float(at)


class Household:
    """What a NanoMDM has after some days."""

    def __init__(self, files, device, server):
        self.files = files
        self.mac = device(server, topic="com.apple.mgmt.External.a")
        self.user = self.mac.user(short_name="zoë", long_name="Zoë O'Hara")
        self.phone = device(server)
        self.byod = device(server, kind="User Enrollment (Device)",
                           udid=f"a.b é {uuid.uuid4()}")
        self.gone = device(server)
        self.gone_user = self.gone.user()
        self.lone = device(server)
        self.mac.serial = "C02.TEST/1"
        self.enroll()
        self.queue()
        self.topic = certs.push_topic()
        self.push = certs.push_certificate(self.topic)
        files.push_cert(self.topic, self.push.pem, self.push.key_pem, 3)

    def enroll(self):
        files = self.files
        for mac in (self.mac, self.phone, self.byod, self.gone, self.lone):
            files.authenticate(mac, LONG_AGO)
        files.token_update(self.mac, at=LONG_AGO + 1, UnlockToken=UNLOCK)
        for at in (2, 3):                     # without it, as devices do
            files.token_update(self.mac, at=LONG_AGO + at)
        files.set("devices", f"{self.mac.id}.bstoken", TOKEN)
        for mac in (self.phone, self.byod, self.gone):
            files.token_update(mac, at=LONG_AGO + 4)
        files.token_update(self.user, self.mac, LONG_AGO + 5)
        files.set("users", f"{self.user.id}.user_auth",
                  plistlib.dumps({"MessageType": "UserAuthenticate"}))
        files.token_update(self.gone_user, self.gone, LONG_AGO + 6)
        files.disable(self.gone, LONG_AGO + 7)
        files.see(self.mac.id, LONG_AGO + 100.25)

    def queue(self):
        """Commands 0 to 9; their files are as old as each other."""
        self.commands = [command() for _ in range(10)]
        for name, plist in self.commands:
            self.files.command(name, plist, LONG_AGO + 50)
        ids = [name for name, _ in self.commands]
        for name in ids[:7]:
            self.files.enqueue(self.mac.id, name)
        self.files.enqueue(self.user.id, ids[7])
        self.files.enqueue(self.byod.id, ids[7])
        self.files.enqueue(self.gone.id, ids[8])
        self.files.enqueue(self.phone.id, ids[9])
        self.files.clear(self.phone.id)
        self.acknowledged = self.files.report(
            self.mac, ids[2], "Acknowledged", LONG_AGO + 60, Text="Zoë 💻")
        self.put_off = self.files.report(self.mac, ids[0], "NotNow",
                                         LONG_AGO + 61)
        self.failed = self.files.report(self.mac, ids[4], "Error",
                                        LONG_AGO + 62)

    def id_of(self, number):
        return self.commands[number][0]


@pytest.fixture
def household(files, device, server):
    return Household(files, device, server)


# -- All of it --------------------------------------------------------

@pytest.mark.parametrize("options_of", [source_of, dsn_of],
                         ids=["params", "dsn"])
def test_everything_arrives(files, household, db, options_of):
    said = imported(files, db, options_of=options_of)
    assert said == (
        "imported 5 devices, 2 users, 8 pending commands, 3 results,"
        " 1 push certificates and 5 certificate associations; 0 problems,"
        " 0 left alone\n")
    mac, user, gone = household.mac, household.user, household.gone
    serial, cert, unlock, update = device_columns(
        db, mac, "serial_number", "identity_cert", "unlock_token",
        "token_update")
    assert (serial, bytes(unlock)) == ("C02.TEST/1", UNLOCK)
    assert cert.split() == mac.identity.pem.decode().split()
    assert plistlib.loads(update.encode()) == token_update_of(mac)
    stored = enrollment(db, mac)
    assert stored[:3] == (mac.id, None, "Device")
    assert stored.topic == "com.apple.mgmt.External.a"
    assert stored.push_magic == mac.push_magic
    assert bytes.fromhex(stored.token_hex) == mac.token
    assert is_enabled(db, mac) == (True, 3)
    assert enrollment(db, user)[:3] == (mac.id, user.id, "User")
    assert is_enabled(db, user) == (True, 1)
    assert user_columns(db, user, "user_short_name", "user_long_name") == (
        "zoë", "Zoë O'Hara")
    assert "UserAuthenticate" in user_columns(db, user,
                                              "user_authenticate")[0]
    assert enrollment(db, household.byod).type == "User Enrollment (Device)"
    assert is_enabled(db, gone) == (False, 0)
    assert is_enabled(db, household.gone_user) == (False, 0)
    assert enrollment(db, household.lone) is None
    assert device_columns(db, household.lone, "token_update") == (None,)
    assert associations(db, mac) == [mac.identity.sha256]
    assert db.query("SELECT cert_pem, key_pem, stale_token FROM push_certs"
                    " WHERE topic = %s", household.topic) == [
        (household.push.pem.decode(), household.push.key_pem.decode(), 3)]


def test_results_arrive(files, household, db):
    imported(files, db)
    mac = household.mac
    done = result(db, mac, household.id_of(2))
    assert (done.status, done.result.encode(), done.not_now_at) == (
        "Acknowledged", household.acknowledged, None)
    off = result(db, mac, household.id_of(0))
    assert (off.status, off.not_now_tally) == ("NotNow", 1)
    assert off.not_now_at is not None
    assert result(db, mac, household.id_of(4)).status == "Error"
    assert count(db, "command_results", "1 = 1") == 3
    assert is_active(db, mac, household.id_of(2)) is True
    assert is_active(db, household.phone, household.id_of(9)) is None


def test_times_arrive(files, household, db):
    imported(files, db)
    id_ = household.mac.id
    for column, table, at in (
            ("last_seen_at", "enrollments", 100.25),
            ("created_at", "enrollments", 1), ("token_update_at",
                                               "devices", 3),
            ("authenticate_at", "devices", 0)):
        assert seconds(db, column, table, "id = %s", id_) == \
            pytest.approx(LONG_AGO + at, abs=0.002), column
    assert seconds(db, "updated_at", "command_results",
                   "command_uuid = %s", household.id_of(2)) == \
        pytest.approx(LONG_AGO + 60, abs=0.002)


def test_devices_go_on_where_they_were(files, household, db, server):
    """In order, with NotNow put off; tokens and certificates are known."""
    imported(files, db)
    mac, name = household.mac, household.id_of
    assert mac.idle().body == household.commands[0][1]
    assert mac.not_now(name(0)).body == household.commands[1][1]
    for number, after in ((1, 0), (0, 3), (3, 5), (5, 6)):
        answer = mac.acknowledge(name(number))
        assert answer.body == household.commands[after][1]
    assert mac.acknowledge(name(6)).body == b""
    assert household.user.idle().body == household.commands[7][1]
    assert household.phone.idle().body == b""
    assert mac.get_bootstrap_token().plist == {"BootstrapToken": TOKEN}
    assert mac.token_update().status == 200
    assert is_enabled(db, mac) == (True, 4)
    operator = Operator(server)
    uuid_, plist = command()
    assert operator.enqueue(mac.id, plist).status == 200
    assert mac.idle().plist["CommandUUID"] == uuid_
    operator.close()


TABLES = ("devices", "users", "enrollments", "commands", "command_results",
          "enrollment_queue", "push_certs", "cert_auth_associations")


def everything(db):
    return {table: sorted(repr([comparable(value) for value in row])
                          for row in db.query(f"SELECT * FROM {table}"))
            for table in TABLES}


def comparable(value):
    return bytes(value) if isinstance(value, memoryview) else value


def test_again_changes_nothing(files, household, db):
    first = imported(files, db)
    before = everything(db)
    again = imported(files, db)
    assert everything(db) == before
    assert again.replace("and 0 cert", "and 5 cert") == first


def test_what_arrives_is_sealed(files, device, httpd, fresh_db):
    """As the server does it, and again changes nothing."""
    key = "ab" * 32
    server = httpd(fresh_db(), extra_server=f"NanoMDMStorageKey {key}")
    household = Household(files, device, server)
    words = files, server.database, "--storage-key", key
    mac = household.mac
    imported(*words)

    def stored():
        unlock, *others = device_columns(
            server.database, mac, "unlock_token", "bootstrap_token_b64",
            "token_update")
        ((push_key,),) = server.database.query(
            "SELECT key_pem FROM push_certs")
        return bytes(unlock).decode(), push_key, *others
    before = stored()
    for value in before[:3]:
        assert value.startswith("-----NANOMDM SEALED 1 ")
    imported(*words)
    assert stored() == before
    line, = complained(files, server.database)
    assert line.startswith("stopped: ") and "--storage-key" in line
    assert stored() == before
    assert mac.get_bootstrap_token().plist["BootstrapToken"] == TOKEN
    operator = Operator(server)
    one = operator.call("GET", f"/v1/enrollments/{mac.id}").json
    assert base64.b64decode(one["device"]["unlock_token"]) == UNLOCK
    assert operator.pushcert_get(household.topic).status == 200
    operator.close()


def test_an_unlock_token_is_not_stored_twice(files, device, httpd, fresh_db):
    key = "ab" * 32
    server = httpd(fresh_db(), extra_server=f"NanoMDMStorageKey {key}")
    mac = device(server)
    files.authenticate(mac)
    files.token_update(mac, UnlockToken=UNLOCK)
    imported(files, server.database, "--storage-key", key)
    (update,) = device_columns(server.database, mac, "token_update")
    assert "UnlockToken" not in update
    assert plistlib.loads(update.encode())["PushMagic"] == mac.push_magic
    assert mac.token_update(UnlockToken=UNLOCK).status == 200
    (again,) = device_columns(server.database, mac, "token_update")
    assert "UnlockToken" not in again


def test_dry_run_writes_nothing(files, household, db):
    assert imported(files, db, "--dry-run").startswith(
        "would import 5 devices, 2 users, 8 pending commands, 3 results,")
    assert not any(everything(db).values())


def test_with_a_prefix(files, household, fresh_db, httpd, device):
    prefixed = httpd(fresh_db(), extra_server="NanoMDMTablePrefix nano_\n"
                                              "NanoMDMSchema auto")
    imported(files, prefixed.database, "--prefix", "nano_")
    assert count(prefixed.database, "nano_enrollments", "1 = 1") == 6


def test_into_a_database_of_nanomdm(files, household, db_server, httpd):
    """Whole seconds only, and yet in order."""
    if db_server.kind == "sqlite3":
        pytest.skip("NanoMDM makes no SQLite database")
    db = db_server.fresh(ROOT / "tests" / "data"
                         / f"nanomdm-{db_server.kind}.sql")
    imported(files, db)
    order = [name for name, in db.query(
        "SELECT command_uuid FROM view_queue WHERE id = %s"
        " AND (status IS NULL OR status = 'NotNow')", household.mac.id)]
    assert order == [household.id_of(n) for n in (0, 1, 3, 5, 6)]


# -- Rehearsed, then done ---------------------------------------------

def test_what_happened_since_the_rehearsal_arrives(files, household, db):
    imported(files, db)
    mac = household.mac
    new, plist = command()
    files.command(new, plist)
    files.enqueue(mac.id, new)
    files.report(mac, household.id_of(0), "Acknowledged")
    files.clear(household.user.id)
    files.delete("devices", f"{mac.id}.bstoken")
    files.token_update(mac, PushMagic="another")
    files.disable(household.byod)
    imported(files, db)
    assert enrollment(db, mac).push_magic == "another"
    assert device_columns(db, mac, "bootstrap_token_b64") == (None,)
    assert result(db, mac, household.id_of(0)).status == "Acknowledged"
    assert is_active(db, household.user, household.id_of(7)) is False
    assert is_active(db, household.byod, household.id_of(7)) is True
    assert is_enabled(db, household.byod) == (False, 0)
    assert household.user.idle().body == b""
    assert mac.idle().body == household.commands[1][1]
    for number in (1, 3, 5, 6):
        answer = mac.acknowledge(household.id_of(number))
    assert answer.body == plist


def test_who_has_come_here_already_is_left_alone(files, household, db):
    imported(files, db)
    mac = household.mac
    mac.acknowledge(household.id_of(0))
    assert mac.token_update(PushMagic="newest").status == 200
    done = run(files, db)
    assert done.returncode == 0
    assert done.stderr.decode() == (
        f"{mac.id}: the database has seen it later than the files; left"
        " alone\n")
    assert b"4 devices, 1 users" in done.stdout
    assert b"0 problems, 2 left alone" in done.stdout
    assert enrollment(db, mac).push_magic == "newest"
    assert result(db, mac, household.id_of(0)).status == "Acknowledged"


def test_push_certificate_that_is_newer_here(files, household, db, server):
    imported(files, db)
    operator = Operator(server)
    newer = certs.push_certificate(household.topic)
    assert operator.pushcert_put(newer).status == 200
    operator.close()
    os.utime(files.path("push_cert", f"{household.topic}.pem"),
             (LONG_AGO, LONG_AGO))
    done = run(files, db)
    assert b"newer in the database; left alone" in done.stderr
    assert db.query("SELECT cert_pem FROM push_certs") == [
        (newer.pem.decode(),)]


def test_renewed_push_certificate(files, household, db):
    imported(files, db)
    newer = certs.push_certificate(household.topic)
    files.push_cert(household.topic, newer.pem, newer.key_pem, 3)
    imported(files, db)
    assert db.query("SELECT cert_pem, stale_token FROM push_certs") == [
        (newer.pem.decode(), 4)]


# -- Files that are no good -------------------------------------------

def truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


def test_bad_files_are_named_and_stop_nothing(files, household, db):
    """Each by its path; all others arrive."""
    mac, phone, byod = household.mac, household.phone, household.byod
    bad = {
        files.path("devices", f"{phone.id}.auth"): truncate,
        files.path("devices", f"{mac.id}.cert"): truncate,
        files.path("devices", f"{mac.id}.tok_upd"): truncate,
        files.path("queue", f"{household.id_of(3)}.raw"): truncate,
        files.path("queue",
                   f"{mac.id}.{household.id_of(2)}.queueitem.report"):
            truncate,
        files.path("enrollments", f"{byod.id}.push_magic"):
            lambda path: path.write_bytes(b""),
        files.path("push_cert", f"{household.topic}.key"): truncate,
        files.path("cert_auth", f"{mac.id}.cert_hash"):
            lambda path: path.write_bytes(b"'; DROP TABLE devices; --"),
        files.path("enrollments", f"{mac.id}.tok_tal"):
            lambda path: path.write_bytes(b"99999999999999999999999"),
        files.path("devices", f"{mac.id}.serial"): pipe,
        files.path("devices", f"{mac.id}.bstoken"): dangle,
    }
    for path, spoil in bad.items():
        spoil(path)
    lines = complained(files, db)
    for path in bad:
        assert [line for line in lines if str(path) in line], path
    assert device_columns(db, phone, "id") is None
    assert device_columns(db, byod, "id") is None
    assert device_columns(
        db, mac, "identity_cert", "token_update", "serial_number",
        "bootstrap_token_b64") == (None,) * 4
    assert is_enabled(db, mac) == (True, 0)
    assert enrollment(db, household.user)
    assert count(db, "push_certs", "1 = 1") == 0
    # What was reported is not done again, though its outcome is unknown.
    assert result(db, mac, household.id_of(2)) is None
    for number, after in ((0, 1), (1, 5), (5, 6)):
        assert mac.acknowledge(household.id_of(number)).body == \
            household.commands[after][1]


def pipe(path):
    """To open it would block without end."""
    path.unlink()
    os.mkfifo(path)


def dangle(path):
    path.unlink()
    path.symlink_to("/etc/passwd")


def test_after_mending_the_rest_arrives(files, household, db):
    path = files.path("devices", f"{household.phone.id}.auth")
    whole = path.read_bytes()
    truncate(path)
    assert len(complained(files, db)) == 1
    path.write_bytes(whole)
    imported(files, db)
    assert is_enabled(db, household.phone) == (True, 1)


@pytest.mark.parametrize("link, to, said, order", [
    ("{2}.queueitem.next", "", "broken", (0, 1, 3, 5, 6)),
    ("{1}.queueitem.next", "{0}", "circle", (0, 1, 3, 5, 6)),
    ("{1}.queueitem.next", b"\xff\0", "broken", (0, 1, 3, 5, 6)),
    ("queuekey.queue.first", None, "broken", (0, 1, 3, 5, 6)),
    ("queuekey.queue.last", "nobody", "broken", (0, 1, 3, 5, 6))])
@one_database
def test_broken_queue(files, household, db, link, to, said, order):
    """Named; what the other end still knows is saved."""
    ids = [household.id_of(n) for n in (0, 1, 3, 5, 6)]
    key = f"{household.mac.id}.{link.format(*ids)}"
    if to is None:
        files.delete("queue", key)
    else:
        files.set("queue", key, to.format(*ids) if isinstance(to, str)
                  else to)
    lines = complained(files, db)
    assert [line for line in lines if said in line], lines
    assert [name for name, in db.query(
        "SELECT command_uuid FROM enrollment_queue WHERE id = %s"
        " AND active = TRUE AND answered = FALSE ORDER BY created_at",
        household.mac.id)] == [household.id_of(n) for n in order]


@one_database
def test_hostile_names(files, household, db):
    for key in (b"\xff\xfe.auth", b"x" * 250 + b".auth", b".auth",
                b"..queueitem.next", b"x.queueitem.next", b"no-dot",
                b"\xff.hash_cert", b"\xff.pem", b".pem"):
        for bucket in ("devices", "enrollments", "queue", "cert_auth",
                       "push_cert", "users"):
            folder = os.path.join(os.fsencode(files.root / bucket), b"xx")
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, key), "wb") as file:
                file.write(b"\xff\0'")
    complained(files, db)
    assert count(db, "enrollments", "1 = 1") == 6


@one_database
def test_user_without_device(files, household, db):
    orphan = household.lone.user()
    files.token_update(orphan, household.lone)
    for key in ("auth", "cert", "serial"):
        files.delete("devices", f"{household.lone.id}.{key}")
    for key in ("disabled", "last_seen_at"):
        files.delete("enrollments", f"{household.lone.id}.{key}")
    lines = complained(files, db)
    assert lines == [f"{orphan.id}: its device ({household.lone.id}) is not"
                     " in the files; it must enroll again"]


@one_database
def test_binary_property_lists_become_xml(files, household, db):
    mac = household.mac
    message = authenticate_of(mac)
    files.set("devices", f"{mac.id}.auth",
              plistlib.dumps(message, fmt=BINARY))
    name, plist = command()
    files.command(name, plistlib.dumps(plistlib.loads(plist), fmt=BINARY))
    files.enqueue(household.phone.id, name)
    imported(files, db)
    assert plistlib.loads(device_columns(
        db, mac, "authenticate")[0].encode()) == message
    assert household.phone.idle().plist == plistlib.loads(plist)


@one_database
def test_a_user_s_message_that_is_no_dictionary(files, household, db):
    """It has no names; the import goes on."""
    files.set("users", f"{household.user.id}.tok_upd", plistlib.dumps(["a"]))
    imported(files, db)
    assert user_columns(db, household.user, "user_short_name",
                        "user_long_name") == (None, None)


def doubled(depth):
    """A binary property list of arrays, each of which names the next twice:
    a few hundred bytes, of which XML makes 2 ** depth arrays."""
    objects = [bytes((0xa2, at + 1, at + 1)) for at in range(depth)]
    body, offsets = b"bplist00", b""
    for each in (*objects, b"\xa0"):
        offsets += len(body).to_bytes(2, "big")
        body += each
    return body + offsets + bytes(6) + bytes((2, 1)) + b"".join(
        number.to_bytes(8, "big") for number in (depth + 1, 0, len(body)))


@one_database
def test_a_property_list_that_becomes_too_long(files, household, db):
    """Named before it is written out; the others arrive."""
    path = files.path("devices", f"{household.phone.id}.auth")
    path.write_bytes(doubled(21))
    assert path.stat().st_size < 200
    line, = complained(files, db)
    assert f"{path}: " in line and "longer than 64 MiB" in line
    assert is_enabled(db, household.mac) == (True, 3)


@one_database
def test_progress_is_told(files, db):
    for number in range(1001):
        files.set("devices", f"M{number:04}.auth", plistlib.dumps(
            {"MessageType": "Authenticate"}))
    started = time.monotonic()
    done = run(files, db)
    assert re.fullmatch(rb"enrollments: 1000 of \d+, \d+ per second,"
                        rb"( \d+:\d\d left,)? 0 problems\n", done.stderr)
    assert done.stdout.startswith(b"imported 1001 devices,")
    assert time.monotonic() - started < 60


# -- Databases and folders that are no good ---------------------------

def test_database_without_our_tables(files, household, db_server):
    empty = db_server.fresh()
    if db_server.kind == "sqlite3":
        empty.params.write_bytes(b"")
    done = run(files, empty)
    assert done.returncode == 1
    assert done.stderr.startswith(b"stopped: the database lacks our tables")
    assert f"schema/{db_server.kind}.sql".encode() in done.stderr
    assert len(done.stderr.splitlines()) <= 4


def test_wrong_database(files, household, db, tmp_path):
    wrong = {"sqlite3": str(tmp_path / "nowhere.db")}.get(
        db.kind, str(db.params).replace(PASSWORD, "other-secret"))
    done = tool("nmdm-import.py", "--driver", db.kind, "--params", wrong,
                files.root)
    assert done.returncode == 1
    assert done.stderr.startswith(b"stopped: the database: ")
    assert b"other-secret" not in done.stderr
    assert b"Traceback" not in done.stderr


@one_database
def test_wrong_folder(db, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        done = tool("nmdm-import.py", *source_of(db), folder)
        assert done.returncode == 1
        assert b"no file storage of NanoMDM" in done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("words", [
    "", "folder", "--driver sqlite3 folder", "--driver sqlite3 --params x",
    "--driver oracle --params x folder",
    "--driver sqlite3 --params x --dsn x folder",
    "--driver pgsql --params env:NO_SUCH_VARIABLE folder",
    "--driver sqlite3 --params x --prefix x; folder"])
def test_usage(words):
    done = tool("nmdm-import.py", *words.split())
    assert done.returncode == 2
    assert b"usage:" in done.stderr
