# SPDX-License-Identifier: BSD-3-Clause
"""Destinations in dns.exclude, and always the unspecified, loopback,
link-local and multicast ones, are answered as they are and never assigned;
others beside them become magic (DESIGN 4.3)."""

import pytest

from harness.ask import addresses, records
from harness.conn25 import is_magic

DOMAIN = "exclude.example"


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(f"*.{DOMAIN}", client={"dns": {
        "exclude": ["10.8.1.0/24", "10.8.2.7", "2001:db8:1:8:1::/80"]}})


@pytest.mark.parametrize("name, rdtype, kept, magic", [
    ("nought", "A", ["0.0.0.0"], 0),
    ("nought", "AAAA", ["::"], 0),
    ("loopback", "A", ["127.0.0.1", "127.255.255.254"], 0),
    ("loopback", "AAAA", ["::1"], 0),
    ("link", "A", ["169.254.169.254"], 0),
    ("link", "AAAA", ["fe80::1"], 0),
    ("multicast", "A", ["224.0.0.251", "239.255.255.255"], 0),
    ("multicast", "AAAA", ["ff02::fb"], 0),
    ("mapped", "AAAA", [], 1),      # no IPv4 address
    ("mixed", "A", ["0.0.0.0"], 1),
    ("mixed", "AAAA", ["::"], 1),
    ("ours", "A", ["10.8.1.1", "10.8.1.255", "10.8.2.7"], 0),
    ("ours", "AAAA", ["2001:db8:1:8:1::1"], 0),
    ("near", "A", [], 3),           # just outside the ranges
    ("near", "AAAA", [], 1),
    ("both", "A", ["10.8.1.9"], 2),
    ("alias", "A", ["10.8.1.9"], 2),
    ("farout", "A", ["0.0.0.0"], 0),
])
def test(world, name, rdtype, kept, magic):
    qname = f"{name}.{DOMAIN}"
    for tcp in False, True, False:
        for options in {}, {"edns": False}, {"do": True}, {"cd": True}:
            answer = world.ask(qname, rdtype, tcp=tcp, **options)
            found = addresses(answer)
            assert [a for a in found if not is_magic(a)] == kept
            assert len([a for a in found if is_magic(a)]) == magic
            assert {owner for owner, *_ in records(answer)} == {qname + "."}
            assert not answer.additional
    assigned = {a.destination for a in world.client.assignments()
                if a.domain == qname}
    assert not assigned & set(kept)


def test_exclude_that_changes_at_run_time(scenario):
    world = scenario(f"*.{DOMAIN}")
    for _ in range(3):
        magic = world.magic(f"near.{DOMAIN}")
        world.match(f"*.{DOMAIN}", dns={"exclude": ["10.8.0.0/16"]})
        for _ in range(2):
            assert addresses(world.ask(f"near.{DOMAIN}")) \
                == ["10.8.0.255", "10.8.2.6", "10.8.2.8"]
        world.match(f"*.{DOMAIN}", dns={})
        assert world.magic(f"near.{DOMAIN}") == magic
