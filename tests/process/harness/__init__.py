# SPDX-License-Identifier: BSD-3-Clause
"""Starts the real programs on loopback and asks them questions.

process.py   one program and its log; the keeper that stops them all
zones.py     the DNS data of all scenarios
nsd.py       the authoritative server
wiretap.py   a forwarder before it that notes each query
unbound.py   the resolver with our module
conn25.py    conn25d, conn25-control and conn25-checkconf
ask.py       asking, comparing and reading DNS messages
flood.py     asking very many, each timed
fake.py      a connector that the test plays
hostile.py   one that does not keep to HTTP
relay.py     a way to a connector that takes its time
blackhole.py a way to a connector that leads nowhere
world.py     all of these together
"""
