# SPDX-License-Identifier: Apache-2.0
"""The database that NanoMDM's file storage is written to."""

import contextlib
import decimal
import pathlib
import time
import urllib.parse

from .database import (DRIVERS, StorageKeys, encoded, module_of,
                       mysql_options, text)
from .errors import Stopped
from .filekv_files import SECOND

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
