# SPDX-License-Identifier: BSD-3-Clause
"""unbound-control dump_cache prints the kept messages too, and load_cache
reads them back: no question of any class and type finds them then (DESIGN 3
"Caching", 4.1)."""

import dns.message
import dns.rdatatype
import pytest

from harness.ask import addresses, exchange, query

DOMAIN = "dump.example"
NAMES = [f"{name}.m.{DOMAIN}" for name in ("host", "alias", "web")]
KINDS = ["A", "AAAA", "HTTPS", "MX", "NS", "ANY"]
# 65300 is that of our own keys; a dump may write it in some other way.
CLASSES = ["IN", "CH", "HS", "NONE", "ANY", "CLASS0", "CLASS65280",
           "CLASS65300", "CLASS65301", "CLASS65534"]


@pytest.fixture(scope="module", params=["dynlib validator iterator",
                                        "dynlib iterator"])
def world(scenario_for_all, request):
    return scenario_for_all(f"*.m.{DOMAIN}", unbound={
        "module": request.param, "extra": "serve-expired: yes"})


def fill(world):
    for name in NAMES:
        for kind in KINDS:
            for options in {}, {"cd": True}:
                world.ask_safely(name, kind, **options)
    assert addresses(world.ask(f"free.{DOMAIN}")) == ["192.0.2.36"]


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("rdclass", CLASSES)
def test_own_dump(world, flushed, rdclass):
    fill(world)
    dump = world.unbound.control("dump_cache")
    assert f"free.{DOMAIN}" in dump and dump.rstrip().endswith("EOF")
    if flushed:
        world.unbound.control("flush_zone", ".")
    world.unbound.control("load_cache", stdin=dump)
    for name in NAMES:
        for kind in KINDS:
            for options in {}, {"cd": True}, {"do": True, "cd": True}:
                for tcp in False, True:
                    world.ask_safely(name, kind, tcp=tcp, rdclass=rdclass,
                                     **options)
    for name in NAMES[:2]:
        world.magic(name)
    assert addresses(world.ask(f"free.{DOMAIN}")) == ["192.0.2.36"]


@pytest.mark.parametrize("kind", ["MAILA", "MAILB", "TYPE128", "AXFR",
                                  "IXFR"])
def test_meta_types(world, kind):
    fill(world)
    world.unbound.control("load_cache",
                          stdin=world.unbound.control("dump_cache"))
    number = dns.rdatatype.from_text(kind).to_bytes(2, "big")
    for rdclass in b"\0\1", b"\xff\x14":        # IN, 65300
        wire = query(NAMES[0], "TXT").to_wire().replace(
            b"\0\x10\0\1", number + rdclass, 1)
        answer = dns.message.from_wire(exchange(world.address, wire))
        assert not answer.answer
