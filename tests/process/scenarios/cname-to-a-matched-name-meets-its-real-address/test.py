# SPDX-License-Identifier: BSD-3-Clause
"""The queried name decides: a name that is not matched and whose CNAME leads
to a matched one gets the real address, and that leaves nothing behind for who
asks for the matched one (DESIGN 4.2, 3 "Internal lookups")."""

import pytest

from harness.ask import addresses, records

MATCHED = "in.alias.example"
REAL = {"A": ["10.12.0.1"], "AAAA": ["2001:db8:1:12::1"]}


@pytest.fixture(scope="module", params=[1, 2], ids=["1-thread", "2-threads"])
def world(scenario_for_all, request):
    return scenario_for_all(MATCHED, unbound={"threads": request.param})


@pytest.mark.parametrize("alias", [
    "one.alias.example", "two.alias.example", "old.alias.example",
    "x.wild.alias.example"])
@pytest.mark.parametrize("rdtype", ["A", "AAAA"])
@pytest.mark.parametrize("options", [{}, {"do": True}, {"cd": True}],
                         ids=["plain", "do", "cd"])
@pytest.mark.parametrize("unmatched_first", [True, False],
                         ids=["unmatched-first", "matched-first"])
def test(world, alias, rdtype, options, unmatched_first):
    world.unbound.control("flush_zone", "alias.example")
    if not unmatched_first:
        world.magic(MATCHED, rdtype, **options)
    for _ in range(3):
        answer = world.ask(alias, rdtype, **options)
        assert addresses(answer) == REAL[rdtype]
        assert records(answer, "CNAME"), "the chain belongs to the answer"
        world.magic(MATCHED, rdtype, **options)
        world.magic(MATCHED, rdtype, tcp=True)


def test_both_ways_round(world):
    """Matched -> unmatched -> matched, and the names between."""
    assert world.magic(MATCHED)
    assert addresses(world.ask("two.alias.example")) == REAL["A"]
    for kind in "MX", "CNAME", "HTTPS":
        world.ask_safely(MATCHED, kind)
        world.ask("one.alias.example", kind)
    world.magic(MATCHED)
