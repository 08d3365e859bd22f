# SPDX-License-Identifier: BSD-3-Clause
"""Queries with CD, DO and AD may come in any order, each of them finding what
those before it have left in the caches: each gets what it gets when it comes
alone, and AD of unchanged types is what an Unbound without the module says
(DESIGN 3 "Caching", 4.3)."""

import itertools

import dns.rcode
import pytest

from harness import check
from harness.ask import ask, records

DOMAIN = "order.example"
VARIANTS = {"plain": {}, "do": {"do": True}, "cd": {"cd": True},
            "do-cd": {"do": True, "cd": True}, "ad": {"ad": True}}


@pytest.fixture(scope="module")
def world(scenario_for_all):
    world = scenario_for_all(f"*.{DOMAIN}")
    world.stock = world.make_unbound(name="stock",
                                     module="validator iterator")
    world.stock.start()
    return world


def in_section(answer, name):
    return sorted((o, k, t) for o, k, _, t in records(
        answer, section=getattr(answer, name)))


@pytest.mark.parametrize("order", itertools.permutations(VARIANTS, 3),
                         ids="+".join)
def test(world, order):
    for unbound in world.unbound, world.stock:
        unbound.control("flush_zone", DOMAIN)
    for variant in order * 2:
        options = VARIANTS[variant]
        for name in "good", "alias":
            check.rewritten(world.ask_safely(f"{name}.{DOMAIN}", **options),
                            f"{name}.{DOMAIN}", "A", 1)
        bogus = world.ask_safely(f"bogus.{DOMAIN}", **options)
        if options.get("cd"):
            check.rewritten(bogus, f"bogus.{DOMAIN}", "A", 1)
        else:
            assert bogus.rcode() == dns.rcode.SERVFAIL
        for name, kind in ("good", "TXT"), ("missing", "A"), \
                ("missing", "TXT"), ("good", "AAAA"):
            mine = world.ask_safely(f"{name}.{DOMAIN}", kind, **options)
            theirs = ask(world.stock.address, f"{name}.{DOMAIN}", kind,
                         **options)
            assert mine.flags == theirs.flags
            for section in "answer", "authority":
                assert in_section(mine, section) \
                    == in_section(theirs, section)
