# SPDX-License-Identifier: BSD-3-Clause
"""Unbound's own empty reverse zones (100.64.0.0/10, fd00::/8: AS112) don't
stand before the PTR of a magic IP: nobody has to write "nodefault" for them,
and what is outside the pools stays NXDOMAIN as they say (DESIGN 4.3)."""

import dns.rcode
import dns.reversename
import pytest

from harness.ask import records


def reverse(address):
    return dns.reversename.from_address(address).to_text()


@pytest.fixture(scope="module")
def world(scenario_for_all):
    world = scenario_for_all("*.reverse.example",
                             start=("connector", "client"))
    with open(world.unbound.conf, encoding="ascii") as file:
        text = file.read()
    assert text.count("nodefault") == 2
    with open(world.unbound.conf, "w", encoding="ascii") as file:
        file.write("".join(line for line in text.splitlines(True)
                           if "nodefault" not in line))
    world.unbound.start()
    world.wait_attached()
    return world


@pytest.mark.parametrize("kind", ["A", "AAAA"])
@pytest.mark.parametrize("options", [{}, {"edns": False}, {"do": True},
                                     {"cd": True}],
                         ids=["plain", "no-edns", "do", "cd"])
def test_assigned(world, kind, options):
    for magic in world.magic("host.reverse.example", kind):
        for tcp in False, True, False:
            answer = world.ask(reverse(magic), "PTR", tcp=tcp, **options)
            assert answer.rcode() == dns.rcode.NOERROR
            assert [t for *_, t in records(answer)] \
                == ["host.reverse.example."]


@pytest.mark.parametrize("address", [
    "100.64.255.254", "fd25:1::ffff:1",         # free
    "100.65.0.1", "fd25:7::1", "192.168.1.1"])  # not in the pools
def test_nxdomain(world, address):
    world.tap.clear()
    for _ in range(2):
        answer = world.ask(reverse(address), "PTR")
        assert answer.rcode() == dns.rcode.NXDOMAIN
        assert not answer.answer
    assert not world.tap.queries("PTR"), "asked upstream"
