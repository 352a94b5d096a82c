# SPDX-License-Identifier: Apache-2.0
"""Moves the enrollments of a NanoMDM database, or one of this module, to
another server: sends each device's messages to its migration URL.

    nanomdmctl migrate --driver pgsql --params "host=db dbname=mdm user=mdm" \\
        --url https://mdm.example.com/migration --key file:/etc/nanomdm/api.key

For each device, in this order: Authenticate, TokenUpdate, SetBootstrapToken
if it escrowed one, then the TokenUpdate of each of its users. Commands,
results and certificate associations are not moved; so the new server needs
NanoMDMRetroactive On until every device has come.

Exit status: 0 all succeeded, 1 something failed, 2 wrong usage.
"""

import argparse
import base64
import collections
import contextlib
import http.client
import os
import pathlib
import ssl
import sys
import time
import urllib.parse

from . import plists
from .database import (DRIVERS, StorageKeys, Unopened,
                           add_storage_key, encoded, module_of,
                           mysql_options, resolve_secrets, secret,
                           table_prefix, text)
from .errors import Stopped
from .output import Progress, plain

BATCH = 200                   # devices in memory
CHECKIN = "application/x-apple-aspen-mdm-checkin"
WAITS = (0.5, 2, 8)           # seconds before further attempts, after 503
TIMEOUT = 60
LONGEST = 65536               # bytes of an answer that are read
# What every further message would get as well.
REMEDIES = {401: "the server does not accept --key",
            403: "the server does not let --key do this",
            404: "no migration URL: correct --url",
            405: "no migration URL: correct --url"}

DEVICES = """\
SELECT d.id, d.authenticate, d.token_update, d.unlock_token,
       d.bootstrap_token_b64, e.enabled
  FROM {prefix}devices d LEFT JOIN {prefix}enrollments e ON e.id = d.id
 WHERE d.id > %s ORDER BY d.id LIMIT %s"""

TOTAL = """\
SELECT COUNT(*) FROM {prefix}devices UNION ALL
SELECT COUNT(*) FROM {prefix}devices d
  JOIN {prefix}users u ON u.device_id = d.id"""

# Joined to devices, so that the database decides which ids are equal.
USERS = """\
SELECT d.id, u.id, u.token_update, e.enabled
  FROM {prefix}devices d
  JOIN {prefix}users u ON u.device_id = d.id
  LEFT JOIN {prefix}enrollments e ON e.id = u.id
 WHERE d.id >= %s AND d.id <= %s ORDER BY d.id, u.id"""

Row = collections.namedtuple(
    "Row", "id authenticate token_update unlock_token bootstrap_token"
    " enabled")


# ---- The source ----

def open_sqlite3(sqlite3, args):
    path = pathlib.Path(args.dsn or args.params).absolute()
    uri = f"file:{urllib.parse.quote(str(path))}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=30)
    connection.text_factory = bytes
    return connection


def open_pgsql(psycopg2, args):
    connection = psycopg2.connect(args.dsn or args.params)
    connection.set_session(readonly=True, autocommit=True)
    connection.set_client_encoding("UTF8")
    return connection


def open_mysql(pymysql, args):
    return pymysql.connect(charset="utf8mb4", autocommit=True,
                           **mysql_options(args))


CONNECT = {"sqlite3": open_sqlite3, "pgsql": open_pgsql, "mysql": open_mysql}


class Source:
    """Reads page after page, so that neither this program nor a long
    transaction holds a table."""

    def __init__(self, args):
        module = module_of(args.driver)
        self.mark = DRIVERS[args.driver][2]
        self.prefix = args.table_prefix
        self.keys = StorageKeys(args.storage_key)
        self.error = module.Error
        with self.trouble():
            self.connection = CONNECT[args.driver](module, args)

    @contextlib.contextmanager
    def trouble(self):
        try:
            yield
        except self.error as error:
            raise Stopped(f"the source database: {error}") from None

    def query(self, sql, *values):
        sql = sql.format(prefix=self.prefix).replace("%s", self.mark)
        with self.trouble(), \
                contextlib.closing(self.connection.cursor()) as cursor:
            cursor.execute(sql, values)
            return [[text(value) for value in row]
                    for row in cursor.fetchall()]

    def total(self):
        """Devices, and users of devices."""
        return sum(number for (number,) in self.query(TOTAL))

    def devices(self):
        """(device, its users), Rows both, in the order of their ids."""
        last = ""
        while page := [Row(*row) for row
                       in self.query(DEVICES, last, BATCH)]:
            last = page[-1].id
            users = collections.defaultdict(list)
            for parent, id_, token_update, enabled in self.query(
                    USERS, page[0].id, last):
                users[parent].append(
                    Row(id_, None, token_update, None, None, enabled))
            for device in page:
                yield device, users[device.id]

    def opened(self, device):
        """With its tokens in the clear."""
        return device._replace(
            unlock_token=self.keys.open("devices.unlock_token", device.id,
                                        device.unlock_token),
            bootstrap_token=self.keys.open("devices.bootstrap_token_b64",
                                           device.id,
                                           device.bootstrap_token))


# ---- Messages ----

def token_update(device):
    """As stored, byte for byte; with the unlock token, if this message is
    not the one that brought it."""
    if not device.unlock_token:
        return encoded(device.token_update)
    message = plists.read(encoded(device.token_update))
    if message.get("UnlockToken"):
        return encoded(device.token_update)
    message["UnlockToken"] = encoded(device.unlock_token)
    return plists.write(message)


def set_bootstrap_token(device):
    """Under the name that the device itself calls its id."""
    message = plists.read(encoded(device.authenticate))
    name = "UDID" if message.get("UDID") else "EnrollmentID"
    return plists.write({
        "MessageType": "SetBootstrapToken", name: message[name],
        "BootstrapToken": base64.b64decode(device.bootstrap_token)})


def messages_of(device):
    """(MessageType, function that makes it)."""
    yield "Authenticate", lambda: encoded(device.authenticate)
    if device.token_update:
        yield "TokenUpdate", lambda: token_update(device)
    if device.bootstrap_token:
        yield "SetBootstrapToken", lambda: set_bootstrap_token(device)


# ---- The destination ----

def tls_context(ca_file):
    """Verifies as curl and devices do. Python 3.13 and later by default want
    more: key usage in an authority, key identifiers in all certificates."""
    context = ssl.create_default_context(cafile=ca_file)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class Destination:
    """One connection, kept; a busy server is asked again."""

    def __init__(self, args):
        url = urllib.parse.urlsplit(args.url)
        self.path = url.path + (f"?{url.query}" if url.query else "")
        if url.scheme == "https":
            self.connection = http.client.HTTPSConnection(
                url.hostname, url.port, timeout=TIMEOUT,
                context=tls_context(args.ca_file))
        else:
            self.connection = http.client.HTTPConnection(
                url.hostname, url.port, timeout=TIMEOUT)
        credentials = base64.b64encode(b"nanomdm:" + args.key.encode())
        self.headers = {"Authorization": "Basic " + credentials.decode(),
                        "Content-Type": CHECKIN,
                        "User-Agent": "nmdm-migrate"}
        self.has_answered = False

    def send(self, body):
        """None, or what the server says instead of 200."""
        for wait in (*WAITS, None):
            try:
                status, reason = self.put(body)
            except (OSError, http.client.HTTPException) as error:
                self.connection.close()
                status, reason = 503, str(error) or type(error).__name__
                if not self.has_answered or wait is None:
                    raise Stopped(f"no answer from the server:"
                                  f" {reason}") from None
            if status in REMEDIES:
                raise Stopped(f"{status} {reason}: {REMEDIES[status]}")
            if status != 503 or wait is None:
                break
            time.sleep(wait)
        return None if status == 200 else f"{status} {reason}"

    def put(self, body):
        self.connection.request("PUT", self.path, body, self.headers)
        answer = self.connection.getresponse()
        answer.read(LONGEST)
        if not answer.isclosed():       # there is more of it
            self.connection.close()
        self.has_answered = True
        return answer.status, answer.reason


class DryRun:
    @staticmethod
    def send(body):
        """Everything is fine."""


# ---- The migration ----

class Migration:
    def __init__(self, args, source, destination):
        self.args = args
        self.source = source
        self.destination = destination
        self.devices = self.users = self.failed = self.left_out = 0
        self.progress = Progress("enrollments", source.total())

    def run(self):
        for device, users in self.source.devices():
            self.move(device, users)
        self.progress.end()

    def move(self, device, users):
        if not self.is_wanted(device):
            self.left_out += 1 + len(users)
            return
        try:
            device = self.source.opened(device)
            moved = self.send_all(device, messages_of(device))
        except Unopened as error:
            self.say(error)
            moved = False
        self.count("devices", moved)
        for user in users:
            if not (self.is_wanted(user) and user.token_update):
                self.left_out += 1
            elif not moved:
                self.say(f"{user.id}: left out with its device")
                self.count("users", False)
            else:
                self.count("users", self.send_all(user, [
                    ("TokenUpdate", lambda: encoded(user.token_update))]))

    def is_wanted(self, row):
        return row.enabled or not self.args.enabled_only

    def send_all(self, row, messages):
        """Until one fails; whether none did."""
        for name, make in messages:
            try:
                problem = self.destination.send(make())
            except (ValueError, KeyError, AttributeError) as error:
                problem = f"cannot be made of what is stored: {error!r}"
            if problem:
                self.say(f"{row.id}: {name}: {problem}")
                return False
            if self.args.verbose:
                self.say(f"{row.id}: {name}: ok")
        return True

    def count(self, what, succeeded):
        if succeeded:
            setattr(self, what, getattr(self, what) + 1)
        else:
            self.failed += 1
        total = self.devices + self.users + self.failed
        self.progress(total, f"{self.failed} failed")

    def say(self, line):
        self.progress.end()
        print(plain(line), file=sys.stderr, flush=True)

    def summary(self):
        return (f"{'would move' if self.args.dry_run else 'moved'}"
                f" {self.devices} devices and {self.users} users;"
                f" {self.failed} failed, {self.left_out} left out")


# ---- The command line ----

def web_address(value):
    url = urllib.parse.urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise argparse.ArgumentTypeError(f"{value}: not an http(s) URL")
    return value


def file_name(value):
    if not os.access(value, os.R_OK):
        raise argparse.ArgumentTypeError(f"{value}: cannot be read")
    return value


def add_arguments(parser):
    add = parser.add_argument
    add("--driver", required=True, choices=DRIVERS)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--params", metavar="TEXT",
                       help="the source, written as in DBDParams; text with"
                       " a password may be env:NAME or file:PATH")
    where.add_argument("--dsn", metavar="TEXT",
                       help="the source, written as in NanoMDM's"
                       " -storage-dsn; likewise")
    add("--table-prefix", default="", type=table_prefix, metavar="PREFIX",
        help="what the source's table names begin with")
    add("--url", type=web_address, help="a nanomdm-migration URL")
    add("--key", type=secret, metavar="SECRET",
        help="the API key: file:PATH, env:NAME, or the key itself")
    add_storage_key(parser, "opens what the source has sealed")
    add("--ca-file", type=file_name, metavar="PEM",
        help="who vouches for the server, if not the system's CAs")
    add("--enabled-only", action="store_true",
        help="leave out enrollments that are disabled; they would be enabled"
        " at the destination")
    add("--dry-run", action="store_true",
        help="read everything, send nothing; --url and --key may be absent")
    add("--verbose", action="store_true", help="a line for each message")


def run(parser, args):
    if not args.dry_run and not (args.url and args.key):
        parser.error("--url and --key are needed, or --dry-run")
    resolve_secrets(parser, args)
    migration = None
    stopped = False
    try:
        migration = Migration(args, Source(args), DryRun if args.dry_run
                              else Destination(args))
        migration.run()
    except (Stopped, OSError) as error:
        print(plain(f"stopped: {error}"), file=sys.stderr)
        stopped = True
    if migration:
        print(migration.summary(), flush=True)
    return 1 if stopped or migration.failed else 0
