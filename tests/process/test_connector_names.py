# SPDX-License-Identifier: BSD-3-Clause
"""Connectors whose url has a name, which conn25d looks up by itself:

  conn25d "client" -- libunbound --> wiretap "dns" --> nsd "names"
      |               (resolver.forward, /etc/hosts)
      +-- POST http://office.conn.example:PORT --> connectors we play
"""

import collections
import errno
import os
import shutil

import pytest

from harness import zones
from harness.ask import ask_many
from harness.conn25 import APPS, CONN25D
from harness.fake import FakeConnector, connectors
from harness.nsd import Nsd
from harness.process import Keeper
from harness.wait import holds_for, wait_for
from harness.wiretap import Wiretap

ORIGIN = "conn.example."
OFFICE = "office.conn.example"
RECORDS = """
office  2  A     127.0.0.2
v6      2  AAAA  ::1
three   2  A     127.0.0.90
three   2  A     127.0.0.2
three   2  AAAA  ::1
"""
# What getaddrinfo() would do while nobody answers: wait for minutes.
PATIENT = "options timeout:30 attempts:5\n"
own_files = pytest.mark.skipif(
    os.geteuid() != 0 or not os.environ.get("CONN25_TEST_NETNS")
    or not shutil.which("unshare"),
    reason="needs root, for an /etc/resolv.conf of its own")


@pytest.fixture(scope="module")
def served():
    with Keeper("names") as keeper:
        yield Nsd(keeper, "names",
                  only={ORIGIN: zones.head(ORIGIN) + RECORDS})


@pytest.fixture
def dns(served, keeper):
    tap = Wiretap(served.address)
    keeper.closers.append(tap.close)
    return tap


def resolver(dns, **more):
    return {"forward": [f"{dns.address[0]}@{dns.address[1]}"],
            "trustAnchors": [], **more}


def named(fake, name=OFFICE, **changes):
    """Such a connector at another url."""
    return dict(connectors(fake)[0], url=f"http://{name}:{fake.port}",
                **changes)


def world_of(fresh, dns, *list_of, start=("client", "unbound"), **client):
    client.setdefault("resolver", resolver(dns))
    return fresh(client={"connectors": list(list_of), **client}, start=start)


def line_of(world, name="office-1"):
    return next(line for line in
                world.client.control("list_connectors").splitlines()
                if line.startswith(name + " "))


def healthy(world, name="office-1"):
    return world.client.stat(f"connector.{name}.healthy") == 1


def wait_healthy(world, name="office-1", timeout_s=20):
    wait_for(lambda: healthy(world, name),
             lambda: f"{name} to answer: {line_of(world, name)}", timeout_s)


def states(world, app):
    return collections.Counter(
        a.line.split()[6] for a in world.client.assignments()
        if app in a.line)


def with_files(world, **files):
    """This conn25d has /etc files of its own."""
    mounts = "".join(
        f"mount --bind '{world.client.keeper.write(name, text)}'"
        f" '/etc/{name}'\n"
        for name, text in files.items())
    argv = ["unshare", "-m", "sh", "-ec",
            mounts + f"exec {CONN25D} -c {world.client.conf}"]
    world.client.process.argv = argv


def split_apps():
    """bulk is somebody else's."""
    apps = [dict(app) for app in APPS]
    apps[1]["connectors"] = ["tag:other"]
    return apps


# ---- nobody waits for DNS ---------------------------------------------------

@own_files
def test_dns_that_never_answers_delays_nobody(fresh, fake, keeper):
    """Whatever the name's lookup does: /etc/resolv.conf leads to somebody who
    says nothing."""
    silent = Wiretap(("127.0.0.1", 9), host="127.0.0.53", port=53)
    keeper.closers.append(silent.close)
    silent.deaf = True
    lost, other = fake(), fake()
    both = [named(lost), dict(connectors(other)[0], name="other",
                              tags=["tag:other"])]
    world = fresh(client={"connectors": both, "apps": split_apps()},
                  start=())
    world.client.process.allow("office-1")
    with_files(world, **{"resolv.conf": "nameserver 127.0.0.53\n" + PATIENT})
    world.client.start()
    world.unbound.start()
    world.wait_attached()
    wait_for(lambda: "office-1" in world.client.process.log(),
             "the name not to be found")
    for start in range(0, 300, 100):
        ask_many(world.address, [(zones.bulk_name(n), "A")
                                 for n in range(start, start + 100)])
        worked, text = world.client.control_direct("status")
        assert worked, text
        wait_for(lambda: set(states(world, "bulk")) == {"ready"},
                 lambda: f"bulk to be ready: {states(world, 'bulk')}")
    assert len(other.entries()) >= 300
    assert not lost.requests
    assert f"{OFFICE}: no answer from DNS" in line_of(world)


def test_slow_dns_holds_up_no_other_connector(fresh, fake, dns):
    """The lookup is answered when all else is done."""
    slow, other = fake(), fake()
    dns.hold(OFFICE)
    world = world_of(
        fresh, dns, named(slow),
        dict(connectors(other)[0], name="other", tags=["tag:other"]),
        apps=split_apps())
    world.client.process.allow("office-1")
    for n in range(50):
        world.magic(zones.bulk_name(n))
    wait_for(lambda: set(states(world, "bulk")) == {"ready"}, "bulk's")
    assert not slow.requests
    dns.release()
    wait_healthy(world)
    wait_for(lambda: set(states(world, "wiki")) == {"ready"}, "wiki's")


# ---- names and their addresses ----------------------------------------------

def test_the_name_stays_the_name(fresh, fake, dns):
    office = fake()
    world = world_of(fresh, dns, named(office))
    wait_healthy(world)
    _, headers, _ = office.requests[0]
    assert headers["Host"] == f"{OFFICE}:{office.port}"
    asked = dns.queries()
    assert asked[OFFICE, "A"] and asked[OFFICE, "AAAA"]


def test_only_ipv6(fresh, dns, keeper):
    office = FakeConnector(host="::1")
    keeper.closers.append(office.close)
    world = world_of(fresh, dns, named(office, "v6.conn.example"))
    wait_healthy(world)


def test_addresses_are_tried_in_turn(fresh, fake, dns):
    """Two of the three have nobody."""
    office = fake()
    world = world_of(fresh, dns, named(office, "three.conn.example"))
    wait_healthy(world)
    assert world.client.stat("push.failed") == 0
    assert "failed" not in world.client.process.log()


def two_of_one_port(fake):
    """On two addresses. On the second one somebody may have the port."""
    for _ in range(20):
        first = fake()
        try:
            return first, fake(host="127.0.0.3", port=first.port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise AssertionError("no port is free on both")


def test_moved_connector_is_found(fresh, fake, dns, served):
    """It is still there, too, but its name has left."""
    first, second = two_of_one_port(fake)
    world = world_of(fresh, dns, named(first))
    wait_healthy(world)
    served.change(ORIGIN, lambda text: text.replace(
        "office  2  A     127.0.0.2", "office  2  A     127.0.0.3"))
    try:
        wait_for(lambda: second.requests, "a request where it is now", 30)
        count = len(first.requests)
        holds_for(lambda: len(first.requests) == count,
                  "nothing goes where it was", 2)
        assert healthy(world)
    finally:
        served.change(ORIGIN, lambda text: text.replace(
            "office  2  A     127.0.0.3", "office  2  A     127.0.0.2"))


def test_last_known_addresses_do_while_dns_is_down(fresh, fake, dns):
    office = fake()
    world = world_of(fresh, dns, named(office))
    world.client.process.allow("office-1", "no answer")
    wait_healthy(world)
    dns.deaf = True
    office.close()
    office.answer = lambda _: None      # and on the connection there is
    wait_for(lambda: not healthy(world), "it to be missed", 20)
    again = fake(port=office.port)
    wait_healthy(world)
    world.client.process.wait_log(
        f"{OFFICE}: no answer from DNS.*addresses of before", 30)
    assert again.requests
    dns.deaf = False
    world.client.process.wait_log(f"{OFFICE}: found again", 30)


@own_files
def test_etc_hosts_and_its_changes(fresh, fake, dns):
    office, second = two_of_one_port(fake)
    world = world_of(fresh, dns, named(office, "office"), start=())
    world.client.process.allow("office-1")
    with_files(world, hosts="127.0.0.2 office\n")
    world.client.start()
    wait_healthy(world)
    assert not second.requests
    world.client.keeper.write("hosts", "127.0.0.3 box office # moved\n")
    world.client.process.wait_log("/etc/hosts has changed")
    wait_for(lambda: second.requests, "a request where it is now", 30)
    assert not dns.queries()["office", "A"]


@own_files
def test_resolv_conf(fresh, fake, served, keeper):
    tap = Wiretap(served.address, host="127.0.0.53", port=53)
    keeper.closers.append(tap.close)
    office = fake()
    world = fresh(client={"connectors": [named(office)],
                          "resolver": {"trustAnchors": []}}, start=())
    with_files(world, **{"resolv.conf": "nameserver 127.0.0.53\n"})
    world.client.start()
    wait_healthy(world)


# ---- what is said, and refused ----------------------------------------------

def test_name_that_is_not_there(fresh, fake, dns, served):
    office = fake()
    world = world_of(fresh, dns, named(office, "new.conn.example"))
    world.client.process.allow("office-1")
    world.client.process.wait_log(
        "connector office-1: request failed: new.conn.example has no address:"
        ".* /etc/hosts")
    assert "has no address" in line_of(world)
    served.change(ORIGIN, lambda text: text + "new 2 A 127.0.0.2\n")
    wait_healthy(world)


def test_name_that_the_policy_matches(fresh, fake, dns):
    """Asked of our own Unbound it would lead to ourselves."""
    office = fake()
    world = world_of(fresh, dns, named(office, "wiki.corp.example"))
    world.client.process.allow("office-1")
    host, port = world.address
    world.client.configure(dict(world.client.config, resolver={
        "forward": [f"{host}@{port}"], "trustAnchors": []}))
    world.client.reload()
    wait_for(lambda: "magic IP of our own" in line_of(world),
             lambda: f"that to be said: {line_of(world)}", 20)
    assert not office.requests
    assert world.magic("wiki.corp.example")


def test_bogus_answers_are_not_believed(fresh, fake, nsd, keeper):
    tap = Wiretap(nsd.address)
    keeper.closers.append(tap.close)
    anchors = keeper.write("anchors", "\n".join(nsd.anchors) + "\n")
    office = fake()
    world = world_of(
        fresh, tap, named(office, "bogus.secure.signed.example"),
        resolver=resolver(tap, trustAnchors=[anchors]))
    world.client.process.allow("office-1", "DNSSEC")
    wait_for(lambda: "DNSSEC validation failed" in line_of(world),
             "that to be said", 20)
    assert not office.requests


def test_reload_with_other_servers(fresh, fake, dns, served, keeper):
    """From somebody who knows nothing to somebody who does."""
    office = fake()
    dns.failing.update((OFFICE,))
    world = world_of(fresh, dns, named(office))
    world.client.process.allow("office-1")
    world.client.process.wait_log("office-1: request failed")
    good = Wiretap(served.address)
    keeper.closers.append(good.close)
    world.client.configure(dict(world.client.config,
                                resolver=resolver(good)))
    world.client.reload()
    wait_healthy(world)
