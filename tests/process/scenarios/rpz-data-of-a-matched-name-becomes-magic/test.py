# SPDX-License-Identifier: BSD-3-Clause
"""A response policy zone may have data for a matched name: its addresses
become magic IPs. What it denies is denied, what it lets pass is as without it,
and what acts on the addresses of an answer sees the real ones; all of it cold
and cached, with rpz-log too (DESIGN 4.1, 4.3, 3 "Caching")."""

import select
import socket

import dns.flags
import dns.rcode
import pytest

from harness import check, zones
from harness.ask import addresses, all_addresses, query, records
from harness.conn25 import is_magic
from harness.wait import wait_for

DOMAIN = "policyzone.example"
RPZ = """
data.m.{d}          A       10.52.1.1
data.m.{d}          A       10.52.1.2
data.m.{d}          AAAA    2001:db8:1:52:1::1
data.m.{d}          MX      10 data.m.{d}.
data.m.{d}          HTTPS   1 . alpn=h2 ipv4hint=10.52.1.1
*.wild.m.{d}        A       10.52.1.3
nought.m.{d}        A       0.0.0.0
nxdomain.m.{d}      CNAME   .
nodata.m.{d}        CNAME   *.
passthru.m.{d}      CNAME   rpz-passthru.
drop.m.{d}          CNAME   rpz-drop.
tcponly.m.{d}       CNAME   rpz-tcp-only.
cname.m.{d}         CNAME   free.{d}.
cnamein.m.{d}       CNAME   passthru.m.{d}.
free2.{d}           A       192.0.2.53
24.0.2.52.10.rpz-ip A       10.52.1.4
24.0.3.52.10.rpz-ip CNAME   .
24.0.4.52.10.rpz-ip CNAME   *.
24.0.5.52.10.rpz-ip CNAME   rpz-passthru.
24.0.6.52.10.rpz-ip CNAME   free.{d}.
""".format(d=DOMAIN)


@pytest.fixture(scope="module", params=["validator iterator", "iterator"])
def world(scenario_for_all, request):
    world = scenario_for_all(
        f"*.m.{DOMAIN}", start=("connector", "client"), unbound={
            "module": "dynlib respip " + request.param, "threads": 1,
            "more": "rpz:\n\tname: rpz.example.\n\tzonefile: rpz.zone\n"
                    "\trpz-log: yes\n\trpz-log-name: \"by policy\"\n"})
    with open(f"{world.unbound.dir}/rpz.zone", "w",
              encoding="ascii") as file:
        file.write(zones.head("rpz.example.") + RPZ)
    world.unbound.start()
    world.wait_attached()
    return world


VARIANTS = pytest.mark.parametrize(
    "options", [{}, {"do": True}, {"cd": True}, {"edns": False}],
    ids=["plain", "do", "cd", "no-edns"])


@pytest.mark.parametrize("name, kind, expected", [
    ("data", "A", ["10.52.1.1", "10.52.1.2"]),
    ("data", "AAAA", ["2001:db8:1:52:1::1"]),
    ("x.wild", "A", ["10.52.1.3"]),
    ("passthru", "A", ["10.52.0.1"]),
    ("ipdata", "A", ["10.52.1.4"]),         # by the address in the answer
    ("ippassthru", "A", ["10.52.5.1"]),
    ("none", "A", ["10.52.0.2"]),           # not in the zone at all
    ("aliasip", "A", ["10.52.1.4"]),
])
@VARIANTS
def test_address_becomes_magic(world, name, kind, expected, options):
    qname = f"{name}.m.{DOMAIN}"
    world.unbound.control("flush_zone", DOMAIN)
    for tcp in False, True, False:
        answer = world.ask_safely(qname, kind, tcp=tcp, **options)
        found = records(answer)
        assert [(o, k) for o, k, _, _ in found] \
            == [(qname + ".", kind)] * len(expected), answer
        assert all(is_magic(t) for *_, t in found)
        assert not answer.authority and not answer.additional
    assert sorted(a.destination for a in world.client.assignments()
                  if a.domain == qname
                  and (":" in a.magic) == (kind == "AAAA")) == expected


@pytest.mark.parametrize("name, rcode", [
    ("nxdomain", "NXDOMAIN"), ("nodata", "NOERROR"),
    ("ipnxdomain", "NXDOMAIN"), ("ipnodata", "NOERROR")])
@VARIANTS
def test_what_denies_stays(world, name, rcode, options):
    world.unbound.control("flush_zone", DOMAIN)
    for tcp in False, True, False:
        for kind in "A", "AAAA" if "ip" not in name else "A":
            answer = world.ask_safely(f"{name}.m.{DOMAIN}", kind, tcp=tcp,
                                      **options)
            assert dns.rcode.to_text(answer.rcode()) == rcode
            assert not answer.answer


def test_excluded_address_stays(world):
    for _ in range(2):
        answer = world.ask_safely(f"nought.m.{DOMAIN}")
        assert addresses(answer) == ["0.0.0.0"]


def test_hints_go(world):
    for _ in range(2):
        answer = world.ask_safely(f"data.m.{DOMAIN}", "HTTPS")
        assert [t for *_, t in records(answer)] == ['1 . alpn="h2"']


@pytest.mark.parametrize("name, magic", [("cname", False), ("ipcname", True)])
@pytest.mark.parametrize("target_first", [False, True],
                         ids=["cold", "target-cached"])
@VARIANTS
def test_cname_leads_to_its_target(world, name, magic, target_first, options):
    """If it is for the name, Unbound asks for the target in its place (README,
    "Limits"); if it is for an address, the answer is the queried name's."""
    world.unbound.control("flush_zone", DOMAIN)
    if target_first:
        assert addresses(world.ask(f"free.{DOMAIN}")) == ["192.0.2.52"]
    for tcp in False, True, False:
        answer = world.ask(f"{name}.m.{DOMAIN}", tcp=tcp, **options)
        if magic:
            check.rewritten(answer, f"{name}.m.{DOMAIN}", "A", 1)
        else:
            assert addresses(answer) == ["192.0.2.52"], answer
    assert addresses(world.ask(f"free.{DOMAIN}")) == ["192.0.2.52"]


def test_cname_to_a_matched_name(world):
    world.unbound.control("flush_zone", DOMAIN)
    for _ in range(2):
        answer = world.ask_safely(f"cnamein.m.{DOMAIN}")
        assert all(map(is_magic, all_addresses(answer)))
        world.magic(f"passthru.m.{DOMAIN}")


def test_drop(world):
    for _ in range(2):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(world.address)
            before = world.unbound.stats()["total.num.queries"]
            sock.send(query(f"drop.m.{DOMAIN}", "A").to_wire())
            wait_for(lambda: world.unbound.stats()["total.num.queries"]
                     > before, "the query to come in")
            assert not world.unbound.stats()["total.requestlist.current.all"]
            assert not select.select([sock], [], [], 0)[0]


def test_tcp_only(world):
    name = f"tcponly.m.{DOMAIN}"
    for _ in range(2):
        answer = world.ask_safely(name)
        assert answer.flags & dns.flags.TC and not answer.answer
        check.rewritten(world.ask_safely(name, tcp=True), name, "A", 1)


def test_unmatched_names_as_always(world):
    for _ in range(2):
        assert addresses(world.ask(f"free2.{DOMAIN}")) == ["192.0.2.53"]
        assert addresses(world.ask(f"toip.{DOMAIN}")) == ["10.52.1.4"]


def test_it_is_logged(world):
    world.unbound.control("flush_zone", DOMAIN)
    for name in "data", "ipdata":
        begin = len(world.unbound.process.log())
        world.ask_safely(f"{name}.m.{DOMAIN}")
        world.unbound.process.wait_log(r"rpz: applied.*by policy",
                                       since=begin)
