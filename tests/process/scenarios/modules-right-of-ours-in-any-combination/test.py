# SPDX-License-Identifier: BSD-3-Clause
"""Ours is the first module; whatever stands right of it, matched names get
magic IPs, from upstream and from the cache, and unmatched ones what they are
(DESIGN 3 "Caching")."""

import pytest

from harness.ask import addresses
from harness.conn25 import is_magic


@pytest.mark.parametrize("modules", [
    "iterator", "validator iterator", "respip iterator",
    "respip validator iterator", "dns64 validator iterator",
    "dns64 respip validator iterator", "respip dns64 validator iterator",
    "validator respip iterator", "dns64 respip iterator"])
def test(fresh, modules):
    world = fresh(unbound={"module": "dynlib " + modules})
    for name in ("v4.wiki.corp.example", "wiki.corp.example",
                 "chain.wiki.corp.example", "secure.signed.example"):
        for _ in range(2):
            for options in {}, {"cd": True}, {"do": True}:
                world.magic(name, **options)
                answer = world.ask_safely(name, "AAAA", **options)
                assert all(map(is_magic, addresses(answer))), answer
                world.ask_safely(name, "HTTPS", **options)
    assert addresses(world.ask("host.plain.example", "AAAA")) \
        == ["2001:db8:2::2"]
    assert addresses(world.ask("tomatched.plain.example")) == ["10.1.0.3"]
