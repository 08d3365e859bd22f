# SPDX-License-Identifier: BSD-3-Clause
"""stub-no-cache and forward-no-cache hold for matched names: each question
goes upstream, and the answer is magic each time (DESIGN 3 "Caching")."""

import pytest

DOMAIN = "nocache.example"


@pytest.fixture(scope="module", params=["stub", "forward"])
def world(scenario_for_all, request):
    world = scenario_for_all(f"*.m.{DOMAIN}", f"*.sub.{DOMAIN}",
                             start=("connector", "client"))
    with open(world.unbound.conf, encoding="ascii") as file:
        text = file.read()
    stub = f"stub-zone:\n\tname: \"{DOMAIN}.\"\n"
    assert stub in text
    text = text.replace(stub, stub.replace("stub", request.param)
                        + f"\t{request.param}-no-cache: yes\n")
    if request.param == "forward":
        head, _, tail = text.partition("forward-no-cache: yes\n")
        text = head + "forward-no-cache: yes\n" \
            + tail.replace("stub-addr", "forward-addr", 1)
    with open(world.unbound.conf, "w", encoding="ascii") as file:
        file.write(text)
    world.unbound.start()
    world.wait_attached()
    return world


@pytest.mark.parametrize("name, kind", [
    ("host.m", "A"), ("host.m", "AAAA"), ("alias.m", "A"),
    ("host.m", "MX"), ("missing.m", "A"), ("host.m", "HTTPS")])
def test(world, name, kind):
    world.tap.clear()
    for number in range(4):
        world.ask_safely(f"{name}.{DOMAIN}", kind, tcp=number % 2 == 1)
        if kind in ("A", "AAAA") and name != "missing.m":
            world.magic(f"{name}.{DOMAIN}", kind)
    assert world.tap.count(f"{name}.{DOMAIN}", kind) >= 4


def test_nothing_is_left_for_other_questions(world):
    world.ask(f"toinside.{DOMAIN}")
    for options in {}, {"cd": True}, {"do": True}:
        world.magic(f"host.m.{DOMAIN}", **options)
