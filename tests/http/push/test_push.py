# SPDX-License-Identifier: Apache-2.0
"""Pushes: what APNs is asked, and what the operator gets (6.5, 7)."""

import concurrent.futures
import json
import re
import signal
import socket
import time
import types
from uuid import uuid4

import pytest

import ca as certs
from apns import Answer, Apns
from device import Operator, command
from system import free_port, wait_until
from tables import count, insert

one_database = pytest.mark.one_database

TIMEOUT = 20                    # NanoMDMPushTimeout of most servers here
HURRY = 2                       # of those at which it is waited for
SOON = 15                       # seconds; less than any wait for ever
WEEK = 604800                   # default of NanoMDMPushExpiration
WARNING = r":warn\]"


def push_lines(apns, *more, timeout=TIMEOUT):
    """The directives that lead pushes to a stand-in."""
    return "\n".join([f"NanoMDMPushURL {apns.url}",
                      "NanoMDMPushCACertificateFile {folder}/apns-ca.pem",
                      f"NanoMDMPushTimeout {timeout}", *more])


def options(apns, *more, timeout=TIMEOUT, **others):
    """Options of an Httpd that pushes to a stand-in."""
    return {"extra_vhost": push_lines(apns, *more, timeout=timeout),
            "files": {"apns-ca.pem": apns.authority.pem},
            "threads": 16, **others}


@pytest.fixture(scope="module")
def apns_of_module():
    with Apns() as apns:
        yield apns


@pytest.fixture
def apns(apns_of_module):
    """The stand-in for APNs, which knows nothing of earlier tests."""
    apns_of_module.reset()
    return apns_of_module


@pytest.fixture
def own_apns():
    """One that only this test's server pushes to; on a port that nobody
    takes while it is stopped."""
    with Apns(port=free_port()) as apns:
        yield apns


@pytest.fixture(scope="module")
def pushing(module_httpd, apns_of_module):
    """The server that most tests here share."""
    return module_httpd(**options(apns_of_module))


@pytest.fixture(scope="module")
def hurried(module_httpd, apns_of_module):
    """One that gives APNs up soon."""
    return module_httpd(**options(apns_of_module, timeout=HURRY))


@pytest.fixture
def operator(pushing):
    operator = Operator(pushing)
    yield operator
    operator.close()


@pytest.fixture
def hurried_operator(hurried):
    operator = Operator(hurried)
    yield operator
    operator.close()


@pytest.fixture
def operator_at():
    """operator_at(server): the operator of a server of the test's own."""
    made = []

    def make(server, **more):
        made.append(Operator(server, **more))
        return made[-1]
    yield make
    for operator in made:
        operator.close()


def new_topic(operator):
    """A topic, the certificate of which has been uploaded."""
    topic = certs.push_topic()
    upload(operator, topic)
    return topic


def upload(operator, topic):
    """A new certificate for a topic; its SHA-256."""
    certificate = certs.push_certificate(topic, key="ec")
    answer = operator.pushcert_put(certificate)
    assert answer.status == 200, answer
    return certificate.sha256


@pytest.fixture
def topic(operator):
    return new_topic(operator)


@pytest.fixture
def mac(pushing, device, topic):
    """An enrolled device."""
    return device(pushing, topic=topic).enroll()


@pytest.fixture
def macs(pushing, device, topic):
    """macs(n): so many of one topic."""
    return lambda n: [device(pushing, topic=topic).enroll()
                      for _ in range(n)]


def many(db, topic, number):
    """Enrollments without the devices: id to token, in hex."""
    tokens = {str(uuid4()).upper(): uuid4().hex * 2 for _ in range(number)}
    insert(db, "devices", ("id", "authenticate"),
           [(id_, "<plist/>") for id_ in tokens])
    insert(db, "enrollments", ("id", "device_id", "type", "topic",
                               "push_magic", "token_hex"),
           [(id_, id_, "Device", topic, "magic", token)
            for id_, token in tokens.items()])
    return tokens


def ids_of(channels):
    return [channel.id for channel in channels]


def statuses(answer):
    """The status object, whose keys must be sorted."""
    found = answer.json["status"]
    assert list(found) == sorted(found)
    return found


def assert_pushed(answer, ids):
    """All of them, and nothing else to say."""
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"].startswith("application/json")
    assert list(answer.json) == ["status"]
    assert sorted(statuses(answer)) == sorted(ids)
    for result in answer.json["status"].values():
        assert list(result) == ["push_result"]
        assert re.fullmatch(r"[0-9A-Fa-f-]{36}", result["push_result"])


def error_of(answer, id_):
    """The push_error of an enrollment, in whatever else there is."""
    return answer.json["status"][id_]["push_error"]


def token_of(channel):
    return channel.token.hex()


def in_background(call, *args):
    """A future; the call has a thread of its own."""
    pool = concurrent.futures.ThreadPoolExecutor(1)
    future = pool.submit(call, *args)
    pool.shutdown(wait=False)
    return future


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


# -- What APNs refuses (N5) -------------------------------------------

def kept(db, mac):
    return [(int(status), reason) for status, reason in db.query(
        "SELECT status, reason FROM nanomdm_pushes WHERE id = %s", mac.id)]


def test_refusal_is_kept_until_the_device_has_a_new_token(
        operator, mac, apns, db, expect_log):
    apns.answers[token_of(mac)] = Answer(410, "Unregistered")
    expect_log(WARNING, mac.id, "Unregistered")
    for _ in range(2):
        assert operator.push(mac.id).status == 500
        assert kept(db, mac) == [(410, "Unregistered")]
    mac.token = bytes(reversed(mac.token))
    assert mac.token_update().status == 200
    assert kept(db, mac) == []
    assert_pushed(operator.push(mac.id), [mac.id])
    assert kept(db, mac) == []


def test_refusal_is_kept_until_a_push_succeeds(operator, mac, apns, db,
                                               expect_log):
    apns.answers[token_of(mac)] = Answer(400, "TopicDisallowed")
    expect_log(WARNING, mac.id, "TopicDisallowed")
    assert operator.push(mac.id).status == 500
    assert kept(db, mac) == [(400, "TopicDisallowed")]
    apns.reset()
    assert_pushed(operator.push(mac.id), [mac.id])
    assert kept(db, mac) == []


@one_database
def test_passing_faults_are_not_kept(hurried_operator, mac, apns, db,
                                     expect_log):
    expect_log(WARNING, mac.id, "1 of 1 pushes failed")
    apns.default = Answer(503, "ServiceUnavailable")
    assert hurried_operator.push(mac.id).status == 500
    assert kept(db, mac) == []


@one_database
@pytest.mark.parametrize("start, days, text", [
    (-1, 19.5, "expires in 19 days"), (-9, -2, "has expired"),
    (-1, 31, None)])
def test_expiring_certificate_is_said_once_a_day(
        httpd, device, apns, expect_log, operator_at, start, days, text):
    """By each child; this server has one."""
    server = httpd(**options(apns, timeout=1))
    operator = operator_at(server)
    topic = certs.push_topic()
    assert operator.pushcert_put(certs.push_certificate(
        topic, start=start, days=days)).status == 200
    mac = device(server, topic=topic).enroll()
    if text:
        expect_log(WARNING, "NMDM0917", topic, text)
    expect_log(WARNING, mac.id, optional=True)
    for _ in range(3):
        operator.push(mac.id)
    if text:
        server.wait_for_log(f"NMDM0917.*{topic}")
    said = [line for line in server.error_log().splitlines()
            if "NMDM0917" in line and topic in line]
    assert len(said) == (1 if text else 0)


REFUSALS = {
    "410": (Answer(410, "Unregistered", timestamp=1454948015990),
            "push HTTP status: 410: APNs push error: Unregistered"
            ": timestamp 1454948015990"),
    "410 without timestamp": (
        Answer(410, "ExpiredToken"),
        "push HTTP status: 410: APNs push error: ExpiredToken"),
    "400": (Answer(400, "BadDeviceToken"),
            "push HTTP status: 400: APNs push error: BadDeviceToken"),
    "403": (Answer(403, "BadCertificate"),
            "push HTTP status: 403: APNs push error: BadCertificate"),
    "404 that is no JSON": (
        Answer(404, body="<html>"),
        "push HTTP status: 404: decoding JSON push error: "),
    "404 that is empty": (
        Answer(404), "push HTTP status: 404: decoding JSON push error: "),
    "500 that is no JSON": (
        Answer(500, body="<html>"),
        "push HTTP status: 500: decoding JSON push error: "),
    "503 that is empty": (
        Answer(503), "push HTTP status: 503: decoding JSON push error: "),
}


@one_database
@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_is_told_with_the_apns_id(hurried_operator, mac, apns,
                                          expect_log, name):
    refusal, text = REFUSALS[name]
    refusal.apns_id = "id-of-the-refusal"
    apns.default = refusal
    expect_log(WARNING, r"NMDM\d{4}: ", mac.id)
    answer = hurried_operator.push(mac.id)
    assert answer.status == 500
    result = answer.json["status"][mac.id]
    assert result["push_error"].startswith(text)
    if not text.endswith(" "):
        assert result["push_error"] == text
    assert list(result) == ["push_error", "push_result"]
    assert result["push_result"] == "id-of-the-refusal"
    assert list(answer.json) == ["status"]


def test_refused_device_beside_a_pushed_one_is_207(operator, macs, apns,
                                                   expect_log):
    good, bad = macs(2)
    apns.answers[token_of(bad)] = Answer(410, "Unregistered")
    expect_log(WARNING, bad.id, "Unregistered")
    answer = operator.push([good.id, bad.id])
    assert answer.status == 207
    assert list(statuses(answer)[good.id]) == ["push_result"]
    assert "Unregistered" in error_of(answer, bad.id)
    assert count(operator.server.database, "enrollments",
                 "id = %s AND enabled", bad.id) == 1


@one_database
def test_secrets_of_a_refused_push_stay_out_of_the_log(
        operator, mac, apns, expect_log):
    apns.default = Answer(400, "BadDeviceToken")
    expect_log(WARNING, mac.id)
    mark = operator.server.mark()
    operator.push(mac.id)
    operator.server.wait_for_log("BadDeviceToken", mark)
    log = operator.server.log_since(mark)
    assert token_of(mac) not in log
    assert mac.push_magic not in log


@one_database
def test_too_many_requests_are_repeated(operator, mac, apns, expect_log):
    expect_log(WARNING, optional=True)
    apns.script = [Answer(429, "TooManyRequests")]
    assert_pushed(operator.push(mac.id), [mac.id])
    assert len(apns.requests) == 2


@one_database
def test_hostile_reason_is_one_log_line_and_valid_json(
        operator, mac, apns, expect_log):
    reason = 'Bad\n[x:error] "quo\\ted"\x1b[31m<b>'
    apns.default = Answer(400, reason)
    expect_log(WARNING, mac.id)
    answer = operator.push(mac.id)
    assert answer.status == 500
    assert "Bad" in error_of(answer, mac.id)


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


# -- Certificates (N6, N7) --------------------------------------------

def test_uploaded_certificate_is_used_for_the_next_push(
        operator, mac, apns):
    assert_pushed(operator.push(mac.id), [mac.id])
    sha256 = upload(operator, mac.topic)
    assert_pushed(operator.push(mac.id), [mac.id])
    first, second = apns.requests
    assert second.cert_sha256 == sha256 != first.cert_sha256
    assert second.connection != first.connection


@one_database
def test_certificate_uploaded_at_another_node_is_used(
        httpd, operator, operator_at, mac, apns):
    assert_pushed(operator.push(mac.id), [mac.id])
    sha256 = upload(operator_at(httpd(**options(apns))), mac.topic)
    assert_pushed(operator.push(mac.id), [mac.id])
    assert apns.requests[1].cert_sha256 == sha256


def test_topic_without_certificate_is_an_overall_error(
        pushing, device, operator, mac, apns, expect_log):
    poor = device(pushing, topic=certs.push_topic()).enroll()
    expect_log(r":(warn|error)\]", poor.topic, optional=True)
    answer = operator.push([mac.id, poor.id])
    assert answer.status == 500
    assert poor.topic in answer.json["push_error"]
    assert answer.json["push_error"].startswith("retrieving push cert")
    assert list(answer.json["status"][mac.id]) == ["push_result"]
    assert [each.token for each in apns.requests] == [token_of(mac)]


@one_database
def test_topic_without_certificate_is_logged(pushing, device, operator,
                                             expect_log):
    """An operator must act: nothing can be pushed before an upload."""
    poor = device(pushing, topic=certs.push_topic()).enroll()
    expect_log(r":(warn|error)\]", poor.topic)
    assert operator.push(poor.id).status == 500


@one_database
def test_certificate_that_apns_does_not_trust(
        hurried, device, hurried_operator, apns, expect_log):
    topic = certs.push_topic()
    stranger = certs.self_signed("x", uid=topic)
    assert hurried_operator.pushcert_put(stranger).status == 200
    mac = device(hurried, topic=topic).enroll()
    expect_log(r":(warn|error)\]", f"{mac.id}|{topic}")
    started = time.monotonic()
    answer = hurried_operator.push(mac.id)
    assert answer.status == 500
    assert "push_error" in answer.body.decode()
    assert time.monotonic() - started < SOON
    assert not apns.requests


@one_database
def test_wrong_server_certificate_is_refused(httpd, device, operator_at,
                                             own_apns, expect_log):
    server = httpd(**options(own_apns, timeout=HURRY, files={
        "apns-ca.pem": certs.root("Another CA").pem}))
    operator = operator_at(server)
    mac = device(server, topic=new_topic(operator)).enroll()
    expect_log(r":(warn|error)\]", mac.id, server=server)
    answer = operator.push(mac.id)
    assert answer.status == 500
    assert "certificate" in error_of(answer, mac.id)
    assert not own_apns.requests


@one_database
def test_server_certificate_of_another_name_is_refused(
        httpd, device, operator_at, own_apns, expect_log):
    """127.0.0.2 is not in the stand-in's certificate."""
    own_apns.stop()
    own_apns.host = "127.0.0.2"
    own_apns.start()
    lines = push_lines(own_apns, timeout=HURRY).replace("localhost",
                                                        "127.0.0.2")
    server = httpd(**{**options(own_apns), "extra_vhost": lines})
    operator = operator_at(server)
    mac = device(server, topic=new_topic(operator)).enroll()
    expect_log(r":(warn|error)\]", mac.id, server=server)
    answer = operator.push(mac.id)
    assert answer.status == 500
    assert error_of(answer, mac.id)
    assert not own_apns.requests


# -- When APNs fails (N4, N10) ----------------------------------------

@pytest.fixture
def fails_in_time(httpd, device, operator_at, expect_log):
    """fails_in_time(apns): a push by way of it is an error, soon."""
    def push(apns):
        server = httpd(**options(apns, timeout=HURRY))
        operator = operator_at(server)
        mac = device(server, topic=new_topic(operator)).enroll()
        expect_log(r":(warn|error)\]", mac.id, server=server)
        started = time.monotonic()
        answer = operator.push(mac.id)
        assert time.monotonic() - started < SOON
        assert answer.status == 500
        assert error_of(answer, mac.id)
    return push


@one_database
def test_apns_unreachable_is_an_error_in_time(fails_in_time):
    fails_in_time(types.SimpleNamespace(
        url=f"https://localhost:{free_port()}",
        authority=certs.root("Test APNs CA")))


@one_database
def test_stalled_push_is_an_error_in_time(hurried_operator, macs, apns,
                                          expect_log):
    good, bad = macs(2)
    apns.answers[token_of(bad)] = Answer(stall=True)
    expect_log(WARNING, bad.id)
    started = time.monotonic()
    answer = hurried_operator.push([good.id, bad.id])
    assert HURRY - 0.5 < time.monotonic() - started < SOON
    assert answer.status == 207
    assert list(answer.json["status"][good.id]) == ["push_result"]
    assert error_of(answer, bad.id)


@one_database
def test_deaf_apns_is_an_error_in_time(fails_in_time, own_apns):
    own_apns.rules.deaf = True
    fails_in_time(own_apns)


@one_database
def test_tcp_without_tls_is_an_error_in_time(fails_in_time):
    """A server accepts, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        fails_in_time(types.SimpleNamespace(
            url=f"https://localhost:{mute.getsockname()[1]}",
            authority=certs.root("Test APNs CA")))


@one_database
def test_others_are_served_while_apns_stalls(operator, operator_at, macs,
                                             apns, expect_log):
    good, bad = macs(2)
    apns.answers[token_of(bad)] = Answer(stall=True)
    stalled = [in_background(operator_at(operator.server).push, bad.id)
               for _ in range(4)]
    assert apns.wait_for(4)
    assert_pushed(operator.push(good.id), [good.id])
    assert good.idle().status == 200
    assert not any(each.done() for each in stalled)
    apns.answers.clear()
    apns.drop_all()
    assert [each.result().status for each in stalled] == [200] * 4


@one_database
def test_goaway_in_the_middle_costs_no_push(httpd, db, operator_at,
                                            own_apns, expect_log):
    own_apns.rules.goaway_every = 40
    own_apns.rules.goaway_unseen = 3
    own_apns.rules.times = 3
    expect_log(WARNING, optional=True)
    operator = operator_at(httpd(**options(own_apns)))
    tokens = many(db, new_topic(operator), 200)
    assert_pushed(operator.push(list(tokens)), tokens)
    assert {each.token for each in own_apns.requests} == set(
        tokens.values())
    assert own_apns.connections > 1
    assert own_apns.errors == []


@one_database
def test_connection_that_apns_closed_costs_no_push(operator, mac, apns,
                                                   expect_log):
    expect_log(WARNING, optional=True)
    assert_pushed(operator.push(mac.id), [mac.id])
    apns.drop_all()
    assert wait_until(lambda: not apns.counts()["open"])
    assert_pushed(operator.push(mac.id), [mac.id])


@one_database
def test_apns_that_comes_back_is_used_again(httpd, device, operator_at,
                                            own_apns, expect_log):
    server = httpd(**options(own_apns, timeout=3))
    operator = operator_at(server)
    mac = device(server, topic=new_topic(operator)).enroll()
    assert_pushed(operator.push(mac.id), [mac.id])
    own_apns.stop()
    expect_log(WARNING, mac.id)
    assert operator.push(mac.id).status == 500
    own_apns.start()
    assert_pushed(operator.push(mac.id), [mac.id])


@one_database
@pytest.mark.parametrize("debug", ['{"reason":"BadCertificate"}', "{"])
def test_goaway_instead_of_an_answer(hurried_operator, mac, apns,
                                     expect_log, debug):
    """Again and again: an error or, in the end, an answer; no crash."""
    apns.default = Answer(goaway=0, debug=debug)
    expect_log(WARNING, mac.id)
    started = time.monotonic()
    answer = hurried_operator.push(mac.id)
    assert time.monotonic() - started < SOON
    assert answer.status == 500
    assert error_of(answer, mac.id)
    apns.default = Answer()
    assert_pushed(hurried_operator.push(mac.id), [mac.id])


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


# -- Pushed to again --------------------------------------------------

def pending(db, mac):
    return [int(tries) for (tries,) in db.query(
        "SELECT tries FROM nanomdm_pushes WHERE id = %s", mac.id)]


def make_due(db, mac):
    db.execute("UPDATE nanomdm_pushes SET next_at = %s WHERE id = %s",
               "2020-01-01 00:00:00.000", mac.id)


def test_silent_device_is_pushed_to_again(httpd, device, apns, operator_at,
                                          fresh_db):
    """By the child that serves the database, so it is this server's alone."""
    db = fresh_db()
    server = httpd(db, **options(apns, "NanoMDMPushRepeat On"))
    operator = operator_at(server)
    mac = device(server, topic=new_topic(operator)).enroll()
    uuid, plist = command()
    assert operator.enqueue(mac.id, plist, nopush="").status == 200
    assert pending(db, mac) == [0]
    # As if it had polled long before.
    db.execute("UPDATE enrollments SET last_seen_at = %s WHERE id = %s",
               "2020-01-01 00:00:00.000", mac.id)
    make_due(db, mac)
    assert wait_until(lambda: len(apns.requests) == 2)
    assert {each.token for each in apns.requests} == {token_of(mac)}
    assert wait_until(lambda: pending(db, mac) == [1])
    assert mac.idle().plist["CommandUUID"] == uuid
    assert mac.acknowledge(uuid).status == 200
    make_due(db, mac)
    assert wait_until(lambda: pending(db, mac) == [])
    assert len(apns.requests) == 2


@one_database
def test_repeats_can_be_switched_off(httpd, device, apns, operator_at):
    server = httpd(**options(apns, "NanoMDMPushRepeat Off"))
    operator = operator_at(server)
    mac = device(server, topic=new_topic(operator)).enroll()
    assert operator.enqueue(mac.id, command()[1], nopush="").status == 200
    assert pending(server.database, mac) == []


# -- Threads are for devices ------------------------------------------

@one_database
def test_silent_apns_leaves_threads_to_devices(httpd, device, operator_at,
                                               own_apns, expect_log):
    """Once more than a quarter of the threads wait for APNs, other calls
    queue their command and say at once that they did not push."""
    server = httpd(**options(own_apns, "NanoMDMPushWait 6"))
    operator = operator_at(server)
    topic = new_topic(operator)
    macs = [device(server, topic=topic).enroll() for _ in range(21)]
    expect_log(WARNING, "NMDM09(18|26)", server=server)
    own_apns.default = Answer(delay=60)
    started = time.monotonic()
    callers = [in_background(operator_at(server, plain=True).enqueue, mac.id,
                             command()[1], None) for mac in macs[:20]]
    assert own_apns.wait_for(5)
    time.sleep(0.6)
    for mac in macs[:3]:                  # who is not among those that wait
        asked = time.monotonic()
        assert mac.raw("GET", "/version").status == 200
        assert mac.idle().plist["Command"]
        assert time.monotonic() - asked < 2
    took = []
    for caller in callers:
        answer = caller.result(30)
        took.append(time.monotonic() - started)
        assert answer.status == 207 or answer.status == 500, answer
        status, = answer.json["status"].values()
        assert "again later" in status["push_error"]
        assert "command_error" not in answer.json
    assert max(took) < 12
    # Five of sixteen threads may wait; who comes when the first of them give
    # up may wait as well.
    assert any("too many calls" in caller.result().body.decode()
               for caller in callers)
    assert len(own_apns.requests) <= 10


@one_database
def test_api_waits_no_longer_than_pushwait(httpd, device, operator_at,
                                           own_apns, expect_log):
    server = httpd(**options(own_apns, "NanoMDMPushWait 1"))
    operator = operator_at(server)
    mac = device(server, topic=new_topic(operator)).enroll()
    expect_log(WARNING, "NMDM0918", server=server)
    own_apns.default = Answer(delay=60)
    started = time.monotonic()
    answer = operator.enqueue(mac.id, command()[1], nopush="")
    assert 0.9 < time.monotonic() - started < 3
    assert "again later" in answer.json["status"][mac.id]["push_error"]
    assert mac.idle().plist["Command"]


@one_database
def test_open_breaker_answers_at_once(httpd, device, operator_at, own_apns,
                                      expect_log):
    """After five failures nothing is tried for half a minute."""
    server = httpd(**options(own_apns, "NanoMDMPushWait 1"))
    operator = operator_at(server)
    mac = device(server, topic=new_topic(operator)).enroll()
    expect_log(WARNING, "NMDM0918", server=server)
    own_apns.default = Answer(delay=60)
    for _ in range(5):
        operator.push(mac.id)
    started = time.monotonic()
    answer = operator.enqueue(mac.id, command()[1], nopush="")
    assert time.monotonic() - started < 0.8
    assert "not tried" in answer.json["status"][mac.id]["push_error"]
    assert mac.idle().plist["Command"]


@one_database
def test_a_healthy_apns_serves_many_callers(httpd, device, operator_at,
                                            own_apns):
    """More callers than may wait at once: none of them is sent away."""
    server = httpd(**options(own_apns))
    operator = operator_at(server)
    topic = new_topic(operator)
    macs = [device(server, topic=topic).enroll() for _ in range(14)]
    for mac in macs:
        mac.close()
    own_apns.default = Answer(delay=0.03)
    callers = [in_background(operator_at(server, plain=True).push, mac.id)
               for mac in macs]
    for mac, caller in zip(macs, callers):
        assert_pushed(caller.result(30), [mac.id])


@pytest.mark.parametrize("value", ["0", "-1", "soon", "3601"])
@one_database
def test_pushwait_is_checked(httpd, own_apns, value):
    server = httpd(start=False, **options(own_apns,
                                          f"NanoMDMPushWait {value}"))
    status, said = server.configtest()
    assert status and "NanoMDMPushWait" in said and value in said


# -- The end of a child -----------------------------------------------

def push_slowly(server, operator_at, device, apns, delay):
    """Four callers whose pushes APNs has and does not answer yet."""
    operator = operator_at(server)
    topic = new_topic(operator)
    macs = [device(server, topic=topic).enroll() for _ in range(4)]
    for mac in macs:
        mac.close()
    operator.close()
    apns.default = Answer(delay=delay)
    callers = [in_background(operator_at(server, plain=True).push, mac.id)
               for mac in macs]
    assert apns.wait_for(4)
    return macs, callers


@one_database
def test_graceful_restart_waits_for_pushes(httpd, device, operator_at,
                                           own_apns):
    server = httpd(**options(own_apns))
    macs, callers = push_slowly(server, operator_at, device, own_apns, 1)
    server.graceful()
    for mac, caller in zip(macs, callers):
        assert_pushed(caller.result(60), [mac.id])
    own_apns.default = Answer()
    assert_pushed(operator_at(server).push(macs[0].id), [macs[0].id])


@one_database
def test_graceful_stop_answers_every_caller(httpd, device, operator_at,
                                            own_apns):
    server = httpd(**options(own_apns))
    macs, callers = push_slowly(server, operator_at, device, own_apns, 1)
    server.process.send_signal(signal.SIGWINCH)
    for mac, caller in zip(macs, callers):
        assert_pushed(caller.result(60), [mac.id])
    assert wait_until(lambda: server.process.poll() is not None)


@one_database
def test_stop_with_pushes_in_flight(httpd, device, operator_at, own_apns,
                                    expect_log):
    """httpd ends connections at once; no client waits on."""
    server = httpd(**options(own_apns, timeout=3))
    macs, callers = push_slowly(server, operator_at, device, own_apns, 30)
    expect_log(WARNING, "|".join(ids_of(macs)), server=server,
               optional=True)
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < SOON
    for caller in callers:
        assert caller.exception(60) or caller.result().status in (500, 503)
    assert "signal" not in server.error_log()


def push_in_a_body(operator, ids):
    """More ids than a request line holds."""
    return operator.call("POST", "/v1/push", json.dumps({"ids": ids}).encode(),
                         {"Content-Type": "application/json"})


@one_database
@pytest.mark.parametrize("way", ["graceful", "graceful-stop", "stop"])
def test_end_with_a_thousand_pushes_in_flight(httpd, fresh_db, operator_at,
                                              own_apns, expect_log, way):
    """Every caller gets an answer and nothing crashes; this runs under
    AddressSanitizer as well."""
    db = fresh_db()
    server = httpd(db, **options(own_apns))
    ids = list(many(db, new_topic(operator := operator_at(server)), 1000))
    operator.close()
    own_apns.rules.max_streams = 1000
    own_apns.default = Answer(delay=1.5 if way != "stop" else 30)
    callers = {
        first: in_background(push_in_a_body, operator_at(server, plain=True),
                             ids[first:first + 250])
        for first in range(0, 1000, 250)}
    assert own_apns.wait_for(1000)
    if way == "stop":
        expect_log(WARNING, r"pushes failed", server=server, optional=True)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < SOON
        for caller in callers.values():
            assert caller.exception(60) or caller.result().status == 500
    else:
        if way == "graceful":
            server.graceful()
        else:
            server.process.send_signal(signal.SIGWINCH)
        for first, caller in callers.items():
            assert_pushed(caller.result(60), ids[first:first + 250])
    assert "exit signal" not in server.error_log()
    assert own_apns.answered >= (0 if way == "stop" else 1000)
