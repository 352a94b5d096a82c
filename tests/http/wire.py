# SPDX-License-Identifier: Apache-2.0
"""What answers look like on the wire, and a client that speaks HTTP/2."""

import contextlib
import http.client
import io
import plistlib
import subprocess
import tempfile

from system import wait_until

DOCTYPE = (b'<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
           b'"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n')


def assert_error(answer, *statuses):
    """An error as devices get it: the cause stays in the log."""
    assert answer.status in statuses, answer
    phrase = http.client.responses[answer.status]
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


def tagged_errors(server, mark, seconds=3):
    """Our own lines of level error since mark, at least one."""
    def lines():
        return [line for line in server.log_since(mark).splitlines()
                if ":error]" in line and "NMDM" in line]
    wait_until(lines, seconds)
    return lines()


class CurlResponse:
    """What `curl -i` printed."""

    def __init__(self, output):
        head, _, self.body = output.partition(b"\r\n\r\n")
        status, _, headers = head.partition(b"\r\n")
        self.version, code = status.decode().split()[:2]
        self.status = int(code)
        self.headers = http.client.parse_headers(
            io.BytesIO(headers + b"\r\n\r\n"))

    def __repr__(self):
        return f"<{self.version} {self.status} {self.body[:200]!r}>"


def curl(server, path, *options, identity=None, body=None, plain=False):
    """One request by curl; options choose the protocol (--http2)."""
    done = run_curl(server, path, "--include", *options,
                    identity=identity, body=body, plain=plain)
    return CurlResponse(done)


def run_curl(server, path, *options, identity=None, body=None,
             plain=False):
    """curl's output, whatever the options make of it."""
    port = server.port if plain else server.tls_port
    scheme = "http" if plain else "https"
    command = ["curl", "--silent", "--show-error", "--insecure",
               "--max-time", "30", "--header", "Expect:"]
    with contextlib.ExitStack() as stack:
        if identity:
            pem = stack.enter_context(identity.file())
            command += ["--cert", pem.name]
        if body is not None:
            file = stack.enter_context(tempfile.NamedTemporaryFile())
            file.write(body)
            file.flush()
            command += ["--request", "PUT", "--data-binary",
                        f"@{file.name}"]
        command += [*options, f"{scheme}://localhost:{port}{path}",
                    "--resolve", f"localhost:{port}:127.0.0.1"]
        return subprocess.run(command, check=True,
                              stdout=subprocess.PIPE).stdout
