# SPDX-License-Identifier: BSD-3-Clause
"""Answers for matched names are cached as any others: upstream is asked once
for as long as the TTL lasts, whoever asks, and again when it has passed; the
magic IPs stay the same (DESIGN 3 "Caching")."""

import pytest

from harness.wait import wait_for

DOMAIN = "once.example"


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(f"*.{DOMAIN}")


@pytest.mark.parametrize("name, kind", [
    ("host", "A"), ("host", "AAAA"), ("alias", "A"), ("far", "A"),
    ("host", "MX"), ("host", "TXT"), ("web", "HTTPS")])
def test_once(world, name, kind):
    qname = f"{name}.{DOMAIN}"
    world.unbound.control("flush_zone", ".")
    world.tap.clear()
    for number in range(20):
        # The validator is content with all of them: nothing is signed.
        world.ask_safely(qname, kind, tcp=number % 2 == 1,
                         do=number % 3 == 1,
                         # Unbound keeps AAAA with CD apart, for DNS64.
                         cd=number % 5 == 1 and kind != "AAAA")
    assert world.tap.count(qname, kind) == 1
    assert max(world.tap.queries(kind).values()) == 1


def test_again_when_the_ttl_has_passed(world):
    first = {kind: world.magic(f"brief.{DOMAIN}", kind)
             for kind in ("A", "AAAA")}
    world.tap.clear()

    def asked_again():
        for kind, magic in first.items():
            assert world.magic(f"brief.{DOMAIN}", kind) == magic
        return all(world.tap.count(f"brief.{DOMAIN}", kind)
                   for kind in first)
    wait_for(asked_again, "the second query for an answer of 1 s", 6)


def test_each_time_without_ttl(world):
    first = world.magic(f"zero.{DOMAIN}")
    world.tap.clear()
    wait_for(lambda: world.magic(f"zero.{DOMAIN}") == first
             and world.tap.count(f"zero.{DOMAIN}", "A") >= 2,
             "a second query for an answer of 0 s", 6)


def test_changed_destination_has_a_magic_ip_of_its_own(world, nsd):
    before = world.magic(f"moving.{DOMAIN}")
    nsd.change(f"{DOMAIN}.",
               lambda text: text.replace("10.32.0.4", "10.32.0.5"))
    try:
        def other():
            found = world.magic(f"moving.{DOMAIN}")
            return found if found != before else None
        wait_for(other, "another magic IP", 8)
        world.wait_mapped()
        assert {a.destination for a in world.client.assignments()
                if a.domain == f"moving.{DOMAIN}"} \
            == {"10.32.0.4", "10.32.0.5"}
    finally:
        nsd.change(f"{DOMAIN}.",
                   lambda text: text.replace("10.32.0.5", "10.32.0.4"))
