/* SPDX-License-Identifier: BSD-3-Clause */
/* datapath.h over netlink on the event loop; see nat.h. */
#include "nat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn25/log.h"
#include "datapath_netlink.h"

#define FLOW_READS 16		/* of some hundred connections, in one go */

struct c25_nat {
	struct c25_loop *loop;
	struct c25_nft *nft;		/* NULL: off */
	struct c25_datapath *dp;	/* likewise */
	struct c25_watch *changes;	/* of nftables, by others */
	struct c25_watch *flows;	/* being read */
	uint64_t flows_start_ms;
	bool flows_told;		/* that they can't be read */
	struct c25_timer timer;
};

/* ---- the kernel --------------------------------------------------------- */

static void
op_begin(void *ctx)
{
	c25_nft_begin(ctx);
}

static void
op_anew(void *ctx, const struct c25_ruleset *rs)
{
	c25_nft_anew(ctx, rs);
}

static void
op_rules(void *ctx, const struct c25_ruleset *rs)
{
	c25_nft_rules(ctx, rs);
}

static void
op_change(void *ctx, const struct c25_change *change, uint64_t now_ms)
{
	c25_nft_change(ctx, change, now_ms);
}

static void
op_remove(void *ctx)
{
	c25_nft_remove(ctx);
}

static int
op_commit(void *ctx, bool dry, struct c25_error *err)
{
	return c25_nft_commit(ctx, dry, err);
}

static int
op_events(void *ctx, struct c25_nft_event *out)
{
	return c25_nft_events(ctx, out);
}

static const struct c25_datapath_ops ops = {
	.begin = op_begin,
	.anew = op_anew,
	.rules = op_rules,
	.change = op_change,
	.remove = op_remove,
	.commit = op_commit,
	.events = op_events,
};

/* ---- connections -------------------------------------------------------- */

static void
on_flow(void *ctx, const struct c25_flow *flow)
{
	struct c25_nat *nat = ctx;

	if (c25_datapath_flow(nat->dp, flow, c25_now_ms()))
		c25_nft_flow_forget(nat->nft, flow);
}

static void
flows_end(struct c25_nat *nat, bool ok)
{
	uint64_t now = c25_now_ms();

	c25_watch_close(nat->flows);
	nat->flows = NULL;
	c25_datapath_flows_done(nat->dp, ok, now, now - nat->flows_start_ms);
}

static void
flows_failed(struct c25_nat *nat, const char *why)
{
	if (!nat->flows_told)
		c25_log(C25_LOG_ERROR, "%s: assignments and mappings end "
			"though connections use them: is the kernel module "
			"nf_conntrack_netlink missing?", why);
	nat->flows_told = true;
	flows_end(nat, false);
}

static void
on_flows(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	struct c25_nat *nat = ctx;
	struct c25_error err = { "" };
	int r = c25_nft_flows_read(nat->nft, FLOW_READS, on_flow, nat);

	(void)w;
	(void)fd;
	(void)events;
	if (r == 1)
		return;
	if (r == 0) {
		nat->flows_told = false;
		flows_end(nat, true);
		return;
	}
	c25_fail(&err, r, "datapath: connections can't be read: %s",
		strerror(-r));
	flows_failed(nat, err.text);
}

/* A look at all connections, if it is time. */
static void
flows_begin(struct c25_nat *nat)
{
	struct c25_error err = { "" };
	uint64_t now = c25_now_ms();
	bool all;
	int fd;

	if (nat->flows != NULL || !c25_datapath_wants_flows(nat->dp, now,
	    &all))
		return;
	nat->flows_start_ms = now;
	fd = c25_nft_flows_start(nat->nft, all, &err);
	if (fd < 0) {
		flows_failed(nat, err.text);
		return;
	}
	/* a watch closes its fd, this one is the handle's */
	fd = dup(fd);
	if (fd < 0 || c25_loop_watch(nat->loop, fd, C25_READ, on_flows, nat,
	    &nat->flows) != 0) {
		if (fd >= 0)
			(void)close(fd);
		nat->flows = NULL;
		flows_failed(nat, "datapath: connections can't be read: out "
			"of memory or descriptors");
	}
}

/* ---- what drives it ----------------------------------------------------- */

static void
rearm(struct c25_nat *nat)
{
	uint64_t due = c25_datapath_due(nat->dp), now = c25_now_ms();
	bool all;

	/* they are being read: their next time comes when that is over */
	if (nat->flows != NULL && c25_datapath_wants_flows(nat->dp, now,
	    &all) && due <= now)
		due = now + 100;
	if (due == 0)
		c25_timer_stop(&nat->timer);
	else
		c25_timer_set(&nat->timer, due > now ? due - now : 0);
}

static void
on_timer(void *ctx)
{
	(void)c25_nat_flush(ctx);
}

bool
c25_nat_flush(struct c25_nat *nat)
{
	if (nat->dp == NULL)
		return true;
	c25_datapath_work(nat->dp, c25_now_ms());
	flows_begin(nat);
	if (c25_datapath_due(nat->dp) == 1)
		return false;
	rearm(nat);
	return true;
}

void
c25_nat_flush_first(struct c25_nat *nat)
{
	while (nat->dp != NULL && c25_datapath_owes(nat->dp))
		(void)c25_nat_flush(nat);
}

static void
on_changes(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	struct c25_nat *nat = ctx;
	struct c25_nft_event event;
	int r = c25_nft_events(nat->nft, &event);

	(void)w;
	(void)fd;
	(void)events;
	if (r != 0)
		c25_datapath_meddled(nat->dp, event.who, c25_now_ms());
}

/* ---- on and off --------------------------------------------------------- */

static void
off(struct c25_nat *nat)
{
	c25_timer_stop(&nat->timer);
	c25_watch_close(nat->flows);
	c25_watch_close(nat->changes);
	c25_datapath_free(nat->dp);
	c25_nft_close(nat->nft);
	nat->flows = NULL;
	nat->changes = NULL;
	nat->dp = NULL;
	nat->nft = NULL;
}

/* Take the table out of the kernel, then everything here. */
static void
remove_all(struct c25_nat *nat)
{
	struct c25_error err = { "" };

	if (nat->dp != NULL && c25_datapath_remove(nat->dp, &err) != 0)
		c25_log(C25_LOG_ERROR, "%s: table inet %s stays", err.text,
			C25_NFT_TABLE);
	off(nat);
}

/* See what others do to our table. */
static int
listen_to_changes(struct c25_nat *nat, struct c25_error *err)
{
	int fd = c25_nft_listen(nat->nft, err), r;

	if (fd < 0)
		return fd;
	fd = dup(fd);
	if (fd < 0)
		return c25_fail(err, -errno, "datapath: %s", strerror(errno));
	r = c25_loop_watch(nat->loop, fd, C25_READ, on_changes, nat,
		&nat->changes);
	if (r != 0) {
		(void)close(fd);
		return c25_fail(err, r, "datapath: %s", strerror(-r));
	}
	return 0;
}

static int
on(struct c25_nat *nat, struct c25_error *err)
{
	int r = c25_nft_open(&nat->nft, err);

	if (r == 0 && c25_datapath_new(&ops, nat->nft, C25_DATAPATH_ATOMIC,
	    &nat->dp) != 0)
		r = c25_fail(err, -ENOMEM, "datapath: out of memory");
	return r;
}

int
c25_nat_new(struct c25_loop *loop, struct c25_nat **out)
{
	struct c25_nat *nat = calloc(1, sizeof(*nat));

	if (nat == NULL)
		return -ENOMEM;
	nat->loop = loop;
	c25_timer_init(&nat->timer, loop, on_timer, nat);
	*out = nat;
	return 0;
}

void
c25_nat_free(struct c25_nat *nat, bool remove)
{
	if (nat == NULL)
		return;
	if (remove)
		remove_all(nat);
	else
		off(nat);
	free(nat);
}

int
c25_nat_check(struct c25_nat *nat, const struct c25_config *cfg,
	struct c25_error *err)
{
	bool fresh = nat->nft == NULL;
	int r = 0;

	if (!cfg->datapath.nftables)
		return 0;
	if (fresh)
		r = on(nat, err);
	if (r == 0)
		r = c25_datapath_check(nat->dp, cfg, err);
	if (r == 0 && fresh)
		r = listen_to_changes(nat, err);
	if (r != 0 && fresh)
		off(nat);
	return r;
}

int
c25_nat_configure(struct c25_nat *nat, const struct c25_config *cfg,
	struct c25_table *table, struct c25_mappings *mappings,
	struct c25_error *err)
{
	int r;

	if (!cfg->datapath.nftables) {
		if (nat->nft != NULL)
			remove_all(nat);
		return 0;
	}
	r = c25_datapath_configure(nat->dp, cfg, table, mappings,
		c25_now_ms());
	if (r != 0)
		return c25_fail(err, r, "datapath: out of memory");
	(void)c25_nat_flush(nat);
	return 0;
}

/* ---- what happens ------------------------------------------------------- */

void
c25_nat_seen(struct c25_nat *nat, const struct c25_assignment *a)
{
	if (nat->dp == NULL)
		return;
	if (a == NULL)
		c25_datapath_overrun(nat->dp);
	else
		c25_datapath_assigned(nat->dp, a, c25_now_ms());
}

void
c25_nat_dropped(struct c25_nat *nat, const struct c25_assignment *a)
{
	if (nat->dp != NULL)
		c25_datapath_dropped(nat->dp, a);
}

bool
c25_nat_on(const struct c25_nat *nat)
{
	return nat->dp != NULL;
}

bool
c25_nat_built(const struct c25_nat *nat)
{
	return nat->dp == NULL || c25_datapath_built(nat->dp);
}

/* ---- statistics --------------------------------------------------------- */

void
c25_nat_stats(struct c25_nat *nat, struct c25_nat_stats *out)
{
	*out = (struct c25_nat_stats){ .packets = { 0 } };
	if (nat->dp == NULL)
		return;
	c25_datapath_stats(nat->dp, &out->datapath);
	(void)!c25_nft_counters(nat->nft, out->packets);
}
