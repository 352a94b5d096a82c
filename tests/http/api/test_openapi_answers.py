# SPDX-License-Identifier: Apache-2.0
"""What a server answers, held against docs/openapi.yaml."""

import base64
import json
import plistlib
import re
import urllib.parse

import pytest
from cryptography.x509.oid import NameOID

import ca as certs
from apns import Answer as Refusal
from device import CHECKIN, REPORT, Device, Operator, command
from tables import insert
from receiver import Answer, Receiver
from test_openapi import check, operations, resolve

pytestmark = pytest.mark.one_database

KEPT = "kept-command"

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ESCROW = {"serial": "C02X", "productType": "Mac14,2", "orgName": "A",
          "escrowKey": "AAAA-BBBB", "guid": "g"}

SERVER = """\
NanoMDMPushURL {apns.url}
NanoMDMPushCACertificateFile {apns.ca_pem}
NanoMDMEscrowURL {receiver.url}/escrow
NanoMDMDeclarativeManagementURL {receiver.url}/dm/
"""
LOST = """\
DBDriver sqlite3
DBDParams /nowhere/nanomdm.db
DBDMin 10
DBDKeep 10
DBDMax 10
"""
# /small takes no bodies, /open asks for no password.
SITE = """\
<LocationMatch "^(/small)?/migration$">
    SetHandler nanomdm-migration
</LocationMatch>
<LocationMatch "^/small/mdm$">
    SetHandler nanomdm
</LocationMatch>
<Location "/small/v1">
    SetHandler nanomdm-api
</Location>
<Location "/status">
    SetHandler nanomdm-status
</Location>
<Location "/open/status">
    SetHandler nanomdm-status
</Location>
<LocationMatch "^(/small|/declarative)?/(migration|v1/|status)">
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
</LocationMatch>
<Location "/small">
    NanoMDMMaxBody 3
</Location>
<Location "/enroll">
    SetHandler nanomdm-enroll
    NanoMDMEnrollTemplate {folder}/enroll.plist
</Location>
<Location "/declarative/v1">
    SetHandler nanomdm-api
    NanoMDMDeclarativeManagement builtin
</Location>
<Location "/open/v1">
    SetHandler nanomdm-api
</Location>
<Location "/open/migration">
    SetHandler nanomdm-migration
</Location>
"""


class Asking:
    """Requests as documented; their answers must be."""

    def __init__(self, operator):
        self.operator = operator
        self.seen = set()

    def __call__(self, status, method, path, body=None, headers=(), *,
                 ids="", query="", at="", client=None, key=True):
        operation = operations()[path, method]
        client = client or self.operator
        url = at + re.sub(r"{\w+}", ids, path) + query
        ask = client.call if key else client.raw
        answer = ask(method, url, body, headers)
        where = f"{method} {url} is {answer.status}"
        assert answer.status == status, (where, answer)
        responses = operation["responses"]
        name = str(status) if str(status) in responses else "default"
        assert name in responses, f"{where}: not documented"
        self.check_answer(answer, resolve(responses[name]), where)
        self.seen.add((path, method, name))
        return answer

    @staticmethod
    def check_answer(answer, response, where):
        for header in response.get("headers", {}):
            assert header in answer.headers, f"{where} without {header}"
        documented = response.get("content", {})
        kind = (answer.headers["Content-Type"] or "").partition(";")[0]
        if not answer.body and not kind:
            return
        assert kind in documented or "*/*" in documented, f"{where}: {kind}"
        if kind == "application/json":
            check(answer.json, resolve(documented[kind]["schema"]))


FILES = {"enroll.plist": plistlib.dumps({"PayloadContent": [
    {"PayloadType": "com.apple.security.scep",
     "PayloadContent": {"URL": "https://scep.example.com/"}}]})}


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        receiver.answers["/dm/none"] = Answer(404)
        yield receiver


@pytest.fixture
def serving(httpd, apns, receiver, fresh_db):
    return httpd(fresh_db(), extra_server=SERVER.format(apns=apns, receiver=receiver),
                 extra_vhost=SITE, files=FILES)


def json_body(ids, plist=None):
    body = {"ids": ids, "nopush": False}
    if plist:
        body["command"] = base64.b64encode(plist).decode()
    return json.dumps(body).encode()


def reading_and_taking_back(mac):
    """Of the calls that show what is stored."""
    query = json.dumps({"filter": {"ids": [mac.id], "enabled": True},
                        "options": {"include_device_cert": True}}).encode()
    order = json.dumps({"udid": mac.id, "request_type": "UserList",
                        "priority": 1}).encode()
    mine, kept = {"ids": mac.id}, {"ids": KEPT}
    return {
        ("POST", "/v1/enrollments/query"): ([query, JSON], {}),
        ("GET", "/v1/enrollments/{id}"): ([], mine),
        ("POST", "/v1/commands"): ([order, JSON], {}),
        ("GET", "/v1/commands/{uuid}"): ([], kept),
        ("DELETE", "/v1/commands/{uuid}"): ([], kept),
        ("GET", "/v1/queue/{ids}"): ([], mine),
        ("DELETE", "/v1/queue/{ids}"): ([], mine),
        ("GET", "/v1/results/{id}"): ([], mine),
        ("GET", "/v1/events"): ([], {"query": "?state=pending"}),
        ("POST", "/v1/events/replay"): ([b'{"ids": ["1"]}', JSON], {}),
        ("DELETE", "/v1/events/{id}"): ([], {"ids": "1"}),
        ("POST", "/v1/scep-challenge"): ([b'{"serial": "C02X"}', JSON], {}),
        ("POST", "/v1/enroll-links"): ([b'{"serial": "C02X"}', JSON], {}),
        ("GET", "/v1/certs"): ([], {"query": "?limit=5"}),
        ("DELETE", "/v1/certs/{sha256}"): ([], {"ids": "a" * 64}),
        ("POST", "/v1/renew"): ([], {"query": "?issuer=" + "b" * 64}),
        ("POST", "/v1/renew/{ids}"): ([], {"ids": mac.id})}


def good_requests(mac, pem):
    """Of each operation one that is in order, as arguments of ask()."""
    form = urllib.parse.urlencode({**ESCROW, "topic": mac.topic}).encode()
    of_device = {"client": mac, "key": False}
    requests = {
        ("PUT", "/v1/pushcert"): ([pem], {"query": "?force=1"}),
        ("GET", "/v1/pushcert"): ([], {"query": f"?topic={mac.topic}"}),
        ("PUT", "/mdm"): ([report(mac), {"Content-Type": REPORT}],
                          of_device),
        ("PUT", "/migration"): ([checkin(mac, "TokenUpdate")], {}),
        ("GET", "/version"): ([], {"key": False}),
        ("GET", "/status"): ([None, {"Via": "1.1 proxy"}],
                             {"query": f"?json&id={mac.id}"}),
        ("GET", "/v1/escrowkeyunlock"): ([], {}),
    }
    for method in "PUT", "POST":
        requests.update({
            (method, "/v1/enqueue/{ids}"): ([command()[1]],
                                            {"ids": mac.id}),
            (method, "/v1/enqueue"): (
                [json_body([mac.id], command()[1]), JSON], {}),
            (method, "/v1/push"): ([json_body([mac.id]), JSON], {})})
    for method in "GET", "PUT", "POST":
        requests[method, "/v1/push/{ids}"] = ([], {"ids": mac.id})
    for method in "POST", "PUT", "PATCH":
        requests[method, "/v1/escrowkeyunlock"] = ([form, FORM], {})
    requests.update(reading_and_taking_back(mac))
    return requests


def report(mac):
    return plistlib.dumps({**mac.ids(), "Status": "Idle"})


def checkin(mac, message_type, **keys):
    return plistlib.dumps(mac.message(
        message_type, Topic=mac.topic, PushMagic=mac.push_magic,
        Token=mac.token, **keys))


def everywhere(ask, mac, pem, status, **more):
    """A good request to each operation that has this status; those of
    declarations have a function of their own."""
    for (path, method), operation in operations().items():
        if (str(status) in operation["responses"]
                and operation["tags"] != ["declarations"]
                and (path, method, str(status)) not in UNSEEN):
            args, options = good_requests(mac, pem)[method, path]
            ask(status, method, path, *args, **{**options, **more})


def enqueue_and_push(ask, mac, gone, stranger):
    for method in "PUT", "POST":
        ids, many = "/v1/enqueue/{ids}", "/v1/enqueue"
        ask(207, method, ids, command()[1], ids=f"{mac.id},{gone.id}")
        ask(400, method, ids, b"x", ids=mac.id)
        ask(500, method, ids, command()[1], ids=stranger.id)
        ask(207, method, many, json_body([mac.id, gone.id], command()[1]),
            JSON)
        ask(400, method, many, b"x", JSON)
        ask(400, method, many, json_body([mac.id], b"x"), JSON)
        ask(500, method, many, json_body([stranger.id], command()[1]),
            JSON)
        ask(207, method, "/v1/push", json_body([mac.id, gone.id]), JSON)
        ask(400, method, "/v1/push", b"x", JSON)
        ask(500, method, "/v1/push", json_body([gone.id]), JSON)
    for method in "GET", "PUT", "POST":
        ids = "/v1/push/{ids}"
        ask(207, method, ids, ids=f"{mac.id},{gone.id}")
        ask(400, method, ids, ids="%FF")
        ask(500, method, ids, ids=gone.id)


def reading(ask, mac, stranger):
    """Calls that show what is stored, and take it back."""
    _, plist = command(uuid=KEPT)
    ask(200, "PUT", "/v1/enqueue/{ids}", plist, ids=mac.id,
        query="?nopush=1&expires=60&priority=5")
    mac.not_now(KEPT)
    for path in ("/v1/enrollments/{id}", "/v1/queue/{ids}",
                 "/v1/results/{id}"):
        ask(200, "GET", path, ids=mac.id)
        ask(400, "GET", path, ids="%FF")
        ask(404, "GET", path, ids=stranger.id)
    for method in "GET", "DELETE":
        ask(400, method, "/v1/commands/{uuid}", ids="%FF")
        ask(404, method, "/v1/commands/{uuid}", ids="none")
    ask(400, "POST", "/v1/enrollments/query", b"x")
    ask(400, "DELETE", "/v1/queue/{ids}", ids=mac.id, query="?x=1")
    ask(207, "DELETE", "/v1/queue/{ids}", ids=f"{mac.id},{stranger.id}")
    ask(204, "DELETE", "/v1/queue/{ids}", ids=mac.id)


def events(ask, db):
    """There is one event, number 1, that no receiver has taken."""
    insert(db, "nanomdm_events", (
        "device_id", "target", "event_id", "topic", "body", "is_dead",
        "next_at", "dies_at", "created_at", "last_error"),
        [("D", "https://h#1", "e", "mdm.Connect", "{}", False, 0, 1, 1,
          "refused")])
    ask(200, "GET", "/v1/events", query="?state=pending&limit=1")
    ask(400, "GET", "/v1/events", query="?state=x")
    ask(400, "POST", "/v1/events/replay", b"x", JSON)
    ask(404, "DELETE", "/v1/events/{id}", ids="99")


def identities(ask, db):
    """There is one certificate that was issued."""
    insert(db, "nanomdm_scep_certs", (
        "sha256", "serial", "issuer_sha256", "subject", "pem", "not_after",
        "purpose", "transaction_id", "created_at"),
        [("a" * 64, "01", "b" * 64, "CN=x", "", 4000000000000, "api", "T",
          1)])
    ask(400, "POST", "/v1/scep-challenge", b'{"serail": "C02X"}', JSON)
    ask(400, "POST", "/v1/enroll-links", b'{"serail": "C02X"}', JSON)
    ask(400, "GET", "/v1/certs", query="?expires_before=x")
    ask(400, "DELETE", "/v1/certs/{sha256}", ids="x")
    ask(404, "DELETE", "/v1/certs/{sha256}", ids="0" * 64)
    ask(400, "POST", "/v1/renew", query="?issuer=x")
    ask(400, "POST", "/v1/renew/{ids}", ids="%FF")
    ask(404, "POST", "/v1/renew/{ids}", ids="NOBODY")


def declarations(ask, mac):
    """Each call does something, does nothing, and cannot be done."""
    at = {"at": "/declarative"}
    one = json.dumps({
        "Identifier": "configuration", "Payload": {"Echo": "x"},
        "Type": "com.apple.configuration.management.test"}).encode()
    header = {"X-Enrollment-ID": mac.id}
    plain, named = "/v1/declarations", "/v1/declarations/{identifier}"
    me, name = {"ids": mac.id, **at}, {"ids": "configuration", **at}

    def changes(method, path, query, *body, ids, wrong="", **more):
        ask(204, method, path, *body, ids=ids, query=query, **at)
        ask(304, method, path, *body, ids=ids, query=query, **at)
        ask(400, method, path, ids=ids, query=wrong, **at)

    changes("PUT", plain, "", one, ids="")
    ask(200, "PUT", plain, one, query="?check=1", **at)
    changes("PUT", "/v1/set-declarations/{set}",
            "?declaration=configuration", ids="s")
    changes("PUT", "/v1/enrollment-sets/{id}", "?set=s", ids=mac.id)
    ask(200, "GET", plain, query="?limit=2", **at)
    ask(400, "GET", plain, query="?limit=x", **at)
    for path in (named, named + "/summary"):
        ask(200, "GET", path, **name)
        ask(404, "GET", path, ids="none", **at)
    ask(200, "GET", named + "/enrollments", query="?state=unreported", **name)
    ask(400, "GET", named + "/enrollments", query="?state=x", **name)
    ask(204, "POST", named + "/touch", **name)
    ask(404, "POST", named + "/touch", ids="none", **at)
    ask(204, "POST", "/v1/notify", query="?set=s&id=x", **at)
    ask(400, "POST", "/v1/notify", **at)
    ask(200, "GET", "/v1/sets", **at)
    ask(401, "GET", "/v1/sets", key=False, **at)
    ask(200, "PUT", "/v1/status", b'{"StatusItems": {"a": {"b": 1}}}', header,
        **at)
    ask(400, "PUT", "/v1/status", b"{}", **at)
    for path in ("tokens", "declaration-items",
                 "declaration/{kind}/{identifier}"):
        ask(200, "GET", "/v1/" + path, None, header, **name)
        ask(400, "GET", "/v1/" + path, **name)
    for path, query in (("declaration-status/{ids}", "?all=1"),
                        ("status-values/{ids}", ""),
                        ("status-errors/{ids}", "?limit=2"),
                        ("status-report/{id}", "?index=0"),
                        ("declaration-why/{id}", ""),
                        ("declaration-why/{id}",
                         "?declaration=configuration"),
                        ("enrollment-sets/{id}", "")):
        ask(200, "GET", "/v1/" + path, query=query, **me)
        ask(400, "GET", "/v1/" + path, ids="%FF", query=query, **at)
    for path in ("set-declarations/{set}", "set-enrollments/{set}",
                 "declaration-sets/{identifier}"):
        ask(200, "GET", "/v1/" + path, **name)
        ask(400, "GET", "/v1/" + path, ids="%FF", **at)
    for method in "PUT", "DELETE":
        many = "/v1/set-enrollments/{set}"
        ask(200, method, many, b'{"ids": ["x"]}', ids="s", **at)
        ask(400, method, many, b"{", ids="s", **at)
    ask(409, "DELETE", named, **name)
    changes("DELETE", "/v1/set-declarations/{set}",
            "?declaration=configuration", ids="s")
    ask(204, "DELETE", named, **name)
    ask(304, "DELETE", named, **name)
    changes("DELETE", "/v1/enrollment-sets/{id}", "?set=s", ids=mac.id)
    ask(204, "PUT", "/v1/enrollment-sets/{id}", query="?set=s", **me)
    ask(204, "DELETE", "/v1/enrollment-sets-all/{id}", **me)
    ask(304, "DELETE", "/v1/enrollment-sets-all/{id}", **me)
    ask(400, "DELETE", "/v1/enrollment-sets-all/{id}", ids="%FF", **at)


def orders(ask, mac, gone, stranger):
    def order(status, **keys):
        ask(status, "POST", "/v1/commands", json.dumps(
            {"request_type": "UserList", **keys}).encode(), JSON)
    order(207, ids=[mac.id, gone.id])
    order(400)
    order(400, udid=mac.id, request_type="X" * 64)
    order(500, udid=stranger.id)


def push_certificates(ask):
    ask(400, "PUT", "/v1/pushcert", b"x")
    other = certs.push_certificate()
    ask(400, "PUT", "/v1/pushcert", other.pem + other.key_pem)
    ask(200, "PUT", "/v1/pushcert", other.pem + other.key_pem,
        query="?force=1")
    ask(400, "GET", "/v1/pushcert")
    ask(500, "GET", "/v1/pushcert", query="?topic=com.apple.mgmt.none")


def escrow(ask, mac, receiver):
    ask(400, "GET", "/v1/escrowkeyunlock")
    for method in "POST", "PUT", "PATCH":
        def unlock(status, topic):
            ask(status, method, "/v1/escrowkeyunlock",
                urllib.parse.urlencode({**ESCROW, "topic": topic}).encode(),
                FORM)
        unlock(400, "")
        unlock(500, "com.apple.mgmt.none")
        receiver.answers["*"] = Answer(409)
        unlock(409, mac.topic)
        receiver.answers["*"] = Answer()


def messages(ask, mac, stranger):
    def of(who):
        return {"client": who, "key": False}
    kind = {"Content-Type": CHECKIN}
    ask(400, "PUT", "/mdm", b"x", **of(mac))
    ask(404, "PUT", "/mdm", checkin(
        mac, "DeclarativeManagement", Endpoint="none"), kind, **of(mac))
    ask(410, "PUT", "/mdm", checkin(mac, "UserAuthenticate"), kind,
        **of(mac.user()))
    ask(500, "PUT", "/mdm", report(stranger), **of(stranger))
    ask(400, "PUT", "/migration", b"x")
    ask(410, "PUT", "/migration", checkin(mac.user(), "UserAuthenticate"))
    ask(500, "PUT", "/migration", checkin(stranger, "TokenUpdate"))


def status(ask):
    for query in ("", "?json", "?prometheus", "?q=C02X", "?devices=1",
                  "?devices=1&type=Device&state=enabled&after=A",
                  "?events=dead", "?events=pending&after=1", "?health"):
        ask(200, "GET", "/status", query=query)
    for query in "?id=", "?json&id=":
        ask(400, "GET", "/status", query=query + "%FF")
        ask(404, "GET", "/status", query=query + "nobody")


# What a test cannot have a server say at will.
UNSEEN = {
    **{(path, method, "500"): "a statement would have to fail"
       for path, method in (
           ("/v1/enrollments/query", "POST"), ("/v1/enrollments/{id}", "GET"),
           ("/v1/queue/{ids}", "GET"), ("/v1/queue/{ids}", "DELETE"),
           ("/v1/results/{id}", "GET"), ("/v1/commands/{uuid}", "GET"),
           ("/v1/commands/{uuid}", "DELETE"), ("/v1/events", "GET"),
           ("/v1/events/replay", "POST"), ("/v1/events/{id}", "DELETE"),
           ("/v1/scep-challenge", "POST"), ("/v1/enroll-links", "POST"),
           ("/v1/certs", "GET"), ("/v1/renew", "POST"),
           ("/v1/renew/{ids}", "POST"),
           ("/v1/certs/{sha256}", "DELETE"))},
    **{("/v1/renew/{ids}", "POST", status): "seen in test_identity_renewal"
       for status in ("200", "207")},
    **{(path, method, "404"): "the table of events would have to be missing"
       for path, method in (("/v1/events", "GET"),
                            ("/v1/events/replay", "POST"))},
    ("/v1/pushcert", "PUT", "500"): "a statement would have to fail",
    ("/v1/enroll-links", "POST", "404"): "the handler would have to be missing",
}


def test_answers_are_as_documented_and_all_of_them_occur(
        serving, httpd, ca, apns, receiver, expect_log):
    pushing = certs.push_certificate()
    pem = pushing.pem + pushing.key_pem
    topic = pushing.cert.subject.get_attributes_for_oid(
        NameOID.USER_ID)[0].value
    mac, gone = [Device(serving, ca.issue(), topic=topic).enroll()
                 for _ in range(2)]
    stranger = Device(serving, ca.issue())
    apns.answers[gone.token.hex()] = Refusal(410, "Unregistered")
    ask = Asking(Operator(serving))

    expect_log("NMDM0909", "push failed")
    ask(200, "PUT", "/v1/pushcert", pem, query="?force=1")
    reading(ask, mac, stranger)
    orders(ask, mac, gone, stranger)
    declarations(ask, mac)
    events(ask, serving.database)
    identities(ask, serving.database)
    everywhere(ask, mac, pem, 200)
    enqueue_and_push(ask, mac, gone, stranger)
    push_certificates(ask)
    escrow(ask, mac, receiver)
    messages(ask, mac, stranger)
    status(ask)
    everywhere(ask, mac, pem, 401, key=False)
    expect_log("NMDM1201")
    expect_log("NMDM1902")
    everywhere(ask, mac, pem, 403, at="/open", key=False)
    everywhere(ask, mac, pem, 413, at="/small")

    # As if the database were away.
    expect_log("NMDM1501")
    expect_log("NMDM2580", optional=True)
    expect_log("dbd", optional=True)
    lost = httpd(replace={"database": LOST}, extra_vhost=SITE, files=FILES)
    ask.operator = Operator(lost)
    everywhere(ask, Device(lost, mac.identity, udid=mac.udid, topic=topic),
               pem, 503)
    for query in ("?json", "?id=X", "?q=X", "?devices=1", "?events=dead",
                  "?health"):
        ask(200 if "json" in query else 503, "GET", "/status", query=query)

    assert ask.seen == {
        (path, method, status)
        for (path, method), operation in operations().items()
        for status in operation["responses"]} - set(UNSEEN)
