# SPDX-License-Identifier: Apache-2.0
"""Declarative management: what its server is asked, and what becomes of
the answers (2.9)."""

import urllib.parse

import pytest

from receiver import Answer
from upstream_site import (FAILURES, STATUS, assert_passed, mac, managing,
                           one_database, upstream, upstream_of_module)
from wire import assert_empty, assert_error


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
