# SPDX-License-Identifier: Apache-2.0
"""What the server answers: TLS, whether it asks devices for their
certificate, the API, the database, push certificates, APNs, SCEP, clock."""

import datetime
import email.utils
import re
import socket
import ssl
import time
import urllib.parse

from . import doctor_declarations, doctor_devices
from .client import Client, tls_context
from .devices import time_of
from .errors import Failed

APNS = "https://api.push.apple.com"
CLOCK_SECONDS = 60
SAMPLE = 200                    # devices whose topic is looked at


def look(report, site):
    client = Client(report.settings)
    if not tls(report):
        return
    if not api(report, client):
        return
    doctor_devices.look(report, site)
    figures = status(report, client)
    clock(report, client)
    if figures:
        webhooks(report, figures)
        push_certificates(report, client, figures)
    apns(report, site)
    scep(report, site, client)
    profiles(report, site, client)
    doctor_declarations.look(report, client)


# ---- TLS ----

def tls(report):
    """Whether there is a server to ask."""
    url = urllib.parse.urlsplit(report.settings.url)
    if url.scheme != "https":
        report.warn("TLS", f"{report.settings.url} is asked without TLS",
                    "write url = https://..., devices accept nothing else")
        return True
    address = (url.hostname, url.port or 443)
    try:
        with socket.create_connection(address, 10) as sock:
            return handshake(report, url.hostname, sock)
    except OSError as error:
        report.error("connection", f"{url.hostname}:{address[1]}: {error}",
                     "start httpd; look at Listen, the firewall, and url in"
                     " ctl.conf")
        return False


def handshake(report, host, sock):
    context = tls_context(report.settings.ca_file)
    try:
        with context.wrap_socket(sock, server_hostname=host) as secure:
            cert = secure.getpeercert()
    except ssl.SSLCertVerificationError as error:
        report.error("TLS certificate", f"devices do not trust it:"
                     f" {error.verify_message}", remedy_of(error))
        return False
    except (ssl.SSLError, OSError) as error:
        report.error("TLS", f"no handshake: {error}", "SSLEngine on in the"
                     " virtual host of this port")
        return False
    left = (ssl.cert_time_to_seconds(cert["notAfter"]) - time.time()) / 86400
    report.expiry("TLS certificate", f"that of {host}", left,
                  "renew it, and restart httpd gracefully",
                  min(14, report.args.warn_days))
    return True


def remedy_of(error):
    code = error.verify_code
    if code == 10:
        return "it has expired: renew it, and restart httpd gracefully"
    if code == 62:
        return ("it is for another name: the ServerURL of devices must have a"
                " name of the certificate")
    return ("SSLCertificateFile needs the whole chain; a CA of your own must"
            " be trusted by each device, and be named by ca-file here")


# ---- The API, the database ----

def api(report, client):
    settings = report.settings
    try:
        answer = client.api("GET", "events", good=(200, 404, 503))
    except Failed as error:
        report.error("API", str(error), error.remedy)
        return False
    if answer.status == 503:
        report.error("database", "it is away, or has no tables: "
                     + answer.error(), "start it, or load schema/; the error"
                     " log has the cause (NMDM1501, NMDM0101, NMDM0803)")
        return False
    if answer.status == 404 and not answer.error():
        report.error("API", f"nothing answers at {settings.api}",
                     "SetHandler nanomdm-api in a Location of that path, or"
                     " api in ctl.conf")
        return False
    report.ok("API", f"{settings.url}{settings.api} lets {settings.user} in")
    return True


def status(report, client):
    """The figures of the status page, None where there is none."""
    answer = client.raw("GET", f"{client.settings.status}?health",
                        headers=client.credentials())
    word = answer.body.decode(errors="replace").strip()
    if answer.status == 503:
        remedies = {
            "database": "start it; the error log has the cause (NMDM1501,"
                        " NMDM0101)",
            "schema": "load schema/ and schema/upgrade, or NanoMDMSchema auto"
                      " (NMDM0803)",
            "stopping": "httpd is stopping: look again"}
        report.error("schema" if word == "schema" else "database",
                     f"devices are not served: {word}",
                     remedies.get(word, "the error log has the cause"))
        return None
    if answer.status != 200 or word != "ok":
        report.warn("status", f"no nanomdm-status at"
                    f" {client.settings.status} ({answer.status})",
                    "SetHandler nanomdm-status in a Location, or status in"
                    " ctl.conf; without it the database and push"
                    " certificates are not looked at")
        return None
    report.ok("database", "devices are served")
    try:
        figures = client.figures()
    except Failed as error:
        report.warn("status", str(error), error.remedy)
        return None
    return figures


def webhooks(report, figures):
    dead = figures.get("webhook_events_dead", {}).get("number", 0)
    if dead:
        report.warn("webhooks", f"{dead} events were given up",
                    "nanomdmctl events shows why; then nanomdmctl events"
                    " replay")
    tries = {result: count["last_hour"] for result, count in figures.get(
        "counters", {}).get("webhook_events", {}).items()}
    failed = sum(tries.values()) - tries.get("taken", 0)
    # As the status page judges it.
    if failed and failed * 5 >= sum(tries.values()):
        report.warn("webhooks", f"{failed} of {sum(tries.values())} deliveries"
                    " failed in the last hour", "the receiver that"
                    " NanoMDMWebhookURL names is away, slow, or refuses"
                    " events: the error log has its answer")


def clock(report, client):
    answer = client.raw("GET", f"{client.settings.status}?health",
                        headers=client.credentials())
    told = email.utils.parsedate_to_datetime(answer.headers["Date"])
    here = datetime.datetime.now(datetime.timezone.utc)
    off = abs((told - here).total_seconds())
    if off > CLOCK_SECONDS:
        report.error("clock", f"that of the server and this host's differ by"
                     f" {off:.0f} seconds", "apt-get install systemd-timesyncd"
                     " or chrony, on both")
    else:
        report.ok("clock", "the server's is this host's")


# ---- Pushes ----

def push_certificates(report, client, figures):
    certs = figures.get("push_certificates", [])
    topics = {each["topic"] for each in certs}
    if not certs:
        report.error("push certificate", "none is stored, so no device can be"
                     " woken up", "nanomdmctl pushcert request, then nanomdmctl"
                     " pushcert upload")
    now = datetime.datetime.now(datetime.timezone.utc)
    for each in certs:
        if "not_after" in each:
            left = (time_of(each["not_after"]) - now).total_seconds() / 86400
            report.expiry("push certificate", each["topic"], left,
                          "renew it at https://identity.apple.com/pushcert"
                          " with the same Apple Account; then nanomdmctl"
                          " pushcert upload", report.args.warn_days)
    if certs:
        topic(report, client, topics)


def topic(report, client, topics):
    """Of some devices, whether there is a certificate for theirs."""
    lost, looked = {}, 0
    for entry in client.pages("POST", "enrollments/query", "enrollments",
                              {"filter": {"enabled": True}}):
        one = client.get("enrollments/" + urllib.parse.quote(
            entry["id"], safe=""))
        its = one["push"].get("topic")
        if its and its not in topics:
            lost.setdefault(its, entry["id"])
        looked += 1
        if looked == SAMPLE or len(lost) > 3:
            break
    for its, id_ in lost.items():
        report.error("topic", f"{id_} and perhaps others enrolled with"
                     f" {its}, for which there is no push certificate",
                     "upload the certificate of that topic (renewed with the"
                     " same Apple Account), or enroll these devices again")
    if not lost and looked:
        report.ok("topic", f"that of {looked} devices has a certificate")


def apns(report, site):
    if report.args.no_apns:
        report.skip("APNs", "left out")
        return
    where = site.get("NanoMDMPushURL") or APNS
    if site.get("NanoMDMPushProxy"):
        report.skip("APNs", "is reached through NanoMDMPushProxy")
        return
    url = urllib.parse.urlsplit(where)
    authorities = site.get("NanoMDMPushCACertificateFile")
    try:
        with socket.create_connection((url.hostname, url.port or 443),
                                      10) as sock:
            context = tls_context(authorities)
            context.set_alpn_protocols(["h2"])
            with context.wrap_socket(sock, server_hostname=url.hostname):
                report.ok("APNs", f"{url.hostname} is reached")
    except ssl.SSLError as error:
        report.error("APNs", f"{url.hostname}: {error}", "something between"
                     " opens TLS: let this host reach APNs without it, or"
                     " name its CA by NanoMDMPushCACertificateFile")
    except OSError as error:
        report.error("APNs", f"{url.hostname}:{url.port or 443} is not"
                     f" reached: {error}", "allow TCP to api.push.apple.com,"
                     " port 443, or write NanoMDMPushProxy")


# ---- SCEP ----

def scep(report, site, client):
    path = site.path_of("nanomdm-scep")
    if not path:
        report.skip("SCEP", "no nanomdm-scep here; identities come from"
                    " elsewhere")
        return
    answer = client.raw("GET", f"{path}?operation=GetCACaps")
    if answer.status in (401, 403):
        report.error("SCEP", f"{path} refuses devices ({answer.status}), which"
                     " have no password and may have any address",
                     "take AuthType out of its Location, and write Require all"
                     " granted: the challenge decides")
        return
    caps = answer.body.decode(errors="replace").split()
    if answer.status != 200 or "POSTPKIOperation" not in caps:
        report.error("SCEP", f"{path}: {answer.status}, no capabilities",
                     "the error log has the cause; something else may answer"
                     " there")
        return
    answer = client.raw("GET", f"{path}?operation=GetCACert")
    if answer.status != 200 or not re.match(
            r"application/x-x509-ca-(ra-)?cert",
            answer.headers["Content-Type"] or ""):
        report.error("SCEP", f"{path}: no CA certificate ({answer.status})",
                     "the error log has the cause")
        return
    report.ok("SCEP", f"{path} gives its CA certificate")


# ---- Profiles ----

def profiles(report, site, client):
    """Without a link or a user it is refused, and that is well."""
    path = site.path_of("nanomdm-enroll")
    if not path:
        report.skip("profiles", "no nanomdm-enroll here; they are made"
                    " elsewhere")
        return
    answer = client.raw("GET", path)
    if answer.status == 404:
        report.error("profiles", f"nothing answers at {path}",
                     "something before this server answers, or the Location"
                     " has another path")
    elif answer.status >= 500:
        report.error("profiles", f"{path}: {answer.status}, no profile can be"
                     " given", "the error log has the cause: often a push"
                     " certificate is missing, or NanoMDMEnrollTopic")
    else:
        report.ok("profiles", f"{path} answers ({answer.status} without a link"
                  " or user)")
