# SPDX-License-Identifier: Apache-2.0
"""Where a SECRET comes from, and what is said of a bad one."""

import os

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


@pytest.mark.parametrize("program", ["/no/such/program", "/bin/true", ""])
def test_a_program_that_gives_none(configtest, program):
    good, said = configtest(f'NanoMDMAPIKey "exec:{program}"\n')
    assert not good and "the program did not run or wrote nothing" in said
