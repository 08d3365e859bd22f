/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state machine of the client role; see push.h. Which connector an
 * assignment goes to is decided in push_route.c.
 */
#include "push_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/log.h"

#define TAKE_MAX 4096		/* of the ring in one work() */
#define SWEEP_MAX 8192		/* assignments of a sweep in one work() */
#define REFRESH_TICK_MS 10000	/* a piece of the refresh each */
#define ASLEEP_MS (5u * 60 * 1000)	/* nobody called: the host slept */
#define RESYNC_MIN_MS 10000	/* between two on account of an epoch */
#define REJECTS_MAX 8		/* 400s in a row until it counts as broken */
#define LATER_MS 250		/* level 0; doubles with each level */
#define REFUSED_LOG_MS 10000	/* at most one line in this time */

/* ---- little helpers ------------------------------------------------------ */

/* splitmix64: good enough for jitter. */
static uint64_t
random64(struct c25_pushq *p)
{
	uint64_t z = p->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* ms -+ 25 % */
static uint64_t
jitter(struct c25_pushq *p, uint64_t ms)
{
	return ms - ms / 4 + random64(p) % (ms / 2 + 1);
}

void
c25_push_sweep(struct c25_pushq *p)
{
	p->sweep_on = true;
	p->sweep_cursor = 0;
}

/* Everything of this connector again, not more often than is good. */
void
c25_push_resync(struct c25_pushq *p, struct c25_push_peer *c, uint64_t now)
{
	if (c->resynced_ms != 0 && now - c->resynced_ms < RESYNC_MIN_MS) {
		c->resync_at_ms = c->resynced_ms + RESYNC_MIN_MS;
		return;
	}
	c->resync_at_ms = 0;
	c->resynced_ms = now;
	c->resync = true;
	c25_push_sweep(p);
}

static void
resync_all(struct c25_pushq *p, uint64_t now)
{
	for (uint32_t reg = 0; reg < C25_CONNECTORS_MAX; reg++)
		if (p->peers[reg] != NULL) {
			p->peers[reg]->resynced_ms = 0;
			c25_push_resync(p, p->peers[reg], now);
		}
}

/* ---- into the queues ----------------------------------------------------- */

/*
 * Let an assignment wait for the connector that comes next for it: fresh, or
 * as a refresh. What is there in the same version stays where it is.
 */
static void
enqueue(struct c25_pushq *p, const struct c25_assignment *a,
	enum c25_push_place place)
{
	struct c25_push_slot *s;
	uint16_t reg;

	if (a->ref.slot >= p->queue.capacity)
		return;
	s = &p->queue.slots[a->ref.slot];
	if (c25_push_place(s) != C25_PUSH_NOWHERE && s->seq == a->ref.seq)
		return;
	c25_push_remove(&p->queue, a->ref.slot);
	s->seq = a->ref.seq;
	s->tried = 0;
	s->level = 0;
	s->alone = 0;
	reg = c25_push_route(p, a, 0, NULL);
	if (reg == C25_CONNECTOR_NONE)
		c25_push_move(&p->queue, a->ref.slot, C25_PUSH_PARKED_REG,
			C25_PUSH_FRESH, false);
	else
		c25_push_move(&p->queue, a->ref.slot, reg, place, false);
}

static void
take_ring(struct c25_pushq *p)
{
	struct c25_assignment a;
	struct c25_ref ref;

	p->ring_more = true;
	for (int i = 0; i < TAKE_MAX; i++) {
		int r = p->ops->take(p->ctx, &ref);

		if (r == -EOVERFLOW) {
			c25_push_sweep(p);
		} else if (r != 1) {
			p->ring_more = false;
			return;
		} else if (p->ops->read(p->ctx, ref, &a) == 0) {
			enqueue(p, &a, C25_PUSH_FRESH);
		}
	}
}

/* Is this one for a connector that gets everything again? What was refused
 * is for all that it could go to. */
static bool
wants_again(const struct c25_pushq *p, const struct c25_assignment *a)
{
	const struct c25_push_slot *s = &p->queue.slots[a->ref.slot];
	unsigned tried = 0, end;
	uint16_t reg;

	/* as many have refused as when it was sent last */
	end = s->seq == a->ref.seq ? s->tried : 0;
	if (a->push == C25_PUSH_REFUSED)
		end = UINT8_MAX;
	else
		tried = end;
	for (; tried <= end; tried++) {
		reg = c25_push_route(p, a, tried, NULL);
		if (reg == C25_CONNECTOR_NONE)
			return false;
		if (p->peers[reg]->resync)
			return true;
	}
	return false;
}

/* One found by walking the table. */
static void
found(struct c25_pushq *p, const struct c25_assignment *a, bool ready_too)
{
	if (a->ref.slot >= p->queue.capacity)
		return;
	if (a->push == C25_PUSH_PENDING ||
	    (a->push == C25_PUSH_REFUSED && (p->sweep_refused ||
	    (!ready_too && wants_again(p, a))))) {
		enqueue(p, a, C25_PUSH_FRESH);
		return;
	}
	if (a->push == C25_PUSH_READY && (ready_too || wants_again(p, a)))
		enqueue(p, a, C25_PUSH_REFRESH);
}

/* A piece of a walk through the whole table. */
static void
sweep(struct c25_pushq *p)
{
	struct c25_assignment a;

	for (int i = 0; p->sweep_on && i < SWEEP_MAX; i++) {
		if (p->ops->next(p->ctx, &p->sweep_cursor, &a)) {
			found(p, &a, false);
			continue;
		}
		p->sweep_on = false;
		p->sweep_refused = false;
		for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++)
			if (p->peers[reg] != NULL)
				p->peers[reg]->resync = false;
	}
}

/*
 * The next few slots of the refresh, which goes round the table in
 * C25_PUSH_REFRESH_MS: no one has to remember when what was sent.
 */
static void
refresh(struct c25_pushq *p, uint64_t now)
{
	uint64_t step = (uint64_t)p->queue.capacity * REFRESH_TICK_MS /
		C25_PUSH_REFRESH_MS + 1;
	struct c25_assignment a;

	if (p->refresh_at_ms == 0)
		p->refresh_at_ms = now + REFRESH_TICK_MS;
	if (now < p->refresh_at_ms)
		return;
	if (now - p->refresh_at_ms > ASLEEP_MS)
		resync_all(p, now);
	p->refresh_at_ms = now + REFRESH_TICK_MS;
	if (p->refresh_goal >= p->queue.capacity) {
		p->refresh_goal = 0;
		p->refresh_cursor = 0;
	}
	p->refresh_goal += step;
	while (p->refresh_cursor < p->refresh_goal) {
		if (p->ops->next(p->ctx, &p->refresh_cursor, &a))
			found(p, &a, true);
		else
			p->refresh_cursor = UINT32_MAX;
	}
}

/* ---- sending ------------------------------------------------------------ */

/* Fill one entry of a batch. Returns: false: leave it out. */
static bool
batch_add(struct c25_pushq *p, struct c25_push_peer *c, uint32_t slot)
{
	struct c25_push_slot *s = &p->queue.slots[slot];
	struct c25_ref ref = { .slot = slot, .seq = s->seq };
	struct c25_wire_entry *e = &p->entries[c->flight_count];
	struct c25_assignment a;
	const char *app;

	if (p->ops->read(p->ctx, ref, &a) != 0) {
		c25_push_remove(&p->queue, slot);
		return false;
	}
	app = c25_push_app(p, &a);
	if (app == NULL) {
		c25_push_move(&p->queue, slot, C25_PUSH_PARKED_REG,
			C25_PUSH_FRESH, false);
		return false;
	}
	e->transit = a.transit;
	e->destination = a.destination;
	e->app = app;
	e->domain = c25_name_to_text(a.domain.wire, a.domain.len,
		p->names[c->flight_count]);
	c->flight[c->flight_count++] = ref;
	c25_push_move(&p->queue, slot, c->reg, C25_PUSH_FLIGHT, false);
	return true;
}

static void
batch_collect(struct c25_pushq *p, struct c25_push_peer *c)
{
	static const enum c25_push_place order[] = { C25_PUSH_FRESH,
		C25_PUSH_REFRESH };
	bool alone = false;

	c->flight_count = 0;
	for (int i = 0; i < 2; i++) {
		struct c25_push_list *l = c25_push_list(&p->queue, c->reg,
			order[i]);

		while (l->head != C25_PUSH_NIL && !alone &&
		    c->flight_count < c->batch_max) {
			uint32_t slot = l->head;

			alone = p->queue.slots[slot].alone;
			if (alone && c->flight_count > 0)
				return;
			if (!batch_add(p, c, slot))
				alone = false;
		}
	}
}

/* The whole batch failed: it goes back to the front, and we wait. */
static void
batch_failed(struct c25_pushq *p, struct c25_push_peer *c,
	const char *error, uint64_t now)
{
	uint64_t wait = C25_PUSH_BACKOFF_MIN_MS;

	for (uint32_t i = c->flight_count; i-- > 0;) {
		struct c25_ref ref = c->flight[i];

		p->stats.failed++;
		c->failed++;
		if (!c25_push_is_flying(p, c, ref))
			continue;
		p->stats.retried++;
		c25_push_move(&p->queue, ref.slot, c->reg, C25_PUSH_FRESH,
			true);
	}
	c->flight_count = 0;
	for (unsigned i = 0; i < c->failures && wait <
	    C25_PUSH_BACKOFF_MAX_MS; i++)
		wait *= 2;
	if (wait > C25_PUSH_BACKOFF_MAX_MS)
		wait = C25_PUSH_BACKOFF_MAX_MS;
	c->failures++;
	c->retry_at_ms = now + jitter(p, wait);
	c->last_error_ms = now;
	snprintf(c->last_error, sizeof(c->last_error), "%s", error);
	if (c->down)
		return;
	c->down = true;
	p->ops->down(p->ctx, c->reg, true);
	c25_log(C25_LOG_ERROR, "connector %s: request failed: %s: trying "
		"again until it answers", c->name, c->last_error);
}

static void
send_batch(struct c25_pushq *p, struct c25_push_peer *c, uint64_t now)
{
	int r;

	if (c->busy || now < c->retry_at_ms)
		return;
	batch_collect(p, c);
	if (c->flight_count == 0 && !c->down)
		return;
	c25_wire_request_write(&c->body, p->entries, c->flight_count);
	p->stats.requests++;
	c->requests++;
	c->busy = true;
	r = c->body.failed ? -ENOMEM :
		p->ops->post(p->ctx, c->reg, c->body.data, c->body.len);
	if (r != 0) {
		c->busy = false;
		batch_failed(p, c, strerror(-r), now);
	}
}

/* What was put off with backoff and is due. */
static void
later_due(struct c25_pushq *p, struct c25_push_peer *c, uint64_t now)
{
	for (unsigned i = 0; i < C25_PUSH_LEVELS; i++) {
		if (c->later_at_ms[i] == 0 || now < c->later_at_ms[i])
			continue;
		c->later_at_ms[i] = 0;
		c25_push_splice(&p->queue, c->reg, C25_PUSH_LATER + i,
			C25_PUSH_FRESH);
	}
	if (c->resync_at_ms != 0 && now >= c->resync_at_ms)
		c25_push_resync(p, c, now);
}

void
c25_push_work(struct c25_pushq *p, uint64_t now)
{
	if (p->policy == NULL)
		return;		/* the ring can wait for configure() */
	take_ring(p);
	refresh(p, now);
	for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++)
		if (p->peers[reg] != NULL)
			later_due(p, p->peers[reg], now);
	sweep(p);
	for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++)
		if (p->peers[reg] != NULL)
			send_batch(p, p->peers[reg], now);
}

static void
earlier(uint64_t *due, uint64_t at)
{
	if (at != 0 && (*due == 0 || at < *due))
		*due = at;
}

uint64_t
c25_push_due(const struct c25_pushq *p)
{
	uint64_t due = 0;

	if (p->policy == NULL)
		return 0;
	if (p->sweep_on || p->ring_more)
		return 1;
	earlier(&due, p->refresh_at_ms);
	for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++) {
		const struct c25_push_peer *c = p->peers[reg];

		if (c == NULL)
			continue;
		if (!c->busy)
			earlier(&due, c->retry_at_ms);
		earlier(&due, c->resync_at_ms);
		for (unsigned i = 0; i < C25_PUSH_LEVELS; i++)
			earlier(&due, c->later_at_ms[i]);
	}
	return due;
}

/* ---- answers ------------------------------------------------------------ */

/* Once more, after a while that grows. */
static void
put_off(struct c25_pushq *p, struct c25_push_peer *c, uint32_t slot,
	uint64_t now)
{
	struct c25_push_slot *s = &p->queue.slots[slot];
	unsigned level = s->level;

	if (c->later_at_ms[level] == 0)
		c->later_at_ms[level] = now +
			jitter(p, (uint64_t)LATER_MS << level);
	c25_push_move(&p->queue, slot, c->reg, C25_PUSH_LATER + level, false);
	if (level + 1 < C25_PUSH_LEVELS)
		s->level = (level + 1) & 7;
	p->stats.retried++;
}

/* No connector is left. */
static void
give_up(struct c25_pushq *p, struct c25_push_peer *c,
	const struct c25_assignment *a, const struct c25_wire_result *res,
	uint64_t now)
{
	char name[C25_NAME_TEXT_MAX], addr[C25_ADDR_TEXT_MAX];

	c25_push_remove(&p->queue, a->ref.slot);
	p->stats.refused++;
	p->refused_unlogged++;
	if (p->ops->set(p->ctx, a->ref, C25_PUSH_REFUSED) == 0)
		p->changed = true;
	if (p->refused_log_ms != 0 && now - p->refused_log_ms <
	    REFUSED_LOG_MS)
		return;
	p->refused_log_ms = now;
	c25_log(C25_LOG_ERROR, "%s: %s: refused by connector %s with code "
		"%u (%s), and no other is left: check its peers and apps "
		"(%llu such since the last message)",
		c25_name_to_text(a->domain.wire, a->domain.len, name),
		c25_addr_format(&a->destination, addr), c->name, res->code,
		res->message[0] != '\0' ? res->message :
		c25_wire_message(res->code),
		(unsigned long long)p->refused_unlogged);
	p->refused_unlogged = 0;
}

/* This connector won't have it: the next one. */
static void
next_connector(struct c25_pushq *p, struct c25_push_peer *c,
	struct c25_ref ref, const struct c25_wire_result *res, uint64_t now)
{
	struct c25_push_slot *s = &p->queue.slots[ref.slot];
	struct c25_assignment a;
	uint16_t reg;
	bool any;

	if (p->ops->read(p->ctx, ref, &a) != 0) {
		c25_push_remove(&p->queue, ref.slot);
		return;
	}
	if (s->tried < UINT8_MAX)
		s->tried++;
	reg = c25_push_route(p, &a, s->tried, &any);
	if (reg != C25_CONNECTOR_NONE) {
		p->stats.retried++;
		s->level = 0;
		s->alone = 0;
		c25_push_move(&p->queue, ref.slot, reg, C25_PUSH_FRESH,
			false);
	} else if (any) {
		give_up(p, c, &a, res, now);
	} else {
		c25_push_move(&p->queue, ref.slot, C25_PUSH_PARKED_REG,
			C25_PUSH_FRESH, false);
	}
}

static void
one_result(struct c25_pushq *p, struct c25_push_peer *c, struct c25_ref ref,
	const struct c25_wire_result *res, uint64_t now)
{
	struct c25_push_slot *s = &p->queue.slots[ref.slot];
	bool flying = c25_push_is_flying(p, c, ref);

	if (res->code == C25_WIRE_OK) {
		p->stats.acked++;
		c->acked++;
		if (!flying)
			return;		/* it waits for another one now */
		c25_push_remove(&p->queue, ref.slot);
		if (p->ops->set(p->ctx, ref, C25_PUSH_READY) == 0)
			p->changed = true;
		return;
	}
	p->stats.failed++;
	c->failed++;
	if (!flying)
		return;		/* a newer version waits already */
	switch (res->code) {
	case C25_WIRE_DUPLICATE:
		if (!s->alone) {
			s->alone = 1;
			p->stats.retried++;
			c25_push_move(&p->queue, ref.slot, c->reg,
				C25_PUSH_FRESH, true);
			break;
		}
		/* fallthrough */
	case C25_WIRE_OTHER:
		c->last_error_ms = now;
		snprintf(c->last_error, sizeof(c->last_error), "a mapping is "
			"refused, code %u: %.*s", res->code, 96, res->message);
		put_off(p, c, ref.slot, now);
		break;
	default:
		next_connector(p, c, ref, res, now);
	}
}

/* It answers: is it the one we know, with the state it had? */
static void
check_epoch(struct c25_pushq *p, struct c25_push_peer *c, const char *epoch,
	bool was_down, uint64_t now)
{
	bool lost = false;

	if (strlen(epoch) >= sizeof(c->epoch))
		epoch = "";
	if (c->last_ok_ms != 0)
		lost = strcmp(epoch, c->epoch) != 0 ||
			(epoch[0] == '\0' && was_down);
	snprintf(c->epoch, sizeof(c->epoch), "%s", epoch);
	if (!lost)
		return;
	c25_log(C25_LOG_INFO, "connector %s: has started anew: sending "
		"everything again", c->name);
	c25_push_resync(p, c, now);
}

static void
mark_up(struct c25_pushq *p, struct c25_push_peer *c)
{
	c->failures = 0;
	c->rejects = 0;
	c->retry_at_ms = 0;
	c->batch_max = c->batch_max * 2 < C25_PUSH_BATCH ?
		c->batch_max * 2 : C25_PUSH_BATCH;
	if (!c->down)
		return;
	c->down = false;
	p->ops->down(p->ctx, c->reg, false);
	c25_log(C25_LOG_ERROR, "connector %s: answers again", c->name);
}

/*
 * 400 or 413: something in it displeases. Halve the batch until the one that
 * does is alone, then put that off. Returns: false: there is more wrong.
 */
static bool
batch_rejected(struct c25_pushq *p, struct c25_push_peer *c, uint64_t now)
{
	uint32_t n = c->flight_count;

	if (n == 0 || (n == 1 && ++c->rejects > REJECTS_MAX))
		return false;
	for (uint32_t i = n; i-- > 0;) {
		struct c25_ref ref = c->flight[i];

		p->stats.failed++;
		c->failed++;
		if (!c25_push_is_flying(p, c, ref))
			continue;
		if (n == 1) {
			put_off(p, c, ref.slot, now);
			break;
		}
		p->stats.retried++;
		c25_push_move(&p->queue, ref.slot, c->reg, C25_PUSH_FRESH,
			true);
	}
	c->flight_count = 0;
	c->batch_max = n > 1 ? n / 2 : 1;
	return true;
}

static void
answered(struct c25_pushq *p, struct c25_push_peer *c,
	const struct c25_push_answer *answer, uint64_t now)
{
	bool was_down = c->down;
	struct c25_error err = { "" };
	char text[C25_PUSH_ERROR_MAX];

	if (answer->status != 200) {
		snprintf(text, sizeof(text), "HTTP status %d: %.*s",
			answer->status, (int)strcspn(answer->body, "\r\n"),
			answer->body);
		for (char *t = text; *t != '\0'; t++)
			if (*t < ' ' || *t > '~')
				*t = '?';
		if ((answer->status == 400 || answer->status == 413) &&
		    batch_rejected(p, c, now)) {
			c->last_error_ms = now;
			snprintf(c->last_error, sizeof(c->last_error), "%s",
				text);
			return;
		}
		batch_failed(p, c, text, now);
		return;
	}
	if (c25_wire_response_parse(&p->response, answer->body,
	    answer->body_len, c->flight_count, &err) != 0) {
		snprintf(text, sizeof(text), "answer makes no sense: %.*s",
			100, err.text);
		batch_failed(p, c, text, now);
		return;
	}
	mark_up(p, c);
	for (uint32_t i = 0; i < c->flight_count; i++)
		one_result(p, c, c->flight[i], &p->response.results[i], now);
	c->flight_count = 0;
	check_epoch(p, c, answer->epoch, was_down, now);
	c->last_ok_ms = now;
}

void
c25_push_done(struct c25_pushq *p, uint16_t reg,
	const struct c25_push_answer *answer, uint64_t now)
{
	struct c25_push_peer *c = reg < C25_CONNECTORS_MAX ?
		p->peers[reg] : NULL;

	if (c == NULL || !c->busy)
		return;
	c->busy = false;
	p->changed = false;
	if (answer->status == 0)
		batch_failed(p, c, answer->error, now);
	else
		answered(p, c, answer, now);
	if (p->changed)
		p->ops->changed(p->ctx);
	c25_push_work(p, now);
}

/* ---- to be shown -------------------------------------------------------- */

const struct c25_push_stats *
c25_push_stats(const struct c25_pushq *p)
{
	return &p->stats;
}

void
c25_push_stats_reset(struct c25_pushq *p)
{
	memset(&p->stats, 0, sizeof(p->stats));
	for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++)
		if (p->peers[reg] != NULL) {
			p->peers[reg]->requests = 0;
			p->peers[reg]->acked = 0;
			p->peers[reg]->failed = 0;
		}
}

bool
c25_push_next(const struct c25_pushq *p, size_t *cursor,
	struct c25_push_info *out)
{
	const struct c25_push_peer *c = NULL;

	while (*cursor < C25_CONNECTORS_MAX && c == NULL)
		c = p->peers[(*cursor)++];
	if (c == NULL)
		return false;
	*out = (struct c25_push_info){
		.name = c->name,
		.reg = c->reg,
		.healthy = !c->down,
		.queued = c->flight_count,
		.in_flight = c->flight_count,
		.requests = c->requests,
		.acked = c->acked,
		.failed = c->failed,
		.last_ok_ms = c->last_ok_ms,
		.last_error_ms = c->last_error_ms,
	};
	for (unsigned i = C25_PUSH_FRESH; i < C25_PUSH_PLACES; i++)
		out->queued += p->queue.lists[c->reg * C25_PUSH_PLACES +
			i].count;
	memcpy(out->last_error, c->last_error, sizeof(out->last_error));
	memcpy(out->epoch, c->epoch, sizeof(out->epoch));
	return true;
}

uint32_t
c25_push_parked(const struct c25_pushq *p)
{
	return p->queue.lists[C25_PUSH_PARKED_REG * C25_PUSH_PLACES +
		C25_PUSH_FRESH].count;
}

struct c25_policy *
c25_push_policy(const struct c25_pushq *p)
{
	return p->policy;
}
