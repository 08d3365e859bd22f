# SPDX-License-Identifier: BSD-3-Clause
"""Addresses whose packets get lost, without a word to anybody: nftables, in
the network namespace that is the tests' own."""

import os
import shutil
import subprocess

RULES = """
table inet c25test {
	set gone {
		type ipv4_addr
	}
	chain in {
		type filter hook input priority 0
		ip daddr @gone drop
		ip saddr @gone drop
	}
}
"""


def possible():
    return bool(os.environ.get("CONN25_TEST_NETNS") and shutil.which("nft"))


def _nft(text):
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def swallow(address):
    """From now on nothing gets there, and nothing from there."""
    if subprocess.run(["nft", "list", "table", "inet", "c25test"],
                      capture_output=True, check=False).returncode != 0:
        _nft(RULES)
    _nft(f"add element inet c25test gone {{ {address} }}\n")


def release(address):
    _nft(f"delete element inet c25test gone {{ {address} }}\n")
