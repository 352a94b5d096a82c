# SPDX-License-Identifier: Apache-2.0
"""A node of Galera: reads wait for what the others have committed. The faults
run has three of them."""

import contextlib
import pathlib

import pytest

from databases import MariaDB
from load import serves
from system import free_port

PROVIDER = pathlib.Path("/usr/lib/galera/libgalera_smm.so")


class Node(MariaDB):
    """A cluster of one."""

    def create(self):
        self.gcomm = free_port()
        super().create()

    def options(self):
        return [*super().options(), f"--wsrep-provider={PROVIDER}",
                "--wsrep-on=ON", "--binlog-format=ROW",
                "--innodb-autoinc-lock-mode=2", "--wsrep-new-cluster",
                "--wsrep-cluster-address=gcomm://",
                "--wsrep-node-address=127.0.0.1",
                "--wsrep-provider-options=gmcast.listen_addr="
                f"tcp://127.0.0.1:{self.gcomm};gcache.size=16M"]

    def alive(self):
        if not super().alive():
            return False
        with contextlib.closing(self.admin()) as admin:
            return status(admin, "wsrep_ready") == "ON"


def status(connection, name):
    cursor = connection.cursor()
    cursor.execute(f"SHOW GLOBAL STATUS LIKE '{name}'")
    return (cursor.fetchone() or (name, None))[1]


@pytest.fixture(scope="module")
def node(db_server):
    if db_server.program != "mysql" or not PROVIDER.exists():
        pytest.skip("needs MariaDB with Galera")
    with contextlib.ExitStack() as stack:
        server = Node()
        stack.callback(server.remove)
        server.start()
        yield server


@pytest.mark.parametrize("word, waits", [
    ("", True), ("NanoMDMGaleraSync On", True),
    ("NanoMDMGaleraSync Off", False)])
def test_reads_wait_for_other_nodes(node, fresh_db, httpd, device, word,
                                    waits):
    """The provider counts what had to wait."""
    server = httpd(fresh_db(node), extra_server=word)
    with contextlib.closing(node.admin()) as admin:
        before = int(status(admin, "wsrep_causal_reads"))
        mac, _ = serves(server, device)
        for _ in range(3):
            assert mac.idle().status == 200
        after = int(status(admin, "wsrep_causal_reads"))
    assert (after - before >= 3) is waits
