# SPDX-License-Identifier: BSD-3-Clause
"""The PTR of a magic IP is its domain while it is assigned, NXDOMAIN for the
rest of the pool, in both families; upstream never sees such a question, and
what is outside the pools goes there as always (DESIGN 4.3)."""

import ipaddress

import dns.rcode
import dns.reversename
import pytest

from harness import check
from harness.ask import records

DOMAIN = "reverse.example"
FREE = ["100.64.255.254", "100.64.255.255", "fd25:1::ffff:1",
        "fd25:1::ffff:ffff:ffff:ffff"]


def reverse(address):
    return dns.reversename.from_address(str(address)).to_text()


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(f"*.{DOMAIN}")


def check_domain(world, magic, name, **options):
    for tcp in False, True:
        answer = world.ask_safely(reverse(magic), "PTR", tcp=tcp, **options)
        assert answer.rcode() == dns.rcode.NOERROR
        assert [(o, t) for o, _, _, t in records(answer, "PTR")] \
            == [(reverse(magic), name + ".")]


@pytest.mark.parametrize("name, kind", [
    ("host", "A"), ("host", "AAAA"), ("alias", "A"), ("alias", "AAAA"),
    ("", "A"), (r"a\.b\000c", "A")])
@pytest.mark.parametrize("options", [{}, {"edns": False}, {"do": True},
                                     {"cd": True}],
                         ids=["plain", "no-edns", "do", "cd"])
def test_of_an_assigned_one(world, name, kind, options):
    qname = f"{name}.{DOMAIN}".lstrip(".")
    for magic in world.magic(qname, kind):
        world.tap.clear()
        check_domain(world, magic, qname, **options)
        for other in "A", "TXT", "NS", "HTTPS":
            check.no_data(world.ask(reverse(magic), other))
        assert not world.tap.queries(), "asked upstream"


@pytest.mark.parametrize("address", FREE)
def test_of_a_free_one(world, address):
    world.tap.clear()
    for kind in "PTR", "A", "TXT", "NS", "SOA", "DS", "CNAME", "ANY":
        for options in {}, {"do": True}, {"cd": True}:
            for _ in range(2):
                answer = world.ask(reverse(address), kind, **options)
                assert answer.rcode() == dns.rcode.NXDOMAIN
                assert not answer.answer
    assert not world.tap.queries(), "asked upstream"


def test_nxdomain_is_not_remembered(world):
    """Who was NXDOMAIN has a name as soon as it is assigned."""
    name = f"later.{DOMAIN}"
    taken = [int(ipaddress.ip_address(a.magic))
             for a in world.client.assignments() if "." in a.magic]
    for number in range(max(taken) + 1, max(taken) + 20):
        answer = world.ask(reverse(ipaddress.ip_address(number)), "PTR")
        assert answer.rcode() == dns.rcode.NXDOMAIN
    for magic in world.magic(name):
        assert int(ipaddress.ip_address(magic)) <= max(taken) + 20
        check_domain(world, magic, name)


def test_dropped_one_is_nxdomain_again(world):
    name = f"dropped.{DOMAIN}"
    for magic in world.magic(name):
        check_domain(world, magic, name)
        world.client.control("drop", name)
        answer = world.ask(reverse(magic), "PTR")
        assert answer.rcode() == dns.rcode.NXDOMAIN


def test_name_in_other_case_and_class(world):
    magic, = world.magic(f"host.{DOMAIN}", "AAAA")
    name = reverse(magic).upper()
    for _ in range(2):
        answer = world.ask(name, "PTR")
        assert records(answer)[0][0] == name
    for rdclass in "CH", "CLASS65300":
        assert not world.ask(name, "PTR", rdclass=rdclass).answer
    assert world.ask(name, "PTR", rdclass="ANY").rcode() \
        == dns.rcode.REFUSED


def test_outside_the_pools_goes_upstream(world):
    answer = world.ask("7.8.6.5.in-addr.arpa", "PTR")
    assert [t for *_, t in records(answer)] == ["host.plain.example."]


def test_transit_ips_and_destinations_have_none_of_ours(world):
    world.magic(f"host.{DOMAIN}")
    for assignment in world.client.assignments():
        for address in assignment.transit, assignment.destination:
            answer = world.ask(reverse(address), "PTR")
            assert DOMAIN not in str(answer.answer)
