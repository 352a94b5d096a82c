# SPDX-License-Identifier: Apache-2.0
"""The main path, once on every database."""

from device import command


def test_version_needs_no_key(operator):
    answer = operator.version()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json) == ["version"]


def test_mdm_without_certificate_is_400(operator):
    answer = operator.raw("GET", "/mdm")
    assert answer.status == 400
    assert answer.body == b"Bad Request\n"


def test_api_without_key_is_401(operator):
    answer = operator.raw("GET", "/v1/pushcert?topic=x")
    assert answer.status == 401


def test_enrollment_is_stored(device, db):
    mac = device()
    for answer in (mac.authenticate(), mac.token_update()):
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["Content-Type"] is None
    assert db.query(
        "SELECT type, topic, push_magic, token_hex, token_update_tally"
        " FROM enrollments WHERE id = %s", mac.id) == [
            ("Device", mac.topic, mac.push_magic, mac.token.hex(), 1)]
    assert db.query(
        "SELECT sha256 FROM cert_auth_associations WHERE id = %s",
        mac.id) == [(mac.identity.sha256,)]


def test_command_reaches_the_device_and_its_result_the_database(
        device, operator, db):
    mac = device().enroll()
    uuid, plist = command("DeviceInformation", Queries=["OSVersion"])
    answer = operator.enqueue(mac.id, plist)
    assert answer.status == 200, answer
    assert answer.json == {"no_push": True, "command_uuid": uuid,
                           "request_type": "DeviceInformation"}

    answer = mac.idle()
    assert (answer.status, answer.body) == (200, plist)

    answer = mac.acknowledge(uuid,
                             QueryResponses={"OSVersion": "15.1"})
    assert (answer.status, answer.body) == (200, b"")
    (status, result), = db.query(
        "SELECT status, result FROM command_results"
        " WHERE id = %s AND command_uuid = %s", mac.id, uuid)
    assert status == "Acknowledged"
    assert "<string>15.1</string>" in result


def test_user_channel_has_its_own_queue(device, operator):
    mac = device().enroll()
    user = mac.user().enroll()
    uuid, plist = command("ProfileList")
    assert operator.enqueue(user.id, plist).status == 200
    assert mac.idle().body == b""
    assert user.idle().body == plist
    assert user.acknowledge(uuid).body == b""
