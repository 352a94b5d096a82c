# SPDX-License-Identifier: Apache-2.0
"""NanoMDMRetention: what is finished is not kept without end."""

import datetime
import os
import signal
import time

import pytest

import ca as certs
from device import Operator, command
from system import wait_until
from tables import count, fill_queues, insert, result, set_updated
from test_storage import Owners, load_upgrades, nanomdm_database

DAYS = "NanoMDMRetention 30"


def days_ago(days):
    return certs.utc_now() - datetime.timedelta(days=days)


def age(db, device, uuid, days):
    set_updated(db, "command_results", days_ago(days), device, uuid)


def hurry(db):
    """The next stride is due."""
    db.execute("UPDATE nanomdm_chores SET next_at = 0")


def is_gone(db, uuid):
    return not any(count(db, table, "command_uuid = %s", uuid) for table
                   in ("commands", "enrollment_queue", "command_results"))


class House:
    """A server with its own database, some devices and an operator."""

    def __init__(self, httpd, db, device, lines):
        self.db = db
        self.server = httpd(db, extra_server=lines)
        self.device = device
        self.operator = Operator(self.server)

    def enroll(self):
        return self.device(self.server).enroll()

    def order(self, devices, request_type):
        uuid, plist = command(request_type)
        answer = self.operator.enqueue([one.id for one in devices], plist)
        assert answer.status == 200, answer
        return uuid

    def past(self, mac, request_type, days):
        """A command that was answered so long ago."""
        uuid = self.order([mac], request_type)
        mac.acknowledge(uuid)
        age(self.db, mac, uuid, days)
        return uuid


@pytest.fixture
def house(httpd, fresh_db, device):
    houses = []

    def make(lines, db=None):
        houses.append(House(httpd, db or fresh_db(), device, lines))
        return houses[-1]
    yield make
    for one in houses:
        one.operator.close()


def test_what_is_old_and_finished_goes(house):
    """And nothing else, from any table."""
    home = house(f"{DAYS}\nNanoMDMRetention 5 types=ProfileList keep=1")
    mac, other = home.enroll(), home.enroll()
    old = home.past(mac, "DeviceInformation", 31)
    young = home.past(mac, "DeviceInformation", 29)
    pin = home.past(mac, "DeviceLock", 3000)
    lists = [home.past(mac, "ProfileList", days) for days in (300, 200, 6)]
    waits = home.order([mac], "SecurityInfo")
    put_off = home.order([mac], "DeviceInformation")
    mac.not_now(put_off)
    age(home.db, mac, put_off, 300)
    shared = home.order([mac, other], "DeviceInformation")
    mac.acknowledge(shared)
    age(home.db, mac, shared, 31)
    hurry(home.db)
    assert wait_until(lambda: is_gone(home.db, old)
                      and is_gone(home.db, lists[0])
                      and result(home.db, mac, shared) is None)
    assert is_gone(home.db, lists[1])
    for uuid in (young, pin, lists[2], waits, put_off, shared):
        assert count(home.db, "commands", "command_uuid = %s", uuid) == 1
    for uuid in (young, pin, lists[2], put_off):
        assert result(home.db, mac, uuid)
    assert count(home.db, "enrollment_queue", "command_uuid = %s",
                 shared) == 1
    assert mac.idle().plist["CommandUUID"] == waits
    assert other.idle().plist["CommandUUID"] == shared
    home.server.wait_for_log(r"nanomdm:info.*NMDM0940: -: .*removed")


def test_what_was_cancelled_goes(house):
    home = house(DAYS)
    mac = home.enroll()
    uuids = [home.order([mac], "DeviceInformation") for _ in range(2)]
    assert home.operator.call("DELETE", f"/v1/queue/{mac.id}").status == 204
    assert not count(home.db, "enrollment_queue", "active = TRUE")
    set_updated(home.db, "enrollment_queue", days_ago(31), mac, uuids[0])
    hurry(home.db)
    assert wait_until(lambda: is_gone(home.db, uuids[0]))
    assert not is_gone(home.db, uuids[1])


@pytest.mark.one_database
def test_a_dry_run_removes_nothing(house):
    home = house(f"{DAYS} dry-run")
    mac = home.enroll()
    uuid = home.past(mac, "DeviceInformation", 31)
    hurry(home.db)
    home.server.wait_for_log(
        r"nanomdm:notice.*NMDM0941: -: .* would remove: DeviceInformation 1;"
        r" the next look is at \d{4}-")
    assert not is_gone(home.db, uuid)


@pytest.mark.one_database
def test_a_dry_run_always_says_something(house):
    """At a level that is shown with any LogLevel."""
    home = house(f"{DAYS} dry-run\nLogLevel emerg")
    home.server.wait_for_log(r"nanomdm:notice.*NMDM0941: -: .* would remove:"
                             r" nothing; the next look is at \d{4}-")


def next_look(db):
    return db.query("SELECT next_at FROM nanomdm_chores"
                    " WHERE name = 'retention'")[0][0]


@pytest.mark.one_database
def test_a_changed_rule_is_in_force_at_once(house):
    """And one that is no longer dry; what stays as it is waits its time."""
    home = house(f"{DAYS} dry-run")
    mac = home.enroll()
    home.server.wait_for_log("NMDM0941")
    uuid = home.past(mac, "DeviceInformation", 31)
    younger = home.past(mac, "DeviceInformation", 6)

    def change(lines):
        conf = home.server.conf
        conf.write_text("".join(
            line for line in conf.read_text().splitlines(keepends=True)
            if "NanoMDMRetention" not in line) + lines + "\n")
        home.server.graceful()

    change(DAYS)
    assert wait_until(lambda: is_gone(home.db, uuid))
    assert not is_gone(home.db, younger)
    assert wait_until(lambda: next_look(home.db) > time.time() + 3600)
    due = next_look(home.db)
    change(DAYS)
    time.sleep(3)               # the new child has looked by then
    assert next_look(home.db) == due
    change(f"{DAYS}\nNanoMDMRetention 5 types=DeviceInformation")
    assert wait_until(lambda: is_gone(home.db, younger))


def test_several_servers_share_the_work(house, httpd):
    """Each result once, and no quarrel."""
    home = house(DAYS)
    for _ in range(2):
        httpd(home.db, extra_server=DAYS, children=2)
    macs = [home.enroll() for _ in range(8)]
    uuids = [home.past(mac, "DeviceInformation", 40) for mac in macs]
    young = [home.past(mac, "DeviceInformation", 3) for mac in macs]
    hurry(home.db)
    assert wait_until(lambda: all(is_gone(home.db, uuid) for uuid in uuids))
    assert not any(is_gone(home.db, uuid) for uuid in young)
    ((next_at, position),) = home.db.query(
        "SELECT next_at, position FROM nanomdm_chores"
        " WHERE name = 'retention'")
    assert position == ""


def fill_history(db, macs, number, days):
    """Commands that all of them answered so long ago."""
    uuids = fill_queues(db, macs, number)
    when = days_ago(days).strftime("%Y-%m-%d %H:%M:%S.000")
    for mac in macs:
        insert(db, "command_results",
               ("id", "command_uuid", "status", "result", "updated_at"),
               [(mac.id, uuid, "Acknowledged", "<?xml version='1.0'?>", when)
                for uuid in uuids])


@pytest.mark.parametrize("way", ["graceful", "kill"])
def test_a_child_that_ends_in_the_middle(house, expect_log, db_server, way):
    """Of a stride: what waits is still there, and the next child goes on
    once the lease is over."""
    if way == "graceful" and db_server.kind != "sqlite3":
        pytest.skip("ends in good order, whatever the database")
    home = house(DAYS)
    db, server = home.db, home.server
    macs = [home.enroll() for _ in range(10)]
    waiting = home.order(macs, "DeviceInformation")
    fill_history(db, macs, 3, 29)
    # More than the strides of before and after take.
    fill_history(db, macs, 170 if way == "kill" else 300, 31)

    def left():
        return count(db, "command_results", "status = 'Acknowledged'")

    def is_leased():
        return bool(db.query("SELECT name FROM nanomdm_chores"
                             " WHERE next_at > %s", int(time.time()) + 20))
    before, = server.children()
    for _ in range(3):          # it may be over before we are ready
        done = left()
        hurry(db)
        assert wait_until(lambda: left() < done, pause=0.001)
        if way == "kill":
            expect_log("AH00052.*Killed", server=server, optional=True)
            os.kill(server.children()[0], signal.SIGKILL)
            if is_leased():
                break
        else:
            server.graceful()
            break
    else:
        pytest.fail("no stride was interrupted")
    assert wait_until(lambda: before not in server.children()
                      and server.children())
    assert left() > len(macs) * 3

    def is_done():
        hurry(db)               # the lease is over
        return left() == len(macs) * 3
    assert wait_until(is_done, seconds=60, pause=1)
    for mac in macs:
        mac.close()
        answer = mac.idle()
        assert waiting.encode() in answer.body
        assert mac.acknowledge(waiting).body == b""
    assert count(db, "commands", "1 = 1") == 1 + 3


@pytest.mark.one_database
def test_without_the_directive_all_is_kept(house):
    home = house("")
    mac = home.enroll()
    uuid = home.past(mac, "DeviceInformation", 4000)
    hurry(home.db)
    assert not wait_until(lambda: is_gone(home.db, uuid), seconds=7)


@pytest.mark.parametrize("way", ["check", "upgraded"])
def test_a_database_of_nanomdm(db_server, httpd, device, expect_log, way):
    """Without our tables nothing is removed, and an error says so."""
    if db_server.kind == "sqlite3":
        pytest.skip("NanoMDM makes none")
    db = nanomdm_database(db_server)
    if way == "upgraded":
        load_upgrades(db_server, db)
    server = httpd(db, start=False, extra_server=DAYS)
    if way == "check":
        expect_log("nanomdm:error", "NMDM0943")
        expect_log("nanomdm:error", "NMDM080[45]")
        expect_log("(?i)create|drop|insert|update|prepare|execute|set"
                   "|schema|add column|^(?!\\[)", optional=True)
    server.start()
    mac = Owners(server, device).mac
    uuid, plist = command()
    operator = Operator(server)
    assert operator.enqueue(mac.id, plist).status == 200
    operator.close()
    mac.acknowledge(uuid)
    waiting = count(db, "enrollment_queue", "active = TRUE")
    age(db, mac, uuid, 31)
    if way == "upgraded":
        hurry(db)
        assert wait_until(lambda: is_gone(db, uuid))
        assert count(db, "enrollment_queue", "active = TRUE") < waiting
    else:
        server.wait_for_log("NMDM0943")
        assert not is_gone(db, uuid)
        # Each of the two virtual hosts says it once.
        assert server.error_log().count("NMDM0943") <= 2
    assert mac.idle().plist


@pytest.mark.one_database
@pytest.mark.parametrize("line, said", [
    ("", '"": write a number of days'),
    ("soon", '"soon": write a number of days from 0 to 36500'),
    ("-1", '"-1": write a number of days'),
    ("36501", '"36501": write a number of days'),
    ("0", '"0": would remove a result as soon as it is there; add keep=N'),
    ("30 keep=0", '"keep=0": write keep= and a number'),
    ("30 keep=x", '"keep=x": write keep= and a number'),
    ("30 types=", '"types=": names no RequestType'),
    ("30 types=A,b/c", '"b/c": no RequestType'),
    ("30 types=A,A", '"A": named twice'),
    ("30\nNanoMDMRetention 40", '"40": a second line without types='),
    ("30 types=A\nNanoMDMRetention 9 types=A", '"A": named twice'),
    ("30 dry", '"dry": no option; write keep=N, types=NAME,NAME or'
               ' dry-run'),
])
def test_a_wrong_line_is_named(httpd, line, said):
    server = httpd(start=False, extra_server=f"NanoMDMRetention {line}")
    status, text = server.configtest()
    assert status != 0
    assert f"NanoMDMRetention {said}" in text, text


@pytest.mark.one_database
def test_good_lines(httpd):
    server = httpd(start=False, extra_server=(
        "NanoMDMRetention 30 keep=5 dry-run\n"
        "NanoMDMRetention 0 keep=1 types=ProfileList,DeviceInformation\n"
        "NanoMDMRetention 3650 types=DeviceLock"))
    assert server.configtest()[0] == 0
