# SPDX-License-Identifier: BSD-3-Clause
"""A domain that the policy loses while Unbound runs has its real answers at
once, of every type; what it shares the domain with stays matched, and when it
comes back so do its magic IPs (DESIGN 4.4, 6)."""

import pytest

from harness.ask import addresses, records

DOMAIN = "lost.example"
NAMES = [f"{name}.m.{DOMAIN}" for name in ("host", "alias")]


@pytest.mark.parametrize("extra", ["", "serve-expired: yes\nprefetch: yes"])
def test(scenario, extra):
    world = scenario(f"*.m.{DOMAIN}", f"stays.{DOMAIN}",
                     unbound={"extra": extra})
    magic = {name: world.magic(name) for name in NAMES}
    stays = world.magic(f"stays.{DOMAIN}")
    for _ in range(3):
        world.match(f"stays.{DOMAIN}")
        for _ in range(2):
            for options in {}, {"do": True}, {"cd": True}:
                for name in NAMES:
                    assert addresses(world.ask(name, **options)) \
                        == ["10.42.0.1"]
                    assert addresses(world.ask(name, "AAAA", **options)) \
                        == ["2001:db8:1:42::1"]
                    assert "hint" in records(world.ask(
                        NAMES[0], "HTTPS", **options))[0][3]
                assert world.magic(f"stays.{DOMAIN}", **options) == stays
        answer = world.ask(NAMES[0], "ANY")
        assert not records(answer, "HINFO")
        world.match(f"*.m.{DOMAIN}", f"stays.{DOMAIN}")
        for name, found in magic.items():
            assert world.magic(name) == found


def test_negative_ones(scenario):
    world = scenario(f"*.m.{DOMAIN}")
    name = f"missing.m.{DOMAIN}"
    before = world.ask_safely(name)
    world.match("nothing.example")
    after = world.ask(name)
    assert before.rcode() == after.rcode()
    assert [k for _, k, _, _ in records(after, section=after.authority)] \
        == ["SOA"]
