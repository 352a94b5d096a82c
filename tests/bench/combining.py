# SPDX-License-Identifier: Apache-2.0
"""Polls that ask the database together beside polls that each ask for
themselves (NanoMDMCombine), at several numbers of busy threads."""

import statistics

from world import BenchHttpd, fresh

BUSY = 8, 16, 25, 50
# More of httpd's threads than busy connections, or it closes kept ones.
THREADS = 64


class WideHttpd(BenchHttpd):
    def configure(self):
        self.size["threads"] = THREADS
        super().configure()


def measure(report, bench, take_turns, ratio):
    """Devices are enrolled already when `bench` says so; nothing waits."""
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
    for busy in BUSY:
        results = take_turns(bench.rounds, {
            words: lambda turn, httpd=httpd: bench.timed(
                httpd, "poll", threads=busy, count=busy)
            for words, httpd in sites.items()})
        for words, runs in results.items():
            report.row(bench.kind, f"{busy} polls at once, {words}", runs)
        judge(report, bench.kind, busy, results["together"],
              results["alone"], ratio)


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
