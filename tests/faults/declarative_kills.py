# SPDX-License-Identifier: Apache-2.0
"""Kills two httpd on one database at random while declarations are changed,
and looks whether each device has exactly its declarations in the end."""

import contextlib
import time
import uuid

import ca as certs
import witness
from declaration_kills import CONF, Run, StubbornDevice, compare, settle
from server import Httpd

# In the short form, and in the full: changes, devices.
SIZES = {True: (60, 12), False: (1000, 200)}


def kills(world, seconds):
    """SIGKILL of two httpd while declarations are changed"""


def serve(stack, database):
    """(both httpd, the authority of their devices)"""
    authority = certs.root("Fault Device CA")
    nodes = []
    for _ in range(2):
        node = Httpd(database, authority.pem, children=2, threads=8,
                     extra_vhost=CONF)
        stack.callback(node.remove)
        nodes.append(node.start())
    return nodes, authority


def run(_fault, make, _options, seconds):
    """(what to print, the Verdict, the log), as faults.py wants it."""
    changes, number = SIZES[seconds < 2]
    verdict, held = witness.Verdict(), 0
    with contextlib.ExitStack() as stack:
        database, = make(stack)
        nodes, authority = serve(stack, database)
        devices = [StubbornDevice(nodes[0], authority.issue(),
                                  udid=str(uuid.UUID(int=i + 1))).enroll()
                   for i in range(number)]
        for device in devices:
            stack.callback(device.close)
        trial = Run(nodes, devices, changes)
        begin = time.monotonic()
        try:
            trial.run()
            whole = time.monotonic()
            settle(database, trial)
            held = compare(database, devices)
        except AssertionError as problem:
            verdict.add(str(problem))
            whole = time.monotonic()
        settled = time.monotonic()
        log = "\n".join(each.error_log()[-3000:] for each in nodes)
    return (f"{changes} changes by two in {whole - begin:.0f} s,"
            f" {trial.kills} kills; {number} devices hold {held} declarations,"
            f" exactly theirs, {settled - whole:.0f} s later", verdict, log)
