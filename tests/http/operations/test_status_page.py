# SPDX-License-Identifier: Apache-2.0
"""The status page as a person reads it: the verdict with its remedies, and
the last hour as pictures that say in words what they show."""

import html
import re
import types

import pytest

import ca as certs
from device import Operator, command
from receiver import Answer, Receiver
from status_site import STATUS, findings, page, watched  # noqa: F401
from system import wait_until
from tables import fill_queues, insert

pytestmark = pytest.mark.one_database


def test_all_is_well(watched):
    _, operator = watched
    operator.pushcert_put(certs.push_certificate())
    assert findings(page(operator)) == []


def test_no_push_certificate(watched):
    _, operator = watched
    (found,) = findings(page(operator))
    assert "Error:" in found and "nanomdmctl pushcert request" in found


@pytest.mark.parametrize("days, word", [(-1, "has expired"),
                                        (10, "expires in ")])
def test_push_certificate_that_ends(watched, days, word):
    _, operator = watched
    made = certs.push_certificate(days=days, start=-90)
    operator.pushcert_put(made)
    (found,) = findings(page(operator))
    assert word in found and "same Apple Account" in found


def test_dead_events_and_old_commands(watched, device):
    server, operator = watched
    operator.pushcert_put(certs.push_certificate())
    mac = device(server).enroll()
    _, plist = command()
    operator.enqueue(mac.id, plist)
    server.database.execute("UPDATE enrollment_queue SET created_at ="
                            " datetime('now', '-9 days')")
    found = findings(page(operator))
    assert len(found) == 1 and "has waited for 9 days" in found[0]
    assert 'href="#queue-and-pushes"' in found[0]


def test_deliveries_that_fail(httpd, fresh_db, device, expect_log):
    expect_log("NMDM15\\d\\d", "not delivered|answered", optional=True)
    with Receiver() as receiver:
        receiver.answers["*"] = Answer(500)
        server = httpd(fresh_db(), extra_vhost=STATUS
                       + f"NanoMDMWebhookURL {receiver.url}/mdm\n")
        operator = Operator(server)
        operator.pushcert_put(certs.push_certificate())
        device(server).enroll()
        assert wait_until(lambda: findings(page(operator)))
        (found,) = findings(page(operator))
        assert "failed in the last hour" in found
        assert 'href="#webhook-deliveries-last-hour"' in found
        operator.close()


def test_a_database_that_failed_and_is_back(watched, device, expect_log):
    server, operator = watched
    operator.pushcert_put(certs.push_certificate())
    mac = device(server).enroll()
    expect_log("NMDM0101")
    server.database.execute("ALTER TABLE enrollment_queue RENAME TO away")
    assert mac.idle().status == 500
    server.database.execute("ALTER TABLE away RENAME TO enrollment_queue")
    (found,) = findings(page(operator))
    assert "1 use of the database failed in the last hour" in found
    assert 'href="#database-failures-last-hour"' in found


@pytest.mark.parametrize("days, said", [(1, "in 1 day<"), (3, "in 3 days<")])
def test_days_are_counted_in_words(watched, days, said):
    _, operator = watched
    operator.pushcert_put(certs.push_certificate(days=days + 0.5, start=-90))
    assert said in findings(page(operator))[0]


def test_pictures_say_what_they_show(watched, device):
    server, operator = watched
    mac = device(server).enroll()
    for _ in range(5):
        mac.idle()
    text = page(operator)
    assert ('aria-label="Polls and reports: 5 in the last hour, at most'
            in text)
    assert 'aria-label="Check-ins: 2 in the last hour' in text
    assert re.search(r'<rect class="g" x="\d+" y="[\d.]+" width="5"'
                     r' height="[\d.]+"/>', text)
    assert re.search(r"<b class=\"\">\d+ ms / \d+ ms</b>50th and 99th", text)


def test_titles(watched, device):
    server, operator = watched
    mac = device(server).enroll()
    assert "<title>mod_nanomdm: status</title>" in page(operator)
    assert (f"<title>mod_nanomdm: {mac.id}</title>"
            in page(operator, f"?id={mac.id}"))


def test_it_is_looked_at_anew(watched):
    _, operator = watched
    answer = operator.raw("GET", "/status")
    assert answer.headers["Refresh"] == "60"
    assert operator.raw("GET", "/status?json").headers["Refresh"] is None


# -- What happened to one device ----------------------------------------

def story(operator, id_):
    one = operator.raw("GET", f"/status?json&id={id_}").json
    return one, [(each["what"], each["about"]) for each in one["moments"]]


def test_check_ins_and_cancelling_are_in_the_timeline(watched, device):
    server, operator = watched
    mac = device(server).enroll()
    one, moments = story(operator, mac.id)
    assert {what for what, _ in moments} >= {"Authenticate", "TokenUpdate",
                                             "last seen"}
    assert not any(what in ("CheckOut", "cancelled") for what, _ in moments)
    uuid, plist = command("ProfileList")
    assert operator.enqueue(mac.id, plist).status == 200
    operator.call("DELETE", f"/v1/queue/{mac.id}?command_uuid={uuid}")
    _, moments = story(operator, mac.id)
    assert ("cancelled", f"ProfileList {uuid}") in moments
    user = mac.user()
    user.token_update()
    mac.checkout()
    for each in mac.id, user.id:
        one, moments = story(operator, each)
        assert one["enabled"] is False and ("CheckOut", "") in moments
        assert "CheckOut" in page(operator, f"?id={each}")
    mac.authenticate()
    one, moments = story(operator, mac.id)
    assert one["enabled"] is False
    assert moments[0][0] in ("Authenticate", "last seen")
    user.close()


def test_what_is_pending_is_counted_and_has_a_page(watched, device):
    server, operator = watched
    assert operator.raw("GET", "/status?json").json[
        "pending_enrollments"] == {"number": 0, "or_more": False}
    device(server).enroll()
    mac = device(server)
    mac.authenticate()
    one, moments = story(operator, mac.id)
    assert one["pending"] is True and one["authenticate_at"]
    assert "type" not in one and ("Authenticate", "") in moments
    text = page(operator, f"?id={mac.id}")
    assert "no TokenUpdate yet" in text and mac.serial in text
    server.graceful()           # figures are 30 seconds old at most
    assert operator.raw("GET", "/status?json").json[
        "pending_enrollments"] == {"number": 1, "or_more": False}
    assert re.search(r"no TokenUpdate yet</td><td[^>]*>1<", page(operator))
    assert "nanomdm_pending_enrollments 1" in operator.raw(
        "GET", "/status?prometheus").body.decode()


# -- The last hour and the last day -----------------------------------

PLOTS = ("Polls and reports", "Check-ins", "Pushes", "Answers to devices",
         "Commands that wait")


def test_each_plot_has_an_hour_and_a_day(watched, device):
    server, operator = watched
    mac = device(server).enroll()
    _, plist = command()
    operator.enqueue(mac.id, plist)
    mac.idle()
    text = page(operator)
    for title in PLOTS:
        said = re.findall(rf'aria-label="{title}: ([^"]*)"', text)
        assert len(said) == 2, (title, said)
        assert "the last hour" in said[0] and "the last day" in said[1], said
    assert re.search(r"Check-ins: 2 in the last day, at most \d in a quarter",
                     text)
    assert ('aria-label="Commands that wait: 1 wait, at most 1 in the last'
            ' hour"' in text)


def test_the_depth_is_counted_without_a_look(httpd, fresh_db):
    """The maintenance thread counts what waits before anyone has looked at
    the page; a look counts anew."""
    db = fresh_db()
    httpd(db).stop()            # makes the tables
    mac = types.SimpleNamespace(id="M1")
    insert(db, "devices", ("id", "authenticate", "token_update"),
           [(mac.id, "<plist/>", "<plist/>")])
    insert(db, "enrollments", ("id", "device_id", "type", "topic",
                               "push_magic", "token_hex"),
           [(mac.id, mac.id, "Device", "t", "m", "ff")])
    fill_queues(db, [mac], 3)
    server = httpd(db, extra_vhost=STATUS + "LogLevel nanomdm:debug\n")
    assert wait_until(lambda: "stats_pending" in server.error_log(), 20)
    db.execute("DELETE FROM enrollment_queue")
    operator = Operator(server)
    said = re.findall(r'aria-label="Commands that wait: ([^"]*)"',
                      page(operator))
    operator.close()
    assert said[0].startswith("0 wait"), said


def test_age_of_the_figures(watched):
    _, operator = watched
    assert re.search(r"Z, figures of \d+ s ago · times are UTC", page(operator))


# -- Lists and search --------------------------------------------------

@pytest.mark.parametrize("text", [
    "{id}", "{id_small}", "{prefix}", "{serial}", "{serial_small}"])
def test_search_finds_one_and_shows_it(watched, device, text):
    server, operator = watched
    mac = device(server).enroll()
    server.database.execute("UPDATE devices SET serial_number = 'C02SEARCH'")
    asked = text.format(id=mac.id, id_small=mac.id.lower(),
                        prefix=mac.id[:9], serial="C02SEARCH",
                        serial_small="c02search")
    assert f"<h1>{mac.id}</h1>" in page(operator, f"?q={asked}")


@pytest.mark.parametrize("query", [
    "?q=", "?q=nothing", "?q=%00", "?q=%ff%fe", "?q=" + "x" * 3000,
    "?devices=1&after=%ff", "?devices=1&state=x&type=y&after=zzz",
    "?devices=1&type='%20OR%201=1", "?events=x&after=1%20OR%201",
    "?events=dead&after=99999999999999999999", "?q=%25%25%25%25",
    "?q=%3Cscript%3Ealert(1)%3C/script%3E", "?q=%22%3E%3Csvg%20onload=x%3E"])
def test_hostile_queries(watched, query):
    _, operator = watched
    text = page(operator, query)
    assert "<svg onload" not in text and "OR 1=1" not in text


def test_what_devices_say_is_escaped(watched, device):
    server, operator = watched
    mac = device(server).enroll()
    server.database.execute("UPDATE devices SET serial_number ="
                            " '<b>\"&''x'")
    for query in "?devices=1", f"?id={mac.id}":
        text = page(operator, query)
        assert "&lt;b&gt;&quot;&amp;'x" in text and "<b>\"" not in text


def test_each_class_has_a_style(watched, device, expect_log):
    expect_log("NMDM0916", "none is stored")
    server, operator = watched
    mac = device(server).enroll()
    _, plist = command()
    operator.enqueue(mac.id, plist)
    operator.push([mac.id])
    device(server).authenticate()
    for query in ("", f"?id={mac.id}", "?devices=1",
                  "?devices=1&state=pending", "?q=none", "?events=dead",
                  "?events=pending"):
        text = page(operator, query)
        style = re.search("<style>(.*?)</style>", text, re.DOTALL)[1]
        named = {name for value in re.findall(r' class="([^"]*)"', text)
                 for name in value.split()}
        assert named <= set(re.findall(r"\.([a-z_]\w*)", style)), query


# -- One device ---------------------------------------------------------

def test_result_of_a_command_is_a_link_to_the_api(watched, device):
    server, operator = watched
    operator.pushcert_put(certs.push_certificate())
    mac = device(server).enroll()
    uuid, plist = command()
    operator.enqueue(mac.id, plist)
    mac.acknowledge(mac.idle().plist["CommandUUID"],
                    QueryResponses={"OSVersion": "15.1"})
    link = re.search(r'<a href="([^"]*)">answered Acknowledged</a>',
                     page(operator, f"?id={mac.id}"))[1]
    answer = operator.call("GET", html.unescape(link))
    assert answer.status == 200
    assert answer.json["results"][0]["command_uuid"] == uuid


def why(operator, mac):
    text = page(operator, f"?id={mac.id}")
    section = re.search(r'<section class="verdict wide" id="why">.*?'
                        r"</section>", text, re.DOTALL)[0]
    return section


def test_why_all_is_well(watched, device):
    server, operator = watched
    topic = certs.push_topic()
    operator.pushcert_put(certs.push_certificate(topic))
    mac = device(server, topic=topic).enroll()
    assert "All is well" in why(operator, mac)


def test_why_names_what_was_put_off(watched, device):
    server, operator = watched
    topic = certs.push_topic()
    operator.pushcert_put(certs.push_certificate(topic))
    mac = device(server, topic=topic).enroll()
    _, plist = command()
    operator.enqueue(mac.id, plist)
    mac.not_now(mac.idle().plist["CommandUUID"])
    assert "1 of its commands is put off (NotNow)" in why(operator, mac)


def test_a_device_that_has_begun_has_a_page(watched, device):
    server, operator = watched
    mac = device(server)
    mac.authenticate()
    text = page(operator, f"?id={mac.id}")
    assert "Enrollment has begun" in text and "pending: Auth" in text
    assert operator.call("GET", f"/status?id={mac.id}&json").json["pending"]
    page(operator, "?id=unknown", status=404)


def test_declarations_of_a_device(httpd, fresh_db, device):
    server = httpd(fresh_db(), extra_vhost=STATUS + "NanoMDMDeclarativeManagement"
                   " builtin\n")
    operator = Operator(server)
    mac = device(server).enroll()
    text = page(operator, f"?id={mac.id}")
    operator.close()
    assert "<h2>Declarations</h2>" in text and "Sets: none." in text
