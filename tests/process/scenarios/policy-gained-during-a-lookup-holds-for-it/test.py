# SPDX-License-Identifier: BSD-3-Clause
"""A policy may gain a name while a lookup of it waits for upstream: its client
gets magic IPs or SERVFAIL, and what the lookup stores is nothing that a later
client could get (DESIGN 3 "Caching", 6)."""

import threading

import dns.rcode
import pytest

from harness.ask import all_addresses
from harness.conn25 import is_magic
from harness.wait import wait_for

DOMAIN = "midway.example"
HOST, ALIAS = f"host.m.{DOMAIN}", f"alias.m.{DOMAIN}"
MATCHED = [HOST, ALIAS, f"far.m.{DOMAIN}"]
VARIANTS = [{}, {"do": True}, {"cd": True}]


@pytest.fixture(scope="module", params=[
    "dynlib validator iterator", "dynlib iterator",
    "dynlib respip dns64 validator iterator"])
def world(scenario_for_all, request):
    return scenario_for_all("nothing.example", unbound={
        "module": request.param, "threads": 1})


@pytest.mark.parametrize("asked, held", [
    (HOST, HOST),
    (ALIAS, ALIAS),
    (f"far.m.{DOMAIN}", "c2.cdn.example"),  # at the end of its chain
    (f"out.{DOMAIN}", f"out.{DOMAIN}"),     # unmatched, leads to one
    (f"below.host.m.{DOMAIN}", HOST),       # a step on the way
])
@pytest.mark.parametrize("kind", ["A", "AAAA", "HTTPS"])
@pytest.mark.parametrize("options", VARIANTS, ids=["plain", "do", "cd"])
def test(world, asked, held, kind, options):
    world.match("nothing.example")
    world.unbound.control("flush_zone", ".")
    world.tap.hold(held)
    answers = []

    def ask():
        answers.append(world.ask(asked, kind, **options))
    thread = threading.Thread(target=ask)
    thread.start()
    wait_for(lambda: world.tap.held, "the lookup to wait")
    world.match(*MATCHED)
    world.tap.release()
    thread.join()
    if asked in MATCHED:
        assert answers[0].rcode() in (dns.rcode.NOERROR, dns.rcode.SERVFAIL)
        assert all(map(is_magic, all_addresses(answers[0]))), answers[0]
    for name in MATCHED:
        for again in VARIANTS:
            for rdtype in "A", "AAAA":
                world.magic(name, rdtype, **again)
            world.ask_safely(name, "HTTPS", **again)
