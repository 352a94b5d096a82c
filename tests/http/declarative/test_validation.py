# SPDX-License-Identifier: Apache-2.0
"""What may be uploaded, and what is warned of (DDM-V)."""

import json
import time
import uuid

import pytest

from declarations import DeclarativeDevice, activation, test_declaration

TYPE = "com.apple.configuration.management.test"


@pytest.fixture(scope="module")
def site(module_httpd):
    return module_httpd(extra_vhost="NanoMDMDeclarativeManagement builtin\n"
                        "NanoMDMDeclarativeManagementNotify none\n"
                        '<Location "/strict">\nSetHandler nanomdm-api\n'
                        "NanoMDMDeclarativeManagementLint refuse\n"
                        "AuthType Basic\nAuthName x\n"
                        "AuthBasicProvider nanomdm\nRequire valid-user\n"
                        "</Location>\n")


def upload(identifier='"x"', type_=f'"{TYPE}"', payload='{"Echo":"e"}',
           more=""):
    return (f'{{"Identifier":{identifier},"Type":{type_},'
            f'"Payload":{payload}{more}}}').encode()


@pytest.mark.parametrize("body", (
    b"", b"{", b"no", upload() + b"x", b"[]", b'"x"', b"\xff" + upload(),
    upload(payload='{"Echo":"a","Echo":"b"}'), upload(more=',"Type":"x"'),
    upload(payload='{"Echo":"\\ud800"}'), upload(identifier='"a\\u0000b"'),
    upload(payload='{"Echo":"\\u0000"}'),
    upload(payload='{"a":' * 65 + "1" + "}" * 65),
    b'{"Type":"%s","Payload":{}}' % TYPE.encode(),
    b'{"Identifier":"x","Payload":{}}', b'{"Identifier":"x","Type":"y"}',
    upload(identifier="1"), upload(type_="null"), upload(payload="null"),
    upload(payload="[]"), upload(payload='"x"'),
    b'{"identifier":"x","Type":"%s","Payload":{}}' % TYPE.encode(),
    upload(identifier='""'), upload(identifier='" \\t"'),
    upload(identifier='"' + "x" * 65 + '"'), upload(identifier='"a\\nb"'),
    upload(type_='"com.example.x"'), upload(type_='"com.apple.other.x"'),
    upload(type_='"com.apple.asset."'), upload(type_='"com.apple.asset"'),
    upload(identifier='"com.github.jessepeterson.kmfddm.storage.shard.v1"'),
    upload(payload='{"Echo":01}'), upload(payload='{"Echo":.5}'),
    upload(payload="{'Echo':1}"), upload(payload='{"Echo":NaN}')))
def test_V1_what_is_refused(api, body):
    before = api.get("declarations")
    answer = api.ask("PUT", "declarations", body)
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json["error"]
    assert api.get("declarations") == before


def test_V1_force_lets_long_identifiers_pass(api):
    long = uuid.uuid4().hex * 3
    assert api.put(test_declaration(long)) == 400
    assert api.put(test_declaration(long), force=1) == 204
    assert api.put(test_declaration("x" * 256), force=1) == 400


@pytest.mark.parametrize("body, status", (
    (b'{"a":' * 100000, 400), (b"[" * 2000000, 400),
    (upload(identifier=f'"{uuid.uuid4()}"',
            payload='{"Echo":"%s"}' % ("x" * 3000000)), 204)),
    ids=("nested", "open", "long"))
def test_V2_large_ones(api, site, body, status):
    before = site.rss()
    started = time.monotonic()
    assert api.ask("PUT", "declarations", body).status == status
    assert time.monotonic() - started < 5
    after = site.rss()
    assert set(after) == set(before)


@pytest.mark.parametrize("number", (
    "1.50", "0.1", "1e3", "9007199254740993", "-0",
    "123456789012345678901234567890"))
def test_V3_numbers_stay(api, site, ca, number):
    name = str(uuid.uuid4())
    api.ask("PUT", "declarations", upload(f'"{name}"',
            payload='{"Echo":"e","n":%s}' % number))
    assert b'"n":' + number.encode() in api.ask(
        "GET", f"declarations/{name}").body
    mac = DeclarativeDevice(site, ca.issue()).enroll()
    api.add(name, name)
    api.assign(mac.id, name)
    assert b'"n":' + number.encode() in mac.endpoint(
        f"declaration/configuration/{name}").body
    mac.close()


def test_V4_strings_stay(api, site, ca):
    name, text = str(uuid.uuid4()), "<&>\u2028\U0001f600\\\"/\t\x7f é"
    assert api.put(test_declaration(name, text)) == 204
    assert api.declaration(name)["Payload"]["Echo"] == text
    mac = DeclarativeDevice(site, ca.issue()).enroll()
    api.add(name, name)
    api.assign(mac.id, name)
    assert mac.endpoint(f"declaration/configuration/{name}").json[
        "Payload"]["Echo"] == text
    mac.close()


def codes(answer):
    return {one["code"] for one in json.loads(
        answer.headers.get("X-NanoMDM-Warnings", "[]"))}


@pytest.mark.parametrize("character", ["\x7f", "\x80", "é", "\U0001f4bb"])
def test_V_warnings_that_name_odd_characters(api, character):
    """A header has none of them; the answer was 500 for the first."""
    one = activation(str(uuid.uuid4()), "not.stored")
    one["Payload"]["Odd" + character] = "x"
    answer = api.ask("PUT", "declarations", one)
    assert (answer.status, codes(answer)) == (
        204, {"reference-missing", "key-unknown"})
    assert f"Odd{character}" in "".join(
        warning["path"] for warning in json.loads(
            answer.headers["X-NanoMDM-Warnings"]))


def test_V5_references_that_are_missing(api):
    one = activation(str(uuid.uuid4()), "not.stored")
    answer = api.ask("PUT", "declarations", one)
    assert (answer.status, codes(answer)) == (204, {"reference-missing"})
    api.base = "/strict"
    one["Identifier"] = str(uuid.uuid4())
    assert api.put(one) == 400
    assert api.put(one, force=1) == 204


def test_V6_types_that_are_not_known(api):
    answer = api.ask("PUT", "declarations", {
        "Identifier": str(uuid.uuid4()), "Payload": {},
        "Type": "com.apple.configuration.future.thing"})
    assert (answer.status, codes(answer)) == (204, {"type-unknown"})


@pytest.mark.parametrize("predicate, is_wrong", (
    ("(@status(device.model.family) == 'Mac'", True),
    ("(@status(device.model.family) == 'Mac')", False),
    ("@status(no.such.item) == 1", True), ("a == 'b", True),
    ("@property(shard) <= 10", False)))
def test_V7_predicates(api, predicate, is_wrong):
    one = activation(str(uuid.uuid4()))
    one["Payload"]["Predicate"] = predicate
    answer = api.ask("PUT", "declarations", one)
    assert ("predicate-syntax" in codes(answer)) == is_wrong


def test_V8_check_alone(api):
    one = {"Identifier": str(uuid.uuid4()), "Payload": {
        "ProfileURL": "http://x/"}, "Type": "com.apple.configuration.legacy"}
    answer = api.ask("PUT", "declarations", one, check=1)
    assert answer.status == 200
    assert answer.json["errors"] == []
    assert [w["code"] for w in answer.json["warnings"]] == [
        "url-insecure", "not-activated"]
    answer = api.ask("PUT", "declarations", b"{}", check=1)
    assert answer.status == 200 and answer.json["errors"]
    assert one["Identifier"] not in api.get("declarations")


def test_V_keys_that_are_needed(api):
    answer = api.ask("PUT", "declarations", {
        "Identifier": str(uuid.uuid4()), "Type": TYPE, "Payload": {}})
    assert codes(answer) == {"key-missing"}
    answer = api.ask("PUT", "declarations", {
        "Identifier": str(uuid.uuid4()), "Type": TYPE, "Payload": {
            "Echo": 1}})
    assert codes(answer) == {"value-type"}


def test_V_a_check_says_what_no_activation_names(api):
    name, other = str(uuid.uuid4()), str(uuid.uuid4())
    one = test_declaration(name)
    assert api.put(activation(other, name)) == 204
    answer = api.ask("PUT", "declarations", one, check=1)
    assert answer.json == {"errors": [], "warnings": []}
    # A string in the predicate names nothing.
    act = activation(other)
    act["Payload"]["Predicate"] = f"'{name}' == \"{name}\""
    assert api.put(act) == 204
    warnings = api.ask("PUT", "declarations", one, check=1).json["warnings"]
    assert [(w["code"], w["path"]) for w in warnings] == [
        ("not-activated", "$.Identifier")]
    assert codes(api.ask("PUT", "declarations", one)) == set()


def change_set(api, method, set_name, identifier, **query):
    answer = api.ask(method, f"set-declarations/{set_name}",
                     declaration=identifier, **query)
    return answer.status, json.loads(
        answer.headers.get("X-NanoMDM-Warnings", "[]"))


def test_V_sets_that_lack_what_they_refer_to(api):
    conf, act, held = (str(uuid.uuid4()) for _ in range(3))
    assert api.put(test_declaration(conf)) == 204
    assert api.put(activation(act, conf)) == 204
    status, warnings = change_set(api, "PUT", held, act)
    assert status == 204
    assert [(w["code"], w["path"]) for w in warnings] == [
        ("set-incomplete", "$.Payload.StandardConfigurations[0]")]
    assert conf in warnings[0]["text"] and held in warnings[0]["text"]
    assert change_set(api, "PUT", held, conf) == (204, [])
    assert change_set(api, "PUT", held, act) == (304, [])
    status, warnings = change_set(api, "DELETE", held, conf)
    assert (status, [w["code"] for w in warnings]) == (204,
                                                       ["set-incomplete"])
    assert act in warnings[0]["text"]
    assert change_set(api, "DELETE", held, act) == (204, [])


def test_V_sets_that_lack_something_are_refused(api):
    conf, act, held = (str(uuid.uuid4()) for _ in range(3))
    assert api.put(test_declaration(conf)) == 204
    assert api.put(activation(act, conf)) == 204
    api.base = "/strict"
    assert api.add(held, act) == 400
    assert api.get(f"set-declarations/{held}") == []
    assert api.add(held, conf) == 204
    assert api.add(held, act) == 204
    assert api.remove(held, conf) == 400
    assert api.get(f"set-declarations/{held}") == sorted([act, conf])
    assert api.remove(held, conf, force=1) == 204
    assert api.add(held, act, force=1) == 304


def lint(api, type_, payload, **more):
    """(code, path) of what is wrong with a payload."""
    answer = api.ask("PUT", "declarations", {
        "Identifier": str(uuid.uuid4()), "Type": f"com.apple.{type_}",
        "Payload": payload, **more}, check=1)
    assert (answer.status, answer.json["errors"]) == (200, [])
    return {(one["code"], one["path"].removeprefix("$.Payload."))
            for one in answer.json["warnings"]} - {
                ("not-activated", "$.Identifier")}


@pytest.mark.parametrize("type_, payload, wrong", (
    ("configuration.passcode.settings", {"MinimumLength": 6}, set()),
    ("configuration.passcode.settings", {"MinimumLength": 17},
     {("value-range", "MinimumLength")}),
    ("configuration.passcode.settings", {"MinimumLength": "6"},
     {("value-type", "MinimumLength")}),
    ("configuration.passcode.settings", {"MinimumLength": 6.5},
     {("value-type", "MinimumLength")}),
    ("configuration.passcode.settings", {"RequirePasscode": 1},
     {("value-type", "RequirePasscode")}),
    ("configuration.passcode.settings", {"minimumLength": 6},
     {("key-unknown", "minimumLength")}),
    ("configuration.management.test", {"Echo": "e", "ReturnStatus": "Fail"},
     {("value-range", "ReturnStatus")}),
    ("configuration.management.test",
     {"Echo": "e", "ReturnStatus": "Unlocked"}, set()),
    ("configuration.legacy", {}, {("key-missing", "ProfileURL")}),
    ("configuration.legacy", {"ProfileAssetReference": "none"},
     {("reference-missing", "ProfileAssetReference")}),
    ("configuration.package", {"ManifestURL": "http://x/"},
     {("url-insecure", "ManifestURL")}),
    ("configuration.account.exchange", {
        "EnabledProtocolTypes": [], "External Path": "a"}, set()),
    ("configuration.account.exchange", {
        "EnabledProtocolTypes": [], "ExternalPath": "a"}, set()),
    ("configuration.network.relay", {"AnyKey": 1}, set()),
    ("management.properties", {"any": {"key": [1]}}, set()),
    ("management.server-capabilities", {"Version": "1.0.0"},
     {("key-missing", "SupportedFeatures")})),
    ids=lambda value: value if isinstance(value, str) else "")
def test_V_the_table(api, type_, payload, wrong):
    assert lint(api, type_, payload) == wrong


def test_V_keys_beside_the_payload(api):
    asset = {"Reference": {"DataURL": "https://x/"}}
    none = {"Type": "None"}
    assert lint(api, "asset.data", asset, Authentication=none) == {
        ("key-unknown", "$.Authentication")}
    assert lint(api, "asset.data", {**asset, "Authentication": none},
                ServerToken="x", Note="any") == set()


def test_V_references_of_another_type(api):
    """Which types an asset may have is Apple's schema's to say."""
    asset = str(uuid.uuid4())
    assert api.put({"Identifier": asset, "Type": "com.apple.asset.data",
                    "Payload": {"Reference": {"DataURL": "https://x/"}}}
                   ) == 204
    assert lint(api, "configuration.security.identity",
                {"CredentialAssetReference": asset}) == {
                    ("reference-missing", "CredentialAssetReference")}
    assert lint(api, "configuration.services.configuration-files",
                {"ServiceType": "com.apple.sshd",
                 "DataAssetReference": asset}) == set()
    assert lint(api, "configuration.watch.enrollment", {
        "EnrollmentProfileURL": "https://x/",
        "AnchorCertificateAssetReferences": [asset, "none"]}) == {
            ("reference-missing", "AnchorCertificateAssetReferences[0]"),
            ("reference-missing", "AnchorCertificateAssetReferences[1]")}
