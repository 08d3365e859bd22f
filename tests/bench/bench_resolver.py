#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the module costs the resolver: the same Unbound without it (stock) and
with it (ours), asked by dnsperf in turn, for names the policy does not match
and names it does. Prints "metric value unit" lines; tests/bench/README.md says
what they mean.

  BUILD=DIR UNBOUND=DIR tests/bench/bench_resolver.py [--full]
"""

import argparse
import os
import re
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "process"))

from harness import conn25, nsd as nsd_module, zones     # noqa: E402
from harness.ask import addresses, ask_many              # noqa: E402
from harness.process import Keeper                       # noqa: E402
from harness.world import World                          # noqa: E402

NAMES = 10000
TICKS = os.sysconf("SC_CLK_TCK")


def zone(prefix):
    return "".join(f"{prefix}{n} 86400 A 10.{2 + n // 62500}."
                   f"{n // 250 % 250}.{n % 250 + 1}\n" for n in range(NAMES))


def output(metric, value, unit, digits=1):
    print(f"{metric}\t{value:.{digits}f}\t{unit}", flush=True)


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Bench:
    def __init__(self, full):
        self.seconds = 10 if full else 3
        self.pairs = 15 if full else 5
        self.keeper = Keeper("bench")
        real = zones.make
        zones.make = lambda directory: (
            {**real(directory)[0],
             "ours.example.": zones.head("ours.example.") + zone("n"),
             "theirs.example.": zones.head("theirs.example.") + zone("n")},
            [])
        self.nsd = nsd_module.Nsd(self.keeper)
        apps = conn25.APPS + [
            {"name": "ours", "domains": ["*.ours.example"],
             "connectors": ["tag:office"], "destinations": ["10.0.0.0/8"]}]
        options = {"threads": 1, "extra":
                   "msg-cache-size: 64m\nrrset-cache-size: 64m\n"
                   "so-rcvbuf: 1m\nso-reuseport: no"}
        self.world = World(
            self.nsd, "bench", unbound=options,
            client={"apps": apps, "table": {"maxAssignments": 65536},
                    "dns": {"holdMilliseconds": 0}},
            connector={"apps": apps, "peers": conn25.peers(apps)})
        self.stock = self.world.make_unbound(
            name="stock", module="validator iterator", **options)
        self.stock.start()
        self.unbounds = {"stock": self.stock, "ours": self.world.unbound}
        for unbound in self.unbounds.values():
            self.pin(unbound.process.pid, 1)

    @staticmethod
    def pin(pid, core):
        if os.cpu_count() > 1:
            os.sched_setaffinity(pid, {core})

    def names(self, kind):
        domain = "ours.example" if kind == "matched" else "theirs.example"
        return [f"n{n}.{domain}" for n in range(NAMES)]

    def warm(self):
        for kind in "matched", "unmatched":
            path = os.path.join(self.keeper.path, kind)
            with open(path, "w", encoding="ascii") as file:
                file.writelines(f"{name} A\n" for name in self.names(kind))
            for unbound in self.unbounds.values():
                ask_many(unbound.address,
                         [(name, "A") for name in self.names(kind)])
        assert conn25.is_magic(addresses(
            self.world.ask("n1.ours.example"))[0])

    def run(self, which, kind, *more):
        """One run of dnsperf. Returns (queries/s, CPU us/query)."""
        unbound = self.unbounds[which]
        before = cpu_s(unbound.process.pid)
        text = subprocess.run(
            ["taskset", "-c", "0", "dnsperf", "-s", "127.0.0.1", "-p",
             str(unbound.port), "-d", os.path.join(self.keeper.path, kind),
             "-l", str(self.seconds), "-c", "4", "-q", "64", "-t", "5",
             *more], check=True, text=True, capture_output=True).stdout
        used = cpu_s(unbound.process.pid) - before
        done = int(re.search(r"Queries completed:\s+(\d+)", text).group(1))
        lost = int(re.search(r"Queries lost:\s+(\d+)", text).group(1))
        assert lost == 0, f"{lost} queries were lost: {text}"
        qps = float(re.search(r"Queries per second:\s+([\d.]+)",
                              text).group(1))
        return qps, used / done * 1e6

    def compare(self, kind, *more):
        suffix = kind + "".join("." + m for m in more[1:])
        found = {"stock": [], "ours": []}
        for number in range(self.pairs):
            order = ["stock", "ours"]
            for which in order if number % 2 else reversed(order):
                found[which].append(self.run(which, kind, *more))
        for which, runs in found.items():
            output(f"resolver.qps.{which}.{suffix}",
                   statistics.median(r[0] for r in runs), "queries/s", 0)
            output(f"resolver.cpu.{which}.{suffix}",
                   statistics.median(r[1] for r in runs), "us/query", 3)
        pairs = list(zip(found["ours"], found["stock"]))
        output(f"ratio.qps.{suffix}",
               statistics.median(o[0] / s[0] for o, s in pairs), "", 3)
        output(f"ratio.cpu.{suffix}",
               statistics.median(s[1] / o[1] for o, s in pairs), "", 3)

    def close(self):
        self.world.close()
        self.keeper.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    bench = Bench(parser.parse_args().full)
    try:
        bench.warm()
        bench.compare("unmatched")
        bench.compare("matched")
        bench.compare("unmatched", "-m", "tcp")
        bench.compare("matched", "-m", "tcp")
    finally:
        bench.close()


if __name__ == "__main__":
    main()
