# SPDX-License-Identifier: Apache-2.0
"""Device URLs: methods, content types, transfer and answers.

Numbers such as M22 are the conformance cases of the specification.
"""

import gzip
import http.client
import os
import plistlib
import socket

import pytest

from device import CHECKIN, REPORT, Client, Response
from wire import assert_empty, assert_error, authenticate, is_stored

one_database = pytest.mark.one_database

SEPARATE = """\
<Location "/mdm">
    SetHandler nanomdm-command
</Location>
<Location "/checkin">
    SetHandler nanomdm-checkin
</Location>
"""
LIMITED = """\
<Location "/small">
    SetHandler nanomdm
    NanoMDMMaxBody 65536
</Location>
<Location "/core">
    SetHandler nanomdm
    LimitRequestBody 65536
</Location>
"""


def assert_refused(mac, answer):
    assert_error(answer, 400)
    assert not is_stored(mac.server, mac.udid)


@pytest.fixture(scope="module")
def separate(module_httpd):
    return module_httpd(replace={"mdm": SEPARATE})


@pytest.fixture(scope="module")
def limited(module_httpd):
    return module_httpd(extra_vhost=LIMITED)


# -- without an identity ----------------------------------------------

@one_database
@pytest.mark.parametrize("plain", [True, False])
def test_m01_get_without_anything_is_400(server, plain):
    """M1"""
    client = Client(server, plain=plain)
    assert_error(client.raw("GET", "/mdm"), 400)
    client.close()


@one_database
def test_m01_head_has_no_body(device):
    """M1: an error's body must not upset the connection after HEAD."""
    client = device(transport="none")
    answer = client.raw("HEAD", "/mdm")
    assert (answer.status, answer.body) == (400, b"")
    assert_error(client.raw("GET", "/mdm"), 400)


@pytest.mark.parametrize("plain", [True, False])
def test_m02_unsigned_checkin_is_400(device, plain):
    """M2"""
    mac = device(transport="none", plain=plain)
    assert_refused(mac, mac.authenticate())


# -- check-in or report -----------------------------------------------

@one_database
@pytest.mark.parametrize("content_type", [
    "application/x-apple-aspen-mdm-checkin",
    "application/x-apple-aspen-mdm-checkin; charset=UTF-8",
    "application/x-apple-aspen-mdm-checkin;charset=UTF-8",
    "application/x-apple-aspen-mdm-checkinXYZ",
    "APPLICATION/X-Apple-Aspen-MDM-Checkin",
])
def test_m22_checkin_content_types(device, content_type):
    """M22"""
    mac = device()
    assert_empty(mac.send(authenticate(mac), content_type))
    assert is_stored(mac.server, mac.udid)


@one_database
@pytest.mark.parametrize("content_type", [
    None, "", "application/x-apple-aspen-mdm", REPORT, "text/xml",
    "x; application/x-apple-aspen-mdm-checkin"])
def test_m22_all_else_is_a_report(device, content_type):
    """M22, M23"""
    mac = device().enroll()
    assert_empty(mac.send({**mac.ids(), "Status": "Idle"}, content_type))
    other = device()
    assert_refused(other, other.send(authenticate(other), content_type))


@one_database
def test_m23_report_sent_as_checkin_is_400(device):
    """M23"""
    mac = device().enroll()
    answer = mac.send({**mac.ids(), "Status": "Idle"}, CHECKIN)
    assert_error(answer, 400)


@one_database
@pytest.mark.parametrize("content_type", [None, CHECKIN, REPORT])
def test_m24_separate_urls_ignore_the_content_type(
        device, separate, content_type):
    """M24"""
    mac = device(separate)
    checkin = authenticate(mac)
    assert_refused(mac, mac.send(checkin, content_type))
    assert_empty(mac.send(checkin, content_type, path="/checkin"))
    idle = plistlib.dumps({**mac.ids(), "Status": "Idle"})
    assert_empty(mac.send(idle, content_type))
    assert_error(mac.send(idle, content_type, path="/checkin"), 400)


@one_database
def test_m24_no_checkin_url_unless_configured(device):
    """M24, M34"""
    mac = device()
    for path in ("/checkin", "/v2/x"):
        assert mac.raw("GET", path).status == 404


@one_database
@pytest.mark.parametrize("path", ["/mdm/", "/mdm/x", "/mdm/mdm"])
def test_m34_below_the_location_is_no_device_url(device, path):
    """M34"""
    mac = device()
    answer = mac.send(authenticate(mac), CHECKIN, path=path)
    assert answer.status in (404, 400)
    assert not is_stored(mac.server, mac.udid)


# -- methods and transfer ---------------------------------------------

@one_database
def test_m25_post_is_like_put(device):
    """M25"""
    mac = device()
    answer = mac.send(authenticate(mac), CHECKIN, method="POST")
    assert_empty(answer)
    assert is_stored(mac.server, mac.udid)
    answer = mac.send({**mac.ids(), "Status": "Idle"}, method="POST")
    assert_empty(answer)


@one_database
@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH", "FOO"])
def test_m25_other_methods_are_served_or_405(device, method):
    """M25: the reference takes any, refusing is allowed, but how?"""
    mac = device()
    answer = mac.send(authenticate(mac), CHECKIN, method=method)
    assert answer.status in (200, 405), answer
    assert is_stored(mac.server, mac.udid) == (answer.status == 200)


@one_database
def test_m25_get_without_body_is_400(device):
    """M1: an operator who looks whether the URL is alive."""
    assert_error(device().raw("GET", "/mdm"), 400, 405)


@pytest.mark.parametrize("pieces", [1, 500])
def test_m26_chunked(device, pieces):
    """M26"""
    mac = device()
    body = authenticate(mac)
    size = -(-len(body) // pieces)
    chunks = [body[at:at + size] for at in range(0, len(body), size)]
    answer = mac.raw("PUT", "/mdm", chunks, {"Content-Type": CHECKIN},
                     chunked=True)
    assert_empty(answer)
    (stored,), = mac.server.database.query(
        "SELECT authenticate FROM devices WHERE id = %s", mac.udid)
    assert stored.encode() == body


@one_database
def test_m26_expect_100_continue(device):
    """M26: who asks first is told to go on, and then answered."""
    mac = device()
    body = authenticate(mac)
    mac.connection = connection = mac.connect(False)
    connection.putrequest("PUT", "/mdm", skip_accept_encoding=True)
    for name, value in (("Content-Type", CHECKIN),
                        ("Content-Length", str(len(body))),
                        ("Expect", "100-continue")):
        connection.putheader(name, value)
    connection.endheaders()
    interim = b""
    while not interim.endswith(b"\r\n\r\n"):
        interim += connection.sock.recv(1)
    assert interim.startswith(b"HTTP/1.1 100 ")
    connection.send(body)
    assert_empty(Response(connection.getresponse()))
    assert is_stored(mac.server, mac.udid)


@one_database
def test_broken_upload_stores_nothing(device):
    """1.6: the connection ends after what looks like a whole plist.
    Devices go away all the time; it is no reason to alert."""
    mac = device()
    body = authenticate(mac)
    mac.connection = connection = mac.connect(False)
    connection.putrequest("PUT", "/mdm", skip_accept_encoding=True)
    connection.putheader("Content-Type", CHECKIN)
    connection.putheader("Content-Length", str(len(body) + 1))
    connection.endheaders()
    connection.send(body)
    # Half of the connection: a whole one might take the request along.
    with socket.socket(fileno=os.dup(connection.sock.fileno())) as half:
        half.shutdown(socket.SHUT_WR)
    try:
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException):
        pass
    else:
        assert answer.status in (400, 500)
    assert not is_stored(mac.server, mac.udid)


@one_database
def test_content_encoding_is_not_decoded(device):
    """1.6"""
    mac = device()
    answer = mac.send(gzip.compress(authenticate(mac)), CHECKIN,
                      headers={"Content-Encoding": "gzip"})
    assert_refused(mac, answer)


@one_database
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/small", "/core"])
def test_m27_above_the_limit_is_413(device, limited, path, chunked):
    """M27, for our own limit and for httpd's LimitRequestBody."""
    mac = device(limited)
    full = authenticate(mac).ljust(65536)
    above = mac.raw("PUT", path, [full, b" "] if chunked else full + b" ",
                    {"Content-Type": CHECKIN}, chunked=chunked)
    assert_error(above, 413)
    assert not is_stored(limited, mac.udid)
    at = mac.raw("PUT", path, [full] if chunked else full,
                 {"Content-Type": CHECKIN}, chunked=chunked)
    assert_empty(at)


@one_database
def test_m27_20_mb_fit_into_the_default_limit(device, server):
    """M27; MySQL's MEDIUMTEXT holds 16 MB."""
    mac = device()
    size = 16_000_000 if server.database.kind == "mysql" else 20_000_000
    body = authenticate(mac, Model="x" * size)
    assert_empty(mac.send(body, CHECKIN))
    assert server.database.query(
        "SELECT length(authenticate) FROM devices WHERE id = %s",
        mac.udid) == [(len(body),)]
    assert server.database.execute(
        "DELETE FROM devices WHERE id = %s", mac.udid) == 1


# -- answers ----------------------------------------------------------

@one_database
def test_m37_nothing_is_active_without_a_handler(httpd, device):
    """M37: no Location, no device URL; the rest works."""
    closed = httpd(without=["mdm"])
    mac = device(closed)
    for path in ("/mdm", "/checkin", "/authproxy/"):
        assert mac.raw("GET", path).status == 404
    assert mac.authenticate().status in (404, 405)
    assert not is_stored(closed, mac.udid)
    assert mac.raw("GET", "/version").status == 200


def test_m38_success_without_body_has_no_type(device):
    """M38"""
    mac = device()
    assert_empty(mac.authenticate())
    assert_empty(mac.token_update())
    assert_empty(mac.idle())
    assert_empty(mac.checkout())


@one_database
def test_query_string_never_is_an_error(device):
    """1.5, 1.9"""
    mac = device()
    answer = mac.send(authenticate(mac), CHECKIN,
                      path="/mdm?a=%zz&b;c&=&a=1&%00")
    assert_empty(answer)
