# SPDX-License-Identifier: Apache-2.0
"""The identity certificate: how it travels, and when it is believed."""

import concurrent.futures
import pathlib
import plistlib
import re
import socket
import ssl

import pytest

import ca as certs
from device import CHECKIN, Operator, command, rfc9440, sign
from http2 import Http2
from identity_gate import (HEADER, LOCATION, assert_admitted, assert_refused,
                           at, gate, signed, with_header)
from server import TLS
from wire import assert_empty, assert_error, ask, authenticate

pytestmark = pytest.mark.one_database


VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2,
            "TLS 1.3": ssl.TLSVersion.TLSv1_3}


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
