# SPDX-License-Identifier: Apache-2.0
"""What `apachectl configtest` says to a configuration, and what starts.

A refusal names the directive, its value and the remedy; it comes before
the server serves anybody.
"""

import base64
import re
import shutil

import pytest

import ca as certs
from device import Client, Operator, command
from server import BASE, THREADED_MPM, TLS
from wire import assert_empty

pytestmark = pytest.mark.one_database

SECRET = "s3cr3t-of-the-operator"
STORAGE_KEY = "5a" * 32
PGSQL = "host=127.0.0.1 dbname=n user=n password=p"
MYSQL = "host=127.0.0.1,dbname=n,user=n,pass=p"
POOL = """\
DBDPersist On
DBDMin 10
DBDKeep 10
DBDMax 10
"""
SQLITE = "DBDriver sqlite3\nDBDParams {folder}/nanomdm.db\n"
API_WITHOUT_PROVIDER = """\
<Location "/v1">
    SetHandler nanomdm-api
    AuthType Basic
    AuthName nanomdm
    AuthUserFile {folder}/users
    Require valid-user
</Location>
"""


def dbd(driver, params):
    return f'DBDriver {driver}\nDBDParams "{params}"\n{POOL}'


def vhost(line):
    return {"extra_vhost": line}


def ca_file(name, content=None):
    """The CA directive with a file of that content, or without one."""
    files = {} if content is None else {name: content}
    return {"replace": {"ca": "NanoMDMCACertificateFile {folder}/"
                        + name}, "files": files}


def intermediate(name, content=None):
    files = {} if content is None else {name: content}
    return {"extra_vhost": "NanoMDMIntermediateCertificateFile {folder}/"
            + name, "files": files}


def api_key(value, **files):
    """files: by name, with "_" for the dot."""
    files = {name.replace("_", "."): content
             for name, content in files.items()}
    return {"replace": {"api_key": f"NanoMDMAPIKey {value}"},
            "files": files}


def storage_key(value, **files):
    files = {name.replace("_", "."): content
             for name, content in files.items()}
    return {"extra_server": f"NanoMDMStorageKey {value}", "files": files}


def database(text):
    return {"replace": {"database": text}}


def tls(text):
    return {"replace": {"tls": text}, "without": ["plain"]}


BROKEN_PEM = ("-----BEGIN CERTIFICATE-----\nMIIB\n"
              "-----END CERTIFICATE-----\n")

# name: (options of Httpd, what the output must match)
WRONG = {
    "no CA file": (
        {"without": ["ca"]}, ["NanoMDMCACertificateFile"]),
    "CA file that is not there": (
        ca_file("nowhere.pem"),
        ["NanoMDMCACertificateFile", "nowhere.pem"]),
    "empty CA file": (
        ca_file("empty.pem", ""),
        ["NanoMDMCACertificateFile", "empty.pem", "certificate"]),
    "garbage in the CA file": (
        ca_file("garbage.pem", b"\x30\x82garbage"),
        ["NanoMDMCACertificateFile", "garbage.pem", "certificate"]),
    "broken certificate in the CA file": (
        ca_file("broken.pem", BROKEN_PEM),
        ["NanoMDMCACertificateFile", "broken.pem"]),
    "good and broken certificate in the CA file": (
        ca_file("mixed.pem", certs.root("x").pem + BROKEN_PEM.encode()),
        ["NanoMDMCACertificateFile", "mixed.pem"]),
    "CA file with a key alone": (
        ca_file("key.pem", certs.root("x").key_pem),
        ["NanoMDMCACertificateFile", "key.pem", "certificate"]),
    "CA folder": (
        {"replace": {"ca": "NanoMDMCACertificateFile {folder}/htdocs"}},
        ["NanoMDMCACertificateFile", "htdocs"]),
    "intermediate file that is not there": (
        intermediate("nowhere.pem"),
        ["NanoMDMIntermediateCertificateFile", "nowhere.pem"]),
    "empty intermediate file": (
        intermediate("empty.pem", ""),
        ["NanoMDMIntermediateCertificateFile", "empty.pem",
         "certificate"]),
    "garbage in the intermediate file": (
        intermediate("garbage.pem", "garbage"),
        ["NanoMDMIntermediateCertificateFile", "garbage.pem",
         "certificate"]),
    "CA file for a Location": (
        {"extra_mdm": "NanoMDMCACertificateFile {folder}/device-ca.pem"},
        ["NanoMDMCACertificateFile", "Location"]),
    "unknown identity source": (
        vhost("NanoMDMIdentity tls cookie"),
        ["NanoMDMIdentity", "cookie", "signature", "header:"]),
    "identity header without name": (
        vhost("NanoMDMIdentity header:\nNanoMDMTrustedProxy 127.0.0.1"),
        ["NanoMDMIdentity", "header:", "NAME|name"]),
    "identity header without trusted proxy": (
        vhost("NanoMDMIdentity header:X-Client-Cert"),
        ["NanoMDMIdentity", "header:X-Client-Cert",
         "NanoMDMTrustedProxy"]),
    "identity header without trusted proxy in a Location": (
        {"extra_mdm": "NanoMDMIdentity header:X-Client-Cert"},
        ["NanoMDMIdentity", "header:X-Client-Cert",
         "NanoMDMTrustedProxy"]),
    "no identity source": (
        vhost("NanoMDMIdentity"), ["NanoMDMIdentity"]),
    "trusted proxy that is a name": (
        vhost("NanoMDMTrustedProxy proxy.example.com"),
        ["NanoMDMTrustedProxy", "proxy.example.com"]),
    "trusted proxy with a bad mask": (
        vhost("NanoMDMTrustedProxy 127.0.0.1 10.0.0.0/33"),
        ["NanoMDMTrustedProxy", "10.0.0.0/33"]),
    "trusted proxy with a bad address": (
        vhost("NanoMDMTrustedProxy 10.0.0.300/8"),
        ["NanoMDMTrustedProxy", "10.0.0.300/8"]),
    "Retroactive maybe": (
        vhost("NanoMDMRetroactive maybe"),
        ["NanoMDMRetroactive", "On or Off"]),
    "UserAuthenticate nonsense": (
        vhost("NanoMDMUserAuthenticate accept"),
        ["NanoMDMUserAuthenticate", "accept", "decline",
         "empty-challenge"]),
    "DeleteCommands nonsense": (
        vhost("NanoMDMDeleteCommands 2"),
        ["NanoMDMDeleteCommands", "On or Off"]),
    "LastSeen nonsense": (
        vhost("NanoMDMLastSeen later"),
        ["NanoMDMLastSeen", "later", "buffered", "immediate"]),
    "Schema nonsense": (
        vhost("NanoMDMSchema drop"),
        ["NanoMDMSchema", "drop", "auto", "check"]),
    "table prefix with a quote": (
        vhost("NanoMDMTablePrefix \"x'\""),
        ["NanoMDMTablePrefix", "x'"]),
    "table prefix with a semicolon": (
        vhost("NanoMDMTablePrefix \"x; DROP TABLE devices\""),
        ["NanoMDMTablePrefix", "x; DROP"]),
    "table prefix with a blank": (
        vhost('NanoMDMTablePrefix "nano mdm"'),
        ["NanoMDMTablePrefix", "nano mdm"]),
    "table prefix with a percent sign": (
        vhost('NanoMDMTablePrefix "nano%s"'),
        ["NanoMDMTablePrefix", "nano%s"]),
    "long table prefix": (
        vhost("NanoMDMTablePrefix " + "n" * 64),
        ["NanoMDMTablePrefix", "n" * 64]),
    "MaxBody 0": (
        vhost("NanoMDMMaxBody 0"), ["NanoMDMMaxBody", r"\b0\b"]),
    "another association": (
        vhost("NanoMDMAssociation newest"),
        ["NanoMDMAssociation", "newest", "write all or latest"]),
    "negative MaxBody": (
        vhost("NanoMDMMaxBody -1"), ["NanoMDMMaxBody", "-1"]),
    "MaxBody in words": (
        vhost("NanoMDMMaxBody many"), ["NanoMDMMaxBody", "many"]),
    "MaxBody with a unit": (
        vhost("NanoMDMMaxBody 32M"), ["NanoMDMMaxBody", "32M"]),
    "MaxBody beyond all numbers": (
        vhost("NanoMDMMaxBody 99999999999999999999"),
        ["NanoMDMMaxBody", "99999999999999999999"]),
    "dump into a folder": (
        vhost("NanoMDMDump {folder}"), ["NanoMDMDump", "folder", "a file"]),
    "dump into a folder that is not there": (
        vhost("NanoMDMDump {folder}/nowhere/dump"),
        ["NanoMDMDump", "nowhere/dump", "make it"]),
    "dump into a program": (
        vhost('NanoMDMDump "|cat"'), ["NanoMDMDump", r"\|cat", "a file"]),
    "dump with a word too many": (
        vhost("NanoMDMDump {folder}/dump all"),
        ["NanoMDMDump", '"all"', "secrets"]),
    **{f"rate limit {words}": (
        vhost(f"NanoMDMRateLimit {words}"),
        ["NanoMDMRateLimit", re.escape(wrong), remedy])
       for words, wrong, remedy in (
           ("10", "10", "such as 10/s"), ("fast", "fast", "such as 10/s"),
           ("0/s", "0/s", "from 1"), ("-1/s", "-1/s", "from 1"),
           ("1001/s", "1001/s", "to 1000"), ("10/d", "10/d", "/h"),
           ("99999999999999999999/s", "99999999999999999999/s", "to 1000"),
           ("10/s 0", '"0"', "at once"), ("10/s all", "all", "at once"),
           ("10/s 100001", "100001", "at once"),
           ("10/s 5x", "5x", "at once"), ("Off 5", "5", "Off"))},
    "API key file that is not there": (
        api_key("file:{folder}/nowhere.key"),
        ["NanoMDMAPIKey", "nowhere.key"]),
    "empty API key file": (
        api_key("file:{folder}/empty.key", empty_key=""),
        ["NanoMDMAPIKey", "empty.key", "empty"]),
    "API key file with a newline alone": (
        api_key("file:{folder}/blank.key", blank_key="\n"),
        ["NanoMDMAPIKey", "blank.key", "empty|no secret"]),
    "API key file without a name": (
        api_key("file:"), ["NanoMDMAPIKey", "file:"]),
    "storage key that is no key": (
        storage_key(SECRET), ["NanoMDMStorageKey", "openssl rand -hex 32"]),
    "storage key of 31 bytes in a file": (
        storage_key("file:{folder}/short.key", short_key="ab" * 31),
        ["NanoMDMStorageKey", "short.key", "openssl rand -hex 32"]),
    "storage key file that is not there": (
        storage_key("off file:{folder}/nowhere.key"),
        ["NanoMDMStorageKey", "nowhere.key"]),
    "second storage key that is no key": (
        storage_key(f"{STORAGE_KEY} secret"), ["NanoMDMStorageKey", "32"]),
    "storage key without a word": (
        storage_key(""), ["NanoMDMStorageKey", "file:PATH"]),
    "off behind a storage key": (
        storage_key(f"{STORAGE_KEY} off"), ["NanoMDMStorageKey", '"off"']),
    "two lines of storage keys": (
        {"extra_server": f"NanoMDMStorageKey {STORAGE_KEY}\n"
         f"NanoMDMStorageKey {STORAGE_KEY}"},
        ["NanoMDMStorageKey", "second line"]),
    "storage keys that differ": (
        {"extra_server": f"NanoMDMStorageKey {STORAGE_KEY}",
         "replace": {"tls": TLS + "NanoMDMStorageKey off\n"}},
        ["NMDM0016", "NanoMDMStorageKey", "virtual hosts"]),
    "API key from an unset variable": (
        api_key("env:NANOMDM_NO_SUCH_KEY"),
        ["NanoMDMAPIKey", "NANOMDM_NO_SUCH_KEY"]),
    "API key from a nameless variable": (
        api_key("env:"), ["NanoMDMAPIKey", "env:"]),
    "empty API key": (
        api_key('""'), ["NanoMDMAPIKey", "file:PATH"]),
    "API key for a Location": (
        {"extra_mdm": f"NanoMDMAPIKey {SECRET}"},
        ["NanoMDMAPIKey", "Location"]),
    "provider without API key": (
        {"without": ["api_key"]}, ["AuthBasicProvider", "NanoMDMAPIKey"]),
    "no DBDriver": (
        database(POOL), ["DBDriver"]),
    "DBDPersist Off": (
        database(SQLITE + POOL.replace("Persist On", "Persist Off")),
        ["DBDPersist", "On"]),
    "DBDMax below the threads": (
        database(SQLITE + POOL.replace("10", "9")),
        ["DBDMax", r"\b9\b", r"\b10\b"]),
    "pgsql without connect_timeout": (
        database(dbd("pgsql", PGSQL)),
        ["DBDParams", r"connect_timeout=\d"]),
    "mysql without reconnect=0": (
        database(dbd("mysql", MYSQL + ",flags=CLIENT_FOUND_ROWS")),
        ["DBDParams", "reconnect=0"]),
    "mysql with reconnect=1": (
        database(dbd("mysql", MYSQL + ",reconnect=1"
                     ",flags=CLIENT_FOUND_ROWS")),
        ["DBDParams", "reconnect=0"]),
    "mysql without CLIENT_FOUND_ROWS": (
        database(dbd("mysql", MYSQL + ",reconnect=0")),
        ["DBDParams", "flags=CLIENT_FOUND_ROWS"]),
    "SSLVerifyClient in the device Location": (
        {"extra_mdm": "SSLVerifyClient optional_no_ca"},
        ["SSLVerifyClient optional_no_ca", "VirtualHost|virtual host"]),
    "TLS without SSLVerifyClient": (
        tls(TLS.replace("SSLVerifyClient optional_no_ca\n", "")),
        ["SSLVerifyClient", "optional_no_ca"]),
    "TLS with SSLVerifyClient none": (
        tls(TLS.replace("optional_no_ca", "none")),
        ["SSLVerifyClient", "optional_no_ca"]),
    "prefork": (
        {"mpm": "prefork"}, ["prefork", "mpm_event|event"]),
}


@pytest.mark.parametrize("options, patterns", WRONG.values(), ids=WRONG)
def test_k1_wrong_configuration_is_refused(httpd, options, patterns):
    """K1, K4"""
    server = httpd(start=False, **options)
    status, said = server.configtest()
    assert status != 0, said
    assert "Syntax OK" not in said
    for pattern in patterns:
        assert re.search(pattern, said), (pattern, said)
    assert SECRET not in said and STORAGE_KEY not in said


def test_k1_refused_configuration_does_not_start(httpd):
    """K1: the same check guards the start itself."""
    server = httpd(start=False, **ca_file("empty.pem", ""))
    with pytest.raises(RuntimeError, match="NanoMDMCACertificateFile"):
        server.start()


def test_prefork_does_not_start_and_says_why(httpd):
    """Platform facts 54"""
    server = httpd(start=False, mpm="prefork")
    with pytest.raises(RuntimeError, match="prefork"):
        server.start()


@pytest.mark.parametrize("kind", ["key", "certificate"])
def test_refusal_does_not_quote_secrets(httpd, kind):
    """A key in the wrong place must not get into a terminal's log."""
    key = certs.root("x").key_pem
    options = {"key": ca_file("key.pem", key), "certificate": api_key(
        f"{SECRET} one-word-too-many")}[kind]
    status, said = httpd(start=False, **options).configtest()
    assert status != 0
    assert SECRET not in said
    assert key.decode().splitlines()[1] not in said


# -- what is right ----------------------------------------------------

# The configuration contract's smallest one, word for word but paths.
SMALLEST = """\
DBDriver sqlite3
DBDParams {folder}/db/nanomdm.db

<VirtualHost *:{tls_port}>
    SSLEngine on
    SSLCertificateFile {folder}/server.pem
    SSLVerifyClient optional_no_ca
    NanoMDMCACertificateFile {folder}/device-ca.pem
    NanoMDMAPIKey file:{folder}/api.key

    <Location "/mdm">
        SetHandler nanomdm
    </Location>
    <Location "/v1">
        SetHandler nanomdm-api
        AuthType Basic
        AuthName nanomdm
        AuthBasicProvider nanomdm
        Require valid-user
    </Location>
    <Location "/version">
        SetHandler nanomdm-version
    </Location>
</VirtualHost>
"""

# httpd's own default.
STOCK_THREADS = 25


@pytest.fixture
def contract(httpd, expect_log):
    """A server with the contract's smallest configuration."""
    server = httpd(start=False, without=["plain"])
    (server.folder / "db").mkdir()
    shutil.chown(server.folder / "db", "www-data", "www-data")
    size = {**server.size, "threads": STOCK_THREADS,
            "workers": 2 * STOCK_THREADS}
    places = {"folder": server.folder, "port": server.port,
              "tls_port": server.tls_port, **size}
    server.conf.write_text(
        server.load_modules()
        + "".join(part.format(**places)
                  for part in (BASE, THREADED_MPM, SMALLEST)))
    expect_log(r"NMDM\d{4}: DBDMax is not set", optional=True)
    expect_log("ssl:warn.*Session Cache is not configured", optional=True)
    return server


def test_smallest_configuration_passes(contract):
    """The contract's first page, with httpd's default threads and
    without a word about the pool."""
    status, said = contract.configtest()
    assert (status, said.splitlines()[-1]) == (0, "Syntax OK")


def test_smallest_configuration_serves(contract, device):
    contract.start()
    mac = device(contract).enroll()
    operator = Operator(contract)
    uuid, plist = command()
    assert operator.enqueue(mac.id, plist).status == 200
    assert mac.idle().body == plist
    assert_empty(mac.acknowledge(uuid))
    operator.close()


EVERY = """\
NanoMDMIntermediateCertificateFile {folder}/middle.pem
NanoMDMIdentity tls signature header:X-Client-Cert
NanoMDMTrustedProxy 127.0.0.1 10.0.0.0/8 ::1 2001:db8::/32
NanoMDMRetroactive On
NanoMDMAssociation latest
NanoMDMUserAuthenticate empty-challenge
NanoMDMDeleteCommands On
NanoMDMTablePrefix nano_
NanoMDMSchema auto
NanoMDMMaxBody 1048576
NanoMDMRateLimit 60/m 600
NanoMDMToken com.apple.maid {folder}/middle.pem
"""
EVERY_IN_LOCATION = """\
NanoMDMIdentity header:X-Other
NanoMDMTrustedProxy 192.0.2.0/24
NanoMDMRetroactive Off
NanoMDMAssociation all
NanoMDMUserAuthenticate decline
NanoMDMMaxBody 1
NanoMDMRateLimit Off
NanoMDMToken com.apple.maid {folder}/middle.pem
"""

RIGHT = {
    "every directive": {
        "extra_vhost": EVERY, "extra_mdm": EVERY_IN_LOCATION,
        "files": {"middle.pem": certs.root("x").pem}},
    "every directive in the server": {
        "extra_server": EVERY,
        "files": {"middle.pem": certs.root("x").pem}},
    "CA and key in the server": {
        "without": ["ca", "api_key"],
        "extra_server": "NanoMDMCACertificateFile {folder}/ca.pem\n"
        "NanoMDMAPIKey literal", "files": {"ca.pem": certs.root("x").pem}},
    "CA file with text and a chain": ca_file("several.pem", (
        b"Subject: first\n" + certs.root("x").pem + b"\n# next\n"
        + certs.root("y").pem)),
    "literal key": api_key(SECRET),
    "literal storage key": storage_key(STORAGE_KEY),
    "storage keys of a file and a variable": storage_key(
        "file:{folder}/my.key env:NANOMDM_TEST_STORAGE_KEY",
        my_key="WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo=\n"),
    "no storage key any more": storage_key(f"off {STORAGE_KEY}"),
    "no storage key at all": storage_key("off"),
    "key of a variable": api_key("env:NANOMDM_TEST_KEY"),
    "key of a file": api_key("file:{folder}/my.key", my_key=SECRET),
    "no API at all": {"without": ["api", "api_key"]},
    "key that no Location uses": {"without": ["api"]},
    "other provider, no key": {
        "without": ["api_key"], "modules": ["authn_file"],
        "replace": {"api": API_WITHOUT_PROVIDER}},
    "no device URL, no CA": {"without": ["mdm", "ca"]},
    "separate check-in URL": {"replace": {"mdm": """\
<Location "/mdm">
    SetHandler nanomdm-command
</Location>
<Location "/checkin">
    SetHandler nanomdm-checkin
</Location>
"""}},
    "TLS without client certificates, signature mode": {
        "replace": {"tls": TLS.replace(
            "SSLVerifyClient optional_no_ca\n", "")},
        "extra_vhost": "NanoMDMIdentity signature"},
    "TLS with SSLVerifyClient optional": {
        "replace": {"tls": TLS.replace("optional_no_ca", "optional")}},
    "worker": {"mpm": "worker"},
    "prefork, our module loaded but not used": {
        "mpm": "prefork",
        "without": ["mdm", "ca", "api", "api_key", "version"]},
    "pgsql": database(dbd("pgsql", PGSQL + " connect_timeout=2")),
    "mysql": database(dbd("mysql", MYSQL + ",reconnect=0"
                          ",flags=CLIENT_FOUND_ROWS")),
    "mysql with flags first": database(dbd(
        "mysql", "flags=CLIENT_FOUND_ROWS,reconnect=0," + MYSQL)),
    "mysql with semicolons": database(dbd(
        "mysql", (MYSQL + ",reconnect=0,flags=CLIENT_FOUND_ROWS")
        .replace(",", ";"))),
}


@pytest.mark.parametrize("options", RIGHT.values(), ids=RIGHT)
def test_right_configuration_passes(httpd, monkeypatch, options):
    monkeypatch.setenv("NANOMDM_TEST_KEY", SECRET)
    monkeypatch.setenv("NANOMDM_TEST_STORAGE_KEY", STORAGE_KEY)
    status, said = httpd(start=False, **options).configtest()
    assert (status, said.splitlines()[-1]) == (0, "Syntax OK"), said
    assert SECRET not in said and STORAGE_KEY not in said


# -- secrets ----------------------------------------------------------

@pytest.mark.parametrize("value", [
    "file:{folder}/my.key", "env:NANOMDM_TEST_KEY", SECRET])
def test_secret_opens_the_api_and_is_never_logged(
        httpd, monkeypatch, expect_log, value):
    """The key from a file (its newline is not part of it), from the
    environment, and as it stands; and silence about it at any level."""
    monkeypatch.setenv("NANOMDM_TEST_KEY", SECRET)
    server = httpd(extra_server="LogLevel nanomdm:trace8",
                   **api_key(value, my_key=SECRET + "\n"))
    expect_log("AH01617|Password Mismatch", optional=True)
    right = Operator(server, key=SECRET)
    wrong = Operator(server, key=SECRET + "x")
    assert right.call("GET", "/v1/pushcert").status == 400
    assert wrong.call("GET", "/v1/pushcert").status == 401
    right.close()
    wrong.close()
    log = server.error_log() + server.configtest()[1]
    assert SECRET not in log
    assert base64.b64encode(f"nanomdm:{SECRET}".encode()).decode() \
        not in log


@pytest.mark.parametrize("key, opens", [
    ("", False), ("two words", True), (" two words", False),
    ("two word", False)])
def test_secret_of_a_file_is_its_first_line(httpd, expect_log, key,
                                            opens):
    """A file's key may hold blanks; a wrong one never opens."""
    server = httpd(**api_key("file:{folder}/my.key",
                             my_key="two words\n"))
    expect_log("AH01617|Password Mismatch", optional=True)
    operator = Operator(server)
    token = base64.b64encode(f"nanomdm:{key}".encode()).decode()
    operator.authorization = ("Authorization", f"Basic {token}")
    answer = operator.call("GET", "/v1/pushcert")
    assert answer.status == (400 if opens else 401)
    operator.close()


def test_k2_no_api_location_no_api(httpd):
    """K2: nothing is active by merely loading the module."""
    server = httpd(without=["api", "api_key"])
    client = Client(server)
    for path in ("/v1/pushcert?topic=x", "/v1/enqueue/x", "/v1/push/x",
                 "/v1/escrowkeyunlock", "/migration"):
        assert client.raw("GET", path).status == 404
    assert client.raw("PUT", "/v1/pushcert", b"x").status in (404, 405)
    assert client.raw("GET", "/version").status == 200
    client.close()


def test_directives_are_not_for_htaccess(httpd, expect_log):
    """Write access to content must not change which proxy is trusted."""
    server = httpd(extra_vhost='<Directory "{folder}/htdocs">\n'
                   "AllowOverride All\n</Directory>")
    expect_log(r"\.htaccess: NanoMDMRetroactive not allowed here")
    (server.folder / "htdocs" / ".htaccess").write_text(
        "NanoMDMRetroactive On\n")
    client = Client(server)
    assert client.raw("GET", "/x").status == 500
    client.close()


def test_the_version_alone_needs_no_database(httpd):
    server = httpd(without=("database", "ca", "api_key", "mdm", "api"))
    assert Operator(server).version().status == 200


def test_virtual_hosts_without_directives_of_their_own_keep_apart(httpd,
                                                                  fresh_db):
    """What one of them has, such as its paths, is not that of the others."""
    server = httpd(fresh_db(), start=False, without=("ca", "api_key", "api"),
                   files={"ca.pem": certs.root("x").pem},
                   extra_server="NanoMDMCACertificateFile {folder}/ca.pem")
    server.conf.write_text(
        server.conf.read_text()
        + "<VirtualHost 127.0.0.1:*>\nServerName last\n"
        '<Location "/status">\nSetHandler nanomdm-status\n</Location>\n'
        "</VirtualHost>\n")
    server.start()
    client = Client(server)
    assert client.raw("PUT", "/mdm", b"x").status == 400
    assert client.raw("PUT", "/mdm/below", b"x").status == 404
    client.close()


@pytest.mark.parametrize("word, warns", [("On", True), ("on", True),
                                         ("Off", False)])
def test_proxy_protocol_beside_trusted_proxy(httpd, word, warns):
    """Trust goes by the TCP peer: behind a load balancer that passes
    connections on that is everybody."""
    server = httpd(start=False, modules=("remoteip",),
                   extra_vhost=f"RemoteIPProxyProtocol {word}\n"
                   "NanoMDMIdentity header:X-Client-Cert\n"
                   "NanoMDMTrustedProxy 127.0.0.1")
    status, said = server.configtest()
    assert status == 0, said
    assert ("NMDM0031" in said) == warns, said
