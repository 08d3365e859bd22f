# SPDX-License-Identifier: BSD-3-Clause
"""UDP, TCP, TLS and HTTPS: over each of them a matched name has the same magic
IPs, local data and reverse lookups too, cold and cached, one question after
the other or many at once on one connection (DESIGN 4.1, RFC 7858, RFC 8484)."""

import socket
import struct

import dns.edns
import dns.message
import dns.reversename
import pytest

from harness import check, transport
from harness.ask import addresses, ede_codes, exchange, query, read_tcp, \
    records
from harness.process import free_port

DOMAIN = "transport.example"
LOCAL = f"local.m.{DOMAIN}"


@pytest.fixture(scope="module")
def world(scenario_for_all):
    tls, https = free_port(), free_port()
    world = scenario_for_all(f"*.m.{DOMAIN}", start=("connector", "client"))
    key, pem = transport.make_key(world.keeper.path)
    world.unbound.extra = f"""
        interface: 127.0.0.1@{tls}
        interface: 127.0.0.1@{https}
        tls-port: {tls}
        https-port: {https}
        tls-service-key: {key}
        tls-service-pem: {pem}
        pad-responses: yes
        nsid: "ascii_here"
        local-data: "{LOCAL} A 10.59.1.1"
        """
    world.unbound.write_conf()
    world.unbound.start()
    world.wait_attached()
    world.pem, world.tls, world.https = pem, tls, https
    return world


def over_udp(world, wire):
    return exchange(world.address, wire)


def over_tcp(world, wire):
    return exchange(world.address, wire, tcp=True)


def over_tls(world, wire):
    return transport.over_tls(("127.0.0.1", world.tls), world.pem, [wire])[0]


def over_https(world, wire):
    return transport.over_https(("127.0.0.1", world.https), world.pem, wire)


def over_https_get(world, wire):
    return transport.over_https(("127.0.0.1", world.https), world.pem, wire,
                                "GET")


WAYS = [over_udp, over_tcp, over_tls, over_https, over_https_get]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("name, kind, count", [
    ("host", "A", 2), ("host", "AAAA", 1), ("alias", "A", 2),
    ("signed", "A", 1), ("many", "A", 60)])
@pytest.mark.parametrize("options", [{"payload": 4096}, {"do": True,
                                                         "payload": 4096}],
                         ids=["plain", "do"])
def test_addresses(world, way, name, kind, count, options):
    qname = f"{name}.m.{DOMAIN}"
    magic = world.magic(qname, kind, tcp=True)
    world.unbound.control("flush_zone", DOMAIN)
    for _ in range(3):
        answer = dns.message.from_wire(
            way(world, query(qname, kind, **options).to_wire()))
        if name == "many" and way == over_udp and answer.flags & 0x0200:
            assert not set(addresses(answer)) - set(magic)
            continue            # more than it wants to send over UDP
        check.rewritten(answer, qname, kind, count)
        assert addresses(answer) == magic


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_local_data_reverse_and_others(world, way):
    def ask(name, kind):
        answer = dns.message.from_wire(way(world, query(name,
                                                        kind).to_wire()))
        assert not answer.additional
        return answer
    for _ in range(2):
        magic = addresses(ask(LOCAL, "A"))
        assert magic == world.magic(LOCAL)
        for address in magic:
            found = ask(dns.reversename.from_address(address), "PTR")
            assert [t for *_, t in records(found)] == [LOCAL + "."]
        assert [t for *_, t in records(ask(f"host.m.{DOMAIN}", "ANY"))] \
            == ['"RFC8482" ""']
        assert [t for *_, t in records(ask(f"web.m.{DOMAIN}", "HTTPS"))] \
            == ['1 . alpn="h2"']
        assert records(ask(f"host.m.{DOMAIN}", "MX"))


@pytest.mark.parametrize("over", ["tcp", "tls"])
@pytest.mark.parametrize("cold", [True, False], ids=["cold", "cached"])
def test_many_at_once_on_one_connection(world, over, cold):
    names = [f"host.m.{DOMAIN}", LOCAL, f"alias.m.{DOMAIN}",
             f"signed.m.{DOMAIN}", "host.plain.example"] * 6
    wires = [query(name, "A").to_wire() for name in names]
    wires = [struct.pack("!H", n) + wire[2:] for n, wire in enumerate(wires)]
    if cold:
        world.unbound.control("flush_zone", ".")
    if over == "tls":
        answers = transport.over_tls(("127.0.0.1", world.tls), world.pem,
                                     wires)
    else:
        with socket.create_connection(world.address, 10) as sock:
            sock.sendall(b"".join(struct.pack("!H", len(wire)) + wire
                                  for wire in wires))
            answers = [read_tcp(sock) for _ in wires]
    assert len({wire[:2] for wire in answers}) == len(wires)
    for wire in answers:
        name = names[struct.unpack("!H", wire[:2])[0]]
        found = addresses(dns.message.from_wire(wire))
        if name == "host.plain.example":
            assert found == ["192.0.2.2"]
        else:
            assert found == world.magic(name)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", [f"host.m.{DOMAIN}", LOCAL])
def test_options_of_others_are_answered_beside_ours(world, way, name):
    """NSID (RFC 5001) anywhere, padding (RFC 8467) over TLS."""
    for _ in range(2):
        message = query(name, "A")
        message.use_edns(0, 0, 1232, options=[
            dns.edns.GenericOption(3, b""),
            dns.edns.GenericOption(12, b"\0" * 16)])
        wire = way(world, message.to_wire())
        answer = dns.message.from_wire(wire)
        assert check.FORGED in ede_codes(answer)
        assert [o.data for o in answer.options if int(o.otype) == 3] \
            == [b"here"]
        if way == over_tls:     # over HTTPS only since 1.26
            assert len(wire) % 468 == 0, len(wire)
