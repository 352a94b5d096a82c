#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No ring of files: where a file of src/ uses what another defines, that one
uses nothing of it, not by way of others either. Headers do not include each
other in a ring.

check_rings.py [CHECKOUT]
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                    else pathlib.Path(__file__).parents[1])
NOT_CODE = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
                      r'|^[ \t]*#[ \t]*include[^\n]*', re.S | re.M)
FUNCTION = re.compile(r"^(?!static\b)[\w][\w \t*]*?\b(\w+)\([^;{}]*\)\s*\n\{",
                      re.M)
TABLE = re.compile(r"^const [\w \t*]*?\b(\w+)\s*(?:\[[^\]]*\]\s*)+=", re.M)


def uses_of_files(sources):
    """File -> the files that define what it uses -> names."""
    text = {path: NOT_CODE.sub(" ", path.read_text()) for path in sources}
    home = {name: path for path in sources
            for pattern in (FUNCTION, TABLE)
            for name in pattern.findall(text[path])}
    uses = {path: {} for path in sources}
    for path in sources:
        for name in set(re.findall(r"\w+", text[path])):
            if name in home and home[name] != path:
                uses[path].setdefault(home[name], []).append(name)
    return uses


def includes_of_headers(headers):
    by_name = {str(path.relative_to(ROOT / "src")): path for path in headers}
    return {path: {by_name[name]: [name] for name in re.findall(
                       r'^#include "([\w/.]+)"', path.read_text(), re.M)
                   if name in by_name}
            for path in headers}


def find_ring(graph):
    """The shortest ring as a list of nodes, or None."""
    best = None
    for start in graph:
        came_from = {start: None}
        queue = [start]
        while queue:
            at = queue.pop(0)
            if start in graph[at]:
                ring = [at]
                while came_from[ring[0]]:
                    ring.insert(0, came_from[ring[0]])
                if not best or len(ring) < len(best):
                    best = ring
                break
            for to in graph[at]:
                if to not in came_from:
                    came_from[to] = at
                    queue.append(to)
    return best


def problems(graph, verb):
    while ring := find_ring(graph):
        for at, to in zip(ring, ring[1:] + ring[:1]):
            yield (f"{at.relative_to(ROOT)} {verb} {to.relative_to(ROOT)}"
                   f" ({', '.join(sorted(graph[at][to])[:3])})")
        yield "which is a ring"
        del graph[ring[-1]][ring[0]]


def main():
    sources = [ROOT / "mod_nanomdm.c", *sorted(ROOT.glob("src/*/*.c"))]
    headers = sorted(ROOT.glob("src/*/*.h"))
    if not headers:
        sys.exit(f"no source in {ROOT}")
    found = [*problems(uses_of_files(sources), "uses"),
             *problems(includes_of_headers(headers), "includes")]
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
