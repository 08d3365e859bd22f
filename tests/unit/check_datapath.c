/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state machine of the datapath: a real table and real mappings, a clock
 * that the test sets, and a kernel that is an array and fails when told to.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conn25/log.h"
#include "sidecar/datapath.h"
#include "sidecar/datapath_netlink.h"
#include "tests/unit/fixture.h"
#include "tests/unit/scribble.h"
#include "tests/unit/suite.h"

#define ROOM 4096

static const char both_text[] = "{"
	"\"pools\": { \"v4MagicIPPool\": [\"100.64.0.0/16\"],"
	"  \"v4TransitIPPool\": [\"169.254.64.0/18\"] },"
	"\"apps\": [{ \"name\": \"app\", \"domains\": [\"*.example\"],"
	"  \"connectors\": [\"*\"] }],"
	"\"listen\": { \"transitIP\": \"http://10.9.0.1:8025\" },"
	"\"peers\": [{ \"name\": \"edge\", \"apps\": [\"app\"],"
	"  \"addresses\": [\"10.9.0.8\", \"10.9.0.9\", \"fd09::9\"] }],"
	"\"datapath\": { \"nftables\": true, \"overlay\": \"wg0\" } }";

/* ---- the kernel --------------------------------------------------------- */

struct model {
	struct c25_element items[ROOM];
	size_t count;
	bool table;
	bool loading;			/* its rules */
};
static struct model kernel, next;
static int fails;			/* what commits return */
static size_t changes, most;		/* in a transaction; 0: any number */
static unsigned commits, builds, rules;
static const char *unread;		/* who changed it, not yet told */

static void
op_begin(void *ctx)
{
	next = kernel;
	changes = 0;
}

static void
op_anew(void *ctx, const struct c25_ruleset *rs)
{
	next.count = 0;
	next.table = true;
	next.loading = rs->loading;
	builds++;
}

static void
op_rules(void *ctx, const struct c25_ruleset *rs)
{
	ck_assert(next.table);
	next.loading = rs->loading;
	rules++;
}

static struct c25_element *
find(struct model *m, const struct c25_element *x)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].map == x->map &&
		    memcmp(m->items[i].source, x->source, 16) == 0 &&
		    memcmp(m->items[i].address, x->address, 16) == 0)
			return &m->items[i];
	return NULL;
}

static void
op_change(void *ctx, const struct c25_change *change, uint64_t now_ms)
{
	struct c25_element *there = find(&next, &change->element);

	changes++;
	ck_assert(next.table);
	ck_assert_int_eq(there != NULL, change->out);
	if (there != NULL)
		*there = next.items[--next.count];
	ck_assert_uint_lt(next.count, ROOM);
	if (change->in) {
		ck_assert_uint_gt(change->element.until_ms, now_ms);
		next.items[next.count++] = change->element;
	}
}

static void
op_remove(void *ctx)
{
	next = (struct model){ .count = 0 };
}

static int
op_commit(void *ctx, bool dry, struct c25_error *err)
{
	commits++;
	if (fails != 0)
		return c25_fail(err, fails, "datapath: told to fail");
	if (most != 0 && changes > most)
		return c25_fail(err, -EMSGSIZE, "datapath: too much");
	if (!dry)
		kernel = next;
	return 0;
}

static int
op_events(void *ctx, struct c25_nft_event *out)
{
	*out = (struct c25_nft_event){ .who = "someone" };
	if (unread == NULL)
		return 0;
	out->ours = true;
	(void)snprintf(out->who, sizeof(out->who), "%s", unread);
	unread = NULL;
	return 1;
}

static const struct c25_datapath_ops ops = { op_begin, op_anew, op_rules,
	op_change, op_remove, op_commit, op_events };

/* ---- the rest of the world ---------------------------------------------- */

static struct fixture f;
static struct c25_mappings *mappings;
static struct c25_config *cfg;
static struct c25_datapath *dp;
static uint64_t now;
static uint32_t edge, app;

static uint64_t
fake_clock(void)
{
	return now;
}

static void
configure(void)
{
	ck_assert_int_eq(c25_datapath_configure(dp, cfg, f.t, mappings, now),
		0);
}

static void
start(size_t atomic)
{
	ck_assert_int_eq(c25_datapath_new(&ops, NULL, atomic, &dp), 0);
	configure();
}

static void
setup(void)
{
	struct c25_config_errors errs = { 0 };

	c25_log_open("check_datapath", C25_LOG_ERROR);
	now = 1000000000;
	c25_clock_set(fake_clock);
	kernel = (struct model){ .count = 0 };
	fails = 0;
	most = 0;
	unread = NULL;
	commits = builds = rules = 0;
	fx_open(&f, 8192);
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, "100.64.0.0/16");
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
		"169.254.64.0/18");
	fx_publish(&f);
	ck_assert_int_eq(c25_mappings_new(0, 0, &mappings), 0);
	ck_assert_int_eq(c25_config_parse(both_text, sizeof(both_text) - 1,
		"test", &cfg, &errs), 0);
	c25_config_errors_free(&errs);
	edge = (uint32_t)c25_mappings_peer(mappings, "edge");
	app = (uint32_t)c25_mappings_app(mappings, "app");
}

static void
teardown(void)
{
	c25_datapath_free(dp);
	c25_config_free(cfg);
	c25_mappings_free(mappings);
	fx_close(&f);
	c25_clock_set(NULL);
}

static struct c25_assignment
assign(const char *domain)
{
	struct c25_assignment a;

	ck_assert_int_eq(fx_reserve(&f, domain, "10.0.0.1", &a, NULL), 0);
	return a;
}

static struct c25_element *
element_of(const struct c25_assignment *a)
{
	struct c25_element x = { .map = C25_MAP_MAGIC4 };

	memcpy(x.address, a->magic.bytes, 16);
	return find(&kernel, &x);
}

static void
map(const char *transit)
{
	struct c25_addr t = fx_addr(transit), d = fx_addr("10.0.0.1");

	ck_assert_int_ge(c25_mappings_put(mappings, edge, &t, &d, app, now),
		0);
}

static struct c25_element *
mapped(const char *peer, const char *transit)
{
	struct c25_element x = { .map = C25_MAP_PEER4 };
	struct c25_addr p = fx_addr(peer), t = fx_addr(transit);

	memcpy(x.source, p.bytes, 16);
	memcpy(x.address, t.bytes, 16);
	return find(&kernel, &x);
}

/* Time passes, and the machine is run as the loop would. */
static void
pass(uint64_t ms)
{
	uint64_t end = now + ms;
	int rounds = 0;

	for (;;) {
		uint64_t due;

		ck_assert_int_lt(rounds++, 100000);
		c25_datapath_work(dp, now);
		due = c25_datapath_due(dp);
		if (due > end)
			break;
		now = due > now ? due : now + 1;
		if (now > end)
			break;
		if (c25_datapath_wants_flows(dp, now, &(bool){ false }))
			c25_datapath_flows_done(dp, true, now, 1);
	}
	now = end;
	c25_datapath_work(dp, now);
}

static struct c25_datapath_stats
stats(void)
{
	struct c25_datapath_stats s;

	c25_datapath_stats(dp, &s);
	return s;
}

/* ---- tests -------------------------------------------------------------- */

START_TEST(test_one_work_and_it_is_there)
{
	struct c25_assignment a = assign("before.example"), b;

	map("169.254.64.1");
	start(ROOM);
	ck_assert_ptr_nonnull(element_of(&a));
	ck_assert_ptr_nonnull(mapped("10.9.0.8", "169.254.64.1"));
	ck_assert_ptr_nonnull(mapped("10.9.0.9", "169.254.64.1"));
	ck_assert_uint_eq(kernel.count, 3);
	ck_assert(!kernel.loading);
	b = assign("after.example");
	c25_datapath_assigned(dp, &b, now);
	map("169.254.64.2");
	c25_datapath_work(dp, now);
	ck_assert_ptr_nonnull(element_of(&b));
	ck_assert_int_eq(memcmp(element_of(&b)->target, b.transit.bytes, 16),
		0);
	ck_assert_ptr_nonnull(mapped("10.9.0.8", "169.254.64.2"));
	ck_assert_uint_eq(builds, 1);
}
END_TEST

/* Moved to another connector it has another transit address, dropped none. */
START_TEST(test_moved_and_dropped)
{
	struct c25_assignment a = assign("a.example");
	struct c25_addr t = fx_addr("169.254.64.9");

	start(ROOM);
	a.transit = fx_addr("169.254.127.1");
	c25_datapath_assigned(dp, &a, now);
	c25_datapath_work(dp, now);
	ck_assert_int_eq(memcmp(element_of(&a)->target, a.transit.bytes, 16),
		0);
	ck_assert_int_eq(c25_table_drop(f.t, a.ref), 0);
	c25_datapath_dropped(dp, &a);
	map("169.254.64.9");
	c25_datapath_work(dp, now);
	ck_assert_ptr_null(element_of(&a));
	ck_assert_int_eq(c25_mappings_drop(mappings, edge, &t), 0);
	c25_datapath_work(dp, now);
	ck_assert_uint_eq(kernel.count, 0);
}
END_TEST

/* Unbound renews a lease without a word; a lease that isn't renewed ends. */
START_TEST(test_leases)
{
	struct c25_assignment a = assign("renewed.example"),
		b = assign("ended.example");
	uint64_t end;

	start(ROOM);
	for (int i = 0; i < 20; i++) {
		pass(100000);
		a = assign("renewed.example");
		end = a.lease_end_ms;
		ck_assert_ptr_nonnull(element_of(&a));
		ck_assert_uint_gt(element_of(&a)->until_ms, now);
	}
	ck_assert_ptr_null(element_of(&b));
	now = now < end ? now : end;
	pass(end - now - 1);
	ck_assert_ptr_nonnull(element_of(&a));
	pass(60000);
	ck_assert_ptr_null(element_of(&a));
}
END_TEST

START_TEST(test_overrun)
{
	struct c25_assignment a;

	start(ROOM);
	a = assign("unseen.example");
	c25_datapath_work(dp, now);
	ck_assert_ptr_null(element_of(&a));
	c25_datapath_overrun(dp);
	c25_datapath_work(dp, now);
	ck_assert_ptr_nonnull(element_of(&a));
}
END_TEST

/* A kernel that doesn't take it is asked again, less and less often. */
START_TEST(test_failures)
{
	struct c25_assignment a;

	start(ROOM);
	a = assign("a.example");
	c25_datapath_assigned(dp, &a, now);
	fails = -ENOMEM;
	commits = 0;
	pass(3600000);
	ck_assert_uint_ge(commits, 10);
	ck_assert_uint_le(commits, 75);
	ck_assert_uint_eq(stats().errors, commits);
	fails = 0;
	a = assign("a.example");
	c25_datapath_assigned(dp, &a, now);
	pass(60000);
	ck_assert_ptr_nonnull(element_of(&a));
	ck_assert_uint_eq(stats().pending, 0);
}
END_TEST

/* The table can't be made, from the start or later: time isn't wasted with
 * it, and connections are looked at, as they go on. */
START_TEST(test_failures_to_build)
{
	struct c25_assignment a;
	int rounds = 0, looks = 0;
	uint64_t end, due;

	fails = _i == 0 ? -EBUSY : 0;
	start(ROOM);
	fails = -EBUSY;
	c25_datapath_meddled(dp, "nft (pid 1)", now);
	for (end = now + 3600000; now < end; rounds++) {
		c25_datapath_work(dp, now);
		if (c25_datapath_wants_flows(dp, now, &(bool){ false })) {
			c25_datapath_flows_done(dp, true, now, 1);
			looks++;
		}
		due = c25_datapath_due(dp);
		ck_assert_uint_ne(due, 0);
		now = due > now ? due : now + 1;
	}
	ck_assert_int_lt(rounds, 10000);
	ck_assert_int_ge(looks, 100);
	fails = 0;
	a = assign("a.example");
	c25_datapath_assigned(dp, &a, now);
	pass(60000);
	ck_assert_ptr_nonnull(element_of(&a));
}
END_TEST

/* What says that the kernel hasn't what we think has the table made anew. */
START_TEST(test_unexpected_kernel)
{
	static const int codes[] = { -ENOENT, -EEXIST, -EBUSY };
	struct c25_assignment a = assign("a.example"), b;

	start(ROOM);
	kernel.count = 0;
	b = assign("b.example");
	c25_datapath_assigned(dp, &b, now);
	fails = codes[_i];
	c25_datapath_work(dp, now);
	fails = 0;
	pass(1000);
	ck_assert_uint_eq(builds, 2);
	ck_assert_ptr_nonnull(element_of(&a));
	ck_assert_ptr_nonnull(element_of(&b));
	ck_assert_uint_eq(stats().repairs, 1);
}
END_TEST

/* What was done before it was made anew is no reason to do so again, when we
 * hear of it after that; what was done later is. */
START_TEST(test_late_event)
{
	struct c25_assignment a;
	struct c25_nft_event event;

	unread = "nft (pid 1)";
	start(ROOM);
	ck_assert_uint_eq(stats().repairs, 0);
	kernel.count = 0;
	unread = "nft (pid 1)";
	a = assign("a.example");
	c25_datapath_assigned(dp, &a, now);
	fails = -ENOENT;
	c25_datapath_work(dp, now);
	fails = 0;
	now += 1000;			/* something took long */
	for (int i = 0; i < 2; i++) {
		c25_datapath_work(dp, now);
		if (op_events(NULL, &event) == 1)
			c25_datapath_meddled(dp, event.who, now);
		pass(1000);
		ck_assert_uint_eq(builds, 2 + (unsigned)i);
		ck_assert_uint_eq(stats().repairs, 1 + (unsigned)i);
		unread = "nft (pid 2)";
	}
}
END_TEST

/* At once, but two programs that fight don't take all of the machine. */
START_TEST(test_repairs)
{
	struct c25_assignment a = assign("a.example");

	start(ROOM);
	kernel = (struct model){ .count = 0 };
	c25_datapath_meddled(dp, "nft (pid 1)", now);
	pass(100);
	ck_assert_ptr_nonnull(element_of(&a));
	builds = 0;
	for (int i = 0; i < 600; i++) {
		kernel = (struct model){ .count = 0 };
		c25_datapath_meddled(dp, "nft (pid 1)", now);
		pass(100);
	}
	ck_assert_uint_ge(builds, 20);
	ck_assert_uint_le(builds, 60);
	pass(30000);
	a = assign("a.example");
	ck_assert(kernel.table);
}
END_TEST

/* More than fit into one transaction: dropped, not refused, until all are
 * there. */
START_TEST(test_loading)
{
	char domain[32];

	for (int i = 0; i < 300; i++) {
		(void)snprintf(domain, sizeof(domain), "n%d.example", i);
		(void)assign(domain);
	}
	start(100);
	ck_assert(kernel.loading);
	ck_assert_uint_eq(kernel.count, 100);
	for (int i = 0; i < 10 && c25_datapath_due(dp) == 1; i++)
		c25_datapath_work(dp, now);
	ck_assert_uint_eq(kernel.count, 300);
	ck_assert(!kernel.loading);
}
END_TEST

static void
map_number(int n)
{
	char transit[32];

	(void)snprintf(transit, sizeof(transit), "169.254.%d.%d",
		64 + n / 200, n % 200);
	map(transit);
}

/* Who waits for an answer doesn't wait for all the others, whether it sends
 * what is new or what it has sent before. */
START_TEST(test_mapped_while_loading)
{
	for (int i = 0; i < 1000; i++)
		map_number(i);
	start(100);
	ck_assert(kernel.loading);
	ck_assert_uint_eq(kernel.count, 100);
	ck_assert(!c25_datapath_owes(dp));
	map_number(1000);
	map_number(995);
	map_number(500);
	ck_assert(c25_datapath_owes(dp));
	c25_datapath_work(dp, now);
	ck_assert(!c25_datapath_owes(dp));
	ck_assert_ptr_nonnull(mapped("10.9.0.8", "169.254.69.0"));
	ck_assert_ptr_nonnull(mapped("10.9.0.9", "169.254.69.0"));
	ck_assert_ptr_nonnull(mapped("10.9.0.9", "169.254.68.195"));
	ck_assert_ptr_nonnull(mapped("10.9.0.9", "169.254.66.100"));
	ck_assert_uint_eq(kernel.count, 200);
	ck_assert(kernel.loading);
	/* more than fit into one transaction */
	for (int i = 600; i < 700; i++)
		map_number(i);
	c25_datapath_work(dp, now);
	ck_assert(c25_datapath_owes(dp));
	c25_datapath_work(dp, now);
	ck_assert(!c25_datapath_owes(dp));
	for (int i = 0; i < 100; i++)
		c25_datapath_work(dp, now);
	ck_assert_uint_eq(kernel.count, 2002);
	ck_assert(!kernel.loading);
}
END_TEST

/* So it is when somebody has changed the table just before. */
START_TEST(test_mapped_before_a_repair)
{
	for (int i = 0; i < 1000; i++)
		map_number(i);
	start(100);
	for (int i = 0; i < 100; i++)
		c25_datapath_work(dp, now);
	ck_assert(!kernel.loading);
	c25_datapath_meddled(dp, "nft (pid 1)", now);
	map_number(1000);
	now += 1000;
	c25_datapath_work(dp, now);
	ck_assert_uint_eq(builds, 2);
	ck_assert_uint_eq(kernel.count, 100);
	ck_assert_ptr_nonnull(mapped("10.9.0.8", "169.254.69.0"));
	ck_assert_ptr_nonnull(mapped("10.9.0.9", "169.254.69.0"));
	ck_assert(!c25_datapath_owes(dp));
	map_number(1001);
	ck_assert(c25_datapath_owes(dp));
	c25_datapath_work(dp, now);
	ck_assert(!c25_datapath_owes(dp));
	ck_assert_uint_eq(kernel.count, 200);
}
END_TEST

/* Nobody waits for a kernel that doesn't take it. */
START_TEST(test_mapped_in_vain)
{
	start(ROOM);
	map("169.254.64.1");
	fails = -EIO;
	ck_assert(c25_datapath_owes(dp));
	c25_datapath_work(dp, now);
	ck_assert(!c25_datapath_owes(dp));
	fails = 0;
	pass(1000);
	ck_assert_ptr_nonnull(mapped("10.9.0.8", "169.254.64.1"));
	ck_assert(!c25_datapath_owes(dp));
}
END_TEST

/* A reload meanwhile, or a kernel that fails at the end, changes nothing of
 * that; other rules are told at once all the same. */
START_TEST(test_reload_while_loading)
{
	char domain[32];

	for (int i = 0; i < 400; i++) {
		(void)snprintf(domain, sizeof(domain), "n%d.example", i);
		(void)assign(domain);
	}
	start(100);
	ck_assert(kernel.loading);
	configure();
	ck_assert_uint_eq(kernel.count, 200);
	ck_assert_uint_eq(rules, 1);
	ck_assert_uint_eq(builds, 1);
	ck_assert(kernel.loading);
	c25_datapath_work(dp, now);
	ck_assert_uint_eq(rules, 1);
	c25_datapath_work(dp, now);
	ck_assert_uint_eq(kernel.count, 400);
	ck_assert(kernel.loading);
	fails = -ENOMEM;
	c25_datapath_work(dp, now);
	fails = 0;
	ck_assert(kernel.loading);
	pass(1000);
	ck_assert_uint_eq(kernel.count, 400);
	ck_assert(!kernel.loading);
}
END_TEST

/* A socket that takes less at once than is said to fit. */
START_TEST(test_small_socket)
{
	char domain[32];

	for (int i = 0; i < 1000; i++) {
		(void)snprintf(domain, sizeof(domain), "n%d.example", i);
		(void)assign(domain);
	}
	most = 100;
	start(ROOM);
	for (int i = 0; i < 50 && c25_datapath_due(dp) == 1; i++)
		c25_datapath_work(dp, now);
	ck_assert_uint_eq(kernel.count, 1000);
	ck_assert(!kernel.loading);
	ck_assert_uint_eq(stats().errors, 0);
}
END_TEST

/* ---- connections -------------------------------------------------------- */

static struct c25_flow
flow_to(const struct c25_assignment *a)
{
	return (struct c25_flow){ .source = fx_addr("10.9.0.1"),
		.destination = a->magic, .answered_by = a->transit,
		.translated = true };
}

START_TEST(test_flow_keeps_its_assignment)
{
	struct c25_assignment a = assign("a.example");
	struct c25_flow flow = flow_to(&a);
	uint64_t first = a.lease_end_ms;
	bool all;

	start(ROOM);
	ck_assert(c25_datapath_wants_flows(dp, now, &all));
	ck_assert(all);
	for (int i = 0; i < 60; i++) {
		ck_assert(!c25_datapath_flow(dp, &flow, now));
		c25_datapath_flows_done(dp, true, now, 1);
		pass(C25_FLOWS_MS);
	}
	ck_assert_uint_gt(now, first);
	ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &a), 0);
	ck_assert_uint_gt(a.lease_end_ms, now);
	ck_assert_ptr_nonnull(element_of(&a));
	ck_assert_uint_gt(stats().kept, 0);
	pass(C25_FLOW_KEEP_MS + 60000);
	ck_assert_ptr_null(element_of(&a));
}
END_TEST

START_TEST(test_flow_keeps_its_mapping)
{
	struct c25_flow flow = { .source = fx_addr("10.9.0.8"),
		.destination = fx_addr("169.254.64.1"), .translated = true };

	map("169.254.64.1");
	start(ROOM);
	for (int i = 0; i < 200; i++) {
		ck_assert(!c25_datapath_flow(dp, &flow, now));
		c25_datapath_flows_done(dp, true, now, 1);
		pass(C25_FLOWS_MS);
	}
	ck_assert_ptr_nonnull(mapped("10.9.0.8", "169.254.64.1"));
	pass(C25_MAPPING_LIFE_MS + 60000);
	ck_assert_ptr_null(mapped("10.9.0.8", "169.254.64.1"));
}
END_TEST

/* What somebody wrote into the table, no pool's address, is never in the
 * kernel: not from the start, not by comparing, not when a lease was renewed,
 * not for a connection. */
START_TEST(test_foreign_addresses)
{
	struct c25_assignment a = assign("a.example"), b = assign("b.example");
	struct c25_flow flow = flow_to(&b);
	struct c25_addr bad = fx_addr("8.8.8.8");
	uint64_t end = b.lease_end_ms;

	if (_i > 0)
		start(ROOM);
	fx_scribble(&f, &a, FX_MAGIC, "8.8.8.8");
	fx_scribble(&f, &b, FX_TRANSIT, "8.8.8.8");
	if (_i == 0)
		start(ROOM);
	if (_i == 1)
		c25_datapath_overrun(dp);
	if (_i == 2)
		ck_assert_int_eq(c25_table_extend(f.t, b.ref, end + 60000),
			0);
	pass(_i == 2 ? end - now : 1000);
	if (_i == 3) {
		now = end - 1000;
		ck_assert(!c25_datapath_flow(dp, &flow, now));
		c25_datapath_work(dp, now);
	}
	for (size_t i = 0; i < kernel.count; i++)
		ck_assert(memcmp(kernel.items[i].address, bad.bytes, 16) != 0
			&& memcmp(kernel.items[i].target, bad.bytes, 16) != 0);
	ck_assert(!c25_ruleset_is_magic(c25_datapath_ruleset(dp), &bad));
	ck_assert_int_eq(c25_table_by_ref(f.t, b.ref, &b), -ENOENT);
	ck_assert_uint_eq(kernel.count, 0);
}
END_TEST

/* One that began without rules is forgotten; others are none of ours. */
START_TEST(test_flow_astray)
{
	struct c25_assignment a = assign("a.example");
	struct c25_flow flow = flow_to(&a);

	map("169.254.64.1");
	start(ROOM);
	flow.translated = false;
	ck_assert(c25_datapath_flow(dp, &flow, now));
	flow.destination = fx_addr("192.0.2.1");
	ck_assert(!c25_datapath_flow(dp, &flow, now));
	flow.source = fx_addr("10.9.0.9");
	flow.destination = fx_addr("169.254.64.1");
	ck_assert(c25_datapath_flow(dp, &flow, now));
	flow.source = fx_addr("10.9.0.77");	/* no peer */
	ck_assert(!c25_datapath_flow(dp, &flow, now));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("datapath");
	TCase *tc = tcase_create("machine");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_one_work_and_it_is_there);
	tcase_add_test(tc, test_moved_and_dropped);
	tcase_add_test(tc, test_leases);
	tcase_add_test(tc, test_overrun);
	tcase_add_test(tc, test_failures);
	tcase_add_loop_test(tc, test_failures_to_build, 0, 2);
	tcase_add_loop_test(tc, test_unexpected_kernel, 0, 3);
	tcase_add_test(tc, test_late_event);
	tcase_add_test(tc, test_repairs);
	tcase_add_test(tc, test_loading);
	tcase_add_test(tc, test_mapped_while_loading);
	tcase_add_test(tc, test_mapped_before_a_repair);
	tcase_add_test(tc, test_mapped_in_vain);
	tcase_add_test(tc, test_reload_while_loading);
	tcase_add_test(tc, test_small_socket);
	tcase_add_test(tc, test_flow_keeps_its_assignment);
	tcase_add_test(tc, test_flow_keeps_its_mapping);
	tcase_add_loop_test(tc, test_foreign_addresses, 0, 4);
	tcase_add_test(tc, test_flow_astray);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
