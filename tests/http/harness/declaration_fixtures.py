# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of declarations; `site` is each module's own. No
conftest.py beside them: there is one already, and tests import it."""

import uuid

import pytest

from declarations import DeclarativeDevice, Declarations


@pytest.fixture
def api(site):
    api = Declarations(site)
    yield api
    api.close()


@pytest.fixture
def mac(site, ca):
    mac = DeclarativeDevice(site, ca.issue()).enroll()
    yield mac
    mac.close()


@pytest.fixture
def name():
    """A fresh Identifier or set name: the database is shared."""
    return lambda text="x": f"{text}.{uuid.uuid4()}"
