# SPDX-License-Identifier: Apache-2.0
"""Servers with a webhook, and what its receiver got."""

import pytest

from receiver import Answer, Receiver
from system import wait_until

one_database = pytest.mark.one_database

KEY = "hook-secret"
WARNING = r":warn\]"
LOST = r"NMDM\d{4}: .*[Ww]ebhook"
TIMEOUT = 60                    # NanoMDMUpstreamTimeout of most servers

LOCATIONS = """\
NanoMDMToken com.apple.maid {folder}/maid.bin
<Location "/other">
    SetHandler nanomdm
    NanoMDMWebhookURL %(url)s/other
    NanoMDMWebhookKey of-the-location
</Location>
<Location "/dm-fails">
    SetHandler nanomdm
    NanoMDMDeclarativeManagementURL %(url)s/dm/
</Location>
<Location "/migration">
    SetHandler nanomdm-migration
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
</Location>
CustomLog "{folder}/custom.log" "%%{NANOMDM_ID}e %%{NANOMDM_TRACE_ID}e"
"""


def hook_lines(url, *more, timeout=TIMEOUT):
    """The directives that send events to a receiver's URL."""
    return "\n".join([f"NanoMDMWebhookURL {url}/hook",
                      f"NanoMDMUpstreamTimeout {timeout}", *more])


@pytest.fixture(scope="module")
def receiver_of_module():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def receiver(receiver_of_module):
    """The webhook receiver, which accepts everything."""
    receiver_of_module.answers = {"*": Answer()}
    return receiver_of_module


@pytest.fixture
def own_receiver():
    """One that only this test's server talks to."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def hooked(module_httpd, receiver_of_module):
    """The server that most tests here share."""
    url = receiver_of_module.url
    return module_httpd(
        extra_vhost=hook_lines(url, f"NanoMDMWebhookKey {KEY}",
                               LOCATIONS % {"url": url}),
        files={"maid.bin": b"maid"}, threads=16)


@pytest.fixture
def mac(hooked, device):
    """A device that said nothing yet."""
    return device(hooked)


def is_about(request, channel):
    event = request.json()
    return about(event)["ids"]["id"] == channel.id


def about(event):
    """The checkin_event or acknowledge_event, of which there is one."""
    inner, = [event[name] for name in ("checkin_event",
                                       "acknowledge_event")
              if name in event]
    return inner


def requests_of(receiver, channel, number, path="/hook"):
    """That many POSTs about a channel, in the order of their coming."""
    def found():
        return [each for each in list(receiver.requests)
                if each.path.split("?")[0] == path
                and is_about(each, channel)]
    wait_until(lambda: len(found()) >= number)
    requests = found()
    assert len(requests) == number, [each.body for each in requests]
    return requests


def events_of(receiver, channel, number, **options):
    return [each.json() for each in requests_of(receiver, channel, number,
                                                **options)]


def topics_of(receiver, channel, number):
    return [event["topic"] for event in events_of(receiver, channel,
                                                  number)]
