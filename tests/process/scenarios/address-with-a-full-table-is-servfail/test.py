# SPDX-License-Identifier: BSD-3-Clause
"""With no room in the table new names get SERVFAIL with an Extended DNS
Error; names without addresses, and names that have some, go on (DESIGN 4.1,
4.4)."""

from harness import check
from harness.ask import records

DOMAIN = "full.example"


def test(scenario):
    world = scenario(f"*.{DOMAIN}", client={"table": {"maxAssignments": 16}})
    magic = {n: world.magic(f"n{n}.{DOMAIN}") for n in range(14)}
    for number in range(14, 20):
        for options in {}, {"do": True}, {"cd": True}:
            check.servfail(world.ask_safely(f"n{number}.{DOMAIN}",
                                            **options))
    for number, found in magic.items():
        assert world.magic(f"n{number}.{DOMAIN}") == found
    assert [t for *_, t in records(world.ask_safely(f"n19.{DOMAIN}", "TXT"))]\
        == ['"not an address"']
    check.no_data(world.ask_safely(f"n19.{DOMAIN}", "AAAA"))
    assert world.client.stat("assignments.current") == 16
    assert world.client.stat("total.num.servfail") == 18


def test_some_of_the_addresses_are_better_than_none(scenario):
    world = scenario(f"*.{DOMAIN}", client={"table": {"maxAssignments": 16}})
    for number in range(12):
        world.magic(f"n{number}.{DOMAIN}")
    check.rewritten(world.ask_safely(f"five.{DOMAIN}"), f"five.{DOMAIN}",
                    "A", 2)
