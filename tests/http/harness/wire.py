# SPDX-License-Identifier: Apache-2.0
"""What answers look like on the wire, over HTTP/1.1 and HTTP/2."""

import contextlib
import http
import plistlib

from device import Client
from http2 import Http2
from system import wait_until

PROTOCOLS = ("HTTP/1.1", "HTTP/2")

# As httpd has it; Python follows RFC 9110 from 3.13 on.
PHRASES = {413: "Request Entity Too Large"}

DOCTYPE = (b'<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
           b'"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n')


def assert_error(answer, *statuses):
    """An error as devices get it: the cause stays in the log."""
    assert answer.status in statuses, answer
    phrase = PHRASES.get(answer.status) or http.HTTPStatus(
        answer.status).phrase
    assert answer.body == phrase.encode() + b"\n"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "WWW-Authenticate" not in answer.headers


def assert_empty(answer):
    """Success with nothing to say."""
    assert (answer.status, answer.body) == (200, b""), answer
    assert answer.headers["Content-Length"] == "0"
    assert "Content-Type" not in answer.headers


def is_stored(server, device_id):
    """Whether a device record came to be."""
    return server.database.query(
        "SELECT count(*) FROM devices WHERE id = %s",
        device_id) != [(0,)]


def authenticate(mac, **keys):
    """The plist of an Authenticate, for tests that send it their way."""
    return plistlib.dumps(mac.message("Authenticate", Topic=mac.topic,
                                      **keys))


def tagged_errors(server, mark, seconds=15):
    """Our own lines of level error since mark, at least one."""
    def lines():
        return [line for line in server.log_since(mark).splitlines()
                if ":error]" in line and "NMDM" in line]
    wait_until(lines, seconds)
    return lines()


def ask(server, path, protocol="HTTP/1.1", *, method="PUT", body=None,
        headers=(), identity=None, plain=False):
    """One request on a connection of its own, by either protocol."""
    if protocol == "HTTP/2":
        client = Http2(server, identity=identity)
    else:
        client = Client(server, identity=identity, plain=plain)
    with contextlib.closing(client):
        return client.raw(method, path, body, headers)
