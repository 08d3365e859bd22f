# SPDX-License-Identifier: BSD-3-Clause
"""The connector's side of POST /v0/connector/transit-ip (DESIGN 8), spoken to
by hand: each status, each code, in the order that the design gives."""

import json
import socket

import pytest

from harness.conn25 import (PATH, Conn25d, codes, connector_config, entry,
                            post, post_entries)
from harness.process import Keeper, free_port
from harness.wait import scaled, wait_for

EDGE_1 = "127.0.0.1"
EDGE_2 = "127.0.0.3"    # has no IPv6 address and may use "bulk" only


@pytest.fixture(scope="module")
def served():
    with Keeper("serving") as keeper:
        port = free_port("127.0.0.2")
        connector = Conn25d(keeper, "connector", connector_config(port))
        connector.port = port
        yield connector.start()


@pytest.fixture
def port(served):
    return served.port


# ---- statuses ---------------------------------------------------------------

def test_accepted_mapping_is_an_empty_object(served, port):
    status, reply = post(port, {"transitIPs": [
        entry("169.254.64.1", "10.7.0.1")]})
    assert (status, reply) == (200, {"transitIPs": [{}]})
    assert [(m.transit, m.destination) for m in served.mappings()
            if m.transit == "169.254.64.1"] == [("169.254.64.1", "10.7.0.1")]


@pytest.mark.parametrize("body", [
    b"{}", b'{"transitIPs":[]}', b'{"transitIPs":null}',
    b'{"other":{"deep":[1,2,{"x":null}]}}', b" { } "])
def test_no_entries_give_an_empty_object(port, body):
    assert post(port, body) == (200, {})


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
def test_other_methods_are_405(port, method):
    assert post(port, None, method=method)[0] == 405


@pytest.mark.parametrize("path", ["/", "/v0", PATH + "/", PATH + "s", "/v1"])
def test_other_paths_are_404(port, path):
    assert post(port, b"{}", path=path)[0] == 404


@pytest.mark.parametrize("body", ids=lambda b: repr(b)[:40], argvalues=[
    b"", b"{", b"[]", b'"x"', b"{}{}", b"\xff\xfe", b'{"transitIPs":{}}',
    b'{"transitIPs":[1]}', b'{"transitIPs":["x"]}', b"null x",
    b'{"transitIPs":[{"transitIP":1}]}', b'{"transitIPs":[{"app":7}]}',
    b'{"transitIPs":[' + b'[' * 10000,
    b'{"transitIPs":[{"transitIP":"169.254.64.1",}]}',
])
def test_bad_json_is_400(port, body):
    assert post(port, body)[0] == 400


@pytest.mark.parametrize("address", [
    "x", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4:80", "[::1]", "::g",
    "1.2.3.256", " 1.2.3.4", "1.2.3.4 ", "fe80::1%eth0", "1.2.3.4/32",
    "0x7f.1", "2130706433"])
@pytest.mark.parametrize("key", ["transitIP", "destinationIP"])
def test_text_that_is_no_address_is_400_for_the_whole_request(
        served, port, address, key):
    good = entry("169.254.64.99", "10.7.0.99")
    bad = dict(entry("169.254.64.98", "10.7.0.98"), **{key: address})
    assert post(port, {"transitIPs": [good, bad]})[0] == 400
    assert "169.254.64.99" not in {m.transit for m in served.mappings()}


def test_too_large_is_413(port):
    body = json.dumps({"transitIPs": [], "pad": "x" * (1 << 20)}).encode()
    assert post(port, body)[0] == 413


def test_a_mebibyte_is_not_too_large(port):
    body = json.dumps({"transitIPs": [], "pad": ""}).encode()
    body = body[:-2] + b"x" * ((1 << 20) - len(body)) + body[-2:]
    assert len(body) == 1 << 20
    assert post(port, body) == (200, {})


def test_too_large_in_chunks_is_413(port):
    with socket.create_connection(("127.0.0.2", port), scaled(10)) as sock:
        sock.sendall(b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(40):
                sock.sendall(b"8000\r\n" + b" " * 32768 + b"\r\n")
            sock.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            reply = sock.recv(4096)
        except ConnectionResetError:
            reply = b""
        assert not reply or reply.split()[1] in (b"413", b"400"), reply


def test_unknown_peer_is_403(port):
    assert post(port, b"{}", source="127.0.0.77")[0] == 403
    assert post(port, {"transitIPs": [entry("169.254.64.1", "10.7.0.1")]},
                source="127.0.0.77")[0] == 403


def test_who_is_no_peer_is_logged_once(keeper):
    port = free_port("127.0.0.2")
    connector = Conn25d(keeper, "connector", connector_config(port)).start()
    for _ in range(3):
        assert post(port, b"{}", source="127.0.0.77")[0] == 403
    assert post(port, b"{}", source="127.0.0.78")[0] == 403
    log = connector.process.log()
    for source in ("127.0.0.77", "127.0.0.78"):
        assert log.count(f"peers: {source} is no peer's address") == 1, log
    # A crowd, each of them from an address of its own.
    for host in range(100, 200):
        assert post(port, b"{}", source=f"127.0.0.{host}")[0] == 403
    log = connector.process.log()
    assert log.count("is no peer's address") == 16
    assert log.count("peers: more addresses that are no peer's") == 1
    # Who is a peer after a reload is no longer named.
    config = connector_config(port)
    config["peers"][0]["addresses"].append("127.0.0.77")
    connector.configure(config)
    connector.reload()
    assert post(port, b"{}", source="127.0.0.77")[0] == 200
    assert post(port, b"{}", source="127.0.0.78")[0] == 403
    assert connector.process.log().count("peers: 127.0.0.77 ") == 1
    assert connector.process.log().count("peers: 127.0.0.78 ") == 2


def test_without_connector_role_it_is_503(keeper):
    from harness.conn25 import client_config
    port = free_port("127.0.0.2")
    client = Conn25d(keeper, "client", client_config(1, listen={
        "transitIP": f"http://127.0.0.2:{port}"}, connectors=[]))
    client.start()
    assert post(port, {"transitIPs": [entry("169.254.64.1", "10.7.0.1")]}
                )[0] == 503


# ---- codes ------------------------------------------------------------------

@pytest.mark.parametrize("what, code", [
    (entry("169.254.64.10", "10.7.1.1"), 0),
    (entry("fd25:2::10", "2001:db8:1::10"), 0),
    (entry("169.254.64.10", "10.7.1.1", app="nosuch"), 6),
    (entry("169.254.64.10", "10.7.1.1", app=""), 6),
    ({"transitIP": "169.254.64.10", "destinationIP": "10.7.1.1"}, 6),
    ({"transitIP": "169.254.64.10", "app": "wiki"}, 1),
    ({"destinationIP": "10.7.1.1", "app": "wiki"}, 1),
    ({"app": "wiki"}, 1),
    (entry("", "10.7.1.1"), 1),
    (entry("169.254.64.10", ""), 1),
    ({"transitIP": None, "destinationIP": "10.7.1.1", "app": "wiki"}, 1),
    (entry("169.254.64.10", "2001:db8:1::10"), 4),
    (entry("fd25:2::10", "10.7.1.1"), 4),
    (entry("169.254.64.10", "192.0.2.1"), 1),           # not of this app
    (entry("169.254.64.10", "127.0.0.1"), 1),
    (entry("169.254.64.10", "169.254.169.254"), 1),
    (entry("169.254.64.10", "224.0.0.1"), 1),
    (entry("fd25:2::10", "fe80::1"), 1),
    (entry("fd25:2::10", "::1"), 1),
    (entry("fd25:2::10", "ff02::1"), 1),
    (entry("fd25:2::10", "::ffff:10.7.1.1"), 1),
])
def test_code_of_one_entry(port, what, code):
    assert codes(post_entries(port, what)) == [code]


def test_refusals_have_a_message_and_nothing_else_has(port):
    results = post_entries(port, entry("169.254.64.11", "10.7.1.2"),
                           entry("169.254.64.12", "127.0.0.1"))
    assert results[0] == {}
    assert results[1]["code"] == 1 and results[1]["message"]
    assert set(results[1]) == {"code", "message"}


def test_peer_without_address_of_the_family_is_3(port):
    results = post_entries(
        port, entry("fd25:2::20", "2001:db8:1::20", app="bulk"),
        source=EDGE_2)
    assert codes(results) == [3]


def test_peer_may_not_use_the_app_is_6(port):
    assert codes(post_entries(port, entry("169.254.64.20", "10.7.2.1"),
                              source=EDGE_2)) == [6]


def test_app_that_a_peer_may_use_and_nobody_knows_is_5(keeper):
    port = free_port("127.0.0.2")
    config = connector_config(port)
    config["peers"][0]["apps"].append("later")
    connector = Conn25d(keeper, "connector", config)
    connector.process.allow("later")
    connector.start()
    results = post_entries(port, entry("169.254.64.1", "10.7.0.1",
                                       app="later"))
    assert codes(results) == [5]


def test_duplicate_is_2_only_after_an_accepted_one(served, port):
    results = post_entries(
        port,
        entry("169.254.64.30", "127.0.0.1"),        # refused
        entry("169.254.64.30", "10.7.3.1"),         # accepted
        entry("169.254.64.30", "10.7.3.2"),         # too late
        entry("169.254.64.30", "10.7.3.1", app="nosuch"),
        entry("169.254.64.31", "10.7.3.1"))
    assert codes(results) == [1, 0, 2, 2, 0]
    assert {m.destination for m in served.mappings()
            if m.transit == "169.254.64.30"} == {"10.7.3.1"}


def test_order_of_checks(port):
    # app before addresses, unset before families, families before the
    # peer's families, these before the destination
    results = post_entries(
        port,
        {"app": "wiki"},
        entry("", "2001:db8::1", app="bulk"),
        entry("169.254.64.40", "2001:db8:1::1", app="bulk"),
        entry("fd25:2::40", "fe80::1", app="bulk"),
        entry("169.254.64.40", "192.0.2.1", app="bulk"),
        source=EDGE_2)
    assert codes(results) == [6, 1, 4, 3, 1]


def test_results_come_in_the_order_of_the_request(port):
    entries = [entry(f"169.254.65.{n}", "10.7.4.1" if n % 3 else "127.0.0.1")
               for n in range(1, 200)]
    assert codes(post_entries(port, *entries)) \
        == [0 if n % 3 else 1 for n in range(1, 200)]


def test_keys_match_without_case_and_unknown_ones_are_ignored(served, port):
    body = {"TRANSITips": [{"TransitIP": "169.254.64.50", "app": "x",
                            "DESTINATIONIP": "10.7.5.1", "APP": "wiki",
                            "domain": "wiki.corp.example", "more": [1]}],
            "version": 7}
    assert post(port, body) == (200, {"transitIPs": [{}]})
    assert "10.7.5.1" in {m.destination for m in served.mappings()}


# ---- mappings ---------------------------------------------------------------

def test_mappings_are_per_peer_and_the_newest_wins(served, port):
    transit = "169.254.64.60"

    def held():
        return {(m.peer, m.destination) for m in served.mappings()
                if m.transit == transit}
    post_entries(port, entry(transit, "10.7.6.1", app="bulk"))
    post_entries(port, entry(transit, "10.7.6.2", app="bulk"), source=EDGE_2)
    assert held() == {("edge-1", "10.7.6.1"), ("edge-2", "10.7.6.2")}
    post_entries(port, entry(transit, "10.7.6.3"))
    assert held() == {("edge-1", "10.7.6.3"), ("edge-2", "10.7.6.2")}


def test_counters(served, port):
    before = served.stats()
    post_entries(port, entry("169.254.64.70", "10.7.7.1"),
                 entry("169.254.64.71", "127.0.0.1"))
    after = served.stats()

    def grown(name):
        return after[name] - before[name]
    assert grown("serve.requests") == 1
    assert grown("serve.mappings.ok") == 1
    assert grown("serve.mappings.refused") == 1
    assert after["mappings.current"] == len(served.mappings())


def test_connection_is_kept_for_many_requests(port):
    import http.client
    connection = http.client.HTTPConnection("127.0.0.2", port,
                                            timeout=scaled(10))
    connection.connect()
    first = connection.sock
    for number in range(200):
        body = json.dumps({"transitIPs": [
            entry(f"169.254.66.{number}", "10.7.8.1")]})
        connection.request("POST", PATH, body)
        response = connection.getresponse()
        assert json.loads(response.read()) == {"transitIPs": [{}]}
    assert connection.sock is first
    connection.close()


def test_broken_http_does_no_harm(served, port):
    noise = [b"\r\n\r\n", b"\x00" * 100, b"GET", b"POST / HTTP/9.9\r\n\r\n",
             b"A" * 100000, b"POST " + PATH.encode() + b" HTTP/1.1\r\n"
             b"Content-Length: -1\r\n\r\n",
             b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\n"
             b"Content-Length: 99999999999999999999\r\n\r\n{}",
             b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\n"
             b"Content-Length: 100\r\n\r\n{",
             b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\n"
             b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
             b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"]
    for data in noise:
        with socket.create_connection(("127.0.0.2", port),
                                      scaled(10)) as sock:
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                sock.settimeout(scaled(15))
                while sock.recv(4096):
                    pass
            except OSError:
                pass
    assert post(port, b"{}") == (200, {})
    assert served.process.alive()


def test_peer_removed_at_reload_is_refused_and_its_mappings_go(keeper):
    port = free_port("127.0.0.2")
    connector = Conn25d(keeper, "connector", connector_config(port)).start()
    post_entries(port, entry("169.254.64.1", "10.7.9.1"))
    post_entries(port, entry("169.254.64.1", "10.7.9.2", app="bulk"),
                 source=EDGE_2)
    assert len(connector.mappings()) == 2
    config = connector_config(port)
    config["peers"] = config["peers"][:1]
    connector.configure(config)
    connector.reload()
    assert post(port, b"{}", source=EDGE_2)[0] == 403
    wait_for(lambda: {m.peer for m in connector.mappings()} == {"edge-1"},
             "the mappings of edge-2 to go")
    assert codes(post_entries(port, entry("169.254.64.2", "10.7.9.3"))) == [0]
