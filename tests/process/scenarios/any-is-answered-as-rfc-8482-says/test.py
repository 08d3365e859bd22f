# SPDX-License-Identifier: BSD-3-Clause
"""Type ANY of a matched name is answered with one HINFO record, and nobody is
asked (DESIGN 4.3, RFC 8482 4.2)."""

import dns.rcode
import pytest

from harness.ask import records

DOMAIN = "any.example"


@pytest.fixture(scope="module", params=["no", "yes"],
                ids=["answer-any", "deny-any"])
def world(scenario_for_all, request):
    world = scenario_for_all(f"*.m.{DOMAIN}", unbound={
        "extra": f"deny-any: {request.param}"})
    world.denies = request.param == "yes"
    return world


@pytest.mark.parametrize("name", ["full.m", "alias.m", "missing.m", "m"])
@pytest.mark.parametrize("options", [{}, {"edns": False}, {"do": True},
                                     {"cd": True}],
                         ids=["plain", "no-edns", "do", "cd"])
def test(world, name, options):
    qname = f"{name}.{DOMAIN}"
    for kind in "A", "AAAA", "MX":      # what could be put together
        world.ask(qname, kind)
    world.tap.clear()
    for tcp in False, True, False:
        answer = world.ask_safely(qname, "ANY", tcp=tcp, **options)
        assert answer.rcode() == dns.rcode.NOERROR
        assert [(o, k, t) for o, k, _, t in records(answer)] \
            == [(qname + ".", "HINFO", '"RFC8482" ""')]
        assert not answer.authority and not answer.additional
    assert not world.tap.queries(), "somebody was asked"


def test_unmatched_name_is_answered_as_always(world):
    for _ in range(2):
        kinds = {k for _, k, _, _ in records(world.ask(f"free.{DOMAIN}",
                                                       "ANY"))}
        assert kinds <= {"A", "TXT"} and bool(kinds) != world.denies
