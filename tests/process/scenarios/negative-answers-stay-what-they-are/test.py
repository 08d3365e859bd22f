# SPDX-License-Identifier: BSD-3-Clause
"""NXDOMAIN, NODATA and SERVFAIL from upstream stay what they are, with their
SOA, and are cached; a CNAME before the end is not shown for addresses
(DESIGN 4.3)."""

import dns.rcode
import pytest

from harness.ask import ask, records

DOMAIN = "negative.example"


@pytest.fixture(scope="module")
def world(scenario_for_all):
    world = scenario_for_all(f"*.m.{DOMAIN}")
    world.tap.failing.add(f"failing.m.{DOMAIN}")
    return world


@pytest.fixture(scope="module")
def pair(scenario_for_all):
    """A world, and an Unbound of it without the module. Minimised names
    would be asked for now more, now less often."""
    extra = "qname-minimisation: no"
    world = scenario_for_all(f"*.m.{DOMAIN}", unbound={"extra": extra})
    return world, world.make_unbound(
        name="stock", module="validator iterator", extra=extra).start()


ROWS = [
    ("missing.m", "A", "NXDOMAIN"), ("missing.m", "AAAA", "NXDOMAIN"),
    ("missing.m", "MX", "NXDOMAIN"), ("missing.m", "HTTPS", "NXDOMAIN"),
    ("below.host.m", "A", "NXDOMAIN"),
    ("v4.m", "AAAA", "NOERROR"), ("v6.m", "A", "NOERROR"),
    ("text.m", "A", "NOERROR"), ("v4.m", "HTTPS", "NOERROR"),
    ("v4.m", "MX", "NOERROR"), ("empty.m", "A", "NOERROR"),
    ("x.wild.m", "AAAA", "NOERROR"),
]


@pytest.mark.parametrize("name, kind, rcode", ROWS)
@pytest.mark.parametrize("options", [{}, {"edns": False}, {"do": True},
                                     {"cd": True}],
                         ids=["plain", "no-edns", "do", "cd"])
def test(world, name, kind, rcode, options):
    world.unbound.control("flush_zone", DOMAIN)
    for tcp in False, True, False:
        answer = world.ask_safely(f"{name}.{DOMAIN}", kind, tcp=tcp,
                                  **options)
        assert dns.rcode.to_text(answer.rcode()) == rcode
        assert not answer.answer
        assert [k for _, k, _, _ in records(
            answer, section=answer.authority)] == ["SOA"], answer


@pytest.mark.parametrize("name, kind, rcode", [
    ("loose.m", "A", "NXDOMAIN"), ("loose.m", "AAAA", "NXDOMAIN"),
    ("farloose.m", "A", "NXDOMAIN"), ("tonodata.m", "A", "NOERROR"),
    ("tonodata.m", "HTTPS", "NOERROR"), ("farnodata.m", "A", "NOERROR"),
])
@pytest.mark.parametrize("options", [{}, {"do": True}, {"cd": True}],
                         ids=["plain", "do", "cd"])
def test_at_the_end_of_a_chain(world, name, kind, rcode, options):
    world.unbound.control("flush_zone", ".")
    for tcp in False, True, False:
        answer = world.ask_safely(f"{name}.{DOMAIN}", kind, tcp=tcp,
                                  **options)
        assert dns.rcode.to_text(answer.rcode()) == rcode
        assert not answer.answer, "a CNAME that a client would follow"


@pytest.mark.parametrize("name, kind, rcode", ROWS)
def test_upstream_is_asked_no_more_than_without_us(pair, name, kind, rcode):
    world, stock = pair
    seen = []
    for unbound in world.unbound, stock:
        unbound.control("flush_zone", DOMAIN)
        world.tap.clear()
        for number in range(4):
            ask(unbound.address, f"{name}.{DOMAIN}", kind,
                tcp=number % 2 == 1)
        seen.append(world.tap.queries())
    assert seen[0] == seen[1]


@pytest.mark.parametrize("kind", ["A", "AAAA", "MX", "HTTPS"])
@pytest.mark.parametrize("options", [{}, {"do": True}, {"cd": True}],
                         ids=["plain", "do", "cd"])
def test_servfail(world, kind, options):
    for tcp in False, True, False:
        answer = world.ask_safely(f"failing.m.{DOMAIN}", kind, tcp=tcp,
                                  **options)
        assert answer.rcode() == dns.rcode.SERVFAIL
        assert not answer.answer
    assert world.client.stat("total.num.servfail") == 0, "not our failure"


def test_servfail_is_remembered_and_then_forgotten(world):
    """As any failure, it costs upstream little and ends with its cause."""
    name = f"recovers.m.{DOMAIN}"
    world.tap.failing.add(name)
    for _ in range(3):
        answer = world.ask_safely(name)
        assert answer.rcode() == dns.rcode.SERVFAIL
    world.tap.clear()
    world.ask_safely(name)
    assert not world.tap.queries()
    world.tap.failing.remove(name)
    world.unbound.control("flush_zone", DOMAIN)
    world.magic(name)
