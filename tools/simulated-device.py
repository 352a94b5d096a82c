#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Enrolls with an enrollment profile and answers commands, to try a server
without a device. The profile must have its identity in it (PKCS #12).

    simulated-device.py mac1.mobileconfig --ca-file server-ca.pem --commands 1
"""

import argparse
import os
import pathlib
import plistlib
import ssl
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

PEM = serialization.Encoding.PEM
CHECKIN = "application/x-apple-aspen-mdm-checkin"
REPORT = "application/x-apple-aspen-mdm"
PAUSE = 0.5                     # seconds between two polls


class Device:
    def __init__(self, profile, ca_file, serial=None):
        payloads = {each["PayloadType"]: each
                    for each in profile["PayloadContent"]}
        self.mdm = payloads["com.apple.mdm"]
        identity = payloads["com.apple.security.pkcs12"]
        self.context = ssl.create_default_context(cafile=ca_file)
        self.context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        self.load(identity["PayloadContent"], identity["Password"])
        self.udid = str(uuid.uuid5(uuid.NAMESPACE_URL,
                                   identity["PayloadUUID"])).upper()
        self.serial = serial or "SIM" + self.udid[:8]

    def load(self, content, password):
        key, cert, _ = pkcs12.load_key_and_certificates(content,
                                                        password.encode())
        # Python takes a certificate by the name of a file only.
        with tempfile.NamedTemporaryFile() as pem:
            pem.write(cert.public_bytes(PEM) + key.private_bytes(
                PEM, serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption()))
            pem.flush()
            self.context.load_cert_chain(pem.name)

    def send(self, url, kind, **keys):
        request = urllib.request.Request(
            url, plistlib.dumps({"UDID": self.udid, **keys}), method="PUT",
            headers={"Content-Type": kind})
        with urllib.request.urlopen(request, context=self.context,
                                    timeout=30) as answer:
            return answer.read()

    def enroll(self):
        url = self.mdm.get("CheckInURL", self.mdm["ServerURL"])
        self.send(url, CHECKIN, MessageType="Authenticate",
                  Topic=self.mdm["Topic"], Model="Simulator1,1",
                  SerialNumber=self.serial)
        self.send(url, CHECKIN, MessageType="TokenUpdate",
                  Topic=self.mdm["Topic"], Token=os.urandom(32),
                  PushMagic=str(uuid.uuid4()))

    def poll(self, **report):
        return self.send(self.mdm["ServerURL"], REPORT,
                         **(report or {"Status": "Idle"}))

    def answer(self, number, seconds):
        """Acknowledge so many commands."""
        deadline = time.monotonic() + seconds
        done, body = 0, self.poll()
        while done < number:
            if not body:
                if time.monotonic() > deadline:
                    sys.exit(f"{done} of {number} commands came within"
                             f" {seconds} seconds")
                time.sleep(PAUSE)
                body = self.poll()
                continue
            command = plistlib.loads(body)
            print(command["Command"]["RequestType"], flush=True)
            done += 1
            body = self.poll(
                Status="Acknowledged", CommandUUID=command["CommandUUID"],
                QueryResponses={"OSVersion": "15.1",
                                "DeviceName": "Simulator"})


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", type=pathlib.Path)
    parser.add_argument("--ca-file", help="who vouches for the server")
    parser.add_argument("--commands", type=int, default=0, metavar="N",
                        help="answer so many, then end")
    parser.add_argument("--seconds", type=float, default=120,
                        help="how long to wait for them (default: 120)")
    parser.add_argument("--serial", help="its serial number")
    parser.add_argument("--background", action="store_true",
                        help="return once it is enrolled, and answer meanwhile")
    args = parser.parse_args()
    device = Device(plistlib.loads(args.profile.read_bytes()), args.ca_file,
                    args.serial)
    try:
        device.enroll()
        print(f"{device.udid} is enrolled", flush=True)
        if args.background and os.fork():
            return
        device.answer(args.commands, args.seconds)
    except urllib.error.URLError as error:
        sys.exit(f"{device.mdm['ServerURL']}: {error}; the server's error"
                 " log has the cause")


if __name__ == "__main__":
    main()
