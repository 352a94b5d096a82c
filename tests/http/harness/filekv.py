# SPDX-License-Identifier: Apache-2.0
"""NanoMDM's file storage, as NanoMDM writes it (behaviour specification 8.7),
with the effects of its messages on it."""

import os
import pathlib
import plistlib
import time


def authenticate_of(mac):
    return mac.message("Authenticate", Topic=mac.topic,
                       SerialNumber=mac.serial)


def token_update_of(channel, **more):
    return channel.message("TokenUpdate", **{
        "Topic": channel.topic, "PushMagic": channel.push_magic,
        "Token": channel.token, **more})


class FileKV:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.root.mkdir(exist_ok=True)

    def path(self, bucket, key):
        """In folders of the key's first two pairs of characters."""
        return self.root / bucket / key[:2] / key[2:4] / key

    def set(self, bucket, key, value, at=None):
        path = self.path(bucket, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value if isinstance(value, bytes)
                         else str(value).encode())
        if at:
            os.utime(path, (at, at))
        return path

    def get(self, bucket, key):
        path = self.path(bucket, key)
        return path.read_text() if path.exists() else ""

    def delete(self, bucket, key):
        self.path(bucket, key).unlink(missing_ok=True)

    def see(self, id_, at=None):
        self.set("enrollments", f"{id_}.last_seen_at",
                 int((at or time.time()) * 1000000))

    # -- Check-ins --

    def authenticate(self, mac, at=None):
        self.set("devices", f"{mac.id}.auth",
                 plistlib.dumps(authenticate_of(mac)), at)
        self.set("devices", f"{mac.id}.cert", mac.identity.der, at)
        self.set("devices", f"{mac.id}.serial", mac.serial, at)
        self.delete("devices", f"{mac.id}.bstoken")
        for key in ("unl_tok", "tok_tal", "enrolled_at"):
            self.delete("enrollments", f"{mac.id}.{key}")
        self.associate(mac.id, mac.identity.sha256)
        self.disable(mac, at)

    def associate(self, id_, sha256):
        self.set("cert_auth", f"{id_}.cert_hash", sha256)
        self.set("cert_auth", f"{sha256}.hash_cert", id_)

    def disable(self, mac, at=None):
        """Of a device, NanoMDM forgets the users and writes a key that
        means nothing."""
        self.see(mac.id, at)
        self.set("enrollments", f"{mac.id}.disabled", "1", at)
        self.set("enrollments", f"{mac.id}.user_ch..disabled", "1", at)

    def token_update(self, channel, parent=None, at=None, **more):
        message = token_update_of(channel, **more)
        if parent:
            self.set("users", f"{channel.id}.device_ch", parent.id, at)
            self.set("enrollments", f"{parent.id}.user_ch.{channel.id}",
                     "1", at)
        self.set("users" if parent else "devices", f"{channel.id}.tok_upd",
                 plistlib.dumps(message), at)
        values = {"type": "User" if parent else channel.kind,
                  "topic": message["Topic"],
                  "push_magic": message["PushMagic"],
                  "token": message["Token"]}
        if message.get("UnlockToken"):
            values["unl_tok"] = message["UnlockToken"]
        for key, value in values.items():
            self.set("enrollments", f"{channel.id}.{key}", value, at)
        tally = int(self.get("enrollments", f"{channel.id}.tok_tal")
                    or 0) + 1
        self.set("enrollments", f"{channel.id}.tok_tal", tally, at)
        if tally == 1:
            self.set("enrollments", f"{channel.id}.enrolled_at",
                     int((at or time.time()) * 1000000))
        self.see(channel.id, at)
        self.delete("enrollments", f"{channel.id}.disabled")

    # -- Queues --

    def command(self, uuid, plist, at=None):
        self.set("queue", f"{uuid}.raw", plist, at)
        self.set("queue", f"{uuid}.req_type", plistlib.loads(
            plist)["Command"]["RequestType"], at)

    def end(self, id_, which):
        return f"{id_}.queuekey.queue.{which}"

    def enqueue(self, id_, uuid):
        """At the end of a list whose items point to both neighbours."""
        last = self.get("queue", self.end(id_, "last"))
        if last:
            self.set("queue", f"{id_}.{last}.queueitem.next", uuid)
            self.set("queue", f"{id_}.{uuid}.queueitem.prev", last)
        else:
            self.set("queue", self.end(id_, "first"), uuid)
        self.set("queue", self.end(id_, "last"), uuid)

    def report(self, channel, uuid, status, at=None, **more):
        body = plistlib.dumps({"UDID": channel.udid, "Status": status,
                               "CommandUUID": uuid, **more})
        self.set("queue", f"{channel.id}.{uuid}.queueitem.report", body, at)
        self.set("queue", f"{channel.id}.{uuid}.queueitem.status", status,
                 at)
        if status != "NotNow":
            self.unlink(channel.id, uuid)
        return body

    def unlink(self, id_, uuid):
        item = f"{id_}.{uuid}.queueitem"
        before = self.get("queue", f"{item}.prev")
        after = self.get("queue", f"{item}.next")
        for neighbour, end, link, other in (
                (before, "first", "next", after),
                (after, "last", "prev", before)):
            key = (f"{id_}.{neighbour}.queueitem.{link}" if neighbour
                   else self.end(id_, end))
            if other:
                self.set("queue", key, other)
            else:
                self.delete("queue", key)
        for link in ("prev", "next"):
            self.delete("queue", f"{item}.{link}")

    def clear(self, id_):
        """The last item's link to the one before it stays."""
        uuid = self.get("queue", self.end(id_, "first"))
        while uuid:
            item = f"{id_}.{uuid}.queueitem"
            after = self.get("queue", f"{item}.next")
            if after:
                for link in ("prev", "next"):
                    self.delete("queue", f"{item}.{link}")
            uuid = after
        for end in ("first", "last"):
            self.delete("queue", self.end(id_, end))

    # -- Push certificates --

    def push_cert(self, topic, cert, key, stale_token=0):
        for name, value in (("pem", cert), ("key", key),
                            ("stale_token", stale_token)):
            self.set("push_cert", f"{topic}.{name}", value)
