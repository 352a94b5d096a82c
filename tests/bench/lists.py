# SPDX-License-Identifier: Apache-2.0
"""Lists and searches of operators among 1,000 and among a million enrollments,
of which a few are disabled or not complete; and nanomdmctl devices over
100,000."""

import contextlib
import json
import pathlib
import re
import statistics
import tempfile
import time

from ctl import LOCATIONS, Ctl
from device import Operator
from looking import compare, looker
from world import Filler, fresh, udid

FEW = 1000
LISTED = 100_000
SOME = 5                                # that are disabled, or not complete
RUNS = 7                                # of nanomdmctl


def measure(report, bench, _take_turns, _ratio):
    sizes = {world(bench, devices): devices for devices in (FEW, bench.rows)}
    compare(report, bench, sizes, pages)
    for httpd in sizes:
        httpd.stop()
    command_line(report, bench, world(bench, LISTED))


def world(bench, devices):
    httpd = bench.httpd(fresh(bench.server), extra_vhost=LOCATIONS)
    filler, database = Filler(httpd.database), httpd.database
    with contextlib.closing(Operator(httpd, plain=True)) as operator:
        operator.version()              # SQLite: makes the tables
    filler.enrollments(0, devices)
    database.execute("UPDATE enrollments SET enabled = FALSE WHERE id >="
                     f" '{udid(devices - SOME)}'")
    filler.insert("devices", SOME, id=filler.udid(f"{devices} + n"),
                  authenticate="'<?xml'")
    filler.settle()
    return httpd


def pages(operator, devices):
    """What to look at, by name."""
    look = looker(operator)

    def query(**wanted):
        return look("POST", "/v1/enrollments/query?limit=100",
                    json.dumps({"filter": wanted}).encode())

    listed = "/status?devices=1"
    last = udid(devices - SOME - 50)
    serial = f"SER{devices // 2:09}"
    return {
        "status page, counted anew": look("GET", "/status"),
        "status page": look("GET", "/status"),
        "status for Prometheus": look("GET", "/status?prometheus"),
        "list": look("GET", listed),
        "list, its end": look("GET", f"{listed}&after={last}"),
        "list of a type": look("GET", f"{listed}&type=Device"),
        "list of a type that none has": look("GET", f"{listed}&type=User"),
        "list of enabled": look("GET", f"{listed}&state=enabled"),
        "list of disabled": look("GET", f"{listed}&state=disabled"),
        "list of disabled of a type": look(
            "GET", f"{listed}&state=disabled&type=Device"),
        "list of not complete": look("GET", f"{listed}&state=pending"),
        "search for an id": look("GET", f"/status?q={udid(5)}"),
        "search in small letters": look("GET",
                                        f"/status?q={udid(5).lower()}"),
        "search for the beginning of an id": look("GET",
                                                  f"/status?q={udid(5)[:9]}"),
        "search for a serial number": look("GET", f"/status?q={serial}"),
        "search that finds nothing": look("GET", "/status?q=nothing-at-all"),
        "one enrollment": look("GET", f"/status?id={udid(5)}"),
        "API: first page": query(),
        "API: by serial number": query(serials=[serial]),
        "API: by user": query(user_short_names=["nobody"]),
        "API: of a type": query(types=["Device"]),
        "API: disabled": query(enabled=False),
        "API: disabled of a type": query(enabled=False, types=["Device"]),
        "API: one enrollment": look("GET", f"/v1/enrollments/{udid(5)}"),
    }


# ---- nanomdmctl ----

def command_line(report, bench, httpd):
    with tempfile.TemporaryDirectory() as folder:
        ctl = Ctl(httpd, pathlib.Path(folder))
        ctl("devices", "--serial", "none")
        runs = [listing(ctl) for _ in range(RUNS)]
    firsts, alls, peaks = zip(*runs)
    report.note(bench.kind, "nanomdmctl devices", first_ms=firsts,
                seconds=alls, peak_kb=peaks)
    print(f"  nanomdmctl devices, {LISTED:,}: first line after"
          f" {min(firsts):.0f} to {max(firsts):.0f} ms, all after"
          f" {statistics.median(alls):.1f} s", flush=True)
    report.goal(bench.kind, "nanomdmctl devices, first line",
                statistics.median(firsts), 200, unit=" ms")
    report.goal(bench.kind, "nanomdmctl devices, memory",
                max(peaks) / 1024, 60, unit=" MB")


def listing(ctl):
    """(milliseconds to the first line, seconds to the last, kilobytes)"""
    began = time.monotonic()
    process = ctl.start("devices")
    process.stdout.readline()
    first = (time.monotonic() - began) * 1000
    lines = peak = 0
    for _ in process.stdout:
        lines += 1
        if lines % 10000 == 0:
            text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            peak = int(re.search(r"VmHWM:\s*(\d+)", text)[1])
    assert process.wait() == 0 and lines == LISTED + SOME, lines
    return first, time.monotonic() - began, peak
