/* SPDX-License-Identifier: BSD-3-Clause */
/* The connector's mappings in the store, and back; see persist.h. */

#include "persist.h"

#include <errno.h>
#include <stdlib.h>

#include "conn25/log.h"
#include "conn25/table.h"

#define PUT_AGAIN_AT_ONCE 65536		/* mappings in a tick: some 30 ms */

struct c25_persist {
	struct c25_store *store;
	struct c25_serve *serve;
	bool again;			/* everything is being put again */
	size_t cursor;			/* ... up to here */
	bool told;			/* that a change couldn't be noted */
};

/* What became of the mappings in the database. */
struct restoring {
	struct c25_persist *p;
	uint64_t now_ms;
	size_t restored, forbidden, over, lost;
	int r;				/* of the last that was lost */
};

/* ---- changes ------------------------------------------------------------- */

static int
put(struct c25_persist *p, const struct c25_mapping *it)
{
	return c25_store_put_mapping(p->store, &(struct c25_store_mapping){
		.peer = it->peer, .app = it->app, .transit = it->transit,
		.destination = it->destination, .sent_ms = it->sent_ms });
}

static void
on_mapping(void *ctx, const struct c25_mapping *it, bool there)
{
	struct c25_persist *p = ctx;
	int r = there ? put(p, it) :
		c25_store_remove_mapping(p->store, it->peer, &it->transit);

	if (r != 0 && !p->told) {
		p->told = true;
		c25_log(C25_LOG_ERROR, "mappings: a change can't be kept "
			"for a restart: %s", r == -ENOMEM ? "out of memory" :
			"it makes no sense");
	}
}

void
c25_persist_tick(struct c25_persist *p)
{
	struct c25_mappings *m = c25_serve_mappings(p->serve);
	struct c25_mapping it;
	int n;

	if (c25_store_wants(p->store, C25_STORE_MAPPINGS)) {
		p->again = true;
		p->cursor = 0;
	}
	for (n = 0; p->again && n < PUT_AGAIN_AT_ONCE; n++) {
		if (!c25_mappings_next(m, &p->cursor, &it)) {
			p->again = false;
			c25_store_mappings_complete(p->store);
		} else {
			on_mapping(p, &it, true);
		}
	}
}

/* ---- start --------------------------------------------------------------- */

static int
restore_one(void *ctx, const struct c25_store_mapping *m)
{
	struct restoring *t = ctx;
	int r;

	if (m->sent_ms + C25_MAPPING_LIFE_MS <= t->now_ms) {
		t->over++;
	} else {
		r = c25_serve_restore(t->p->serve, m->peer, &m->transit,
			&m->destination, m->app, m->sent_ms);
		if (r == 0) {
			t->restored++;
			return 0;
		}
		if (r == -EPERM) {
			t->forbidden++;
		} else {
			t->lost++;
			t->r = r;
		}
	}
	/* Without memory for that it is found again at the next start. */
	(void)!c25_store_remove_mapping(t->p->store, m->peer, &m->transit);
	return 0;
}

static void
tell(const struct restoring *t)
{
	if (t->restored + t->over + t->forbidden > 0)
		c25_log(C25_LOG_INFO, "mappings: %zu restored; %zu are over, "
			"%zu not allowed any more", t->restored, t->over,
			t->forbidden);
	if (t->lost > 0)
		c25_log(C25_LOG_ERROR, "mappings: %zu can't be restored: %s: "
			"peers will be made to send theirs again", t->lost,
			t->r == -ENOSPC ? "there are too many" :
			"out of memory");
}

int
c25_persist_open(const char *state_dir, const char *run_dir,
	struct c25_serve *serve, struct c25_persist **out,
	struct c25_error *err)
{
	struct c25_persist *p = calloc(1, sizeof(*p));
	struct restoring t = { .p = p };
	struct c25_store_loaded loaded;
	int r;

	*out = NULL;
	if (p == NULL)
		return c25_fail(err, -ENOMEM, "out of memory");
	p->serve = serve;
	r = c25_store_open(&(struct c25_store_options){
		.state_dir = state_dir, .run_dir = run_dir }, &p->store, err);
	if (r != 0)
		goto out;
	t.now_ms = c25_now_ms();
	r = c25_store_load_mappings(p->store, restore_one, &t, &loaded, err);
	if (r != 0)
		goto out;
	if (c25_mappings_restored(c25_serve_mappings(serve)) != 0)
		c25_log(C25_LOG_ERROR, "mappings: out of memory: some will "
			"be kept longer than an hour");
	tell(&t);
	if (t.lost + loaded.skipped > 0)
		c25_store_epoch_renew(p->store);
	c25_serve_epoch_set(serve, c25_store_epoch(p->store));
	c25_mappings_watch(c25_serve_mappings(serve), on_mapping, p);
	*out = p;
out:
	if (r != 0)
		c25_persist_close(p);
	return r;
}

int
c25_persist_start(struct c25_persist *p, struct c25_error *err)
{
	return c25_store_start(p->store, err);
}

struct c25_store *
c25_persist_store(struct c25_persist *p)
{
	return p->store;
}

void
c25_persist_close(struct c25_persist *p)
{
	if (p == NULL)
		return;
	c25_mappings_watch(c25_serve_mappings(p->serve), NULL, p);
	c25_store_close(p->store);
	free(p);
}
