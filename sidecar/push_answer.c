/* SPDX-License-Identifier: BSD-3-Clause */
/* What a connector's answer means for each mapping of the batch, and for the
 * connector. */
#include "push_private.h"

#include <stdio.h>
#include <string.h>

#include "conn25/log.h"

#define REJECTS_MAX 8		/* 400s in a row until it counts as broken */
#define LATER_MS 250		/* level 0; doubles with each level */

/* ---- one mapping -------------------------------------------------------- */

/* Refused with this code, or 0: once more, after a while that grows. Status
 * leaves out what may still be being looked up there, as the log does. */
static void
put_off(struct c25_pushq *p, struct c25_push_peer *c, struct c25_ref ref,
	uint8_t code, uint64_t now)
{
	struct c25_push_slot *s = &p->queue.slots[ref.slot];
	unsigned level = s->level;
	struct c25_assignment a;

	if ((code != C25_WIRE_OTHER || level > 0) &&
	    p->ops->read(p->ctx, ref, &a) == 0)
		c25_push_keep_refused(p, &a, code);
	if (c->later_at_ms[level] == 0)
		c->later_at_ms[level] = now +
			c25_push_jitter(p, (uint64_t)LATER_MS << level);
	c25_push_move(&p->queue, ref.slot, c->reg, C25_PUSH_LATER + level,
		false);
	if (level + 1 < C25_PUSH_LEVELS)
		s->level = (level + 1) & 7;
	p->stats.retried++;
}

void
c25_push_give_up(struct c25_pushq *p, const struct c25_assignment *a,
	const char *why, uint64_t now)
{
	char name[C25_NAME_TEXT_MAX], addr[C25_ADDR_TEXT_MAX];
	struct c25_push_app app;
	char since[C25_CAUSE_SINCE_MAX];
	uint64_t count;

	c25_push_remove(&p->queue, a->ref.slot);
	p->stats.refused++;
	if (p->ops->set(p->ctx, a->ref, C25_PUSH_REFUSED) == 0)
		p->changed = true;
	if (why == NULL)
		c25_push_keep_refused(p, a, C25_WIRE_OK);
	if (!c25_push_app(p, a, &app) ||
	    c25_cause_seen(p->causes, c25_cause_key(app.name, 0, 0), now,
	    &count) != C25_CAUSE_DUE)
		return;
	c25_log(C25_LOG_ERROR, "%s: %s: refused by %s, and no other is left: "
		"check its peers and apps%s",
		c25_name_to_text(a->domain.wire, a->domain.len, name),
		c25_addr_format(&a->destination, addr), why != NULL ? why :
		"all connectors of its app",
		c25_cause_since(count, since));
}

/* This connector won't have it, finally: the next one. */
static void
next_connector(struct c25_pushq *p, struct c25_push_peer *c,
	struct c25_ref ref, const struct c25_wire_result *res, uint64_t now)
{
	struct c25_push_app app = { .count = 0 };
	char why[C25_CONNECTOR_NAME_MAX + C25_WIRE_MESSAGE_MAX + 40];
	struct c25_assignment a;

	c25_push_remove(&p->queue, ref.slot);
	if (p->ops->read(p->ctx, ref, &a) != 0)
		return;
	(void)c25_push_app(p, &a, &app);
	for (uint32_t i = 0; i < app.count; i++)
		if (app.list[i] == c->reg)
			c25_push_slot(p, ref)->refused |= c25_push_bit(i);
	switch (c25_push_sort(p, &a, C25_PUSH_FRESH, now)) {
	case C25_PUSH_STAY:
	case C25_PUSH_GO:
		p->stats.retried++;
		break;
	case C25_PUSH_GIVE_UP:
		snprintf(why, sizeof(why), "connector %s with code %u (%s)",
			c->name, res->code, res->message[0] != '\0' ?
			res->message : c25_wire_message(res->code));
		c25_push_give_up(p, &a, why, now);
		break;
	default:
		break;
	}
	/* one that has moved is another version, and not refused yet */
	c25_push_keep_refused(p, &a, res->code);
}

/* What list_connectors and the log show of it. The log leaves out what is
 * taken when it is sent again, as what is still being looked up there. */
static void
tell_refused(struct c25_pushq *p, struct c25_push_peer *c,
	struct c25_ref ref, const struct c25_wire_result *res, uint64_t now)
{
	char addr[C25_ADDR_TEXT_MAX] = "a mapping";
	struct c25_assignment a;

	if (p->ops->read(p->ctx, ref, &a) == 0) {
		(void)c25_addr_format(&a.destination, addr);
		if (res->code != C25_WIRE_OTHER ||
		    p->queue.slots[ref.slot].level > 0)
			c25_push_tell_cause(p, c, &a, res, now);
	}
	c->last_error_ms = now;
	snprintf(c->last_error, sizeof(c->last_error), "%s is refused, code "
		"%u: %.*s", addr, res->code, 90, res->message[0] != '\0' ?
		res->message : c25_wire_message(res->code));
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
		if (s->since != 0)
			c25_histogram_add(&p->stats.time, (uint64_t)
				(p->tick - s->since) * C25_PUSH_TICK_US);
		s->since = 0;
		return;
	}
	p->stats.failed++;
	p->stats.denied++;
	c->failed_count++;
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
		tell_refused(p, c, ref, res, now);
		put_off(p, c, ref, res->code, now);
		break;
	default:
		tell_refused(p, c, ref, res, now);
		next_connector(p, c, ref, res, now);
	}
}

/* ---- the connector ------------------------------------------------------ */

/*
 * It answers: is it the one we know, with the state it had? Without an epoch
 * it may be another one whenever it could have gone away unseen.
 */
static void
check_epoch(struct c25_pushq *p, struct c25_push_peer *c,
	const struct c25_push_answer *answer, bool was_down, uint64_t now)
{
	const char *epoch = answer->epoch;
	bool lost = false;

	if (strlen(epoch) >= sizeof(c->epoch))
		epoch = "";
	if (c->last_ok_ms != 0)
		lost = strcmp(epoch, c->epoch) != 0 ||
			(epoch[0] == '\0' && (was_down || answer->cut));
	snprintf(c->epoch, sizeof(c->epoch), "%s", epoch);
	/* one that says so all the time is heard, and told of, once a while */
	if (!lost || c->resync_at_ms != 0)
		return;
	c25_log(C25_LOG_INFO, "connector %s: has started anew or was "
		"reloaded: sending everything again", c->name);
	c25_push_resync(p, c, now);
}

static void
mark_up(struct c25_pushq *p, struct c25_push_peer *c, uint64_t now)
{
	c->failures = 0;
	c->rejects = 0;
	c->retry_at_ms = 0;
	/* More at once if that many were no trouble, but slowly: each time
	 * that it is too much costs a timeout. */
	if (c25_push_flight(c)->count >= c->batch_max)
		c->batch_max += c->batch_max / 8 + 1;
	if (c->batch_max > C25_PUSH_BATCH)
		c->batch_max = C25_PUSH_BATCH;
	c25_push_health_ok(p, c, now);
}

/*
 * 400 or 413: something in it displeases. Halve the batch until the one that
 * does is alone, then put that off. Returns: false: there is more wrong.
 */
static bool
batch_rejected(struct c25_pushq *p, struct c25_push_peer *c, uint64_t now)
{
	struct c25_push_batch *b = c25_push_flight(c);
	uint32_t n = b->count;

	if (n == 0 || (n == 1 && ++c->rejects > REJECTS_MAX))
		return false;
	c25_push_unmake(p, c);
	for (uint32_t i = n; i-- > 0;) {
		struct c25_ref ref = b->refs[i];

		p->stats.failed++;
		c->failed_count++;
		if (!c25_push_is_flying(p, c, ref))
			continue;
		if (n == 1) {
			put_off(p, c, ref, C25_WIRE_OK, now);
			break;
		}
		p->stats.retried++;
		c25_push_move(&p->queue, ref.slot, c->reg, C25_PUSH_FRESH,
			true);
	}
	b->count = 0;
	c->batch_max = n > 1 ? n / 2 : 1;
	return true;
}

/* It wants to be left alone for a while, and is, within reason. */
static void
leave_alone(struct c25_pushq *p, struct c25_push_peer *c,
	const struct c25_push_answer *answer, uint64_t now)
{
	uint64_t wait_s = answer->retry_after_s;
	uint64_t at;

	if ((answer->status != 429 && answer->status != 503) || wait_s == 0)
		return;
	if (wait_s > C25_PUSH_RETRY_AFTER_MAX_S)
		wait_s = C25_PUSH_RETRY_AFTER_MAX_S;
	/* not sooner, and not all at the same time */
	at = now + wait_s * 1000 + c25_push_jitter(p, 200);
	if (at > c->retry_at_ms)
		c->retry_at_ms = at;
}

static void
answered(struct c25_pushq *p, struct c25_push_peer *c,
	const struct c25_push_answer *answer, uint64_t now)
{
	struct c25_push_batch *b = c25_push_flight(c);
	bool was_down = c->down;
	struct c25_error err = { "" };
	char text[C25_PUSH_ERROR_MAX];
	int r;

	if (answer->status != 200) {
		int len = (int)strcspn(answer->body, "\r\n");

		snprintf(text, sizeof(text), "HTTP status %d%s%.*s",
			answer->status, len > 0 ? ": " : "", len,
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
		c25_push_batch_failed(p, c, text, now);
		leave_alone(p, c, answer, now);
		return;
	}
	if (c25_wire_response_parse(&p->response, answer->body,
	    answer->body_len, b->count, &err) != 0) {
		snprintf(text, sizeof(text), "answer makes no sense: %.*s",
			100, err.text);
		c25_push_batch_failed(p, c, text, now);
		return;
	}
	mark_up(p, c, now);
	c25_push_tick(p, now);
	r = c25_push_send_next(p, c);
	for (uint32_t i = 0; i < b->count; i++)
		one_result(p, c, b->refs[i], &p->response.results[i], now);
	b->count = 0;
	check_epoch(p, c, answer, was_down, now);
	c->last_ok_ms = now;
	if (r != 0)
		c25_push_batch_failed(p, c, strerror(-r), now);
}

/* One line for each request; what comes of it otherwise is told elsewhere. */
static void
tell_request(const struct c25_push_peer *c, uint32_t count, uint64_t taken,
	const struct c25_push_answer *answer)
{
	if (answer->status == 0)
		c25_log(C25_LOG_QUERY, "connector %s: request with %u "
			"mappings: %s", c->name, count, answer->error);
	else
		c25_log(C25_LOG_QUERY, "connector %s: request with %u "
			"mappings: HTTP status %d, %llu taken", c->name, count,
			answer->status, (unsigned long long)taken);
}

void
c25_push_done(struct c25_pushq *p, uint16_t reg,
	const struct c25_push_answer *answer, uint64_t now)
{
	struct c25_push_peer *c = reg < C25_CONNECTORS_MAX ?
		p->peers[reg] : NULL;
	uint64_t acked;
	uint32_t count;

	if (c == NULL || !c->busy)
		return;
	acked = c->acked;
	count = c25_push_flight(c)->count;
	c->busy = false;
	c->probe_at_ms = now + c25_push_jitter(p, C25_PUSH_PROBE_MS);
	if (answer->late && c25_push_flight(c)->count > 1)
		c->batch_max = c25_push_flight(c)->count / 2;
	if (answer->status == 0)
		c25_push_batch_failed(p, c, answer->error, now);
	else
		answered(p, c, answer, now);
	tell_request(c, count, c->acked - acked, answer);
	c25_push_work(p, now);
}
