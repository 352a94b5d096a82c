# SPDX-License-Identifier: Apache-2.0
"""NanoMDMIdentityGrace: expired identities of devices that are known."""

import re
import ssl

import pytest

from device import Operator, cms
from system import wait_until
from tables import associate, associations, is_enabled

GRACE = 3 * 86400

LOCATIONS = """\
CustomLog "{folder}/story.log" "%U %{NANOMDM_ID}e %{NANOMDM_IDENTITY_EXPIRED}e"
<Location "/signature">
    SetHandler nanomdm
    NanoMDMIdentity signature
</Location>
<Location "/header">
    SetHandler nanomdm
    NanoMDMIdentity header:X-Client-Cert
    NanoMDMTrustedProxy 127.0.0.0/8 ::1
</Location>
<Location "/strict">
    SetHandler nanomdm
    NanoMDMIdentity header:X-Client-Cert
    NanoMDMTrustedProxy 127.0.0.0/8 ::1
    NanoMDMIdentityGrace 0
</Location>
<Location "/htdocs">
    NanoMDMIdentity header:X-Client-Cert
    NanoMDMTrustedProxy 127.0.0.0/8 ::1
    Require nanomdm-enrolled
</Location>
"""


@pytest.fixture(scope="module")
def patient(module_httpd):
    return module_httpd(extra_vhost=f"NanoMDMIdentityGrace {GRACE}\n"
                        + LOCATIONS)


@pytest.fixture
def aged(patient, device, ca):
    """aged("header"): a device that enrolled in time and whose identity
    has expired since, two days ago unless told otherwise."""
    def make(name, days=-2, known=True):
        transport = {"signature": "signature", "mdm": "tls"}.get(name, "header")
        mac = device(patient, transport="header")
        mac.path = "/header"
        mac.enroll()
        old = device(patient, identity=ca.issue(start=-9, days=days),
                     udid=mac.udid, transport=transport)
        old.path = f"/{name}"
        if known:
            associate(patient.database, old)
        return old
    return make


@pytest.mark.parametrize("name", ["signature", "header", "mdm"])
def test_who_is_known_is_served(aged, patient, name):
    """Every message, and each is marked."""
    mac = aged(name)
    mark = patient.mark()
    assert mac.idle().status == 200
    assert mac.token_update().status == 200
    assert mac.authenticate().status == 200
    assert is_enabled(patient.database, mac) == (False, 0)
    assert mac.token_update().status == 200
    assert len(associations(patient.database, mac)) == 2
    patient.wait_for_log(rf"nanomdm:info.*NMDM0726: {mac.udid}: ", mark)
    assert wait_until(lambda: patient.log_since(mark).count("NMDM0726") == 4)
    story = (patient.folder / "story.log").read_text()
    assert re.search(rf"^/{name} {mac.udid} 20\d\d-\d\d-\d\dT[\d:]*Z$",
                     story, re.MULTILINE)


def test_a_signature_with_a_signing_time(aged):
    """Made after the certificate had ended."""
    mac = aged("signature")
    mac.sign = cms
    assert mac.idle().status == 200


@pytest.mark.parametrize("name", ["signature", "header", "mdm", "strict"])
def test_grace_ends(aged, name):
    """After so many seconds; at once where there is none."""
    mac = aged(name, days=-2 if name == "strict" else -4)
    assert mac.idle().status == 400
    assert mac.authenticate().status == 400


def test_who_is_not_known_is_refused(aged, patient):
    """No association begins with an expired certificate."""
    mac = aged("header", known=False)
    assert mac.authenticate().status == 400
    assert mac.idle().status == 400
    assert mac.token_update().status == 400
    assert is_enabled(patient.database, mac) == (True, 1)
    assert len(associations(patient.database, mac)) == 1


def test_a_guarded_location(aged, patient, expect_log):
    expect_log("AH01630", "htdocs/file")
    (patient.folder / "htdocs" / "htdocs").mkdir(exist_ok=True)
    (patient.folder / "htdocs" / "htdocs" / "file").write_text("asset")
    for known, status in ((True, 200), (False, 400)):
        mac = aged("header", known=known)
        answer = mac.raw("GET", "/htdocs/file", headers=mac.credentials(b""))
        assert answer.status == status


def test_the_api_shows_it(aged, patient):
    """The certificate that it enrolled with last."""
    mac = aged("header")
    operator = Operator(patient)
    before = operator.call("GET", f"/v1/enrollments/{mac.udid}").json
    assert "expired" not in before["identity"]
    assert mac.authenticate().status == 200
    after = operator.call("GET", f"/v1/enrollments/{mac.udid}").json
    operator.close()
    assert after["identity"]["expired"] is True


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_every_tls_version(aged, patient, device, version):
    """mod_ssl by itself would end the handshake."""
    old = aged("mdm")
    mac = device(patient, identity=old.identity, udid=old.udid,
                 tls_version=getattr(ssl.TLSVersion, version))
    assert mac.idle().status == 200


@pytest.mark.one_database
@pytest.mark.parametrize("value", ["-1", "1d", "99999999999", "31536001"])
def test_a_wrong_number_is_named(httpd, value):
    server = httpd(start=False, extra_server=f"NanoMDMIdentityGrace {value}")
    status, said = server.configtest()
    assert status != 0
    assert f'NanoMDMIdentityGrace "{value}": not a time' in said
