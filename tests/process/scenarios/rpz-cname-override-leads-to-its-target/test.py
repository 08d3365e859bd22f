# SPDX-License-Identifier: BSD-3-Clause
"""rpz-action-override: cname sends every name of a policy zone to one host. If
the zone has the name, Unbound asks for the host in its place, and the host
decides; if it has an address of the answer, the answer is the queried name's,
with magic IPs. With another action it is as with that (DESIGN 4.1; README,
"Limits")."""

import dns.rcode
import pytest

from harness import check, zones
from harness.ask import addresses

DOMAIN = "override.example"


def build(scenario, override):
    world = scenario(
        f"*.m.{DOMAIN}", start=("connector", "client"), unbound={
            "module": "dynlib respip validator iterator", "threads": 1,
            "more": "rpz:\n\tname: rpz2.example.\n\tzonefile: rpz.zone\n"
                    f"\trpz-action-override: {override}\n"
                    f"\trpz-cname-override: walled.{DOMAIN}\n"})
    with open(f"{world.unbound.dir}/rpz.zone", "w",
              encoding="ascii") as file:
        file.write(zones.head("rpz2.example.")
                   + f"host.m.{DOMAIN} A 10.53.1.1\n"
                     f"free.{DOMAIN} A 192.0.2.56\n"
                     "24.0.2.53.10.rpz-ip A 10.53.1.2\n")
    world.unbound.start()
    world.wait_attached()
    return world


@pytest.mark.parametrize("name, magic", [("host.m", False), ("ip.m", True)])
@pytest.mark.parametrize("cached", [False, True], ids=["cold", "cached"])
def test_cname(scenario, name, magic, cached):
    world = build(scenario, "cname")
    if cached:
        assert addresses(world.ask(f"walled.{DOMAIN}")) == ["192.0.2.54"]
    for tcp in False, True, False:
        for options in {}, {"do": True}, {"cd": True}:
            answer = world.ask(f"{name}.{DOMAIN}", tcp=tcp, **options)
            if magic:
                check.rewritten(answer, f"{name}.{DOMAIN}", "A", 1)
            else:
                assert addresses(answer) == ["192.0.2.54"], answer
    assert addresses(world.ask(f"walled.{DOMAIN}")) == ["192.0.2.54"]
    assert addresses(world.ask(f"free.{DOMAIN}")) == ["192.0.2.54"]


@pytest.mark.parametrize("override, rcode, magic", [
    ("nxdomain", "NXDOMAIN", False), ("nodata", "NOERROR", False),
    ("passthru", "NOERROR", True), ("disabled", "NOERROR", True)])
def test_others(scenario, override, rcode, magic):
    world = build(scenario, override)
    for name in f"host.m.{DOMAIN}", f"ip.m.{DOMAIN}":
        for options in {}, {"do": True}, {"cd": True}:
            answer = world.ask_safely(name, **options)
            assert dns.rcode.to_text(answer.rcode()) == rcode
            assert len(addresses(answer)) == magic
