#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No file of src/ has more than 500 lines, but for tables of data, and no
function more than 45.

check_size.py [CHECKOUT]
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                    else pathlib.Path(__file__).parents[1])
MOST_OF_FILE = 500
MOST_OF_FUNCTION = 45
TABLES = {"src/db/statements.c"}
# From the name and its arguments to the brace at the margin that ends it.
FUNCTION = re.compile(r"^(?!typedef\b|struct \w+ \{)\w[^\n;={}]*\b(\w+)\("
                      r"[^;{}]*\)\s*\n\{\n.*?^\}$", re.S | re.M)


def problems():
    sources = [ROOT / "mod_nanomdm.c", *sorted(ROOT.glob("src/*/*.[ch]"))]
    functions = 0
    for path in sources:
        text, name = path.read_text(), str(path.relative_to(ROOT))
        if text.count("\n") > MOST_OF_FILE and name not in TABLES:
            yield f"{name}: {text.count(chr(10))} lines"
        for match in FUNCTION.finditer(text):
            functions += 1
            lines = match[0].count("\n") + 1
            if lines > MOST_OF_FUNCTION:
                first = text.count("\n", 0, match.start()) + 1
                yield f"{name}:{first}: {match[1]}: {lines} lines"
    if not functions:
        yield f"no function in {ROOT}/src"


def main():
    found = list(problems())
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
