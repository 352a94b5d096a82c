# SPDX-License-Identifier: Apache-2.0
"""Private database servers, and the databases in them.

A server is started once and lives in a folder of its own; each call of
fresh() makes a new database in it, with what httpd and a test need to
reach it.
"""

import atexit
import contextlib
import itertools
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import threading

import psycopg2
import pymysql

from system import (ROOT, as_user, free_port, kill_tree, remove_folder,
                    remove_large_folder, run, spawn, temp_folder,
                    wait_until)


def newest_postgres():
    """Debian has a folder for each major version."""
    folders = pathlib.Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    return max((folder for folder in folders
                if (folder / "initdb").exists()),
               key=lambda folder: int(folder.parent.name),
               default=pathlib.Path("/usr/lib/postgresql/bin"))


POSTGRES = newest_postgres()
USER = "nanomdm"
PASSWORD = "db-secret"


class Database:
    """One database: how httpd and how a test get at it."""

    def __init__(self, server, name, params, connect):
        self.server = server
        self.name = name
        self.params = params
        self.connect = connect

    @property
    def kind(self):
        """sqlite3, pgsql or mysql: the name of the apr_dbd driver."""
        return self.server.kind

    def dbd_lines(self, connections, at_start=1):
        """mod_dbd's directives for a child with that many connections.

        Most tests need two, and PostgreSQL computes longer for ten than httpd
        for its whole start: the others are opened when they are needed."""
        return (f'DBDriver {self.kind}\n'
                f'DBDParams "{self.params}"\n'
                f'DBDPersist On\n'
                f'DBDMin {at_start}\n'
                f'DBDKeep {connections}\n'
                f'DBDMax {connections}\n')

    def query(self, sql, *args):
        """Rows as a list of tuples; parameters are written %s."""
        return self._run(sql, args, lambda cursor: list(cursor.fetchall()))

    def execute(self, sql, *args):
        """Run and commit; the number of rows affected."""
        return self._run(sql, args, lambda cursor: cursor.rowcount)

    def cut_connections(self):
        """Have the server end all but this one; how many there were."""
        if self.kind == "pgsql":
            return len(self.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database()"
                " AND usename = current_user"    # autovacuum is another's
                " AND pid <> pg_backend_pid()"))
        # MySQL's information_schema cannot show a statement with emoji.
        threads = self.query(
            "SELECT processlist_id FROM performance_schema.threads"
            " WHERE processlist_db = DATABASE()"
            " AND processlist_id <> CONNECTION_ID()"
            if self.server.program == "mysqld" else
            "SELECT id FROM information_schema.processlist"
            " WHERE db = DATABASE() AND id <> CONNECTION_ID()")
        for thread, in threads:
            with contextlib.suppress(pymysql.OperationalError):
                self.execute(f"KILL {thread}")     # it may be gone
        return len(threads)

    def _run(self, sql, args, harvest):
        if self.kind == "sqlite3":
            sql = sql.replace("%s", "?")
        # Without parameters the drivers leave % alone.
        parameters = (args,) if args else ()
        def once(connection):
            cursor = connection.cursor()
            cursor.execute(sql, *parameters)
            result = harvest(cursor)
            connection.commit()
            return result
        return self.server.with_connection(self, once)


class Server:
    """What all have in common: a folder, a life, databases."""

    program = None              # what --db calls it
    kind = None                 # the name of its apr_dbd driver
    user = None
    unused = {}                 # program: where data nobody has used is kept
    keeps_connections = True    # unless a test needs all that there may be

    @classmethod
    def is_here(cls):
        """Whether this machine has the program."""
        return True

    def __init__(self, durable=False):
        """durable: write through to the disk.  Otherwise a commit still
        survives kill(), though not the loss of power."""
        self.durable = durable
        self.folder = None
        self.process = None
        self.numbers = itertools.count(1)

    def start(self):
        if not self.folder:
            self.folder = temp_folder(self.program)
            shutil.chown(self.folder, self.user, self.user)
            self.port = free_port()
            self.create()
        self.launch()

    def create(self):
        """Fill the new folder."""

    def make_data(self, make):
        """The folder "data", made for the first server of a program and
        copied for the others."""
        data = self.folder / "data"
        if self.program in self.unused:
            copy(self.unused[self.program], data)
            return
        make()
        kept = temp_folder(f"{self.program}-data")
        atexit.register(remove_folder, kept)
        copy(data, kept / "data")
        self.unused[self.program] = kept / "data"

    def launch(self):
        with open(self.folder / "server.log", "ab") as log:
            self.process = spawn(self.command(), log, user=self.user,
                                 cwd=self.folder)
        wait_until(lambda: self.process.poll() is not None or self.alive(),
                   seconds=60)
        if not self.alive():
            raise RuntimeError(f"{self.program} does not start:\n"
                               + self.log())

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")

    def alive(self):
        try:
            self.admin().close()
        except (psycopg2.Error, pymysql.Error):
            return False
        return True

    def stop(self):
        """Stop in good order; start() goes on with the same data."""
        if self.process:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                kill_tree(self.process)
        self.process = None

    def kill(self):
        """SIGKILL, as the OOM killer does."""
        kill_tree(self.process)
        self.process = None

    def restart(self):
        self.stop()
        self.start()

    def remove(self):
        if self.process:                  # what goes need not be tidy
            self.process.send_signal(self.quit_signal)
            self.process.wait()
        self.process = None
        if self.folder:
            remove_large_folder(self.folder)
        self.folder = None

    def with_connection(self, database, work):
        with contextlib.closing(database.connect()) as connection:
            return work(connection)

    def fresh(self, schema=None):
        """A new database, empty or with the tables of an SQL file."""
        name = f"nanomdm_{next(self.numbers)}"
        database = self.create_database(name)
        if schema:
            self.load(name, schema)
        return database


def copy(source, target):
    run("cp", "-a", "--sparse=always", source, target)


class Sqlite(Server):
    """A file: nothing runs, and so nothing can be stopped."""

    program = kind = "sqlite3"
    user = "www-data"

    def launch(self):
        pass

    def stop(self):
        pass

    def kill(self):
        pass

    def path(self, name):
        return self.folder / name / "nanomdm.db"

    def create_database(self, name):
        """Not even the file: httpd makes it, as its own user."""
        folder = self.path(name).parent
        folder.mkdir()
        shutil.chown(folder, self.user, self.user)
        # mode=rw: a test that looks too early must not create the file.
        uri = f"file:{self.path(name)}?mode=rw"
        return Database(self, name, self.path(name),
                        lambda: sqlite3.connect(uri, uri=True, timeout=10))

    def load(self, name, schema):
        with contextlib.closing(sqlite3.connect(self.path(name))) as db:
            db.executescript(pathlib.Path(schema).read_text())
        shutil.chown(self.path(name), self.user, self.user)


class Postgres(Server):
    program = kind = "pgsql"
    user = "postgres"
    stop_signal = signal.SIGINT           # "fast": waits for no client
    quit_signal = signal.SIGQUIT          # "immediate"

    def create(self):
        self.templates = {}               # SQL file: database made with it
        self.kept = threading.local()     # a connection, and its Database
        self.make_data(self.initialise)

    def initialise(self):
        run("setpriv", *as_user(self.user), POSTGRES / "initdb",
            "--no-sync", "--auth-local=trust", "--encoding=UTF8",
            "--auth-host=md5", "--locale=C.UTF-8",
            "--username=postgres", self.folder / "data",
            cwd=self.folder)
        self.launch()
        # With SCRAM a child's ten connections would cost more than all else
        # in its start.
        self.admin_execute("SET password_encryption = 'md5';"
                           f"CREATE ROLE {USER} LOGIN"
                           f" PASSWORD '{PASSWORD}'")
        self.stop()

    def command(self):
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port,
            "unix_socket_directories": self.folder,
            "max_connections": 200, "shared_buffers": "32MB",
        }
        if not self.durable:
            # It would visit each of hundreds of databases every minute.
            settings.update(fsync="off", full_page_writes="off",
                            autovacuum="off")
        words = [POSTGRES / "postgres", "-D", self.folder / "data"]
        for name, value in settings.items():
            words += ["-c", f"{name}={value}"]
        return words

    def admin(self, database="postgres", user="postgres"):
        return psycopg2.connect(host=str(self.folder), port=self.port,
                                dbname=database, user=user,
                                client_encoding="UTF8")

    def admin_execute(self, sql):
        connection = self.admin()
        connection.autocommit = True      # CREATE DATABASE demands it
        connection.cursor().execute(sql)
        connection.close()

    def fresh(self, schema=None):
        """A script is run once: databases are copies of the first."""
        if not schema:
            return super().fresh()
        if schema not in self.templates:
            self.templates[schema] = super().fresh(schema).name
        return self.create_database(f"nanomdm_{next(self.numbers)}",
                                    self.templates[schema])

    def with_connection(self, database, work):
        """Each thread keeps its last connection: to begin one costs PostgreSQL
        more than most tests do."""
        if not self.keeps_connections:
            return super().with_connection(database, work)
        kept = self.kept.__dict__
        if kept.get("database") is not database:
            self.let_go()
            kept.update(connection=database.connect(), database=database)
            kept["connection"].autocommit = True
            return work(kept["connection"])
        try:
            return work(kept["connection"])
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            if not kept["connection"].closed:
                raise
        self.let_go()                   # the server had ended it
        return self.with_connection(database, work)

    def let_go(self):
        """Close the connection that this thread keeps."""
        kept = self.kept.__dict__
        if kept.pop("database", None):
            kept.pop("connection").close()

    def create_database(self, name, template="template1"):
        # Fifteen would copy by its log, for three times as much.
        self.admin_execute(f"CREATE DATABASE {name} OWNER {USER}"
                           f" TEMPLATE {template} STRATEGY file_copy")
        return Database(
            self, name,
            f"host=127.0.0.1 port={self.port} dbname={name} user={USER}"
            f" password={PASSWORD} connect_timeout=2",
            lambda: self.admin(name, USER))

    def load(self, name, schema):
        run("psql", "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1",
            "-h", self.folder, "-p", self.port, "-U", USER, "-d", name,
            "-f", schema)


class MariaDB(Server):
    program = kind = "mysql"
    user = "mysql"
    stop_signal = signal.SIGTERM
    quit_signal = signal.SIGKILL
    tzinfo_to_sql = "mariadb-tzinfo-to-sql"
    not_durable = ("--innodb-flush-log-at-trx-commit=2",
                   "--innodb-flush-method=nosync")

    @classmethod
    def is_here(cls):
        return shutil.which("mariadbd") is not None

    def create(self):
        self.make_data(self.initialise)

    def fill_data(self):
        run("setpriv", *as_user(self.user), "mariadb-install-db",
            "--no-defaults", f"--datadir={self.folder / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db", cwd=self.folder, env=self.environment())

    def initialise(self):
        self.fill_data()
        self.launch()
        self.admin_execute(f"CREATE USER {USER}@'127.0.0.1'"
                           f" IDENTIFIED BY '{PASSWORD}'")
        self.admin_execute(f"GRANT ALL ON `nanomdm\\_%`.*"
                           f" TO {USER}@'127.0.0.1'")
        self.stop()

    def environment(self):
        """At its start each removes what others have in the same TMPDIR."""
        return {**os.environ, "TMPDIR": str(self.folder)}

    def command(self):
        return ["mariadbd", *self.options()]

    def options(self):
        return ["--no-defaults",
                f"--datadir={self.folder / 'data'}",
                f"--socket={self.socket}", f"--port={self.port}",
                f"--pid-file={self.folder / 'pid'}",
                f"--tmpdir={self.folder}",
                "--bind-address=127.0.0.1", "--skip-name-resolve",
                "--max-connections=300", "--max-allowed-packet=64M",
                "--character-set-server=utf8mb4",
                "--innodb-buffer-pool-size=64M",
                *(["--innodb-flush-log-at-trx-commit=1"] if self.durable
                  else self.not_durable)]

    @property
    def socket(self):
        return str(self.folder / "socket")

    def admin(self, database=None):
        return pymysql.connect(unix_socket=self.socket, user="root",
                               database=database, charset="utf8mb4",
                               connect_timeout=5)

    def admin_execute(self, sql):
        connection = self.admin()
        connection.cursor().execute(sql)
        connection.close()

    def create_database(self, name):
        self.admin_execute(f"CREATE DATABASE {name}")
        return Database(
            self, name,
            f"host=127.0.0.1,port={self.port},dbname={name},user={USER},"
            f"pass={PASSWORD},reconnect=0,flags=CLIENT_FOUND_ROWS",
            lambda: self.admin(name))

    def load(self, name, schema):
        with open(schema, "rb") as sql:
            run("mariadb", "--no-defaults", f"--socket={self.socket}",
                "--default-character-set=utf8mb4", "--user=root", name,
                stdin=sql)


def tables_of_nanomdm(folder, characters):
    """An SQL file with NanoMDM's tables in a character set: they have that of
    their database."""
    script = folder / "nanomdm.sql"
    tables, _, _ = (ROOT / "tests/data/nanomdm-mysql.sql").read_text(
    ).partition("INSERT INTO")
    script.write_text(tables.replace("utf8mb4 COLLATE utf8mb4_general_ci",
                                     characters))
    return script


def oracles_mysqld():
    """None without it. Debian's packages of the two exclude each other, so
    NANOMDM_MYSQLD may name one that was only unpacked; and MariaDB has a
    program of the same name."""
    path = os.environ.get("NANOMDM_MYSQLD") or shutil.which("mysqld")
    if not path or b"MariaDB" in run(path, "--version"):
        return None
    return pathlib.Path(path)


MYSQLD = oracles_mysqld()


class MySQL(MariaDB):
    """Oracle's, with its own defaults: the binary log is on.  For the rest
    MariaDB's client and driver get on with it."""

    program = "mysqld"
    tzinfo_to_sql = MYSQLD and MYSQLD.parents[1] / "bin/mysql_tzinfo_to_sql"
    not_durable = (*MariaDB.not_durable, "--sync-binlog=0")
    # The module's user has no SUPER, and the tables want triggers.
    triggers = "--log-bin-trust-function-creators=1"

    @classmethod
    def is_here(cls):
        return MYSQLD is not None

    def fill_data(self):
        run("setpriv", *as_user(self.user), MYSQLD, "--no-defaults",
            self.base(), "--initialize-insecure",
            f"--datadir={self.folder / 'data'}",
            cwd=self.folder, env=self.environment())

    def command(self):
        return [MYSQLD, *self.options(), self.base(), "--mysqlx=OFF",
                "--secure-file-priv=NULL",
                self.triggers]

    @staticmethod
    def base():
        """Of its messages and plug-ins."""
        return f"--basedir={MYSQLD.parents[1]}"


PROGRAMS = {server.program: server
            for server in (Sqlite, Postgres, MariaDB, MySQL)}
