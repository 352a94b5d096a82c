# SPDX-License-Identifier: Apache-2.0
"""Polls of one moment ask the database together (NanoMDMCombine): each gets the
answer that its own statement would have brought."""

import contextlib
import os
import re
import signal

import pytest

from device import Operator, command
from simultaneous import TOGETHER, at_once, until_together
from wire import assert_empty

DEVICES = 20
THREADS = 40                    # more than ask by themselves


@pytest.fixture(autouse=True)
def not_sqlite(db_server):
    if db_server.kind == "sqlite3":
        pytest.skip("SQLite has nothing to gain from combining")


def assert_delivers(answer, uuid):
    assert answer.status == 200, answer
    assert answer.plist["CommandUUID"] == uuid


@pytest.fixture
def site(fresh_db, httpd):
    return httpd(fresh_db(), threads=THREADS)


@pytest.fixture
def fleet(site, device):
    """Enrolled, and connected."""
    return [device(site).enroll() for _ in range(DEVICES)]


def test_nothing_waits_for_anybody(site, fleet):
    def do():
        for answer in at_once(site.database, [mac.idle for mac in fleet]):
            assert_empty(answer)
    until_together(site, do)


def test_each_gets_its_own(site, fleet):
    """Commands for every third one, which are answered and gone."""
    with contextlib.closing(Operator(site)) as operator:
        def do():
            waiting = {}
            for mac in fleet[::3]:
                uuid, plist = command()
                assert operator.enqueue([mac.id], plist).status == 200
                waiting[mac] = uuid
            answers = at_once(site.database, [mac.idle for mac in fleet])
            for mac, answer in zip(fleet, answers):
                if mac in waiting:
                    assert_delivers(answer, waiting[mac])
                    assert_empty(mac.acknowledge(waiting[mac]))
                else:
                    assert_empty(answer)
        until_together(site, do)


def test_strangers_and_users_among_them(site, fleet, device, expect_log):
    """Who is not admitted, or asks on a user channel, is answered as ever."""
    expect_log("NMDM0701", r"not associated with cert|belongs to",
               optional=True)
    user = fleet[0].user()
    assert user.token_update().status == 200
    thief = device(site, udid=fleet[1].udid)
    with contextlib.closing(Operator(site)) as operator:
        uuid, plist = command()
        assert operator.enqueue([user.id], plist).status == 200
    others = fleet[2:]

    def do():
        answers = at_once(site.database,
                          [user.idle, thief.idle]
                          + [mac.idle for mac in others])
        assert_delivers(answers[0], uuid)
        assert answers[1].status in (400, 500), answers[1]
        assert not answers[1].body.startswith(b"<?xml")
        for answer in answers[2:]:
            assert_empty(answer)
    until_together(site, do)


def test_one_device_many_connections(site, fleet, device):
    """A device is in a batch once; its other polls are in later ones."""
    mac = fleet[0]
    twins = [device(site, identity=mac.identity, udid=mac.udid)
             for _ in range(DEVICES)]
    with contextlib.closing(Operator(site)) as operator:
        uuid, plist = command()
        assert operator.enqueue([mac.id], plist).status == 200

    def do():
        for answer in at_once(site.database,
                              [each.idle for each in twins + fleet[1:6]])[
                                  :len(twins)]:
            assert_delivers(answer, uuid)
    until_together(site, do)


def test_ids_with_any_character(site, device):
    """IDs that an array or a list of SQL might trip over."""
    odd = ["a\"b", "a\\b", "{a,b}", "a'b", "NULL", "a%sb", "ü", "a b", ",", "{}",
           "\\\"", "''"]
    fleet = [device(site, udid=f"{name} {i}").enroll()
             for i, name in enumerate(odd)]

    def do():
        for answer in at_once(site.database, [mac.idle for mac in fleet]):
            assert_empty(answer)
    until_together(site, do)


def test_after_an_error_each_asks_alone(site, fleet, expect_log):
    """Connections end while all wait: each is answered, some perhaps to come
    again."""
    expect_log("AH00639", optional=True)
    expect_log("NMDM0101|NMDM1501", optional=True)
    for _ in range(3):
        answers = at_once(site.database, [mac.idle for mac in fleet],
                          meanwhile=site.database.cut_connections)
        for mac, answer in zip(fleet, answers):
            assert answer.status in (200, 503), answer
            assert_empty(mac.idle() if answer.status == 503 else answer)


@pytest.mark.parametrize("end", ["graceful", "cut"])
def test_a_graceful_restart_answers_all(site, fleet, expect_log, end):
    """While they wait for each other, and the database for them. On a busy
    machine the old child is still there when all is stopped."""
    expect_log("AH00639|AH00045", optional=True)
    expect_log("NMDM0101|NMDM1501", optional=True)

    def meanwhile():
        os.kill(site.process.pid, signal.SIGUSR1)
        if end == "cut":
            site.database.cut_connections()
    answers = at_once(site.database, [mac.idle for mac in fleet], meanwhile)
    for mac, answer in zip(fleet, answers):
        assert answer.status in ((200, 503) if end == "cut" else (200,)), answer
        assert_empty(mac.idle() if answer.status == 503 else answer)


def test_off_asks_alone(fresh_db, httpd, device):
    site = httpd(fresh_db(), threads=THREADS,
                 extra_server="NanoMDMCombine Off\n")
    fleet = [device(site).enroll() for _ in range(DEVICES)]
    for _ in range(3):
        for answer in at_once(site.database, [mac.idle for mac in fleet]):
            assert_empty(answer)
    assert not re.search(TOGETHER, site.log_since(0))
