# SPDX-License-Identifier: BSD-3-Clause
"""Labels may hold any bytes: a zero, a dot, a backslash, letters above ASCII.
Each such name is one of its own, is matched by its bytes, and comes back the
same in the answer and in reverse; only ASCII letters have two cases (RFC 1035
3.1, RFC 4343 3)."""

import dns.message
import dns.name
import dns.reversename
import pytest

from harness.ask import addresses, exchange, query
from harness.conn25 import is_magic

DOMAIN = "bytes.example"
LABELS = [b"\0", b"a\0b", b"a.b", b"a\\b", b"\\", b"\"", b";", b"@", b" ",
          b"*", b"\x7f", b"\xff", b"\xc3\x84", b"\xc3\xa4", b"\xe4", b"\xc4",
          b"\n", b"$", b"(", b"_dmarc", b"-", b"a" * 62 + b"."]
IDS = [label.hex() for label in LABELS]


def name_of(label):
    return dns.name.Name((label,)
                         + dns.name.from_text(f"m.{DOMAIN}").labels)


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(f"*.m.{DOMAIN}")


def ask(world, name, kind="A", **options):
    wire = query(name, kind, **options).to_wire()
    return dns.message.from_wire(exchange(world.address, wire))


@pytest.mark.parametrize("label", LABELS, ids=IDS)
def test(world, label):
    name = name_of(label)
    number = LABELS.index(label) + 1
    for options in {}, {"do": True}, {"cd": True}, {}:
        answer = ask(world, name, **options)
        assert [r.name.labels for r in answer.answer] == [name.labels]
        assert all(map(is_magic, addresses(answer)))
        assert ask(world, name, "TXT").answer[0].name.labels == name.labels
    magic, = addresses(answer)
    assigned = [a for a in world.client.assignments() if a.magic == magic]
    assert [a.destination for a in assigned] == [f"10.58.0.{number}"]
    found = ask(world, dns.reversename.from_address(magic), "PTR")
    assert [r.target.labels for r in found.answer[0]] == [name.labels]


def test_each_is_another_name(world):
    magic = [addresses(ask(world, name_of(label)))[0] for label in LABELS]
    assert len(set(magic)) == len(LABELS)


def test_case_is_of_ascii_letters_only(world):
    small = addresses(ask(world, name_of(b"a\0b")))
    assert addresses(ask(world, name_of(b"A\0B"))) == small
    assert addresses(ask(world, name_of(b"\xe4"))) \
        != addresses(ask(world, name_of(b"\xc4")))


def test_a_dot_in_a_label_is_no_separator(world):
    """\"a.m\" as one label is no name below m.bytes.example."""
    name = dns.name.Name((b"a.m",) + dns.name.from_text(DOMAIN).labels)
    for _ in range(2):
        assert addresses(ask(world, name)) == ["10.58.1.1"]


def test_tools_print_and_take_them(world):
    for label in LABELS:
        ask(world, name_of(label))
    listed = world.client.control("list_assignments")
    assert "\0" not in listed and "\xff" not in listed
    assert len(listed.splitlines()) >= len(LABELS)
