# SPDX-License-Identifier: Apache-2.0
"""Requests to SCEP that no known client sends: each has an answer, costs
little, and issues nothing that it should not."""

import base64
import concurrent.futures
import contextlib
import datetime
import os
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import pytest

import ca as certs
from device import Device, split_tlv
from scep import (NULL, SCEP, Reply, ScepClient, algorithm, attribute, csr,
                  envelope, integer, message, octets, oid, printable, raw_csr, seq, tlv)
from scep_site import (PROFILE_LINES, Issuer, challenge, client, issuer, scep_server, sha256)
from system import run

pytestmark = pytest.mark.one_database

CHALLENGE = "1.2.840.113549.1.9.7"

GRACE = """\
<Location "/scep-grace">
    SetHandler nanomdm-scep
    NanoMDMSCEPRenewal 400
    NanoMDMIdentityGrace 864000
</Location>
"""


@pytest.fixture(scope="module")
def site(module_httpd, issuer, ca):
    return scep_server(module_httpd, issuer, ca, PROFILE_LINES + GRACE,
                       children=2)


def is_refusal(answer):
    """A text of one line."""
    return (answer.status == 400 and answer.body.count(b"\n") == 1
            and answer.headers["Content-Type"].startswith("text/plain"))


def rows(site):
    return site.database.query(
        "SELECT COUNT(*) FROM nanomdm_scep_certs")[0][0]


def enveloped(client, content, signer, **options):
    """The Reply to a request with that content."""
    return client.reply(message(envelope(content, client.issuer.cert), signer,
                                **options), signer)


# -- What it costs --------------------------------------------------------

def test_a44_one_digest_is_computed(client, site):
    """However many the message names: 2,300 of 27 KB took half a second of
    CPU, before any signature was verified."""
    signer = client.signer()
    der = message(os.urandom(27000), signer, digest="sha512", digests=2300)
    assert len(der) < 65536
    before = site.cpu_seconds()
    replies = [client.reply(der, signer) for _ in range(5)]
    assert {reply.failure for reply in replies} == {"badMessageCheck"}
    assert site.cpu_seconds() - before < 0.5


@pytest.mark.parametrize("count", [40, 1500])
def test_a44_many_attributes_and_recipients(client, site, challenge, count):
    """None of them is in the way of what is asked for."""
    signer = client.signer()
    content = envelope(raw_csr(signer.key, attribute(
        CHALLENGE, printable(challenge()))), client.issuer.cert)
    names = [(SCEP + "2", (printable("19"),)), (SCEP + "7", (printable("T"),)),
             (SCEP + "5", (octets(os.urandom(16)),))]
    names += [(f"1.2.3.{i}", (NULL,)) for i in range(count)]
    before = site.cpu_seconds()
    assert client.reply(message(content, signer, attributes=names),
                        signer).cert
    assert site.cpu_seconds() - before < 0.5


def test_a44_long_names_in_the_log(client, site):
    """A signer with a name of 20 KB of escapes makes one short line."""
    text = "\x1b[31m\n\u202e" * 2000
    key = certs.rsa_key(2048)
    name = x509.Name([x509.NameAttribute(
        x509.NameOID.COMMON_NAME, text, _validate=False)])
    now = datetime.datetime(2026, 1, 1)
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key()).serial_number(1)
            .not_valid_before(now).not_valid_after(
                now + datetime.timedelta(days=900))
            .sign(key, hashes.SHA256()))
    mark = site.mark()
    assert client.enrol("unknown", signer=certs.Identity(cert, key),
                        transaction="T-long").failure == "badRequest"
    other = certs.root("x" * 20000, key="rsa")
    der, signer = client.request("unknown", recipient=other,
                                 transaction="T-long")
    assert client.reply(der, signer).failure == "badMessageCheck"
    for line in site.log_since(mark).splitlines():
        assert len(line) < 2000 and "\x1b" not in line
    assert site.log_since(mark).count("T-long") == 2


@pytest.mark.parametrize("by_key_id", [False, True])
def test_a_recipient_that_is_another(client, site, by_key_id):
    """Named in either form, of which the other is not there."""
    other = certs.root("Another CA", key="rsa")
    mark = site.mark()
    for _ in range(3):
        der, signer = client.request("unknown", recipient=other,
                                     envelope_options={"by_key_id": by_key_id})
        assert client.reply(der, signer).failure == "badMessageCheck"
    named = (x509.SubjectKeyIdentifier.from_public_key(
        other.cert.public_key()).digest.hex() if by_key_id
        else f"{other.cert.serial_number:X}")
    assert site.log_since(mark).count(named) == 3


# -- Attributes -----------------------------------------------------------

@pytest.mark.parametrize("doubled", ["2", "5", "7"])
def test_a13_an_attribute_twice(client, challenge, doubled):
    pairs = [(SCEP + "2", (printable("19"),)), (SCEP + "7", (printable("T"),)),
             (SCEP + "5", (octets(os.urandom(16)),))]
    pairs += [(name, (printable("18"),) if doubled != "5" else values)
              for name, values in pairs if name == SCEP + doubled]
    assert is_refusal(client.post(client.request(
        challenge(), attributes=pairs)[0]))


@pytest.mark.parametrize("kind", ["019", "1 ", " 19", "+9", "1\0", "-1", "19 ",
                                  "1", "16"])
def test_a13_odd_types(client, challenge, kind):
    assert is_refusal(client.post(client.request(challenge(), kind=kind)[0]))


def test_a13_transactions_of_any_bytes(client, challenge, site):
    """They come back as they were, and reach neither log nor column raw."""
    for text in (b"\x1b[2J", b"a\r\nNMDM9999: forged", b"\0\0", b"%s%n",
                 b"' OR 1=1 --", bytes(range(128, 255)), b" "):
        mark = site.mark()
        reply = client.enrol(challenge(), transaction=tlv(4, text))
        assert reply.cert and reply.value(7) == text
        assert "\x1b" not in site.log_since(mark)
        assert "\nNMDM9999" not in site.log_since(mark)


# -- The signature --------------------------------------------------------

def test_a12_the_signer_enclosed_twice(client, challenge):
    signer = client.signer()
    assert client.enrol(challenge(), signer=signer, extra_certs=[signer]).cert


def test_a12_a_signer_that_may_only_sign(client, challenge):
    """Its key usage is no matter of ours: the answer is enveloped for it."""
    key = certs.rsa_key(2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "signs")])
    usage = x509.KeyUsage(True, False, False, False, False, False, False,
                          False, False)
    now = datetime.datetime(2026, 1, 1)
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key()).serial_number(7)
            .not_valid_before(now).not_valid_after(
                now + datetime.timedelta(days=900))
            .add_extension(usage, True).sign(key, hashes.SHA256()))
    assert client.enrol(challenge(), signer=certs.Identity(cert, key)).cert


def test_a12_a_signer_whose_key_is_not_rsa(client, challenge):
    """The answer could not be enveloped for it."""
    made = certs.mint("ec", ec.generate_private_key(ec.SECP256R1()), None)
    good = challenge()
    signer = certs.Identity(made.cert, certs.rsa_key(2048))
    assert client.enrol(good, signer=signer).failure == "badAlg"
    assert is_refusal(client.post(client.request(
        good, with_cert=False, extra_certs=[made])[0]))
    assert client.enrol(good).cert


def rsa_key_with_exponent(bits):
    """Whose public exponent has about so many, made of its private one."""
    p, q = (getattr(certs.rsa_key(2048).private_numbers(), name)
            for name in "pq")
    for start in range(1 << (bits - 1) | 1, 1 << bits, 2):
        with contextlib.suppress(ValueError):       # no inverse
            d = pow(start, -1, (p - 1) * (q - 1))
            return rsa.RSAPrivateNumbers(
                p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q),
                rsa.rsa_crt_iqmp(p, q),
                rsa.RSAPublicNumbers(start, p * q)).private_key()


@pytest.mark.parametrize("bits, is_taken", [(200, True), (257, False),
                                            (2000, False)])
def test_a44_long_exponents(client, challenge, bits, is_taken):
    """To verify with one as long as the key costs a hundred times as much."""
    key, good = rsa_key_with_exponent(bits), challenge()
    assert (client.enrol(good, signer=certs.mint("long", key, None))
            .failure == "badAlg") != is_taken
    assert (client.enrol(challenge(), key=key).failure == "badAlg"
            ) != is_taken
    assert is_taken or client.enrol(good).cert


@pytest.mark.parametrize("flaw", ["behind", "padded", "ber", ""])
def test_a18_an_rsa_key_and_nothing_more(client, challenge, flaw):
    """Its bytes go into the certificate."""
    key, good = certs.rsa_key(2048), challenge()
    numbers = key.public_key().public_numbers()
    n = numbers.n.to_bytes(257, "big")
    if flaw == "padded":
        n = bytes(300) + n
    whole = seq(tlv(2, n), integer(numbers.e))
    if flaw == "behind":
        whole += bytes(300)
    elif flaw == "ber":
        whole = b"\x30\x80" + tlv(2, n) + integer(numbers.e) + b"\0\0"
    spki = seq(algorithm("1.2.840.113549.1.1.1"), tlv(3, b"\0" + whole))
    reply = enveloped(client, raw_csr(
        key, attribute(CHALLENGE, printable(good)), spki=spki),
        certs.self_signed("signer", key="rsa", eku=None))
    assert reply.failure == (flaw and "badMessageCheck" or None)
    if not flaw:
        assert (reply.cert.public_key().public_numbers() == numbers)


CSR_CONF = """\
[req]
prompt = no
distinguished_name = name
attributes = more
[name]
CN = device
[more]
challengePassword = %s
"""


@pytest.mark.parametrize("form, failure", [
    (("-param_enc", "explicit"), "badAlg"),
    (("-conv_form", "compressed"), None), (("-conv_form", "hybrid"), None),
    ((), None)])
def test_a18_forms_of_a_point(client, challenge, tmp_path, form, failure):
    """What a certificate has of a key is what the request has."""
    key, conf = tmp_path / "key.pem", tmp_path / "csr.conf"
    conf.write_text(CSR_CONF % challenge())
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout",
        "-out", tmp_path / "any.pem")
    run("openssl", "ec", "-in", tmp_path / "any.pem", *form, "-out", key)
    run("openssl", "req", "-new", "-key", key, "-config", conf, "-outform",
        "DER", "-out", tmp_path / "csr.der")
    reply = enveloped(client, (tmp_path / "csr.der").read_bytes(),
                      certs.self_signed("signer", key="rsa", eku=None))
    assert reply.failure == failure
    if not failure:
        own = serialization.load_pem_private_key(key.read_bytes(), None)
        assert (reply.cert.public_key().public_numbers()
                == own.public_key().public_numbers())


def test_a12_the_signature_of_other_content(client, challenge):
    """An envelope that was exchanged under its signature."""
    one, signer = client.request(challenge())
    _, content, _ = split_tlv(one)
    assert client.enrol(challenge(), signer=signer).cert
    at = one.rindex(b"\x80", 0, len(one) - 1500)
    changed = one[:at + 20] + bytes([one[at + 20] ^ 1]) + one[at + 21:]
    answer = client.post(changed)
    assert content and (answer.status == 400 or Reply(
        answer, signer, client.issuer.pem).failure == "badMessageCheck")


# -- The request inside ---------------------------------------------------

TEXTS = {
    "printable": lambda text: tlv(0x13, text.encode()),
    "utf8": lambda text: tlv(0x0C, text.encode()),
    "ia5": lambda text: tlv(0x16, text.encode()),
    "teletex": lambda text: tlv(0x14, text.encode()),
    "bmp": lambda text: tlv(0x1E, text.encode("utf-16-be")),
    "universal": lambda text: tlv(0x1C, text.encode("utf-32-be")),
}


@pytest.mark.parametrize("form", TEXTS)
def test_a20_challenges_of_any_string_type(client, challenge, form):
    signer = client.signer()
    der = raw_csr(signer.key, attribute(CHALLENGE, TEXTS[form](challenge())))
    assert enveloped(client, der, signer).cert


BAD_CHALLENGES = {
    "empty": lambda text: [(printable(""),)],
    "no value": lambda text: [()],
    "two values": lambda text: [(printable(text), printable(text))],
    "two attributes": lambda text: [(printable(text),), (printable(text),)],
    "another first": lambda text: [(printable("x"),), (printable(text),)],
    "octets": lambda text: [(octets(text.encode()),)],
    "integer": lambda text: [(integer(5),)],
    "sequence": lambda text: [(seq(printable(text)),)],
    "null": lambda text: [(NULL,)],
    "boolean": lambda text: [(tlv(1, b"\xff"),)],
    "own tag": lambda text: [(tlv(0x80, text.encode()),)],
    "zero inside": lambda text: [(tlv(0x0C, text.encode() + b"\0x"),)],
    "odd BMP": lambda text: [(tlv(0x1E, text.encode("utf-16-be")[1:]),)],
    "no UTF-8": lambda text: [(tlv(0x0C, b"\xff\xfe" + text.encode()),)],
    "long": lambda text: [(printable(text + "x" * 30000),)],
    "blank before": lambda text: [(printable(" " + text),)],
    "line after": lambda text: [(tlv(0x0C, text.encode() + b"\n"),)],
}


@pytest.mark.parametrize("form", BAD_CHALLENGES)
def test_a20_what_is_no_challenge(client, challenge, site, form):
    """It is a request like one without, and the real one is good after it."""
    good, signer = challenge(), client.signer()
    before = rows(site)
    der = raw_csr(signer.key, *(attribute(CHALLENGE, *values)
                                for values in BAD_CHALLENGES[form](good)))
    reply = enveloped(client, der, signer)
    assert reply.failure in ("badRequest", "badMessageCheck")
    assert rows(site) == before
    assert client.enrol(good).cert


def test_a37_a_thousand_names(client, challenge):
    signer = client.signer()
    names = x509.SubjectAlternativeName(
        [x509.DNSName(f"host{i}.example.com") for i in range(1000)])
    cert = enveloped(client, raw_csr(
        signer.key, attribute(CHALLENGE, printable(challenge())),
        extensions=[names, x509.BasicConstraints(True, 9)]), signer).cert
    assert len(cert.public_bytes(certs.DER)) < 2000
    assert not cert.extensions.get_extension_for_class(
        x509.BasicConstraints).value.ca
    with pytest.raises(x509.ExtensionNotFound):
        cert.extensions.get_extension_for_class(x509.SubjectAlternativeName)


@pytest.mark.parametrize("change", [
    lambda der: der + b"\0", lambda der: der[:-1], lambda der: der + der,
    lambda der: b"-----BEGIN CERTIFICATE REQUEST-----\n"
    + base64.b64encode(der) + b"\n-----END CERTIFICATE REQUEST-----\n"],
    ids=["longer", "shorter", "two", "PEM"])
def test_a17_one_request_and_nothing_more(client, challenge, change):
    signer = client.signer()
    der = raw_csr(signer.key, attribute(CHALLENGE, printable(challenge())))
    assert enveloped(client, change(der), signer).failure == "badMessageCheck"


# -- Encodings ------------------------------------------------------------

def longer_lengths(der):
    """The outermost length in the longest form."""
    _, content, _ = split_tlv(der)
    return der[:1] + b"\x84" + len(content).to_bytes(4, "big") + content


def in_pieces(der, size):
    """A SignedData whose content is divided into many octet strings, of
    indefinite length."""
    _, outer, _ = split_tlv(der)
    _, kind, rest = split_tlv(outer)
    _, signed, _ = split_tlv(split_tlv(rest)[1])
    parts = []
    while signed:
        tag, value, signed = split_tlv(signed)
        parts.append(tlv(tag, value))
    _, encapsulated, _ = split_tlv(parts[2])
    _, name, rest = split_tlv(encapsulated)
    _, content, _ = split_tlv(split_tlv(rest)[1])
    pieces = b"".join(octets(content[i:i + size])
                      for i in range(0, len(content), size))
    parts[2] = seq(tlv(6, name), tlv(0xA0, b"\x24\x80" + pieces + b"\0\0"))
    return seq(tlv(6, kind), tlv(0xA0, seq(*parts)))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a10_content_in_pieces(client, challenge, size):
    der, signer = client.request(challenge())
    assert client.reply(in_pieces(der, size), signer).cert


def test_a10_lengths_in_the_longest_form(client, challenge):
    der, signer = client.request(challenge())
    assert client.reply(longer_lengths(der), signer).cert


@pytest.mark.parametrize("change", [
    lambda der: b"\x30\x80" + der[4:],              # never ended
    lambda der: b"\x24\x80" * 5000,                 # deep strings
    lambda der: b"\x30\x88" + b"\xff" * 8,          # of 2^64 bytes
    lambda der: b"\x30\x84\xff\xff\xff\xff" + der,
    lambda der: b"\x3f\xff\xff\xff\x7f" + der[1:],  # a large tag
    lambda der: b"\xa0" + der[1:], lambda der: b"\x04" + der[1:],
    lambda der: der.replace(b"\x02\x01\x01\x31", b"\x02\x01\xff\x31", 1)
    + b"x", lambda der: b"\0" + der, lambda der: der[4:]],
    ids=["unended", "deep", "2^64", "2^32", "tag", "context", "octets",
         "version", "zero", "headless"])
def test_a10_broken_encodings(client, challenge, change):
    good = challenge()
    assert is_refusal(client.post(change(client.request(good)[0])))
    assert client.enrol(good).cert


# -- Transport ------------------------------------------------------------

@pytest.mark.parametrize("query, status", [
    ("operation=GetCACert&operation=PKIOperation", 200),
    ("operation=GetCACert&message=%00", 200),
    ("operation=GetCACert&message=%zz", 200),
    ("operation=GetCACert&message=..%2f..%2fetc", 200),
    ("operation=GetCACert&message=" + "A" * 6000, 200),
    ("operation=GetCACert&message=1&message=2&x=y&&=&", 200),
    ("message=x&operation=GetCACert", 200),
    ("operation=GetCACert%00", 400), ("operation=GetCACert%20", 400),
    ("operation=+GetCACert", 400), ("Operation=GetCACert", 400),
    ("operation=%47etCACert", 200), ("operation=GetCACert;message=x", 400),
    ("operation=PKIOperation&message=%00", 400),
    ("operation=PKIOperation&message=%25252B", 400),
    ("operation=PKIOperation&message", 400)])
def test_a2_odd_queries(client, issuer, query, status):
    answer = client.raw("GET", "/scep?" + query)
    assert answer.status == status, answer
    assert status == 400 or answer.body == issuer.der


@pytest.mark.parametrize("mix", ["urlsafe-lines", "plus-and-minus",
                                 "blanks", "tail"])
def test_a7_mixed_alphabets(client, challenge, issuer, mix):
    der, signer = client.request(challenge())
    text = base64.b64encode(der).decode()
    text = {
        "urlsafe-lines": lambda: "%0D%0A".join(
            base64.urlsafe_b64encode(der).decode()[i:i + 76]
            for i in range(0, len(text), 76)),
        "plus-and-minus": lambda: text.replace("+", "-", 3),
        "blanks": lambda: text.replace("+", "+", 1).replace("/", "%2F"),
        "tail": lambda: text.rstrip("=") + "%0A"}[mix]()
    answer = client.raw(
        "GET", "/scep/pkiclient.exe?operation=PKIOperation&message=" + text)
    assert Reply(answer, signer, issuer.pem).cert


@pytest.mark.parametrize("kind, wrap", [
    ("application/x-www-form-urlencoded",
     lambda der: b"message=" + urllib.parse.quote(
         base64.b64encode(der), safe="").encode()),
    ("text/plain", base64.b64encode),
    ("application/json", lambda der: b'{"message": "x"}'),
    ("multipart/form-data; boundary=x", lambda der: b"--x\r\nContent-"
     b'Disposition: form-data; name="message"\r\n\r\n' + der + b"\r\n--x--"),
    ("application/x-pki-message", lambda der: b""),
    ("application/pkcs7-mime", lambda der: b"-----BEGIN CMS-----\n"
     + base64.encodebytes(der) + b"-----END CMS-----\n")])
def test_a8_bodies_that_are_no_message(client, challenge, kind, wrap):
    good = challenge()
    der, _ = client.request(good)
    assert is_refusal(client.post(wrap(der), [("Content-Type", kind)]))
    assert client.enrol(good).cert


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH",
                                    "PROPFIND", "SCEP"])
def test_a1_other_methods(client, method):
    answer = client.raw(method, "/scep?operation=GetCACert")
    assert answer.status in (405, 501) and (
        answer.status == 501 or "POST" in answer.headers["Allow"])


@pytest.mark.parametrize("headers", [
    [("If-None-Match", "*")], [("If-Modified-Since",
                                "Sat, 28 Nov 2037 00:00:00 GMT")],
    [("Range", "bytes=0-99999")], [("If-Match", '"x"')],
    [("Accept", "image/png")], [("Accept-Encoding", "gzip, br")]])
def test_a4_conditions_change_nothing(client, issuer, headers):
    answer = client.raw("GET", "/scep?operation=GetCACert", None, headers)
    assert answer.body == issuer.der
    assert answer.headers["Content-Type"] == "application/x-x509-ca-cert"


# -- Who renews -----------------------------------------------------------

def issued(client, challenge, **bindings):
    reply = client.enrol(challenge(**bindings))
    return certs.Identity(reply.cert, certs.rsa_key(2048))


def end(site, identity, days):
    """As if its certificate ended so many days ago; what it is itself says
    otherwise, and the row decides."""
    site.database.execute(
        "UPDATE nanomdm_scep_certs SET not_after = %s WHERE sha256 = %s",
        int(datetime.datetime.now().timestamp() * 1000) - days * 86400000,
        sha256(identity.cert))


@pytest.mark.parametrize("kind", ["17", "18", "19"])
def test_a28_an_expired_signer(client, site, issuer, challenge, kind):
    """Needs a challenge, whatever NanoMDMSCEPRenewal says."""
    old = issued(client, challenge, serial="S-old")
    end(site, old, 1)
    renewing = ScepClient(site, issuer, "/scep-renew")
    assert renewing.enrol(kind=kind, signer=old).failure == "badRequest"
    assert renewing.enrol(challenge(), kind=kind, signer=old).cert


def test_a28_an_expired_signer_within_its_grace(client, site, issuer,
                                                challenge):
    """Of ten days."""
    old = issued(client, challenge, serial="S-late")
    renewing = ScepClient(site, issuer, "/scep-grace")
    end(site, old, 9)
    assert renewing.enrol(kind="17", signer=old).cert
    end(site, old, 11)
    assert renewing.enrol(kind="17", signer=old).failure == "badRequest"


@pytest.mark.parametrize("path, bound", [("/scep", "S-two"),
                                         ("/scep-renew", "S-one")])
def test_a28_the_certificate_of_another_device(client, site, issuer, challenge,
                                               path, bound):
    """Where renewals are off the challenge says whose the new one is; where
    they are granted the old certificate does, and the challenge is not used
    up."""
    old = issued(client, challenge, serial="S-one")
    other = challenge(serial="S-two")
    at = ScepClient(site, issuer, path)
    reply = at.enrol(other, kind="17", signer=old,
                     key=ec.generate_private_key(ec.SECP256R1()))
    assert site.database.query(
        "SELECT serial_number FROM nanomdm_scep_certs WHERE sha256 = %s",
        sha256(reply.cert)) == [(bound,)]
    key = certs.rsa_key(2048)
    mac = Device(site, certs.Identity(client.enrol(other, key=key).cert, key)
                 ) if bound == "S-one" else None
    assert not mac or mac.authenticate(SerialNumber="S-two").status == 200


def test_a29_renewal_by_the_former_issuer(httpd, ca, issuer, tmp_path):
    """It was issued here: the new one comes from the present issuer."""
    lines = PROFILE_LINES.replace(
        "issuer.pem\n", "issuer.pem{more_pem}\n").replace(
        "issuer.key\n", "issuer.key{more_key}\n")

    def configured(**more):
        text = lines
        for name in ("pem", "key"):
            text = text.replace("{more_" + name + "}", more.get(name, ""))
        return text
    new = Issuer(tmp_path / "new", "New Issuer")
    first = scep_server(httpd, issuer, ca, configured())
    at = ScepClient(first, issuer, "/scep-static")
    old = certs.Identity(at.enrol("a static secret").cert,
                         certs.rsa_key(2048))
    database = first.database
    first.stop()
    anchors = certs.Identity(ca.cert, ca.key)
    second = scep_server(
        httpd, new, anchors, configured(pem=" {folder}/former.pem",
                                        key=" {folder}/former.key"),
        database=database, files={
            "former.pem": issuer.pem, "former.key": issuer.key_pem,
            "all.pem": new.pem + issuer.pem},
        replace={"ca": "NanoMDMCACertificateFile {folder}/all.pem"})
    renewing = ScepClient(second, new, "/scep-renew")
    for recipient in (new, issuer):
        reply = renewing.enrol(kind="17", signer=old, recipient=recipient)
        assert reply.cert.issuer == new.cert.subject


def test_a30_one_transaction_of_two_clients(site, issuer, challenge):
    """At once, with keys and challenges of their own: each gets its
    certificate, and again when it asks for it."""
    signers = [certs.mint(f"signer {i}", rsa.generate_private_key(65537, 2048),
                          None) for i in range(2)]

    def enrol(job):
        signer, good = job
        at = ScepClient(site, issuer)
        try:
            got = at.enrol(good, signer=signer, transaction="SAME")
            poll = message(envelope(seq(oid("1.2.3"), NULL), issuer.cert),
                           signer, kind="20", transaction="SAME")
            return got, at.reply(poll, signer)
        finally:
            at.close()
    for _ in range(3):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            pairs = list(pool.map(enrol, [(signer, challenge())
                                          for signer in signers]))
        for signer, (got, again) in zip(signers, pairs):
            assert (got.cert.public_key().public_numbers()
                    == signer.key.public_key().public_numbers())
            assert again.cert == got.cert


def test_names_without_parts(client, challenge):
    """Of the signer and of the CSR."""
    signer = certs.self_signed(None, key="rsa", eku=None)
    assert client.enrol(challenge(), signer=signer).cert
    der = csr(signer.key, challenge(), subject=())
    reply = client.reply(message(envelope(der, client.issuer.cert), signer),
                         signer)
    assert reply.failure == "badRequest"
