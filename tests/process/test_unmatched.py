# SPDX-License-Identifier: BSD-3-Clause
"""Names that the policy does not match are answered byte for byte as by the
same Unbound without the module, ids and the age of TTLs aside."""

import dns.flags
import dns.message
import dns.opcode
import dns.rdataclass
import pytest

from harness.ask import (exchange, query, same_but_for_countdown,
                         without_ttls)
from harness.wait import scaled, wait_for

NAMES = [
    "plain.example", "host.plain.example", "HOST.Plain.Example",
    "mail.plain.example", "alias.plain.example", "alias2.plain.example",
    "out.plain.example", "loose.plain.example", "nowhere.plain.example",
    "any.wild.plain.example", "a.b.wild.plain.example",
    "host.old.plain.example", "no.old.plain.example", "big.plain.example",
    "_sip._tcp.plain.example", "wiki.plain.example",
    "xn--bcher-kva.plain.example", "\\000.odd.plain.example",
    "nought.plain.example", "magic.plain.example", "corp.example",
    "notwiki.corp.example", "xwiki.corp.example", "added.corp.example",
    "bulk.example.example", "host.signed.example", "alias.signed.example",
    "nothing.signed.example", "bogus.signed.example", "signed.example",
    "7.8.6.5.in-addr.arpa", "9.8.6.5.in-addr.arpa", "1.0.0.127.in-addr.arpa",
    "1.65.100.in-addr.arpa", "localhost", "example", ".", "nothing.test",
]
TYPES = ["A", "AAAA", "MX", "TXT", "SRV", "CAA", "NS", "SOA", "CNAME", "PTR",
         "ANY", "HTTPS", "SVCB", "DS", "DNSKEY", "NAPTR", "TLSA", "DNAME",
         "TYPE65280"]
VARIANTS = {
    "no-edns": {"edns": False},
    "edns": {},
    "do": {"do": True},
    "cd": {"cd": True, "do": True},
    "ad": {"ad": True, "edns": False},
}


@pytest.fixture(scope="module", params=["yes", "no"],
                ids=["minimal-responses", "full-responses"])
def pair(nsd, request):
    """The same Unbound with the module and without."""
    from harness.world import World
    extra = f"minimal-responses: {request.param}"
    world = World(nsd, "pair", unbound={"extra": extra})
    try:
        stock = world.make_unbound(name="stock", module="validator iterator",
                                   extra=extra)
        stock.start()
        yield world, world.unbound, stock
    finally:
        found = world.close()
    assert not found, "\n".join(found)


def both(pair, wire, tcp):
    _, ours, stock = pair
    # Not at once: each answer must not see the other's queries.
    return exchange(ours.address, wire, tcp), exchange(stock.address, wire,
                                                       tcp)


def end_between(mine, theirs):
    """May a TTL have ended between the two questions? Nothing else is
    another."""
    (bytes_mine, ttls_mine), (bytes_theirs, ttls_theirs) = \
        without_ttls(mine), without_ttls(theirs)
    return bytes_mine == bytes_theirs \
        and min(ttls_mine + ttls_theirs, default=60) <= scaled(3)


def check_same(pair, wire, tcp, what):
    mine, theirs = both(pair, wire, tcp)
    if not same_but_for_countdown(mine, theirs) and end_between(mine, theirs):
        wait_for(lambda: same_but_for_countdown(*both(pair, wire, tcp)),
                 f"the TTLs of {what} to be fetched anew")
        return
    assert same_but_for_countdown(mine, theirs), \
        f"{what}\n---- with the module\n{_text(mine)}\n---- without\n" \
        f"{_text(theirs)}"


def _text(wire):
    try:
        return dns.message.from_wire(wire).to_text()
    except Exception:
        return wire.hex()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_byte_for_byte_as_without_the_module(pair, variant, tcp):
    for unbound in pair[1:]:
        unbound.control("flush_zone", ".")
        unbound.control("flush_infra", "all")
    for state in ("cold", "cached", "cached twice"):
        for name in NAMES:
            for rdtype in TYPES:
                wire = query(name, rdtype, **VARIANTS[variant]).to_wire()
                check_same(pair, wire, tcp, f"{name} {rdtype} {state}")


def test_other_classes_and_opcodes_byte_for_byte(pair):
    wires = []
    for name in ("version.bind", "id.server", "host.plain.example",
                 "wiki.corp.example"):
        for rdclass in ("CH", "HS", "ANY", "NONE", "CLASS65280"):
            if name.startswith("wiki") and rdclass == "ANY":
                continue        # that is a matched name, and refused
            for rdtype in ("TXT", "A"):
                wires.append(dns.message.make_query(
                    name, rdtype, dns.rdataclass.from_text(rdclass)))
    for opcode in (dns.opcode.NOTIFY, dns.opcode.STATUS, dns.opcode.IQUERY):
        message = query("host.plain.example", "A")
        message.set_opcode(opcode)
        wires.append(message)
    response = query("host.plain.example", "A")
    response.flags &= ~dns.flags.RD
    wires.append(response)
    for message in wires:
        for tcp in (False, True):
            check_same(pair, message.to_wire(), tcp, str(message))


def test_unmatched_names_take_no_addresses(pair):
    world = pair[0]
    world.magic("wiki.corp.example")    # or its lease may have ended
    assert {a.domain for a in world.client.assignments()} \
        == {"wiki.corp.example"}
