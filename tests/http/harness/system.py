# SPDX-License-Identifier: Apache-2.0
"""What the harness needs from this host: folders, ports, processes."""

import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]


def temp_folder(kind):
    """A new folder that the users of httpd and the databases may enter."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"nanomdm-{kind}-"))
    path.chmod(0o755)
    return path


def remove_folder(path):
    shutil.rmtree(path, ignore_errors=True)


def remove_large_folder(path):
    """Not waited for: the hundreds of databases of a server take minutes."""
    subprocess.Popen(["nice", "rm", "-rf", path], start_new_session=True)


class NotHere(Exception):
    """This machine does not allow what a test needs."""


class SmallDisk:
    """A file system of a few megabytes, mounted on a folder."""

    megabytes = 24

    def __init__(self, folder, user):
        try:
            run("mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m",
                "tmpfs", folder)
        except RuntimeError as problem:
            raise NotHere(problem) from problem
        self.folder = folder
        folder.chmod(0o755)
        shutil.chown(folder, user, user)

    def fill(self):
        """Until nothing fits."""
        with contextlib.suppress(OSError), open(self.folder / "filler",
                                                "wb", 0) as filler:
            while True:
                filler.write(bytes(4096))

    def free(self):
        (self.folder / "filler").unlink()

    def remove(self):
        run("umount", "-l", self.folder)


def free_port(given=set()):
    """A TCP port that nobody listens on and no earlier caller was given,
    nor one of another process of pytest-xdist.

    Below the range from which the kernel serves port 0: there the tests'
    own connections would now and then take a port that a stopped server
    comes back for.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4
    while True:
        port = 12000 + 5000 * process + random.randrange(5000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in given:
            given.add(port)
            return port


def half_closed(ports):
    """Whether connections to one of these ports were closed by their client
    and not yet by us."""
    close_wait = "08"
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        if state == close_wait and int(local.rpartition(":")[2],
                                       16) in ports:
            return True
    return False


def wait_until(condition, seconds=30.0, pause=0.02):
    """Poll; the last answer is returned, so a caller can tell timeouts."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(pause)


def children(pid):
    """Process ids whose parent is pid."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue                      # it ended while we looked
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return sorted(found)


def state(pid):
    """The letter of a process, "Z" also when it is gone."""
    try:
        return (pathlib.Path(f"/proc/{pid}/stat").read_text()
                .rpartition(")")[2].split()[0])
    except OSError:
        return "Z"


def kill_tree(process):
    """SIGKILL a process that we started and its direct children, and wait
    until they are gone.

    It is stopped first, so that it makes no child meanwhile: such a one would
    keep the port of httpd, or the shared memory of PostgreSQL, whose children
    lead sessions of their own.
    """
    if process.poll() is None:
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: state(process.pid) in "TZ", pause=0.002)
    victims = children(process.pid)
    for pid in [*victims, process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: all(state(pid) == "Z" for pid in victims), pause=0.002)


def run(*command, **options):
    """Run to the end; a failure carries what the program said."""
    done = subprocess.run([str(word) for word in command],
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n"
                           + done.stdout.decode(errors="replace"))
    return done.stdout


def spawn(command, output, *, user=None, **options):
    """Start a server that ends when the test run does, even by SIGKILL:
    otherwise it would keep its port and folder.

    It leads a process group of its own, because httpd stops its children
    by signalling the whole group.
    """
    return subprocess.Popen(
        ["setpriv", "--pdeathsig=TERM", *as_user(user), *command],
        stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        start_new_session=True, **options)


def as_user(user):
    """setpriv's options to become user."""
    if not user:
        return []
    return [f"--reuid={user}", f"--regid={user}", "--init-groups"]


def peak_memory(pid):
    """The most that a process ever had in memory, in bytes."""
    return int(re.search(r"VmHWM:\s*(\d+)", pathlib.Path(
        f"/proc/{pid}/status").read_text())[1]) << 10
