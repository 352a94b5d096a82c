# SPDX-License-Identifier: Apache-2.0
"""The status page as a person reads it: the verdict with its remedies, and
the last hour as pictures that say in words what they show."""

import re

import pytest

import ca as certs
from device import Operator, command
from test_status import STATUS, page

pytestmark = pytest.mark.one_database


@pytest.fixture
def watched(httpd, fresh_db):
    server = httpd(fresh_db(), extra_vhost=STATUS)
    operator = Operator(server)
    yield server, operator
    operator.close()


def findings(text):
    """Of the verdict; each link leads to a part of the page."""
    verdict = re.search(r'<section class="verdict">.*?</section>', text,
                        re.DOTALL)[0]
    for anchor in re.findall(r'href="#([^"]+)"', verdict):
        assert f'id="{anchor}"' in text, anchor
    items = re.findall(r"<li>(.*?)</li>", verdict, re.DOTALL)
    heading = re.search(r"<h2>(.*?)</h2>", verdict)[1]
    assert heading == ("All is well" if not items else "1 thing needs you"
                       if len(items) == 1
                       else f"{len(items)} things need you")
    return items


def test_all_is_well(watched):
    _, operator = watched
    operator.pushcert_put(certs.push_certificate())
    assert findings(page(operator)) == []


def test_no_push_certificate(watched):
    _, operator = watched
    (found,) = findings(page(operator))
    assert "Error:" in found and "nanomdmctl pushcert request" in found


@pytest.mark.parametrize("days, word", [(-1, "has expired"),
                                        (10, "ends in ")])
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
    assert re.search(r"<b class=\"\">\d+ ms / \d+ ms</b>half and 99", text)


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
