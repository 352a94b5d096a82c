# SPDX-License-Identifier: Apache-2.0
"""The witness of `make check-faults` sees what went wrong."""

import sys
import types

import pytest

from system import ROOT

sys.path.insert(0, str(ROOT / "tests/faults"))

import batches                          # noqa: E402
import witness                          # noqa: E402

pytestmark = pytest.mark.unsanitized


class Inbox:
    """Has taken these events."""

    def __init__(self, *said):
        self.said = list(said)

    def order(self, _member):
        return self.said


@pytest.fixture
def member():
    return types.SimpleNamespace(id="A", answered={"U": 1, "V": 2},
                                 again=[], told=["magic-0", "U x", "V x"])


@pytest.fixture
def fleet(member):
    return types.SimpleNamespace(
        members=[member], missing=lambda _member: [],
        attempts=lambda: [types.SimpleNamespace(status=200)])


@pytest.fixture
def verdict():
    return witness.Verdict()


def stored(*uuids):
    return types.SimpleNamespace(
        query=lambda *_: [(uuid,) for uuid in uuids])


def test_all_is_well(verdict, fleet):
    witness.reports_are_stored(verdict, fleet, stored("U", "V", "W"))
    witness.commands_are_delivered(verdict, fleet)
    witness.events_arrive_in_order(
        verdict, fleet, Inbox("Authenticate", "magic-0", "U x", "V x"), 0)
    witness.nobody_was_turned_away(verdict, fleet)
    assert verdict.problems == []


def test_lost_report(verdict, fleet):
    witness.reports_are_stored(verdict, fleet, stored("U"))
    assert verdict.lost == 1


def test_lost_and_repeated_command(verdict, fleet, member):
    fleet.missing = lambda _member: ["W"]
    member.again = ["U"]
    witness.commands_are_delivered(verdict, fleet)
    assert (verdict.lost, verdict.repeated) == (1, 1)


@pytest.mark.parametrize("said", [
    ["magic-0", "U x"], ["magic-0", "V x", "U x"]])
def test_lost_event_and_wrong_order(verdict, fleet, said):
    witness.events_arrive_in_order(verdict, fleet, Inbox(*said), 0)
    assert verdict.lost == 1


def test_firewall(verdict, fleet):
    fleet.attempts = lambda: [types.SimpleNamespace(status=403)]
    witness.nobody_was_turned_away(verdict, fleet)
    assert verdict.problems


@pytest.mark.parametrize("status", [500, 503, 400])
def test_an_error_that_reaches_a_device(verdict, fleet, status):
    """Ended connections are no errors of the server."""
    fleet.attempts = lambda: [types.SimpleNamespace(status=each)
                              for each in (200, status, OSError())]
    batches.only_200(verdict, fleet)
    assert verdict.problems == [f"devices saw 1 times {status}"]


def test_crash(verdict):
    log = "".join(f"[x] [core:notice] AH00052: child pid {pid} exit signal"
                  " Killed (9)\n" for pid in (7, 8))
    node = types.SimpleNamespace(process=None, error_log=lambda: log)
    witness.servers_stop_whole(verdict, [node], {7})
    assert len(verdict.problems) == 1 and "pid 8" in verdict.problems[0]
