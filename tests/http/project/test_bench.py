# SPDX-License-Identifier: Apache-2.0
"""The load generator of the benchmarks: each workload, a few requests."""

import subprocess
import sys

import pytest

from system import ROOT

sys.path.insert(0, str(ROOT / "tests/bench"))

from world import (Devices, Filler, PROXIED, TOPIC,  # noqa: E402
                   apns, certs, load, udid)
from device import Operator             # noqa: E402

pytestmark = [pytest.mark.one_database, pytest.mark.unsanitized]
DEVICES = 4


@pytest.fixture(scope="module", autouse=True)
def programs():
    subprocess.run(["make", "-s", "build-bench/load",
                    "build-bench/apns_server"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def devices(tmp_path_factory):
    return Devices(tmp_path_factory.mktemp("bench"), DEVICES)


@pytest.fixture
def bench(httpd, fresh_db, devices):
    """bench(workload, **options), at a server where all are enrolled."""
    server = httpd(fresh_db(), ca=devices.ca, extra_vhost=PROXIED
                   + "NanoMDMDeclarativeManagement builtin\n")
    server.write("htdocs/empty", b"")

    def run(workload, **options):
        result = load(devices, server, None, workload,
                      **{"threads": 2, "count": DEVICES, **options})
        assert (result["refused"], result["lost"]) == (0, 0), result
        return result
    run.server = server
    run.enrolled = run("enrol")
    return run


def test_every_device_enrols(bench):
    """Authenticate and TokenUpdate, over a connection of its own."""
    assert bench.enrolled["requests"] == 2 * DEVICES
    assert bench.enrolled["connections"] == DEVICES


def test_devices_ask_for_declarations(bench):
    for options in {"endpoint": "tokens"}, {"endpoint": "status",
                                            "data": "e30="}:
        assert bench("declarative", **options)["requests"] == DEVICES


@pytest.mark.parametrize("workload", ["static", "poll"])
def test_connections_are_kept_fresh_or_resumed(bench, workload):
    def run(**options):
        """As long as it takes until each device has had its turn, twice."""
        for seconds in 0.1, 1, 10:
            result = bench(workload, seconds=seconds, **options)
            if result["requests"] >= 8 * DEVICES:
                break
        return result
    kept = run()
    assert kept["connections"] == 2 < kept["requests"]
    fresh = run(fresh=True)
    assert fresh["connections"] == fresh["requests"]
    assert fresh["resumed"] == 0
    resumed = run(resume=True)
    assert resumed["resumed"] == resumed["requests"] - DEVICES


def test_commands_are_delivered_and_answered(bench):
    database = bench.server.database
    Filler(database).queues("own-", 0, DEVICES, 3)
    result = bench("roundtrip", each=3)
    assert (result["requests"], result["exhausted"]) == (4 * DEVICES, 0)
    assert database.query("SELECT COUNT(*) FROM command_results"
                          " WHERE status = 'Acknowledged'") == [(12,)]


def test_all_devices_answer_one_command_or_their_own(bench):
    database = bench.server.database
    many = {"path": "/proxied", "plain": True, "header": "X-Client-Cert"}
    Filler(database).fan_out("one-", 0, DEVICES)
    bench("answer", uuid="one-0", **many)
    Filler(database).distinct("each-", 0, DEVICES)
    bench("answer", uuid_each="each-", **many)
    assert database.query(
        "SELECT id, command_uuid FROM command_results ORDER BY id,"
        " command_uuid") == [(udid(i), uuid) for i in range(DEVICES)
                             for uuid in (f"each-{i}", "one-0")]


def test_the_stand_in_answers_pushes(bench, httpd, devices, tmp_path):
    database = bench.server.database
    with apns(tmp_path, 1) as (port, ca_file):
        server = httpd(database, ca=devices.ca, extra_vhost=(
            f"NanoMDMPushURL https://localhost:{port}\n"
            f"NanoMDMPushCACertificateFile {ca_file}\n"))
        operator = Operator(server)
        operator.pushcert_put(certs.push_certificate(TOPIC))
        ids = [udid(i) for i in range(DEVICES)]
        answer = operator.push(ids)
        operator.close()
    assert all("push_result" in answer.json["status"][id_] for id_ in ids)
