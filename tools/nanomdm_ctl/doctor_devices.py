# SPDX-License-Identifier: Apache-2.0
"""What devices find at their URL: whether they are asked for their
certificate, and whether mod_nanomdm answers."""

import copy
import subprocess
import urllib.parse

from .client import Client, split_url
from .errors import Failed

HANDLERS = ("nanomdm", "nanomdm-checkin", "nanomdm-command")
DEFAULT = "/mdm"


def look(report, site):
    certificate(report, site)
    handlers(report, site)


def device_url(report, site):
    if report.settings.device_url:
        return report.settings.device_url
    path = next(iter(paths(site)), DEFAULT)
    return report.settings.url.rstrip("/") + path


def paths(site):
    """Of a handler in a LocationMatch it is a pattern, of which nothing can
    be asked."""
    found = (site.path_of(handler) for handler in HANDLERS)
    return [path for path in found if path and path.startswith("/")]


def certificate(report, site):
    """Whether devices are asked for their certificate."""
    where = device_url(report, site)
    url = urllib.parse.urlsplit(where)
    identity = site.get("NanoMDMIdentity") or "tls"
    if url.scheme != "https" or "tls" not in identity.split():
        report.skip("client certificate", "identities come by"
                    f" {identity}, not by TLS")
        return
    asked = asks_for_certificate(url.hostname, url.port or 443)
    if asked is None:
        report.skip("client certificate", "no openssl on this host")
    elif asked:
        report.ok("client certificate", f"{url.hostname} asks for it")
    else:
        report.error("client certificate", f"{where}: the server does not ask"
                     " devices for their certificate, so each is refused"
                     " (400, NMDM1002)", "SSLVerifyClient optional_no_ca in"
                     " the virtual host of the devices")


def asks_for_certificate(host, port):
    """By the CertificateRequest of the handshake."""
    try:
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"{host}:{port}",
             "-servername", host], stdin=subprocess.DEVNULL, timeout=20,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return b"Requested Signature Algorithms:" in done.stdout


# ---- Who answers ----

def handlers(report, site):
    """Who has no identity gets 400 (NMDM1002), and nobody else answers so."""
    settings = copy.copy(report.settings)
    wanted = paths(site)
    if settings.device_url:
        url = split_url(settings.device_url)
        settings.url = f"{url.scheme}://{url.netloc}"
        wanted = [url.path or "/"]
    elif not wanted and any(map(site.path_of, HANDLERS)):
        report.skip("device URL", "a pattern leads to it: write device-url into"
                    " ctl.conf")
        return
    client = Client(settings)
    wanted = wanted or [DEFAULT]
    if all([is_served(report, client, path) for path in wanted]):
        report.ok("device URL", f"{', '.join(wanted)} answer"
                  + "s" * (len(wanted) == 1))


def is_served(report, client, path):
    try:
        answer = client.raw("GET", path)
    except Failed as error:
        # For instance where the handshake already wants a certificate.
        report.skip("device URL", f"{path} cannot be asked without a device's"
                    f" certificate: {error}")
        return False
    if answer.status == 400:
        return True
    if answer.status in (401, 403, 500):
        report.error("device URL", f"{path}: {answer.status}, devices are"
                     " refused", "write Require all granted and no AuthType"
                     " into its Location: their certificates decide; the error"
                     " log has the cause")
    elif answer.status == 503:
        report.error("device URL", f"{path}: 503, devices are not served",
                     "the error log has the cause, by the tag")
    else:
        report.error("device URL", f"{path}: {answer.status}, it is not"
                     " mod_nanomdm that answers", "SetHandler nanomdm in the"
                     " Location of this path; a redirect, an alias, a proxy or"
                     " another virtual host may come before it")
    return False
