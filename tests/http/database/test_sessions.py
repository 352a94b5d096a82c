# SPDX-License-Identifier: Apache-2.0
"""Database servers that were set up for other programs: with what their
sessions begin must not matter."""

import contextlib
import datetime
import json
import plistlib

import pytest

import ca as certs
from conftest import Harness, new_database
from databases import tables_of_nanomdm
from device import Device, Operator, command
from system import ROOT, remove_folder, run, temp_folder
from tables import result

NAME = "Zoë 💻 日本"
ZONE = "Europe/Berlin"

SETTINGS = [
    ("pgsql", "DateStyle = 'Postgres, DMY'"),
    ("pgsql", "TimeZone = 'Asia/Kolkata'"),
    ("pgsql", "default_transaction_isolation = 'serializable'"),
    ("pgsql", "standard_conforming_strings = off"),
    ("pgsql", 'search_path = "$user", public'),
    ("pgsql", "client_encoding = 'LATIN1'"),
    ("pgsql", "client_encoding = 'WIN1252'"),
    ("mysql", "autocommit = 0"),
    ("mysql", "completion_type = 'CHAIN'"),
    ("mysql", "max_join_size = 1"),
    ("mysql", "init_connect = 'SET NAMES latin1'"),
    ("mysql", f"time_zone = '{ZONE}'"),
    ("mysql", "sql_mode = ''"),
    ("mysql", "sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'"),
    ("mysql", "sql_mode = 'ORACLE'"),
]


@pytest.fixture(scope="module")
def program(db_server):
    """A server whose settings may be changed."""
    if db_server.kind == "sqlite3":
        pytest.skip("has no settings")
    with contextlib.ExitStack() as stack:
        server = Harness.new_db_server(stack, db_server.program)
        if server.kind == "mysql":
            teach_zone(server)
        yield server


def teach_zone(server):
    script = run(server.tzinfo_to_sql, f"/usr/share/zoneinfo/{ZONE}", ZONE)
    with contextlib.closing(server.admin("mysql")) as admin:
        for sql in script.decode().split(";\n"):
            if sql.strip():
                admin.cursor().execute(sql)
        admin.commit()


@contextlib.contextmanager
def changed(server, setting):
    """A setting of a MariaDB or MySQL server, for as long as that lasts."""
    if "ORACLE" in setting and server.program == "mysqld":
        pytest.skip("a mode of MariaDB")
    name = setting.split()[0]
    with contextlib.closing(server.admin()) as admin:
        cursor = admin.cursor()
        cursor.execute(f"SELECT @@GLOBAL.{name}")
        (before,), = cursor.fetchall()
        cursor.execute(f"SET GLOBAL {setting}")
        yield
        cursor.execute(f"SET GLOBAL {name} = %s", (before,))


@pytest.fixture(params=SETTINGS, ids=lambda pair: pair[1])
def database(request, program):
    """A database whose sessions begin with that setting."""
    kind, setting = request.param
    if kind != program.kind:
        pytest.skip("a setting of another program")
    database = new_database(program)
    if kind == "pgsql":
        program.admin_execute(f"ALTER DATABASE {database.name}"
                              f" SET {setting}")
        yield database
    else:
        with changed(program, setting):
            yield database


@pytest.fixture
def owner(database, httpd, device):
    return device(httpd(database)).enroll()


@pytest.fixture
def steward(owner):
    with contextlib.closing(Operator(owner.server)) as operator:
        yield operator


def test_an_answer_is_stored_for_others_to_read(owner, steward, database):
    uuid, plist = command(Note=NAME)
    assert steward.enqueue(owner.id, plist).status == 200
    assert owner.idle().plist["Command"]["Note"] == NAME
    assert owner.not_now(uuid).status == 200
    assert owner.acknowledge(uuid, Note=NAME).status == 200
    stored = result(database, owner, uuid)
    assert stored.status == "Acknowledged" and NAME in stored.result


def test_no_statement_is_compiled(program, httpd, device):
    """A session that avoids sequential scans has PostgreSQL reckon with enormous
    costs where an index is missing, and compile for 200 ms to read a row."""
    if program.kind != "pgsql":
        pytest.skip("does not compile statements")
    database = new_database(program)
    database.execute("DROP INDEX idx_enrollment_device")
    for setting in ("session_preload_libraries = 'auto_explain'",
                    "auto_explain.log_min_duration = 0",
                    "auto_explain.log_analyze = on"):
        program.admin_execute(f"ALTER DATABASE {database.name} SET {setting}")
    mac = device(httpd(database))
    assert mac.enroll().checkout().status == 200
    plans = [text for text in program.log().split("duration: ")
             if "Query Text" in text]
    assert [plan for plan in plans if "Seq Scan on enrollments" in plan]
    assert not [plan for plan in plans if "JIT:" in plan]


def test_tables_are_made_in_the_mode_of_oracle(program, httpd, device):
    if program.kind != "mysql":
        pytest.skip("a mode of MariaDB")
    with changed(program, "sql_mode = 'ORACLE,EMPTY_STRING_IS_NULL'"):
        server = httpd(program.fresh(), extra_server="NanoMDMSchema auto")
        assert device(server).enroll().idle().status == 200


@pytest.mark.parametrize("characters", ["latin1", "utf8mb3"])
def test_characters_that_tables_lack(program, httpd, device, expect_log,
                                     characters, tmp_path):
    if program.kind != "mysql":
        pytest.skip("a database has one encoding for all of its tables")
    database = program.fresh(tables_of_nanomdm(tmp_path, characters))
    expect_log("nanomdm:warn", "NMDM0812")
    mac = device(httpd(database, extra_server="NanoMDMSchema auto"))
    assert mac.authenticate(DeviceName=NAME).status == 200
    assert mac.token_update(Note=NAME).status == 200
    with contextlib.closing(Operator(mac.server)) as steward:
        uuid, plist = command()
        assert steward.enqueue(mac.id, plist).status == 200
    assert mac.acknowledge(uuid, Note=NAME).status == 200
    (authenticate, update), = database.query(
        "SELECT authenticate, token_update FROM devices WHERE id = %s",
        mac.id)
    assert plistlib.loads(authenticate.encode())["DeviceName"] == NAME
    stored = result(database, mac, uuid).result
    for text in update, stored:
        assert plistlib.loads(text.encode())["Note"] == NAME


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_characters_that_a_database_lacks(program, httpd, device, encoding):
    """initdb takes the encoding from the locale, if nothing says which."""
    if program.kind != "pgsql":
        pytest.skip("has character sets for each table")
    database = program.create_database(
        f"lacks_{encoding.lower()}",
        f"template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")
    program.load(database.name, ROOT / "schema" / "pgsql.sql")
    mac = device(httpd(database))
    assert mac.authenticate(DeviceName=NAME).status == 200
    assert mac.token_update(Note=NAME).status == 200
    with contextlib.closing(Operator(mac.server)) as steward:
        uuid, plist = command(Note=NAME)
        assert steward.enqueue(mac.id, plist).status == 200
        assert mac.idle().plist["Command"]["Note"] == NAME
        assert mac.acknowledge(uuid, Note=NAME).status == 200
        answer = steward.call("GET", f"/v1/commands/{uuid}")
    assert answer.status == 200
    assert NAME in json.dumps(answer.json, ensure_ascii=False)


# -- What was answered is on the disk -----------------------------------

def test_an_answer_outlives_the_server(program, httpd, device):
    """A role or database may say that commits need not wait for the disk."""
    if program.kind != "pgsql":
        pytest.skip("has no such setting for sessions")
    program.admin_execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
    program.admin_execute("SELECT pg_reload_conf()")
    database = new_database(program)
    program.admin_execute(f"ALTER DATABASE {database.name}"
                          " SET synchronous_commit = off")
    mac = device(httpd(database)).enroll()
    with contextlib.closing(Operator(mac.server)) as steward:
        uuid, plist = command()
        assert steward.enqueue(mac.id, plist).status == 200
    assert mac.acknowledge(uuid).status == 200
    program.kill()
    mac.server.kill()
    program.start()
    program.admin_execute("ALTER SYSTEM RESET wal_writer_delay")
    assert result(database, mac, uuid).status == "Acknowledged"


@pytest.mark.parametrize("durable", [True, False])
def test_a_database_that_does_not_flush_is_noticed(db_server, httpd, device,
                                                   durable):
    if db_server.kind == "sqlite3":
        pytest.skip("its sessions see to that")
    with contextlib.ExitStack() as stack:
        program = type(db_server)(durable=durable)
        stack.callback(program.remove)
        program.start()
        server = device(httpd(new_database(program))).enroll().server
        said = ("fsync is off" if program.kind == "pgsql"
                else "innodb_flush_log_at_trx_commit is 2")
        assert (f"NMDM0816: -: {said}" in server.error_log()) != durable
        server.stop()


def page(steward, owner, cursor):
    answer = steward.call("GET", f"/v1/queue/{owner.id}?limit=1"
                          + (cursor and f"&cursor={cursor}"))
    assert answer.status == 200, answer
    return answer.json


def test_queues_are_read_page_by_page(owner, steward):
    """Of commands that expire in the hour that comes twice in Berlin."""
    expiries = ["2027-10-31T00:30:00Z", "2027-10-31T01:30:00Z"]
    for when in expiries:
        assert steward.call(
            "PUT", f"/v1/enqueue/{owner.id}?nopush=1&expires={when}",
            command()[1]).status == 200
    first = page(steward, owner, "")
    second = page(steward, owner, first["next_cursor"])
    entries = first["commands"] + second["commands"]
    assert [entry["expires_at"] for entry in entries] == expiries
    now = datetime.datetime.now(datetime.timezone.utc)
    for entry in entries:
        created = datetime.datetime.fromisoformat(
            entry["created_at"].replace("Z", "+00:00"))
        assert abs(now - created) < datetime.timedelta(minutes=5)


# -- TLS to the database ------------------------------------------------

def with_tls(kind, ca, folder):
    """That kind of server, with a certificate."""
    identity = ca.issue("database", eku="server", dns="127.0.0.1")
    pem = folder / "database.pem"
    pem.write_bytes(identity.pem + identity.key_pem)

    class WithTls(kind):
        def options(self):
            return [*super().options(), f"--ssl-ca={folder / 'db-ca.pem'}",
                    f"--ssl-cert={pem}", f"--ssl-key={pem}"]
    return WithTls()


@pytest.mark.parametrize("option, is_plain", [
    ("ssl", True), ("ssl-ca = {folder}/db-ca.pem", False)])
def test_an_option_group_without_tls_is_noticed(
        db_server, httpd, monkeypatch, option, is_plain):
    """The driver takes TLS from an option file only."""
    if db_server.kind != "mysql":
        pytest.skip("libpq takes sslmode from DBDParams")
    ca = certs.root("Database CA")
    folder = temp_folder("options")
    (folder / "db-ca.pem").write_bytes(ca.pem)
    (folder / ".my.cnf").write_text(
        "[mdm]\n" + option.format(folder=folder) + "\n")
    monkeypatch.setenv("HOME", str(folder))
    with contextlib.ExitStack() as stack:
        stack.callback(remove_folder, folder)
        program = with_tls(type(db_server), ca, folder)
        stack.callback(program.remove)
        program.start()
        database = new_database(program)
        database.params += ",group=mdm"
        server = httpd(database)
        mac = Device(server, server.ca.issue())
        assert mac.enroll().idle().status == 200
        mac.close()
        assert ("NMDM0814" in server.error_log()) == is_plain
        server.stop()
