# SPDX-License-Identifier: Apache-2.0
"""What is printed: tables, JSON, CSV, marks in colour, progress."""

import json
import os
import re
import sys
import time

COLORS = {"red": 31, "green": 32, "yellow": 33, "bold": 1, "dim": 2}
# A name that a device chose is not to steer the terminal.
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# Those that JSON lets stay as they are.
UNESCAPED = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def plain(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return CONTROLS.sub("?", str(value))


def as_text(value, indent=None):
    """JSON; what would steer the terminal is escaped, and means the same."""
    return UNESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}",
                         json.dumps(value, indent=indent,
                                    ensure_ascii=False))


class Paint:
    """Colours, where they are wanted."""

    def __init__(self, args, stream=None):
        wish = getattr(args, "color", "auto")
        stream = stream or sys.stdout
        self.on = wish == "always" or (
            wish == "auto" and stream.isatty()
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb")

    def __call__(self, color, text):
        if not self.on:
            return text
        return f"\033[{COLORS[color]}m{text}\033[0m"


# ---- Lists ----

def add_format(parser):
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_const", const="json",
                       dest="format", help="a JSON array, with all keys")
    group.add_argument("--csv", action="store_const", const="csv",
                       dest="format", help="comma-separated values")


def show(args, columns, entries, nothing="nothing"):
    """columns: {heading: function of an entry}. Returns how many entries
    there were."""
    kind = args.format or "table"
    return {"json": as_json, "csv": as_csv, "table": as_table}[kind](
        args, columns, entries, nothing)


class Lines:
    """Writes lines to standard output: the first at once, later ones together
    where they follow each other closely."""

    def __init__(self):
        self.flushed = 0

    def put(self, line):
        sys.stdout.write(line + "\n")
        now = time.monotonic()
        if now - self.flushed > 0.1:
            sys.stdout.flush()
            self.flushed = now


def as_json(_args, _columns, entries, _nothing):
    lines, last = Lines(), None
    number = 0
    for number, entry in enumerate(entries, 1):
        lines.put("[" if number == 1 else last + ",")
        last = as_text(entry)
    lines.put(f"{last}\n]" if number else "[]")
    return number


def as_csv(_args, columns, entries, _nothing):
    import csv
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    number = 0
    for number, entry in enumerate(entries, 1):
        writer.writerow([harmless(plain(value(entry)))
                         for value in columns.values()])
    return number


def harmless(cell):
    """A spreadsheet takes these for formulas."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell


SAMPLE = 100                    # rows that say how wide columns are


def as_table(args, columns, entries, nothing):
    paint, lines = Paint(args), Lines()
    number, waiting, widths = 0, [], None

    def emit(cells, color=None):
        line = "  ".join(cell.ljust(width) for cell, width
                         in zip(cells, widths)).rstrip()
        lines.put(paint(color, line) if color else line)

    def begin():
        nonlocal widths
        widths = [max(map(len, column)) for column
                  in zip(*waiting, list(columns))]
        emit(list(columns), "bold")
        for cells in waiting:
            emit(cells)

    for entry in entries:
        number += 1
        cells = [plain(value(entry)) for value in columns.values()]
        if widths:
            emit(cells)
            continue
        waiting.append(cells)
        if number == SAMPLE:
            begin()
    if waiting and not widths:
        begin()
    if not number:
        print(nothing, file=sys.stderr)
    return number


def indented(pairs, indent="  "):
    """Names and values, one under the other."""
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        print(f"{indent}{plain(name).ljust(width)}  {plain(value)}")


# ---- Progress ----

class Progress:
    """done, of, per second, time left: on a terminal one line that is
    overwritten, elsewhere a line for each so many done."""

    def __init__(self, what, total=None, every=1000, stream=None):
        self.what, self.total, self.every = what, total, every
        self.stream = stream or sys.stderr
        self.began = self.last = time.monotonic()
        self.done = 0
        self.shown = False

    def line(self, more=""):
        rate = self.done / max(time.monotonic() - self.began, 1e-6)
        text = f"{self.what}: {self.done}"
        if self.total is not None:
            text += f" of {self.total}"
        if self.done:
            text += f", {rate:.0f} per second"
        if self.total is not None and 0 < self.done < self.total:
            text += f", {clock((self.total - self.done) / rate)} left"
        return text + (f", {more}" if more else "")

    def __call__(self, done, more=""):
        crossed = done // self.every != self.done // self.every
        self.done = done
        if self.stream.isatty():
            if time.monotonic() - self.last > 0.2:
                self.last = time.monotonic()
                self.stream.write(f"\r\033[K{self.line(more)}")
                self.shown = True
        elif crossed:
            self.stream.write(self.line(more) + "\n")
        self.stream.flush()

    def end(self):
        """The line is gone, so that others may be written."""
        if self.shown:
            self.stream.write("\r\033[K")
            self.stream.flush()
        self.shown = False


def clock(seconds):
    seconds = int(seconds)
    return (f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
            if seconds >= 3600 else f"{seconds // 60}:{seconds % 60:02}")
