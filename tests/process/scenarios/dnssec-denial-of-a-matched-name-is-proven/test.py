# SPDX-License-Identifier: BSD-3-Clause
"""NXDOMAIN and NODATA of matched names in a signed zone keep SOA, NSEC and
signatures for who asks with DO, and AD, as an Unbound without the module
answers; with aggressive-nsec too, where it answers without asking (DESIGN 4.3,
RFC 8198)."""

import dns.flags
import dns.rcode
import pytest

from harness.ask import ask, records

DOMAIN = "denial.example"
ROWS = [("missing", "A"), ("missing", "AAAA"), ("missing", "MX"),
        ("below.host", "A"), ("host", "AAAA"), ("host", "HTTPS"),
        ("empty", "A"), ("x.wild", "AAAA"), ("", "A")]


@pytest.fixture(scope="module", params=["yes", "no"],
                ids=["aggressive", "not-aggressive"])
def world(scenario_for_all, request):
    extra = f"aggressive-nsec: {request.param}"
    world = scenario_for_all(f"*.{DOMAIN}", unbound={"extra": extra})
    world.stock = world.make_unbound(
        name="stock", module="validator iterator", extra=extra)
    world.stock.start()
    return world


def sections(answer):
    return [sorted((o, k, t) for o, k, _, t in records(
                answer, section=getattr(answer, name)))
            for name in ("answer", "authority", "additional")]


@pytest.mark.parametrize("name, kind", ROWS)
@pytest.mark.parametrize("options", [{}, {"do": True}, {"cd": True},
                                     {"do": True, "cd": True}],
                         ids=["plain", "do", "cd", "do-cd"])
def test(world, name, kind, options):
    qname = f"{name}.{DOMAIN}".lstrip(".")
    for unbound in world.unbound, world.stock:
        unbound.control("flush_zone", ".")
    for tcp in False, True, False:
        mine = world.ask_safely(qname, kind, tcp=tcp, **options)
        theirs = ask(world.stock.address, qname, kind, tcp=tcp, **options)
        assert mine.rcode() == theirs.rcode()
        assert mine.flags == theirs.flags
        assert sections(mine) == sections(theirs)
        assert not mine.answer


@pytest.mark.parametrize("aggressive", ["yes", "no"])
def test_denial_of_many_is_learnt_from_one(scenario, aggressive):
    world = scenario(f"*.{DOMAIN}",
                     unbound={"extra": f"aggressive-nsec: {aggressive}"})
    world.ask_safely(f"missing1.{DOMAIN}", do=True)
    world.tap.clear()
    for number in range(2, 6):
        name = f"missing{number}.{DOMAIN}"
        answer = world.ask_safely(name, do=True)
        assert answer.rcode() == dns.rcode.NXDOMAIN
        assert answer.flags & dns.flags.AD
    assert bool(world.tap.queries()) == (aggressive == "no")
