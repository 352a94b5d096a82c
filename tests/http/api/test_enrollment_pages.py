# SPDX-License-Identifier: Apache-2.0
"""GET /enrollments page by page, by cursor and by offset."""

import pytest

from device import Operator
from conftest import new_database
from tables import insert
from test_enrollments import (crowd, fill, found, query, walk)  # noqa: F401


# -- Pages ------------------------------------------------------------

def test_pages_hold_everybody_once(crowd):
    operator, db = crowd
    ids = [f"id-{n:03}" for n in range(250)]
    fill(db, ids)
    for limit in (3, 100, 249, 250, 251, 1000):
        assert walk(operator, limit) == ids


def test_pages_are_a_hundred_long_unless_told(crowd):
    operator, db = crowd
    fill(db, [f"id-{n:03}" for n in range(150)])
    assert len(found(operator)) == 100
    assert len(found(operator, "?limit=")) == 100


def test_the_last_page_has_no_cursor(crowd):
    operator, db = crowd
    fill(db, [f"id-{n:03}" for n in range(100)])
    assert "next_cursor" not in query(operator, "?limit=100").json
    assert "next_cursor" in query(operator, "?limit=99").json


def test_pages_are_stable_while_devices_come_and_go(crowd):
    operator, db = crowd
    ids = [f"m-{n:03}" for n in range(60)]
    fill(db, ids)
    turn = iter(range(1000))

    def change():
        n = next(turn)
        fill(db, [f"a-{n}"])                  # before every cursor
        db.execute("DELETE FROM enrollments WHERE id = %s", f"a-{n - 1}")
    walked = walk(operator, 7, change)
    assert [id_ for id_ in walked if id_.startswith("m-")] == ids
    assert len(walked) == len(set(walked))


def test_a_cursor_whose_device_is_gone_goes_on(crowd):
    operator, db = crowd
    fill(db, ["a", "b", "c", "d"])
    cursor = query(operator, "?limit=2").json["next_cursor"]
    for table in "enrollments", "devices":
        db.execute(f"DELETE FROM {table} WHERE id IN ('b', 'c')")
    assert found(operator, f"?cursor={cursor}") == ["d"]


def test_pages_of_one_name_and_of_several(crowd):
    operator, db = crowd
    devices = [f"d-{n:03}" for n in range(130)]
    fill(db, devices)
    for name in ("admin", "guest"):
        users = [(f"{id_}:{name}", id_) for id_ in devices]
        insert(db, "users", ("id", "device_id", "user_short_name"),
               [(*user, name) for user in users])
        insert(db, "enrollments",
               ("id", "device_id", "user_id", "type", "topic",
                "push_magic", "token_hex"),
               [(id_, device, id_, "User", "t", "m", "00")
                for id_, device in users])
    admins = [f"{id_}:admin" for id_ in devices]
    assert walk(operator, 50, user_short_names=["admin"]) == admins
    both = walk(operator, 33, user_short_names=["admin", "guest"])
    assert len(both) == 260 and len(set(both)) == 260
    assert walk(operator, 100, types=["Device"]) == devices
    assert walk(operator, 77, types=["User", "Device"]) \
        == sorted(admins + [f"{id_}:guest" for id_ in devices]) + devices
    assert walk(operator, 100, types=["User"], serials=["none"]) == []


def test_the_rare_are_found_at_once(crowd):
    """By an index: no page is empty before theirs."""
    operator, db = crowd
    fill(db, [f"m-{n:05}" for n in range(2400)])
    fill(db, ["z-rare"], "User Enrollment (Device)", enabled=False)
    assert found(operator, types=["User Enrollment (Device)"]) == ["z-rare"]
    assert found(operator, enabled=False) == ["z-rare"]
    assert walk(operator, 100, enabled=False) == ["z-rare"]


def test_what_no_index_has_is_found_in_bounded_steps(crowd):
    operator, db = crowd
    fill(db, [f"m-{n:05}" for n in range(2400)])
    fill(db, ["z-rare"], serial="RARE")
    insert(db, "users", ("id", "device_id", "user_short_name"),
           [("z-rare:u", "z-rare", "rare")])
    assert walk(operator, 100, serials=["RARE"]) == ["z-rare"]


def test_offset(crowd):
    operator, db = crowd
    ids = [f"id-{n:04}" for n in range(1250)]
    fill(db, ids)
    for offset in (0, 1, 99, 100, 1000, 1249, 1250, 9999):
        page = f"?limit=3&offset={offset}"
        assert found(operator, page) == ids[offset:offset + 3]
        assert found(operator, page, types=["Device"]) \
            == ids[offset:offset + 3]
        assert found(operator, page, serials=["x"]) == []


def test_offset_counts_what_passes(crowd):
    operator, db = crowd
    fill(db, [f"a-{n}" for n in range(5)])
    fill(db, [f"b-{n}" for n in range(5)], enabled=False)
    fill(db, [f"c-{n}" for n in range(5)], serial="S")
    assert found(operator, "?limit=2&offset=4", enabled=True) \
        == ["a-4", "c-0"]
    assert found(operator, "?limit=2&offset=3", serials=["S"]) \
        == ["c-3", "c-4"]


# -- By offset: mdmdirector ends at the first short page ---------------

FLEET = 5000
FILTERS = {
    "none": ({}, lambda i: True),
    "Device": ({"types": ["Device"]}, lambda i: i % 5),
    "two types": ({"types": ["User Enrollment (Device)", "Device"]}, None),
    "enabled": ({"enabled": True}, lambda i: i % 3),
    "disabled": ({"enabled": False}, lambda i: not i % 3),
    "serials": ({"serials": ["S-1", "S-2"]}, lambda i: i % 4 in (1, 2)),
    "rare": ({"serials": ["S-1"], "enabled": False},
             lambda i: i % 4 == 1 and not i % 3),
    "nobody": ({"serials": ["S-9"]}, lambda i: False),
}


@pytest.fixture(scope="module")
def fleet(module_httpd, db_server):
    """A server with 5000 enrollments: every fifth of another type, every
    third disabled, four serial numbers; and their ids."""
    server = module_httpd(new_database(db_server))
    operator = Operator(server)
    operator.version()
    ids = [f"d-{n:05}" for n in range(FLEET)]
    db = server.database
    for part in range(0, FLEET, 500):
        rows = range(part, part + 500)
        insert(db, "devices", ("id", "authenticate", "serial_number"),
               [(ids[i], "<?xml", f"S-{i % 4}") for i in rows])
        insert(db, "enrollments",
               ("id", "device_id", "type", "topic", "push_magic",
                "token_hex", "enabled"),
               [(ids[i], ids[i],
                 "Device" if i % 5 else "User Enrollment (Device)", "t",
                 "m", "00", bool(i % 3)) for i in rows])
    yield operator, ids
    operator.close()


def walk_by_offset(operator, limit, **filters):
    """As a client does that knows no cursor: to the first short page."""
    ids, page = [], None
    while page is None or len(page) == limit:
        page = found(operator, f"?limit={limit}&offset={len(ids)}",
                     **filters)
        ids += page
    return ids


@pytest.mark.parametrize("name, limit", [
    *((name, 500) for name in FILTERS),
    ("two types", 1000), ("enabled", 1000), ("rare", 77), ("Device", 319)])
def test_every_filter_by_offset(fleet, name, limit):
    operator, ids = fleet
    filters, passes = FILTERS[name]
    expected = [id_ for i, id_ in enumerate(ids) if passes and passes(i)]
    if not passes:                # one type after the other
        expected = ids[::5] + [id_ for i, id_ in enumerate(ids) if i % 5]
    got = walk_by_offset(operator, limit, **filters)
    assert sorted(got) == sorted(expected)
    assert got == walk(operator, limit, **filters)


def test_ids_by_offset(fleet):
    operator, ids = fleet
    some = ids[::7]
    assert walk_by_offset(operator, 100, ids=some) == some
    enabled = [id_ for id_ in some if int(id_[2:]) % 3]
    assert walk_by_offset(operator, 100, ids=some, enabled=True) == enabled


@pytest.mark.parametrize("filters", [{"types": ["Device"]}, {}])
def test_the_last_page_of_a_fleet(fleet, filters):
    operator, ids = fleet
    all_ = [id_ for i, id_ in enumerate(ids) if i % 5 or not filters]
    for offset in (1900, 2000, 2500, len(all_) - 300, len(all_),
                   len(all_) + 1, 10 ** 6):
        assert found(operator, f"?limit=500&offset={offset}", **filters) \
            == all_[offset:offset + 500]


def test_short_names_by_offset(crowd):
    """User channels, by name: also above 2000 examined."""
    operator, db = crowd
    ids = [f"u-{n:05}" for n in range(2600)]
    fill(db, ids)
    for part in range(0, len(ids), 500):
        channels = ids[part:part + 500]
        insert(db, "users", ("id", "device_id", "user_short_name"),
               [(f"{id_}:x", id_, "anne") for id_ in channels])
        insert(db, "enrollments",
               ("id", "device_id", "user_id", "type", "topic", "push_magic",
                "token_hex"),
               [(f"{id_}:x", id_, f"{id_}:x", "User", "t", "m", "00")
                for id_ in channels])
    assert walk_by_offset(operator, 500, user_short_names=["anne"]) \
        == [f"{id_}:x" for id_ in ids]
