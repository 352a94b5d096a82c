# SPDX-License-Identifier: Apache-2.0
"""Pushes: what APNs is asked, and what the operator gets (6.5, 7)."""

import json
import time
from uuid import uuid4

import pytest

import ca as certs
from apns import Answer, Proxy
from device import command
from push_site import (WARNING, apns, apns_of_module, assert_pushed, error_of,
                       ids_of, mac, macs, many, new_topic, one_database,
                       operator, operator_at, options, own_apns, pushing,
                       statuses, token_of, topic, upload)
from tables import count

WEEK = 604800                   # default of NanoMDMPushExpiration


# -- What APNs is asked (N1, N9) --------------------------------------

def is_near(moment):
    """Whether a time is now, as far as clocks go that are set meanwhile."""
    return abs(int(moment) - time.time()) < 600


def test_push_asks_what_apple_documents(operator, mac, apns):
    answer = operator.push(mac.id)
    assert_pushed(answer, [mac.id])
    request, = apns.requests
    assert request.path == "/3/device/" + token_of(mac)
    assert request.body == b'{"mdm":"%s"}' % mac.push_magic.encode()
    headers = request.headers
    assert headers[":method"] == "POST"
    assert headers["apns-topic"] == mac.topic
    assert headers["apns-push-type"] == "mdm"
    assert headers["apns-priority"] == "10"
    assert is_near(int(headers["apns-expiration"]) - WEEK)
    assert headers["content-type"] == "application/json"


def test_push_result_is_the_apns_id(operator, mac, apns):
    apns.default = Answer(apns_id="5F3A-of-Apple")
    assert operator.push(mac.id).json == {
        "status": {mac.id: {"push_result": "5F3A-of-Apple"}}}


@one_database
@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_push_by_any_method(operator, mac, apns, method):
    assert_pushed(operator.push(mac.id, method), [mac.id])
    assert len(apns.requests) == 1


@one_database
@pytest.mark.parametrize("seconds", [0, 86400])
def test_expiration_as_configured(httpd, device, operator_at, apns,
                                  seconds):
    server = httpd(**options(apns, f"NanoMDMPushExpiration {seconds}"))
    operator = operator_at(server)
    mac = device(server, topic=new_topic(operator)).enroll()
    assert_pushed(operator.push(mac.id), [mac.id])
    expiration = apns.requests[0].headers.get("apns-expiration")
    if seconds:
        assert is_near(int(expiration) - seconds)
    else:
        assert expiration is None


@one_database
@pytest.mark.parametrize("magic", [
    'quo"ted', "back\\slash", "Zoë", "tab\tbed"])
def test_magic_is_valid_json(pushing, device, operator, topic, apns,
                             magic):
    mac = device(pushing, topic=topic)
    mac.push_magic = magic
    mac.enroll()
    assert_pushed(operator.push(mac.id), [mac.id])
    assert json.loads(apns.requests[0].body) == {"mdm": magic}


@one_database
def test_apns_sees_the_client_certificate(pushing, device, operator, apns):
    topic = certs.push_topic()
    sha256 = upload(operator, topic)
    mac = device(pushing, topic=topic).enroll()
    assert_pushed(operator.push(mac.id), [mac.id])
    assert apns.requests[0].cert_sha256 == sha256


@one_database
def test_user_channel_has_its_own_token(operator, mac, apns):
    user = mac.user().enroll()
    assert_pushed(operator.push([mac.id, user.id]), [mac.id, user.id])
    assert sorted((each.token, each.body) for each in apns.requests) == (
        sorted((token_of(each), b'{"mdm":"%s"}' % each.push_magic.encode())
               for each in (mac, user)))


def test_checked_out_device_is_still_pushed(operator, mac, apns):
    assert mac.checkout().status == 200
    assert_pushed(operator.push(mac.id), [mac.id])
    assert len(apns.requests) == 1


@one_database
def test_new_token_is_used_from_the_next_push_on(operator, mac, apns):
    assert_pushed(operator.push(mac.id), [mac.id])
    mac.token, mac.push_magic = uuid4().bytes * 2, "another"
    assert mac.token_update().status == 200
    assert_pushed(operator.push(mac.id), [mac.id])
    assert apns.requests[1].token == token_of(mac)
    assert apns.requests[1].body == b'{"mdm":"another"}'


# -- Through a proxy ----------------------------------------------------

@one_database
@pytest.mark.parametrize("login", [None, "mdm:secret", "m@il/x:p@s s/#?:%41+",
                                   "zoë:ü"])
def test_proxy_gets_the_login_of_the_url(httpd, device, operator_at, apns,
                                         login):
    with Proxy(login=login) as proxy:
        server = httpd(**options(apns, f"NanoMDMPushProxy {proxy.url}"))
        operator = operator_at(server)
        mac = device(server, topic=new_topic(operator)).enroll()
        assert_pushed(operator.push(mac.id), [mac.id])
        assert proxy.asked


@one_database
def test_a_percent_sign_that_escapes_nothing_is_one(
        httpd, device, operator_at, apns):
    with Proxy(login="mdm:100%") as proxy:
        url = f"http://mdm:100%@127.0.0.1:{proxy.port}"
        server = httpd(**options(apns, f"NanoMDMPushProxy {url}"))
        operator = operator_at(server)
        mac = device(server, topic=new_topic(operator)).enroll()
        assert_pushed(operator.push(mac.id), [mac.id])


# -- Many (N2, N11) ---------------------------------------------------

def test_several_devices_of_two_topics(pushing, device, operator, macs,
                                       apns):
    other = new_topic(operator)
    all_ids = ids_of(macs(4) + [device(pushing, topic=other).enroll()
                                for _ in range(3)])
    assert_pushed(operator.push(all_ids), all_ids)
    assert len(apns.requests) == 7
    assert len({each.cert_sha256 for each in apns.requests}) == 2


@one_database
def test_500_devices_over_one_connection(httpd, db, operator_at,
                                         own_apns):
    server = httpd(**options(own_apns),
                   extra_server="LimitRequestLine 100000")
    operator = operator_at(server)
    tokens = many(db, new_topic(operator), 500)
    assert_pushed(operator.push(list(tokens)), tokens)
    assert sorted(each.token for each in own_apns.requests) == sorted(
        tokens.values())
    assert own_apns.counts() == {
        "connections": 1, "streams": 500, "answered": 500, "resets": 0,
        "errors": [], "open": 1}


@one_database
def test_connection_is_kept_between_pushes(operator, mac, apns):
    for _ in range(5):
        assert_pushed(operator.push(mac.id), [mac.id])
    assert len({each.connection for each in apns.requests}) == 1


@one_database
def test_results_belong_to_their_devices(operator, macs, apns, expect_log):
    """The answers come in another order than the requests went."""
    devices = macs(6)
    for i, mac in enumerate(devices):
        apns.answers[token_of(mac)] = Answer(
            apns_id=f"result-of-{mac.id}", delay=0.3 - i * 0.05)
    answer = operator.push(ids_of(devices))
    assert answer.json == {"status": {
        mac.id: {"push_result": f"result-of-{mac.id}"}
        for mac in sorted(devices, key=lambda mac: mac.id)}}
    assert statuses(answer)


@one_database
def test_same_token_for_two_ids_is_reported_for_both(
        pushing, device, operator, topic, apns):
    one = device(pushing, topic=topic).enroll()
    two = device(pushing, topic=topic)
    two.token, two.push_magic = one.token, one.push_magic
    two.enroll()
    assert_pushed(operator.push([one.id, two.id]), [one.id, two.id])


@one_database
def test_same_id_twice_is_pushed_once(operator, mac, apns):
    assert_pushed(operator.push([mac.id, mac.id]), [mac.id])
    assert len(apns.requests) == 1


# -- Unknown ids, statuses (N3, P15) ----------------------------------

def test_unknown_id_is_500(operator, apns, expect_log):
    expect_log(WARNING, "NOPE", optional=True)
    answer = operator.push("NOPE")
    assert answer.status == 500
    assert answer.json == {"status": {
        "NOPE": {"push_error": "push data missing for id"}}}
    assert not apns.requests


def test_unknown_id_beside_a_known_one_is_207(operator, mac, apns,
                                              expect_log):
    expect_log(WARNING, "NOPE", optional=True)
    answer = operator.push(["NOPE", mac.id, "zzz"])
    assert answer.status == 207
    found = statuses(answer)
    assert sorted(found) == sorted(["NOPE", "zzz", mac.id])
    assert list(found[mac.id]) == ["push_result"]
    for id_ in "NOPE", "zzz":
        assert found[id_] == {"push_error": "push data missing for id"}


@one_database
def test_unknown_id_twice_is_500(operator, apns, expect_log):
    expect_log(WARNING, "NOPE", optional=True)
    assert operator.push(["NOPE", "NOPE"]).status == 500


@one_database
def test_device_that_only_authenticated_has_no_push_data(
        pushing, device, operator, topic, apns, expect_log):
    mac = device(pushing, topic=topic)
    assert mac.authenticate().status == 200
    expect_log(WARNING, mac.id, optional=True)
    answer = operator.push(mac.id)
    assert answer.status == 500
    assert error_of(answer, mac.id) == "push data missing for id"


@one_database
def test_push_without_ids_is_an_error(operator, apns):
    answer = operator.call("GET", "/v1/push/")
    assert answer.status == 500
    assert "getting enrollment ids" in answer.json["push_error"]


# -- Enqueue with push (P7, P9) ---------------------------------------

def test_enqueue_pushes(operator, mac, apns):
    uuid, plist = command("ProfileList")
    answer = operator.enqueue(mac.id, plist, nopush=None)
    assert answer.status == 200, answer
    assert list(answer.json) == ["status", "command_uuid", "request_type"]
    result = answer.json["status"][mac.id]
    assert list(result) == ["push_result"]
    assert answer.json["command_uuid"] == uuid
    assert answer.json["request_type"] == "ProfileList"
    assert [each.token for each in apns.requests] == [token_of(mac)]
    assert mac.idle().body == plist


@one_database
def test_command_is_there_when_the_push_goes_out(operator, mac, apns):
    uuid, plist = command()
    rows = []
    apns.on_request = lambda _: rows.append(count(
        operator.server.database, "enrollment_queue",
        "command_uuid = %s", uuid))
    try:
        operator.enqueue(mac.id, plist, nopush=None)
    finally:
        apns.on_request = None
    assert rows == [1]


@one_database
@pytest.mark.parametrize("nopush", ["1", "0", "false"])
def test_any_nopush_suppresses_the_push(operator, mac, apns, nopush):
    answer = operator.enqueue(mac.id, command()[1], nopush)
    assert answer.status == 200
    assert answer.json["no_push"] is True
    assert "status" not in answer.json
    assert not apns.requests


@one_database
def test_empty_nopush_pushes(operator, mac, apns):
    answer = operator.enqueue(mac.id, command()[1], nopush="")
    assert answer.status == 200
    assert "no_push" not in answer.json
    assert len(apns.requests) == 1


@one_database
def test_empty_enqueue_acts_as_push(operator, mac, apns, expect_log):
    expect_log("NMDM1203")
    answer = operator.enqueue(mac.id, b"", nopush=None)
    assert answer.status == 200
    assert answer.json["queued"] is False
    assert "push_result" in answer.json["status"][mac.id]
    assert len(apns.requests) == 1


@one_database
def test_empty_enqueue_without_push_is_an_error(operator, mac, apns):
    answer = operator.enqueue(mac.id, b"", nopush=1)
    assert answer.status in (400, 500)
    assert answer.json == {"no_push": True,
                           "command_error": "must enqueue or push"}
    assert not apns.requests


def test_failed_enqueue_does_not_push(operator, mac, apns, expect_log):
    expect_log(r":(warn|error)\]", optional=True)
    uuid, plist = command()
    answer = operator.enqueue([mac.id, "NOPE"], plist, nopush=None)
    assert answer.status == 500
    assert answer.json["command_error"]
    assert "status" not in answer.json
    assert not apns.requests
    assert count(operator.server.database, "commands",
                 "command_uuid = %s", uuid) == 0


@one_database
def test_bad_command_does_not_push(operator, mac, apns):
    answer = operator.enqueue(mac.id, b"<plist/>", nopush=None)
    assert answer.status in (400, 500)
    assert answer.json["command_error"]
    assert not apns.requests


def test_refused_push_leaves_the_command_queued(operator, macs, apns,
                                                expect_log):
    good, bad = macs(2)
    apns.answers[token_of(bad)] = Answer(410, "Unregistered")
    expect_log(WARNING, bad.id, "Unregistered")
    uuid, plist = command()
    answer = operator.enqueue([good.id, bad.id], plist, nopush=None)
    assert answer.status == 207
    assert statuses(answer)
    assert answer.json["command_uuid"] == uuid
    assert "command_error" not in answer.body.decode()
    assert bad.idle().body == plist


@one_database
def test_enqueue_for_a_topic_without_certificate(
        pushing, device, operator, apns, expect_log):
    poor = device(pushing, topic=certs.push_topic()).enroll()
    expect_log(r":(warn|error)\]", poor.topic, optional=True)
    uuid, plist = command()
    answer = operator.enqueue(poor.id, plist, nopush=None)
    assert answer.status == 500
    assert poor.topic in answer.json["push_error"]
    assert answer.json["command_uuid"] == uuid
    assert poor.idle().body == plist


# -- Configuration ----------------------------------------------------

WRONG = {
    "push URL without TLS": (
        "NanoMDMPushURL http://localhost:1",
        ["NanoMDMPushURL", "http://localhost:1", "https"]),
    "push URL that is none": (
        "NanoMDMPushURL gateway", ["NanoMDMPushURL", "gateway"]),
    "push URL without host": (
        "NanoMDMPushURL https:///x", ["NanoMDMPushURL", "https:///x"]),
    "push URL with port 0": (
        "NanoMDMPushURL https://localhost:0",
        ["NanoMDMPushURL", "https://localhost:0"]),
    "push URL with a port too high": (
        "NanoMDMPushURL https://localhost:65536",
        ["NanoMDMPushURL", "https://localhost:65536"]),
    "push CA file that is not there": (
        "NanoMDMPushCACertificateFile {folder}/nowhere.pem",
        ["NanoMDMPushCACertificateFile", "nowhere.pem"]),
    "garbage in the push CA file": (
        "NanoMDMPushCACertificateFile {folder}/garbage.pem",
        ["NanoMDMPushCACertificateFile", "garbage.pem"]),
    "expiration that is no number": (
        "NanoMDMPushExpiration week", ["NanoMDMPushExpiration", "week"]),
    "negative expiration": (
        "NanoMDMPushExpiration -1", ["NanoMDMPushExpiration", "-1"]),
    "timeout that is no number": (
        "NanoMDMPushTimeout soon", ["NanoMDMPushTimeout", "soon"]),
    "timeout of nothing": (
        "NanoMDMPushTimeout 0", ["NanoMDMPushTimeout", "0"]),
    "negative timeout": (
        "NanoMDMPushTimeout -5", ["NanoMDMPushTimeout", "-5"]),
    "proxy with a path": (
        "NanoMDMPushProxy http://mdm:secret@localhost/x",
        ["NanoMDMPushProxy", "http://...@localhost/x", "not a URL"]),
    "login for APNs": (
        "NanoMDMPushURL https://mdm:secret@localhost",
        ["NanoMDMPushURL", "http"]),
    "proxy that is none": (
        "NanoMDMPushProxy nonsense", ["NanoMDMPushProxy", "nonsense"]),
    "push URL for a Location": (
        '<Location "/v1">\nNanoMDMPushURL https://localhost\n</Location>',
        ["NanoMDMPushURL", "Location"]),
}


@one_database
@pytest.mark.parametrize("name", WRONG)
def test_configtest_refuses(httpd, name):
    line, patterns = WRONG[name]
    server = httpd(start=False, extra_vhost=line,
                   files={"garbage.pem": b"garbage"})
    status, said = server.configtest()
    assert status != 0, said
    for pattern in patterns:
        assert pattern in said
