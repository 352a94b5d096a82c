# SPDX-License-Identifier: Apache-2.0
"""Whether the token of each set is that of its declarations. Devices are
offered tokens made of those of sets, and their lists are made of the
declarations themselves: the two have to agree."""

from .client import path

TRIES = 3                       # a change may come between the two questions


def look(report, client):
    answer = client.api("GET", "sets", good=(200, 404, 503))
    if answer.status == 404:
        report.skip("declarations", "not served from the database here")
        return
    if answer.status == 503:
        report.error("declarations", answer.error(), "load schema/upgrade, or"
                     " NanoMDMSchema auto (NMDM0804)")
        return
    wrong, seen = [], set()
    sets = sorted({*answer.json(), *sets_in_use(client)})
    for name in sets:
        if name in seen:
            continue
        ids = client.get(path("set-enrollments", name), limit=1)
        if not ids:
            continue
        of_device = client.get(path("enrollment-sets", ids[0]))
        seen.update(of_device)
        if not agree(client, ids[0]):
            wrong.append(f"{ids[0]} ({', '.join(of_device)})")
    if wrong:
        report.error("declarations", "devices are offered another token than"
                     f" that of their list: {'; '.join(wrong[:5])}",
                     "POST declarations/IDENTIFIER/touch for one declaration"
                     " of each of these sets makes its token anew; and report"
                     " it as a fault of mod_nanomdm")
    else:
        report.ok("declarations", f"the tokens of {len(sets)} sets are those"
                  " of their declarations")


def sets_in_use(client):
    for identifier in client.get("declarations"):
        yield from client.get(path("declaration-sets", identifier))


def agree(client, id_):
    headers = {"X-Enrollment-ID": id_.encode()}
    for _ in range(TRIES):
        offered = client.api("GET", "tokens", headers=headers).json()
        listed = client.api("GET", "declaration-items",
                            headers=headers).json()
        if offered["SyncTokens"]["DeclarationsToken"] \
                == listed["DeclarationsToken"]:
            return True
    return False
