# SPDX-License-Identifier: Apache-2.0
"""Database and configuration of 0.1.0 under this version, and NanoMDM on them
afterwards. tests/data/0.1.0 is what that version had."""

import shutil

import pytest

import ca as certs
from device import Operator, command
from system import ROOT
from tables import associate, insert, result
from test_storage import nanomdm_enqueues, nanomdm_next, nanomdm_stores, \
    table_names

OLD = ROOT / "tests/data/0.1.0"
ID = "0A1B2C3D-0000-4000-8000-000000000010"
TOPIC = certs.push_topic()


@pytest.fixture
def old(db_server):
    """A device that enrolled with 0.1.0, and a command that it left."""
    db = db_server.fresh(OLD / f"{db_server.kind}.sql")
    if db.kind == "sqlite3":    # httpd's user is to own it
        shutil.chown(db.params, "www-data")
    insert(db, "devices", ("id", "authenticate", "token_update",
                           "serial_number"),
           [(ID, "<plist/>", "<plist/>", "C02OLD")])
    insert(db, "enrollments", ("id", "device_id", "type", "topic",
                               "push_magic", "token_hex"),
           [(ID, ID, "Device", TOPIC, "magic", "00ff")])
    made = certs.push_certificate(TOPIC)
    insert(db, "push_certs", ("topic", "cert_pem", "key_pem", "stale_token"),
           [(TOPIC, made.pem.decode(), made.key_pem.decode(), 1)])
    db.waiting, plist = command()
    insert(db, "commands", ("command_uuid", "request_type", "command"),
           [(db.waiting, "DeviceInformation", plist.decode())])
    insert(db, "enrollment_queue", ("id", "command_uuid"),
           [(ID, db.waiting)])
    return db


def look_after(db, server, device):
    """What the device left waits for it; new work goes on; its push
    certificate is there."""
    mac = device(server, udid=ID, topic=TOPIC)
    associate(db, mac)
    assert mac.idle().plist["CommandUUID"] == db.waiting
    assert mac.acknowledge(db.waiting).body == b""
    assert result(db, mac, db.waiting).status == "Acknowledged"
    operator = Operator(server)
    uuid, plist = command("SecurityInfo")
    assert operator.enqueue(ID, plist).status == 200
    assert operator.pushcert_get(TOPIC).json["topic"] == TOPIC
    found = operator.call("GET", f"/v1/enrollments/{ID}")
    assert found.json["device"]["serial_number"] == "C02OLD"
    operator.close()
    assert mac.idle().body == plist
    assert mac.acknowledge(uuid).body == b""
    return mac


def go_back_to_nanomdm(db, mac):
    """Its statements, on the tables as this version leaves them."""
    uuid, _ = nanomdm_enqueues(db, mac.id)
    assert nanomdm_next(db, mac.id) == uuid
    nanomdm_stores(db, mac.id, uuid, "Acknowledged")
    assert nanomdm_next(db, mac.id) is None
    assert result(db, mac, uuid).status == "Acknowledged"
    db.execute("UPDATE enrollments SET last_seen_at = CURRENT_TIMESTAMP"
               " WHERE id = %s", mac.id)


def test_nothing_has_to_be_done(old, httpd, device, expect_log):
    """Neither schema nor configuration is touched."""
    expect_log("NMDM08", optional=True)
    before = table_names(old)
    server = httpd(old, extra_vhost=(OLD / "site.conf").read_text(),
                   api_key="0123456789abcdef0123456789abcdef",
                   extra_server="" if old.kind == "sqlite3"
                   else "NanoMDMSchema check\n")
    status, said = server.configtest()
    assert status == 0 and "NMDM" not in said, said
    mac = look_after(old, server, device)
    go_back_to_nanomdm(old, mac)
    assert before <= table_names(old)


def test_with_new_tables(old, httpd, device):
    """NanoMDMSchema auto, and the tables of NanoMDM stay its own."""
    server = httpd(old, extra_vhost=(OLD / "site.conf").read_text(),
                   api_key="0123456789abcdef0123456789abcdef",
                   extra_server="NanoMDMSchema auto\n")
    mac = look_after(old, server, device)
    assert "nanomdm_events" in table_names(old)
    go_back_to_nanomdm(old, mac)


def test_back_to_0_1_0(old, httpd, device):
    """Of what that version wrote, nothing asks for a column that it did not
    know: its tables are there, and each column that is new has a default."""
    server = httpd(old, extra_server="NanoMDMSchema auto\n")
    look_after(old, server, device)
    server.stop()
    other = "1B" + ID[2:]
    insert(old, "devices", ("id", "authenticate"), [(other, "<plist/>")])
    insert(old, "enrollments", ("id", "device_id", "type", "topic",
                                "push_magic", "token_hex"),
           [(other, other, "Device", TOPIC, "magic", "00ff")])
    uuid, plist = command()
    insert(old, "commands", ("command_uuid", "request_type", "command"),
           [(uuid, "DeviceInformation", plist.decode())])
    insert(old, "enrollment_queue", ("id", "command_uuid"), [(other, uuid)])
    server.start()
    mac = device(server, udid=other, topic=TOPIC)
    associate(old, mac)
    assert mac.idle().plist["CommandUUID"] == uuid
    assert mac.acknowledge(uuid).body == b""
    assert result(old, mac, uuid).status == "Acknowledged"
