# SPDX-License-Identifier: Apache-2.0
"""-D DUMP_NANOMDM shows each directive that there is, set and unset, and no
secret. httpd -L says which there are, so a new one is missed here at once."""

import plistlib
import re
import subprocess
from typing import NamedTuple

import pytest

import ca as certs
from server import LOCATIONS

one_database = pytest.mark.one_database

NOT_SET = r"\(not set\)"
HIDDEN = r"\(set; not shown\)"
SECRET = "TOP-SECRET"
ESCROW = (r"https://deviceservices-external\.apple\.com"
          r"/deviceservicesworkers/escrowKeyUnlock")
TARGET = r"https://%s#\w{8}"


ISSUER = certs.root("Issuer", key="rsa")


class Case(NamedTuple):
    """Lines of the configuration and of the dump."""

    written: str                # arguments
    shown: str                  # pattern of what is in force then
    unset: str = NOT_SET        # and by default


CASES = {
    "NanoMDMCACertificateFile": Case("{folder}/ca.pem", r"\S+/ca\.pem"),
    "NanoMDMIntermediateCertificateFile": Case("{folder}/ca.pem",
                                               r"\S+/ca\.pem"),
    "NanoMDMIdentity": Case("Header:X-Cert TLS signature",
                            "header:X-Cert tls signature", "tls"),
    "NanoMDMTrustedProxy": Case("192.0.2.1 2001:db8::/64",
                                "192.0.2.1 2001:db8::/64"),
    "NanoMDMIdentityGrace": Case("2592000", "2592000", "0"),
    "NanoMDMRetroactive": Case("On", "On", "Off"),
    "NanoMDMAssociation": Case("Latest", "latest", "all"),
    "NanoMDMUserAuthenticate": Case("Empty-Challenge", "empty-challenge",
                                    "decline"),
    "NanoMDMReenroll": Case("keep", "keep", "reset"),
    "NanoMDMAPIKey": Case("file:{folder}/secret", r"file:\S+/secret"),
    "NanoMDMDeleteCommands": Case("On", "On", "Off"),
    "NanoMDMLastSeen": Case("immediate", "immediate", "buffered"),
    "NanoMDMRetention": Case(
        "90\n7 types=ProfileList keep=3\n30 types=DeviceInformation Dry-Run",
        "30 types=DeviceInformation dry-run\n7 types=ProfileList keep=3\n90"),
    "NanoMDMStorageKey": Case(
        f"file:{{folder}}/key {'5c' * 32} env:NANOMDM_TEST_KEY",
        r"3 keys, not shown: file:\S+/key env:NANOMDM_TEST_KEY"),
    "NanoMDMSchema": Case("check", "check", r"\(by the database\)"),
    "NanoMDMTablePrefix": Case("nano_", "nano_"),
    "NanoMDMMaxBody": Case("4711", "4711", "33554432"),
    "NanoMDMRateLimit": Case("60/m 90", "60/m 90", "Off"),
    "NanoMDMToken": Case("com.apple.maid {folder}/secret",
                         f"com.apple.maid {HIDDEN}"),
    "NanoMDMReturnToService": Case("{folder}/return.plist",
                                   rf"\(any\) {HIDDEN}"),
    "NanoMDMPushURL": Case("https://apns.example.com:2197",
                           "https://apns.example.com:2197",
                           "https://api.push.apple.com"),
    "NanoMDMPushCACertificateFile": Case("{folder}/ca.pem", r"\S+/ca\.pem"),
    "NanoMDMPushExpiration": Case("86400", "86400", "604800"),
    "NanoMDMPushProxy": Case("http://proxy:3128", "http://proxy:3128"),
    "NanoMDMPushTimeout": Case("17", "17", "30"),
    "NanoMDMPushRepeat": Case("Off", "Off", "On"),
    "NanoMDMWebhookURL": Case(f"https://u:{SECRET}@hooks/{SECRET}",
                              TARGET % "hooks"),
    "NanoMDMWebhookKey": Case(SECRET, HIDDEN),
    "NanoMDMWebhook": Case(
        f"https://siem/{SECRET} topics=mdm.Authenticate,mdm.CheckOut"
        f" key=file:{{folder}}/secret redact=off\nhttps://other/ key={SECRET}",
        rf"{TARGET % 'siem'} topics=mdm\.Authenticate,mdm\.CheckOut"
        r" key=file:\S+/secret redact=off" "\n"
        rf"{TARGET % 'other'} topics=all,-mdm\.Connect key={HIDDEN}"
        " redact=on"),
    "NanoMDMWebhookTopics": Case("All -mdm.Connect", r"all -mdm\.Connect",
                                 "all"),
    "NanoMDMWebhookRedact": Case("On", "On", "Off"),
    "NanoMDMWebhookDelivery": Case("durable", "durable", "besteffort"),
    "NanoMDMDeclarativeManagementURL": Case(
        f"https://u:{SECRET}@ddm/base/?k={SECRET}", "https://ddm/base/"),
    "NanoMDMDeclarativeManagementSendKey": Case("env:NANOMDM_TEST_KEY",
                                                "env:NANOMDM_TEST_KEY"),
    "NanoMDMDeclarativeManagementReceiveKey": Case(SECRET, HIDDEN),
    "NanoMDMEscrowURL": Case("https://escrow/unlock", "https://escrow/unlock",
                             ESCROW),
    "NanoMDMUpstreamCACertificateFile": Case("{folder}/ca.pem",
                                             r"\S+/ca\.pem"),
    "NanoMDMUpstreamTimeout": Case("11", "11", "30"),
    "NanoMDMAPIUser": Case("alice bob", "alice bob", "nanomdm"),
    "NanoMDMGaleraSync": Case("Off", "Off", "On"),
    "NanoMDMCombine": Case("Off", "Off", "On"),
    "NanoMDMPushWait": Case("5", "5", "10"),
    # Contradicts a URL beside it; it has a test of its own.
    "NanoMDMDeclarativeManagement": Case("", ".*", "Off"),
    "NanoMDMDeclarativeManagementNotify": Case(
        "none", "none window=2", "all window=2"),
    "NanoMDMDeclarativeManagementSets": Case("base extra", "base extra"),
    "NanoMDMDeclarativeManagementReenroll": Case("clear", "clear", "keep"),
    "NanoMDMDeclarativeManagementShard": Case("On", "On", "Off"),
    "NanoMDMDeclarativeManagementKeep": Case(
        "reports=7 errors=9", "reports=7 errors=9", "reports=3 errors=100"),
    "NanoMDMDeclarativeManagementLint": Case("refuse", "refuse", "warn"),
    "NanoMDMIssuerCertificateFile": Case("{folder}/issuer.pem",
                                         r"\S+/issuer\.pem"),
    "NanoMDMIssuerKeyFile": Case("{folder}/issuer.key", r"\S+/issuer\.key"),
    "NanoMDMSCEPRecipientCertificateFile": Case("{folder}/recipient.pem",
                                                r"\S+/recipient\.pem"),
    "NanoMDMSCEPRecipientKeyFile": Case("{folder}/recipient.key",
                                        r"\S+/recipient\.key"),
    "NanoMDMSCEPChallenge": Case(f"Static {SECRET}-and-longer",
                                 f"static {HIDDEN}", r"once \d+"),
    "NanoMDMSCEPCipher": Case("AES 3DES DES", "aes 3des des", "aes 3des"),
    "NanoMDMSCEPRenewal": Case("30", "30", "Off"),
    "NanoMDMSCEPValidity": Case("90", "90", "365"),
    "NanoMDMRenewIdentity": Case("120 20/m", "120 20/m", "Off"),
    "NanoMDMRenewIdentifier": Case("com.example.x", "com.example.x"),
    "NanoMDMEnrollTemplate": Case("{folder}/return.plist",
                                  r"\S+/return\.plist"),
    "NanoMDMEnrollIdentifier": Case("com.example.x", "com.example.x"),
    "NanoMDMEnrollOrganization": Case('"Example Ltd"', "Example Ltd"),
    "NanoMDMEnrollServerURL": Case("https://x.example.com/mdm",
                                   "https://x.example.com/mdm"),
    "NanoMDMEnrollTopic": Case("com.apple.mgmt.x", "com.apple.mgmt.x"),
    "NanoMDMEnrollAnchors": Case("{folder}/ca.pem", r"\S+/ca\.pem"),
    "NanoMDMEnrollSigner": Case("{folder}/signer.pem", r"\S+/signer\.pem"),
    "NanoMDMEnrollRequire": Case("machineinfo user", "user machineinfo",
                                 "user link"),
    "NanoMDMEnrollOpen": Case("On", "On", "Off"),
    "NanoMDMEnrollDeviceCA": Case("{folder}/ca.pem", r"\S+/ca\.pem"),
    "NanoMDMEnrollMinimumOS": Case("iPhone 26.1\nmac 26.1 25B78",
                                   "iPhone 26.1\nMac 26.1 25B78"),
    "NanoMDMEnrollIf": Case("\"-n 'x'\" message=No", "-n 'x'"),
    "NanoMDMEnrollPlatformSSO": Case(
        "https://a.example/ https://b.example/ https://c.example/",
        "https://a.example/ https://b.example/ https://c.example/"),
    "NanoMDMEnrollLimit": Case("5", "5", "20"),
    "NanoMDMDump": Case("{folder}/dump.log Secrets", r"\S+/dump\.log secrets"),
}


def listed(server):
    """{directive: may it be in a Location?}, as httpd itself lists them."""
    done = subprocess.run(server.command("-L"), text=True, check=True,
                          stdout=subprocess.PIPE, env=server.environment())
    found, name = {}, None
    for line in done.stdout.splitlines():
        match = re.match(r"(\w+) \(mod_nanomdm\.c\)", line)
        name = match[1] if match else name if line[:1] == "\t" else None
        if name and "Allowed in" in line:
            found[name] = "outside <Directory>" not in line
            name = None
    return found


def dump(server):
    """{section: {directive: its lines}}; "" is the first virtual host, outside
    of its sections."""
    done = subprocess.run(
        server.command("-t", "-D", "DUMP_NANOMDM"), env=server.environment(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False)
    assert done.returncode == 0, done.stdout
    assert SECRET not in done.stdout
    assert not re.search("5[abc]5[abc]", done.stdout)
    sections, section = {}, None
    for line in done.stdout.split("\nServer ", 2)[1].splitlines()[1:]:
        if line.startswith("  Location "):
            section = line.split()[1].rstrip(":")
        elif line.startswith("    "):
            name, value = line.split(maxsplit=1)
            lines = sections.setdefault(section or "", {})
            lines.setdefault(name, []).append(value)
    return sections


def everything_set():
    return "\n".join(f"{name} {arguments}" for name, case in CASES.items()
                     for arguments in case.written.split("\n") if arguments)


@pytest.fixture
def make(httpd, fresh_db, monkeypatch):
    """A server that does not run, with further lines in its main part."""
    monkeypatch.setenv("NANOMDM_TEST_KEY", "5b" * 32)

    def make(lines, **options):
        made = httpd(
            fresh_db(), start=False, extra_server=lines,
            files={"secret": SECRET.encode(), "key": ("5a" * 32).encode(),
                   "return.plist": plistlib.dumps({"ReturnToService": {}}),
                   "ca.pem": certs.root("Settings").pem,
                   "issuer.pem": ISSUER.pem, "issuer.key": ISSUER.key_pem,
                   "recipient.pem": ISSUER.pem,
                   "recipient.key": ISSUER.key_pem,
                   "signer.pem": ISSUER.pem + ISSUER.key_pem}, **options)
        (made.folder / "signer.pem").chmod(0o600)
        return made
    return make


def wrong(found, directives, patterns):
    """What is not as it should be, of these directives."""
    return {name: (found.get(name), patterns[name]) for name in directives
            if not re.fullmatch(patterns[name],
                                "\n".join(sorted(found.get(name, []))))}


@one_database
def test_each_directive_has_a_case_here(make):
    assert set(listed(make(""))) == set(CASES)


@one_database
def test_each_directive_that_is_set_shows_without_secrets(make):
    server = make(everything_set(), without=("ca", "api_key"))
    directives = listed(server)
    shown = {name: "\n".join(sorted(case.shown.split("\n")))
             for name, case in CASES.items()}
    found = dump(server)
    assert wrong(found[""], directives, shown) == {}
    here = [name for name, in_location in directives.items() if in_location]
    assert here
    assert wrong(found["/mdm"], here, shown) == {}
    assert set(found["/mdm"]) == set(here)


@one_database
def test_declarative_management_of_our_own_shows(make):
    found = dump(make("NanoMDMDeclarativeManagement builtin"))
    assert found[""]["NanoMDMDeclarativeManagement"] == ["builtin"]


@one_database
def test_each_directive_that_is_not_set_shows_its_default(make):
    server = make("", without=("ca", "api_key", *LOCATIONS),
                  extra_vhost='<Location "/v1">\nSetHandler nanomdm-api\n'
                              "</Location>")
    defaults = {name: case.unset for name, case in CASES.items()}
    assert wrong(dump(server)[""], CASES, defaults) == {}


@one_database
def test_section_shows_what_is_set_in_it_over_what_it_inherits(make):
    server = make("NanoMDMIdentityGrace 100\nNanoMDMReenroll keep\n"
                  "NanoMDMWebhook https://one/ topics=mdm.CheckOut",
                  extra_mdm="NanoMDMIdentityGrace 200\n"
                            "NanoMDMWebhookTopics -mdm.Connect\n")
    found = dump(server)
    assert found[""]["NanoMDMIdentityGrace"] == ["100"]
    assert found["/mdm"]["NanoMDMIdentityGrace"] == ["200"]
    assert found["/mdm"]["NanoMDMReenroll"] == ["keep"]
    assert found["/mdm"]["NanoMDMWebhookTopics"] == ["all -mdm.Connect"]
    assert re.fullmatch(r"https://one#\w{8} topics=mdm\.CheckOut redact=off",
                        found["/mdm"]["NanoMDMWebhook"][0])
    assert found[""]["NanoMDMWebhookTopics"] == ["all"]


@one_database
def test_topics_by_default_are_those_of_the_delivery(make):
    found = dump(make("NanoMDMWebhookDelivery durable"))
    assert found[""]["NanoMDMWebhookTopics"] == ["all -mdm.Connect:Idle"]


@one_database
@pytest.mark.parametrize("topics, shown", (
    ("mdm.DeclarativeManagement:status", None),
    ("mdm.DeclarativeManagement", None),
    ("mdm.DeclarativeManagement mdm.DeclarativeManagement:status",
     "mdm.DeclarativeManagement"),
    ("mdm.DeclarativeManagement -mdm.DeclarativeManagement:status", None),
    ("all -mdm.DeclarativeManagement:status", None),
    ("all -mdm.DeclarativeManagement mdm.DeclarativeManagement:status",
     None)))
def test_status_reports_are_part_of_a_topic(make, topics, shown):
    found = dump(make("NanoMDMWebhookTopics " + topics))
    assert found[""]["NanoMDMWebhookTopics"] == [shown or topics]
