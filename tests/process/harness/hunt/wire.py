# SPDX-License-Identifier: BSD-3-Clause
"""A parser of DNS messages that believes nothing and is quick.

parse() either returns the whole message or raises Malformed: every record is
walked, names in it may only point backwards, lengths must fit exactly, and
nothing may follow the last record. It knows the types that can lead somewhere
(addresses, hints, names); data of others are opaque.

A record is a tuple, see the constants OWNER and so on; the owner is in wire
form, uncompressed, in the case in which it came.
"""

import struct

A, NS, CNAME, SOA, PTR, HINFO, MX, TXT, AAAA, SRV, DNAME, OPT, DS, RRSIG, \
    NSEC, DNSKEY, NSEC3, SVCB, HTTPS, ANY = \
    1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 39, 41, 43, 46, 47, 48, 50, 64, 65, \
    255
IN, ANY_CLASS = 1, 255

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
YXDOMAIN, BADVERS = 6, 16

QR, AA, TC, RD, RA, AD, CD = \
    0x8000, 0x400, 0x200, 0x100, 0x80, 0x20, 0x10

SECTION, OWNER, TYPE, CLASS, TTL, AT, LEN = range(7)
ANSWER, AUTHORITY, ADDITIONAL = 1, 2, 3

_HEADER = struct.Struct("!6H")
_FIXED = struct.Struct("!HHIH")
_PAIR = struct.Struct("!HH")

# Types whose data are names, after some bytes and before others.
_NAMES = {NS: (0, 1, 0), CNAME: (0, 1, 0), PTR: (0, 1, 0), DNAME: (0, 1, 0),
          7: (0, 1, 0), 8: (0, 1, 0), 9: (0, 1, 0), MX: (2, 1, 0),
          18: (2, 1, 0), 21: (2, 1, 0), 36: (2, 1, 0), SRV: (6, 1, 0),
          SOA: (0, 2, 20), 14: (0, 2, 0), 17: (0, 2, 0)}

EDE = 15


class Malformed(Exception):
    pass


class Message:
    __slots__ = ("wire", "id", "flags", "rcode", "qname", "qtype", "qclass",
                 "question_end", "records", "opt", "edns_flags", "ede",
                 "counts")


def name_at(wire, at, limit):
    """(uncompressed wire name, offset after it)."""
    labels = []
    end = None
    size = 1
    floor = at          # a pointer leads before everything read so far
    try:
        while True:
            length = wire[at]
            if length == 0:
                if end is None:
                    end = at + 1
                break
            if length < 64:
                size += length + 1
                if size > 255:
                    raise Malformed("a name over 255 bytes")
                labels.append(wire[at:at + length + 1])
                at += length + 1
            elif length >= 0xc0:
                target = (length & 0x3f) << 8 | wire[at + 1]
                if end is None:
                    end = at + 2
                if target >= floor or target < 12:
                    raise Malformed("a pointer that does not lead back")
                floor = at = target
            else:
                raise Malformed("a label of unknown kind")
    except IndexError:
        raise Malformed("a name beyond the end") from None
    if end > limit:
        raise Malformed("a name beyond its record")
    return b"".join(labels) + b"\0", end


def parse(wire):
    size = len(wire)
    if size < 12:
        raise Malformed("no header")
    msg = Message()
    msg.wire = wire
    msg.id, flags, questions, *counts = _HEADER.unpack_from(wire)
    msg.flags = flags
    msg.rcode = flags & 15
    msg.counts = counts
    msg.opt = msg.ede = None
    msg.edns_flags = 0
    msg.qname = msg.qtype = msg.qclass = None
    at = 12
    if questions > 1:
        raise Malformed("several questions")
    if questions:
        msg.qname, at = name_at(wire, at, size)
        if at + 4 > size:
            raise Malformed("a question beyond the end")
        msg.qtype, msg.qclass = _PAIR.unpack_from(wire, at)
        at += 4
    msg.question_end = at
    msg.records = records = []
    section = ANSWER
    for count in counts:
        for _ in range(count):
            if at + 1 < size and wire[at] == 0xc0 and wire[at + 1] == 12 \
                    and questions:
                owner = msg.qname
                at += 2
            else:
                owner, at = name_at(wire, at, size)
            if at + 10 > size:
                raise Malformed("a record beyond the end")
            rtype, rclass, ttl, length = _FIXED.unpack_from(wire, at)
            at += 10
            if at + length > size:
                raise Malformed("record data beyond the end")
            if rtype == OPT:
                _option(msg, section, owner, ttl, at, length)
            else:
                record = (section, owner, rtype, rclass, ttl, at, length)
                if rtype in _CHECKS:
                    _CHECKS[rtype](wire, record)
                records.append(record)
            at += length
        section += 1
    if at != size:
        raise Malformed("bytes after the last record")
    return msg


def _option(msg, section, owner, ttl, at, length):
    if section != ADDITIONAL or owner != b"\0" or msg.opt is not None:
        raise Malformed("OPT where it must not be")
    msg.opt = (at, length)
    msg.edns_flags = ttl & 0xffff
    msg.rcode |= ttl >> 24 << 4
    end = at + length
    while at < end:
        if at + 4 > end:
            raise Malformed("half an option")
        code, size = _PAIR.unpack_from(msg.wire, at)
        at += 4 + size
        if at > end:
            raise Malformed("an option beyond OPT")
        if code == EDE:
            if size < 2:
                raise Malformed("EDE without a code")
            msg.ede = (msg.ede or []) + [
                struct.unpack_from("!H", msg.wire, at - size)[0]]


# ---- data of some types ------------------------------------------------------

def _check_a(_, record):
    if record[LEN] != 4:
        raise Malformed("an A record of other than 4 bytes")


def _check_aaaa(_, record):
    if record[LEN] != 16:
        raise Malformed("an AAAA record of other than 16 bytes")


def _check_names(wire, record):
    before, count, after = _NAMES[record[TYPE]]
    at = record[AT] + before
    end = record[AT] + record[LEN]
    for _ in range(count):
        _, at = name_at(wire, at, end)
    if at + after != end:
        raise Malformed(f"data of type {record[TYPE]} of a wrong length")


def _check_rrsig(wire, record):
    end = record[AT] + record[LEN]
    _, at = name_at(wire, record[AT] + 18, end)
    if at >= end:
        raise Malformed("a signature without a signature")


def _check_service(wire, record):
    service(wire, record)


_CHECKS = {A: _check_a, AAAA: _check_aaaa, RRSIG: _check_rrsig,
           SVCB: _check_service, HTTPS: _check_service,
           **{kind: _check_names for kind in _NAMES}}


def target(wire, record, skip=0):
    """The name in a record's data."""
    return name_at(wire, record[AT] + skip, record[AT] + record[LEN])[0]


def plain_data(wire, record):
    """A record's data with names uncompressed and in lower case."""
    at, end = record[AT], record[AT] + record[LEN]
    if record[TYPE] not in _NAMES:
        return wire[at:end]
    before, count, _ = _NAMES[record[TYPE]]
    data = wire[at:at + before]
    at += before
    for _ in range(count):
        name, at = name_at(wire, at, end)
        data += name.lower()
    return data + wire[at:end]


def service(wire, record):
    """(priority, target, {key: value}) of a SVCB or HTTPS record."""
    at, end = record[AT], record[AT] + record[LEN]
    if record[LEN] < 3:
        raise Malformed("a short SVCB record")
    priority = wire[at] << 8 | wire[at + 1]
    name, at = name_at(wire, at + 2, end)
    params = {}
    last = -1
    while at < end:
        if at + 4 > end:
            raise Malformed("half a SvcParam")
        key, size = _PAIR.unpack_from(wire, at)
        at += 4
        if key <= last or at + size > end:
            raise Malformed("SvcParams out of order or beyond the end")
        last = key
        params[key] = wire[at:at + size]
        at += size
    if len(params.get(4, b"")) % 4 or len(params.get(6, b"")) % 16:
        raise Malformed("a hint of a wrong length")
    return priority, name, params


def hints(params):
    """The addresses in SvcParams."""
    four, six = params.get(4, b""), params.get(6, b"")
    return [four[i:i + 4] for i in range(0, len(four), 4)] \
        + [six[i:i + 16] for i in range(0, len(six), 16)]
