#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Links of the documents lead somewhere, each document is linked from another,
long pages have a table of contents, and README.md stays short.

check_links.py [CHECKOUT]
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                    else pathlib.Path(__file__).parents[1])
README_WORDS = 1800
LONG_PAGE = 250                         # lines
PAGES = [path for path in (*sorted(ROOT.glob("*.md")),
                           *sorted(ROOT.glob("docs/*.md")),
                           *sorted(ROOT.glob("findings/*.md")))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


def headings(path):
    """The headings of a page, as links name them."""
    text = FENCE.sub("", path.read_text())
    return {re.sub(r"[^a-z0-9_-]", "", title.lower().replace(" ", "-"))
            for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def of_page(page, linked):
    text = page.read_text()
    for match in LINK.finditer(text):
        link = match[1]
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        linked.add(target)
        where = (f"{page.relative_to(ROOT)}:"
                 f"{text.count(chr(10), 0, match.start()) + 1}")
        if not target.exists():
            yield f"{where}: no file for {link}"
        elif heading and heading not in headings(target):
            yield f"{where}: no heading for {link}"
    lines = text.count("\n")
    if lines > LONG_PAGE and "](#" not in text[:text.find("\n## ")]:
        yield (f"{page.relative_to(ROOT)}: {lines} lines and no table of"
               " contents before its first section")


def problems():
    linked = set()
    for page in PAGES:
        yield from of_page(page, linked)
    for page in sorted(ROOT.glob("docs/*")):
        if page.resolve() not in linked:
            yield f"{page.relative_to(ROOT)}: no document has a link to it"
    words = len((ROOT / "README.md").read_text().split())
    if words > README_WORDS:
        yield f"README.md: {words} words, more than {README_WORDS}"


FOUND = list(problems())
print("\n".join(FOUND), file=sys.stderr, end="\n" if FOUND else "")
sys.exit(bool(FOUND))
