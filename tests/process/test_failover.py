# SPDX-License-Identifier: BSD-3-Clause
"""Connectors that fail, and what becomes of their assignments (DESIGN 7): they
go to the next one within seconds, with transit IPs that lead there, and go back
when the better one has been well for a while. Magic IPs never change.

CONN25_TEST_FAILURES_S is how long connectors fail at random (the full form has
300), CONN25_TEST_SEED repeats a run as far as that is possible.
"""

import collections
import os
import random
import signal
import time

import pytest

from harness import blackhole, zones
from harness.conn25 import Conn25d, connector_config
from harness.process import free_port
from harness.seed import SEED
from harness.wait import SCALE, holds_for, wait_for

SECONDS = int(os.environ.get("CONN25_TEST_FAILURES_S", "15"))

# Each connector has a transit pool of its own: that many.
POOLS = ["169.254.64.0/20", "169.254.80.0/20", "169.254.96.0/20"]

Given = collections.namedtuple("Given", "transit connector state")


class Offices:
    """Real connectors office-1, -2, ... and a client that knows them."""

    def __init__(self, fresh, count, tags=None, **client):
        tags = tags or ["tag:office"] * count
        # One of them is the world's own.
        self.world = fresh(start=())
        self.offices = [self.world.connector]
        for number in range(2, count + 1):
            port = free_port(f"127.0.0.{number + 1}")
            config = connector_config(port)
            config["listen"]["transitIP"] = \
                f"http://127.0.0.{number + 1}:{port}"
            self.offices.append(Conn25d(self.world.keeper, f"office{number}",
                                        config))
        self.world.client.configure(dict(
            self.world.client.config, **client, connectors=[
                {"name": f"office-{n}", "tags": [tags[n - 1]], "priority": n,
                 "url": office.config["listen"]["transitIP"],
                 "transit": {"v4": [POOLS[n - 1]]}}
                for n, office in enumerate(self.offices, 1)]))
        self.world.client.process.allow("connector office", "push:")
        for office in self.offices:
            office.start()
        self.world.client.start()
        self.world.unbound.start()
        self.world.wait_attached()

    def given(self):
        """{(domain, magic): Given} of what the client has assigned."""
        found = {}
        for a in self.world.client.assignments():
            words = a.line.split()
            found[a.domain, a.magic] = Given(a.transit, words[5], words[6])
        return found

    def settled(self, office, app=""):
        """Is everything of the app ready at that connector, and has it got
        it?"""
        given = {key: g for key, g in self.given().items()
                 if key[0].endswith(app)}
        mapped = {m.transit for m in self.offices[office - 1].mappings()}
        return given and all(
            g.connector == f"office-{office}" and g.state == "ready"
            and g.transit in mapped for g in given.values())

    def wait_settled(self, office, app="", timeout_s=20):
        wait_for(lambda: self.settled(office, app),
                 lambda: f"everything to be at office-{office}: "
                 f"{self.given()}", timeout_s)

    def healthy(self, office):
        return self.world.client.stat(f"connector.office-{office}.healthy")


def kill(office):
    office.process.kill()


def freeze(office):
    """It neither answers nor closes anything."""
    office.process.send(signal.SIGSTOP)


def swallow(office):
    """Its packets get lost."""
    if not blackhole.possible():
        pytest.skip("needs nft and a network namespace: run as root")
    blackhole.swallow(office.config["listen"]["transitIP"].split("/")[2]
                      .split(":")[0])


def undo(how, office):
    if how is kill:
        office.start()
    elif how is freeze:
        office.process.send(signal.SIGCONT)
    else:
        blackhole.release(office.config["listen"]["transitIP"].split("/")[2]
                          .split(":")[0])


def test_goes_to_the_next_and_comes_back(fresh, capsys):
    it = Offices(fresh, 2)
    for number in range(50):
        it.world.magic(zones.bulk_name(number))
    it.wait_settled(1)
    before = it.given()
    kill(it.offices[0])
    failed = time.monotonic()
    it.wait_settled(2)
    with capsys.disabled():
        print(f"\n{len(before)} assignments at the next connector "
              f"{time.monotonic() - failed:.1f} s after the first failed")
    after = it.given()
    assert set(after) == set(before)        # domains and magic IPs
    assert not {g.transit for g in after.values()} \
        & {g.transit for g in before.values()}
    # What is new goes to the one that is well at once.
    it.world.magic(zones.bulk_name(50))
    it.wait_settled(2)
    it.offices[0].start()
    wait_for(lambda: it.healthy(1) == 1, "the first to be well again")
    # It is not trusted at once, ...
    holds_for(lambda: it.settled(2), "everything stays where it is", 3)
    # ... but then everything is as before, addresses too.
    it.wait_settled(1, timeout_s=40)
    again = it.given()
    assert {key: again[key] for key in before} == before


@pytest.mark.parametrize("how", [freeze, swallow])
def test_one_that_falls_silent_has_failed(fresh, how):
    it = Offices(fresh, 2)
    it.world.magic(zones.bulk_name(1))
    it.wait_settled(1)
    before = it.given()
    how(it.offices[0])
    try:
        it.wait_settled(2)
        assert set(it.given()) == set(before)
        it.world.magic(zones.bulk_name(2))
        it.wait_settled(2)
    finally:
        undo(how, it.offices[0])
    wait_for(lambda: it.healthy(1) == 1, "the first to be well again", 20)


def test_short_absence_moves_nothing(fresh):
    it = Offices(fresh, 2)
    for number in range(20):
        it.world.magic(zones.bulk_name(number))
    it.wait_settled(1)
    before = it.given()
    longest_s = 0
    for number in range(3):
        kill(it.offices[0])
        if number == 1:
            wait_for(lambda: it.healthy(1) == 0, "the client to know")
        start = time.monotonic()
        if number == 1:
            holds_for(lambda: it.healthy(1) == 0, "it is down", 0.6)
        it.offices[0].start()
        longest_s = max(longest_s, time.monotonic() - start)
        wait_for(lambda: it.healthy(1) == 1, "the first to be well again")
    if longest_s > 1.2:
        pytest.skip("this machine is too slow for a short absence")
    it.wait_settled(1)
    assert it.given() == before
    assert it.world.client.stat("push.moved") == 0


def test_each_app_fails_over_by_itself(fresh):
    apps = [{"name": "wiki", "connectors": ["tag:a", "tag:c"],
             "domains": ["wiki.corp.example", "*.wiki.corp.example"]},
            {"name": "bulk", "connectors": ["tag:b", "tag:c"],
             "domains": ["*.bulk.example"]}]
    it = Offices(fresh, 3, ["tag:a", "tag:b", "tag:c"], apps=apps)
    for number in range(10):
        it.world.magic(zones.bulk_name(number))
    it.wait_settled(1, "wiki.corp.example")
    it.wait_settled(2, "bulk.example")
    before = it.given()
    kill(it.offices[1])
    it.wait_settled(3, "bulk.example")
    it.wait_settled(1, "wiki.corp.example")
    kill(it.offices[0])
    it.wait_settled(3)
    assert set(it.given()) == set(before)


def test_nobody_left_keeps_everything(fresh):
    """All fail: nothing is lost, and whoever comes first gets all of it."""
    it = Offices(fresh, 2)
    it.world.magic(zones.bulk_name(1))
    it.wait_settled(1)
    kill(it.offices[0])
    kill(it.offices[1])
    wait_for(lambda: not it.healthy(1) and not it.healthy(2),
             "both to be down")
    it.world.magic(zones.bulk_name(2))
    before = it.given()
    it.offices[1].start()
    it.wait_settled(2, timeout_s=30)
    assert set(it.given()) == set(before)


class Trouble:
    """Connectors fail and recover at random, all but one at most."""

    def __init__(self, it, seed):
        self.it = it
        self.random = random.Random(seed)
        self.failed = {}        # connector's place -> how
        self.failures = 0

    def step(self):
        places = range(len(self.it.offices))
        well = [p for p in places if p not in self.failed]
        if self.failed and (len(well) == 1 or self.random.random() < 0.4):
            self.mend(self.random.choice(sorted(self.failed)))
        else:
            # Half the time the best, which has most to lose.
            place = self.random.choice([well[0], self.random.choice(well)])
            self.failed[place] = self.random.choice([kill, kill, freeze])
            self.failed[place](self.it.offices[place])
            self.failures += 1

    def mend(self, place):
        undo(self.failed.pop(place), self.it.offices[place])


@pytest.mark.timeout((300 + SECONDS) * SCALE)
def test_random_failures(fresh, capsys):
    """Whatever fails and when: magic IPs stay, each assignment ends at a
    connector that is well, and nobody is bombarded."""
    it = Offices(fresh, 3)
    trouble = Trouble(it, SEED)
    told, number = {}, 0
    for number in range(100):
        told[zones.bulk_name(number)] = it.world.magic(
            zones.bulk_name(number))
    it.wait_settled(1)
    start = it.world.client.stats()
    end = time.monotonic() + SECONDS
    fail_at = ask_at = 0
    while time.monotonic() < end:
        wait_for(lambda at=ask_at: time.monotonic() >= at, "the time to ask")
        ask_at = time.monotonic() + 0.05
        if time.monotonic() >= fail_at:
            trouble.step()
            fail_at = time.monotonic() + trouble.random.uniform(0.2, 5)
        number += number < 999
        for name in (zones.bulk_name(number), zones.bulk_name(
                trouble.random.randrange(100))):
            told.setdefault(name, it.world.magic(name))
            assert told[name] == it.world.magic(name), f"seed {SEED}: {name}"
    # One stays down; where it is, nothing may be.
    if not trouble.failed:
        trouble.step()
    for place in sorted(trouble.failed)[1:]:
        trouble.mend(place)
    down = {f"office-{place + 1}" for place in trouble.failed}
    well = [o for p, o in enumerate(it.offices) if p not in trouble.failed]

    def all_well():
        given = it.given()
        mapped = {m.transit for office in well for m in office.mappings()}
        return all(g.state == "ready" and g.connector not in down
                   and g.transit in mapped for g in given.values())
    wait_for(all_well, lambda: f"seed {SEED}: each assignment at one of "
             f"those that are well: {it.given()}", 60)
    held = {}
    for domain, magic in it.given():
        held.setdefault(domain, set()).add(magic)
    for name, magic in told.items():
        assert set(magic) <= held[name], f"seed {SEED}: {name}"
    stats = it.world.client.stats()
    probes, requests = (stats[f"push.{what}"] - start[f"push.{what}"]
                        for what in ("probes", "requests"))
    # Each new name is worth one of its own.
    requests -= probes + len(told) - 100
    with capsys.disabled():
        print(f"\n{trouble.failures} failures of three connectors in "
              f"{SECONDS} s (seed {SEED}), {len(it.given())} assignments, "
              f"moved {stats['push.moved']:.0f} times; for each failure "
              f"{requests / trouble.failures:.1f} requests with mappings "
              f"beyond those for new names, "
              f"{probes / trouble.failures:.1f} without any")
    # A storm would be thousands.
    assert requests < 100 * trouble.failures
    for place in list(trouble.failed):
        trouble.mend(place)
