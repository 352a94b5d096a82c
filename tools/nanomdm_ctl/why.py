# SPDX-License-Identifier: Apache-2.0
"""Asks the questions of docs/stuck.md about a device, in their order, and
says what was seen, the first cause that was found, and its remedy.

Exit status: 0 nothing keeps it, 1 a cause was found.
"""

import datetime
import re

from . import output
from .client import Client, path
from .devices import last_seen, number_of, time_of
from .errors import Failed

RECENT = datetime.timedelta(minutes=15)
OLD = datetime.timedelta(days=2)
MARKS = {"ok": ("green", "ok  "), "note": ("yellow", "note"),
         "cause": ("red", "HERE")}


def add_arguments(parser):
    parser.add_argument("id", metavar="ID", help="or a serial number")
    parser.add_argument("--no-push", action="store_true",
                        help="do not ask APNs with a push of its own")
    parser.add_argument("--json", action="store_true",
                        help="what was seen, for programs")


class Tree:
    """Questions with what was seen; the first cause ends them."""

    def __init__(self, client, args):
        self.client, self.args = client, args
        self.seen = []
        self.entry = None
        self.cause = None

    def say(self, question, mark, saw, remedy=""):
        self.seen.append({"question": question, "mark": mark, "saw": saw,
                          "remedy": remedy})
        if mark == "cause" and not self.cause:
            self.cause = self.seen[-1]

    # -- the questions ------------------------------------------------

    def walk(self):
        for ask in (self.database, self.enrolled, self.identity,
                    self.certificate, self.push_certificate, self.push,
                    self.queue, self.last_report, self.webhook):
            ask()
            if self.cause:
                break
        if self.entry:
            self.log()

    def database(self):
        answer = self.client.raw("GET", f"{self.client.settings.status}"
                                 "?health",
                                 headers=self.client.credentials())
        word = answer.body.decode(errors="replace").strip()
        if answer.status == 200:
            self.say("Is the database there?", "ok", "it answers")
        elif answer.status == 503 and word in ("database", "schema"):
            self.say("Is the database there?", "cause",
                     {"database": "it is away", "schema": "its tables are"
                      " missing"}[word],
                     {"database": "start it; the error log has the cause"
                      " (NMDM1501, NMDM0101)",
                      "schema": "load schema/, or NanoMDMSchema auto"
                      " (NMDM0803)"}[word]
                     + "; devices come again by themselves")
        else:
            self.say("Is the database there?", "note", "not known: no"
                     f" nanomdm-status at {self.client.settings.status}"
                     f" ({answer.status})")

    def enrolled(self):
        id_ = self.args.id
        answer = self.client.api("GET", "enrollments/" + path(id_),
                                 good=(200, 400, 404))
        if answer.status != 200:
            found = self.by_serial(id_)
            if not found:
                self.say("Is it enrolled?", "cause", "no Authenticate and"
                         " TokenUpdate with this ID or serial number ever"
                         " succeeded",
                         "look at ServerURL in its profile, and in the error"
                         " log for a refusal (NMDM0306, NMDM0701, NMDM1002):"
                         " its identity may be of another CA")
                return
            self.args.id = found
            answer = self.client.api("GET", "enrollments/" + path(found))
        self.entry = entry = answer.json()
        if entry.get("pending"):
            self.say("Is it enrolled?", "cause", "it began to: there was an"
                     f" Authenticate, {spoken(ago(last_seen(entry)))} ago, and"
                     " no TokenUpdate yet",
                     "commands can be queued once that has arrived; if it does"
                     " not, look for a refusal in the error log, and enroll it"
                     " again")
            return
        age = ago(entry["last_seen"])
        if not entry["enabled"]:
            self.say("Is it enrolled?", "cause", "it left, or began to enroll"
                     f" again and did not end; last seen {spoken(age)} ago",
                     "after CheckOut only enrolling again helps; after"
                     " Authenticate it must reach the server once more"
                     " (NMDM0705)")
            return
        self.say("Is it enrolled?", "ok",
                 f"yes; last seen {spoken(age)} ago")

    def by_serial(self, serial):
        for entry in self.client.pages(
                "POST", "enrollments/query", "enrollments",
                {"filter": {"serials": [serial]}}):
            if "device" in entry:
                return entry["id"]
        return None

    def identity(self):
        identity = self.entry["identity"]
        if identity.get("expired"):
            self.say("Has its identity expired?", "cause",
                     f"on {identity['not_after']}",
                     "enroll it again, or let it in for some days by"
                     " NanoMDMIdentityGrace; renew identities while they are"
                     " good")
        elif identity.get("not_after"):
            self.say("Has its identity expired?", "ok",
                     f"no; it is valid until {identity['not_after']}")

    def certificate(self):
        known = self.entry["identity"].get("associations", [])
        if known:
            self.say("Whose certificate is it?", "ok", f"{len(known)} known,"
                     f" the newest since {known[0]['created_at']}")
            return
        self.say("Whose certificate is it?", "cause", "no certificate is"
                 " known for this device: it came by a migration, and"
                 " was not heard of since",
                 "write NanoMDMRetroactive On until every device has come;"
                 " then enroll again those that did not")

    def push_certificate(self):
        topic = self.entry["push"].get("topic")
        question = "Is there a push certificate?"
        if not topic:
            self.say(question, "note", "the device sent no topic yet")
            return
        answer = self.client.api("GET", "pushcert", good=(200, 404, 500),
                                 topic=topic)
        if answer.status != 200:
            self.say(question, "cause", f"none for {topic}",
                     "nanomdmctl pushcert upload CERTIFICATE KEY")
            return
        until = answer.json().get("not_after")
        if until and time_of(until) < now():
            self.say(question, "cause", f"it expired on {until}", "renew it"
                     " at https://identity.apple.com/pushcert with the same"
                     " account; then nanomdmctl pushcert upload")
            return
        self.say(question, "ok", f"yes, until {until}")

    def push(self):
        entry, question = self.entry, "Does APNs refuse?"
        if ago(entry["last_seen"]) < RECENT:
            self.say(question, "ok", "the device comes, so the push is not"
                     " the trouble")
            return
        reason = entry["push"].get("reason")
        if not reason and not self.args.no_push:
            answer = self.client.api("POST", "push", {"ids": [entry["id"]]},
                                     good=(200, 207, 500))
            out = answer.json()
            reason = (out.get("status", {}).get(entry["id"], {}).get(
                "push_error") or out.get("push_error"))
        if reason:
            self.say(question, "cause", f"yes: {reason}", push_remedy(reason))
        else:
            self.say(question, "note", "no: APNs took the push, but the"
                     " device does not come: it is off, offline, or behind a"
                     " network that keeps it from APNs")

    def queue(self):
        entry, queue = self.entry, self.entry["queue"]
        question = "Does a command wait?"
        if not queue["pending"]:
            self.say(question, "ok", "nothing waits; nanomdmctl results"
                     " ID shows what was answered, and a command that was"
                     " cancelled by enrolling again must be sent again")
            return
        first = next(self.client.pages("GET", "queue/" + path(entry["id"]),
                                       "commands", limit=1), None)
        if not first:
            self.say(question, "ok", "what waited has expired or was"
                     " answered just now")
            return
        name = f"{first['request_type']} {first['command_uuid']}"
        age = ago(first["created_at"])
        if first.get("status") == "NotNow":
            self.say(question, "cause" if queue["not_now"] == queue["pending"]
                     else "note",
                     f"{number_of(queue)}; {name} was put off"
                     f" {first['not_now_tally']} times (NotNow), for instance"
                     " because the device is locked",
                     "unlock it, or wait: it comes again when it can")
        elif ago(entry["last_seen"]) < age and age > RECENT:
            self.say(question, "cause", f"{number_of(queue)}; {name} is the"
                     f" first, {spoken(age)} old, and the device came since"
                     " without answering it",
                     "one without an answer blocks the others: nanomdmctl"
                     f" cancel {entry['id']} --uuid {first['command_uuid']}")
        else:
            self.say(question, "cause" if age > RECENT else "note",
                     f"{number_of(queue)}; {name} is the first,"
                     f" {spoken(age)} old, and the device did not come since",
                     "see that it is on and online; nanomdmctl push"
                     f" {entry['id']}")

    def last_report(self):
        report = self.entry.get("last_report")
        if not report or report["status"] != "Error":
            return
        one = next(self.client.pages(
            "GET", "results/" + path(self.entry["id"]), "results", limit=1,
            command_uuid=report["command_uuid"]), {})
        chain = (one.get("result_json") or {}).get("ErrorChain") or [{}]
        self.say("What did it answer last?", "note",
                 f"Error to {one.get('request_type')}"
                 f" {report['command_uuid']}: "
                 f"{chain[0].get('LocalizedDescription', 'no ErrorChain')}",
                 "the device refused it: correct the command")

    def webhook(self):
        question = "Was the webhook delivered?"
        for state in ("dead", "pending"):
            try:
                waiting = self.client.get("events", state=state)["events"]
            except Failed as error:
                self.say(question, "note", f"not known: {error}")
                return
            mine = [each for each in waiting
                    if each["device_id"] == self.entry["device_id"]]
            if mine:
                self.say(question, "cause" if state == "dead" else "note",
                         f"{len(mine)} events are {state}, the first for"
                         f" {mine[0]['target']}: {mine[0].get('last_error')}",
                         "see to the receiver; then nanomdmctl events replay"
                         f" --target '{mine[0]['target']}'")
                return
        self.say(question, "ok", "no event of it waits")

    def log(self):
        """What the error log said of it last; the tag leads to
        docs/log-tags.md."""
        lines = last_lines(self.client.settings.log, self.entry["id"])
        for line in lines:
            self.say("What does the log say?", "note", line)


def last_lines(name, id_, number=3, most=4 << 20):
    """The last lines with a tag that are about this ID."""
    try:
        with open(name, "rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - most))
            text = log.read().decode(errors="replace")
    except OSError:
        return []
    whole = re.compile(rf"(?<![\w-]){re.escape(id_)}(?![\w-])")
    found = [match[0] for line in text.splitlines()
             if (match := re.search(r"NMDM\d{4}: .*", line))
             and whole.search(match[0])]
    return found[-number:]


def push_remedy(reason):
    if "Unregistered" in reason:
        return ("the device removed its profile, was erased, or has another"
                " token: enroll it again unless it comes by itself")
    if "DeviceTokenNotForTopic" in reason or "BadDeviceToken" in reason:
        return ("its token belongs to another topic or to another"
                " environment of APNs: compare Topic in its profile with the"
                " push certificate; then enroll it again")
    if "ertificate" in reason:
        return "nanomdmctl pushcert show; renew and upload it"
    return "nanomdmctl doctor looks at APNs and the push certificate"


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def ago(text):
    return now() - time_of(text)


def spoken(span):
    seconds = max(0, int(span.total_seconds()))
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} seconds"


def run(_parser, args):
    tree = Tree(Client(args.settings), args)
    tree.walk()
    if args.json:
        print(output.as_text({"id": args.id, "cause": tree.cause,
                              "seen": tree.seen}, 2))
        return 1 if tree.cause else 0
    paint = output.Paint(args)
    for each in tree.seen:
        color, word = MARKS[each["mark"]]
        print(f"{paint(color, word)}  {each['question']}"
              f" {output.plain(each['saw'])}")
        if each["remedy"] and each is not tree.cause:
            print(f"      {output.plain(each['remedy'])}")
    print()
    if tree.cause:
        print(paint("bold", "Cause: ") + output.plain(tree.cause["saw"]))
        print(paint("bold", "Remedy: ") + output.plain(tree.cause["remedy"]))
        return 1
    print("Nothing here keeps it.")
    return 0
