# SPDX-License-Identifier: Apache-2.0
"""Sends a command to devices; with --wait until all have answered.

    nanomdmctl send ID DeviceInformation OSVersion DeviceName --wait
    nanomdmctl send --serial C02XYZ InstallProfile wifi.mobileconfig
    nanomdmctl send ID EraseDevice 123456 --yes

Commands are those of `nanomdmctl command --help`; `command NAME` is any
RequestType. Options of the command follow its name; all others may stand
anywhere. - among the IDs reads more of them from standard input.
"""

import argparse
import base64
import plistlib
import sys
import time

from . import mdm_command, output
from .client import REMEDIES, Client, failure, path
from .errors import Failed
from .results import content, rows, summary

# What takes data or access from a user, or a device out of use.
DANGEROUS = {
    "EraseDevice", "DeviceLock", "ShutDownDevice", "RestartDevice",
    "ClearPasscode", "ClearRestrictionsPassword", "RemoveProfile",
    "RemoveProvisioningProfile", "RemoveApplication", "RemoveMedia",
    "DeleteUser", "LogOutUser", "EnableLostMode", "SetFirmwarePassword",
    "SetRecoveryLock", "RotateFileVaultKey", "SetAutoAdminPassword",
}
BATCH = 500                     # devices of one call
FINAL = ("answered", "cancelled", "expired")
LONGEST_PAUSE = 5               # seconds between two looks


def add_options(parser):
    add = parser.add_argument
    add("--wait", action="store_true",
        help="until each device has answered; the result is a table")
    add("--wait-seconds", type=float, default=300, metavar="SECONDS",
        help="how long at most (default: 300)")
    add("--yes", action="store_true",
        help="send EraseDevice and its kind without asking")
    add("--serial", action="append", default=[], metavar="SERIAL",
        help="the device with this serial number; may be repeated")
    add("--uuid", help="CommandUUID; a random one by default")
    add("--priority", type=int, metavar="N",
        help="-128 to 127, higher is delivered earlier")
    add("--expires", metavar="WHEN",
        help="not delivered later: seconds from now, or RFC 3339")
    add("--no-push", action="store_true", help="do not ask devices to connect")
    add("--show", action="store_true",
        help="with --wait, the answers in full")
    output.add_format(parser)


def add_arguments(parser):
    add_options(parser)
    parser.add_argument("words", nargs=argparse.REMAINDER,
                        metavar="ID... COMMAND ...")


# ---- The command line ----

def command_parser():
    parser = argparse.ArgumentParser(prog="nanomdmctl send ID...",
                                     add_help=False)
    mdm_command.add_arguments(parser)
    return parser


def names_of(parser):
    """Every name of a command."""
    action, = [each for each in parser._actions  # no public way
               if isinstance(each, argparse._SubParsersAction)]
    return set(action.choices)


def split(parser, args):
    """(IDs, the Command), and options from among the words into args."""
    commands = command_parser()
    known = names_of(commands)
    at = next((i for i, word in enumerate(args.words) if word in known), None)
    if at is None:
        parser.error("no COMMAND was given, or none by this name: command"
                     " NAME takes any RequestType")
    command, rest = commands.parse_known_args(args.words[at:])
    options = argparse.ArgumentParser(prog=parser.prog, add_help=False)
    add_options(options)
    options.add_argument("ids", nargs="*")
    # What follows the command are options alone.
    options.parse_args(rest, args)
    if args.ids:
        parser.error(f"{args.ids[0]}: the command takes no such word")
    # Flags that were set already stay set.
    options.parse_args(args.words[:at], args)
    return args.ids, command.make(command)


def ids_of(client, ids, serials):
    out = []
    for id_ in ids:
        out += (sys.stdin.read().split() if id_ == "-" else [id_])
    for serial in serials:
        found = [entry["id"] for entry in client.pages(
            "POST", "enrollments/query", "enrollments",
            {"filter": {"serials": [serial]}}) if "device" in entry]
        if not found:
            raise Failed(f"{serial}: no device with this serial number is"
                         " enrolled", "nanomdmctl devices lists them")
        out += found
    return list(dict.fromkeys(out))


def confirm(command, ids, yes):
    """EraseDevice and its kind want a yes."""
    name = command["RequestType"]
    if name not in DANGEROUS or yes:
        return
    what = f"{name} to {len(ids)} device{'s' * (len(ids) != 1)}"
    if not sys.stdin.isatty():
        raise Failed(f"{what} was not sent", "give --yes if it is meant", 2)
    print(f"{what}: {', '.join(map(output.plain, ids[:5]))}"
          f"{', ...' * (len(ids) > 5)}", file=sys.stderr)
    print("Type yes to send it: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise Failed(f"{what} was not sent")


# ---- Sending ----

def run(parser, args):
    ids, command = split(parser, args)
    client = Client(args.settings)
    ids = ids_of(client, ids, args.serial)
    if not ids:
        parser.error("no ID was given")
    if args.uuid and len(ids) > BATCH:
        parser.error(f"--uuid serves {BATCH} devices at most")
    confirm(command, ids, args.yes)
    uuids, failed = {}, {}
    progress = output.Progress("queued", len(ids))
    for start in range(0, len(ids), BATCH):
        batch = ids[start:start + BATCH]
        uuid = args.uuid if args.uuid else mdm_command.new_uuid()
        failed.update(send(client, args, command, uuid, batch))
        uuids.setdefault(uuid, []).extend(batch)
        progress(start + len(batch))
    progress.end()
    for id_, why in failed.items():
        print(output.plain(f"{id_}: queued; the push was refused: {why}"),
              file=sys.stderr)
    if not args.wait:
        for uuid, sent in uuids.items():
            print(f"{uuid} {command['RequestType']} queued for {len(sent)}")
        return 1 if failed else 0
    return wait(client, args, uuids)


def send(client, args, command, uuid, ids):
    """{id: error} of pushes that were refused."""
    body = {"ids": ids, "nopush": args.no_push,
            "command": base64.b64encode(plistlib.dumps(
                {"CommandUUID": uuid, "Command": command})).decode()}
    if args.priority is not None:
        body["priority"] = args.priority
    if args.expires is not None:
        body["expires"] = (int(args.expires) if args.expires.isdigit()
                           else args.expires)
    answer = client.api("POST", "enqueue", body, good=(200, 207, 500))
    out = answer.json()
    if out.get("command_error") or "command_uuid" not in out:
        raise failure(answer, "enqueue")
    refused = {id_: each["push_error"] for id_, each
               in out.get("status", {}).items() if each.get("push_error")}
    if out.get("push_error") and not refused:
        print(f"{output.plain(out['push_error'])}\n  {REMEDIES[500]}",
              file=sys.stderr)
        refused = dict.fromkeys(ids, out["push_error"])
    return refused


# ---- Waiting ----

def states(client, uuids):
    """Each device's state, as GET commands/UUID has it."""
    for uuid in uuids:
        yield from client.pages("GET", "commands/" + path(uuid),
                                "enrollments")


def wait(client, args, uuids):
    total = sum(map(len, uuids.values()))
    deadline = time.monotonic() + args.wait_seconds
    progress = output.Progress("answered", total, every=max(1, total // 10))
    pause = 0.25
    while True:
        found = list(states(client, uuids))
        done = sum(each["state"] in FINAL for each in found)
        put_off = sum(each.get("status") == "NotNow"
                      and each["state"] == "pending" for each in found)
        left = deadline - time.monotonic()
        progress(done, f"{put_off} put off" if put_off else "")
        if done >= total or left <= 0:
            break
        time.sleep(min(pause, max(left, 0)))
        pause = min(pause * 1.5, LONGEST_PAUSE)
    progress.end()
    report(args, found)
    if done < total:
        print(f"{total - done} of {total} did not answer within"
              f" {args.wait_seconds:g} seconds; the command stays queued:"
              " nanomdmctl why ID says what keeps a device", file=sys.stderr)
    return 0 if done == total and all(map(is_good, found)) else 1


def is_good(entry):
    return entry["state"] == "answered" and entry.get("status") \
        == "Acknowledged"


COLUMNS = {
    "ID": lambda e: e["id"],
    "STATE": lambda e: e["state"],
    "STATUS": lambda e: e.get("status"),
    "RESULT": lambda e: summary(e.get("result_json")),
}


def report(args, found):
    if not args.show or args.format:
        output.show(args, COLUMNS, found)
        return
    for entry in found:
        print(output.plain(f"{entry['id']} {entry['state']}"
                           f" {entry.get('status', '')}"))
        output.indented(list(rows(content(entry.get("result_json")))))
