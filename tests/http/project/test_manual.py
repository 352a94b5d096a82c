# SPDX-License-Identifier: Apache-2.0
"""The manual that is made from docs/directives.md and from nanomdmctl's own
parsers: whole, and acceptable to the programs that read it."""

import html.parser
import re
import shutil
import subprocess

import pytest

from ctl import PROGRAM
from system import ROOT, run

NAMES = re.findall(r"^### (NanoMDM\w+)$",
                   (ROOT / "docs/directives.md").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def manual(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manual")
    run(ROOT / "build-aux/manual.py", folder)
    return folder


class Page(html.parser.HTMLParser):
    """Headings, anchors and links; each element that opens is closed."""

    void = {"meta", "br"}

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in self.void:
            self.open.append(tag)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a":
            self.links.append(attrs["href"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_each_directive_is_in_the_page_and_the_manual_page(manual):
    page = Page((manual / "directives.html").read_text())
    assert len(NAMES) > 40
    assert len(page.ids) == len(set(page.ids))
    for name in NAMES:
        assert name.lower() in page.ids
    assert all(link[1:] in page.ids for link in page.links
               if link.startswith("#"))
    text = (manual / "mod_nanomdm.8").read_text()
    for name in NAMES:
        assert f".SS {name}\n" in text
    assert "**" not in text and "](" not in text


@pytest.mark.parametrize("name", ["mod_nanomdm.8", "nanomdmctl.1"])
def test_man_reads_it(manual, name):
    if not shutil.which("groff"):
        pytest.skip("no groff")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-K", "utf8", manual / name],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    said = [line for line in done.stderr.decode().splitlines()
            if "adjust" not in line and "break" not in line]
    assert not said, said
    assert len(done.stdout) > 5000


def test_completion_knows_each_subcommand(manual):
    listed = re.findall(r"^    (\w+)  +\S", subprocess.run(
        [PROGRAM, "--help"], stdout=subprocess.PIPE, check=True
    ).stdout.decode(), re.MULTILINE)
    assert {"init", "doctor", "why", "import"} <= set(listed)
    script = manual / "nanomdmctl.bash"
    for words, offered in ((["nanomdmctl", ""], listed),
                           (["nanomdmctl", "events", ""],
                            ["list", "replay", "drop", "--json"]),
                           (["nanomdmctl", "send", "ID", ""],
                            ["EraseDevice", "--wait"])):
        said = run("bash", "-c", f". {script}; COMP_WORDS=(\"$@\");"
                   f" COMP_CWORD={len(words) - 1}; _nanomdmctl;"
                   " printf '%s\\n' \"${COMPREPLY[@]}\"", "x",
                   *words).decode().split()
        assert set(offered) <= set(said), words
    text = (manual / "_nanomdmctl").read_text()
    assert text.startswith("#compdef nanomdmctl\n")
    assert all(f"    {name}) " in text for name in listed)


ZSH = """\
zmodload zsh/zpty
zpty -b shell "zsh -f -i"
zpty -w shell "fpath=($1 \\$fpath); autoload -Uz compinit; compinit -u -D;" \\
    "echo REA''DY"
zpty -r -m shell line "*READY*"
zpty -n -w shell "$2"$'\\t'
zpty -r -m shell line "*$3*" && print -r -- "found"
zpty -d shell
"""


@pytest.mark.parametrize("typed, completed", [
    ("nanomdmctl decl", "arations"),
    ("nanomdmctl push", "pushcert"),
    ("nanomdmctl devices --sil", "ent"),
    ("nanomdmctl send X DeviceInfor", "mation")])
def test_zsh_completes(manual, typed, completed):
    """A real zsh on a terminal of its own."""
    if not shutil.which("zsh"):
        pytest.skip("no zsh")
    said = run("timeout", "60", "zsh", "-f", "-c", ZSH, "zsh", manual, typed,
               completed)
    assert b"found" in said
