# SPDX-License-Identifier: BSD-3-Clause
"""The policies that a hunt changes between: which names are matched, and the
configuration that says so."""

from .names import text_of
from .universe import EXCLUDED

POOLS_V4 = {"v4MagicIPPool": ["100.64.0.0/16"],
            "v4TransitIPPool": ["169.254.0.0/17"]}
POOLS_V6 = {"v6MagicIPPool": ["fd25:1::/64"],
            "v6TransitIPPool": ["fd25:2::/64"]}


class Policy:
    def __init__(self, exact, wild, v6, spread):
        self.exact = set(exact)
        self.wild = set(wild)
        self.v6 = v6                    # has pools for it
        self.spread = spread            # how many apps share the domains

    def matches(self, labels):
        """DESIGN 4.2."""
        return labels in self.exact or any(
            labels[i:] in self.wild for i in range(len(labels)))

    def apps(self):
        domains = sorted([text_of(n).rstrip(".") for n in self.exact]
                         + ["*." + text_of(n).rstrip(".")
                            for n in self.wild])
        return [{"name": f"app{i}", "connectors": ["*"],
                 "domains": domains[i::self.spread]}
                for i in range(self.spread)]

    def config(self, max_ttl):
        """What differs from harness.conn25.client_config()."""
        return {
            "apps": self.apps(),
            "pools": {**POOLS_V4, **(POOLS_V6 if self.v6 else {})},
            "dns": {"maxTTL": max_ttl, "exclude": list(EXCLUDED)},
        }


def of_sketch(sketch, rng, count=6):
    """The first has all that swings off, the second on, the rest some."""
    def policy(chance, v6=True):
        return Policy(
            sketch.exact + [n for n in sketch.swing_exact
                            if rng.random() < chance],
            sketch.wild + [n for n in sketch.swing_wild
                           if rng.random() < chance],
            v6, rng.randint(1, 5))
    return [policy(0), policy(1)] + [
        policy(0.5, rng.random() < 0.8) for _ in range(count - 2)]
