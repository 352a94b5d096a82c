# SPDX-License-Identifier: Apache-2.0
"""`make dist` and `make deb`: the same archive again from the archive, and a
package whose module serves."""

import gzip
import os
import pwd
import re
import shutil
import tarfile

import pytest

from device import Operator
from documents import System
from system import ROOT, remove_folder, run, temp_folder

pytestmark = [pytest.mark.one_database, pytest.mark.slow,
              pytest.mark.unsanitized]

NAME = "libapache2-mod-nanomdm"
DOCUMENTS = f"usr/share/doc/{NAME}"


@pytest.fixture(scope="session")
def folder():
    folder = temp_folder("package")
    yield folder
    remove_folder(folder)


@pytest.fixture(scope="session")
def archive(folder):
    run(ROOT / "build-aux/dist.sh", folder)
    archive, = folder.glob("mod_nanomdm-*.tar.gz")
    return archive


@pytest.fixture(scope="session")
def source(folder, archive):
    """The archive, unpacked; nothing of this checkout is near."""
    run("tar", "-xf", archive, "-C", folder)
    return folder / archive.name.removesuffix(".tar.gz")


@pytest.fixture(scope="session")
def package(folder, source):
    """What the unpacked archive makes."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS",
                                   "LD_PRELOAD")}
    environment["DEB_CFLAGS_APPEND"] = "-O0 -g0"      # sooner done
    environment["DEB_CPPFLAGS_APPEND"] = "-U_FORTIFY_SOURCE"
    run("make", "-C", source, "deb", env=environment)
    package, = source.glob("*.deb")
    return package


@pytest.fixture(scope="session")
def path(folder):
    """With a stand-in for py3compile, which knows installed packages alone."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "py3compile").write_text(
        f"#!/bin/sh\necho \"$@\" > {folder}/compiled\n")
    (programs / "py3compile").chmod(0o755)
    return f"{programs}:{os.environ['PATH']}"


@pytest.fixture(scope="session")
def root(folder, package, path):
    """Where it is unpacked, and its postinst has run."""
    root = folder / "root"
    run("dpkg-deb", "-x", package, root)
    run("dpkg-deb", "-e", package, folder / "control")
    (root / "var/lib/dpkg").mkdir(parents=True)
    run("sh", folder / "control/postinst", "configure", "",
        env={**os.environ, "DPKG_ROOT": str(root), "PATH": path})
    return root


@pytest.fixture(scope="session")
def version(source):
    header = (source / "src/base/version.h").read_text()
    return re.search(r'#define NMDM_VERSION "(.*)"', header)[1]


def test_archive_holds_the_source_and_is_reproducible(
        archive, source, version, folder):
    assert archive.name == f"mod_nanomdm-{version}.tar.gz"
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {"Makefile", "src/base/version.h", "debian/control", "LICENSE",
            "tests/run.py", "schema/pgsql.sql"} <= names
    assert not [name for name in names
                if re.search(r"\.(so|o|pyc)$|^build(?!-aux)|^\.(git|ci)(/|$)", name)]
    again = folder / "again"
    again.mkdir()
    for made_from in ROOT, source:
        run(made_from / "build-aux/dist.sh", again)
        assert (again / archive.name).read_bytes() == archive.read_bytes()


def test_package_has_what_belongs_into_it(folder, source, version, package,
                                              root):
    assert re.fullmatch(rf"{NAME}_{re.escape(version)}-1_\w+\.deb",
                        package.name)
    control = run("dpkg-deb", "-I", package).decode()
    assert re.search(r"Depends: .*apache2-bin.*apache2-api-", control)
    assert re.search(r"Recommends: .*libaprutil1-dbd-sqlite3", control)
    for path in ("schema", "schema/upgrade"):
        assert (sorted(each.name for each in (source / path).glob("*.sql"))
                == sorted(each.name for each in
                          (root / "usr/share/nanomdm" / path).glob("*.sql")))
    for path in ("tools/nanomdmctl", "tools/nmdm-command.py",
                 "tools/nmdm-hold.py", "tools/nmdm-migrate.py",
                 "tools/nmdm-import.py", "tools/nmdm-import-ddm.py"):
        assert os.access(root / "usr/share/nanomdm" / path, os.X_OK)
    assert (os.readlink(root / "usr/bin/nanomdmctl")
            == "../share/nanomdm/tools/nanomdmctl")
    assert b"doctor" in run(root / "usr/bin/nanomdmctl", "--help")
    for path in ("usr/share/man/man1/nanomdmctl.1.gz",
                 "usr/share/man/man8/mod_nanomdm.8.gz",
                 "usr/share/bash-completion/completions/nanomdmctl",
                 "usr/share/zsh/vendor-completions/_nanomdmctl",
                 f"{DOCUMENTS}/directives.html",
                 f"{DOCUMENTS}/examples/sqlite.conf"):
        assert (root / path).stat().st_size > 0, path
    documents = [path.relative_to(source) for path in source.glob("docs/*")]
    assert documents
    for path in (*documents, "README.md", "SECURITY.md", "copyright"):
        assert (root / DOCUMENTS / path).exists()
    with gzip.open(root / DOCUMENTS / "changelog.gz") as changes:
        assert changes.read() == (source / "CHANGES").read_bytes()
    assert re.fullmatch(rf"-p {NAME}(:\w+)? /usr/share/nanomdm\n",
                        (folder / "compiled").read_text())
    data = (root / "var/lib/nanomdm").stat()
    assert data.st_uid == pwd.getpwnam("www-data").pw_uid
    assert data.st_mode & 0o7777 == 0o750


def test_package_has_no_errors_of_policy(package):
    if not shutil.which("lintian"):
        pytest.skip("no lintian")
    run("lintian", "--allow-root", "--fail-on", "error", package)


def test_install_into_an_empty_folder(tmp_path):
    """As packagers do; on Debian its own files are among it."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    run("make", "-C", ROOT, "install", f"DESTDIR={tmp_path}",
        env=environment)
    assert [path.stat().st_size > 0
            for path in tmp_path.rglob("mod_nanomdm.so")] == [True]
    mods = tmp_path / "etc/apache2/mods-available"
    assert sorted(path.name for path in mods.iterdir()) == [
        "nanomdm.conf", "nanomdm.load"]


@pytest.mark.parametrize("old, enabled, reloads", [
    ("0.0.9-1", True, True), ("0.0.9-1", False, False), ("", True, False)])
def test_upgrade_reloads_a_server_that_has_the_module(
        folder, root, path, tmp_path, old, enabled, reloads):
    """Stand-ins take the part of Debian's helper and of a2query."""
    helper = tmp_path / "helper"
    helper.write_text("apache2_invoke() { echo invoked $*; }\n")
    query = tmp_path / "a2query"
    query.write_text(f"#!/bin/sh\nexit {int(not enabled)}\n")
    query.chmod(0o755)
    script = (folder / "control/postinst").read_text().replace(
        "/usr/share/apache2/apache2-maintscript-helper", str(helper))
    said = run("sh", "-c", script, "postinst", "configure", old, env={
        **os.environ, "DPKG_ROOT": str(root),
        "PATH": f"{tmp_path}:{path}"})
    assert (b"invoked enmod nanomdm reload" in said) == reloads


class Packaged(System):
    """A Debian on which the package was unpacked."""

    def install(self, root):
        mods = "etc/apache2/mods-available"
        for name in ("nanomdm.load", "nanomdm.conf"):
            text = (root / mods / name).read_text()
            self.write(f"{mods}/{name}", text.replace(
                " /usr/", f" {root}/usr/"))


def test_module_of_the_package_serves(httpd, version, root):
    system = httpd(make=Packaged, start=False)
    system.install(root)
    system.sh("a2enmod ssl nanomdm")
    system.write("etc/apache2/sites-enabled/nanomdm.conf", """\
<Location "/version">
    SetHandler nanomdm-version
</Location>
""")
    status, said = system.configtest()
    assert status == 0, said
    system.start()
    operator = Operator(system, plain=True)
    assert operator.version().json == {"version": version}
    operator.close()
