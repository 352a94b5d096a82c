# SPDX-License-Identifier: Apache-2.0
"""Require nanomdm-enrolled: device identity for any Location, in place of
NanoMDM's auth proxy (6.8).

A device is refused with 400, never with 401 or 403, neither by this
server nor by the one behind it.
"""

import contextlib
import re
import shutil
import socket
import types
import urllib.parse

import pytest

import ca as certs
from device import CHECKIN, Client, tls_context
from guarded_site import (BODY, DECORATED, LARGE, MODULES, OBSTACLES, SOURCES,
                          SPOOFED, VHOST, fill, guarded, lines_of, mac,
                          refusal, target)
from http2 import Http2
from server import server_identity
from system import free_port, spawn, wait_until
from wire import PROTOCOLS, ask, assert_error, authenticate

pytestmark = pytest.mark.one_database


def assert_nothing_alike(headers):
    """To a WSGI server and its like, all that is no letter is a hyphen."""
    assert not [name for name in headers if set("_.!~") & set(name)]


# -- Admitted: X1, X3 -------------------------------------------------

@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_x1_static_file(guarded, mac, protocol):
    answer = ask(guarded, "/files/a.txt", protocol, method="GET",
                 identity=mac.identity)
    assert (answer.status, answer.body) == (200, b"a guarded file")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_x1_script(guarded, mac, protocol):
    answer = ask(guarded, "/cgi/env", protocol, method="POST",
                 body=BODY, identity=mac.identity, headers=SPOOFED)
    assert answer.status == 200, answer
    assert answer.body.endswith(b"\n\n" + BODY)
    environment = lines_of(answer)
    assert environment["HTTP_X_ENROLLMENT_ID"] == mac.id
    assert environment["NANOMDM_ID"] == mac.id
    trace = environment["NANOMDM_TRACE_ID"]
    assert re.fullmatch("[0-9a-f]{16}", trace)
    assert environment["HTTP_X_TRACE_ID"] == trace


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("method, body", [
    ("GET", None), ("PUT", BODY), ("POST", LARGE), ("DELETE", None)])
def test_x1_x3_proxy(guarded, mac, target, protocol, method, body):
    """X3: path, query, method, body and Host."""
    answer = ask(guarded, "/authproxy/a/b?c=d&e", protocol,
                 method=method, body=body, identity=mac.identity,
                 headers=[("Content-Type", "text/x-ours")])
    assert (answer.status, answer.body) == (200, b"status 200")
    assert answer.headers["X-Target"] == "was here"
    asked = target.requests[-1]
    assert (asked.method, asked.path) == (method, "/a/b?c=d&e")
    assert asked.body == (body or b"")
    assert asked.headers["Host"] == f"127.0.0.1:{target.port}"
    assert asked.headers["Content-Type"] == "text/x-ours"
    assert asked.headers["X-Forwarded-For"] == "127.0.0.1"


@pytest.mark.parametrize("path, expected", [
    ("/below/x", "/base/x"), ("/below/", "/base/"),
    ("/authproxy/a%2Fb%20c?d=%2F", "/a%2Fb%20c?d=%2F"),
    ("/authproxy/a%2fb", "/a%2fb"), ("/authproxy/%C3%BC", "/%C3%BC")])
def test_x3_paths(guarded, mac, target, path, expected):
    """X3: the encoded slash stays one, with nocanon."""
    answer = ask(guarded, path, method="GET", identity=mac.identity)
    assert answer.status == 200, answer
    assert target.requests[-1].path == expected


def test_chunked_body_reaches_the_target(guarded, mac, target):
    answer = mac.raw("PUT", "/authproxy/x", [BODY, LARGE], chunked=True)
    assert answer.status == 200
    assert target.requests[-1].body == BODY + LARGE


def test_streams_of_one_connection(guarded, mac, target):
    """HTTP/2, with bodies, all at once."""
    with contextlib.closing(Http2(guarded, identity=mac.identity)) as h2:
        answers = h2.together([
            ("PUT", f"/authproxy/{number}", LARGE[:10_000 * number], [])
            for number in range(1, 9)])
    assert {answer.status for answer in answers} == {200}
    sizes = {asked.path: len(asked.body) for asked in target.requests[-8:]}
    assert sizes == {f"/{number}": 10_000 * number
                     for number in range(1, 9)}
    traces = {asked.headers["X-Trace-ID"] for asked
              in target.requests[-8:]}
    assert len(traces) == 8


def test_user_channels_share_the_identity(guarded, mac, target):
    """The enrollment is the device's."""
    mac.user().enroll()
    assert mac.raw("GET", "/authproxy/x").status == 200
    assert target.requests[-1].headers["X-Enrollment-ID"] == mac.udid


def test_disabled_enrollment_is_admitted(guarded, mac):
    """6.8: the flag is not looked at."""
    mac.checkout()
    assert mac.raw("GET", "/files/a.txt").status == 200


def test_head(guarded, mac):
    for path in ("/files/a.txt", "/authproxy/x"):
        answer = mac.raw("HEAD", path)
        assert (answer.status, answer.body) == (200, b"")


def test_unguarded_paths_need_nothing(guarded):
    assert ask(guarded, "/gone.html", method="GET").body == b"gone"


# -- What the target sees: X4 -----------------------------------------

@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_x4_ids_are_ours(guarded, mac, target, protocol):
    """X4: the client's are replaced, its signature goes."""
    ask(guarded, "/authproxy/x", protocol, method="GET",
        identity=mac.identity,
        headers=[*SPOOFED, ("Mdm-Signature", "x")])
    headers = target.requests[-1].headers
    assert headers.get_all("X-Enrollment-ID") == [mac.id]
    trace, = headers.get_all("X-Trace-ID")
    assert re.fullmatch("[0-9a-f]{16}", trace)
    assert trace != "0000000000000000"
    assert "Mdm-Signature" not in headers
    assert_nothing_alike(headers)


@pytest.mark.parametrize("path", ["/authproxy/x", "/below/x"])
@pytest.mark.parametrize("headers", [
    [("Connection", "X-Enrollment-ID")], [("Connection", "x-enrollment-id")],
    [("Connection", "close, X-Enrollment-ID, X-Trace-ID")],
    [("Connection", "X-Trace-ID"), ("Connection", "X-Enrollment-ID")],
    [("Connection", "keep-alive,X-Enrollment-ID,TE")],
    [("Connection", "X-Enrollment-ID;q=1, X-Enrollment-ID")],
    [("Connection", '"X-Enrollment-ID", "X-Trace-ID";a')],
    [("Proxy-Connection", "X-Enrollment-ID")]], ids=str)
def test_x4_device_cannot_remove_its_id(guarded, mac, target, path, headers):
    """A proxy drops what Connection names."""
    answer = ask(guarded, path, method="GET", identity=mac.identity,
                 headers=headers)
    assert answer.status == 200
    sent = target.requests[-1].headers
    assert sent.get_all("X-Enrollment-ID") == [mac.id]
    assert len(sent.get_all("X-Trace-ID")) == 1


@pytest.mark.parametrize("path", ["signed", "authproxy", "either",
                                  "either/signed"])
def test_x4_trailers_claim_nothing(httpd, device, target, path):
    """MergeTrailers On makes headers of them, once a body was read."""
    server = httpd(modules=MODULES, extra_vhost=fill(
        VHOST + SOURCES, target) + """MergeTrailers On
<Location "/mdm-signed">
    SetHandler nanomdm
    NanoMDMIdentity signature
</Location>
<Location "/either/signed">
    NanoMDMIdentity signature
</Location>
""")
    is_signed = "signed" in path
    mac = device(server, transport="signature" if is_signed else "tls")
    mac.path = "/mdm-signed" if is_signed else "/mdm"
    if path != "either/signed":         # let in by its address
        mac.enroll()
    body = b"said"
    trailer = b"".join(f"{name}: {value}\r\n".encode()
                       for name, value in SPOOFED)
    text = (f"PUT /{path}/x HTTP/1.1\r\nHost: localhost\r\n"
            "Connection: close\r\nTransfer-Encoding: chunked\r\n").encode()
    for name, value in mac.credentials(body):
        text += f"{name}: {value}\r\n".encode()
    text += b"\r\n4\r\nsaid\r\n0\r\n" + trailer + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.tls_port)) as wire:
        context = tls_context(mac.identity, None)
        with context.wrap_socket(wire, server_hostname="localhost") as tls:
            tls.sendall(text)
            answer = b"".join(iter(lambda: tls.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    sent = target.requests[-1]
    assert sent.body == body
    assert sent.headers.get_all("X-Enrollment-ID") == (
        None if path == "either/signed" else [mac.id])
    assert_nothing_alike(sent.headers)


def test_x4_connection_still_names_other_headers(guarded, mac, target):
    ask(guarded, "/authproxy/x", method="GET", identity=mac.identity,
        headers=[("Connection", "X-Hop, X-Enrollment-ID, close"),
                 ("X-Hop", "1"), ("X-Kept", "1")])
    sent = target.requests[-1].headers
    assert "X-Hop" not in sent and sent["X-Kept"] == "1"


def test_x4_id_with_odd_characters(guarded, device, target):
    """An EnrollmentID may hold anything, but not break a header."""
    mac = device(guarded, kind="User Enrollment (Device)",
                 udid="o'dd %2F, é:\"@x").enroll()
    assert mac.raw("GET", "/authproxy/x").status == 200
    raw = target.requests[-1].headers["X-Enrollment-ID"]
    assert raw.encode("latin-1").decode() == mac.udid


@pytest.mark.parametrize("udid", [
    "{}\nX-Admin: yes", "{}\rX-Admin: yes", "{}\t", " {}", "{} "])
def test_x4_id_that_no_header_can_hold(guarded, device, target, refusal,
                                       udid):
    """It would be another's, or another header."""
    known = device(guarded).enroll()
    mac = device(guarded, udid=udid.format(known.udid))
    # A plist has no line feed but as a line's end, which is one.
    body = authenticate(mac).replace(b"\r", b"&#13;")
    assert ask(guarded, "/mdm", identity=mac.identity, body=body,
               headers=[("Content-Type", CHECKIN)]).status == 200
    asked = len(target.requests)
    mark = guarded.mark()
    assert_error(mac.raw("GET", "/authproxy/x"), 400)
    assert len(target.requests) == asked
    assert "NMDM1302" in guarded.log_since(mark)


def test_x4_spoofed_id_of_somebody_else_who_may(guarded, ca, target):
    """A user whom another Require admits is no enrollment."""
    for identity in (None, ca.issue("stranger")):
        answer = ask(guarded, "/either/x", method="GET",
                     identity=identity, headers=SPOOFED)
        assert answer.status == 200
        assert not target.requests[-1].headers["X-Enrollment-ID"]
        assert_nothing_alike(target.requests[-1].headers)


def test_x4_trace_id_differs(guarded, mac, target):
    for _ in range(3):
        mac.raw("GET", "/authproxy/x")
    traces = [asked.headers["X-Trace-ID"] for asked
              in target.requests[-3:]]
    assert len(set(traces)) == 3


# -- Refused: X2 ------------------------------------------------------

def stranger(guarded, device, ca):
    """A trusted certificate of no enrollment."""
    return device(guarded, identity=ca.issue("stranger")).identity


def untrusted(guarded, device, ca):
    return certs.root("Other CA").issue("device")


def nobody(guarded, device, ca):
    return None


GUARDED = ("/files/a.txt", "/files/nowhere", "/cgi/env", "/authproxy/x",
           *(f"/decorated/{name}" for name in DECORATED))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("who, text", [
    (nobody, b"Bad Request\n"), (untrusted, b"Bad Request\n"),
    (stranger, b"Unauthorized\n")])
def test_x1_x2_refusal(guarded, device, ca, target, refusal, protocol,
                       who, text):
    """X1, X2: 400 everywhere, whatever ErrorDocument says."""
    identity = who(guarded, device, ca)
    before = len(target.requests)
    for path in GUARDED:
        answer = ask(guarded, path, protocol, method="GET",
                     identity=identity)
        assert (answer.status, answer.body) == (400, text), path
        assert answer.headers["Content-Type"] \
            == "text/plain; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        for name in ("WWW-Authenticate", "Location"):
            assert name not in answer.headers
    assert len(target.requests) == before


@pytest.mark.parametrize("method", ["PUT", "POST", "OPTIONS", "DELETE"])
def test_x2_refusal_of_a_body(guarded, target, refusal, method):
    """And the connection goes on."""
    client = Client(guarded)
    before = len(target.requests)
    for _ in range(2):
        answer = client.raw(method, "/authproxy/x", LARGE)
        assert_error(answer, 400)
    assert client.raw("GET", "/gone.html").status == 200
    assert len(target.requests) == before
    client.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_x2_refusal_of_head(guarded, refusal, protocol):
    answer = ask(guarded, "/files/a.txt", protocol, method="HEAD")
    assert (answer.status, answer.body) == (400, b"")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", OBSTACLES)
def test_other_requirements_give_no_401(guarded, mac, target, refusal,
                                        expect_log, name, protocol):
    """Whatever else the Location demands of an enrolled device, or of
    one that is not."""
    expect_log("nanomdm:error", optional=True)
    before = len(target.requests)
    for identity in (mac.identity, None):
        answer = ask(guarded, f"/obstacle/{name}/x", protocol,
                     method="GET", identity=identity)
        assert answer.status in ((200,) if identity and name == "basic-any"
                                 else (400, 500, 502)), answer
        assert "WWW-Authenticate" not in answer.headers
    assert len(target.requests) == before + (name == "basic-any")


def test_refusal_is_told_in_the_log(guarded, device, ca, refusal):
    mark = guarded.mark()
    ask(guarded, "/files/a.txt", method="GET",
        identity=stranger(guarded, device, ca))
    guarded.wait_for_log(r"nanomdm:\w+\].*NMDM\d{4}.*certificate", mark)


# -- The access log, configtest ---------------------------------------

CACHE = """\
CacheRoot "{folder}/cache"
CacheEnable disk "/"
CacheMinExpire 3600
CacheHeader On
<Location "/files">
    Require nanomdm-enrolled
</Location>
"""


@pytest.mark.parametrize("path", ["/files/a.txt", "/files/"])
def test_mod_cache_keeps_no_guarded_file(httpd, device, refusal, path):
    """It would answer any client, before Require is asked."""
    server = httpd(start=False, extra_vhost=CACHE,
                   modules=("cache", "cache_disk", "dir"))
    (server.folder / "cache").mkdir()
    (server.folder / "cache").chmod(0o777)
    files = server.folder / "htdocs" / "files"
    files.mkdir()
    for name in ("a.txt", "index.html", "../open.txt"):
        (files / name).write_text("a file")
    mac = device(server.start()).enroll()
    for _ in range(2):
        answer = ask(server, path, method="GET", identity=mac.identity)
        assert (answer.status, answer.body) == (200, b"a file")
        assert_error(ask(server, path, method="GET"), 400)
    for seen in ("MISS", "HIT"):        # and it does keep others
        answer = ask(server, "/open.txt", method="GET")
        assert answer.headers["X-Cache"].startswith(seen)


@pytest.mark.parametrize("said, sent", [
    (None, "private"),
    ("max-age=60", "max-age=60, private"),
    ("max-age=60, must-revalidate", "max-age=60, must-revalidate, private"),
    ('private="Set-Cookie", max-age=60',
     'private="Set-Cookie", max-age=60, private'),
    ("private, max-age=60", "private, max-age=60"),
    ("No-Store", "No-Store"),
    ("max-age=60, PUBLIC", "max-age=60, PUBLIC"),
    ("max-age=1,s-maxage=60", "max-age=1,s-maxage=60"),
    ("community=\"public\"", "community=\"public\", private")])
def test_shared_caches_are_sent_away(guarded, mac, said, sent):
    """As from a request with Authorization (RFC 9111, 3.5)."""
    query = "?" + urllib.parse.urlencode({"kept": said}) if said else ""
    answer = ask(guarded, "/authproxy/x" + query, method="GET",
                 identity=mac.identity)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, sent)


@pytest.mark.parametrize("always", ["", "always"])
def test_header_directives_decide_first(httpd, device, always):
    server = httpd(
        start=False, modules=("expires",),
        extra_vhost='<Location "/files">\nRequire nanomdm-enrolled\n'
        "</Location>\n"
        f'<Location "/files/all">\nHeader {always} set Cache-Control "public"'
        "\n</Location>\n"
        '<Location "/files/day">\nExpiresActive On\n'
        'ExpiresDefault "access plus 1 day"\n</Location>\n')
    (server.folder / "htdocs/files").mkdir()
    for name in ("all", "day", "plain"):
        (server.folder / "htdocs/files" / name).write_text("a file")
    mac = device(server.start()).enroll()
    for name, sent in (("all", "public"), ("day", "max-age=86400, private"),
                       ("plain", "private")):
        answer = ask(server, f"/files/{name}", method="GET",
                     identity=mac.identity)
        assert answer.headers.get_all("Cache-Control") == [sent], name
        again = ask(server, f"/files/{name}", method="GET",
                    identity=mac.identity,
                    headers=[("If-None-Match", answer.headers["ETag"])])
        assert again.status == 304
        assert again.headers.get_all("Cache-Control") == [sent], name
    assert "Cache-Control" not in ask(server, "/open", method="GET").headers


@pytest.mark.parametrize("path, status", [("/files/below", 301),
                                          ("/files/none", 404)])
def test_shared_caches_keep_no_redirect_or_error(httpd, device, path, status):
    """They say which files there are."""
    server = httpd(start=False, modules=("dir",), extra_vhost=(
        '<Location "/files">\nRequire nanomdm-enrolled\n</Location>\n'))
    (server.folder / "htdocs/files/below").mkdir(parents=True)
    mac = device(server.start()).enroll()
    answer = ask(server, path, method="GET", identity=mac.identity)
    assert answer.status == status
    assert answer.headers.get_all("Cache-Control") == ["private"]


NGINX = """daemon off;
user root;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
    access_log off;
    proxy_cache_path {folder}/nginx keys_zone=all:1m;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/front.pem;
        ssl_certificate_key {folder}/front.pem;
        ssl_verify_client optional_no_ca;
        location / {{
            proxy_cache all;
            proxy_cache_valid 200 1h;
            add_header X-Cache $upstream_cache_status;
            proxy_pass http://127.0.0.1:{backend};
            proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
        }}
    }}
}}
"""


def test_nginx_keeps_no_guarded_file(httpd, device, refusal, tmp_path):
    """The next client would get it without a certificate."""
    if not shutil.which("nginx"):
        pytest.skip("no nginx")
    server = httpd(start=False, extra_vhost=(
        '<Location "/files">\nNanoMDMIdentity header:X-Client-Cert\n'
        "NanoMDMTrustedProxy 127.0.0.1\nRequire nanomdm-enrolled\n"
        "</Location>\n"))
    (server.folder / "htdocs/files").mkdir()
    for name in ("files/a.txt", "open.txt"):
        (server.folder / "htdocs" / name).write_text("a file")
    mac = device(server.start()).enroll()
    identity = server_identity()
    (tmp_path / "front.pem").write_bytes(identity.pem + identity.key_pem)
    conf = tmp_path / "nginx.conf"
    front = types.SimpleNamespace(tls_port=free_port())
    conf.write_text(NGINX.format(folder=tmp_path, port=front.tls_port,
                                 backend=server.port))
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(open(tmp_path / "output", "wb"))
        process = spawn(["nginx", "-c", str(conf)], output)
        stack.callback(process.wait, 20)
        stack.callback(process.terminate)
        assert wait_until((tmp_path / "nginx.pid").exists), (
            tmp_path / "output").read_text()
        for _ in range(2):
            answer = ask(front, "/files/a.txt", method="GET",
                         identity=mac.identity)
            assert (answer.status, answer.body) == (200, b"a file")
            assert ask(front, "/files/a.txt", method="GET").status == 400
        for seen in ("MISS", "HIT"):        # and it does keep others
            answer = ask(front, "/open.txt", method="GET")
            assert answer.headers["X-Cache"] == seen


def test_story_in_the_access_log(httpd, device):
    server = httpd(modules=["dir"], extra_vhost='CustomLog "{folder}/story"'
                   ' "%U %{NANOMDM_ID}e %{NANOMDM_TRACE_ID}e"\n'
                   '<Location "/x">\nRequire nanomdm-enrolled\n'
                   "</Location>\n")
    mac = device(server).enroll()
    assert mac.raw("GET", "/x").status == 404
    assert wait_until(lambda: re.search(
        rf"^/x {mac.id} [0-9a-f]{{16}}$",
        (server.folder / "story").read_text(), re.M))


def require(line, **options):
    return {"extra_vhost": f'<Location "/x">\n{line}\n</Location>\n',
            **options}


# No other part of the server needs what these lack.
ALONE = ["mdm", "api", "version", "api_key"]
WRONG = {
    "no CA": (require("Require nanomdm-enrolled", without=[*ALONE, "ca"]),
              ["NanoMDMCACertificateFile", "nanomdm-enrolled"]),
    "no database": (
        require("Require nanomdm-enrolled", without=[*ALONE, "database"]),
        ["DBDriver", "nanomdm-enrolled"]),
    "no database, RequireAny": (
        require("<RequireAny>\nRequire ip 192.0.2.1\n"
                "Require nanomdm-enrolled\n</RequireAny>",
                without=[*ALONE, "database"]),
        ["DBDriver", "nanomdm-enrolled"]),
    "argument": (require("Require nanomdm-enrolled all"),
                 ["nanomdm-enrolled", "all", "argument"]),
    "no trusted proxy": (
        require("NanoMDMIdentity header:X-Cert\nRequire nanomdm-enrolled"),
        ["NanoMDMIdentity", "header:X-Cert", "NanoMDMTrustedProxy"]),
    "prefork": (require("Require nanomdm-enrolled", mpm="prefork",
                        without=[*ALONE, "ca"]), ["prefork"]),
}


@pytest.mark.parametrize("options, patterns", WRONG.values(), ids=WRONG)
def test_k1_wrong_configuration_is_refused(httpd, options, patterns):
    server = httpd(start=False, **options)
    status, said = server.configtest()
    assert status != 0, said
    for pattern in patterns:
        assert re.search(pattern, said), (pattern, said)


@pytest.mark.parametrize("line", [
    "Require nanomdm-enrolled",
    "<RequireAny>\nRequire ip 192.0.2.1\nRequire nanomdm-enrolled\n"
    "</RequireAny>",
    "<Limit PUT>\nRequire nanomdm-enrolled\n</Limit>"])
def test_right_configuration_passes(httpd, line):
    """Without any handler of ours."""
    server = httpd(start=False, **require(line, without=ALONE))
    status, said = server.configtest()
    assert status == 0, said
