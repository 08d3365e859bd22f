# SPDX-License-Identifier: BSD-3-Clause
"""An answer that fails validation stays SERVFAIL, with the validator's
Extended DNS Error, cold and cached; with CD or val-permissive-mode the client
gets magic IPs for it, never the bogus destination (DESIGN 4.1, 4.3)."""

import dns.rcode
import pytest

from harness import check
from harness.ask import addresses, ask, ede_codes

DOMAIN = "forged.example"
NAMES = [f"bogus.{DOMAIN}", f"alias.{DOMAIN}", f"tobogus.{DOMAIN}",
         f"farbogus.{DOMAIN}", f"x.wild.{DOMAIN}"]


@pytest.fixture(scope="module", params=["yes", "no"], ids=["ede", "no-ede"])
def world(scenario_for_all, request):
    extra = f"ede: {request.param}"
    world = scenario_for_all(f"*.{DOMAIN}", unbound={"extra": extra})
    world.stock = world.make_unbound(
        name="stock", module="validator iterator", extra=extra)
    world.stock.start()
    return world


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{}, {"do": True}, {"ad": True},
                                     {"edns": False}],
                         ids=["plain", "do", "ad", "no-edns"])
def test(world, name, options):
    world.unbound.control("flush_zone", ".")
    world.stock.control("flush_zone", ".")
    for tcp in False, True, False:
        answer = world.ask_safely(name, tcp=tcp, **options)
        assert answer.rcode() == dns.rcode.SERVFAIL
        assert not (answer.answer or answer.authority or answer.additional)
        theirs = ask(world.stock.address, name, "A", tcp=tcp, **options)
        assert theirs.rcode() == dns.rcode.SERVFAIL
        assert ede_codes(answer) == ede_codes(theirs)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cd_first", [False, True],
                         ids=["plain-first", "cd-first"])
def test_checking_disabled(world, name, cd_first):
    world.unbound.control("flush_zone", ".")
    for cd in (cd_first, not cd_first) * 3:
        for do in False, True:
            answer = world.ask_safely(name, cd=cd, do=do)
            if cd:
                check.rewritten(answer, name, "A", 1)
            else:
                assert answer.rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize("kind", ["TXT", "MX"])
def test_other_types_of_the_name_are_good(world, kind):
    for _ in range(2):
        answer = world.ask_safely(f"bogus.{DOMAIN}", kind, do=True)
        assert answer.rcode() == dns.rcode.NOERROR and answer.answer


def test_permissive_mode(scenario):
    world = scenario(f"*.{DOMAIN}", unbound={
        "extra": "val-permissive-mode: yes"})
    for name in NAMES:
        for options in {}, {"do": True}, {"cd": True}, {}:
            check.rewritten(world.ask_safely(name, **options), name, "A", 1)


def test_ignored_cd_flag(scenario):
    world = scenario(f"*.{DOMAIN}", unbound={"extra": "ignore-cd-flag: yes"})
    for name in NAMES:
        for cd in True, False, True:
            answer = world.ask_safely(name, cd=cd)
            assert answer.rcode() == dns.rcode.SERVFAIL


def test_unmatched_alias_of_a_bogus_name(scenario):
    """It fails too, and leaves nothing behind."""
    world = scenario(f"bogus.{DOMAIN}")
    for _ in range(2):
        answer = world.ask(f"alias.{DOMAIN}")
        assert answer.rcode() == dns.rcode.SERVFAIL
        world.magic(f"bogus.{DOMAIN}", cd=True)
        assert world.ask_safely(f"bogus.{DOMAIN}").rcode() \
            == dns.rcode.SERVFAIL
        assert addresses(world.ask(f"alias.{DOMAIN}", cd=True)) \
            == ["10.26.4.67"]


def test_wrong_trust_anchor(scenario):
    """All of the zone is bogus, also the keys that the validator has fetched
    for itself when a client asks for them."""
    options = {"anchors": [f"{DOMAIN}. DS 12345 13 2 " + "ab" * 32]}
    world = scenario(f"*.{DOMAIN}", unbound=options)
    for name, kind in (f"bogus.{DOMAIN}", "A"), (DOMAIN, "DNSKEY"), \
            (f"bogus.{DOMAIN}", "TXT"), (DOMAIN, "SOA"), (DOMAIN, "DNSKEY"):
        for _ in range(2):
            answer = world.ask_safely(name, kind, do=True)
            assert answer.rcode() == dns.rcode.SERVFAIL, kind
            assert not answer.answer
