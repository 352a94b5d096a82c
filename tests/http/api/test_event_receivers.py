# SPDX-License-Identifier: Apache-2.0
"""Events of webhooks: several receivers, dead letters, what operators do."""

import base64
import json
import plistlib
import time

import pytest

from device import Operator, command
from receiver import Answer, signature
from system import free_port, wait_until
from test_events import (DEAD, FAILED, LONG, durable, make_due, receiver,  # noqa: F401
                         requests_of, rows, topics, wait_for, wait_for_a_try,
                         wait_for_rows)

one_database = pytest.mark.one_database


# -- Several receivers ------------------------------------------------

@one_database
@pytest.mark.parametrize("delivery", ["durable", "besteffort"])
def test_each_receiver_has_its_topics_and_key(httpd, device, receiver,
                                              delivery):
    url = receiver.url
    server = httpd(files={"b.key": "key-of-b\n"}, extra_vhost="\n".join([
        f"NanoMDMWebhookURL {url}/a", "NanoMDMWebhookKey key-of-a",
        f"NanoMDMWebhookTopics -mdm.Connect:Idle -mdm.CheckOut",
        f"NanoMDMWebhook {url}/b topics=mdm.CheckOut,mdm.TokenUpdate"
        " key=file:{folder}/b.key redact=on",
        f"NanoMDMWebhook {url}/c topics=mdm.Connect:Idle",
        f"NanoMDMWebhookDelivery {delivery}"]))
    mac = device(server).enroll()
    mac.idle()
    mac.acknowledge("unknown")
    mac.checkout()
    expected = {
        "/a": ["mdm.Authenticate", "mdm.TokenUpdate", "mdm.Connect"],
        "/b": ["mdm.TokenUpdate", "mdm.CheckOut"],
        "/c": ["mdm.Connect"]}
    for path, names in expected.items():
        assert topics(wait_for(receiver, mac, len(names),
                               path=path)) == names
    for path, key in ("/a", "key-of-a"), ("/b", "key-of-b"), ("/c", None):
        for request in requests_of(receiver, mac, path):
            assert request.headers["X-Hmac-Signature"] == (
                key and signature(key, request.body))
    update = requests_of(receiver, mac, "/b")[0].json()["checkin_event"]
    update = plistlib.loads(base64.b64decode(update["raw_payload"]))
    assert update["PushMagic"] == "redacted"
    assert update["Token"] == b"redacted"
    assert update["Topic"] == mac.topic
    update = requests_of(receiver, mac, "/a")[1].json()["checkin_event"]
    update = plistlib.loads(base64.b64decode(update["raw_payload"]))
    assert update["PushMagic"] == mac.push_magic


@one_database
def test_one_receiver_away_does_not_keep_another_waiting(
        httpd, device, receiver, expect_log):
    server = httpd(extra_vhost=durable(
        receiver.url, f"NanoMDMWebhook http://localhost:{free_port()}/"))
    expect_log(FAILED, server=server)
    mac = device(server).enroll()
    assert topics(wait_for(receiver, mac, 2)) == ["mdm.Authenticate",
                                                  "mdm.TokenUpdate"]


@one_database
@pytest.mark.parametrize("delivery", ["durable", "besteffort"])
def test_traceparent_is_passed_on(httpd, device, receiver, delivery):
    server = httpd(extra_vhost=durable(receiver.url).replace("durable",
                                                             delivery))
    mac = device(server)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    mac.extra_headers = [("traceparent", parent)]
    body = plistlib.dumps(mac.message("Authenticate", Topic=mac.topic))
    headers = [("Content-Type", "application/x-apple-aspen-mdm-checkin")]
    for value in parent, parent.upper(), "00-x":
        assert mac.raw("PUT", "/mdm", body, [
            *headers, ("traceparent", value)]).status == 200
    wait_for(receiver, mac, 3)
    assert [each.headers["traceparent"] for each in receiver.requests] == [
        parent, None, None]


# -- Dead letters -----------------------------------------------------

def test_dead_letters(httpd, device, receiver, expect_log):
    refuse = {"mdm.Authenticate"}
    receiver.answers["/hook"] = lambda request: Answer(
        500 if request.json()["topic"] in refuse else 200)
    secret = receiver.url.replace("//", "//user:pass-word@")
    server = httpd(extra_vhost=durable(secret))
    expect_log(FAILED, server=server)
    expect_log(DEAD, server=server)
    operator = Operator(server)
    mac = device(server).enroll()
    wait_for_a_try(server.database, mac)
    listed = mine(operator, mac, "pending")
    assert [each["topic"] for each in listed] == ["mdm.Authenticate",
                                                  "mdm.TokenUpdate"]
    make_due(server.database, mac, age=True)
    assert wait_until(lambda: [is_dead for _, is_dead, _ in rows(
        server.database, mac)] == [True], LONG), rows(server.database, mac)
    dead, = mine(operator, mac, "dead")
    first = requests_of(receiver, mac)[0].json()
    assert dead["event_id"] == first["event_id"]
    tries = [each for each in topics(wait_for(receiver, mac, dead["tries"]
                                              + 1))
             if each == "mdm.Authenticate"]
    assert dead["tries"] == len(tries) >= 2
    assert dead["last_error"] == "the receiver answered 500"
    assert "next_try_at" not in dead
    assert "pass-word" not in json.dumps(dead)
    assert dead["target"].startswith("http://localhost:")
    assert "pass-word" not in server.error_log()

    refuse.clear()
    receiver.forget()
    answer = replay(operator, ids=[dead["id"], "999999999"])
    assert answer.json == {"replayed": 1}
    assert wait_for(receiver, mac, 1)[0] == first
    wait_for_rows(server.database, mac, [])
    operator.close()


def mine(operator, channel, state):
    answer = operator.call("GET", f"/v1/events?state={state}")
    assert answer.status == 200, answer
    return [each for each in answer.json["events"]
            if each["device_id"] == channel.id]


def replay(operator, **body):
    return operator.call("POST", "/v1/events/replay",
                         json.dumps(body).encode(),
                         {"Content-Type": "application/json"})


def test_list_replay_and_drop(httpd, fresh_db, device, receiver,
                              expect_log):
    receiver.answers["/hook"] = Answer(500)
    server = httpd(fresh_db(), extra_vhost=durable(receiver.url))
    expect_log(FAILED, server=server, optional=True)
    expect_log(DEAD, server=server)
    operator = Operator(server)
    macs = [device(server) for _ in range(5)]
    start = time.monotonic()
    for mac in macs:
        assert mac.authenticate().status == 200
        make_due(server.database, mac, age=True)
        assert wait_until(lambda: rows(server.database, mac)[0][1], LONG)
    lines = server.error_log().count("NMDM1811")
    assert 1 <= lines <= 1 + (time.monotonic() - start) // 60

    def page(query):
        answer = operator.call("GET", f"/v1/events?state=dead{query}")
        assert answer.status == 200, answer
        return answer.json
    assert operator.call("GET", "/v1/events").json == page("")
    first = page("&limit=3")
    assert len(first["events"]) == 3
    second = page(f"&limit=3&cursor={first['next_cursor']}")
    assert len(second["events"]) == 2 and "next_cursor" not in second
    everything = page("")["events"]
    assert first["events"] + second["events"] == everything
    assert operator.call("GET", "/v1/events?state=pending").json == {
        "events": []}

    gone = everything[0]["id"]
    assert operator.call("DELETE", f"/v1/events/{gone}").json == {
        "dropped": 1}
    assert operator.call("DELETE", f"/v1/events/{gone}").status == 404
    receiver.answers["/hook"] = Answer()
    receiver.forget()
    assert replay(operator, target=everything[0]["target"]).json == {
        "replayed": 4}
    receiver.wait_for(4)
    assert {request.json()["event_id"] for request in receiver.requests} == {
        each["event_id"] for each in everything[1:]}
    assert wait_until(lambda: page("") == {"events": []})
    for line in ("NMDM1835: -: 4 dead events are tried again by nanomdm",
                 f"NMDM1837: -: event {gone} was dropped by nanomdm"):
        assert line in server.error_log()
    for query in "state=alive", "limit=0", "limit=x", "cursor=-1":
        answer = operator.call("GET", f"/v1/events?{query}")
        assert answer.status == 400 and answer.json["error"], query
    for body in {}, {"ids": ["x"]}, {"ids": [1]}, {"ids": "1"}:
        assert replay(operator, **body).status == 400, body
    assert operator.call("POST", "/v1/events", b"{}").status == 404
    assert operator.call("DELETE", "/v1/events/x").status == 404
    operator.close()


# -- Without the table ------------------------------------------------

def test_database_without_outbox_sends_once(httpd, fresh_db, device,
                                            receiver, expect_log):
    db = fresh_db()
    if db.kind == "sqlite3":
        pytest.skip("sqlite3 databases are made by the module")
    db.execute("DROP TABLE nanomdm_event_parts")
    db.execute("DROP TABLE nanomdm_events")
    db.execute("DELETE FROM nanomdm_schema")
    db.execute("INSERT INTO nanomdm_schema (version) VALUES (1)")
    server = httpd(db, start=False, extra_vhost=durable(receiver.url))
    expect_log("NMDM1820: ", "durable", server=server)
    expect_log("NMDM080[45]: ", server=server)
    server.start()
    mac = device(server).enroll()
    assert topics(wait_for(receiver, mac, 2)) == ["mdm.Authenticate",
                                                  "mdm.TokenUpdate"]
    operator = Operator(server)
    assert operator.call("GET", "/v1/events").status == 404
    operator.close()


# -- Configuration ----------------------------------------------------

WRONG = {
    "delivery": ("NanoMDMWebhookDelivery sometimes", ["sometimes"]),
    "topic": ("NanoMDMWebhookTopics mdm.Nothing",
              ["NanoMDMWebhookTopics", "mdm.Nothing", "mdm.Connect:Idle"]),
    "no topic": ("NanoMDMWebhookTopics mdm.GetToken -mdm.GetToken",
                 ["NanoMDMWebhookTopics"]),
    "no URL": ("NanoMDMWebhook", ["NanoMDMWebhook"]),
    "URL": ("NanoMDMWebhook topics=all", ["NanoMDMWebhook", "topics=all"]),
    "option": ("NanoMDMWebhook http://localhost/ secret=hidden",
               ["NanoMDMWebhook", "secret"]),
    "key": ("NanoMDMWebhook http://localhost/ key=file:{folder}/none",
            ["NanoMDMWebhook", "none"]),
    "topics of one": ("NanoMDMWebhook http://localhost/ topics=mdm.X",
                      ["NanoMDMWebhook", "mdm.X"]),
    "redact": ("NanoMDMWebhook http://localhost/ redact=yes",
               ["NanoMDMWebhook", "redact"]),
    "two keys": ("NanoMDMWebhookDelivery durable\n"
                 "NanoMDMWebhookURL http://localhost/x\n"
                 "NanoMDMWebhook http://localhost/x key=other",
                 ["NMDM0015", "http://localhost#"]),
}


@one_database
@pytest.mark.parametrize("name", WRONG)
def test_configtest_refuses(httpd, name):
    line, patterns = WRONG[name]
    server = httpd(start=False, extra_vhost=line)
    status, said = server.configtest()
    assert status != 0, said
    for pattern in patterns:
        assert pattern in said
    assert "hidden" not in said


# -- A receiver whose limit for bodies is too low ----------------------

@one_database
def test_413_is_told_apart_and_can_be_skipped(
        httpd, fresh_db, device, receiver, expect_log):
    server = httpd(fresh_db(), extra_vhost=durable(receiver.url))
    receiver.answers["*"] = lambda request: Answer(
        413 if len(request.body) > 20000 else 200)
    operator = Operator(server)
    mac = device(server).enroll()
    uuid, plist = command()
    operator.enqueue(mac.id, plist)
    expect_log(FAILED, "answered 413", "below this event", "skip the event")
    mac.acknowledge(uuid, Big="x" * 20000)
    mac.set_bootstrap_token(b"after")

    def pending():
        return operator.call("GET", "/v1/events?state=pending"
                             ).json["events"]
    assert wait_until(lambda: any("413" in each.get("last_error", "")
                                  for each in pending()), LONG)
    (large,) = [each for each in pending() if "last_error" in each]
    assert f"DELETE .../events/{large['id']}" in large["last_error"]
    assert operator.call("DELETE", f"/v1/events/{large['id']}"
                         ).json == {"dropped": 1}
    assert wait_until(lambda: "mdm.SetBootstrapToken" in topics(
        [each.json() for each in requests_of(receiver, mac)]), LONG)
    assert wait_until(lambda: not pending(), LONG)


@one_database
def test_who_did_it_is_in_the_log(httpd, fresh_db, device, receiver,
                                  expect_log):
    server = httpd(fresh_db())
    operator = Operator(server)
    mac = device(server).enroll()
    expect_log("NMDM0904: " + mac.id, "by nanomdm")
    operator.enqueue(mac.id, command()[1])
    answer = operator.call("DELETE", "/v1/events/1")
    assert answer.json == {"error": "there is no such event"}
