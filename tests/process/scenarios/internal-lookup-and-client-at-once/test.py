# SPDX-License-Identifier: BSD-3-Clause
"""A client and a lookup of Unbound's own may wait for the same upstream
answer. The client gets a magic IP or SERVFAIL, the resolver the real address,
whoever came first, and the next client gets magic IPs (DESIGN 3 "Internal
lookups")."""

import threading

import dns.rcode
import pytest

from harness import check
from harness.ask import addresses
from harness.wait import wait_for
from harness.wiretap import Wiretap

SERVER = "ns.m.shared.example"          # a matched name
HOSTED = "www.shared-served.example"    # in a zone that it serves


@pytest.fixture(scope="module")
def world(scenario_for_all, nsd, other_address):
    far = Wiretap(nsd.address, other_address)
    try:
        # One thread, so that lookups of one name meet.
        yield scenario_for_all("*.m.shared.example", unbound={
            "threads": 1, "stub_hosts": {
                "shared-served.example.": f"{SERVER}@{far.port}"}})
    finally:
        far.close()


def taken(world):
    """Queries of clients that have come in."""
    return world.unbound.stats()["total.num.queries"]


@pytest.mark.parametrize("order", [
    ["client", "resolver"], ["resolver", "client"],
    ["resolver", "client", "client"], ["client", "resolver", "client"],
], ids="-".join)
@pytest.mark.parametrize("options", [{}, {"cd": True}, {"do": True}],
                         ids=["plain", "cd", "do"])
def test(world, order, options):
    world.unbound.control("flush_zone", ".")
    before = taken(world)
    world.tap.hold(SERVER)
    answers, threads = [], []

    def ask(who):
        answers.append((who, world.ask(HOSTED) if who == "resolver" else
                        world.ask_safely(SERVER, **options)))
    for number, who in enumerate(order):
        threads.append(threading.Thread(target=ask, args=(who,)))
        threads[-1].start()
        wait_for(lambda n=number: world.tap.held
                 and taken(world) > before + n, f"{who} to wait")
    world.tap.release()
    for thread in threads:
        thread.join()
    assert len(answers) == len(order), "an answer was not as it must be"
    for who, answer in answers:
        if who == "resolver":
            assert addresses(answer) == ["192.0.2.97"], answer
        elif answer.rcode() != dns.rcode.SERVFAIL:
            check.rewritten(answer, SERVER, "A", 1)
        else:
            check.servfail(answer)
    world.magic(SERVER, **options)
    assert addresses(world.ask(HOSTED)) == ["192.0.2.97"]
