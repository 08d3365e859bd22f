/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * admin.h - what listen.admin serves:
 *
 *	GET /healthz		200 "ok": conn25d runs. For whoever restarts
 *				what doesn't.
 *	GET /readyz		200 "ready", or 503 and the reasons, a line
 *				each (health.h). For alarms and balancers: a
 *				restart mends few of them.
 *	GET /metrics		statistics for Prometheus, never reset
 *	GET /v0/conn25/state	state.h; 503 when too many ask at once
 */
#ifndef CONN25_ADMIN_H
#define CONN25_ADMIN_H

#include "http.h"

/* For c25_http_listen(), with the struct c25_daemon as ctx. */
#define C25_ADMIN_ROUTES 4
extern const struct c25_http_route c25_admin_routes[C25_ADMIN_ROUTES];

#endif
