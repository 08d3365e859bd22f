# SPDX-License-Identifier: BSD-3-Clause
"""Several Unbounds may use one table: a name has the same magic IPs from each,
whichever was asked first, and the reverse is known to all (DESIGN 4.4, 6)."""

import dns.reversename
import pytest

from harness.ask import records

DOMAIN = "shared-table.example"


@pytest.fixture(scope="module")
def worlds(scenario_for_all):
    first = scenario_for_all(f"*.{DOMAIN}")
    return [first] + [
        first.before(first.make_unbound(name=name, module=modules).start())
        for name, modules in [("second", "dynlib iterator"),
                              ("third", "dynlib validator iterator")]]


@pytest.mark.parametrize("number", range(6))
def test(worlds, number):
    name = f"n{number}.{DOMAIN}"
    order = worlds[number % 3:] + worlds[:number % 3]
    magic = [order[0].magic(name, kind) for kind in ("A", "AAAA")]
    for world in order:
        assert [world.magic(name, kind) for kind in ("A", "AAAA")] == magic
        for address, in magic:
            answer = world.ask(dns.reversename.from_address(
                address).to_text(), "PTR")
            assert [t for *_, t in records(answer)] == [name + "."]


def test_policy_that_changes_is_noticed_by_each(worlds):
    for world in worlds:
        world.ask(f"only.later-{DOMAIN}")
    worlds[0].match(f"*.{DOMAIN}", f"*.later-{DOMAIN}")
    magic = worlds[2].magic(f"only.later-{DOMAIN}")
    for world in worlds:
        assert world.magic(f"only.later-{DOMAIN}") == magic
