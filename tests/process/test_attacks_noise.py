# SPDX-License-Identifier: BSD-3-Clause
"""Random bytes at every socket of conn25d, and at Unbound's for names that are
matched: pure noise, and what is right but for a few bytes. Whoever else is
served notices nothing, and nothing is left of it. The seed is printed;
CONN25_TEST_SEED=N: the same again, CONN25_TEST_NOISE=N: so many messages."""

import contextlib
import os
import random
import socket
import ssl
import struct

import pytest

from harness import zones
from harness.ask import addresses, query
from harness.attacks import HOST, KEYED, PLAIN, Target, descriptors
from harness.authority import Authority
from harness.conn25 import PATH, is_destination
from harness.process import Keeper
from harness.seed import SEED
from harness.wait import scaled, wait_for

COUNT = int(os.environ.get("CONN25_TEST_NOISE", "300"))

BODY = b'{"transitIPs":[{"transitIP":"169.254.64.1","destinationIP":' \
    b'"10.7.0.1","app":"bulk"}]}'
REQUESTS = [
    b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
    b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BODY) + BODY
    + b"\r\n0\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v0/conn25/state HTTP/1.1\r\nHost: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\1\1\5\0\0\0\1",
]
LINES = [b"CONN25CT1 status\n", b"CONN25CT1 list_assignments\n",
         b"CONN25CT1 lookup wiki.corp.example\n", b"CONN25CT1 stats\n",
         b"CONN25CT1 dump_state\n", b"CONN25CT1 drop 100.64.0.1\n"]
BELLS = [b"\1", b"\2", struct.pack("<BxxxI", 1, 1), bytes(16)]


def messages(rng, samples, count=COUNT, most=3000):
    """Noise, and samples changed, cut short, doubled or put together."""
    for number in range(count):
        wire = bytearray(rng.choice(samples))
        kind = number % 5
        if kind == 0:
            wire = rng.randbytes(rng.randrange(1, most))
        elif kind == 1:
            for _ in range(rng.randrange(1, 9)):
                wire[rng.randrange(len(wire))] = rng.randrange(256)
        elif kind == 2:
            del wire[rng.randrange(len(wire)):]
        elif kind == 3:
            at = rng.randrange(len(wire))
            wire[at:at] = rng.choice(samples)[:rng.randrange(1, 200)] \
                * rng.choice([1, 1, 2, 100])
        else:
            at = rng.randrange(len(wire))
            wire[at:at + rng.randrange(1, 20)] = rng.choice(
                [b"\0" * 20, b"\xff" * 20, b"\r\n", b"\n", b" ", b"%s%n"])
        yield bytes(wire)


def send_all(connect, wires):
    """Each over a connection of its own; what comes is read and ignored."""
    for wire in wires:
        with contextlib.suppress(OSError), connect() as sock:
            sock.settimeout(scaled(10))
            sock.sendall(wire)
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass


@pytest.fixture
def rng():
    print(f"seed {SEED}")
    return random.Random(SEED)


@pytest.fixture(scope="module")
def target():
    with Keeper("noise") as keeper:
        yield Target(keeper)


@pytest.mark.parametrize("source", [PLAIN, KEYED, "127.0.0.77"],
                         ids=["of a peer", "of a peer with a key",
                              "of a stranger"])
def test_transit_ip_listener(target, rng, source):
    send_all(lambda: socket.create_connection(target.address, scaled(10),
                                              (source, 0)),
             messages(rng, REQUESTS))
    target.mappings |= {m for m in target.list_mappings()
                        if m[0] == "edge-2" and source == PLAIN}
    target.unharmed()


def test_admin_listener(target, rng):
    send_all(lambda: socket.create_connection((HOST, target.admin),
                                              scaled(10)),
             messages(rng, REQUESTS))
    target.unharmed()


@pytest.fixture(scope="module")
def secure():
    with Keeper("secure noise") as keeper:
        ca = Authority(keeper, "ca")
        one = Target(keeper, limits={"transitIP": {"requestSeconds": 2}})
        config = one.daemon.config
        config["listen"] = {
            "transitIP": f"https://{HOST}:{one.port}",
            "tls": ca.issue("noise").config}
        one.daemon.stop()
        one.daemon.configure(config)
        one.daemon.start()
        one.context = ssl.create_default_context(cafile=ca.file)
        one.hello = client_hello(one.context)
        yield one


def client_hello(context):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=HOST)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def tls_to(target):
    return target.context.wrap_socket(socket.create_connection(
        target.address, scaled(10), (PLAIN, 0)), server_hostname=HOST)


def still_speaks(target):
    with tls_to(target) as sock:
        sock.sendall(REQUESTS[0])
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("where", ["before the handshake", "after it",
                                   "instead of a record"])
def test_https_listener(secure, rng, where):
    still_speaks(secure)
    files = descriptors(secure.daemon.process)

    def connect():
        if where == "after it":
            return tls_to(secure)
        if where == "instead of a record":
            return socket.socket(fileno=tls_to(secure).detach())
        return socket.create_connection(secure.address, scaled(10),
                                        (PLAIN, 0))
    samples = REQUESTS if where == "after it" else [
        secure.hello, secure.hello + b"\x14\x03\x03\0\1\1",
        b"\x17\x03\x03\0\x20" + bytes(32)]
    send_all(connect, messages(rng, samples))
    still_speaks(secure)
    wait_for(lambda: len(descriptors(secure.daemon.process)) <= len(files),
             "the descriptors of before")
    assert secure.daemon.answers()
    secure.told_nothing()


def unix(path, kind=socket.SOCK_STREAM):
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.settimeout(scaled(10))
    sock.connect(path)
    return sock


def test_control_socket(target, rng):
    path = os.path.join(target.daemon.run_dir, "control.sock")
    send_all(lambda: unix(path), messages(rng, LINES))
    target.unharmed()


def test_doorbell(world, rng):
    """Of which one end is Unbound's: both go on, and work comes through."""
    path = os.path.join(world.client.run_dir, "doorbell.sock")
    files = descriptors(world.client.process)
    for wire in messages(rng, BELLS, most=70000):
        with contextlib.suppress(OSError), \
                unix(path, socket.SOCK_SEQPACKET) as sock:
            for at in range(0, len(wire), 4000):
                sock.send(wire[at:at + 4000])
    # as many as it lets in, which then say nothing
    crowd = []
    for _ in range(200):
        with contextlib.suppress(OSError):
            crowd.append(unix(path, socket.SOCK_SEQPACKET))
    assert world.client.answers()
    for sock in crowd:
        sock.close()
    wait_for(lambda: descriptors(world.client.process) == files,
             "the descriptors of before")
    world.magic(zones.bulk_name(rng.randrange(100)))
    world.wait_mapped()


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_unbound(world, rng, tcp):
    """Whatever comes back has no destination address in it."""
    names = ["wiki.corp.example", "v4.wiki.corp.example",
             "chain.wiki.corp.example", zones.bulk_name(1)]
    samples = [query(name, qtype, do=do).to_wire() for name in names
               for qtype in ("A", "AAAA", "HTTPS", "ANY", "MX", "PTR")
               for do in (False, True)]
    files = descriptors(world.unbound.process)
    secrets = [socket.inet_aton(f"10.1.0.{n}") for n in range(1, 10)]
    assert is_destination("10.1.0.1")
    world.magic("wiki.corp.example")
    for wire in messages(rng, samples, COUNT * 3, most=600):
        with contextlib.suppress(OSError), socket.socket(
                socket.AF_INET, socket.SOCK_STREAM if tcp else
                socket.SOCK_DGRAM) as sock:
            sock.settimeout(scaled(10))
            sock.connect(world.address)
            if tcp:
                sock.sendall(struct.pack("!H", len(wire)) + wire)
                sock.shutdown(socket.SHUT_WR)
                reply = sock.recv(65535)
            else:
                sock.send(wire)
                sock.settimeout(0.01)
                reply = sock.recv(65535)
            assert not any(s in reply for s in secrets
                           if s not in wire), reply
    assert addresses(world.ask("plain.example")) == ["192.0.2.1"]
    world.magic("wiki.corp.example")
    wait_for(lambda: len(descriptors(world.unbound.process))
             <= len(files) + 4, "Unbound's descriptors of before", 30)
