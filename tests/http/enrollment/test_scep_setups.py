# SPDX-License-Identifier: Apache-2.0
"""SCEP under other configurations: EC issuers, other challenges, configtest."""


import pytest

import ca as certs
from receiver import Answer, Receiver
from scep import ScepClient
from test_scep import issuer, scep_server

SCEP = """\
NanoMDMIssuerCertificateFile {folder}/issuer.pem
NanoMDMIssuerKeyFile {folder}/issuer.key
<Location "/scep">
    SetHandler nanomdm-scep
    %s
</Location>
"""


def test_a25_external(httpd, issuer, ca):
    with Receiver() as receiver:
        receiver.answers["/ask"] = Answer(
            200, b'{"allow": true, "serial": "S25"}')
        site = scep_server(httpd, issuer, ca, SCEP % (
            f"NanoMDMSCEPChallenge external http://127.0.0.1:"
            f"{receiver.port}/ask key=k"))
        client = ScepClient(site, issuer)
        cert = client.enrol("word").cert
        assert [a.value for a in cert.subject] == ["S25"]
        for body in (b'{"allow": false}', b"", b"x"):
            receiver.answers["/ask"] = Answer(200, body)
            assert client.enrol("word").failure == "badRequest"
        receiver.answers["/ask"] = Answer(204)
        assert client.enrol("word").failure == "badRequest"
        client.close()


@pytest.mark.parametrize("change, said", [
    ({"lines": SCEP % "NanoMDMSCEPChallenge none"},
     "NanoMDMSCEPChallenge none"),
    ({"mode": 0o640}, "chmod 600"), ({"trusted": False},
                                     "NanoMDMCACertificateFile"),
    ({"key": "other"}, "not that of the certificate"),
    ({"lines": "<Location /scep>\nSetHandler nanomdm-scep\n</Location>"},
     "NanoMDMIssuerCertificateFile")])
@pytest.mark.one_database
def test_a26_a41_configtest(httpd, issuer, ca, change, said):
    key = (certs.self_signed("other", key="rsa4096").key_pem
           if change.get("key") else issuer.key_pem)
    made = httpd(ca=ca.pem + (issuer.pem if change.get("trusted", True)
                              else b""),
                 extra_vhost=change.get("lines", SCEP % ""), start=False,
                 files={"issuer.pem": issuer.pem, "issuer.key": key})
    (made.folder / "issuer.key").chmod(change.get("mode", 0o600))
    status, text = made.configtest()
    assert status != 0 and said in text, text
