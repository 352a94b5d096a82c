# SPDX-License-Identifier: Apache-2.0
"""nanomdmctl doctor: each of the broken set-ups is named, with its remedy."""

import http.client
import http.server
import pathlib
import re
import shlex
import threading

import pytest

import ca as certs
from apns import Apns
from ctl import LOCATIONS, Ctl
from declarations import Declarations, test_declaration
from system import ROOT, free_port, run, wait_until

pytestmark = pytest.mark.one_database

SCEP = """\
NanoMDMIssuerCertificateFile {folder}/issuer.pem
NanoMDMIssuerKeyFile {folder}/issuer.key
<Location "/scep">
    SetHandler nanomdm-scep
    %s
</Location>
"""
TLS = """\
SSLEngine on
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLCertificateFile "{folder}/%s"
SSLVerifyClient %s
"""


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("issuer")
    run(ROOT / "tools/nmdm-ca.sh", folder, "Test MDM CA")
    return folder


@pytest.fixture(scope="module")
def apns():
    with Apns() as running:
        yield running


class Clinic:
    """A server that is well, but for what a test changes."""

    def __init__(self, httpd, database, folder, ca, issuer, apns):
        self.httpd, self.database, self.folder = httpd, database, folder
        self.ca, self.issuer, self.apns = ca, issuer, apns
        self.topic = certs.push_topic()
        self.server = None

    def make(self, *, scep="", ca=None, start=True, push=None, tls=None,
             more="", upload=True, key_mode=0o600, files=None, **options):
        pem = self.ca.pem + (self.issuer / "issuer.pem").read_bytes()
        replace = {"tls": tls} if tls else {}
        server = self.server = self.httpd(
            self.database, ca=pem if ca is None else ca, start=False,
            replace=replace, api_key="0123456789abcdef0123456789abcdef",
            extra_vhost=LOCATIONS + SCEP % scep
            + f"NanoMDMPushURL {push or self.apns.url}\n"
              "NanoMDMPushCACertificateFile {folder}/apns.pem\n" + more,
            files={"issuer.pem": (self.issuer / "issuer.pem").read_bytes(),
                   "issuer.key": (self.issuer / "issuer.key").read_bytes(),
                   "apns.pem": pathlib.Path(self.apns.ca_pem).read_bytes(),
                   **(files or {})}, **options)
        (server.folder / "issuer.key").chmod(key_mode)
        # What a sanitized module needs before httpd loads it.
        needed = [f"{name}={value}"
                  for name, value in server.environment().items()
                  if name in ("LD_PRELOAD", "ASAN_OPTIONS")]
        self.ctl = Ctl(server, self.folder, httpd=shlex.join(
            ["env", *needed, *server.command()]))
        if start:
            server.start()
        if start and upload:
            made = certs.push_certificate(self.topic)
            (self.folder / "push.pem").write_bytes(made.pem + made.key_pem)
            ran = self.ctl("pushcert", "upload", "--force",
                           self.folder / "push.pem")
            assert ran.status == 0, ran
        return self

    def doctor(self, *words):
        # As long as it runs, httpd's own test reads the same environment.
        environment = {name: value for name, value
                       in self.server.environment().items()
                       if name == "SSL_CERT_FILE"}
        return self.ctl("doctor", *words, **environment)

    def finding(self, subject, status=2):
        """The worst of that subject."""
        ran = self.doctor("--json")
        assert ran.status == status, ran
        found = [each for each in ran.json if each["subject"] == subject
                 and each["level"] in ("error", "warning")]
        assert found, ran
        assert all(each["remedy"] for each in found), ran
        return max(found, key=lambda each: each["level"] == "error")


@pytest.fixture
def clinic(httpd, fresh_db, tmp_path, ca, issuer, apns, expect_log):
    expect_log("nanomdm|ssl", optional=True)
    return Clinic(httpd, fresh_db(), tmp_path, ca, issuer, apns)


def test_all_is_well(clinic, device):
    clinic.make()
    device(clinic.server, topic=clinic.topic).enroll()
    ran = clinic.doctor()
    assert ran.status == 0 and "All is well." in ran.out, ran
    for subject in ("configuration", "CA match", "permissions",
                    "TLS certificate", "client certificate", "API",
                    "database", "clock", "push certificate", "topic", "APNs",
                    "SCEP"):
        assert re.search(rf"^ok +{subject}:", ran.out, re.M), ran
    assert clinic.doctor("--quiet").out.startswith("NANOMDM OK - ")
    assert "\033[" not in ran.out


# -- Ten and more that are not ----------------------------------------

def test_a_configuration_that_httpd_refuses(clinic):
    clinic.make(start=False, more="NanoMDMCACertificateFile /nowhere.pem\n")
    found = clinic.finding("configuration")
    assert "/nowhere.pem" in found["saw"]


def test_httpd_does_not_run(clinic):
    clinic.make(start=False)
    found = clinic.finding("connection")
    assert "refused" in found["saw"] and "start httpd" in found["remedy"]


@pytest.mark.parametrize("options, said", [
    ({"days": -1, "start": -9}, "expired"),
    ({"dns": "other.example"}, "another name|mismatch|doesn't match"),
])
def test_a_certificate_of_the_server_that_devices_refuse(clinic, options,
                                                         said):
    from server import server_authority
    bad = server_authority().issue("localhost", eku="server", **{
        "dns": "localhost", **options})
    clinic.make(tls=TLS % ("bad.pem", "optional_no_ca"),
                files={"bad.pem": bad.pem + bad.key_pem}, upload=False)
    found = clinic.finding("TLS certificate")
    assert re.search(said, found["saw"] + found["remedy"])


def test_a_certificate_of_the_server_by_an_unknown_ca(clinic):
    bad = certs.root("Unknown CA").issue("localhost", eku="server",
                                         dns="localhost")
    clinic.make(tls=TLS % ("bad.pem", "optional_no_ca"),
                files={"bad.pem": bad.pem + bad.key_pem}, upload=False)
    assert "whole chain" in clinic.finding("TLS certificate")["remedy"]


def test_devices_are_not_asked_for_their_certificate(clinic):
    clinic.make(tls=TLS % ("server.pem", "none"),
                more="NanoMDMIdentity tls signature\n")
    found = clinic.finding("client certificate")
    assert "SSLVerifyClient optional_no_ca" in found["remedy"]


def test_a_virtual_host_that_never_asks_for_certificates(clinic):
    """httpd does not start with it."""
    clinic.make(tls=TLS % ("server.pem", "none"), start=False)
    found = clinic.finding("configuration")
    assert found["level"] == "error" and "NMDM0011" in found["saw"]
    assert "SSLVerifyClient optional_no_ca" in found["remedy"]


def test_a_wrong_api_key(clinic):
    clinic.make()
    clinic.ctl.save(key="wrong")
    assert "NanoMDMAPIKey" in clinic.finding("API")["remedy"]


def test_an_issuer_whose_certificates_are_not_trusted(clinic):
    """httpd itself refuses to start."""
    clinic.make(ca=clinic.ca.pem, start=False)
    found = clinic.finding("configuration")
    assert found["level"] == "error"
    assert "NanoMDMCACertificateFile" in found["saw"] + found["remedy"]


def test_a_device_ca_that_has_expired(clinic):
    old = certs.root("Old CA", start=-90, days=-2)
    clinic.make(ca=clinic.ca.pem + old.pem
                + (clinic.issuer / "issuer.pem").read_bytes())
    found = clinic.finding("device CA")
    assert "Old CA" in found["saw"] and "expired 2 days ago" in found["saw"]


def test_no_push_certificate(clinic):
    clinic.make(upload=False)
    found = clinic.finding("push certificate")
    assert "nanomdmctl pushcert request" in found["remedy"]


@pytest.mark.parametrize("days, status, said", [
    (-1, 2, "expired"), (10, 1, "expires in")])
def test_a_push_certificate_that_ends(clinic, days, status, said):
    clinic.make(upload=False)
    made = certs.push_certificate(clinic.topic, days=days, start=-300)
    path = clinic.folder / "push.pem"
    path.write_bytes(made.pem + made.key_pem)
    assert clinic.ctl("pushcert", "upload", "--force", path).status == 0
    found = clinic.finding("push certificate", status)
    assert said in found["saw"] and "same Apple Account" in found["remedy"]


def test_devices_of_another_topic(clinic, device):
    clinic.make()
    mac = device(clinic.server, topic=certs.push_topic()).enroll()
    found = clinic.finding("topic")
    assert mac.id in found["saw"] and mac.topic in found["saw"]


def test_apns_is_not_reached(clinic):
    clinic.make(push=f"https://localhost:{free_port()}")
    found = clinic.finding("APNs")
    assert "port 443" in found["remedy"]


def test_something_between_opens_the_tls_of_apns(clinic):
    """A CA that is not the one of APNs."""
    clinic.make()
    (clinic.server.folder / "apns.pem").write_bytes(
        certs.root("Other").pem)
    assert "opens TLS" in clinic.finding("APNs")["remedy"]


def test_tables_are_missing(clinic):
    clinic.make()
    for table in ("cert_auth_associations", "enrollment_queue",
                  "command_results", "users", "enrollments"):
        clinic.database.execute(f"DROP TABLE {table}")
    ran = clinic.doctor("--json")
    assert ran.status == 2, ran
    (found,) = [each for each in ran.json if each["level"] == "error"]
    assert found["subject"] in ("database", "schema")
    assert "NMDM0803" in found["remedy"] or "NMDM0101" in found["remedy"]


def test_a_key_that_others_may_read(clinic):
    clinic.make()
    clinic.ctl.file.parent.joinpath("api.key").chmod(0o644)
    found = clinic.finding("permissions")
    assert "open to everybody" in found["saw"]
    assert "chmod 600" in found["remedy"]


def test_a_database_that_httpd_may_not_write(clinic, tmp_path):
    clinic.make()
    folder = tmp_path / "db"
    folder.mkdir(mode=0o755)
    clinic.ctl.save(database=folder / "nanomdm.db")
    found = clinic.finding("permissions")
    assert "not writable by www-data" in found["saw"]
    assert found["remedy"] == f"chown www-data {folder}"


@pytest.mark.parametrize("closed", [
    "AuthType Basic\nAuthName x\nAuthBasicProvider nanomdm\n"
    "Require valid-user", "Require ip 192.0.2.1"])
def test_scep_that_devices_may_not_ask(clinic, expect_log, closed):
    expect_log("AH01630", optional=True)
    clinic.make(scep=closed)
    found = clinic.finding("SCEP")
    assert "Require" in found["remedy"] and "devices" in found["saw"]


@pytest.mark.parametrize("more, saw, remedy", [
    ("RedirectMatch ^/mdm https://mdm.example.com/mdm\n",
     "/mdm: 302, it is not mod_nanomdm that answers", "SetHandler nanomdm"),
    ('<Location "/mdm">\nRequire ip 192.0.2.1\n</Location>\n',
     "/mdm: 500, devices are refused", "Require all granted")])
def test_a_device_url_that_does_not_serve_devices(clinic, expect_log, more,
                                                  saw, remedy):
    expect_log("AH01630", optional=True)
    clinic.make(more=more)
    found = clinic.finding("device URL")
    assert saw in found["saw"] and remedy in found["remedy"]


def test_a_device_url_where_nothing_is(clinic):
    clinic.make()
    url = clinic.ctl.settings["url"]
    clinic.ctl.save(**{"device-url": f"{url}/nowhere"})
    found = clinic.finding("device URL")
    assert "/nowhere: 404, it is not mod_nanomdm" in found["saw"]


def test_a_device_url_in_two_parts(clinic):
    clinic.make(more='<Location "/mdm">\nSetHandler nanomdm-command\n'
                     '</Location>\n<Location "/checkin">\n'
                     "SetHandler nanomdm-checkin\n</Location>\n")
    ran = clinic.doctor()
    assert ran.status == 0 and re.search(
        r"^ok +device URL: /mdm, /checkin answer", ran.out, re.M), ran


def test_webhooks_that_are_not_taken(clinic, device, expect_log):
    expect_log("NMDM15\\d\\d", optional=True)
    clinic.make(more=f"NanoMDMWebhookURL http://127.0.0.1:{free_port()}/\n")
    device(clinic.server, topic=clinic.topic).enroll()
    assert wait_until(lambda: clinic.doctor().status == 1)
    found = clinic.finding("webhooks", 1)
    assert "failed in the last hour" in found["saw"]
    assert "NanoMDMWebhookURL" in found["remedy"]


ENROLL = '<Location "/enroll">\nSetHandler nanomdm-enroll\n</Location>\n'


def test_profiles_are_given(clinic):
    clinic.make(more=ENROLL)
    ran = clinic.doctor()
    assert re.search(r"^ok +profiles: /enroll answers \(403", ran.out,
                     re.M), ran


@pytest.mark.parametrize("more, saw, remedy", [
    ('RedirectMatch 404 "^/enroll"\n', "nothing answers at /enroll",
     "something before this server"),
    ("NanoMDMEnrollOpen On\n", "/enroll: 503, no profile can be given",
     "NanoMDMEnrollTopic")])
def test_no_profile_is_given(clinic, more, saw, remedy):
    """By another's rule, or without a push certificate."""
    clinic.make(more=ENROLL + more, upload=False)
    found = clinic.finding("profiles")
    assert saw in found["saw"] and remedy in found["remedy"]


def test_the_token_of_a_set_is_not_that_of_its_declarations(clinic, device):
    """DDM-B5; as no change of ours leaves it."""
    clinic.make(more="NanoMDMDeclarativeManagement builtin\n"
                     "NanoMDMDeclarativeManagementNotify none\n")
    mac = device(clinic.server, topic=clinic.topic).enroll()
    api = Declarations(clinic.server)
    for name in ("one", "two"):
        assert api.put(test_declaration(name)) == 204
        assert api.add(f"set {name}", name) == 204
    assert api.assign(mac.id, "set one", "set two") == [204, 204]
    ran = clinic.doctor()
    assert re.search(r"^ok +declarations: the tokens of 2 sets", ran.out,
                     re.M), ran
    for token in ("other", ""):
        clinic.database.execute("UPDATE nanomdm_dd_sets SET token = %s"
                                " WHERE set_name = 'set two'", token)
        found = clinic.finding("declarations")
        assert f"{mac.id} (set one, set two)" in found["saw"]
        assert "touch" in found["remedy"]
    assert api.touch("two") == 204
    assert clinic.doctor().status == 0
    api.close()


def test_a_clock_that_is_off(clinic):
    """What stands before the server says another time; httpd itself does not
    let a header of that name be set."""
    clinic.make()
    inside = clinic.server

    class Late(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asking = http.client.HTTPConnection("127.0.0.1", inside.port)
            asking.request("GET", self.path, headers=dict(self.headers))
            answer = asking.getresponse()
            self.send_response(answer.status)
            body = answer.read()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            asking.close()

        def date_time_string(self, timestamp=None):
            return "Mon, 01 Jan 2024 00:00:00 GMT"

        def log_message(self, *_):
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Late) as late:
        threading.Thread(target=late.serve_forever, daemon=True).start()
        clinic.ctl.save(url=f"http://localhost:{late.server_port}")
        ran = clinic.doctor("--json")
        late.shutdown()
    (found,) = [each for each in ran.json if each["subject"] == "clock"]
    assert found["level"] == "error" and "differ by" in found["saw"], ran
    assert "timesyncd" in found["remedy"]


def test_no_status_page_is_a_warning(clinic):
    clinic.make()
    clinic.ctl.save(status="/nowhere")
    found = clinic.finding("status", 1)
    assert "SetHandler nanomdm-status" in found["remedy"]


def test_nobody_to_ask(tmp_path, clinic):
    clinic.make(start=False)
    clinic.ctl.file.write_text("httpd = /nowhere/httpd\n")
    assert clinic.doctor().status in (2, 3)


def test_it_speaks_as_plugins_of_nagios_do(clinic):
    clinic.make(upload=False)
    ran = clinic.doctor("--quiet", "--no-apns")
    assert ran.status == 2
    assert re.fullmatch(r"NANOMDM CRITICAL - push certificate: none .*\n",
                        ran.out)
