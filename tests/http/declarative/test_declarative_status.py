# SPDX-License-Identifier: Apache-2.0
"""Status reports: what is kept of them, and how it is read (DDM-S)."""

import hashlib
import json
import secrets
import time
import uuid

import pytest

from declarations import DeclarativeDevice, Declarations, test_declaration
from system import wait_until

CONF = "NanoMDMDeclarativeManagement builtin\n" \
       "NanoMDMDeclarativeManagementNotify none\n"


@pytest.fixture(scope="module")
def site(module_httpd):
    return module_httpd(extra_vhost=CONF)


def declarations(**arrays):
    """StatusItems with management.declarations."""
    return {"management": {"declarations": {
        "activations": [], "assets": [], "configurations": [],
        "management": [], **arrays}}}


def state(identifier, active=True, valid="valid", token="t", **more):
    return {"identifier": identifier, "active": active, "valid": valid,
            "server-token": token, **more}


def test_S1_a_first_report(api, mac):
    one = test_declaration(f"c.{uuid.uuid4()}")
    api.put(one)
    api.add(f"s.{mac.id}", one["Identifier"])
    api.assign(mac.id, f"s.{mac.id}")
    token = api.declaration(one["Identifier"])["ServerToken"]
    items = declarations(configurations=[
        state(one["Identifier"], token=token),
        state("bad", False, "unknown", reasons=[
            {"code": "Error.ConfigurationCannotBeApplied"}]),
        state("off", False, "valid", reasons=[{"code": "Info.Predicate"}])])
    items["management"]["client-capabilities"] = {
        "supported-versions": ["1.0.0"]}
    items["device"] = {"model": {"family": "Mac"}}
    items["passcode"] = {"is-present": True}
    items["mdm"] = {"app": [{"identifier": "a", "name": "A"}]}
    answer = mac.status(StatusItems=items, Errors=[
        {"StatusItem": "x", "Reasons": [{"code": "Error.X"}]}])
    assert (answer.status, answer.body) == (200, b"")
    states = api.states(mac.id)
    assert set(states) == {one["Identifier"], "bad", "off"}
    assert states[one["Identifier"]]["current"] is True
    assert states["bad"]["current"] is False
    assert states["bad"]["reasons"][0]["code"] \
        == "Error.ConfigurationCannotBeApplied"
    assert "reasons" not in states[one["Identifier"]]
    assert states["off"]["ManifestType"] == "configurations"
    errors = api.errors(mac.id)
    assert {error["path"] for error in errors} == {
        ".Errors", ".StatusItems.management.declarations.configurations"}
    assert len(errors) == 2
    values = api.values(mac.id)
    assert (".StatusItems.passcode.is-present", "true") in values
    assert (".StatusItems.mdm.app.name", "A") in values
    assert not [path for path, _ in values if "declarations" in path]


def test_S2_without_declarations_they_stay(api, mac):
    mac.status(StatusItems=declarations(configurations=[state("a")]))
    before = api.states(mac.id)
    mac.status(StatusItems={"device": {"model": {"family": "Mac"}}})
    assert api.states(mac.id) == before


def test_S3_one_value_replaces_another(api, mac):
    for version in ("26.0", "26.1"):
        mac.status(StatusItems={
            "device": {"operating-system": {"version": version}}})
    assert api.values(mac.id) == [
        (".StatusItems.device.operating-system.version", "26.1")]


def test_S4_objects_of_an_array_one_by_one(api, mac):
    def apps():
        return api.values(mac.id, prefix=".StatusItems.mdm.app.%")

    def report(*apps):
        mac.status(StatusItems={"mdm": {"app": list(apps)}})
    report({"identifier": "A", "state": "1"}, {"identifier": "B",
                                               "state": "1", "old": 1})
    assert len(apps()) == 5
    report({"identifier": "B", "state": "2"})
    assert apps() == [
        (".StatusItems.mdm.app.identifier", "A"),
        (".StatusItems.mdm.app.identifier", "B"),
        (".StatusItems.mdm.app.state", "1"),
        (".StatusItems.mdm.app.state", "2")]
    report()
    assert len(apps()) == 4
    report({"identifier": "A", "_removed": True})
    assert apps() == [(".StatusItems.mdm.app.identifier", "B"),
                      (".StatusItems.mdm.app.state", "2")]
    report({"identifier": "B", "removed": True})
    assert apps() == []


def test_S5_capabilities_are_replaced(api, mac):
    for names in (["a", "b"], ["b"]):
        mac.status(StatusItems={"management": {"client-capabilities": {
            "supported-payloads": {"status-items": names}}}})
    assert [value for _, value in api.values(mac.id)] == ["b"]


def test_S6_a_full_report_is_all(api, mac):
    items = declarations(configurations=[state("a"), state("b")],
                         assets=[state("c")])
    items["device"] = {"model": {"family": "Mac", "number": "1"}}
    mac.status(StatusItems=items)
    items = {"management": {"declarations": {"configurations": [state("b")]}},
             "device": {"model": {"family": "Mac"}}}
    mac.status(FullReport=True, StatusItems=items)
    assert set(api.states(mac.id)) == {"b"}
    assert api.values(mac.id) == [(".StatusItems.device.model.family",
                                   "Mac")]


def test_S7_empty_arrays_clear(api, mac):
    mac.status(StatusItems=declarations(configurations=[state("a")]))
    mac.status(StatusItems=declarations())
    assert api.get(f"declaration-status/{mac.id}") == {}


@pytest.mark.parametrize("prefix, number", (
    (".StatusItems.device.%", 2), (".StatusItems.device.model.family", 1),
    (".statusitems.%", 0), (".StatusItems.device._odel.family", 1),
    ("%", 3), (".StatusItems.device", 0)))
def test_S8_prefix(api, mac, prefix, number):
    mac.status(StatusItems={"device": {"model": {"family": "Mac",
                                                 "number": 7}},
                            "passcode": {"is-present": False}})
    assert len(api.values(mac.id, prefix=prefix)) == number


def test_S9_the_newest_errors(api, mac):
    for i in range(20):
        mac.status(StatusItems={}, Errors=[
            {"StatusItem": f"item.{i}", "Reasons": []}])
    names = [error["error"]["StatusItem"] for error in api.errors(mac.id)]
    assert names == [f"item.{i}" for i in range(10, 20)]
    assert len(api.errors(mac.id, limit=20)) == 20
    assert [error["error"]["StatusItem"] for error in api.errors(
        mac.id, offset=2, limit=2)] == ["item.16", "item.17"]


def test_S10_the_report_itself(api, mac, site):
    raws = [b'{"StatusItems": { } }', b'{"StatusItems":{}, "n":1}']
    for raw in raws:
        mac.endpoint("status", raw)
    first = api.ask("GET", f"status-report/{mac.id}", index=0)
    assert (first.status, first.body) == (200, raws[1])
    assert first.headers["X-Status-Report-Index"] == "0"
    assert first.headers["Last-Modified"]
    second = api.ask("GET", f"status-report/{mac.id}", index=1)
    assert (second.status, second.body) == (200, raws[0])
    status_id = second.headers["X-Status-Report-ID"]
    assert len(status_id) == 16
    by_id = api.ask("GET", f"status-report/{mac.id}", status_id=status_id)
    assert by_id.body == raws[0]
    assert by_id.headers["X-Status-Report-Index"] == "1"
    assert api.ask("GET", f"status-report/{mac.id}", index="0" * 30
                   + "1").headers["X-Status-Report-Index"] == "1"
    for query, status in (({"index": 99}, 404), ({"index": -1}, 400),
                          ({"index": "9" * 20}, 404), ({"index": "+1"}, 400),
                          ({"index": "x"}, 400), ({}, 400),
                          ({"index": "x", "status_id": status_id}, 400),
                          ({"index": "9" * 99, "status_id": status_id}, 404),
                          ({"status_id": status_id, "index": 0}, 404)):
        assert api.ask("GET", f"status-report/{mac.id}",
                       **query).status == status
    assert api.ask("GET", "status-report/other",
                   status_id=status_id).status == 404


def test_S11_current_is_of_now(api, mac):
    one = test_declaration(f"c.{uuid.uuid4()}")
    api.put(one)
    api.add(f"s.{mac.id}", one["Identifier"])
    api.assign(mac.id, f"s.{mac.id}")
    mac.sync()
    assert api.states(mac.id)[one["Identifier"]]["current"] is True
    api.touch(one["Identifier"])
    assert api.states(mac.id)[one["Identifier"]]["current"] is False


def test_S12_the_same_again_writes_no_value(api, mac, site):
    report = {"StatusItems": {"device": {"model": {
        f"k{i}": i for i in range(60)}}}, "FullReport": True}
    mac.status(**report)
    before = api.get(f"status-values/{mac.id}")
    mac.status(**report)
    assert api.get(f"status-values/{mac.id}") == before
    assert len(before[mac.id]) == 60


def test_S12_a_large_report_again(httpd, fresh_db, ca):
    """The last one again, whose answer was lost, is known without reading
    the values; one that is not the last is merged."""
    site = httpd(fresh_db(), extra_vhost=CONF
                 + "LogLevel nanomdm:debug\n")
    mac = DeclarativeDevice(site, ca.issue()).enroll()
    api = Declarations(site)
    apps = [{"identifier": f"app.{i}", "name": "n" * 90, "state": "1"}
            for i in range(1000)]
    first = {"StatusItems": {"mdm": {"app": apps}}}
    other = {"StatusItems": {"mdm": {"app": [
        {"identifier": "app.7", "_removed": True},
        *[{**app, "state": "2"} for app in apps[10:]]]}}}

    def take(report):
        mark = site.mark()
        assert mac.status(**report).status == 200
        return " dd_values: " in site.log_since(mark)

    assert take(first)
    values = api.values(mac.id)
    assert not take(first)
    assert api.values(mac.id) == values
    assert take(other)
    assert len(api.values(mac.id)) == len(values) - 3
    assert take(first)
    assert api.values(mac.id) == values
    assert not take(first)
    site.database.execute("UPDATE nanomdm_dd_values SET reported_at ="
                          " reported_at - 3600 WHERE object = 'app.5'")
    assert take(first)
    api.close()
    mac.close()


def test_S13_values_of_all_types(api, mac):
    mac.endpoint("status", b'{"StatusItems":{"unknown":{"b":true,"i":5,'
                 b'"r":1.5,"s":"text","z":null,"o":{"deep":{"er":"x"}}}}}')
    assert dict(api.values(mac.id)) == {
        ".StatusItems.unknown.b": "true", ".StatusItems.unknown.i": "5",
        ".StatusItems.unknown.r": "1.5", ".StatusItems.unknown.s": "text",
        ".StatusItems.unknown.o.deep.er": "x"}
    mac.status(StatusItems={"unknown": {"b": None}})
    assert ".StatusItems.unknown.b" not in dict(api.values(mac.id))


def seconds(call, *args, **more):
    began = time.monotonic()
    call(*args, **more)
    return time.monotonic() - began


def test_S14_twenty_thousand_apps(api, mac, site):
    """Ten times as many apps take ten times as long, not a hundred."""
    apps = [{"identifier": f"com.example.app.{i}", "name": "n" * 100,
             "external-version-id": i, "version": "1.0",
             "state": "managed"} for i in range(20000)]

    def report(number):
        assert mac.status(StatusItems={"mdm": {
            "app": apps[:number]}}).status == 200

    def full_report():
        assert mac.status(FullReport=True, StatusItems={"mdm": {
            "app": apps[:1]}}).status == 200

    few = (seconds(report, 2000), seconds(api.values, mac.id),
           seconds(full_report))
    many = (seconds(report, 20000), seconds(api.values, mac.id))
    assert sum(path.endswith(".identifier")
               for path, _ in api.values(mac.id)) == 20000
    many += (seconds(full_report),)
    assert len(api.values(mac.id)) == 5
    for one, other in zip(few, many):
        assert other < 60 * max(one, 0.1), (few, many)


@pytest.mark.unsanitized            # it measures memory
def test_S_keys_that_are_long_and_nested(api, mac, site):
    """Paths as long as their keys would take gigabytes."""
    def report(value):
        assert mac.endpoint("status", b'{"StatusItems":{"x":%s}}' % (
            b'{"%s":' % (b"k" * 30000) * 150 + b'{"a":%s,"b":2}' % value
            + b"}" * 150)).status == 200
        assert len(set(api.values(mac.id, prefix=".StatusItems.x.k%"))) == 2
        return api.values(mac.id)

    report(b"1")
    before = sum(site.rss().values())
    values = [value for _, value in report(b'"new"')]
    assert sorted(values) == ["2", "new"]
    assert sum(site.rss().values()) - before < 100000


@pytest.mark.one_database
def test_S_more_errors_than_are_kept(api, mac):
    """Only those that stay are written."""
    started = time.monotonic()
    assert mac.status(Errors=list(range(200000))).status == 200
    assert time.monotonic() - started < 20
    assert [one["error"] for one in api.errors(mac.id, limit=1000)] \
        == list(range(199900, 200000))


@pytest.mark.unsanitized            # as a unit test it is sanitized
@pytest.mark.one_database
def test_S_more_values_than_are_stored(api, mac, site, expect_log):
    """The report is taken all the same; the log says what is left out."""
    expect_log("NMDM2533")
    mark = site.mark()
    assert mac.endpoint("status", b'{"StatusItems":{"x":[%s1]}}' % (
        b"1," * 200000)).status == 200
    line, = [one for one in site.log_since(mark).splitlines()
             if "NMDM2533" in one]
    assert mac.id in line and "left out are 1 of its values" in line


@pytest.mark.one_database
def test_S_more_declarations_than_there_can_be(api, mac, expect_log):
    expect_log("NMDM2533: .* left out are 5 of its values")
    assert mac.status(StatusItems=declarations(configurations=[
        {"identifier": str(i), "active": True, "valid": "valid"}
        for i in range(20_005)])).status == 200
    assert len(api.states(mac.id)) == 20_000


@pytest.fixture
def small_packets(db_server):
    if db_server.kind != "mysql":
        pytest.skip("no bound to statements")
    db_server.admin_execute("SET GLOBAL max_allowed_packet = 1048576")
    yield
    db_server.admin_execute("SET GLOBAL max_allowed_packet = 67108864")


def test_texts_that_the_database_does_not_take(
        small_packets, httpd, fresh_db, ca, expect_log):
    """A device that gets 413 would send its report again without end."""
    expect_log("NMDM2533")
    site = httpd(fresh_db(), extra_vhost=CONF)
    mac = DeclarativeDevice(site, ca.issue()).enroll()
    api = Declarations(site)
    long = '"' * 1_100_000
    report = {"StatusItems": {"x": {"small": 1}}}
    assert mac.status(**report).status == 200
    report["StatusItems"]["x"]["big"] = long
    report["StatusItems"] |= declarations(configurations=[
        state("c", False, "invalid", reasons=[{"code": long}])])
    report["Errors"] = [{"StatusItem": "x", "text": long}, {"e": 1}]
    assert mac.status(**report).status == 200
    assert api.values(mac.id) == [(".StatusItems.x.small", "1")]
    assert "reasons" not in api.states(mac.id)["c"]
    assert [one["error"] for one in api.errors(mac.id)] == [{"e": 1}]
    assert api.ask("GET", f"status-report/{mac.id}",
                   index=0).status == 404
    api.close()
    mac.close()


def test_S4_removed_without_identifier(api, mac):
    removed = {"_removed": True}
    for apps in ([{"identifier": "A"}], [removed],
                 [{"identifier": "B"}, removed]):
        assert mac.status(StatusItems={"mdm": {"app": apps}}).status == 200
    assert [value for _, value in api.values(mac.id)] == ["A", "B"]


def test_values_of_any_length(api, mac):
    values = {f"k{n}": "\u00e4" * n for n in (254, 255, 256, 257, 4096)}
    mac.status(StatusItems={"unknown": values})
    assert dict(api.values(mac.id)) == {
        f".StatusItems.unknown.{key}": value for key, value in values.items()}


@pytest.mark.parametrize("raw", (
    b'{"StatusItems":{"a":"\\u0000\\ud800"}}', b'{"a":1,"a":2}',
    b'{"StatusItems":[]}', b'{"StatusItems":{"management":{"declarations":'
    b'{"configurations":[1,{},{"identifier":1},{"identifier":"x"}]}}}}',
    b'{"Errors":{"x":1}}', b'{"n":1e999,"i":99999999999999999999999}',
    b'{"StatusItems":{"x":"' + b"y" * 300000 + b'"}}',
    b'{"StatusItems":{"' + b"k" * 3000 + b'":1}}'))
def test_any_object_is_taken(mac, raw):
    assert mac.endpoint("status", raw).status == 200


def test_what_is_nested_too_deeply_is_null(api, mac):
    """A device is never refused for a report that is JSON; one that is none
    is refused however deep that shows."""
    deep = b'[{"x":' * 50_000 + b"1" + b"}]" * 50_000
    raw = (b'{"StatusItems":{"device":{"model":{"family":"Mac"}},"deep":'
           + deep + b',"x":2},"Errors":[' + deep + b"]}")
    assert mac.endpoint("status", raw).status == 200
    assert api.values(mac.id) == [
        (".StatusItems.device.model.family", "Mac"), (".StatusItems.x", "2")]
    kept = api.ask("GET", f"status-report/{mac.id}", index=0)
    assert kept.body == raw
    assert mac.endpoint("status", raw.replace(b":1}", b":1,}")).status == 400


def test_secrets_are_not_shown(api, mac, site):
    mac.status(StatusItems={"mdm": {"push-token": "SECRET-1",
                                    "push-magic": "SECRET-2"},
                            "enhanced-logging": {
                                "applecare-token": {"x": "SECRET-3"}}})
    assert ("SECRET" not in str(api.values(mac.id)))
    assert (".StatusItems.mdm.push-token", "redacted") in api.values(mac.id)
    report = api.ask("GET", f"status-report/{mac.id}", index=0)
    assert b"SECRET" not in report.body
    assert "SECRET-" not in site.error_log()


def test_reports_may_be_fed(api, mac):
    header = {"X-Enrollment-ID": mac.id}
    body = json.dumps({"StatusItems": {"fed": {"x": 1}}}).encode()
    assert api.ask("PUT", "status", body, headers=header).status == 200
    assert api.values(mac.id) == [(".StatusItems.fed.x", "1")]
    assert api.ask("PUT", "status", body, headers={
        "X-Enrollment-ID": "nobody"}).status == 404
    assert api.ask("PUT", "status", body).status == 400
    assert api.ask("GET", "tokens", headers=header).json["SyncTokens"][
        "DeclarationsToken"] == mac.tokens()
    assert api.ask("GET", "declaration-items",
                   headers=header).json == mac.items()
    assert api.ask("GET", "declaration-items").status == 400


def test_W4_summary(api, mac, site, ca):
    one = test_declaration(f"c.{uuid.uuid4()}")
    group = f"s.{mac.id}"
    api.put(one)
    api.add(group, one["Identifier"])
    ids = sorted(f"E{i:04}" for i in range(1000))
    api.ask("PUT", f"set-enrollments/{group}", {"ids": ids})
    api.assign(mac.id, group)
    mac.sync()
    summary = api.get(f"declarations/{one['Identifier']}/summary")
    assert summary["assigned"] == 1001
    assert sum(summary.values()) == 2002
    assert summary["unreported"] == 1000
    path = f"declarations/{one['Identifier']}/enrollments"
    assert api.get(path, state="unreported", limit=3) == ids[:3]
    assert api.get(path, state="unreported", after=ids[2],
                   limit=2) == ids[3:5]
    assert api.get(path, state="inactive") == [mac.id]
    assert api.ask("GET", path, state="odd").status == 400


@pytest.mark.one_database
def test_secrets_are_sealed(httpd, fresh_db, ca):
    """NanoMDMStorageKey seals them; without one they are not stored."""
    keys = [secrets.token_hex(32) for _ in range(2)]
    db = fresh_db()
    site = httpd(db, extra_vhost=CONF,
                 extra_server="NanoMDMStorageKey file:{folder}/a.key",
                 files={f"{name}.key": key + "\n"
                        for name, key in zip("ab", keys)})
    api = Declarations(site)
    mac = DeclarativeDevice(site, ca.issue()).enroll()

    def stored():
        return dict(db.query(
            "SELECT path, value FROM nanomdm_dd_values WHERE id = %s",
            mac.id))

    def report(magic="SECRET-2", **more):
        assert mac.status(StatusItems={"mdm": {
            "push-token": "SECRET-1", "push-magic": magic},
            "enhanced-logging.applecare-token": {"x": ["SECRET-3"]}},
            **more).status == 200
        return stored()

    paths = {".StatusItems.mdm.push-token", ".StatusItems.mdm.push-magic",
             ".StatusItems.enhanced-logging.applecare-token"}
    once = report()
    assert set(once) == paths
    for value in once.values():
        assert value.startswith("-----NANOMDM SEALED 1 "
                                + hashlib.sha256(bytes.fromhex(keys[0]))
                                .hexdigest()[:16])
    assert report() == once
    again = report(magic="SECRET-4", FullReport=True)
    assert {path for path in paths if again[path] != once[path]} == {
        ".StatusItems.mdm.push-magic"}
    assert api.values(mac.id) == [(path, "redacted")
                                  for path in sorted(paths)]
    whole = api.ask("GET", f"status-report/{mac.id}", index=0)
    assert b"SECRET" not in whole.body and whole.body.count(b"redacted") == 3

    def use(line):
        text = site.conf.read_text().splitlines()
        site.conf.write_text("\n".join(
            line if "NanoMDMStorageKey" in one else one
            for one in text) + "\n")
        site.graceful()

    use(f"NanoMDMStorageKey file:{site.folder}/b.key")
    assert wait_until(lambda: all(
        hashlib.sha256(bytes.fromhex(keys[1])).hexdigest()[:16] in value
        for value in report().values()))
    use("")
    assert wait_until(lambda: set(report().values()) == {"redacted"})
    mac.close()
    api.close()
