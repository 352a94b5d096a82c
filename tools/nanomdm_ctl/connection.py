# SPDX-License-Identifier: Apache-2.0
"""A connection to the server that is kept: HTTP/1.1, over TLS or without.

http.client would serve, but imports the package email to read headers, and
that takes a third of the time until the first line of a list.
"""

import select
import socket

LONGEST_LINE = 65536            # bytes
MOST_HEADERS = 100
LARGEST = 256 << 20             # bytes of an answer
PIECE = 1 << 20
DIGITS = {10: set("0123456789"), 16: set("0123456789abcdefABCDEF")}


class Broken(Exception):
    """What came is no answer, or not a whole one."""


class Headers(dict):
    """By names in small letters; one that is not there is None."""

    def __missing__(self, name):
        lower = name.lower()
        return self[lower] if lower != name and lower in self else None


class Answer:
    def __init__(self, status, reason, headers):
        self.status, self.reason, self.headers = status, reason, headers
        self.body = b""


class Connection:
    """Opened by the first request, and again after the other side closed it.

    Raises OSError and Broken; after these it must be closed.
    """

    def __init__(self, host, port, timeout, context=None):
        self.host, self.port = host, port
        self.timeout, self.context = timeout, context
        self.socket = self.file = self.name = None

    def is_open(self):
        """Nothing is to come while no request was sent, but the end."""
        if self.socket and select.select([self.socket], [], [], 0)[0]:
            self.close()
        return self.socket is not None

    def open(self):
        # As bytes: texts go through the codec of international names, which
        # takes long to import.
        host = self.host.encode("ascii" if self.host.isascii() else "idna")
        port = self.port or (443 if self.context else 80)
        made = socket.create_connection((host, port), self.timeout)
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                made = self.context.wrap_socket(made, server_hostname=host)
        except BaseException:
            made.close()
            raise
        self.socket, self.file = made, made.makefile("rb")
        shown = host.decode("ascii")
        self.name = ((f"[{shown}]" if ":" in shown else shown)
                     + (f":{self.port}" if self.port else ""))

    def close(self):
        if self.socket:
            self.file.close()
            self.socket.close()
        self.socket = self.file = None

    def ask(self, method, path, headers, body=None):
        if not self.is_open():
            self.open()
        try:
            self.send(method, path, headers, body)
        except BrokenPipeError:
            pass        # a server that refuses a long body may say why
        answer = self.read_head()
        answer.body = self.read_body(method, answer)
        if not self.is_kept(answer):
            self.close()
        return answer

    def send(self, method, path, headers, body):
        """Values of headers are texts, or bytes that go as they are."""
        if not path.isascii() or any(each <= " " for each in path):
            raise Broken(f"{path!r} is no path")
        headers = {"Host": self.name, **headers}
        if body is not None or method in ("POST", "PUT"):
            headers["Content-Length"] = str(len(body or b""))
        head = f"{method} {path} HTTP/1.1\r\n".encode()
        for name, value in headers.items():
            value = value if isinstance(value, bytes) else value.encode()
            if b"\r" in value or b"\n" in value:
                raise Broken(f"{value!r} is no value of a header")
            head += name.encode() + b": " + value + b"\r\n"
        self.socket.sendall(head + b"\r\n" + (body or b""))

    # -- the answer ---------------------------------------------------

    def read_line(self):
        line = self.file.readline(LONGEST_LINE + 1)
        if not line.endswith(b"\n"):
            raise Broken("a line is too long" if len(line) > LONGEST_LINE
                         else "the server closed the connection")
        return line.decode("latin-1").rstrip("\r\n")

    def read_head(self):
        """The first that is no interim answer."""
        for _ in range(MOST_HEADERS):
            version, _, rest = self.read_line().partition(" ")
            code, _, reason = rest.partition(" ")
            if not version.startswith("HTTP/1.") or len(code) != 3 \
                    or not code.isdigit():
                raise Broken("no HTTP is spoken there")
            headers = self.read_headers()
            if code[0] != "1":
                return Answer(int(code), reason.strip(), headers)
        raise Broken("the answer does not begin")

    def read_headers(self):
        headers = Headers()
        for _ in range(MOST_HEADERS):
            line = self.read_line()
            if not line:
                return headers
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        raise Broken("the answer has too many headers")

    def read_body(self, method, answer):
        if method == "HEAD" or answer.status in (204, 304):
            return b""
        if self.is_chunked(answer):
            return b"".join(self.read_chunks())
        length = answer.headers["content-length"]
        if length is not None:
            return self.read_exactly(number_of(length, 10))
        body = self.file.read(LARGEST + 1)      # to the end
        bounded(len(body))
        return body

    @staticmethod
    def is_chunked(answer):
        coding = answer.headers["transfer-encoding"]
        if coding and coding.lower() != "chunked":
            raise Broken(f"the answer is coded as {coding}")
        return coding is not None

    def read_chunks(self):
        total = 0
        while True:
            size = number_of(self.read_line().partition(";")[0], 16)
            total = bounded(total + size)
            if not size:
                self.read_headers()             # trailers
                return
            yield self.read_exactly(size)
            if self.read_line():
                raise Broken("a chunk does not end where it says")

    def read_exactly(self, size):
        pieces = []
        while size:
            piece = self.file.read(min(size, PIECE))
            if not piece:
                raise Broken("the connection ended in the middle of an"
                             " answer")
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def is_kept(self, answer):
        words = (answer.headers["connection"] or "").lower()
        return "close" not in words and (
            answer.headers["content-length"] is not None
            or answer.headers["transfer-encoding"] is not None
            or answer.status in (204, 304))


def number_of(text, base):
    """Of bytes."""
    digits = text.strip()
    if not 0 < len(digits) < 20 or not set(digits) <= DIGITS[base]:
        raise Broken(f"{text[:20]!r} is no number of bytes")
    return bounded(int(digits, base))


def bounded(size):
    if size > LARGEST:
        raise Broken(f"the answer is longer than {LARGEST} bytes")
    return size
