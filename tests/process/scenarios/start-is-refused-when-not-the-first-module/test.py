# SPDX-License-Identifier: BSD-3-Clause
"""A module left of ours would hand what is real to clients: Unbound does not
start, and the message says what to write (DESIGN 3 "Caching")."""

import pytest

from harness.unbound import linked_modules


@pytest.mark.parametrize("modules", [
    "validator dynlib iterator", "respip dynlib validator iterator",
    "dns64 dynlib iterator"])
def test(fresh, modules):
    assert set(modules.split()) <= linked_modules()
    fresh(start=("client",), unbound={"module": modules}).unbound.refuses(
        modules, "must be the first", "write \"dynlib validator iterator\"")
