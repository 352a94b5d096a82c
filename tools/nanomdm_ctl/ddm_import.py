# SPDX-License-Identifier: Apache-2.0
"""Writes what a KMFDDM keeps, declarations, sets and who has them, into a
database that has our tables.

    nmdm-import-ddm.py --driver pgsql --params "host=db dbname=mdm user=mdm" \\
        /var/lib/kmfddm/db
    nmdm-import-ddm.py --driver mysql --params "host=db,dbname=mdm,user=mdm" \\
        --from-mysql "kmfddm:SECRET@tcp(127.0.0.1:3306)/kmfddm"

ServerTokens stay, so that no device fetches a declaration anew; devices fetch
their list of declarations once, with the next command. No device is notified. It
may be run again: what is there already and the same stays, and a declaration
that differs is left alone unless --replace is given. What devices reported does
not move: they report all of it once a day.

Exit status: 0 all is there, 1 something was left out, 2 wrong usage.
"""

import contextlib
import hashlib
import json
import pathlib
import re
import sys

from .database import (DRIVERS, encoded, module_of, mysql_options,
                       resolve_secrets, secret, table_prefix, text)
from .errors import Stopped
from .filekv_files import Bad, read_regular
from .filekv_target import CONNECT
from .output import Progress, plain

LONGEST = 255                 # octets of a name
LONGEST_TOKEN = 64
SHARD = "com.github.jessepeterson.kmfddm.storage.shard.v1"
BATCH = 500
MANIFESTS = {"activation": "activations", "asset": "assets",
             "configuration": "configurations", "management": "management"}
NOW = {"sqlite3": "CAST((julianday('now') - 2440587.5) * 86400 AS INTEGER)",
       "pgsql": "CAST(EXTRACT(EPOCH FROM NOW()) AS BIGINT)",
       "mysql": "UNIX_TIMESTAMP()"}


class Left(Exception):
    """Why something cannot be imported."""


# ---- JSON as the server stores it (src/codec/json_text.h) ----

class Number(str):
    """As it is written."""


def read_json(data):
    def refuse(word):
        raise ValueError(f"{word} is no JSON")
    return json.loads(data, parse_int=Number, parse_float=Number,
                      parse_constant=refuse)


ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n",
           "\r": "\\r", "\t": "\\t"}


def quoted(string):
    return '"' + re.sub(
        r'["\\\x00-\x1f]',
        lambda match: ESCAPES.get(match[0], f"\\u{ord(match[0]):04x}"),
        string) + '"'


def canonical(value):
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{quoted(key)}:{canonical(value[key])}"
                              for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return {True: "true", False: "false", None: "null"}[value]


def set_token(pairs):
    """Of (Identifier, ServerToken), in the order of the Identifiers' bytes."""
    fields = [encoded(text(field)) for pair in pairs for field in pair]
    return hashlib.sha256(b"".join(
        b"%d:%s" % (len(field), field) for field in fields)).hexdigest() \
        if fields else ""


# ---- What KMFDDM keeps ----

class Declaration:
    def __init__(self, identifier, type_, payload, token):
        """payload: JSON text, or what read_json made of one."""
        self.identifier, self.type, self.token = identifier, type_, token
        match = re.fullmatch(r"com\.apple\.([a-z]+)\..+", type_, re.DOTALL)
        check_name(identifier)
        if identifier.startswith(SHARD):
            raise Left("it is the shard declaration, which the server makes"
                       " itself: NanoMDMDeclarativeManagementShard On")
        if len(encoded(type_)) > LONGEST or not match \
                or match[1] not in MANIFESTS:
            raise Left(f"its type {type_!a} is none of Apple's four kinds")
        self.manifest = MANIFESTS[match[1]]
        if not token or len(encoded(token)) > LONGEST_TOKEN:
            raise Left(f"its ServerToken is empty or over {LONGEST_TOKEN}"
                       " octets")
        if "\x00" in type_ or "\x00" in token:
            raise Left("its type or its ServerToken has a NUL character")
        try:
            tree = payload if isinstance(payload, dict) \
                else read_json(payload)
            self.payload = canonical(tree)
            encoded(self.payload)
        except (ValueError, RecursionError) as error:
            raise Left(f"its payload is no JSON: {error}") from None
        if not isinstance(tree, dict):
            raise Left("its payload is no object")
        if "\x00" in str(tree):
            raise Left("its payload has a NUL character")


def check_name(name):
    try:
        length = len(name.encode())
    except (UnicodeEncodeError, AttributeError):    # which bytes have not
        raise Left("its name is not UTF-8") from None
    if not 0 < length <= LONGEST or "\x00" in name:
        raise Left(f"its name is empty or over {LONGEST} octets")


class Source:
    """declarations(), members() and assignments() yield what is to be
    imported; what cannot be is said."""

    def __init__(self, say):
        self.say = say

    def checked(self, where, make, *arguments):
        try:
            return make(*arguments)
        except (Left, Bad, OSError, ValueError, KeyError, TypeError,
                AttributeError, RecursionError) as error:
            self.say(f"{where}: left out: {error}")
            return None


class KeyFiles(Source):
    """-storage filekv: four folders of files, each named by its key, whose
    parts have dots between them. Identifiers have some themselves."""

    def __init__(self, folder, say):
        super().__init__(say)
        self.folder = folder
        self.declared = sorted(
            name[4:-5] for name in self.names("declarations", "dcl.")
            if name.endswith(".type"))
        self.sets = {name[3:] for name in self.names("sets", "st.")}
        self.ids = {name[3:] for name in self.names("enrollments", "en.")}

    def names(self, bucket, prefix):
        for path in (self.folder / bucket).rglob("*"):
            if path.name.startswith(prefix) and path.is_file():
                yield path.name

    def value(self, name):
        path = self.folder / "declarations" / name
        if not path.is_file():
            raise Left(f"the file {name} is missing")
        return read_regular(path).decode()

    def declarations(self):
        for name in self.declared:
            yield self.checked(name, lambda: Declaration(
                name, *(self.value(f"dcl.{name}.{part}")
                        for part in ("type", "payload", "token"))))

    def parted(self, key, first, second, is_second_known=True):
        """The one way to part a key; names have dots of their own."""
        ways = [(key[:at], key[at + 1:]) for at in range(1, len(key) - 1)
                if key[at] == "." and key[:at] in first]
        if is_second_known or len(ways) > 1:
            ways = [way for way in ways if way[1] in second]
        if len(ways) != 1:
            self.say(f"{key}: left out: " + (
                "it can be read as " + " and as ".join(map(repr, ways))
                if ways else "it names nothing that is there"))
            return None
        return ways[0]

    def members(self):
        declared = set(self.declared)
        for name in sorted(self.names("sets", "sc.")):
            yield self.parted(name[3:], self.sets, declared)

    def assignments(self):
        """Sets may be assigned that hold nothing; those are not listed."""
        for name in sorted(self.names("enrollments", "es.")):
            yield self.parted(name[3:], self.ids, self.sets, False)


class Files(Source):
    """-storage file, of before version 1: declaration.ID.json,
    set.declarations.SET.txt, and a folder for each enrollment."""

    def __init__(self, folder, say):
        super().__init__(say)
        self.folder = folder

    def read(self, path):
        whole = read_json(read_regular(path))
        return Declaration(whole["Identifier"], whole["Type"],
                           whole["Payload"], whole["ServerToken"])

    def declarations(self):
        for path in sorted(self.folder.glob("declaration.*.json")):
            if path.is_file():
                yield self.checked(path.name, self.read, path)

    def lines(self, path):
        read = self.checked(path, lambda: read_regular(path).decode())
        return [line for line in (read or "").strip().split("\n") if line]

    def members(self):
        for path in sorted(self.folder.glob("set.declarations.*.txt")):
            for line in self.lines(path):
                yield path.name[len("set.declarations."):-len(".txt")], line

    def assignments(self):
        for path in sorted(self.folder.glob("*/sets.txt")):
            for line in self.lines(path):
                yield path.parent.name, line


class MySQL(Source):
    """-storage mysql."""

    def __init__(self, dsn, say):
        super().__init__(say)
        module = module_of("mysql")
        self.error = module.Error

        class Named:
            pass
        Named.dsn, Named.params = (dsn, None) if "/" in dsn else (None, dsn)
        try:
            self.connection = module.connect(charset="utf8mb4",
                                             **mysql_options(Named))
        except self.error as error:
            raise Stopped(f"KMFDDM's database: {error}") from None

    def rows(self, sql):
        try:
            with contextlib.closing(self.connection.cursor()) as cursor:
                cursor.execute(sql)
                yield from cursor.fetchall()
        except self.error as error:
            raise Stopped(f"KMFDDM's database: {error}") from None

    def declarations(self):
        for row in self.rows(
                "SELECT identifier, type, CAST(payload AS CHAR),"
                " server_token FROM declarations ORDER BY identifier"):
            row = [text(value) for value in row]
            yield self.checked(row[0], Declaration, *row)

    def members(self):
        for row in self.rows(
                "SELECT set_name, declaration_identifier"
                " FROM set_declarations"
                " ORDER BY set_name, declaration_identifier"):
            yield tuple(map(text, row))

    def assignments(self):
        for row in self.rows(
                "SELECT enrollment_id, set_name FROM enrollment_sets"
                " ORDER BY enrollment_id, set_name"):
            yield tuple(map(text, row))


def source_of(args, say):
    if args.from_mysql:
        return MySQL(args.from_mysql, say)
    folder = pathlib.Path(args.folder)
    if (folder / "declarations").is_dir():
        return KeyFiles(folder, say)
    if any(folder.glob("declaration.*.json")) \
            or any(folder.glob("set.declarations.*.txt")):
        return Files(folder, say)
    raise Stopped(f"{folder}: not what KMFDDM keeps: neither a folder"
                  " \"declarations\" nor a file declaration.ID.json")


# ---- Our tables ----

class Target:
    def __init__(self, args):
        self.driver, self.prefix = args.driver, args.table_prefix
        self.is_dry_run = args.dry_run
        self.mark = DRIVERS[args.driver][2]
        module = module_of(args.driver)
        self.error = module.Error
        try:
            self.connection = CONNECT[args.driver](module, args)
        except self.error as error:
            raise Stopped(f"the database: {error}") from None
        try:
            self.query("SELECT payload, server_token"
                       " FROM {prefix}nanomdm_dd_declarations WHERE 1 = 0")
            self.connection.rollback()
        except self.error as error:
            raise Stopped(
                f"the database lacks the tables of declarative management"
                f" ({error}); start the server once with \"NanoMDMSchema"
                " auto\", or run the scripts of schema/upgrade") from None

    @contextlib.contextmanager
    def transaction(self):
        try:
            if self.driver == "sqlite3":
                self.connection.execute("BEGIN IMMEDIATE")
            yield
            if self.is_dry_run:
                self.connection.rollback()
            else:
                self.connection.commit()
        except self.error as error:
            with contextlib.suppress(self.error):
                self.connection.rollback()
            raise Stopped(f"the database: {error}") from None

    def query(self, sql, *values):
        return self.run(sql, values, lambda cursor: cursor.fetchall())

    def execute(self, sql, *values):
        return self.run(sql, values, lambda cursor: cursor.rowcount)

    def run(self, sql, values, harvest):
        sql = sql.format(prefix=self.prefix, now=NOW[self.driver])
        sql = sql.replace("%s", self.mark)
        with contextlib.closing(self.connection.cursor()) as cursor:
            cursor.execute(sql, values)
            return harvest(cursor)

    def add_missing(self, table, columns, values):
        """Whether the row was not there."""
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(values))
        if self.driver == "mysql":
            sql = f"INSERT IGNORE INTO {{prefix}}{table} ({names})" \
                  f" VALUES ({marks})"
        else:
            sql = f"INSERT INTO {{prefix}}{table} ({names})" \
                  f" VALUES ({marks}) ON CONFLICT DO NOTHING"
        return self.execute(sql, *values) > 0

    def put_declaration(self, one, replaces):
        """"new", "same", "changed" or, left alone, "differs"."""
        rows = self.query(
            "SELECT type, payload, server_token"
            " FROM {prefix}nanomdm_dd_declarations WHERE identifier = %s",
            one.identifier)
        wanted = (one.type, one.payload, one.token)
        if rows and tuple(map(text, rows[0])) == wanted:
            return "same"
        if rows and not replaces:
            return "differs"
        if rows:
            self.execute(
                "UPDATE {prefix}nanomdm_dd_declarations SET type = %s,"
                " payload = %s, server_token = %s, manifest = %s,"
                " updated_at = {now} WHERE identifier = %s",
                *wanted, one.manifest, one.identifier)
            for name, in self.query(
                    "SELECT set_name FROM {prefix}nanomdm_dd_set_declarations"
                    " WHERE identifier = %s ORDER BY set_name",
                    one.identifier):
                self.put_set(text(name), ())
            return "changed"
        self.execute(
            "INSERT INTO {prefix}nanomdm_dd_declarations (type, payload,"
            " server_token, manifest, identifier, created_at, updated_at)"
            " VALUES (%s, %s, %s, %s, %s, {now}, {now})",
            *wanted, one.manifest, one.identifier)
        return "new"

    def put_set(self, name, identifiers):
        """Adds declarations and writes the set's token; how many were
        new. The row of the set is locked, as the server does."""
        self.add_missing("nanomdm_dd_sets", ("set_name",), (name,))
        self.execute("UPDATE {prefix}nanomdm_dd_sets SET set_name = set_name"
                     " WHERE set_name = %s", name)
        added = sum(self.add_missing(
            "nanomdm_dd_set_declarations", ("set_name", "identifier"),
            (name, identifier)) for identifier in identifiers)
        members = self.query(
            "SELECT d.identifier, d.server_token"
            "  FROM {prefix}nanomdm_dd_set_declarations m"
            "  JOIN {prefix}nanomdm_dd_declarations d"
            "    ON d.identifier = m.identifier"
            " WHERE m.set_name = %s", name)
        self.execute("UPDATE {prefix}nanomdm_dd_sets SET token = %s"
                     " WHERE set_name = %s", set_token(
                         sorted((encoded(text(one)), encoded(text(token)))
                                for one, token in members)), name)
        return added


# ---- The work ----

class Import:
    def __init__(self, args, source, target):
        self.args, self.source, self.target = args, source, target
        self.known = set()
        self.new = self.changed = self.joined = self.assigned = 0

    def run(self, progress):
        self.progress = progress
        self.done = 0
        self.put_declarations()
        self.put_members()
        self.put_assignments()
        progress.end()

    def read(self, entries):
        """Those that could be read."""
        for entry in entries:
            self.done += 1
            self.progress(self.done)
            if entry is not None:
                yield entry

    def batches(self, entries):
        batch = []
        for entry in self.read(entries):
            batch.append(entry)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def put_declarations(self):
        for batch in self.batches(self.source.declarations()):
            with self.target.transaction():
                for one in batch:
                    came = self.target.put_declaration(one,
                                                       self.args.replace)
                    self.known.add(one.identifier)
                    self.new += came == "new"
                    self.changed += came == "changed"
                    if came == "differs":
                        self.source.say(
                            f"{one.identifier}: left alone: another version"
                            " is in the database; --replace overwrites it")

    def put_members(self):
        sets = {}
        for name, identifier in filter(self.are_names, self.read(
                self.source.members())):
            if identifier in self.known:
                sets.setdefault(name, []).append(identifier)
            else:
                self.source.say(f"{identifier}: not put into the set"
                                f" {name}: it was not imported")
        for name in sorted(sets):
            if self.args.dry_run:
                self.joined += len(sets[name])
                continue
            with self.target.transaction():
                self.joined += self.target.put_set(name, sets[name])

    def are_names(self, pair):
        try:
            for name in pair:
                check_name(name)
        except Left as reason:
            self.source.say(f"{pair!a}: left out: {reason}")
            return False
        return True

    def put_assignments(self):
        for batch in self.batches(self.source.assignments()):
            with self.target.transaction():
                for pair in filter(self.are_names, batch):
                    self.assigned += self.target.add_missing(
                        "nanomdm_dd_enrollment_sets", ("id", "set_name"),
                        pair)

    def summary(self):
        return (f"{'would import' if self.args.dry_run else 'imported'}"
                f" {self.new} declarations, {self.changed} changed ones,"
                f" {self.joined} memberships of sets and {self.assigned}"
                " assignments")


class Reporter:
    """Each problem once, on standard error."""

    def __init__(self):
        self.said = set()
        self.progress = Progress("read")

    def say(self, line):
        if line not in self.said:
            self.said.add(line)
            self.progress.end()
            print(plain(line.encode("utf-8", "backslashreplace").decode()),
                  file=sys.stderr, flush=True)


# ---- The command line ----

def add_arguments(parser):
    add = parser.add_argument
    origin = parser.add_mutually_exclusive_group(required=True)
    origin.add_argument("folder", nargs="?",
                        help="what KMFDDM's -storage-dsn names, of filekv or"
                        " file")
    origin.add_argument("--from-mysql", metavar="TEXT",
                        help="KMFDDM's MySQL database, as in its -storage-dsn"
                        " or in DBDParams; may be env:NAME or file:PATH")
    add("--driver", required=True, choices=DRIVERS)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--params", metavar="TEXT",
                       help="our database, written as in DBDParams; text with"
                       " a password may be env:NAME or file:PATH")
    where.add_argument("--dsn", metavar="TEXT",
                       help="our database, written as in a -storage-dsn;"
                       " likewise")
    add("--table-prefix", "--prefix", default="", type=table_prefix,
        metavar="PREFIX", help="as in NanoMDMTablePrefix")
    add("--replace", action="store_true",
        help="overwrite declarations that differ")
    add("--dry-run", action="store_true", help="write nothing")


def run(parser, args):
    resolve_secrets(parser, args)
    args.from_mysql = args.from_mysql and secret(args.from_mysql)
    reporter = Reporter()
    work = Import(args, source_of(args, reporter.say), Target(args))
    work.run(reporter.progress)
    print(work.summary() + f"; {len(reporter.said)} problems", flush=True)
    return 1 if reporter.said else 0
