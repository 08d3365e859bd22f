# SPDX-License-Identifier: BSD-3-Clause
"""rpz-action-override: cname sends every name of a policy zone to one host. A
matched name among them gets magic IPs or a failure, never the addresses of
that host, and whether the host is in the cache makes no difference; with
another action it is as with that (DESIGN 4.1, 4.2)."""

import dns.rcode
import pytest

from harness import zones
from harness.ask import addresses, all_addresses, records
from harness.conn25 import is_magic

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


@pytest.mark.parametrize("name", ["host.m", "ip.m"])
@pytest.mark.parametrize("cached", [False, True], ids=["cold", "cached"])
def test_cname(scenario, name, cached):
    world = build(scenario, "cname")
    if cached:
        assert addresses(world.ask(f"walled.{DOMAIN}")) == ["192.0.2.54"]
    for tcp in False, True, False:
        for options in {}, {"do": True}, {"cd": True}:
            answer = world.ask(f"{name}.{DOMAIN}", tcp=tcp, **options)
            assert all(map(is_magic, all_addresses(answer))), answer
            assert addresses(answer) \
                or answer.rcode() == dns.rcode.SERVFAIL
            assert not records(answer, "CNAME"), answer
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
