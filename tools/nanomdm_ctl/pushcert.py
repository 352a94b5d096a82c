# SPDX-License-Identifier: Apache-2.0
"""The push certificate: ask for one, upload it, look at it.

    nanomdmctl pushcert request --host mdm.example.com
    nanomdmctl pushcert upload push.pem push.key
    nanomdmctl pushcert show

request writes push.key and push.csr. An MDM vendor signs the request; what it
returns is uploaded at https://identity.apple.com/pushcert, which gives the
certificate. Renew it there with the same Apple Account: another one has
another topic, and every device would have to enroll again.
"""

import datetime
import os
import pathlib

from . import output
from .client import Client
from .devices import shown_time, time_of
from .errors import Failed

WARN_DAYS = 30


def add_arguments(parser):
    parser.set_defaults(rest="names")
    parser.add_argument("action", choices=("request", "upload", "show"))
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="for upload files with the certificate and its"
                        " key; for show topics, all unless given")
    parser.add_argument("--host", default="mod_nanomdm",
                        help="for request: a name in it that people know it"
                        " by")
    parser.add_argument("--country", default="US", metavar="CC")
    parser.add_argument("--folder", default=".", type=pathlib.Path,
                        help="for request: where to write push.key and"
                        " push.csr")
    parser.add_argument("--force", action="store_true",
                        help="for upload: also if it is expired, or of a"
                        " topic that no device has")
    output.add_format(parser)


def run(parser, args):
    if args.action == "request":
        if args.names:
            parser.error("request takes no NAME")
        return request(args)
    if args.action == "upload":
        if not args.names:
            parser.error("upload takes files")
        return upload(args)
    return show(args)


def request(args):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, args.host),
                      x509.NameAttribute(NameOID.COUNTRY_NAME, args.country)])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(
        key, hashes.SHA256())
    write(args.folder / "push.key", key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()), 0o600)
    write(args.folder / "push.csr",
          made.public_bytes(serialization.Encoding.PEM), 0o644)
    print(f"made {args.folder / 'push.key'} and {args.folder / 'push.csr'}; have"
          " push.csr signed by an MDM vendor, and upload what comes back at"
          " https://identity.apple.com/pushcert")
    return 0


def write(name, content, mode):
    """A new file; one that is there is not overwritten."""
    try:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise Failed(f"{name} is there already; nothing was written",
                     "move it away, or name another folder") from None
    with open(fd, "wb") as out:
        out.write(content)


def upload(args):
    pem = b""
    for name in args.names:
        try:
            pem += pathlib.Path(name).read_bytes().rstrip() + b"\n"
        except OSError as error:
            raise Failed(f"{name}: {error.strerror}", "name files of PEM"
                         " with the certificate and its key") from None
    client = Client(args.settings)
    out = client.api("PUT", "pushcert", pem,
                     force=1 if args.force else None).json()
    print(output.plain(f"{out['topic']}, valid until {out['not_after']}"))
    return 0


COLUMNS = {
    "TOPIC": lambda e: e["topic"],
    "VALID UNTIL (UTC)": lambda e: shown_time(e.get("not_after")),
    "DAYS LEFT": lambda e: days_left(e.get("not_after")),
}


def days_left(not_after):
    if not not_after:
        return None
    return (time_of(not_after)
            - datetime.datetime.now(datetime.timezone.utc)).days


def show(args):
    client = Client(args.settings)
    if args.names:
        found = [client.get("pushcert", topic=topic) for topic in args.names]
    else:
        found = client.figures().get("push_certificates", [])
    if not output.show(args, COLUMNS, found, "no push certificate is stored;"
                       " nanomdmctl pushcert request begins"):
        return 1
    late = [each for each in found
            if (days_left(each.get("not_after")) or 0) < WARN_DAYS]
    return 1 if late else 0
