# SPDX-License-Identifier: Apache-2.0
"""The documents are true: their examples are run, in their order.

What is not run says why, where a document is read.
"""

import contextlib
import os
import plistlib
import re
import socket
import sqlite3
import subprocess

import pytest
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key, pkcs12)

import ca as certs
from apns import Apns
from device import Device, Operator, command
from documents import Reading, System, block
from receiver import Receiver
from server import server_authority, server_identity
from system import ROOT, free_port, run, spawn, wait_until

one_database = pytest.mark.one_database

PUSHES = """\
NanoMDMPushURL {apns.url}
NanoMDMPushCACertificateFile {apns.ca_pem}
"""


@pytest.fixture
def apns():
    with Apns() as apns:
        yield apns


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def system(httpd, apns):
    """A Debian without the module, whose pushes will go to a stand-in."""
    return httpd(make=System, start=False,
                 extra_server="<IfModule nanomdm_module>\n"
                 + PUSHES.format(apns=apns) + "</IfModule>")


def source(system, name):
    """A file in the folder that commands are run in."""
    return system.folder / "source" / name


def play_apple(system, topic):
    """The certificate that the portal gives for push.csr."""
    key = load_pem_private_key(source(system, "push.key").read_bytes(),
                               None)
    cert = certs.mint("APSP:test", key, certs.push_authority(), uid=topic)
    source(system, "push.pem").write_bytes(cert.pem)


def enroll(system, profile):
    """A device does what an enrollment profile says."""
    payloads = {payload["PayloadType"]: payload for payload
                in plistlib.loads(profile)["PayloadContent"]}
    identity = payloads["com.apple.security.pkcs12"]
    mdm = payloads["com.apple.mdm"]
    assert mdm["IdentityCertificateUUID"] == identity["PayloadUUID"]
    server = f"https://localhost:{system.tls_port}"
    assert mdm["ServerURL"].startswith(server)
    key, cert, _ = pkcs12.load_key_and_certificates(
        identity["PayloadContent"], identity["Password"].encode())
    mac = Device(system, certs.Identity(cert, key), topic=mdm["Topic"])
    mac.path = mdm["ServerURL"][len(server):]
    return mac.enroll()


def identity_uuid(system):
    """What the sample of a profile calls the identity's payload."""
    sample = plistlib.loads(source(
        system, "docs/enroll.mobileconfig").read_bytes())
    return sample["PayloadContent"][1]["IdentityCertificateUUID"]


# -- quickstart.md ----------------------------------------------------

@one_database
def test_quickstart(system, apns, receiver):
    read = Reading("docs/quickstart.md")
    system.sh(read.sh("apt-get install make"))

    certbot = read.leave_out("apt-get install certbot", language="sh",
                             because="it asks a public CA on the network")
    system.sh(certbot.splitlines()[0])
    system.sh(read.sh("openssl req -x509 -newkey ec"))
    system.sh(read.sh("openssl req -x509 -newkey ec"))
    system.sh(read.sh("(umask 077"))
    system.site(read.apache("DBDriver sqlite3"))
    system.sh(read.sh("a2ensite nanomdm"))
    system.start()
    assert '{"version":' in system.sh(read.sh("curl"))

    system.sh(read.sh("openssl req -newkey rsa:2048"))
    topic = certs.push_topic()
    play_apple(system, topic)
    assert topic in system.sh(read.sh("key="))
    system.sh(read.sh("topic="))
    system.sh(read.sh("umask 077"))
    mac = enroll(system, system.here(
        source(system, "mac1.mobileconfig").read_text()).encode())
    assert mac.topic == topic
    said = system.sh(read.sh("grep -E"))
    assert f"{mac.id}|Device|1" in said
    assert "TokenUpdate" in said

    scep = plistlib.loads(
        b"<plist>" + read.next("<dict>", "xml").encode() + b"</plist>")
    assert scep["PayloadType"] == "com.apple.security.scep"
    assert scep["PayloadUUID"] == identity_uuid(system)
    assert scep["PayloadContent"]["URL"].startswith("https://")
    system.sh(read.sh("id="))
    assert [request.token for request in apns.requests] == [
        mac.token.hex()]
    command = mac.idle().plist
    assert command["Command"] == {"RequestType": "DeviceInformation",
                                  "Queries": ["OSVersion", "DeviceName"]}
    mac.acknowledge(command["CommandUUID"],
                    QueryResponses={"OSVersion": "15.1"})
    assert "<string>15.1</string>" in system.sh(
        read.sh("sqlite3 /var/lib/nanomdm/nanomdm.db"))

    system.add_to_site(read.apache("NanoMDMWebhookURL").replace(
        "https://hooks.example.com", receiver.url))
    mark = system.mark()
    system.sh(read.sh("apachectl graceful"))
    system.wait_for_log("resuming normal operations", mark)
    mac.close()
    mac.idle()
    event, = receiver.wait_for(1)
    assert event.json()["topic"] == "mdm.Connect"
    read.end()

    # And the next version, one day.
    mark = system.mark()
    system.sh(block("docs/operations.md", "make && make install").text)
    system.wait_for_log("resuming normal operations", mark)
    mac.close()
    assert mac.idle().status == 200
    mac.close()


# -- README.md --------------------------------------------------------

DRAWING = "it is a drawing"


def without_load_module(text):
    """Debian's a2enmod writes these lines elsewhere."""
    return "".join(line for line in text.splitlines(keepends=True)
                   if not line.startswith("LoadModule"))


@one_database
def test_readme(system, receiver, ca, expect_log):
    read = Reading("README.md")
    system.sh(read.sh("apt-get install make"))
    smallest = read.apache("LoadModule dbd_module")
    system.site(without_load_module(smallest))
    folder = system.file("/etc/nanomdm")
    folder.mkdir()
    (folder / "device-ca.pem").write_bytes(ca.pem)
    identity = server_identity()
    (folder / "server.pem").write_bytes(identity.pem + identity.key_pem)
    (folder / "maid.token").write_text("a token")
    system.sh("a2ensite nanomdm")
    system.sh(read.sh("install -d"))
    expect_log("NMDM0003", "better write")    # small, not best
    system.start()

    system.sh("a2enmod proxy proxy_http")
    system.add_to_site(read.apache('<Location "/authproxy/">').replace(
        "http://127.0.0.1:9008", receiver.url))
    system.add_to_site(read.apache("NanoMDMToken"))
    (folder / "webhook.key").write_text("secret")
    system.add_to_site(
        read.apache("NanoMDMWebhookDelivery")
        .replace("https://hooks.example.com", receiver.url)
        .replace("https://siem.example.com", receiver.url))
    system.restart()
    topic = "com.apple.mgmt.External.X"
    mac, pad = [Device(system, ca.issue(), topic=topic).enroll()
                for _ in range(2)]
    assert mac.raw("GET", "/authproxy/file").status == 200
    fetched, = [each for each in receiver.requests if each.path == "/file"]
    assert fetched.headers["X-Enrollment-ID"] == mac.id
    for path, number in ("/mdm", 4), ("/in", 2):
        assert receiver.wait_for(number, path=path)
    assert b"a token" in mac.get_token("com.apple.maid").plist["TokenData"]

    def operate(text):
        """Each time with another command."""
        uuid, plist = command()
        source(system, "command.plist").write_bytes(plist)
        text = text.replace("ID,ID", f"{mac.id},{pad.id}")
        text = re.sub(r'(?<=[/"])ID(?=[?"\n])', mac.id, text)
        text = re.sub(r"COMMAND_UUID|(?<=command_uuid=)UUID", uuid, text)
        said = system.sh(text, CURL_CA_BUNDLE=folder / "server-ca.pem")
        assert "error" not in said
        return uuid, said

    (folder / "server-ca.pem").write_bytes(server_authority().pem)
    pushing = certs.push_certificate(topic)
    source(system, "push.pem").write_bytes(pushing.pem)
    source(system, "push.key").write_bytes(pushing.key_pem)
    uuid, said = operate(read.sh("key="))
    assert said.count(uuid) == 1
    assert said.count(f'"topic": "{topic}"') == 2
    uuid, said = operate(read.sh("# wake devices up"))
    assert said.count(uuid) == 1
    assert said.count("push_result") == 3
    assert [each["Command"]["RequestType"] for each in queued(mac)] == [
        "DeviceInformation", "DeviceInformation"]
    bury(system.file("/var/lib/nanomdm/nanomdm.db"), 17)
    _, said = operate(read.sh("# events that no webhook took"))
    assert all(f'"{key}"' in said for key in ("replayed", "dropped"))
    uuid, said = operate(read.sh("curl $key -T command.plist"))
    assert said.count(uuid) > 3
    assert queued(mac) == []
    source(system, "wifi.mobileconfig").write_bytes(b"a profile")
    operate(read.sh("tools/nmdm-command.py InstallProfile"))
    only, = queued(mac)
    assert only["Command"]["Payload"] == b"a profile"

    read.elsewhere('<Location "/migration">', "apache", test_moving_devices)
    read.elsewhere("tools/nmdm-migrate.py", "sh", test_moving_devices)
    read.leave_out("5  mod_nanomdm*", because=DRAWING)
    read.end()
    for each in mac, pad:
        each.close()


def bury(path, number):
    """A dead event of that number."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "INSERT INTO nanomdm_events (seq, device_id, target, event_id,"
            " topic, body, is_dead, next_at, dies_at, created_at)"
            " VALUES (?, 'D', 'https://gone#1', 'e', 't', '{}', 1, 0, 1, 1)",
            (number,))


def queued(mac):
    """The commands that wait, each answered."""
    commands = []
    answer = mac.idle()
    while answer.body:
        commands.append(answer.plist)
        answer = mac.acknowledge(commands[-1]["CommandUUID"])
    return commands


def test_moving_devices(httpd, fresh_db, ca):
    """From a database of each kind: the line names another driver then."""
    old = httpd(fresh_db())
    Device(old, ca.issue()).enroll().close()
    location = block("README.md", '<Location "/migration">').text
    new = httpd(fresh_db(), extra_vhost=location)
    new.write("server-ca.pem", server_authority().pem)
    line = block("README.md", "tools/nmdm-migrate.py").text
    for theirs, ours in {
            "--driver mysql": f"--driver {old.database.kind}",
            "host=db,dbname=nanomdm,user=mdm,pass=secret":
                str(old.database.params),
            "https://mdm.example.com": f"https://localhost:{new.tls_port}",
            "/etc/nanomdm": str(new.folder)}.items():
        assert theirs in line
        line = line.replace(theirs, ours)
    done = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False, text=True,
        env={**os.environ, "SSL_CERT_FILE": f"{new.folder}/server-ca.pem"})
    assert done.returncode == 0, done.stdout
    assert new.database.query("SELECT COUNT(*) FROM enrollments") == [(1,)]


# -- operations.md ----------------------------------------------------

@one_database
def test_operations(httpd, ca):
    read = Reading("docs/operations.md")
    query = read.next('{"filter"', "json")
    port = free_port()
    tuned = httpd(
        extra_server="\n".join([
            "Define APACHE_RUN_DIR {folder}",
            read.apache("StartServers"), read.apache("KeepAlive On"),
            at_home(read.apache("Listen 127.0.0.1:8443")).replace(
                "8443", str(port))]),
        extra_vhost=read.apache("RequestReadTimeout"),
        modules=["reqtimeout"])
    mac = Device(tuned, ca.issue()).enroll()
    inner = Operator(tuned)
    inner.port = port
    uuid, plist = command()
    assert inner.enqueue(mac.id, plist).status == 200
    assert mac.idle().body == plist
    query = query.replace('"ids": []', f'"ids": ["{mac.id}"]')
    found = inner.call("POST", "/v1/enrollments/query", query.encode(),
                       {"Content-Type": "application/json"})
    assert mac.id in [each["id"] for each in found.json["enrollments"]]
    mac.close()
    inner.close()

    read.elsewhere("NanoMDMIdentity header", "apache", test_proxy)
    read.elsewhere("SSLVerifyClient", "apache", test_proxy)
    read.elsewhere("server {", "nginx", test_proxy)
    read.elsewhere("frontend devices", "haproxy", test_proxy)
    read.elsewhere("sqlite3", "sh", test_backup)
    read.elsewhere("make && make install", "sh", test_quickstart)
    read.end()


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


@pytest.fixture
def proxy(httpd, ca, tmp_path):
    """A proxy of a kind, as the guide has it, before a server."""
    backend = httpd(extra_vhost=SIGNED + block(
        "docs/operations.md", "NanoMDMIdentity header").text.replace(
            "192.0.2.10", "127.0.0.1"))
    with contextlib.ExitStack() as stack:
        def make(kind, start):
            example = block("docs/operations.md", start).text
            if kind == "httpd":
                return httpd(
                    without=["nanomdm", "database", "plain"],
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


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_backup(httpd, fresh_db, ca, tmp_path):
    """The line for each database, while httpd runs."""
    database = fresh_db()
    server = database.server
    Device(httpd(database), ca.issue()).enroll().close()
    lines = dict(zip(("sqlite3", "pgsql", "mysql"), block(
        "docs/operations.md", "sqlite3").text.splitlines()))
    line = lines[server.kind].replace("/backup", str(tmp_path)).replace(
        "/var/lib/nanomdm/nanomdm.db", str(database.params)).replace(
        " mdm ", f" {database.name} ")
    (tmp_path / ".my.cnf").write_text("[client]\nuser=root\nsocket="
                                      f"{getattr(server, 'socket', '')}\n")
    run("bash", "-c", line, env={
        **os.environ, "HOME": str(tmp_path), "PGUSER": "postgres",
        "PGHOST": str(server.folder), "PGPORT": str(
            getattr(server, "port", ""))})
    saved, = [path for path in tmp_path.iterdir()
              if path.name != ".my.cnf"]
    assert b"enrollments" in saved.read_bytes()
