# SPDX-License-Identifier: Apache-2.0
"""Who is asking, by Mdm-Signature (1.7 A)."""

import base64

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

import ca as certs
from ca import tlv
from device import (BAD_SIGNATURES, CHECKIN, GOOD_SIGNATURES, NEED_RSA, cms,
                    sign, sign_like_apple, split_tlv)
from identity_gate import assert_admitted, assert_refused, at, gate, signed
from test_scep_hostile import rsa_key_with_exponent
from wire import assert_empty, authenticate

pytestmark = pytest.mark.one_database


@pytest.mark.parametrize("key", ["ec", "rsa"])
def test_m05_signature_as_devices_make_it(at, ca, key):
    """M5, M6: BER with indefinite lengths, SHA-1, no attributes."""
    mac = at("signature", identity=ca.issue(key=key),
             sign=sign_like_apple)
    der = base64.b64decode(sign_like_apple(b"x", mac.identity))
    assert der[1] == 0x80
    assert_admitted(mac, mac.authenticate())
    assert_empty(mac.token_update())
    assert_empty(mac.idle())


@pytest.mark.parametrize("key", ["ec", "rsa"])
@pytest.mark.parametrize("name", GOOD_SIGNATURES)
def test_m07_signature_accepts_digests_and_attributes(at, ca, name, key):
    """M7, M9"""
    def make(body, identity):
        return cms(body, identity, *GOOD_SIGNATURES[name])
    mac = at("signature", identity=ca.issue(key=key), sign=make)
    assert_admitted(mac, mac.authenticate())


def test_m07_signature_of_a_4096_bit_key_fits_the_header_limit(at, ca):
    """1.7 A: several KB of header."""
    identity = ca.issue("d" * 60, key="rsa4096", dns="x" * 60)
    mac = at("signature", identity=identity,
             sign=lambda body, who: cms(body, who, "-md", "sha512"))
    assert_admitted(mac, mac.authenticate())


@pytest.mark.parametrize("key", ["ec", "rsa"])
@pytest.mark.parametrize("name", BAD_SIGNATURES)
def test_m08_signature_refuses_other_forms(at, ca, name, key):
    """M8"""
    if name in NEED_RSA and key != "rsa":
        key = "rsa4096"
    mac = at("signature", identity=ca.issue(key=key),
             sign=lambda body, who: cms(body, who,
                                        *BAD_SIGNATURES[name]))
    assert_refused(mac, mac.authenticate())


def test_m08_two_signers_are_refused(at, ca):
    """M8, though both are good."""
    mac = at("signature", sign=lambda body, who: cms(
        body, who, second=ca.issue("second")))
    assert_refused(mac, mac.authenticate())


def test_m08_a_long_exponent_is_refused(at, ca):
    """To verify with one costs a hundred times as much, and that before it is
    known who asks."""
    identity = certs.mint("long", rsa_key_with_exponent(2000), ca)
    mac = at("signature", identity=identity, sign=sign)
    assert_refused(mac, mac.authenticate())


def unpadded(mac, body):
    """A signature whose base64 ends in "=", without that."""
    while True:
        value = sign(body, mac.identity)
        if value.endswith("="):
            return value.rstrip("=")


MANGLED = {
    "empty": lambda mac, body: "",
    "not base64": lambda mac, body: "!" * 400,
    "garbage": lambda mac, body: base64.b64encode(b"x" * 999).decode(),
    "DER, not CMS": lambda mac, body: base64.b64encode(
        mac.identity.der).decode(),
    "URL-safe": lambda mac, body: sign(body, mac.identity).replace(
        "+", "-").replace("/", "_"),
    "unpadded": unpadded,
    "space": lambda mac, body: sign(body, mac.identity)[:40] + " "
    + sign(body, mac.identity)[40:],
    "space in it": lambda mac, body: " ".join(
        divided(sign(body, mac.identity), 40)),
    "truncated": lambda mac, body: sign(body, mac.identity)[:-80],
    "trailing text": lambda mac, body: sign(body, mac.identity)
    .rstrip("=") + "====",
}


def divided(text, place):
    return text[:place], text[place:]


@pytest.mark.parametrize("mangle", MANGLED.values(), ids=MANGLED)
def test_m03_mangled_signature_is_400(at, mangle):
    """M3"""
    mac = at("signature")
    assert_refused(mac, signed(mac, mangle(mac, authenticate(mac))))


def test_m03_no_signature_is_400(at):
    """M3"""
    mac = at("signature")
    assert_refused(mac, signed(mac))


@pytest.mark.parametrize("options", [
    GOOD_SIGNATURES["sha256"], GOOD_SIGNATURES["sha256-attributes"]],
    ids=["bare", "attributes"])
def test_m04_signature_over_another_body_is_400(at, options):
    """M4"""
    mac = at("signature", sign=lambda body, who: cms(
        body + b"\n", who, *options))
    assert_refused(mac, mac.authenticate())


def test_m04_signature_covers_the_whole_body(at):
    """M4: what follows the plist counts, as it is stored too."""
    mac = at("signature")
    body = authenticate(mac)
    answer = mac.raw("PUT", mac.path, body + b"\n",
                     {"Content-Type": CHECKIN,
                      "Mdm-Signature": sign(body, mac.identity)})
    assert_refused(mac, answer)


def test_m04_one_digest_of_the_body_is_computed(at, gate):
    """However many the signature names: 500 of a body of 2 MB took seconds of
    CPU, and its sender need not be known."""
    mac = at("signature")
    der = base64.b64decode(cms(b"x", mac.identity, "-noattr", "-md", "sha1"))
    name = bytes.fromhex("300706052b0e03021a")
    one = b"\x31\x09" + name
    assert der.count(one) == 1
    start = der.index(one)
    version, rest = der[start - 3:start], der[start + len(one):]
    kind = bytes.fromhex("06092a864886f70d010702")
    signed = tlv(0x30, version + tlv(0x31, name * 500) + rest)
    many = base64.b64encode(tlv(0x30, kind + tlv(0xA0, signed))).decode()
    before = gate.cpu_seconds()
    for _ in range(2):
        answer = mac.raw("PUT", mac.path, bytes(2 << 20), {
            "Content-Type": CHECKIN, "Mdm-Signature": many})
        assert_refused(mac, answer)
    assert gate.cpu_seconds() - before < 0.4


def test_m04_signature_of_a_chunked_body(at):
    """M26: signed mode and chunks together."""
    mac = at("signature")
    body = authenticate(mac)
    answer = mac.raw("PUT", mac.path, [body[:90], body[90:]],
                     {"Content-Type": CHECKIN,
                      "Mdm-Signature": sign(body, mac.identity)},
                     chunked=True)
    assert_admitted(mac, answer)


def test_m04_somebody_elses_key_is_400(at, ca):
    """M4: the victim's certificate in a message that a thief signed."""
    def make(body, victim):
        thief = ca.issue()
        while len(thief.der) != len(victim.der):
            thief = ca.issue()
        der = base64.b64decode(sign(body, thief))
        der = der.replace(thief.der, victim.der)
        der = der.replace(serial(thief), serial(victim))
        return base64.b64encode(der).decode()
    mac = at("signature", sign=make)
    assert_refused(mac, mac.authenticate())


def serial(identity):
    """As it is in the certificate, type and length included."""
    number = identity.cert.serial_number
    content = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return bytes([2, len(content)]) + content


def test_m09_embedded_content_must_be_the_body(at):
    """M9; the equal one passes above."""
    mac = at("signature", sign=lambda body, who: cms(
        b"other content", who, "-nodetach"))
    assert_refused(mac, mac.authenticate())


def test_m10_extra_certificate_is_ignored(at, ca):
    """M10"""
    mac = at("signature", sign=lambda body, who: cms(body, who, extra=ca))
    assert_admitted(mac, mac.authenticate())


def test_m11_first_of_two_signatures_counts(at):
    """M11"""
    mac = at("signature")
    good = sign(authenticate(mac), mac.identity)
    bad = sign(b"another body", mac.identity)
    assert_refused(mac, signed(mac, bad, good))
    assert_admitted(mac, signed(mac, good, bad))


def resigned(der, identity, old, new):
    """A SignedData with signed attributes in which old became new, of
    equal length, and whose RSA signature is right again: it covers the
    attributes with the tag of a SET instead of [0]."""
    assert der.count(old) == 1 and len(old) == len(new)
    der = der.replace(old, new)
    start = der.rindex(b"\xa0", 0, der.index(new))
    _, _, rest = split_tlv(der[start:])
    attributes = b"\x31" + der[start + 1:len(der) - len(rest)]
    signature = identity.key.sign(attributes, padding.PKCS1v15(),
                                  hashes.SHA256())
    return der[:-len(signature)] + signature


@pytest.mark.parametrize("year, good", [
    ("now", True), ("15", False), ("45", False)])
def test_m07_signing_time_must_lie_within_the_certificate(
        at, ca, year, good):
    """1.7 A: signingTime, where there is one."""
    def make(body, identity):
        der = base64.b64decode(cms(body, identity, "-md", "sha256"))
        oid = bytes.fromhex("06092a864886f70d010905")
        start = der.index(oid) + len(oid) + 2
        time = der[start:start + 15]
        digits = time[2:4] if year == "now" else year.encode()
        der = resigned(der, identity, time,
                       time[:2] + digits + time[4:])
        return base64.b64encode(der).decode()
    mac = at("signature", identity=ca.issue(key="rsa"), sign=make)
    if good:
        assert_admitted(mac, mac.authenticate())
    else:
        assert_refused(mac, mac.authenticate())
