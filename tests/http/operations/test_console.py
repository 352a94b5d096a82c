# SPDX-License-Identifier: Apache-2.0
"""What the status page asks the tables, on each database: lists, search, why
a device waits, webhooks."""

import html
import re
import sys

import pytest

import ca as certs
from device import Operator, command
from receiver import Answer, Receiver
from status_site import STATUS, page, watched  # noqa: F401
from system import ROOT, wait_until
from tables import forget, insert
from test_enrollments import found, walk as walk_api

sys.path.insert(0, str(ROOT / "tests/bench"))
from world import Filler  # noqa: E402


# -- Lists and search --------------------------------------------------

def ids_of(text):
    return re.findall(r'<tr><td><a href="\?id=[^"]*">([^<]*)</a>', text)


def walk(operator, query):
    """All pages."""
    found, pages = [], 0
    while query:
        text = page(operator, query)
        found += ids_of(text)
        pages += 1
        query = re.search(r'<a href="([^"]*)" rel="next"', text)
        query = query and html.unescape(query[1])
    return found, pages


def add_enrollments(db, ids, enabled=lambda id_: True):
    insert(db, "enrollments", ("id", "device_id", "type", "topic",
                               "push_magic", "token_hex", "enabled"),
           [(id_, id_, "Device", "t", "m", "ff", enabled(id_))
            for id_ in ids])


def test_list_is_paged_and_filtered(watched, device):
    server, operator = watched
    mac = device(server).enroll()
    every = [f"M{number:03}" for number in range(120)]
    insert(server.database, "devices",
           ("id", "authenticate", "token_update", "serial_number"),
           [(id_, "<plist/>", "<plist/>", f"SER{id_}") for id_ in every])
    add_enrollments(server.database, every[:110], lambda id_: id_ >= "M060")
    everything, pages = walk(operator, "?devices=1")
    assert pages == 3 and everything == sorted([mac.id, *every[:110]])
    off, _ = walk(operator, "?devices=1&state=disabled")
    assert off == every[:60]
    on, _ = walk(operator, "?devices=1&state=enabled&type=Device")
    assert set(on) == {mac.id, *every[60:110]} and len(on) == 51
    assert walk(operator, "?devices=1&type=User")[0] == []
    begun, _ = walk(operator, "?devices=1&state=pending")
    assert begun == every[110:]
    for asked in "SERM115", "serm115", "M115", "m115":
        assert "<h1>M115</h1>" in page(operator, f"?q={asked}"), asked


@pytest.mark.parametrize("version", [5, 6])
def test_few_among_many_are_found(watched, version, expect_log, httpd,
                                  db_server):
    """The pending and the disabled behind more than a page looks at: at once
    where indexes have them, a part at a time where a database lacks these."""
    server, operator = watched
    db = server.database
    every = [f"M{number:04}" for number in range(2500)]
    insert(db, "devices", ("id", "authenticate"),
           [(id_, "<plist/>") for id_ in ["N1", *every]])
    db.execute("UPDATE devices SET token_update_at = CURRENT_TIMESTAMP"
               " WHERE id <> 'N1'")
    add_enrollments(db, every, lambda id_: id_ not in ("M2200", "M2400"))
    db.execute("UPDATE enrollments SET type = 'Shared iPad'"
               " WHERE id = 'M2400'")
    if version == 5:
        of = " ON {}" if db_server.kind == "mysql" else ""
        db.execute("DROP INDEX idx_device_begun" + of.format("devices"))
        db.execute("DROP INDEX idx_enrollment_disabled"
                   + of.format("enrollments"))
        db.execute("UPDATE nanomdm_schema SET version = 5 WHERE version = 7")
        expect_log("NMDM0804", "lists of pending and of disabled ones")
        expect_log("NMDM0805", optional=True)
        server = httpd(db, extra_vhost=STATUS,
                       extra_server="NanoMDMSchema check")
        operator = Operator(server)
    pages = 1 if version == 6 else 2
    disabled = "?devices=1&state=disabled"
    assert walk(operator, disabled) == (["M2200", "M2400"], pages)
    assert walk(operator, disabled + "&type=Device") == (["M2200"], pages)
    assert walk(operator, "?devices=1&state=pending") == (["N1"], 1)
    server.graceful()           # figures are 30 seconds old at most
    assert operator.raw("GET", "/status?json").json[
        "pending_enrollments"] == {"number": 1, "or_more": False}
    if version == 6:
        assert found(operator, enabled=False) == ["M2200", "M2400", "N1"]
        assert found(operator, enabled=False, types=["Device"]) == ["M2200"]
    assert walk_api(operator, 1000, enabled=False) == ["M2200", "M2400", "N1"]
    assert walk_api(operator, 1000, enabled=False,
                    types=["Device", "Shared iPad"]) == ["M2200", "M2400"]


MANY = 40000
LISTS = ("?devices=1", "?devices=1&after=0BE7C400-0000-4000-8000-000000039000",
         "?devices=1&type=Device", "?devices=1&type=User",
         "?devices=1&state=disabled", "?devices=1&state=disabled&type=Device",
         "?devices=1&state=pending", "?q=SER000020000", "?q=0BE7C400",
         "?q=0be7c400-0000-4000-8000-000000000005", "?q=nothing-at-all",
         "?id=0BE7C400-0000-4000-8000-000000000005")


def rows_read(db):
    """So far; backends of PostgreSQL say it when they end."""
    if db.kind == "mysql":
        return sum(int(value) for _, value in db.query(
            "SHOW GLOBAL STATUS LIKE 'Handler_read%'"))
    others = ("SELECT 1 FROM pg_stat_activity WHERE datname ="
              " current_database() AND pid <> pg_backend_pid()")
    assert wait_until(lambda: not db.query(others), seconds=20)
    (number,), = db.query("SELECT SUM(seq_tup_read + COALESCE(idx_tup_fetch,"
                          " 0)) FROM pg_stat_user_tables")
    return int(number)


@pytest.mark.parametrize("analyzed", [False, True], ids=["fresh", "analyzed"])
def test_lists_read_few_rows(httpd, fresh_db, db_server, analyzed):
    """MariaDB, whether it knows how many rows there are or not."""
    if db_server.kind == "sqlite3":
        pytest.skip("tests/unit/db/test_statements.c has its plans")
    if db_server.kind == "pgsql" and not analyzed:
        pytest.skip("autovacuum analyzes tables when many rows have come")
    db = fresh_db()
    server = httpd(db, extra_vhost=STATUS)
    filler = Filler(db)
    filler.enrollments(0, MANY)
    db.execute("UPDATE enrollments SET enabled = FALSE WHERE id LIKE '%39999'")
    insert(db, "devices", ("id", "authenticate"), [("N1", "<plist/>")])
    if analyzed:
        filler.settle()
    operator = Operator(server)
    page(operator, "?devices=1")
    operator.close()
    server.stop()
    before = rows_read(db)
    server.start()
    operator = Operator(server)
    for query in LISTS:
        page(operator, query)
    for wanted in ({}, {"enabled": False}, {"types": ["Device"]},
                   {"enabled": False, "types": ["Device"]},
                   {"serials": ["SER000020000"]},
                   {"user_short_names": ["nobody"]}):
        found(operator, "?limit=100", **wanted)
    operator.close()
    server.stop()
    assert 500 < rows_read(db) - before < MANY / 2


def test_a_search_that_finds_more_says_so(watched):
    server, operator = watched
    ids = [f"MANY{number:03}" for number in range(101)]
    insert(server.database, "devices", ("id", "authenticate", "token_update"),
           [(id_, "<plist/>", "<plist/>") for id_ in ids])
    add_enrollments(server.database, ids)
    text = page(operator, "?q=MANY")
    assert ids_of(text) == ids[:100] and "There may be more" in text
    text = page(operator, "?q=MANY0")
    assert ids_of(text) == ids[:100] and "There may be more" in text
    text = page(operator, "?q=MANY09")
    assert ids_of(text) == ids[90:100] and "may be more" not in text


def test_search_by_the_name_of_a_user(watched, device):
    server, operator = watched
    mac = device(server).enroll()
    for name in "ada", "bob":
        mac.user(user_id=f"U-{name}", short_name=name).enroll()
    text = page(operator, "?q=ada")
    assert "ada" in text and f"{mac.id}:U-ada</h1>" in text
    found = ids_of(page(operator, f"?q={mac.id}"))
    assert found == sorted([mac.id, f"{mac.id}:U-ada", f"{mac.id}:U-bob"])


def test_prefix_in_the_order_of_a_language(watched):
    """Where small letters, capitals and hyphens do not sort as bytes do,
    other ids come between those that begin so."""
    server, operator = watched
    db = server.database
    if db.kind == "pgsql":
        db.execute('ALTER TABLE enrollments ALTER COLUMN id'
                   ' TYPE VARCHAR(255) COLLATE "en-x-icu"')
    ids = ["ABCD-1", "abcd-2", "ABCD-3", "abcd4", "ABCD-5"]
    insert(db, "devices", ("id", "authenticate", "token_update"),
           [(id_, "<plist/>", "<plist/>") for id_ in ids])
    add_enrollments(db, ids)
    assert set(ids_of(page(operator, "?q=ABCD-"))) == set(ids) - {"abcd4"}


# -- One device --------------------------------------------------------

@pytest.mark.parametrize("change, words", [
    ("UPDATE enrollments SET enabled = FALSE", "not enabled"),
    ("INSERT INTO nanomdm_pushes (id, status, reason, tries, next_at,"
     " pushed_at) SELECT id, 410, 'Unregistered', 1, NULL, CURRENT_TIMESTAMP"
     " FROM enrollments",
     "APNs refused the last push: 410 Unregistered"),
    ("DELETE FROM push_certs", "No push certificate of its topic"),
    (None, "has not been heard of for ")])
def test_why_names_the_cause(watched, device, change, words):
    server, operator = watched
    topic = certs.push_topic()
    operator.pushcert_put(certs.push_certificate(topic))
    mac = device(server, topic=topic).enroll()
    _, plist = command()
    operator.enqueue(mac.id, plist)
    mac.close()
    if change:
        server.database.execute(change)

    def section():
        if not change:  # again, until what was noted of it has been written
            forget(server.database, mac)
        return re.search(r'<section class="verdict wide" id="why">.*?'
                         r"</section>", page(operator, f"?id={mac.id}"),
                         re.DOTALL)[0]

    assert wait_until(lambda: words in section(), seconds=5), section()
    assert "1 thing keeps it" in section(), section()


# -- Webhooks ----------------------------------------------------------

@pytest.fixture
def receiver():
    with Receiver() as running:
        yield running


def test_webhooks_with_backlog_and_reason(httpd, fresh_db, device, receiver,
                                          expect_log):
    expect_log("NMDM1812", "the receiver answered 500", optional=True)
    receiver.answers["*"] = Answer(500)
    server = httpd(fresh_db(), extra_vhost=STATUS
                   + f"NanoMDMWebhookURL {receiver.url}/mdm\n"
                   "NanoMDMWebhookDelivery durable\n")
    operator = Operator(server)
    mac = device(server).enroll()
    assert wait_until(lambda: "500" in page(operator, "?events=pending"))
    (target, created), *_ = server.database.query(
        "SELECT target, created_at FROM nanomdm_events")
    text = page(operator, "?events=pending")
    assert mac.id in text and html.escape(target) in text
    insert(server.database, "nanomdm_events",
           ("device_id", "target", "event_id", "topic", "body", "is_dead",
            "tries", "next_at", "dies_at", "last_error", "created_at"),
           [(mac.id, target, "E1", "mdm.Connect", "{}", True, 9, 0, 0,
             "<i>500</i>", created)])
    text = page(operator, "?events=dead")
    assert "&lt;i&gt;500&lt;/i&gt;" in text and mac.id in text
    assert re.search(r'<td class="n bad" data-label="Dead">1</td>', text), text
    assert re.search(r'<td>failed</td><td class="n"><span class="bad">\d+<',
                     page(operator))
    assert 'href="?events=dead">1 webhook event was given up' in page(operator)
    operator.close()
