# SPDX-License-Identifier: Apache-2.0
"""The webhook: the event of each message, and its receivers (5)."""

import base64
import contextlib
import datetime
import json
import plistlib
import re

import pytest

from device import CHECKIN, REPORT, Device, Operator, command
from receiver import Answer, signature
from system import wait_until
from webhook_site import (KEY, LOST, WARNING, about, events_of, hook_lines,
                          hooked, is_about, mac, one_database, own_receiver,
                          receiver, receiver_of_module, requests_of, topics_of)


class Mover(Device):
    """An operator with the API key who speaks for a device."""

    path = "/migration"

    def credentials(self, body):
        return [Operator(self.server).authorization]


# -- The event (W1, W2, W12) ------------------------------------------

def test_checkin_event(hooked, receiver, mac):
    now = datetime.datetime.now(datetime.timezone.utc)
    body = plistlib.dumps(mac.message("Authenticate", Topic=mac.topic))
    assert mac.send(body, CHECKIN).status == 200
    request, = requests_of(receiver, mac, 1)
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["Content-Type"] == (
        "application/json; charset=utf-8")
    assert request.headers["X-Hmac-Signature"] == signature(KEY,
                                                            request.body)
    event = request.json()
    assert re.fullmatch("[0-9a-f]{16}", event.pop("event_id"))
    created_at = event.pop("created_at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?"
                        r"(Z|[+-]\d\d:\d\d)", created_at)
    moment = datetime.datetime.fromisoformat(
        created_at.replace("Z", "+00:00"))
    assert abs((moment - now).total_seconds()) < 600
    assert event == {"topic": "mdm.Authenticate", "checkin_event": {
        "ids": {"id": mac.id, "type": "Device"},
        "raw_payload": base64.b64encode(body).decode(),
        "udid": mac.udid}}


def test_report_event(hooked, receiver, mac):
    mac.enroll()
    uuid = command()[0]
    body = plistlib.dumps({"UDID": mac.udid, "Status": "Acknowledged",
                           "CommandUUID": uuid})
    assert mac.send(body, REPORT).status == 200
    event = events_of(receiver, mac, 3)[2]
    assert event["topic"] == "mdm.Connect"
    assert "checkin_event" not in event
    assert event["acknowledge_event"] == {
        "ids": {"id": mac.id, "type": "Device"}, "command_uuid": uuid,
        "raw_payload": base64.b64encode(body).decode(),
        "status": "Acknowledged", "udid": mac.udid}


@one_database
def test_idle_has_no_command_uuid(hooked, receiver, mac):
    mac.enroll().idle()
    event = events_of(receiver, mac, 3)[2]["acknowledge_event"]
    assert event["status"] == "Idle"
    assert "command_uuid" not in event


@one_database
def test_body_is_compact_json(hooked, receiver, mac):
    mac.enroll()
    for request in requests_of(receiver, mac, 2):
        assert json.dumps(request.json(), separators=(",", ":"),
                          ).encode() == request.body
        event = request.json()
        assert list(event) == sorted(event)
        assert list(about(event)) == sorted(about(event))


@one_database
@pytest.mark.parametrize("before, after", [
    ("", ""), ("", "\r\n \n"), ("<!-- Zoë -->\r\n", "\t")])
def test_raw_payload_is_what_was_sent(hooked, receiver, mac, before,
                                      after):
    mac.enroll()
    head, rest = plistlib.dumps({"UDID": mac.udid, "Status": "Idle",
                                 "Data": bytes(range(256))}
                                ).split(b"<plist", 1)
    body = (head + before.encode() + b"<plist" + rest.rstrip()
            + after.encode())
    assert mac.send(body, REPORT).status == 200
    payload = events_of(receiver, mac, 3)[2]["acknowledge_event"][
        "raw_payload"]
    assert base64.b64decode(payload, validate=True) == body


@one_database
def test_w12_raw_payload_of_a_binary_property_list(hooked, receiver, mac):
    """W12"""
    mac.enroll()
    body = plistlib.dumps({"UDID": mac.udid, "Status": "Idle"},
                          fmt=plistlib.FMT_BINARY)
    assert mac.send(body, REPORT).status == 200
    payload = events_of(receiver, mac, 3)[2]["acknowledge_event"][
        "raw_payload"]
    assert base64.b64decode(payload, validate=True) == body


@one_database
def test_large_payload_arrives_whole(hooked, receiver, mac):
    mac.enroll()
    body = plistlib.dumps({"UDID": mac.udid, "Status": "Idle",
                           "Data": b"large" * 1_000_000})
    assert mac.send(body, REPORT).status == 200
    payload = events_of(receiver, mac, 3)[2]["acknowledge_event"][
        "raw_payload"]
    assert base64.b64decode(payload) == body


@one_database
def test_every_event_has_an_id_of_its_own(hooked, receiver, mac):
    mac.enroll()
    for _ in range(3):
        mac.idle()
    assert len({event["event_id"]
                for event in events_of(receiver, mac, 5)}) == 5


# -- Topics (W3, W8) --------------------------------------------------

TOPICS = {
    "mdm.SetBootstrapToken": lambda mac: mac.set_bootstrap_token(b"t"),
    "mdm.GetBootstrapToken": lambda mac: mac.get_bootstrap_token(),
    "mdm.GetToken": lambda mac: mac.get_token("com.apple.maid"),
    "mdm.CheckOut": lambda mac: mac.checkout(),
    "mdm.Authenticate": lambda mac: mac.authenticate(),
    "mdm.Connect": lambda mac: mac.idle(),
}


@pytest.mark.parametrize("topic", TOPICS)
def test_topic(hooked, receiver, mac, topic):
    mac.enroll()
    assert TOPICS[topic](mac).status == 200
    first, second, event = events_of(receiver, mac, 3)
    assert first["topic"] == "mdm.Authenticate"
    assert second["topic"] == "mdm.TokenUpdate"
    assert event["topic"] == topic
    assert "enrollment_id" not in about(event)
    assert "token_update_tally" not in about(event)
    assert "url_params" not in about(event)


def test_tally_counts_token_updates(hooked, receiver, mac):
    mac.enroll()
    for _ in range(2):
        assert mac.token_update().status == 200
    first, *updates = events_of(receiver, mac, 4)
    assert [about(event)["token_update_tally"]
            for event in updates] == [1, 2, 3]
    assert "token_update_tally" not in about(first)


@one_database
def test_tally_begins_anew_with_the_enrollment(hooked, receiver, mac):
    mac.enroll().token_update()
    mac.enroll()
    updates = [about(event) for event in events_of(receiver, mac, 5)
               if event["topic"] == "mdm.TokenUpdate"]
    assert [event["token_update_tally"] for event in updates] == [1, 2, 1]


@one_database
def test_tally_is_that_of_its_own_update(httpd, device, own_receiver):
    """Although the next update was stored before it was sent."""
    own_receiver.answers["*"] = Answer(delay=0.1)
    mac = device(httpd(extra_vhost=hook_lines(own_receiver.url)))
    mac.enroll().token_update()
    mac.token_update()
    assert [about(event).get("token_update_tally")
            for event in events_of(own_receiver, mac, 4)] == [None, 1, 2, 3]


@one_database
def test_user_channel(hooked, receiver, mac):
    user = mac.enroll().user().enroll()
    event = about(events_of(receiver, user, 1)[0])
    assert event["ids"] == {"id": user.id, "parent_id": mac.id,
                            "type": "User"}
    assert event["udid"] == mac.udid
    assert event["token_update_tally"] == 1


@one_database
def test_user_enrollment(hooked, receiver, device):
    phone = device(hooked, kind="User Enrollment (Device)").enroll()
    user = phone.user().enroll()
    event = about(events_of(receiver, phone, 2)[0])
    assert event["ids"] == {"id": phone.id,
                            "type": "User Enrollment (Device)"}
    assert event["enrollment_id"] == phone.udid
    assert "udid" not in event
    event = about(events_of(receiver, user, 1)[0])
    assert event["ids"] == {"id": user.id, "parent_id": phone.id,
                            "type": "User Enrollment"}


# -- url_params (W5) --------------------------------------------------

@one_database
@pytest.mark.parametrize("query, params", [
    ("a=1&b=2&a=3&c", {"a": "1", "b": "2", "c": ""}),
    ("x=%zz&ok=1", {"ok": "1"}),
    ("a=%3C%26%3E+b&%22=q", {"a": "<&> b", '"': "q"}),
    ("z=Zo%C3%AB", {"z": "Zoë"}),
])
def test_url_params(hooked, receiver, mac, query, params):
    mac.path = "/mdm?" + query
    assert mac.authenticate().status == 200
    request, = requests_of(receiver, mac, 1)
    assert request.json()["checkin_event"]["url_params"] == params
    assert not set(request.body) & set(b"<>&")


@one_database
@pytest.mark.parametrize("query", ["", "?"])
def test_no_url_params(hooked, receiver, mac, query):
    mac.path = "/mdm" + query
    assert mac.authenticate().status == 200
    assert "url_params" not in about(events_of(receiver, mac, 1)[0])


@one_database
def test_url_params_of_a_report(hooked, receiver, mac):
    mac.path = "/mdm?site=7"
    mac.enroll().idle()
    assert about(events_of(receiver, mac, 3)[2])["url_params"] == {
        "site": "7"}


@one_database
def test_params_that_are_no_utf8_still_make_json(hooked, receiver, mac):
    mac.path = "/mdm?z=%FF%00x&ok=1"
    assert mac.authenticate().status in (200, 400)
    assert mac.authenticate().status in (200, 400)
    mac.path = "/mdm"
    assert mac.authenticate().status == 200
    assert wait_until(lambda: any(is_about(each, mac)
                                  for each in receiver.requests), 5)


# -- Who is told (W7) -------------------------------------------------

@one_database
def test_declined_user_authenticate_is_told(hooked, receiver, mac):
    user = mac.enroll().user()
    assert user.user_authenticate().status == 410
    assert topics_of(receiver, user, 1) == ["mdm.UserAuthenticate"]


@one_database
def test_declarative_management_without_server_is_told(
        hooked, receiver, mac, expect_log):
    mac.enroll()
    expect_log(r":(warn|error)\]", optional=True)
    assert mac.declarative_management("tokens").status == 500
    assert topics_of(receiver, mac, 3)[2] == "mdm.DeclarativeManagement"


@one_database
def test_D10_status_reports_are_a_topic_of_their_own(httpd, own_receiver,
                                                     device):
    url = own_receiver.url
    site = httpd(extra_vhost=f"""
NanoMDMDeclarativeManagement builtin
NanoMDMWebhook {url}/all
NanoMDMWebhook {url}/status topics=mdm.DeclarativeManagement:status
NanoMDMWebhook {url}/rest topics=all,-mdm.DeclarativeManagement:status
""")
    mac = device(site).enroll()
    assert mac.declarative_management("tokens").status == 200
    assert mac.declarative_management("status", b"{}").status == 200
    for path, endpoints in (("/all", ["tokens", "status"]),
                            ("/status", ["status"]), ("/rest", ["tokens"])):
        number = len(endpoints) + (0 if path == "/status" else 2)
        events = [json.loads(one.body) for one in requests_of(
            own_receiver, mac, number, path=path)]
        payloads = [plistlib.loads(base64.b64decode(
            event["checkin_event"]["raw_payload"])) for event in events]
        assert [payload["Endpoint"] for payload in payloads
                if "Endpoint" in payload] == endpoints
        assert {event["topic"] for event, payload in zip(events, payloads)
                if "Endpoint" in payload} == {"mdm.DeclarativeManagement"}


@one_database
def test_return_to_service_is_a_topic(httpd, own_receiver, device):
    """With an answer of ours; and once, where there is none: 400."""
    url = own_receiver.url
    site = httpd(extra_vhost=f"""
NanoMDMWebhook {url}/returns topics=mdm.ReturnToService
NanoMDMWebhook {url}/rest topics=all,-mdm.ReturnToService
NanoMDMReturnToService {{folder}}/return.plist "Device"
""", files={"return.plist": plistlib.dumps({"ReturnToService": {}})})
    mac = device(site).enroll()
    assert mac.return_to_service(Extra="x").status == 200
    user = mac.user()
    assert user.token_update().status == 200
    with site.expect("NMDM0713"):
        assert user.return_to_service().status == 400
    assert mac.checkout().status == 200
    (one,) = requests_of(own_receiver, mac, 1, path="/returns")
    event = json.loads(one.body)
    assert event["topic"] == "mdm.ReturnToService"
    assert plistlib.loads(base64.b64decode(
        event["checkin_event"]["raw_payload"]))["Extra"] == "x"
    (one,) = requests_of(own_receiver, user, 1, path="/returns")
    assert json.loads(one.body)["checkin_event"]["ids"]["id"] == user.id
    assert [json.loads(each.body)["topic"] for each in requests_of(
        own_receiver, mac, 3, path="/rest")] == [
            "mdm.Authenticate", "mdm.TokenUpdate", "mdm.CheckOut"]


@one_database
def test_failed_declarative_management_is_told(hooked, receiver, mac,
                                               expect_log):
    mac.enroll()
    receiver.answers["/dm/tokens"] = Answer(500)
    expect_log(r":(warn|error)\]", optional=True)
    mac.path = "/dm-fails"
    assert mac.declarative_management("tokens").status == 500
    assert topics_of(receiver, mac, 3)[2] == "mdm.DeclarativeManagement"


@one_database
def test_get_token_without_handler_is_told(httpd, device, own_receiver,
                                           expect_log):
    expect_log(r":(warn|error)\]", optional=True)
    mac = device(httpd(extra_vhost=hook_lines(own_receiver.url))).enroll()
    assert mac.get_token("com.apple.maid").status == 500
    assert topics_of(own_receiver, mac, 3)[2] == "mdm.GetToken"


@one_database
def test_token_update_without_authenticate(hooked, receiver, mac,
                                           expect_log):
    """An identity that is not associated: there is no event."""
    expect_log(r":(warn|error)\]", optional=True)
    assert mac.token_update().status >= 400
    mac.authenticate()
    assert topics_of(receiver, mac, 1) == ["mdm.Authenticate"]


@one_database
def test_refused_certificate_is_not_told(hooked, receiver, mac, device,
                                         expect_log):
    expect_log(r":(warn|error)\]", optional=True)
    mac.enroll()
    thief = device(hooked, udid=mac.udid)
    assert thief.idle().status >= 400
    mac.idle()
    last = events_of(receiver, mac, 3)[2]["acknowledge_event"]
    assert last["status"] == "Idle"


@one_database
@pytest.mark.parametrize("body", [b"", b"<plist", b"no plist"])
def test_undecodable_message_is_not_told(hooked, receiver, mac, body,
                                         expect_log):
    expect_log(r":(warn|error)\]", optional=True)
    mac.enroll()
    events_of(receiver, mac, 2)
    before = len(receiver.requests)
    assert mac.send(body, CHECKIN).status >= 400
    assert mac.send(body, REPORT).status >= 400
    mac.idle()
    events_of(receiver, mac, 3)
    assert len(receiver.requests) == before + 1


@one_database
def test_invalid_get_token_is_not_told(hooked, receiver, mac, expect_log):
    expect_log(r":(warn|error)\]", optional=True)
    mac.enroll()
    assert mac.get_token(None).status in (400, 500)
    mac.idle()
    assert topics_of(receiver, mac, 3)[2] == "mdm.Connect"


@one_database
def test_migration_is_not_told(hooked, receiver, device):
    moved = Mover(hooked, None, transport="none")
    with contextlib.closing(moved):
        moved.enroll()
    mac = device(hooked)
    mac.authenticate()
    events_of(receiver, mac, 1)
    requests_of(receiver, moved, 0)


@one_database
def test_api_is_not_told(hooked, receiver, mac):
    mac.enroll()
    operator = Operator(hooked)
    with contextlib.closing(operator):
        operator.enqueue(mac.id, command()[1])
    mac.idle()
    assert topics_of(receiver, mac, 3)[2] == "mdm.Connect"


@one_database
def test_location_with_a_receiver_of_its_own(hooked, receiver, mac):
    mac.path = "/other"
    assert mac.authenticate().status == 200
    request, = requests_of(receiver, mac, 1, path="/other")
    assert request.headers["X-Hmac-Signature"] == signature(
        "of-the-location", request.body)
    requests_of(receiver, mac, 0)


@one_database
def test_query_of_the_url_is_kept_and_nothing_signed_without_key(
        httpd, device, own_receiver):
    mac = device(httpd(extra_vhost="NanoMDMWebhookURL "
                       f"{own_receiver.url}/a/b?key=1&x=%20y"))
    assert mac.authenticate().status == 200
    request, = own_receiver.wait_for(1)
    assert request.path == "/a/b?key=1&x=%20y"
    assert "X-Hmac-Signature" not in request.headers


# -- Trace ids --------------------------------------------------------

@one_database
def test_event_id_is_the_trace_id_of_the_logs(hooked, receiver, mac):
    mark = hooked.mark()
    mac.authenticate()
    event_id = events_of(receiver, mac, 1)[0]["event_id"]
    hooked.wait_for_log(f"{mac.id}.*{event_id}", mark)
    line = f"{mac.id} {event_id}\n"
    log = hooked.folder / "custom.log"
    assert wait_until(lambda: line in log.read_text())


@one_database
def test_payload_and_key_stay_out_of_the_log(httpd, device, own_receiver,
                                             expect_log):
    own_receiver.answers["*"] = Answer(500)
    server = httpd(extra_vhost=hook_lines(
        own_receiver.url, "NanoMDMWebhookKey very-secret-words"))
    expect_log(WARNING, LOST, server=server)
    mac = device(server).enroll()
    mac.set_bootstrap_token(b"bootstrap-secret")
    server.wait_for_log(WARNING)
    log = server.error_log()
    assert mac.push_magic not in log
    assert base64.b64encode(b"bootstrap-secret").decode() not in log
    assert "very-secret-words" not in log


# -- Configuration ----------------------------------------------------

WRONG = {
    "URL of another scheme": (
        "NanoMDMWebhookURL ftp://localhost/",
        ["NanoMDMWebhookURL", "ftp://localhost/"]),
    "URL that is none": (
        "NanoMDMWebhookURL hook", ["NanoMDMWebhookURL", "hook"]),
    "URL without host": (
        "NanoMDMWebhookURL http:///hook",
        ["NanoMDMWebhookURL", "http:///hook"]),
    "key file that is not there": (
        "NanoMDMWebhookURL http://localhost/\n"
        "NanoMDMWebhookKey file:{folder}/nowhere.key",
        ["NanoMDMWebhookKey", "nowhere.key"]),
    "key from an unset variable": (
        "NanoMDMWebhookURL http://localhost/\n"
        "NanoMDMWebhookKey env:NO_SUCH_VARIABLE",
        ["NanoMDMWebhookKey", "NO_SUCH_VARIABLE"]),
    "upstream CA that is not there": (
        "NanoMDMUpstreamCACertificateFile {folder}/nowhere.pem",
        ["NanoMDMUpstreamCACertificateFile", "nowhere.pem"]),
    "timeout of nothing": (
        "NanoMDMUpstreamTimeout 0", ["NanoMDMUpstreamTimeout", "0"]),
    "timeout that is no number": (
        "NanoMDMUpstreamTimeout soon",
        ["NanoMDMUpstreamTimeout", "soon"]),
}


@one_database
@pytest.mark.parametrize("name", WRONG)
def test_configtest_refuses(httpd, name):
    line, patterns = WRONG[name]
    server = httpd(start=False, extra_vhost=line)
    status, said = server.configtest()
    assert status != 0, said
    for pattern in patterns:
        assert pattern in said
