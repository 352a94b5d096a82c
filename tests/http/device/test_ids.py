# SPDX-License-Identifier: Apache-2.0
"""From the identifiers in a message to the enrollment's one ID."""

import pytest

from device import SHARED_IPAD_USER
from wire import assert_empty, assert_error, is_stored


def enrollments(mac):
    """(id, type, device_id, user_id) of a device and its channels."""
    return mac.server.database.query(
        "SELECT id, type, device_id, user_id FROM enrollments"
        " WHERE device_id = %s ORDER BY id", mac.udid)


@pytest.fixture
def mac(device):
    """A device that is enrolled, for user channels to hang on."""
    return device().enroll()


@pytest.fixture
def own(device):
    """One under User Enrollment."""
    return device(kind="User Enrollment (Device)").enroll()


def test_i01_nothing_is_nobody(device, expect_log):
    """I1"""
    mac = device()
    expect_log("NMDM", optional=True)
    assert_error(mac.authenticate(UDID=None), 400, 500)
    assert_error(mac.authenticate(UDID=None, UserID="u",
                                  UserShortName="s"), 400, 500)


def test_i02_udid_is_a_device(mac):
    """I2"""
    assert enrollments(mac) == [(mac.udid, "Device", mac.udid, None)]


def test_i03_udid_and_user_id_are_a_user(mac):
    """I3"""
    user = mac.user().enroll()
    id_ = f"{mac.udid}:{user.user_id}"
    assert enrollments(mac) == [
        (mac.udid, "Device", mac.udid, None),
        (id_, "User", mac.udid, id_)]
    assert mac.server.database.query(
        "SELECT device_id, user_short_name, user_long_name FROM users"
        " WHERE id = %s", id_) == [(mac.udid, "alice", "Alice Doe")]


def test_i04_enrollment_id_is_a_device_under_user_enrollment(own):
    """I4"""
    assert enrollments(own) == [
        (own.udid, "User Enrollment (Device)", own.udid, None)]


def test_i05_enrollment_user_id_is_a_user_under_user_enrollment(own):
    """I5"""
    user = own.user().enroll()
    id_ = f"{own.udid}:{user.user_id}"
    assert enrollments(own)[1:] == [
        (id_, "User Enrollment", own.udid, id_)]


def test_i06_shared_ipad_user_goes_by_short_name(mac):
    """I6"""
    mac.user("Shared iPad", short_name="appleid@example.com").enroll()
    id_ = f"{mac.udid}:appleid@example.com"
    assert enrollments(mac)[1:] == [(id_, "Shared iPad", mac.udid, id_)]


def test_i07_udid_goes_before_enrollment_id(device):
    """I7"""
    mac = device()
    keys = {"EnrollmentID": "E-" + mac.udid, "EnrollmentUserID": "F"}
    assert_empty(mac.authenticate(**keys))
    assert_empty(mac.token_update(**keys))
    assert enrollments(mac) == [(mac.udid, "Device", mac.udid, None)]
    assert not is_stored(mac.server, "E-" + mac.udid)


def test_i08_empty_user_id_is_none(device):
    """I8"""
    mac = device()
    assert_empty(mac.authenticate(UserID="", EnrollmentID=""))
    assert_empty(mac.token_update(UserID=""))
    assert enrollments(mac) == [(mac.udid, "Device", mac.udid, None)]


def test_i08_empty_udid_is_none(own):
    """I8: the same for the other identifiers."""
    assert_empty(own.token_update(UDID="", EnrollmentUserID=""))
    (tally,), = own.server.database.query(
        "SELECT token_update_tally FROM enrollments WHERE id = %s",
        own.id)
    assert tally == 2


@pytest.mark.parametrize("short_name", [None, ""])
def test_i09_shared_ipad_user_without_short_name_is_400(mac, short_name):
    """I9 [BETTER]"""
    answer = mac.token_update(UserID=SHARED_IPAD_USER,
                              UserShortName=short_name)
    assert_error(answer, 400)
    assert len(enrollments(mac)) == 1


def test_i10_enrollment_user_id_alone_is_nobody(device, expect_log):
    """I10"""
    mac = device()
    expect_log("NMDM", optional=True)
    answer = mac.authenticate(UDID=None, EnrollmentUserID="f" + mac.udid)
    assert_error(answer, 400, 500)
    assert not is_stored(mac.server, "f" + mac.udid)
    assert_empty(mac.authenticate(EnrollmentUserID="f"))
    assert_empty(mac.token_update(EnrollmentUserID="f"))
    assert enrollments(mac) == [(mac.udid, "Device", mac.udid, None)]


def test_i11_lower_case_constant_is_an_ordinary_user(mac):
    """I11"""
    user = mac.user(user_id=SHARED_IPAD_USER.lower()).enroll()
    assert enrollments(mac)[1:] == [
        (user.id, "User", mac.udid, user.id)]
    assert user.id.endswith(SHARED_IPAD_USER.lower())


def test_i12_id_of_255_characters_fits(device):
    """I12"""
    mac = device(udid="x" * 255).enroll()
    assert enrollments(mac) == [("x" * 255, "Device", "x" * 255, None)]


def test_i12_longer_id_is_400_and_not_cut(device):
    """I12"""
    mac = device(udid="y" * 256)
    assert_error(mac.authenticate(), 400)
    assert not is_stored(mac.server, "y" * 256)
    assert not is_stored(mac.server, "y" * 255)


@pytest.mark.parametrize("kind, keys", [
    ("User", {"user_id": "z" * 250}),
    ("Shared iPad", {"short_name": "z" * 250})])
def test_i12_parts_may_fit_and_their_sum_not(mac, kind, keys):
    """I12"""
    user = mac.user(kind, **keys)
    assert_error(user.token_update(), 400)
    assert len(enrollments(mac)) == 1


def test_ids_are_compared_byte_for_byte(device):
    """2.1: neither case nor trailing blanks are forgiven."""
    first = device().enroll()
    for udid in (first.udid.lower(), first.udid + " ",
                 " " + first.udid, first.udid + "\t"):
        other = device(udid=udid).enroll()
        assert enrollments(other) == [(udid, "Device", udid, None)]
        assert_empty(other.idle())
        answer = first.send({"UDID": udid, "Status": "Idle"})
        assert_error(answer, 500)
    assert enrollments(first) == [
        (first.udid, "Device", first.udid, None)]


@pytest.mark.parametrize("form", [
    "   ", "{}@example.com", "{}'; DROP TABLE devices; --", "{}\\",
    "{}%s%d%n", "{}\u00e9\u4e2d", "{}\U0001f34e", "{}<&>\"",
    "../../{}", "{}:", "{},x", "{}/x"])
def test_ids_are_not_interpreted(device, form):
    """2.1, 12.11 S11: any text is an ID."""
    mac = device()
    mac.udid = form.format(mac.udid)
    mac.enroll()
    user = mac.user(user_id="O'Neil \u00fc\U0001f34e%").enroll()
    assert enrollments(mac) == [
        (mac.udid, "Device", mac.udid, None),
        (user.id, "User", mac.udid, user.id)]
    assert_empty(mac.idle())
    assert_empty(user.idle())


def test_composed_and_decomposed_letters_are_two(device):
    """2.1: no normalisation."""
    base = device().udid
    for last in ("\u00e9", "e\u0301", "\u00e8", "e"):
        mac = device(udid=base + last).enroll()
        assert enrollments(mac) == [(mac.udid, "Device", mac.udid, None)]


def test_all_channels_share_the_devices_certificate(mac, device):
    """2.1: certificate authorization asks for the device channel."""
    user = mac.user().enroll()
    assert_empty(user.idle())
    rows = mac.server.database.query(
        "SELECT id, sha256 FROM cert_auth_associations"
        " WHERE sha256 = %s", mac.identity.sha256)
    assert rows == [(mac.udid, mac.identity.sha256)]
    thief = device()
    answer = thief.send({**user.ids(), "Status": "Idle"})
    assert_error(answer, 500)
