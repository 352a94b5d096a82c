#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""src/mdm/declaration_schema.c is what build-aux/declaration-types.py makes,
and its rows are in the order that the server looks for them."""

import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
TABLE = TOP / "src" / "mdm" / "declaration_schema.c"


def main():
    subprocess.run([sys.executable, TOP / "build-aux" / "declaration-types.py",
                    "--check"], check=True)
    names = re.findall(r'^    \{ "([^"]+)"', TABLE.read_text(), re.MULTILINE)
    if names != sorted(names) or len(set(names)) < len(names):
        sys.exit(f"{TABLE.name}: not in order")


if __name__ == "__main__":
    main()
