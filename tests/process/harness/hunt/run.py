# SPDX-License-Identifier: BSD-3-Clause
"""The random client: sends, receives, has every response judged."""

import random
import select
import time

import dns.message
import dns.rdatatype

from ..wait import scaled
from . import wire as w
from .lanes import HttpLane, TcpLane, TlsLane, UdpLane, Waiting
from .names import labels_of_wire
from .oracle import Breach
from .questions import DOH, DOT, TCP, UDP

TEND_S = 0.1
GIVE_UP_S = 60          # lost, if no answer has come by then
CROSS_CHECK = 211       # each such response is read by dnspython too
LANES = {UDP: 20, TCP: 6, DOT: 3, DOH: 2}


class Client:
    def __init__(self, unbound, certificate, oracle, ledger, schedule):
        self.oracle = oracle
        self.ledger = ledger
        self.schedule = schedule
        self.epoll = select.epoll()
        address = unbound.address
        make = {
            UDP: lambda: UdpLane(address, self.epoll),
            TCP: lambda: TcpLane(address, self.epoll),
            DOT: lambda: TlsLane(unbound.tls_address, self.epoll,
                                 certificate),
            DOH: lambda: HttpLane(unbound.https_address, self.epoll)}
        self.lanes = {kind: [make[kind]() for _ in range(count)]
                      for kind, count in LANES.items()}
        self.every = [lane for lanes in self.lanes.values()
                      for lane in lanes]
        self.by_fd = {}
        self.turns = {kind: 0 for kind in LANES}
        self.sent = self.answered = self.checked = 0
        self.rcodes = {}
        self.given = 0                  # answers with magic IPs
        self.next_tend = 0.0
        self.slowest = 0.0

    # ---- sending ----

    def run(self, questions, total):
        """Asks and waits for every answer."""
        schedule = self.schedule
        schedule.answered = lambda: self.answered
        schedule.sharp = lambda run: self.sharp(questions, run)
        self.tend(time.monotonic())
        for number in range(total):
            schedule.tend(number, self.wait)
            self.send(questions.make(number))
            if number % 16 == 15:
                self.receive(0)
        schedule.finish(self.wait)
        self.drain()

    def send(self, question):
        lanes = self.lanes[question.transport]
        turn = self.turns[question.transport]
        while True:
            for i in range(len(lanes)):
                lane = lanes[(turn + i) % len(lanes)]
                if not lane.full():
                    self.turns[question.transport] = turn + i + 1
                    lane.ask(Waiting(question, self.schedule.settled,
                                     time.monotonic()))
                    self.sent += 1
                    return
            self.wait()

    def sharp(self, questions, run):
        """Asks the same before and after, beside what is counted. run() is
        given what asks."""
        batch = [questions.make_swinging(self.sent) for _ in range(48)]

        def ask():
            for question in batch:
                self.send(question)
        for _ in range(2):
            ask()
            while any(lane.waiting for lane in self.lanes[UDP]):
                self.wait()
        run(ask)

    def wait(self):
        self.receive(0.02)
        self.schedule.check()

    def drain(self):
        while any(lane.waiting for lane in self.every):
            self.wait()
        self.read_tables()

    # ---- receiving ----

    def receive(self, timeout_s):
        events = self.epoll.poll(timeout_s)
        for descriptor, _ in events:
            lane = self.by_fd.get(descriptor)
            if lane is None or lane.sock is None \
                    or lane.sock.fileno() != descriptor:
                continue
            for waiting, data in lane.receive():
                self.judge(waiting, data)
        now = time.monotonic()
        if now >= self.next_tend:
            self.tend(now)

    def tend(self, now):
        self.next_tend = now + TEND_S
        for lane in self.every:
            lane.tend(now)
            for waiting in lane.waiting.values():
                if now > waiting.asked + scaled(GIVE_UP_S):
                    raise Breach("lost", f"{waiting.question.text()}: no "
                                 f"answer to {waiting.tries} queries")
        self.by_fd = {lane.sock.fileno(): lane for lane in self.every
                      if lane.sock is not None}
        self.read_tables()
        caught = self.schedule.programs.caught()
        if caught is not None:
            raise Breach("trap", f"something was sent to {caught}, a magic "
                         f"IP of {self.ledger.owner_of(caught)}; after "
                         f"query {self.sent}")

    def read_tables(self):
        tables = self.schedule.tables
        while tables:
            self.ledger.compare(*tables.pop(0))

    def judge(self, waiting, data):
        now = time.monotonic()
        q = waiting.question
        self.answered += 1
        try:
            msg, magic, others = self.oracle.check(
                q, data, waiting.generation, self.schedule.newest)
            if magic:
                self.given += 1
                self.ledger.saw(q, msg, magic, others, waiting.asked, now)
            elif q.name.magic is not None and self.oracle.in_pool(
                    q, waiting.generation, self.schedule.newest) and (
                        msg.counts[0] or not self.oracle.may_be_upstream(q)):
                self.ledger.check_reverse(q, msg, waiting.asked, now)
            if self.answered % CROSS_CHECK == 0:
                cross_check(msg)
                self.checked += 1
        except Breach as breach:
            raise Breach(breach.rule, self.report(
                breach, waiting, data, now)) from None
        self.rcodes[msg.rcode] = self.rcodes.get(msg.rcode, 0) + 1
        self.slowest = max(self.slowest, now - waiting.asked)

    def report(self, breach, waiting, data, now):
        """Small and useful."""
        q = waiting.question
        policies = self.oracle.in_force[
            waiting.generation:self.schedule.newest + 1]
        try:
            text = dns.message.from_wire(data).to_text()
        except Exception as error:      # dnspython has many
            text = f"dnspython cannot read it: {error!r}"
        lines = [
            breach.text, q.text(),
            f"asked as {q.qname!r}, answered after "
            f"{now - waiting.asked:.3f} s and {waiting.tries} queries",
            f"policies {policies}: matched "
            f"{[q.name.matched[p] for p in policies]}",
            f"response {data.hex()}", text,
            "disturbances before: query, what"]
        lines += [f"  {number} {text}"
                  for number, text in self.schedule.notes[-8:]]
        return "\n".join(lines)

    def close(self):
        for lane in self.every:
            lane.hang_up()
        self.epoll.close()

    def summary(self):
        return (f"answered {self.answered}, {self.given} with magic IPs, "
                f"{self.ledger.proven} magic IPs found in the table, "
                f"{self.schedule.done} disturbances, resent "
                f"{sum(lane.resent for lane in self.every)}, "
                f"rcodes {dict(sorted(self.rcodes.items()))}, "
                f"unexplained {self.oracle.unexplained}, "
                f"explained {self.oracle.excused}, "
                f"slowest {self.slowest:.2f} s, "
                f"{self.checked} read by dnspython too")


def cross_check(msg):
    """Does dnspython see the same records?"""
    theirs = dns.message.from_wire(msg.wire, one_rr_per_rrset=True)
    found = []
    for section, rrsets in enumerate((theirs.answer, theirs.authority,
                                      theirs.additional), 1):
        for rrset in rrsets:
            for record in rrset:
                found.append((section, rrset.name.labels[:-1], rrset.rdtype,
                              rrset.ttl, getattr(record, "address", None)))
    mine = []
    for r in msg.records:
        data = msg.wire[r[w.AT]:r[w.AT] + r[w.LEN]]
        mine.append((r[w.SECTION], labels_of_wire(r[w.OWNER]), r[w.TYPE],
                     r[w.TTL], _address(r[w.TYPE], r[w.CLASS], data)))
    if found != mine:
        raise Breach("form", f"dnspython reads it otherwise: {found} and not "
                     f"{mine}")


def _address(kind, rclass, data):
    if rclass != w.IN or kind not in (w.A, w.AAAA):
        return None
    return dns.rdata.from_wire(rclass, kind, data, 0, len(data)).address


def shuffled(seed, part):
    """A random generator of a part: one part's draws leave others alone."""
    return random.Random(f"{seed} {part}")
