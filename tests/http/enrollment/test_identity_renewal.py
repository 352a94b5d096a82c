# SPDX-License-Identifier: Apache-2.0
"""Renewal of identities, section C of the enrollment specification."""

import concurrent.futures
import hashlib
import plistlib
import time

from cryptography.hazmat.primitives import serialization

import pytest

import ca as certs
from conftest import new_database
from device import Device, Operator, command
from enrolling import Profile, enrolled, identity_for, operator_call
from receiver import Answer, Receiver
from scep import ScepClient
from system import wait_until
from test_enroll import store_push_certificate, topic
from test_scep import issuer, scep_server
from test_status import STATUS, figures, metrics, page

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

STATIC = """\
NanoMDMIssuerCertificateFile {folder}/issuer.pem
NanoMDMIssuerKeyFile {folder}/issuer.key
NanoMDMReenroll keep
<Location "/scep">
    SetHandler nanomdm-scep
    NanoMDMSCEPChallenge static word
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


# -- The whole way --------------------------------------------------------

def test_c1_c6_c8_a_device_is_renewed(site, issuer):
    """Queue and tokens stay, the old certificate makes way, and that once."""
    mac = enroll(site, issuer)
    assert mac.set_bootstrap_token(b"token").status == 200
    answer = next_command(mac)
    assert is_renewal(answer)
    waiting, plist = command("SecurityInfo")
    assert operator_call(site, "PUT", f"/v1/enqueue/{mac.id}?nopush=1",
                         plist).status == 200
    first = profile_of(site)
    new, profile = renew(site, issuer, mac, answer)
    for key in ("ServerURL", "Topic", "ServerCapabilities", "AccessRights"):
        assert profile.mdm[key] == first.mdm[key]
    for key in ("PayloadIdentifier", "PayloadUUID"):
        assert profile.plist[key] == first.plist[key]
    assert new.identity.cert != mac.identity.cert
    assert new.get_bootstrap_token().plist["BootstrapToken"] == b"token"
    assert new.idle().plist["CommandUUID"] == waiting
    assert row_of(site, mac.identity)["state"] is None
    row = row_of(site, new.identity)
    assert (row["state"], row["purpose"], row["enrollment"]) == (
        "own", "renewal", mac.id)


@pytest.mark.one_database
def test_c1_days_count(httpd, fresh_db, db_server, issuer, ca, topic):
    """A year is left, so nothing is due before the days say so."""
    database = fresh_db()
    site = renewing(httpd, db_server, issuer, ca, "NanoMDMRenewIdentity 120",
                    database=database)
    store_push_certificate(site, topic)
    mac = enroll(site, issuer)
    let_chore_look(site)
    assert row_of(site, mac.identity)["asked"] is None
    assert not mac.idle().body
    site.database.execute(
        "UPDATE nanomdm_scep_certs SET not_after = %s WHERE sha256 = %s",
        int(time.time() * 1000) + 119 * A_DAY, sha256(mac.identity))
    assert is_renewal(next_command(mac))
    assert row_of(site, mac.identity)["tries"] == 1


@pytest.mark.one_database
def test_c1_off_by_default(httpd, db_server, issuer, ca, topic):
    site = renewing(httpd, db_server, issuer, ca)
    store_push_certificate(site, topic)
    mac = enroll(site, issuer)
    site.database.execute("UPDATE nanomdm_scep_certs SET not_after = %s",
                          int(time.time() * 1000) + A_DAY)
    let_chore_look(site)
    assert not mac.idle().body


# -- Who is renewed -------------------------------------------------------

def by_hand(site, issuer, challenge=None, **options):
    """A device with a profile from elsewhere."""
    client = ScepClient(site, issuer)
    key = certs.rsa_key(2048)
    challenge = challenge or operator_call(
        site, "POST", "/v1/scep-challenge").json["challenge"]
    reply = client.enrol(challenge, key=key)
    client.close()
    return Device(site, certs.Identity(reply.cert, key), **options).enroll()


@pytest.mark.one_database
def test_c2_other_profiles_are_left_alone(site, issuer, topic):
    mac = by_hand(site, issuer, topic=topic)
    assert row_of(site, mac.identity)["state"] == "other"
    let_chore_look(site)
    assert row_of(site, mac.identity)["asked"] is None


@pytest.mark.one_database
def test_c2_unless_their_identifier_is_named(httpd, db_server, issuer, ca,
                                             topic):
    site = renewing(httpd, db_server, issuer, ca,
                    "NanoMDMRenewIdentity 400\n"
                    "NanoMDMRenewIdentifier com.example.older")
    store_push_certificate(site, topic)
    mac = by_hand(site, issuer, topic=topic)
    answer = next_command(mac)
    profile = Profile(answer["Command"]["Payload"])
    assert profile.plist["PayloadIdentifier"] == "com.example.older"
    new, _ = renew(site, issuer, mac, answer)
    assert row_of(site, new.identity)["state"] == "own"


@pytest.mark.one_database
def test_c1_days_that_are_never_left(site, issuer):
    """What a renewal brought is due at once: it is asked for half a minute
    later, and from the third of a day on after a day."""
    mac = enroll(site, issuer)
    before = time.time() * 1000
    new, _ = renew(site, issuer, mac)
    shown = operator_call(site, "GET", f"/v1/enrollments/{mac.id}").json
    assert "renewal" not in shown["identity"]
    due = row_of(site, new.identity)["asked"] + A_DAY
    assert before + 29000 < due < time.time() * 1000 + 31000
    for _ in range(2):
        go_back(site, new.identity, 1)
        new, _ = renew(site, issuer, new, next_command(new))
    go_back(site, new.identity, 23)
    let_chore_look(site)
    assert not new.idle().body
    go_back(site, new.identity, 2)
    assert is_renewal(next_command(new))


SHARED = LINES.replace("SetHandler nanomdm-scep", """SetHandler nanomdm-scep
    NanoMDMSCEPChallenge %s""")


@pytest.mark.one_database
@pytest.mark.parametrize("challenge", ["static word", "external", "none"])
def test_c5_where_challenges_are_shared(httpd, fresh_db, issuer, ca, topic,
                                        challenge, expect_log):
    """The challenge of a renewal is this server's own in any case, and good
    once."""
    with Receiver() as receiver:
        receiver.answers["/ask"] = Answer(200, b'{"allow": true}')
        words = {"external": "external http://127.0.0.1:"
                 f"{receiver.port}/ask", "none": "none\nRequire ip 127.0.0.1"}
        site = scep_server(
            lambda **more: httpd(fresh_db(), **more), issuer, ca, SHARED % (
                "NanoMDMRenewIdentity 400\nNanoMDMRenewIdentifier com.old",
                words.get(challenge, challenge), ""))
        store_push_certificate(site, topic)
        mac = by_hand(site, issuer, "word", topic=topic)
        receiver.answers["/ask"] = Answer(200, b'{"allow": false}')
        new, profile = renew(site, issuer, mac)
        row = row_of(site, new.identity)
        assert (row["purpose"], row["enrollment"], row["state"]) == (
            "renewal", mac.id, "own")
        expect_log("NMDM2202", mac.id)
        stolen, identity = identity_for(site, issuer, profile,
                                        key=certs.rsa_key(3072))
        assert identity is None and stolen.failure == "badRequest"


@pytest.mark.one_database
def test_c5_another_scep_server_has_its_challenge(httpd, fresh_db, db_server,
                                                  issuer, ca, topic):
    """Where none is served here any more a renewal moves devices there: the
    challenge of the template is none of this server's."""
    template = plistlib.dumps({"PayloadContent": [
        {"PayloadType": "com.apple.security.scep", "PayloadContent": {
            "URL": "https://scep.example.com/scep", "Challenge": "theirs"}}]})
    database = fresh_db()
    first = renewing(httpd, db_server, issuer, ca, database=database)
    store_push_certificate(first, topic)
    mac = by_hand(first, issuer, topic=topic)
    first.stop()
    lines = LINES.replace('<Location "/scep">\n    SetHandler nanomdm-scep\n'
                          "</Location>\n", "") % (
        "NanoMDMRenewIdentifier com.old",
        "NanoMDMEnrollTemplate {folder}/else.plist")
    site = scep_server(lambda **more: httpd(database, **more), issuer, ca,
                       lines, files={"else.plist": template})
    moved = Device(site, mac.identity, udid=mac.udid, topic=mac.topic)
    profile = Profile(ordered(site, moved)["Command"]["Payload"])
    assert profile.challenge == "theirs"
    assert profile.scep["PayloadContent"]["URL"].startswith(
        "https://scep.example.com/")


@pytest.mark.one_database
def test_c2_two_certificates_are_no_error(site, issuer):
    """The one that was used last is the newest; the older one, used again,
    is not renewed once more."""
    mac = enroll(site, issuer)
    new, _ = renew(site, issuer, mac)
    assert mac.token_update().status == 200
    assert row_of(site, mac.identity)["state"] is None
    assert row_of(site, new.identity)["state"] == "own"


# -- How fast -------------------------------------------------------------

def test_c3_rate_and_order(httpd, db_server, issuer, ca, topic):
    """One in an hour: the one that ends first."""
    site = renewing(httpd, db_server, issuer, ca,
                    "NanoMDMRenewIdentity 120 1/h")
    store_push_certificate(site, topic)
    macs = [enroll(site, issuer) for _ in range(4)]
    days = [40, 20, 10, 30]
    # In one statement: the chore must not see but some of them.
    site.database.execute(
        "UPDATE nanomdm_scep_certs SET not_after = CASE sha256 "
        + " ".join(f"WHEN '{sha256(mac.identity)}' THEN"
                   f" {int(time.time() * 1000) + left * A_DAY}"
                   for mac, left in zip(macs, days)) + " ELSE not_after END")
    assert is_renewal(next_command(macs[2]))
    let_chore_look(site)
    asked = [row_of(site, mac.identity)["asked"] is not None for mac in macs]
    assert asked == [False, False, True, False]


def test_c3_two_servers_at_once(httpd, fresh_db, db_server, issuer, ca,
                                topic):
    """Of several servers and children one asks each device, once."""
    database = fresh_db()
    sites = [renewing(httpd, db_server, issuer, ca,
                      "NanoMDMRenewIdentity 400 100/s",
                      "NanoMDMEnrollServerURL https://localhost/mdm",
                      database=database,
                      children=2) for _ in range(2)]
    store_push_certificate(sites[0], topic)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        macs = list(pool.map(lambda i: enroll(sites[i % 2], issuer),
                             range(12)))
    assert wait_until(lambda: all(
        row_of(sites[0], mac.identity)["asked"] for mac in macs), seconds=30)
    # As if the chore's turn had been lost: both look at the same time.
    for _ in range(2):
        database.execute("UPDATE nanomdm_chores SET position = ''"
                         " WHERE name = 'renewal'")
        let_chore_look(sites[0])
    assert [len(commands_of(sites[0], mac)) for mac in macs] == [1] * 12


# -- The command ----------------------------------------------------------

@pytest.mark.one_database
def test_c4_not_while_one_waits(site, issuer):
    mac = enroll(site, issuer)
    ordered(site, mac)
    go_back(site, mac.identity, 25)
    assert wait_until(lambda: row_of(site, mac.identity)["error"], seconds=20)
    assert len(commands_of(site, mac)) == 1
    answer = next_command(mac)
    assert mac.not_now(answer["CommandUUID"]).status == 200
    go_back(site, mac.identity, 25)
    assert wait_until(lambda: "NotNow" in row_of(site, mac.identity)["error"],
                      seconds=20)
    assert len(commands_of(site, mac)) == 1
    assert row_of(site, mac.identity)["tries"] == 1


def challenges_of(site, mac):
    return site.database.query(
        "SELECT purpose, enrollment_id, expires_at"
        " FROM nanomdm_scep_challenges WHERE enrollment_id = %s"
        " ORDER BY created_at", mac.id)


def test_c5_the_challenge_is_made_at_delivery(site, issuer):
    mac = enroll(site, issuer)
    operator_call(site, "POST", f"/v1/renew/{mac.id}")
    (text,), = site.database.query(
        "SELECT c.command FROM commands c WHERE c.command_uuid = %s",
        commands_of(site, mac)[0][0])
    stored = plistlib.loads(text.encode())
    assert b"profile" in stored["Command"]["Payload"]
    assert not challenges_of(site, mac)
    before = time.time() * 1000
    profile = Profile(next_command(mac)["Command"]["Payload"])
    (purpose, enrollment, expires), = challenges_of(site, mac)
    assert (purpose, enrollment) == ("renewal", mac.id)
    assert before + 3500000 < expires < before + 3700000
    assert profile.challenge not in text


def test_c5_delivered_again_and_again(site, issuer):
    """A command whose answers are lost makes no heap of challenges, and the
    last two of them serve."""
    mac = enroll(site, issuer)
    ordered(site, mac)
    payloads = [Profile(next_command(mac)["Command"]["Payload"])
                for _ in range(5)]
    assert len({one.challenge for one in payloads}) == 5
    assert len(challenges_of(site, mac)) == 2
    assert identity_for(site, issuer, payloads[2])[1] is None
    for one in payloads[3:]:
        assert identity_for(site, issuer, one)[1]


@pytest.mark.one_database
def test_c5_bound_to_the_enrollment(site, issuer, expect_log):
    mac, other = enroll(site, issuer), enroll(site, issuer)
    profile = Profile(ordered(site, mac)["Command"]["Payload"])
    _, identity = identity_for(site, issuer, profile)
    expect_log("NMDM0730", other.id, optional=True)
    thief = Device(site, identity, udid=other.udid, topic=other.topic)
    assert thief.authenticate().status == 500
    assert other.idle().status == 200


@pytest.mark.one_database
def test_c5_a_stale_command_is_not_delivered(site, issuer):
    """The device is renewed and does not say so: its command is withdrawn,
    or it would renew without end."""
    mac = enroll(site, issuer)
    answer = ordered(site, mac)
    _, identity = identity_for(site, issuer, Profile(
        answer["Command"]["Payload"]))
    new = Device(site, identity, udid=mac.udid, topic=mac.topic)
    assert new.authenticate().status == 200
    assert new.token_update().status == 200
    mark = site.mark()
    go_back(site, identity, 25)
    later = next_command(new, seconds=30)        # the next renewal
    assert later["CommandUUID"] != answer["CommandUUID"]
    assert "NMDM0740" in site.log_since(mark)


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
    assert "1 device does not renew its identity" in text
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
    let_chore_look(quiet)
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
