# SPDX-License-Identifier: Apache-2.0
"""Servers that push to a stand-in for APNs, and what their operators get."""

import re
from uuid import uuid4

import pytest

import ca as certs
from apns import Apns
from device import Operator
from system import free_port
from tables import insert

one_database = pytest.mark.one_database

TIMEOUT = 20                    # NanoMDMPushTimeout of most servers here
HURRY = 2                       # of those at which it is waited for
SOON = 15                       # seconds; less than any wait for ever

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


def make_due(db, mac):
    db.execute("UPDATE nanomdm_pushes SET next_at = %s WHERE id = %s",
               "2020-01-01 00:00:00.000", mac.id)
