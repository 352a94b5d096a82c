# SPDX-License-Identifier: Apache-2.0
"""SCEP under other configurations: EC issuers, other challenges, configtest."""

import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec as asymmetric_ec

import pytest

import ca as certs
from receiver import Answer, Receiver
from scep import ScepClient, openssl
from test_scep import issuer, scep_server

SCEP = """\
NanoMDMIssuerCertificateFile {folder}/issuer.pem
NanoMDMIssuerKeyFile {folder}/issuer.key
<Location "/scep">
    SetHandler nanomdm-scep
    %s
</Location>
"""


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
        for body in (b'{"allow": false}', b"", b"x"):
            receiver.answers["/ask"] = Answer(200, body)
            assert client.enrol("word").failure == "badRequest"
        receiver.answers["/ask"] = Answer(204)
        assert client.enrol("word").failure == "badRequest"
        client.close()


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
