# SPDX-License-Identifier: Apache-2.0
"""Push certificates: upload, replacement, what is refused."""

import pytest
from cryptography.hazmat.primitives import serialization

import ca as certs
from answers import assert_json, assert_json_error
from device import Operator

one_database = pytest.mark.one_database


def stored_cert(db, topic):
    """(certificate, key, stale token)"""
    return db.query("SELECT cert_pem, key_pem, stale_token"
                    " FROM push_certs WHERE topic = %s", topic)


def not_after(identity):
    return identity.not_after.strftime("%Y-%m-%dT%H:%M:%SZ")


def public(pem):
    """A certificate's text without what may surround it."""
    return "".join(pem.split())


def test_p03_pushcert_is_stored_and_replaced(operator, db):
    """P3, P6"""
    topic = certs.push_topic()
    tokens = []
    for identity in (certs.push_certificate(topic),
                     certs.push_certificate(topic, days=30)):
        expected = {"not_after": not_after(identity), "topic": topic}
        assert_json(operator.pushcert_put(identity), 200, expected)
        assert_json(operator.pushcert_get(topic), 200, expected)
        (cert, key, token), = stored_cert(db, topic)
        assert public(cert) == public(identity.pem.decode())
        loaded = serialization.load_pem_private_key(key.encode(), None)
        assert loaded.private_numbers() == identity.key.private_numbers()
        tokens.append(str(token))
    assert tokens == ["0", "1"]


@one_database
def test_p03_same_certificate_again_changes_the_token(operator, db):
    """P3: an upload is a wish to be noticed, whatever it brings."""
    identity = certs.push_certificate(topic := certs.push_topic())
    tokens = set()
    for _ in range(3):
        assert operator.pushcert_put(identity).status == 200
        tokens.add(str(stored_cert(db, topic)[0][2]))
    assert len(tokens) == 3


def key_pem(identity, form="PKCS8", password=None):
    encryption = (serialization.BestAvailableEncryption(password)
                  if password else serialization.NoEncryption())
    return identity.key.private_bytes(
        serialization.Encoding.PEM,
        getattr(serialization.PrivateFormat, form), encryption)


OTHER_PEM = b"-----BEGIN FOO-----\nAAAA\n-----END FOO-----\n"

GOOD_PEMS = {
    "PKCS#8": lambda who: who.pem + key_pem(who),
    "PKCS#1": lambda who: who.pem + key_pem(who, "TraditionalOpenSSL"),
    "key before certificate": lambda who: key_pem(who) + who.pem,
    "joined without newline": lambda who: (
        who.pem.rstrip() + key_pem(who).rstrip()),
    "key joined to certificate": lambda who: (
        key_pem(who).rstrip() + who.pem.rstrip()),
    "text around": lambda who: (
        b"Bag Attributes\n" + who.pem + b"Key Attributes: <none>\n"
        + key_pem(who) + b"end"),
    "CRLF": lambda who: (who.pem + key_pem(who)).replace(
        b"\n", b"\r\n"),
    "with its CA after it": lambda who: (
        who.pem + certs.push_authority().pem + key_pem(who)),
    "with its CA before it": lambda who: (
        certs.push_authority().pem + who.pem + key_pem(who)),
    "last key wins": lambda who: (
        key_pem(certs.push_certificate(key="ec")) + who.pem
        + key_pem(who)),
}


@one_database
@pytest.mark.parametrize("key", ["rsa", "ec"])
@pytest.mark.parametrize("make", GOOD_PEMS.values(), ids=GOOD_PEMS)
def test_p05_pem_in_many_dresses(operator, db, make, key):
    """P5, and [BETTER]: of several certificates the key's own."""
    identity = certs.push_certificate(topic := certs.push_topic(),
                                      key=key)
    answer = operator.call("PUT", "/v1/pushcert?force=1", make(identity))
    assert_json(answer, 200, {"not_after": not_after(identity),
                              "topic": topic})
    (cert, _, _), = stored_cert(db, topic)
    assert public(cert) == public(identity.pem.decode())


@one_database
def test_expired_push_certificate_is_stored_when_forced(operator, db):
    identity = certs.push_certificate(topic := certs.push_topic(),
                                      start=-9, days=-2)
    answer = operator.pushcert_put(identity, force=False)
    assert_json_error(answer, 400, "error", "?force=1")
    assert "expired at" in answer.json["error"]
    assert stored_cert(db, topic) == []
    assert operator.pushcert_put(identity).status == 200
    assert len(stored_cert(db, topic)) == 1


def test_push_certificate_of_another_topic_is_refused(httpd, fresh_db,
                                                      device):
    """While a device uses another one; its own may always be renewed."""
    database = fresh_db()
    server = httpd(database)
    operator = Operator(server)
    own, other = certs.push_topic(), certs.push_topic()

    def put(topic, force=False):
        return operator.pushcert_put(certs.push_certificate(topic), force)
    assert put(other).status == 200         # none is enrolled
    mac = device(server, topic=own).enroll()
    assert put(own).status == 200
    answer = put(third := certs.push_topic())
    assert_json_error(answer, 400, "error", "?force=1")
    assert third in answer.json["error"] and own in answer.json["error"]
    assert stored_cert(database, third) == []
    assert put(other).status == 200         # a renewal
    assert put(third, force=True).status == 200
    assert mac.checkout().status == 200
    assert put(certs.push_topic()).status == 200
    operator.close()


NO_CERT = "tls: failed to find any PEM data in certificate input"
NO_KEY = "tls: failed to find any PEM data in key input"
MISMATCH = "tls: private key does not match public key"

BAD_PEMS = {
    "empty": (lambda who: b"", NO_CERT),
    "text": (lambda who: b"no PEM at all", NO_CERT),
    "no certificate": (lambda who: key_pem(who), NO_CERT),
    "no key": (lambda who: who.pem, NO_KEY),
    "mismatch": (
        lambda who: who.pem + key_pem(certs.push_certificate(key="ec")),
        MISMATCH),
    "mismatch of a kind": (
        lambda who: who.pem + key_pem(certs.push_certificate(
            key="rsa3072")), MISMATCH),
    "traditional encryption": (
        lambda who: who.pem + key_pem(who, "TraditionalOpenSSL", b"pw"),
        "private key PEM appears to be encrypted"),
    "PKCS#8 encryption": (
        lambda who: who.pem + key_pem(who, password=b"pw"),
        "tls: failed to parse private key"),
    "foreign PEM": (
        lambda who: who.pem + OTHER_PEM + key_pem(who),
        'unrecognized PEM type: "FOO"'),
    "broken key": (
        lambda who: who.pem + b"-----BEGIN PRIVATE KEY-----\nAAAA\n"
        b"-----END PRIVATE KEY-----\n",
        "tls: failed to parse private key"),
}


@one_database
@pytest.mark.parametrize("make, text", BAD_PEMS.values(), ids=BAD_PEMS)
def test_p04_pushcert_refusals(operator, db, make, text):
    """P4"""
    identity = certs.push_certificate(topic := certs.push_topic())
    answer = operator.call("PUT", "/v1/pushcert", make(identity))
    assert_json_error(answer, 400, "error", text)
    assert list(answer.json) == ["error"]
    assert stored_cert(db, topic) == []


@one_database
def test_p04_certificate_without_topic(operator):
    """P4"""
    identity = certs.push_authority().issue("no topic")
    answer = operator.pushcert_put(identity)
    assert_json(answer, 400, {"error": "no APNs Topic found"})


@one_database
@pytest.mark.parametrize("uid", ["com.example.push", "com.apple.mgm",
                                 "xcom.apple.mgmt.External.x"])
def test_p04_topic_of_another_service(operator, uid):
    """P4"""
    answer = operator.pushcert_put(certs.push_certificate(uid))
    assert_json(answer, 400, {"error": f'invalid APNs Topic: "{uid}"'})


@one_database
@pytest.mark.parametrize("query", ["", "?topic=", "?other=x"])
def test_p04_get_without_topic(operator, query):
    """P4, P6"""
    answer = operator.call("GET", "/v1/pushcert" + query)
    assert_json(answer, 400, {
        "error": "missing required query parameter: topic"})


def test_p04_get_unknown_topic_is_500(operator, expect_log):
    """P4: documented like this, so 404 would be a new contract."""
    expect_log("NMDM", optional=True)
    answer = operator.pushcert_get(certs.push_topic())
    assert_json_error(answer, 500, "error", "")


@one_database
@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
def test_p06_other_methods_are_405(operator, method):
    """P6"""
    answer = operator.call(method, "/v1/pushcert?topic=x", b"x")
    assert answer.status == 405
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json["error"].startswith("Method Not Allowed: ")


@one_database
def test_p06_head_is_405(operator):
    """P6"""
    assert operator.call("HEAD", "/v1/pushcert?topic=x").status == 405


@one_database
def test_pushcert_key_never_comes_back(operator, server):
    """The private key: stored, and neither answered nor logged."""
    identity = certs.push_certificate(topic := certs.push_topic())
    mark = server.mark()
    said = operator.pushcert_put(identity).body
    said += operator.pushcert_get(topic).body
    log = server.log_since(mark)
    for line in key_pem(identity).splitlines()[1:-1]:
        assert line not in said
        assert line.decode() not in log
