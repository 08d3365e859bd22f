/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which elements there are: those of assignments and of mappings, as they
 * come, end and are renewed, and what connections keep alive; see datapath.h.
 */
#include "datapath_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/log.h"
#include "datapath_netlink.h"

#define OUTSIDE_MAX 65536	/* ranges of addresses outside the pools */
#define COMPARE_AGAIN_MS 10000	/* after a lack of memory */

static const uint8_t nobody[16];

static void
no_memory(struct c25_datapath *dp, uint64_t now)
{
	dp->compare_due = true;
	dp->compare_at_ms = now + COMPARE_AGAIN_MS;
	if (dp->memory_told)
		return;
	dp->memory_told = true;
	c25_log(C25_LOG_ERROR, "datapath: out of memory: some addresses are "
		"not translated yet");
}

/* ---- elements of assignments -------------------------------------------- */

static enum c25_map
magic_map(const struct c25_addr *magic)
{
	return magic->family == C25_V6 ? C25_MAP_MAGIC6 : C25_MAP_MAGIC4;
}

static void
put_assignment(struct c25_datapath *dp, const struct c25_assignment *a,
	bool first, uint64_t now)
{
	struct c25_element e = { .map = magic_map(&a->magic),
		.until_ms = a->lease_end_ms };

	if (a->lease_end_ms <= now)
		return;
	memcpy(e.address, a->magic.bytes, 16);
	memcpy(e.target, a->transit.bytes, 16);
	if (c25_elements_put(dp->elements, &e,
	    now + C25_DATAPATH_HORIZON_MS, first) < 0)
		no_memory(dp, now);
}

void
c25_datapath_assigned(struct c25_datapath *dp,
	const struct c25_assignment *a, uint64_t now)
{
	if (dp->table != NULL)
		put_assignment(dp, a, true, now);
}

void
c25_datapath_dropped(struct c25_datapath *dp, const struct c25_assignment *a)
{
	(void)c25_elements_drop(dp->elements, magic_map(&a->magic), nobody,
		a->magic.bytes);
}

void
c25_datapath_overrun(struct c25_datapath *dp)
{
	dp->compare_due = true;
	dp->compare_at_ms = 0;
}

/* ---- elements of mappings ----------------------------------------------- */

static int
by_peer(const void *a, const void *b)
{
	const struct c25_datapath_peer *x = a, *y = b;

	if (x->peer != y->peer)
		return x->peer < y->peer ? -1 : 1;
	return c25_addr_cmp(&x->addr, &y->addr);
}

static int
by_addr(const void *a, const void *b)
{
	const struct c25_datapath_peer *x = a, *y = b;

	return c25_addr_cmp(&x->addr, &y->addr);
}

int
c25_datapath_peers(struct c25_mappings *m, const struct c25_config *cfg,
	struct c25_datapath_peer **peers, struct c25_datapath_peer **addrs,
	size_t *count)
{
	struct c25_datapath_peer *list, *copy;
	size_t n = 0;

	for (size_t i = 0; i < cfg->peer_count; i++)
		n += cfg->peers[i].address_count;
	list = calloc(n + 1, sizeof(*list));
	copy = calloc(n + 1, sizeof(*copy));
	if (list == NULL || copy == NULL)
		goto fail;
	n = 0;
	for (size_t i = 0; i < cfg->peer_count &&
	    c25_config_is_connector(cfg); i++) {
		int peer = c25_mappings_peer(m, cfg->peers[i].name);

		if (peer < 0)
			goto fail;
		for (size_t k = 0; k < cfg->peers[i].address_count; k++)
			list[n++] = (struct c25_datapath_peer){
				cfg->peers[i].addresses[k], (uint32_t)peer };
	}
	memcpy(copy, list, n * sizeof(*list));
	qsort(list, n, sizeof(*list), by_peer);
	qsort(copy, n, sizeof(*copy), by_addr);
	*peers = list;
	*addrs = copy;
	*count = n;
	return 0;
fail:
	free(list);
	free(copy);
	return -ENOMEM;
}

/* The peer's first address, in by_peer. */
static size_t
first_address(const struct c25_datapath *dp, uint32_t peer)
{
	size_t from = 0, to = dp->peer_count;

	while (from < to) {
		size_t half = (from + to) / 2;

		if (dp->by_peer[half].peer < peer)
			from = half + 1;
		else
			to = half;
	}
	return from;
}

static const struct c25_datapath_peer *
peer_of(const struct c25_datapath *dp, const struct c25_addr *source)
{
	struct c25_datapath_peer key = { .addr = *source };

	return dp->peer_count == 0 ? NULL : bsearch(&key, dp->by_addr,
		dp->peer_count, sizeof(key), by_addr);
}

/* One for each address of the peer. `first`: somebody waits for it. */
static void
put_mapping(struct c25_datapath *dp, const struct c25_mapping *it,
	bool there, bool first, uint64_t now)
{
	struct c25_element e = { .map = it->transit.family == C25_V6 ?
		C25_MAP_PEER6 : C25_MAP_PEER4,
		.until_ms = it->sent_ms + C25_MAPPING_LIFE_MS };
	size_t i = first_address(dp, it->peer_index);

	memcpy(e.address, it->transit.bytes, 16);
	memcpy(e.target, it->destination.bytes, 16);
	for (; i < dp->peer_count && dp->by_peer[i].peer == it->peer_index;
	    i++) {
		if (dp->by_peer[i].addr.family != it->transit.family)
			continue;
		memcpy(e.source, dp->by_peer[i].addr.bytes, 16);
		if (!there)
			(void)c25_elements_drop(dp->elements, e.map,
				e.source, e.address);
		else if (e.until_ms > now && c25_elements_put(dp->elements,
		    &e, now + C25_DATAPATH_HORIZON_MS, first) < 0)
			no_memory(dp, now);
	}
}

static void
on_mapping(void *ctx, const struct c25_mapping *it, bool there)
{
	/* it was sent just now */
	put_mapping(ctx, it, there, true, it->sent_ms);
}

void
c25_datapath_watch(struct c25_datapath *dp)
{
	c25_mappings_watch(dp->mappings, on_mapping, dp);
}

/* ---- all of them -------------------------------------------------------- */

/* Note an address that is in no pool. */
static void
note_outside(struct c25_ranges *outside, const struct c25_addr *a)
{
	struct c25_range *items;

	if (outside->count == OUTSIDE_MAX) {
		c25_ranges_merge(outside);
		if (outside->count == OUTSIDE_MAX)
			return;
	}
	if (outside->items == NULL) {
		items = calloc(OUTSIDE_MAX, sizeof(*items));
		if (items == NULL)
			return;
		outside->items = items;
	}
	outside->items[outside->count++] = (struct c25_range){ *a, *a };
}

void
c25_datapath_compare(struct c25_datapath *dp, struct c25_ranges *outside,
	uint64_t now)
{
	struct c25_assignment a;
	struct c25_mapping it;
	uint32_t slot = 0;
	size_t cursor = 0;

	dp->compare_due = false;
	c25_elements_pass_begin(dp->elements);
	while (dp->table != NULL && c25_table_next(dp->table, &slot, &a)) {
		if (!c25_table_admits(dp->table, &a))
			continue;
		put_assignment(dp, &a, false, now);
		if (outside != NULL && !c25_ruleset_is_magic(dp->rs,
		    &a.magic))
			note_outside(outside, &a.magic);
	}
	while (dp->peer_count > 0 && c25_mappings_next(dp->mappings, &cursor,
	    &it))
		put_mapping(dp, &it, true, false, now);
	if (!dp->compare_due)		/* no lack of memory */
		(void)c25_elements_pass_end(dp->elements);
}

/* ---- the end of an element comes near ----------------------------------- */

static struct c25_addr
address(const uint8_t bytes[16], enum c25_map map)
{
	bool six = c25_map_infos[map].family == C25_V6;

	return six ? c25_addr_v6(bytes) : c25_addr_v4(bytes);
}

/* Does its source still have it? It is put again then. */
static bool
is_renewed(struct c25_datapath *dp, const struct c25_element *e, uint64_t now)
{
	struct c25_addr addr = address(e->address, e->map);
	const struct c25_datapath_peer *peer;
	struct c25_assignment a;
	struct c25_addr source;
	struct c25_mapping it;

	if (!c25_map_infos[e->map].peers) {
		if (dp->table == NULL ||
		    c25_table_by_magic(dp->table, &addr, &a) != 0 ||
		    a.lease_end_ms <= now || !c25_table_admits(dp->table, &a))
			return false;
		put_assignment(dp, &a, false, now);
		return true;
	}
	source = address(e->source, e->map);
	peer = peer_of(dp, &source);
	if (peer == NULL || c25_mappings_get(dp->mappings, peer->peer, &addr,
	    now, &it) != 0)
		return false;
	put_mapping(dp, &it, true, false, now);
	return true;
}

void
c25_datapath_sweep(struct c25_datapath *dp, uint64_t now)
{
	size_t n = c25_elements_count(dp->elements) /
		(C25_DATAPATH_SWEEP_MS / 1000) + 64;
	struct c25_element e;

	dp->sweep_at_ms = now + 1000;
	while (n-- > 0) {
		if (!c25_elements_next(dp->elements, &dp->cursor, &e)) {
			dp->cursor = 0;
			return;
		}
		if (e.until_ms < now + C25_DATAPATH_HORIZON_MS &&
		    !is_renewed(dp, &e, now))
			(void)c25_elements_drop(dp->elements, e.map,
				e.source, e.address);
	}
}

/* ---- connections -------------------------------------------------------- */

bool
c25_datapath_wants_flows(const struct c25_datapath *dp, uint64_t now,
	bool *all)
{
	*all = dp->cleanse;
	return dp->rs != NULL && now >= dp->flows_at_ms;
}

/* A connection of the client's half. */
static void
client_flow(struct c25_datapath *dp, const struct c25_flow *flow,
	uint64_t now)
{
	uint64_t until = now + C25_FLOW_KEEP_MS;
	struct c25_assignment a;

	dp->flows_seen++;
	if (c25_table_by_magic(dp->table, &flow->destination, &a) != 0) {
		/* dropped: nobody may get its addresses before this ends */
		dp->stats.kept += c25_table_extend_ended(dp->table,
			&flow->destination, until) > 0;
		return;
	}
	if (!c25_addr_eq(&a.transit, &flow->answered_by))
		(void)c25_table_extend_ended(dp->table, &flow->answered_by,
			until);
	if (a.lease_end_ms < until - C25_FLOWS_MS &&
	    c25_table_extend(dp->table, a.ref, until) == 0 &&
	    c25_table_by_ref(dp->table, a.ref, &a) == 0 &&
	    c25_table_admits(dp->table, &a)) {
		dp->stats.kept++;
		put_assignment(dp, &a, false, now);
	}
}

/* Is it of the connector's half? *forget when it goes astray. */
static bool
connector_flow(struct c25_datapath *dp, const struct c25_flow *flow,
	uint64_t now, bool *forget)
{
	const struct c25_datapath_peer *peer = peer_of(dp, &flow->source);
	struct c25_mapping it;

	if (peer == NULL || c25_mappings_get(dp->mappings, peer->peer,
	    &flow->destination, now, &it) != 0)
		return false;
	*forget = !flow->translated;
	if (!flow->translated)
		return true;
	dp->flows_seen++;
	if (it.sent_ms + C25_MAPPING_LIFE_MS < now + C25_FLOW_KEEP_MS &&
	    c25_mappings_renew(dp->mappings, peer->peer, &flow->destination,
	    now) == 0)
		dp->stats.kept++;
	return true;
}

bool
c25_datapath_flow(struct c25_datapath *dp, const struct c25_flow *flow,
	uint64_t now)
{
	bool forget = false;

	if (connector_flow(dp, flow, now, &forget))
		return forget;
	if (dp->table == NULL || !c25_ruleset_is_magic(dp->rs,
	    &flow->destination))
		return false;
	if (!flow->translated)
		return true;
	client_flow(dp, flow, now);
	return false;
}

void
c25_datapath_flows_done(struct c25_datapath *dp, bool ok, uint64_t now,
	uint64_t took_ms)
{
	/* two hundredths of our time at most */
	uint64_t pause = took_ms * 50;

	if (pause < C25_FLOWS_MS)
		pause = C25_FLOWS_MS;
	dp->flows_at_ms = now + pause;
	if (ok) {
		dp->stats.flows = dp->flows_seen;
		dp->cleanse = false;
	} else {
		dp->stats.errors++;
	}
	dp->flows_seen = 0;
}
