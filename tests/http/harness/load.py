# SPDX-License-Identifier: Apache-2.0
"""Devices at work: once through, or while a test breaks something."""

import dataclasses
import http.client
import threading
import time

from device import Operator, command
from system import wait_until
from tables import fill_queues

BROKEN = (OSError, http.client.HTTPException)


@dataclasses.dataclass
class Attempt:
    """A request and what became of it."""

    device: object
    uuid: str                   # of the command reported on, or None
    began: float
    seconds: float
    status: object              # of HTTP, or the exception
    headers: object = None


class Load:
    """Threads that answer their commands in turn, poll in between, and
    now and then send a TokenUpdate.

    A keep-alive connection that the server closes is opened anew, as
    devices do; what fails on a fresh connection has failed.
    """

    def __init__(self, db, devices, commands=400):
        self.db = db
        self.devices = devices
        self.uuids = fill_queues(db, devices, commands)
        self.attempts = []
        self.closed = 0         # connections that the server closed
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(device,),
                                         daemon=True)
                        for device in devices]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.wait_for(2 * len(self.threads))
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive(), "a request hangs"

    def work(self, device):
        uuids = iter(self.uuids)
        while not self.ended.is_set():
            uuid = next(uuids, None)
            if uuid:
                self.attempt(device, lambda: device.acknowledge(uuid),
                             uuid)
            self.attempt(device, device.idle)
            if len(self.attempts) % 8 == 0:
                self.attempt(device, device.token_update)

    def attempt(self, device, message, uuid=None):
        began = time.monotonic()
        headers = None
        try:
            answer = self.send(device, message)
            status, headers = answer.status, answer.headers
        except BROKEN as problem:
            status = problem
        self.attempts.append(Attempt(
            device, uuid, began, time.monotonic() - began, status,
            headers))

    def send(self, device, message):
        kept = device.connection is not None
        try:
            return message()
        except BROKEN:
            if not kept:
                raise
        self.closed += 1
        return message()

    # -- what a test wants to know ------------------------------------

    def wait_for(self, number):
        """Until that many more requests have ended."""
        goal = len(self.attempts) + number
        assert wait_until(lambda: len(self.attempts) >= goal,
                          seconds=30), "no progress"

    def failed(self):
        return [attempt for attempt in self.attempts
                if attempt.status != 200]

    def since(self, moment):
        """Attempts that began later."""
        return [attempt for attempt in self.attempts
                if attempt.began > moment]

    def lost(self):
        """Reports answered with 200 that are not stored."""
        stored = set()
        for device in self.devices:
            stored |= {(device.id, uuid) for uuid, in self.db.query(
                "SELECT command_uuid FROM command_results"
                " WHERE id = %s", device.id)}
        return [attempt for attempt in self.attempts
                if attempt.uuid and attempt.status == 200
                and (attempt.device.id, attempt.uuid) not in stored]


def serves(server, device):
    """The main path, through and through; the device, and the UUID of
    the command that it answered."""
    mac = device(server).enroll()
    operator = Operator(server)
    uuid, plist = command()
    assert operator.enqueue(mac.id, plist).status == 200
    operator.close()
    assert mac.idle().body == plist
    assert mac.acknowledge(uuid).body == b""
    return mac, uuid
