/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the client role's state machine: a table, connectors and a clock
 * that are all made up here.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sidecar/push.h"
#include "sidecar/wire.h"
#include "tests/unit/suite.h"

#define SLOTS 1024
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
	uint64_t sent_ms;	/* last time a connector said 0 */
} table[SLOTS];
static struct c25_ref ring[8 * SLOTS];
static unsigned ring_head, ring_tail;
static bool overflow;

/* The connectors. */
static struct {
	bool busy, down;
	unsigned posts;
	char body[256 * 256];
	struct c25_wire_request request;	/* the body, parsed */
} conn[CONNECTORS];
static unsigned changed, aborts;
static int post_error;

static struct c25_name
name(const char *text)
{
	struct c25_name n;

	ck_assert_int_eq(c25_name_from_text(&n, text, strlen(text)), 0);
	return n;
}

/* ---- the world ---------------------------------------------------------- */

static int
op_take(void *ctx, struct c25_ref *ref)
{
	if (overflow) {
		overflow = false;
		ring_tail = ring_head;
		return -EOVERFLOW;
	}
	if (ring_tail == ring_head)
		return 0;
	*ref = ring[ring_tail++ % (8 * SLOTS)];
	return 1;
}

static int
op_read(void *ctx, struct c25_ref ref, struct c25_assignment *a)
{
	if (!table[ref.slot].used || table[ref.slot].a.ref.seq != ref.seq)
		return -ENOENT;
	*a = table[ref.slot].a;
	return 0;
}

static bool
op_next(void *ctx, uint32_t *cursor, struct c25_assignment *a)
{
	while (*cursor < SLOTS) {
		uint32_t i = (*cursor)++;

		if (table[i].used) {
			*a = table[i].a;
			return true;
		}
	}
	return false;
}

static int
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

static void
op_down(void *ctx, uint16_t reg, bool down)
{
	conn[reg].down = down;
}

static int
op_post(void *ctx, uint16_t reg, const char *body, size_t len)
{
	struct c25_error err;

	ck_assert(!conn[reg].busy);
	if (post_error != 0)
		return post_error;
	ck_assert_uint_lt(len, sizeof(conn[reg].body));
	memcpy(conn[reg].body, body, len);
	conn[reg].body[len] = '\0';
	ck_assert_int_eq(c25_wire_request_parse(&conn[reg].request, body, len,
	    &err), 0);
	ck_assert_uint_le(conn[reg].request.count, C25_PUSH_BATCH);
	conn[reg].busy = true;
	conn[reg].posts++;
	return 0;
}

static void
op_abort(void *ctx, uint16_t reg)
{
	ck_assert(conn[reg].busy);
	conn[reg].busy = false;
	aborts++;
}

static void
op_changed(void *ctx)
{
	changed++;
}

static const struct c25_push_ops ops = {
	.take = op_take, .read = op_read, .next = op_next, .set = op_set,
	.down = op_down, .post = op_post, .abort = op_abort,
	.changed = op_changed,
};

/* ---- what the tests do to it -------------------------------------------- */

/* App wiki has office and branch, app own has owner and office; lone.example
 * belongs to app lone, of which nobody is a connector. */
static struct c25_policy *
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

static void
configure(unsigned wiki_connectors, unsigned connectors, uint64_t id)
{
	static const char *const names[] = { "office", "branch", "owner" };
	struct c25_push_connector list[CONNECTORS];

	for (uint16_t i = 0; i < connectors; i++)
		list[i] = (struct c25_push_connector){ .name = names[i],
			.reg = i, .id = id };
	c25_policy_unref(policy);
	policy = make_policy(id, wiki_connectors);
	ck_assert_int_eq(c25_push_configure(q, policy, list, connectors, now),
	    0);
	c25_push_work(q, now);
}

static void
setup(void)
{
	memset(table, 0, sizeof(table));
	memset(conn, 0, sizeof(conn));
	ring_head = ring_tail = changed = aborts = 0;
	overflow = false;
	post_error = 0;
	now = 1000000;
	policy = NULL;
	ck_assert_int_eq(c25_push_new(&ops, NULL, SLOTS, 42, &q), 0);
	configure(2, CONNECTORS, 1);
	while (c25_push_due(q) <= now)
		c25_push_work(q, now);
	for (int i = 0; i < CONNECTORS; i++)
		ck_assert_uint_eq(conn[i].posts, 0);
}

static void
teardown(void)
{
	c25_push_free(q);
	c25_policy_unref(policy);
	for (int i = 0; i < CONNECTORS; i++)
		c25_wire_request_free(&conn[i].request);
}

/* A new version of slot i; the ring tells of it. */
static struct c25_ref
reserve(uint32_t i, const char *domain, uint16_t connector)
{
	struct c25_assignment *a = &table[i].a;
	uint8_t third = (uint8_t)((connector == OWNER ? 96 : 64) + i / 256);

	table[i].used = true;
	a->ref.slot = i;
	a->ref.seq += 2;
	a->destination = c25_addr_v4((uint8_t[]){ 10, 0, (uint8_t)(i / 256),
		(uint8_t)i });
	a->transit = c25_addr_v4((uint8_t[]){ 169, 254, third, (uint8_t)i });
	a->domain = name(domain);
	a->connector = connector;
	a->push = C25_PUSH_PENDING;
	ring[ring_head++ % (8 * SLOTS)] = a->ref;
	return a->ref;
}

static void
work(void)
{
	c25_push_work(q, now);
}

/* The next thing that is due happens. */
static void
advance(void)
{
	uint64_t due = c25_push_due(q);

	ck_assert_uint_ne(due, 0);
	if (due > now)
		now = due;
	work();
}

static void
answer(uint16_t reg, int status, const char *body, const char *epoch)
{
	ck_assert(conn[reg].busy);
	conn[reg].busy = false;
	c25_push_done(q, reg, &(struct c25_push_answer){ .status = status,
		.error = status == 0 ? body : "", .body = body,
		.body_len = strlen(body), .epoch = epoch }, now);
}

/* 200 with a digit for each mapping; the last one counts for the rest. */
static void
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

static uint8_t
state(uint32_t slot)
{
	return table[slot].a.push;
}

static struct c25_push_info
info(uint16_t reg)
{
	struct c25_push_info i;
	size_t cursor = 0;

	while (c25_push_next(q, &cursor, &i))
		if (i.reg == reg)
			return i;
	ck_abort_msg("no connector %u", reg);
	return i;
}

/* Answer 0 to everything until nothing is left to do at once. */
static void
settle(void)
{
	bool more = true;

	while (more) {
		more = false;
		for (uint16_t reg = 0; reg < CONNECTORS; reg++)
			if (conn[reg].busy) {
				codes(reg, "0", "e");
				more = true;
			}
		if (!more && c25_push_due(q) <= now) {
			work();
			more = true;
		}
	}
}

/* ---- the tests ---------------------------------------------------------- */

START_TEST(a_lone_one_leaves_at_once)
{
	reserve(7, "a.wiki.example", OFFICE);
	work();
	ck_assert_str_eq(conn[OFFICE].body, "{\"transitIPs\":[{\"transitIP\":"
	    "\"169.254.64.7\",\"destinationIP\":\"10.0.0.7\",\"app\":\"wiki\","
	    "\"domain\":\"a.wiki.example\"}]}");
	ck_assert_int_eq(state(7), C25_PUSH_PENDING);
	ck_assert_uint_eq(info(OFFICE).in_flight, 1);
	codes(OFFICE, "0", "e1");
	ck_assert_int_eq(state(7), C25_PUSH_READY);
	ck_assert_uint_eq(changed, 1);
	ck_assert_uint_eq(c25_push_stats(q)->requests, 1);
	ck_assert_uint_eq(c25_push_stats(q)->acked, 1);
	ck_assert_uint_eq(info(OFFICE).queued, 0);
	ck_assert_uint_eq(info(OFFICE).last_ok_ms, now);
	ck_assert_str_eq(info(OFFICE).epoch, "e1");
	work();
	ck_assert(!conn[OFFICE].busy);
}
END_TEST

START_TEST(the_rest_goes_in_batches)
{
	reserve(0, "wiki.example", OFFICE);
	work();
	for (uint32_t i = 1; i <= 600; i++)
		reserve(i, "wiki.example", OFFICE);
	reserve(700, "own.example", OWNER);
	work();
	ck_assert_uint_eq(conn[OFFICE].request.count, 1);
	ck_assert_uint_eq(conn[OWNER].request.count, 1);
	codes(OFFICE, "0", "e");
	ck_assert_uint_eq(conn[OFFICE].request.count, 256);
	ck_assert_uint_eq(info(OFFICE).queued, 600);
	codes(OFFICE, "0", "e");
	ck_assert_uint_eq(conn[OFFICE].request.count, 256);
	codes(OFFICE, "0", "e");
	ck_assert_uint_eq(conn[OFFICE].request.count, 88);
	codes(OFFICE, "0", "e");
	ck_assert(!conn[OFFICE].busy);
	ck_assert_uint_eq(c25_push_stats(q)->acked, 601);
	ck_assert_uint_eq(changed, 4);
}
END_TEST

/* What a code does to the second of three mappings. */
static const struct {
	const char *codes;
	uint8_t state;		/* of the second, once all is answered */
	uint16_t next;		/* connector that gets it next, or NONE */
	bool waits;		/* ... after a backoff */
} code_rows[] = {
	{ "000", C25_PUSH_READY, C25_CONNECTOR_NONE, false },
	{ "010", C25_PUSH_PENDING, OFFICE, true },
	{ "020", C25_PUSH_PENDING, OFFICE, false },
	{ "030", C25_PUSH_PENDING, BRANCH, false },
	{ "040", C25_PUSH_PENDING, BRANCH, false },
	{ "050", C25_PUSH_PENDING, BRANCH, false },
	{ "060", C25_PUSH_PENDING, BRANCH, false },
};

START_TEST(result_codes)
{
	uint16_t next = code_rows[_i].next;

	for (uint32_t i = 0; i < 3; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	ck_assert_uint_eq(conn[OFFICE].request.count, 3);
	codes(OFFICE, code_rows[_i].codes, "e");
	ck_assert_int_eq(state(0), C25_PUSH_READY);
	ck_assert_int_eq(state(2), C25_PUSH_READY);
	ck_assert_int_eq(state(1), code_rows[_i].state);
	if (next == C25_CONNECTOR_NONE) {
		ck_assert(!conn[OFFICE].busy && !conn[BRANCH].busy);
		return;
	}
	ck_assert_int_eq(conn[next].busy, !code_rows[_i].waits);
	if (code_rows[_i].waits)
		advance();
	ck_assert(conn[next].busy);
	ck_assert_uint_eq(conn[next].request.count, 1);
	ck_assert_uint_eq(conn[next].request.entries[0].transit.bytes[3], 1);
	ck_assert_uint_eq(c25_push_stats(q)->retried, 1);
	ck_assert_uint_eq(c25_push_stats(q)->failed, 1);
	ck_assert(info(OFFICE).healthy);
	codes(next, "0", "e");
	ck_assert_int_eq(state(1), C25_PUSH_READY);
}
END_TEST

START_TEST(refused_by_all)
{
	reserve(1, "wiki.example", OFFICE);
	reserve(2, "own.example", OWNER);
	work();
	codes(OFFICE, "6", "e");
	codes(BRANCH, "3", "e");
	ck_assert_int_eq(state(1), C25_PUSH_REFUSED);
	/* office is a connector of the app, but packets don't go there */
	codes(OWNER, "6", "e");
	ck_assert_int_eq(state(2), C25_PUSH_REFUSED);
	ck_assert_uint_eq(c25_push_stats(q)->refused, 2);
	ck_assert_uint_eq(changed, 2);
	ck_assert(!conn[OFFICE].busy && !conn[BRANCH].busy);
	/* a reload may have mended it */
	configure(2, CONNECTORS, 1);
	settle();
	ck_assert_int_eq(state(1), C25_PUSH_READY);
	ck_assert_int_eq(state(2), C25_PUSH_READY);
}
END_TEST

START_TEST(a_stubborn_duplicate_is_put_off)
{
	for (uint32_t i = 0; i < 3; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	codes(OFFICE, "022", "e");
	ck_assert_uint_eq(conn[OFFICE].request.count, 1);
	codes(OFFICE, "2", "e");
	ck_assert_uint_eq(conn[OFFICE].request.count, 1);
	codes(OFFICE, "2", "e");
	ck_assert(!conn[OFFICE].busy);
	advance();
	codes(OFFICE, "0", "e");
	settle();
	ck_assert_int_eq(state(1), C25_PUSH_READY);
	ck_assert_int_eq(state(2), C25_PUSH_READY);
}
END_TEST

/* Everything a connector can do that isn't an answer. */
static const struct {
	int status;
	const char *body;	/* or the error */
} failure_rows[] = {
	{ 0, "connection refused" },
	{ 0, "no answer in time" },
	{ 500, "oops\n" },
	{ 503, "" },
	{ 403, "unknown peer\n" },
	{ 404, "<html>\001\377" },
	{ 405, "" },
	{ 204, "" },
	{ 302, "" },
	{ 200, "" },
	{ 200, "<html>" },
	{ 200, "{}" },
	{ 200, "{\"transitIPs\":[{}]}" },
	{ 200, "{\"transitIPs\":[{},{},{},{}]}" },
	{ 200, "{\"transitIPs\":[{},{\"code\":9},{}]}" },
	{ 200, "{\"transitIPs\":[{},7,{}]}" },
};

START_TEST(failures_lose_nothing)
{
	uint64_t start = now;

	for (uint32_t i = 0; i < 3; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	for (int n = 0; n < 20; n++) {
		answer(OFFICE, failure_rows[_i].status, failure_rows[_i].body,
		    "e");
		ck_assert(conn[OFFICE].down);
		ck_assert(!info(OFFICE).healthy);
		ck_assert_str_ne(info(OFFICE).last_error, "");
		ck_assert_uint_eq(info(OFFICE).queued, 3);
		ck_assert(!conn[OFFICE].busy);
		while (!conn[OFFICE].busy)
			advance();
		ck_assert_uint_eq(conn[OFFICE].request.count, 3);
		/* in the order they came */
		for (int i = 0; i < 3; i++)
			ck_assert_uint_eq(conn[OFFICE].request.entries[i].
			    transit.bytes[3], i);
	}
	/* 100 200 400 800 1600 3200 and then 5000 ms, each -+ 25 % */
	ck_assert_uint_ge(now - start, (6300 + 14 * 5000) * 3 / 4);
	ck_assert_uint_le(now - start, (6300 + 14 * 5000) * 5 / 4);
	codes(OFFICE, "0", "e");
	ck_assert(!conn[OFFICE].down);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_int_eq(state(i), C25_PUSH_READY);
	ck_assert_uint_eq(c25_push_stats(q)->failed, 60);
	ck_assert_uint_eq(c25_push_stats(q)->retried, 60);
	ck_assert_uint_eq(c25_push_stats(q)->acked, 3);
}
END_TEST

START_TEST(a_post_that_cannot_start_is_a_failure)
{
	reserve(0, "wiki.example", OFFICE);
	post_error = -ENOTCONN;
	work();
	ck_assert(conn[OFFICE].down);
	post_error = 0;
	advance();
	codes(OFFICE, "0", "e");
	ck_assert_int_eq(state(0), C25_PUSH_READY);
}
END_TEST

START_TEST(one_bad_entry_does_not_stop_the_others)
{
	unsigned ready = 0;

	for (uint32_t i = 0; i < 200; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	while (conn[OFFICE].busy) {
		ck_assert_uint_lt(conn[OFFICE].posts, 60);
		if (strstr(conn[OFFICE].body, "\"10.0.0.77\"") != NULL)
			answer(OFFICE, 400, "bad\n", "");
		else
			codes(OFFICE, "0", "e");
	}
	for (uint32_t i = 0; i < 200; i++)
		ready += state(i) == C25_PUSH_READY;
	ck_assert_uint_eq(ready, 199);
	ck_assert(!conn[OFFICE].down);
	advance();
	ck_assert_uint_eq(conn[OFFICE].request.count, 1);
	codes(OFFICE, "0", "e");
	ck_assert_int_eq(state(77), C25_PUSH_READY);
}
END_TEST

START_TEST(always_400_is_a_failure)
{
	for (uint32_t i = 0; i < 50; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	while (conn[OFFICE].busy) {
		ck_assert_uint_lt(conn[OFFICE].posts, 60);
		answer(OFFICE, 400, "no\n", "");
	}
	ck_assert(conn[OFFICE].down);
	ck_assert_uint_eq(info(OFFICE).queued, 50);
	for (int i = 0; i < 1000 && info(OFFICE).queued != 0; i++) {
		advance();
		settle();
	}
	for (uint32_t i = 0; i < 50; i++)
		ck_assert_int_eq(state(i), C25_PUSH_READY);
}
END_TEST

START_TEST(what_changed_is_left_out)
{
	struct c25_ref old = reserve(0, "wiki.example", OFFICE);

	reserve(1, "wiki.example", OFFICE);
	work();			/* both are in flight */
	reserve(2, "wiki.example", OFFICE);
	reserve(3, "wiki.example", OFFICE);
	work();			/* both wait */
	reserve(0, "wiki.example", BRANCH);
	table[2].used = false;
	table[3].a.ref.seq += 2;
	work();
	ck_assert(conn[BRANCH].busy);
	codes(OFFICE, "0", "e");
	ck_assert_int_eq(state(0), C25_PUSH_PENDING);
	ck_assert_int_eq(state(1), C25_PUSH_READY);
	ck_assert(!conn[OFFICE].busy);
	ck_assert_uint_ne(table[0].a.ref.seq, old.seq);
	codes(BRANCH, "0", "e");
	ck_assert_int_eq(state(0), C25_PUSH_READY);
	ck_assert_uint_eq(info(OFFICE).queued, 0);
	ck_assert_uint_eq(c25_push_parked(q), 0);
}
END_TEST

/* What becomes of the request with the old version. */
static const char *const old_rows[] = { NULL, "0", "1", "2", "3", "6" };

START_TEST(an_old_version_does_not_come_back)
{
	reserve(0, "wiki.example", OFFICE);
	work();
	reserve(0, "wiki.example", OFFICE);
	work();
	if (old_rows[_i] == NULL) {
		answer(OFFICE, 0, "reset", "");
		ck_assert_uint_eq(info(OFFICE).queued, 1);
		advance();
	} else {
		codes(OFFICE, old_rows[_i], "e");
	}
	ck_assert_int_eq(state(0), C25_PUSH_PENDING);
	ck_assert(conn[OFFICE].busy);
	ck_assert(!conn[BRANCH].busy);
	ck_assert_uint_eq(conn[OFFICE].request.count, 1);
	codes(OFFICE, "0", "e");
	ck_assert_int_eq(state(0), C25_PUSH_READY);
	ck_assert(!conn[OFFICE].busy);
}
END_TEST

START_TEST(down_and_idle_is_probed)
{
	reserve(0, "wiki.example", OFFICE);
	work();
	answer(OFFICE, 0, "refused", "");
	table[0].used = false;
	advance();
	ck_assert_str_eq(conn[OFFICE].body, "{}");
	answer(OFFICE, 0, "refused", "");
	advance();
	answer(OFFICE, 200, "{}", "e");
	ck_assert(!conn[OFFICE].down);
	ck_assert(info(OFFICE).healthy);
	ck_assert(!conn[OFFICE].busy);
}
END_TEST

/* What the connector says of itself, before and after. */
static const struct {
	const char *before, *after;
	bool failed;		/* in between */
	bool again;		/* is everything sent again? */
} epoch_rows[] = {
	{ "a", "a", false, false },
	{ "a", "a", true, false },
	{ "a", "b", false, true },
	{ "a", "", false, true },
	{ "", "", false, false },
	{ "", "", true, true },
	{ "", "a", false, true },
};

START_TEST(epochs)
{
	for (uint32_t i = 0; i < 300; i++)
		reserve(i, "wiki.example", OFFICE);
	reserve(400, "wiki.example", BRANCH);
	work();
	codes(BRANCH, "0", "x");
	codes(OFFICE, "0", epoch_rows[_i].before);
	codes(OFFICE, "0", epoch_rows[_i].before);
	ck_assert(!conn[OFFICE].busy);
	now += 20000;
	reserve(500, "wiki.example", OFFICE);
	work();
	if (epoch_rows[_i].failed) {
		answer(OFFICE, 0, "reset", "");
		while (!conn[OFFICE].busy)
			advance();
	}
	codes(OFFICE, "0", epoch_rows[_i].after);
	c25_push_stats_reset(q);
	while (c25_push_due(q) <= now || conn[OFFICE].busy) {
		work();
		if (conn[OFFICE].busy)
			codes(OFFICE, "0", epoch_rows[_i].after);
	}
	ck_assert_uint_eq(c25_push_stats(q)->acked,
	    epoch_rows[_i].again ? 301 : 0);
	ck_assert(!conn[BRANCH].busy);
}
END_TEST

START_TEST(an_epoch_that_always_changes_is_no_storm)
{
	char epoch[16];
	uint64_t start = now;
	unsigned n = 0;

	reserve(0, "wiki.example", OFFICE);
	work();
	while (now < start + 60000) {
		ck_assert_uint_lt(n, 100);
		if (conn[OFFICE].busy) {
			snprintf(epoch, sizeof(epoch), "e%u", n++);
			codes(OFFICE, "0", epoch);
		} else {
			advance();
		}
	}
	ck_assert_uint_le(n, 9);
}
END_TEST

START_TEST(all_is_refreshed_within_the_hour)
{
	uint64_t start = now;
	unsigned most = 0;

	for (uint32_t i = 0; i < 900; i++)
		reserve(i, "wiki.example", i % 2 ? OFFICE : BRANCH);
	work();
	settle();
	while (now < start + 6 * 3600 * 1000ull) {
		unsigned posts = conn[OFFICE].posts;

		advance();
		settle();
		if (conn[OFFICE].posts - posts > most)
			most = conn[OFFICE].posts - posts;
		for (uint32_t i = 0; i < 900; i++)
			ck_assert_uint_lt(now - table[i].sent_ms, 3600 * 1000);
	}
	/* a little each time, and not too often */
	ck_assert_uint_le(most, 1);
	ck_assert_uint_le(c25_push_stats(q)->acked, 900 * 10);
	ck_assert_uint_ge(c25_push_stats(q)->acked, 900 * 7);
}
END_TEST

START_TEST(after_a_long_sleep_all_is_sent_again)
{
	for (uint32_t i = 0; i < 100; i++)
		reserve(i, "wiki.example", OFFICE);
	work();
	settle();
	now += 8 * 3600 * 1000ull;
	work();
	settle();
	for (uint32_t i = 0; i < 100; i++)
		ck_assert_uint_eq(table[i].sent_ms, now);
}
END_TEST

START_TEST(without_connector_it_waits_for_one)
{
	reserve(0, "lone.example", C25_CONNECTOR_NONE);
	reserve(1, "wiki.example", C25_CONNECTOR_NONE);
	reserve(2, "gone.example", OFFICE);
	work();
	ck_assert_uint_eq(c25_push_parked(q), 2);
	settle();
	ck_assert_int_eq(state(0), C25_PUSH_PENDING);
	ck_assert_int_eq(state(1), C25_PUSH_READY);
	configure(2, 0, 2);	/* no connectors at all */
	settle();
	ck_assert_uint_eq(c25_push_parked(q), 2);
	reserve(3, "wiki.example", OFFICE);
	work();
	ck_assert_uint_eq(c25_push_parked(q), 3);
	configure(2, CONNECTORS, 3);
	settle();
	ck_assert_int_eq(state(3), C25_PUSH_READY);
	ck_assert_uint_eq(c25_push_parked(q), 2);
}
END_TEST

START_TEST(an_overrun_ring_loses_nothing)
{
	for (uint32_t i = 0; i < 500; i++)
		reserve(i, "wiki.example", i % 2 ? OFFICE : BRANCH);
	overflow = true;
	work();
	settle();
	for (uint32_t i = 0; i < 500; i++)
		ck_assert_int_eq(state(i), C25_PUSH_READY);
	ck_assert_uint_eq(c25_push_stats(q)->acked, 500);
}
END_TEST

START_TEST(another_address_is_another_connector)
{
	reserve(0, "wiki.example", OFFICE);
	reserve(1, "wiki.example", OFFICE);
	work();
	codes(OFFICE, "0", "e");
	reserve(1, "wiki.example", OFFICE);
	work();
	ck_assert(conn[OFFICE].busy);
	configure(2, CONNECTORS, 1);	/* the same: goes on */
	ck_assert_uint_eq(aborts, 0);
	configure(2, CONNECTORS, 2);
	ck_assert_uint_eq(aborts, 1);
	c25_push_stats_reset(q);
	settle();
	ck_assert_uint_eq(c25_push_stats(q)->acked, 2);
	ck_assert_int_eq(state(1), C25_PUSH_READY);
}
END_TEST

START_TEST(an_app_that_loses_its_connector_goes_to_the_next)
{
	reserve(0, "wiki.example", BRANCH);
	work();
	codes(BRANCH, "0", "e");
	c25_push_stats_reset(q);
	configure(1, CONNECTORS, 1);	/* wiki is office's alone */
	ck_assert(conn[OFFICE].busy);
	ck_assert(!conn[BRANCH].busy);
	codes(OFFICE, "0", "e");
	ck_assert_uint_eq(c25_push_stats(q)->acked, 1);
}
END_TEST

/* While a batch is on the way the app moves to another connector. */
START_TEST(moved_in_flight_it_goes_to_the_new_one)
{
	reserve(0, "wiki.example", BRANCH);
	work();
	ck_assert(conn[BRANCH].busy);
	configure(1, CONNECTORS, 1);	/* wiki is office's alone */
	codes(BRANCH, "0", "e");
	ck_assert_int_eq(state(0), C25_PUSH_PENDING);
	settle();
	ck_assert_int_eq(state(0), C25_PUSH_READY);
	ck_assert_uint_eq(info(OFFICE).acked, 1);
}
END_TEST

/* What it holds only because a better one refused is sent again, too. */
START_TEST(second_choice_that_starts_anew_gets_all_again)
{
	reserve(50, "wiki.example", BRANCH);	/* all that is refreshed */
	reserve(100, "wiki.example", OFFICE);
	reserve(101, "wiki.example", BRANCH);
	work();
	codes(BRANCH, "0", "e");
	codes(OFFICE, "6", "o");
	codes(BRANCH, "0", "e");
	ck_assert_int_eq(state(100), C25_PUSH_READY);
	now += 20000;
	reserve(102, "wiki.example", BRANCH);
	work();
	codes(BRANCH, "0", "f");
	c25_push_stats_reset(q);
	while (c25_push_due(q) <= now || conn[OFFICE].busy ||
	    conn[BRANCH].busy) {
		work();
		if (conn[OFFICE].busy)
			codes(OFFICE, "6", "o");
		if (conn[BRANCH].busy)
			codes(BRANCH, "0", "f");
	}
	ck_assert_uint_eq(info(BRANCH).acked, 4);
}
END_TEST

/* Refused is final for a connector, not for the one it becomes. */
START_TEST(refused_is_tried_again_when_one_starts_anew)
{
	reserve(0, "wiki.example", OFFICE);
	work();
	codes(OFFICE, "6", "e");
	codes(BRANCH, "6", "e");
	ck_assert_int_eq(state(0), C25_PUSH_REFUSED);
	now += 20000;
	reserve(1, "wiki.example", BRANCH);
	work();
	codes(BRANCH, "0", "f");
	while (c25_push_due(q) <= now || conn[OFFICE].busy ||
	    conn[BRANCH].busy) {
		work();
		if (conn[OFFICE].busy)
			codes(OFFICE, "6", "e");
		if (conn[BRANCH].busy)
			codes(BRANCH, "0", "f");
	}
	ck_assert_int_eq(state(0), C25_PUSH_READY);
}
END_TEST

START_TEST(before_configure_nothing_happens)
{
	struct c25_pushq *fresh;

	ck_assert_int_eq(c25_push_new(&ops, NULL, SLOTS, 1, &fresh), 0);
	reserve(0, "wiki.example", OFFICE);
	c25_push_work(fresh, now);
	ck_assert_uint_eq(c25_push_due(fresh), 0);
	ck_assert_ptr_null(c25_push_policy(fresh));
	c25_push_free(fresh);
	ck_assert_uint_ne(ring_head, ring_tail);
}
END_TEST

static const struct {
	struct c25_push_connector list[2];
	size_t count;
} bad_rows[] = {
	{ { { "x", C25_CONNECTORS_MAX, 1 } }, 1 },
	{ { { "x", 3, 1 }, { "y", 3, 1 } }, 2 },
	{ { { "office", OFFICE, 1 }, { "office", OFFICE, 1 } }, 2 },
};

START_TEST(bad_connectors_change_nothing)
{
	ck_assert_int_eq(c25_push_configure(q, policy, bad_rows[_i].list,
	    bad_rows[_i].count, now), -EINVAL);
	reserve(0, "own.example", OWNER);
	work();
	ck_assert(conn[OWNER].busy);
}
END_TEST

/* Anything, in any order; in the end all is well. */
START_TEST(at_random)
{
	unsigned seed = (unsigned)time(NULL) * 7 + (unsigned)_i, start = seed;
	static const char *const domains[] = { "wiki.example", "own.example",
		"x.wiki.example", "lone.example" };

	printf("at_random: seed %u\n", start);
	for (int n = 0; n < 20000; n++) {
		uint32_t slot;
		uint16_t reg;

		seed = seed * 1103515245 + 12345;
		slot = seed >> 8 & 127;
		reg = (uint16_t)((seed >> 16) % CONNECTORS);
		switch (seed >> 20 & 15) {
		case 0: case 1: case 2: case 3: case 4:
			reserve(slot, domains[seed >> 24 & 3], seed & 0x4000 ?
			    C25_CONNECTOR_NONE : reg);
			work();
			break;
		case 5:
			table[slot].used = false;
			break;
		case 6:
			overflow = true;
			break;
		case 7:
			configure(1 + (seed >> 10 & 1), seed >> 12 & 3, 1 +
			    (seed >> 14 & 1));
			break;
		case 8:
			advance();
			break;
		case 9:
			if (conn[reg].busy)
				answer(reg, 0, "lost", "");
			break;
		case 10:
			if (conn[reg].busy)
				answer(reg, 400, "bad", "");
			break;
		case 11:
			if (conn[reg].busy)
				codes(reg, "0123456", "f");
			break;
		default:
			if (conn[reg].busy)
				codes(reg, "00000001", "e");
		}
	}
	configure(2, CONNECTORS, 9);
	for (int n = 0; n < 100; n++) {
		settle();
		advance();
	}
	settle();
	for (uint32_t i = 0; i < 128; i++) {
		const struct c25_assignment *a = &table[i].a;
		/* an app without connectors; a transit address that is not
		 * routed to any connector of the app */
		bool nobody = a->domain.wire[1] == 'l' ||
		    (a->connector == OWNER && a->domain.wire[1] != 'o');

		if (table[i].used)
			ck_assert_msg(state(i) == (nobody ? C25_PUSH_PENDING :
			    C25_PUSH_READY), "seed %u slot %u", start, i);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("push");
	TCase *tc = tcase_create("push");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_lone_one_leaves_at_once);
	tcase_add_test(tc, the_rest_goes_in_batches);
	ADD_ROWS(tc, result_codes, code_rows);
	tcase_add_test(tc, refused_by_all);
	tcase_add_test(tc, a_stubborn_duplicate_is_put_off);
	ADD_ROWS(tc, failures_lose_nothing, failure_rows);
	tcase_add_test(tc, a_post_that_cannot_start_is_a_failure);
	tcase_add_test(tc, one_bad_entry_does_not_stop_the_others);
	tcase_add_test(tc, always_400_is_a_failure);
	tcase_add_test(tc, what_changed_is_left_out);
	ADD_ROWS(tc, an_old_version_does_not_come_back, old_rows);
	tcase_add_test(tc, down_and_idle_is_probed);
	ADD_ROWS(tc, epochs, epoch_rows);
	tcase_add_test(tc, an_epoch_that_always_changes_is_no_storm);
	tcase_add_test(tc, all_is_refreshed_within_the_hour);
	tcase_add_test(tc, after_a_long_sleep_all_is_sent_again);
	tcase_add_test(tc, without_connector_it_waits_for_one);
	tcase_add_test(tc, an_overrun_ring_loses_nothing);
	tcase_add_test(tc, another_address_is_another_connector);
	tcase_add_test(tc, an_app_that_loses_its_connector_goes_to_the_next);
	tcase_add_test(tc, moved_in_flight_it_goes_to_the_new_one);
	tcase_add_test(tc, second_choice_that_starts_anew_gets_all_again);
	tcase_add_test(tc, refused_is_tried_again_when_one_starts_anew);
	tcase_add_test(tc, before_configure_nothing_happens);
	ADD_ROWS(tc, bad_connectors_change_nothing, bad_rows);
	tcase_add_loop_test(tc, at_random, 0, 4);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
