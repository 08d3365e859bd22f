# SPDX-License-Identifier: BSD-3-Clause
"""Nothing that a client was told changes, however often Unbound and conn25d
are killed at random moments, under load and with reloads, with pools and a
table that change their size, and now and then with everything gone that is on
a tmpfs (issue: nothing is forgotten; DESIGN 4.4, 6).

CONN25_TEST_KILLS says how many kills (the full form has 1,000),
CONN25_TEST_SEED repeats a run as far as that is possible.
"""

import glob
import os
import random
import subprocess
import threading

import dns.message

from harness import conn25, zones
from harness.ask import addresses, exchange, query
from harness.conn25 import is_magic
from harness.seed import SEED
from harness.wait import wait_for

KILLS = int(os.environ.get("CONN25_TEST_KILLS", "60"))
NAMES = [zones.bulk_name(n) for n in range(300)] + [
    "wiki.corp.example", "chain.wiki.corp.example", "v4.wiki.corp.example"]
RELOADED = "added.corp.example"
# The same addresses in other pools, and fewer of them.
POOLS = [{}, {"v4MagicIPPool": ["100.64.0.0/17", "100.64.128.0/17"]},
         {"v4MagicIPPool": ["100.64.0.0/18"],
          "v4TransitIPPool": ["169.254.64.0/20"]}]


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
        self.go = threading.Event()
        self.go.set()
        self.paused = threading.Event()
        self.start()

    def run(self):
        while not self.stop:
            if not self.go.is_set():
                self.paused.set()
                self.go.wait()
                self.paused.clear()
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


class Quiet:
    """Nobody asks meanwhile."""

    def __init__(self, clients):
        self.clients = clients

    def __enter__(self):
        for client in self.clients:
            client.go.clear()
        for client in self.clients:
            assert client.paused.wait(10)

    def __exit__(self, *_):
        for client in self.clients:
            client.go.set()


def check_table(world, clients, pins):
    """The table as conn25d shows it, against what clients were told and what
    it was before: `pins`, the addresses of each (name, destination)."""
    told = [pair for client in clients for pair in dict(client.told).items()]
    assignments = world.client.assignments()
    stats = world.client.stats()
    wrong = []
    for what in "magic", "transit":
        all_of_them = [getattr(a, what) for a in assignments]
        if len(all_of_them) != len(set(all_of_them)):
            wrong.append(f"a {what} IP with two owners")
    held = {}
    for a in assignments:
        held.setdefault(a.domain, set()).add(a.magic)
        pin = pins.setdefault((a.domain, a.destination),
                              (a.magic, a.transit))
        if pin != (a.magic, a.transit):
            wrong.append(f"{a.domain} {a.destination}: {pin} became "
                         f"{(a.magic, a.transit)}")
    gone = set(pins) - {(a.domain, a.destination) for a in assignments}
    if gone:
        wrong.append(f"{len(gone)} are gone: {sorted(gone)[:3]}")
    for name, magic in told:
        if not set(magic) <= held.get(name, set()):
            wrong.append(f"{name}: told {magic}, held {held.get(name)}")
    for pool in "v4magic", "v4transit":
        inuse = stats[f"pool.{pool}.inuse"]
        count = len([a for a in assignments if "." in a.magic])
        if inuse != count:
            wrong.append(f"pool.{pool}.inuse is {inuse}, not {count}")
    return wrong


def rows(world):
    """How many assignments are in the database."""
    path = os.path.join(world.client.config["stateDir"], "conn25.db")
    run = subprocess.run(
        ["/usr/bin/python3", "-c", "import sqlite3, sys\n"
         "db = sqlite3.connect(sys.argv[1])\n"
         "print(*db.execute('SELECT count(*) FROM assignment').fetchone())\n",
         path], check=True, capture_output=True, text=True)
    return int(run.stdout)


def lose_tmpfs(world):
    """As a reboot does, with everything in the database that was told."""
    wait_for(world.client.answers, "conn25d", 20)
    wait_for(lambda: world.client.stat("store.pending") == 0
             and rows(world) == len(world.client.assignments()),
             "everything to be written", 20)
    for process in world.unbound.process, world.client.process:
        if process.alive():
            process.send(9)
            process.wait_exit()
    for path in glob.glob(os.path.join(world.client.run_dir, "*")):
        os.unlink(path)


def start_again(process):
    """Both may be killed while they start, too."""
    if process.popen is not None and process.alive():
        return
    process.popen = None
    process.start()


def change(world, chance, number):
    """Another configuration, in which every name and address still is."""
    config = dict(world.client.config)
    config["apps"] = [
        dict(app, domains=app["domains"] + [RELOADED])
        if app["name"] == "wiki" and number % 2 else
        dict(app, domains=[d for d in app["domains"] if d != RELOADED])
        for app in config["apps"]]
    config["pools"] = dict(conn25.POOLS, **chance.choice(POOLS))
    # in force with the next start
    config["table"] = {"maxAssignments": chance.choice([1024, 4096, 65536])}
    world.client.configure(config)


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
    pins = {}
    lost = 0

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
            change(world, chance, number)
            if parts["conn25d"].alive():
                parts["conn25d"].send(1)        # SIGHUP
        order = list(parts.values())
        chance.shuffle(order)
        for process in order:
            start_again(process)
        if number % 20 == 19:
            wait_for(world.client.answers, "conn25d", 20)
            with Quiet(clients):
                violations += check_table(world, clients, pins)
                if number % 40 == 39:
                    lose_tmpfs(world)
                    lost += 1
                    for process in order:
                        start_again(process)
                    # Until there is a table names are nobody's.
                    wait_for(world.client.answers, "conn25d", 20)
                    world.wait_attached(timeout_s=20)
        violations += [v for c in clients for v in c.violations]
        assert not violations, (SEED, number, violations[:5])
    wait_for(world.client.answers, "conn25d", 20)
    world.wait_attached(timeout_s=20)
    for client in clients:
        client.stop = True
    for client in clients:
        client.join(5)
    violations += check_table(world, clients, pins)
    told = {}
    for client in clients:
        for name, magic in client.told.items():
            if told.setdefault(name, magic) != magic:
                violations.append(f"{name}: two clients, {told[name]} and "
                                  f"{magic}")
    for name, magic in told.items():
        if world.magic(name) != magic:
            violations.append(f"{name}: changed in the end")
    print(f"storm: {sum(kills.values())} kills ({kills}), tmpfs lost {lost} "
          f"times, {answered()} answers, {len(told)} names, "
          f"{len(violations)} violations")
    assert len(told) > 100
    assert "in no pool" not in world.client.process.log()
    assert not violations, (SEED, violations[:5])
    world.wait_mapped()
