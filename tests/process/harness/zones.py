# SPDX-License-Identifier: BSD-3-Clause
"""The DNS data of all scenarios, made at run time.

corp.example     what the policy matches: wiki.corp.example and all below
bulk.example     a thousand names, matched
flood.example    any name at all, for tests that match it
signed.example   signed with a key made at run time; secure.* is matched
plain.example    never matched
cdn.example      where CNAMEs lead, never matched

and the zones of the scenarios, see of_scenarios().
"""

import glob
import os
import re
import subprocess

BULK_NAMES = 1100


def head(origin, server="ns.ops.example."):
    return (f"$ORIGIN {origin}\n$TTL 3600\n"
            f"@ SOA ns.ops.example. hostmaster.ops.example."
            f" 1 3600 600 86400 60\n"
            f"@ NS {server}\n")


CORP = """
wiki            A       10.1.0.1
wiki            A       10.1.0.2
wiki            AAAA    2001:db8:1::1
wiki            AAAA    2001:db8:1::2
wiki            MX      10 mail.wiki
wiki            TXT     "words, not addresses"
wiki            CAA     0 issue "ca.example"
_sip._tcp.wiki  SRV     1 2 5060 mail.wiki
mail.wiki       A       10.1.0.9
mail.wiki       AAAA    2001:db8:1::9
@               NS      ns.wiki
ns.wiki         A       10.1.0.53
ns77.wiki       A       10.1.0.77

v4.wiki         A       10.1.0.3
v6.wiki         AAAA    2001:db8:1::3
nodata.wiki     TXT     "neither A nor AAAA"
deep.a.b.wiki   A       10.1.0.40
short.wiki      2 A     10.1.0.50
long.wiki       86400 A 10.1.0.51
zero.wiki       0 A     10.1.0.52

chain.wiki      120     CNAME c1.cdn.example.
loose.wiki      CNAME   nowhere.cdn.example.
tonodata.wiki   CNAME   nodata.cdn.example.
inner.wiki      CNAME   v4.wiki

nought.wiki     A       0.0.0.0
nought.wiki     AAAA    ::
mixed.wiki      A       0.0.0.0
mixed.wiki      A       10.1.0.20
local.wiki      A       127.0.0.1
meta.wiki       A       169.254.169.254

web.wiki        A       10.1.0.30
web.wiki        HTTPS   1 . alpn=h2 ipv4hint=10.1.0.30 ipv6hint=2001:db8:1::30
web.wiki        HTTPS   2 web.wiki alpn=h3 port=8443 ipv4hint=10.1.0.30
web.wiki        HTTPS   3 c2.cdn.example. alpn=h3 ipv4hint=10.1.1.1
alias.wiki      HTTPS   0 c2.cdn.example.
_dns.wiki       SVCB    1 . alpn=dot ipv6hint=2001:db8:1::31
chainweb.wiki   CNAME   web.cdn.example.

added           A       10.1.2.1
other           A       10.1.3.1
other           MX      10 mail.wiki
"""

CDN = """
c1              30  CNAME   c2
c2              200 A       10.1.1.1
c2              200 A       10.1.1.2
c2              200 AAAA    2001:db8:1:1::1
nodata          TXT     "no address here"
web             HTTPS   1 . alpn=h2 ipv4hint=10.1.1.30
web             A       10.1.1.30
"""

# Every RRset here has one record, so that no order can vary.
PLAIN = """
@               A       192.0.2.1
@               AAAA    2001:db8:2::1
@               MX      10 mail
@               TXT     "v=spf1 -all"
@               CAA     0 issue "ca.example"
host            A       192.0.2.2
host            AAAA    2001:db8:2::2
host            MX      10 mail
host            TXT     "one string" "and another"
host            SRV     1 2 80 mail
host            CAA     0 iodef "mailto:ca@plain.example"
host            HTTPS   1 . alpn=h2 ipv4hint=192.0.2.2 ipv6hint=2001:db8:2::2
host            PTR     elsewhere.plain.example.
host            NAPTR   100 10 "u" "E2U+sip" "!^.*$!sip:a@plain.example!" .
host            TLSA    3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
host            SSHFP   4 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
host            LOC     52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
host            TYPE65280 \\# 4 0a000001
mail            A       192.0.2.3
mail            AAAA    2001:db8:2::3
alias           CNAME   host
alias2          CNAME   alias
out             CNAME   c1.cdn.example.
tomatched       CNAME   v4.wiki.corp.example.
loose           CNAME   nowhere
*.wild          A       192.0.2.4
*.wild          TXT     "any name"
old             DNAME   new.plain.example.
host.new        A       192.0.2.5
big             TXT     {big}
_sip._tcp       SRV     1 2 5060 mail
wiki            A       192.0.2.6
xn--bcher-kva   A       192.0.2.7
\\000.odd       TXT     "a zero byte in a label"
nought          A       0.0.0.0
magic           A       100.64.0.1
"""


def _plain():
    # More than one UDP message without EDNS, less than one with it.
    big = " ".join('"' + chr(97 + i) * 200 + '"' for i in range(4))
    return PLAIN.replace("{big}", big)


def bulk_name(number):
    return f"n{number:04d}.bulk.example"


def bulk_addresses(number):
    """The two destinations of a bulk name."""
    return [f"10.2{i}.{number // 250}.{number % 250 + 1}" for i in (0, 1)]


def _bulk():
    return "".join(f"n{n:04d} A {a}\n" for n in range(BULK_NAMES)
                   for a in bulk_addresses(n))


SIGNED = """
host            A       192.0.2.20
host            TXT     "signed and not matched"
alias           CNAME   host
secure          A       10.1.4.1
secure          AAAA    2001:db8:4::1
secure          TXT     "signed and matched"
secure          MX      10 mail.secure
mail.secure     A       10.1.4.9
alias.secure    CNAME   secure
bogus.secure    A       10.1.4.66
bogus           A       10.1.4.66
"""

# Its name server is a matched name, see test_internal.py.
HOSTED = "www A 192.0.2.99\n"

# Unbound tries nothing of this: it must answer for the pool by itself.
REVERSE_MAGIC = "* PTR leaked.plain.example.\n"

REVERSE_PLAIN = "7.8 PTR host.plain.example.\n"

ROOT = """
ns.ops.example. A 127.0.0.1
nothing.example. TXT "keeps example. alive"
"""


def sign(directory, origin, text):
    """Signs a zone; returns (signed text, its DNSKEY as a trust anchor, its
    DS for the zone above)."""
    os.makedirs(directory)
    plain = os.path.join(directory, "unsigned")
    with open(plain, "w", encoding="ascii") as file:
        file.write(text)

    def run(*argv):
        return subprocess.run(argv, cwd=directory, check=True, text=True,
                              capture_output=True).stdout.strip()
    key = run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", origin)
    run("ldns-signzone", "-o", origin, "-f", "signed", "unsigned", key)
    with open(os.path.join(directory, "signed"), encoding="ascii") as file:
        signed = file.read()
    with open(glob.glob(os.path.join(directory, key + ".key"))[0],
              encoding="ascii") as file:
        anchor = file.read().split(";")[0].strip()
    # The signatures are for another address now.
    return (re.sub(r"10\.(\d+)\.4\.66", r"10.\1.4.67", signed), anchor,
            run("ldns-key2ds", "-n", "-2", key + ".key"))


def of_scenarios(directory):
    """The zones beside the scenarios: NAME.zone, or NAME.signed.zone for one
    to be signed, holds what comes after SOA and NS. In a signed one the
    addresses 10.*.4.66 are made bogus. A line "DS-OF ORIGIN" becomes the DS
    of a signed zone below, which is then no trust anchor.

    Returns ({origin: text}, [trust anchor])."""
    zones, signed, anchors, ds = {}, set(), {}, {}
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for path in glob.glob(f"{here}/scenarios/*/*.zone"):
        origin = os.path.basename(path).removesuffix("zone")
        if origin.endswith(".signed."):
            origin = origin.removesuffix("signed.")
            signed.add(origin)
        assert origin not in zones, f"{path}: there is another {origin}"
        with open(path, encoding="ascii") as file:
            zones[origin] = head(origin) + file.read()

    def take_ds(match):
        del anchors[match[1]]
        return ds[match[1]]
    # Zones below come first.
    for origin in sorted(signed, key=lambda o: -o.count(".")):
        text = re.sub(r"^DS-OF (\S+)$", take_ds, zones[origin],
                      flags=re.MULTILINE)
        zones[origin], anchors[origin], ds[origin] = sign(
            os.path.join(directory, origin), origin, text)
    return zones, list(anchors.values())


def make(directory):
    """Returns ({origin: text}, [trust anchor])."""
    signed, anchor, _ = sign(os.path.join(directory, "signed.example."),
                             "signed.example.",
                             head("signed.example.") + SIGNED)
    others, anchors = of_scenarios(directory)
    zones = {
        ".": head(".") + ROOT,
        "corp.example.": head("corp.example.") + CORP
        + "".join(f"many.wiki A 10.3.0.{i}\n" for i in range(1, 41)),
        "hosted.example.": head("hosted.example.") + HOSTED,
        "cdn.example.": head("cdn.example.") + CDN,
        "plain.example.": head("plain.example.") + _plain(),
        "bulk.example.": head("bulk.example.") + _bulk(),
        "flood.example.": head("flood.example.") + "* A 10.30.0.1\n",
        "signed.example.": signed,
        "64.100.in-addr.arpa.": head("64.100.in-addr.arpa.")
        + REVERSE_MAGIC,
        "6.5.in-addr.arpa.": head("6.5.in-addr.arpa.") + REVERSE_PLAIN,
        "d.f.ip6.arpa.": head("d.f.ip6.arpa.") + REVERSE_MAGIC,
    }
    return {**zones, **others}, [anchor, *anchors]
