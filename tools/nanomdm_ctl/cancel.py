# SPDX-License-Identifier: Apache-2.0
"""Takes commands back: one from all devices, one from some, or all that waits
for some. A device that has the command in hand may answer it yet.

    nanomdmctl cancel --uuid UUID
    nanomdmctl cancel ID --uuid UUID
    nanomdmctl cancel ID ID --all
"""

from .client import Client, path
from .output import plain


def add_arguments(parser):
    parser.set_defaults(rest="ids")
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--uuid", help="the command")
    parser.add_argument("--all", action="store_true",
                        help="everything that waits for these devices")


def run(parser, args):
    if bool(args.uuid) == args.all or (args.all and not args.ids):
        parser.error("give --uuid UUID, or IDs and --all")
    client = Client(args.settings)
    if not args.ids:
        out = client.api("DELETE", "commands/" + path(args.uuid)).json()
        print(f"taken back from {out['cancelled']}")
        return 0
    answer = client.api("DELETE", "queue/" + path(args.ids),
                        good=(204, 207), command_uuid=args.uuid)
    if answer.status == 204:
        print("taken back")
        return 0
    for id_, why in answer.json()["status"].items():
        print(plain(f"{id_}:"
                    f" {why if isinstance(why, str) else why.get('error')}"))
    return 1
