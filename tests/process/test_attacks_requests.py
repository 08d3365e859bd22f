# SPDX-License-Identifier: BSD-3-Clause
"""Attacks of a known peer by what it sends: HTTP that two programs could read
in two ways, JSON that hurts, destinations that no mapping may have in whatever
way they are written. Each row has the answer, and nothing is left of it."""

import contextlib
import json
import os
import socket
import subprocess

import pytest

from harness.attacks import (HOST, PLAIN, Target, answers, exchange,
                             first_answer)
from harness.conn25 import PATH, codes, entry, post, post_entries
from harness.process import Keeper
from harness.wait import scaled

LINE = b"POST " + PATH.encode() + b" HTTP/1.1\r\n"
EVIL = json.dumps({"transitIPs": [
    entry("169.254.66.6", "10.66.6.6", "bulk")]}).encode()
# What is to be taken for a request of its own, if anything is.
SMUGGLED = LINE + b"Host: x\r\nContent-Length: %d\r\n\r\n" % len(EVIL) + EVIL
NOT_HTTP = b"this is not a well-formed HTTP request"


@pytest.fixture(scope="module")
def target():
    with Keeper("attacks") as keeper:
        yield Target(keeper)


@pytest.fixture(autouse=True)
def unharmed(target):
    yield
    target.unharmed()


# ---- HTTP -------------------------------------------------------------------

def head(*lines, body=SMUGGLED):
    return LINE + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def chunked(*lines, sizes):
    return head(b"Host: x", b"Transfer-Encoding: chunked", *lines,
                body=sizes + SMUGGLED)


LENGTH = b"Content-Length: %d" % len(SMUGGLED)

# Requests that are refused: what is sent, the status, and some of the body.
REQUESTS = {
    "length and chunked":
        (head(b"Content-Length: 5", b"Transfer-Encoding: chunked",
              body=b"0\r\n\r\n" + SMUGGLED), 400, NOT_HTTP),
    "chunked and length":
        (head(b"Transfer-Encoding: chunked", b"Content-Length: 5",
              body=b"0\r\n\r\n" + SMUGGLED), 400, NOT_HTTP),
    "two lengths": (head(b"Content-Length: 0", LENGTH), 400, NOT_HTTP),
    "one length twice": (head(LENGTH, LENGTH), 400, NOT_HTTP),
    "two lengths in one line":
        (head(b"Content-Length: 0, %d" % len(SMUGGLED)), 400, NOT_HTTP),
    "signed length": (head(b"Content-Length: +5"), 400, NOT_HTTP),
    "negative length": (head(b"Content-Length: -1"), 400, NOT_HTTP),
    "hexadecimal length": (head(b"Content-Length: 0x5"), 400, NOT_HTTP),
    "no length": (head(b"Content-Length:"), 400, NOT_HTTP),
    "length with a blank": (head(b"Content-Length: 1 0"), 400, NOT_HTTP),
    "length of other digits":
        (head("Content-Length: \u0665".encode()), 400, NOT_HTTP),
    "length beyond 64 bits":
        (head(b"Content-Length: 18446744073709551617"), 413, b""),
    "xchunked": (head(b"Transfer-Encoding: xchunked"), 501, b""),
    "gzip, chunked": (head(b"Transfer-Encoding: gzip, chunked"), 501, b""),
    "chunked, identity":
        (head(b"Transfer-Encoding: chunked, identity"), 501, b""),
    "chunked in quotes":
        (head(b'Transfer-Encoding: "chunked"'), 501, b""),
    "chunked after a vertical tab":
        (head(b"Transfer-Encoding: \x0bchunked"), 400, NOT_HTTP),
    "chunked twice":
        (head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked",
              body=b"0\r\n\r\n" + SMUGGLED), 400, NOT_HTTP),
    "chunked in HTTP/1.0":
        (b"POST " + PATH.encode() + b" HTTP/1.0\r\nTransfer-Encoding: "
         b"chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400, NOT_HTTP),
    "blank before the colon":
        (head(b"Content-Length : 0"), 400, NOT_HTTP),
    "blank before the name": (head(b" Content-Length: 0"), 400, NOT_HTTP),
    "folded line":
        (head(b"X: y", b" Content-Length: 0"), 400, NOT_HTTP),
    "line without a name": (head(b": x"), 400, NOT_HTTP),
    "line without a colon": (head(b"Content-Length"), 400, NOT_HTTP),
    "bare LF after the request line":
        (LINE[:-2] + b"\nHost: x\r\n\r\n" + SMUGGLED, 400, NOT_HTTP),
    "bare LF between fields":
        (head(b"X: y\nContent-Length: 0"), 400, NOT_HTTP),
    "bare LFs only":
        (SMUGGLED.replace(b"\r\n", b"\n"), 400, NOT_HTTP),
    "bare CR in a value":
        (head(b"X: y\rContent-Length: 0"), 400, NOT_HTTP),
    "NUL in a value": (head(b"X: y\0"), 400, NOT_HTTP),
    "NUL in a name": (head(b"Content-Length\0: 0"), 400, NOT_HTTP),
    "NUL in the path":
        (b"POST " + PATH.encode() + b"\0x HTTP/1.1\r\n\r\n", 400, NOT_HTTP),
    "two blanks in the request line":
        (b"POST  " + PATH.encode() + b" HTTP/1.1\r\n\r\n", 400, NOT_HTTP),
    "tab in the request line":
        (b"POST\t" + PATH.encode() + b" HTTP/1.1\r\n\r\n", 400, NOT_HTTP),
    "method in small letters": (b"post" + LINE[4:] + b"\r\n", 405, b"use "),
    "chunk of no size":
        (chunked(sizes=b"\r\n"), 400, b"not in chunked coding"),
    "chunk of negative size":
        (chunked(sizes=b"-1\r\n"), 400, b"not in chunked coding"),
    "chunk of hexadecimal size":
        (chunked(sizes=b"0x2\r\n{}\r\n0\r\n\r\n"), 400,
         b"not in chunked coding"),
    "chunk of 2^64 + 2":
        (chunked(sizes=b"10000000000000002\r\n{}\r\n0\r\n\r\n"), 400,
         b"not in chunked coding"),
    "chunk without CR":
        (chunked(sizes=b"2\n{}\r\n0\r\n\r\n"), 400,
         b"not in chunked coding"),
    "chunk longer than its size":
        (chunked(sizes=b"2\r\n{}{}\r\n0\r\n\r\n"), 400,
         b"not in chunked coding"),
    "endless chunk extension":
        (chunked(sizes=b"2;" + b"x" * 5000), 400, b"not in chunked coding"),
    "endless trailer":
        (chunked(sizes=b"2\r\n{}\r\n0\r\n" + b"X: y\r\n" * 5000), 400,
         b"not in chunked coding"),
    "HTTP/0.9": (b"GET " + PATH.encode() + b"\r\n\r\n", 400, NOT_HTTP),
    "HTTP/0.9, as 1.x": (b"POST /\r\nHost: x\r\n\r\n", 400, NOT_HTTP),
    "HTTP/2 preface":
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 505, b""),
    "HTTP/3.0": (LINE.replace(b"1.1", b"3.0") + b"\r\n", 505, b""),
    "HTTP/11.1": (LINE.replace(b"1.1", b"11.1") + b"\r\n", 400, NOT_HTTP),
    "CONNECT":
        (b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n",
         404, b"no such page"),
    "absolute target of another host, another page":
        (b"POST http://169.254.169.254/latest/meta-data HTTP/1.1\r\n\r\n",
         404, b"no such page"),
    "path with dots":
        (b"POST /x/.." + LINE[5:] + b"\r\n", 404, b"no such page"),
    "path in percents":
        (LINE.replace(b"/v0", b"/%76%30") + b"\r\n", 404, b"no such page"),
    "path with two slashes":
        (b"POST /" + LINE[5:] + b"\r\n", 404, b"no such page"),
    "TRACE": (b"TRACE" + LINE[4:] + b"\r\n", 405, b"use POST"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
            + b"\r\n\r\n", 400, NOT_HTTP),
    "head of 9 KiB": (head(b"X: " + b"x" * 9000), 431, b""),
    "head without end": (LINE + b"X: " + b"x" * 100000, 431, b""),
    "101 fields": (head(*[b"X: y"] * 101), 431, b""),
    "request line of 9 KiB":
        (b"POST /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 431, b""),
    "body of a mebibyte and a byte, by its length":
        (head(b"Content-Length: 1048577", body=b""), 413,
         b"at most 1048576 bytes"),
    "body of a mebibyte and a byte, counted":
        (chunked(sizes=(b"10000\r\n" + b" " * 65536 + b"\r\n") * 16
                 + b"1\r\n"), 413, b"at most 1048576 bytes"),
    "body of a chunk of 4 GiB":
        (chunked(sizes=b"ffffffff\r\n"), 413, b"at most 1048576 bytes"),
    "browser": (head(b"Origin: http://10.9.9.9", body=b""), 403, b"browsers"),
}


@pytest.mark.parametrize("data, status, why", REQUESTS.values(),
                         ids=REQUESTS)
def test_request_that_is_refused(target, data, status, why):
    """One answer, and nothing after it was taken for a request."""
    found = answers(exchange(target.address, data))
    assert [s for s, _ in found] == [status], found
    assert why in found[0][1]


def test_absolute_target_is_only_a_path(target):
    """As RFC 9112 3.2.2 has it: conn25d is no proxy."""
    data = b"POST http://10.9.9.9" + PATH.encode() \
        + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    assert answers(exchange(target.address, data)) == [(200, b"{}")]


def test_pipelined_flood(target):
    """Ten thousand at once, each answered, none twice."""
    one = LINE + b"Host: x\r\nContent-Length: 2\r\n\r\n{}"
    with socket.create_connection(target.address, scaled(10),
                                  (PLAIN, 0)) as sock:
        sock.settimeout(scaled(20))
        found = b""
        for _ in range(100):
            sock.sendall(one * 100)
            while found.count(b"\r\n\r\n{}") < 100:
                piece = sock.recv(65536)
                assert piece, "closed"
                found += piece
            assert answers(found) == [(200, b"{}")] * 100
            found = b""


# What they begin with, and send more of a byte at a time.
SLOW = {
    "slow request line": (b"P", b"O"),
    "slow head": (LINE + b"X: ", b"x"),
    "slow body": (LINE + b"Content-Length: 1000\r\n\r\n", b" "),
    "slow chunks": (LINE + b"Transfer-Encoding: chunked\r\n\r\n64\r\n",
                    b" "),
    "slow body after Expect":
        (LINE + b"Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
         b" "),
}


@pytest.mark.parametrize("begin, more", SLOW.values(), ids=SLOW)
def test_slow_sender(target, begin, more):
    """408, however often a little more comes: it is all of the request that
    has two seconds."""
    with socket.create_connection(target.address, scaled(10),
                                  (PLAIN, 0)) as sock:
        sock.sendall(begin)
        if b"Expect" in begin:
            assert sock.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.settimeout(0.1)
        for _ in range(100):
            with contextlib.suppress(TimeoutError):
                sock.recv(1, socket.MSG_PEEK)
                break
            sock.sendall(more)
        assert first_answer(sock) == (
            408, b"the request was not complete after 2 seconds\n")


# ---- JSON -------------------------------------------------------------------

def of(text):
    return b'{"transitIPs":[' + text + b"]}"


def pair(transit=b'"169.254.66.6"', destination=b'"10.66.6.6"',
         app=b'"bulk"', more=b""):
    return of(b'{"transitIP":%s,"destinationIP":%s,"app":%s%s}'
              % (transit, destination, app, more))


JSON = {
    "trailing data": (EVIL + b"{}", "body is not JSON"),
    "trailing NUL": (EVIL + b"\0", "body is not JSON"),
    "trailing comma": (pair(more=b","), "body is not JSON"),
    "comment": (pair(more=b"/**/"), "body is not JSON"),
    "two documents": (EVIL + b"\n" + EVIL, "body is not JSON"),
    "byte order mark": (b"\xef\xbb\xbf" + EVIL, "body is not JSON"),
    "UTF-16": (EVIL.decode().encode("utf-16"), "body is not JSON"),
    "NUL between": (pair(more=b"\0"), "body is not JSON"),
    "NUL in a string": (pair(app=b'"bulk\0"'), "body is not JSON"),
    "NUL in a string, escaped":
        (pair(app=b'"bulk\\u0000x"'), "body is not JSON"),
    "NUL in a key, escaped":
        (pair(more=b',"x\\u0000":1'), "body is not JSON"),
    "NUL in an address, escaped":
        (pair(b'"169.254.66.6\\u0000"'), "body is not JSON"),
    "line feed in a string": (pair(app=b'"bulk\n"'), "body is not JSON"),
    "invalid UTF-8": (pair(app=b'"\xff"'), "body is not JSON"),
    "overlong UTF-8": (pair(app=b'"\xc1\xa2ulk"'), "body is not JSON"),
    "surrogate in UTF-8": (pair(app=b'"\xed\xa0\x80"'), "body is not JSON"),
    "half a surrogate pair": (pair(app=b'"\\ud800"'), "body is not JSON"),
    "unknown escape": (pair(app=b'"\\x62ulk"'), "body is not JSON"),
    "apostrophes": (EVIL.replace(b'"', b"'"), "body is not JSON"),
    "key without quotes": (b"{transitIPs:[]}", "body is not JSON"),
    "deep arrays": (of(b"[" * 500000), "body is not JSON"),
    "deep objects":
        (b'{"x":' * 100000 + b"1" + b"}" * 100000, "body is not JSON"),
    "number as an address": (pair(b"2851995654"), "is not an IP address"),
    "huge number as an address": (pair(b"1e999"), ""),
    "array as an address": (pair(b'["169.254.66.6"]'),
                            "is not an IP address"),
    "object as an app": (pair(app=b"{}"), "is not a string"),
    "true as an app": (pair(app=b"true"), "is not a string"),
    "number of a thousand digits":
        (pair(more=b',"x":' + b"9" * 1000), "is not a number"),
    "number with a leading zero": (pair(more=b',"x":01'),
                                   "body is not JSON"),
    "number with a plus": (pair(more=b',"x":+1'), "body is not JSON"),
    "hexadecimal number": (pair(more=b',"x":0x1'), "body is not JSON"),
    "NaN": (pair(more=b',"x":NaN'), "body is not JSON"),
    "Infinity": (pair(more=b',"x":-Infinity'), "body is not JSON"),
    "list that is an object": (b'{"transitIPs":{"0":1}}', "not an array"),
    "list that is a string": (b'{"transitIPs":"x"}', "not an array"),
    "entry that is an array": (of(b"[]"), "is not an object"),
    "entry that is a number": (of(b"1e400"), ""),
    "only blanks": (b" " * 1000, "body is empty"),
}


@pytest.mark.parametrize("body, why", JSON.values(), ids=JSON)
def test_json_that_is_refused(target, body, why):
    status, text = post(target.port, body, source=PLAIN)
    assert status == 400, text
    assert why in text.decode()
    assert len(text) < 300, "it repeats what it was sent"


@pytest.mark.parametrize("body, code", {
    # of keys that differ by case only, or not at all, the last one counts
    "duplicate keys":
        (of(b'{"transitIP":"169.254.64.1","transitIP":"169.254.66.6",'
            b'"destinationIP":"10.66.6.6","destinationIP":"127.0.0.1",'
            b'"app":"bulk"}'), 1),
    "duplicate keys in other cases":
        (of(b'{"app":"bulk","APP":"wiki","transitIP":"169.254.66.6",'
            b'"DestinationIp":"10.66.6.6"}'), 6),
    "duplicate lists":
        (b'{"transitIPs":[{},{},{}],"TRANSITIPS":[{"app":"wiki"}]}', 6),
    "keys of other letters": (of('{"ap\u212ap":"bulk","\u212aapp":"bulk"}'
                                 .encode()), 6),
    "app of another case": (pair(app=b'"BULK"'), 6),
    "app with a blank": (pair(app=b'"bulk "'), 6),
    "numbers of all sizes":
        (pair(b'""', more=b',"a":1e400,"b":-1e-400,"c":' + b"9" * 30), 1),
}.items(), ids=lambda v: v if isinstance(v, str) else "")
def test_json_of_which_an_entry_is_refused(target, body, code):
    body, code = code
    status, reply = post(target.port, body, source=PLAIN)
    assert status == 200, reply
    assert codes(reply["transitIPs"]) == [code]


# ---- destinations -----------------------------------------------------------

# Of an app that may lead anywhere: no address, so the request is refused.
NO_ADDRESS = [
    "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1",
    "0177.0.0.1", "017700000001", "127.0.0.01", "127.000.000.001",
    "00.00.00.00", "127.0.0.1.", ".127.0.0.1", "127.0.0.1:80",
    "127.0.0.1/32", "127.0.0.1 ", " 127.0.0.1", "127.0.0.1\t",
    "127.0.0.1\n", "127 .0.0.1", "127.0.0.1%lo", "127.0.0.-1", "+127.0.0.1",
    "127.0.0.256", "127.0.0.1.1", "127,0,0,1", "127.0.0.1e0", "1e2.0.0.1",
    "\u0661\u0662\u0667.0.0.1", "\uff11\uff12\uff17.0.0.1",
    "127\u3002\u0030.0.1", "127.0.0.\u00b9", "localhost", "localhost.",
    "ip6-localhost", "[::1]", "[::1]:80", "[127.0.0.1]", "::1%lo", "::1%1",
    "fe80::1%eth0", "fe80::1%251", "::1/128", "::1 ", " ::1", "0::0::1",
    ":::1", "::00001", "0:0:0:0:0:0:0:0:1", "::127.0.0.01",
    "::ffff:0127.0.0.1", "::ffff:127.1", "::ffff:0x7f.0.0.1", "::1.",
    "1.0.0.127.in-addr.arpa", "169.254.169.254.", "0xa9fea9fe",
    "2852039166", "0251.0376.0251.0376", "169.254.43518",
    "http://127.0.0.1", "127.0.0.1@10.0.0.1", "10.0.0.1#127.0.0.1",
    "10.0.0.1,127.0.0.1", "x" * 100, "1" * 100000,
]


@pytest.mark.parametrize("text", NO_ADDRESS, ids=lambda t: ascii(t)[:40])
def test_destination_that_is_no_address(target, text):
    good = entry("169.254.66.7", "10.66.6.7", "anywhere")
    for key in "destinationIP", "transitIP":
        bad = dict(entry("169.254.66.6", "10.66.6.6", "anywhere"),
                   **{key: text})
        status, reply = post(target.port, {"transitIPs": [good, bad]},
                             source=PLAIN)
        assert status == 400 and b"transitIPs[1]" in reply, reply


# ... addresses that are never one, whoever says so.
NEVER = [
    # IPv4: unspecified, this network, loopback, link-local, multicast,
    # broadcast
    "0.0.0.0", "0.0.0.1", "0.255.255.255", "127.0.0.1", "127.0.0.2",
    "127.1.2.3", "127.255.255.255", "169.254.0.0", "169.254.169.254",
    "169.254.169.253", "169.254.170.2", "169.254.255.255", "224.0.0.0",
    "224.0.0.251", "239.255.255.255", "255.255.255.255",
    # IPv6
    "::", "0:0:0:0:0:0:0:0", "::1", "0:0:0:0:0:0:0:1",
    "0000:0000:0000:0000:0000:0000:0000:0001", "::0001", "0::1", "::0.0.0.1",
    "fe80::", "fe80::1", "FE80::1", "fe80::a9fe:a9fe", "febf:ffff::1",
    "ff00::", "ff02::1", "FF02::FB", "ff05::1:3", "ffff::ffff",
    # IPv4-mapped: of the above and of others
    "::ffff:127.0.0.1", "::FFFF:127.0.0.1", "::ffff:7f00:1",
    "0:0:0:0:0:ffff:7f00:0001", "::ffff:0.0.0.0", "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe", "::ffff:224.0.0.1", "::ffff:255.255.255.255",
    "::ffff:10.66.6.6",
    # IPv4-compatible, NAT64, 6to4: a gateway makes IPv4 of them
    "::127.0.0.1", "::7f00:1", "::169.254.169.254", "::255.255.255.255",
    "64:ff9b::127.0.0.1", "64:ff9b::7f00:1", "64:FF9B::A9FE:A9FE",
    "64:ff9b::169.254.169.254", "64:ff9b::0.0.0.0", "64:ff9b::224.0.0.1",
    "64:ff9b::255.255.255.255", "2002:7f00:1::", "2002:7f00:1::1",
    "2002:a9fe:a9fe::1", "2002:0:0::1", "2002:e000:1::1",
    "2002:ffff:ffff::1",
]


def transit_of(text):
    return "fd25:2::66" if ":" in text else "169.254.66.6"


@pytest.mark.parametrize("text", NEVER)
def test_destination_that_is_never_one(target, text):
    results = post_entries(target.port, entry(
        transit_of(text), text, "anywhere"), source=PLAIN)
    assert codes(results) == [1]


@pytest.mark.parametrize("text", [
    "10.66.6.6", "1.1.1.1", "223.255.255.255", "128.0.0.1", "169.253.1.1",
    "2001:db8::1", "fd00:1::1", "64:ff9b::10.66.6.6", "2002:a42:606::1",
    "fec0::1", "::2:0:0:1"])
def test_other_destinations_are_let_through(target, text):
    """Of this app: so that the tests above show something."""
    want = entry(transit_of(text), text, "anywhere")
    assert codes(post_entries(target.port, want, source=PLAIN)) == [0]
    target.mappings = target.list_mappings()


OWN = ["10.88.0.1/24", "fd00:88::1/64"]


@pytest.fixture
def interfaces(target):
    """Addresses of this host that aren't loopback addresses."""
    if not os.environ.get("CONN25_TEST_NETNS"):
        pytest.skip("needs a network namespace: run as root")
    for address in OWN:
        subprocess.run(["ip", "addr", "add", address, "dev", "lo"],
                       check=True)
    target.daemon.reload()
    yield
    for address in OWN:
        subprocess.run(["ip", "addr", "del", address, "dev", "lo"],
                       check=True)
    target.daemon.reload()


def test_own_addresses(target, interfaces):
    """Also those that are ours without being of an interface: the network's
    broadcast address, and the one of its routers."""
    own = ["10.88.0.1", "10.88.0.255", "fd00:88::1", "fd00:88::",
           "64:ff9b::10.88.0.1", "::ffff:10.88.0.1", "2002:a58:1::1"]
    for text in own:
        results = post_entries(target.port, entry(
            transit_of(text), text, "anywhere"), source=PLAIN)
        assert codes(results) == [1], text
    results = post_entries(target.port, entry(
        "169.254.64.1", "10.88.0.2", "anywhere"), source=PLAIN)
    assert codes(results) == [0]
