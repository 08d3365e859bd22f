# SPDX-License-Identifier: BSD-3-Clause
"""Judges each response by itself: from the question, the policies that may
have been in force and the zones. What several responses must have in common
is in ledger.py.

The rules, by the names under which a breach is reported:

    form         not a DNS message, or not one to this question
    leak         a destination address for a matched name, in any section,
                 hint or elsewhere
    foreign      a magic IP for an unmatched name
    unreal       an address that the name never had
    shape        what DESIGN 4.3 says of an answer is not so
    failure      SERVFAIL for a reverse name
    bogus        an address that failed validation
    reverse      a PTR answer that is not what was given out
"""

import ipaddress
import re
import time

from . import wire as w
from .names import labels_of_wire
from .questions import BAD_VERSION
from .strict import STRICT
from .universe import DNS64, EXCLUDED

MAGIC_V4 = b"\x64\x40"                          # 100.64.0.0/16
MAGIC_V6 = bytes.fromhex("fd25000100000000")    # fd25:1::/64

_EXCLUDED = [ipaddress.ip_network(n) for n in EXCLUDED]

# The first bytes of destinations; nothing else has the longer one.
_BYTES = re.compile(rb"\x0a[\x80-\xbf]|\x20\x01\x0d\xb8\x0c\x25", re.DOTALL)
# Data that look like anything.
_RANDOM = {w.RRSIG, w.DNSKEY, w.DS, w.NSEC3, 51, 52, 59, 60}

EDE_FORGED = 4
EDE_BYTES = 6           # code and length of the option, and of the error

KIND = {w.A: "A", w.AAAA: "AAAA"}


class Breach(AssertionError):
    def __init__(self, rule, text):
        super().__init__(f"{rule}: {text}")
        self.rule = rule
        self.text = text


def _special(address):
    """What the policy excludes by default."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return _special(mapped)
    if address.version == 4:
        b = address.packed
        return b[0] in (0, 127) or b[:2] == b"\xa9\xfe" or b[0] >> 4 == 14 \
            or address.packed == b"\xff\xff\xff\xff"
    return int(address) < 2 or address.is_link_local or address.is_multicast


def _is_full(q, msg):
    """Would one more EDE not fit? The size is Unbound's max-udp-size."""
    return q.transport == "udp" and len(msg.wire) + EDE_BYTES > min(
        max(q.edns, 512), 1232)


class Oracle:
    def __init__(self, universe, policies, known, max_ttl, validates="no"):
        """validates: "no", "unless CD" or "always"."""
        self.universe = universe
        self.policies = policies
        self.known = known              # wire -> Name
        self.max_ttl = max_ttl
        self.in_force = [0]             # by generation: index of the policy
        self.unvalidated = {"no": w.RD, "unless CD": w.CD,
                            "always": 0}[validates]
        self.bogus = universe.bogus()   # addresses
        self.cleans = True              # are additional sections validated?
        self.stale_ttl = 0              # of what is served expired
        self.trouble_until = 0.0        # upstream is not well until then
        self.unexplained = 0
        self.excused = {}               # EDE code -> SERVFAILs with it
        self._kinds = {}
        self._owners = {}

    def failures(self):
        """SERVFAILs for which the zones give no reason. Ours (EDE 0) last a
        moment; Unbound has some when it starts or is interrupted."""
        return self.unexplained + sum(
            count for code, count in self.excused.items() if code)

    # ---- addresses ----

    def kind_of(self, packed):
        kind = self._kinds.get(packed)
        if kind is None:
            address = ipaddress.ip_address(packed)
            if packed.startswith(MAGIC_V4 if len(packed) == 4 else MAGIC_V6):
                kind = "magic"
            elif packed.startswith(DNS64) and self.universe.dns64:
                kind = "real"
            elif _special(address) or any(
                    address in n for n in _EXCLUDED
                    if n.version == address.version):
                kind = "excluded"
            elif packed in self.universe.addresses:
                kind = "real"
            else:
                kind = "unknown"
            self._kinds[packed] = kind
        return kind

    # ---- one response ----

    def check(self, q, data, low, high):
        """low and high are the first and the last generation of the policy
        that may have been in force. Returns (message, magic IPs in the
        answer, other addresses there); raises Breach."""
        try:
            msg = w.parse(data)
        except w.Malformed as error:
            raise Breach("form", str(error)) from None
        self._echo(q, msg)
        if low == high:
            found = self._judge(q, msg, self.in_force[low])
        else:
            found = self._judge_any(q, msg,
                                    set(self.in_force[low:high + 1]))
        return msg, *found

    def in_pool(self, q, low, high):
        """Is the reverse name in a pool, whichever policy was in force?"""
        return len(q.name.magic) == 4 or all(
            self.policies[i].v6 for i in self.in_force[low:high + 1])

    def _judge_any(self, q, msg, indexes):
        breach = None
        for index in indexes:
            try:
                return self._judge(q, msg, index)
            except Breach as error:
                breach = breach or error
        raise breach

    @staticmethod
    def _echo(q, msg):
        if not msg.flags & w.QR or msg.flags & 0x7800:
            raise Breach("form", "not a response to a query")
        if (msg.flags ^ q.flags) & w.RD:
            raise Breach("form", "RD is not echoed")
        if msg.qname is None:
            if msg.rcode not in (w.FORMERR, w.NOTIMP, w.REFUSED, w.BADVERS,
                                 w.SERVFAIL) or msg.records:
                raise Breach("form", "no question")
        elif msg.qname != q.qname or msg.qtype != q.qtype \
                or msg.qclass != q.qclass:
            raise Breach("form", "the question is another one")
        if msg.opt is not None and q.edns is None:
            raise Breach("form", "EDNS for a client without")
        # Not their size: Unbound gives UDP clients who wait together with a
        # TCP client the same message.

    def _judge(self, q, msg, index):
        policy = self.policies[index]
        if q.odd == BAD_VERSION:
            # The rcode may say nothing, without OPT.
            if msg.records:
                raise Breach("shape", "records in a BADVERS")
            return (), ()
        if q.qclass in (w.IN, w.ANY_CLASS):
            if q.name.magic is not None and (
                    policy.v6 or len(q.name.magic) == 4):
                return self._reverse(q, msg)
            if q.name.matched[index]:
                return self._matched(q, msg, policy)
        elif q.name.matched[index]:
            self._no_destination(msg)
            return (), ()
        if msg.records:
            self._unmatched(q, msg)
        return (), ()

    # ---- matched ----

    def _no_destination(self, msg):
        wire = msg.wire
        for record in msg.records:
            kind = record[w.TYPE]
            if kind in KIND:
                packed = wire[record[w.AT]:record[w.AT] + record[w.LEN]]
                if self.kind_of(packed) in ("real", "unknown"):
                    raise Breach("leak", f"{ipaddress.ip_address(packed)} "
                                 f"in section {record[w.SECTION]}")
            elif kind in (w.HTTPS, w.SVCB):
                hints = w.hints(w.service(wire, record)[2])
                if hints:
                    raise Breach("leak", "a hint: " + ", ".join(
                        str(ipaddress.ip_address(h)) for h in hints))
        self._scan(msg)

    def _matched(self, q, msg, policy):
        self._no_destination(msg)
        if q.qclass == w.ANY_CLASS or msg.rcode not in (
                w.NOERROR, w.NXDOMAIN, w.YXDOMAIN):
            self._refusal(q, msg)
            if msg.rcode == w.SERVFAIL:
                self._failure(q, msg)
            return (), ()
        if q.qtype in KIND:
            return self._address(q, msg, policy)
        if q.qtype in (w.HTTPS, w.SVCB):
            self._service(q, msg)
        elif q.qtype == w.ANY:
            self._any(q, msg)
        if msg.counts[2] > (msg.opt is not None):
            raise Breach("shape", "an additional section")
        return (), ()

    def _scan(self, msg):
        """The bytes of a destination where no record has them."""
        wire = msg.wire
        for hit in _BYTES.finditer(wire, 12):
            at = hit.start()
            if hit.end() - at == 2:
                if wire[at:at + 4] not in self.universe.addresses:
                    continue
            elif self.kind_of(wire[at:at + 16].ljust(16, b"\0")) \
                    == "excluded":
                continue
            for record in msg.records:
                end = record[w.AT] + record[w.LEN]
                if record[w.AT] <= at < end and record[w.TYPE] in _RANDOM \
                        or record[w.AT] - 6 <= at < record[w.AT] - 2:
                    break               # in a signature, or a TTL
            else:
                raise Breach("leak", "the bytes of a destination at offset "
                             f"{at}: {wire[at:at + 16].hex()}")

    @staticmethod
    def _refusal(q, msg):
        """Unbound leaves what it has of a chain that fails. Of one to
        addresses no CNAME may be left, as clients might follow it."""
        allowed = set()
        if msg.rcode == w.SERVFAIL:
            allowed |= {w.DNAME, w.RRSIG, w.NSEC, w.NSEC3}
            if q.qtype not in (w.A, w.AAAA, w.HTTPS, w.SVCB):
                allowed.add(w.CNAME)
        for record in msg.records:
            if record[w.TYPE] not in allowed:
                raise Breach("shape", f"type {record[w.TYPE]} with rcode "
                             f"{msg.rcode}")

    def _failure(self, q, msg):
        if time.monotonic() < self.trouble_until \
                or q.qclass != w.IN or not q.flags & w.RD \
                or q.name.ends(q.qtype).weak:
            return
        for code in msg.ede or ():
            self.excused[code] = self.excused.get(code, 0) + 1
        if not msg.ede:
            self.unexplained += 1

    def _address(self, q, msg, policy):
        """A and AAAA: all of the answer is addresses of the queried name."""
        wire = msg.wire
        magic, others = [], []
        ttls = set()
        for record in msg.records:
            if record[w.SECTION] != w.ANSWER:
                break
            kind = record[w.TYPE]
            if kind == q.qtype:
                packed = wire[record[w.AT]:record[w.AT] + record[w.LEN]]
                (magic if self.kind_of(packed) == "magic" else
                 others).append(packed)
                ttls.add(record[w.TTL])
            elif kind != w.RRSIG:
                raise Breach("shape", f"type {kind} in the answer of a "
                             "matched name: clients would follow it")
            if record[w.OWNER] != q.qname:
                raise Breach("shape", "the owner is not the name as asked: "
                             f"{record[w.OWNER]!r}")
        if magic:
            self._forged(q, msg, policy, magic, ttls)
        elif not others and not msg.flags & w.TC:
            self._nothing(q, msg, policy)
        return magic, others

    def _forged(self, q, msg, policy, magic, ttls):
        if msg.rcode != w.NOERROR:
            raise Breach("shape", f"addresses with rcode {msg.rcode}")
        if msg.counts[1] or msg.counts[2] > (msg.opt is not None) or any(
                r[w.TYPE] == w.RRSIG for r in msg.records):
            raise Breach("shape", "more than magic IPs in the answer")
        if msg.flags & (w.AD | w.AA):
            raise Breach("shape", "AD or AA with magic IPs")
        end = q.name.ends(q.qtype)
        # The clocks of two threads may be a second apart.
        limit = self.max_ttl if end.weak else min(
            self.max_ttl, max(end.ttl + 1, self.stale_ttl))
        if len(ttls) != 1 or max(ttls) > limit:
            raise Breach("shape", f"TTLs {ttls}, over {limit} or different")
        if len(set(magic)) != len(magic):
            raise Breach("shape", "a magic IP twice")
        if q.qtype == w.A and not q.flags & self.unvalidated \
                and q.name.bogus:
            raise Breach("bogus", "a magic IP for an address that failed")
        if q.qtype == w.AAAA and not policy.v6:
            raise Breach("shape", "a magic IPv6 address without a pool")
        if msg.opt is not None and not msg.flags & w.TC and \
                EDE_FORGED not in (msg.ede or ()) and not _is_full(q, msg):
            raise Breach("shape", "no EDE 4 with magic IPs")

    def _nothing(self, q, msg, policy):
        """No data, or no such name: is that so?"""
        end = q.name.ends(q.qtype)
        if end.weak or not q.flags & w.RD:
            return
        if msg.rcode == w.NXDOMAIN and not end.missing:
            raise Breach("shape", "NXDOMAIN for a name that exists")
        if msg.rcode == w.NOERROR and frozenset() not in end.sets and (
                q.qtype == w.A or policy.v6):
            raise Breach("shape", "no data for a name that has addresses")

    @staticmethod
    def _service(q, msg):
        for record in msg.records:
            if record[w.SECTION] != w.ANSWER:
                break
            if record[w.TYPE] == w.RRSIG:
                continue
            if record[w.TYPE] != q.qtype:
                raise Breach("shape", f"type {record[w.TYPE]} in the answer "
                             "of a matched name: clients would follow it")
            if record[w.OWNER] != q.qname:
                raise Breach("shape", "the owner is not the name as asked")
            priority, target, params = w.service(msg.wire, record)
            if priority == 0:
                raise Breach("shape", "AliasMode for a matched name")
            if target != b"\0" and target.lower() != q.name.wire:
                raise Breach("shape", f"leads to {target!r}")
            mandatory = params.get(0, b"")
            for i in range(0, len(mandatory), 2):
                if int.from_bytes(mandatory[i:i + 2], "big") not in params:
                    raise Breach("shape", "a mandatory key is missing")

    @staticmethod
    def _any(q, msg):
        """RFC 8482, or that there is nothing, which Unbound may have learnt
        from the chain of another name."""
        if not msg.counts[0]:
            if msg.rcode == w.NXDOMAIN and not (
                    q.name.ends(q.qtype).missing or q.name.ends(q.qtype).weak):
                raise Breach("shape", "NXDOMAIN for a name that exists")
        elif msg.rcode != w.NOERROR or len(msg.records) != 1 \
                or msg.records[0][w.TYPE] != w.HINFO:
            raise Breach("shape", "not RFC 8482")

    # ---- unmatched ----

    def _unmatched(self, q, msg):
        """Never a magic IP; each RRset of addresses is the real one."""
        wire = msg.wire
        rrsets = {}
        for record in msg.records:
            kind = record[w.TYPE]
            if kind in KIND:
                packed = wire[record[w.AT]:record[w.AT] + record[w.LEN]]
                known = self.kind_of(packed)
                if known == "magic":
                    raise Breach("foreign", "a magic IP for an unmatched "
                                 f"name: {ipaddress.ip_address(packed)}")
                if packed in self.bogus and self._is_validated(q, record):
                    raise Breach("bogus", "an address that failed: "
                                 f"{ipaddress.ip_address(packed)}")
                if known == "unknown":
                    raise Breach("unreal", "an address from nowhere: "
                                 f"{ipaddress.ip_address(packed)}")
                rrsets.setdefault((record[w.OWNER].lower(), kind),
                                  []).append(packed)
            elif kind in (w.HTTPS, w.SVCB):
                for hint in w.hints(w.service(wire, record)[2]):
                    if self.kind_of(hint) in ("magic", "unknown"):
                        raise Breach("foreign", "a hint that is not real: "
                                     f"{ipaddress.ip_address(hint)}")
        for (owner, kind), found in rrsets.items():
            self._real(msg, owner, kind, found)

    def _is_validated(self, q, record):
        """Where a chain leads to is not, for ANY: the validator looks for
        signatures of the queried name only."""
        return q.qclass == w.IN and q.qtype != w.ANY \
            and not q.flags & self.unvalidated \
            and (self.cleans or record[w.SECTION] == w.ANSWER)

    def _real(self, msg, owner, kind, found):
        labels = self._owners.get(owner)
        if labels is None:
            labels = self._owners[owner] = labels_of_wire(owner)
        sets = self.universe.versions(labels, KIND[kind])
        found = frozenset(found)
        if found in sets:
            return
        if msg.flags & w.TC and any(found <= one for one in sets):
            return
        if not any(sets) and all(self.kind_of(p) == "excluded"
                                 for p in found):
            return                      # Unbound's own, such as localhost
        raise Breach("unreal", f"{labels} has never had " + ", ".join(
            str(ipaddress.ip_address(p)) for p in found))

    # ---- reverse names of the pools ----

    def may_be_upstream(self, q):
        """May a negative answer be upstream's, from when there was no such
        pool? The module keeps one that it has waited for meanwhile."""
        return not STRICT and len(q.name.magic) == 16 and not all(
            self.policies[i].v6 for i in self.in_force)

    def _reverse(self, q, msg):
        """Answered by the module itself, whatever upstream has."""
        if q.qclass == w.ANY_CLASS or msg.rcode not in (
                w.NOERROR, w.NXDOMAIN):
            if msg.records:
                raise Breach("shape", "records in a refusal")
            if msg.rcode == w.SERVFAIL:
                raise Breach("failure", "SERVFAIL for a reverse name")
            return (), ()
        if not msg.counts[0] and self.may_be_upstream(q):
            return (), ()
        if not msg.records:
            if msg.rcode == w.NOERROR and q.qtype in (w.PTR, w.ANY):
                raise Breach("reverse", "no data")
            return (), ()
        record = msg.records[0]
        if len(msg.records) != 1 or record[w.SECTION] != w.ANSWER \
                or record[w.TYPE] != w.PTR or record[w.OWNER] != q.qname \
                or q.qtype not in (w.PTR, w.ANY) or msg.rcode != w.NOERROR:
            raise Breach("reverse", "not one PTR record")
        if record[w.TTL] > self.max_ttl:
            raise Breach("reverse", f"TTL {record[w.TTL]}")
        target = w.target(msg.wire, record).lower()
        name = self.known.get(target)
        if name is None or not any(name.matched):
            raise Breach("reverse", f"{target!r} is no matched name")
        return (), ()
