# SPDX-License-Identifier: Apache-2.0
"""nanomdmctl why: each cause that docs/stuck.md knows is found."""

import pathlib

import pytest

import ca as certs
from apns import Answer
from ctl import LOCATIONS, Ctl
from device import Operator, command

pytestmark = pytest.mark.one_database


@pytest.fixture
def site(httpd, fresh_db, apns, expect_log):
    expect_log("nanomdm", optional=True)
    server = httpd(fresh_db(), extra_vhost=LOCATIONS
                   + f"NanoMDMPushURL {apns.url}\n"
                     "NanoMDMPushCACertificateFile {folder}/apns.pem\n",
                   files={"apns.pem": pathlib.Path(
                       apns.ca_pem).read_bytes()})
    server.topic = certs.push_topic()
    operator = Operator(server)
    operator.pushcert_put(certs.push_certificate(server.topic))
    operator.close()
    return server


@pytest.fixture
def ctl(site, tmp_path):
    return Ctl(site, tmp_path)


@pytest.fixture
def mac(device, site):
    return device(site, topic=site.topic).enroll()


def away(site, mac, hours=5):
    """The device was not heard of for so long, and everything that waits is
    as old."""
    then = f"datetime('now', '-{hours} hours')"
    site.database.execute(
        f"UPDATE enrollments SET last_seen_at = {then} WHERE id = %s",
        mac.id)


def old(site, hours):
    then = f"datetime('now', '-{hours} hours')"
    site.database.execute(f"UPDATE enrollment_queue SET created_at = {then}")


def cause(ctl, mac, status=1):
    ran = ctl("why", getattr(mac, "id", mac), "--json")
    assert ran.status == status, ran
    return ran.json["cause"]


def test_nothing_keeps_it(ctl, mac):
    ran = ctl("why", mac.id)
    assert ran.status == 0 and "Nothing here keeps it." in ran.out, ran
    assert "Is it enrolled?" in ran.out and "\033[" not in ran.out
    assert ctl("why", mac.serial).status == 0


def test_it_was_never_enrolled(ctl):
    found = cause(ctl, "nobody")
    assert found["question"] == "Is it enrolled?"
    assert "NMDM0701" in found["remedy"]


def test_it_left(ctl, mac):
    mac.checkout()
    found = cause(ctl, mac)
    assert found["question"] == "Is it enrolled?" and "left" in found["saw"]


def test_there_is_no_push_certificate(ctl, device, site):
    other = device(site, topic=certs.push_topic()).enroll()
    found = cause(ctl, other)
    assert found["question"] == "Is there a push certificate?"
    assert other.topic in found["saw"]
    assert "pushcert upload" in found["remedy"]


def test_the_push_certificate_has_expired(ctl, mac, site):
    operator = Operator(site)
    operator.pushcert_put(certs.push_certificate(site.topic, start=-90,
                                                 days=-1))
    operator.close()
    found = cause(ctl, mac)
    assert "it expired" in found["saw"]
    assert "same account" in found["remedy"]


def test_apns_refuses(ctl, mac, site, apns):
    away(site, mac)
    apns.answers[mac.token.hex()] = Answer(410, "Unregistered")
    found = cause(ctl, mac)
    assert found["question"] == "Does APNs refuse?"
    assert "Unregistered" in found["saw"] and "enroll" in found["remedy"]


def test_it_was_asked_and_does_not_come(ctl, mac, site):
    ctl("send", mac.id, "UserList", "--no-push")
    away(site, mac)
    old(site, 4)
    found = cause(ctl, mac)
    assert found["question"] == "Does a command wait?"
    assert "did not come since" in found["saw"]


def test_it_puts_the_command_off(ctl, mac):
    ctl("send", mac.id, "UserList", "--uuid", "late", "--no-push")
    mac.idle()
    mac.not_now("late")
    found = cause(ctl, mac)
    assert "NotNow" in found["saw"] and "late" in found["saw"]


def test_one_command_blocks_the_others(ctl, mac, site):
    for uuid in "block", "next":
        ctl("send", mac.id, "UserList", "--uuid", uuid, "--no-push")
    old(site, 3)
    mac.idle()
    mac.idle()
    found = cause(ctl, mac)
    assert "without answering it" in found["saw"], found
    # The remedy is a command line; it helps.
    words = found["remedy"].split("nanomdmctl ")[1].split()
    assert words[:2] == ["cancel", mac.id]
    assert ctl(*words).status == 0


def test_no_certificate_is_known(ctl, mac, site):
    site.database.execute("DELETE FROM cert_auth_associations")
    found = cause(ctl, mac)
    assert found["question"] == "Whose certificate is it?"
    assert "NanoMDMRetroactive" in found["remedy"]


def test_its_identity_has_expired(ctl, mac, site, ca):
    expired = ca.issue(start=-90, days=-1)
    site.database.execute("UPDATE devices SET identity_cert = %s",
                          expired.pem.decode())
    found = cause(ctl, mac)
    assert found["question"] == "Has its identity expired?"


def test_an_error_is_shown(ctl, mac):
    uuid, plist = command()
    operator = Operator(mac.server)
    operator.enqueue(mac.id, plist)
    operator.close()
    mac.idle()
    mac.error(uuid)
    ran = ctl("why", mac.id)
    assert ran.status == 0 and f"{uuid}: Unknown command" in ran.out


def test_the_database_is_away(ctl, mac, site):
    for table in ("cert_auth_associations", "enrollment_queue",
                  "command_results", "users", "enrollments"):
        site.database.execute(f"DROP TABLE {table}")
    ran = ctl("why", mac.id)
    assert ran.status == 1 and "Traceback" not in ran.err
    assert "Cause: " in ran.out
