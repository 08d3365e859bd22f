# SPDX-License-Identifier: BSD-3-Clause
"""Hosts on an overlay, and what lies behind them:

   [lan]             [client]                [one] [two]             [server1]
   10.8.0.2          Unbound, nsd,           conn25d each,           10.1.0.1
   fd08::2           conn25d                 connector role          [server2]
      |              |   |                    |  |  |  |             10.1.0.2
      +---- lan -----+   +---- overlay -------+--|--+  |                |
         10.8.0.1            10.9.0.1     10.9.0.2 | 10.9.0.3           |
         fd08::1             fd09::1      fd09::2  | fd09::3            |
                                                   +---+------ inner ---+
                                           10.1.255.2  10.1.255.3       |
                                       2001:db8:1:ff::2  ::3        [router]
                                                                  10.1.255.9
                                                                        |
                                                  a narrow wire, MTU 1280
                                                                        |
                                                                   [server3]
                                                                   10.1.0.9

The overlay is a wire here; test_wireguard.py has a real tunnel. Servers have
the addresses that zones.py gives to names of the policy. Transit addresses
169.254.64.0/19 and fd25:2::/80 lead to connector one, 169.254.96.0/19 and
fd25:2:0:0:1::/80 to two.
"""

import contextlib
import hashlib
import http.client
import http.server
import re
import socket
import socketserver
import struct
import threading

from .ask import addresses, ask
from .conn25 import APPS, Conn25d, POOLS, is_magic
from .netns import Namespace, Switch, wait_neighbour, wire
from .nsd import Nsd
from .process import Keeper
from .unbound import Unbound
from .wait import scaled, wait_for

PORT = 8025             # of the connectors' API
WEB = 80
ECHO = 7
OVERLAY = "overlay0"

# A client's view of a server: by name, and the family of its address.
NAMES = {4: "v4.wiki.corp.example", 6: "v6.wiki.corp.example"}
# What is behind the narrow wire.
NARROW = "mail.wiki.corp.example"
# An address to which the router knows no way.
NOWHERE = "deep.a.b.wiki.corp.example"

CONNECTORS = {
    "one": {"overlay": ["10.9.0.2/24", "fd09::2/64"],
            "inner": ["10.1.255.2/16", "2001:db8:1:ff::2/48"],
            "transit": {"v4": ["169.254.64.0/19"], "v6": ["fd25:2::/80"]}},
    "two": {"overlay": ["10.9.0.3/24", "fd09::3/64"],
            "inner": ["10.1.255.3/16", "2001:db8:1:ff::3/48"],
            "transit": {"v4": ["169.254.96.0/19"],
                        "v6": ["fd25:2:0:0:1::/80"]}},
}


def bare(prefix):
    return prefix.split("/")[0]


def url(host):
    return f"http://{host}:{PORT}"


# ---- what the servers do ----------------------------------------------------

def pattern(count, start=0):
    """Bytes that tell where they are."""
    words = range(start // 4, (start + count) // 4 + 1)
    data = b"".join(struct.pack("!I", n & 0xffffffff) for n in words)
    return data[start % 4:start % 4 + count]


class _Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _reply(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        """/who: the client's address as it is seen here. /N: N bytes.
        /slow/WHICH/N: as many, each piece when the test says so."""
        what = self.path.strip("/").split("/")
        if what == ["who"]:
            self._reply(plain(self.client_address[0]).encode())
            return
        self.send_response(200)
        self.send_header("Content-Length", what[-1])
        self.end_headers()
        at, count = 0, int(what[-1])
        piece = 1 << 20
        if what[0] == "slow":
            piece = count // 50
        while at < count:
            if what[0] == "slow":
                self.server.paces[what[1]].acquire(timeout=scaled(60))
            data = pattern(min(piece, count - at), at)
            self.wfile.write(data)
            at += len(data)

    def do_PUT(self):
        """Answers with the digest of what came."""
        digest = hashlib.sha256()
        left = int(self.headers["Content-Length"])
        while left:
            data = self.rfile.read(min(left, 1 << 16))
            digest.update(data)
            left -= len(data)
        self._reply(digest.hexdigest().encode())

    def log_message(self, *_):
        pass


class _WebServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "server", WEB

    def handle_error(self, *_):
        pass                    # the other side may hang up


def plain(address):
    return address.removeprefix("::ffff:")


class Server:
    """HTTP, and an echo for UDP that says who asked."""

    def __init__(self, namespace):
        with namespace.enter():
            self.web = _WebServer(("::", WEB), _Web)
            self.udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            self.udp.setsockopt(socket.IPPROTO_IPV6,
                                socket.IPV6_RECVPKTINFO, 1)
            self.udp.bind(("::", ECHO))
        self.web.paces = {}
        self.threads = [threading.Thread(target=t, daemon=True) for t in
                        (self.web.serve_forever, self._echo)]
        for thread in self.threads:
            thread.start()

    def _echo(self):
        """Answers from the address that was asked."""
        with contextlib.suppress(OSError):
            while True:
                data, asked, _, peer = self.udp.recvmsg(65535, 256)
                if not peer:
                    return
                self.udp.sendmsg([plain(peer[0]).encode(), b" ", data],
                                 asked, 0, peer)

    def close(self):
        self.web.shutdown()
        self.web.server_close()
        with contextlib.suppress(OSError):
            self.udp.shutdown(socket.SHUT_RDWR)
        self.udp.close()


# ---- what clients do --------------------------------------------------------

def connect(namespace, address, port=WEB, timeout_s=20):
    with namespace.enter():
        return socket.create_connection((address, port), scaled(timeout_s))


def fetch(namespace, address, path, body=None):
    """One request; returns the body of the answer."""
    connection = http.client.HTTPConnection("server", WEB)
    connection.sock = connect(namespace, address)
    try:
        connection.request("GET" if body is None else "PUT", path, body)
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        return answer.read()
    finally:
        connection.close()


def udp(namespace, address):
    """A socket that is connected to the echo."""
    with namespace.enter():
        sock = socket.socket(socket.AF_INET6 if ":" in address else
                             socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(scaled(10))
        sock.connect((address, ECHO))
        return sock


def echo(namespace, address, data=b"hello"):
    """Asks the echo once, again after a second; returns who it saw."""
    with udp(namespace, address) as sock:
        sock.settimeout(scaled(2))
        for _ in range(5):
            sock.send(data)
            with contextlib.suppress(socket.timeout):
                seen, _, back = sock.recv(65535).partition(b" ")
                assert back == data
                return seen.decode()
    raise AssertionError(f"no echo from {address}")


# ---- all of it --------------------------------------------------------------

class Net:
    def __init__(self, name, client=None, connectors=None, overlay=OVERLAY):
        """client and connectors change the configurations."""
        self.keeper = Keeper(name)
        self.closers = contextlib.ExitStack()
        self.overlay = overlay
        self.conn25d = self.unbound = None
        try:
            self._wires()
            self._servers()
            self._daemons(client or {}, connectors or {})
        except BaseException:
            self.close()
            raise

    def _space(self, name):
        space = Namespace(name)
        self.closers.callback(space.close)
        return space

    # ---- wires and routes ----

    def _wires(self):
        for name in ("lan", "client", "one", "two", "router", "server1",
                     "server2", "server3"):
            setattr(self, name, self._space(name))
        self.inner = Switch("inner")
        self.closers.callback(self.inner.close)
        wire(self.lan, "lan0", self.client, "lan0")
        self.lan.address("lan0", "10.8.0.2/24", "fd08::2/64")
        self.client.address("lan0", "10.8.0.1/24", "fd08::1/64")
        self.lan.ip("route add default via 10.8.0.1",
                    "route add default via fd08::1")
        self._overlay()
        for name, here in CONNECTORS.items():
            space = getattr(self, name)
            self.inner.plug(space, "inner0")
            space.address("inner0", *here["inner"])
            space.ip("route add 10.1.0.9/32 via 10.1.255.9",
                     "route add 10.1.0.40/32 via 10.1.255.9",
                     "route add 2001:db8:1::9/128 via 2001:db8:1:ff::9",
                     "route add 10.20.0.0/15 via 10.1.0.2",
                     "route add default via 10.1.0.1",
                     "route add default via 2001:db8:1::1")
        for space in (self.client, self.one, self.two, self.router):
            space.forwards()
        self._behind()

    def _overlay(self):
        """The overlay as a wire with three ends."""
        switch = Switch("overlay")
        self.closers.callback(switch.close)
        switch.plug(self.client, self.overlay)
        self.client.address(self.overlay, "10.9.0.1/24", "fd09::1/64")
        for name, here in CONNECTORS.items():
            space = getattr(self, name)
            switch.plug(space, self.overlay)
            space.address(self.overlay, *here["overlay"])
            self.client.ip(*(f"route add {t} via {bare(o)}"
                             for o, f in zip(here["overlay"], ("v4", "v6"))
                             for t in here["transit"][f]))
        self.client.ip(f"route add 100.64.0.0/16 dev {self.overlay}",
                       f"route add fd25:1::/64 dev {self.overlay}")

    def _behind(self):
        for space, hosts in ((self.server1, (1, 3)), (self.server2, (2,))):
            self.inner.plug(space, "inner0")
            for host in hosts:
                space.address("inner0", f"10.1.0.{host}/16",
                              f"2001:db8:1::{host}/48")
        # Whoever asks for one of the many names finds server2.
        self.server2.ip("route add local 10.20.0.0/15 dev lo")
        self.inner.plug(self.router, "inner0")
        self.router.address("inner0", "10.1.255.9/16", "2001:db8:1:ff::9/48")
        wire(self.router, "narrow0", self.server3, "narrow0", mtu=1280)
        self.router.address("narrow0", "10.7.0.1/24", "fd07::1/64")
        self.server3.address("narrow0", "10.7.0.2/24", "fd07::2/64")
        self.server3.address("lo", "10.1.0.9/32", "2001:db8:1::9/128")
        self.server3.ip("route add default via 10.7.0.1 src 10.1.0.9",
                        "route add default via fd07::1 src 2001:db8:1::9")
        self.router.ip("route add 10.1.0.9/32 via 10.7.0.2",
                       "route add 2001:db8:1::9/128 via fd07::2",
                       "route add unreachable 10.1.0.40/32")
        for name, here in CONNECTORS.items():
            wait_neighbour(getattr(self, name), "10.1.0.1")
            wait_neighbour(self.client, bare(here["overlay"][0]))

    # ---- programs ----

    def _servers(self):
        self.servers = [Server(s) for s in (self.server1, self.server2,
                                            self.server3)]
        for server in self.servers:
            self.closers.callback(server.close)

    def _daemons(self, client, connectors):
        self.connectors = {}
        for name, here in CONNECTORS.items():
            space = getattr(self, name)
            config = self.connector_config(here)
            config.update(connectors)
            daemon = Conn25d(self.keeper, name, config)
            self.connectors[name] = daemon
            self.start(space, daemon)
        config = self.client_config()
        config.update(client)
        self.conn25d = Conn25d(self.keeper, "client", config)
        self.start(self.client, self.conn25d)
        with self.client.enter():
            self.nsd = Nsd(self.keeper)
            self.unbound = Unbound(
                self.keeper, self.nsd.address, self.nsd.zones,
                run_dir=self.conn25d.run_dir, anchors=self.nsd.anchors,
                extra="interface: 10.8.0.1\naccess-control: 10.8.0.0/24 "
                      "allow\nserve-expired: no")
            self.unbound.start()
        wait_for(lambda: all(map(is_magic, self.resolve(NAMES[4]))),
                 "Unbound to give magic IPs")

    def connector_config(self, here):
        apps = [dict(app) for app in APPS]
        return {
            "apps": apps,
            "listen": {"transitIP": url(bare(here["overlay"][0]))},
            "peers": [{"name": "edge-1", "addresses": ["10.9.0.1",
                                                       "fd09::1"],
                       "apps": [app["name"] for app in apps]}],
            "datapath": {"nftables": True, "overlay": self.overlay},
        }

    def client_config(self):
        return {
            "pools": POOLS,
            "apps": [dict(app) for app in APPS],
            "connectors": [
                {"name": name, "tags": ["tag:office"], "priority": number,
                 "url": url(bare(here["overlay"][0])),
                 "transit": here["transit"]}
                for number, (name, here) in enumerate(CONNECTORS.items())],
            "dns": {"holdMilliseconds": 10000},
            "datapath": {"nftables": True, "overlay": self.overlay},
        }

    def start(self, space, daemon):
        with space.enter():
            daemon.start()
        if daemon is self.conn25d and self.unbound:
            # It comes back within a second; until then no answer is held.
            wait_for(lambda: re.search(r"modules: [1-9]",
                                       daemon.control("status")),
                     "the module to be connected")

    def place(self, daemon):
        """The namespace of one of our daemons."""
        return self.client if daemon is self.conn25d else \
            getattr(self, daemon.name)

    # ---- questions ----

    def ask(self, name, kind="A", space=None):
        """Asks Unbound, from the client or from behind it."""
        space = space or self.client
        host = "127.0.0.1" if space is self.client else "10.8.0.1"
        with space.enter():
            return ask((host, self.unbound.port), name, kind)

    def resolve(self, name, kind="A", space=None):
        found = addresses(self.ask(name, kind, space))
        assert found, f"no address for {name} {kind}"
        return found

    def magic(self, name, family=4, space=None):
        found = self.resolve(name, "AAAA" if family == 6 else "A", space)
        assert all(map(is_magic, found)), f"{name}: {found}"
        return found[0]

    def close(self):
        found = self.keeper.close()
        self.closers.close()
        return found
