#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Modules of tests/http have names of their own: pytest imports them by their
base name, and so do tests that use each other.

check_tests.py [CHECKOUT]
"""

import collections
import pathlib
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                    else pathlib.Path(__file__).parents[1])

NAMED = collections.defaultdict(list)
for path in sorted(ROOT.glob("tests/http/*/*.py")):
    NAMED[path.name].append(str(path.relative_to(ROOT)))
FOUND = [f"{' '.join(paths)}: two modules of one name"
         for paths in NAMED.values() if len(paths) > 1]
if not NAMED:
    FOUND.append(f"no tests in {ROOT}")
print("\n".join(FOUND), file=sys.stderr, end="\n" if FOUND else "")
sys.exit(bool(FOUND))
