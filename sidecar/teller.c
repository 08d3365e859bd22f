/* SPDX-License-Identifier: BSD-3-Clause */
/* The talk with unbound-control's socket; see teller.h. */

#include "teller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/log.h"
#include "unbound_control.h"

#define RETRY_MS 1000		/* after the first failure; doubles ... */
#define RETRY_MAX_MS 60000	/* ... up to this */
#define LEAVE_ATTEMPTS 6	/* for a minute; then what it has stays */
#define SAID_MAX 160		/* shown of what Unbound says */

enum state { IDLE, LISTING, CHANGING };

struct c25_teller {
	struct c25_unbound_ask ask;
	struct c25_timer retry;
	char *socket;
	struct c25_forwards want;
	struct c25_forwards former;	/* what Unbound may have besides */
	struct c25_forwards listed;	/* of ours, what it has */
	bool leaving;			/* it is told once more */
	enum state state;
	struct c25_buf plan;		/* commands, a line each */
	size_t at;			/* in it, the one being said */
	size_t changes;			/* zones in it */
	bool again;			/* begin anew after this command: it
					 * is heard to its end, as Unbound
					 * would complain */
	bool answered;			/* "ok" */
	char said[SAID_MAX];		/* if not, what else; printable */
	unsigned attempts;		/* that failed, one after the other */
	int told;			/* the failure that was logged */
	bool pending;
	void (*on_left)(void *ctx, struct c25_teller *t);
	void *ctx;
	struct c25_teller_totals *totals;
};

static void
rest(struct c25_teller *t)
{
	c25_unbound_stop(&t->ask);
	c25_timer_stop(&t->retry);
	c25_forwards_free(&t->listed);
	c25_buf_free(&t->plan);
	t->state = IDLE;
	t->again = false;
}

/* Half of a plan may have been told, and the cache not been flushed: all that
 * may be there of ours is told once more. */
static void
interrupt(struct c25_teller *t)
{
	if (t->state != CHANGING)
		return;
	if (c25_forwards_merge(&t->former, &t->want) != 0)
		c25_log(C25_LOG_ERROR, "unbound: out of memory: restart it, "
			"as old answers may be in its cache");
	for (size_t i = 0; i < t->former.count; i++)
		t->former.items[i].changed = true;
}

/* Is it only that there is no Unbound? */
static bool
absent(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED;
}

static const char *
remedy(int r)
{
	if (absent(r))
		return "it is told when it comes; if it is there, see "
			"control-interface in unbound.conf";
	if (r == -EACCES)
		return "add conn25d's user to the group of the socket, and "
			"restart conn25d";
	return "trying again";
}

/* What it has that it isn't to have stays there, as far as is known. */
static void
may_stay(const struct c25_teller *t, bool harmless, const char *why)
{
	const char *zone = c25_forwards_gone(&t->former, &t->want);

	if (zone != NULL)
		c25_log(harmless ? C25_LOG_INFO : C25_LOG_ERROR, "unbound: %s: "
			"forward zones of ours, such as %s, may stay in it: "
			"%s: if so, unbound-control forward_remove NAME, or "
			"restart it", t->socket, zone, why);
}

/* It has been told that it isn't configured any more, or can't be. */
static void
left(struct c25_teller *t)
{
	t->leaving = false;
	t->on_left(t->ctx, t);
}

static const char *
reason(const struct c25_teller *t, int r)
{
	return t->said[0] != '\0' ? t->said : strerror(-r);
}

static void
failed(struct c25_teller *t, int r)
{
	uint64_t ms = RETRY_MAX_MS;

	interrupt(t);
	rest(t);
	t->totals->failures++;
	if (t->leaving && (absent(r) || t->attempts >= LEAVE_ATTEMPTS)) {
		may_stay(t, absent(r), reason(t, r));
		left(t);
		return;
	}
	if (r != t->told)
		c25_log(absent(r) ? C25_LOG_INFO : C25_LOG_ERROR,
			"unbound: %s: can't be told of forward zones: %s: %s",
			t->socket, reason(t, r), remedy(r));
	t->told = r;
	if (t->attempts < 6)
		ms = (uint64_t)RETRY_MS << t->attempts++;
	c25_timer_set(&t->retry, ms);
}

static void
finished(struct c25_teller *t)
{
	size_t changes = t->changes;

	rest(t);
	t->pending = false;
	t->attempts = 0;
	t->told = 0;
	t->totals->changes += changes;
	c25_forwards_free(&t->former);
	if (changes > 0)
		c25_log(C25_LOG_INFO, "unbound: %s: told of %zu changes, has "
			"%zu forward zones of ours", t->socket, changes,
			t->want.count);
	if (t->leaving)
		left(t);
}

static void
too_many(struct c25_teller *t)
{
	size_t n = t->changes;

	rest(t);
	c25_log(C25_LOG_ERROR, "unbound: %zu changes of forward zones are "
		"more than it can be told while it runs: %s", n,
		t->leaving ? "restart it" : "have it read "
		"unbound.includeFile, and restart it");
	if (t->leaving)
		left(t);
}

static int
ask(struct c25_teller *t, const char *command, size_t len)
{
	t->answered = false;
	t->said[0] = '\0';
	return c25_unbound_ask(&t->ask, t->socket, command, len);
}

/* Say the next command of the plan. */
static void
next_command(struct c25_teller *t)
{
	const char *command = t->plan.data + t->at, *end;
	int r;

	if (t->at == t->plan.len) {
		finished(t);
		return;
	}
	end = strchr(command, '\n');
	t->at = (size_t)(end + 1 - t->plan.data);
	r = ask(t, command, (size_t)(end - command));
	if (r != 0)
		failed(t, r);
}

static int
on_line(void *ctx, const char *line, size_t len)
{
	struct c25_teller *t = ctx;
	size_t n = 0;
	int r;

	if (t->again)
		return 0;
	if (t->state == LISTING) {
		r = c25_forwards_listed(&t->listed, &t->want, &t->former,
			line, len);
		if (r != -EPROTO)
			return r;
	} else if (t->answered || (len >= 2 && memcmp(line, "ok", 2) == 0)) {
		t->answered = true;
		return 0;
	}
	for (; n < len && n < sizeof(t->said) - 1; n++)
		t->said[n] = line[n] >= ' ' && line[n] <= '~' ? line[n] : '?';
	t->said[n] = '\0';
	return -EPROTO;
}

static void begin(struct c25_teller *t);

static void
on_done(void *ctx, int r)
{
	struct c25_teller *t = ctx;

	if (t->again) {
		begin(t);
		return;
	}
	if (r == 0 && t->state == CHANGING && !t->answered)
		r = -EPROTO;
	if (r != 0) {
		failed(t, r);
		return;
	}
	if (t->state == LISTING) {
		c25_forwards_sort(&t->listed);
		t->changes = c25_forwards_plan(&t->want, &t->former,
			&t->listed, &t->plan);
		if (t->plan.failed) {
			failed(t, -ENOMEM);
			return;
		}
		if (t->changes > C25_FORWARDS_PLAN_MAX) {
			too_many(t);
			return;
		}
		t->state = CHANGING;
		t->at = 0;
	}
	next_command(t);
}

/* See what it has, and make it right; from the beginning. */
static void
begin(struct c25_teller *t)
{
	static const char command[] = "list_forwards";
	int r;

	rest(t);
	t->pending = t->want.count > 0 || t->former.count > 0;
	if (!t->pending) {
		if (t->leaving)
			left(t);
		return;
	}
	t->state = LISTING;
	r = ask(t, command, sizeof(command) - 1);
	if (r != 0)
		failed(t, r);
}

/* ... when what is being said has been answered. */
static void
begin_anew(struct c25_teller *t)
{
	t->attempts = 0;
	t->again = t->state != IDLE;
	if (!t->again)
		begin(t);
}

static void
on_retry(void *ctx)
{
	begin(ctx);
}

/* ---- life -------------------------------------------------------------- */

int
c25_teller_new(struct c25_loop *loop,
	void (*on_left)(void *ctx, struct c25_teller *t), void *ctx,
	struct c25_teller_totals *totals, struct c25_teller **out)
{
	struct c25_teller *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	c25_unbound_init(&t->ask, loop, on_line, on_done, t);
	c25_timer_init(&t->retry, loop, on_retry, t);
	t->on_left = on_left;
	t->ctx = ctx;
	t->totals = totals;
	*out = t;
	return 0;
}

void
c25_teller_free(struct c25_teller *t)
{
	if (t == NULL)
		return;
	if (t->leaving)
		may_stay(t, true, "conn25d has ended");
	rest(t);
	c25_unbound_end(&t->ask);
	free(t->socket);
	c25_forwards_free(&t->want);
	c25_forwards_free(&t->former);
	free(t);
}

int
c25_teller_former(struct c25_teller *t, const struct c25_forwards *zones)
{
	return c25_forwards_merge(&t->former, zones);
}

int
c25_teller_knows(const struct c25_teller *t, struct c25_forwards *zones)
{
	int r = c25_forwards_merge(zones, &t->former);

	return r != 0 ? r : c25_forwards_merge(zones, &t->want);
}

/* What it is to have from now on. */
static void
want(struct c25_teller *t, struct c25_forwards *zones)
{
	interrupt(t);
	if (c25_forwards_merge(&t->former, &t->want) != 0)
		c25_log(C25_LOG_ERROR, "unbound: out of memory: zones that "
			"were removed stay until it is restarted");
	c25_forwards_free(&t->want);
	t->want = *zones;
	*zones = (struct c25_forwards){ 0 };
	t->told = 0;
	t->pending = true;		/* until that is looked at */
	begin_anew(t);
}

void
c25_teller_tell(struct c25_teller *t, char **socket,
	struct c25_forwards *zones)
{
	free(t->socket);
	t->socket = *socket;
	*socket = NULL;
	t->leaving = false;
	want(t, zones);
}

void
c25_teller_leave(struct c25_teller *t, struct c25_forwards *zones)
{
	t->leaving = true;
	want(t, zones);
}

void
c25_teller_again(struct c25_teller *t)
{
	interrupt(t);
	begin_anew(t);
}

const char *
c25_teller_socket(const struct c25_teller *t)
{
	return t->socket;
}

size_t
c25_teller_count(const struct c25_teller *t)
{
	return t->want.count;
}

bool
c25_teller_pending(const struct c25_teller *t)
{
	return t->pending;
}

bool
c25_teller_failing(const struct c25_teller *t)
{
	return t->told != 0 && !absent(t->told);
}
