# SPDX-License-Identifier: Apache-2.0
"""Declarations, sets and enrollments by the operator's API (DDM-A)."""

import concurrent.futures

import pytest

from declarations import Declarations, test_declaration

CONF = "NanoMDMDeclarativeManagement builtin\nAllowEncodedSlashes NoDecode\n"


@pytest.fixture(scope="module")
def site(module_httpd):
    return module_httpd(extra_vhost=CONF, children=2, threads=16)


def test_A1_upload_says_what_it_did(api, name):
    one = test_declaration(name())
    assert api.put(one) == 204
    assert api.put(one) == 304
    one["Payload"]["Echo"] = "changed"
    assert api.put(one) == 204


def test_A2_get_has_four_keys(api, name):
    one = test_declaration(name())
    api.put(one)
    got = api.declaration(one["Identifier"])
    token = got.pop("ServerToken")
    assert got == one
    assert 0 < len(token) <= 64


def test_A3_extra_keys_and_tokens_are_not_kept(api, name):
    one = {**test_declaration(name()), "ServerToken": "mine", "Extra": 1}
    api.put(one)
    got = api.declaration(one["Identifier"])
    assert got["ServerToken"] != "mine"
    assert "Extra" not in got


def test_A4_what_is_unknown(api, name):
    path = f"declarations/{name()}"
    for answer in (api.ask("GET", path), api.ask("POST", path + "/touch")):
        assert answer.status == 404
        assert answer.headers["Content-Type"] == "application/json"
        assert isinstance(answer.json["error"], str)
    assert api.ask("DELETE", path).status == 304


def test_A5_touch_changes_the_token_alone(api, name):
    one = test_declaration(name())
    api.put(one)
    before = api.declaration(one["Identifier"])
    assert api.touch(one["Identifier"]) == 204
    after = api.declaration(one["Identifier"])
    assert before.pop("ServerToken") != after.pop("ServerToken")
    assert before == after


def test_A6_sets_say_what_they_did(api, name):
    one, group = test_declaration(name()), name("set")
    api.put(one)
    assert api.add(group, one["Identifier"]) == 204
    assert api.add(group, one["Identifier"]) == 304
    assert api.get(f"set-declarations/{group}") == [one["Identifier"]]
    assert group in api.get("sets")
    assert api.remove(group, one["Identifier"]) == 204
    assert api.remove(group, one["Identifier"]) == 304
    assert group not in api.get("sets")


def test_A7_delete_of_what_is_in_a_set(api, name):
    one, group = test_declaration(name()), name("set")
    api.put(one)
    api.add(group, one["Identifier"])
    answer = api.ask("DELETE", f"declarations/{one['Identifier']}")
    assert answer.status == 409
    assert group in answer.json["error"]
    assert api.delete(one["Identifier"], force=1) == 204
    assert api.get(f"set-declarations/{group}") == []
    assert api.delete(one["Identifier"]) == 304


def test_A8_lists_of_nothing(api, name):
    assert api.get(f"set-declarations/{name()}") == []
    assert api.get(f"enrollment-sets/{name()}") == []
    assert api.get(f"declaration-sets/{name()}") == []


def test_A9_sets_of_nobody(api, name, site):
    nobody = name("NOBODY")
    assert api.assign(nobody, "a.set") == 204
    assert api.get(f"enrollment-sets/{nobody}") == ["a.set"]
    assert site.database.query(
        "SELECT COUNT(*) FROM enrollment_queue WHERE id = '%s'"
        % nobody)[0][0] == 0


@pytest.mark.parametrize("path", ("sets/", ""))
def test_A10_all_sets_of_an_enrollment(api, name, path):
    someone = name("E")
    api.assign(someone, "b", "a")
    assert api.get(f"enrollment-sets/{someone}") == ["a", "b"]
    assert api.ask("DELETE",
                   f"enrollment-sets-all/{path}{someone}").status == 204
    assert api.get(f"enrollment-sets/{someone}") == []
    assert api.ask("DELETE",
                   f"enrollment-sets-all/{path}{someone}").status == 304


@pytest.mark.parametrize("text", ("a b", "a+b", "ü%41", "x/y"))
def test_A11_identifiers_are_decoded_once(api, name, text):
    one = test_declaration(name()[:24] + text)
    assert api.put(one) == 204
    assert api.declaration(one["Identifier"])["Identifier"] \
        == one["Identifier"]
    assert api.touch(one["Identifier"]) == 204
    assert api.delete(one["Identifier"]) == 204
    assert api.delete(one["Identifier"]) == 304


@pytest.mark.parametrize("method, path, allowed", (
    ("POST", "declarations", {"GET", "HEAD", "PUT"}),
    ("GET", "notify", {"POST"}),
    ("PUT", "sets", {"GET", "HEAD"}),
    ("GET", "declarations/x/touch", {"POST"}),
    ("DELETE", "declarations/x/touch", {"POST"}),
    ("PUT", "declarations/x/summary", {"GET", "HEAD"}),
    ("DELETE", "declarations/x/enrollments", {"GET", "HEAD"})))
def test_A12_wrong_methods(api, method, path, allowed):
    answer = api.ask(method, path)
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == allowed
    assert answer.headers["Content-Type"] == "application/json"


def test_A12_an_identifier_may_end_like_a_call(api, name):
    for identifier in ("touch", name() + "/touch"):
        assert api.put(test_declaration(identifier)) == 204
        assert api.declaration(identifier)["Identifier"] == identifier
        assert api.touch(identifier) == 204
        assert api.delete(identifier) == 204


@pytest.mark.parametrize("method, path", (
    ("GET", "declarations"), ("PUT", "declarations"), ("GET", "sets"),
    ("POST", "notify?id=x"), ("DELETE", "declarations/x"),
    ("GET", "tokens"), ("PUT", "status")))
def test_A13_without_credentials(api, site, method, path):
    before = api.get("declarations")
    answer = api.raw(method, f"/v1/{path}", b"{}" if method == "PUT"
                     else None)
    assert answer.status == 401
    assert api.get("declarations") == before


def test_A14_the_content_type_does_not_matter(api, name):
    one = test_declaration(name())
    answer = api.ask("PUT", "declarations", one, headers={
        "Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 204
    assert api.declaration(one["Identifier"])["Payload"] == one["Payload"]


def test_A16_many_at_once(api, name, site):
    mark = name()[:12]
    names = [f"{mark}.{i:03}" for i in range(200)]
    sets = [f"{mark}.set{i}" for i in range(10)]

    def upload(k):
        with_own = Declarations(site)
        statuses = []
        for i in range(k, 200, 8):
            statuses.append(with_own.put(test_declaration(names[i])))
            for j in (i % 10, (i + 3) % 10):
                statuses.append(with_own.add(sets[j], names[i]))
        with_own.close()
        return statuses

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for statuses in pool.map(upload, range(8)):
            assert set(statuses) == {204}
    for j in range(10):
        expected = [names[i] for i in range(200)
                    if j in (i % 10, (i + 3) % 10)]
        assert api.get(f"set-declarations/{sets[j]}") == expected
    for i in (0, 57, 199):
        assert api.get(f"declaration-sets/{names[i]}") == sorted(
            {sets[i % 10], sets[(i + 3) % 10]})


def test_lists_have_pages(api, name):
    mark = name()[:12]
    for i in range(5):
        api.put(test_declaration(f"{mark}.{i}"))
    page = api.get("declarations", after=f"{mark}.1", limit=2)
    assert page == [f"{mark}.2", f"{mark}.3"]


def test_many_enrollments_of_a_set(api, name):
    group, ids = name("set"), [f"E{i:05}" for i in range(2500)]
    answer = api.ask("PUT", f"set-enrollments/{group}", {"ids": ids})
    assert (answer.status, answer.json) == (200, {"changed": 2500})
    answer = api.ask("PUT", f"set-enrollments/{group}", {"ids": ids[:7]})
    assert answer.json == {"changed": 0}
    assert api.get(f"set-enrollments/{group}", limit=3) == ids[:3]
    assert api.get(f"set-enrollments/{group}", after=ids[9],
                   limit=2) == ids[10:12]
    answer = api.ask("DELETE", f"set-enrollments/{group}", {"ids": ids})
    assert answer.json == {"changed": 2500}
    assert api.get(f"set-enrollments/{group}") == []


@pytest.mark.parametrize("path, status", (
    ("set-declarations/s", 400), ("set-declarations/s?declaration=", 400),
    ("set-declarations/s?declaration=unknown.one", 404),
    ("enrollment-sets/e", 400)))
def test_parameters_that_are_missing(api, path, status):
    answer = api.ask("PUT", path)
    assert answer.status == status
    assert answer.json["error"]


def test_head_works_where_get_does(api):
    answer = api.ask("HEAD", "sets")
    assert (answer.status, answer.body) == (200, b"")
