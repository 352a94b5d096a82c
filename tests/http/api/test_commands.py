# SPDX-License-Identifier: Apache-2.0
"""The operator's API: commands written in JSON."""

import base64
import json
import plistlib
import re
from uuid import uuid4

import pytest

from device import REPORT, Operator, command

pytestmark = pytest.mark.one_database

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}"
                  r"-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
DATA = b"\x00\x01profile\xff"
B64 = base64.b64encode(DATA).decode()


@pytest.fixture
def mac(device):
    return device().enroll()


def post(operator, body, **headers):
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    return operator.call("POST", "/v1/commands", body, headers)


def delivered(operator, mac, request_type, **keys):
    """The Command that a device gets for this JSON."""
    answer = post(operator, {"udid": mac.id, "request_type": request_type,
                             "nopush": True, **keys})
    assert answer.status == 200, answer
    plist = mac.idle().plist
    assert set(plist) == {"Command", "CommandUUID"}
    assert answer.json["command_uuid"] == plist["CommandUUID"]
    assert plist["Command"].pop("RequestType") == request_type
    return plist["Command"]


def test_a_command_and_its_answer(operator, mac):
    answer = post(operator, {
        "udid": mac.id, "request_type": "DeviceInformation",
        "queries": ["UDID", "OSVersion"], "nopush": True})
    assert answer.status == 200, answer
    uuid = answer.json["command_uuid"]
    assert UUID.fullmatch(uuid)
    assert answer.json == {"no_push": True, "command_uuid": uuid,
                           "request_type": "DeviceInformation"}
    assert mac.idle().plist == {"CommandUUID": uuid, "Command": {
        "RequestType": "DeviceInformation",
        "Queries": ["UDID", "OSVersion"]}}


def test_it_wakes_the_devices_up(operator, mac, expect_log):
    """As enqueue does: here there is no push certificate to do it."""
    expect_log("NMDM0916", optional=True)
    answer = post(operator, {"udid": mac.id, "request_type": "ProfileList"})
    assert answer.status == 500, answer
    assert "push cert" in answer.json["push_error"]
    assert mac.idle().plist["CommandUUID"] == answer.json["command_uuid"]


@pytest.mark.parametrize("request_type, given, expected", [
    ("ProfileList", {}, {}),
    ("InstallProfile", {"payload": B64}, {"Payload": DATA}),
    ("InstallProfile", {"Payload": B64}, {"Payload": DATA}),
    ("RemoveProfile", {"identifier": "a.b"}, {"Identifier": "a.b"}),
    ("InstallProvisioningProfile", {"provisioning_profile": B64},
     {"ProvisioningProfile": DATA}),
    ("InstalledApplicationList",
     {"identifiers": ["a"], "managed_apps_only": True},
     {"Identifiers": ["a"], "ManagedAppsOnly": True}),
    ("DeviceLock", {"pin": "123456", "message": "m", "phone_number": "1"},
     {"PIN": "123456", "Message": "m", "PhoneNumber": "1"}),
    ("ClearPasscode", {"unlock_token": B64}, {"UnlockToken": DATA}),
    ("EraseDevice", {"pin": "123456", "preserve_data_plan": True},
     {"PIN": "123456", "PreserveDataPlan": True}),
    ("InstallApplication",
     {"itunes_store_id": 361309726, "management_flags": 1,
      "manifest_url": "https://x/m?a=1&b=<2>",
      "options": {"purchase_method": 1},
      "configuration": {"payload": "kept", "identifier": 2}},
     {"iTunesStoreID": 361309726, "ManagementFlags": 1,
      "ManifestURL": "https://x/m?a=1&b=<2>",
      "Options": {"PurchaseMethod": 1},
      "Configuration": {"payload": "kept", "identifier": 2}}),
    ("InstallEnterpriseApplication",
     {"manifest": {"items": [{"assets": [{"url": "u"}]}]},
      "manifest_url_pinning_certs": [B64, B64]},
     {"Manifest": {"items": [{"assets": [{"url": "u"}]}]},
      "ManifestURLPinningCerts": [DATA, DATA]}),
    ("AccountConfiguration",
     {"skip_primary_setup_account_creation": True,
      "auto_setup_admin_accounts": [
          {"short_name": "a", "password_hash": B64, "hidden": False}]},
     {"SkipPrimarySetupAccountCreation": True,
      "AutoSetupAdminAccounts": [
          {"shortName": "a", "passwordHash": DATA, "hidden": False}]}),
    ("Settings",
     {"settings": [{"item": "DeviceName", "device_name": "n"},
                   {"item": "Wallpaper", "image": B64, "where": 2},
                   {"item": "MDMOptions", "mdm_options": {"enabled": 1}}]},
     {"Settings": [{"Item": "DeviceName", "DeviceName": "n"},
                   {"Item": "Wallpaper", "Image": DATA, "Where": 2},
                   {"Item": "MDMOptions", "MDMOptions": {"enabled": 1}}]}),
    ("ScheduleOSUpdate",
     {"updates": [{"product_version": "15.1", "priority": "High",
                   "install_action": "Default"}]},
     {"Updates": [{"ProductVersion": "15.1", "Priority": "High",
                   "InstallAction": "Default"}]}),
    ("RotateFileVaultKey",
     {"key_type": "personal", "filevault_unlock": {"password": "p"}},
     {"KeyType": "personal", "FileVaultUnlock": {"Password": "p"}}),
    ("RefreshCellularPlans", {"esim_server_url": "https://x"},
     {"eSIMServerURL": "https://x"}),
    ("DeclarativeManagement", {"data": B64}, {"Data": DATA}),
    ("FutureCommand",
     {"NewKey": 1, "snake_case": [True, False, 1.5, -(2 ** 63), "x", {},
                                  {"y": []}], "gone": None, "ü": "💻\r\n\t"},
     {"NewKey": 1, "snake_case": [True, False, 1.5, -(2 ** 63), "x", {},
                                  {"y": []}], "ü": "💻\r\n\t"}),
], ids=lambda value: value if isinstance(value, str) else "")
def test_keys_and_types(operator, mac, request_type, given, expected):
    assert delivered(operator, mac, request_type, **given) == expected


def test_p1_reals_arrive_as_they_were_given(operator, mac):
    """The shortest form that reads back, with a digit before the point."""
    numbers = [1e300, 1e80, 5e-324, 0.93, 0.1, -1.5, 1e-7, 2.5e15]
    answer = post(operator, {"udid": mac.id, "request_type": "X",
                             "v": numbers, "nopush": True})
    assert answer.status == 200, answer
    body = mac.idle().body
    assert plistlib.loads(body)["Command"]["v"] == numbers
    assert re.findall(rb"<real>(.*)</real>", body) == [
        b"1e300", b"1e80", b"5e-324", b"0.93", b"0.1", b"-1.5", b"1e-7",
        b"2.5e15"]


def test_p2_p3_numbers_and_dates_of_a_report(operator, mac):
    """The same bytes on every platform; a date as the device wrote it."""
    uuid, plist = command()
    assert operator.enqueue(mac.id, plist).status == 200
    report = plistlib.dumps({**mac.ids(), "Status": "Acknowledged",
                             "CommandUUID": uuid, "here": True})
    assert mac.send(report.replace(
        b"<key>here</key>\n\t<true/>",
        b"<key>here</key><array><real>0.93</real><real>1e+300</real>"
        b"<real>1</real><date>2026-11-27 10:00:00 +0000</date>"
        b"<data> A A E = </data></array>"), REPORT).status == 200
    answer = operator.call("GET", f"/v1/commands/{uuid}")
    assert answer.status == 200, answer
    text = "".join(answer.body.decode().split("\n"))
    assert ('0.93,1e300,1.0,"2026-11-27 10:00:00 +0000","AAE="'
            in text.replace("\t", ""))


def test_many_ids_a_uuid_and_terms(operator, device):
    macs = [device().enroll() for _ in range(3)]
    uuid = str(uuid4())
    answer = post(operator, {
        "udid": macs[0].id, "ids": [mac.id for mac in macs],
        "request_type": "SecurityInfo", "command_uuid": uuid,
        "nopush": True, "priority": 9, "expires": "2030-06-01T12:00:00Z"})
    assert answer.status == 200, answer
    assert answer.json["command_uuid"] == uuid
    for mac in macs:
        assert mac.idle().plist == {"CommandUUID": uuid, "Command": {
            "RequestType": "SecurityInfo"}}
    (entry,) = operator.call(
        "GET", f"/v1/queue/{macs[2].id}").json["commands"]
    assert (entry["priority"], entry["expires_at"]) == (
        9, "2030-06-01T12:00:00Z")


def test_the_content_type_does_not_matter(operator, mac):
    body = {"udid": mac.id, "request_type": "UserList", "nopush": True}
    for content_type in ("application/json", "text/plain",
                         "application/x-www-form-urlencoded"):
        answer = post(operator, body, **{"Content-Type": content_type})
        assert answer.status == 200, answer


@pytest.mark.parametrize("body, text", [
    (b"", "JSON object"), (b"[]", "JSON object"), (b"{", "JSON object"),
    (b'{"udid":"\xff"}', "JSON object"),
    ({}, '"udid"'), ({"udid": 1}, '"udid" is an integer, not a string'),
    ({"ids": "x"}, '"ids" is a string, not an array'),
    ({"ids": [1]}, '"ids" is not an array of strings'),
    ({"ids": []}, '"udid"'),
    ({"udid": "x"}, '"request_type" is missing'),
    ({"udid": "x", "request_type": ""}, '"request_type" is missing'),
    ({"udid": "x", "request_type": ["a"]}, '"request_type" is an array'),
    ({"command_uuid": 7}, '"command_uuid" is an integer'),
    ({"nopush": "yes"}, '"nopush" is a string'),
    ({"priority": "1"}, '"priority" is a string, not an integer'),
    ({"priority": 200}, '"priority" is "200"'),
    ({"expires": []}, '"expires" is an array'),
    ({"request_type": "InstallProfile", "payload": "%%"},
     '"payload" is not base64'),
    ({"request_type": "InstallProfile", "payload": 5},
     '"payload" is not a string of base64'),
    ({"request_type": "InstallProfile", "payload": {"a": 1}},
     '"payload" is not a string of base64'),
    ({"request_type": "DeviceLock", "pin": 12345}, '"pin" is a number'),
    ({"request_type": "EraseDevice", "PIN": 1.5e5}, '"PIN" is a number'),
    ({"request_type": "RotateFileVaultKey",
      "filevault_unlock": {"password": 7}}, '"password" is a number'),
    ({"request_type": "X", "a": [None]}, '"a" has a null in an array'),
    ({"request_type": "X", "a": "\u0001"}, '"a" has a character'),
    ({"request_type": "X", "a\u0002": "b"}, "has a character"),
    ({"request_type": "X\ufffe"}, '"request_type" has a character'),
    ({"request_type": "X", "a": "\u0000"}, "JSON object"),
    (b'{"udid":"x","request_type":"X","a":' + b'{"b":' * 70 + b"1"
     + b"}" * 71, "nested too deeply"),
    (b'{"udid":"x","request_type":"X","a":' + b"[" * 5000, "JSON object"),
    (b'{"udid":"x","request_type":"X","a":99999999999999999999}',
     "JSON object"),
])
def test_what_cannot_be_used_is_400(operator, body, text):
    if isinstance(body, dict) and body and "udid" not in body \
            and "ids" not in body:
        body = {"udid": "x", "request_type": "X", **body}
    answer = post(operator, body)
    assert answer.status == 400, answer
    assert list(answer.json) == ["error"]
    assert text in answer.json["error"]


def test_nesting_up_to_the_bound_is_delivered(operator, mac):
    value = 1
    for _ in range(55):
        value = {"k": value}
    assert delivered(operator, mac, "X", a=value) == {"a": value}


def test_what_the_queue_refuses(operator, mac):
    uuid = str(uuid4())
    order = {"udid": mac.id, "request_type": "X", "command_uuid": uuid,
             "nopush": True}
    assert post(operator, order).status == 200
    answer = post(operator, order)
    assert answer.status == 500, answer
    assert "command already exists" in answer.json["command_error"]
    answer = post(operator, {**order, "udid": "nobody",
                             "command_uuid": str(uuid4())})
    assert answer.status == 500
    assert answer.json["command_error"].startswith("nobody is not enrolled")
    for changes in ({"request_type": "X" * 64}, {"command_uuid": "u" * 128}):
        answer = post(operator, {**order, **changes})
        assert answer.status == 400, answer
        assert "longer than" in answer.json["command_error"]


def test_the_raw_way_stays(operator, mac):
    uuid, plist = command()
    assert operator.enqueue(mac.id, plist).status == 200
    assert mac.idle().body == plist


def test_methods_and_size(httpd):
    server = httpd(extra_vhost="NanoMDMMaxBody 1024")
    operator = Operator(server)
    assert operator.call("PUT", "/v1/commands", b"{}").status == 405
    assert operator.call("POST", "/v1/commands/x", b"{}").status == 405
    answer = operator.call("POST", "/v1/commands", b" " * 1025)
    assert (answer.status, list(answer.json)) == (413, ["error"])
    operator.close()
