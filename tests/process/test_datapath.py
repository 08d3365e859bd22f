# SPDX-License-Identifier: BSD-3-Clause
"""Packets: real connections by name through magic and transit addresses, as
harness/overlay.py draws it. CONN25_TEST_FULL=1 runs the long forms."""

import contextlib
import errno
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from harness import netns, zones
from harness.conn25 import CHECKCONF, PATH, Conn25d, is_magic
from harness.overlay import (CONNECTORS, NAMES, NARROW, NOWHERE, PORT, WEB,
                             Net, bare, connect, echo, fetch, pattern, udp,
                             url)
from harness.process import Process
from harness.wait import holds_for, scaled, wait_for

FULL = bool(os.environ.get("CONN25_TEST_FULL"))

REASON = netns.why_not() or next(
    (f"{tool} is not installed" for tool in ("nft", "tcpdump", "ping")
     if not shutil.which(tool)), None)
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

# How the servers know connector one.
SEEN = {4: "10.1.255.2", 6: "2001:db8:1:ff::2"}
PEER = {4: "10.9.0.1", 6: "fd09::1"}

families = pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])
sides = pytest.mark.parametrize("side", ["client", "lan"])


@pytest.fixture(scope="module")
def net():
    net = Net("datapath")
    yield net
    found = net.close()
    assert not found, "\n".join(found)


@pytest.fixture
def space(net, side):
    return getattr(net, side)


def assignment(net, magic):
    return next(a for a in net.conn25d.assignments() if a.magic == magic)


def table(space):
    return space.nft("list", "table", "inet", "conn25", check=False)


def elements(space):
    """What the maps of a host hold: text of the key -> value."""
    text = table(space)
    return {key.strip(): value for key, value in re.findall(
        r"([0-9a-f.: ]+?) timeout [^:,]*? expires [^:,]*? : ([0-9a-f.:]+)",
        text)}


# ---- traffic ----------------------------------------------------------------

@families
@sides
def test_http_by_name(net, space, family):
    magic = net.magic(NAMES[family], family, space)
    assert fetch(space, magic, "/who").decode() == SEEN[family]
    with connect(space, magic) as sock:
        assert sock.getpeername()[0] == magic


@families
@sides
def test_udp_by_name(net, space, family):
    magic = net.magic(NAMES[family], family, space)
    assert echo(space, magic) == SEEN[family]


@families
@sides
def test_ping_by_name(net, space, family):
    magic = net.magic(NAMES[family], family, space)
    text = space.run("ping", "-n", "-c2", "-i0.05", "-W5", magic)
    assert text.count(f"bytes from {magic}:") == 2, text


@pytest.mark.parametrize("name, family", [
    (NAMES[4], 4), (NAMES[6], 6), (NARROW, 4), (NARROW, 6)],
    ids=["ipv4", "ipv6", "narrow-ipv4", "narrow-ipv6"])
@sides
def test_large_transfers(net, space, name, family):
    """Both ways; the narrow wire needs ICMP errors to be translated."""
    size = (256 if FULL else 8) << 20
    magic = net.magic(name, family, space)
    data = fetch(space, magic, f"/{size}")
    assert data == pattern(size)
    assert fetch(space, magic, "/", data).decode() == \
        hashlib.sha256(data).hexdigest()


def test_two_names_by_two_connectors(net):
    """The connectors' own transit addresses lead to each of them."""
    seen = {}
    for name in "one", "two":
        config = dict(net.conn25d.config)
        config["connectors"] = sorted(
            ({**c, "priority": int(c["name"] != name)}
             for c in config["connectors"]), key=lambda c: c["name"])
        with configured(net, config):
            bulk = zones.bulk_name(900 + len(seen))
            magic = net.magic(bulk)
            transit = assignment(net, magic).transit
            seen[name] = fetch(net.client, magic, "/who").decode()
        prefix = "169.254.64." if name == "one" else "169.254.96."
        assert transit.startswith(prefix)
    assert seen == {"one": "10.1.255.2", "two": "10.1.255.3"}


@contextlib.contextmanager
def configured(net, config, daemon=None):
    """With another configuration for a while."""
    daemon = daemon or net.conn25d
    before = dict(daemon.config)
    daemon.configure(config)
    daemon.reload()
    try:
        yield
    finally:
        daemon.configure(before)
        daemon.reload()


# ---- what others see --------------------------------------------------------

# Where the packet goes that ends a look at packets.
END = ("255.255.255.255", 9999)


@contextlib.contextmanager
def sniffed(net, space, interface, expression="ip or ip6"):
    """Gives a list, which in the end has (source, destination) of each
    packet that passed."""
    packets = []
    dump = Process(net.keeper, f"tcpdump-{space.name}-{interface}", [
        "tcpdump", "-lnn", "-i", interface, "-s128", "-B16384",
        "--immediate-mode", f"({expression}) or udp port {END[1]}"])
    before = len(dump.log())
    with space.enter():
        dump.start()
    dump.wait_log("listening on", since=before)
    before = len(dump.log())
    try:
        yield packets
        # What came before the last packet has been seen when that is.
        with space.enter(), socket.socket(socket.AF_INET,
                                          socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE,
                            interface.encode())

            def over():
                """Again and again, as a busy machine loses some."""
                sock.sendto(b"end", END)
                return f"> {END[0]}.{END[1]}:" in dump.log()[before:]
            wait_for(over, "the last packet to be seen")
    finally:
        dump.stop(signal.SIGINT)
    for line in dump.log()[before:].splitlines():
        found = re.search(r" IP6? (\S+) > (\S+):", line)
        if found and END[0] not in found[2]:
            packets.append(tuple(
                re.sub(r"^(\d+\.\d+\.\d+\.\d+)\.\d+$|^([0-9a-f:]+)\.\d+$",
                       lambda m: m[1] or m[2], word)
                for word in found.groups()))
    net.keeper.processes.remove(dump)


@families
def test_overlay_sees_transit_addresses_only(net, family):
    magic = net.magic(NAMES[family], family)
    transit = assignment(net, magic).transit
    api = {bare(a) for c in CONNECTORS.values() for a in c["overlay"]}
    with sniffed(net, net.client, net.overlay, "not icmp6") as packets:
        for space in net.client, net.lan:
            assert fetch(space, magic, "/65536") == pattern(65536)
            echo(space, magic)
    packets = [p for p in packets if not api & set(p)]
    assert len(packets) > 8, packets
    assert {a for p in packets for a in p} == {PEER[family], transit}


@families
def test_server_sees_the_connector_only(net, family):
    magic = net.magic(NAMES[family], family)
    with sniffed(net, net.server1, "inner0", "tcp or udp") as packets:
        for space in net.client, net.lan:
            fetch(space, magic, "/65536")
            echo(space, magic)
    destination = assignment(net, magic).destination
    assert {a for p in packets for a in p} == {SEEN[family], destination}


# ---- refusing ---------------------------------------------------------------

def check_refused(space, address, echoing=True):
    """At once, that is by an answer and not by silence."""
    with pytest.raises(ConnectionRefusedError):
        connect(space, address, timeout_s=20)
    if not echoing:
        return
    with udp(space, address) as sock:
        with pytest.raises(OSError) as refused:
            # The first may be gone before the answer is there.
            for _ in range(3):
                sock.send(b"x")
                with contextlib.suppress(socket.timeout):
                    sock.recv(100)
        # EPERM on the host that refuses its own packet.
        assert refused.value.errno in (
            errno.ECONNREFUSED, errno.EPERM), refused.value


@pytest.mark.parametrize("address", ["100.64.200.7", "fd25:1::beef"])
@sides
def test_unmapped_magic_addresses_are_refused(net, space, address):
    before = net.conn25d.stat("datapath.client.refused")
    check_refused(space, address)
    assert net.conn25d.stat("datapath.client.refused") >= before + 2


@pytest.mark.parametrize("address", ["169.254.70.7", "fd25:2::beef"])
def test_unmapped_transit_addresses_are_refused(net, address):
    one = net.connectors["one"]
    before = one.stat("datapath.connector.refused")
    # It leaves for the connector as if it had been translated.
    check_refused(net.client, address)
    assert one.stat("datapath.connector.refused") >= before + 2


@families
def test_destinations_cannot_be_reached_past_conn25(net, family):
    """Forwarding is on at the connector, for what is translated."""
    destination, via = {4: ("10.1.0.3", "10.9.0.2"),
                        6: ("2001:db8:1::3", "fd09::2")}[family]
    net.client.ip(f"route add {destination} via {via}")
    try:
        check_refused(net.client, destination)
    finally:
        net.client.ip(f"route del {destination} via {via}")


def test_what_peers_did_not_begin_passes(net):
    """A connection from behind a connector to a host on the overlay."""
    net.server1.ip("route add 10.9.0.0/24 via 10.1.255.2")
    net.client.ip("route add 10.1.0.0/16 via 10.9.0.2")
    with net.client.enter(), socket.create_server(("10.9.0.1", 4444)) as at:
        with connect(net.server1, "10.9.0.1", 4444) as sock:
            there, _ = at.accept()
            with there:
                there.sendall(b"from a peer")
                there.shutdown(socket.SHUT_WR)
                assert sock.makefile("rb").read() == b"from a peer"
    net.server1.ip("route del 10.9.0.0/24")
    net.client.ip("route del 10.1.0.0/16")


@sides
def test_without_the_overlay_nothing_leaves(net, space):
    """A tunnel that is gone must not let packets out by another way."""
    magic = net.magic(NAMES[4], 4)
    transit = assignment(net, magic).transit
    away = "10.8.0.2" if space is net.client else "10.8.0.7"
    net.client.ip(f"route add {transit}/32 via {away} dev lan0")
    try:
        with sniffed(net, net.client, "lan0", f"host {transit}") as packets:
            with pytest.raises((TimeoutError, PermissionError)):
                connect(space, magic, timeout_s=1.5)
        assert packets == []
    finally:
        net.client.ip(f"route del {transit}/32")


# ---- errors from behind -----------------------------------------------------

@sides
def test_unreachable_destination_is_unreachable(net, space):
    magic = net.magic(NOWHERE, 4, space)
    with pytest.raises(OSError) as failed:
        connect(space, magic)
    assert failed.value.errno == errno.EHOSTUNREACH


@sides
def test_closed_port_is_closed(net, space):
    magic = net.magic(NAMES[4], 4, space)
    with pytest.raises(ConnectionRefusedError):
        connect(space, magic, 9)
    with udp(space, magic) as sock:
        sock.connect((magic, 9))
        sock.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(100)


@families
@sides
def test_narrow_path_is_learnt(net, space, family):
    """"Too big" comes from the router, about a packet that it has seen with
    other addresses than the client."""
    magic = net.magic(NARROW, family, space)
    level, discover, mtu = {
        4: (socket.IPPROTO_IP, 10, 14), 6: (socket.IPPROTO_IPV6, 23, 24),
    }[family]                   # IP_MTU_DISCOVER, IP_MTU and theirs of IPv6
    with udp(space, magic) as sock:
        sock.setsockopt(level, discover, 2)     # never in fragments

        def learnt():
            with contextlib.suppress(OSError):
                sock.send(b"x" * 1400)
            return sock.getsockopt(level, mtu) == 1280
        wait_for(learnt, lambda: "the narrowest MTU, now "
                 f"{sock.getsockopt(level, mtu)}")


# ---- the first connection ---------------------------------------------------

def test_first_connection_after_the_first_answer(net):
    """1,000 of 1,000: whoever has a magic IP has everything behind it."""
    count = 1000 if FULL else 100
    failed = []
    for number in range(count):
        magic = net.magic(zones.bulk_name(number))
        try:
            connect(net.client, magic).close()
        except OSError as error:
            failed.append((number, magic, error))
    assert failed == []
    assert net.conn25d.stat("total.num.hold_timeout") == 0
    assert net.connectors["one"].stat("mappings.current") >= 2 * count


def test_large_request_is_answered_when_the_kernel_has_it(net, keeper):
    """A mebibyte of mappings of a peer with many addresses."""
    space = netns.Namespace("large")
    config = net.connector_config(CONNECTORS["one"])
    config["listen"] = {"transitIP": url("127.0.0.1")}
    config["datapath"]["overlay"] = "lo"
    config["peers"][0]["addresses"] = [f"127.0.0.{n}" for n in range(1, 17)]
    entries = [f'{{"transitIP":"10.64.{n >> 8}.{n & 255}",'
               '"destinationIP":"10.1.0.1","app":"wiki"}'
               for n in range(15000)]
    body = '{"transitIPs":[' + ",".join(entries) + "]}"
    assert len(body) <= 1 << 20
    daemon = Conn25d(keeper, "large", config)
    try:
        net.start(space, daemon)
        with space.enter():
            client = http.client.HTTPConnection("127.0.0.1", PORT,
                                                timeout=scaled(60))
            client.request("POST", PATH, body)
            answer = client.getresponse()
        assert answer.status == 200, answer.read()
        results = json.loads(answer.read())["transitIPs"]
        assert results == [{}] * len(entries)
        stats = daemon.stats()
        assert stats["datapath.pending"] == 0
        assert stats["datapath.elements"] == 16 * len(entries)
        client.close()
    finally:
        daemon.stop()
        space.close()


# ---- surviving --------------------------------------------------------------

class Download:
    """A transfer that goes on piece by piece."""

    SIZE = 5000000

    def __init__(self, net, space, magic, server):
        self.pace = threading.Semaphore(0)
        net.servers[server].web.paces[str(id(self))] = self.pace
        self.connection = http.client.HTTPConnection("server", WEB)
        self.connection.sock = connect(space, magic)
        self.connection.request("GET", f"/slow/{id(self)}/{self.SIZE}")
        self.data = b""
        self.answer = None

    def step(self):
        """One piece more, which arrives."""
        self.pace.release()
        if self.answer is None:
            self.answer = self.connection.getresponse()
        piece = self.answer.read(self.SIZE // 50)
        assert len(piece) == self.SIZE // 50, "the download ended early"
        self.data += piece

    def finish(self):
        while len(self.data) < self.SIZE:
            self.step()
        assert self.data == pattern(self.SIZE)
        self.connection.close()


def new_connections(net, magic):
    """Until they work again; each attempt says yes or no at once."""
    def works():
        try:
            return fetch(net.client, magic, "/who")
        except OSError:
            return None
    return wait_for(works, "a new connection", 20)


def restart(net, daemon):
    daemon.process.kill()
    net.start(net.place(daemon), daemon)


@families
@sides
def test_download_survives(net, space, family):
    """Connector's conn25d and client's conn25d killed and started, both
    reloaded, the assignment and the mapping ended."""
    name = NAMES[family]
    magic = net.magic(name, family, space)
    download = Download(net, space, magic, 0)
    download.step()
    one = net.connectors["one"]
    one.process.kill()
    download.step()
    net.start(net.one, one)
    download.step()
    new_connections(net, magic)
    net.conn25d.process.kill()
    download.step()
    # The rules are still there: new connections need no conn25d.
    assert fetch(net.client, magic, "/who").decode() == SEEN[family]
    net.start(net.client, net.conn25d)
    download.step()
    assert fetch(net.client, magic, "/who").decode() == SEEN[family]
    for daemon in one, net.conn25d:
        daemon.reload()
        download.step()
    one.control("drop", assignment(net, magic).transit)
    download.step()
    with pytest.raises(ConnectionRefusedError):
        connect(net.client, magic)
    net.conn25d.control("drop", magic)
    download.step()
    with pytest.raises(ConnectionRefusedError):
        connect(net.client, magic)
    download.finish()
    # Asked for again, it is another assignment.
    other = net.magic(name, family, space)
    assert other != magic
    assert fetch(space, other, "/who").decode() == SEEN[family]


def test_connector_that_starts_again_has_its_mappings_at_once(net):
    magic = net.magic(NAMES[4])
    one = net.connectors["one"]
    restart(net, one)
    assert fetch(net.client, magic, "/who").decode() == SEEN[4]


def test_living_connection_makes_its_lease_longer(net):
    """Connections are looked at each 30 s, and after each repair."""
    name = "short.wiki.corp.example"
    magic = net.magic(name)

    def lease():
        return int(assignment(net, magic).line.split()[-1])
    assert lease() <= 70            # TTL 2, lease 60 and some slack
    before = net.conn25d.stat("datapath.kept")
    one = net.connectors["one"]
    with udp(net.client, magic) as sock:
        # Nobody answers there, which is all the same to conntrack.
        sock.send(b"x")
        wait_for(lambda: transit_in_conntrack(net.client, magic),
                 "the connection to be known")
        meddle(net, net.client, "flush", "chain", "inet", "conn25", "output")
        wait_for(lambda: lease() > 100, "a longer lease")
    assert net.conn25d.stat("datapath.kept") > before
    assert one.stat("datapath.errors") == 0


def transit_in_conntrack(space, address):
    with space.enter(), open("/proc/thread-self/net/nf_conntrack",
                             encoding="ascii") as file:
        return address in file.read()


@pytest.mark.skipif(not FULL, reason="takes minutes: CONN25_TEST_FULL=1")
def test_lease_ends_when_nothing_uses_it(net):
    """A silent connection keeps it, its end lets it go."""
    name = "short.wiki.corp.example"
    net.magic("v4.wiki.corp.example")
    magic = net.magic(name)
    net.client.ip("route flush cache")
    sock = connect(net.client, net.magic(NARROW))
    kept = net.magic(NARROW)
    wait_for(lambda: magic not in elements(net.client),
             "the end of the unused lease", 300)
    assert kept in elements(net.client)
    with pytest.raises(ConnectionRefusedError):
        connect(net.client, magic)
    sock.close()


# ---- moving to another connector --------------------------------------------

def test_failover_lets_new_connections_through(net):
    magic = net.magic(NAMES[4])
    assert fetch(net.client, magic, "/who").decode() == SEEN[4]
    one = net.connectors["one"]
    download = Download(net, net.client, magic, 0)
    download.step()
    one.process.kill()
    try:
        wait_for(lambda: assignment(net, magic).transit.startswith(
            "169.254.96."), "another connector", 5)
        assert fetch(net.client, magic, "/who").decode() == "10.1.255.3"
        # By its old connector, whose kernel knows no better.
        download.finish()
    finally:
        net.start(net.one, one)
    wait_for(lambda: assignment(net, magic).transit.startswith(
        "169.254.64."), "the way back", 60)
    assert fetch(net.client, magic, "/who").decode() == SEEN[4]


# ---- the table --------------------------------------------------------------

def meddle(net, space, *words):
    """Does something to our table that we are to repair."""
    daemon = net.conn25d if space is net.client else \
        net.connectors[space.name]
    before = daemon.stat("datapath.repairs")
    space.nft(*words)
    wait_for(lambda: daemon.stat("datapath.repairs") > before
             and daemon.stat("datapath.pending") == 0,
             f"repair after nft {' '.join(words)}", 40)


@pytest.mark.parametrize("words", [
    "flush ruleset",
    "delete table inet conn25",
    "flush table inet conn25",
    "flush chain inet conn25 postrouting",
    "flush {map}",
    "add rule inet conn25 prerouting counter drop",
    "add element {map} {{ {key} : 10.66.6.6 }}",
    "delete element {map} {{ {element} }}",
], ids=lambda words: words.replace(" ", "-").split("-{")[0])
@pytest.mark.parametrize("host", ["client", "one"])
def test_table_is_repaired(net, host, words):
    magic = net.magic(NAMES[4])
    fetch(net.client, magic, "/who")
    space = getattr(net, host)
    # What is there and what is to be there; times aside.
    shape = stateless(space)
    there = elements(space)
    assert there
    transit = assignment(net, magic).transit
    client = host == "client"
    meddle(net, space, *words.format(
        map=f"map inet conn25 {'magic4' if client else 'peer4'}"
        if words.startswith("flush")
        else f"inet conn25 {'magic4' if client else 'peer4'}",
        key="100.64.77.7" if client else "10.9.0.1 . 169.254.77.7",
        element=magic if client else f"10.9.0.1 . {transit}").split())
    assert stateless(space) == shape
    assert elements(space) == there
    assert fetch(net.client, magic, "/who").decode() == SEEN[4]


def stateless(space):
    """The table without elements."""
    return re.sub(r"\n\t\telements = \{.*?\}", "", space.nft(
        "-s", "list", "table", "inet", "conn25"), flags=re.DOTALL)


def test_connection_that_began_without_rules_is_translated(net):
    """UDP that goes on with the same ports: conntrack would keep to what it
    decided about the first packet."""
    magic = net.magic(NAMES[4])
    net.conn25d.process.send(signal.SIGSTOP)
    try:
        net.client.nft("flush", "ruleset")
        sock = udp(net.client, magic)
        sock.settimeout(scaled(0.5))
        # Without a table nobody asks conntrack; another one does.
        net.client.run("sh", "-c", "nft add table ip other && nft add chain "
                       "ip other o '{ type nat hook output priority 0; }' &&"
                       " nft add rule ip other o ip daddr 192.0.2.1 "
                       "dnat to 192.0.2.2")
        sock.send(b"astray")
        wait_for(lambda: transit_in_conntrack(net.client, magic),
                 "conntrack to know it")
    finally:
        net.conn25d.process.send(signal.SIGCONT)

    def answered():
        sock.send(b"again")
        with contextlib.suppress(socket.timeout, OSError):
            return sock.recv(100)
        return None
    with sock:
        assert wait_for(answered, "an echo", 20).split()[0].decode() == \
            SEEN[4]
    net.client.nft("delete", "table", "ip", "other")


def test_repair_names_who_did_it(net):
    since = len(net.conn25d.process.log())
    meddle(net, net.client, "flush", "table", "inet", "conn25")
    net.conn25d.process.wait_log(r"was changed by nft \(pid \d+\)",
                                 since=since)


def test_other_tables_are_none_of_our_business(net):
    before = net.conn25d.stat("datapath.repairs")
    net.client.nft("add", "table", "inet", "other")
    net.client.nft("add", "chain", "inet", "other", "conn25")
    net.client.nft("add", "table", "ip", "conn25")
    net.client.nft("delete", "table", "inet", "other")
    net.client.nft("delete", "table", "ip", "conn25")
    holds_for(lambda: net.conn25d.stat("datapath.repairs") == before,
              "no repair", 0.5)


def test_table_is_as_checkconf_prints_it(net):
    for daemon in net.conn25d, net.connectors["one"]:
        text = subprocess.run([CHECKCONF, "-n", daemon.conf], text=True,
                              capture_output=True, check=True).stdout
        assert stateless(net.place(daemon)) == text


def test_reload_changes_the_rules_and_no_connection(net):
    magic = net.magic(NAMES[4])
    download = Download(net, net.client, magic, 0)
    download.step()
    config = dict(net.conn25d.config)
    config["pools"] = {**config["pools"], "v4MagicIPPool": ["100.80.0.0/16"]}
    with configured(net, config):
        assert "100.80.0.0/16" in table(net.client)
        download.step()
        # It is outside of the pools now, and lives on.
        for space in net.client, net.lan:
            assert fetch(space, magic, "/who").decode() == SEEN[4]
        check_refused(net.lan, "100.80.3.4")
    download.finish()
    assert "100.80.0.0/16" not in table(net.client)


def test_what_lives_in_pools_of_before_goes_on(net):
    """Magic and transit pools change, twice, and conn25d starts again."""
    magic = net.magic(NAMES[4])
    transit = assignment(net, magic).transit
    download = Download(net, net.client, magic, 0)
    download.step()
    config = dict(net.conn25d.config)
    for number, third in enumerate((80, 88)):
        prefix = f"169.254.{third}.0/21"
        config["pools"] = {**config["pools"],
                           "v4MagicIPPool": [f"100.{third}.0.0/16"],
                           "v4TransitIPPool": [prefix, "169.254.96.0/19"]}
        config["connectors"] = [
            {**c, "transit": {**c["transit"], "v4": [prefix]}}
            if c["name"] == "one" else c for c in config["connectors"]]
        with configured(net, config):
            restart(net, net.conn25d)
            download.step()
            assert net.magic(NAMES[4]) == magic
            assert assignment(net, magic).transit == transit
            assert fetch(net.lan, magic, "/who").decode() == SEEN[4]
            other = net.resolve(zones.bulk_name(950 + number))[0]
            assert other.startswith(f"100.{third}.")
            line, = (a for a in net.conn25d.control(
                "list_assignments").splitlines() if other in a)
            assert f" 169.254.{third}." in line, line
    download.finish()
    assert "in no pool" not in net.conn25d.process.log()


def test_peer_that_loses_an_address_loses_its_way(net):
    magic = net.magic(NAMES[4])
    one = net.connectors["one"]
    config = dict(one.config)
    config["peers"] = [{**config["peers"][0], "addresses": ["10.9.0.77"]}]
    with configured(net, config, one):
        assert not any(key.startswith("10.9.0.1 ")
                       for key in elements(net.one))
        with pytest.raises(OSError):
            connect(net.client, magic, timeout_s=1)
    net.conn25d.reload()        # sends everything again
    new_connections(net, magic)


def test_removed_at_stop_if_told_to_and_else_not(net, keeper):
    space = netns.Namespace("alone")
    config = net.client_config()
    daemon = Conn25d(keeper, "alone", config)
    try:
        net.start(space, daemon)
        with space.enter():
            daemon.stop()
        assert table(space)
        config["datapath"]["removeAtStop"] = True
        daemon.configure(config)
        net.start(space, daemon)
        daemon.stop()
        assert not table(space)
        # Switched off at run time it goes, too.
        net.start(space, daemon)
        assert table(space)
        config["datapath"] = {"nftables": False}
        daemon.configure(config)
        daemon.reload()
        assert not table(space)
        daemon.stop()
    finally:
        space.close()


def test_off_there_is_no_netlink(net, keeper):
    config = net.client_config()
    config["datapath"] = {"nftables": False}
    daemon = Conn25d(keeper, "off", config)
    space = netns.Namespace("off")
    try:
        net.start(space, daemon)
        with space.enter(), open(f"/proc/{daemon.process.pid}/net/netlink",
                                 encoding="ascii") as file:
            families_of = {line.split()[1] for line in file
                           if line.split()[2] == str(daemon.process.pid)}
        assert "12" not in families_of      # NETLINK_NETFILTER
        assert not table(space)
        assert daemon.stat("datapath.batches") == 0
    finally:
        daemon.stop()
        space.close()


# ---- what can be wrong ------------------------------------------------------

def test_without_the_capability_it_says_so(net, keeper):
    config = net.client_config()
    daemon = Conn25d(keeper, "nobody", config)
    os.chmod(keeper.path, 0o755)
    for path in daemon.dir, daemon.run_dir, keeper.sub("nobody/state"):
        os.chown(path, 65534, 65534)
    daemon.process.argv = ["setpriv", "--reuid=65534", "--regid=65534",
                           "--clear-groups", *daemon.process.argv]
    daemon.process.start()
    assert daemon.process.wait_exit() == 1
    daemon.process.popen = None
    assert "Operation not permitted" in daemon.process.log()
    assert "CAP_NET_ADMIN" in daemon.process.log()


def test_overlay_that_is_not_there_is_missed(net, keeper):
    """Once, until it comes; and again after a reload."""
    missed = "overlay overlay0: there is no such interface: "
    space = netns.Namespace("missed")
    daemon = Conn25d(keeper, "missed", net.client_config())
    daemon.process.allow("connector ")
    try:
        net.start(space, daemon)
        assert f"\ndegraded: datapath: {missed}" in daemon.control("status")
        daemon.reload()
        daemon.process.wait_log("reload: .*: in force")
        assert daemon.process.log().count(missed) == 2
        space.ip("link add overlay0 type veth peer name other0")
        daemon.process.wait_log("overlay0: is there now")
        assert "degraded:" not in daemon.control("status")
        space.ip("link del overlay0")
        wait_for(lambda: daemon.process.log().count(missed) == 3,
                 "it to be missed again")
        assert "degraded:" in daemon.control("status")
    finally:
        daemon.stop()
        space.close()


def test_checkconf_tells_what_the_host_lacks(net):
    space = netns.Namespace("bare")

    def warnings(config):
        path = net.keeper.write("checked.json", "")
        daemon = Conn25d(net.keeper, "checked", config)
        net.keeper.processes.remove(daemon.process)
        os.unlink(path)
        with space.enter():
            run = subprocess.run([CHECKCONF, daemon.conf], text=True,
                                 capture_output=True, check=False)
        assert run.returncode == 0, run.stderr
        return run.stderr
    try:
        client = net.client_config()
        connector = net.connector_config(CONNECTORS["one"])
        assert "datapath: packets can't leave: overlay overlay0: " \
            "there is no such interface" in warnings(client)
        space.ip("link add overlay0 type veth peer name other0",
                 "link set overlay0 up", "link set other0 up")
        text = warnings(client)
        assert "100.64.0.0/16: no route" in text
        assert "169.254.64.0/19: no route" in text
        assert "169.254.96.0/19: no route" in text
        assert "fd25:1::/64: no route" in text
        assert "fd25:2::/80: no route" in text
        assert "ip_forward" in text
        text = warnings(connector)
        assert "net.ipv4.ip_forward is 0" in text
        assert "net.ipv6.conf.all.forwarding is 0" in text
        space.address("overlay0", "10.9.0.1/24", "fd09::1/64")
        space.address("other0", "192.0.2.1/24")
        space.ip("route add 100.64.0.0/16 dev other0",
                 "route add 169.254.64.0/19 dev other0",
                 "route add 169.254.96.0/19 dev overlay0",
                 "route add 169.254.64.0/18 dev overlay0",
                 "route add fd25:1::/64 dev overlay0",
                 "route add fd25:2::/64 dev overlay0")
        space.forwards()
        text = warnings(client)
        assert "169.254.64.0/19: leads to other0" in text
        assert text.count("warning: datapath") == 1, text
        space.ip("route del 169.254.64.0/19")
        assert "warning: datapath" not in warnings(client)
        space.sysctl("ipv4/conf/overlay0/rp_filter", 1)
        space.ip("route add 10.9.0.4/32 dev other0")
        connector["peers"].append({"name": "edge-2", "apps": [],
                                   "addresses": ["10.9.0.4"]})
        assert "rp_filter" in warnings(connector)
        space.ip("route del 10.9.0.4/32")
        assert "warning: datapath" not in warnings(connector)
    finally:
        space.close()


def test_counters_count(net):
    magic = net.magic(NAMES[4])
    one = net.connectors["one"]
    for daemon in *net.connectors.values(), net.conn25d:
        daemon.control("stats")
    for _ in range(3):
        fetch(net.client, magic, "/who")
    assert net.conn25d.stat("datapath.client.translated") == 3
    # Either may have it, as one was down for a while.
    assert sum(daemon.stat("datapath.connector.translated")
               for daemon in net.connectors.values()) == 3
    assert net.conn25d.stat("datapath.elements") == len(elements(net.client))
    assert one.stat("datapath.elements") == len(elements(net.one))
    assert all(is_magic(a.magic) for a in net.conn25d.assignments())
