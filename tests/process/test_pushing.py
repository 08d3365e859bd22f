# SPDX-License-Identifier: BSD-3-Clause
"""The client's side of POST /v0/connector/transit-ip (DESIGN 7), against
connectors that the tests play: good, slow, broken and contrary ones."""

import collections
import re

import pytest

from harness import zones
from harness.ask import ask_many
from harness.conn25 import PATH
from harness.fake import accept, connectors, with_code, world_with
from harness.wait import holds_for, wait_for


def states(world):
    return collections.Counter(
        a.line.split()[6] for a in world.client.assignments())


def wait_ready(world, timeout_s=20):
    wait_for(lambda: set(states(world)) == {"ready"},
             lambda: f"all assignments to be ready: {states(world)}",
             timeout_s)


def test_request_is_what_the_protocol_says(fresh, fake):
    office = fake()
    world = world_with(fresh, office)
    wait_ready(world)
    entries, headers, _ = next(r for r in office.requests if r[0])
    assert headers["path"] == PATH
    assert headers["Content-Type"].startswith("application/json")
    assert headers["Host"] == f"127.0.0.2:{office.port}"
    known = {a.transit: a for a in world.client.assignments()}
    for entry in entries:
        assignment = known[entry["transitIP"]]
        assert entry["destinationIP"] == assignment.destination
        assert entry["app"] == "wiki"
        assert entry.get("domain", assignment.domain) == assignment.domain


def test_burst_goes_in_batches_over_one_connection(fresh, fake):
    office = fake()
    # Nobody waits, so that the one request on the way is not given up.
    world = world_with(fresh, office, dns={"holdMilliseconds": 0})
    wait_ready(world)
    office.gate.clear()
    ask_many(world.address, [(zones.bulk_name(n), "A") for n in range(500)])
    office.gate.set()
    wait_ready(world)
    sizes = [len(entries) for entries, _, _ in office.requests]
    assert max(sizes) <= 256
    assert sum(sizes) >= 1002
    assert len(sizes) < 50, sizes
    assert len({connection for _, _, connection in office.requests}) == 1
    sent = {(e["transitIP"], e["destinationIP"]) for e in office.entries()}
    assert sent == {(a.transit, a.destination)
                    for a in world.client.assignments()}


def test_each_request_is_logged_at_verbosity_3(fresh):
    world = fresh()
    for daemon in (world.client, world.connector):
        assert "HTTP status" not in daemon.process.log()
        daemon.control("verbosity", "3")
    ask_many(world.address, [(zones.bulk_name(1), "A")])
    for said in ("[12] mappings: HTTP status 200, [12] taken",
                 "0 mappings: HTTP status 200, 0 taken"):
        world.client.process.wait_log(
            f"connector office-1: request with {said}")
    world.connector.process.wait_log(
        r"peers: request from 127\.0\.0\.1: HTTP status 200")
    world.client.process.allow("connector office-1: request failed")
    world.connector.stop()
    world.client.process.wait_log(
        "connector office-1: request with 0 mappings: (?!HTTP)")


def test_code_1_is_tried_again_until_it_is_accepted(fresh, fake):
    office = fake(with_code(1))
    world = world_with(fresh, office)
    wait_for(lambda: len(office.requests) >= 3, "three attempts")
    assert states(world) == {"pending": 2}
    world.client.process.wait_log(
        r"connector office-1: refuses 10\.1\.0\.[12] of "
        r"wiki\.corp\.example, app wiki, code 1 \(no\): see the connector's "
        r"log: ")
    wait_for(lambda: len(office.requests) >= 5, "two more attempts")
    assert world.client.process.log().count("refuses") == 1
    assert world.client.stat("push.denied") >= 6
    office.answer = accept
    wait_ready(world)
    stats = world.client.stats()
    assert stats["push.retried"] >= 2
    assert stats["push.acked"] >= 2


@pytest.mark.parametrize("code", [3, 4, 5, 6])
def test_final_refusal_goes_to_the_next_connector(fresh, fake, code):
    first, second = fake(with_code(code)), fake()
    world = world_with(fresh, first, second)
    wait_ready(world)
    assert {e["destinationIP"] for e in second.entries()} \
        == {"10.1.0.1", "10.1.0.2"}
    assert "degraded: " not in world.client.control("status")
    asked = len(first.entries())
    holds_for(lambda: len(first.entries()) == asked,
              "the refusing connector is left alone", 1)


@pytest.mark.parametrize("code", [3, 4, 5, 6])
def test_refused_by_all_connectors_is_shown(fresh, fake, code):
    office = fake(with_code(code))
    world = world_with(fresh, office)
    world.client.process.allow("refuse", f"code {code}")
    wait_for(lambda: states(world) == {"refused": 2}, "refused assignments")
    assert world.client.stat("push.failed") >= 2
    log = world.client.process.log()
    assert log.count(f"app wiki, code {code} (no): ") == 1
    assert log.count("and no other is left") == 1
    world.magic("wiki.corp.example")


@pytest.mark.parametrize("answer,said", [
    (with_code(1), r", code 1 \([^)]+\): see the connector's log: "),
    (with_code(6), r", code 6 \([^)]+\): add that app to "),
    (lambda entries: (400 if entries else 200, {}), ": see list_connectors "),
], ids=["code 1", "code 6", "HTTP status 400"])
def test_status_shows_an_app_that_no_connector_takes(fresh, fake, answer,
                                                     said):
    first, second = fake(answer), fake(answer)
    world = world_with(fresh, first, second)
    world.client.process.allow("refuse", "request failed")
    line = r"(?m)^degraded: app wiki: no connector takes 10\.1\.0\.[12] of " \
        r"wiki\.corp\.example" + said
    wait_for(lambda: re.search(line, world.client.control("status")),
             lambda: f"the app in {world.client.control('status')}")
    assert world.client.control("status").count("degraded: ") == 1
    first.answer = second.answer = accept
    world.client.reload()
    wait_ready(world)
    assert "degraded: " not in world.client.control("status")


ANSWERS = {
    "500": lambda e: (500, b"broken"),
    "404": lambda e: (404, b"not here"),
    "403": lambda e: (403, b"who are you"),
    "302": lambda e: (302, b""),
    "no JSON": lambda e: (200, b"<html>"),
    "empty": lambda e: (200, b""),
    "no results": lambda e: (200, {}),
    "too few": lambda e: (200, {"transitIPs": [{}] * (len(e) - 1)}),
    "too many": lambda e: (200, {"transitIPs": [{}] * (len(e) + 1)}),
    "strange code": with_code(99),
    "negative code": with_code(-1),
    "wrong types": lambda e: (200, {"transitIPs": ["x"] * len(e)}),
    "large": lambda e: (200, b" " * (8 << 20)),
    "hangs up": lambda e: None,
}


@pytest.mark.parametrize("what", ANSWERS)
def test_broken_answer_is_no_answer_and_all_is_sent_again(fresh, fake, what):
    office = fake(ANSWERS[what])
    world = world_with(fresh, office)
    world.client.process.allow("office-1")
    wait_for(lambda: len(office.requests) >= 2, "a second attempt", 20)
    assert states(world) == {"pending": 2}
    assert world.client.stat("connector.office-1.healthy") == 0
    line = next(line for line in
                world.client.control("list_connectors").splitlines()
                if line.startswith("office-1 "))
    assert "down" in line.split(), line
    office.answer = accept
    wait_ready(world, 30)
    wait_for(lambda: world.client.stat("connector.office-1.healthy") == 1,
             "the connector to be healthy again")


def test_connector_that_does_not_answer_delays_no_question(fresh, fake):
    office = fake()
    office.gate.clear()
    world = world_with(fresh, office)
    for number in range(50):
        world.magic(zones.bulk_name(number))
    assert world.client.answers()
    assert states(world)["pending"] > 50
    office.gate.set()
    wait_ready(world)


def test_one_bad_entry_does_not_stop_the_others(fresh, fake):
    def contrary(entries):
        if any(e["destinationIP"] == "10.20.0.8" for e in entries):
            return 400, b"I do not like one of these"
        return accept(entries)
    office = fake()
    world = world_with(fresh, office)
    world.client.process.allow("office-1")
    wait_ready(world)
    office.answer = contrary
    office.gate.clear()
    for number in range(30):
        world.magic(zones.bulk_name(number))
    office.gate.set()
    wait_for(lambda: states(world) == {"ready": 61, "pending": 1},
             lambda: f"all but one to be ready: {states(world)}", 60)


def test_connectors_own_transit_pool_is_used(fresh, fake):
    first, second = fake(), fake()
    both = connectors(first, second)
    both[0]["transit"] = {"v4": ["169.254.64.0/19"]}
    both[1]["transit"] = {"v4": ["169.254.96.0/19"]}
    both[1]["tags"] = ["tag:other"]
    apps = [
        {"name": "wiki", "domains": ["*.wiki.corp.example"],
         "connectors": ["tag:office"]},
        {"name": "bulk", "domains": ["*.bulk.example"],
         "connectors": ["tag:other"]}]
    world = fresh(client={"connectors": both, "apps": apps},
                  start=("client", "unbound"))
    world.magic(zones.bulk_name(1))
    wait_ready(world)
    assert first.entries() and second.entries()
    for office, app, third in ((first, "wiki", range(64, 96)),
                               (second, "bulk", range(96, 128))):
        for entry in office.entries():
            assert entry["app"] == app
            assert int(entry["transitIP"].split(".")[2]) in third


def test_changed_url_at_reload_sends_everything_there(fresh, fake):
    first, second = fake(), fake()
    world = world_with(fresh, first)
    world.wait_refreshed()
    config = dict(world.client.config, connectors=[
        dict(connectors(first)[0], url=second.url)])
    world.client.configure(config)
    world.client.reload()
    wait_for(lambda: {e["destinationIP"] for e in second.entries()}
             == {"10.1.0.1", "10.1.0.2"}, "the mappings at the new address")
    wait_ready(world)


@pytest.mark.parametrize("forget", ["drop", "reload"])
def test_what_a_connector_was_made_to_forget_is_sent_again(fresh, forget):
    """By an administrator, or by a configuration that didn't allow it."""
    world = fresh()
    world.magic("wiki.corp.example")
    world.wait_mapped()
    world.wait_refreshed()
    mappings = {(m.transit, m.destination)
                for m in world.connector.mappings()}
    if forget == "drop":
        world.connector.control("drop", min(mappings)[0])
    else:
        before = world.connector.config
        world.connector.configure(dict(before, apps=[
            dict(app, destinations=["10.99.0.0/16"])
            for app in before["apps"]]))
        world.connector.reload()
        assert not world.connector.mappings()
        wait_for(lambda: "refused" in world.client.control("list_connectors")
                 or world.client.stat("assignments.pending") > 0,
                 "the client to see that they are gone")
        world.connector.configure(before)
        world.connector.reload()
    wait_for(lambda: {(m.transit, m.destination)
                      for m in world.connector.mappings()} == mappings,
             "the same mappings once more", 20)
