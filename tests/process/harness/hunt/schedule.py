# SPDX-License-Identifier: BSD-3-Clause
"""What happens during a hunt, and when: a deck of disturbances, shuffled by
the seed and dealt by the number of queries sent.

Each runs in a thread of its side (conn25d's or the resolver's), so that
queries go on meanwhile. The client looks at `settled`, the last generation of
the policy that is surely in force, and `newest`, the last that may be.
"""

import concurrent.futures
import math
import signal
import time

from ..wait import scaled, wait_for
from .names import text_of
from .sketch import CHILDREN, MIDDLE
from .strict import STRICT
from .universe import VERSIONS

# How often each disturbance comes.
CARDS = {
    "_reload": 16, "_sharp_reload": 16, "_bad_reload": 2, "_snapshot": 8,
    "_kill": 4, "_term": 4, "_kill_changing": 3, "_connector": 3,
    "_unbound_reload": 5, "_keep_cache": 2, "_flush": 8, "_flush_zone": 8,
    "_flush_some": 6, "_dump_and_load": 2, "_change": 20, "_outage": 1.5,
}

OUTAGE_S = 1
OUTAGE_ANSWERS = 1500
TROUBLE_S = 12


class Schedule:
    def __init__(self, programs, oracle, sketch, rng, total, spacing):
        self.programs = programs
        self.oracle = oracle
        self.sketch = sketch
        self.rng = rng
        self.settled = self.newest = 0
        self.tables = []                # snapshots the client has to read
        # What the client is asked to do, or how far it is.
        self.answered = lambda: 0
        self.sharp = lambda run: run(lambda: None)
        self.notes = []                 # (query number, text), for reports
        self.threads = {
            side: concurrent.futures.ThreadPoolExecutor(1)
            for side in ("daemon", "resolver")}
        self.running = {}               # side -> future
        self.version = {}               # zone -> version
        self.deck = self._deal(total, spacing)
        self.done = 0

    # ---- the deck ----

    def _deal(self, total, spacing):
        """[(query number, side, function, text)], soonest last."""
        rng = self.rng
        deck = []
        for number in range(spacing, total, spacing):
            number += rng.randrange(spacing)
            name, = rng.choices(list(CARDS), CARDS.values())
            deck.append((number, *getattr(self, name)()))
        deck.sort(key=lambda entry: -entry[0])
        return deck

    def _reload(self):
        policy = self.rng.randrange(len(self.oracle.policies))
        return "daemon", lambda: self._publish(
            policy, self.programs.reload), f"policy {policy}: reload"

    def _sharp_reload(self):
        """Names that gain or lose the policy are asked for just before a
        reload, so that they are cached, and the moment it has returned."""
        policy = self.rng.randrange(len(self.oracle.policies))

        def run(ask):
            def reload():
                self.programs.reload()
                if not STRICT:
                    ask()
            self._publish(policy, reload)
            if STRICT:
                ask()
        return "client", lambda: self.sharp(run), \
            f"policy {policy}: reload, and questions at once"

    def _kill_changing(self):
        policy = self.rng.randrange(len(self.oracle.policies))

        def run():
            self.programs.client.process.kill()
            self.programs.client.start()
        return "daemon", lambda: self._publish(policy, run), \
            f"policy {policy}: SIGKILL and start of conn25d"

    def _kill(self):
        def run():
            self.programs.client.process.kill()
            self.programs.client.start()
        return "daemon", run, "SIGKILL and start of conn25d"

    def _term(self):
        def run():
            self.programs.client.stop()
            self.programs.client.start()
        return "daemon", run, "SIGTERM and start of conn25d"

    def _bad_reload(self):
        return "daemon", self.programs.bad_reload, "reload of a broken file"

    def _connector(self):
        number = self.rng.choice([signal.SIGKILL, signal.SIGTERM])

        def run():
            self.programs.connector.process.stop(number)
            self.programs.connector.start()
        return "daemon", run, f"signal {int(number)} and start of connector"

    def _snapshot(self):
        return "daemon", self.snapshot, "list_assignments"

    def _unbound_reload(self):
        return "resolver", self.programs.reload_unbound, "unbound reload"

    def _keep_cache(self):
        verb = self.rng.choice(self.programs.soft_reloads)
        return "resolver", lambda: self.programs.reload_unbound(verb), \
            f"unbound {verb}"

    def _flush(self):
        names = [text_of(self.rng.choice(area.owners)) for area in
                 self.rng.sample(self.sketch.areas, 5)]

        def run():
            for name in names:
                self.programs.control("flush", name)
        return "resolver", run, f"flush of {' '.join(names)}"

    def _flush_zone(self):
        zone = self.rng.choice(list(self.sketch.universe.zones.values())).name
        return "resolver", lambda: self.programs.control(
            "flush_zone", zone), f"flush_zone {zone}"

    def _flush_some(self):
        words = self.rng.choice([
            ("flush_infra", "all"), ("flush_bogus",), ("flush_negative",),
            ("flush_requestlist",),
            ("flush_type", self._owner(), self.rng.choice(
                ["A", "AAAA", "HTTPS", "CNAME"]))])
        return "resolver", lambda: self.programs.control(*words), \
            " ".join(words)

    def _owner(self):
        return text_of(self.rng.choice(
            self.rng.choice(self.sketch.areas).owners))

    def _change(self):
        server = self.rng.choice([MIDDLE, MIDDLE, CHILDREN])
        zones = [z for z in self.sketch.universe.zones.values()
                 if z.server == server]
        chosen = self.rng.sample(zones, min(3, len(zones)))
        steps = [(z, self.rng.randrange(1, VERSIONS)) for z in chosen]

        def run():
            changes = []
            for zone, step in steps:
                new = (self.version.get(zone.name, 0) + step) % VERSIONS
                self.version[zone.name] = new
                changes.append((zone, new))
            self.programs.servers[server].change(changes)
        return "resolver", run, "new records in " + " ".join(
            z.name for z in chosen)

    def _outage(self):
        server = self.rng.choice([MIDDLE, CHILDREN])
        return "resolver", lambda: self._out(server), f"{server} is stopped"

    def _out(self, server):
        """Nobody is asked for a while, or for so many answers."""
        self.oracle.trouble_until = math.inf
        begin = self.answered()
        until = time.monotonic() + OUTAGE_S
        with self.programs.servers[server].stopped():
            wait_for(lambda: self.answered() > begin + OUTAGE_ANSWERS
                     or time.monotonic() > until, "the end of an outage")
        self.programs.forget_servers()
        # What failed is remembered for 5 s, and some of it is asked again
        # after a timeout that has grown.
        self.oracle.trouble_until = time.monotonic() + scaled(TROUBLE_S)

    def _dump_and_load(self):
        """With no policy in between, under which it may not be loaded."""
        return "client", self.programs.dump_and_load, \
            "dump_cache and load_cache"

    def _publish(self, policy, how):
        """A configuration with another policy, and `how` to make it known."""
        self.oracle.in_force.append(policy)
        self.newest += 1
        self.programs.configure(self.oracle.policies[policy])
        how()
        # conn25d does not wait for Unbound's threads, so that until they have
        # taken up the policy cached answers are those of before.
        if not STRICT:
            self.programs.wait_policy()
        self.settled = self.newest

    def snapshot(self):
        asked = time.monotonic()
        text = self.programs.client.control("list_assignments")
        self.tables.append((text, asked))

    # ---- dealing ----

    def tend(self, number, wait):
        """Starts what is due at this query. wait() is called while something
        of the same side is still under way."""
        while self.deck and self.deck[-1][0] <= number:
            _, side, function, text = self.deck.pop()
            while not self.idle("daemon" if side == "client" else side):
                wait()
            self.notes.append((number, text))
            del self.notes[:-40]
            self.done += 1
            if side == "client":
                function()
            else:
                self.running[side] = self.threads[side].submit(function)

    def idle(self, side):
        """Is nothing under way there? Raises what went wrong."""
        future = self.running.get(side)
        if future is None:
            return True
        if not future.done():
            return False
        del self.running[side]
        future.result()
        return True

    def check(self):
        for side in self.threads:
            self.idle(side)

    def finish(self, wait):
        self.deck.clear()
        while not all([self.idle(side) for side in self.threads]):
            wait()

    def wait(self):
        """Until nothing is under way, whatever became of it."""
        concurrent.futures.wait(list(self.running.values()))

    def close(self):
        """After the programs: those that a thread has started end with it,
        see process.py."""
        for thread in self.threads.values():
            thread.shutdown(wait=True, cancel_futures=True)
