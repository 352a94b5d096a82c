#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The status page in good and bad days, as pictures to be looked at, and
held against axe-core: contrast, labels, landmarks. Needs Debian's chromium,
node and npm, and the network for axe-core.

    look.py [FOLDER]           where the pictures go; build/console by default
"""

import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/http/harness"))

import ca as certs  # noqa: E402
from databases import PROGRAMS  # noqa: E402
from device import Device, Operator, command  # noqa: E402
from server import Httpd  # noqa: E402

PACKAGES = ("axe-core@4.10.2", "puppeteer-core@22.15.0")
STATUS = """\
<Location "/status">
    SetHandler nanomdm-status
</Location>
"""


def good_day(server, operator, ca):
    topic = certs.push_topic()
    operator.pushcert_put(certs.push_certificate(topic))
    macs = [Device(server, ca.issue(), topic=topic).enroll()
            for _ in range(12)]
    for mac in macs:
        _, plist = command()
        operator.enqueue(mac.id, plist)
        for _ in range(3):
            answer = mac.idle()
            if answer.body:
                mac.acknowledge(answer.plist["CommandUUID"])
    return macs[0]


def bad_day(server, operator, ca):
    """All that the page may complain of at once."""
    topic = certs.push_topic()
    operator.pushcert_put(certs.push_certificate(topic, start=-90, days=-1))
    operator.pushcert_put(certs.push_certificate(days=12))
    macs = [Device(server, ca.issue(), topic=topic).enroll()
            for _ in range(8)]
    for number, mac in enumerate(macs):
        _, plist = command("InstalledApplicationList")
        operator.enqueue(mac.id, plist)
        if number % 2:
            mac.not_now(mac.idle().plist["CommandUUID"])
    operator.push([mac.id for mac in macs])
    execute = server.database.execute
    execute("UPDATE enrollment_queue SET created_at ="
            " datetime('now', '-9 days')")
    execute("UPDATE command_results SET not_now_at ="
            " datetime('now', '-3 days'), updated_at ="
            " datetime('now', '-3 days')")
    return macs[1]


def look(modules, folder, name, url):
    done = subprocess.run(
        ["node", ROOT / "tests/console/look.js", folder, name, url],
        env={"PATH": "/usr/bin:/bin", "NODE_PATH": modules / "node_modules",
             "HOME": modules}, check=False)
    return done.returncode


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                          else ROOT / "build/console")
    folder.mkdir(parents=True, exist_ok=True)
    worst = 0
    with tempfile.TemporaryDirectory() as modules:
        subprocess.run(["npm", "install", "--no-audit", "--no-fund",
                        "--silent", *PACKAGES], cwd=modules, check=True)
        for name, day in (("good", good_day), ("bad", bad_day)):
            program = PROGRAMS["sqlite3"]()
            program.start()
            ca = certs.root("Test Device CA")
            server = Httpd(program.fresh(None), ca, extra_vhost=STATUS)
            try:
                server.start()
                operator = Operator(server)
                mac = day(server, operator, ca)
                url = f"http://localhost:{server.port}/status"
                worst = max(worst, look(pathlib.Path(modules), folder, name,
                                        url),
                            look(pathlib.Path(modules), folder,
                                 f"{name}-device", f"{url}?id={mac.id}"))
            finally:
                server.remove()
                program.remove()
    print(f"pictures: {folder}")
    return worst


if __name__ == "__main__":
    sys.exit(main())
