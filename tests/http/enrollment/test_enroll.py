# SPDX-License-Identifier: Apache-2.0
"""Enrollment profiles: cases B1 to B9 of the enrollment specification."""

import concurrent.futures
import json
import plistlib
import socket
import ssl
import subprocess
import time

import pytest

import ca as certs
from conftest import new_database
from device import Client, Device
from enrolling import Profile, enrolled, identity_for, operator_call
from scep_site import issuer, scep_server
from system import wait_until

LINES = """\
NanoMDMIssuerCertificateFile {folder}/issuer.pem
NanoMDMIssuerKeyFile {folder}/issuer.key
<Location "/scep">
    SetHandler nanomdm-scep
</Location>
<Location "/enroll">
    SetHandler nanomdm-enroll
    NanoMDMEnrollOrganization "Example Ltd"
</Location>
<Location "/staff">
    SetHandler nanomdm-enroll
    AuthType Basic
    AuthName staff
    AuthBasicProvider file
    AuthUserFile {folder}/staff
    Require valid-user
    NanoMDMEnrollLimit 3
    NanoMDMEnrollAnchors {folder}/anchors.pem
    NanoMDMEnrollSigner {folder}/signer.key
    NanoMDMEnrollIdentifier com.example.staff
</Location>
<Location "/open">
    SetHandler nanomdm-enroll
    NanoMDMEnrollOpen On
    NanoMDMEnrollRequire user
    NanoMDMEnrollTemplate {folder}/template.plist
    NanoMDMEnrollLimit 100
</Location>
"""

STAFF = ("Authorization", "Basic c3RhZmY6c2VjcmV0")     # staff:secret


def signer_pem():
    ca = certs.root("Signing CA")
    one = ca.issue("profiles.example.com", eku=None)
    return one.pem + ca.pem + one.key_pem


def template():
    return plistlib.dumps({
        "PayloadDisplayName": "Ours", "PayloadRemovalDisallowed": True,
        "PayloadContent": [
            {"PayloadType": "com.apple.mdm", "AccessRights": 3},
            {"PayloadType": "com.apple.security.scep",
             "PayloadContent": {"Keysize": 4096, "Challenge": "old"}}]},
        fmt=plistlib.FMT_BINARY)


def enroll_server(make, db_server, issuer, ca, lines=LINES, **options):
    files = {"staff": "staff:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n",
             "anchors.pem": certs.root("One").pem + certs.root("Two").pem,
             "signer.key": signer_pem(), "template.plist": template(),
             **options.pop("files", {})}
    return scep_server(
        lambda **more: make(new_database(db_server), **more), issuer, ca,
        lines, files=files, modules=("authn_file", *options.pop("modules",
                                                                ())),
        **options)


@pytest.fixture(scope="module")
def topic():
    return certs.push_topic()


def store_push_certificate(site, topic):
    one = certs.push_certificate(topic)
    answer = operator_call(site, "PUT", "/v1/pushcert",
                           one.pem + one.key_pem)
    assert answer.status == 200, answer


@pytest.fixture(scope="module")
def site(module_httpd, harness, db_server, issuer, ca, topic):
    made = enroll_server(module_httpd, db_server, issuer, ca, children=3)
    store_push_certificate(made, topic)
    return made


@pytest.fixture(autouse=True)
def open_is_warned_of(expect_log):
    expect_log("NMDM0035", optional=True)
    expect_log("NMDM2327", optional=True)


@pytest.fixture
def client(site):
    made = Client(site)
    yield made
    made.close()


def link(site, **wishes):
    answer = operator_call(site, "POST", "/v1/enroll-links",
                           json.dumps(wishes).encode() if wishes else b"")
    assert answer.status == 200, answer
    prefix = f"https://localhost:{site.tls_port}/enroll/"
    assert answer.json["url"].startswith(prefix), answer
    return "/enroll/" + answer.json["url"][len(prefix):]


def open_profiles(site):
    """Rows of nanomdm_scep_challenges."""
    return site.database.query(
        "SELECT hash, purpose, udid, serial_number, user_name, used_at"
        " FROM nanomdm_scep_challenges")


def count(site, purpose):
    return int(site.database.query(
        "SELECT COUNT(*) FROM nanomdm_scep_challenges WHERE purpose ="
        f" '{purpose}'")[0][0])


# -- B.1 Who gets one -----------------------------------------------------

@pytest.mark.one_database
def test_b1_a_stranger_gets_none(site, client):
    before = count(site, "enroll")
    answer = client.raw("GET", "/enroll")
    assert answer.status == 403
    assert answer.headers["Content-Type"] == "application/json"
    assert "error" in answer.json
    assert client.raw("POST", "/enroll", b"").status == 403
    assert client.raw("GET", "/staff").status == 401
    assert count(site, "enroll") == before
    assert "neither a user, nor a link" in site.error_log()


@pytest.mark.one_database
def test_b1_a_user_of_any_module(site, client, topic):
    answer = client.raw("GET", "/staff", None, [STAFF])
    assert answer.status == 200, answer
    assert Profile(answer.body).mdm["Topic"] == topic
    rows = [row for row in open_profiles(site) if row[4] == "staff"]
    assert len(rows) == 1 and rows[0][1] == "enroll"
    answer = client.raw("POST", "/staff", b"", [STAFF])
    assert answer.status == 200, answer


@pytest.mark.one_database
def test_b1_methods_and_paths(client):
    answer = client.raw("DELETE", "/enroll")
    assert answer.status == 405
    assert {"GET", "HEAD", "POST"} <= set(
        answer.headers["Allow"].replace(",", " ").split())
    for path in ("/enroll/a", "/enroll/a/b", "/enroll/" + "A" * 43 + "/x",
                 "/enroll/" + "A" * 42, "/enroll/" + "A" * 44,
                 "/enroll/" + "%00" * 43):
        assert client.raw("GET", path).status in (400, 404), path
    assert client.raw("GET", "/enroll/").status == 403


# -- B2 Links -------------------------------------------------------------

def test_b2_a_link_gives_a_profile(site, issuer, client, topic):
    path = link(site, serial="SERIALB2", user="ada")
    answer = client.raw("GET", path)
    assert answer.status == 200, answer
    profile = Profile(answer.body)
    assert profile.subject == {"O": "Example Ltd", "CN": "SERIALB2"}
    reply, identity = identity_for(site, issuer, profile)
    assert identity
    row, = [cert for cert in operator_call(site, "GET",
                                           "/v1/certs").json["certs"]
            if cert["sha256"] == identity.sha256]
    assert row["purpose"] == "link" and row["user"] == "ada"
    assert row["serial_number"] == "SERIALB2"
    kept, = site.database.query(
        "SELECT profile FROM nanomdm_scep_certs WHERE sha256 ="
        f" '{identity.sha256}'")
    assert kept[0] == (f"localhost.mdm https://localhost:{site.tls_port}/mdm"
                       f" {topic}")


@pytest.mark.one_database
def test_b2_looking_does_not_use_it_up(site, client):
    path = link(site)
    before = count(site, "link")
    head = client.raw("HEAD", path)
    assert head.status == 200 and not head.body
    for agent in ("Slackbot-LinkExpanding 1.0", "Twitterbot/1.0",
                  "Mozilla/5.0 (Macintosh) facebookexternalhit/1.1 Facebot",
                  "WhatsApp/2.2", "SkypeUriPreview Preview/0.5"):
        answer = client.raw("GET", path, None, {"User-Agent": agent})
        assert answer.status == 200
        assert b"plist" not in answer.body, agent
    for header in (("Purpose", "prefetch"), ("X-Purpose", "preview"),
                   ("Sec-Purpose", "prefetch;prerender"),
                   ("Range", "bytes=0-1023")):
        assert b"plist" not in client.raw("GET", path, None, [header]).body
    assert count(site, "link") == before
    assert Profile(client.raw("GET", path).body)
    assert head.headers["Content-Type"] == "application/x-apple-aspen-config"


def test_b2_the_same_address_may_repeat(site, client, issuer):
    path = link(site)
    first = client.raw("GET", path)
    again = client.raw("GET", path)
    assert first.status == again.status == 200
    assert Profile(first.body).challenge == Profile(again.body).challenge
    other = socket.create_connection(("127.0.0.1", site.tls_port),
                                     source_address=("127.0.0.2", 0))
    context = ssl._create_unverified_context()
    with context.wrap_socket(other) as tls:
        tls.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"
                    .encode())
        assert tls.recv(100).startswith(b"HTTP/1.1 403")
    assert "the link was opened by 127.0.0.1" in site.error_log()
    site.database.execute(
        "UPDATE nanomdm_scep_tokens SET used_at = used_at - 601000"
        " WHERE kind = 'link'")
    assert client.raw("GET", path).status == 403


def test_b2_expired_and_unknown(site, client):
    path = link(site, seconds=1)
    time.sleep(1.1)
    assert client.raw("GET", path).status == 403
    assert client.raw("GET", "/enroll/" + "A" * 43).status == 403
    assert "the link expired on" in site.error_log()
    assert "there is no such link" in site.error_log()


@pytest.mark.one_database
@pytest.mark.parametrize("body, said", [
    (b'{"serial": 1}', "serial"), (b'{"serail": "x"}', "serail"),
    (b'{"seconds": 0}', "seconds"), (b"[]", ""), (b"{", ""),
    (b'{"user": "a\\u0000"}', ""), (b'{"udid": "%s"}' % (b"x" * 300),
                                    "udid")])
def test_b2_bad_wishes(site, body, said):
    answer = operator_call(site, "POST", "/v1/enroll-links", body)
    assert answer.status == 400 and said in answer.json["error"]


def test_b2_many_at_once_get_one_challenge(site):
    """From different addresses exactly one has the profile; of one address
    all have the same challenge."""
    for _ in range(3):
        path = link(site)
        before = count(site, "link")
        context = ssl._create_unverified_context()

        def fetch(number):
            plain = socket.create_connection(
                ("127.0.0.1", site.tls_port),
                source_address=(f"127.0.0.{number + 2}", 0))
            with context.wrap_socket(plain) as tls:
                tls.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"
                            .encode())
                answer = b""
                while part := tls.recv(65536):
                    answer += part
            return answer

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(fetch, range(16)))
        statuses = sorted(answer.split()[1] for answer in answers)
        assert statuses == [b"200"] + [b"403"] * 15
        assert count(site, "link") == before + 1
    path = link(site)
    before = count(site, "link")

    def again(_):
        own = Client(site)
        answer = own.raw("GET", path)
        own.close()
        return answer

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(again, range(12)))
    assert {answer.status for answer in answers} == {200}
    assert len({Profile(answer.body).challenge for answer in answers}) == 1
    assert count(site, "link") == before + 1


def test_b2_an_answer_that_was_not_sent_is_given_back(site, client):
    """The client resets the connection before it reads: as often as it does
    so, the link stays good, and connections to the database are given
    back."""
    context = ssl._create_unverified_context()
    paths = [link(site) for _ in range(40)]

    def give_up(path):
        plain = socket.create_connection(("127.0.0.1", site.tls_port))
        tls = context.wrap_socket(plain)
        tls.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"
                    .encode())
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                       b"\1\0\0\0\0\0\0\0")
        tls.close()

    for path in paths:
        give_up(path)

    def unopened():
        return int(site.database.query(
            "SELECT COUNT(*) FROM nanomdm_scep_tokens WHERE kind = 'link'"
            " AND used_at IS NULL")[0][0])

    assert wait_until(lambda: unopened() >= 1, seconds=10)
    for path in paths:
        assert Profile(client.raw("GET", path).body)


# -- B.2 The profile ------------------------------------------------------

@pytest.mark.one_database
def test_b3_b4_the_built_in_profile(site, client, topic):
    answer = client.raw("GET", link(site))
    base = f"https://localhost:{site.tls_port}"
    profile = Profile(answer.body)
    assert profile.problems(
        Topic=topic, ServerURL=base + "/mdm", SCEPURL=base + "/scep",
        Identifier="localhost.mdm", SignMessage=False, Anchors=0) == []
    assert set(profile.subject) == {"O", "CN"}
    other = Profile(client.raw("GET", link(site)).body)
    assert other.challenge != profile.challenge
    assert ([p["PayloadUUID"] for p in other.payloads]
            == [p["PayloadUUID"] for p in profile.payloads])


@pytest.mark.one_database
def test_b3_a_template_keeps_what_it_has(site, client):
    profile = Profile(client.raw("GET", "/open").body)
    assert profile.plist["PayloadDisplayName"] == "Ours"
    assert profile.plist["PayloadRemovalDisallowed"] is True
    assert profile.mdm["AccessRights"] == 3
    assert profile.scep["PayloadContent"]["Keysize"] == 4096
    assert profile.challenge != "old" and len(profile.challenge) == 43


@pytest.mark.one_database
def test_b4_b6_anchors_and_signature(site, client, topic):
    answer = client.raw("GET", "/staff", None, [STAFF])
    if answer.status == 429:
        pytest.skip("the limit of this user is reached by an earlier test")
    assert answer.body[:1] == b"0"
    profile = Profile(answer.body)
    assert profile.problems(Topic=topic, Anchors=2,
                            Identifier="com.example.staff") == []
    text = subprocess.run(
        ["openssl", "pkcs7", "-inform", "DER", "-print_certs", "-noout"],
        input=answer.body, check=True, stdout=subprocess.PIPE).stdout
    assert text.count(b"subject") == 2
    text = subprocess.run(
        ["openssl", "cms", "-cmsout", "-print", "-inform", "DER", "-noout"],
        input=answer.body, check=True, stdout=subprocess.PIPE).stdout
    assert b"sha256" in text and b"sha1" not in text.lower()


@pytest.mark.one_database
def test_b7_headers(site, client):
    path = link(site)
    for method in ("HEAD", "GET"):
        answer = client.raw(method, path)
        assert answer.status == 200
        assert (answer.headers["Content-Type"]
                == "application/x-apple-aspen-config")
        assert (answer.headers["Content-Disposition"]
                == 'attachment; filename="enroll.mobileconfig"')
        assert answer.headers["Cache-Control"] == "no-store"
    assert int(answer.headers["Content-Length"]) == len(answer.body)


def test_b7_a_head_makes_no_challenge(site, client):
    before = len(open_profiles(site))
    assert client.raw("HEAD", "/open").status == 200
    assert client.raw("HEAD", link(site)).status == 200
    assert client.raw("HEAD", "/enroll/" + "B" * 43).status == 403
    assert len(open_profiles(site)) == before


def test_b8_no_more_than_the_limit(httpd, db_server, issuer, ca, topic):
    site = enroll_server(httpd, db_server, issuer, ca, children=3)
    store_push_certificate(site, topic)

    def fetch(_):
        own = Client(site)
        answer = own.raw("GET", "/staff", None, [STAFF])
        own.close()
        return answer

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(fetch, range(12)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [200] * 3 + [429] * 9
    assert count(site, "enroll") == 3
    good = next(answer for answer in answers if answer.status == 200)
    _, identity = identity_for(site, issuer, Profile(good.body))
    assert identity
    assert sorted(fetch(0).status for _ in range(3)) == [200, 429, 429]
    site.database.execute("UPDATE nanomdm_scep_challenges"
                          " SET expires_at = 1 WHERE used_at IS NULL")
    assert fetch(0).status == 200


# -- Topics ---------------------------------------------------------------

def test_b4_topics(httpd, db_server, issuer, ca, topic, expect_log):
    site = enroll_server(httpd, db_server, issuer, ca)
    client = Client(site)
    path = link(site)
    expect_log("NMDM2325", "no push certificate is stored")
    answer = client.raw("GET", path)
    assert answer.status == 503
    assert "pushcert" in answer.json["error"]
    store_push_certificate(site, topic)
    assert Profile(client.raw("GET", path).body).mdm["Topic"] == topic
    store_push_certificate(site, certs.push_topic())
    expect_log("NMDM2325", "NanoMDMEnrollTopic")
    answer = client.raw("GET", link(site))
    assert answer.status == 503
    assert "NanoMDMEnrollTopic" in answer.json["error"]
    client.close()


# -- What is counted -------------------------------------------------------

def test_profiles_are_counted(httpd, db_server, issuer, ca, topic):
    site = enroll_server(httpd, db_server, issuer, ca, LINES + """\
<Location "/status">
    SetHandler nanomdm-status
</Location>
""")
    store_push_certificate(site, topic)
    client = Client(site)
    for path, headers in (("/enroll", []), (link(site), []),
                          ("/staff", [STAFF]), ("/open", [])):
        client.raw("GET", path, None, headers)
    client.raw("HEAD", "/open")
    text = client.raw("GET", "/status?prometheus").body.decode()
    client.close()
    for result, number in (("refused", 1), ("link", 1), ("user", 1),
                           ("open", 1), ("limited", 0), ("gate", 0)):
        assert ("nanomdm_enrollment_profiles_total"
                f'{{result="{result}"}} {number}\n') in text
    assert 'nanomdm_requests_total{handler="enroll",code="2xx"} 4' in text


# -- From nothing to an enrolled device -----------------------------------

def test_a_device_enrolls_from_the_served_profile(site, issuer, client):
    profile = Profile(client.raw("GET", link(site, serial="CSERVED")).body)
    device = enrolled(site, issuer, profile, serial="CSERVED")
    assert operator_call(site, "GET", f"/v1/enrollments/{device.udid}"
                         ).status == 200
    device.close()


def test_a27_a_bound_profile_serves_its_device_alone(site, issuer, client,
                                                     expect_log):
    profile = Profile(client.raw("GET", link(site, udid="U" * 8)).body)
    _, identity = identity_for(site, issuer, profile)
    other = Device(site, identity, topic=profile.mdm["Topic"])
    expect_log("NMDM", "bound", optional=True)
    assert other.authenticate().status == 500
    other.close()
    own = Device(site, identity, udid="U" * 8, topic=profile.mdm["Topic"])
    assert own.authenticate().status == 200
    own.close()
