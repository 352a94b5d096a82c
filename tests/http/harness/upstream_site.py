# SPDX-License-Identifier: Apache-2.0
"""Servers that pass declarative management on to a stand-in."""

import pytest

from receiver import Answer, Receiver
from system import free_port

one_database = pytest.mark.one_database

SEND, RECEIVE = "send-secret", "receive-secret"
TIMEOUT = 60                    # NanoMDMUpstreamTimeout of most Locations

STATUS = b'{"StatusItems":{"device":{"model":"Zo\xc3\xab"}}}'
TOKENS = b'{"SyncTokens":{"DeclarationsToken":"1"}}\0\r\n\xff'
FAILURES = r":(warn|error)\]"   # what is logged of a DM server's

LOCATIONS = """\
<Location "/keys">
    SetHandler nanomdm
    NanoMDMDeclarativeManagementURL {url}/base/
    NanoMDMDeclarativeManagementSendKey {send}
    NanoMDMDeclarativeManagementReceiveKey {receive}
</Location>
<Location "/no-slash">
    SetHandler nanomdm
    NanoMDMDeclarativeManagementURL {url}/base/dropped
</Location>
<Location "/root">
    SetHandler nanomdm
    NanoMDMDeclarativeManagementURL {url}/
</Location>
<Location "/nobody">
    SetHandler nanomdm
    NanoMDMDeclarativeManagementURL http://localhost:{nobody}/
</Location>
"""
HURRIED = """\
NanoMDMDeclarativeManagementURL {url}/base/
NanoMDMUpstreamTimeout {seconds}
"""


@pytest.fixture(scope="module")
def upstream_of_module():
    with Receiver() as upstream:
        yield upstream


@pytest.fixture
def upstream(upstream_of_module):
    """The DM server, which was asked nothing yet."""
    upstream_of_module.answers = {"*": Answer(body=TOKENS)}
    upstream_of_module.forget()
    return upstream_of_module


@pytest.fixture(scope="module")
def managing(module_httpd, upstream_of_module):
    """The server that most tests here share."""
    url = upstream_of_module.url
    return module_httpd(extra_vhost="\n".join([
        HURRIED.format(url=url, seconds=TIMEOUT),
        LOCATIONS.format(url=url, send=SEND, receive=RECEIVE,
                         nobody=free_port())]))


@pytest.fixture
def mac(managing, device):
    return device(managing).enroll()


def assert_passed(answer, body=TOKENS):
    """What the DM server said, as it said it."""
    assert (answer.status, answer.body) == (200, body), answer
