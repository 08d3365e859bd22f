# SPDX-License-Identifier: BSD-3-Clause
"""The leak hunt: a seeded random client, and an oracle that judges every
response by itself.

wire.py       a strict and fast parser of DNS messages
names.py      names as bytes and as text
universe.py   zones of a seed, and what a resolver may find in them
sketch.py     which records and shapes of chains a universe has
policies.py   which names are matched, and by which of several policies
questions.py  what the client asks
oracle.py     the rules a response has to keep
ledger.py     who was given which magic IP, and what the table says of it
lanes.py      UDP, TCP, DNS over TLS and over HTTPS
schedule.py   what happens meanwhile: reloads, deaths, changed records
programs.py   the programs of a hunt
strict.py     what is known to be wrong
trap.py       what is sent to magic IPs
run.py        the client itself
pair.py       two resolvers asked the same
"""
