# SPDX-License-Identifier: BSD-3-Clause
"""Asking DNS questions, many at once, and comparing answers byte for byte."""

import ipaddress
import random
import select
import socket
import struct
import time

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype

from .wait import scaled

EDE = 15                        # RFC 8914
TIMEOUT_S = 10


def query(qname, qtype, edns=True, do=False, cd=False, ad=False,
          rdclass="IN", payload=1232):
    """A query as a stub resolver sends it."""
    message = dns.message.make_query(
        qname, qtype, rdclass, use_edns=0 if edns or do else False,
        want_dnssec=do, payload=payload if edns or do else None)
    if cd:
        message.flags |= dns.flags.CD
    if ad:
        message.flags |= dns.flags.AD
    return message


def not_ourselves(sock):
    """Where nobody listens yet our own port may be the very one."""
    if sock.getsockname() == sock.getpeername():
        raise ConnectionRefusedError(f"nobody is at {sock.getpeername()}")


def exchange(server, wire, tcp=False, timeout_s=TIMEOUT_S, source=""):
    """Sends bytes and returns the bytes that come back. source: the address
    to ask from."""
    timeout_s = scaled(timeout_s)
    if tcp:
        # To bind to any address would take a port for all destinations.
        with socket.create_connection(
                server, timeout_s, (source, 0) if source else None) as sock:
            not_ourselves(sock)
            sock.sendall(struct.pack("!H", len(wire)) + wire)
            return read_tcp(sock)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout_s)
        if source:
            sock.bind((source, 0))
        sock.connect(server)
        not_ourselves(sock)
        sock.send(wire)
        return sock.recv(65535)


def read_tcp(sock):
    def exactly(count):
        data = b""
        while len(data) < count:
            piece = sock.recv(count - len(data))
            if not piece:
                raise EOFError("connection closed")
            data += piece
        return data
    return exactly(struct.unpack("!H", exactly(2))[0])


def ask(server, qname, qtype, tcp=False, source="", **options):
    """Asks one question; returns the parsed answer."""
    message = query(qname, qtype, **options)
    answer = dns.message.from_wire(exchange(server, message.to_wire(), tcp,
                                            source=source))
    assert message.is_response(answer), "not a response to what was asked"
    return answer


def records(answer, rdtype=None, section=None):
    """(owner, type, ttl, text) of each record of the answer section."""
    rrsets = answer.answer if section is None else section
    return [(r.name.to_text(), dns.rdatatype.to_text(r.rdtype), r.ttl,
             rr.to_text())
            for r in rrsets for rr in r
            if rdtype is None or r.rdtype == dns.rdatatype.from_text(rdtype)]


def addresses(answer, rdtype=None):
    """The addresses of the answer section, sorted."""
    rdtypes = [rdtype] if rdtype else ["A", "AAAA"]
    return sorted(text for t in rdtypes
                  for _, _, _, text in records(answer, t))


def ede_codes(answer):
    """The Extended DNS Error codes of a message."""
    return [int(option.code) if hasattr(option, "code") else
            struct.unpack("!H", option.data[:2])[0]
            for option in answer.options if int(option.otype) == EDE]


def all_addresses(answer):
    """Every address anywhere in a message, also those in HTTPS hints."""
    found = set()
    for section in (answer.answer, answer.authority, answer.additional):
        for rrset in section:
            for record in rrset:
                if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
                    # Of another class than IN they are just bytes.
                    found.add(ipaddress.ip_address(getattr(
                        record, "address", None) or record.data))
                for param in getattr(record, "params", {}).values():
                    for hint in getattr(param, "addresses", ()):
                        found.add(ipaddress.ip_address(hint))
    return found


def contains_any(wire, destinations):
    """Which of the destinations has its bytes somewhere in the message."""
    return [d for d in destinations
            if ipaddress.ip_address(d).packed in wire]


# ---- byte for byte --------------------------------------------------------

def _skip_name(wire, at):
    while True:
        length = wire[at]
        if length >= 0xc0:
            return at + 2
        at += 1 + length
        if length == 0:
            return at


def without_ttls(wire):
    """(bytes with id and TTLs zeroed, list of TTLs)."""
    data = bytearray(wire)
    data[0:2] = b"\0\0"
    ttls = []
    counts = struct.unpack("!4H", wire[4:12])
    at = 12
    for _ in range(counts[0]):
        at = _skip_name(wire, at) + 4
    for _ in range(sum(counts[1:])):
        at = _skip_name(wire, at)
        rdtype, _, ttl, length = struct.unpack("!HHIH", wire[at:at + 10])
        if rdtype != dns.rdatatype.OPT:     # there it holds flags
            ttls.append(ttl)
            data[at + 4:at + 8] = b"\0\0\0\0"
        at += 10 + length
    assert at == len(wire), "bytes after the last record"
    return bytes(data), ttls


def same_but_for_countdown(one, other, slack_s=3):
    """Are two messages equal, ids and the age of a TTL aside?"""
    bytes_one, ttls_one = without_ttls(one)
    bytes_other, ttls_other = without_ttls(other)
    return bytes_one == bytes_other and len(ttls_one) == len(ttls_other) \
        and all(abs(a - b) <= scaled(slack_s)
                for a, b in zip(ttls_one, ttls_other))


# ---- many at once ---------------------------------------------------------

class _Lane:
    """One socket with questions under way."""

    def __init__(self, server, tcp):
        self.tcp = tcp
        self.waiting = {}       # id -> (number, wire, time sent)
        self.buffer = b""
        if tcp:
            self.sock = socket.create_connection(server, scaled(TIMEOUT_S))
        else:
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.sock.connect(server)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def send(self, number, wire, now):
        message_id = random.randrange(65536)
        while message_id in self.waiting:
            message_id = random.randrange(65536)
        wire = struct.pack("!H", message_id) + wire[2:]
        self.waiting[message_id] = (number, wire, now)
        if self.tcp:
            self.sock.sendall(struct.pack("!H", len(wire)) + wire)
        else:
            self.sock.send(wire)

    def receive(self):
        """Messages that came, as (number, wire)."""
        data = self.sock.recv(65535)
        if not self.tcp:
            pieces = [data]
        else:
            assert data, "the server closed a TCP connection"
            self.buffer += data
            pieces = []
            while len(self.buffer) >= 2:
                length = struct.unpack("!H", self.buffer[:2])[0]
                if len(self.buffer) < 2 + length:
                    break
                pieces.append(self.buffer[2:2 + length])
                self.buffer = self.buffer[2 + length:]
        for piece in pieces:
            known = self.waiting.pop(struct.unpack("!H", piece[:2])[0], None)
            if known:
                yield known[0], piece

    def resend(self, now):
        """UDP loses packets, on loopback too when a buffer is full."""
        if self.tcp:
            return
        for message_id, (number, wire, sent) in list(self.waiting.items()):
            if now - sent > scaled(2):
                self.waiting[message_id] = (number, wire, now)
                self.sock.send(wire)


def ask_many(server, questions, tcp=False, lanes=8, window=8,
             timeout_s=60):
    """Asks many (qname, qtype) at once over several sockets, and so through
    all worker threads. Returns the answers as bytes, in order."""
    wires = [query(n, t).to_wire() for n, t in questions]
    answers = [None] * len(wires)
    todo = list(enumerate(wires))[::-1]
    sockets = [_Lane(server, tcp) for _ in range(lanes)]
    by_fd = {lane.sock.fileno(): lane for lane in sockets}
    poll = select.poll()
    for descriptor in by_fd:
        poll.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + scaled(timeout_s)
    done = 0
    try:
        while done < len(wires):
            now = time.monotonic()
            assert now < deadline, f"{done} of {len(wires)} answers came"
            for lane in sockets:
                while todo and len(lane.waiting) < window:
                    lane.send(*todo.pop(), now)
            events = poll.poll(500)
            for descriptor, _ in events:
                for number, wire in by_fd[descriptor].receive():
                    answers[number] = wire
                    done += 1
            if not events:
                for lane in sockets:
                    lane.resend(now)
    finally:
        for lane in sockets:
            lane.sock.close()
    return answers
