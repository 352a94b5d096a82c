# SPDX-License-Identifier: Apache-2.0
"""Two virtual hosts on one port that treat client certificates differently:
SSLVHostSNIPolicy of httpd 2.4.66 and later (docs/identity.md)."""

import plistlib
import re
import socket

import pytest

from device import CHECKIN, tls_context
from server import APACHE
from system import free_port, run

pytestmark = pytest.mark.one_database

SITES = """\
SSLVHostSNIPolicy {policy}
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
    ServerName mdm.example
    SSLEngine on
    SSLCertificateFile "{{folder}}/server.pem"
    SSLVerifyClient optional_no_ca
    NanoMDMCACertificateFile "{{folder}}/device-ca.pem"
    <Location "/mdm">
        SetHandler nanomdm
    </Location>
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
    ServerName other.example
    SSLEngine on
    SSLCertificateFile "{{folder}}/server.pem"
    SSLVerifyClient {other}
</VirtualHost>
"""


def has_policy():
    version = run(APACHE, "-v").decode()
    return tuple(map(int, re.search(r"Apache/(\d+)\.(\d+)\.(\d+)",
                                    version).groups())) >= (2, 4, 66)


def ask(port, identity, body, sni, host):
    """The status, and the body."""
    with socket.create_connection(("127.0.0.1", port)) as wire:
        context = tls_context(identity, None)
        context.check_hostname = False
        with context.wrap_socket(wire, server_hostname=sni) as tls:
            tls.sendall((f"PUT /mdm HTTP/1.1\r\nHost: {host}\r\n"
                         f"Content-Type: {CHECKIN}\r\nConnection: close\r\n"
                         f"Content-Length: {len(body)}\r\n\r\n").encode()
                        + body)
            head, _, text = b"".join(
                iter(lambda: tls.recv(65536), b"")).partition(b"\r\n\r\n")
    return int(head.split()[1]), text


@pytest.mark.skipif(not has_policy(), reason="httpd older than 2.4.66")
@pytest.mark.parametrize("policy, other, sni, host, status", [
    ("secure", "none", "mdm.example", "mdm.example", 200),
    ("secure", "none", None, "mdm.example", 200),
    ("secure", "none", "other.example", "mdm.example", 421),
    ("secure", "none", None, "other.example", 421),
    ("secure", "optional_no_ca", "other.example", "mdm.example", 200),
    ("insecure", "none", "other.example", "mdm.example", 500)])
def test_a_connection_of_another_host(httpd, device, expect_log, policy,
                                      other, sni, host, status):
    """421 has a client connect anew. With `insecure` mod_ssl's own answer is
    403, which no device gets."""
    port = free_port()
    expect_log("AH01909")       # the certificate is localhost's
    for line in ("AH02032", "NMDM1401", "AH10158", "SSL Library Error",
                 "AH0[0-9]+.*(renegotiation|handshake)"):
        expect_log(line, optional=True)
    server = httpd(extra_server=SITES.format(policy=policy, port=port,
                                             other=other))
    mac = device(server)
    body = plistlib.dumps(mac.message("Authenticate", Topic=mac.topic))
    answer = ask(port, mac.identity, body, sni, host)
    assert answer[0] == status, answer
    if status == 500:
        assert answer[1] == b"Internal Server Error\n"
