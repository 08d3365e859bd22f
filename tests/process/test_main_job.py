# SPDX-License-Identifier: BSD-3-Clause
"""The main job: a question about a configured domain is answered with magic
IPs, and the connector learns which transit IP leads to which destination."""

import re

import pytest

from harness import check
from harness.conn25 import APPS


@pytest.mark.parametrize("rdtype", ["A", "AAAA"])
@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_addresses_become_magic(world, rdtype, tcp):
    answer = world.ask_safely("wiki.corp.example", rdtype, tcp=tcp)
    check.rewritten(answer, "wiki.corp.example", rdtype, 2)


def test_answer_is_stable_over_threads_udp_and_tcp(world):
    first = world.magic("wiki.corp.example")
    for number in range(60):
        assert world.magic("wiki.corp.example", tcp=number % 2 == 1) == first
    stats = world.unbound.stats()
    for thread in range(2):
        assert stats[f"thread{thread}.num.queries"] > 0, \
            "a worker thread got no query"


def test_connector_learns_every_mapping(world):
    expected = {}
    for rdtype in ("A", "AAAA"):
        for magic in world.magic("wiki.corp.example", rdtype):
            expected[magic] = None
    world.wait_mapped()
    for assignment in world.client.assignments():
        if assignment.magic in expected:
            assert assignment.domain == "wiki.corp.example"
            expected[assignment.magic] = assignment
    assert all(expected.values()), expected
    assert {a.destination for a in expected.values()} == {
        "10.1.0.1", "10.1.0.2", "2001:db8:1::1", "2001:db8:1::2"}
    known = {(m.transit, m.destination) for m in world.connector.mappings()}
    for assignment in expected.values():
        assert (assignment.transit, assignment.destination) in known


def test_counters_count(world):
    before = world.client.stats()
    world.unbound.control("flush_zone", "corp.example")
    for _ in range(5):
        world.magic("wiki.corp.example")
    world.ask("host.plain.example", "A")
    after = world.client.stats()

    def grown(name):
        return after[name] - before[name]
    assert grown("total.num.queries") == 6
    assert grown("total.num.matched") == 5
    assert grown("total.num.rewritten") == 5
    assert after["assignments.current"] == len(world.client.assignments())
    for kind in ("v4magic", "v4transit", "v6magic", "v6transit"):
        assert after[f"pool.{kind}.inuse"] > 0
        assert after[f"pool.{kind}.capacity"] > after[f"pool.{kind}.inuse"]


@pytest.mark.parametrize("domains, count", [
    (["wiki.corp.example"], 1),
    (["wiki.corp.example", "*.wiki.corp.example"], 2),
    (["*.wiki.corp.example", "a.wiki.corp.example", "b.example"], 3),
    (["wiki.corp.example", "WIKI.corp.example.", "*.wiki.corp.example"], 2)])
def test_both_logs_count_the_same_domains(fresh, domains, count):
    """Also of two apps with a domain in common."""
    apps = [dict(APPS[0], domains=domains),
            dict(APPS[1], domains=[domains[0], "*.bulk.example"])]
    world = fresh(client={"apps": apps})
    for process in world.client.process, world.unbound.process:
        found = re.findall(r"policy.* (\d+) domains", process.log())
        assert found == [str(count + 1)], process.log()
