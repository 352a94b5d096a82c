# SPDX-License-Identifier: Apache-2.0
"""Renewal of identities, section C of the enrollment specification."""

import concurrent.futures
import plistlib
import time

import pytest

import ca as certs
from device import Device, command
from enrolling import Profile, identity_for, operator_call
from receiver import Answer, Receiver
from renewal_site import (A_DAY, LINES, by_hand, commands_of, enroll, go_back,
                          is_renewal, let_chore_look, next_command, order,
                          ordered, profile_of, renew, renewing, row_of, sha256,
                          site, usual_remarks)
from scep_site import issuer, scep_server
from system import wait_until
from test_enroll import store_push_certificate, topic


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
    other = enroll(site, issuer)
    order(site, other)
    assert is_renewal(next_command(other))      # so the chore has looked
    assert not mac.idle().body


# -- Who is renewed -------------------------------------------------------

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


@pytest.mark.one_database
def test_c3_beside_a_server_that_renews_none(httpd, fresh_db, db_server,
                                             issuer, ca, topic):
    """It has /enroll and no NanoMDMRenewIdentity, and takes no turn for
    which it has no work."""
    database = fresh_db()
    first = renewing(httpd, db_server, issuer, ca, database=database)
    store_push_certificate(first, topic)
    other = enroll(first, issuer)
    order(first, other)
    assert is_renewal(next_command(other))
    second = renewing(httpd, db_server, issuer, ca, "NanoMDMRenewIdentity 400",
                      database=database)
    mac = enroll(second, issuer)
    assert is_renewal(next_command(mac))


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
