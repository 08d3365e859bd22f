# SPDX-License-Identifier: BSD-3-Clause
"""HTTPS and SVCB at the end of a CNAME chain are owned by the queried name,
without hints, without the chain and without records for other names; a chain
that ends without one is no data and no bare CNAME (DESIGN 4.3)."""

import dns.rcode
import pytest

from harness import check
from harness.ask import all_addresses, records

DOMAIN = "service.example"


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(f"*.{DOMAIN}")


@pytest.mark.parametrize("name, kind, expected", [
    ("near", "HTTPS", ['1 . alpn="h2"']),
    ("far", "HTTPS", ['1 . alpn="h2"']),
    ("named", "HTTPS", []),         # the end of the chain by its name
    ("own", "HTTPS", [f'1 own.{DOMAIN}. alpn="h2"']),
    ("host.old", "HTTPS", ['1 . alpn="h2"']),
    ("svcb", "SVCB", ['1 . alpn="dot"']),
])
@pytest.mark.parametrize("options", [{}, {"do": True}, {"cd": True}],
                         ids=["plain", "do", "cd"])
def test(world, name, kind, expected, options):
    world.unbound.control("flush_zone", ".")
    for tcp in False, True, False:
        answer = world.ask_safely(f"{name}.{DOMAIN}", kind, tcp=tcp,
                                  **options)
        assert answer.rcode() == dns.rcode.NOERROR
        assert [(o, k, t) for o, k, _, t in records(answer)] \
            == [(f"{name}.{DOMAIN}.", kind, text) for text in expected]
        assert not all_addresses(answer)
        assert not answer.authority and not answer.additional


@pytest.mark.parametrize("name", ["noservice", "farnone"])
def test_end_without_one_is_no_data(world, name):
    for options in {}, {"do": True}:
        for _ in range(2):
            check.no_data(world.ask_safely(f"{name}.{DOMAIN}", "HTTPS",
                                           **options))
