# SPDX-License-Identifier: BSD-3-Clause
"""Waiting for a condition with a deadline, and the one place that sleeps."""

import os
import time

# Sanitized programs and busy machines are slower by this factor.
SCALE = float(os.environ.get("CONN25_TEST_SCALE", "1"))


def scaled(seconds):
    return seconds * SCALE


def wait_for(condition, what, timeout_s=10):
    """Calls condition() until it is true; returns what it returned.

    what names the thing waited for, or is a function that describes how far
    it has come.
    """
    deadline = time.monotonic() + scaled(timeout_s)
    pause_s = 0.002
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise AssertionError(
                f"waited {scaled(timeout_s):g} s in vain for: {text}")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.05)


def holds_for(condition, what, duration_s):
    """Fails if condition() becomes false within a time that is long enough
    for a mistake to show."""
    deadline = time.monotonic() + duration_s
    while time.monotonic() < deadline:
        assert condition(), f"does not stay so: {what}"
        time.sleep(0.02)
