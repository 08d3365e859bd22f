# SPDX-License-Identifier: BSD-3-Clause
"""Hold until ready (DESIGN 7): the first answer with a new assignment waits
for the connector, for a while; no other answer waits for anything."""

import ipaddress
import select
import socket
import threading

import dns.message
import pytest

from harness import zones
from harness.ask import addresses, ask, query
from harness.conn25 import is_magic
from harness.fake import accept, with_code, world_with
from harness.unbound import PREFIX
from harness.wait import wait_for

LONG = {"dns": {"holdMilliseconds": 10000}}


@pytest.fixture(autouse=True)
def with_events():
    with open(f"{PREFIX}/src/config.h", encoding="ascii") as file:
        if "#define USE_MINI_EVENT" in file.read():
            pytest.skip("this Unbound has no libevent: nothing is held")


class Asking(threading.Thread):
    """One question under way."""

    def __init__(self, world, name, kind="A", **options):
        super().__init__(daemon=True)
        self.arguments = (world.address, name, kind)
        self.options = options
        self.answer = None
        self.start()

    def run(self):
        try:
            self.answer = ask(*self.arguments, **self.options)
        except (OSError, EOFError):
            pass                # Unbound was reloaded or stopped

    def magic(self):
        """Waits for the answer, which must have magic IPs."""
        wait_for(lambda: self.answer, "the answer", 30)
        found = addresses(self.answer)
        assert found and all(map(is_magic, found)), self.answer
        return found


def start(fresh, office, **client):
    """A world whose connector is well, and puts everything off before it
    shall not. (One that doesn't answer would be down soon, and not waited
    for.)"""
    world = world_with(fresh, office, **{**LONG, **client})
    wait_for(lambda: world.client.stat("assignments.pending") == 0
             and world.client.stat("assignments.current") > 0, "a start")
    office.go_on = threading.Event()
    decided = office.answer
    office.answer = lambda entries: (
        decided if office.go_on.is_set() or not entries
        else with_code(1))(entries)
    return world


def wait_held(world, count=1):
    before = world.client.stat("total.num.held")
    return lambda: wait_for(
        lambda: world.client.stat("total.num.held") >= before + count,
        "the answer to be held")


def test_client_finds_its_mapping_at_once(fresh):
    world = fresh(client=LONG)
    for number in range(60):
        name = zones.bulk_name(number)
        magic = world.magic(name)
        transit = {a.transit for a in world.client.assignments()
                   if a.domain == name and a.magic in magic}
        assert len(transit) == len(magic) == 2
        assert transit <= {m.transit for m in world.connector.mappings()}
    # Some are acknowledged before there was time to wait.
    assert world.client.stat("total.num.held") > 0
    assert world.client.stat("total.num.hold_timeout") == 0


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_waits_for_the_connector(fresh, fake, tcp):
    office = fake()
    world = start(fresh, office)
    held = wait_held(world)
    asking = Asking(world, "n0001.bulk.example", tcp=tcp)
    held()
    assert asking.answer is None
    # Nothing else waits: neither what is known nor what is not ours.
    world.magic("wiki.corp.example")
    assert addresses(world.ask("host.plain.example")) == ["192.0.2.2"]
    assert asking.answer is None
    office.go_on.set()
    magic = asking.magic()
    assert world.magic("n0001.bulk.example") == magic
    assert world.client.stat("total.num.hold_timeout") == 0


def test_second_question_waits_with_the_first_or_not_at_all(fresh, fake):
    office = fake()
    world = start(fresh, office)
    held = wait_held(world)
    asking = [Asking(world, "n0002.bulk.example") for _ in range(12)]
    held()
    wait_for(lambda: len(office.requests) > 1, "the request")
    office.go_on.set()
    assert len({tuple(one.magic()) for one in asking}) == 1


def test_waits_no_longer_than_told(fresh, fake):
    office = fake()
    world = start(fresh, office, dns={"holdMilliseconds": 300})
    world.magic("n0003.bulk.example")
    assert world.client.stat("total.num.hold_timeout") == 1
    office.go_on.set()


def test_never_waits_with_zero(fresh, fake):
    office = fake()
    world = start(fresh, office, dns={"holdMilliseconds": 0})
    world.magic("n0004.bulk.example")
    assert world.client.stat("total.num.held") == 0
    office.go_on.set()


def test_refusal_ends_the_waiting(fresh, fake):
    office = fake(lambda entries: with_code(6)(entries) if any(
        e["app"] == "bulk" for e in entries) else accept(entries))
    world = start(fresh, office)
    held = wait_held(world)
    asking = Asking(world, "n0005.bulk.example")
    held()
    office.go_on.set()
    asking.magic()
    assert world.client.stat("push.refused") == 2


def test_connector_that_is_down_is_not_waited_for(fresh, fake):
    """Not from the first question on, which may be there before conn25d has
    tried to reach it."""
    office = fake(lambda entries: None)
    world = world_with(fresh, office, **LONG)
    wait_for(lambda: world.client.stat("connector.office-1.healthy") == 0,
             "the connector to be down")
    held = world.client.stat("total.num.held")
    world.magic("n0006.bulk.example")
    assert world.client.stat("total.num.held") == held
    assert world.client.stat("total.num.hold_timeout") == 0


def refuse_connections(office):
    office.answer = lambda entries: None
    office.server.server_close()


HOW_IT_FAILS = {
    "hangs up": lambda office: setattr(office, "answer", lambda e: None),
    "refuses connections": refuse_connections,
    "nonsense": lambda office: setattr(office, "answer",
                                       lambda e: (200, b"<html>")),
    "500": lambda office: setattr(office, "answer", lambda e: (500, b"no")),
}


@pytest.mark.parametrize("how", HOW_IT_FAILS)
def test_connector_that_goes_down_ends_the_waiting(fresh, fake, how):
    office = fake()
    world = start(fresh, office)
    world.client.process.allow("office-1")
    held = wait_held(world)
    asking = [Asking(world, zones.bulk_name(n)) for n in range(110, 115)]
    held()
    HOW_IT_FAILS[how](office)
    office.go_on.set()
    for one in asking:
        one.magic()
    assert world.client.stat("connector.office-1.healthy") == 0
    assert world.client.stat("total.num.hold_timeout") == 0


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_end_of_conn25d_ends_the_waiting(fresh, fake, how):
    office = fake()
    world = start(fresh, office)
    held = wait_held(world)
    asking = [Asking(world, zones.bulk_name(n)) for n in range(10, 20)]
    held()
    if how == "kill":
        world.client.process.kill()
    else:
        world.client.stop()
    for one in asking:
        one.magic()
    # Without it nobody waits.
    world.magic("n0030.bulk.example")
    office.go_on.set()


def test_unbound_reloads_and_stops_while_holding(fresh, fake):
    office = fake()
    world = start(fresh, office)
    for _ in range(3):
        held = wait_held(world)
        for number in range(40, 50):
            Asking(world, zones.bulk_name(number))
        held()
        world.unbound.reload()
        world.unbound.control("flush_zone", "bulk.example")
        for assignment in world.client.assignments():
            if assignment.domain.endswith("bulk.example"):
                world.client.control("drop", assignment.magic)
    held = wait_held(world)
    Asking(world, "n0051.bulk.example")
    held()
    world.unbound.stop()
    office.go_on.set()


def test_new_policy_holds_for_answers_that_wait(fresh, fake):
    """The one of before had an address pass."""
    office = fake()
    passing, _ = zones.bulk_addresses(31)
    world = start(fresh, office, dns={**LONG["dns"],
                                      "exclude": [f"{passing}/32"]})
    held = wait_held(world)
    asking = Asking(world, "n0031.bulk.example")
    held()
    world.client.configure({**world.client.config, **LONG})
    world.client.reload()
    office.go_on.set()
    assert len(asking.magic()) == 2


def test_name_that_is_no_longer_matched_while_its_answer_waits(fresh, fake):
    office = fake()
    world = start(fresh, office, dns={"holdMilliseconds": 5000})
    held = wait_held(world)
    asking = Asking(world, "n0032.bulk.example")
    held()
    world.client.configure({**world.client.config, "apps": [
        app for app in world.client.config["apps"] if app["name"] != "bulk"]})
    world.client.reload()
    office.go_on.set()
    wait_for(lambda: asking.answer, "the answer", 30)
    assert addresses(asking.answer) == zones.bulk_addresses(32)
    assert not asking.answer.options


def test_internal_lookup_joins_an_answer_that_waits(fresh, fake):
    """It gets the real addresses: dns64 makes others from them."""
    office = fake()
    world = start(fresh, office, unbound={
        "threads": 1, "module": "dynlib dns64 validator iterator"})
    name = "n0033.bulk.example"
    held = wait_held(world)
    four = Asking(world, name)
    held()
    six = Asking(world, name, "AAAA")
    wait_for(lambda: world.unbound.stats()[
        "total.requestlist.current.user"] > 1, "the second to wait")
    office.go_on.set()
    four.magic()
    six.magic()
    real = {int(ipaddress.ip_address(a)) for a in zones.bulk_addresses(33)}
    assert real == {
        int(ipaddress.ip_address(a.destination)) & 0xffffffff
        for a in world.client.assignments()
        if a.domain == name and ":" in a.destination}


@pytest.mark.parametrize("slow_s", [0, 2], ids=["quick", "slow"])
def test_unbound_does_not_drop_what_is_held(fresh, fake, slow_s):
    """Its discard-timeout counts from the question on: an answer that was
    long under way, or would be held for longer, is given in time."""
    name = "n0034.bulk.example"
    world = start(fresh, fake(), unbound={
        "threads": 1, "extra": "discard-timeout: 4000"})
    world.tap.hold(name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(query(name, "A").to_wire(), world.address)
        wait_for(lambda: world.tap.held, "its query")
        release = threading.Timer(slow_s, world.tap.release)
        release.start()

        def answered():         # and others ask, as they always do
            world.ask("host.plain.example")
            return select.select([client], [], [], 0)[0]
        wait_for(answered, "the answer")
        release.join()
        found = addresses(dns.message.from_wire(client.recv(65535)))
        assert found and all(map(is_magic, found))


def test_many_held_answers_leave_room_for_others(fresh, fake):
    """However many new names there are, other queries are answered. (More at
    once than the thread has places for, Unbound itself would drop.)"""
    office = fake()
    world = start(fresh, office, unbound={"threads": 1, "extra":
                                          "num-queries-per-thread: 64"})
    asking = [Asking(world, zones.bulk_name(n)) for n in range(60, 108)]
    for _ in range(20):
        world.magic("wiki.corp.example")
        assert addresses(world.ask("host.plain.example")) == ["192.0.2.2"]
    wait_for(lambda: sum(one.answer is None for one in asking) <= 16,
             "all but a quarter of the places to be answered")
    office.go_on.set()
    for one in asking:
        one.magic()
