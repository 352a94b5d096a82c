# SPDX-License-Identifier: Apache-2.0
"""nanomdmctl, as an operator runs it."""

import csv
import io
import json
import os
import pty
import subprocess
import sys

from server import server_authority
from system import ROOT

PROGRAM = ROOT / "tools/nanomdmctl"
LOCATIONS = """\
<Location "/status">
    SetHandler nanomdm-status
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
</Location>
"""


class Ran:
    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout.decode()
        self.err = done.stderr.decode()

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def csv(self):
        return list(csv.DictReader(io.StringIO(self.out)))

    def __repr__(self):
        return f"<{self.status}\n{self.out}\n{self.err}>"


class Ctl:
    """Settings of one server in a file of its own."""

    def __init__(self, server, folder, **settings):
        self.server = server
        self.ca = folder / "trusted.pem"
        self.ca.write_bytes(server_authority().pem)
        self.file = folder / "ctl.conf"
        key = folder / "api.key"
        key.write_text(server.api_key + "\n")
        key.chmod(0o600)
        self.settings = {
            "url": f"https://localhost:{server.tls_port}",
            "key": f"file:{key}", "ca-file": self.ca,
            "log": server.folder / "error.log", **settings}
        self.save()

    def save(self, **settings):
        self.settings.update(settings)
        self.file.write_text("".join(
            f"{name} = {value}\n" for name, value in self.settings.items()))
        return self

    def environment(self, **more):
        env = {name: value for name, value in os.environ.items()
               if not name.startswith(("NANOMDM_", "LD_PRELOAD", "ASAN_"))}
        return {**env, "NANOMDM_CONFIG": str(self.file), **more}

    def words(self, *words):
        return [sys.executable, str(PROGRAM), *map(str, words)]

    def __call__(self, *words, stdin=b"", **environment):
        return Ran(subprocess.run(
            self.words(*words), env=self.environment(**environment),
            input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            check=False, timeout=120))

    def start(self, *words):
        return subprocess.Popen(
            self.words(*words), env=self.environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)

    def on_terminal(self, *words, typed="", **environment):
        """(exit status, what a person sees)."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            self.words(*words), stdin=theirs, stdout=theirs, stderr=theirs,
            env=self.environment(TERM="xterm", **environment),
            start_new_session=True)
        os.close(theirs)
        os.write(ours, typed.encode())
        seen = b""
        while True:
            try:
                some = os.read(ours, 65536)
            except OSError:             # the other side is closed
                break
            if not some:
                break
            seen += some
        os.close(ours)
        return process.wait(60), seen.decode()
