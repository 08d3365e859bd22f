# SPDX-License-Identifier: BSD-3-Clause
"""Many names at once through all worker threads: nothing is lost, doubled or
given away."""

import collections

import dns.message
import dns.rcode

from harness import zones
from harness.ask import addresses, all_addresses, ask_many, contains_any
from harness.conn25 import is_destination, is_magic

NAMES = 1000
TIMES = 10


def check_answers(answers, names, known):
    """Parses each answer; known collects the magic IPs of each name."""
    for wire, number in zip(answers, names):
        answer = dns.message.from_wire(wire)
        assert answer.rcode() == dns.rcode.NOERROR, answer
        assert not any(is_destination(str(a))
                       for a in all_addresses(answer)), answer
        assert not contains_any(wire, zones.bulk_addresses(number))
        found = tuple(addresses(answer))
        assert len(found) == 2 and all(map(is_magic, found)), answer
        known[number].add(found)


def test_thousand_names_ten_times_over_udp_and_tcp(fresh):
    world = fresh()
    known = collections.defaultdict(set)
    # Each name is known before it is asked for by several threads at once:
    # each thread of Unbound asks upstream for itself.
    numbers = list(range(NAMES))
    for round_number in range(TIMES):
        questions = [(zones.bulk_name(n), "A") for n in numbers]
        for tcp in (False, True):
            check_answers(ask_many(world.address, questions, tcp=tcp,
                                   lanes=16), numbers, known)
        if round_number == 0:
            world.wait_mapped(2 * NAMES)

    unstable = {n: seen for n, seen in known.items() if len(seen) != 1}
    assert not unstable, "names whose magic IPs changed"
    magic = [ip for seen in known.values() for pair in seen for ip in pair]
    assert len(magic) == len(set(magic)) == 2 * NAMES, "an IP given out twice"

    asked = {name: times for (name, _), times in world.tap.queries("A").items()
             if name.endswith("bulk.example")}
    wrong = {zones.bulk_name(n): asked.get(zones.bulk_name(n), 0)
             for n in numbers if asked.get(zones.bulk_name(n)) != 1}
    assert not wrong, f"asked upstream not exactly once: {wrong}"

    stats = world.unbound.stats()
    for thread in range(2):
        assert stats[f"thread{thread}.num.queries"] > NAMES

    wanted = {destination for n in numbers
              for destination in zones.bulk_addresses(n)}
    assignments = {a.destination: a for a in world.client.assignments()
                   if a.domain.endswith("bulk.example")}
    assert set(assignments) == wanted
    mappings = {(m.transit, m.destination)
                for m in world.connector.mappings()}
    missing = [a for a in assignments.values()
               if (a.transit, a.destination) not in mappings]
    assert not missing, "assignments that the connector does not know"

    stats = world.client.stats()
    assert stats["total.num.servfail"] == 0
    assert stats["assignments.current"] == 2 * NAMES + 2  # the world's own
    assert stats["assignments.pending"] == 0
    assert stats["push.acked"] >= 2 * NAMES
    assert stats["push.requests"] < 2 * NAMES, "no batches"


def test_same_new_name_asked_by_all_threads_at_once(fresh):
    world = fresh()
    for number in range(20):
        questions = [(zones.bulk_name(number), "A")] * 32
        known = collections.defaultdict(set)
        check_answers(ask_many(world.address, questions, lanes=32, window=1),
                      [number] * 32, known)
        assert len(known[number]) == 1, "two answers for one name"
    assert len([a for a in world.client.assignments()
                if a.domain.endswith("bulk.example")]) == 40
