# SPDX-License-Identifier: Apache-2.0
"""Makes what a server needs: folders, a CA for devices, the key of the API,
the site's configuration and ctl.conf; enables both and tests the
configuration. What is there already is left as it is, so it may be run again.

    nanomdmctl init mdm.example.com
    nanomdmctl init mdm.example.com --own-ca

Without --own-ca the server's certificate is one that you bring: a public CA's
fullchain.pem and privkey.pem, linked as server.pem and server.key.
"""

import os
import pathlib
import secrets
import shutil
import socket
import subprocess

from .errors import Failed
from .pushcert import write

SITE = """\
# Written by nanomdmctl init; docs/directives.md describes each line.
DBDriver sqlite3
DBDParams {data}/nanomdm.db
DBDPersist On
DBDMin 1
DBDKeep {connections}
DBDMax {connections}

<VirtualHost *:{port}>
    ServerName {host}
    SSLEngine on
    SSLCertificateFile {etc}/server.pem
    SSLCertificateKeyFile {etc}/server.key
    SSLVerifyClient optional_no_ca
    SSLVerifyDepth 10
    # Handshakes cost a third less.
    SSLSessionTickets off
    LogLevel nanomdm:info

    NanoMDMCACertificateFile {etc}/issuer.pem
    NanoMDMIssuerCertificateFile {etc}/issuer.pem
    NanoMDMIssuerKeyFile {etc}/issuer.key
    NanoMDMAPIKey file:{etc}/api.key

    <Location "/mdm">
        SetHandler nanomdm
    </Location>
    <Location "/scep">
        SetHandler nanomdm-scep
    </Location>
    <Location "/enroll">
        SetHandler nanomdm-enroll
{anchors}    </Location>
    <Location "/v1">
        SetHandler nanomdm-api
        AuthType Basic
        AuthName nanomdm
        AuthBasicProvider nanomdm
        Require valid-user
    </Location>
    <Location "/status">
        SetHandler nanomdm-status
        AuthType Basic
        AuthName nanomdm
        AuthBasicProvider nanomdm
        Require valid-user
    </Location>
    <Location "/health">
        SetHandler nanomdm-health
    </Location>
    <Location "/version">
        SetHandler nanomdm-version
    </Location>
</VirtualHost>
"""
ANCHORS = """\
        NanoMDMEnrollAnchors {etc}/server-ca.pem
"""
CTL = """\
# Read by nanomdmctl.
url = https://{name}
key = file:{etc}/api.key
database = {data}/nanomdm.db
"""
THREADS = 25                    # ThreadsPerChild of Debian


def add_arguments(parser):
    add = parser.add_argument
    add("host", help="the name by which devices reach this server")
    add("--port", type=int, default=443)
    add("--etc", default="/etc/nanomdm", type=pathlib.Path, metavar="FOLDER",
        help="for keys and certificates (default: /etc/nanomdm)")
    add("--data", default="/var/lib/nanomdm", type=pathlib.Path,
        metavar="FOLDER", help="for the database (default: /var/lib/nanomdm)")
    add("--site", default="/etc/apache2/sites-available/nanomdm.conf",
        type=pathlib.Path, metavar="FILE")
    add("--ctl-conf", default=None, type=pathlib.Path, metavar="FILE",
        help="default: ctl.conf beside the keys")
    add("--own-ca", action="store_true",
        help="make a CA for the server's certificate too; each device must"
        " trust it before it enrolls")
    add("--no-enable", action="store_true",
        help="write files only: no a2enmod, a2ensite, configuration test")


class Maker:
    """Says what it made and what was there."""

    def __init__(self, args):
        self.args, self.etc, self.data = args, args.etc, args.data

    def run(self):
        args = self.args
        self.folders()
        self.authority("issuer", f"{args.host} device CA", 3072)
        if args.own_ca:
            self.server_certificate()
        self.file(self.etc / "api.key",
                  f"{secrets.token_hex(32)}\n".encode(), 0o600)
        name = args.host + (f":{args.port}" if args.port != 443 else "")
        words = {"etc": self.etc, "data": self.data, "host": args.host,
                 "port": args.port, "connections": THREADS + 2, "name": name,
                 "anchors": (ANCHORS.format(etc=self.etc) if args.own_ca
                             else "")}
        self.file(args.site, SITE.format(**words).encode(), 0o644)
        ctl = CTL.format(**words)
        if args.own_ca:
            ctl += f"ca-file = {self.etc}/server-ca.pem\n"
        self.file(args.ctl_conf or self.etc / "ctl.conf", ctl.encode(),
                  0o644)
        missing = [str(self.etc / each) for each in ("server.pem",
                                                     "server.key")
                   if not (self.etc / each).exists()]
        if missing:
            raise Failed(f"the server's certificate is missing:"
                         f" {' and '.join(missing)}",
                         "link fullchain.pem and privkey.pem of your CA"
                         " there, or give --own-ca; then run this again")
        if not args.no_enable:
            self.enable()

    def file(self, path, content, mode):
        if path.exists():
            print(f"there   {path}")
            return
        write(path, content, mode)
        print(f"made    {path}")

    def folders(self):
        try:
            self.etc.mkdir(parents=True, exist_ok=True)
            if not self.data.is_dir():
                self.data.mkdir(parents=True, mode=0o750)
                print(f"made    {self.data}")
            if os.geteuid() == 0:
                user = self.args.settings.web_user
                shutil.chown(self.data, user, user)
        except PermissionError as error:
            raise Failed(f"{error.filename}: {error.strerror}",
                         "run this as root") from None
        except LookupError:
            raise Failed(f"there is no user {self.args.settings.web_user}",
                         "name httpd's User by web-user in ctl.conf"
                         ) from None

    # -- certificates -------------------------------------------------

    def authority(self, stem, name, bits):
        """A CA whose key only this machine has."""
        from . import certificates
        pem, key = self.etc / f"{stem}.pem", self.etc / f"{stem}.key"
        if pem.exists() and key.exists():
            print(f"there   {pem} and {key}")
            return
        made = certificates.authority(name, bits)
        write(key, made.key_pem, 0o600)
        write(pem, made.pem, 0o644)
        print(f"made    {pem} and {key}: the CA {name}")

    def server_certificate(self):
        from . import certificates
        self.authority("server-ca", f"{self.args.host} server CA", 3072)
        pem, key = self.etc / "server.pem", self.etc / "server.key"
        if pem.exists() and key.exists():
            print(f"there   {pem} and {key}")
            return
        made = certificates.server(
            self.args.host, (self.etc / "server-ca.pem").read_bytes(),
            (self.etc / "server-ca.key").read_bytes())
        write(key, made.key_pem, 0o600)
        write(pem, made.pem, 0o644)
        print(f"made    {pem} and {key}")

    # -- httpd --------------------------------------------------------

    def enable(self):
        """As Debian does it; elsewhere the site file is included by hand."""
        from .doctor_site import program
        if shutil.which("a2enmod"):
            self.do("a2enmod", "-q", "ssl", "nanomdm")
            self.do("a2ensite", "-q", self.args.site.stem)
        command = program(self.args)
        if not command:
            print("No httpd was found; include the site file in its"
                  " configuration.")
            return
        self.do(*command, "-t")
        print("httpd accepts the configuration; restart it:"
              " systemctl restart apache2")
        print("Then: nanomdmctl doctor, nanomdmctl pushcert request; and with"
              " the push certificate\nuploaded, nanomdmctl links --user NAME"
              " gives a device its enrollment profile.")

    @staticmethod
    def do(*words):
        done = subprocess.run(words, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL)
        said = done.stdout.decode(errors="replace").strip()
        if done.returncode:
            raise Failed(f"{' '.join(words)}: {said}",
                         "correct what it names, and run this again: what was"
                         " made stays")


def run(parser, args):
    args.host = args.host.rstrip(".")
    try:
        socket.gethostbyname(args.host)
    except (OSError, UnicodeError):
        print(f"note    {args.host} is no name that this host can look up;"
              " devices must be able to")
    if any(c in args.host for c in "/: \"'<>\\\n"):
        parser.error(f"{args.host}: give a name of a host, without https://")
    Maker(args).run()
    return 0
