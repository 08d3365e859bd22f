# SPDX-License-Identifier: BSD-3-Clause
"""What each query type gets for a matched name (DESIGN 4.2 and 4.3)."""

import ipaddress

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.reversename
import pytest

from harness import zones
from harness.ask import (addresses, all_addresses, ask, contains_any,
                         ede_codes, exchange, query, records)
from harness.conn25 import APPS, POOLS, is_destination, is_magic
from harness.wait import wait_for

V4_ONLY = {k: v for k, v in POOLS.items() if k.startswith("v4")}


# ---- HTTPS and SVCB ---------------------------------------------------------

def test_https_and_svcb_keep_no_address_hints(world):
    for name, kind, priorities in [
            ("web.wiki.corp.example", "HTTPS", [1, 2]),
            ("_dns.wiki.corp.example", "SVCB", [1])]:
        for tcp in (False, True, False):
            answer = world.ask(name, kind, tcp=tcp)
            assert answer.rcode() == dns.rcode.NOERROR
            assert not all_addresses(answer), answer
            kept = [r for rrset in answer.answer for r in rrset]
            assert sorted(r.priority for r in kept) == priorities, answer


def test_https_keeps_its_other_parameters(world):
    texts = sorted(t for *_, t in records(
        world.ask("web.wiki.corp.example", "HTTPS")))
    assert texts == ['1 . alpn="h2"',
                     '2 web.wiki.corp.example. alpn="h3" port="8443"']


def test_https_alias_is_dropped(world):
    answer = world.ask("alias.wiki.corp.example", "HTTPS")
    assert answer.rcode() == dns.rcode.NOERROR
    assert records(answer) == []


def test_https_over_a_cname_does_not_lead_to_an_unmatched_name(world):
    answer = world.ask("chainweb.wiki.corp.example", "HTTPS")
    assert answer.rcode() == dns.rcode.NOERROR
    assert not all_addresses(answer), answer
    for owner, kind, _, text in records(answer):
        assert kind == "HTTPS", answer
        assert owner == "chainweb.wiki.corp.example.", answer


def test_https_of_an_unmatched_name_keeps_its_hints(world):
    assert ipaddress.ip_address("192.0.2.2") in all_addresses(
        world.ask("host.plain.example", "HTTPS"))


# ---- ANY --------------------------------------------------------------------

@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_any_is_answered_as_rfc_8482_says(world, tcp):
    for _ in range(2):
        answer = world.ask("wiki.corp.example", "ANY", tcp=tcp)
        assert answer.rcode() == dns.rcode.NOERROR
        found = records(answer)
        assert [(o, k) for o, k, _, _ in found] == [
            ("wiki.corp.example.", "HINFO")], found
        assert "RFC8482" in found[0][3]
        assert not answer.authority and not answer.additional


# ---- other types ------------------------------------------------------------

@pytest.fixture(scope="module")
def full(nsd):
    """An Unbound that adds what it knows to additional sections, and one
    without the module."""
    from harness.world import World
    extra = "minimal-responses: no"
    world = World(nsd, "full", unbound={"extra": extra})
    try:
        stock = world.make_unbound(name="stock", module="validator iterator",
                                   extra=extra)
        stock.start()
        # Addresses that an additional section could have.
        for unbound in (world.unbound, stock):
            for name in ("mail.wiki.corp.example", "wiki.corp.example",
                         "mail.secure.signed.example", "ns.ops.example"):
                for kind in ("A", "AAAA"):
                    ask(unbound.address, name, kind)
        yield world, stock
    finally:
        found = world.close()
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name, kind", [
    ("wiki.corp.example", "MX"), ("wiki.corp.example", "TXT"),
    ("wiki.corp.example", "CAA"), ("_sip._tcp.wiki.corp.example", "SRV"),
    ("secure.signed.example", "TXT"), ("secure.signed.example", "MX"),
])
@pytest.mark.parametrize("do", [False, True], ids=["no-do", "do"])
def test_other_types_keep_the_real_answer_and_no_additional(full, name, kind,
                                                            do):
    world, stock = full
    for _ in range(3):
        wire = exchange(world.address, query(name, kind, do=do).to_wire())
        mine = dns.message.from_wire(wire)
        theirs = ask(stock.address, name, kind, do=do)
        assert mine.rcode() == dns.rcode.NOERROR
        assert [(o, k, t) for o, k, _, t in records(mine)] \
            == [(o, k, t) for o, k, _, t in records(theirs)]
        assert records(mine, section=mine.additional) == []
        assert not any(is_destination(str(a)) for a in all_addresses(mine))
        assert not contains_any(wire, ["10.1.0.9", "2001:db8:1::9",
                                       "10.1.4.9"])
        assert mine.flags & dns.flags.AD == theirs.flags & dns.flags.AD


def test_signed_types_of_a_matched_name_stay_signed(full):
    answer = ask(full[0].address, "secure.signed.example", "TXT", do=True)
    assert answer.flags & dns.flags.AD
    assert records(answer, "RRSIG")


def test_no_type_at_all_gives_a_destination(full):
    world, _ = full
    kinds = ["A", "AAAA", "NS", "SOA", "CNAME", "PTR", "MX", "TXT", "SRV",
             "HTTPS", "SVCB", "ANY", "DS", "DNSKEY", "NSEC", "RRSIG", "NAPTR",
             "DNAME", "TYPE65280", "HINFO", "CAA", "TLSA"]
    for name in ("wiki.corp.example", "chain.wiki.corp.example",
                 "web.wiki.corp.example", "secure.signed.example",
                 "alias.secure.signed.example", "missing.wiki.corp.example"):
        for kind in kinds:
            for options in ({}, {"do": True}, {"cd": True}):
                for _ in range(2):
                    answer = world.ask(name, kind, **options)
                    assert not any(is_destination(str(a))
                                   for a in all_addresses(answer)), answer


# ---- PTR --------------------------------------------------------------------

def reverse(address):
    return dns.reversename.from_address(address).to_text()


def test_reverse_of_a_magic_ip_is_the_domain(world):
    for name, kind in [("wiki.corp.example", "A"), ("v6.wiki.corp.example",
                                                    "AAAA")]:
        for magic in world.magic(name, kind):
            for _ in range(2):
                answer = world.ask(reverse(magic), "PTR")
                assert answer.rcode() == dns.rcode.NOERROR
                assert [t for *_, t in records(answer, "PTR")] == [name + "."]


def test_reverse_of_the_free_pool_is_nxdomain_and_stays_here(world):
    world.tap.clear()
    for address in ("100.64.255.254", "fd25:1::ffff:1"):
        for kind in ("PTR", "TXT"):
            answer = world.ask(reverse(address), kind)
            if kind == "PTR":
                assert answer.rcode() == dns.rcode.NXDOMAIN
            assert not records(answer), answer
    assert not [q for q in world.tap.queries("PTR")], "asked upstream"


def test_reverse_of_a_new_magic_ip_is_known_after_nxdomain(world):
    """An earlier NXDOMAIN must not be remembered."""
    taken = {int(ipaddress.ip_address(a.magic))
             for a in world.client.assignments() if "." in a.magic}
    ahead = [str(ipaddress.ip_address(max(taken) + n)) for n in range(1, 6)]
    for address in ahead:
        world.ask(reverse(address), "PTR")
    for number in range(5):
        name = zones.bulk_name(1000 + number)
        for magic in world.magic(name):
            found = records(world.ask(reverse(magic), "PTR"), "PTR")
            assert [t for *_, t in found] == [name + "."]


def test_reverse_outside_the_pool_goes_upstream(world):
    answer = world.ask("7.8.6.5.in-addr.arpa", "PTR")
    assert [t for *_, t in records(answer)] == ["host.plain.example."]


# ---- pools ------------------------------------------------------------------

def test_aaaa_without_v6_pool_is_no_data_and_never_a_bare_cname(fresh):
    world = fresh(client={"pools": V4_ONLY})
    for name in ("wiki.corp.example", "chain.wiki.corp.example",
                 "v6.wiki.corp.example", "alias.secure.signed.example"):
        for _ in range(2):
            answer = world.ask(name, "AAAA", do=True)
            assert answer.rcode() == dns.rcode.NOERROR
            assert records(answer) == []
    assert len(world.magic("wiki.corp.example")) == 2
    assert world.client.stat("total.num.emptied") == 8


def test_a_without_v4_pool_is_no_data(fresh):
    pools = {k: v for k, v in POOLS.items() if k.startswith("v6")}
    world = fresh(client={"pools": pools}, start=("connector", "client"))
    world.unbound.start()
    wait_for(lambda: any(map(is_magic, addresses(
        world.ask("wiki.corp.example", "AAAA")))), "a magic IPv6 address")
    assert records(world.ask("chain.wiki.corp.example", "A")) == []


@pytest.mark.parametrize("name, kind, expected, magic", [
    ("nought.wiki.corp.example", "A", ["0.0.0.0"], 0),
    ("nought.wiki.corp.example", "AAAA", ["::"], 0),
    ("local.wiki.corp.example", "A", ["127.0.0.1"], 0),
    ("meta.wiki.corp.example", "A", ["169.254.169.254"], 0),
    ("mixed.wiki.corp.example", "A", ["0.0.0.0"], 1),
])
def test_excluded_destinations_pass_as_they_are(world, name, kind, expected,
                                                magic):
    for _ in range(2):
        found = addresses(world.ask(name, kind))
        assert [a for a in found if not is_magic(a)] == expected
        assert len([a for a in found if is_magic(a)]) == magic
    assert not [a for a in world.client.assignments()
                if a.destination in expected]


def test_configured_exclude_passes_as_it_is(fresh):
    world = fresh(client={"dns": {"exclude": ["10.1.0.3", "10.1.1.0/24"]}})
    assert addresses(world.ask("v4.wiki.corp.example")) == ["10.1.0.3"]
    found = world.ask("chain.wiki.corp.example")
    assert addresses(found) == ["10.1.1.1", "10.1.1.2"]
    world.magic("wiki.corp.example")


@pytest.mark.parametrize("kind", ["v4MagicIPPool", "v4TransitIPPool"])
def test_exhausted_pool_is_servfail_and_more_pool_works_again(fresh, kind):
    small = dict(POOLS, **{kind: [POOLS[kind][0].split("/")[0] + "/28"]})
    world = fresh(client={"pools": small})
    good = {"wiki.corp.example": world.magic("wiki.corp.example")}
    failed = []
    for number in range(12):
        name = zones.bulk_name(number)
        answer = world.ask(name, "A")
        assert not any(is_destination(str(a)) for a in all_addresses(answer))
        if answer.rcode() == dns.rcode.NOERROR:
            good[name] = addresses(answer)
        else:
            assert answer.rcode() == dns.rcode.SERVFAIL
            assert ede_codes(answer), "no Extended DNS Error"
            failed.append(name)
    assert 5 <= len(good) <= 8 and len(failed) >= 5, (good, failed)
    for name, magic in good.items():
        assert world.magic(name) == magic
    for name in failed:
        assert world.ask(name).rcode() == dns.rcode.SERVFAIL
    assert len(world.magic("wiki.corp.example", "AAAA")) == 2
    stats = world.client.stats()
    assert stats["total.num.servfail"] >= 2 * len(failed)
    pool = kind.removesuffix("IPPool").lower()
    used = stats[f"pool.{pool}.inuse"]
    assert used == stats[f"pool.{pool}.capacity"] or used == 2 * len(good)
    # Nothing leaked: both pools of a family have lent equally many.
    assert stats["pool.v4magic.inuse"] == stats["pool.v4transit.inuse"] \
        == 2 * len(good)
    refusals = world.unbound.process.log().count("exhausted")
    assert refusals <= 2, "the log has a line for each refusal"

    world.client.configure(dict(world.client.config, pools=POOLS))
    world.client.reload()
    for name in failed:
        wait_for(lambda: addresses(world.ask(name)), f"{name} to work again")
        world.magic(name)
    for name, magic in good.items():
        assert world.magic(name) == magic


def test_full_table_is_servfail(fresh):
    world = fresh(client={"table": {"maxAssignments": 16}})
    results = [world.ask(zones.bulk_name(n)).rcode() for n in range(10)]
    assert results[:7] == [dns.rcode.NOERROR] * 7
    assert results[7:] == [dns.rcode.SERVFAIL] * 3
    assert len(world.magic("wiki.corp.example")) == 2
    assert world.client.stat("assignments.current") == 16


# ---- which app --------------------------------------------------------------

def app(name, *domains):
    return {"name": name, "domains": list(domains), "connectors": ["*"],
            "destinations": ["10.0.0.0/8"]}


def test_exact_beats_wildcard_longest_wildcard_and_first_app_win(fresh):
    apps = [app("wide", "*.corp.example"),
            app("narrow", "*.wiki.corp.example"),
            app("exact", "v4.wiki.corp.example"),
            app("late", "v4.wiki.corp.example", "*.wiki.corp.example")]
    world = fresh(client={"apps": apps}, connector={
        "apps": apps, "peers": [
            {"name": "edge", "addresses": ["127.0.0.1", "::1"],
             "apps": [a["name"] for a in apps]}]})
    expected = {"v4.wiki.corp.example": "exact",
                "wiki.corp.example": "narrow",
                "deep.a.b.wiki.corp.example": "narrow",
                "added.corp.example": "wide"}
    for name in expected:
        world.magic(name)
    world.wait_mapped()
    transit = {a.transit: a.domain for a in world.client.assignments()}
    for mapping in world.connector.mappings():
        wanted = expected[transit[mapping.transit]]
        assert wanted in mapping.line.split(), mapping.line


def test_domain_that_this_host_serves_itself_is_not_rewritten(fresh):
    from harness.process import free_port
    port = free_port("127.0.0.4")
    world = fresh(
        client={"self": {"tags": ["tag:here"]},
                "apps": APPS + [dict(app("here", "other.corp.example"),
                                     connectors=["tag:here"])],
                "listen": {"transitIP": f"http://127.0.0.4:{port}"},
                "peers": [{"name": "p", "addresses": ["127.0.0.9"],
                           "apps": ["here"]}]})
    assert addresses(world.ask("other.corp.example")) == ["10.1.3.1"]
    world.magic("wiki.corp.example")
