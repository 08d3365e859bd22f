#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the module costs the resolver: the same Unbound without it (stock) and
with it (ours), asked by dnsperf in turn, for names the policy does not match
and names it does. Prints "metric value unit" lines; tests/bench/README.md says
what they mean.

  BUILD=DIR UNBOUND=DIR tests/bench/bench_resolver.py [--full] [PART...]

Parts: cached tcp uncached threads latency scale; without --full only cached
and uncached.
"""

import argparse

from resolving import (Field, dnsperf, median, names, output, pin, quantile)

PARTS = ["cached", "tcp", "uncached", "threads", "latency", "scale"]
QUICK = ["cached", "uncached"]
KINDS = "unmatched", "matched"
KNOWN = "stock", "ours"


class Bench:
    def __init__(self, full):
        self.full = full
        self.seconds = 10 if full else 3
        self.pairs = 15 if full else 5
        self.field = Field("bench")
        self.sides = {}

    def start(self, threads=1):
        """A stock Unbound and ours, with warm caches."""
        world = self.field.world(f"ours-{threads}", threads=threads,
                                 table=1 << 20)
        self.sides = {"stock": self.field.stock(world, threads),
                      "ours": world.unbound}
        if threads == 1:
            self.sides["floor"] = self.field.floor(world)
        for unbound in self.sides.values():
            if threads == 1:
                pin(unbound.process, 1)
            self.field.warm(unbound, *KINDS)

    def stop(self):
        """What runs takes part of the memory and of the second core."""
        self.field.worlds.pop().close()

    def in_turn(self, run, sides=None):
        """run(unbound) on the sides. Returns the results by side, paired."""
        found = {side: [] for side in sides or self.sides}
        for number in range(self.pairs):
            order = list(found)
            for side in order if number % 2 else reversed(order):
                found[side].append(run(self.sides[side]))
        return found

    def compare(self, suffix, run, sides=KNOWN):
        """What the runs of dnsperf say of these."""
        found = self.in_turn(run, sides)
        for side, runs in found.items():
            output(f"resolver.qps.{side}.{suffix}",
                   median(r.qps for r in runs), "queries/s", 0)
            output(f"resolver.cpu.{side}.{suffix}",
                   median(r.cpu_us for r in runs), "us/query", 3)
        for name, side, base in (("", "ours", "stock"),
                                 ("floor.", "floor", "stock"),
                                 ("of_floor.", "ours", "floor")):
            if {side, base} <= set(found):
                pairs = list(zip(found[side], found[base]))
                output(f"ratio.qps.{name}{suffix}",
                       median(o.qps / s.qps for o, s in pairs), "", 3)
                output(f"ratio.cpu.{name}{suffix}",
                       median(s.cpu_us / o.cpu_us for o, s in pairs), "", 3)

    def cached(self, suffix="", *more, core=0):
        for kind in KINDS:
            path = self.field.queries(names(kind))
            # the floor answers all names alike
            sides = list(self.sides) if kind == "matched" else KNOWN
            self.compare(kind + suffix, lambda unbound, path=path: dnsperf(
                unbound, path, *more, seconds=self.seconds, core=core), sides)

    def tcp(self):
        self.cached(".tcp", "-m", "tcp")

    def uncached(self):
        """Each run asks for names that nobody has asked for."""
        count = 40000 if self.full else 10000
        for kind in KINDS:
            self.compare(kind + ".uncached", lambda unbound, kind=kind:
                         dnsperf(unbound, self.field.never_asked(kind, count)))

    def latency(self):
        """At a rate that either can keep up with."""
        rate = 5000
        for kind in KINDS:
            path = self.field.queries(names(kind))
            found = self.in_turn(lambda unbound, path=path: dnsperf(
                unbound, path, seconds=self.seconds, rate=rate), KNOWN)
            for side, runs in found.items():
                for q, label in (.5, "p50"), (.99, "p99"), (.999, "p999"):
                    output(f"resolver.latency.{side}.{kind}.{label}",
                           median(quantile(r.latency_us, q) for r in runs),
                           "us")

    def threads(self):
        self.stop()
        self.start(threads=2)
        self.cached(".threads2", core=None)

    def scale(self):
        """The same with a large policy, and with a full table."""
        self.stop()
        small = self.field.world("small", table=1024 * 64)
        large = {"policy10000": self.field.world("policy4", domains=10000),
                 "policy1000000": self.field.world("policy6",
                                                   domains=1000000),
                 "table1000000": self.field.world("table6", table=1 << 20)}
        self.field.fill(large["table1000000"], 1000000)
        self.sides = {"small": small.unbound} | {
            name: world.unbound for name, world in large.items()}
        for unbound in self.sides.values():
            pin(unbound.process, 1)
            self.field.warm(unbound, "matched")
        path = self.field.queries(names("matched"))
        self.flat("matched", lambda unbound: dnsperf(
            unbound, path, seconds=self.seconds))
        self.flat("matched.uncached", lambda unbound: dnsperf(
            unbound, self.field.never_asked("matched", 2000)))

    def flat(self, suffix, run):
        found = self.in_turn(run)
        for side, runs in found.items():
            output(f"resolver.cpu.{side}.{suffix}",
                   median(r.cpu_us for r in runs), "us/query", 3)
        for side in list(self.sides)[1:]:
            output(f"ratio.cpu.{side}.{suffix}",
                   median(s.cpu_us / o.cpu_us for o, s in
                          zip(found[side], found["small"])), "", 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("parts", nargs="*", metavar="PART",
                        help=" ".join(PARTS))
    asked = parser.parse_args()
    for part in asked.parts:
        if part not in PARTS:
            parser.error(f"{part}: no such part: one of {' '.join(PARTS)}")
    wanted = asked.parts or (PARTS if asked.full else QUICK)
    bench = Bench(asked.full)
    try:
        bench.start()
        for part in PARTS:
            if part in wanted:
                getattr(bench, part)()
    finally:
        bench.field.close()


if __name__ == "__main__":
    main()
