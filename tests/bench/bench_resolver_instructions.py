#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the module costs the resolver, counted: instructions of Unbound for
each cached answer, by callgrind, without the module (stock), with it (ours)
and with one that does nothing (floor); and ours again for names that are not
asked often. They are the same whatever else the machine does; the kernel's
aren't counted. Prints "metric value unit" lines.

  BUILD=DIR UNBOUND=DIR tests/bench/bench_resolver_instructions.py
"""

import glob
import os
import re
import subprocess
import time

from resolving import Field, dnsperf, names, output

from harness.unbound import PREFIX
from harness.wait import wait_for

NAMES = 300             # each many times a second, also by callgrind
ROUNDS = 20
SELDOM = 3000           # each once, when it isn't remembered any more
FORGOTTEN_S = 5         # more than RECENT_SECONDS


def control(pid, *more):
    subprocess.run(["callgrind_control", *more, str(pid)], check=True,
                   capture_output=True)


def counted(path):
    """The total of a finished dump, None while there is none."""
    for name in glob.glob(path + ".[0-9]*"):
        with open(name, encoding="utf-8", errors="replace") as file:
            total = re.search(r"^totals: (\d+)", file.read(), re.M)
        if total:
            os.unlink(name)
            return int(total.group(1))
    return None


class Bench:
    def __init__(self):
        self.field = Field("instructions")
        self.out = os.path.join(self.field.keeper.path, "callgrind")
        binary = self.field.keeper.write("unbound", f"""#!/bin/sh
exec valgrind --tool=callgrind --instr-atstart=no \\
	--callgrind-out-file={self.out}.%p {PREFIX}/sbin/unbound "$@"
""")
        os.chmod(binary, 0o755)
        world = self.field.world("ours", binary=binary)
        self.sides = {"stock": self.field.stock(world, binary=binary),
                      "ours": world.unbound,
                      "floor": self.field.floor(world, binary=binary)}

    def count(self, unbound, kind, count=NAMES, rounds=ROUNDS, pause_s=0):
        """Instructions per query, when all is cached."""
        pid = unbound.process.pid
        path = self.field.queries(names(kind, count))
        for _ in range(2):
            dnsperf(unbound, path, "-q", "4")
        time.sleep(pause_s)
        control(pid, "-z")
        control(pid, "-i", "on")
        dnsperf(unbound, path, "-q", "4", "-n", str(rounds))
        control(pid, "-i", "off")
        control(pid, "-d")
        return wait_for(lambda: counted(f"{self.out}.{pid}"),
                        "the counts") / count / rounds

    def run(self):
        for kind in "unmatched", "matched":
            found = {side: self.count(unbound, kind)
                     for side, unbound in self.sides.items()
                     if side != "floor" or kind == "matched"}
            for side, count in found.items():
                output(f"resolver.instructions.{side}.{kind}", count,
                       "1/query", 0)
            output(f"ratio.instructions.{kind}",
                   found["stock"] / found["ours"], "", 3)
        output("ratio.instructions.floor.matched",
               found["stock"] / found["floor"], "", 3)
        seldom = self.count(self.sides["ours"], "matched", SELDOM, 1,
                            FORGOTTEN_S)
        output("resolver.instructions.ours.matched.seldom", seldom,
               "1/query", 0)
        output("ratio.instructions.matched.seldom", found["stock"] / seldom,
               "", 3)


def main():
    bench = Bench()
    try:
        bench.run()
    finally:
        bench.field.close()


if __name__ == "__main__":
    main()
