# SPDX-License-Identifier: BSD-3-Clause
"""Ways around the rule (DESIGN 4.1) that a review found."""

import os

import dns.rcode

from harness.ask import addresses
from harness.conn25 import is_destination
from harness.wait import wait_for

LOCK = 92       # offsetof(struct c25_prefix_d, lock)


def write_zone(fresh_dir, text):
    path = os.path.join(fresh_dir, "auth.zone")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


ZONE = """$ORIGIN authy.example.
$TTL 3600
@ SOA ns.ops.example. hostmaster.ops.example. 1 3600 600 86400 60
@ NS ns.ops.example.
in A 10.1.9.9
alias CNAME in
"""


def test_auth_zone_leaves_no_real_answer_behind(fresh):
    """A zone that Unbound itself holds is read without any query to a
    server: its messages may not get under a matched name's public key."""
    from harness.conn25 import APPS
    apps = APPS + [{"name": "auth", "domains": ["in.authy.example"],
                    "connectors": ["tag:office"],
                    "destinations": ["10.0.0.0/8"]}]
    world = fresh(client={"apps": apps}, start=("connector", "client"))
    path = write_zone(world.unbound.dir, ZONE)
    with open(world.unbound.conf, "a", encoding="ascii") as file:
        file.write(f"auth-zone:\n\tname: authy.example\n\tzonefile: {path}\n"
                   "\tfor-downstream: no\n\tfor-upstream: yes\n")
    world.unbound.start()
    world.wait_attached()
    for options in ({}, {"cd": True}):
        for _ in range(3):
            real = world.ask("alias.authy.example", "A", **options)
            assert addresses(real) == ["10.1.9.9"]
            found = addresses(world.ask("in.authy.example", "A", **options))
            assert found and not any(map(is_destination, found)), found


def test_lock_that_nobody_gives_back_does_not_stop_unbound(fresh):
    """The word of the lock says that conn25d has it, which doesn't; or one
    that is not there, which is noticed at once."""
    world = fresh()
    magic = world.magic("wiki.corp.example")
    with open(os.path.join(world.client.run_dir, "table"), "r+b") as file:
        def lock(number):
            file.seek(LOCK)
            assert file.read(4) == bytes(4), "LOCK is not where the lock is"
            file.seek(LOCK)
            file.write(number.to_bytes(4, "little"))
            file.flush()
        lock(1)
        for name in ("v4", "deep.a.b", "long"):
            answer = world.ask(f"{name}.wiki.corp.example", "A")
            assert answer.rcode() == dns.rcode.SERVFAIL
        for _ in range(8):
            found = addresses(world.ask("host.plain.example", "A"))
            assert found == ["192.0.2.2"]
            assert world.magic("wiki.corp.example") == magic
        file.seek(LOCK)
        file.write(bytes(4))
        file.flush()
        wait_for(lambda: addresses(world.ask("v4.wiki.corp.example", "A")),
                 "a magic IP once the lock is free", 30)
        lock(200)
        world.magic("deep.a.b.wiki.corp.example")
