# SPDX-License-Identifier: Apache-2.0
"""nanomdmctl where files, servers, terminals and pipes are not as expected:
an error is a line and its remedy, never a traceback."""

import contextlib
import json
import os
import re
import socket
import subprocess
import threading
import time
from uuid import uuid4

import pytest

from conftest import new_database
from ctl import LOCATIONS, Ctl
from device import Operator, command
from tables import insert
from test_enrollments import fill

pytestmark = pytest.mark.one_database


@pytest.fixture(scope="module")
def site(module_httpd, db_server):
    return module_httpd(new_database(db_server), extra_vhost=LOCATIONS)


@pytest.fixture
def ctl(site, tmp_path):
    return Ctl(site, tmp_path)


@contextlib.contextmanager
def answering(answer):
    """A port where each request is answered so, once its head is there."""
    def serve():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, contextlib.suppress(OSError):
                    client.settimeout(10)
                    head = b""
                    while b"\r\n\r\n" not in head:
                        head += client.recv(4096)
                    client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def http(body, status="200 OK", length=None, headers=""):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
            f"Connection: close\r\n{headers}"
            f"Content-Length: {len(body) if length is None else length}\r\n"
            "\r\n").encode() + body


def chunked(body, coding="chunked"):
    return (f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n"
            ).encode() + body


def is_said(ran, *words):
    """An error in a line, and its remedy in another."""
    return (ran.status == 1 and ran.err.startswith("nanomdmctl: ")
            and len(ran.err.splitlines()) <= 2 and "\033" not in ran.err
            and all(word in ran.err for word in words))


# -- Servers ----------------------------------------------------------

ANSWERS = {
    "nothing": (b"", "no answer"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "no answer"),
    "an endless line": (b"HTTP/1.1 200 " + b"x" * 100000, "no answer"),
    "a body cut off": (http([], length=1000), "no answer"),
    "HTML": (http(b"<h1>Welcome</h1>"), "the answer is no JSON"),
    "bytes": (http(bytes(range(256))), "the answer is no JSON"),
    "nested": (http(b"[" * 100000), "the answer is no JSON"),
    "null": (http(None), "has no 'enrollments'"),
    "no list": (http({"enrollments": {}}), "has no 'enrollments'"),
    "no objects": (http({"enrollments": [1]}), "has no 'enrollments'"),
    "the same page again": (
        http({"enrollments": [], "next_cursor": "again"}), "does not end"),
    "elsewhere": (http({}, "301 Moved Permanently",
                       headers="Location: https://other.example/\r\n"),
                  "leads to https://other.example/"),
    "a length that is no number": (
        http([]).replace(b"Content-Length: 2", b"Content-Length: 1_0"),
        "no answer"),
    "a length below nothing": (http([], length=-2), "no answer"),
    "a length beyond all": (http([], length=10 ** 12), "no answer"),
    "a chunk of no length": (chunked(b"zz\r\n[]\r\n"), "no answer"),
    "a chunk beyond all": (chunked(b"fffffffff\r\n"), "no answer"),
    "a chunk cut off": (chunked(b"5\r\n[]"), "no answer"),
    "a chunk that goes on": (chunked(b"2\r\n[] \r\n0\r\n\r\n"),
                             "no answer"),
    "another coding": (chunked(b"2\r\n[]\r\n0\r\n\r\n", "gzip, chunked"),
                       "no answer"),
    "interim answers for ever": (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
                                 "no answer"),
    "headers for ever": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000,
                         "no answer"),
    "a terminal's orders": (http({"error": "\033]0;title\007\u202e"},
                                 "500 \033[2J"), "(500)"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_server_that_answers_nonsense(ctl, name):
    answer, said = ANSWERS[name]
    with answering(answer) as url:
        assert is_said(ctl("--url", url, "--timeout", "10", "devices"), said)


EMPTY = b'{"enrollments": []}'


@pytest.mark.parametrize("answer", [
    chunked(b"%x;x=y\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (len(EMPTY), EMPTY)),
    chunked(b"1\r\n{\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(EMPTY) - 1,
                                                       EMPTY[1:])),
    b"HTTP/1.0 200\r\n\r\n" + EMPTY,
    b"HTTP/1.1 200 OK\nContent-Length: 19\n\n" + EMPTY,
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + http(
        {"enrollments": []})],
    ids=["chunked", "two chunks", "to the end", "bare line feeds", "interim"])
def test_answers_of_each_form(ctl, answer):
    with answering(answer) as url:
        ran = ctl("--url", url, "--timeout", "10", "devices", "--json")
    assert (ran.status, ran.out) == (0, "[]\n"), ran


def test_a_connection_that_was_closed_while_lines_were_read(httpd, fresh_db,
                                                            tmp_path):
    """As `nanomdmctl devices | less` has it: a page is asked for long after
    the one before."""
    server = httpd(fresh_db(), extra_vhost=LOCATIONS + "KeepAliveTimeout 1\n")
    ctl = Ctl(server, tmp_path)
    assert ctl("devices").status == 0   # SQLite: makes the tables
    fill(server.database, [f"D{i:06}" for i in range(4000)])
    process = ctl.start("devices")
    lines = [process.stdout.readline()]
    time.sleep(2.5)                     # its pipe is full meanwhile
    lines += process.stdout.readlines()
    assert process.wait(60) == 0, process.stderr.read()
    assert len(lines) == 4001


@pytest.mark.parametrize("host", [
    "x" * 64 + ".example", "b\u00fccher.invalid", "\u00fc" * 64 + ".example",
    "[::1]:1", "127.0.0.1:1", "a..b"])
def test_a_host_that_cannot_be(ctl, host):
    ran = ctl("--url", f"https://{host}", "devices")
    assert is_said(ran, "no answer")


def test_a_path_that_cannot_be(ctl):
    ran = ctl("--api", "/v 1", "devices")
    assert is_said(ran, "no answer", "is no path")


def test_a_long_body_that_is_refused(ctl, tmp_path):
    """The server says so and hangs up before it has read the profile."""
    profile = tmp_path / "long.mobileconfig"
    profile.write_bytes(os.urandom(20 << 20))
    refusal = http({"error": "too long"}, "413 Request Entity Too Large")
    with answering(refusal) as url:
        ran = ctl("--url", url, "send", "ID", "InstallProfile", profile)
    assert is_said(ran, "413") or is_said(ran, "no answer"), ran


# -- Devices ----------------------------------------------------------

def test_one_that_is_not_complete(ctl, site):
    """Authenticate, and no TokenUpdate yet: without a type and a queue."""
    assert ctl("devices").status == 0   # SQLite: makes the tables
    insert(site.database, "devices", ("id", "authenticate"),
           [("N1", "<plist/>")])
    for words in ((), ("--csv",), ("--silent", "0"), ("--disabled",)):
        ran = ctl("devices", *words)
        assert ran.status == 0 and "N1" in ran.out, ran
        assert "(not complete)" in ran.out, ran
    assert [one["id"] for one in ctl("devices", "--json").json] == ["N1"]
    ran = ctl("devices", "--pending")
    assert ran.status == 0 and not ran.out, ran
    ran = ctl("why", "N1")
    assert ran.status == 1 and "no TokenUpdate yet" in ran.out, ran


@pytest.mark.parametrize("words", [
    ("devices", b"\xff\xfe"), ("why", b"\xff"), ("queue", b"a\nb"),
    ("results", "\u202e"), ("devices", "")])
def test_an_id_of_any_bytes(ctl, words):
    name = words[1] if isinstance(words[1], bytes) else words[1].encode()
    done = subprocess.run(
        [*(word.encode() for word in ctl.words(words[0])), name],
        env=ctl.environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
        check=False)
    assert b"Traceback" not in done.stderr, done
    assert done.returncode in (0, 1)


# U+009B begins a sequence that steers a terminal as ESC [ does, and U+202E
# turns the rest of a line round.
STEERING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e]")


def test_names_do_not_steer_the_terminal(ctl, site, device, expect_log):
    expect_log("NMDM0916: .* not pushed: .* none is stored")
    operator = Operator(site)
    mac = device(site, udid=f"T\x9b31m\u202e-{uuid4()}").enroll()
    for words in (("send", mac.id, "DeviceInformation"),
                  ("push", mac.id), ("queue", mac.id), ("devices",),
                  ("devices", "--json"), ("why", mac.id),
                  ("why", mac.id, "--json")):
        ran = ctl(*words)
        assert ran.out + ran.err
        assert not STEERING.search(ran.out + ran.err), ran
    assert mac.id in [each["id"] for each in ctl("devices", "--json").json]
    uuid, plist = command()
    operator.enqueue(mac.id, plist)
    answer = mac.idle()
    while answer.body:
        answer = mac.report("Error", answer.plist["CommandUUID"], ErrorChain=[
            {"ErrorCode": 1, "ErrorDomain": "D", "LocalizedDescription":
             "\x9b2J\u202e", "USEnglishDescription": "x"}])
    for words in ((), ("--show",), ("--json",), ("--csv",)):
        ran = ctl("results", mac.id, *words)
        assert uuid in ran.out and not STEERING.search(ran.out), ran
    ran = ctl("cancel", "--uuid", uuid, mac.id)
    assert not STEERING.search(ran.out + ran.err), ran
    operator.close()


# -- Pipes, terminals and locales -------------------------------------

def start(ctl, words, **streams):
    return subprocess.run(
        ["sh", "-c", words, "sh", *ctl.words()], env=ctl.environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
        check=False, **streams)


@pytest.mark.parametrize("words, status", [
    ('"$@" devices >&-', 0), ('"$@" devices <&-', 0),
    ('"$@" devices 2>&-', 0), ('"$@" send - EraseDevice <&-', 2),
    ('"$@" devices >/dev/full', 1), ('"$@" devices --csv >/dev/full', 1),
    ('"$@" devices --json >/dev/full', 1)])
def test_streams_that_are_closed_or_full(ctl, site, words, status):
    assert ctl("devices").status == 0   # SQLite: makes the tables
    fill(site.database, [uuid4().hex])     # that there is a line
    done = start(ctl, words)
    assert done.returncode == status, done
    assert b"Traceback" not in done.stderr, done
    assert (b"No space left" in done.stderr) == ("full" in words), done


def test_a_reader_that_has_seen_enough(ctl, site):
    assert ctl("devices").status == 0
    insert(site.database, "devices", ("id", "authenticate"),
           [(f"P{number:04}", "<plist/>") for number in range(3000)])
    done = start(ctl, '"$@" devices | head -1')
    assert done.stdout.startswith(b"ID ") and not done.stderr, done


def test_a_locale_that_lacks_the_letters(ctl, site):
    assert ctl("devices").status == 0
    insert(site.database, "devices", ("id", "authenticate", "serial_number"),
           [("L1", "<plist/>", "\u00c4\u4e2d")])
    ran = ctl("devices", "L1", PYTHONIOENCODING="ascii")
    assert ran.status == 0 and "\\xc4\\u4e2d" in ran.out, ran


def test_a_file_with_a_byte_order_mark(ctl):
    ctl.file.write_bytes(b"\xef\xbb\xbf" + ctl.file.read_bytes())
    assert ctl("devices").status == 0
