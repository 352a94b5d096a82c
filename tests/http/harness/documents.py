# SPDX-License-Identifier: Apache-2.0
"""The examples of the documents, and what it takes to do as they say."""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import textwrap

from server import APACHE, MODULES, Httpd
from system import ROOT, free_port

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass
class Block:
    """The text between two fences."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.document}:{self.line}: {self.text.splitlines()[0]}"


def blocks(document):
    text = (ROOT / document).read_text()
    return [Block(document, text.count("\n", 0, match.start()) + 1,
                  match[2], textwrap.dedent(match[3]))
            for match in FENCE.finditer(text)]


def block(document, start):
    """The one that starts so."""
    found, = [each for each in blocks(document)
              if each.text.startswith(start)]
    return found


class Reading:
    """A document is read from its beginning; each of its blocks is asked
    for in turn, by how it starts, or left out for a reason."""

    def __init__(self, document):
        self.left = blocks(document)

    def next(self, start, language):
        assert self.left, f"no block is left to be {start!r}"
        each = self.left.pop(0)
        assert (each.text.startswith(start)
                and each.language == language), (
            f"{each}\n{language} {start!r} was to come here: a test runs"
            " each block, or leaves it out and says why")
        return each.text

    def sh(self, start):
        return self.next(start, "sh")

    def apache(self, start):
        return self.next(start, "apache")

    def leave_out(self, start, *, language="", because):
        assert because
        return self.next(start, language)

    def elsewhere(self, start, language, test):
        """Another test runs it."""
        assert callable(test)
        self.next(start, language)

    def end(self):
        assert not self.left, f"no test runs {self.left[0]}"


# ---- A system that can be changed ----

HERE = ("/etc/apache2", "/etc/nanomdm", "/etc/letsencrypt",
        "/var/lib/nanomdm", "/var/log/apache2", "/backup")
# Packages are not installed, but must exist. What is installed is loaded from
# where it went. The service is the test's.
STAND_INS = {
    "apt-get": """\
for package; do
    case $package in install|-*) continue ;; esac
    dpkg-query -W "$package" >/dev/null 2>&1 ||
        apt-cache show "$package" >/dev/null 2>&1 ||
        ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || exit 100
done
""",
    "make": """\
/usr/bin/make -s "$@" || exit
test ! -e {confdir}/mods-available/nanomdm.load ||
    sed -i "s| {modules}| {folder}{modules}|" \
        {confdir}/mods-available/nanomdm.load
""",
    "systemctl": 'test "$*" = "restart apache2"\n',
}


class System(Httpd):
    """Debian's httpd with all of its configuration, in a folder that stands
    for the root; commands of a shell find themselves there."""

    def configure(self):
        self.port, self.tls_port = free_port(), free_port()
        self.confdir = self.folder / "etc/apache2"
        self.conf = self.confdir / "apache2.conf"
        shutil.copytree("/etc/apache2", self.confdir, symlinks=True)
        for folder in ("bin", "source", "run", "lock", "backup",
                       "var/log/apache2", "var/lib/apache2"):
            (self.folder / folder).mkdir(parents=True)
        (self.folder / "error.log").symlink_to("var/log/apache2/error.log")
        for name, text in STAND_INS.items():
            self.write(f"bin/{name}", "#!/bin/sh\n" + text.format(
                confdir=self.confdir, folder=self.folder,
                modules=MODULES)).chmod(0o755)
        for path in ROOT.iterdir():           # what is made stays here
            if path.name[0] != ".":
                (self.folder / "source" / path.name).symlink_to(path)
        self.write("etc/apache2/envvars", "".join(
            f"export {name}={value}\n"
            for name, value in self.apache_variables().items()))
        self.write("etc/apache2/ports.conf",
                   f"Listen 127.0.0.1:{self.port}\n"
                   f"Listen 127.0.0.1:{self.tls_port}\n")
        self.write("etc/apache2/conf-enabled/test.conf",
                   "ServerName localhost\n" + self.fill("extra_server"))
        self.variables = {}

    def apache_variables(self):
        return {"APACHE_RUN_USER": "www-data",
                "APACHE_RUN_GROUP": "www-data",
                "APACHE_PID_FILE": self.folder / "run/apache2.pid",
                "APACHE_RUN_DIR": self.folder / "run",
                "APACHE_LOCK_DIR": self.folder / "lock",
                "APACHE_LOG_DIR": self.folder / "var/log/apache2",
                "LANG": "C"}

    def command(self, *words):
        return [APACHE, "-d", str(self.confdir), "-f", str(self.conf),
                *words]

    def environment(self):
        return {**os.environ, **{name: str(value) for name, value
                                 in self.apache_variables().items()}}

    def here(self, text):
        """A text with the paths, names and ports of this system."""
        for path in HERE:
            text = text.replace(path, f"{self.folder}{path}")
        for host in ("mdm.example.com", "$host"):
            text = text.replace(f"https://{host}",
                                f"https://localhost:{self.tls_port}")
        text = text.replace("mdm.example.com", "localhost")
        return text.replace("<VirtualHost *:443>",
                            f"<VirtualHost 127.0.0.1:{self.tls_port}>")

    def sh(self, text, **environment):
        """What a block prints; it must not fail. Variables that it sets are
        set in the blocks that follow."""
        kept = self.folder / "variables"
        names = set(re.findall(r"^(\w+)=", text, re.MULTILINE))
        script = "\n".join([
            "set -euo pipefail", f"test ! -e {kept} || . {kept}",
            self.here(text), "test $? = 0",   # after && too
            f"test -z '{' '.join(names)}' ||"
            f" declare -p {' '.join(names)} >> {kept}"])
        env = {**os.environ, **self.variables, **environment,
               "PATH": f"{self.folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
               "DESTDIR": str(self.folder),
               "APACHE_CONFDIR": str(self.confdir),
               "APACHE_STATE_DIRECTORY": f"{self.folder}/var/lib/apache2",
               "APACHE_STARTED_BY_SYSTEMD": "true",
               "CURL_HOME": str(self.folder)}
        for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "LD_PRELOAD"):
            env.pop(name, None)
        self.write(".curlrc", "fail-with-body\nsilent\nshow-error\n")
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder / "source", env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False)
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0, f"{self.here(text)}\nsays\n{said}"
        for name, value in re.findall(r"^export (\w+)=(.*)$",
                                      self.here(text), re.MULTILINE):
            self.variables[name] = value
        return said

    def site(self, text=None):
        """The site's configuration, or that text for it."""
        path = self.confdir / "sites-available/nanomdm.conf"
        if text is not None:
            path.write_text(self.here(text))
        return path

    def add_to_site(self, text):
        """More lines for its virtual host."""
        site = self.site()
        site.write_text(site.read_text().replace(
            "</VirtualHost>", self.here(text) + "</VirtualHost>"))

    def file(self, path):
        """A file by the path that a document gives it."""
        return pathlib.Path(f"{self.folder}{path}")
