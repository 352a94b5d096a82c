# SPDX-License-Identifier: Apache-2.0
"""Polls of devices that connect anew: httpd as Debian configures it beside the
settings that the documents advise."""

from world import CONNECTIONS, BenchHttpd, fresh

ADVISED = "SSLSessionTickets off\n"


def measure(report, bench, take_turns, ratio):
    database = fresh(bench.server)
    sites = {}
    for words, lines in (("advised", ADVISED), ("by default", "")):
        httpd = BenchHttpd(database, bench.devices.ca, extra_vhost=lines)
        bench.stack.callback(httpd.remove)
        sites[words] = httpd.start()
    bench.load(sites["advised"], "enrol", count=CONNECTIONS)
    for words, options, limit in (("fresh", {"fresh": True}, 0.68),
                                  ("resumed", {"resume": True}, 0.75)):
        results = take_turns(bench.rounds, {
            name: lambda turn, httpd=httpd: bench.timed(
                httpd, "poll", **options)
            for name, httpd in sites.items()})
        for name, runs in results.items():
            report.row(bench.kind, f"poll, {words}, {name}", runs)
        report.goal(bench.kind, f"httpd's CPU of a poll, {words} connection,"
                    " advised, times default",
                    ratio(results["advised"], results["by default"],
                          "httpd_us"), limit)
