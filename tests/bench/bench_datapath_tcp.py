#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the address translation costs a long TCP stream: from the client host
by a magic IP, both translations and a connector to a server, and by the same
hosts and wires with plain forwarding and no rules; in turn. Prints "metric
value unit" lines.

  BUILD=DIR UNBOUND=DIR tests/bench/bench_datapath_tcp.py [--full]
"""

import argparse
import os
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


def pin(core):
    """The calling thread stays on this core, if there are as many."""
    if os.cpu_count() > 1:
        os.sched_setaffinity(threading.get_native_id(), {core})


class Bench:
    def __init__(self, full):
        self.seconds = 2 if full else 0.5
        self.pairs = 31 if full else 21
        self.net = Net("bench")
        net = self.net
        self.daemons = [net.conn25d, net.connectors["one"]]
        # Plain forwarding needs a way there, and one back.
        net.client.ip(f"route add {SERVER}/32 via 10.9.0.2")
        net.server1.ip("route add 10.9.0.0/24 via 10.1.255.2")
        with net.server1.enter():
            self.listener = socket.create_server(("", PORT))
        threading.Thread(target=self.swallow, daemon=True).start()
        self.magic = net.magic(NAMES[4])

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

    def rules(self, there):
        for daemon in self.daemons:
            config = dict(daemon.config)
            config["datapath"] = {**config["datapath"], "nftables": there}
            daemon.configure(config)
            daemon.reload()
        for space in self.net.client, self.net.one:
            there_now = "conn25" in space.nft("list", "tables")
            assert there_now == there, space.name

    def stream(self, address):
        """Bytes per second, and per second of CPU of both ends and all that
        is between, until the last has arrived."""
        data = memoryview(bytearray(PIECE))
        with connect(self.net.client, address, PORT) as sock:
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
        found = {"translated": [], "plain": []}
        for number in range(self.pairs):
            order = ["translated", "plain"]
            for which in order if number % 2 else reversed(order):
                self.rules(which == "translated")
                found[which].append(self.stream(
                    self.magic if which == "translated" else SERVER))
        self.rules(True)
        for at, what in enumerate(("", ".cpu")):
            for which, runs in found.items():
                print(f"datapath.tcp{what}.{which}\t"
                      f"{statistics.median(r[at] for r in runs) * 8e-9:.2f}"
                      f"\tGbit{'/s' if at == 0 else ' per CPU s'}")
            ratio = statistics.median(t[at] / p[at] for t, p in zip(
                found["translated"], found["plain"]))
            print(f"ratio.datapath.tcp{what}\t{ratio:.3f}\t")

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
