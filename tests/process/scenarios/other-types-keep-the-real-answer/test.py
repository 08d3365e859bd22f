# SPDX-License-Identifier: BSD-3-Clause
"""Types that carry no address have the real answer section, as an Unbound
without the module gives it, signed if it is signed; and no additional section,
where their targets' addresses would be (DESIGN 4.3)."""

import dns.flags
import dns.message
import dns.rcode
import pytest

from harness.ask import ask, contains_any, exchange, query, records

PLAIN, SIGNED = "other.example", "signed-other.example"
DESTINATIONS = ["10.20.0.1", "10.20.0.2", "10.20.0.3", "10.20.0.4",
                "2001:db8:1:20::1", "2001:db8:1:20::2"]
VARIANTS = {"plain": {}, "no-edns": {"edns": False}, "do": {"do": True},
            "ad": {"ad": True}, "cd": {"do": True, "cd": True}}


@pytest.fixture(scope="module", params=["yes", "no"],
                ids=["minimal-responses", "full-responses"])
def pair(scenario_for_all, request):
    """A world, and an Unbound of it without the module."""
    extra = f"minimal-responses: {request.param}"
    world = scenario_for_all(f"*.{PLAIN}", f"*.{SIGNED}",
                             unbound={"extra": extra})
    stock = world.make_unbound(name="stock", module="validator iterator",
                               extra=extra)
    stock.start()
    for unbound in world.unbound, stock:
        for name in "mail", "sip", "ns":    # for additional sections
            for kind in "A", "AAAA":
                for origin in PLAIN, SIGNED:
                    ask(unbound.address, f"{name}.{origin}", kind)
    if request.param == "no":
        assert ask(stock.address, f"full.{PLAIN}", "MX").additional, \
            "there is nothing to leave out"
    return world, stock


@pytest.mark.parametrize("origin", [PLAIN, SIGNED])
@pytest.mark.parametrize("name, kind", [
    ("full", kind) for kind in
    ("MX", "TXT", "CAA", "SRV", "NAPTR", "TLSA", "SSHFP", "LOC", "HINFO",
     "PTR", "TYPE65280")] + [("", "NS"), ("", "SOA"), ("alias", "MX"),
                             ("alias", "CNAME")])
@pytest.mark.parametrize("variant", VARIANTS)
def test(pair, origin, name, kind, variant):
    world, stock = pair
    qname = f"{name}.{origin}".lstrip(".")
    options = VARIANTS[variant]
    theirs = ask(stock.address, qname, kind, **options)
    assert theirs.answer, "the scenario lacks the record"
    for tcp in False, True, False:
        wire = exchange(world.address, query(qname, kind,
                                             **options).to_wire(), tcp)
        mine = dns.message.from_wire(wire)
        assert mine.rcode() == dns.rcode.NOERROR
        assert [(o, k, t) for o, k, _, t in records(mine)] \
            == [(o, k, t) for o, k, _, t in records(theirs)]
        assert not mine.additional
        assert not contains_any(wire, DESTINATIONS)
        assert mine.flags == theirs.flags
        if origin == SIGNED and variant == "do":
            assert mine.flags & dns.flags.AD and records(mine, "RRSIG")
