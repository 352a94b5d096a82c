# SPDX-License-Identifier: Apache-2.0
"""The command-line tools: nmdm-command.py and nmdm-migrate.py."""

import base64
import os
import plistlib
import re
import subprocess
import sys
import uuid

import pytest

from databases import PASSWORD, USER
from device import Device
from server import TLS, server_authority
from system import ROOT, free_port, run
from tables import count, device_columns, enrollment, insert, is_enabled

pytestmark = pytest.mark.unsanitized
one_database = pytest.mark.one_database

TOKEN = b"\0bootstrap\xff" * 9
UNLOCK = b"\xffunlock\0" * 5


def tool(name, *words, **environment):
    """Run one of tools/ to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / name), *map(str, words)],
        env={**os.environ, **environment}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, check=False)


# -- nmdm-command.py: K7 ----------------------------------------------

PLAIN = (
    "ProfileList ProvisioningProfileList SecurityInfo RestartDevice"
    " ShutDownDevice StopMirroring ClearRestrictionsPassword UserList"
    " LogOutUser PlayLostModeSound DisableLostMode DeviceLocation"
    " ManagedMediaList DeviceConfigured AvailableOSUpdates"
    " NSExtensionMappings OSUpdateStatus EnableRemoteDesktop"
    " DisableRemoteDesktop ActivationLockBypassCode"
    " ScheduleOSUpdateScan DeviceInformation CertificateList").split()
SOME_INFO = {"RequestType": "DeviceInformation",
             "Queries": ["OSVersion", "DeviceName"]}
MANAGED = {"RequestType": "CertificateList", "ManagedOnly": True}
COMMANDS = {
    **{name: {"RequestType": name} for name in PLAIN},
    "command Invented": {"RequestType": "Invented"},
    "DeviceInformation OSVersion DeviceName": SOME_INFO,
    "DeviceInfo OSVersion DeviceName": SOME_INFO,
    "DevInfo OSVersion DeviceName": SOME_INFO,
    "InstallProfile {profile}": {"RequestType": "InstallProfile",
                                 "Payload": TOKEN},
    "RemoveProfile com.example.wifi": {
        "RequestType": "RemoveProfile", "Identifier": "com.example.wifi"},
    "ScheduleOSUpdate Default": {
        "RequestType": "ScheduleOSUpdate",
        "Updates": [{"InstallAction": "Default"}]},
    "ScheduleOSUpdate InstallASAP --version 15.1 --key k --deferrals 3"
    " --priority High": {
        "RequestType": "ScheduleOSUpdate",
        "Updates": [{"InstallAction": "InstallASAP",
                     "ProductVersion": "15.1", "ProductKey": "k",
                     "MaxUserDeferrals": 3, "Priority": "High"}]},
    "AccountConfig": {"RequestType": "AccountConfiguration"},
    "AccountConfig -f Alice -u alice -l": {
        "RequestType": "AccountConfiguration",
        "PrimaryAccountFullName": "Alice",
        "PrimaryAccountUserName": "alice", "LockPrimaryAccountInfo": True},
    "Settings": {"RequestType": "Settings", "Settings": []},
    "Settings --allowbst": {
        "RequestType": "Settings",
        "Settings": [{"Item": "MDMOptions", "MDMOptions": {
            "BootstrapTokenAllowed": True}}]},
    "CertificateList -m": MANAGED,
    "CertList -m": MANAGED,
    "EraseDevice 123456": {"RequestType": "EraseDevice", "PIN": "123456"},
    "DeviceLock 012345": {"RequestType": "DeviceLock", "PIN": "012345"},
}


@one_database
@pytest.mark.parametrize("words, expected", COMMANDS.items(), ids=COMMANDS)
def test_k07_command_is_accepted(device, operator, tmp_path, words,
                                 expected):
    """K7: and delivered as it was printed."""
    profile = tmp_path / "profile"
    profile.write_bytes(TOKEN)
    done = tool("nmdm-command.py",
                *words.format(profile=profile).split())
    assert (done.returncode, done.stderr) == (0, b"")
    printed = plistlib.loads(done.stdout)
    assert printed["Command"] == expected
    command_uuid = printed["CommandUUID"]
    assert str(uuid.UUID(command_uuid, version=4)) == command_uuid
    mac = device().enroll()
    answer = operator.enqueue(mac.id, done.stdout)
    assert answer.status == 200, answer
    assert answer.json["command_uuid"] == command_uuid
    assert answer.json["request_type"] == expected["RequestType"]
    assert mac.idle().body == done.stdout


@one_database
@pytest.mark.parametrize("option", ["-r", "--random"])
def test_k07_random_command(device, operator, option):
    done = tool("nmdm-command.py", option)
    assert plistlib.loads(done.stdout)["Command"]["RequestType"] in (
        "SecurityInfo", "CertificateList", "ProfileList",
        "ProvisioningProfileList")
    assert operator.enqueue(device().enroll().id,
                            done.stdout).status == 200


@pytest.mark.parametrize("option", ["-u", "--uuid"])
def test_command_with_a_uuid(option):
    done = tool("nmdm-command.py", option, "mine", "UserList")
    assert plistlib.loads(done.stdout) == {
        "CommandUUID": "mine", "Command": {"RequestType": "UserList"}}


@pytest.mark.parametrize("words", [
    "", "-r UserList", "Invented", "UserList extra", "InstallProfile",
    "InstallProfile /nowhere/at/all", "RemoveProfile", "EraseDevice",
    "ScheduleOSUpdate", "ScheduleOSUpdate Default --deferrals many",
    "command", "-u"])
def test_command_usage(words):
    """Exit status 2, usage, and nothing for the pipe."""
    done = tool("nmdm-command.py", *words.split())
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"usage:" in done.stderr


# -- nmdm-migrate.py: K8, S2, S3 --------------------------------------

MIGRATION = """\
<Location "/migration">
    SetHandler nanomdm-migration
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
</Location>
"""


def source_of(database):
    """Options for a database, as its DBDParams."""
    return ["--driver", database.kind, "--params", database.params]


def dsn_of(database):
    """The same as NanoMDM has them."""
    port = getattr(database.server, "port", None)
    return ["--driver", database.kind, "--dsn", {
        "sqlite3": database.params,
        "pgsql": f"postgres://{USER}:{PASSWORD}@127.0.0.1:{port}"
                 f"/{database.name}?sslmode=disable",
        "mysql": f"{USER}:{PASSWORD}@tcp(127.0.0.1:{port})"
                 f"/{database.name}?parseTime=true",
    }[database.kind]]


class Destination:
    """A fresh server, and the options that lead there."""

    def __init__(self, httpd):
        self.httpd = httpd
        self.ca = httpd.write("server-ca.pem", server_authority().pem)
        self.url = f"https://localhost:{httpd.tls_port}/migration"

    def options(self, key=None):
        return ["--url", self.url, "--ca-file", self.ca,
                "--key", key or f"file:{self.httpd.folder}/api.key"]


@pytest.fixture
def destination(httpd, fresh_db):
    return Destination(httpd(fresh_db(), extra_vhost=MIGRATION))


@pytest.fixture
def source(httpd, fresh_db):
    """A server with a database of its own."""
    return httpd(fresh_db())


def migrate(*words, **environment):
    return tool("nmdm-migrate.py", *words, **environment)


def fill(source, device):
    """A household of enrollments: (devices, users)."""
    mac = device(source, short_name="bob").enroll()
    mac.token_update(UnlockToken=UNLOCK)
    mac.token_update(Note="ü <&>")          # as devices do, without it
    mac.set_bootstrap_token(TOKEN)
    ipad = device(source).enroll()
    ipad.token_update(UnlockToken=UNLOCK)
    byod = device(source, kind="User Enrollment (Device)",
                  udid=f"é {uuid.uuid4()}").enroll()
    byod.set_bootstrap_token(b"byod")
    gone = device(source).enroll()
    users = [mac.user().enroll(), ipad.user("Shared iPad").enroll(),
             byod.user().enroll(), gone.user().enroll()]
    gone.checkout()
    return [mac, ipad, byod, gone], users


DEVICE = ("serial_number", "authenticate", "token_update", "unlock_token",
          "bootstrap_token_b64")


def device_row(db, mac):
    """Comparable whatever the driver; the identity is left out."""
    serial, authenticate, update, unlock, bootstrap = device_columns(
        db, mac, *DEVICE)
    return (serial, authenticate, plistlib.loads(update.encode()),
            unlock and bytes(unlock), bootstrap)


def user_row(db, user):
    return db.query(
        "SELECT device_id, user_short_name, user_long_name, token_update"
        " FROM users WHERE id = %s", user.id)


@pytest.mark.parametrize("options_of", [source_of, dsn_of],
                         ids=["params", "dsn"])
def test_k08_migration(source, destination, device, options_of):
    """K8, S2, S3: what can move has moved, in an order that works."""
    devices, users = fill(source, device)
    done = migrate(*options_of(source.database), *destination.options())
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"moved 4 devices and 4 users; 0 failed, 0 left out" \
        in done.stdout
    old, new = source.database, destination.httpd.database
    for mac in devices:
        was, now = device_row(old, mac), device_row(new, mac)
        if mac is devices[0]:
            # The last message came without it, and would have lost it.
            assert was[2].pop("UnlockToken", None) is None
            assert now[2].pop("UnlockToken") == UNLOCK
        assert now == was
        assert device_columns(new, mac, "identity_cert") == (None,)
    for user in users:
        assert user_row(new, user) == user_row(old, user)
    for channel in devices + users:
        assert enrollment(new, channel)._replace(
            enabled=None, token_update_tally=None) == enrollment(
                old, channel)._replace(enabled=None,
                                       token_update_tally=None)
        assert is_enabled(new, channel) == (True, 1)
    assert count(new, "cert_auth_associations", "1 = 1") == 0


@one_database
def test_migration_verifies_as_curl_does(httpd, fresh_db, source, device,
                                         tmp_path):
    """An authority without key usage, of which Python 3.13 thinks nothing."""
    mac = device(source).enroll()
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-nodes",
               "-pkeyopt", "ec_paramgen_curve:P-256"]
    ca, cert = tmp_path / "ca.pem", tmp_path / "server.pem"
    run(*request, "-subj", "/CN=An Old CA", "-keyout", tmp_path / "ca.key",
        "-out", ca)
    run(*request, "-subj", "/CN=localhost", "-CA", ca, "-CAkey",
        tmp_path / "ca.key", "-extensions", "usr_cert", "-addext", "subjectAltName=DNS:localhost",
        "-keyout", tmp_path / "server.key", "-out", cert)
    assert b"Key Usage" not in run("openssl", "x509", "-text", "-in", ca)
    new = httpd(fresh_db(), extra_vhost=MIGRATION, replace={
        "tls": TLS.replace("{folder}/server.pem", str(cert))
        + f'SSLCertificateKeyFile "{tmp_path}/server.key"'})
    done = migrate(*source_of(source.database), *Destination(new).options(),
                   "--ca-file", ca)
    assert (done.returncode, done.stderr) == (0, b"")
    assert enrollment(new.database, mac)
    other = migrate(*source_of(source.database), *Destination(new).options())
    assert other.returncode == 1          # of another authority


def test_migration_of_what_is_sealed(httpd, fresh_db, destination, device):
    """The second key opens as well; without it nothing is sent."""
    new, old = "ab" * 32, "cd" * 32
    source = httpd(fresh_db(), extra_server=f"NanoMDMStorageKey {old}")
    devices, _ = fill(source, device)
    words = *source_of(source.database), *destination.options()
    (sealed,) = device_columns(source.database, devices[0],
                               "bootstrap_token_b64")
    assert sealed.startswith("-----NANOMDM SEALED 1 ")
    for more in (), ("--storage-key", new):
        done = migrate(*words, *more)
        assert done.returncode == 1
        assert b"name it by --storage-key" in done.stderr
        assert b"Traceback" not in done.stderr
    assert not device_columns(destination.httpd.database, devices[0], "id")
    source.database.execute(
        "UPDATE devices SET bootstrap_token_b64 = %s WHERE id = %s",
        sealed, devices[2].id)
    done = migrate(*words, "--storage-key", new, "--storage-key", old)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[0] == (
        f"{devices[2].id}: devices.bootstrap_token_b64 was changed, or is of"
        " another row")
    assert b"moved 3 devices and 3 users; 2 failed" in done.stdout
    mac = device_row(destination.httpd.database, devices[0])
    assert mac[2]["UnlockToken"] == UNLOCK and mac[3] == UNLOCK
    assert base64.b64decode(mac[4]) == TOKEN


@one_database
def test_migration_of_enabled_ones_only(source, destination, device):
    devices, users = fill(source, device)
    users[0].checkout()
    done = migrate(*source_of(source.database), *destination.options(),
                   "--enabled-only", "--verbose")
    assert done.returncode == 0, done.stderr
    assert b"moved 3 devices and 2 users; 0 failed, 3 left out" \
        in done.stdout
    moved = destination.httpd.database
    assert enrollment(moved, devices[3]) is None
    assert enrollment(moved, users[0]) is None
    said = [line.split(": ")[1:] for line
            in done.stderr.decode().splitlines()
            if line.startswith(devices[0].id)]
    assert said == [["Authenticate", "ok"], ["TokenUpdate", "ok"],
                    ["SetBootstrapToken", "ok"]]


@one_database
def test_migration_twice(source, destination, device):
    """A second run changes nothing."""
    devices, _ = fill(source, device)
    words = [*source_of(source.database), *destination.options()]
    for _ in range(2):
        assert migrate(*words).returncode == 0
    assert is_enabled(destination.httpd.database, devices[0]) == (True, 1)


@one_database
def test_migration_of_odd_rows(source, destination, device):
    """One that cannot be moved is named and does not stop others;
    devices and users without a TokenUpdate are no enrollments."""
    good, broken = device(source).enroll(), device(source).enroll()
    lone = device(source)
    lone.authenticate()
    user = broken.user().enroll()
    source.database.execute(
        "UPDATE devices SET authenticate = 'garbage' WHERE id = %s",
        broken.id)
    source.database.execute(
        "UPDATE users SET token_update = NULL WHERE id = %s",
        good.user().enroll().id)
    done = migrate(*source_of(source.database), *destination.options())
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    assert f"{broken.id}: Authenticate: 400 Bad Request" in lines
    assert f"{user.id}: left out with its device" in lines
    assert len(lines) == 2
    assert b"moved 2 devices and 0 users; 2 failed, 1 left out" \
        in done.stdout
    moved = destination.httpd.database
    assert is_enabled(moved, good) == (True, 1)
    assert device_columns(moved, lone, "token_update") == (None,)
    assert device_columns(moved, broken, "id") is None


@one_database
def test_migration_goes_on_after_a_damaged_message(source, destination,
                                                   device):
    """What this server mends when a device sends it, an older one may have
    stored as it came; Python's parser refuses it."""
    macs = [device(source).enroll() for _ in range(3)]
    damaged = sorted(macs, key=lambda mac: mac.id)[1]
    damaged.set_bootstrap_token(TOKEN)
    source.database.execute(
        "UPDATE devices SET authenticate = REPLACE(authenticate, '<dict>',"
        " '<dict><key>Note</key><string>\v</string>') WHERE id = %s",
        damaged.id)
    done = migrate(*source_of(source.database), *destination.options())
    assert done.returncode == 1
    line, = done.stderr.decode().splitlines()
    assert line.startswith(f"{damaged.id}: SetBootstrapToken: cannot be made"
                           " of what is stored: ")
    assert b"moved 2 devices and 0 users; 1 failed" in done.stdout
    for mac in macs:
        assert is_enabled(destination.httpd.database, mac) == (True, 1)


@one_database
def test_migration_from_prefixed_tables(httpd, fresh_db, destination,
                                        device):
    prefixed = httpd(fresh_db(), extra_server="NanoMDMTablePrefix nano_")
    mac = device(prefixed).enroll()
    words = [*source_of(prefixed.database), *destination.options()]
    assert migrate(*words).returncode == 1
    assert migrate(*words, "--table-prefix", "nano_").returncode == 0
    assert is_enabled(destination.httpd.database, mac) == (True, 1)


@pytest.fixture
def crowd(source):
    """1001 devices that the tables alone know."""
    made = [Device(source, None, transport="none") for _ in range(1001)]
    insert(source.database, "devices",
           ("id", "authenticate", "token_update"), [
               (mac.id, plistlib.dumps(mac.message("Authenticate")),
                plistlib.dumps(mac.message("TokenUpdate")))
               for mac in made])
    return source


def test_dry_run_reads_all_and_sends_nothing(crowd):
    """Pages, a line of progress, and neither --url nor --key."""
    done = migrate(*source_of(crowd.database), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(rb"enrollments: 1000 of \d+, \d+ per second,"
                        rb"( \d+:\d\d left,)? 0 failed\n", done.stderr)
    assert done.stdout == (b"would move 1001 devices and 0 users;"
                           b" 0 failed, 0 left out\n")


@one_database
def test_dry_run_leaves_the_destination_alone(source, destination, device):
    mac = device(source).enroll()
    done = migrate(*source_of(source.database), *destination.options(),
                   "--dry-run", "--verbose")
    assert done.returncode == 0
    assert f"{mac.id}: Authenticate: ok".encode() in done.stderr
    assert count(destination.httpd.database, "devices", "1 = 1") == 0


@one_database
@pytest.mark.parametrize("key", ["wrong", "env:MIGRATION_KEY"])
def test_k08_wrong_key(source, destination, device, expect_log, key):
    """K8: one clear line and not one for each device."""
    expect_log("auth_basic:error", optional=True)
    fill(source, device)
    done = migrate(*source_of(source.database), *destination.options(key),
                   MIGRATION_KEY="wrong")
    assert done.returncode == 1
    assert re.fullmatch(rb"stopped: 401 Unauthorized: .*--key\n",
                        done.stderr)
    assert b"moved 0 devices" in done.stdout


@one_database
@pytest.mark.parametrize("key", ["api-secret", "env:MIGRATION_KEY"])
def test_right_key(source, destination, device, key):
    device(source).enroll()
    done = migrate(*source_of(source.database), *destination.options(key),
                   MIGRATION_KEY="api-secret")
    assert done.returncode == 0, done.stderr


@one_database
@pytest.mark.parametrize("url, said", [
    ("http://127.0.0.1:{free}/migration", "no answer"),
    ("https://127.0.0.1:{tls}/migration", "verify failed"),
    ("https://localhost:{tls}/nowhere", "40[45] .*--url"),
    ("http://localhost:{tls}/migration", "400 Bad Request")],
    ids=["nobody", "name", "path", "scheme"])
def test_wrong_url(source, destination, device, url, said, expect_log):
    expect_log("ssl:(info|error)", optional=True)
    mac = device(source).enroll()
    url = url.format(free=free_port(), tls=destination.httpd.tls_port)
    done = migrate(*source_of(source.database), *destination.options(),
                   "--url", url)
    assert done.returncode == 1
    assert re.search(said, done.stderr.decode()), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not device_columns(destination.httpd.database, mac, "id")


def test_wrong_source(db, tmp_path):
    """A clear line, without the password."""
    wrong = {"sqlite3": str(tmp_path / "nowhere.db")}.get(
        db.kind, str(db.params).replace(PASSWORD, "other-secret"))
    done = migrate("--driver", db.kind, "--params", wrong, "--dry-run")
    assert done.returncode == 1
    assert re.match(b"stopped: the source database: ", done.stderr)
    assert b"other-secret" not in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("driver, module", [
    ("pgsql", "psycopg2"), ("mysql", "pymysql")])
def test_missing_driver_is_told(tmp_path, driver, module):
    (tmp_path / f"{module}.py").write_text("raise ImportError('no')")
    done = migrate("--driver", driver, "--params", "x", "--dry-run",
                   PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert f"apt-get install python3-{module}".encode() in done.stderr


URL = "--url https://localhost/migration"


@pytest.mark.parametrize("words", [
    "", "--driver sqlite3", "--driver oracle --params x --dry-run",
    "--driver sqlite3 --params x", f"--driver sqlite3 --params x {URL}",
    "--driver sqlite3 --params x --key k",
    "--driver sqlite3 --params x --dsn x --dry-run",
    "--driver sqlite3 --params x --key k --url ftp://localhost/",
    f"--driver sqlite3 --params x {URL} --key file:/nowhere/at/all",
    f"--driver sqlite3 --params x {URL} --key env:NO_SUCH_VARIABLE",
    f"--driver sqlite3 --params x {URL} --key k --ca-file /nowhere",
    "--driver sqlite3 --params x --dry-run --storage-key abcd",
    "--driver sqlite3 --params x --dry-run --storage-key file:/nowhere",
    "--driver pgsql --params env:NO_SUCH_VARIABLE --dry-run",
    "--driver sqlite3 --params x --dry-run --table-prefix x;",
    "--driver sqlite3 --params x --dry-run extra"])
def test_migration_usage(words):
    done = migrate(*words.split())
    assert done.returncode == 2
    assert b"usage:" in done.stderr
    assert b"Traceback" not in done.stderr
