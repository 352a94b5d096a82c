# SPDX-License-Identifier: Apache-2.0
"""Declarative management where few and where many are enrolled: what devices
ask, a declaration that is touched, and the commands that follow."""

import base64
import contextlib
import json
import statistics
import threading
import time

from world import CONNECTIONS, Filler, fresh, resident, udid
from declarations import (DeclarativeDevice, Declarations, activation,
                          test_declaration)
from device import command

FEW, MOST = 1000, 100_000
SETS, OF_SET = 3, 25                    # sets, and declarations of each
POLLING = 4                             # devices without sets
TOUCHES = 15
APPS = 20_000                           # DDM-S14
CONF = """\
NanoMDMDeclarativeManagement builtin
NanoMDMDeclarativeManagementNotify changes window=0
"""
REPORT = {"FullReport": True, "StatusItems": {
    "device": {"model": {f"key-{i}": f"value {i}" for i in range(30)}},
    "test": {f"key-{i}": i for i in range(30)}}}


def measure(report, bench, take_turns, ratio):
    sizes = FEW, min(bench.rows, MOST)
    sites = {size: small_or_large(bench, size) for size in sizes}
    what_devices_ask(report, bench, sites, take_turns, ratio)
    many = sizes[-1]
    large_report(report, bench, sites[many])
    with contextlib.closing(Declarations(sites[many], timeout=300)) as api:
        bulk_calls(report, bench, api, sites[many], many)
        fan_out(report, bench, api, sites[many], many)


def small_or_large(bench, size):
    """As many enrollments, each with three sets of 25 declarations."""
    httpd = bench.httpd(fresh(bench.server), extra_vhost=CONF)
    known = CONNECTIONS + POLLING
    bench.load(httpd, "enrol", count=known, threads=POLLING)
    filler = Filler(httpd.database)
    filler.enrollments(known, size - known)
    with contextlib.closing(Declarations(httpd, timeout=300)) as api:
        for i in range(SETS * OF_SET):
            one = (test_declaration if i % 5 else activation)(f"d.{i:03}")
            assert api.put(one, nonotify=1) == 204
            assert api.add(f"set.{i % SETS}", f"d.{i:03}", nonotify=1) == 204
    for i in range(SETS):
        filler.insert("nanomdm_dd_enrollment_sets", size,
                      id=filler.udid("n"), set_name=f"'set.{i}'")
    for i in range(CONNECTIONS, known):
        httpd.database.execute("DELETE FROM nanomdm_dd_enrollment_sets"
                               f" WHERE id = '{udid(i)}'")
    filler.settle()
    if bench.kind == "mysql":
        httpd.database.query("ANALYZE TABLE nanomdm_dd_enrollment_sets")
    return httpd


# ---- what devices ask ----

def what_devices_ask(report, bench, sites, take_turns, ratio):
    data = base64.b64encode(json.dumps(REPORT).encode()).decode()
    asked = {"tokens": {}, "declaration-items": {},
             "declaration/configuration/d.001": {}, "status": {"data": data}}
    for httpd in sites.values():        # what they report first is written
        bench.load(httpd, "declarative", endpoint="status", data=data)
    scenarios = {f"idle poll, {size:,}":
                 lambda turn, httpd=httpd: bench.timed(httpd, "poll")
                 for size, httpd in sites.items()}
    for endpoint, more in asked.items():
        for size, httpd in sites.items():
            scenarios[f"{endpoint}, {size:,}"] = (
                lambda turn, httpd=httpd, endpoint=endpoint, more=more:
                bench.timed(httpd, "declarative", endpoint=endpoint, **more))
    runs = take_turns(bench.rounds, scenarios)
    for each in runs.values():
        for run in each:
            run["cpu_us"] = run["httpd_us"] + run["db_us"]
    for name, each in runs.items():
        report.row(bench.kind, name, each)
    few, many = (f"{size:,}" for size in sites)
    for endpoint in asked:
        report.goal(bench.kind, f"{endpoint}: CPU with {many} enrollments of"
                    f" that with {few}", ratio(
                        runs[f"{endpoint}, {many}"],
                        runs[f"{endpoint}, {few}"], "cpu_us"), 1.2)
    report.goal(bench.kind, f"tokens, {many}: CPU of an idle poll's", ratio(
        runs[f"tokens, {many}"], runs[f"idle poll, {many}"], "cpu_us"), 1.3)
    for httpd in sites.values():
        (written,), = httpd.database.query(
            "SELECT COUNT(*) FROM (SELECT id FROM nanomdm_dd_values"
            " GROUP BY id HAVING COUNT(DISTINCT status_id) > 1) more_than")
        report.goal(bench.kind, "devices whose unchanged reports wrote"
                    " values", int(written), 0)


def large_report(report, bench, httpd):
    """Many apps: reported first, reported again, and each with a new
    version."""
    def apps(version):
        return {"StatusItems": {"mdm": {"app": [
            {"identifier": f"com.example.app.{i}", "name": "n" * 100,
             "external-version-id": i, "version": version,
             "state": "managed"} for i in range(APPS)]}}}
    times = []
    with contextlib.closing(DeclarativeDevice(
            httpd, bench.devices.ca.issue()).enroll()) as device:
        for version in "1.0", "1.0", "2.0":
            text = json.dumps(apps(version)).encode()
            times.append(took(device.endpoint, "status", text))
    report.note(bench.kind, "large report", seconds=times)
    print(f"          a report of {APPS:,} apps, {len(text) / 1e6:.1f} MB:"
          f" {times[0]:.2f} s; again: {times[1]:.2f} s;"
          f" with new versions: {times[2]:.2f} s", flush=True)
    report.goal(bench.kind, f"a report of {APPS:,} apps", max(times), 2,
                unit=" s")


# ---- what operators do ----

def took(call, *args, **query):
    began = time.perf_counter()
    answer = call(*args, **query)
    assert getattr(answer, "status", answer) in (200, 204), answer
    return time.perf_counter() - began


def bulk_calls(report, bench, api, httpd, many):
    """The time for each id of one call, where it has a hundred times as
    many."""
    each, before = {}, resident(httpd)["pss_kb"]
    for number in FEW, many:
        ids = [udid(i) for i in range(CONNECTIONS + POLLING,
                                      CONNECTIONS + POLLING + number)]
        each[number] = statistics.median(
            took(api.ask, "PUT", f"set-enrollments/bulk.{number}.{turn}",
                 {"ids": ids}, nonotify=1)
            for turn in range(5 if number == FEW else 1)) / number
    grown = (resident(httpd)["pss_kb"] - before) / 1024
    report.note(bench.kind, "bulk call", megabytes=grown,
                **{f"us_each_{number}": 1e6 * seconds
                   for number, seconds in each.items()})
    report.goal(bench.kind, f"a call with {many:,} ids: time for each id, of"
                f" that with {FEW:,}", each[many] / each[FEW], 3)
    print(f"          memory of httpd after it: {grown:+.1f} MB", flush=True)


def fan_out(report, bench, api, httpd, many):
    """Touches, which write a row each; then the commands, while others
    poll; then the same number by enqueue calls of 30."""
    httpd.database.execute("UPDATE enrollments SET enabled = FALSE"
                           f" WHERE id = '{udid(many - 1)}'")
    alone = [poll(bench, httpd, 3)]
    rows = count(httpd, "nanomdm_dd_changes")
    touches = [took(api.touch, "d.001") for _ in range(TOUCHES)]
    began = time.monotonic()
    written = count(httpd, "nanomdm_dd_changes") - rows
    meanwhile, seconds = poll_until_queued(bench, httpd, began)
    alone.append(poll(bench, httpd, 3))
    queued = count(httpd, "enrollment_queue")
    touch = statistics.median(touches)
    report.note(bench.kind, "touch", ms=touch * 1000,
                worst_ms=max(touches) * 1000, rows=written)
    report.note(bench.kind, "fan-out", seconds=seconds, queued=queued)
    report.row(bench.kind, "slow polls, alone", alone)
    report.row(bench.kind, "slow polls, during fan-out", meanwhile)
    report.goal(bench.kind, f"touch, set of {many:,}", touch * 1000, 50,
                unit=" ms")
    report.goal(bench.kind, "rows that touches of it wrote", written, 1)
    report.goal(bench.kind, "commands queued a second", queued / seconds,
                5000, least=True)
    report.goal(bench.kind, "poll latency (p50) meanwhile, times that"
                " without", median_of(meanwhile) / median_of(alone), 2)
    by_thirty(report, bench, api, many, touch, seconds)


def count(httpd, table):
    return int(httpd.database.query(f"SELECT COUNT(*) FROM {table}")[0][0])


def poll(bench, httpd, seconds):
    """Unhurried polls of devices that the set does not have."""
    return bench.load(httpd, "poll", seconds=seconds, first=CONNECTIONS,
                      threads=POLLING, count=POLLING, pause=5)


def median_of(runs):
    return statistics.median(run["p50_us"] for run in runs)


def poll_until_queued(bench, httpd, began):
    """Runs of polls, and how long the commands took."""
    finished = threading.Event()
    runs = []

    def keep_polling():
        while not finished.is_set():
            runs.append(poll(bench, httpd, 0.5))
    thread = threading.Thread(target=keep_polling)
    thread.start()
    while count(httpd, "nanomdm_dd_changes"):
        time.sleep(0.05)
    seconds = time.monotonic() - began
    finished.set()
    thread.join()
    return runs[:-1] or runs, seconds


def by_thirty(report, bench, api, many, touch, seconds):
    """Requests that a tool makes which enqueues for 30 ids at a time."""
    calls = []
    for turn in range(10):
        ids = ",".join(udid(i) for i in range(100 + 30 * turn,
                                              130 + 30 * turn))
        _, plist = command("DeclarativeManagement")
        calls.append(took(api.call, "PUT", f"/v1/enqueue/{ids}?nopush=1",
                          plist, {}))
    thirty = statistics.median(calls) * many / 30
    report.note(bench.kind, "enqueue of 30 ids", seconds_for_all=thirty)
    report.goal(bench.kind, f"requests for {many:,} devices, of those that"
                " enqueue for 30 each", touch / thirty, 1 / 20)
    report.compare(bench.kind, "the same until all are queued",
                   seconds / thirty)
