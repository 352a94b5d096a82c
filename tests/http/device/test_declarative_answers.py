# SPDX-License-Identifier: Apache-2.0
"""Declarative management: what the server behind says, and what becomes of
it (2.9)."""

import concurrent.futures
import gzip
import threading
import time
import zlib

import pytest

import ca as certs
from receiver import Answer, Receiver, signature, tls_context
from server import server_authority, server_identity
from upstream_site import (FAILURES, HURRIED, RECEIVE, SEND, STATUS, TIMEOUT,
                           TOKENS, assert_passed, mac, managing, one_database,
                           upstream, upstream_of_module)
from wire import assert_empty, assert_error

HURRY = 1                       # of the one at which it is waited for
SOON = 15                       # seconds; less than any wait for ever


@pytest.fixture
def hurried(module_httpd, upstream_of_module, device):
    """A device of a server that gives the DM server up soon."""
    server = module_httpd(extra_vhost=HURRIED.format(
        url=upstream_of_module.url, seconds=HURRY))
    return device(server).enroll()


@pytest.fixture
def keyed(mac):
    """The same device at a Location with both keys."""
    mac.path = "/keys"
    return mac


# -- Signatures (D1, D2, D5) ------------------------------------------

def test_both_sign(keyed, upstream):
    reply = b'{"a":1}'
    upstream.answers["*"] = Answer(body=reply, sign=RECEIVE)
    assert_passed(keyed.declarative_management("status", STATUS), reply)
    request, = upstream.requests
    assert request.headers["X-Hmac-Signature"] == signature(SEND, STATUS)


@one_database
def test_get_is_signed_too(keyed, upstream):
    upstream.answers["*"] = Answer(body=TOKENS, sign=RECEIVE)
    assert_passed(keyed.declarative_management("tokens"))
    assert upstream.requests[0].headers["X-Hmac-Signature"] == signature(
        SEND, b"")


@one_database
@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("name", ["wrong key", "none", "empty", "garbage",
                                  "of another body", "cut off"])
def test_reply_with_a_bad_signature_is_not_passed(
        keyed, upstream, expect_log, name, status):
    good = signature(RECEIVE, TOKENS)
    value = {"wrong key": signature("another", TOKENS), "none": None,
             "empty": "", "garbage": "***",
             "of another body": signature(RECEIVE, b""),
             "cut off": good[:-4]}[name]
    headers = {} if value is None else {"X-Hmac-Signature": value}
    upstream.answers["*"] = Answer(status, TOKENS, headers=headers)
    expect_log(FAILURES, optional=True)
    assert_error(keyed.declarative_management("tokens"), 500, 502)


@one_database
@pytest.mark.parametrize("status, passed", [(204, 200), (404, 404),
                                            (500, 500)])
def test_signed_statuses(keyed, upstream, expect_log, status, passed):
    upstream.answers["*"] = Answer(
        status, b"" if status == 204 else b"x", sign=RECEIVE)
    expect_log(FAILURES, optional=True)
    answer = keyed.declarative_management("tokens")
    assert answer.status == passed


@one_database
def test_keys_stay_out_of_the_log(keyed, managing, upstream, expect_log):
    expect_log(FAILURES, optional=True)
    keyed.declarative_management("tokens")
    log = managing.error_log()
    assert SEND not in log and RECEIVE not in log


# -- Answers (D8, D11, D12) -------------------------------------------

@one_database
def test_404_is_passed(mac, upstream, expect_log):
    expect_log(FAILURES, optional=True)
    upstream.answers["*"] = Answer(404, b"no such declaration")
    answer = mac.declarative_management("declaration/asset/x")
    assert answer.status == 404
    assert b"Internal Server Error" not in answer.body


@one_database
def test_204_is_200_and_empty(mac, upstream):
    upstream.answers["*"] = Answer(204)
    assert_empty(mac.declarative_management("status", STATUS))


@one_database
@pytest.mark.parametrize("status", [401, 403])
def test_401_and_403_are_never_passed(mac, upstream, expect_log, status):
    upstream.answers["*"] = Answer(
        status, b"go away", headers={"WWW-Authenticate": "Basic"})
    expect_log(FAILURES, optional=True)
    assert_error(mac.declarative_management("tokens"), 500, 502)


@one_database
@pytest.mark.parametrize("status", [500, 501, 502, 503])
def test_5xx_is_500(mac, upstream, expect_log, status):
    upstream.answers["*"] = Answer(status, b"details of the inside")
    expect_log(FAILURES, optional=True)
    assert_error(mac.declarative_management("tokens"), 500, 502)


@one_database
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_does_not_leave_the_base_with_secrets(
        keyed, upstream, expect_log, status):
    """Followed or an error; never to another host."""
    expect_log(FAILURES, optional=True)
    with Receiver() as other:
        upstream.answers["*"] = Answer(status, sign=RECEIVE, headers={
            "Location": other.url + "/base/tokens"})
        answer = keyed.declarative_management("status", STATUS)
        for request in other.requests:
            assert "X-Hmac-Signature" not in request.headers
            assert request.method == "PUT"
    assert answer.status in (200, 500, 502)


@one_database
def test_reply_is_passed_whole(mac, upstream):
    reply = bytes(range(256)) * 8192
    upstream.answers["*"] = Answer(body=reply)
    assert_passed(mac.declarative_management("declaration-items"), reply)


@one_database
def test_headers_of_the_reply_are_not_passed(mac, upstream):
    upstream.answers["*"] = Answer(body=TOKENS, headers={
        "Set-Cookie": "a=b", "X-Inside": "1", "WWW-Authenticate": "x"})
    answer = mac.declarative_management("tokens")
    assert_passed(answer)
    for name in "Set-Cookie", "X-Inside", "WWW-Authenticate":
        assert name not in answer.headers


@one_database
def test_endless_reply_is_an_error(hurried, upstream, expect_log):
    upstream.answers["*"] = Answer(body=b"x" * 65536, endless=True)
    expect_log(FAILURES, optional=True)
    started = time.monotonic()
    assert_error(hurried.declarative_management("tokens"), 500, 502, 504)
    assert time.monotonic() - started < SOON


@one_database
def test_oversize_reply_is_an_error(mac, upstream, expect_log):
    upstream.answers["*"] = Answer(body=b"x" * (64 << 20))
    expect_log(FAILURES, optional=True)
    assert_error(mac.declarative_management("tokens"), 500, 502)


@one_database
@pytest.mark.parametrize("answer", [
    Answer(close="before"), Answer(body=TOKENS, close="within")])
def test_broken_reply_is_an_error(mac, upstream, expect_log, answer):
    upstream.answers["*"] = answer
    expect_log(FAILURES, optional=True)
    assert_error(mac.declarative_management("tokens"), 500, 502)


@one_database
def test_nobody_listens(mac, expect_log):
    mac.path = "/nobody"
    expect_log(FAILURES, optional=True)
    assert_error(mac.declarative_management("tokens"), 500, 502)


def test_hanging_server_costs_its_timeout(hurried, mac, upstream,
                                          expect_log):
    upstream.answers["*"] = Answer(hang=True)
    expect_log(FAILURES, optional=True)
    started = time.monotonic()
    assert_error(hurried.declarative_management("tokens"), 500, 502, 504)
    assert HURRY - 0.2 < time.monotonic() - started < SOON
    upstream.answers["*"] = Answer(body=TOKENS)
    assert_passed(mac.declarative_management("tokens"))


@one_database
def test_others_are_served_while_it_hangs(managing, mac, device, upstream,
                                          expect_log):
    """More than there are threads and database connections, nearly."""
    expect_log(FAILURES, optional=True)
    macs = [device(managing).enroll() for _ in range(6)]
    given_up = threading.Event()

    def hang(_):
        given_up.wait(TIMEOUT)
        return Answer(500)
    upstream.answers["*"] = hang
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        hanging = [pool.submit(each.declarative_management, "tokens")
                   for each in macs]
        upstream.wait_for(6)
        assert mac.idle().status == 200
        assert not any(future.done() for future in hanging)
        given_up.set()
    for future in hanging:
        assert_error(future.result(), 500, 502, 504)


@one_database
def test_polls_are_served_while_all_threads_could_hang(
        managing, mac, device, upstream, expect_log):
    """A quarter of them is for devices that do not ask it; what comes beside
    the others is told to come again."""
    expect_log(FAILURES, optional=True)
    expect_log("NMDM1707")
    macs = [device(managing).enroll() for _ in range(8)]
    given_up = threading.Event()

    def hang(_):
        given_up.wait(TIMEOUT)
        return Answer(500)
    upstream.answers["*"] = hang
    for each in (mac, *macs):
        each.close()            # httpd closes kept ones while all are busy
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(each.declarative_management, "tokens")
                 for each in macs]
        try:
            upstream.wait_for(6)
            started = time.monotonic()
            assert mac.idle().status == 200
            assert time.monotonic() - started < SOON
            for _ in concurrent.futures.as_completed(asked, TIMEOUT):
                if sum(future.done() for future in asked) >= 2:
                    break
        finally:
            given_up.set()
    answers = [future.result() for future in asked]
    late = [answer for answer in answers if answer.status == 503]
    assert len(late) == 2 and all(
        answer.headers["Retry-After"] for answer in late)
    upstream.answers["*"] = Answer(body=TOKENS)
    assert_passed(mac.declarative_management("tokens"))


@one_database
@pytest.mark.parametrize("path, answer", [
    ("/mdm", Answer(500)), ("/mdm", Answer(401)), ("/keys", Answer()),
    ("/nobody", None)])
def test_what_the_server_did_wrong_is_a_warning(mac, upstream, expect_log,
                                                path, answer):
    """Else it stays unknown that it is away or has another key."""
    upstream.answers["*"] = answer
    mac.path = path
    expect_log(r":warn\]", rf"NMDM\d{{4}}: {mac.id}: ")
    assert_error(mac.declarative_management("tokens"), 500, 502)


@one_database
def test_slow_server_is_waited_for(mac, upstream):
    upstream.answers["*"] = Answer(body=TOKENS, delay=0.5)
    assert_passed(mac.declarative_management("tokens"))


@one_database
def test_device_is_still_served_after_failures(mac, upstream, expect_log):
    expect_log(FAILURES, optional=True)
    upstream.answers["*"] = Answer(500)
    for _ in range(20):
        mac.declarative_management("tokens")
    upstream.answers["*"] = Answer(body=TOKENS)
    assert_passed(mac.declarative_management("tokens"))
    assert mac.idle().status == 200


# -- TLS --------------------------------------------------------------

@pytest.fixture
def tls_upstream(tmp_path):
    identity = server_identity()
    pem = tmp_path / "upstream.pem"
    pem.write_bytes(identity.pem + identity.key_pem)
    with Receiver(tls=tls_context(pem, None)) as upstream:
        upstream.answers["*"] = Answer(body=TOKENS)
        yield upstream


def trusting(httpd, upstream, authority):
    return httpd(
        extra_vhost=f"NanoMDMDeclarativeManagementURL {upstream.url}/\n"
        "NanoMDMUpstreamCACertificateFile {folder}/upstream-ca.pem",
        files={"upstream-ca.pem": authority.pem})


@one_database
def test_server_with_tls(httpd, device, tls_upstream):
    server = trusting(httpd, tls_upstream, server_authority())
    mac = device(server).enroll()
    assert_passed(mac.declarative_management("tokens"))


@one_database
def test_server_of_another_ca_is_not_asked(httpd, device, tls_upstream,
                                           expect_log):
    server = trusting(httpd, tls_upstream, certs.root("Another CA"))
    mac = device(server).enroll()
    expect_log(FAILURES, optional=True)
    assert_error(mac.declarative_management("tokens"), 500, 502)
    assert not tls_upstream.requests


# -- A reply that nobody asked to be packed ---------------------------

PACKED = {"gzip": gzip.compress(STATUS), "x-gzip": gzip.compress(STATUS),
          "deflate": zlib.compress(STATUS), "identity": STATUS}


@one_database
@pytest.mark.parametrize("encoding", PACKED)
def test_a_packed_reply_is_unpacked(keyed, upstream, encoding):
    """Nothing but identity is asked for. The signature is of what the reply
    says, whoever packed it."""
    upstream.answers["*"] = Answer(
        body=PACKED[encoding], headers={"Content-Encoding": encoding,
                                        "X-Hmac-Signature":
                                        signature(RECEIVE, STATUS)})
    answer = keyed.declarative_management("tokens")
    assert_passed(answer, STATUS)
    assert "Content-Encoding" not in answer.headers
    request, = upstream.requests
    assert request.headers["Accept-Encoding"] == "identity"


@one_database
@pytest.mark.parametrize("encoding, body", [
    ("gzip", PACKED["gzip"][:-12]), ("gzip", b"no gzip"), ("gzip", STATUS),
    ("pack200-gzip", PACKED["gzip"]), ("aes128gcm", STATUS)],
    ids=["cut off", "garbage", "not packed", "pack200-gzip", "aes128gcm"])
def test_a_reply_that_cannot_be_unpacked_is_an_error(
        mac, upstream, expect_log, encoding, body):
    upstream.answers["*"] = Answer(
        body=body, headers={"Content-Encoding": encoding})
    expect_log("NMDM1723", ":warn]")
    assert_error(mac.declarative_management("tokens"), 500)


@one_database
def test_a_reply_that_unpacks_to_too_much_is_an_error(
        mac, upstream, expect_log):
    """64 MiB out of 64 KiB."""
    upstream.answers["*"] = Answer(
        body=gzip.compress(bytes(64 << 20)),
        headers={"Content-Encoding": "gzip"})
    expect_log("NMDM1723", "longer than allowed")
    assert_error(mac.declarative_management("tokens"), 500)
