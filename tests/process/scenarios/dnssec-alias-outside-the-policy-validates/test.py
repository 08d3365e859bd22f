# SPDX-License-Identifier: BSD-3-Clause
"""A signed name that is not matched, and whose CNAME leads to a matched one,
validates: it has the real address, its signatures and AD. A magic address on
the way would be bogus (DESIGN 3 "Caching", "Internal lookups")."""

import dns.flags
import dns.rcode
import pytest

from harness.ask import addresses, records

DOMAIN = "outside.example"


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(f"*.in.{DOMAIN}", f"*.in2.{DOMAIN}")


@pytest.mark.parametrize("name, expected", [
    ("alias", "10.28.0.1"), ("twice", "10.28.0.1"),
    ("host.old", "10.28.0.1"), ("wild", "10.28.0.2"),
])
@pytest.mark.parametrize("matched_first", [True, False],
                         ids=["matched-first", "alias-first"])
def test(world, name, expected, matched_first):
    world.unbound.control("flush_zone", DOMAIN)
    if matched_first:
        world.magic(f"host.in.{DOMAIN}")
        world.magic(f"x.in2.{DOMAIN}")
    for options in {"do": True}, {"ad": True}, {"cd": True, "do": True}, \
            {"do": True}:
        answer = world.ask(f"{name}.{DOMAIN}", **options)
        assert addresses(answer) == [expected]
        if "cd" not in options:
            assert answer.flags & dns.flags.AD
        if "do" in options:
            assert len(records(answer, "RRSIG")) >= 2
        world.magic(f"host.in.{DOMAIN}", **options)
        world.magic(f"x.in2.{DOMAIN}", **options)


def test_bogus_target_fails(world):
    for _ in range(2):
        assert world.ask(f"tobogus.{DOMAIN}").rcode() == dns.rcode.SERVFAIL
        assert world.ask_safely(f"bogus.in.{DOMAIN}").rcode() \
            == dns.rcode.SERVFAIL
