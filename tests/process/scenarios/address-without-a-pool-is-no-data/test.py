# SPDX-License-Identifier: BSD-3-Clause
"""Without a pool of its family an address is answered NOERROR and no data:
never the address, and never a bare CNAME, which clients would follow past us
(DESIGN 4.3)."""

import pytest

from harness import check
from harness.conn25 import POOLS

NAMES = ["direct", "alias", "far", "dname.old"]


@pytest.fixture(scope="module", params=["v4", "v6"])
def world(scenario_for_all, request):
    """A world with pools of one family."""
    world = scenario_for_all(
        "*.family.example", start=("connector", "client"),
        client={"pools": {kind: pool for kind, pool in POOLS.items()
                          if kind.startswith(request.param)}})
    world.unbound.start()
    world.there, world.missing = {
        "v4": ("A", "AAAA"), "v6": ("AAAA", "A")}[request.param]
    world.wait_attached("direct.family.example", world.there)
    return world


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{}, {"do": True}, {"cd": True}],
                         ids=["plain", "do", "cd"])
def test(world, name, options):
    for tcp in False, True, False:
        answer = world.ask_safely(f"{name}.family.example", world.missing,
                                  tcp=tcp, **options)
        check.no_data(answer)
        assert check.FORGED in check.ede_codes(answer)


@pytest.mark.parametrize("name", NAMES)
def test_the_other_family_works(world, name):
    world.magic(f"{name}.family.example", world.there)


def test_it_is_counted_as_emptied(world):
    before = world.client.stat("total.num.emptied")
    for _ in range(3):
        world.ask_safely("direct.family.example", world.missing)
    assert world.client.stat("total.num.emptied") == before + 3


@pytest.mark.parametrize("rdtype, family", [("A", "v4"), ("AAAA", "v6")])
def test_pool_that_comes_and_goes_at_run_time(scenario, rdtype, family):
    world = scenario("*.family.example")
    name = "alias.family.example"
    magic = world.magic(name, rdtype)
    fewer = {kind: pool for kind, pool in POOLS.items()
             if not kind.startswith(family)}
    for _ in range(3):
        world.match("*.family.example", pools=fewer)
        for _ in range(2):
            check.no_data(world.ask_safely(name, rdtype))
        world.match("*.family.example", pools=POOLS)
        for _ in range(2):
            assert world.magic(name, rdtype) == magic
