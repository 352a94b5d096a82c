#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Imports the file storage of a NanoMDM ("filekv") into the database of this
module: enrollments, queues, results, push certificates, certificates.

    nmdm-import.py --driver pgsql --params "host=db dbname=mdm user=mdm" \\
        /var/lib/nanomdm/dbkv

Stop NanoMDM first, or rehearse while it runs: this may be run again. A device
comes in one transaction with its users and queues, or not at all. A device
that the database has seen later than the files is left alone. What is no good
is named, and the rest goes on.

Exit status: 0 all is imported, 1 something is not, 2 wrong usage.
"""

import argparse
import base64
import collections
import contextlib
import decimal
import functools
import os
import pathlib
import plistlib
import re
import ssl
import stat
import sys
import time
import urllib.parse

from nmdm_database import (DRIVERS, Stopped, StorageKeys, add_storage_key,
                           encoded, module_of, mysql_options,
                           resolve_secrets, table_prefix, text)

BUCKETS = ("users", "cert_auth", "queue", "push_cert", "devices",
           "enrollments")
PROGRESS = 1000               # enrollments between two lines of progress
LARGEST = 64 << 20            # bytes of one file
LONGEST_ID = 255
SECOND = 1000000              # times are microseconds since 1970

# What NanoMDMStorageKey seals.
SECRETS = {"push_certs.key_pem", "devices.unlock_token",
           "devices.bootstrap_token_b64"}

# All that is written to; fails where a column is missing.
PROBE = """\
SELECT d.bootstrap_token_at, u.user_authenticate_digest_at, e.last_seen_at,
       e.token_update_tally, c.request_type, r.not_now_tally, q.active,
       p.updated_at, a.sha256
  FROM {prefix}devices d, {prefix}users u, {prefix}enrollments e,
       {prefix}commands c, {prefix}command_results r,
       {prefix}enrollment_queue q, {prefix}push_certs p,
       {prefix}cert_auth_associations a
 WHERE 1 = 0"""

PRECISION = """\
SELECT datetime_precision FROM information_schema.columns
 WHERE table_schema = DATABASE() AND column_name = 'created_at'
   AND table_name = '{prefix}enrollment_queue'"""


class Bad(Exception):
    """A file that cannot be used: its path and why."""

    def __init__(self, path, why):
        super().__init__(f"{path}: {why}")


# ---- The files ----

class Bucket:
    """One of the six folders: a file for each key, in folders of folders."""

    def __init__(self, root, name, say):
        self.folder = root / name
        self.paths = {}
        if not self.folder.is_dir():
            return                    # nothing was ever in it
        for folder, _, names in os.walk(
                self.folder, onerror=lambda error: say(str(error))):
            for key in names:
                self.paths[key] = os.path.join(folder, key)

    def __contains__(self, key):
        return key in self.paths

    def path(self, key):
        return self.paths.get(key, str(self.folder / "*" / "*" / key))

    def get(self, key):
        """Bytes, or None when there is no such key."""
        if key not in self.paths:
            return None
        path = self.paths[key]
        try:
            info = os.lstat(path)
            if not stat.S_ISREG(info.st_mode):
                raise Bad(path, "not a regular file; put the file itself"
                          " here")
            if info.st_size > LARGEST:
                raise Bad(path, f"larger than {LARGEST >> 20} MiB")
            return pathlib.Path(path).read_bytes()
        except OSError as error:
            raise Bad(path, f"{error.strerror}; run this as a user who may"
                      " read it") from None

    def text(self, key):
        """Text, None when there is none or it is empty."""
        value = self.get(key)
        if not value:
            return None
        try:
            decoded = value.decode()
        except UnicodeDecodeError:
            raise Bad(self.path(key), "not text") from None
        if "\0" in decoded:
            raise Bad(self.path(key), "not text")
        return decoded

    def needed(self, key):
        value = self.get(key)
        if not value:
            raise Bad(self.path(key), "missing" if value is None else "empty")
        return value

    def number(self, key):
        """A count or a time; None when there is none."""
        value = self.text(key)
        if value is None:
            return None
        if not re.fullmatch(r"[0-9]{1,17}", value.strip()):
            raise Bad(self.path(key), "not a number")
        return int(value)

    def written_at(self, key):
        """When the file was; NanoMDM keeps few times of its own."""
        with contextlib.suppress(KeyError, OSError):
            return bounded(os.lstat(self.paths[key]).st_mtime_ns // 1000)
        return now()

    def message(self, key):
        """A property list as XML; None when there is none."""
        value = self.get(key)
        return None if value is None else xml(self.path(key), value)


def now():
    return time.time_ns() // 1000


def bounded(at):
    """A time that is over, and that every database can hold."""
    return max(SECOND, min(at, now()))


def xml(path, value):
    """Byte for byte, unless it is no XML that the tables may hold."""
    with contextlib.suppress(UnicodeDecodeError):
        decoded = value.decode()
        if decoded.startswith("<?xml") and "\0" not in decoded \
                and decoded.rstrip().endswith("</plist>"):
            return decoded
    try:
        return plistlib.dumps(plistlib.loads(value)).decode()
    except Exception as error:        # whatever hostile bytes bring about
        raise Bad(path, f"truncated, or no property list"
                  f" ({error or type(error).__name__})") from None


def pem_of(path, der):
    """Of a whole certificate: a sequence that says how long it is."""
    if len(der) < 4 or der[:2] != b"\x30\x82" \
            or int.from_bytes(der[2:4], "big") + 4 != len(der):
        raise Bad(path, "truncated, or no certificate")
    return ssl.DER_cert_to_PEM_cert(der)


def is_utf8(key):
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


# ---- The storage as a whole ----

class Storage:
    """Who is in the files; what their keys say, not yet their contents."""

    FIELDS = {
        "devices": {"auth", "cert", "serial", "tok_upd", "bstoken"},
        "users": {"tok_upd", "device_ch", "user_auth", "user_auth_digest"},
        "enrollments": {"type", "topic", "push_magic", "token", "tok_tal",
                        "disabled", "last_seen_at", "enrolled_at",
                        "unl_tok"},
    }
    CHANNEL = ".user_ch."

    def __init__(self, folder, say):
        root = pathlib.Path(folder)
        if not any((root / name).is_dir() for name in BUCKETS):
            raise Stopped(f"{folder}: no file storage of NanoMDM: it has none"
                          f" of the folders {', '.join(BUCKETS)}; name the"
                          " folder of its -storage-dsn")
        for name in BUCKETS:
            setattr(self, name, Bucket(root, name, say))
        self.say = say
        named = {name: self.names(name) for name in self.FIELDS}
        self.parents = self.parents_by_key()
        self.user_ids = named["users"] | (
            named["enrollments"] & set(self.parents))
        self.device_ids = named["devices"] | (
            named["enrollments"] - self.user_ids)
        self.commands_known = {key[:-4] for key in self.queue.paths
                               if key.endswith(".raw")}
        self.items = self.queue_items()

    def names(self, bucket):
        """The ids that have any file there."""
        found = set()
        for key in getattr(self, bucket).paths:
            id_, _, field = key.rpartition(".")
            if field not in self.FIELDS[bucket] or self.CHANNEL in key:
                continue
            if not is_utf8(key) or len(id_) > LONGEST_ID or not id_:
                self.say(f"{ascii(getattr(self, bucket).path(key))}: names"
                         " no enrollment")
            else:
                found.add(id_)
        return found

    def parents_by_key(self):
        parents = {}
        for key in self.enrollments.paths:
            parent, channel, user = key.partition(self.CHANNEL)
            if channel and user:
                parents[user] = parent
        return parents

    def parent_of(self, user):
        """Its device's id; None when nothing tells."""
        parent = self.users.text(f"{user}.device_ch") \
            or self.parents.get(user)
        if parent:
            return parent
        at = user.rfind(":")
        while at > 0 and user[:at] not in self.device_ids:
            at = user.rfind(":", 0, at)
        return user[:at] if at > 0 else None

    def queue_items(self):
        """{enrollment: {command: what there is of it}}. Both names may have
        dots in them, so those that are known decide."""
        items = collections.defaultdict(lambda: collections.defaultdict(set))
        known = self.device_ids | self.user_ids
        for key in self.queue.paths:
            names, item, field = key.rpartition(".queueitem.")
            if not item or not is_utf8(key):
                continue
            splits = [(names[:match.start()], names[match.end():])
                      for match in re.finditer(r"\.", names)]
            likely = [split for split in splits if split[0] in known]
            certain = [split for split in likely
                       if split[1] in self.commands_known]
            for id_, uuid in (certain or likely)[:1]:
                items[id_][uuid].add(field)
        return items

    def pending(self, id_):
        """Its commands in the order of delivery. A list that is broken is
        picked up again from its other end."""
        first = self.link(f"{id_}.queuekey.queue.first")
        last = self.link(f"{id_}.queuekey.queue.last")
        found, whole = self.walk(id_, first, "next", set())
        if last and last not in found:
            self.say(f"{self.queue.path(f'{id_}.queuekey.queue.last')}: the"
                     " queue is broken before this command; look whether"
                     " commands of it are missing")
            rest, _ = self.walk(id_, last, "prev", set(found))
            found += reversed(rest)
        if not whole:
            self.say(f"{id_}: its queue runs in a circle; look whether its"
                     " commands are in order")
        return found

    def walk(self, id_, uuid, link, seen):
        """(commands, whether they end)"""
        found = []
        while uuid and uuid not in seen:
            seen.add(uuid)
            found.append(uuid)
            uuid = self.link(f"{id_}.{uuid}.queueitem.{link}")
        return found, not uuid

    def link(self, key):
        """None at the end, and where one cannot be read."""
        try:
            return self.queue.text(key)
        except Bad as bad:
            self.say(f"{bad}; the queue is broken there")
            return None

    @functools.lru_cache(maxsize=64)
    def command(self, uuid):
        """(request type, XML)"""
        body = xml(self.queue.path(f"{uuid}.raw"),
                   self.queue.needed(f"{uuid}.raw"))
        type_ = self.queue.text(f"{uuid}.req_type")
        if not type_:
            try:
                type_ = plistlib.loads(body.encode())["Command"][
                    "RequestType"]
            except Exception:
                raise Bad(self.queue.path(f"{uuid}.req_type"),
                          "missing") from None
        return type_, body


# ---- The database ----

def open_sqlite3(sqlite3, args):
    path = pathlib.Path(args.dsn or args.params).absolute()
    uri = f"file:{urllib.parse.quote(str(path))}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=30,
                                 isolation_level=None)
    connection.text_factory = bytes
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def open_pgsql(psycopg2, args):
    connection = psycopg2.connect(args.dsn or args.params)
    connection.set_client_encoding("UTF8")
    return connection


def open_mysql(pymysql, args):
    connection = pymysql.connect(charset="utf8mb4", autocommit=False,
                                 **mysql_options(args))
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute("SET SESSION time_zone = '+00:00',"
                       " sql_mode = 'STRICT_ALL_TABLES'")
    return connection


CONNECT = {"sqlite3": open_sqlite3, "pgsql": open_pgsql, "mysql": open_mysql}


class Time(int):
    """Microseconds since 1970."""


class Target:
    """Rows that are there are changed where they differ, and no others."""

    def __init__(self, args):
        self.driver = args.driver
        self.mark = DRIVERS[args.driver][2]
        self.prefix = args.table_prefix
        self.is_dry_run = args.dry_run
        self.keys = StorageKeys(args.storage_key)
        module = module_of(args.driver)
        self.error = module.Error
        try:
            self.connection = CONNECT[args.driver](module, args)
        except self.error as error:
            raise Stopped(f"the database: {error}") from None
        self.look()

    def look(self):
        """Are our tables there; how fine are their times?"""
        self.step = 1 if self.driver == "pgsql" else 1000
        try:
            self.query(PROBE)
            if self.driver == "mysql":
                digits = self.query(PRECISION)[0][0]
                self.step = 10 ** (6 - int(digits or 0))
            self.connection.rollback()
        except self.error as error:
            raise Stopped(
                f"the database lacks our tables ({error}); load"
                f" schema/{self.driver}.sql, or start the server once with"
                ' "NanoMDMSchema auto"') from None

    @contextlib.contextmanager
    def transaction(self):
        """Taken back when something is raised, or in a dry run."""
        try:
            if self.driver == "sqlite3":
                self.connection.execute("BEGIN IMMEDIATE")
            yield
            if self.is_dry_run:
                self.connection.rollback()
            else:
                self.connection.commit()
        except Exception as error:
            self.roll_back(error)
            raise

    def roll_back(self, error):
        try:
            self.connection.rollback()
        except self.error:
            raise Stopped(f"the database: {error}") from None

    def query(self, sql, *values):
        return self.run(sql, values, lambda cursor: cursor.fetchall())

    def execute(self, sql, *values):
        return self.run(sql, values, lambda cursor: cursor.rowcount)

    def run(self, sql, values, harvest):
        for value in values:
            if isinstance(value, Time):
                sql = sql.replace("%t", self.time_mark(), 1)
        sql = sql.format(prefix=self.prefix).replace("%s", self.mark)
        values = [self.time(value) if isinstance(value, Time) else value
                  for value in values]
        with contextlib.closing(self.connection.cursor()) as cursor:
            cursor.execute(sql, values)
            return harvest(cursor)

    def time_mark(self):
        return {"sqlite3": "%s", "mysql": "FROM_UNIXTIME(%s)",
                "pgsql": "CAST(TO_TIMESTAMP(%s) AS TIMESTAMP)",
                }[self.driver]

    def time(self, at):
        at -= at % self.step
        if self.driver == "sqlite3":
            return (time.strftime("%Y-%m-%d %H:%M:%S",
                                  time.gmtime(at // SECOND))
                    + f".{at % SECOND // 1000:03d}")
        return decimal.Decimal(at) / SECOND

    @staticmethod
    def marks(values):
        return ["%t" if isinstance(value, Time) else "%s"
                for value in values]

    def put(self, table, keys, values, times=(), created_at=None):
        """Whether anything was written. times: column to Time, written when
        something else is."""
        where = " AND ".join(f"{column} = %s" for column in keys)
        rows = self.query(f"SELECT {', '.join(values or keys)}"
                          f" FROM {{prefix}}{table} WHERE {where}",
                          *keys.values())
        row = next(iter(keys.values()))
        if rows and all(map(same, self.opened(table, row, values, rows[0]),
                            values.values())):
            return False
        values = {**self.closed(table, row, values), **dict(times)}
        if rows:
            sets = ", ".join(map("{} = {}".format, values,
                                 self.marks(values.values())))
            self.execute(f"UPDATE {{prefix}}{table} SET {sets}"
                         f" WHERE {where}", *values.values(),
                         *keys.values())
            return True
        values = {**keys, **values}
        if created_at:
            values = {**values, "created_at": Time(created_at)}
        self.execute(f"INSERT INTO {{prefix}}{table} ({', '.join(values)})"
                     f" VALUES ({', '.join(self.marks(values.values()))})",
                     *values.values())
        return True

    def opened(self, table, row, columns, stored):
        """What is stored in these columns of a row, in the clear."""
        return [self.keys.open(f"{table}.{column}", row, value)
                if f"{table}.{column}" in SECRETS else value
                for column, value in zip(columns, stored)]

    def closed(self, table, row, values):
        return {column: self.keys.close(f"{table}.{column}", row, value)
                if f"{table}.{column}" in SECRETS else value
                for column, value in values.items()}

    def has(self, table, where, *values):
        return bool(self.query(f"SELECT 1 FROM {{prefix}}{table}"
                               f" WHERE {where} LIMIT 1", *values))


def same(stored, wanted):
    """The drivers have texts, flags and bytes of several kinds."""
    if stored is None or wanted is None:
        return stored is wanted
    if isinstance(wanted, bool):
        return bool(stored) == wanted
    return encoded(text(stored)) == encoded(wanted)


# ---- The import ----

class Import:
    def __init__(self, args, storage, target, reporter):
        self.args = args
        self.storage = storage
        self.target = target
        self.say = reporter.say
        self.trouble = reporter
        self.devices = self.users = self.results = self.pending = 0
        self.certs = self.associations = self.left_alone = 0
        self.commands = set()         # in the database for certain
        self.fresh = set()            # in this transaction

    def run(self):
        family = self.families()
        for id_ in sorted(self.storage.device_ids):
            self.move(id_, family.pop(id_, []))
        for parent, users in family.items():
            for user in users:
                self.say(f"{user}: its device ({parent or 'unknown'}) is not"
                         " in the files; it must enroll again")
        for key in sorted(self.storage.push_cert.paths):
            if key.endswith(".pem"):
                with self.guarded(key[:-4]), self.target.transaction():
                    self.put_push_cert(key[:-4])
        with self.guarded("the certificate associations"), \
                self.target.transaction():
            self.put_associations()

    @contextlib.contextmanager
    def guarded(self, what):
        """Goes on with the rest."""
        try:
            yield
        except Bad as bad:
            self.say(f"{what}: left out: {bad}")
        except self.target.error as error:
            line = " ".join(str(error).split())
            self.say(f"{what}: left out: the database refuses it: {line}")
        except (ValueError, OverflowError) as error:
            self.say(f"{ascii(what)}: left out: {error!r}")

    def optional(self, read, *words):
        """What can be done without; None when it is no good."""
        try:
            return read(*words)
        except Bad as bad:
            self.say(f"{bad}; imported without")
            return None

    def families(self):
        """{device: its users}"""
        family = collections.defaultdict(list)
        for user in sorted(self.storage.user_ids):
            with self.guarded(user):
                family[self.storage.parent_of(user)].append(user)
        return family

    def move(self, device, users):
        """One transaction; counted when it is over."""
        before = self.results, self.pending
        self.fresh.clear()
        with self.guarded(device):
            with self.target.transaction():
                is_ours = not self.is_newer_here(device, users)
                if is_ours:
                    self.put_all(device, users)
            self.count(is_ours, users)
            return
        self.results, self.pending = before

    def count(self, is_ours, users):
        if is_ours:
            if not self.args.dry_run:
                self.commands |= self.fresh
            self.devices += 1
            self.users += len(users)
        else:
            self.left_alone += 1 + len(users)
        before = self.devices + self.users + self.left_alone
        if before // PROGRESS != (before - 1 - len(users)) // PROGRESS:
            self.trouble.tell(f"{before} enrollments,"
                              f" {self.trouble.problems} problems")

    def is_newer_here(self, device, users):
        seen = max(self.seen_at(id_) for id_ in [device, *users])
        if self.target.has("enrollments",
                           "device_id = %s AND last_seen_at > %t",
                           device, Time(seen)) \
                or self.target.has(
                    "devices", "id = %s AND authenticate_at > %t", device,
                    Time(max(seen, self.storage.devices.written_at(
                        f"{device}.auth")))):
            self.trouble.tell(f"{device}: the database has seen it later"
                              " than the files; left alone")
            return True
        return False

    def put_all(self, device, users):
        self.put_device(device)
        is_disabled = f"{device}.disabled" in self.storage.enrollments
        enrolled = [device] if self.put_enrollment(
            device, device, is_disabled) else []
        for user in users:
            self.put_user(user, device)
            # NanoMDM's files forget to disable users with their device.
            if self.put_enrollment(
                    user, device, is_disabled
                    or f"{user}.disabled" in self.storage.enrollments):
                enrolled.append(user)
        for id_ in enrolled:
            self.put_queue(id_)
        if self.args.verbose:
            self.trouble.tell(f"{device}: ok, with {len(users)} users")

    # -- Enrollments --

    def put_device(self, id_):
        files, enrollments = self.storage.devices, self.storage.enrollments
        if f"{id_}.auth" not in files:
            raise Bad(files.path(f"{id_}.auth"), "missing; the device must"
                      " enroll again")
        token_update = self.optional(files.message, f"{id_}.tok_upd")
        if token_update and self.target.keys:
            token_update = without_unlock_token(token_update)
        bootstrap = self.optional(files.get, f"{id_}.bstoken")
        unlock = self.optional(enrollments.get, f"{id_}.unl_tok")
        values = {
            "identity_cert": self.optional(self.identity_cert, id_),
            "serial_number": self.optional(files.text, f"{id_}.serial"),
            "unlock_token": unlock or None,
            "authenticate": files.message(f"{id_}.auth"),
            "token_update": token_update,
            "bootstrap_token_b64":
                base64.b64encode(bootstrap).decode() if bootstrap else None,
        }
        times = {"authenticate_at": files.written_at(f"{id_}.auth")}
        for column, bucket, key in (
                ("token_update", files, "tok_upd"),
                ("bootstrap_token", files, "bstoken"),
                ("unlock_token", enrollments, "unl_tok")):
            if values.get(column) or values.get(f"{column}_b64"):
                times[f"{column}_at"] = bucket.written_at(f"{id_}.{key}")
        self.target.put("devices", {"id": id_}, values,
                        {column: Time(at) for column, at in times.items()})

    def identity_cert(self, id_):
        der = self.storage.devices.get(f"{id_}.cert")
        return pem_of(self.storage.devices.path(f"{id_}.cert"), der) \
            if der else None

    def put_user(self, id_, device):
        files = self.storage.users
        columns = {"token_update": "tok_upd",
                   "user_authenticate": "user_auth",
                   "user_authenticate_digest": "user_auth_digest"}
        values = {column: self.optional(files.message, f"{id_}.{key}")
                  for column, key in columns.items()}
        times = {f"{column}_at": Time(files.written_at(f"{id_}.{key}"))
                 for column, key in columns.items() if values[column]}
        names = names_in(values["token_update"]
                         or values["user_authenticate"])
        self.target.put("users", {"id": id_, "device_id": device},
                        {**names, **values}, times)

    def put_enrollment(self, id_, device, is_disabled):
        """Whether there is one: not before the first TokenUpdate."""
        files = self.storage.enrollments
        if not any(f"{id_}.{field}" in files for field
                   in ("type", "topic", "push_magic", "token")):
            return False
        texts = {}
        for column, key in (("type", "type"), ("topic", "topic"),
                            ("push_magic", "push_magic")):
            files.needed(f"{id_}.{key}")
            texts[column] = files.text(f"{id_}.{key}")
        tally = self.optional(files.number, f"{id_}.tok_tal") or 0
        seen = Time(self.seen_at(id_))
        self.target.put("enrollments", {"id": id_}, {
            "device_id": device, "user_id": None if id_ == device else id_,
            **texts, "token_hex": files.needed(f"{id_}.token").hex(),
            "enabled": not is_disabled,
            "token_update_tally": 0 if is_disabled else tally,
        }, {"last_seen_at": seen}, self.time_of(id_, "enrolled_at"))
        self.target.execute(
            "UPDATE {prefix}enrollments SET last_seen_at = %t"
            " WHERE id = %s AND last_seen_at < %t", seen, id_, seen)
        return True

    def seen_at(self, id_):
        return self.time_of(id_, "last_seen_at")

    @functools.lru_cache(maxsize=64)
    def time_of(self, id_, field):
        """As NanoMDM noted it; else when it wrote what it knows."""
        files = self.storage.enrollments
        at = self.optional(files.number, f"{id_}.{field}")
        if at:
            return bounded(at)
        for key in (f"{id_}.type", f"{id_}.disabled"):
            if key in files:
                return files.written_at(key)
        return SECOND

    # -- Queues --

    def put_queue(self, id_):
        pending = self.storage.pending(id_)
        items = self.storage.items.get(id_, {})
        reports = {uuid: self.report(id_, uuid)
                   for uuid in {*pending, *items}
                   if items.get(uuid, set()) & {"status", "report"}}
        # Reported as done: never again, wherever the list stands.
        pending = [uuid for uuid in pending
                   if reports.get(uuid, ("NotNow",))[0] == "NotNow"]
        self.take_back(id_, pending)
        latest = now()
        for uuid in reversed(pending):
            latest = min(latest, self.storage.queue.written_at(
                f"{uuid}.raw"))
            if self.put_entry(id_, uuid, latest, True,
                              reports.get(uuid)):
                self.pending += 1
                latest -= max(self.target.step, 1000)
        for uuid, report in sorted(reports.items()):
            if uuid not in pending:
                self.put_entry(
                    id_, uuid,
                    self.storage.queue.written_at(f"{uuid}.raw"),
                    report[0] != "NotNow" and bool(report[1]), report)

    def take_back(self, id_, pending):
        """What an earlier import queued and NanoMDM has cleared since."""
        for uuid, in self.target.query(
                "SELECT q.command_uuid FROM {prefix}enrollment_queue q"
                " WHERE q.id = %s AND q.active = TRUE AND NOT EXISTS"
                " (SELECT 1 FROM {prefix}command_results r WHERE r.id = q.id"
                " AND r.command_uuid = q.command_uuid"
                " AND r.status <> 'NotNow')", id_):
            uuid = text(uuid)
            if uuid in self.storage.commands_known and uuid not in pending \
                    and not self.storage.items.get(id_, {}).get(
                        uuid, set()) & {"status"}:
                self.target.execute(
                    "UPDATE {prefix}enrollment_queue SET active = FALSE"
                    " WHERE id = %s AND command_uuid = %s", id_, uuid)

    def report(self, id_, uuid):
        """(status, XML or None). One that cannot be read is as good as
        final: a command is rather lost than done twice."""
        files, key = self.storage.queue, f"{id_}.{uuid}.queueitem"
        body = self.optional(files.message, f"{key}.report")
        status = self.optional(files.text, f"{key}.status")
        if not status and body:
            with contextlib.suppress(Exception):
                status = str(plistlib.loads(body.encode())["Status"])
        return status or "Error", body

    def put_entry(self, id_, uuid, at, is_active, report):
        """A command, that it is queued, and what came of it."""
        files = self.storage.queue
        if f"{uuid}.raw" not in files:
            if is_active and not report:
                self.say(f"{files.path(f'{uuid}.raw')}: missing; queue the"
                         f" command again for {id_}")
            return False
        command = self.optional(self.storage.command, uuid)
        if not command:
            return False
        self.put_command(uuid, *command)
        if not self.target.has("enrollment_queue",
                               "id = %s AND command_uuid = %s", id_, uuid):
            self.target.put("enrollment_queue",
                            {"id": id_, "command_uuid": uuid},
                            {"active": is_active}, {}, at)
        if report and report[1]:
            self.put_result(id_, uuid, *report)
        return True

    def put_command(self, uuid, type_, body):
        if uuid in self.commands or uuid in self.fresh:
            return
        self.fresh.add(uuid)
        if not self.target.has("commands", "command_uuid = %s", uuid):
            self.target.put("commands", {"command_uuid": uuid},
                            {"request_type": type_, "command": body}, {},
                            self.storage.queue.written_at(f"{uuid}.raw"))

    def put_result(self, id_, uuid, status, body):
        keys = {"id": id_, "command_uuid": uuid}
        self.results += 1
        if self.target.has("command_results", "id = %s AND command_uuid = %s"
                           " AND status <> 'NotNow'", id_, uuid):
            return
        at = Time(self.storage.queue.written_at(
            f"{id_}.{uuid}.queueitem.report"))
        self.target.put(
            "command_results", keys, {"status": status, "result": body},
            {"updated_at": at, **({"not_now_at": at, "not_now_tally": 1}
                                  if status == "NotNow" else {})}, at)

    # -- The rest --

    def put_push_cert(self, topic):
        files = self.storage.push_cert
        cert = self.pem(f"{topic}.pem", "-----BEGIN CERTIFICATE-----")
        key = self.pem(f"{topic}.key", "-----BEGIN ")
        number = self.optional(files.number, f"{topic}.stale_token") or 0
        at = Time(files.written_at(f"{topic}.pem"))
        stored = self.target.query(
            "SELECT cert_pem, key_pem, stale_token FROM {prefix}push_certs"
            " WHERE topic = %s", topic)
        if stored and not all(map(same, self.target.opened(
                "push_certs", topic, ("cert_pem", "key_pem"), stored[0]),
                (cert, key))):
            if self.target.has("push_certs", "topic = %s AND updated_at > %t",
                               topic, at):
                self.left_alone += 1
                self.trouble.tell(f"{topic}: its push certificate is newer in"
                                  " the database; left alone")
                return
            number = max(number, int(stored[0][2]) + 1)
        elif stored:
            number = int(stored[0][2])
        self.target.put("push_certs", {"topic": topic}, {
            "cert_pem": cert, "key_pem": key, "stale_token": number},
            {"updated_at": at}, at)
        self.certs += 1

    def pem(self, key, begin):
        """From its first line on."""
        files = self.storage.push_cert
        files.needed(key)
        value = files.text(key)
        start = value.find(begin)
        if start < 0 or "-----END" not in value[start:]:
            raise Bad(files.path(key), "truncated, or not PEM; upload the"
                      " push certificate again")
        return value[start:]

    def put_associations(self):
        """Also the certificates that a device had before."""
        files = self.storage.cert_auth
        for key in sorted(files.paths):
            if key.endswith(".cert_hash"):
                id_, sha256 = key[:-10], self.optional(files.text, key)
            elif key.endswith(".hash_cert"):
                id_, sha256 = self.optional(files.text, key), key[:-10]
            else:
                continue
            if not (id_ and len(id_) <= LONGEST_ID and is_utf8(key)
                    and re.fullmatch("[0-9a-f]{64}", sha256 or "")):
                self.say(f"{ascii(files.path(key))}: no certificate"
                         " association; left out")
                continue
            if not self.target.has("cert_auth_associations",
                                   "id = %s AND sha256 = %s", id_, sha256):
                self.target.put("cert_auth_associations",
                                {"id": id_, "sha256": sha256}, {}, {},
                                files.written_at(key))
                self.associations += 1

    def summary(self):
        return (f"{'would import' if self.args.dry_run else 'imported'}"
                f" {self.devices} devices, {self.users} users,"
                f" {self.pending} pending commands, {self.results} results,"
                f" {self.certs} push certificates and {self.associations}"
                f" certificate associations; {self.trouble.problems}"
                f" problems, {self.left_alone} left alone")


def without_unlock_token(message):
    """As the server stores it where it seals the column of its own."""
    return re.sub(r"<key>UnlockToken</key>\s*<data\s*(?:/>|>.*?</data>)", "",
                  message, flags=re.DOTALL).rstrip() + "\n"


def names_in(message):
    """A user's, as in its last message."""
    found = {}
    with contextlib.suppress(Exception):
        found = plistlib.loads(message.encode())
    return {column: found.get(key) or None for column, key
            in (("user_short_name", "UserShortName"),
                ("user_long_name", "UserLongName"))}


class Reporter:
    """Each problem once, on standard error."""

    def __init__(self):
        self.said = set()

    @property
    def problems(self):
        return len(self.said)

    def say(self, line):
        if line not in self.said:
            self.said.add(line)
            self.tell(line)

    @staticmethod
    def tell(line):
        print(line.encode("utf-8", "backslashreplace").decode(),
              file=sys.stderr, flush=True)


# ---- The command line ----

def command_line():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("folder", help="what NanoMDM's -storage-dsn names")
    add("--driver", required=True, choices=DRIVERS)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--params", metavar="TEXT",
                       help="the database, written as in DBDParams; text with"
                       " a password may be env:NAME or file:PATH")
    where.add_argument("--dsn", metavar="TEXT",
                       help="the database, written as in a -storage-dsn;"
                       " likewise")
    add("--table-prefix", "--prefix", default="", type=table_prefix,
        metavar="PREFIX", help="as in NanoMDMTablePrefix")
    add_storage_key(parser, "seals what is written")
    add("--dry-run", action="store_true",
        help="do everything and take it back, device by device")
    add("--verbose", action="store_true", help="a line for each device")
    return parser


def main():
    parser = command_line()
    args = parser.parse_args()
    resolve_secrets(parser, args)
    reporter = Reporter()
    work = None
    stopped = False
    try:
        storage = Storage(args.folder, reporter.say)
        work = Import(args, storage, Target(args), reporter)
        work.run()
    except (Stopped, OSError) as error:
        reporter.tell(f"stopped: {error}")
        stopped = True
    if work:
        print(work.summary(), flush=True)
    return 1 if stopped or reporter.problems else 0


if __name__ == "__main__":
    sys.exit(main())
