# SPDX-License-Identifier: Apache-2.0
"""Certificates: a CA, the server's, a device's identity."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

YEARS = 3650                    # days of a CA
DAY = datetime.timedelta(days=1)


class Made:
    def __init__(self, cert, key):
        self.cert, self.key = cert, key
        self.pem = cert.public_bytes(serialization.Encoding.PEM)
        self.key_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption())


def usage(**said):
    names = ("digital_signature", "content_commitment", "key_encipherment",
             "data_encipherment", "key_agreement", "key_cert_sign",
             "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: said.get(name, False) for name in names})


def builder(subject, issuer, key, days):
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    return (x509.CertificateBuilder()
            .subject_name(subject).issuer_name(issuer).public_key(
                key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY / 24).not_valid_after(
                now + days * DAY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(
                key.public_key()), False))


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def authority(common_name, bits):
    """With the key usages that Apple's SCEP client asks for."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    subject = name(common_name)
    cert = (builder(subject, subject, key, YEARS)
            .add_extension(x509.BasicConstraints(True, 0), True)
            .add_extension(usage(digital_signature=True,
                                 key_encipherment=True, key_cert_sign=True,
                                 crl_sign=True), True))
    return Made(cert.sign(key, hashes.SHA256()), key)


def issued(common_name, ca_pem, ca_key_pem, key, days, extensions):
    ca = x509.load_pem_x509_certificate(ca_pem)
    ca_key = serialization.load_pem_private_key(ca_key_pem, None)
    cert = (builder(name(common_name), ca.subject, key, days)
            .add_extension(x509.BasicConstraints(False, None), True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    ca_key.public_key()), False))
    for value, critical in extensions:
        cert = cert.add_extension(value, critical)
    return Made(cert.sign(ca_key, hashes.SHA256()), key)


def server(host, ca_pem, ca_key_pem):
    key = ec.generate_private_key(ec.SECP256R1())
    try:
        alternative = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    return issued(host, ca_pem, ca_key_pem, key, 397, [
        (usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([alternative]), False)])


def identity(common_name, ca_pem, ca_key_pem, days):
    """Of a device."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return issued(common_name, ca_pem, ca_key_pem, key, days, [
        (usage(digital_signature=True, key_encipherment=True), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)])


def pkcs12_of(made, password):
    """In the older encryption, which each release of macOS and iOS reads."""
    encryption = (serialization.PrivateFormat.PKCS12.encryption_builder()
                  .kdf_rounds(50000)
                  .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
                  .hmac_hash(hashes.SHA1())
                  .build(password.encode()))
    return pkcs12.serialize_key_and_certificates(
        b"identity", made.key, made.cert, None, encryption)
