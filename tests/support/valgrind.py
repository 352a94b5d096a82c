#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a server under valgrind while a device enrolls, gets a command and
reports on it, on SQLite.

Pool memory is from malloc, piece by piece (pool_shim.c), so that valgrind
sees where each ends. Prints every error that has a frame of ours and ends
with "N passed, N failed".
"""

import contextlib
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/http/harness"))

import ca as certs                      # noqa: E402
from databases import Sqlite            # noqa: E402
from device import Device, Operator, command  # noqa: E402
from server import Httpd                # noqa: E402

SHIM = ROOT / "build-unit/pool_shim.so"
OURS = re.compile(r"\((mod_nanomdm|nmdm)\w*\.c:\d+\)|mod_nanomdm\.so")

LINES = """\
NanoMDMPushCACertificateFile {folder}/ca.pem
NanoMDMUpstreamCACertificateFile {folder}/ca.pem
NanoMDMRateLimit 1000/s
NanoMDMAssociation latest
NanoMDMReenroll keep
<Location "/status">
    SetHandler nanomdm-status
</Location>
"""


class Examined(Httpd):
    """httpd as one process below valgrind."""

    patience = 120

    def command(self, *words):
        httpd = super().command(*words)
        return httpd if "-t" in words else [
            "valgrind", "-q", "--trace-children=no", "--num-callers=30",
            "--leak-check=full", "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite", "--keep-debuginfo=yes",
            f"--log-file={self.folder}/valgrind.log", *httpd, "-X"]

    def environment(self):
        return {**os.environ, "LD_PRELOAD": str(SHIM)}

    def errors(self):
        """Each error of valgrind that has a frame of ours."""
        log = (self.folder / "valgrind.log").read_text(errors="replace")
        pieces = re.split(r"^==\d+== *$", log, flags=re.MULTILINE)
        return [piece.strip() for piece in pieces if OURS.search(piece)]


def live(server, ca):
    """Enrolls twice, works off a command, and is seen by an operator."""
    mac = Device(server, ca.issue(), timeout=120)
    operator = Operator(server, timeout=120)
    uuid, plist = command()
    mac.enroll()
    assert operator.enqueue(mac.id, plist).status == 200
    assert mac.idle().body == plist
    assert mac.not_now(uuid).body == b""
    assert mac.acknowledge(uuid).body == b""
    assert mac.set_bootstrap_token(b"token").status == 200
    assert mac.get_bootstrap_token().status == 200
    mac.user().enroll()
    mac.enroll()
    assert mac.send(b"nonsense").status == 400
    for path in (f"/v1/enrollments/{mac.id}", f"/v1/results/{mac.id}",
                 "/status", "/status?json", "/status?prometheus"):
        assert operator.call("GET", path).status == 200, path
    assert mac.checkout().status == 200
    operator.close()
    mac.close()


def main():
    ca = certs.root("Test Device CA")
    with contextlib.ExitStack() as stack:
        databases = Sqlite()
        stack.callback(databases.remove)
        databases.start()
        server = Examined(databases.fresh(), ca, extra_vhost=LINES,
                          threads=2, sanitize=False,
                          files={"ca.pem": ca.pem})
        stack.callback(server.remove)
        server.start()
        live(server, ca)
        process = server.process
        server.stop()
        assert process.returncode == 0, "it did not end by itself"
        errors = server.errors()
        alarms = server.alarms()
    for error in errors:
        print(error, end="\n\n")
    for alarm in alarms:
        print(f"in the error log: {alarm}")
    failed = bool(errors or alarms)
    print(f"{int(not failed)} passed, {int(failed)} failed")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
