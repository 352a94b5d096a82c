# SPDX-License-Identifier: Apache-2.0
"""What operators look at, where few are enrolled and where many are."""

import contextlib
import statistics
import time

from device import Operator
from report import NAMES
from world import Filler, udid

LOOKS = 60                              # at each page, in each world
OF_ONE = 300                            # commands of the device looked at


def look_around(report, bench, sizes):
    """The pages of operators where few are enrolled and where many are, each
    with a command that waits and one that is answered."""
    for httpd, devices in sizes.items():
        filler = Filler(httpd.database)
        filler.fan_out("wait-", 0, devices)
        filler.history("done-", 0, devices, 1)
        filler.queues("own-", 5, 1, OF_ONE)
        filler.history("own-done-", 5, 1, OF_ONE)
        filler.settle()
    compare(report, bench, sizes, pages)


def compare(report, bench, sizes, pages_of):
    """sizes: {httpd: enrollments}; pages_of(operator, enrollments) as pages."""
    print(f"\n{NAMES[bench.kind]}: what operators look at, in ms\n  {'':38}"
          + "".join(f"{devices:>12,}" for devices in sizes.values())
          + " enrollments", flush=True)
    with contextlib.ExitStack() as stack:
        asked = [pages_of(stack.enter_context(contextlib.closing(
            Operator(httpd, plain=True, timeout=300))), devices)
            for httpd, devices in sizes.items()]
        for name in asked[0]:
            took = [[], []]
            for _ in range(1 if "anew" in name else LOOKS):
                for times, each in zip(took, asked):
                    times.append(each[name]())
            compare_looks(report, bench.kind, name,
                          *map(statistics.median, took))


def compare_looks(report, kind, name, few, many):
    report.note(kind, f"look: {name}", few_ms=few, many_ms=many)
    print(f"  {name:38}{few:>12.2f}{many:>12.2f}", flush=True)
    if "anew" not in name and "offset" not in name:
        report.goal(kind, f"{name}: where many are enrolled, times that where"
                    " few are", many / few, 2)


def looker(operator):
    """look(method, url, body): a function that does so and says how many
    milliseconds it took."""
    def look(method, url, body=None):
        def once():
            began = time.perf_counter()
            answer = operator.call(method, url, body if body is not None
                                   else b"" if method == "POST" else None)
            took = (time.perf_counter() - began) * 1000
            assert answer.status == 200, answer
            once.answer = answer
            return took
        return once
    return look


def pages(operator, devices):
    """What to look at, by name."""
    look = looker(operator)
    query, late = "/v1/enrollments/query?limit=", devices * 9 // 10
    before = look("POST", f"{query}1&offset={late - 1}")
    before()
    cursor = before.answer.json["next_cursor"]
    return {
        "status page, counted anew": look("GET", "/status"),
        "status page": look("GET", "/status"),
        "status page, list of devices": look("GET", "/status?devices=1"),
        "status page, search for an id": look("GET",
                                              f"/status?q={udid(5)}"),
        "enrollments, first page": look("POST", f"{query}100"),
        "enrollments, page at 90 % by cursor": look(
            "POST", f"{query}100&cursor={cursor}"),
        "enrollments, page at 90 % by offset": look(
            "POST", f"{query}100&offset={late}"),
        "one enrollment": look("GET", f"/v1/enrollments/{udid(5)}"),
        "queue, a page": look("GET", f"/v1/queue/{udid(5)}"),
        "results, a page": look("GET", f"/v1/results/{udid(5)}"),
    }
