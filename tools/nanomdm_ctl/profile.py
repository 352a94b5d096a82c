# SPDX-License-Identifier: Apache-2.0
"""Writes an enrollment profile, with an identity by SCEP or in it.

    nanomdmctl profile --serial C02XYZ --out mac1.mobileconfig
    nanomdmctl profile --identity mac1 --issuer /etc/nanomdm/issuer.pem \\
        --out mac1.mobileconfig

By SCEP the profile has a challenge of its own, good for one device. With
--identity it has a key and certificate in it: keep it secret, and delete it
after use.
"""

import pathlib
import plistlib
import re
import secrets
import uuid

from .client import Client
from .errors import Failed
from .output import plain
from .pushcert import write

RIGHTS = 8191                   # all of AccessRights


def add_arguments(parser):
    add = parser.add_argument
    add("--out", required=True, type=pathlib.Path, metavar="FILE")
    add("--topic", help="of the push certificate; the only one that is"
        " stored unless given")
    add("--organization", default="mod_nanomdm")
    add("--identifier", default="com.example.mdm",
        help="PayloadIdentifier (default: com.example.mdm)")
    add("--scep-url", metavar="URL", help="another SCEP server than /scep here")
    add("--challenge", help="for another SCEP server; one is made here unless"
        " given")
    add("--serial", help="the challenge is good for this device alone")
    add("--seconds", type=int, help="how long the challenge is good")
    add("--identity", metavar="NAME", help="no SCEP: put a certificate of this"
        " name and its key into the profile")
    add("--issuer", type=pathlib.Path, metavar="PEM",
        help="signs that certificate; its key is beside it, as .key")
    add("--days", type=int, default=365, help="how long it is valid")


def run(parser, args):
    if args.identity and not args.issuer:
        parser.error("--identity needs --issuer")
    if args.out.exists():
        raise Failed(f"{args.out} is there already", "name another file")
    client = Client(args.settings)
    topic = args.topic or only_topic(client)
    identity = (by_pkcs12(args) if args.identity else by_scep(client, args))
    write(args.out, plistlib.dumps(profile(args, topic, identity)), 0o600)
    print(plain(f"{args.out}: for {server_url(args.settings)}, topic {topic}"))
    return 0


def only_topic(client):
    topics = [each["topic"] for each
              in client.figures().get("push_certificates", [])]
    if len(topics) != 1:
        raise Failed("no push certificate is stored" if not topics else
                     "several push certificates are stored: "
                     + ", ".join(topics),
                     "nanomdmctl pushcert upload" if not topics else
                     "name one by --topic")
    return topics[0]


def server_url(settings):
    return settings.device_url or settings.url.rstrip("/") + "/mdm"


def payload(args, kind, last, **keys):
    identifier = f"{args.identifier}{'.' + last if last else ''}"
    return {"PayloadType": kind, "PayloadVersion": 1,
            "PayloadIdentifier": identifier,
            "PayloadUUID": str(uuid.uuid4()).upper(), **keys}


def by_scep(client, args):
    url = args.scep_url or args.settings.url.rstrip("/") + "/scep"
    challenge = args.challenge
    if not challenge and not args.scep_url:
        wanted = {"serial": args.serial, "seconds": args.seconds}
        challenge = client.api("POST", "scep-challenge", {
            name: value for name, value in wanted.items()
            if value is not None}).json()["challenge"]
    content = {"URL": url, "Keysize": 2048, "Key Type": "RSA",
               "Key Usage": 5,
               "Subject": [[["CN", args.serial or "%HardwareUUID%"]]]}
    if challenge:
        content["Challenge"] = challenge
    return payload(args, "com.apple.security.scep", "identity",
                   PayloadContent=content,
                   PayloadDisplayName="Device Identity")


def by_pkcs12(args):
    from . import certificates
    key = args.issuer.with_suffix(".key")
    try:
        made = certificates.identity(args.identity, args.issuer.read_bytes(),
                                     key.read_bytes(), args.days)
    except (OSError, ValueError) as error:
        raise Failed(f"{args.issuer}, {key}: {error}", "name the CA of"
                     " devices by --issuer, with its key beside it") from None
    password = secrets.token_urlsafe(18)
    return payload(args, "com.apple.security.pkcs12", "identity",
                   Password=password,
                   PayloadContent=certificates.pkcs12_of(made, password),
                   PayloadDisplayName="Device Identity")


def profile(args, topic, identity):
    if not re.fullmatch(r"com\.apple\.mgmt\.[A-Za-z0-9.-]+", topic):
        raise Failed(f"{topic}: no topic of MDM", "it begins with"
                     " com.apple.mgmt.")
    mdm = payload(
        args, "com.apple.mdm", "mdm", ServerURL=server_url(args.settings),
        Topic=topic, IdentityCertificateUUID=identity["PayloadUUID"],
        CheckOutWhenRemoved=True, AccessRights=RIGHTS,
        PayloadDisplayName="Device Management",
        ServerCapabilities=["com.apple.mdm.per-user-connections",
                            "com.apple.mdm.bootstraptoken"])
    return payload(args, "Configuration", "", PayloadContent=[identity, mdm],
                   PayloadDisplayName="Device Management",
                   PayloadOrganization=args.organization)
