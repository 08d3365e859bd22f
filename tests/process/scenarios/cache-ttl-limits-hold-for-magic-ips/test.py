# SPDX-License-Identifier: BSD-3-Clause
"""cache-max-ttl, cache-min-ttl and cache-max-negative-ttl hold for matched
names too, and no TTL is above dns.maxTTL (DESIGN 4.3)."""

import pytest

from harness.ask import records

DOMAIN = "limits.example"


@pytest.mark.parametrize("extra, expected", [
    ("cache-max-ttl: 20", {"long": 20, "short": 2, "alias": 2, "zero": 0}),
    ("cache-min-ttl: 100", {"long": 300, "short": 100, "alias": 100,
                            "zero": 100}),
    ("cache-min-ttl: 900", {"long": 300, "short": 300, "alias": 300,
                            "zero": 300}),
    ("cache-max-ttl: 0", {"long": 0, "short": 0, "alias": 0, "zero": 0}),
], ids=lambda value: value if isinstance(value, str) else "")
def test(scenario, extra, expected):
    world = scenario(f"*.{DOMAIN}", unbound={"extra": extra})
    for name, ttl in expected.items():
        for _ in range(2):
            world.magic(f"{name}.{DOMAIN}")
            for _, _, seen, _ in records(world.ask(f"{name}.{DOMAIN}")):
                assert ttl - 2 <= seen <= ttl


def test_negative(scenario):
    world = scenario(f"*.{DOMAIN}", unbound={
        "extra": "cache-max-negative-ttl: 7"})
    for name, kind in (f"missing.{DOMAIN}", "A"), (f"long.{DOMAIN}", "MX"):
        for _ in range(2):
            answer = world.ask_safely(name, kind)
            assert all(5 <= ttl <= 7 for _, _, ttl, _ in records(
                answer, section=answer.authority))
