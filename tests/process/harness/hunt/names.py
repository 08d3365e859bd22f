# SPDX-License-Identifier: BSD-3-Clause
"""Names as tuples of labels, as wire form and as text."""

import re

_PLAIN = re.compile(rb"[a-z0-9_*-]")


def text_of(labels):
    """Master file form, absolute; all but plain characters escaped."""
    return "".join(
        "".join(chr(b) if _PLAIN.match(bytes([b])) else f"\\{b:03d}"
                for b in label) + "." for label in labels) or "."


def labels_of(text):
    """The labels of an absolute or relative name with escapes, lower case."""
    labels, label, at = [], bytearray(), 0
    data = text.encode("latin-1")
    while at < len(data):
        if data[at] == 0x2e:
            labels.append(bytes(label))
            label.clear()
            at += 1
        elif data[at] != 0x5c:
            label.append(data[at])
            at += 1
        elif data[at + 1:at + 4].isdigit():
            label.append(int(data[at + 1:at + 4]))
            at += 4
        else:
            label.append(data[at + 1])
            at += 2
    if label:
        labels.append(bytes(label))
    return tuple(part.lower() for part in labels if part)


def wire_of(labels):
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def labels_of_wire(wire):
    labels, at = [], 0
    while wire[at]:
        labels.append(wire[at + 1:at + 1 + wire[at]])
        at += 1 + wire[at]
    return tuple(labels)


def is_name(labels):
    return all(0 < len(label) < 64 for label in labels) \
        and sum(len(label) + 1 for label in labels) < 255


def mixed_case(wire, rng):
    """The same name with letters in random case (0x20)."""
    return bytes(b ^ 0x20 if (0x61 <= b <= 0x7a or 0x41 <= b <= 0x5a)
                 and rng.random() < 0.5 else b for b in wire)
