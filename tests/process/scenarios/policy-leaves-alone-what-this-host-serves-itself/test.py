# SPDX-License-Identifier: BSD-3-Clause
"""A domain any of whose apps this host is itself a connector for is not
rewritten, and its neighbours are (DESIGN 4.2)."""

import pytest

from harness.ask import addresses
from harness.conn25 import APPS
from harness.process import free_port


def app(name, *domains, tag="tag:here"):
    return {"name": name, "domains": list(domains), "connectors": [tag],
            "destinations": ["10.0.0.0/8"]}


@pytest.fixture(scope="module")
def world(fresh_for_all):
    port = free_port("127.0.0.4")
    return fresh_for_all(client={
        "self": {"tags": ["tag:here"]},
        "apps": APPS + [
            app("there", "*.self.example", tag="tag:office"),
            app("here", "here.self.example", "*.below.self.example"),
            app("also", "both.self.example", tag="tag:office"),
            app("both", "both.self.example")],
        "listen": {"transitIP": f"http://127.0.0.4:{port}"},
        "peers": [{"name": "p", "addresses": ["127.0.0.9"],
                   "apps": ["here", "both"]}]})


@pytest.mark.parametrize("name, expected", [
    ("here", ["10.23.0.1"]), ("x.below", ["10.23.0.2"]),
    ("both", ["10.23.0.3"])])
def test_served_here(world, name, expected):
    for kind in "A", "MX", "ANY":
        world.ask(f"{name}.self.example", kind)
    for _ in range(2):
        assert addresses(world.ask(f"{name}.self.example")) == expected


def test_neighbours(world):
    world.magic("there.self.example")
    world.magic("wiki.corp.example")
