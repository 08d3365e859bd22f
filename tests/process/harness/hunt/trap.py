# SPDX-License-Identifier: BSD-3-Clause
"""Sees what Unbound sends to magic IPs. It must not send anything: a lookup of
its own that meets a magic IP takes it for the address of a server."""

import ctypes
import ipaddress
import socket
import struct
import subprocess

from .policies import POOLS_V4, POOLS_V6

ROUTES = POOLS_V4["v4MagicIPPool"] + POOLS_V6["v6MagicIPPool"]

SO_ATTACH_FILTER = 26
# Of an Ethernet frame: IPv4 to 100.64.0.0/16, or IPv6 to fd25:1::/32. Each is
# (code, jump if true, jump if false, value), see <linux/filter.h>.
PROGRAM = [(0x28, 0, 0, 12),            # the type of the frame
           (0x15, 0, 2, 0x0800),
           (0x28, 0, 0, 14 + 16),       # where it goes to
           (0x15, 3, 4, 0x6440),
           (0x15, 0, 3, 0x86dd),
           (0x20, 0, 0, 14 + 24),
           (0x15, 0, 1, 0xfd250001),
           (0x06, 0, 0, 0xffff),        # take it
           (0x06, 0, 0, 0)]             # leave it


class Trap:
    """In a network namespace of our own, as root."""

    def __init__(self):
        for route in ROUTES:
            subprocess.run(["ip", "route", "replace", "local", route, "dev",
                            "lo"], check=True)
        code = b"".join(struct.pack("HBBI", *step) for step in PROGRAM)
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.sock.setblocking(False)
        buffer = ctypes.create_string_buffer(code)
        self.sock.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER,
            struct.pack("HP", len(PROGRAM), ctypes.addressof(buffer)))
        self.sock.bind(("lo", 3))       # ETH_P_ALL

    def caught(self):
        """The address that something was sent to, or None."""
        try:
            frame = self.sock.recv(65535)
        except BlockingIOError:
            return None
        address = frame[30:34] if frame[12:14] == b"\x08\0" else frame[38:54]
        return str(ipaddress.ip_address(address))

    def close(self):
        self.sock.close()
        for route in ROUTES:
            subprocess.run(["ip", "route", "del", "local", route, "dev",
                            "lo"], check=True)
