# SPDX-License-Identifier: Apache-2.0
"""The Makefile: what the module exports, how it is hardened, what one edit
builds again, and what is said where httpd's tools are missing."""

import os
import re
import subprocess

import pytest

from system import ROOT

pytestmark = [pytest.mark.one_database, pytest.mark.unsanitized]

MODULE = ROOT / "mod_nanomdm.so"


def output_of(*command):
    done = subprocess.run(command, cwd=ROOT, text=True, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.stdout


def make(*words, **environment):
    """What make would do, or does; its own flags are not inherited."""
    inherited = {name: value for name, value in os.environ.items()
                 if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "CFLAGS",
                                 "LDFLAGS", "CPPFLAGS")}
    return subprocess.run(
        ["make", *words], cwd=ROOT, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**inherited, **environment})


def commands(*words, **environment):
    """The lines of "make -n", continuation lines joined."""
    done = make("-n", *words, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.replace("\\\n", " ").splitlines()


def compiled(header, *words):
    """The objects that are made again after an edit of a header."""
    return [line for line in commands("-W", header, *words)
            if re.search(r" -c +-o ", line)]


@pytest.fixture(autouse=True, scope="module")
def built():
    """Nothing is left to be made: what comes after is one edit's."""
    done = make("-s", "all")
    assert done.returncode == 0, done.stderr


def test_module_record_is_the_only_exported_name():
    names = [line.split()[-1] for line in output_of(
        "nm", "-D", "--defined-only", MODULE).splitlines()]
    assert names == ["nanomdm_module"]


def test_relocations_are_read_only_and_bound_at_start():
    assert "GNU_RELRO" in output_of("readelf", "-lW", MODULE)
    assert "BIND_NOW" in output_of("readelf", "-dW", MODULE)


def test_stack_is_protected():
    assert "__stack_chk_fail" in output_of("nm", "-D", "--undefined-only",
                                           MODULE)


def one_object(*words, **environment):
    line, = [line for line in commands("-W", "src/config/handlers.c", *words,
                                       **environment)
             if line.endswith(" src/config/handlers.c")]
    return line


def test_library_calls_are_fortified_where_the_compiler_optimizes():
    assert "-D_FORTIFY_SOURCE=2" in one_object()
    assert "_FORTIFY_SOURCE" not in one_object("CFLAGS=-O0 -g")


@pytest.mark.parametrize("flags", [
    {"CPPFLAGS": "-D_FORTIFY_SOURCE=3"}, {"CFLAGS": "-O2 -D_FORTIFY_SOURCE=3"}])
def test_callers_own_fortification_stands_alone(flags):
    for line in (one_object(**flags),
                 one_object(*(f"{name}={value}"
                              for name, value in flags.items()))):
        assert line.count("_FORTIFY_SOURCE") == 1
        assert "-D_FORTIFY_SOURCE=3" in line
        assert "-Isrc" in line


def test_callers_flags_come_last():
    line = one_object("CFLAGS=-O2 -fno-stack-protector")
    assert (line.index("-fno-stack-protector")
            > line.index("-fstack-protector-strong"))
    link, = [line for line in commands("-W", "src/config/handlers.c",
                                       "LDFLAGS=-Wl,-z,lazy")
             if " -shared " in line]
    assert link.index("-Wl,-z,lazy") > link.index("-Wl,-z,relro,-z,now")


@pytest.mark.parametrize("header", [
    "src/httpd/status_html.h", "src/config/scep.h", "src/codec/redact.h",
    "src/net/tls_conn.h", "src/crypto/cms.h"])
def test_edit_of_a_leaf_header_builds_what_includes_it(header):
    assert 0 < len(compiled(header)) < 15


def test_edit_of_a_header_of_all_builds_most():
    assert len(compiled("src/base/error.h")) > 40


def test_missing_httpd_tools_make_no_noise_before_they_are_installed():
    done = make("-n", "APXS=/nonexistent/apxs", "demo")
    assert (done.returncode, done.stderr) == (0, "")


def test_missing_httpd_tools_are_named_when_they_are_needed():
    done = make("APXS=/nonexistent/apxs", "BUILD=build-none",
                "MODULE=build-none/mod_nanomdm.so", "all")
    assert done.returncode != 0
    assert "/nonexistent/apxs was not found" in done.stderr
    assert "apache2-dev" in done.stderr


@pytest.mark.parametrize("goal", ["demo", "run", "check", "bench",
                                  "check-faults"])
def test_the_callers_jobs_are_shared(goal):
    """make hands them on to where it sees that it calls itself; there alone it
    also goes on with -n."""
    assert any(re.search(r" -c +-o +build-none/", line)
               for line in commands("-j2", "BUILD=build-none", goal))
