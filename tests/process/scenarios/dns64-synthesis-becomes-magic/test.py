# SPDX-License-Identifier: BSD-3-Clause
"""What dns64 right of us synthesises for a matched name has the destination in
its last bytes: it becomes a magic IPv6 address, cold and cached, with
dns64-synthall too (DESIGN 3 "Caching", RFC 6147)."""

import dns.rcode
import pytest

from harness import check
from harness.ask import addresses

DOMAIN = "sixfour.example"


@pytest.fixture(scope="module", params=[
    "", "dns64-synthall: yes", f"dns64-ignore-aaaa: both.m.{DOMAIN}",
    "module-config: \"dynlib dns64 iterator\"",
    "module-config: \"dynlib respip dns64 validator iterator\""],
    ids=["plain", "synthall", "ignore-aaaa", "no-validator", "respip"])
def world(scenario_for_all, request):
    return scenario_for_all(f"*.m.{DOMAIN}", unbound={
        "module": "dynlib dns64 validator iterator", "threads": 1,
        "extra": request.param})


@pytest.mark.parametrize("name, kind, count", [
    ("v4", "AAAA", 1), ("v4", "A", 1), ("two", "AAAA", 2), ("v6", "AAAA", 1),
    ("both", "AAAA", 1), ("both", "A", 1), ("alias", "AAAA", 1),
    ("signed", "AAAA", 1)])
@pytest.mark.parametrize("options", [{}, {"do": True}, {"edns": False}],
                         ids=["plain", "do", "no-edns"])
def test(world, name, kind, count, options):
    qname = f"{name}.m.{DOMAIN}"
    world.unbound.control("flush_zone", ".")
    for tcp in False, True, False:
        answer = world.ask_safely(qname, kind, tcp=tcp, **options)
        check.rewritten(answer, qname, kind, count)
    world.magic(f"v4.m.{DOMAIN}")


def test_with_cd_there_is_no_synthesis(scenario):
    """The client does it by itself, then: from a magic address."""
    world = scenario(f"*.m.{DOMAIN}", unbound={
        "module": "dynlib dns64 validator iterator"})
    for cd in True, False, True, False:
        answer = world.ask_safely(f"v4.m.{DOMAIN}", "AAAA", cd=cd)
        assert len(addresses(answer)) == (0 if cd else 1)
        world.magic(f"v4.m.{DOMAIN}", cd=cd)


def test_nothing_else_is_made(world):
    for _ in range(2):
        answer = world.ask_safely(f"missing.m.{DOMAIN}", "AAAA")
        assert answer.rcode() == dns.rcode.NXDOMAIN
        check.no_data(world.ask_safely(f"text.m.{DOMAIN}", "AAAA"))


def test_unmatched_names_as_always(world):
    for _ in range(2):
        assert addresses(world.ask(f"free.{DOMAIN}", "AAAA")) \
            == ["64:ff9b::c000:22f"]
        out = world.ask(f"out.{DOMAIN}", "AAAA")
        assert addresses(out) == ["64:ff9b::a2d:1"]
