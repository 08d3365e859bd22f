# SPDX-License-Identifier: BSD-3-Clause
"""With subnetcache each client network has answers of its own, which is not
supported: Unbound does not start, and the message says so (DESIGN 3
"Caching")."""

import pytest

from harness.unbound import linked_modules


@pytest.mark.parametrize("modules", [
    "dynlib subnetcache validator iterator", "dynlib subnetcache iterator"])
def test(fresh, modules):
    if "subnetcache" not in linked_modules():
        pytest.skip("this Unbound was built without subnetcache")
    fresh(start=("client",), unbound={"module": modules}).unbound.refuses(
        modules, "subnetcache", "remove it")
