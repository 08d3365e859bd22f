# SPDX-License-Identifier: BSD-3-Clause
"""With caches of a few kilobytes messages and RRsets are thrown out all the
time, one before the other: matched names get their magic IPs nevertheless
(DESIGN 3 "Caching")."""

import dns.message
import pytest

from harness.ask import addresses, ask_many
from harness.conn25 import is_magic
from harness.zones import bulk_name

NAMES = [bulk_name(n) for n in range(120)]


@pytest.mark.parametrize("extra", [
    "msg-cache-size: 4k\nrrset-cache-size: 4m",
    "msg-cache-size: 4m\nrrset-cache-size: 4k",
    "msg-cache-size: 4k\nrrset-cache-size: 4k\nkey-cache-size: 4k",
    "msg-cache-size: 0\nrrset-cache-size: 0",
], ids=["messages", "rrsets", "both", "none"])
def test(fresh, extra):
    world = fresh(unbound={
        "extra": extra + "\nmsg-cache-slabs: 1\nrrset-cache-slabs: 1"})
    known = {}
    for _ in range(4):
        questions = [(name, "A") for name in NAMES] \
            + [("host.plain.example", "A"), ("wiki.corp.example", "HTTPS")]
        for (name, _), wire in zip(questions, ask_many(world.address,
                                                       questions)):
            answer = dns.message.from_wire(wire)
            if name in NAMES:
                assert all(map(is_magic, addresses(answer))), answer
                known.setdefault(name, set()).add(tuple(addresses(answer)))
    assert all(len(seen) == 1 and () not in seen for seen in known.values())
