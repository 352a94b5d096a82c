# SPDX-License-Identifier: Apache-2.0
"""Why a declaration is not active (DDM-W)."""

import uuid

import pytest

from declarations import DeclarativeDevice, activation, test_declaration


@pytest.fixture(scope="module")
def site(module_httpd):
    return module_httpd(extra_vhost="NanoMDMDeclarativeManagement builtin\n"
                        "NanoMDMDeclarativeManagementNotify none\n")


@pytest.fixture
def mac(site, ca):
    mac = DeclarativeDevice(site, ca.issue())
    yield mac
    mac.close()


def test_W1_from_unknown_to_active(api, mac):
    conf, act = f"c.{uuid.uuid4()}", f"a.{uuid.uuid4()}"
    group, other = f"s.{uuid.uuid4()}", f"o.{uuid.uuid4()}"

    def verdict():
        answer = api.why(mac.id, conf)
        assert answer["text"] and answer["checks"][0]["detail"]
        first, *others = answer["checks"]
        assert (first["check"], first["ok"]) == (
            answer["verdict"], answer["verdict"] == "active")
        assert all(one["ok"] for one in others)
        assert answer["verdict"] not in [one["check"] for one in others]
        return answer["verdict"]
    assert verdict() == "not-enrolled"
    mac.enroll()
    assert verdict() == "unknown"
    api.put(test_declaration(conf))
    assert verdict() == "not-assigned"
    api.add(group, conf)
    api.assign(mac.id, group)
    assert verdict() == "not-activated"
    api.put(activation(act, conf, "not.there"))
    api.add(other, act)
    assert verdict() == "not-activated"             # DDM-W3
    api.add(group, act)
    assert verdict() == "incomplete"
    api.put(activation(act, conf))
    assert verdict() == "waiting"
    mac.status(StatusItems={"management": {"declarations": {
        "configurations": [{
            "identifier": conf, "active": False, "valid": "unknown",
            "server-token": api.declaration(conf)["ServerToken"],
            "reasons": [{"code": "Info.NotReferencedByActivation"}]}]}}})
    assert verdict() == "waiting"                   # DDM-W2
    mac.status(StatusItems={"management": {"declarations": {
        "configurations": []}}})
    mac.items()
    assert verdict() == "fetched"
    mac.sync()
    assert verdict() == "active"
    api.touch(conf)
    mac.items()
    assert verdict() == "outdated"
    api.unassign(mac.id, group)
    assert verdict() == "still-reported"
    mac.checkout()
    assert verdict() == "disabled"


@pytest.mark.parametrize("state, verdict", (
    ({"active": False, "valid": "invalid",
      "reasons": [{"code": "Error.UnknownPayloadKeys"}]}, "invalid"),
    ({"active": False, "valid": "valid",
      "reasons": [{"code": "Info.Predicate"}]}, "predicate-false"),
    ({"active": False, "valid": "unknown"}, "inactive")))
def test_W1_what_the_device_says(api, mac, state, verdict):
    conf, act, group = (f"{x}.{uuid.uuid4()}" for x in "cas")
    mac.enroll()
    api.put(test_declaration(conf))
    api.put(activation(act, conf))
    api.add(group, conf, act)
    api.assign(mac.id, group)
    mac.items()
    mac.status(StatusItems={"management": {"declarations": {
        "configurations": [{
            "identifier": conf, **state,
            "server-token": api.declaration(conf)["ServerToken"]}]}}})
    assert api.why(mac.id, conf)["verdict"] == verdict
    verdicts = {one["declaration"]: one["verdict"]
                for one in api.get(f"declaration-why/{mac.id}")}
    assert verdicts[conf] == verdict and act in verdicts


def test_W_a_false_predicate_is_shown_with_its_values(api, mac):
    conf, act, props, group = (f"{x}.{uuid.uuid4()}" for x in "caps")
    mac.enroll()
    api.put(test_declaration(conf))
    one = activation(act, conf)
    one["Payload"]["Predicate"] = (
        "@status(device.model.family) == 'iPad'"
        " OR @property(building) == 7 OR @status(mdm.push-magic) == 'x'")
    api.put(one)
    api.put({"Identifier": props, "Type": "com.apple.management.properties",
             "Payload": {"building": 8}})
    api.add(group, conf, act, props)
    api.assign(mac.id, group)
    mac.items()
    mac.status(StatusItems={
        "device": {"model": {"family": "Mac"}}, "mdm": {"push-magic": "SEC"},
        "management": {"declarations": {
            "configurations": [{
                "identifier": conf, "active": False, "valid": "unknown",
                "server-token": api.declaration(conf)["ServerToken"]}],
            "activations": [{
                "identifier": act, "active": False, "valid": "valid",
                "reasons": [{"code": "Info.Predicate"}],
                "server-token": api.declaration(act)["ServerToken"]}]}}})
    for name in (conf, act):
        answer = api.why(mac.id, name)
        assert answer["verdict"] == "predicate-false"
        detail = answer["checks"][0]["detail"]
        assert detail.startswith(f"{act}: @status(device.model.family)")
        assert "device.model.family is Mac" in detail
        assert '{"building":8}' in detail
        assert "SEC" not in detail


def test_W2_and_W3_in_the_list_of_all(api, mac, site, ca):
    """Without `declaration` the verdicts are the same, in both enrollments;
    an activation in the sets of another is none."""
    conf, act, group, other = (f"{x}.{uuid.uuid4()}" for x in "caso")
    neighbor = DeclarativeDevice(site, ca.issue()).enroll()
    mac.enroll()
    api.put(test_declaration(conf))
    api.put(activation(act, conf))
    api.add(group, conf)
    api.add(other, conf, act)
    api.assign(mac.id, group)
    api.assign(neighbor.id, other)

    def verdicts(id_):
        return {one["declaration"]: one["verdict"]
                for one in api.get(f"declaration-why/{id_}")}
    assert verdicts(mac.id) == {conf: "not-activated"}
    assert verdicts(neighbor.id) == {conf: "waiting", act: "waiting"}
    neighbor.status(StatusItems={"management": {"declarations": {
        "configurations": [{
            "identifier": conf, "active": False, "valid": "unknown",
            "server-token": api.declaration(conf)["ServerToken"],
            "reasons": [{"code": "Info.NotReferencedByActivation"}]}]}}})
    assert verdicts(neighbor.id)[conf] == "waiting"
    neighbor.sync()
    assert set(verdicts(neighbor.id).values()) == {"active"}
    api.unassign(neighbor.id, other)
    assert set(verdicts(neighbor.id).values()) == {"still-reported"}
    neighbor.close()
