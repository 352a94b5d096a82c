# SPDX-License-Identifier: Apache-2.0
"""Fixtures: databases, servers, clients, and the watch on error logs."""

import collections
import contextlib
import os
import pathlib
import sys
import zlib

import pytest

sys.path[:0] = [str(path) for path in sorted(
    pathlib.Path(__file__).parent.iterdir()) if path.is_dir()]

import ca as certs
from apns import Apns
from databases import PROGRAMS
from device import Device, Operator
import host
import server as httpd_server
from server import Announcement, Httpd
from system import ROOT, wait_until

pytest_plugins = ["declaration_fixtures"]


def pytest_report_header(config):
    """Once, at the top of a run; see tests/run.py for a failure of it."""
    return host.lines()


def pytest_addoption(parser):
    parser.addoption("--db", action="append", choices=sorted(PROGRAMS),
                     help="only on this database; may be repeated. mysql is"
                          " MariaDB, mysqld Oracle's MySQL. Without it: on"
                          " all that this machine has")
    parser.addoption("--sanitized", choices=["only", "never"],
                     help="of the tests that a sanitized module can pass on"
                          " SQLite, only these or none of them")


def pytest_configure(config):
    os.umask(0o022)             # other users run the databases and httpd
    os.environ["LC_ALL"] = "C.UTF-8"    # what programs say is read
    config.addinivalue_line(
        "markers", "one_database: the outcome does not depend on which")
    config.addinivalue_line(
        "markers", "slow: takes longer than all the others of its file")
    config.addinivalue_line(
        "markers", "unsanitized: not about the module in httpd, or not true"
                   " of one under sanitizers")


def pytest_generate_tests(metafunc):
    if "db_server" in metafunc.fixturenames:
        kinds = metafunc.config.getoption("--db") or [
            name for name, program in PROGRAMS.items() if program.is_here()]
        if metafunc.definition.get_closest_marker("one_database"):
            kinds = kinds[:1]
        metafunc.parametrize("db_server", kinds, indirect=True,
                             scope="session")


def pytest_itemcollected(item):
    """For pytest-xdist: a database program runs in two processes, each with
    half of the files, so that it is started only twice; SQLite's tests go, a
    file at a time, to whichever has time."""
    parameters = getattr(item, "callspec", None)
    kind = parameters and parameters.params.get("db_server")
    name = item.module.__name__
    item.add_marker(pytest.mark.xdist_group(
        f"{kind}_{zlib.crc32(name.encode()) % 2}"
        if kind in PROGRAMS and kind != "sqlite3" else name))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Those that are asked for; the large groups first: in the end all
    processes have work."""
    sanitized = config.getoption("--sanitized")
    if sanitized:
        left_out = [item for item in items
                    if runs_sanitized(item) != (sanitized == "only")]
        items[:] = [item for item in items
                    if runs_sanitized(item) == (sanitized == "only")]
        config.hook.pytest_deselected(items=left_out)
    sizes = collections.Counter(map(group, items))
    items.sort(key=lambda item: -sizes[group(item)])


def runs_sanitized(item):
    """Whether the run with a sanitized module on SQLite has this test, so
    that a run beside it need not."""
    parameters = getattr(item, "callspec", None)
    kind = parameters and parameters.params.get("db_server")
    return (kind in (None, "sqlite3")
            and not item.get_closest_marker("slow")
            and not item.get_closest_marker("unsanitized"))


def group(item):
    return item.get_closest_marker("xdist_group").args[0]


class Harness:
    """All that runs, and what their error logs may say.

    Servers belong to a list (of the session, a module or a test) and are
    watched while they are in it.
    """

    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.db_servers = {}
        self.standard = {}
        self.servers = []
        self.announced = []
        self.lately = []        # optional ones of the last test: what may
                                # come in it may come a moment later

    def db_server(self, kind):
        if kind not in self.db_servers:
            self.db_servers[kind] = self.new_db_server(self.stack, kind)
        return self.db_servers[kind]

    @staticmethod
    def new_db_server(stack, kind, **options):
        server = PROGRAMS[kind](**options)
        stack.callback(server.remove)
        server.start()
        return server

    def launch(self, httpd, start=True):
        self.servers.append(httpd)
        if start:
            httpd.start()
        return httpd

    def dismiss(self, servers):
        """Stop servers; what they log meanwhile counts too."""
        for httpd in servers:
            httpd.stop()
        problems = self.problems()
        for httpd in servers:
            self.servers.remove(httpd)
            httpd.remove()
        servers.clear()
        return problems

    def problems(self):
        """What the logs say against the test that just ran."""
        problems = [f"announced, but not in the error log: {missed}"
                    for missed in self.missed()]
        problems += [f"unannounced in the error log: {line}"
                     for httpd in self.servers
                     for line in httpd.alarms(self.announced
                                              + self.lately)]
        self.announced = []
        return problems

    def missed(self):
        """Announcements unfulfilled after a moment: a child may log
        after it answered."""
        missed = [announcement for announcement in self.announced
                  if not announcement.optional]

        def all_came():
            missed[:] = [announcement for announcement in missed
                         if not any(httpd.has_logged(announcement)
                                    for httpd in self.servers)]
            return not missed
        wait_until(all_came, seconds=httpd_server.PATIENCE)
        return missed


HARNESS = pytest.StashKey[Harness]()
PRIVATE = pytest.StashKey[list]()


@pytest.fixture(scope="session")
def harness(request):
    harness = Harness()
    request.config.stash[HARNESS] = harness
    with harness.stack:
        yield harness
        problems = harness.dismiss(list(harness.servers))
    assert not problems, "\n".join(problems)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Let the logs speak in the report of the test itself: a fixture
    could only add an error to it."""
    report = (yield).get_result()
    harness = item.config.stash.get(HARNESS, None)
    finished = call.when == "call" or (call.when == "setup"
                                       and not report.passed)
    if not finished or not harness:
        return
    optional = [each for each in harness.announced if each.optional]
    problems = "\n".join(harness.dismiss(item.stash.get(PRIVATE, [])))
    harness.lately = optional
    if problems and report.passed:
        report.outcome = "failed"
        report.longrepr = problems
    elif problems:
        report.sections.append(("error log", problems))


@pytest.fixture
def expect_log(harness):
    """expect_log("NMDM", r"regex"): a line matching all patterns will
    come, in any server's log."""
    def announce(*patterns, server=None, optional=False):
        harness.announced.append(Announcement(patterns, server, optional))
    return announce


@pytest.fixture
def apns():
    with Apns() as apns:
        yield apns


@pytest.fixture(scope="session")
def ca():
    """The devices' CA."""
    return certs.root("Test Device CA")


def new_database(db_server):
    """SQLite is left to the module itself; the others want a client."""
    schema = None
    if db_server.kind != "sqlite3":
        schema = ROOT / "schema" / f"{db_server.kind}.sql"
    return db_server.fresh(schema)


@pytest.fixture(scope="session")
def db_server(request, harness):
    """The database program that this round of tests is about."""
    return harness.db_server(request.param)


@pytest.fixture
def private_db_server(db_server):
    """Factory of servers of that kind that a test may kill()."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: Harness.new_db_server(
            stack, db_server.program, **options)


@pytest.fixture
def fresh_db(db_server):
    """Factory of databases with our tables; fresh_db(other_server) makes
    one there."""
    return lambda server=None: new_database(server or db_server)


@pytest.fixture(scope="session")
def standard(harness, db_server, ca):
    """One httpd for each database, for all tests that can share it."""
    program = db_server.program
    if program not in harness.standard:
        harness.standard[program] = harness.launch(
            Httpd(new_database(db_server), ca, connected=True))
    return harness.standard[program]


@pytest.fixture
def server(standard):
    """The shared httpd; put right if a test left it stopped."""
    if not standard.process or standard.process.poll() is not None:
        standard.start()
    return standard


@pytest.fixture
def db(server):
    """The shared httpd's database: db.query(), db.execute()."""
    return server.database


def launcher(harness, standard, ca, servers):
    def launch(database=None, *, start=True, make=Httpd, **options):
        options.setdefault("ca", ca)
        httpd = make(database or standard.database, **options)
        servers.append(httpd)
        return harness.launch(httpd, start)
    return launch


@pytest.fixture
def httpd(request, harness, standard, ca):
    """httpd(database=None, *, start=True, make=Httpd, **options of Httpd):
    a server with a configuration of its own, on the shared database."""
    servers = request.node.stash.setdefault(PRIVATE, [])
    yield launcher(harness, standard, ca, servers)
    harness.dismiss(servers)              # when the test never ran


@pytest.fixture(scope="module")
def module_httpd(harness, standard, ca):
    """The same for all tests of a file."""
    servers = []
    yield launcher(harness, standard, ca, servers)
    problems = harness.dismiss(servers)
    assert not problems, "\n".join(problems)


@pytest.fixture
def device(request, server, ca):
    """device(server=None, **options of Device): a device with a fresh
    UDID and identity, at the shared server by default."""
    with contextlib.ExitStack() as stack:
        def make(at=None, *, identity=None, **options):
            made = Device(at or server, identity or ca.issue(), **options)
            stack.callback(made.close)
            return made
        yield make


@pytest.fixture
def operator(server):
    """The shared server's operator."""
    operator = Operator(server)
    yield operator
    operator.close()
