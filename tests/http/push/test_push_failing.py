# SPDX-License-Identifier: Apache-2.0
"""Pushes while APNs fails, and while the server ends (6.5, 7)."""

import concurrent.futures
import json
import signal
import socket
import time
import types

import pytest

import ca as certs
import receiver
from apns import Answer
from device import command
from load import BROKEN
from push_site import (HURRY, SOON, WARNING, apns, apns_of_module,
                       assert_pushed, error_of, hurried, hurried_operator,
                       ids_of, mac, macs, many, new_topic, one_database,
                       operator, operator_at, options, own_apns, pushing,
                       token_of, topic)
from receiver import Receiver
from system import free_port, wait_until


def in_background(call, *args):
    """A future; the call has a thread of its own."""
    pool = concurrent.futures.ThreadPoolExecutor(1)
    future = pool.submit(call, *args)
    pool.shutdown(wait=False)
    return future


# -- When APNs fails (N4, N10) ----------------------------------------

@pytest.fixture
def fails_in_time(httpd, device, operator_at, expect_log):
    """fails_in_time(apns): a push by way of it is an error, soon."""
    def push(apns):
        server = httpd(**options(apns, timeout=HURRY))
        operator = operator_at(server)
        mac = device(server, topic=new_topic(operator)).enroll()
        expect_log(r":(warn|error)\]", mac.id, server=server)
        started = time.monotonic()
        answer = operator.push(mac.id)
        assert time.monotonic() - started < SOON
        assert answer.status == 500
        assert error_of(answer, mac.id)
    return push


@one_database
def test_apns_unreachable_is_an_error_in_time(fails_in_time):
    fails_in_time(types.SimpleNamespace(
        url=f"https://localhost:{free_port()}",
        authority=certs.root("Test APNs CA")))


@one_database
def test_stalled_push_is_an_error_in_time(hurried_operator, macs, apns,
                                          expect_log):
    good, bad = macs(2)
    apns.answers[token_of(bad)] = Answer(stall=True)
    expect_log(WARNING, bad.id)
    started = time.monotonic()
    answer = hurried_operator.push([good.id, bad.id])
    assert HURRY - 0.5 < time.monotonic() - started < SOON
    assert answer.status == 207
    assert list(answer.json["status"][good.id]) == ["push_result"]
    assert error_of(answer, bad.id)


@one_database
def test_deaf_apns_is_an_error_in_time(fails_in_time, own_apns):
    own_apns.rules.deaf = True
    fails_in_time(own_apns)


@one_database
def test_tcp_without_tls_is_an_error_in_time(fails_in_time):
    """A server accepts, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        fails_in_time(types.SimpleNamespace(
            url=f"https://localhost:{mute.getsockname()[1]}",
            authority=certs.root("Test APNs CA")))


@one_database
def test_others_are_served_while_apns_stalls(operator, operator_at, macs,
                                             apns, expect_log):
    good, bad = macs(2)
    apns.answers[token_of(bad)] = Answer(stall=True)
    stalled = [in_background(operator_at(operator.server).push, bad.id)
               for _ in range(4)]
    assert apns.wait_for(4)
    assert_pushed(operator.push(good.id), [good.id])
    assert good.idle().status == 200
    assert not any(each.done() for each in stalled)
    apns.answers.clear()
    apns.drop_all()
    assert [each.result().status for each in stalled] == [200] * 4


@one_database
def test_goaway_in_the_middle_costs_no_push(httpd, db, operator_at,
                                            own_apns, expect_log):
    own_apns.rules.goaway_every = 40
    own_apns.rules.goaway_unseen = 3
    own_apns.rules.times = 3
    expect_log(WARNING, optional=True)
    operator = operator_at(httpd(**options(own_apns)))
    tokens = many(db, new_topic(operator), 200)
    assert_pushed(operator.push(list(tokens)), tokens)
    assert {each.token for each in own_apns.requests} == set(
        tokens.values())
    assert own_apns.connections > 1
    assert own_apns.errors == []


@one_database
def test_connection_that_apns_closed_costs_no_push(operator, mac, apns,
                                                   expect_log):
    expect_log(WARNING, optional=True)
    assert_pushed(operator.push(mac.id), [mac.id])
    apns.drop_all()
    assert wait_until(lambda: not apns.counts()["open"])
    assert_pushed(operator.push(mac.id), [mac.id])


@one_database
def test_apns_that_comes_back_is_used_again(httpd, device, operator_at,
                                            own_apns, expect_log):
    server = httpd(**options(own_apns, timeout=3))
    operator = operator_at(server)
    mac = device(server, topic=new_topic(operator)).enroll()
    assert_pushed(operator.push(mac.id), [mac.id])
    own_apns.stop()
    expect_log(WARNING, mac.id)
    assert operator.push(mac.id).status == 500
    own_apns.start()
    assert_pushed(operator.push(mac.id), [mac.id])


@one_database
@pytest.mark.parametrize("debug", ['{"reason":"BadCertificate"}', "{"])
def test_goaway_instead_of_an_answer(hurried_operator, mac, apns,
                                     expect_log, debug):
    """Again and again: an error or, in the end, an answer; no crash."""
    apns.default = Answer(goaway=0, debug=debug)
    expect_log(WARNING, mac.id)
    started = time.monotonic()
    answer = hurried_operator.push(mac.id)
    assert time.monotonic() - started < SOON
    assert answer.status == 500
    assert error_of(answer, mac.id)
    apns.default = Answer()
    assert_pushed(hurried_operator.push(mac.id), [mac.id])


# -- Threads are for devices ------------------------------------------

@one_database
def test_silent_apns_leaves_threads_to_devices(httpd, device, operator_at,
                                               own_apns, expect_log):
    """Once more than a quarter of the threads wait for APNs, other calls
    queue their command and say at once that they did not push."""
    server = httpd(**options(own_apns, "NanoMDMPushWait 6"))
    operator = operator_at(server)
    topic = new_topic(operator)
    macs = [device(server, topic=topic).enroll() for _ in range(21)]
    expect_log(WARNING, "NMDM09(18|26)", server=server)
    own_apns.default = Answer(delay=60)
    started = time.monotonic()
    callers = [in_background(operator_at(server, plain=True).enqueue, mac.id,
                             command()[1], None) for mac in macs[:20]]
    assert own_apns.wait_for(5)
    time.sleep(0.6)
    for mac in macs[:3]:                  # who is not among those that wait
        asked = time.monotonic()
        assert mac.raw("GET", "/version").status == 200
        assert mac.idle().plist["Command"]
        assert time.monotonic() - asked < 2
    took = []
    for caller in callers:
        answer = caller.result(30)
        took.append(time.monotonic() - started)
        assert answer.status == 207 or answer.status == 500, answer
        status, = answer.json["status"].values()
        assert "again later" in status["push_error"]
        assert "command_error" not in answer.json
    assert max(took) < 12
    # Five of sixteen threads may wait; who comes when the first of them give
    # up may wait as well.
    assert any("too many calls" in caller.result().body.decode()
               for caller in callers)
    assert len(own_apns.requests) <= 10


@one_database
def test_silence_all_around_leaves_threads_to_devices(
        httpd, device, operator_at, own_apns, expect_log):
    """Of sixteen threads five may wait for APNs and twelve for others: not
    all of them at once."""
    own_apns.default = Answer(stall=True)
    with Receiver() as mute:
        mute.answers["*"] = receiver.Answer(hang=True)
        server = httpd(**options(
            own_apns, "NanoMDMPushWait 8", "NanoMDMUpstreamTimeout 8",
            f"NanoMDMDeclarativeManagementURL {mute.url}/",
            extra_server="MaxRequestWorkers 16"))
        expect_log(r":(warn|error)\]", optional=True)
        operators = [operator_at(server, plain=True) for _ in range(6)]
        topic = new_topic(operators[0])
        poller, *macs = [device(server, topic=topic).enroll()
                         for _ in range(19)]
        for operator in operators:
            assert operator.version().status == 200
        asked = [in_background(mac.declarative_management, "tokens")
                 for mac in macs[:13]]
        assert wait_until(lambda: mute.requests)
        time.sleep(0.6)
        pushed = [in_background(operator.push, mac.id)
                  for operator, mac in zip(operators, macs[13:])]
        time.sleep(1)                   # who finds no room is sent away
        began = time.monotonic()
        poller.close()                  # event may have closed it
        assert poller.idle().status == 200
        assert time.monotonic() - began < 2
        assert mute.requests and own_apns.streams
        assert not all(each.done() for each in asked + pushed)
    for each in asked + pushed:         # event closes some, while it is busy
        assert (isinstance(each.exception(30), BROKEN)
                or each.result().status in (500, 503))


@one_database
def test_api_waits_no_longer_than_pushwait(httpd, device, operator_at,
                                           own_apns, expect_log):
    server = httpd(**options(own_apns, "NanoMDMPushWait 1"))
    operator = operator_at(server)
    mac = device(server, topic=new_topic(operator)).enroll()
    expect_log(WARNING, "NMDM0918", server=server)
    own_apns.default = Answer(delay=60)
    started = time.monotonic()
    answer = operator.enqueue(mac.id, command()[1], nopush="")
    assert 0.9 < time.monotonic() - started < 3
    assert "again later" in answer.json["status"][mac.id]["push_error"]
    assert mac.idle().plist["Command"]


@one_database
def test_open_breaker_answers_at_once(httpd, device, operator_at, own_apns,
                                      expect_log):
    """After five failures nothing is tried for half a minute."""
    server = httpd(**options(own_apns, "NanoMDMPushWait 1"))
    operator = operator_at(server)
    mac = device(server, topic=new_topic(operator)).enroll()
    expect_log(WARNING, "NMDM0918", server=server)
    own_apns.default = Answer(delay=60)
    for _ in range(5):
        operator.push(mac.id)
    started = time.monotonic()
    answer = operator.enqueue(mac.id, command()[1], nopush="")
    assert time.monotonic() - started < 0.8
    assert "not tried" in answer.json["status"][mac.id]["push_error"]
    assert mac.idle().plist["Command"]


@one_database
def test_a_healthy_apns_serves_many_callers(httpd, device, operator_at,
                                            own_apns):
    """More callers than may wait at once: none of them is sent away."""
    server = httpd(**options(own_apns))
    operator = operator_at(server)
    topic = new_topic(operator)
    macs = [device(server, topic=topic).enroll() for _ in range(14)]
    for mac in macs:
        mac.close()
    own_apns.default = Answer(delay=0.03)
    callers = [in_background(operator_at(server, plain=True).push, mac.id)
               for mac in macs]
    for mac, caller in zip(macs, callers):
        assert_pushed(caller.result(30), [mac.id])


@pytest.mark.parametrize("value", ["0", "-1", "soon", "3601"])
@one_database
def test_pushwait_is_checked(httpd, own_apns, value):
    server = httpd(start=False, **options(own_apns,
                                          f"NanoMDMPushWait {value}"))
    status, said = server.configtest()
    assert status and "NanoMDMPushWait" in said and value in said


# -- The end of a child -----------------------------------------------

def push_slowly(server, operator_at, device, apns, delay):
    """Four callers whose pushes APNs has and does not answer yet."""
    operator = operator_at(server)
    topic = new_topic(operator)
    macs = [device(server, topic=topic).enroll() for _ in range(4)]
    for mac in macs:
        mac.close()
    operator.close()
    apns.default = Answer(delay=delay)
    callers = [in_background(operator_at(server, plain=True).push, mac.id)
               for mac in macs]
    assert apns.wait_for(4)
    return macs, callers


@one_database
def test_graceful_restart_waits_for_pushes(httpd, device, operator_at,
                                           own_apns):
    server = httpd(**options(own_apns))
    macs, callers = push_slowly(server, operator_at, device, own_apns, 1)
    server.graceful()
    for mac, caller in zip(macs, callers):
        assert_pushed(caller.result(60), [mac.id])
    own_apns.default = Answer()
    assert_pushed(operator_at(server).push(macs[0].id), [macs[0].id])


@one_database
def test_graceful_stop_answers_every_caller(httpd, device, operator_at,
                                            own_apns):
    server = httpd(**options(own_apns))
    macs, callers = push_slowly(server, operator_at, device, own_apns, 1)
    server.process.send_signal(signal.SIGWINCH)
    for mac, caller in zip(macs, callers):
        assert_pushed(caller.result(60), [mac.id])
    assert wait_until(lambda: server.process.poll() is not None)


@one_database
def test_stop_with_pushes_in_flight(httpd, device, operator_at, own_apns,
                                    expect_log):
    """httpd ends connections at once; no client waits on."""
    server = httpd(**options(own_apns, timeout=3))
    macs, callers = push_slowly(server, operator_at, device, own_apns, 30)
    expect_log(WARNING, "|".join(ids_of(macs)), server=server,
               optional=True)
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < SOON
    for caller in callers:
        assert caller.exception(60) or caller.result().status in (500, 503)
    assert "signal" not in server.error_log()


def push_in_a_body(operator, ids):
    """More ids than a request line holds."""
    return operator.call("POST", "/v1/push", json.dumps({"ids": ids}).encode(),
                         {"Content-Type": "application/json"})


@one_database
@pytest.mark.parametrize("way", ["graceful", "graceful-stop", "stop"])
def test_end_with_a_thousand_pushes_in_flight(httpd, fresh_db, operator_at,
                                              own_apns, expect_log, way):
    """Every caller gets an answer and nothing crashes; this runs under
    AddressSanitizer as well."""
    db = fresh_db()
    server = httpd(db, **options(own_apns))
    ids = list(many(db, new_topic(operator := operator_at(server)), 1000))
    operator.close()
    own_apns.rules.max_streams = 1000
    own_apns.default = Answer(delay=1.5 if way != "stop" else 30)
    callers = {
        first: in_background(push_in_a_body, operator_at(server, plain=True),
                             ids[first:first + 250])
        for first in range(0, 1000, 250)}
    assert own_apns.wait_for(1000)
    if way == "stop":
        expect_log(WARNING, r"pushes failed", server=server, optional=True)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < SOON
        for caller in callers.values():
            assert caller.exception(60) or caller.result().status == 500
    else:
        if way == "graceful":
            server.graceful()
        else:
            server.process.send_signal(signal.SIGWINCH)
        for first, caller in callers.items():
            assert_pushed(caller.result(60), ids[first:first + 250])
    assert "exit signal" not in server.error_log()
    assert own_apns.answered >= (0 if way == "stop" else 1000)
