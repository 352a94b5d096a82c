# SPDX-License-Identifier: Apache-2.0
"""What must hold afterwards, whatever broke."""

import base64
import os
import plistlib
import re
import threading
import time

from receiver import Answer
from system import wait_until

# A child that crashed; one that would not stop; what sanitizers and libc say.
CRASHED = re.compile(r"child pid (\d+) exit signal.*")
STUCK = re.compile(r"AH0004[5-7]:.*|AH00436:.*")
BROKEN_MEMORY = re.compile(r"^(?!\[).*(?:Sanitizer|Assertion|corrupted).*",
                           re.MULTILINE)


class Inbox:
    """A webhook receiver's memory: what it has taken, in order."""

    def __init__(self, receiver):
        self.taken = {}         # enrollment id -> what its events say
        self.times = 0          # that an event came again
        self.lock = threading.Lock()
        self.open = threading.Event()
        self.open.set()
        receiver.answers["/hook"] = self.take

    def take(self, request):
        if not self.open.wait(0):
            self.open.wait(20)
            return Answer(close="before")
        event = request.json()
        inner = event.get("checkin_event") or event["acknowledge_event"]
        said = self.content(event, inner)
        with self.lock:
            seen = self.taken.setdefault(inner["ids"]["id"], {})
            if (said, event["event_id"]) in seen:
                self.times += 1
            seen.setdefault((said, event["event_id"]), time.monotonic())
        return Answer()

    @staticmethod
    def content(event, inner):
        """What tells this event from others of its device."""
        if "acknowledge_event" in event:
            return f"{inner.get('command_uuid')} {inner['status']}"
        payload = plistlib.loads(base64.b64decode(inner["raw_payload"]))
        return payload.get("PushMagic", payload["MessageType"])

    def order(self, member):
        """What was told of a device, each thing where it came first."""
        with self.lock:
            return list(dict.fromkeys(
                said for said, _ in self.taken.get(member.id, {})))


class Verdict:
    """Problems, each a line; those that are losses are counted."""

    def __init__(self):
        self.lost = self.repeated = 0
        self.problems = []

    def add(self, text, lost=0, repeated=0):
        self.lost += lost
        self.repeated += repeated
        self.problems.append(text)


def reports_are_stored(verdict, fleet, db):
    for member in fleet.members:
        stored = {uuid for uuid, in db.query(
            "SELECT command_uuid FROM command_results WHERE id = %s"
            " AND status = 'Acknowledged'", member.id)}
        missing = set(member.answered) - stored
        if missing:
            verdict.add(f"{member.id}: {len(missing)} reports answered"
                        " with 200 are not stored", lost=len(missing))


def commands_are_delivered(verdict, fleet):
    for member in fleet.members:
        missing = fleet.missing(member)
        if missing:
            verdict.add(f"{member.id}: {len(missing)} commands that were"
                        " queued did not arrive", lost=len(missing))
        if member.again:
            verdict.add(f"{member.id}: {len(member.again)} commands came"
                        " again after their answer",
                        repeated=len(member.again))


def events_arrive_in_order(verdict, fleet, inbox, seconds=60):
    def missing(member):
        return set(member.told) - set(inbox.order(member))

    wait_until(lambda: not any(map(missing, fleet.members)), seconds,
               pause=0.1)
    for member in fleet.members:
        lacking = missing(member)
        if lacking:
            verdict.add(f"{member.id}: {len(lacking)} events never came",
                        lost=len(lacking))
            continue
        expected = list(dict.fromkeys(member.told))
        wanted = set(expected)
        came = [said for said in inbox.order(member) if said in wanted]
        if came != expected:
            first = next(i for i, pair in enumerate(zip(came, expected))
                         if pair[0] != pair[1])
            verdict.add(f"{member.id}: events out of order: {came[first]}"
                        f" came before {expected[first]}", lost=1)


def nobody_was_turned_away(verdict, fleet):
    refused = [attempt.status for attempt in fleet.attempts()
               if attempt.status in (401, 403)]
    if refused:
        verdict.add(f"devices saw {len(refused)} times 401 or 403")


def servers_stop_whole(verdict, nodes, killed):
    """No crash but the wanted ones, nothing hung, nothing left."""
    for node in nodes:
        if not node.process:
            continue
        group, began = node.process.pid, time.monotonic()
        node.stop()
        if time.monotonic() - began > 8:
            verdict.add("an httpd took longer than 8 s to stop")
        try:
            os.killpg(group, 0)
            verdict.add("an httpd left processes behind")
        except ProcessLookupError:
            pass
    for node in nodes:
        log = node.error_log()
        for line in log.splitlines():
            crash = CRASHED.search(line)
            if crash and int(crash[1]) not in killed:
                verdict.add(line)
            if STUCK.search(line):
                verdict.add(line)
        for line in BROKEN_MEMORY.findall(log):
            verdict.add(line)
