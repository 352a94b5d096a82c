# SPDX-License-Identifier: Apache-2.0
"""Clients: an Apple device, and the operator who commands it."""

import base64
import http.client
import json
import plistlib
import re
import select
import socket
import ssl
import subprocess
import urllib.parse
from uuid import uuid4

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7

CHECKIN = "application/x-apple-aspen-mdm-checkin"
REPORT = "application/x-apple-aspen-mdm; charset=UTF-8"
SHARED_IPAD_USER = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"
USER_KINDS = {"Device": "User", "User Enrollment (Device)":
              "User Enrollment"}

# Options of `openssl cms -sign` for the kinds of Mdm-Signature that must
# pass and that must not.
GOOD_SIGNATURES = {
    "streamed": ["-noattr", "-md", "sha1", "-stream"],
    "mdmb": ["-md", "sha1"],
    "sha1": ["-noattr", "-md", "sha1"],
    "sha256": ["-noattr", "-md", "sha256"],
    "sha384": ["-noattr", "-md", "sha384"],
    "sha512": ["-noattr", "-md", "sha512"],
    "sha256-attributes": ["-md", "sha256"],
    "sha384-attributes": ["-md", "sha384"],
    "sha512-attributes": ["-md", "sha512"],
    "embedded": ["-nodetach"],
}
BAD_SIGNATURES = {
    "sha224": ["-noattr", "-md", "sha224"],
    "md5": ["-noattr", "-md", "md5"],
    "pss": ["-keyopt", "rsa_padding_mode:pss"],
    "keyid": ["-keyid"],
    "nocerts": ["-nocerts"],
}
NEED_RSA = ("md5", "pss")

# Of a log line that is about no enrollment. The log has more in front of it.
NO_ID = re.compile(rb"""(^|["'>]|: )-: """)


def sign(body, identity):
    """Mdm-Signature of body: SHA-256, no attributes, made in-process."""
    der = signed_data(body, identity)
    return base64.b64encode(der).decode()


def sign_like_apple(body, identity):
    """As devices do: SHA-1, no attributes, indefinite lengths."""
    der = base64.b64decode(cms(body, identity, "-noattr", "-md", "sha1"))
    return base64.b64encode(indefinite(der)).decode()


def signed_data(body, identity):
    options = [pkcs7.PKCS7Options.DetachedSignature,
               pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoAttributes]
    return (pkcs7.PKCS7SignatureBuilder().set_data(body)
            .add_signer(identity.cert, identity.key, hashes.SHA256())
            .sign(serialization.Encoding.DER, options))


def indefinite(der, depth=4):
    """Re-encode the outer SEQUENCEs of a SignedData with indefinite
    lengths.  (`openssl cms -stream` does it too, but then embeds the
    content.)"""
    tag, content, _ = split_tlv(der)
    explicit = tag == 0xA0 and depth == 3
    if not depth or not (tag == 0x30 or explicit):
        return der
    parts = []
    while content:
        _, _, rest = split_tlv(content)
        parts.append(indefinite(content[:len(content) - len(rest)],
                                depth - 1))
        content = rest
    return bytes([tag, 0x80]) + b"".join(parts) + b"\0\0"


def split_tlv(der):
    """(tag, content, what follows) of the first element."""
    length, start = der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    return der[0], der[start:start + length], der[start + length:]


def cms(body, identity, *options, second=None, extra=None):
    """Mdm-Signature made with any options of `openssl cms -sign`.

    second: an identity that signs too; extra: one whose certificate is
    only put in.
    """
    command = ["openssl", "cms", "-sign", "-binary", "-outform", "DER"]
    with identity.file() as first:
        files = [first]
        command += ["-signer", first.name]
        if "-keyopt" in options:           # belongs to the signer before
            command += ["-inkey", first.name]
        command += options
        if second:
            files.append(second.file())
            command += ["-signer", files[-1].name]
        if extra:
            files.append(extra.file())
            command += ["-certfile", files[-1].name]
        der = subprocess.run(command, input=body, check=True,
                             stdout=subprocess.PIPE).stdout
        for file in files:
            file.close()
    return base64.b64encode(der).decode()


def rfc9440(identity):
    return ":" + base64.b64encode(identity.der).decode() + ":"


def escaped_pem(identity):
    """As nginx's $ssl_client_escaped_cert."""
    return urllib.parse.quote(identity.pem.decode(), safe="")


class Response:
    def __init__(self, answer):
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    @property
    def plist(self):
        return plistlib.loads(self.body)

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r}>"


class Client:
    """One connection to a server, opened when needed and kept."""

    def __init__(self, server, *, identity=None, plain=False, timeout=30,
                 tls_version=None):
        """identity: TLS client certificate.  plain: no TLS at all.
        tls_version: ssl.TLSVersion.TLSv1_2 to stay below 1.3."""
        self.server = server
        self.port = server.port if plain else server.tls_port
        self.timeout = timeout
        self.context = None if plain else tls_context(identity,
                                                      tls_version)
        self.session = None               # of TLS, to be resumed
        self.resumed = None
        self.connection = None

    def raw(self, method, path, body=None, headers=(), *, fresh=False,
            resume=False, chunked=False):
        """Send exactly this.

        headers: dict or list of pairs (for repeated ones).  fresh: on a
        new connection; resume: one that resumes the last TLS session.
        """
        kept = not (fresh or resume) and self.is_usable()
        if not kept:
            self.reconnect(resume)
        try:
            return self.exchange(method, path, body, headers, chunked)
        except BrokenPipeError:
            # httpd had closed the idle connection before the request came.
            if not kept:
                raise
        self.reconnect()
        return self.exchange(method, path, body, headers, chunked)

    def exchange(self, method, path, body, headers, chunked):
        connection = self.connection
        sock = connection.sock
        connection.putrequest(method, path, skip_host=True,
                              skip_accept_encoding=True)
        for name, value in with_standard(headers, body, chunked):
            connection.putheader(name, value)
        try:
            connection.endheaders(body, encode_chunked=chunked)
            answer = connection.getresponse()
            # Before the body: its end may close the socket.
            self.session = getattr(sock, "session", None)
            self.resumed = getattr(sock, "session_reused", None)
            return Response(answer)
        except Exception:
            self.close()
            raise

    def reconnect(self, resume=False):
        self.close()
        self.connection = self.connect(resume)

    def connect(self, resume):
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.auto_open = False      # it would forget the TLS
        sock = socket.create_connection(("127.0.0.1", self.port),
                                        self.timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.context:
            sock = self.context.wrap_socket(
                sock, server_hostname="localhost",
                session=self.session if resume else None)
        connection.sock = sock
        return connection

    def is_usable(self):
        """Whether an idle connection is still open.

        Looked at before sending: repeating a request that failed would
        hide a crash.
        """
        sock = self.connection and self.connection.sock
        return bool(sock) and not select.select([sock], [], [], 0)[0]

    def is_resumed(self):
        """Whether the last request went over a resumed TLS session."""
        return self.resumed

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def tls_context(identity, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.maximum_version = version
    if identity:
        # The client's own library must not mind what the server is to.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with identity.file() as pem:
            context.load_cert_chain(pem.name)
    return context


def pairs(headers):
    return list(headers.items() if isinstance(headers, dict) else headers)


def with_standard(headers, body, chunked):
    """Add the headers that no request can do without."""
    headers = pairs(headers)
    given = {name.lower() for name, _ in headers}
    if "host" not in given:
        headers.insert(0, ("Host", "localhost"))
    if chunked:
        headers.append(("Transfer-Encoding", "chunked"))
    elif body is not None and "content-length" not in given:
        headers.append(("Content-Length", str(len(body))))
    return headers


class Device(Client):
    """An Apple device, on its device channel or a user channel.

    kind       one of the five enrollment types, by NanoMDM's names
    udid       UDID, or EnrollmentID with User Enrollment
    transport  how the identity travels: "tls" (client certificate),
               "signature" (Mdm-Signature over TLS), "header" (RFC 9440)
               or "header-pem" (both over plain HTTP, from the proxy that
               the test then is), "none"
    sign       makes the signature: sign(body, identity) -> header value
    """

    path = "/mdm"

    def __init__(self, server, identity, *, udid=None, kind="Device",
                 user_id=None, short_name="alice", long_name="Alice Doe",
                 transport="tls", sign=sign, header="X-Client-Cert",
                 topic="com.apple.mgmt.External.test", **options):
        options.setdefault("plain", transport.startswith("header"))
        super().__init__(
            server, identity=identity if transport == "tls" else None,
            **options)
        self.options = options
        self.identity = identity
        self.udid = udid or str(uuid4()).upper()
        self.kind = kind
        self.user_id = user_id or str(uuid4()).upper()
        self.short_name = short_name
        self.long_name = long_name
        self.transport = transport
        self.sign = sign
        self.header = header
        self.topic = topic
        self.push_magic = str(uuid4()).upper()
        self.token = uuid4().bytes * 2
        self.serial = "C" + self.udid.replace("-", "")[:10]

    # -- who it is ----------------------------------------------------

    @property
    def id(self):
        """The enrollment ID."""
        if self.parent_id is None:
            return self.udid
        last = (self.short_name if self.kind == "Shared iPad"
                else self.user_id)
        return f"{self.udid}:{last}"

    @property
    def parent_id(self):
        if self.kind in ("Device", "User Enrollment (Device)"):
            return None
        return self.udid

    def ids(self):
        """The identifying keys of every message."""
        if self.kind == "User Enrollment (Device)":
            return {"EnrollmentID": self.udid}
        if self.kind == "User Enrollment":
            return {"EnrollmentID": self.udid,
                    "EnrollmentUserID": self.user_id,
                    "UserShortName": self.short_name,
                    "UserLongName": self.long_name}
        if self.kind == "Device":
            return {"UDID": self.udid}
        user_id = (SHARED_IPAD_USER if self.kind == "Shared iPad"
                   else self.user_id)
        return {"UDID": self.udid, "UserID": user_id,
                "UserShortName": self.short_name,
                "UserLongName": self.long_name}

    def user(self, kind=None, **options):
        """A user channel of this device: same identity, own pushes."""
        channel = type(self)(
            self.server, self.identity, udid=self.udid,
            kind=kind or USER_KINDS[self.kind], transport=self.transport,
            sign=self.sign, header=self.header, topic=self.topic,
            **{**self.options, **options})
        channel.path = self.path
        return channel

    # -- how it speaks ------------------------------------------------

    def send(self, body, content_type=None, *, path=None, headers=(),
             method="PUT", **options):
        """Send bytes, or a dict as plist, with the device's identity."""
        if isinstance(body, dict):
            body = plistlib.dumps(body)
        headers = pairs(headers)
        headers.append(("User-Agent", "MDM-OSX/1.0 mdmclient/1"))
        if content_type:
            headers.append(("Content-Type", content_type))
        headers += self.credentials(body)
        return self.raw(method, path or self.path, body, headers,
                        **options)

    def credentials(self, body):
        if self.transport == "signature":
            return [("Mdm-Signature", self.sign(body, self.identity))]
        if self.transport == "header":
            return [(self.header, rfc9440(self.identity))]
        if self.transport == "header-pem":
            return [(self.header, escaped_pem(self.identity))]
        return []

    def message(self, message_type, **keys):
        """A check-in as a dict; a key given as None is left out."""
        return without_none({"MessageType": message_type, **self.ids(),
                             **keys})

    def checkin(self, message_type, **keys):
        return self.send(self.message(message_type, **keys), CHECKIN)

    def authenticate(self, **keys):
        return self.checkin("Authenticate", **{
            "Topic": self.topic, "SerialNumber": self.serial,
            "Model": "MacBookPro18,3", "OSVersion": "15.1", **keys})

    def token_update(self, **keys):
        return self.checkin("TokenUpdate", **{
            "Topic": self.topic, "PushMagic": self.push_magic,
            "Token": self.token, **keys})

    def checkout(self, **keys):
        return self.checkin("CheckOut", **keys)

    def set_bootstrap_token(self, token, **keys):
        return self.checkin("SetBootstrapToken", BootstrapToken=token,
                            **keys)

    def get_bootstrap_token(self, **keys):
        return self.checkin("GetBootstrapToken", **keys)

    def user_authenticate(self, **keys):
        return self.checkin("UserAuthenticate", **keys)

    def declarative_management(self, endpoint, data=None, **keys):
        return self.checkin("DeclarativeManagement", Endpoint=endpoint,
                            Data=data, **keys)

    def get_token(self, service_type, **keys):
        return self.checkin("GetToken", TokenServiceType=service_type,
                            **keys)

    def return_to_service(self, **keys):
        return self.checkin("ReturnToService", **keys)

    def enroll(self):
        """Authenticate (device channels do) and TokenUpdate."""
        if self.parent_id is None:
            answer = self.authenticate()
            assert answer.status == 200, answer
        answer = self.token_update()
        assert answer.status == 200, answer
        return self

    def report(self, status, command_uuid=None, **keys):
        return self.send(without_none({
            **self.ids(), "Status": status, "CommandUUID": command_uuid,
            **keys}), REPORT)

    def idle(self, **keys):
        return self.report("Idle", **keys)

    def not_now(self, command_uuid, **keys):
        return self.report("NotNow", command_uuid, **keys)

    def acknowledge(self, command_uuid, **keys):
        return self.report("Acknowledged", command_uuid, **keys)

    def error(self, command_uuid, **keys):
        return self.report("Error", command_uuid, **{
            "ErrorChain": [{"ErrorCode": 12021,
                            "ErrorDomain": "MCMDMErrorDomain",
                            "LocalizedDescription": "Unknown command",
                            "USEnglishDescription": "Unknown command"}],
            **keys})


def without_none(keys):
    return {name: value for name, value in keys.items()
            if value is not None}


def command(request_type="DeviceInformation", uuid=None, **keys):
    """(CommandUUID, plist bytes) of a command."""
    uuid = uuid or str(uuid4()).upper()
    return uuid, plistlib.dumps({
        "CommandUUID": uuid,
        "Command": {"RequestType": request_type, **keys}})


def joined(ids):
    """IDs as the API's paths have them; one may be given alone."""
    ids = [ids] if isinstance(ids, str) else ids
    return ",".join(urllib.parse.quote(id_, safe="") for id_ in ids)


class Operator(Client):
    """Who holds the API key."""

    def __init__(self, server, *, user="nanomdm", key=None, **options):
        super().__init__(server, **options)
        secret = f"{user}:{key or server.api_key}".encode()
        self.authorization = ("Authorization", "Basic "
                              + base64.b64encode(secret).decode())

    def raw(self, *arguments, **options):
        """No text that it is given begins with what stands for an id."""
        answer = super().raw(*arguments, **options)
        assert not NO_ID.search(answer.body), answer
        return answer

    def call(self, method, path, body=None, headers=(), **options):
        """raw() with the key."""
        return self.raw(method, path, body,
                        [self.authorization, *pairs(headers)],
                        **options)

    def enqueue(self, ids, plist, nopush=1, method="PUT"):
        """nopush: value of the query parameter, None to leave it out."""
        query = "" if nopush is None else f"?nopush={nopush}"
        return self.call(method, f"/v1/enqueue/{joined(ids)}{query}",
                         plist)

    def push(self, ids, method="GET"):
        return self.call(method, f"/v1/push/{joined(ids)}")

    def pushcert_put(self, pem, force=True):
        """pem: bytes, or an Identity. Forced, because devices of the tests
        that share a server have many topics."""
        if hasattr(pem, "key_pem"):
            pem = pem.pem + pem.key_pem
        return self.call("PUT", "/v1/pushcert" + "?force=1" * force, pem)

    def pushcert_get(self, topic):
        return self.call("GET", "/v1/pushcert?"
                         + urllib.parse.urlencode({"topic": topic}))

    def version(self):
        return self.raw("GET", "/version")
