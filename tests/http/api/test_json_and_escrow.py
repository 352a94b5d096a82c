# SPDX-License-Identifier: Apache-2.0
"""Ids in a JSON body, and escrow key unlock (P18)."""

import base64
import gzip
import json
import urllib.parse

import pytest

import ca as certs
from device import Operator, command
from receiver import Answer, Receiver

pytestmark = pytest.mark.one_database

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
UNLOCK = {"serial": "C02X", "productType": "Mac14,2",
          "escrowKey": "AAAA-BBBB", "orgName": "A & B", "guid": "g"}


@pytest.fixture(scope="module")
def apple():
    receiver = Receiver()
    receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture
def asking(httpd, apple):
    return Operator(httpd(
        extra_server=f"NanoMDMEscrowURL {apple.url}/unlock"))


def enqueue(operator, **request):
    return operator.call("POST", "/v1/enqueue",
                         json.dumps(request).encode(), JSON)


def test_json_body_carries_ids_and_command(operator, device):
    macs = [device().enroll() for _ in range(3)]
    uuid, plist = command()
    answer = enqueue(operator, ids=[mac.id for mac in macs], nopush=True,
                     command=base64.b64encode(plist).decode())
    assert answer.status == 200, answer
    assert answer.json["command_uuid"] == uuid
    assert all(mac.idle().body == plist for mac in macs)


@pytest.mark.parametrize("body", [
    b"", b"[]", b'{"ids": 1}', b'{"ids": [1]}', b'{"ids": ["a"]}',
    b'{"ids": ["a"], "command": "%%"}'])
def test_json_body_of_no_use_is_400(operator, body):
    answer = operator.call("POST", "/v1/enqueue", body, JSON)
    assert answer.status == 400, answer
    assert list(answer.json) == ["error"]


def unlock(operator, topic, **changes):
    form = {**UNLOCK, "topic": topic, **changes}
    return operator.call("POST", "/v1/escrowkeyunlock",
                         urllib.parse.urlencode(form).encode(), FORM)


def test_p18_request_and_answer_are_passed_on(asking, apple):
    identity = certs.push_certificate()
    topic = asking.pushcert_put(identity.pem + identity.key_pem).json["topic"]
    apple.answers["*"] = Answer(status=202, body=b"<x/>",
                                headers={"Content-Type": "text/xml",
                                         "X-Apple-Id": "7",
                                         "Keep-Alive": "timeout=5"})
    before = len(apple.requests)
    answer = unlock(asking, topic, imei="35")
    assert (answer.status, answer.body) == (202, b"<x/>"), answer
    assert answer.headers["Content-Type"] == "text/xml"
    assert answer.headers["X-Apple-Id"] == "7"
    assert answer.headers.get("Keep-Alive") != "timeout=5"
    request = apple.requests[before]
    assert request.method == "POST"
    assert request.path == "/unlock?imei=35&productType=Mac14%2C2&serial=C02X"
    assert request.body == b"escrowKey=AAAA-BBBB&guid=g&orgName=A+%26+B"


@pytest.mark.parametrize("status", [418, 427, 499, 530])
def test_p18_a_status_that_httpd_has_no_name_for(asking, apple, status):
    topic = asking.pushcert_put(certs.push_certificate()).json["topic"]
    apple.answers["*"] = Answer(status=status, body=b"<x/>")
    answer = unlock(asking, topic)
    assert (answer.status, answer.body) == (status, b"<x/>"), answer


def test_a_packed_answer_of_apples_is_unpacked(asking, apple):
    topic = asking.pushcert_put(certs.push_certificate()).json["topic"]
    apple.answers["*"] = Answer(
        body=gzip.compress(b"<plist/>"),
        headers={"Content-Type": "text/xml", "Content-Encoding": "gzip"})
    answer = unlock(asking, topic)
    assert (answer.status, answer.body) == (200, b"<plist/>"), answer
    assert "Content-Encoding" not in answer.headers
    assert apple.requests[-1].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("name", UNLOCK)
def test_p18_missing_parameter_is_400(asking, name):
    answer = unlock(asking, "com.apple.mgmt.External.x", **{name: ""})
    assert answer.status == 400, answer
    assert answer.json == {"error": "invalid or missing parameters"}


def test_an_unlocking_is_in_the_log(asking, apple, expect_log):
    """Who asked, for what, and what came of it."""
    asking.pushcert_put(certs.push_certificate("com.apple.mgmt.External.y"))
    apple.answers["/unlock"] = Answer(200, b"<plist/>")
    expect_log("NMDM0927: -: escrow key unlock of C02X: Apple answered 200",
               "by nanomdm")
    assert unlock(asking, "com.apple.mgmt.External.y").status == 200


def test_p18_topic(asking):
    answer = unlock(asking, "")
    assert (answer.status, answer.json) == (400, {"error": "empty topic"})
    assert unlock(asking, "com.apple.mgmt.External.x").status == 500
