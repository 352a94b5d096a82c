# SPDX-License-Identifier: Apache-2.0
"""Operators and devices at once, on several children: every request is
answered with 200, and every command is carried out once."""

import collections
import contextlib
import os
import random
import threading
import time

import pytest

from databases import MariaDB, MySQL
from device import Operator, command
from load import BROKEN
from tables import count

SECONDS = float(os.environ.get("NANOMDM_LOAD_SECONDS", 8))
DEVICES = 12
OPERATORS = 3
CHILDREN = 3


class StrictMariaDB(MariaDB):
    """As MariaDB is by default since 11.6.2."""

    def options(self):
        return [*super().options(), "--loose-innodb-snapshot-isolation=ON"]


@pytest.fixture
def program(db_server):
    """A server of that kind with its own defaults."""
    kind = {MariaDB: StrictMariaDB}.get(type(db_server), type(db_server))
    if kind not in (StrictMariaDB, MySQL):
        yield db_server
        return
    with contextlib.ExitStack() as stack:
        server = kind()
        stack.callback(server.remove)
        server.start()
        yield server


class Mix:
    """Threads that ask, and what went wrong in them."""

    def __init__(self, devices, operators):
        self.ordered = {mac: [] for mac in devices}     # UUIDs, by device
        self.done = {mac: [] for mac in devices}
        self.failed = []
        self.answered = collections.Counter()
        self.enough = threading.Event()
        self.no_more_orders = threading.Event()
        self.operators = [threading.Thread(target=self.order, args=(each,),
                                           daemon=True)
                          for each in operators]
        self.devices = [threading.Thread(target=self.obey, args=(mac,),
                                         daemon=True) for mac in devices]

    def run(self, seconds):
        for thread in self.operators + self.devices:
            thread.start()
        time.sleep(seconds)
        self.enough.set()
        self.join(self.operators)
        self.no_more_orders.set()
        self.join(self.devices)

    @staticmethod
    def join(threads):
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "a request hangs"

    def sent(self, client, what, send):
        """Once more, on a new connection, when httpd has closed the kept one:
        mpm_event does while all its workers are busy."""
        kept = client.connection is not None
        try:
            answer = send()
        except BROKEN as problem:
            if not kept:
                self.failed.append((what, problem))
                raise
            answer = send()
        self.answered[what] += 1
        if answer.status != 200:
            self.failed.append((what, answer))
        return answer

    def order(self, operator):
        chance = random.Random()
        while not self.enough.is_set():
            some = chance.sample(list(self.ordered), chance.randint(1, 6))
            uuid, plist = command()
            answer = self.sent(operator, "enqueue", lambda: operator.enqueue(
                [mac.id for mac in some], plist))
            if answer.status == 200:
                for mac in some:
                    self.ordered[mac].append(uuid)

    def obey(self, mac):
        """Carries out what it is given; one in five commands not now."""
        turn = 0
        while True:
            turn += 1
            last = self.no_more_orders.is_set()
            if turn % 4 == 0:
                self.sent(mac, "TokenUpdate", mac.token_update)
            answer = self.sent(mac, "Idle", mac.idle)
            if last and answer.status == 200 and not answer.body:
                return
            while answer.status == 200 and answer.body:
                answer = self.carry_out(mac, answer, turn)
                turn += 1

    def carry_out(self, mac, answer, turn):
        uuid = answer.plist["CommandUUID"]
        if turn % 5 == 0:
            return self.sent(mac, "NotNow", lambda: mac.not_now(uuid))
        answer = self.sent(mac, "Acknowledged", lambda: mac.acknowledge(uuid))
        if answer.status == 200:
            self.done[mac].append(uuid)
        return answer


def test_operators_and_devices_at_once(program, fresh_db, httpd, device):
    """MariaDB's snapshot isolation made 500s of one enqueue in twenty."""
    database = fresh_db(program)
    server = httpd(database, children=CHILDREN)
    assert len(server.children()) == CHILDREN
    with contextlib.ExitStack() as stack:
        operators = [Operator(server) for _ in range(OPERATORS)]
        for operator in operators:
            stack.callback(operator.close)
        macs = [device(server).enroll() for _ in range(DEVICES)]
        mix = Mix(macs, operators)
        mix.run(SECONDS)
    print(dict(mix.answered), "answered;", len(mix.failed), "not with 200")
    assert mix.failed == []
    for mac in macs:
        assert sorted(mix.done[mac]) == sorted(mix.ordered[mac])
        assert count(database, "command_results", "id = %s AND status ="
                     " 'Acknowledged'", mac.id) == len(mix.ordered[mac])
    assert mix.answered["enqueue"] > 0
