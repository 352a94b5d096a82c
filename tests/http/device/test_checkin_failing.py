# SPDX-License-Identifier: Apache-2.0
"""A check-in that cannot be stored as a whole leaves what was there."""

import contextlib

from device import command
from tables import device_columns, is_enabled, user_columns
from test_checkin import SERVER_ERROR, TOKEN, TOPIC, is_done, is_refused

REFUSED_TOPIC = "com.apple.mgmt.refused"
KEPT_TOPIC = "com.apple.mgmt.kept"

RULES = {
    "inserting": f"NEW.topic <> '{REFUSED_TOPIC}'",
    "disabling": f"NEW.enabled = TRUE OR NEW.topic <> '{KEPT_TOPIC}'",
}


@contextlib.contextmanager
def rule(db, name):
    """Let the database refuse some enrollments."""
    if db.kind == "sqlite3":
        event = "INSERT" if name == "inserting" else "UPDATE"
        db.execute(f"CREATE TRIGGER refuse BEFORE {event} ON enrollments"
                   f" WHEN NOT ({RULES[name]}) BEGIN"
                   " SELECT RAISE(ABORT, 'refused by rule'); END")
        undo = "DROP TRIGGER refuse"
    else:
        db.execute("ALTER TABLE enrollments ADD CONSTRAINT refuse CHECK"
                   f" ({RULES[name].replace('NEW.', '')})")
        undo = "ALTER TABLE enrollments DROP CONSTRAINT refuse"
    try:
        yield
    finally:
        db.execute(undo)


def test_failing_token_update_stores_nothing(device, db, expect_log):
    """Q11: the enrollment cannot be stored, so the device's row keeps
    what it had."""
    mac = device()
    mac.authenticate()
    mac.topic = REFUSED_TOPIC
    expect_log("nanomdm:error")
    with rule(db, "inserting"):
        answer = mac.token_update(UnlockToken=b"unlock")
    assert is_refused(answer, 500, SERVER_ERROR)
    assert device_columns(db, mac, "token_update", "token_update_at",
                          "unlock_token", "unlock_token_at") == (
                              None, None, None, None)
    assert is_done(mac.token_update(Topic=TOPIC))


def test_failing_token_update_of_a_user_stores_nothing(device, db,
                                                       expect_log):
    """Q11: the same for the user's row."""
    user = device().enroll().user()
    user.topic = REFUSED_TOPIC
    expect_log("nanomdm:error")
    with rule(db, "inserting"):
        answer = user.token_update()
    assert is_refused(answer, 500, SERVER_ERROR)
    assert user_columns(db, user, "id") is None
    assert is_done(user.token_update(Topic=TOPIC))


def test_failing_authenticate_changes_nothing(device, operator, db,
                                              expect_log):
    """Q11: the enrollment cannot be disabled, so token, queue and
    message stay."""
    mac = device(topic=KEPT_TOPIC).enroll()
    mac.token_update(UnlockToken=b"unlock")
    mac.set_bootstrap_token(TOKEN)
    uuid, plist = command()
    operator.enqueue(mac.id, plist)
    columns = ("authenticate", "authenticate_at", "serial_number",
               "identity_cert", "bootstrap_token_b64", "unlock_token_at")
    before = device_columns(db, mac, *columns)
    expect_log("nanomdm:error")
    with rule(db, "disabling"):
        answer = mac.authenticate(SerialNumber="other")
    assert is_refused(answer, 500, SERVER_ERROR)
    assert device_columns(db, mac, *columns) == before
    assert is_enabled(db, mac) == (True, 2)
    assert mac.idle().body == plist
