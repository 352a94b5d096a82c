# SPDX-License-Identifier: Apache-2.0
"""Declarations of declarative management: what there is, what a device made
of them, and who gets them.

    nanomdmctl declarations
    nanomdmctl declarations upload FILE...
    nanomdmctl declarations assign SET --declaration IDENTIFIER
    nanomdmctl declarations assign SET --id ID
    nanomdmctl declarations status ID
    nanomdmctl declarations why ID
    nanomdmctl declarations summary IDENTIFIER
    nanomdmctl declarations enrollments IDENTIFIER --state invalid
"""

import json
import pathlib

from . import output
from .client import Client, failure, path
from .errors import Failed

ACTIONS = ("list", "show", "upload", "check", "delete", "sets", "assign",
           "unassign", "status", "errors", "why", "summary",
           "enrollments")


def add_arguments(parser):
    parser.set_defaults(rest="names")
    parser.add_argument("action", nargs="?", default="list", choices=ACTIONS)
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="an Identifier, a file, a set or an ID, as the"
                        " action has it")
    parser.add_argument("--declaration", metavar="IDENTIFIER", action="append",
                        default=[], help="for assign, unassign and why")
    parser.add_argument("--id", metavar="ID", action="append", default=[],
                        help="an enrollment, for assign and unassign")
    parser.add_argument("--state", default="invalid", metavar="STATE",
                        help="for enrollments, one of the summary (default:"
                        " invalid)")
    parser.add_argument("--force", action="store_true",
                        help="upload in spite of findings; delete although it"
                        " is in a set")
    parser.add_argument("--quiet", action="store_true",
                        help="do not make devices ask")


def run(parser, args):
    client = Client(args.settings)
    needed = 0 if args.action in ("list", "sets") else 1
    if len(args.names) < needed or (needed == 0 and args.names):
        parser.error(f"{args.action} takes {'no' if not needed else 'a'}"
                     " NAME")
    action = {"list": list_all, "sets": list_all, "upload": upload,
              "check": upload, "show": show, "delete": delete,
              "assign": assign, "unassign": assign, "status": ask,
              "errors": ask, "why": ask, "summary": ask,
              "enrollments": list_enrollments}[args.action]
    return action(parser, client, args)


def change(client, method, call, args, body=None, **query):
    """Whether it changed anything."""
    query["nonotify"] = 1 if args.quiet else None
    return client.api(method, call, body, good=(200, 204, 304),
                      **query).status != 304


def list_all(_parser, client, args):
    """An Identifier a line."""
    if args.action == "sets":
        names = client.get("sets")
    else:
        names = pages(client, "declarations")
    for name in names:
        print(output.plain(name))
    return 0


def list_enrollments(_parser, client, args):
    """An ID a line."""
    for name in args.names:
        for id_ in pages(client, f"declarations/{path(name)}/enrollments",
                         state=args.state):
            print(output.plain(id_))
    return 0


def pages(client, call, limit=1000, **query):
    after = None
    while True:
        names = client.get(call, after=after, limit=limit, **query)
        yield from names
        if len(names) < limit:
            return
        after = names[-1]


def show(_parser, client, args):
    for name in args.names:
        print(output.as_text(client.get("declarations/" + path(name)), 2))
    return 0


def upload(_parser, client, args):
    """All of them are looked at, before one is uploaded."""
    bodies = {}
    for name in args.names:
        try:
            bodies[name] = pathlib.Path(name).read_bytes()
        except OSError as error:
            raise Failed(f"{name}: {error.strerror}", "name a file with one"
                         " declaration in JSON") from None
    wrong = 0
    for name, body in bodies.items():
        query = {"check": 1} if args.action == "check" else {
            "force": 1 if args.force else None,
            "nonotify": 1 if args.quiet else None}
        answer = client.api("PUT", "declarations", body,
                            good=(200, 204, 304, 400, 409), **query)
        said = answer.error() or findings(answer)
        wrong += answer.status >= 400 or bool(
            args.action == "check" and said)
        print(output.plain(f"{name}: " + (said or {304: "unchanged"}.get(
            answer.status, "ok"))))
    return 1 if wrong else 0


def findings(answer):
    """What a check found."""
    if not answer.body:
        return ""
    out = answer.json()
    found = out.get("findings") or out.get("problems") or []
    return "; ".join(each if isinstance(each, str) else json.dumps(each)
                     for each in found)


def delete(_parser, client, args):
    for name in args.names:
        did = change(client, "DELETE", "declarations/" + path(name), args,
                     force=1 if args.force else None)
        print(f"{name}: {'deleted' if did else 'was not there'}")
    return 0


def assign(parser, client, args):
    method = "PUT" if args.action == "assign" else "DELETE"
    if len(args.names) != 1 or not (args.declaration or args.id):
        parser.error(f"{args.action} takes a SET and --declaration or --id")
    for name in args.declaration:
        did = change(client, method, "set-declarations/" + path(args.names),
                     args, declaration=name)
        print(f"{name}: {'done' if did else 'unchanged'}")
    for id_ in args.id:
        did = change(client, method, "enrollment-sets/" + path(id_), args,
                     set=args.names[0])
        print(f"{id_}: {'done' if did else 'unchanged'}")
    return 0


def ask(_parser, client, args):
    call = {"status": "declaration-status/%s", "errors": "status-errors/%s",
            "why": "declaration-why/%s",
            "summary": "declarations/%s/summary"}[args.action]
    query = {}
    if args.action == "why" and args.declaration:
        query["declaration"] = args.declaration[0]
    for name in args.names:
        answer = client.api("GET", call % path(name), good=(200, 404),
                            **query)
        if answer.status == 404:
            raise failure(answer, args.action)
        print(output.as_text(answer.json(), 2))
    return 0
