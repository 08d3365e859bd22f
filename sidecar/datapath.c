/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When the kernel is told what, and what is done if it won't; see datapath.h.
 */
#include "datapath_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/log.h"
#include "datapath_netlink.h"

#define RETRY_MIN_MS 250	/* after a failure; doubles */
#define RETRY_MAX_MS 60000
#define ATOMIC_MIN 32		/* changes that any socket takes at once */
#define MANY (1u << 17)		/* elements: they take a second */
#define REPAIR_MS 20		/* before a repair, to see all of a change */
#define REPAIRS 10		/* that may be at once */
#define REPAIR_EACH_MS 3000	/* one more after this time */

int
c25_datapath_new(const struct c25_datapath_ops *ops, void *ctx,
	size_t atomic, struct c25_datapath **out)
{
	struct c25_datapath *dp = calloc(1, sizeof(*dp));

	if (dp == NULL || c25_elements_new(&dp->elements) != 0) {
		free(dp);
		return -ENOMEM;
	}
	dp->ops = ops;
	dp->ctx = ctx;
	dp->atomic = atomic;
	dp->repairs_left = REPAIRS;
	*out = dp;
	return 0;
}

void
c25_datapath_free(struct c25_datapath *dp)
{
	if (dp == NULL)
		return;
	if (dp->mappings != NULL)
		c25_mappings_watch(dp->mappings, NULL, dp);
	c25_progress_end(&dp->progress);
	c25_elements_free(dp->elements);
	c25_ruleset_free(dp->rs);
	free(dp->by_peer);
	free(dp->by_addr);
	free(dp);
}

/* ---- failures ----------------------------------------------------------- */

static void
tell(struct c25_datapath *dp, const char *text)
{
	if (strcmp(dp->told, text) == 0)
		return;
	(void)snprintf(dp->told, sizeof(dp->told), "%s", text);
	c25_log(C25_LOG_ERROR, "%s: trying again until it works", text);
}

static void
failed(struct c25_datapath *dp, const struct c25_error *err, uint64_t now)
{
	dp->stats.errors++;
	tell(dp, err->text);
	dp->retry_ms = dp->retry_ms == 0 ? RETRY_MIN_MS : dp->retry_ms * 2;
	if (dp->retry_ms > RETRY_MAX_MS)
		dp->retry_ms = RETRY_MAX_MS;
	dp->retry_at_ms = now + dp->retry_ms;
}

static void
worked(struct c25_datapath *dp)
{
	dp->stats.batches++;
	dp->retry_ms = 0;
	dp->retry_at_ms = 0;
	dp->told[0] = '\0';
}

/* How long to wait before a repair. */
static uint64_t
repair_pause(struct c25_datapath *dp, uint64_t now)
{
	uint64_t each = dp->build_ms * 20 > REPAIR_EACH_MS ?
		dp->build_ms * 20 : REPAIR_EACH_MS;
	uint64_t more = (now - dp->repairs_ms) / each;

	if (more > 0) {
		dp->repairs_left = more > REPAIRS - dp->repairs_left ?
			REPAIRS : dp->repairs_left + (unsigned)more;
		dp->repairs_ms = now;
	}
	if (dp->repairs_left == 0)
		return each;
	dp->repairs_left--;
	return REPAIR_MS;
}

/* The kernel hasn't what we think: make it anew, in a while. */
static void
repair(struct c25_datapath *dp, const char *who, uint64_t now)
{
	(void)snprintf(dp->who, sizeof(dp->who), "%s", who);
	if (!dp->built && dp->retry_at_ms != 0)
		return;			/* it waits for that already */
	dp->built = false;
	dp->retry_at_ms = now + repair_pause(dp, now);
}

void
c25_datapath_meddled(struct c25_datapath *dp, const char *who, uint64_t now)
{
	if (dp->rs != NULL)
		repair(dp, who, now);
}

/* ---- transactions ------------------------------------------------------- */

/* Changes of elements, up to `max`, into the transaction. */
static size_t
add_changes(struct c25_datapath *dp, size_t max, uint64_t now)
{
	struct c25_change change;
	size_t n = 0;

	while (n < max && c25_elements_take(dp->elements, &change)) {
		dp->ops->change(dp->ctx, &change, now);
		n++;
	}
	return n;
}

static void
tell_built(struct c25_datapath *dp)
{
	if (dp->who[0] == '\0') {
		c25_log(C25_LOG_INFO, "datapath: table inet %s made, with "
			"%zu elements", C25_NFT_TABLE,
			c25_elements_count(dp->elements));
		return;
	}
	dp->stats.repairs++;
	c25_log(C25_LOG_ERROR, "datapath: table inet %s was changed by %s: "
		"made anew, with %zu elements", C25_NFT_TABLE, dp->who,
		c25_elements_count(dp->elements));
	dp->who[0] = '\0';
}

/* A transaction was more than the socket takes. Returns: false: it was small
 * already. */
static bool
take_fewer(struct c25_datapath *dp, int r)
{
	if (r != -EMSGSIZE || dp->atomic < 2 * ATOMIC_MIN)
		return false;
	dp->atomic /= 2;
	return true;
}

/* Many elements are to be loaded: show that, as the kernel takes its time and
 * gives no sign of life meanwhile. */
static void
show_loading(struct c25_datapath *dp, uint64_t now)
{
	size_t many = c25_elements_pending(dp->elements);

	c25_progress_end(&dp->progress);	/* of an attempt before */
	if (many < MANY)
		return;
	c25_progress_begin(&dp->progress, "loading elements into the kernel",
		many, now);
	c25_progress_show(&dp->progress, 0, now);
}

/* All that others did until now is undone by what is made next; only who did
 * it is still worth knowing. */
static void
forget_events(struct c25_datapath *dp)
{
	struct c25_nft_event event;

	if (dp->ops->events(dp->ctx, &event) == 1 && dp->who[0] != '\0')
		(void)snprintf(dp->who, sizeof(dp->who), "%s", event.who);
}

/* The whole table, in place of whatever is there. */
static void
build(struct c25_datapath *dp, uint64_t now)
{
	struct c25_error err = { "" };
	size_t n;
	int r;

	c25_elements_lost(dp->elements);
	c25_ruleset_load(dp->rs, c25_elements_pending(dp->elements) >
		dp->atomic);
	show_loading(dp, now);
	dp->ops->begin(dp->ctx);
	dp->ops->anew(dp->ctx, dp->rs);
	n = add_changes(dp, dp->atomic, now);
	forget_events(dp);
	r = dp->ops->commit(dp->ctx, false, &err);
	if (r != 0) {
		c25_elements_taken(dp->elements, false);
		if (take_fewer(dp, r))
			return;
		c25_progress_end(&dp->progress);
		failed(dp, &err, now);
		return;
	}
	c25_elements_taken(dp->elements, true);
	worked(dp);
	dp->stats.changes += n;
	dp->built = true;
	dp->rules_due = false;
	dp->cleanse = true;
	dp->flows_at_ms = now;
	dp->build_ms = c25_now_ms() - now;
	tell_built(dp);
	if (!dp->rs->loading)
		c25_progress_end(&dp->progress);
}

/* Other rules, or those that refuse once all elements are there; some
 * changes. */
static void
update(struct c25_datapath *dp, uint64_t now)
{
	struct c25_error err = { "" };
	bool rules;
	size_t n;
	int r;

	if (dp->rs->loading && c25_elements_pending(dp->elements) == 0) {
		c25_ruleset_load(dp->rs, false);
		dp->rules_due = true;
	}
	rules = dp->rules_due;
	dp->ops->begin(dp->ctx);
	if (rules)
		dp->ops->rules(dp->ctx, dp->rs);
	n = add_changes(dp, dp->atomic < C25_DATAPATH_BATCH ? dp->atomic :
		C25_DATAPATH_BATCH, now);
	if (n == 0 && !rules)
		return;
	r = dp->ops->commit(dp->ctx, false, &err);
	c25_elements_taken(dp->elements, r == 0);
	if (r == -ENOENT || r == -EEXIST || r == -EBUSY) {
		dp->stats.errors++;
		c25_log(C25_LOG_ERROR, "%s: making it anew", err.text);
		repair(dp, "someone", now);
	} else if (r != 0) {
		if (!take_fewer(dp, r))
			failed(dp, &err, now);
	} else {
		worked(dp);
		dp->stats.changes += n;
		if (rules)
			dp->rules_due = false;
		if (dp->rs->loading)
			c25_progress_step(&dp->progress,
				c25_elements_in_kernel(dp->elements), now);
		else
			c25_progress_end(&dp->progress);
	}
}

/* Has the kernel to be told of anything? */
static bool
is_behind(const struct c25_datapath *dp)
{
	return !dp->built || dp->rules_due || dp->rs->loading ||
		c25_elements_pending(dp->elements) > 0;
}

void
c25_datapath_work(struct c25_datapath *dp, uint64_t now)
{
	if (dp->rs == NULL)
		return;
	if (dp->compare_due && now >= dp->compare_at_ms)
		c25_datapath_compare(dp, NULL, now);
	if (now >= dp->sweep_at_ms)
		c25_datapath_sweep(dp, now);
	if (dp->retry_at_ms != 0 && now < dp->retry_at_ms)
		return;
	dp->retry_at_ms = 0;
	if (!dp->built)
		build(dp, now);
	else if (is_behind(dp))
		update(dp, now);
}

bool
c25_datapath_owes(const struct c25_datapath *dp)
{
	/* what it refused is tried again later, and nobody waits for that */
	return dp->rs != NULL && dp->retry_at_ms == 0 &&
		(!dp->built || c25_elements_first(dp->elements) > 0);
}

static void
earlier(uint64_t *due, uint64_t at)
{
	if (*due == 0 || at < *due)
		*due = at;
}

uint64_t
c25_datapath_due(const struct c25_datapath *dp)
{
	uint64_t due = 0;

	if (dp->rs == NULL)
		return 0;
	if (dp->retry_at_ms == 0 && is_behind(dp))
		return 1;
	if (dp->retry_at_ms != 0)
		earlier(&due, dp->retry_at_ms);
	if (dp->compare_due)
		earlier(&due, dp->compare_at_ms);
	earlier(&due, dp->sweep_at_ms);
	earlier(&due, dp->flows_at_ms);
	return due;
}

int
c25_datapath_remove(struct c25_datapath *dp, struct c25_error *err)
{
	int r;

	dp->ops->begin(dp->ctx);
	dp->ops->remove(dp->ctx);
	r = dp->ops->commit(dp->ctx, false, err);
	if (r != 0)
		return r;
	dp->built = false;
	c25_log(C25_LOG_INFO, "datapath: table inet %s removed",
		C25_NFT_TABLE);
	return 0;
}

/* ---- configuration ------------------------------------------------------ */

int
c25_datapath_check(struct c25_datapath *dp, const struct c25_config *cfg,
	struct c25_error *err)
{
	struct c25_ruleset *rs;
	int r = c25_ruleset_new(cfg, NULL, 0, &rs);

	if (r != 0)
		return c25_fail(err, r, "datapath: out of memory");
	dp->ops->begin(dp->ctx);
	dp->ops->anew(dp->ctx, rs);
	r = dp->ops->commit(dp->ctx, true, err);
	c25_ruleset_free(rs);
	return r;
}

static bool
same_roles(const struct c25_ruleset *a, const struct c25_ruleset *b)
{
	return a != NULL && a->client == b->client &&
		a->connector == b->connector;
}

/* Take what the sources of elements are. */
static int
take_sources(struct c25_datapath *dp, const struct c25_config *cfg,
	struct c25_table *table, struct c25_mappings *mappings)
{
	struct c25_datapath_peer *by_peer, *by_addr;
	size_t count;

	if (c25_datapath_peers(mappings, cfg, &by_peer, &by_addr,
	    &count) != 0)
		return -ENOMEM;
	free(dp->by_peer);
	free(dp->by_addr);
	dp->by_peer = by_peer;
	dp->by_addr = by_addr;
	dp->peer_count = count;
	dp->table = c25_config_is_client(cfg) ? table : NULL;
	dp->mappings = mappings;
	c25_datapath_watch(dp);
	return 0;
}

/* Rules with the addresses, too, that are in no pool any more. */
static void
widen(struct c25_datapath *dp, const struct c25_config *cfg,
	const struct c25_ranges *outside)
{
	struct c25_ruleset *wider;

	if (outside->count == 0)
		return;
	if (c25_ruleset_new(cfg, outside->items, outside->count,
	    &wider) != 0) {
		c25_log(C25_LOG_ERROR, "datapath: out of memory: assignments "
			"outside of the pools are not reachable for clients "
			"behind this host");
		return;
	}
	c25_ruleset_free(dp->rs);
	dp->rs = wider;
}

int
c25_datapath_configure(struct c25_datapath *dp, const struct c25_config *cfg,
	struct c25_table *table, struct c25_mappings *mappings, uint64_t now)
{
	bool loading = dp->rs != NULL && dp->rs->loading;
	struct c25_ranges outside = { NULL, 0 };
	struct c25_ruleset *rs;
	int r = c25_ruleset_new(cfg, NULL, 0, &rs);

	if (r == 0)
		r = take_sources(dp, cfg, table, mappings);
	if (r != 0) {
		c25_ruleset_free(rs);
		return r;
	}
	if (!same_roles(dp->rs, rs))
		dp->built = false;
	dp->rules_due = dp->built;
	c25_ruleset_free(dp->rs);
	dp->rs = rs;
	c25_datapath_compare(dp, &outside, now);
	widen(dp, cfg, &outside);
	free(outside.items);
	if (loading)
		c25_ruleset_load(dp->rs, true);
	dp->retry_at_ms = 0;
	/* they go on also while our table can't be built */
	if (dp->flows_at_ms == 0)
		dp->flows_at_ms = now;
	c25_datapath_work(dp, now);
	return 0;
}

const struct c25_ruleset *
c25_datapath_ruleset(const struct c25_datapath *dp)
{
	return dp->rs;
}

/* ---- statistics --------------------------------------------------------- */

void
c25_datapath_stats(const struct c25_datapath *dp,
	struct c25_datapath_stats *out)
{
	*out = dp->stats;
	out->elements = c25_elements_in_kernel(dp->elements);
	out->pending = c25_elements_pending(dp->elements);
}

bool
c25_datapath_built(const struct c25_datapath *dp)
{
	return dp->built;
}
