# SPDX-License-Identifier: BSD-3-Clause
"""cachedb puts stored answers into the cache past us: Unbound does not start,
and the message says why and what to do (DESIGN 3 "Caching")."""

import pytest

from harness.unbound import linked_modules


def test(fresh):
    if "cachedb" not in linked_modules():
        pytest.skip("this Unbound was built without cachedb")
    modules = "dynlib cachedb validator iterator"
    fresh(start=("client",), unbound={"module": modules}).unbound.refuses(
        modules, "cachedb", "remove it")
