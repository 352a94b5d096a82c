#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the packages in clean systems and uses them there.

packages.py STEP...: bookworm, trixie or sid builds the Debian package in that
release, has lintian judge it, installs it in another clean system and runs
debian/tests there; rpm builds the RPM; container builds the Containerfile and
runs it; quickstart replays docs/quickstart.md on a fresh Debian 13.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/platforms"))

import platforms  # noqa: E402

KEPT = os.environ.get("PACKAGES_FOLDER")
# "noopt" builds in a fraction of the time.
OPTIONS = os.environ.get("DEB_BUILD_OPTIONS")
HOUR = 3600


class Failed(Exception):
    """With what was said."""


class Clean(platforms.System):
    """A release of Debian as debootstrap makes it, unpacked for one use."""

    def __init__(self, suite, folder, name):
        super().__init__(suite, folder)
        self.folder = folder / f"{suite}-{name}"
        self.tree = self.folder / "root/mod_nanomdm"
        archive = folder / f"{suite}.tar"
        if not archive.exists():
            made = folder / suite
            words = ["debootstrap", "--variant=minbase", suite, made,
                     *([platforms.MIRROR] if platforms.MIRROR else [])]
            must(platforms.call(words, HOUR))
            must(platforms.call(["tar", "-C", made, "-cf", archive, "."],
                                HOUR))
            shutil.rmtree(made)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        must(platforms.call(["tar", "-C", self.folder, "-xf", archive], HOUR))
        self.write("etc/apt/apt.conf.d/90nanomdm", platforms.APT)
        self.write("etc/dpkg/dpkg.cfg.d/90nanomdm", "force-unsafe-io\n")
        self.write("etc/hosts", "127.0.0.1 localhost mdm.example.com\n")
        self.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")
        (self.folder / "usr/sbin/policy-rc.d").chmod(0o755)
        shutil.copy("/etc/resolv.conf", self.folder / "etc/resolv.conf")

    def sh(self, command, *, alone=False):
        return must(self.run(command, HOUR, alone=alone))

    def apt(self, packages):
        self.sh(f"apt-get update -q && apt-get install -y -q {packages}")

    def remove(self):
        if not KEPT:
            shutil.rmtree(self.folder, ignore_errors=True)


def must(result):
    status, output = result
    if status:
        raise Failed(output)
    return output


def test_depends():
    """Of debian/tests/control, but the package."""
    text = (ROOT / "debian/tests/control").read_text()
    depends = re.search(r"^Depends: @, (.*)$", text, re.MULTILINE)[1]
    return depends.replace(",", "")


def debian(suite, folder):
    """The package, its judge, its use."""
    builder = Clean(suite, folder, "build")
    builder.copy_source()
    builder.apt("make git lintian")
    options = f"DEB_BUILD_OPTIONS={shlex.quote(OPTIONS)} " if OPTIONS else ""
    builder.sh(f"cd /root/mod_nanomdm && {options}make deb")
    deb, = builder.tree.glob("*.deb")
    said = builder.sh("cd /root/mod_nanomdm && lintian --allow-root"
                      f" --fail-on error,warning {deb.name}")
    print(f"{suite}: {deb.name}, {deb.stat().st_size} bytes; lintian:"
          f" {said.strip() or 'nothing to say'}")
    print(builder.sh(f"dpkg-deb -c /root/mod_nanomdm/{deb.name}"
                     " | sed -E 's/.* \\.//' | grep -v '/$' | wc -l").strip(),
          "files")
    user = Clean(suite, folder, "use")
    user.copy_source()
    shutil.copy(deb, user.folder / "root")
    user.apt(f"/root/{deb.name} {test_depends()}")
    said = user.sh("cd /root/mod_nanomdm && sh debian/tests/smoke",
                   alone=True)
    answered = re.search(r"^answered: .*|^\S+ +answered .*", said, re.MULTILINE)
    if not answered:
        raise Failed(said)
    print(f"{suite}: debian/tests/smoke: {answered[0]}")
    user.sh("ls /usr/share/nanomdm/tools/nanomdm_ctl/__pycache__/main.*.pyc"
            " && apt-get purge -y -q libapache2-mod-nanomdm"
            " && test ! -e /usr/share/nanomdm")
    for system in builder, user:
        system.remove()


def rpm(folder):
    """In Debian's rpmbuild, for the layout of Fedora; its httpd-devel is
    Debian's here."""
    system = Clean("trixie", folder, "rpm")
    system.copy_source()
    system.apt("make git rpm cpio")
    system.sh("cd /root/mod_nanomdm && build-aux/install-deps.sh deb"
              " && build-aux/dist.sh /root && rpmbuild -bb --nodeps"
              " --define '_sourcedir /root' contrib/rpm/mod_nanomdm.spec")
    listed = system.sh("rpm -qlp /root/rpmbuild/RPMS/*/*.rpm")
    print(listed.strip())
    for path in ("httpd/modules/mod_nanomdm.so",
                 "/etc/httpd/conf.modules.d/10-nanomdm.conf",
                 "/usr/bin/nanomdmctl", "/usr/share/nanomdm/schema/pgsql.sql",
                 "/usr/share/man/man8/mod_nanomdm.8"):
        if path not in listed:
            raise Failed(f"the RPM lacks {path}")
    system.sh("cd / && rpm2cpio /root/rpmbuild/RPMS/*/*.rpm | cpio -id"
              " --quiet && /usr/bin/nanomdmctl --help")
    system.remove()


def container(folder):
    """contrib/container/Containerfile on a root file system of debootstrap's,
    by buildah; then what it runs, as its user, until it is healthy."""
    base = Clean("trixie", folder, "base")
    must(platforms.call(["tar", "-C", base.folder, "-cf", folder / "base.tar",
                         "."], HOUR))
    with tempfile.TemporaryDirectory(dir="/var/tmp") as store:
        buildah = ["buildah", "--root", f"{store}/root", "--runroot",
                   f"{store}/run", "--storage-driver", "vfs"]

        def run(*words):
            return must(platforms.call([*buildah, *words], HOUR))

        first = run("from", "scratch").split()[-1]
        run("add", "--quiet", first, folder / "base.tar", "/")
        run("commit", "--quiet", first, "localhost/base:trixie")
        with tempfile.TemporaryDirectory() as source:
            archive = subprocess.run(
                [ROOT / "build-aux/dist.sh", source], check=True,
                stdout=subprocess.PIPE, text=True).stdout.strip()
            subprocess.run(["tar", "-xf", archive, "-C", source,
                            "--strip-components=1"], check=True)
            run("bud", "--isolation", "chroot", "--format", "docker",
                "--build-arg", "BASE=localhost/base:trixie", "-t",
                "localhost/mod_nanomdm", "-f",
                f"{source}/contrib/container/Containerfile", source)
        shown = run("inspect", "--type", "image", "localhost/mod_nanomdm")
        for word in ('"Healthcheck"', '"User": "www-data"', "/var/lib/nanomdm"):
            if word not in shown:
                raise Failed(f"the image lacks {word}")
        made = run("from", "localhost/mod_nanomdm").split()[-1]
        said = run("run", "--isolation", "chroot", "--user", "www-data", made,
                   "sh", "-c",
                   "id -un; nanomdm-container & server=$!;"
                   " for i in $(seq 60); do nanomdm-healthy && break;"
                   " sleep 0.5; done; nanomdm-healthy && echo healthy;"
                   " kill $server; wait $server; true")
        # What it logs is the container's log.
        for word in "www-data", "NMDM0801", "healthy":
            if word not in said:
                raise Failed(f"no {word}: {said}")
        print("container:", said.strip())
        run("rm", "--all")
    base.remove()


# Seconds from the first command of the quickstart to the answered one, but for
# downloads.
QUICK = 180


def typed():
    """The commands of the transcript in docs/quickstart.md."""
    text = (ROOT / "docs/quickstart.md").read_text()
    block = re.search(r"^## In one go\n.*?```sh\n(.*?)```", text,
                      re.DOTALL | re.MULTILINE)[1]
    commands = [line for line in re.sub(r"\\\n\s*", "", block).splitlines()
                if line and not line.startswith("#")]
    if len(commands) > 8:
        raise Failed(f"{len(commands)} commands")
    return commands


def download(system):
    """What the commands will install, so that their time is their own."""
    text = (ROOT / "build-aux/install-deps.sh").read_text()
    needed = " ".join(re.search(rf'^{name}="(?:\$BUILD )?(.*?)"', text,
                                re.DOTALL | re.MULTILINE)[1]
                      for name in ("BUILD", "DEB"))
    get = "apt-get install -y -q --download-only"
    system.sh(f"apt-get update -q && {get} make && {get}"
              f" --no-install-recommends {' '.join(needed.split())} && {get}"
              f" apache2 python3-cryptography libaprutil1-dbd-sqlite3")


def quickstart(folder):
    """From a fresh Debian 13, as a person has it, to an answered command."""
    system = Clean("trixie", folder, "quick")
    system.copy_source()
    (system.folder / "usr/sbin/policy-rc.d").unlink()
    system.write("etc/apt/apt.conf.d/90nanomdm",        # recommendations, too
                 "Acquire::Check-Valid-Until \"false\";\n")
    commands = typed()
    download(system)
    lines = [f"printf '\\n$ %s\\n' {shlex.quote(each)}\n{each}\n"
             "date +%s.%N >> /root/times" for each in commands]
    said = system.sh("cd /root/mod_nanomdm && set -e && date +%s.%N >"
                     " /root/times\n" + "\n".join(lines) + "\napachectl stop")
    print(said)
    times = [float(line) for line in
             (system.folder / "root/times").read_text().split()]
    for command, start, end in zip(commands, times, times[1:]):
        print(f"{end - start:7.1f} s  {command}")
    took = times[-1] - times[0]
    print(f"quickstart: {len(commands)} commands in {took:.0f} s, goal {QUICK}:"
          f" {'reached' if took < QUICK else 'missed'}; load"
          f" {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    if "Acknowledged" not in said:
        raise Failed("no answered command")
    system.remove()


STEPS = {"rpm": rpm, "container": container, "quickstart": quickstart}


def main():
    if os.geteuid():
        sys.exit("debootstrap and unshare want root")
    folder = pathlib.Path(KEPT or tempfile.mkdtemp(
        prefix="nanomdm-packages-", dir="/var/tmp"))
    failed = 0
    try:
        for name in sys.argv[1:]:
            began = time.monotonic()
            try:
                if name in STEPS:
                    STEPS[name](folder)
                else:
                    debian(name, folder)
                outcome = "ok"
            except Failed as why:
                failed += 1
                outcome = f"failed: {str(why)[-6000:]}"
            print(f"{name}: {outcome} ({time.monotonic() - began:.0f} s)",
                  flush=True)
    finally:
        if not KEPT:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
