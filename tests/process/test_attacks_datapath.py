# SPDX-License-Identifier: BSD-3-Clause
"""Attacks on the shared memory that are to reach the kernel: an assignment
that is translated is given an address of no pool, so that what this host sends
to somebody else, or to itself, would go to a connector, or what clients send
would go to somebody else. harness/overlay.py draws the hosts."""

import contextlib
import ipaddress
import os
import re
import shutil
import socket
import struct

import pytest

from harness import netns
from harness.overlay import NAMES, Net, fetch
from harness.sharedtable import Table
from harness.wait import wait_for

REASON = netns.why_not() or (None if shutil.which("nft") else
                             "nft is not installed")
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

SEEN = {4: "10.1.255.2", 6: "2001:db8:1:ff::2"}


@pytest.fixture(scope="module")
def net():
    net = Net("attacks-datapath")
    net.conn25d.process.allow("in no pool")
    yield net
    found = net.close()
    assert not found, "\n".join(found)


class Changes:
    """What is changed in a host's nftables from now on, by whomever."""

    def __init__(self, space):
        with space.enter():
            self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                                      12)       # NETLINK_NETFILTER
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)    # RCVBUFFORCE
        self.sock.bind((0, 1 << 6))             # NFNLGRP_NFTABLES
        self.messages = b""

    def have(self, address):
        """Has it been the key or the value of an element, the end of a range
        or what a rule compares with? What is done is heard of at once."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.messages += self.sock.recv(1 << 20, socket.MSG_DONTWAIT)
        packed = ipaddress.ip_address(address).packed
        # an attribute NFTA_DATA_VALUE
        return struct.pack("=HH", 4 + len(packed), 1) + packed in self.messages

    def close(self):
        self.sock.close()


def reloaded(net):
    net.conn25d.reload()


def started_again(net):
    net.conn25d.process.kill()
    net.start(net.client, net.conn25d)


@pytest.mark.parametrize("how", [reloaded, started_again],
                         ids=lambda how: how.__name__)
@pytest.mark.parametrize("family, field, address", [
    (4, "magic", "8.8.8.8"), (4, "magic", "10.9.0.1"),
    (4, "transit", "8.8.8.8"), (6, "magic", "2001:4860:4860::8888"),
    (6, "magic", "fd09::1"), (6, "transit", "2001:4860:4860::8888")])
def test_addresses_of_no_pool_are_not_translated(net, how, family, field,
                                                 address):
    """Not for a moment; the name gets other addresses, which are."""
    name = NAMES[family]
    magic = net.magic(name, family)
    assert fetch(net.client, magic, "/who").decode() == SEEN[family]
    table = Table(os.path.join(net.conn25d.run_dir, "table"))
    with contextlib.closing(Changes(net.client)) as changes:
        table.write_over(magic, field, address)
        how(net)
        wait_for(lambda: name not in {a.domain for a in
                                      net.conn25d.assignments()},
                 "the assignment to end")
        again = net.magic(name, family)
        assert again != magic
        assert fetch(net.client, again, "/who").decode() == SEEN[family]
        assert changes.have(again)
        assert not changes.have(address)
    rules = net.client.nft("list", "ruleset")
    assert address not in re.findall(r"[0-9a-f.:]{3,}", rules)
    for connector in net.connectors.values():
        assert address not in connector.control("list_mappings").split()
