# SPDX-License-Identifier: Apache-2.0
"""Makes links that give an enrollment profile once.

    nanomdmctl links --user ada
    nanomdmctl links --serial C02XYZ --seconds 3600
    nanomdmctl links --serials serials.txt --csv

With --serial, --udid or --enrollment-id the profile enrolls that device alone.
"""

import pathlib

from . import output
from .client import Client
from .devices import shown_time
from .errors import Failed

COLUMNS = {
    "SERIAL": lambda e: e.get("serial"),
    "USER": lambda e: e.get("user"),
    "EXPIRES (UTC)": lambda e: shown_time(e["expires"]),
    "URL": lambda e: e["url"],
}


def add_arguments(parser):
    parser.add_argument("--serial", help="the device with this serial number")
    parser.add_argument("--udid", help="the device with this UDID")
    parser.add_argument("--enrollment-id", metavar="ID",
                        help="the enrollment with this id")
    parser.add_argument("--user", help="whose device it is")
    parser.add_argument("--seconds", type=int,
                        help="how long the link is good (default: a day)")
    parser.add_argument("--serials", type=pathlib.Path, metavar="FILE",
                        help="a link for each line of this file")
    output.add_format(parser)


def run(parser, args):
    if args.serials and (args.serial or args.udid or args.enrollment_id):
        parser.error("--serials is instead of --serial, --udid and"
                     " --enrollment-id")
    client = Client(args.settings)
    output.show(args, COLUMNS, made(client, args), "no links")
    return 0


def made(client, args):
    same = {"user": args.user, "udid": args.udid, "seconds": args.seconds,
            "enrollment_id": args.enrollment_id}
    for serial in serials(args):
        asked = {name: value for name, value
                 in {**same, "serial": serial}.items() if value}
        yield {**asked, **client.api("POST", "enroll-links", asked).json()}


def serials(args):
    if not args.serials:
        return [args.serial]
    found = args.serials.read_text().split()
    if not found:
        raise Failed(f"{args.serials} has no serial numbers")
    return found
