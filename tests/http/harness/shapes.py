# SPDX-License-Identifier: Apache-2.0
"""Shapes of CAs and device certificates, as the matrix in docs/identity.md
has them: what is trusted, what the device has, and what becomes of it."""

import collections
import dataclasses

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from cryptography.x509.oid import NameOID, ObjectIdentifier

import ca as certs
from ca import EKU, days_from_now

UNKNOWN = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.55555.1"),
                                     b"\x05\x00")
USAGES = ("digital_signature", "content_commitment", "key_encipherment",
          "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
          "encipher_only", "decipher_only")


class Holder(certs.Authority):
    """An identity whose device may send certificates along."""

    sent = ()

    def file(self):
        out = super().file()
        for one in self.sent:
            out.write(one.pem)
        out.flush()
        return out


def key_of(kind):
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ed448":
        return ed448.Ed448PrivateKey.generate()
    return certs.new_key(kind)


def usage(*names):
    return x509.KeyUsage(**{name: name in names for name in USAGES})


def make(subject, issuer=None, *, ca=False, key="ec", same_key=None,
         eku="client", start=-1, days=365, digest="sha256", aki=None,
         extensions=(), length=None, serial=None):
    """One certificate.  extensions: (extension, critical) pairs; aki: a
    certificate whose issuer and serial number the key identifier names,
    True for the issuer's key, None for none."""
    private = same_key.key if same_key else key_of(key)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = (x509.CertificateBuilder()
               .subject_name(name)
               .issuer_name(issuer.cert.subject if issuer else name)
               .public_key(private.public_key())
               .serial_number(serial or x509.random_serial_number())
               .not_valid_before(days_from_now(start))
               .not_valid_after(days_from_now(days))
               .add_extension(x509.BasicConstraints(ca, length), True))
    if eku and not ca:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([EKU[one] for one in eku.split(",")]),
            False)
    if aki is True:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(
                issuer.key.public_key()), False)
    elif aki:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier(
            None, [x509.DirectoryName(aki.cert.issuer)],
            aki.cert.serial_number), False)
    if ca:
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(private.public_key()),
            False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    signer = issuer.key if issuer else private
    weak = digest in certs.WEAK_DIGESTS
    hashed = (None if isinstance(signer, (ed25519.Ed25519PrivateKey,
                                          ed448.Ed448PrivateKey))
              else certs.DIGESTS["sha256" if weak else digest]())
    made = Holder(builder.sign(signer, hashed), private)
    if weak:
        again = certs.signed_again(made, issuer or made, digest)
        made = Holder(again.cert, private)
    return made


@dataclasses.dataclass
class Shape:
    leaf: Holder
    anchors: list
    intermediates: list = dataclasses.field(default_factory=list)
    sent: list = dataclasses.field(default_factory=list)


# name -> (verdict, function of a unique prefix for names)
SHAPES = collections.OrderedDict()


def shape(title, verdict):
    def register(function):
        SHAPES[title] = (verdict, function)
        return function
    return register


def simple(title, verdict, root_options=None, **leaf_options):
    @shape(title, verdict)
    def _(unique):
        root = make(unique, ca=True, **(root_options or {}))
        return Shape(make("device", root, **leaf_options), [root])


simple("P-256 under a P-256 root", 200)
simple("RSA 2048 under a P-256 root", 200, key="rsa")
simple("RSA 1024 (Apple's default without Keysize)", 200, key="rsa1024")
simple("RSA 4096", 200, key="rsa4096")
simple("P-256 under an RSA 2048 root", 200, {"key": "rsa"})
simple("P-384 under a P-384 root", 200, {"key": "p384"}, key="p384")
simple("P-521 under a P-521 root", 200, {"key": "p521"}, key="p521")
simple("Ed25519", 200, key="ed25519")
simple("Ed448", 200, key="ed448")
simple("P-256 under an Ed25519 root", 200, {"key": "ed25519"})
simple("no extended key usage", 200, eku=None)
simple("anyExtendedKeyUsage alone", 200, eku="any")
simple("serverAuth and clientAuth", 200, eku="server,client")
simple("serverAuth alone", 400, eku="server")
simple("key usage keyEncipherment alone", 200, key="rsa",
       extensions=[(usage("key_encipherment"), True)])
simple("key usage nonRepudiation alone", 200,
       extensions=[(usage("content_commitment"), True)])
simple("signed with SHA-384", 200, digest="sha384")
simple("signed with SHA-1", 400, digest="sha1")
simple("under a root that signed itself with SHA-1", 200,
       {"digest": "sha1"})
simple("expired", 400, start=-9, days=-2)
simple("not yet valid", 400, start=2, days=9)
simple("expired root", 400, {"start": -9, "days": -2})
simple("unknown critical extension", 400, extensions=[(UNKNOWN, True)])
simple("unknown extension, not critical", 200,
       extensions=[(UNKNOWN, False)])
simple("unknown critical extension in the CA", 400,
       {"extensions": [(UNKNOWN, True)]})
simple("CA whose key usage has no keyCertSign", 400,
       {"extensions": [(usage("digital_signature"), True)]})


@shape("issued by another device's certificate", 400)
def _(unique):
    root = make(unique, ca=True)
    other = make(unique + " device", root)
    return Shape(make("device", other), [root], [other])


@shape("self-signed", 400)
def _(unique):
    return Shape(make(unique), [make(unique + " CA", ca=True)])


@shape("self-signed, listed as an anchor", 200)
def _(unique):
    leaf = make(unique)
    return Shape(leaf, [leaf])


@shape("of an unknown CA, listed as an anchor itself", 200)
def _(unique):
    leaf = make("device", make(unique, ca=True))
    return Shape(leaf, [leaf])


@shape("of an unknown CA", 400)
def _(unique):
    return Shape(make("device", make(unique + " other", ca=True)),
                 [make(unique, ca=True)])


@shape("of an unknown CA of the same name", 400)
def _(unique):
    return Shape(make("device", make(unique, ca=True)),
                 [make(unique, ca=True)])


def below(unique, depth, **options):
    """A root and issuing CAs, each below the one before."""
    chain = [make(unique, ca=True)]
    for level in range(depth):
        chain.append(make(f"{unique} {level + 1}", chain[-1], ca=True,
                          **options))
    return chain


@shape("issuing CA in the intermediates' file", 200)
def _(unique):
    root, issuing = below(unique, 1)
    return Shape(make("device", issuing), [root], [issuing])


@shape("the same, sent along", 200)
def _(unique):
    root, issuing = below(unique, 1)
    return Shape(make("device", issuing), [root], [issuing], [issuing])


@shape("two issuing CAs, both sent along", 200)
def _(unique):
    root, upper, lower = below(unique, 2)
    return Shape(make("device", lower), [root], [upper, lower],
                 [lower, upper])


@shape("three issuing CAs and the root sent along", 200)
def _(unique):
    chain = below(unique, 3)
    return Shape(make("device", chain[-1]), chain[:1], chain[1:],
                 chain[::-1])


@shape("issuing CA as anchor, its root sent along", 200)
def _(unique):
    root, issuing = below(unique, 1)
    return Shape(make("device", issuing), [issuing], [], [issuing, root])


@shape("issuing CA sent along, but not listed", 400)
def _(unique):
    root, issuing = below(unique, 1)
    return Shape(make("device", issuing), [root], [], [issuing])


@shape("another CA's chain sent along", 200)
def _(unique):
    root = make(unique, ca=True)
    return Shape(make("device", root), [root], [],
                 below(unique + " other", 2)[::-1])


@shape("expired issuing CA", 400)
def _(unique):
    root, issuing = below(unique, 1, start=-9, days=-2)
    return Shape(make("device", issuing), [root], [issuing], [issuing])


@shape("issuing CA below a root with path length 0", 400)
def _(unique):
    root = make(unique, ca=True, length=0)
    upper = make(unique + " 1", root, ca=True)
    return Shape(make("device", upper), [root], [upper], [upper])


@shape("issuing CA for serverAuth alone", 400)
def _(unique):
    root = make(unique, ca=True)
    issuing = make(unique + " 1", root, ca=True, extensions=[
        (x509.ExtendedKeyUsage([EKU["server"]]), False)])
    return Shape(make("device", issuing), [root], [issuing], [issuing])


# -- Several paths ----------------------------------------------------

@shape("expired root beside the renewed one of its key", 200)
def _(unique):
    old = make(unique, ca=True, start=-9, days=-2)
    new = make(unique, ca=True, same_key=old)
    return Shape(make("device", new), [old, new])


@shape("renewed root, and a key identifier that names the old one's issuer "
       "and serial number", 200)
def _(unique):
    old = make(unique, ca=True)
    new = make(unique, ca=True, same_key=old)
    return Shape(make("device", old, aki=old), [new])


@shape("two issuing CAs of one name and two keys, no key identifier", 200)
def _(unique):
    root = make(unique, ca=True)
    first, second = (make(unique + " 1", root, ca=True) for _ in range(2))
    return Shape(make("device", second), [root], [first, second])


@shape("the same, and the key identifier names the wrong one", 200)
def _(unique):
    root = make(unique, ca=True)
    first, second = (make(unique + " 1", root, ca=True) for _ in range(2))
    return Shape(make("device", second, aki=first), [root],
                 [first, second])


@shape("cross-signed issuing CA, the dead end listed first", 200)
def _(unique):
    root, gone = make(unique, ca=True), make(unique + " gone", ca=True)
    dead = make(unique + " 1", gone, ca=True)
    good = make(unique + " 1", root, ca=True, same_key=dead)
    return Shape(make("device", good, aki=True), [root], [dead, good],
                 [dead])


@shape("expired issuing CA as an anchor beside the renewed one", 200)
def _(unique):
    root = make(unique, ca=True)
    old = make(unique + " 1", root, ca=True, start=-9, days=-2)
    new = make(unique + " 1", root, ca=True, same_key=old)
    return Shape(make("device", new, aki=True), [old, root], [new])


@shape("the last of 20 CAs of one name, no key identifier", 200)
def _(unique):
    roots = [make(unique, ca=True) for _ in range(20)]
    return Shape(make("device", roots[-1]), roots)


@shape("the last of 40, no key identifier: more than 32 checks", 400)
def _(unique):
    roots = [make(unique, ca=True) for _ in range(40)]
    return Shape(make("device", roots[-1]), roots)


@shape("the last of 40, with its key identifier", 200)
def _(unique):
    roots = [make(unique, ca=True) for _ in range(40)]
    return Shape(make("device", roots[-1], aki=True), roots)


# -- Name constraints -------------------------------------------------

def constrained(title, verdict, subject, permitted=None, excluded=None,
                san=()):
    @shape(title, verdict)
    def _(unique):
        root = make(unique, ca=True)
        issuing = make(unique + " 1", root, ca=True, extensions=[
            (x509.NameConstraints(permitted, excluded), True)])
        extensions = [(x509.SubjectAlternativeName(list(san)), False)] \
            if san else []
        return Shape(make(subject, issuing, extensions=extensions), [root],
                     [issuing], [issuing])


CORP = [x509.DNSName("corp.example")]
constrained("CN=mac17.local under a dNSName constraint", 200,
            "mac17.local", CORP)
constrained("CN=mac17.bad.example, which dNSName excludes", 200,
            "mac17.bad.example", None, [x509.DNSName("bad.example")])
constrained("dNSName entry inside the constraint", 200, "device", CORP,
            san=[x509.DNSName("mac17.corp.example")])
constrained("dNSName entry outside it", 400, "device", CORP,
            san=[x509.DNSName("mac17.local")])
constrained("e-mail entry outside an rfc822Name constraint", 400, "device",
            [x509.RFC822Name("corp.example")],
            san=[x509.RFC822Name("a@example.org")])
constrained("subject outside a directoryName constraint", 400, "device",
            [x509.DirectoryName(x509.Name([x509.NameAttribute(
                NameOID.ORGANIZATION_NAME, "Corp")]))])
