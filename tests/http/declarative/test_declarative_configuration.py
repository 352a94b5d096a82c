# SPDX-License-Identifier: Apache-2.0
"""NanoMDMDeclarativeManagement and its family (DDM-C, DDM-K4)."""

import uuid

import pytest

from declarations import DeclarativeDevice, Declarations, test_declaration

one_database = pytest.mark.one_database
NAME = "NanoMDMDeclarativeManagement"


@one_database
@pytest.mark.parametrize("word", ("builtin", "Off"))
@pytest.mark.parametrize("other", (
    "URL https://ddm.example.com/", "SendKey secret", "ReceiveKey secret"))
@pytest.mark.parametrize("first", (True, False))
def test_C1_contradictions(httpd, word, other, first):
    lines = [f"{NAME} {word}", f"{NAME}{other}"]
    server = httpd(start=False, extra_vhost="\n".join(
        lines if first else lines[::-1]))
    status, said = server.configtest()
    assert status
    assert f"{NAME} {word}" in said
    assert f"{NAME}{other.split()[0]}" in said


@one_database
@pytest.mark.parametrize("line", (
    f"{NAME} bulitin", f"{NAME} ftp://x/", f"{NAME}Notify sometimes",
    f"{NAME}Notify all window=x", f"{NAME}Notify all 3",
    f"{NAME}Keep 3", f"{NAME}Keep reports=1001", f"{NAME}Lint loud",
    f"{NAME}Reenroll maybe", "NanoMDMAPIUser a:b"))
def test_C2_values_that_are_none(httpd, line):
    status, said = httpd(start=False, extra_vhost=line).configtest()
    assert status
    assert line.split()[0] in said


@one_database
def test_C3_where_it_is_forwarded_there_are_no_calls(httpd):
    server = httpd(extra_vhost=f"{NAME}URL https://ddm.example.com/\n")
    answer = Declarations(server).ask("GET", "declarations")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/json"


@one_database
def test_C4_each_location_for_itself(httpd, ca):
    server = httpd(extra_vhost=f"{NAME} builtin\n"
                   '<Location "/off">\nSetHandler nanomdm\n'
                   f"{NAME} Off\n</Location>\n")
    mac = DeclarativeDevice(server, ca.issue()).enroll()
    assert mac.endpoint("tokens").status == 200
    mac.path = "/off"
    with server.expect("no Declarative Management"):
        assert mac.endpoint("tokens").status == 500
    mac.close()


@one_database
def test_C5_users_of_the_api(httpd):
    server = httpd(extra_vhost=f"{NAME} builtin\n"
                   "NanoMDMAPIUser nanomdm kmfddm\n")
    for user, status in (("nanomdm", 200), ("kmfddm", 200),
                         ("nanohub", 401)):
        with server.expect(r"AH0161\d", optional=True):
            api = Declarations(server, user=user)
            assert api.ask("GET", "sets").status == status
            api.close()


def test_C6_without_the_tables(httpd, fresh_db, ca, db_server):
    database = fresh_db()
    with_tables = httpd(database)
    for table in ("set_declarations", "declarations", "sets",
                  "enrollment_sets", "enrollments", "states", "values",
                  "errors", "reports", "changes"):
        database.execute(f"DROP TABLE nanomdm_dd_{table}")
    database.execute("DELETE FROM nanomdm_schema WHERE version >= 3")
    if not int(database.query("SELECT COUNT(*) FROM nanomdm_schema"
                              " WHERE version = 2")[0][0]):
        database.execute("INSERT INTO nanomdm_schema (version) VALUES (2)")
    with_tables.stop()
    server = httpd(database, start=False, extra_vhost=f"{NAME} builtin\n"
                   "NanoMDMSchema check\n")
    with server.expect("NMDM0804", "builtin"), \
            server.expect("NMDM0805"), \
            server.expect("NMDM25[234]", optional=True):
        server.start()
        mac = DeclarativeDevice(server, ca.issue()).enroll()
        assert mac.endpoint("tokens").status == 503
        assert mac.endpoint("status", b"{}").status == 503
        api = Declarations(server)
        assert api.ask("GET", "declarations").status == 503
        assert mac.idle().status == 200
        mac.close()
        api.close()


@one_database
def test_C7_off_and_on_again(httpd, fresh_db, ca):
    database, one = fresh_db(), test_declaration("kept")
    server = httpd(database, extra_vhost=f"{NAME} builtin\n")
    api = Declarations(server)
    api.put(one)
    api.add("s", "kept")
    api.assign("E", "s")
    before = api.declaration("kept")
    api.close()
    server.stop()
    off = httpd(database, extra_vhost=f"{NAME} Off\n")
    off.stop()
    server = httpd(database, extra_vhost=f"{NAME} builtin\n")
    api = Declarations(server)
    assert api.declaration("kept") == before
    assert api.get("enrollment-sets/E") == ["s"]
    api.close()


@one_database
def test_K4_below_another_path_by_itself(httpd):
    server = httpd(extra_vhost=f"{NAME} builtin\nNanoMDMAPIUser nanohub\n"
                   '<Location "/api/v1/ddm">\n'
                   "SetHandler nanomdm-declarative\nAuthType Basic\n"
                   "AuthName x\nAuthBasicProvider nanomdm\n"
                   "Require valid-user\n</Location>\n")
    api = Declarations(server, user="nanohub")
    api.base = "/api/v1/ddm"
    assert api.put(test_declaration(str(uuid.uuid4()))) == 204
    assert api.ask("GET", "pushcert").status == 404
    assert api.ask("GET", "queue/x").status == 404
    api.close()


@one_database
def test_what_is_in_force_is_shown(httpd):
    server = httpd(start=False, extra_vhost=f"{NAME} builtin\n"
                   f"{NAME}Notify changes window=7\n{NAME}Sets a b\n"
                   f"{NAME}Keep errors=5\n")
    import subprocess
    said = subprocess.run(server.command("-t", "-D", "DUMP_NANOMDM"),
                          env=server.environment(), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout.decode()
    for words in ("builtin", "changes window=7", "a b",
                  "reports=3 errors=5", "keep", "warn"):
        assert words in said
