# SPDX-License-Identifier: Apache-2.0
"""Servers that have devices renew their identities."""

import hashlib
import time

from cryptography.hazmat.primitives import serialization

import pytest

import ca as certs
from conftest import new_database
from device import Device
from enrolling import Profile, enrolled, identity_for, operator_call
from scep import ScepClient
from scep_site import scep_server
from system import wait_until
from test_enroll import store_push_certificate

LINES = """\
NanoMDMIssuerCertificateFile {folder}/issuer.pem
NanoMDMIssuerKeyFile {folder}/issuer.key
NanoMDMPushURL https://localhost:1
NanoMDMPushTimeout 1
%s
<Location "/scep">
    SetHandler nanomdm-scep
</Location>
<Location "/enroll">
    SetHandler nanomdm-enroll
    NanoMDMEnrollOpen On
    NanoMDMEnrollRequire user
    NanoMDMEnrollLimit 100
    %s
</Location>
"""

A_DAY = 86400000


def renewing(make, db_server, issuer, ca, server="", location="",
             database=None, **options):
    return scep_server(
        lambda **more: make(database or new_database(db_server), **more),
        issuer, ca, LINES % (server, location), **options)


@pytest.fixture(autouse=True)
def usual_remarks(expect_log):
    expect_log("NMDM0035", optional=True)       # NanoMDMEnrollOpen
    expect_log("NMDM0037", optional=True)       # 400 days are never left
    expect_log("NMDM0918", optional=True)       # no APNs there


@pytest.fixture(scope="module")
def site(module_httpd, harness, db_server, issuer, ca, topic):
    made = renewing(module_httpd, db_server, issuer, ca,
                    "NanoMDMRenewIdentity 400 100/s", children=3)
    store_push_certificate(made, topic)
    return made


def profile_of(site, path="/enroll"):
    device = Device(site, certs.self_signed("x", key="rsa"), plain=False)
    try:
        answer = device.raw("GET", path)
        assert answer.status == 200, answer
        return Profile(answer.body)
    finally:
        device.close()


def enroll(site, issuer, **options):
    return enrolled(site, issuer, profile_of(site), **options)


def sha256(identity):
    return hashlib.sha256(identity.cert.public_bytes(
        serialization.Encoding.DER)).hexdigest()


def row_of(site, identity):
    row, = site.database.query(
        "SELECT renew_state, renew_asked_at, renew_tries, renew_uuid,"
        " renew_error, purpose, enrollment_id FROM nanomdm_scep_certs"
        " WHERE sha256 = %s", sha256(identity))
    return dict(zip(("state", "asked", "tries", "uuid", "error", "purpose",
                     "enrollment"), row))


def next_command(mac, seconds=20, **keys):
    """What the next poll is answered with, as soon as it is something."""
    answers = []

    def poll():
        answers.append(mac.idle())
        assert answers[-1].status == 200, answers[-1]
        return bool(answers[-1].body)
    assert wait_until(poll, seconds=seconds), "no command came"
    return answers[-1].plist


def ordered(site, mac):
    """The command of a renewal that the operator orders: no chore is waited
    for, and where it was faster, its command is the one."""
    answer = operator_call(site, "POST", f"/v1/renew/{mac.id}")
    assert answer.json["status"][mac.id], answer
    return next_command(mac)


def order(site, mac):
    """As the API orders the renewals of all of an issuer: the chore asks."""
    site.database.execute("UPDATE nanomdm_scep_certs SET renew_asked_at = 0"
                          " WHERE sha256 = %s", sha256(mac.identity))


def let_chore_look(site):
    """Until it has looked at least once from now on."""
    site.database.execute("UPDATE nanomdm_chores SET next_at = 0"
                          " WHERE name = 'renewal'")
    assert wait_until(lambda: site.database.query(
        "SELECT next_at FROM nanomdm_chores WHERE name = 'renewal'"
        )[0][0] > 0, seconds=30)
    # It is taken for a minute; what is left is at most the pause after it.
    assert wait_until(lambda: site.database.query(
        "SELECT next_at FROM nanomdm_chores WHERE name = 'renewal'"
        )[0][0] < time.time() + 30, seconds=30)


def is_renewal(answer):
    return answer["Command"]["RequestType"] == "InstallProfile"


def renew(site, issuer, mac, answer=None, **token):
    """All of a renewal; the device has its new identity then."""
    answer = answer or ordered(site, mac)
    assert is_renewal(answer), answer
    profile = Profile(answer["Command"]["Payload"])
    reply, identity = identity_for(site, issuer, profile,
                                   key=certs.rsa_key(2048))
    assert identity, reply.failure
    new = Device(site, identity, udid=mac.udid, topic=mac.topic)
    new.serial = mac.serial
    assert new.authenticate().status == 200
    assert new.token_update(**token).status == 200
    assert new.acknowledge(answer["CommandUUID"]).status == 200
    return new, profile


def go_back(site, identity, hours, tries=None):
    """As if the device had been asked so long ago."""
    site.database.execute(
        "UPDATE nanomdm_scep_certs SET renew_asked_at = renew_asked_at - %s"
        " WHERE sha256 = %s", hours * 3600000, sha256(identity))
    if tries is not None:
        site.database.execute(
            "UPDATE nanomdm_scep_certs SET renew_tries = %s"
            " WHERE sha256 = %s", tries, sha256(identity))


def commands_of(site, mac):
    return site.database.query(
        "SELECT q.command_uuid FROM enrollment_queue q, commands c"
        " WHERE q.id = %s AND c.command_uuid = q.command_uuid"
        " AND c.request_type = 'InstallProfile'", mac.id)


def by_hand(site, issuer, challenge=None, **options):
    """A device with a profile from elsewhere."""
    client = ScepClient(site, issuer)
    key = certs.rsa_key(2048)
    challenge = challenge or operator_call(
        site, "POST", "/v1/scep-challenge").json["challenge"]
    reply = client.enrol(challenge, key=key)
    client.close()
    return Device(site, certs.Identity(reply.cert, key), **options).enroll()
