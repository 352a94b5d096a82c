# SPDX-License-Identifier: Apache-2.0
"""What each start says of itself."""

import re

import pytest

pytestmark = pytest.mark.one_database

MORE = """\
<Location "/checkin">
    SetHandler nanomdm-checkin
</Location>
<LocationMatch "^/files/">
    Require nanomdm-enrolled
</LocationMatch>
<Location "/elsewhere">
    SetHandler server-status
</Location>
"""


def notices(server, mark=0):
    return [line for line in server.log_since(mark).splitlines()
            if "NMDM0057" in line]


def test_a_start_says_what_is_served(httpd, fresh_db):
    server = httpd(fresh_db(), extra_vhost=MORE,
                   extra_server="LogLevel nanomdm:debug")
    lines = notices(server)
    assert len(lines) == 2, lines       # one for each virtual host
    for line in lines:
        assert re.search(r"\[nanomdm:notice\]", line), line
        assert re.search(r"mod_nanomdm \d+\.\d+\.\d+\S* for localhost:\d+:",
                         line), line
        for location in ("/mdm (nanomdm)", "/v1 (nanomdm-api)",
                         "/checkin (nanomdm-checkin)",
                         "^/files/ (Require nanomdm-enrolled)"):
            assert location in line
        assert "/elsewhere" not in line
        assert 'database: sqlite3 "' in line
        assert line.endswith("LogLevel nanomdm:debug")
    mark = server.mark()
    server.graceful()
    assert len(notices(server, mark)) == 2
    assert "NMDM0057" not in server.configtest()[1]


@pytest.mark.parametrize("lines, is_said", [
    ("", True), ("SSLSessionTickets on\n", True),
    ("SSLSessionTickets off\n", False)])
def test_tickets_cost(httpd, lines, is_said):
    server = httpd(extra_vhost=lines)
    log = server.log_since(0)
    assert log.count("NMDM0058") == is_said, log
    assert "NMDM0058" not in server.configtest()[1]


@pytest.mark.parametrize("factor, held", [("", 150), ("1.5", 125), ("4", 250)])
def test_how_many_connections_are_held(httpd, factor, held):
    """Of the two children that there may be."""
    lines = f"AsyncRequestWorkerFactor {factor}\n" if factor else ""
    server = httpd(threads=25, extra_server=lines)
    said, = [line for line in server.log_since(0).splitlines()
             if "NMDM0059" in line]
    assert f"at most {held} connections" in said


def test_a_long_list_is_cut_off(httpd):
    server = httpd(extra_vhost="".join(
        f'<Location "/mdm{i}">\n    SetHandler nanomdm\n</Location>\n'
        for i in range(40)))
    line = notices(server)[0]
    assert " and more; database" in line and line.count("(nanomdm)") < 31


@pytest.mark.parametrize("driver, params, shown", [
    ("pgsql", "host=127.0.0.1 port=1 user=x password=s3cret dbname=y"
     " connect_timeout=2", "password=... dbname=y"),
    ("pgsql", "host=127.0.0.1 port=1 password = 's3cret two' sslpassword=s3cret"
     " dbname=y connect_timeout=2", "password = ... sslpassword=... dbname=y"),
    ("mysql", "host=127.0.0.1,port=1,user=x,pass=s3cret,dbname=y,reconnect=0,"
     "flags=CLIENT_FOUND_ROWS", "pass=...,dbname=y"),
])
def test_no_password_is_shown(httpd, expect_log, driver, params, shown):
    expect_log("dbd:error|NMDM|AH00", optional=True)
    server = httpd(replace={"database": (
        f'DBDriver {driver}\nDBDParams "{params}"\nDBDMin 0\nDBDKeep 10\n'
        "DBDMax 10\n")})
    assert shown in notices(server)[0]
    assert "s3cret" not in server.error_log()
