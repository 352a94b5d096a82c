# SPDX-License-Identifier: Apache-2.0
"""Property lists that devices sent, to an older server maybe: whatever is
wrong with one is a ValueError, so that the others are looked at."""

import plistlib

LARGEST = 64 << 20            # bytes of XML, about
TAGS = 32                     # bytes around a value


def read(data):
    try:
        return plistlib.loads(data)
    # Damaged ones also bring about errors of expat, of types, of memory and
    # of recursion.
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from None


def write(value):
    """As XML."""
    try:
        if size_of(value, {}) > LARGEST:
            raise ValueError(f"as XML it is longer than {LARGEST >> 20} MiB")
        return plistlib.dumps(value)
    except (TypeError, OverflowError, RecursionError) as error:
        raise ValueError(str(error) or type(error).__name__) from None


def size_of(value, known):
    """A binary list may name one part in many places; XML has it in each, so
    that some hundred bytes could become more than there is memory for."""
    size = known.get(id(value))
    if size is None:
        if isinstance(value, dict):
            size = sum(size_of(key, known) + size_of(part, known)
                       for key, part in value.items())
        elif isinstance(value, list):
            size = sum(size_of(part, known) for part in value)
        else:
            size = len(value) if isinstance(value, (str, bytes)) else 0
        size += TAGS
        known[id(value)] = size
    return size
