# SPDX-License-Identifier: Apache-2.0
"""Imports the file storage of a NanoMDM ("filekv") into the database of this
module: enrollments, queues, results, push certificates, certificates.

    nanomdmctl import --driver pgsql --params "host=db dbname=mdm user=mdm" \\
        /var/lib/nanomdm/dbkv

Stop NanoMDM first, or rehearse while it runs: this may be run again. A device
comes in one transaction with its users and queues, or not at all. A device
that the database has seen later than the files is left alone. What is no good
is named, and the rest goes on.

Exit status: 0 all is imported, 1 something is not, 2 wrong usage.
"""

import base64
import collections
import contextlib
import functools
import re
import sys

from . import plists
from .database import (DRIVERS, add_storage_key, resolve_secrets,
                       table_prefix, text)
from .errors import Stopped
from .filekv_files import (Bad, now, bounded, pem_of, is_utf8, Storage,
                           LONGEST_ID, SECOND)
from .filekv_target import Time, Target, same
from .output import Progress, plain



class Import:
    def __init__(self, args, storage, target, reporter):
        self.args = args
        self.storage = storage
        self.target = target
        self.say = reporter.say
        self.trouble = reporter
        self.progress = reporter.progress = Progress(
            "enrollments", len(storage.device_ids) + len(storage.user_ids))
        self.devices = self.users = self.results = self.pending = 0
        self.certs = self.associations = self.left_alone = 0
        self.commands = set()         # in the database for certain
        self.fresh = set()            # in this transaction

    def run(self):
        family = self.families()
        for id_ in sorted(self.storage.device_ids):
            self.move(id_, family.pop(id_, []))
        self.progress.end()
        for parent, users in family.items():
            for user in users:
                self.say(f"{user}: its device ({parent or 'unknown'}) is not"
                         " in the files; it must enroll again")
        for key in sorted(self.storage.push_cert.paths):
            if key.endswith(".pem"):
                with self.guarded(key[:-4]), self.target.transaction():
                    self.put_push_cert(key[:-4])
        with self.guarded("the certificate associations"), \
                self.target.transaction():
            self.put_associations()

    @contextlib.contextmanager
    def guarded(self, what):
        """Goes on with the rest."""
        try:
            yield
        except Bad as bad:
            self.say(f"{what}: left out: {bad}")
        except self.target.error as error:
            line = " ".join(str(error).split())
            self.say(f"{what}: left out: the database refuses it: {line}")
        except (ValueError, OverflowError) as error:
            self.say(f"{ascii(what)}: left out: {error!r}")

    def optional(self, read, *words):
        """What can be done without; None when it is no good."""
        try:
            return read(*words)
        except Bad as bad:
            self.say(f"{bad}; imported without")
            return None

    def families(self):
        """{device: its users}"""
        family = collections.defaultdict(list)
        for user in sorted(self.storage.user_ids):
            with self.guarded(user):
                family[self.storage.parent_of(user)].append(user)
        return family

    def move(self, device, users):
        """One transaction; counted when it is over."""
        before = self.results, self.pending
        self.fresh.clear()
        with self.guarded(device):
            with self.target.transaction():
                is_ours = not self.is_newer_here(device, users)
                if is_ours:
                    self.put_all(device, users)
            self.count(is_ours, users)
            return
        self.results, self.pending = before

    def count(self, is_ours, users):
        if is_ours:
            if not self.args.dry_run:
                self.commands |= self.fresh
            self.devices += 1
            self.users += len(users)
        else:
            self.left_alone += 1 + len(users)
        self.progress(self.devices + self.users + self.left_alone,
                      f"{self.trouble.problems} problems")

    def is_newer_here(self, device, users):
        seen = max(self.seen_at(id_) for id_ in [device, *users])
        if self.target.has("enrollments",
                           "device_id = %s AND last_seen_at > %t",
                           device, Time(seen)) \
                or self.target.has(
                    "devices", "id = %s AND authenticate_at > %t", device,
                    Time(max(seen, self.storage.devices.written_at(
                        f"{device}.auth")))):
            self.trouble.tell(f"{device}: the database has seen it later"
                              " than the files; left alone")
            return True
        return False

    def put_all(self, device, users):
        self.put_device(device)
        is_disabled = f"{device}.disabled" in self.storage.enrollments
        enrolled = [device] if self.put_enrollment(
            device, device, is_disabled) else []
        for user in users:
            self.put_user(user, device)
            # NanoMDM's files forget to disable users with their device.
            if self.put_enrollment(
                    user, device, is_disabled
                    or f"{user}.disabled" in self.storage.enrollments):
                enrolled.append(user)
        for id_ in enrolled:
            self.put_queue(id_)
        if self.args.verbose:
            self.trouble.tell(f"{device}: ok, with {len(users)} users")

    # -- Enrollments --

    def put_device(self, id_):
        files, enrollments = self.storage.devices, self.storage.enrollments
        if f"{id_}.auth" not in files:
            raise Bad(files.path(f"{id_}.auth"), "missing; the device must"
                      " enroll again")
        token_update = self.optional(files.message, f"{id_}.tok_upd")
        if token_update and self.target.keys:
            token_update = without_unlock_token(token_update)
        bootstrap = self.optional(files.get, f"{id_}.bstoken")
        unlock = self.optional(enrollments.get, f"{id_}.unl_tok")
        values = {
            "identity_cert": self.optional(self.identity_cert, id_),
            "serial_number": self.optional(files.text, f"{id_}.serial"),
            "unlock_token": unlock or None,
            "authenticate": files.message(f"{id_}.auth"),
            "token_update": token_update,
            "bootstrap_token_b64":
                base64.b64encode(bootstrap).decode() if bootstrap else None,
        }
        times = {"authenticate_at": files.written_at(f"{id_}.auth")}
        for column, bucket, key in (
                ("token_update", files, "tok_upd"),
                ("bootstrap_token", files, "bstoken"),
                ("unlock_token", enrollments, "unl_tok")):
            if values.get(column) or values.get(f"{column}_b64"):
                times[f"{column}_at"] = bucket.written_at(f"{id_}.{key}")
        self.target.put("devices", {"id": id_}, values,
                        {column: Time(at) for column, at in times.items()})

    def identity_cert(self, id_):
        der = self.storage.devices.get(f"{id_}.cert")
        return pem_of(self.storage.devices.path(f"{id_}.cert"), der) \
            if der else None

    def put_user(self, id_, device):
        files = self.storage.users
        columns = {"token_update": "tok_upd",
                   "user_authenticate": "user_auth",
                   "user_authenticate_digest": "user_auth_digest"}
        values = {column: self.optional(files.message, f"{id_}.{key}")
                  for column, key in columns.items()}
        times = {f"{column}_at": Time(files.written_at(f"{id_}.{key}"))
                 for column, key in columns.items() if values[column]}
        names = names_in(values["token_update"]
                         or values["user_authenticate"])
        self.target.put("users", {"id": id_, "device_id": device},
                        {**names, **values}, times)

    def put_enrollment(self, id_, device, is_disabled):
        """Whether there is one: not before the first TokenUpdate."""
        files = self.storage.enrollments
        if not any(f"{id_}.{field}" in files for field
                   in ("type", "topic", "push_magic", "token")):
            return False
        texts = {}
        for column, key in (("type", "type"), ("topic", "topic"),
                            ("push_magic", "push_magic")):
            files.needed(f"{id_}.{key}")
            texts[column] = files.text(f"{id_}.{key}")
        tally = self.optional(files.number, f"{id_}.tok_tal") or 0
        seen = Time(self.seen_at(id_))
        self.target.put("enrollments", {"id": id_}, {
            "device_id": device, "user_id": None if id_ == device else id_,
            **texts, "token_hex": files.needed(f"{id_}.token").hex(),
            "enabled": not is_disabled,
            "token_update_tally": 0 if is_disabled else tally,
        }, {"last_seen_at": seen}, self.time_of(id_, "enrolled_at"))
        self.target.execute(
            "UPDATE {prefix}enrollments SET last_seen_at = %t"
            " WHERE id = %s AND last_seen_at < %t", seen, id_, seen)
        return True

    def seen_at(self, id_):
        return self.time_of(id_, "last_seen_at")

    @functools.lru_cache(maxsize=64)
    def time_of(self, id_, field):
        """As NanoMDM noted it; else when it wrote what it knows."""
        files = self.storage.enrollments
        at = self.optional(files.number, f"{id_}.{field}")
        if at:
            return bounded(at)
        for key in (f"{id_}.type", f"{id_}.disabled"):
            if key in files:
                return files.written_at(key)
        return SECOND

    # -- Queues --

    def put_queue(self, id_):
        pending = self.storage.pending(id_)
        items = self.storage.items.get(id_, {})
        reports = {uuid: self.report(id_, uuid)
                   for uuid in {*pending, *items}
                   if items.get(uuid, set()) & {"status", "report"}}
        # Reported as done: never again, wherever the list is.
        pending = [uuid for uuid in pending
                   if reports.get(uuid, ("NotNow",))[0] == "NotNow"]
        self.take_back(id_, pending)
        latest = now()
        for uuid in reversed(pending):
            latest = min(latest, self.storage.queue.written_at(
                f"{uuid}.raw"))
            if self.put_entry(id_, uuid, latest, True,
                              reports.get(uuid)):
                self.pending += 1
                latest -= max(self.target.step, 1000)
        for uuid, report in sorted(reports.items()):
            if uuid not in pending:
                self.put_entry(
                    id_, uuid,
                    self.storage.queue.written_at(f"{uuid}.raw"),
                    report[0] != "NotNow" and bool(report[1]), report)

    def take_back(self, id_, pending):
        """What an earlier import queued and NanoMDM has cleared since."""
        for uuid, in self.target.query(
                "SELECT q.command_uuid FROM {prefix}enrollment_queue q"
                " WHERE q.id = %s AND q.active = TRUE AND NOT EXISTS"
                " (SELECT 1 FROM {prefix}command_results r WHERE r.id = q.id"
                " AND r.command_uuid = q.command_uuid"
                " AND r.status <> 'NotNow')", id_):
            uuid = text(uuid)
            if uuid in self.storage.commands_known and uuid not in pending \
                    and not self.storage.items.get(id_, {}).get(
                        uuid, set()) & {"status"}:
                self.target.execute(
                    "UPDATE {prefix}enrollment_queue SET active = FALSE"
                    " WHERE id = %s AND command_uuid = %s", id_, uuid)

    def report(self, id_, uuid):
        """(status, XML or None). One that cannot be read is as good as
        final: a command is rather lost than done twice."""
        files, key = self.storage.queue, f"{id_}.{uuid}.queueitem"
        body = self.optional(files.message, f"{key}.report")
        status = self.optional(files.text, f"{key}.status")
        if not status and body:
            with contextlib.suppress(ValueError, LookupError, TypeError):
                status = str(plists.read(body.encode())["Status"])
        return status or "Error", body

    def put_entry(self, id_, uuid, at, is_active, report):
        """A command, that it is queued, and what came of it."""
        files = self.storage.queue
        if f"{uuid}.raw" not in files:
            if is_active and not report:
                self.say(f"{files.path(f'{uuid}.raw')}: missing; queue the"
                         f" command again for {id_}")
            return False
        command = self.optional(self.storage.command, uuid)
        if not command:
            return False
        self.put_command(uuid, *command)
        if not self.target.has("enrollment_queue",
                               "id = %s AND command_uuid = %s", id_, uuid):
            self.target.put("enrollment_queue",
                            {"id": id_, "command_uuid": uuid},
                            {"active": is_active}, {}, at)
        if report and report[1]:
            self.put_result(id_, uuid, *report)
        return True

    def put_command(self, uuid, type_, body):
        if uuid in self.commands or uuid in self.fresh:
            return
        self.fresh.add(uuid)
        if not self.target.has("commands", "command_uuid = %s", uuid):
            self.target.put("commands", {"command_uuid": uuid},
                            {"request_type": type_, "command": body}, {},
                            self.storage.queue.written_at(f"{uuid}.raw"))

    def put_result(self, id_, uuid, status, body):
        keys = {"id": id_, "command_uuid": uuid}
        self.results += 1
        if self.target.has("command_results", "id = %s AND command_uuid = %s"
                           " AND status <> 'NotNow'", id_, uuid):
            return
        at = Time(self.storage.queue.written_at(
            f"{id_}.{uuid}.queueitem.report"))
        self.target.put(
            "command_results", keys, {"status": status, "result": body},
            {"updated_at": at, **({"not_now_at": at, "not_now_tally": 1}
                                  if status == "NotNow" else {})}, at)

    # -- The rest --

    def put_push_cert(self, topic):
        files = self.storage.push_cert
        cert = self.pem(f"{topic}.pem", "-----BEGIN CERTIFICATE-----")
        key = self.pem(f"{topic}.key", "-----BEGIN ")
        number = self.optional(files.number, f"{topic}.stale_token") or 0
        at = Time(files.written_at(f"{topic}.pem"))
        stored = self.target.query(
            "SELECT cert_pem, key_pem, stale_token FROM {prefix}push_certs"
            " WHERE topic = %s", topic)
        if stored and not all(map(same, self.target.opened(
                "push_certs", topic, ("cert_pem", "key_pem"), stored[0]),
                (cert, key))):
            if self.target.has("push_certs", "topic = %s AND updated_at > %t",
                               topic, at):
                self.left_alone += 1
                self.trouble.tell(f"{topic}: its push certificate is newer in"
                                  " the database; left alone")
                return
            number = max(number, int(stored[0][2]) + 1)
        elif stored:
            number = int(stored[0][2])
        self.target.put("push_certs", {"topic": topic}, {
            "cert_pem": cert, "key_pem": key, "stale_token": number},
            {"updated_at": at}, at)
        self.certs += 1

    def pem(self, key, begin):
        """From its first line on."""
        files = self.storage.push_cert
        files.needed(key)
        value = files.text(key)
        start = value.find(begin)
        if start < 0 or "-----END" not in value[start:]:
            raise Bad(files.path(key), "truncated, or not PEM; upload the"
                      " push certificate again")
        return value[start:]

    def put_associations(self):
        """Also the certificates that a device had before."""
        files = self.storage.cert_auth
        for key in sorted(files.paths):
            if key.endswith(".cert_hash"):
                id_, sha256 = key[:-10], self.optional(files.text, key)
            elif key.endswith(".hash_cert"):
                id_, sha256 = self.optional(files.text, key), key[:-10]
            else:
                continue
            if not (id_ and len(id_) <= LONGEST_ID and is_utf8(key)
                    and re.fullmatch("[0-9a-f]{64}", sha256 or "")):
                self.say(f"{ascii(files.path(key))}: no certificate"
                         " association; left out")
                continue
            if not self.target.has("cert_auth_associations",
                                   "id = %s AND sha256 = %s", id_, sha256):
                self.target.put("cert_auth_associations",
                                {"id": id_, "sha256": sha256}, {}, {},
                                files.written_at(key))
                self.associations += 1

    def summary(self):
        return (f"{'would import' if self.args.dry_run else 'imported'}"
                f" {self.devices} devices, {self.users} users,"
                f" {self.pending} pending commands, {self.results} results,"
                f" {self.certs} push certificates and {self.associations}"
                f" certificate associations; {self.trouble.problems}"
                f" problems, {self.left_alone} left alone")


def without_unlock_token(message):
    """As the server stores it where it seals the column of its own."""
    return re.sub(r"<key>UnlockToken</key>\s*<data\s*(?:/>|>.*?</data>)", "",
                  message, flags=re.DOTALL).rstrip() + "\n"


def names_in(message):
    """A user's, as in its last message; what is no text is no name."""
    found = None
    with contextlib.suppress(ValueError):
        found = plists.read(message.encode()) if message else None
    if not isinstance(found, dict):
        found = {}
    named = {"user_short_name": found.get("UserShortName"),
             "user_long_name": found.get("UserLongName")}
    return {column: name if name and isinstance(name, str) else None
            for column, name in named.items()}


class Reporter:
    """Each problem once, on standard error."""

    def __init__(self):
        self.said = set()
        self.progress = None

    @property
    def problems(self):
        return len(self.said)

    def say(self, line):
        if line not in self.said:
            self.said.add(line)
            self.tell(line)

    def tell(self, line):
        if self.progress:
            self.progress.end()
        print(plain(line.encode("utf-8", "backslashreplace").decode()),
              file=sys.stderr, flush=True)


# ---- The command line ----

def add_arguments(parser):
    add = parser.add_argument
    add("folder", help="what NanoMDM's -storage-dsn names")
    add("--driver", required=True, choices=DRIVERS)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--params", metavar="TEXT",
                       help="the database, written as in DBDParams; text with"
                       " a password may be env:NAME or file:PATH")
    where.add_argument("--dsn", metavar="TEXT",
                       help="the database, written as in a -storage-dsn;"
                       " likewise")
    add("--table-prefix", "--prefix", default="", type=table_prefix,
        metavar="PREFIX", help="as in NanoMDMTablePrefix")
    add_storage_key(parser, "seals what is written")
    add("--dry-run", action="store_true",
        help="do everything and take it back, device by device")
    add("--verbose", action="store_true", help="a line for each device")


def run(parser, args):
    resolve_secrets(parser, args)
    reporter = Reporter()
    work = None
    stopped = False
    try:
        storage = Storage(args.folder, reporter.say)
        work = Import(args, storage, Target(args), reporter)
        work.run()
    except (Stopped, OSError) as error:
        reporter.tell(f"stopped: {error}")
        stopped = True
    if work:
        print(work.summary(), flush=True)
    return 1 if stopped or reporter.problems else 0
