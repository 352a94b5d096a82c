# SPDX-License-Identifier: Apache-2.0
"""Declarative management: what its server is asked, and what becomes of
the answers (2.9)."""

import concurrent.futures
import gzip
import threading
import time
import urllib.parse
import zlib

import pytest

import ca as certs
from receiver import Answer, Receiver, signature, tls_context
from server import server_authority, server_identity
from system import free_port
from wire import assert_empty, assert_error

one_database = pytest.mark.one_database

SEND, RECEIVE = "send-secret", "receive-secret"
TIMEOUT = 60                    # NanoMDMUpstreamTimeout of most Locations
HURRY = 1                       # of the one at which it is waited for
SOON = 15                       # seconds; less than any wait for ever
STATUS = b'{"StatusItems":{"device":{"model":"Zo\xc3\xab"}}}'
TOKENS = b'{"SyncTokens":{"DeclarationsToken":"1"}}\0\r\n\xff'
FAILURES = r":(warn|error)\]"   # what is logged of a DM server's

LOCATIONS = """\
<Location "/keys">
    SetHandler nanomdm
    NanoMDMDeclarativeManagementURL {url}/base/
    NanoMDMDeclarativeManagementSendKey {send}
    NanoMDMDeclarativeManagementReceiveKey {receive}
</Location>
<Location "/no-slash">
    SetHandler nanomdm
    NanoMDMDeclarativeManagementURL {url}/base/dropped
</Location>
<Location "/root">
    SetHandler nanomdm
    NanoMDMDeclarativeManagementURL {url}/
</Location>
<Location "/nobody">
    SetHandler nanomdm
    NanoMDMDeclarativeManagementURL http://localhost:{nobody}/
</Location>
"""
HURRIED = """\
NanoMDMDeclarativeManagementURL {url}/base/
NanoMDMUpstreamTimeout {seconds}
"""


@pytest.fixture(scope="module")
def upstream_of_module():
    with Receiver() as upstream:
        yield upstream


@pytest.fixture
def upstream(upstream_of_module):
    """The DM server, which was asked nothing yet."""
    upstream_of_module.answers = {"*": Answer(body=TOKENS)}
    upstream_of_module.forget()
    return upstream_of_module


@pytest.fixture(scope="module")
def managing(module_httpd, upstream_of_module):
    """The server that most tests here share."""
    url = upstream_of_module.url
    return module_httpd(extra_vhost="\n".join([
        HURRIED.format(url=url, seconds=TIMEOUT),
        LOCATIONS.format(url=url, send=SEND, receive=RECEIVE,
                         nobody=free_port())]))


@pytest.fixture
def mac(managing, device):
    return device(managing).enroll()


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


def assert_passed(answer, body=TOKENS):
    """What the DM server said, as it said it."""
    assert (answer.status, answer.body) == (200, body), answer


# -- The request (D1, D3, D4) -----------------------------------------

def test_get_without_data(mac, upstream):
    assert_passed(mac.declarative_management("tokens"))
    request, = upstream.requests
    assert (request.method, request.path) == ("GET", "/base/tokens")
    assert request.body == b""
    assert request.headers["X-Enrollment-ID"] == mac.id
    assert request.headers["X-Enrollment-Type"] == "Device"
    for name in ("X-Enrollment-ParentID", "X-Hmac-Signature",
                 "Content-Type"):
        assert name not in request.headers


def test_put_with_data(mac, upstream):
    upstream.answers["/base/status"] = Answer()
    assert_empty(mac.declarative_management("status", STATUS))
    request, = upstream.requests
    assert (request.method, request.path) == ("PUT", "/base/status")
    assert request.body == STATUS
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Content-Length"] == str(len(STATUS))


@one_database
def test_empty_data_is_get(mac, upstream):
    assert_passed(mac.declarative_management("tokens", b""))
    assert upstream.requests[0].method == "GET"


@one_database
def test_large_status_arrives_whole(mac, upstream):
    data = b'"' + b"x" * 3_000_000 + b'"'
    assert mac.declarative_management("status", data).status == 200
    assert upstream.requests[0].body == data


def test_user_channel_names_its_parent(mac, upstream):
    user = mac.user().enroll()
    assert_passed(user.declarative_management("declaration-items"))
    headers = upstream.requests[0].headers
    assert headers["X-Enrollment-ID"] == user.id
    assert headers["X-Enrollment-ParentID"] == mac.id
    assert headers["X-Enrollment-Type"] == "User"


@one_database
def test_shared_ipad_and_user_enrollment(managing, device, upstream):
    pad = device(managing).enroll()
    for channel in (pad.user("Shared iPad", short_name="zoe"),
                    device(managing, kind="User Enrollment (Device)")):
        channel.enroll()
        assert_passed(channel.declarative_management("tokens"))
        headers = upstream.requests[-1].headers
        assert headers["X-Enrollment-ID"] == channel.id
        assert headers["X-Enrollment-Type"] == channel.kind


@one_database
def test_id_cannot_add_headers(managing, device, upstream, expect_log):
    expect_log(FAILURES, optional=True)
    pad = device(managing).enroll()
    user = pad.user("Shared iPad",
                    short_name="a\nX-Enrollment-Type: Evil")
    user.token_update()
    user.declarative_management("tokens")
    for request in upstream.requests:
        assert request.headers.get_all("X-Enrollment-Type") == [
            "Shared iPad"]


# -- The URL (D6, D7, D9) ---------------------------------------------

ENDPOINTS = [
    "tokens", "declaration-items", "status",
    "declaration/configuration/com.example.wifi",
    "declaration/asset/A-1_2~x",
    "declaration/activation/0E1D0B2C-7A40-4C3B-9D0A-0B9B2D8F8C11",
    "declaration/management/x.y:z@w"]


@one_database
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_endpoint_below_the_base(mac, upstream, endpoint):
    assert_passed(mac.declarative_management(endpoint))
    assert upstream.requests[0].path == "/base/" + endpoint


@one_database
def test_base_without_slash_loses_its_last_segment(managing, mac, upstream):
    mac.path = "/no-slash"
    assert_passed(mac.declarative_management("tokens"))
    assert upstream.requests[0].path == "/base/tokens"
    managing.wait_for_log("base/dropped")


@one_database
def test_base_at_the_root(mac, upstream):
    mac.path = "/root"
    assert_passed(mac.declarative_management("tokens"))
    assert upstream.requests[0].path == "/tokens"


@one_database
def test_space_becomes_percent_20(mac, upstream):
    answer = mac.declarative_management(
        "declaration/configuration/a b")
    assert_passed(answer)
    assert upstream.requests[0].path == (
        "/base/declaration/configuration/a%20b")


OUTSIDE = [
    "http://{host}/evil", "https://{host}/evil", "HTTP://{host}/evil",
    "//{host}/evil", "///evil", "/evil", "/base/tokens", "\\evil",
    "\\\\{host}\\evil", "/\\{host}/evil", "../evil", "./../evil", "..",
    ".", "./tokens", "declaration/../../evil",
    "declaration/configuration/..", "declaration/configuration/../x",
    "declaration/asset/.", "%2e%2e/evil", "%2E%2E%2Fevil", "..%2fevil",
    "%2fevil", "declaration/asset/%2e%2e", "declaration/asset/..%2f..%2fx",
    "declaration/asset/..\\..\\x", "declaration/asset/%2e",
    "tokens\r\nX-Evil: 1", "\ttokens", "tokens\n", "file:///etc/passwd",
    "file:evil", "gopher:evil", "tokens/../../evil", ":80/evil",
    "declaration/asset/%zz", "declaration/asset/100%",
    "declaration/asset/a\nb"]

# Nothing that Apple documents.
ODD = [
    "tokens?x=1", "tokens#x", "declaration/asset/a?b=c",
    "declaration/asset/a#b", "declaration/asset/a/b", "tokens HTTP/1.1",
    " tokens", "tokens ", "tokens/evil", "@{host}/evil", "declaration",
    "declaration/", "declaration/asset", "declaration/asset/",
    "declaration//x", "declaration/evil/x", "Tokens", "foo", "",
    "declaration/asset/Zoë", 'declaration/asset/"<>']


@one_database
@pytest.mark.parametrize("endpoint", OUTSIDE)
def test_other_endpoint_is_refused_unasked(mac, upstream, expect_log,
                                           endpoint):
    expect_log(FAILURES, optional=True)
    endpoint = endpoint.format(host=f"localhost:{upstream.port}")
    answer = mac.declarative_management(endpoint)
    assert answer.status in (400, 500), answer
    assert not upstream.requests


@one_database
@pytest.mark.parametrize("endpoint", ODD)
def test_odd_endpoint_stays_below_the_base(mac, upstream, expect_log,
                                           endpoint):
    """Refused, or asked for as the reference does."""
    expect_log(FAILURES, optional=True)
    endpoint = endpoint.format(host=f"localhost:{upstream.port}")
    answer = mac.declarative_management(endpoint)
    if answer.status == 200:
        path = upstream.requests[0].path
        assert urllib.parse.unquote(path) in (
            "/base/" + endpoint, "/base/" + endpoint.partition("#")[0])
        assert path.isascii() and not set(path) & set(' "<>\\^`{|}')
    else:
        assert_error(answer, 400, 500)
        assert not upstream.requests


@one_database
def test_endpoint_that_is_missing(mac, upstream, expect_log):
    """As an empty one: refused, or the base itself."""
    expect_log(FAILURES, optional=True)
    assert mac.declarative_management(None).status in (200, 400, 500)
    assert {each.path for each in upstream.requests} <= {"/base/"}


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


# -- Who may ask (D10) ------------------------------------------------

def test_not_configured_is_500(device, expect_log):
    mac = device().enroll()
    expect_log(FAILURES, optional=True)
    assert_error(mac.declarative_management("tokens"), 500)


@one_database
def test_stranger_does_not_reach_the_server(managing, mac, device,
                                            upstream, expect_log):
    expect_log(FAILURES, optional=True)
    thief = device(managing, udid=mac.udid)
    answer = thief.declarative_management("tokens")
    assert answer.status in (400, 500)
    assert not upstream.requests


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


# -- Configuration ----------------------------------------------------

NAME = "NanoMDMDeclarativeManagement"
WRONG = {
    "URL of another scheme": (
        f"{NAME}URL file:///x", [f"{NAME}URL", "file:///x"]),
    "URL that is none": (f"{NAME}URL dm", [f"{NAME}URL", "dm"]),
    "send key file that is not there": (
        f"{NAME}SendKey file:{{folder}}/nowhere.key",
        [f"{NAME}SendKey", "nowhere.key"]),
    "receive key file that is not there": (
        f"{NAME}ReceiveKey file:{{folder}}/nowhere.key",
        [f"{NAME}ReceiveKey", "nowhere.key"]),
    "send key from an unset variable": (
        f"{NAME}SendKey env:NO_SUCH_VARIABLE",
        [f"{NAME}SendKey", "NO_SUCH_VARIABLE"]),
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
