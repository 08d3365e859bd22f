/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HTTP listeners of the configuration: which there are, what they serve,
 * and how a reload changes them.
 */

#include "listeners.h"

#include <string.h>

#include "admin.h"
#include "conn25/log.h"

static const struct c25_config_listen *
wanted(const struct c25_config *cfg, unsigned which)
{
	return which == C25_LISTEN_ADMIN ? &cfg->listen.admin :
		&cfg->listen.transit_ip;
}

static bool
listener_same(const struct c25_daemon_listener *l,
	const struct c25_config_listen *want)
{
	if (!want->set || l->http == NULL)
		return !want->set && l->http == NULL;
	return l->port == want->port && c25_addr_eq(&l->addr, &want->addr);
}

/* Open one; `l` isn't touched when that fails. */
static int
listener_open(struct c25_daemon *d, unsigned which,
	const struct c25_config_listen *want, struct c25_daemon_listener *l,
	struct c25_error *err)
{
	struct c25_http_listen how = { .addr = want->addr,
		.port = want->port };
	struct c25_http_listener *http;
	int r;

	if (which == C25_LISTEN_ADMIN) {
		how.name = "listen.admin";
		how.routes = c25_admin_routes;
		how.route_count = C25_ADMIN_ROUTES;
		how.ctx = d;
	} else {
		how.name = "listen.transitIP";
		how.routes = c25_serve_routes;
		how.route_count = C25_SERVE_ROUTES;
		how.ctx = d->serve;
		how.knows = c25_serve_knows;
	}
	r = c25_http_listen(d->loop, &how, &http, err);
	if (r != 0)
		return r;
	*l = (struct c25_daemon_listener){ .http = http, .addr = want->addr,
		.port = want->port };
	c25_log(C25_LOG_INFO, "%s: listening on %s", how.name, want->text);
	return 0;
}

void
c25_listeners_drop(struct c25_daemon *d,
	const struct c25_daemon_listener fresh[static C25_LISTENERS])
{
	unsigned i;

	for (i = 0; i < C25_LISTENERS; i++)
		if (fresh[i].http != d->listeners[i].http)
			c25_http_unlisten(fresh[i].http);
}

int
c25_listeners_open(struct c25_daemon *d, const struct c25_config *cfg,
	struct c25_daemon_listener fresh[static C25_LISTENERS],
	struct c25_error *err)
{
	const struct c25_config_listen *want;
	unsigned i;
	int r;

	memcpy(fresh, d->listeners, sizeof(d->listeners));
	for (i = 0; i < C25_LISTENERS; i++) {
		want = wanted(cfg, i);
		if (listener_same(&fresh[i], want))
			continue;
		fresh[i] = (struct c25_daemon_listener){ 0 };
		if (!want->set)
			continue;
		r = listener_open(d, i, want, &fresh[i], err);
		if (r != 0) {
			c25_listeners_drop(d, fresh);
			return r;
		}
	}
	return 0;
}

void
c25_listeners_commit(struct c25_daemon *d, const struct c25_config *cfg,
	const struct c25_certificates *certificates,
	const struct c25_daemon_listener fresh[static C25_LISTENERS])
{
	unsigned i;

	for (i = 0; i < C25_LISTENERS; i++)
		if (fresh[i].http != d->listeners[i].http)
			c25_http_unlisten(d->listeners[i].http);
	memcpy(d->listeners, fresh, sizeof(d->listeners));
	if (fresh[C25_LISTEN_TRANSIT_IP].http != NULL)
		c25_http_configure(fresh[C25_LISTEN_TRANSIT_IP].http,
			&cfg->limits.transit_ip, certificates->server);
	if (fresh[C25_LISTEN_ADMIN].http != NULL)
		c25_http_configure(fresh[C25_LISTEN_ADMIN].http,
			&cfg->limits.admin, NULL);
}
