# SPDX-License-Identifier: BSD-3-Clause
"""What the random client asks: the same for the same seed."""

import struct

import dns.rdatatype

from . import wire as w
from .names import mixed_case, text_of, wire_of

UDP, TCP, DOT, DOH = "udp", "tcp", "dot", "doh"

# How often each transport is taken, in thousands.
TRANSPORTS = [(UDP, 800), (TCP, 130), (DOT, 50), (DOH, 20)]

TYPES = [(w.A, 34), (w.AAAA, 20), (w.HTTPS, 10), (w.SVCB, 3), (w.ANY, 3),
         (w.MX, 4), (w.NS, 4), (w.SRV, 2), (w.TXT, 3), (w.CNAME, 4),
         (w.SOA, 2), (w.DS, 2), (w.PTR, 1), (w.DNSKEY, 1), (w.RRSIG, 1),
         (w.NSEC, 1), (w.DNAME, 1), ("known", 3), ("random", 2), ("meta", 1)]
KNOWN = sorted(int(t) for t in dns.rdatatype.RdataType
               if 0 < int(t) < 65536)
META = [0, 41, 128, 247, 248, 249, 250, 251, 252, 253, 254, 65535]

CLASSES = [3, 4, 254, w.ANY_CLASS, 65300, 65300, 65280, 0]

BAD_VERSION = "EDNS version 1"

SIZES = [512, 600, 1232, 1232, 1232, 1400, 4096, 65535, 0]


class Name:
    """A name that may be asked for, with what the oracle has to know."""

    def __init__(self, labels, universe, policies, rng, magic=None):
        self.labels = labels
        self.wire = wire_of(labels)
        self.text = text_of(labels)
        self.magic = magic              # the address of a reverse name
        self.matched = tuple(p.matches(labels) for p in policies)
        node, _ = universe.find(labels)
        self.bogus = node is not None and node.bogus
        self.cases = [self.wire] + [mixed_case(self.wire, rng)
                                    for _ in range(3)]
        self._universe = universe
        self._ends = {}
        self._ever = {}

    def is_steady(self, qtype):
        """Do resolvers that do the same say the same of it? Not of how much
        of a chain comes along where its first link is what was asked for,
        nor whether a DNAME is shown or what was once made from it."""
        end = self.ends(qtype)
        if qtype == w.ANY or end.weak or end.redirected:
            return False
        node, _ = self._universe.find(self.labels)
        return qtype not in (w.CNAME, w.RRSIG, w.NSEC) or node is None \
            or "CNAME" not in node.rrsets

    def ends(self, qtype):
        """Where its chain may lead, an End of universe.py."""
        if qtype not in self._ends:
            self._ends[qtype] = self._universe.ends(
                self.labels, {w.A: "A", w.AAAA: "AAAA"}.get(qtype))
        return self._ends[qtype]

    def ever(self, qtype):
        """All destinations that it had or will have."""
        if qtype not in self._ever:
            self._ever[qtype] = frozenset().union(*self.ends(qtype).sets)
        return self._ever[qtype]


class Question:
    __slots__ = ("number", "name", "qname", "qtype", "qclass", "flags",
                 "edns", "do", "odd", "transport", "wire")

    def text(self):
        flags = [text for bit, text in (
            (w.RD, "rd"), (w.CD, "cd"), (w.AD, "ad")) if self.flags & bit]
        edns = "no EDNS" if self.edns is None else \
            f"EDNS {self.edns}{' DO' if self.do else ''}"
        return (f"query {self.number} over {self.transport}: "
                f"{self.name.text} {dns.rdatatype.to_text(self.qtype)} "
                f"class {self.qclass} {' '.join(flags)}, {edns}"
                f"{', ' + self.odd if self.odd else ''}")


def reverse_of(packed):
    """The labels of the PTR name of an address."""
    if len(packed) == 4:
        return tuple(str(b).encode() for b in reversed(packed)) \
            + (b"in-addr", b"arpa")
    return tuple(c.encode() for c in reversed(packed.hex())) \
        + (b"ip6", b"arpa")


class Questions:
    def __init__(self, sketch, policies, rng, pools=1200):
        """pools: how many addresses from the start of each magic pool are
        asked for by PTR; they are handed out in that order."""
        self.rng = rng
        universe = sketch.universe

        def name(labels, magic=None):
            return Name(labels, universe, policies, rng, magic)
        labels = {}
        for zone in universe.zones.values():
            labels.update(dict.fromkeys(zone.nodes))
        labels.update(dict.fromkeys(sketch.probes))
        every = [name(part) for part in labels]
        self.known = {n.wire: n for n in every}
        self.matched = [n for n in every if any(n.matched)]
        self.unmatched = [n for n in every if not any(n.matched)]
        self.swinging = [n for n in every if len(set(n.matched)) > 1]
        # Those with addresses at the end of all shapes of chains.
        self.fruitful = [n for n in self.matched if n.ever(w.A)
                         or n.ever(w.AAAA)]
        self.hot = rng.sample(self.matched, 40) \
            + rng.sample(self.unmatched, 20) \
            + rng.sample(self.swinging, 15)
        self.reverse = []
        for i in range(1, pools):
            for packed in (struct.pack("!BBH", 100, 64, i),
                           bytes.fromhex("fd250001") + struct.pack(
                               "!QI", 0, i)):
                self.reverse.append(name(reverse_of(packed), packed))
        self.others = [name(part) for part in (
            (b"version", b"bind"), (b"id", b"server"), (b"localhost",), (),
            (b"1", b"0", b"0", b"127", b"in-addr", b"arpa"),
            (b"64", b"100", b"in-addr", b"arpa"))]
        # Weighted: (upper bound, list).
        self.groups = [(0.20, self.hot), (0.40, self.fruitful),
                       (0.54, self.matched), (0.66, self.swinging),
                       (0.93, self.unmatched), (0.99, self.reverse),
                       (1.01, self.others)]
        self.types = rng.choices([k for k, _ in TYPES],
                                 [c for _, c in TYPES], k=4096)
        self.transports = rng.choices([k for k, _ in TRANSPORTS],
                                      [c for _, c in TRANSPORTS], k=4096)

    def make(self, number):
        rng = self.rng
        q = Question()
        q.number = number
        draw = rng.random()
        for bound, group in self.groups:
            if draw < bound:
                break
        q.name = group[int(rng.random() * len(group))]
        kind = self.types[int(rng.random() * 4096)]
        if kind.__class__ is str:
            kind = rng.choice(KNOWN) if kind == "known" else \
                rng.choice(META) if kind == "meta" else rng.randrange(65536)
        elif q.name.magic is not None and rng.random() < 0.8:
            kind = w.PTR
        q.transport = self.transports[int(rng.random() * 4096)]
        self.finish(q, kind, rng)
        return q

    def make_swinging(self, number):
        """A plain question for a name that gains and loses the policy."""
        q = Question()
        q.number = number
        q.name = self.rng.choice(self.swinging)
        q.transport = UDP
        self.finish(q, self.rng.choice([w.A, w.A, w.AAAA, w.HTTPS]),
                    self.rng)
        return q

    def make_unmatched(self, number):
        q = Question()
        q.number = number
        q.name = self.rng.choice(self.unmatched + self.others)
        kind = self.rng.choice(self.types)
        if isinstance(kind, str):
            kind = self.rng.choice(KNOWN + META)
        q.transport = self.rng.choice([UDP, UDP, TCP])
        self.finish(q, kind, self.rng)
        return q

    @staticmethod
    def finish(q, kind, rng):
        """All that does not depend on the name."""
        q.qtype = kind
        bits = int(rng.random() * 65536)
        q.qname = q.name.cases[bits & 3]
        q.flags = w.RD
        q.qclass = w.IN
        q.odd = ""
        if bits & 0x1c == 0:
            q.flags |= w.CD
        if bits & 0xe0 == 0:
            q.flags |= w.AD
        if bits & 0x3f00 == 0:
            q.flags &= ~w.RD
        elif bits & 0x3f00 == 0x100:
            q.qclass = CLASSES[int(rng.random() * len(CLASSES))]
        q.edns = None
        q.do = False
        more = b""
        if bits & 0xc000:
            q.edns = SIZES[int(rng.random() * len(SIZES))]
            q.do = bits & 0x8000 != 0 and rng.random() < 0.5
            options = b""
            version = 0
            if rng.random() < 0.02:
                q.odd = rng.choice(["unknown option", BAD_VERSION, "NSID"])
                if q.odd == BAD_VERSION:
                    version = 1
                else:
                    options = b"\xff\x00\0\2hi" if q.odd != "NSID" \
                        else b"\0\3\0\0"
            more = struct.pack("!BHHBBHH", 0, w.OPT, q.edns, 0, version,
                               0x8000 if q.do else 0, len(options)) + options
        q.wire = struct.pack(
            "!6H", 0, q.flags, 1, 0, 0, 1 if more else 0) + q.qname \
            + struct.pack("!HH", q.qtype, q.qclass) + more
