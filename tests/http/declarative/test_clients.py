# SPDX-License-Identifier: Apache-2.0
"""Clients that were written for KMFDDM go on, by what they send and take
(DDM-K1 to K3). None of them asks for JSON, and curl says of what it sends that
it is a form."""

import base64
import json
import re
import subprocess
import urllib.error
import urllib.request
import uuid

import pytest

from declarations import activation, test_declaration

CONF = ("NanoMDMDeclarativeManagement builtin\n"
        "NanoMDMDeclarativeManagementNotify changes window=1\n"
        "NanoMDMAPIUser nanomdm kmfddm\n")


@pytest.fixture(scope="module")
def site(module_httpd):
    return module_httpd(extra_vhost=CONF)


@pytest.fixture(autouse=True)
def no_push_certificate(expect_log):
    """Of those that are notified nobody is pushed to."""
    expect_log("NMDM0916", optional=True)


def key_of(site):
    return (site.folder / "api.key").read_text().strip()


class Scripts:
    """What KMFDDM's scripts do with curl: BASE_URL, /v1 and a path."""

    def __init__(self, site):
        self.base = f"http://127.0.0.1:{site.port}"
        self.key = key_of(site)

    def curl(self, path, *options, stdin=None):
        done = subprocess.run(
            ["curl", "-sS", "-u", f"kmfddm:{self.key}", *options,
             f"{self.base}/v1/{path}"],
            input=stdin, capture_output=True, timeout=60, check=True)
        return done.stdout.decode()

    def change(self, method, path, stdin=None):
        """They print the status of a change."""
        body = ["-T", "-"] if stdin is not None else []
        return self.curl(path, "-X", method, *body, "-w",
                         "Response HTTP Code: %{http_code}\n", stdin=stdin)


DONE, SAME = (f"Response HTTP Code: {code}\n" for code in (204, 304))


def test_K1_the_scripts(site, api, mac):
    one, act, group = (f"{x}.{uuid.uuid4()}" for x in "cas")
    scripts = Scripts(site)
    upload = json.dumps(test_declaration(one), indent=2).encode()
    assert scripts.change("PUT", "declarations", upload) == DONE
    assert scripts.change("PUT", "declarations", upload) == SAME
    assert scripts.change("PUT", "declarations", json.dumps(
        activation(act, one)).encode()) == DONE
    assert {one, act} <= set(json.loads(scripts.curl("declarations")))
    assert json.loads(scripts.curl(f"declarations/{one}")).keys() == {
        "Identifier", "Type", "Payload", "ServerToken"}
    assert scripts.change("POST", f"declarations/{one}/touch") == DONE
    for name in (one, act):
        path = f"set-declarations/{group}?declaration={name}"
        assert scripts.change("PUT", path) == DONE
        assert scripts.change("PUT", path) == SAME
    assert json.loads(scripts.curl(f"set-declarations/{group}")) == sorted(
        (one, act))
    assert json.loads(scripts.curl(f"declaration-sets/{one}")) == [group]
    path = f"enrollment-sets/{mac.id}?set={group}"
    assert scripts.change("PUT", path) == DONE
    assert json.loads(scripts.curl(f"enrollment-sets/{mac.id}")) == [group]
    mac.sync()
    mac.status(StatusItems={"device": {"model": {"family": "Mac"}}})
    assert json.loads(scripts.curl(f"declaration-status/{mac.id}"))[mac.id]
    assert json.loads(scripts.curl(f"status-values/{mac.id}"))[mac.id]
    assert json.loads(scripts.curl(f"status-errors/{mac.id}")) == {}
    assert "StatusItems" in json.loads(
        scripts.curl(f"status-report/{mac.id}?index=0"))
    assert scripts.change("DELETE", path) == DONE
    assert scripts.change("DELETE", path) == SAME
    # The script's path, which is 404 at KMFDDM's own server.
    assert scripts.change("PUT", path) == DONE
    assert scripts.change("DELETE", f"enrollment-sets-all/{mac.id}") == DONE
    assert scripts.change("DELETE", f"enrollment-sets-all/{mac.id}") == SAME
    assert json.loads(scripts.curl(f"enrollment-sets/{mac.id}")) == []
    for name in (one, act):
        assert scripts.change(
            "DELETE", f"set-declarations/{group}?declaration={name}") == DONE
        assert scripts.change("DELETE", f"declarations/{name}") == DONE
        assert scripts.change("DELETE", f"declarations/{name}") == SAME


def test_K1_the_scripts_of_devices(site, api, mac):
    """ddm-*.sh: BASE_URL is the API's Location, credentials are CURL_OPTS."""
    name, group = (f"{x}.{uuid.uuid4()}" for x in "cs")
    api.put(test_declaration(name))
    api.add(group, name)
    api.assign(mac.id, group)
    scripts = Scripts(site)
    header = ("-H", f"X-Enrollment-ID: {mac.id}")
    token = json.loads(scripts.curl("tokens", *header))["SyncTokens"][
        "DeclarationsToken"]
    items = json.loads(scripts.curl("declaration-items", *header))
    assert items["DeclarationsToken"] == token == mac.tokens()
    assert [one["Identifier"]
            for one in items["Declarations"]["Configurations"]] == [name]
    assert json.loads(scripts.curl(f"declaration/configuration/{name}",
                                   *header))["Payload"] == {"Echo": "hello"}


class Sync:
    """Uploads a folder as KMFDDM's syncdir.py does: declarations first, then
    the lines of set.NAME.txt, then one notification of all that changed."""

    def __init__(self, site):
        self.base = f"http://127.0.0.1:{site.port}/v1"
        user = f"kmfddm:{key_of(site)}".encode()
        self.authorization = "Basic " + base64.b64encode(user).decode()

    def send(self, method, path, data=None):
        request = urllib.request.Request(f"{self.base}/{path}", data=data,
                                         method=method)
        request.add_header("Authorization", self.authorization)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            assert error.code == 304, error.read()
            return error.code

    def run(self, folder):
        """(changed declarations, changed sets, whether it notified)."""
        declared, held = [], set()
        for path in sorted(folder.glob("*.json")):
            if self.send("PUT", "declarations?nonotify=1",
                         path.read_bytes()) == 204:
                declared.append(json.loads(path.read_text())["Identifier"])
        for path in sorted(folder.glob("set.*.txt")):
            name = re.fullmatch(r"set\.(.*)\.txt", path.name)[1]
            for line in map(str.strip, path.read_text().splitlines()):
                if not line or line.startswith("#"):
                    continue
                method = "DELETE" if line.startswith("-") else "PUT"
                if self.send(method, f"set-declarations/{name}?declaration="
                             f"{line.lstrip('- ')}&nonotify=1") == 204:
                    held.add(name)
        if not declared and not held:
            return [], set(), False
        query = "&".join([f"declaration={one}" for one in declared]
                         + [f"set={one}" for one in held])
        return declared, held, self.send("POST", f"notify?{query}") == 204


def test_K2_a_folder_is_synchronized(site, api, mac, tmp_path):
    conf, act, old, group = (f"{x}.{uuid.uuid4()}" for x in "caog")
    (tmp_path / "a.json").write_text(json.dumps(test_declaration(conf)))
    (tmp_path / "b.json").write_text(json.dumps(activation(act, conf)))
    (tmp_path / f"set.{group}.txt").write_text(
        f"# what each device gets\n{conf}\n\n{act}\n- {old}\n")
    api.put(test_declaration(old))
    api.add(group, old, nonotify=1)
    api.assign(mac.id, group, nonotify=1)
    sync = Sync(site)
    assert sync.run(tmp_path) == ([conf, act], {group}, True)
    assert api.get(f"set-declarations/{group}") == sorted((conf, act))
    assert sync.run(tmp_path) == ([], set(), False)
    (tmp_path / "a.json").write_text(json.dumps(
        test_declaration(conf, "another")))
    assert sync.run(tmp_path) == ([conf], set(), True)


def test_K3_a_client_that_takes_204_and_304(api, mac):
    """mdmdirector's: 204 and 304 are success, and 404 of a delete too."""
    name, group = (f"{x}.{uuid.uuid4()}" for x in "cs")
    one = test_declaration(name)
    statuses = [
        api.put(one), api.put(one), api.add(group, name),
        api.add(group, name), api.assign(mac.id, group),
        api.assign(mac.id, group), api.touch(name),
        api.unassign(mac.id, group), api.unassign(mac.id, group),
        api.remove(group, name), api.remove(group, name),
        api.delete(name), api.delete(name)]
    assert statuses == [204, 304, 204, 304, 204, 304, 204, 204, 304, 204,
                        304, 204, 304]
