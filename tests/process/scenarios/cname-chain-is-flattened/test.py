# SPDX-License-Identifier: BSD-3-Clause
"""A CNAME chain from a matched name leads to magic IPs owned by the queried
name; nothing of the chain is left, wherever it goes (DESIGN 4.3)."""

import pytest

from harness import check
from harness.ask import addresses


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all("*.chain.example")


@pytest.mark.parametrize("name, rdtype, count", [
    ("near", "A", 2),               # in the zone
    ("near", "AAAA", 1),
    ("far", "A", 2),                # in another one, over three CNAMEs
    ("far", "AAAA", 1),
    ("matched", "A", 2),            # to a matched name of another app
    ("plain", "A", 1),              # to one that is not matched
    ("plain", "AAAA", 1),
    ("signed", "A", 1),
    ("ten", "A", 2),                # CNAMEs
    ("any.wild", "A", 2),
])
@pytest.mark.parametrize("options", [{}, {"do": True}, {"cd": True}],
                         ids=["plain", "do", "cd"])
def test(world, name, rdtype, count, options):
    qname = f"{name}.chain.example"
    world.unbound.control("flush_zone", ".")
    for tcp in False, True, False:
        check.rewritten(world.ask_safely(qname, rdtype, tcp=tcp, **options),
                        qname, rdtype, count)


def test_unmatched_target_keeps_its_own_answer(world):
    """The queried name decides, not the names on the way."""
    for _ in range(2):
        world.magic("plain.chain.example")
        assert addresses(world.ask("host.plain.example")) == ["192.0.2.2"]
        world.unbound.control("flush_zone", ".")
        assert addresses(world.ask("host.plain.example")) == ["192.0.2.2"]
        world.magic("plain.chain.example")
        world.unbound.control("flush_zone", ".")


@pytest.mark.parametrize("name", ["near", "far", "matched", "signed"])
@pytest.mark.parametrize("rdtype", ["MX", "TXT", "CAA"])
def test_end_without_the_type(world, name, rdtype):
    world.ask_safely(f"{name}.chain.example", rdtype)


def test_loop_gives_nothing(world):
    for _ in range(2):
        assert not addresses(world.ask_safely("loop.chain.example"))
