# SPDX-License-Identifier: Apache-2.0
"""Things break: databases die, connections are cut, servers restart."""

import base64
import concurrent.futures
import contextlib
import hashlib
import re
import select
import socket
import subprocess
import threading
import time

import pytest

from device import REPORT, Operator, command, rfc9440
from load import Load, serves
from system import ROOT, remove_folder, run, temp_folder, wait_until
from tables import forget, last_seen, result

PATIENCE = 10                 # a request's, when the database is away
SURELY = 1.5                  # seconds that a request waits for a database
WORKERS = 6


@pytest.fixture(scope="module")
def mortal(harness, db_server):
    """A database server that these tests may kill."""
    if db_server.kind == "sqlite3":
        pytest.skip("needs a database that is a program")
    with contextlib.ExitStack() as stack:
        yield harness.new_db_server(stack, db_server.program)


@pytest.fixture
def mortal_httpd(mortal, fresh_db, httpd):
    """An httpd whose database may be killed."""
    if not mortal.process:
        mortal.start()
    return httpd(fresh_db(mortal))


@pytest.fixture
def trouble(expect_log):
    """What mod_dbd and the module say about a lost database."""
    for pattern in (r"dbd:(error|crit).*(AH006\d\d|AH02655)",
                    "nanomdm:(error|warn)"):
        expect_log(pattern, optional=True)


def devices_of(server, device, number=WORKERS):
    return [device(server).enroll() for _ in range(number)]


def check_nothing_failed(load, server):
    said = "\n".join(line for line in server.error_log().splitlines()
                     if re.search("nanomdm:(error|warn)", line))
    assert (load.failed(), load.closed) == ([], 0), said
    assert load.lost() == []


def check_only_the_late_failed(load, server, outages):
    """No request is refused before the database has been away for as long as
    a request waits, or the request has waited as long. outages: when it was
    killed."""
    said = "\n".join(line for line in server.error_log().splitlines()
                     if re.search("nanomdm:(error|warn)", line))
    for attempt in load.failed():
        ended = attempt.began + attempt.seconds
        away = ended - max(moment for moment in outages if moment < ended)
        assert attempt.status == 503, said
        assert max(away, attempt.seconds) > SURELY, said
    assert load.closed == 0, said
    assert load.lost() == []


def slowest(attempts):
    return max(attempt.seconds for attempt in attempts)


# -- The database dies ------------------------------------------------

def test_c23_restart_of_the_database_fails_no_request(
        mortal, mortal_httpd, device, trouble):
    """C23 and S8: SIGKILL and start under load, twice: all 200, unless the
    start took longer than a request waits."""
    killed = []
    with Load(mortal_httpd.database,
              devices_of(mortal_httpd, device)) as load:
        for _ in range(2):
            load.wait_for(30)
            killed.append(time.monotonic())
            mortal.kill()
            time.sleep(0.6)
            mortal.start()
            load.wait_for(60)
    check_only_the_late_failed(load, mortal_httpd, killed)
    assert slowest(load.attempts) < PATIENCE


def test_s08_connections_cut_under_load_fail_no_request(
        mortal, mortal_httpd, device, trouble):
    """S8: all of them, five times."""
    with Load(mortal_httpd.database,
              devices_of(mortal_httpd, device)) as load:
        for _ in range(5):
            load.wait_for(30)
            assert mortal_httpd.database.cut_connections() > 0
        load.wait_for(60)
    check_nothing_failed(load, mortal_httpd)


LIMITS = {
    "pgsql": "ALTER ROLE nanomdm CONNECTION LIMIT {}",
    "mysql": "ALTER USER nanomdm@'127.0.0.1' WITH MAX_USER_CONNECTIONS {}",
}
CUT = ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
       " WHERE usename = 'nanomdm'")


@contextlib.contextmanager
def limited(program, database, connections):
    """The module's user may have no more; it begins with none."""
    no_limit = {"pgsql": -1, "mysql": 0}[program.kind]
    program.keeps_connections = False
    program.admin_execute(LIMITS[program.kind].format(connections))
    if program.kind == "pgsql":
        program.admin_execute(CUT)
    else:
        database.cut_connections()
    try:
        yield
    finally:
        program.admin_execute(LIMITS[program.kind].format(no_limit))
        program.keeps_connections = True


def test_a_limit_of_connections_fails_no_request(
        mortal, mortal_httpd, device, trouble):
    """S8: the database lets httpd have fewer than mod_dbd's pool and than
    there are requests: they share them."""
    with Load(mortal_httpd.database, devices_of(mortal_httpd, device)) as load:
        with limited(mortal, mortal_httpd.database, 1):
            load.wait_for(300)
    check_nothing_failed(load, mortal_httpd)


def test_a_limit_of_connections_and_a_pause(
        mortal, mortal_httpd, device, trouble):
    """S8: new connections are refused, and the one that there is was not used
    for so long that mod_dbd would look at it again."""
    macs = devices_of(mortal_httpd, device)
    with limited(mortal, mortal_httpd.database, 1):
        with Load(mortal_httpd.database, macs) as load:
            load.wait_for(60)
        for _ in range(2):
            begun = time.monotonic()
            wait_until(lambda: time.monotonic() > begun + 2.5)
            assert macs[0].idle().status == 200
    check_nothing_failed(load, mortal_httpd)


def test_c23_after_a_limit_of_connections_all_wait(
        mortal, mortal_httpd, device, trouble):
    """C23: that connections were refused a while ago shortens no wait."""
    macs = devices_of(mortal_httpd, device)
    with Load(mortal_httpd.database, macs) as load:
        with limited(mortal, mortal_httpd.database, 1):
            load.wait_for(60)
    with Load(mortal_httpd.database, macs[:1]) as load:
        begun = time.monotonic()
        assert wait_until(lambda: time.monotonic() > begun + 2 * SURELY)
        mortal.kill()
        mortal.start()
        load.wait_for(20)
    check_only_the_late_failed(load, mortal_httpd, [begun + 2 * SURELY])


def test_c23_database_away_is_503_in_time(mortal, mortal_httpd, device,
                                          trouble):
    """C23: devices and operators get 503 with Retry-After within two
    seconds, and 200 within two after the database is back."""
    operator = Operator(mortal_httpd)
    mac = device(mortal_httpd).enroll()
    calls = [mac.idle, mac.token_update, mac.authenticate,
             lambda: operator.enqueue(mac.id, command()[1]),
             lambda: operator.pushcert_get("com.apple.mgmt.x")]
    with Load(mortal_httpd.database,
              devices_of(mortal_httpd, device, 4)) as load:
        mortal.kill()
        away = time.monotonic()
        for call in calls:
            began = time.monotonic()
            answer = call()
            assert time.monotonic() - began < PATIENCE
            assert answer.status == 503, answer
            assert int(answer.headers["Retry-After"]) >= 0
        load.wait_for(8)
        mortal.start()
        assert wait_until(lambda: mac.idle().status == 200)
        back = time.monotonic()
        wait_until(lambda: time.monotonic() > back + 2)
        load.wait_for(20)
    assert {attempt.status for attempt in load.attempts} == {200, 503}
    refused = load.failed()
    assert all(attempt.headers["Retry-After"] for attempt in refused)
    assert slowest(refused) < PATIENCE
    assert min(attempt.began for attempt in refused) > away - PATIENCE
    assert {attempt.status for attempt in load.since(back + 2)} == {200}
    assert load.lost() == []
    assert operator.enqueue(mac.id, command()[1]).status == 200
    operator.close()


def test_c23_who_comes_when_the_database_is_back_is_served(
        mortal, mortal_httpd, device, trouble):
    """C23: all of many at once, also after no client waits any more."""
    macs = [device(mortal_httpd).enroll() for _ in range(16)]
    mortal.kill()
    assert wait_until(lambda: macs[0].idle().status == 503)
    for mac in macs:
        mac.close()             # httpd may have done so, meanwhile
    mortal.start()
    with concurrent.futures.ThreadPoolExecutor(len(macs)) as pool:
        answers = list(pool.map(lambda mac: mac.idle().status, macs))
    assert answers == [200] * len(macs)


def test_c23_error_bodies_while_the_database_is_away(
        mortal, mortal_httpd, device, trouble):
    """C23: text for devices, JSON for operators; no cause is shown."""
    mac = device(mortal_httpd).enroll()
    operator = Operator(mortal_httpd)
    mortal.kill()
    answer = mac.idle()
    assert answer.body == b"Service Unavailable\n"
    assert answer.headers["Content-Type"].startswith("text/plain")
    answer = operator.enqueue(mac.id, command()[1])
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json["command_error"]
    assert b"db-secret" not in answer.body
    assert operator.raw("GET", "/version").status == 200
    operator.close()
    mortal.start()
    assert wait_until(lambda: mac.idle().status == 200)


def test_c23_require_enrolled_while_the_database_is_away(
        mortal, fresh_db, httpd, device, trouble, expect_log):
    """503 like any device URL, and admitted when it is back."""
    expect_log("authz_core:error", optional=True)
    if not mortal.process:
        mortal.start()
    server = httpd(fresh_db(mortal), extra_vhost='<Location "/x">\n'
                   "Require nanomdm-enrolled\n</Location>\n")
    mac = device(server).enroll()
    assert mac.raw("GET", "/x").status == 404
    mortal.kill()
    answer = mac.raw("GET", "/x")
    assert (answer.status, answer.body) == (503,
                                            b"Service Unavailable\n")
    assert int(answer.headers["Retry-After"]) >= 0
    mortal.start()
    assert wait_until(lambda: mac.raw("GET", "/x").status == 404)


READ_ONLY = {
    "pgsql": ["ALTER SYSTEM SET default_transaction_read_only = on",
              "SELECT pg_reload_conf()"],
    "mysql": ["SET GLOBAL read_only = 1"],
}
WRITABLE = {
    "pgsql": ["ALTER SYSTEM RESET default_transaction_read_only",
              "SELECT pg_reload_conf()"],
    "mysql": ["SET GLOBAL read_only = 0"],
}


def test_a_database_that_only_reads_is_503(mortal, mortal_httpd, device,
                                           trouble):
    """As one is that became a standby, and keeps its connections."""
    mac = device(mortal_httpd).enroll()
    try:
        for sql in READ_ONLY[mortal.kind]:
            mortal.admin_execute(sql)
        assert wait_until(lambda: mac.token_update().status == 503,
                          seconds=10)
    finally:
        for sql in WRITABLE[mortal.kind]:
            mortal.admin_execute(sql)
    assert wait_until(lambda: mac.token_update().status == 200, seconds=10)


def test_httpd_started_before_its_database(mortal, fresh_db, httpd,
                                           device, trouble):
    """Works as soon as the database is there."""
    if not mortal.process:
        mortal.start()
    database = fresh_db(mortal)
    mortal.kill()
    server = httpd(database)
    mac = device(server)
    answer = mac.authenticate()
    assert (answer.status, answer.body) == (503,
                                            b"Service Unavailable\n")
    mortal.start()
    assert wait_until(lambda: mac.authenticate().status == 200)
    serves(server, device)
    # Each attempt to connect is a line of mod_dbd's: no tight loop.
    attempts = server.error_log().count("AH00633")
    assert attempts < 2000


# -- The schema changes -----------------------------------------------

@pytest.mark.parametrize("table", ["enrollments", "enrollment_queue"])
def test_schema_change_under_load_fails_no_request(
        fresh_db, httpd, device, table):
    """Prepared statements are prepared again by the next request."""
    server = httpd(fresh_db())
    with Load(server.database, devices_of(server, device)) as load:
        load.wait_for(60)
        server.database.execute(
            f"ALTER TABLE {table} ADD COLUMN of_another INTEGER")
        load.wait_for(60)
    check_nothing_failed(load, server)


# -- The answer to a COMMIT is lost -----------------------------------

class Deafening:
    """A proxy between httpd and its database: the first COMMIT after arm()
    arrives, and the connection ends in place of its answer."""

    def __init__(self, port):
        self.upstream = port
        self.is_armed = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,),
                                 daemon=True).start()

    def serve(self, client):
        server = socket.create_connection(("127.0.0.1", self.upstream))
        with client, server, contextlib.suppress(OSError):
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    (server if ready is client else client).sendall(data)
                    if ready is client and b"COMMIT" in data \
                            and self.is_armed.is_set():
                        self.is_armed.clear()
                        server.recv(65536)      # it is committed
                        return

    def close(self):
        self.listener.close()


def test_an_enqueue_whose_commit_was_not_confirmed(
        mortal, fresh_db, httpd, device, trouble):
    if not mortal.process:
        mortal.start()
    database = fresh_db(mortal)
    with contextlib.closing(Deafening(mortal.port)) as between:
        database.params = database.params.replace(f"port={mortal.port}",
                                                  f"port={between.port}")
        server = httpd(database)
        mac, other = device(server).enroll(), device(server).enroll()
        uuid, plist = command()
        between.is_armed.set()
        with contextlib.closing(Operator(server)) as operator:
            answer = operator.enqueue([mac.id, other.id], plist)
            assert not between.is_armed.is_set()
            assert answer.status == 200, answer
            # That it is there already is the answer to each repetition.
            assert operator.enqueue(mac.id, plist).status == 500
        assert mac.idle().body == other.idle().body == plist


# -- The server stops and restarts ------------------------------------

def test_graceful_restarts_under_load(server, httpd, device, db):
    """Five of them cost nothing but closed keep-alive connections; a
    crashed child would stand in the error log."""
    restarted = httpd(children=2)
    with Load(db, devices_of(restarted, device)) as load:
        for _ in range(5):
            load.wait_for(30)
            restarted.graceful()
        load.wait_for(60)
    assert load.failed() == []
    assert load.lost() == []


def test_stop_under_load_loses_no_answered_report(httpd, device, db,
                                                  expect_log):
    """What was answered 200 is stored."""
    # mpm_event closes its workers' sockets while they work: whatever the
    # modules, they remark on it and now and then crash of it.
    expect_log("AH0005[12].*Segmentation fault", optional=True)
    expect_log("mpm_event:error.*AH03093", optional=True)
    stopped = httpd()
    with Load(db, devices_of(stopped, device)) as load:
        load.wait_for(60)
        stopped.stop()
    assert load.lost() == []
    assert {attempt.status for attempt in load.attempts
            if isinstance(attempt.status, int)} == {200}


@pytest.mark.parametrize("way", ["stop", "graceful"])
def test_stop_writes_last_seen(httpd, device, db, way):
    """The times a child has buffered are not lost with it."""
    stopped = httpd()
    mac = device(stopped).enroll()
    before = forget(db, mac)
    assert mac.idle().status == 200
    mac.close()
    stopped.wait_for_ends()
    getattr(stopped, way)()
    assert wait_until(lambda: last_seen(db, mac) > before,
                      seconds=0 if way == "stop" else 30)


@pytest.fixture
def unlucky(httpd, monkeypatch, tmp_path):
    """httpd(), whose children meet with what the environment says."""
    library = tmp_path / "fault_injection.so"
    run("gcc", "-shared", "-fPIC", "-o", library,
        ROOT / "tests/support/fault_injection.c", "-ldl")

    def launch(name, value, **options):
        monkeypatch.setenv(name, str(value))
        return httpd(preload=library, **options)
    return launch


@pytest.mark.one_database
@pytest.mark.parametrize("mpm", ["event", "worker"])
def test_a_child_that_is_stopped_before_it_has_begun(unlucky, tmp_path, mpm):
    """An httpd that is told to stop amid a graceful restart forks the
    children that it still lacks and stops them at once."""
    file = tmp_path / "stop-one"
    server = unlucky("EARLY_STOP", file, mpm=mpm)
    file.touch()
    server.graceful()
    assert not file.exists()
    assert "exit signal" not in server.error_log()


@pytest.mark.one_database
@pytest.mark.parametrize("number", range(1, 8))
def test_a_child_that_lacks_a_thread_stops_like_others(unlucky, expect_log,
                                                       number):
    """Two for pushes, two for other outbound HTTP, one that writes, one
    that sweeps, one for webhook events."""
    expect_log("nanomdm:crit", "cannot")
    server = unlucky("FAILING_THREAD", number, extra_vhost=(
        "NanoMDMWebhookURL http://127.0.0.1:9/\n"
        "NanoMDMWebhookDelivery durable"))
    server.stop()
    assert "exit signal" not in server.error_log()


def test_statements_of_other_modules_stay(httpd, device, fresh_db, trouble):
    """Ours are made anew after a failure; mod_authn_dbd, on the same
    connections, makes its own once."""
    db = fresh_db()
    if db.kind != "pgsql":
        pytest.skip("elsewhere a statement has its own handle")
    db.execute("CREATE TABLE people (name VARCHAR(9), password VARCHAR(99))")
    digest = base64.b64encode(hashlib.sha1(b"secret").digest()).decode()
    db.execute("INSERT INTO people VALUES ('ann', %s)", "{SHA}" + digest)
    server = httpd(db, threads=3, modules=("authn_dbd",), extra_vhost=r"""
<Location "/people">
    SetHandler nanomdm-version
    AuthType Basic
    AuthName people
    AuthBasicProvider dbd
    AuthDBDUserPWQuery "SELECT password FROM people, pg_sleep(0.5) \
                        WHERE name = %s"
    Require valid-user
</Location>
""")
    def ask(_):
        ann = Operator(server, user="ann", key="secret")
        with contextlib.closing(ann):
            return ann.call("GET", "/people").status

    def ask_on_several_connections():
        with concurrent.futures.ThreadPoolExecutor(3) as threads:
            return set(threads.map(ask, range(3)))

    mac = device(server).enroll()
    assert ask_on_several_connections() == {200}
    db.execute("ALTER TABLE enrollment_queue RENAME TO elsewhere")
    assert mac.idle().status in (500, 503)
    db.execute("ALTER TABLE elsewhere RENAME TO enrollment_queue")
    assert mac.idle().status == 200
    time.sleep(SURELY)          # connections of ours go back to mod_dbd
    assert ask_on_several_connections() == {200}


@pytest.fixture
def clock_ahead():
    """What is to be removed, so that the clock is right."""
    folder = temp_folder("clock")
    (folder / "ahead").touch()
    yield folder / "ahead"
    remove_folder(folder)


def test_a_clock_that_is_set_back(unlucky, clock_ahead, private_db_server,
                                  fresh_db, device, trouble):
    """By an hour, while the database is away: once it is back, devices are
    served and last_seen_at is written, and not an hour later."""
    mortal = private_db_server()
    db = fresh_db(mortal)
    server = unlucky("CLOCK_AHEAD", clock_ahead, database=db)
    mac = device(server).enroll()
    mortal.kill()
    assert mac.idle().status == (200 if db.kind == "sqlite3" else 503)
    clock_ahead.unlink()
    mortal.restart()
    assert wait_until(lambda: mac.idle().status == 200)
    before = forget(db, mac)
    assert mac.idle().status == 200
    assert wait_until(lambda: last_seen(db, mac) > before)
    server.stop()


def test_worker_mpm(httpd, device, db):
    """The main path under the other threaded MPM."""
    mac, uuid = serves(httpd(mpm="worker"), device)
    assert result(db, mac, uuid).status == "Acknowledged"


# -- Memory -----------------------------------------------------------

def poll(server, device, number):
    """That many polls over four keep-alive connections."""
    body = server.write("idle.plist", (
        "<?xml version='1.0'?><plist version='1.0'><dict><key>UDID</key>"
        f"<string>{device.udid}</string><key>Status</key>"
        "<string>Idle</string></dict></plist>"))
    said = subprocess.run(
        ["ab", "-q", "-k", "-c", "4", "-n", str(number), "-u", body,
         "-T", REPORT, "-H", f"X-Client-Cert: {rfc9440(device.identity)}",
         f"http://127.0.0.1:{server.port}/mdm"],
        check=True, stdout=subprocess.PIPE).stdout.decode()
    assert re.search(rf"Complete requests: +{number}\n", said), said
    assert re.search(r"Failed requests: +0\n", said), said
    assert "Non-2xx" not in said, said


@pytest.mark.slow
def test_polls_leak_no_memory(httpd, device, db):
    """40,000 polls after a warm-up of 10,000: within 2 MB. On the other
    databases 10,000: it is their drivers that are looked at, which leak whole
    results."""
    polls = 40_000 if db.kind == "sqlite3" else 10_000
    server = httpd(extra_vhost="NanoMDMIdentity header:X-Client-Cert\n"
                   "NanoMDMTrustedProxy 127.0.0.1/32")
    mac = device(server, transport="header").enroll()
    poll(server, mac, polls // 4)
    (child, before), = server.rss().items()
    poll(server, mac, polls)
    after = server.rss()
    assert list(after) == [child]
    assert after[child] - before < 2048
