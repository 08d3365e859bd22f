# SPDX-License-Identifier: BSD-3-Clause
"""A domain that the policy gains while Unbound runs is matched from then on:
what the caches know of its names is forgotten, of whatever type, negative or
not, expired or not, also where only an alias of another name was asked for
(DESIGN 3 "Caching", 6)."""

import itertools

import pytest

from harness.ask import addresses
from harness.wait import wait_for

DOMAIN = "gained.example"
MATCHED = f"*.m.{DOMAIN}"
NAMES = [f"{name}.m.{DOMAIN}" for name in ("host", "alias", "far")]
KINDS = ["A", "AAAA", "MX", "HTTPS", "TXT", "ANY", "NS", "CNAME"]
VARIANTS = [{}, {"do": True}, {"cd": True}, {"edns": False}]


def ask_all(world, ask):
    for name in [*NAMES, f"missing.m.{DOMAIN}"]:
        for kind, options in itertools.product(KINDS, VARIANTS):
            ask(name, kind, **options)


@pytest.mark.parametrize("domains", [[MATCHED], NAMES],
                         ids=["wildcard", "exact"])
@pytest.mark.parametrize("extra", ["", "qname-minimisation: no",
                                   "serve-expired: yes\nprefetch: yes"])
def test_answers(scenario, domains, extra):
    world = scenario("nothing.example", unbound={"extra": extra})
    for _ in range(2):      # the second time through the other thread
        ask_all(world, world.ask)
    assert addresses(world.ask(NAMES[0])) == ["10.40.0.1"]
    world.match(*domains)
    magic = {name: world.magic(name) for name in NAMES}
    ask_all(world, world.ask_safely)
    for name, found in magic.items():
        assert world.magic(name) == found
        world.magic(name, "AAAA")


def test_target_of_an_alias(scenario):
    """Only the unmatched alias was asked for."""
    world = scenario("nothing.example")
    for options in VARIANTS:
        assert addresses(world.ask(f"out.{DOMAIN}", **options)) \
            == ["10.40.0.1"]
    world.match(MATCHED)
    for options in VARIANTS:
        world.magic(NAMES[0], **options)
        assert addresses(world.ask(f"out.{DOMAIN}", **options)) \
            == ["10.40.0.1"]


def test_alias_alone(scenario):
    """The alias is matched now, its target is not."""
    world = scenario("nothing.example")
    for name in NAMES:
        world.ask(name)
    world.match(NAMES[1])
    world.magic(NAMES[1])
    assert addresses(world.ask(NAMES[0])) == ["10.40.0.1"]


def test_negative_ones(scenario, nsd):
    """What was denied is still denied, and may come to be."""
    world = scenario("nothing.example")
    name = f"later.m.{DOMAIN}"
    for kind in KINDS:
        world.ask(name, kind)
    world.match(MATCHED)
    for kind in "A", "AAAA", "MX":
        assert not world.ask_safely(name, kind).answer
    nsd.change(f"{DOMAIN}.", lambda text: text + "later.m A 10.40.0.9\n")
    try:
        world.unbound.control("flush_zone", DOMAIN)
        world.magic(name)
    finally:
        nsd.change(f"{DOMAIN}.", lambda text: text.replace(
            "later.m A 10.40.0.9\n", ""))


def test_failure_is_forgotten(scenario):
    world = scenario("nothing.example")
    world.tap.failing.add(NAMES[0])
    for _ in range(3):
        assert not addresses(world.ask(NAMES[0]))
    world.tap.failing.clear()
    world.match(MATCHED)
    world.magic(NAMES[0])


def test_what_has_expired_is_not_served(scenario):
    """serve-expired has the real answer and upstream fails."""
    world = scenario("nothing.example", unbound={
        "extra": "serve-expired: yes\nserve-expired-client-timeout: 0"})
    name = f"brief.m.{DOMAIN}"
    assert addresses(world.ask(name)) == ["10.40.0.3"]
    world.tap.failing.add(name)

    def expired():
        assert addresses(world.ask(name)) == ["10.40.0.3"]
        return world.unbound.stats()["total.num.expired"]
    wait_for(expired, "an expired answer")
    world.match(MATCHED)
    for options in VARIANTS * 2:
        world.ask_safely(name, **options)


def test_bogus_ones(scenario):
    """Of a name in a signed zone."""
    world = scenario("nothing.example")
    name = f"bogus.signed-{DOMAIN}"
    for options in VARIANTS:
        world.ask(name, **options)
    world.match(f"*.signed-{DOMAIN}")
    for options in VARIANTS * 2:
        answer = world.ask_safely(name, **options)
        assert bool(addresses(answer)) == options.get("cd", False)


def test_again_and_again(scenario):
    world = scenario("nothing.example")
    magic = None
    for _ in range(5):
        assert addresses(world.ask(NAMES[0])) == ["10.40.0.1"]
        world.match(MATCHED)
        magic = magic or world.magic(NAMES[0])
        assert world.magic(NAMES[0]) == magic
        world.match("nothing.example")
