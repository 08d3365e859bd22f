# SPDX-License-Identifier: BSD-3-Clause
"""serve-expired also serves names of the policy: an answer that has expired
is given while it is looked up anew, or when the lookup takes too long or
fails, and its addresses are the magic IPs of before (RFC 8767, DESIGN 3)."""

import dns.message
import dns.rcode
import pytest

from harness import check
from harness.ask import addresses, ede_codes, exchange, query, records
from harness.wait import wait_for

STALE = 3
VARIANTS = {
    "at once": "serve-expired: yes\nserve-expired-client-timeout: 0",
    "after a timeout": "serve-expired: yes\n"
                       "serve-expired-client-timeout: 300",
}


@pytest.fixture(params=VARIANTS, ids=lambda name: name.replace(" ", "-"))
def world(scenario, request):
    world = scenario("*.stale.example", unbound={
        "extra": VARIANTS[request.param] + "\nserve-expired-reply-ttl: 17\n"
                                           "ede-serve-expired: yes\nede: yes"})
    world.at_once = request.param == "at once"
    return world


def stale_answer(world, name, kind="A"):
    answer = world.ask(name, kind)
    return answer if STALE in ede_codes(answer) else None


@pytest.mark.parametrize("name", ["a.stale.example", "c.stale.example"])
def test_silent_upstream(world, name):
    magic = world.magic(name)
    world.tap.deaf = True
    for _ in range(3):
        answer = wait_for(lambda: stale_answer(world, name),
                          "a stale answer")
        assert answer.rcode() == dns.rcode.NOERROR
        assert addresses(answer) == magic
        # Since 1.26 Unbound gives no longer TTL than there was at first.
        assert [t for _, _, t, _ in records(answer)] in ([17], [1])
    assert world.unbound.stats()["total.num.expired"] >= 3


def test_failing_upstream(world, nsd):
    """Nobody waits for a lookup that fails."""
    magic = world.magic("b.stale.example")
    world.tap.servfail = True
    answer = wait_for(lambda: stale_answer(world, "b.stale.example"),
                      "a stale answer")
    assert addresses(answer) == magic


def test_upstream_that_comes_back(world):
    name = "a.stale.example"
    magic = world.magic(name)
    world.tap.deaf = True
    wait_for(lambda: stale_answer(world, name), "a stale answer")
    world.tap.deaf = False

    def fresh_answer():
        wire = query(name, "A").to_wire()
        try:
            answer = dns.message.from_wire(
                exchange(world.address, wire, timeout_s=2))
        except TimeoutError:
            return None
        assert addresses(answer) == magic
        return STALE not in ede_codes(answer)
    wait_for(fresh_answer, "a fresh answer", 90)


@pytest.fixture(params=VARIANTS, ids=lambda name: name.replace(" ", "-"))
def brief(scenario, request):
    """Denials expire as soon as the rest."""
    return scenario("*.stale.example", unbound={
        "extra": VARIANTS[request.param] + "\ncache-max-negative-ttl: 1\n"
                                           "ede-serve-expired: yes\nede: yes"})


def test_denials_too(brief):
    """A client that also asks for AAAA is not told of a failure."""
    name = "a.stale.example"
    magic = brief.magic(name)
    check.no_data(brief.ask(name, "AAAA"))
    brief.tap.servfail = True
    wait_for(lambda: stale_answer(brief, name), "a stale answer")
    wait_for(lambda: stale_answer(brief, name, "AAAA"), "a stale denial")
    for _ in range(3):
        assert addresses(brief.ask(name)) == magic
        check.no_data(brief.ask(name, "AAAA"))


def test_deleted_name_does_not_come_back(brief, nsd):
    name, zone = "b.stale.example", "stale.example."
    brief.magic(name)
    nsd.change(zone, lambda text: text.replace("\nb ", "\ngone "))
    try:
        wait_for(lambda: brief.ask(name).rcode() == dns.rcode.NXDOMAIN,
                 "the name to be gone")
        brief.tap.servfail = True
        answer = wait_for(lambda: stale_answer(brief, name), "a stale denial")
        assert answer.rcode() == dns.rcode.NXDOMAIN and not addresses(answer)
    finally:
        nsd.change(zone, lambda text: text.replace("\ngone ", "\nb "))


def test_never_for_longer_than_serve_expired_ttl(scenario):
    world = scenario("*.stale.example", unbound={
        "extra": "serve-expired: yes\nserve-expired-client-timeout: 0\n"
                 "serve-expired-ttl: 2\nede: yes\nede-serve-expired: yes"})
    world.magic("a.stale.example")
    world.tap.servfail = True
    wait_for(lambda: world.ask("a.stale.example").rcode()
             == dns.rcode.SERVFAIL, "SERVFAIL in the end", 20)
