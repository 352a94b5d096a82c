# SPDX-License-Identifier: Apache-2.0
"""Webhook events that wait for a receiver or were given up: list them, try
them again, or drop them.

    nanomdmctl events --state pending
    nanomdmctl events replay 17 18
    nanomdmctl events replay --target https://hook.example.com#1a2b3c4d
    nanomdmctl events drop 17
"""

from . import output
from .client import Client, path
from .devices import shown_time

COLUMNS = {
    "EVENT": lambda e: e["id"],
    "TOPIC": lambda e: e["topic"],
    "DEVICE": lambda e: e["device_id"],
    "TARGET": lambda e: e["target"],
    "CREATED (UTC)": lambda e: shown_time(e["created_at"]),
    "TRIES": lambda e: e["tries"],
    "LAST ERROR": lambda e: e.get("last_error"),
}


def add_arguments(parser):
    parser.set_defaults(rest="ids")
    parser.add_argument("action", nargs="?", default="list",
                        choices=("list", "replay", "drop"))
    parser.add_argument("ids", nargs="*", metavar="EVENT")
    parser.add_argument("--state", choices=("dead", "pending"),
                        default="dead", help="default: dead, given up")
    parser.add_argument("--target", help="replay all dead events of this one")
    output.add_format(parser)


def run(parser, args):
    client = Client(args.settings)
    if args.action == "list":
        if args.ids or args.target:
            parser.error("list takes neither EVENTs nor --target")
        output.show(args, COLUMNS, client.pages(
            "GET", "events", "events", limit=100, state=args.state),
            f"no {args.state} events")
        return 0
    if args.action == "replay":
        if bool(args.ids) == bool(args.target):
            parser.error("replay takes either EVENTs or --target")
        body = {"ids": args.ids} if args.ids else {"target": args.target}
        out = client.api("POST", "events/replay", body).json()
        print(f"{out['replayed']} are tried again")
        return 0 if out["replayed"] or args.target else 1
    if not args.ids:
        parser.error("drop takes EVENTs")
    for id_ in args.ids:
        client.api("DELETE", "events/" + path(id_))
        print(f"{id_} dropped")
    return 0
