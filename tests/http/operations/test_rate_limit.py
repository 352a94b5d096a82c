# SPDX-License-Identifier: Apache-2.0
"""NanoMDMRateLimit: a device that comes too often gets 503, and nobody else
does."""

import re

import pytest

from device import Operator
from status_site import metrics
from system import wait_until
from tables import is_enabled

pytestmark = pytest.mark.one_database

TOLD = "NMDM2101: -: the device with certificate {}"

# A request an hour: what a test sees does not depend on how fast it is.
LOCATIONS = """\
NanoMDMRateLimit 1/h 4
<Location "/often">
    SetHandler nanomdm
    NanoMDMRateLimit 1000/s 1
</Location>
<Location "/free">
    SetHandler nanomdm
    NanoMDMRateLimit Off
</Location>
<Location "/signature">
    SetHandler nanomdm
    NanoMDMIdentity signature
</Location>
<Location "/files">
    Require nanomdm-enrolled
</Location>
<Location "/status">
    SetHandler nanomdm-status
</Location>
"""


@pytest.fixture(scope="module")
def strict(module_httpd):
    return module_httpd(extra_vhost=LOCATIONS)


@pytest.fixture
def mac(strict, device, expect_log):
    """A device that has two of its four requests left."""
    made = device(strict)
    expect_log(TOLD.format(made.identity.sha256), server=strict,
               optional=True)
    return made.enroll()


def statuses(mac, n):
    return [mac.idle().status for _ in range(n)]


def assert_refused(answer):
    assert answer.status == 503
    assert 3500 < int(answer.headers["Retry-After"]) <= 3600
    assert answer.body == b"Service Unavailable\n"


def test_the_limit_is_a_number(strict, mac):
    assert statuses(mac, 2) == [200, 200]
    for _ in range(20):
        assert_refused(mac.idle())
    log = strict.error_log()
    assert 1 <= len(re.findall(TOLD.format(mac.identity.sha256), log)) <= 2


def test_others_are_not_affected(strict, mac, device):
    assert statuses(mac, 3) == [200, 200, 503]
    other = device(strict).enroll()
    assert statuses(other, 2) == [200, 200]


def test_it_counts_the_certificate_not_the_id(strict, mac, device,
                                              expect_log):
    """Who claims the id of another empties its own bucket, and whoever
    claims many has one."""
    liar = device(strict, udid=mac.udid)
    expect_log(TOLD.format(liar.identity.sha256), server=strict)
    assert statuses(liar, 5) == [500, 500, 500, 500, 503]
    assert statuses(mac, 2) == [200, 200]
    for _ in range(3):
        liar.udid = f"{mac.udid}-X"
        assert_refused(liar.idle())


def test_a_user_shares_the_bucket_of_its_device(mac):
    user = mac.user()
    assert user.token_update().status == 200
    assert mac.idle().status == 200
    assert_refused(user.idle())
    assert_refused(mac.idle())


def test_what_is_refused_changes_nothing(strict, mac):
    assert statuses(mac, 2) == [200, 200]
    before = is_enabled(strict.database, mac)
    assert_refused(mac.checkout())
    assert_refused(mac.authenticate())
    assert is_enabled(strict.database, mac) == before


def test_a_location_has_its_own(mac, strict):
    assert statuses(mac, 3) == [200, 200, 503]
    mac.path = "/free"
    assert statuses(mac, 20) == [200] * 20


def test_it_ends(mac):
    """A thousand requests a second, one at once: the next that is taken is
    one that waited."""
    mac.path = "/free"
    assert mac.idle().status == 200
    mac.path = "/often"
    wait_until(lambda: mac.idle().status == 200)


def test_a_signature_counts_once_it_is_good(strict, device, expect_log):
    signer = device(strict, transport="signature")
    expect_log(TOLD.format(signer.identity.sha256), server=strict)
    signer.path = "/signature"
    good, signer.sign = signer.sign, lambda body, identity: "bm9uc2Vuc2U="
    for _ in range(10):
        assert signer.idle().status == 400
    signer.sign = good
    signer.enroll()
    assert statuses(signer, 3) == [200, 200, 503]


def test_no_certificate_is_no_bucket(strict, device):
    stranger = device(strict, transport="none")
    assert [stranger.idle().status for _ in range(10)] == [400] * 10


def test_children_count_together(httpd, device, expect_log):
    server = httpd(children=2, threads=4, extra_vhost=LOCATIONS)
    mac = device(server)
    expect_log(TOLD.format(mac.identity.sha256), server=server)
    mac.enroll()
    assert len(server.children()) == 2
    answers = []
    for _ in range(16):         # a connection each, for either child
        mac.close()
        answers.append(mac.idle().status)
    assert answers == [200] * 2 + [503] * 14
    server.graceful()
    mac.close()
    assert_refused(mac.idle())


def test_files_and_operators_are_not_limited(strict, mac):
    (strict.folder / "htdocs" / "files").mkdir()
    (strict.folder / "htdocs" / "files" / "one").write_text("text")
    operator = Operator(strict)
    assert statuses(mac, 3) == [200, 200, 503]
    for _ in range(10):
        assert mac.raw("GET", "/files/one").status == 200
        assert operator.version().status == 200
    operator.close()


def test_it_is_counted(strict, mac):
    operator = Operator(strict)
    before = metrics(operator)
    assert statuses(mac, 5) == [200] * 2 + [503] * 3
    after = metrics(operator)
    name = "nanomdm_limited_total"
    assert after[name] - before[name] == 3
    page = operator.call("GET", "/status").body.decode()
    assert "Beyond the rate limit, last hour" in page
    operator.close()
