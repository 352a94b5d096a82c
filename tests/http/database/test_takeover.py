# SPDX-License-Identifier: Apache-2.0
"""Taking over a database of NanoMDM's, at whatever age, by many nodes."""

import concurrent.futures
import contextlib
import pathlib
import threading

import pytest

from databases import USER
from device import Operator, command
from load import serves
from system import ROOT
from tables import count

pytestmark = pytest.mark.unsanitized

SCHEMA = ROOT / "schema" / "mysql.sql"
NANOMDM_CHANGES = 11
NODES = 10
OUR_TABLES = {"nanomdm_schema", "nanomdm_pushes", "nanomdm_events"}
# Columns without which nothing is served.
NEEDED_UP_TO = 8

# What NanoMDM's MySQL changes did, undone; the names are those that a database
# gives when a schema names none.
UNDO = {
    1: ["ALTER TABLE devices DROP CONSTRAINT {bootstrap_check}",
        "ALTER TABLE devices DROP COLUMN bootstrap_token_b64,"
        " DROP COLUMN bootstrap_token_at"],
    2: ["ALTER TABLE users DROP COLUMN user_authenticate,"
        " DROP COLUMN user_authenticate_at,"
        " DROP COLUMN user_authenticate_digest,"
        " DROP COLUMN user_authenticate_digest_at"],
    3: ["ALTER TABLE enrollments DROP COLUMN token_update_tally"],
    4: ["ALTER TABLE command_results DROP COLUMN not_now_at,"
        " DROP COLUMN not_now_tally"],
    5: ["ALTER TABLE command_results MODIFY result TEXT NOT NULL"],
    6: ["ALTER TABLE commands MODIFY command TEXT NOT NULL"],
    7: ["ALTER TABLE push_certs DROP COLUMN created_at,"
        " DROP COLUMN updated_at"],
    8: ["ALTER TABLE enrollments DROP COLUMN last_seen_at"],
    9: ["ALTER TABLE enrollment_queue DROP INDEX priority"],
    10: ["ALTER TABLE enrollment_queue DROP INDEX idx_queue_lookup",
         "ALTER TABLE cert_auth_associations DROP INDEX idx_sha256"],
    11: ["ALTER TABLE enrollments DROP FOREIGN KEY {user_key}",
         "ALTER TABLE enrollments ADD FOREIGN KEY (user_id)"
         " REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE"],
}
# A word of what is missing without each change.
MISSING = {
    1: "bootstrap_token_b64", 2: "user_authenticate_digest_at",
    3: "token_update_tally", 4: "not_now_tally",
    5: "command_results.*MODIFY COLUMN result",
    6: "commands.*MODIFY COLUMN command", 7: "push_certs", 8: "last_seen_at",
    9: "ON enrollment_queue .priority", 10: "idx_queue_lookup",
    11: "ADD FOREIGN KEY .user_id, device_id",
}


@pytest.fixture
def mysql(db_server):
    if db_server.kind != "mysql":
        pytest.skip("NanoMDM has changed its schema on MySQL alone")
    return db_server


@pytest.fixture
def program(db_server):
    if db_server.kind == "sqlite3":
        pytest.skip("NanoMDM makes no SQLite database")
    return db_server


def data_file(kind):
    return ROOT / "tests" / "data" / f"nanomdm-{kind}.sql"


def nanomdm_of(mysql, step):
    """NanoMDM's database as of a schema change. MySQL since 8.4 refuses to
    make the foreign key from before the last (6125), but upgrades it."""
    if mysql.program == "mysqld":
        mysql.admin_execute("SET GLOBAL restrict_fk_on_non_standard_key"
                            " = OFF")
    db = mysql.fresh(data_file("mysql"))
    names = {
        "user_key": first(db, "SELECT constraint_name"
                          " FROM information_schema.key_column_usage"
                          " WHERE table_schema = DATABASE()"
                          " AND table_name = 'enrollments'"
                          " AND referenced_table_name = 'users'"),
        "bootstrap_check": bootstrap_check(db)}
    for change in range(NANOMDM_CHANGES, step, -1):
        for sql in UNDO[change]:
            db.execute(sql.format(**names))
    return db


def bootstrap_check(db):
    """MySQL's list of them does not say of which table they are."""
    return first(db, "SELECT constraint_name"
                 " FROM information_schema.check_constraints"
                 " WHERE constraint_schema = DATABASE()"
                 " AND check_clause LIKE '%bootstrap%'")


def first(db, sql):
    return db.query(sql)[0][0]


def definition(db):
    """What matters of all columns, indexes and foreign keys."""
    columns = set(db.query(
        "SELECT table_name, column_name, column_type, is_nullable, extra"
        " FROM information_schema.columns"
        " WHERE table_schema = DATABASE()"))
    indexes = {row[0] for row in db.query(
        "SELECT CONCAT(table_name, ' ', GROUP_CONCAT(column_name"
        " ORDER BY seq_in_index)) FROM information_schema.statistics"
        " WHERE table_schema = DATABASE()"
        " GROUP BY table_name, index_name")}
    keys = {row[0] for row in db.query(
        "SELECT CONCAT(table_name, ' ', GROUP_CONCAT(column_name"
        " ORDER BY ordinal_position)) FROM"
        " information_schema.key_column_usage"
        " WHERE table_schema = DATABASE()"
        " AND referenced_table_name IS NOT NULL"
        " GROUP BY table_name, constraint_name")}
    return columns, indexes, keys


@pytest.fixture(scope="module")
def up_to_date():
    """The definition of the newest, upgraded, by program; made once."""
    return {}


def newest(up_to_date, mysql, httpd):
    if mysql.program not in up_to_date:
        db = nanomdm_of(mysql, NANOMDM_CHANGES)
        httpd(db, extra_server="NanoMDMSchema auto")
        up_to_date[mysql.program] = definition(db)
    return up_to_date[mysql.program]


def log_of(server):
    return (pathlib.Path(server.folder) / "error.log").read_text()


# -- One that an older NanoMDM made -----------------------------------

@pytest.mark.parametrize("step", range(NANOMDM_CHANGES + 1))
def test_auto_brings_any_step_up_to_date(mysql, httpd, device, up_to_date,
                                         step):
    """Whatever it lacks, afterwards it is as the newest."""
    db = nanomdm_of(mysql, step)
    server = httpd(db, extra_server="NanoMDMSchema auto")
    assert definition(db) == newest(up_to_date, mysql, httpd)
    assert count(db, "enrollments", "1 = 1") == 3
    assert count(db, "command_results", "1 = 1") == 4
    log = log_of(server)
    for change in MISSING:
        said = f"NanoMDM's schema change {change} */" in log
        assert said == (change > step), change
    serves(server, device)


# Columns that changes of NanoMDM's add together with others.
PAIRS = [("devices", "bootstrap_token_b64"), ("devices", "bootstrap_token_at"),
         ("users", "user_authenticate"), ("users", "user_authenticate_at"),
         ("users", "user_authenticate_digest"),
         ("users", "user_authenticate_digest_at"),
         ("command_results", "not_now_at"),
         ("command_results", "not_now_tally"),
         ("push_certs", "created_at"), ("push_certs", "updated_at")]


@pytest.mark.parametrize("table, column", PAIRS, ids=lambda name: name)
def test_auto_adds_one_column_of_a_change(mysql, httpd, device, up_to_date,
                                          table, column):
    """The other is there: an administrator has added it by hand."""
    db = nanomdm_of(mysql, NANOMDM_CHANGES)
    if column == "bootstrap_token_b64":
        db.execute("ALTER TABLE devices DROP CONSTRAINT "
                   + bootstrap_check(db))
    db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    server = httpd(db, extra_server="NanoMDMSchema auto")
    assert definition(db) == newest(up_to_date, mysql, httpd)
    said = [line for line in log_of(server).splitlines()
            if "NMDM0810" in line]
    assert len(said) == 1 and f"ADD COLUMN {column}" in said[0]
    serves(server, device)


def a_part(mysql, path, tables):
    """A database whose script ended on its way: MySQL commits each
    statement."""
    db = mysql.fresh()
    made = 0
    for sql in path.read_text().split(";\n\n"):
        made += "CREATE TABLE" in sql
        if made > tables:
            break
        db.execute(sql.replace("%", "%%"))
    return db


@pytest.mark.parametrize("tables", [1, 4, 7, 8])
def test_auto_makes_the_rest_of_our_tables(mysql, httpd, device, tables):
    db = a_part(mysql, SCHEMA, tables)
    server = httpd(db, extra_server="NanoMDMSchema auto")
    serves(server, device)
    whole = mysql.fresh()
    httpd(whole, extra_server="NanoMDMSchema auto")
    columns, _, keys = definition(db)
    assert keys == definition(whole)[2]
    for name in OUR_TABLES:
        assert any(name == row[0] for row in columns), name


@pytest.mark.parametrize("tables", [1, 7])
def test_a_part_of_nanomdms_tables_is_left_alone(mysql, httpd, device,
                                                 expect_log, tables):
    """Ours would not fit; 503 until the rest is loaded."""
    db = a_part(mysql, data_file("mysql"), tables)
    before = definition(db)
    expect_log("nanomdm:error.*NMDM0803.*load the rest")
    server = httpd(db, extra_server="NanoMDMSchema auto")
    assert device(server).authenticate().status == 503
    assert definition(db) == before


@pytest.mark.parametrize("step", [0, 4, 7, 8, 10, 11])
def test_check_logs_what_exactly_is_missing(mysql, httpd, device,
                                            expect_log, step):
    """The statements of the missing changes and of no others; they are
    all it takes, and are not needed from change 8 on."""
    db = nanomdm_of(mysql, step)
    before = definition(db)
    for change in range(step + 1, NANOMDM_CHANGES + 1):
        expect_log("nanomdm:error", "NMDM0805: missing: ",
                   f"NanoMDM's schema change {change} .*{MISSING[change]}")
    expect_log("nanomdm:error", optional=True)
    server = httpd(db, extra_server="NanoMDMSchema check")
    assert definition(db) == before
    operator = Operator(server)
    answer = operator.enqueue("x", command()[1])
    operator.close()
    log = log_of(server)
    for change in range(1, step + 1):
        assert f"schema change {change} */" not in log
    assert "DO 0" not in log and "PREPARE" not in log
    if step >= NEEDED_UP_TO:
        assert "NMDM0804" in log
        assert answer.status != 503
        serves(server, device)
        return
    assert answer.status == 503
    assert "NMDM0809" in log and "0000" in log
    for script in sorted((ROOT / "schema" / "upgrade").glob("*.mysql.sql")):
        mysql.load(db.name, script)
    serves(server, device)


@pytest.mark.parametrize("step", [0, 7, 10])
def test_operator_loads_the_scripts(mysql, httpd, device, up_to_date, step):
    """And may do so again."""
    db = nanomdm_of(mysql, step)
    for _ in range(2):
        for script in sorted((ROOT / "schema" / "upgrade").glob(
                "*.mysql.sql")):
            mysql.load(db.name, script)
    assert definition(db) == newest(up_to_date, mysql, httpd)
    serves(httpd(db, extra_server="NanoMDMSchema check"), device)


# -- One whose tables have the prefix nano_ ---------------------------

def with_prefix(db, prefix):
    tables = ("devices", "users", "enrollments", "commands",
              "command_results", "enrollment_queue", "push_certs",
              "cert_auth_associations")
    db.execute("DROP VIEW view_queue")
    for table in tables:
        db.execute(f"ALTER TABLE {table} RENAME TO {prefix}{table}")


@pytest.mark.parametrize("mode", ["check", "auto"])
def test_prefixed_database(program, httpd, device, expect_log, mode):
    """Recognised and served; ours get the prefix as well."""
    db = program.fresh(data_file(program.kind))
    with_prefix(db, "nano_")
    if mode == "check":
        expect_log("nanomdm:error", "missing: ", "ALTER TABLE nano_")
        expect_log("nanomdm:error", optional=True)
    server = httpd(db, extra_server=f"NanoMDMSchema {mode}\n"
                                    "NanoMDMTablePrefix nano_")
    phone = device(server, udid="00008120-001C25D40C83001E")
    db.execute("INSERT INTO nano_cert_auth_associations (id, sha256)"
               " VALUES (%s, %s)", phone.udid, phone.identity.sha256)
    assert phone.idle().plist["Command"]["RequestType"] == \
        "DeviceInformation"
    serves(server, device)
    here = "current_schema()" if db.kind == "pgsql" else "DATABASE()"
    made = {name for name, in db.query(
        "SELECT table_name FROM information_schema.tables"
        f" WHERE table_schema = {here}")}
    assert not OUR_TABLES & made
    assert ("nano_nanomdm_schema" in made) == (mode == "auto")


def test_prefixed_database_of_an_older_nanomdm(mysql, httpd, device):
    db = nanomdm_of(mysql, 4)
    with_prefix(db, "nano_")
    server = httpd(db, extra_server="NanoMDMSchema auto\n"
                                    "NanoMDMTablePrefix nano_")
    serves(server, device)
    assert count(db, "nano_enrollments", "token_update_tally = 1") >= 3


# -- Ten nodes at once ------------------------------------------------

@contextlib.contextmanager
def started_together(servers):
    """Processes end with the thread that started them, so the threads stay."""
    with concurrent.futures.ThreadPoolExecutor(len(servers)) as pool:
        ready = threading.Barrier(len(servers) + 1)
        done = threading.Event()

        def start(server):
            try:
                return server.start()
            finally:
                ready.wait()
                done.wait()
        started = [pool.submit(start, server) for server in servers]
        ready.wait()
        try:
            yield
        finally:
            done.set()
    for each in started:
        each.result()


@pytest.mark.parametrize("of", ["empty", "nanomdm"])
def test_ten_nodes_start_at_once(program, httpd, device, of):
    """One of them makes or upgrades the tables; all of them serve."""
    if of == "empty":
        db = program.fresh()
    elif program.kind == "mysql":
        db = nanomdm_of(program, 3)
    else:
        db = program.fresh(data_file(program.kind))
    nodes = [httpd(db, start=False, threads=2,
                   extra_server="NanoMDMSchema auto") for _ in range(NODES)]
    with started_together(nodes):
        mac = device(nodes[0]).enroll()
        for node in nodes:
            other = device(node, udid=mac.udid, topic=mac.topic,
                           identity=mac.identity)
            assert other.idle().status == 200
        serves(nodes[-1], device)
        said = "NMDM0801" if of == "empty" else "NMDM0802"
        made = sorted(log_of(node).count(said) for node in nodes)
        assert made[:-1] == [0] * (NODES - 1) and made[-1] >= 1


# -- One that does not let its user change all of it ------------------

@pytest.fixture
def binlogged(mysql):
    """As MySQL is by default: the binary log is on, and the module's user
    may not make triggers."""
    class Binlogged(type(mysql)):
        triggers = "--log-bin-trust-function-creators=0"

        def options(self):
            return [*super().options(), "--log-bin=bin", "--server-id=1",
                    self.triggers]

    with contextlib.ExitStack() as stack:
        server = Binlogged()
        stack.callback(server.remove)
        server.start()
        yield server


@pytest.mark.parametrize("of", ["empty", "nanomdm", "older"])
def test_auto_goes_on_without_triggers(binlogged, httpd, device, expect_log,
                                       of):
    """As "check" does on the same tables, and says the line to run."""
    line = "SET GLOBAL log_bin_trust_function_creators = 1"
    db = {"empty": binlogged.fresh,
          "nanomdm": lambda: binlogged.fresh(data_file("mysql")),
          "older": lambda: nanomdm_of(binlogged, 3)}[of]()
    expect_log("nanomdm:error", "NMDM0813", line)
    server = httpd(db, extra_server="NanoMDMSchema auto")
    mac, _ = serves(server, device)
    mac.checkout()
    serves(server, device)
    assert log_of(server).count("NMDM0813") == 2    # virtual hosts
    assert ("nanomdm_schema",) not in db.query("SHOW TABLES")
    binlogged.admin_execute(line)
    server.graceful()
    mac, uuid = serves(server, device)
    assert count(db, "enrollment_queue", "command_uuid = %s AND answered",
                 uuid) == 1
    assert ("nanomdm_schema",) in db.query("SHOW TABLES")


def test_auto_goes_on_where_another_owns_the_tables(program, httpd, device,
                                                    expect_log):
    """It has no right but to use them."""
    if program.kind != "pgsql":
        pytest.skip("rights are given otherwise")
    db = program.fresh(data_file("pgsql"))
    with contextlib.closing(program.admin(db.name)) as admin:
        admin.autocommit = True
        admin.cursor().execute(
            f"REASSIGN OWNED BY {USER} TO postgres;"
            f"GRANT SELECT, INSERT, UPDATE, DELETE"
            f" ON ALL TABLES IN SCHEMA public TO {USER};"
            f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {USER}")
    expect_log("nanomdm:error", "NMDM0813", "must be owner|permission denied")
    expect_log("nanomdm:error", "NMDM0805", "missing: ")
    server = httpd(db, extra_server="NanoMDMSchema auto")
    serves(server, device)
