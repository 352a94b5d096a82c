# SPDX-License-Identifier: Apache-2.0
"""What is benchmarked: servers and databases as in production, many devices,
tables filled by SQL, and what all of it has cost so far."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/http/harness"))

import ca as certs                      # noqa: E402
from databases import PROGRAMS as DATABASES, Postgres   # noqa: E402
from server import Httpd, module_path   # noqa: E402
from system import children             # noqa: E402

PROGRAMS = ROOT / "build-bench"
THREADS = 25                            # of httpd, its default
# Devices that keep their connections. Fewer than threads: event closes kept
# connections when no thread is idle, and a handshake costs as much as ten
# polls and more.
CONNECTIONS = 16
TOPIC = "com.apple.mgmt.External.bench"
TICKS = os.sysconf("SC_CLK_TCK")

PROXIED = """\
<Location "/proxied">
    SetHandler nanomdm
    NanoMDMIdentity header:X-Client-Cert
    NanoMDMTrustedProxy 127.0.0.1
</Location>
Redirect 204 /taken
"""
STATUS = """\
<Location "/status">
    SetHandler nanomdm-status
</Location>
"""


# ---- servers ----

class BenchHttpd(Httpd):
    """One child with 25 threads that logs as a stock httpd does, serves an
    empty file, and runs the module under test or another build of it."""

    def __init__(self, database, ca, *, module=None, loglevel="warn",
                 **options):
        self.module = module
        super().__init__(
            database, ca, threads=THREADS, sanitize=False, connected=True,
            extra_server="LogLevel warn\n"
                         + (f"LogLevel nanomdm:{loglevel}\n" if database
                            else ""), **options)
        self.write("htdocs/empty", b"")

    def configure(self):
        self.size["workers"] = self.size["threads"]
        super().configure()

    def load_modules(self):
        text = super().load_modules()
        if self.module:
            text = text.replace(f"{module_path(False)}\n",
                                f"{self.module}\n")
        return text


class CountingPostgres(Postgres):
    """With a counter of statements, which is off until it is asked for."""

    def create(self):
        super().create()
        # Not on the command line, which nothing would override.
        with open(self.folder / "data/postgresql.conf", "a") as conf:
            conf.write("pg_stat_statements.track = none\n")

    def command(self):
        return [*super().command(),
                "-c", "shared_preload_libraries=pg_stat_statements",
                "-c", "shared_buffers=128MB"]


def database_server(kind):
    """One that writes through to the disk when it commits."""
    server = CountingPostgres if kind == "pgsql" else DATABASES[kind]
    return server(durable=True)


def fresh(server):
    schema = ROOT / f"schema/{server.kind}.sql"
    return server.fresh(None if server.kind == "sqlite3" else schema)


@contextlib.contextmanager
def apns(folder, latency_ms):
    """A stand-in for APNs; its port, and the files that belong to it."""
    authority = certs.root("Bench APNs CA")
    identity = authority.issue("localhost", eku="server", dns="localhost")
    files = {"ca": authority.pem, "clients": certs.push_authority().pem,
             "identity": identity.pem + identity.key_pem}
    paths = {}
    for name, pem in files.items():
        paths[name] = pathlib.Path(folder) / f"apns-{latency_ms}-{name}.pem"
        paths[name].write_bytes(pem)
    with subprocess.Popen(
            [PROGRAMS / "apns_server", paths["identity"], paths["clients"],
             str(latency_ms)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True) as process:
        yield int(process.stdout.readline()), paths["ca"]
        process.stdin.close()


# ---- devices ----

def udid(number):
    return f"0BE7C400-0000-4000-8000-{number:012d}"


class Devices:
    """The identities of all devices; one key serves all."""

    def __init__(self, folder, number):
        self.ca = certs.root("Bench Device CA")
        key = certs.new_key("ec")
        identities = [certs.mint("device", key, self.ca, eku="client")
                      for _ in range(number)]
        self.sha256 = [identity.sha256 for identity in identities]
        self.path = pathlib.Path(folder) / "identities.pem"
        self.path.write_bytes(
            identities[0].key_pem
            + b"".join(identity.pem for identity in identities))

    def listed(self, path, first, count):
        """A file with id and certificate hash, for client_library."""
        path = pathlib.Path(path)
        path.write_text("".join(f"{udid(i)} {self.sha256[i]}\n"
                                for i in range(first, first + count)))
        return path


# ---- what it costs ----

def spent(pid):
    """CPU seconds of a process and its children, those that have ended
    included: their time is their parent's once it has waited for them."""
    fields = stat_of(pid)
    ended = (int(fields[13]) + int(fields[14])) / TICKS
    return ended + sum(own_time(each) for each in [pid, *children(pid)])


def own_time(pid):
    """To the nanosecond where the process has one thread: there may be many
    of these, and a clock tick is long."""
    try:
        if len(os.listdir(f"/proc/{pid}/task")) == 1:
            text = pathlib.Path(f"/proc/{pid}/schedstat").read_text()
            return int(text.split()[0]) / 1e9
        fields = stat_of(pid)
        return (int(fields[11]) + int(fields[12])) / TICKS
    except (FileNotFoundError, ProcessLookupError):
        return 0.0                      # it ended while we looked


def stat_of(pid):
    """From the third field on."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text.rpartition(")")[2].split()


def resident(httpd):
    """Kilobytes of all processes: as ps counts them, and with what they
    share counted once."""
    rss = pss = 0
    for pid in [httpd.process.pid, *httpd.children()]:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        rss += int(re.search(r"^Rss:\s*(\d+)", text, re.M)[1])
        pss += int(re.search(r"^Pss:\s*(\d+)", text, re.M)[1])
    return {"rss_kb": rss, "pss_kb": pss}


@dataclasses.dataclass
class Meter:
    """CPU time of one httpd and of its database."""

    httpd: object
    server: object

    def read(self):
        return (spent(self.httpd.process.pid) if self.httpd else 0.0,
                spent(self.server.process.pid)
                if self.server and self.server.process else 0.0)


def timed(command, meter):
    """Run a program that says "ready" and waits; its JSON, with what it
    made the servers spend on each request, in microseconds."""
    with subprocess.Popen([str(word) for word in command],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{command[0]} does not get ready")
        before = meter.read()
        process.stdin.write("\n")
        process.stdin.flush()
        line = process.stdout.readline()
        after = meter.read()
    if process.returncode or not line:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    result = json.loads(line)
    requests = max(result["requests"], 1)
    result["rps"] = result["requests"] / result["seconds"]
    for name, start, end in zip(("httpd_us", "db_us"), before, after):
        result[name] = (end - start) / requests * 1e6
    return result


def load_command(devices, httpd, workload, **options):
    """The load generator's command line."""
    command = [PROGRAMS / "load", "--identities", devices.path,
               "--workload", workload]
    port = httpd.port if options.get("plain") else httpd.tls_port
    options = {"port": port, "threads": CONNECTIONS,
               "count": CONNECTIONS,
               "path": "/empty" if workload == "static" else "/mdm",
               "topic": TOPIC, **options}
    for name, value in options.items():
        if value is True:
            command += ["--" + name.replace("_", "-")]
        elif value is not None and value is not False:
            command += ["--" + name.replace("_", "-"), value]
    return [str(word) for word in command]


def load(devices, httpd, server, workload, **options):
    """One run of the load generator."""
    result = timed(load_command(devices, httpd, workload, **options),
                   Meter(httpd, server))
    if result["lost"] or result["refused"]:
        result["trouble"] = httpd.error_log()[-2000:]
    return result


# ---- tables ----

class Filler:
    """Writes many rows with one statement, in the words of each database."""

    def __init__(self, database):
        self.database = database
        self.kind = database.kind

    def series(self, number):
        """A FROM clause that counts n from 0."""
        return {
            "pgsql": f"generate_series(0, {number - 1}) AS n",
            "mysql": f"(SELECT seq AS n FROM seq_0_to_{number - 1}) AS s",
            "sqlite3": "(WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT"
                       f" n + 1 FROM s WHERE n < {number - 1})"
                       " SELECT n FROM s) AS s",
        }[self.kind]

    def text(self, *parts):
        """Text, and expressions in brackets, one after the other."""
        words = [part if part.startswith("(") else f"'{part}'"
                 for part in parts]
        if self.kind == "mysql":
            return f"CONCAT({', '.join(words)})"
        if self.kind == "pgsql":
            words = [word if word.startswith("'") else
                     f"CAST({word} AS TEXT)" for word in words]
        return " || ".join(words)

    def padded(self, expression, width):
        return {"pgsql": f"LPAD(CAST({expression} AS TEXT), {width}, '0')",
                "mysql": f"LPAD({expression}, {width}, '0')",
                "sqlite3": f"printf('%0{width}d', {expression})",
                }[self.kind]

    def udid(self, expression):
        return self.text("0BE7C400-0000-4000-8000-",
                         f"({self.padded(expression, 12)})")

    def divided(self, expression, by):
        return (f"({expression} DIV {by})" if self.kind == "mysql"
                else f"({expression} / {by})")

    def insert(self, table, number, **columns):
        self.database.execute(
            f"INSERT INTO {table} ({', '.join(columns)})"
            f" SELECT {', '.join(columns.values())}"
            f" FROM {self.series(number)}")

    def commands(self, prefix, number):
        uuid = self.text(prefix, "(n)")
        self.insert("commands", number, command_uuid=uuid,
                    request_type="'DeviceInformation'",
                    command=self.text(*command_around("(n)", prefix)))

    def queues(self, prefix, first, count, each):
        """Commands of their own for each of some devices."""
        self.commands(prefix, count * each)
        device = self.udid(f"{first} + {self.divided('n', each)}")
        self.insert("enrollment_queue", count * each, id=device,
                    command_uuid=self.text(prefix, "(n)"))

    def fan_out(self, uuid, first, count):
        """One command for all of some devices."""
        self.commands(uuid, 1)
        self.insert("enrollment_queue", count, id=self.udid(f"{first} + n"),
                    command_uuid=f"'{uuid}0'")

    def distinct(self, prefix, first, count):
        """For each its own; the UUID ends with the device's number."""
        numbered = f"({first} + n)"
        self.insert("commands", count,
                    command_uuid=self.text(prefix, numbered),
                    request_type="'DeviceInformation'",
                    command=self.text(*command_around(numbered, prefix)))
        self.insert("enrollment_queue", count, id=self.udid(f"{first} + n"),
                    command_uuid=self.text(prefix, numbered))

    def enrollments(self, first, count):
        """Devices that never spoke, with associations of their own."""
        device = self.udid(f"{first} + n")
        self.insert("devices", count, id=device, authenticate="'<?xml'",
                    token_update="'<?xml'",
                    token_update_at="CURRENT_TIMESTAMP",
                    serial_number=self.text(
                        "SER", f"({self.padded(f'{first} + n', 9)})"))
        self.insert("enrollments", count, id=device, device_id=device,
                    type="'Device'", topic=f"'{TOPIC}'",
                    push_magic=self.text("magic-", "(n)"),
                    token_hex=self.padded(f"{first} + n", 64))
        self.insert("cert_auth_associations", count, id=device,
                    sha256=self.padded(f"{first} + n", 64))

    def history(self, prefix, first, count, each):
        """Commands that all of some devices have answered."""
        self.commands(prefix, each)
        device = self.udid(f"{first} + {self.divided('n', each)}")
        number = f"(n - {self.divided('n', each)} * {each})"
        uuid = self.text(prefix, number)
        self.insert("enrollment_queue", count * each, id=device,
                    command_uuid=uuid, answered="TRUE")
        self.insert("command_results", count * each, id=device,
                    command_uuid=uuid, status="'Acknowledged'",
                    result="'<?xml version=\"1.0\"?><plist/>'")

    def settle(self):
        """What the database would do by itself a minute later."""
        if self.kind == "pgsql":
            with contextlib.closing(self.database.connect()) as connection:
                connection.autocommit = True
                connection.cursor().execute("VACUUM ANALYZE")
        elif self.kind == "mysql":
            self.database.query("ANALYZE TABLE devices, enrollments, commands,"
                                " enrollment_queue, command_results,"
                                " cert_auth_associations")


def command_around(number, prefix):
    queries = "".join(f"<string>Query{i:02d}</string>" for i in range(20))
    return ('<?xml version="1.0" encoding="UTF-8"?><plist version="1.0">'
            "<dict><key>CommandUUID</key><string>" + prefix, number,
            "</string><key>Command</key><dict><key>RequestType</key>"
            "<string>DeviceInformation</string><key>Queries</key><array>"
            + queries + "</array></dict></dict></plist>")
