# SPDX-License-Identifier: Apache-2.0
"""nanomdmctl: settings, lists, sending, taking back, events, declarations,
push certificates, profiles."""

import pathlib
import plistlib
import re
import time

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

import ca as certs
from apns import Answer as ApnsAnswer
from apns import Apns
from conftest import new_database
from ctl import LOCATIONS, Ctl
from device import Device
from receiver import Answer, Receiver
from system import ROOT, run, wait_until
from test_enrollments import fill

one_database = pytest.mark.one_database

DECLARATIVE = "NanoMDMDeclarativeManagement builtin\n"


OPTIONS = {"extra_vhost": LOCATIONS + DECLARATIVE,
           "extra_server": "AllowEncodedSlashes NoDecode\n"}


@pytest.fixture(scope="module")
def site(module_httpd, db_server):
    """For all tests that look at devices of their own."""
    return module_httpd(new_database(db_server), **OPTIONS)


@pytest.fixture
def ctl(site, tmp_path):
    return Ctl(site, tmp_path)


@pytest.fixture
def empty_site(httpd, fresh_db):
    """For those that look at all devices."""
    return httpd(fresh_db(), **OPTIONS)


@pytest.fixture
def empty_ctl(empty_site, tmp_path):
    return Ctl(empty_site, tmp_path)


@pytest.fixture
def mac(device, site):
    return device(site).enroll()


def test_version():
    """Without settings and a server."""
    version = re.search(r'NMDM_VERSION "(.*)"', (
        ROOT / "src/base/version.h").read_text())[1]
    assert run(ROOT / "tools/nanomdmctl", "--version").decode() \
        == f"nanomdmctl {version}\n"


# -- Settings ---------------------------------------------------------

@one_database
def test_without_settings_it_says_what_to_write(ctl, tmp_path):
    empty = tmp_path / "empty.conf"
    empty.write_text("# nothing\n")
    ran = ctl("devices", NANOMDM_CONFIG=str(empty))
    assert ran.status == 2
    assert "write url = https://HOST into /etc/nanomdm/ctl.conf" in ran.err
    ran = ctl("--url", ctl.settings["url"], "devices",
              NANOMDM_CONFIG=str(empty))
    assert ran.status == 2 and "no key of the API is named" in ran.err


@one_database
@pytest.mark.parametrize("text, said", [
    ("no equals sign", "write lines NAME = VALUE"),
    ("colour = red", "'colour' is no setting"),
    ("[server]\nurl = https://x", "[server]: it has no sections"),
    ("url = https://[::1", "write url = https://HOST"),
    ("url = https://x:99999", "write url = https://HOST"),
    ("url = ftp://x", "not an http(s) URL"),
    *[(f"timeout = {seconds}", "write seconds")
      for seconds in ("soon", "nan", "inf", "-1", "0")]])
def test_a_file_that_is_no_good(ctl, text, said):
    ctl.file.write_text(text + "\n")
    ran = ctl("devices")
    assert ran.status == 2 and said in ran.err
    assert len(ran.err.splitlines()) == 2


@one_database
def test_options_win_over_the_environment_and_that_over_files(ctl):
    good = ctl.settings["url"]
    ctl.save(url="https://localhost:1")
    assert ctl("devices").status == 1
    assert ctl("devices", NANOMDM_URL=good).status == 0
    assert ctl("--url", good, "devices",
               NANOMDM_URL="https://localhost:2").status == 0
    ran = ctl("--url", "https://localhost:3", "devices", NANOMDM_URL=good)
    assert ran.status == 1 and "https://localhost:3: no answer" in ran.err


@one_database
def test_the_users_own_file_wins_over_the_systems(ctl, tmp_path):
    """~/.config/nanomdm/ctl.conf is found by itself."""
    own = tmp_path / "home/nanomdm"
    own.mkdir(parents=True)
    (own / "ctl.conf").write_text(ctl.file.read_text())
    assert ctl("devices", NANOMDM_CONFIG="",
               XDG_CONFIG_HOME=str(own.parent)).status == 0


@one_database
@pytest.mark.parametrize("change, said, remedy", [
    ({"key": "wrong"}, "(401)", "compare NanoMDMAPIKey with key"),
    ({"api": "/v2"}, "(404)", "compare the Location"),
    ({"api": "/version"}, "no JSON|(404)|has no", "api in ctl.conf"),
    ({"ca-file": "/dev/null"}, "", "ca-file"),
    ({"key": "file:/nowhere"}, "/nowhere", "may read it"),
    ({"url": "ftp://x"}, "not an http(s) URL", "https://HOST")])
def test_an_error_names_its_remedy(ctl, change, said, remedy, expect_log):
    ctl.save(**change)
    expect_log("AH01617|password", optional=True)
    expect_log("nanomdm", "error", optional=True)
    ran = ctl("devices")
    assert ran.status in (1, 2) and remedy in ran.err, ran
    assert any(each in ran.err for each in said.split("|")), ran
    assert "Traceback" not in ran.err


@one_database
def test_a_certificate_that_is_not_trusted(ctl, tmp_path):
    other = tmp_path / "other.pem"
    other.write_bytes(certs.root("Other").pem)
    ran = ctl("--ca-file", other, "devices")
    assert ran.status == 1 and "its certificate is not trusted" in ran.err


@one_database
def test_usage(ctl):
    for words in ("", "nothing", "send", "send ID", "cancel", "cancel ID",
                  "cancel --all", "pushcert upload", "events drop",
                  "profile", "devices --enabled --disabled"):
        assert ctl(*words.split()).status == 2, words
    assert "init" in ctl("--help").out


# -- devices ----------------------------------------------------------

def test_devices(empty_ctl, empty_site, device):
    ctl = empty_ctl
    macs = [device(empty_site).enroll() for _ in range(3)]
    macs[0].user(short_name="bob").enroll()
    macs[2].checkout()
    ran = ctl("devices", "--json")
    assert ran.status == 0
    assert {each["id"] for each in ran.json} == {
        *(mac.id for mac in macs), *(each["id"] for each in ran.json
                                     if each["type"] == "User")}
    assert [each["id"] for each in ctl("devices", "--json",
                                       "--disabled").json] == [macs[2].id]
    serials = ctl("devices", "--json", "--serial", macs[1].serial).json
    assert [each["id"] for each in serials] == [macs[1].id]
    table = ctl("devices", "--type", "Device").out.splitlines()
    assert table[0].split() == ["ID", "SERIAL", "OR", "USER", "TYPE",
                                "ENABLED", "LAST", "SEEN", "(UTC)"]
    assert len(table) == 4
    (row,) = [each for each in ctl("devices", "--csv").csv
              if each["ID"] == macs[2].id]
    assert row["ENABLED"] == "no"
    assert ctl("devices", "--user", "bob", "--csv").csv[0][
        "SERIAL OR USER"] == "bob"
    assert ctl("devices", "--serial", "none", "--json").json == []


@one_database
def test_silent_and_pending_devices(empty_ctl, empty_site, device):
    ctl = empty_ctl
    quiet, busy = device(empty_site).enroll(), device(empty_site).enroll()
    empty_site.database.execute(
        "UPDATE enrollments SET last_seen_at = '2020-01-02 03:04:05'"
        " WHERE id = %s", quiet.id)
    assert [each["id"] for each in ctl(
        "devices", "--silent", 7, "--json").json] == [quiet.id]
    assert ctl("send", busy.id, "UserList", "--no-push").status == 0
    (row,) = ctl("devices", "--pending", "--csv").csv
    assert (row["ID"], row["PENDING"]) == (busy.id, "1")


@one_database
def test_one_device_in_full(ctl, mac):
    ran = ctl("devices", mac.id)
    assert re.search(rf"^device.serial_number +{mac.serial}$", ran.out, re.M)
    assert ctl("devices", mac.id, "--json").json[0]["id"] == mac.id
    ran = ctl("devices", "nobody")
    assert ran.status == 1 and "(404)" in ran.err


@one_database
def test_a_hostile_name_does_not_steer_the_terminal(ctl, site, mac):
    evil = "\x1b]0;owned\x07\u202eabc"
    mac.user(short_name="alice").enroll()
    site.database.execute("UPDATE users SET user_short_name = %s", evil)
    seen = ctl("devices").out
    assert "\x1b" not in seen and "\u202e" not in seen and "abc" in seen
    site.database.execute("UPDATE users SET user_short_name = '=cmd()'")
    assert "'=cmd()" in ctl("devices", "--csv").out


@one_database
def test_colours_only_on_a_terminal(ctl, mac):
    assert "\033[" not in ctl("devices").out
    assert "\033[" in ctl("--color", "always", "devices").out
    status, seen = ctl.on_terminal("devices")
    assert status == 0 and "\033[1m" in seen
    _, seen = ctl.on_terminal("devices", NO_COLOR="1")
    assert "\033[1m" not in seen


@one_database
@pytest.mark.slow
def test_100000_devices_begin_at_once_in_little_memory(empty_ctl, empty_site):
    number = 100000
    fill(empty_site.database, [f"D{i:06}" for i in range(number)])
    began = time.monotonic()
    process = empty_ctl.start("devices")
    first = process.stdout.readline()
    took = time.monotonic() - began
    assert first.startswith(b"ID")
    lines = 0
    peak = 0
    for _ in process.stdout:
        lines += 1
        if lines % 10000 == 0:
            text = open(f"/proc/{process.pid}/status").read()
            peak = int(re.search(r"VmHWM:\s*(\d+)", text)[1])
    assert process.wait(60) == 0 and lines == number
    print(f"first line after {took * 1000:.0f} ms, {peak} kB")
    # The machine of the tests has other work too.
    assert took < 2 and peak < 60 * 1024


# -- send -------------------------------------------------------------

def answering(mac, **keys):
    """Take the command that comes, and acknowledge it."""
    answer = wait_until(lambda: commands(mac), pause=0.05)
    mac.acknowledge(answer.plist["CommandUUID"], **keys)


def commands(mac):
    answer = mac.idle()
    return answer if answer.body else None


def test_send_and_wait(ctl, site, mac):
    process = ctl.start("send", mac.id, "DeviceInformation", "OSVersion",
                        "--wait", "--no-push")
    answering(mac, QueryResponses={"OSVersion": "15.1"})
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    rows = out.decode().splitlines()
    assert rows[0].split() == ["ID", "STATE", "STATUS", "RESULT"]
    assert mac.id in rows[1] and "Acknowledged" in rows[1]
    assert "QueryResponses.OSVersion: 15.1" in rows[1]


@one_database
def test_an_error_of_the_device_is_an_error(ctl, mac):
    process = ctl.start("send", mac.id, "--wait", "UserList", "--no-push")
    wait_until(lambda: mac.idle().body, pause=0.05)
    mac.error(mac.idle().plist["CommandUUID"])
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"MCMDMErrorDomain 12021: Unknown command" in out


@one_database
def test_waiting_ends(ctl, mac):
    ran = ctl("send", mac.id, "UserList", "--no-push", "--wait",
              "--wait-seconds", "0.3")
    assert ran.status == 1 and "pending" in ran.out
    assert "nanomdmctl why ID says what keeps a device" in ran.err


@one_database
@pytest.mark.parametrize("words", [
    "EraseDevice 123456", "DeviceLock 123456", "ShutDownDevice",
    "command ClearPasscode", "RemoveProfile com.example.mdm"])
def test_dangerous_commands_want_a_yes(ctl, mac, words):
    ran = ctl("send", mac.id, *words.split(), "--no-push")
    assert ran.status == 2 and "give --yes if it is meant" in ran.err
    assert not mac.idle().body
    assert ctl("send", mac.id, *words.split(), "--yes",
               "--no-push").status == 0
    assert mac.idle().body


@one_database
@pytest.mark.parametrize("typed", ["no", "yes"])
def test_a_terminal_is_asked_for_the_yes(ctl, mac, typed):
    status, seen = ctl.on_terminal("send", mac.id, "EraseDevice", "123456",
                                   "--no-push", typed=f"{typed}\n")
    assert "Type yes to send it" in seen
    assert status == (typed == "no")
    assert bool(mac.idle().body) == (typed == "yes")


@one_database
def test_send_by_serial_and_from_standard_input(ctl, site, device):
    one, two = device(site).enroll(), device(site).enroll()
    ran = ctl("send", "--serial", one.serial, "-", "UserList", "--no-push",
              "--uuid", "mine", "--priority", "3", "--expires", "3600",
              stdin=f"{two.id}\n{one.id}\n".encode())
    assert ran.status == 0 and ran.out == "mine UserList queued for 2\n"
    for mac in one, two:
        assert mac.idle().plist["CommandUUID"] == "mine"
    (row,) = ctl("queue", one.id, "--csv").csv
    assert row["PRIORITY"] == "3" and row["EXPIRES (UTC)"]
    ran = ctl("send", "--serial", "none", "UserList")
    assert ran.status == 1 and "no device with this serial" in ran.err


@one_database
def test_one_uuid_is_for_one_call(ctl):
    """Nothing is sent before that is said."""
    ids = [f"D{number}" for number in range(501)]
    ran = ctl("send", "-", "UserList", "--uuid", "mine",
              stdin=" ".join(ids).encode())
    assert ran.status == 2 and "500 devices at most" in ran.err


@one_database
def test_send_to_nobody_enrolled(ctl, expect_log):
    expect_log("NMDM0602|NMDM0601|NMDM0607", optional=True)
    expect_log("NMDM", "error", optional=True)
    ran = ctl("send", "nobody", "UserList")
    assert ran.status == 1 and "Traceback" not in ran.err
    assert "nobody" in ran.err


# -- queue, cancel, results -------------------------------------------

def test_queue_cancel_and_results(ctl, mac):
    for uuid in "one", "two", "three":
        assert ctl("send", mac.id, "UserList", "--uuid", uuid,
                   "--no-push").status == 0
    assert [each["command_uuid"] for each in ctl(
        "queue", mac.id, "--json").json] == ["one", "two", "three"]
    assert ctl("cancel", mac.id, "--uuid", "two").status == 0
    ran = ctl("cancel", "--uuid", "three")
    assert ran.out == "taken back from 1\n"
    mac.idle()
    mac.acknowledge("one", Users=[{"UserName": "alice"}])
    assert ctl("queue", mac.id).err == "nothing waits\n"
    (row,) = ctl("results", mac.id, "--csv").csv
    assert row["STATUS"] == "Acknowledged"
    assert "Users.0.UserName: alice" in row["RESULT"]
    assert re.search("Users.0.UserName +alice",
                     ctl("results", mac.id, "--show").out)
    ctl("send", mac.id, "UserList", "--no-push")
    assert ctl("cancel", mac.id, "--all").status == 0
    assert not mac.idle().body
    assert ctl("cancel", "nobody", "--all").status == 1


# -- push, events, push certificates ----------------------------------

@pytest.fixture
def pushing(httpd, fresh_db, tmp_path):
    with Apns() as apns:
        server = httpd(fresh_db(), extra_vhost=LOCATIONS
                       + f"NanoMDMPushURL {apns.url}\n"
                         "NanoMDMPushCACertificateFile {folder}/apns.pem\n",
                       files={"apns.pem": pathlib.Path(
                           apns.ca_pem).read_bytes()})
        yield apns, server, Ctl(server, tmp_path)


@one_database
def test_push_certificate_and_push(pushing, device, tmp_path, expect_log):
    apns, server, ctl = pushing
    topic = certs.push_topic()
    mac = device(server, topic=topic).enroll()
    expect_log("NMDM0916", optional=True)
    expect_log("NMDM", "error|warn", optional=True)
    ran = ctl("push", mac.id)
    assert ran.status == 1
    assert ctl("pushcert", "show").status == 1
    made = certs.push_certificate(topic)
    (tmp_path / "push.pem").write_bytes(made.pem)
    (tmp_path / "push.key").write_bytes(made.key_pem)
    ran = ctl("pushcert", "upload", tmp_path / "push.pem",
              tmp_path / "push.key")
    assert ran.status == 0 and ran.out.startswith(topic)
    ran = ctl("pushcert", "show", "--csv")
    assert ran.status == 0 and ran.csv[0]["TOPIC"] == topic
    assert 360 < int(ran.csv[0]["DAYS LEFT"]) <= 365
    assert ctl("push", mac.id).out == f"{mac.id}: accepted by APNs\n"
    apns.answers[mac.token.hex()] = ApnsAnswer(410, "Unregistered")
    ran = ctl("push", mac.id)
    assert ran.status == 1 and "Unregistered" in ran.out


@one_database
def test_push_certificate_request(ctl, tmp_path):
    ran = ctl("pushcert", "request", "--folder", tmp_path, "--host", "mdm.x")
    assert ran.status == 0
    assert (tmp_path / "push.key").stat().st_mode & 0o777 == 0o600
    from cryptography import x509
    csr = x509.load_pem_x509_csr((tmp_path / "push.csr").read_bytes())
    assert csr.is_signature_valid
    ran = ctl("pushcert", "request", "--folder", tmp_path)
    assert ran.status == 1 and "is there already" in ran.err


@one_database
def test_events(httpd, fresh_db, device, tmp_path, expect_log):
    expect_log("NMDM", optional=True)
    with Receiver() as receiver:
        receiver.answers["/hook"] = Answer(500)
        server = httpd(fresh_db(), extra_vhost=LOCATIONS
                       + "NanoMDMWebhookDelivery durable\n"
                         f"NanoMDMWebhookURL {receiver.url}/hook\n")
        ctl = Ctl(server, tmp_path)
        mac = device(server).enroll()
        assert wait_until(lambda: len(ctl("events", "--state", "pending",
                                          "--json").json) >= 1)
        assert ctl("events").err == "no dead events\n"
        first = ctl("events", "--state", "pending", "--json").json[0]
        assert first["device_id"] == mac.id
        assert ctl("events", "drop", first["id"]).out == (
            f"{first['id']} dropped\n")
        ran = ctl("events", "drop", first["id"])
        assert ran.status == 1 and "(404)" in ran.err
        assert ctl("events", "replay", "--target",
                   first["target"]).status == 0


# -- declarations -----------------------------------------------------

def test_declarations(empty_ctl, empty_site, device, tmp_path, expect_log):
    ctl, mac = empty_ctl, device(empty_site).enroll()
    expect_log("NMDM0916", optional=True)       # no push certificate
    file = tmp_path / "test.json"
    file.write_text('{"Identifier":"com.example.test","Type":'
                    '"com.apple.configuration.management.test",'
                    '"Payload":{"Echo":"hello"}}')
    ran = ctl("declarations", "upload", file)
    assert (ran.status, ran.out) == (0, f"{file}: ok\n"), ran
    assert ctl("declarations", "upload", file).out == f"{file}: unchanged\n"
    assert ctl("declarations").out == "com.example.test\n"
    ran = ctl("declarations", "show", "com.example.test")
    assert '"Echo": "hello"' in ran.out
    ran = ctl("declarations", "assign", "all", "--declaration",
              "com.example.test", "--id", mac.id)
    assert ran.status == 0 and ran.out.count("done") == 2, ran
    assert ctl("declarations", "sets").out == "all\n"
    ran = ctl("declarations", "why", mac.id)
    assert ran.status == 0 and "com.example.test" in ran.out
    ran = ctl("declarations", "summary", "com.example.test")
    assert ran.json["unreported"] == 1, ran
    listed = [ctl("declarations", "enrollments", "com.example.test",
                  "--state", state).out for state in ("unreported", "invalid")]
    assert listed == [f"{mac.id}\n", ""]
    ran = ctl("declarations", "delete", "com.example.test")
    assert ran.status == 1 and "(409)" in ran.err
    assert ctl("declarations", "unassign", "all", "--declaration",
               "com.example.test").status == 0
    assert ctl("declarations", "delete", "com.example.test").status == 0
    broken = tmp_path / "broken.json"
    broken.write_text('{"Identifier":"x"')
    ran = ctl("declarations", "upload", broken)
    assert ran.status == 1 and "Traceback" not in ran.err


# -- profile ----------------------------------------------------------

@one_database
def test_profile_with_an_identity_enrolls(ctl, site, tmp_path, ca):
    """The profile's own identity and URL are what the device uses."""
    (tmp_path / "issuer.pem").write_bytes(ca.pem)
    (tmp_path / "issuer.key").write_bytes(ca.key_pem)
    out = tmp_path / "mac1.mobileconfig"
    topic = certs.push_topic()
    ran = ctl("profile", "--identity", "mac1", "--issuer",
              tmp_path / "issuer.pem", "--topic", topic, "--out", out)
    assert ran.status == 0, ran
    assert out.stat().st_mode & 0o777 == 0o600
    profile = plistlib.loads(out.read_bytes())
    identity, mdm = profile["PayloadContent"]
    assert mdm["IdentityCertificateUUID"] == identity["PayloadUUID"]
    assert mdm["ServerURL"] == f"{ctl.settings['url']}/mdm"
    key, cert, _ = pkcs12.load_key_and_certificates(
        identity["PayloadContent"], identity["Password"].encode())
    mac = Device(site, certs.Identity(cert, key), topic=mdm["Topic"])
    mac.enroll()
    mac.close()
    assert ctl("profile", "--topic", topic, "--out", out).status == 1


@one_database
def test_profile_by_scep(httpd, fresh_db, ca, tmp_path):
    made = run(ROOT / "tools/nmdm-ca.sh", tmp_path, "Test MDM CA")
    assert b"issuer.pem" in made
    issuer = tmp_path / "issuer.pem"
    server = httpd(fresh_db(), ca=ca.pem + issuer.read_bytes(), extra_vhost=LOCATIONS
                   + "NanoMDMIssuerCertificateFile {folder}/issuer.pem\n"
                     "NanoMDMIssuerKeyFile {folder}/issuer.key\n"
                     '<Location "/scep">\nSetHandler nanomdm-scep\n'
                     "</Location>\n",
                   files={name: (tmp_path / name).read_bytes()
                          for name in ("issuer.pem", "issuer.key")}, start=False)
    (server.folder / "issuer.key").chmod(0o600)
    server.start()
    ctl = Ctl(server, tmp_path)
    out = tmp_path / "x.mobileconfig"
    ran = ctl("profile", "--topic", certs.push_topic(), "--serial", "C02X",
              "--out", out)
    assert ran.status == 0, ran
    scep, _ = plistlib.loads(out.read_bytes())["PayloadContent"]
    assert scep["PayloadContent"]["URL"] == f"{ctl.settings['url']}/scep"
    assert scep["PayloadContent"]["Challenge"]


# -- Links ------------------------------------------------------------

@pytest.fixture
def enrolling_ctl(httpd, fresh_db, tmp_path):
    run(ROOT / "tools/nmdm-ca.sh", tmp_path, "Test MDM CA")
    site = httpd(fresh_db(), extra_vhost=LOCATIONS
                 + f"NanoMDMIssuerCertificateFile {tmp_path}/issuer.pem\n"
                   f"NanoMDMIssuerKeyFile {tmp_path}/issuer.key\n"
                   "NanoMDMEnrollTopic com.apple.mgmt.External.test\n"
                   '<Location "/enroll">\n  SetHandler nanomdm-enroll\n'
                   "</Location>\n<Location \"/scep\">\n"
                   "  SetHandler nanomdm-scep\n</Location>\n",
                 ca=(tmp_path / "issuer.pem").read_bytes())
    return Ctl(site, tmp_path)


def test_links(enrolling_ctl, tmp_path):
    ran = enrolling_ctl("links", "--user", "ada", "--serial", "C02XYZ",
                        "--json")
    assert ran.status == 0, ran
    link, = ran.json
    assert "/enroll/" in link["url"] and link["user"] == "ada"
    (tmp_path / "serials").write_text("S1\nS2\n\nS3\n")
    ran = enrolling_ctl("links", "--serials", str(tmp_path / "serials"),
                        "--csv", "--seconds", "60")
    assert [row["SERIAL"] for row in ran.csv] == ["S1", "S2", "S3"]
    assert len({row["URL"] for row in ran.csv}) == 3
    ran = enrolling_ctl("links", "--serials", str(tmp_path / "none"))
    assert ran.status == 1 and "none" in ran.err
    ran = enrolling_ctl("links", "--serials", "x", "--serial", "y")
    assert ran.status == 2


def test_links_where_nothing_enrolls(ctl):
    ran = ctl("links", "--user", "ada")
    assert ran.status == 1 and ran.err, ran
