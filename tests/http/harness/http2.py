# SPDX-License-Identifier: Apache-2.0
"""A client for HTTP/2: many requests at once on one TLS connection."""

import http.client
import socket

import h2.config
import h2.connection
import h2.events

from device import pairs, tls_context


class Answer:
    """What came on one stream; reset is the error code of RST_STREAM."""

    def __init__(self):
        self.status = None
        self.headers = http.client.HTTPMessage()
        self.body = b""
        self.ended = False
        self.reset = None

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r} reset={self.reset}>"


class Http2:
    def __init__(self, server, *, identity=None, timeout=30):
        context = tls_context(identity, None)
        context.set_alpn_protocols(["h2"])
        self.sock = context.wrap_socket(
            socket.create_connection(("127.0.0.1", server.tls_port),
                                     timeout),
            server_hostname="localhost")
        assert self.sock.selected_alpn_protocol() == "h2"
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.answers = {}
        self.unsent = {}

    def raw(self, method, path, body=None, headers=()):
        answer, = self.together([(method, path, body, headers)])
        return answer

    def together(self, requests):
        """Open a stream for each (method, path, body, headers) before
        reading; the answers in the order of the requests."""
        streams = [self.begin(*request) for request in requests]
        while not all(self.answers[stream].ended for stream in streams):
            self.exchange()
        return [self.answers.pop(stream) for stream in streams]

    def begin(self, method, path, body, headers):
        stream = self.h2.get_next_available_stream_id()
        fields = [(":method", method), (":path", path),
                  (":scheme", "https"), (":authority", "localhost")]
        fields += [(name.lower(), value)
                   for name, value in pairs(headers)]
        if body:
            fields.append(("content-length", str(len(body))))
            self.unsent[stream] = body
        self.h2.send_headers(stream, fields, end_stream=not body)
        self.answers[stream] = Answer()
        return stream

    def exchange(self):
        """Send what the peer's windows admit, and read once."""
        for stream in list(self.unsent):
            self.send_some(stream)
        self.sock.sendall(self.h2.data_to_send())
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        for event in self.h2.receive_data(data):
            self.note(event)

    def send_some(self, stream):
        while stream in self.unsent:
            body = self.unsent[stream]
            size = min(self.h2.local_flow_control_window(stream),
                       self.h2.max_outbound_frame_size, len(body))
            if not size:
                return
            if size == len(body):
                del self.unsent[stream]
            else:
                self.unsent[stream] = body[size:]
            self.h2.send_data(stream, body[:size],
                              end_stream=size == len(body))

    def note(self, event):
        answer = self.answers.get(getattr(event, "stream_id", None))
        if not answer:
            return
        if isinstance(event, h2.events.ResponseReceived):
            for name, value in event.headers:
                if name == ":status":
                    answer.status = int(value)
                else:
                    answer.headers[name] = value
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            self.h2.acknowledge_received_data(
                event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            answer.ended, answer.reset = True, event.error_code
            self.unsent.pop(event.stream_id, None)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
            self.unsent.pop(event.stream_id, None)

    def close(self):
        self.sock.close()
