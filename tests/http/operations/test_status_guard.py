# SPDX-License-Identifier: Apache-2.0
"""No device ever gets 401 or 403: it would unenroll itself.

Whatever decides against a request on a device URL, the answer
is 400 or 500, and one line in the error log wakes the administrator.
"""

import http.client
import re
import socket

import pytest

from device import CHECKIN, Operator, Response, tls_context
from receiver import Answer, Receiver
from server import TLS
from wire import (PROTOCOLS, ask, assert_error, authenticate, is_stored,
                  tagged_errors)

pytestmark = pytest.mark.one_database

MODULES = ("http2", "rewrite", "access_compat", "authn_file",
           "allowmethods", "proxy", "proxy_http")

WRONG_PASSWORD = ("Authorization", "Basic bmFub21kbTp4")
BASIC = """\
AuthType Basic
AuthName closed
AuthBasicProvider file
AuthUserFile {folder}/users
Require valid-user
"""
# Settings of a part of the site in which a device URL lies.
OBSTACLES = {
    "basic": BASIC,
    "basic-nanomdm": BASIC.replace("Provider file", "Provider nanomdm"),
    "denied": "Require all denied",
    "not-our-ip": "Require ip 192.0.2.1",
    "user": BASIC + "Require user somebody",
    "order-deny": "Order allow,deny\nDeny from all",
    "deny-satisfy-all": BASIC + "Order allow,deny\nDeny from all\n"
                        "Satisfy All",
    "limit": "<Limit PUT>\nRequire all denied\n</Limit>",
    "ssl-require": 'SSLRequire %{SSL_CLIENT_S_DN_CN} eq "nobody"',
    "require-expr": "Require expr false",
    "text-403": 'Require all denied\nErrorDocument 403 "Go away"',
    "local-403": "Require all denied\nErrorDocument 403 /gone.html",
    "missing-403": "Require all denied\nErrorDocument 403 /nowhere",
    "external-403": "Require all denied\n"
                    "ErrorDocument 403 https://example.com/",
    "text-401": BASIC + 'ErrorDocument 401 "Go away"',
    "local-401": BASIC + "ErrorDocument 401 /gone.html",
    "closed-401": BASIC + "ErrorDocument 401 /denied/page.html",
    "rewritten": "RewriteEngine On\nRewriteRule . - [F]",
    "rewritten-401": "RewriteEngine On\nRewriteRule . - [R=401]",
    "redirected": "Redirect 403 /redirected",
    "redirected-401": "Redirect 401 /redirected-401",
}
DEVICE_URLS = """\
<Location "/{name}">
{obstacle}
</Location>
<Location "/{name}/mdm">
    SetHandler nanomdm
</Location>
<Location "/{name}/checkin">
    SetHandler nanomdm-checkin
</Location>
<Location "/{name}/command">
    SetHandler nanomdm-command
</Location>
"""
IN_THE_SERVER = """\
RewriteEngine On
RewriteRule ^/vhost-rewrite/ - [F]
RewriteRule ^/vhost-401/ - [R=401]
"""
# Errors of httpd's own.
UNHAPPY = """\
<Location "/posted/mdm">
    SetHandler nanomdm
    AllowMethods POST
</Location>
<Location "/unfinished/mdm">
    SetHandler nanomdm
    Require valid-user
</Location>
<Location "/small/mdm">
    SetHandler nanomdm
    LimitRequestBody 100
</Location>
"""
AWAY = ("proxied", "proxied/401", "vhost-proxied", "location-proxied")
# Another server's, which wants people to log in.
LED_AWAY = """\
ProxyPass "/proxied/" "{elsewhere}/"
RewriteRule ^/vhost-proxied/(.*)$ {elsewhere}/$1 [P]
<Location "/location-proxied">
    ProxyPass "{elsewhere}/"
</Location>
"""
BROKEN = """\
<Location "/broken">
AuthType Basic
AuthName broken
AuthBasicProvider file
AuthUserFile {folder}/no-such-file
Require valid-user
</Location>
<Location "/broken/mdm">
    SetHandler nanomdm
</Location>
<Location "/ssl">
    SSLRequireSSL
</Location>
<Location "/ssl/mdm">
    SetHandler nanomdm
</Location>
"""


@pytest.fixture(scope="module")
def elsewhere():
    """It refuses every client: /401/... with 401, all else with 403."""
    def says(request):
        body, headers = b"go away" * 10000, {"Location": "/login"}
        if "/401/" not in request.path:
            return Answer(403, body, headers)
        headers["WWW-Authenticate"] = 'Basic realm="elsewhere"'
        return Answer(401, body, headers)
    with Receiver() as receiver:
        receiver.answers["*"] = says
        yield receiver


@pytest.fixture(scope="module")
def fortress(module_httpd, elsewhere):
    """One server with all obstacles, each on a path of its own."""
    text = "Protocols h2 http/1.1\n" + IN_THE_SERVER + BROKEN
    text += LED_AWAY.replace("{elsewhere}",
                             f"http://127.0.0.1:{elsewhere.port}")
    for name, obstacle in {**OBSTACLES, "vhost-rewrite": "",
                           "vhost-401": "", **dict.fromkeys(AWAY, "")
                           }.items():
        text += DEVICE_URLS.replace("{name}", name).replace(
            "{obstacle}", obstacle)
    server = module_httpd(
        modules=MODULES, extra_vhost=text,
        files={"users": "nobody:$apr1$x$invalid\n"})
    for page in ("gone.html", "page.html"):
        (server.folder / "htdocs" / page).write_text("gone")
    return server


@pytest.fixture
def expect_refusal(expect_log):
    """Our line, and what httpd itself says of it."""
    expect_log(r"\[nanomdm:error\].*NMDM\d{4}")
    expect_log(r"\[\w+:(error|crit|warn)\].*AH\d{5}", optional=True)


def checkin(mac, path, protocol="HTTP/1.1", *, headers=(), **options):
    """The answer to the device's Authenticate at that path."""
    return ask(mac.server, path, protocol, identity=mac.identity,
               body=authenticate(mac),
               headers=[("Content-Type", CHECKIN), *headers], **options)


def assert_harmless(server, answer, mark, mac=None):
    """Neither 401 nor 403 nor a redirection, and one loud line."""
    assert answer.status in (400, 500), answer
    assert "WWW-Authenticate" not in answer.headers
    assert "Location" not in answer.headers
    phrase = {400: b"Bad Request\n", 500: b"Internal Server Error\n"}
    assert answer.body == phrase[answer.status]
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    lines = tagged_errors(server, mark)
    assert len(lines) == 1, lines
    assert not mac or not is_stored(server, mac.udid)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", [*OBSTACLES, "vhost-rewrite",
                                  "vhost-401"])
def test_obstacle_on_a_device_url_is_no_401(
        fortress, device, expect_refusal, name, protocol):
    mac = device(fortress)
    mark = fortress.mark()
    answer = checkin(mac, f"/{name}/mdm", protocol)
    assert_harmless(fortress, answer, mark, mac)


@pytest.mark.parametrize("name", ["checkin", "command"])
@pytest.mark.parametrize("obstacle", ["basic", "denied", "order-deny",
                                      "external-403"])
def test_separate_device_urls_are_covered_too(
        fortress, device, expect_refusal, name, obstacle):
    mac = device(fortress)
    mark = fortress.mark()
    answer = checkin(mac, f"/{obstacle}/{name}")
    assert_harmless(fortress, answer, mark, mac)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("obstacle", ["basic", "denied", "order-deny"])
def test_no_method_gets_through(fortress, expect_refusal, obstacle,
                                method):
    mark = fortress.mark()
    answer = ask(fortress, f"/{obstacle}/mdm", method=method)
    assert_harmless(fortress, answer, mark)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_head_has_no_body_and_no_401(fortress, expect_refusal, protocol):
    for obstacle in ("basic", "denied"):
        answer = ask(fortress, f"/{obstacle}/mdm", protocol,
                     method="HEAD")
        assert answer.status in (400, 500)
        assert answer.body == b""
        assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("path", ["/mdm/", "/mdm/x", "/mdm?x"])
def test_around_a_device_url(fortress, expect_log, path):
    """What a device might try instead of the exact URL."""
    expect_log(r"\[\w+:error\]", optional=True)
    answer = ask(fortress, "/denied" + path, method="GET")
    assert answer.status in (400, 404, 500)


def test_authorization_header_does_not_change_it(fortress, device,
                                                 expect_refusal):
    """A wrong password, to a provider and to ours."""
    for name in ("basic", "basic-nanomdm"):
        mac = device(fortress)
        mark = fortress.mark()
        answer = checkin(mac, f"/{name}/mdm", headers=[WRONG_PASSWORD])
        assert_harmless(fortress, answer, mark, mac)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_broken_provider_without_password(fortress, device, protocol,
                                          expect_refusal):
    """The password file is missing, and was not looked for yet."""
    mac = device(fortress)
    mark = fortress.mark()
    answer = checkin(mac, "/broken/mdm", protocol)
    assert_harmless(fortress, answer, mark, mac)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_broken_provider_with_password(fortress, device, protocol,
                                       expect_log):
    """httpd says 500 and why; that may stand."""
    expect_log(r":error\].*no-such-file")
    expect_log(r"\[nanomdm:error\]", optional=True)
    mac = device(fortress)
    answer = checkin(mac, "/broken/mdm", protocol,
                     headers=[WRONG_PASSWORD])
    assert answer.status in (400, 500)
    assert "WWW-Authenticate" not in answer.headers
    assert not is_stored(fortress, mac.udid)


def test_ssl_require_ssl_over_plain_http(fortress, device,
                                         expect_refusal):
    """mod_ssl answers 403 before any handler."""
    mac = device(fortress)
    mark = fortress.mark()
    answer = checkin(mac, "/ssl/mdm", plain=True)
    assert_harmless(fortress, answer, mark, mac)


def test_obstacle_for_the_whole_site(httpd, device, expect_refusal):
    """Inherited from "/" with nothing said near the device URL."""
    server = httpd(
        modules=["authn_file"], extra_vhost='<Location "/">\n' + BASIC
        + "</Location>", files={"users": ""})
    mac = device(server)
    mark = server.mark()
    assert_harmless(server, mac.authenticate(), mark, mac)


@pytest.mark.parametrize("text", [
    'ErrorDocument 401 "Go away"\nErrorDocument 403 "Go away"\n'
    'ErrorDocument 400 "Bad"\nErrorDocument 500 "Worse"',
    "ErrorDocument 401 https://example.com/\n"
    "ErrorDocument 403 https://example.com/\n"
    "ErrorDocument 400 https://example.com/\n"
    "ErrorDocument 500 https://example.com/",
    "ErrorDocument 400 /denied.html\nErrorDocument 500 /denied.html"],
    ids=["text", "external", "local"])
def test_error_documents_do_not_dress_device_errors(httpd, device, text,
                                                    expect_log):
    """14: our text bodies go out as they are."""
    server = httpd(extra_vhost=text + '\n<Location "/denied.html">\n'
                   "Require all denied\n</Location>")
    expect_log(r"\[\w+:error\]", optional=True)
    mac = device(server, transport="none")
    for answer in (mac.authenticate(), mac.raw("GET", "/mdm")):
        assert answer.status == 400, answer
        assert answer.body == b"Bad Request\n"
        assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("target", ["https://example.com/", "/sorry.html",
                                    '"Sorry"'])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nor_those_of_the_server(httpd, device, expect_log, protocol, target):
    """A device that is sent elsewhere would find a 200 there."""
    documents = "".join(f"ErrorDocument {status} {target}\n"
                        for status in (405, 413, 500))
    server = httpd(modules=("allowmethods", "http2"), extra_vhost=documents
                   + "Protocols h2 http/1.1\n" + UNHAPPY)
    (server.folder / "htdocs" / "sorry.html").write_text("sorry")
    expect_log(r"\[\w+:(error|crit)\].*AH\d{5}", optional=True)
    mac = device(server)
    for path, status in (("/posted/mdm", 405), ("/unfinished/mdm", 500)):
        assert_error(checkin(mac, path, protocol), status)
    answer = mac.raw("PUT", "/small/mdm", [authenticate(mac)],
                     [("Content-Type", CHECKIN)], chunked=True)
    assert_error(answer, 413)


def test_refusal_names_url_and_reason(fortress, device, expect_refusal):
    """The person on call must know where to look."""
    mac = device(fortress)
    mark = fortress.mark()
    checkin(mac, "/denied/mdm")
    line, = tagged_errors(fortress, mark)
    assert "/denied/mdm" in line
    assert "403" in line


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", AWAY)
def test_another_server_refuses_in_our_place(fortress, device, protocol,
                                             expect_refusal, name):
    """A ProxyPass for the whole site covers the device URL as well."""
    mark = fortress.mark()
    mac = device(fortress)
    assert_harmless(fortress, checkin(mac, f"/{name}/mdm", protocol), mark,
                    mac)


def test_device_url_beside_obstacles_works(fortress, device):
    mac = device(fortress).enroll()
    assert mac.idle().status == 200


# -- and where 401 and 403 belong -------------------------------------

@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_api_still_answers_401(fortress, protocol):
    answer = ask(fortress, "/v1/pushcert?topic=x", protocol,
                 method="GET")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="nanomdm"'


@pytest.mark.parametrize("path, status", [
    ("/basic/page", 401), ("/denied/page", 403), ("/order-deny/x", 403),
    ("/basic/mdmx", 401), ("/vhost-rewrite/page", 403),
    ("/redirected/page", 403), ("/external-403/page", 302),
    ("/proxied/page", 403), ("/proxied/401/page", 401)])
def test_other_urls_keep_theirs(fortress, expect_log, path, status):
    expect_log(r"\[\w+:error\].*AH\d{5}", optional=True)
    mark = fortress.mark()
    answer = ask(fortress, path, method="GET")
    assert answer.status == status
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert tagged_errors(fortress, mark, 0) == []


def test_api_works_beside_obstacles(fortress):
    operator = Operator(fortress)
    assert operator.call("GET", "/v1/pushcert").status == 400
    assert re.match(rb'\{"version"', operator.version().body)
    operator.close()


def test_strict_sni_check(httpd, device, ca, expect_refusal):
    """mod_ssl's 403 for clients without SNI comes before httpd looks at
    any Location."""
    server = httpd(extra_vhost="SSLStrictSNIVHostCheck on", start=False)
    second = server.vhost(server.tls_port, TLS.format(
        folder=server.folder) + "ServerName second\n")
    server.conf.write_text(server.conf.read_text() + second)
    server.start()
    mac = device(server)
    connection = http.client.HTTPConnection("localhost")
    connection.sock = tls_context(mac.identity, None).wrap_socket(
        socket.create_connection(("127.0.0.1", server.tls_port), 30))
    mark = server.mark()
    connection.request("PUT", "/mdm", authenticate(mac),
                       {"Content-Type": CHECKIN})
    answer = Response(connection.getresponse())
    connection.close()
    assert_harmless(server, answer, mark, mac)
