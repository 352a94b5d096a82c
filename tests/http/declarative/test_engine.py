# SPDX-License-Identifier: Apache-2.0
"""What devices are answered, tokens, and the command (DDM-D, T, N, E)."""

import json

import pytest

from declarations import (DeclarativeDevice, Declarations, activation,
                          test_declaration)
from device import command
from system import wait_until

CONF = """\
NanoMDMDeclarativeManagement builtin
NanoMDMDeclarativeManagementNotify all window=0
<Location "/shard">
    SetHandler nanomdm
    NanoMDMDeclarativeManagementShard On
</Location>
<Location "/clear">
    SetHandler nanomdm
    NanoMDMDeclarativeManagementReenroll clear
</Location>
<Location "/sets">
    SetHandler nanomdm
    NanoMDMDeclarativeManagementSets first second
</Location>
"""


@pytest.fixture(scope="module")
def site(module_httpd):
    return module_httpd(extra_vhost=CONF, children=2, threads=16)


@pytest.fixture(autouse=True)
def no_push_certificate(expect_log):
    """Commands wait all the same (DDM-N7)."""
    expect_log("NMDM0916", optional=True)


@pytest.fixture
def engine(site, ca):
    """engine(**options): an enrolled device with an engine."""
    made = []

    def make(enroll=True, **options):
        device = DeclarativeDevice(site, ca.issue(), **options)
        made.append(device)
        return device.enroll() if enroll else device
    yield make
    for device in made:
        device.close()


@pytest.fixture
def filled(api, name):
    """A set with a configuration and its activation: (set, names)."""
    group = name("set")
    conf, act = name("conf"), name("act")
    api.put(test_declaration(conf))
    api.put(activation(act, conf))
    api.add(group, conf, act)
    return group, conf, act


def waiting(site, device_id):
    """How many DeclarativeManagement commands wait."""
    return int(site.database.query(
        "SELECT COUNT(*) FROM enrollment_queue q JOIN commands c"
        " ON c.command_uuid = q.command_uuid WHERE q.id = '%s' AND q.active"
        " = TRUE AND q.answered = FALSE AND c.request_type ="
        " 'DeclarativeManagement'" % device_id)[0][0])


def is_told(site):
    """The worker deletes a change in the transaction that queues the last
    command for it."""
    return not int(site.database.query(
        "SELECT COUNT(*) FROM nanomdm_dd_changes")[0][0])


def settled(site, device_id, number=1):
    """Wait until so many wait, and a moment more."""
    wait_until(lambda: waiting(site, device_id) >= number, seconds=10)
    wait_until(lambda: is_told(site), seconds=15)
    return waiting(site, device_id)


# -- devices (DDM-D) ------------------------------------------------------

def test_D1_without_sets(engine):
    one, other = engine(), engine()
    items = one.items()
    assert items["Declarations"] == {
        "Activations": [], "Assets": [], "Configurations": [],
        "Management": []}
    assert items["DeclarationsToken"] == one.tokens() == other.tokens()


def test_D2_each_kind_in_its_array(api, engine, name):
    mac, group = engine(), name("set")
    types = {"Activations": "com.apple.activation.simple",
             "Assets": "com.apple.asset.useridentity",
             "Configurations": "com.apple.configuration.management.test",
             "Management": "com.apple.management.organization-info"}
    names = {}
    for kind, type_ in types.items():
        names[kind] = name(kind)
        api.put({"Identifier": names[kind], "Type": type_,
                 "Payload": {"Name": "x"}})
        api.add(group, names[kind])
    api.assign(mac.id, group)
    items = mac.items()["Declarations"]
    for kind, identifier in names.items():
        stored = api.declaration(identifier)
        assert items[kind] == [{"Identifier": identifier,
                                "ServerToken": stored["ServerToken"]}]
        path = kind.lower() if kind == "Management" else kind.lower()[:-1]
        fetched = mac.endpoint(f"declaration/{path}/{identifier}")
        assert fetched.json == stored


def test_D3_what_is_not_there(api, engine, filled):
    mac = engine()
    group, conf, _ = filled
    api.assign(mac.id, group)
    assert mac.endpoint(f"declaration/configuration/{conf}").status == 200
    for path in (f"activation/{conf}", f"asset/{conf}", f"management/{conf}",
                 f"unknown/{conf}", f"Configuration/{conf}",
                 "configuration/unknown"):
        assert mac.endpoint(f"declaration/{path}").status == 404


def test_D4_what_is_not_its_own(engine, filled):
    assert engine().endpoint(
        f"declaration/configuration/{filled[1]}").status == 404


def test_D5_taken_away_between_items_and_fetch(api, engine, filled, site):
    mac = engine()
    group, conf, _ = filled
    api.assign(mac.id, group)
    settled(site, mac.id)
    mac.poll()
    mac.items()
    api.remove(group, conf)
    assert mac.endpoint(f"declaration/configuration/{conf}").status == 404
    assert settled(site, mac.id) == 1


def test_D6_changed_between_items_and_fetch(api, engine, filled):
    mac = engine()
    group, conf, _ = filled
    api.assign(mac.id, group)
    mac.items()
    api.put(test_declaration(conf, "new"))
    fetched = mac.endpoint(f"declaration/configuration/{conf}").json
    assert fetched == api.declaration(conf)
    assert fetched["Payload"] == {"Echo": "new"}


def test_D7_data_with_tokens_is_ignored(engine):
    mac = engine()
    assert mac.endpoint("tokens", b"{").status == 200


@pytest.mark.parametrize("data", (None, b"", b"{", b"[]", b'{"a":"\xff"}'))
def test_D8_reports_that_are_none(engine, data, site):
    mac = engine()
    assert mac.endpoint("status", data).status == 400
    assert site.database.query(
        "SELECT COUNT(*) FROM nanomdm_dd_reports WHERE id = '%s'"
        % mac.id)[0][0] in (0, "0")


def test_D9_a_user_has_sets_of_his_own(api, engine, filled):
    mac = engine()
    alice = mac.user().enroll()
    api.assign(mac.id, filled[0])
    assert alice.items()["Declarations"]["Configurations"] == []
    assert alice.tokens() != mac.tokens()
    api.assign(alice.id, filled[0])
    assert alice.tokens() == mac.tokens()
    alice.close()


@pytest.mark.parametrize("endpoint", (
    "", "tokens/", "Tokens", "declaration/x", "declaration/configuration/",
    "../tokens", "declaration/../tokens", "./tokens", "x", "/tokens"))
def test_D_other_endpoints(engine, endpoint):
    assert engine().endpoint(endpoint).status == 400


def test_D_identifiers_as_they_are_and_decoded_once(api, engine, name):
    mac, group = engine(), name("set")
    plain, odd = name("a b"), name("%41")
    for identifier in (plain, odd):
        api.put(test_declaration(identifier))
        api.add(group, identifier)
    api.assign(mac.id, group)
    for path in (plain, plain.replace(" ", "%20"), odd):
        answer = mac.endpoint(f"declaration/configuration/{path}")
        assert answer.status == 200
        assert answer.json["Identifier"] in (plain, odd)


# -- tokens (DDM-T) -------------------------------------------------------

def test_T1_one_token_for_the_same(api, engine, name, site):
    mac = engine()
    sets = [name("set") for _ in range(3)]
    for i in range(10):
        one = test_declaration(name(), str(i))
        api.put(one)
        api.add(sets[i % 3], one["Identifier"])
    api.assign(mac.id, *sets)
    tokens = set()
    for _ in range(30):
        other = DeclarativeDevice(site, mac.identity, udid=mac.udid)
        tokens.add(other.tokens())
        tokens.add(other.items()["DeclarationsToken"])
        other.close()
    assert len(tokens) == 1


def test_T1_a_restart_changes_no_token(api, engine, filled, site):
    mac = engine()
    api.assign(mac.id, filled[0])
    before = mac.tokens()
    mac.close()
    api.close()
    site.restart()
    assert mac.tokens() == before


def test_T2_the_order_of_uploads_does_not_matter(httpd, fresh_db, ca, name):
    names = [name() for _ in range(6)]
    results = []
    for order in (names, names[::-1]):
        server = httpd(fresh_db(), extra_vhost=CONF)
        api = Declarations(server)
        for identifier in order:
            api.put(test_declaration(identifier, identifier))
            api.add("s", identifier)
        mac = DeclarativeDevice(server, ca.issue()).enroll()
        api.assign(mac.id, "s")
        results.append(mac.items())
        mac.close()
        api.close()
    assert results[0] == results[1]


def test_T3_what_is_undone_is_undone(api, engine, filled):
    mac = engine()
    api.assign(mac.id, filled[0])
    token, one = mac.tokens(), api.declaration(filled[1])
    api.put(test_declaration(filled[1], "other"))
    assert mac.tokens() != token
    assert api.declaration(filled[1])["ServerToken"] != one["ServerToken"]
    api.put(test_declaration(filled[1]))
    assert mac.tokens() == token
    assert api.declaration(filled[1]) == one


def test_T4_each_touch_is_new(api, filled):
    tokens = set()
    for _ in range(100):
        api.touch(filled[1])
        tokens.add(api.declaration(filled[1])["ServerToken"])
    assert len(tokens) == 100


def test_T5_what_is_foreign_changes_nothing(api, engine, filled, name):
    mac = engine()
    api.assign(mac.id, filled[0])
    token = mac.tokens()
    other = test_declaration(name())
    api.put(other)
    api.put(test_declaration(other["Identifier"], "changed"))
    api.add(name("set"), other["Identifier"])
    assert mac.tokens() == token


def test_T6_another_order_of_keys_is_no_change(api, filled):
    before = api.declaration(filled[1])
    text = (' {\n"Payload" : {"Echo":\t"hello"} , "Type": "%s",'
            '"Identifier":"%s"}\n' % (before["Type"], filled[1]))
    assert api.put(text.encode()) == 304
    assert api.declaration(filled[1]) == before


def test_T8_deleted_and_uploaded_again(api, filled):
    before = api.declaration(filled[1])
    api.delete(filled[1], force=1)
    api.put(test_declaration(filled[1]))
    assert api.declaration(filled[1]) == before


# -- the command (DDM-N) --------------------------------------------------

def test_N1_a_change_makes_one_command(api, engine, filled, site):
    mac = engine()
    group, conf, _ = filled
    api.assign(mac.id, group)
    assert settled(site, mac.id) == 1
    assert mac.poll() == 1
    api.put(test_declaration(conf, "changed"))
    assert settled(site, mac.id) == 1
    assert mac.poll() == 1
    data = json.loads(mac.commands[-1]["Command"]["Data"])
    assert data["SyncTokens"]["DeclarationsToken"] == mac.tokens()
    assert mac.declarations[conf]["Payload"] == {"Echo": "changed"}


def test_N3_one_waits_for_any_number_of_changes(api, engine, filled, site):
    mac = engine()
    group, conf, _ = filled
    api.assign(mac.id, group)
    settled(site, mac.id)
    for i in range(5):
        api.put(test_declaration(conf, str(i)))
    assert settled(site, mac.id) == 1
    answer = mac.idle()
    data = json.loads(answer.plist["Command"]["Data"])
    assert data["SyncTokens"]["DeclarationsToken"] == mac.tokens()


def test_N4_after_not_now_it_has_new_data(api, engine, filled, site):
    mac = engine()
    group, conf, _ = filled
    api.assign(mac.id, group)
    settled(site, mac.id)
    first = mac.idle().plist
    mac.not_now(first["CommandUUID"])
    api.put(test_declaration(conf, "later"))
    assert settled(site, mac.id) == 1
    second = mac.idle().plist
    assert second["CommandUUID"] == first["CommandUUID"]
    token = json.loads(
        second["Command"]["Data"])["SyncTokens"]["DeclarationsToken"]
    assert token == mac.tokens()


def test_N_a_change_after_delivery_makes_another(api, engine, filled, site):
    mac = engine()
    group, conf, _ = filled
    api.assign(mac.id, group)
    settled(site, mac.id)
    first = mac.idle().plist
    api.put(test_declaration(conf, "later"))
    assert settled(site, mac.id, 2) == 2
    answer = mac.acknowledge(first["CommandUUID"])
    assert answer.plist["CommandUUID"] != first["CommandUUID"]


def test_N_a_command_with_data_is_delivered_as_it_is(engine, site, operator):
    mac = engine()
    uuid_, plist = command("DeclarativeManagement", Data=b"{}")
    Declarations(site).enqueue(mac.id, plist)
    assert mac.idle().plist["Command"]["Data"] == b"{}"


def test_N_an_operators_command_without_data_gets_it(engine, site):
    mac = engine()
    uuid_, plist = command("DeclarativeManagement",
                           RequestRequiresNetworkTether=False)
    Declarations(site).enqueue(mac.id, plist)
    got = mac.idle().plist["Command"]
    assert json.loads(got["Data"])["SyncTokens"]["DeclarationsToken"] \
        == mac.tokens()
    assert got["RequestRequiresNetworkTether"] is False


def test_N5_a_set_of_many(api, engine, filled, site):
    macs = [engine() for _ in range(12)]
    group, conf, _ = filled
    for mac in macs:
        api.assign(mac.id, group, nonotify=1)
    api.put(test_declaration(conf, "changed"))
    for mac in macs:
        assert settled(site, mac.id) == 1
        assert mac.poll() == 1
        assert mac.declarations[conf]["Payload"] == {"Echo": "changed"}
    uuids = {mac.commands[0]["CommandUUID"] for mac in macs}
    assert len(uuids) == 1


def test_N8_nonotify_and_notify(api, engine, filled, site):
    mac = engine()
    group, conf, _ = filled
    api.assign(mac.id, group, nonotify=1)
    api.put(test_declaration(conf, "changed"), nonotify="yes")
    assert is_told(site)
    assert waiting(site, mac.id) == 0
    assert api.notify(set=group) == 204
    assert settled(site, mac.id) == 1


def test_N9_notify_of_ids(api, engine, site):
    mac = engine()
    assert api.notify(id=["unknown", mac.id, mac.id]) == 204
    assert settled(site, mac.id) == 1
    assert api.notify() == 400


@pytest.mark.parametrize("value, notifies", (
    ("", True), ("0", True), ("False", True), ("NO", True), ("off", True),
    ("1", False), ("x", False), ("true", False)))
def test_A15_nonotify(api, engine, filled, site, value, notifies):
    mac = engine()
    api.assign(mac.id, filled[0], nonotify=value)
    if notifies:
        assert settled(site, mac.id) == 1
    else:
        assert is_told(site)
        assert waiting(site, mac.id) == 0


def test_N11_the_shard_is_everywhere(api, engine, site):
    mac = engine(enroll=False)
    mac.path = "/shard"
    mac.enroll()
    api.notify(id=mac.id)
    settled(site, mac.id)
    data = json.loads(mac.idle().plist["Command"]["Data"])
    items = mac.items()
    assert data["SyncTokens"]["DeclarationsToken"] == mac.tokens() \
        == items["DeclarationsToken"]
    shard, = items["Declarations"]["Management"]
    fetched = mac.endpoint("declaration/management/"
                           + shard["Identifier"]).json
    n = fetched["Payload"]["shard"]
    assert fetched["ServerToken"] == shard["ServerToken"] \
        == f"shard={n};version=1"
    value = 2166136261
    for byte in mac.id.encode():
        value = value * 16777619 % 2 ** 32 ^ byte
    assert n == value % 101


# -- the life of an enrollment (DDM-E) ------------------------------------

def test_E1_a_device_that_enrolls_anew(api, engine, filled, site):
    mac = engine()
    api.assign(mac.id, filled[0])
    settled(site, mac.id)
    mac.poll()
    assert api.states(mac.id)
    mac.taken = None
    mac.enroll()
    assert api.get(f"enrollment-sets/{mac.id}") == [filled[0]]
    assert api.states(mac.id) == {}
    assert settled(site, mac.id) == 1


def test_E2_sets_before_it_ever_enrolled(api, engine, filled, site):
    mac = engine(enroll=False)
    api.assign(mac.id, filled[0])
    settled(site, mac.id, 0)
    mac.enroll()
    assert mac.poll() == 1
    assert settled(site, mac.id, 0) == 0
    assert filled[1] in mac.declarations


def test_E3_a_further_token_update(api, engine, filled, site):
    mac = engine()
    api.assign(mac.id, filled[0])
    settled(site, mac.id)
    mac.poll()
    mac.token_update()
    assert settled(site, mac.id, 0) == 0


def test_E4_reenroll_clear(api, engine, filled, site):
    mac = engine(enroll=False)
    mac.path = "/clear"
    mac.enroll()
    api.assign(mac.id, filled[0])
    settled(site, mac.id)
    mac.enroll()
    assert api.get(f"enrollment-sets/{mac.id}") == []
    assert settled(site, mac.id, 0) == 0


def test_E5_after_check_out(api, engine, filled, site):
    mac = engine()
    api.assign(mac.id, filled[0])
    settled(site, mac.id)
    mac.poll()
    assert api.states(mac.id)
    mac.checkout()
    assert api.states(mac.id) == {}
    before = waiting(site, mac.id)
    api.put(test_declaration(filled[1], "changed"))
    assert settled(site, mac.id, 0) == before
    assert api.get(f"enrollment-sets/{mac.id}") == [filled[0]]


def test_E6_a_full_report_of_something_else(api, engine, filled, site):
    mac = engine()
    api.assign(mac.id, filled[0])
    settled(site, mac.id)
    mac.poll()
    states = mac.states()
    states["configurations"][0]["server-token"] = "old"
    for _ in range(2):
        mac.status(FullReport=True, StatusItems={
            "management": {"declarations": states}})
    assert settled(site, mac.id) == 1
    mac.taken = None
    mac.poll()
    mac.status(FullReport=True, StatusItems={
        "management": {"declarations": states}})
    assert settled(site, mac.id, 0) == 0


def test_9_1_the_usual_order_brings_no_second_command(api, engine, filled,
                                                      site):
    mac = engine()
    api.assign(mac.id, filled[0])
    settled(site, mac.id)
    uuid_ = mac.idle().plist["CommandUUID"]
    assert not mac.acknowledge(uuid_).body
    mac.status(FullReport=True, StatusItems={"management": {
        "client-capabilities": {"supported-versions": ["1.0.0"]}}})
    assert settled(site, mac.id, 0) == 0
    mac.sync()
    assert settled(site, mac.id, 0) == 0


def test_sets_of_a_new_enrollment(api, engine):
    mac = engine(enroll=False)
    mac.path = "/sets"
    mac.enroll()
    assert api.get(f"enrollment-sets/{mac.id}") == ["first", "second"]


def test_the_whole_way(api, engine, filled, site):
    """Assigned, active, changed, removed."""
    mac = engine()
    group, conf, act = filled
    api.assign(mac.id, group)
    settled(site, mac.id)
    mac.poll()
    states = api.states(mac.id)
    assert states[conf]["active"] and states[conf]["current"]
    api.put(test_declaration(conf, "changed"))
    assert not api.states(mac.id)[conf]["current"]
    settled(site, mac.id)
    mac.poll()
    assert api.states(mac.id)[conf]["current"]
    api.unassign(mac.id, group)
    settled(site, mac.id)
    mac.poll()
    assert mac.declarations == {}
    assert api.states(mac.id) == {}
