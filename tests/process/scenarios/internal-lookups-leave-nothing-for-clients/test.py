# SPDX-License-Identifier: BSD-3-Clause
"""What Unbound learns of a matched name while it resolves another one (a
CNAME's target, a step of query name minimisation, an address that comes along
with NS or MX) is not under the key that a client's question has (DESIGN 3
"Internal lookups")."""

import dns.rcode
import pytest

from harness.ask import addresses
from harness.conn25 import is_magic

DOMAIN = "learnt.example"
MATCHED = ["host", "mail", "ns", "a.b.host", "target"]


@pytest.fixture(scope="module", params=["dynlib validator iterator",
                                        "dynlib iterator"])
def modules(request):
    return request.param


@pytest.fixture(scope="module", params=["yes", "no", "strict"])
def world(scenario_for_all, modules, request):
    extra = {"yes": "qname-minimisation: yes", "no": "qname-minimisation: no",
             "strict": "qname-minimisation: yes\n"
                       "qname-minimisation-strict: yes"}[request.param]
    return scenario_for_all(*(f"{name}.{DOMAIN}" for name in MATCHED),
                            unbound={"module": modules, "extra": extra
                                     + "\nminimal-responses: no"})


@pytest.mark.parametrize("name, kind", [
    ("foo.host", "TXT"),        # below an exact domain: a minimised
    ("x.y.a.b.host", "A"),      # query asks for that
    ("foo.host", "AAAA"),
    ("missing.host", "A"),
    ("alias", "A"),             # its CNAME leads to one
    ("alias", "AAAA"),
    ("alias", "MX"),
    ("twice", "A"),
    ("x.wild", "A"),
    ("host.old", "A"),
    ("", "MX"),                 # comes with the address of one
    ("", "NS"),
    ("mx", "MX"),
    ("srv", "SRV"),
    ("alias", "ANY"),
])
@pytest.mark.parametrize("how", [{}, {"cd": True}, {"do": True}],
                         ids=["plain", "cd", "do"])
def test(world, name, kind, how):
    world.unbound.control("flush_zone", DOMAIN)
    world.ask(f"{name}.{DOMAIN}".lstrip("."), kind, **how)
    for matched in MATCHED:
        for options in {"cd": True}, {"do": True, "cd": True}, {}:
            for rdtype in "A", "AAAA":
                answer = world.ask_safely(f"{matched}.{DOMAIN}", rdtype,
                                          **options)
                assert answer.rcode() == dns.rcode.NOERROR
                found = addresses(answer)
                assert found and all(map(is_magic, found))
