#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Breaks what a server depends on while devices work, and looks whether
anything was lost.

faults.py                  every fault
faults.py --short          some of them, in less than a minute
faults.py NAME...          those whose names begin so; --list shows them

A line for each fault: what was done, requests before, during and after it
and in brackets how many of them failed, what was lost or came twice, and how
long it took from the end of the fault to full throughput.
"""

import argparse
import contextlib
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "http/harness"))

import ca as certs                      # noqa: E402
from apns import Apns                   # noqa: E402
from clusters import Galera, Primary, SqliteOnSmallDisk  # noqa: E402
from databases import PROGRAMS          # noqa: E402
from device import Operator             # noqa: E402
from fleet import Fleet                 # noqa: E402
from receiver import Receiver           # noqa: E402
from server import Httpd                # noqa: E402
from system import ROOT, NotHere, wait_until  # noqa: E402
import batches                          # noqa: E402
import declarative_kills                # noqa: E402
import enrollments                      # noqa: E402
import witness                          # noqa: E402

NAMES = {"sqlite3": "SQLite", "pgsql": "PostgreSQL", "mysql": "MariaDB"}
DEVICES = 8
RECOVERY = 30                   # seconds until all must be as it was

LINES = """\
NanoMDMWebhookURL {hook}/hook
NanoMDMWebhookDelivery durable
NanoMDMUpstreamTimeout 2
NanoMDMPushURL {push}
NanoMDMPushCACertificateFile {{folder}}/apns-ca.pem
NanoMDMPushTimeout 1
"""


class World:
    """What a fault can break: servers, a database, APNs, a receiver."""

    def __init__(self, stack, ca, databases, *, servers=1, pushes=False,
                 children=2):
        self.databases = databases
        self.killed = set()
        self.apns = stack.enter_context(Apns())
        receiver = stack.enter_context(Receiver())
        self.inbox = witness.Inbox(receiver)
        stack.callback(self.inbox.open.set)
        self.nodes = []
        for i in range(servers):
            node = Httpd(databases[i % len(databases)], ca,
                         children=children, threads=8,
                         extra_vhost=LINES.format(hook=receiver.url,
                                                  push=self.apns.url),
                         files={"apns-ca.pem": self.apns.authority.pem})
            stack.callback(node.remove)
            self.nodes.append(node.start())
        self.fleet = Fleet(self.nodes, ca, DEVICES, pushes)
        operator = Operator(self.nodes[0])
        answer = operator.pushcert_put(certs.push_certificate(
            self.fleet.members[0].device.topic))
        assert answer.status == 200, answer
        operator.close()
        self.fleet.enroll()

    @property
    def db(self):
        """One that still answers."""
        return next(db for db in self.databases
                    if db.kind == "sqlite3" or db.server.process
                    or getattr(db.server, "standby", None))

    def kill_child(self):
        victim = self.nodes[0].children()[0]
        self.killed.add(victim)
        os.kill(victim, signal.SIGKILL)


# ---- The faults: each returns when the world is whole again ----

def child(world, seconds):
    """SIGKILL of a child of httpd, three times"""
    for _ in range(3):
        time.sleep(seconds / 3)
        world.kill_child()


def database(world, seconds):
    """SIGKILL of the database, and its start"""
    server = world.databases[0].server
    server.kill()
    time.sleep(seconds)
    server.start()


def disk(world, seconds):
    """the disk of the database is full"""
    server = world.databases[0].server
    server.fill()
    time.sleep(seconds)
    server.free()


def apns(world, seconds):
    """APNs is away"""
    world.apns.stop()
    time.sleep(seconds)
    world.apns.start()
    back = time.monotonic()
    if not wait_until(lambda: any(pushed for when, pushed
                                  in list(world.fleet.orders)
                                  if when > back), RECOVERY):
        raise AssertionError("no push gets through any more")


def webhook(world, seconds):
    """the webhook's receiver hangs"""
    world.inbox.open.clear()
    time.sleep(seconds)
    world.inbox.open.set()


def graceful(world, seconds):
    """graceful restarts, one after the other"""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        world.nodes[0].graceful()
        time.sleep(1)


def node(world, seconds):
    """SIGKILL of one of three httpd"""
    world.killed.update(world.nodes[0].children())
    world.nodes[0].kill()
    time.sleep(seconds)
    world.nodes[0].start()


def galera(world, seconds):
    """SIGKILL of one of three Galera nodes, each below an httpd"""
    time.sleep(seconds)
    world.databases[0].server.kill()


def failover(world, seconds):
    """SIGKILL of the primary, its standby is promoted"""
    primary = world.databases[0].server
    primary.kill()
    time.sleep(seconds)
    primary.standby.promote()


# ---- Where they happen ----

def plain(kind):
    def make(stack):
        server = PROGRAMS[kind]()
        stack.callback(server.remove)
        server.start()
        return [server.fresh(ROOT / f"schema/{kind}.sql"
                             if kind != "sqlite3" else None)]
    return make


def small_disk(stack):
    server = SqliteOnSmallDisk()
    stack.callback(server.remove)
    server.start()
    return [server.fresh()]


def galera_cluster(stack):
    cluster = Galera()
    stack.callback(cluster.remove)
    cluster.start()
    return cluster.fresh(ROOT / "schema/mysql.sql")


def replicated(stack):
    server = Primary()
    stack.callback(server.remove)
    server.start()
    server.add_standby()
    return [server.fresh(ROOT / "schema/pgsql.sql")]


EVERY = "sqlite3", "pgsql", "mysql"
SHORT = ("child SQLite", "disk SQLite", "webhook SQLite", "graceful SQLite",
         "database PostgreSQL", "enrollment SQLite")


def runs():
    """(name, fault, make databases, options of World) of all."""
    for fault, kinds, options in (
            (child, EVERY, {}),
            (database, EVERY[1:], {}),
            (apns, EVERY[:2], {"pushes": True}),
            (webhook, EVERY, {}),
            (graceful, EVERY, {}),
            (node, EVERY[1:], {"servers": 3, "children": 1})):
        for kind in kinds:
            yield (f"{fault.__name__} {NAMES[kind]}", fault, plain(kind),
                   options)
    for kind in EVERY:
        yield (f"batches {NAMES[kind]}", batches.kills, plain(kind),
               {"run": batches.run})
    for kind in EVERY:
        yield (f"enrollment {NAMES[kind]}", enrollments.kills, plain(kind),
               {"run": enrollments.run})
    for kind in EVERY:
        yield (f"declarations {NAMES[kind]}", declarative_kills.kills,
               plain(kind), {"run": declarative_kills.run})
    yield "disk SQLite", disk, small_disk, {}
    yield ("galera MariaDB", galera, galera_cluster,
           {"servers": 3, "children": 1})
    yield "failover PostgreSQL", failover, replicated, {}


# ---- One fault ----

def counted(attempts):
    failed = sum(attempt.status != 200 for attempt in attempts)
    return f"{len(attempts)} ({failed})"


def run_one(fault, make, options, seconds):
    """(what to print, the Verdict)"""
    verdict = witness.Verdict()
    with contextlib.ExitStack() as stack:
        ca = certs.root("Fault Device CA")
        world = World(stack, ca, make(stack), **options)
        fleet = world.fleet
        fleet.start()
        time.sleep(0.5)         # connections, caches
        start = time.monotonic()
        time.sleep(seconds)
        begin = time.monotonic()
        try:
            fault(world, seconds)
        except AssertionError as problem:
            verdict.add(str(problem))
        whole = time.monotonic()
        usual = fleet.rate(start, begin)
        wait_until(lambda: fleet.recovery(whole, usual, time.monotonic())
                   is not None, RECOVERY, pause=0.1)
        recovery = fleet.recovery(whole, usual, time.monotonic())
        time.sleep(seconds / 2)
        end = time.monotonic()
        if recovery is None:
            verdict.add(f"after {RECOVERY} s not back at {usual:.0f} a"
                        " second")
        if not fleet.drain():
            verdict.add("devices hang or do not come to an end")
        witness.commands_are_delivered(verdict, fleet)
        witness.reports_are_stored(verdict, fleet, world.db)
        witness.events_arrive_in_order(verdict, fleet, world.inbox)
        complete = time.monotonic() - whole
        witness.nobody_was_turned_away(verdict, fleet)
        witness.servers_stop_whole(verdict, world.nodes, world.killed)
        answered = sum(len(member.answered) for member in fleet.members)
        log = "\n".join(each.error_log()[-3000:] for each in world.nodes)
        return (f"{counted(fleet.attempts(start, begin))} before, "
                f"{counted(fleet.attempts(begin, whole))} during, "
                f"{counted(fleet.attempts(whole, end))} after; "
                f"{answered} reports, {world.inbox.times} events twice; "
                f"lost {verdict.lost}, repeated {verdict.repeated}; "
                + ("not recovered" if recovery is None
                   else f"recovered in {recovery:.1f} s")
                + f", all events in {complete:.0f} s"), verdict, log


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--short", action="store_true")
    arguments.add_argument("--list", action="store_true")
    arguments.add_argument("-v", "--verbose", action="store_true",
                           help="show the error logs of what failed")
    arguments.add_argument("name", nargs="*")
    chosen = arguments.parse_args()
    bad = done = skipped = 0
    for name, fault, make, options in runs():
        if chosen.short and name not in SHORT or chosen.name and not any(
                name.startswith(each) for each in chosen.name):
            continue
        if chosen.list:
            print(name)
            continue
        try:
            options = dict(options)
            run = options.pop("run", run_one)
            text, verdict, log = run(fault, make, options,
                                     1.5 if chosen.short else 3)
        except NotHere as problem:
            print(f"{name}: {fault.__doc__}: not done: {problem}".strip(),
                  flush=True)
            skipped += 1
            continue
        print(f"{name}: {fault.__doc__}: {text}", flush=True)
        for problem in verdict.problems:
            print("    " + problem, flush=True)
        if verdict.problems and chosen.verbose:
            print(log, flush=True)
        bad += bool(verdict.problems)
        done += 1
    if not chosen.list:
        print(f"{done - bad} passed, {bad} failed"
              + (f", {skipped} skipped" if skipped else ""))
    return 1 if bad or not (done or chosen.list) else 0


if __name__ == "__main__":
    sys.exit(main())
