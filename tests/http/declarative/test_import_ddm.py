# SPDX-License-Identifier: Apache-2.0
"""tools/nmdm-import-ddm.py: what KMFDDM keeps becomes rows (DDM-K5)."""

import json
import os
import shlex
import subprocess
import uuid

import pytest

from databases import PASSWORD, PROGRAMS, USER
from declarations import DeclarativeDevice, activation, test_declaration
from documents import block
from system import ROOT
from test_tools import dsn_of, source_of, tool

CONF = ("NanoMDMDeclarativeManagement builtin\n"
        "NanoMDMDeclarativeManagementNotify none\n")
TEST = "com.apple.configuration.management.test"

# The columns that KMFDDM's MySQL storage has today and that matter.
KMFDDM = (
    "CREATE TABLE declarations (identifier VARCHAR(255) NOT NULL,"
    " type VARCHAR(255) NOT NULL, payload JSON NOT NULL,"
    " server_token CHAR(40) NOT NULL, touched_ct INT DEFAULT 0 NOT NULL,"
    " created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL,"
    " PRIMARY KEY (identifier))",
    "CREATE TABLE set_declarations (set_name VARCHAR(255) NOT NULL,"
    " declaration_identifier VARCHAR(255) NOT NULL,"
    " PRIMARY KEY (set_name, declaration_identifier))",
    "CREATE TABLE enrollment_sets (enrollment_id VARCHAR(255) NOT NULL,"
    " set_name VARCHAR(255) NOT NULL, PRIMARY KEY (enrollment_id, set_name))")


@pytest.fixture
def site(httpd, fresh_db):
    return httpd(fresh_db(), extra_vhost=CONF)


class Kept:
    """What a KMFDDM would keep: three declarations in sets, one in none."""

    def __init__(self, device_id):
        self.declarations = {
            "com.example.test": (TEST, '{"Echo": "\\u00fc<&>", "n": 1.5}'),
            "com.example.act": ("com.apple.activation.simple",
                                '{"StandardConfigurations":'
                                ' ["com.example.test"]}'),
            "org": ("com.apple.management.organization-info",
                    '{"Name": "Example"}'),
            "alone": (TEST, '{"Echo": "x"}')}
        self.tokens = {name: f"{at:040x}" for at, name
                       in enumerate(sorted(self.declarations), 7)}
        self.sets = {"all.devices": ["com.example.act", "com.example.test"],
                     "more": ["com.example.test", "org"]}
        self.assigned = {device_id: ["all.devices", "more"],
                         f"{device_id}:user": ["more"],
                         "NEVER-SEEN": ["all.devices", "empty"]}

    def check(self, api):
        assert api.get("declarations") == sorted(self.declarations)
        for name, (type_, payload) in self.declarations.items():
            assert api.declaration(name) == {
                "Identifier": name, "Type": type_,
                "Payload": json.loads(payload),
                "ServerToken": self.tokens[name]}
        assert api.get("sets") == sorted(self.sets)
        for name, members in self.sets.items():
            assert api.get(f"set-declarations/{name}") == sorted(members)
        for id_, sets in self.assigned.items():
            assert api.get(f"enrollment-sets/{id_}") == sorted(sets)


def keep_keys(kept, folder):
    """-storage filekv."""
    def put(bucket, key, value="1"):
        (folder / bucket).mkdir(parents=True, exist_ok=True)
        (folder / bucket / key).write_text(value)
    for name, (type_, payload) in kept.declarations.items():
        for part, value in (("type", type_), ("payload", payload),
                            ("token", kept.tokens[name]), ("touch", "0"),
                            ("created", "1700000000000000"),
                            ("modified", "1700000000000000")):
            put("declarations", f"dcl.{name}.{part}", value)
    for name, members in kept.sets.items():
        put("sets", f"st.{name}")
        for one in members:
            put("sets", f"sc.{name}.{one}")
            put("sets", f"ds.{one}.{name}")
    for id_, sets in kept.assigned.items():
        put("enrollments", f"en.{id_}")
        for name in sets:
            put("enrollments", f"es.{id_}.{name}")
            put("enrollments", f"se.{name}.{id_}")
    (folder / "status").mkdir()
    return [str(folder)]


def keep_files(kept, folder):
    """-storage file."""
    for name, (type_, payload) in kept.declarations.items():
        (folder / f"declaration.{name}.json").write_text(json.dumps({
            "Identifier": name, "Type": type_,
            "Payload": json.loads(payload),
            "ServerToken": kept.tokens[name]}))
        (folder / f"declaration.{name}.token.txt").write_text(
            kept.tokens[name])
    for name, members in kept.sets.items():
        (folder / f"set.declarations.{name}.txt").write_text(
            "\n".join(members))
    for id_, sets in kept.assigned.items():
        (folder / id_).mkdir()
        (folder / id_ / "sets.txt").write_text("\n".join(sets))
    return [str(folder)]


@pytest.fixture(scope="module")
def mariadb():
    server = PROGRAMS["mysql"]()
    server.start()
    yield server
    server.remove()


def keep_mysql(kept, database):
    for line in KMFDDM:
        database.execute(line)
    for name, (type_, payload) in kept.declarations.items():
        database.execute(
            "INSERT INTO declarations (identifier, type, payload,"
            " server_token) VALUES (%s, %s, %s, %s)", name, type_, payload,
            kept.tokens[name])
    for name, members in kept.sets.items():
        for one in members:
            database.execute("INSERT INTO set_declarations VALUES (%s, %s)",
                             name, one)
    for id_, sets in kept.assigned.items():
        for name in sets:
            database.execute("INSERT INTO enrollment_sets VALUES (%s, %s)",
                             id_, name)
    return ["--from-mysql", f"{USER}:{PASSWORD}@tcp(127.0.0.1:"
            f"{database.server.port})/{database.name}"]


@pytest.mark.parametrize("storage", ("filekv", "file", "mysql"))
def test_K5_declarations_sets_and_tokens(site, api, ca, tmp_path, storage,
                                         request):
    mac = DeclarativeDevice(site, ca.issue()).enroll()
    kept = Kept(mac.id)
    origin = keep_keys(kept, tmp_path) if storage == "filekv" \
        else keep_files(kept, tmp_path) if storage == "file" \
        else keep_mysql(kept, request.getfixturevalue(
            "mariadb").create_database(f"nanomdm_k{uuid.uuid4().hex[:8]}"))
    done = tool("nmdm-import-ddm.py", *source_of(site.database), "--dry-run",
                *origin)
    assert done.returncode == 0, done.stderr
    assert b"would import 4 declarations" in done.stdout
    assert api.get("declarations") == []
    done = tool("nmdm-import-ddm.py", *dsn_of(site.database), *origin)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (b"imported 4 declarations, 0 changed ones, 4"
                           b" memberships of sets and 5 assignments; 0"
                           b" problems\n")
    kept.check(api)
    # A device that has these versions fetches the list and none of them.
    mac.declarations = {name: {"Identifier": name, "ServerToken": token}
                        for name, token in kept.tokens.items()
                        if name != "alone"}
    items = mac.items()
    assert items["DeclarationsToken"] == mac.tokens()
    assert {one["Identifier"]: one["ServerToken"]
            for kind in items["Declarations"].values() for one in kind} == {
                name: token for name, token in kept.tokens.items()
                if name != "alone"}
    # What was imported is what an upload of the same would be.
    for name, (type_, payload) in kept.declarations.items():
        assert api.ask("PUT", "declarations", (
            f'{{"Identifier":"{name}","Type":"{type_}","Payload":{payload}}}'
        ).encode()).status == 304
    again = tool("nmdm-import-ddm.py", *source_of(site.database), *origin)
    assert again.stdout.startswith(b"imported 0 declarations, 0 changed")
    assert again.returncode == 0
    kept.check(api)
    mac.close()


def test_the_document_says_how(site, api, tmp_path):
    """The lines of docs/declarative.md, with this database and folder."""
    kept = Kept("A")
    keep_keys(kept, tmp_path)
    lines = block("docs/declarative.md", "tools/nmdm-import-ddm.py").text
    for written, here in (
            ("pgsql", site.database.kind), ("/var/lib/kmfddm/db", tmp_path),
            ('"host=db dbname=mdm user=mdm password=secret"',
             shlex.quote(str(site.database.params)))):
        assert lines.count(written) == 1
        lines = lines.replace(written, str(here))
    done = subprocess.run(["sh", "-e"], input=lines, cwd=ROOT, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    kept.check(api)


def test_what_cannot_be_imported_is_named(site, api, tmp_path):
    kept = Kept("A")
    kept.declarations.update({
        "other": ("com.example.thing", "{}"), "list": (TEST, "[]"),
        "broken": (TEST, "{"), "nan": (TEST, '{"x": NaN}'),
        "x" * 200: (TEST, "{}")})
    kept.tokens.update({name: "t" * 40 for name in kept.declarations
                        if name not in kept.tokens})
    kept.sets["more"].append("other")
    # KMFDDM itself reads such keys in more than one way.
    kept.declarations["b.c"] = kept.declarations["c"] = (TEST, '{"Echo":""}')
    kept.tokens["b.c"] = kept.tokens["c"] = "u" * 40
    kept.sets["a"], kept.sets["a.b"] = ["b.c"], []
    origin = keep_keys(kept, tmp_path)
    (tmp_path / "declarations" / "dcl.org.token").unlink()
    done = tool("nmdm-import-ddm.py", *source_of(site.database), *origin)
    assert done.returncode == 1
    errors = done.stderr.decode()
    for name in ("other", "list", "broken", "nan", "org", "a.b.c"):
        assert f"\n{name}: " in f"\n{errors}", name
    assert api.get("declarations") == sorted(
        ["alone", "b.c", "c", "com.example.act", "com.example.test",
         "x" * 200])
    assert api.get("set-declarations/more") == ["com.example.test"]
    assert api.get("sets") == ["all.devices", "more"]


def test_what_differs_is_left_alone(site, api, tmp_path):
    kept = Kept("A")
    origin = keep_keys(kept, tmp_path)
    assert api.put(test_declaration("com.example.test", "ours")) == 204
    assert api.put(activation("z", "com.example.test")) == 204
    assert api.add("more", "z") == 204
    token = api.declaration("com.example.test")["ServerToken"]
    run = ["nmdm-import-ddm.py", *source_of(site.database)]
    done = tool(*run, *origin)
    assert done.returncode == 1
    assert b"com.example.test: left alone" in done.stderr
    assert api.declaration("com.example.test")["ServerToken"] == token
    assert api.get("set-declarations/more") == ["com.example.test", "org",
                                                "z"]
    before = api.ask("GET", "tokens", headers={"X-Enrollment-ID": "A"}).json
    done = tool(*run, "--replace", *origin)
    assert (done.returncode, done.stderr) == (0, b"")
    kept.sets["more"].append("z")
    assert api.declaration("com.example.test")["ServerToken"] \
        == kept.tokens["com.example.test"]
    after = api.ask("GET", "tokens", headers={"X-Enrollment-ID": "A"}).json
    items = api.ask("GET", "declaration-items",
                    headers={"X-Enrollment-ID": "A"}).json
    assert before["SyncTokens"]["DeclarationsToken"] \
        != after["SyncTokens"]["DeclarationsToken"] \
        == items["DeclarationsToken"]
    # The server makes the same of the set.
    assert api.touch("org") == 204
    assert api.put(test_declaration("com.example.test", "x")) == 204
    tokens = api.ask("GET", "tokens", headers={"X-Enrollment-ID": "A"}).json
    items = api.ask("GET", "declaration-items",
                    headers={"X-Enrollment-ID": "A"}).json
    assert tokens["SyncTokens"]["DeclarationsToken"] \
        == items["DeclarationsToken"]


@pytest.mark.one_database
def test_a_wrong_folder_or_database(site, tmp_path):
    done = tool("nmdm-import-ddm.py", *source_of(site.database), tmp_path)
    assert done.returncode == 1
    assert b"not what KMFDDM keeps" in done.stderr
    (tmp_path / "declarations").mkdir()
    done = tool("nmdm-import-ddm.py", "--driver", "sqlite3", "--params",
                tmp_path / "none.db", tmp_path)
    assert done.returncode == 1 and b"database" in done.stderr


@pytest.mark.one_database
def test_other_files_are_not_read(site, api, tmp_path):
    """Who owns the folder does not choose what else root reads. A NUL, which
    PostgreSQL has no text for, is named."""
    kept, folder = Kept("A"), tmp_path / "db"
    folder.mkdir()
    keep_keys(kept, folder)
    (tmp_path / "secret").write_text("s" * 40)
    token = folder / "declarations" / "dcl.org.token"
    token.unlink()
    token.symlink_to(tmp_path / "secret")
    (folder / "declarations" / "dcl.alone.type").write_text(f"{TEST}\0")
    done = tool("nmdm-import-ddm.py", *source_of(site.database), folder)
    assert done.returncode == 1
    errors = done.stderr.decode()
    assert f"{token}: not a regular file" in errors
    assert "\nalone: left out: its type" in f"\n{errors}"
    assert api.get("declarations") == ["com.example.act", "com.example.test"]


@pytest.mark.one_database
def test_hostile_files_stop_nothing(site, api, tmp_path):
    kept, folder = Kept("A"), tmp_path / "db"
    folder.mkdir()
    keep_files(kept, folder)
    (folder / "declaration.deep.json").write_bytes(b"[" * 100000)
    os.mkfifo(folder / "set.declarations.pipe.txt")
    done = tool("nmdm-import-ddm.py", *source_of(site.database), folder)
    assert done.returncode == 1
    errors = done.stderr.decode()
    assert "declaration.deep.json: left out: " in errors
    assert "set.declarations.pipe.txt: not a regular file" in errors
    assert len(errors.splitlines()) == 2
    kept.check(api)


@pytest.mark.one_database
def test_progress_is_shown(site, tmp_path):
    kept = Kept("A")
    kept.assigned = {f"ID{at}": ["more"] for at in range(2500)}
    done = tool("nmdm-import-ddm.py", *source_of(site.database),
                *keep_keys(kept, tmp_path))
    assert done.returncode == 0
    assert done.stderr.count(b"read: ") == 2
    assert b"2500 assignments" in done.stdout
