/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * push_world.h - what the tests of the client role's state machine play on: a
 * table, three connectors and a clock that are all made up here.
 *
 *	reserve(7, "a.wiki.example", OFFICE);	what the module does
 *	work();					sends it
 *	codes(OFFICE, "0", "e");		the connector accepts it
 *	settle();				all who are asked accept all
 *	mute[OFFICE] = true;
 *	pass(5000);				... but this one for 5 s
 */
#ifndef CONN25_TESTS_PUSH_WORLD_H
#define CONN25_TESTS_PUSH_WORLD_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sidecar/push.h"
#include "sidecar/wire.h"
#include "tests/unit/suite.h"

#define SLOTS 8192
#define MOVED 4096		/* slots from here on are for new versions */
#define NONE 0xffffffffu
#define CONNECTORS 3
#define OFFICE 0
#define BRANCH 1
#define OWNER 2			/* has a transit pool of its own */

static struct c25_pushq *q;
static struct c25_policy *policy;
static uint64_t now;

/* The table. */
static struct {
	struct c25_assignment a;
	bool used;
	uint32_t next;		/* the slot of its newer version, or NONE */
	uint64_t sent_ms;	/* last time a connector said 0 */
} table[SLOTS];
static struct c25_ref ring[8 * SLOTS];
static unsigned ring_head, ring_tail;
static bool overflow;
static unsigned moves;
static int move_error[CONNECTORS];

/* The connectors. */
static struct {
	bool busy, down;
	enum c25_health health;
	unsigned posts;
	char body[256 * 256];
	struct c25_wire_request request;	/* the body, parsed */
} conn[CONNECTORS];
static unsigned changed, aborts;
static int pending_at_post;	/* assignments, when the last POST left */
static int post_error;

/* What there was at the last from_now(). */
static struct {
	struct c25_push_stats stats;
	struct c25_push_info info[CONNECTORS];
} noted;

static inline struct c25_name
name(const char *text)
{
	struct c25_name n;

	ck_assert_int_eq(c25_name_from_text(&n, text, strlen(text)), 0);
	return n;
}

/* As ck_assert(), which is too slow for what is called all the time. */
#define must(what) ((what) ? (void)0 : ck_abort_msg("%s", #what))

/* ---- the world ---------------------------------------------------------- */

static inline int
op_read(void *ctx, struct c25_ref ref, struct c25_assignment *a)
{
	if (!table[ref.slot].used || table[ref.slot].a.ref.seq != ref.seq)
		return -ENOENT;
	*a = table[ref.slot].a;
	return 0;
}

static inline int
op_take(void *ctx, struct c25_assignment *a)
{
	if (overflow) {
		overflow = false;
		ring_tail = ring_head;
		return -EOVERFLOW;
	}
	if (ring_tail == ring_head)
		return 0;
	return op_read(ctx, ring[ring_tail++ % (8 * SLOTS)], a) == 0 ? 1 :
		-ENOENT;
}

static inline int
op_next(void *ctx, uint32_t *cursor, struct c25_assignment *a)
{
	while (*cursor < SLOTS) {
		uint32_t i = (*cursor)++;

		if (table[i].used) {
			*a = table[i].a;
			return 1;
		}
	}
	return 0;
}

static inline int
op_set(void *ctx, struct c25_ref ref, enum c25_push state)
{
	struct c25_assignment a;

	if (op_read(ctx, ref, &a) != 0)
		return -ENOENT;
	table[ref.slot].a.push = (uint8_t)state;
	if (state == C25_PUSH_READY)
		table[ref.slot].sent_ms = now;
	return 0;
}

/* Only OWNER has transit addresses of its own. */
static inline struct c25_addr
transit_for(uint32_t i, uint16_t connector)
{
	uint8_t third = (uint8_t)((connector == OWNER ? 96 : 64) + i / 256);

	return c25_addr_v4((uint8_t[]){ 169, 254, third, (uint8_t)i });
}

static inline int
op_move(void *ctx, struct c25_ref ref, uint16_t reg, struct c25_assignment *a)
{
	static uint32_t at;
	struct c25_assignment old;

	if (op_read(ctx, ref, &old) != 0)
		return -ENOENT;
	must(old.connector != reg);
	if (move_error[reg] != 0)
		return move_error[reg];
	do
		at = at % (SLOTS - MOVED) + 1;
	while (table[SLOTS - at].used);
	table[ref.slot].used = false;
	table[ref.slot].next = SLOTS - at;
	table[SLOTS - at].used = true;
	table[SLOTS - at].next = NONE;
	table[SLOTS - at].sent_ms = table[ref.slot].sent_ms;
	old.ref.slot = SLOTS - at;
	old.ref.seq = table[SLOTS - at].a.ref.seq + 2;
	if ((old.connector == OWNER) != (reg == OWNER))
		old.transit = transit_for(old.magic.bytes[2] * 256u +
			old.magic.bytes[3], reg);
	old.connector = reg;
	old.push = C25_PUSH_PENDING;
	table[SLOTS - at].a = *a = old;
	ring[ring_head++ % (8 * SLOTS)] = old.ref;
	moves++;
	return 0;
}

static inline void
op_health(void *ctx, uint16_t reg, enum c25_health health)
{
	conn[reg].health = health;
	conn[reg].down = health == C25_HEALTH_DOWN;
}

static inline int
op_post(void *ctx, uint16_t reg, const char *body, size_t len)
{
	struct c25_error err;

	must(!conn[reg].busy);
	if (post_error != 0)
		return post_error;
	must(len < sizeof(conn[reg].body));
	memcpy(conn[reg].body, body, len);
	conn[reg].body[len] = '\0';
	must(c25_wire_request_parse(&conn[reg].request, body, len, &err) ==
	    0);
	must(conn[reg].request.count <= C25_PUSH_BATCH);
	conn[reg].busy = true;
	conn[reg].posts++;
	pending_at_post = 0;
	for (uint32_t i = 0; i < SLOTS; i++)
		pending_at_post += table[i].used &&
			table[i].a.push == C25_PUSH_PENDING;
	return 0;
}

static inline void
op_abort(void *ctx, uint16_t reg)
{
	must(conn[reg].busy);
	conn[reg].busy = false;
	aborts++;
}

static inline void
op_changed(void *ctx)
{
	changed++;
}

static const struct c25_push_ops ops = {
	.take = op_take, .read = op_read, .next = op_next, .set = op_set,
	.move = op_move,
	.health = op_health, .post = op_post, .abort = op_abort,
	.changed = op_changed,
};

/* ---- what the tests do to it -------------------------------------------- */

/* App wiki has office and branch, app own has owner and office; lone.example
 * belongs to app lone, of which nobody is a connector. */
static inline struct c25_policy *
make_policy(uint64_t generation, unsigned wiki_connectors)
{
	static const uint16_t wiki[] = { OFFICE, BRANCH };
	static const uint16_t own[] = { OWNER, OFFICE };
	struct c25_spec_app apps[] = {
		{ .name = "wiki", .connectors = wiki,
		    .connector_count = wiki_connectors },
		{ .name = "own", .connectors = own, .connector_count = 2 },
		{ .name = "lone" },
	};
	struct c25_spec_domain domains[] = {
		{ .name = name("wiki.example"), .wildcard = true, .app = 0 },
		{ .name = name("own.example"), .app = 1 },
		{ .name = name("lone.example"), .app = 2 },
	};
	struct c25_spec_connector connectors[] = {
		{ "office", OFFICE }, { "branch", BRANCH }, { "owner", OWNER },
	};
	struct c25_spec_range ranges[4] = {
		{ .kind = C25_POOL_V4_MAGIC, .connector = C25_CONNECTOR_NONE },
		{ .kind = C25_POOL_V4_TRANSIT,
		    .connector = C25_CONNECTOR_NONE },
		{ .kind = C25_POOL_V4_TRANSIT, .connector = OWNER },
	};
	struct c25_policy_spec spec = {
		.apps = apps, .app_count = 3,
		.domains = domains, .domain_count = 3,
		.connectors = connectors, .connector_count = 3,
		.ranges = ranges, .range_count = 3,
		.max_ttl_s = 300,
	};
	static const uint8_t key[16];
	struct c25_policy *p;
	struct c25_error err;
	uint8_t *blob;
	size_t len;

	ck_assert_int_eq(c25_range_parse(&ranges[0].range, "100.64.0.0/16",
	    13), 0);
	ck_assert_int_eq(c25_range_parse(&ranges[1].range, "169.254.64.0/18",
	    15), 0);
	ck_assert_int_eq(c25_range_parse(&ranges[2].range, "169.254.96.0/19",
	    15), 0);
	ck_assert_msg(c25_policy_compile(&spec, generation, key, &blob, &len,
	    &err) == 0, "%s", err.text);
	ck_assert_int_eq(c25_policy_load(blob, len, &p, &err), 0);
	return p;
}

static bool were_down[CONNECTORS];	/* so an earlier process left it */

static inline void
configure(unsigned wiki_connectors, unsigned connectors, uint64_t id)
{
	static const char *const names[] = { "office", "branch", "owner" };
	struct c25_push_connector list[CONNECTORS];

	for (uint16_t i = 0; i < connectors; i++)
		list[i] = (struct c25_push_connector){ .name = names[i],
			.reg = i, .id = id, .down = were_down[i] };
	c25_policy_unref(policy);
	policy = make_policy(id, wiki_connectors);
	ck_assert_int_eq(c25_push_configure(q, policy, list, connectors, now),
	    0);
	c25_push_work(q, now);
}

static inline void
begin(void)
{
	memset(table, 0, sizeof(table));
	for (uint32_t i = 0; i < SLOTS; i++)
		table[i].next = NONE;
	memset(conn, 0, sizeof(conn));
	memset(move_error, 0, sizeof(move_error));
	memset(were_down, 0, sizeof(were_down));
	memset(&noted, 0, sizeof(noted));
	ring_head = ring_tail = changed = aborts = moves = 0;
	overflow = false;
	post_error = 0;
	now = 1000000;
	policy = NULL;
	ck_assert_int_eq(c25_push_new(&ops, NULL, SLOTS, 42, &q), 0);
}

static inline void
teardown(void)
{
	c25_push_free(q);
	c25_policy_unref(policy);
	for (int i = 0; i < CONNECTORS; i++)
		c25_wire_request_free(&conn[i].request);
}

/* A new version of slot i; the ring tells of it. */
static inline struct c25_ref
reserve(uint32_t i, const char *domain, uint16_t connector)
{
	struct c25_assignment *a = &table[i].a;
	uint32_t k = i;

	while (table[k].next != NONE && !table[k].used)
		k = table[k].next;
	table[k].used = false;		/* a newer version of the last one */
	table[i].used = true;
	table[i].next = NONE;
	a->ref.slot = i;
	a->ref.seq += 2;
	a->destination = c25_addr_v4((uint8_t[]){ 10, 0, (uint8_t)(i / 256),
		(uint8_t)i });
	a->magic = c25_addr_v4((uint8_t[]){ 100, 64, (uint8_t)(i / 256),
		(uint8_t)i });
	a->transit = transit_for(i, connector);
	a->domain = name(domain);
	a->connector = connector;
	a->push = C25_PUSH_PENDING;
	ring[ring_head++ % (8 * SLOTS)] = a->ref;
	return a->ref;
}

static inline void
work(void)
{
	c25_push_work(q, now);
}

/* The next thing that is due happens. */
static inline void
advance(void)
{
	uint64_t due = c25_push_due(q);

	must(due != 0);
	if (due > now)
		now = due;
	work();
}

static inline void
answer(uint16_t reg, int status, const char *body, const char *epoch)
{
	must(conn[reg].busy);
	conn[reg].busy = false;
	c25_push_done(q, reg, &(struct c25_push_answer){ .status = status,
		.error = status == 0 ? body : "", .body = body,
		.body_len = strlen(body), .epoch = epoch, .late =
		status == 0 && strcmp(body, "no answer in time") == 0 }, now);
}

/* 200 with a digit for each mapping; the last one counts for the rest. */
static inline void
codes(uint16_t reg, const char *digits, const char *epoch)
{
	uint8_t list[C25_PUSH_BATCH];
	struct c25_buf b = { 0 };
	size_t n = conn[reg].request.count;

	for (size_t i = 0; i < n; i++) {
		list[i] = (uint8_t)(*digits - '0');
		if (digits[1] != '\0')
			digits++;
	}
	c25_wire_response_write(&b, list, n);
	answer(reg, 200, b.data, epoch);
	c25_buf_free(&b);
}

/* The newest version of what was reserved in this slot. */
static const struct c25_assignment *
newest(uint32_t slot)
{
	while (!table[slot].used && table[slot].next != NONE)
		slot = table[slot].next;
	return &table[slot].a;
}

static inline uint8_t
state(uint32_t slot)
{
	return newest(slot)->push;
}

static inline uint16_t
owner(uint32_t slot)
{
	return newest(slot)->connector;
}

static inline struct c25_push_info
info(uint16_t reg)
{
	struct c25_push_info i;
	size_t cursor = 0;

	while (c25_push_next(q, &cursor, &i))
		if (i.reg == reg) {
			i.requests -= noted.info[reg].requests;
			i.acked -= noted.info[reg].acked;
			i.failed -= noted.info[reg].failed;
			return i;
		}
	ck_abort_msg("no connector %u", reg);
	return i;
}

/* What counted() and info() say begins at 0. Who gets another id has counters
 * of its own: again, then. */
static inline void
from_now(void)
{
	struct c25_push_info i;
	size_t cursor = 0;

	noted.stats = *c25_push_stats(q);
	while (c25_push_next(q, &cursor, &i))
		noted.info[i.reg] = i;
}

static inline struct c25_push_stats
counted(void)
{
	struct c25_push_stats s = *c25_push_stats(q);

	s.requests -= noted.stats.requests;
	s.probes -= noted.stats.probes;
	s.acked -= noted.stats.acked;
	s.failed -= noted.stats.failed;
	s.retried -= noted.stats.retried;
	s.refused -= noted.stats.refused;
	s.moved -= noted.stats.moved;
	s.stuck -= noted.stats.stuck;
	s.time.sum_us -= noted.stats.time.sum_us;
	for (int i = 0; i < C25_HISTOGRAM_CLASSES; i++)
		s.time.count[i] -= noted.stats.time.count[i];
	return s;
}

/* Answer 0 to everything until nothing is left to do at once. Who is `mute`
 * doesn't. */
static bool mute[CONNECTORS];

static inline void
settle(void)
{
	bool more = true;

	while (more) {
		more = false;
		for (uint16_t reg = 0; reg < CONNECTORS; reg++)
			if (conn[reg].busy && !mute[reg]) {
				codes(reg, "0", "e");
				more = true;
			}
		if (!more && c25_push_due(q) <= now) {
			work();
			more = true;
		}
	}
}

/* Let time pass. Those who are mute refuse all connections. */
static inline void
pass(uint64_t ms)
{
	uint64_t end = now + ms;

	settle();
	while (now < end) {
		uint64_t due = c25_push_due(q);

		now = due > end ? end : due > now ? due : now;
		work();
		for (uint16_t reg = 0; reg < CONNECTORS; reg++)
			if (conn[reg].busy && mute[reg])
				answer(reg, 0, "refused", "");
		settle();
	}
}

/* Until that connector is asked something, and the others answer well. */
static inline void
until_asked(uint16_t reg)
{
	while (!conn[reg].busy || conn[reg].request.count == 0) {
		for (uint16_t i = 0; i < CONNECTORS; i++)
			if (conn[i].busy && (i != reg ||
			    conn[i].request.count == 0))
				codes(i, "0", "e");
		if (!conn[reg].busy)
			advance();
	}
}

/* The next time that it is asked anything, if only how it is. */
static inline void
until_called(uint16_t reg)
{
	while (!conn[reg].busy) {
		advance();
		for (uint16_t i = 0; i < CONNECTORS; i++)
			if (conn[i].busy && i != reg)
				codes(i, "0", "e");
	}
}

static inline void
setup(void)
{
	begin();
	memset(mute, 0, sizeof(mute));
	configure(2, CONNECTORS, 1);
	/* everybody is asked how it is */
	for (int i = 0; i < CONNECTORS; i++) {
		ck_assert_uint_eq(conn[i].posts, 1);
		ck_assert_str_eq(conn[i].body, "{}");
	}
	settle();
	for (int i = 0; i < CONNECTORS; i++)
		conn[i].posts = 0;
	changed = 0;
	from_now();
}

#endif
