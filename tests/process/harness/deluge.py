# SPDX-License-Identifier: BSD-3-Clause
"""Requests of one peer, as many as the connector takes, from a process of its
own; and the answers that another peer gets meanwhile, each timed."""

import json
import multiprocessing
import selectors
import socket
import time

from .conn25 import PATH, entry
from .wait import scaled


def request(entries, source):
    body = json.dumps({"transitIPs": entries}).encode()
    return (f"POST {PATH} HTTP/1.1\r\nHost: {source}\r\n"
            f"Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def _pour(address, source, data, connections, ready, total):
    """Sends `data` again and again on each connection and reads what comes,
    until it is killed."""
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        sock = socket.create_connection(address, 30, (source, 0))
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE,
                          [0])
    ready.set()
    while selector.get_map():
        for key, events in selector.select():
            try:
                if events & selectors.EVENT_READ:
                    piece = key.fileobj.recv(1 << 18)
                    if not piece:
                        raise ConnectionResetError
                    with total.get_lock():
                        total.value += piece.count(b"HTTP/1.1 ")
                if events & selectors.EVENT_WRITE:
                    at = key.data[0]
                    key.data[0] = (at + key.fileobj.send(data[at:])) \
                        % len(data)
            except BlockingIOError:
                pass
            except OSError:
                selector.unregister(key.fileobj)


class Deluge:
    """What `source` sends to (host, port): `data` on each connection."""

    def __init__(self, address, source, data, connections=64):
        self.total = multiprocessing.Value("Q", 0)
        ready = multiprocessing.Event()
        self.process = multiprocessing.Process(
            target=_pour, daemon=True,
            args=(address, source, data, connections, ready, self.total))
        self.process.start()
        assert ready.wait(scaled(30)), "the flood did not begin"

    @property
    def answers(self):
        return self.total.value

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()


def times_ms(address, source, count, app="bulk"):
    """Posts `count` mappings one by one over one connection; all must be
    accepted. Returns how long each took."""
    found = []
    with socket.create_connection(address, scaled(30), (source, 0)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(count):
            data = request([entry(f"169.254.{64 + number // 250 % 64}."
                                  f"{number % 250 + 1}", "10.7.0.1", app)],
                           source)
            start = time.perf_counter()
            sock.sendall(data)
            reply = b""
            while not reply.endswith(b'{"transitIPs":[{}]}'):
                piece = sock.recv(65536)
                assert piece, f"closed after {reply!r}"
                reply += piece
                assert reply.startswith(b"HTTP/1.1 200 "[:len(reply)]), reply
            found.append((time.perf_counter() - start) * 1000)
    return found


def quantile(values, part):
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]
