# SPDX-License-Identifier: BSD-3-Clause
"""response-ip right of us sees the real addresses of matched names and acts on
them, cold and from the cache, for each client by its own rules: redirected
ones become magic for where they are redirected to, denied ones are dropped,
refused ones refused, informed ones stay (DESIGN 3 "Caching")."""

import select
import socket

import dns.rcode
import pytest

from harness import check
from harness.ask import addresses, query
from harness.conn25 import is_magic
from harness.wait import wait_for

DOMAIN = "respip.example"
OTHER = "127.0.0.3"             # a client with a tag
EXTRA = """
response-ip: 10.44.1.0/24 redirect
response-ip-data: 10.44.1.0/24 "A 192.0.2.44"
response-ip: 10.44.2.0/24 always_nxdomain
response-ip: 10.44.3.0/24 always_refuse
response-ip: 10.44.4.0/24 inform
response-ip: 10.44.5.0/24 deny
response-ip: 10.44.6.0/24 always_transparent
response-ip: 10.44.7.0/24 redirect
response-ip-data: 10.44.7.0/24 "A 10.44.0.7"
response-ip: 10.44.8.0/24 redirect
response-ip-data: 10.44.8.0/24 "CNAME host.m.respip.example."
response-ip: 10.44.9.0/24 redirect
response-ip-data: 10.44.9.0/24 "CNAME free.respip.example."
response-ip: 2001:db8:1:44:1::/80 redirect
response-ip-data: 2001:db8:1:44:1::/80 "AAAA 2001:db8:2:44::1"
define-tag: "tagged"
access-control-tag: 127.0.0.3/32 "tagged"
response-ip-tag: 10.44.10.0/24 "tagged"
access-control-tag-action: 127.0.0.3/32 "tagged" redirect
access-control-tag-data: 127.0.0.3/32 "tagged" "A 192.0.2.45"
"""


@pytest.fixture(scope="module", params=["validator iterator", "iterator"])
def world(scenario_for_all, request):
    return scenario_for_all(f"*.m.{DOMAIN}", unbound={
        "module": "dynlib respip " + request.param, "extra": EXTRA,
        "threads": 1})


def destinations(world, name, kind="A"):
    return {a.destination for a in world.client.assignments()
            if a.domain == name and (":" in a.magic) == (kind == "AAAA")}


@pytest.mark.parametrize("name, kind, destination", [
    ("host", "A", "10.44.0.1"),
    ("redirected", "A", "192.0.2.44"), ("redirected", "AAAA",
                                        "2001:db8:2:44::1"),
    ("alias", "A", "192.0.2.44"),
    ("informed", "A", "10.44.4.1"), ("transparent", "A", "10.44.6.1"),
    ("both", "A", "10.44.0.7"),
    ("tocname", "A", "10.44.0.1"), ("tofree", "A", "192.0.2.46"),
])
@pytest.mark.parametrize("options", [{}, {"cd": True}, {"do": True}],
                         ids=["plain", "cd", "do"])
def test_becomes_magic(world, name, kind, destination, options):
    qname = f"{name}.m.{DOMAIN}"
    world.unbound.control("flush_zone", DOMAIN)
    for tcp in False, True, False:
        answer = world.ask_safely(qname, kind, tcp=tcp, **options)
        check.rewritten(answer, qname, kind, 1)
    assert destinations(world, qname, kind) == {destination}


@pytest.mark.parametrize("name, rcode", [
    ("denied", None), ("nxdomain", "NXDOMAIN"), ("refused", "REFUSED")])
def test_gives_nothing(world, name, rcode):
    qname = f"{name}.m.{DOMAIN}"
    world.unbound.control("flush_zone", DOMAIN)
    for _ in range(3):
        if rcode:
            answer = world.ask_safely(qname)
            assert dns.rcode.to_text(answer.rcode()) == rcode
            assert not addresses(answer)
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(world.address)
            before = world.unbound.stats()["total.num.queries"]
            sock.send(query(qname, "A").to_wire())

            def dropped():
                stats = world.unbound.stats()
                return stats["total.num.queries"] > before \
                    and not stats["total.requestlist.current.all"]
            wait_for(dropped, "the query to be dropped")
            assert not select.select([sock], [], [], 0)[0], "an answer came"


def test_each_client_has_its_own(world):
    """One is redirected, the other is not, whoever asked first."""
    qname = f"tagged.m.{DOMAIN}"
    for first in OTHER, "127.0.0.1":
        world.unbound.control("flush_zone", DOMAIN)
        seen = {}
        for source in [first, OTHER, "127.0.0.1", OTHER]:
            answer = world.ask_safely(qname, source=source)
            check.rewritten(answer, qname, "A", 1)
            seen.setdefault(source, set()).update(addresses(answer))
        by_magic = {a.magic: a.destination
                    for a in world.client.assignments()}
        assert {by_magic[a] for a in seen[OTHER]} == {"192.0.2.45"}
        assert {by_magic[a] for a in seen["127.0.0.1"]} == {"10.44.10.1"}


def test_unmatched_names_as_always(world):
    for _ in range(2):
        assert addresses(world.ask(f"freeredirected.{DOMAIN}")) \
            == ["192.0.2.44"]
        assert not any(map(is_magic, addresses(world.ask(f"out.{DOMAIN}"))))


@pytest.mark.parametrize("modules", [
    "respip validator iterator", "respip dns64 validator iterator",
    "dns64 respip validator iterator"])
def test_rules_of_a_view_in_any_order_of_modules(scenario, modules):
    """Also where the answer is kept for clients without rules."""
    world = scenario(f"*.m.{DOMAIN}", unbound={
        "module": "dynlib " + modules, "threads": 1,
        "extra": f'access-control-view: {OTHER}/32 "other"',
        "more": 'view:\n\tname: "other"\n'
                "\tresponse-ip: 10.44.0.0/16 always_nxdomain\n"})
    for _ in range(2):
        world.magic(f"host.m.{DOMAIN}")
        answer = world.ask(f"host.m.{DOMAIN}", source=OTHER)
        assert answer.rcode() == dns.rcode.NXDOMAIN, answer
