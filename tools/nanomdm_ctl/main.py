# SPDX-License-Identifier: Apache-2.0
"""The command line: subcommands, common options, exit status.

A subcommand's module is imported only when it is named, because a list of
100,000 devices is to begin at once.
"""

import argparse
import importlib
import os
import sys

from . import VERSION, output, settings
from .errors import Failed, Stopped

# name: (module, what it does)
SUBCOMMANDS = {
    "init": ("init", "make folders, device CA, API key and site file"),
    "doctor": ("doctor", "look for what is wrong, and name the remedy"),
    "pushcert": ("pushcert", "request, upload or show the push certificate"),
    "profile": ("profile", "write an enrollment profile"),
    "links": ("links", "make links that give an enrollment profile once"),
    "devices": ("devices", "list enrollments"),
    "send": ("send", "send a command to devices"),
    "queue": ("queue", "list what waits for a device"),
    "cancel": ("cancel", "take commands back"),
    "results": ("results", "list what a device answered"),
    "why": ("why", "find out why a device is stuck"),
    "push": ("push", "ask devices to connect"),
    "events": ("events", "list, replay or drop webhook events"),
    "declarations": ("declarations", "list, upload and assign declarations"),
    "migrate": ("migrate", "move enrollments from another server"),
    "import": ("filekv_import", "import NanoMDM's file storage"),
    "texts": ("texts", "print the manual page or a shell's completion"),
    "command": ("mdm_command", "print a command as a property list"),
}
EPILOG = """\
Settings are read from /etc/nanomdm/ctl.conf, ~/.config/nanomdm/ctl.conf, the
environment (NANOMDM_URL, NANOMDM_KEY, ...) and the options; the last one wins.

Exit status: 0 done, 1 something failed, 2 wrong usage; of doctor: 0 all is
well, 1 warnings, 2 errors, 3 it could not look.
"""


def named_in(words):
    """The subcommand among these words; None when there is none, or when
    something else is asked for before it."""
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in settings.OPTIONS:
            skip = True
        elif not word.startswith("-"):
            return word if word in SUBCOMMANDS else None
        elif word.partition("=")[0] not in settings.OPTIONS:
            return None
    return None


class Formatter(argparse.RawDescriptionHelpFormatter):
    """argparse makes one for each argument, and would ask shutil for the
    width, which takes long to import."""

    def __init__(self, prog, **more):
        super().__init__(prog, **{"width": width(), **more})


def width():
    """Of lines, as argparse has it."""
    wish = os.environ.get("COLUMNS", "")
    columns = int(wish) if wish.isdecimal() else 0
    try:
        columns = columns or os.get_terminal_size(1).columns
    except OSError:             # no terminal
        pass
    return (columns or 80) - 2


def parser_of(words):
    """With the arguments of the subcommand that the words name, or, when
    they name none, of all."""
    chosen = named_in(words)
    parser = argparse.ArgumentParser(
        prog="nanomdmctl", description="Steers mod_nanomdm.", epilog=EPILOG,
        formatter_class=Formatter)
    parser.add_argument("--version", action="version",
                        version=f"%(prog)s {VERSION}")
    settings.add_options(parser)
    subcommands = parser.add_subparsers(metavar="SUBCOMMAND", required=True,
                                        dest="subcommand")
    for name, (module, about) in SUBCOMMANDS.items():
        if chosen in (None, name):
            fill(subcommands.add_parser(name, help=about,
                                        formatter_class=Formatter), module)
    return parser


def fill(parser, module):
    imported = importlib.import_module(f".{module}", __package__)
    parser.description = imported.__doc__
    imported.add_arguments(parser)
    parser.set_defaults(run=imported.run, parser=parser)


def run_reported(run, *arguments):
    """The exit status; an error is one line, and its remedy another."""
    prepare_streams()
    try:
        status = attempt(run, *arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # As other programs end when `head` has seen enough. Connections to
        # the server are to fail with an error instead.
        import signal
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
        return 1
    except OSError as error:
        say(f"nanomdmctl: {error}")
        drop_output()
        return 1


def attempt(run, *arguments):
    try:
        return run(*arguments) or 0
    except Failed as error:
        say(f"nanomdmctl: {error}")
        if error.remedy:
            say(f"  {error.remedy}")
        return error.status
    except BrokenPipeError:
        raise
    except (Stopped, OSError) as error:
        say(f"nanomdmctl: {error}")
        return 1
    except KeyboardInterrupt:
        say("nanomdmctl: interrupted")
        return 130                  # as shells name the end by SIGINT


def prepare_streams():
    """What the locale cannot write is escaped; what is closed is empty."""
    for name, mode in ("stdin", "r"), ("stdout", "w"), ("stderr", "w"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))
        elif mode == "w":
            stream.reconfigure(errors="backslashreplace")
        else:
            stream.reconfigure(errors="surrogateescape")


def drop_output():
    """What could not be written is not tried again at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def say(line):
    print("\n".join(map(output.plain, line.rstrip().split("\n"))),
          file=sys.stderr, flush=True)


def main():
    words = sys.argv[1:]
    parser = parser_of(words)
    args, rest = parser.parse_known_args(words)
    # argparse ends a list of words at the first option.
    if rest and (not hasattr(args, "rest")
                 or any(word.startswith("-") for word in rest)):
        args.parser.error("unrecognized arguments: " + " ".join(rest)
                          + hint(rest))
    if rest:
        setattr(args, args.rest, getattr(args, args.rest) + rest)
    return run_reported(lambda: args.run(args.parser,
                                         settings.resolve(args)))


def hint(rest):
    """Where to write an option that says where the server is."""
    common = [word for word in rest
              if word.partition("=")[0] in settings.OPTIONS]
    return f"; write {common[0]} before the subcommand" if common else ""


def run_alone(module):
    """For the older names: one subcommand as a program."""
    parser = argparse.ArgumentParser(
        prog=os.path.basename(sys.argv[0]), description=module.__doc__,
        formatter_class=Formatter)
    module.add_arguments(parser)
    args = parser.parse_args()
    return run_reported(module.run, parser, args)
