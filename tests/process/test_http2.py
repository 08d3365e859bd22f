# SPDX-License-Identifier: BSD-3-Clause
"""Pushing to connectors with an https URL: in HTTP/2 if they have it, with
nothing lost whatever they do with the connection."""

import collections
import os
import shutil
import signal
import time

import pytest

from harness import h2, zones
from harness.ask import ask_many
from harness.conn25 import PATH, peers
from harness.fake import connectors
from harness.process import Process, free_port
from harness.signing import Key, sign_response, verified
from harness.wait import wait_for

REFRESH_S = 9       # from then on something may be sent again


@pytest.fixture
def office(keeper):
    """Connectors that the test plays."""
    made = []

    def make(kind=h2.H2Connector, *args, **options):
        made.append(kind(keeper, *args, **options))
        return made[-1]
    yield make
    for one in made:
        one.close()


def world_with(fresh, one, **client):
    """A world whose client tells this one, and believes its certificate."""
    world = fresh(client={"connectors": connectors(one), **client}, start=())
    h2.trust(world.client, one.certificate)
    world.client.start()
    world.unbound.start()
    world.wait_attached()
    return world


def states(world):
    return {a.line.split()[6] for a in world.client.assignments()}


def wait_ready(world):
    wait_for(lambda: states(world) == {"ready"},
             lambda: f"all assignments to be ready: {states(world)}", 30)


def pairs(entries):
    return {(e["transitIP"], e["destinationIP"]) for e in entries}


def assert_all_there(world, entries):
    assert pairs(entries) == {(a.transit, a.destination)
                              for a in world.client.assignments()}


def assert_no_failure(world):
    stats = world.client.stats()
    assert (stats["push.failed"], stats["push.retried"]) == (0, 0)
    assert "request failed" not in world.client.process.log()


# ---- what is sent -----------------------------------------------------------

def test_request_is_what_the_protocol_says(fresh, office):
    one = office()
    world = world_with(fresh, one)
    wait_ready(world)
    assert set(one.versions) == {"h2"}
    entries, headers, _ = next(r for r in one.requests if r[0])
    assert entries[0]["app"] == "wiki"
    del headers["content-length"]
    assert headers == {
        ":method": "POST", ":scheme": "https", ":path": PATH,
        ":authority": f"127.0.0.2:{one.port}", "user-agent": "conn25",
        "content-type": "application/json"}
    assert_all_there(world, one.entries())


def test_one_connection_for_all(fresh, office):
    one = office()
    world = world_with(fresh, one, dns={"holdMilliseconds": 0})
    for start in range(0, 600, 20):
        ask_many(world.address, [(zones.bulk_name(n), "A")
                                 for n in range(start, start + 20)])
        wait_ready(world)
    assert len(one.requests) >= 30
    assert len({peer for _, _, peer in one.requests}) == 1
    assert max(len(entries) for entries, _, _ in one.requests) <= 256
    assert_all_there(world, one.entries())
    assert_no_failure(world)


@pytest.mark.parametrize("alpn", [["http/1.1"], []], ids=["http1", "none"])
def test_http1_where_there_is_no_other(fresh, office, alpn):
    one = office(alpn=alpn)
    world = world_with(fresh, one)
    wait_ready(world)
    assert set(one.versions) == {"http/1.1"}
    assert one.requests[0][1]["line"] == f"POST {PATH} HTTP/1.1"
    assert_all_there(world, one.entries())


def test_who_is_not_trusted_is_told_nothing(fresh, office):
    one = office()
    world = fresh(client={"connectors": connectors(one)}, start=())
    world.client.process.allow("office-1")
    world.client.start()
    world.unbound.start()
    world.wait_attached()
    wait_for(lambda: "TLS: certificate not accepted" in
             world.client.control("list_connectors"), "the reason")
    assert not one.requests
    assert states(world) == {"pending"}


# ---- signatures -------------------------------------------------------------

def canonical(headers):
    """As harness.signing wants them."""
    return {"-".join(word.capitalize() for word in name.split("-")): value
            for name, value in headers.items()}


def signed_client(keeper, key, own, one):
    config = connectors(one)
    config[0]["publicKey"] = key.public
    return {"connectors": config,
            "self": {"privateKeyFile": own.write(keeper, "client.key")}}


def test_signed_both_ways(fresh, office, keeper):
    key, own, one = Key(), Key(), office()
    one.sign = lambda status, body, headers: sign_response(
        key, status, body, headers["signature"], epoch="e1")
    world = world_with(fresh, one, **signed_client(keeper, key, own, one))
    wait_ready(world)
    headers = canonical(one.requests[-1][1])
    assert verified(own.public, headers, {
        "@method": "POST", "@path": PATH,
        "@authority": f"127.0.0.2:{one.port}"})
    # and nobody else's
    one.sign = lambda status, body, headers: sign_response(
        Key(), status, body, headers["signature"], epoch="e1")
    world.client.process.allow("office-1", "push:")
    world.magic(zones.bulk_name(1))
    wait_for(lambda: "it is by another key" in
             world.client.control("list_connectors"), "the reason")
    assert "pending" in states(world)


# ---- connections that end ---------------------------------------------------

def test_new_epoch_sends_all_again(fresh, office):
    one = office()
    one.sign = lambda *_: {"Conn25-Epoch": "e1"}
    world = world_with(fresh, one)
    wait_ready(world)
    one.sign = lambda *_: {"Conn25-Epoch": "e2"}
    world.client.process.wait_log("office-1: has started anew")
    transits = {a.transit for a in world.client.assignments()}
    wait_for(lambda: collections.Counter(
        e["transitIP"] for e in one.entries()) == {t: 2 for t in transits},
        "everything again", 30)


class Refuser:
    """Each third request of a connection is met by the end of it."""

    def __init__(self):
        self.refused = 0

    def __call__(self, conn, stream_id):
        if stream_id != 5:
            return False
        conn.close_connection(last_stream_id=3)
        self.refused += 1
        return True


def ask_one_by_one(world, names):
    for number in range(names):
        world.magic(zones.bulk_name(number))
        wait_ready(world)


def test_goodbye_loses_nothing(fresh, office):
    """The server refuses what comes after it has decided to go, as if both
    had crossed: sent once more at once, which is no failure."""
    one = office()
    one.parting = Refuser()
    # Without an epoch it might be another one after each goodbye.
    one.sign = lambda *_: {"Conn25-Epoch": "e1"}
    began = time.monotonic()
    world = world_with(fresh, one)
    ask_one_by_one(world, 30)
    assert one.parting.refused >= 8
    assert_all_there(world, one.entries())
    assert_no_failure(world)
    assert world.client.stat("connector.office-1.healthy") == 1
    # Each of them was taken once, until they are refreshed.
    with one.lock:
        taken = collections.Counter(e["transitIP"] for entries, _, _
                                    in one.requests for e in entries)
    refreshed = time.monotonic() - began > REFRESH_S
    assert max(taken.values()) <= (2 if refreshed else 1)
    assert "started anew" not in world.client.process.log()


@pytest.mark.parametrize("how", ["goodbye", "goodbye and close", "close"])
def test_ended_after_each_answer(fresh, office, how):
    """No failure; but if it is closed without a word, and there is no epoch,
    it may be another one now, which knows nothing."""
    def answered(conn):
        if "goodbye" in how:
            conn.close_connection()
        return "close" in how
    one = office()
    one.answered = answered
    world = world_with(fresh, one)
    ask_one_by_one(world, 20)
    assert_all_there(world, one.entries())
    assert_no_failure(world)
    assert len({peer for _, _, peer in one.requests}) == len(one.requests)
    if how == "close":
        world.client.process.wait_log("office-1: has started anew")


# ---- a real server ----------------------------------------------------------

def find_nginx():
    return shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")


def nginx_world(fresh, keeper, requests):
    """The client talks to an nginx at 127.0.0.4 in HTTP/2, and that to a real
    connector; both sides sign."""
    if find_nginx() is None:
        pytest.skip("no nginx: apt-get install nginx")
    key, own = Key(), Key()
    port = free_port("127.0.0.4")
    authority = f"127.0.0.4:{port}"
    certificate, cert_key = h2.make_certificate(keeper, "127.0.0.4")
    world = fresh(
        client={"connectors": [{
            "name": "office-1", "tags": ["tag:office"],
            "url": f"https://{authority}", "publicKey": key.public}],
            "self": {"privateKeyFile": own.write(keeper, "client.key")}},
        start=())
    apps = world.connector.config["apps"]
    who = peers(apps)
    who[0]["publicKey"] = own.public
    world.connector.configure(dict(
        world.connector.config, peers=who,
        self={"privateKeyFile": key.write(keeper, "connector.key")},
        listen={"transitIP": f"http://127.0.0.2:{world.connector_port}",
                "authorities": [authority]}))
    nginx = Process(world.keeper, "nginx", [
        find_nginx(), "-e", "stderr", "-c", h2.nginx_conf(
            world.keeper, "127.0.0.4", port,
            f"127.0.0.2:{world.connector_port}", certificate, cert_key,
            requests)])
    h2.trust(world.client, certificate)
    world.connector.start()
    nginx.start()
    wait_for(lambda: h2.listens("127.0.0.4", port), "nginx to listen")
    world.client.start()
    world.unbound.start()
    world.wait_attached()
    return world, nginx


def seen_by_nginx(world):
    path = os.path.join(world.keeper.path, "nginx", "access.log")
    with open(path, encoding="ascii") as file:
        return [line.split() for line in file]


def test_through_nginx(fresh, keeper):
    """It gives a connection up after 5 requests, which loses nothing."""
    world, _ = nginx_world(fresh, keeper, 5)
    for number in range(30):
        world.magic(zones.bulk_name(number))
        world.wait_mapped()
    wait_ready(world)
    seen = seen_by_nginx(world)
    assert {(version, status) for version, _, status in seen} \
        == {("HTTP/2.0", "200")}
    assert len(seen) / 6 <= len({number for _, number, _ in seen}) \
        <= len(seen) / 3
    assert_no_failure(world)
    assert world.client.stat("push.acked") >= 31


def test_through_nginx_that_is_reloaded(fresh, keeper):
    """Its workers say goodbye to idle connections, and new ones come."""
    world, nginx = nginx_world(fresh, keeper, 1000)
    before = 0
    for number in range(10):
        world.magic(zones.bulk_name(number))
        world.wait_mapped()
        wait_ready(world)
        connections = {number for _, number, _ in seen_by_nginx(world)}
        assert len(connections) > before
        before = len(connections)
        old = h2.children(nginx.pid)
        nginx.send(signal.SIGHUP)
        wait_for(lambda o=old: not set(o) & set(h2.children(nginx.pid)),
                 "the old workers to be gone")
    assert_no_failure(world)


# ---- against the rules ------------------------------------------------------

def memory_kb(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file
                    if line.startswith("VmRSS:"))


@pytest.mark.parametrize("how", h2.HOSTILE, ids=lambda how: how.__name__)
def test_hostile(fresh, office, how):
    """It costs nobody an answer, and conn25d neither memory nor its other
    work; the reason is shown, and nothing is lost."""
    one = office(h2.Hostile2, how)
    world = fresh(client={"connectors": connectors(one),
                          "dns": {"holdMilliseconds": 50}}, start=())
    world.client.process.allow("office-1")
    h2.trust(world.client, one.certificate)
    world.client.start()
    before = memory_kb(world.client.process)
    world.unbound.start()
    world.wait_attached()
    wait_for(lambda: one.asked >= 3, "the third request", 30)
    for number in range(10):
        world.magic(zones.bulk_name(number))
        assert world.client.answers()
    wait_for(lambda: world.client.stat("connector.office-1.healthy") == 0,
             "the connector to be down")
    wait_for(lambda: h2.HOSTILE[how] in
             world.client.control("list_connectors"),
             lambda: world.client.control("list_connectors"))
    assert states(world) == {"pending"}
    assert memory_kb(world.client.process) < before + 20000
    one.behave()
    wait_ready(world)
    assert_all_there(world, one.entries())
