# SPDX-License-Identifier: Apache-2.0
"""What an answer of the API has to be."""

import json


def assert_json(answer, status, keys):
    """The exact keys, in order, laid out as NanoMDM does."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/json"
    text = json.dumps(keys, indent="\t", ensure_ascii=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    assert answer.body.decode() == text + "\n"


def assert_json_error(answer, status, key, text):
    """One key tells the error; text must be in it."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/json"
    assert text in answer.json[key]
