# SPDX-License-Identifier: Apache-2.0
"""tools/nmdm-hold.py: what waited at the time of a backup does not reach a
device after a restore until an operator releases it."""

import os
import subprocess
import sys

import pytest

from device import Operator, command
from system import ROOT


@pytest.fixture
def home(httpd, fresh_db):
    return httpd(fresh_db())


def hold(server, *words, status=0):
    database = server.database
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/nmdm-hold.py"), words[0],
         "--driver", database.kind, "--params", str(database.params),
         *words[1:]],
        env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, check=False)
    assert done.returncode == status, done
    return done.stdout + done.stderr


def next_of(mac):
    """Answers what comes, and returns its UUID."""
    answer = mac.idle()
    assert answer.status == 200
    if not answer.body:
        return None
    uuid = answer.plist["CommandUUID"]
    mac.acknowledge(uuid)
    return uuid


def test_what_waited_is_held_until_it_is_released(home, device):
    operator, mac, other = Operator(home), device(home), device(home)
    mac.enroll()
    other.enroll()
    sent = [command("EraseDevice"), command("DeviceLock"), command()]
    answered = command()
    for who in (mac, other):
        for _, plist in sent if who is mac else [command("EraseDevice")]:
            assert operator.enqueue(who.id, plist).status == 200
    operator.enqueue(mac.id, answered[1])
    not_now = mac.idle().plist["CommandUUID"]
    assert not_now == sent[0][0]
    mac.not_now(not_now)

    assert "5 waiting commands are held" in hold(home, "hold")
    assert "held already" in hold(home, "hold", status=1)
    assert next_of(mac) is None and next_of(other) is None
    assert len(hold(home, "list").splitlines()) == 5
    fresh, plist = command()
    operator.enqueue(mac.id, plist)
    assert next_of(mac) == fresh

    assert "say which" in hold(home, "drop", status=1)
    assert "2 commands are dropped" in hold(
        home, "drop", "--request-type", "EraseDevice")
    assert "1 commands are released" in hold(
        home, "release", "--id", mac.id, "--command-uuid", sent[1][0])
    assert next_of(mac) == sent[1][0]
    assert next_of(mac) is None
    assert "2 commands are released" in hold(home, "release", "--all")
    assert {next_of(mac), next_of(mac)} == {sent[2][0], answered[0]}
    assert next_of(mac) is None and next_of(other) is None
    assert "nothing is held" in hold(home, "list", status=1)
    assert "0 waiting commands are held" in hold(home, "hold")


def test_an_id_takes_one_line_and_steers_nothing(home, device):
    """A device may have any id that XML can write."""
    operator = Operator(home)
    mac = device(home, udid="A\tB\tEraseDevice\nC\x9b31m").enroll()
    uuid, plist = command()
    assert operator.enqueue(mac.id, plist).status == 200
    hold(home, "hold")
    assert hold(home, "list") == "\t".join([
        "A?B?EraseDevice?C?31m", uuid, "DeviceInformation"]) + "\n"
    operator.close()
