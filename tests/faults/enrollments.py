# SPDX-License-Identifier: Apache-2.0
"""Kills httpd or its database at random moments of enrollments, and looks
whether a challenge was lost without a certificate or a certificate is without
its row.

Devices go all the way, from a link or a challenge of the API to a TokenUpdate,
again and again; like a device each repeats what was not answered, with the
same challenge and the same key.
"""

import collections
import contextlib
import hashlib
import http.client
import json
import os
import random
import signal
import subprocess
import threading
import time

from cryptography.hazmat.primitives.asymmetric import ec

import ca as certs
import witness
from device import Device, Operator
from enrolling import Profile
from scep import Reply, ScepClient
from server import Httpd
from system import ROOT, remove_folder, temp_folder

WORKERS = 4
KILLS = {True: 10, False: 200}          # in the short form, and in the full
LONGEST_PAUSE = 0.25                    # seconds from one kill to the next
PAUSE = 0.02                            # before a repetition
TOPIC = "com.apple.mgmt.External.test"
BROKEN = (OSError, http.client.HTTPException, json.JSONDecodeError)

LINES = f"""\
NanoMDMIssuerCertificateFile {{folder}}/issuer.pem
NanoMDMIssuerKeyFile {{folder}}/issuer.key
<Location "/scep">
    SetHandler nanomdm-scep
</Location>
<Location "/enroll">
    SetHandler nanomdm-enroll
    NanoMDMEnrollTopic {TOPIC}
</Location>
"""


class Ended(Exception):
    """There is no time left for another repetition."""


class Enroller(threading.Thread):
    """Enrolls one device after the other."""

    def __init__(self, node, issuer, no_more, ended):
        super().__init__(daemon=True)
        self.node, self.issuer = node, issuer
        self.no_more, self.ended = no_more, ended
        self.operator = Operator(node, timeout=10)
        self.scep = ScepClient(node, issuer, timeout=10)
        self.signer = self.scep.signer()
        self.step = "link"
        self.statuses = collections.Counter()
        self.done = []          # (challenge, SHA-256 of the certificate, id)
        self.problems = []

    def run(self):
        number = 0
        while not self.no_more.is_set():
            number += 1
            try:
                self.enroll(by_link=number % 2)
            except Ended:
                self.problems.append(f"a device never got past: {self.step}")
        for client in (self.operator, self.scep):
            client.close()

    def insist(self, step, act, client):
        """The answer with 200, however long it takes."""
        self.step = step
        while True:
            try:
                answer = act()
                if answer.status == 200:
                    return answer
                self.statuses[answer.status] += 1
            except BROKEN as problem:
                self.statuses[type(problem).__name__] += 1
                client.close()
            if self.ended.is_set():
                raise Ended
            time.sleep(PAUSE)

    def challenge(self, by_link):
        if not by_link:
            return self.insist("challenge", lambda: self.operator.call(
                "POST", "/v1/scep-challenge"), self.operator
                ).json["challenge"]
        url = self.insist("link", lambda: self.operator.call(
            "POST", "/v1/enroll-links"), self.operator).json["url"]
        path = url[url.index("/enroll"):]
        return Profile(self.insist("profile", lambda: self.scep.raw(
            "GET", path), self.scep).body).challenge

    def enroll(self, by_link):
        challenge = self.challenge(by_link)
        key = ec.generate_private_key(ec.SECP256R1())
        der, _ = self.scep.request(challenge, signer=self.signer, key=key)
        reply = Reply(self.insist("certificate", lambda: self.scep.post(der),
                                  self.scep), self.signer, self.issuer.pem)
        if not reply.cert:
            self.problems.append(f"a challenge is lost: {reply.failure}")
            return
        device = Device(self.node, certs.Identity(reply.cert, key),
                        topic=TOPIC, timeout=10)
        self.insist("Authenticate", device.authenticate, device)
        self.insist("TokenUpdate", device.token_update, device)
        device.close()
        self.done.append((challenge, device.identity.sha256, device.id))


class Killer:
    """One of what an enrollment needs, at a random moment."""

    def __init__(self, node, server, seed):
        self.node, self.server = node, server
        self.random = random.Random(seed)
        self.killed = set()     # children of httpd
        self.counts = collections.Counter()
        self.ways = [self.child, self.child, self.httpd]
        if server.kind != "sqlite3":
            self.ways.append(self.database)

    def child(self):
        children = self.node.children()
        if children:
            victim = self.random.choice(children)
            self.killed.add(victim)
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)

    def httpd(self):
        self.killed.update(self.node.children())
        self.node.kill()
        self.node.start()

    def database(self):
        self.server.kill()
        self.server.start()

    def kill(self, note):
        time.sleep(self.random.uniform(0, LONGEST_PAUSE))
        note()
        way = self.random.choice(self.ways)
        self.counts[way.__name__] += 1
        way()


# ---- What must hold afterwards ----

def examine(verdict, database, workers):
    certificates = dict(database.query(
        "SELECT sha256, enrollment_id FROM nanomdm_scep_certs"))
    used = dict(database.query(
        "SELECT hash, cert_sha256 FROM nanomdm_scep_challenges"
        " WHERE used_at IS NOT NULL"))
    associated = set(database.query(
        "SELECT id, sha256 FROM cert_auth_associations"))
    lost = [one for one, cert in used.items() if cert not in certificates]
    if lost:
        verdict.add(f"{len(lost)} challenges are used up without a"
                    " certificate", lost=len(lost))
    extra = set(certificates) - set(used.values())
    if extra or len(set(used.values())) != len(used):
        verdict.add(f"{len(extra)} certificates more than challenges that"
                    " were used up, or one for several", repeated=len(extra))
    for worker in workers:
        for problem in worker.problems:
            verdict.add(problem, lost=1)
        for status in set(worker.statuses) & {400, 401, 403, 404}:
            verdict.add(f"a client saw {status}")
        for challenge, sha256, device in worker.done:
            digest = hashlib.sha256(challenge.encode()).hexdigest()
            if used.get(digest) != sha256 or sha256 not in certificates:
                verdict.add(f"{device}: its certificate has no row of its"
                            " challenge", lost=1)
            if (certificates.get(sha256) != device
                    or (device, sha256) not in associated):
                verdict.add(f"{device}: enrolled, and yet its certificate is"
                            " not its own", lost=1)
    return len(used), len(certificates)


def made_issuer(stack):
    folder = temp_folder("issuer")
    stack.callback(remove_folder, folder)
    subprocess.run([ROOT / "tools/nmdm-ca.sh", folder / "ca", "Issuer"],
                   check=True, stdout=subprocess.DEVNULL)
    return certs.from_files(folder / "ca/issuer.pem",
                            folder / "ca/issuer.key")


def serve(stack, database):
    """(httpd, its issuer)"""
    issuer = made_issuer(stack)
    node = Httpd(database, issuer.pem, children=2, threads=8,
                 extra_vhost=LINES, files={"issuer.pem": issuer.pem,
                                           "issuer.key": issuer.key_pem})
    stack.callback(node.remove)
    (node.folder / "issuer.key").chmod(0o600)
    return node.start(), issuer


def kills(world, seconds):
    """SIGKILL at random moments of enrollments"""


def run(_fault, make, options, seconds):
    """(what to print, the Verdict, the log), as faults.py wants it."""
    verdict = witness.Verdict()
    seed = options.get("seed", random.randrange(1 << 32))
    no_more, ended = threading.Event(), threading.Event()
    with contextlib.ExitStack() as stack:
        database, = make(stack)
        node, issuer = serve(stack, database)
        workers = [Enroller(node, issuer, no_more, ended)
                   for _ in range(WORKERS)]
        killer = Killer(node, database.server, seed)
        for worker in workers:
            worker.start()
        moments = collections.Counter()
        for _ in range(KILLS[seconds < 2]):
            killer.kill(lambda: moments.update(worker.step
                                               for worker in workers))
        whole = time.monotonic()
        no_more.set()
        for worker in workers:
            worker.join(30)
        ended.set()
        took = time.monotonic() - whole
        if any(worker.is_alive() for worker in workers):
            verdict.add("an enrollment hangs")
        used, certificates = examine(verdict, database, workers)
        witness.servers_stop_whole(verdict, [node], killer.killed)
        repeated = sum((worker.statuses for worker in workers),
                       collections.Counter())
        return (", ".join(f"{number} of {what}" for what, number
                          in sorted(killer.counts.items()))
                + f" (seed {seed}), while "
                + ", ".join(f"{number} {step}" for step, number
                            in moments.most_common())
                + f"; {sum(len(worker.done) for worker in workers)} enrolled,"
                f" {sum(repeated.values())} requests repeated, {used}"
                f" challenges used, {certificates} certificates; lost"
                f" {verdict.lost}, twice {verdict.repeated}; the last"
                f" enrolled {took:.1f} s after the last kill",
                verdict, node.error_log()[-3000:])
