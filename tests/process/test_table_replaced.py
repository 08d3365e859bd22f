# SPDX-License-Identifier: BSD-3-Clause
"""Another table in the place of the one in use, and conn25d fails half way, or
can't read the one that is there."""

import contextlib
import fcntl
import os
import struct

import dns.rcode
import pytest

from harness import zones
from harness.ask import addresses
from harness.conn25 import (as_of_another_version, is_destination,
                            is_magic)
from harness.wait import wait_for

# Where they are in struct c25_prefix_d.
SLOT_FORMAT, BOOT_ID, RETIRED = 44, 64, 88
# enum c25_retired
NOTHING_NEW, FROZEN = 1, 2
LOCK_BYTES, HANDLE = 1 << 40, 200
F_OFD_SETLK = 37
UNMATCHED = "host.plain.example"


def of_another_form(path, form):
    """Makes a table file look as if its slots were of another form."""
    as_of_another_version(path)
    with open(path, "r+b") as file:
        file.seek(SLOT_FORMAT)
        file.write(form.to_bytes(4, "little"))


@contextlib.contextmanager
def being_copied(path, retired):
    """What a table is while conn25d fills its successor: locked by a process
    that lives, and retired."""
    with open(path, "r+b", buffering=0) as file:
        fcntl.fcntl(file, F_OFD_SETLK, struct.pack(
            "hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, LOCK_BYTES + HANDLE, 1, 0))
        os.pwrite(file.fileno(), struct.pack("II", retired, HANDLE), RETIRED)
        yield


def refused(world, name):
    """SERVFAIL with a reason; no address at all."""
    reply = world.ask_safely(name)
    return reply.rcode() == dns.rcode.SERVFAIL and not addresses(reply)


@pytest.mark.parametrize("retired", [NOTHING_NEW, FROZEN])
def test_unbound_starts_while_the_table_is_replaced(fresh, retired):
    """It knows the policy, and gives no destination away."""
    world = fresh()
    before = world.magic("wiki.corp.example")
    world.wait_mapped()
    world.client.stop()
    world.unbound.stop()
    table = os.path.join(world.client.run_dir, "table")
    with being_copied(table, retired):
        world.unbound.start()
        for _ in range(2):
            assert refused(world, zones.bulk_name(100))
            if retired == NOTHING_NEW:
                assert world.magic("wiki.corp.example") == before
            else:
                assert refused(world, "wiki.corp.example")
            assert addresses(world.ask(UNMATCHED))
            world.unbound.control("reload")
    world.client.configure(dict(world.client.config,
                                table={"maxAssignments": 3000}))
    world.client.start()
    assert world.client.stat("assignments.capacity") == 3000
    world.wait_attached(zones.bulk_name(100))
    assert world.magic("wiki.corp.example") == before


def of_another_boot(path):
    with open(path, "r+b") as file:
        file.seek(BOOT_ID)
        file.write(bytes(16))


def cut_short(path):
    os.truncate(path, 8192)


@pytest.mark.parametrize("spoil", [as_of_another_version, of_another_boot,
                                   cut_short])
def test_unbound_starts_with_a_table_that_it_cant_use(fresh, spoil):
    """Its policy still says whose addresses are nobody's business."""
    world = fresh()
    before = world.magic("wiki.corp.example")
    world.client.wait_saved()
    world.client.stop()
    world.unbound.stop()
    table = os.path.join(world.client.run_dir, "table")
    spoil(table)
    world.unbound.start()
    for _ in range(2):
        assert refused(world, "wiki.corp.example")
        assert refused(world, zones.bulk_name(100))
        assert addresses(world.ask(UNMATCHED))
        world.unbound.control("reload")
    assert "names of its policy get SERVFAIL" in world.unbound.process.log()
    if spoil == cut_short:
        os.unlink(table)
    world.client.start()
    world.wait_attached()
    assert world.magic("wiki.corp.example") == before


def test_unbound_starts_with_what_is_no_table(fresh):
    """It can't know any names, and goes on resolving all."""
    world = fresh()
    world.client.stop()
    world.unbound.stop()
    table = os.path.join(world.client.run_dir, "table")
    with open(table, "r+b") as file:
        file.write(bytes(4096))
    world.unbound.start()
    assert all(map(is_destination,
                   addresses(world.ask("wiki.corp.example"))))
    world.unbound.process.wait_log("names pass unchanged until this is mended")


def test_new_names_are_answered_from_a_table_without_a_published_policy(
        fresh):
    """conn25d gave the new table its name and came no further."""
    world = fresh(client={"table": {"maxAssignments": 1000}})
    before = world.magic("wiki.corp.example")
    world.client.process.kill()
    generation = max(int(name.split(".")[1])
                     for name in os.listdir(world.client.run_dir)
                     if name.startswith("policy."))
    block = os.path.join(world.client.run_dir, f"policy.{generation + 1}.tmp")
    os.makedirs(os.path.join(block, "so that it can't be replaced"))
    world.client.configure(dict(world.client.config,
                                table={"maxAssignments": 3000}))
    world.client.process.allow("can't make it")
    world.client.start(wait=False)
    assert world.client.process.wait_exit() == 1
    world.client.process.popen = None

    def answered(name):
        reply = world.ask(name)
        assert reply.rcode() in (dns.rcode.NOERROR, dns.rcode.SERVFAIL)
        # no data would say that there is no such address
        assert reply.rcode() == dns.rcode.SERVFAIL or addresses(reply)
        return reply.rcode() == dns.rcode.NOERROR

    for n in range(100, 120):
        wait_for(lambda name=zones.bulk_name(n): answered(name), "an answer")
        assert all(map(is_magic, addresses(world.ask(zones.bulk_name(n)))))
    assert world.magic("wiki.corp.example") == before
    os.rmdir(os.path.join(block, "so that it can't be replaced"))
    os.rmdir(block)
    world.client.start()
    world.wait_mapped(1)
    assert world.magic("wiki.corp.example") == before


def test_table_of_an_unknown_form_makes_way(fresh):
    """A later version was here: its table is kept, and not used."""
    world = fresh()
    before = world.magic("wiki.corp.example")
    world.wait_mapped(1)
    world.client.stop()
    table = os.path.join(world.client.run_dir, "table")
    of_another_form(table, 77)
    world.client.process.allow("of a form")
    world.client.start()
    world.client.process.wait_log(
        r"form \(77\).*is now .*/table\.format-77.*filled from the database")
    assert os.path.exists(f"{table}.format-77")
    wait_for(lambda: world.client.assignments(), "the assignments")
    # a module that has the old one mapped goes over to the new one
    world.wait_attached()
    assert world.magic("wiki.corp.example") == before
    world.magic(zones.bulk_name(100))
    # and so again at the next start
    world.client.stop()
    world.client.start()
    assert world.magic("wiki.corp.example") == before
