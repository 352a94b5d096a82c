# SPDX-License-Identifier: Apache-2.0
"""The documents are true: their examples are run, in their order.

What is not run says why, where a document is read.
"""

import json
import plistlib
import subprocess

import pytest
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key, pkcs12)

import ca as certs
from apns import Apns
from device import Device
from documents import Reading, System, block
from receiver import Receiver

pytestmark = pytest.mark.one_database

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


# -- quickstart.md ----------------------------------------------------

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
    system.sh(read.sh("openssl req -x509 -newkey rsa:2048"))
    mac = enroll(system, system.here(
        source(system, "mac1.mobileconfig").read_text()).encode())
    assert mac.topic == topic
    said = system.sh(read.sh("grep"))
    assert f"{mac.id}|Device|1" in said
    assert "TokenUpdate" in said

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
