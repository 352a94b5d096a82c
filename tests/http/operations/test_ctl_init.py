# SPDX-License-Identifier: Apache-2.0
"""nanomdmctl init: from nothing to a server that gives a device its identity
and serves it."""

import json
import os
import plistlib
import ssl
import subprocess
import sys
import urllib.request

import pytest

import ca as certs
from ctl import PROGRAM
from documents import System

pytestmark = pytest.mark.one_database


class Fresh(System):
    """A Debian on which the package was installed and nothing else done."""

    def ctl(self, *words):
        env = {**os.environ, **self.environment(),
               "PATH": f"{self.folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
               "APACHE_CONFDIR": str(self.confdir),
               "APACHE_STATE_DIRECTORY": f"{self.folder}/var/lib/apache2",
               "NANOMDM_CONFIG": str(self.folder / "etc/nanomdm/ctl.conf")}
        env.pop("LD_PRELOAD", None)
        return subprocess.run(
            [sys.executable, str(PROGRAM), *map(str, words)], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False, text=True)

    def init(self, *words, settings=""):
        etc = self.folder / "etc/nanomdm"
        etc.mkdir(parents=True, exist_ok=True)
        bare = self.folder / "bare.conf"
        bare.write_text(f"httpd = {' '.join(map(str, self.command()))}\n"
                        + settings)
        return self.ctl(
            "--config", bare, "init", "localhost", "--port", self.tls_port,
            "--etc", etc, "--data", self.folder / "var/lib/nanomdm",
            "--site", self.site(), *words)


@pytest.fixture
def system(httpd, expect_log):
    expect_log("nanomdm|ssl|core", optional=True)
    made = httpd(make=Fresh, start=False)
    made.sh("make install")
    return made


def test_init_makes_a_server(system):
    done = system.init("--own-ca")
    assert done.returncode == 0, done.stdout
    assert "httpd accepts the configuration" in done.stdout
    etc = system.folder / "etc/nanomdm"
    for name in "issuer.key", "server.key", "api.key", "server-ca.key":
        assert (etc / name).stat().st_mode & 0o777 == 0o600
    assert (system.folder / "var/lib/nanomdm").stat().st_mode & 0o777 == 0o750
    site = system.site()
    site.write_text(site.read_text().replace(
        "<VirtualHost *:", "<VirtualHost 127.0.0.1:"))
    system.start()
    assert system.ctl("devices").stdout == "no such enrollments\n"
    done = system.ctl("--httpd", " ".join(map(str, system.command())),
                      "doctor", "--no-apns", "--json")
    assert '"push certificate"' in done.stdout
    assert done.stdout.count('"level": "error"') == 1, done.stdout


def test_a_link_then_gives_a_profile(system):
    assert system.init("--own-ca").returncode == 0
    site = system.site()
    site.write_text(site.read_text().replace(
        "<VirtualHost *:", "<VirtualHost 127.0.0.1:"))
    system.start()
    uploaded = system.folder / "push.pem"
    made = certs.push_certificate()
    uploaded.write_bytes(made.pem + made.key_pem)
    done = system.ctl("pushcert", "upload", uploaded)
    assert done.returncode == 0, done.stdout
    done = system.ctl("links", "--user", "ada", "--json")
    assert done.returncode == 0, done.stdout
    trusted = ssl.create_default_context(
        cafile=system.folder / "etc/nanomdm/server-ca.pem")
    with urllib.request.urlopen(json.loads(done.stdout)[0]["url"],
                                context=trusted) as answer:
        profile = plistlib.loads(answer.read())
    payloads = {each["PayloadType"]: each
                for each in profile["PayloadContent"]}
    assert set(payloads) == {"com.apple.mdm", "com.apple.security.scep",
                             "com.apple.security.root"}
    assert payloads["com.apple.mdm"]["ServerURL"] == (
        f"https://localhost:{system.tls_port}/mdm")


def test_init_twice_changes_nothing(system):
    assert system.init("--own-ca").returncode == 0
    etc = system.folder / "etc/nanomdm"
    before = {path: path.read_bytes() for path in etc.iterdir()}
    done = system.init("--own-ca")
    assert done.returncode == 0 and "made " not in done.stdout, done.stdout
    assert {path: path.read_bytes() for path in etc.iterdir()} == before


def test_init_without_a_certificate_says_what_to_bring(system):
    done = system.init()
    assert done.returncode == 1
    assert "fullchain.pem" in done.stdout and "--own-ca" in done.stdout


@pytest.mark.parametrize("host", ["https://x", "a b", "x/y", 'x"'])
def test_init_wants_a_name(system, host):
    done = system.ctl("--config", "/dev/null", "init", host)
    assert done.returncode == 2 and "without https://" in done.stdout
