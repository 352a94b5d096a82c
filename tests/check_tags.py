#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Log tags: each NMDMNO(nnnn) once in the source; docs/log-tags.md has one row
for each and no other; no document mentions a tag that does not exist.

check_tags.py [CHECKOUT]
"""

import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                    else pathlib.Path(__file__).parents[1])
GUIDE = "docs/log-tags.md"


def places(pattern, paths):
    """Tag -> where it is, as path:line."""
    found = collections.defaultdict(list)
    for path in paths:
        for number, line in enumerate(
                path.read_text(errors="replace").splitlines(), 1):
            for tag in re.findall(pattern, line):
                found[tag].append(f"{path.relative_to(ROOT)}:{number}")
    return found


def problems():
    source = [ROOT / "mod_nanomdm.c", *sorted(ROOT.glob("src/*/*.[ch]"))]
    documents = [ROOT / "README.md", ROOT / "CHANGES",
                 *sorted(path for path in ROOT.glob("docs/*")
                         if path.is_file())]
    made = places(r"NMDMNO\((\d+)\)", source)
    rows = places(r"^\| NMDM(\d+) ", [ROOT / GUIDE])
    if not made:
        yield f"no NMDMNO(nnnn) in {ROOT}/src"
    for tag, where in made.items():
        if len(where) > 1:
            yield (f"{' '.join(where)}: tag {tag} is used more than once; take"
                   " a free number")
        if len(tag) != 4:
            yield f"{where[0]}: tag {tag} does not have four digits"
        if tag not in rows:
            yield f"{where[0]}: NMDM{tag} has no row in {GUIDE}"
    for tag, where in rows.items():
        if len(where) > 1:
            yield f"{' '.join(where)}: two rows for NMDM{tag}"
    for tag, where in places(r"NMDM(\d{4})", documents).items():
        if tag not in made:
            yield f"{where[0]}: NMDM{tag} is nowhere in the source"


FOUND = list(problems())
print("\n".join(FOUND), file=sys.stderr, end="\n" if FOUND else "")
sys.exit(bool(FOUND))
