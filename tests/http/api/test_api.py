# SPDX-License-Identifier: Apache-2.0
"""The operator's API: who may, and enqueueing."""

import base64
import json
import plistlib
import re
from uuid import uuid4

import pytest

import ca as certs
from answers import assert_json, assert_json_error
from device import Operator, command

one_database = pytest.mark.one_database

CALLS = [
    ("GET", "/v1/pushcert?topic=x"), ("PUT", "/v1/pushcert"),
    ("POST", "/v1/pushcert"), ("GET", "/v1/push/x"),
    ("PUT", "/v1/enqueue/x"), ("POST", "/v1/escrowkeyunlock"),
    ("GET", "/v1/no-such-call"), ("GET", "/v1/"),
]
ENCODED = """\
AllowEncodedSlashes NoDecode
NanoMDMMaxBody 65536
AddEncoding x-gzip .gz
AddLanguage de .de
AddOutputFilter INCLUDES .shtml
"""
OPEN = """\
<Location "/v1">
    SetHandler nanomdm-api
    {}
</Location>
"""
ELSEWHERE = """\
<Location "/mdm-operator/api">
    SetHandler nanomdm-api
    AuthType Basic
    AuthName other
    AuthBasicProvider nanomdm
    Require user nanomdm
</Location>
"""


@pytest.fixture(scope="module")
def encoded(module_httpd):
    """A server that leaves %2F to us, with a small body limit."""
    return module_httpd(extra_vhost=ENCODED, modules=("include",))


@pytest.fixture
def slash_operator(encoded):
    operator = Operator(encoded)
    yield operator
    operator.close()


def queued(db, uuid):
    """IDs in whose queues the command is."""
    return [id_ for id_, in db.query(
        "SELECT id FROM enrollment_queue WHERE command_uuid = %s"
        " ORDER BY id", uuid)]


def commands(db, uuid):
    return [text for text, in db.query(
        "SELECT command FROM commands WHERE command_uuid = %s", uuid)]


# -- who may ----------------------------------------------------------

@one_database
@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
@pytest.mark.parametrize("authorization", [None, "Basic bmFub21kbTp4"])
def test_p01_version_is_for_everybody(operator, method, authorization):
    """P1"""
    headers = {"Authorization": authorization} if authorization else {}
    answer = operator.raw(method, "/version", b"", headers)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert re.fullmatch(rb'\{"version":"[\w.+-]+"\}', answer.body)
    assert answer.headers["Content-Length"] == str(len(answer.body))


def basic(user_and_key):
    return "Basic " + base64.b64encode(user_and_key.encode()).decode()


@one_database
@pytest.mark.parametrize("authorization", [
    None, basic("nanomdm:wrong"), basic("nanomdm:"), basic("nanomdm"),
    basic("nanomdm:api-secret "), basic("nanomdm:api-secre"),
    basic("nanomdm:API-SECRET"), basic("NanoMDM:api-secret"),
    basic(":api-secret"), basic("admin:api-secret"),
    "Bearer api-secret", "Basic !", "Basic", "",
    basic("nanomdm:api-secret").replace("Basic ", "")])
def test_p02_without_the_key_401(operator, expect_log, authorization):
    """P2"""
    expect_log(r"\[auth_basic:error\]", optional=True)
    headers = [] if authorization is None else [
        ("Authorization", authorization)]
    for method, path in CALLS:
        answer = operator.raw(method, path, b"", headers)
        assert answer.status == 401, (method, path)
        assert answer.headers["WWW-Authenticate"] \
            == 'Basic realm="nanomdm"'


@one_database
def test_p02_scheme_is_case_insensitive(operator):
    """RFC 9110"""
    header = basic("nanomdm:api-secret").replace("Basic", "bAsIc")
    answer = operator.raw("GET", "/v1/pushcert", None,
                          {"Authorization": header})
    assert answer.status == 400


@one_database
@pytest.mark.parametrize("method, path", CALLS)
@pytest.mark.parametrize("protection", ["", "Require all granted"])
def test_unprotected_api_is_closed(httpd, expect_log, method, path,
                                   protection):
    """API rights: an API that someone forgot to protect."""
    server = httpd(without=["api_key"],
                   replace={"api": OPEN.format(protection)})
    expect_log(r"\[nanomdm:error\].*NMDM")
    operator = Operator(server)
    for answer in (operator.raw(method, path, b""),
                   operator.call(method, path, b"")):
        assert answer.status == 403
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json["error"]
    operator.close()


@one_database
def test_api_location_may_be_anywhere(httpd, ca, device):
    """The path below the Location selects the call."""
    server = httpd(replace={"api": ELSEWHERE})
    operator = Operator(server)
    identity = certs.push_certificate()
    prefix = "/mdm-operator/api"
    answer = operator.call("PUT", prefix + "/pushcert?force=1",
                           identity.pem + identity.key_pem)
    assert answer.status == 200, answer
    mac = device(server).enroll()
    uuid, plist = command()
    answer = operator.call(
        "PUT", f"{prefix}/enqueue/{mac.id}?nopush=1", plist)
    assert answer.status == 200
    assert mac.idle().body == plist
    assert operator.call("GET", "/v1/pushcert").status == 404
    operator.close()


@one_database
@pytest.mark.parametrize("path", [
    "/v1/nothing", "/v1/pushcerts", "/v1/pushcert/x"])
def test_unknown_call_is_404(operator, path):
    """6.9"""
    assert operator.call("GET", path).status == 404


# -- enqueue ----------------------------------------------------------

@pytest.fixture
def mac(device):
    return device().enroll()


@one_database
@pytest.mark.parametrize("nopush", ["1", "0", "true", "false", "%20"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_p07_nopush_is_any_value(operator, mac, db, nopush, method):
    """P7"""
    uuid, plist = command("ProfileList")
    answer = operator.enqueue(mac.id, plist, nopush, method)
    assert_json(answer, 200, {"no_push": True, "command_uuid": uuid,
                              "request_type": "ProfileList"})
    assert queued(db, uuid) == [mac.id]


@one_database
def test_p07_nopush_among_other_parameters(operator, mac):
    """P7"""
    uuid, plist = command()
    answer = operator.call(
        "PUT", f"/v1/enqueue/{mac.id}?a=b&nopush=1&c=%zz", plist)
    assert answer.json["no_push"] is True


def test_command_is_stored_byte_for_byte(operator, mac, db):
    """6.5: spacing, comments, order and UUID remain the operator's."""
    uuid = f"0-{uuid4()}"
    plist = ('<?xml version="1.0" encoding="UTF-8"?>\r\n<!-- 100% -->'
             '<plist version="1.0"><dict>\n\t<key>Command</key><dict>'
             '<key>x</key><string>\u00fc\U0001f34e \\ \' &lt;</string>'
             '<key>RequestType</key><string>ProfileList</string></dict>'
             f'<key>CommandUUID</key><string>{uuid}</string>'
             '</dict></plist>\n\n').encode()
    assert operator.enqueue(mac.id, plist).status == 200
    assert [text.encode() for text in commands(db, uuid)] == [plist]
    assert mac.idle().body == plist


def without_key(key):
    uuid, plist = command()
    whole = plistlib.loads(plist)
    holder = whole["Command"] if key == "RequestType" else whole
    del holder[key]
    return uuid, plistlib.dumps(whole)


def with_value(key, value):
    uuid, plist = command()
    whole = plistlib.loads(plist)
    holder = whole["Command"] if key == "RequestType" else whole
    holder[key] = value
    return uuid, plistlib.dumps(whole)


INVALID = {
    "no CommandUUID": lambda: without_key("CommandUUID"),
    "no Command": lambda: without_key("Command"),
    "no RequestType": lambda: without_key("RequestType"),
    "empty CommandUUID": lambda: with_value("CommandUUID", ""),
    "empty RequestType": lambda: with_value("RequestType", ""),
}
UNDECODABLE = {
    "not a plist": lambda: ("NOT", b"not a SECRETPLIST"),
    "truncated": lambda: ("CUT", command(x="SECRETPLIST")[1][:-30]),
    "integer CommandUUID": lambda: with_value("CommandUUID", 1),
    "Command that is a string": lambda: with_value("Command", "x"),
    "array": lambda: ("ARRAY", plistlib.dumps(["SECRETPLIST"])),
    "entity": lambda: ("ENTITY", command("X")[1].replace(
        b"<plist", b'<!DOCTYPE p [<!ENTITY e "SECRETPLIST">]><plist')),
}


def count(db):
    return db.query("SELECT count(*) FROM commands")


@one_database
@pytest.mark.parametrize("make", INVALID.values(), ids=INVALID)
def test_p08_incomplete_command(operator, mac, db, expect_log, make):
    """P8"""
    expect_log("NMDM", optional=True)
    before = count(db)
    answer = operator.enqueue(mac.id, make()[1])
    assert answer.status in (400, 500)
    assert answer.json["command_error"] \
        == "decoding command: invalid command"
    assert count(db) == before
    assert mac.idle().body == b""


@one_database
@pytest.mark.parametrize("make", UNDECODABLE.values(), ids=UNDECODABLE)
def test_p08_undecodable_command(operator, mac, db, expect_log, make):
    """P8, without the body in the answer [BETTER]"""
    expect_log("NMDM", optional=True)
    before = count(db)
    answer = operator.enqueue(mac.id, make()[1])
    assert answer.status in (400, 500)
    assert answer.json["command_error"].startswith("decoding command: ")
    assert b"SECRETPLIST" not in answer.body
    assert count(db) == before
    assert mac.idle().body == b""


UNSTORABLE = {
    "leading blank": lambda: (lambda uuid, plist: (uuid, b" " + plist))(
        *command()),
    "bare dict": lambda: (lambda uuid, plist: (
        uuid, plist[plist.index(b"<dict>"):]))(*command()),
    "long CommandUUID": lambda: command(uuid="u" * 128),
    "long RequestType": lambda: command("R" * 64),
}


@pytest.mark.parametrize("make", UNSTORABLE.values(), ids=UNSTORABLE)
def test_p08_unstorable_command(operator, mac, db, expect_log, make):
    """3.7, 8.4: what the tables refuse is refused before, the same on
    each database."""
    expect_log("NMDM", optional=True)
    uuid, plist = make()
    answer = operator.enqueue(mac.id, plist)
    assert answer.status in (400, 500)
    assert answer.json["command_error"]
    assert commands(db, uuid) == commands(db, uuid[:127]) == []
    assert mac.idle().body == b""


@one_database
def test_p08_longest_names_fit(operator, mac):
    """8.4"""
    uuid, plist = command("R" * 63, uuid=str(uuid4()).ljust(127, "u"))
    assert operator.enqueue(mac.id, plist).status == 200
    assert mac.idle().body == plist
    assert mac.acknowledge(uuid).status == 200


@one_database
def test_p09_neither_command_nor_push(operator, mac, expect_log):
    """P9"""
    expect_log("NMDM", optional=True)
    assert_json(operator.enqueue(mac.id, b""), 500, {
        "no_push": True, "command_error": "must enqueue or push"})


def test_p10_two_ids_two_queues(operator, device, mac, db):
    """P10"""
    other = device().enroll()
    uuid, plist = command()
    answer = operator.enqueue([mac.id, other.id], plist)
    assert_json(answer, 200, {"no_push": True, "command_uuid": uuid,
                              "request_type": "DeviceInformation"})
    assert queued(db, uuid) == sorted([mac.id, other.id])
    assert mac.idle().body == other.idle().body == plist
    assert mac.acknowledge(uuid).body == b""
    assert other.idle().body == plist


@pytest.mark.parametrize("position", [0, 1, 2])
def test_p10_unknown_id_is_all_or_nothing(operator, device, mac, db,
                                          expect_log, position):
    """P10"""
    expect_log("NMDM", optional=True)
    ids = [mac.id, device().enroll().id]
    ids.insert(position, f"unknown-{uuid4()}")
    uuid, plist = command()
    answer = operator.enqueue(ids, plist)
    assert_json_error(answer, 500, "command_error", "")
    assert answer.json["command_error"]
    assert queued(db, uuid) == commands(db, uuid) == []
    assert operator.enqueue(mac.id, plist).status == 200


def test_p11_duplicate_uuid_leaves_the_original(
        operator, device, mac, db, expect_log):
    """P11"""
    expect_log("NMDM", optional=True)
    uuid, plist = command("ProfileList")
    assert operator.enqueue(mac.id, plist).status == 200
    other = device().enroll()
    for id_ in (mac.id, other.id):
        answer = operator.enqueue(id_, command("RestartDevice", uuid)[1])
        assert answer.status == 500
        assert answer.json["command_error"]
    assert [text.encode() for text in commands(db, uuid)] == [plist]
    assert queued(db, uuid) == [mac.id]
    assert mac.idle().body == plist


@one_database
def test_p12_empty_path(operator, expect_log):
    """P12"""
    expect_log("NMDM", optional=True)
    answer = operator.call("PUT", "/v1/enqueue/?nopush=1", command()[1])
    assert_json_error(answer, 500, "command_error",
                      "getting enrollment ids: empty path")


@one_database
@pytest.mark.parametrize("form", ["{},", ",{}", "{},,{}", "{},{}"])
def test_p12_empty_and_repeated_ids_are_dropped(operator, mac, db, form):
    """P12, Q18 [BETTER]"""
    uuid, plist = command()
    path = "/v1/enqueue/" + form.format(mac.id, mac.id)
    answer = operator.call("PUT", path + "?nopush=1", plist)
    assert answer.status == 200, answer
    assert queued(db, uuid) == [mac.id]


@pytest.mark.parametrize("form", [
    "{}:{}", "{}@example.com", "a b {}", "{}+x", "\u00e9{}", "{}%2B",
    "{}\U0001f34e"])
def test_p13_special_letters_in_ids(operator, device, db, form):
    """P13"""
    mac = device()
    mac.udid = form.format(mac.udid, "user")
    mac.enroll()
    uuid, plist = command()
    answer = operator.enqueue(mac.id, plist)
    assert answer.status == 200, answer
    assert queued(db, uuid) == [mac.id]


@one_database
def test_p13_plain_and_escaped_separators(operator, device, mac, db):
    """P13: "%2C" is a comma like ","; ":" and "@" need no escape; "+"
    is a plus."""
    other = device()
    other.udid += ":x@example.com+y"
    other.enroll()
    for path in (f"{mac.id},{other.id}", f"{mac.id}%2C{other.id}",
                 f"{mac.id}%2c" + other.id.replace(":", "%3A").replace(
                     "@", "%40").replace("+", "%2B")):
        uuid, plist = command()
        answer = operator.call(
            "PUT", f"/v1/enqueue/{path}?nopush=1", plist)
        assert answer.status == 200, answer
        assert queued(db, uuid) == sorted([mac.id, other.id])


@one_database
@pytest.mark.parametrize("form", ["{}/x", "{}/enqueue/y", "push/{}",
                                  "{}/pushcert"])
@pytest.mark.parametrize("slash", ["/", "%2F", "%2f"])
def test_p13_slash_stays_in_the_id(slash_operator, encoded, device, form,
                                   slash):
    """P13: also when the ID looks like a call."""
    mac = device(encoded)
    mac.udid = form.format(mac.udid)
    mac.enroll()
    uuid, plist = command()
    path = mac.id.replace("/", slash)
    answer = slash_operator.call("PUT", f"/v1/enqueue/{path}?nopush=1",
                                 plist)
    assert answer.status == 200, answer
    assert queued(encoded.database, uuid) == [mac.id]


@one_database
def test_p13_percent_sign_in_an_id_is_decoded_once(
        slash_operator, encoded, device):
    """P13: "%252F" is the text "%2F", not a slash."""
    mac = device(encoded)
    mac.udid += "%2Fx%25"
    mac.enroll()
    uuid, plist = command()
    answer = slash_operator.enqueue(mac.id, plist)
    assert answer.status == 200, answer
    assert queued(encoded.database, uuid) == [mac.id]


@one_database
@pytest.mark.parametrize("end", [".gz", ".de", ".shtml", ".de.gz"])
def test_an_id_is_no_file_name(slash_operator, encoded, device, end):
    """What mod_mime would make of its end."""
    mac = device(encoded, udid=str(uuid4()) + end).enroll()
    answer = slash_operator.call("GET", f"/v1/enrollments/{mac.id}")
    assert answer.status == 200
    assert json.loads(answer.body)["id"] == mac.id
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert "Content-Encoding" not in answer.headers
    assert "Content-Language" not in answer.headers


def test_no_answer_is_kept_by_a_cache(operator, mac):
    """They may hold keys of devices."""
    for path in (f"/v1/enrollments/{mac.id}", f"/v1/results/{mac.id}",
                 "/v1/enrollments/nobody"):
        answer = operator.call("GET", path)
        assert answer.headers["Cache-Control"] == "no-store"


@one_database
def test_p14_html_is_escaped(operator, mac):
    """P14"""
    uuid, plist = command('<a href="x">&\\\t\u00fc\u2028',
                          uuid=f"<&>{uuid4()}")
    answer = operator.enqueue(mac.id, plist)
    assert answer.status == 200
    assert answer.json == {"no_push": True, "command_uuid": uuid,
                           "request_type": '<a href="x">&\\\t\u00fc\u2028'}
    assert not set(b"<>&") & set(answer.body)
    for escape in (b"\\u003c", b"\\u003e", b"\\u0026", b'\\"', b"\\\\",
                   b"\\t"):
        assert escape in answer.body


@one_database
def test_json_is_indented_with_tabs(operator, mac):
    """6.2"""
    uuid, plist = command()
    assert operator.enqueue(mac.id, plist).body == (
        '{\n\t"no_push": true,\n\t"command_uuid": "%s",\n'
        '\t"request_type": "DeviceInformation"\n}\n' % uuid).encode()


@one_database
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/v1/enqueue/x?nopush=1",
                                  "/v1/pushcert"])
def test_p20_body_above_the_limit_is_413(slash_operator, path, chunked):
    """P20"""
    body = b"x" * 65537
    answer = slash_operator.call("PUT", path, [body] if chunked else body,
                                 chunked=chunked)
    assert answer.status == 413
    assert answer.headers["Content-Type"] == "application/json"
    assert all(isinstance(text, str) and text
               for text in answer.json.values())


@one_database
def test_large_command_goes_both_ways(operator, mac):
    """6.5: profiles and packages may take megabytes."""
    uuid, plist = command("InstallProfile", Payload=bytes(3_000_000))
    assert operator.enqueue(mac.id, plist).status == 200
    assert mac.idle().body == plist
    assert mac.acknowledge(uuid).body == b""
