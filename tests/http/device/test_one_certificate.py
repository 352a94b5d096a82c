# SPDX-License-Identifier: Apache-2.0
"""One certificate is one, however its signature is encoded, and belongs to
one device, however many claim it at once (behaviour specification 4)."""

import base64
import concurrent.futures
import threading

import pytest

import ca as certs
from ca import other_encoding, tlv
from device import CHECKIN, Operator, command, split_tlv
from tables import associations, device_columns, result
from test_certauth import is_refused
from wire import assert_error, authenticate

VHOST = """\
LogLevel nanomdm:debug
<Location "/signature">
    SetHandler nanomdm
    NanoMDMIdentity signature
</Location>
<Location "/header">
    SetHandler nanomdm
    NanoMDMIdentity header:X-Client-Cert
    NanoMDMTrustedProxy 127.0.0.0/8 ::1
</Location>
<Location "/latest">
    SetHandler nanomdm
    NanoMDMAssociation latest
</Location>
<Location "/retro">
    SetHandler nanomdm
    NanoMDMRetroactive On
</Location>
<Location "/slow">
    SetHandler nanomdm
    NanoMDMRateLimit 1/h 3
</Location>
<Location "/files">
    Require nanomdm-enrolled
</Location>
"""
MODES = {"tls": "/mdm", "signature": "/signature", "header": "/header"}
ISSUERS = ("ec", "p384", "p521")


@pytest.fixture(scope="module")
def authorities():
    return {kind: certs.root(f"CA {kind}", key=kind, digest="sha256")
            for kind in (*ISSUERS, "dsa", "rsa")}


@pytest.fixture(scope="module")
def server_of_all(module_httpd, authorities, ca):
    pem = b"".join(one.pem for one in (*authorities.values(), ca))
    server = module_httpd(ca=pem, extra_vhost=VHOST, children=2, threads=16)
    folder = server.folder / "htdocs" / "files"
    folder.mkdir()
    (folder / "one").write_text("text")
    return server


def at(device, server, path, **options):
    transport = path.strip("/")
    mac = device(server, transport=transport
                 if transport in ("signature", "header") else "tls",
                 **options)
    mac.path = path
    return mac


@pytest.fixture
def pair(device, server_of_all, authorities):
    """pair(path, kind): an enrolled device, and how to claim an UDID with
    the other encoding of its certificate."""
    def make(path="/mdm", kind="ec"):
        issuer = authorities[kind]
        mac = at(device, server_of_all, path, identity=issuer.issue())
        twin = other_encoding(mac.identity, issuer)
        assert twin.sha256 != mac.identity.sha256

        def claim(udid=None, path=path):
            return at(device, server_of_all, path, identity=twin, udid=udid)
        return mac.enroll(), claim
    return make


# -- Two encodings of one certificate ---------------------------------

@pytest.mark.parametrize("kind", ISSUERS)
@pytest.mark.parametrize("mode", MODES)
def test_the_other_encoding_is_no_new_certificate(pair, device, db, mode,
                                                  kind):
    """A5: it enrolls no second device, and takes no other's commands."""
    mac, claim = pair(MODES[mode], kind)
    victim = device(mac.server).enroll()
    uuid, plist = command()
    assert Operator(mac.server).enqueue(victim.id, plist).status == 200
    thief = claim(victim.udid)
    assert is_refused(thief.authenticate())
    assert is_refused(thief.token_update(PushMagic="stolen"))
    assert is_refused(thief.idle())
    assert is_refused(thief.acknowledge(uuid))
    assert is_refused(claim().authenticate())
    assert result(db, victim, uuid) is None
    assert associations(db, victim) == [victim.identity.sha256]
    assert victim.idle().body == plist


def changed_at_the_end(identity):
    """A signature of the right length, but another."""
    return (identity.der[:-1] + bytes([identity.der[-1] ^ 1]))


def shorter_by_one_bit(identity):
    """The BIT STRING says that its last bit is unused."""
    value = b"\0" + identity.cert.signature
    return identity.der[:-len(value)] + b"\1" + value[1:]


def other_parameters(identity):
    """NULL after the algorithm's name, in the unsigned copy alone."""
    value = tlv(0x03, b"\0" + identity.cert.signature)
    tbs = identity.cert.tbs_certificate_bytes
    algorithm = identity.der[identity.der.index(tbs) + len(tbs):-len(value)]
    longer = tlv(0x30, split_tlv(algorithm)[1] + b"\x05\0")
    return tlv(0x30, tbs + longer + value)


def followed_by_more(identity):
    return identity.der + b"\0\0"


def signature_with_zeros(identity):
    """r with a zero that DER does not allow."""
    value = split_tlv(identity.cert.signature)[1]
    _, r, s = split_tlv(value)
    longer = tlv(0x30, tlv(0x02, b"\0" + r) + s)
    tbs = identity.cert.tbs_certificate_bytes
    at = identity.der.index(tbs)
    end = identity.der.index(identity.cert.signature) - 3
    return tlv(0x30, identity.der[at:end] + tlv(0x03, b"\0" + longer))


@pytest.mark.parametrize("change", [
    changed_at_the_end, shorter_by_one_bit, other_parameters,
    followed_by_more, signature_with_zeros])
def test_there_are_no_further_encodings(device, server_of_all, authorities,
                                        change):
    """What else is unsigned cannot be changed: 400."""
    mac = at(device, server_of_all, "/header",
             identity=authorities["ec"].issue())
    value = ":" + base64.b64encode(change(mac.identity)).decode() + ":"
    answer = mac.raw("PUT", "/header", authenticate(mac),
                     [("Content-Type", CHECKIN), ("X-Client-Cert", value)])
    assert_error(answer, 400)
    assert mac.authenticate().status == 200


def test_dsa_has_one_encoding(device, server_of_all, authorities):
    """(r, q - s) is no signature there: 400."""
    issuer = authorities["dsa"]
    mac = at(device, server_of_all, "/header", identity=issuer.issue())
    other = at(device, server_of_all, "/header",
               identity=other_encoding(mac.identity, issuer))
    assert mac.authenticate().status == 200
    assert_error(other.authenticate(), 400)


def test_ber_around_the_signed_part_is_the_same(device, server_of_all,
                                                authorities, db):
    """Indefinite length outside: read, and hashed as DER."""
    mac = at(device, server_of_all, "/header",
             identity=authorities["ec"].issue()).enroll()
    ber = (b"\x30\x80" + split_tlv(mac.identity.der)[1] + b"\0\0")
    value = ":" + base64.b64encode(ber).decode() + ":"
    other = at(device, server_of_all, "/header")
    answer = mac.raw("PUT", "/header", authenticate(other),
                     [("Content-Type", CHECKIN), ("X-Client-Cert", value)])
    assert_error(answer, 500)
    assert associations(db, other) == []


@pytest.mark.parametrize("mode", MODES)
def test_the_other_encoding_is_the_devices_own(pair, db, mode):
    """Whatever a device says with it, as with the first."""
    mac, claim = pair(MODES[mode])
    same = claim(mac.udid)
    uuid, plist = command()
    assert Operator(mac.server).enqueue(mac.id, plist).status == 200
    assert same.idle().body == plist
    assert same.acknowledge(uuid).status == 200
    assert result(db, mac, uuid).status == "Acknowledged"
    assert same.token_update().status == 200
    assert same.authenticate().status == 200
    assert same.token_update().status == 200
    assert associations(db, mac) == [mac.identity.sha256]
    assert device_columns(db, mac, "identity_cert")[0].encode().strip() \
        == mac.identity.pem.strip()


def test_the_other_encoding_with_latest(pair, db):
    """A7: it is the latest as long as the first is."""
    mac, claim = pair("/latest")
    same = claim(mac.udid)
    uuid, plist = command()
    assert Operator(mac.server).enqueue(mac.id, plist).status == 200
    assert same.idle().body == plist
    assert same.acknowledge(uuid).status == 200
    assert result(db, mac, uuid).status == "Acknowledged"
    assert same.token_update().status == 200
    assert is_refused(claim().authenticate())


def test_the_other_encoding_retroactively(pair, device, db):
    """A4: known is known, in either form."""
    mac, claim = pair("/retro")
    victim = device(mac.server).enroll()
    db.execute("DELETE FROM cert_auth_associations WHERE id = %s",
               victim.udid)
    assert is_refused(claim(victim.udid).idle())
    assert associations(db, victim) == []


def test_the_other_encoding_has_no_rate_of_its_own(pair, expect_log):
    expect_log("NMDM2101")
    mac, claim = pair("/slow")
    same = claim(mac.udid)
    answers = [one.idle().status for one in (same, mac)]
    assert answers == [200, 503], "two of three were spent by enroll()"


def test_the_other_encoding_at_a_guarded_location(pair):
    mac, claim = pair()
    for one in (mac, claim()):
        assert one.raw("GET", "/files/one").body == b"text"


# -- Several at once --------------------------------------------------

@pytest.fixture
def crowd():
    """crowd(calls): calls them all at one moment; their answers."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        def make(calls):
            gate = threading.Barrier(len(calls))

            def go(call):
                gate.wait()
                return call()
            return [done.result()
                    for done in [pool.submit(go, call) for call in calls]]
        yield make


ROUNDS = 12


@pytest.mark.parametrize("forms", [1, 2], ids=["one form", "two forms"])
def test_one_certificate_for_many_devices_at_once(
        device, server_of_all, authorities, db, crowd, forms):
    """A5: exactly one gets it."""
    issuer = authorities["ec"]
    for _ in range(ROUNDS):
        identity = issuer.issue()
        encodings = [identity, other_encoding(identity, issuer)][:forms]
        macs = [device(server_of_all, identity=encodings[i % forms])
                for i in range(4)]
        for mac in macs:
            mac.raw("GET", "/v")        # connected beforehand
        answers = crowd([mac.authenticate for mac in macs])
        assert sorted(answer.status for answer in answers) \
            == [200, 500, 500, 500]
        assert sum(len(associations(db, mac)) for mac in macs) == 1
        for mac in macs:
            mac.close()


def test_one_device_that_repeats_itself(device, server_of_all, db, crowd):
    """A2: the first Authenticate, six times at once."""
    for _ in range(ROUNDS):
        mac = device(server_of_all)
        same = [device(server_of_all, identity=mac.identity, udid=mac.udid)
                for _ in range(6)]
        for one in same:
            one.raw("GET", "/v")
        answers = crowd([one.authenticate for one in same])
        assert [answer.status for answer in answers] == [200] * 6
        assert associations(db, mac) == [mac.identity.sha256]
        for one in same:
            one.close()


def test_a_migrated_device_and_its_user_at_once(device, server_of_all, db,
                                                crowd):
    """A4: both are associated by whichever is first."""
    for _ in range(ROUNDS):
        mac = device(server_of_all).enroll()
        mac.path = "/retro"
        user = mac.user()
        user.token_update()
        db.execute("DELETE FROM cert_auth_associations WHERE id = %s",
                   mac.udid)
        again = device(server_of_all, identity=mac.identity, udid=mac.udid)
        again.path = "/retro"
        again.raw("GET", "/v")
        answers = crowd([mac.idle, user.idle, again.token_update])
        assert [answer.status for answer in answers] == [200] * 3
        assert associations(db, mac) == [mac.identity.sha256]
        for one in (mac, user, again):
            one.close()


def test_a_migrated_device_with_two_certificates_at_once(
        device, server_of_all, db, crowd, ca):
    """A4: the second is another's, as when it comes later."""
    for _ in range(ROUNDS):
        mac = device(server_of_all).enroll()
        mac.path = "/retro"
        thief = device(server_of_all, identity=ca.issue(), udid=mac.udid)
        thief.path = "/retro"
        thief.raw("GET", "/v")
        db.execute("DELETE FROM cert_auth_associations WHERE id = %s",
                   mac.udid)
        answers = crowd([mac.idle, thief.idle])
        assert sorted(answer.status for answer in answers) == [200, 500]
        assert len(associations(db, mac)) == 1
        mac.close()
        thief.close()


def test_one_device_that_says_all_at_once(device, server_of_all, db, crowd):
    """2.2 and 2.3, in either order: nothing is refused, and the device goes
    on with its next TokenUpdate."""
    for _ in range(ROUNDS):
        mac = device(server_of_all).enroll()
        user = mac.user()
        user.token_update()
        again, third = (device(server_of_all, identity=mac.identity,
                               udid=mac.udid) for _ in range(2))
        for one in (again, third):
            one.raw("GET", "/v")
        answers = crowd([mac.authenticate, again.token_update,
                         user.token_update, third.idle])
        assert [answer.status for answer in answers] == [200] * 4
        assert mac.token_update().status == 200
        assert associations(db, mac) == [mac.identity.sha256]
        uuid, plist = command()
        assert Operator(mac.server).enqueue(mac.id, plist).status == 200
        assert again.idle().body == plist
        assert third.acknowledge(uuid).status == 200
        assert result(db, mac, uuid).status == "Acknowledged"
        for one in (mac, user, again, third):
            one.close()
