# SPDX-License-Identifier: Apache-2.0
"""The HTTP client: one connection to the server, kept; an answer that is an
error becomes Failed with its remedy."""

import base64
import json
import ssl
import urllib.parse

from .connection import Broken, Connection
from .errors import Failed
from .settings import secret

REMEDIES = {
    401: "the user or the key is wrong: compare NanoMDMAPIKey with key in"
         " ctl.conf, or --key",
    403: "the Location lets no user in, or not this one: look for AuthType and"
         " Require in the site's configuration, and for NMDM1201 in the error"
         " log",
    404: "no such thing, or no API there: compare the Location of"
         " nanomdm-api with api in ctl.conf",
    405: "another handler answers there: compare the Location of nanomdm-api"
         " with api in ctl.conf",
    413: "raise NanoMDMMaxBody or LimitRequestBody",
    414: "name fewer IDs at once, or raise LimitRequestLine",
    500: "the error log has the cause, by the tag",
    503: "the database is away or has no tables: the error log has the cause;"
         " nanomdmctl doctor looks for it",
}
ELSE = ("something else than nanomdm-api answers at this URL: compare url and"
        " api in ctl.conf")


class Answer:
    def __init__(self, answer):
        self.status, self.reason = answer.status, answer.reason
        self.headers, self.body = answer.headers, answer.body

    def json(self):
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Failed(
                f"the answer is no JSON: {self.body[:60]!r}",
                ELSE) from None

    def error(self):
        """What the server says is wrong."""
        try:
            out = json.loads(self.body)
        except (ValueError, RecursionError):
            out = None
        for name in ("error", "command_error", "push_error"):
            if isinstance(out, dict) and out.get(name):
                return str(out[name])
        return ""


def tls_context(ca_file):
    """Verifies as curl and devices do. Python 3.13 and later by default want
    more: key usage in an authority, key identifiers in all certificates."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Failed(f"{ca_file}: {error}", "name a file of PEM certificates"
                     " by ca-file") from None
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class Client:
    """Paths are below the server's URL; of the API below its Location."""

    def __init__(self, settings):
        self.settings = settings
        if not settings.url:
            raise Failed("no server is named", "".join(
                f"{path} may not be read: run this as a user who may, or "
                for path in settings.unreadable[:1])
                         + "write url = https://HOST into"
                         " /etc/nanomdm/ctl.conf, or give --url", 2)
        self.url = split_url(settings.url)
        self.connection = Connection(
            self.url.hostname, self.url.port, settings.timeout,
            tls_context(settings.ca_file) if self.url.scheme == "https"
            else None)
        self.authorization = None

    # -- requests -----------------------------------------------------

    def raw(self, method, path, body=None, headers=None):
        """Whatever the server answers."""
        path = self.url.path.rstrip("/") + path
        headers = {"User-Agent": "nanomdmctl", **(headers or {})}
        while True:
            was_open = self.connection.is_open()
            try:
                return Answer(self.connection.ask(method, path, headers,
                                                  body))
            except ssl.SSLCertVerificationError as error:
                self.close()
                raise Failed(
                    f"{self.settings.url}: its certificate is not trusted:"
                    f" {error.verify_message}",
                    "name the CA of the server's certificate by ca-file, or"
                    " the host by the name in the certificate") from None
            except (OSError, Broken, UnicodeError) as error:
                self.close()
                # The server may have closed a connection that was kept.
                if not was_open or method not in ("GET", "HEAD"):
                    raise Failed(f"{self.settings.url}: no answer:"
                                 f" {error or type(error).__name__}",
                                 self.remedy(error)) from None

    @staticmethod
    def remedy(error):
        if isinstance(error, ssl.SSLError):
            return "no TLS is spoken there: compare the port and SSLEngine on"
        if isinstance(error, TimeoutError):
            return "a firewall, or a server that hangs: look at its error log"
        return "look whether httpd runs, and at url in ctl.conf"

    def close(self):
        self.connection.close()

    # -- the API ------------------------------------------------------

    def credentials(self):
        if self.authorization is None:
            settings = self.settings
            if not settings.key:
                raise Failed("no key of the API is named", "write key ="
                             " file:/etc/nanomdm/api.key into"
                             " /etc/nanomdm/ctl.conf, or give --key", 2)
            word = f"{settings.user}:" + secret(settings.key,
                                                settings.origin["key"])
            self.authorization = "Basic " + base64.b64encode(
                word.encode()).decode()
        return {"Authorization": self.authorization}

    def api(self, method, call, body=None, headers=None, good=(200,),
            **query):
        """call: what follows the Location, its parts quoted by path()."""
        if isinstance(body, (dict, list)):
            headers = {"Content-Type": "application/json", **(headers or {})}
            body = json.dumps(body).encode()
        query = urllib.parse.urlencode(
            {name: value for name, value in query.items()
             if value is not None}, doseq=True)
        answer = self.raw(method, f"{self.settings.api}/{call}"
                          + (f"?{query}" if query else ""), body,
                          {**self.credentials(), **(headers or {})})
        if answer.status not in good:
            raise failure(answer, f"{method} {self.settings.api}/{call}")
        return answer

    def get(self, call, **query):
        return self.api("GET", call, **query).json()

    def pages(self, method, call, key, body=None, limit=None, **query):
        """Entry after entry of a list, a page at a time."""
        cursor = None
        size = min(100, limit or 100)       # the first is there sooner
        while True:
            page = self.api(method, call, body, limit=size, cursor=cursor,
                            **query).json()
            entries = page.get(key) if isinstance(page, dict) else None
            if not isinstance(entries, list) or not all(
                    isinstance(entry, dict) for entry in entries):
                raise Failed(f"{call}: the answer has no {key!r}", ELSE)
            yield from entries
            before, cursor = cursor, page.get("next_cursor")
            if not cursor:
                return
            if cursor == before:
                raise Failed(f"{call}: the list does not end", ELSE)
            size = limit or 1000

    def figures(self):
        """What the status page says, as JSON."""
        answer = self.raw("GET", f"{self.settings.status}?json",
                          headers=self.credentials())
        if answer.status != 200:
            raise failure(answer, f"GET {self.settings.status}")
        return answer.json()


def split_url(text):
    try:
        url = urllib.parse.urlsplit(text)
        url.port                        # that it is a number
    except ValueError as error:
        raise Failed(f"{text}: {error}", "write url = https://HOST",
                     2) from None
    if url.scheme not in ("http", "https") or not url.hostname:
        raise Failed(f"{text}: not an http(s) URL",
                     "write url = https://HOST", 2)
    return url


def failure(answer, what):
    said = answer.error()
    if answer.status // 100 == 3:
        return Failed(f"{what}: {answer.reason} ({answer.status})",
                      "the server leads to"
                      f" {answer.headers['Location'] or 'nowhere'}; name by"
                      " url where operators reach it")
    return Failed(f"{what}: {said or answer.reason} ({answer.status})",
                  REMEDIES.get(answer.status, "") if not said
                  or answer.status in (401, 403, 500, 503) else "")


def path(*parts):
    """Parts of a path, quoted; a list is joined by commas."""
    return "/".join(
        ",".join(urllib.parse.quote(each, safe="", errors="surrogateescape")
                 for each in
                 ([part] if isinstance(part, str) else part))
        for part in parts)
