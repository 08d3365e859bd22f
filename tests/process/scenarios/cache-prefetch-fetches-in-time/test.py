# SPDX-License-Identifier: BSD-3-Clause
"""prefetch: yes fetches a popular answer anew, once, shortly before it
expires, also for matched names: clients are answered from the cache meanwhile,
with magic IPs, and what the prefetch brings is not under the public key
(DESIGN 3 "Caching")."""

import select
import socket
import types

import dns.message
import pytest

from harness.ask import addresses, query, records
from harness.unbound import version
from harness.wait import wait_for

DOMAIN = "prefetch.example"
# A tenth of the TTL is left for it. Before 1.26 the last second counted.
NAME = f"{'ten' if version() >= (1, 26) else 'two'}.{DOMAIN}"


def wait_for_client(world, sock):
    """Whether a client is answered before upstream answers."""
    def decided():
        waiting = world.unbound.stats()["total.requestlist.current.user"]
        ready = select.select([sock], [], [], 0)[0]
        return "answered" if ready else "waits" if waiting else None
    return wait_for(decided, "an answer, or a client that waits")


@pytest.fixture(scope="module")
def seen(scenario_for_all):
    """A prefetch of the name, and what happened meanwhile."""
    world = scenario_for_all(f"*.{DOMAIN}", unbound={
        "extra": "prefetch: yes\nqname-minimisation: no", "threads": 1})
    first = world.magic(NAME)
    world.tap.hold(NAME)

    def started():
        # An answer that is not in the cache any more would never come.
        assert world.magic(NAME) == first
        return world.unbound.stats()["total.requestlist.current.all"]
    wait_for(started, "a prefetch", 15)
    wait_for(lambda: world.tap.held, "its query")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(world.address)
        sock.send(query(NAME, "A").to_wire())
        client = wait_for_client(world, sock)
        world.tap.release()
        sock.settimeout(10)
        answer = dns.message.from_wire(sock.recv(65535))
    wait_for(lambda: not world.unbound.stats()[
        "total.requestlist.current.all"], "the end of the prefetch")
    after = [world.ask_safely(NAME, **options)
             for options in ({}, {"cd": True}, {"do": True}, {})]
    return types.SimpleNamespace(
        client=client, first=first, queries=world.tap.count(NAME, "A"),
        answers=[answer, *after])


def test_client_during_a_prefetch_is_answered_from_the_cache(seen):
    assert seen.client == "answered"


def test_all_answers_are_magic_ips(seen):
    for answer in seen.answers:
        assert addresses(answer) == seen.first


def test_what_it_brings_is_taken(seen):
    before, *_, after = [ttl for answer in seen.answers
                         for _, _, ttl, _ in records(answer)]
    assert after > before


def test_one_prefetch_is_enough(seen):
    assert seen.queries == 2
