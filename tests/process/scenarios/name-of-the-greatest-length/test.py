# SPDX-License-Identifier: BSD-3-Clause
"""Names may have 255 octets, labels 63 and there may be 127 of them: such a
name is matched, answered and known in reverse like any other (RFC 1035 2.3.4).
"""

import dns.name
import dns.reversename
import pytest

from harness import check
from harness.ask import addresses, exchange, query, records

ORIGIN = "limit.example"        # 15 octets on the wire
LONG = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 47, ORIGIN])
DEEP = ".".join(["x"] * 126 + ["n"])
LABEL = "l" * 63 + "." + ORIGIN
NAMES = {"255-octets": LONG, "127-labels": DEEP, "63-octets": LABEL}


def test_they_are_as_long_as_they_say():
    assert len(dns.name.from_text(LONG).to_wire()) == 255
    assert len(dns.name.from_text(DEEP).to_wire()) == 255
    assert DEEP.count(".") == 126


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(f"*.{ORIGIN}", "*.x.n", LONG)


@pytest.mark.parametrize("which", NAMES)
@pytest.mark.parametrize("kind", ["A", "AAAA"])
@pytest.mark.parametrize("options", [{}, {"do": True}, {"cd": True}],
                         ids=["plain", "do", "cd"])
def test(world, which, kind, options):
    name = NAMES[which]
    world.unbound.control("flush_zone", ".")
    for tcp in False, True, False:
        check.rewritten(world.ask_safely(name, kind, tcp=tcp, **options),
                        name, kind, 1)
    for magic in world.magic(name, kind):
        answer = world.ask(dns.reversename.from_address(magic).to_text(),
                           "PTR")
        assert [t for *_, t in records(answer)] == [name + "."]


@pytest.mark.parametrize("which", NAMES)
def test_other_types(world, which):
    for kind in "TXT", "HTTPS", "ANY", "MX":
        for _ in range(2):
            world.ask_safely(NAMES[which], kind)


def test_alias_to_one(world):
    for _ in range(2):
        assert world.magic(f"alias.{ORIGIN}")
        answer = world.ask_safely(f"web.{ORIGIN}", "HTTPS")
        assert not answer.answer


def test_names_that_are_too_long_are_no_questions(world):
    """A 256th octet, and a label with a length of 64."""
    wire = query("x." + ORIGIN, "A", edns=False).to_wire()
    head, tail = wire[:12], wire[-4:]
    for name in (b"\x01y" * 121 + dns.name.from_text(ORIGIN).to_wire(),
                 b"\x40" + b"z" * 64 + dns.name.from_text(ORIGIN).to_wire()):
        try:
            answer = exchange(world.address, head + name + tail, tcp=True)
        except (EOFError, ConnectionResetError):
            continue            # dropped
        assert answer[3] & 0xf == 1, "not FORMERR"
    assert addresses(world.ask_safely(LABEL))
