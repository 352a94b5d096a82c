# SPDX-License-Identifier: Apache-2.0
"""Enrollment profiles under other configurations: what configtest says, and
what of the running configuration goes into a profile."""

import plistlib
import subprocess

import pytest

import ca as certs
from conftest import new_database
from device import Client
from enrolling import Makers, Profile, enrolled, operator_call
from scep_site import issuer, scep_server
from test_enroll import link, signer_pem, store_push_certificate

SCEP = """\
NanoMDMIssuerCertificateFile {folder}/issuer.pem
NanoMDMIssuerKeyFile {folder}/issuer.key
<Location "/scep">
    SetHandler nanomdm-scep
</Location>
"""
ENROLL = """\
<Location "/enroll">
    SetHandler nanomdm-enroll
    %s
</Location>
"""
SITE = SCEP + ENROLL
AGAIN = '<Location "%s">\nSetHandler %s\n</Location>\n'


def files(issuer):
    return {"issuer.pem": issuer.pem, "issuer.key": issuer.key_pem,
            "signer.key": signer_pem(), "open.pem": signer_pem(),
            "nokey.key": issuer.pem, "empty": b"",
            "list": plistlib.dumps({"PayloadType": "Configuration"}),
            "two": plistlib.dumps({"PayloadContent": [
                {"PayloadType": "com.apple.mdm"}] * 2}),
            "http": plistlib.dumps({"PayloadContent": [
                {"PayloadType": "com.apple.mdm",
                 "ServerURL": "http://x/"}]}),
            "unsigned": plistlib.dumps({"PayloadContent": [
                {"PayloadType": "com.apple.mdm", "SignMessage": False}]}),
            "makers.pem": Makers().pem}


def checked(httpd, issuer, ca, lines, **options):
    made = httpd(ca=ca.pem + issuer.pem, extra_vhost=lines, start=False,
                 files=files(issuer), **options)
    for path in made.folder.glob("*.key"):
        path.chmod(0o600)
    return made.configtest()


@pytest.mark.parametrize("lines, said", [
    (SITE % "" + AGAIN % ("/mdm2", "nanomdm"), "NanoMDMEnrollServerURL"),
    (SITE % "" + AGAIN % ("/scep2", "nanomdm-scep"), "several Locations"),
    (ENROLL % "", "nanomdm-scep"),
    (SCEP + '<LocationMatch "^/e">\nSetHandler nanomdm-enroll\n'
     "</LocationMatch>\n", "no pattern"),
    (SITE % "NanoMDMEnrollRequire machineinfo", "NanoMDMEnrollDeviceCA"),
    (SITE % "NanoMDMEnrollMinimumOS iPhone 18", "NanoMDMEnrollDeviceCA"),
    (SITE % "NanoMDMEnrollMinimumOS Phone 18", "no family"),
    (SITE % "NanoMDMEnrollMinimumOS iPhone x", "no version"),
    (SITE % "NanoMDMEnrollMinimumOS iPhone", "FAMILY VERSION"),
    (SITE % "NanoMDMEnrollServerURL http://x/", "https"),
    (SITE % "NanoMDMEnrollRequire nobody", "machineinfo"),
    (SITE % 'NanoMDMEnrollIdentifier "a b"', "without blanks"),
    (SITE % 'NanoMDMEnrollIf "1 =="', "NanoMDMEnrollIf"),
    (SITE % "NanoMDMEnrollPlatformSSO https://a/", "PROFILEURL"),
    (SITE % "NanoMDMEnrollPlatformSSO a b c", "https"),
    (SITE % "NanoMDMEnrollLimit 0", "write a number from 1 to 100"),
    (SITE % "NanoMDMEnrollMinimumOS Mac 26 message=Update first", "in quotes"),
    (SITE % 'NanoMDMEnrollMinimumOS Mac 26 message="Update first', "in quotes"),
    (SITE % "NanoMDMEnrollLimit 101", "NanoMDMEnrollLimit"),
    (SITE % "NanoMDMEnrollTemplate {folder}/none", "name a file"),
    (SITE % "NanoMDMEnrollTemplate {folder}/empty", "empty"),
    (SITE % "NanoMDMEnrollTemplate {folder}/issuer.pem", "no enrollment"),
    (SITE % "NanoMDMEnrollTemplate {folder}/two", "leave one"),
    (SITE % "NanoMDMEnrollTemplate {folder}/http", "https://"),
    (ENROLL % "NanoMDMEnrollTemplate {folder}/list", "URL of SCEP"),
    ("NanoMDMIdentity signature\n"
     + SITE % "NanoMDMEnrollTemplate {folder}/unsigned", "SignMessage"),
    (SITE % "NanoMDMEnrollAnchors {folder}/empty", "empty"),
    (SITE % "NanoMDMEnrollAnchors {folder}/list", "no certificate"),
    (SITE % "NanoMDMEnrollSigner {folder}/open.pem", "chmod 600"),
    (SITE % "NanoMDMEnrollSigner {folder}/nokey.key", "no private key"),
    ("NanoMDMEnrollDeviceCA {folder}/list\n" + SITE % "",
     "NanoMDMEnrollDeviceCA"),
], ids=str)
@pytest.mark.one_database
def test_contradictions_are_named(httpd, issuer, ca, lines, said):
    status, text = checked(httpd, issuer, ca, lines)
    assert status != 0 and said in text, text


@pytest.mark.one_database
def test_devices_without_a_certificate_must_get_in(httpd, issuer, ca):
    status, text = checked(httpd, issuer, ca, SITE % "", replace={
        "tls": "SSLEngine on\nSSLCertificateFile {folder}/server.pem\n"
               "SSLCACertificateFile {folder}/issuer.pem\n"
               "SSLVerifyClient require"})
    assert status != 0 and "optional_no_ca" in text, text


@pytest.mark.parametrize("lines, said", [
    (SITE % "NanoMDMEnrollOpen On", "any visitor"),
    (SITE % "NanoMDMEnrollRequire user", "gives nobody a profile"),
    (SCEP.replace("nanomdm-scep", "nanomdm-scep\nNanoMDMSCEPChallenge static"
                  " a-secret-of-many-characters") + ENROLL
     % "NanoMDMEnrollOpen On", "static")], ids=["open", "user", "static"])
@pytest.mark.one_database
def test_what_may_not_be_meant_is_warned_of(httpd, issuer, ca, lines, said):
    status, text = checked(httpd, issuer, ca, lines)
    assert status == 0 and "NMDM0035" in text and said in text, text


@pytest.mark.parametrize("days, validity, warns", [
    (120, 119, True), (120, 120, False), (366, 365, True)])
@pytest.mark.one_database
def test_c1_more_days_than_a_certificate_lasts(httpd, issuer, ca, days,
                                               validity, warns):
    lines = SCEP.replace("nanomdm-scep", "nanomdm-scep\n"
                         f"NanoMDMSCEPValidity {validity}")
    status, text = checked(httpd, issuer, ca,
                           f"NanoMDMRenewIdentity {days}\n" + lines)
    assert status == 0 and ("NMDM0037" in text) == warns, text


@pytest.mark.one_database
def test_b6_a_signer_that_ends_is_warned_of(httpd, issuer, ca):
    late = certs.self_signed("late", days=20, eku=None)
    made = httpd(ca=ca.pem + issuer.pem, start=False,
                 extra_vhost=SITE % "NanoMDMEnrollSigner {folder}/s.key",
                 files={"issuer.pem": issuer.pem,
                        "issuer.key": issuer.key_pem,
                        "s.key": late.pem + late.key_pem})
    for path in made.folder.glob("*.key"):
        path.chmod(0o600)
    status, text = made.configtest()
    assert status == 0 and "NanoMDMEnrollSigner ends on" in text, text


# -- What goes into a profile ---------------------------------------------

def served(httpd, db_server, issuer, ca, lines, path=None, **options):
    site = scep_server(lambda **more: httpd(new_database(db_server), **more),
                       issuer, ca, lines, **options)
    topic = certs.push_topic()
    store_push_certificate(site, topic)
    client = Client(site)
    profile = Profile(client.raw("GET", path or link(site)).body)
    client.close()
    return site, profile


def test_b4_signatures_tokens_and_check_ins(httpd, db_server, issuer, ca):
    lines = (SITE % "").replace("</Location>", "</Location>", 1) + (
        AGAIN % ("/checkin", "nanomdm-checkin"))
    site, profile = served(
        httpd, db_server, issuer, ca, lines,
        extra_mdm="NanoMDMIdentity signature tls\n"
                  "NanoMDMToken com.apple.maid {folder}/token",
        files={"token": b"token"})
    base = f"https://localhost:{site.tls_port}"
    assert profile.problems(SignMessage=True, CheckInURL=base + "/checkin",
                            ServerURL=base + "/mdm") == []
    assert "com.apple.mdm.token" in profile.mdm["ServerCapabilities"]
    device = enrolled(site, issuer, profile, transport="signature")
    device.close()


@pytest.mark.parametrize("name, base", [
    ("https://mdm.example.com", "https://mdm.example.com"),
    ("mdm.example.com:443", "https://mdm.example.com"),
    ("mdm.example.com:8443", "https://mdm.example.com:8443"),
    ("https://mdm.example.com:444", "https://mdm.example.com:444"),
    ("mdm.example.com", "https://mdm.example.com:{port}")])
def test_b4_the_name_of_the_server(httpd, db_server, issuer, ca, name, base,
                                   expect_log):
    expect_log("ssl:warn", "AH019(09|16)", optional=True)
    site = scep_server(lambda **more: httpd(new_database(db_server), **more),
                       issuer, ca, f"ServerName {name}\n" + SITE % "")
    store_push_certificate(site, certs.push_topic())
    base = base.format(port=site.tls_port)
    url = operator_call(site, "POST", "/v1/enroll-links").json["url"]
    assert url.startswith(base + "/enroll/")
    client = Client(site)
    answer = client.raw("GET", "/enroll/" + url.rpartition("/")[2], None,
                        {"Host": "mdm.example.com"})
    client.close()
    assert Profile(answer.body).problems(
        ServerURL=base + "/mdm", SCEPURL=base + "/scep",
        Identifier="com.example.mdm.mdm") == []


def test_b6_a_graceful_restart_reads_the_signer_again(httpd, db_server,
                                                      issuer, ca):
    lines = SITE % "NanoMDMEnrollSigner {folder}/signer.key"
    site, first = served(httpd, db_server, issuer, ca, lines,
                         files={"signer.key": signer_pem()})
    site.write("signer.key", signer_pem())
    site.graceful()
    client = Client(site)
    again = client.raw("GET", link(site)).body
    client.close()
    assert Profile(again).problems() == []
    assert certificates(again).isdisjoint(certificates(first.data))


def certificates(signed):
    text = subprocess.run(
        ["openssl", "pkcs7", "-inform", "DER", "-print_certs"], input=signed,
        check=True, stdout=subprocess.PIPE).stdout
    return set(text.split(b"-----END CERTIFICATE-----")[:-1])


def test_b4_two_locations_of_devices(httpd, db_server, issuer, ca):
    lines = SITE % "NanoMDMEnrollServerURL https://x.example.com/other"
    site, profile = served(httpd, db_server, issuer, ca,
                           lines + AGAIN % ("/mdm2", "nanomdm"))
    assert profile.mdm["ServerURL"] == "https://x.example.com/other"
    assert site


def test_b5_directives_of_sections(httpd, db_server, issuer, ca):
    lines = (SITE % "") + """\
<If "-n req('X-Group')">
    NanoMDMEnrollOrganization Other
</If>
"""
    site, profile = served(httpd, db_server, issuer, ca, lines)
    assert "O" not in profile.subject
    client = Client(site)
    answer = client.raw("GET", link(site), None, {"X-Group": "x"})
    assert Profile(answer.body).subject["O"] == "Other"
    client.close()


STATIC = SCEP.replace("nanomdm-scep\n", "nanomdm-scep\n"
                      "NanoMDMSCEPChallenge static a-secret-of-many-characters\n")


def test_b4_a_static_challenge(httpd, db_server, issuer, ca):
    site, profile = served(httpd, db_server, issuer, ca,
                           STATIC + ENROLL % "")
    assert profile.challenge == "a-secret-of-many-characters"
    device = enrolled(site, issuer, profile)
    device.close()


def test_b2_a_link_of_a_static_challenge_is_good_once(httpd, db_server,
                                                      issuer, ca):
    site, _ = served(httpd, db_server, issuer, ca, STATIC + ENROLL % "")
    path = link(site)
    client = Client(site)
    assert client.raw("GET", path).status == 200
    site.database.execute("UPDATE nanomdm_scep_tokens"
                          " SET used_at = used_at - 601000")
    assert client.raw("GET", path).status == 403
    client.close()


def test_b2_no_location_for_links(httpd, db_server, issuer, ca):
    site = scep_server(httpd, issuer, ca, SCEP)
    answer = operator_call(site, "POST", "/v1/enroll-links")
    assert answer.status == 404 and "nanomdm-enroll" in answer.json["error"]


@pytest.mark.one_database
def test_the_database_is_away(httpd, issuer, ca, expect_log, private_db_server,
                              tmp_path):
    site = scep_server(httpd, issuer, ca, SITE % "NanoMDMEnrollOpen On",
                       replace={"database": "DBDriver sqlite3\nDBDParams"
                                " /nowhere/nanomdm.db\nDBDMax 10"})
    expect_log("NMDM", optional=True)
    expect_log("dbd", optional=True)
    client = Client(site)
    answer = client.raw("GET", "/enroll")
    assert answer.status == 503
    assert answer.headers["Retry-After"]
    client.close()
