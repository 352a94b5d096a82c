# SPDX-License-Identifier: Apache-2.0
"""Polls and reports that go to the database together beside those that go each
by itself (NanoMDMCombine), at several numbers of busy threads."""

import itertools
import statistics

from world import BenchHttpd, Filler, fresh

BUSY = 8, 16, 25, 50
# More of httpd's threads than busy connections, or it closes kept ones.
THREADS = 64


class WideHttpd(BenchHttpd):
    def configure(self):
        self.size["threads"] = THREADS
        super().configure()


# Reports of a device in one run.
EACH = 40
# Round trips of the client library with statements of their own that ours are
# to reach, by database and number of threads.
LIBRARY = {("pgsql", 25): 1.25, ("pgsql", 50): 2.0,
           ("mysql", 25): 1.5, ("sqlite3", 25): 1.5}


def measure(report, bench, take_turns, ratio):
    """Devices are enrolled already when `bench` says so."""
    database = fresh(bench.server)
    sites = {}
    for words, combines in (("together", "On"), ("alone", "Off")):
        httpd = WideHttpd(database, bench.devices.ca,
                          extra_vhost=f"NanoMDMCombine {combines}\n")
        bench.stack.callback(httpd.remove)
        sites[words] = httpd.start()
    bench.load(sites["together"], "enrol", count=max(BUSY))
    # Not a figure: caches fill, and statements are prepared.
    for httpd in sites.values():
        bench.timed(httpd, "poll", threads=max(BUSY), count=max(BUSY))
    if bench.kind != "sqlite3":         # where polls are not combined
        for busy in BUSY:
            polls(report, bench, sites, busy, take_turns, ratio)
    for busy in BUSY:
        reports(report, bench, sites, busy, take_turns, ratio)


def polls(report, bench, sites, busy, take_turns, ratio):
    results = take_turns(bench.rounds, {
        words: lambda turn, httpd=httpd: bench.timed(
            httpd, "poll", threads=busy, count=busy)
        for words, httpd in sites.items()})
    for words, runs in results.items():
        report.row(bench.kind, f"{busy} polls at once, {words}", runs)
    judge(report, bench.kind, busy, results["together"], results["alone"],
          ratio)


def reports(report, bench, sites, busy, take_turns, ratio):
    """Each device answers commands, one after the other."""
    numbers = itertools.count()

    def fill():
        Filler(sites["alone"].database).queues(
            f"r{busy}-{next(numbers)}-", 0, busy, EACH)

    def by_httpd(httpd):
        fill()
        return bench.load(httpd, "roundtrip", each=EACH, threads=busy,
                          count=busy)

    def by_library(turn):
        fill()
        return bench.library_run(sites["alone"], 0, busy, EACH)
    results = take_turns(bench.rounds, {
        **{words: lambda turn, httpd=httpd: by_httpd(httpd)
           for words, httpd in sites.items()}, "client library": by_library})
    for words, runs in results.items():
        report.row(bench.kind, f"{busy} round trips at once, {words}", runs)
    together, alone = results["together"], results["alone"]
    if bench.kind != "sqlite3":
        report.compare(bench.kind, f"{busy} busy: database CPU of a round"
                       " trip, times alone", ratio(together, alone, "db_us"))
    report.compare(bench.kind, f"{busy} busy: round trips a second, times"
                   " alone", ratio(together, alone))
    share = ratio(together, results["client library"])
    words = f"{busy} busy: round trips a second of the client library's"
    if (bench.kind, busy) in LIBRARY:
        report.goal(bench.kind, words, share, LIBRARY[bench.kind, busy],
                    least=True)
    else:
        report.compare(bench.kind, words, share)
    if busy == 8:
        report.goal(bench.kind, "p50 of 8 reports at once, times alone",
                    statistics.median(a["p50_us"] / b["p50_us"]
                                      for a, b in zip(together, alone)), 1.05)


def judge(report, kind, busy, together, alone, ratio):
    cost = ratio(together, alone, "db_us")
    speed = ratio(together, alone)
    if busy <= 8:
        report.goal(kind, f"p50 of {busy} polls at once, times alone",
                    statistics.median(a["p50_us"] / b["p50_us"]
                                      for a, b in zip(together, alone)), 1.05)
    elif busy == 25:
        report.goal(kind, "database CPU of a poll, 25 busy, times alone",
                    cost, 0.35)
        report.goal(kind, "polls a second, 25 busy, times alone", speed, 1.4,
                    least=True)
    report.compare(kind, f"{busy} busy: database CPU, times alone", cost)
    report.compare(kind, f"{busy} busy: polls a second, times alone", speed)
