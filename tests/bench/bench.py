#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What requests cost, beside a static file and beside the database's own
client library, on each database; see docs/performance.md.

Figures that are compared come from the same run, in rounds that take turns,
and are medians. "reached" and "missed" judge the ratios of the project's
goals.
"""

import argparse
import base64
import contextlib
import json
import pathlib
import re
import statistics
import tempfile
import threading
import time

import combining
import declarative
import enrollment
import handshakes
import lists
import older
from looking import look_around
from pushing import push
from report import NAMES, Report, ratio, say_head, take_turns
from world import (BenchHttpd, CONNECTIONS, Devices, Filler, Meter, PROGRAMS,
                   PROXIED, STATUS, THREADS, database_server, fresh, load,
                   resident, timed, udid)
from device import Operator

MANY = 1000                             # devices of the fan-out

# rounds; seconds of a run; enrolments of a run; commands of a device
MODES = {
    "quick": dict(rounds=3, seconds=0.8, enrolments=64, each=40),
    "full": dict(rounds=5, seconds=2.0, enrolments=160, each=100),
    "large": dict(rounds=5, seconds=2.0, enrolments=0, each=0),
    "combine": dict(rounds=5, seconds=2.0, enrolments=0, each=0),
    "handshakes": dict(rounds=5, seconds=2.0, enrolments=0, each=0),
    "enrollment": dict(rounds=5, seconds=2.0, enrolments=48, each=0),
    "declarative": dict(rounds=5, seconds=1.0, enrolments=0, each=0),
    "lists": dict(rounds=5, seconds=1.0, enrolments=0, each=0),
    "older": dict(rounds=5, seconds=1.5, enrolments=420, each=0),
}

# Modes with a file of their own.
COMPARISONS = {"combine": combining, "declarative": declarative,
               "enrollment": enrollment,
               "handshakes": handshakes, "lists": lists, "older": older}

# Of the requests a second of the static file; microseconds of the database
# for each poll where the static file costs 100.
POLL_SHARE = {"sqlite3": 0.70, "pgsql": 0.45, "mysql": 0.35}
POLL_DATABASE = {"pgsql": 150, "mysql": 250}


# ---- one database: enrol, poll, round trip ----

class Bench:
    """Servers on one database, and what is done to them."""

    def __init__(self, stack, mode, kind, folder, devices):
        self.stack = stack
        self.kind = kind
        self.devices = devices
        self.folder = pathlib.Path(folder)
        self.rounds, self.seconds = mode["rounds"], mode["seconds"]
        self.rows = mode["rows"]
        self.enrolments, self.each = mode["enrolments"], mode["each"]
        self.baseline = mode["baseline"]
        if kind == "sqlite3":
            self.each *= 2              # it is that much faster
        self.server = database_server(kind)
        stack.callback(self.server.remove)
        self.server.start()
        self.count = 0                  # of commands that were filled in

    def httpd(self, database, **options):
        httpd = BenchHttpd(database, self.devices.ca, **options)
        self.stack.callback(httpd.remove)
        return httpd.start()

    def load(self, httpd, workload, **options):
        return load(self.devices, httpd, self.server, workload, **options)

    def timed(self, httpd, workload, **options):
        return self.load(httpd, workload, seconds=self.seconds, **options)

    def enrol(self, httpd, turn):
        return self.load(httpd, "enrol", first=turn * self.enrolments,
                         count=self.enrolments)

    def roundtrip(self, httpd):
        """As many commands as there are, each delivered and answered."""
        self.count += 1
        Filler(httpd.database).queues(f"rt{self.count}-", 0, CONNECTIONS,
                                      self.each)
        return self.load(httpd, "roundtrip", each=self.each)

    def library(self, httpd):
        """The same, by other devices, without httpd."""
        self.count += 1
        Filler(httpd.database).queues(f"cl{self.count}-", CONNECTIONS,
                                      CONNECTIONS, self.each)
        return self.library_run(httpd, CONNECTIONS, CONNECTIONS, self.each)

    def library_run(self, httpd, first, count, each):
        # On a busy machine many connect at once for longer than httpd would.
        params = str(httpd.database.params).replace("connect_timeout=2",
                                                    "connect_timeout=60")
        if self.kind == "mysql":
            words = dict(word.split("=") for word in params.split(","))
            params = ",".join(words[key] for key in
                              ("host", "port", "dbname", "user", "pass"))
        listed = self.devices.listed(self.folder / "devices.txt", first,
                                     count)
        return timed([PROGRAMS / "client_library", self.kind, params, listed,
                      count, each], Meter(None, self.server))


def measure(report, stack, mode, kind, folder, devices, baseline):
    bench = Bench(stack, mode, kind, folder, devices)
    new = bench.httpd(fresh(bench.server), extra_vhost=PROXIED)
    builds = {"": new}
    if baseline:
        builds[" (baseline)"] = bench.httpd(fresh(bench.server),
                                            module=baseline)
    say_head(NAMES[kind])
    enrol = take_turns(bench.rounds, {
        f"enrol{suffix}": lambda turn, httpd=httpd: bench.enrol(httpd, turn)
        for suffix, httpd in builds.items()})
    scenarios = {}
    for words, options in (("", {}), (", fresh connections",
                                      {"fresh": True}),
                           (", resumed sessions", {"resume": True})):
        if options:
            options["count"] = 2 * CONNECTIONS
        scenarios[f"static file{words}"] = (
            lambda turn, options=options: bench.timed(new, "static",
                                                      **options))
        for suffix, httpd in builds.items():
            scenarios[f"idle poll{words}{suffix}"] = (
                lambda turn, httpd=httpd, options=options: bench.timed(
                    httpd, "poll", **options))
    for suffix, httpd in builds.items():
        scenarios[f"round trip{suffix}"] = (
            lambda turn, httpd=httpd: bench.roundtrip(httpd))
    scenarios["round trip, client library"] = (
        lambda turn: bench.library(new))
    runs = {**enrol, **take_turns(bench.rounds, scenarios)}
    rows = {name: report.row(kind, name, runs[name]) for name in runs}
    judge(report, kind, rows, runs)
    if baseline:
        for name in runs:
            old = f"{name} (baseline)"
            if old in runs:
                report.compare(kind, f"{name}, requests/s of the baseline's",
                               ratio(runs[name], runs[old]))
    count_trips(report, bench, new)
    weigh(report, bench, new)
    fan_out(report, bench, new)
    tell(report, bench, new)
    push(report, bench)


def judge(report, kind, rows, runs):
    static, poll = runs["static file"], runs["idle poll"]
    scale = rows["static file"]["httpd_us"] / 100
    report.goal(kind, "idle poll, requests/s of the static file's",
                ratio(poll, static), POLL_SHARE[kind], least=True)
    report.goal(kind, "idle poll, httpd CPU of the static file's",
                ratio(poll, static, "httpd_us"), 2)
    if kind in POLL_DATABASE:
        report.goal(kind, "idle poll, CPU of the database (where the static"
                    f" file costs {rows['static file']['httpd_us']:.0f} us)",
                    rows["idle poll"]["db_us"], POLL_DATABASE[kind] * scale,
                    unit=" us")
    for words in "fresh connections", "resumed sessions":
        report.goal(kind, f"idle poll, {words}, requests/s of the static"
                    " file's", ratio(runs[f"idle poll, {words}"],
                                     runs[f"static file, {words}"]),
                    0.9, least=True)
    report.goal(kind, "round trip, requests/s of the client library's",
                ratio(runs["round trip"], runs["round trip, client library"]),
                0.8, least=True)


# ---- round trips to the database, and commits ----

class Counter:
    """Statements and writing transactions, as the server counts them."""

    def __init__(self, bench, database):
        self.bench, self.database = bench, database
        if bench.kind == "pgsql":
            self.admin("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            self.track("top")
        if bench.kind == "mysql":
            self.admin("SET GLOBAL innodb_monitor_enable = 'trx_rw_commits'")

    def admin(self, sql):
        user = ["postgres"] if self.bench.kind == "pgsql" else []
        connection = self.bench.server.admin(self.database.name, *user)
        with contextlib.closing(connection):
            if self.bench.kind == "pgsql":
                connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def track(self, what):
        self.admin(f"ALTER SYSTEM SET pg_stat_statements.track = '{what}'")
        self.admin("SELECT pg_reload_conf()")
        time.sleep(0.3)

    def read(self):
        """(trips, commits)"""
        if self.bench.kind == "pgsql":
            (calls,), = self.admin("SELECT COALESCE(SUM(calls), 0)"
                                   " FROM pg_stat_statements")
            # Whoever writes takes a number; reading takes none.
            (number,), = self.admin("SELECT pg_snapshot_xmax("
                                    "pg_current_snapshot())::text::bigint")
            return int(calls), number
        status = {name: int(value) for name, value in self.database.query(
            "SHOW GLOBAL STATUS") if value.isdigit()}
        (commits,), = self.admin(
            "SELECT count FROM information_schema.innodb_metrics"
            " WHERE name = 'trx_rw_commits'")
        # A ping is no question but a trip.
        return (status["Questions"] + status["Com_admin_commands"]
                + status["Com_stmt_reset"], commits)

    def close(self):
        if self.bench.kind == "pgsql":
            self.track("none")


def trips_logged(bench, database, workloads):
    """SQLite: what the module itself says, in its debug log."""
    httpd = bench.httpd(database, loglevel="debug", extra_vhost=PROXIED)
    for name, run in workloads.items():
        mark = httpd.mark()
        result = run(httpd)
        log = httpd.log_since(mark)
        yield name, log.count("NMDM0103") / result["requests"], None
    httpd.stop()


def trips_counted(bench, httpd, workloads):
    counter = Counter(bench, httpd.database)
    for name, run in workloads.items():
        # Neither preparing nor what counting itself costs.
        run(httpd)
        start, end = counter.read(), counter.read()
        own = [b - a for a, b in zip(start, end)]
        result = run(httpd)
        start, end = end, counter.read()
        trips, commits = (
            (b - a - cost) / result["requests"]
            for a, b, cost in zip(start, end, own))
        yield name, trips, commits
    counter.close()


def count_trips(report, bench, httpd):
    workloads = {
        "idle poll": lambda httpd: bench.load(httpd, "poll", seconds=0.5),
        "round trip": bench.roundtrip,
        # The devices are enrolled already; a second time costs the same.
        "enrol": lambda httpd: bench.enrol(httpd, 0),
    }
    found = (trips_logged(bench, httpd.database, workloads)
             if bench.kind == "sqlite3"
             else trips_counted(bench, httpd, workloads))
    for name, trips, commits in found:
        report.note(bench.kind, name, round_trips=trips, commits=commits)
        print(f"          {name}: {trips:.2f}"
              + (" statements" if commits is None else
                 f" round trips, {commits:.2f} commits") + " a request",
              flush=True)


# ---- memory ----

def weigh(report, bench, httpd):
    """With all threads busy; against the same httpd without the module."""
    bare = bench.httpd(None, without={"nanomdm", "database"})
    for server, workload in ((bare, "static"), (httpd, "poll")):
        bench.load(server, workload, seconds=bench.seconds, threads=THREADS,
                   count=THREADS)
    with_it, without = resident(httpd), resident(bare)
    report.note(bench.kind, "memory", **with_it,
                **{f"bare_{key}": value for key, value in without.items()})
    for key, words in (("rss_kb", "resident"), ("pss_kb", "resident, shared"
                                                " pages counted once")):
        report.goal(bench.kind, f"memory of httpd above that without the"
                    f" module, {words} ({with_it[key] / 1024:.1f} MB)",
                    (with_it[key] - without[key]) / 1024, 25, unit=" MB")
    bare.stop()


# ---- many answer one command ----

def fan_out(report, bench, httpd):
    """Over plain HTTP, as behind a proxy, so that no handshake hides what
    the database does."""
    if bench.kind == "sqlite3":
        return
    known = bench.enrolments * bench.rounds
    bench.load(httpd, "enrol", first=known, count=MANY - known)
    deleting = bench.httpd(httpd.database, extra_vhost=PROXIED
                           + "NanoMDMDeleteCommands On\n")
    for server, words in ((httpd, ""), (deleting, ", DeleteCommands On")):
        many = {"path": "/proxied", "plain": True, "header": "X-Client-Cert",
                "count": MANY, "threads": THREADS}
        filler = Filler(httpd.database)

        def one(turn):
            uuid = f"one{server.port}-{turn}-"
            filler.fan_out(uuid, 0, MANY)
            return bench.load(server, "answer", uuid=f"{uuid}0", **many)

        def own(turn):
            prefix = f"own{server.port}-{turn}-"
            filler.distinct(prefix, 0, MANY)
            return bench.load(server, "answer", uuid_each=prefix, **many)

        mark = server.mark()
        runs = take_turns(bench.rounds, {"one": one, "own": own})
        report.row(bench.kind, f"answers, own commands{words}", runs["own"])
        report.row(bench.kind, f"answers, one command{words}", runs["one"])
        report.goal(bench.kind, f"one command for {MANY} devices{words},"
                    " requests/s of distinct ones'",
                    ratio(runs["one"], runs["own"]), 0.8, least=True)
        failed = sum(run["refused"] + run["lost"]
                     for each in runs.values() for run in each)
        failed += len(re.findall("NMDM0101", server.log_since(mark)))
        report.goal(bench.kind, f"one command for {MANY} devices{words},"
                    " errors", failed, 0)
    deleting.stop()


# ---- webhooks ----

def tell(report, bench, receiver):
    """What an event costs that is kept until it is taken; its receiver is
    httpd, with a rule for each."""
    httpds = {
        delivery: bench.httpd(fresh(bench.server), extra_vhost=(
            f"NanoMDMWebhookURL http://127.0.0.1:{receiver.port}/taken\n"
            f"NanoMDMWebhookDelivery {delivery}\n"))
        for delivery in ("besteffort", "durable")}
    for httpd in httpds.values():
        bench.enrol(httpd, 0)
    names = {delivery: f"round trip, webhook {delivery}"
             for delivery in httpds}
    runs = take_turns(bench.rounds, {
        names[delivery]: lambda turn, httpd=httpd: bench.roundtrip(httpd)
        for delivery, httpd in httpds.items()})
    for name, each in runs.items():
        report.row(bench.kind, name, each)
    report.compare(bench.kind, f"{names['durable']}, requests/s of"
                   " besteffort's", ratio(runs[names["durable"]],
                                          runs[names["besteffort"]]))
    for httpd in httpds.values():
        httpd.stop()
        assert "NMDM150" not in httpd.error_log(), httpd.error_log()


# ---- size ----

QUEUED = 100_000                        # ids of one call, at most


def large(report, stack, mode, kind, folder, devices):
    """Whether history and the number of devices cost anything."""
    bench = Bench(stack, mode, kind, folder, devices)
    size = mode["rows"]
    say_head(f"{NAMES[kind]}: history and size")
    worlds = {"1,000 devices": small_world(bench)}
    for name, fill in (
            (f"{size:,} answered commands",
             lambda filler: filler.history("old", 0, MANY, size // MANY)),
            (f"{size:,} devices",
             lambda filler: filler.enrollments(MANY, size - MANY))):
        httpd = worlds[name] = small_world(bench)
        filler = Filler(httpd.database)
        fill(filler)
        filler.settle()
    runs = take_turns(bench.rounds, {
        name: lambda turn, httpd=httpd: bench.timed(httpd, "poll")
        for name, httpd in worlds.items()})
    rows = {name: report.row(kind, f"idle poll, {name}", runs[name])
            for name in runs}
    small = rows.pop("1,000 devices")
    for name, row in rows.items():
        report.goal(kind, f"idle poll, {name}: CPU of that with 1,000 devices"
                    " and no history", (row["httpd_us"] + row["db_us"])
                    / (small["httpd_us"] + small["db_us"]), 1.2)
    few, _, big = worlds.values()
    enqueue_meanwhile(report, bench, big, min(QUEUED, size - MANY))
    look_around(report, bench, {few: MANY, big: size})


def small_world(bench):
    httpd = bench.httpd(fresh(bench.server), extra_vhost=STATUS)
    bench.load(httpd, "enrol", count=MANY)
    Filler(httpd.database).settle()
    return httpd


def enqueue_meanwhile(report, bench, httpd, number):
    """Polls, unhurried, while one call queues for many devices."""
    def poll(seconds):
        return bench.load(httpd, "poll", seconds=seconds, threads=4, count=4,
                          pause=5)
    alone = [poll(3)]
    finished = {}

    def enqueue():
        plist = ('<?xml version="1.0" encoding="UTF-8"?><plist version="1.0">'
                 "<dict><key>CommandUUID</key><string>many</string>"
                 "<key>Command</key><dict><key>RequestType</key>"
                 "<string>ProfileList</string></dict></dict></plist>")
        body = json.dumps({
            "ids": [udid(MANY + i) for i in range(number)], "nopush": True,
            "command": base64.b64encode(plist.encode()).decode()}).encode()
        began = time.monotonic()
        with contextlib.closing(Operator(httpd, timeout=300)) as operator:
            answer = operator.call("POST", "/v1/enqueue", body,
                                   {"Content-Type": "application/json"})
        finished["status"] = answer.status
        finished["seconds"] = time.monotonic() - began

    thread = threading.Thread(target=enqueue)
    thread.start()
    meanwhile = [poll(1)]
    while thread.is_alive():
        meanwhile.append(poll(1))
    if len(meanwhile) > 1:
        meanwhile.pop()                 # the last had it only in part
    thread.join()
    alone.append(poll(3))
    assert finished["status"] == 200, finished
    report.note(bench.kind, f"enqueue for {number:,}",
                seconds=finished["seconds"])
    print(f"          {number:,} ids queued in {finished['seconds']:.1f} s")
    report.row(bench.kind, "slow polls, alone", alone)
    report.row(bench.kind, "slow polls, during it", meanwhile)
    report.goal(bench.kind, f"poll latency (p50) while {number:,} are queued,"
                " times that without", statistics.median(
                    run["p50_us"] for run in meanwhile)
                / statistics.median(run["p50_us"] for run in alone), 2)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--mode", choices=MODES, default="full")
    arguments.add_argument("--db", action="append", choices=NAMES,
                           help="only this database; may be repeated")
    arguments.add_argument("--baseline", type=pathlib.Path, metavar="MODULE",
                           help="another build, to be compared with")
    arguments.add_argument("--json", type=pathlib.Path,
                           default=PROGRAMS / "bench.json")
    arguments.add_argument("--rows", type=int, default=1_000_000,
                           help="of the filled tables, with --mode large, lists"
                           " and declarative")
    chosen = arguments.parse_args()
    baseline = chosen.baseline and chosen.baseline.resolve(strict=True)
    if chosen.mode == "older" and not baseline:
        arguments.error("which older build? BASELINE=OLD.so")
    mode, report = {**MODES[chosen.mode], "rows": chosen.rows,
                    "baseline": baseline}, Report()
    kinds = chosen.db or {"large": ["pgsql", "sqlite3"],
                          "handshakes": ["sqlite3"]}.get(chosen.mode,
                                                             list(NAMES))
    began = time.monotonic()
    for kind in kinds:
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            pathlib.Path(folder).chmod(0o755)
            devices = Devices(folder, max(MANY, mode["rounds"]
                                          * mode["enrolments"]))
            if chosen.mode == "large":
                large(report, stack, mode, kind, folder, devices)
            elif chosen.mode in COMPARISONS:
                COMPARISONS[chosen.mode].measure(
                    report, Bench(stack, mode, kind, folder, devices),
                    take_turns, ratio)
            else:
                measure(report, stack, mode, kind, folder, devices,
                        baseline)
        chosen.json.write_text(json.dumps({
            "mode": chosen.mode, "figures": report.figures,
            "goals": report.goals}, indent=1))
    if chosen.mode == "older":
        older.finish()
    reached = sum(goal["reached"] for goal in report.goals)
    print(f"\n{reached} of {len(report.goals)} goals reached in"
          f" {time.monotonic() - began:.0f} s; all figures: {chosen.json}")
    for goal in report.goals:
        if not goal["reached"]:
            print(f"missed: {NAMES[goal['database']]}: {goal['what']}:"
                  f" {goal['measured']:.3g}, not {goal['limit']:.3g}")


if __name__ == "__main__":
    main()
