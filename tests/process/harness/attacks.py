# SPDX-License-Identifier: BSD-3-Clause
"""A conn25d in both roles to be attacked, and what must hold after each
attack: it lives, holds the same mappings and files, and told no secret."""

import contextlib
import http.client
import os
import re
import socket

from .conn25 import Conn25d, client_config, connector_config, entry, post
from .process import free_port
from .signing import Key, Request, b64
from .wait import scaled, wait_for

HOST = "127.0.0.2"
KEYED = "127.0.0.1"         # edge-1: has a key
PLAIN = "127.0.0.3"         # edge-2: the overlay vouches for it
OTHER = "127.0.0.4"         # edge-3: has a key of its own
STRANGER = "127.0.0.77"

GOOD = entry("169.254.64.1", "10.7.0.1", "bulk")


def descriptors(process):
    """What a process has open, by kind: sockets, files, ..."""
    found = []
    for number in os.listdir(f"/proc/{process.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            name = os.readlink(f"/proc/{process.pid}/fd/{number}")
            found.append(re.sub(r":\[\d+\]", "", name))
    return sorted(found)


def exchange(address, data, source=PLAIN, hang_up=True):
    """Sends bytes and reads until the other side closes; b"" when it does so
    at once. `hang_up`: say that nothing more comes."""
    found = b""
    with socket.create_connection(address, scaled(10),
                                  (source, 0)) as sock:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(data)
            if hang_up:
                sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(65536):
                found += piece
    return found


def answers(data):
    """All (status, body) in these bytes, which must be nothing else."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        status = int(re.match(rb"HTTP/1\.1 (\d+) ", head)[1])
        if status == 100:
            data = rest
            continue
        length = int(re.search(rb"\r\nContent-Length: (\d+)", head)[1])
        assert len(rest) >= length, data
        found.append((status, rest[:length]))
        data = rest[length:]
    return found


class Target:
    """One conn25d: a connector with keys, a client, an admin listener."""

    def __init__(self, keeper, **changes):
        self.keeper = keeper
        self.port, self.admin = free_port(HOST), free_port(HOST)
        self.address = (HOST, self.port)
        self.own, self.peer, self.former, self.other = (
            Key() for _ in range(4))
        config = client_config(1)       # nobody listens there
        serving = connector_config(self.port)
        config["listen"] = dict(serving["listen"],
                                admin=f"http://{HOST}:{self.admin}")
        config["apps"].append(
            {"name": "anywhere", "domains": ["anywhere.example"],
             "connectors": ["tag:office"],
             "destinations": ["0.0.0.0/0", "::/0"]})
        config["peers"] = [
            {"name": "edge-1", "addresses": [KEYED, "::1"],
             "publicKey": self.peer.public, "apps": ["wiki", "bulk"]},
            {"name": "edge-2", "addresses": [PLAIN, "fd00::3"],
             "apps": ["bulk", "anywhere"]},
            {"name": "edge-3", "addresses": [OTHER],
             "publicKey": self.other.public, "apps": ["bulk"]}]
        config["self"] = {"privateKeyFile": self.own.write(keeper, "own")}
        config["dns"] = {"holdMilliseconds": 0}
        config["limits"] = {"transitIP": {"requestSeconds": 2}}
        config.update(changes)
        self.daemon = Conn25d(keeper, "conn25d", config)
        self.daemon.process.allow("signature refused", "office-1")
        self.daemon.start()
        assert post(self.port, {"transitIPs": [GOOD]}, source=PLAIN) \
            == (200, {"transitIPs": [{}]})
        self.mappings = self.list_mappings()
        self.files = descriptors(self.daemon.process)

    def list_mappings(self):
        return {(m.peer, m.transit, m.destination)
                for m in self.daemon.mappings()}

    def accept(self, *keys):
        """The keys by which edge-1 is known from now on."""
        self.daemon.config["peers"][0]["publicKey"] = [
            key.public for key in keys]
        self.daemon.configure(self.daemon.config)
        self.daemon.reload()

    def request(self, body=None, key=None, **other):
        """What edge-1 would send, rightly signed unless it is told how
        not."""
        if body is None:
            body = {"transitIPs": [entry("169.254.66.6", "10.66.6.6")]}
        return Request(self.port, key or self.peer, body, **other)

    def unharmed(self):
        """After an attack."""
        process = self.daemon.process
        assert process.alive(), process.log()
        assert self.daemon.answers()
        assert post(self.admin, None, "GET", "/healthz") == (200, b"ok\n")
        assert post(self.port, {"transitIPs": [GOOD]}, source=PLAIN) \
            == (200, {"transitIPs": [{}]})
        before, self.mappings = self.mappings, self.list_mappings()
        assert self.mappings == before
        wait_for(lambda: descriptors(process) == self.files,
                 lambda: "the descriptors of before, not "
                 f"{descriptors(process)} for {self.files}")
        self.told_nothing()

    def told_nothing(self):
        log = self.daemon.process.log()
        for key in self.own, self.peer, self.former, self.other:
            for text in b64(key.seed), key.seed.hex():
                assert text not in log


def first_answer(sock):
    response = http.client.HTTPResponse(sock)
    response.begin()
    return response.status, response.read()
