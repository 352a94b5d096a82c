# SPDX-License-Identifier: Apache-2.0
"""Prints the manual page or a shell's completion, from the parsers:

    nanomdmctl texts man | bash | zsh

The package is built with them, so they cannot differ from the program.
"""

import argparse
import re

from . import main as program
from . import mdm_command


def add_arguments(parser):
    parser.add_argument("kind", choices=("man", "bash", "zsh"))


def run(_parser, args):
    {"man": man, "bash": bash, "zsh": zsh}[args.kind]()
    return 0


def parsers():
    """{subcommand: its parser}, with all their arguments."""
    whole = program.parser_of([])
    action, = [each for each in whole._actions  # no public way
               if isinstance(each, argparse._SubParsersAction)]
    return whole, action.choices


def actions(parser):
    return [each for each in parser._actions
            if not isinstance(each, (argparse._HelpAction,
                                     argparse._SubParsersAction))]


def options(parser):
    return [string for each in actions(parser)
            for string in each.option_strings if string.startswith("--")]


# ---- The manual page ----

def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def man():
    whole, subcommands = parsers()
    print('.TH NANOMDMCTL 1 "" "mod_nanomdm" "User Commands"')
    print(".SH NAME\nnanomdmctl \\- steers mod_nanomdm, an Apple MDM server in"
          " Apache httpd")
    print(".SH SYNOPSIS\n.B nanomdmctl\n[\\fIOPTIONS\\fR] \\fISUBCOMMAND\\fR"
          " ...")
    print(".SH DESCRIPTION")
    print(roff("Asks the API of a server, looks for what is wrong, and makes"
               " what a new server needs. Each subcommand has --help."))
    print(".SH OPTIONS")
    for each in actions(whole):
        option(each)
    print(".SH SUBCOMMANDS")
    for name, parser in subcommands.items():
        print(f".SS {roff(name)}")
        described(parser.description or "")
        for each in actions(parser):
            option(each)
        if name == "send":
            print(".PP\nCommands: " + roff(", ".join(sorted(
                commands()))) + ".")
    print(".SH FILES")
    for path in ("/etc/nanomdm/ctl.conf", "~/.config/nanomdm/ctl.conf"):
        print(f".TP\n.I {roff(path)}\nLines NAME = VALUE; names are those of"
              " the options without dashes.")
    print(".SH ENVIRONMENT\n.TP\n.B NANOMDM_URL, NANOMDM_KEY, ...")
    print("As the options, in capitals.\n.TP\n.B NANOMDM_CONFIG\nA file in"
          " place of the two.\n.TP\n.B NO_COLOR\nNo colours.")
    print(".SH EXIT STATUS")
    print(roff("0 done, 1 something failed, 2 wrong usage; of doctor: 0 all is"
               " well, 1 warnings, 2 errors, 3 it could not look."))
    print(".SH SEE ALSO\n.BR mod_nanomdm (8)")


def described(text):
    """Indented lines are examples."""
    for part in text.strip().split("\n\n"):
        if part.startswith("    "):
            print(".PP\n.nf\n.RS 4\n" + roff("\n".join(
                line[4:] for line in part.splitlines())) + "\n.RE\n.fi")
        else:
            print(".PP\n" + roff(part))


def option(action):
    names = ", ".join(action.option_strings) or metavar(action)
    value = "" if action.nargs == 0 or not action.option_strings \
        else f" \\fI{roff(metavar(action))}\\fR"
    print(f".TP\n\\fB{roff(names)}\\fR{value}")
    print(roff(action.help or (f"one of {', '.join(action.choices)}"
                        if action.choices else "see above")))


def metavar(action):
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper().replace("GIVEN_", "")


def commands():
    parser = argparse.ArgumentParser()
    mdm_command.add_arguments(parser)
    action, = [each for each in parser._actions
               if isinstance(each, argparse._SubParsersAction)]
    return action.choices


# ---- Completion ----

def words():
    whole, subcommands = parsers()
    table = {name: options(parser) for name, parser in subcommands.items()}
    for name, parser in subcommands.items():
        for each in actions(parser):
            if not each.option_strings and each.choices:
                table[name] = [*map(str, each.choices), *table[name]]
    table["send"] = [*table["send"], *sorted(commands())]
    table["command"] = sorted(commands())
    return options(whole), table


def bash():
    common, table = words()
    print("# bash completion for nanomdmctl\n_nanomdmctl()\n{")
    print("    local cur=${COMP_WORDS[COMP_CWORD]} word sub= i\n"
          "    COMPREPLY=()\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        word=${COMP_WORDS[i]}\n"
          "        case $word in")
    print(f"        {'|'.join(table)}) sub=$word; break ;;")
    print("        esac\n    done\n    case $sub in")
    for name, offered in table.items():
        print(f"    {name}) COMPREPLY=($(compgen -W \"{' '.join(offered)}\""
              " -- \"$cur\")) ;;")
    print(f"    *) COMPREPLY=($(compgen -W \"{' '.join([*table, *common])}\""
          " -- \"$cur\")) ;;")
    print("    esac\n}\ncomplete -o default -F _nanomdmctl nanomdmctl")


def zsh():
    common, table = words()
    print("#compdef nanomdmctl\n_nanomdmctl() {\n"
          "    local -a before=(\"${(@)words[2,CURRENT-1]}\")\n"
          "    local sub=${before[(r)" + f"({'|'.join(table)})" + "]}\n"
          "    case $sub in")
    for name, offered in table.items():
        print(f"    {name}) compadd -- {' '.join(offered)}; _files ;;")
    print(f"    *) compadd -- {' '.join([*table, *common])} ;;")
    print("    esac\n}\n_nanomdmctl \"$@\"")
