# SPDX-License-Identifier: Apache-2.0
"""Asks devices to connect, and says what APNs answered."""

from . import output
from .client import REMEDIES, Client, failure

BATCH = 100


def add_arguments(parser):
    parser.set_defaults(rest="ids")
    parser.add_argument("ids", nargs="+", metavar="ID")


def run(_parser, args):
    client = Client(args.settings)
    refused = 0
    progress = output.Progress("pushed", len(args.ids))
    for start in range(0, len(args.ids), BATCH):
        ids = args.ids[start:start + BATCH]
        answer = client.api("POST", "push", {"ids": ids},
                            good=(200, 207, 500))
        refused += say(answer, ids, progress)
        progress(start + len(ids))
    progress.end()
    return 1 if refused else 0


def say(answer, ids, progress):
    """How many of these were refused."""
    out = answer.json()
    if "status" not in out:
        raise failure(answer, "push")
    refused = 0
    progress.end()
    for id_ in ids:
        error = out["status"].get(id_, {}).get("push_error")
        refused += bool(error)
        print(output.plain(f"{id_}: {error or 'accepted by APNs'}"))
    if out.get("push_error"):
        print(f"{output.plain(out['push_error'])}\n  {REMEDIES[500]}")
    return refused
