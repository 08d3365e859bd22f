/* SPDX-License-Identifier: BSD-3-Clause */
/* The client role's assignments in the store, and back; see keep.h. */

#include "keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/log.h"

#define RESTORE_BATCH 256	/* while the table's lock is held once */
#define PUT_AGAIN_AT_ONCE 65536	/* assignments in a tick */
#define LEASE_SLACK_S 10	/* the table adds no more than that */

/* What was put last of a slot of the table. */
struct noted {
	struct c25_addr magic;
	uint32_t seq;		/* its version; 0: nothing */
};

struct c25_keep {
	struct c25_store *store;
	struct c25_table *table;
	struct c25_policy *policy;
	struct noted *noted;	/* by slot */
	uint32_t capacity;	/* ... so many */
	bool again;		/* everything is being put again */
	uint32_t cursor;	/* ... up to here */
	bool sweep;		/* something may have ended unnoticed */
	uint64_t sweep_ms;	/* next look for that anyway */
	uint64_t hold_ms;	/* none before: what found no room is kept */
	bool told;		/* that one couldn't be noted */
};

/* ---- to the store -------------------------------------------------------- */

/*
 * How long a lease is to last if it is put back at any time from now on: what
 * may be promised by the present policy, or what an earlier one, or a flow,
 * has made of it if that is longer.
 */
static uint32_t
lease_length(const struct c25_policy *p, const struct c25_assignment *a)
{
	uint64_t length = c25_policy_max_ttl(p), now = c25_now_ms();
	uint64_t left = a->lease_end_ms <= now ? 0 :
		(a->lease_end_ms - now + 999) / 1000;

	if (left > length + LEASE_SLACK_S)
		length = left;
	return length < C25_LEASE_MIN_S ? C25_LEASE_MIN_S :
		length > C25_LEASE_MAX_S ? C25_LEASE_MAX_S : (uint32_t)length;
}

/* Called by the store's thread, too. Whoever has the address now has been
 * put, or will be, over what the store has of it: what is new comes through
 * the ring, or is found waiting after that was overrun; nothing is pushed, or
 * moved, without having been put. */
static bool
is_alive(void *ctx, const struct c25_addr *magic)
{
	struct c25_assignment a;

	return c25_table_by_magic(ctx, magic, &a) != -ENOENT;
}

/*
 * Remember what a slot holds. What it held before has ended, unless it has
 * moved: its row goes with it, so that the database never has more rows than
 * the table has slots, and none of the living lacks a place after a restart.
 * Returns: whether this version is new here.
 */
static bool
note(struct c25_keep *k, const struct c25_assignment *a)
{
	struct noted *n;

	if (a->ref.slot >= k->capacity)
		return true;
	n = &k->noted[a->ref.slot];
	if (n->seq == a->ref.seq)
		return false;
	/* Who gets the address from now on is put after this. Without memory
	 * the sweep finds it. */
	if (n->seq != 0 && !c25_addr_eq(&n->magic, &a->magic) &&
	    !is_alive(k->table, &n->magic))
		(void)!c25_store_remove_assignment(k->store, &n->magic);
	*n = (struct noted){ .magic = a->magic, .seq = a->ref.seq };
	return true;
}

/* Everything in the table is noted by now: in the database, or to be put. */
static void
note_all(struct c25_keep *k)
{
	struct c25_assignment a;
	uint32_t cursor = 0;

	while (c25_table_next(k->table, &cursor, &a))
		(void)note(k, &a);
}

void
c25_keep_put(struct c25_keep *k, const struct c25_assignment *a)
{
	struct c25_match m;
	const char *connector = a->connector == C25_CONNECTOR_NONE ? NULL :
		c25_policy_connector(k->policy, a->connector);
	bool anew;
	int r;

	/* who reserves also frees what is over */
	k->sweep = true;
	anew = note(k, a);
	/* it goes on until its lease ends, but not over a restart */
	if (!c25_policy_match(k->policy, a->domain.wire, a->domain.len, &m))
		return;
	r = c25_store_put_assignment(k->store, &(struct c25_store_assignment){
		.domain = a->domain, .destination = a->destination,
		.magic = a->magic, .transit = a->transit,
		.app = c25_policy_app(k->policy, m.app),
		.connector = connector == NULL ? "" : connector,
		.lease_s = lease_length(k->policy, a), .anew = anew });
	if (r != 0 && !k->told) {
		k->told = true;
		c25_log(C25_LOG_ERROR, "assignments: one can't be kept for a "
			"restart: %s", strerror(-r));
	}
}

void
c25_keep_freed(struct c25_keep *k)
{
	k->sweep = true;
}

/* Put everything, in pieces. */
static void
put_again(struct c25_keep *k)
{
	k->again = true;
	k->cursor = 0;
}

void
c25_keep_tick(struct c25_keep *k, uint64_t now_ms)
{
	struct c25_assignment a;
	int n;

	if (c25_store_wants(k->store, C25_STORE_ASSIGNMENTS))
		put_again(k);
	for (n = 0; k->again && n < PUT_AGAIN_AT_ONCE; n++) {
		if (!c25_table_next(k->table, &k->cursor, &a))
			k->again = false;
		else if (c25_table_admits(k->table, &a))
			c25_keep_put(k, &a);
	}
	if (now_ms < k->hold_ms || (!k->sweep && now_ms < k->sweep_ms))
		return;
	k->sweep = false;
	k->sweep_ms = now_ms + C25_KEEP_SWEEP_MS;
	c25_store_sweep_assignments(k->store, is_alive, k->table);
}

/* ---- and back ------------------------------------------------------------ */

struct restoring {
	struct c25_keep *k;
	bool closed;			/* the table is to be filled */
	bool others;			/* now with other transit addresses */
	struct c25_saved list[RESTORE_BATCH];
	size_t count;
	size_t restored, forbidden, ended, failed, deferred;
	uint32_t longest_s;		/* of the leases */
	int r;				/* why the last one failed */
};

static void
forget(struct restoring *t, const struct c25_addr *magic)
{
	/* Without memory for that it is found again at the next start. */
	(void)!c25_store_remove_assignment(t->k->store, magic);
}

static int
restore_batch(struct restoring *t)
{
	int results[RESTORE_BATCH];
	int r = c25_table_restore(t->k->table, t->list, t->count, results);

	for (size_t i = 0; r >= 0 && i < t->count; i++) {
		switch (results[i]) {
		case 0:
			t->restored++;
			continue;
		case -EEXIST:
			/* put back by the first of two walks, or an earlier
			 * one of this domain */
			if (is_alive(t->k->table, &t->list[i].magic))
				continue;
			break;
		case -EADDRNOTAVAIL:
			t->deferred++;
			continue;
		case -ENOSPC:
			/* it may still be counted on: a reboot with more room
			 * finds it */
			t->failed++;
			t->r = results[i];
			continue;
		case -ERANGE:
		case -EAFNOSUPPORT:
			t->forbidden++;
			break;
		default:
			t->failed++;
			t->r = results[i];
		}
		forget(t, &t->list[i].magic);
	}
	t->count = 0;
	return r < 0 ? r : 0;
}

/* The number of a connector's name in the policy, or _NONE. */
static uint16_t
connector_of(const struct c25_policy *p, uint32_t app, const char *name)
{
	uint32_t count;
	const uint16_t *list = c25_policy_app_connectors(p, app, &count);

	for (uint32_t i = 0; i < count; i++) {
		const char *one = c25_policy_connector(p, list[i]);

		if (one != NULL && strcmp(one, name) == 0)
			return list[i];
	}
	return count > 0 ? list[0] : C25_CONNECTOR_NONE;
}

static int
restore_one(void *ctx, const struct c25_store_assignment *a)
{
	struct restoring *t = ctx;
	const struct c25_policy *p = t->k->policy;
	struct c25_match m;

	if (a->lease_s > t->longest_s)
		t->longest_s = a->lease_s;
	if (!t->closed) {
		/* the table has lived on: what it doesn't have has ended */
		if (!is_alive(t->k->table, &a->magic)) {
			t->ended++;
			forget(t, &a->magic);
		}
		return 0;
	}
	if (!c25_policy_match(p, a->domain.wire, a->domain.len, &m) ||
	    !m.rewrite) {
		t->forbidden++;
		forget(t, &a->magic);
		return 0;
	}
	t->list[t->count++] = (struct c25_saved){ .name = a->domain,
		.destination = a->destination, .magic = a->magic,
		.transit = a->transit,
		.connector = connector_of(p, m.app, a->connector),
		.keep_transit = !t->others,
		.lease_end_ms = c25_now_ms() + a->lease_s * 1000ull };
	return t->count == RESTORE_BATCH ? restore_batch(t) : 0;
}

static int
load(struct c25_keep *k, struct c25_error *err)
{
	struct restoring *t = calloc(1, sizeof(*t));
	struct c25_store_loaded loaded;
	int r;

	if (t == NULL)
		return c25_fail(err, -ENOMEM, "assignments: out of memory");
	t->k = k;
	t->closed = c25_table_closed(k->table);
	r = c25_store_load_assignments(k->store, restore_one, t, &loaded,
		err);
	if (r == 0)
		r = restore_batch(t);
	if (r == 0 && t->deferred > 0) {
		/* whose transit address went with its pool takes another one
		 * only when all the others have theirs */
		t->others = true;
		t->failed = t->forbidden = 0;
		r = c25_store_load_assignments(k->store, restore_one, t,
			&loaded, err);
		if (r == 0)
			r = restore_batch(t);
	}
	if (t->failed > 0)
		k->hold_ms = c25_now_ms() + 1000ull * (t->longest_s +
			C25_QUARANTINE_S);
	if (r < 0 && err != NULL && err->text[0] == '\0')
		c25_fail(err, r, "assignments: can't be put back: %s",
			strerror(-r));
	if (t->restored + t->forbidden + t->ended > 0)
		c25_log(C25_LOG_INFO, "assignments: %zu restored; %zu have "
			"ended, %zu not in the configuration any more",
			t->restored, t->ended, t->forbidden);
	if (t->failed > 0)
		c25_log(C25_LOG_ERROR, "assignments: %zu can't be restored: "
			"%s", t->failed, t->r == -ENOSPC ? "the table or a "
			"pool is too small now" : strerror(-t->r));
	free(t);
	return r;
}

int
c25_keep_start(struct c25_store *store, struct c25_table *table,
	struct c25_policy *policy, struct c25_keep **out,
	struct c25_error *err)
{
	struct c25_keep *k = calloc(1, sizeof(*k));
	int r;

	*out = NULL;
	if (k == NULL)
		return c25_fail(err, -ENOMEM, "assignments: out of memory");
	k->store = store;
	k->table = table;
	k->capacity = c25_table_capacity(table);
	k->noted = calloc(k->capacity, sizeof(*k->noted));
	if (k->noted == NULL) {
		free(k);
		return c25_fail(err, -ENOMEM, "assignments: out of memory");
	}
	k->policy = c25_policy_ref(policy);
	k->sweep_ms = c25_now_ms() + C25_KEEP_SWEEP_MS;
	/* what lives in the table may not be in the database yet */
	k->again = true;
	r = load(k, err);
	if (r != 0) {
		c25_keep_free(k);
		return r;
	}
	note_all(k);
	c25_table_begin(table);
	*out = k;
	return 0;
}

void
c25_keep_policy(struct c25_keep *k, struct c25_policy *policy)
{
	c25_policy_ref(policy);
	c25_policy_unref(k->policy);
	k->policy = policy;
	/* other apps and connectors for the same domains */
	put_again(k);
}

void
c25_keep_free(struct c25_keep *k)
{
	if (k == NULL)
		return;
	c25_policy_unref(k->policy);
	free(k->noted);
	free(k);
}
