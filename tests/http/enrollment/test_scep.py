# SPDX-License-Identifier: Apache-2.0
"""SCEP, section A of the enrollment specification: one test for each case."""

import base64
import concurrent.futures
import hashlib
import json
import os
import subprocess
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import pytest

import ca as certs
from device import Device, Operator
from scep import (SCEP, Reply, ScepClient, algorithm, csr, envelope,
                  message, octets, openssl, printable, seq, tlv)
from system import ROOT, wait_until

PROFILE_LINES = """\
NanoMDMIssuerCertificateFile {folder}/issuer.pem
NanoMDMIssuerKeyFile {folder}/issuer.key
<Location "/scep">
    SetHandler nanomdm-scep
</Location>
<Location "/scep-des">
    SetHandler nanomdm-scep
    NanoMDMSCEPCipher aes 3des des
</Location>
<Location "/scep-static">
    SetHandler nanomdm-scep
    NanoMDMSCEPChallenge static file:{folder}/static.secret
    NanoMDMSCEPValidity 20
</Location>
<Location "/scep-renew">
    SetHandler nanomdm-scep
    NanoMDMSCEPRenewal 400
</Location>
<Location "/scep-late">
    SetHandler nanomdm-scep
    NanoMDMSCEPRenewal 10
</Location>
AddDefaultCharset UTF-8
"""

STATIC = "a static secret"


class Issuer(certs.Identity):
    """What tools/nmdm-ca.sh makes."""

    def __init__(self, folder, name="Test Issuer"):
        subprocess.run([ROOT / "tools" / "nmdm-ca.sh", folder, name],
                       check=True, stdout=subprocess.DEVNULL)
        pem = (folder / "issuer.pem").read_bytes()
        key = (folder / "issuer.key").read_bytes()
        super().__init__(x509.load_pem_x509_certificate(pem),
                         serialization.load_pem_private_key(key, None))


@pytest.fixture(scope="session")
def issuer(tmp_path_factory):
    return Issuer(tmp_path_factory.mktemp("issuer"))


def files_of(issuer):
    return {"issuer.pem": issuer.pem, "issuer.key": issuer.key_pem,
            "static.secret": STATIC}


def scep_server(make, issuer, ca, lines=PROFILE_LINES, **options):
    """A server whose keys have mode 600."""
    files = {**files_of(issuer), **options.pop("files", {})}
    httpd = make(ca=ca.pem + issuer.pem, extra_vhost=lines, files=files,
                 start=False, **options)
    for name in files:
        if name.endswith(".key"):
            (httpd.folder / name).chmod(0o600)
    return httpd.start()


@pytest.fixture(scope="module")
def site(module_httpd, issuer, ca):
    return scep_server(module_httpd, issuer, ca, children=3)


@pytest.fixture
def client(site, issuer):
    made = ScepClient(site, issuer)
    yield made
    made.close()


@pytest.fixture
def challenge(site):
    """challenge(serial=..., udid=...): from the API."""
    operator = Operator(site)

    def make(**bindings):
        answer = operator.call("POST", "/v1/scep-challenge",
                               json.dumps(bindings).encode()
                               if bindings else b"")
        assert answer.status == 200, answer
        return answer.json["challenge"]
    yield make
    operator.close()


def certs_of(site, **filters):
    operator = Operator(site)
    answer = operator.call("GET", "/v1/certs?"
                           + urllib.parse.urlencode(filters))
    operator.close()
    assert answer.status == 200, answer
    return answer.json["certs"]


def sha256(cert):
    return hashlib.sha256(cert.public_bytes(
        serialization.Encoding.DER)).hexdigest()


def device_of(site, reply, key, **options):
    return Device(site, certs.Identity(reply.cert, key), **options)


# -- A.1 Transport --------------------------------------------------------

@pytest.mark.one_database
def test_a1_methods_and_paths(client):
    assert client.get("GetCACert").status == 200
    assert client.get("GetCACert", method="HEAD").body == b""
    assert client.raw("GET", "/scep/pkiclient.exe?operation=GetCACert"
                      ).status == 200
    assert client.raw("GET", "/scep/other?operation=GetCACert").status == 404
    answer = client.raw("DELETE", "/scep?operation=GetCACert")
    assert answer.status == 405
    assert {"GET", "HEAD", "POST"} <= set(
        answer.headers["Allow"].replace(",", " ").split())


@pytest.mark.one_database
@pytest.mark.parametrize("query", ["", "?operation=", "?operation=getcacert",
                                   "?operation=GetCACertX", "?message=0"])
def test_a2_unknown_operations(client, query):
    answer = client.raw("GET", "/scep" + query)
    assert answer.status == 400
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.one_database
def test_a3_capabilities(client):
    answer = client.get("GetCACaps")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.body == (b"AES\nDES3\nPOSTPKIOperation\nRenewal\n"
                           b"SCEPStandard\nSHA-1\nSHA-256\nSHA-384\n"
                           b"SHA-512\n")


@pytest.mark.one_database
def test_a4_ca_certificate(client, issuer):
    for text in (None, "0", "whatever"):
        answer = client.get("GetCACert", text)
        assert answer.headers["Content-Type"] == "application/x-x509-ca-cert"
        assert answer.body == issuer.der


@pytest.mark.one_database
def test_a6_next_ca_certificate(client):
    assert client.get("GetNextCACert").status == 400
    assert b"GetNextCACert" not in client.get("GetCACaps").body


@pytest.mark.one_database
@pytest.mark.parametrize("form", ["escaped", "bare", "url", "no padding",
                                  "lines", "space"])
def test_a7_message_by_get(client, challenge, issuer, form):
    der, signer = client.request(challenge())
    text = base64.b64encode(der).decode()
    query = {
        "escaped": lambda: urllib.parse.quote(text, safe=""),
        "bare": lambda: text,
        "url": lambda: base64.urlsafe_b64encode(der).decode(),
        "no padding": lambda: urllib.parse.quote(text.rstrip("="), safe=""),
        "lines": lambda: urllib.parse.quote(
            "\n".join(text[i:i + 64] for i in range(0, len(text), 64)),
            safe=""),
        "space": lambda: text.replace("+", "%20"),
    }[form]()
    answer = client.raw("GET", "/scep?operation=PKIOperation&message="
                        + query)
    assert answer.status == 200, answer
    assert Reply(answer, signer, issuer.pem).cert


@pytest.mark.one_database
@pytest.mark.parametrize("text", ["", "%%%", "!", "AAAA", None])
def test_a7_bad_messages_by_get(client, text):
    answer = client.get("PKIOperation", text)
    assert answer.status == 400
    assert answer.body.count(b"\n") == 1


@pytest.mark.one_database
@pytest.mark.parametrize("headers, chunked", [
    ((), False), ((("Content-Type", "application/x-pki-message"),), False),
    ((("Content-Type", "text/html"),), True)])
def test_a8_message_by_post(client, challenge, issuer, headers, chunked):
    der, signer = client.request(challenge())
    extra = urllib.parse.quote(der)[:3000]        # as mdmb repeats it
    body = iter([der[:100], der[100:]]) if chunked else der
    answer = client.raw("POST", "/scep?operation=PKIOperation&message="
                        + extra, body, headers, chunked=chunked)
    assert Reply(answer, signer, issuer.pem).cert


@pytest.mark.one_database
def test_a8_too_long(client):
    assert client.post(bytes(65537)).status == 413
    client.close()
    assert client.post(iter([bytes(60000), bytes(60000)]),
                       chunked=True).status == 413


def test_a9_headers(client, challenge):
    for operation in ("GetCACaps", "GetCACert"):
        assert client.get(operation).headers["Cache-Control"] == "no-store"
    assert client.get("X").headers["Cache-Control"] == "no-store"
    reply = client.enrol("unknown")
    assert reply.failure == "badRequest"
    assert reply.answer.headers["Cache-Control"] == "no-store"


# -- A.2 Reading a request ------------------------------------------------

@pytest.mark.one_database
def test_a10_ber_is_read(client, challenge, issuer):
    """Indefinite lengths and a constructed octet string, as iOS sends."""
    signer = client.signer()
    inner = envelope(csr(signer.key, challenge()), issuer.cert)
    with issuer.file() as pem:
        der = openssl("cms", "-encrypt", "-binary", "-stream", "-outform",
                      "DER", "-aes128", pem.name,
                      data=csr(signer.key, challenge()))
    assert der[1] == 0x80
    assert client.reply(message(der, signer), signer).cert
    whole, _ = client.request(challenge(), signer=signer)
    from device import indefinite
    assert client.reply(indefinite(whole, 3), signer).cert
    assert inner


@pytest.mark.one_database
@pytest.mark.parametrize("change", [
    lambda der: der + b"\0", lambda der: der[:-1], lambda der: b"",
    lambda der: der + der, lambda der: os.urandom(500),
    lambda der: b"\x30\x80" * 200])
def test_a10_one_content_and_nothing_more(client, challenge, change):
    der, _ = client.request(challenge())
    answer = client.post(change(der))
    assert answer.status == 400
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.one_database
def test_a11_signers_and_certificates(client, challenge):
    assert client.post(client.request(challenge(), signers=2)[0]
                       ).status == 400
    assert client.post(client.request(challenge(), signers=0)[0]
                       ).status == 400
    assert client.post(client.request(challenge(), with_cert=False)[0]
                       ).status == 400
    others = [certs.self_signed(f"extra {i}") for i in range(8)]
    assert client.post(client.request(challenge(), extra_certs=others)[0]
                       ).status == 400
    assert client.enrol(challenge(), extra_certs=others[:7]).cert
    signer = client.signer()
    assert client.post(envelope(b"x", client.issuer.cert)).status == 400
    assert signer


@pytest.mark.one_database
@pytest.mark.parametrize("digest, signature_oid, parameters", [
    ("sha1", "1.2.840.113549.1.1.5", b""), ("sha1", "1.2.840.113549.1.1.1",
                                            tlv(5)),
    ("sha224", "1.2.840.113549.1.1.14", tlv(5)),
    ("sha256", "1.2.840.113549.1.1.11", tlv(5)),
    ("sha384", "1.2.840.113549.1.1.12", b""),
    ("sha512", "1.2.840.113549.1.1.13", tlv(5))])
def test_a12_digests_and_signature_names(client, challenge, digest,
                                         signature_oid, parameters):
    assert client.enrol(challenge(), digest=digest,
                        signature_oid=signature_oid,
                        parameters=parameters).cert


@pytest.mark.one_database
def test_a12_pss(client, challenge):
    assert client.enrol(challenge(), pss=True).cert


@pytest.mark.one_database
def test_a12_weak_signatures(client, challenge):
    good = challenge()
    assert client.enrol(good, digest="md5").failure == "badAlg"
    small = certs.mint("small", certs.rsa_key(1024), None)
    assert client.enrol(good, signer=small).failure == "badAlg"
    assert client.enrol(good, corrupt=True).failure == "badMessageCheck"
    assert client.enrol(good).cert               # none of them used it up


@pytest.mark.one_database
def test_a12_expired_self_signed_signer(client, challenge):
    old = certs.self_signed("old", key="rsa", eku=None, start=-20, days=-10)
    assert client.enrol(challenge(), signer=old).cert


@pytest.mark.one_database
@pytest.mark.parametrize("attributes", [
    {}, {"7": None}, {"5": None}, {"2": None},
    {"7": (printable("a"), printable("b"))}, {"5": (octets(b""),)},
    {"5": (octets(bytes(65)),)}, {"7": (printable(""),)},
    {"7": (printable("x" * 256),)}, {"7": (tlv(2, b"\1"),)},
    {"5": (printable("nonce"),)}, {"2": (printable("x"),)}])
def test_a13_attributes(client, challenge, attributes, issuer):
    all_of_them = {"2": (printable("19"),), "7": (printable("T1"),),
                   "5": (octets(os.urandom(16)),)}
    if attributes:
        all_of_them.update(attributes)
    else:
        all_of_them = {}
    der, _ = client.request(challenge(), attributes={
        SCEP + name: values for name, values in all_of_them.items()
        if values is not None})
    assert client.post(der).status == 400


@pytest.mark.one_database
@pytest.mark.parametrize("tag", [0x0C, 0x13, 0x14, 0x16, 0x1A, 0x04])
def test_a13_any_string_type(client, challenge, tag):
    name = tlv(tag, b"TX-" + os.urandom(8).hex().encode())
    reply = client.enrol(challenge(), transaction=name)
    assert reply.cert
    assert tlv(*reply.attributes[SCEP + "7"]) == name


@pytest.mark.one_database
def test_a14_the_signature_comes_first(client, challenge):
    good = challenge()
    der, signer = client.request(good, corrupt=True, cipher="gcm")
    assert client.reply(der, signer).failure == "badMessageCheck"


@pytest.mark.one_database
def test_a15_other_recipients(client, challenge, site, issuer):
    good = challenge()
    other = certs.root("Old CA", key="rsa")
    reply = client.enrol(good, recipient=None, signer=None)
    assert reply.cert
    der, signer = client.request(challenge(), recipient=other)
    assert client.reply(der, signer).failure == "badMessageCheck"
    assert "Old CA" in site.error_log()
    for options in ({"oaep": True}, {"by_key_id": True}):
        assert client.enrol(challenge(), envelope_options=options).cert


@pytest.mark.one_database
@pytest.mark.parametrize("cipher", ["aes128", "aes192", "aes256", "3des"])
def test_a16_ciphers(client, challenge, cipher):
    reply = client.enrol(challenge(), cipher=cipher)
    assert reply.cert
    text = openssl("asn1parse", "-inform", "DER", data=reply.content)
    name = {"3des": b"des-ede3-cbc"}.get(
        cipher, f"aes-{cipher[3:]}-cbc".encode())
    assert name in text


@pytest.mark.one_database
@pytest.mark.parametrize("cipher", ["des", "rc2", "gcm"])
def test_a16_refused_ciphers(client, challenge, cipher):
    good = challenge()
    assert client.enrol(good, cipher=cipher).failure == "badAlg"
    assert client.enrol(good).cert


@pytest.mark.one_database
def test_a16_des_by_directive(site, issuer, challenge):
    client = ScepClient(site, issuer, "/scep-des")
    reply = client.enrol(challenge(), cipher="des", digest="sha1")
    assert reply.cert
    assert b"aes-128-cbc" in openssl("asn1parse", "-inform", "DER",
                                     data=reply.content)
    assert client.enrol(challenge(), cipher="rc2").failure == "badAlg"


@pytest.mark.one_database
def test_a16_the_log_names_the_directive(client, challenge, site):
    mark = site.mark()
    client.enrol(challenge(), cipher="des")
    assert "NanoMDMSCEPCipher aes 3des des" in site.log_since(mark)


@pytest.mark.one_database
def test_a17_one_answer(client, challenge, issuer):
    """What cannot be unwrapped, is padded badly, is no CSR or has a bad
    signature looks alike."""
    signer = client.signer()
    good = csr(signer.key, challenge())
    bad_signature = good[:-3] + bytes([good[-3] ^ 1]) + good[-2:]
    replies = [
        client.reply(message(der, signer), signer) for der in (
            envelope(good, issuer.cert, corrupt_key=True),
            envelope(b"no CSR", issuer.cert),
            envelope(bad_signature, issuer.cert),
            envelope(b"", issuer.cert), b"", b"no envelope",
            seq(b"x"))]
    assert {reply.failure for reply in replies} == {"badMessageCheck"}
    texts = {reply.attributes["1.3.6.1.5.5.7.24.1"] for reply in replies}
    assert len(texts) == 1


@pytest.mark.one_database
def test_a18_keys_of_requests(client, challenge, site):
    good = challenge()
    mark = site.mark()
    weak = [certs.rsa_key(1024), ec.generate_private_key(ec.SECP521R1()),
            ec.generate_private_key(ec.SECP256K1()),
            rsa.generate_private_key(3, 2048)]
    for key in weak:
        assert client.enrol(good, key=key).failure == "badAlg"
    assert "Keysize 2048" in site.log_since(mark)      # A19
    assert client.enrol(good, key=ec.generate_private_key(ec.SECP384R1())
                        ).cert
    reply = client.enrol(challenge(),
                         key=ec.generate_private_key(ec.SECP256R1()))
    usage = reply.cert.extensions.get_extension_for_class(x509.KeyUsage)
    assert not usage.value.key_encipherment


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


# -- A.7 Hostile input ----------------------------------------------------

@pytest.mark.one_database
def test_a45_rate_limit(httpd, ca, issuer, expect_log):
    site = scep_server(httpd, issuer, ca, PROFILE_LINES
                       + "NanoMDMRateLimit 1/h 3\n")
    client = ScepClient(site, issuer)
    expect_log("NMDM2101")
    answers = [client.post(b"garbage").status for _ in range(5)]
    assert answers == [400, 400, 400, 503, 503]
    client.close()


@pytest.mark.one_database
def test_a46_no_secrets_in_the_log(client, challenge, site):
    good = challenge()
    client.enrol(good)
    client.enrol("wrong-" + good)
    assert good not in site.error_log()
