# SPDX-License-Identifier: Apache-2.0
"""Why a declaration is not active (DDM-W)."""

import uuid

import pytest

from declarations import (DeclarativeDevice, Declarations, activation,
                          test_declaration)


@pytest.fixture(scope="module")
def site(module_httpd):
    return module_httpd(extra_vhost="NanoMDMDeclarativeManagement builtin\n"
                        "NanoMDMDeclarativeManagementNotify none\n")


@pytest.fixture
def api(site):
    api = Declarations(site)
    yield api
    api.close()


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
