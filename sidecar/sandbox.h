/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sandbox.h - a filter of system calls (seccomp): from the end of its start
 * on conn25d can do what it does, and nothing else, whoever takes it over.
 *
 * Example:
 *	if (c25_sandbox_enter(&err) != 0)
 *		c25_log(C25_LOG_ERROR, "%s", err.text);
 *
 * Rules
 *   allowed    a list of calls: what conn25d and its libraries need, with
 *              some room for what another release of them may do.
 *   refused    everything else fails with ENOSYS, as on a kernel that
 *              doesn't have it; libraries are written for such kernels, so
 *              that an update of one of them is no outage. Entered at
 *              verbosity 2 or more, the kernel notes each in its audit log
 *              (type SECCOMP).
 *   deadly     what only an intruder would do (running programs, looking
 *              into other processes, loading modules, mounting ...) ends
 *              the process at once, with SIGSYS, and is always noted; it
 *              fails only where a filter around us forbids seccomp(2).
 *   memory     none that can be executed but what is there: no library is
 *              loaded from then on. Those that the C library takes for names
 *              (NSS) aren't needed: host.h asks libunbound.
 *   threads    all that there are, and all that come.
 *   cost       33 ns a call: the kernel remembers those that are allowed
 *              whatever their arguments. Measured with getppid(2), Linux 6.18.
 *   process    the one that enters, which forks no other: signals go to it
 *              alone. It can't be left. no_new_privs must be set before.
 *   sanitizers need more calls: built with AddressSanitizer or
 *              ThreadSanitizer there is no filter.
 */
#ifndef CONN25_SANDBOX_H
#define CONN25_SANDBOX_H

#include <stdbool.h>

#include "conn25/error.h"

/*
 * Returns: 0 (also where the build has none); -EINVAL, -ENOSYS: the kernel
 * can't; -ENOMEM. err says what to do.
 */
int c25_sandbox_enter(struct c25_error *err)
	__attribute__((warn_unused_result));

/* Is it in force? */
bool c25_sandbox_on(void);

#endif
