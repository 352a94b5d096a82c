#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/mdm/declaration_schema.c of build-aux/declaration-types.tsv.

    build-aux/declaration-types.py                   the C file
    build-aux/declaration-types.py --check           whether it is that of the TSV
    build-aux/declaration-types.py --schema FOLDER COMMIT
        reads a checkout of https://github.com/apple/device-management first, and
        replaces what the TSV says of the types that are in it

--schema needs Python's yaml: apt-get install python3-yaml.
"""

import argparse
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
FACTS = TOP / "build-aux" / "declaration-types.tsv"
TABLE = TOP / "src" / "mdm" / "declaration_schema.c"
PREFIX = "com.apple."
SYSTEMS = ("iOS", "macOS", "tvOS", "visionOS", "watchOS")
LETTERS = {"string": "s", "integer": "i", "real": "r", "boolean": "b",
           "array": "a", "dictionary": "o", "any": "*"}
PRESENCE = {"required": "!", "either": "?", "optional": ""}
HEAD = """\
/* SPDX-License-Identifier: Apache-2.0 */
/* declaration_schema.c -- made by build-aux/declaration-types.py of
 * build-aux/declaration-types.tsv; not to be edited. */

#include "mdm/declaration_schema.h"

#include <stddef.h>

const nmdm_declaration_schema_t NMDM_DECLARATION_SCHEMA[] = {
"""
TAIL = """\
};

const int NMDM_DECLARATION_SCHEMA_LENGTH
    = sizeof(NMDM_DECLARATION_SCHEMA) / sizeof(*NMDM_DECLARATION_SCHEMA);
"""


class Type:
    def __init__(self, name, file, commit, since, scopes):
        self.name, self.file, self.commit = name, file, commit
        self.since, self.scopes = since, scopes
        self.keys = []            # (name, type, presence, allowed, assets)


def read_facts():
    head, types = [], {}
    for line in FACTS.read_text().splitlines():
        if line.startswith("#"):
            head.append(line)
            continue
        tag, *fields = line.split("\t")
        if tag == "T":
            last = types[fields[0]] = Type(*fields)
        else:
            last.keys.append(tuple(fields))
    return head, types


def write_facts(head, types):
    lines = list(head)
    for name in sorted(types):
        one = types[name]
        lines.append("\t".join(("T", one.name, one.file, one.commit,
                                one.since, one.scopes)))
        lines += ["\t".join(("K", *key)) for key in sorted(one.keys)]
    FACTS.write_text("\n".join(lines) + "\n")


# ---- Apple's files ----

def since_of(supported):
    """15.0 is written 15; what is not there, or n/a, is -."""
    texts = []
    for system in SYSTEMS:
        first = str((supported.get(system) or {}).get("introduced", "n/a"))
        texts.append("-" if first == "n/a" else first.removesuffix(".0"))
    return "/".join(texts)


def scopes_of(supported):
    found = [f"{system}:{scopes[0]}" for system in SYSTEMS
             for scopes in [(supported.get(system) or {})
                            .get("allowed-scopes", ())]
             if system == "macOS" and len(scopes) == 1
             and scopes[0] == "user"]
    return ",".join(found) or "*"


def short(name):
    return name.removeprefix(PREFIX)


def key_of(key):
    allowed = "-"
    if "rangelist" in key:
        allowed = ",".join(map(str, key["rangelist"]))
    elif "range" in key:
        allowed = f"{key['range'].get('min', '')}..{key['range'].get('max', '')}"
    kind = key["type"].strip("<>")
    if kind not in LETTERS:
        kind = "any"
    return ("*" if key["key"] == "ANY" else key["key"], kind,
            key.get("presence", "optional"), allowed,
            ",".join(sorted(map(short, key.get("assettypes", ())))) or "-")


def read_schema(folder, commit, types):
    import yaml
    top = pathlib.Path(folder) / "declarative" / "declarations"
    for path in sorted(top.glob("*/*.yaml")):
        whole = yaml.safe_load(path.read_text())
        payload = whole.get("payload") or {}
        if "declarationtype" not in payload:
            continue
        one = Type(short(payload["declarationtype"]),
                   f"{path.parent.name}/{path.stem}", commit[:8],
                   since_of(payload.get("supportedOS") or {}),
                   scopes_of(payload.get("supportedOS") or {}))
        one.keys = [key_of(key) for key in whole.get("payloadkeys") or ()]
        if one.name == "activation.simple":
            one.keys = [(*key[:4], "configuration.*")
                        if key[0] == "StandardConfigurations" else key
                        for key in one.keys]
        types[one.name] = one


# ---- The C file ----

def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def field_of(key):
    """!sName=one,two : presence, type, name, allowed values; a semicolon
    ends it."""
    name, kind, presence, allowed, _ = key
    return (f"{PRESENCE[presence]}{LETTERS[kind]}{name}"
            + ("" if allowed == "-" else f"={allowed}") + ";")


def references_of(keys):
    """Key:types; where types have blanks between them: in pieces."""
    for name, _, _, _, assets in keys:
        if assets == "-":
            continue
        yield f"{name}:"
        types = [PREFIX + one.removesuffix("*") for one in assets.split(",")]
        yield from (one + (";" if one is types[-1] else " ")
                    for one in types)


def wrapped(pieces, indent):
    lines, line = [], ""
    for piece in pieces:
        if line and len(line) + len(piece) + indent + 4 > 79:
            lines.append(quoted(line))
            line = ""
        line += piece
    lines.append(quoted(line))
    return ("\n" + " " * indent).join(lines)


def c_of(types):
    rows = []
    for name in sorted(types, key=str.encode):
        one = types[name]
        source = (f"{one.file}.yaml {one.commit}" if one.file != "-"
                  else "Apple's reference pages, 2026")
        keys = wrapped(map(field_of, one.keys), 6) if one.keys else "NULL"
        pieces = list(references_of(one.keys))
        references = wrapped(pieces, 6) if pieces else "NULL"
        rows.append(f"    /* {source} */\n"
                    f"    {{ {quoted(name)}, {quoted(one.since)},\n"
                    f"      {keys},\n      {references} }},\n")
    return HEAD + "".join(rows) + TAIL


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--schema", nargs=2, metavar=("FOLDER", "COMMIT"))
    args = parser.parse_args()
    head, types = read_facts()
    if args.schema:
        read_schema(*args.schema, types)
        write_facts(head, types)
    made = c_of(types)
    if args.check:
        if made != TABLE.read_text():
            sys.exit(f"{TABLE.relative_to(TOP)} is not what"
                     " build-aux/declaration-types.py makes")
        return
    TABLE.write_text(made)


if __name__ == "__main__":
    main()
