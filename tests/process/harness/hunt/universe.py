# SPDX-License-Identifier: BSD-3-Clause
"""The zones of a seed, in several versions each, and what a resolver may find
in them: whatever the mixture of versions that its cache has at the moment.

What is in the zones is decided in sketch.py; here it is kept, written out,
signed, and looked up.
"""

import glob
import ipaddress
import os
import subprocess

from .names import labels_of, text_of

VERSIONS = 3

# Recognisable at sight: every address in the zones is from these.
REAL_V4 = ipaddress.ip_network("10.128.0.0/10")
REAL_V6 = ipaddress.ip_network("2001:db8:c25::/48")
# Of these, which the policy excludes.
EXCLUDED = ("10.159.0.0/24", "2001:db8:c25:eeee::/64")

MAX_CHAIN = 8           # CNAMEs that every resolver follows
LONGEST = 40            # that none does; servers follow some by themselves

MAX_TTL = 0x7fffffff
DNS64 = bytes.fromhex("0064ff9b") + bytes(8)


class Node:
    """What one owner name has: {type: [(ttl, rdatas) or None per version]}.
    rdatas are texts."""

    def __init__(self):
        self.rrsets = {}
        self.bogus = False      # its signatures are not good

    def put(self, kind, *versions):
        """versions are (ttl, rdata, ...); fewer than VERSIONS repeat."""
        self.rrsets[kind] = [
            None if (v := versions[i % len(versions)]) is None
            else (v[0], tuple(v[1:])) for i in range(VERSIONS)]

    def texts(self, kind):
        """The data of all versions; () where there are none."""
        return [() if v is None else v[1] for v in self.rrsets[kind]]


class Zone:
    def __init__(self, origin, server, signed=None, negative_ttl=60):
        self.origin = origin            # labels
        self.server = server            # which of our servers has it
        self.signed = signed            # None, "nsec" or "nsec3"
        self.negative_ttl = negative_ttl
        self.nodes = {}                 # labels -> Node
        self.parents = set()            # of them, empty non-terminals too
        self.lame = False               # nobody answers for it
        self.versions = []              # finished texts
        self.anchor = None
        self.ds = None

    @property
    def name(self):
        return text_of(self.origin)

    def node(self, labels):
        assert labels[len(labels) - len(self.origin):] == self.origin
        node = self.nodes.setdefault(labels, Node())
        for i in range(len(labels) - len(self.origin) + 1):
            self.parents.add(labels[i:])
        return node

    def is_before_wildcard(self, labels):
        """Is it made from a wildcard that sorts behind it? With
        aggressive-nsec Unbound says that there are no data, as the NSEC that
        denies the name itself ends at the wildcard."""
        for i in range(len(labels) - len(self.origin) + 1):
            if labels[i:] in self.parents:
                return i > 0 and labels[i - 1] < b"*"
        return False

    def text(self, version):
        lines = [f"$ORIGIN {self.name}",
                 f"{self.name} 300 IN SOA ns.host.example. "
                 f"hostmaster.host.example. {version + 1} 3600 600 86400 "
                 f"{self.negative_ttl}"]
        for labels, node in self.nodes.items():
            owner = text_of(labels)
            for kind, versions in node.rrsets.items():
                if versions[version] is not None:
                    ttl, rdatas = versions[version]
                    lines += [f"{owner} {ttl} IN {kind} {r}" for r in rdatas]
        return "\n".join(lines) + "\n"


def _keygen(directory, origin):
    return subprocess.run(
        ["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", origin],
        cwd=directory, check=True, text=True,
        capture_output=True).stdout.strip()


def _sign(directory, zone, key, text):
    with open(os.path.join(directory, "unsigned"), "w",
              encoding="ascii") as file:
        file.write(text)
    subprocess.run(
        ["ldns-signzone", *(["-n"] if zone.signed == "nsec3" else []),
         "-o", zone.name, "-f", "signed", "unsigned", key],
        cwd=directory, check=True, capture_output=True)
    with open(os.path.join(directory, "signed"), encoding="ascii") as file:
        signed = file.read()
    # After signing, so that it is not what was signed.
    for node in zone.nodes.values():
        if node.bogus:
            for kind in node.rrsets:
                for rdatas in node.texts(kind):
                    for rdata in rdatas:
                        signed = signed.replace(f"\t{honest(rdata)}\n",
                                                f"\t{rdata}\n")
    return signed


def honest(rdata):
    """What was signed in place of a bogus address."""
    return str(ipaddress.ip_address(rdata) + 0x40000 if "." in rdata
               else ipaddress.ip_address(rdata) + (1 << 64))


class Universe:
    def __init__(self):
        self.zones = {}                 # labels -> Zone
        self.addresses = set()          # packed, of all A and AAAA and hints
        self.dns64 = False
        self._found = {}
        self._sets = {}

    def add(self, zone):
        self.zones[zone.origin] = zone
        return zone

    def zone_of(self, labels):
        for i in range(len(labels) + 1):
            zone = self.zones.get(labels[i:])
            if zone is not None:
                return zone
        return None

    # ---- writing it out ----

    def finish(self, directory):
        """Renders and signs all versions, children before their parents."""
        for origin in sorted(self.zones, key=len, reverse=True):
            zone = self.zones[origin]
            if zone.lame:
                continue
            if zone.signed is None:
                zone.versions = [zone.text(v) for v in range(VERSIONS)]
            else:
                self._finish_signed(os.path.join(directory, zone.name), zone)

    def _finish_signed(self, directory, zone):
        os.makedirs(directory)
        key = _keygen(directory, zone.name)
        bogus = [(node, dict(node.rrsets)) for node in zone.nodes.values()
                 if node.bogus]
        for node, rrsets in bogus:      # sign others in their place
            for kind, versions in rrsets.items():
                node.rrsets[kind] = [
                    (ttl, tuple(honest(r) for r in rdatas))
                    for ttl, rdatas in versions]
        texts = [zone.text(v) for v in range(VERSIONS)]
        for node, rrsets in bogus:
            node.rrsets.update(rrsets)
        zone.versions = [_sign(directory, zone, key, text) for text in texts]
        with open(glob.glob(os.path.join(directory, key + ".key"))[0],
                  encoding="ascii") as file:
            zone.anchor = file.read().split(";")[0].strip()
        with open(os.path.join(directory, key + ".ds"),
                  encoding="ascii") as file:
            zone.ds = file.read().split(";")[0].split("DS", 1)[1].strip()
        parent = self.zone_of(zone.origin[1:])
        if parent.signed:
            parent.node(zone.origin).put("DS", (300, zone.ds))

    def bogus(self):
        """All addresses whose signatures are of others."""
        return {ipaddress.ip_address(text).packed
                for zone in self.zones.values()
                for node in zone.nodes.values() if node.bogus
                for kind in node.rrsets
                for texts in node.texts(kind) for text in texts}

    # ---- looking up ----

    def find(self, labels, remember=True):
        """(Node or None, [(target, TTL) made from a DNAME]) of a name, by
        RFC 1034 4.3.2; a Node without RRsets is an empty non-terminal.
        remember: only once the zones are complete."""
        found = self._found.get(labels)
        if found is None:
            found = self._find(labels)
            if remember:
                self._found[labels] = found
        return found

    def _find(self, labels):
        zone = self.zone_of(labels)
        if zone is None:
            return None, []
        if labels in zone.nodes:
            return zone.nodes[labels], []
        depth = len(labels) - len(zone.origin)
        for i in range(1, depth + 1):
            above = zone.nodes.get(labels[i:])
            if above is not None and "DNAME" in above.rrsets:
                return None, [(labels[:i] + labels_of(rdatas[0]), ttl)
                              for ttl, rdatas in above.rrsets["DNAME"]]
        if labels in zone.parents:
            return Node(), []
        for i in range(1, depth + 1):
            if labels[i:] in zone.parents:
                return zone.nodes.get((b"*",) + labels[i:]), []
        return None, []

    def versions(self, labels, kind):
        """The sets of packed addresses that the RRset of an owner may be."""
        key = labels, kind
        if key not in self._sets:
            found = self._versions(labels, kind)
            if self.dns64 and kind == "AAAA":
                # But not for CD; and for class ANY though there is AAAA.
                found |= {frozenset(DNS64 + a for a in four) for four in
                          self._versions(labels, "A")} | {frozenset()}
            self._sets[key] = found
        return self._sets[key]

    def _versions(self, labels, kind):
        node, _ = self.find(labels)
        if node is None or kind not in node.rrsets:
            return set()
        return {frozenset(ipaddress.ip_address(t).packed for t in texts)
                for texts in node.texts(kind)}

    def with_dns64(self, dns64):
        """Is every AAAA RRset that is not there made from A?"""
        self.dns64 = dns64
        self._sets.clear()

    def ends(self, labels, kind):
        """Where the chain of a name may lead, see End. kind is A, AAAA or
        None for others."""
        end = End()
        names, length = {labels: MAX_TTL}, 0        # with TTLs so far
        while names and length <= LONGEST:
            end.weak |= length > MAX_CHAIN          # a loop, perhaps
            following = {}
            for name, ttl in names.items():
                for target, left in self._step(name, kind, ttl, end):
                    following[target] = max(left, following.get(target, 0))
            names = following
            length += 1
        if end.weak:
            end.sets.add(frozenset())
        return end

    def _step(self, labels, kind, ttl, end):
        """Looks at one name of a chain; yields where it leads on."""
        zone = self.zone_of(labels)
        if sum(len(part) + 1 for part in labels) > 254 \
                or zone is None or zone.lame:
            end.weak = True
            return
        node, targets = self.find(labels)
        if node is None:
            end.missing |= not targets
            end.redirected |= bool(targets)
            end.sets |= set() if targets else {frozenset()}
            for target, step in targets:
                yield target, min(ttl, step)
            return
        end.weak |= node.bogus
        if zone.signed == "nsec" and zone.is_before_wildcard(labels):
            end.sets.add(frozenset())
        cnames = node.rrsets.get("CNAME", [None])
        for version in cnames:
            if version is not None:
                yield labels_of(version[1][0]), min(ttl, version[0])
        if kind is not None and None in cnames:
            end.sets |= self.versions(labels, kind) or {frozenset()}
            for source in (kind, "A") if self.dns64 else (kind,):
                for version in node.rrsets.get(source, ()):
                    if version is not None:
                        end.ttl = max(end.ttl, min(ttl, version[0]))


class End:
    """All that the versions of the zones allow for the end of a chain."""

    def __init__(self):
        self.sets = set()       # of addresses; the empty one is no data
        self.ttl = 0            # the longest that they can have
        self.weak = False       # the lookup may fail
        self.missing = False    # there may be no such name
        self.redirected = False         # a DNAME is on the way
