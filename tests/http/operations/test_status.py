# SPDX-License-Identifier: Apache-2.0
"""Handler nanomdm-status: the page, JSON, Prometheus, mod_status, and
-D DUMP_NANOMDM."""

import datetime
import html
import re
import subprocess
import urllib.parse
from uuid import uuid4

import pytest

import ca as certs
from device import Operator, command
from status_site import (HOSTILE, STATUS, figures, get, metrics, one_database,
                         page, watched)
from system import wait_until
from tables import insert
from test_enrollments import fill


# -- Who may look -----------------------------------------------------

@one_database
def test_from_this_host_without_a_password(watched):
    server, operator = watched
    operator.key = None
    assert "<h1>mod_nanomdm</h1>" in page(operator)
    assert get(operator, path="/private").status == 401
    key = Operator(server)
    assert key.call("GET", "/private").status == 200


@one_database
@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via"])
def test_not_through_a_proxy_on_this_host(watched, expect_log, header):
    _, operator = watched
    expect_log("NMDM1902", "error")
    answer = get(operator, headers={header: "192.0.2.7"})
    assert answer.status == 403
    assert answer.body == b"no authentication is configured for this URL\n"


@one_database
@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Client-IP"])
def test_remoteip_tells_of_a_proxy_on_this_host(httpd, fresh_db, expect_log,
                                                header):
    """It takes the header away that said from where the request comes."""
    server = httpd(fresh_db(), extra_vhost=STATUS, modules=("remoteip",),
                   extra_server=f"RemoteIPHeader {header}\n"
                                "RemoteIPInternalProxy 127.0.0.1")
    operator = Operator(server)
    operator.key = None
    expect_log("NMDM1902", "error")
    assert get(operator, headers={header: "192.0.2.9"}).status == 403
    assert get(operator).status == 200


@one_database
def test_methods(watched):
    _, operator = watched
    whole = get(operator)
    head = operator.raw("HEAD", "/status")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Type"] == whole.headers["Content-Type"]
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = operator.raw(method, "/status", b"")
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD"


# -- What it shows ----------------------------------------------------

def test_an_empty_server(watched):
    _, operator = watched
    out = figures(operator)
    assert out["version"] == operator.version().json["version"]
    assert out["database"]["answers"] is True
    assert 0 <= out["database"]["latency_seconds"] < 5
    assert out["enabled_enrollments"]["Device"] == {"number": 0,
                                                    "or_more": False}
    assert out["pending_commands"] == {"number": 0, "or_more": False}
    assert "oldest_pending" not in out
    assert out["push_certificates"] == []
    assert out["webhook_events_dead"] == {"number": 0, "or_more": False}
    assert "None is stored" in page(operator)
    samples = metrics(operator)
    assert samples["nanomdm_database_up"] == 1
    assert samples["nanomdm_pending_commands"] == 0


def test_what_is_enrolled_and_waits(watched, device):
    server, operator = watched
    fill(server.database, [f"D{i}" for i in range(7)])
    fill(server.database, ["off"], enabled=False)
    fill(server.database, ["S1", "S2"], type_="Shared iPad")
    operator.pushcert_put(certs.push_certificate())
    uuid, plist = command()
    assert operator.enqueue([f"D{i}" for i in range(5)],
                            plist).status == 200
    out = figures(operator)
    assert out["enabled_enrollments"]["Device"]["number"] == 7
    assert out["enabled_enrollments"]["Shared iPad"]["number"] == 2
    assert out["pending_commands"] == {"number": 5, "or_more": False}
    oldest = datetime.datetime.fromisoformat(
        out["oldest_pending"].replace("Z", "+00:00"))
    age = datetime.datetime.now(datetime.timezone.utc) - oldest
    assert abs(age.total_seconds()) < 60
    (cert,) = out["push_certificates"]
    assert cert["topic"] and cert["not_after"]
    samples = metrics(operator)
    assert samples['nanomdm_enrollments{type="Device"}'] == 7
    assert samples["nanomdm_pending_commands"] == 5
    text = page(operator)
    assert ">9</b>enabled enrollments" in text
    assert ">5</b>commands wait" in text
    assert " days left" in text and cert["topic"] in text


def test_beyond_the_bound_it_says_at_least(watched):
    server, operator = watched
    fill(server.database, [f"D{i:05}" for i in range(10500)])
    insert(server.database, "commands",
           ("command_uuid", "request_type", "command"),
           [("U", "Test", "<?xml")])
    for start in range(0, 10500, 500):
        insert(server.database, "enrollment_queue", ("id", "command_uuid"),
               [(f"D{i:05}", "U") for i in range(start, start + 500)])
    if server.database.kind == "pgsql":
        server.database.execute("ANALYZE enrollments")
    elif server.database.kind == "mysql":
        server.database.query("ANALYZE TABLE enrollments")
    out = figures(operator)
    assert out["enabled_enrollments"]["Device"] == {"number": 10000,
                                                    "or_more": True}
    assert out["pending_commands"] == {"number": 10000, "or_more": True}
    # What the database itself remembers may be out of date.
    estimate = out["enrollments_estimate"]
    assert 10000 <= estimate < 15000
    assert f"≈ {estimate:,}</b>enrollments" in page(operator)
    assert metrics(operator)["nanomdm_enrollments_estimate"] == estimate


def test_refused_pushes(watched):
    server, operator = watched
    ids = [f"R{i:02}" for i in range(25)] + [HOSTILE]
    fill(server.database, ids)
    insert(server.database, "nanomdm_pushes", ("id", "status", "reason"),
           [(id_, 410, "Unregistered") for id_ in ids])
    out = figures(operator)
    assert out["refused_pushes"] == {"number": 26, "or_more": False}
    text = page(operator)
    assert "Pushes refused: 26" in text
    assert len(re.findall(r'href="\?id=[^"]+"', text)) == 20
    assert metrics(operator)["nanomdm_refused_pushes"] == 26


def test_no_id_stands_in_what_machines_read(watched):
    server, operator = watched
    fill(server.database, ["THE-ID"])
    insert(server.database, "nanomdm_pushes", ("id", "status", "reason"),
           [("THE-ID", 410, "Unregistered")])
    assert b"THE-ID" not in get(operator, "?prometheus").body
    assert b"THE-ID" not in get(operator, "?json").body
    assert b"THE-ID" in get(operator).body


# -- One enrollment ---------------------------------------------------

def test_one_enrollment_and_its_story(watched, device):
    server, operator = watched
    mac = device(server)
    mac.authenticate()
    mac.token_update(UnlockToken=b"secret-unlock-token")
    done, plist = command("DeviceInformation")
    operator.enqueue(mac.id, plist)
    mac.idle()
    mac.acknowledge(done)
    waits, plist = command("ProfileList")
    operator.enqueue(mac.id, plist)
    text = page(operator, "?id=" + urllib.parse.quote(mac.id, safe=""))
    for part in (mac.id, mac.serial, "TokenUpdate", "answered Acknowledged",
                 done, waits, "DeviceInformation", "ProfileList",
                 "identity certificate associated", "last seen"):
        assert part in text, part
    assert b"secret-unlock-token".hex() not in text.lower()
    assert "BEGIN CERTIFICATE" not in text


def test_one_enrollment_as_json(watched, device):
    server, operator = watched
    mac = device(server)
    mac.authenticate()
    mac.token_update(UnlockToken=b"secret-unlock-token")
    done, plist = command("DeviceInformation")
    operator.enqueue(mac.id, plist)
    mac.idle()
    mac.acknowledge(done)
    waits, plist = command("ProfileList")
    operator.enqueue(mac.id, plist)
    mac.idle()
    mac.not_now(waits)
    answer = get(operator, f"?json&id={mac.id}")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    one = answer.json
    assert (one["id"], one["device_id"]) == (mac.id, mac.id)
    assert one["enabled"] is True and one["type"] == "Device"
    assert one["device"] == {"serial_number": mac.serial}
    assert one["token_update_tally"] == 1
    assert one["identity"]["not_after"]
    assert one["queue"]["pending"] == one["queue"]["not_now"] == 1
    (entry,) = one["queue"]["commands"]
    assert entry["command_uuid"] == waits and entry["status"] == "NotNow"
    whats = [moment["what"] for moment in one["moments"]]
    assert "answered Acknowledged" in whats and "TokenUpdate" in whats
    times = [moment["time"] for moment in one["moments"]]
    assert times == sorted(times, reverse=True)
    assert b"secret-unlock" not in answer.body
    user = mac.user()
    user.token_update()
    one = get(operator, f"?id={user.id}&json").json
    assert one["user"]["user_short_name"] == "alice"
    assert one["device_id"] == mac.id and "device" not in one
    user.close()


@one_database
def test_one_enrollment_as_json_that_nobody_has(watched):
    _, operator = watched
    for id_, status in (str(uuid4()), 404), ("%ff%fe", 400):
        answer = get(operator, f"?json&id={id_}")
        assert answer.status == status
        assert answer.json["error"]


def test_an_id_that_nobody_has(watched):
    _, operator = watched
    text = page(operator, "?id=" + urllib.parse.quote(HOSTILE), 404)
    assert html.escape("<script>", quote=False) in text
    page(operator, "?id=" + str(uuid4()), 404)
    page(operator, "?id=%ff%fe", 400)
    page(operator, "?id=")


def test_hostile_names_are_text(watched):
    server, operator = watched
    fill(server.database, [HOSTILE], serial=HOSTILE)
    insert(server.database, "nanomdm_pushes", ("id", "status", "reason"),
           [(HOSTILE, 400, HOSTILE)])
    text = page(operator)
    assert 'href="?id=%3cscript%3e' in text.lower()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;" in text
    one = page(operator, "?id=" + urllib.parse.quote(HOSTILE))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;" in one


# -- Without the database ---------------------------------------------

def test_a_database_that_is_away(httpd, private_db_server, fresh_db,
                                 expect_log):
    db_server = private_db_server()
    if db_server.kind == "sqlite3":
        pytest.skip("a file does not go away")
    server = httpd(fresh_db(db_server), extra_vhost=STATUS)
    operator = Operator(server)
    assert "does not answer" not in page(operator)
    db_server.kill()
    try:
        expect_log("NMDM0101|NMDM1501|NMDM0803")
        for pattern in (r"dbd:(error|crit).*(AH006\d\d|AH02655)",
                        r"nanomdm:error.*NMDM(0101|1501|1502|1508|0106)"):
            expect_log(pattern, optional=True)
        text = page(operator)
        assert "The database does not answer" in text
        assert figures(operator)["database"]["answers"] is False
        samples = metrics(operator)
        assert samples["nanomdm_database_up"] == 0
        assert "nanomdm_pending_commands" not in samples
        assert sum(samples[f'nanomdm_database_failures_total{{kind="{kind}"'
                           ',outcome="failed"}']
                   for kind in ("connection", "statement")) > 0
    finally:
        db_server.restart()


# -- mod_status -------------------------------------------------------

@one_database
def test_a_section_of_mod_status(httpd, fresh_db):
    server = httpd(fresh_db(), modules=("status",), extra_vhost="""
        <Location "/server-status">
            SetHandler server-status
        </Location>""")
    operator = Operator(server)
    assert operator.call("GET", "/v1/push/x").status
    text = operator.raw("GET", "/server-status?auto").body.decode()
    lines = dict(line.split(": ", 1) for line in text.splitlines()
                 if line.startswith("NanoMDM"))
    assert lines == {"NanoMDMCheckIns": "0", "NanoMDMReports": "0",
                     "NanoMDMCommandsDelivered": "0", "NanoMDMPushes": "0",
                     "NanoMDMWebhookEvents": "0",
                     "NanoMDMDatabaseFailures": "0", "NanoMDMLimited": "0",
                     "NanoMDMSeenLastHour": "0"}
    text = operator.raw("GET", "/server-status").body.decode()
    assert "<h2>mod_nanomdm " in text and "<dt>Check-ins: 0</dt>" in text


# -- -D DUMP_NANOMDM --------------------------------------------------

@one_database
def test_the_configuration_in_force_without_secrets(httpd, fresh_db):
    server = httpd(
        fresh_db(), start=False, api_key="TOP-SECRET-1",
        files={"token": b"TOP-SECRET-2"},
        extra_server="NanoMDMPushProxy http://proxy:3128\n"
        f"NanoMDMStorageKey {'5a' * 32} {'5b' * 32}",
        extra_vhost="""
            NanoMDMMaxBody 4711
            NanoMDMAssociation latest
            NanoMDMRateLimit 60/m
            NanoMDMWebhookURL https://u:TOP-SECRET-4@hooks.example.com/x
            NanoMDMWebhookKey TOP-SECRET-5
            NanoMDMDeclarativeManagementURL https://u:TOP-SECRET-6@dm/a/?k=1
            NanoMDMDeclarativeManagementSendKey TOP-SECRET-7
            NanoMDMToken com.apple.maid {folder}/token\n""" + STATUS,
        extra_mdm="NanoMDMRetroactive On")
    status, said = server.configtest()
    assert status == 0, said
    assert "Server localhost" not in said
    done = subprocess.run(server.command("-t", "-D", "DUMP_NANOMDM"),
                          env=server.environment(), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=True)
    said = done.stdout.decode()
    assert "TOP-SECRET" not in said
    assert "5a5a" not in said and "5b5b" not in said
    assert said.count("Server localhost:") == 2
    assert re.search(r"NanoMDMAPIKey +file:\S+/api.key$", said, re.M)
    assert re.search(r"NanoMDMStorageKey +2 keys, not shown$", said, re.M)
    assert re.search(r"NanoMDMPushProxy +http://proxy:3128", said)
    assert re.search(r"DeclarativeManagementURL +https://dm/a/$", said,
                     re.M)
    assert re.search(r"NanoMDMWebhookURL +https://hooks.example.com#\w{8}$",
                     said, re.M)
    assert re.search(r"NanoMDMWebhookKey +\(set; not shown\)$", said, re.M)
    assert re.search(r"NanoMDMToken +com.apple.maid \(set; not shown\)",
                     said)
    mdm = said.split("Location /mdm: nanomdm\n")[1].split("Location")[0]
    assert re.search(r"NanoMDMRetroactive +On", mdm)
    assert re.search(r"NanoMDMMaxBody +4711", mdm)
    assert re.search(r"NanoMDMAssociation +latest$", mdm, re.M)
    assert re.search(r"NanoMDMRateLimit +60/m 60$", mdm, re.M)
    assert "Location /v1: nanomdm-api\n" in said
    assert "Location /status: nanomdm-status\n" in said


@one_database
def test_a_tenant_counts_for_itself(httpd, fresh_db):
    """Virtual hosts of one database count together, others apart."""
    server = httpd(fresh_db(), extra_vhost=STATUS, start=False,
                   files={"b.pem": certs.root("x").pem})
    tenants = server.folder / "tenants"
    tenants.mkdir()
    tenants.chmod(0o777)
    server.conf.write_text(server.conf.read_text() + "".join(f"""
<VirtualHost 127.0.0.1:{server.port}>
    ServerName {name}.example
    DBDriver sqlite3
    DBDParams "{tenants}/{name}.db"
    NanoMDMSchema auto
    NanoMDMCACertificateFile "{server.folder}/b.pem"
    <Location "/mdm">
        SetHandler nanomdm
    </Location>
    <Location "/status">
        SetHandler nanomdm-status
    </Location>
</VirtualHost>
""" for name in ("b", "c")))
    server.start()
    operator = Operator(server, plain=True)

    def unread(host):
        answer = get(operator, "?json", headers=[("Host", host)])
        return answer.json["counters"]["unread"]["refused"]["total"]

    hosts = ("localhost", "b.example", "c.example")
    before = [unread(host) for host in hosts]
    for host, n in (("localhost", 2), ("b.example", 3)):
        for _ in range(n):
            assert operator.raw("PUT", "/mdm", b"x",
                                [("Host", host)]).status == 400
    assert wait_until(lambda: [unread(host) - old for host, old in zip(
        hosts, before)] == [2, 3, 0]), [unread(host) for host in hosts]
    operator.close()
