# SPDX-License-Identifier: Apache-2.0
"""contrib/: alert rules, dashboard, plugin and log pattern fit what a server
says."""

import json
import os
import re
import shutil
import subprocess

import pytest

import ca as certs
from device import Operator
from server import server_authority
from system import ROOT, wait_until

pytestmark = pytest.mark.one_database

CONTRIB = ROOT / "contrib"
STATUS = """\
<Location "/status">
    SetHandler nanomdm-status
</Location>
<Location "/health">
    SetHandler nanomdm-health
</Location>
"""
METRIC = re.compile(r"\bnanomdm_[a-z_]+")


@pytest.fixture
def site(httpd, fresh_db, device):
    server = httpd(fresh_db(), extra_vhost=STATUS)
    operator = Operator(server)
    operator.pushcert_put(certs.push_certificate())
    operator.close()
    device(server).enroll().idle()
    return server


@pytest.fixture
def metrics(site):
    operator = Operator(site)
    text = operator.raw("GET", "/status?prometheus").body.decode()
    operator.close()
    return text


def names(text):
    """Of samples."""
    return set(re.findall(r"^(nanomdm_[a-z_]+)[ {]", text, re.MULTILINE))


def run(*words, cwd=None, stdin=None, env=None):
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=env,
                          input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def test_rules_are_good_and_fire(metrics):
    rules = CONTRIB / "prometheus/nanomdm.rules.yml"
    status, said = run("promtool", "check", "rules", rules)
    assert status == 0, said
    status, said = run("promtool", "test", "rules",
                       "nanomdm.rules.test.yml", cwd=rules.parent)
    assert status == 0, said
    # An untested alert is none.
    alerts = set(re.findall(r"alert: (\w+)", rules.read_text()))
    tested = (CONTRIB / "prometheus/nanomdm.rules.test.yml").read_text()
    assert all(f'alertname="{alert}"' in tested for alert in alerts)


def test_promtool_accepts_the_metrics(metrics):
    status, said = run("promtool", "check", "metrics", stdin=metrics)
    assert status == 0 and not said, said


@pytest.mark.parametrize("path", ["prometheus/nanomdm.rules.yml",
                                  "grafana/nanomdm.json"])
def test_each_metric_exists(metrics, path):
    used = set(METRIC.findall((CONTRIB / path).read_text()))
    # Shown only where there is something to say.
    sometimes = {"nanomdm_oldest_pending_seconds",
                 "nanomdm_webhook_events_pending",
                 "nanomdm_webhook_events_dead"}
    assert used and used - names(metrics) - sometimes == set()


def test_labels_of_the_rules_exist(metrics):
    """A label value that no server has would never alert."""
    rules = (CONTRIB / "prometheus/nanomdm.rules.yml").read_text()
    for name, label, value in re.findall(r'(nanomdm_\w+){(\w+)!?="(\w+)"',
                                         rules):
        assert re.search(rf'^{name}{{.*{label}="{value}"', metrics, re.M), (
            name, label, value)


def test_dashboard_is_whole():
    board = json.loads((CONTRIB / "grafana/nanomdm.json").read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids)) >= 10
    assert all(panel["targets"] for panel in board["panels"])


def test_nagios(site, tmp_path, expect_log):
    expect_log("NMDM0101", "no such table")
    expect_log("NMDM1502", "no such table", optional=True)
    # Of a connection that is opened only then.
    expect_log("NMDM0803", "no such table", optional=True)
    ca = tmp_path / "ca.pem"
    ca.write_bytes(server_authority().pem)
    plugin = CONTRIB / "nagios/check_nanomdm"
    url = f"https://localhost:{site.tls_port}"
    status, said = run(plugin, "-c", ca, f"{url}/health")
    assert status == 0 and re.fullmatch(
        r"NANOMDM OK - devices are served \| time=[\d.]+s\n", said)
    assert run(plugin, "-c", ca, f"{url}/nothing")[0] == 3
    assert run(plugin, f"{url}/health")[0] == 2      # not trusted
    assert run(plugin)[0] == 3
    site.database.execute("DROP TABLE enrollments")
    status, said = run(plugin, "-c", ca, f"{url}/health")
    assert status == 2 and "CRITICAL" in said
    site.stop()
    status, said = run(plugin, "-c", ca, f"{url}/health")
    assert status == 2 and "curl" in said


def test_the_pattern_of_the_log(site):
    text = (CONTRIB / "vector/nanomdm.yaml").read_text()
    pattern = re.compile(re.search(r"r'(.*)'\)", text)[1])
    lines = [line for line in site.error_log().splitlines()
             if "[nanomdm:" in line]
    assert lines
    matches = [pattern.match(line) for line in lines]
    assert all(matches), lines
    assert any(match["id"] and match["tag"] for match in matches)


def test_logrotate(httpd, fresh_db, device, tmp_path):
    """The dump goes on in a new file, which only root may read."""
    if not shutil.which("logrotate"):
        pytest.skip("no logrotate")
    server = httpd(fresh_db(), extra_vhost="NanoMDMDump {folder}/dump.log\n")
    mac, dump = device(server).enroll(), server.folder / "dump.log"
    assert wait_until(lambda: dump.read_bytes().count(b" end\n") == 2)
    conf = tmp_path / "nanomdm"
    text = (CONTRIB / "logrotate/nanomdm").read_text()
    assert "apachectl graceful" in text
    conf.write_text(text.replace("/var/log/nanomdm/dump.log", str(dump))
                    .replace("apachectl graceful",
                             f"kill -USR1 {server.process.pid}"))
    old = set(server.children())
    status, said = run("logrotate", "--force", "--state", tmp_path / "state",
                       conf)
    assert status == 0 and not said, said
    assert wait_until(lambda: not old & set(server.children()), seconds=30)
    kept = (server.folder / "dump.log.1").read_bytes()
    assert kept.count(b" end\n") == 2
    mac.idle()
    assert wait_until(lambda: dump.read_bytes().count(b" end\n") == 1)
    assert dump.stat().st_mode & 0o777 == 0o600


def test_systemd(tmp_path):
    """systemd knows each line of the drop-in, those that are optional too."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    (tmp_path / "apache2.service").write_text(
        "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/true\n")
    drop_in = tmp_path / "apache2.service.d/nanomdm.conf"
    drop_in.parent.mkdir()
    text = (CONTRIB / "systemd/nanomdm.conf").read_text()
    optional = re.findall(r"^#(\w+=.*)$", text, re.MULTILINE)
    assert len(optional) == 1
    drop_in.write_text(f"{text}{optional[0]}\n")
    status, said = run("systemd-analyze", "verify", "--man=no",
                       tmp_path / "apache2.service",
                       env={**os.environ, "SYSTEMD_UNIT_PATH": str(tmp_path)})
    assert status == 0 and "nanomdm.conf" not in said, said
