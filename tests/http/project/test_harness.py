# SPDX-License-Identifier: Apache-2.0
"""The watch on error logs does bite: without it all tests prove less."""

import os
import pathlib
import shutil
import signal

import pytest
from h2.errors import ErrorCodes

import ca as certs
import host
import server
from apns import Answer as apns_answer, Apns
from conftest import Harness
from http2 import Http2
from server import Announcement, Httpd

pytestmark = pytest.mark.unsanitized
WARNING = "[Sun Nov 22 00:00:00 2026] [nanomdm:warn] [pid 1] NMDM0001: x"


@pytest.fixture
def watched():
    """A plain httpd, watched by a harness of its own."""
    harness = Harness()
    httpd = Httpd(without=["nanomdm"])
    harness.launch(httpd)
    yield harness, httpd
    harness.dismiss([httpd])


def log(httpd, line):
    with open(httpd.folder / "error.log", "a") as file:
        file.write(line + "\n")


def test_quiet_log_is_no_problem(watched):
    harness, httpd = watched
    httpd.graceful()
    assert harness.problems() == []


@pytest.mark.parametrize("line", [
    WARNING, "==1==ERROR: AddressSanitizer: heap-use-after-free",
    "base/context.c:1:2: runtime error: signed integer overflow"])
def test_unannounced_line_is_a_problem_once(watched, line):
    harness, httpd = watched
    log(httpd, line)
    assert harness.problems() == [f"unannounced in the error log: {line}"]
    assert harness.problems() == []


OLD_OPENSSL = ("[Sun Nov 22 00:00:00 2026] [ssl:warn] [pid 1] AH01882: Init:"
               " this version of mod_ssl was compiled against a newer library"
               " (OpenSSL 3.0.22, version currently loaded is OpenSSL 3.0.19)"
               " - may result in undefined or erroneous behavior")


def test_what_belongs_to_the_machine_is_no_problem(watched):
    """It is said at the top of a run, with the remedy."""
    harness, httpd = watched
    log(httpd, OLD_OPENSSL)
    assert harness.problems() == []
    (what, remedy), = host.remarks_in(OLD_OPENSSL)
    assert "OpenSSL is older" in what and "apt-get install" in remedy


@pytest.mark.parametrize("line", [
    OLD_OPENSSL.replace("01882", "01883"),
    OLD_OPENSSL.replace("ssl:warn", "nanomdm:warn"),
    OLD_OPENSSL.replace("AH01882: ", "")])
def test_what_only_resembles_it_is_a_problem(watched, line):
    harness, httpd = watched
    log(httpd, line)
    assert harness.problems() == [f"unannounced in the error log: {line}"]
    assert host.remarks_in(line) == []


def test_crashed_child_is_a_problem(watched):
    harness, httpd = watched
    os.kill(httpd.children()[0], signal.SIGSEGV)
    httpd.wait_for_log("exit signal")
    problem, = harness.problems()
    assert "Segmentation fault" in problem
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    leaves_core = pattern == "core\n" and not httpd.sanitize
    if leaves_core and shutil.which("gdb"):
        assert "\n#1 " in problem           # of whichever thread it was


def test_a_crash_of_ours_is_not_forgiven(watched, monkeypatch):
    harness, httpd = watched
    monkeypatch.setattr(httpd, "stack", lambda: "#0 f () at src/base/context.c:1")
    harness.announced = [Announcement(("exit signal",))]
    os.kill(httpd.children()[0], signal.SIGSEGV)
    httpd.wait_for_log("exit signal")
    problem, = harness.problems()
    assert "src/base/context.c" in problem


EXIT_WITHIN_MALLOC = """\
#0  __pthread_kill_implementation (threadid=1) at ./nptl/pthread_kill.c:44
#1  malloc_printerr (str=0x7f "corrupted double-linked list")
#2  OPENSSL_cleanup () from libcrypto.so.3
#3  0x00007f0000000001 in __GI_exit (status=0) at ./stdlib/exit.c:146
#4  0x00007f0000000002 in ?? () from /usr/lib/apache2/modules/mod_mpm_event.so
#5  0x00007f0000000003 in ?? () from /usr/lib/apache2/modules/mod_mpm_event.so
#6  <signal handler called>
#7  _int_malloc (bytes=200) at ./malloc/malloc.c:4146"""


def killed_in_malloc(httpd, monkeypatch, stack):
    """Its log, as after a signal at a bad moment."""
    monkeypatch.setattr(httpd, "stack", lambda: stack)
    log(httpd, "corrupted double-linked list")
    log(httpd, "[Sun Nov 22 00:00:00 2026] [core:notice] [pid 1] AH00051:"
               " child pid 2 exit signal Abort (6)")


def test_an_exit_that_httpd_makes_in_a_handler_is_its_own(watched, monkeypatch):
    harness, httpd = watched
    killed_in_malloc(httpd, monkeypatch, EXIT_WITHIN_MALLOC)
    assert harness.problems() == []


@pytest.mark.parametrize("stack", [
    EXIT_WITHIN_MALLOC.replace("<signal handler called>", "clean ()"),
    EXIT_WITHIN_MALLOC.replace("OPENSSL_cleanup ()", "f () at src/a.c:1"), ""])
def test_any_other_end_in_malloc_is_a_problem(watched, monkeypatch, stack):
    harness, httpd = watched
    killed_in_malloc(httpd, monkeypatch, stack)
    assert len(harness.problems()) == 2


def test_announced_line_is_no_problem(watched):
    harness, httpd = watched
    harness.announced = [Announcement(("NMDM0001", "x$"))]
    log(httpd, WARNING)
    assert harness.problems() == []


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(server, "PATIENCE", 0.2)


def test_announced_line_must_come(watched, impatient):
    harness, httpd = watched
    harness.announced = [Announcement(("NMDM0002",)),
                         Announcement(("NMDM0003",), optional=True)]
    assert harness.problems() == [
        "announced, but not in the error log: NMDM0002"]


def test_expect_covers_its_own_server_only(watched, impatient):
    harness, httpd = watched
    with httpd.expect("NMDM0001"):
        log(httpd, WARNING)
    assert harness.problems() == []
    with pytest.raises(AssertionError):
        with httpd.expect("NMDM0001"):
            pass


class EarlyClient(Http2):
    """Sends its requests before it has read what the server allows."""

    def __init__(self, apns):
        apns.tls_port = apns.port
        super().__init__(apns, identity=certs.push_certificate())


def test_a_stream_too_many_is_refused_and_no_other():
    """RFC 9113, 5.1.2: an error of that stream, not of the connection."""
    with Apns(max_streams=2) as apns:
        apns.default = apns_answer(delay=0.5)
        client = EarlyClient(apns)
        calls = [("POST", f"/3/device/0{n}", b"{}", ()) for n in range(4)]
        answers = client.together(calls)
        assert [answer.status for answer in answers] == [200, 200, None, None]
        assert {answer.reset for answer in answers[2:]} == {
            ErrorCodes.REFUSED_STREAM}
        assert client.together(calls[2:])[1].status == 200
        assert (apns.connections, apns.refused, apns.errors) == (1, 2, [])
        client.close()
