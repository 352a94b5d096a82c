# SPDX-License-Identifier: Apache-2.0
"""What the tools beside this file need to reach a database: its name as in
DBDParams or in NanoMDM's -storage-dsn, Python's driver for it, and the keys of
NanoMDMStorageKey."""

import argparse
import base64
import contextlib
import hashlib
import importlib
import os
import pathlib
import re

from .errors import Stopped

# Python's module, its Debian package, the mark of a parameter.
DRIVERS = {
    "sqlite3": ("sqlite3", "python3", "?"),
    "pgsql": ("psycopg2", "python3-psycopg2", "%s"),
    "mysql": ("pymysql", "python3-pymysql", "%s"),
}


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


# ---- Secrets that NanoMDMStorageKey has sealed (src/crypto/seal.h) ----

SEALED = "-----NANOMDM SEALED 1 "
NONCE = 12                    # bytes


class Unopened(Stopped):
    """A value that was changed, or is of another row."""


class StorageKeys:
    """The first seals, each opens; with none, nothing is sealed."""

    def __init__(self, keys):
        self.keys = {hashlib.sha256(key).hexdigest()[:16]: key
                     for key in keys or ()}

    def __bool__(self):
        return bool(self.keys)

    def close(self, column, row, value):
        if not self.keys or value is None:
            return value
        id_, key = next(iter(self.keys.items()))
        nonce = os.urandom(NONCE)
        sealed = nonce + cipher(key)[0].encrypt(nonce, encoded(value),
                                                place(column, row))
        sealed = f"{SEALED}{id_} {base64.b64encode(sealed).decode()}-----"
        return sealed.encode() if isinstance(value, bytes) else sealed

    def open(self, column, row, value):
        """Bytes, if it was sealed."""
        stored = text(bytes(value) if isinstance(value, memoryview)
                      else value)
        if not (isinstance(stored, str) and stored.startswith(SEALED)):
            return value
        id_, _, sealed = stored[len(SEALED):-5].partition(" ")
        if id_ not in self.keys:
            raise Stopped(f"{row}: {column} is sealed with the key {id_!a};"
                          " name it by --storage-key, as NanoMDMStorageKey"
                          " does")
        aes, invalid_tag = cipher(self.keys[id_])
        try:
            sealed = base64.b64decode(sealed, validate=True)
            return aes.decrypt(sealed[:NONCE], sealed[NONCE:],
                               place(column, row))
        except (ValueError, invalid_tag):
            raise Unopened(f"{row}: {column} was changed, or is of another"
                           " row") from None


def cipher(key):
    """AES-256-GCM, and what it raises."""
    try:
        aead = importlib.import_module(
            "cryptography.hazmat.primitives.ciphers.aead")
        exceptions = importlib.import_module("cryptography.exceptions")
    except ImportError as error:
        raise Stopped("--storage-key needs Python's cryptography: apt-get"
                      f" install python3-cryptography ({error})") from None
    return aead.AESGCM(key), exceptions.InvalidTag


def place(column, row):
    return f"{SEALED}{column} {row}".encode()


# ---- Types of the command line ----

def storage_key(value):
    """32 bytes, from SECRET in hex or base64."""
    written = secret(value)
    with contextlib.suppress(ValueError):
        key = (bytes.fromhex(written) if re.fullmatch("[0-9a-fA-F]{64}",
                                                      written)
               else base64.b64decode(written, validate=True))
        if len(key) == 32:
            return key
    raise argparse.ArgumentTypeError("no key of 32 bytes in hex or base64")


def add_storage_key(parser, use):
    parser.add_argument(
        "--storage-key", action="append", type=storage_key, metavar="SECRET",
        help=f"{use}: a key of its NanoMDMStorageKey as file:PATH or env:NAME;"
        " repeat it for each, in their order")


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
