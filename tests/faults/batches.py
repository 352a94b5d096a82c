# SPDX-License-Identifier: Apache-2.0
"""Kills children of httpd while polls and reports go to the database together
(NanoMDMCombine), and looks whether anything that was answered is lost or was
delivered again.

Many devices work at two servers of one database. Operators queue commands,
retention removes what is old, and another program writes to the same tables.
Again and again the database makes all wait for a moment, so that what piles up
makes a batch, and a child is killed while that waits or is being stored.
"""

import collections
import contextlib
import os
import random
import re
import signal
import sqlite3
import threading
import time

import psycopg2
import pymysql

import ca as certs
import witness
from device import command
from fleet import Fleet
from server import Httpd
from simultaneous import HOLD, TOGETHER
from system import wait_until

DEVICES = 40
THREADS = 48                    # of each httpd: more than devices
ORDERS = 3                      # commands a second, for all devices each
KILLS = {True: 6, False: 200}           # in the short form, and in the full
REFUSALS = (psycopg2.Error, pymysql.Error, sqlite3.Error)
APART = re.compile("NMDM0192")
DEADLOCK = re.compile("(?i)deadlock")
CONF = "NanoMDMRetention 30\n"
LONG_AGO = "2020-02-20 20:20:20"


class Program(threading.Thread):
    """Writes to the tables as NanoMDM would, in no order of ids, each
    transaction until it is through."""

    def __init__(self, database, fleet):
        super().__init__(daemon=True)
        self.database, self.fleet = database, fleet
        self.random = random.Random()
        self.ids = [member.id for member in fleet.members]
        self.past = self.refused = 0

    def run(self):
        tasks = [self.see, self.see, self.order, self.see, self.age]
        turn = 0
        with contextlib.closing(self.database.connect()) as connection:
            while not self.fleet.no_more.wait(0.05):
                done = self.commit(connection, tasks[turn % len(tasks)])
                turn += done

    def commit(self, connection, task):
        try:
            note = task(connection.cursor())
            connection.commit()
        except REFUSALS:
            connection.rollback()
            self.refused += 1
            return 0
        note()
        return 1

    def shuffled(self):
        return self.random.sample(self.ids, len(self.ids))

    def say(self, cursor, sql, *args):
        if self.database.kind == "sqlite3":
            sql = sql.replace("%s", "?")
        cursor.execute(sql, args)

    def see(self, cursor):
        for some in self.shuffled()[:8]:
            self.say(cursor, "UPDATE enrollments SET last_seen_at ="
                     " CURRENT_TIMESTAMP WHERE id = %s", some)
        return lambda: None

    def order(self, cursor):
        uuid, plist = command()
        self.queue(cursor, uuid, plist, self.shuffled())
        return lambda: self.fleet.queued.update({uuid: time.monotonic()})

    def queue(self, cursor, uuid, plist, ids):
        self.say(cursor, "INSERT INTO commands (command_uuid, request_type,"
                 " command) VALUES (%s, 'DeviceInformation', %s)", uuid,
                 plist.decode())
        for each in ids:
            self.say(cursor, "INSERT INTO enrollment_queue (id, command_uuid)"
                     " VALUES (%s, %s)", each, uuid)

    def age(self, cursor):
        """What was answered long ago, which retention removes."""
        uuid, plist = command()
        some = self.shuffled()[:5]
        self.queue(cursor, "past-" + uuid, plist, some)
        for each in some:
            self.say(cursor, "INSERT INTO command_results (id, command_uuid,"
                     " status, result, created_at, updated_at) VALUES"
                     " (%s, %s, 'Acknowledged', '<?xml', %s, %s)", each,
                     "past-" + uuid, LONG_AGO, LONG_AGO)
        self.say(cursor, "UPDATE nanomdm_chores SET next_at = 0"
                 " WHERE name = 'retention'")
        return lambda: self.note_past(len(some))

    def note_past(self, number):
        self.past += number

    def removed(self):
        """How many of those are gone."""
        (left,), = self.database.query(
            "SELECT COUNT(*) FROM command_results WHERE command_uuid LIKE"
            " 'past-%'")
        return self.past - left


class Killer:
    """Of a child that has a batch, as far as can be told from outside."""

    def __init__(self, nodes, database, seed):
        self.nodes, self.database = nodes, database
        self.random = random.Random(seed)
        self.killed = set()
        self.counts = collections.Counter()

    def kill(self, number):
        node = self.nodes[number % len(self.nodes)]
        if not wait_until(node.children, 20, pause=0.01):
            raise AssertionError("no child comes back")
        time.sleep(self.random.uniform(0.1, 0.4))
        if number // len(self.nodes) % 2:
            with self.held_back():
                self.strike(node, "waited for the database")
        else:
            with self.held_back():
                pass
            time.sleep(self.random.uniform(0, 0.02))
            self.strike(node, "was stored")

    @contextlib.contextmanager
    def held_back(self):
        """All who ask for certificates wait until the end of this; on SQLite,
        all who write."""
        begin, end = HOLD[self.database.kind]
        with contextlib.closing(self.database.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(begin)
            time.sleep(self.random.uniform(0.03, 0.1))
            yield
            cursor.execute(end)

    def strike(self, node, moment):
        for victim in node.children():
            self.killed.add(victim)
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        self.counts[moment] += 1


# ---- What must hold afterwards ----

class Lines:
    """What the error logs say of batches."""

    def __init__(self, nodes):
        self.sizes, self.apart, self.deadlocks = [], 0, 0
        for node in nodes:
            with open(node.folder / "error.log", errors="replace") as log:
                for line in log:
                    self.take(line)

    def take(self, line):
        together = re.search(TOGETHER, line)
        if together:
            self.sizes.append(int(together[1]))
        self.apart += bool(APART.search(line))
        self.deadlocks += bool(DEADLOCK.search(line))


def only_200(verdict, fleet):
    """A connection may end; what is answered is an answer."""
    others = collections.Counter(
        attempt.status for attempt in fleet.attempts()
        if isinstance(attempt.status, int) and attempt.status != 200)
    for status, number in others.items():
        verdict.add(f"devices saw {number} times {status}")


def kills(world, seconds):
    """SIGKILL of a child in the middle of batches"""


def serve(stack, database):
    """(two httpd of one child, the authority of their devices)"""
    authority = certs.root("Fault Device CA")
    nodes = []
    for _ in range(2):
        node = Httpd(database, authority.pem, children=1, threads=THREADS,
                     connected=True, extra_vhost=CONF)
        stack.callback(node.remove)
        nodes.append(node.start())
    return nodes, authority


def run(_fault, make, options, seconds):
    """(what to print, the Verdict, the log), as faults.py wants it."""
    verdict = witness.Verdict()
    seed = options.get("seed", random.randrange(1 << 32))
    with contextlib.ExitStack() as stack:
        database, = make(stack)
        nodes, authority = serve(stack, database)
        fleet = Fleet(nodes, authority, DEVICES, rate=ORDERS)
        fleet.enroll()
        program = Program(database, fleet)
        killer = Killer(nodes, database, seed)
        fleet.start()
        program.start()
        try:
            for number in range(KILLS[seconds < 2]):
                killer.kill(number)
        except AssertionError as problem:
            verdict.add(str(problem))
        whole = time.monotonic()
        fleet.no_more.set()
        program.join(30)
        if not fleet.drain():
            verdict.add("devices hang or do not come to an end")
        took = time.monotonic() - whole
        witness.commands_are_delivered(verdict, fleet)
        witness.reports_are_stored(verdict, fleet, database)
        witness.nobody_was_turned_away(verdict, fleet)
        only_200(verdict, fleet)
        if not wait_until(program.removed, 30):
            verdict.add("retention has removed nothing")
        lines = Lines(nodes)
        if not lines.sizes:
            verdict.add("there was no batch")
        witness.servers_stop_whole(verdict, nodes, killer.killed)
        return (", ".join(f"{number} while a batch {moment}" for moment, number
                          in sorted(killer.counts.items()))
                + f" (seed {seed}); {len(lines.sizes)} batches of up to"
                f" {max(lines.sizes, default=0)} devices, {lines.apart} of them"
                " repeated one by one;"
                f" {sum(len(each.answered) for each in fleet.members)} reports"
                f" answered, {lines.deadlocks} deadlocks, the other program"
                f" refused {program.refused} times, {program.removed()} of"
                f" {program.past} past results removed; lost {verdict.lost},"
                f" repeated {verdict.repeated}; all answered {took:.1f} s after"
                " the last kill",
                verdict, "\n".join(each.error_log()[-3000:]
                                   for each in nodes))
