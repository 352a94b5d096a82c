# SPDX-License-Identifier: Apache-2.0
"""Health: 200 or 503, for a balancer; and what is said of a database that is
away."""

import re
import time

import pytest

from device import Client
from system import wait_until

HEALTH = """\
<Location "/health">
    SetHandler nanomdm-health
</Location>
<Location "/status">
    SetHandler nanomdm-status
</Location>
"""
PATHS = ["/health", "/status?health"]


@pytest.mark.parametrize("path", PATHS)
def test_ok(httpd, path):
    client = Client(httpd(extra_vhost=HEALTH))
    answer = client.raw("GET", path, headers={"Via": "1.1 balancer"})
    assert (answer.status, answer.body) == (200, b"ok\n")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.raw("HEAD", path).status == 200
    client.close()


def test_503_while_the_database_is_away(httpd, fresh_db, private_db_server,
                                        expect_log):
    db_server = private_db_server()
    if db_server.kind == "sqlite3":
        pytest.skip("is never away")
    server = httpd(fresh_db(db_server), extra_vhost=HEALTH)
    client = Client(server)
    assert client.raw("GET", "/health").status == 200
    db_server.kill()
    try:
        for pattern in (r"dbd:(error|crit)", r"nanomdm:error.*NMDM"):
            expect_log(pattern, optional=True)
        expect_log("NMDM1501", "DBDParams", r"\.conf:\d+\)")
        wait_until(lambda: client.raw("GET", "/health").status == 503,
                   seconds=20)
        mark, started = server.mark(), time.monotonic()
        while time.monotonic() - started < 6:
            answer = client.raw("GET", "/health")
            assert (answer.status, answer.body) == (503, b"database\n")
        seconds = time.monotonic() - started
        log = server.log_since(mark)
        said = re.findall(r"nanomdm:error.*NMDM1501.*", log)
        assert 1 <= len(said) <= seconds + 1
        assert "password=..." in said[0] or "pass=..." in said[0] \
            or "pass" not in said[0]
        assert len(re.findall(r"dbd:(?:error|crit)", log)) <= seconds + 1
    finally:
        db_server.restart()
    wait_until(lambda: client.raw("GET", "/health").status == 200,
               seconds=20)
    client.close()


@pytest.mark.one_database
def test_503_without_tables(httpd, fresh_db, expect_log, db_server):
    server = httpd(fresh_db(), extra_vhost=HEALTH
                   + "NanoMDMTablePrefix none_\nNanoMDMSchema check\n")
    expect_log("NMDM080", optional=True)
    expect_log("NMDM", ":error", optional=True)
    client = Client(server)
    answer = client.raw("GET", "/health")
    assert (answer.status, answer.body) == (503, b"schema\n")
    client.close()
