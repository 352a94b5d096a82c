# SPDX-License-Identifier: Apache-2.0
"""The operator's API: who is enrolled."""

import base64
import datetime
import json
import re
import urllib.parse
from uuid import uuid4

import pytest

from device import Operator, command
from system import ROOT, wait_until
from tables import insert, set_reported

one_database = pytest.mark.one_database

QUERY = "/v1/enrollments/query"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TOKEN = b"\x00unlock\xff" * 9


def query(operator, parameters="", *, options=None, **filters):
    """The answer to a filter; wrong ones are for the caller to see."""
    body = {"filter": filters}
    if options:
        body["options"] = options
    return operator.call("POST", QUERY + parameters,
                         json.dumps(body).encode(),
                         {"Content-Type": "application/json"})


def found(operator, parameters="", **filters):
    answer = query(operator, parameters, **filters)
    assert answer.status == 200, answer
    return [entry["id"] for entry in answer.json["enrollments"]]


def one(operator, id_):
    return operator.call("GET", "/v1/enrollments/"
                         + urllib.parse.quote(id_, safe=""))


def walk(operator, limit, between=lambda: None, **filters):
    """All ids, page by page."""
    ids, parameters, pages = [], f"?limit={limit}", 0
    while parameters:
        answer = query(operator, parameters, **filters)
        assert answer.status == 200, answer
        entries = answer.json["enrollments"]
        assert len(entries) <= limit
        ids += [entry["id"] for entry in entries]
        cursor = answer.json.get("next_cursor")
        parameters = cursor and f"?limit={limit}&cursor={cursor}"
        pages += 1
        assert pages < 1000
        between()
    return ids


def fill(db, ids, type_="Device", enabled=True, serial=None):
    """Enrollments without a device."""
    for i in range(0, len(ids), 500):
        part = ids[i:i + 500]
        insert(db, "devices", ("id", "authenticate", "serial_number"),
               [(id_, "<?xml", serial) for id_ in part])
        insert(db, "enrollments",
               ("id", "device_id", "type", "topic", "push_magic",
                "token_hex", "enabled"),
               [(id_, id_, type_, "t", "m", "00", enabled)
                for id_ in part])


@pytest.fixture
def crowd(httpd, fresh_db):
    """A server on a database of its own, and its operator."""
    server = httpd(fresh_db())
    operator = Operator(server)
    operator.version()
    operator.call("POST", QUERY, b"{}")       # SQLite: makes the tables
    yield operator, server.database
    operator.close()


@pytest.fixture
def family(device):
    """One of each of the five types."""
    mac = device(short_name=None).enroll()
    own = device(kind="User Enrollment (Device)").enroll()
    return {
        "Device": mac,
        "User": mac.user(short_name="u" + mac.udid).enroll(),
        "Shared iPad": mac.user("Shared iPad",
                                short_name="s" + mac.udid).enroll(),
        "User Enrollment (Device)": own,
        "User Enrollment": own.user(short_name="o" + own.udid).enroll(),
    }


# -- What an entry holds ----------------------------------------------

def test_a_device_and_all_its_fields(operator, device):
    mac = device()
    mac.authenticate()
    mac.token_update(UnlockToken=TOKEN)
    mac.token_update()
    answer = query(operator, ids=[mac.id], options={
        "include_device_cert": True, "include_unlock_token": True})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.body.startswith(b'{\n\t"enrollments": [\n\t\t{\n')
    assert answer.body.endswith(b"}\n")
    assert list(answer.json) == ["enrollments"]
    (entry,) = answer.json["enrollments"]
    seen = entry.pop("last_seen")
    assert re.fullmatch(TIME.pattern[:-1] + r"(\.\d{1,6})?Z", seen)
    age = (datetime.datetime.now(datetime.timezone.utc)
           - datetime.datetime.fromisoformat(seen.replace("Z", "+00:00")))
    assert abs(age.total_seconds()) < 60
    assert entry == {
        "id": mac.id, "type": "Device",
        "device": {"serial_number": mac.serial,
                   "device_cert": mac.identity.pem.decode(),
                   "unlock_token": base64.b64encode(TOKEN).decode()},
        "enabled": True, "token_update_tally": 2}


def test_secrets_are_for_who_asks(operator, device):
    mac = device()
    mac.authenticate()
    mac.token_update(UnlockToken=TOKEN)
    for options in (None, {}, {"include_device_cert": False,
                               "include_unlock_token": None}):
        answer = query(operator, ids=[mac.id], options=options)
        (entry,) = answer.json["enrollments"]
        assert entry["device"] == {"serial_number": mac.serial}


def test_all_five_types(operator, family):
    for kind, channel in family.items():
        (entry,) = query(operator,
                         ids=[channel.id]).json["enrollments"]
        assert (entry["id"], entry["type"]) == (channel.id, kind)
        is_device = channel.parent_id is None
        assert ("device" in entry) is is_device
        assert ("user" in entry) is not is_device
        if not is_device:
            assert entry["user"] == {
                "user_short_name": channel.short_name,
                "user_long_name": "Alice Doe"}


def test_checked_out_is_not_enabled(operator, device):
    mac = device().enroll()
    mac.checkout()
    (entry,) = query(operator, ids=[mac.id]).json["enrollments"]
    assert (entry["enabled"], entry["token_update_tally"]) == (False, 0)


# -- Filters ----------------------------------------------------------

def test_no_filter_is_everybody(crowd):
    operator, db = crowd
    fill(db, ["a", "b", "c"])
    for body in (b"", b"{}", b'{"filter":{}}',
                 b'{"filter":null,"options":null}',
                 b'{"filter":{"ids":[],"enabled":null}}'):
        answer = operator.call("POST", QUERY, body)
        assert answer.status == 200, answer
        assert [entry["id"] for entry in answer.json["enrollments"]] \
            == ["a", "b", "c"]


def test_each_filter(operator, family):
    mac, user = family["Device"], family["User"]
    ipad, own = family["Shared iPad"], family["User Enrollment (Device)"]
    assert found(operator, ids=[mac.id]) == [mac.id]
    assert found(operator, ids=[user.id, mac.id, mac.id, "x"]) \
        == sorted([mac.id, user.id])
    assert set(found(operator, serials=[mac.serial])) \
        == {mac.id, user.id, ipad.id}
    assert found(operator, user_short_names=[user.short_name]) \
        == [user.id]
    assert found(operator, user_short_names=[
        user.short_name, ipad.short_name, "nobody"]) == [user.id, ipad.id]
    assert own.id in walk(operator, 1000,
                          types=["User Enrollment (Device)"])


def test_filters_combine(operator, family):
    mac, user = family["Device"], family["User"]
    ipad = family["Shared iPad"]
    everybody = [channel.id for channel in family.values()]
    serials = [mac.serial]
    assert found(operator, serials=serials, types=["Device"]) == [mac.id]
    assert found(operator, serials=serials,
                 user_short_names=[ipad.short_name]) == [ipad.id]
    assert set(found(operator, ids=everybody,
                     types=["Device", "User"])) == {mac.id, user.id}
    assert found(operator, ids=[user.id], serials=serials,
                 user_short_names=[user.short_name], types=["User"],
                 enabled=True) == [user.id]
    assert found(operator, ids=[user.id], serials=["other"]) == []
    assert found(operator, ids=everybody, enabled=False) == []
    mac.checkout()
    assert set(found(operator, ids=everybody, enabled=False)) \
        == {mac.id, user.id, ipad.id}
    assert set(found(operator, serials=serials, enabled=True)) == set()


def test_values_are_compared_exactly(operator, family):
    mac = family["Device"]
    assert found(operator, ids=[mac.id.lower()]) == []
    assert found(operator, ids=[mac.id + " "]) == []
    assert found(operator, serials=[mac.serial.lower()]) == []
    assert found(operator, serials=[mac.serial + "%"]) == []


def test_hundreds_of_values(crowd):
    operator, db = crowd
    ids = [f"id-{n:04}" for n in range(450)]
    fill(db, ids)
    wanted = ids[::-1][:350] + ["nobody"]
    assert sorted(found(operator, "?limit=1000", ids=wanted)) == ids[100:]
    assert sorted(walk(operator, 40, ids=wanted)) == ids[100:]


# -- One enrollment ---------------------------------------------------

def test_everything_about_one(operator, device, db):
    mac = device()
    mac.authenticate()
    mac.token_update(UnlockToken=TOKEN)
    uuids = []
    for _ in range(3):
        uuid, plist = command()
        operator.enqueue(mac.id, plist)
        uuids.append(uuid)
    mac.acknowledge(uuids[0])
    mac.not_now(uuids[1])
    insert(db, "nanomdm_pushes", ("id", "status", "reason", "tries",
                                  "next_at"),
           [(mac.id, 410, "Unregistered", 3, None)])
    answer = one(operator, mac.id)
    assert answer.status == 200, answer
    known = answer.json
    assert known["device"] == {
        "serial_number": mac.serial,
        "device_cert": mac.identity.pem.decode(),
        "unlock_token": base64.b64encode(TOKEN).decode()}
    assert (known["id"], known["type"], known["device_id"]) == (
        mac.id, "Device", mac.id)
    assert (known["enabled"], known["token_update_tally"]) == (True, 1)
    push = known["push"]
    assert (push["topic"], push["status"], push["reason"],
            push["tries"]) == (mac.topic, 410, "Unregistered", 3)
    assert TIME.fullmatch(push["token_update_at"])
    assert TIME.fullmatch(push["pushed_at"])
    assert "next_at" not in push
    queue = known["queue"]
    assert (queue["pending"], queue["not_now"]) == (2, 1)
    assert TIME.fullmatch(queue["not_now_since"])
    assert known["last_report"]["command_uuid"] in uuids[:2]
    assert TIME.fullmatch(known["last_report"]["time"])
    identity = known["identity"]
    assert identity["not_after"] == \
        mac.identity.not_after.strftime("%Y-%m-%dT%H:%M:%SZ")
    (association,) = identity["associations"]
    assert association["sha256"] == mac.identity.sha256
    assert TIME.fullmatch(association["created_at"])


def test_the_last_report_is_the_last(operator, device, db):
    mac = device().enroll()
    assert "last_report" not in one(operator, mac.id).json
    for number, status in enumerate(("NotNow", "Error", "Acknowledged")):
        uuid, plist = command()
        operator.enqueue(mac.id, plist)
        mac.report(status, uuid)
        report = one(operator, mac.id).json["last_report"]
        assert (report["command_uuid"], report["status"]) == (uuid, status)
        set_reported(db, mac, uuid, number)


def test_pending_is_counted_to_a_bound(crowd):
    operator, db = crowd
    fill(db, ["x"])
    uuids = [str(uuid4()) for _ in range(1200)]
    for i in range(0, 1200, 300):
        part = uuids[i:i + 300]
        insert(db, "commands", ("command_uuid", "request_type", "command"),
               [(uuid, "T", "<?xml") for uuid in part])
        insert(db, "enrollment_queue", ("id", "command_uuid"),
               [("x", uuid) for uuid in part])
    queue = one(operator, "x").json["queue"]
    assert queue == {"pending": 1000, "or_more": True, "not_now": 0}


def test_one_user_has_no_device(operator, family):
    for kind in ("User", "Shared iPad", "User Enrollment"):
        channel = family[kind]
        known = one(operator, channel.id).json
        assert "device" not in known
        assert known["user"]["user_short_name"] == channel.short_name
        assert known["device_id"] == channel.udid
        assert known["type"] == kind


def test_unknown_is_404(operator):
    answer = one(operator, "nobody, really")
    assert answer.status == 404
    assert answer.json == {"error": "nobody, really is not enrolled"}
    assert operator.call("GET", "/v1/enrollments/").status == 400


def test_without_a_token_update_it_is_pending(operator, device):
    mac = device()
    mac.authenticate()
    answer = one(operator, mac.id)
    assert (answer.status, answer.json["pending"]) == (200, True)
    assert answer.json["enabled"] is False


@pytest.mark.parametrize("form", [
    "a,b {}", "Zoë 💻 {}", "100% {}", "q?x={}", "a+b&c {}", "<{}>",
    "queue {}", "O'Hara; -- {}"])
def test_odd_ids(operator, device, form):
    mac = device()
    mac.udid = form.format(uuid4())
    mac.enroll()
    assert found(operator, ids=[mac.id]) == [mac.id]
    answer = one(operator, mac.id)
    assert (answer.status, answer.json["id"]) == (200, mac.id), answer


@one_database
def test_slashes_in_ids(httpd, device):
    server = httpd(extra_vhost="AllowEncodedSlashes NoDecode")
    operator = Operator(server)
    mac = device(server)
    mac.udid = f"commands/queue/{uuid4()}%2F"
    mac.enroll()
    for part in ("enrollments", "queue", "results"):
        path = urllib.parse.quote(mac.id, safe="")
        answer = operator.call("GET", f"/v1/{part}/{path}")
        assert answer.status == 200, (part, answer)
    operator.close()


# -- What cannot be used ----------------------------------------------

@one_database
@pytest.mark.parametrize("body, key", [
    (b"[]", "JSON object"), (b"{", "JSON object"), (b'"x"', "JSON object"),
    (b'{"filter":1}', '"filter" is an integer, not an object'),
    (b'{"filter":[]}', '"filter" is an array, not an object'),
    (b'{"filter":{"ids":"x"}}', '"ids" is a string, not an array'),
    (b'{"filter":{"ids":[1]}}', '"ids" is not an array of strings'),
    (b'{"filter":{"serials":{}}}', '"serials" is an object'),
    (b'{"filter":{"user_short_names":[null]}}', '"user_short_names"'),
    (b'{"filter":{"types":["device"]}}', '"types" may hold Device'),
    (b'{"filter":{"enabled":"true"}}', '"enabled" is a string, not true'),
    (b'{"filter":{"enabled":1}}', '"enabled" is an integer'),
    (b'{"filter":{"serial":["x"]}}', '"serial" is no filter'),
    (b'{"options":{"include_device_cert":1}}', '"include_device_cert"'),
    (b'{"options":true}', '"options" is true or false'),
    (b'{"filter":{"ids":["\xff"]}}', "JSON object"),
    (b'{"filter":{"ids":["\\u0000"]}}', "JSON object"),
    (b'{"filter":' + b"[" * 5000, "JSON object"),
    (b'{"filter":{"ids":' + json.dumps(
        [str(n) for n in range(1001)]).encode() + b"}}",
     '"ids" has more than 1000 values'),
])
def test_bad_filter_is_400(operator, body, key):
    answer = operator.call("POST", QUERY, body)
    assert answer.status == 400, answer
    assert list(answer.json) == ["error"]
    assert key in answer.json["error"]


def cursor_of(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("parameters, key", [
    ("limit=0", "limit"), ("limit=-1", "limit"), ("limit=1001", "limit"),
    ("limit=x", "limit"), ("limit=99999999999999999999", "limit"),
    ("offset=-1", "offset"), ("offset=1.5", "offset"),
    ("offset=99999999999999", "offset"),
    ("cursor=x", "cursor"), ("cursor=%00", "cursor"),
    ("cursor=AAAA", "cursor"), ("cursor=" + "A" * 5000, "cursor"),
    ("cursor=" + cursor_of("q0\n0\nx"), "cursor"),
    ("cursor=" + cursor_of("e0"), "cursor"),
    ("cursor=" + cursor_of("e-1\n0\nx"), "cursor"),
    ("cursor=" + cursor_of("e0\n-1\nx"), "cursor"),
    ("cursor=" + base64.urlsafe_b64encode(b"e0\n0\n\xff").decode()
     .rstrip("="), "cursor"),
    ("cursor=" + cursor_of("e0\n0\nx") + "&offset=1", "both"),
])
def test_bad_page_is_400(operator, parameters, key):
    answer = query(operator, "?" + parameters)
    assert answer.status == 400, answer
    assert key in answer.json["error"]


def test_made_up_cursors_harm_nobody(crowd):
    operator, db = crowd
    fill(db, ["a", "b"])
    for text in ("e99\n0\nx", "e0\n5\n", "e0\n0\nz'; DROP TABLE devices; --",
                 "e2147483647\n0\nx", "e0\n0\n" + "z" * 2000):
        answer = query(operator, "?cursor=" + cursor_of(text))
        assert answer.status == 200, answer
        assert answer.json == {"enrollments": []}, text
    assert found(operator) == ["a", "b"]


@one_database
@pytest.mark.parametrize("method, path, status", [
    ("GET", QUERY, 404), ("PUT", QUERY, 405), ("DELETE", QUERY, 405),
    ("POST", "/v1/enrollments/x", 404), ("POST", "/v1/enrollments", 404),
    ("DELETE", "/v1/enrollments/x", 405), ("HEAD", "/v1/enrollments/x", 405),
])
def test_methods(operator, method, path, status):
    assert operator.call(method, path, b"").status == status


@one_database
def test_only_with_the_key(operator):
    assert operator.raw("POST", QUERY, b"{}").status == 401
    assert operator.raw("GET", "/v1/enrollments/x").status == 401


@one_database
def test_body_above_the_limit_is_413(httpd):
    server = httpd(extra_vhost="NanoMDMMaxBody 1024")
    operator = Operator(server)
    answer = operator.call("POST", QUERY, b" " * 1025)
    assert (answer.status, list(answer.json)) == (413, ["error"])
    operator.close()


# -- Databases of NanoMDM, and none -----------------------------------

def test_on_nanomdms_own_database(db_server, httpd, expect_log):
    """NanoMDMSchema check: without our additive part."""
    if db_server.kind == "sqlite3":
        pytest.skip("NanoMDM makes none")
    database = db_server.fresh(
        ROOT / "tests" / "data" / f"nanomdm-{db_server.kind}.sql")
    expect_log("nanomdm:error", optional=True)
    server = httpd(database)
    operator = Operator(server)
    ids = [id_ for id_, in database.query(
        "SELECT id FROM enrollments ORDER BY id")]
    assert sorted(walk(operator, 2)) == sorted(ids)
    for id_ in ids:
        known = one(operator, id_)
        assert known.status == 200, known
        assert known.json["queue"]["pending"] > 0
        assert set(known.json["push"]) == {"topic", "token_update_at"}
    serial = query(operator).json["enrollments"][0]["device"][
        "serial_number"]
    assert found(operator, serials=[serial])
    operator.close()


def test_while_the_database_is_away_503(private_db_server, fresh_db, httpd,
                                        expect_log):
    db_server = private_db_server()
    if db_server.kind == "sqlite3":
        pytest.skip("cannot be away")
    server = httpd(fresh_db(db_server))
    operator = Operator(server)
    assert found(operator) == []
    db_server.kill()
    expect_log("error")
    for answer in (query(operator), one(operator, "x")):
        assert answer.status == 503, answer
        assert answer.headers["Retry-After"] == "5"
        assert list(answer.json) == ["error"]
    db_server.start()
    assert wait_until(lambda: query(operator).status == 200)
    operator.close()


# -- last_seen ---------------------------------------------------------

@pytest.mark.parametrize("stored, shown", [
    ("2026-01-02 03:04:05.250", "2026-01-02T03:04:05.25Z"),
    ("2026-01-02 03:04:05.007", "2026-01-02T03:04:05.007Z"),
    ("2026-01-02 03:04:05.000", "2026-01-02T03:04:05Z"),
    ("2026-01-02 03:04:59.999", "2026-01-02T03:04:59.999Z")])
def test_last_seen_has_the_fraction_of_the_database(
        operator, device, db, stored, shown):
    mac = device().enroll()
    db.execute("UPDATE enrollments SET last_seen_at = %s WHERE id = %s",
               stored, mac.id)
    assert one(operator, mac.id).json["last_seen"] == shown


# -- Between Authenticate and TokenUpdate -----------------------------

def test_a_device_that_began_is_pending(operator, device):
    """It is shown, listed last and found by its serial number, until its
    TokenUpdate has come; it has no queue."""
    mac, serial = device(), uuid4().hex[:12].upper()
    assert one(operator, mac.id).status == 404
    assert mac.authenticate(SerialNumber=serial).status == 200
    answer = one(operator, mac.id)
    assert answer.status == 200, answer
    assert TIME.fullmatch(answer.json["authenticate_at"])
    assert (answer.json["pending"], answer.json["enabled"],
            answer.json["device"]["serial_number"]) == (True, False, serial)
    assert "type" not in answer.json
    for filters in ({"serials": [serial]}, {"ids": [mac.id]},
                    {"ids": ["none", mac.id], "enabled": False},
                    {"ids": [mac.id], "serials": [serial]}):
        entry, = query(operator, **filters).json["enrollments"]
        assert (entry["id"], entry["pending"]) == (mac.id, True)
    for filters in ({"serials": [serial], "enabled": True},
                    {"ids": [mac.id], "types": ["Device"]},
                    {"serials": [serial], "ids": ["none"]}):
        assert found(operator, **filters) == []
    assert operator.call("GET", f"/v1/queue/{mac.id}").status == 404
    assert mac.token_update().status == 200
    entry, = query(operator, serials=[serial]).json["enrollments"]
    assert "pending" not in entry and entry["enabled"] is True
    assert "pending" not in one(operator, mac.id).json


@pytest.mark.parametrize("limit", [1, 3, 4, 7, 100])
def test_what_is_pending_comes_last_on_every_page(crowd, limit):
    """By cursor and by offset, each once."""
    operator, db = crowd
    ids = [f"E{n}" for n in range(4)]
    begun = [f"B{n}" for n in range(3)]
    fill(db, ids)
    insert(db, "devices", ("id", "authenticate"),
           [(id_, "<?xml") for id_ in begun])
    assert walk(operator, limit) == ids + begun
    pages = []
    for offset in range(0, 8, limit):
        pages += found(operator, f"?limit={limit}&offset={offset}")
    assert pages == ids + begun
