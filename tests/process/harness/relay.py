# SPDX-License-Identifier: BSD-3-Clause
"""A way to a connector that takes as long as a real one: a TCP relay that
hands on what comes after a while."""

import collections
import select
import socket
import threading
import time


class Relay:
    def __init__(self, target, one_way_s, host="127.0.0.9"):
        self.target = target
        self.one_way_s = one_way_s
        self.listener = socket.create_server((host, 0))
        self.url = f"http://{host}:{self.listener.getsockname()[1]}"
        self.wake_out, self.wake_in = socket.socketpair()
        self.peers = {}         # socket -> the one its bytes go to
        self.queue = collections.deque()        # (due, socket, bytes)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def close(self):
        self.wake_in.send(b"x")
        self.thread.join(10)
        for sock in (*self.peers, self.listener, self.wake_in,
                     self.wake_out):
            sock.close()

    def _run(self):
        while True:
            wait_s = None
            if self.queue:
                wait_s = max(0, self.queue[0][0] - time.monotonic())
            ready, _, _ = select.select(
                [self.wake_out, self.listener, *self.peers], [], [], wait_s)
            if self.wake_out in ready:
                return
            for sock in ready:
                if sock is self.listener:
                    self._accept()
                elif sock in self.peers:
                    self._read(sock)
            while self.queue and self.queue[0][0] <= time.monotonic():
                _, sock, data = self.queue.popleft()
                self._write(sock, data)

    def _accept(self):
        client, _ = self.listener.accept()
        try:
            server = socket.create_connection(self.target, 5)
        except OSError:
            client.close()
            return
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peers[client], self.peers[server] = server, client

    def _read(self, sock):
        try:
            data = sock.recv(65536)
        except OSError:
            data = b""
        self.queue.append((time.monotonic() + self.one_way_s,
                           self.peers[sock], data))
        if not data:
            # Nothing more comes from here; what is on the way arrives.
            del self.peers[sock]

    def _write(self, sock, data):
        try:
            if data:
                sock.sendall(data)
                return
        except OSError:
            pass
        self.peers.pop(sock, None)
        sock.close()
