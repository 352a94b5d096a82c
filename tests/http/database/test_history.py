# SPDX-License-Identifier: Apache-2.0
"""What devices have answered long ago costs nothing on MariaDB and MySQL,
whatever their statistics make the planner think."""

import contextlib

import pytest

from device import Operator, command
from load import serves
from simultaneous import at_once, until_together
from tables import fill_queues, insert
from wire import assert_empty

DEVICES = 20
THREADS = 40
HISTORY = 300
FAR = 9_999_999_999
# Before they are made, with those of InnoDB, and with the server's own.
STATISTICS = [None, "ANALYZE TABLE {}", "ANALYZE TABLE {} PERSISTENT FOR ALL"]
TABLES = "enrollment_queue, command_results, cert_auth_associations"


@pytest.fixture
def mysql(db_server):
    if not db_server.kind.startswith("mysql"):
        pytest.skip("their indexes of what waits hold nothing else")
    return db_server


@pytest.fixture(params=STATISTICS, ids=["none", "engine", "server"])
def fleet(request, mysql, fresh_db, httpd, device):
    """Each has answered hundreds of commands."""
    if request.param == STATISTICS[2] and mysql.program == "mysqld":
        pytest.skip("MariaDB's own")
    database = fresh_db()
    site = httpd(database, threads=THREADS)
    fleet = [device(site).enroll() for _ in range(DEVICES)]
    names = fill_queues(database, fleet, HISTORY)
    insert(database, "command_results",
           ("id", "command_uuid", "status", "result"),
           [(mac.id, name, "Acknowledged", "<?xml") for mac in fleet
            for name in names])
    if request.param:
        database.query(request.param.format(TABLES))
    return fleet


def rows_followed(database):
    """How many rows the server has read one after the other, along an index
    or of a whole table; with some that this question reads itself."""
    return sum(int(number) for _, number in database.query(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('Handler_read_next',"
        " 'Handler_read_prev', 'Handler_read_rnd_next')"))


def rows_of(database, do):
    before = rows_followed(database)
    do()
    return rows_followed(database) - before


@contextlib.contextmanager
def few_rows(mac):
    before = rows_followed(mac.server.database)
    yield
    assert rows_followed(mac.server.database) - before < HISTORY / 2


def test_of_one_device(fleet):
    mac = fleet[0]
    with contextlib.closing(Operator(mac.server)) as operator:
        uuid, plist = command()
        with few_rows(mac):
            assert_empty(mac.idle())
        with few_rows(mac):
            assert operator.enqueue([mac.id], plist).status == 200
        with few_rows(mac):
            assert mac.idle().plist["CommandUUID"] == uuid
        with few_rows(mac):
            assert_empty(mac.not_now(uuid))
        with few_rows(mac):
            assert_empty(mac.acknowledge(uuid))
        with few_rows(mac):
            assert operator.call("GET", f"/v1/queue/{mac.id}").status == 200
        with few_rows(mac):
            mac.enroll()


def test_of_polls_together(fleet):
    def do():
        with few_rows(fleet[0]):
            for answer in at_once(fleet[0].server.database,
                                  [mac.idle for mac in fleet]):
                assert_empty(answer)
    until_together(fleet[0].server, do, least=8)


def test_of_reports_together(fleet):
    with contextlib.closing(Operator(fleet[0].server)) as operator:
        def do():
            name, plist = command()
            assert operator.enqueue([mac.id for mac in fleet],
                                    plist).status == 200
            with few_rows(fleet[0]):
                for answer in at_once(
                        fleet[0].server.database,
                        [lambda mac=mac: mac.acknowledge(name)
                         for mac in fleet]):
                    assert_empty(answer)
        until_together(fleet[0].server, do, least=8)


def test_of_events_that_wait(mysql, fresh_db, httpd, device, expect_log):
    """Of the five, one at least has no relay beside it that counts what
    waits."""
    database = fresh_db()
    site = httpd(database, extra_server="NanoMDMWebhookURL"
                 " http://127.0.0.1:1/hook\nNanoMDMWebhookDelivery durable"
                 "\nNanoMDMWebhookTopics all")
    expect_log(":warn", "NMDM1812")
    mac = device(site).enroll()
    insert(database, "nanomdm_events",
           ("device_id", "target", "event_id", "topic", "body", "next_at",
            "dies_at", "created_at"),
           [(mac.id, target, f"e{number}", "mdm.Connect", "{}", FAR, FAR, 0)
            for (target,) in database.query(
                "SELECT DISTINCT target FROM nanomdm_events")
            for number in range(HISTORY)])
    assert min(rows_of(database, lambda: assert_empty(mac.idle()))
               for _ in range(5)) < HISTORY / 2
    assert database.query("SELECT MIN(next_at) FROM nanomdm_events WHERE"
                          " topic = 'mdm.Connect' AND body <> '{}'") == [(FAR,)]


@pytest.mark.parametrize("mode", ["auto", "check"])
def test_an_index_that_is_gone(mysql, fresh_db, httpd, device, expect_log,
                               mode):
    """The statements name it, so without it those of NanoMDM's tables are
    used; "auto" makes it again."""
    database = fresh_db()
    database.execute("ALTER TABLE enrollment_queue"
                     " DROP INDEX idx_queue_pending")
    if mode == "check":
        expect_log("nanomdm:error", "NMDM0804")
        expect_log("nanomdm:error", "NMDM0805", optional=True)
    serves(httpd(database, extra_server=f"NanoMDMSchema {mode}"), device)
    assert bool(database.query("SHOW INDEX FROM enrollment_queue WHERE"
                               " Key_name = 'idx_queue_pending'")) \
        == (mode == "auto")
