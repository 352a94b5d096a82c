# SPDX-License-Identifier: Apache-2.0
"""Chains of every shape, by each way in which an identity comes (behaviour
specification 1.8); the matrix in docs/identity.md is made from these runs:

    NANOMDM_WRITE_MATRIX=1 pytest tests/http/device/test_chains.py -k matrix
"""

import os
import re
import ssl

import pytest

import ca as certs
from server import TLS
from shapes import SHAPES, below, make
from system import ROOT
from wire import assert_empty, assert_error

pytestmark = pytest.mark.one_database

GUIDE = ROOT / "docs" / "identity.md"
VHOST = """\
NanoMDMIntermediateCertificateFile {folder}/middle.pem
<Location "/signature">
    SetHandler nanomdm
    NanoMDMIdentity signature
</Location>
<Location "/header">
    SetHandler nanomdm
    NanoMDMIdentity header:X-Client-Cert
    NanoMDMTrustedProxy 127.0.0.0/8 ::1
</Location>
"""
MODES = ("tls", "signature", "header")
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def joined(lists):
    return b"".join(one.pem for some in lists for one in some)


@pytest.fixture(scope="module")
def shapes():
    made = {}
    for number, (title, (_, function)) in enumerate(SHAPES.items()):
        made[title] = function(f"CA {number}")
        made[title].leaf.sent = made[title].sent
    return made


@pytest.fixture(scope="module")
def files(shapes):
    return {"ca": joined(one.anchors for one in shapes.values()),
            "files": {"middle.pem": joined(one.intermediates
                                           for one in shapes.values())
                      or certs.root().pem}}


@pytest.fixture(scope="module")
def house(module_httpd, files):
    return module_httpd(extra_vhost=VHOST, **files)


@pytest.fixture(scope="module")
def knowing(module_httpd, files):
    """mod_ssl knows the CAs as well, and names them."""
    return module_httpd(extra_vhost=VHOST
                        + "SSLCACertificateFile {folder}/device-ca.pem\n",
                        **files)


def verdict(device, server, leaf, mode, version=None):
    """The status of an Authenticate; None where it cannot be sent."""
    mac = device(server, identity=leaf, transport=mode, tls_version=version,
                 udid=leaf.sha256[:36].upper())
    mac.path = "/mdm" if mode == "tls" else f"/{mode}"
    try:
        answer = mac.authenticate()
    except TypeError:
        return None             # no CMS of such a key
    finally:
        mac.close()
    if answer.status == 200:
        assert_empty(answer)
    else:
        assert_error(answer, 400)
    return answer.status


@pytest.mark.parametrize("title", SHAPES)
def test_tls(device, house, shapes, title):
    """A status each time, never the end of the handshake."""
    expected, _ = SHAPES[title]
    for version in VERSIONS:
        assert verdict(device, house, shapes[title].leaf, "tls",
                       version) == expected


@pytest.mark.parametrize("title", SHAPES)
def test_tls_where_mod_ssl_knows_the_cas(device, knowing, shapes, title,
                                         expect_log):
    expect_log(r"\[ssl:error\]", optional=True)
    expected, _ = SHAPES[title]
    assert verdict(device, knowing, shapes[title].leaf, "tls") == expected


@pytest.mark.parametrize("title", SHAPES)
def test_signature_and_header(device, house, shapes, title):
    expected, _ = SHAPES[title]
    for mode in ("signature", "header"):
        assert verdict(device, house, shapes[title].leaf, mode) \
            in (expected, None)


def test_matrix(device, house, shapes):
    """The table of the manual is what these runs say."""
    rows = ["| CA and certificate | tls | signature | header |",
            "|---|---|---|---|"]
    for title in SHAPES:
        words = [verdict(device, house, shapes[title].leaf, mode)
                 for mode in MODES]
        rows.append(f"| {title} | " + " | ".join(
            str(word or "–") for word in words) + " |")
    table = "\n".join(rows) + "\n"
    text = GUIDE.read_text()
    whole = re.compile(r"(<!-- matrix: .*? -->\n)(.*?)(<!-- /matrix -->)",
                       re.S)
    if os.environ.get("NANOMDM_WRITE_MATRIX"):
        GUIDE.write_text(whole.sub(
            lambda found: found[1] + table + found[3], text))
    else:
        assert whole.search(text)[2] == table


def test_depth_is_kept_for_optional(httpd, device, expect_log):
    """SSLVerifyClient optional: mod_ssl's own limit holds."""
    expect_log("AH02040: Certificate Verification: Certificate Chain too")
    root, upper, lower = below("Depth CA", 2)
    leaf = make("device", lower)
    leaf.sent = [lower, upper]
    for depth, served in ((1, False), (10, True)):
        server = httpd(
            ca=root, files={"root.pem": root.pem,
                            "middle.pem": upper.pem + lower.pem},
            replace={"tls": TLS.replace("optional_no_ca", "optional")
                     + "SSLCACertificateFile {folder}/root.pem\n"
                     f"SSLVerifyDepth {depth}\n"},
            extra_vhost=VHOST)
        if served:
            assert verdict(device, server, leaf, "tls") == 200
        else:
            with pytest.raises(OSError):
                verdict(device, server, leaf, "tls")


def test_a_refusal_names_certificate_and_file(device, house, shapes):
    """NMDM0306 (level notice, once a minute of its kind)."""
    mark = house.mark()
    leaf = shapes["of an unknown CA"].leaf
    assert verdict(device, house, leaf, "header") == 400
    house.wait_for_log(r"NMDM0306.*unable to get local issuer certificate.*"
                       r'subject "CN=device", issuer "CN=CA \d+ other", '
                       rf"serial (?i:0?{leaf.cert.serial_number:X}); looked in "
                       r".*device-ca\.pem and .*middle\.pem", mark)


@pytest.mark.parametrize("mode", MODES)
def test_a_refusal_of_a_name_without_parts(device, house, mode):
    """Whether subject, issuer or both have none."""
    for leaf in (certs.self_signed(None), certs.root("Stranger").issue(None),
                 certs.root(None).issue()):
        assert verdict(device, house, leaf, mode) == 400


def test_a_refusal_names_the_ca_at_fault(device, house, shapes):
    mark = house.mark()
    assert verdict(device, house, shapes["expired issuing CA"].leaf,
                   "header") == 400
    house.wait_for_log(r"NMDM0306.*certificate has expired, in the CA "
                       r'certificate "CN=CA \d+ 1"', mark)
