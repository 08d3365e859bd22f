/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client.h - the client role of a struct c25_daemon: the table, the doorbell
 * and the pusher come and go together, and the policy is published to them.
 *
 * Example (daemon.c):
 *	r = c25_client_start(d, cfg, &err);	first of all, at the start
 *	...
 *	if (d->table == NULL && c25_client_needed(d, cfg))
 *		r = c25_client_open(d, cfg, out, &err);
 *	if (d->table != NULL)
 *		r = c25_client_publish(d, cfg, certificates, &err);
 *	c25_client_close(d);
 *
 * Rules: the loop's thread only.
 */
#ifndef CONN25_SIDECAR_CLIENT_H
#define CONN25_SIDECAR_CLIENT_H

#include "daemon.h"

/*
 * Does this configuration need a table? Without the client role only to take
 * back what an earlier conn25d published: Unbound would go by it for ever.
 */
bool c25_client_needed(const struct c25_daemon *d,
	const struct c25_config *cfg);

/*
 * Make what the client role needs; the doorbell first, as it can be refused.
 * `out`: warnings, see c25_daemon_tell().
 * Returns: 0; -errno of the doorbell or the table, and nothing is open; err
 * says what to do.
 */
int c25_client_open(struct c25_daemon *d, const struct c25_config *cfg,
	struct c25_buf *out, struct c25_error *err)
	__attribute__((warn_unused_result));
void c25_client_close(struct c25_daemon *d);	/* also when not open */

/*
 * At the start, if there is a client role: open, and publish the policy.
 * Unbound is to know the names before anything that takes its time, or may
 * fail: until then it gives their real addresses away.
 * Returns: as c25_client_open() and c25_client_publish().
 */
int c25_client_start(struct c25_daemon *d, const struct c25_config *cfg,
	struct c25_error *err) __attribute__((warn_unused_result));

/*
 * Publish a policy, unless c25_client_start() has done it, and hand it to the
 * pusher; the first time, have it take over what an earlier conn25d knew.
 * Returns: 0; -ENOSPC (too many connectors' names, no room in runDir);
 * -ENOMEM; other -errno. Until d->cfg is another one nothing but the policy
 * in force has changed.
 */
int c25_client_publish(struct c25_daemon *d, const struct c25_config *cfg,
	const struct c25_certificates *certificates, struct c25_error *err)
	__attribute__((warn_unused_result));

/* Somebody rang, or the table says that there is work. `ctx`: the daemon. */
void c25_client_work(void *ctx);

#endif
