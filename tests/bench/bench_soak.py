#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does anything grow? An Unbound with the module is asked at full rate for
cached names, matched and not, and for new matched ones all the time, whose
assignments end and are used again; meanwhile the memory and the descriptors of
Unbound and both conn25d are looked at. Prints "metric value unit" lines.

  BUILD=DIR UNBOUND=DIR tests/bench/bench_soak.py [--full | --seconds N]
"""

import argparse
import concurrent.futures
import os
import re
import time

from resolving import Field, dnsperf, median, names, output

NEW_PER_S = 300         # new names; each lives for a lease and a quarantine
LIFE_S = 60 + 120
FULL_S = 600
QUICK_S = 60
LOOK_S = 5
CACHES = "msg-cache-size: 16m\nrrset-cache-size: 16m\nso-rcvbuf: 1m"


def memory_mib(pid):
    """Its own: the table in shared memory isn't counted, nor what is mapped
    from files."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"RssAnon:\s+(\d+)", file.read())[1]) / 1024


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Soak:
    def __init__(self, seconds):
        self.seconds = seconds
        self.field = Field("soak")
        self.world = self.field.world("ours", threads=2, extra=CACHES,
                                      table=1 << 18, max_ttl=5)
        self.pids = {name: process.process.pid for name, process in (
            ("unbound", self.world.unbound), ("client", self.world.client),
            ("connector", self.world.connector))}

    def cached(self):
        path = self.field.queries(names("matched", 2000) +
                                  names("unmatched", 2000))
        return dnsperf(self.world.unbound, path, seconds=self.seconds,
                       core=None)

    def fresh(self):
        path = self.field.never_asked("matched", NEW_PER_S * self.seconds)
        return dnsperf(self.world.unbound, path, rate=NEW_PER_S, core=None)

    def look(self):
        """All that may grow, by name."""
        stats = self.world.client.stats()
        found = {"assignments": stats["assignments.current"],
                 "push.failed": stats["push.failed"],
                 "servfail": stats["total.num.servfail"],
                 "mappings": self.world.connector.stat("mappings.current")}
        for name, pid in self.pids.items():
            found[f"memory.{name}"] = memory_mib(pid)
            found[f"descriptors.{name}"] = descriptors(pid)
        return found

    def run(self):
        looks = []
        with concurrent.futures.ThreadPoolExecutor() as pool:
            runs = {"cached": pool.submit(self.cached),
                    "new": pool.submit(self.fresh)}
            end = time.monotonic() + self.seconds
            while time.monotonic() < end:
                looks.append(self.look())
                concurrent.futures.wait(runs.values(), LOOK_S)
            # a lost query is a failure of dnsperf()
            for name, run in runs.items():
                output(f"soak.qps.{name}", run.result().qps, "queries/s", 0)
        self.tell(looks)

    def tell(self, looks):
        """The middle and the last part: by the middle all that is there for
        a time has been there once, if it goes on for long enough."""
        part = max(1, len(looks) // 6)
        middle = looks[len(looks) // 2:len(looks) // 2 + part]
        for name in looks[0]:
            unit = "MiB" if name.startswith("memory") else "1"
            was = median(look[name] for look in middle)
            is_now = median(look[name] for look in looks[-part:])
            output(f"soak.{name}.start", looks[0][name], unit)
            output(f"soak.{name}.middle", was, unit)
            output(f"soak.{name}.end", is_now, unit)
        output("soak.seconds", self.seconds, "s", 0)
        if self.seconds < 2 * LIFE_S:
            print(f"# too short to tell growth: --seconds {2 * LIFE_S} or "
                  f"more", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seconds", type=int)
    asked = parser.parse_args()
    soak = Soak(asked.seconds or (FULL_S if asked.full else QUICK_S))
    try:
        soak.run()
    finally:
        soak.field.close()


if __name__ == "__main__":
    main()
