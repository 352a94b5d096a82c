# SPDX-License-Identifier: Apache-2.0
"""Commands for many changes and many devices, workers that are killed, and
what devices meet while the database is away (DDM-N, DDM-T, DDM-D)."""

import os
import signal
import threading
import time
import uuid

import pytest

from declarations import (DeclarativeDevice, Declarations, activation,
                          test_declaration)
from status_site import findings
from system import wait_until
from tables import insert

CONF = """\
NanoMDMDeclarativeManagement builtin
NanoMDMDeclarativeManagementNotify {}
"""


@pytest.fixture(autouse=True)
def no_push_certificate(expect_log):
    """DDM-N7: commands wait all the same."""
    expect_log("NMDM0916", optional=True)


@pytest.fixture
def make(httpd, fresh_db, ca):
    """make(notify): a server on a database of its own, its API, and a
    function that makes devices."""
    made = []

    def build(notify, database=None, **options):
        site = httpd(database or fresh_db(), extra_vhost=CONF.format(notify),
                     **options)
        api = Declarations(site)
        made.append(api)

        def engine():
            mac = DeclarativeDevice(site, ca.issue()).enroll()
            made.append(mac)
            return mac
        return site, api, engine
    yield build
    for one in made:
        one.close()


def assigned(api, macs, group="set", conf="conf"):
    api.put(test_declaration(conf), nonotify=1)
    api.put(activation("act", conf), nonotify=1)
    api.add(group, conf, "act", nonotify=1)
    for mac in macs:
        api.assign(mac.id, group, nonotify=1)


def number(site, sql, *args):
    return int(site.database.query(sql, *args)[0][0])


def waiting(site):
    return number(site, "SELECT COUNT(*) FROM enrollment_queue q"
                        " JOIN commands c ON c.command_uuid = q.command_uuid"
                        " WHERE q.answered = FALSE AND c.request_type ="
                        " 'DeclarativeManagement'")


def is_told(site):
    return number(site, "SELECT COUNT(*) FROM nanomdm_dd_changes") == 0


def test_N2_fifty_changes_are_one_command(make):
    site, api, engine = make("all window=2", children=2)
    macs = [engine() for _ in range(3)]
    assigned(api, macs)
    for i in range(50):
        assert api.put(test_declaration("conf", str(i))) == 204
    assert wait_until(lambda: is_told(site), seconds=30)
    assert waiting(site) == 3
    for mac in macs:
        assert mac.poll() == 1
        assert mac.declarations["conf"]["Payload"] == {"Echo": "49"}
    assert waiting(site) == 0


def enroll_many(site, count):
    """Rows of enrollments, as so many devices would have made them."""
    site.database.execute(
        "INSERT INTO devices (id, authenticate, authenticate_at)"
        " VALUES ('D0', 'x', CURRENT_TIMESTAMP)")
    ids = [f"E{i:06}" for i in range(count)]
    for i in range(0, count, 500):
        part = ids[i:i + 500]
        site.database.execute(
            "INSERT INTO devices (id, authenticate, authenticate_at) VALUES "
            + ", ".join(f"('{one}', 'x', CURRENT_TIMESTAMP)"
                        for one in part))
        site.database.execute(
            "INSERT INTO enrollments (id, device_id, type, topic, push_magic,"
            " token_hex, enabled, token_update_tally, last_seen_at) VALUES "
            + ", ".join(f"('{one}', '{one}', 'Device', 't', 'm', 'ab', TRUE,"
                        " 1, CURRENT_TIMESTAMP)" for one in part))
    return ids


def test_N6_a_killed_worker_is_followed_by_another(make):
    """And no device has two commands."""
    site, api, _ = make("changes window=0", children=2)
    ids = enroll_many(site, 6000)
    assigned(api, [])
    assert api.ask("PUT", "set-enrollments/set?nonotify=1",
                   {"ids": ids}).status == 200
    children = site.children()
    api.touch("conf")
    assert wait_until(lambda: waiting(site) > 0, seconds=60, pause=0)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    assert not is_told(site)
    assert waiting(site) < len(ids)
    assert wait_until(lambda: waiting(site) == len(ids), seconds=150)
    assert wait_until(lambda: is_told(site), seconds=60)
    assert number(site, "SELECT COUNT(*) FROM (SELECT id FROM"
                        " enrollment_queue GROUP BY id"
                        " HAVING COUNT(*) > 1) twice") == 0


def test_N10_notify_none(make):
    site, api, engine = make("none")
    mac = engine()
    assigned(api, [mac])
    assert api.touch("conf") == 204
    assert is_told(site)        # nothing is left to do, and was not done:
    assert waiting(site) == 0
    assert api.notify(set="set") == 204
    assert wait_until(lambda: waiting(site) == 1, seconds=20)
    assert wait_until(lambda: is_told(site), seconds=20)
    assert mac.poll() == 1


def test_T7_items_are_consistent_while_they_change(make):
    """T-5: a token belongs to the items beside it."""
    site, api, engine = make("none", children=2)
    mac = engine()
    assigned(api, [mac])
    changes = 100
    seen = {}                   # DeclarationsToken -> items

    def change():
        other = Declarations(site)
        for i in range(changes):
            assert other.put(test_declaration("conf", str(i))) == 204
        other.close()
    changer = threading.Thread(target=change)
    changer.start()
    reads = 0
    while changer.is_alive() or reads < changes:
        items = mac.items()
        token = items["DeclarationsToken"]
        assert seen.setdefault(token, items) == items
        reads += 1
    changer.join()
    last = mac.items()
    assert last["DeclarationsToken"] == mac.tokens()
    assert last["Declarations"]["Configurations"][0]["ServerToken"] \
        == api.declaration("conf")["ServerToken"]


def test_five_declarations_in_three_sets_have_one_token(make):
    site, api, engine = make("none", children=2)
    mac = engine()
    for i in range(5):
        api.put(test_declaration(f"conf.{i}", str(i)))
        api.add(f"set.{i % 3}", f"conf.{i}")
        api.add(f"set.{(i + 1) % 3}", f"conf.{i}")
    api.assign(mac.id, "set.0", "set.1", "set.2")
    header = {"X-Enrollment-ID": mac.id}
    tokens = {api.ask("GET", "tokens", headers=header).json["SyncTokens"][
        "DeclarationsToken"] for _ in range(4)}
    assert tokens == {mac.tokens()}
    configurations = mac.items()["Declarations"]["Configurations"]
    assert [one["Identifier"] for one in configurations] \
        == [f"conf.{i}" for i in range(5)]


def test_D11_while_the_database_is_away(make, private_db_server, fresh_db,
                                        db_server, expect_log):
    if db_server.program == "sqlite3":
        pytest.skip("a file is never away")
    mortal = private_db_server()
    site, api, engine = make("none", fresh_db(mortal))
    mac = engine()
    assigned(api, [mac])
    expect_log(r":(warn|error|crit)\]", optional=True)
    mortal.kill()
    for name, data in (("tokens", None), ("declaration-items", None),
                       ("declaration/configuration/conf", None),
                       ("status", b"{}")):
        answer = mac.endpoint(name, data)
        assert answer.status == 503, name
        assert answer.headers["Retry-After"]
    assert wait_until(lambda: site.error_log().count("NMDM2580"))
    time.sleep(3)
    lines = [one for one in site.error_log().splitlines()
             if "NMDM2580" in one]
    assert len(lines) <= 2, [one[:70] for one in lines]  # virtual hosts
    mortal.start()
    assert wait_until(lambda: mac.endpoint("tokens").status == 200,
                      seconds=30)
    mac.sync()
    assert mac.declarations["conf"]


def test_D12_a_report_over_the_bound(httpd, ca):
    site = httpd(extra_vhost=CONF.format("none")
                 + "NanoMDMMaxBody 65536\n")
    mac = DeclarativeDevice(site, ca.issue()).enroll()
    assert mac.status(StatusItems={"x": "y" * 70000}).status == 413
    assert mac.status(StatusItems={"x": "y" * 30000}).status == 200
    mac.close()


def test_W5_the_log_names_invalid_declarations(make):
    site, _, engine = make("none")
    mac = engine()
    mark = site.mark()
    name = f"conf.{uuid.uuid4()}"
    mac.status(StatusItems={
        "mdm": {"push-token": "SECRET-VALUE"},
        "management": {"declarations": {"configurations": [
            {"identifier": name, "active": False, "valid": "invalid",
             "server-token": "t", "reasons": [
                 {"code": "Error.ConfigurationIsInvalid"}]},
            {"identifier": "fine", "active": True, "valid": "valid",
             "server-token": "t"}]}}})
    site.wait_for_log("NMDM2532", mark)
    lines = [line for line in site.log_since(mark).splitlines()
             if "NMDM2532" in line]
    assert len(lines) == 1
    for part in (mac.id, name, "Error.ConfigurationIsInvalid"):
        assert part in lines[0]
    assert "fine" not in lines[0]
    assert "SECRET" not in site.log_since(mark)


def test_B4_two_servers_on_one_database(make, fresh_db):
    """A change on one, delivery and status on the other; the worker runs
    once."""
    db = fresh_db()
    site, api, engine = make("all window=1", db)
    other, other_api, _ = make("all window=1", db)
    macs = [engine() for _ in range(4)]
    assigned(api, macs)
    other_api.put(test_declaration("conf", "by the other"))
    assert wait_until(lambda: is_told(site), seconds=20)
    assert waiting(site) == len(macs)
    for mac in macs:
        mac.close()
        mac.server, mac.port = other, other.tls_port
        assert mac.poll() == 1
        states = api.states(mac.id)
        assert states["conf"]["current"] is True
        assert states["conf"]["active"] is True


def test_the_status_page_counts_declarations(httpd, fresh_db, ca):
    site = httpd(fresh_db(), extra_vhost=CONF.format("none")
                 + '<Location "/status">\nSetHandler nanomdm-status\n'
                   "</Location>\n")
    api = Declarations(site)
    mac = DeclarativeDevice(site, ca.issue()).enroll()
    assigned(api, [mac])
    mac.sync()
    mac.status(StatusItems={"management": {"declarations": {
        "configurations": [{"identifier": "conf", "active": False,
                            "valid": "invalid", "server-token": "t"}]}}})
    figures = api.call("GET", "/status?json").json
    assert figures["declarations"] == {"number": 2, "or_more": False}
    assert figures["oldest_declaration_change_seconds"] == 0
    page = api.call("GET", "/status").body.decode()
    for text in ("declarations", "sets of declarations", "of them in sync",
                 "have to ask again",
                 "have invalid declarations", "changes to notify of"):
        assert text in page
    assert any("1 enrollment has invalid declarations" in each
               for each in findings(page))
    metrics = api.call("GET", "/status?prometheus").body.decode()
    for line in ("nanomdm_declarations 2", "nanomdm_declaration_sets 1",
                 "nanomdm_declarative_enrollments 1",
                 "nanomdm_declarations_in_sync 1",
                 "nanomdm_declarations_waiting 0",
                 "nanomdm_enrollments_with_invalid_declarations 1",
                 "nanomdm_declaration_changes 0"):
        assert line in metrics.splitlines(), line
    now = int(time.time())
    insert(site.database, "nanomdm_dd_changes",
           ("set_name", "id", "changed_at", "first_at"),
           [("set", "", now, now - 700)])
    page = api.call("GET", "/status").body.decode()
    assert any("A change of declarations has waited for 11 min" in each
               for each in findings(page))
    api.close()
    mac.close()
