#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Builds and tests a clean copy of the source in other releases of Debian.

platforms.py [--short] SUITE...

A line for each step, then the versions it ran on, then "N passed, N failed, N
skipped". What cannot be had in time is skipped and says why; what was begun and
does not succeed has failed.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[2]
# Where the packages come from; without it debootstrap decides.
MIRROR = os.environ.get("MIRROR")
# A folder that is kept saves debootstrap the next time.
KEPT = os.environ.get("PLATFORMS_FOLDER")

# In seconds: until a system is installed, and for everything.
SHORT = 240, 420
LONG = 1800, 6 * 3600

# Mirrors may be behind their signatures; nothing is kept for long.
APT = """\
Acquire::Check-Valid-Until "false";
APT::Install-Recommends "false";
"""
DPKG = """\
force-unsafe-io
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
"""
VERSIONS = ("apache2-bin libapr1t64 libssl3t64 libexpat1 libjansson4"
            " libcurl4t64 libnghttp2-14 libplist-2.0-4 gcc clang python3"
            " sqlite3 mariadb-server postgresql").split()
MYSQL = "/opt/mysql/usr/sbin/mysqld"

# Loopback alone, processes of its own, and no mount that is seen outside.
ENTER = """\
mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" &&
mount -t tmpfs tmpfs "$0/dev/shm" || exit 125
if [ "$1" = alone ]; then ip link set lo up || exit 125; fi
shift
exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
"""


class Skipped(Exception):
    """This cannot be had here, or not in time."""


class Unknown(Exception):
    """A package that we ask for is none of this release's."""


class System:
    """A release of Debian in a folder."""

    def __init__(self, suite, folder):
        self.suite, self.folder = suite, folder / suite
        self.tree = self.folder / "root/mod_nanomdm"

    def run(self, command, seconds, *, alone=True):
        """(exit status, output) of a command of the shell inside."""
        words = ["unshare", "--mount", "--pid", "--fork", "--kill-child",
                 "--propagation=private", *(["--net"] if alone else []),
                 "sh", "-c", ENTER, self.folder, "alone" if alone else "open",
                 "sh", "-c", f"umask 022; {command}"]
        return call(words, seconds)

    def install(self, what, seconds):
        until = time.monotonic() + seconds
        if not (self.folder / "etc/debian_version").exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.must(call(["debootstrap", "--variant=minbase", self.suite,
                            self.folder, *([MIRROR] if MIRROR else [])],
                           seconds), "debootstrap")
        self.write("etc/apt/apt.conf.d/90nanomdm", APT)
        self.write("etc/dpkg/dpkg.cfg.d/90nanomdm", DPKG)
        self.write("etc/hosts", "127.0.0.1 localhost\n")
        shutil.copy("/etc/resolv.conf", self.folder / "etc/resolv.conf")
        self.copy_source()
        self.must(self.run(f"cd /root/mod_nanomdm && {what}",
                           until - time.monotonic(), alone=False),
                  "installing packages")

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def copy_source(self):
        """What is committed."""
        shutil.rmtree(self.tree, ignore_errors=True)
        self.tree.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as folder:
            archive = subprocess.run(
                [ROOT / "build-aux/dist.sh", folder], check=True,
                stdout=subprocess.PIPE, text=True).stdout.strip()
            subprocess.run(["tar", "-xf", archive, "-C", self.tree,
                            "--strip-components=1", "--no-same-owner"],
                           check=True)

    def must(self, result, what):
        status, output = result
        unknown = re.search(r"Unable to locate package \S+|Package '\S+' has no"
                            " installation candidate", output)
        if status and unknown:
            raise Unknown(unknown[0])
        if status:
            last = (output.strip().splitlines() or ["no reason given"])[-1]
            raise Skipped(f"{what} did not end well in time: {last}")

    def versions(self):
        _, output = self.run(
            "dpkg-query -W -f '${binary:Package} ${Version}\\n' "
            + " ".join(VERSIONS) + " 2>/dev/null; "
            f"[ ! -x {MYSQL} ] || {MYSQL} --version", 60)
        return output


def call(words, seconds):
    try:
        done = subprocess.run(
            [str(word) for word in words], timeout=max(seconds, 1),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        return 124, ((late.stdout or b"").decode(errors="replace")
                     + f"\nnot ended after {seconds:.0f} s\n")


COMPILED = "make -s -j$(nproc) WERROR=-Werror"
# The objects of the module, for the short form; in the long one the core is compiled
# with sanitizers, too.
CORE = ("$(ls build/src/*/*.o | grep -v -e src/httpd/ -e src/config/"
        " | tr '\\n' ' ')")
UNIT = {
    True: f"{COMPILED} check-unit UNIT_CORE=\"{CORE}\"",
    False: f"{COMPILED} check-unit",
}
CLANG = "CC=clang CFLAGS=-O0 BUILD=build-clang MODULE=build-clang/module.so"


def steps_of(suite, short):
    steps = [("warning-free with gcc", COMPILED),
             ("warning-free with clang", f"{COMPILED} {CLANG}"),
             ("make demo", "make demo"),
             ("unit tests", UNIT[short])]
    if not short:
        programs = ["sqlite3", "mysql", "pgsql"]
        programs += ["mysqld"] if suite == "sid" else []
        steps += [(f"tests/http, {name}", http(name)) for name in programs]
    return steps


INSTALL = {
    True: "build-aux/install-deps.sh demo"
          " && apt-get install -y libcmocka-dev clang libclang-rt-dev",
    False: "build-aux/install-deps.sh check",
}
# Its package and MariaDB's exclude each other.
UNPACK_MYSQL = f"""\
 && apt-get install -y $(apt-cache depends mysql-server-core \
        | sed -n 's/^ *Depends: \\([a-z0-9.+-]*\\)$/\\1/p') \
 && cd /tmp && apt-get download mysql-server-core \
 && dpkg -x mysql-server-core_*.deb /opt/mysql && {MYSQL} --version"""


def http(program):
    return (f"NANOMDM_MYSQLD={MYSQL} " if program == "mysqld" else "") + (
        "/usr/bin/python3 -m pytest -q --tb=short -n 3 --dist loadgroup"
        f" tests/http --db {program}")


def check(suite, folder, short, count):
    """One release; count: passed, failed, skipped."""
    until_installed, until = SHORT if short else LONG
    started = time.monotonic()
    system = System(suite, folder)
    what = INSTALL[short]
    if suite == "sid" and not short:
        what += UNPACK_MYSQL
    steps = steps_of(suite, short)
    try:
        system.install(what, until_installed)
    except Skipped as reason:
        count[2] += len(steps)
        print(f"{suite}: skipped: {reason}", flush=True)
        return
    except Unknown as reason:
        count[1] += 1
        print(f"{suite}: failed: {reason}", flush=True)
        return
    for name, command in steps:
        left = started + until - time.monotonic()
        if left < 20:
            count[2] += 1
            print(f"{suite}: {name}: skipped: no time left", flush=True)
            continue
        began = time.monotonic()
        status, output = system.run(f"cd /root/mod_nanomdm && {command}", left)
        late = status == 124 and short
        count[2 if late else bool(status)] += 1
        print(f"{suite}: {name}: "
              + ("skipped: no time left" if late
                 else "failed" if status else "ok")
              + f" ({time.monotonic() - began:.0f} s)"
              + said(name, status and not late, output), flush=True)
    print("".join(f"{suite}: {line}\n"
                  for line in system.versions().splitlines()), end="")


def said(name, failed, output):
    """All of a failure; of the rest, what counts."""
    if failed:
        return "\n" + output
    counted = re.findall(r"^\d+ passed.*$", output, re.MULTILINE)
    if name == "make demo":
        return "\n" + output.rstrip()
    return f": {counted[-1]}" if counted else ""


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--short", action="store_true")
    arguments.add_argument("suite", nargs="+")
    chosen = arguments.parse_args()
    if os.geteuid():
        sys.exit("debootstrap and unshare want root")
    count = [0, 0, 0]
    folder = pathlib.Path(KEPT or tempfile.mkdtemp(
        prefix="nanomdm-platforms-", dir="/var/tmp"))
    try:
        for suite in chosen.suite:
            check(suite, folder, chosen.short, count)
    finally:
        if not KEPT:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{count[0]} passed, {count[1]} failed, {count[2]} skipped")
    return 1 if count[1] else 0


if __name__ == "__main__":
    sys.exit(main())
