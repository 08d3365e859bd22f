# SPDX-License-Identifier: BSD-3-Clause
"""A referral names servers, with their addresses as glue. Where such a server
has a matched name the resolver uses the glue, with every way of looking after
referrals, and no client gets it (DESIGN 3 "Internal lookups")."""

import pytest

from harness import zones
from harness.ask import addresses
from harness.nsd import Nsd
from harness.process import Keeper
from harness.wiretap import Wiretap

DOMAIN = "refer.example"
SERVER = f"ns.m.{DOMAIN}"
DNS_PORT = 53           # referrals have no other

# Served elsewhere, so that the server of refer.example refers.
ELSEWHERE = {
    f"child.{DOMAIN}.": "www A 192.0.2.31\n",
    f"m.child.{DOMAIN}.": "www A 10.31.0.1\nalias CNAME www\n"
                          "other A 10.31.0.2\nhost A 10.31.0.3\n",
}


@pytest.fixture(scope="module")
def elsewhere(other_address):
    """A server of its own on the address in the glue."""
    with Keeper("elsewhere") as keeper:
        nsd = Nsd(keeper, "elsewhere", {
            origin: zones.head(origin, SERVER + ".") + text
            for origin, text in ELSEWHERE.items()})
        tap = Wiretap(nsd.address, other_address, DNS_PORT)
        keeper.closers.append(tap.close)
        yield tap


@pytest.fixture(scope="module", params=[
    "", "harden-referral-path: yes", "target-fetch-policy: \"0 0 0 0 0\"",
    "target-fetch-policy: \"-1 -1 -1 -1 -1\"", "prefer-ip4: yes",
    "harden-glue: no", "qname-minimisation: no",
    "qname-minimisation-strict: yes"], ids=lambda p: p.replace('"', ""))
def world(scenario_for_all, elsewhere, request):
    world = scenario_for_all(f"*.m.{DOMAIN}", f"*.m.child.{DOMAIN}",
                             unbound={"threads": 1, "extra": request.param})
    world.elsewhere = elsewhere
    world.refer = DOMAIN
    return world


def flush(world):
    world.unbound.control("flush_zone", DOMAIN)
    world.tap.clear()
    world.elsewhere.clear()


@pytest.mark.parametrize("options", [{}, {"cd": True}, {"do": True}],
                         ids=["plain", "cd", "do"])
def test_unmatched_name_below(world, options):
    flush(world)
    for _ in range(2):
        answer = world.ask(f"www.child.{DOMAIN}", **options)
        assert addresses(answer) == ["192.0.2.31"]
        world.magic(SERVER, **options)
        world.ask_safely(f"child.{DOMAIN}", "NS", **options)
        world.ask_safely(SERVER, "AAAA", **options)
        world.magic(SERVER)
    flush(world)
    world.magic(SERVER, **options)
    answer = world.ask(f"www.child.{DOMAIN}", **options)
    assert addresses(answer) == ["192.0.2.31"]
    assert world.elsewhere.queries(), "the referral was not followed"


@pytest.mark.parametrize("options", [{}, {"cd": True}, {"do": True}],
                         ids=["plain", "cd", "do"])
def test_matched_name_below(world, options):
    flush(world)
    for name in "www", "alias", "www":
        world.magic(f"{name}.m.child.{DOMAIN}", **options)
        world.magic(SERVER, **options)


def test_referral_on_the_way_to_a_matched_name_is_remembered(world):
    """The server above is not asked again for each new name."""
    flush(world)
    world.magic(f"www.m.child.{DOMAIN}")
    world.tap.clear()
    world.magic(f"other.m.child.{DOMAIN}")
    world.magic(f"host.m.child.{DOMAIN}")
    asked = [name for name, _ in world.tap.queries() if "child" in name]
    assert not asked, f"asked above: {asked}"
    assert world.elsewhere.count(f"host.m.child.{DOMAIN}", "A") == 1
