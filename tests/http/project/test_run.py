# SPDX-License-Identifier: Apache-2.0
"""make run: its printed lines work as printed."""

import json
import re
import signal
import subprocess
import threading

import pytest

from system import ROOT, run, wait_until

pytestmark = [pytest.mark.one_database, pytest.mark.unsanitized]


def as_in_the_background():
    """A shell without job control begins it so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Stay:
    """`make run` after the build, in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.lines = []
        self.process = subprocess.Popen(
            ["/usr/bin/python3", str(ROOT / "tools/demo.py"), "--stay"],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, preexec_fn=as_in_the_background)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def has(self, text):
        return any(text in line for line in list(self.lines))

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(120)
        self.reader.join()


@pytest.fixture
def stay(tmp_path):
    stay = Stay(tmp_path)
    yield stay
    if stay.process.poll() is None:
        stay.process.kill()


def test_the_lines_of_make_run(stay):
    assert wait_until(lambda: stay.has("Ctrl-C stops it")
                      or stay.process.poll() is not None, seconds=180)
    assert stay.process.poll() is None, "\n".join(stay.lines)
    commands = [line for line in stay.lines if re.search(r"\bcurl ", line)]
    assert len(commands) == 5, commands

    def print_of(command):
        return run("bash", "-c", f"set -o pipefail; {command}",
                   cwd=stay.folder).decode()

    version, enqueue, results, enrollment, status = commands
    assert "version" in json.loads(print_of(version))
    for _ in range(2):                       # as often as somebody likes
        answer = json.loads(print_of(enqueue))
        uuid = answer["command_uuid"]
        assert "error" not in json.dumps(answer)
        assert wait_until(lambda: uuid in print_of(results))
        one, = [each for each in json.loads(print_of(results))["results"]
                if each["command_uuid"] == uuid]
        assert one["status"] == "Acknowledged"
        assert one["result_json"]["QueryResponses"] == {
            "OSVersion": "15.1", "DeviceName": "Demo Mac"}
    assert json.loads(print_of(enrollment))["enabled"] is True
    assert isinstance(json.loads(print_of(status)), dict)
    assert stay.has(f"carries out DeviceInformation {uuid}")
    stay.end()
    assert stay.lines[-1] == "ok   stopped; nothing is left behind"
    assert stay.process.returncode == 0
