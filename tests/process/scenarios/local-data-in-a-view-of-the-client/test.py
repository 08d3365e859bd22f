# SPDX-License-Identifier: BSD-3-Clause
"""Local data in a view is for some clients only; those get magic IPs for it,
the others magic IPs for what is real, whoever asked first (DESIGN 4.1, 4.3).
"""

import pytest

from harness.ask import addresses, records
from harness.conn25 import is_magic

DOMAIN = "view.example"
SEES, OTHER = "127.0.0.3", "127.0.0.1"
VIEW = """
view:
	name: "v"
	view-first: yes
	local-zone: "static.m.view.example" static
	local-data: "static.m.view.example A 10.51.1.1"
	local-data: "host.m.view.example A 10.51.1.2"
	response-ip: 10.51.2.0/24 redirect
	response-ip-data: 10.51.2.0/24 "A 10.51.1.3"
"""


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(f"*.m.{DOMAIN}", unbound={
        "module": "dynlib respip validator iterator", "threads": 1,
        "extra": f"access-control-view: {SEES}/32 v", "more": VIEW})


@pytest.mark.parametrize("name, seen, other", [
    ("static", "10.51.1.1", "10.51.0.1"), ("host", "10.51.1.2", "10.51.0.2"),
    ("ip", "10.51.1.3", "10.51.2.1"), ("same", "10.51.0.3", "10.51.0.3"),
])
@pytest.mark.parametrize("first", [SEES, OTHER])
def test(world, name, seen, other, first):
    qname = f"{name}.m.{DOMAIN}"
    world.unbound.control("flush_zone", DOMAIN)
    magic = {}
    for source in first, SEES, OTHER, SEES:
        for options in {}, {"do": True}, {"cd": True}:
            answer = world.ask_safely(qname, source=source, **options)
            found = addresses(answer)
            assert len(found) == 1 and is_magic(found[0]), answer
            assert {o for o, *_ in records(answer)} == {qname + "."}
            assert magic.setdefault(source, found) == found
    to = {a.magic: a.destination for a in world.client.assignments()}
    assert to[magic[SEES][0]] == seen
    assert to[magic[OTHER][0]] == other
