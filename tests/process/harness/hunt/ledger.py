# SPDX-License-Identifier: BSD-3-Clause
"""Who was given which magic IP when, and what conn25d's table says of it.

Rules, by the names under which a breach is reported:

    shared     two names have the same magic IP
    table      a magic IP is not in the table, or there for another name, or
               for a destination that the name never had
    changed    a name has another magic IP for the same destination
    reverse    PTR does not say what was given out

A lease is at least LEASE_S after the answer, and an address is given to
somebody else at the earliest QUARANTINE_S after that; a client knows only
when it asked and when the answer came, so each rule takes the earlier.
"""

import ipaddress

from . import wire as w
from .names import labels_of, wire_of
from .oracle import Breach
from .questions import BAD_VERSION

LEASE_S = 60
QUARANTINE_S = 120


class Given:
    """A magic IP in the hands of a client."""
    __slots__ = ("name", "first", "asked")

    def __init__(self, name, first, asked):
        self.name = name
        self.first = first      # when it was first seen
        self.asked = asked      # when the last question for it was sent


class Ledger:
    def __init__(self, known):
        self.known = known              # wire -> Name
        self.given = {}                 # magic -> Given
        self.unproven = set()           # magic, not seen in the table yet
        self.answers = {}               # whole answers, not proven yet
        self.by_key = {}                # (domain, destination) -> magic
        self.proven = 0

    def saw(self, q, msg, magic, others, asked, now):
        """An answer with magic IPs."""
        name = q.name
        for packed in magic:
            given = self.given.get(packed)
            if given is None:
                self.given[packed] = Given(name, now, asked)
                self.unproven.add(packed)
            elif given.name is name:
                if asked > given.asked:
                    given.asked = asked
            else:
                if now < given.asked + LEASE_S + QUARANTINE_S:
                    raise Breach("shared", f"{_text(packed)} was given to "
                                 f"{given.name.text} {now - given.asked:.1f}"
                                 " s ago")
                self.given[packed] = Given(name, now, asked)
                self.unproven.add(packed)
        key = name, q.qtype, frozenset(magic), frozenset(others)
        if key not in self.answers:
            self.answers[key] = (q, now, bool(msg.flags & w.TC))

    def check_reverse(self, q, msg, asked, now):
        """PTR, or ANY, of an address of a pool."""
        given = self.given.get(q.name.magic)
        if given is None or q.qtype not in (w.PTR, w.ANY) \
                or q.qclass != w.IN or q.odd == BAD_VERSION:
            return
        target = None
        if msg.records:
            target = w.target(msg.wire, msg.records[0]).lower()
        if given.first < asked and now < given.asked + LEASE_S \
                and msg.rcode in (w.NOERROR, w.NXDOMAIN) \
                and target != given.name.wire:
            raise Breach("reverse", f"{_text(q.name.magic)} was given to "
                         f"{given.name.text}, PTR says {target!r}")

    def owner_of(self, text):
        given = self.given.get(ipaddress.ip_address(text).packed)
        return "nobody" if given is None else given.name.text

    # ---- against the table ----

    def compare(self, text, asked):
        """text is what list_assignments printed when asked for at `asked`;
        so it has all that was given out before."""
        by_magic = {}
        by_key = {}
        for domain, destination, magic in _rows(text):
            if magic in by_magic:
                raise Breach("shared", f"{_text(magic)} is twice in the "
                             "table")
            by_magic[magic] = domain, destination
            by_key[domain, destination] = magic
        self._compare_given(by_magic, asked)
        self._compare_answers(by_magic, asked)
        self._compare_keys(by_key, asked)

    def _compare_given(self, by_magic, asked):
        for magic in list(self.unproven):
            given = self.given[magic]
            if given.first >= asked:
                continue                # for the next time
            self.unproven.discard(magic)
            row = by_magic.get(magic)
            if asked >= given.asked + LEASE_S:
                continue                # may be over
            if row is None:
                raise Breach("table", f"{_text(magic)}, given to "
                             f"{given.name.text}, is not in the table")
            if row[0] != given.name.wire:
                raise Breach("table", f"{_text(magic)}, given to "
                             f"{given.name.text}, is in the table for "
                             f"{row[0]!r}")
            self.proven += 1

    def _compare_answers(self, by_magic, asked):
        for key in list(self.answers):
            name, qtype, magic, others = key
            q, seen, truncated = self.answers[key]
            if seen >= asked:
                continue
            del self.answers[key]
            if asked >= seen + LEASE_S or any(m not in by_magic
                                              for m in magic):
                continue
            found = frozenset(by_magic[m][1] for m in magic) | others
            sets = name.ends(qtype).sets
            if found in sets or truncated and any(found <= s for s in sets):
                continue
            raise Breach("table", f"{q.text()}: the destinations of the "
                         "answer are together " + ", ".join(
                             map(_text, sorted(found)))
                         + ", and that was never so")

    def _compare_keys(self, by_key, asked):
        for key, magic in by_key.items():
            old = self.by_key.get(key)
            given = self.given.get(old)
            if old is not None and old != magic and given is not None \
                    and given.name.wire == key[0] \
                    and asked < given.asked + LEASE_S:
                raise Breach("changed", f"{key[0]!r}, destination "
                             f"{_text(key[1])}: {_text(magic)} instead of "
                             f"{_text(old)}")
            self.by_key[key] = magic


def _text(packed):
    return str(ipaddress.ip_address(packed))


def _rows(text):
    """(domain as wire, destination, magic) of each line."""
    for line in text.splitlines():
        domain, destination, magic = line.split()[:3]
        yield (_wire(domain), ipaddress.ip_address(destination).packed,
               ipaddress.ip_address(magic).packed)


_wires = {}


def _wire(text):
    """The name of a line: escaped as a name, and again for the line."""
    if text not in _wires:
        once = "".join(
            chr(int(part[:3])) + part[3:] if i else part
            for i, part in enumerate(text.split("\\")))
        _wires[text] = wire_of(labels_of(once))
    return _wires[text]
