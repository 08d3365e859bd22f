# SPDX-License-Identifier: BSD-3-Clause
"""verifyDestinations: the connector looks up itself what it is told.

  us, as peers -- POST transit-ip --> conn25d "connector"
                                         | libunbound
                                      wiretap --> nsd
"""

import copy
import json
import os
import re
import socket
import struct
import subprocess
import threading

import pytest

from harness.conn25 import (APPS, CHECKCONF, PATH, Conn25d, codes,
                            connector_config, entry, peers, post,
                            post_entries)
from harness.process import Keeper, free_port
from harness.signing import Key, Request, verified
from harness.wait import scaled, wait_for
from harness.wiretap import Wiretap
from harness.zones import bulk_addresses, bulk_name

EDGE_2 = "127.0.0.3"    # may use "bulk" only
WIKI = "wiki.corp.example"
LATER = "again later"


def verified_apps():
    apps = [dict(app, verifyDestinations=True) for app in
            copy.deepcopy(APPS)]
    apps += [{"name": "all", "domains": ["*.corp.example"],
              "connectors": ["*"], "verifyDestinations": True,
              "destinations": ["0.0.0.0/0", "::/0"]},
             {"name": "open", "connectors": ["*"],
              "destinations": ["10.0.0.0/8"]}]
    apps[2]["domains"] = ["*.signed.example"]
    return apps


def verifying(tap, anchors=()):
    """What a connector's configuration has for it."""
    apps = verified_apps()
    return {"apps": apps, "peers": peers(apps), "resolver": {
        "forward": [f"{tap.address[0]}@{tap.address[1]}"],
        "trustAnchors": list(anchors)}}


class Served:
    def __init__(self, nsd, keeper, start=True):
        self.tap = Wiretap(nsd.address)
        keeper.closers.append(self.tap.close)
        anchors = keeper.write("anchors", "".join(
            anchor + "\n" for anchor in nsd.anchors))
        self.port = free_port("127.0.0.2")
        self.config = connector_config(self.port,
                                       **verifying(self.tap, [anchors]))
        self.daemon = Conn25d(keeper, "connector", self.config)
        if start:
            self.daemon.start()
        self.transits = 0

    def entry(self, domain, destination, app="wiki", transit=None):
        self.transits += 1
        number = self.transits
        transit = transit or (
            f"169.254.{64 + number // 250}.{number % 250 + 1}"
            if "." in destination else f"fd25:2::{number:x}")
        more = {} if domain is None else {"domain": domain}
        return entry(transit, destination, app, **more)

    def ask(self, domain, destination, app="wiki", **options):
        """The result of one entry."""
        return post_entries(self.port, self.entry(domain, destination, app),
                            **options)[0]

    def stat(self, name):
        return self.daemon.stat(f"serve.verify.{name}")

    def mapped(self):
        return {m.destination for m in self.daemon.mappings()}

    def background(self, *entries, source="127.0.0.1"):
        """Posts from a thread; returns a function that waits for what came:
        (status, body)."""
        found = []
        thread = threading.Thread(target=lambda: found.append(post(
            self.port, {"transitIPs": list(entries)}, source=source)))
        thread.start()

        def result():
            thread.join(scaled(20))
            assert found, "no answer"
            return found[0]
        result.ready = lambda: bool(found)
        return result

    def wait_pending(self, count=1):
        wait_for(lambda: self.stat("lookups.pending") >= count,
                 f"{count} lookups to be under way")


@pytest.fixture(scope="module")
def served(nsd):
    with Keeper("verify") as keeper:
        yield Served(nsd, keeper)


@pytest.fixture
def alone(nsd, keeper):
    """One that the test may reload."""
    return Served(nsd, keeper)


# ---- what is taken, and what is not -----------------------------------------

@pytest.mark.parametrize("app, domain, destination, word", [
    ("wiki", WIKI, "10.1.0.1", None),
    ("wiki", WIKI, "10.1.0.2", None),
    ("wiki", WIKI, "2001:db8:1::1", None),
    ("wiki", "WIKI.corp.example.", "10.1.0.1", None),
    ("wiki", "deep.a.b.wiki.corp.example", "10.1.0.40", None),
    ("wiki", "chain.wiki.corp.example", "10.1.1.2", None),
    ("wiki", "chain.wiki.corp.example", "2001:db8:1:1::1", None),
    ("wiki", "many.wiki.corp.example", "10.3.0.40", None),
    ("signed", "secure.signed.example", "10.1.4.1", None),
    ("signed", "alias.secure.signed.example", "10.1.4.1", None),
    ("open", None, "10.1.0.3", None),
    ("open", "anything.example", "10.1.0.3", None),
    ("wiki", WIKI, "10.1.0.3", "destination"),
    ("wiki", WIKI, "2001:db8:1::3", "destination"),
    ("wiki", "loose.wiki.corp.example", "10.1.0.1", "destination"),
    ("wiki", "none.wiki.corp.example", "10.1.0.1", "destination"),
    ("wiki", "nodata.wiki.corp.example", "10.1.0.1", "destination"),
    ("wiki", "v6.wiki.corp.example", "10.1.0.1", "destination"),
    ("signed", "bogus.signed.example", "10.1.4.67", "DNSSEC"),
    ("signed", "bogus.secure.signed.example", "10.1.4.67", "DNSSEC"),
    ("wiki", "secure.signed.example", "10.1.4.1", "no domain of this app"),
    ("wiki", "corp.example", "10.1.0.1", "no domain of this app"),
    ("wiki", "host.plain.example", "10.1.0.1", "no domain of this app"),
    ("wiki", "a b\"\\\\\u00e9", "10.1.0.1", "no domain of this app"),
    ("wiki", None, "10.1.0.1", "needs its domain"),
    ("wiki", "", "10.1.0.1", "needs its domain"),
])
def test_entry(served, app, domain, destination, word):
    if word == "DNSSEC":
        served.daemon.process.allow("DNSSEC validation failed")
    result = served.ask(domain, destination, app)
    if word is None:
        assert result == {}
        assert destination in served.mapped()
        return
    assert result["code"] == 1 and word in result["message"], result
    if domain:
        assert domain in result["message"]


def test_nothing_is_looked_up_for_what_is_refused_anyway(served):
    served.tap.clear()
    results = post_entries(
        served.port, served.entry("q1.example", "10.1.0.1"),
        served.entry("q2.wiki.corp.example", "192.0.2.1"),
        served.entry("q3.wiki.corp.example", "127.0.0.1"),
        served.entry("q4.wiki.corp.example", "10.1.0.1", app="nobodys"),
        served.entry(None, "10.1.0.1"))
    assert codes(results) == [1, 1, 1, 6, 1]
    assert not served.tap.queries()


def test_order_of_checks_and_of_answers_stays(served):
    """A request that waits has all its entries judged as any other."""
    twice = served.entry("v4.wiki.corp.example", "10.1.0.3")
    assert codes(post_entries(
        served.port, twice, twice,
        served.entry("v4.wiki.corp.example", "10.1.0.4"),
        served.entry("v4.wiki.corp.example", "10.1.0.3", app="nobodys"),
        entry("169.254.65.1", "2001:db8:1::3", domain=WIKI),
        served.entry(None, "10.1.0.9", app="open"),
    )) == [0, 2, 1, 6, 4, 0]


def test_hundred_names_in_one_batch(served):
    before, waited = served.stat("lookups"), served.stat("waited")
    requests = served.daemon.stat("serve.requests")
    results = post_entries(served.port, *(
        served.entry(bulk_name(n), bulk_addresses(n)[n % 2], "bulk")
        for n in range(100)))
    assert results == [{}] * 100
    assert served.stat("lookups") == before + 100
    assert served.stat("waited") == waited + 1
    assert served.daemon.stat("serve.requests") == requests + 1
    # Known from now on.
    assert post_entries(served.port, *(
        served.entry(bulk_name(n), bulk_addresses(n)[0], "bulk")
        for n in range(100))) == [{}] * 100
    assert served.stat("lookups") == before + 100


def test_addresses_that_change(nsd, served):
    """Of a name whose answers go round each address is taken that was seen
    in the last day, and what wasn't is looked for again soon."""
    name = "added.corp.example"
    old = nsd.zones["corp.example."]
    assert served.ask(name, "10.1.2.1", "all") == {}
    assert served.ask(name, "10.1.2.9", "all")["code"] == 1
    try:
        nsd.change("corp.example.", lambda text: text.replace(
            "10.1.2.1\n", "10.1.2.9\n"))
        wait_for(lambda: served.ask(name, "10.1.2.9", "all") == {},
                 "the new address to be found")
        assert served.ask(name, "10.1.2.1", "all") == {}
        assert served.ask(name, "10.1.2.8", "all")["code"] == 1
    finally:
        nsd.change("corp.example.", lambda text: text.replace(
            "10.1.2.9\n", "10.1.2.1\n"))
    assert nsd.zones["corp.example."].count("10.1.2.1") == \
        old.count("10.1.2.1")


# ---- a DNS that doesn't answer as it should ---------------------------------

def test_servfail_and_recovery(served):
    name = "short.wiki.corp.example"
    served.tap.failing.add(name)
    result = served.ask(name, "10.1.0.50")
    assert result["code"] == 1 and LATER in result["message"], result
    assert name in result["message"]
    served.tap.failing.clear()
    wait_for(lambda: served.ask(name, "10.1.0.50") == {},
             "it to be looked up again")


def test_slow_server(served):
    """The answer comes though the server's doesn't, and says to come
    again."""
    name = "long.wiki.corp.example"
    served.tap.hold(name)
    results = post_entries(served.port, served.entry(name, "10.1.0.51"),
                           served.entry(WIKI, "10.1.0.1"))
    assert served.tap.held, "the server has answered"
    assert codes(results) == [1, 0] and LATER in results[0]["message"]
    served.tap.release()
    wait_for(lambda: served.ask(name, "10.1.0.51") == {},
             "the answer to be known")


def test_flood_of_one_peer(served):
    """One peer asks for names that nobody answers; another is served."""
    names = [f"x{n}.bulk.example" for n in range(600)]
    for name in names:
        served.tap.hold(name)
    floods = [served.background(*(
        served.entry(name, "10.20.0.1", "bulk")
        for name in names[i:i + 100])) for i in range(0, 600, 100)]
    served.wait_pending(20)
    results = post_entries(
        served.port, served.entry(bulk_name(700), bulk_addresses(700)[0],
                                  "bulk"), source=EDGE_2)
    assert results == [{}]
    assert not any(flood.ready() for flood in floods)
    assert served.stat("lookups.pending") <= 64
    for flood in floods:
        status, body = flood()
        assert status == 200
        assert codes(body["transitIPs"]) == [1] * 100
    served.tap.release()
    wait_for(lambda: served.stat("lookups.pending") == 0,
             "the last lookup to end", 30)


# ---- what happens while a request waits -------------------------------------

def test_connection_closed_while_waiting(alone):
    name = "v4.wiki.corp.example"
    alone.tap.hold(name)
    body = json.dumps({"transitIPs": [alone.entry(name, "10.1.0.3")]})
    with socket.create_connection(("127.0.0.2", alone.port),
                                  scaled(10)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
        sock.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        alone.wait_pending()
    alone.tap.release()
    wait_for(lambda: alone.stat("lookups.pending") == 0, "the answer")
    assert not alone.mapped()
    lookups = alone.stat("lookups")
    assert alone.ask(name, "10.1.0.3") == {}
    assert alone.stat("lookups") == lookups


def test_requests_behind_one_that_waits(alone):
    """On one connection answers come in order."""
    name = "v4.wiki.corp.example"
    alone.tap.hold(name)
    request = b""
    for body in ({"transitIPs": [alone.entry(name, "10.1.0.3")]}, {}):
        body = json.dumps(body)
        request += (f"POST {PATH} HTTP/1.1\r\nHost: x\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
    with socket.create_connection(("127.0.0.2", alone.port),
                                  scaled(10)) as sock:
        sock.sendall(request)
        alone.wait_pending()
        alone.tap.release()
        reply = b""
        while reply.count(b"HTTP/1.1 200") < 2 or not reply.endswith(b"}"):
            piece = sock.recv(4096)
            assert piece, reply
            reply += piece
    assert reply.index(b'{"transitIPs":[{}]}') < reply.index(b"\r\n\r\n{}")


def without_app(config):
    config["peers"][0]["apps"].remove("wiki")
    return 200, {"transitIPs": [{"code": 6, "message":
                                 "peer may not use this app"}]}


def without_peer(config):
    del config["peers"][0]
    return 403, b"you are not a known peer\n"


def without_domain(config):
    config["apps"][0]["domains"] = ["other.example"]
    return 200, {"transitIPs": [{"code": 1, "message":
                                 "no domain of this app: "
                                 "v4.wiki.corp.example"}]}


def without_destination(config):
    config["apps"][0]["destinations"] = ["10.99.0.0/16"]
    return 200, {"transitIPs": [{"code": 1, "message": "mapping refused"}]}


def without_verification(config):
    config["apps"][0]["verifyDestinations"] = False
    return 200, {"transitIPs": [{}]}


def with_a_key(config):
    config["peers"][0]["publicKey"] = Key().public
    return 401, b"signature refused: the configuration has changed " \
        b"meanwhile: sign again\n"


def with_another_resolver(config):
    config["resolver"]["insecureDomains"] = ["corp"]
    return 200, {"transitIPs": [{
        "code": 1, "message": "can't be resolved now, try again later: "
        "v4.wiki.corp.example"}]}


def with_nothing_new(_):
    return 200, {"transitIPs": [{}]}


@pytest.mark.parametrize("change", [
    without_app, without_peer, without_domain, without_destination,
    without_verification, with_a_key, with_another_resolver,
    with_nothing_new])
def test_reload_while_waiting(alone, change):
    """The configuration of the moment of the answer counts."""
    name = "v4.wiki.corp.example"
    alone.tap.hold(name)
    result = alone.background(alone.entry(name, "10.1.0.3"))
    alone.wait_pending()
    config = copy.deepcopy(alone.config)
    expected = change(config)
    alone.daemon.configure(config)
    alone.daemon.reload()
    alone.tap.release()
    assert result() == expected
    assert ("10.1.0.3" in alone.mapped()) == \
        (expected == (200, {"transitIPs": [{}]}))


def test_reload_that_moves_the_listener_while_waiting(alone):
    name = "v4.wiki.corp.example"
    alone.tap.hold(name)
    body = json.dumps({"transitIPs": [alone.entry(name, "10.1.0.3")]})
    with socket.create_connection(("127.0.0.2", alone.port),
                                  scaled(10)) as sock:
        sock.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        alone.wait_pending()
        alone.port = free_port("127.0.0.2")
        alone.daemon.configure(dict(alone.config, listen={
            "transitIP": f"http://127.0.0.2:{alone.port}"}))
        alone.daemon.reload()
        alone.tap.release()
        try:
            assert sock.recv(100) == b""
        except ConnectionResetError:
            pass
    assert alone.ask(name, "10.1.0.3") == {}


def test_stop_while_waiting(alone):
    alone.tap.hold("v4.wiki.corp.example")
    body = json.dumps({"transitIPs": [
        alone.entry("v4.wiki.corp.example", "10.1.0.3")]})
    with socket.create_connection(("127.0.0.2", alone.port),
                                  scaled(10)) as sock:
        sock.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        alone.wait_pending()
        alone.daemon.stop()


def test_answer_after_a_wait_is_signed(nsd, keeper):
    key, own = Key(), Key()
    alone = Served(nsd, keeper)
    alone.config["self"] = {"privateKeyFile": own.write(keeper, "own")}
    alone.config["peers"][0]["publicKey"] = key.public
    alone.daemon.configure(alone.config)
    alone.daemon.reload()
    request = Request(alone.port, key, {"transitIPs": [
        alone.entry("v4.wiki.corp.example", "10.1.0.3")]})
    status, body, headers = request.send()
    assert (status, body) == (200, b'{"transitIPs":[{}]}')
    assert alone.stat("waited") == 1
    assert verified(own.public, headers, {
        "@status": 200, "signature;req": request.headers["Signature"]})


# ---- configuration ----------------------------------------------------------

def test_anchors_that_cannot_be_used_change_nothing(alone, keeper):
    bad = keeper.write("bad", "this is no key\n")
    alone.daemon.process.allow("trustAnchors")
    for path, word in ((bad, "DNSKEY"), ("/nonexistent/key", "path")):
        config = copy.deepcopy(alone.config)
        config["resolver"]["trustAnchors"] = [path]
        alone.daemon.configure(config)
        run = alone.daemon.control_run("reload")
        assert run.returncode == 1
        assert "trustAnchors" in run.stderr and word in run.stderr
        assert alone.ask(WIKI, "10.1.0.1") == {}


def test_anchors_are_read_again_at_a_reload(alone):
    name = "secure.signed.example"
    path = alone.config["resolver"]["trustAnchors"][0]
    alone.daemon.process.allow("DNSSEC validation failed")
    assert alone.ask(name, "10.1.4.1", "signed") == {}
    with open(path, encoding="ascii") as file:
        text = file.read()
    with open(path, "w", encoding="ascii") as file:
        file.write(re.sub(r"DNSKEY\s+257 3 13 \S{4}",
                          "DNSKEY 257 3 13 AAAA", text))
    alone.daemon.reload()
    assert "DNSSEC" in alone.ask(name, "10.1.4.1", "signed")["message"]


def test_servers_of_resolv_conf(nsd, keeper):
    """Without resolver.forward; a change is noticed."""
    if not os.environ.get("CONN25_TEST_NETNS"):
        pytest.skip("needs a mount namespace: run as root")
    taps = [Wiretap(nsd.address, f"127.0.0.{n}", 53) for n in (53, 54)]
    keeper.closers.extend(tap.close for tap in taps)
    path = keeper.write("resolv.conf", "nameserver 127.0.0.53\n")
    alone = Served(nsd, keeper, start=False)
    del alone.config["resolver"]["forward"]
    alone.daemon.configure(alone.config)
    process = alone.daemon.process
    process.argv = ["unshare", "--mount", "sh", "-c",
                    'mount --bind "$0" /etc/resolv.conf && exec "$@"', path,
                    *process.argv]
    alone.daemon.start()
    assert alone.ask(WIKI, "10.1.0.1") == {}
    assert taps[0].count(WIKI, "A") and not taps[1].queries()
    with open(path, "w", encoding="ascii") as file:
        file.write("nameserver 127.0.0.54\noptions edns0\n")
    process.wait_log("has changed and was read again")
    assert alone.ask("v4.wiki.corp.example", "10.1.0.3") == {}
    assert taps[1].count("v4.wiki.corp.example", "A")
    assert not taps[0].count("v4.wiki.corp.example", "A")


def test_turned_on_by_a_reload(alone):
    """What was taken before stays until it is sent again."""
    config = copy.deepcopy(alone.config)
    for app in config["apps"]:
        app.pop("verifyDestinations", None)
    del config["resolver"]
    alone.daemon.configure(config)
    alone.daemon.reload()
    assert alone.ask(None, "10.1.0.78") == {}
    assert not alone.tap.queries()
    alone.daemon.configure(alone.config)
    alone.daemon.reload()
    assert alone.mapped() == {"10.1.0.78"}
    assert alone.ask(None, "10.1.0.78")["code"] == 1
    assert alone.ask(WIKI, "10.1.0.1") == {}


# ---- with a client that is ours ---------------------------------------------

@pytest.fixture
def verified_world(nsd, fresh):
    tap = Wiretap(nsd.address)

    def build(**changes):
        world = fresh(connector=verifying(tap), **changes)
        return world, tap
    yield build
    tap.close()


def test_the_whole_of_it(verified_world):
    world, tap = verified_world()
    for name in ("v4.wiki.corp.example", "chain.wiki.corp.example",
                 "many.wiki.corp.example"):
        world.magic(name)
    world.magic("v6.wiki.corp.example", "AAAA")
    world.wait_mapped()
    assert tap.count("chain.wiki.corp.example", "A") > 0
    assert world.connector.stat("serve.verify.ok") >= 40


def test_client_comes_again_after_a_failure(verified_world):
    world, tap = verified_world()
    name = "v4.wiki.corp.example"
    world.wait_mapped()
    tap.failing.add(name)
    world.magic(name)
    wait_for(lambda: world.connector.stat("serve.verify.later") >= 2,
             "the client to have tried again")
    assert "10.1.0.3" not in {m.destination
                              for m in world.connector.mappings()}
    tap.failing.clear()
    world.wait_mapped()


def test_anchors_that_are_not_there(keeper):
    """checkconf says what conn25d would not start with, and only then."""
    config = connector_config(free_port("127.0.0.2"))
    config["resolver"] = {"trustAnchors": ["/nonexistent/root.key"]}
    for app in config["apps"]:
        app["verifyDestinations"] = True
    daemon = Conn25d(keeper, "connector", config)

    def checked():
        return subprocess.run([CHECKCONF, daemon.conf], text=True,
                              capture_output=True, check=False,
                              timeout=scaled(10))

    run = checked()
    message = "resolver: trustAnchors: /nonexistent/root.key: No such file"
    assert run.returncode == 1 and message in run.stderr, run.stderr
    daemon.process.allow(".")
    daemon.process.start()
    assert daemon.process.wait_exit() == 1
    daemon.process.popen = None
    assert message in daemon.process.log()
    for app in config["apps"]:
        app["verifyDestinations"] = False
    daemon.configure(config)
    run = checked()
    assert run.returncode == 0 and "resolver: does nothing" in run.stderr
