# SPDX-License-Identifier: Apache-2.0
"""SCEP under other configurations: EC issuers, other challenges, configtest."""

import base64
import datetime
import subprocess
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec as asymmetric_ec

import pytest

import ca as certs
from device import Device, Operator
from receiver import Answer, Receiver, signature
from scep import Reply, ScepClient, openssl
from scep_site import Issuer, issuer, scep_server
from system import wait_until

SCEP = """\
NanoMDMIssuerCertificateFile {folder}/issuer.pem
NanoMDMIssuerKeyFile {folder}/issuer.key
<Location "/scep">
    SetHandler nanomdm-scep
    %s
</Location>
"""


@pytest.mark.one_database
def test_a25_external(httpd, issuer, ca):
    with Receiver() as receiver:
        receiver.answers["/ask"] = Answer(
            200, b'{"allow": true, "serial": "S25"}')
        site = scep_server(httpd, issuer, ca, SCEP % (
            f"NanoMDMSCEPChallenge external http://127.0.0.1:"
            f"{receiver.port}/ask key=k"))
        client = ScepClient(site, issuer)
        cert = client.enrol("word").cert
        assert [a.value for a in cert.subject] == ["S25"]
        for body in (b'{"allow": false}', b"", b"x", b"[]", b"true",
                     b'{"allow": 1}', b'{"allow": "true"}',
                     b'{"allow": true, "serial": 25}',
                     b'{"allow": true, "udid": ["U"]}',
                     b'{"allow": true, "user": "a\\nb"}',
                     b'{"allow": true, "serial": "' + 200 * b"S" + b'"}',
                     b'{"allow": true, "x": "' + 65536 * b"x" + b'"}'):
            receiver.answers["/ask"] = Answer(200, body)
            assert client.enrol("word").failure == "badRequest"
        receiver.answers["/ask"] = Answer(204)
        assert client.enrol("word").failure == "badRequest"
        client.close()


@pytest.mark.one_database
def test_a25_the_request(httpd, issuer, ca):
    """Its keys, and its signature."""
    with Receiver() as receiver:
        receiver.answers["/ask"] = Answer(200, b'{"allow": true}')
        site = scep_server(httpd, issuer, ca, SCEP % (
            f"NanoMDMSCEPChallenge external http://127.0.0.1:"
            f"{receiver.port}/ask key=key-of-many-characters"))
        client = ScepClient(site, issuer)
        signer = client.signer()
        assert client.enrol("word", signer=signer, transaction="T25",
                            subject=(("O", "Example"), ("CN", "mac"))).cert
        asked, = receiver.wait_for(1, path="/ask")
        client.close()
    assert asked.method == "POST"
    assert asked.headers["Content-Type"].startswith("application/json")
    assert asked.headers["X-Hmac-Signature"] == signature(
        "key-of-many-characters", asked.body)
    said = asked.json()
    request = x509.load_pem_x509_csr(said.pop("csr").encode())
    assert (request.public_key().public_numbers()
            == signer.key.public_key().public_numbers())
    assert "Example" in said["subject"] and "mac" in said.pop("subject")
    assert said == {"challenge": "word", "transaction_id": "T25",
                    "message_type": 19, "client": "127.0.0.1"}


@pytest.mark.parametrize("change, said", [
    ({"lines": SCEP % "NanoMDMSCEPChallenge none"},
     "NanoMDMSCEPChallenge none"),
    ({"mode": 0o640}, "chmod 600"), ({"trusted": False},
                                     "NanoMDMCACertificateFile"),
    ({"key": "other"}, "not that of the certificate"),
    ({"lines": "<Location /scep>\nSetHandler nanomdm-scep\n</Location>"},
     "NanoMDMIssuerCertificateFile")])
@pytest.mark.one_database
def test_a26_a41_configtest(httpd, issuer, ca, change, said):
    key = (certs.self_signed("other", key="rsa4096").key_pem
           if change.get("key") else issuer.key_pem)
    made = httpd(ca=ca.pem + (issuer.pem if change.get("trusted", True)
                              else b""),
                 extra_vhost=change.get("lines", SCEP % ""), start=False,
                 files={"issuer.pem": issuer.pem, "issuer.key": key})
    (made.folder / "issuer.key").chmod(change.get("mode", 0o600))
    status, text = made.configtest()
    assert status != 0 and said in text, text


@pytest.mark.parametrize("flaw, said", [
    ("ended", "has expired"), ("no ca", "basicConstraints CA:TRUE"),
    ("small", "1024 bits"), ("usage", "digitalSignature or keyEncipherment"),
    ("no sign", "is no CA's")])
@pytest.mark.one_database
def test_a41_issuers_that_cannot_serve(httpd, ca, tmp_path, flaw, said):
    rsa = ("rsa:2048",)
    made = {
        "ended": lambda: certs.mint("x", certs.rsa_key(2048), None, ca=True,
                                    start=-20, days=-1),
        "no ca": lambda: made_by_openssl(
            tmp_path, "x", rsa, "digitalSignature,keyEncipherment"),
        "small": lambda: made_by_openssl(
            tmp_path, "x", ("rsa:1024",),
            "digitalSignature,keyEncipherment,keyCertSign", is_ca=True),
        "usage": lambda: made_by_openssl(
            tmp_path, "x", rsa, "digitalSignature,keyCertSign", is_ca=True),
        "no sign": lambda: made_by_openssl(
            tmp_path, "x", rsa, "digitalSignature,keyEncipherment",
            is_ca=True),
    }[flaw]()
    site = httpd(ca=ca.pem + made.pem, extra_vhost=SCEP % "", start=False,
                 files={"issuer.pem": made.pem, "issuer.key": made.key_pem})
    (site.folder / "issuer.key").chmod(0o600)
    status, text = site.configtest()
    assert status != 0 and "NMDM0020" in text and said in text, text


@pytest.mark.one_database
def test_a16_configtest_misses_the_provider(httpd, issuer, ca, monkeypatch,
                                            tmp_path):
    made = httpd(ca=ca.pem + issuer.pem, start=False,
                 extra_vhost=SCEP % "NanoMDMSCEPCipher aes 3des des",
                 files={"issuer.pem": issuer.pem,
                        "issuer.key": issuer.key_pem})
    (made.folder / "issuer.key").chmod(0o600)
    status, text = made.configtest()
    assert status == 0, text
    monkeypatch.setenv("OPENSSL_MODULES", str(tmp_path))
    status, text = made.configtest()
    assert status != 0 and "openssl-provider-legacy" in text, text


@pytest.mark.one_database
def test_a4_an_intermediate_issuer(httpd, tmp_path):
    """Its certificate alone, and what it issues is trusted."""
    root = certs.root("Root", key="rsa")
    key = certs.rsa_key(2048)
    issuer = root.issue("Issuing CA", key="rsa", ca=True, eku=None,
                        days=800)
    usage = x509.KeyUsage(True, False, True, False, False, True, True, False,
                          False)
    builder = x509.CertificateBuilder(
        issuer.cert.issuer, issuer.cert.subject, key.public_key(),
        issuer.cert.serial_number, issuer.cert.not_valid_before,
        issuer.cert.not_valid_after)
    for extension in issuer.cert.extensions:
        value = extension.value
        if isinstance(value, x509.KeyUsage):
            value = usage
        elif isinstance(value, x509.SubjectKeyIdentifier):
            value = x509.SubjectKeyIdentifier.from_public_key(
                key.public_key())
        builder = builder.add_extension(value, extension.critical)
    issuer = certs.Identity(builder.sign(root.key, hashes.SHA256()), key)
    site = scep_server(
        httpd, issuer, root, SCEP % "NanoMDMSCEPChallenge static x",
        files={"root.pem": root.pem}, replace={
            "ca": "NanoMDMCACertificateFile {folder}/root.pem\n"
                  "NanoMDMIntermediateCertificateFile {folder}/issuer.pem"})
    client = ScepClient(site, issuer)
    answer = client.get("GetCACert")
    assert answer.headers["Content-Type"] == "application/x-x509-ca-cert"
    assert answer.body == issuer.der
    signer = client.signer()
    cert = client.enrol("x", signer=signer).cert
    assert cert.issuer == issuer.cert.subject
    mac = Device(site, certs.Identity(cert, signer.key))
    assert mac.enroll().idle().status == 200
    client.close()


@pytest.mark.parametrize("usage, said", [
    ("digitalSignature", "digitalSignature and keyEncipherment"),
    ("keyEncipherment", "digitalSignature and keyEncipherment"),
    ("digitalSignature,keyEncipherment", "")])
@pytest.mark.one_database
def test_a5_the_key_usage_of_a_recipient(httpd, ca, tmp_path, usage, said):
    ec = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    issuer = made_by_openssl(tmp_path, "issuer", ec,
                             "keyCertSign,digitalSignature", is_ca=True)
    recipient = made_by_openssl(tmp_path, "recipient", ("rsa:2048",), usage,
                                ca="issuer")
    site = httpd(ca=ca.pem + issuer.pem, start=False, extra_vhost=SCEP.replace(
        "<Location", "NanoMDMSCEPRecipientCertificateFile"
        " {folder}/recipient.pem\n"
        "NanoMDMSCEPRecipientKeyFile {folder}/recipient.key\n<Location") % "",
        files={"issuer.pem": issuer.pem, "issuer.key": issuer.key_pem,
               "recipient.pem": recipient.pem,
               "recipient.key": recipient.key_pem})
    for path in site.folder.glob("*.key"):
        path.chmod(0o600)
    status, text = site.configtest()
    assert (status != 0) == bool(said) and said in text, text


@pytest.mark.one_database
def test_a7_a_longer_request_line(httpd, issuer, ca):
    """What the manual says of mdmb: above 8,190 characters httpd answers 414
    by itself, with LimitRequestLine 16380 it does not."""
    lines = SCEP % "NanoMDMSCEPChallenge static x"
    for limit, status in (("", 414), ("LimitRequestLine 16380\n", 200)):
        site = scep_server(httpd, issuer, ca, limit + lines,
                           extra_server=limit)
        client = ScepClient(site, issuer)
        der, signer = client.request(
            "x", subject=(("CN", "x" * 120),) + (("OU", "y" * 120),) * 15,
            extra_certs=[issuer, issuer])
        query = base64.b64encode(der).decode()
        assert 8190 < len(query) < 16000
        answer = client.raw("GET", "/scep?operation=PKIOperation&message="
                            + urllib.parse.quote(query, safe="/="))
        assert answer.status == status
        client.close()
    assert Reply(answer, signer, issuer.pem).cert


def test_a9_the_database_is_away(httpd, fresh_db, issuer, ca, expect_log,
                                 private_db_server):
    """503, and the challenge is as good as before."""
    db_server = private_db_server()
    if db_server.kind == "sqlite3":
        pytest.skip("a file is never away")
    site = scep_server(lambda **more: httpd(fresh_db(db_server), **more),
                       issuer, ca, SCEP % "")
    operator = Operator(site)
    challenge = operator.call("POST", "/v1/scep-challenge",
                              b"").json["challenge"]
    operator.close()
    client = ScepClient(site, issuer)
    der, signer = client.request(challenge)
    expect_log("NMDM1501")
    expect_log("dbd", optional=True)
    # The work that is due meets it in any step.
    expect_log("NMDM15", optional=True)
    db_server.kill()
    answer = client.post(der)
    assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0
    assert client.get("GetCACert").status == 200
    db_server.restart()
    assert wait_until(lambda: client.post(der).status == 200)
    assert Reply(client.post(der), signer, issuer.pem).cert
    client.close()


@pytest.mark.one_database
def test_a36_the_end_of_the_issuer(httpd, ca, tmp_path, expect_log):
    """A certificate ends no later than its issuer, and the log remarks."""
    issuer = Issuer(tmp_path / "ca", "Short")
    builder = x509.CertificateBuilder(
        issuer.cert.issuer, issuer.cert.subject, issuer.key.public_key(),
        issuer.cert.serial_number, issuer.cert.not_valid_before,
        issuer.cert.not_valid_before + datetime.timedelta(days=40))
    for extension in issuer.cert.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    issuer = certs.Identity(builder.sign(issuer.key, hashes.SHA256()),
                            issuer.key)
    site = scep_server(httpd, issuer, ca,
                       SCEP % "NanoMDMSCEPChallenge static x")
    client = ScepClient(site, issuer)
    expect_log("NMDM2204", "Short", "365 days")
    cert = client.enrol("x").cert
    assert cert.not_valid_after == issuer.cert.not_valid_after
    client.close()


def made_by_openssl(folder, name, key, usage, ca=None, is_ca=False):
    """An identity whose key usage is what the text says."""
    pem, secret = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", "3000",
         "-subj", f"/CN={name}", "-keyout", secret, "-out", pem,
         "-addext", f"keyUsage=critical,{usage}",
         "-addext", "basicConstraints=critical,CA:"
         + ("TRUE" if is_ca else "FALSE"),
         *(["-CA", folder / f"{ca}.pem", "-CAkey", folder / f"{ca}.key"]
           if ca else [])], check=True, stderr=subprocess.DEVNULL)
    return certs.Identity(
        x509.load_pem_x509_certificate(pem.read_bytes()),
        serialization.load_pem_private_key(secret.read_bytes(), None))


@pytest.mark.one_database
def test_a5_an_ec_issuer_has_a_recipient(httpd, ca, tmp_path):
    """RSA decrypts and signs, the EC key issues; the list has both."""
    ec = ("ec", "-pkeyopt", "ec_paramgen_curve:P-384")
    issuer = made_by_openssl(tmp_path, "issuer", ec,
                             "keyCertSign,digitalSignature", is_ca=True)
    recipient = made_by_openssl(tmp_path, "recipient", ("rsa:2048",),
                                "digitalSignature,keyEncipherment",
                                ca="issuer")
    lines = SCEP.replace("<Location", """\
NanoMDMSCEPRecipientCertificateFile {folder}/recipient.pem
NanoMDMSCEPRecipientKeyFile {folder}/recipient.key
NanoMDMSCEPChallenge static x
<Location""") % ""
    site = scep_server(httpd, issuer, ca, lines, files={
        "recipient.pem": recipient.pem, "recipient.key": recipient.key_pem})
    client = ScepClient(site, recipient)
    answer = client.get("GetCACert")
    assert answer.headers["Content-Type"] == "application/x-x509-ca-ra-cert"
    text = openssl("pkcs7", "-inform", "DER", "-print_certs",
                   data=answer.body)
    end = b"-----END CERTIFICATE-----\n"
    parts = [part[part.index(b"-----BEGIN"):] + end
             for part in text.split(end) if b"-----BEGIN" in part]
    assert {x509.load_pem_x509_certificate(part) for part in parts} == {
        issuer.cert, recipient.cert}
    assert len(parts) == 2
    cert = client.enrol("x").cert                # recipient's signature
    assert cert.issuer == issuer.cert.subject
    assert cert.signature_hash_algorithm.name == "sha384"
    issuer.cert.public_key().verify(
        cert.signature, cert.tbs_certificate_bytes,
        asymmetric_ec.ECDSA(cert.signature_hash_algorithm))
    client.close()


@pytest.mark.one_database
def test_a5_an_ec_issuer_needs_a_recipient(httpd, ca, tmp_path):
    ec = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    issuer = made_by_openssl(tmp_path, "issuer", ec,
                             "keyCertSign,digitalSignature", is_ca=True)
    made = httpd(ca=ca.pem + issuer.pem, extra_vhost=SCEP % "", start=False,
                 files={"issuer.pem": issuer.pem,
                        "issuer.key": issuer.key_pem})
    (made.folder / "issuer.key").chmod(0o600)
    status, text = made.configtest()
    assert status != 0 and "NanoMDMSCEPRecipient" in text, text
