# SPDX-License-Identifier: BSD-3-Clause
"""A redirect zone may have a CNAME for a matched name: then Unbound asks for
the CNAME's target in place of the name, before any module is asked, and the
target decides. What the matched name has upstream shows nowhere (README,
"Limits")."""

import pytest

from harness.ask import addresses, all_addresses
from harness.conn25 import is_magic

DOMAIN = "redirects.example"
REAL = {"A": "192.0.2.50", "AAAA": "2001:db8:2:50::1"}


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(f"*.m.{DOMAIN}", unbound={"extra": f"""
        local-zone: "host.m.{DOMAIN}" redirect
        local-data: "host.m.{DOMAIN} CNAME free.{DOMAIN}"
        local-zone: "inner.m.{DOMAIN}" redirect
        local-data: "inner.m.{DOMAIN} CNAME real.m.{DOMAIN}"
        local-zone: "out.{DOMAIN}" redirect
        local-data: "out.{DOMAIN} CNAME real.m.{DOMAIN}"
        """, "threads": 1})


@pytest.mark.parametrize("name", ["host.m", "x.host.m"])
@pytest.mark.parametrize("kind", ["A", "AAAA"])
@pytest.mark.parametrize("target_first", [False, True],
                         ids=["cold", "target-cached"])
@pytest.mark.parametrize("options", [{}, {"do": True}, {"cd": True}],
                         ids=["plain", "do", "cd"])
def test_matched_to_unmatched_is_the_target(
        world, name, kind, target_first, options):
    world.unbound.control("flush_zone", DOMAIN)
    if target_first:
        assert addresses(world.ask(f"free.{DOMAIN}", kind)) == [REAL[kind]]
    for tcp in False, True, False:
        answer = world.ask(f"{name}.{DOMAIN}", kind, tcp=tcp, **options)
        assert addresses(answer) == [REAL[kind]], answer
    assert addresses(world.ask(f"free.{DOMAIN}", kind)) == [REAL[kind]]


@pytest.mark.parametrize("kind", ["A", "AAAA"])
def test_matched_to_matched(world, kind):
    world.unbound.control("flush_zone", DOMAIN)
    for target_first in False, True:
        if target_first:
            world.magic(f"real.m.{DOMAIN}", kind)
        answer = world.ask_safely(f"inner.m.{DOMAIN}", kind)
        assert all(map(is_magic, all_addresses(answer)))
        world.magic(f"real.m.{DOMAIN}", kind)


def test_unmatched_to_matched_leaves_nothing_behind(world):
    world.unbound.control("flush_zone", DOMAIN)
    for _ in range(2):
        assert addresses(world.ask(f"out.{DOMAIN}"))
        for options in {}, {"do": True}, {"cd": True}:
            world.magic(f"real.m.{DOMAIN}", **options)
