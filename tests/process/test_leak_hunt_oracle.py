# SPDX-License-Identifier: BSD-3-Clause
"""The oracle of the leak hunt is given forged responses with something wrong
in each place, and has to complain; right ones have to pass."""

import random

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from harness.hunt import wire as w
from harness.hunt.ledger import Ledger
from harness.hunt.names import labels_of, wire_of
from harness.hunt.oracle import Breach, Oracle
from harness.hunt.policies import Policy
from harness.hunt.questions import Name, Question, reverse_of
from harness.hunt.run import cross_check
from harness.hunt.universe import Universe, Zone

MAGIC, MAGIC2, MAGIC6 = "100.64.0.1", "100.64.0.2", "fd25:1::1"
REAL, REAL2, REAL6 = "10.129.0.1", "10.129.0.2", "2001:db8:c25:81::1"
OTHER, OTHER2 = "10.160.0.1", "10.160.0.2"

ZONES = {
    "m.example.": [
        ("host.m", "A", [REAL, REAL2]), ("host.m", "AAAA", [REAL6]),
        ("one.m", "A", [REAL]), ("mixed.m", "A", [REAL, "0.0.0.0"]),
        ("web.m", "HTTPS", [f"1 . ipv4hint={REAL}"]), ("web.m", "A", [REAL]),
        ("chain.m", "CNAME", ["host.u.example."]), ("mx.m", "MX", [
            "10 host.m.example."]), ("bogus.m", "A", ["10.129.0.66"])],
    "u.example.": [
        ("host.u", "A", [OTHER, OTHER2]), ("one.u", "A", [OTHER]),
        ("tom.u", "CNAME", ["host.m.example."]),
        ("swing.u", "A", ["10.144.0.1"])],
    ".": [],
}
SWING = "10.144.0.1"


@pytest.fixture(scope="module")
def judge():
    return Judge()


class Judge:
    """An oracle, and questions and responses for it."""

    def __init__(self):
        self.universe = Universe()
        for origin, records in ZONES.items():
            zone = self.universe.add(Zone(labels_of(origin), None))
            for owner, kind, rdatas in records:
                node = zone.node(labels_of(owner + ".example."))
                node.put(kind, (300, *rdatas))
                node.bogus = owner.startswith("bogus")
        self.universe.addresses = {dns.inet.inet_pton(
            dns.inet.af_for_address(a), a) for a in (
                REAL, REAL2, REAL6, OTHER, OTHER2, SWING, "10.129.0.66")}
        wild = [labels_of("m.example.")]
        self.policies = [
            Policy([], wild, True, 1),
            Policy([labels_of("swing.u.example.")], wild, True, 1),
            Policy([], wild, False, 1)]
        self.names = {}
        for text in ("host.m", "one.m", "mixed.m", "web.m", "chain.m",
                     "mx.m", "bogus.m", "gone.m", "host.u", "one.u", "tom.u",
                     "swing.u"):
            self.name(labels_of(text + ".example."))
        self.oracle = Oracle(self.universe, self.policies, self.names, 300,
                             "unless CD")
        self.oracle.in_force = [0, 1, 2]
        self.ledger = Ledger(self.names)

    def name(self, labels, magic=None):
        made = Name(labels, self.universe, self.policies, random.Random(1),
                    magic)
        self.names[made.wire] = made
        return made

    def question(self, name, kind, qclass=w.IN, flags=w.RD, edns=1232):
        q = Question()
        q.number = 1
        if isinstance(name, Name):
            q.name = name
        else:
            q.name = self.names[wire_of(labels_of(name + ".example."))]
        q.qname = q.name.cases[1]
        q.qtype = int(dns.rdatatype.from_text(kind))
        q.qclass, q.flags, q.edns, q.do = qclass, flags, edns, False
        q.odd, q.transport = "", "tcp"
        message = dns.message.make_query(
            dns.name.from_wire(q.qname, 0)[0], q.qtype, q.qclass,
            use_edns=-1 if edns is None else 0, payload=edns)
        message.flags = flags
        q.wire = message.to_wire()
        return q

    def check(self, q, low=0, high=None, **response):
        return self.oracle.check(q, respond(q, **response), low,
                                 low if high is None else high)


def respond(q, answer=(), authority=(), additional=(), rcode=0, ede=(4,),
            flags=0):
    """Records are "owner ttl type data"; "@" is the name as it was asked."""
    query = dns.message.from_wire(q.wire)
    made = dns.message.make_response(query, True)
    made.flags |= flags
    made.set_rcode(rcode)
    asked = query.question[0].name
    for section, records in ((made.answer, answer),
                             (made.authority, authority),
                             (made.additional, additional)):
        for record in records:
            owner, ttl, kind, data = record.split(None, 3)
            owner = asked if owner == "@" else dns.name.from_text(
                owner + ".example.")
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", kind,
                                               data))
    if query.edns >= 0:
        made.use_edns(0, 0, 1232, options=[dns.edns.EDEOption(c)
                                           for c in ede])
    return made.to_wire()


def a(*addresses, owner="@", ttl=300):
    return [f"{owner} {ttl} {'AAAA' if ':' in x else 'A'} {x}"
            for x in addresses]


GOOD = [
    ("host.m A", {"answer": a(MAGIC, MAGIC2)}),
    ("host.m AAAA", {"answer": a(MAGIC6)}),
    ("mixed.m A", {"answer": a(MAGIC, "0.0.0.0")}),
    ("gone.m A", {"rcode": dns.rcode.NXDOMAIN}),
    ("one.m A", {"rcode": dns.rcode.SERVFAIL, "ede": (0,)}),
    ("one.m AAAA", {}),
    ("web.m HTTPS", {"answer": ["@ 300 HTTPS 1 . alpn=h2"]}),
    ("mx.m MX", {"answer": ["@ 300 MX 10 host.m.example."]}),
    ("host.m ANY", {"answer": ['@ 300 HINFO "RFC8482" ""']}),
    ("host.u A", {"answer": a(OTHER, OTHER2)}),
    ("tom.u A", {"answer": ["@ 300 CNAME host.m.example."]
                 + a(REAL, REAL2, owner="host.m")}),
]

# (question, response, rule that it breaks)
BAD = [
    # ---- a destination in each place
    ("host.m A", {"answer": a(REAL, REAL2)}, "leak"),
    ("host.m AAAA", {"answer": a(REAL6)}, "leak"),
    ("host.m A", {"answer": a(MAGIC, REAL2)}, "leak"),
    ("one.m A", {"answer": a(MAGIC), "authority": a(REAL, owner="x.m")},
     "leak"),
    ("one.m A", {"answer": a(MAGIC), "additional": a(REAL6, owner="x.m")},
     "leak"),
    ("mx.m MX", {"answer": ["@ 9 MX 1 host.m.example."], "additional": a(
        REAL, owner="host.m")}, "leak"),
    ("mx.m MX", {"answer": ["@ 9 MX 1 host.m.example."], "additional": a(
        OTHER, owner="host.u")}, "leak"),
    ("mx.m MX", {"answer": ["@ 9 MX 1 host.m.example."], "additional": a(
        "10.129.9.9", owner="host.m")}, "leak"),
    ("web.m HTTPS", {"answer": [f"@ 9 HTTPS 1 . ipv4hint={REAL}"]}, "leak"),
    ("web.m HTTPS", {"answer": [f"@ 9 HTTPS 1 . ipv6hint={REAL6}"]}, "leak"),
    ("web.m SVCB", {"answer": [f"@ 9 SVCB 1 . ipv4hint={REAL}"]}, "leak"),
    ("web.m HTTPS", {"additional": [f"x 9 HTTPS 1 . ipv4hint={REAL}"]},
     "leak"),
    ("mx.m TYPE65280", {"answer": ["@ 300 TYPE65280 \\# 5 000a810001"]},
     "leak"),
    ("mx.m TYPE65280", {"answer": [
        "@ 9 TYPE65280 \\# 17 0020010db80c2500810000000000000001"]}, "leak"),
    ("host.m A class 65300", {"answer": a(REAL, REAL2)}, "leak"),
    ("host.m A class 255", {"answer": a(REAL)}, "leak"),
    ("host.m A", {"rcode": dns.rcode.SERVFAIL, "answer": a(REAL)}, "leak"),
    ("host.m ANY", {"answer": a(REAL, REAL2)}, "leak"),
    ("chain.m A", {"answer": ["@ 300 CNAME host.u.example."]
                   + a(OTHER, OTHER2, owner="host.u")}, "leak"),
    # ---- a magic IP for a name that is not matched
    ("host.u A", {"answer": a(MAGIC)}, "foreign"),
    ("tom.u A", {"answer": ["@ 300 CNAME host.m.example."]
                 + a(MAGIC, owner="host.m")}, "foreign"),
    ("host.u MX", {"additional": a(MAGIC6, owner="host.m")}, "foreign"),
    ("host.u HTTPS", {"answer": [f"@ 9 HTTPS 1 . ipv4hint={MAGIC}"]},
     "foreign"),
    # ---- other than the zones have it
    ("host.u A", {"answer": a(OTHER)}, "unreal"),
    ("host.u A", {"answer": a(REAL)}, "unreal"),
    ("host.u A", {"answer": a("10.160.9.9")}, "unreal"),
    # ---- DESIGN 4.3
    ("chain.m A", {"answer": ["@ 300 CNAME host.u.example."]}, "shape"),
    ("chain.m AAAA", {"answer": ["@ 300 CNAME host.u.example."]}, "shape"),
    ("chain.m HTTPS", {"answer": ["@ 300 CNAME host.u.example."]}, "shape"),
    ("host.m A", {"answer": a(MAGIC, MAGIC2, ttl=301)}, "shape"),
    ("host.m A", {"answer": a(MAGIC) + a(MAGIC2, ttl=20)}, "shape"),
    ("host.m A", {"answer": a(MAGIC, MAGIC2), "flags": dns.flags.AD},
     "shape"),
    ("host.m A", {"answer": a(MAGIC, MAGIC2), "ede": ()}, "shape"),
    ("host.m A", {"answer": a(MAGIC, MAGIC2), "authority": [
        "m 300 NS ns.u.example."]}, "shape"),
    ("host.m A", {"answer": a(MAGIC), "rcode": dns.rcode.NXDOMAIN}, "shape"),
    ("host.m A", {}, "shape"),
    ("host.m A", {"rcode": dns.rcode.NXDOMAIN}, "shape"),
    ("web.m HTTPS", {"answer": ["@ 300 HTTPS 0 host.u.example."]}, "shape"),
    ("web.m HTTPS", {"answer": ["@ 300 HTTPS 1 host.u.example."]}, "shape"),
    ("host.m ANY", {"answer": ['@ 300 TXT "everything"']}, "shape"),
    ("host.m A", {"rcode": dns.rcode.REFUSED, "answer": a(MAGIC)}, "shape"),
    # ---- and
    ("bogus.m A", {"answer": a(MAGIC)}, "bogus"),
]


def parsed(judge, text):
    words = text.split()
    return judge.question(words[0], words[1], int(words[3])
                          if len(words) > 2 else w.IN)


@pytest.mark.parametrize("question, response", GOOD)
def test_what_is_right_passes(judge, question, response):
    judge.check(parsed(judge, question), **response)


@pytest.mark.parametrize("question, response, rule", BAD)
def test_what_is_wrong_is_found(judge, question, response, rule):
    with pytest.raises(Breach) as found:
        judge.check(parsed(judge, question), **response)
    assert found.value.rule == rule, found.value


def test_owner_in_another_case_is_found(judge):
    q = judge.question("host.m", "A")
    data = respond(q, a(MAGIC)).replace(b"\xc0\x0c", q.name.wire, 1)
    assert q.qname != q.name.wire
    with pytest.raises(Breach) as found:
        judge.oracle.check(q, data, 0, 0)
    assert found.value.rule == "shape"


def test_while_a_policy_changes_either_is_right_but_no_mixture(judge):
    q = judge.question("swing.u", "A")
    judge.check(q, 0, 1, answer=a(SWING), ede=())
    judge.check(q, 0, 1, answer=a(MAGIC))
    judge.check(q, 0, answer=a(SWING), ede=())
    judge.check(q, 1, answer=a(MAGIC))
    for low, high, answer in [(0, 1, a(MAGIC, SWING)), (1, 1, a(SWING)),
                              (0, 0, a(MAGIC)), (1, 2, a(MAGIC, OTHER))]:
        with pytest.raises(Breach):
            judge.check(q, low, high, answer=answer)


def test_without_a_pool_there_is_no_data(judge):
    q = judge.question("host.m", "AAAA")
    judge.check(q, 2)
    for answer in a(MAGIC6), a(REAL6):
        with pytest.raises(Breach):
            judge.check(q, 2, answer=answer)


def test_failures_without_a_reason_are_counted(judge):
    before = judge.oracle.failures()
    judge.check(judge.question("bogus.m", "A"), rcode=dns.rcode.SERVFAIL)
    judge.check(judge.question("host.m", "A"), rcode=dns.rcode.SERVFAIL,
                ede=(0,))               # of the module itself
    assert judge.oracle.failures() == before
    for edns, ede in (None, ()), (1232, ()), (1232, (9,)):
        judge.check(judge.question("host.m", "A", edns=edns), ede=ede,
                    rcode=dns.rcode.SERVFAIL)
    assert judge.oracle.failures() == before + 3


# ---- form -------------------------------------------------------------------

def test_another_question_is_found(judge):
    q = judge.question("host.m", "A")
    for other in (judge.question("one.m", "A"), judge.question("host.m",
                                                               "AAAA"),
                  judge.question("host.m", "A", 3)):
        with pytest.raises(Breach) as found:
            judge.oracle.check(q, respond(other), 0, 0)
        assert found.value.rule == "form"


@pytest.mark.parametrize("change", [
    lambda m: m[:-1], lambda m: m + b"\0", lambda m: m[:11],
    lambda m: m[:4] + b"\0\2" + m[6:],          # two questions
    lambda m: m[:6] + b"\0\3" + m[8:],          # more answers than there are
    lambda m: m.replace(b"\xc0\x0c", b"\xc0\xff", 1),
    lambda m: m.replace(b"\xc0\x0c", b"\xc0\x02", 1),
    lambda m: m.replace(b"\xc0\x0c", b"\x80\x0c", 1),
    lambda m: bytes([m[0], m[1], m[2] & 0x7f]) + m[3:],
])
def test_malformed_messages_are_found(judge, change):
    q = judge.question("host.m", "A")
    good = respond(q, a(MAGIC, MAGIC2))
    judge.oracle.check(q, good, 0, 0)
    with pytest.raises(Breach) as found:
        judge.oracle.check(q, change(good), 0, 0)
    assert found.value.rule == "form"


def test_parser_survives_everything_and_agrees_with_dnspython(judge):
    rng = random.Random(1)
    q = judge.question("web.m", "HTTPS")
    whole = respond(q, [f"@ 300 HTTPS 1 . alpn=h2 ipv4hint={REAL}",
                        "@ 300 CNAME a.b.m.example."],
                    ["m 300 SOA a.m. b.m. 1 2 3 4 5"],
                    a(REAL, REAL6, owner="x.m") + ["y.m 9 SRV 1 2 3 x.m."])
    cross_check(w.parse(whole))
    good = 0
    for _ in range(20000):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            w.parse(bytes(data[:rng.randint(0, len(data))]
                          if rng.random() < 0.3 else data))
            good += 1
        except w.Malformed:
            pass
    assert 0 < good < 20000


# ---- reverse names ----------------------------------------------------------

def reverse(judge):
    packed = dns.inet.inet_pton(dns.inet.AF_INET, MAGIC)
    return judge.question(judge.name(reverse_of(packed), packed), "PTR")


@pytest.mark.parametrize("response, good", [
    ({"answer": ["@ 60 PTR host.m.example."]}, True),
    ({"rcode": dns.rcode.NXDOMAIN}, True),
    ({"answer": ["@ 60 PTR leaked.u.example."]}, False),
    ({"answer": ["@ 301 PTR host.m.example."]}, False),
    ({"answer": ["@ 60 PTR host.m.example.", "@ 60 PTR one.m.example."]},
     False),
    ({"answer": ["@ 60 PTR host.m.example."],
      "additional": a(MAGIC, owner="host.m")}, False),
    ({}, False),
])
def test_reverse_names(judge, response, good):
    q = reverse(judge)
    if good:
        judge.check(q, **response)
    else:
        with pytest.raises(Breach):
            judge.check(q, **response)


# ---- the ledger -------------------------------------------------------------

class Story:
    """Answers at times, and what the table has."""

    def __init__(self):
        self.judge = Judge()
        self.ledger = self.judge.ledger

    def given(self, name, *magic, kind="A", asked=0.0, now=0.1):
        q = self.judge.question(name, kind)
        msg, found, others = self.judge.check(q, answer=a(*magic))
        self.ledger.saw(q, msg, found, others, asked, now)

    def reverse(self, target, asked, now):
        q = reverse(self.judge)
        data = respond(q, [f"@ 60 PTR {target}.example."]) if target else \
            respond(q, rcode=dns.rcode.NXDOMAIN)
        self.ledger.check_reverse(q, self.judge.oracle.check(q, data, 0, 0)
                                  [0], asked, now)

    def table(self, *rows, asked=1.0):
        self.ledger.compare("".join(
            f"{domain}.example {destination} {magic} 169.254.0.1 app c "
            "ready 60\n" for domain, destination, magic in rows), asked)


def breach(rule, call, *arguments, **options):
    with pytest.raises(Breach) as found:
        call(*arguments, **options)
    assert found.value.rule == rule, found.value


GIVEN = [("host.m", REAL, MAGIC), ("host.m", REAL2, MAGIC2)]


def test_table_that_agrees_passes():
    story = Story()
    story.given("host.m", MAGIC, MAGIC2)
    story.table(*GIVEN)
    story.table(*GIVEN, asked=2.0)
    assert story.ledger.proven == 2


@pytest.mark.parametrize("rows", [
    [], GIVEN[:1], [GIVEN[0], ("one.m", REAL2, MAGIC2)],
    [GIVEN[0], ("host.m", OTHER, MAGIC2)],
    [GIVEN[0], ("host.m", REAL, MAGIC2)]])
def test_table_that_contradicts_is_found(rows):
    story = Story()
    story.given("host.m", MAGIC, MAGIC2)
    breach("table", story.table, *rows)


def test_part_of_the_addresses_is_found():
    story = Story()
    story.given("host.m", MAGIC)
    breach("table", story.table, *GIVEN)


def test_magic_ip_of_two_names_is_found():
    story = Story()
    story.given("host.m", MAGIC, MAGIC2)
    breach("shared", story.given, "one.m", MAGIC, asked=100, now=101)
    story.given("one.m", MAGIC2, asked=181, now=182)


def test_magic_ip_twice_in_the_table_is_found():
    breach("shared", Story().table, GIVEN[0], ("one.m", REAL, MAGIC))


def test_other_magic_ip_for_the_same_is_found():
    story = Story()
    story.given("one.m", MAGIC)
    story.table(("one.m", REAL, MAGIC))
    breach("changed", story.table, ("one.m", REAL, MAGIC2), asked=59)
    story = Story()
    story.given("one.m", MAGIC)
    story.table(("one.m", REAL, MAGIC))
    story.table(("one.m", REAL, MAGIC2), asked=61)


def test_reverse_of_what_was_given_out():
    story = Story()
    story.given("host.m", MAGIC, MAGIC2)
    story.reverse("host.m", 0.2, 0.3)
    story.reverse("one.m", 0.05, 0.3)       # asked before it was known
    story.reverse(None, 60.0, 60.5)         # the lease may be over
    breach("reverse", story.reverse, "one.m", 0.2, 0.3)
    breach("reverse", story.reverse, None, 0.2, 0.3)
