# SPDX-License-Identifier: Apache-2.0
"""The scripts that look at the source find what they are there to find."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture
def checkout(tmp_path):
    """A source of two files without a fault."""
    (tmp_path / "src/base").mkdir(parents=True)
    (tmp_path / "mod_nanomdm.c").write_text("/* hooks */\n")
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"src/base/{name}.h").write_text(
            f"int nmdm_{name}(int x);\n")
        (tmp_path / f"src/base/{name}.c").write_text(
            f'#include "base/{name}.h"\n\nint nmdm_{name}(int x)\n'
            "{\n    return x;\n}\n")
    return tmp_path


def said_of(script, checkout):
    run = subprocess.run(
        [sys.executable, ROOT / "tests" / script, checkout],
        capture_output=True, text=True, timeout=60)
    assert bool(run.returncode) == bool(run.stderr)
    return run.stderr


def add(checkout, name, text):
    path = checkout / "src/base" / name
    path.write_text(path.read_text() + text)


def use(checkout, name, other):
    add(checkout, f"{name}.c",
        f"\nint nmdm_{name}_twice(int x)\n{{\n"
        f"    return nmdm_{other}(x) * 2;\n}}\n")


def test_one_way_is_no_ring(checkout):
    use(checkout, "a", "b")
    assert said_of("check_rings.py", checkout) == ""


def test_a_ring_of_calls_is_found(checkout):
    use(checkout, "a", "b")
    use(checkout, "b", "a")
    said = said_of("check_rings.py", checkout)
    assert "src/base/a.c uses src/base/b.c (nmdm_b)" in said
    assert "src/base/b.c uses src/base/a.c (nmdm_a)" in said


def test_what_a_comment_or_a_text_names_is_not_used(checkout):
    use(checkout, "a", "b")
    add(checkout, "b.c", '\n/* nmdm_a */\nconst char nmdm_text[] = "nmdm_a";\n')
    assert said_of("check_rings.py", checkout) == ""


def test_a_ring_of_headers_is_found(checkout):
    add(checkout, "a.h", '#include "base/b.h"\n')
    add(checkout, "b.h", '#include "base/a.h"\n')
    said = said_of("check_rings.py", checkout)
    assert "src/base/a.h includes src/base/b.h" in said


@pytest.mark.parametrize("lines, is_too_long", [(42, False), (43, True)])
def test_a_function_of_more_than_45_lines_is_found(checkout, lines,
                                                   is_too_long):
    add(checkout, "a.c", "\nint nmdm_long(int x)\n{\n" + "    x++;\n" * lines
        + "}\n")
    assert ("nmdm_long: 46 lines" in said_of("check_size.py", checkout)) \
        == is_too_long


@pytest.mark.parametrize("lines, is_too_long", [(500, False), (501, True)])
def test_a_file_of_more_than_500_lines_is_found(checkout, lines, is_too_long):
    have = (checkout / "src/base/a.h").read_text().count("\n")
    add(checkout, "a.h", "/* */\n" * (lines - have))
    assert (said_of("check_size.py", checkout)
            == "src/base/a.h: 501 lines\n") == is_too_long


def test_without_source_they_fail(tmp_path):
    (tmp_path / "mod_nanomdm.c").write_text("")
    assert said_of("check_rings.py", tmp_path)
    assert said_of("check_size.py", tmp_path)


def test_a_declaration_without_a_comment_is_found(checkout):
    said = said_of("check_headers.py", checkout)
    assert "src/base/a.h: nmdm_a has no comment" in said
    assert "src/base/b.h: nmdm_b has no comment" in said


def test_a_comment_serves_its_paragraph_alone(checkout):
    for name in "ab":
        (checkout / f"src/base/{name}.h").write_text(
            "typedef struct {\n    int x;\n\n    int y;          /* cm */\n"
            "} nmdm_box_t;\n\n"
            f"/* Returns x. */\nint nmdm_{name}(int x);\n"
            f"int nmdm_{name}_twice(int x);\n")
    assert said_of("check_headers.py", checkout) == ""
    add(checkout, "a.h", "\nint nmdm_a_thrice(int x);\n")
    assert (said_of("check_headers.py", checkout)
            == "src/base/a.h: nmdm_a_thrice has no comment\n")
