# SPDX-License-Identifier: Apache-2.0
"""A server that only enrolled devices get past, in front of a target."""

import gzip
import re
import urllib.parse

import pytest

from receiver import Answer, Receiver
from system import free_port

MODULES = ("proxy", "proxy_http", "cgid", "http2", "dir",
           "access_compat", "actions")
SPOOFED = [("X-Enrollment-ID", "somebody"), ("x-enrollment-id", "else"),
           ("X-Trace-ID", "0000000000000000"),
           ("X_Enrollment_ID", "third"), ("x-enrollment_id", "fourth"),
           ("X_TRACE-ID", "0000000000000000"),
           ("X.Enrollment.ID", "fifth"), ("X!Enrollment~ID", "sixth"),
           ("x.Enrollment_id", "seventh"), ("X.Trace.ID", "8")]
BODY = b"\0binary\xff\r\n" * 17
LARGE = bytes(range(256)) * 1200          # more than one of any buffer

SCRIPT = """\
#!/bin/sh
echo Content-Type: text/plain
echo
env
echo
cat
"""
VHOST = """\
Protocols h2 http/1.1
AllowEncodedSlashes NoDecode
ScriptAlias "/cgi/" "{folder}/cgi/"
<Location "/files">
    Require nanomdm-enrolled
</Location>
<Location "/cgi/">
    Require nanomdm-enrolled
</Location>
<Location "/authproxy/">
    Require nanomdm-enrolled
    ProxyPass "{target}/" nocanon
</Location>
<Location "/below/">
    Require nanomdm-enrolled
    ProxyPass "{target}/base/"
</Location>
<Location "/down/">
    Require nanomdm-enrolled
    ProxyPass "http://127.0.0.1:{closed_port}/" retry=0
</Location>
<Location "/override/">
    Require nanomdm-enrolled
    ProxyPass "{target}/"
    ProxyErrorOverride On
</Location>
"""
# Paths by where the identity comes from.
SOURCES = """\
<Location "/signed/">
    NanoMDMIdentity signature
    Require nanomdm-enrolled
    ProxyPass "{target}/" nocanon
</Location>
<Location "/small/">
    NanoMDMIdentity signature
    NanoMDMMaxBody 100
    Require nanomdm-enrolled
    ProxyPass "{target}/"
</Location>
<Location "/limited/">
    NanoMDMIdentity signature
    LimitRequestBody 100
    Require nanomdm-enrolled
    ProxyPass "{target}/"
</Location>
<Location "/header/">
    NanoMDMIdentity header:X-Client-Cert
    NanoMDMTrustedProxy 127.0.0.1
    Require nanomdm-enrolled
    ProxyPass "{target}/"
</Location>
<Location "/distrusted/">
    NanoMDMIdentity header:X-Client-Cert
    NanoMDMTrustedProxy 192.0.2.1
    Require nanomdm-enrolled
    ProxyPass "{target}/"
</Location>
<Location "/files/signed">
    NanoMDMIdentity signature
</Location>
<Location "/files/header">
    NanoMDMIdentity header:X-Client-Cert
    NanoMDMTrustedProxy 127.0.0.1
</Location>
<Location "/cgi/signed">
    NanoMDMIdentity signature
</Location>
<Location "/twice/">
    NanoMDMIdentity signature
    <RequireAny>
        <RequireAll>
            Require nanomdm-enrolled
            Require ip 192.0.2.1
        </RequireAll>
        <RequireAll>
            Require nanomdm-enrolled
            Require ip 127.0.0.1
        </RequireAll>
    </RequireAny>
    ProxyPass "{target}/"
</Location>
<Location "/either/">
    <RequireAny>
        Require nanomdm-enrolled
        Require ip 127.0.0.1
    </RequireAny>
    ProxyPass "{target}/"
</Location>
<Directory "{folder}/htdocs/files/signed">
    AddHandler by-script .script
    Action by-script /cgi/env
</Directory>
DirectoryIndex index.html
<Files "index.html">
    AddDefaultCharset Off
</Files>
"""
# What a refused device must not notice.
DECORATED = {
    "text": 'ErrorDocument 401 "Go away"\nErrorDocument 403 "Go away"\n'
            'ErrorDocument 400 "Bad"',
    "local": "ErrorDocument 401 /gone.html\nErrorDocument 403 /gone.html",
    "guarded": "ErrorDocument 401 /files/a.txt\n"
               "ErrorDocument 403 /files/a.txt",
    "external": "ErrorDocument 401 https://example.com/\n"
                "ErrorDocument 403 https://example.com/",
    "missing": "ErrorDocument 403 /nowhere",
}
BASIC = """\
AuthType Basic
AuthName closed
AuthBasicProvider nanomdm
"""
# What else may stand in the Location; it too must not become a 401.
OBSTACLES = {
    "all": "<RequireAll>\nRequire nanomdm-enrolled\n"
           "Require ip 192.0.2.1\n</RequireAll>",
    "all-before": "<RequireAll>\nRequire ip 192.0.2.1\n"
                  "Require nanomdm-enrolled\n</RequireAll>",
    "user": BASIC + "<RequireAll>\nRequire nanomdm-enrolled\n"
            "Require valid-user\n</RequireAll>",
    "user-before": BASIC + "<RequireAll>\nRequire valid-user\n"
                   "Require nanomdm-enrolled\n</RequireAll>",
    "basic-any": BASIC + "<RequireAny>\nRequire nanomdm-enrolled\n"
                 "Require user nobody\n</RequireAny>",
    "order": "Order allow,deny\nDeny from all\nRequire nanomdm-enrolled",
    "ssl": "SSLRequire %{{SSL_CLIENT_S_DN_CN}} eq \"nobody\"\n"
           "Require nanomdm-enrolled",
}


def target_says(request):
    """/status/NUMBER gets that status, with the body "status NUMBER", and
    ?kept=TEXT that Cache-Control."""
    match = re.search(r"/status/(\d+)", request.path)
    status = int(match[1]) if match else 200
    headers = {"Content-Type": "text/x-target", "X-Target": "was here"}
    body = b"" if status == 304 else b"status %d" % status
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="target"'
    kept = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
    if "kept" in kept:
        headers["Cache-Control"] = kept["kept"][0]
    if request.path.endswith("/gzip"):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body)
    return Answer(status, body, headers)


@pytest.fixture(scope="module")
def target():
    """The proxied server."""
    with Receiver() as target:
        target.answers["*"] = target_says
        yield target


def fill(text, target):
    return (text.replace("{target}", f"http://127.0.0.1:{target.port}")
            .replace("{closed_port}", str(free_port())))


@pytest.fixture(scope="module")
def guarded(module_httpd, target):
    """A server with all those Locations."""
    text = VHOST + SOURCES
    for name, lines in DECORATED.items():
        text += (f'<Location "/decorated/{name}">\nRequire'
                 f' nanomdm-enrolled\n{lines}\n</Location>\n')
    for name, lines in OBSTACLES.items():
        text += (f'<Location "/obstacle/{name}/">\n'
                 + lines.replace("{{", "{").replace("}}", "}")
                 + '\nProxyPass "{target}/"\n</Location>\n')
    server = module_httpd(
        start=False, modules=MODULES, extra_vhost=fill(text, target),
        extra_server='ScriptSock "{folder}/cgid"')
    pages = server.folder / "htdocs"
    for folder in ("", "signed", "header"):
        (pages / "files" / folder).mkdir(parents=True, exist_ok=True)
        for name in ("a.txt", "a.script", "index.html"):
            (pages / "files" / folder / name).write_text("a guarded file")
    (pages / "gone.html").write_text("gone")
    (server.folder / "cgi").mkdir()
    for name, script in (
            ("env", SCRIPT), ("signed", SCRIPT),
            ("401", "#!/bin/sh\necho Status: 401\necho\necho no\n"),
            ("403", "#!/bin/sh\necho Status: 403\necho\necho no\n")):
        path = server.write(f"cgi/{name}", script)
        path.chmod(0o755)
    return server.start()


@pytest.fixture
def mac(guarded, device):
    return device(guarded).enroll()


@pytest.fixture
def refusal(expect_log):
    """What httpd itself says at error when Require says no."""
    expect_log(r"(authz_core|access_compat|ssl|auth_basic):error",
               optional=True)


def lines_of(answer):
    """A CGI's environment."""
    return dict(line.split("=", 1) for line
                in answer.body.split(b"\n\n")[0].decode().splitlines()
                if "=" in line)
