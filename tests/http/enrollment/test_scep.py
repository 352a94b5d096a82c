# SPDX-License-Identifier: Apache-2.0
"""SCEP, section A of the enrollment specification: one test for each case."""

import base64
import os
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import pytest

import ca as certs
from scep import (SCEP, Reply, ScepClient, csr, envelope, message, octets,
                  openssl, printable, seq, tlv)
from scep_site import (PROFILE_LINES, challenge, client, issuer, scep_server,
                       site)


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
def test_a45_rate_limit_of_ipv6(httpd, ca, issuer, expect_log):
    """By network: a host may take any address of its own."""
    site = scep_server(
        httpd, issuer, ca, PROFILE_LINES + "NanoMDMRateLimit 1/h 2\n",
        modules=("remoteip",), extra_server="RemoteIPHeader X-Forwarded-For\n"
        "RemoteIPInternalProxy 127.0.0.1\n")
    client = ScepClient(site, issuer)
    expect_log("NMDM2101: -: the client (2001:db8:1:2::/64|192.0.2.1) sends")
    for statuses, addresses in (
            ([400, 400, 503, 503], ["2001:db8:1:2::1", "2001:db8:1:2:8000::",
                                    "2001:db8:1:2::1", "2001:db8:1:2::3"]),
            ([400], ["2001:db8:1:3::1"]),
            ([400, 400, 503], ["192.0.2.1", "::ffff:192.0.2.1",
                               "192.0.2.1"]), ([400], ["192.0.2.2"])):
        assert [client.post(b"garbage",
                            [("X-Forwarded-For", address)]).status
                for address in addresses] == statuses
    client.close()


@pytest.mark.one_database
def test_a46_no_secrets_in_the_log(client, challenge, site):
    good = challenge()
    client.enrol(good)
    client.enrol("wrong-" + good)
    assert good not in site.error_log()
