# SPDX-License-Identifier: Apache-2.0
"""Who may use the handlers of operators: only names that an authentication
vouches for, only the rights of the path, only requests made on purpose."""

import re
import socket
import ssl

import pytest

import ca as certs
from device import Client, Operator, command
from system import ROOT

pytestmark = pytest.mark.one_database

BASIC = """\
AuthType Basic
AuthName nanomdm
AuthBasicProvider nanomdm
"""
HANDLERS = {"api": "nanomdm-api", "migration": "nanomdm-migration",
            "status": "nanomdm-status"}
CALLS = {"api": ("GET", "/pushcert?topic=none"), "migration": ("PUT", ""),
         "status": ("GET", "")}
# In a Location each, below the handler's name: who names the user.
NAMED = {
    "open": "SSLUserName SSL_CLIENT_S_DN_CN\nRequire all granted",
    "valid": "SSLUserName SSL_CLIENT_S_DN_CN\n" + BASIC
             + "Require valid-user",
    "one": "SSLUserName SSL_CLIENT_S_DN_CN\n" + BASIC
           + "Require user nanomdm",
    "dn": "SSLUserName SSL_CLIENT_S_DN\n" + BASIC + "Require valid-user",
    "cipher": "SSLUserName SSL_CIPHER\nRequire all granted",
    "fake": "SSLOptions +FakeBasicAuth\nAuthType Basic\nAuthName nanomdm\n"
            "AuthBasicProvider file\nAuthUserFile {folder}/users\n"
            "Require valid-user",
    "fake-named": "SSLOptions +FakeBasicAuth\n"
                "SSLUserName SSL_CLIENT_S_DN_CN\nAuthType Basic\n"
                "AuthName nanomdm\nAuthBasicProvider file\n"
                "AuthUserFile {folder}/users\nRequire valid-user",
}
# Names that the impostor and the operator have, with FakeBasicAuth's
# password, and one with a secret.
USERS = "".join(f"{name}:{{SHA}}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"
                for name in ("CN=nanomdm", "/CN=nanomdm", "nanomdm"))
FOR_NAMES = "".join(
    f'<Location "/{kind}/{name}">\nSetHandler {handler}\n{lines}\n'
    "</Location>\n"
    for name, lines in NAMED.items() for kind, handler in HANDLERS.items())


@pytest.fixture(scope="module")
def named(module_httpd):
    authority = certs.root("Operators")
    server = module_httpd(extra_vhost=FOR_NAMES,
                          modules=("authn_file", "remoteip"),
                          extra_server="RemoteIPHeader X-Client",
                          files={"users": USERS})
    server.operators = authority
    return server


def from_elsewhere(headers=()):
    """Not by the exemption of the status page for this host."""
    return [("X-Client", "192.0.2.7"), *headers]


def ask_as(server, identity, method, path, headers=(), **options):
    client = Client(server, identity=identity)
    try:
        return client.raw(method, path, b"" if method == "PUT" else None,
                          from_elsewhere(headers), **options)
    finally:
        client.close()


@pytest.mark.parametrize("kind", HANDLERS)
def test_name_of_an_unverified_certificate_is_none(named, expect_log, kind):
    """Where no password is asked for it is a 403, elsewhere the 401 that
    asks for one."""
    expect_log("NMDM1(201|902)", optional=True)
    expect_log("auth_basic:error|authz_core:error|ssl:error", optional=True)
    method, rest = CALLS[kind]
    impostor = certs.self_signed("nanomdm")
    for name in NAMED:
        wants = 403 if name in ("open", "cipher") else 401
        answer = ask_as(named, impostor, method, f"/{kind}/{name}{rest}")
        assert answer.status == wants, (name, answer)
        assert (wants == 401) == ("WWW-Authenticate" in answer.headers)


@pytest.mark.parametrize("resumed", [False, True])
def test_nor_over_a_resumed_session(named, expect_log, resumed):
    """mod_ssl calls the certificate of such a session verified."""
    expect_log("NMDM1201", optional=True)
    client = Client(named, identity=certs.self_signed("nanomdm"),
                    tls_version=ssl.TLSVersion.TLSv1_2)
    for _ in range(2 if resumed else 1):
        answer = client.raw("GET", "/api/open/pushcert?topic=x", None,
                            from_elsewhere(), resume=bool(client.session))
        assert answer.status == 403
    assert client.is_resumed() == resumed
    client.close()


@pytest.mark.parametrize("name", ["valid", "one", "dn"])
def test_password_counts_beside_a_device_certificate(named, name):
    """A certificate does not get in the way of who has the password."""
    operator = Operator(named, identity=certs.self_signed("somebody"))
    assert operator.call("GET",
                         f"/api/{name}/enrollments/none").status == 404
    operator.close()


@pytest.mark.parametrize("name", ["valid", "one"])
def test_wrong_password_beside_a_device_certificate(named, expect_log, name):
    expect_log("auth_basic:error")
    operator = Operator(named, key="wrong",
                        identity=certs.self_signed("nanomdm"))
    assert operator.call("GET",
                         f"/api/{name}/enrollments/none").status == 401
    operator.close()


def is_listening(port):
    """SSLVerifyClient require answers no client without a certificate."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("mode", ["optional_no_ca", "optional", "require"])
def test_name_of_a_verified_certificate_counts(httpd, mode):
    authority = certs.root("Operators")
    server = httpd(
        extra_vhost=FOR_NAMES, without=("plain",), modules=("authn_file",),
        files={"users": USERS, "operators.pem": authority.pem},
        replace={"tls": "SSLEngine on\nSSLCertificateFile {folder}/server.pem"
                 f"\nSSLVerifyClient {mode}\n"
                 "SSLCACertificateFile {folder}/operators.pem"},
        start=False)
    server.answers = lambda: is_listening(server.tls_port)
    server.start()
    operator = Client(server, identity=authority.issue("nanomdm"))
    for name in ("open", "valid", "one", "fake-named"):
        for _ in range(2):
            answer = operator.raw("GET", f"/api/{name}/enrollments/none",
                                  resume=bool(operator.session))
            assert answer.status == 404, (name, answer)
    operator.close()


# -- Error documents --------------------------------------------------

ERROR_DOCUMENTS = """\
<Location "/door">
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
    ErrorDocument 401 {target}
</Location>
<Location "/missing">
    ErrorDocument 404 {target}
</Location>
<Location "/denied">
    Require all denied
    ErrorDocument 403 {target}
</Location>
<Location "/open">
    SetHandler nanomdm-api
    Require all granted
</Location>
<Location "/open-status">
    SetHandler nanomdm-status
    Require all granted
</Location>
<Location "/closed">
    SetHandler nanomdm-api
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
    ErrorDocument 401 /closed/queue/none
</Location>
<Location "/closed-status">
    SetHandler nanomdm-status
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
    ErrorDocument 401 /closed-status
</Location>
"""
TARGETS = ["/open/pushcert?topic=none", "/open-status", "/open-status?json"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("key", [None, "wrong"])
def test_error_document_is_no_way_in(httpd, expect_log, target, key):
    """What was an error stays that error."""
    server = httpd(extra_vhost=ERROR_DOCUMENTS.replace("{target}", target))
    expect_log("auth_basic:error", optional=True)
    expect_log("authz_core:error", optional=True)
    operator = Operator(server, key=key or "")
    headers = [operator.authorization] if key else []
    for path, status in (("/door/x", 401), ("/missing/x", 404),
                         ("/denied/x", 403), ("/closed/queue/x", 401),
                         ("/closed-status", 401)):
        answer = operator.raw("GET", path, None, headers)
        assert answer.status == status, (path, answer)
        assert b"counters" not in answer.body
        assert b"NanoMDM" not in answer.body, path
        assert (status == 401) == ("WWW-Authenticate" in answer.headers)
    operator.close()


def test_error_document_runs_no_call(httpd, device):
    """Also when the right key comes with the request that failed."""
    mac = device().enroll()
    server = httpd(extra_vhost="<Location /missing>\n"
                   f"ErrorDocument 404 /v1/queue/{mac.id}\n</Location>")
    operator = Operator(server)
    answer = operator.call("GET", "/missing/x")
    assert (answer.status, answer.json) == (404, {"error": "Not Found"})
    operator.close()


def test_status_answers_its_own_path_only(httpd):
    server = httpd(extra_vhost='<Location "/status">\n'
                   "SetHandler nanomdm-status\n</Location>\n"
                   '<LocationMatch "^/stats">\nSetHandler nanomdm-status\n'
                   "</LocationMatch>")
    client = Client(server)
    for path, status in (("/status", 200), ("/status?json", 200),
                         ("/status/", 404), ("/status/x", 404),
                         ("/status/x?json", 404), ("/stats", 200),
                         ("/stats/x", 404)):
        assert client.raw("GET", path).status == status, path
    client.close()


# -- Rights -----------------------------------------------------------

RIGHTS = """\
AllowEncodedSlashes NoDecode
<Location "/rights">
    SetHandler nanomdm-api
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
</Location>
<Location "/rights/enqueue">
    Require user admin
</Location>
<Location "/rights/push">
    Require user admin
</Location>
<LocationMatch "^/pattern">
    SetHandler nanomdm-api
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
</LocationMatch>
<Location "/pattern/enqueue">
    Require user admin
</Location>
<LocationMatch "^/below/.+">
    SetHandler nanomdm-api
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
</LocationMatch>
<Location "/below/enqueue">
    Require user admin
</Location>
<LocationMatch "^/(some|other)/(queue|enrollments)/">
    SetHandler nanomdm-api
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
</LocationMatch>
<Location "/commands/enqueue/v1/">
    SetHandler nanomdm-api
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
</Location>
"""
DETOURS = ["{0}/x/enqueue/{1}", "{0}/enqueue;/enqueue/{1}",
           "{0}/Enqueue/enqueue/{1}", "{0}/ENQUEUE/{1}",
           "{0}/enqueue;x/{1}", "{0}/%2Fenqueue/{1}", "{0}%2Fenqueue/{1}",
           "{0}/enqueue%2F{1}", "{0}/x%2Fenqueue/{1}",
           "{0}/x%2F..%2Fenqueue/{1}", "{0}/%252e/enqueue/{1}",
           "{0};/enqueue/{1}", "{0}/;/enqueue/{1}", "{0}/.;/enqueue/{1}",
           "{0}x/enqueue/{1}", "{0}/%20/enqueue/{1}",
           "{0}/v1/enqueue/{1}", "{0}/y/z/enqueue/{1}"]
# What httpd itself makes one path of, and so what Require sees.
SAME = ["{0}/enqueue/{1}", "{0}//enqueue/{1}", "//{0}/enqueue/{1}",
        "{0}/./enqueue/{1}", "{0}/x/../enqueue/{1}", "{0}/%65nqueue/{1}",
        "{0}/enqueue//{1}", "{0}/x/%2e%2e/enqueue/{1}", "{0}/enqueue/{1}/"]


@pytest.fixture(scope="module", params=["On", "Off"])
def rights(module_httpd, request):
    return module_httpd(extra_vhost=f"MergeSlashes {request.param}\n"
                        + RIGHTS)


@pytest.fixture
def limited(rights):
    operator = Operator(rights)
    yield operator
    operator.close()


@pytest.mark.parametrize("base", ["/rights", "/pattern", "/below"])
def test_no_way_round_rights_on_a_call(limited, device, expect_log, base):
    expect_log("core:error", optional=True)
    mac = device().enroll()
    for path in DETOURS:
        answer = limited.call("PUT", path.format(base, mac.id) + "?nopush=1",
                              erasure())
        assert answer.status in (400, 403, 404, 405), (path, answer)
        assert mac.idle().body == b"", path


@pytest.mark.parametrize("base", ["/rights", "/pattern", "/below"])
def test_rights_hold_for_each_spelling(limited, device, expect_log, base):
    expect_log("authz_core:error", optional=True)
    mac = device().enroll()
    for path in SAME:
        answer = limited.call("PUT", path.format(base, mac.id) + "?nopush=1",
                              erasure())
        assert answer.status in (400, 401, 403, 404), (path, answer)
        assert mac.idle().body == b"", path


def test_rights_leave_the_other_calls(limited, device):
    mac = device().enroll()
    for base in ("/rights", "/pattern", "/below", "/some",
                 "/commands/enqueue/v1"):
        answer = limited.call("GET", f"{base}/queue/{mac.id}")
        assert answer.status == 200, (base, answer)


def test_push_by_get_needs_the_same_rights(limited, device, expect_log):
    expect_log("authz_core:error", optional=True)
    mac = device().enroll()
    assert limited.call("GET", f"/rights/push/{mac.id}").status in (401, 403)


def test_what_follows_is_the_calls_own(limited, operator, device):
    """An id may look like a call."""
    answer = limited.call("GET", "/rights/queue/enqueue/x")
    assert answer.status in (200, 404)
    assert "enqueue/x" in answer.body.decode() or answer.status == 404


def test_rights_of_the_manual(httpd, device, expect_log):
    """docs/operations.md, Hardening: who may read and who may act."""
    manual = (ROOT / "docs/operations.md").read_text()
    example, = re.findall(
        r"```apache\n(<Location \"/v1\">[^`]*AuthUserFile[^`]*)```", manual)
    server = httpd(replace={"api": example.replace(
                       "/etc/nanomdm/operators", "{folder}/people")},
                   modules=("authn_file",),
                   files={"people": "".join(
                       f"{name}:{{SHA}}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"
                       for name in ("admin", "reader"))})
    expect_log("authz_core:error")
    expect_log("NMDM(0916|1203)", optional=True)
    mac = device().enroll()
    reads = [("GET", f"/v1/queue/{mac.id}"), ("GET", "/v1/events"),
             ("GET", f"/v1/enrollments/{mac.id}"),
             ("POST", "/v1/enrollments/query"),
             ("GET", f"/v1/results/{mac.id}")]
    acts = [("PUT", f"/v1/enqueue/{mac.id}"), ("GET", f"/v1/push/{mac.id}"),
            ("POST", f"/v1/push/{mac.id}"), ("POST", "/v1/enqueue"),
            ("POST", "/v1/commands"), ("DELETE", f"/v1/queue/{mac.id}"),
            ("PUT", "/v1/pushcert"), ("DELETE", "/v1/events/1"),
            ("POST", "/v1/events/replay"), ("GET", "/v1/escrowkeyunlock")]
    for user in ("reader", "admin"):
        operator = Operator(server, user=user, key="password")
        for method, path in reads + acts:
            answer = operator.call(method, path,
                                   None if method == "GET" else b"")
            refused = user == "reader" and (method, path) in acts
            assert (answer.status == 403) == refused, (user, path, answer)
        operator.close()


# -- Other sites ------------------------------------------------------

OWN = [[], [("Sec-Fetch-Site", "none")], [("Sec-Fetch-Site", "same-origin")],
       [("Origin", "https://mdm.example")],
       [("Origin", "https://MDM.example:443")],
       [("Origin", "https://mdm.example"),
        ("Sec-Fetch-Site", "same-origin")]]
FOREIGN = [[("Sec-Fetch-Site", "cross-site")],
           [("Sec-Fetch-Site", "same-site")],
           [("Sec-Fetch-Site", "Cross-Site")],
           [("sec-fetch-site", "something")],
           [("Sec-Fetch-Site", "none"), ("Sec-Fetch-Site", "cross-site")],
           [("Origin", "null")], [("Origin", "")],
           [("Origin", "https://evil.example")],
           [("Origin", "https://mdm.example.evil.example")],
           [("Origin", "https://evilmdm.example")],
           [("Origin", "https://mdm.example:8443")],
           [("Origin", "http://mdm.example")],
           [("Origin", "https://mdm.example/")],
           [("Origin", "https://user@mdm.example")],
           [("Origin", "ftp://mdm.example")],
           [("Origin", "chrome-extension://mdm.example")],
           [("Origin", "https://mdm.example"),
            ("Origin", "https://evil.example")],
           [("Origin", "https://mdm.example"),
            ("Sec-Fetch-Site", "cross-site")]]


def erasure():
    return command("EraseDevice")[1]


def form(server, path, headers, method="POST", host="mdm.example", **options):
    operator = Operator(server, **options)
    try:
        return operator.call(method, path, erasure(),
                             [("Host", host), ("Content-Type", "text/plain"),
                              *headers])
    finally:
        operator.close()


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_page_of_another_site_queues_nothing(server, device, expect_log,
                                             headers):
    expect_log("NMDM1202", "warn")
    mac = device().enroll()
    answer = form(server, f"/v1/enqueue/{mac.id}?nopush=1", headers)
    assert answer.status == 403
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "cross-site" in answer.json["error"]
    assert mac.idle().body == b""


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_own_pages_and_programs_are_served(server, device, headers):
    mac = device().enroll()
    assert form(server, f"/v1/enqueue/{mac.id}?nopush=1",
                headers).status == 200
    assert mac.idle().plist["Command"]["RequestType"] == "EraseDevice"


@pytest.mark.parametrize("host, origin, plain, status", [
    ("mdm.example:8443", "https://mdm.example:8443", False, 200),
    ("mdm.example:443", "https://mdm.example", False, 200),
    ("mdm.example:8443", "https://mdm.example", False, 403),
    ("[::1]:8443", "https://[::1]:8443", False, 200),
    ("[::1]", "https://[::1]", False, 200),
    ("mdm.example", "http://mdm.example", True, 200),
    ("mdm.example", "https://mdm.example", True, 200),
    ("mdm.example:8080", "http://mdm.example:8080", True, 200),
    ("mdm.example:8080", "http://mdm.example", True, 403),
    ("127.0.0.1:80", "http://127.0.0.1", True, 200)])
def test_origin_and_host_with_ports(server, device, expect_log, host, origin,
                                    plain, status):
    expect_log("NMDM1202", optional=True)
    mac = device().enroll()
    assert form(server, f"/v1/enqueue/{mac.id}?nopush=1",
                [("Origin", origin)], host=host, plain=plain
                ).status == status


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_other_methods_of_other_sites(server, device, expect_log, method):
    """GET acts too: /push."""
    expect_log("NMDM1202", "warn")
    mac = device().enroll()
    path = {"GET": "push", "DELETE": "queue", "PUT": "enqueue"}[method]
    assert form(server, f"/v1/{path}/{mac.id}",
                [("Sec-Fetch-Site", "cross-site")], method).status == 403


def test_migration_by_another_site(httpd, device, expect_log):
    server = httpd(extra_vhost='<Location "/migration">\nSetHandler '
                   f"nanomdm-migration\n{BASIC}Require valid-user\n"
                   "</Location>")
    expect_log("NMDM1202", "warn")
    answer = form(server, "/migration", [("Origin", "null")], "PUT")
    assert answer.status == 403
    assert "cross-site" in answer.json["error"]


# -- Ranges -----------------------------------------------------------

@pytest.mark.parametrize("headers", [
    {"Range": "bytes=0-9"}, {"Range": "bytes=-1"},
    {"Range": "bytes=0-0,5-6"}, {"Request-Range": "bytes=0-9"},
    {"Range": "bytes=999999-"}])
def test_no_part_of_a_command(server, device, operator, headers):
    mac = device().enroll()
    whole = erasure()
    operator.enqueue(mac.id, whole)
    answer = mac.send({**mac.ids(), "Status": "Idle"}, headers=headers)
    assert (answer.status, answer.body) == (200, whole)
    assert "Content-Range" not in answer.headers
    assert mac.idle().body == whole


def test_no_part_of_an_api_answer(operator):
    answer = operator.call("GET", "/v1/enrollments/none",
                           headers={"Range": "bytes=0-3"})
    assert answer.status == 404
    answer = operator.call("POST", "/v1/enrollments/query", b"{}",
                           {"Range": "bytes=0-3"})
    assert answer.status == 200 and re.match(rb"\{.*\}\s*$", answer.body,
                                             re.DOTALL)
