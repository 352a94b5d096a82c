# SPDX-License-Identifier: Apache-2.0
"""What else asks for enrollment profiles: programs that look at links, and
devices that say odd things of themselves."""

import base64
import os
import plistlib
import socket
import ssl

import pytest

import ca as certs
from device import Client, split_tlv
from enrolling import PHONE, Makers, Profile, machine_info
from scep import DIGESTS, algorithm, oid, seq, tlv
from scep_site import issuer
from test_enroll import (client, enroll_server, link, open_is_warned_of,
                         store_push_certificate)
from test_machine_info import LINES, UNKNOWN

pytestmark = pytest.mark.one_database

PATHS = LINES.replace('"/links"', '"/enroll"') + """\
<Location "/staff">
    SetHandler nanomdm-enroll
    NanoMDMEnrollLimit 100
    AuthType Basic
    AuthName staff
    AuthBasicProvider file
    AuthUserFile {folder}/staff
    Require valid-user
</Location>
"""

STAFF = ("Authorization", "Basic c3RhZmY6c2VjcmV0")     # staff:secret


@pytest.fixture(scope="module")
def makers():
    return Makers()


@pytest.fixture(scope="module")
def phone(makers):
    return makers.device()


@pytest.fixture(scope="module")
def site(module_httpd, db_server, issuer, ca, makers):
    made = enroll_server(module_httpd, db_server, issuer, ca, PATHS,
                         files={"makers.pem": makers.pem}, children=2)
    store_push_certificate(made, certs.push_topic())
    return made


def is_unopened(site, path):
    """No address has it yet: another one may open it."""
    context = ssl._create_unverified_context()
    plain = socket.create_connection(("127.0.0.1", site.tls_port),
                                     source_address=("127.0.0.7", 0))
    with context.wrap_socket(plain) as tls:
        tls.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        return tls.recv(100).startswith(b"HTTP/1.1 200")


# -- Links ----------------------------------------------------------------

@pytest.mark.parametrize("method, headers", [
    ("HEAD", []), ("HEAD", [("If-None-Match", "*")]),
    ("HEAD", [("Range", "bytes=0-")]), ("OPTIONS", []), ("PROPFIND", []),
    ("PUT", []), ("DELETE", []), ("TRACE", []),
    ("GET", [("Range", "bytes=0-0")]), ("GET", [("Range", "bytes=-1")]),
    ("GET", [("Range", "bytes=0-0,5-9")]), ("GET", [("Range", "bytes=1-")]),
    ("GET", [("Range", "bytes=0-65535"), ("If-Range", '"x"')]),
    ("GET", [("Purpose", "Prefetch")]), ("GET", [("X-Moz", "prefetch")]),
    ("GET", [("Sec-Purpose", "prefetch;anonymous-client-ip")]),
    ("GET", [("User-Agent", "Mozilla/5.0 (compatible; bingbot/2.0)")]),
    ("POST", [("User-Agent", "Discordbot/2.0")])])
def test_b2_only_looked_at(site, client, method, headers):
    """Another address may open the link afterwards."""
    path = link(site)
    answer = client.raw(method, path, None, headers)
    assert answer.status in (200, 405, 501), answer
    assert b"PayloadContent" not in answer.body
    assert is_unopened(site, path)


@pytest.mark.parametrize("where", ["cross-site", "same-site"])
@pytest.mark.parametrize("what", ["image", "iframe", "empty", "script"])
def test_pages_of_other_sites_use_up_no_profile(site, client, where, what):
    """With what a browser remembers; people may follow a link from there."""
    asked = [("Sec-Fetch-Site", where), ("Sec-Fetch-Dest", what)]
    path = link(site)
    for target, headers in ((path, asked), ("/staff", [STAFF, *asked])):
        answer = client.raw("GET", target, None, headers)
        assert answer.status == 403 and "cross-site" in answer.json["error"]
    assert is_unopened(site, path)
    for headers in ([STAFF, asked[0], ("Sec-Fetch-Dest", "document")],
                    [STAFF, asked[0]],
                    [STAFF, ("Sec-Fetch-Site", "none"), asked[1]]):
        answer = client.raw("GET", "/staff", None, headers)
        assert answer.status == 200 and Profile(answer.body).challenge


@pytest.mark.parametrize("headers", [
    [("If-None-Match", "*")], [("If-None-Match", '"a", W/"b"')],
    [("If-Modified-Since", "Sat, 28 Nov 2037 00:00:00 GMT")],
    [("If-Match", '"x"')], [("If-Match", "*")],
    [("If-Unmodified-Since", "Sat, 28 Nov 2009 00:00:00 GMT")],
    [("Range", "bytes=0-")], [("Range", "bytes=0-"), ("If-Range", '"x"')],
    [("Range", "lines=1-2")], [("Accept", "text/html")],
    [("Cache-Control", "only-if-cached")]])
def test_b2_conditions_do_not_keep_the_profile(site, client, headers):
    """A link is good once: its answer is all of the profile, never "not
    modified", "precondition failed" or a part."""
    answer = client.raw("GET", link(site), None, headers)
    if "lines" in str(headers):
        assert answer.status == 200
        return
    assert answer.status in (200, 206), answer
    assert Profile(answer.body).challenge
    assert "ETag" not in answer.headers
    assert "Last-Modified" not in answer.headers


@pytest.mark.parametrize("change", [
    lambda path: path + "/", lambda path: path + "/..", lambda path: path[:-1],
    lambda path: path + "A", lambda path: path.replace("/enroll/", "/enroll//x"),
    lambda path: path[:-1] + "%00", lambda path: path + ".mobileconfig",
    lambda path: path[:-1] + "%2e"])
def test_b2_almost_the_link(site, client, change):
    path = link(site)
    answer = client.raw("GET", change(path))
    assert answer.status in (403, 404), answer
    assert is_unopened(site, path)


def test_b2_what_is_added_to_a_link(site, client):
    """As newsletters and browsers do."""
    path = link(site)
    answer = client.raw("GET", path + "?utm_source=mail&deviceinfo=")
    assert answer.status == 200 and Profile(answer.body)


# -- MachineInfo ----------------------------------------------------------

@pytest.mark.parametrize("change, status", [
    ({"SERIAL": 5}, 200), ({"SERIAL": b"C0PHONE"}, 200),
    ({"SERIAL": ["x"]}, 200), ({"UDID": {"x": "y"}}, 200),
    ({"SERIAL": ""}, 200), ({"PRODUCT": True}, 200), ({"PRODUCT": ""}, 200),
    ({"OS_VERSION": 26.1}, 200), ({"OS_VERSION": "abc"}, 200),
    ({"OS_VERSION": "18..1"}, 200), ({"OS_VERSION": "-1"}, 200),
    ({"OS_VERSION": "9" * 120}, 200), ({"OS_VERSION": "1" * 200}, 400),
    ({"IMEI": "x" * 40000}, 200), ({"SERIAL": "\u202eabc"}, 200),
    ({"SERIAL": "a\x7fb"}, 400), ({"PAIRING_TOKEN": "x" * 500}, 400),
    ({"MDM_CAN_REQUEST_SOFTWARE_UPDATE": "true"}, 200),
    ({"MDM_CAN_REQUEST_PSSO_CONFIG": 1}, 200),
    ({str(i): "x" for i in range(1000)}, 200)])
def test_b10_odd_values(client, phone, change, status):
    """A value of another type is as one that is not there; nothing is a fault
    of the server's."""
    answer = client.raw("POST", "/ade", machine_info({**PHONE, **change},
                                                     phone))
    assert answer.status == status, answer
    assert status != 200 or Profile(answer.body).challenge


@pytest.mark.parametrize("content, status", [
    (plistlib.dumps({}), 200), (plistlib.dumps([PHONE]), 400),
    (plistlib.dumps("text"), 400),
    (plistlib.dumps(PHONE, fmt=plistlib.FMT_BINARY), 200),
    (b"\xef\xbb\xbf" + plistlib.dumps(PHONE), 200),
    (plistlib.dumps(PHONE).replace(b"<key>SERIAL</key>", b"<key>SERIAL</key>"
                                   b"<string>FIRST</string><key>SERIAL</key>"
                                   ), 200),
    (b"<plist><dict>" + b"<key>a</key><dict>" * 2000, 400),
    (b'<!DOCTYPE p [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><plist><dict>'
     b"<key>SERIAL</key><string>&b;</string></dict></plist>", 400),
    (b'<!DOCTYPE p [<!ENTITY a SYSTEM "file:///etc/passwd">]><plist><dict>'
     b"<key>SERIAL</key><string>&a;</string></dict></plist>", 400),
    (b'{"SERIAL": "x"}', 400)],
    ids=["empty", "array", "text", "binary", "mark", "twice", "deep",
         "entities", "external", "json"])
def test_b10_odd_lists(client, phone, content, status):
    answer = client.raw("POST", "/ade", machine_info(None, phone,
                                                     content=content))
    assert answer.status == status, answer
    assert b"root:" not in answer.body


@pytest.mark.parametrize("kind, body", [
    ("application/x-www-form-urlencoded", b"user=a&password=b"),
    ("multipart/form-data; boundary=x", b"--x\r\n\r\n--x--\r\n"),
    ("application/json", b"{}"), ("application/xml", plistlib.dumps(PHONE)),
    ("application/pkcs7-signature", b"\0")])
def test_b10_bodies_of_other_types(client, kind, body):
    for path in ("/ade", "/staff"):
        answer = client.raw("POST", path, body, [("Content-Type", kind),
                                                 STAFF])
        assert answer.status == 400, answer
        assert "MachineInfo" in answer.json["error"]
    assert client.raw("POST", "/staff", b"", [STAFF]).status == 200


def test_b14_a_user_whose_device_is_not_believed(client, site):
    """What does not verify is refused where a user vouches, too."""
    stranger = certs.root("Another Apple Root", key="rsa").issue(
        "device", key="rsa", eku=None)
    answer = client.raw("POST", "/staff", machine_info(PHONE, stranger),
                        [STAFF])
    assert (answer.status, answer.body) == (403, UNKNOWN)


def test_b11_one_digest_is_computed(client, site, phone):
    """However many the message names; no certificate is in its way."""
    der = machine_info(PHONE, phone, "-md", "sha512", content=os.urandom(
        27000))
    _, outer, _ = split_tlv(der)
    signed = split_tlv(split_tlv(split_tlv(outer)[2])[1])[1]
    version, rest = signed[:3], split_tlv(signed[3:])[2]
    many = tlv(0x31, *[algorithm(DIGESTS["sha512"])] * 2000)
    body = seq(oid("1.2.840.113549.1.7.2"),
               tlv(0xA0, seq(version, many, rest)))
    assert len(body) < 65536
    before = site.cpu_seconds()
    for _ in range(5):
        assert client.raw("POST", "/ade", body).status == 400    # no list
    assert site.cpu_seconds() - before < 0.5


def test_b10_the_header_twice(client, phone):
    text = base64.b64encode(machine_info(PHONE, phone)).decode()
    name = "x-apple-aspen-deviceinfo"
    assert client.raw("GET", "/ade", None, [(name, text), (name, text)]
                      ).status == 400
    assert client.raw("GET", "/ade?deviceinfo=AAAA&deviceinfo=" + text
                      ).status == 400
    assert client.raw("GET", "/ade?deviceinfo=AAAA", None, [(name, text)]
                      ).status == 200
