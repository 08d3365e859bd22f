# SPDX-License-Identifier: BSD-3-Clause
"""An HTTPS or SVCB record whose TargetName is neither "." nor the queried
name, and every one in AliasMode, would lead the client to a name that is not
matched: it is dropped, and those beside it stay (DESIGN 4.3, RFC 9460 2.4)."""

import dns.rcode
import pytest

from harness.ask import all_addresses, records

DOMAIN = "targets.example"


@pytest.fixture(scope="module")
def world(scenario_for_all):
    return scenario_for_all(f"*.{DOMAIN}", unbound={
        "extra": "minimal-responses: no"})


@pytest.mark.parametrize("name, kind, expected", [
    ("alias", "HTTPS", []),
    ("selfalias", "HTTPS", []),
    ("nowhere", "HTTPS", []),
    ("other", "HTTPS", []),
    ("matched", "HTTPS", []),       # that has other addresses
    ("mixed", "HTTPS", ["1 . alpn=\"h2\"", "3 mixed.targets.example."]),
    ("_8443._https.mixed", "HTTPS", []),
    ("_dns", "SVCB", ["2 . alpn=\"dot\""]),
    ("_alias", "SVCB", []),
])
@pytest.mark.parametrize("options", [{}, {"do": True}, {"cd": True}],
                         ids=["plain", "do", "cd"])
def test(world, name, kind, expected, options):
    # The additional section has what a target leads to, without us.
    for target in "web.cdn.example", f"v4.{DOMAIN}":
        world.ask(target, "A")
    for tcp in False, True, False:
        answer = world.ask_safely(f"{name}.{DOMAIN}", kind, tcp=tcp,
                                  **options)
        assert answer.rcode() == dns.rcode.NOERROR
        assert sorted(t.lower() for *_, t in records(answer)) == expected
        assert not all_addresses(answer)
        assert not answer.additional


def test_unmatched_name_keeps_all_of_it(world):
    answer = world.ask("host.plain.example", "HTTPS")
    assert {"192.0.2.2", "2001:db8:2::2"} == set(map(
        str, all_addresses(answer)))
