# SPDX-License-Identifier: Apache-2.0
"""Reports of one moment are stored together (NanoMDMCombine): each is there
before its device has 200, and what is wrong with one does not touch another."""

import contextlib
import os
import plistlib
import signal
import uuid

import pytest

from databases import tables_of_nanomdm
from device import Operator, command
from simultaneous import TOGETHER, at_once, until_together
from tables import count, result
from wire import assert_empty

DEVICES = 28
THREADS = 40


@pytest.fixture
def site(fresh_db, httpd):
    return httpd(fresh_db(), threads=THREADS)


@pytest.fixture
def fleet(site, device):
    return [device(site).enroll() for _ in range(DEVICES)]


@pytest.fixture
def operator(site):
    with contextlib.closing(Operator(site)) as operator:
        yield operator


def queue(operator, mac, **options):
    name, plist = command(**options)
    assert operator.enqueue([mac.id], plist).status == 200
    return name


def assert_delivers(answer, name):
    assert answer.status == 200, answer
    assert answer.plist["CommandUUID"] == name


def answer_of(mac, name, size=0):
    """A report with something in it that only this device says."""
    return lambda: mac.acknowledge(name, Answer=f"<&>'{mac.id}\"\\ü😀 {name}",
                                   Rest="x" * size)


def assert_stored(site, mac, name, status="Acknowledged"):
    stored = result(site.database, mac, name)
    assert stored.status == status
    assert mac.id in stored.result and name in stored.result


@pytest.mark.parametrize("size", [0, 8 << 10])
def test_each_is_stored_and_gets_its_next(site, fleet, operator, size):
    """For every third device one more command waits."""
    def do():
        names = [queue(operator, mac) for mac in fleet]
        more = {mac: queue(operator, mac) for mac in fleet[::3]}
        answers = at_once(site.database, [
            answer_of(mac, name, size) for mac, name in zip(fleet, names)])
        for mac, name, answer in zip(fleet, names, answers):
            assert_stored(site, mac, name)
            if mac in more:
                assert_delivers(answer, more[mac])
                assert_empty(mac.acknowledge(more[mac]))
            else:
                assert_empty(answer)
    until_together(site, do, least=17)


def test_the_same_command_of_all(site, fleet, operator):
    """As a fan-out leaves them: the rows differ by their ids alone."""
    def do():
        name, plist = command()
        assert operator.enqueue([mac.id for mac in fleet], plist).status == 200
        for answer in at_once(site.database, [
                answer_of(mac, name) for mac in fleet]):
            assert_empty(answer)
        for mac in fleet:
            assert_stored(site, mac, name)
    until_together(site, do)


@pytest.mark.parametrize("characters", ["utf8mb3", "latin1"])
def test_characters_that_tables_lack(db_server, httpd, device, expect_log,
                                     characters, tmp_path):
    """Each is stored whole, in tables of NanoMDM's making."""
    if not db_server.kind.startswith("mysql"):
        pytest.skip("all tables have all characters")
    expect_log("nanomdm:warn", "NMDM0812")
    database = db_server.fresh(tables_of_nanomdm(tmp_path, characters))
    site = httpd(database, threads=THREADS,
                 extra_server="NanoMDMSchema auto\n")
    fleet = [device(site).enroll() for _ in range(DEVICES)]

    def do():
        names = [queue(operator, mac) for mac in fleet]
        for answer in at_once(database, [
                answer_of(mac, name) for mac, name in zip(fleet, names)]):
            assert_empty(answer)
        for mac, name in zip(fleet, names):
            text = result(database, mac, name).result
            assert "😀" in plistlib.loads(text.encode())["Answer"]
    with contextlib.closing(Operator(site)) as operator:
        until_together(site, do, least=8)


def test_others_among_them(site, fleet, operator, device, expect_log):
    """Strangers, users, what is deferred, long, unknown or repeated is answered
    as ever."""
    expect_log("NMDM0701", r"not associated with cert|belongs to",
               optional=True)
    user = fleet[0].user()
    assert user.token_update().status == 200
    thief = device(site, udid=fleet[1].udid)
    fleet[1].idle()

    def do():
        names = {mac: queue(operator, mac) for mac in [user, *fleet]}
        next_of_error = queue(operator, fleet[2])
        later = queue(operator, fleet[3])
        assert_empty(fleet[5].acknowledge(names[fleet[5]], Mine=fleet[5].id))
        answers = at_once(site.database, [
            answer_of(user, names[user]),
            lambda: thief.acknowledge(names[fleet[1]], Answer="mine"),
            lambda: fleet[2].error(names[fleet[2]]),
            lambda: fleet[3].not_now(names[fleet[3]]),
            answer_of(fleet[4], names[fleet[4]], 100 << 10),
            lambda: fleet[5].acknowledge(names[fleet[5]], Mine=fleet[5].id),
            lambda: fleet[6].acknowledge(str(uuid.uuid4()).upper()),
            *(answer_of(mac, names[mac]) for mac in fleet[7:])])
        assert_empty(answers[0])
        assert_stored(site, user, names[user])
        assert answers[1].status in (400, 500), answers[1]
        assert not count(site.database, "command_results", "command_uuid = %s",
                         names[fleet[1]])
        assert_delivers(answers[2], next_of_error)
        assert result(site.database, fleet[2],
                      names[fleet[2]]).status == "Error"
        assert_delivers(answers[3], later)
        assert result(site.database, fleet[3],
                      names[fleet[3]]).status == "NotNow"
        assert_stored(site, fleet[4], names[fleet[4]])
        for i in (4, 5, *range(7, DEVICES)):
            assert_empty(answers[i])
        assert_delivers(answers[6], names[fleet[6]])
        for mac in fleet[7:]:
            assert_stored(site, mac, names[mac])
        for mac, name in ((fleet[1], names[fleet[1]]),
                          (fleet[2], next_of_error), (fleet[3], later),
                          (fleet[3], names[fleet[3]]),
                          (fleet[6], names[fleet[6]])):
            assert mac.acknowledge(name).status == 200
    until_together(site, do)


@pytest.mark.parametrize("status", ["Odd", "Odd" * 30, "Ödd", "Acknowledged "])
def test_a_status_of_its_own_among_them(site, fleet, operator, expect_log,
                                        status):
    """It is stored like any other, shortened where its column is, so the batch
    holds."""
    expect_log("NMDM0", optional=True)

    *others, odd = fleet        # the last to arrive: the first go by themselves

    def do():
        names = [queue(operator, mac) for mac in fleet]
        mark = site.mark()
        *answers, strange = at_once(site.database, [
            *(answer_of(mac, name) for mac, name in zip(others, names)),
            lambda: odd.report(status, names[-1])])
        assert strange.status not in (401, 403)
        for mac, name, answer in zip(others, names, answers):
            assert_empty(answer)
            assert_stored(site, mac, name)
        assert "NMDM0192" not in site.log_since(mark), "a batch failed"
        assert odd.acknowledge(names[-1]).status == 200
    until_together(site, do)


def test_not_now_and_then_done(site, fleet, operator):
    """A batch changes rows that are there as well as it adds others."""
    def do():
        names = [queue(operator, mac) for mac in fleet]
        for mac, name in list(zip(fleet, names))[::2]:
            assert_empty(mac.not_now(name))
        for answer in at_once(site.database, [
                answer_of(mac, name) for mac, name in zip(fleet, names)]):
            assert_empty(answer)
        for mac, name in zip(fleet, names):
            assert_stored(site, mac, name)
            assert_empty(mac.idle())
    until_together(site, do)


def test_ids_and_values_with_any_character(site, device, operator):
    odd = ["a\"b", "a\\b", "{ab}", "a'b", "NULL", "a%sb", "ü", "a b", ";", "{}",
           "\\\"", "''"]
    fleet = [device(site, udid=f"{name} {i}").enroll()
             for i, name in enumerate(odd)]

    def do():
        names = [queue(operator, mac, uuid=f"{name}-{uuid.uuid4()}")
                 for mac, name in zip(fleet, odd)]
        for answer in at_once(site.database, [
                answer_of(mac, name) for mac, name in zip(fleet, names)]):
            assert_empty(answer)
        for mac, name in zip(fleet, names):
            assert result(site.database, mac, name).status == "Acknowledged"
    until_together(site, do)


@pytest.mark.parametrize("end", ["cut", "graceful", "kill"])
def test_what_was_answered_is_stored(site, fleet, operator, expect_log, end):
    """Connections to the database end, or httpd's child, while all wait. On a
    busy machine the old child is still there when all is stopped."""
    expect_log("AH00639|AH00045|exit signal Killed", optional=True)
    expect_log("NMDM0101|NMDM1501", optional=True)
    if end == "cut" and site.database.kind == "sqlite3":
        pytest.skip("SQLite has no connections to cut")

    def meanwhile():
        if end == "cut":
            site.database.cut_connections()
        elif end == "graceful":
            os.kill(site.process.pid, signal.SIGUSR1)
        else:
            for pid in site.children():
                os.kill(pid, signal.SIGKILL)

    for _ in range(3):
        names = [queue(operator, mac) for mac in fleet]
        answers = at_once(site.database, [
            answer_of(mac, name) for mac, name in zip(fleet, names)],
            meanwhile)
        for mac, name, answer in zip(fleet, names, answers):
            assert answer.status in (200, 503), answer
            if answer.status == 200:
                assert_stored(site, mac, name)
            assert_empty(answer_of(mac, name)()
                         if answer.status == 503 else answer)


def test_off_stores_alone(fresh_db, httpd, device):
    site = httpd(fresh_db(), threads=THREADS,
                 extra_server="NanoMDMCombine Off\n")
    fleet = [device(site).enroll() for _ in range(DEVICES)]
    with contextlib.closing(Operator(site)) as operator:
        names = [queue(operator, mac) for mac in fleet]
    for answer in at_once(site.database, [
            answer_of(mac, name) for mac, name in zip(fleet, names)]):
        assert_empty(answer)
    assert TOGETHER.split(":")[0] not in site.log_since(0)
