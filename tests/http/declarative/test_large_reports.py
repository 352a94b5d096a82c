# SPDX-License-Identifier: Apache-2.0
"""What a status report costs that is written to cost much."""

import json

import pytest

from system import peak_memory

CONF = "NanoMDMDeclarativeManagement builtin\n" \
       "NanoMDMDeclarativeManagementNotify none\n"
MIB = 1 << 20


@pytest.fixture
def site(httpd, fresh_db):
    """With what nobody else has left to be pushed."""
    return httpd(fresh_db(), extra_vhost=CONF)


def errors(word, size=200_000):
    return json.dumps({"Errors": [
        {"StatusItem": f"{word}.{i}", "text": "[0," * (size // 6) + "0"
         + "]" * (size // 6)} for i in range(100)]}).encode()


REPORTS = {
    # Each member has a path of its own.
    "a long key above short ones": [
        b'{"StatusItems":{"x":{"%s":{%s"a":1}}}}' % (
            b"k" * 4000, b'"a":1,' * (MIB // 6))],
    "a long item name above short ones": [
        b'{"StatusItems":{"%s":{%s"a":1}}}' % (
            b"k" * 4000, b"".join(b'"%x":1,' % i for i in range(MIB // 10)))],
    # A value takes two bytes.
    "very many values": [
        b'{"StatusItems":{"x":[%s0]}}' % (b"0," * (4 * MIB))],
    "very many values in lists": [
        b'{"StatusItems":{"x":[%s0]}}' % (b"[[],{}]," * MIB)],
    # Each that is reported is compared with each that is stored.
    "many long errors after others": [errors("a"), errors("b")],
}


@pytest.mark.unsanitized            # it measures memory
@pytest.mark.one_database
@pytest.mark.parametrize("name", REPORTS)
def test_memory(site, mac, expect_log, name):
    expect_log("NMDM2533", optional=True)
    pid, = site.children()
    before = peak_memory(pid)
    for report in REPORTS[name]:
        assert mac.endpoint("status", report).status == 200
    assert peak_memory(pid) - before < 200 * MIB


def test_an_error_has_a_bound(mac, api, expect_log):
    """All that are kept are read with each report."""
    expect_log("NMDM2533: .* left out are 1 of its values, declarations and"
               " errors")
    assert mac.status(Errors=[{"StatusItem": "long", "text": "x" * 65536},
                              {"StatusItem": "short"}]).status == 200
    assert [one["error"] for one in api.errors(mac.id)] \
        == [{"StatusItem": "short"}]


def test_reasons_have_a_bound(mac, api, expect_log):
    """All that are kept are read with each report, however short it is."""
    expect_log("NMDM2533: .* left out are 37 of its values, declarations and"
               " errors")
    states = [{"identifier": f"{i:03}", "active": True, "valid": "valid",
               "server-token": "t", "reasons": [
                   {"code": "c", "details": "x" * (65536 if i == 100
                                                   else 65000)}]}
              for i in range(101)]
    assert mac.status(StatusItems={"management": {"declarations": {
        "configurations": states}}}).status == 200
    kept = api.states(mac.id)
    assert len(kept) == 101
    assert sum("reasons" in one for one in kept.values()) == 64
    assert "reasons" not in kept["100"]


@pytest.mark.one_database
def test_a_secret_beyond_what_is_read(site, mac, expect_log):
    """A report that is not read to its end is kept as far as it was read."""
    expect_log("NMDM2533")
    assert mac.endpoint(
        "status", b'{"StatusItems":{"x":[%s0],"mdm":{"push-token":'
        b'"so secret"}}}' % (b"0," * (1 << 19))).status == 200
    (kept,), = site.database.query(
        "SELECT raw FROM nanomdm_dd_reports WHERE id = %s", mac.id)
    assert len(kept) > MIB // 2 and "so secret" not in kept
