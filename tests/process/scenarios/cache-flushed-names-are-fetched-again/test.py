# SPDX-License-Identifier: BSD-3-Clause
"""unbound-control flush, flush_type, flush_zone, flush_bogus and
flush_negative work for matched names as for others: the next question goes
upstream and what has changed there is seen; the magic IPs stay, and nothing
real comes out (DESIGN 3 "Caching")."""

import dns.rcode
import pytest

DOMAIN = "flush.example"
NAME = f"host.{DOMAIN}"


@pytest.fixture(scope="module")
def world(scenario_for_all):
    # So that each query that upstream sees is for an answer.
    return scenario_for_all(f"*.{DOMAIN}", unbound={
        "extra": "qname-minimisation: no"})


@pytest.mark.parametrize("words, forgotten", [
    (["flush", NAME], ["A", "AAAA", "MX"]),
    (["flush_type", NAME, "A"], ["A"]),
    (["flush_type", NAME, "AAAA"], ["AAAA"]),
    (["flush_type", NAME, "MX"], ["MX"]),
    (["flush_zone", DOMAIN], ["A", "AAAA", "MX"]),
    (["flush_zone", "."], ["A", "AAAA", "MX"]),
    (["flush", f"other.{DOMAIN}"], []),
    (["flush_bogus"], []),
    (["flush_negative"], []),
    (["flush_infra", "all"], []),
    (["flush_stats"], []),
    (["flush_requestlist"], []),
])
def test(world, words, forgotten):
    magic = {kind: world.magic(NAME, kind) for kind in ("A", "AAAA")}
    world.ask_safely(NAME, "MX")
    world.unbound.control(*words)
    world.tap.clear()
    for kind in "A", "AAAA", "MX":
        for options in {}, {"edns": False}, {"do": True}:
            world.ask_safely(NAME, kind, **options)
    for kind in "A", "AAAA", "MX":
        assert world.tap.count(NAME, kind) == (kind in forgotten), kind
    for kind, found in magic.items():
        assert world.magic(NAME, kind) == found


def test_chain_is_fetched_again_when_its_end_is_flushed(world):
    magic = world.magic(f"alias.{DOMAIN}")
    world.unbound.control("flush", NAME)
    world.tap.clear()
    assert world.magic(f"alias.{DOMAIN}") == magic
    assert world.tap.queries()


@pytest.mark.parametrize("verb", ["flush_negative", "flush_zone"])
def test_name_that_comes_to_be_is_found(world, nsd, verb):
    for kind in "A", "AAAA", "MX":
        for _ in range(2):
            answer = world.ask_safely(f"later.{DOMAIN}", kind)
            assert answer.rcode() == dns.rcode.NXDOMAIN
    nsd.change(f"{DOMAIN}.", lambda text: text + "later A 10.33.0.9\n")
    try:
        words = [verb] if verb == "flush_negative" else [verb, DOMAIN]
        world.unbound.control(*words)
        world.magic(f"later.{DOMAIN}")
    finally:
        nsd.change(f"{DOMAIN}.", lambda text: text.replace(
            "later A 10.33.0.9\n", ""))
        world.unbound.control("flush_zone", DOMAIN)


@pytest.mark.parametrize("words", [
    ["flush_bogus"], ["flush_zone", f"signed-{DOMAIN}"],
    ["flush", f"bogus.signed-{DOMAIN}"]], ids="-".join)
def test_bogus_name_that_is_mended_is_found(scenario, nsd, words):
    origin = f"signed-{DOMAIN}."
    world = scenario(f"*.signed-{DOMAIN}")
    name = f"bogus.signed-{DOMAIN}"
    for options in {}, {"do": True}, {}:
        assert world.ask_safely(name, **options).rcode() \
            == dns.rcode.SERVFAIL
    # Its signature is for 10.33.4.66.
    nsd.change(origin, lambda text: text.replace("10.33.4.67",
                                                 "10.33.4.66"))
    try:
        assert world.ask_safely(name).rcode() == dns.rcode.SERVFAIL
        world.unbound.control(*words)
        world.magic(name)
    finally:
        nsd.change(origin, lambda text: text.replace("10.33.4.66",
                                                     "10.33.4.67"))
