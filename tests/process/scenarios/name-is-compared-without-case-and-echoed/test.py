# SPDX-License-Identifier: BSD-3-Clause
"""Names match in any case; the answer echoes the question as it was asked,
bit for bit, and the owner of its records is that name (DESIGN 4.2, RFC 4343,
"0x20" queries)."""

import dns.message
import pytest

from harness.ask import addresses, exchange, query
from harness.conn25 import is_magic

NAMES = ["case.example", "CASE.EXAMPLE", "wWw.CaSe.eXaMpLe",
         "ALIAS.case.EXAMPLE", "www.case.example"]


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all("*.Case.Example", unbound={
        "extra": "use-caps-for-id: yes"})


@pytest.mark.parametrize("cached", [False, True], ids=["cold", "cached"])
@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize("name", NAMES)
def test(world, name, tcp, cached):
    small = world.magic(name.lower())
    if not cached:
        world.unbound.control("flush_zone", "case.example")
    wire = exchange(world.address, query(name, "A").to_wire(), tcp)
    answer = dns.message.from_wire(wire)
    assert answer.question[0].name.to_text() == name + "."
    assert addresses(answer) == small and all(map(is_magic, small))
    for rrset in answer.answer:
        assert rrset.name.to_text() == name + "."


@pytest.mark.parametrize("rdtype", ["ANY", "TXT", "HTTPS"])
def test_other_types(world, rdtype):
    for _ in range(2):
        answer = world.ask_safely("WWW.case.EXAMPLE", rdtype)
        assert answer.question[0].name.to_text() == "WWW.case.EXAMPLE."
        assert answer.answer[0].name.to_text() == "WWW.case.EXAMPLE."


def test_one_assignment_for_all_of_them(world):
    for name in NAMES:
        world.magic(name)
    assert sorted(a.domain for a in world.client.assignments()
                  if a.domain.endswith("case.example")) == [
        "alias.case.example", "case.example", "www.case.example"]
