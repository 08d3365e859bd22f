# SPDX-License-Identifier: BSD-3-Clause
"""Lookups that Unbound makes for itself meet real addresses, never magic ones,
and leave nothing real behind for clients."""

import threading

import dns.rcode
import pytest

from harness.ask import addresses, all_addresses
from harness.conn25 import is_destination, is_magic
from harness.wait import wait_for
from harness.wiretap import Wiretap

SERVER = "ns77.wiki.corp.example"       # a matched name
HOSTED = "www.hosted.example"           # in a zone that it serves


@pytest.fixture
def hosted(fresh, nsd, other_address):
    """A world where a zone is served by a server with a matched name."""
    far = Wiretap(nsd.address, other_address)
    try:
        # One thread, so that lookups of one name meet.
        world = fresh(unbound={"threads": 1, "stub_hosts": {
            "hosted.example.": f"{SERVER}@{far.port}"}})
        world.far = far
        yield world
    finally:
        far.close()


def test_name_server_with_a_matched_name_is_found(hosted):
    for _ in range(3):
        hosted.unbound.control("flush_zone", "example")
        assert addresses(hosted.ask(HOSTED)) == ["192.0.2.99"]
        hosted.magic(SERVER)
        hosted.unbound.control("flush_zone", "example")
        hosted.magic(SERVER)
        assert addresses(hosted.ask(HOSTED)) == ["192.0.2.99"]
        hosted.magic(SERVER)
    assert hosted.far.count(HOSTED, "A") > 0


@pytest.mark.parametrize("client_first", [True, False],
                         ids=["client-first", "internal-first"])
def test_client_and_internal_lookup_at_once(hosted, client_first):
    """Both may wait for the same upstream answer. The client may be refused,
    but it gets no real address, and the resolver no magic one."""
    for round_number in range(5):
        hosted.unbound.control("flush_zone", "example")
        answers = {}

        def ask(name):
            answers[name] = hosted.ask(name)
        hosted.tap.hold(SERVER)
        threads = []
        names = [SERVER, HOSTED] if client_first else [HOSTED, SERVER]
        for number, name in enumerate(names):
            threads.append(threading.Thread(target=ask, args=(name,)))
            threads[-1].start()
            wait_for(lambda n=number: hosted.tap.held
                     and requests(hosted) > n, "the lookup to wait")
        hosted.tap.release()
        for thread in threads:
            thread.join()
        assert addresses(answers[HOSTED]) == ["192.0.2.99"], answers[HOSTED]
        got = answers[SERVER]
        assert not any(is_destination(str(a)) for a in all_addresses(got))
        assert all(map(is_magic, addresses(got)))
        assert addresses(got) or got.rcode() == dns.rcode.SERVFAIL
        hosted.magic(SERVER)


def requests(world):
    """Queries that wait in Unbound."""
    return world.unbound.stats()["total.requestlist.current.user"]


@pytest.mark.parametrize("modules", ["dynlib validator iterator",
                                     "dynlib iterator"])
@pytest.mark.parametrize("unmatched", [
    ("foo.wiki.corp.example", "TXT"),       # below an exact domain: a
    ("x.c2.cdn.example", "A"),              # minimised query asks for it
    ("out.plain.example", "A"),             # CNAMEs lead to one
    ("out.plain.example", "MX"),
    ("mail.wiki.corp.example", "MX"),       # matched, but of another type
    ("corp.example", "NS"),                 # comes with addresses of one
])
def test_what_unbound_learns_in_passing_is_not_given_away(fresh, modules,
                                                          unmatched):
    apps = [{"name": "wiki", "connectors": ["*"], "domains": [
        "wiki.corp.example", "mail.wiki.corp.example", "c2.cdn.example",
        "ns.wiki.corp.example"]}]
    world = fresh(unbound={"module": modules}, client={"apps": apps},
                  start=("client", "unbound"))
    world.ask(*unmatched)
    for domain in apps[0]["domains"]:
        for options in {"cd": True}, {"do": True, "cd": True}, {}:
            for kind in "A", "AAAA":
                answer = world.ask(domain, kind, **options)
                assert answer.rcode() == dns.rcode.NOERROR
                assert all(map(is_magic, addresses(answer))), answer


@pytest.mark.parametrize("modules", [
    "dynlib dns64 validator iterator", "dynlib respip validator iterator",
    "dynlib respip dns64 validator iterator", "dynlib iterator"])
def test_other_modules_right_of_ours(fresh, modules):
    world = fresh(unbound={"module": modules})
    for name in ("v4.wiki.corp.example", "wiki.corp.example",
                 "chain.wiki.corp.example"):
        world.magic(name)
        for _ in range(2):
            answer = world.ask(name, "AAAA")
            assert all(map(is_magic, addresses(answer))), answer
    assert addresses(world.ask("host.plain.example", "AAAA")) \
        == ["2001:db8:2::2"]
