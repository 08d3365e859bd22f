# SPDX-License-Identifier: BSD-3-Clause
"""Who may ask without RD is answered from the cache past us: Unbound does not
start with allow_snoop, and the message names the line and what to write
(DESIGN 4.1)."""

import pytest

from harness.unbound import version


@pytest.mark.parametrize("line", [
    "access-control: 127.0.0.9/32 allow_snoop",
    "access-control: ::1 allow_snoop",
    "interface-action: 127.0.0.1 allow_snoop"])
def test(fresh, line):
    if line.startswith("interface") and version() < (1, 17):
        pytest.skip("this Unbound has no interface-action")
    fresh(start=("client",), unbound={"extra": line}).unbound.refuses(
        "allow_snoop", line.split()[1], "write \"allow\"")
