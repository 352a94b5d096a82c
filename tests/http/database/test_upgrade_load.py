# SPDX-License-Identifier: Apache-2.0
"""A database of version 2 becomes one with declarations while it is worked
with: devices and operators at a server that changes nothing in it, several
children of another that all find it old, and a NanoMDM (DDM-B2)."""

import concurrent.futures
import shutil
import threading
import time

import pytest

from declarations import DeclarativeDevice, Declarations, test_declaration
from device import Operator
from system import ROOT, wait_until
from tables import result
from test_mixed_load import Mix
from test_storage import nanomdm_enqueues, nanomdm_next, nanomdm_stores

CONF = "NanoMDMDeclarativeManagement builtin\n"
DEVICES = 6
THREADS = 6                     # of a child, each with a connection


@pytest.fixture
def old(db_server):
    db = db_server.fresh(ROOT / f"tests/data/0.1.0/{db_server.kind}.sql")
    if db.kind == "sqlite3":    # httpd's user is to own it
        shutil.chown(db.params, "www-data")
    return db


class CalmMix(Mix):
    """No more is ordered than is carried out meanwhile, on a busy machine
    too."""

    def sent(self, client, what, send):
        if what == "enqueue":
            time.sleep(0.3)
        return super().sent(client, what, send)


class NanoMDM(threading.Thread):
    """One command after the other for a device of its own, which has no other
    server."""

    def __init__(self, db, id_):
        super().__init__(daemon=True)
        self.db, self.id = db, id_
        self.enough = threading.Event()
        self.done, self.problem = [], None

    def run(self):
        try:
            while not self.enough.is_set():
                uuid, _ = nanomdm_enqueues(self.db, self.id)
                assert nanomdm_next(self.db, self.id) == uuid
                nanomdm_stores(self.db, self.id, uuid, "Acknowledged")
                self.done.append(uuid)
                time.sleep(0.05)    # a connection for each statement
        except Exception as problem:
            self.problem = problem

    def end(self):
        self.enough.set()
        self.join(60)
        assert not self.is_alive() and not self.problem, self.problem


def newest(db):
    return int(db.query("SELECT MAX(version) FROM nanomdm_schema")[0][0])


def a_declaration_arrives(server, mac):
    api = Declarations(server)
    assert api.put(test_declaration("com.example.new")) == 204
    assert api.add("all", "com.example.new") == 204
    assert api.assign(mac.id, "all") == 204
    api.close()
    assert [one["Identifier"] for one in mac.items()["Declarations"][
        "Configurations"]] == ["com.example.new"]


# On a busy machine it takes minutes with a database server: there it is run
# by --db=pgsql and --db=mysql.
@pytest.mark.one_database
@pytest.mark.slow
def test_B2_a_database_is_upgraded_under_load(old, httpd, device, ca,
                                              expect_log):
    for pattern in ("NMDM080[45]", "NMDM2520", "NMDM0916"):
        expect_log(pattern, optional=True)
    beside = httpd(old, children=3, threads=THREADS, extra_vhost=CONF,
                   extra_server="NanoMDMSchema check\n")
    macs = [device(beside).enroll() for _ in range(DEVICES)]
    lone = device(beside).enroll()
    mac = DeclarativeDevice(beside, ca.issue()).enroll()
    assert mac.endpoint("tokens").status == 503
    operator = Operator(beside)
    mix, nanomdm = CalmMix(macs, [operator]), NanoMDM(old, lone.id)
    for thread in (*mix.operators, *mix.devices, nanomdm):
        thread.start()
    assert wait_until(lambda: len(nanomdm.done) > 2
                      and mix.answered["Acknowledged"] > 5, seconds=60)
    before = dict(mix.answered)

    server = httpd(old, children=4, threads=THREADS, extra_vhost=CONF,
                   extra_server="NanoMDMSchema auto\n")
    with concurrent.futures.ThreadPoolExecutor(DEVICES) as pool:
        answers = list(pool.map(
            lambda each: each.declarative_management("tokens"),
            [device(server, udid=each.id, identity=each.identity)
             for each in macs]))
    assert [answer.status for answer in answers] == [200] * DEVICES, answers
    for version in range(3, newest(old) + 1):
        assert server.error_log().count(
            f"upgraded the schema to version {version}\n") == 1
    assert newest(old) > 2

    rounds = len(nanomdm.done)
    assert wait_until(lambda: len(nanomdm.done) > rounds + 2 and all(
        mix.answered[what] > before[what] + 5
        for what in ("Acknowledged", "enqueue")), seconds=60)
    mix.enough.set()
    mix.join(mix.operators)
    mix.no_more_orders.set()
    mix.join(mix.devices)
    nanomdm.end()
    assert mix.failed == []
    for each in macs:
        assert sorted(mix.done[each]) == sorted(mix.ordered[each])
    for uuid in nanomdm.done:
        assert result(old, lone, uuid).status == "Acknowledged"
    mac.close()
    beside.graceful()           # it has looked when it began
    a_declaration_arrives(server, mac)
    operator.close()
    mac.close()
