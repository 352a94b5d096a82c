#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every test, one stage after the other; ends with "N passed, N failed".

run.py            all stages
run.py STAGE...   some of them

A stage that breaks off counts as one failure. What a stage prints is shown
when it fails, or with -v.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).parents[1]
ASAN_MODULE = ROOT / "mod_nanomdm-asan.so"
POOL_SHIM = ROOT / "build-unit/pool_shim.so"
THREADED = ("net/test_apns_client", "db/test_combiner", "base/test_cond",
            "net/test_http_client", "storage/test_last_seen",
            "base/test_once_daily", "base/test_rate_limit",
            "db/test_sqlite_wal")
PYTHON = "/usr/bin/python3"


# They wait more than they work: four at a time, each with its own servers.
TOGETHER = "-n", "4", "--dist", "loadgroup"
# What no second try forgives, and how many failures may have one.
CRASHES = re.compile(r"Sanitizer|runtime error:|exit signal")
SECOND_TRIES = 5


class Result:
    def __init__(self, passed=0, failed=0, skipped=0, output=""):
        self.passed, self.failed, self.skipped = passed, failed, skipped
        self.output = output
        self.tests, self.unsteady = [], []


def call(*command, **environment):
    """Exit status and all output of a command run in the checkout."""
    done = subprocess.run(
        [str(word) for word in command], cwd=ROOT, text=True, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, errors="replace",
        env={**os.environ, "WERROR": "-Werror", **environment})
    return done.returncode, done.stdout


def host():
    """What this machine brings that would be in every error log."""
    status, output = call(PYTHON, "tests/http/harness/host.py")
    return Result(int(not status), int(bool(status)), output=output)


def scripts():
    """The small rules: layers, log tags, directives, documents."""
    result = Result()
    for script in sorted(ROOT.glob("tests/check_*.*")):
        program = {".sh": "sh", ".py": PYTHON}[script.suffix]
        status, output = call(program, script)
        if status:
            result.failed += 1
            result.output += f"{script.name}: {output}"
        else:
            result.passed += 1
    return result


def compilers():
    """Warning-free with gcc and with clang; "make" alone forgives."""
    result = Result()
    # With -O3 gcc follows more calls, and sees a use without a value as newer
    # ones do with less; -O2 is what "make" has built.
    for compiler, flags in ("gcc", "-O3"), ("clang", "-O0"):
        status, output = call("make", "-j2", f"CC={compiler}",
                              f"CFLAGS={flags}", f"BUILD=build-{compiler}",
                              f"MODULE=build-{compiler}/mod_nanomdm.so")
        result.passed += not status
        result.failed += bool(status)
        result.output += output if status else ""
    return result


def unit():
    """The core under ASan and UBSan, with cmocka."""
    return cmocka("build-unit")


def threads():
    """What has threads or is shared by them, under ThreadSanitizer."""
    return cmocka("build-tsan", "UNIT_RUNTIME=-fsanitize=thread",
                  "UNIT_PROGS=" + " ".join(
                      f"build-tsan/{name}" for name in THREADED))


def cmocka(folder, *variables):
    result = cmocka_once(folder, *variables)
    if not result.tests or CRASHES.search(result.output):
        return result
    return forgive(result, cmocka_once(
        folder, *variables, "UNIT_PROGS=" + " ".join(
            f"{folder}/{name}" for name in result.tests)))


def cmocka_once(folder, *variables):
    """.tests are the programs with failures, when they are few."""
    status, output = call("make", "-j2", "check-unit",
                          f"UNIT_BUILD={folder}", *variables)
    counted = ROOT / folder / "result"
    if not counted.exists():
        return Result(failed=1, output=output)
    passed, failed = map(int, counted.read_text().split())
    if status and not failed:
        failed = 1
    result = Result(passed, failed, output=output)
    if failed <= SECOND_TRIES:
        result.tests = re.findall(r"^(\w+/test_\w+): exit status", output,
                                  re.MULTILINE)
    return result


def forgive(result, again):
    """What failed was run once more, alone: whatever else the machine does
    is in the tests' clocks. What passes then is reported as unsteady."""
    result.output += again.output
    if again.passed and not again.failed:
        result.unsteady, result.tests = result.tests, []
        result.passed += result.failed
        result.failed = 0
    return result


def corpus():
    """Each input that the fuzzers learned from, under ASan and UBSan."""
    status, output = call("make", "-j2", "check-fuzz-corpus")
    return Result(int(not status), int(bool(status)), output=output)


def faults():
    """Devices lose nothing while servers and databases break."""
    status, output = call("make", "check-faults", "FAULTS=short")
    counted = re.search(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$",
                        output, re.MULTILINE)
    if not counted:
        return Result(failed=1, output=output)
    passed, failed, skipped = (int(number or 0)
                               for number in counted.groups())
    return Result(passed, max(failed, int(bool(status))), skipped, output)


def pytest(*arguments, **environment):
    """Tests against a real httpd, with its databases."""
    result = pytest_once("tests/http", *arguments, **environment)
    if not result.tests or CRASHES.search(result.output):
        return result
    return forgive(result, pytest_once(*result.tests, **environment))


def pytest_once(*arguments, **environment):
    """Counted from pytest's own report; .tests are those that failed, when
    they are few."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        status, output = call(PYTHON, "-m", "pytest", "-q", "--tb=short",
                              f"--junitxml={report}", *arguments,
                              **environment)
        if not report.exists():
            return Result(failed=1, output=output)
        suite = xml.etree.ElementTree.parse(report).getroot()[0]
    total, failures, errors, skipped = (
        int(suite.get(name))
        for name in ("tests", "failures", "errors", "skipped"))
    failed = failures + errors
    if status and not failed:
        failed = 1
    result = Result(total - failures - errors - skipped, failed, skipped,
                    output)
    tests = [test_id(case) for case in suite.iter("testcase")
             if {"failure", "error"} & {child.tag for child in case}]
    if len(tests) <= SECOND_TRIES:
        result.tests = tests
    return result


def test_id(case):
    """How pytest is asked for a test of its report; pytest-xdist has put
    its group after the name."""
    path = case.get("classname").replace(".", "/")
    return f"{path}.py::{re.sub(r'@[a-z_0-9]+$', '', case.get('name'))}"


def http():
    """Event MPM on PostgreSQL and MariaDB; on SQLite what no sanitizer sees."""
    return pytest("--sanitized=never", *TOGETHER)


def worker():
    """Worker MPM, the main path on SQLite."""
    return pytest("-k", "smoke or checkin or certauth or user_authenticate",
                  "-m", "not slow", "--db", "sqlite3", *TOGETHER,
                  NANOMDM_MPM="worker")


def sanitized():
    """Event MPM on SQLite under ASan and UBSan, pool memory included."""
    status, output = call("make", "-j2", "pool-shim", "asan-module")
    if status:
        return Result(failed=1, output=output)
    return pytest("--sanitized=only", *TOGETHER,
                  NANOMDM_MODULE_ASAN=str(ASAN_MODULE),
                  NANOMDM_PRELOAD=str(POOL_SHIM))


def valgrind():
    """One process of httpd under valgrind, from enrollment to CheckOut."""
    status, output = call("make", "check-valgrind")
    counted = re.search(r"^(\d+) passed, (\d+) failed$", output, re.MULTILINE)
    if not counted:
        return Result(failed=1, output=output)
    passed, failed = map(int, counted.groups())
    return Result(passed, max(failed, int(bool(status))), output=output)


STAGES = {stage.__name__: stage for stage in
          (host, scripts, compilers, unit, threads, corpus, http, worker,
           sanitized, valgrind, faults)}


def main():
    os.umask(0o022)             # other users run the databases and httpd
    os.environ["LC_ALL"] = "C.UTF-8"    # what programs say is read
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("-v", "--verbose", action="store_true")
    arguments.add_argument("stage", nargs="*", help=", ".join(STAGES))
    chosen = arguments.parse_args()
    unknown = set(chosen.stage) - set(STAGES)
    if unknown:
        arguments.error(f"no such stage: {', '.join(sorted(unknown))}")
    total = Result()
    for name in chosen.stage or STAGES:
        started = time.monotonic()
        print(f"{name}: {STAGES[name].__doc__}", flush=True)
        result = STAGES[name]()
        if result.failed or result.unsteady or chosen.verbose:
            print(result.output, flush=True)
        for test in result.unsteady:
            print(f"{name}: unsteady, passed when run again: {test}",
                  flush=True)
        print(f"{name}: {result.passed} passed, {result.failed} failed"
              + (f", {result.skipped} skipped" if result.skipped else "")
              + f" in {time.monotonic() - started:.0f} s", flush=True)
        total.passed += result.passed
        total.failed += result.failed
        total.skipped += result.skipped
    print(f"{total.passed} passed, {total.failed} failed"
          + (f", {total.skipped} skipped" if total.skipped else ""))
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
