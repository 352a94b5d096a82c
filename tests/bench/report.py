# SPDX-License-Identifier: Apache-2.0
"""Figures as a table, and which goals they reach."""

import statistics

NAMES = {"sqlite3": "SQLite", "pgsql": "PostgreSQL", "mysql": "MariaDB"}


class Report:
    """The rows of the table and what was reached."""

    def __init__(self):
        self.figures = {}
        self.goals = []

    def row(self, database, name, runs):
        """The medians of some runs of one workload."""
        figures = {key: statistics.median(run[key] for run in runs)
                   for key, value in runs[0].items()
                   if isinstance(value, (int, float))}
        trouble = [run["trouble"] for run in runs if run.get("trouble")]
        if trouble:
            print(f"  TROUBLE in {name}: {trouble[0]}", flush=True)
        self.figures.setdefault(database, {})[name] = figures
        say_row(name, figures)
        return figures

    def note(self, database, name, **figures):
        self.figures.setdefault(database, {}).setdefault(name, {}).update(
            figures)

    def goal(self, database, what, measured, limit, *, least=False, unit=""):
        """least: measured has to be at least the limit, else at most."""
        reached = measured >= limit if least else measured <= limit
        self.goals.append({"database": database, "what": what,
                           "measured": measured, "limit": limit,
                           "least": least, "reached": reached})
        print(f"  {'reached' if reached else 'MISSED '} {what}: "
              f"{measured:.3g}{unit}"
              f" ({'at least' if least else 'at most'} {limit:.3g}{unit})",
              flush=True)

    def compare(self, database, what, measured):
        print(f"          {what}: {measured:.2f}", flush=True)
        self.note(database, what, ratio=measured)


def say_head(title):
    print(f"\n{title}\n  {'':30}{'req/s':>8}{'httpd':>8}{'database':>9}"
          f"{'p50':>8}{'p99':>8}   CPU in us, times in ms", flush=True)


def say_row(name, row):
    def column(key, width, form="{:.0f}", by=1):
        text = form.format(row[key] / by) if key in row else "-"
        return f"{text:>{width}}"
    print(f"  {name:30}" + column("rps", 8) + column("httpd_us", 8)
          + column("db_us", 9) + column("p50_us", 8, "{:.2f}", 1000)
          + column("p99_us", 8, "{:.2f}", 1000), flush=True)


def ratio(above, below, key="rps"):
    """The median of what each round says, as rounds differ less in
    themselves than from each other."""
    return statistics.median(a[key] / b[key]
                             for a, b in zip(above, below) if b[key])


def take_turns(rounds, scenarios):
    """Every scenario once a round, each time in another order; the results
    of each by name."""
    results = {name: [] for name in scenarios}
    for turn in range(rounds):
        names = list(scenarios)
        names = names[turn % len(names):] + names[:turn % len(names)]
        for name in names:
            results[name].append(scenarios[name](turn))
    return results
