# SPDX-License-Identifier: BSD-3-Clause
"""Another table in the place of the one in use, and conn25d fails half way, or
can't read the one that is there."""

import os

import dns.rcode

from harness import zones
from harness.ask import addresses
from harness.conn25 import as_of_another_version, is_magic
from harness.wait import wait_for

SLOT_FORMAT = 44        # where it is in struct c25_prefix_d


def of_another_form(path, form):
    """Makes a table file look as if its slots were of another form."""
    as_of_another_version(path)
    with open(path, "r+b") as file:
        file.seek(SLOT_FORMAT)
        file.write(form.to_bytes(4, "little"))


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
