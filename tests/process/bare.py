# SPDX-License-Identifier: BSD-3-Clause
"""With an Unbound that has neither threads nor libevent. Not among the test_*
files, as it passes with no other Unbound: see contrib/test."""


def test_unbound_that_could_not_notice_a_new_policy_is_refused(fresh):
    unbound = fresh(start=("client",)).unbound
    unbound.process.allow(".")
    unbound.start(wait=False)
    assert unbound.process.wait_exit() > 0
    unbound.process.popen = None
    assert "built without threads and without libevent" \
        in unbound.process.log()
