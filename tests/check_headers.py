#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A header of src/ says what its functions do and what a caller must know: no
declaration without a comment in its paragraph.

check_headers.py [CHECKOUT]
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                    else pathlib.Path(__file__).parents[1])
FUNCTION = re.compile(r"^(?!typedef\b)[a-z][\w \t*]*?\b(n(?:ano)?mdm_\w+)\(",
                      re.M)
INNER = re.compile(r"\{.*?^\}", re.S | re.M)


def uncommented(text):
    """The functions that are declared in paragraphs without a comment."""
    flat = INNER.sub(lambda m: re.sub(r"\n\s*\n", "\n", m.group()), text)
    for paragraph in re.split(r"\n[ \t]*\n", flat):
        names = FUNCTION.findall(re.sub(r"/\*.*?\*/", "", paragraph,
                                        flags=re.S))
        first = FUNCTION.search(paragraph)
        if first and "/*" not in paragraph[:first.start()]:
            yield from names


def main():
    headers = sorted(ROOT.glob("src/*/*.h"))
    if not headers:
        sys.exit(f"no headers in {ROOT}")
    found = [f"{path.relative_to(ROOT)}: {name} has no comment"
             for path in headers for name in uncommented(path.read_text())]
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
