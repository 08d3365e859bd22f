# SPDX-License-Identifier: BSD-3-Clause
"""A DNAME on the way leads to magic IPs owned by the queried name, and
neither it nor the CNAME that is made from it is left. The CNAME lives as long
as the DNAME (DESIGN 4.3, RFC 6672 3.1)."""

import dns.rcode
import pytest

from harness import check
from harness.ask import addresses, records

DOMAIN = "dname.example"


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(f"*.m.{DOMAIN}", f"in.{DOMAIN}")


@pytest.mark.parametrize("name, count, ttl", [
    ("host.old.m", 1, 50),      # the DNAME's TTL is the smallest
    ("a.host.old.m", 1, 50),
    ("alias.m", 1, 40),         # CNAME, DNAME
    ("host.twice.m", 1, 30),    # DNAME, DNAME
    ("c1.far.m", 2, 30),        # to another zone, and a CNAME there
])
@pytest.mark.parametrize("options", [{}, {"do": True}, {"cd": True}],
                         ids=["plain", "do", "cd"])
def test(world, name, count, ttl, options):
    qname = f"{name}.{DOMAIN}"
    world.unbound.control("flush_zone", ".")
    for tcp in False, True, False:
        answer = world.ask_safely(qname, tcp=tcp, **options)
        check.rewritten(answer, qname, "A", count)
        assert all(ttl - 2 <= seen <= ttl
                   for _, _, seen, _ in records(answer)), answer


def test_unmatched_owner_of_a_dname_to_a_matched_name(world):
    for _ in range(2):
        world.unbound.control("flush_zone", ".")
        for _ in range(2):
            assert addresses(world.ask(f"in.out.{DOMAIN}")) == ["10.13.0.3"]
            world.magic(f"in.{DOMAIN}")


def test_type_dname_itself(world):
    answer = world.ask_safely(f"old.m.{DOMAIN}", "DNAME")
    assert [t for *_, t in records(answer)] == [f"new.{DOMAIN}."]


def test_missing_name_below_the_target(world):
    for _ in range(2):
        answer = world.ask_safely(f"missing.old.m.{DOMAIN}")
        assert answer.rcode() == dns.rcode.NXDOMAIN
        assert not answer.answer
