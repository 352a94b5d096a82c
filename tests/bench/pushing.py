# SPDX-License-Identifier: Apache-2.0
"""Pushes to APNs of a given latency, beside a simple client with five requests
in flight."""

import contextlib
import json
import socket
import ssl
import threading
import time

import h2.config
import h2.connection
import h2.events

from report import NAMES, ratio, say_head, take_turns
from world import Filler, Meter, TOPIC, apns, certs, fresh, resident, udid
from device import Operator

PUSHES = 5000
FIRST_PUSHED = 1_000_000                # the number of a device


def push(report, bench):
    database = fresh(bench.server)
    if bench.kind == "sqlite3":         # httpd makes the tables
        bench.httpd(database).stop()
    Filler(database).enrollments(FIRST_PUSHED, PUSHES)
    Filler(database).settle()
    certificate = certs.push_certificate(TOPIC)
    with pushing(bench, database, certificate, 20) as (httpd, port):
        runs = take_turns(bench.rounds, {
            1000: lambda turn: push_call(bench, httpd, 1000),
            5000: lambda turn: push_call(bench, httpd, 5000),
            "five": lambda turn: five_in_flight(port, certificate, 150)})
        say_head(f"{NAMES[bench.kind]}: push, APNs 20 ms away")
        report.row(bench.kind, "five in flight", runs["five"])
        for number in 1000, 5000:
            name = f"push, {number} ids, 20 ms"
            report.row(bench.kind, name, runs[number])
            report.goal(bench.kind, f"{name}, times five in flight",
                        ratio(runs[number], runs["five"]), 40, least=True)
    with pushing(bench, database, certificate, 0) as (httpd, port):
        runs = [push_call(bench, httpd, 5000) for _ in range(bench.rounds)]
        name = "push, 5000 ids, no latency"
        row = report.row(bench.kind, name, runs)
        report.goal(bench.kind, f"{name}, CPU of httpd and database",
                    row["httpd_us"] + row["db_us"], 20, unit=" us")
    with pushing(bench, database, certificate, 1500) as (httpd, port):
        before = resident(httpd)["pss_kb"]
        thread = threading.Thread(
            target=lambda: push_call(bench, httpd, 1000))
        thread.start()
        time.sleep(1.0)                 # all of them are on their way
        during = resident(httpd)["pss_kb"]
        thread.join()
        report.goal(bench.kind, "memory of a push in flight",
                    (during - before) / 1000, 4, unit=" KB")


@contextlib.contextmanager
def pushing(bench, database, certificate, latency_ms):
    """An httpd that pushes to a stand-in for APNs, connected already."""
    with apns(bench.folder, latency_ms) as (port, ca_file):
        httpd = bench.httpd(database, extra_vhost=(
            f"NanoMDMPushURL https://localhost:{port}\n"
            f"NanoMDMPushCACertificateFile {ca_file}\n"))
        with contextlib.closing(Operator(httpd)) as operator:
            assert operator.pushcert_put(certificate).status == 200
        push_call(bench, httpd, 10)
        yield httpd, port
        httpd.stop()


def push_call(bench, httpd, number):
    ids = [udid(FIRST_PUSHED + i) for i in range(number)]
    meter = Meter(httpd, bench.server)
    with contextlib.closing(Operator(httpd, timeout=120)) as operator:
        operator.raw("GET", "/empty")
        body = json.dumps({"ids": ids}).encode()
        before, began = meter.read(), time.monotonic()
        answer = operator.call("POST", "/v1/push", body,
                               {"Content-Type": "application/json"})
        seconds = time.monotonic() - began
    after = meter.read()
    assert answer.status == 200 and len(answer.json["status"]) == number, \
        answer
    return {"rps": number / seconds,
            "httpd_us": (after[0] - before[0]) / number * 1e6,
            "db_us": (after[1] - before[1]) / number * 1e6}


def five_in_flight(port, certificate, number):
    """A simple client, which sends the next when one is answered."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with certificate.file() as pem:
        context.load_cert_chain(pem.name)
    sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    client = h2.connection.H2Connection(h2.config.H2Configuration())
    client.initiate_connection()
    begun = answered = 0
    started = time.monotonic()
    while answered < number:
        while begun < number and begun - answered < 5:
            stream = client.get_next_available_stream_id()
            client.send_headers(stream, [
                (":method", "POST"), (":scheme", "https"),
                (":authority", "localhost"),
                (":path", f"/3/device/{begun:064x}"),
                ("apns-topic", TOPIC), ("apns-push-type", "mdm")])
            client.send_data(stream, b'{"mdm":"magic"}', end_stream=True)
            begun += 1
        sock.sendall(client.data_to_send())
        for event in client.receive_data(sock.recv(65536)):
            answered += isinstance(event, h2.events.StreamEnded)
    sock.close()
    return {"rps": number / (time.monotonic() - started)}
