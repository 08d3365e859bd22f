# SPDX-License-Identifier: BSD-3-Clause
"""HTTPS and SVCB records of a matched name lose ipv4hint and ipv6hint, which
are destination addresses; all else of them stays (DESIGN 4.3, RFC 9460)."""

import dns.rcode
import pytest

from harness.ask import all_addresses, records


@pytest.mark.parametrize("name, kind, expected", [
    ("web", "HTTPS", ['1 . alpn="h2"',
                      '2 web.hints.example. alpn="h3" port="8443"']),
    ("_dns", "SVCB", ['1 . alpn="dot"']),
    ("must", "HTTPS", ['1 . mandatory="alpn" alpn="h2"']),
    ("only", "HTTPS", ["1 ."]),
])
def test(scenario, name, kind, expected):
    world = scenario("*.hints.example")
    for tcp in False, True, False:          # from upstream, then cached
        answer = world.ask(f"{name}.hints.example", kind, tcp=tcp)
        assert answer.rcode() == dns.rcode.NOERROR
        assert sorted(t for *_, t in records(answer)) == expected
        assert not all_addresses(answer)
