# SPDX-License-Identifier: BSD-3-Clause
"""A response policy zone may act by the address of the nameserver or of the
client: the data that it has for them becomes magic IPs for matched names, for
each client its own, and is not kept for those whom it does not concern (DESIGN
4.1, 3 "Caching")."""

import dns.rcode
import pytest

from harness import zones
from harness.ask import addresses
from harness.conn25 import is_magic

DOMAIN = "trigger.example"
NAME = f"host.m.{DOMAIN}"
OTHER = "127.0.0.3"


def build(scenario, trigger, rdata):
    world = scenario(
        f"*.m.{DOMAIN}", start=("connector", "client"), unbound={
            "module": "dynlib respip validator iterator", "threads": 1,
            "more": "rpz:\n\tname: rpz3.example.\n\tzonefile: rpz.zone\n"})
    with open(f"{world.unbound.dir}/rpz.zone", "w",
              encoding="ascii") as file:
        file.write(zones.head("rpz3.example.") + f"{trigger} {rdata}\n")
    world.unbound.start()
    return world


@pytest.mark.parametrize("rdata, rcode, destination", [
    ("A 10.56.1.1", "NOERROR", "10.56.1.1"),
    ("CNAME .", "NXDOMAIN", None), ("CNAME *.", "NOERROR", None),
    ("CNAME rpz-passthru.", "NOERROR", "10.56.0.1")])
def test_nameserver(scenario, rdata, rcode, destination):
    # All servers of the scenarios are there.
    world = build(scenario, "32.1.0.0.127.rpz-nsip", rdata)
    for tcp in False, True, False:
        for options in {}, {"do": True}, {"cd": True}:
            answer = world.ask_safely(NAME, tcp=tcp, **options)
            assert dns.rcode.to_text(answer.rcode()) == rcode
            assert len(addresses(answer)) == bool(destination), answer
            assert all(map(is_magic, addresses(answer)))
            world.ask_safely(f"mx.m.{DOMAIN}", "MX", **options)
    assert {a.destination for a in world.client.assignments()
            if a.domain == NAME} == ({destination} if destination else set())


@pytest.mark.parametrize("rdata, rcode, destination", [
    ("A 10.56.1.1", "NOERROR", "10.56.1.1"),
    ("CNAME .", "NXDOMAIN", None), ("CNAME *.", "NOERROR", None),
    ("CNAME rpz-passthru.", "NOERROR", "10.56.0.1")])
@pytest.mark.parametrize("first", [OTHER, "127.0.0.1"])
def test_client(scenario, rdata, rcode, destination, first):
    world = build(scenario, "32.3.0.0.127.rpz-client-ip", rdata)
    to = {}
    for source in first, OTHER, "127.0.0.1", OTHER, "127.0.0.1":
        answer = world.ask_safely(NAME, source=source)
        assert all(map(is_magic, addresses(answer)))
        to.setdefault(source, set()).update(addresses(answer))
        if source == OTHER:
            assert dns.rcode.to_text(answer.rcode()) == rcode
    by_magic = {a.magic: a.destination for a in world.client.assignments()}
    assert {by_magic[a] for a in to[OTHER]} \
        == ({destination} if destination else set())
    assert {by_magic[a] for a in to["127.0.0.1"]} == {"10.56.0.1"}
