# SPDX-License-Identifier: BSD-3-Clause
"""The overlay as a real tunnel: WireGuard between the hosts that
harness/overlay.py draws, with one prefix of transit addresses for each of two
connectors, as README.md describes it."""

import re
import shutil
import socket
import subprocess

import pytest

from harness import netns, zones
from harness.netns import Switch, wait_neighbour
from harness.overlay import CONNECTORS, NAMES, Net, bare, connect, echo, \
    fetch, pattern
from harness.process import Process
from harness.wait import wait_for
from test_datapath import PEER, SEEN, assignment, configured, sniffed

REASON = netns.why_not() or netns.why_no_tunnel() or next(
    (f"{tool} is not installed" for tool in
     ("wireguard-go", "wg", "nft", "tcpdump") if not shutil.which(tool)), None)
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

PORT = 51820
UNDERLAY = {"client": "192.0.2.1", "one": "192.0.2.2", "two": "192.0.2.3"}
# WireGuard's header and the outer one, of IPv6 at worst.
MTU = 1420

families = pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])
sides = pytest.mark.parametrize("side", ["client", "lan"])


def wg(*words, text=None):
    return subprocess.run(["wg", *words], input=text, text=True, check=True,
                          capture_output=True).stdout.strip()


class Tunnels(Net):
    """A wire between the hosts, and tunnels on it: client to each
    connector."""

    def _overlay(self):
        switch = Switch("underlay")
        self.closers.callback(switch.close)
        self.tunnels = {}
        self.keys = {name: wg("genkey") for name in UNDERLAY}
        self.public = {name: wg("pubkey", text=key)
                       for name, key in self.keys.items()}
        for name, outer in UNDERLAY.items():
            switch.plug(getattr(self, name), "under0")
            getattr(self, name).address("under0", f"{outer}/24")
            self._tunnel(name)
        for name, here in CONNECTORS.items():
            transit = here["transit"]
            self.peer("client", name, [
                *(f"{bare(a)}/{128 if ':' in a else 32}"
                  for a in here["overlay"]), *transit["v4"], *transit["v6"]])
            self.peer(name, "client", ["10.9.0.1/32", "fd09::1/128"])
            for prefix in transit["v4"] + transit["v6"]:
                self.client.ip(f"route add {prefix} dev {self.overlay}")
        self.client.ip(f"route add 100.64.0.0/16 dev {self.overlay}",
                       f"route add fd25:1::/64 dev {self.overlay}")

    def _tunnel(self, name):
        """Its control socket is in a directory that only it sees."""
        space = getattr(self, name)
        process = Process(self.keeper, f"wireguard-{name}", [
            "unshare", "--mount", "sh", "-c",
            "mount -t tmpfs tmpfs /run && "
            f"exec wireguard-go -f {self.overlay}"])
        self.tunnels[name] = process
        with space.enter():
            process.start()
        wait_for(lambda: self.wg(name, "show", check=False).startswith(
            "interface"), f"the tunnel of {name}")
        key = self.keeper.write(f"{name}.key", self.keys[name] + "\n")
        self.wg(name, "set", self.overlay, "private-key", key,
                "listen-port", str(PORT))
        overlay = {"client": ["10.9.0.1/24", "fd09::1/64"]}.get(name) or \
            CONNECTORS[name]["overlay"]
        space.ip(f"link set {self.overlay} mtu {MTU}")
        space.address(self.overlay, *overlay)

    def wg(self, name, *words, check=True):
        return getattr(self, name).run(
            "nsenter", "--mount", f"--target={self.tunnels[name].pid}",
            "wg", *words, check=check)

    def peer(self, name, other, allowed):
        self.wg(name, "set", self.overlay, "peer", self.public[other],
                "endpoint", f"{UNDERLAY[other]}:{PORT}",
                "allowed-ips", ",".join(allowed))

    def _behind(self):
        super()._behind()
        for name in CONNECTORS:
            wait_neighbour(self.client, UNDERLAY[name])


@pytest.fixture(scope="module")
def net():
    net = Tunnels("wireguard", overlay="wg0")
    yield net
    found = net.close()
    assert not found, "\n".join(found)


@pytest.fixture
def space(net, side):
    return getattr(net, side)


@families
@sides
def test_by_name_through_the_tunnel(net, space, family):
    magic = net.magic(NAMES[family], family, space)
    assert fetch(space, magic, "/who").decode() == SEEN[family]
    assert echo(space, magic) == SEEN[family]
    with connect(space, magic) as sock:
        assert sock.getpeername()[0] == magic


@families
@sides
def test_large_transfers_through_the_tunnel(net, space, family):
    """Its MTU is smaller than the clients' and the servers'."""
    magic = net.magic(NAMES[family], family, space)
    size = 8 << 20
    data = fetch(space, magic, f"/{size}")
    assert data == pattern(size)
    fetch(space, magic, "/", data)


@families
def test_tunnel_has_transit_addresses_and_the_wire_none(net, family):
    magic = net.magic(NAMES[family], family)
    transit = assignment(net, magic).transit
    api = {bare(a) for c in CONNECTORS.values() for a in c["overlay"]}
    with sniffed(net, net.client, "under0") as outer, \
            sniffed(net, net.client, net.overlay, "not icmp6") as inner:
        assert fetch(net.client, magic, "/65536") == pattern(65536)
        assert fetch(net.lan, magic, "/65536") == pattern(65536)
    inner = [p for p in inner if not api & set(p)]
    assert {a for p in inner for a in p} == {PEER[family], transit}
    assert {a for p in outer for a in p
            if re.match(r"\d+\.", a)} <= set(UNDERLAY.values())


def second(net):
    """A configuration with which connector two comes first."""
    config = dict(net.conn25d.config)
    config["connectors"] = [
        {**c, "priority": int(c["name"] != "two")}
        for c in config["connectors"]]
    return config


def test_second_connector_has_a_prefix_of_its_own(net):
    with configured(net, second(net)):
        magic = net.magic(zones.bulk_name(1))
        transit = assignment(net, magic).transit
        assert transit.startswith("169.254.96.")
        assert fetch(net.client, magic, "/who").decode() == "10.1.255.3"
    # The other one's are where they were.
    assert fetch(net.client, net.magic(NAMES[4]), "/who").decode() == SEEN[4]


def test_transit_prefix_must_be_among_the_allowed_ips(net):
    """What README.md says is needed, is: without it the kernel's answer is
    that there is no way."""
    here = CONNECTORS["two"]
    overlay = [f"{bare(here['overlay'][0])}/32"]
    with configured(net, second(net)):
        magic = net.magic(zones.bulk_name(2))
        fetch(net.client, magic, "/who")
        net.peer("client", "two", overlay)
        with pytest.raises(OSError):
            connect(net.client, magic, timeout_s=2)
        net.peer("client", "two", [*overlay, *here["transit"]["v4"]])
        assert fetch(net.client, magic, "/who").decode() == "10.1.255.3"
        net.peer("client", "two", [
            *overlay, "fd09::3/128", *here["transit"]["v4"],
            *here["transit"]["v6"]])


def test_new_port_of_the_tunnel_ends_no_connection(net):
    """Connections are between inner addresses."""
    magic = net.magic(NAMES[4])
    with connect(net.client, magic) as sock:
        sock.sendall(b"GET /who HTTP/1.1\r\nHost: server\r\n\r\n")
        assert sock.recv(1000)
        net.wg("client", "set", net.overlay, "listen-port", str(PORT + 1))
        sock.sendall(b"GET /who HTTP/1.1\r\nHost: server\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        assert SEEN[4].encode() in sock.makefile("rb").read()
