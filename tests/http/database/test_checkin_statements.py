# SPDX-License-Identifier: Apache-2.0
"""How many statements a check-in costs: each is an exchange with the
database."""

import pytest

from device import Device


@pytest.fixture
def executed(db_server, db):
    """The prepared statements that run meanwhile."""
    if db_server.kind != "mysql":
        pytest.skip("MariaDB and MySQL count them")

    def count(work):
        before = number(db)
        work()
        return number(db) - before
    return count


def number(db):
    (_, value), = db.query("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'")
    return int(value)


def test_check_ins_are_few_statements(httpd, fresh_db, ca, executed):
    """Looked up by one, a TokenUpdate with what it stores; then only what
    changes. The least of a few tries, for a child has work of its own."""
    server = httpd(fresh_db())
    macs = [Device(server, ca.issue()) for _ in range(4)]

    def least(name):
        return min(executed(getattr(mac, name)) for mac in macs)

    # A new certificate is decided about under a lock, which is two.
    assert least("authenticate") <= 6
    assert least("token_update") <= 2
    assert least("token_update") <= 2
    assert least("authenticate") <= 4
    assert least("token_update") <= 2
    for mac in macs:
        mac.close()
