# SPDX-License-Identifier: Apache-2.0
"""Lists the commands that wait for a device, in the order of delivery."""

from . import output
from .client import Client, path
from .devices import shown_time

COLUMNS = {
    "COMMAND UUID": lambda e: e["command_uuid"],
    "REQUEST TYPE": lambda e: e["request_type"],
    "QUEUED (UTC)": lambda e: shown_time(e["created_at"]),
    "STATUS": lambda e: e.get("status", "waits"),
    "NOT NOW": lambda e: e.get("not_now_tally"),
    "PRIORITY": lambda e: e.get("priority"),
    "EXPIRES (UTC)": lambda e: shown_time(e.get("expires_at")),
}


def add_arguments(parser):
    parser.add_argument("id", metavar="ID")
    output.add_format(parser)


def run(_parser, args):
    client = Client(args.settings)
    output.show(args, COLUMNS, client.pages(
        "GET", "queue/" + path(args.id), "commands"), "nothing waits")
    return 0
