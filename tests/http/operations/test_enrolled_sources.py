# SPDX-License-Identifier: Apache-2.0
"""Require nanomdm-enrolled: identities by signature and header, what a target
answers, ways round (X5, X6)."""

import pytest

from device import escaped_pem, rfc9440, sign
from guarded_site import (BODY, LARGE, SPOOFED, guarded, lines_of, mac,
                          refusal, target)
from wire import PROTOCOLS, ask, assert_error

pytestmark = pytest.mark.one_database


# -- Other sources of identity ----------------------------------------

@pytest.fixture
def signer(guarded, device):
    return device(guarded).enroll()


def signature(identity, body=b"", name="Mdm-Signature"):
    return [(name, sign(body or b"", identity))]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("method, body", [
    ("GET", None), ("PUT", BODY), ("POST", LARGE)])
def test_signature(guarded, signer, target, protocol, method, body):
    """6.8: over the request body, empty for GET; it arrives unchanged,
    the signature does not."""
    answer = ask(guarded, "/signed/x", protocol, method=method, body=body,
                 headers=[*signature(signer.identity, body), *SPOOFED])
    assert answer.status == 200, answer
    asked = target.requests[-1]
    assert asked.method == method
    assert asked.body == (body or b"")
    assert asked.headers.get_all("X-Enrollment-ID") == [signer.id]
    assert "Mdm-Signature" not in asked.headers


def test_signature_over_a_chunked_body(guarded, signer, target):
    answer = signer.raw("PUT", "/signed/x", [BODY, LARGE], signature(
        signer.identity, BODY + LARGE), chunked=True)
    assert answer.status == 200, answer
    assert target.requests[-1].body == BODY + LARGE


def test_signed_requests_on_one_connection(guarded, signer, target):
    """What is left of one body is not the next one's."""
    for body in (BODY, LARGE, b"", BODY[:1]):
        answer = signer.raw("PUT", "/signed/x", body,
                            signature(signer.identity, body))
        assert answer.status == 200
        assert target.requests[-1].body == body
    assert signer.idle().status == 200


def test_signature_with_expect(guarded, signer, target):
    answer = signer.raw("PUT", "/signed/x", BODY, [
        *signature(signer.identity, BODY), ("Expect", "100-continue")])
    assert answer.status == 200
    assert target.requests[-1].body == BODY


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("body", [BODY, LARGE], ids=["small", "large"])
def test_signed_body_after_an_internal_redirect(guarded, signer, protocol,
                                                body):
    """As by mod_actions or a RewriteRule of a Directory."""
    answer = ask(guarded, "/files/signed/a.script", protocol, method="POST",
                 body=body, headers=signature(signer.identity, body))
    assert answer.status == 200, answer
    assert answer.body.endswith(b"\n\n" + body)
    environment = lines_of(answer)
    assert environment["HTTP_X_ENROLLMENT_ID"] == signer.id
    assert environment["CONTENT_LENGTH"] == str(len(body))


@pytest.mark.parametrize("path", ["/cgi/signed", "/files/signed/a.txt"])
def test_signature_for_scripts_and_files(guarded, signer, path):
    answer = ask(guarded, path, method="POST", body=BODY,
                 headers=signature(signer.identity, BODY))
    if path.startswith("/cgi"):
        assert answer.body.endswith(b"\n\n" + BODY)
        environment = lines_of(answer)
        assert environment["HTTP_X_ENROLLMENT_ID"] == signer.id
        assert environment["CONTENT_LENGTH"] == str(len(BODY))
        assert "HTTP_MDM_SIGNATURE" not in environment
    else:
        assert (answer.status, answer.body) in (
            (200, b"a guarded file"), (405, answer.body))


def test_bad_signature(guarded, signer, target, refusal):
    """400 each, and nothing is forwarded."""
    before = len(target.requests)
    good = signature(signer.identity, BODY)
    for body, headers in [
            (BODY + b"x", good), (None, good), (BODY, []),
            (BODY, [("Mdm-Signature", "garbage")]),
            (BODY, [("Mdm-Signature", "")])]:
        answer = ask(guarded, "/signed/x", body=body, headers=headers,
                     identity=signer.identity)
        assert_error(answer, 400)
        assert answer.body == b"Bad Request\n"
    assert len(target.requests) == before


def test_signature_of_a_stranger(guarded, ca, refusal):
    answer = ask(guarded, "/signed/x", body=BODY,
                 headers=signature(ca.issue("stranger"), BODY))
    assert (answer.status, answer.body) == (400, b"Unauthorized\n")


@pytest.mark.parametrize("path, chunked", [
    ("/small/x", False), ("/small/x", True), ("/limited/x", False)])
def test_signed_body_above_a_limit(guarded, signer, refusal, expect_log,
                                   path, chunked):
    """It must be read to be checked: NanoMDMMaxBody, LimitRequestBody
    (which httpd does not apply to proxied bodies in chunks)."""
    expect_log(":error.*AH01587|AH01588|LimitRequestBody", optional=True)
    for body, status in ((BODY, 413), (b"x", 200), (BODY, 413)):
        answer = signer.raw("PUT", path, [body] if chunked else body,
                            signature(signer.identity, body),
                            chunked=chunked)
        assert answer.status == status, answer
    assert signer.idle().status == 200


@pytest.mark.parametrize("form", [rfc9440, escaped_pem])
def test_header_of_a_trusted_proxy(guarded, mac, target, form):
    answer = ask(guarded, "/header/x", body=BODY, plain=True, headers=[
        ("X-Client-Cert", form(mac.identity)), ("Mdm-Signature", "x"),
        ("X-Client-Certificate", "stays"), *SPOOFED])
    assert answer.status == 200, answer
    headers = target.requests[-1].headers
    assert headers.get_all("X-Enrollment-ID") == [mac.id]
    assert target.requests[-1].body == BODY
    assert "X-Client-Cert" not in headers
    assert "Mdm-Signature" not in headers
    assert headers["X-Client-Certificate"] == "stays"


@pytest.mark.parametrize("value", ["", "garbage", ":AAAA:"])
def test_bad_header(guarded, refusal, value):
    assert_error(ask(guarded, "/header/x", plain=True,
                     headers=[("X-Client-Cert", value)]), 400)


def test_header_of_somebody_else(guarded, mac, target, refusal):
    before = len(target.requests)
    for identity in (None, mac.identity):
        answer = ask(guarded, "/distrusted/x", identity=identity, headers=[
            ("X-Client-Cert", rfc9440(mac.identity))])
        assert_error(answer, 400)
    assert len(target.requests) == before


def test_signature_that_is_asked_for_twice(guarded, signer, target):
    """One request, two lines that require it."""
    for body in (b"", BODY):
        answer = ask(guarded, "/twice/x", body=body,
                     headers=signature(signer.identity, body))
        assert answer.status == 200, answer
        assert target.requests[-1].body == body


@pytest.mark.parametrize("folder, headers", [
    ("/files", lambda mac: []),
    ("/files/signed", lambda mac: signature(mac.identity)),
    ("/files/header", lambda mac: [("X-Client-Cert",
                                    rfc9440(mac.identity))])],
    ids=["tls", "signature", "header"])
def test_folder_with_an_index(guarded, mac, folder, headers):
    """httpd asks again for index.html, with a section of its own: the
    device is still who it is."""
    answer = mac.raw("GET", folder + "/", headers=headers(mac))
    assert (answer.status, answer.body) == (200, b"a guarded file")


# -- What a target answers: X5 ----------------------------------------

@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("path", [
    "/authproxy/status/401", "/authproxy/status/403",
    "/authproxy/status/401/gzip", "/override/status/401",
    "/override/status/403"])
@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
def test_x5_refusal_of_a_target_is_502(guarded, mac, protocol, path,
                                       method):
    """X5: with nothing of what the target said."""
    answer = ask(guarded, path, protocol, method=method,
                 body=BODY if method == "PUT" else None,
                 identity=mac.identity)
    assert answer.status == 502, answer
    assert answer.body == (b"" if method == "HEAD" else b"Bad Gateway\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    for name in ("WWW-Authenticate", "Content-Encoding"):
        assert name not in answer.headers


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("status", [
    200, 201, 204, 207, 304, 400, 402, 404, 410, 500, 503])
def test_x5_other_answers_pass(guarded, mac, protocol, status):
    """Status, headers and body."""
    answer = ask(guarded, f"/authproxy/status/{status}", protocol,
                 method="GET", identity=mac.identity)
    assert answer.status == status
    assert answer.headers["X-Target"] == "was here"
    if status not in (204, 304):
        assert answer.body == b"status %d" % status
        assert answer.headers["Content-Type"] == "text/x-target"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_x5_target_down(guarded, mac, expect_log, protocol):
    """X5: not mod_proxy's own 503."""
    expect_log(r"proxy(_http)?:error.*AH\d{5}")
    answer = ask(guarded, "/down/x", protocol, method="GET",
                 identity=mac.identity)
    assert (answer.status, answer.body) == (502, b"Bad Gateway\n"), answer


@pytest.mark.parametrize("status", [401, 403])
def test_refusal_of_a_script_is_no_401(guarded, mac, expect_log, status):
    expect_log("nanomdm:error", optional=True)
    answer = mac.raw("GET", f"/cgi/{status}")
    assert answer.status in (500, 502), answer
    assert "WWW-Authenticate" not in answer.headers


def test_missing_file_is_404(guarded, mac):
    assert mac.raw("GET", "/files/nowhere").status == 404


# -- Ways round: X6 ---------------------------------------------------

@pytest.mark.parametrize("path", [
    "/authproxy/../v1/x", "/authproxy/%2e%2e/v1/x", "//authproxy/x",
    "/authproxy/./../v1/x", "/./authproxy/x", "/%61uthproxy/x",
    "/files/../authproxy/x", "/authproxy/..%2Fv1/x"])
def test_x6_no_way_round(guarded, target, refusal, expect_log, path):
    """X6, and the other direction: nothing unguarded is forwarded."""
    expect_log(r":(error|warn)\]", optional=True)
    before = len(target.requests)
    answer = ask(guarded, path, method="GET")
    assert answer.status in (400, 401, 404), answer
    if "/v1/" in path and "2F" not in path:
        assert answer.status == 401, answer     # the API's own
    assert len(target.requests) == before


def test_x6_enrolled_device_does_not_leave_its_location(guarded, mac,
                                                        target):
    before = len(target.requests)
    for path in ("/authproxy/../v1/x", "/authproxy/%2e%2e/v1/x"):
        answer = ask(guarded, path, method="GET", identity=mac.identity)
        assert answer.status == 401             # the API's own
    assert len(target.requests) == before
