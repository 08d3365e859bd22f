# SPDX-License-Identifier: BSD-3-Clause
"""Over UDP an answer is as large as the client takes, with EDNS or without,
and no larger than max-udp-size; what does not fit has TC and no destination,
and TCP has all of it. Half a set of magic IPs is not given as if it were whole
(RFC 1035 4.2.1, RFC 6891 6.2.5)."""

import dns.flags
import dns.message
import dns.rcode
import pytest

from harness import check
from harness.ask import addresses, exchange, query
from harness.conn25 import is_destination

DOMAIN = "sizes.example"
COUNTS = [1, 10, 20, 28, 29, 30, 31, 60, 100]
SIZES = [None, 0, 100, 511, 512, 513, 700, 1232, 1400, 4096, 65535]


@pytest.fixture(scope="module", params=[512, 1232, 4096])
def world(scenario_for_all, request):
    world = scenario_for_all(f"*.{DOMAIN}", unbound={
        "extra": f"max-udp-size: {request.param}"})
    world.largest = request.param
    return world


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("rdtype", ["A", "AAAA"])
def test(world, count, rdtype):
    name = f"n{count}.{DOMAIN}"
    whole = world.magic(name, rdtype, tcp=True)
    assert len(whole) == count
    for size in SIZES:
        for do in (False, True) if size is not None else (False,):
            message = query(name, rdtype, edns=size is not None, do=do,
                            payload=size or 0)
            wire = exchange(world.address, message.to_wire())
            limit = 512 if size is None else min(max(size, 512),
                                                 world.largest)
            assert len(wire) <= limit
            answer = dns.message.from_wire(wire)
            assert answer.rcode() == dns.rcode.NOERROR
            found = addresses(answer)
            assert not any(map(is_destination, found))
            if answer.flags & dns.flags.TC:
                assert set(found) < set(whole)
                # It did not fit.
                assert whole_size(world, message) > limit
            else:
                assert found == whole
            again = dns.message.from_wire(exchange(
                world.address, message.to_wire(), tcp=True))
            check.rewritten(again, name, rdtype, count)
            assert addresses(again) == whole


def whole_size(world, message):
    return len(exchange(world.address, message.to_wire(), tcp=True))


def test_some_fit_and_some_do_not(world):
    """Else nothing is tested above."""
    seen = set()
    for count in COUNTS:
        answer = world.ask_safely(f"n{count}.{DOMAIN}", edns=False)
        seen.add(bool(answer.flags & dns.flags.TC))
    assert seen == {False, True}


def test_edns_of_another_version(world):
    for _ in range(2):
        message = query(f"n10.{DOMAIN}", "A")
        message.use_edns(1, 0, 1232)
        answer = dns.message.from_wire(exchange(world.address,
                                                message.to_wire()))
        assert answer.rcode() == dns.rcode.BADVERS
        assert not answer.answer
        world.magic(f"n10.{DOMAIN}")
