# SPDX-License-Identifier: BSD-3-Clause
"""Attacks on the shared memory by somebody who may write to it, while Unbound
and conn25d run: neither dies, no client gets a destination address, and with a
conn25d that was started anew all is well. What can't be had is told in
include/conn25/table.h: see "cut".

CONN25_TEST_SCRIBBLES=N: so many rounds of each kind; CONN25_TEST_SEED=N: the
same ones again."""

import json
import os
import random
import signal
import struct
import subprocess
import time

import dns.rcode
import pytest

from harness import zones
from harness.ask import addresses
from harness.conn25 import is_magic
from harness.seed import SEED
from harness.sharedtable import Table
from harness.wait import wait_for

ROUNDS = int(os.environ.get("CONN25_TEST_SCRIBBLES", "300"))
NAMES = ["wiki.corp.example", "v4.wiki.corp.example",
         *(zones.bulk_name(n) for n in range(8))]


def table_of(world):
    return os.path.join(world.client.run_dir, "table")


def policy_of(world):
    return max((name for name in os.listdir(world.client.run_dir)
                if name.startswith("policy.") and name[7:].isdigit()),
               key=lambda name: int(name[7:]))


def used(world):
    """A world with some assignments, whose complaints are expected."""
    for part in world.client, world.unbound:
        part.process.allow(".")
    for name in NAMES[:5]:
        world.magic(name)
    world.wait_mapped(5)
    return world


def asked_safely(world, name, qtype="A"):
    """What is answered has no destination address, nor any other than magic
    ones, and is no "there is none" that a client would remember."""
    answer = world.ask_safely(name, qtype)
    assert answer.rcode() in (dns.rcode.NOERROR, dns.rcode.SERVFAIL), answer
    assert all(map(is_magic, addresses(answer))), answer
    return answer


def alive(world):
    assert world.unbound.process.alive(), world.unbound.process.log()
    assert world.client.process.alive(), world.client.process.log()
    assert addresses(world.ask("plain.example")) == ["192.0.2.1"]
    assert world.client.answers()


def well_after_restart(world):
    """As README has it: what conn25d refuses to use is moved away."""
    client = world.client
    if client.process.alive():
        client.process.kill()
    before = len(client.process.log())
    client.start(wait=False)
    wait_for(lambda: not client.process.alive() or client.answers(),
             "conn25d to decide")
    if not client.process.alive():
        client.process.popen = None
        said = client.process.log()[before:]
        assert "restart conn25d" in said and "table: " in said, said
        os.rename(table_of(world), table_of(world) + ".damaged")
        client.start()
    world.wait_attached()
    for name in NAMES:
        wait_for(lambda name=name: all(map(is_magic, addresses(
            asked_safely(world, name)))) and addresses(world.ask(name)),
            f"a magic IP for {name}")
    world.wait_mapped()


# ---- scribbled on -----------------------------------------------------------

PARTS = ["prefix", "header", "pools", "registry", "pool sets to heads",
         "slots", "slots' links", "bitmaps", "anything"]


def values(rng, size):
    """Bytes that hurt more than random ones do."""
    kind = rng.randrange(5)
    if kind == 0:
        return bytes(size)
    if kind == 1:
        return b"\xff" * size
    if kind == 2:
        return (struct.pack("<I", rng.randrange(128)) * (size // 4 + 1)
                )[:size]
    if kind == 3:
        return (struct.pack("<Q", 1 << rng.randrange(64)) * (size // 8 + 1)
                )[:size]
    return rng.randbytes(size)


def scribble(rng, table, part):
    first, end = table.part(part)
    with open(table.path, "r+b", buffering=0) as file:
        for _ in range(rng.choice([1, 1, 4, 32])):
            at = rng.randrange(first, end) & ~3
            size = rng.choice([4, 4, 8, 16, 64, 256])
            if part == "slots' links":      # seq, next, lease, push, wheel
                at = first + (at - first) // 192 * 192 \
                    + rng.randrange(0, 40, 4)
                size = 4
            size = min(size, end - at)
            file.seek(at)
            file.write(values(rng, size))


@pytest.mark.parametrize("part", PARTS)
def test_table_scribbled_on(fresh, part):
    world = used(fresh(client={"table": {"maxAssignments": 1000}}))
    table = Table(table_of(world))
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    for number in range(ROUNDS):
        scribble(rng, table, part)
        for name in rng.sample(NAMES, 3):
            asked_safely(world, name, rng.choice(["A", "A", "AAAA",
                                                  "HTTPS"]))
        asked_safely(world, zones.bulk_name(100 + number))
        if number % 10 == 0:
            alive(world)
            world.client.control_run("list_assignments")
    alive(world)
    for name in NAMES:      # who finds damage tells the next conn25d
        asked_safely(world, name)
    well_after_restart(world)


def test_destinations_written_over_magic_ips(fresh):
    """The names get other ones."""
    world = used(fresh(client={"table": {"maxAssignments": 1000}}))
    table = Table(table_of(world))
    with open(table.path, "r+b", buffering=0) as file:
        for at in range(*table.part("slots"), 192):
            file.seek(at + 64)
            destination = file.read(16)
            file.write(destination)
    for name in NAMES[:5]:
        for _ in range(3):
            assert addresses(asked_safely(world, name)), name
    world.wait_mapped()
    well_after_restart(world)


@pytest.mark.parametrize("field, address", [
    ("magic", "8.8.8.8"), ("magic", "127.0.0.1"), ("magic", "169.254.127.9"),
    ("transit", "8.8.8.8"), ("transit", "100.64.255.9")])
def test_addresses_of_no_pool_are_told_to_no_connector(fresh, field, address):
    """The connector learns of the others; the name gets other addresses."""
    world = fresh(client={"dns": {"holdMilliseconds": 0}},
                  start=("client", "unbound"))
    world.client.process.allow(".")
    magic = world.magic(NAMES[1])[0]
    for number in range(5):
        world.magic(zones.bulk_name(number))
    before, = (a for a in world.client.assignments() if a.magic == magic)
    others = {a.magic for a in world.client.assignments()} - {magic}
    Table(table_of(world)).write_over(magic, field, address)
    world.connector.start()
    world.client.process.wait_log("table: an assignment had an address that "
                                  "is in no pool: ")
    degraded = json.loads(world.client.control("--json", "status"))["degraded"]
    assert any("in no pool" in text for text in degraded), degraded
    assert {a.magic for a in world.client.assignments()} == others
    world.wait_mapped(len(others))
    assert not [m for m in world.connector.mappings()
                if m.destination == before.destination]
    assert address not in world.connector.control("list_mappings")
    again = world.magic(NAMES[1])[0]
    assert again not in {magic, *others}
    world.wait_mapped(len(others) + 1)
    assert world.client.process.log().count("in no pool") == 1
    well_after_restart(world)


def test_last_generation_there_can_be(fresh):
    """conn25d can publish nothing after it, and says what to do."""
    world = used(fresh(client={"table": {"maxAssignments": 1000}}))
    with open(table_of(world), "r+b", buffering=0) as file:
        file.seek(80)           # current
        file.write(b"\xff" * 8)
    for name in NAMES:
        asked_safely(world, name)
    well_after_restart(world)


def test_policy_scribbled_on(fresh):
    """It is read once, and verified: so at each reload, and by an Unbound
    that starts."""
    world = used(fresh())
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    for number in range(ROUNDS):
        path = os.path.join(world.client.run_dir, policy_of(world))
        size = os.path.getsize(path)
        with open(path, "r+b", buffering=0) as file:
            for _ in range(rng.choice([1, 4, 32])):
                file.seek(rng.randrange(size))
                file.write(values(rng, 4))
            if number % 3 == 0:
                file.truncate(rng.randrange(size) + 1)
        for name in rng.sample(NAMES, 2):
            asked_safely(world, name)
        if number % 10 == 0:
            # all names pass when a module begins without a policy
            world.client.reload()
            world.wait_attached()
            alive(world)
    well_after_restart(world)


# ---- replaced ---------------------------------------------------------------

def by_garbage(path, rng):
    with open(path + ".new", "wb") as file:
        file.write(rng.randbytes(1 << 16))


def by_nothing(path, _):
    with open(path + ".new", "wb"):
        pass


def by_a_copy(path, _):
    """Of the right form: what is in it is as old as the copy."""
    subprocess.run(["cp", "--sparse=always", path, path + ".new"], check=True)


def by_a_directory(path, _):
    os.rename(path, path + ".was")
    os.mkdir(path + ".new")


def by_a_link(path, _):
    os.symlink("/etc/passwd", path + ".new")


def by_a_fifo(path, _):
    os.mkfifo(path + ".new")


@pytest.mark.parametrize("how", [by_garbage, by_nothing, by_a_copy,
                                 by_a_directory, by_a_link, by_a_fifo],
                         ids=lambda how: how.__name__)
def test_table_replaced(fresh, how):
    world = used(fresh(client={"table": {"maxAssignments": 1000}}))
    path = table_of(world)
    how(path, random.Random(SEED))
    os.rename(path + ".new", path)
    began = time.monotonic()
    number = 0
    # conn25d says so, and until then, and after, nobody is told the truth
    while "was removed" not in world.client.process.log() \
            or time.monotonic() - began < 2.5:
        assert time.monotonic() - began < 30
        asked_safely(world, NAMES[number % len(NAMES)])
        asked_safely(world, zones.bulk_name(100 + number % 100))
        number += 1
    alive(world)
    if how is by_a_directory:
        os.rmdir(path)
    well_after_restart(world)


# ---- cut --------------------------------------------------------------------

CUTS = {"to nothing": lambda size: 0, "to a page": lambda size: 4096,
        "to half of a page": lambda size: 2048,
        "to half": lambda size: size // 2 & ~4095,
        "by a byte": lambda size: size - 1}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_table_cut_while_nobody_asks(fresh, cut):
    """What is noticed in time does no harm: the module looks at the file
    before it looks into it, once a second."""
    world = used(fresh(client={"table": {"maxAssignments": 1000}}))
    path = table_of(world)
    world.client.process.send(signal.SIGSTOP)
    last = time.monotonic()
    wait_for(lambda: time.monotonic() - last > 2.1, "two seconds without a "
             "question")
    os.truncate(path, cut(os.path.getsize(path)))
    for name in NAMES * 3:
        answer = world.ask_safely(name)
        assert answer.rcode() == dns.rcode.SERVFAIL, answer
    assert addresses(world.ask("plain.example")) == ["192.0.2.1"]
    well_after_restart(world)
    assert world.unbound.process.alive()


def test_table_cut_at_start(fresh):
    """By an Unbound that starts it is not used (which names are ours is not
    known then: they pass, as before conn25d has ever run), and conn25d says
    what to do."""
    world = used(fresh(client={"table": {"maxAssignments": 1000}}))
    path = table_of(world)
    world.unbound.stop()
    world.client.process.kill()
    os.truncate(path, os.path.getsize(path) // 2)
    world.unbound.start()
    assert addresses(world.ask("plain.example")) == ["192.0.2.1"]
    assert "damaged" in world.unbound.process.log()
    well_after_restart(world)
