# SPDX-License-Identifier: Apache-2.0
"""Binary property lists: stored as XML, and answered like XML."""

import base64
import datetime
import json
import plistlib

import pytest

from device import Operator, command
from tables import device_columns, enrollment, result
from wire import assert_empty

HEADER = "X-Client-Cert"
VALUES = {
    "text": "a<&>é\U0001f511 \t\n", "empty": "", "data": bytes(range(200)),
    "no data": b"", "yes": True, "no": False, "zero": 0, "minus": -5,
    "least": -2 ** 63, "most": 2 ** 64 - 1, "real": 0.1, "large": 1e300,
    "date": datetime.datetime(2026, 11, 27, 10, 0, 0),
    "old": datetime.datetime(1, 1, 1), "far": datetime.datetime(4001, 1, 1),
    "list": [1, [], {}, {"a": ["b"]}], "": "empty key", "\xe9": "key"}


@pytest.fixture(scope="module")
def gate(module_httpd):
    """A server with a URL for each way to tell who one is."""
    return module_httpd(extra_vhost="".join(
        f"<Location /{name}>\nSetHandler nanomdm\nNanoMDMIdentity {source}\n"
        "NanoMDMTrustedProxy 127.0.0.0/8 ::1\n</Location>\n"
        for name, source in [("tls", "tls"), ("signature", "signature"),
                             ("header", f"header:{HEADER}")]))


class Binary:
    """A device whose messages are binary property lists."""

    def __init__(self, mac):
        self.mac = mac
        mac.send = self.send
        self.send_bytes = type(mac).send

    def send(self, body, *args, **options):
        if isinstance(body, dict):
            body = plistlib.dumps(body, fmt=plistlib.FMT_BINARY)
            assert body.startswith(b"bplist00")
        return self.send_bytes(self.mac, body, *args, **options)


@pytest.fixture(params=["tls", "signature", "header"])
def mac(request, gate, device):
    one = device(gate, transport=request.param)
    one.path = f"/{request.param}"
    Binary(one)
    return one


def is_xml(text):
    return text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')


def test_m33_binary_checkins_are_stored_as_xml(gate, mac):
    """M33"""
    db = gate.database
    assert_empty(mac.authenticate(**VALUES))
    assert_empty(mac.token_update(UnlockToken=b"\0unlock"))
    stored, update, unlock = device_columns(
        db, mac, "authenticate", "token_update", "unlock_token")
    assert is_xml(stored) and is_xml(update)
    read = plistlib.loads(stored.encode())
    assert {key: read[key] for key in VALUES} == VALUES
    assert type(read["yes"]) is bool and type(read["zero"]) is int
    assert plistlib.loads(update.encode())["Token"] == mac.token
    assert bytes(unlock) == b"\0unlock"
    assert enrollment(db, mac).token_hex == mac.token.hex()
    assert_empty(mac.set_bootstrap_token(b"secret"))
    answer = mac.get_bootstrap_token()
    assert answer.body.startswith(b"<?xml")
    assert answer.plist["BootstrapToken"] == b"secret"


def test_m33_binary_reports_are_stored_as_xml(gate, mac):
    """M33, and the command is answered as it was queued"""
    mac.enroll()
    uuid, plist = command()
    operator = Operator(gate)
    assert operator.enqueue(mac.id, plist).status == 200
    assert mac.idle().body == plist
    assert_empty(mac.acknowledge(uuid, QueryResponses=VALUES))
    stored = result(gate.database, mac, uuid)
    assert stored.status == "Acknowledged"
    assert is_xml(stored.result)
    read = plistlib.loads(stored.result.encode())
    assert read["QueryResponses"] == VALUES
    assert not mac.idle().body


def test_q9_binary_command_is_queued_as_xml(gate, device):
    """Q9: stored, and answered, as XML"""
    mac = device(gate)
    mac.path = "/tls"
    mac.enroll()
    operator = Operator(gate)
    uuid, plist = command("Settings", Settings=VALUES)
    wanted = plistlib.loads(plist)
    binary = plistlib.dumps(wanted, fmt=plistlib.FMT_BINARY)
    answer = operator.enqueue(mac.id, binary)
    assert answer.status == 200
    assert answer.json["command_uuid"] == uuid
    answer = mac.idle()
    assert answer.body.startswith(b"<?xml")
    assert answer.plist == wanted
    assert_empty(mac.acknowledge(uuid))
    uuid, plist = command()
    binary = plistlib.dumps(plistlib.loads(plist), fmt=plistlib.FMT_BINARY)
    answer = operator.call("POST", "/v1/enqueue", json.dumps({
        "ids": [mac.id], "nopush": True,
        "command": base64.b64encode(binary).decode()}).encode(),
        [("Content-Type", "application/json")])
    assert answer.status == 200
    assert mac.idle().plist["CommandUUID"] == uuid


def test_m33_what_xml_cannot_hold_is_replaced(gate, mac):
    """A report that were refused would come again and again."""
    mac.enroll()
    assert_empty(mac.report("Acknowledged", "unknown", Name="a\x01b\x08\ufffe"))
    uuid, plist = command()
    Operator(gate).enqueue(mac.id, plist)
    assert mac.idle().body == plist
    assert_empty(mac.acknowledge(uuid, Name="a\x01b\x08\ufffe"))
    text = result(gate.database, mac, uuid).result
    assert "<string>a\ufffdb\ufffd\ufffd</string>" in text

