# SPDX-License-Identifier: Apache-2.0
"""A database that is connected and says nothing: its process is stopped, and
the kernel goes on to acknowledge what it is sent."""

import contextlib
import os
import selectors
import signal
import socket
import threading
import time

import pytest

from load import Load
from system import children, wait_until
from test_faults import (check_nothing_failed, devices_of,  # noqa: F401
                         slowest, trouble)

WORKERS = 4
SILENCE = 3
PATIENCE = 1                    # of the relay


class Relay:
    """A TCP proxy in front of a database, which ends a connection
    whose server owes an answer for too long."""

    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):      # closed by the test
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,),
                                 daemon=True).start()

    def close(self):
        # close() alone leaves accept() waiting on a number that the next
        # socket of this process is given.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self, client):
        with contextlib.suppress(OSError), client, socket.create_connection(
                self.target) as server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            due = time.monotonic() + PATIENCE
            while True:
                events = ready.select(due and max(0, due - time.monotonic()))
                if not events:
                    return
                for key, _ in events:
                    data = key.fileobj.recv(65536)
                    if not data:
                        return
                    key.data.sendall(data)
                    due = (time.monotonic() + PATIENCE
                           if key.fileobj is client else None)


@pytest.fixture(scope="module")
def mortal(harness, db_server):
    """A database server that these tests may stop."""
    if db_server.kind == "sqlite3":
        pytest.skip("needs a database that is a program")
    with contextlib.ExitStack() as stack:
        yield harness.new_db_server(stack, db_server.program)


@pytest.fixture
def relay(mortal):
    made = Relay(mortal.port)
    yield made
    made.close()


@contextlib.contextmanager
def silent(server):
    """Everything that the database runs is stopped: first what starts the
    others, or one that is just being started goes on."""
    def send(number):
        os.kill(server.process.pid, number)
        for pid in children(server.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
    send(signal.SIGSTOP)
    try:
        yield
    finally:
        send(signal.SIGCONT)


def test_requests_wait_and_nothing_is_lost(mortal, fresh_db, httpd, device):
    server = httpd(fresh_db(mortal), connected=True)
    with Load(server.database, devices_of(server, device, WORKERS)) as load:
        with silent(mortal):
            time.sleep(SILENCE)
        load.wait_for(40)
    assert slowest(load.attempts) > SILENCE / 2
    check_nothing_failed(load, server)


@pytest.mark.slow
def test_httpd_stops_all_the_same(mortal, fresh_db, httpd, device,
                                  expect_log):
    """After the ten seconds that httpd gives any child."""
    server = httpd(fresh_db(mortal), connected=True)
    expect_log("core:warn.*AH00045", server=server)
    expect_log("core:error.*AH00046", server=server)
    with Load(server.database, devices_of(server, device, WORKERS)) as load:
        with silent(mortal):
            wait_until(lambda: False, seconds=0.5)
            server.process.send_signal(signal.SIGTERM)
            assert wait_until(lambda: server.process.poll() is not None,
                              seconds=30)
        load.ended.set()
    assert load.lost() == []


def test_a_relay_that_loses_patience_bounds_it(
        mortal, relay, fresh_db, httpd, device, trouble):
    """As docs/operations.md says: 503, and 200 once there are answers."""
    db = fresh_db(mortal)
    db.params = db.params.replace(f"port={mortal.port}",
                                  f"port={relay.port}")
    server = httpd(db)
    with Load(db, devices_of(server, device, WORKERS)) as load:
        with silent(mortal):
            load.wait_for(8 * WORKERS)
        assert wait_until(lambda: load.attempts[-1].status == 200)
        load.wait_for(20)
    refused = load.failed()
    assert refused and {attempt.status for attempt in refused} == {503}
    assert all(attempt.headers["Retry-After"] for attempt in refused)
    assert load.lost() == []
