# SPDX-License-Identifier: Apache-2.0
"""Renewals of identities: until one has worked, what a certificate was issued
for, what operators see and order (specification C)."""

import hashlib
import time

import pytest

import ca as certs
from device import Device, Operator
from enrolling import Profile, identity_for, operator_call
from renewal_site import (A_DAY, by_hand, commands_of, enroll, go_back,
                          is_renewal, let_chore_look, next_command, order,
                          ordered, profile_of, renew, renewing, row_of, sha256,
                          site, usual_remarks)
from scep_site import issuer, scep_server
from status_site import STATUS, figures, findings, metrics, page
from system import wait_until
from test_enroll import store_push_certificate, topic

STATIC = """\
NanoMDMIssuerCertificateFile {folder}/issuer.pem
NanoMDMIssuerKeyFile {folder}/issuer.key
NanoMDMReenroll keep
<Location "/scep">
    SetHandler nanomdm-scep
    NanoMDMSCEPChallenge static word
</Location>
"""


# -- Until it has worked --------------------------------------------------

@pytest.mark.one_database
def test_c6_acknowledged_is_not_done(site, issuer):
    mac = enroll(site, issuer)
    for tries in range(1, 3):
        answer = next_command(mac)
        assert mac.acknowledge(answer["CommandUUID"]).status == 200
        assert not mac.idle().body
        assert row_of(site, mac.identity)["tries"] == tries
        go_back(site, mac.identity, 23)
        let_chore_look(site)
        assert row_of(site, mac.identity)["tries"] == tries
        go_back(site, mac.identity, 2)
    renew(site, issuer, mac)


@pytest.mark.one_database
def test_c6_weekly_in_the_end(site, issuer):
    mac = enroll(site, issuer)
    answer = ordered(site, mac)
    assert mac.acknowledge(answer["CommandUUID"]).status == 200
    go_back(site, mac.identity, 6 * 24, tries=7)
    let_chore_look(site)
    assert row_of(site, mac.identity)["tries"] == 7
    go_back(site, mac.identity, 25)
    assert wait_until(lambda: row_of(site, mac.identity)["tries"] == 8,
                      seconds=20)


@pytest.mark.one_database
def test_c7_the_reason_of_an_error(site, issuer, expect_log):
    mac = enroll(site, issuer)
    answer = ordered(site, mac)
    expect_log("NMDM0741", mac.id, "MCSCEPErrorDomain 22013")
    assert mac.error(answer["CommandUUID"], ErrorChain=[
        {"ErrorDomain": "MCInstallationErrorDomain", "ErrorCode": 4001,
         "LocalizedDescription": "Profil", "USEnglishDescription":
         "Profile Installation Failed"},
        {"ErrorDomain": "MCSCEPErrorDomain", "ErrorCode": 22013,
         "LocalizedDescription": "x"}]).status == 200
    row = row_of(site, mac.identity)
    assert "22013 (a step of SCEP)" in row["error"]
    assert "Profile Installation Failed" in row["error"]
    go_back(site, mac.identity, 25)
    assert is_renewal(next_command(mac))


# -- What the certificate was issued for ----------------------------------

@pytest.mark.parametrize("reenroll", ["keep", "reset"])
def test_c8_a_new_enrollment_starts_afresh(httpd, db_server, issuer, ca,
                                           topic, reenroll):
    """The device was erased while its renewal waited; NanoMDMReenroll has no
    say."""
    site = renewing(httpd, db_server, issuer, ca,
                    f"NanoMDMRenewIdentity 400\nNanoMDMReenroll {reenroll}")
    store_push_certificate(site, topic)
    mac = enroll(site, issuer)
    assert mac.set_bootstrap_token(b"token").status == 200
    old = ordered(site, mac)
    _, identity = identity_for(site, issuer, profile_of(site),
                               key=certs.rsa_key(2048))
    again = Device(site, identity, udid=mac.udid, topic=mac.topic)
    assert again.authenticate().status == 200
    assert again.token_update().status == 200
    assert not again.get_bootstrap_token().body
    answer = ordered(site, again)
    assert answer["CommandUUID"] != old["CommandUUID"]
    assert row_of(site, mac.identity)["state"] is None
    renew(site, issuer, again, answer, AwaitingConfiguration=True)
    assert not again.get_bootstrap_token().body


@pytest.mark.one_database
def test_c8_a_shared_challenge_says_nothing(httpd, issuer, ca, topic):
    site = scep_server(httpd, issuer, ca, STATIC)
    mac = by_hand(site, issuer, "word", topic=topic)
    assert mac.set_bootstrap_token(b"token").status == 200
    again = by_hand(site, issuer, "word", topic=topic,
                    udid=mac.udid)
    assert again.get_bootstrap_token().plist["BootstrapToken"] == b"token"


@pytest.mark.one_database
@pytest.mark.parametrize("association, status", [("all", 200),
                                                 ("latest", 500)])
def test_c9_the_old_certificate(httpd, db_server, issuer, ca, topic,
                                association, status, expect_log):
    site = renewing(httpd, db_server, issuer, ca,
                    "NanoMDMRenewIdentity 400\n"
                    f"NanoMDMAssociation {association}")
    store_push_certificate(site, topic)
    mac = enroll(site, issuer)
    answer = ordered(site, mac)
    _, identity = identity_for(site, issuer, Profile(
        answer["Command"]["Payload"]), key=certs.rsa_key(2048))
    new = Device(site, identity, udid=mac.udid, topic=mac.topic)
    assert new.authenticate().status == 200
    assert mac.idle().status == 200              # serves until the TokenUpdate
    assert new.token_update().status == 200
    expect_log("NMDM0701", optional=True)
    assert mac.idle().status == status
    assert new.idle().status == 200


@pytest.mark.one_database
def test_c9_the_log_names_who_is_lost(site, issuer):
    mac = enroll(site, issuer)
    operator_call(site, "POST", f"/v1/renew/{mac.id}")
    mark = site.mark()
    site.database.execute(
        "UPDATE nanomdm_scep_certs SET not_after = %s WHERE sha256 = %s",
        int(time.time() * 1000) - A_DAY, sha256(mac.identity))
    go_back(site, mac.identity, 25)
    assert wait_until(lambda: any(
        "NMDM0972" in line and mac.id in line and "enroll again" in line
        for line in site.log_since(mark).splitlines()), seconds=20)


@pytest.mark.one_database
@pytest.mark.parametrize("grace", [864000, 0])
def test_c9_grace_lets_it_fetch_its_renewal(httpd, fresh_db, db_server, issuer,
                                            ca, topic, grace, expect_log):
    """The device was away when its certificate ended."""
    site = renewing(httpd, db_server, issuer, ca, "NanoMDMRenewIdentity 60\n"
                    f"NanoMDMIdentityGrace {grace}",
                    database=fresh_db())
    store_push_certificate(site, topic)
    mac = enroll(site, issuer)
    late = certs.mint("late", mac.identity.key, issuer, start=-50, days=-2)
    site.database.execute(
        "UPDATE nanomdm_scep_certs SET sha256 = %s, not_after = %s"
        " WHERE sha256 = %s", sha256(late),
        int(time.time() * 1000) - 2 * A_DAY, sha256(mac.identity))
    site.database.execute(
        "UPDATE cert_auth_associations SET sha256 = %s WHERE id = %s",
        sha256(late), mac.id)
    old = Device(site, late, udid=mac.udid, topic=mac.topic)
    old.serial = mac.serial
    expect_log("NMDM", optional=True)
    if not grace:
        assert old.idle().status not in (200, 401)
        return
    new, _ = renew(site, issuer, old)
    assert row_of(site, new.identity)["purpose"] == "renewal"
    assert new.idle().status == 200


# -- What the status shows -------------------------------------------------

WATCHED = "NanoMDMRenewIdentity 60\n" + STATUS


def test_c2_c6_a40_the_status_shows(httpd, fresh_db, db_server, issuer, ca,
                                    topic):
    site = renewing(httpd, db_server, issuer, ca, WATCHED,
                    database=fresh_db())
    store_push_certificate(site, topic)
    stuck, asked = enroll(site, issuer), enroll(site, issuer)
    foreign = by_hand(site, issuer, topic=topic)
    operator_call(site, "POST", "/v1/scep-challenge")
    soon = int(time.time() * 1000) + 20 * A_DAY
    now = int(time.time() * 1000)
    for mac, tries, error in ((stuck, 3, "MCSCEPErrorDomain 22013 <b>"),
                              (asked, 1, None)):
        site.database.execute(
            "UPDATE nanomdm_scep_certs SET not_after = %s,"
            " renew_asked_at = %s, renew_tries = %s, renew_error = %s"
            " WHERE sha256 = %s", soon, now, tries, error,
            sha256(mac.identity))
    site.database.execute(
        "UPDATE nanomdm_scep_certs SET not_after = %s WHERE sha256 = %s",
        soon, sha256(foreign.identity))
    operator = Operator(site)
    shown = figures(operator)
    exact = lambda number: {"number": number, "or_more": False}  # noqa: E731
    assert shown["identities"] == {
        "in_use": exact(3),
        "ending_within_days": {"7": exact(0), "30": exact(3),
                               "90": exact(3)},
        "issuers": [{"sha256": hashlib.sha256(issuer.der).hexdigest(),
                     "what": "the issuer", "live": exact(3)}]}
    assert shown["scep_challenges"] == {"open": exact(1), "used": exact(3),
                                        "expired": exact(0)}
    renewals = shown["identity_renewals"]
    listed, = renewals.pop("stuck_enrollments")
    assert (listed["id"], listed["tries"]) == (stuck.id, 3)
    assert listed["error"] == "MCSCEPErrorDomain 22013 <b>"
    assert renewals == {"asked": exact(2), "stuck": exact(1),
                        "foreign": exact(1)}
    samples = metrics(operator)
    label = f'{{issuer="{hashlib.sha256(issuer.der).hexdigest()}"}}'
    for name, value in (('scep_challenges{state="open"}', 1),
                        ('identity_renewals{state="stuck"}', 1),
                        ('identity_renewals{state="foreign"}', 1),
                        ('identities_in_use_ending{days="30"}', 3),
                        ("identities_live" + label, 3),
                        ('scep_answers_total{result="success"}', 3)):
        assert samples["nanomdm_" + name] == value, samples
    text = page(operator)
    operator.close()
    found = findings(text)
    assert any('<a href="#stuck">1 device does not renew its identity<'
               in each for each in found), found
    assert any('<a href="#renewals">1 identity is due and not renewed<'
               in each for each in found), found
    assert "NanoMDMRenewIdentifier" in text and stuck.id in text
    assert "22013 &lt;b&gt;" in text and "live, of the issuer" in text


# -- By hand ---------------------------------------------------------------

@pytest.fixture
def quiet(httpd, db_server, issuer, ca, topic):
    """Nothing is renewed but by hand."""
    made = renewing(httpd, db_server, issuer, ca)
    store_push_certificate(made, topic)
    return made


def test_c10_by_hand(quiet, issuer):
    mac, other = enroll(quiet, issuer), by_hand(quiet, issuer)
    answer = operator_call(
        quiet, "POST", f"/v1/renew/{mac.id},{other.id},NOBODY")
    assert answer.status == 207
    status = answer.json["status"]
    assert "NanoMDMRenewIdentifier" in status[other.id]["error"]
    assert status["NOBODY"] == {"error": "not enrolled"}
    command = mac.idle().plist
    assert command["CommandUUID"] == status[mac.id]["command_uuid"]
    again = operator_call(quiet, "POST", f"/v1/renew/{mac.id}")
    assert again.status == 200
    assert again.json["status"][mac.id]["waits"] is True
    renew(quiet, issuer, mac, command)
    for path in ("/v1/renew/NOBODY", "/v1/renew/" + other.id):
        assert operator_call(quiet, "POST", path).status == 404
    for path in ("/v1/renew", "/v1/renew?issuer=", "/v1/renew?issuer=x",
                 "/v1/renew/"):
        assert operator_call(quiet, "POST", path).status == 400


def test_c10_all_of_an_issuer(quiet, issuer):
    macs = [enroll(quiet, issuer) for _ in range(3)]
    sha = hashlib.sha256(issuer.der).hexdigest()
    assert operator_call(quiet, "POST", "/v1/renew?issuer=" + "0" * 64
                         ).json == {"ordered": 0}
    assert operator_call(quiet, "POST", f"/v1/renew?issuer={sha}"
                         ).json == {"ordered": 3}
    for mac in macs:
        assert is_renewal(next_command(mac))
    # Once: without the directive nobody is asked again.
    assert macs[0].acknowledge(row_of(quiet, macs[0].identity)["uuid"]
                               ).status == 200
    go_back(quiet, macs[0].identity, 200)
    other = enroll(quiet, issuer)
    order(quiet, other)
    assert is_renewal(next_command(other))      # so the chore has looked
    assert not macs[0].idle().body


def test_the_api_shows_identity_and_renewal(site, issuer, expect_log):
    mac = enroll(site, issuer)
    answer = ordered(site, mac)
    shown = operator_call(site, "GET", f"/v1/enrollments/{mac.id}"
                          ).json["identity"]
    one, = shown["associations"]
    assert one["sha256"] == sha256(mac.identity)
    assert one["issuer"] == hashlib.sha256(issuer.der).hexdigest()
    assert one["purpose"] == "enroll" and one["not_after"]
    assert shown["renewal"]["tries"] == 1
    assert shown["renewal"]["command_uuid"] == answer["CommandUUID"]
    expect_log("NMDM0741", mac.id)
    mac.error(answer["CommandUUID"])
    shown = operator_call(site, "GET", f"/v1/enrollments/{mac.id}").json
    assert "MCMDMErrorDomain" in shown["identity"]["renewal"]["error"]


def test_c11_another_identifier_renews_nobody(httpd, fresh_db, db_server,
                                              issuer, ca, topic, expect_log):
    database = fresh_db()
    address = "NanoMDMEnrollServerURL https://localhost/mdm\n"
    site = renewing(httpd, db_server, issuer, ca, "", address,
                    database=database)
    store_push_certificate(site, topic)
    mac = enroll(site, issuer)
    site.stop()
    changed = renewing(httpd, db_server, issuer, ca,
                       "NanoMDMRenewIdentity 400", address
                       + "NanoMDMEnrollIdentifier com.example.changed",
                       database=database)
    expect_log("NMDM0971", mac.id, "NanoMDMEnrollIdentifier")
    assert wait_until(lambda: row_of(changed, mac.identity)["error"],
                      seconds=20)
    row = row_of(changed, mac.identity)
    assert row["tries"] == 0 and row["uuid"] is None
    assert not commands_of(changed, mac)
    status, text = changed.configtest()
    assert status == 0 and "NMDM0036" in text and mac.topic in text, text
    assert "cannot renew 1 identities" in text
    changed.conf.write_text(changed.conf.read_text().replace(
        "com.example.changed", "localhost.mdm"))
    status, text = changed.configtest()
    assert status == 0 and "NMDM0036" not in text, text


def test_checked_out_devices_are_left(site, issuer):
    mac = enroll(site, issuer)
    assert mac.checkout().status == 200
    assert row_of(site, mac.identity)["state"] is None
