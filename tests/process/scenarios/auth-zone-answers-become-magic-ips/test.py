# SPDX-License-Identifier: BSD-3-Clause
"""Names of a zone that Unbound itself holds: for-downstream answers them
before any module is asked, for-upstream without any query to a server. Both
ways matched names get magic IPs and nothing real is left behind, and
unmatched ones are as always (DESIGN 4.1, 3 "Caching")."""

import dns.flags
import dns.rcode
import pytest

from harness import zones
from harness.ask import addresses, all_addresses, records
from harness.conn25 import is_magic

DOMAIN = "held.example"
ZONE = """
@           NS      ns.m
ns.m        A       10.54.0.9
host.m      500 A   10.54.0.1
host.m      500 A   10.54.0.2
host.m      AAAA    2001:db8:1:54::1
host.m      MX      10 mail.m
host.m      HTTPS   1 . alpn=h2 ipv4hint=10.54.0.1
mail.m      A       10.54.0.3
alias.m     CNAME   host.m
far.m       CNAME   c1.cdn.example.
*.wild.m    A       10.54.0.4
nought.m    A       0.0.0.0
old.m       DNAME   new
host.new    A       10.54.0.5
out         CNAME   host.m
free        A       192.0.2.57
mxfree      MX      10 mail.m
"""


@pytest.fixture(scope="module", params=[("yes", "yes"), ("yes", "no"),
                                        ("no", "yes")],
                ids=["both", "downstream", "upstream"])
def world(scenario_for_all, request):
    down, up = request.param
    world = scenario_for_all(
        f"*.m.{DOMAIN}", start=("connector", "client"), unbound={
            "threads": 1, "extra": "minimal-responses: no",
            "more": f"auth-zone:\n\tname: {DOMAIN}\n\tzonefile: held.zone\n"
                    f"\tfor-downstream: {down}\n\tfor-upstream: {up}\n"})
    with open(f"{world.unbound.dir}/held.zone", "w",
              encoding="ascii") as file:
        file.write(zones.head(f"{DOMAIN}.") + ZONE)
    world.unbound.start()
    world.wait_attached()
    world.downstream = down == "yes"
    return world


VARIANTS = pytest.mark.parametrize(
    "options", [{}, {"do": True}, {"cd": True}, {"edns": False}],
    ids=["plain", "do", "cd", "no-edns"])


@pytest.mark.parametrize("name, kind, count", [
    ("host.m", "A", 2), ("host.m", "AAAA", 1), ("alias.m", "A", 2),
    ("x.wild.m", "A", 1), ("host.old.m", "A", 1), ("ns.m", "A", 1),
    ("mail.m", "A", 1)])
@VARIANTS
def test_address_becomes_magic(world, name, kind, count, options):
    qname = f"{name}.{DOMAIN}"
    for tcp in False, True, False:
        answer = world.ask_safely(qname, kind, tcp=tcp, **options)
        found = records(answer)
        assert [(o, k) for o, k, _, _ in found] \
            == [(qname + ".", kind)] * count, answer
        assert all(is_magic(t) and ttl <= 300 for _, _, ttl, t in found)
        assert not answer.authority and not answer.additional


def test_chain_that_leaves_the_zone(world):
    """An authoritative answer ends there: no bare CNAME."""
    for _ in range(2):
        answer = world.ask_safely(f"far.m.{DOMAIN}")
        assert not records(answer, "CNAME"), answer
        assert all(map(is_magic, all_addresses(answer)))


@pytest.mark.parametrize("name, kind, rcode", [
    ("missing.m", "A", "NXDOMAIN"), ("host.m", "TXT", "NOERROR"),
    ("mail.m", "AAAA", "NOERROR"), ("x.host.m", "A", "NXDOMAIN")])
def test_what_is_not_there(world, name, kind, rcode):
    for options in {}, {"do": True}, {"cd": True}:
        answer = world.ask_safely(f"{name}.{DOMAIN}", kind, **options)
        assert dns.rcode.to_text(answer.rcode()) == rcode
        assert not addresses(answer)


@VARIANTS
def test_other_types(world, options):
    for _ in range(2):
        answer = world.ask_safely(f"host.m.{DOMAIN}", "MX", **options)
        assert [t for *_, t in records(answer)] == [f"10 mail.m.{DOMAIN}."]
        assert not answer.additional
        answer = world.ask_safely(f"host.m.{DOMAIN}", "HTTPS", **options)
        assert [t for *_, t in records(answer)] == ['1 . alpn="h2"']
        answer = world.ask_safely(f"host.m.{DOMAIN}", "ANY", **options)
        assert [t for *_, t in records(answer)] == ['"RFC8482" ""']
        answer = world.ask_safely(f"nought.m.{DOMAIN}", **options)
        assert addresses(answer) == ["0.0.0.0"]


def test_without_recursion(world):
    """An authoritative server answers that too."""
    from harness.ask import exchange, query
    message = query(f"host.m.{DOMAIN}", "A")
    message.flags &= ~dns.flags.RD
    answer = dns.message.from_wire(exchange(world.address,
                                            message.to_wire()))
    assert all(map(is_magic, all_addresses(answer)))
    assert bool(addresses(answer)) == world.downstream


@pytest.mark.parametrize("options", [{}, {"cd": True}], ids=["plain", "cd"])
def test_unmatched_names_have_what_is_real(world, options):
    for _ in range(3):
        assert addresses(world.ask(f"out.{DOMAIN}", **options)) \
            == ["10.54.0.1", "10.54.0.2"]
        world.magic(f"host.m.{DOMAIN}", **options)
        assert addresses(world.ask(f"free.{DOMAIN}", **options)) \
            == ["192.0.2.57"]
        world.ask(f"mxfree.{DOMAIN}", "MX", **options)
        world.ask(DOMAIN, "NS", **options)
        for name in "mail.m", "ns.m":
            world.magic(f"{name}.{DOMAIN}", **options)
