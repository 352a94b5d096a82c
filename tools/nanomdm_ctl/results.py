# SPDX-License-Identifier: Apache-2.0
"""Lists what a device answered, the newest first; with --show the answers
themselves."""

import json

from . import output
from .client import Client, path
from .devices import shown_time

COLUMNS = {
    "COMMAND UUID": lambda e: e["command_uuid"],
    "REQUEST TYPE": lambda e: e["request_type"],
    "STATUS": lambda e: e["status"],
    "ANSWERED (UTC)": lambda e: shown_time(e["updated_at"]),
    "RESULT": lambda e: summary(e.get("result_json")),
}
# Keys of each report.
ENVELOPE = {"CommandUUID", "Status", "UDID", "EnrollmentID", "UserID",
            "UserShortName", "UserLongName", "EnrollmentUserID",
            "NotOnConsole"}


def add_arguments(parser):
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--uuid", help="the answer to this command alone")
    parser.add_argument("--limit", type=int, metavar="N", default=20,
                        help="at most so many, 0 for all (default: 20)")
    parser.add_argument("--show", action="store_true",
                        help="the answers themselves")
    output.add_format(parser)


def run(_parser, args):
    client = Client(args.settings)
    entries = client.pages("GET", "results/" + path(args.id), "results",
                           limit=100, command_uuid=args.uuid)
    if args.limit:
        entries = first(entries, args.limit)
    if not args.show or args.format:
        output.show(args, COLUMNS, entries, "no answers")
        return 0
    for entry in entries:
        print(output.plain(f"{entry['command_uuid']} {entry['request_type']}"
                           f" {entry['status']} {entry['updated_at']}"))
        output.indented(list(rows(content(entry.get("result_json")))))
    return 0


def first(entries, number):
    for _, entry in zip(range(number), entries):
        yield entry


def content(report):
    """A report without what says who sent it."""
    return {name: value for name, value in (report or {}).items()
            if name not in ENVELOPE}


def summary(report, width=60):
    """The first error of a chain, or as much as fits."""
    for link in (report or {}).get("ErrorChain", ()):
        if isinstance(link, dict):
            return (f"{link.get('ErrorDomain')} {link.get('ErrorCode')}:"
                    f" {link.get('LocalizedDescription')}")
    text = "; ".join(f"{name}: {value}" for name, value
                     in rows(content(report)))
    return text if len(text) <= width else text[:width - 3] + "..."


def rows(value, prefix=""):
    """Names and values; what is nested has a name with dots."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from rows(each, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from rows(each, f"{prefix}.{number}")
    else:
        yield prefix, (json.dumps(value) if isinstance(value, bool)
                       else value)
