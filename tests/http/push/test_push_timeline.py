# SPDX-License-Identifier: Apache-2.0
"""What a device's page of the status says of its pushes."""

import pytest

from apns import Answer
from device import command
from push_site import (apns, apns_of_module, make_due, new_topic,  # noqa: F401
                       operator_at, options, token_of)
from status_site import STATUS
from system import wait_until
from tables import back_to_version_6, count

TAKEN = ("pushed to", "taken by APNs")


class Watch:
    """A server on a database of its own, an operator, and a device."""

    def __init__(self, server, operator, device):
        self.server, self.operator = server, operator
        self.mac = device(server, topic=new_topic(operator)).enroll()

    def pushes(self):
        answer = self.operator.raw("GET", f"/status?json&id={self.mac.id}")
        return [(each["what"], each["about"].split(",")[0])
                for each in answer.json["moments"]
                if "push" in each["what"]]

    def wait_for(self, *pushes):
        """What was pushed is written down within a second."""
        assert wait_until(lambda: self.pushes() == list(pushes), 15), (
            self.pushes())

    def queue(self, status=200):
        uuid, plist = command()
        assert self.operator.enqueue(self.mac.id, plist,
                                     nopush="").status == status
        return uuid


@pytest.fixture
def watch(httpd, apns, operator_at, fresh_db, device):      # noqa: F811
    def make(db=None, *more):
        given = options(apns, "NanoMDMPushRepeat On", *more)
        given["extra_vhost"] += "\n" + STATUS
        server = httpd(db or fresh_db(), **given)
        return Watch(server, operator_at(server), device)
    return make


def test_a_push_stays_after_the_device_was_served(watch):
    """And after a restart: it is kept with the enrollment."""
    one = watch()
    assert one.pushes() == []
    one.mac.acknowledge(one.queue())
    one.wait_for(TAKEN)
    db = one.server.database
    make_due(db, one.mac)
    assert wait_until(lambda: not count(db, "nanomdm_pushes", "id = %s",
                                        one.mac.id))
    assert one.pushes() == [TAKEN]
    one.server.graceful()
    assert one.pushes() == [TAKEN]
    one.mac.token_update()
    assert one.pushes() == [TAKEN]


def test_a_push_without_a_command_is_there(watch):
    one = watch()
    assert one.operator.push(one.mac.id).status == 200
    one.wait_for(TAKEN)


def test_a_push_that_apns_did_not_answer_is_none(watch, apns,  # noqa: F811
                                                 expect_log):
    one = watch()
    one.queue()
    one.wait_for(TAKEN)
    apns.answers[token_of(one.mac)] = Answer(503)
    expect_log(":warn", "NMDM0918", "503")
    one.queue(500)
    one.wait_for(("push tried", "without an answer of APNs"), TAKEN)


def test_a_refusal_is_beside_the_last_success(watch, apns,  # noqa: F811
                                              expect_log):
    one = watch()
    one.queue()
    one.wait_for(TAKEN)
    apns.answers[token_of(one.mac)] = Answer(410, "Unregistered")
    expect_log(":warn", "NMDM0909")
    assert one.operator.push(one.mac.id).status == 500
    one.wait_for(("push refused", "410 Unregistered"), TAKEN)


@pytest.mark.parametrize("mode", ["check", "auto"])
def test_a_database_of_version_4(watch, fresh_db, httpd, db_server,
                                 expect_log, mode):
    """Does without, or is upgraded while it starts."""
    db = fresh_db()
    if db_server.kind == "sqlite3":
        httpd(db).stop()        # makes the tables
    back_to_version_6(db)
    db.execute("ALTER TABLE enrollments DROP COLUMN pushed_at")
    db.execute("UPDATE nanomdm_schema SET version = 4 WHERE version = 6")
    if mode == "check":
        expect_log("NMDM0804", "last pushed to is not kept")
        expect_log("NMDM0805", optional=True)
    one = watch(db, f"NanoMDMSchema {mode}")
    one.queue()
    one.wait_for(TAKEN)
    assert count(db, "nanomdm_schema", "version = 7") == (mode == "auto")
