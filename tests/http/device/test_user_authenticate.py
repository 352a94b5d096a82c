# SPDX-License-Identifier: Apache-2.0
"""UserAuthenticate: declined, or in two steps."""

import plistlib

import pytest

from tables import count, user_columns
from test_checkin import (GONE, PLIST_HEAD, SERVER_ERROR, is_done,
                          is_refused)


@pytest.fixture(scope="module")
def challenger(module_httpd):
    """A server that lets users authenticate."""
    return module_httpd(
        extra_vhost="NanoMDMUserAuthenticate empty-challenge")


@pytest.mark.parametrize("nothing", [None, ""], ids=["absent", "empty"])
def test_c15_user_authenticate_is_declined(device, db, nothing):
    """C15: 410 Gone, and nothing stored."""
    user = device().enroll().user()
    answer = user.user_authenticate(DigestResponse=nothing)
    assert is_refused(answer, 410, GONE)
    assert user_columns(db, user, "id") is None


def test_c15_user_authenticate_of_a_device_is_declined(device):
    """C15: also without a user's identity."""
    assert is_refused(device().enroll().user_authenticate(), 410, GONE)


def test_c16_user_authenticate_in_two_steps(device, challenger, db):
    """C16: an empty challenge, then 200; both in their slots."""
    user = device(challenger).enroll().user()
    slots = ("user_authenticate", "user_authenticate_at",
             "user_authenticate_digest", "user_authenticate_digest_at")
    answer = user.user_authenticate()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert answer.body.startswith(PLIST_HEAD)
    assert answer.plist == {"DigestChallenge": ""}
    first, first_at, *digest = user_columns(db, user, *slots)
    assert plistlib.loads(first.encode()) == user.message(
        "UserAuthenticate")
    assert (first_at is None, digest) == (False, [None, None])

    assert is_done(user.user_authenticate(DigestResponse="digest"))
    again, again_at, digest, digest_at = user_columns(db, user, *slots)
    assert (again, again_at) == (first, first_at)
    assert plistlib.loads(digest.encode())["DigestResponse"] == "digest"
    assert digest_at is not None

    assert is_done(user.token_update())
    assert user_columns(db, user, *slots)[0] == first


def test_c16_empty_digest_response_is_the_first_step(device, challenger):
    """C16: an empty DigestResponse counts as absent."""
    user = device(challenger).enroll().user()
    answer = user.user_authenticate(DigestResponse="")
    assert answer.plist == {"DigestChallenge": ""}


def test_c16_user_authenticate_needs_a_user(device, challenger, db):
    """C16: a device identity is refused, nothing stored (2.7)."""
    mac = device(challenger).enroll()
    assert is_refused(mac.user_authenticate(), 500, SERVER_ERROR)
    assert count(db, "users", "device_id = %s", mac.id) == 0


def test_c17_digest_response_while_declining(device, db):
    """C17: accepted as NanoMDM does or 410, but nothing stored."""
    user = device().enroll().user()
    answer = user.user_authenticate(DigestResponse="digest")
    assert is_done(answer) or is_refused(answer, 410, GONE)
    assert user_columns(db, user, "id") is None
