# SPDX-License-Identifier: BSD-3-Clause
"""Unbound's reload, reload_keep_cache and fast_reload, each as often as one
likes: matched names keep their magic IPs, nothing real comes out, and the
processes go on (DESIGN 3 "Build and load", "Caching")."""

import pytest

from harness.ask import addresses

DOMAIN = "reload.example"
NAMES = [f"host.m.{DOMAIN}", f"alias.m.{DOMAIN}"]


def everything(world):
    for name in NAMES:
        for kind in "A", "AAAA", "MX", "HTTPS", "ANY":
            for options in {}, {"cd": True}, {"do": True}:
                world.ask_safely(name, kind, **options)
                for rdclass in "CH", "CLASS65300":
                    world.ask_safely(name, kind, rdclass=rdclass, **options)
    assert addresses(world.ask(f"free.{DOMAIN}")) == ["192.0.2.37"]
    return {(name, kind): world.magic(name, kind)
            for name in NAMES for kind in ("A", "AAAA")}


@pytest.mark.parametrize("verb", ["reload", "reload_keep_cache",
                                  "fast_reload"])
def test(scenario, verb):
    world = scenario(f"*.m.{DOMAIN}")
    if verb not in world.unbound.verbs():
        pytest.skip(f"this Unbound has no {verb}")
    before = everything(world)
    for _ in range(3):
        world.unbound.reload(verb)
        assert everything(world) == before
        assert everything(world) == before
    world.wait_mapped()


@pytest.mark.parametrize("verb", ["reload_keep_cache"])
def test_policy_that_changed_meanwhile(scenario, verb):
    """The cache that is kept has real answers of a name that is matched when
    Unbound comes back."""
    world = scenario("nothing.example")
    if verb not in world.unbound.verbs():
        pytest.skip(f"this Unbound has no {verb}")
    for name in NAMES:
        for kind in "A", "AAAA", "HTTPS":
            world.ask(name, kind)
    apps = world.client.config["apps"]
    apps[-1]["domains"] = [f"*.m.{DOMAIN}"]
    world.client.configure(dict(world.client.config, apps=apps))
    world.client.stop()
    world.client.start()
    world.unbound.reload(verb)
    everything(world)
