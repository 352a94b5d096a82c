# SPDX-License-Identifier: Apache-2.0
"""Servers whose status is looked at, and what it shows."""

import re

import pytest

from device import Operator

one_database = pytest.mark.one_database

STATUS = """\
<Location "/status">
    SetHandler nanomdm-status
</Location>
<Location "/private">
    SetHandler nanomdm-status
    AuthType Basic
    AuthName nanomdm
    AuthBasicProvider nanomdm
    Require valid-user
</Location>
"""

# A line of the text format.
SAMPLE = re.compile(
    r'nanomdm_[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"'
    r'(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*\})? (-?\d+(?:\.\d+)?)')
HOSTILE = "<script>alert(1)</script>&\"'"


def get(operator, query="", path="/status", **options):
    return operator.raw("GET", path + query, None, **options)


def metrics(operator):
    """{sample with its labels: value}, each line being looked at."""
    answer = get(operator, "?prometheus")
    assert answer.status == 200, answer
    assert (answer.headers["Content-Type"]
            == "text/plain; version=0.0.4; charset=utf-8")
    text = answer.body.decode()
    assert text.endswith("\n")
    samples, families = {}, {}
    for line in text.splitlines():
        if line.startswith("#"):
            _, word, name, rest = line.split(" ", 3)
            assert word in ("HELP", "TYPE")
            if word == "TYPE":
                assert name not in families
                families[name] = rest
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        sample = line.rsplit(" ", 1)[0]
        name = sample.split("{")[0]
        assert sample not in samples, sample
        assert any(name in (family, *(family + end for end in
                                      ("_bucket", "_sum", "_count")))
                   for family in families), name
        samples[sample] = float(match[2])
    assert set(families.values()) == {"counter", "gauge", "histogram"}
    return samples


def figures(operator):
    answer = get(operator, "?json")
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json


def page(operator, query="", status=200):
    answer = get(operator, query)
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    text = answer.body.decode()
    assert text.startswith("<!DOCTYPE html>")
    assert "<script" not in text and " src=" not in text
    return text


def findings(text):
    """Of the verdict; each is a link to a part of the page, or to another
    page."""
    verdict = re.search(r'<section class="verdict">.*?</section>', text,
                        re.DOTALL)[0]
    items = re.findall(r"<li>(.*?)</li>", verdict, re.DOTALL)
    for item in items:
        (link,) = re.findall(r'<a href="([^"]+)"', item)
        assert link[0] == "?" or f'id="{link[1:]}"' in text, item
    heading = re.search(r"<h2>(.*?)</h2>", verdict)[1]
    assert heading == ("All is well" if not items else "1 thing needs you"
                       if len(items) == 1
                       else f"{len(items)} things need you")
    return items


@pytest.fixture
def watched(httpd, fresh_db):
    """A server with a status page, on a database of its own."""
    server = httpd(fresh_db(), extra_vhost=STATUS)
    operator = Operator(server)
    operator.version()
    yield server, operator
    operator.close()
