# SPDX-License-Identifier: Apache-2.0
"""What docs/operations.md says is true."""

import contextlib
import os
import pathlib
import socket
import ssl

import pytest

import ca as certs
import test_documents
from device import Device, Operator, command
from documents import Reading, block, blocks
from server import server_identity
from system import free_port, run, spawn, wait_until
from tables import associate
from test_seal import Home
from test_traffic_dump import RECORD

pytestmark = pytest.mark.unsanitized
one_database = pytest.mark.one_database


@one_database
def test_operations(httpd, ca):
    read = Reading("docs/operations.md")
    assert RECORD.fullmatch(read.next("==== ", "text").encode())
    query = read.next('{"filter"', "json")
    ending = read.apache("CustomLog")
    health = read.apache('<Location "/health">')
    read.leave_out("# HAProxy", language="text",
                   because="lines of three other programs")
    port = free_port()
    start, keep, inner = [read.apache(each) for each in (
        "StartServers", "KeepAlive On", "Listen 127.0.0.1:8443")]
    read.leave_out('<Location "/v1">', language="apache",
                   because="test_examples runs it with each right")
    tuned = httpd(
        extra_server="\n".join([
            "Define APACHE_RUN_DIR {folder}",
            "Define APACHE_LOG_DIR {folder}", ending,
            start, keep, at_home(inner).replace("8443", str(port))]),
        extra_vhost=health + read.apache("RequestReadTimeout"),
        modules=["reqtimeout"])
    mac = Device(tuned, ca.issue()).enroll()
    inner = Operator(tuned)
    inner.port = port
    uuid, plist = command()
    assert inner.enqueue(mac.id, plist).status == 200
    assert mac.idle().body == plist
    assert mac.raw("GET", "/health").body == b"ok\n"
    query = query.replace('"ids": []', f'"ids": ["{mac.id}"]')
    found = inner.call("POST", "/v1/enrollments/query", query.encode(),
                       {"Content-Type": "application/json"})
    assert mac.id in [each["id"] for each in found.json["enrollments"]]
    Device(tuned, ca.issue(days=3)).enroll().close()
    ending_log = tuned.folder / "ending.log"
    assert wait_until(lambda: ending_log.read_text().count("\n") == 2)
    assert mac.id not in ending_log.read_text()
    mac.close()
    inner.close()

    read.elsewhere("NanoMDMIdentity header", "apache", test_proxy)
    read.elsewhere("SSLVerifyClient", "apache", test_proxy)
    read.elsewhere("server {", "nginx", test_proxy)
    read.elsewhere("frontend devices", "haproxy", test_proxy)
    read.elsewhere("(umask 077", "sh", test_changing_the_storage_key)
    for _ in range(3):
        read.elsewhere("NanoMDMStorageKey", "apache",
                       test_changing_the_storage_key)
    read.elsewhere("sqlite3", "sh", test_backup_and_restore)
    read.elsewhere("install -o www-data", "sh", test_backup_and_restore)
    read.elsewhere("make && make install", "sh",
                   test_documents.test_quickstart)
    read.end()


@one_database
def test_changing_the_storage_key(httpd, fresh_db, device, apns):
    """As the guide says, beginning with the line of the configuration guide."""
    def ours(text):
        return (text.replace("/etc/nanomdm/storage-new.key", "{folder}/b.key")
                .replace("/etc/nanomdm/storage.key", "{folder}/a.key"))
    make, both, new, off = [
        ours(each.text) for each in blocks("docs/operations.md")
        if "storage-new.key" in each.text]
    home = Home(httpd, fresh_db(), apns, ours(
        block("docs/configuration.md", "NanoMDMStorageKey").text)).move_in(device)
    home.settled_with("a")
    run("sh", "-c", make.format(folder=home.server.folder))
    home.keys["b"] = (home.server.folder / "b.key").read_text().strip()
    for line in both, new:
        mark = home.configure(line.strip())
        home.settled_with("b", mark)
        home.assert_serves()
    home.settled("NMDM0956", home.configure(off.strip()))
    home.assert_clear()
    home.assert_serves()
    home.operator.close()


def at_home(text):
    """With the paths that a server of the harness has."""
    return text.replace("/etc/nanomdm/", "{folder}/")


class Proxy:
    """nginx or HAProxy with an example as its configuration."""

    WRAPPED = {
        "nginx": ("daemon off;\npid {folder}/pid;\nuser www-data;\n"
                  "error_log {folder}/error.log;\nevents {{}}\n"
                  "http {{ access_log off;\n{example}}}\n"),
        "haproxy": ("defaults\n    timeout connect 5s\n"
                    "    timeout client 5s\n    timeout server 5s\n"
                    "{example}"),
    }
    START = {"nginx": ["nginx", "-c"], "haproxy": ["haproxy", "-db", "-f"]}

    def __init__(self, kind, example, folder, backend):
        self.tls_port = free_port()
        for theirs, ours in {
                "listen 443": f"listen 127.0.0.1:{self.tls_port}",
                "bind :443": f"bind 127.0.0.1:{self.tls_port}",
                "/etc/nanomdm": str(folder),
                "192.0.2.20:80": f"127.0.0.1:{backend.port}",
                "http://192.0.2.20": f"http://127.0.0.1:{backend.port}",
        }.items():
            example = example.replace(theirs, ours)
        conf = folder / "conf"
        conf.write_text(self.WRAPPED[kind].format(folder=folder,
                                                  example=example))
        self.output = open(folder / "output", "wb")
        self.process = spawn([*self.START[kind], str(conf)], self.output)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.output.close()


SIGNED = """\
<Location "/signed">
    SetHandler nanomdm
    NanoMDMIdentity signature
</Location>
"""

PATIENT = f"NanoMDMIdentityGrace {10 * 86400}\n"


@pytest.fixture
def proxy(httpd, ca, tmp_path):
    """A proxy of a kind, as the guide has it, before a server."""
    backend = httpd(extra_vhost=SIGNED + PATIENT + block(
        "docs/operations.md", "NanoMDMIdentity header").text.replace(
            "192.0.2.10", "127.0.0.1"))
    with contextlib.ExitStack() as stack:
        def make(kind, start, document="docs/operations.md"):
            example = block(document, start).text
            if kind.startswith("httpd"):
                return httpd(
                    without=["mdm", "api", "version", "api_key", "database",
                             "plain"] + ["nanomdm"] * (kind == "httpd"),
                    modules=["proxy", "proxy_http"],
                    extra_vhost=example.replace(
                        "192.0.2.20", f"127.0.0.1:{backend.port}"))
            identity = server_identity()
            (tmp_path / "server.pem").write_bytes(
                identity.pem + identity.key_pem)
            (tmp_path / "server.key").write_bytes(identity.key_pem)
            (tmp_path / "device-ca.pem").write_bytes(ca.pem)
            return stack.enter_context(Proxy(kind, example, tmp_path,
                                             backend))
        make.backend = backend
        yield make


@one_database
@pytest.mark.parametrize("kind, start", [
    ("httpd", "SSLVerifyClient"), ("nginx", "server {"),
    ("haproxy", "frontend devices")])
def test_proxy(proxy, ca, kind, start):
    """A device enrolls through it; nobody else does, whatever they say."""
    front = proxy(kind, start)
    mac = Device(front, ca.issue())
    assert wait_until(lambda: listens(front.tls_port))
    mac.enroll()
    assert mac.idle().status == 200
    signing = Device(front, ca.issue(), transport="signature")
    signing.path = "/signed"
    signing.enroll().close()
    for other in (Device(front, certs.root("Other").issue()),
                  Device(front, mac.identity, udid=mac.udid,
                         transport="header", header="X-SSL-Client-Cert",
                         plain=False)):
        assert other.idle().status == 400
        other.close()
    mac.close()


@pytest.fixture
def through(proxy, ca):
    """through(identity, udid): a device at a proxy."""
    devices = []

    def make(front, identity, udid=None):
        assert wait_until(lambda: listens(front.tls_port))
        devices.append(Device(front, identity, udid=udid))
        return devices[-1]
    yield make
    for mac in devices:
        mac.close()


@one_database
@pytest.mark.parametrize("kind, start, document", [
    ("nginx", "server {", "docs/identity.md"),
    ("haproxy", "frontend devices", "docs/operations.md"),
    ("httpd and this module", "SSLVerifyClient", "docs/operations.md")])
def test_expired_identity_through_a_proxy(proxy, through, ca, kind, start,
                                          document):
    """docs/identity.md: these pass it on, and this server judges it: served
    within NanoMDMIdentityGrace, body and all, and refused otherwise."""
    front = proxy(kind, start, document)
    mac = through(front, ca.issue()).enroll()
    old = through(front, ca.issue(start=-9, days=-2), mac.udid)
    associate(proxy.backend.database, old)
    uuid, plist = command()
    assert Operator(proxy.backend).enqueue(mac.id, plist).status == 200
    assert old.idle().body == plist
    assert old.acknowledge(uuid, Answer=b"x" * 2000000).status == 200
    assert b"eHh4" in Operator(proxy.backend).call(
        "GET", f"/v1/results/{mac.id}").body
    assert old.authenticate().status == 200
    stranger = through(front, ca.issue(start=-9, days=-2))
    for answer in stranger.authenticate(), through(front, ca.issue(
            start=-20, days=-15), mac.udid).idle():
        assert (answer.status, answer.body) == (400, b"Bad Request\n")
    for eku in "any", None:
        assert through(front, ca.issue(eku=eku)).enroll().idle().status == 200


@one_database
def test_expired_identity_that_a_proxy_refuses(proxy, through, ca):
    """The other lines of that table: nginx without error_page answers by
    itself, and httpd without this module ends the handshake."""
    expired = ca.issue(start=-9, days=-2)
    answer = through(proxy("nginx", "server {"), expired).idle()
    assert answer.status == 400
    assert b"The SSL certificate error" in answer.body
    with pytest.raises((ssl.SSLError, ConnectionError)):
        through(proxy("httpd", "SSLVerifyClient"), expired).idle()


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_backup_and_restore(httpd, fresh_db, ca, tmp_path, expect_log):
    """The lines for each database: while httpd runs, and while it does not."""
    database = fresh_db()
    server, node = database.server, httpd(database)

    def run_line(start):
        lines = dict(zip(("sqlite3", "pgsql", "mysql"), block(
            "docs/operations.md", start).text.splitlines()))
        line = lines[server.kind].replace("/backup", str(tmp_path))
        place = pathlib.Path(str(database.params))
        for old, new in (("/var/lib/nanomdm/nanomdm.db", str(place)),
                         ("/nanomdm.db /var/lib/nanomdm",
                          f"/nanomdm.db {place}"),
                         (" mdm ", f" {database.name} ")):
            line = line.replace(old, new)
        (tmp_path / ".my.cnf").write_text(
            "[client]\nuser=root\nsocket="
            f"{getattr(server, 'socket', '')}\n")
        run("bash", "-c", line, env={
            **os.environ, "HOME": str(tmp_path), "PGUSER": "postgres",
            "PGHOST": str(server.folder), "PGPORT": str(
                getattr(server, "port", ""))})

    before = Device(node, ca.issue()).enroll()
    run_line("sqlite3")
    saved, = [path for path in tmp_path.iterdir()
              if path.name != ".my.cnf"]
    assert b"enrollments" in saved.read_bytes()
    later = Device(node, ca.issue()).enroll()
    node.stop()
    run_line("install -o www-data")
    node.start()
    expect_log("NMDM0728")
    assert before.idle().status == 200 and later.idle().status == 500
