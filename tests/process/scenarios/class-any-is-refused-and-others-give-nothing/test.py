# SPDX-License-Identifier: BSD-3-Clause
"""A matched name in class ANY is refused; in the classes that are not IN
Unbound knows nothing of it, whatever is cached, also in the class that our
kept messages have and in each private one (DESIGN 3 "Caching", 4.3)."""

import dns.rcode
import pytest

from harness.ask import addresses, records

DOMAIN = "class.example"
CLASSES = ["CH", "HS", "NONE", "CLASS0", "CLASS2", "CLASS65280",
           "CLASS65299", "CLASS65300", "CLASS65301", "CLASS65534"]


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(f"*.{DOMAIN}")


@pytest.mark.parametrize("kind", ["A", "AAAA", "HTTPS", "ANY", "MX"])
def test_class_any_is_refused(world, kind):
    for name in "host", "alias", "missing":
        for _ in range(2):
            world.ask_safely(f"{name}.{DOMAIN}", kind)
            for options in {}, {"do": True, "cd": True}:
                answer = world.ask_safely(f"{name}.{DOMAIN}", kind,
                                          rdclass="ANY", **options)
                assert answer.rcode() == dns.rcode.REFUSED
                assert not answer.answer


@pytest.mark.parametrize("rdclass", CLASSES)
def test_other_classes(world, rdclass):
    for name, kind in ("host", "A"), ("host", "AAAA"), ("alias", "A"), \
            ("web", "HTTPS"), ("host", "MX"), ("host", "ANY"):
        for options in {}, {"cd": True}, {"do": True}:
            # The message of this query is what could be found.
            world.ask_safely(f"{name}.{DOMAIN}", kind, **options)
            for tcp in False, True:
                answer = world.ask_safely(f"{name}.{DOMAIN}", kind, tcp=tcp,
                                          rdclass=rdclass, **options)
                assert not records(answer), answer


def test_chaos_queries_are_answered_as_always(world):
    answer = world.ask("version.bind", "TXT", rdclass="CH")
    assert "unbound" in records(answer)[0][3]


def test_unmatched_name_in_class_any(world):
    assert addresses(world.ask("host.plain.example", "A")) == ["192.0.2.2"]
    answer = world.ask("host.plain.example", "A", rdclass="ANY")
    assert answer.rcode() != dns.rcode.REFUSED
