# SPDX-License-Identifier: BSD-3-Clause
"""The parts of a table's file, as include/conn25/layout.h has them, for those
who write over them."""

import ipaddress
import struct

SLOT = 192
FIELDS = {"destination": 64, "magic": 80, "transit": 96}


def packed(address):
    return ipaddress.ip_address(address).packed.ljust(16, b"\0")


class Table:
    def __init__(self, path):
        with open(path, "rb") as file:
            prefix = file.read(96)
        _, _, self.size, self.slots, self.registry, self.capacity, _ = \
            struct.unpack_from("<5Q2I", prefix)
        self.path = path

    def part(self, name):
        slots_end = self.slots + SLOT * min(self.capacity, 64)
        return {"prefix": (0, 96), "header": (96, 4096),
                "pools": (200, self.registry),
                "registry": (self.registry, self.registry + 512),
                "pool sets to heads": (self.registry, self.slots),
                "slots": (self.slots, slots_end),
                "slots' links": (self.slots, slots_end),
                "bitmaps": (self.size - (256 << 20),
                            self.size - (256 << 20) + 65536),
                "anything": (0, self.size)}[name]

    def write_over(self, magic, field, address):
        """Gives the assignment that has this magic IP another address."""
        with open(self.path, "r+b", buffering=0) as file:
            for at in range(self.slots, self.slots + SLOT * self.capacity,
                            SLOT):
                file.seek(at + FIELDS["magic"])
                if file.read(16) == packed(magic):
                    file.seek(at + FIELDS[field])
                    file.write(packed(address))
                    return
        raise AssertionError(f"no slot has {magic}")
