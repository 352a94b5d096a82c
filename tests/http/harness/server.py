# SPDX-License-Identifier: Apache-2.0
"""A private httpd with mod_nanomdm, and its error log as a witness."""

import contextlib
import dataclasses
import functools
import http.client
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import ca as certs
import host
from system import (ROOT, children, free_port, half_closed, kill_tree,
                    remove_folder, run, spawn, temp_folder, wait_until)

APACHE = "/usr/sbin/apache2"
MODULES = pathlib.Path("/usr/lib/apache2/modules")
STANDARD_MODULES = (
    "authn_core", "authz_core", "authz_host", "authz_user", "auth_basic",
    "dbd", "socache_shmcb", "ssl", "headers", "alias", "env", "setenvif",
    "mime")

# A line that an administrator would be woken by.  A crash is only a
# "notice" to httpd.  Lines without httpd's prefix come from elsewhere in
# the process: sanitizers, libc, assertions.
ALARMING = re.compile(r"^\[[^]]*\] \[\w*:(emerg|alert|crit|error|warn)\]"
                      r"|^\[.*exit signal|^(?!\[)")

# Of ours, in a stack that gdb shows.
OUR_FRAME = re.compile(r"\bat src/|mod_nanomdm")
# httpd ends a child from within the handler of SIGTERM: exit() then runs
# in the middle of whatever the signal interrupted, malloc() for one.
EXIT_IN_HANDLER = re.compile(
    r"^#\d+ .*exit \(.*\n(#\d+ .*mod_mpm_\w+\.so\n)+"
    r"#\d+ +<signal handler called>$", re.MULTILINE)
# What malloc() says before it aborts.
OF_MALLOC = re.compile(r"^(corrupted|double free|free|malloc|munmap|realloc)")

# Seconds until a line that must come has come.
PATIENCE = 15

BASE = """\
ServerRoot "{folder}"
DefaultRuntimeDir "{folder}"
PidFile "{folder}/httpd.pid"
CoreDumpDirectory "{folder}/cores"
Mutex file:{folder}
ServerName localhost
DocumentRoot "{folder}/htdocs"
Listen 127.0.0.1:{port}
Listen 127.0.0.1:{tls_port}
ErrorLog "{folder}/error.log"
LogLevel info
User www-data
Group www-data
TypesConfig /dev/null
Timeout 30
KeepAliveTimeout {keep_alive}
MaxKeepAliveRequests 0
"""

# ServerLimit leaves room for children that are still finishing when a
# graceful restart starts new ones.
THREADED_MPM = """\
ServerLimit {limit}
StartServers {children}
ThreadLimit {threads}
ThreadsPerChild {threads}
MaxRequestWorkers {workers}
MinSpareThreads 1
MaxSpareThreads {workers}
"""

PREFORK_MPM = """\
StartServers {children}
MaxRequestWorkers {workers}
"""

TLS = """\
SSLEngine on
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLCertificateFile "{folder}/server.pem"
SSLVerifyClient optional_no_ca
"""

LOCATIONS = {
    "mdm": """\
<Location "/mdm">
    SetHandler nanomdm
    {extra_mdm}
</Location>
""",
    "api": """\
<Location "/v1">
    SetHandler nanomdm-api
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
</Location>
""",
    "version": """\
<Location "/version">
    SetHandler nanomdm-version
</Location>
""",
}


@functools.lru_cache(maxsize=None)
def server_authority():
    return certs.root("Test Server CA")


@functools.lru_cache(maxsize=None)
def server_identity():
    return server_authority().issue("localhost", eku="server",
                                    dns="localhost")


@functools.lru_cache(maxsize=None)
def asan_library():
    return run("gcc", "-print-file-name=libasan.so").decode().strip()


def module_path(sanitize=False):
    """The module under test, or its twin built with sanitizers."""
    if sanitize:
        return pathlib.Path(os.environ["NANOMDM_MODULE_ASAN"])
    return pathlib.Path(os.environ.get("NANOMDM_MODULE",
                                       ROOT / "mod_nanomdm.so"))


@dataclasses.dataclass
class Announcement:
    """Error log lines that a test says will come."""

    patterns: tuple
    server: object = None             # None: whichever server logs it
    optional: bool = False

    def covers(self, server, line):
        if self.server not in (None, server):
            return False
        return all(re.search(pattern, line) for pattern in self.patterns)

    def __str__(self):
        return " and ".join(self.patterns)


class Httpd:
    """One httpd in a folder of its own.

    The configuration is the contract's smallest one, put together from
    named pieces; both virtual hosts, TLS and plain, carry the same.

    database      where the module keeps its tables, or None for no DBD
    ca            Authority or PEM of the devices' trust anchors
    without       pieces to leave out: database, ca, api_key, mdm, api,
                  version, tls (the https virtual host), plain, nanomdm
                  (the module itself)
    replace       {piece: text} to put in a piece's place
    extra_server, extra_vhost, extra_mdm
                  more lines for the server, both virtual hosts, and the
                  Location /mdm; {folder} stands for the server's folder
    files         {name: bytes} to write into the folder before start
    modules       more of httpd's own modules, such as "http2"
    connected     open all connections to the database at the start, as
                  administrators are advised to
    mpm, children, threads
                  event, worker or prefork, and its size
    sanitize      run the AddressSanitizer build; the default is whether
                  NANOMDM_MODULE_ASAN names one
    preload       a library to preload; behind libasan the default is
                  NANOMDM_PRELOAD
    asan_options  ASAN_OPTIONS
    """

    patience = 60               # seconds until it must have started

    def __init__(self, database=None, ca=None, *, api_key="api-secret",
                 without=(), replace=None, extra_server="", extra_vhost="",
                 extra_mdm="", files=None, modules=(), connected=False,
                 mpm=None,
                 children=1, threads=8, sanitize=None, preload=None,
                 asan_options=None):
        self.database = database
        self.ca = ca
        self.api_key = api_key
        self.without = set(without)
        self.replace = replace or {}
        self.extra = {"extra_server": extra_server,
                      "extra_vhost": extra_vhost, "extra_mdm": extra_mdm}
        self.modules = modules
        self.connected = connected
        self.mpm = mpm = mpm or os.environ.get("NANOMDM_MPM", "event")
        # Only event lets go of idle connections at once when it stops.
        self.size = {"children": children, "threads": threads,
                     "keep_alive": 30 if mpm == "event" else 2,
                     "limit": children + 7,
                     "workers": (children + 1) * threads}
        self.sanitize = ("NANOMDM_MODULE_ASAN" in os.environ
                         if sanitize is None else sanitize)
        self.preload = preload or (self.sanitize and os.environ.get(
            "NANOMDM_PRELOAD"))
        self.asan_options = asan_options or os.environ.get(
            "ASAN_OPTIONS", "detect_leaks=0")
        self.process = None
        self.announced = []
        self.checked = 0
        self.folder = temp_folder("httpd")
        self.conf = self.folder / "httpd.conf"
        (self.folder / "htdocs").mkdir()
        (self.folder / "cores").mkdir()
        (self.folder / "cores").chmod(0o777)
        for name, content in (files or {}).items():
            self.write(name, content)
        self.configure()

    # -- configuration ------------------------------------------------

    def write(self, name, content):
        """Put a file into the folder; its path comes back."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes)
                         else content.encode())
        return path

    def configure(self):
        """Write the configuration, on ports that are free now."""
        self.port = free_port()
        self.tls_port = free_port()
        self.write("server.pem",
                   server_identity().pem + server_identity().key_pem)
        site = self.site()
        text = (self.load_modules()
                + BASE.format(folder=self.folder, port=self.port,
                              tls_port=self.tls_port, **self.size)
                + (PREFORK_MPM if self.mpm == "prefork"
                   else THREADED_MPM).format(**self.size))
        if "nanomdm" not in self.without:
            text += "LogLevel nanomdm:debug\n"
        text += self.piece("database", self.database_lines)
        text += "SSLSessionCache shmcb:{0}/ssl_cache(512000)\n".format(
            self.folder)
        text += self.fill("extra_server")
        if "plain" not in self.without:
            text += self.vhost(self.port, site)
        if "tls" not in self.without:
            text += self.vhost(self.tls_port, self.piece(
                "tls", lambda: TLS.format(folder=self.folder)) + site)
        self.conf.write_text(text)

    def load_modules(self):
        names = (f"mpm_{self.mpm}", *STANDARD_MODULES, *self.modules)
        lines = [f"LoadModule {name}_module {MODULES}/mod_{name}.so"
                 for name in names]
        if "nanomdm" not in self.without:
            lines.append("LoadModule nanomdm_module "
                         f"{module_path(self.sanitize)}")
        return "\n".join(lines) + "\n"

    def site(self):
        """What both virtual hosts have in common."""
        text = self.piece("ca", self.ca_lines)
        text += self.piece("api_key", self.api_key_lines)
        if {"api_key", "nanomdm"}.isdisjoint({*self.without, *self.replace}):
            # Others that share the database have another APNs, or none.
            text += "NanoMDMPushRepeat Off\n"
        text += self.fill("extra_vhost")
        for name, location in LOCATIONS.items():
            text += self.piece(name, lambda: location.replace(
                "{extra_mdm}", self.fill("extra_mdm").strip()))
        return text

    def piece(self, name, standard):
        """A piece's text: replaced, left out, or the standard one."""
        if name in self.replace:
            return self.replace[name].replace("{folder}",
                                              str(self.folder)) + "\n"
        nanomdm_only = name not in ("database", "tls")
        if (name in self.without
                or (nanomdm_only and "nanomdm" in self.without)):
            return ""
        return standard()

    def fill(self, name):
        text = self.extra[name].replace("{folder}", str(self.folder))
        return text + "\n" if text else ""

    def database_lines(self):
        if not self.database:
            return ""
        connections = self.size["threads"] + 2
        return self.database.dbd_lines(
            connections, at_start=connections if self.connected else 1)

    def ca_lines(self):
        if not self.ca:
            return ""
        pem = getattr(self.ca, "pem", self.ca)
        return ("NanoMDMCACertificateFile "
                f"{self.write('device-ca.pem', pem)}\n")

    def api_key_lines(self):
        path = self.write("api.key", self.api_key + "\n")
        path.chmod(0o600)
        return f"NanoMDMAPIKey file:{path}\n"

    @staticmethod
    def vhost(port, body):
        return (f"<VirtualHost 127.0.0.1:{port}>\n"
                f"ServerName localhost\n{body}</VirtualHost>\n")

    # -- life ---------------------------------------------------------

    def command(self, *words):
        return [APACHE, "-d", str(self.folder), "-f", str(self.conf),
                *words]

    def environment(self):
        env = dict(os.environ)
        # Debian's list of authorities takes longer to read than all the
        # rest of a start.
        env["SSL_CERT_FILE"] = str(self.write("trusted.pem",
                                              server_authority().pem))
        libraries = [asan_library()] if self.sanitize else []
        if self.preload:
            libraries.append(self.preload)
        if libraries:
            env["LD_PRELOAD"] = " ".join(map(str, libraries))
        if self.sanitize:
            env["ASAN_OPTIONS"] = self.asan_options
        return env

    def configtest(self):
        """(exit status, everything it said)."""
        done = subprocess.run(
            self.command("-t"), env=self.environment(),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout.decode(errors="replace")

    def start(self):
        """Run, and wait until a request is answered."""
        env = self.environment()
        libraries = env.pop("LD_PRELOAD", "")   # setpriv needs none of them
        with open(self.folder / "stderr", "wb") as stderr:
            self.process = spawn(["prlimit", "--core=unlimited",
                                  "env", f"LD_PRELOAD={libraries}",
                                  *self.command("-DFOREGROUND")], stderr,
                                 env=env)
        wait_until(lambda: self.process.poll() is not None
                   or self.answers(), seconds=self.patience)
        if self.process.poll() is not None or not self.answers():
            said = ((self.folder / "stderr").read_text(errors="replace")
                    + self.error_log())
            self.stop()
            raise RuntimeError("httpd does not start:\n" + said)
        return self

    def answers(self):
        port = self.tls_port if "plain" in self.without else self.port
        connection = http.client.HTTPConnection("127.0.0.1", port,
                                                timeout=10)
        try:
            connection.request("GET", "/", headers={"Host": "localhost"})
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    def stop(self):
        """Stop as `apachectl stop` does."""
        if not self.process:
            return
        if self.process.poll() is None:
            self.wait_for_ends()
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                kill_tree(self.process)
        self.process = None

    def wait_for_ends(self):
        """Until httpd has closed what its clients have: mpm_event 2.4.71
        now and then crashes when it is told to stop in the moment in which
        a connection ends."""
        wait_until(lambda: not half_closed({self.port, self.tls_port}),
                   seconds=5)
        time.sleep(0.02)        # the worker has a few steps to go

    def kill(self):
        kill_tree(self.process)
        self.process = None

    def restart(self):
        """Stop and start, with the same configuration and ports."""
        self.stop()
        return self.start()

    def graceful(self):
        """As `apachectl graceful`; returns when new children serve."""
        mark = self.mark()
        old = set(self.children())
        self.process.send_signal(signal.SIGUSR1)
        if not wait_until(lambda: set(self.children()) - old
                          and self.answers(), seconds=60):
            raise RuntimeError("no graceful restart:\n"
                               + self.log_since(mark))

    def remove(self):
        self.stop()
        remove_folder(self.folder)

    def children(self):
        return children(self.process.pid)

    def rss(self):
        """Resident kilobytes of each child, by pid."""
        sizes = {}
        for pid in self.children():
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            sizes[pid] = int(re.search(r"VmRSS:\s*(\d+)", status)[1])
        return sizes

    def cpu_seconds(self):
        """What the children have computed until now."""
        ticks = 0
        for pid in self.children():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(
                ")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    # -- the error log ------------------------------------------------

    def error_log(self):
        return self.log_since(0)

    def mark(self):
        """A place in the error log, for log_since()."""
        try:
            return (self.folder / "error.log").stat().st_size
        except FileNotFoundError:
            return 0

    def log_since(self, mark):
        return self.bytes_since(mark).decode(errors="replace")

    def bytes_since(self, mark):
        try:
            with open(self.folder / "error.log", "rb") as log:
                log.seek(mark)
                return log.read()
        except FileNotFoundError:
            return b""

    def has_logged(self, announcement, mark=None):
        mark = self.checked if mark is None else mark
        return any(announcement.covers(self, line)
                   for line in self.log_since(mark).splitlines())

    def wait_for_log(self, pattern, mark=0, seconds=30):
        """The first match of pattern in the log since mark."""
        match = wait_until(lambda: re.search(
            pattern, self.log_since(mark), re.MULTILINE), seconds)
        assert match, f"not in the error log: {pattern}"
        return match

    @contextlib.contextmanager
    def expect(self, *patterns, optional=False):
        """Announce lines that the block will cause.

        All patterns must match one line.  The line must come by the end
        of the block (or soon after: a child may log after it answered);
        repetitions are forgiven until the test ends.
        """
        mark = self.mark()
        announcement = Announcement(patterns, self)
        self.announced.append(announcement)
        yield
        if not optional:
            assert wait_until(
                lambda: self.has_logged(announcement, mark),
                seconds=PATIENCE), f"not in the error log: {announcement}"

    def stack(self):
        """Where the child crashed that left a core, if gdb is there."""
        said = ""
        for core in (self.folder / "cores").iterdir():
            if shutil.which("gdb"):
                said = subprocess.run(
                    ["gdb", "-batch", "-ex", "backtrace", APACHE, core],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL).stdout.decode()
            core.unlink()
        return "\n".join(re.findall("^#.*", said, re.MULTILINE))

    def alarms(self, announcements=()):
        """Lines since the last call that nobody announced; a crash in code
        of ours is not to be announced. While httpd runs, the last may be
        half of one."""
        text = self.bytes_since(self.checked)
        if self.process:
            text = text[:text.rfind(b"\n") + 1]
        self.checked += len(text)
        announcements = (*self.announced, *announcements)
        self.announced = []
        stack = self.stack() if b"exit signal" in text else ""
        ended_by_httpd = (EXIT_IN_HANDLER.search(stack)
                          and not OUR_FRAME.search(stack))
        alarms = []
        for line in text.decode(errors="replace").splitlines():
            crashed = stack and "exit signal" in line
            forgiven = ((any(announcement.covers(self, line)
                             for announcement in announcements)
                         and not (crashed and OUR_FRAME.search(stack)))
                        or ended_by_httpd
                        and (crashed or OF_MALLOC.search(line)))
            if (ALARMING.search(line) and not forgiven
                    and not host.is_of_the_host(line)):
                alarms.append(f"{line}\n{stack}" if crashed else line)
        return alarms
