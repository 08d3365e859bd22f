# SPDX-License-Identifier: BSD-3-Clause
"""What is known to be wrong and not mended yet is looked for as well if
CONN25_TEST_HUNT_STRICT is set:

- answers from the cache while the module has not yet taken up a policy that
  conn25d says is in force;
- the module's own messages of class 65300, which whoever asks in that class
  is given after they were dumped and loaded again;
- negative answers of upstream for reverse names of a pool that was added
  while Unbound waited for them.
"""

import os

STRICT = bool(os.environ.get("CONN25_TEST_HUNT_STRICT"))
