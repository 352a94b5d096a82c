# SPDX-License-Identifier: Apache-2.0
"""Mistakes of an operator or a client: none is accepted in silence."""

import base64
import json
import plistlib
import re
import time

import pytest

import ca as certs
from device import Operator, command
from system import ROOT

one_database = pytest.mark.one_database
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def mac(device):
    return device().enroll()


def error_of(answer, status):
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json.get("error") or answer.json["command_error"]


# -- Parameters of the URL --------------------------------------------

OURS = {
    ("GET", "enrollments"): ["limit", "offset", "cursor"],
    ("POST", "enrollments/query"): ["limit", "offset", "cursor"],
    ("GET", "queue/ID"): ["limit", "offset", "cursor"],
    ("DELETE", "queue/ID"): ["command_uuid"],
    ("GET", "results/ID"): ["command_uuid", "limit", "offset", "cursor"],
    ("POST", "commands"): [],
    ("GET", "commands/UUID"): ["limit", "offset", "cursor"],
    ("DELETE", "commands/UUID"): [],
    ("GET", "events"): ["state", "limit", "cursor"],
    ("POST", "events/replay"): [],
    ("DELETE", "events/1"): [],
    ("POST", "scep-challenge"): [],
    ("POST", "enroll-links"): [],
    ("GET", "certs"): ["expires_before", "id", "issuer", "limit", "cursor"],
    ("DELETE", "certs/" + 64 * "a"): [],
    ("POST", "renew/ID"): ["issuer"],
}


@one_database
@pytest.mark.parametrize("name", ["limt", "Limit", "page", "no_push", "x%20y"])
@pytest.mark.parametrize("method, call", OURS)
def test_an_unknown_parameter_of_our_calls_is_400(operator, method, call,
                                                  name):
    """With the names that there are."""
    text = error_of(operator.call(method, f"/v1/{call}?{name}=1", b"{}"),
                    400)
    assert text.startswith('"' + name.replace("%20", " ") + '"')
    names = OURS[method, call]
    assert text.endswith(": there are " + (
        " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1
        else names[0] if names else "none"))


@pytest.mark.parametrize("parameter", ["no_push=1", "nopush=1",
                                       "no_push=true", "%6eopush=1",
                                       "nopus%68=%31", "&&nopush=1&"])
def test_no_push_is_nopush(operator, mac, parameter):
    """NanoMDM's quickstart writes it so."""
    uuid, plist = command()
    answer = operator.call("PUT", f"/v1/enqueue/{mac.id}?{parameter}", plist)
    assert (answer.status, answer.json) == (200, {
        "no_push": True, "command_uuid": uuid,
        "request_type": "DeviceInformation"})


@one_database
@pytest.mark.parametrize("name", [
    "prio", "priorty", "Priority", "expire", "expiry", "expires_", "exp",
    "nopsh", "no-push", "noPush", "NO_PUSH"])
def test_a_name_near_to_one_of_enqueue_is_400(operator, mac, name):
    _, plist = command()
    text = error_of(operator.call(
        "PUT", f"/v1/enqueue/{mac.id}?nopush=1&{name}=60", plist), 400)
    assert f'"{name}"' in text and "priority and expires" in text
    assert mac.idle().body == b""


@one_database
@pytest.mark.parametrize("call, parameter", [
    ("enqueue/ID", "_=17"), ("enqueue/ID", "api_key=x"), ("push/ID", "v=2"),
    ("push/ID", "nopush=1"), ("enqueue/ID", "=1"), ("enqueue/ID", "&&")])
def test_another_name_in_nanomdms_calls_is_ignored(
        operator, mac, server, expect_log, call, parameter):
    _, plist = command()
    name = parameter.split("=")[0].strip("&")
    if name:
        expect_log("NMDM1208", f'"{name}" is ignored', ":info]")
    expect_log("NMDM09", optional=True)
    answer = operator.call(
        "PUT", "/v1/" + call.replace("ID", mac.id) + "?" + parameter
        + ("&nopush=1" if call.startswith("enq") else ""),
        plist if call.startswith("enq") else None)
    assert answer.status != 400, answer
    if call.startswith("enq"):
        assert mac.idle().body == plist


# -- Keys of JSON bodies ----------------------------------------------

BODIES = [
    ("PUT", "enqueue", {"ids": ["x"], "command": "", "expire": 60},
     "ids, command, nopush, priority and expires"),
    ("PUT", "enqueue", {"ids": ["x"], "command": "", "no_push": True},
     "ids, command, nopush, priority and expires"),
    ("PUT", "push", {"ids": ["x"], "no_push": True}, "there are ids"),
    ("POST", "enrollments/query", {"filters": {}}, "filter and options"),
    ("POST", "enrollments/query", {"filter": {"type": ["Device"]}}, "types"),
    ("POST", "enrollments/query", {"options": {"include_cert": True}},
     "include_device_cert and include_unlock_token"),
    ("POST", "events/replay", {"targets": "x"}, "ids and target"),
    ("POST", "commands", {"udid": "x", "request_type": "A", "expire": 60},
     '"expires"'),
    ("POST", "commands", {"udid": "x", "request_type": "A", "prio": 6},
     '"priority"'),
    ("POST", "commands", {"udid": "x", "request_type": "A", "UDIDs": []},
     '"udid"'),
    ("PUT", "enqueue", {"Ids": ["x"], "command": ""},
     "ids, command, nopush, priority and expires"),
    ("POST", "push", {"ids": ["x"], "": 1}, "there are ids"),
    ("POST", "enrollments/query", {"filter": {"ids": [], "limit": 5}}, "ids"),
    ("POST", "enrollments/query", {"filter": {}, "limit": 5},
     "filter and options"),
    ("POST", "enrollments/query", {"options": {"include": 1}},
     "include_device_cert and include_unlock_token"),
    ("POST", "events/replay", {"ids": [], "state": "dead"}, "ids and target"),
    ("POST", "scep-challenge", {"serial_number": "x"},
     "serial, udid, enrollment_id, user and seconds"),
    ("POST", "scep-challenge", {"seconds": 5, "expires": 60},
     "serial, udid, enrollment_id, user and seconds"),
]


@one_database
@pytest.mark.parametrize("method, call, body, names", BODIES)
def test_an_unknown_key_is_400(operator, method, call, body, names):
    text = error_of(operator.call(method, "/v1/" + call,
                                  json.dumps(body).encode(), JSON), 400)
    assert names in text


@one_database
def test_options_of_a_json_request_in_the_url_are_400(operator, mac):
    _, plist = command()
    body = json.dumps({"ids": [mac.id],
                       "command": base64.b64encode(plist).decode()})
    text = error_of(operator.call("PUT", "/v1/enqueue?nopush=1",
                                  body.encode(), JSON), 400)
    assert "in its body" in text
    assert mac.idle().body == b""


@one_database
@pytest.mark.parametrize("call", ["enqueue", "push"])
@pytest.mark.parametrize("headers", [
    {}, {"Content-Type": "application/x-www-form-urlencoded"}])
def test_json_without_its_content_type(operator, call, headers):
    text = error_of(operator.call("PUT", "/v1/" + call, b' {"ids": ["x"]}',
                                  headers), 400)
    assert "Content-Type: application/json" in text


@one_database
@pytest.mark.parametrize("method, call, body", [
    ("POST", "scep-challenge", b'{"zzz": 1}'),
    ("GET", "certs?zzz=1", None), ("POST", "renew?zzz=1", None)])
def test_the_manual_has_what_the_calls_of_identities_take(operator, method,
                                                          call, body):
    """What an answer says that there is, is in the row of docs/api.md."""
    text = error_of(operator.call(method, f"/v1/{call}", body, JSON), 400)
    names = re.split(", | and ", text.split("there are ")[1])
    row, = re.findall(rf"^\| `{method} /{call.split('?')[0]}` \| (.*?) \|",
                      (ROOT / "docs/api.md").read_text(), re.MULTILINE)
    assert set(names) == set(re.findall("`([a-z_]+)`", row))


# -- What there is ----------------------------------------------------

def test_enrollments_are_listed(operator, mac):
    listed = operator.call("GET", "/v1/enrollments?limit=1000")
    assert listed.status == 200, listed
    assert mac.id in [each["id"] for each in listed.json["enrollments"]]
    page = operator.call("GET", "/v1/enrollments?limit=1&offset=1")
    assert page.json["enrollments"] == listed.json["enrollments"][1:2]
    assert operator.call(
        "GET", f"/v1/enrollments/{mac.id}?limit=1").status == 400


@one_database
@pytest.mark.parametrize("path", ["/v1", "/v1/"])
def test_the_calls_are_listed(operator, path):
    answer = operator.call("GET", path)
    assert answer.status == 200, answer
    assert answer.json["calls"]["queue"] == "GET, DELETE"
    assert answer.json["calls"]["enqueue"] == "PUT, POST"
    assert answer.json["version"] == operator.version().json["version"]


@one_database
@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/enqeue/x",
                                  "/v1/version"])
def test_a_call_that_is_not_there(operator, path):
    text = error_of(operator.call("GET", path), 404)
    assert "enqueue, push, " in text and ", events" in text


@one_database
@pytest.mark.parametrize("method, call, allowed", [
    ("PATCH", "queue/x", "GET, DELETE"), ("POST", "pushcert", "PUT, GET"),
    ("DELETE", "enqueue/x", "PUT, POST"), ("PUT", "commands/x", "GET, DELETE"),
    ("PUT", "commands", "POST, GET, DELETE"), ("POST", "certs/x", "DELETE")])
def test_a_method_that_is_not_there(operator, method, call, allowed):
    """P6: a 405 says in Allow what there is (RFC 9110, 15.5.6)."""
    answer = operator.call(method, f"/v1/{call}")
    assert error_of(answer, 405) == (
        f"Method Not Allowed: no {method} for {call.partition('/')[0]};"
        f" allowed: {allowed}")
    assert answer.headers["Allow"] == allowed
    head = operator.call("HEAD", f"/v1/{call}")
    assert (head.status, head.headers["Allow"]) == (405, allowed)


@one_database
@pytest.mark.parametrize("key", ["wrong", None])
def test_401_is_json(server, expect_log, key):
    expect_log("AH01617", optional=True)
    operator = Operator(server, key=key or "x")
    answer = (operator.call if key else operator.raw)("GET", "/v1/events")
    assert error_of(answer, 401).startswith("Unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


@one_database
def test_errors_of_httpd_are_json(httpd):
    """An ErrorDocument has no part in them."""
    server = httpd(extra_vhost="ErrorDocument 401 /version\n"
                   'ErrorDocument 413 "a page"\nLimitRequestBody 1000')
    operator = Operator(server)
    assert error_of(operator.raw("GET", "/v1/events"), 401)
    assert error_of(operator.call("PUT", "/v1/enqueue/x", bytes(5000)), 413)


# -- What was meant ---------------------------------------------------

@one_database
@pytest.mark.parametrize("body, hint", [
    (b'{"udid": "x", "request_type": "DeviceInformation"}',
     "MicroMDM JSON goes to /commands"),
    (plistlib.dumps({"PayloadType": "Configuration", "PayloadContent": []}),
     "wrap it in an InstallProfile command"),
    (b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02",
     "wrap it in an InstallProfile command"),
])
def test_what_is_no_command(operator, mac, body, hint):
    text = error_of(operator.enqueue(mac.id, body), 400)
    assert hint in text


def test_an_id_in_other_letter_case(operator, device, db):
    mac = device(udid="ABCDEF-" + command()[0]).enroll()
    _, plist = command()
    other = mac.id.lower()
    if db.query("SELECT 1 FROM enrollments WHERE id = %s", other):
        pytest.skip("one to this database's collation")
    said = (f"an enrollment of this id in other letter case exists:"
            f" {mac.id}")
    assert said in error_of(operator.enqueue(other, plist), 500)
    for path in (f"enrollments/{other}", f"queue/{other}",
                 f"results/{other}"):
        assert said in error_of(operator.call("GET", f"/v1/{path}"), 404)


# -- Enqueue without a command ----------------------------------------

@one_database
def test_enqueue_without_a_body_says_that_nothing_is_queued(
        httpd, device, expect_log):
    """KMFDDM and NanoCMD send such by mistake."""
    server = httpd(children=3)
    mac = device(server).enroll()
    operator = Operator(server)
    expect_log("NMDM1203", "127.0.0.1", "KMFDDM/1", ":warn]")
    expect_log("NMDM09", optional=True)
    mark = server.mark()
    start = time.monotonic()
    for _ in range(12):
        operator.close()                     # another child may answer
        answer = operator.call("PUT", f"/v1/enqueue/{mac.id}", b"",
                               {"User-Agent": "KMFDDM/1"})
        assert answer.json["queued"] is False
        assert "command_uuid" not in answer.json
    assert "queued" not in operator.push(mac.id).json
    lines = re.findall("NMDM1203", server.log_since(mark))
    assert 1 <= len(lines) <= 1 + (time.monotonic() - start) // 60


# -- What the log says of it ------------------------------------------

@one_database
def test_the_log_says_who_did_it_and_counts_in_english(server, operator, mac):
    mark = server.mark()
    uuid, plist = command()
    assert operator.enqueue(mac.id, plist).status == 200
    assert operator.call("DELETE", f"/v1/queue/{mac.id}").status == 204
    log = server.log_since(mark)
    for text in (f"{uuid} queued for 1 of 1 enrollment [trace",
                 f"NMDM1763: {mac.id}: 1 queued command cancelled [trace"):
        line, = [line for line in log.splitlines() if text in line]
        assert line.endswith(" by nanomdm"), line
    certificate = certs.push_certificate()
    mark = server.mark()
    assert operator.pushcert_put(certificate).status == 200
    (line,) = [line for line in server.log_since(mark).splitlines()
               if "NMDM0906" in line]
    assert line.endswith(" by nanomdm"), line
