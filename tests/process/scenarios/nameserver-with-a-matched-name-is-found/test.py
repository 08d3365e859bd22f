# SPDX-License-Identifier: BSD-3-Clause
"""A nameserver may have a matched name: Unbound's lookup of its address meets
the real one, cold and cached, and leaves nothing real behind for clients
(DESIGN 3 "Internal lookups")."""

import pytest

from harness.ask import addresses
from harness.wiretap import Wiretap

# Each serves a zone that is not matched.
SERVERS = {"served.example": "ns.m.hosting.example",
           "served2.example": "ns.signed-hosting.example",
           "served3.example": "alias.m.hosting.example"}


@pytest.fixture(params=SERVERS)
def world(scenario, nsd, other_address, request):
    """A world with a server at an address that is a destination."""
    far = Wiretap(nsd.address, other_address)
    try:
        world = scenario(
            "*.m.hosting.example", "*.signed-hosting.example",
            unbound={"threads": 1, "stub_hosts": {
                zone + ".": f"{server}@{far.port}"
                for zone, server in SERVERS.items()}})
        world.far = far
        world.zone = request.param
        world.server = SERVERS[request.param]
        yield world
    finally:
        far.close()


@pytest.mark.parametrize("options", [{}, {"cd": True}, {"do": True}],
                         ids=["plain", "cd", "do"])
def test(world, options):
    name = f"www.{world.zone}"
    for _ in range(3):
        world.unbound.control("flush_zone", ".")
        assert addresses(world.ask(name, **options)) == ["192.0.2.98"]
        world.magic(world.server, **options)
        world.magic(world.server)
        world.unbound.control("flush_zone", ".")
        world.magic(world.server, **options)
        assert addresses(world.ask(name, **options)) == ["192.0.2.98"]
        world.magic(world.server, **options)
        world.unbound.control("flush_zone", world.zone)
        assert addresses(world.ask(name)) == ["192.0.2.98"]
    assert world.far.count(name, "A") > 0


def test_clients_after_the_lookup_alone(world):
    """What the lookup alone has left is met by every kind of client."""
    for options in {"edns": False}, {"cd": True}, {"do": True}, {}:
        world.unbound.control("flush_zone", ".")
        assert addresses(world.ask(f"www.{world.zone}")) == ["192.0.2.98"]
        for kind in "A", "AAAA", "ANY", "HTTPS", "NS", "A":
            world.ask_safely(world.server, kind, **options)
