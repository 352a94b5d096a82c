# SPDX-License-Identifier: Apache-2.0
"""What httpd's configuration on this host says: its own test, the files that
it names, their permissions, and whether certificates go together."""

import datetime
import os
import pathlib
import pwd
import re
import shlex
import shutil
import stat
import subprocess

CONFIG_PROGRAMS = ("apache2ctl", "apachectl", "httpd")
SECRET_FILES = ("NanoMDMIssuerKeyFile", "NanoMDMSCEPRecipientKeyFile")
USUAL_DATABASE = "/var/lib/nanomdm/nanomdm.db"
SECONDS = 60                    # for the configuration test


class Server:
    """A virtual host, as httpd -t -D DUMP_NANOMDM shows it."""

    def __init__(self, name):
        self.name = name
        self.values = {}              # directive: [value, ...]
        self.locations = {}           # path: handler

    def get(self, directive):
        for value in self.values.get(directive, ()):
            if value != "(not set)":
                return value
        return None

    def path_of(self, handler):
        for path, its_handler in self.locations.items():
            if its_handler == handler:
                return path
        return None


class Site:
    """All virtual hosts with handlers of ours; none where the configuration
    cannot be read."""

    def __init__(self):
        self.servers = []

    def get(self, directive):
        for server in self.servers:
            value = server.get(directive)
            if value is not None:
                return value
        return None

    def path_of(self, handler):
        for server in self.servers:
            path = server.path_of(handler)
            if path:
                return path
        return None

    def all(self, directive):
        """Different values, in all virtual hosts."""
        return list(dict.fromkeys(
            value for server in self.servers
            for value in server.values.get(directive, ())
            if value != "(not set)"))


def parse(text):
    site, server, inside = Site(), None, False
    for line in text.splitlines():
        if line.startswith("Server "):
            server, inside = Server(line[7:]), False
            site.servers.append(server)
        elif server and (match := re.match(r"  Location (\S*): (.*)", line)):
            server.locations[match[1]] = match[2]
            inside = True
        elif server and not inside and line.startswith("    "):
            name, _, value = line.strip().partition(" ")
            server.values.setdefault(name, []).append(value.strip())
    site.servers = [each for each in site.servers if each.locations]
    return site


def program(report):
    given = report.settings.httpd
    if given:
        return shlex.split(given)
    for name in CONFIG_PROGRAMS:
        for folder in (None, "/usr/sbin"):
            found = shutil.which(name, path=folder)
            if found:
                return [found]
    return None


def look(report):
    """The site; without one where there is no httpd on this host."""
    command = program(report)
    if not command:
        report.skip("configuration", "no httpd on this host; run this where"
                    " it is for checks of files and configuration")
        return Site()
    try:
        done = subprocess.run(
            [*command, "-t", "-D", "DUMP_NANOMDM"], check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        report.error("configuration", f"{command[0]}: {error}",
                     "name the program by httpd in ctl.conf")
        return Site()
    said = done.stdout.decode(errors="replace")
    site = parse(said)
    cause, remedy = cause_of(said) if done.returncode else ("", "")
    complaints(report, said, cause)
    if done.returncode:
        report.error("configuration", f"httpd does not accept it: {cause}",
                     remedy or "correct the line that it names")
    elif not site.servers:
        report.error("configuration", "no Location has a handler of"
                     " mod_nanomdm, or the module is not loaded",
                     "a2enmod nanomdm, and write the site as"
                     " docs/quickstart.md has it; nanomdmctl init does both")
    else:
        report.ok("configuration", f"accepted; {len(site.servers)} virtual"
                  " hosts have handlers of mod_nanomdm")
    certificates(report, site)
    permissions(report, site)
    return site


def cause_of(said):
    """What kept httpd from accepting it, and the remedy if it is the module
    that says so; a syntax error of httpd's has two lines."""
    lines = [re.sub(r"^(\[[^]]*\] )+", "", line)
             for line in said.splitlines() if line.strip()]
    ours = [line for line in lines if re.match(r"NMDM\d{4}: ", line)]
    at = next((i for i, line in enumerate(lines)
               if "Syntax error on line" in line), None)
    if at is not None:
        return " ".join(lines[at:at + 2]), ""
    if ours:
        text, _, remedy = ours[-1].partition("; ")
        return text, remedy
    return (lines or ["it gave no reason"])[-1], ""


def complaints(report, said, cause):
    """Warnings of the module's own look at the configuration."""
    for line in dict.fromkeys(re.findall(r"NMDM\d{4}: .*", said)):
        text, _, remedy = line.partition("; ")
        if text != cause:
            report.warn("configuration", text,
                        remedy or "docs/log-tags.md has the tag")


# ---- Certificates ----

def days_left(cert):
    try:
        end = cert.not_valid_after_utc.replace(tzinfo=None)
    except AttributeError:            # cryptography before 42
        end = cert.not_valid_after
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    return (end - now).total_seconds() / 86400


def read_certificates(name):
    from cryptography import x509
    pem = pathlib.Path(name).read_bytes()
    return [x509.load_pem_x509_certificate(block) for block in re.findall(
        b"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", pem,
        re.DOTALL)]


def certificates(report, site):
    anchors = load(report, site, "NanoMDMCACertificateFile", "device CA")
    issuers = load(report, site, "NanoMDMIssuerCertificateFile",
                   "issuer of identities")
    if not anchors and site.servers and site.path_of("nanomdm"):
        report.error("device CA", "none is named, so no device is let in",
                     "NanoMDMCACertificateFile /etc/nanomdm/device-ca.pem")
    for issuer in issuers:
        if anchors and not any(vouches(anchor, issuer) for anchor in anchors):
            report.error("CA match", "the certificates that are issued here"
                         f" ({name_of(issuer)}) are not trusted:"
                         " NanoMDMCACertificateFile does not have their CA",
                         "add NanoMDMIssuerCertificateFile's certificate to"
                         " NanoMDMCACertificateFile")
        elif anchors:
            report.ok("CA match", f"{name_of(issuer)} is trusted")


def load(report, site, directive, subject):
    """All certificates of the files that a directive names."""
    found = []
    for value in site.all(directive):
        for name in shlex.split(value):
            try:
                certs = read_certificates(name)
            except (OSError, ValueError) as error:
                report.error(subject, f"{name}: {error}",
                             f"name a file of PEM certificates by {directive}")
                continue
            for cert in certs:
                report.expiry(subject, f"{name_of(cert)} in {name}",
                              days_left(cert), "make a new one and add it to"
                              " the file; remove the old one when no device"
                              " has an identity of it any more",
                              report.args.warn_days)
            found += certs
    return found


def name_of(cert):
    return cert.subject.rfc4514_string() or f"serial {cert.serial_number:x}"


def vouches(anchor, cert):
    """Whether one is the other, or has signed it."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, padding
    if anchor == cert:
        return True
    if anchor.subject != cert.issuer:
        return False
    key, digest = anchor.public_key(), cert.signature_hash_algorithm
    more = ([ec.ECDSA(digest)] if isinstance(key, ec.EllipticCurvePublicKey)
            else [padding.PKCS1v15(), digest])
    try:
        key.verify(cert.signature, cert.tbs_certificate_bytes, *more)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


# ---- Permissions ----

def permissions(report, site):
    before = len(report.findings)
    for name in secrets(report, site):
        mode = mode_of(name)
        if mode is not None and mode & 0o077:
            who = "everybody" if mode & 0o007 else "a group"
            report.error("permissions", f"{name} is open to {who}"
                         f" ({mode & 0o777:03o})", f"chmod 600 {name}")
    database(report, site)
    if site.servers and len(report.findings) == before:
        report.ok("permissions", "of keys and of the database's folder are"
                  " as they should be")


def secrets(report, site):
    """Files that hold a secret, as far as anything says where."""
    named = [name for directive in SECRET_FILES
             for value in site.all(directive) for name in shlex.split(value)]
    key = report.settings.key or ""
    if key.startswith("file:"):
        named.append(key[5:])
    folder = pathlib.Path(report.settings.origin["key"]).parent
    if site.servers:
        folders = {pathlib.Path(name).parent for name in named}
        folders.add(folder)
        for each in folders:
            if each.is_absolute() and each.is_dir():
                named += map(str, each.glob("*.key"))
    return sorted(set(named))


def mode_of(name):
    try:
        return stat.S_IMODE(os.stat(name).st_mode)
    except OSError:
        return None


def database(report, site):
    """SQLite writes beside its file."""
    name = report.settings.database
    if not name and site.get("DBDriver") == "sqlite3":
        name = USUAL_DATABASE if os.path.exists(USUAL_DATABASE) else None
    if not name:
        return
    user = pwd.getpwnam(report.settings.web_user)
    folder = pathlib.Path(name).parent
    for path, need in ((folder, 0o3), (pathlib.Path(name), 0o2)):
        if not path.exists():
            if path == folder:
                report.error("permissions", f"{folder} is not there",
                             f"install -d -o {user.pw_name} -m 750 {folder}")
            continue
        info = path.stat()
        shift = (6 if info.st_uid == user.pw_uid else
                 3 if info.st_gid == user.pw_gid else 0)
        if (info.st_mode >> shift) & need != need:
            report.error("permissions", f"{path} is not writable by"
                         f" {user.pw_name}", f"chown {user.pw_name}"
                         f" {path}")
