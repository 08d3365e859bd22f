# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmarks of the resolver share: the same Unbound without the
module (stock) and with it (ours), asked by dnsperf. Not a benchmark itself.

  ours.example    any name, an address; matched
  many.example    any name, MANY addresses; matched
  theirs.example  any name, an address; not matched

A third side, floor, has a module that does nothing: see floor_module.c.
"""

import os
import re
import statistics
import shutil
import subprocess
import sys
import types

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "process"))

from harness import conn25, nsd as nsd_module, zones     # noqa: E402
from harness.ask import addresses, ask_many              # noqa: E402
from harness.process import Keeper                       # noqa: E402
from harness.unbound import BUILD                        # noqa: E402
from harness.wait import wait_for                        # noqa: E402
from harness.world import World                          # noqa: E402

NAMES = 10000           # that are cached
MANY = 16
UNBOUND = ("msg-cache-size: 256m\nrrset-cache-size: 256m\n"
           "so-rcvbuf: 1m\nso-reuseport: no")
POOLS = {"v4MagicIPPool": ["100.64.0.0/10"],
         "v4TransitIPPool": ["172.16.0.0/12"]}


for tool in "dnsperf", "valgrind", "nsd":
    if shutil.which(tool) is None:
        sys.exit(f"{tool}: not found: apt-get install {tool}")


def output(metric, value, unit, digits=1):
    print(f"{metric}\t{value:.{digits}f}\t{unit}", flush=True)


def cpu_s(pid):
    """Time that a process has been on a core; of threads that still are."""
    used = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat",
                  encoding="ascii") as file:
            used += int(file.read().split()[0])
    return used / 1e9


def pin(process, core):
    if os.cpu_count() > 1:
        os.sched_setaffinity(process.pid, {core})


def median(values):
    return statistics.median(values)


def quantile(ordered, q):
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def names(kind, count=NAMES, prefix="n"):
    domain = {"matched": "ours", "unmatched": "theirs", "many": "many"}[kind]
    return [f"{prefix}{n}.{domain}.example" for n in range(count)]


def many_domains(count):
    """A policy's app of that many domains, none of which is asked for."""
    return {"name": "others", "connectors": ["tag:office"],
            "domains": [f"d{n}.example.net" for n in range(count)]}


class Field:
    """An authority, and the Unbounds that it is asked through."""

    def __init__(self, name):
        self.keeper = Keeper(name)
        self.fresh = 0
        self.worlds = []
        made = zones.make(self.keeper.sub("keys"))[0]
        some = {zone: made[zone] for zone in ("corp.example.",)}
        for zone, data in (
                ("ours.example.", "* 86400 A 10.2.0.1\n"),
                ("theirs.example.", "* 86400 A 10.3.0.1\n"),
                ("many.example.", "".join(f"* 86400 A 10.4.0.{n}\n"
                                          for n in range(1, MANY + 1)))):
            some[zone] = zones.head(zone) + data
        self.nsd = nsd_module.Nsd(self.keeper, only=some)

    def world(self, name, domains=0, table=65536, max_ttl=300, threads=1,
              **options):
        """ours: with that many domains besides, and room for assignments.
        options: of Unbound."""
        options = {"extra": UNBOUND, "upstream": self.nsd.address, **options}
        apps = conn25.APPS + [
            {"name": "ours", "domains": ["*.ours.example", "*.many.example"],
             "connectors": ["tag:office"], "destinations": ["10.0.0.0/8"]}]
        mine = apps + ([many_domains(domains)] if domains else [])
        world = World(
            self.nsd, name,
            unbound={"threads": threads, **options},
            client={"apps": mine, "pools": POOLS,
                    "table": {"maxAssignments": table},
                    "dns": {"holdMilliseconds": 0, "maxTTL": max_ttl}},
            connector={"apps": apps, "peers": conn25.peers(apps)},
            start=("connector", "client"))
        self.worlds.append(world)
        world.unbound.start()
        wait_for(lambda: conn25.is_magic(addresses(
            world.ask("n0.ours.example"))[0]) or None, "a magic IP", 120)
        return world

    def stock(self, world, threads=1, **options):
        unbound = world.make_unbound(
            name="stock", module="validator iterator", threads=threads,
            extra=UNBOUND, upstream=self.nsd.address, **options)
        unbound.start()
        return unbound

    def floor(self, world, **options):
        unbound = world.make_unbound(
            name="floor", threads=1, extra=UNBOUND, upstream=self.nsd.address,
            library=f"{BUILD}/obj/tests/bench/floor_module.so", **options)
        unbound.start()
        return unbound

    def queries(self, wanted):
        """A file for dnsperf."""
        return self.keeper.write(f"queries-{len(wanted)}-{wanted[0]}",
                                 "".join(f"{name} A\n" for name in wanted))

    def never_asked(self, kind, count):
        self.fresh += 1
        return self.queries(names(kind, count, f"f{self.fresh}-"))

    @staticmethod
    def warm(unbound, *kinds):
        for kind in kinds:
            ask_many(unbound.address, [(name, "A") for name in names(kind)])

    def fill(self, world, count):
        """That many assignments, and all of them at the connector."""
        ask_many(world.unbound.address, [
            (name, "A") for name in names("many", count // MANY, "x")],
                 timeout_s=600)
        wait_for(lambda: world.client.stats()["assignments.pending"] == 0,
                 "all assignments at the connector", 600)

    def close(self):
        for world in self.worlds:
            world.close()
        self.keeper.close()


def dnsperf(unbound, path, *more, seconds=None, rate=None, core=0):
    """One run, over the file again and again for so many seconds, or once.

    Returns .qps, .cpu_us (of the Unbound, per query), .latency_us (sorted,
    with `rate` only)."""
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(unbound.port),
               "-d", path, "-c", "4", "-q", "64", "-t", "10"]
    command += ["-l", str(seconds)] if seconds else ["-n", "1"]
    command += ["-Q", str(rate), "-v"] if rate else []
    if os.cpu_count() > 1 and core is not None:
        command = ["taskset", "-c", str(core)] + command
    before = cpu_s(unbound.process.pid)
    done = subprocess.run(command + list(more), text=True, check=False,
                          capture_output=True)
    used = cpu_s(unbound.process.pid) - before
    assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"

    def figure(what):
        return float(re.search(what + r":\s+([\d.]+)", done.stdout).group(1))
    assert figure("Queries lost") == 0, done.stdout[-2000:]
    return types.SimpleNamespace(
        qps=figure("Queries per second"),
        cpu_us=used / figure("Queries completed") * 1e6,
        latency_us=sorted(float(found) * 1e6 for found in re.findall(
            r"^> \S+ \S+ \S+ ([\d.]+)$", done.stdout, re.M)))
