/* SPDX-License-Identifier: BSD-3-Clause */
/* The client role of a struct c25_daemon: see client.h. */

#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "conn25/layout.h"
#include "conn25/log.h"

/* Slots looked at while the table's lock is held once. */
#define RECLAIM_SLOTS 4096

void
c25_client_work(void *ctx)
{
	struct c25_daemon *d = ctx;

	if (d->pusher != NULL)
		c25_pusher_work(d->pusher);
}

/* The pusher changed push states. */
static void
on_changed(void *ctx)
{
	struct c25_daemon *d = ctx;

	c25_doorbell_ring(d->doorbell);
}

/* The module made an assignment; NULL: some that we weren't told of, and are
 * told of one by one as the pusher finds them. */
static void
on_seen(void *ctx, const struct c25_assignment *a)
{
	struct c25_daemon *d = ctx;

	c25_nat_seen(d->nat, a);
	if (d->keep != NULL && a != NULL)
		c25_keep_put(d->keep, a);
}

static void
on_reclaim(void *ctx)
{
	struct c25_daemon *d = ctx;
	int r = c25_table_reclaim(d->table, RECLAIM_SLOTS);

	if (r < 0 && !d->reclaim_told) {
		d->reclaim_told = true;
		c25_log(C25_LOG_ERROR, "table: can't be reclaimed: %s: stop "
			"conn25d, move %s/%s away and start again",
			strerror(-r), d->run_dir, C25_TABLE_FILE);
	} else if (r > 0) {
		c25_log(C25_LOG_DETAIL, "table: %d assignments are over", r);
		if (d->keep != NULL)
			c25_keep_freed(d->keep);
	}
	/* there may be more, if it freed as many as it may have looked at */
	c25_timer_set(&d->reclaim, r > RECLAIM_SLOTS / 2 ? 0 :
		C25_RECLAIM_MS);
}

/* Put another table in the place of the one that is there. */
static int
table_migrate(struct c25_daemon *d, uint32_t want, struct c25_error *err)
{
	int r = c25_table_migrate(d->run_dir, want, d->gid, &d->table, err);

	if (r == 0)
		c25_log(C25_LOG_INFO, "table: %s/%s made anew for %u "
			"assignments, with all that were in it", d->run_dir,
			C25_TABLE_FILE, want);
	return r;
}

/* The table that is there has room for another number: change that. If it
 * can't be, it is used as it is. */
static void
table_resize(struct c25_daemon *d, uint32_t want, struct c25_buf *out)
{
	struct c25_table *old = d->table;
	struct c25_error err = { "" };

	d->table = NULL;
	if (table_migrate(d, want, &err) == 0) {
		c25_table_detach(old);
		return;
	}
	c25_daemon_tell(out, "warning: table.maxAssignments: stays %u: %s",
		c25_table_capacity(old), err.text);
	d->table = old;
}

/* Make way for a new table where there is one that can't be read. */
static int
table_set_aside(struct c25_daemon *d, struct c25_error *why)
{
	struct c25_error err = { "" };
	char kept[280];
	int r = c25_table_set_aside(d->run_dir, kept, &err);

	if (r == 0)
		c25_log(C25_LOG_ERROR, "table: %s: it is now %s, and a new one "
			"is filled from the database: start Unbound with the "
			"module of this version", why->text, kept);
	else
		*why = err;
	return r;
}

/* Why c25_table_mend() looked through it. */
static const char *
table_doubt(int why)
{
	if ((why & C25_DOUBT_DAMAGED) == 0)
		return "full, or a pool exhausted";
	return (why & C25_DOUBT_FULL) == 0 ? "damaged" :
		"damaged, and full or a pool exhausted";
}

/* Attach to the table that is there, or make one. */
static int
table_open(struct c25_daemon *d, const struct c25_config *cfg,
	struct c25_buf *out, struct c25_error *err)
{
	uint32_t want = cfg->table.max_assignments;
	int r = c25_table_attach(d->run_dir, &d->table, err);

	if (r == 0) {
		c25_log(C25_LOG_INFO, "table: %s/%s attached, generation "
			"%llu", d->run_dir, C25_TABLE_FILE,
			(unsigned long long)c25_table_generation(d->table));
		if ((r = c25_table_mend(d->table)) < 0)
			return c25_fail(err, r, "table: %s/%s: damaged: can't "
				"be locked: move it away and restart conn25d "
				"and Unbound", d->run_dir, C25_TABLE_FILE);
		if (r > 0)
			c25_log(C25_LOG_INFO, "table: %s/%s looked through, "
				"as it was found %s", d->run_dir,
				C25_TABLE_FILE, table_doubt(r));
		if (c25_config_is_client(cfg) &&
				c25_table_capacity(d->table) != want)
			table_resize(d, want, out);
		return 0;
	}
	/* of another version, or half way to its successor */
	if ((r == -EPROTO || r == -EAGAIN) &&
			(r = table_migrate(d, want, err)) == 0)
		return 0;
	if (r == -EPROTO) {
		if ((r = table_set_aside(d, err)) != 0)
			return r;
	} else if (r == -ESTALE)
		c25_log(C25_LOG_INFO, "table: %s/%s is from before the last "
			"reboot: making a new one", d->run_dir,
			C25_TABLE_FILE);
	else if (r != -ENOENT)
		return r;
	r = c25_table_create(d->run_dir, want, d->gid, &d->table, err);
	if (r == 0)
		c25_log(C25_LOG_INFO, "table: %s/%s made for %u assignments",
			d->run_dir, C25_TABLE_FILE, want);
	return r;
}

bool
c25_client_needed(const struct c25_daemon *d, const struct c25_config *cfg)
{
	struct c25_table *t;
	int r;

	if (c25_config_is_client(cfg))
		return true;
	r = c25_table_attach(d->run_dir, &t, NULL);
	if (r == 0)
		c25_table_detach(t);
	return r == 0 || r == -EAGAIN;
}

void
c25_client_close(struct c25_daemon *d)
{
	if (d->table != NULL && c25_timer_armed(&d->reclaim))
		c25_timer_stop(&d->reclaim);
	c25_pusher_free(d->pusher);
	c25_keep_free(d->keep);
	c25_doorbell_close(d->doorbell);
	c25_table_detach(d->table);
	d->pusher = NULL;
	d->keep = NULL;
	d->doorbell = NULL;
	d->table = NULL;
}

int
c25_client_open(struct c25_daemon *d, const struct c25_config *cfg,
	struct c25_buf *out, struct c25_error *err)
{
	char path[4096];
	int r;

	(void)snprintf(path, sizeof(path), "%s/%s", d->run_dir,
		C25_DOORBELL_FILE);
	r = c25_doorbell_open(d->loop, path, d->gid, c25_client_work, d,
		&d->doorbell, err);
	if (r != 0)
		return r;
	r = table_open(d, cfg, out, err);
	if (r != 0)
		goto out;
	r = c25_pusher_new(d->loop, d->table, on_changed, on_seen, d,
		&d->pusher);
	if (r != 0) {
		c25_fail(err, r, "pusher: out of memory");
		goto out;
	}
	c25_pusher_resolver(d->pusher, d->names);
	c25_timer_init(&d->reclaim, d->loop, on_reclaim, d);
	c25_timer_set(&d->reclaim, C25_RECLAIM_MS);
out:
	if (r != 0)
		c25_client_close(d);
	return r;
}

/* The connectors' registry indexes, in their order. */
static int
registry(struct c25_daemon *d, const struct c25_config *cfg,
	uint16_t regs[static C25_CONNECTORS_MAX], struct c25_error *err)
{
	size_t i;
	int r;

	for (i = 0; i < cfg->connector_count; i++) {
		r = c25_table_connector_reg(d->table,
			cfg->connectors[i].name);
		if (r == -ENOSPC)
			return c25_fail(err, r, "connector %s: the table has "
				"known %d names already: stop conn25d, "
				"remove %s/%s (its assignments are lost) and "
				"start again", cfg->connectors[i].name,
				C25_CONNECTORS_MAX, d->run_dir,
				C25_TABLE_FILE);
		if (r < 0)
			return c25_fail(err, r, "connector %s: can't be "
				"registered in the table: %s",
				cfg->connectors[i].name, strerror(-r));
		regs[i] = (uint16_t)r;
	}
	return 0;
}

/* With the first policy: what an earlier conn25d knew. */
static int
remember(struct c25_daemon *d, struct c25_error *err)
{
	struct c25_policy *policy =
		c25_push_policy(c25_pusher_push(d->pusher));

	if (d->keep != NULL) {
		c25_keep_policy(d->keep, policy);
		return 0;
	}
	return c25_keep_start(c25_persist_store(d->persist), d->table,
		policy, &d->keep, err);
}

/* Compile and publish a policy. */
static int
publish_policy(struct c25_daemon *d, const struct c25_config *cfg,
	const uint16_t regs[static C25_CONNECTORS_MAX], struct c25_error *err)
{
	uint8_t *blob = NULL;
	size_t len;
	int r;

	r = c25_compile(cfg, regs, c25_table_next_generation(d->table),
		c25_table_hash_key(d->table), &blob, &len, err);
	if (r != 0)
		return r;
	r = c25_table_publish(d->table, blob, len, err);
	free(blob);
	if (r != 0)
		return r;
	c25_log(C25_LOG_INFO, "policy: generation %llu published: %zu "
		"domains of %zu apps, %zu connectors",
		(unsigned long long)c25_table_generation(d->table),
		cfg->domains_apart, cfg->app_count, cfg->connector_count);
	c25_doorbell_follow(d->doorbell, c25_table_generation(d->table));
	return 0;
}

int
c25_client_publish(struct c25_daemon *d, const struct c25_config *cfg,
	const struct c25_certificates *certificates, struct c25_error *err)
{
	uint16_t regs[C25_CONNECTORS_MAX];
	int r = registry(d, cfg, regs, err);

	if (r == 0 && d->cfg != NULL)
		r = publish_policy(d, cfg, regs, err);
	if (r != 0)
		return r;
	r = c25_pusher_configure(d->pusher, cfg, regs,
		certificates->trust, err);
	return r != 0 ? r : remember(d, err);
}

int
c25_client_start(struct c25_daemon *d, const struct c25_config *cfg,
	struct c25_error *err)
{
	uint16_t regs[C25_CONNECTORS_MAX];
	int r;

	if (!c25_client_needed(d, cfg))
		return 0;
	r = c25_client_open(d, cfg, NULL, err);
	if (r == 0)
		r = registry(d, cfg, regs, err);
	return r != 0 ? r : publish_policy(d, cfg, regs, err);
}
