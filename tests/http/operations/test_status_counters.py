# SPDX-License-Identifier: Apache-2.0
"""What the status counts, and whom it names as slow."""

import contextlib
import re

import ca as certs
from apns import Apns
from device import Device, Operator, command
from receiver import Receiver
from status_site import (HOSTILE, STATUS, figures, metrics, one_database, page,
                         watched)
from system import wait_until
from tables import insert
from test_enrollments import fill


# -- Counters ---------------------------------------------------------

def test_counters_move_and_stay(watched, device):
    server, operator = watched
    before = metrics(operator)
    mac = device(server).enroll()
    uuid, plist = command()
    operator.enqueue(mac.id, plist)
    assert mac.idle().body == plist
    mac.acknowledge(uuid)
    mac.send(b"nonsense")
    operator.call("GET", "/v1/nothing")
    first, second = metrics(operator), metrics(operator)

    def moved(sample):
        assert first[sample] == second[sample]
        return first[sample] - before[sample]
    assert moved('nanomdm_checkins_total{type="Authenticate",'
                 'outcome="ok"}') == 1
    assert moved('nanomdm_checkins_total{type="TokenUpdate",'
                 'outcome="ok"}') == 1
    assert moved('nanomdm_reports_total{status="Idle",outcome="ok"}') == 1
    assert moved('nanomdm_reports_total{status="Acknowledged",'
                 'outcome="ok"}') == 1
    assert moved('nanomdm_unread_total{outcome="refused"}') == 1
    assert moved("nanomdm_commands_delivered_total") == 1
    assert moved('nanomdm_requests_total{handler="device",code="2xx"}') == 4
    assert moved('nanomdm_requests_total{handler="device",code="4xx"}') == 1
    assert moved('nanomdm_requests_total{handler="api",code="2xx"}') == 1
    assert moved('nanomdm_requests_total{handler="api",code="4xx"}') == 1
    assert moved('nanomdm_request_duration_seconds_count'
                 '{handler="device"}') == 5
    assert (first['nanomdm_request_duration_seconds_bucket'
                  '{handler="device",le="+Inf"}']
            == first['nanomdm_request_duration_seconds_count'
                     '{handler="device"}'])
    assert moved('nanomdm_request_duration_seconds_sum'
                 '{handler="device"}') > 0
    out = figures(operator)["counters"]
    assert out["commands_delivered"]["last_hour"] == 1
    assert out["reports"]["Idle"]["ok"]["total"] == 1
    assert "Acknowledged" in page(operator)


def test_who_was_seen(watched, device):
    server, operator = watched
    for _ in range(3):
        mac = device(server).enroll()
        mac.idle()
        mac.idle()
    assert wait_until(lambda: figures(operator)["seen_here"]
                        == {"last_hour": 3, "last_day": 3,
                          "identities_ending": 0}, seconds=10)


@one_database
def test_identities_that_end_soon(httpd, fresh_db, ca):
    server = httpd(fresh_db(), extra_vhost=STATUS + 'CustomLog "{folder}/'
                   'story.log" "%{NANOMDM_IDENTITY_ENDS}e"')
    soon = ca.issue(days=29)
    for identity in soon, ca.issue(days=10), ca.issue(days=31):
        mac = Device(server, identity).enroll()
        mac.idle()
        mac.user().enroll().close()
        mac.close()
    operator = Operator(server)
    assert wait_until(lambda: figures(operator)["seen_here"][
        "identities_ending"] == 2)
    assert metrics(operator)["nanomdm_identities_ending"] == 2
    assert '<b class="warn">2</b>of these: identity expires' in page(operator)
    lines = (server.folder / "story.log").read_text().splitlines()
    end = soon.not_after.isoformat() + "Z"
    assert lines.count(end) == 4
    assert sum(line != "-" for line in lines) == 8
    operator.close()


# -- Who is slow ------------------------------------------------------

def test_slow_devices(watched):
    """Silent ones, and those that put commands off."""
    server, operator = watched
    database = server.database
    ids = [f"S{i:02}" for i in range(12)]
    fill(database, ids + ["N1", HOSTILE])
    database.execute("UPDATE enrollments"
                     " SET last_seen_at = '2026-01-02 00:00:00'")
    insert(database, "nanomdm_pushes", ("id", "tries", "next_at"),
           [(id_, 4 + (id_ != "S00"), "2036-01-01 00:00:00") for id_ in ids])
    insert(database, "nanomdm_pushes", ("id", "tries", "next_at"),
           [("N1", 2, "2036-01-01 00:00:00")])
    insert(database, "commands", ("command_uuid", "request_type", "command"),
           [("U", "Test", "<?xml")])
    late = ["N1", HOSTILE]
    insert(database, "enrollment_queue", ("id", "command_uuid"),
           [(id_, "U") for id_ in late])
    insert(database, "command_results",
           ("id", "command_uuid", "status", "result", "not_now_at",
            "not_now_tally"),
           [(id_, "U", "NotNow", "<?xml", "2026-01-01 00:00:00", 1)
            for id_ in late])
    out = figures(operator)
    assert out["silent_enrollments"] == {"number": 12, "or_more": False}
    assert out["put_off_enrollments"] == {"number": 2, "or_more": False}
    samples = metrics(operator)
    assert samples["nanomdm_silent_enrollments"] == 12
    assert samples["nanomdm_put_off_enrollments"] == 2
    text = page(operator)
    assert '<b class="warn">14</b>slow devices' in text
    assert "Silent: 12" in text and "Not now: 2" in text
    assert len(re.findall(r'href="\?id=S\d\d"', text)) == 10
    assert "S00" in text and "&lt;script&gt;" in text


@one_database
def test_a_login_that_fails_counts(watched, expect_log):
    _, operator = watched
    expect_log("AH01617")
    stranger = Operator(operator.server, key="wrong")
    assert stranger.call("GET", "/v1/push/x").status == 401
    assert metrics(operator)['nanomdm_requests_total{handler="api",'
                             'code="4xx"}'] == 1


def test_pushes_and_webhooks(httpd, fresh_db, ca):
    with Apns() as apns, Receiver() as receiver:
        server = httpd(fresh_db(), extra_vhost=STATUS, extra_server=f"""
            NanoMDMPushURL {apns.url}
            NanoMDMPushCACertificateFile {apns.ca_pem}
            NanoMDMWebhookURL {receiver.url}""")
        operator = Operator(server)
        topic = operator.pushcert_put(
            certs.push_certificate()).json["topic"]
        mac = Device(server, ca.issue(), topic=topic).enroll()
        assert operator.push(mac.id).status == 200
        receiver.wait_for(2)
        sample = 'nanomdm_webhook_events_total{result="taken"}'
        assert wait_until(lambda: metrics(operator)[sample] == 2)
        assert metrics(operator)['nanomdm_pushes_total{result="ok"}'] == 1
        assert (figures(operator)["counters"]["pushes"]["ok"]
                == {"total": 1, "last_hour": 1})


@one_database
def metrics_of_any_child(server):
    with contextlib.closing(Operator(server)) as operator:
        return metrics(operator)


def test_children_count_together_and_over_restarts(httpd, fresh_db, ca):
    server = httpd(fresh_db(), extra_vhost=STATUS, children=3, threads=3)
    identity = ca.issue()
    mac = Device(server, identity).enroll()
    for _ in range(12):
        # A connection each: any child may answer.
        other = Device(server, identity, udid=mac.udid)
        assert other.idle().status == 200
        other.close()
    sample = 'nanomdm_reports_total{status="Idle",outcome="ok"}'
    for _ in range(6):
        assert metrics_of_any_child(server)[sample] == 12
    mac.close()             # or the children that end wait for it to do so
    server.graceful()
    assert mac.idle().status == 200
    mac.close()
    assert metrics_of_any_child(server)[sample] == 13
