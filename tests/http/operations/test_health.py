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


@pytest.mark.one_database
@pytest.mark.parametrize("path", ["/health", "/health?x=1", "/status?health",
                                  "/status?health=1", "/status?health&_=17",
                                  "/status?_=17&health="])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_balancers_ask_in_different_ways(httpd, method, path):
    """HAProxy by OPTIONS, others by HEAD, some so that no cache answers;
    none has a password."""
    client = Client(httpd(extra_vhost=HEALTH))
    answer = client.raw(method, path, headers={"Via": "1.1 balancer"})
    assert answer.status == 200
    assert answer.body == (b"" if method == "HEAD" else b"ok\n")
    assert answer.headers["Content-Length"] == "3"
    client.close()


@pytest.mark.one_database
@pytest.mark.parametrize("path", ["/status?Health", "/status/x?health",
                                  "/status?healthy", "/status?json=health"])
def test_other_questions_need_a_password(httpd, path, expect_log):
    expect_log("NMDM", optional=True)
    client = Client(httpd(extra_vhost=HEALTH))
    answer = client.raw("GET", path, headers={"Via": "1.1 balancer"})
    assert answer.status in (401, 403, 404)
    assert answer.body != b"ok\n"
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


def test_a_wrong_password_of_the_database(httpd, fresh_db, device,
                                          expect_log):
    """One line says where it is written, and what the server says of it."""
    db = fresh_db()
    if db.kind == "sqlite3":
        pytest.skip("has none")
    db.params = re.sub(r"(pass(?:word)?=)[^ ,]*", r"\1not-the-one", db.params)
    expect_log("nanomdm:error.*NMDM1501", db.kind, r"httpd\.conf:\d+")
    expect_log(r"(?i)dbd:error.*(password authentication failed"
               r"|access denied)")
    expect_log("(dbd|nanomdm):(error|crit)", optional=True)
    server = httpd(db)
    answer = device(server).authenticate()
    assert answer.status == 503 and answer.headers["Retry-After"]
    assert "not-the-one" not in server.error_log()
