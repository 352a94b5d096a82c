# SPDX-License-Identifier: Apache-2.0
"""A SCEP client that can send anything: messages are put together from DER
by hand, replies are read with openssl."""

import base64
import os
import subprocess
import tempfile
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import NameOID

import ca as certs
from device import Client, split_tlv

DER = serialization.Encoding.DER

SCEP = "2.16.840.1.113733.1.9."
DATA, SIGNED, ENVELOPED = (f"1.2.840.113549.1.7.{n}" for n in (1, 2, 3))
DIGESTS = {"md5": "1.2.840.113549.2.5", "sha1": "1.3.14.3.2.26",
           "sha224": "2.16.840.1.101.3.4.2.4",
           "sha256": "2.16.840.1.101.3.4.2.1",
           "sha384": "2.16.840.1.101.3.4.2.2",
           "sha512": "2.16.840.1.101.3.4.2.3"}
CIPHERS = {                       # OID, key bytes, block bytes
    "aes128": ("2.16.840.1.101.3.4.1.2", 16, 16),
    "aes192": ("2.16.840.1.101.3.4.1.22", 24, 16),
    "aes256": ("2.16.840.1.101.3.4.1.42", 32, 16),
    "3des": ("1.2.840.113549.3.7", 24, 8),
    "des": ("1.3.14.3.2.7", 8, 8),
    "rc2": ("1.2.840.113549.3.2", 16, 8),
    "gcm": ("2.16.840.1.101.3.4.1.6", 16, 16),
}
FAILURES = {"0": "badAlg", "1": "badMessageCheck", "2": "badRequest",
            "3": "badTime", "4": "badCertId"}


# -- DER ------------------------------------------------------------------

def tlv(tag, *parts):
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def oid(text):
    first, second, *rest = map(int, text.split("."))
    out = b""
    for number in (first * 40 + second, *rest):
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.append(0x80 | number & 0x7F)
        out += bytes(reversed(septets))
    return tlv(6, out)


def seq(*parts):
    return tlv(0x30, *parts)


def integer(number):
    return tlv(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def printable(text):
    return tlv(0x13, text.encode())


def octets(data):
    return tlv(4, data)


NULL = tlv(5)


# -- Requests -------------------------------------------------------------

def csr(key, challenge="", subject=(("CN", "device"),), digest="sha256",
        raw_subject=None, san=None):
    oids = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME,
            "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
            "C": NameOID.COUNTRY_NAME, "L": NameOID.LOCALITY_NAME,
            "ST": NameOID.STATE_OR_PROVINCE_NAME,
            "serialNumber": NameOID.SERIAL_NUMBER,
            "emailAddress": NameOID.EMAIL_ADDRESS, "UID": NameOID.USER_ID}
    name = raw_subject or x509.Name([
        x509.NameAttribute(oids[kind], value, _validate=False)
        for kind, value in subject])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    if challenge:
        builder = builder.add_attribute(
            x509.oid.AttributeOID.CHALLENGE_PASSWORD, challenge.encode())
    if san:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(san)]), False)
        builder = builder.add_extension(
            x509.BasicConstraints(True, None), True)
    return builder.sign(key, getattr(hashes, digest.upper())()).public_bytes(
        DER)


def raw_csr(key, *attributes, extensions=(), trailer=b"", spki=None):
    """A request with any attributes at all, each as attribute() makes it;
    extensions are asked for, and spki stands for the key."""
    asked = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device")]))
    for extension in extensions:
        asked = asked.add_extension(extension, False)
    info = split_tlv(split_tlv(asked.sign(key, hashes.SHA256()).public_bytes(
        DER))[1])[1]
    parts = []
    while info:
        tag, value, info = split_tlv(info)
        parts.append((tag, value))
    own = parts.pop()[1]
    if spki:
        parts[-1] = 0x30, split_tlv(spki)[1]
    body = seq(*(tlv(tag, value) for tag, value in parts),
               tlv(0xA0, own, *attributes))
    signature = key.sign(body, padding.PKCS1v15(), hashes.SHA256())
    return seq(body, algorithm("1.2.840.113549.1.1.11"),
               tlv(3, b"\0" + signature)) + trailer


def algorithm(name, parameters=NULL):
    return seq(oid(name), parameters)


def envelope(content, recipient, cipher="aes128", corrupt_key=False,
             oaep=False, by_key_id=False):
    """envelopedData for a certificate."""
    name, size, block = CIPHERS[cipher]
    key, iv = os.urandom(size), os.urandom(block)
    if cipher in ("aes128", "aes192", "aes256", "gcm"):
        kind = algorithms.AES(key)
    elif cipher == "rc2":
        kind = algorithms.TripleDES(key)
    else:
        kind = algorithms.TripleDES(key * (3 if cipher == "des" else 1))
    pad = block - len(content) % block
    encryptor = Cipher(kind, modes.CBC(iv)).encryptor()
    encrypted = encryptor.update(content + bytes([pad]) * pad)
    scheme = (padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
              if oaep else padding.PKCS1v15())
    wrapped = bytearray(recipient.public_key().encrypt(key, scheme))
    if corrupt_key:
        wrapped[-5] ^= 1
    issuer_and_serial = seq(recipient.issuer.public_bytes(),
                            integer(recipient.serial_number))
    if by_key_id:
        ski = recipient.extensions.get_extension_for_class(
            x509.SubjectKeyIdentifier).value.digest
        rid, version = tlv(0x80, ski), 2
    else:
        rid, version = issuer_and_serial, 0
    info = seq(integer(version), rid,
               seq(oid("1.2.840.113549.1.1.7"), seq()) if oaep
               else algorithm("1.2.840.113549.1.1.1"),
               octets(bytes(wrapped)))
    return seq(oid(ENVELOPED), tlv(0xA0, seq(
        integer(version and 2), tlv(0x31, info),
        seq(oid(DATA), seq(oid(name), octets(iv)),
            tlv(0x80, encrypted)))))


def attribute(name, *values):
    return seq(oid(name), tlv(0x31, *values))


def message(content, signer, *, kind="19", transaction=None, nonce=None,
            digest="sha256", signature_oid="1.2.840.113549.1.1.1",
            extra_certs=(), attributes=None, corrupt=False, pss=False,
            parameters=NULL, with_cert=True, signers=1, digests=1):
    """A pkiMessage; content may be None for no eContent, attributes a dict or
    pairs; digests is how often the digest is named."""
    transaction = (printable(transaction or os.urandom(20).hex().upper())
                   if not isinstance(transaction, bytes) else transaction)
    if attributes is None:
        attributes = {
            SCEP + "2": (printable(kind),), SCEP + "7": (transaction,),
            SCEP + "5": (octets(nonce or os.urandom(16)),)}
    algo = getattr(hashes, digest.upper())()
    hasher = hashes.Hash(algo)
    hasher.update(content or b"")
    signed = sorted([attribute("1.2.840.113549.1.9.3", oid(DATA)),
                     attribute("1.2.840.113549.1.9.4",
                               octets(hasher.finalize())),
                     *(attribute(name, *values)
                       for name, values in (
                           attributes.items() if isinstance(attributes, dict)
                           else attributes))])
    scheme = (padding.PSS(padding.MGF1(algo), algo.digest_size) if pss
              else padding.PKCS1v15())
    signature = bytearray(signer.key.sign(tlv(0x31, *signed), scheme, algo))
    if corrupt:
        signature[10] ^= 1
    sig_algorithm = algorithm(signature_oid, parameters)
    if pss:
        sig_algorithm = seq(oid("1.2.840.113549.1.1.10"), seq(
            tlv(0xA0, algorithm(DIGESTS[digest])),
            tlv(0xA1, seq(oid("1.2.840.113549.1.1.8"),
                          algorithm(DIGESTS[digest]))),
            tlv(0xA2, integer(algo.digest_size))))
    info = seq(integer(1),
               seq(signer.cert.issuer.public_bytes(),
                   integer(signer.cert.serial_number)),
               algorithm(DIGESTS[digest], parameters),
               tlv(0xA0, *signed), sig_algorithm, octets(bytes(signature)))
    enclosed = [*([signer.der] if with_cert else []),
                *(cert.der for cert in extra_certs)]
    inner = (seq(oid(DATA)) if content is None
             else seq(oid(DATA), tlv(0xA0, octets(content))))
    return seq(oid(SIGNED), tlv(0xA0, seq(
        integer(1),
        tlv(0x31, *[algorithm(DIGESTS[digest], parameters)] * digests), inner,
        *([tlv(0xA0, *enclosed)] if enclosed else []),
        tlv(0x31, *[info] * signers))))


# -- Replies --------------------------------------------------------------

def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, check=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE).stdout


def signed_attributes(der):
    """{OID: (tag, bytes)} of the one SignerInfo, and its certificates."""
    _, body, _ = split_tlv(split_tlv(der)[1])
    content = split_tlv(split_tlv(der)[1])[2]      # after the OID
    signed = split_tlv(split_tlv(content)[1])[1]
    parts = []
    while signed:
        tag, value, rest = split_tlv(signed)
        parts.append((tag, value))
        signed = rest
    infos = parts[-1][1]
    _, info, more = split_tlv(infos)
    assert not more, "more than one SignerInfo"
    fields = []
    while info:
        tag, value, rest = split_tlv(info)
        fields.append((tag, value))
        info = rest
    result = {}
    attrs = dict(fields)[0xA0]
    while attrs:
        _, one, attrs = split_tlv(attrs)
        _, name, values = split_tlv(one)
        tag, value, more = split_tlv(split_tlv(values)[1])
        assert not more, "an attribute with more than one value"
        result[x509_oid(name)] = (tag, value)
    return result, parts, fields


def x509_oid(content):
    numbers, number = [], 0
    for octet in content:
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(number)
            number = 0
    return ".".join(map(str, (numbers[0] // 40 if numbers[0] < 80 else 2,
                              numbers[0] - min(numbers[0] // 40, 2) * 40,
                              *numbers[1:])))


class Reply:
    """A CertRep; its signature is verified against the CA."""

    def __init__(self, answer, identity, signer_pem):
        self.answer = answer
        assert answer.status == 200, answer
        assert answer.headers["Content-Type"] == "application/x-pki-message"
        self.der = answer.body
        self.attributes, self.parts, self.fields = signed_attributes(
            self.der)
        with tempfile.NamedTemporaryFile() as ca:
            ca.write(signer_pem)
            ca.flush()
            failed = self.status == "2"
            self.content = openssl(
                "cms", "-verify", "-binary", "-inform", "DER", "-noverify",
                "-certfile", ca.name, "-nointern",
                *(["-content", "/dev/null"] if failed else []),
                data=self.der)
        self.cert = None
        if not failed:
            with identity.file() as pem:
                inner = openssl("cms", "-decrypt", "-inform", "DER",
                                "-recip", pem.name, data=self.content)
            text = openssl("pkcs7", "-inform", "DER", "-print_certs",
                           data=inner)
            self.inner = inner
            self.cert = x509.load_pem_x509_certificate(text)

    def value(self, number):
        return self.attributes.get(SCEP + str(number), (None, None))[1]

    @property
    def status(self):
        return self.value(3).decode()

    @property
    def failure(self):
        """None, or the name of failInfo."""
        info = self.value(4)
        return info and FAILURES[info.decode()]


class ScepClient(Client):
    """A client of /scep: enrol() by default as a well-behaved one."""

    path = "/scep"

    def __init__(self, server, issuer, path=None, **options):
        super().__init__(server, **options)
        self.issuer = issuer
        self.path = path or self.path

    def get(self, operation, message=None, method="GET"):
        query = {"operation": operation}
        if message is not None:
            query["message"] = message
        return self.raw(method, f"{self.path}?"
                        + urllib.parse.urlencode(query))

    def post(self, der, headers=(), **options):
        return self.raw("POST", f"{self.path}?operation=PKIOperation", der,
                        headers, **options)

    def reply(self, der, signer, recipient=None):
        return Reply(self.post(der), signer, (recipient or self.issuer).pem)

    def signer(self, key="rsa"):
        return certs.self_signed("SCEP signer", key=key, eku=None)

    def request(self, challenge="", *, signer=None, key=None, subject=None,
                san=None, cipher="aes128", recipient=None, envelope_options=(),
                csr_digest="sha256", **options):
        """(pkiMessage, signer): the key is the signer's unless given."""
        signer = signer or self.signer()
        der = csr(key or signer.key, challenge,
                  subject or (("CN", "device"),), csr_digest, san=san)
        return message(envelope(der, (recipient or self.issuer).cert, cipher,
                                **dict(envelope_options)),
                       signer, **options), signer

    def enrol(self, challenge="", *, recipient=None, **options):
        """The Reply to a request."""
        der, signer = self.request(challenge, recipient=recipient, **options)
        return self.reply(der, signer, recipient)
