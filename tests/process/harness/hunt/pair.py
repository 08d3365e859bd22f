# SPDX-License-Identifier: BSD-3-Clause
"""Asks two resolvers the same, one question after the other, so that the
caches of both see the same at the same time, and compares the answers."""

import socket
import struct

import dns.message

from ..ask import read_tcp, same_but_for_countdown
from ..wait import scaled, wait_for
from . import wire as w
from .oracle import Breach
from .questions import TCP

TRIES = 3               # a difference that goes away is none
SETTLE_S = 12
TIMEOUT_S = 2
LOST = 10               # queries without an answer


class Pair:
    def __init__(self, ours, theirs, forget):
        """forget() empties the caches of both."""
        self.forget = forget
        self.addresses = ours.address, theirs.address
        self.udp = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    for _ in self.addresses]
        for sock, address in zip(self.udp, self.addresses):
            sock.settimeout(scaled(TIMEOUT_S))
            sock.connect(address)
        self.tcp = [None, None]
        self.id = 0
        self.last = None
        self.compared = self.passing = self.reordered = 0

    def ask(self, q):
        """Both answers; the id is the same, as Unbound sees the start of a
        rotation in it."""
        self.id = (self.id + 1) & 0xffff
        wire = struct.pack("!H", self.id) + q.wire[2:]
        for _ in range(LOST):
            try:
                return self._exchange_tcp(wire) if q.transport == TCP \
                    else self._exchange_udp(wire)
            except (OSError, EOFError):
                self.hang_up()
        raise Breach("lost", q.text())

    def _exchange_udp(self, wire):
        for sock in self.udp:
            sock.send(wire)
        answers = []
        for sock in self.udp:
            answer = sock.recv(65535)
            while answer[:2] != wire[:2]:       # late, to an earlier one
                answer = sock.recv(65535)
            answers.append(answer)
        return answers

    def _exchange_tcp(self, wire):
        for i, address in enumerate(self.addresses):
            if self.tcp[i] is None:
                self.tcp[i] = socket.create_connection(
                    address, scaled(TIMEOUT_S))
            self.tcp[i].sendall(struct.pack("!H", len(wire)) + wire)
        return [read_tcp(sock) for sock in self.tcp]

    def hang_up(self):
        for i, sock in enumerate(self.tcp):
            if sock is not None:
                sock.close()
            self.tcp[i] = None

    def compare(self, q):
        """Raises Breach when the answers differ and go on to do so."""
        self.compared += 1
        for number in range(TRIES):
            if self._agree(q):
                self.passing += number > 0
                return
        # A SERVFAIL is remembered, and so is what servers are thought to be.
        self.forget()
        self.passing += 1
        try:
            wait_for(lambda: self._agree(q), "equal answers", SETTLE_S)
        except AssertionError:
            mine, theirs = self.last
            raise Breach("different", "\n".join([
                q.text(), "---- with the module: " + mine.hex(), _text(mine),
                "---- without: " + theirs.hex(), _text(theirs)])) from None

    def _agree(self, q):
        self.last = mine, theirs = self.ask(q)
        if same_but_for_countdown(mine, theirs):
            return True
        if not same_records(mine, theirs):
            return False
        self.reordered += 1
        return True

    def close(self):
        self.hang_up()
        for sock in self.udp:
            sock.close()


def same_records(one, other):
    """Do two messages say the same? Names may be in another case, and records
    in another order: Unbound keeps a message as the first who asked for it
    spelt it, and as the server had it that it happened to choose. With CD
    it sets AD or not, as it comes."""
    one, other = w.parse(one), w.parse(other)
    ignored = w.AD if one.flags & w.CD else 0
    if (one.flags ^ other.flags) & ~ignored or one.rcode != other.rcode:
        return False
    # What is cut off depends on the order.
    return bool(one.flags & w.TC) or _records(one) == _records(other)


def _records(msg):
    return sorted((r[w.SECTION], r[w.OWNER].lower(), r[w.TYPE], r[w.CLASS],
                   w.plain_data(msg.wire, r)) for r in msg.records)


def _text(wire):
    try:
        return dns.message.from_wire(wire).to_text()
    except Exception as error:
        return repr(error)
