#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Takes the place of a webhook receiver, a DM server or Apple's escrow server.

As a library:

    receiver = Receiver()               # Receiver(tls=context) for https
    receiver.start()
    receiver.answers["/dm/tokens"] = Answer(body=b"{}", delay=0.2)
    ...
    request, = receiver.wait_for(1)     # .method .path .headers .body
    receiver.stop()

A path is looked up with its query, then without, then as "*"; a function in
place of an Answer is called with the request and returns one.

As a program it writes its port to standard output and serves until its
standard input ends.  Answers are given as JSON:

    receiver.py --answers '{"/slow": {"delay": 2, "body": "later"}}'

There, /-/requests tells what came so far, a line "METHOD PATH BODY" each,
/-/echo the request itself, and /-/counts "CONNECTIONS MOST-AT-ONCE".
"""

import argparse
import base64
import dataclasses
import hashlib
import hmac
import http.server
import json
import socket
import socketserver
import ssl
import sys
import threading
import time


@dataclasses.dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict = dataclasses.field(default_factory=dict)
    delay: float = 0        # seconds before the answer
    hang: bool = False      # no answer until the receiver stops
    close: str = ""         # "before" the answer, or "within" its body
    endless: bool = False   # body again and again, without a length
    sign: str = ""          # key of an X-Hmac-Signature over the body

    def all_headers(self):
        headers = {"Content-Type": "text/plain"} | self.headers
        if self.sign:
            headers["X-Hmac-Signature"] = signature(self.sign, self.body)
        return headers


@dataclasses.dataclass
class Request:
    method: str
    path: str
    headers: object         # http.client.HTTPMessage: names in any case
    body: bytes
    time: float             # when it had been read
    client: object          # the peer's certificate, as of ssl, or None

    def json(self):
        return json.loads(self.body)

    def line(self):
        body = self.body.decode("utf-8", "backslashreplace")
        return f"{self.method} {self.path} {body}".rstrip() + "\n"

    def text(self):
        """All of it, as the client may have meant it."""
        head = f"{self.method} {self.path}\n" + "".join(
            f"{name}: {value}\n" for name, value in self.headers.items())
        return head.encode("latin-1") + b"\n" + self.body


def signature(key, body):
    """The X-Hmac-Signature of a body."""
    digest = hmac.new(key.encode(), body, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


class Receiver:
    def __init__(self, *, port=0, tls=None):
        self.answers = {"*": Answer()}
        self.requests = []
        self.connections = 0
        self.most_at_once = 0   # requests that were being answered
        self.tls = tls
        self.stopping = threading.Event()
        self.arrived = threading.Condition()
        self.at_once = 0
        self.open = set()
        self.server = Server(("127.0.0.1", port), Handler, self)
        self.port = self.server.server_address[1]

    @property
    def url(self):
        return f"http{'s' * bool(self.tls)}://localhost:{self.port}"

    def start(self):
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def stop(self):
        """Closes everything; what hangs ends without an answer."""
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        with self.arrived:
            for connection in self.open:
                hang_up(connection)
        self.thread.join()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def wait_for(self, n, *, path=None, timeout=30):
        """The requests (of one path) when there are at least n of them."""
        def found():
            return [each for each in self.requests
                    if path is None or each.path.split("?")[0] == path]

        with self.arrived:
            self.arrived.wait_for(lambda: len(found()) >= n, timeout)
            if len(found()) < n:
                raise AssertionError(f"{len(found())} of {n} requests came")
            return found()

    def forget(self):
        with self.arrived:
            self.requests.clear()
            self.connections = self.most_at_once = 0

    # ---- of the handlers ----

    def note(self, request):
        with self.arrived:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            if not request.path.startswith("/-/"):
                self.requests.append(request)
            self.arrived.notify_all()

    def done(self):
        with self.arrived:
            self.at_once -= 1

    def answer_for(self, request):
        for path in request.path, request.path.split("?")[0], "*":
            if path in self.answers:
                answer = self.answers[path]
                return answer(request) if callable(answer) else answer
        return Answer(404)


def hang_up(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass                # the peer did


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address, handler, receiver):
        self.receiver = receiver
        super().__init__(address, handler)

    def handle_error(self, request, client_address):
        """Clients that go away are what tests are about."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Else Nagle's rule and late acknowledgements cost 40 ms a reply.
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self):
        self.receiver = self.server.receiver
        if self.receiver.tls:
            self.request = self.receiver.tls.wrap_socket(
                self.request, server_side=True)
        with self.receiver.arrived:
            self.receiver.connections += 1
            self.receiver.open.add(self.request)
        super().setup()

    def finish(self):
        with self.receiver.arrived:
            self.receiver.open.discard(self.request)
        try:
            super().finish()
        except OSError:
            pass            # the client is gone already
        hang_up(self.request)
        self.request.close()

    def handle_any(self):
        request = Request(self.command, self.path, self.headers,
                          self.read_body(), time.monotonic(),
                          self.receiver.tls and self.request.getpeercert())
        self.receiver.note(request)
        try:
            self.give(self.receiver.answer_for(request))
        finally:
            self.receiver.done()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any

    def read_body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def give(self, answer):
        self.receiver.stopping.wait(None if answer.hang else answer.delay)
        if answer.hang or answer.close == "before":
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.all_headers().items():
            self.send_header(name, value)
        if answer.endless:
            self.send_header("Connection", "close")
        elif answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if answer.close == "within":
            self.wfile.write(answer.body[:len(answer.body) // 2])
            self.close_connection = True
            return
        if answer.status != 204 and self.command != "HEAD":
            self.wfile.write(answer.body)
        while answer.endless and not self.receiver.stopping.is_set():
            self.wfile.write(answer.body)

    def log_message(self, *_):
        pass


# ---- As a program ----

def answer_of(fields):
    body = fields.pop("body", "").encode() * fields.pop("times", 1)
    return Answer(body=body, **fields)


def tell_about_itself(receiver):
    receiver.answers["/-/requests"] = lambda _: Answer(
        body="".join(each.line() for each in receiver.requests).encode())
    receiver.answers["/-/counts"] = lambda _: Answer(
        body=f"{receiver.connections} {receiver.most_at_once}".encode())
    receiver.answers["/-/echo"] = lambda request: Answer(body=request.text())
    receiver.answers["/-/client"] = lambda request: Answer(
        body=json.dumps(request.client).encode())


def tls_context(certificate, clients):
    """Of a PEM file with certificate and key; clients is a PEM file of who
    may issue the certificates that clients then must have."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    return context


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--answers", type=json.loads, default={},
                        metavar="JSON")
    parser.add_argument("--tls", metavar="PEM",
                        help="certificate and key")
    parser.add_argument("--clients", metavar="PEM",
                        help="issuers of the clients' certificates")
    args = parser.parse_args()

    tls = tls_context(args.tls, args.clients) if args.tls else None
    with Receiver(port=args.port, tls=tls) as receiver:
        receiver.answers |= {path: answer_of(fields)
                             for path, fields in args.answers.items()}
        tell_about_itself(receiver)
        print(receiver.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
