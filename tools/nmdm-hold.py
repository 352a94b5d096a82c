#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""After a restore: holds what waited for devices at the time of the backup,
until an operator releases it.

    nmdm-hold.py hold --driver sqlite3 --params /var/lib/nanomdm/nanomdm.db
    nmdm-hold.py list ...
    nmdm-hold.py release --id 9C1B4A3E... ...
    nmdm-hold.py drop --request-type EraseDevice ...

hold comes first, before a device can reach the restored database. Commands that
are queued afterwards are not held. release gives back what the options choose,
drop cancels it for good, and each wants --id, --command-uuid, --request-type or
--all. The table nanomdm_held has what is held, and is gone with the last entry.

Exit status: 0 done, 1 it failed, 2 wrong usage.
"""

import argparse
import contextlib
import sys

sys.dont_write_bytecode = True

from nanomdm_ctl.database import (  # noqa: E402
    DRIVERS, module_of, mysql_options, resolve_secrets, text)
from nanomdm_ctl.errors import Stopped  # noqa: E402
from nanomdm_ctl.output import plain  # noqa: E402

HELD = """EXISTS (SELECT 1 FROM nanomdm_held h
                   WHERE h.id = enrollment_queue.id
                     AND h.command_uuid = enrollment_queue.command_uuid)"""
# Of the types and the collation of the queue, whichever database it is.
MAKE = """CREATE TABLE nanomdm_held AS
SELECT id, command_uuid FROM enrollment_queue WHERE 1 = 0"""
TAKE = """INSERT INTO nanomdm_held (id, command_uuid)
SELECT q.id, q.command_uuid FROM enrollment_queue q
 WHERE q.active = TRUE
   AND NOT EXISTS (SELECT 1 FROM command_results r
                    WHERE r.id = q.id AND r.command_uuid = q.command_uuid
                      AND r.status <> 'NotNow')"""
LIST = """SELECT h.id, h.command_uuid, c.request_type
  FROM nanomdm_held h JOIN commands c ON c.command_uuid = h.command_uuid
 ORDER BY h.id, h.command_uuid"""


class Database:
    def __init__(self, args):
        module = module_of(args.driver)
        self.mark = DRIVERS[args.driver][2]
        self.error = module.Error
        with self.trouble():
            if args.driver == "sqlite3":
                self.connection = module.connect(
                    f"file:{args.params}?mode=rw", uri=True, timeout=30)
                self.run("PRAGMA foreign_keys = ON")
            elif args.driver == "pgsql":
                self.connection = module.connect(args.dsn or args.params)
            else:
                self.connection = module.connect(charset="utf8mb4",
                                                 **mysql_options(args))

    @contextlib.contextmanager
    def trouble(self):
        try:
            yield
        except self.error as error:
            raise Stopped(f"the database: {error}") from None

    def run(self, sql, *values):
        """The rows of a SELECT, else the number of rows that changed."""
        with self.trouble(), contextlib.closing(
                self.connection.cursor()) as cursor:
            cursor.execute(sql.replace("%s", self.mark), values)
            return (cursor.rowcount if cursor.description is None else
                    [[text(value) for value in row]
                     for row in cursor.fetchall()])

    def has_held(self):
        try:
            with contextlib.closing(self.connection.cursor()) as cursor:
                cursor.execute("SELECT COUNT(*) FROM nanomdm_held")
            return True
        except self.error:
            self.connection.rollback()
            return False

    def finish(self):
        """Commits, and removes the table once it is empty."""
        with self.trouble():
            self.connection.commit()
            if self.has_held() and not self.run(
                    "SELECT 1 FROM nanomdm_held LIMIT 1"):
                self.run("DROP TABLE nanomdm_held")
            self.connection.commit()


def hold(database, _):
    if database.has_held():
        raise Stopped("commands are held already: list, release or drop them")
    database.run(MAKE)
    database.run(TAKE)
    count = database.run("UPDATE enrollment_queue SET active = FALSE WHERE "
                         "active = TRUE AND " + HELD)
    print(f"{count} waiting commands are held")


def list_held(database, args):
    for row in chosen(database, args):
        print("\t".join(map(plain, row)))


def chosen(database, args):
    if not database.has_held():
        raise Stopped("nothing is held")
    return [(id_, uuid, kind) for id_, uuid, kind in database.run(LIST)
            if (not args.id or id_ in args.id)
            and (not args.command_uuid or uuid in args.command_uuid)
            and (not args.request_type or kind in args.request_type)]


def end(database, args):
    if not (args.all or args.id or args.command_uuid or args.request_type):
        raise Stopped("say which: --id, --command-uuid, --request-type or"
                      " --all")
    rows = chosen(database, args)
    for id_, uuid, _ in rows:
        if args.action == "release":
            database.run("UPDATE enrollment_queue SET active = TRUE"
                         " WHERE id = %s AND command_uuid = %s", id_, uuid)
        database.run("DELETE FROM nanomdm_held"
                     " WHERE id = %s AND command_uuid = %s", id_, uuid)
    print(f"{len(rows)} commands are"
          f" {'released' if args.action == 'release' else 'dropped'}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("hold", "list", "release", "drop"))
    parser.add_argument("--driver", choices=sorted(DRIVERS), required=True)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--params", help="as DBDParams has it; or file:PATH,"
                        " env:NAME")
    source.add_argument("--dsn", help="as NanoMDM's -storage-dsn has it")
    parser.add_argument("--id", action="append", help="of this enrollment;"
                        " may be repeated, as the next two")
    parser.add_argument("--command-uuid", action="append")
    parser.add_argument("--request-type", action="append")
    parser.add_argument("--all", action="store_true", help="all that is held")
    args = parser.parse_args()
    resolve_secrets(parser, args)
    if args.driver == "sqlite3":
        args.params = args.dsn or args.params
    try:
        database = Database(args)
        {"hold": hold, "list": list_held}.get(args.action, end)(database,
                                                               args)
        database.finish()
    except Stopped as error:
        print(plain(f"nmdm-hold: {error}"), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
