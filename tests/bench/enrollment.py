# SPDX-License-Identifier: Apache-2.0
"""What an enrollment costs beside the operations with private keys that it
cannot do without, and whether devices feel what goes on beside them: renewals,
challenges that are removed, and strangers who send garbage to SCEP."""

import concurrent.futures
import contextlib
import itertools
import os
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time

from world import (ROOT, TOPIC, BenchHttpd, Filler, Meter, certs, fresh,
                   resident)
from device import Client, Operator
from scep import Reply, ScepClient

DEVICES_AT_ONCE = 50
CERTIFICATES, DUE = 100_000, 1_000
CHALLENGES = 100_000
GARBAGE_A_MINUTE = 10_000
FLOOD_SECONDS = 20
# Operations with the issuer's key: it decrypts the request, signs the
# certificate and the reply.
PRIVATE_OPERATIONS = 3
CHECK_INS = 2

LINES = f"""\
NanoMDMIssuerCertificateFile {{folder}}/issuer.pem
NanoMDMIssuerKeyFile {{folder}}/issuer.key
<Location "/scep">
    SetHandler nanomdm-scep
</Location>
<Location "/enroll">
    SetHandler nanomdm-enroll
    NanoMDMEnrollTopic {TOPIC}
    NanoMDMEnrollServerURL https://localhost/mdm
    NanoMDMEnrollIdentifier com.example.bench
</Location>
"""
PROFILE = f"com.example.bench https://localhost/mdm {TOPIC}"


class Site:
    """Servers with one issuer."""

    def __init__(self, bench):
        self.bench = bench
        folder = bench.stack.enter_context(tempfile.TemporaryDirectory())
        subprocess.run([ROOT / "tools/nmdm-ca.sh", folder + "/ca", "Bench"],
                       check=True, stdout=subprocess.DEVNULL)
        self.key = pathlib.Path(folder) / "ca/issuer.key"
        self.issuer = certs.from_files(pathlib.Path(folder) / "ca/issuer.pem",
                                       self.key)

    def httpd(self, database, lines=""):
        made = BenchHttpd(database, self.bench.devices.ca.pem
                          + self.issuer.pem, extra_vhost=lines + LINES,
                          files={"issuer.pem": self.issuer.pem,
                                 "issuer.key": self.issuer.key_pem})
        self.bench.stack.callback(made.remove)
        (made.folder / "issuer.key").chmod(0o600)
        return made.start()

    def requests(self, httpd, number):
        """(pkiMessage, signer) as often, each with a challenge of its own."""
        with contextlib.closing(Operator(httpd)) as operator:
            client = ScepClient(httpd, self.issuer)
            signer = client.signer()
            return [client.request(operator.call(
                "POST", "/v1/scep-challenge").json["challenge"],
                signer=signer) for _ in range(number)]


def measure(report, bench, take_turns, ratio):
    site = Site(bench)
    database = fresh(bench.server)
    httpd = site.httpd(database)
    cost(report, bench, site, httpd)
    at_once(report, bench, site, database)
    polls(report, bench, site, httpd, "garbage is sent to SCEP",
          lambda: Flood(bench, httpd))
    other = fresh(bench.server)
    polls(report, bench, site, site.httpd(other), "renewals are due",
          lambda: Renewals(report, bench, site, other))
    other = fresh(bench.server)
    polls(report, bench, site, site.httpd(other), "challenges are removed",
          lambda: Removal(report, bench, site, other))


# ---- What one costs ----

def private_us(key):
    """The CPU of one operation with the issuer's key, as `openssl speed` has
    it."""
    bits = subprocess.run(["openssl", "rsa", "-in", key, "-noout", "-text"],
                          check=True, capture_output=True, text=True
                          ).stdout.split("(")[1].split()[0]
    lines = subprocess.run(
        ["openssl", "speed", "-mr", "-seconds", "1", "rsa" + bits],
        check=True, capture_output=True, text=True).stdout.splitlines()
    figures, = [line.split(":") for line in lines if line.startswith("+F2:")]
    number = float(figures[3])
    return 1e6 / number if number > 1 else number * 1e6


def send(bench, site, httpd, number):
    """GetCACaps, GetCACert and PKIOperation, on one connection."""
    requests = site.requests(httpd, number)
    client = ScepClient(httpd, site.issuer)
    client.get("GetCACaps")
    meter = Meter(httpd, bench.server)
    before, began = meter.read(), time.monotonic()
    answers = []
    for der, _ in requests:
        client.get("GetCACaps")
        client.get("GetCACert")
        answers.append(client.post(der))
    took, after = time.monotonic() - began, meter.read()
    client.close()
    assert Reply(answers[-1], requests[-1][1], site.issuer.pem).cert
    assert {answer.status for answer in answers} == {200}
    return {"rps": number / took,
            **{name: (end - start) / number * 1e6 for name, start, end
               in zip(("httpd_us", "db_us"), before, after)}}


def cost(report, bench, site, httpd):
    scep, check_ins, private = [], [], []
    for turn in range(bench.rounds):
        scep.append(send(bench, site, httpd, bench.enrolments))
        check_ins.append(bench.enrol(httpd, turn))
        private.append(private_us(site.key))
    report.row(bench.kind, "SCEP of an enrollment", scep)
    report.row(bench.kind, "a check-in", check_ins)
    print(f"          a private operation: {statistics.median(private):.0f}"
          " us", flush=True)
    report.note(bench.kind, "a private operation",
                us=statistics.median(private))
    report.goal(
        bench.kind, "httpd's CPU of an enrollment, times that of its private"
        " operations and two check-ins", statistics.median(
            (one["httpd_us"] + CHECK_INS * plain["httpd_us"])
            / (PRIVATE_OPERATIONS * key + CHECK_INS * plain["httpd_us"])
            for one, plain, key in zip(scep, check_ins, private)), 1.25)


# ---- Many at once ----

def at_once(report, bench, site, database):
    """Each request goes to both nodes at the same time."""
    nodes = [site.httpd(database) for _ in range(2)]
    requests = site.requests(nodes[0], DEVICES_AT_ONCE)
    count = "SELECT COUNT(*) FROM nanomdm_scep_certs"
    before = database.query(count)[0][0]

    def post(job):
        (der, signer), node = job
        with contextlib.closing(ScepClient(node, site.issuer)) as client:
            return Reply(client.post(der), signer, site.issuer.pem).cert
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(2 * DEVICES_AT_ONCE) as pool:
        given = list(pool.map(post, itertools.product(requests, nodes)))
    took = time.monotonic() - began
    pairs = sum(one != other or one is None
                for one, other in zip(given[::2], given[1::2]))
    report.note(bench.kind, "50 at once", seconds=took)
    report.goal(bench.kind, "certificates of 50 devices that ask two nodes at"
                " once, all but 50", abs(database.query(count)[0][0] - before
                                         - DEVICES_AT_ONCE) + pairs, 0)
    print(f"          all answered after {took:.1f} s", flush=True)


# ---- Polls meanwhile ----

def polls(report, bench, site, httpd, what, begin):
    """Unhurried polls, alone and while something goes on."""
    def poll(seconds):
        return bench.load(httpd, "poll", seconds=seconds, threads=4, count=4,
                          pause=5)
    bench.load(httpd, "enrol", threads=4, count=4)
    poll(1)
    alone, meanwhile = [poll(3)], []
    work = begin()
    while work.goes_on() or not meanwhile:
        meanwhile.append(poll(2))
    work.end()
    alone.append(poll(3))
    report.row(bench.kind, "polls, alone", alone)
    report.row(bench.kind, f"polls while {what}"[:30], meanwhile)
    report.goal(bench.kind, f"poll latency (p50) while {what}, times that"
                " without", statistics.median(
                    run["p50_us"] for run in meanwhile)
                / statistics.median(run["p50_us"] for run in alone), 2)


class Flood:
    """Bytes that are no message, and messages that are cut."""

    def __init__(self, bench, httpd):
        self.bench, self.httpd = bench, httpd
        self.size = resident(httpd)["rss_kb"]
        self.ends = time.monotonic() + FLOOD_SECONDS
        self.sent = 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def goes_on(self):
        return time.monotonic() < self.ends

    def run(self):
        bodies = [os.urandom(2000), b"\x30\x80" * 20000,
                  b"\x30\x82\x10\x00\x06\x09" + os.urandom(4000), b""]
        with contextlib.closing(Client(self.httpd)) as client:
            due = time.monotonic()
            while self.goes_on():
                answer = client.raw("POST", "/scep?operation=PKIOperation",
                                    bodies[self.sent % len(bodies)])
                assert answer.status == 400, answer
                self.sent += 1
                due += 60 / GARBAGE_A_MINUTE
                time.sleep(max(0, due - time.monotonic()))

    def end(self):
        self.thread.join()
        grown = resident(self.httpd)["rss_kb"] - self.size
        print(f"          {self.sent} in {FLOOD_SECONDS} s; httpd has grown"
              f" by {grown} KB", flush=True)


class Renewals:
    """The chore's look at many certificates of which some are due: it asks a
    device each second."""

    def __init__(self, report, bench, site, database):
        filler = Filler(database)
        first = 1000                    # the first few are who polls
        filler.enrollments(first, CERTIFICATES)
        now = int(time.time() * 1000)
        filler.insert(
            "nanomdm_scep_certs", CERTIFICATES,
            sha256=filler.padded(f"{first} + n", 64),
            serial=filler.padded("n", 32), issuer_sha256=f"'{'0' * 64}'",
            subject="'CN=device'", pem="'-'", purpose="'enroll'",
            enrollment_id=filler.udid(f"{first} + n"),
            profile=f"'{PROFILE}'", attested="FALSE", renew_state="'own'",
            transaction_id="''",
            renew_tries="0", created_at=str(now),
            not_after=f"CASE WHEN n < {DUE} THEN {now + 86400000} + n"
                      f" ELSE {now + 300 * 86400000} + n END")
        filler.settle()
        self.look(report, bench, database)
        self.database = database
        self.node = site.httpd(database, "NanoMDMRenewIdentity 100 100/s\n")
        self.ends = time.monotonic() + 20

    def look(self, report, bench, database):
        """The statement's shape, by a client's clock."""
        part = ("SELECT sha256, not_after FROM (SELECT sha256, not_after FROM"
                " nanomdm_scep_certs WHERE renew_state = '{}' AND {}"
                " ORDER BY {} LIMIT 100) b{}")
        limit = int(time.time() * 1000) + 100 * 86400000
        unasked = f"renew_asked_at IS NULL AND not_after <= {limit}"
        asked = (f"renew_asked_at <= {limit} AND (renew_tries < 7 OR"
                 f" renew_asked_at <= {limit})")
        text = " UNION ALL ".join(
            part.format(state, condition, order, number)
            for number, (state, condition, order) in enumerate((
                ("own", unasked, "not_after"),
                ("own", asked, "renew_asked_at, not_after"),
                ("", unasked, "not_after"),
                ("", asked, "renew_asked_at, not_after")))
        ) + " ORDER BY not_after, sha256 LIMIT 100"
        times = []
        with contextlib.closing(database.connect()) as connection:
            cursor = connection.cursor()
            for _ in range(9):
                began = time.perf_counter()
                cursor.execute(text)
                rows = cursor.fetchall()
                times.append((time.perf_counter() - began) * 1000)
                assert len(rows) == 100
        took = statistics.median(times)
        print(f"          a look at {CERTIFICATES:,} certificates,"
              f" {DUE:,} due: {took:.1f} ms", flush=True)
        report.note(bench.kind, "look at renewals", ms=took)

    def goes_on(self):
        return time.monotonic() < self.ends

    def end(self):
        asked = self.database.query(
            "SELECT COUNT(*) FROM nanomdm_scep_certs"
            " WHERE renew_asked_at IS NOT NULL")[0][0]
        print(f"          {asked} devices were asked meanwhile", flush=True)
        assert asked
        self.node.stop()


class Removal:
    """Of challenges that expired long ago."""

    def __init__(self, report, bench, site, database):
        filler = Filler(database)
        filler.insert("nanomdm_scep_challenges", CHALLENGES,
                      hash=filler.padded("n", 64), purpose="'api'",
                      created_at="0", expires_at="1")
        filler.settle()
        self.report, self.bench, self.database = report, bench, database
        self.node = site.httpd(database)
        self.began = time.monotonic()

    def left(self):
        return self.database.query(
            "SELECT COUNT(*) FROM nanomdm_scep_challenges")[0][0]

    def goes_on(self):
        return self.left() and time.monotonic() - self.began < 240

    def end(self):
        took = time.monotonic() - self.began
        print(f"          {CHALLENGES - self.left():,} removed in"
              f" {took:.0f} s", flush=True)
        self.report.note(self.bench.kind, "removal of challenges",
                         seconds=took)
        assert not self.left()
        self.node.stop()
