# SPDX-License-Identifier: BSD-3-Clause
"""A seeded random client looks for leaks: every type, every transport, mixed
case, DO and CD, against zones with many shapes of chains, while policies are
reloaded, caches flushed, records changed and programs killed.

  CONN25_TEST_SEED   which questions, zones and disturbances; printed
  CONN25_TEST_HUNT   how many queries, 200000 for the full form
"""

import os
import random
import time

import pytest

from harness.hunt import policies as policies_of
from harness.hunt.ledger import Ledger
from harness.hunt.oracle import Oracle
from harness.hunt.pair import Pair
from harness.hunt.programs import Programs, unbound_options
from harness.hunt.questions import Questions
from harness.hunt.run import Client, shuffled
from harness.hunt.schedule import Schedule
from harness.hunt.sketch import Sketch
from harness.seed import SEED

QUERIES = int(os.environ.get("CONN25_TEST_HUNT") or 30000)

# Legs of the hunt, each with programs of its own: the part of the queries.
LEGS = {"expired": 0.5, "forwarded": 0.2, "dns64": 0.15, "plain": 0.15}
FAILURES = 0.0005       # of the queries may be SERVFAIL for no visible reason
SPACING = 500           # queries between two disturbances


@pytest.fixture(scope="module")
def sketch(tmp_path_factory):
    sketch = Sketch(shuffled(SEED, "zones"))
    sketch.universe.finish(str(tmp_path_factory.mktemp("zones")))
    return sketch


@pytest.fixture
def start():
    """start(...) makes the Programs of a test; they end with it, and then
    the threads of its Schedule, see Schedule.close()."""
    closers = []

    def build(*arguments, **options):
        programs = Programs(*arguments, **options)
        closers.append(programs.close)
        return programs

    def schedule(*arguments):
        made = Schedule(*arguments)
        closers.insert(0, made.wait)
        closers.append(made.close)
        return made
    build.schedule = schedule
    yield build
    found = [problem for close in closers for problem in close() or ()]
    assert not found, "\n".join(found)


def hunt(leg, sketch, total, start, say):
    rng = shuffled(SEED, leg)
    policies = policies_of.of_sketch(sketch, rng)
    max_ttl = rng.choice([1, 30, 300])
    module, lines = unbound_options(rng, leg != "plain")
    if leg == "dns64":
        module = "dynlib dns64 validator iterator"
    say(f"seed {SEED}, leg {leg}, {total} queries, \"{module}\", maxTTL "
        f"{max_ttl}, " + ", ".join(f"{k}: {v}" for k, v in lines.items()))
    sketch.universe.with_dns64(leg == "dns64")
    questions = Questions(sketch, policies, rng)
    oracle = Oracle(sketch.universe, policies, questions.known, max_ttl,
                    "no" if "validator" not in module else
                    "always" if lines["ignore-cd-flag"] == "yes" else
                    "unless CD")
    oracle.cleans = lines["val-clean-additional"] == "yes"
    if leg != "plain":
        oracle.stale_ttl = int(lines["serve-expired-reply-ttl"])
    programs = start(f"hunt-{leg}", sketch, policies, max_ttl, module, lines,
                     ["behind"] if leg == "forwarded" else [])
    schedule = start.schedule(programs, oracle, sketch, rng, total, SPACING)
    client = Client(programs.unbound, programs.certificate, oracle,
                    Ledger(questions.known), schedule)
    begin = time.monotonic()
    try:
        client.run(questions, total)
        schedule.snapshot()
        client.read_tables()
        assert oracle.failures() <= 5 + total * FAILURES
    finally:
        client.close()
        took = time.monotonic() - begin
        say(f"seed {SEED}, leg {leg}: {client.summary()}, {took:.1f} s, "
            f"{client.answered / took:.0f} a second")


@pytest.mark.parametrize("leg", LEGS)
def test_no_response_has_what_it_must_not_have(leg, sketch, start, capsys):
    def say(text):
        with capsys.disabled():
            print(f"\nhunt: {text}")
    hunt(leg, sketch, round(QUERIES * LEGS[leg]), start, say)


# ---- unmatched names --------------------------------------------------------

def disturb_alike(rng, programs, policies, questions):
    """Something that must not be seen in answers for unmatched names."""
    name = rng.choice(questions.unmatched)
    draw = rng.randrange(8)
    if draw < 2:
        programs.control("flush", name.text)
    elif draw < 4:
        programs.control("flush_zone", rng.choice(list(
            programs.universe.zones.values())).name)
    elif draw == 4:
        programs.control("flush_infra", "all")
    elif draw == 5:
        programs.reload_unbound()
    else:
        programs.configure(rng.choice(policies))
        if draw == 6:
            programs.reload()
        else:
            programs.client.process.kill()
            programs.client.start()


@pytest.mark.parametrize("forwarded", [False, True],
                         ids=["recursive", "forwarded"])
def test_unmatched_names_get_what_they_get_without_the_module(
        forwarded, sketch, start, capsys):
    rng = shuffled(SEED, f"pair {forwarded}")
    policies = policies_of.of_sketch(sketch, rng)
    module, lines = unbound_options(rng, False)
    sketch.universe.with_dns64(False)
    questions = Questions(sketch, policies, rng)
    programs = start("pair", sketch, policies, 300, module, lines,
                     ["beside", "behind"] if forwarded else ["beside"])
    pair = Pair(programs.unbound, programs.beside,
                programs.forget_everything)
    begin = time.monotonic()
    try:
        for number in range(QUERIES // 10):
            if number % SPACING == SPACING - 1:
                disturb_alike(rng, programs, policies, questions)
            q = questions.make_unmatched(number)
            if q.name.is_steady(q.qtype):
                pair.compare(q)
        assert pair.passing <= 5 + pair.compared * FAILURES
    finally:
        pair.close()
        took = time.monotonic() - begin
        with capsys.disabled():
            print(f"\nhunt: seed {SEED}: compared {pair.compared} answers "
                  f"for unmatched names, {pair.passing} differed at first, "
                  f"{pair.reordered} in another order, "
                  f"{took:.1f} s, {pair.compared / took:.0f} a second")
