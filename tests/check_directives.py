#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Directives: those of the table in src/config/directives.c, of
docs/directives.md and of conf/nanomdm.conf are the same, each entry of the
manual has what httpd's manual has, and no document mentions another. Every
member of nanomdm_conf_t belongs to a row of the table or is derived.

check_directives.py [CHECKOUT]
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                    else pathlib.Path(__file__).parents[1])
CODE = "src/config/directives.c"
MEMBERS = "src/config/config.h"
DERIVED = "src/config/config.c"
MANUAL = "docs/directives.md"
SAMPLE = "conf/nanomdm.conf"


def read(path):
    return (ROOT / path).read_text()


def names(pattern, text):
    return re.findall(pattern, text, re.MULTILINE)


def missing(some, others, where, there):
    for name in some:
        if name not in others:
            yield f"{where}: {name} is not in {there}"


def entries():
    """Name -> text of each entry of the manual."""
    parts = re.split(r"^### (NanoMDM\w+)$", read(MANUAL), flags=re.MULTILINE)
    return {name: re.split(r"^## ", text, flags=re.MULTILINE)[0]
            for name, text in zip(parts[1::2], parts[2::2])}


def members_without_a_row():
    struct = re.search(r"^typedef struct \{\n((?: .*\n)*)\} nanomdm_conf_t;",
                       read(MEMBERS), re.MULTILINE)[1]
    for member in names(r"^ .*[ *]([a-z_]+);", struct):
        if not (re.search(rf"\b{member}[,.]", read(CODE))
                or re.search(rf"(->|\.){member}( = |;)", read(DERIVED))):
            yield f"{MEMBERS}: {member} has no row in {CODE}"


def problems():
    yield from members_without_a_row()
    table = names(r'^\s*[^/*\n]*"(NanoMDM[A-Za-z]+)"',
                  "".join(re.findall(r"^const command_rec.*?^};", read(CODE),
                                     re.MULTILINE | re.DOTALL)))
    manual = entries()
    sample = names(r"^# *(NanoMDM[A-Za-z]+) ", read(SAMPLE))
    if not table:
        yield f"{CODE}: no table of directives"
    yield from missing(table, manual, CODE, MANUAL)
    yield from missing(table, sample, CODE, SAMPLE)
    yield from missing(manual, table, MANUAL, f"the table of {CODE}")
    yield from missing(sample, table, SAMPLE, f"the table of {CODE}")
    for name, text in manual.items():
        for row in ("| Description |", f"| Syntax | `{name} ", "| Default |",
                    "| Context |", "```apache"):
            if row not in text:
                yield f"{MANUAL}: {name} has no {row}"
    for path in ("README.md", "SECURITY.md", SAMPLE,
                 *sorted(str(path.relative_to(ROOT))
                         for path in ROOT.glob("docs/*") if path.is_file())):
        mentioned = sorted(set(names(r"\bNanoMDM[A-Z][A-Za-z]+", read(path))))
        yield from missing(mentioned, table, path, f"the table of {CODE}")


FOUND = list(problems())
print("\n".join(FOUND), file=sys.stderr, end="\n" if FOUND else "")
sys.exit(bool(FOUND))
