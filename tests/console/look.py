#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The status page in good and bad days, without its database and after that, as
pictures to be looked at, and held against axe-core: contrast, labels, landmarks.
Needs Debian's chromium, node and npm, and the network for axe-core.

    look.py [FOLDER]           where the pictures go; build/console by default
"""

import contextlib
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/http/harness"))

import ca as certs  # noqa: E402
from apns import Answer as PushAnswer, Apns  # noqa: E402
from databases import PROGRAMS  # noqa: E402
from device import Device, Operator, command  # noqa: E402
from receiver import Answer, Receiver  # noqa: E402
from server import Httpd  # noqa: E402
from system import wait_until  # noqa: E402
from tables import fill_queues, insert  # noqa: E402

PACKAGES = ("axe-core@4.10.2", "puppeteer-core@22.15.0")
STATUS = """\
<Location "/status">
    SetHandler nanomdm-status
</Location>
"""


def good_day(server, operator, ca, _apns):
    topic = certs.push_topic()
    operator.pushcert_put(certs.push_certificate(topic))
    macs = [Device(server, ca.issue(), topic=topic).enroll()
            for _ in range(60)]
    for name in "ada", "bob":
        macs[0].user(user_id=f"U-{name}", short_name=name).enroll()
    Device(server, ca.issue(), topic=topic).authenticate()
    for mac in macs[:12]:
        _, plist = command()
        operator.enqueue(mac.id, plist)
        for _ in range(3):
            answer = mac.idle()
            if answer.body:
                mac.acknowledge(answer.plist["CommandUUID"])
    return macs[0]


def bad_day(server, operator, ca, apns):
    """All that the page may complain of at once."""
    ended, topic = certs.push_topic(), certs.push_topic()
    operator.pushcert_put(certs.push_certificate(ended, start=-90, days=-1))
    operator.pushcert_put(certs.push_certificate(topic, days=12))
    macs = [Device(server, ca.issue(), topic=ended if number % 4 == 1
                   else topic).enroll() for number in range(8)]
    for number, mac in enumerate(macs):
        _, plist = command("InstalledApplicationList")
        operator.enqueue(mac.id, plist)
        if number % 2:
            mac.not_now(mac.idle().plist["CommandUUID"])
    apns.script = [PushAnswer(410, "Unregistered"),
                   PushAnswer(400, "BadDeviceToken"),
                   PushAnswer(403, "Forbidden")]
    operator.push([mac.id for mac in macs])
    macs[3].checkout()
    database = server.database
    fill_queues(database, [macs[6]], 12000)
    assert wait_until(lambda: database.query(
        "SELECT 1 FROM nanomdm_events WHERE last_error IS NOT NULL"))
    (target, created), *_ = database.query(
        "SELECT target, created_at FROM nanomdm_events")
    insert(database, "nanomdm_events",
           ("device_id", "target", "event_id", "topic", "body", "is_dead",
            "tries", "next_at", "dies_at", "last_error", "created_at"),
           [(mac.id, target, "E1", "mdm.Connect", "{}", True, 9, 0, 0,
             "the receiver answered 500", created) for mac in macs])
    insert(database, "nanomdm_dd_states",
           ("id", "identifier", "manifest", "active", "valid", "server_token",
            "reasons", "status_id", "reported_at"),
           [(mac.id, "com.example.passcode", "configurations", False,
             "invalid", "1", '[{"code": "Error.ConfigurationCannotBeApplied",'
             ' "description": "Configuration cannot be applied"}]', "1",
             1764000000) for mac in macs[:2]])
    now = int(time.time() * 1000)
    insert(database, "nanomdm_scep_certs",
           ("sha256", "serial", "issuer_sha256", "subject", "pem",
            "not_after", "purpose", "enrollment_id", "transaction_id",
            "created_at", "renew_asked_at", "renew_tries", "renew_state",
            "renew_error"),
           [(f"{number:064}", f"{number}", "a" * 64, f"CN={mac.id}", "",
             now + number * 86400000, "renew", mac.id, f"T{number}", now, now,
             number, "own",
             "12021 InstallProfile: the profile is not removable")
            for number, mac in enumerate(macs[4:7], 3)]
           + [("b" * 64, "1", "a" * 64, f"CN={macs[7].id}", "", now, "renew",
               macs[7].id, "T", now, None, 0, "other", None)])
    for change in (
            "UPDATE enrollment_queue SET created_at ="
            " datetime('now', '-9 days')",
            "UPDATE command_results SET not_now_at ="
            " datetime('now', '-3 days'), updated_at ="
            " datetime('now', '-3 days')"):
        database.execute(change)
    return macs[1]


def pages_of(name, url, mac):
    """Each as its name and its URL."""
    for page, query in (("", ""), ("-device", f"?id={mac.id}"),
                        ("-devices", "?devices=1"),
                        ("-pending", "?devices=1&state=pending"),
                        ("-search", f"?q={mac.id}"),
                        ("-nothing", "?q=nothing"),
                        ("-waiting", "?events=pending"),
                        ("-dead", "?events=dead")):
        yield from (name + page, url + query)


def look(modules, folder, pages):
    done = subprocess.run(
        ["node", ROOT / "tests/console/look.js", folder, *pages],
        env={"PATH": "/usr/bin:/bin", "NODE_PATH": modules / "node_modules",
             "HOME": modules}, check=False)
    return done.returncode


@contextlib.contextmanager
def serving(answer, kind="sqlite3", delivery="durable"):
    """A server whose webhooks are answered so, and what a day needs: its
    operator, the CA of its devices, APNs; and the database's program."""
    program = PROGRAMS[kind]()
    program.start()
    ca = certs.root("Test Device CA")
    with Receiver() as receiver, Apns() as apns:
        receiver.answers["*"] = answer
        server = Httpd(program.fresh(ROOT / f"schema/{kind}.sql"), ca,
                       extra_vhost=STATUS
                       + f"NanoMDMWebhookURL {receiver.url}/mdm\n"
                         f"NanoMDMWebhookDelivery {delivery}\n"
                         "NanoMDMDeclarativeManagement builtin\n"
                         f"NanoMDMPushURL {apns.url}\n"
                         "NanoMDMPushCACertificateFile"
                         " {folder}/apns-ca.pem\n",
                       files={"apns-ca.pem": apns.authority.pem})
        try:
            server.start()
            yield (server, Operator(server), ca, apns), program
        finally:
            server.remove()
            program.remove()


def url_of(world):
    server, *_ = world
    return f"http://localhost:{server.port}/status"


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                          else ROOT / "build/console")
    folder.mkdir(parents=True, exist_ok=True)
    worst = 0
    with tempfile.TemporaryDirectory() as name:
        modules = pathlib.Path(name)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund",
                        "--silent", *PACKAGES], cwd=modules, check=True)
        for name, day, answer in (("good", good_day, Answer()),
                                  ("bad", bad_day, Answer(500))):
            with serving(answer) as (world, _):
                worst = max(worst, look(modules, folder, pages_of(
                    name, url_of(world), day(*world))))
        with serving(Answer(500), "pgsql", "besteffort") as (world, program):
            mac = good_day(*world)
            program.stop()
            worst = max(worst, look(modules, folder, pages_of(
                "down", url_of(world), mac)))
            program.restart()
            worst = max(worst, look(modules, folder, [
                "back", url_of(world)]))
    print(f"pictures: {folder}")
    return worst


if __name__ == "__main__":
    sys.exit(main())
