# SPDX-License-Identifier: Apache-2.0
"""conf/examples: each starts, serves a device, and lets in whom it says."""

import http.client
import json
import ssl

import pytest

import ca as certs
from device import Device, Operator
from documents import System
from server import server_identity
from system import ROOT, free_port, run

pytestmark = pytest.mark.one_database

EXAMPLES = ROOT / "conf/examples"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def system(httpd, expect_log):
    expect_log("nanomdm|ssl|core|auth", optional=True)
    made = httpd(make=System, start=False, api_key=KEY)
    made.sh("make install")
    made.sh("a2enmod -q ssl nanomdm")
    etc = made.file("/etc/nanomdm")
    etc.mkdir(parents=True, exist_ok=True)
    data = made.file("/var/lib/nanomdm")
    data.mkdir(parents=True, exist_ok=True)
    run("chown", "www-data", data)
    run(ROOT / "tools/nmdm-ca.sh", etc, "Test MDM CA")
    (etc / "server.pem").write_bytes(server_identity().pem)
    for name, content in (("server.key", server_identity().key_pem),
                          ("api.key", KEY.encode())):
        (etc / name).write_bytes(content)
        (etc / name).chmod(0o600)
    return made


def start(system, name, **replace):
    text = (EXAMPLES / f"{name}.conf").read_text()
    for old, new in replace.items():
        text = text.replace(old, new)
    system.site(text)
    system.sh("a2ensite -q nanomdm")
    status, said = system.configtest()
    assert status == 0, said
    return system.start()


def authority(system, name="issuer"):
    """The device CA that the example names, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    etc = system.file("/etc/nanomdm")
    return certs.Authority(
        x509.load_pem_x509_certificate((etc / f"{name}.pem").read_bytes()),
        serialization.load_pem_private_key(
            (etc / f"{name}.key").read_bytes(), None))


def passwords(system, file, *users):
    path = system.file(f"/etc/nanomdm/{file}")
    for number, user in enumerate(users):
        run("htpasswd", "-b", *(["-c"] if not number else []), path, user,
            f"{user}-secret")


def enrolled(system):
    mac = Device(system, authority(system).issue())
    mac.enroll()
    mac.close()
    return mac


def test_each_example_has_a_test():
    here = globals()
    for path in EXAMPLES.glob("*.conf"):
        assert f"test_{path.stem.replace('-', '_')}" in here, path


def test_sqlite(system):
    mac = enrolled(start(system, "sqlite"))
    operator = Operator(system)
    assert operator.call("GET", f"/v1/enrollments/{mac.id}").status == 200
    assert b"POSTPKIOperation" in operator.raw(
        "GET", "/scep?operation=GetCACaps").body
    assert operator.raw("GET", "/health").body == b"ok\n"
    operator.close()


def test_rights(system):
    passwords(system, "operators", "admin", "reader")
    mac = enrolled(start(system, "rights"))
    admin = Operator(system, user="admin", key="admin-secret")
    reader = Operator(system, user="reader", key="reader-secret")
    for each in admin, reader:
        assert each.call("GET", f"/v1/enrollments/{mac.id}").status == 200
        assert each.call("POST", "/v1/enrollments/query").status == 200
        assert each.call("GET", f"/v1/queue/{mac.id}").status == 200
    for method, path in (("PUT", f"/v1/enqueue/{mac.id}"),
                         ("GET", f"/v1/push/{mac.id}"),
                         ("POST", "/v1/commands"),
                         ("DELETE", f"/v1/queue/{mac.id}"),
                         ("PUT", "/v1/pushcert")):
        assert reader.call(method, path, b"").status == 403, path
        assert admin.call(method, path, b"").status not in (401, 403), path
    assert Operator(system).call(
        "GET", f"/v1/enrollments/{mac.id}").status == 401
    admin.close()
    reader.close()


def test_operators_by_certificate(system):
    operators, port = certs.root("Operators CA"), free_port()
    system.file("/etc/nanomdm/operators-ca.pem").write_bytes(operators.pem)
    ports = system.file("/etc/apache2/ports.conf")
    ports.write_text(ports.read_text() + f"Listen 127.0.0.1:{port}\n")
    mac = enrolled(start(system, "operators-by-certificate",
                         **{"*:8443": f"127.0.0.1:{port}"}))

    def status(identity):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if identity:
            with identity.file() as pem:
                context.load_cert_chain(pem.name)
        asking = http.client.HTTPSConnection("127.0.0.1", port,
                                             context=context)
        try:
            asking.request("GET", f"/v1/enrollments/{mac.id}",
                           headers={"Host": "localhost"})
            return asking.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            asking.close()

    assert status(operators.issue("alice")) == 200
    assert status(operators.issue("bob")) in (401, 403)
    assert status(mac.identity) is None          # a device is no operator
    assert status(None) is None


def test_monitoring(system):
    passwords(system, "monitors", "prometheus")
    mac = enrolled(start(system, "monitoring"))
    monitor = Operator(system, user="prometheus", key="prometheus-secret")
    answer = monitor.call("GET", "/status?prometheus")
    assert answer.status == 200 and b"nanomdm_database_up 1" in answer.body
    assert monitor.call("GET", f"/v1/enrollments/{mac.id}").status == 401
    assert monitor.raw("GET", "/health").status == 200
    assert monitor.raw("GET", "/status").status == 401
    monitor.close()


def test_two_tenants(system):
    etc = system.file("/etc/nanomdm")
    cas = {}
    for name in "north", "south":
        cas[name] = certs.root(f"{name} CA")
        (etc / f"{name}-ca.pem").write_bytes(cas[name].pem)
        (etc / f"{name}.key").write_text(f"{name}-{KEY}\n")
        (etc / f"{name}.key").chmod(0o600)
    start(system, "two-tenants")
    mac = Device(system, cas["north"].issue())
    host = {"Host": "north.example.com"}
    answer = mac.send(mac.message(
        "Authenticate", Topic=mac.topic, SerialNumber="N1"),
        "application/x-apple-aspen-mdm-checkin", headers=host)
    assert answer.status == 200, answer
    mac.close()

    def found(tenant, key):
        operator = Operator(system, key=f"{key}-{KEY}")
        answer = operator.call("POST", "/v1/enrollments/query", None,
                               {"Host": f"{tenant}.example.com"})
        operator.close()
        return (answer.status, len(json.loads(answer.body)["enrollments"])
                if answer.status == 200 else None)

    assert found("north", "north")[0] == 200
    assert found("south", "south") == (200, 0)
    assert found("south", "north")[0] == 401
    stranger = Device(system, cas["north"].issue())
    answer = stranger.send(stranger.message(
        "Authenticate", Topic=stranger.topic),
        "application/x-apple-aspen-mdm-checkin",
        headers={"Host": "south.example.com"})
    assert answer.status == 400        # its CA is not trusted there
    stranger.close()
