# SPDX-License-Identifier: Apache-2.0
"""The disk of the database is full: devices come again later."""

import base64
import contextlib
import os
import pathlib
import time

import pytest

from databases import MariaDB, MySQL, Postgres
from device import Operator, command
from system import NotHere, SmallDisk, wait_until
from tables import result


REPORTS = 120                   # of a third of a megabyte, at most
REFUSED = 5                     # of them are enough


class SmallMariaDB(MariaDB):
    """All its tables in one file, which does not grow. MariaDB 11.8 may stop
    altogether when that is full: then it comes again with more room."""

    files = "ibdata1:12M;ibdata2:8M"
    def options(self):
        return [*super().options(), "--innodb-file-per-table=0",
                f"--innodb-data-file-path={self.files}"]

    def fill(self):
        """The reports will."""

    def free(self):
        self.files += ";ibdata3:64M"
        self.restart()


class SmallMySQL(SmallMariaDB, MySQL):
    """Its own tables are elsewhere."""


SMALL = {"mysql": SmallMariaDB, "mysqld": SmallMySQL, "pgsql": Postgres}


def has_stopped(server):
    return bool(server.process) and server.process.poll() is not None


def on_small_disk(db, folder):
    try:
        return SmallDisk(folder, db.server.user)
    except NotHere as problem:
        pytest.skip(f"mount: {problem}")


@pytest.fixture
def small(db_server):
    """A database, and what fills it and frees it."""
    with contextlib.ExitStack() as stack:
        if db_server.kind == "sqlite3":
            db = db_server.fresh()
            disk = on_small_disk(db, db_server.path(db.name).parent)
            stack.callback(disk.remove)
            yield db, disk
            return
        # A server of its own: it would not get over what it loses.
        server = SMALL[db_server.program]()
        stack.callback(server.remove)
        server.start()
        db = server.fresh()
        if db_server.kind == "mysql":
            yield db, server
            return
        folder = server.folder / "disk"
        folder.mkdir()
        disk = on_small_disk(db, folder)
        stack.callback(disk.remove)
        stack.callback(server.stop)
        server.admin_execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
        server.admin_execute(f"ALTER DATABASE {db.name} SET TABLESPACE small")
        yield db, disk


def refuses(answer):
    return answer.status != 200


def report_until_full(mac, uuids):
    """The answers by UUID, a few of which are refusals if the disk was full
    before the last report."""
    answers = {}
    for uuid in uuids:
        answers[uuid] = mac.acknowledge(uuid, Text=base64.b64encode(
            os.urandom(250000)).decode())
        if sum(map(refuses, answers.values())) == REFUSED:
            break
    return answers


def test_a_full_disk_is_503(small, httpd, device, expect_log):
    """A report that is not stored is never 200, and comes again."""
    db, disk = small
    server = httpd(db, extra_server="NanoMDMSchema auto")
    mac = device(server).enroll()
    operator = Operator(server)
    uuids = []
    for _ in range(REPORTS):
        uuid, plist = command()
        uuids.append(uuid)
        assert operator.enqueue(mac.id, plist).status == 200
    expect_log("nanomdm:error", "NMDM0101|NMDM1501")
    expect_log("NMDM0101|NMDM1501|NMDM1502|NMDM0712|AH006\\d\\d|AH02655", optional=True)
    disk.fill()
    answers = report_until_full(mac, uuids)
    refused = {uuid for uuid in answers if refuses(answers[uuid])}
    assert refused
    for uuid in refused:
        assert answers[uuid].status == 503, answers[uuid]
        assert answers[uuid].headers["Retry-After"] == "5"
        assert answers[uuid].body == b"Service Unavailable\n"
    if not has_stopped(db.server):
        assert mac.idle().status == 200
    disk.free()
    for uuid in answers:
        stored = result(db, mac, uuid)
        assert (stored is None) is (uuid in refused)
    for uuid in refused:
        assert mac.acknowledge(uuid).status == 200
        assert result(db, mac, uuid).status == "Acknowledged"
    operator.close()


# -- A file that httpd may not write ----------------------------------

@pytest.mark.one_database
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_sqlite_file_of_somebody_else(httpd, fresh_db, device, expect_log,
                                        what):
    """503 with the remedy, at once, for what is to be written."""
    if os.geteuid():
        pytest.skip("only root takes files away from httpd")
    database = fresh_db()
    if database.kind != "sqlite3":
        pytest.skip("another server owns the files of the others")
    server = httpd(database)
    mac = device(server).enroll()
    operator = Operator(server)
    uuid, plist = command()
    server.stop()
    path = pathlib.Path(database.params)
    owner = path.parent.stat(), path.stat()
    for beside in path.parent.glob(path.name + "-*"):
        beside.unlink()
    os.chown(path, 0, 0)
    path.chmod(0o644)
    if what == "folder":
        os.chown(path.parent, 0, 0)
        path.parent.chmod(0o755)
    expect_log("NMDM0101", "must belong to httpd's User", optional=True)
    for pattern in "NMDM1501", "dbd:error", "NMDM", "AH00":
        expect_log(pattern, optional=True)
    server.start()
    start = time.monotonic()
    assert operator.enqueue(mac.id, plist).status == 503
    mac.close()
    assert mac.authenticate().status == 503
    assert time.monotonic() - start < 10
    log = server.error_log()
    assert "must belong to httpd's User" in log or "NMDM1501" in log
    for one, path_ in zip(owner, (path.parent, path)):
        os.chown(path_, one.st_uid, one.st_gid)
        path_.chmod(one.st_mode & 0o777)
    mac.close()
    operator.close()
    server.graceful()
    assert operator.enqueue(mac.id, plist).status == 200
    assert mac.idle().plist["CommandUUID"] == uuid
    operator.close()
