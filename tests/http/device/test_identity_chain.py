# SPDX-License-Identifier: Apache-2.0
"""Which certificates are those of devices (1.8)."""

import pytest

import ca as certs
from device import cms
from identity_gate import assert_admitted, assert_refused, at, gate, locations
from wire import assert_empty

pytestmark = pytest.mark.one_database


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
