# SPDX-License-Identifier: Apache-2.0
"""The documents are true: their examples are run, in their order.

What is not run says why, where a document is read.
"""

import contextlib
import json
import os
import plistlib
import re
import shutil
import socket
import sqlite3
import ssl
import subprocess

import pytest
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key, pkcs12)

import ca as certs
from device import Client, Device, command
from documents import Reading, System, block, blocks
from enrolling import Profile, enrolled
from filekv import FileKV
from receiver import Receiver
from server import server_authority, server_identity
from system import ROOT, run

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
