# SPDX-License-Identifier: Apache-2.0
"""Pushes that APNs refuses, certificates, and pushes that are repeated (6.5,
7)."""

import time

import pytest

import ca as certs
from apns import Answer
from device import command
from push_site import (HURRY, SOON, WARNING, apns, apns_of_module,
                       assert_pushed, error_of, hurried, hurried_operator, mac,
                       macs, make_due, new_topic, one_database, operator,
                       operator_at, options, own_apns, push_lines, pushing,
                       statuses, token_of, topic, upload)
from system import wait_until
from tables import count


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


# -- Pushed to again --------------------------------------------------

def pending(db, mac):
    return [int(tries) for (tries,) in db.query(
        "SELECT tries FROM nanomdm_pushes WHERE id = %s", mac.id)]


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
