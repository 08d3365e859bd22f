# SPDX-License-Identifier: BSD-3-Clause
"""The main job: a question about a configured domain is answered with magic
IPs, and the connector learns which transit IP leads to which destination."""

import dns.flags
import dns.rcode
import pytest

from harness.ask import addresses, ede_codes, records
from harness.conn25 import is_destination, is_magic
from harness.wait import wait_for

FORGED = 4      # Forged Answer, RFC 8914


def check_rewritten(answer, qname, rdtype, count):
    """Everything that DESIGN 4.3 says of a rewritten answer."""
    assert answer.rcode() == dns.rcode.NOERROR
    found = records(answer)
    assert len(found) == count, found
    for owner, kind, ttl, text in found:
        assert owner.rstrip(".") == qname
        assert kind == rdtype
        assert is_magic(text), text
        assert 0 <= ttl <= 300
    assert len({text for *_, text in found}) == count, "one IP twice"
    assert not answer.authority and not answer.additional
    assert not answer.flags & dns.flags.AD
    assert not answer.flags & dns.flags.AA
    if answer.edns >= 0:
        assert FORGED in ede_codes(answer)


@pytest.mark.parametrize("qname, rdtype, count", [
    ("wiki.corp.example", "A", 2),
    ("wiki.corp.example", "AAAA", 2),
    ("v4.wiki.corp.example", "A", 1),
    ("deep.a.b.wiki.corp.example", "A", 1),
    ("chain.wiki.corp.example", "A", 2),
    ("chain.wiki.corp.example", "AAAA", 1),
    ("inner.wiki.corp.example", "A", 1),
    ("secure.signed.example", "A", 1),
    ("secure.signed.example", "AAAA", 1),
    ("alias.secure.signed.example", "A", 1),
])
@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize("options", [
    {}, {"edns": False}, {"do": True}, {"ad": True}, {"cd": True}],
    ids=["edns", "no-edns", "do", "ad", "cd"])
def test_addresses_become_magic(world, qname, rdtype, count, tcp, options):
    answer = world.ask(qname, rdtype, tcp=tcp, **options)
    check_rewritten(answer, qname, rdtype, count)


@pytest.mark.parametrize("qname, rdtype", [
    ("v4.wiki.corp.example", "AAAA"),
    ("v6.wiki.corp.example", "A"),
    ("nodata.wiki.corp.example", "A"),
    ("tonodata.wiki.corp.example", "A"),
])
def test_no_data_stays_no_data(world, qname, rdtype):
    answer = world.ask(qname, rdtype)
    assert answer.rcode() == dns.rcode.NOERROR
    assert addresses(answer) == []


@pytest.mark.parametrize("qname", [
    "missing.wiki.corp.example", "loose.wiki.corp.example"])
def test_nxdomain_stays_nxdomain(world, qname):
    for rdtype in ("A", "AAAA", "MX"):
        answer = world.ask(qname, rdtype)
        assert answer.rcode() == dns.rcode.NXDOMAIN
        assert addresses(answer) == []


def test_failed_validation_stays_servfail(world):
    for _ in range(2):
        answer = world.ask("bogus.secure.signed.example", "A")
        assert answer.rcode() == dns.rcode.SERVFAIL
        assert addresses(answer) == []


def test_failed_validation_and_checking_disabled_gives_no_destination(world):
    found = addresses(world.ask("bogus.secure.signed.example", "A", cd=True))
    assert not any(is_destination(a) for a in found)


@pytest.mark.parametrize("qname, ttl", [
    ("long.wiki.corp.example", 300),        # capped by maxTTL
    ("chain.wiki.corp.example", 30),        # the smallest of the chain
    ("short.wiki.corp.example", 2),
    ("zero.wiki.corp.example", 0),
])
def test_ttl_is_the_smallest_of_the_chain_and_capped(world, qname, ttl):
    world.unbound.control("flush", qname)
    world.unbound.control("flush", "c1.cdn.example")
    world.unbound.control("flush", "c2.cdn.example")
    for _, _, seen, _ in records(world.ask(qname, "A")):
        assert ttl - 1 <= seen <= ttl


def test_ttl_counts_down(world):
    world.magic("chain.wiki.corp.example")
    wait_for(lambda: records(world.ask("chain.wiki.corp.example"))[0][2] < 30,
             "a TTL below the first one", 5)


def test_name_is_compared_without_case_and_echoed_as_asked(world):
    small = world.magic("wiki.corp.example")
    answer = world.ask("WiKi.CoRp.eXample", "A")
    assert addresses(answer) == small
    assert answer.question[0].name.to_text() == "WiKi.CoRp.eXample."


def test_answer_is_stable_over_threads_udp_and_tcp(world):
    first = world.magic("wiki.corp.example")
    for number in range(60):
        assert world.magic("wiki.corp.example", tcp=number % 2 == 1) == first
    stats = world.unbound.stats()
    for thread in range(2):
        assert stats[f"thread{thread}.num.queries"] > 0, \
            "a worker thread got no query"


@pytest.mark.parametrize("rdtype", ["A", "AAAA"])
def test_upstream_is_asked_once_per_ttl(world, rdtype):
    world.unbound.control("flush_zone", "corp.example")
    world.tap.clear()
    for number in range(20):
        world.magic("wiki.corp.example", rdtype, tcp=number % 2 == 1)
    assert world.tap.count("wiki.corp.example", rdtype) == 1


def test_expired_answer_is_fetched_again_and_keeps_its_magic_ip(world):
    first = world.magic("short.wiki.corp.example")
    world.tap.clear()

    def asked_again():
        assert world.magic("short.wiki.corp.example") == first
        return world.tap.count("short.wiki.corp.example", "A")
    wait_for(asked_again, "the second query for an answer of 2 s", 6)


def test_answer_without_ttl_keeps_its_magic_ip(world):
    first = world.magic("zero.wiki.corp.example")
    for _ in range(5):
        assert world.magic("zero.wiki.corp.example") == first


def test_connector_learns_every_mapping(world):
    expected = {}
    for rdtype in ("A", "AAAA"):
        for magic in world.magic("wiki.corp.example", rdtype):
            expected[magic] = None
    world.wait_mapped()
    for assignment in world.client.assignments():
        if assignment.magic in expected:
            assert assignment.domain == "wiki.corp.example"
            expected[assignment.magic] = assignment
    assert all(expected.values()), expected
    assert {a.destination for a in expected.values()} == {
        "10.1.0.1", "10.1.0.2", "2001:db8:1::1", "2001:db8:1::2"}
    known = {(m.transit, m.destination) for m in world.connector.mappings()}
    for assignment in expected.values():
        assert (assignment.transit, assignment.destination) in known


def test_one_destination_under_two_names_has_two_magic_ips(world):
    chain = world.magic("chain.wiki.corp.example")
    assert not set(chain) & set(world.magic("wiki.corp.example"))
    inner = world.magic("inner.wiki.corp.example")
    assert not set(inner) & set(world.magic("v4.wiki.corp.example"))


def test_large_answer_is_truncated_over_udp_and_whole_over_tcp(world):
    answer = world.ask("many.wiki.corp.example", "A", edns=False)
    assert answer.flags & dns.flags.TC
    assert not any(is_destination(a) for a in addresses(answer))
    whole = world.magic("many.wiki.corp.example", tcp=True)
    assert len(set(whole)) == 40
    assert world.magic("many.wiki.corp.example") == whole


def test_unmatched_name_leads_to_real_addresses_of_a_matched_one(world):
    """The queried name decides; a CNAME that leads to a matched name must
    not meet magic addresses, and leaves no real answer behind."""
    for _ in range(2):
        world.unbound.control("flush_zone", "example")
        for _ in range(2):
            real = world.ask("tomatched.plain.example", "A")
            assert addresses(real) == ["10.1.0.3"]
            world.magic("v4.wiki.corp.example")
        world.unbound.control("flush_zone", "example")
        for _ in range(2):
            world.magic("v4.wiki.corp.example")
            real = world.ask("tomatched.plain.example", "A")
            assert addresses(real) == ["10.1.0.3"]


def test_counters_count(world):
    before = world.client.stats()
    world.unbound.control("flush_zone", "corp.example")
    for _ in range(5):
        world.magic("wiki.corp.example")
    world.ask("host.plain.example", "A")
    after = world.client.stats()

    def grown(name):
        return after[name] - before[name]
    assert grown("total.num.queries") == 6
    assert grown("total.num.matched") == 5
    assert grown("total.num.rewritten") == 5
    assert after["assignments.current"] == len(world.client.assignments())
    for kind in ("v4magic", "v4transit", "v6magic", "v6transit"):
        assert after[f"pool.{kind}.inuse"] > 0
        assert after[f"pool.{kind}.capacity"] > after[f"pool.{kind}.inuse"]
