# SPDX-License-Identifier: Apache-2.0
"""Looks for what is wrong on this host and at the server, and names the
remedy of each finding.

Exit status, as monitoring has it: 0 all is well, 1 warnings, 2 errors, 3 it
could not look.
"""


from . import doctor_network, doctor_site, output
from .errors import Failed

LEVELS = {"ok": (0, "green"), "skipped": (0, "dim"), "warning": (1, "yellow"),
          "error": (2, "red")}


class Report:
    """Findings in the order in which they were made."""

    def __init__(self, args):
        self.args, self.settings = args, args.settings
        self.findings = []

    def add(self, level, subject, saw, remedy=""):
        self.findings.append({"level": level, "subject": subject, "saw": saw,
                              "remedy": remedy})

    def ok(self, subject, saw):
        self.add("ok", subject, saw)

    def skip(self, subject, why):
        self.add("skipped", subject, why)

    def warn(self, subject, saw, remedy):
        self.add("warning", subject, saw, remedy)

    def error(self, subject, saw, remedy):
        self.add("error", subject, saw, remedy)

    def expiry(self, subject, what, left, remedy, warn_days):
        """left: days until it ends."""
        if left < 0:
            self.error(subject, f"{what} expired {-left:.0f} days ago",
                       remedy)
        elif left < warn_days:
            self.warn(subject, f"{what} expires in {left:.0f} days", remedy)
        else:
            self.ok(subject, f"{what} is valid for {left:.0f} days")

    def status(self):
        return max((LEVELS[each["level"]][0] for each in self.findings),
                   default=3)


def add_arguments(parser):
    parser.add_argument("--json", action="store_true",
                        help="the findings, for programs")
    parser.add_argument("--quiet", action="store_true",
                        help="one line, as plugins of Nagios print it")
    parser.add_argument("--warn-days", type=int, default=30, metavar="DAYS",
                        help="certificates that end sooner are a warning"
                        " (default: 30)")
    parser.add_argument("--no-apns", action="store_true",
                        help="do not try to reach APNs")


def run(_parser, args):
    report = Report(args)
    try:
        site = doctor_site.look(report)
        doctor_network.look(report, site)
    except Failed as error:
        report.error("doctor", str(error), error.remedy)
        if error.status == 2 and len(report.findings) == 1:
            show(args, report)
            return 3
    show(args, report)
    return report.status()


def show(args, report):
    if args.json:
        print(output.as_text(report.findings, 2))
        return
    bad = [each for each in report.findings
           if LEVELS[each["level"]][0]]
    if args.quiet:
        word = {0: "OK", 1: "WARNING", 2: "CRITICAL", 3: "UNKNOWN"}[
            report.status()]
        print(f"NANOMDM {word} - " + (output.plain("; ".join(
            f"{each['subject']}: {each['saw']}" for each in bad))
            or f"{len(report.findings)} checks passed"))
        return
    paint = output.Paint(args)
    for each in report.findings:
        print(paint(LEVELS[each["level"]][1], f"{each['level']:8}")
              + output.plain(f"{each['subject']}: {each['saw']}"))
        if each["remedy"]:
            print(f"        -> {output.plain(each['remedy'])}")
    print()
    print("All is well." if not bad else
          f"{len(bad)} thing{'s' if len(bad) > 1 else ''} to see to.")
