# SPDX-License-Identifier: BSD-3-Clause
"""Names by which clients find out which root keys a resolver trusts fail or
not by RFC 8509, also when they are matched: those that fail give no address,
cold and cached, and the others magic IPs (DESIGN 4.3)."""

import dns.rcode
import pytest

from harness import check

DOMAIN = "sentinel.example"


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(f"*.{DOMAIN}")


# The tests have no trust anchor of the root.
@pytest.mark.parametrize("label, fails", [
    ("root-key-sentinel-is-ta-20326", True),
    ("root-key-sentinel-not-ta-20326", False)])
@pytest.mark.parametrize("kind", ["A", "AAAA"])
def test(world, label, fails, kind):
    name = f"{label}.{DOMAIN}"
    for options in {}, {"do": True}, {"cd": True}, {}, {"edns": False}:
        answer = world.ask_safely(name, kind, **options)
        if fails and "cd" not in options:
            assert answer.rcode() == dns.rcode.SERVFAIL
            assert not answer.answer
        else:
            check.rewritten(answer, name, kind, 1)
