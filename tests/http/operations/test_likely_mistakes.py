# SPDX-License-Identifier: Apache-2.0
"""What configtest says to a configuration that was likely meant otherwise."""

import os

import pytest

import ca as certs

pytestmark = pytest.mark.one_database

MDM = '<Location "{path}">\n    SetHandler {handler}\n</Location>\n'
PGSQL = ("DBDriver pgsql\nDBDParams \"{params}\"\nDBDPersist On\n"
         "DBDMin 10\nDBDKeep 10\nDBDMax 10\n")


def configtest(httpd, **options):
    status, said = httpd(start=False, **options).configtest()
    return status == 0, said


@pytest.mark.parametrize("handler", [
    "nanomd", "nanomdm_api", "NanoMDM", "nanomdm-checkins", "nanomdm-versio",
    "nanodmd-api", "nanomdm-xyz"])
def test_a_misspelt_handler(httpd, handler):
    good, said = configtest(httpd, extra_vhost=MDM.format(
        path="/x", handler=handler))
    assert not good
    assert "NMDM0019" in said and f'"{handler}" is no handler' in said
    assert "write: SetHandler nanomdm" in said and "httpd.conf:" in said


@pytest.mark.parametrize("handler", ["server-status", "cgi-script",
                                     "proxy:http://nanomdm/", "none"])
def test_handlers_of_others(httpd, handler):
    good, said = configtest(httpd, extra_vhost=MDM.format(
        path="/x", handler=handler))
    assert good and "NMDM0019" not in said, said


@pytest.mark.parametrize("handler", ["nanomdm", "nanomdm-checkin",
                                     "nanomdm-command"])
def test_a_slash_at_the_end_of_a_device_location(httpd, handler):
    good, said = configtest(httpd, extra_vhost=MDM.format(
        path="/mdm2/", handler=handler))
    assert not good
    assert "NMDM0029" in said and 'write: <Location "/mdm2">' in said


@pytest.mark.parametrize("word", ["require", "optional"])
def test_verification_without_a_ca(httpd, word):
    _, said = configtest(httpd, extra_vhost=f"SSLVerifyClient {word}")
    assert "NMDM0030" in said
    assert "write: SSLVerifyClient optional_no_ca" in said


def test_dbdkeep_above_dbdmax(httpd):
    good, said = configtest(httpd, extra_server="DBDKeep 30\nDBDMax 20\n")
    assert not good
    assert "NMDM0023" in said and "write: DBDKeep 20" in said


def test_a_url_of_nanomdms_as_dbdparams(httpd):
    good, said = configtest(httpd, replace={"database": PGSQL.format(
        params="postgres://nano:s3cret@db.example:5433/mdm?sslmode=disable")})
    assert not good and "NMDM0024" in said
    assert ("host=db.example port=5433 dbname=mdm user=nano password=..."
            " connect_timeout=2") in said
    assert "s3cret" not in said


def test_a_dsn_of_nanomdms_as_dbdparams(httpd):
    good, said = configtest(httpd, replace={"database": PGSQL.replace(
        "pgsql", "mysql").format(params="nano:s3cret@tcp(127.0.0.1:3306)/m")})
    assert not good and "NMDM0028" in said and "s3cret" not in said


def test_a_dm_url_without_a_slash(httpd):
    good, said = configtest(httpd, extra_vhost="NanoMDMDeclarativeManagement"
                            "URL http://localhost/dm?a=b")
    assert good and "NMDM0025" in said
    assert "write: NanoMDMDeclarativeManagementURL http://localhost/dm/?a=b" \
        in said


@pytest.mark.parametrize("handler", ["nanomdm-api", "nanomdm-migration"])
def test_an_api_without_require(httpd, handler):
    good, said = configtest(httpd, extra_vhost=MDM.format(
        path="/unprotected", handler=handler))
    assert good and "NMDM0026" in said and "Require valid-user" in said
    good, said = configtest(httpd)
    assert good and "NMDM0026" not in said


@pytest.mark.parametrize("section", [
    '<LocationMatch "^/(open|status)(/|$)">', '<LocationMatch "^/open/">',
    '<Location ~ "^/op(?>en)">', '<Location "/op*">', '<Location "/open">'])
def test_an_api_that_another_section_protects(httpd, section):
    end = section.split()[0].replace("<", "</") + ">"
    section = f"{section}\n    Require valid-user\n{end}\n"
    good, said = configtest(httpd, extra_vhost=section + MDM.format(
        path="/open", handler="nanomdm-api"))
    assert good and "NMDM0026" not in said, said
    good, said = configtest(httpd, extra_vhost=section + MDM.format(
        path="/elsewhere", handler="nanomdm-api"))
    assert good and "NMDM0026" in said, said


def test_a_folder_that_is_not_there(httpd):
    good, said = configtest(httpd, replace={
        "database": "DBDriver sqlite3\nDBDParams /no/such/folder/n.db\n"
                    "DBDMin 10\nDBDKeep 10\nDBDMax 10\n"})
    assert good and "NMDM0027" in said and "install -d" in said


SQLITE = ("DBDriver sqlite3\nDBDParams \"{path}\"\nDBDMin 10\nDBDKeep 10\n"
          "DBDMax 10\n")


@pytest.mark.parametrize("path, mode, tag, said", [
    ("{folder}/mine/n.db", 0o755, "NMDM0041", "may not write to the folder"),
    ("{folder}/mine/n.db", 0o700, "NMDM0041", "install -d -o www-data"),
    ("{folder}/mine/in/n.db", 0o700, "NMDM0040", "may not go through"),
    ("{folder}/mine/n.db-wal", 0o777, "NMDM0042", "write: chown www-data:"),
    ("{folder}/none/n.db", 0o777, "NMDM0027", "write: install -d -o www-data"),
    ("n.db", 0o777, "NMDM0043", "no absolute path"),
    (":memory:", 0o777, "NMDM0043", "no absolute path"),
    ("{folder}/mine/n.db", 0o777, None, "Syntax OK"),
])
def test_a_database_file_that_httpd_cannot_keep(httpd, path, mode, tag, said):
    server = httpd(start=False, replace={
        "database": SQLITE.format(path=path.replace(".db-wal", ".db"))})
    folder = server.folder / "mine"
    (folder / "in").mkdir(parents=True)
    (folder / "in").chmod(0o777)
    if "-wal" in path:
        (folder / "n.db-wal").touch(0o600)
    folder.chmod(mode)
    if os.geteuid():
        pytest.skip("only root hands its files to httpd's user")
    status, text = server.configtest()
    assert status == 0 and said in text, text
    assert tag in text if tag else "NMDM004" not in text, text


@pytest.mark.parametrize("directive", ["NanoMDMCACertificateFile",
                                       "NanoMDMIntermediateCertificateFile"])
def test_a_ca_file_without_a_ca(httpd, ca, directive):
    files = {"leaf.pem": ca.issue().pem, "both.pem": ca.issue().pem + ca.pem}
    ours = {} if "Inter" in directive else {"without": ["ca"]}
    for name in files:
        good, said = configtest(
            httpd, extra_vhost=f"{directive} {{folder}}/{name}", files=files,
            **ours)
        assert good
        assert ("NMDM0046" in said) == (name == "leaf.pem"), said
    assert f"{directive} and the path" in said or name == "both.pem"


@pytest.mark.parametrize("pem, said", [
    (lambda one: one.key_pem, "no certificate in it, but a private key"),
    (lambda one: one.cert.public_bytes(certs.serialization.Encoding.DER),
     "openssl x509 -inform DER -in"),
    (lambda one: b"", "it is empty"),
    (None, "it is a folder"),
])
def test_a_ca_file_of_another_kind(httpd, ca, pem, said):
    good, text = configtest(
        httpd, without=["ca"], files={"x": pem(ca.issue()) if pem else b""},
        extra_vhost="NanoMDMCACertificateFile {folder}/"
                    + ("x" if pem else "htdocs"))
    assert not good and said in text, text


def test_what_several_hosts_lack_is_said_once(httpd):
    """With the places of all."""
    good, said = configtest(httpd, without=["ca"])
    assert not good and said.count("NMDM0009") == 1
    line, = [line for line in said.splitlines() if "NMDM0009" in line]
    assert line.count("httpd.conf:") == 2
    good, said = configtest(httpd, extra_server="DBDPersist Off")
    assert not good and said.count("NMDM0007") == 1


@pytest.mark.parametrize("lines, said", [
    ("DBDMin 20\nDBDKeep 10\nDBDMax 10\n", "DBDMin 20 is above DBDKeep 10"),
    ("DBDMin 20\nDBDKeep 20\nDBDMax 10\n", "DBDKeep 20 is above DBDMax 10"),
])
def test_numbers_of_connections_that_contradict(httpd, lines, said):
    good, text = configtest(httpd, extra_server=lines)
    assert not good and "NMDM0023" in text and said in text


@pytest.mark.parametrize("driver, params, tag", [
    ("pgsql", "host=x,dbname=y,connect_timeout=2", "NMDM0044"),
    ("pgsql", "host=x;dbname=y;connect_timeout=2", "NMDM0044"),
    ("pgsql", "host=x dbname=y pass=z connect_timeout=2", "NMDM0045"),
    ("mysql", "host=x,database=y,user=z,reconnect=0,flags=CLIENT_FOUND_ROWS",
     "NMDM0045"),
    ("mysql", "host=x,dbname=y,password=z,reconnect=0,"
     "flags=CLIENT_FOUND_ROWS", "NMDM0045"),
    ("pgsql", "host=/run/a,/run/b dbname=y connect_timeout=2", None),
    ("pgsql", "host=a,b dbname=y connect_timeout=2 sslmode=require", None),
    ("mysql", "host=x,dbname=y,user=z,pass=a,reconnect=0,"
     "flags=CLIENT_FOUND_ROWS", None),
])
def test_parts_of_dbdparams(httpd, driver, params, tag):
    _, said = configtest(httpd, replace={"database": PGSQL.replace(
        "pgsql", driver).format(params=params)})
    assert tag in said if tag else "NMDM004" not in said, said


@pytest.mark.parametrize("line, needs", [
    ("NanoMDMWebhookDelivery durable", "NanoMDMWebhookURL https://h/x"),
    ("NanoMDMWebhookTopics mdm.Connect", "NanoMDMWebhook https://h/x"),
    ("nanomdmwebhookredact On", "NanoMDMWebhookURL https://h/x"),
    ("NanoMDMWebhookKey 0123456789abcdef", "NanoMDMWebhookURL https://h/x"),
    ("NanoMDMTrustedProxy 192.0.2.1", "NanoMDMIdentity tls header:X-Cert"),
    ("NanoMDMDeclarativeManagementSendKey 0123456789abcdef",
     "NanoMDMDeclarativeManagementURL https://h/x/"),
    ("NanoMDMDeclarativeManagementReceiveKey 0123456789abcdef",
     "NanoMDMDeclarativeManagement https://h/x/"),
    ("NanoMDMDeclarativeManagementShard On",
     "NanoMDMDeclarativeManagement builtin"),
    ("NanoMDMDeclarativeManagementLint refuse",
     "NanoMDMDeclarativeManagement builtin"),
])
def test_a_directive_that_lacks_another(httpd, line, needs):
    """In one virtual host and, as they hold for all hosts, outside."""
    name = line.split()[0]
    good, said = configtest(httpd, extra_vhost=line)
    assert good and said.count("NMDM0047") == 1, said
    assert name.lower() in said.lower() and "write also: NanoMDM" in said
    for where in ({"extra_vhost": f"{line}\n{needs}"},
                  {"extra_server": line, "extra_vhost": needs},
                  {"extra_server": needs, "extra_vhost": line}):
        good, said = configtest(httpd, **where)
        assert good and "NMDM0047" not in said, said


def test_an_additional_webhook_has_a_key_of_its_own(httpd):
    _, said = configtest(httpd, extra_vhost="NanoMDMWebhook https://h/x\n"
                                            "NanoMDMWebhookKey 0123456789abcdef")
    assert "NMDM0047" in said and "key=SECRET" in said


def test_what_one_virtual_host_has_another_lacks(httpd):
    """A URL in another virtual host does not serve this one."""
    _, said = configtest(httpd, extra_server="""
<VirtualHost 127.0.0.1:1>
    NanoMDMWebhookURL https://h/x
</VirtualHost>
<VirtualHost 127.0.0.1:2>
    NanoMDMWebhookTopics all
</VirtualHost>
""")
    assert said.count("NMDM0047") == 1 and "WebhookTopics" in said, said


def test_a_ca_and_no_handler(httpd):
    _, said = configtest(httpd, without=["mdm", "api", "version"])
    assert "NMDM0047" in said and 'SetHandler nanomdm in <Location "/mdm">' \
        in said


@pytest.mark.parametrize("handler", ["nanomdm-api", "nanomdm-status",
                                     "nanomdm-version", "nanomdm-health"])
def test_a_directive_of_devices_in_another_section(httpd, handler):
    section = """<Location "/x">
    SetHandler {}
    Require valid-user
    {}
</Location>
"""
    for line in ("NanoMDMWebhookURL https://h/x", "NanoMDMRetroactive On"):
        good, said = configtest(httpd, extra_vhost=section.format(handler,
                                                                  line))
        assert good and "NMDM0048" in said and handler in said, said
        good, said = configtest(httpd, extra_vhost=section.format(
            "nanomdm", line))
        assert good and "NMDM0048" not in said, said


def test_an_api_that_is_granted_to_all(httpd):
    good, said = configtest(httpd, extra_vhost="""<Location "/all">
    SetHandler nanomdm-api
    Require all granted
</Location>
""")
    assert good and "NMDM0026" in said and '"/all"' in said


@pytest.mark.parametrize("section", ['<Directory "/var/www">',
                                     '<Files "mdm">', '<FilesMatch "^mdm$">'])
def test_a_handler_in_a_section_of_files(httpd, section):
    good, said = configtest(httpd, extra_vhost=(
        f"{section}\n    SetHandler nanomdm\n</"
        f"{section[1:].split()[0]}>\n"))
    assert good and "NMDM0056" in said and "write it in <Location" in said


def test_a_handler_outside_of_sections(httpd):
    good, said = configtest(httpd, extra_vhost="SetHandler nanomdm\n")
    assert good and "NMDM0049" in said and "every URL" in said
    good, said = configtest(httpd, extra_vhost="""<IfModule ssl_module>
    <Location "/m">
        <IfModule ssl_module>
            SetHandler nanomdm
        </IfModule>
    </Location>
</IfModule>
""")
    assert good and "NMDM0049" not in said, said


@pytest.mark.parametrize("handler", ["nanomdm", "nanomdm-api"])
def test_addhandler(httpd, handler):
    good, said = configtest(httpd, extra_vhost=f"AddHandler {handler} .mdm")
    assert not good and "NMDM0050" in said
    assert f"write: SetHandler {handler} in <Location" in said


@pytest.mark.parametrize("line, tag, write", [
    ("KeepAlive Off", "NMDM0051", "KeepAlive On"),
    ("LimitRequestBody 1048576", "NMDM0052", "LimitRequestBody 33554432"),
    ("NanoMDMMaxBody 65536", "NMDM0052", "NanoMDMMaxBody 33554432"),
    ("RequestReadTimeout header=5 body=5", "NMDM0053", "body=30,MinRate=500"),
    ("RequestReadTimeout body=9,MinRate=500", "NMDM0053", "body=30"),
    ("Timeout 5", "NMDM0054", "Timeout 60"),
    ("KeepAlive On", None, None), ("LimitRequestBody 0", None, None),
    ("LimitRequestBody 33554432", None, None), ("Timeout 60", None, None),
    ("RequestReadTimeout body=10,MinRate=500", None, None),
    ("RequestReadTimeout handshake=5 header=10", None, None),
    ("RequestReadTimeout body=0", None, None),
])
def test_what_hurts_devices(httpd, line, tag, write):
    """In the virtual host; and outside, unless the host has its own."""
    good, said = configtest(httpd, extra_vhost=line, modules=["reqtimeout"])
    assert good
    if not tag:
        assert "NMDM005" not in said, said
        return
    assert said.count(tag) == 1 and "write: " in said and write in said, said
    _, said = configtest(httpd, extra_server=line, modules=["reqtimeout"])
    assert tag in said, said
    _, said = configtest(httpd, extra_server=line, extra_vhost=write
                         if not write.startswith("body") else
                         "RequestReadTimeout " + write,
                         modules=["reqtimeout"])
    assert tag not in said, said


def test_a_small_limit_that_devices_do_not_meet(httpd):
    _, said = configtest(httpd, extra_vhost="""LimitRequestBody 1000
<Location "/mdm">
    LimitRequestBody 33554432
</Location>
<Location "/v1">
    LimitRequestBody 1000
</Location>
""")
    assert "NMDM0052" not in said, said
    _, said = configtest(httpd, extra_vhost="""<Location "/">
    LimitRequestBody 1000
</Location>
""")
    assert "NMDM0052" in said, said


@pytest.mark.parametrize("words, is_told", [
    ("valid-user", True), ("user admin", True), ("all denied", True),
    ("all granted", False), ("ip 192.0.2.0/24", False),
    ("nanomdm-enrolled", False), ("expr true", False)])
def test_a_require_that_no_device_meets(httpd, words, is_told):
    good, said = configtest(httpd, extra_mdm=f"Require {words}")
    assert good and ("NMDM0055" in said) == is_told, said
