/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * state.h - everything that lives, as JSON of the shape that Tailscale's
 * conn25 shows its own in (its type Conn25ActiveState), so that what reads
 * one reads the other: for dump_state and GET /v0/conn25/state.
 *
 *	{"configured":true,
 *	 "client":{"apps":[{"app","domains":[{"domain","addresses":[
 *	    {"destinationIP","magicIP","transitIP","expiresAt"}]}]}],
 *	  "ipPoolStats":{"ipv4MagicIPsInUse","ipv4MagicIPsCapacity",...}},
 *	 "connector":{"peers":[{"clientIP","apps":[{"app","addresses":[
 *	    {"destinationIP","transitIP"}]}]}]}}
 *
 * Domains end in a dot, times are RFC 3339 in UTC. Ours besides: addresses of
 * a client have "connector" and "state", peers have "name". Upstream's
 * "activeFlowCount" is left out, as the kernel counts no flows of an address.
 *
 * Example:
 *	r = c25_state_new(d, &state);
 *	while (c25_state_more(state, &buf))
 *		... send and clear buf ...
 *	c25_state_free(state);
 *
 * It is grouped by sorting references to what there was when it began, 16
 * bytes each, a bounded piece of that in each call of more(); what has ended
 * meanwhile is left out. C25_STATES_MAX at once.
 *
 * Rules: the loop's thread; free it before the daemon's parts.
 */
#ifndef CONN25_STATE_H
#define CONN25_STATE_H

#include <stdbool.h>

#include "buf.h"

#define C25_STATES_MAX 4

struct c25_daemon;
struct c25_state;

/* Returns: 0; -EBUSY (C25_STATES_MAX are being written); -ENOMEM. */
int c25_state_new(struct c25_daemon *d, struct c25_state **out)
	__attribute__((warn_unused_result));

/* Add the next piece, which may be empty, to `out`. Returns: is there more?
 * When memory runs out `out` is marked as failed and there isn't. */
bool c25_state_more(struct c25_state *s, struct c25_buf *out);

void c25_state_free(struct c25_state *s);	/* NULL is fine */

#endif
