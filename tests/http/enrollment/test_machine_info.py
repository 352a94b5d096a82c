# SPDX-License-Identifier: Apache-2.0
"""What a device says of itself before it is enrolled, and which devices are
sent away: cases B9 to B18 of the enrollment specification."""

import base64
import concurrent.futures
import json
import plistlib
import re
import urllib.parse

import pytest

import ca as certs
from device import Client, indefinite
from enrolling import PHONE, Makers, Profile, enrolled, machine_info
from scep_site import issuer
from test_enroll import enroll_server, store_push_certificate

LINES = """\
NanoMDMIssuerCertificateFile {folder}/issuer.pem
NanoMDMIssuerKeyFile {folder}/issuer.key
NanoMDMEnrollDeviceCA {folder}/makers.pem
<Location "/scep">
    SetHandler nanomdm-scep
</Location>
<Location "/ade">
    SetHandler nanomdm-enroll
    NanoMDMEnrollRequire machineinfo
    NanoMDMEnrollLimit 100
</Location>
<Location "/links">
    SetHandler nanomdm-enroll
</Location>
<Location "/gates">
    SetHandler nanomdm-enroll
    NanoMDMEnrollRequire machineinfo
    NanoMDMEnrollLimit 100
    NanoMDMEnrollMinimumOS iPhone 18.10
    NanoMDMEnrollMinimumOS Mac 26.1 25B78 message=Update
    NanoMDMEnrollMinimumOS iPad 16.5.1(c)
    NanoMDMEnrollPlatformSSO https://a.example/p?x=1&y=2 https://a.example/m https://a.example/a
</Location>
<Location "/texts">
    SetHandler nanomdm-enroll
    NanoMDMEnrollRequire machineinfo
    NanoMDMEnrollMinimumOS iPhone 27 description="Too old" message='Update it first'
</Location>
<Location "/chosen">
    SetHandler nanomdm-enroll
    NanoMDMEnrollRequire machineinfo
    NanoMDMEnrollLimit 100
    NanoMDMEnrollIf "reqenv('NANOMDM_SERIAL') =~ /^C0/" "description=No \\"entry\\""
</Location>
"""

UNKNOWN = b'{"code":"com.apple.unrecognized.device"}'


@pytest.fixture(scope="module")
def makers():
    return Makers()


@pytest.fixture(scope="module")
def site(module_httpd, db_server, issuer, ca, makers):
    made = enroll_server(module_httpd, db_server, issuer, ca, LINES,
                         files={"makers.pem": makers.pem}, children=2,
                         extra_server="LogFormat \"%{NANOMDM_ENROLL}e"
                         " %{NANOMDM_SERIAL}e %{NANOMDM_UDID}e"
                         " %{NANOMDM_PRODUCT}e %{NANOMDM_OS_VERSION}e\""
                         " enroll\nCustomLog {folder}/access.log enroll")
    store_push_certificate(made, certs.push_topic())
    return made


@pytest.fixture
def client(site):
    made = Client(site)
    yield made
    made.close()


@pytest.fixture(scope="module")
def phone(makers):
    return makers.device()


def is_unknown(answer):
    return (answer.status == 403 and answer.body == UNKNOWN
            and answer.headers["Content-Type"] == "application/json")


# -- B10 Where it is read from --------------------------------------------

def test_b10_from_the_body(site, client, phone, issuer):
    body = machine_info(PHONE, phone)
    for kind in ("application/pkcs7-signature", "text/plain", None):
        answer = client.raw("POST", "/ade", body,
                            [("Content-Type", kind)] if kind else [])
        assert answer.status == 200, answer
    profile = Profile(answer.body)
    assert profile.subject["CN"] == PHONE["SERIAL"]
    device = enrolled(site, issuer, profile, udid=PHONE["UDID"],
                      serial=PHONE["SERIAL"])
    device.close()
    rows = site.database.query(
        "SELECT purpose, serial_number, udid FROM nanomdm_scep_challenges"
        " WHERE used_at IS NOT NULL")
    assert ("enroll", PHONE["SERIAL"], PHONE["UDID"]) in rows


@pytest.mark.one_database
def test_b10_from_header_and_parameter(client, phone):
    text = base64.b64encode(machine_info(PHONE, phone)).decode()
    answer = client.raw("GET", "/ade", None,
                        {"x-apple-aspen-deviceinfo": text})
    assert answer.status == 200, answer
    for form in (urllib.parse.quote(text, safe=""), text,
                 text.replace("+", "-").replace("/", "_").rstrip("=")):
        answer = client.raw("GET", "/ade?deviceinfo=" + form)
        assert answer.status == 200, answer
    for form in ("%%%", "!!!!", "AAAA", "x"):
        assert client.raw("GET", "/ade?deviceinfo=" + form).status == 400


@pytest.mark.one_database
@pytest.mark.parametrize("body", [
    b"x", b"\x30\x80" * 300, plistlib.dumps(PHONE), bytes(range(256)) * 3,
    b"\x30\x84\x7f\xff\xff\xff"], ids=["text", "nested", "list", "noise",
                                       "length"])
def test_b10_no_cms(client, body):
    assert client.raw("POST", "/ade", body).status == 400


@pytest.mark.one_database
def test_b10_no_property_list_inside(client, phone):
    for content in (b"", b"no list", b"<plist><array/></plist>",
                    b"bplist00" + bytes(40)):
        body = machine_info(None, phone, content=content)
        assert client.raw("POST", "/ade", body).status == 400, content
    detached = machine_info(PHONE, phone, "-detached")
    assert client.raw("POST", "/ade", detached).status == 400


@pytest.mark.one_database
@pytest.mark.parametrize("change", [
    {"SERIAL": "x" * 128}, {"SERIAL": "a\nb"}, {"UDID": "é" * 200}])
def test_b10_values_that_cannot_be_stored(client, phone, change):
    body = machine_info({**PHONE, **change}, phone)
    answer = client.raw("POST", "/ade", body)
    assert answer.status == 400
    assert list(change)[0] in answer.json["error"]


@pytest.mark.one_database
def test_b10_too_long(client, phone):
    assert client.raw("POST", "/ade", bytes(65537)).status == 413
    client.close()
    big = machine_info({**PHONE, "LANGUAGE": "x" * 60000}, phone)
    assert client.raw("POST", "/ade", big).status == 200


# -- B11, B12 Who has signed ----------------------------------------------

@pytest.mark.one_database
@pytest.mark.parametrize("key", ["rsa", "ec"])
@pytest.mark.parametrize("options", [
    ("-md", "sha1", "-noattr"), ("-md", "sha1"), ("-md", "sha256"),
    ("-md", "sha512", "-noattr"), ("-md", "sha256", "-stream", "-indef"),
    ("-md", "sha256", "-keyid")])
def test_b11_forms_of_signatures(client, makers, key, options):
    body = machine_info(PHONE, makers.device(key), *options)
    assert client.raw("POST", "/ade", body).status == 200


@pytest.mark.one_database
def test_b11_ber(client, phone):
    body = indefinite(machine_info(PHONE, phone))
    assert body[1] == 0x80
    assert client.raw("POST", "/ade", body).status == 200


@pytest.mark.one_database
def test_b11_a_signature_that_does_not_verify(client, phone):
    body = bytearray(machine_info(PHONE, phone))
    body[-20] ^= 1
    assert is_unknown(client.raw("POST", "/ade", bytes(body)))
    body = machine_info(PHONE, phone).replace(b"C0PHONE00001",
                                              b"C0PHONE00002")
    assert is_unknown(client.raw("POST", "/ade", body))
    body = machine_info(PHONE, phone, "-md", "sha1").replace(
        b"C0PHONE00001", b"C0PHONE00002")
    assert is_unknown(client.raw("POST", "/ade", body))


@pytest.mark.one_database
def test_b11_without_the_signers_certificate(client, phone):
    body = machine_info(PHONE, phone, "-nocerts")
    assert is_unknown(client.raw("POST", "/ade", body))


@pytest.mark.one_database
def test_b11_two_signers(client, phone, makers):
    with makers.device("ec").file() as second:
        body = machine_info(PHONE, phone, "-signer", second.name)
    assert is_unknown(client.raw("POST", "/ade", body))


@pytest.mark.one_database
def test_b12_only_those_below_the_cas(site, client, makers):
    stranger = certs.root("Test iPhone Device CA", key="rsa").issue(
        "device", key="rsa", eku=None)
    assert is_unknown(client.raw("POST", "/ade",
                                 machine_info(PHONE, stranger)))
    own = certs.self_signed("device", key="rsa", eku=None)
    assert is_unknown(client.raw("POST", "/ade", machine_info(PHONE, own)))
    # A device's certificate is no CA.
    below = certs.Authority(makers.device("rsa").cert,
                            certs.rsa_key(2048)).issue(
        "below", key="ec", eku=None)
    assert is_unknown(client.raw("POST", "/ade", machine_info(PHONE, below)))
    assert "none of NanoMDMEnrollDeviceCA vouches" in site.error_log()


@pytest.mark.one_database
def test_b12_the_root_alone_is_enough(httpd, db_server, issuer, ca, makers):
    """The others come with the message."""
    site = enroll_server(httpd, db_server, issuer, ca, LINES,
                         files={"makers.pem": makers.root.pem})
    store_push_certificate(site, certs.push_topic())
    client = Client(site)
    with certs.Identity(makers.devices.cert, makers.devices.key).file() as one:
        with open(one.name, "ab") as chain:
            chain.write(makers.middle.pem)
        body = machine_info(PHONE, makers.device(), "-certfile", one.name)
    assert client.raw("POST", "/ade", body).status == 200
    assert is_unknown(client.raw("POST", "/ade",
                                 machine_info(PHONE, makers.device())))
    client.close()


# -- B9, B13, B14 ---------------------------------------------------------

@pytest.mark.one_database
def test_b9_environment(site, client, phone):
    assert client.raw("POST", "/ade",
                      machine_info(PHONE, phone)).status == 200
    log = (site.folder / "access.log").read_text()
    assert (f"machineinfo {PHONE['SERIAL']} {PHONE['UDID']} iPhone17,1 18.1\n"
            in log)
    challenge = Profile(client.raw("POST", "/ade", machine_info(
        PHONE, phone)).body).challenge
    assert challenge not in site.error_log()


def test_b13_a_liar_binds_himself(site, client, phone, issuer, expect_log):
    profile = Profile(client.raw("POST", "/ade", machine_info(
        {**PHONE, "SERIAL": "LIE"}, phone)).body)
    from device import Device
    from enrolling import identity_for
    _, identity = identity_for(site, issuer, profile)
    device = Device(site, identity, topic=profile.mdm["Topic"])
    expect_log("NMDM", optional=True)
    assert device.authenticate().status == 500
    device.close()


@pytest.mark.one_database
def test_b14_no_machine_info(client):
    assert is_unknown(client.raw("POST", "/ade", b""))
    assert is_unknown(client.raw("GET", "/ade"))
    assert is_unknown(client.raw("GET", "/ade/" + "A" * 43))


def test_b14_where_links_are_taken_it_still_has_to_verify(client, phone):
    """And by itself it is no reason."""
    body = machine_info(PHONE, phone)
    answer = client.raw("POST", "/links", body)
    assert answer.status == 403 and "error" in answer.json
    damaged = bytearray(body)
    damaged[-20] ^= 1
    assert is_unknown(client.raw("POST", "/links", bytes(damaged)))


def test_b10_many_devices_at_once(site, makers):
    """Each has a challenge of its own, bound to itself."""
    signers = [makers.device("rsa"), makers.device("ec")]
    bodies = [machine_info({**PHONE, "SERIAL": f"MANY{number}"},
                           signers[number % 2]) for number in range(12)]

    def post(body):
        own = Client(site)
        answer = own.raw("POST", "/ade", body)
        own.close()
        return answer

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        profiles = [Profile(answer.body) for answer in pool.map(post, bodies)]
    assert ([profile.subject["CN"] for profile in profiles]
            == [f"MANY{number}" for number in range(12)])
    assert len({profile.challenge for profile in profiles}) == 12


# -- B15, B17 Gates -------------------------------------------------------

def at_gates(client, phone, path="/gates", headers=(), **claims):
    return client.raw("POST", path, machine_info({**PHONE, **claims}, phone),
                      list(headers))


@pytest.mark.one_database
def test_b15_not_chosen(client, phone):
    answer = at_gates(client, phone, "/chosen", SERIAL="D0")
    assert answer.status == 403
    assert answer.body == (b'{"code":"com.apple.unrecognized.device",'
                           b'"description":"No \\"entry\\""}')
    assert at_gates(client, phone, "/chosen").status == 200


@pytest.mark.one_database
def test_b15_a_watch_without_a_token(client, phone):
    answer = at_gates(client, phone, PRODUCT="Watch7,1")
    assert answer.status == 403
    match = re.fullmatch(
        rb'\{"code":"com.apple.watch.pairing.token.missing","details":'
        rb'\{"security-token":"([0-9A-F-]{36})"\}\}', answer.body)
    again = at_gates(client, phone, PRODUCT="Watch7,1")
    assert match and match[1] not in again.body
    assert at_gates(client, phone, PRODUCT="Watch7,1",
                    PAIRING_TOKEN="x").status == 200


@pytest.mark.one_database
@pytest.mark.parametrize("product, version, extra, body", [
    ("iPhone17,1", "18.9", "", b'{"OSVersion":"18.10"}}'),
    ("iPhone17,1", "9", "", b'{"OSVersion":"18.10"}}'),
    ("iPhone17,1", "18", "", b'{"OSVersion":"18.10"}}'),
    ("iPhone17,1", "18.10", "", None), ("iPhone17,1", "18.10.0", "", None),
    ("iPhone17,1", "18.11", "", None), ("iPhone17,1", "26", "", None),
    ("iPhone17,1", "018.9", "", b'{"OSVersion":"18.10"}}'),
    ("iPhone17,1", "99999999999999999999.1", "", None),
    ("iPhone17,1", "", "", None), ("iPhone17,1", None, "", None),
    ("iPad14,1", "16.5.1", "", b'{"OSVersion":"16.5.1(c)"}}'),
    ("iPad14,1", "16.5.1", "(a)", b'{"OSVersion":"16.5.1(c)"}}'),
    ("iPad14,1", "16.5.1", "(c)", None), ("iPad14,1", "16.6", "", None),
    ("iPod9,1", "1.0", "", None), ("AppleTV14,1", "1.0", "", None),
])
def test_b17_minimum_by_family(client, phone, product, version, extra, body):
    claims = {"PRODUCT": product, "SUPPLEMENTAL_OS_VERSION_EXTRA": extra}
    said = {**PHONE, **claims, "OS_VERSION": version or ""}
    if version is None:
        del said["OS_VERSION"]
    answer = client.raw("POST", "/gates", machine_info(said, phone))
    if body is None:
        assert answer.status == 200, answer
        return
    assert answer.status == 403
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.body == (
        b'{"code":"com.apple.softwareupdate.required","details":' + body)


@pytest.mark.one_database
@pytest.mark.parametrize("product", ["Mac14,2", "MacBookPro18,1",
                                     "Macmini9,1", "iMac21,1",
                                     "VirtualMac2,1"])
def test_b17_all_macs(client, phone, product):
    answer = at_gates(client, phone, PRODUCT=product, OS_VERSION="15.0")
    assert answer.body == (
        b'{"code":"com.apple.softwareupdate.required","message":"Update",'
        b'"details":{"OSVersion":"26.1","BuildVersion":"25B78"}}')


@pytest.mark.one_database
def test_b15_texts_in_quotes(client, phone):
    answer = at_gates(client, phone, "/texts",
                      MDM_CAN_REQUEST_SOFTWARE_UPDATE=True)
    assert answer.body == (
        b'{"code":"com.apple.softwareupdate.required","description":"Too old",'
        b'"message":"Update it first","details":{"OSVersion":"27"}}')


@pytest.mark.one_database
def test_b15_who_cannot_update_is_let_in(client, phone):
    assert at_gates(client, phone, OS_VERSION="1.0",
                    MDM_CAN_REQUEST_SOFTWARE_UPDATE=False).status == 200


@pytest.mark.one_database
def test_b15_platform_sso(client, phone):
    answer = at_gates(client, phone, PRODUCT="Mac14,2", OS_VERSION="26.1",
                      MDM_CAN_REQUEST_PSSO_CONFIG=True)
    assert answer.status == 403
    assert answer.body == (
        b'{"code":"com.apple.psso.required","details":{"ProfileURL":'
        b'"https://a.example/p?x=1&y=2","Package":{"ManifestURL":'
        b'"https://a.example/m"},"AuthURL":"https://a.example/a"}}')
    assert at_gates(client, phone, PRODUCT="Mac14,2",
                    OS_VERSION="26.1").status == 200


@pytest.mark.one_database
@pytest.mark.parametrize("accept, is_plist", [
    ("application/xml", True), ("text/xml, */*", True),
    ("application/x-plist", True), ("application/json", False),
    ("*/*", False), ("application/json, application/xml", False)])
def test_b18_as_a_property_list(client, phone, accept, is_plist):
    for claims in ({"OS_VERSION": "1"}, {"PRODUCT": "Watch1"},
                   {"PRODUCT": "Mac1", "OS_VERSION": "99",
                    "MDM_CAN_REQUEST_PSSO_CONFIG": True}):
        answer = at_gates(client, phone, headers=[("Accept", accept)],
                          **claims)
        assert answer.status == 403
        if is_plist:
            assert answer.headers["Content-Type"] == "application/xml"
            assert plistlib.loads(answer.body)["details"]
        else:
            assert json.loads(answer.body)["details"]
    answer = client.raw("GET", "/ade", None, [("Accept", accept)])
    if is_plist:
        assert plistlib.loads(answer.body) == json.loads(UNKNOWN)
    else:
        assert answer.body == UNKNOWN
