# SPDX-License-Identifier: Apache-2.0
"""Declarative management: the operator's calls, and a device that does what
Apple's documentation says of its engine."""

import json
import urllib.parse

from device import Device, Operator

KINDS = ("Activations", "Assets", "Configurations", "Management")


def quoted(name):
    return urllib.parse.quote(name, safe="")


def test_declaration(identifier, echo="hello"):
    return {"Identifier": identifier,
            "Type": "com.apple.configuration.management.test",
            "Payload": {"Echo": echo}}


test_declaration.__test__ = False


def activation(identifier, *configurations):
    return {"Identifier": identifier,
            "Type": "com.apple.activation.simple",
            "Payload": {"StandardConfigurations": list(configurations)}}


class Declarations(Operator):
    """An operator of declarations. base: the path of the API's Location."""

    base = "/v1"

    def ask(self, method, path, body=None, headers=(), **query):
        pairs = [(name, one) for name, value in query.items()
                 for one in (value if isinstance(value, list) else [value])]
        if pairs:
            path += "?" + urllib.parse.urlencode(pairs)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is None and method in ("PUT", "POST"):
            body = b""
        return self.call(method, f"{self.base}/{path}", body, headers)

    def get(self, path, **query):
        answer = self.ask("GET", path, **query)
        assert answer.status == 200, answer
        return answer.json

    def put(self, declaration, **query):
        return self.ask("PUT", "declarations", declaration, **query).status

    def declaration(self, identifier):
        return self.get(f"declarations/{quoted(identifier)}")

    def touch(self, identifier, **query):
        return self.ask("POST", f"declarations/{quoted(identifier)}/touch",
                        **query).status

    def delete(self, identifier, **query):
        return self.ask("DELETE", f"declarations/{quoted(identifier)}",
                        **query).status

    def add(self, set_name, *identifiers, **query):
        statuses = [self.ask("PUT", f"set-declarations/{quoted(set_name)}",
                             declaration=identifier, **query).status
                    for identifier in identifiers]
        return statuses[0] if len(statuses) == 1 else statuses

    def remove(self, set_name, identifier, **query):
        return self.ask("DELETE", f"set-declarations/{quoted(set_name)}",
                        declaration=identifier, **query).status

    def assign(self, device_id, *sets, **query):
        statuses = [self.ask("PUT", f"enrollment-sets/{quoted(device_id)}",
                             set=one, **query).status for one in sets]
        return statuses[0] if len(statuses) == 1 else statuses

    def unassign(self, device_id, set_name, **query):
        return self.ask("DELETE", f"enrollment-sets/{quoted(device_id)}",
                        set=set_name, **query).status

    def notify(self, **query):
        return self.ask("POST", "notify", **query).status

    def states(self, device_id, **query):
        """Identifier -> state, of what a device reported."""
        answer = self.get(f"declaration-status/{quoted(device_id)}", **query)
        return {one["identifier"]: one for one in answer.get(device_id, [])}

    def values(self, device_id, **query):
        """(path, value) of what a device reported, in order."""
        answer = self.get(f"status-values/{quoted(device_id)}", **query)
        return [(one["path"], one["value"])
                for one in answer.get(device_id, [])]

    def errors(self, device_id, **query):
        answer = self.get(f"status-errors/{quoted(device_id)}", **query)
        return answer.get(device_id, [])

    def why(self, device_id, identifier):
        return self.get(f"declaration-why/{quoted(device_id)}",
                        declaration=identifier)


class DeclarativeDevice(Device):
    """A device with an engine for declarations: switched on by the first
    command; fetches what is new, removes what is gone, reports."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.is_on = False
        self.token = None
        self.taken = None           # the last DeclarationsToken
        self.declarations = {}      # Identifier -> the object
        self.kinds = {}
        self.commands = []          # of DeclarativeManagement, as delivered
        self.token = b"\x01" * 32
        self.fetched = []

    def endpoint(self, name, data=None):
        return self.declarative_management(name, data)

    def tokens(self):
        answer = self.endpoint("tokens")
        assert answer.status == 200, answer
        return answer.json["SyncTokens"]["DeclarationsToken"]

    def items(self):
        answer = self.endpoint("declaration-items")
        assert answer.status == 200, answer
        return answer.json

    def status(self, **report):
        return self.endpoint("status", json.dumps(report).encode())

    def poll(self):
        """Take what waits; the DeclarativeManagement commands are obeyed.
        How many there were."""
        before = len(self.commands)
        answer = self.idle()
        while answer.body:
            command = answer.plist
            uuid = command["CommandUUID"]
            answer = self.acknowledge(uuid)
            assert answer.status == 200, answer
            if command["Command"]["RequestType"] == "DeclarativeManagement":
                self.commands.append(command)
                self.obey(command["Command"].get("Data"))
        return len(self.commands) - before

    def obey(self, data):
        self.is_on = True
        offered = (json.loads(data)["SyncTokens"]["DeclarationsToken"]
                   if data else self.tokens())
        if offered != self.taken:
            self.sync()

    def sync(self):
        items = self.items()
        self.taken = items["DeclarationsToken"]
        manifest = {}
        for kind in KINDS:
            for item in items["Declarations"][kind]:
                manifest[item["Identifier"]] = (kind, item["ServerToken"])
        for identifier in set(self.declarations) - set(manifest):
            del self.declarations[identifier]
        for identifier, (kind, token) in manifest.items():
            held = self.declarations.get(identifier)
            if not held or held["ServerToken"] != token:
                self.fetch(kind, identifier)
        self.kinds = {name: kind for name, (kind, _) in manifest.items()}
        self.report_state()

    def fetch(self, kind, identifier):
        kind = kind.lower().rstrip("s") if kind != "Management" \
            else "management"
        self.fetched.append(identifier)
        answer = self.endpoint(f"declaration/{kind}/{identifier}")
        if answer.status == 404:
            self.declarations.pop(identifier, None)
            return
        assert answer.status == 200, answer
        self.declarations[identifier] = answer.json

    def active(self):
        """Configurations that an activation names, and activations."""
        named = {name for one in self.declarations.values()
                 for name in one["Payload"].get("StandardConfigurations", [])
                 if one["Type"] == "com.apple.activation.simple"}
        return {name for name in self.declarations
                if self.kinds.get(name) == "Activations" or name in named}

    def states(self):
        active = self.active()
        states = {kind.lower(): [] for kind in KINDS}
        for name, one in sorted(self.declarations.items()):
            kind = self.kinds.get(name)
            if not kind:
                continue
            state = {"identifier": name, "active": name in active,
                     "valid": "valid", "server-token": one["ServerToken"]}
            if name not in active and kind == "Configurations":
                state["valid"] = "unknown"
                state["reasons"] = [
                    {"code": "Info.NotReferencedByActivation",
                     "description": "not referenced"}]
            states[kind.lower()].append(state)
        return states

    def report_state(self, **more):
        answer = self.status(StatusItems={
            "management": {"declarations": self.states()}}, Errors=[], **more)
        assert answer.status == 200, answer
