# SPDX-License-Identifier: Apache-2.0
"""What the files of NanoMDM's file storage ("filekv") say."""

import collections
import contextlib
import errno
import functools
import os
import pathlib
import re
import ssl
import stat
import time

from . import plists
from .errors import Stopped

BUCKETS = ("users", "cert_auth", "queue", "push_cert", "devices",
           "enrollments")
LARGEST = 64 << 20            # bytes of one file
LONGEST_ID = 255
NO_FILE = "not a regular file; put the file itself here"
SECOND = 1000000              # times are microseconds since 1970


class Bad(Exception):
    """A file that cannot be used: its path and why."""

    def __init__(self, path, why):
        super().__init__(f"{path}: {why}")


# ---- The files ----

def read_regular(path):
    """The bytes of a file that is no link: whose folder it is does not choose
    what else the user of this program reads. A pipe is not waited for."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise Bad(path, NO_FILE if error.errno in (errno.ELOOP, errno.ENXIO)
                  else f"{error.strerror}; run this as a user who may read"
                       " it") from None
    try:
        return read_open(path, number)
    except OSError as error:
        raise Bad(path, error.strerror) from None
    finally:
        os.close(number)


def read_open(path, number):
    info = os.fstat(number)
    if not stat.S_ISREG(info.st_mode):
        raise Bad(path, NO_FILE)
    if info.st_size > LARGEST:
        raise Bad(path, f"larger than {LARGEST >> 20} MiB")
    with open(number, "rb", closefd=False) as file:
        value = file.read(info.st_size + 1)
    if len(value) != info.st_size:
        raise Bad(path, "changed while it was read; run this again")
    return value


class Bucket:
    """One of the six folders: a file for each key, in folders of folders."""

    def __init__(self, root, name, say):
        self.folder = root / name
        self.paths = {}
        if not self.folder.is_dir():
            return                    # nothing was ever in it
        for folder, _, names in os.walk(
                self.folder, onerror=lambda error: say(str(error))):
            for key in names:
                self.paths[key] = os.path.join(folder, key)

    def __contains__(self, key):
        return key in self.paths

    def path(self, key):
        return self.paths.get(key, str(self.folder / "*" / "*" / key))

    def get(self, key):
        """Bytes, or None when there is no such key."""
        return read_regular(self.paths[key]) if key in self.paths else None

    def text(self, key):
        """Text, None when there is none or it is empty."""
        value = self.get(key)
        if not value:
            return None
        try:
            decoded = value.decode()
        except UnicodeDecodeError:
            raise Bad(self.path(key), "not text") from None
        if "\0" in decoded:
            raise Bad(self.path(key), "not text")
        return decoded

    def needed(self, key):
        value = self.get(key)
        if not value:
            raise Bad(self.path(key), "missing" if value is None else "empty")
        return value

    def number(self, key):
        """A count or a time; None when there is none."""
        value = self.text(key)
        if value is None:
            return None
        if not re.fullmatch(r"[0-9]{1,17}", value.strip()):
            raise Bad(self.path(key), "not a number")
        return int(value)

    def written_at(self, key):
        """When the file was; NanoMDM keeps few times of its own."""
        with contextlib.suppress(KeyError, OSError):
            return bounded(os.lstat(self.paths[key]).st_mtime_ns // 1000)
        return now()

    def message(self, key):
        """A property list as XML; None when there is none."""
        value = self.get(key)
        return None if value is None else xml(self.path(key), value)


def now():
    return time.time_ns() // 1000


def bounded(at):
    """A time that is over, and that every database can hold."""
    return max(SECOND, min(at, now()))


def xml(path, value):
    """Byte for byte, unless it is no XML that the tables may hold."""
    with contextlib.suppress(UnicodeDecodeError):
        decoded = value.decode()
        if decoded.startswith("<?xml") and "\0" not in decoded \
                and decoded.rstrip().endswith("</plist>"):
            return decoded
    try:
        return plists.write(plists.read(value)).decode()
    except ValueError as error:
        raise Bad(path, f"truncated, or no property list ({error})"
                  ) from None


def pem_of(path, der):
    """Of a whole certificate: a sequence that says how long it is."""
    if len(der) < 4 or der[:2] != b"\x30\x82" \
            or int.from_bytes(der[2:4], "big") + 4 != len(der):
        raise Bad(path, "truncated, or no certificate")
    return ssl.DER_cert_to_PEM_cert(der)


def is_utf8(key):
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


# ---- The storage as a whole ----

class Storage:
    """Who is in the files; what their keys say, not yet their contents."""

    FIELDS = {
        "devices": {"auth", "cert", "serial", "tok_upd", "bstoken"},
        "users": {"tok_upd", "device_ch", "user_auth", "user_auth_digest"},
        "enrollments": {"type", "topic", "push_magic", "token", "tok_tal",
                        "disabled", "last_seen_at", "enrolled_at",
                        "unl_tok"},
    }
    CHANNEL = ".user_ch."

    def __init__(self, folder, say):
        root = pathlib.Path(folder)
        if not any((root / name).is_dir() for name in BUCKETS):
            raise Stopped(f"{folder}: no file storage of NanoMDM: it has none"
                          f" of the folders {', '.join(BUCKETS)}; name the"
                          " folder of its -storage-dsn")
        for name in BUCKETS:
            setattr(self, name, Bucket(root, name, say))
        self.say = say
        named = {name: self.names(name) for name in self.FIELDS}
        self.parents = self.parents_by_key()
        self.user_ids = named["users"] | (
            named["enrollments"] & set(self.parents))
        self.device_ids = named["devices"] | (
            named["enrollments"] - self.user_ids)
        self.commands_known = {key[:-4] for key in self.queue.paths
                               if key.endswith(".raw")}
        self.items = self.queue_items()

    def names(self, bucket):
        """The ids that have any file there."""
        found = set()
        for key in getattr(self, bucket).paths:
            id_, _, field = key.rpartition(".")
            if field not in self.FIELDS[bucket] or self.CHANNEL in key:
                continue
            if not is_utf8(key) or len(id_) > LONGEST_ID or not id_:
                self.say(f"{ascii(getattr(self, bucket).path(key))}: names"
                         " no enrollment")
            else:
                found.add(id_)
        return found

    def parents_by_key(self):
        parents = {}
        for key in self.enrollments.paths:
            parent, channel, user = key.partition(self.CHANNEL)
            if channel and user:
                parents[user] = parent
        return parents

    def parent_of(self, user):
        """Its device's id; None when nothing tells."""
        parent = self.users.text(f"{user}.device_ch") \
            or self.parents.get(user)
        if parent:
            return parent
        at = user.rfind(":")
        while at > 0 and user[:at] not in self.device_ids:
            at = user.rfind(":", 0, at)
        return user[:at] if at > 0 else None

    def queue_items(self):
        """{enrollment: {command: what there is of it}}. Both names may have
        dots in them, so those that are known decide."""
        items = collections.defaultdict(lambda: collections.defaultdict(set))
        known = self.device_ids | self.user_ids
        for key in self.queue.paths:
            names, item, field = key.rpartition(".queueitem.")
            if not item or not is_utf8(key):
                continue
            splits = [(names[:match.start()], names[match.end():])
                      for match in re.finditer(r"\.", names)]
            likely = [split for split in splits if split[0] in known]
            certain = [split for split in likely
                       if split[1] in self.commands_known]
            for id_, uuid in (certain or likely)[:1]:
                items[id_][uuid].add(field)
        return items

    def pending(self, id_):
        """Its commands in the order of delivery. A list that is broken is
        picked up again from its other end."""
        first = self.link(f"{id_}.queuekey.queue.first")
        last = self.link(f"{id_}.queuekey.queue.last")
        found, whole = self.walk(id_, first, "next", set())
        if last and last not in found:
            self.say(f"{self.queue.path(f'{id_}.queuekey.queue.last')}: the"
                     " queue is broken before this command; look whether"
                     " commands of it are missing")
            rest, _ = self.walk(id_, last, "prev", set(found))
            found += reversed(rest)
        if not whole:
            self.say(f"{id_}: its queue runs in a circle; look whether its"
                     " commands are in order")
        return found

    def walk(self, id_, uuid, link, seen):
        """(commands, whether they end)"""
        found = []
        while uuid and uuid not in seen:
            seen.add(uuid)
            found.append(uuid)
            uuid = self.link(f"{id_}.{uuid}.queueitem.{link}")
        return found, not uuid

    def link(self, key):
        """None at the end, and where one cannot be read."""
        try:
            return self.queue.text(key)
        except Bad as bad:
            self.say(f"{bad}; the queue is broken there")
            return None

    @functools.lru_cache(maxsize=64)
    def command(self, uuid):
        """(request type, XML)"""
        body = xml(self.queue.path(f"{uuid}.raw"),
                   self.queue.needed(f"{uuid}.raw"))
        type_ = self.queue.text(f"{uuid}.req_type")
        if not type_:
            try:
                type_ = plists.read(body.encode())["Command"]["RequestType"]
            except (ValueError, LookupError, TypeError):
                raise Bad(self.queue.path(f"{uuid}.req_type"),
                          "missing") from None
        return type_, body
