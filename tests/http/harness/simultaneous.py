# SPDX-License-Identifier: Apache-2.0
"""Requests that reach the database in the same moment."""

import contextlib
import re
import threading
import time

import psycopg2
import pymysql

from load import BROKEN

TOGETHER = r"NMDM0194: .*?(\d+) callers were answered together"
ROUNDS = 20                     # until the moment is right, on a busy machine
LOCK_OF_MARIADB = "LOCK TABLES cert_auth_associations WRITE", "UNLOCK TABLES"
HOLD = {
    "sqlite3": ("BEGIN IMMEDIATE", "ROLLBACK"),
    "pgsql": ("LOCK TABLE cert_auth_associations IN ACCESS EXCLUSIVE MODE",
              "ROLLBACK"),
    "mysql": LOCK_OF_MARIADB, "mysqld": LOCK_OF_MARIADB,
}


@contextlib.contextmanager
def held_back(database):
    """All who ask for certificates wait until the end of this; on SQLite, all
    who write."""
    begin, end = HOLD[database.kind]
    with contextlib.closing(database.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute(begin)
        yield
        with contextlib.suppress(psycopg2.OperationalError,
                                 pymysql.OperationalError):  # it was cut
            cursor.execute(end)


def at_once(database, calls, meanwhile=lambda: None):
    """What each call returns, when all of them reach the database in a
    moment in which it makes them wait."""
    answers = [None] * len(calls)

    def run(i):
        try:
            answers[i] = calls[i]()
        except BROKEN:          # event closes kept ones while all are busy
            answers[i] = calls[i]()
    threads = [threading.Thread(target=run, args=(i,), daemon=True)
               for i in range(len(calls))]
    with held_back(database):
        for thread in threads:
            thread.start()
        time.sleep(0.12)
        meanwhile()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a request hangs"
    return answers


def until_together(site, do, least=2):
    """Repeats it until a batch of so many was asked for."""
    for _ in range(ROUNDS):
        mark = site.mark()
        do()
        if any(int(number) >= least for number in
               re.findall(TOGETHER, site.log_since(mark))):
            return
    raise AssertionError("no batch in any round")
