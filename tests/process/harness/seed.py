# SPDX-License-Identifier: BSD-3-Clause
"""The seed of whatever a test leaves to chance: CONN25_TEST_SEED, or another
one each time. A test that uses it prints it."""

import os
import random

SEED = int(os.environ.get("CONN25_TEST_SEED")
           or random.SystemRandom().randrange(1, 1 << 32))
