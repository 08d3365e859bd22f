# SPDX-License-Identifier: BSD-3-Clause
"""Nothing that a client was told changes, however often Unbound and conn25d
are killed at random moments, under load and with reloads (issue: nothing is
forgotten; DESIGN 4.4, 6).

CONN25_TEST_KILLS says how many kills (the full form has 1,000),
CONN25_TEST_SEED repeats a run as far as that is possible.
"""

import os
import random
import threading
import time

import dns.message

from harness import zones
from harness.ask import addresses, exchange, query
from harness.conn25 import is_magic
from harness.wait import wait_for

KILLS = int(os.environ.get("CONN25_TEST_KILLS", "60"))
SEED = int(os.environ.get("CONN25_TEST_SEED", str(int(time.time()))))
NAMES = [zones.bulk_name(n) for n in range(300)] + [
    "wiki.corp.example", "chain.wiki.corp.example", "v4.wiki.corp.example"]
RELOADED = "added.corp.example"


class Client(threading.Thread):
    """Asks all the time, and remembers what it was told."""

    def __init__(self, world, seed):
        super().__init__(daemon=True)
        self.address = world.address
        self.random = random.Random(seed)
        self.told = {}          # name -> its magic IPs
        self.answered = 0
        self.violations = []
        self.stop = False
        self.start()

    def run(self):
        while not self.stop:
            name = self.random.choice(NAMES)
            tcp = self.random.random() < 0.1
            try:
                answer = dns.message.from_wire(exchange(
                    self.address, query(name, "A").to_wire(), tcp, 0.3))
            except (OSError, EOFError):
                continue        # nobody is there: no promise
            self.answered += 1
            found = addresses(answer)
            if not found:
                continue        # SERVFAIL while conn25d starts
            if not all(map(is_magic, found)):
                self.violations.append(f"{name}: {found}")
            elif self.told.setdefault(name, found) != found:
                self.violations.append(
                    f"{name}: {self.told[name]} became {found}")


def check_table(world, clients):
    """The table as conn25d shows it, against what clients were told."""
    told = [pair for client in clients for pair in dict(client.told).items()]
    assignments = world.client.assignments()
    stats = world.client.stats()
    wrong = []
    for what in "magic", "transit":
        all_of_them = [getattr(a, what) for a in assignments]
        if len(all_of_them) != len(set(all_of_them)):
            wrong.append(f"a {what} IP with two owners")
    held = {}
    for assignment in assignments:
        held.setdefault(assignment.domain, set()).add(assignment.magic)
    for name, magic in told:
        if not set(magic) <= held.get(name, set()):
            wrong.append(f"{name}: told {magic}, held {held.get(name)}")
    for pool in "v4magic", "v4transit":
        if stats[f"pool.{pool}.inuse"] < len(
                [a for a in assignments if "." in a.magic]):
            wrong.append(f"pool.{pool}.inuse is too small")
    return wrong


def start_again(process):
    """Both may be killed while they start, too."""
    if process.popen is not None and process.alive():
        return
    process.popen = None
    process.start()


def test_storm(fresh):
    world = fresh(unbound={"threads": 2})
    world.unbound.process.allow(".")
    world.client.process.allow(".")
    chance = random.Random(SEED)
    print(f"storm: CONN25_TEST_SEED={SEED}, {KILLS} kills")
    clients = [Client(world, SEED + n) for n in range(4)]
    parts = {"unbound": world.unbound.process, "conn25d":
             world.client.process}
    kills = {"unbound": 0, "conn25d": 0, "both": 0}
    violations = []

    def answered():
        return sum(client.answered for client in clients)

    for number in range(KILLS):
        which = chance.choice(["unbound", "conn25d", "both"])
        # Now and then before anybody has got an answer, mostly after some.
        wanted = answered() + chance.choice([0, 0, 3, 20, 60])
        wait_for(lambda w=wanted: answered() >= w
                 or not parts["unbound"].alive(), "answers", 20)
        for name in parts if which == "both" else [which]:
            if parts[name].alive():
                parts[name].send(9)
                parts[name].wait_exit()
        kills[which] += 1
        if chance.random() < 0.15:
            config = dict(world.client.config)
            config["apps"] = [
                dict(app, domains=app["domains"] + [RELOADED])
                if app["name"] == "wiki" and number % 2 else
                dict(app, domains=[d for d in app["domains"]
                                   if d != RELOADED])
                for app in config["apps"]]
            world.client.configure(config)
            if parts["conn25d"].alive():
                parts["conn25d"].send(1)        # SIGHUP
        order = list(parts.values())
        chance.shuffle(order)
        for process in order:
            start_again(process)
        if number % 20 == 19:
            wait_for(world.client.answers, "conn25d", 20)
            violations += check_table(world, clients)
        violations += [v for c in clients for v in c.violations]
        assert not violations, (SEED, number, violations[:5])
    wait_for(world.client.answers, "conn25d", 20)
    world.wait_attached(timeout_s=20)
    for client in clients:
        client.stop = True
    for client in clients:
        client.join(5)
    violations += check_table(world, clients)
    told = {}
    for client in clients:
        for name, magic in client.told.items():
            if told.setdefault(name, magic) != magic:
                violations.append(f"{name}: two clients, {told[name]} and "
                                  f"{magic}")
    for name, magic in told.items():
        if world.magic(name) != magic:
            violations.append(f"{name}: changed in the end")
    print(f"storm: {sum(kills.values())} kills ({kills}), {answered()} "
          f"answers, {len(told)} names, {len(violations)} violations")
    assert len(told) > 100
    assert not violations, (SEED, violations[:5])
    world.wait_mapped()
