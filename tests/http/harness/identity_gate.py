# SPDX-License-Identifier: Apache-2.0
"""A server with one URL for each way in which a device says who it is."""

import pytest

from device import CHECKIN
from wire import assert_empty, assert_error, authenticate, is_stored

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
