# SPDX-License-Identifier: Apache-2.0
"""Where a SECRET comes from, and what is said of a bad one."""

import os
import time

import pytest

from device import Operator

pytestmark = pytest.mark.one_database

KEY = "a-key-of-32-characters-or-so-1234"


@pytest.fixture
def configtest(httpd):
    """configtest(lines, mode): (is it taken?, what is said) of a server with
    these lines for the API key; {folder}/k holds `text`, with that mode."""
    def test(lines, text=b"", mode=0o600):
        server = httpd(start=False, replace={"api_key": lines},
                       files={"k": text})
        os.chmod(server.folder / "k", mode)
        status, said = server.configtest()
        return status == 0, said
    return test


@pytest.mark.parametrize("directive", [
    "NanoMDMAPIKey", "NanoMDMWebhookKey",
    "NanoMDMDeclarativeManagementSendKey"])
def test_a_path_is_no_secret(configtest, directive):
    good, said = configtest(f"NanoMDMAPIKey {KEY}\n"
                            f"{directive} /etc/nanomdm/api.key\n")
    assert not good
    assert directive in said and "write file:/etc/nanomdm/api.key" in said


@pytest.mark.parametrize("value", [
    "./api.key", "../api.key", "~/api.key", "File:/etc/nanomdm/api.key",
    "FILE:k", "Env:KEY", "EXEC:/bin/true"])
def test_what_looks_like_a_source_is_no_secret(configtest, value):
    good, said = configtest(f"NanoMDMAPIKey {value}\n")
    assert not good and "NanoMDMAPIKey" in said
    assert f"write file:{value}" in said or "in small letters" in said


@pytest.mark.parametrize("text", [b"one\ntwo\n", b"one\r\ntwo", b"a\n\nb",
                                  b"\nkey-in-the-second-line\n"])
def test_a_file_has_one_line(configtest, text):
    good, said = configtest("NanoMDMAPIKey file:{folder}/k\n", text)
    assert not good
    assert "more than one line" in said
    assert "two" not in said


def test_a_short_key_is_warned_of(configtest):
    good, said = configtest("NanoMDMAPIKey fifteen-letters\n")
    assert good and "NMDM0018" in said and "fifteen-letters" not in said
    assert "httpd.conf:" in said.split("NMDM0018")[1].splitlines()[0]
    good, said = configtest("NanoMDMAPIKey sixteen-letters!\n")
    assert good and "NMDM0018" not in said


def test_a_file_that_everybody_reads_is_warned_of(configtest):
    line = "NanoMDMAPIKey file:{folder}/k\n"
    good, said = configtest(line, KEY.encode(), 0o644)
    assert good and "NMDM0017" in said and "chmod o=" in said
    assert KEY not in said
    good, said = configtest(line, KEY.encode(), 0o640)
    assert good and "NMDM0017" not in said


def test_a_program_gives_the_secret(httpd):
    server = httpd(start=False, replace={
        "api_key": 'NanoMDMAPIKey "exec:{folder}/give x"\n'}, files={
        "give": f"#!/bin/sh\necho \"{KEY}-$1\"\n".encode()})
    os.chmod(server.folder / "give", 0o755)
    server.start()
    operator = Operator(server, key=KEY + "-x")
    assert operator.call("GET", "/v1/events").status == 200
    operator.close()


@pytest.mark.parametrize("program, why", [
    ("/no/such/program", "the program did not run (No such file"),
    ("", "the program did not run"),
    ("/bin/true", "the program wrote nothing"),
    # What it says then is no secret.
    ("{folder}/k 1", "the program failed (exit status 1)"),
    ("{folder}/k 0", "no secret in it"),
])
def test_a_program_that_gives_none(configtest, program, why):
    text = b'#!/bin/sh\nif [ $1 = 1 ]; then echo sealed; else echo " "; fi\n'
    good, said = configtest(f'NanoMDMAPIKey "exec:{program}"\n',
                            text + b"exit $1\n", 0o755)
    assert not good and why in said
    assert "sealed" not in said


@pytest.mark.parametrize("script", [
    "exec yes a-secret-of-a-good-length",
    "echo a-secret-of-a-good-length; exec sleep 100 >&-"])
def test_a_program_that_does_not_end(configtest, script):
    """The server does not start, and does not wait without end."""
    start = time.monotonic()
    good, said = configtest('NanoMDMAPIKey "exec:{folder}/k"\n',
                            f"#!/bin/sh\n{script}\n".encode(), 0o755)
    assert not good and "did not end within 10 seconds" in said
    assert time.monotonic() - start < 60


AROUND = [f"\ufeff{KEY}", f"{KEY}\r\n", f" \t{KEY}  \n", f"{KEY}\n\n",
          f"\ufeff {KEY}\r\n"]


@pytest.mark.parametrize("text", AROUND, ids=ascii)
@pytest.mark.parametrize("source", ["file", "env", "exec"])
def test_what_is_around_a_secret_is_no_part_of_it(httpd, monkeypatch, source,
                                                  text):
    """As editors and shells leave it there."""
    value = {"file": "file:{folder}/k", "env": "env:NANOMDM_TEST_KEY",
             "exec": "exec:/bin/cat {folder}/k"}[source]
    monkeypatch.setenv("NANOMDM_TEST_KEY", text)
    server = httpd(replace={"api_key": f'NanoMDMAPIKey "{value}"\n'},
                   files={"k": text.encode()})
    operator = Operator(server, key=KEY)
    assert operator.call("GET", "/v1/events").status == 200
    operator.close()


@pytest.mark.parametrize("text", [b"x" * 5000, KEY.encode() + b"\0",
                                  b"\xef\xbb\xbf", b" \r\n"])
def test_a_file_without_a_secret(configtest, text):
    good, said = configtest("NanoMDMAPIKey file:{folder}/k\n", text)
    assert not good and "NanoMDMAPIKey" in said
    assert "no secret in it" in said or "longer than a secret" in said


def test_a_variable_of_two_lines(configtest, monkeypatch):
    monkeypatch.setenv("NANOMDM_TEST_KEY", "one\ntwo")
    good, said = configtest("NanoMDMAPIKey env:NANOMDM_TEST_KEY\n")
    assert not good and "more than one line" in said and "two\n" not in said
