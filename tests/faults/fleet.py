# SPDX-License-Identifier: Apache-2.0
"""Devices at work while something breaks, and what they saw of it.

Every device is a thread that polls, answers what it is given, puts a few
commands off, and now and then sends a TokenUpdate.  Like a device it repeats
what was not answered with 200 until it is, at another server if there is
one.  An operator queues commands for all of them meanwhile.
"""

import dataclasses
import http.client
import json
import threading
import time

from device import Device, Operator, command
from system import wait_until

BROKEN = (OSError, http.client.HTTPException)
PAUSE = 0.02                    # between polls, and before a repetition
RATE = 8                        # commands a second, for all devices each


@dataclasses.dataclass
class Attempt:
    """A request and what became of it."""

    ended: float                # time.monotonic()
    seconds: float
    status: object              # of HTTP, or the exception


class Member:
    """A device and its diary."""

    def __init__(self, device, nodes):
        self.device = device
        self.nodes = nodes
        self.place = nodes.index(device.server)
        self.attempts = []
        self.answered = {}      # UUID -> when 200 came for its report
        self.put_off = set()
        self.again = []         # UUIDs delivered although answered
        self.told = []          # what its events must say, in order
        self.is_idle = False    # was the last poll answered with nothing?
        self.updates = 0

    @property
    def id(self):
        return self.device.id

    def enroll(self):
        self.device.push_magic = "magic-0"
        self.device.enroll()
        self.told.append("magic-0")

    def work(self, ended):
        while not ended.is_set():
            self.visit(ended)
            if len(self.attempts) % 20 == 0:
                self.update_token(ended)
            time.sleep(PAUSE)

    def visit(self, ended):
        """Poll, and answer until nothing is left."""
        answer = self.insist(self.device.idle, ended)
        while answer and answer.body:
            uuid = answer.plist["CommandUUID"]
            if uuid in self.answered:
                self.again.append(uuid)
            answer = self.react(uuid, ended)
        self.is_idle = bool(answer)

    def react(self, uuid, ended):
        if int(uuid[0], 16) == 0 and uuid not in self.put_off:
            self.put_off.add(uuid)
            return self.insist(lambda: self.device.not_now(uuid), ended,
                               uuid + " NotNow")
        answer = self.insist(lambda: self.device.acknowledge(uuid), ended,
                             uuid + " Acknowledged")
        if answer:
            self.answered[uuid] = time.monotonic()
        return answer

    def update_token(self, ended):
        self.updates += 1
        self.device.push_magic = f"magic-{self.updates}"
        self.insist(self.device.token_update, ended,
                    self.device.push_magic)

    def insist(self, message, ended, event=None):
        """The answer with 200, however long it takes; None at the end."""
        while True:
            answer = self.attempt(message)
            if answer and answer.status == 200:
                if event:
                    self.told.append(event)
                return answer
            if ended.is_set():
                return None
            self.go_elsewhere()
            time.sleep(PAUSE)

    def attempt(self, message):
        """Once, and at once again on a fresh connection when one that was
        kept is gone."""
        for _ in range(1 + (self.device.connection is not None)):
            began = time.monotonic()
            try:
                answer = message()
                status = answer.status
            except BROKEN as problem:
                answer, status = None, problem
            now = time.monotonic()
            self.attempts.append(Attempt(now, now - began, status))
            if answer:
                break
        return answer

    def go_elsewhere(self):
        if len(self.nodes) > 1:
            self.place = (self.place + 1) % len(self.nodes)
            self.device.close()
            self.device.server = self.nodes[self.place]
            self.device.port = self.device.server.tls_port


class Fleet:
    """Members, and the operator who keeps them busy."""

    def __init__(self, nodes, ca, number, pushes=False, rate=RATE):
        self.nodes = nodes
        self.pushes = pushes
        self.rate_of_orders = rate
        self.members = [
            Member(Device(nodes[i % len(nodes)], ca.issue(), timeout=10),
                   nodes) for i in range(number)]
        self.queued = {}        # UUID -> the members that must get it
        self.orders = []        # (when, was every device pushed to?)
        self.no_more = threading.Event()
        self.ended = threading.Event()
        self.threads = []

    def enroll(self):
        for member in self.members:
            member.enroll()

    def start(self):
        self.threads = [threading.Thread(target=member.work, daemon=True,
                                         args=(self.ended,))
                        for member in self.members]
        self.threads.append(threading.Thread(target=self.order,
                                             daemon=True))
        for thread in self.threads:
            thread.start()

    def order(self):
        place = 0
        operator = Operator(self.nodes[0], timeout=10)
        while not self.no_more.wait(1 / self.rate_of_orders):
            uuid, plist = command()
            try:
                answer = operator.enqueue(
                    [member.id for member in self.members], plist,
                    None if self.pushes else 1)
                self.note_order(uuid, answer)
            except BROKEN:
                operator.close()
                place = (place + 1) % len(self.nodes)
                operator = Operator(self.nodes[place], timeout=10)
        operator.close()

    def note_order(self, uuid, answer):
        """A push may fail, and yet the command is queued."""
        try:
            said = answer.json
        except json.JSONDecodeError:
            return
        if said.get("command_uuid") == uuid and not said.get(
                "command_error"):
            self.queued[uuid] = time.monotonic()
        status = said.get("status", {}).values()
        self.orders.append((time.monotonic(), bool(status) and all(
            "push_result" in each for each in status)))

    def drain(self, seconds=60):
        """Until everybody has answered everything that was queued; whether
        that came to pass."""
        self.no_more.set()
        self.threads[-1].join(30)
        done = wait_until(lambda: all(
            member.is_idle and not self.missing(member)
            for member in self.members), seconds, pause=0.1)
        self.ended.set()
        for thread in self.threads:
            thread.join(30)
        hung = [thread for thread in self.threads if thread.is_alive()]
        for member in self.members:
            member.device.close()
        return bool(done) and not hung

    def missing(self, member):
        return [uuid for uuid in list(self.queued)
                if uuid not in member.answered]

    # -- what became of it ---------------------------------------------

    def attempts(self, start=0, end=float("inf")):
        return [attempt for member in self.members
                for attempt in list(member.attempts)
                if start <= attempt.ended < end]

    def rate(self, start, end):
        """Requests answered with 200 in a second."""
        return sum(attempt.status == 200 for attempt in
                   self.attempts(start, end)) / (end - start)

    def recovery(self, since, usual, until, window=0.5, share=0.75):
        """Seconds from `since` to full throughput, or None."""
        moment = since
        while moment + window < until:
            if self.rate(moment, moment + window) >= share * usual:
                return moment - since
            moment += 0.05
        return None
