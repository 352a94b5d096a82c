# SPDX-License-Identifier: Apache-2.0
"""What the tools beside this file need to reach a database: its name as in
DBDParams or in NanoMDM's -storage-dsn, and Python's driver for it."""

import argparse
import contextlib
import importlib
import os
import pathlib
import re

# Python's module, its Debian package, the mark of a parameter.
DRIVERS = {
    "sqlite3": ("sqlite3", "python3", "?"),
    "pgsql": ("psycopg2", "python3-psycopg2", "%s"),
    "mysql": ("pymysql", "python3-pymysql", "%s"),
}


class Stopped(Exception):
    """There is no use in going on."""


def module_of(driver):
    name, package, _ = DRIVERS[driver]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Stopped(f"{driver} needs Python's {name}: apt-get install"
                      f" {package} ({error})") from None


# ---- Names of databases ----

def mysql_options(args):
    return (of_go_dsn(args.dsn) if args.dsn
            else of_params(pairs(args.params)))


def pairs(params):
    """DBDParams of the driver mysql."""
    return dict(word.split("=", 1) for word
                in re.split(r"[ \r\n\t;|,]+", params) if "=" in word)


def of_params(given):
    options = {"host": given.get("host", "localhost"),
               "user": given.get("user"), "password": given.get("pass", ""),
               "database": given.get("dbname")}
    if "port" in given:
        options["port"] = int(given["port"])
    if "sock" in given:
        options["unix_socket"] = given["sock"]
    if "group" in given:
        options["read_default_group"] = given["group"]
        files = (pathlib.Path.home() / ".my.cnf", "/etc/mysql/my.cnf",
                 "/etc/my.cnf")
        options["read_default_file"] = next(
            (str(path) for path in files if os.path.exists(path)), None)
    return options


def of_go_dsn(dsn):
    """user:password@tcp(host:port)/database?options, as NanoMDM has it."""
    match = re.fullmatch(r"(?:([^:@]*)(?::(.*))?@)?(?:(tcp|unix)\((.*)\))?"
                         r"/([^?]*)(\?.*)?", dsn)
    if not match:
        raise Stopped("--dsn is not USER:PASSWORD@tcp(HOST:PORT)/DATABASE")
    user, password, protocol, address, database, _ = match.groups()
    options = {"user": user, "password": password or "",
               "database": database}
    if protocol == "unix":
        options["unix_socket"] = address
    elif address:
        host, _, port = address.rpartition(":")
        options["host"] = (host or address).strip("[]")
        if host:
            options["port"] = int(port)
    return options


# ---- Values ----

def text(value):
    """Text as str whatever the driver; bytes that are none stay bytes."""
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, bytes):
        with contextlib.suppress(UnicodeDecodeError):
            return value.decode()
    return value


def encoded(value):
    return value.encode() if isinstance(value, str) else value


# ---- Types of the command line ----

def secret(value):
    """file:PATH, env:NAME, or the secret itself."""
    try:
        if value.startswith("file:"):
            value = pathlib.Path(value[5:]).read_text().rstrip()
        elif value.startswith("env:"):
            value = os.environ[value[4:]]
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"{value}: {error}") from None
    except KeyError:
        raise argparse.ArgumentTypeError(
            f"{value}: the environment has no such variable") from None
    if not value:
        raise argparse.ArgumentTypeError("empty")
    return value


def resolve_secrets(parser, args):
    """--params and --dsn, where they may hold a password."""
    if args.driver != "sqlite3":
        try:
            args.params = args.params and secret(args.params)
            args.dsn = args.dsn and secret(args.dsn)
        except argparse.ArgumentTypeError as error:
            parser.error(str(error))


def table_prefix(value):
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*|", value):
        raise argparse.ArgumentTypeError(
            f"{value}: letters, digits and underscores")
    return value
