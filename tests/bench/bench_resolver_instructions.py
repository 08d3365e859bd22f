#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the module costs the resolver, counted: instructions of Unbound for
each cached answer, by callgrind, without the module (stock), with it (ours)
and with one that does nothing (floor). They are the same whatever else the
machine does; the kernel's aren't counted. Prints "metric value unit" lines.

  BUILD=DIR UNBOUND=DIR tests/bench/bench_resolver_instructions.py
"""

import glob
import os
import re
import subprocess

from resolving import Field, dnsperf, names, output

from harness.unbound import PREFIX
from harness.wait import wait_for

NAMES = 300             # each many times a second, also by callgrind
ROUNDS = 20


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

    def count(self, unbound, path):
        """Instructions per query, when all is cached."""
        pid = unbound.process.pid
        for _ in range(2):
            dnsperf(unbound, path, "-q", "4")
        control(pid, "-z")
        control(pid, "-i", "on")
        dnsperf(unbound, path, "-q", "4", "-n", str(ROUNDS))
        control(pid, "-i", "off")
        control(pid, "-d")
        return wait_for(lambda: counted(f"{self.out}.{pid}"),
                        "the counts") / NAMES / ROUNDS

    def run(self):
        for kind in "unmatched", "matched":
            path = self.field.queries(names(kind, NAMES))
            found = {side: self.count(unbound, path)
                     for side, unbound in self.sides.items()
                     if side != "floor" or kind == "matched"}
            for side, count in found.items():
                output(f"resolver.instructions.{side}.{kind}", count,
                       "1/query", 0)
            output(f"ratio.instructions.{kind}",
                   found["stock"] / found["ours"], "", 3)
        output("ratio.instructions.floor.matched",
               found["stock"] / found["floor"], "", 3)


def main():
    bench = Bench()
    try:
        bench.run()
    finally:
        bench.field.close()


if __name__ == "__main__":
    main()
