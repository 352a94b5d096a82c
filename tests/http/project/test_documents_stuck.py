# SPDX-License-Identifier: Apache-2.0
"""What docs/stuck.md says is true."""

import contextlib
import http.client
import json
import os
import plistlib
import re
import subprocess
import time

import pytest

import ca as certs
from apns import Answer as Refusal
from device import REPORT, Device, Operator, command
from documents import Reading, block
from receiver import Answer
from server import TLS, server_authority
from system import ROOT, wait_until
from test_documents import PUSHES, one_database, receiver

pytestmark = pytest.mark.unsanitized


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
