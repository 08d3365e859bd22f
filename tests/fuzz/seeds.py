#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the hand-made part of the fuzz corpora: tests/fuzz/seeds.py [NAME...]

An input's form is told at the head of each fuzz_NAME.c. What libFuzzer has
found since is kept beside these, under the names it gives."""

import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent / "corpus"


def name(text):
    """Wire form."""
    out = b""
    for label in text.split("."):
        if label:
            out += bytes([len(label)]) + label.encode()
    return out + b"\0"


def u16(*values):
    return struct.pack(">%dH" % len(values), *values)


def param(key, value):
    return u16(key, len(value)) + value


def svcb_data(priority, target, *params):
    return u16(priority) + name(target) + b"".join(params)


ALPN = param(1, b"\2h2")
HINT4 = param(4, bytes([10, 1, 2, 3]))
HINT6 = param(6, bytes(range(16)))


def svcb():
    q = name("app.example")

    def seed(data, qname=q):
        return bytes([len(qname)]) + qname + data

    yield "same", seed(svcb_data(1, ".", ALPN))
    yield "hints", seed(svcb_data(1, ".", ALPN, HINT4, HINT6))
    yield "mandatory", seed(svcb_data(
        1, "app.example", param(0, u16(1, 4)), ALPN, HINT4))
    yield "mandatory-hints", seed(svcb_data(
        1, ".", param(0, u16(4, 6)), HINT4, HINT6))
    yield "alias", seed(svcb_data(0, "other.example"))
    yield "target", seed(svcb_data(1, "other.example", HINT4))
    yield "case", seed(svcb_data(1, "APP.Example", param(3, u16(443))))
    yield "order", seed(svcb_data(1, ".", HINT6, HINT4))
    yield "short", seed(svcb_data(1, ".", ALPN, HINT4)[:-1])


def names():
    for i, text in enumerate(["app.Example.COM", ".", r"a\.b.c\000\255",
                              "a" * 63 + ".x.", r"\"quoted\".$ORIGIN",
                              "4.3.2.1.in-addr.arpa", "0." * 32 + "ip6.arpa"]):
        yield "text-%d" % i, b"\0" + text.encode()
    yield "wire", b"\1" + name("www.App.example") + b"more"
    yield "wire-long", b"\1" + (b"\x3f" + b"x" * 63) * 3 + b"\0"
    yield "wire-reverse", b"\1" + name("1.0.64.100.in-addr.arpa")
    yield "wire-pointer", b"\1\3www\xc0\0"
    for i, text in enumerate(["100.64.0.1", "fd25:1::1", "::ffff:127.0.0.1",
                              "255.255.255.255", "01.2.3.4", "::", "1::2::3",
                              "2001:db8:0:0:1:0:0:1", "fe80::1%eth0"]):
        yield "addr-%d" % i, b"\2" + text.encode()
    for i, text in enumerate(["10.0.0.0/8", "10.0.0.1-10.0.0.9", "fd25::/64",
                              "10.0.0.1/8", "::/0", "1.2.3.4/32", "0.0.0.0/0",
                              "fd00::1-fd00::ffff:1"]):
        yield "range-%d" % i, b"\3" + text.encode()


def http1():
    post = (b"POST /v0/connector/transit-ip HTTP/1.1\r\nHost: c:8025\r\n"
            b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
    yield "post", b"\0" + post
    yield "pipelined", b"\0" + post * 2
    yield "chunked", (b"\0PUT /a?b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
                      b"Expect: 100-continue\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
    yield "absolute", (b"\0\r\nGET http://h/healthz HTTP/1.0\r\n"
                       b"Connection: x, keep-alive\r\n\r\n")
    yield "both", (b"\0POST / HTTP/1.1\r\nContent-Length: 5\r\n"
                   b"Transfer-Encoding: chunked\r\n\r\n")
    yield "signed", (
        b"\0POST / HTTP/1.1\r\nContent-Digest: sha-256=:AA==:\r\n"
        b'Signature-Input: s=("@method" "content-digest");created=1\r\n'
        b"Signature: s=:AAAA:\r\n\r\n")
    yield "response", (b"\1HTTP/1.1 200 OK\r\nConn25-Epoch: 0123\r\n"
                       b"Content-Length: 2\r\n\r\n{}")
    yield "response-close", b"\1HTTP/1.0 404 \r\nServer:x\r\n\r\n"
    yield "response-bare", b"\1HTTP/1.1 204\r\nConnection: close\r\n\r\n"
    yield "interim", b"\1HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
    yield "chunks", (b"\2\1\0\3" + b"5\r\nhello\r\nA;x=y\r\n0123456789\r\n"
                     b"0\r\nTrailer: v\r\n\r\nrest")
    yield "chunks-max", b"\2\0\4\0" + b"5\r\nhello\r\n0\r\n\r\n"
    yield "chunks-many", b"\2\xff\xff\1" + b"1\r\na\r\n" * 20 + b"0\r\n\r\n"


def httpsig():
    covers = b'("@method" "@path" "@authority" "content-digest")'
    signature = b"Signature: s=:" + b"A" * 86 + b"==:"
    digest = (b"Content-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZ"
              b"G3hSuFU=:")

    def strange(*lines, kind=b"\0"):
        return kind + b"\r\n".join(lines)

    given = b"Signature-Input: s=" + covers + b";created=1700000000"
    yield "given", strange(
        b"Host: 10.9.0.2:8025", digest,
        given + b';nonce="0123456789";keyid="k";alg="ed25519";tag="t";'
        b"expires=1700000009", signature)
    yield "lines", strange(given[:-4], b"Signature-Input:  u=()", digest,
                           b"X: a", b"X: b", signature, signature)
    yield "fields", strange(
        b'Signature-Input: s=("x" "host" "@query");created=1', b"X: a",
        b"x:\tb", b"Host: A:80", signature)
    yield "response", strange(
        b'Signature-Input: s=("@status" "content-digest" "signature";req '
        b'"conn25-epoch");created=1700000000', digest,
        b"Conn25-Epoch: 1", signature, kind=b"\1")
    body = b'{"transitIPs":[]}'
    yield "signed", b"\2\0" + u16(len(body)) + body
    yield "signed-touched", b"\2\1" + u16(len(body)) + body + \
        u16(5) + b"\0T" + u16(700) + b"\3\5"
    yield "answer", b"\3\0" + u16(len(body)) + body
    yield "answer-touched", b"\3\2" + u16(0) + u16(9) + b"\x003"


def http2():
    """See the frames in fuzz_http2.c."""
    data, headers, priority, rst, settings, push, ping, goaway, window, \
        more = range(10)
    end, ack, whole, padded = 1, 1, 4, 8

    def frame(kind, flags, stream, payload=b""):
        return bytes([kind, flags, stream]) + u16(len(payload)) + payload

    def field(key, value):
        return b"\0" + bytes([len(key)]) + key + bytes([len(value)]) + value

    def status(code):
        return field(b":status", code)

    def seed(*frames, how=2, piece=0):
        return bytes([how, piece]) + b"".join(frames)

    ok = b"\x88"                # of the static table
    epoch = field(b"conn25-epoch", b"0123")
    good = (frame(headers, whole, 1, ok + epoch),
            frame(data, end, 1, b"{}"))
    yield "good", seed(*good)
    yield "pieces", seed(*good, piece=1)
    yield "three", seed(*good, b"\xf0", frame(headers, whole, 3, ok),
                        frame(data, end, 3, b"{}"), b"\xf0",
                        frame(headers, whole | end, 5, ok), how=0)
    yield "table", seed(frame(headers, whole, 1, b"\x88\x40\1x\1y"),
                        frame(data, end, 1), b"\xf0",
                        frame(headers, whole | end, 3, b"\x88\xbe\xbe"))
    yield "table-size", seed(frame(headers, whole, 1, b"\x20\x3f\xe1\x1f" +
                                   ok), frame(data, end, 1, b"x"))
    yield "interim", seed(frame(headers, whole, 1, status(b"103") + epoch),
                          *good)
    yield "trailers", seed(frame(headers, whole, 1, ok),
                           frame(data, 0, 1, b"{}"),
                           frame(headers, whole | end, 1, epoch))
    yield "length", seed(frame(headers, whole, 1, ok + field(
        b"content-length", b"2")), frame(data, end, 1, b"{}"))
    yield "length-wrong", seed(frame(headers, whole, 1, ok + field(
        b"content-length", b"3")), frame(data, end, 1, b"{}"))
    yield "status-204", seed(frame(headers, whole | end, 1, b"\x89"))
    yield "continued", seed(frame(headers, 0, 1, ok),
                            frame(more, 0, 1, epoch[:5]),
                            frame(more, whole, 1, epoch[5:]),
                            frame(data, end, 1, b"{}"))
    yield "padded", seed(frame(headers, whole | padded, 1, b"\1" + ok + b"\0"),
                         frame(data, end | padded, 1, b"\2{}\0\0"))
    yield "others", seed(frame(settings, ack, 0), frame(ping, 0, 0, b"8" * 8),
                         frame(window, 0, 0, b"\0\0\1\0"),
                         frame(priority, 0, 3, b"\0\0\0\1\5"),
                         frame(0x77, 9, 1, b"?"), *good)
    yield "window", seed(frame(settings, 0, 0, b"\0\4\0\0\0\2"),
                         frame(window, 0, 1, b"\0\0\0\1"), *good)
    yield "refused", seed(frame(rst, 0, 1, b"\0\0\0\7"))
    yield "reset", seed(good[0], frame(rst, 0, 1, b"\0\0\0\1"))
    yield "goodbye", seed(frame(goaway, 0, 0, b"\0\0\0\1\0\0\0\0bye"),
                          *good, b"\xf0")
    yield "goodbye-all", seed(frame(goaway, 0, 0, bytes(8)))
    yield "push", seed(frame(push, whole, 1, b"\0\0\0\2\x82\x87\x84"))
    yield "huffman", seed(frame(headers, whole, 1, b"\x88\x76\x03\x9d\x29"
                                b"\xaf"), frame(data, end, 1, b"{}"))
    yield "large", seed(frame(headers, whole, 1, ok),
                        *(frame(data, 0, 1, b"x" * 1000) for _ in range(6)))
    yield "bytes", b"\1\0" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0,
                                    0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88])
    yield "not-it", b"\1\3HTTP/1.1 400 Bad Request\r\n\r\n"


BODY = (b'{"transitIPs":[{"transitIP":"169.254.64.1","destinationIP":'
        b'"10.1.2.3","app":"wiki","domain":"a.wiki.example"},{"TRANSITip":'
        b'"fd25:2::1","destinationIP":"fd00::1","app":"w\\u00fc","x":[1,{}]}]}')
ANSWER = (b'{"transitIPs":[{},{"code":2,"message":"duplicate"},'
          b'{"CODE":6,"message":"no\\ntwo lines"}]}')


def wire():
    yield "request", b"\1\0" + BODY
    yield "request-empty", b"\1\0{}"
    yield "request-null", (b'\1\0{"transitIPs":[{"transitIP":null,'
                           b'"destinationIP":"","app":null}]}')
    yield "request-bad", b'\1\0{"transitIPs":[{"transitIP":"01.2.3.4"}]}'
    yield "request-twice", (b'\1\0{"transitIPs":[{}],"transitips":[{"app":"a",'
                            b'"App":"\\ud83d\\ude00"}]}')
    yield "response", b"\0\3" + ANSWER
    yield "response-empty", b"\0\0{}"
    yield "response-fewer", b"\0\4" + ANSWER
    yield "response-code", b'\0\1{"transitIPs":[{"code":1.5}]}'
    yield "response-big", b'\0\1{"transitIPs":[{"code":1e300}]}'


def control():
    for i, line in enumerate([b"status", b"lookup  wiki.example ",
                              b"verbosity 3", b"", b"  stop", b"drop \x80"]):
        yield "line-%d" % i, b"\1CONN25CT1 " + line
    yield "line-old", b"\1UBCT1 status"
    for i, text in enumerate([
            b'{"runDir": "/run/x"}', b'// {"runDir": 1\n{ "a": {"runDir": 2}, '
            b'/* } */ "b\\"": [1], "runDir" : "/r\\u002fy", }',
            b'{"runDir": 5}', b'{"x": "runDir", "runDir"',
            b'{"apps": [{"name": "a", "domains": ["a.example"], "connectors":'
            b' ["*"]}], "runDir": "/tmp"}']):
        yield "dir-%d" % i, b"\0" + text


CLIENT = b"""{
  "runDir": "/run/conn25", "stateDir": "/var/lib/conn25", // both
  "pools": { "v4MagicIPPool": ["100.64.0.0/24"],
    "v4TransitIPPool": ["169.254.64.0-169.254.64.255"],
    "v6MagicIPPool": ["fd25:1::/64"], "v6TransitIPPool": ["fd25:2::/64"], },
  "apps": [{ "name": "wiki", "domains": ["wiki.example", "*.wiki.example"],
    "connectors": ["tag:office"], "destinations": ["10.0.0.0/8"] },
    { "name": "all", "domains": ["*.example"], "connectors": ["*"] }],
  "connectors": [{ "name": "office-1", "tags": ["tag:office"],
    "url": "http://10.9.0.2:8025", "priority": 1,
    "transit": { "v4": ["169.254.64.0/25"] } }],
  "dns": { "maxTTL": 60, "exclude": ["192.0.2.0/24"],
    "holdMilliseconds": 0 }, "table": { "maxAssignments": 64 }
}
"""
CONNECTOR = b"""{ "apps": [{ "name": "wiki", "domains": ["wiki.example"],
    "connectors": ["tag:edge"], "destinations": [] }],
  "self": { "tags": ["tag:edge"], "privateKeyFile": "/etc/key" },
  "listen": { "transitIP": "http://10.9.0.1:8025",
    "admin": "http://[::1]:8026" },
  "peers": [{ "name": "edge-1", "addresses": ["10.9.0.1", "fd00::1"],
    "publicKey": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "apps": ["wiki", "later"] }], "group": "conn25",
  "datapath": { "nftables": true, "overlay": "wg0" } }
"""


def config():
    yield "client", CLIENT
    yield "connector", CONNECTOR
    yield "empty", b"{}"
    yield "unknown", b'{"nope": 1, "table": {"maxAssignments": "x"}}'
    yield "overlap", CLIENT.replace(b"169.254.64.0-169", b"100.64.0.9-169")
    yield "domains", CLIENT.replace(b'"*.example"', b'"*.", "a..b", "\\u0000"')
    yield "cut", CLIENT[:300]
    yield "utf8", b'{"apps": [{"name": "\xc3\xa4\xff", "domains": "x"}]}'


def policy():
    apps = bytes([1, 2, 0x83, 0])
    # *.b, a.b, a.a.b of three apps; magic, transit and one's own
    domains = bytes([4]) + b"\x80\1\x09" + b"\1\2\x08\x09" + \
        b"\2\3\x08\x08\x09" + b"\x83\1\x0b"
    ranges = bytes([3]) + b"\0\0\0\x0f" + b"\1\0\x10\x3f" + b"\x11\0\x10\x1f"
    tail = bytes([1]) + b"\0\3\4" + b"\1\x2c\0\xfa"
    ask = bytes([4]) + b"\1\x09\0\2\3" + b"\2\x08\x09\1\1\2" + \
        b"\3\x08\x08\x09\0\x20\x21" + b"\0\0\1\1"
    yield "match", apps + domains + ranges + tail + ask
    yield "no-ranges", apps + domains + b"\0\0" + b"\0\0\0\0" + ask
    yield "many", apps + bytes([40]) + bytes(
        b for i in range(40) for b in (i & 0x83, 2, i, i * 5 & 0xff)) + \
        ranges + tail + ask
    for i, at in enumerate((0x30, 0x48, 0x58, 0x68, 0xa0, 0xd8, 0x110, 0x180)):
        yield "damage-%d" % i, apps + domains + ranges + tail + ask + \
            u16(at) + b"\3\xff" + u16(at >> 2) + bytes([i % 3, 128])


A, NS, CNAME, SOA, PTR, MX, TXT, AAAA = 1, 2, 5, 6, 12, 15, 16, 28
SRV, DNAME, RRSIG, SVCB, HTTPS, ANY = 33, 39, 46, 64, 65, 255
V4 = bytes([10, 1, 2, 3])
V6 = bytes([0xfd]) + bytes(14) + b"\1"


def rr(owner, rtype, data, ttl=3600, rclass=1):
    return name(owner) + u16(rtype, rclass) + struct.pack(">I", ttl) + \
        u16(len(data)) + data


def reply(qname, qtype, answer=(), authority=(), more=(), rcode=0,
          flags=0x8180, qclass=1):
    """A DNS message without compression."""
    return u16(1, flags | rcode, 1, len(answer), len(authority), len(more)) + \
        name(qname) + u16(qtype, qclass) + \
        b"".join([*answer, *authority, *more])


def rrsig(covered, owner):
    return u16(covered) + bytes([13, 2]) + bytes(12) + u16(1) + \
        name(owner) + bytes(32)


def answer():
    cd, validate, do, local = 1, 2, 4, 8
    dns64, internal, failed = 16, 32, 64
    unchecked, bogus, secure = 0, 1, 4
    app, www = "app.example", "www.wild.example"
    soa = rr("example", SOA, name("ns.example") + name("h.example") +
             struct.pack(">5I", 1, 2, 3, 4, 5))
    a = rr(app, A, V4)

    def seed(message, how=do, security=unchecked):
        return bytes([how, security]) + message

    yield "a", seed(reply(app, A, [a, rr(app, A, b"\x0a\1\2\4")]))
    yield "a-local", seed(reply(app, A, [a]), local)
    yield "a-signed", seed(reply(app, A, [
        a, rr(app, RRSIG, rrsig(A, "example"))]), do | validate, secure)
    yield "a-cd", seed(reply(app, A, [a]), cd | validate | do, bogus)
    yield "a-bogus", seed(reply(app, A, [a]), validate, bogus)
    yield "a-internal", seed(reply(app, A, [a]), internal)
    yield "a-failed", seed(reply(app, A, [a]), failed)
    yield "a-public", seed(reply(app, A, [a]), dns64)
    yield "a-excluded", seed(reply(app, A, [rr(app, A, b"\xc0\0\2\1")],
                                   [rr("example", NS, name("ns.example"))],
                                   [rr("ns.example", A, V4)]))
    yield "a-mixed", seed(reply(app, A, [rr(app, A, b"\xc0\0\2\1"), a]))
    yield "a-many", seed(reply(app, A, [
        rr(app, A, bytes([10, 0, 0, i])) for i in range(40)]))
    yield "a-other-name", seed(reply("other.example", A, [
        rr("other.example", CNAME, name(app)), a]))
    yield "a-self", seed(reply("self.example", A, [
        rr("self.example", A, V4)]))
    yield "aaaa", seed(reply("APP.Example", AAAA, [rr(app, AAAA, V6, 20)]))
    yield "chain", seed(reply(www, A, [
        rr(www, CNAME, name("cdn.example"), 60), rr(
            "cdn.example", CNAME, name("x.cdn.example")),
        rr("x.cdn.example", A, V4, 5)]))
    yield "chain-loop", seed(reply(www, A, [
        rr(www, CNAME, name("b.example")), rr("b.example", CNAME, name(www))]))
    yield "chain-nothing", seed(reply(www, AAAA, [
        rr(www, CNAME, name("cdn.example"))], [soa]))
    yield "dname", seed(reply(www, A, [
        rr("wild.example", DNAME, name("example")),
        rr(www, CNAME, name("www.example"), 0), rr("www.example", A, V4)]))
    https = svcb_data(1, ".", ALPN, HINT4, HINT6)
    yield "https", seed(reply(app, HTTPS, [
        rr(app, HTTPS, https), rr(app, HTTPS, svcb_data(0, "x.example")),
        rr(app, HTTPS, svcb_data(2, app, param(0, u16(4)), HINT4))],
        [], [rr(app, A, V4)]))
    yield "https-local", seed(reply(app, HTTPS, [rr(app, HTTPS, https)]),
                              local)
    yield "svcb", seed(reply("_x.wild.example", SVCB, [
        rr("_x.wild.example", SVCB, svcb_data(1, "t.example", HINT6))]))
    yield "mx", seed(reply(app, MX, [rr(app, MX, u16(5) + name("m.example")),
                                     rr(app, RRSIG, rrsig(MX, "example"))],
                           [rr("example", NS, name("ns.app.example"))],
                           [rr("m.example", A, V4), rr(app, AAAA, V6)]))
    yield "txt", seed(reply(app, TXT, [rr(app, TXT, b"\3abc"), a]))
    yield "srv-https", seed(reply(app, SRV, [
        rr(app, SRV, u16(1, 2, 3) + name("s.example")),
        rr(app, HTTPS, https)]))
    yield "any", seed(reply(app, ANY, [a]))
    yield "class-any", seed(reply(app, A, [a], qclass=255))
    yield "class-ch", seed(reply(app, A, [rr(app, A, V4, 1, 3)], qclass=3))
    yield "reverse", seed(reply("3.0.64.100.in-addr.arpa", PTR, [
        rr("3.0.64.100.in-addr.arpa", PTR, name("x.example"))]))
    yield "nxdomain", seed(reply(www, A, [], [soa, rr("ns.example", A, V4)],
                                 rcode=3))
    yield "refused", seed(reply(www, A, [], rcode=5))
    yield "short-address", seed(reply(app, A, [rr(app, A, V4[:3])]))


def push():
    """See the operations in fuzz_push.c."""
    ok, again = bytes([5, 0]), bytes([5, 1])
    yield "ready", b"\0\0\0\0\1\1" + ok * 4 + b"\3\x20" + ok * 4
    yield "codes", b"\0\0\0\1\0\2\0\3\0\4" + b"\6\0\2\3\6\1\4\5" * 4
    yield "again", b"\0\0" + again * 6 + b"\3\xff" + ok * 3
    yield "down", b"\0\0\0\1" + b"\7\0\3\x40" * 12 + ok * 8
    yield "status", b"\0\0\0\5" + b"\x08\x90\4nope" * 6 + ok * 4
    yield "body", b"\0\0\x09\0\x14" + b'{"transitIPs":[{}]}x' + ok * 4
    yield "configure", b"\0\0\1\1\4\1\4\3\4\0\4\2" + ok * 4
    yield "epoch", b"\0\0\0\1" + ok * 3 + b"\x0a\1" + ok * 6


def table():
    """See the operations in fuzz_table.c."""
    reserve = b"".join(bytes([0, i & 3, i]) for i in range(6))
    rest = bytes(b for op in range(1, 16) for b in (op, 1, 2))
    yield "sound", reserve + rest
    yield "full", b"".join(bytes([0, i & 3, i]) for i in range(40)) + rest
    for part in range(10):
        yield "part-%d" % part, reserve + b"".join(
            b"\xf0" + bytes([part]) + u16(at * 8) + bytes([size]) +
            b"\xff\1\0\0"[:size] for at, size in ((0, 4), (3, 1), (9, 4))
            ) + rest
    yield "lock", reserve + b"\xf1\x4d" + rest
    yield "slot", reserve + b"".join(
        b"\xf0\7" + u16(w * 8) + b"\4\2\0\0\0" for w in range(25)) + rest
    yield "again", reserve + b"\xf2" + rest
    yield "connector", reserve + b"\xf0\7" + u16(44) + b"\2\1\1" + rest
    yield "pools", reserve + b"".join(
        b"\xf0\1" + u16(at) + b"\x08" + b"\0\0\0\x10\0\0\0\0" + rest
        for at in range(104, 250, 8))


def store():
    """See fuzz_store.c."""
    app = name("app.example")

    def text(value):
        return b"\0" + bytes([len(value)]) + value

    def blob(value):
        return b"\1" + bytes([len(value)]) + value

    def number(value):
        return b"\2" + struct.pack(">q", value)

    def assignment(domain=app, dest=V4, magic=b"\x64\x40\0\3",
                   transit=b"\xa9\xfe\x40\3", what=b"app", lease=300,
                   serial=1):
        return b"\0" + blob(magic) + blob(domain) + blob(dest) + \
            blob(transit) + text(what) + text(b"c0") + number(lease) + \
            number(1700000000) + number(serial)

    def mapping(peer=b"edge-1", transit=b"\xa9\xfe\x40\1", sent=5):
        return b"\1" + text(peer) + blob(transit) + blob(V4) + \
            text(b"wiki") + number(1) + number(sent)

    yield "good", b"\0" + assignment() + mapping()
    yield "names", b"\0" + assignment(app[:-1]) + assignment(b"") + \
        assignment(b"\3APP\0") + mapping(b"") + mapping(b"a\0b")
    yield "lengths", b"\0" + assignment(dest=b"\1\2\3") + \
        assignment(magic=V6) + mapping(transit=b"")
    yield "numbers", b"\0" + assignment(lease=-1) + \
        assignment(lease=1 << 40, dest=V4[:3] + b"\7") + mapping(sent=-5)
    yield "same", b"\0" + assignment() + \
        assignment(dest=V4[:3] + b"\6", transit=b"\xa9\xfe\x40\4") + \
        assignment(dest=V4[:3] + b"\7", magic=b"\x64\x40\0\4")
    yield "outside", b"\0" + assignment(magic=b"\x0a\0\0\1") + \
        assignment(dest=b"\x0a\1\2\4", transit=b"\1\2\3\4")
    yield "meta", b"\0\2" + text(b"x" * 40) + text(b"") + number(-1) + \
        number(0) + number(7)
    yield "loose", b"\2" + b"\0" + number(5) * 9 + b"\1" + blob(V4) * 6
    for i, at in enumerate((0, 16, 18, 28, 56, 60, 96, 100, 4096, 8192)):
        yield "bytes-%d" % i, b"\1" + u16(at) + b"\x2f" + u16(at + 3) + b"\0"
    yield "no-file", b"\3nothing at all"


def forwards():
    yield "listed", b"\1a.example. IN forward 10.0.0.1\n" \
        b"b.example. IN forward +i 10.0.0.2 fd00::1\n" \
        b"theirs.example. IN forward ns.example. 192.0.2.1\n" \
        b". IN forward 192.0.2.2\n"
    yield "listed-other", b"\1b.example. IN forward fd00::2\n" \
        b"a.example. CH forward +i\na.example. IN forward x +i 10.0.0.1\n"
    yield "listed-error", b"\1error unknown command\n"
    yield "file", b"\0# Written by conn25d\n" \
        b"server:\n\tdomain-insecure: \"a.example\"\n" \
        b"forward-zone:\n\tname: \"a.example\"\n" \
        b"\tforward-addr: 10.0.0.1@53\n\tforward-addr: fd00::1@5353\n" \
        b"forward-zone:\n\tname: \"b.example\"\n" \
        b"\tforward-addr: 10.0.0.1@53\n"
    yield "file-half", b"\0forward-zone:\n\tname: \"a.example\"\n"


SEEDS = {"answer": answer, "svcb": svcb, "name": names, "http1": http1,
         "http2": http2, "httpsig": httpsig, "wire": wire, "control": control,
         "config": config, "policy": policy, "push": push, "table": table,
         "store": store, "forwards": forwards}


def main():
    for target in sys.argv[1:] or SEEDS:
        where = HERE / target
        where.mkdir(parents=True, exist_ok=True)
        for seed, data in SEEDS[target]():
            (where / seed).write_bytes(data)


if __name__ == "__main__":
    main()
