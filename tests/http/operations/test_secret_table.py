# SPDX-License-Identifier: Apache-2.0
"""Each row of the table of secrets (src/codec/secrets.c), in every mask."""

import base64
import json
import pathlib
import plistlib
import re

import pytest

from device import Operator, command
from receiver import Receiver
from system import ROOT, wait_until
from test_traffic_dump import records

pytestmark = pytest.mark.one_database

ROW = re.compile(r'\{ "([^"]+)", ([A-Z |]+),\s+((?:"[^"]*"\s*)+)\}')
TABLE = {
    key: (set(said.split(" | ")), "".join(re.findall(r'"([^"]*)"', source)))
    for key, said, source in ROW.findall(
        pathlib.Path(ROOT, "src/codec/secrets.c").read_text())}


def keys(said):
    return sorted(key for key, (by, _) in TABLE.items() if said in by)


SETTINGS = """\
NanoMDMWebhook {url}/plain topics=all
NanoMDMWebhook {url}/redacted topics=all redact=on
NanoMDMDump {{folder}}/dump
"""


def values(names, secret):
    """Secrets as strings, data, dictionaries and lists, one in the depth."""
    forms = [lambda text: text, str.encode, lambda text: {"Deep": text},
             lambda text: [text, text.encode()]]
    return {name: forms[i % 4](secret) for i, name in enumerate(names)}


def payloads(receiver, path):
    events = [json.loads(request.body) for request in receiver.requests
              if request.path == path]
    return b"".join(
        base64.b64decode((event.get("acknowledge_event")
                          or event["checkin_event"])["raw_payload"])
        for event in events)


def status_report(items):
    """Each item by its levels, then all of them flat."""
    report = {}
    for item in items:
        level = report.setdefault("StatusItems", {})
        *path, last = item.split(".")
        for name in path:
            level = level.setdefault(name, {})
        level[last] = "status-secret"
    return json.dumps(report | dict.fromkeys(items, "status-secret")).encode()


def test_every_secret_is_masked(httpd, device):
    with Receiver() as receiver:
        server = httpd(extra_vhost=SETTINGS.format(url=receiver.url))
        mac = device(server).enroll()
        inner = values(keys("TO"), "to-secret")
        uuid, plist = command("Settings", Settings=[inner, {"Kept": "kept"}],
                              **inner)
        assert Operator(server).enqueue(mac.id, plist).status == 200
        assert mac.idle().body == plist
        secret = values(keys("FROM"), "from-secret")
        assert mac.acknowledge(uuid, Kept="kept", Deep=[secret],
                               **secret).status == 200
        assert mac.declarative_management(
            "status", status_report(keys("STATUS"))).status in (200, 500)
        assert wait_until(lambda: all(
            b"DeclarativeManagement" in payloads(receiver, path)
            for path in ("/plain", "/redacted")))
        plain = payloads(receiver, "/plain")
        redacted = payloads(receiver, "/redacted")
        records(server)
        dump = (server.folder / "dump").read_bytes()
    assert b"from-secret" in plain and status_report(
        keys("STATUS")) in decoded(plain)
    for name in keys("FROM"):
        assert redacted.count(f"<key>{name}</key>".encode()) >= 2, name
    for text in redacted, decoded(redacted), dump, decoded(dump):
        assert b"kept" in text or text in (decoded(redacted), decoded(dump))
        for secret in b"from-secret", b"to-secret", b"status-secret":
            assert secret not in text
    for name in keys("TO"):
        assert f"<key>{name}</key>".encode() in dump, name


def decoded(text):
    """All that is in data elements."""
    return b"\n".join(base64.b64decode(data) for data in re.findall(
        rb"<data>([^<]*)</data>", text))


def test_each_row_names_its_source():
    """A file of Apple's schema and the first release that has the key."""
    assert len(TABLE) >= 31
    without = {key for key, (_, source) in TABLE.items()
               if source == "not in the schema"}
    assert without == {"FDE_PersonalRecoveryKeyCMS64", "PushToken"}
    for key in TABLE.keys() - without:
        assert re.fullmatch(
            r"(mdm/(commands|checkin)|declarative/status)/[a-z.-]+\.yaml,"
            r" (iOS|macOS) \d+\.\d+", TABLE[key][1]), key


def test_the_guides_name_each_row():
    text = {name: pathlib.Path(ROOT, "docs", name).read_text()
            for name in ("configuration.md", "operations.md")}
    redaction = text["configuration.md"].partition("Redaction replaces")[2]
    redaction = redaction.partition("\n\n")[0]
    dump = text["operations.md"].partition("Masked are the keys")[2]
    dump = dump.partition("\n\n")[0]
    for key in keys("FROM") + keys("STATUS"):
        assert re.search(rf"\b{re.escape(key)}\b", redaction), key
    for key in set(keys("TO")) - set(keys("FROM")):
        assert f"`{key}`" in dump, key
