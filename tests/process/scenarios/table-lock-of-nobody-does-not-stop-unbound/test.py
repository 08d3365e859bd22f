# SPDX-License-Identifier: BSD-3-Clause
"""The word of the table's lock says that somebody holds it, who never gives it
back: new names get SERVFAIL, all others are answered, and it ends with its
cause. A holder that is not there is noticed at once (DESIGN 4.1, 6)."""

import os

from harness import check
from harness.ask import addresses
from harness.wait import wait_for

LOCK = 92       # offsetof(struct c25_prefix_d, lock)


def test(fresh):
    world = fresh()
    magic = world.magic("wiki.corp.example")
    with open(os.path.join(world.client.run_dir, "table"), "r+b") as file:
        def lock(number):
            file.seek(LOCK)
            assert file.read(4) == bytes(4), "LOCK is not where the lock is"
            file.seek(LOCK)
            file.write(number.to_bytes(4, "little"))
            file.flush()
        lock(1)                 # conn25d's
        for name in "v4", "deep.a.b":
            check.servfail(world.ask_safely(f"{name}.wiki.corp.example"))
        for _ in range(8):
            found = addresses(world.ask("host.plain.example"))
            assert found == ["192.0.2.2"]
            assert world.magic("wiki.corp.example") == magic
        file.seek(LOCK)
        file.write(bytes(4))
        file.flush()
        wait_for(lambda: addresses(world.ask_safely("v4.wiki.corp.example")),
                 "a magic IP once the lock is free", 30)
        lock(200)               # of nobody
        world.magic("deep.a.b.wiki.corp.example")
