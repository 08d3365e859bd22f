# SPDX-License-Identifier: BSD-3-Clause
"""What the zones of a seed hold: shapes of chains, addresses, hints, names
of servers; and which domains the policies may match.

An Area is a place for names: a suffix within a zone, and what the policies
say of it:

    YES     always matched, by a wildcard of the area or one above
    EXACT   each name in it gets an exact domain of its own
    NO      never matched
    SWING   matched by some policies only, by the area's wildcard
    SWING_EXACT   the same, with exact domains
"""

import ipaddress
import itertools
import string

from .names import is_name, labels_of, text_of
from .universe import VERSIONS, Universe, Zone

YES, EXACT, NO, SWING, SWING_EXACT = range(5)
MATCHED = (YES, EXACT)

# Which server has which zones; see programs.py.
PARENTS, MIDDLE, CHILDREN = "parents", "middle", "children"
SERVERS = {
    # Names that are never matched have the second kind of addresses.
    PARENTS: ("10.128.0.53", "10.160.0.53"),
    MIDDLE: ("10.128.0.54", "10.160.0.54"),
    CHILDREN: ("10.128.0.55", "10.160.0.55"),
}

TTLS = [0, 1, 1, 2, 2, 3, 3, 5, 10, 30, 300, 300, 3600, 86400]

# Excluded by default, and by the configuration of the hunt.
EXCLUDED_V4 = ["0.0.0.0", "127.0.0.1", "169.254.1.1", "224.0.0.5",
               "10.159.0.1", "10.159.0.2"]
EXCLUDED_V6 = ["::", "::1", "fe80::1", "ff02::5", "::ffff:127.0.0.1",
               "2001:db8:c25:eeee::1"]


# Bytes of odd labels. Policies can't name them; ldns-signzone writes the last
# four so that nsd can't read them.
ODD_NODES = b"\0\t.;\x7f\xc8\xffa0"
ODD = ODD_NODES + b' "@\\'


class Area:
    def __init__(self, zone, suffix, kind):
        self.zone = zone
        self.suffix = suffix            # labels, the zone's origin included
        self.kind = kind
        self.owners = []                # those with a Node


class Sketch:
    def __init__(self, rng):
        self.rng = rng
        self.universe = Universe()
        self.areas = []
        self.exact, self.wild = [], []          # always in the policy
        self.swing_exact, self.swing_wild = [], []
        self.probes = []                # names worth asking that have no Node
        self.serial = itertools.count(1)
        self._zones()
        self._fill()

    # ---- zones and areas ----

    def _zones(self):
        for name, server, signed in [
                (".", PARENTS, None), ("example.", PARENTS, None),
                ("host.example.", MIDDLE, None),
                ("open.example.", MIDDLE, None),
                ("mix.example.", MIDDLE, None),
                ("all.example.", MIDDLE, None),
                ("swing.example.", MIDDLE, None),
                ("smix.example.", MIDDLE, "nsec"),
                ("sall.example.", MIDDLE, "nsec3"),
                ("sopen.example.", MIDDLE, "nsec"),
                ("sub.open.example.", CHILDREN, None),
                ("sub.mix.example.", CHILDREN, None),
                ("deep.w1.mix.example.", CHILDREN, None),
                ("sub.all.example.", CHILDREN, None),
                ("ssub.smix.example.", CHILDREN, "nsec"),
                ("ssub.sall.example.", CHILDREN, "nsec3"),
                ("64.100.in-addr.arpa.", MIDDLE, None),
                ("d.f.ip6.arpa.", MIDDLE, None)]:
            self.universe.add(Zone(labels_of(name), server, signed,
                                   self.rng.choice([1, 2, 60])))
        self.universe.add(Zone(labels_of("lame.open.example."), None)) \
            .lame = True
        self.universe.add(Zone(labels_of("lame.all.example."), None)) \
            .lame = True
        for name, kind in [
                ("open.example.", NO), ("n1.open.example.", NO),
                ("mix.example.", NO), ("mix.example.", EXACT),
                ("e1.mix.example.", EXACT), ("w1.mix.example.", YES),
                ("w2.mix.example.", YES), ("xw1.mix.example.", NO),
                ("mix.example.", SWING_EXACT), ("sw.mix.example.", SWING),
                ("all.example.", YES), ("a.b.all.example.", YES),
                ("swing.example.", NO), ("swing.example.", SWING_EXACT),
                ("s1.swing.example.", SWING), ("s2.swing.example.", SWING),
                ("in.s2.swing.example.", SWING),
                ("smix.example.", NO), ("smix.example.", EXACT),
                ("w1.smix.example.", YES), ("sw.smix.example.", SWING),
                ("sall.example.", YES), ("sopen.example.", NO),
                ("sub.open.example.", NO), ("sub.mix.example.", NO),
                ("sub.mix.example.", EXACT), ("sub.mix.example.", SWING_EXACT),
                ("deep.w1.mix.example.", YES), ("sub.all.example.", YES),
                ("ssub.smix.example.", NO), ("ssub.smix.example.", EXACT),
                ("ssub.sall.example.", YES)]:
            suffix = labels_of(name)
            self.areas.append(Area(self.universe.zone_of(suffix), suffix,
                                   kind))
        self.wild += [labels_of(n) for n in (
            "w1.mix.example.", "w2.mix.example.", "all.example.",
            "w1.smix.example.", "sall.example.", "m.host.example.",
            "lit.mix.example.")]
        self.swing_wild += [labels_of(n) for n in (
            "sw.mix.example.", "s1.swing.example.", "s2.swing.example.",
            "sw.smix.example.", "sm.host.example.")]
        self.exact += [labels_of(n) for n in (
            "b.ns.example.", "mix.example.")]
        # A matched domain that is cut out of a wildcard by a longer one is
        # as matched as the rest: several apps have it.
        self.wild.append(labels_of("deep.w1.mix.example."))

    def _fill(self):
        self._servers()
        for area in self.areas:
            self._hosts(area)
        for area in self.areas:
            self._services(area)
            self._referers(area)
        self._chains()
        self._shapes()
        self._reverse()
        self._probe_all()

    # ---- parts ----

    def areas_of(self, *kinds):
        return [a for a in self.areas if a.kind in kinds]

    def owner(self, area, first=None):
        """A new name in an area; an exact domain too if the area wants."""
        rng = self.rng
        while True:
            labels = area.suffix
            # Neither in a policy, nor for ldns-signzone to sort.
            odd = "" if area.kind in (EXACT, SWING_EXACT) \
                or area.zone.signed else ODD_NODES
            for _ in range(rng.choice([0, 0, 0, 1, 2])):
                labels = (self._label(odd),) + labels
            labels = (first or self._label(odd),) + labels
            if is_name(labels) and \
                    self.universe.find(labels, False) == (None, []):
                break
            first = None
        area.zone.node(labels)
        if area.kind == EXACT:
            self.exact.append(labels)
        elif area.kind == SWING_EXACT:
            self.swing_exact.append(labels)
        area.owners.append(labels)
        return labels

    def _label(self, odd=""):
        rng = self.rng
        draw = rng.random()
        if draw < 0.75:
            size = rng.randint(1, 8)
        elif draw < 0.8:
            size = rng.choice([40, 63])
        elif draw < 0.85:
            return rng.choice([b"_sip", b"_443", b"xn--bcher-kva", b"_https",
                               b"10", b"a-b", b"ns", b"www"])
        elif odd:
            # Bytes that need an escape in text, a dot among them.
            return bytes(rng.choice(odd)
                         for _ in range(rng.randint(1, 5)))
        else:
            size = 9
        return bytes(rng.choice(
            (string.ascii_lowercase + string.digits).encode())
            for _ in range(size))

    def ttl(self):
        return self.rng.choice(TTLS)

    def address(self, kind, area):
        """A new address, different in its second byte by what the policy
        says of its owner."""
        n = next(self.serial)
        third, fourth = divmod(n, 250)
        second = {NO: 160, SWING: 144, SWING_EXACT: 144}.get(area.kind, 129)
        if kind == "A":
            text = f"10.{second + third // 256}.{third % 256}.{fourth + 1}"
        elif self.rng.random() < 0.04:
            text = f"::ffff:10.{second}.{third % 256}.{fourth + 1}"
        else:
            text = f"2001:db8:c25:{second:x}::{n:x}"
        return self.real(text)

    def real(self, text):
        self.universe.addresses.add(ipaddress.ip_address(text).packed)
        return text

    def addresses(self, node, area, kind, count=None, excluded=0.06):
        """An A or AAAA RRset that changes from version to version, or not."""
        rng = self.rng
        if count is None:
            count = rng.choice([1, 1, 2, 2, 3, 4])
        ttl = self.ttl()
        known = EXCLUDED_V4 if kind == "A" else EXCLUDED_V6

        def one():
            return rng.choice(known) if rng.random() < excluded \
                else self.address(kind, area)
        first = [one() for _ in range(count)]
        versions = [(ttl, *dict.fromkeys(first))]
        draw = rng.random()
        for _ in range(1, VERSIONS):
            if draw < 0.6:
                versions.append(versions[0])
            elif draw < 0.8:            # some stay, some are new
                keep = versions[-1][1:][:count // 2]
                versions.append((ttl, *dict.fromkeys(
                    (*keep, *(one() for _ in range(count - len(keep)))))))
            else:
                versions.append((self.ttl(), *dict.fromkeys(
                    one() for _ in range(count))))
        node.put(kind, *versions)

    def _servers(self):
        """NS RRsets, the addresses of their names, and delegations."""
        universe, rng = self.universe, self.rng
        names = {}
        for server, (matched, unmatched) in SERVERS.items():
            names[server] = {
                YES: labels_of(f"{server}.m.host.example."),
                SWING: labels_of(f"{server}.sm.host.example."),
                NO: labels_of(f"{server}.host.example.")}
            for kind, labels in names[server].items():
                self._server_address(labels, matched if kind != NO
                                     else unmatched)
        self._server_address(labels_of("a.ns.example."),
                             SERVERS[PARENTS][1])
        self._server_address(labels_of("b.ns.example."),
                             SERVERS[PARENTS][0])
        for zone in universe.zones.values():
            if zone.server is None:
                servers = ["nowhere.open.example.", "nowhere.all.example."]
            elif len(zone.origin) < 2:
                servers = ["a.ns.example.", "b.ns.example."]
            else:
                kinds = rng.sample([YES, SWING, NO], rng.randint(1, 3))
                if zone.origin == labels_of("host.example."):
                    kinds = [YES, SWING, NO]
                servers = [text_of(names[zone.server][k]) for k in kinds]
                if rng.random() < 0.7:          # and one of its own
                    own = (rng.choice([b"ns", b"ns1"]),) + zone.origin
                    self._server_address(own, rng.choice(
                        SERVERS[zone.server]))
                    servers.append(text_of(own))
            if not zone.lame:
                zone.node(zone.origin).put("NS", (300, *servers))
            self._delegate(zone, servers)

    def _server_address(self, labels, text):
        """Also in IPv6, where the server listens too."""
        six = f"2001:db8:c25:{text.split('.')[1]}::{text.split('.')[3]}"
        ttl = self.rng.choice([2, 30, 300])
        node = self.universe.zone_of(labels).node(labels)
        node.put("A", (ttl, self.real(text)))
        node.put("AAAA", (ttl, self.real(six)))

    def _delegate(self, zone, servers):
        """Into the parent: NS, and glue for names within the zone."""
        if not zone.origin:
            return
        parent = self.universe.zone_of(zone.origin[1:])
        if parent is None or parent is zone:
            return
        parent.node(zone.origin).put("NS", (300, *servers))
        for server in servers:
            labels = labels_of(server)
            home = self.universe.zone_of(labels)
            if home is zone and not zone.lame:
                for kind, rrset in zone.nodes[labels].rrsets.items():
                    parent.node(labels).rrsets[kind] = rrset

    def _hosts(self, area):
        for _ in range(self.rng.randint(6, 9)):
            node = area.zone.node(self.owner(area))
            which = self.rng.random()
            if which < 0.85:
                self.addresses(node, area, "A")
            if which > 0.3:
                self.addresses(node, area, "AAAA")
            self._extras(node, area)
        # Many addresses: truncated over UDP.
        for kind, count in (("A", 40), ("AAAA", 60)):
            if self.rng.random() < 0.4:
                node = area.zone.node(self.owner(area))
                self.addresses(node, area, kind, count, 0.02)

    def _extras(self, node, area):
        rng = self.rng
        for kind, chance, rdata in [
                ("TXT", 0.4, '"words" "more words"'),
                ("CAA", 0.1, '0 issue "ca.example"'),
                ("SSHFP", 0.1, "4 2 " + "ab" * 32),
                ("TLSA", 0.1, "3 1 1 " + "cd" * 32),
                ("LOC", 0.05, "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m "
                 "10000m 10m"),
                ("HINFO", 0.05, '"machine" "system"'),
                ("NAPTR", 0.1, '100 10 "u" "E2U+sip" "!^.*$!sip:a@b!" .'),
                ("TYPE65280", 0.1, "\\# 5 0102030405"),
                ("TXT", 0.03, " ".join('"' + "x" * 200 + '"'
                                       for _ in range(9)))]:
            if rng.random() < chance:
                node.put(kind, (self.ttl(), rdata))

    def somebody(self, *kinds):
        """The text of a name that exists, of an area of these kinds."""
        areas = [a for a in (self.areas_of(*kinds) if kinds else self.areas)
                 if a.owners]
        return text_of(self.rng.choice(self.rng.choice(areas).owners))

    def _services(self, area):
        """HTTPS and SVCB with all that can be in them."""
        rng = self.rng
        for kind in ("HTTPS", "HTTPS", "SVCB"):
            labels = self.owner(area)
            node = area.zone.node(labels)
            if rng.random() < 0.7:
                self.addresses(node, area, "A", 1)
            if rng.random() < 0.6:
                self.addresses(node, area, "AAAA", 1)
            rdatas = [self._service(area, labels, 1 + i) for i in
                      range(rng.choice([1, 1, 2, 3]))]
            if rng.random() < 0.25:
                rdatas = [f"0 {self.somebody()}"]
            other = [self._service(area, labels, 1)]
            node.put(kind, (self.ttl(), *rdatas), (self.ttl(), *rng.choice(
                [rdatas, other])))

    def _service(self, area, labels, priority):
        rng = self.rng
        target = rng.choice([".", ".", text_of(labels), self.somebody()])
        params = []
        keys = []
        if rng.random() < 0.7:
            params.append("alpn=h2,h3")
            keys.append("alpn")
        if rng.random() < 0.3:
            params.append("port=8443")
            keys.append("port")
        if rng.random() < 0.8:
            params.append("ipv4hint=" + ",".join(
                self.address("A", area) for _ in range(rng.randint(1, 3))))
            keys.append("ipv4hint")
        if rng.random() < 0.6:
            params.append("ipv6hint=" + ",".join(
                self.address("AAAA", area) for _ in range(rng.randint(1, 2))))
            keys.append("ipv6hint")
        if rng.random() < 0.2:
            params.append("key65333=something")
        if keys and rng.random() < 0.3:
            params.insert(0, "mandatory=" + ",".join(
                rng.sample(keys, rng.randint(1, len(keys)))))
        return f"{priority} {target} {' '.join(params)}".strip()

    def _referers(self, area):
        """Records that name others, whose addresses come along."""
        rng = self.rng
        for _ in range(rng.randint(2, 4)):
            node = area.zone.node(self.owner(area))
            for kind, rdata in [
                    ("MX", f"10 {self.somebody(*MATCHED)}"),
                    ("SRV", f"1 2 443 {self.somebody(*MATCHED)}"),
                    ("MX", f"20 {self.somebody()}"),
                    ("SRV", f"1 2 443 {self.somebody()}"),
                    ("PTR", self.somebody()), ("KX", f"1 {self.somebody()}"),
                    ("AFSDB", f"1 {self.somebody()}"),
                    ("RP", f"{self.somebody()} {self.somebody()}")]:
                if rng.random() < 0.4:
                    node.put(kind, (self.ttl(), rdata),
                             (self.ttl(), rdata))
            if rng.random() < 0.3:
                self.addresses(node, area, "A")
            if not node.rrsets:
                node.put("TXT", (self.ttl(), '"alone"'))

    # ---- chains ----

    def _chains(self):
        for number in range(14 * 9):
            areas = self.areas if number % 3 else \
                self.areas_of(*self.rng.choice(
                    [(NO,), MATCHED, (NO, YES), (SWING, SWING_EXACT, YES)]))
            self._chain(number % 9, areas)

    def _chain(self, length, areas):
        """`length` CNAMEs, then something."""
        rng = self.rng
        path = [rng.choice(areas) for _ in range(length)]
        labels = [self.owner(area) for area in path]
        end = self._end(rng.choice(areas), labels)
        for i, (area, owner) in enumerate(zip(path, labels)):
            follower = text_of(labels[i + 1]) if i + 1 < length else end
            node = area.zone.node(owner)
            ttl = self.ttl()
            if rng.random() < 0.15:
                # Now and then it leads somewhere else.
                node.put("CNAME", (ttl, follower), (ttl, self.somebody()))
            elif rng.random() < 0.1:
                # Or is no CNAME any more.
                node.put("CNAME", (ttl, follower), None)
                node.put("A", None, (ttl, self.address("A", area)))
                node.rrsets["A"][2] = None
                node.rrsets["CNAME"][2] = (ttl, (follower,))
            else:
                node.put("CNAME", (ttl, follower))

    def _end(self, area, labels):
        """Where a chain ends: the text of a name."""
        rng = self.rng
        draw = rng.random()
        if draw < 0.55 or not labels and draw < 0.9:
            node_labels = self.owner(area)
            node = area.zone.node(node_labels)
            self.addresses(node, area, "A")
            if rng.random() < 0.6:
                self.addresses(node, area, "AAAA")
            if rng.random() < 0.3:
                node.put("HTTPS", (self.ttl(),
                                   self._service(area, node_labels, 1)))
            return text_of(node_labels)
        if draw < 0.7:
            return self.somebody()
        if draw < 0.8:                  # nothing of that name
            return text_of((b"nowhere",) + area.suffix)
        if draw < 0.9:                  # nothing of that type
            node_labels = self.owner(area)
            area.zone.node(node_labels).put("TXT", (self.ttl(), '"text"'))
            return text_of(node_labels)
        if draw < 0.95 and labels:      # a loop
            return text_of(rng.choice(labels))
        return rng.choice(["gone.lame.open.example.",
                           "gone.lame.all.example.",
                           "no.such.tld.", "open.example.", "all.example."])

    # ---- other shapes ----

    def _shapes(self):
        rng = self.rng
        for area in self.areas:
            if rng.random() < 0.6:
                self._wildcard(area)
            if rng.random() < 0.4:
                self._dname(area)
            if rng.random() < 0.4:
                self._long(area)
            if area.zone.signed:
                self._bogus(area)
        for origin in ("mix.example.", "all.example.", "open.example.",
                       "sall.example."):
            zone = self.universe.zones[labels_of(origin)]
            area = next(a for a in self.areas if a.zone is zone)
            node = zone.node(zone.origin)
            self.addresses(node, area, "A", 2)
            node.put("MX", (30, f"10 {self.somebody(*MATCHED)}"))
        literal = labels_of("*.lit.mix.example.")
        area = next(a for a in self.areas if a.kind == EXACT)
        self.addresses(area.zone.node(literal), area, "A")

    def _wildcard(self, area):
        rng = self.rng
        exact = area.kind in (EXACT, SWING_EXACT)
        base = self.owner(area)
        labels = (b"*",) + base
        node = area.zone.node(labels)
        if rng.random() < 0.3:
            node.put("CNAME", (self.ttl(), self.somebody()))
        else:
            self.addresses(node, area, "A", 1)
            self.addresses(node, area, "AAAA", 1)
            node.put("MX", (self.ttl(), f"5 {self.somebody(*MATCHED)}"))
            node.put("HTTPS", (self.ttl(), self._service(area, labels, 1)
                               .replace(text_of(labels), ".")))
        for _ in range(4):
            odd = rng.choice(["", ODD])
            below = (self._label(odd),) + base
            if rng.random() < 0.3:
                below = (self._label(odd),) + below
            if is_name(below):
                self.probes.append(below)
                if exact and not odd and rng.random() < 0.7:
                    (self.exact if area.kind == EXACT
                     else self.swing_exact).append(below)

    def _dname(self, area):
        """A DNAME to another area; names below it that exist there."""
        rng = self.rng
        other = rng.choice([a for a in self.areas if a.owners])
        labels = self.owner(area)
        area.zone.node(labels).put("DNAME", (self.ttl(),
                                             text_of(other.suffix)))
        for owner in rng.sample(other.owners, min(4, len(other.owners))):
            below = owner[:len(owner) - len(other.suffix)] + labels
            if is_name(below):
                self.probes.append(below)

    def _long(self, area):
        """A name of 255 bytes."""
        labels = area.suffix
        # nsd hashes a wildcard below each name, and dies if there is none.
        size = 250 if area.zone.signed == "nsec3" else 253
        while sum(len(part) + 1 for part in labels) < size:
            room = size - sum(len(part) + 1 for part in labels)
            labels = (b"l" * min(63, room),) + labels
        if is_name(labels):
            self.addresses(area.zone.node(labels), area, "A", 2)
            area.owners.append(labels)
            if area.kind == EXACT:
                self.exact.append(labels)
            elif area.kind == SWING_EXACT:
                self.swing_exact.append(labels)

    def _bogus(self, area):
        """Records whose signatures are of others."""
        node = area.zone.node(self.owner(area))
        node.put("A", (self.ttl(), self.address("A", area)))
        node.bogus = True

    def _reverse(self):
        """What would slip out if a question for the pools went upstream."""
        for name in ("64.100.in-addr.arpa.", "d.f.ip6.arpa."):
            zone = self.universe.zones[labels_of(name)]
            zone.node((b"*",) + zone.origin).put(
                "PTR", (300, "leaked.open.example."))

    def _probe_all(self):
        """Names around those that exist."""
        rng = self.rng
        for area in self.areas:
            self.probes += [(self._label(ODD),) + area.suffix
                            for _ in range(3)]
            self.probes.append(area.suffix)
            self.probes += [(self._label(ODD),) + rng.choice(area.owners)
                            for _ in range(3)]
            self.probes += [rng.choice(area.owners)[1:] for _ in range(2)]
        for zone in self.universe.zones.values():
            self.probes.append(zone.origin)
            self.probes.append((b"gone",) + zone.origin)
            self.probes.append((b"*",) + zone.origin)
        self.probes = [p for p in dict.fromkeys(self.probes) if is_name(p)]
