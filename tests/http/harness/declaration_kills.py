# SPDX-License-Identifier: Apache-2.0
"""Two servers on one database are killed at random while declarations are
changed and devices fetch them; what each device then holds is compared with
the tables."""

import hashlib
import http.client
import os
import random
import signal
import threading
import time

from declarations import (DeclarativeDevice, Declarations, activation,
                          test_declaration)
from system import wait_until

BROKEN = (OSError, http.client.HTTPException)
CONF = """\
NanoMDMDeclarativeManagement builtin
NanoMDMDeclarativeManagementNotify all window=1
"""


class NoAnswer(Exception):
    """A request that is to be made again."""


class StubbornDevice(DeclarativeDevice):
    """Goes on where it was when a server went away, as devices do: a command
    that was received is answered and obeyed, whatever happens meanwhile."""

    unanswered = None
    received = ()               # Data of commands that are to be obeyed

    def send(self, *args, **more):
        try:
            answer = super().send(*args, **more)
        except BROKEN as problem:
            raise NoAnswer from problem
        if answer.status == 503:
            raise NoAnswer
        return answer

    def step(self, servers):
        """Whether there was nothing to do."""
        self.server = random.choice(servers)
        if self.port != self.server.tls_port:
            self.close()
            self.port = self.server.tls_port
        if not self.unanswered and not self.received:
            self.take(self.idle())
        is_idle = not self.unanswered
        while self.unanswered:
            answer = self.acknowledge(self.unanswered)
            self.unanswered = None
            self.take(answer)
        while self.received:
            self.obey(self.received[0])
            self.received = self.received[1:]
        return is_idle

    def sync(self):
        """What was interrupted is not taken for done."""
        try:
            super().sync()
        except NoAnswer:
            self.taken = None
            raise

    def take(self, answer):
        assert answer.status == 200, answer
        if answer.body:
            self.unanswered = answer.plist["CommandUUID"]
            self.received += (answer.plist["Command"].get("Data"),)


def start(server, tries=5):
    """On a host with much to do it may take longer than the harness
    waits."""
    for i in range(tries):
        try:
            return server.start()
        except RuntimeError:
            if i == tries - 1:
                raise


class Run:
    def __init__(self, servers, devices, number):
        self.servers = servers
        self.devices = devices
        self.number = number
        self.sets = [f"set.{i}" for i in range(6)]
        self.names = [f"conf.{i}" for i in range(12)]
        self.ended = threading.Event()
        self.problems = []
        self.kills = 0

    def thread(self, work, *args):
        def safely():
            try:
                work(*args)
            except Exception as problem:
                self.problems.append(repr(problem))
                raise
        thread = threading.Thread(target=safely)
        thread.start()
        return thread

    def ask(self, *args, **query):
        """Until a server answers it."""
        last = None
        for _ in range(600):
            api = Declarations(random.choice(self.servers))
            try:
                answer = api.ask(*args, **query)
                if answer.status != 503:
                    assert answer.status in (204, 304, 404), (args, answer)
                    return
                last = answer.body
            except BROKEN as problem:
                last = problem
            finally:
                api.close()
            time.sleep(0.1)
        raise AssertionError(f"{args} is never answered: {last!r}")

    def change(self, dice):
        name = dice.choice(self.names)
        group = dice.choice(self.sets)
        kind = dice.randrange(5)
        if kind == 0:
            self.ask("POST", f"declarations/{name}/touch")
        elif kind == 1:
            self.ask("PUT", "declarations",
                     test_declaration(name, str(dice.random())))
        elif kind == 2:
            self.ask(dice.choice(("PUT", "DELETE")),
                     f"set-declarations/{group}", declaration=name)
        elif kind == 3:
            device = dice.choice(self.devices)
            self.ask(dice.choice(("PUT", "DELETE")),
                     f"enrollment-sets/{device.id}", set=group)
        else:
            self.ask("PUT", "declarations", activation(
                "act." + name, *dice.sample(self.names, 3)))
            self.ask("PUT", f"set-declarations/{group}",
                     declaration="act." + name)

    def operate(self, seed, number):
        dice = random.Random(seed)
        for _ in range(number):
            self.change(dice)

    def serve(self, devices):
        """A few devices, over and over."""
        while not self.ended.is_set():
            for device in devices:
                try:
                    device.step(self.servers)
                except NoAnswer:
                    time.sleep(0.05)

    def kill_one(self, dice):
        """In the main thread: a server ends with the thread that started
        it."""
        server = dice.choice(self.servers)
        if dice.randrange(3) == 0:
            server.kill()
            start(server)
        else:
            for pid in server.children()[:1]:
                os.kill(pid, signal.SIGKILL)
        self.kills += 1

    def prepare(self):
        for name in self.names:
            self.ask("PUT", "declarations", test_declaration(name))
        for i, name in enumerate(self.names):
            self.ask("PUT", f"set-declarations/{self.sets[i % 6]}",
                     declaration=name)
        for i, device in enumerate(self.devices):
            for k in (0, 1):
                self.ask("PUT", f"enrollment-sets/{device.id}",
                         set=self.sets[(i + k) % 6])

    def run(self):
        self.prepare()
        dice = random.Random(1)
        groups = [self.thread(self.serve, self.devices[i::4])
                  for i in range(4)]
        operators = [self.thread(self.operate, seed, self.number // 2)
                     for seed in (7, 8)]
        while any(thread.is_alive() for thread in operators):
            time.sleep(dice.uniform(0.3, 1.5))
            self.kill_one(dice)
        self.ended.set()
        for thread in [*operators, *groups]:
            thread.join()
        assert not self.problems, self.problems


def settle(db, run):
    """Until nothing is left to be told, and each device has what it was
    told."""
    def is_done():
        # In this order: the worker may still give commands to devices that
        # were idle a moment ago.
        waits = int(db.query("SELECT COUNT(*) FROM nanomdm_dd_changes")[0][0])
        try:
            is_idle = all([device.step(run.servers)
                           for device in run.devices])
        except NoAnswer:
            return False
        return is_idle and not waits
    assert wait_until(is_done, seconds=120 + len(run.devices))


def digest(*fields):
    """SHA-256 of fields that are each preceded by their lengths."""
    text = b"".join(b"%d:%s" % (len(field.encode()), field.encode())
                    for field in fields)
    return hashlib.sha256(text).hexdigest()


def rows(db, table, columns):
    return [tuple(map(str, row)) for row in db.query(
        f"SELECT {columns} FROM nanomdm_dd_{table}")]


def compare(db, devices):
    """How many declarations the devices have, which are exactly theirs."""
    tokens = dict(rows(db, "declarations", "identifier, server_token"))
    members, assigned = {}, {}
    for group, name in rows(db, "set_declarations", "set_name, identifier"):
        members.setdefault(group, set()).add(name)
    for device, group in rows(db, "enrollment_sets", "id, set_name"):
        assigned.setdefault(device, set()).add(group)
    for group, token in rows(db, "sets", "set_name, token"):
        pairs = [text for name in sorted(members.get(group, ()))
                 for text in (name, tokens[name])]
        assert token == (digest(*pairs) if pairs else ""), group
    for device in devices:
        names = set().union(*(members.get(group, set())
                              for group in assigned.get(device.id, ())))
        held = {name: one["ServerToken"]
                for name, one in device.declarations.items()}
        assert held == {name: tokens[name] for name in names}, device.id
    return sum(len(device.declarations) for device in devices)
