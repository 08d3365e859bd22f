# SPDX-License-Identifier: BSD-3-Clause
"""Every address of a matched name becomes its magic IP, whatever bits and
options the query has: the queried name owns it, no other section has anything,
AD is clear, there is no RRSIG, and who speaks EDNS is told that the answer is
forged (DESIGN 4.3, RFC 8914 4.5)."""

import dns.flags
import pytest

from harness import check

VARIANTS = {
    "edns": {},
    "no-edns": {"edns": False},
    "do": {"do": True},
    "cd": {"cd": True},
    "ad": {"ad": True},
    "do-cd-ad": {"do": True, "cd": True, "ad": True},
}


@pytest.fixture(scope="module")
def world(scenario_for_all):
    # What could be in other sections would be there.
    return scenario_for_all("*.addresses.example", unbound={
        "extra": "minimal-responses: no"})


@pytest.mark.parametrize("name, rdtype, count", [
    ("one", "A", 1), ("one", "AAAA", 1), ("three", "A", 3),
    ("three", "AAAA", 2), ("many", "A", 18), ("a.b.c.deep", "A", 1),
    ("", "A", 1), ("x.wild", "A", 1),
])
@pytest.mark.parametrize("variant", VARIANTS)
def test(world, name, rdtype, count, variant):
    qname = f"{name}.addresses.example".lstrip(".")
    world.unbound.control("flush_zone", "addresses.example")
    for tcp in False, True, False:      # from upstream, then cached
        answer = world.ask_safely(qname, rdtype, tcp=tcp,
                                  **VARIANTS[variant])
        check.rewritten(answer, qname, rdtype, count)


def test_header_bits_of_the_query_are_kept(world):
    for cd in False, True:
        answer = world.ask_safely("one.addresses.example", cd=cd)
        assert answer.flags & dns.flags.RD
        assert bool(answer.flags & dns.flags.CD) == cd


def test_same_destination_keeps_its_magic_ip(world):
    first = world.magic("three.addresses.example")
    for _ in range(3):
        world.unbound.control("flush_zone", "addresses.example")
        assert world.magic("three.addresses.example") == first


def test_two_names_of_one_destination_have_two_magic_ips(world):
    one = world.magic("one.addresses.example")
    twin = world.magic("twin.addresses.example")
    assert not set(one) & set(twin)
