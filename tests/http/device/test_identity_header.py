# SPDX-License-Identifier: Apache-2.0
"""Who is asking, by a header of a proxy (1.7 B)."""

import base64
import urllib.parse

import pytest

import ca as certs
from device import escaped_pem, rfc9440, sign
from identity_gate import (assert_admitted, assert_refused, at, gate,
                           locations, with_header)
from wire import authenticate

pytestmark = pytest.mark.one_database


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


@pytest.mark.one_database
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


@pytest.mark.one_database
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
    # With a letter first, a comma alone could be within base64.
    "two, folded by a comma alone": lambda who: "x" + escaped_pem(who) + ","
    + escaped_pem(certs.self_signed()),
    "two, folded and escaped": lambda who: "x" + quote(
        who.pem.decode() + "," + certs.self_signed().pem.decode()),
    "base64 and RFC 9440, folded": lambda who: bare(who) + ","
    + rfc9440(certs.self_signed()),
    "base64 and PEM, folded": lambda who: bare(certs.self_signed()) + ","
    + escaped_pem(who),
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
