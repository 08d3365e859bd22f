# SPDX-License-Identifier: BSD-3-Clause
"""What one asks too much of costs others nothing: connections, slow senders,
floods, sizes, and what each refusal says."""

import http.client
import os
import resource
import socket
import threading
import time

import pytest

from harness.conn25 import (PATH, Conn25d, connector_config, entry, post,
                            post_entries)
from harness.deluge import Deluge, quantile, request, times_ms
from harness.process import free_port
from harness.wait import scaled, wait_for

EDGE_1 = "127.0.0.1"
EDGE_2 = "127.0.0.3"
HOST = "127.0.0.2"
STRANGER = "127.0.0.77"


@pytest.fixture
def serve(keeper):
    """A connector with these limits: serve(connections=8, ...)."""
    def start(mappings_per_peer=None, admin=None, **limits):
        port = free_port(HOST)
        section = {"transitIP": limits}
        if mappings_per_peer:
            section["mappingsPerPeer"] = mappings_per_peer
        config = connector_config(port, limits=section)
        if admin:
            config["listen"]["admin"] = f"http://{HOST}:{admin}"
        one = Conn25d(keeper, "connector", config)
        one.port = port
        one.address = (HOST, port)
        return one.start()
    return start


def connect(one, source=EDGE_1):
    return socket.create_connection(one.address, scaled(10), (source, 0))


def answer(sock):
    """Status, headers and body of what comes until the other side closes."""
    response = http.client.HTTPResponse(sock)
    response.begin()
    return response.status, response.headers, response.read()


# ---- floods -----------------------------------------------------------------

# How many mappings are asked for, how often in one piece, how many others ask
# meanwhile one by one, and how many in one piece; and how often as much the
# flood may get at most. It has 64 connections, and what is larger than 64 KiB
# takes a turn for each.
FLOODS = {
    "small": (1, 300, 1000, 9000, 8),
    "hundred": (100, 8, 1000, 800, 8),
    "mebibyte": (11000, 1, 150, 20, 32),
}


def mappings(count, app):
    return [entry(f"169.254.{64 + n // 250}.{n % 250 + 1}", "10.7.0.1", app)
            for n in range(count)]


def answered(address, source, data, count):
    """Returns when all requests that `data` has are answered."""
    with socket.create_connection(address, scaled(30), (source, 0)) as sock:
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        start, rest = b"HTTP/1.1 200 ", b""
        while count > 0:
            piece = sock.recv(1 << 18)
            assert piece, f"closed before {count} answers"
            rest += piece
            count -= rest.count(start)
            # one may come in two pieces
            rest = rest.rpartition(start)[2][-len(start):]
        sender.join()


@pytest.mark.parametrize("kind", FLOODS)
def test_flood_of_one_peer(serve, kind, capsys):
    """Figures to read, answers to count: one with 64 connections gets no more
    than another with one, which asks for as much."""
    one = serve()
    size, times, count, own, most = FLOODS[kind]
    quiet = times_ms(one.address, EDGE_2, 300)
    data = request(mappings(size, "wiki"), EDGE_1) * times
    mine = request(mappings(size, "bulk"), EDGE_2) * own
    with Deluge(one.address, EDGE_1, data) as flood:
        wait_for(lambda: flood.answers > 20, "the flood's answers", 30)
        before = flood.answers
        found = times_ms(one.address, EDGE_2, count)
        meanwhile = flood.answers - before
        before = flood.answers
        answered(one.address, EDGE_2, mine, own)
        theirs = flood.answers - before
    with capsys.disabled():
        print(f"\nflood of {kind}: p50 {quantile(found, .5):.1f} ms, p99 "
              f"{quantile(found, .99):.1f} ms, most {max(found):.1f} ms "
              f"(alone: p50 {quantile(quiet, .5):.1f}, p99 "
              f"{quantile(quiet, .99):.1f}); the flood got {meanwhile} "
              f"answers in {sum(found) / 1000:.1f} s, and {theirs} while "
              f"another with one connection got {own}")
    assert len(found) == count
    assert meanwhile > 0, "who floods is not shut out, either"
    assert theirs < most * own, "64 connections have more than one turn"


# ---- connections ------------------------------------------------------------

def stranger(number):
    return f"127.{1 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"


def test_ten_thousand_connections_of_strangers(serve):
    """All stay open as far as they are let; a peer gets in all the time, with
    new connections too, and keeps those that it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    one = serve()
    one.process.allow("refused")
    crowd, served = [], 0
    try:
        with connect(one, EDGE_1) as kept:
            kept.sendall(request([], EDGE_1))
            while len(crowd) < 10000:
                for _ in range(100):
                    sock = socket.socket()
                    sock.setblocking(False)
                    sock.bind((stranger(len(crowd)), 0))
                    sock.connect_ex(one.address)
                    crowd.append(sock)
                assert post(one.port, b"{}", source=EDGE_2) == (200, {})
                served += 1
            kept.sendall(request([], EDGE_1))
            reply = b""
            while reply.count(b"HTTP/1.1 200 ") < 2:
                piece = kept.recv(65536)
                assert piece, "the connection that was there is gone"
                reply += piece
        assert len(os.listdir(f"/proc/{one.process.pid}/fd")) < 1200
        assert served == 100
        assert "too many: " in one.process.log()
    finally:
        for sock in crowd:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_full_for_strangers_is_503_and_says_so(serve):
    one = serve(connections=8)
    one.process.allow("refused")
    with connect(one, STRANGER), connect(one, STRANGER):
        with connect(one, STRANGER) as third:
            status, headers, body = answer(third)
    assert (status, body) == (503, b"the listener is full: try again later\n")
    assert headers["Retry-After"] == "1"
    assert headers["Connection"] == "close"
    wait_for(lambda: post(one.port, b"{}", source=STRANGER)[0] == 403,
             "a place for the stranger again")


def test_full_for_peers_is_503(serve):
    one = serve(connections=4)
    one.process.allow("refused")
    held = [connect(one, EDGE_1) for _ in range(4)]
    with connect(one, EDGE_2) as fifth:
        assert answer(fifth)[0] == 503
    for sock in held:
        sock.close()
    wait_for(lambda: post(one.port, b"{}", source=EDGE_2)[0] == 200,
             "a place again")


def test_too_many_of_one_peer_is_429_and_another_gets_in(serve):
    one = serve(connectionsPerAddress=3)
    one.process.allow("refused")
    held = [connect(one, EDGE_1) for _ in range(3)]
    with connect(one, EDGE_1) as fourth:
        status, headers, body = answer(fourth)
    assert status == 429 and b"too many connections" in body
    assert headers["Retry-After"] == "1"
    assert post(one.port, b"{}", source=EDGE_2) == (200, {})
    for sock in held:
        sock.close()


def test_each_listener_has_limits_of_its_own(serve):
    admin = free_port(HOST)
    one = serve(admin=admin, connections=4)
    one.process.allow("refused")
    held = [connect(one, EDGE_1) for _ in range(4)]
    with connect(one, EDGE_2) as fifth:
        assert answer(fifth)[0] == 503
    assert post(admin, None, "GET", "/healthz") == (200, b"ok\n")
    for sock in held:
        sock.close()


# ---- rate -------------------------------------------------------------------

def test_too_many_requests_are_429_with_retry_after(serve):
    """A second's worth at once, then 429; the connection stays, another peer
    notices nothing, and the time that is told is enough."""
    one = serve(requestsPerSecond=5)
    statuses, start = [], time.monotonic()
    with socket.create_connection(one.address, scaled(10),
                                  (EDGE_1, 0)) as sock:
        while 429 not in statuses:
            assert len(statuses) < 1000, "no limit"
            # head and body at once: it closes if it hasn't the body yet
            sock.sendall(request([], EDGE_1))
            response = http.client.HTTPResponse(sock)
            response.begin()
            body = response.read()
            statuses.append(response.status)
    assert statuses.count(200) >= 5
    assert b"at most 5 a second" in body
    assert response.headers["Retry-After"] == "1"
    assert response.headers["Connection"] == "keep-alive"
    # who comes back has no new allowance; only time gives it
    statuses += [post(one.port, b"{}")[0] for _ in range(40)]
    most = 5 + 5 * (time.monotonic() - start) + 1
    assert statuses.count(200) <= most, (statuses, most)
    assert post(one.port, b"{}", source=EDGE_2) == (200, {})
    wait_for(lambda: post(one.port, b"{}")[0] == 200, "the next second")


def test_a_client_waits_as_long_as_it_is_told(fresh, fake):
    from harness.fake import world_with
    office = fake(lambda _: (503, b"busy\n"))
    office.sign = lambda *_: {"Retry-After": "3"}
    world = world_with(fresh, office, dns={"holdMilliseconds": 0})
    world.client.process.allow("office-1")
    wait_for(lambda: office.requests, "a request")
    office.answer = lambda entries: (
        200, {"transitIPs": [{} for _ in entries]} if entries else {})
    world.magic("wiki.corp.example")
    wait_for(lambda: {a.line.split()[6] for a in world.client.assignments()}
             == {"ready"}, "the batch to be sent again", 30)
    assert len(office.requests) <= 3, "it was asked before its time"
    assert "busy" in world.client.process.log()


# ---- sizes and slow ones ----------------------------------------------------

def test_each_size_has_its_answer(serve):
    one = serve()
    with connect(one) as sock:
        sock.sendall(b"POST " + PATH.encode() + b" HTTP/1.1\r\nX: "
                     + b"x" * 9000)
        status, _, body = answer(sock)
        assert (status, body) == (431, b"Request Header Fields Too Large\n")
    with connect(one) as sock:
        sock.sendall(b"POST " + PATH.encode() + b" HTTP/1.1\r\n" + b"".join(
            b"X-%d: x\r\n" % n for n in range(101)) + b"\r\n")
        assert answer(sock)[0] == 431
    with connect(one) as sock:
        sock.sendall(b"POST " + PATH.encode() + b" HTTP/1.1\r\n"
                     b"Content-Length: 1048577\r\n\r\n")
        status, _, body = answer(sock)
        assert (status, body) == (
            413, b"body too large: at most 1048576 bytes\n")


@pytest.mark.parametrize("begin", [
    b"POST / HTT", b"POST / HTTP/1.1\r\nHost: x\r\n",
    b"POST " + PATH.encode() + b" HTTP/1.1\r\nContent-Length: 10\r\n\r\n12",
    b"POST " + PATH.encode()
    + b" HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12",
])
def test_slow_senders_are_408(serve, begin):
    one = serve(requestSeconds=1)
    with connect(one) as sock:
        sock.sendall(begin)
        status, headers, body = answer(sock)
    assert (status, body) == (
        408, b"the request was not complete after 1 seconds\n")
    assert headers["Connection"] == "close"


def test_who_sends_nothing_is_closed(serve):
    one = serve(requestSeconds=1)
    with connect(one) as sock:
        assert sock.recv(100) == b""


def test_mappings_of_a_peer(serve):
    """Beyond the limit it is code 1; those that are there can be renewed."""
    one = serve(mappings_per_peer=2)
    first, second, third = (entry(f"169.254.64.{n}", "10.7.0.1")
                            for n in (1, 2, 3))
    results = post_entries(one.port, first, second, third)
    assert [r.get("code", 0) for r in results] == [0, 0, 1]
    assert post_entries(one.port, second) == [{}]
    one.config["limits"]["mappingsPerPeer"] = 3
    one.configure(one.config)
    one.reload()
    assert post_entries(one.port, third) == [{}]


# ---- browsers ---------------------------------------------------------------

@pytest.mark.parametrize("headers", [
    {"Origin": "http://page.example"}, {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"}, {"sec-fetch-site": "none"}])
def test_browsers_are_403_on_both_listeners(serve, headers):
    admin = free_port(HOST)
    one = serve(admin=admin)
    assert post(one.port, b"{}", headers=headers)[0] == 403
    status, body = post(admin, None, "GET", "/healthz", headers=headers)
    assert status == 403 and b"browsers" in body
    assert post(admin, None, "GET", "/healthz") == (200, b"ok\n")


# ---- the configuration ------------------------------------------------------

def test_reload_changes_limits_without_a_break(serve):
    one = serve(connectionsPerAddress=1)
    one.process.allow("refused")
    with connect(one) as held:
        with connect(one) as second:
            assert answer(second)[0] == 429
        one.config["limits"]["transitIP"]["connectionsPerAddress"] = 2
        one.configure(one.config)
        one.reload()
        assert post(one.port, b"{}") == (200, {})
        held.sendall(request([], EDGE_1))
        assert held.recv(100).startswith(b"HTTP/1.1 200 ")
