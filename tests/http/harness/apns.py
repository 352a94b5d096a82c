# SPDX-License-Identifier: Apache-2.0
"""A stand-in for APNs: HTTP/2 over TLS, for clients with a certificate.

As a library:

    with Apns() as apns:
        apns.answers["0abc"] = Answer(410, "Unregistered")
        ...  # push to apns.url, which apns.ca_pem vouches for
        assert apns.requests[0].token == "0abc"

From the command line (--help tells more), with files to try it by hand:

    apns.py --folder /tmp/apns --status 410 --reason Unregistered
"""

import argparse
import asyncio
import base64
import dataclasses
import hashlib
import ipaddress
import json
import pathlib
import ssl
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import hyperframe.frame
from cryptography import x509
from cryptography.hazmat.primitives import hashes

import ca

PREFACE = 24                    # bytes that a client sends before frames
RST_STREAM = 3                  # a type of frame


@dataclasses.dataclass
class Answer:
    """What becomes of one request."""

    status: int = 200
    reason: str = None          # becomes the JSON body
    body: str = None            # instead of that
    timestamp: int = None       # beside the reason, in milliseconds
    apns_id: str = None         # None: that of the request, or a new one
    headers: dict = dataclasses.field(default_factory=dict)
    delay: float = 0            # seconds
    stall: bool = False         # never answers
    reset: int = None           # RST_STREAM with this code instead
    drop: bool = False          # the connection ends instead
    goaway: int = None          # GOAWAY with this code instead
    debug: str = ""             # of the GOAWAY

    def content(self):
        if self.body is not None:
            return self.body.encode()
        if self.reason is None:
            return b""
        content = {"reason": self.reason}
        if self.timestamp is not None:
            content["timestamp"] = self.timestamp
        return json.dumps(content).encode()


@dataclasses.dataclass
class Request:
    path: str
    headers: dict
    body: bytes
    cert_sha256: str            # of the client's certificate, in hex
    connection: int             # 1 is the first
    at: float                   # time.time()

    @property
    def token(self):
        return self.path.rpartition("/")[2]


@dataclasses.dataclass
class Rules:
    """What goes wrong by itself, and the limits. May be changed at any time;
    max_streams counts for new connections."""

    max_streams: int = 100
    goaway_every: int = 0       # streams of a connection, 0: never
    goaway_code: int = 0
    goaway_debug: str = ""
    goaway_unseen: int = 0      # so many of the last streams are not answered
    drop_every: int = 0         # streams of a connection, 0: never
    refuse_every: int = 0       # each such stream is refused
    times: int = 1_000_000_000  # GOAWAYs and drops in all
    deaf: bool = False          # reads and answers nothing at all


class Apns:
    """The server; runs in a thread between start() and stop().

    default: the Answer to everything else; answers: by token, an Answer for
    all times or a list that is used up; script: a list for the next requests,
    whatever their token.
    """

    def __init__(self, *, host="127.0.0.1", port=0, authority=None,
                 clients=None, folder=None, keep=True, **rules):
        """authority: signs the server's certificate.  clients: certificates
        of authorities whose clients are let in (default: that of ca.py for
        pushes).  keep: note all requests."""
        self.host, self.port = host, port
        self.authority = authority or ca.root("Test APNs CA")
        self.clients = clients or [ca.push_authority().pem]
        self.rules = Rules(**rules)
        self.default = Answer()
        self.answers = {}
        self.script = []
        self.keep = keep
        self.on_request = None  # called with each, in the server's thread
        self._temp = None if folder else tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(folder or self._temp.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca_pem = self.folder / "apns-ca.pem"
        self.ca_pem.write_bytes(self.authority.pem)
        self._identity = server_identity(self.authority)
        self._thread = None
        self._open = set()
        self.forget()

    def reset(self):
        """As it was when it was made; connections stay."""
        self.rules, self.default = Rules(), Answer()
        self.answers, self.script = {}, []
        self.forget()

    def forget(self):
        """All counters and notes begin anew."""
        self.requests = []
        self.connections = 0    # that sent at least TLS and the preface
        self.streams = 0        # requests that were read to their end
        self.answered = 0       # responses sent to their end
        self.resets = 0         # RST_STREAM frames from clients
        self.refused = 0        # streams above the limit
        self.errors = []        # protocol errors of clients

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    def counts(self):
        names = "connections", "streams", "answered", "resets", "errors"
        return {**{name: getattr(self, name) for name in names},
                "open": len(self._open)}

    def wait_for(self, streams, seconds=30):
        """Until so many requests have come; whether they did."""
        end = time.monotonic() + seconds
        while self.streams < streams and time.monotonic() < end:
            time.sleep(0.01)
        return self.streams >= streams

    # ---- start and stop ----

    def start(self):
        ready = threading.Event()
        failure = []
        self._loop = asyncio.new_event_loop()

        def work():
            try:
                server = self._loop.run_until_complete(self._listen())
            except OSError as error:
                failure.append(error)
                return
            finally:
                ready.set()
            self._loop.run_forever()
            server.close()
            for connection in list(self._open):
                connection.transport.abort()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()
        ready.wait()
        if failure:
            raise failure[0]
        return self

    def stop(self):
        """Ends the server and its connections; it may be started again, on
        the same port."""
        if self._thread:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._thread = None

    def drop_all(self):
        """Ends all connections without a word."""
        async def drop():
            for connection in list(self._open):
                connection.transport.abort()
        asyncio.run_coroutine_threadsafe(drop(), self._loop).result()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    async def _listen(self):
        server = await self._loop.create_server(
            lambda: Connection(self), self.host, self.port,
            ssl=self._tls(), reuse_address=True, backlog=100)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def _tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["h2"])
        context.verify_mode = ssl.CERT_REQUIRED
        for pem in self.clients:
            context.load_verify_locations(cadata=pem.decode())
        with self._identity.file() as pem:
            context.load_cert_chain(pem.name)
        return context

    # ---- what the connections ask ----

    def choose(self, request):
        if self.script:
            return self.script.pop(0)
        answer = self.answers.get(request.token, self.default)
        if isinstance(answer, list):
            return answer.pop(0) if answer else self.default
        return answer

    def note(self, request):
        self.streams += 1
        if self.keep:
            self.requests.append(request)
        if self.on_request:
            self.on_request(request)

    def may_fail(self):
        """Whether a rule may strike once more."""
        self.rules.times -= 1
        return self.rules.times >= 0


class Settings(h2.settings.Settings):
    """h2 ends the connection of a client that opens one stream too many. By
    RFC 9113, 5.1.2, it is that stream's error, which Connection sends: a
    client may not have read our limit yet."""

    max_concurrent_streams = 2**31 - 1


class Connection(asyncio.Protocol):
    def __init__(self, apns):
        self.apns = apns
        self.unread = b""       # less than a frame
        self.skip = PREFACE     # bytes before the next frame
        self.pending = {}       # stream: [headers, body]
        self.active = set()     # streams that are not answered
        self.max_streams = apns.rules.max_streams
        self.nstreams = 0
        self.last = None        # stream that GOAWAY admits

    def connection_made(self, transport):
        self.transport = transport
        der = transport.get_extra_info("ssl_object").getpeercert(True)
        self.cert_sha256 = hashlib.sha256(der).hexdigest()
        self.apns.connections += 1
        self.number = self.apns.connections
        self.apns._open.add(self)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="utf-8",
            validate_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False))
        codes = h2.settings.SettingCodes
        self.h2.local_settings = Settings(
            client=False, initial_values={
                codes.MAX_CONCURRENT_STREAMS: self.max_streams,
                codes.MAX_HEADER_LIST_SIZE: 8000})
        if not self.apns.rules.deaf:
            self.h2.initiate_connection()
            self.flush()

    def connection_lost(self, error):
        self.apns._open.discard(self)

    def data_received(self, data):
        if self.apns.rules.deaf:
            return
        self.count_resets(data)
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            self.apns.errors.append(f"{type(error).__name__}: {error}")
            self.flush()
            self.transport.close()
            return
        for event in events:
            if self.transport.is_closing():
                return
            self.handle(event)
        self.flush()

    def count_resets(self, data):
        """Of the frames themselves: h2 keeps those for finished streams to
        itself."""
        data = self.unread + data
        while len(data) >= self.skip + 9:
            at = self.skip
            self.apns.resets += data[at + 3] == RST_STREAM
            self.skip += 9 + int.from_bytes(data[at:at + 3], "big")
        used = min(self.skip, len(data))
        self.unread = data[used:]
        self.skip -= used

    def handle(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.admit(event.stream_id, dict(event.headers))
        elif isinstance(event, h2.events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length,
                                              event.stream_id)
            if event.stream_id in self.pending:
                self.pending[event.stream_id][1] += event.data
        elif isinstance(event, h2.events.StreamEnded):
            if event.stream_id in self.pending:
                self.serve(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.pending.pop(event.stream_id, None)
            self.active.discard(event.stream_id)

    def admit(self, stream, headers):
        if len(self.active) < self.max_streams:
            self.active.add(stream)
            self.pending[stream] = [headers, b""]
        else:
            self.reset(stream, h2.errors.ErrorCodes.REFUSED_STREAM)
            self.apns.refused += 1

    def reset(self, stream, code):
        self.h2.reset_stream(stream, code)
        self.active.discard(stream)

    def serve(self, stream):
        headers, body = self.pending.pop(stream)
        if self.last is not None and stream > self.last:
            return
        self.nstreams += 1
        if self.strikes(stream):
            return
        request = Request(headers[":path"], headers, body, self.cert_sha256,
                          self.number, time.time())
        answer = self.apns.choose(request)
        self.apns.note(request)
        if answer.delay:
            asyncio.get_running_loop().call_later(
                answer.delay, self.answer_late, stream, request, answer)
        else:
            self.answer(stream, request, answer)

    def strikes(self, stream):
        """Whether one of the rules keeps this stream from an answer."""
        rules = self.apns.rules

        def due(every):
            return (every and self.nstreams % every == 0
                    and self.apns.may_fail())

        if due(rules.drop_every):
            self.flush()
            self.transport.abort()
            return True
        if due(rules.refuse_every):
            self.reset(stream, h2.errors.ErrorCodes.REFUSED_STREAM)
            return True
        if self.last is None and due(rules.goaway_every):
            last = max(stream - 2 * rules.goaway_unseen, 0)
            self.goaway(rules.goaway_code, rules.goaway_debug, last)
            return stream > last
        return False

    def goaway(self, code, debug, last):
        """Not by way of h2, which would say nothing more after it."""
        self.last = last
        frame = hyperframe.frame.GoAwayFrame(
            0, last_stream_id=last, error_code=code,
            additional_data=debug.encode())
        self.flush()
        self.transport.write(frame.serialize())

    def answer_late(self, stream, request, answer):
        if not self.transport.is_closing():
            self.answer(stream, request, answer)
            self.flush()

    def answer(self, stream, request, answer):
        if answer.stall:
            return
        if answer.drop:
            self.flush()
            self.transport.abort()
            return
        if answer.goaway is not None:
            self.goaway(answer.goaway, answer.debug, max(stream - 2, 0))
            return
        try:
            if answer.reset is not None:
                self.reset(stream, answer.reset)
            else:
                self.respond(stream, request, answer)
        except h2.exceptions.ProtocolError:
            pass                # the client has given the stream up

    def respond(self, stream, request, answer):
        apns_id = (answer.apns_id or request.headers.get("apns-id")
                   or str(uuid.uuid4()).upper())
        content = answer.content()
        headers = [(":status", str(answer.status)), ("apns-id", apns_id)]
        headers += answer.headers.items()
        if content:
            headers.append(("content-type", "application/json"))
        self.h2.send_headers(stream, headers, end_stream=not content)
        while content:
            size = self.h2.max_outbound_frame_size
            self.h2.send_data(stream, content[:size],
                              end_stream=len(content) <= size)
            content = content[size:]
        self.active.discard(stream)
        self.apns.answered += 1

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.transport.write(data)


class Proxy:
    """An HTTP proxy for CONNECT. Whatever the name asked for, it connects to
    that port of this machine; noted in `asked`."""

    def __init__(self, *, port=0, login=None):
        """login: "user:password" that clients must give."""
        self.port, self.login, self.asked = port, login, []
        self._thread = None

    @property
    def url(self):
        login = urllib.parse.quote(self.login, ":") + "@" if self.login else ""
        return f"http://{login}127.0.0.1:{self.port}"

    def start(self):
        ready = threading.Event()

        async def listen():
            server = await asyncio.start_server(self._serve, "127.0.0.1",
                                                self.port)
            self.port = server.sockets[0].getsockname()[1]
            self._loop = asyncio.get_running_loop()
            self._end = asyncio.Event()
            ready.set()
            await self._end.wait()
            server.close()

        self._thread = threading.Thread(
            target=lambda: asyncio.run(listen()), daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def stop(self):
        if self._thread:
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()
            self._thread = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    async def _serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            target = head.split()[1]
            self.asked.append(target)
            if self.login and base64.b64encode(
                    self.login.encode()).decode() not in head:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required"
                             b"\r\n\r\n")
                return
            there, back = await asyncio.open_connection(
                "127.0.0.1", int(target.rpartition(":")[2]))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(self._carry(reader, back),
                                 self._carry(there, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @staticmethod
    async def _carry(source, target):
        try:
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        finally:
            target.close()


def server_identity(authority):
    """For localhost by name and by address, which ca.py does not mint."""
    key = ca.new_key("ec")
    names = [x509.DNSName("localhost"),
             x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
             x509.IPAddress(ipaddress.ip_address("::1"))]
    cert = (x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(
                x509.NameOID.COMMON_NAME, "Test APNs")]))
            .issuer_name(authority.cert.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(ca.days_from_now(-1))
            .not_valid_after(ca.days_from_now(365))
            .add_extension(x509.SubjectAlternativeName(names), False)
            .add_extension(x509.ExtendedKeyUsage(
                [ca.EKU["server"]]), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    authority.key.public_key()), False)
            .sign(authority.key, hashes.SHA256()))
    return ca.Identity(cert, key)


# ---- the command line ----

def obey(apns, line):
    """One command, a JSON object; returns the answer.

    {"rules": {...}}                        members of Rules
    {"default": {...}}                      an Answer
    {"tokens": {"0abc": [{...}, ...]}}      Answers, a list or one for ever
    {"script": [{...}, ...]}                Answers
    {"do": "reset"} or "forget", "drop_all", "stop", "start"
    Each is answered with the counters as they were.
    """
    command = json.loads(line or "{}")
    counts = apns.counts()
    for name, value in command.get("rules", {}).items():
        getattr(apns.rules, name)
        setattr(apns.rules, name, value)
    if "default" in command:
        apns.default = Answer(**command["default"])
    for token, answers in command.get("tokens", {}).items():
        apns.answers[token] = (
            [Answer(**one) for one in answers] if isinstance(answers, list)
            else Answer(**answers))
    apns.script += [Answer(**one) for one in command.get("script", [])]
    if "do" in command:
        getattr(apns, command["do"])()
    return counts


def write_clients(folder, count):
    for i in range(1, count + 1):
        client = ca.push_certificate(key="ec")
        (folder / f"client{i}.pem").write_bytes(client.pem)
        (folder / f"client{i}.key").write_bytes(client.key_pem)


def show(request):
    topic = request.headers.get("apns-topic", "-")
    print(request.path, topic, request.body.decode(errors="replace"),
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--folder", default=None, help="for apns-ca.pem and"
                        " identities client1.pem, client1.key, ...")
    parser.add_argument("--identities", type=int, default=1)
    parser.add_argument("--client-ca", action="append", metavar="FILE",
                        help="also lets in clients of this authority")
    parser.add_argument("--max-streams", type=int, default=100)
    parser.add_argument("--status", type=int, default=200)
    parser.add_argument("--reason")
    parser.add_argument("--delay", type=float, default=0)
    parser.add_argument("--proxy", action="store_true",
                        help="runs a proxy for CONNECT, too")
    parser.add_argument("--commands", action="store_true", help="reads"
                        " commands (see obey) and ends with its input")
    args = parser.parse_args()
    clients = [pathlib.Path(name).read_bytes()
               for name in args.client_ca or []]
    apns = Apns(port=args.port, folder=args.folder, keep=False,
                clients=[ca.push_authority().pem, *clients],
                max_streams=args.max_streams)
    apns.default = Answer(args.status, args.reason, delay=args.delay)
    write_clients(apns.folder, args.identities)
    proxy = Proxy()
    if args.proxy:
        proxy.start()
    with apns:
        print(json.dumps({"url": apns.url, "port": apns.port,
                          "proxy_port": proxy.port,
                          "folder": str(apns.folder)}), flush=True)
        if args.commands:
            for line in sys.stdin:
                print(json.dumps(obey(apns, line)), flush=True)
        else:
            apns.on_request = show
            threading.Event().wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
