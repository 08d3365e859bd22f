# SPDX-License-Identifier: BSD-3-Clause
"""Starts the real programs on loopback and asks them questions.

process.py   one program and its log; the keeper that stops them all
zones.py     the DNS data of all scenarios
nsd.py       the authoritative server
wiretap.py   a forwarder before it that notes each query
unbound.py   the resolver with our module
conn25.py    conn25d, conn25-control and conn25-checkconf
ask.py       asking, comparing and reading DNS messages
world.py     all of these together
"""
