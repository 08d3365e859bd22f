# SPDX-License-Identifier: BSD-3-Clause
"""The connector knows before the client's first packet, and always again: what
the design promises of delivery, with real programs and many names.

CONN25_TEST_NAMES says how many new names the connector is killed under, once
in 5,000 and at least four times (the full form has 100,000).
"""

import os
import time

import pytest

from harness import zones
from harness.conn25 import APPS, peers
from harness.flood import Flood
from harness.relay import Relay
from harness.unbound import PREFIX
from harness.wait import wait_for

NAMES = int(os.environ.get("CONN25_TEST_NAMES", "4000"))
KILLS = max(4, NAMES // 5000)
FULL = NAMES >= 100000
HOLD_MS = 250

FLOOD_APPS = APPS + [{"name": "flood", "domains": ["*.flood.example"],
                      "connectors": ["tag:office"],
                      "destinations": ["10.0.0.0/8"]}]

# Room for all of them; transit IPs from outside of what others use.
FLOOD_POOLS = {
    "v4MagicIPPool": ["100.64.0.0/14"], "v4TransitIPPool": ["10.64.0.0/14"],
    "v6MagicIPPool": ["fd25:1::/64"], "v6TransitIPPool": ["fd25:2::/64"],
}


@pytest.fixture(autouse=True)
def with_events():
    with open(f"{PREFIX}/src/config.h", encoding="ascii") as file:
        if "#define USE_MINI_EVENT" in file.read():
            pytest.skip("this Unbound has no libevent: nothing is held")


class Killer:
    """Kills the connector while names are answered, and starts it again at
    once or later, in turns."""

    def __init__(self, connector):
        self.connector = connector
        self.answered = 0
        self.kills = 0
        self.kill_at = self.start_at = NAMES / (KILLS + 1)

    def step(self, *_):
        """Called with each answer."""
        self.answered += 1
        process = self.connector.process
        if self.kills < KILLS and self.answered >= self.kill_at:
            process.kill()
            self.kills += 1
            self.start_at = self.kill_at
            if self.kills % 2:
                self.start_at += 0.6 * NAMES / (KILLS + 1)
            self.kill_at += NAMES / (KILLS + 1)
        if not process.alive() and self.answered >= self.start_at:
            process.start()


def tables(world):
    """What the client has assigned, and what the connector has."""
    assigned = {tuple(line.split()[i] for i in (3, 1, 6))
                for line in
                world.client.control("list_assignments").splitlines()}
    mapped = {tuple(line.split()[1:3]) for line in
              world.connector.control("list_mappings").splitlines()}
    return assigned, mapped


def test_connector_that_is_killed_again_and_again(fresh, nsd, capsys):
    """Nothing is lost, and nobody waits longer than told."""
    world = fresh(
        client={"apps": FLOOD_APPS, "pools": FLOOD_POOLS,
                "table": {"maxAssignments": 1 << 18},
                "dns": {"holdMilliseconds": HOLD_MS, "maxTTL": 3600}},
        connector={"apps": FLOOD_APPS, "peers": peers(FLOOD_APPS)},
        unbound={"upstream": nsd.address})
    killer = Killer(world.connector)
    with Flood(world.address) as flood:
        flood.ask((f"n{n}.flood.example" for n in range(NAMES)), killer.step)
    assert killer.kills == KILLS
    stats = world.client.stats()
    late = flood.later_than(HOLD_MS + 50)
    with capsys.disabled():
        print(f"\n{NAMES} new names, connector killed {KILLS} times: "
              f"{flood.distribution()}, {len(late)} later than "
              f"{HOLD_MS + 50} ms; held {stats['total.num.held']:.0f}, of "
              f"these in vain {stats['total.num.hold_timeout']:.0f}")
    assert not flood.wrong
    assert len(set(flood.magic.values())) == NAMES
    if FULL:        # on a machine that does little else
        assert not late, f"answers came late: {late[-10:]} ms"

    def equal():
        if not world.connector.answers():
            return False
        assigned, mapped = tables(world)
        return {(t, d) for t, d, _ in assigned} == mapped and {
            state for *_, state in assigned} == {"ready"}
    started = time.monotonic()
    wait_for(equal, "every assignment to be acknowledged and mapped", 60)
    assert world.client.stat("assignments.current") == NAMES + 2
    with capsys.disabled():
        print(f"all {NAMES + 2} acknowledged and mapped "
              f"{time.monotonic() - started:.1f} s after the last answer")


def first_connections(world, relay_s):
    """Asks a thousand names, and as soon as there is an answer looks whether
    the connector knows where packets are to go. Returns how many times it did
    not, and the times of the answers."""
    if relay_s:
        relay = Relay(("127.0.0.2", world.connector_port), relay_s)
        world.keeper.closers.append(relay.close)
        world.client.configure(dict(world.client.config, connectors=[
            dict(world.client.config["connectors"][0], url=relay.url)]))
    world.client.start()
    world.unbound.start()
    world.wait_attached()
    world.wait_mapped()
    missing = 0
    with Flood(world.address, window=1) as flood:
        for number in range(1000):
            flood.ask([zones.bulk_name(number)])
            flood.wrong.pop()   # these have two addresses
            for destination in zones.bulk_addresses(number)[:1]:
                worked, text = world.connector.control_direct(
                    f"lookup {destination}")
                missing += not worked or "mapping: " not in text
    world.wait_mapped()
    return missing, flood.distribution()


@pytest.mark.parametrize("away_ms", [0, 10])
def test_first_connections(fresh, nsd, capsys, away_ms):
    """With holding all first packets find their mapping; the same without
    holding shows what that is good for."""
    missing = {}
    for hold_ms in (5000, 0):
        world = fresh(client={"dns": {"holdMilliseconds": hold_ms}},
                      unbound={"upstream": nsd.address},
                      start=("connector",))
        missing[hold_ms], times = first_connections(world, away_ms / 2000)
        with capsys.disabled():
            print(f"\nfirst connections, connector {away_ms} ms away, "
                  f"holdMilliseconds {hold_ms}: {missing[hold_ms]} of 1000 "
                  f"without mapping; {times}")
    assert missing[5000] == 0
    if away_ms:
        assert missing[0] > 0
