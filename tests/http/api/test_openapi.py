# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.yaml: well-formed, and as complete as the source."""

import collections
import re

import jsonschema
import pytest
import yaml

from system import ROOT

pytestmark = pytest.mark.one_database

DOCUMENT = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
METHODS = ("get", "put", "post", "delete", "patch", "head", "options",
           "trace")


def operations():
    """{(path, METHOD): operation}"""
    return {(path, method.upper()): operation
            for path, item in DOCUMENT["paths"].items()
            for method, operation in item.items() if method in METHODS}


def resolve(node):
    """What a node says, or the node that it refers to."""
    while "$ref" in node:
        start, *names = node["$ref"].split("/")
        assert start == "#"
        node = DOCUMENT
        for name in names:
            node = node[name]
    return node


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from references(child)


def check(content, schema):
    jsonschema.Draft4Validator(
        schema, jsonschema.RefResolver("", DOCUMENT),
        format_checker=jsonschema.FormatChecker()).validate(content)


# -- The document by itself -------------------------------------------

def test_meets_the_specification():
    schema = yaml.safe_load(open("/usr/share/openapi-specification/schemas/"
                                 "v3.0/schema.yaml"))
    jsonschema.Draft4Validator(
        schema, format_checker=jsonschema.FormatChecker()).validate(DOCUMENT)


def test_references_lead_somewhere_and_all_is_referred_to():
    seen = {node["$ref"] for node in references(DOCUMENT)}
    for node in references(DOCUMENT):
        assert resolve(node)
    for kind, named in DOCUMENT["components"].items():
        if kind != "securitySchemes":
            for name in named:
                assert f"#/components/{kind}/{name}" in seen


def test_operations_have_names_and_their_parameters():
    names = [each["operationId"] for each in operations().values()]
    assert len(names) == len(set(names))
    for (path, _), operation in operations().items():
        given = [resolve(each) for each in
                 DOCUMENT["paths"][path].get("parameters", [])
                 + operation.get("parameters", [])]
        assert (set(re.findall(r"{(\w+)}", path))
                == {each["name"] for each in given if each["in"] == "path"})


def test_examples_are_of_their_schema():
    for schema in DOCUMENT["components"]["schemas"].values():
        if "example" in schema:
            check(schema["example"], schema)


# -- The document and the code ----------------------------------------

def test_every_call_is_documented_and_no_other():
    source = (ROOT / "src/httpd/api.c").read_text()
    table = re.search(r"nanomdm_api_calls\[\] = {(.*?)^};", source, re.S | re.M)[1]
    made = collections.defaultdict(set)
    for name, method, takes_rest in re.findall(
            r'{\s*"([\w-]+)",\s*M_(\w+),\s*(\d)', table):
        made[name, method].add(int(takes_rest))
    source = (ROOT / "src/httpd/declarations.c").read_text()
    table = re.search(r"} CALLS\[\] = {(.*?)^};", source, re.S | re.M)[1]
    for name, method, takes_rest in re.findall(
            r'{\s*"([\w-]+)",\s*M_(\w+),\s*(\d)', table):
        made[name, method].add(int(takes_rest))
    assert made
    documented = collections.defaultdict(set)
    for path, method in operations():
        match = re.fullmatch(r"/v1/([\w-]+)(/.*)?", path)
        if match:
            documented[match[1], method].add(bool(match[2]))
    assert set(documented) == set(made)
    for call, rests in documented.items():
        assert True not in rests or 1 in made[call], call


def test_parameters_of_the_status_page_are_documented():
    source = "".join((ROOT / f"src/httpd/{name}.c").read_text()
                     for name in ("status", "devices_html"))
    named = {each["name"]: each
             for each in DOCUMENT["paths"]["/status"]["parameters"]}
    assert set(re.findall(r'nanomdm_parameter\(r, "(\w+)"\)',
                          source)) == set(named)
    assert set(re.findall(r'^    \[NMDM_LIST_\w+\] = { "(\w+)"', source,
                          re.MULTILINE)) == set(named["state"]["schema"]["enum"])
