# SPDX-License-Identifier: Apache-2.0
"""No secret is in a log, whatever the level and whatever goes wrong."""

import base64
import json
import plistlib
import urllib.parse
from uuid import uuid4

import pytest

import ca as certs
from apns import Answer as Refusal
from apns import Apns
from databases import PASSWORD
from device import Device, Operator, command
from receiver import Answer, Receiver

CONFIGURATION = """\
NanoMDMStorageKey file:{folder}/storage.key
LogLevel nanomdm:trace8 dbd:trace8
LogFormat "%r %>s %U%q %{NANOMDM_ID}e %{NANOMDM_TYPE}e %{NANOMDM_MESSAGE}e \
%{NANOMDM_COMMAND_UUID}e %{NANOMDM_NEXT_COMMAND_UUID}e \
%{NANOMDM_REQUEST_TYPE}e %{NANOMDM_TRACE_ID}e" all
CustomLog {folder}/access.log all
NanoMDMPushURL APNS_URL
NanoMDMPushCACertificateFile APNS_CA
NanoMDMPushTimeout 2
NanoMDMUpstreamTimeout 2
NanoMDMEscrowURL RECEIVER/escrow
"""
SITE = """\
CustomLog {folder}/access.log all
NanoMDMWebhookURL RECEIVER/hook/HOOK_PATH
NanoMDMWebhookKey file:{folder}/hook.key
NanoMDMWebhook RECEIVER/second key=FURTHER_KEY redact=on
NanoMDMWebhookDelivery DELIVERY
NanoMDMDeclarativeManagementURL RECEIVER/dm/
NanoMDMDeclarativeManagementSendKey file:{folder}/send.key
NanoMDMDeclarativeManagementReceiveKey RECEIVE_KEY
NanoMDMToken com.apple.maid {folder}/maid.token
NanoMDMReturnToService {folder}/return.plist
NanoMDMUserAuthenticate empty-challenge
<Location "/migration">
    SetHandler nanomdm-migration
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
</Location>
"""
NOISE = r":(error|warn)\] "     # much is made to fail here


def forms(secret):
    """As it is, in hex, and in base64 wherever it begins."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield urllib.parse.quote_from_bytes(secret).encode()
    for before in range(3):
        for encode in base64.b64encode, base64.urlsafe_b64encode:
            text = encode(b"\0" * before + secret)
            yield text[(before * 8 + 5) // 6:(before + len(secret)) * 8 // 6]


def leaks(log, secrets):
    """What is in the log; the first 16 bytes of a secret are enough."""
    return {name for name, secret in secrets.items()
            for form in forms(secret[:16]) if form in log}


def new_secrets():
    names = ("unlock", "bootstrap", "api", "hook", "hook path", "further",
             "send", "receive", "maid", "return", "payload", "pin", "report",
             "recovery", "digest", "escrow", "broken", "json", "storage")
    return {name: uuid4().hex.encode() for name in names}


@pytest.fixture
def others():
    with Receiver() as receiver, Apns() as apns:
        yield receiver, apns


@pytest.fixture(params=["besteffort", "durable"])
def server(request, httpd, fresh_db, others):
    receiver, apns = others
    secrets = new_secrets()

    def fill(text):
        for mark, value in {
                "RECEIVER": receiver.url, "DELIVERY": request.param,
                "APNS_URL": apns.url, "APNS_CA": str(apns.ca_pem),
                "HOOK_PATH": secrets["hook path"].decode(),
                "FURTHER_KEY": secrets["further"].decode(),
                "RECEIVE_KEY": secrets["receive"].decode()}.items():
            text = text.replace(mark, value)
        return text
    server = httpd(
        fresh_db(), api_key=secrets["api"].decode(),
        extra_server=fill(CONFIGURATION), extra_vhost=fill(SITE),
        files={"storage.key": secrets["storage"].hex(),
               "hook.key": secrets["hook"], "send.key": secrets["send"],
               "maid.token": secrets["maid"],
               "return.plist": plistlib.dumps({"ReturnToService": {
                   "WiFiProfileData": secrets["return"]}})})
    server.secrets = secrets
    return server


def live(mac, operator, pushing, secrets):
    """The life of a device, and all that its operator does. The answers are
    nobody's concern here: half of this is done while it must fail."""
    text = {name: value.decode() for name, value in secrets.items()
            if name in new_secrets()}
    mac.authenticate()
    mac.token_update()
    mac.token_update(UnlockToken=secrets["unlock"])
    mac.set_bootstrap_token(secrets["bootstrap"])
    mac.get_bootstrap_token()
    user = mac.user()
    user.user_authenticate()
    user.user_authenticate(DigestResponse=text["digest"])
    user.token_update(UnlockToken=secrets["unlock"])
    user.close()
    mac.get_token("com.apple.maid")
    mac.return_to_service()
    mac.declarative_management("tokens")
    mac.declarative_management("status", secrets["report"])
    operator.pushcert_put(pushing)
    operator.pushcert_put(pushing.key_pem)
    operator.pushcert_put(pushing.key_pem[:200] + pushing.pem)
    for keys in {"Payload": secrets["payload"]}, {"PIN": text["pin"]}:
        uuid, plist = command("InstallProfile", **keys)
        operator.enqueue(mac.id, plist, nopush=None)
        operator.enqueue(mac.id, plist, nopush=None)      # known already
        mac.idle()
        mac.report("Acknowledged", uuid, UnlockToken=secrets["report"],
                   Recovery={"EncryptedNewRecoveryKey": text["recovery"]})
        mac.report("Error", str(uuid4()), What=text["report"])
        operator.call("GET", f"/v1/results/{mac.id}")
    operator.enqueue(mac.id, plist[:-20] + secrets["broken"])
    operator.call("POST", "/v1/commands", json.dumps({
        "udid": mac.id, "request_type": "DeviceLock",
        "pin": text["json"]}).encode())
    operator.call("POST", "/v1/commands", json.dumps({
        "udid": 1, "pin": text["json"]}).encode())
    operator.call("POST", "/v1/escrowkeyunlock", urllib.parse.urlencode({
        "topic": mac.topic, "serial": "C02X", "productType": "Mac14,2",
        "escrowKey": text["escrow"], "orgName": "A", "guid": "g"}).encode())
    operator.call("GET", f"/v1/enrollments/{mac.id}")
    operator.call("GET", f"/v1/queue/{mac.id}")
    operator.push(mac.id)
    for message in (
            {"UnlockToken": text["unlock"]}, {"PushMagic": secrets["broken"]},
            {"Token": text["broken"]}, {"Topic": text["broken"] * 40}):
        mac.token_update(**message)
    mac.send(b"<plist><dict><key>" + secrets["broken"] + b"</key>", "text/xml")
    operator.call("PUT", "/migration", plistlib.dumps(mac.message(
        "TokenUpdate", Topic=mac.topic, PushMagic=mac.push_magic,
        Token=mac.token, UnlockToken=secrets["unlock"])))


def test_no_secret_in_any_log(server, others, ca, expect_log):
    receiver, apns = others
    secrets = server.secrets
    expect_log(NOISE)
    receiver.answers["/escrow"] = Answer()
    mac = Device(server, ca.issue(), topic=certs.push_topic())
    pushing = certs.push_certificate(mac.topic, key="ec")
    numbers = pushing.key.private_numbers().private_value
    secrets |= {"push key": numbers.to_bytes(32, "big"),
                "push magic": mac.push_magic.encode(), "token": mac.token,
                "basic": f"nanomdm:{server.api_key}".encode(),
                "database": PASSWORD.encode()}
    operator, stranger = Operator(server), Operator(
        server, key=secrets["broken"].decode())

    live(mac, operator, pushing, secrets)
    assert mac.get_bootstrap_token().plist["BootstrapToken"] == \
        secrets["bootstrap"]
    enrolled = operator.call("GET", f"/v1/enrollments/{mac.id}").json
    assert base64.b64decode(enrolled["device"]["unlock_token"]) == \
        secrets["unlock"]
    assert apns.requests and receiver.requests
    stranger.push(mac.id)

    apns.default = Refusal(410, "Unregistered")
    receiver.answers["*"] = Answer(500, body=secrets["receive"])
    live(mac, operator, pushing, secrets)
    mac.checkout()

    tables = ("devices", "commands", "push_certs")
    for table in tables:
        server.database.execute(f"ALTER TABLE {table} RENAME TO away_{table}")
    live(mac, operator, pushing, secrets)
    for each in mac, operator, stranger:
        each.close()
    status, said = server.configtest()
    assert status == 0
    server.stop()

    logs = {name: (server.folder / name).read_bytes()
            for name in ("error.log", "access.log", "stderr")}
    assert b"NMDM0103" in logs["error.log"] and b"NMDM0101" in \
        logs["error.log"]
    assert mac.id.encode() in logs["access.log"]
    logs["configtest"] = said.encode()
    assert {name: leaks(log, secrets) for name, log in logs.items()} == \
        dict.fromkeys(logs, set())


@pytest.mark.parametrize("before", [b"", b"x", b"xy"])
def test_a_leak_would_be_found(before):
    secret = bytes(range(200, 232))
    for log in (before + secret, base64.b64encode(before + secret + b"abc"),
                secret.hex().encode()):
        assert leaks(b"some" + log + b"thing", {"it": secret}) == {"it"}
    assert not leaks(b"nothing", {"it": secret})
