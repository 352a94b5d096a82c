# SPDX-License-Identifier: Apache-2.0
"""Machines of other kinds: what does no harm is not mentioned, what does is said
once, with the remedy."""

import os
import subprocess

import pytest

from system import ROOT

pytestmark = pytest.mark.unsanitized
PYTHON = "/usr/bin/python3"
# Each line is of the shell, in a mount namespace of its own; $W is a folder.
WITHOUT_IPV6 = """\
grep -v '^[^#]*:' /etc/hosts | install -m 644 /dev/stdin $W/hosts
mount --bind $W/hosts /etc/hosts"""
WITHOUT_LOCALHOST = """\
echo 'hosts: files' | install -m 644 /dev/stdin $W/nsswitch
mount --bind $W/nsswitch /etc/nsswitch.conf
sed 's/localhost/other/' /etc/hosts | install -m 644 /dev/stdin $W/hosts
mount --bind $W/hosts /etc/hosts"""
SHARED_MEMORY = "mount -t tmpfs -o size={}m tmpfs /dev/shm"
CLOSED = "mkdir -m 700 $W/closed; export TMPDIR=$W/closed"
# Of the locales that a machine has, those that read and write otherwise.
LOCALE = """\
export LC_ALL=$(locale -a | grep -i -m 1 -e ^tr_TR.utf -e ^de_DE.utf -e ^fr_FR.utf \
                || echo POSIX) LANGUAGE=de"""


@pytest.fixture
def machine(tmp_path):
    """machine(changes, *command): its status and what it said, on this machine
    with changes that no other process sees."""
    tmp_path.chmod(0o755)

    def run(changes, *command):
        done = subprocess.run(
            ["unshare", "--mount", "--propagation=private", "sh", "-ec",
             f'{changes}\nexec "$@"', "sh", *map(str, command)], cwd=ROOT,
            env={**os.environ, "W": str(tmp_path)}, text=True, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        return done.returncode, done.stdout
    if run("mount -t tmpfs tmpfs $W", "true")[0]:
        pytest.skip("mounts are not allowed here")
    return run


@pytest.fixture
def remarks(machine):
    """remarks(changes): what is said that is not said without them."""
    def of(changes):
        status, said = machine(changes, PYTHON, "tests/http/harness/host.py")
        lines = [line for line in said.splitlines() if line not in usual]
        assert bool(status) is bool(said) and "Traceback" not in said, said
        return lines
    usual = []
    usual = of(":")
    return of


@pytest.mark.parametrize("changes", [
    "umask 077", WITHOUT_IPV6, SHARED_MEMORY.format(20), LOCALE],
    ids=["umask", "ipv6", "memory", "locale"])
def test_what_does_no_harm_is_not_mentioned(remarks, changes):
    assert remarks(changes) == []


@pytest.mark.parametrize("changes, said", [
    (WITHOUT_LOCALHOST, "localhost is not 127.0.0.1; add a line"),
    (SHARED_MEMORY.format(4), "/dev/shm has 4 MB left; mount -t tmpfs"),
    (CLOSED, "other users may not enter")],
    ids=["localhost", "memory", "closed"])
def test_what_does_is_said_with_its_remedy(remarks, changes, said):
    lines = remarks(changes)
    assert lines and all(said in line for line in lines), lines


def test_tests_pass_on_a_machine_of_another_kind(machine):
    """All that does no harm, at once."""
    changes = "\n".join(["umask 077", WITHOUT_IPV6, SHARED_MEMORY.format(20),
                         LOCALE])
    status, said = machine(
        changes, PYTHON, "-m", "pytest", "tests/http/project/test_smoke.py", "-q",
        "-p", "no:cacheprovider", "--db=sqlite3", "--db=pgsql")
    assert status == 0, said
    assert " passed" in said
