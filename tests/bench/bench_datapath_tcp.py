#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the address translation costs a long TCP stream: from the client host
by a magic IP, both translations and a connector to a server, and by the same
hosts and wires with plain forwarding and no rules; in turn, and with what lies
between these two. Prints "metric value unit" lines.

  BUILD=DIR UNBOUND=DIR tests/bench/bench_datapath_tcp.py [--full]
"""

import argparse
import os
import re
import socket
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "process"))

from harness import netns                                # noqa: E402
from harness.overlay import NAMES, Net, connect          # noqa: E402

PORT = 5001
PIECE = 1 << 20
SERVER = "10.1.0.3"             # where NAMES[4] leads

# In the order of how much is done: no rules; those that have the kernel track
# connections; the one that translates and the one that masquerades, without
# which neither host can do; ours.
SIDES = ("plain", "conntrack", "least", "translated")


def pin(core):
    """The calling thread stays on this core, if there are as many."""
    if os.cpu_count() > 1:
        os.sched_setaffinity(threading.get_native_id(), {core})


class Bench:
    def __init__(self, full):
        self.seconds = 2 if full else 0.5
        self.rounds = 31 if full else 21
        self.net = Net("bench")
        net = self.net
        # Plain forwarding needs a way there, and one back.
        net.client.ip(f"route add {SERVER}/32 via 10.9.0.2")
        net.server1.ip("route add 10.9.0.0/24 via 10.1.255.2")
        with net.server1.enter():
            self.listener = socket.create_server(("", PORT))
        threading.Thread(target=self.swallow, daemon=True).start()
        self.magic = net.magic(NAMES[4])
        self.transit = next(a.transit for a in net.conn25d.assignments()
                            if a.magic == self.magic)

    def swallow(self):
        """The server: reads until the end, and says how much that was."""
        pin(1)
        room = bytearray(PIECE)
        while True:
            sock, _ = self.listener.accept()
            with sock:
                total = 0
                while count := sock.recv_into(room):
                    total += count
                sock.sendall(total.to_bytes(8, "big"))

    def hosts(self):
        """Both that translate: the host, its daemon, the least that it has
        to do (the first packet's hook, from where to where)."""
        net = self.net
        return ((net.client, net.conn25d, "output", self.magic,
                 self.transit),
                (net.one, net.connectors["one"], "prerouting", self.transit,
                 SERVER))

    def rules(self, side):
        for space, daemon, hook, of, to in self.hosts():
            config = dict(daemon.config)
            config["datapath"] = {**config["datapath"],
                                  "nftables": side == "translated"}
            if config["datapath"] != daemon.config["datapath"]:
                daemon.configure(config)
                daemon.reload()
            lines = ["add table ip bench", "delete table ip bench"]
            if side in ("conntrack", "least"):
                lines.append("add table ip bench")
                lines += [f"add chain ip bench {at} {{ type nat hook {at} "
                          f"priority {priority}; }}" for at, priority in
                          ((hook, -100), ("postrouting", 100))]
            if side == "least":
                lines += [f"add rule ip bench {hook} ip daddr {of} "
                          f"dnat to {to}",
                          "add rule ip bench postrouting masquerade"]
            elif side == "conntrack":
                lines.append("add rule ip bench postrouting ct state new")
            space.nft("\n".join(lines))
            there = re.findall(r"table \w+ (\w+)", space.nft("list", "tables"))
            assert there == {"plain": [], "translated": ["conn25"]}.get(
                side, ["bench"]), (space.name, side, there)

    def check_tracked(self, side, port):
        with self.net.one.enter(), open(
                "/proc/thread-self/net/nf_conntrack", encoding="ascii") as f:
            tracked = f"sport={port} dport={PORT}" in f.read()
        assert tracked == (side != "plain"), side

    def stream(self, side):
        """Bytes per second, and per second of CPU of both ends and all that
        is between, until the last has arrived."""
        data = memoryview(bytearray(PIECE))
        with connect(self.net.client, self.magic if side in
                     ("least", "translated") else SERVER, PORT) as sock:
            self.check_tracked(side, sock.getsockname()[1])
            start, cpu = time.monotonic(), time.process_time()
            sent = 0
            while time.monotonic() < start + self.seconds:
                sock.sendall(data)
                sent += PIECE
            sock.shutdown(socket.SHUT_WR)
            arrived = int.from_bytes(sock.makefile("rb").read(8), "big")
            assert arrived == sent
            return (sent / (time.monotonic() - start),
                    sent / (time.process_time() - cpu))

    def run(self):
        pin(0)          # this side does the work of all hosts on the way
        found = {side: [] for side in SIDES}
        for number in range(self.rounds):
            # Each is as often before another as behind it.
            order = SIDES[number // 2 % 4:] + SIDES[:number // 2 % 4]
            for side in order if number % 2 else order[::-1]:
                self.rules(side)
                found[side].append(self.stream(side))
        self.rules("translated")
        for at, what in enumerate(("", ".cpu")):
            for side, runs in found.items():
                print(f"datapath.tcp{what}.{side}\t"
                      f"{statistics.median(r[at] for r in runs) * 8e-9:.2f}"
                      f"\tGbit{'/s' if at == 0 else ' per CPU s'}")

        for name, side, to in (("", "translated", "plain"),
                               (".floor", "least", "plain"),
                               (".conntrack", "translated", "conntrack"),
                               (".least", "translated", "least")):
            for at, what in enumerate(("", ".cpu")):
                ratio = statistics.median(s[at] / t[at] for s, t in zip(
                    found[side], found[to]))
                print(f"ratio.datapath.tcp{name}{what}\t{ratio:.3f}\t")

    def close(self):
        self.net.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    args = parser.parse_args()
    why = netns.why_not()
    if why:
        print(f"bench_datapath_tcp: left out: {why}", file=sys.stderr)
        return
    bench = Bench(args.full)
    try:
        bench.run()
    finally:
        bench.close()


if __name__ == "__main__":
    main()
