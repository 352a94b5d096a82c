# SPDX-License-Identifier: Apache-2.0
"""The documents are true: their examples are run, in their order.

What is not run says why, where a document is read.
"""

import contextlib
import http.client
import json
import os
import plistlib
import re
import shutil
import socket
import sqlite3
import ssl
import subprocess
import time

import pytest
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key, pkcs12)

import ca as certs
from apns import Answer as Refusal
from device import REPORT, Client, Device, Operator, command
from documents import Reading, System, block, blocks
from enrolling import Profile, enrolled
from filekv import FileKV
from receiver import Answer, Receiver
from server import TLS, server_authority, server_identity
from system import ROOT, free_port, run, spawn, wait_until
from tables import associate
from test_traffic_dump import RECORD
from test_seal import Home

pytestmark = pytest.mark.unsanitized
one_database = pytest.mark.one_database

PUSHES = """\
NanoMDMPushURL {apns.url}
NanoMDMPushCACertificateFile {apns.ca_pem}
"""


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


# -- quickstart.md ----------------------------------------------------

def check_strictly(system):
    """As Python's programs verify from 3.13 on: key usage in the authority,
    key identifiers in both."""
    context = ssl.create_default_context(
        cafile=system.here("/etc/nanomdm/server-ca.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with socket.create_connection(("127.0.0.1", system.tls_port)) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as sock:
        assert sock.getpeercert()


def enroll_by_link(system, url):
    """A device opens a link and does what the profile says."""
    path = url.partition(f":{system.tls_port}")[2]
    client = Client(system)
    answer = client.raw("GET", path)
    client.close()
    assert answer.status == 200, answer
    profile = Profile(answer.body)
    anchors = certs.from_files(
        system.file("/etc/nanomdm/server-ca.pem"),
        system.file("/etc/nanomdm/server-ca.key"))
    assert profile.payloads[0]["PayloadContent"] == anchors.der
    issuer = certs.from_files(system.file("/etc/nanomdm/issuer.pem"),
                              system.file("/etc/nanomdm/issuer.key"))
    return enrolled(system, issuer, profile)


EXAMPLE = "mdm.example.c[o]m"   # to sed the same; the harness knows it not


def put_host_in(system, block):
    """What puts the host's name where the example has another."""
    assert "s/mdm.example.com/" in block or "s|mdm.example.com|" in block
    return system.sh(block.replace("mdm.example.com", EXAMPLE))


def check_printed(said, example):
    """The JSON that a document shows has the keys of the JSON printed."""
    def shape(value):
        return {("ID" if re.fullmatch(r"[-0-9A-F]{36}", key) else key):
                shape(each) for key, each in value.items()
                } if isinstance(value, dict) else type(value)
    said, example = (json.loads(text[text.index("{"):])
                     for text in (said, example))
    assert shape(said) == shape(example)
    assert [*said] == [*example]


@one_database
def test_quickstart_is_for_zsh_too():
    """Where a word with a variable is one word, and where ? and * that
    match nothing end a command."""
    if not shutil.which("zsh"):
        pytest.skip("no zsh")
    for each in blocks("docs/quickstart.md"):
        if each.language == "sh":
            run("zsh", "-n", "-c", each.text)
            words = re.sub(r"'[^']*'|\"[^\"]*\"", "", each.text)
            assert not re.search(r"[?]|=\(|\$\{", words), each


@one_database
def test_quickstart(system, apns, receiver):
    read = Reading("docs/quickstart.md")
    for start, language in (("apt-get update", "sh"), ("2C543A24", "text")):
        read.leave_out(start, language=language, because="make check-packages"
                       " replays it on a fresh Debian 13")
    system.sh(read.sh("host="))
    system.sh(read.sh("apt-get install make"))

    certbot = read.leave_out("apt-get install certbot", language="sh",
                             because="it asks a public CA on the network")
    system.sh(certbot.splitlines()[0])
    system.sh(read.sh("openssl req -x509 -newkey ec"))
    anchors = read.apache("NanoMDMEnrollAnchors")
    assert "NanoMDMIssuerKeyFile" in system.sh(read.sh("sh tools/nmdm-ca.sh"))
    system.sh(read.sh("(umask 077"))
    system.site(read.apache("DBDriver sqlite3"))
    system.add_to_site(anchors)
    site = system.site()
    site.write_text(site.read_text().replace("ServerName localhost",
                                             "ServerName mdm.example.com"))
    said = put_host_in(system, read.sh("sed -i"))
    assert "ServerName localhost\n" in site.read_text()
    assert "Syntax OK" in said
    system.start()
    assert '{"version":' in system.sh(read.sh("curl"))
    check_strictly(system)

    system.sh(read.sh("openssl req -newkey rsa:2048"))
    topic = certs.push_topic()
    play_apple(system, topic)
    said = system.sh(read.sh("key="))
    assert topic in said
    check_printed(said, read.next("{", "json"))
    said = system.sh(read.sh("curl $key -d"))
    check_printed(said, read.next("{", "json"))
    url = json.loads(said)["url"]
    mac = enroll_by_link(system, url)
    assert mac.topic == topic
    read.leave_out("VPN", language="text",
                   because="it is what a device shows")
    said = system.sh(read.sh("grep -E"))
    assert f"{mac.id}|Device|1" in said
    for line in ("profile given", "issued to", "TokenUpdate"):
        assert line in said

    said = system.sh(read.sh("id="))
    check_printed(said, read.next("{", "json"))
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

    system.file("/etc/nanomdm/enroll.plist").write_text(
        read.next("<plist", "xml"))
    system.add_to_site(read.apache("NanoMDMEnrollTemplate"))
    mark = system.mark()
    system.sh("apachectl configtest && apachectl graceful")
    system.wait_for_log("resuming normal operations", mark)
    client = Client(system)
    path = system.sh("curl $key -X POST https://mdm.example.com/v1/enroll-links")
    answer = client.raw("GET", re.search("/enroll/[^\"]*", path)[0])
    client.close()
    asked = Profile(answer.body).scep["PayloadContent"]
    assert asked["URL"] == "https://scep.example.com/scep"

    system.sh(read.sh("topic="))
    put_host_in(system, read.sh("umask 077"))
    profile = source(system, "mac1.mobileconfig").read_text()
    assert "<string>https://localhost/mdm</string>" in profile
    other = enroll(system, profile.replace(
        "https://localhost", f"https://localhost:{system.tls_port}").encode())
    assert other.topic == topic
    other.close()
    read.end()

    # And the next version, one day.
    mark = system.mark()
    system.sh(block("docs/operations.md", "make && make install").text)
    system.wait_for_log("resuming normal operations", mark)
    mac.close()
    assert mac.idle().status == 200
    mac.close()


# -- enrollment.md ----------------------------------------------------

@one_database
def test_enrollment(system, ca):
    """Its configuration is taken, its link opened, its profile verified."""
    system.sh("make install && a2enmod ssl nanomdm authn_file && "
              "install -d /etc/nanomdm && install -d -o www-data"
              " -g www-data /var/lib/nanomdm")
    system.site(without_locations(block("docs/quickstart.md",
                                        "DBDriver sqlite3").text))
    system.sh("a2ensite nanomdm")
    identity = server_identity()
    folder = system.file("/etc/nanomdm")
    for name, data in {
            "server.pem": identity.pem, "server.key": identity.key_pem,
            "signer.pem": identity.pem + identity.key_pem,
            "apple-device-ca.pem": ca.pem, "people": b""}.items():
        (folder / name).write_bytes(data)
    (folder / "signer.pem").chmod(0o600)
    system.sh(block("docs/quickstart.md", "sh tools/nmdm-ca.sh").text)
    system.sh(block("docs/quickstart.md", "(umask 077").text)
    read = Reading("docs/enrollment.md")
    system.add_to_site(read.apache("NanoMDMIssuerCertificateFile"))
    system.add_to_site("NanoMDMEnrollTopic com.apple.mgmt.x\n"
                       "NanoMDMEnrollSigner /etc/nanomdm/signer.pem\n")
    link = read.sh("curl").splitlines()
    people = read.apache('<Location "/enroll">')
    verify = read.sh("openssl cms -verify")
    system.add_to_site(read.apache("NanoMDMEnrollDeviceCA"))
    read.end()
    system.add_to_site(people)
    system.start()
    key = (folder / "api.key").read_text().strip()
    said = system.sh("\n".join(link[:2]).replace("KEY", key) + " --insecure")
    assert re.search(r'"expires": "20\d\d-', said) and '"url"' in link[2]
    client = Client(system)
    assert client.raw("GET", "/enroll").status == 401
    path = re.search("/enroll/[^\"]*", said)[0]
    answer = client.raw("GET", path)
    client.close()
    source(system, "enroll.mobileconfig").write_bytes(answer.body)
    assert "C02XYZ" in system.sh(verify)


def without_locations(text):
    """Those of devices and the issuer come from the other document."""
    text = re.sub(r' *<Location "/(mdm|scep|enroll)">.*?</Location>\n', "",
                  text, flags=re.DOTALL)
    return re.sub(r" *NanoMDM(CAC|Issuer).*\n", "", text)


# -- README.md --------------------------------------------------------

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
    assert folder.is_dir()          # made by "make install"
    (folder / "device-ca.pem").write_bytes(ca.pem)
    identity = server_identity()
    (folder / "server.pem").write_bytes(identity.pem + identity.key_pem)
    (folder / "maid.token").write_text("a token")
    system.sh("a2ensite nanomdm")
    system.sh(read.sh("install -d"))
    expect_log("NMDM0003", "better write")    # small, not best
    system.start()
    assert Device(system, ca.issue()).enroll().idle().status == 200
    read.end()


@pytest.fixture
def small_site(system, ca, expect_log):
    """A server with README's smallest configuration; not started."""
    system.sh("make install && a2enmod ssl nanomdm")
    system.site(without_load_module(
        block("README.md", "LoadModule dbd_module").text))
    folder = system.file("/etc/nanomdm")
    assert folder.is_dir()          # made by "make install"
    (folder / "device-ca.pem").write_bytes(ca.pem)
    identity = server_identity()
    (folder / "server.pem").write_bytes(identity.pem + identity.key_pem)
    (folder / "maid.token").write_text("a token")
    system.sh("a2ensite nanomdm")
    system.sh(block("README.md", "install -d").text)
    expect_log("NMDM0003", "better write")
    return folder


@one_database
def test_configuration_guide(system, small_site, receiver, ca):
    read = Reading("docs/configuration.md")
    folder = small_site
    system.start()
    system.sh("a2enmod proxy proxy_http")
    system.add_to_site(read.apache("NanoMDMRetention"))
    system.sh(read.sh("(umask 077; openssl rand -hex 32 > /etc/nanomdm/st"))
    system.add_to_site(read.apache("NanoMDMStorageKey"))
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
    read.end()
    for each in mac, pad:
        each.close()


@one_database
def test_api_guide(system, small_site, ca):
    read = Reading("docs/api.md")
    folder = small_site
    system.start()
    topic = "com.apple.mgmt.External.X"
    mac, pad = [Device(system, ca.issue(), topic=topic).enroll()
                for _ in range(2)]

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
    read.end()
    for each in mac, pad:
        each.close()


def test_migration_guide():
    read = Reading("docs/migration.md")
    read.elsewhere('<Location "/migration">', "apache", test_moving_devices)
    read.elsewhere("tools/nmdm-migrate.py", "sh", test_moving_devices)
    read.elsewhere("tools/nmdm-import.py", "sh",
                   test_importing_a_file_storage)
    read.end()


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
    location = block("docs/migration.md", '<Location "/migration">').text
    new = httpd(fresh_db(), extra_vhost=location)
    new.write("server-ca.pem", server_authority().pem)
    line = block("docs/migration.md", "tools/nmdm-migrate.py").text
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


def test_importing_a_file_storage(httpd, fresh_db, ca, tmp_path):
    """The line names another driver, database and folder then."""
    new = httpd(fresh_db())
    mac = Device(new, ca.issue())
    files = FileKV(tmp_path / "dbkv")
    files.authenticate(mac)
    files.token_update(mac)
    line = block("docs/migration.md", "tools/nmdm-import.py").text
    for theirs, ours in {
            "--driver pgsql": f"--driver {new.database.kind}",
            "host=db dbname=mdm user=mdm password=secret":
                str(new.database.params),
            "/var/lib/nanomdm/dbkv": str(files.root)}.items():
        assert theirs in line
        line = line.replace(theirs, ours)
    done = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False, text=True)
    assert done.returncode == 0, done.stdout
    assert mac.idle().status == 200
    mac.close()


# -- operations.md ----------------------------------------------------

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
    read.leave_out("<LocationMatch", language="apache",
                   because="test_access runs it with each right")
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
    read.elsewhere("sqlite3", "sh", test_backup)
    read.elsewhere("make && make install", "sh", test_quickstart)
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


# -- stuck.md ---------------------------------------------------------

STUCK = PUSHES + """\
NanoMDMWebhookURL {receiver.url}
NanoMDMWebhookDelivery durable
"""
LATER = """\
<Location "/migration">
    SetHandler nanomdm-migration
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
</Location>
<Location "/retroactive">
    SetHandler nanomdm
    NanoMDMRetroactive On
</Location>
"""


class Desk:
    """Where somebody asks why, with the commands of the document, and
    compares the answers with those of the document."""

    def __init__(self, read, server):
        self.read, self.server = read, server
        server.write("server-ca.pem", server_authority().pem)
        server.write(".curlrc", "silent")
        self.key = read.sh("key=")

    def fill(self, text, names):
        for theirs, ours in {
                "https://mdm.example.com":
                    f"https://localhost:{self.server.tls_port}",
                "/etc/nanomdm": str(self.server.folder),
                "/var/log/apache2": str(self.server.folder)}.items():
            text = text.replace(theirs, ours)
        for name, value in names.items():
            text = re.sub(rf"\b{name}\b", value, text)
        return text

    def ask(self, line, **names):
        """What a line prints."""
        done = subprocess.run(
            ["bash", "-c", self.fill(self.key + line, names)],
            stdout=subprocess.PIPE, check=False, text=True,
            env={**os.environ, "CURL_HOME": str(self.server.folder),
                 "CURL_CA_BUNDLE": f"{self.server.folder}/server-ca.pem"})
        return done.stdout

    def sees(self, said, **names):
        """The answer has all that the document shows next."""
        self.compare(self.read.next("{", "json"), said, **names)

    def compare(self, text, said, **names):
        shown = json.loads(self.fill(text, names))
        assert matches(shown, json.loads(said)), f"{said} is not {shown}"


def matches(shown, said):
    if shown == "...":
        return isinstance(said, str) and said
    if isinstance(shown, dict):
        return isinstance(said, dict) and all(
            key in said and matches(value, said[key])
            for key, value in shown.items())
    if isinstance(shown, list):
        return len(shown) == len(said) and all(map(matches, shown, said))
    return type(shown) is type(said) and shown == said


@one_database
def test_stuck(httpd, fresh_db, ca, apns, receiver, harness, expect_log):
    read = Reading("docs/stuck.md")
    server = httpd(fresh_db(), extra_vhost=LATER + STUCK.format(
        apns=apns, receiver=receiver))
    desk = Desk(read, server)
    operator = Operator(server)
    mac = Device(server, ca.issue(), topic=certs.push_topic())
    log = read.sh('grep "ID"')

    one = read.sh("curl $key https://mdm.example.com/v1/enrollments/ID")
    unknown = desk.ask(one, ID=mac.id)
    mac.authenticate()
    begun = desk.ask(one, ID=mac.id)
    assert mac.token_update().status == 200
    desk.sees(desk.ask(one, ID=mac.id), ID=mac.id)
    desk.sees(begun, ID=mac.id)
    desk.sees(unknown)
    read.sh("grep -E")                  # test_five_stuck_devices runs it
    assert "NMDM0705" in desk.ask(log, ID=mac.id)
    left = read.next("{", "json")
    for leave in mac.checkout, lambda: mac.enroll().authenticate():
        assert leave().status == 200
        desk.compare(left, desk.ask(one, ID=mac.id), ID=mac.id)
    assert mac.token_update().status == 200

    check_pushes(desk, mac, operator, apns, expect_log, one)
    check_commands(desk, mac, operator)
    check_identities(desk, server, operator, httpd, ca, one)
    check_events(desk, mac, receiver, expect_log)
    check_database(desk, harness, httpd, ca, expect_log)
    read.end()
    mac.close()
    operator.close()


@one_database
def test_five_stuck_devices(httpd, fresh_db, ca, apns, expect_log):
    """Found as the document says, each within two of its lines: the first is
    the enrollment, the second what its answer points to."""
    server = httpd(fresh_db(), extra_vhost=PUSHES.format(apns=apns))
    desk = Desk(Reading("docs/stuck.md"), server)
    operator = Operator(server)
    topic = certs.push_topic()
    assert operator.pushcert_put(certs.push_certificate(topic)).status == 200

    def line(start):
        return block("docs/stuck.md", start).text
    first = line("curl $key https://mdm.example.com/v1/enrollments/ID")
    refusals = line('grep -E "NMDM')
    about = line('grep "ID"')
    queue = line("curl $key https://mdm.example.com/v1/queue/ID")

    # A wrong CA.
    wrong = Device(server, certs.root("Another CA").issue())
    assert wrong.authenticate().status == 400
    assert "error" in json.loads(desk.ask(first, ID=wrong.id))
    said = desk.ask(refusals)
    assert "NMDM0306" in said and "Another CA" in said, said

    # A copied identity.
    old = Device(server, ca.issue(), topic=topic).enroll()
    copied = Device(server, old.identity)
    assert copied.idle().status == 500
    assert "error" in json.loads(desk.ask(first, ID=copied.id))
    said = desk.ask(refusals)
    assert re.search(f"NMDM0701: {copied.id}.*belongs to.*{old.id}", said), \
        said

    # A NUL in a report, which is stored all the same.
    odd = Device(server, ca.issue(), topic=topic).enroll()
    uuid, plist = command("InstalledApplicationList")
    assert operator.enqueue(odd.id, plist).status == 200
    assert odd.idle().body == plist
    body = plistlib.dumps({**odd.ids(), "Status": "Acknowledged",
                           "CommandUUID": uuid, "Name": "@"})
    assert odd.send(body.replace(b"@", b"a\0b"),
                    REPORT).status == 200
    state = json.loads(desk.ask(first, ID=odd.id))
    assert (state["queue"]["pending"], state["last_report"]["status"]) == (
        0, "Acknowledged")
    assert f"NMDM0727: {odd.id}: 1 character" in desk.ask(about, ID=odd.id)

    # A push that APNs refuses.
    apns.default = Refusal(410, "Unregistered")
    gone = Device(server, ca.issue(), topic=topic).enroll()
    expect_log("NMDM0909", gone.id, "Unregistered")
    answer = operator.call("PUT", f"/v1/enqueue/{gone.id}", command()[1])
    assert "Unregistered" in answer.json["status"][gone.id]["push_error"]
    push = json.loads(desk.ask(first, ID=gone.id))["push"]
    assert (push["status"], push["reason"]) == (410, "Unregistered")
    apns.default = Refusal()

    # A command that the device defers.
    busy = Device(server, ca.issue(), topic=topic).enroll()
    uuid, plist = command("InstallProfile", Payload=b"a profile")
    assert operator.enqueue(busy.id, plist).status == 200
    assert busy.idle().body == plist
    assert busy.not_now(uuid).status == 200
    assert json.loads(desk.ask(first, ID=busy.id))["queue"]["not_now"] == 1
    waits, = json.loads(desk.ask(queue, ID=busy.id))["commands"]
    assert (waits["command_uuid"], waits["status"]) == (uuid, "NotNow")
    for each in wrong, old, copied, odd, gone, busy:
        each.close()
    operator.close()


def check_pushes(desk, mac, operator, apns, expect_log, one):
    push = desk.read.sh("curl $key https://mdm.example.com/v1/push/ID")
    refused = desk.read.next("{", "json")
    later = desk.read.next("{", "json")
    certificate = desk.read.sh("curl $key")
    names = {"ID": mac.id, "TOPIC": mac.topic}
    pushing = certs.push_certificate(mac.topic)
    missing = desk.ask(certificate, **names)
    expect_log("NMDM0916", "none is stored")
    assert "none is stored" in desk.ask(push, **names)
    old = certs.push_certificate(mac.topic, start=-9, days=-2)
    assert operator.pushcert_put(old).status == 200
    assert json.loads(desk.ask(certificate, **names))["not_after"] < \
        time.strftime("%Y-%m-%dT", time.gmtime())
    assert operator.pushcert_put(pushing).status == 200
    desk.sees(desk.ask(certificate, **names), **names)
    desk.sees(missing)
    apns.default = Refusal(410, "Unregistered")
    expect_log("NMDM0909", mac.id, "Unregistered")
    desk.compare(refused, desk.ask(push, **names), **names)
    desk.compare(later, desk.ask(one, **names), **names)
    assert mac.token_update().status == 200
    assert "status" not in json.loads(desk.ask(one, **names))["push"]
    apns.default = Refusal()
    assert "push_error" not in desk.ask(push, **names)


def check_commands(desk, mac, operator):
    queue = desk.read.sh("curl $key https://mdm.example.com/v1/queue/ID")
    uuid, plist = command("InstallProfile", Payload=b"a profile")
    assert operator.enqueue(mac.id, plist).status == 200
    assert mac.idle().body == plist
    assert mac.not_now(uuid).body == b""
    desk.sees(desk.ask(queue, ID=mac.id), UUID=uuid)
    assert mac.idle().body == plist

    one = desk.read.sh("curl $key https://mdm.example.com/v1/commands/UUID")
    operator.call("DELETE", f"/v1/queue/{mac.id}")
    desk.sees(desk.ask(one, UUID=uuid), ID=mac.id, UUID=uuid)
    assert mac.idle().body == b""
    answered, plist = command()
    operator.enqueue(mac.id, plist)
    assert '"pending"' in desk.ask(one, UUID=answered)
    mac.error(answered)
    assert '"answered"' in desk.ask(one, UUID=answered)
    results = operator.call("GET", f"/v1/results/{mac.id}"
                            f"?command_uuid={answered}").json["results"]
    assert results[0]["status"] == "Error"
    assert results[0]["result_json"]["ErrorChain"]
    short, plist = command()
    operator.call("PUT", f"/v1/enqueue/{mac.id}?nopush=1&expires=1", plist)
    assert wait_until(lambda: '"expired"' in desk.ask(one, UUID=short))

    (first, plist), (_, next_plist) = command(), command("DeviceLock")
    operator.enqueue(mac.id, plist)
    operator.enqueue(mac.id, next_plist)
    mark = desk.server.mark()
    for _ in range(2):
        assert mac.idle().body == plist
    polls = re.findall("NMDM0708.*Idle.*", desk.server.log_since(mark))
    assert [first in line for line in polls] == [True, True]
    desk.sees(desk.ask(queue, ID=mac.id), UUID=first)
    said = desk.ask(desk.read.sh("curl $key -X DELETE"), ID=mac.id,
                    UUID=first)
    assert said == ""
    assert mac.idle().body == next_plist


STRICT_TLS = TLS.replace("optional_no_ca", """require
SSLCACertificateFile "{folder}/device-ca.pem\"""")


def check_identities(desk, server, operator, httpd, ca, one):
    moved = Device(server, ca.issue())
    for message in (moved.message("Authenticate", Topic=moved.topic),
                    moved.message(
                        "TokenUpdate", Topic=moved.topic, Token=moved.token,
                        PushMagic=moved.push_magic)):
        answer = operator.call("PUT", "/migration", plistlib.dumps(message))
        assert answer.status == 200
    assert moved.idle().status == 500
    grep = desk.read.sh('grep "NMDM0701: ID"')
    assert "NMDM0701" in desk.ask(grep, ID=moved.id)
    desk.sees(desk.ask(one, ID=moved.id), ID=moved.id)
    moved.path = "/retroactive"
    assert moved.idle().status == 200
    moved.path = "/mdm"
    assert moved.idle().status == 200
    changed = Device(server, ca.issue(), udid=moved.udid)
    assert changed.idle().status == 500
    assert changed.enroll().idle().status == 200
    stranger = Device(server, ca.issue())
    assert stranger.token_update().status == 500

    grep = desk.read.sh("grep -E")
    brief = Device(server, ca.issue(days=8 / 86400)).enroll()
    assert desk.ask(grep) == ""
    assert wait_until(lambda: brief.idle().status == 400, pause=0.5)
    assert "NMDM0306" in desk.ask(grep)
    mark = server.mark()
    brief.close()
    assert brief.idle().status == 400
    assert "NMDM0306" in server.log_since(mark)
    desk.server = httpd(replace={"tls": STRICT_TLS})
    strict = Device(desk.server, brief.identity)
    with pytest.raises((OSError, http.client.HTTPException)):
        strict.authenticate()
    assert wait_until(lambda: "AH02276" in desk.ask(grep))
    desk.server = server
    for each in moved, changed, stranger, brief, strict:
        each.close()


def check_events(desk, mac, receiver, expect_log):
    receiver.answers["*"] = Answer(500)
    expect_log("NMDM181", optional=True)
    mac.authenticate()
    pending = desk.read.sh("curl $key")
    assert wait_until(lambda: "last_error" in desk.ask(pending))
    desk.sees(desk.ask(pending), ID=mac.id)
    assert mac.token_update().status == 200
    receiver.answers["*"] = Answer()
    assert wait_until(lambda: json.loads(desk.ask(pending)) == {"events": []})


def check_database(desk, harness, httpd, ca, expect_log):
    lines = desk.read.sh("curl https://mdm.example.com/version")
    for pattern in (r"dbd:(error|crit).*(AH006\d\d|AH02655)",
                    "nanomdm:(error|warn)"):
        expect_log(pattern, optional=True)
    with contextlib.ExitStack() as stack:
        mortal = harness.new_db_server(stack, "pgsql")
        desk.server = httpd(mortal.fresh(ROOT / "schema/pgsql.sql"))
        desk.server.write("server-ca.pem", server_authority().pem)
        mac = Device(desk.server, ca.issue()).enroll()
        assert "NMDM1501" not in desk.server.error_log()
        mortal.kill()
        said = desk.ask(lines.replace("curl ", "curl -sw '%{http_code}' "),
                        ID=mac.id)
        assert '{"version":' in said and said.endswith("503"), said
        assert mac.idle().status == 503
        assert "NMDM1501" in desk.server.error_log()
        mac.close()


# -- SECURITY.md ------------------------------------------------------

@one_database
def test_security(httpd, ca, expect_log):
    """One certificate is shut out, and its device stays enrolled."""
    read = Reading("SECURITY.md")
    lost, other = ca.issue(), ca.issue()
    serial = lost.cert.serial_number
    octets = serial.to_bytes((serial.bit_length() + 7) // 8, "big")
    server = httpd(extra_vhost=read.apache("<Location").replace(
        "0A1B2C3D", octets.hex().upper()))
    expect_log("NMDM1401", "refused a device with 403")
    expect_log("AH01630", "denied by server configuration")
    for identity, status in (lost, 500), (other, 200):
        mac = Device(server, identity)
        assert mac.authenticate().status == status
        mac.close()
    read.end()
