# SPDX-License-Identifier: BSD-3-Clause
"""With no address left in a pool new names get SERVFAIL with an Extended DNS
Error, never the destination; what was given out stays, nothing leaks from the
other pool, it is logged once a minute at most, and more pool helps at once
(DESIGN 4.1, 4.4)."""

import json

import dns.rcode
import pytest

from harness import check
from harness.ask import addresses
from harness.conn25 import POOLS
from harness.wait import wait_for


@pytest.mark.parametrize("rdtype, kind, prefix", [
    ("A", "v4MagicIPPool", "28"), ("A", "v4TransitIPPool", "28"),
    ("AAAA", "v6MagicIPPool", "124"), ("AAAA", "v6TransitIPPool", "124"),
])
def test(scenario, rdtype, kind, prefix):
    small = f"{POOLS[kind][0].split('/')[0]}/{prefix}"
    world = scenario("*.exhausted.example",
                     client={"pools": dict(POOLS, **{kind: [small]})})
    good, failed = {}, []
    for number in range(12):
        name = f"n{number}.exhausted.example"
        answer = world.ask_safely(name, rdtype)
        if answer.rcode() == dns.rcode.NOERROR:
            check.rewritten(answer, name, rdtype, 2)
            good[name] = addresses(answer)
        else:
            check.servfail(answer)
            failed.append(name)
    assert 5 <= len(good) <= 8 and len(failed) >= 4, (good, failed)

    for options in {}, {"do": True}, {"cd": True}, {"edns": False}:
        for name in failed:
            check.servfail(world.ask_safely(name, rdtype, **options))
    for name, magic in good.items():
        assert world.magic(name, rdtype) == magic
    other = {"A": "AAAA", "AAAA": "A"}[rdtype]
    world.magic("wiki.corp.example", other)

    stats = world.client.stats()
    assert stats["total.num.servfail"] == 5 * len(failed)
    family = kind[:2]
    in_use = 2 * len(good) + (2 if rdtype == "A" else 0)    # and wiki's
    assert stats[f"pool.{family}magic.inuse"] \
        == stats[f"pool.{family}transit.inuse"] == in_use
    log = world.unbound.process.log()
    assert log.count(f"{kind} is exhausted") == 1, log

    said = f"{kind} is exhausted"
    wait_for(lambda: f"\ndegraded: {said}" in
             world.client.control("status"), "that to be shown")
    status = json.loads(world.client.control("status", "--json"))
    assert status["ready"] and len(status["degraded"]) == 1
    assert world.client.process.log().count(said) == 1

    world.client.configure(dict(world.client.config, pools=POOLS))
    world.client.reload()
    for name in failed:
        wait_for(lambda: addresses(world.ask_safely(name, rdtype)),
                 f"{name} to work again")
        check.rewritten(world.ask_safely(name, rdtype), name, rdtype, 2)
    for name, magic in good.items():
        assert world.magic(name, rdtype) == magic
    assert json.loads(world.client.control(
        "status", "--json"))["degraded"] == []
