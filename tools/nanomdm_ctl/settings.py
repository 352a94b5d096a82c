# SPDX-License-Identifier: Apache-2.0
"""Where the server is and how to be let in: two files, the environment, and
options; the last one that says something wins.

A file has lines NAME = VALUE. A key may be the secret itself, file:PATH or
env:NAME.
"""

import os

from .errors import Failed

SYSTEM_FILE = "/etc/nanomdm/ctl.conf"
# name: (default, what it is)
NAMES = {
    "url": (None, "where operators reach the server, such as"
                  " https://mdm.example.com"),
    "user": ("nanomdm", "user name of the API"),
    "key": (None, "password of the API: file:PATH, env:NAME or the secret"),
    "ca-file": (None, "who vouches for the server, if not the system's CAs"),
    "api": ("/v1", "path of the Location with nanomdm-api"),
    "status": ("/status", "path of the Location with nanomdm-status"),
    "device-url": (None, "where devices reach the server; url and /mdm"
                         " unless given"),
    "httpd": (None, "program that runs httpd's configuration test; the"
                    " first of apache2ctl, apachectl and httpd unless given"),
    "database": (None, "path of the database file of SQLite, whose"
                       " permissions doctor looks at"),
    "web-user": ("www-data", "httpd's User"),
    "log": ("/var/log/apache2/error.log", "httpd's error log"),
    "timeout": ("60", "seconds that an answer may take"),
}
LINES = "write lines NAME = VALUE"
# Options of the program, each with a value.
OPTIONS = {*(f"--{name}" for name in NAMES), "--config", "--color"}


def add_options(parser):
    group = parser.add_argument_group("where the server is")
    group.add_argument("--config", metavar="FILE",
                       help="read this file instead of the two")
    for name, (default, about) in NAMES.items():
        said = f"{about} (default: {default})" if default else about
        group.add_argument(f"--{name}", help=said, metavar="VALUE",
                           dest=f"given_{name.replace('-', '_')}")
    group.add_argument("--color", choices=("auto", "always", "never"),
                       default="auto",
                       help="colours; auto: on a terminal, unless NO_COLOR is"
                       " set")


def is_named(args):
    return bool(args.config or os.environ.get("NANOMDM_CONFIG"))


def files(args):
    if is_named(args):
        return [args.config or os.environ["NANOMDM_CONFIG"]]
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser(
        "~/.config")
    return [SYSTEM_FILE, f"{home}/nanomdm/ctl.conf"]


def read(path):
    """{name: value} of a file."""
    try:
        text = text_of(path)
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}", "name another by --config,"
                     " or run this as a user who may read it") from None
    except UnicodeDecodeError as error:
        raise Failed(f"{path}: {error}", LINES, 2) from None
    found = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if line and not line.startswith("#"):
            name, value = setting(f"{path}: line {number}", line)
            if name in found:
                raise Failed(f"{path}: line {number}: {name} was set before",
                             "leave one of the two", 2)
            found[name] = value
    return found


def text_of(path):
    with open(path, encoding="utf-8-sig") as file:
        return file.read()


def setting(place, line):
    """(name, value) of a line."""
    name, equals, value = line.partition("=")
    name = name.strip().lower()
    if line.startswith("["):
        raise Failed(f"{place}: {line}: it has no sections", LINES, 2)
    if not equals:
        raise Failed(f"{place}: {line!r} has no =", LINES, 2)
    if name not in NAMES:
        raise Failed(f"{place}: {name!r} is no setting",
                     "settings are " + ", ".join(NAMES), 2)
    return name, value.strip()


class Settings:
    """One attribute for each name, and where it was said."""

    def __init__(self):
        self.origin = {}
        self.unreadable = []            # files that are there
        for name, (default, _) in NAMES.items():
            self.put(name, default, "default")

    def put(self, name, value, origin):
        setattr(self, name.replace("-", "_"), value)
        self.origin[name] = origin


def resolve(args):
    """args, with args.settings."""
    found = args.settings = Settings()
    for path in files(args):
        if not os.access(path, os.R_OK) and not is_named(args):
            found.unreadable += [path] * os.path.exists(path)
            continue
        for name, value in read(path).items():
            found.put(name, value, path)
    for name in NAMES:
        variable = "NANOMDM_" + name.upper().replace("-", "_")
        if os.environ.get(variable):
            found.put(name, os.environ[variable], variable)
        given = getattr(args, f"given_{name.replace('-', '_')}")
        if given is not None:
            found.put(name, given, f"--{name}")
    try:
        seconds = float(found.timeout)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 86400:        # which NaN is not, either
        raise Failed(f"timeout is {found.timeout!r}", "write seconds, at most"
                     " 86400", 2)
    found.timeout = seconds
    for name in "api", "status":
        setattr(found, name, "/" + getattr(found, name).strip("/"))
    return args


def secret(value, origin):
    """file:PATH, env:NAME, or the secret itself."""
    if value.startswith("file:"):
        try:
            value = text_of(value[5:]).strip()
        except (OSError, ValueError) as error:
            raise Failed(f"the key of {origin}: {error}",
                         "run this as a user who may read it, or name another"
                         " file by --key") from None
    elif value.startswith("env:"):
        value = os.environ.get(value[4:], "")
    if not value:
        raise Failed(f"the key of {origin} is empty",
                     "write key = file:/etc/nanomdm/api.key into the file")
    return value
