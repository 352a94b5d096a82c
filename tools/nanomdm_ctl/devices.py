# SPDX-License-Identifier: Apache-2.0
"""Lists enrollments, or shows all of one.

    nanomdmctl devices --silent 14
    nanomdmctl devices --serial C02XYZ --json
    nanomdmctl devices ID
"""

from . import output
from .client import Client, path
from .errors import Failed

COLUMNS = {
    "ID": lambda e: e["id"],
    "SERIAL OR USER": lambda e: (e.get("device", {}).get("serial_number")
                                 or e.get("user", {}).get("user_short_name")),
    "TYPE": lambda e: e.get("type", "(not complete)"),
    "ENABLED": lambda e: e["enabled"],
    "LAST SEEN (UTC)": lambda e: shown_time(last_seen(e)),
}
PENDING = {"PENDING": lambda e: number_of(e["queue"]),
           "NOT NOW": lambda e: e["queue"]["not_now"]}


def last_seen(entry):
    """Of a device that sent Authenticate and no TokenUpdate yet, when it sent
    the first; None if it is not known."""
    return entry.get("last_seen") or entry.get("authenticate_at")


def shown_time(text):
    return text[:16].replace("T", " ") if text else ""


def number_of(queue):
    return f"{queue['pending']}{'+' if queue.get('or_more') else ''}"


def add_arguments(parser):
    add = parser.add_argument
    add("id", nargs="?", metavar="ID", help="show everything about this one")
    add("--serial", action="append", metavar="SERIAL",
        help="the device with this serial number, and its users; may be"
        " repeated")
    add("--user", action="append", metavar="NAME",
        help="user channels with this short name; may be repeated")
    add("--type", action="append", metavar="TYPE",
        help="such as Device or User; may be repeated")
    add("--disabled", action="store_true", help="those that left")
    add("--enabled", action="store_true", help="those that did not")
    add("--silent", type=days, metavar="DAYS",
        help="those that were not heard of for so many days")
    add("--pending", action="store_true",
        help="those with commands that wait; asks for each enrollment")
    output.add_format(parser)


def days(text):
    value = float(text)
    if not 0 <= value < 1e6:
        raise ValueError
    return value


def run(parser, args):
    client = Client(args.settings)
    if args.enabled and args.disabled:
        parser.error("give either --enabled or --disabled")
    if args.id:
        return show_one(client, args)
    entries = client.pages("POST", "enrollments/query", "enrollments",
                           {"filter": filter_of(args)})
    columns = dict(COLUMNS)
    if args.silent is not None:
        entries = silent(entries, args.silent)
    if args.pending:
        entries = pending(client, entries)
        columns.update(PENDING)
    output.show(args, columns, entries, "no such enrollments")
    return 0


def filter_of(args):
    wanted = {"serials": args.serial, "user_short_names": args.user,
              "types": args.type}
    wanted = {name: value for name, value in wanted.items() if value}
    if args.disabled or args.enabled:
        wanted["enabled"] = args.enabled
    return wanted


def silent(entries, number):
    import datetime
    since = (datetime.datetime.now(datetime.timezone.utc)
             - datetime.timedelta(days=number))
    for entry in entries:
        if not last_seen(entry) or time_of(last_seen(entry)) < since:
            yield entry


def time_of(text):
    import datetime
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def pending(client, entries):
    """With their queue, which a list does not have."""
    progress = output.Progress("enrollments looked at")
    for number, entry in enumerate(entries, 1):
        entry = client.get("enrollments/" + path(entry["id"]))
        # One that is not complete has no queue yet.
        if entry.get("queue", {}).get("pending"):
            progress.end()
            yield entry
        progress(number)
    progress.end()


# ---- One of them ----

def show_one(client, args):
    if args.format == "csv":
        raise Failed("one enrollment has no table", "write --json", 2)
    entry = client.get("enrollments/" + path(args.id))
    if args.format == "json":
        output.as_json(args, {}, [entry], "")
        return 0
    output.indented(list(rows_of(entry)), "")
    return 0


def rows_of(entry, prefix=""):
    """Names and values, the nested ones with a dot."""
    for name, value in entry.items():
        if isinstance(value, dict):
            yield from rows_of(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            for number, each in enumerate(value):
                yield from rows_of(each, f"{prefix}{name}.{number}.")
        elif name in ("device_cert", "unlock_token"):
            yield prefix + name, "(set; --json shows it)" if value else ""
        else:
            yield prefix + name, value
