/* SPDX-License-Identifier: BSD-3-Clause */
/* What a host lacks for the datapath; see datapath_host.h. */
#include "datapath_host.h"

#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "datapath_netlink.h"

struct check {
	const struct c25_config *cfg;
	void (*warn)(void *ctx, const char *text);
	void *ctx;
};

static void
warn(const struct check *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void
warn(const struct check *c, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	c->warn(c->ctx, text);
}

/* ---- routes ------------------------------------------------------------- */

/* To the first and to the last address of a range. */
static void
check_magic(const struct check *c, const struct c25_range *range)
{
	const struct c25_addr *ends[] = { &range->first, &range->last };
	char text[2 * C25_ADDR_TEXT_MAX];
	struct c25_nft_route route;

	for (int i = 0; i < 2; i++) {
		if (c25_nft_route(ends[i], &route) != 0 || route.there)
			continue;
		c25_range_format(range, text);
		warn(c, "datapath: magic addresses %s: no route: the kernel "
			"won't take packets to them: ip route add %s dev %s",
			text, text, c->cfg->datapath.overlay);
		return;
	}
}

static void
check_transit(const struct check *c, const struct c25_range *range,
	const char *connector)
{
	const struct c25_addr *ends[] = { &range->first, &range->last };
	const char *overlay = c->cfg->datapath.overlay;
	char text[2 * C25_ADDR_TEXT_MAX];
	struct c25_nft_route route;

	for (int i = 0; i < 2; i++) {
		if (c25_nft_route(ends[i], &route) != 0 || (route.there &&
		    strcmp(route.interface, overlay) == 0))
			continue;
		c25_range_format(range, text);
		if (!route.there)
			warn(c, "datapath: transit addresses %s: no route: "
				"add one by %s to %s%s", text, overlay,
				*connector == '\0' ? "the connector" :
				"connector ", connector);
		else
			warn(c, "datapath: transit addresses %s: leads to "
				"%s%s: add a route by the overlay, %s",
				text, *route.interface == '\0' ?
				"this host" : "", route.interface, overlay);
		return;
	}
}

/* Is the first address of this range in a connector's own one? Then the
 * connector's is what counts. */
static bool
is_owned(const struct c25_config *cfg, const struct c25_range *range)
{
	for (size_t i = 0; i < cfg->connector_count; i++) {
		const struct c25_config_connector *k = &cfg->connectors[i];
		const struct c25_config_ranges *own =
			range->first.family == C25_V6 ? &k->transit_v6 :
			&k->transit_v4;

		for (size_t j = 0; j < own->count; j++)
			if (c25_range_overlaps(&own->items[j].range, range))
				return true;
	}
	return false;
}

static void
check_client_routes(const struct check *c)
{
	static const enum c25_pool_kind magic[] = { C25_POOL_V4_MAGIC,
		C25_POOL_V6_MAGIC };
	static const enum c25_pool_kind transit[] = { C25_POOL_V4_TRANSIT,
		C25_POOL_V6_TRANSIT };
	const struct c25_config *cfg = c->cfg;

	for (int k = 0; k < 2; k++) {
		const struct c25_config_ranges *m = &cfg->pools[magic[k]];
		const struct c25_config_ranges *t = &cfg->pools[transit[k]];

		for (size_t i = 0; i < m->count; i++)
			check_magic(c, &m->items[i].range);
		for (size_t i = 0; i < t->count; i++)
			if (!is_owned(cfg, &t->items[i].range))
				check_transit(c, &t->items[i].range, "");
	}
	for (size_t i = 0; i < cfg->connector_count; i++) {
		const struct c25_config_connector *k = &cfg->connectors[i];

		for (size_t j = 0; j < k->transit_v4.count; j++)
			check_transit(c, &k->transit_v4.items[j].range,
				k->name);
		for (size_t j = 0; j < k->transit_v6.count; j++)
			check_transit(c, &k->transit_v6.items[j].range,
				k->name);
	}
}

/* ---- sysctl ------------------------------------------------------------- */

/* A number in /proc/sys/net, or -1. */
static int
sysctl(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int
sysctl(const char *format, ...)
{
	char name[128], path[160];
	int value = -1;
	va_list ap;
	FILE *f;

	va_start(ap, format);
	(void)vsnprintf(name, sizeof(name), format, ap);
	va_end(ap);
	(void)snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	f = fopen(path, "re");
	if (f == NULL)
		return -1;
	if (fscanf(f, "%d", &value) != 1)
		value = -1;
	(void)fclose(f);
	return value;
}

static void
check_forwarding(const struct check *c, bool connector)
{
	const struct c25_config *cfg = c->cfg;
	bool want[2] = { false, false };
	const char *why = connector ? "the connector role needs it" :
		"needed for clients behind this host, not for itself";

	if (connector) {
		for (size_t i = 0; i < cfg->peer_count; i++)
			for (size_t k = 0; k < cfg->peers[i].address_count;
			    k++)
				want[cfg->peers[i].addresses[k].family ==
					C25_V6] = true;
	} else {
		want[0] = cfg->pools[C25_POOL_V4_MAGIC].count > 0;
		want[1] = cfg->pools[C25_POOL_V6_MAGIC].count > 0;
	}
	if (want[0] && sysctl("ipv4/ip_forward") == 0)
		warn(c, "datapath: net.ipv4.ip_forward is 0: %s: sysctl -w "
			"net.ipv4.ip_forward=1", why);
	if (want[1] && sysctl("ipv6/conf/all/forwarding") == 0)
		warn(c, "datapath: net.ipv6.conf.all.forwarding is 0: %s: "
			"sysctl -w net.ipv6.conf.all.forwarding=1", why);
}

/* Strict rp_filter drops what comes by the overlay from a peer to whom the
 * way back is another. */
static void
check_rp_filter(const struct check *c)
{
	const char *overlay = c->cfg->datapath.overlay;
	int all = sysctl("ipv4/conf/all/rp_filter");
	int here = sysctl("ipv4/conf/%s/rp_filter", overlay);
	char text[C25_ADDR_TEXT_MAX];
	struct c25_nft_route route;

	/* the larger of both counts; 1 is strict */
	if ((here > all ? here : all) != 1)
		return;
	for (size_t i = 0; i < c->cfg->peer_count; i++) {
		const struct c25_config_peer *p = &c->cfg->peers[i];

		for (size_t k = 0; k < p->address_count; k++) {
			if (p->addresses[k].family != C25_V4 ||
			    c25_nft_route(&p->addresses[k], &route) != 0 ||
			    (route.there && *route.interface == '\0') ||
			    strcmp(route.interface, overlay) == 0)
				continue;	/* this host, or right */
			warn(c, "datapath: net.ipv4.conf.%s.rp_filter is 1, "
				"and the way to peer %s (%s) isn't %s: its "
				"packets are dropped: add a route, or set "
				"rp_filter to 2", overlay, p->name,
				c25_addr_format(&p->addresses[k], text),
				overlay);
			return;
		}
	}
}

bool
c25_datapath_lacks_overlay(const struct c25_config *cfg)
{
	return cfg->datapath.nftables && cfg->datapath.overlay != NULL &&
		if_nametoindex(cfg->datapath.overlay) == 0;
}

void
c25_datapath_host(const struct c25_config *cfg,
	void (*fn)(void *ctx, const char *text), void *ctx)
{
	const struct check c = { cfg, fn, ctx };

	if (!cfg->datapath.nftables || cfg->datapath.overlay == NULL)
		return;
	if (c25_datapath_lacks_overlay(cfg)) {
		warn(&c, "datapath: packets can't leave: overlay %s: there is "
			"no such interface here: set it up, or correct "
			"datapath.overlay; routes are not checked",
			cfg->datapath.overlay);
		return;
	}
	if (c25_config_is_client(cfg))
		check_client_routes(&c);
	if (c25_config_is_connector(cfg)) {
		check_forwarding(&c, true);
		check_rp_filter(&c);
	} else {
		check_forwarding(&c, false);
	}
}
