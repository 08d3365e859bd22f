# SPDX-License-Identifier: BSD-3-Clause
"""serve-expired answers with what has expired when upstream fails or is slow.
For a matched name nothing of that is real, whatever type and bits are asked
for, with response-ip and prefetch beside it, and after a flush; when upstream
is back it has its magic IPs again (DESIGN 3 "Caching", 4.1)."""

import threading

import dns.rcode
import pytest

from harness import check
from harness.ask import addresses
from harness.unbound import PREFIX
from harness.wait import wait_for

DOMAIN = "expired.example"
MATCHED = [f"host.m.{DOMAIN}", f"alias.m.{DOMAIN}"]
FREE = [f"free.{DOMAIN}", f"free2.{DOMAIN}"]    # really served expired
VARIANTS = [{}, {"do": True}, {"cd": True}, {"edns": False}]
RESPIP = "dynlib respip validator iterator"
UNBOUNDS = {
    "at-once": {"extra": "serve-expired-client-timeout: 0"},
    "at-once-respip": {"extra": "serve-expired-client-timeout: 0",
                       "module": RESPIP},
    "prefetch": {"extra": "serve-expired-client-timeout: 0\nprefetch: yes"},
    "client-timeout": {"extra": "serve-expired-client-timeout: 50"},
    "client-timeout-respip": {"extra": "serve-expired-client-timeout: 50",
                              "module": RESPIP},
    "slow": {"extra": "serve-expired-client-timeout: 50"},
}


@pytest.fixture(scope="module")
def worlds(scenario_for_all):
    """One for each Unbound. In all of them the answers have expired."""
    world = scenario_for_all(f"*.m.{DOMAIN}", start=("connector", "client"))
    found = {}
    for name, options in UNBOUNDS.items():
        options = dict(options, threads=1, extra=options["extra"]
                       + "\nserve-expired: yes\nserve-expired-ttl: 3600")
        one = world.before(world.make_unbound(name=name, **options).start())
        one.magic = {qname: one.magic(qname) for qname in MATCHED}
        for kind in "AAAA", "MX", "HTTPS":
            one.ask_safely(MATCHED[0], kind)
        for qname in FREE:
            assert addresses(one.ask(qname)) == ["192.0.2.35"]
        found[name] = one
    # The others came before this one.
    world.tap.failing |= {*FREE, *MATCHED}

    def expired():
        assert addresses(one.ask(FREE[0])) == ["192.0.2.35"]
        return one.unbound.stats()["total.num.expired"]
    wait_for(expired, "an expired answer for the other name")
    world.tap.failing.clear()
    yield found


def ask_all(world):
    for name, magic in world.magic.items():
        for options in VARIANTS:
            answer = world.ask_safely(name, **options)
            if answer.rcode() != dns.rcode.SERVFAIL:
                check.rewritten(answer, name, "A", 1)
                assert addresses(answer) == magic
            for kind in "AAAA", "MX", "HTTPS", "ANY":
                world.ask_safely(name, kind, **options)


@pytest.mark.parametrize("name", [n for n in UNBOUNDS if n != "slow"])
def test_upstream_fails(worlds, name):
    world = worlds[name]
    world.tap.failing |= {*FREE, *MATCHED}
    try:
        ask_all(world)
        for qname in FREE:
            assert addresses(world.ask(qname)) == ["192.0.2.35"]
        assert world.unbound.stats()["total.num.expired"]
        ask_all(world)
        world.unbound.control("flush_zone", DOMAIN)
        ask_all(world)
    finally:
        world.tap.failing.clear()
    world.unbound.control("flush_zone", DOMAIN)
    for qname, magic in world.magic.items():
        wait_for(lambda n=qname, m=magic:
                 addresses(world.ask_safely(n)) == m, "magic IPs again")


def test_upstream_is_slow(worlds):
    """What answers after serve-expired-client-timeout, and what comes when
    upstream has answered."""
    with open(f"{PREFIX}/src/config.h", encoding="ascii") as file:
        if "#define USE_MINI_EVENT" in file.read():
            pytest.skip("without libevent expired answers come at once")
    world = worlds["slow"]
    world.tap.clear()
    before = world.unbound.stats()["total.num.queries"]
    for name in [*MATCHED, FREE[1]]:
        world.tap.hold(name)
    answers, threads = [], []

    def ask(name, options):
        answers.append(world.ask_safely(name, **options))
    for name in MATCHED:
        for options in VARIANTS:
            threads.append(threading.Thread(target=ask,
                                            args=(name, options)))
            threads[-1].start()
    wait_for(lambda: world.unbound.stats()["total.num.queries"]
             >= before + len(threads), "all of them to have come")
    wait_for(lambda: all(world.tap.count(name, "A") for name in MATCHED),
             "their lookups")
    # This one is answered after their timeouts, as it was asked later.
    assert addresses(world.ask(FREE[1])) == ["192.0.2.35"]
    world.tap.release()
    for thread in threads:
        thread.join()
    assert len(answers) == len(threads), "an answer was not as it must be"
    for answer in answers:
        assert addresses(answer) == world.magic[
            answer.question[0].name.to_text().rstrip(".")]
