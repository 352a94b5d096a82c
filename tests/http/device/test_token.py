# SPDX-License-Identifier: Apache-2.0
"""GetToken, answered from files: NanoMDMToken TYPE PATH (2.10)."""

import base64
import plistlib
import re

import pytest

from device import Device, Operator
from wire import DOCTYPE, assert_error

pytestmark = pytest.mark.one_database

MAID, WATCH = "com.apple.maid", "com.apple.watch.pairing"
BINARY = bytes(range(256)) * 5 + b"\r\n\0\n"
FILES = {"maid.bin": BINARY, "watch.txt": "pair\n", "one.byte": "\0",
         "here.bin": b"\xff for this Location", "large": b"x" * 100_000}
PARAMETERS = {"PhoneUDID": "p", "SecurityToken": "s", "WatchUDID": "w"}

VHOST = """\
NanoMDMToken com.apple.maid {folder}/maid.bin
NanoMDMToken com.apple.watch.pairing {folder}/watch.txt
NanoMDMToken com.example.byte "{folder}/one.byte"
NanoMDMToken com.example.large {folder}/large
<Location "/other">
    SetHandler nanomdm
    NanoMDMToken com.apple.maid {folder}/here.bin
    NanoMDMToken com.example.here {folder}/here.bin
</Location>
<Location "/migration">
    SetHandler nanomdm-migration
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
</Location>
"""


@pytest.fixture(scope="module")
def tokens(module_httpd):
    """A server with tokens to give."""
    return module_httpd(extra_vhost=VHOST, files=FILES)


@pytest.mark.parametrize("content, token", [
    (b"eyJh.eyJp.c2ln\n", b"eyJh.eyJp.c2ln"),
    (b"eyJh.eyJp.c2ln\r\n", b"eyJh.eyJp.c2ln"),
    (b"eyJh.eyJp.c2ln", b"eyJh.eyJp.c2ln"),
    (b"eyJh.eyJp.c2ln\n\n", b"eyJh.eyJp.c2ln\n\n"),
    (b"eyJh eyJp\n", b"eyJh eyJp\n"), (b"\n", b"\n")], ids=str)
def test_newline_behind_a_jwt(httpd, device, content, token):
    """What an editor puts there is no part of it; other types have their
    bytes."""
    server = httpd(extra_vhost="NanoMDMToken com.apple.maid {folder}/token\n"
                   "NanoMDMToken com.example.text {folder}/token",
                   files={"token": content})
    mac = device(server).enroll()
    assert mac.get_token("com.apple.maid").plist["TokenData"] == token
    assert mac.get_token("com.example.text").plist["TokenData"] == content


@pytest.fixture
def mac(tokens, device):
    return device(tokens).enroll()


@pytest.fixture
def elsewhere(mac):
    """The same device with a ServerURL that overrides a token."""
    mac.path = "/other"
    return mac


# -- What is there ----------------------------------------------------

@pytest.mark.parametrize("service, token", [
    (MAID, BINARY), ("com.example.byte", b"\0"),
    ("com.example.large", b"x" * 100_000)])
def test_c18_token_is_the_bytes_of_the_file(mac, service, token):
    """C18, C19: nothing is trimmed, no parameters are needed."""
    answer = mac.get_token(service)
    assert answer.status == 200, answer
    assert answer.plist == {"TokenData": token}
    assert answer.headers["Content-Type"].startswith("text/xml")


def test_reply_is_a_compact_plist(mac):
    """The format of 2.8."""
    assert mac.get_token(MAID).body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n' + DOCTYPE
        + b'<plist version="1.0"><dict><key>TokenData</key><data>'
        + base64.b64encode(BINARY) + b"</data></dict></plist>\n")


def test_watch_pairing_with_parameters(mac):
    answer = mac.get_token(WATCH, TokenParameters=PARAMETERS)
    assert answer.plist == {"TokenData": b"pair\n"}


def test_users_may_ask(mac):
    answer = mac.user().enroll().get_token(MAID)
    assert answer.plist == {"TokenData": BINARY}


def test_operator_may_ask_for_a_device(mac):
    """Through nanomdm-migration, which takes any check-in."""
    key = Operator(mac.server)
    asker = Device(mac.server, None, udid=mac.udid, transport="none")
    answer = asker.send(
        asker.message("GetToken", TokenServiceType=MAID),
        path="/migration", headers=[key.authorization])
    asker.close()
    assert answer.plist == {"TokenData": BINARY}


# -- For a Location ---------------------------------------------------

@pytest.mark.parametrize("service, token", [
    (MAID, FILES["here.bin"]), ("com.example.here", FILES["here.bin"]),
    ("com.example.byte", b"\0")],
    ids=["overridden", "added", "inherited"])
def test_tokens_of_a_location(elsewhere, service, token):
    assert elsewhere.get_token(service).plist == {"TokenData": token}


def test_tokens_of_a_location_are_not_for_others(mac):
    assert_error(mac.get_token("com.example.here"), 400, 500)


# -- What is not ------------------------------------------------------

@pytest.mark.parametrize("service", [
    "com.example.unknown", "com.apple", MAID + ".x", MAID.upper(),
    None, ""])
def test_c20_other_types_are_refused(mac, service):
    """C18, C20: 500 as NanoMDM, or the 400 that Q17 allows."""
    assert_error(mac.get_token(service), 400, 500)


def test_c20_watch_pairing_without_parameters(mac):
    assert_error(mac.get_token(WATCH), 400, 500)


def test_tokens_are_for_devices_that_are_enrolled(tokens, mac, device):
    """4.2: neither for a stranger nor for another's certificate."""
    assert_error(device(tokens).get_token(MAID), 500)
    assert_error(device(tokens, udid=mac.udid).get_token(MAID), 500)
    assert_error(device(tokens, udid=mac.udid,
                        transport="none").get_token(MAID), 400)


def test_tokens_are_not_logged(mac):
    mark = mac.server.mark()
    mac.get_token(MAID)
    mac.server.wait_for_log(f"{mac.id}.*GetToken", mark)
    log = mac.server.log_since(mark)
    assert base64.b64encode(BINARY).decode()[:40] not in log


# -- The file ---------------------------------------------------------

def test_new_file_counts_after_a_restart(httpd, device):
    """Read while the server starts, as every file is."""
    server = httpd(extra_vhost=f"NanoMDMToken {MAID} {{folder}}/token",
                   files={"token": "old"})
    mac = device(server).enroll()
    server.write("token", "new")
    assert mac.get_token(MAID).plist == {"TokenData": b"old"}
    server.graceful()
    assert mac.get_token(MAID).plist == {"TokenData": b"new"}


WRONG = {
    "no file": (f"{MAID} {{folder}}/nowhere", ["nowhere"]),
    "empty file": (f"{MAID} {{folder}}/empty", ["/empty", "empty;"]),
    "folder": (f"{MAID} {{folder}}/htdocs", ["htdocs"]),
    "no path": (MAID, ["two arguments"]),
    "three words": (f"{MAID} {{folder}}/maid.bin x", ["two arguments"]),
    "no type": ('"" {folder}/maid.bin', ["TokenServiceType"]),
}


@pytest.mark.parametrize("place", ["extra_vhost", "extra_mdm"])
@pytest.mark.parametrize("words, patterns", WRONG.values(), ids=WRONG)
def test_k1_wrong_token_is_refused(httpd, place, words, patterns):
    """K1: the message names the directive, the value, the remedy."""
    server = httpd(start=False, files={"empty": "", "maid.bin": BINARY},
                   **{place: "NanoMDMToken " + words})
    status, said = server.configtest()
    assert status != 0, said
    for pattern in ["NanoMDMToken", *patterns]:
        assert re.search(pattern, said), (pattern, said)


def test_token_directive_in_the_server(httpd):
    server = httpd(start=False, files=FILES,
                   extra_server=f"NanoMDMToken {MAID} {{folder}}/maid.bin")
    status, said = server.configtest()
    assert status == 0, said


# -- ReturnToService --------------------------------------------------

def return_plist(name):
    return plistlib.dumps({"ReturnToService": {
        "Enabled": True, "WiFiProfileData": name}})


RETURN = {"all.plist": return_plist(b"all"), "pad.plist": return_plist(b"pad")}
RETURN_LINES = """\
NanoMDMReturnToService {folder}/all.plist
NanoMDMReturnToService {folder}/pad.plist "Shared iPad"
"""


def test_return_to_service_is_answered_by_type(httpd, device):
    """Apple's check-in of iOS 26; the file's bytes, unchanged."""
    server = httpd(extra_vhost=RETURN_LINES, files=RETURN)
    mac = device(server).enroll()
    answer = mac.return_to_service()
    assert (answer.status, answer.body) == (200, RETURN["all.plist"])
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    pad = mac.user("Shared iPad")
    assert pad.token_update().status == 200
    answer = pad.return_to_service()
    assert (answer.status, answer.body) == (200, RETURN["pad.plist"])
    stranger = device(server)
    assert_error(stranger.return_to_service(), 500)


@pytest.mark.parametrize("lines", [
    "", 'NanoMDMReturnToService {folder}/pad.plist "Shared iPad"'])
def test_return_to_service_is_400_when_not_configured(httpd, device, lines):
    server = httpd(extra_vhost=lines, files=RETURN)
    assert_error(device(server).enroll().return_to_service(), 400)


@pytest.mark.parametrize("arguments, text, remedy", [
    ("{folder}/x.plist", None, "x.plist"),
    ("{folder}/x.plist", b"no plist", "x.plist"),
    ("{folder}/x.plist", plistlib.dumps({"Other": {}}), "ReturnToService"),
    ("{folder}/x.plist", plistlib.dumps({"ReturnToService": "x"}),
     "ReturnToService"),
    ("{folder}/x.plist Laptop", return_plist(b""), "User Enrollment"),
])
def test_bad_return_to_service_is_refused_at_start(httpd, arguments, text,
                                                   remedy):
    server = httpd(start=False,
                   extra_vhost=f"NanoMDMReturnToService {arguments}",
                   files={"x.plist": text} if text else {})
    status, output = server.configtest()
    assert status != 0
    assert "NanoMDMReturnToService" in output and remedy in output
