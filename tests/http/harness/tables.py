# SPDX-License-Identifier: Apache-2.0
"""What tests ask NanoMDM's tables, and what they put into them."""

import collections
import datetime

from device import command

Enrollment = collections.namedtuple(
    "Enrollment", "device_id user_id type topic push_magic token_hex"
    " enabled token_update_tally")

Result = collections.namedtuple(
    "Result", "status result not_now_at not_now_tally")


def count(db, table, where, *args):
    """How many rows of a table meet a condition."""
    (number,), = db.query(
        f"SELECT COUNT(*) FROM {table} WHERE {where}", *args)
    return number


def device_columns(db, device, *columns):
    """Columns of a device channel's row; None without a row."""
    rows = db.query(f"SELECT {', '.join(columns)} FROM devices"
                    " WHERE id = %s", device.udid)
    return rows[0] if rows else None


def user_columns(db, user, *columns):
    """Columns of a user channel's row; None without a row."""
    rows = db.query(f"SELECT {', '.join(columns)} FROM users"
                    " WHERE id = %s AND device_id = %s",
                    user.id, user.parent_id)
    return rows[0] if rows else None


def enrollment(db, device):
    """The Enrollment of a channel, or None."""
    rows = db.query(f"SELECT {', '.join(Enrollment._fields)}"
                    " FROM enrollments WHERE id = %s", device.id)
    return Enrollment(*rows[0]) if rows else None


def is_enabled(db, device):
    """(enabled, tally) of an enrollment."""
    (row,) = db.query("SELECT enabled, token_update_tally"
                      " FROM enrollments WHERE id = %s", device.id)
    return bool(row[0]), row[1]


def last_seen(db, device):
    (row,) = db.query("SELECT last_seen_at FROM enrollments"
                      " WHERE id = %s", device.id)
    return row[0]


def forget(db, device):
    """Set last_seen_at back; what it is then."""
    db.execute("UPDATE enrollments SET last_seen_at ="
               " '2024-05-06 07:08:09' WHERE id = %s", device.id)
    return last_seen(db, device)


def result(db, device, uuid):
    """The Result stored for a command, or None."""
    rows = db.query(f"SELECT {', '.join(Result._fields)}"
                    " FROM command_results"
                    " WHERE id = %s AND command_uuid = %s",
                    device.id, uuid)
    return Result(*rows[0]) if rows else None


def set_updated(db, table, when, device, uuid):
    """As if a row had last been changed then."""
    text = when.strftime("%Y-%m-%d %H:%M:%S.000")
    if db.kind == "pgsql":    # a trigger there sets the time of any change
        db.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    db.execute(f"UPDATE {table} SET updated_at = %s"
               " WHERE id = %s AND command_uuid = %s", text, device.id, uuid)
    if db.kind == "pgsql":
        db.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def set_reported(db, device, uuid, hour):
    """As if a report had come in that hour of a day long past: those of one
    moment have no order."""
    set_updated(db, "command_results", datetime.datetime(2024, 5, 6, hour),
                device, uuid)


def is_active(db, device, uuid):
    """Whether a queue row is; None without a row."""
    rows = db.query("SELECT active FROM enrollment_queue"
                    " WHERE id = %s AND command_uuid = %s",
                    device.id, uuid)
    return bool(rows[0][0]) if rows else None


def associations(db, device):
    """The certificate hashes of a device, sorted."""
    return sorted(row[0] for row in db.query(
        "SELECT sha256 FROM cert_auth_associations WHERE id = %s",
        device.udid))


def associate(db, device):
    """Associate a device's certificate as NanoMDM would."""
    insert(db, "cert_auth_associations", ("id", "sha256"),
           [(device.udid, device.identity.sha256)])


def insert(db, table, columns, rows):
    """Many rows in one statement."""
    marks = ", ".join(["(" + ", ".join(["%s"] * len(columns)) + ")"]
                      * len(rows))
    db.execute(f"INSERT INTO {table} ({', '.join(columns)})"
               f" VALUES {marks}",
               *(value for row in rows for value in row))


def fill_queues(db, devices, number):
    """Queue that many commands for each device; their UUIDs."""
    commands = [command() for _ in range(number)]
    insert(db, "commands", ("command_uuid", "request_type", "command"),
           [(uuid, "DeviceInformation", plist.decode())
            for uuid, plist in commands])
    insert(db, "enrollment_queue", ("id", "command_uuid"),
           [(device.id, uuid) for device in devices
            for uuid, _ in commands])
    return [uuid for uuid, _ in commands]


def back_to_version_6(db):
    """The tables as they were before schema version 7."""
    db.execute("DROP TABLE nanomdm_event_parts")
    db.execute("ALTER TABLE nanomdm_events DROP COLUMN payload_size")
    db.execute("UPDATE nanomdm_schema SET version = 6 WHERE version = 7")
