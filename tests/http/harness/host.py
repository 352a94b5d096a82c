# SPDX-License-Identifier: Apache-2.0
"""What belongs to this machine and not to the module: looked at once, and said
once, with the remedy. Afterwards the watch on error logs passes over it.

From the command line: a line for each remark; fails if there is one.
"""

import os
import pathlib
import re
import socket
import sys
import tempfile

# Lines of httpd's error log that speak of the machine, as few as possible:
# whatever is not here is an alarm.
REMARKS = (
    (re.compile(r"^\[[^]]*\] \[ssl:warn\] .*AH01882: "),
     "OpenSSL is older than the one that apache2 was built with",
     "apt-get update && apt-get install libssl3 openssl"
     " (Debian 13 and later: libssl3t64)"),
    (re.compile(r"AH00557: .*apr_sockaddr_info_get\(\) failed for "),
     "the machine's own name has no address",
     "add a line \"127.0.1.1 NAME\" to /etc/hosts, NAME being what"
     " `hostname` says"),
    (re.compile(r"AH00558: .*Could not reliably determine the server's"),
     "the machine's own name has no domain",
     "add a line \"127.0.1.1 NAME.DOMAIN NAME\" to /etc/hosts"),
)
SHARED_MEMORY = 16              # MB that PostgreSQL and httpd want


def is_of_the_host(line):
    """Whether a line of an error log is one of those."""
    return any(pattern.search(line) for pattern, _, _ in REMARKS)


def remarks_in(log):
    """(what is wrong, remedy) for each kind of line in an error log."""
    return [(what, remedy) for pattern, what, remedy in REMARKS
            if any(pattern.search(line) for line in log.splitlines())]


def localhost_remarks():
    """Tests name it; IPv4 is enough."""
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(
            "localhost", 80, socket.AF_INET)}
    except OSError:
        addresses = set()
    if "127.0.0.1" not in addresses:
        yield ("localhost is not 127.0.0.1",
               "add a line \"127.0.0.1 localhost\" to /etc/hosts")


def memory_remarks():
    try:
        shm = os.statvfs("/dev/shm")
        free = shm.f_bavail * shm.f_frsize / 2**20
    except OSError:
        free = 0
    if free < SHARED_MEMORY:
        yield (f"/dev/shm has {free:.0f} MB left",
               "mount -t tmpfs -o size=64m tmpfs /dev/shm")


def folder_remarks():
    """Databases and httpd's children are other users."""
    for path in pathlib.Path(tempfile.gettempdir(), "x").parents:
        if not path.stat().st_mode & 0o001:
            yield (f"other users may not enter {path}",
                   "name another folder in TMPDIR")


def httpd_remarks():
    """Of an httpd without the module."""
    import server
    httpd = server.Httpd(without=["nanomdm"])
    try:
        httpd.start()
        httpd.stop()
        said = httpd.error_log() + (httpd.folder / "stderr").read_text(
            errors="replace")
        yield from remarks_in(said)
    finally:
        httpd.remove()


def look():
    """All remarks on this machine."""
    return [*localhost_remarks(), *memory_remarks(), *folder_remarks(),
            *httpd_remarks()]


def lines():
    return [f"this machine: {what}; {remedy}" for what, remedy in look()]


if __name__ == "__main__":
    found = lines()
    for line in found:
        print(line)
    sys.exit(1 if found else 0)
