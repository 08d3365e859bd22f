# SPDX-License-Identifier: BSD-3-Clause
"""An exact domain beats a wildcard, the longest wildcard wins, a wildcard
matches its own name too, and of several apps the first has it; names beside
them are not matched (DESIGN 4.2)."""

import pytest

from harness.ask import addresses
from harness.conn25 import peers

DOMAIN = "match.example"


def app(name, *domains):
    return {"name": name, "domains": list(domains), "connectors": ["*"],
            "destinations": ["10.0.0.0/8"]}


APPS = [
    # Waiting for the module to attach asks for this one.
    app("wiki", "*.wiki.corp.example"),
    app("wide", f"*.a.{DOMAIN}"),
    app("narrow", f"*.b.a.{DOMAIN}"),
    app("exact", f"x.b.a.{DOMAIN}", f"only.{DOMAIN}"),
    app("late", f"x.b.a.{DOMAIN}", f"*.b.a.{DOMAIN}", f"only.{DOMAIN}"),
]


@pytest.fixture(scope="module")
def world(fresh_for_all):
    return fresh_for_all(client={"apps": APPS},
                         connector={"apps": APPS, "peers": peers(APPS)})


@pytest.mark.parametrize("name, expected", [
    ("a", "wide"), ("z.a", "wide"), ("z.z.a", "wide"), ("b.a", "narrow"),
    ("z.b.a", "narrow"), ("x.b.a", "exact"), ("y.x.b.a", "narrow"),
    ("only", "exact"),
])
def test_app_that_has_it(world, name, expected):
    world.magic(f"{name}.{DOMAIN}")
    world.wait_mapped()
    transit = {a.transit for a in world.client.assignments()
               if a.domain == f"{name}.{DOMAIN}"}
    assert transit
    for mapping in world.connector.mappings():
        if mapping.transit in transit:
            assert expected in mapping.line.split(), mapping.line


@pytest.mark.parametrize("name", [
    "", "z", "za", "aa", "z.only", "xonly", "c.ab", "a.z"])
def test_beside_them(world, name):
    found = addresses(world.ask(f"{name}.{DOMAIN}".lstrip(".")))
    assert found == ["10.22.0.9"], "an unmatched name gets the real address"


def test_wildcard_of_a_top_level_domain(fresh):
    apps = [app("all", "*.example")]
    world = fresh(client={"apps": apps},
                  connector={"apps": apps, "peers": peers(apps)})
    for name in "host.plain.example", f"only.{DOMAIN}", \
            "host.signed.example":
        world.magic(name)
