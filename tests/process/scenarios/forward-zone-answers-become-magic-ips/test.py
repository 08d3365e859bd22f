# SPDX-License-Identifier: BSD-3-Clause
"""Where Unbound forwards everything to another resolver, matched names get
magic IPs, and what comes in along their way is not left for clients; also with
forward-first and without the validator (DESIGN 3 "Caching")."""

import dns.rcode
import pytest

from harness import check
from harness.ask import addresses

DOMAIN = "forward.example"


@pytest.fixture(scope="module", params=[
    ("dynlib validator iterator", ""), ("dynlib iterator", ""),
    ("dynlib validator iterator", "\tforward-first: yes\n")],
    ids=["validator", "no-validator", "first"])
def world(scenario_for_all, request):
    modules, more = request.param
    world = scenario_for_all(
        f"*.m.{DOMAIN}", start=("connector", "client"),
        unbound={"module": modules, "threads": 1})
    world.unbound.zones = []            # no stub zones
    world.unbound.more = (
        "forward-zone:\n\tname: .\n"
        f"\tforward-addr: 127.0.0.1@{world.tap.port}\n{more}")
    world.unbound.write_conf()
    world.unbound.start()
    world.wait_attached()
    return world


@pytest.mark.parametrize("name, kind, count", [
    ("host", "A", 2), ("host", "AAAA", 1), ("alias", "A", 2),
    ("far", "A", 2), ("x.wild", "A", 1), ("signed", "A", 1)])
@pytest.mark.parametrize("options", [{}, {"do": True}, {"cd": True}],
                         ids=["plain", "do", "cd"])
def test(world, name, kind, count, options):
    qname = f"{name}.m.{DOMAIN}"
    world.unbound.control("flush_zone", ".")
    for tcp in False, True, False:
        check.rewritten(world.ask_safely(qname, kind, tcp=tcp, **options),
                        qname, kind, count)


def test_once_per_ttl(world):
    world.unbound.control("flush_zone", ".")
    world.tap.clear()
    for _ in range(5):
        world.magic(f"host.m.{DOMAIN}")
    assert world.tap.count(f"host.m.{DOMAIN}", "A") == 1


@pytest.mark.parametrize("alias", ["out", "mx"])
def test_nothing_is_left_behind(world, alias):
    world.unbound.control("flush_zone", ".")
    for kind in "A", "MX":
        world.ask(f"{alias}.{DOMAIN}", kind)
    for options in {}, {"do": True}, {"cd": True}:
        for kind in "A", "AAAA":
            world.magic(f"host.m.{DOMAIN}", kind, **options)
    assert addresses(world.ask(f"out.{DOMAIN}")) == ["10.55.0.1",
                                                    "10.55.0.2"]


def test_negative(world):
    for _ in range(2):
        assert world.ask_safely(f"missing.m.{DOMAIN}").rcode() \
            == dns.rcode.NXDOMAIN
        check.no_data(world.ask_safely(f"x.wild.m.{DOMAIN}", "AAAA"))
