# SPDX-License-Identifier: BSD-3-Clause
"""The TTL of a magic IP is the smallest on the CNAME chain, capped by
dns.maxTTL; it counts down in the cache (DESIGN 4.3)."""

import pytest

from harness.ask import records
from harness.wait import wait_for

DOMAIN = "ttl.example"


def ttls(world, name, rdtype="A"):
    world.magic(f"{name}.{DOMAIN}", rdtype)
    return {ttl for _, _, ttl, _ in
            records(world.ask(f"{name}.{DOMAIN}", rdtype))}


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(f"*.{DOMAIN}", client={"dns": {"maxTTL": 200}})


@pytest.mark.parametrize("name, expected", [
    ("long", 200), ("short", 20), ("zero", 0), ("uneven", 30),
    ("first", 40), ("middle", 50), ("last", 60), ("far", 30),
    ("longchain", 200),
])
def test(world, name, expected):
    world.unbound.control("flush_zone", ".")
    for seen in ttls(world, name):
        assert expected - 2 <= seen <= expected


def test_default_maximum(scenario):
    world = scenario(f"*.{DOMAIN}")
    assert all(298 <= ttl <= 300 for ttl in ttls(world, "long"))


def test_counts_down(world):
    first = max(ttls(world, "count"))
    wait_for(lambda: max(ttls(world, "count")) < first, "a smaller TTL", 5)
