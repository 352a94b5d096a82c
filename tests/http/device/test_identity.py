# SPDX-License-Identifier: Apache-2.0
"""The identity certificate: how it travels, and when it is believed."""

import base64
import concurrent.futures
import pathlib
import plistlib
import re
import socket
import ssl
import urllib.parse

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

import ca as certs
from ca import tlv
from device import (BAD_SIGNATURES, CHECKIN, GOOD_SIGNATURES, NEED_RSA,
                    Operator, command,
                    cms, escaped_pem, rfc9440, sign, sign_like_apple,
                    split_tlv)
from http2 import Http2
from server import TLS
from wire import (assert_empty, assert_error, ask, authenticate,
                  is_stored)

pytestmark = pytest.mark.one_database

VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2,
            "TLS 1.3": ssl.TLSVersion.TLSv1_3}
HEADER = "X-Client-Cert"

# One URL for each way of telling who one is.
SOURCES = {
    "signature": "signature",
    "header": f"header:{HEADER}",
    "untrusted": f"header:{HEADER}",
    "tls-signature": "tls signature",
    "signature-tls": "signature tls",
    "header-signature-tls": f"header:{HEADER} signature tls",
    "untrusted-tls": f"header:{HEADER} tls",
}
LOCATION = """\
<Location "/{name}">
    SetHandler nanomdm
    NanoMDMIdentity {source}
    NanoMDMTrustedProxy {peers}
</Location>
"""


def locations():
    text = ""
    for name, source in SOURCES.items():
        peers = "127.0.0.0/8 ::1"
        if name.startswith("untrusted"):
            peers = "192.0.2.0/24 2001:db8::/32"
        text += LOCATION.format(name=name, source=source, peers=peers)
    return text


@pytest.fixture(scope="module")
def gate(module_httpd):
    """A server with a URL for each of SOURCES, over HTTP/2 too."""
    return module_httpd(extra_vhost="Protocols h2 http/1.1\n"
                        + locations(), modules=["http2"])


@pytest.fixture
def at(device, gate):
    """at("signature", ...): a device at the URL of that source."""
    def make(name, server=None, **options):
        transport = name if name in ("signature", "header") else "tls"
        options.setdefault("transport", transport)
        mac = device(server or gate, **options)
        mac.path = f"/{name}"
        return mac
    return make


def assert_admitted(mac, answer, identity=None):
    """Served, and it is this certificate that counted."""
    assert_empty(answer)
    (pem,), = mac.server.database.query(
        "SELECT identity_cert FROM devices WHERE id = %s", mac.udid)
    assert pem.encode().strip() == (identity or mac.identity).pem.strip()


def assert_refused(mac, answer):
    assert_error(answer, 400)
    assert not is_stored(mac.server, mac.udid)


def signed(mac, *signatures):
    """Authenticate with these Mdm-Signature headers."""
    return mac.raw("PUT", mac.path, authenticate(mac),
                   [("Content-Type", CHECKIN),
                    *(("Mdm-Signature", value) for value in signatures)])


def with_header(mac, *values, extra=()):
    """Authenticate with these certificate headers."""
    return mac.raw("PUT", mac.path, authenticate(mac),
                   [("Content-Type", CHECKIN), *extra,
                    *((HEADER, value) for value in values)])


# -- TLS --------------------------------------------------------------

@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_tls_identity_in_full_and_resumed_sessions(device, version):
    """1.7 C, platform facts 47"""
    mac = device(tls_version=version)
    assert_admitted(mac, mac.authenticate())
    assert not mac.is_resumed()
    for _ in range(3):
        answer = mac.send(mac.message(
            "TokenUpdate", Topic=mac.topic, PushMagic="m", Token=b"t"),
            CHECKIN, resume=True)
        assert mac.is_resumed()
        assert_empty(answer)


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_tls_identity_of_an_unknown_ca_stays_unknown_when_resumed(
        device, version):
    """M12, platform facts 45: mod_ssl calls such a session verified."""
    stranger = certs.root("Stranger CA").issue()
    mac = device(identity=stranger, tls_version=version)
    assert_refused(mac, mac.authenticate())
    for _ in range(3):
        answer = mac.send(authenticate(mac), CHECKIN, resume=True)
        assert mac.is_resumed()
        assert_refused(mac, answer)


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_tls_without_certificate_is_400(device, version):
    """M2"""
    mac = device(transport="none", tls_version=version)
    assert_refused(mac, mac.authenticate())
    assert_refused(mac, mac.send(authenticate(mac), CHECKIN,
                                 resume=True))


FLAWS = {"server": {"eku": "server"}, "expired": {"start": -9, "days": -2},
         "not yet": {"start": 2, "days": 9}}


@pytest.fixture(scope="module")
def strict_gate(module_httpd, ca):
    """mod_ssl knows the CA and can judge; /require believes only it."""
    with ca.file() as trusted:
        return module_httpd(extra_vhost=f"""\
SSLCACertificateFile "{trusted.name}"
Header always set X-Verify "%{{SSL_CLIENT_VERIFY}}s"
<Location "/require">
    SSLVerifyClient require
</Location>
""")


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
@pytest.mark.parametrize("flaw", FLAWS.values(), ids=FLAWS)
def test_tls_certificate_with_a_flaw_is_400(device, ca, flaw, version):
    """M12: mod_ssl itself would end the handshake, without a status."""
    mac = device(identity=ca.issue(**flaw), tls_version=version)
    assert_refused(mac, mac.authenticate())


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
@pytest.mark.parametrize("eku", [None, "any"])
def test_tls_certificate_that_may_be_for_anything(device, ca, eku, version):
    """M13"""
    mac = device(identity=ca.issue(eku=eku), tls_version=version)
    assert_admitted(mac, mac.authenticate())


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
@pytest.mark.parametrize("flaw", FLAWS.values(), ids=FLAWS)
def test_to_mod_ssl_a_flaw_is_a_strangers(strict_gate, device, ca, flaw,
                                          version, expect_log):
    """What mod_ssl guards it still keeps from such a certificate."""
    expect_log(r"\[ssl:error\]")
    mac = device(strict_gate, identity=ca.issue(**flaw), tls_version=version)
    answer = mac.authenticate()
    assert_refused(mac, answer)
    assert answer.headers["X-Verify"] != "SUCCESS"
    try:
        assert mac.raw("GET", "/require").status == 403
    except OSError:
        pass                    # TLS 1.2: the renegotiation failed


@pytest.mark.parametrize("flaw", FLAWS.values(), ids=FLAWS)
@pytest.mark.parametrize("word", ["optional", "require"])
def test_other_words_end_the_handshake(httpd, device, ca, flaw, word):
    with ca.file() as trusted:
        server = httpd(replace={"tls": TLS.replace("optional_no_ca", word)
                                + f'SSLCACertificateFile "{trusted.name}"\n'})
    assert device(server).enroll().idle().status == 200
    mac = device(server, identity=ca.issue(**flaw))
    with pytest.raises(OSError):
        mac.authenticate()


def test_tls_self_signed_certificate_is_400(device):
    """M12"""
    mac = device(identity=certs.self_signed())
    assert_refused(mac, mac.authenticate())


def test_tls_ignores_what_headers_claim(device, ca):
    """1.7: modes do not mix; tls is the default and the only one."""
    victim = ca.issue()
    mac = device(transport="none")
    body = authenticate(mac)
    answer = mac.raw("PUT", "/mdm", body, [
        ("Content-Type", CHECKIN), ("Mdm-Signature", sign(body, victim)),
        (HEADER, rfc9440(victim)), ("SSL_CLIENT_CERT", rfc9440(victim)),
        ("SSL-Client-Verify", "SUCCESS")])
    assert_refused(mac, answer)


def test_tls_keep_alive_serves_many_requests(device):
    """The verdict may be kept with the connection; it must stay right."""
    mac = device()
    mac.enroll()
    connection = mac.connection
    for _ in range(200):
        assert_empty(mac.idle())
    assert mac.connection is connection


def test_tls_keep_alive_keeps_two_devices_apart(device):
    """Two certificates on two connections, in turn."""
    macs = [device().enroll(), device().enroll()]
    for _ in range(5):
        for mac, other in (macs, macs[::-1]):
            assert_empty(mac.idle())
            answer = mac.send({**other.ids(), "Status": "Idle"})
            assert_error(answer, 500)


def test_http2_identity(gate, device):
    """Platform facts 43: the certificate is the connection's, the
    request a stream's."""
    mac = device(gate)
    answer = ask(gate, "/mdm", "HTTP/2", identity=mac.identity,
                 body=authenticate(mac, Model="x" * 300_000),
                 headers={"Content-Type": CHECKIN})
    assert_admitted(mac, answer)


@pytest.mark.parametrize("identity", [
    None, certs.root("Stranger CA").issue()], ids=["none", "stranger"])
def test_http2_without_right_identity_is_400(gate, device, identity):
    """M2, M12"""
    mac = device(gate)
    answer = ask(gate, "/mdm", "HTTP/2", identity=identity,
                 body=authenticate(mac),
                 headers={"Content-Type": CHECKIN})
    assert_refused(mac, answer)


def test_http2_streams_in_parallel(gate, device):
    """All streams of a connection share its certificate."""
    mac, other = device(gate).enroll(), device(gate).enroll()
    client = Http2(gate, identity=mac.identity)
    idle = [plistlib.dumps({**who.ids(), "Status": "Idle"})
            for who in (mac, other)]
    answers = client.together([("PUT", "/mdm", idle[n % 2], ())
                               for n in range(40)])
    for answer in answers[::2]:
        assert_empty(answer)
    for answer in answers[1::2]:
        assert_error(answer, 500)
    client.close()


@pytest.mark.parametrize("size", [0, 200_000])
def test_http2_signature(gate, device, size):
    """1.7 A: over HTTP/2 the signature covers the body all the same."""
    mac = device(gate)
    body = authenticate(mac, Model="x" * size)
    headers = {"Content-Type": CHECKIN,
               "Mdm-Signature": sign(body, mac.identity)}
    bad = ask(gate, "/signature", "HTTP/2", body=body + b" ",
              headers=headers)
    assert_refused(mac, bad)
    good = ask(gate, "/signature", "HTTP/2", body=body, headers=headers)
    assert_admitted(mac, good)


# -- Mdm-Signature ----------------------------------------------------

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


# -- a header from a proxy --------------------------------------------

def quote(text):
    return urllib.parse.quote(text, safe="")


def percent_encoded(identity):
    return "".join(f"%{byte:02X}" for byte in identity.pem)


def plus_for_spaces(identity):
    """"-----BEGIN+CERTIFICATE-----", "+" itself as %2B."""
    return urllib.parse.quote_plus(identity.pem.decode())


def bare(identity):
    """Caddy's {http.request.tls.client.certificate_der_base64}, Traefik."""
    return base64.b64encode(identity.der).decode()


def like_alb(identity):
    """AWS ALB: URL-encoded PEM, in which +, = and / are safe."""
    return urllib.parse.quote(identity.pem.decode(), safe="+=/")


def with_blank_lines(identity):
    first, rest = identity.pem.decode().split("\n", 1)
    lines = rest.split("\n")
    lines.insert(2, "")
    return quote("\n".join([first, "", *lines]))


def in_one_line(identity):
    return quote("-----BEGIN CERTIFICATE-----" + bare(identity)
                 + "-----END CERTIFICATE-----")


GOOD_HEADERS = {
    "RFC 9440": rfc9440,
    "escaped PEM": escaped_pem,
    "plus for spaces": plus_for_spaces,
    "percent-encoded": percent_encoded,
    "plain plus": lambda who: escaped_pem(who).replace("%2B", "+"),
    "blank for plus": lambda who: escaped_pem(who).replace("%2B", " "),
    "escaped blank for plus": lambda who: escaped_pem(who).replace(
        "%2B", "%20"),
    "AWS ALB": like_alb,
    "AWS ALB, a chain": lambda who: like_alb(who) + like_alb(
        certs.self_signed()),
    "CR LF": lambda who: quote(who.pem.decode().replace("\n", "\r\n")),
    "blank lines": with_blank_lines,
    "one line": in_one_line,
    "base64": bare,
    "base64, escaped": lambda who: quote(bare(who)),
    "base64, blank for plus": lambda who: bare(who).replace("+", " "),
    "chain by commas": lambda who: bare(who) + "," + bare(
        certs.self_signed()),
    "text before": lambda who: quote("subject=CN = x\n"
                                     + who.pem.decode()),
}


@pytest.mark.parametrize("make", GOOD_HEADERS.values(), ids=GOOD_HEADERS)
@pytest.mark.parametrize("key", ["ec", "rsa"])
def test_m17_m18_certificate_in_a_header(at, ca, make, key):
    """M17, M18"""
    identity = ca.issue(key=key)
    while "+" not in rfc9440(identity):
        identity = ca.issue(key=key)
    mac = at("header", identity=identity)
    assert_admitted(mac, with_header(mac, make(mac.identity)))


def ends_with(ca, end):
    """A certificate whose base64 has this end; one key serves for all."""
    key = certs.new_key("ec")
    while True:
        identity = certs.mint("device", key, ca, eku="client")
        if bare(identity).endswith(end):
            return identity


@pytest.mark.parametrize("end", ["+", "++", "=", "==", "A"])
def test_blanks_at_the_end_of_base64_were_plus_signs(at, ca, end):
    """httpd removes blanks at the end of a header's value."""
    identity = ends_with(ca, end)
    value = bare(identity).replace("+", " ")
    mac = at("header", identity=identity)
    assert_admitted(mac, with_header(mac, value))
    mac = at("header", identity=ends_with(ca, end))
    both = bare(mac.identity) + "," + bare(certs.self_signed())
    assert_admitted(mac, with_header(mac, both.replace("+", " ")))


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_base64_that_was_cut_is_400(at, ca, cut):
    """What is missing at the end can only have been plus signs."""
    identity = ends_with(ca, "AAAA"[:cut] if cut < 3 else "A")
    mac = at("header", identity=identity)
    assert_refused(mac, with_header(mac, bare(identity)[:-cut]))


BAD_HEADERS = {
    "empty": lambda who: "",
    "colon": lambda who: ":",
    "colons": lambda who: "::",
    "invalid": lambda who: ":INVALID:",
    "no end colon": lambda who: rfc9440(who)[:-1],
    "parameters": lambda who: rfc9440(who) + ";p=1",
    "not DER": lambda who: ":" + base64.b64encode(b"0" * 99).decode()
    + ":",
    "more than the DER": lambda who: ":" + base64.b64encode(
        who.der + b"more").decode() + ":",
    "URL-safe": lambda who: rfc9440(who).replace("+", "-").replace(
        "/", "_"),
    "bad escape": lambda who: "%GK",
    "bad escape at the end": lambda who: escaped_pem(who) + "%2",
    "word": lambda who: "INVALID",
    "key first": lambda who: quote(who.key_pem.decode()
                                   + who.pem.decode()),
    "newlines to spaces": lambda who: who.pem.decode().replace("\n", " "),
    "NUL": lambda who: "%00" + escaped_pem(who),
    "NUL behind": lambda who: escaped_pem(who) + "%00",
    "no end": lambda who: escaped_pem(who)[:-40],
    "another label": lambda who: quote(who.pem.decode().replace(
        "CERTIFICATE", "TRUSTED CERTIFICATE")),
    "cut": lambda who: rfc9440(who)[1:-1].rstrip("=")[:-5],
    "a placeholder": lambda who:
        ":{http.request.tls.client.certificate_der_base64}:",
    "a placeholder alone": lambda who:
        "{http.request.tls.client.certificate_der_base64}",
    "(null)": lambda who: "(null)",
}


@pytest.mark.parametrize("make", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_m17_m18_m19_unreadable_header_is_400(at, ca, make):
    """M17, M18, M19"""
    identity = ca.issue(key="rsa")
    while "+" not in rfc9440(identity):
        identity = ca.issue(key="rsa")
    mac = at("header", identity=identity)
    assert_refused(mac, with_header(mac, make(identity)))


def test_m17_no_header_is_400(at):
    """M17"""
    mac = at("header")
    assert_refused(mac, with_header(mac))


def test_m19_first_of_two_certificates_counts(at, ca):
    """M19"""
    mac = at("header")
    both = quote((mac.identity.pem + ca.issue("second").pem).decode())
    assert_admitted(mac, with_header(mac, both))


@pytest.mark.parametrize("form", [rfc9440, escaped_pem])
def test_two_headers_that_differ_are_refused(at, ca, form):
    """0.4: one is the proxy's, the other is not, and nothing tells which;
    whatever their order, in one line or two, with nothing in one."""
    mac, other = at("header"), form(ca.issue())
    own = form(mac.identity)
    mark = mac.server.mark()
    for values in ((own, other), (other, own), (own, own, other),
                   (own, ""), ("", own), (own, "garbage"),
                   (f"{own},{other}",), (f"{own} ,\t{other}",),
                   (own, f"{own}, {other}")):
        assert_refused(mac, with_header(mac, *values))
    said = [line for line in mac.server.log_since(mark).splitlines()
            if "NMDM1004" in line]
    assert len(said) == 9 and all("127.0.0.1" in line for line in said)


@pytest.mark.parametrize("form", [rfc9440, escaped_pem])
def test_two_headers_that_agree_are_one(at, form):
    mac = at("header")
    own = form(mac.identity)
    assert_admitted(mac, with_header(mac, own, own, own))


def test_m20_header_mode_ignores_a_signature(at):
    """M20"""
    mac = at("header")
    value = sign(authenticate(mac), mac.identity)
    assert_refused(mac, with_header(
        mac, extra=[("Mdm-Signature", value)]))
    assert_admitted(mac, with_header(
        mac, rfc9440(mac.identity), extra=[("Mdm-Signature", "bad")]))


@pytest.mark.parametrize("transport", ["header", "header-pem", "tls"])
def test_m21_header_of_an_untrusted_peer_is_ignored(at, transport):
    """M21"""
    mac = at("untrusted", transport=transport)
    assert_refused(mac, with_header(mac, rfc9440(mac.identity)))


def test_m21_trust_goes_by_connection_not_by_forwarded_address(
        httpd, at):
    """M21: mod_remoteip believes any client here; we must not."""
    text = ("RemoteIPHeader X-Forwarded-For\n"
            "RemoteIPInternalProxy 127.0.0.1\n" + locations())
    server = httpd(extra_vhost=text, modules=["remoteip"])
    mac = at("untrusted", server, transport="header")
    answer = with_header(mac, rfc9440(mac.identity),
                         extra=[("X-Forwarded-For", "192.0.2.7")])
    assert_refused(mac, answer)


@pytest.mark.parametrize("problem", [
    {"eku": "server"}, {"start": -9, "days": -2}], ids=["eku", "expired"])
def test_header_identity_is_verified_too(at, ca, problem):
    """M12: a trusted proxy vouches for the connection, not the
    certificate."""
    mac = at("header", identity=ca.issue(**problem))
    assert_refused(mac, with_header(mac, rfc9440(mac.identity)))


# -- several sources --------------------------------------------------

def test_first_source_found_wins(at, ca):
    """NanoMDMIdentity tls signature: the signature is not looked at."""
    mac = at("tls-signature")
    assert_admitted(mac, signed(mac, "not a signature"))
    mac = at("tls-signature", transport="signature")
    assert_admitted(mac, mac.authenticate())


def test_signature_goes_before_tls_when_named_first(at, ca):
    """NanoMDMIdentity signature tls"""
    mac, signer = at("signature-tls"), ca.issue()
    answer = signed(mac, sign(authenticate(mac), signer))
    assert_admitted(mac, answer, signer)
    mac = at("signature-tls")
    assert_admitted(mac, mac.authenticate())


@pytest.mark.parametrize("name", ["signature-tls",
                                  "header-signature-tls"])
def test_no_fall_back_after_a_bad_signature(at, name):
    """1.7: bad is not absent."""
    mac = at(name)
    answer = signed(mac, sign(b"another body", mac.identity))
    assert_refused(mac, answer)


def test_untrusted_certificate_does_not_fall_back(at):
    """First found wins, and then has to verify."""
    mac = at("signature-tls")
    stranger = certs.root("Stranger CA").issue()
    answer = signed(mac, sign(authenticate(mac), stranger))
    assert_refused(mac, answer)


@pytest.mark.parametrize("headers", [
    [HEADER, "Mdm-Signature"], ["Mdm-Signature", HEADER],
    ["Mdm-Signature"], []], ids=str)
def test_three_sources_in_their_order(at, ca, headers):
    """header, then signature, then tls"""
    mac = at("header-signature-tls")
    body = authenticate(mac)
    proxied, signer = ca.issue(), ca.issue()
    values = {HEADER: rfc9440(proxied),
              "Mdm-Signature": sign(body, signer)}
    answer = mac.raw("PUT", mac.path, body,
                     [("Content-Type", CHECKIN),
                      *((name, values[name]) for name in headers)])
    expected = (proxied if HEADER in headers
                else signer if headers else mac.identity)
    assert_admitted(mac, answer, expected)


def test_ignored_header_leaves_the_next_source(at, ca):
    """M21: this peer was not asked; the connection still speaks."""
    mac = at("untrusted-tls")
    answer = with_header(mac, rfc9440(ca.issue()))
    assert_admitted(mac, answer)


# -- the chain --------------------------------------------------------

class Trust:
    """Authorities good and bad, and the two files that name them."""

    def __init__(self):
        self.root = certs.root("Root")
        self.above = certs.root("Root above, unknown")
        self.issuing = self.above.intermediate("Issuing alone")
        self.leaf = self.above.issue("A leaf as anchor")
        self.expired = certs.root("Expired root", start=-9, days=-2)
        self.rsa = certs.root("RSA root", key="rsa")
        self.weak = certs.root("SHA-1 root", digest="sha1")
        self.middle = self.root.intermediate("Intermediate")
        self.lower = self.middle.intermediate("Second intermediate")
        self.unnamed = self.root.intermediate("Not in the file")
        self.old = self.root.intermediate("Expired", start=-9, days=-2)
        self.tls_only = self.root.intermediate("For servers",
                                               eku="server")
        self.for_devices = self.root.intermediate("For clients",
                                                  eku="client")

    def anchors(self):
        return join(self.root, self.issuing, self.leaf, self.expired,
                    self.rsa, self.weak)

    def intermediates(self):
        return join(self.lower, self.middle, self.old, self.tls_only,
                    self.for_devices)


def join(*identities):
    return b"".join(identity.pem for identity in identities)


@pytest.fixture(scope="module")
def trust():
    return Trust()


@pytest.fixture(scope="module")
def chain(module_httpd, trust):
    return module_httpd(
        ca=trust.anchors(), files={"middle.pem": trust.intermediates()},
        extra_vhost="NanoMDMIntermediateCertificateFile"
        " {folder}/middle.pem\n" + locations())


PASSES = {
    "root": lambda t: t.root.issue(),
    "RSA key": lambda t: t.root.issue(key="rsa"),
    "no EKU": lambda t: t.root.issue(eku=None),
    "any EKU": lambda t: t.root.issue(eku="any"),
    "both EKUs": lambda t: t.root.issue(eku="server,client"),
    "intermediate": lambda t: t.middle.issue(),
    "two intermediates": lambda t: t.lower.issue(),
    "intermediate for clients": lambda t: t.for_devices.issue(),
    "issuing CA alone": lambda t: t.issuing.issue(),
    "leaf in the CA file": lambda t: t.leaf,
    "root signed with SHA-1": lambda t: t.weak.issue(),
    "SHA-384": lambda t: t.root.issue(digest="sha384"),
    "RSA root": lambda t: t.rsa.issue(),
}
FAILS = {
    "other CA": lambda t: certs.root("Root").issue(),
    "root above the anchor": lambda t: t.above.issue(),
    "self-signed": lambda t: certs.self_signed(),
    "self-signed under the CA's name": lambda t: certs.self_signed(
        "Root"),
    "expired": lambda t: t.root.issue(start=-9, days=-2),
    "not yet valid": lambda t: t.root.issue(start=2, days=9),
    "server EKU": lambda t: t.root.issue(eku="server"),
    "intermediate not in the file": lambda t: t.unnamed.issue(),
    "expired intermediate": lambda t: t.old.issue(),
    "intermediate for servers": lambda t: t.tls_only.issue(),
    "issued by a leaf": lambda t: certs.mint(
        "x", certs.new_key("ec"), t.leaf, eku="client"),
    "expired root": lambda t: t.expired.issue(),
    "expired root, expired leaf": lambda t: t.expired.issue(
        start=-8, days=-3),
    "SHA-1": lambda t: t.root.issue(digest="sha1"),
    "MD5": lambda t: t.rsa.issue(digest="md5"),
}


@pytest.mark.parametrize("make", PASSES.values(), ids=PASSES)
def test_m13_m14_m15_chain_verifies(at, chain, trust, make):
    """M13, M14, M15"""
    mac = at("signature", chain, identity=make(trust))
    assert_admitted(mac, mac.authenticate())


@pytest.mark.parametrize("make", FAILS.values(), ids=FAILS)
def test_m12_m14_m16_chain_does_not_verify(at, chain, trust, make):
    """M12, M14, M16"""
    mac = at("signature", chain, identity=make(trust))
    assert_refused(mac, mac.authenticate())


@pytest.mark.parametrize("name", ["no EKU", "intermediate",
                                  "issuing CA alone"])
def test_m13_m14_m15_chain_verifies_over_tls(at, chain, trust, name):
    """M13, M14, M15: resumed sessions have lost the intermediates."""
    mac = at("tls-signature", chain, identity=PASSES[name](trust))
    assert_admitted(mac, mac.authenticate())
    answer = mac.send({**mac.ids(), "Status": "Idle"}, resume=True)
    assert_empty(answer)


def test_m14_intermediate_in_the_signature_does_not_help(
        at, chain, trust):
    """M14"""
    mac = at("signature", chain, identity=trust.unnamed.issue(),
             sign=lambda body, who: cms(body, who, extra=trust.unnamed))
    assert_refused(mac, mac.authenticate())


def test_refusal_of_a_certificate_says_why(at, chain, trust):
    """What an administrator needs: the reason."""
    mac = at("signature", chain,
             identity=trust.root.issue(start=-9, days=-2))
    mark = chain.mark()
    assert_refused(mac, mac.authenticate())
    chain.wait_for_log(r"\[nanomdm:(info|notice)\].*NMDM.*expired",
                       mark)


# -- memory for strangers ---------------------------------------------

def peak(server):
    """The most that a child ever had in memory, in KiB, of all children."""
    return sum(int(re.search(r"VmHWM:\s*(\d+)", pathlib.Path(
        f"/proc/{pid}/status").read_text())[1]) for pid in server.children())


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("signature", ["x", "stranger's"])
def test_a_strangers_body_is_not_kept(httpd, device, signature, chunked):
    """1.7 A: the signature is looked at before a long body is read."""
    server = httpd(extra_mdm="NanoMDMIdentity signature", threads=8)
    body = b"x" * (16 << 20)
    stranger = certs.self_signed()
    value = "x" if signature == "x" else sign(b"short", stranger)
    device(server, transport="signature").enroll()
    before = peak(server)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        def send(_):
            mac = device(server, transport="none")
            return mac.raw("PUT", "/mdm", body,
                           [("Mdm-Signature", value)], chunked=chunked)
        answers = list(pool.map(send, range(6)))
    assert [answer.status for answer in answers] == [400] * 6
    assert peak(server) - before < 24 << 10


# -- Trailers ---------------------------------------------------------

@pytest.mark.parametrize("merge", ["On", "Off"])
def test_an_identity_in_a_trailer_is_none(httpd, device, ca, merge):
    """A proxy replaces headers; a trailer of its client may pass through it.
    MergeTrailers On makes headers of them, once the body was read."""
    server = httpd(extra_server=f"MergeTrailers {merge}\n", extra_vhost=(
        LOCATION.format(name="both", source=f"header:{HEADER} signature",
                        peers="127.0.0.0/8 ::1")))
    victim = device(server, transport="header", header=HEADER)
    victim.path = "/both"
    victim.enroll()
    uuid, plist = command()
    Operator(server).enqueue(victim.id, plist)
    thief = ca.issue("thief")
    body = plistlib.dumps(victim.message(None, Status="Idle"))
    text = (f"PUT /both HTTP/1.1\r\nHost: localhost\r\n"
            f"Connection: close\r\nTransfer-Encoding: chunked\r\n"
            f"Mdm-Signature: {sign(body, thief)}\r\n\r\n"
            f"{len(body):x}\r\n").encode() + body + (
        f"\r\n0\r\n{HEADER}: {rfc9440(victim.identity)}\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", server.port)) as wire:
        wire.sendall(text)
        answer = b"".join(iter(lambda: wire.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 500 ") and uuid.encode() not in answer
    assert victim.idle().plist["CommandUUID"] == uuid
