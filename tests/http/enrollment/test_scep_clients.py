# SPDX-License-Identifier: Apache-2.0
"""Independent SCEP clients enrol and renew: strongSwan's pki, scepclient,
certmonger."""

import os
import shutil
import subprocess

from cryptography import x509

import pytest

from device import Operator
from scep_site import PROFILE_LINES, issuer, scep_server

RENEWAL = PROFILE_LINES.replace("AddDefaultCharset", """\
<Location "/scep-all">
    SetHandler nanomdm-scep
    NanoMDMSCEPRenewal 400
    NanoMDMSCEPCipher aes 3des des
</Location>
AddDefaultCharset""")


def needs(program):
    return pytest.mark.skipif(not shutil.which(program),
                              reason=f"{program} is not installed")


@pytest.fixture(scope="module")
def site(module_httpd, issuer, ca):
    return scep_server(module_httpd, issuer, ca, RENEWAL)


@pytest.fixture
def challenge(site):
    operator = Operator(site)
    yield lambda: operator.call("POST", "/v1/scep-challenge",
                                b"").json["challenge"]
    operator.close()


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **options)
    assert done.returncode == 0, done.stdout.decode(errors="replace")
    return done.stdout


def is_ours(cert, issuer):
    assert cert.issuer == issuer.cert.subject
    return cert


@needs("pki")
@pytest.mark.parametrize("options", [
    (), ("--cipher", "des3"), ("--digest", "sha1"), ("--digest", "sha512"),
    ("--cipher", "aes", "--digest", "sha384")])
def test_strongswan(site, issuer, challenge, tmp_path, options):
    url = f"http://127.0.0.1:{site.port}/scep-all"
    (tmp_path / "ca.der").write_bytes(issuer.der)

    def enrol(name, *more):
        key = tmp_path / f"{name}.key"
        key.write_bytes(run("pki", "--gen", "--type", "rsa", "--size", "2048",
                            "--outform", "pem"))
        out = subprocess.run(
            ["pki", "--scep", "--url", url, "--in", key, "--dn",
             f"CN={name}", "--cacert-enc", tmp_path / "ca.der",
             "--cacert-sig", tmp_path / "ca.der", "--cacert",
             tmp_path / "ca.der", *options, *more, "--outform", "pem"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        assert out.returncode == 0, out.stderr.decode()
        (tmp_path / f"{name}.pem").write_bytes(out.stdout)
        return is_ours(x509.load_pem_x509_certificate(out.stdout), issuer)

    first = enrol("first", "--password", challenge())
    renewed = enrol("second", "--cert", tmp_path / "first.pem", "--key",
                    tmp_path / "first.key")
    assert renewed.serial_number != first.serial_number


@needs("scepclient")
def test_scepclient(site, issuer, challenge, tmp_path):
    url = f"http://127.0.0.1:{site.port}/scep-all"
    for _ in range(2):                  # the second time it renews
        run("scepclient", "-server-url", url, "-challenge", challenge(),
            "-private-key", tmp_path / "key.pem", "-certificate",
            tmp_path / "cert.pem", "-cn", "scepclient", cwd=tmp_path)
        is_ours(x509.load_pem_x509_certificate(
            (tmp_path / "cert.pem").read_bytes()), issuer)


# On a message bus of its own, which starts the daemon as for a user (-s).
GETCERT = """\
set -eu
getcert add-scep-ca -s -c mdm -u "$1" -N $PWD/ca.pem
getcert request -s -c mdm -I one -k $PWD/key.pem -f $PWD/cert.pem \
    -N CN=getcert -L "$2" -w
cp cert.pem first.pem
getcert resubmit -s -i one -w
getcert list -s
"""


@needs("certmonger")
@needs("dbus-run-session")
def test_certmonger(site, issuer, challenge, tmp_path):
    """getcert enrolls by GET, and renews by type 19 with the old
    certificate."""
    url = f"http://127.0.0.1:{site.port}/scep-all"
    (tmp_path / "ca.pem").write_bytes(issuer.pem)
    said = run("dbus-run-session", "--", "sh", "-c", GETCERT, "getcert", url,
               challenge(), cwd=tmp_path,
               env={**os.environ, "HOME": str(tmp_path)})
    assert b"status: MONITORING" in said
    first, second = (is_ours(x509.load_pem_x509_certificate(
        (tmp_path / name).read_bytes()), issuer)
        for name in ("first.pem", "cert.pem"))
    assert first.serial_number != second.serial_number
    purposes = site.database.query(
        "SELECT purpose FROM nanomdm_scep_certs WHERE subject = 'CN=getcert'"
        " ORDER BY created_at")
    assert purposes == [("api",), ("renewal",)]
