# SPDX-License-Identifier: Apache-2.0
"""Servers that issue identities by SCEP, and their clients."""

import hashlib
import json
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import serialization

import pytest

import ca as certs
from device import Operator
from scep import ScepClient
from system import ROOT

PROFILE_LINES = """\
NanoMDMIssuerCertificateFile {folder}/issuer.pem
NanoMDMIssuerKeyFile {folder}/issuer.key
<Location "/scep">
    SetHandler nanomdm-scep
</Location>
<Location "/scep-des">
    SetHandler nanomdm-scep
    NanoMDMSCEPCipher aes 3des des
</Location>
<Location "/scep-static">
    SetHandler nanomdm-scep
    NanoMDMSCEPChallenge static file:{folder}/static.secret
    NanoMDMSCEPValidity 20
</Location>
<Location "/scep-renew">
    SetHandler nanomdm-scep
    NanoMDMSCEPRenewal 400
</Location>
<Location "/scep-late">
    SetHandler nanomdm-scep
    NanoMDMSCEPRenewal 10
</Location>
AddDefaultCharset UTF-8
"""

STATIC = "a static secret"


class Issuer(certs.Identity):
    """What tools/nmdm-ca.sh makes."""

    def __init__(self, folder, name="Test Issuer"):
        subprocess.run([ROOT / "tools" / "nmdm-ca.sh", folder, name],
                       check=True, stdout=subprocess.DEVNULL)
        pem = (folder / "issuer.pem").read_bytes()
        key = (folder / "issuer.key").read_bytes()
        super().__init__(x509.load_pem_x509_certificate(pem),
                         serialization.load_pem_private_key(key, None))


@pytest.fixture(scope="session")
def issuer(tmp_path_factory):
    return Issuer(tmp_path_factory.mktemp("issuer"))


def files_of(issuer):
    return {"issuer.pem": issuer.pem, "issuer.key": issuer.key_pem,
            "static.secret": STATIC}


def scep_server(make, issuer, ca, lines=PROFILE_LINES, **options):
    """A server whose keys have mode 600."""
    files = {**files_of(issuer), **options.pop("files", {})}
    httpd = make(ca=ca.pem + issuer.pem, extra_vhost=lines, files=files,
                 start=False, **options)
    for name in files:
        if name.endswith(".key"):
            (httpd.folder / name).chmod(0o600)
    return httpd.start()


@pytest.fixture(scope="module")
def site(module_httpd, issuer, ca):
    return scep_server(module_httpd, issuer, ca, children=3)


@pytest.fixture
def client(site, issuer):
    made = ScepClient(site, issuer)
    yield made
    made.close()


@pytest.fixture
def challenge(site):
    """challenge(serial=..., udid=...): from the API."""
    operator = Operator(site)

    def make(**bindings):
        answer = operator.call("POST", "/v1/scep-challenge",
                               json.dumps(bindings).encode()
                               if bindings else b"")
        assert answer.status == 200, answer
        return answer.json["challenge"]
    yield make
    operator.close()


def sha256(cert):
    return hashlib.sha256(cert.public_bytes(
        serialization.Encoding.DER)).hexdigest()
