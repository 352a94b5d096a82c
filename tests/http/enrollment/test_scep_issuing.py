# SPDX-License-Identifier: Apache-2.0
"""SCEP: who gets a certificate, and which (specification A.3 to A.6)."""

import concurrent.futures
import hashlib
import os
import subprocess
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import pytest

import ca as certs
from device import Device, Operator
from scep import SCEP, ScepClient, algorithm, envelope, message, openssl, seq
from scep_site import (STATIC, Issuer, challenge, client, issuer, scep_server,
                       sha256, site)
from system import ROOT, wait_until


def certs_of(site, **filters):
    operator = Operator(site)
    answer = operator.call("GET", "/v1/certs?"
                           + urllib.parse.urlencode(filters))
    operator.close()
    assert answer.status == 200, answer
    return answer.json["certs"]


def device_of(site, reply, key, **options):
    return Device(site, certs.Identity(reply.cert, key), **options)


# -- A.3 Who may have a certificate ---------------------------------------

def test_a20_challenges(challenge, site):
    text = challenge(serial="SERIAL20", udid="UDID-20")
    assert len(text) == 43
    assert not set(text) - set("abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    rows = site.database.query(
        "SELECT purpose, udid, serial_number FROM nanomdm_scep_challenges"
        " WHERE hash = %s", hashlib.sha256(text.encode()).hexdigest())
    assert rows == [("api", "UDID-20", "SERIAL20")]


def test_a21_one_of_many_wins(site, issuer, challenge, expect_log):
    good = challenge()
    expect_log("NMDM2202", optional=True)

    def enrol(_):
        client = ScepClient(site, issuer)
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            return client.enrol(good, key=key)
        finally:
            client.close()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(enrol, range(24)))
    assert [reply.failure for reply in replies].count(None) == 1
    assert {reply.failure for reply in replies} == {None, "badRequest"}
    rows = site.database.query(
        "SELECT c.sha256 FROM nanomdm_scep_certs c, nanomdm_scep_challenges h"
        " WHERE h.hash = %s AND h.cert_sha256 = c.sha256",
        hashlib.sha256(good.encode()).hexdigest())
    assert len(rows) == 1


def test_a22_lost_reply(client, site, issuer, challenge, expect_log):
    good, signer = challenge(), client.signer()
    first = client.enrol(good, signer=signer)
    again = client.enrol(good, signer=signer, cipher="aes256")
    assert again.cert == first.cert
    other = client.signer()
    key = certs.rsa_key(2048)
    resigned = client.enrol(good, signer=other, key=key)
    assert resigned.cert == first.cert           # the same key, as all have
    expect_log("NMDM2202")
    assert client.enrol(good, key=ec.generate_private_key(ec.SECP256R1())
                        ).failure == "badRequest"


def test_a22_many_with_one_key(site, issuer, challenge):
    good = challenge()

    def enrol(_):
        client = ScepClient(site, issuer)
        try:
            return client.enrol(good)
        finally:
            client.close()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(enrol, range(16)))
    assert len({sha256(reply.cert) for reply in replies}) == 1


def test_a23_one_answer_three_reasons(client, challenge, site, expect_log):
    used, signer = challenge(serial="S23"), client.signer()
    client.enrol(used, signer=signer)
    short = challenge(seconds=1, serial="S23")
    time.sleep(1.2)
    expect_log("NMDM2202")
    mark = site.mark()
    other = ec.generate_private_key(ec.SECP256R1())
    replies = [client.enrol(text, key=other)
               for text in ("unknown", short, used, "")]
    assert {reply.failure for reply in replies} == {"badRequest"}
    assert len({reply.attributes["1.3.6.1.5.5.7.24.1"]
                for reply in replies}) == 1
    log = site.log_since(mark)
    assert "not known" in log and "expired on" in log and "was used" in log
    assert "serial number S23" in log and "no challenge" in log


@pytest.mark.one_database
def test_a24_static(site, issuer):
    client = ScepClient(site, issuer, "/scep-static")
    assert client.enrol(STATIC).cert
    assert client.enrol(STATIC).cert
    for text in ("", STATIC + "x", STATIC[:-1]):
        assert client.enrol(text).failure == "badRequest"


def test_a27_binding_at_authenticate(client, site, challenge):
    key = certs.rsa_key(2048)
    reply = client.enrol(challenge(serial="SERIAL27", udid="U-27"))
    mac = device_of(site, reply, key, udid="OTHER-27")
    assert mac.authenticate(SerialNumber="STRANGER").status == 500
    rows = site.database.query(
        "SELECT id FROM cert_auth_associations WHERE sha256 = %s",
        sha256(reply.cert))
    assert not rows
    assert not site.database.query("SELECT id FROM devices WHERE id = %s",
                                   "OTHER-27")
    assert mac.authenticate(SerialNumber="SERIAL27").status == 200
    assert mac.token_update().status == 200
    row, = certs_of(site, id="OTHER-27")
    assert row["serial_number"] == "SERIAL27"
    # Also once it is the device's own.
    assert mac.authenticate(SerialNumber="STRANGER").status == 500
    assert mac.authenticate().status == 500
    assert site.database.query(
        "SELECT serial_number FROM devices WHERE id = %s",
        "OTHER-27") == [("SERIAL27",)]
    assert mac.idle().status == 200
    assert mac.authenticate(SerialNumber="SERIAL27").status == 200


@pytest.mark.parametrize("binding, good", [
    ({"udid": "U-27B"}, {"udid": "U-27B"}),
    ({"enrollment_id": "E-27"}, {"udid": "E-27"})])
def test_a27_udid_and_enrollment(client, site, challenge, binding, good):
    key = certs.rsa_key(2048)
    reply = client.enrol(challenge(**binding))
    assert device_of(site, reply, key).authenticate().status == 500
    assert device_of(site, reply, key, **good).authenticate().status == 200


def test_a28_renewal(site, issuer, challenge):
    client = ScepClient(site, issuer, "/scep-renew")
    first = client.enrol(challenge(serial="S28"))
    old = certs.Identity(first.cert, certs.rsa_key(2048))
    for kind in ("17", "18", "19"):
        reply = client.enrol(kind=kind, signer=old,
                             key=ec.generate_private_key(ec.SECP256R1()))
        assert reply.cert
        row = site.database.query(
            "SELECT purpose, serial_number FROM nanomdm_scep_certs"
            " WHERE sha256 = %s", sha256(reply.cert))
        assert row == [("renewal", "S28")]
    spare = challenge()
    assert client.enrol(spare, kind="17", signer=old).cert
    assert client.enrol(spare).cert              # it was not used up
    late = ScepClient(site, issuer, "/scep-late")
    assert late.enrol(kind="17", signer=old).failure == "badRequest"
    off = ScepClient(site, issuer)
    assert off.enrol(kind="17", signer=old).failure == "badRequest"
    assert off.enrol(challenge(), kind="17", signer=old).cert


def test_a29_foreign_certificates(site, issuer, ca, challenge):
    client = ScepClient(site, issuer, "/scep-renew")
    foreign = ca.issue("foreign", key="rsa")
    lookalike = certs.Authority(issuer.cert, issuer.key).issue(
        "no row", key="rsa")
    for old in (foreign, lookalike, client.signer()):
        assert client.enrol(kind="17", signer=old).failure == "badRequest"


# -- A.4 Answers ----------------------------------------------------------

def test_a30_polls(client, challenge, issuer):
    signer = client.signer()
    first = client.enrol(challenge(), signer=signer, transaction="T30")
    poll = envelope(seq(issuer.cert.subject.public_bytes(),
                        signer.cert.subject.public_bytes()), issuer.cert)
    again = client.reply(message(poll, signer, kind="20", transaction="T30"),
                         signer)
    assert again.cert == first.cert
    unknown = client.reply(message(poll, signer, kind="20"), signer)
    assert unknown.failure == "badCertId"
    for kind in ("21", "22"):
        assert client.reply(message(poll, signer, kind=kind), signer
                            ).failure == "badRequest"
    for kind in ("3", "0", "99"):
        assert client.post(message(poll, signer, kind=kind)).status == 400


@pytest.mark.one_database
def test_a31_a32_a33_the_reply(client, challenge, issuer):
    nonce = os.urandom(16)
    reply = client.enrol(challenge(), nonce=nonce, transaction="T31")
    assert reply.fields[4][1] == algorithm("1.2.840.113549.1.1.1")[2:]
    assert reply.fields[2][1].startswith(b"\x06\x09")      # SHA-256
    enclosed = [part for tag, part in reply.parts if tag == 0xA0]
    assert enclosed == [issuer.der]
    assert reply.attributes[SCEP + "2"] == (0x13, b"3")
    assert reply.attributes[SCEP + "3"] == (0x13, b"0")
    assert reply.attributes[SCEP + "7"] == (0x13, b"T31")
    assert reply.value(6) == nonce
    assert len(reply.value(5)) == 16 and reply.value(5) != nonce


@pytest.mark.one_database
def test_a34_the_content(client, challenge):
    others = [certs.self_signed("other", key="rsa")]
    reply = client.enrol(challenge(), extra_certs=others)
    text = openssl("cms", "-cmsout", "-print", "-inform", "DER",
                   data=reply.content)
    assert text.count(b"d.ktri") == 1
    inner = openssl("cms", "-cmsout", "-print", "-inform", "DER",
                    data=reply.inner)
    assert b"signerInfos:\n      <EMPTY>" in inner
    assert inner.count(b"d.certificate") == 1


@pytest.mark.one_database
def test_a35_failures_have_no_content(client):
    reply = client.enrol("unknown")
    content = split = [part for tag, part in reply.parts if tag == 0x30][0]
    assert len(content) == 11 and split          # eContentType alone
    assert reply.attributes["1.3.6.1.5.5.7.24.1"][0] == 0x0C


# -- A.5 The issued certificate -------------------------------------------

@pytest.mark.one_database
def test_a36_profile(client, challenge, issuer):
    cert = client.enrol(challenge()).cert
    get = cert.extensions.get_extension_for_class
    assert cert.version == x509.Version.v3
    assert cert.serial_number.bit_length() in range(120, 128)
    assert cert.signature_hash_algorithm.name == "sha256"
    days = (cert.not_valid_after - cert.not_valid_before).days
    assert days == 365
    usage = get(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature
    assert usage.value.key_encipherment and not usage.value.key_cert_sign
    assert list(get(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH]
    constraints = get(x509.BasicConstraints)
    assert constraints.critical and not constraints.value.ca
    authority = get(x509.AuthorityKeyIdentifier).value
    assert authority.key_identifier == issuer.cert.extensions.\
        get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert authority.authority_cert_issuer is None
    assert get(x509.SubjectKeyIdentifier)


@pytest.mark.one_database
def test_a36_validity(site, issuer):
    client = ScepClient(site, issuer, "/scep-static")
    cert = client.enrol(STATIC).cert
    assert (cert.not_valid_after - cert.not_valid_before).days == 20


@pytest.mark.one_database
def test_a37_subject(client, challenge):
    wanted = (("C", "DE"), ("ST", "Berlin"), ("L", "Berlin"), ("O", "Acme"),
              ("OU", "IT"), ("CN", "x" * 128), ("serialNumber", "S1"),
              ("emailAddress", "a@example.com"), ("UID", "dropped"))
    cert = client.enrol(challenge(), subject=wanted, san="evil.example").cert
    assert [(a.oid, a.value) for a in cert.subject][-2:] == [
        (NameOID.SERIAL_NUMBER, "S1"),
        (NameOID.EMAIL_ADDRESS, "a@example.com")]
    assert len(list(cert.subject)) == 8
    with pytest.raises(x509.ExtensionNotFound):
        cert.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    bound = client.enrol(challenge(serial="S37", udid="U37"),
                         subject=(("O", "Acme"), ("CN", "liar"))).cert
    assert [a.value for a in bound.subject] == ["Acme", "S37"]
    by_udid = client.enrol(challenge(udid="U37")).cert
    assert [a.value for a in by_udid.subject] == ["U37"]


@pytest.mark.one_database
@pytest.mark.parametrize("subject", [
    [("OU", str(i)) for i in range(17)], [("CN", "x" * 129)],
    [("CN", "a\nb")], [("CN", "a\x7fb")]])
def test_a37_bad_subjects(client, challenge, subject):
    good = challenge()
    assert client.enrol(good, subject=subject).failure == "badRequest"
    assert client.enrol(good).cert


def test_a38_rows(client, challenge, site):
    cert = client.enrol(challenge(user="alice"), transaction="T38").cert
    row = site.database.query(
        "SELECT serial, user_name, transaction_id, purpose, pem"
        " FROM nanomdm_scep_certs WHERE sha256 = %s", sha256(cert))
    assert row[0][:4] == (f"{cert.serial_number:032x}", "alice", "T38",
                          "api")
    assert x509.load_pem_x509_certificate(row[0][4].encode()) == cert


def test_a38_expired_rows_leave(httpd, fresh_db, issuer, ca):
    """More than one turn takes: the next one does not wait for a minute."""
    site = scep_server(httpd, issuer, ca, database=fresh_db())
    operator = Operator(site)
    assert operator.call("GET", "/v1/certs").json == {"certs": []}
    now = int(time.time() * 1000)
    for first in range(0, 5600, 700):
        site.database.execute(
            "INSERT INTO nanomdm_scep_challenges (hash, purpose, created_at,"
            " expires_at) VALUES " + ", ".join(
                f"('{i:064x}', 'api', 0, {1 if i < 5590 else now - 1000})"
                for i in range(first, first + 700)))
    site.restart()

    def left():
        return site.database.query(
            "SELECT COUNT(*) FROM nanomdm_scep_challenges")[0][0]
    assert wait_until(lambda: left() == 10, seconds=40)
    operator.close()


def test_f3_certs_are_listed(httpd, fresh_db, issuer, ca):
    """By end, then by hash; in pages, and of one end, issuer or enrollment."""
    site = scep_server(httpd, issuer, ca, database=fresh_db())
    key = certs.rsa_key(2048)
    shared = ScepClient(site, issuer, "/scep-static")
    short = [sha256(shared.enrol(STATIC).cert) for _ in range(3)]
    once = ScepClient(site, issuer)
    operator = Operator(site)
    cert = once.enrol(operator.call(
        "POST", "/v1/scep-challenge", b'{"user": "ada", "serial": "S-F3"}'
        ).json["challenge"], key=key).cert
    mac = Device(site, certs.Identity(cert, key))
    assert mac.authenticate(SerialNumber="S-F3").status == 200
    listed = certs_of(site)
    assert [row["sha256"] for row in listed[:3]] == sorted(
        short, key=lambda one: next((row["not_after"], one) for row in listed
                                    if row["sha256"] == one))
    assert listed[3] == {
        "sha256": sha256(cert), "serial": f"{cert.serial_number:032x}",
        "issuer": sha256(issuer.cert), "subject": listed[3]["subject"],
        "not_after": cert.not_valid_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "purpose": "api", "serial_number": "S-F3", "user": "ada",
        "enrollment_id": mac.id}
    assert "S-F3" in listed[3]["subject"]
    assert listed[0]["purpose"] == "static" and "user" not in listed[0]
    soon = certs.days_from_now(30).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert certs_of(site, expires_before=soon) == listed[:3]
    assert certs_of(site, id=mac.id) == listed[3:]
    assert certs_of(site, issuer=sha256(issuer.cert)) == listed
    assert certs_of(site, issuer="0" * 64) == certs_of(site, id="x") == []
    pages, cursor = [], None
    while cursor is not None or not pages:
        page = operator.call("GET", "/v1/certs?limit=1" + (
            f"&cursor={urllib.parse.quote(cursor)}" if cursor else "")).json
        pages.append(page["certs"])
        cursor = page.get("next_cursor")
    assert sum(pages, []) == listed and len(pages) in (4, 5)
    operator.close()


def test_a39_revocation(client, challenge, site):
    reply = client.enrol(challenge())
    mac = device_of(site, reply, certs.rsa_key(2048)).enroll()
    assert mac.idle().status == 200
    operator = Operator(site)
    answer = operator.call("DELETE", f"/v1/certs/{sha256(reply.cert)}")
    assert answer.status == 200 and answer.json["revoked_at"]
    assert mac.idle().status == 500
    assert mac.authenticate().status == 500
    assert mac.token_update().status == 500
    assert operator.call("DELETE", "/v1/certs/" + "0" * 64).status == 404
    assert operator.call("DELETE", "/v1/certs/xyz").status == 400
    renew = ScepClient(site, client.issuer, "/scep-renew")
    old = certs.Identity(reply.cert, certs.rsa_key(2048))
    assert renew.enrol(kind="17", signer=old).failure == "badRequest"
    operator.close()


# -- A.6 The issuer -------------------------------------------------------

@pytest.mark.one_database
def test_a40_the_former_issuer(httpd, ca, tmp_path):
    new, old = Issuer(tmp_path / "new", "New"), Issuer(tmp_path / "old", "Old")
    lines = """\
NanoMDMIssuerCertificateFile {folder}/issuer.pem {folder}/former.pem
NanoMDMIssuerKeyFile {folder}/issuer.key {folder}/former.key
NanoMDMSCEPChallenge static x
<Location "/scep">
    SetHandler nanomdm-scep
</Location>
"""
    site = scep_server(httpd, new, certs.Identity(ca.cert, ca.key),
                       lines, files={"former.pem": old.pem,
                                     "former.key": old.key_pem,
                                     "all.pem": new.pem + old.pem},
                       replace={"ca": "NanoMDMCACertificateFile"
                                      " {folder}/all.pem"})
    client = ScepClient(site, new)
    reply = client.enrol("x", recipient=old)
    assert reply.cert.issuer == new.cert.subject
    assert client.enrol("x").cert
    client.close()


@pytest.mark.one_database
def test_a42_the_tool_refuses_to_overwrite(tmp_path):
    issuer = Issuer(tmp_path / "ca")
    assert issuer.key.key_size == 3072
    assert (tmp_path / "ca" / "issuer.key").stat().st_mode & 0o777 == 0o600
    done = subprocess.run([ROOT / "tools" / "nmdm-ca.sh", tmp_path / "ca",
                           "Again"], stderr=subprocess.PIPE)
    assert done.returncode != 0
    assert (tmp_path / "ca" / "issuer.pem").read_bytes() == issuer.pem
