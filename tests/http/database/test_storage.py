# SPDX-License-Identifier: Apache-2.0
"""Storage: other programs' databases, schemas, several servers."""

import base64
import datetime
import pwd
import time
from uuid import uuid4

import pytest

import ca as certs
from device import Operator, command
from load import serves
from system import ROOT, wait_until
from tables import (associate, count, device_columns, enrollment,
                    fill_queues, forget, insert, is_active, is_enabled,
                    last_seen, result, user_columns)

# The devices of tests/data/nanomdm-*.sql and what is pending for them.
MAC = "9C1B5A0E-3F27-4D5C-8E1A-6B7D2C4F9A01"
PHONE = "00008120-001C25D40C83001E"
USER = "7D3E9F54-0B8A-4C61-A2F7-1E5D8C9B6A30"
TOPIC = "com.apple.mgmt.External.7f1f6c1e-7c55-4d4c-9a3d-0f5f2f6b1c11"
UUID = "b1f4a9c0-5a11-4c0f-9d5e-00000000000"

EVIL = ["O'Hara \"x\"", "back\\slash\\", "emoji 💻 Zoë", "100 %s %d %%",
        "'; DROP TABLE devices; --", "') OR ('1'='1", "$1 ? :id @x",
        "`tick` # -- ;"]


@pytest.fixture
def program(db_server):
    """Only where a database server runs."""
    if db_server.kind == "sqlite3":
        pytest.skip("needs a database that is a program")
    return db_server


@pytest.fixture(scope="module")
def second(module_httpd):
    """Another server on the shared database."""
    return module_httpd()


@pytest.fixture
def enrolled(device, db):
    return device().enroll()


def table_names(db):
    if db.kind == "sqlite3":
        return {name for name, in db.query(
            "SELECT name FROM sqlite_master WHERE type = 'table'")}
    schema = "current_schema()" if db.kind == "pgsql" else "DATABASE()"
    return {name for name, in db.query(
        "SELECT table_name FROM information_schema.tables"
        f" WHERE table_schema = {schema} AND table_type = 'BASE TABLE'")}


# -- S4: a database that NanoMDM made ---------------------------------

def nanomdm_database(program):
    return program.fresh(ROOT / "tests" / "data"
                         / f"nanomdm-{program.kind}.sql")


class Owners:
    """The devices of that database, with certificates of our CA."""

    def __init__(self, server, device):
        self.mac = device(server, udid=MAC, topic=TOPIC)
        self.user = self.mac.user(user_id=USER)
        self.phone = device(server, udid=PHONE, topic=TOPIC)
        for owner in (self.mac, self.phone):
            associate(server.database, owner)


def pending(db, number):
    """The stored bytes of a command of the data file."""
    ((plist,),) = db.query("SELECT command FROM commands"
                           " WHERE command_uuid = %s", UUID + str(number))
    return plist.encode()


def deliver_what_is_pending(db, owners):
    three, four = pending(db, 3), pending(db, 4)
    mac, phone, user = owners.mac, owners.phone, owners.user
    assert mac.idle().body == three
    assert mac.not_now(UUID + "3").body == four
    assert result(db, mac, UUID + "3").not_now_tally == 3
    assert mac.idle().body == three
    assert mac.acknowledge(UUID + "3").body == four
    assert mac.acknowledge(UUID + "4").body == b""
    assert phone.idle().body == pending(db, 2)
    assert phone.acknowledge(UUID + "2").body == pending(db, 6)
    assert phone.error(UUID + "6").body == b""
    assert user.idle().body == pending(db, 7)
    assert user.acknowledge(UUID + "7").body == b""


def nanomdm_enqueues(db, id_):
    uuid, plist = command("SecurityInfo")
    insert(db, "commands", ("command_uuid", "request_type", "command"),
           [(uuid, "SecurityInfo", plist.decode())])
    insert(db, "enrollment_queue", ("id", "command_uuid"), [(id_, uuid)])
    return uuid, plist


def nanomdm_next(db, id_, skip_not_now=False):
    """What NanoMDM would deliver."""
    statuses = "" if skip_not_now else " OR r.status = 'NotNow'"
    rows = db.query(
        "SELECT c.command_uuid FROM enrollment_queue AS q"
        " INNER JOIN commands AS c ON q.command_uuid = c.command_uuid"
        " LEFT JOIN command_results AS r"
        " ON r.command_uuid = q.command_uuid AND r.id = q.id"
        " WHERE q.id = %s AND q.active = TRUE"
        f" AND (r.status IS NULL{statuses})"
        " ORDER BY q.priority DESC, q.created_at LIMIT 1", id_)
    return rows[0][0] if rows else None


def nanomdm_stores(db, id_, uuid, status):
    """Upsert a result in NanoMDM's way."""
    update = ("ON CONFLICT (id, command_uuid) DO UPDATE"
              " SET status = EXCLUDED.status, result = EXCLUDED.result")
    if db.kind == "mysql":
        update = ("ON DUPLICATE KEY UPDATE"
                  " status = VALUES(status), result = VALUES(result)")
    db.execute("INSERT INTO command_results (id, command_uuid, status,"
               " result, not_now_at, not_now_tally)"
               f" VALUES (%s, %s, %s, '<?xml', NULL, 0) {update}",
               id_, uuid, status)


def nanomdm_deletes(db, id_, uuid):
    """delete=1; on MySQL queue and results go in one statement."""
    if db.kind == "mysql":
        db.execute("DELETE q, r FROM enrollment_queue AS q"
                   " LEFT JOIN command_results AS r"
                   " ON q.command_uuid = r.command_uuid AND r.id = q.id"
                   " WHERE q.id = %s AND q.command_uuid = %s", id_, uuid)
    else:
        for table in ("enrollment_queue", "command_results"):
            db.execute(f"DELETE FROM {table}"
                       " WHERE id = %s AND command_uuid = %s", id_, uuid)
    db.execute(
        "DELETE FROM commands WHERE command_uuid = %s AND NOT EXISTS"
        " (SELECT 1 FROM enrollment_queue AS q"
        " WHERE q.command_uuid = commands.command_uuid)"
        " AND NOT EXISTS (SELECT 1 FROM command_results AS r"
        " WHERE r.command_uuid = commands.command_uuid)", uuid)


def nanomdm_clears(db, id_):
    if db.kind == "mysql":
        db.execute(
            "UPDATE enrollment_queue AS q"
            " INNER JOIN enrollments AS e ON q.id = e.id"
            " LEFT JOIN command_results AS r"
            " ON r.command_uuid = q.command_uuid AND r.id = q.id"
            " SET q.active = 0 WHERE e.device_id = %s AND q.active = 1"
            " AND (r.status IS NULL OR r.status = 'NotNow')", id_)
    else:
        db.execute(
            "UPDATE enrollment_queue SET active = FALSE"
            " FROM enrollments AS e"
            " WHERE enrollment_queue.id = e.id AND e.device_id = %s"
            " AND active = TRUE AND EXISTS (SELECT 1 FROM view_queue AS v"
            " WHERE v.id = enrollment_queue.id AND v.active = TRUE"
            " AND (v.status IS NULL OR v.status = 'NotNow'))", id_)


def work_beside_nanomdm(db, phone):
    """Each sees at once what the other did."""
    (one, first), (two, second), (three, third), (four, fourth) = [
        nanomdm_enqueues(db, phone.id) for _ in range(4)]
    for number, uuid in enumerate((one, two, three, four)):
        db.execute("UPDATE enrollment_queue SET created_at = %s"
                   " WHERE command_uuid = %s",
                   datetime.datetime(2024, 6, 1, 0, 0, number), uuid)
    assert phone.idle().body == first
    nanomdm_stores(db, phone.id, one, "NotNow")
    assert phone.idle().body == first
    nanomdm_stores(db, phone.id, one, "Acknowledged")
    assert phone.idle().body == second
    assert phone.acknowledge(two).body == third
    assert nanomdm_next(db, phone.id) == three
    assert phone.not_now(three).body == fourth
    assert nanomdm_next(db, phone.id) == three
    assert nanomdm_next(db, phone.id, skip_not_now=True) == four
    nanomdm_deletes(db, phone.id, three)
    assert count(db, "commands", "command_uuid = %s", three) == 0
    assert phone.idle().body == fourth
    nanomdm_clears(db, phone.id)
    assert phone.idle().body == b""
    assert is_active(db, phone, two) is (db.kind == "mysql")


def re_enroll(db, owners):
    assert owners.mac.get_bootstrap_token().plist == {
        "BootstrapToken": b"bootstrap-token-of-the-mac"}
    assert owners.mac.authenticate().status == 200
    assert is_enabled(db, owners.mac) == (False, 0)
    assert is_enabled(db, owners.user) == (False, 0)
    assert is_enabled(db, owners.phone)[0]
    assert owners.mac.get_bootstrap_token().body == b""
    assert owners.mac.token_update().status == 200
    assert owners.user.token_update().status == 200
    assert is_enabled(db, owners.mac) == (True, 1)
    assert is_enabled(db, owners.user) == (True, 1)


def load_upgrades(program, db):
    for script in sorted((ROOT / "schema" / "upgrade").glob(
            f"*.{program.kind}.sql")):
        program.load(db.name, script)


@pytest.mark.parametrize("way", ["check", "auto", "operator"])
def test_s04_nanomdm_database(program, httpd, device, expect_log, way):
    """S4: unchanged; upgraded at start; upgraded by the operator."""
    db = nanomdm_database(program)
    if way == "operator":
        load_upgrades(program, db)
    server = httpd(db, start=False, extra_server=(
        "NanoMDMSchema auto" if way == "auto" else ""))
    if way == "check":
        expect_log("nanomdm:error", "ADD COLUMN", "answered")
        expect_log("nanomdm:error", "(?i)create|drop|insert|update"
                   "|prepare|execute|set|schema|add column", optional=True)
    server.start()
    owners = Owners(server, device)
    deliver_what_is_pending(db, owners)
    re_enroll(db, owners)
    operator = Operator(server)
    answer = operator.pushcert_get(TOPIC)
    assert (answer.status, answer.json["topic"]) == (200, TOPIC)
    operator.close()
    work_beside_nanomdm(db, owners.phone)
    serves(server, device)


def test_s04_upgrade_may_be_repeated(program, httpd, device):
    """S4: the operator's file twice, then a start with auto."""
    db = nanomdm_database(program)
    for _ in range(2):
        load_upgrades(program, db)
    server = httpd(db, extra_server="NanoMDMSchema auto")
    deliver_what_is_pending(db, Owners(server, device))


# -- S6 to S11 --------------------------------------------------------

def test_s06_view_queue_has_the_order_of_delivery(enrolled, db):
    """S6: and shows what became of each command."""
    uuids = fill_queues(db, [enrolled], 5)
    for number, uuid in enumerate(uuids):
        db.execute("UPDATE enrollment_queue SET priority = %s"
                   " WHERE command_uuid = %s", number % 3, uuid)
    viewed = [row[0] for row in db.query(
        "SELECT command_uuid FROM view_queue WHERE id = %s",
        enrolled.id)]
    delivered = []
    answer = enrolled.idle()
    while answer.body:
        delivered.append(answer.plist["CommandUUID"])
        answer = enrolled.acknowledge(delivered[-1])
    assert viewed[0] == delivered[0] == uuids[2]
    assert sorted(delivered) == sorted(uuids)
    priority = {uuid: n % 3 for n, uuid in enumerate(uuids)}
    for order in (viewed, delivered):
        assert [priority[uuid] for uuid in order] == [2, 1, 1, 0, 0]
    assert db.query("SELECT active, request_type, status FROM view_queue"
                    " WHERE command_uuid = %s", uuids[0]) == [
                        (1, "DeviceInformation", "Acknowledged")]


def test_s07_command_travels_between_servers(device, operator, second,
                                             db):
    """S7: enqueued on A, delivered and answered on B."""
    mac = device(second).enroll()
    uuid, plist = command()
    assert operator.enqueue(mac.id, plist).status == 200
    assert mac.idle().body == plist
    assert mac.acknowledge(uuid).body == b""
    assert result(db, mac, uuid).status == "Acknowledged"


def test_s07_push_certificate_travels_between_servers(operator, second):
    """S7: uploaded on A, visible on B, also when renewed."""
    other = Operator(second)
    topic = certs.push_topic()
    for days in (100, 200):
        uploaded = operator.pushcert_put(
            certs.push_certificate(topic, days=days))
        assert (uploaded.status, uploaded.json["topic"]) == (200, topic)
        seen = other.pushcert_get(topic)
        assert (seen.status, seen.json) == (200, uploaded.json)
    other.close()


def test_s08_killed_connections_fail_no_request(
        program, fresh_db, httpd, device, expect_log):
    """S8: the next request of each kind succeeds."""
    for pattern in ("AH00639", "AH00632", "AH02655", "nanomdm:"):
        expect_log(pattern, optional=True)
    server = httpd(fresh_db())
    operator = Operator(server)
    mac = device(server).enroll()
    uuid, plist = command()
    for call in (lambda: operator.enqueue(mac.id, plist), mac.idle,
                 lambda: mac.acknowledge(uuid), mac.token_update,
                 mac.authenticate):
        assert server.database.cut_connections() > 0
        answer = call()
        assert answer.status == 200, answer
    operator.close()
    assert result(server.database, mac, uuid).status == "Acknowledged"


def test_s09_clearing_leaves_answered_rows_active(enrolled, operator,
                                                  db):
    """S9: pending ones become inactive (Q10)."""
    answered, put_off, waiting = [command() for _ in range(3)]
    for _, plist in (answered, put_off, waiting):
        operator.enqueue(enrolled.id, plist)
    enrolled.acknowledge(answered[0])
    enrolled.not_now(put_off[0])
    enrolled.authenticate()
    assert [is_active(db, enrolled, uuid) for uuid, _ in
            (answered, put_off, waiting)] == [True, False, False]


def test_s10_every_kind_of_report_moves_last_seen(enrolled, db):
    """S10: within about two seconds, of device and user."""
    user = enrolled.user().enroll()
    for channel, report in ((enrolled, enrolled.idle),
                            (user, user.idle),
                            (enrolled, lambda: enrolled.not_now("x"))):
        before = forget(db, channel)
        assert report().status == 200
        assert wait_until(lambda: last_seen(db, channel) > before)


def test_s10_last_seen_is_written_in_batches(enrolled, db):
    """S10: thirty polls within a moment are a write or two."""
    before = forget(db, enrolled)
    writes = 0
    start = time.monotonic()
    for _ in range(30):
        enrolled.idle()
        if last_seen(db, enrolled) > before:
            writes += 1
            forget(db, enrolled)
    assert writes <= 2 + (time.monotonic() - start)
    enrolled.idle()             # what was written of the last may be forgotten
    assert wait_until(lambda: last_seen(db, enrolled) > before)


def test_s10_last_seen_can_be_written_at_once(httpd, fresh_db, device):
    """S10: before the answer, by each kind of message that moves it."""
    db = fresh_db()
    mac = device(httpd(db, extra_vhost="NanoMDMLastSeen immediate")).enroll()
    for message in (mac.idle, lambda: mac.not_now("x"),
                    mac.get_bootstrap_token,
                    lambda: mac.set_bootstrap_token(b"token")):
        before = forget(db, mac)
        assert message().status == 200
        assert last_seen(db, mac) > before


def test_s10_last_seen_is_of_those_who_were_seen(device, enrolled, db):
    """S10: a batch touches no other enrollment, nor a refused caller."""
    silent = device().enroll()
    masked = device(udid=silent.udid)
    before = forget(db, silent)
    first = forget(db, enrolled)
    assert masked.idle().status == 500
    enrolled.idle()
    assert wait_until(lambda: last_seen(db, enrolled) > first)
    assert last_seen(db, silent) == before


def test_times_are_finer_than_a_second(enrolled, db):
    """No time of a row lies before the row's creation."""
    created, *times = db.query(
        "SELECT created_at, last_seen_at, updated_at FROM enrollments"
        " WHERE id = %s", enrolled.id)[0]
    assert [at for at in times if at < created] == []
    created, *times = device_columns(
        db, enrolled, "created_at", "authenticate_at",
        "token_update_at", "updated_at")
    assert [at for at in times if at < created] == []


@pytest.mark.parametrize("evil", EVIL)
def test_s11_anything_round_trips(device, operator, db, evil):
    """S11: ids, names, serial, topic, UUID, status; no injection."""
    tables = table_names(db)
    mac = device(udid=f"{evil} {uuid4()}", topic=evil)
    mac.serial, mac.push_magic = evil, evil
    mac.enroll()
    user = mac.user(user_id=evil, short_name=evil,
                    long_name=evil).enroll()
    assert device_columns(db, mac, "serial_number") == (evil,)
    assert enrollment(db, mac)[3:5] == (evil, evil)
    assert enrollment(db, user)[:3] == (mac.udid, user.id, "User")
    assert user_columns(db, user, "user_short_name",
                        "user_long_name") == (evil, evil)

    uuid, plist = command(evil, f"{evil} {uuid4()}")
    answer = operator.enqueue([mac.id, user.id], plist)
    assert answer.status == 200, answer
    assert (answer.json["command_uuid"],
            answer.json["request_type"]) == (uuid, evil)
    for channel in (mac, user):
        assert channel.idle().body == plist
        assert channel.report(evil, uuid, Text=evil).body == b""
        assert result(db, channel, uuid).status == evil
    mac.set_bootstrap_token(evil.encode())
    assert mac.get_bootstrap_token().plist == {
        "BootstrapToken": evil.encode()}
    assert base64.b64decode(device_columns(
        db, mac, "bootstrap_token_b64")[0]) == evil.encode()
    assert table_names(db) == tables


# -- Schema -----------------------------------------------------------

def test_table_prefix_beside_other_tables(db_server, httpd, device):
    """NanoMDMTablePrefix: two servers, one database, nothing shared."""
    db = db_server.fresh()
    auto = "NanoMDMSchema auto\n"
    prefixed = httpd(db, extra_server=auto + "NanoMDMTablePrefix nano_")
    mac, uuid = serves(prefixed, device)
    tables = {name for name in table_names(db)
              if not name.startswith("sqlite_")}
    assert {"nano_devices", "nano_enrollments",
            "nano_commands"} <= tables
    assert [name for name in tables
            if not name.startswith("nano_")] == []

    plain = httpd(db, extra_server=auto)
    other, _ = serves(plain, device)
    for table, of_mac, of_other in (("nano_enrollments", 1, 0),
                                    ("enrollments", 0, 1)):
        assert count(db, table, "id = %s", mac.id) == of_mac
        assert count(db, table, "id = %s", other.id) == of_other
    assert db.query("SELECT status FROM nano_view_queue"
                    " WHERE command_uuid = %s", uuid) == [
                        ("Acknowledged",)]
    serves(prefixed, device)


def test_schema_check_waits_for_the_tables(db_server, httpd, device,
                                           expect_log):
    """NanoMDMSchema check: 503 until they are there; no restart."""
    db = db_server.fresh()
    expect_log("nanomdm:error")
    server = httpd(db, extra_server="NanoMDMSchema check")
    mac = device(server)
    operator = Operator(server)
    for answer in (mac.authenticate(), mac.idle(),
                   operator.enqueue("x", command()[1]),
                   operator.pushcert_get("com.apple.mgmt.x")):
        assert answer.status == 503, answer
    db_server.load(db.name, ROOT / "schema" / f"{db_server.kind}.sql")
    assert wait_until(lambda: mac.authenticate().status == 200)
    operator.close()
    serves(server, device)


def test_schema_auto_finds_its_own_tables(db_server, httpd, device):
    """NanoMDMSchema auto: a second start changes nothing."""
    db = db_server.fresh()
    server = httpd(db, extra_server="NanoMDMSchema auto")
    mac, uuid = serves(server, device)
    tables = table_names(db)
    server.restart()
    assert table_names(db) == tables
    assert result(db, mac, uuid).status == "Acknowledged"
    serves(server, device)


def test_schema_auto_makes_the_tables_of_the_schema_file(
        db_server, httpd):
    """NanoMDMSchema auto: the same as a client program would load."""
    made = db_server.fresh()
    httpd(made, extra_server="NanoMDMSchema auto")
    loaded = db_server.fresh()
    db_server.load(loaded.name,
                   ROOT / "schema" / f"{db_server.kind}.sql")
    assert table_names(made) == table_names(loaded)


def test_several_children_start_on_a_fresh_database(db_server, httpd,
                                                    device):
    """NanoMDMSchema auto, ServerLimit > 1: one makes the tables, the
    others wait; every child serves."""
    db = db_server.fresh()
    server = httpd(db, children=4, threads=4,
                   extra_server="NanoMDMSchema auto")
    assert len(server.children()) == 4
    mac = device(server).enroll()
    answers = [mac.report("Idle") for _ in range(3)]
    for _ in range(12):
        mac.close()
        answers.append(mac.idle())
    assert {answer.status for answer in answers} == {200}
    serves(server, device)


@pytest.fixture
def file(db_server):
    if db_server.kind != "sqlite3":
        pytest.skip("needs a database that is a file")
    return db_server


def test_sqlite_file_is_made_at_start(file, httpd, device):
    """Owned by httpd's user, in WAL mode, with all tables."""
    db = file.fresh()
    server = httpd(db)
    path = file.path(db.name)
    assert pwd.getpwuid(path.stat().st_uid).pw_name == "www-data"
    assert "enrollments" in table_names(db)
    serves(server, device)
    server.stop()
    assert path.read_bytes()[18:20] == b"\2\2"     # WAL, for good
    assert db.query("PRAGMA journal_mode") == [("wal",)]
    assert db.query("PRAGMA integrity_check") == [("ok",)]
