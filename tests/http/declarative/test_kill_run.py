# SPDX-License-Identifier: Apache-2.0
"""Two servers on one database are killed at random while declarations are
changed and devices fetch them: in the end each device holds exactly what the
tables say (DDM-B4, DDM-B5, DDM-N6). make check-faults does a run of a thousand
changes and two hundred devices."""

import uuid

import pytest

from declaration_kills import CONF, Run, StubbornDevice, compare, settle

CHANGES, DEVICES = 60, 12


@pytest.mark.slow
def test_killed_at_random(httpd, fresh_db, ca, expect_log):
    for pattern in ("NMDM0916", "AH00098.*Unclean shutdown", "AH00484",
                    "exit signal Killed",
                    # On a busy machine a login may take above two seconds.
                    "dbd:(error|crit).*AH006(29|33|36)", "NMDM1501"):
        expect_log(pattern, optional=True)
    db = fresh_db()
    servers = [httpd(db, extra_vhost=CONF, children=2, threads=8)
               for _ in range(2)]
    devices = [StubbornDevice(servers[0], ca.issue(),
                              udid=str(uuid.UUID(int=i + 1))).enroll()
               for i in range(DEVICES)]
    run = Run(servers, devices, CHANGES)
    run.run()
    settle(db, run)
    print(f"{CHANGES} changes, {DEVICES} devices, {run.kills} kills")
    assert run.kills
    compare(db, devices)
    for device in devices:
        device.close()
