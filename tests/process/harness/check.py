# SPDX-License-Identifier: BSD-3-Clause
"""What must hold of an answer, where several scenarios say the same."""

import dns.flags
import dns.rcode

from .ask import ede_codes, records
from .conn25 import is_magic

FORGED = 4              # Extended DNS Errors, RFC 8914
DNSSEC_BOGUS = 6
MAX_TTL = 300           # dns.maxTTL by default


def rewritten(answer, qname, rdtype, count):
    """Everything that DESIGN 4.3 says of an answer with magic IPs."""
    assert answer.rcode() == dns.rcode.NOERROR, answer
    found = records(answer)
    assert len(found) == count, answer
    for owner, kind, ttl, text in found:
        assert owner.rstrip(".") == qname.rstrip("."), answer
        assert kind == rdtype, answer
        assert is_magic(text), answer
        assert 0 <= ttl <= MAX_TTL, answer
    assert len({text for *_, text in found}) == count, "one IP twice"
    assert not answer.authority and not answer.additional, answer
    assert not answer.flags & (dns.flags.AD | dns.flags.AA), answer
    assert answer.flags & dns.flags.RA, answer
    if answer.edns >= 0:
        assert FORGED in ede_codes(answer), answer


def no_data(answer):
    """NOERROR and nothing: also no CNAME, which a client would follow."""
    assert answer.rcode() == dns.rcode.NOERROR, answer
    assert not answer.answer, answer


def servfail(answer):
    """A failure, with nothing in it, and a reason for who speaks EDNS."""
    assert answer.rcode() == dns.rcode.SERVFAIL, answer
    assert not (answer.answer or answer.authority or answer.additional), \
        answer
    if answer.edns >= 0:
        assert ede_codes(answer), answer
