# SPDX-License-Identifier: BSD-3-Clause
"""Whatever type is asked for, with whatever bits, after whatever other type:
no section of the answer for a matched name has a destination (DESIGN 4.1)."""

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from harness.ask import addresses, exchange, query

DOMAINS = ["every.example", "signed-every.example"]
NAMES = ["host", "alias", "far", "web", "mx", "srv", "ns", "missing", ""]
KINDS = ["A", "AAAA", "NS", "SOA", "CNAME", "PTR", "MX", "TXT", "SRV", "HTTPS",
         "SVCB", "ANY", "DS", "DNSKEY", "NSEC", "NSEC3", "RRSIG", "NAPTR",
         "DNAME", "HINFO", "CAA", "TLSA", "A6", "APL", "IPSECKEY", "KX", "RT",
         "AFSDB", "SPF", "TYPE0", "TYPE65280", "TYPE65535"]
META = ["AXFR", "IXFR", "OPT", "TSIG", "TKEY", "MAILA", "MAILB", "TYPE128",
        "TYPE248"]
VARIANTS = {"plain": {}, "no-edns": {"edns": False}, "do": {"do": True},
            "cd": {"cd": True}, "do-cd": {"do": True, "cd": True}}


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(*("*." + d for d in DOMAINS), unbound={
        "extra": "minimal-responses: no"})


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", VARIANTS)
def test(world, domain, name, variant):
    qname = f"{name}.{domain}".lstrip(".")
    for kind in KINDS:
        for tcp in False, True, False:
            world.ask_safely(qname, kind, tcp=tcp, **VARIANTS[variant])


@pytest.mark.parametrize("kind", META)
def test_meta_types(world, kind):
    """Unbound sends no more than a hundred FORMERR a second: few names."""
    number = dns.rdatatype.from_text(kind).to_bytes(2, "big")
    for name in "host", "alias":
        qname = f"{name}.{DOMAINS[0]}"
        world.ask_safely(qname, "A")
        wire = query(qname, "TXT").to_wire()
        wire = wire.replace(b"\0\x10\0\1", number + b"\0\1", 1)
        for tcp in False, True:
            answer = dns.message.from_wire(exchange(world.address, wire,
                                                    tcp))
            assert answer.rcode() in (dns.rcode.FORMERR, dns.rcode.REFUSED)
            assert not answer.answer


@pytest.mark.parametrize("kind", ["A", "AAAA", "MX", "NS", "HTTPS", "ANY"])
def test_without_recursion_nothing_is_told(world, kind):
    """RD clear would look into the cache; "allow" does not allow it."""
    for name in NAMES:
        qname = f"{name}.{DOMAINS[0]}".lstrip(".")
        world.ask_safely(qname, kind)
        message = query(qname, kind)
        message.flags &= ~dns.flags.RD
        answer = dns.message.from_wire(exchange(world.address,
                                                message.to_wire()))
        assert answer.rcode() == dns.rcode.REFUSED
        assert not answer.answer and not answer.authority \
            and not answer.additional


def test_allow_setrd_gets_magic_ips(scenario):
    """access-control: allow_setrd takes RD for granted."""
    world = scenario("*.every.example", unbound={
        "extra": "access-control: 127.0.0.1/32 allow_setrd"})
    message = query("host.every.example", "A")
    message.flags &= ~dns.flags.RD
    for tcp in False, True, False:
        answer = dns.message.from_wire(exchange(
            world.address, message.to_wire(), tcp))
        assert sorted(addresses(answer)) == world.magic("host.every.example")
