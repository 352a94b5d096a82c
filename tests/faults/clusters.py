# SPDX-License-Identifier: Apache-2.0
"""Databases of several servers, and one on a disk that fills up."""

import contextlib
import pathlib
import shutil
import subprocess

from databases import (PASSWORD, POSTGRES, USER, Database, MariaDB, Postgres,
                       Sqlite)
from system import (SmallDisk, as_user, free_port, run, temp_folder,
                    wait_until)

GALERA = pathlib.Path("/usr/lib/galera/libgalera_smm.so")


class SqliteOnSmallDisk(Sqlite):
    """SQLite in a file system of its own."""

    disk = None

    def start(self):
        if not self.folder:
            self.folder = temp_folder(self.kind)
            self.disk = SmallDisk(self.folder, self.user)

    def fill(self):
        self.disk.fill()

    def free(self):
        self.disk.free()

    def remove(self):
        if self.disk:
            self.disk.remove()
        super().remove()


class GaleraNode(MariaDB):
    """One of several that hold the same data."""

    def __init__(self, cluster):
        super().__init__()
        self.cluster = cluster
        self.is_first = False

    def create(self):
        """All but the first get their data from another."""
        self.gcomm, self.ist, self.sst = (free_port(), free_port(),
                                          free_port())
        if self.is_first:
            super().create()
        else:
            run("setpriv", *as_user(self.user), "mariadb-install-db",
                "--no-defaults", f"--datadir={self.folder / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db", cwd=self.folder, env=self.environment())

    def command(self):
        words = super().command()
        if not hasattr(self, "joined"):
            return words
        others = ",".join(f"127.0.0.1:{node.gcomm}"
                          for node in self.cluster.nodes if node.process)
        words += [
            "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2",
            "--innodb-flush-log-at-trx-commit=0",
            f"--wsrep-provider={GALERA}", "--wsrep-on=ON",
            "--wsrep-cluster-name=nanomdm",
            f"--wsrep-cluster-address=gcomm://{others}",
            f"--wsrep-node-address=127.0.0.1:{self.gcomm}",
            f"--wsrep-node-incoming-address=127.0.0.1:{self.port}",
            f"--wsrep-sst-receive-address=127.0.0.1:{self.sst}",
            "--wsrep-sst-method=rsync",
            "--wsrep-provider-options=gmcast.listen_addr="
            f"tcp://127.0.0.1:{self.gcomm};ist.recv_addr="
            f"127.0.0.1:{self.ist};gcache.size=16M;"
            "evs.suspect_timeout=PT1S;evs.inactive_timeout=PT3S;"
            "evs.keepalive_period=PT0.3S;evs.inactive_check_period=PT0.3S"]
        if not others:
            words.append("--wsrep-new-cluster")
        return words

    def join(self):
        self.joined = True
        if not self.folder:
            self.is_first = not any(node.process
                                    for node in self.cluster.nodes)
            self.start_once()
        self.start()
        if not wait_until(self.is_synced, seconds=60):
            raise RuntimeError("no Galera node:\n" + self.log()[-4000:])

    def start_once(self):
        """Make the folder without the cluster."""
        del self.joined
        self.folder = temp_folder(self.kind)
        shutil.chown(self.folder, self.user, self.user)
        self.port = free_port()
        self.create()
        self.joined = True

    def alive(self):
        return super().alive() and (not hasattr(self, "joined")
                                    or self.is_synced())

    def is_synced(self):
        with contextlib.suppress(Exception):
            connection = self.admin()
            cursor = connection.cursor()
            cursor.execute("SHOW STATUS LIKE 'wsrep_local_state_comment'")
            state = cursor.fetchone()
            connection.close()
            return bool(state) and state[1] == "Synced"
        return False


class Galera:
    """Three nodes; databases are made at the first."""

    kind = "mysql"

    def __init__(self):
        self.nodes = []
        self.nodes = [GaleraNode(self) for _ in range(3)]

    def start(self):
        for node in self.nodes:
            node.join()
        connection = self.nodes[0].admin()
        cursor = connection.cursor()
        cursor.execute("SHOW STATUS LIKE 'wsrep_cluster_size'")
        size = cursor.fetchone()[1]
        connection.close()
        assert size == "3", f"a cluster of {size}"

    def fresh(self, schema):
        """The same database, as seen through each node."""
        first = self.nodes[0].fresh(schema)
        databases = [first]
        for node in self.nodes[1:]:
            databases.append(Database(
                node, first.name,
                f"host=127.0.0.1,port={node.port},dbname={first.name},"
                f"user={USER},pass={PASSWORD},reconnect=0,"
                "flags=CLIENT_FOUND_ROWS",
                lambda node=node: node.admin(first.name)))
        return databases

    def remove(self):
        for node in self.nodes:
            if node.process:
                node.kill()
            node.remove()


class Primary(Postgres):
    """With a standby that has each commit before a client is told."""

    def __init__(self):
        super().__init__()
        self.standby = None

    def command(self):
        words = super().command() + ["-c", "wal_level=replica"]
        if self.standby:
            words += ["-c", "synchronous_standby_names=*",
                      "-c", "synchronous_commit=on"]
        return words

    def add_standby(self):
        self.admin_execute("CREATE ROLE copier LOGIN REPLICATION"
                           " PASSWORD 'copier'")
        self.standby = Standby(self)
        self.standby.start()
        self.restart()
        if not wait_until(self.is_followed, seconds=30):
            raise RuntimeError("no standby:\n" + self.standby.log())

    def is_followed(self):
        connection = self.admin()
        cursor = connection.cursor()
        cursor.execute("SELECT 1 FROM pg_stat_replication"
                       " WHERE sync_state = 'sync'")
        found = cursor.fetchone()
        connection.close()
        return bool(found)

    def fresh(self, schema=None):
        """Reached through whichever of the two is written to."""
        database = super().fresh(schema)
        if self.standby:
            name, standby = database.name, self.standby
            database.params = (
                f"host=127.0.0.1,127.0.0.1 port={self.port},{standby.port}"
                f" dbname={name} user={USER} password={PASSWORD}"
                " connect_timeout=2 target_session_attrs=read-write")
            database.connect = lambda: (standby if standby.promoted
                                        else self).admin(name, USER)
        return database

    def remove(self):
        if self.standby:
            self.standby.remove()
        super().remove()


class Standby(Postgres):
    """Follows a primary until it is promoted."""

    def __init__(self, primary):
        super().__init__()
        self.primary = primary
        self.promoted = False

    def create(self):
        run("setpriv", *as_user(self.user), POSTGRES / "pg_basebackup",
            "--no-sync", "-R", "-X", "stream", "-D", self.folder / "data",
            "-d", f"host=127.0.0.1 port={self.primary.port} user=copier"
            " password=copier", cwd=self.folder)

    def promote(self):
        subprocess.run(
            ["setpriv", *as_user(self.user), POSTGRES / "pg_ctl", "promote",
             "-w", "-D", self.folder / "data"], cwd=self.folder, check=True,
            stdout=subprocess.DEVNULL)
        self.promoted = True
