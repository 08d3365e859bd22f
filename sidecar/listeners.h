/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * listeners.h - listen.transitIP and listen.admin of a struct c25_daemon, in
 * two steps, so that a configuration that can't have its listeners changes
 * nothing.
 *
 * Example:
 *	struct c25_daemon_listener fresh[C25_LISTENERS];
 *
 *	r = c25_listeners_open(d, cfg, fresh, &err);
 *	...				what else may fail
 *	c25_listeners_commit(d, cfg, certificates, fresh);
 *					or c25_listeners_drop(d, fresh);
 *
 * Rules: the loop's thread only.
 */
#ifndef CONN25_SIDECAR_LISTENERS_H
#define CONN25_SIDECAR_LISTENERS_H

#include "daemon.h"

/*
 * The listeners that cfg asks for: those in force, or new ones.
 * Returns: 0; -errno of a socket, err says which, and nothing is open that
 * wasn't before.
 */
int c25_listeners_open(struct c25_daemon *d, const struct c25_config *cfg,
	struct c25_daemon_listener fresh[static C25_LISTENERS],
	struct c25_error *err) __attribute__((warn_unused_result));

/* Close what `fresh` has beyond the listeners in force. */
void c25_listeners_drop(struct c25_daemon *d,
	const struct c25_daemon_listener fresh[static C25_LISTENERS]);

/* Close what is in force and not in `fresh`, which is in force then, with the
 * limits of cfg and the certificate. */
void c25_listeners_commit(struct c25_daemon *d, const struct c25_config *cfg,
	const struct c25_certificates *certificates,
	const struct c25_daemon_listener fresh[static C25_LISTENERS]);

#endif
