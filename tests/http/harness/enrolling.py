# SPDX-License-Identifier: Apache-2.0
"""What a device sends before it is enrolled, and what it makes of a profile."""

import plistlib
import subprocess
import sys

from cryptography import x509

import ca as certs
from device import Device, Operator
from scep import ScepClient
from system import ROOT

sys.path.append(str(ROOT / "tests" / "support"))

import check_profile  # noqa: E402

PHONE = {
    "SERIAL": "C0PHONE00001", "UDID": "00008120-001A2B3C4D5E6F01",
    "PRODUCT": "iPhone17,1", "OS_VERSION": "18.1", "VERSION": "22B83",
    "LANGUAGE": "en", "MDM_CAN_REQUEST_SOFTWARE_UPDATE": True,
    "MDM_CAN_REQUEST_PSSO_CONFIG": False,
}


class Makers:
    """CAs in the place of Apple's: a root, one that signed with SHA-1 and has
    ended, and one of a weak key below it, ended as well."""

    def __init__(self):
        self.root = certs.root("Test Apple Root", key="rsa")
        self.middle = self.root.intermediate("Test iPhone CA", key="rsa",
                                             start=-4000, days=-400)
        self.devices = certs.Authority(*self.weak())

    def weak(self):
        key = certs.rsa_key(1024)
        made = certs.mint("Test iPhone Device CA", key, self.middle, ca=True,
                          start=-5000, days=-3000)
        return made.cert, key

    @property
    def pem(self):
        return self.root.pem + self.middle.pem + self.devices.pem

    def device(self, key="rsa", digest="sha1"):
        return self.devices.issue("device", key=key, eku=None, digest=digest)


def machine_info(claims, signer, *options, certfile=b"", content=None):
    """Signed data around a property list, made by openssl cms."""
    body = plistlib.dumps(claims) if content is None else content
    command = ["openssl", "cms", "-sign", "-binary", "-outform", "DER",
               *(options or ("-md", "sha1", "-noattr"))]
    if "-detached" not in command:
        command.append("-nodetach")
    else:
        command.remove("-detached")
    with signer.file() as pem:
        return subprocess.run([*command, "-signer", pem.name], input=body,
                              check=True, stdout=subprocess.PIPE).stdout


class Profile:
    """A profile as a device reads it."""

    def __init__(self, data):
        self.data = data
        self.plist = plistlib.loads(check_profile.unwrapped(data))
        payloads = self.plist["PayloadContent"]
        self.payloads = payloads
        self.scep, = check_profile.of_type(payloads,
                                           "com.apple.security.scep")
        self.mdm, = check_profile.of_type(payloads, "com.apple.mdm")

    @property
    def challenge(self):
        return self.scep["PayloadContent"]["Challenge"]

    @property
    def subject(self):
        return {rdn[0][0]: rdn[0][1]
                for rdn in self.scep["PayloadContent"]["Subject"]}

    def problems(self, **wanted):
        return list(check_profile.problems(self.data, **wanted))


def identity_for(site, issuer, profile, path="/scep", key=None):
    """(SCEP reply, identity or None) for the challenge of a profile."""
    client = ScepClient(site, issuer, path)
    try:
        signer = client.signer()
        reply = client.enrol(profile.challenge, signer=signer, key=key,
                             subject=tuple(profile.subject.items()))
    finally:
        client.close()
    made = reply.cert and certs.Identity(reply.cert, key or signer.key)
    return reply, made


def enrolled(site, issuer, profile, serial=None, **options):
    """A device that has gone all the way from a profile."""
    reply, identity = identity_for(site, issuer, profile)
    assert identity, reply.failure
    device = Device(site, identity, topic=profile.mdm["Topic"], **options)
    device.serial = serial or device.serial
    assert device.authenticate().status == 200
    assert device.token_update().status == 200
    return device


def operator_call(site, method, path, body=b"", **options):
    operator = Operator(site)
    try:
        return operator.call(method, path, body, **options)
    finally:
        operator.close()


def same_name(cert, kind=x509.NameOID.COMMON_NAME):
    return [a.value for a in cert.subject.get_attributes_for_oid(kind)]
