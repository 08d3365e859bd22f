/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * confine.h - the two steps in which a starting struct c25_daemon gives up
 * what it may: privileges.h and sandbox.h applied to its configuration.
 *
 * Example (daemon.c):
 *	r = c25_confine_user(d, cfg, &err);
 *	...			directories, sockets, listeners, nftables
 *	r = c25_confine_all(d, cfg, &err);
 *	...			the first thread
 *
 * Rules: the main thread, once each, in this order.
 */
#ifndef CONN25_CONFINE_H
#define CONN25_CONFINE_H

#include "daemon.h"

/*
 * May the configuration be relied on? At the start and at each reload. Root,
 * and who root becomes, must be able to; others are warned.
 * Returns: 0; -EPERM.
 */
int c25_confine_config(const struct c25_daemon *d, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * Become the user that everything is made by, after making the directories
 * that it couldn't make; sets d->privileges and d->gid.
 * Returns: 0; -EPERM (others may write the configuration or a directory; the
 * user can't be changed); -ENOENT (no such user or group); other -errno. err
 * says what to do.
 */
int c25_confine_user(struct c25_daemon *d, const struct c25_config *cfg,
	struct c25_error *err) __attribute__((warn_unused_result));

/*
 * Everything is open: give up the capabilities that it took, and filter
 * system calls from now on.
 * Returns: 0; -errno, err says what to do.
 */
int c25_confine_all(struct c25_daemon *d, const struct c25_config *cfg,
	struct c25_error *err) __attribute__((warn_unused_result));

#endif
