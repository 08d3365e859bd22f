# SPDX-License-Identifier: BSD-3-Clause
"""Connectors that don't keep to HTTP, or to time: they cost nobody an answer,
conn25d neither memory nor its other work, and no assignment is lost."""

import collections
import secrets
import time

import pytest

from harness import hostile, zones
from harness.fake import world_with
from harness.hostile import Hostile
from harness.wait import wait_for


@pytest.fixture
def make():
    made = []

    def one(how):
        made.append(Hostile(how))
        return made[-1]
    yield one
    for one in made:
        one.close()


def memory_kb(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file
                    if line.startswith("VmRSS:"))


def states(world):
    return {a.line.split()[6] for a in world.client.assignments()}


@pytest.mark.parametrize("how", hostile.ALL.values(), ids=hostile.ALL)
def test_alone_it_keeps_nobody_from_anything(fresh, make, how):
    office = make(how)
    world = world_with(fresh, office, dns={"holdMilliseconds": 50})
    world.client.process.allow("office-1")
    before = memory_kb(world.client.process)
    wait_for(lambda: office.requests >= 3, "the third request", 30)
    for number in range(20):
        world.magic(zones.bulk_name(number))
        assert world.client.answers()
    wait_for(lambda: world.client.stat("connector.office-1.healthy") == 0,
             "the connector to be down")
    assert states(world) == {"pending"}
    assert memory_kb(world.client.process) < before + 20000
    office.behave()
    wait_for(lambda: states(world) == {"ready"}, "all to be ready", 30)
    assert {(e["transitIP"], e["destinationIP"]) for e in office.entries} \
        == {(a.transit, a.destination) for a in world.client.assignments()}


@pytest.mark.parametrize("how", hostile.TRANSPORT.values(),
                         ids=hostile.TRANSPORT)
def test_with_a_good_one_everything_goes_there(fresh, make, fake, how):
    bad, good = make(how), fake(host="127.0.0.3")
    world = world_with(fresh, bad, good)
    world.client.process.allow("office-1", "push:")
    for number in range(20):
        world.magic(zones.bulk_name(number))
    wait_for(lambda: states(world) == {"ready"}, "all to be ready", 30)
    assert {(e["transitIP"], e["destinationIP"]) for e in good.entries()} \
        == {(a.transit, a.destination) for a in world.client.assignments()}
    assert world.client.stat("connector.office-1.healthy") == 0


def test_one_that_is_slow_gets_all_of_it(fresh, fake):
    """It answers, but only just in time: nothing is sent twice for that."""
    office = fake()
    world = world_with(fresh, office, dns={"holdMilliseconds": 0})
    wait_for(lambda: states(world) == {"ready"}, "a start")
    office.delay_s = 1
    for number in range(600):
        world.magic(zones.bulk_name(number))
    wait_for(lambda: states(world) == {"ready"}, "all to be ready", 30)
    assert world.client.stat("connector.office-1.healthy") == 1
    assert world.client.stat("push.failed") == 0


# ---- good HTTP, good JSON, and still not to be believed ---------------------

def results(count):
    return 200, {"transitIPs": [{}] * count} if count else {}


WRONG_COUNTS = {"one too few": lambda n: n - 1, "one too many":
                lambda n: n + 1, "none": lambda n: 0, "one": lambda n: 1,
                "a thousand": lambda n: 1000}


@pytest.mark.parametrize("count", WRONG_COUNTS.values(), ids=WRONG_COUNTS)
def test_answer_with_another_number_of_results(fresh, fake, count):
    """Nobody can know which is which: none counts."""
    office = fake(lambda entries: results(
        count(len(entries)) if entries else 0))
    world = world_with(fresh, office, dns={"holdMilliseconds": 0})
    world.client.process.allow("office-1")
    wait_for(lambda: office.requests, "a request")
    office.gate.clear()
    for number in range(20):
        world.magic(zones.bulk_name(number))
    office.gate.set()
    few = office.entries()
    wait_for(lambda: len(office.entries()) >= len(few) + 20,
             "them to be sent again", 30)
    ready = [a for a in world.client.assignments()
             if a.line.split()[6] != "pending"]
    # a lone one that was answered by one result may count
    assert not ready or count(1) == 1, ready
    office.answer = lambda entries: results(len(entries))
    wait_for(lambda: states(world) == {"ready"}, "all to be ready", 30)


BAD_RESULTS = {
    "a number": 0, "a list": [], "text": "ok",
    "code out of range": {"code": 7}, "code below zero": {"code": -1},
    "code that is text": {"code": "0"}, "code that is true": {"code": True},
    "code of a fraction": {"code": 0.5}, "huge code": {"code": 1e300},
    "code beyond 32 bits": {"code": 1 << 32},
    "message that is none": {"message": {}},
}


@pytest.mark.parametrize("bad", BAD_RESULTS.values(), ids=BAD_RESULTS)
def test_result_that_is_none(fresh, fake, bad):
    """It is taken neither for a yes nor for a final no, nor are those with
    it."""
    office = fake(lambda entries: (200, {"transitIPs": [
        {} for _ in entries[1:]] + [bad]} if entries else {}))
    world = world_with(fresh, office, dns={"holdMilliseconds": 0})
    world.client.process.allow("office-1")
    wait_for(lambda: office.requests, "a request")
    world.magic("wiki.corp.example")
    few = len(office.entries())
    wait_for(lambda: len(office.entries()) >= few + 3, "it to be sent again",
             30)
    assert states(world) == {"pending"}
    assert world.client.stat("push.acked") == 0
    office.answer = lambda entries: results(len(entries))
    wait_for(lambda: states(world) == {"ready"}, "all to be ready", 30)


def test_epoch_that_changes_with_each_answer(fresh, fake):
    """All is sent again for that, but not all the time: that would be a
    storm."""
    office = fake()
    office.sign = lambda *_: {"Conn25-Epoch": secrets.token_hex(16)}
    world = world_with(fresh, office, dns={"holdMilliseconds": 0})
    began = time.monotonic()
    wait_for(lambda: states(world) == {"ready"}, "a start")
    for number in range(300):
        world.magic(zones.bulk_name(number))
    wait_for(lambda: states(world) == {"ready"}, "all to be ready", 30)
    first = world.client.assignments()[0].transit
    wait_for(lambda: sum(e["transitIP"] == first
                         for e in office.entries()) >= 2,
             "the first one to be sent again", 30)
    # at most one round in ten seconds, besides the first, and one for luck
    rounds = (time.monotonic() - began) / 10 + 2
    sent = collections.Counter(e["transitIP"] for e in office.entries())
    assert max(sent.values()) <= rounds + 1, sent
    told = world.client.process.log().count("has started anew")
    assert told <= 2 * rounds, world.client.process.log()
    assert states(world) == {"ready"}
    assert world.client.stat("connector.office-1.healthy") == 1
