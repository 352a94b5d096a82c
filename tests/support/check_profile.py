#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds a served enrollment profile against the table of keys (case B4).

check_profile.py FILE [KEY=VALUE...]

FILE is a property list, or signed data around one. KEY is Topic, ServerURL,
CheckInURL, SCEPURL, Identifier, SignMessage (true or false) or Anchors (how
many); what is given has to have that value. Prints what is wrong; exits with
1 then."""

import plistlib
import re
import subprocess
import sys

UUID = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")
CAPABILITIES = ["com.apple.mdm.per-user-connections",
                "com.apple.mdm.bootstraptoken"]


def unwrapped(data):
    """The property list, verified against its own signer where there is
    one."""
    if data.lstrip()[:1] == b"<":
        return data
    return subprocess.run(
        ["openssl", "cms", "-verify", "-inform", "DER", "-noverify",
         "-binary"], input=data, check=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE).stdout


def is_subject(value):
    """Whether it is an array of arrays of pairs."""
    return bool(value) and all(
        isinstance(rdn, list) and rdn and all(
            isinstance(pair, list) and len(pair) == 2
            and all(isinstance(text, str) and text for text in pair)
            for pair in rdn) for rdn in value)


def of_type(payloads, kind):
    return [payload for payload in payloads
            if payload.get("PayloadType") == kind]


def common(payloads, where):
    uuids = [payload.get("PayloadUUID") for payload in payloads]
    if len(set(uuids)) != len(uuids):
        yield f"{where}: two payloads have one PayloadUUID"
    for payload in payloads:
        name = payload.get("PayloadType", where)
        for key, kind in (("PayloadType", str), ("PayloadIdentifier", str),
                          ("PayloadUUID", str), ("PayloadVersion", int)):
            if not isinstance(payload.get(key), kind):
                yield f"{name}: {key} is missing or has another type"
        if not UUID.fullmatch(str(payload.get("PayloadUUID"))):
            yield f"{name}: PayloadUUID is no upper-case UUID"


def expect(found, expected, where):
    for key, value in expected.items():
        if found.get(key) != value or type(found.get(key)) is not type(value):
            yield f"{where}: {key} is {found.get(key)!r} instead of {value!r}"


def identity(scep, wanted):
    content = scep.get("PayloadContent", {})
    yield from expect(content, {"Keysize": 2048, "Key Type": "RSA",
                                "Key Usage": 5, "KeyIsExtractable": False},
                      "SCEP")
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", content.get("Challenge", "")):
        yield "SCEP: Challenge is not 32 bytes of base64url"
    if not is_subject(content.get("Subject")):
        yield "SCEP: Subject is no array of arrays of pairs"
    url = content.get("URL", "")
    if not url.startswith("https://") or "?" in url:
        yield f"SCEP: URL is {url!r}"
    if "SCEPURL" in wanted and url != wanted["SCEPURL"]:
        yield f"SCEP: URL is {url!r} instead of {wanted['SCEPURL']!r}"


def management(mdm, scep, wanted):
    yield from expect(mdm, {
        "AccessRights": 8191, "CheckOutWhenRemoved": True,
        "IdentityCertificateUUID": scep.get("PayloadUUID")}, "MDM")
    for key in ("Topic", "ServerURL", "SignMessage", "CheckInURL"):
        if key in wanted:
            yield from expect(mdm, {key: wanted[key]}, "MDM")
    if "CheckInURL" in mdm and "CheckInURL" not in wanted:
        yield "MDM: CheckInURL without nanomdm-checkin"
    if mdm.get("ServerCapabilities", [])[:2] != CAPABILITIES:
        yield "MDM: ServerCapabilities"


def problems(data, **wanted):
    """What is wrong with a profile, as sentences."""
    profile = plistlib.loads(unwrapped(data))
    payloads = profile.get("PayloadContent", [])
    anchors = of_type(payloads, "com.apple.security.root")
    found = {kind: of_type(payloads, kind) for kind in (
        "com.apple.security.scep", "com.apple.mdm")}
    for kind, those in found.items():
        if len(those) != 1:
            yield f"{len(those)} payloads of type {kind}"
            return
    yield from common([profile, *payloads], "profile")
    yield from expect(profile, {"PayloadType": "Configuration",
                                "PayloadScope": "System"}, "profile")
    if "PayloadRemovalDisallowed" in profile:
        yield "profile: PayloadRemovalDisallowed"
    if "Identifier" in wanted:
        yield from expect(profile,
                          {"PayloadIdentifier": wanted["Identifier"]},
                          "profile")
    if payloads[:len(anchors)] != anchors:
        yield "anchors do not come first"
    if len(anchors) != wanted.get("Anchors", len(anchors)):
        yield f"{len(anchors)} anchors instead of {wanted['Anchors']}"
    scep, = found["com.apple.security.scep"]
    mdm, = found["com.apple.mdm"]
    yield from identity(scep, wanted)
    yield from management(mdm, scep, wanted)


def value_of(text):
    return {"true": True, "false": False}.get(
        text, int(text) if text.isdigit() else text)


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    wanted = {key: value_of(value) for key, _, value in (
        word.partition("=") for word in sys.argv[2:])}
    wrong = list(problems(data, **wanted))
    print("\n".join(wrong) or "the profile has what the table asks for")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
