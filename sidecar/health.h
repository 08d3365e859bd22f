/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * health.h - is conn25d ready, that is, does it do all that it is configured
 * for? And the figures that statistics and /metrics show, one of which that
 * is.
 *
 * It is not ready when the table has gone or can't be reclaimed, the database
 * can't be written, the kernel's translation isn't built though it should be,
 * no connector of an app answers, or for ten seconds no Unbound has had the
 * module connected. It is alive all the same, and a restart would mend none
 * but the first.
 *
 * Rules: the loop's thread.
 */
#ifndef CONN25_HEALTH_H
#define CONN25_HEALTH_H

#include "daemon.h"
#include "report.h"

/*
 * Add the reasons why it is not ready to `out`, a line each; NULL: only count.
 * Returns: how many there are.
 */
unsigned c25_health_reasons(struct c25_daemon *d, struct c25_buf *out);

/*
 * Add what is amiss though it is ready to `out`, a line each: an overlay that
 * isn't there (it may come), a pool or the table that had nothing left for a
 * new name within the last minute, an assignment that had addresses of no pool,
 * an app some of whose assignments no connector takes. Clients get SERVFAIL
 * then, or another address, or one that leads nowhere; but what else has one
 * works, and to take this host out of use would make it worse.
 */
void c25_health_degraded(const struct c25_daemon *d, struct c25_buf *out);
/* Each second: look for that, and log it: the overlay once, the others once
 * in ten minutes. */
void c25_health_tick(struct c25_daemon *d);
/* A configuration is in force: what was found by another one is forgotten,
 * and what this one lacks is logged. */
void c25_health_configured(struct c25_daemon *d);

/* All that is counted, since the start. */
void c25_health_figures(struct c25_daemon *d, struct c25_report_stats *out);

/* Of each connector. Returns: how many. */
size_t c25_health_peers(struct c25_daemon *d,
	struct c25_report_peer peers[static C25_CONNECTORS_MAX]);

#endif
