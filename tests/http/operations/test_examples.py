# SPDX-License-Identifier: Apache-2.0
"""conf/examples: each starts, serves a device, and lets in whom it says."""

import base64
import contextlib
import http.client
import http.server
import json
import pathlib
import re
import shutil
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml

import ca as certs
from databases import PROGRAMS
from device import Device, Operator
from documents import System
from server import server_authority, server_identity
from system import ROOT, free_port, remove_folder, run, spawn, temp_folder, \
    wait_until

pytestmark = pytest.mark.one_database

EXAMPLES = ROOT / "conf/examples"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def system(httpd, expect_log):
    expect_log("nanomdm|ssl|core|auth", optional=True)
    made = httpd(make=System, start=False, api_key=KEY)
    made.sh("make install")
    made.sh("a2enmod -q ssl nanomdm")
    etc = made.file("/etc/nanomdm")
    etc.mkdir(parents=True, exist_ok=True)
    data = made.file("/var/lib/nanomdm")
    data.mkdir(parents=True, exist_ok=True)
    run("chown", "www-data", data)
    run(ROOT / "tools/nmdm-ca.sh", etc, "Test MDM CA")
    (etc / "server.pem").write_bytes(server_identity().pem)
    for name, content in (("server.key", server_identity().key_pem),
                          ("api.key", KEY.encode())):
        (etc / name).write_bytes(content)
        (etc / name).chmod(0o600)
    return made


def start(system, name, **replace):
    text = (EXAMPLES / f"{name}.conf").read_text()
    for old, new in replace.items():
        text = text.replace(old, new)
    system.site(text)
    system.sh("a2ensite -q nanomdm")
    status, said = system.configtest()
    assert status == 0, said
    return system.start()


def authority(system, name="issuer"):
    """The device CA that the example names, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    etc = system.file("/etc/nanomdm")
    return certs.Authority(
        x509.load_pem_x509_certificate((etc / f"{name}.pem").read_bytes()),
        serialization.load_pem_private_key(
            (etc / f"{name}.key").read_bytes(), None))


def passwords(system, file, *users):
    path = system.file(f"/etc/nanomdm/{file}")
    for number, user in enumerate(users):
        run("htpasswd", "-b", *(["-c"] if not number else []), path, user,
            f"{user}-secret")


def enrolled(system):
    mac = Device(system, authority(system).issue())
    mac.enroll()
    mac.close()
    return mac


def test_each_example_has_a_test():
    here = globals()
    for path in EXAMPLES.glob("*.conf"):
        assert f"test_{path.stem.replace('-', '_')}" in here, path
    assert ({path.name for path in EXAMPLES.glob("proxy/*")}
            == {name for name, _ in PROXIES.values()})


def test_sqlite(system):
    mac = enrolled(start(system, "sqlite"))
    operator = Operator(system)
    assert operator.call("GET", f"/v1/enrollments/{mac.id}").status == 200
    assert b"POSTPKIOperation" in operator.raw(
        "GET", "/scep?operation=GetCACaps").body
    assert operator.raw("GET", "/health").body == b"ok\n"
    operator.close()


def test_rights(system):
    passwords(system, "operators", "admin", "reader")
    mac = enrolled(start(system, "rights"))
    admin = Operator(system, user="admin", key="admin-secret")
    reader = Operator(system, user="reader", key="reader-secret")
    for each in admin, reader:
        assert each.call("GET", f"/v1/enrollments/{mac.id}").status == 200
        assert each.call("POST", "/v1/enrollments/query").status == 200
        assert each.call("GET", f"/v1/queue/{mac.id}").status == 200
    for method, path in (("PUT", f"/v1/enqueue/{mac.id}"),
                         ("GET", f"/v1/push/{mac.id}"),
                         ("POST", "/v1/commands"),
                         ("DELETE", f"/v1/queue/{mac.id}"),
                         ("PUT", "/v1/pushcert")):
        assert reader.call(method, path, b"").status == 403, path
        assert admin.call(method, path, b"").status not in (401, 403), path
    assert Operator(system).call(
        "GET", f"/v1/enrollments/{mac.id}").status == 401
    assert may_change(reader) == set()
    assert may_change(admin) == {*changes()}
    admin.close()
    reader.close()


def changes():
    """(method, path) of each call of the API that does more than read."""
    paths = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())["paths"]
    for path, item in paths.items():
        for method in {"get", "put", "post", "delete", "patch"} & {*item}:
            if path.startswith("/v1/") and path != "/v1/enrollments/query" \
                    and (method != "get" or path.startswith("/v1/push/")):
                yield method.upper(), re.sub(r"\{.*?\}", "none", path)


def may_change(operator):
    """What is not refused to them, whatever becomes of it."""
    return {(method, path) for method, path in changes() if operator.call(
        method, path, b"").status not in (401, 403)}


def test_operators_by_certificate(system):
    operators, port = certs.root("Operators CA"), free_port()
    system.file("/etc/nanomdm/operators-ca.pem").write_bytes(operators.pem)
    ports = system.file("/etc/apache2/ports.conf")
    ports.write_text(ports.read_text() + f"Listen 127.0.0.1:{port}\n")
    mac = enrolled(start(system, "operators-by-certificate",
                         **{"*:8443": f"127.0.0.1:{port}"}))

    def status(identity):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if identity:
            with identity.file() as pem:
                context.load_cert_chain(pem.name)
        asking = http.client.HTTPSConnection("127.0.0.1", port,
                                             context=context)
        try:
            asking.request("GET", f"/v1/enrollments/{mac.id}",
                           headers={"Host": "localhost"})
            return asking.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            asking.close()

    assert status(operators.issue("alice")) == 200
    assert status(operators.issue("bob")) in (401, 403)
    assert status(mac.identity) is None          # a device is no operator
    assert status(None) is None


def test_monitoring(system):
    passwords(system, "monitors", "prometheus")
    mac = enrolled(start(system, "monitoring"))
    monitor = Operator(system, user="prometheus", key="prometheus-secret")
    answer = monitor.call("GET", "/status?prometheus")
    assert answer.status == 200 and b"nanomdm_database_up 1" in answer.body
    assert monitor.call("GET", f"/v1/enrollments/{mac.id}").status == 401
    assert monitor.raw("GET", "/health").status == 200
    assert monitor.raw("GET", "/status").status == 401
    monitor.close()


def test_two_tenants(system):
    etc = system.file("/etc/nanomdm")
    cas = {}
    for name in "north", "south":
        cas[name] = certs.root(f"{name} CA")
        (etc / f"{name}-ca.pem").write_bytes(cas[name].pem)
        (etc / f"{name}.key").write_text(f"{name}-{KEY}\n")
        (etc / f"{name}.key").chmod(0o600)
    start(system, "two-tenants")
    mac = Device(system, cas["north"].issue())
    host = {"Host": "north.example.com"}
    answer = mac.send(mac.message(
        "Authenticate", Topic=mac.topic, SerialNumber="N1"),
        "application/x-apple-aspen-mdm-checkin", headers=host)
    assert answer.status == 200, answer
    mac.close()

    def found(tenant, key):
        operator = Operator(system, key=f"{key}-{KEY}")
        answer = operator.call("POST", "/v1/enrollments/query", None,
                               {"Host": f"{tenant}.example.com"})
        operator.close()
        return (answer.status, len(json.loads(answer.body)["enrollments"])
                if answer.status == 200 else None)

    assert found("north", "north")[0] == 200
    assert found("south", "south") == (200, 0)
    assert found("south", "north")[0] == 401
    stranger = Device(system, cas["north"].issue())
    answer = stranger.send(stranger.message(
        "Authenticate", Topic=stranger.topic),
        "application/x-apple-aspen-mdm-checkin",
        headers={"Host": "south.example.com"})
    assert answer.status == 400        # its CA is not trusted there
    stranger.close()


# -- Databases ----------------------------------------------------------

def database_of(program):
    """Empty: the server is to make its tables."""
    if not PROGRAMS[program].is_here():
        pytest.skip(f"no {program}")
    server = PROGRAMS[program]()
    server.start()
    return server


def test_postgresql(system):
    program = database_of("pgsql")
    try:
        database = program.fresh(None)
        mac = enrolled(start(system, "postgresql", **{
            "host=127.0.0.1 port=5432 dbname=nanomdm user=nanomdm"
            " password=secret connect_timeout=5": database.params}))
        assert [*database.query("SELECT id FROM enrollments")] == [(mac.id,)]
        system.stop()
    finally:
        program.remove()


def test_mariadb_tls(system, monkeypatch):
    ca, folder = certs.root("Database CA"), temp_folder("database-tls")
    identity = ca.issue("database", eku="server", dns="127.0.0.1")
    (folder / "ca.pem").write_bytes(ca.pem)
    (folder / "server.pem").write_bytes(identity.pem + identity.key_pem)
    (folder / ".my.cnf").write_text(
        f"[nanomdm]\nssl-ca = {folder}/ca.pem\nconnect-timeout = 5\n")
    monkeypatch.setenv("HOME", str(folder))

    class WithTls(PROGRAMS["mysql"]):
        def options(self):
            return [*super().options(), f"--ssl-ca={folder}/ca.pem",
                    f"--ssl-cert={folder}/server.pem",
                    f"--ssl-key={folder}/server.pem"]
    if not PROGRAMS["mysql"].is_here():
        pytest.skip("no MariaDB")
    program = WithTls()
    program.start()
    try:
        database = program.fresh(None)
        program.admin_execute("ALTER USER nanomdm@'127.0.0.1' REQUIRE SSL")
        mac = enrolled(start(system, "mariadb-tls", **{
            "host=127.0.0.1,port=3306,dbname=nanomdm,user=nanomdm,pass=secret":
            database.params}))
        assert "NMDM0814" not in system.error_log()
        program.admin_execute("ALTER USER nanomdm@'127.0.0.1' REQUIRE NONE")
        assert [*database.query("SELECT id FROM enrollments")] == [(mac.id,)]
        system.stop()
    finally:
        program.remove()
        remove_folder(folder)


# -- Proxies ------------------------------------------------------------

PROXIES = {
    "nginx": ("nginx.conf", ["nginx", "-c"]),
    "haproxy": ("haproxy.cfg", ["haproxy", "-db", "-f"]),
    "caddy": ("Caddyfile", ["caddy", "run", "--adapter", "caddyfile",
                            "--config"]),
}
# Of the file's own surroundings.
AROUND = {
    "nginx": "daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
             "events {{}}\nhttp {{ access_log off;\n{example}}}\n",
    "haproxy": "{example}",
    "caddy": "{{\n\tadmin off\n\tauto_https disable_redirects\n"
             "\tstorage file_system {folder}\n\thttp_port {spare}\n}}\n"
             "{example}",
}


class Front:
    """A proxy, where a device finds the port it wants."""

    def __init__(self, port):
        self.tls_port = port


@contextlib.contextmanager
def proxy(kind, folder, etc, backend):
    if not shutil.which(kind):
        pytest.skip(f"no {kind}")
    name, command = PROXIES[kind]
    front = Front(free_port())
    example = (EXAMPLES / "proxy" / name).read_text()
    (etc / "server-and-key.pem").write_bytes(
        server_identity().pem + server_identity().key_pem)
    for theirs, ours in {
            "listen 443": f"listen 127.0.0.1:{front.tls_port}",
            "bind :443": f"bind 127.0.0.1:{front.tls_port}",
            "mdm.example.com {": f"https://localhost:{front.tls_port} {{\n"
                                 "\tbind 127.0.0.1",
            "mdm.example.com": "localhost",
            "/etc/nanomdm": str(etc),
            "127.0.0.1:8080": f"127.0.0.1:{backend}"}.items():
        example = example.replace(theirs, ours)
    conf = folder / name
    conf.write_text(AROUND[kind].format(folder=folder, example=example,
                                        spare=free_port()))
    with open(folder / "output", "wb") as output:
        process = spawn([*command, str(conf)], output)
        try:
            yield front
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.parametrize("kind", sorted(PROXIES))
def test_behind_proxy(system, kind, tmp_path):
    start(system, "behind-proxy",
          **{"<VirtualHost *:8080>": f"<VirtualHost 127.0.0.1:{system.port}>"})
    with proxy(kind, tmp_path, system.file("/etc/nanomdm"),
               system.port) as front:
        def speaks():
            try:
                mac = Device(front, authority(system).issue())
                answer = mac.idle()
                mac.close()
                return answer.status != 502
            except OSError:
                return False
        assert wait_until(speaks), (tmp_path / "output").read_text()
        mac = Device(front, authority(system).issue())
        mac.enroll()
        assert mac.idle().status == 200
        stranger = Device(front, certs.root("Other").issue())
        liar = Device(front, certs.root("Other").issue(), udid=mac.udid,
                      transport="header", plain=False,
                      header="X-SSL-Client-Cert")
        for each in stranger, liar:
            assert each.idle().status == 400
            each.close()
        mac.close()


# -- Directories and sign-in --------------------------------------------

LDIF = """\
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: uid=alice,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
cn: Alice
sn: Doe
uid: alice
userPassword: alice-secret

dn: uid=bob,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
cn: Bob
sn: Doe
uid: bob
userPassword: bob-secret

dn: cn=mdm,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: mdm
member: uid=alice,ou=people,dc=example,dc=com
"""
SLAPD = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
database mdb
suffix dc=example,dc=com
directory {folder}/data
maxsize 10485760
access to attrs=userPassword by anonymous auth by * none
access to * by * read
"""


@pytest.fixture
def directory():
    """A slapd with two people, one of them in the group."""
    if not shutil.which("slapd"):
        pytest.skip("no slapd")
    folder, port = temp_folder("slapd"), free_port()
    (folder / "data").mkdir()
    conf = folder / "slapd.conf"
    conf.write_text(SLAPD.format(folder=folder))
    subprocess.run(["slapadd", "-f", conf], input=LDIF, text=True, check=True)
    with open(folder / "output", "wb") as output:
        process = spawn(["slapd", "-d", "0", "-f", str(conf), "-h",
                         f"ldap://127.0.0.1:{port}"], output)
        yield port
        process.terminate()
        process.wait(20)
    remove_folder(folder)


def test_ldap(system, directory):
    system.sh("a2enmod -q authnz_ldap")
    mac = enrolled(start(system, "ldap",
                         **{"127.0.0.1:389": f"127.0.0.1:{directory}"}))

    def status(user, password):
        operator = Operator(system, user=user, key=password)
        answer = operator.call("GET", f"/v1/enrollments/{mac.id}")
        operator.close()
        return answer.status

    assert wait_until(lambda: status("alice", "alice-secret") == 200)
    assert status("bob", "bob-secret") == 403           # not in the group
    assert status("alice", "wrong") == 401
    assert status("nanomdm", KEY) == 401


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Provider:
    """An OpenID Connect provider that signs every visitor in as `person`."""

    def __init__(self, folder):
        from cryptography.hazmat.primitives.asymmetric import rsa
        self.key = rsa.generate_private_key(65537, 2048)
        self.person = {}
        self.nonces = {}
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                provider.get(self, url.path,
                             dict(urllib.parse.parse_qsl(url.query)))

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked = dict(urllib.parse.parse_qsl(body.decode()))
                send_json(self, provider.token(asked["code"]))

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with server_identity().file() as pem:
            context.load_cert_chain(pem.name)
        self.server.socket = context.wrap_socket(self.server.socket,
                                                 server_side=True)
        self.ca = folder / "provider-ca.pem"
        self.ca.write_bytes(server_authority().pem)
        self.url = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def get(self, handler, path, asked):
        if path == "/keys":
            numbers = self.key.public_key().public_numbers()
            send_json(handler, {"keys": [{
                "kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig",
                "n": base64url(numbers.n.to_bytes(256, "big")),
                "e": base64url(numbers.e.to_bytes(3, "big"))}]})
            return
        code = f"code{len(self.nonces)}"
        self.nonces[code] = asked.get("nonce")
        handler.send_response(302)
        handler.send_header("Location", asked["redirect_uri"] + "?" + (
            urllib.parse.urlencode({"code": code, "state": asked["state"]})))
        handler.end_headers()

    def token(self, code):
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding
        now = int(time.time())
        claims = {"iss": self.url, "aud": "mdm", "sub": self.person["email"],
                  "iat": now, "exp": now + 300, "nonce": self.nonces[code],
                  **self.person}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (
            {"alg": "RS256", "kid": "1"}, claims))
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(),
                                  hashes.SHA256())
        return {"access_token": "x", "token_type": "Bearer",
                "id_token": f"{signed}.{base64url(signature)}"}


def send_json(handler, value):
    body = json.dumps(value).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def test_oidc(system):
    if not pathlib.Path(
            "/etc/apache2/mods-available/auth_openidc.load").exists():
        pytest.skip("no libapache2-mod-auth-openidc")
    provider = Provider(system.folder)   # which httpd may read
    system.sh("a2enmod -q auth_openidc")
    mac = enrolled(start(system, "oidc",
                         **{"https://id.example.com": provider.url,
                            "https://mdm.example.com":
                            f"https://localhost:{system.tls_port}",
                            "OIDCClientID": f"OIDCCABundlePath {provider.ca}\n"
                                            "OIDCClientID"}))

    def sign_in(**person):
        """What a browser is shown."""
        provider.person = person
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        browser = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(),
            urllib.request.HTTPSHandler(context=context))
        browser.addheaders = [("Accept", "text/html")]
        try:
            with browser.open(f"https://localhost:{system.tls_port}/status",
                              timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    status, text = sign_in(email="alice@example.com", groups=["mdm", "all"])
    assert status == 200 and "<h1>mod_nanomdm</h1>" in text, [
        line for line in system.error_log().splitlines()
        if "auth_openidc" in line]
    status, text = sign_in(email="bob@example.com", groups=["all"])
    assert status in (401, 403) and "<h1>mod_nanomdm</h1>" not in text
    provider.server.shutdown()
    operator = Operator(system)
    assert operator.call("GET", f"/v1/enrollments/{mac.id}").status == 200
    operator.close()
