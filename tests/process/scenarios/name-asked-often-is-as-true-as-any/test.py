# SPDX-License-Identifier: BSD-3-Clause
"""What a worker remembers of a name that is asked over and over shows in no
answer: not when its records, its assignment or the policy change, nor in how
a client is answered who asks in another way."""

import re

import dns.message
import pytest

from harness.ask import addresses, ask_many, ede_codes

DOMAIN = "often.example"
NAME = f"host.{DOMAIN}"
ALIAS = f"alias.{DOMAIN}"
MANY = f"many.{DOMAIN}"
LABEL = "a-label-that-is-as-long-as-it-may-be-without-being-refused-by-a"
FORGED = 4


def often(world, *names, kind="A"):
    """Through every thread, and many times in each second."""
    answers = ask_many(world.address, [(name, kind) for name in names] * 100)
    return {tuple(sorted(addresses(dns.message.from_wire(wire))))
            for wire in answers}


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(f"*.{DOMAIN}")


@pytest.mark.parametrize("words", [["flush_zone", DOMAIN], ["flush", NAME]],
                         ids="-".join)
@pytest.mark.parametrize("name", [NAME, ALIAS])
def test_its_records_change(world, nsd, name, words):
    """They expire, or are not in the cache any more."""
    for number in [*range(2, 8), 1]:
        often(world, name)
        nsd.change(f"{DOMAIN}.", lambda text, n=number: re.sub(
            r"(?m)^(host +A +10\.66\.0\.)\d$", rf"\g<1>{n}", text))
        often(world, name)
        world.unbound.control(*words)
        found = world.magic(name)
        assert [a.destination for a in world.client.assignments()
                if a.domain == name and a.magic in found] == [
            f"10.66.0.{number}"]
        assert often(world, name) == {tuple(found)}


def test_its_assignment_ends(world):
    for _ in range(3):
        before = world.magic(NAME)
        assert often(world, NAME) == {tuple(before)}
        world.client.control("drop", before[0])
        after = world.magic(NAME)
        assert after != before
        assert often(world, NAME) == {tuple(after)}


def test_table_is_made_anew(scenario):
    """What is promised from then on is in the new one."""
    world = scenario(f"*.{DOMAIN}")
    magic = world.magic(NAME)
    for room in 4096, 8192:
        assert often(world, NAME) == {tuple(magic)}
        world.client.stop()
        assert often(world, NAME) == {tuple(magic)}
        world.client.configure(dict(world.client.config, table={
            "maxAssignments": room}))
        world.client.start()
        assert often(world, NAME) == {tuple(magic)}
        world.client.control("drop", magic[0])
        magic = world.magic(NAME)
        assert magic[0] in {a.magic for a in world.client.assignments()}


def test_policy_changes(scenario):
    world = scenario(f"*.{DOMAIN}")
    magic = world.magic(NAME)
    for _ in range(3):
        assert often(world, NAME) == {tuple(magic)}
        world.match("nothing.example")
        assert addresses(world.ask(NAME)) == ["10.66.0.1"]
        assert often(world, NAME) == {("10.66.0.1",)}
        world.match(NAME)
        assert world.magic(NAME) == magic


def test_destination_is_excluded(scenario):
    world = scenario(f"*.{DOMAIN}")
    often(world, NAME)
    world.match(f"*.{DOMAIN}", dns=dict(world.client.config.get("dns", {}),
                                        exclude=["10.66.0.0/24"]))
    assert addresses(world.ask(NAME)) == ["10.66.0.1"]
    assert often(world, NAME) == {("10.66.0.1",)}


def test_asked_in_other_ways(world):
    magic = world.magic(NAME)
    for _ in range(10):
        often(world, NAME)
        for options in {}, {"do": True}, {"cd": True}:
            answer = world.ask_safely(NAME, **options)
            assert addresses(answer) == magic
            assert ede_codes(answer) == [FORGED]
        answer = world.ask_safely(NAME, edns=False)
        assert addresses(answer) == magic and not answer.options
        answer = world.ask_safely(NAME.upper())
        assert addresses(answer) == magic
        assert answer.answer[0].name.to_text() == NAME.upper() + "."
        assert world.magic(NAME, "AAAA") != magic


def test_several_addresses(world):
    found = tuple(sorted(world.magic(MANY)))
    assert len(set(found)) == 3
    assert often(world, MANY) == {found}


def test_long_names(world):
    """Longer than what is remembered."""
    name = f"{LABEL}.{LABEL}.{DOMAIN}"
    found = tuple(world.magic(name))
    assert often(world, name) == {found}


@pytest.mark.parametrize("size", ["256k", "16m"])
def test_many_in_turn(scenario, size):
    """More than are remembered, or than the cache has room for; in the place
    of some there are others that are not matched."""
    world = scenario(f"*.{DOMAIN}", unbound={
        "extra": f"msg-cache-size: {size}\nrrset-cache-size: {size}"})

    def ask_all(*domains):
        return [tuple(addresses(dns.message.from_wire(wire)))
                for wire in ask_many(world.address, [
                    (f"n{n}.in-turn.{domain}", "A") for n in range(1500)
                    for domain in domains])]
    found = ask_all(DOMAIN)
    assert len(set(found)) == len(found)
    assert ask_all(DOMAIN) == found
    assert ask_all("spare.example") == [("10.67.0.4",)] * len(found)
    mixed = ask_all(DOMAIN, "spare.example")
    assert mixed[0::2] == found and set(mixed[1::2]) == {("10.67.0.4",)}
    there = {(a.domain, a.magic) for a in world.client.assignments()}
    assert {(f"n{n}.in-turn.{DOMAIN}", magic)
            for n, (magic,) in enumerate(found)} <= there
