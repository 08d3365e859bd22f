# SPDX-License-Identifier: BSD-3-Clause
"""Starting, stopping, reloading and dying, in every order. A matched name
never gets a destination address once the table was there, and keeps its magic
IPs whoever dies."""

import os
import signal
import time

import dns.message
import dns.rcode
import pytest

from harness import zones
from harness.ask import addresses, ask_many
from harness.conn25 import APPS, as_of_another_version, is_destination
from harness.wait import holds_for, scaled, wait_for

NAMES = ["wiki.corp.example", "v4.wiki.corp.example",
         "chain.wiki.corp.example"] + [zones.bulk_name(n) for n in range(8)]


def snapshot(world, names=None):
    return {(name, kind): world.magic(name, kind)
            for name in names or NAMES
            for kind in ("A", "AAAA")
            if kind == "A" or name == "wiki.corp.example"}


# ---- reload -----------------------------------------------------------------

def test_reload_returns_when_unbound_has_the_policy(fresh):
    """What was cached before is not given out after it, by any thread."""
    without = APPS[:1] + APPS[2:]
    name = zones.bulk_name(1)
    world = fresh(client={"apps": without})
    assert all(map(is_destination, addresses(world.ask(name))))
    world.unbound.process.send(signal.SIGSTOP)
    try:
        world.client.configure(dict(world.client.config, apps=APPS))
        assert "have not taken it yet" in world.client.reload()
    finally:
        world.unbound.process.send(signal.SIGCONT)
    for apps in [without, APPS] * 10:
        world.client.configure(dict(world.client.config, apps=apps))
        assert world.client.reload() == "ok\n"
        if apps == APPS:
            world.magic(name)
        else:
            assert all(map(is_destination, addresses(world.ask(name))))


# ---- start ------------------------------------------------------------------

def test_unbound_first_passes_through_until_conn25d_comes(fresh):
    world = fresh(start=("unbound",))
    for name in NAMES:      # now the real answers are in the cache
        found = addresses(world.ask(name))
        assert found and all(map(is_destination, found))
    world.unbound.process.wait_log(r"conn25.*table")
    world.connector.start()
    world.client.start()
    begin = time.monotonic()
    for name in NAMES:
        world.wait_attached(name)
    assert time.monotonic() - begin < scaled(3)
    for name in NAMES * 2:
        world.magic(name)
    world.wait_mapped(len(NAMES))


def test_conn25d_first(fresh):
    world = fresh(start=("client",))
    world.unbound.start()
    # Attached before the first question: nothing real slips out.
    world.magic("wiki.corp.example")
    world.magic("wiki.corp.example", "AAAA")
    world.connector.start()
    world.wait_mapped(4)


def test_unbound_alone_goes_on_and_complains_once(fresh):
    world = fresh(start=("unbound",))
    holds_for(lambda: addresses(world.ask("wiki.corp.example")),
              "answers without conn25d", 3)
    lines = [line for line in world.unbound.process.log().splitlines()
             if "conn25" in line and "table" in line]
    assert len(lines) == 1, "\n".join(lines)


# ---- stop and death ---------------------------------------------------------

def test_conn25d_stopped_names_still_get_magic_ips_and_are_pushed_later(
        fresh):
    world = fresh()
    before = snapshot(world, NAMES[:4])
    world.wait_mapped()
    world.client.stop()
    assert snapshot(world, NAMES[:4]) == before
    world.unbound.control("flush_zone", "example")
    assert snapshot(world, NAMES[:4]) == before
    new = snapshot(world, NAMES[4:])
    assert not set(map(tuple, new.values())) & set(map(tuple,
                                                       before.values()))
    world.client.start()
    world.wait_mapped()
    assert snapshot(world) == {**before, **new}


def test_conn25d_killed_and_restarted(fresh):
    world = fresh()
    before = snapshot(world)
    world.client.process.kill()
    assert snapshot(world) == before
    new = world.magic("deep.a.b.wiki.corp.example")
    world.client.start()
    assert snapshot(world) == before
    assert world.magic("deep.a.b.wiki.corp.example") == new
    world.wait_mapped()
    assert len(world.client.assignments()) == len(
        [a for pair in before.values() for a in pair]) + 1


def test_unbound_killed_and_restarted(fresh):
    world = fresh()
    before = snapshot(world)
    world.unbound.process.kill()
    world.unbound.start()
    assert snapshot(world) == before
    assert world.client.stat("total.num.reserved") == len(
        [a for pair in before.values() for a in pair])


def test_both_killed_and_restarted(fresh):
    world = fresh()
    before = snapshot(world)
    world.unbound.process.kill()
    world.client.process.kill()
    world.unbound.start()
    assert snapshot(world) == before
    world.client.start()
    assert snapshot(world) == before
    world.wait_mapped()


def test_killed_in_the_middle_of_many_reservations(fresh):
    """Whoever comes next finds a table in order."""
    world = fresh()
    known = {}
    for round_number in range(3):
        numbers = range(round_number * 100, round_number * 100 + 100)
        answers = ask_many(world.address,
                           [(zones.bulk_name(n), "A") for n in numbers])
        assert all(answers)
        world.client.process.kill()
        world.unbound.process.kill()
        world.unbound.start()
        world.client.start()
        for number in numbers:
            known[number] = world.magic(zones.bulk_name(number))
        for number, magic in known.items():
            assert world.magic(zones.bulk_name(number)) == magic
    every = [ip for pair in known.values() for ip in pair]
    assert len(set(every)) == len(every)
    world.wait_mapped()


def test_table_of_another_version_is_taken_over(fresh):
    """conn25d was upgraded: what Unbound had assigned in the table of before
    keeps its addresses."""
    world = fresh()
    before = snapshot(world)
    world.client.stop()
    as_of_another_version(os.path.join(world.client.run_dir, "table"))
    before["deep.a.b.wiki.corp.example", "A"] = \
        world.magic("deep.a.b.wiki.corp.example")
    world.client.start()
    world.client.process.wait_log("made anew")
    wait_for(lambda: world.client.assignments(), "the assignments")
    for (name, kind), magic in before.items():
        assert world.magic(name, kind) == magic
    world.unbound.stop()
    world.unbound.start()
    for (name, kind), magic in before.items():
        assert world.magic(name, kind) == magic
    world.wait_mapped()


@pytest.mark.parametrize("room", [200, 300000])
def test_table_of_another_size_takes_over_what_lives(fresh, room):
    world = fresh(client={"table": {"maxAssignments": 1000}})
    names = [zones.bulk_name(n) for n in range(60)]
    before = snapshot(world, names)
    config = dict(world.client.config, table={"maxAssignments": room})
    world.client.stop()
    world.client.configure(config)
    world.client.start()
    assert world.client.stat("assignments.capacity") == room
    assert snapshot(world, names) == before
    world.wait_mapped()


def test_table_too_small_for_what_lives_stays_as_it_is(fresh):
    world = fresh(client={"table": {"maxAssignments": 1000}})
    names = [zones.bulk_name(n) for n in range(30)]
    before = snapshot(world, names)
    config = dict(world.client.config, table={"maxAssignments": 16})
    world.client.stop()
    world.client.configure(config)
    world.client.start()
    world.client.process.wait_log("maxAssignments: stays 1000")
    assert snapshot(world, names) == before
    assert len(world.magic(zones.bulk_name(40))) == 2


def test_connector_that_was_down_learns_everything_when_it_comes(fresh):
    world = fresh(start=("client", "unbound"))
    before = snapshot(world)
    assert world.client.stat("assignments.pending") > 0
    world.connector.start()
    world.wait_mapped()
    assert snapshot(world) == before
    wait_for(lambda: world.client.stat("assignments.pending") == 0,
             "no pending assignment")


def test_connector_that_lost_its_mappings_gets_them_again(fresh):
    world = fresh()
    snapshot(world)
    world.wait_mapped()
    count = len(world.connector.mappings())
    world.connector.process.kill()
    world.connector.start()
    # The next request shows that it is another one.
    world.magic("deep.a.b.wiki.corp.example")
    world.wait_mapped(count + 1)


# ---- reload -----------------------------------------------------------------

def with_domains(world, *domains):
    apps = [dict(APPS[0], domains=APPS[0]["domains"] + list(domains))] \
        + APPS[1:]
    return dict(world.client.config, apps=apps)


def test_sighup_reloads(fresh):
    world = fresh()
    assert addresses(world.ask("added.corp.example")) == ["10.1.2.1"]
    world.client.configure(with_domains(world, "added.corp.example"))
    world.client.process.send(signal.SIGHUP)
    world.wait_attached("added.corp.example")


def test_broken_reload_changes_nothing(fresh):
    world = fresh()
    before = snapshot(world)
    good = world.client.config
    broken = [
        "{", "", "[]", "not json at all",
        '{"pools": {"v4MagicIPPool": ["100.64.0.0/8"]}, "apps": []}',
        '{"unknown": 1}',
    ]
    for text in broken:
        with open(world.client.conf, "w", encoding="ascii") as file:
            file.write(text)
        run = world.client.control_run("reload")
        assert run.returncode == 1, f"reload of {text!r}: {run.stdout}"
        assert "conn25.json" in run.stderr, run.stderr
        assert snapshot(world) == before
    world.client.process.allow("conn25.json")
    world.client.configure(good)
    world.client.reload()
    assert snapshot(world) == before
    world.magic("deep.a.b.wiki.corp.example")
    world.wait_mapped()


def test_reload_under_load_answers_everything(fresh):
    world = fresh()
    before = snapshot(world, [zones.bulk_name(n) for n in range(8)])
    for number in range(6):
        domains = ["added.corp.example"] if number % 2 else []
        world.client.configure(with_domains(world, *domains))
        world.client.reload()
        questions = [(zones.bulk_name(n % 8), "A") for n in range(400)]
        for (name, _), wire in zip(questions, ask_many(world.address,
                                                       questions)):
            answer = dns.message.from_wire(wire)
            assert answer.rcode() == dns.rcode.NOERROR
            assert addresses(answer) == before[name, "A"]

