# SPDX-License-Identifier: Apache-2.0
"""Certificate authorities and identities, minted in memory."""

import datetime
import functools
import hashlib
import subprocess
import tempfile
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER

EKU = {
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}
DIGESTS = {"sha256": hashes.SHA256, "sha384": hashes.SHA384}
WEAK_DIGESTS = "md5", "sha1"
# What Python 3.13 and later want of an authority.
CA_USAGE = x509.KeyUsage(
    digital_signature=False, content_commitment=False,
    key_encipherment=False, data_encipherment=False, key_agreement=False,
    key_cert_sign=True, crl_sign=True, encipher_only=False,
    decipher_only=False)


@functools.lru_cache(maxsize=None)
def rsa_key(bits=2048):
    """One RSA key serves all: they are slow to make, and no rule under
    test asks for different ones."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


CURVES = {"ec": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}
# The number of points on a curve (SEC 2).
ORDERS = {
    "secp256r1": int("ffffffff00000000ffffffffffffffff"
                     "bce6faada7179e84f3b9cac2fc632551", 16),
    "secp384r1": int("ffffffffffffffffffffffffffffffff"
                     "ffffffffffffffffc7634d81f4372ddf"
                     "581a0db248b0a77aecec196accc52973", 16),
    "secp521r1": int("01ffffffffffffffffffffffffffffff"
                     "ffffffffffffffffffffffffffffffff"
                     "fffa51868783bf2f966b7fcc0148f709"
                     "a5d03bb5c9b8899c47aebb6fb71e91386409", 16),
}


@functools.lru_cache(maxsize=None)
def dsa_parameters():
    return dsa.generate_parameters(key_size=2048)


def new_key(kind):
    """kind: "ec" (P-256), "p384", "p521", "dsa", "rsa" (2048) or
    "rsa4096"."""
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind]())
    if kind == "dsa":
        return dsa_parameters().generate_private_key()
    return rsa_key(int(kind[3:] or 2048))


def utc_now():
    """Without a zone, which is how databases and certificates hold it."""
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def days_from_now(days):
    return utc_now().replace(microsecond=0) + datetime.timedelta(days=days)


class Identity:
    """A certificate and its key."""

    def __init__(self, cert, key):
        self.cert = cert
        self.key = key

    @property
    def pem(self):
        return self.cert.public_bytes(PEM)

    @property
    def der(self):
        return self.cert.public_bytes(DER)

    @property
    def sha256(self):
        """As cert_auth_associations stores it."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def not_after(self):
        """Its last second, in UTC and without a zone."""
        try:
            return self.cert.not_valid_after_utc.replace(tzinfo=None)
        except AttributeError:            # cryptography before 42
            return self.cert.not_valid_after

    @property
    def key_pem(self):
        return self.key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption())

    def file(self):
        """An open temporary file with both, for programs wanting a path;
        it is gone when closed."""
        out = tempfile.NamedTemporaryFile(suffix=".pem")
        out.write(self.pem + self.key_pem)
        out.flush()
        return out


class Authority(Identity):
    """An identity that may sign others."""

    def issue(self, subject="device", *, eku="client", key="ec", ca=False,
              days=365, start=-1, digest="sha256", uid=None, dns=None):
        """Mint a leaf, or with ca=True an Authority below this one.

        eku: a name of EKU, several joined with ",", or None for no
        extension.  start, days: first and last day of validity, counted
        from now; start=-9, days=-2 is an expired certificate.  uid: the
        UID attribute of the subject (an APNs topic).
        """
        key = new_key(key)
        return mint(subject, key, self, eku=eku, ca=ca, days=days,
                    start=start, digest=digest, uid=uid, dns=dns)

    def intermediate(self, subject="Test Issuing CA", **options):
        return self.issue(subject, ca=True, **{"eku": None, **options})


def from_files(cert, key):
    """An authority that another program has made."""
    return Authority(
        x509.load_pem_x509_certificate(cert.read_bytes()),
        serialization.load_pem_private_key(key.read_bytes(), None))


def root(subject="Test Root CA", *, key="ec", **options):
    """A self-signed authority."""
    return mint(subject, new_key(key), None, ca=True, **options)


def self_signed(subject="device", *, key="ec", **options):
    """A leaf that no CA signed."""
    return mint(subject, new_key(key), None, **{"eku": "client", **options})


def tlv(tag, content):
    """One DER element."""
    size = len(content)
    if size < 0x80:
        length = bytes([size])
    else:
        digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
        length = bytes([0x80 | len(digits)]) + digits
    return bytes([tag]) + length + content


def other_encoding(identity, issuer):
    """The same certificate with (r, n - s) for its issuer's signature
    (r, s): with ECDSA as valid, and of another digest; with DSA not."""
    signature = identity.cert.signature
    order = (issuer.key.parameters().parameter_numbers().q
             if isinstance(issuer.key, dsa.DSAPrivateKey)
             else ORDERS[issuer.key.curve.name])
    r, s = utils.decode_dss_signature(signature)
    other = utils.encode_dss_signature(r, order - s)
    der = identity.der
    body = der[der.index(identity.cert.tbs_certificate_bytes):
               -len(tlv(0x03, b"\0" + signature))]
    twin = tlv(0x30, body + tlv(0x03, b"\0" + other))
    return Identity(x509.load_der_x509_certificate(twin), identity.key)


@functools.lru_cache(maxsize=None)
def push_authority():
    return root("Test Push CA")


def push_topic():
    return f"com.apple.mgmt.External.{uuid.uuid4()}"


def push_certificate(topic=None, key="rsa", **options):
    """An MDM push certificate of the given or a new topic."""
    topic = topic or push_topic()
    return push_authority().issue("APSP:test", key=key, uid=topic,
                                  **options)


def mint(subject, key, issuer, *, eku=None, ca=False, days=365, start=-1,
         digest="sha256", uid=None, dns=None):
    # Hostile ones are longer than the 64 characters of X.520, or None: a
    # name without parts.
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, one,
                                     _validate=False)
                  for one in (subject,) if one is not None]
    if uid is not None:
        attributes.insert(0, x509.NameAttribute(NameOID.USER_ID, uid))
    name = x509.Name(attributes)
    builder = (x509.CertificateBuilder()
               .subject_name(name)
               .issuer_name(issuer.cert.subject if issuer else name)
               .public_key(key.public_key())
               .serial_number(x509.random_serial_number())
               .not_valid_before(days_from_now(start))
               .not_valid_after(days_from_now(days))
               .add_extension(x509.BasicConstraints(ca, None), True)
               .add_extension(x509.SubjectKeyIdentifier.from_public_key(
                   key.public_key()), False)
               .add_extension(
                   x509.AuthorityKeyIdentifier.from_issuer_public_key(
                       (issuer.key if issuer else key).public_key()), False))
    if ca:
        builder = builder.add_extension(CA_USAGE, True)
    if eku:
        usages = [EKU[name] for name in eku.split(",")]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages),
                                        False)
    if dns:
        names = x509.SubjectAlternativeName([x509.DNSName(dns)])
        builder = builder.add_extension(names, False)
    weak = digest in WEAK_DIGESTS
    cert = builder.sign(issuer.key if issuer else key,
                        DIGESTS["sha256" if weak else digest]())
    made = (Authority if ca else Identity)(cert, key)
    return signed_again(made, issuer or made, digest) if weak else made


def signed_again(identity, issuer, digest):
    """With a digest that Python's cryptography signs with no more; valid
    from now on for a year."""
    request = x509.CertificateSigningRequestBuilder().subject_name(
        identity.cert.subject)
    for each in identity.cert.extensions:
        request = request.add_extension(each.value, each.critical)
    with issuer.file() as signer:
        pem = subprocess.run(
            ["openssl", "x509", "-req", f"-{digest}", "-days", "365",
             "-CA", signer.name, "-CAkey", signer.name,
             "-copy_extensions", "copyall"],
            input=request.sign(identity.key, hashes.SHA256()).public_bytes(
                PEM),
            check=True, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL).stdout
    return type(identity)(x509.load_pem_x509_certificate(pem), identity.key)
