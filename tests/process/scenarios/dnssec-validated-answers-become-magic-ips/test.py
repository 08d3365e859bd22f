# SPDX-License-Identifier: BSD-3-Clause
"""Matched names of signed zones, of zones that prove to be unsigned and of
zones without any trust anchor: all of them become magic IPs without AD and
without signatures; the lookups of keys on the way, whose names match too,
reach the validator as they are, and other types tell by AD whether they were
validated (DESIGN 4.3)."""

import dns.flags
import pytest

from harness import check
from harness.ask import records

NAMES = [
    "host.trust.example",               # signed
    "alias.trust.example",
    "x.wild.trust.example",             # from a wildcard, with its denial
    "host.below.trust.example",         # signed, known by its DS
    "down.trust.example",               # CNAME into it
    "host.open.trust.example",          # no DS, and that is proven
    "toopen.trust.example",             # CNAME into it
    "host.noanchor.example",            # nothing known
    "tosigned.noanchor.example",
]


@pytest.fixture(scope="module", params=["", "harden-dnssec-stripped: no",
                                        "val-clean-additional: no"])
def world(scenario_for_all, request):
    return scenario_for_all("*.trust.example", "*.noanchor.example",
                            unbound={"extra": request.param})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rdtype", ["A", "AAAA"])
@pytest.mark.parametrize("options", [{}, {"do": True}, {"ad": True},
                                     {"edns": False, "ad": True}],
                         ids=["plain", "do", "ad", "ad-no-edns"])
def test(world, name, rdtype, options):
    world.unbound.control("flush_zone", ".")
    for tcp in False, True, False:
        check.rewritten(world.ask_safely(name, rdtype, tcp=tcp, **options),
                        name, rdtype, 1)


@pytest.mark.parametrize("name, validated", [
    ("host.trust.example", True), ("host.below.trust.example", True),
    ("alias.trust.example", True), ("x.wild.trust.example", True),
    ("host.open.trust.example", False), ("toopen.trust.example", False),
    ("host.noanchor.example", False), ("tosigned.noanchor.example", False),
])
def test_other_types_say_whether_they_were_validated(world, name, validated):
    for options in {"do": True}, {"ad": True}:
        for address_first in False, True:
            world.unbound.control("flush_zone", ".")
            if address_first:
                world.magic(name, **options)
            for _ in range(2):
                answer = world.ask_safely(name, "TXT", **options)
                assert records(answer, "TXT")
                assert bool(answer.flags & dns.flags.AD) == validated


@pytest.mark.parametrize("zone, kind", [
    ("trust.example", "DNSKEY"), ("trust.example", "NSEC"),
    ("trust.example", "SOA"), ("below.trust.example", "DNSKEY"),
    ("below.trust.example", "DS"), ("below.trust.example", "SOA")])
@pytest.mark.parametrize("names_first", [False, True],
                         ids=["keys-first", "names-first"])
def test_keys_of_a_matched_zone(world, zone, kind, names_first):
    """Clients ask for them as well as the validator does."""
    world.unbound.control("flush_zone", ".")
    if names_first:
        world.magic(f"host.{zone}")
    for tcp in False, True, False:
        answer = world.ask_safely(zone, kind, do=True, tcp=tcp)
        assert records(answer, kind) and records(answer, "RRSIG")
        assert answer.flags & dns.flags.AD
    world.magic(f"host.{zone}")


@pytest.mark.parametrize("zone", ["trust.example", "open.trust.example"])
def test_no_ds_is_no_data(world, zone):
    for _ in range(2):
        check.no_data(world.ask_safely(zone, "DS", do=True))
        world.magic(f"host.{zone}")
