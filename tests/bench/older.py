# SPDX-License-Identifier: Apache-2.0
"""This build beside an older one, each with a database of its own that it has
made itself: what combining, fan-out, check-ins, handshakes, kept connections
and memory cost, and the goals set for them."""

import base64
import contextlib
import json
import pathlib
import random
import re
import statistics
import subprocess
import time

import handshakes
from combining import LIBRARY, WideHttpd
from device import Operator
from report import NAMES
from world import (CONNECTIONS, PROGRAMS, THREADS, TOPIC, BenchHttpd, Filler,
                   Meter, load_command, udid)

BUSY = THREADS                          # connections that are never idle
SCHEMA = "NanoMDMSchema auto\n"
# Polls a second of the empty static file's.
STATIC = {"pgsql": 0.70, "mysql": 0.60}
ENQUEUED, FANNED = 10_000, {"mysql": 0.5, "pgsql": 0.7}
ENROLLED = 400                          # devices of a run
# As docs/operations.md advises, and as Debian has it.
ADVISED = {"server": "AsyncRequestWorkerFactor 8\n",
           "vhost": handshakes.ADVISED, "threads": 64}
DEFAULT = {"server": "", "vhost": "", "threads": 25}
KEPT, BURSTS, BURST = 200, 8, 50
HANGS = 8                               # seconds without a byte
EARLIER, WEIGHED = 100, 400             # kept connections

COLUMNS = ("sqlite3", "pgsql", "mysql")


class Table:
    """The goals of all databases, a row for each figure."""

    def __init__(self):
        self.rows = {}

    def goal(self, report, kind, figure, measured, limit, *, least=False,
             unit=""):
        report.goal(kind, figure, measured, limit, least=least, unit=unit)
        row = self.rows.setdefault(figure, {"least": least, "unit": unit})
        row[kind] = (measured, limit, report.goals[-1]["reached"])

    def show(self):
        print("\n| Figure | Goal | "
              + " | ".join(NAMES[kind] for kind in COLUMNS)
              + " |\n|---|---|" + "---|" * len(COLUMNS))
        for figure, row in self.rows.items():
            cells = [row.get(kind) for kind in COLUMNS]
            limits = sorted({cell[1] for cell in cells if cell})
            words = "at least" if row["least"] else "at most"
            goal = f"{words} {', '.join(f'{limit:g}' for limit in limits)}"
            if len(limits) > 1:
                goal = f"{words} " + ", ".join(
                    f"{cell[1]:g} {NAMES[kind]}"
                    for kind, cell in zip(COLUMNS, cells) if cell)
            print(f"| {figure} | {goal}{row['unit']} | " + " | ".join(
                f"{number(cell[0])} {'reached' if cell[2] else 'missed'}"
                if cell else "–" for cell in cells) + " |")


def number(measured):
    return f"{measured:.3g}" if measured < 1000 else f"{measured:.0f}"


TABLE = Table()


class Pair:
    """Both builds on one kind of database."""

    def __init__(self, report, bench, take_turns, ratio):
        self.report, self.bench, self.kind = report, bench, bench.kind
        self.take_turns, self.ratio = take_turns, ratio
        self.count = 0
        self.builds = {
            "new": self.httpd(WideHttpd),
            "old": self.httpd(WideHttpd, module=bench.baseline)}
        for httpd in self.builds.values():
            bench.load(httpd, "enrol", count=2 * BUSY)
            # Not a figure: caches fill, and statements are prepared.
            bench.load(httpd, "poll", seconds=0.5, threads=BUSY, count=BUSY)

    def httpd(self, shape=BenchHttpd, vhost="", server="", **options):
        database = self.bench.server.fresh()
        httpd = shape(database, self.bench.devices.ca, extra_vhost=vhost,
                      **options)
        self.bench.stack.callback(httpd.remove)
        httpd.extra["extra_server"] += SCHEMA + server
        httpd.configure()
        return httpd.start()

    def goal(self, *figure, **options):
        TABLE.goal(self.report, self.kind, *figure, **options)

    def each(self, name, run, **others):
        """run(httpd, turn) of both builds in turns; and of others."""
        results = self.take_turns(self.bench.rounds, {
            **{build: lambda turn, httpd=httpd: run(httpd, turn)
               for build, httpd in self.builds.items()}, **others})
        for build, runs in results.items():
            self.report.row(self.kind, f"{name}, {build}", runs)
        return results["new"], results["old"], results

    def median(self, new, old, key="p50_us"):
        return statistics.median(a[key] / b[key] for a, b in zip(new, old))

    def roundtrip(self, httpd, busy, each):
        """Each device answers commands, one after the other."""
        self.fill(httpd, busy, each)
        return self.bench.load(httpd, "roundtrip", each=each, threads=busy,
                               count=busy)

    def fill(self, httpd, busy, each):
        self.count += 1
        Filler(httpd.database).queues(f"c{self.count}-", 0, busy, each)


def measure(report, bench, take_turns, ratio):
    pair = Pair(report, bench, take_turns, ratio)
    if bench.kind in STATIC:
        polls(pair)
    # Before the library's round trips, which the older build's database lacks.
    unhurried(pair)
    for busy in BUSY, 2 * BUSY:
        if (bench.kind, busy) in LIBRARY:
            reports(pair, busy)
    if bench.kind in FANNED:
        fan_out(pair)
    if bench.kind == "mysql":
        check_ins(pair)
    for httpd in pair.builds.values():
        httpd.stop()
    if bench.kind == "sqlite3":
        fresh_connections(pair)
        kept_connections(pair)
        memory(pair)


def finish():
    TABLE.show()


# ---- Polls, reports, check-ins, commands for many ----

def polls(pair):
    def run(httpd, _turn, workload="poll"):
        return pair.bench.timed(httpd, workload, threads=BUSY, count=BUSY)
    new, old, results = pair.each(
        f"{BUSY} polls at once", run,
        static=lambda turn: run(pair.builds["new"], turn, "static"))
    pair.goal("idle poll, 25 busy: database CPU, times older",
              pair.ratio(new, old, "db_us"), 0.35)
    pair.goal("the same: polls a second, times older", pair.ratio(new, old),
              1.4, least=True)
    pair.goal("the same: polls a second, of the empty static file's",
              pair.ratio(new, results["static"]), STATIC[pair.kind],
              least=True)


def reports(pair, busy):
    bench, httpd = pair.bench, pair.builds["new"]
    each = 100 if busy == BUSY else 50

    def by_library(_turn):
        pair.fill(httpd, busy, each)
        return bench.library_run(httpd, 0, busy, each)
    new, _, results = pair.each(
        f"{busy} round trips at once",
        lambda httpd, turn: pair.roundtrip(httpd, busy, each),
        library=by_library)
    pair.goal(f"round trip, {busy} busy: of the client library's with single"
              " statements", pair.ratio(new, results["library"]),
              LIBRARY[pair.kind, busy], least=True)


def unhurried(pair):
    """p50 where few are busy."""
    for httpd in pair.builds.values():
        Filler(httpd.database).settle()
    for busy, each, words in (1, 300, "1 client"), (8, 100, "8 clients"):
        new, old, _ = pair.each(
            f"polls, {words}", lambda httpd, turn: pair.bench.load(
                httpd, "poll", seconds=1, threads=busy, count=busy))
        pair.goal(f"p50 of a poll with {words}, times older",
                  pair.median(new, old), 1.05)
        new, old, _ = pair.each(
            f"reports, {words}",
            lambda httpd, turn: pair.roundtrip(httpd, busy, each))
        pair.goal(f"p50 of a report with {words}, times older",
                  pair.median(new, old), 1.05)


def fan_out(pair):
    for httpd in pair.builds.values():
        filler = Filler(httpd.database)
        filler.enrollments(100_000, ENQUEUED)
        filler.settle()

    def run(httpd, turn):
        ids = [udid(100_000 + number) for number in range(ENQUEUED)]
        random.Random(turn).shuffle(ids)
        return enqueue(pair, httpd, ids, f"many-{turn}")
    new, old, _ = pair.each(f"queued for {ENQUEUED:,} ids", run)
    pair.goal(f"enqueue to {ENQUEUED:,} random ids: database CPU for an id,"
              " times older", pair.ratio(new, old, "db_us"),
              FANNED[pair.kind])


def enqueue(pair, httpd, ids, uuid):
    plist = ('<?xml version="1.0" encoding="UTF-8"?><plist version="1.0">'
             f"<dict><key>CommandUUID</key><string>{uuid}</string>"
             "<key>Command</key><dict><key>RequestType</key>"
             "<string>ProfileList</string></dict></dict></plist>")
    body = json.dumps({
        "ids": ids, "nopush": True,
        "command": base64.b64encode(plist.encode()).decode()}).encode()
    meter = Meter(httpd, pair.bench.server)
    before = meter.read()
    with contextlib.closing(Operator(httpd, timeout=120)) as operator:
        answer = operator.call("POST", "/v1/enqueue", body,
                               {"Content-Type": "application/json"})
    assert answer.status == 200, answer
    return {name: (end - start) / len(ids) * 1e6 for name, start, end
            in zip(("httpd_us", "db_us"), before, meter.read())}


def check_ins(pair):
    new, old, _ = pair.each(
        "check-ins", lambda httpd, turn: pair.bench.load(
            httpd, "enrol", first=2 * BUSY + turn * ENROLLED,
            count=ENROLLED))
    pair.goal("Authenticate and TokenUpdate: database CPU, times older",
              pair.ratio(new, old, "db_us"), 0.6)


# ---- Connections and memory ----

def fresh_connections(pair):
    bench = pair.bench
    pair.builds = {"advised": pair.httpd(vhost=ADVISED["vhost"]),
                   "by default": pair.httpd(vhost=DEFAULT["vhost"])}
    for httpd in pair.builds.values():
        bench.load(httpd, "enrol", count=CONNECTIONS)
    results = pair.take_turns(bench.rounds, {
        words: lambda turn, httpd=httpd: bench.timed(httpd, "poll",
                                                     fresh=True)
        for words, httpd in pair.builds.items()})
    for words, runs in results.items():
        pair.report.row(pair.kind, f"fresh connections, {words}", runs)
    pair.goal("poll on a fresh TLS connection: httpd CPU as advised, times"
              " Debian's defaults",
              pair.ratio(results["advised"], results["by default"],
                         "httpd_us"), 0.68)
    for httpd in pair.builds.values():
        httpd.stop()


def sized(pair, threads, shape=BenchHttpd, **options):
    class Sized(shape):
        def configure(self):
            self.size["threads"] = threads
            super().configure()
    return pair.httpd(Sized, **options)


@contextlib.contextmanager
def connected(pair, httpd, first, count, **options):
    """Devices that have connected and polled once; go() lets them work, and
    says what they did."""
    command = load_command(pair.bench.devices, httpd, "poll", first=first,
                           count=count, threads=count, warm=True,
                           timeout=HANGS, **options)
    with subprocess.Popen(command, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n", command

        def start():
            process.stdin.write("\n")
            process.stdin.flush()
        yield start, lambda: json.loads(process.stdout.readline())


def kept_connections(pair):
    """Devices that keep their connections poll now and then while bursts of
    others connect anew."""
    for words, conf in ("as advised", ADVISED), ("Debian's defaults",
                                                 DEFAULT):
        httpd = sized(pair, conf["threads"], vhost=conf["vhost"],
                      server=conf["server"])
        pair.bench.load(httpd, "enrol", count=KEPT + BURST)
        with connected(pair, httpd, 0, KEPT, seconds=BURSTS,
                       pause=500) as (start, wait):
            start()
            lost = 0
            for _ in range(BURSTS):
                began = time.monotonic()
                burst = pair.bench.load(
                    httpd, "poll", first=KEPT, count=BURST, threads=BURST,
                    fresh=True, timeout=HANGS)
                lost += burst["hung"]
                time.sleep(max(0, began + 1 - time.monotonic()))
            kept = wait()
        closed, hung = kept["connections"] - KEPT, kept["hung"] + lost
        print(f"          {KEPT} kept connections, {BURSTS} bursts of {BURST}"
              f" reconnecting, {words}: {closed} closed by httpd, {hung}"
              f" hung; {kept['requests']} polls of theirs, the slowest"
              f" {kept['max_us'] / 1000:.0f} ms", flush=True)
        if conf is ADVISED:
            pair.goal(f"{KEPT} kept connections, bursts of {BURST}"
                      " reconnecting, as advised: closed by httpd", closed, 0)
            pair.goal("the same: hung", hung, 0)
        httpd.stop()


def private(httpd):
    """Megabytes that each process has for itself and has written to."""
    kilobytes = 0
    for pid in [httpd.process.pid, *httpd.children()]:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        kilobytes += int(re.search(r"^Private_Dirty:\s*(\d+)", text, re.M)[1])
    return kilobytes / 1024


def memory(pair):
    """Of httpd with the module above that of httpd without, after all that a
    device sends; and of a kept connection."""
    bare = BenchHttpd(None, pair.bench.devices.ca,
                      without={"nanomdm", "database"})
    pair.bench.stack.callback(bare.remove)
    bare.start()
    pair.bench.timed(bare, "static", threads=BUSY, count=BUSY)
    above, kept = {}, {}
    for build, module in ("new", None), ("old", pair.bench.baseline):
        httpd = pair.httpd(module=module)
        pair.bench.load(httpd, "enrol", count=2 * BUSY)
        pair.bench.timed(httpd, "poll", threads=BUSY, count=BUSY)
        pair.roundtrip(httpd, BUSY, 40)
        above[build] = private(httpd) - private(bare)
        httpd.stop()
        kept[build] = weigh_connection(pair, module)
    print(f"          older: {above['old']:.1f} MB above bare httpd,"
          f" {kept['old']:.1f} KB a kept connection", flush=True)
    pair.goal("private memory above bare httpd, 25 busy", above["new"], 6,
              unit=" MB")
    pair.goal("private memory of a kept connection", kept["new"], 64,
              unit=" KB")


def weigh_connection(pair, module):
    """Kilobytes; what all threads need once is there before."""
    httpd = sized(pair, ADVISED["threads"], vhost=ADVISED["vhost"],
                  server=ADVISED["server"], module=module)
    pair.bench.load(httpd, "enrol", count=EARLIER + WEIGHED)
    with connected(pair, httpd, 0, EARLIER, seconds=0.1) as (first, _):
        before = private(httpd)
        with connected(pair, httpd, EARLIER, WEIGHED,
                       seconds=0.1) as (go, _):
            after = private(httpd)
            go()
        first()
    httpd.stop()
    return (after - before) / WEIGHED * 1024
