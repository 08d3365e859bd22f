# SPDX-License-Identifier: BSD-3-Clause
"""What Unbound has of its own for a matched name (local-data in a zone of any
type, from the file or by unbound-control) is answered before any module is
asked. It is rewritten too: addresses become magic IPs, hints go, no bare CNAME
is given; what denies, denies on (DESIGN 4.1, 4.3)."""

import dns.rcode
import pytest

from harness import check
from harness.ask import addresses, all_addresses, records
from harness.conn25 import is_magic

DOMAIN = "local.example"
EXTRA = """
local-zone: "static.m.local.example" static
local-data: "static.m.local.example 500 A 10.46.1.1"
local-data: "static.m.local.example 500 A 10.46.1.2"
local-data: "static.m.local.example AAAA 2001:db8:1:46:1::1"
local-data: "static.m.local.example MX 10 static.m.local.example"
local-data: "static.m.local.example HTTPS 1 . alpn=h2 ipv4hint=10.46.1.1"
local-data: "brief.static.m.local.example 7 A 10.46.1.3"
local-data: "alias.static.m.local.example CNAME free.local.example"
local-zone: "redirect.m.local.example" redirect
local-data: "redirect.m.local.example A 10.46.1.4"
local-data: "host.m.local.example A 10.46.1.5"
local-zone: "typetransparent.m.local.example" typetransparent
local-data: "typetransparent.m.local.example A 10.46.1.6"
local-zone: "transparent.m.local.example" transparent
local-data: "transparent.m.local.example A 10.46.1.7"
local-zone: "inform.m.local.example" inform
local-zone: "null.m.local.example" always_null
local-zone: "nxdomain.m.local.example" always_nxdomain
local-zone: "nodata.m.local.example" always_nodata
local-zone: "refused.m.local.example" always_refuse
local-zone: "through.m.local.example" always_transparent
local-data: "through.m.local.example A 10.46.1.8"
local-data: "free2.local.example A 192.0.2.49"
local-data: "nought.m.local.example A 0.0.0.0"
"""


@pytest.fixture(scope="module", params=["dynlib validator iterator",
                                        "dynlib iterator"])
def world(scenario_for_all, request):
    return scenario_for_all(f"*.m.{DOMAIN}", unbound={
        "module": request.param, "extra": EXTRA})


@pytest.mark.parametrize("name, kind, count", [
    ("static.m", "A", 2), ("static.m", "AAAA", 1),
    ("brief.static.m", "A", 1),
    ("redirect.m", "A", 1), ("x.y.redirect.m", "A", 1),
    ("host.m", "A", 1), ("typetransparent.m", "A", 1),
    ("transparent.m", "A", 1), ("inform.m", "A", 1), ("through.m", "A", 1),
])
@pytest.mark.parametrize("options", [{}, {"do": True}, {"cd": True},
                                     {"edns": False}],
                         ids=["plain", "do", "cd", "no-edns"])
def test_address_becomes_magic(world, name, kind, count, options):
    qname = f"{name}.{DOMAIN}"
    first = None
    for tcp in False, True, False:
        answer = world.ask_safely(qname, kind, tcp=tcp, **options)
        found = records(answer)
        assert [(o, k) for o, k, _, _ in found] \
            == [(qname + ".", kind)] * count
        assert all(is_magic(t) for *_, t in found)
        assert all(ttl <= (7 if "brief" in name else check.MAX_TTL)
                   for _, _, ttl, _ in found)
        assert not answer.authority and not answer.additional
        first = first or addresses(answer)
        assert addresses(answer) == first


@pytest.mark.parametrize("name, kind, rcode, found", [
    ("missing.static.m", "A", "NXDOMAIN", []),
    ("static.m", "TXT", "NOERROR", []),
    ("redirect.m", "AAAA", "NOERROR", []),
    ("null.m", "A", "NOERROR", ["0.0.0.0"]),        # an excluded one
    ("null.m", "AAAA", "NOERROR", ["::"]),
    ("nought.m", "A", "NOERROR", ["0.0.0.0"]),
    ("nxdomain.m", "A", "NXDOMAIN", []),
    ("nodata.m", "A", "NOERROR", []),
    ("refused.m", "A", "REFUSED", []),
])
def test_what_denies_stays(world, name, kind, rcode, found):
    for _ in range(2):
        answer = world.ask_safely(f"{name}.{DOMAIN}", kind)
        assert dns.rcode.to_text(answer.rcode()) == rcode
        assert [t for *_, t in records(answer)] == found


def test_hints_go(world):
    for _ in range(2):
        answer = world.ask_safely(f"static.m.{DOMAIN}", "HTTPS")
        assert [t for *_, t in records(answer)] == ['1 . alpn="h2"']
        assert not all_addresses(answer)


def test_no_bare_cname(world):
    for kind in "A", "AAAA", "HTTPS":
        for _ in range(2):
            answer = world.ask_safely(f"alias.static.m.{DOMAIN}", kind)
            assert not records(answer, "CNAME"), answer


@pytest.mark.parametrize("name", ["static.m", "host.m", "redirect.m"])
@pytest.mark.parametrize("kind", ["ANY", "MX", "TXT", "NS", "SOA", "CNAME"])
def test_other_types_give_no_destination(world, name, kind):
    for options in {}, {"do": True}, {"cd": True}:
        answer = world.ask_safely(f"{name}.{DOMAIN}", kind, **options)
        assert not answer.additional


def test_reverse_is_the_domain(world):
    import dns.reversename
    for magic in world.magic(f"static.m.{DOMAIN}"):
        answer = world.ask(dns.reversename.from_address(magic).to_text(),
                           "PTR")
        assert [t for *_, t in records(answer)] == [f"static.m.{DOMAIN}."]


def test_unmatched_local_data_stays(world):
    for _ in range(2):
        answer = world.ask(f"free2.{DOMAIN}")
        assert addresses(answer) == ["192.0.2.49"]


def test_by_unbound_control(world):
    name = f"later.m.{DOMAIN}"
    world.magic(name)
    world.unbound.control("local_data", name, "A", "10.46.1.9")
    local = world.magic(name)
    world.wait_mapped()
    assert {a.destination for a in world.client.assignments()
            if a.magic in local} == {"10.46.1.9"}
    world.unbound.control("local_data_remove", name)
    assert world.magic(name) != local


def test_connector_learns_them(world):
    world.magic(f"static.m.{DOMAIN}")
    world.wait_mapped()
    assert {a.destination for a in world.client.assignments()
            if a.domain == f"static.m.{DOMAIN}"} \
        >= {"10.46.1.1", "10.46.1.2"}
