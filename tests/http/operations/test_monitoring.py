# SPDX-License-Identifier: Apache-2.0
"""contrib/: alert rules, dashboard, plugin and log pattern fit what a server
says."""

import json
import re
import subprocess

import pytest

import ca as certs
from device import Operator
from server import server_authority
from system import ROOT

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


def run(*words, cwd=None, stdin=None):
    done = subprocess.run([str(word) for word in words], cwd=cwd,
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
