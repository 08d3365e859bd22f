# SPDX-License-Identifier: BSD-3-Clause
"""Many questions, each timed to its answer's arrival: the kernel notes when a
datagram comes in, so that a slow reader is not taken for a slow resolver."""

import select
import socket
import struct
import time

from .wait import scaled

SO_TIMESTAMPNS = 35
RESEND_S = 5


def question(number, name):
    """A query for an A record without EDNS: what comes back ends with the
    address."""
    labels = b"".join(bytes([len(label)]) + label
                      for label in name.encode().split(b"."))
    return struct.pack("!6H", number & 0xffff, 0x0100, 1, 0, 0, 0) \
        + labels + b"\0" + struct.pack("!2H", 1, 1)


def arrival_ns(ancillary):
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return seconds * 10 ** 9 + nanoseconds
    return time.time_ns()


class Flood:
    """Asks names as fast as `window` questions under way allow."""

    def __init__(self, server, lanes=8, window=64):
        self.window = window
        self.latency_ms = []    # in the order of the answers
        self.magic = {}         # name -> address as text
        self.wrong = []         # (name, answer) without exactly one address
        self.lanes = []
        for _ in range(lanes):
            lane = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            lane.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            lane.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            lane.connect(server)
            lane.setblocking(False)
            self.lanes.append(lane)

    def close(self):
        for lane in self.lanes:
            lane.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, names, answered=None, timeout_s=600):
        """Asks all of them; answered(name, magic) is called with each
        answer."""
        poll = select.poll()
        by_fd = {lane.fileno(): lane for lane in self.lanes}
        for descriptor in by_fd:
            poll.register(descriptor, select.POLLIN)
        under_way = {}          # id -> [name, lane, time sent, last sent]
        todo = iter(names)
        number, more = 0, True
        deadline = time.monotonic() + scaled(timeout_s)
        while more or under_way:
            assert time.monotonic() < deadline, \
                f"{len(self.magic)} answers, {len(under_way)} under way"
            while more and len(under_way) < self.window:
                name = next(todo, None)
                if name is None:
                    more = False
                    break
                number = (number + 1) & 0xffff
                while number in under_way:
                    number = (number + 1) & 0xffff
                lane = self.lanes[number % len(self.lanes)]
                now = time.time_ns()
                under_way[number] = [name, lane, now, now]
                lane.send(question(number, name))
            if not under_way:
                break
            for descriptor, _ in poll.poll(100):
                self._receive(by_fd[descriptor], under_way, answered)
            self._resend(under_way)

    def _receive(self, lane, under_way, answered):
        while True:
            try:
                wire, ancillary, _, _ = lane.recvmsg(4096, 128)
            except (BlockingIOError, ConnectionRefusedError):
                return
            entry = under_way.pop(struct.unpack("!H", wire[:2])[0], None)
            if entry is None:
                continue
            name, _, sent, _ = entry
            self.latency_ms.append((arrival_ns(ancillary) - sent) / 1e6)
            flags, _, count = struct.unpack("!3H", wire[2:8])
            if flags & 15 or count != 1:
                self.wrong.append((name, wire))
                continue
            self.magic[name] = socket.inet_ntoa(wire[-4:])
            if answered:
                answered(name, self.magic[name])

    @staticmethod
    def _resend(under_way):
        """UDP may lose one; it counts as late as it is."""
        now = time.time_ns()
        for number, entry in list(under_way.items())[:1]:
            if now - entry[3] > scaled(RESEND_S) * 1e9:
                entry[3] = now
                entry[1].send(question(number, entry[0]))

    def later_than(self, limit_ms):
        return sorted(ms for ms in self.latency_ms if ms > limit_ms)

    def distribution(self):
        """A line to print."""
        found = sorted(self.latency_ms)
        marks = ", ".join(
            f"p{p:g} {found[int((len(found) - 1) * p / 100)]:.1f}"
            for p in (50, 90, 99, 99.9))
        return f"{len(found)} answers, ms: {marks}, max {found[-1]:.1f}"
