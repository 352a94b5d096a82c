# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL by way of pgbouncer: what the guide says of its two modes."""

import contextlib
import shutil
import socket
import time

import pytest

from databases import PASSWORD, USER
from device import Operator, command
from load import Load
from system import (free_port, kill_tree, remove_folder, run, spawn,
                    temp_folder, wait_until)

PROGRAM = "/usr/sbin/pgbouncer"
CONNECTIONS = 25                # two children of ten and those of the test
CONFIGURATION = """\
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = md5
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 100
"""
# From 1.21 on it follows the prepared statements of the protocol, which are not
# those that apr_dbd makes: nothing would be served in transaction mode.
FOLLOWS_STATEMENTS = (1, 21)
FOLLOW_NONE = "max_prepared_statements = 0\n"


def version():
    """Of the program that is installed, as (major, minor)."""
    words = run(PROGRAM, "--version").decode().split()
    return tuple(map(int, words[1].split(".")[:2]))


class Pgbouncer:
    """Between httpd and a PostgreSQL server."""

    def __init__(self, server, mode):
        self.folder = temp_folder("pgbouncer")
        self.port = free_port()
        self.process = None
        (self.folder / "users").write_text(f'"{USER}" "{PASSWORD}"\n')
        settings = CONFIGURATION.format(
            server=server.port, port=self.port, folder=self.folder,
            mode=mode, size=CONNECTIONS)
        if mode == "transaction" and version() >= FOLLOWS_STATEMENTS:
            settings += FOLLOW_NONE
        (self.folder / "ini").write_text(settings)

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = spawn([PROGRAM, self.folder / "ini"], log,
                                 user="postgres")
        assert wait_until(self.answers, seconds=20), \
            (self.folder / "log").read_text()

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        kill_tree(self.process)

    def remove(self):
        self.kill()
        remove_folder(self.folder)


@pytest.fixture
def pooled(db_server, fresh_db, httpd):
    """pooled(mode): a pgbouncer and two children of httpd that use it."""
    if db_server.kind != "pgsql":
        pytest.skip("is of PostgreSQL")
    if not shutil.which(PROGRAM):
        pytest.skip("pgbouncer is not installed")
    with contextlib.ExitStack() as stack:
        def make(mode):
            pool = Pgbouncer(db_server, mode)
            stack.callback(pool.remove)
            pool.start()
            database = fresh_db()
            database.params = database.params.replace(
                f"port={db_server.port} ", f"port={pool.port} ")
            return pool, httpd(database, children=2)
        yield make


@pytest.fixture
def trouble(expect_log):
    for pattern in (r"dbd:(error|crit).*(AH006\d\d|AH02655)",
                    "nanomdm:(error|warn)"):
        expect_log(pattern, optional=True)


def devices_of(server, device):
    return [device(server).enroll() for _ in range(4)]


def test_session_mode_serves_everybody(pooled, device):
    _, server = pooled("session")
    operator = Operator(server)
    with Load(server.database, devices_of(server, device)) as load:
        for mac in load.devices:
            assert operator.enqueue(mac.id, command()[1]).status == 200
        load.wait_for(150)
    assert load.failed() == []
    assert load.lost() == []
    operator.close()


def test_session_mode_survives_a_restart_of_the_pool(pooled, device, trouble):
    pool, server = pooled("session")
    with Load(server.database, devices_of(server, device)) as load:
        for _ in range(2):
            load.wait_for(30)
            pool.kill()
            pool.start()
        back = time.monotonic()
        assert wait_until(lambda: time.monotonic() > back + 2)
        load.wait_for(30)
    assert {attempt.status for attempt in load.attempts} <= {200, 503}
    assert {attempt.status for attempt in load.since(back + 2)} == {200}
    assert load.lost() == []


def test_transaction_mode_loses_nothing(pooled, device, trouble):
    """It is advised against; what it cannot serve is 503, and what was
    answered with 200 is stored: no statement of another session with the
    same name was run in its place."""
    _, server = pooled("transaction")
    macs = [device(server) for _ in range(4)]
    for mac in macs:
        assert wait_until(lambda: mac.authenticate().status == 200
                          and mac.token_update().status == 200, seconds=60)
    with Load(server.database, macs) as load:
        load.wait_for(150)
    assert {attempt.status for attempt in load.attempts} <= {200, 503}
    assert load.lost() == []
