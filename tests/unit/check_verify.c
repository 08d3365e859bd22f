/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of verify.h: which names are an app's, what counts as an address of
 * one and for how long, who waits for what, and what a peer can't do to the
 * others. The resolver is played here, and so is the clock.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sidecar/verify.h"
#include "tests/unit/demo.h"
#include "tests/unit/suite.h"

static struct c25_verify *v;
static struct c25_config *cfg;
static uint64_t now_ms;

/* Lookups that have begun, in that order; an answered one has no name. */
static struct asked {
	struct c25_verify_name *name;
	char domain[300];
	enum c25_family family;
} *asked;
static size_t asked_count;
#define ASKED_MAX 40000
static int start_result;

static const char demo[] = "{ 'pools': { 'v4MagicIPPool': ['100.64.0.0/16'],"
    "'v4TransitIPPool': ['169.254.64.0/18'] }, 'apps': ["
    "{ 'name': 'wiki', 'verifyDestinations': true, 'domains': ["
    "    'wiki.corp.example', '*.deep.corp.example', 'ex.b.example',"
    "    'a.\\u005fx.example', '*.many.example'] },"
    "{ 'name': 'mail', 'domains': ['mail.example'] },"
    "{ 'name': 'crm', 'verifyDestinations': true, 'domains': ["
    "    '*.crm.example'] } ] }";

static int
on_start(void *ctx, struct c25_verify_name *name, const char *domain,
    enum c25_family family)
{
	struct asked *a = &asked[asked_count];

	ck_assert_ptr_eq(ctx, &now_ms);
	if (start_result != 0)
		return start_result;
	ck_assert_uint_lt(asked_count, ASKED_MAX);
	a->name = name;
	a->family = family;
	(void)snprintf(a->domain, sizeof(a->domain), "%s", domain);
	asked_count++;
	return 0;
}

/* Who waits still when a test is over is told at its teardown: what is counted
 * must live until then. */
static int *
counter(void)
{
	static int counters[16];
	static unsigned used;

	counters[used % 16] = 0;
	return &counters[used++ % 16];
}

static void
setup(void)
{
	struct c25_verify_domains *d;

	asked = calloc(ASKED_MAX, sizeof(*asked));
	v = c25_verify_new();
	ck_assert(v != NULL && asked != NULL);
	cfg = parse(demo);
	ck_assert(!c25_verify_wanted(v));
	ck_assert_int_eq(c25_verify_domains_new(cfg, &d), 0);
	c25_verify_configure(v, cfg, d);
	c25_verify_resolver(v, on_start, &now_ms);
	asked_count = 0;
	start_result = 0;
	now_ms = 1000000;
}

static void
teardown(void)
{
	c25_verify_free(v);
	c25_config_free(cfg);
	free(asked);
}

static struct c25_verify_stats
stats(void)
{
	struct c25_verify_stats s;

	c25_verify_stats(v, &s);
	return s;
}

static enum c25_verdict
ask(uint32_t app, const char *domain, const char *destination,
    struct c25_verify_wait *w)
{
	struct c25_addr a = addr(destination);

	return c25_verify_ask(v, &(struct c25_verify_question){ .app = app,
	    .domain = domain, .destination = &a }, now_ms, w);
}

static struct c25_verify_wait *
wait_new(uint32_t peer)
{
	struct c25_verify_wait *w = c25_verify_wait_new(v, peer, now_ms);

	ck_assert_ptr_nonnull(w);
	return w;
}

static void
on_done(void *ctx)
{
	++*(int *)ctx;
}

/* Answer a lookup with up to two addresses, or what else it found. */
static void
answer(size_t i, enum c25_found found, const char *a, const char *b)
{
	struct c25_addr list[2];
	struct c25_verify_answer r = { .found = found, .addresses = list };
	struct c25_verify_name *name = asked[i].name;

	ck_assert_uint_lt(i, asked_count);
	ck_assert_ptr_nonnull(name);
	asked[i].name = NULL;
	if (a != NULL)
		list[r.count++] = addr(a);
	if (b != NULL)
		list[r.count++] = addr(b);
	c25_verify_answer(v, name, &r, now_ms);
}

/* A lookup from beginning to end. */
static void
learn(const char *domain, enum c25_found found, const char *a, const char *b)
{
	struct c25_verify_wait *w = wait_new(0);
	int *done = counter();

	ck_assert_int_eq(ask(0, domain, a != NULL && strchr(a, ':') ?
	    "2001:db8::ffff" : "10.255.255.255", w), C25_VERDICT_WAIT);
	c25_verify_wait_start(w, on_done, done, now_ms);
	ck_assert_int_eq(*done, 0);
	answer(asked_count - 1, found, a, b);
	ck_assert_int_eq(*done, 1);
}

/* ---- verdicts ------------------------------------------------------------ */

#define A16 "aaaaaaaaaaaaaaaa"
#define LABEL_64 A16 A16 A16 A16	/* one too long */

/* wiki.corp.example is 10.1.0.1 and 10.1.0.2 and 2001:db8::1 by now. */
static const struct {
	uint32_t app;
	const char *domain, *destination;
	enum c25_verdict verdict;
} rows[] = {
	{ 0, "wiki.corp.example", "10.1.0.1", C25_VERDICT_OK },
	{ 0, "wiki.corp.example", "10.1.0.2", C25_VERDICT_OK },
	{ 0, "wiki.corp.example", "2001:db8::1", C25_VERDICT_OK },
	{ 0, "WIKI.Corp.Example.", "10.1.0.1", C25_VERDICT_OK },
	{ 0, "\\119iki.corp.example", "10.1.0.1", C25_VERDICT_OK },
	{ 0, "wiki.corp.example", "10.1.0.3", C25_VERDICT_OTHER },
	{ 0, "wiki.corp.example", "2001:db8::2", C25_VERDICT_OTHER },
	{ 0, "wiki.corp.example", "::ffff:10.1.0.1", C25_VERDICT_OTHER },
	{ 0, "", "10.1.0.1", C25_VERDICT_NO_DOMAIN },
	{ 0, "corp.example", "10.1.0.1", C25_VERDICT_FOREIGN },
	{ 0, "x.wiki.corp.example", "10.1.0.1", C25_VERDICT_FOREIGN },
	{ 0, "xwiki.corp.example", "10.1.0.1", C25_VERDICT_FOREIGN },
	{ 0, "wiki.corp.example.x", "10.1.0.1", C25_VERDICT_FOREIGN },
	{ 0, "wiki\\.corp.example", "10.1.0.1", C25_VERDICT_FOREIGN },
	{ 0, ".", "10.1.0.1", C25_VERDICT_FOREIGN },
	{ 0, "wiki..corp.example", "10.1.0.1", C25_VERDICT_FOREIGN },
	{ 0, "wiki.corp.example ", "10.1.0.1", C25_VERDICT_FOREIGN },
	{ 0, "*.deep.corp.example", "10.1.0.1", C25_VERDICT_WAIT },
	{ 0, LABEL_64 ".deep.corp.example", "10.1.0.1", C25_VERDICT_FOREIGN },
	{ 0, "deep.corp.example", "10.1.0.1", C25_VERDICT_WAIT },
	{ 0, "a.deep.corp.example", "10.1.0.1", C25_VERDICT_WAIT },
	{ 0, "a.b.c.DEEP.corp.example", "10.1.0.1", C25_VERDICT_WAIT },
	{ 0, "adeep.corp.example", "10.1.0.1", C25_VERDICT_FOREIGN },
	{ 0, "a\\.deep.corp.example", "10.1.0.1", C25_VERDICT_FOREIGN },
	{ 0, "a._x.example", "10.1.0.1", C25_VERDICT_WAIT },
	/* another app's, one that isn't verified, none */
	{ 2, "wiki.corp.example", "10.1.0.1", C25_VERDICT_FOREIGN },
	{ 2, "crm.example", "10.1.0.1", C25_VERDICT_WAIT },
	{ 1, "mail.example", "10.1.0.1", C25_VERDICT_FOREIGN },
	{ 3, "mail.example", "10.1.0.1", C25_VERDICT_FOREIGN },
};

START_TEST(verdict)
{
	enum c25_verdict want = rows[_i].verdict;
	struct c25_verify_wait *w;

	learn("wiki.corp.example", C25_FOUND_ANSWER, "10.1.0.1", "10.1.0.2");
	learn("wiki.corp.example", C25_FOUND_ANSWER, "2001:db8::1", NULL);
	w = wait_new(0);
	ck_assert_int_eq(ask(rows[_i].app, rows[_i].domain,
	    rows[_i].destination, w), want);
	ck_assert_uint_eq(c25_verify_wait_left(w), want == C25_VERDICT_WAIT);
	c25_verify_wait_free(w);
	/* nothing was counted; now it is */
	ck_assert_uint_eq(stats().verdicts[want], 0);
	if (want == C25_VERDICT_WAIT)
		want = C25_VERDICT_LATER;
	ck_assert_int_eq(ask(rows[_i].app, rows[_i].domain,
	    rows[_i].destination, NULL), want);
	ck_assert_uint_eq(stats().verdicts[want], 1);
	ck_assert_uint_eq(asked_count, 2);
}
END_TEST

static const struct {
	enum c25_found found;
	const char *address;
	enum c25_verdict verdict;
} found_rows[] = {
	{ C25_FOUND_ANSWER, "10.1.0.1", C25_VERDICT_OK },
	{ C25_FOUND_ANSWER, "10.1.0.9", C25_VERDICT_OTHER },
	{ C25_FOUND_ANSWER, NULL, C25_VERDICT_OTHER },
	{ C25_FOUND_BOGUS, "10.1.0.1", C25_VERDICT_BOGUS },
	{ C25_FOUND_FAILURE, "10.1.0.1", C25_VERDICT_LATER },
};

/* What was found counts until it is time to look again. */
START_TEST(what_was_found)
{
	enum c25_verdict want = found_rows[_i].verdict;
	struct c25_verify_wait *w;

	learn("wiki.corp.example", found_rows[_i].found,
	    found_rows[_i].address, NULL);
	w = wait_new(0);
	now_ms += C25_VERIFY_AGAIN_MS - 1;
	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1", w), want);
	now_ms++;
	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1", w),
	    want == C25_VERDICT_OK ? want : C25_VERDICT_WAIT);
	/* what ends a wait is still decided by what was learned in it */
	now_ms += C25_VERIFY_WAIT_MS;
	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1", NULL), want);
	c25_verify_wait_free(w);
	ck_assert_uint_eq(stats().failures, want == C25_VERDICT_LATER);
	ck_assert_uint_eq(stats().bogus, want == C25_VERDICT_BOGUS);
}
END_TEST

/* A name whose answers go round: each address counts for a day. */
START_TEST(addresses_that_change)
{
	learn("wiki.corp.example", C25_FOUND_ANSWER, "10.1.0.1", NULL);
	now_ms += C25_VERIFY_AGAIN_MS;
	learn("wiki.corp.example", C25_FOUND_ANSWER, "10.1.0.2", NULL);
	now_ms += C25_VERIFY_AGAIN_MS;
	learn("wiki.corp.example", C25_FOUND_ANSWER, NULL, NULL);
	now_ms += C25_VERIFY_AGAIN_MS;
	learn("wiki.corp.example", C25_FOUND_FAILURE, NULL, NULL);
	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1", NULL),
	    C25_VERDICT_OK);
	now_ms += C25_VERIFY_KEEP_MS - 3 * C25_VERIFY_AGAIN_MS - 1;
	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1", NULL),
	    C25_VERDICT_OK);
	now_ms++;
	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1", NULL),
	    C25_VERDICT_LATER);
	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.2", NULL),
	    C25_VERDICT_OK);
	learn("wiki.corp.example", C25_FOUND_ANSWER, "10.1.0.1", NULL);
	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1", NULL),
	    C25_VERDICT_OK);
	c25_verify_forget(v);
	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1", NULL),
	    C25_VERDICT_LATER);
}
END_TEST

/* More than are remembered: the ones seen last are. */
START_TEST(many_addresses_of_a_name)
{
	char text[32];
	unsigned n = C25_VERIFY_ADDRESSES + 10;

	for (unsigned i = 0; i < n; i++, now_ms += C25_VERIFY_AGAIN_MS) {
		(void)snprintf(text, sizeof(text), "10.2.0.%u", i + 1);
		learn("wiki.corp.example", C25_FOUND_ANSWER, text, NULL);
	}
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "10.2.0.%u", i + 1);
		ck_assert_int_eq(ask(0, "wiki.corp.example", text, NULL) ==
		    C25_VERDICT_OK, i >= 10);
	}
}
END_TEST

START_TEST(magic_addresses_are_none)
{
	learn("wiki.corp.example", C25_FOUND_ANSWER, "100.64.0.1",
	    "10.1.0.1");
	ck_assert_int_eq(ask(0, "wiki.corp.example", "100.64.0.1", NULL),
	    C25_VERDICT_OTHER);
	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1", NULL),
	    C25_VERDICT_OK);
}
END_TEST

START_TEST(texts)
{
	char buf[C25_VERIFY_TEXT_MAX];

	for (int i = 0; i < C25_VERDICTS; i++) {
		const char *text = c25_verify_text((enum c25_verdict)i,
		    "wiki.corp.example", buf);

		ck_assert_int_eq(strstr(text, "wiki.corp.example") != NULL,
		    i != C25_VERDICT_OK && i != C25_VERDICT_NO_DOMAIN);
		ck_assert_int_eq(text[0] == '\0', i == C25_VERDICT_OK);
		ck_assert_int_eq(strstr(text, "again later") != NULL,
		    i == C25_VERDICT_LATER || i == C25_VERDICT_WAIT);
	}
}
END_TEST

/* ---- waiting ------------------------------------------------------------- */

START_TEST(one_lookup_for_all_who_wait)
{
	struct c25_verify_wait *w[3];
	int done[3] = { 0 };

	for (uint32_t i = 0; i < 3; i++) {
		w[i] = wait_new(i);
		/* twice, which is once */
		ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1",
		    w[i]), C25_VERDICT_WAIT);
		ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.2",
		    w[i]), C25_VERDICT_WAIT);
	}
	ck_assert_int_eq(ask(0, "ex.b.example", "10.1.0.1", w[1]),
	    C25_VERDICT_WAIT);
	ck_assert_uint_eq(c25_verify_wait_left(w[0]), 1);
	ck_assert_uint_eq(c25_verify_wait_left(w[1]), 2);
	for (int i = 0; i < 3; i++)
		c25_verify_wait_start(w[i], on_done, &done[i], now_ms);
	ck_assert_uint_eq(asked_count, 2);
	ck_assert_str_eq(asked[0].domain, "wiki.corp.example");
	ck_assert_int_eq(asked[0].family, C25_V4);
	answer(0, C25_FOUND_ANSWER, "10.1.0.1", NULL);
	ck_assert(done[0] == 1 && done[1] == 0 && done[2] == 1);
	answer(1, C25_FOUND_ANSWER, NULL, NULL);
	ck_assert(done[0] == 1 && done[1] == 1 && done[2] == 1);
	ck_assert_uint_eq(stats().waited, 3);
	ck_assert_uint_eq(stats().pending, 0);
}
END_TEST

/* Whoever waits is called in time; what comes later is still of use. */
START_TEST(an_answer_that_takes_too_long)
{
	struct c25_verify_wait *w = wait_new(0);
	int *done = counter();

	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1", w),
	    C25_VERDICT_WAIT);
	c25_verify_wait_start(w, on_done, done, now_ms);
	now_ms += C25_VERIFY_WAIT_MS - 1;
	c25_verify_tick(v, now_ms);
	ck_assert_int_eq(*done, 0);
	now_ms++;
	c25_verify_tick(v, now_ms);
	ck_assert_int_eq(*done, 1);
	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1", NULL),
	    C25_VERDICT_LATER);
	ck_assert_uint_eq(stats().pending, 1);
	answer(0, C25_FOUND_ANSWER, "10.1.0.1", NULL);
	ck_assert_int_eq(*done, 1);
	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1", NULL),
	    C25_VERDICT_OK);
}
END_TEST

/* It isn't called from within wait_start(). */
START_TEST(a_lookup_that_cannot_begin)
{
	struct c25_verify_wait *w = wait_new(0);
	int *done = counter();

	start_result = -EIO;
	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1", w),
	    C25_VERDICT_WAIT);
	c25_verify_wait_start(w, on_done, done, now_ms);
	ck_assert_int_eq(*done, 0);
	c25_verify_tick(v, now_ms + 1);
	ck_assert_int_eq(*done, 1);
	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1", NULL),
	    C25_VERDICT_LATER);
	ck_assert_uint_eq(stats().failures, 1);
}
END_TEST

START_TEST(the_end_calls_who_waits)
{
	struct c25_verify_wait *w = wait_new(0);
	int *done = counter();

	ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1", w),
	    C25_VERDICT_WAIT);
	c25_verify_wait_start(w, on_done, done, now_ms);
	c25_verify_free(v);
	v = NULL;
	ck_assert_int_eq(*done, 1);
}
END_TEST

/* ---- limits -------------------------------------------------------------- */

/* A wait for `count` names that nobody else asked for. */
static struct c25_verify_wait *
flood(uint32_t peer, unsigned count, int *done)
{
	static unsigned names;
	struct c25_verify_wait *w = c25_verify_wait_new(v, peer, now_ms);
	char name[64];

	for (unsigned i = 0; w != NULL && i < count; i++) {
		(void)snprintf(name, sizeof(name), "n%u.many.example",
		    names++);
		ck_assert_int_eq(ask(0, name, "10.1.0.1", w), i <
		    C25_VERIFY_WAIT_NAMES ? C25_VERDICT_WAIT :
		    C25_VERDICT_LATER);
	}
	if (w != NULL)
		c25_verify_wait_start(w, on_done, done, now_ms);
	return w;
}

/* Peers that ask for all they can leave room for one who comes last. */
START_TEST(nobody_takes_all_lookups)
{
	int *done = counter(), *last = counter();
	size_t before;

	for (uint32_t peer = 0; peer < (uint32_t)_i; peer++)
		for (int k = 0; k < 4; k++)
			ck_assert_ptr_nonnull(flood(peer, 300, done));
	before = asked_count;
	ck_assert_uint_lt(before, C25_VERIFY_LOOKUPS);
	ck_assert_ptr_nonnull(flood(99, 1, last));
	ck_assert_uint_eq(asked_count, before + 1);
	answer(before, C25_FOUND_ANSWER, NULL, NULL);
	ck_assert_int_eq(*last, 1);
	ck_assert_int_eq(*done, 0);
	/* answers let others begin */
	for (size_t i = 0; i < before; i++)
		answer(i, C25_FOUND_ANSWER, NULL, NULL);
	ck_assert_uint_ge(asked_count, before + 1 + before / 2);
	ck_assert_uint_eq(stats().pending, asked_count - before - 1);
}
END_TEST

START_TEST(a_batch_at_once)
{
	int *done = counter();

	ck_assert_ptr_nonnull(flood(0, C25_VERIFY_WAIT_NAMES, done));
	for (size_t i = 0; i < C25_VERIFY_WAIT_NAMES; i++) {
		ck_assert_int_eq(*done, 0);
		answer(i, C25_FOUND_ANSWER, NULL, NULL);
	}
	ck_assert_int_eq(*done, 1);
}
END_TEST

START_TEST(not_too_many_wait)
{
	int *done = counter();
	unsigned peers = 0, waits = 0;

	for (; peers < 100; peers++) {
		unsigned n = 0;

		while (n < 1000 && flood(peers, 1, done) != NULL)
			n++;
		if (n == 0)
			break;
		ck_assert_uint_eq(n, C25_VERIFY_PEER_WAITS);
		waits += n;
	}
	ck_assert_uint_eq(waits, C25_VERIFY_WAITS);
	now_ms += C25_VERIFY_WAIT_MS;
	c25_verify_tick(v, now_ms);
	ck_assert_uint_eq((unsigned)*done, C25_VERIFY_WAITS);
	ck_assert_ptr_nonnull(flood(0, 1, done));
}
END_TEST

/* However fast they are answered, no peer has more than its share a second. */
START_TEST(not_too_many_in_a_second)
{
	int done = 0, waits = 0;
	size_t answered = 0;

	for (int round = 0; round < 20; round++) {
		waits += flood(0, 256, &done) != NULL;
		for (; answered < asked_count; answered++)
			answer(answered, C25_FOUND_ANSWER, NULL, NULL);
	}
	ck_assert_uint_eq(asked_count, C25_VERIFY_BURST);
	now_ms += 1000;
	c25_verify_tick(v, now_ms);
	for (; answered < asked_count; answered++)
		answer(answered, C25_FOUND_ANSWER, NULL, NULL);
	ck_assert_uint_eq(asked_count, C25_VERIFY_BURST + C25_VERIFY_RATE);
}
END_TEST

START_TEST(memory_has_a_bound)
{
	struct c25_verify_wait *w = wait_new(99);
	int done = 0, waited = 0;
	size_t answered;

	/* the first to come, and the last to be answered */
	ck_assert_int_eq(ask(0, "ex.b.example", "10.1.0.1", w),
	    C25_VERDICT_WAIT);
	c25_verify_wait_start(w, on_done, &waited, now_ms);
	learn("wiki.corp.example", C25_FOUND_ANSWER, "10.1.0.1", NULL);
	answered = asked_count;
	for (unsigned i = 0; i < C25_VERIFY_NAMES + 2000; i += 100) {
		ck_assert_ptr_nonnull(flood(i / 1000, 100, &done));
		for (; answered < asked_count; answered++)
			answer(answered, C25_FOUND_ANSWER, "10.1.0.1", NULL);
		/* what is in use stays */
		ck_assert_int_eq(ask(0, "wiki.corp.example", "10.1.0.1",
		    NULL), C25_VERDICT_OK);
	}
	ck_assert_uint_eq(stats().names, C25_VERIFY_NAMES);
	ck_assert_int_eq(waited, 0);
	answer(0, C25_FOUND_ANSWER, "10.1.0.1", NULL);
	ck_assert_int_eq(waited, 1);
	ck_assert_int_eq(ask(0, "ex.b.example", "10.1.0.1", NULL),
	    C25_VERDICT_OK);
	ck_assert_int_eq(ask(0, "n0.many.example", "10.1.0.1", NULL),
	    C25_VERDICT_LATER);
}
END_TEST

/* ---- anything in any order ----------------------------------------------- */

struct slot {
	int done;
	bool used;
};

START_TEST(random_operations)
{
	static struct slot slots[4000];
	unsigned used = 0, over = 0, dropped = 0;
	char name[64];

	srandom((unsigned)_i + 1);
	memset(slots, 0, sizeof(slots));
	for (int op = 0; op < 20000; op++) {
		struct c25_verify_wait *w;
		size_t i;

		now_ms += (uint64_t)random() % 50;
		switch (random() % 6) {
		case 0:
			w = c25_verify_wait_new(v, (uint32_t)random() % 5,
			    now_ms);
			if (w == NULL || used == 4000) {
				c25_verify_wait_free(w);
				break;
			}
			for (i = (size_t)random() % 20; i > 0; i--) {
				(void)snprintf(name, sizeof(name),
				    "r%ld.many.example", random() % 300);
				(void)ask(0, name, "10.1.0.1", w);
			}
			if (random() % 4 == 0) {
				c25_verify_wait_free(w);
				dropped++;
				break;
			}
			slots[used].used = true;
			c25_verify_wait_start(w, on_done, &slots[used].done,
			    now_ms);
			ck_assert_int_eq(slots[used].done, 0);
			used++;
			break;
		case 1:
			start_result = random() % 8 == 0 ? -EIO : 0;
			break;
		case 2:
			c25_verify_tick(v, now_ms);
			break;
		case 3:
			if (random() % 100 == 0)
				c25_verify_forget(v);
			break;
		default:
			for (i = 0; i < asked_count &&
			    asked[i].name == NULL; i++)
				;
			if (i < asked_count)
				answer(i, (enum c25_found)(random() % 3),
				    "10.1.0.2", NULL);
		}
		ck_assert_uint_le(stats().pending, C25_VERIFY_LOOKUPS);
	}
	ck_assert_uint_gt(dropped, 10);
	start_result = 0;
	c25_verify_tick(v, now_ms + C25_VERIFY_WAIT_MS);
	for (unsigned i = 0; i < used; i++)
		over += slots[i].done == 1;
	ck_assert_uint_eq(over, used);
	ck_assert_uint_gt(used, 100);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("verify");
	TCase *tc = tcase_create("verify");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	ADD_ROWS(tc, verdict, rows);
	ADD_ROWS(tc, what_was_found, found_rows);
	tcase_add_test(tc, addresses_that_change);
	tcase_add_test(tc, many_addresses_of_a_name);
	tcase_add_test(tc, magic_addresses_are_none);
	tcase_add_test(tc, texts);
	tcase_add_test(tc, one_lookup_for_all_who_wait);
	tcase_add_test(tc, an_answer_that_takes_too_long);
	tcase_add_test(tc, a_lookup_that_cannot_begin);
	tcase_add_test(tc, the_end_calls_who_waits);
	tcase_add_loop_test(tc, nobody_takes_all_lookups, 0, 12);
	tcase_add_test(tc, a_batch_at_once);
	tcase_add_test(tc, not_too_many_wait);
	tcase_add_test(tc, not_too_many_in_a_second);
	tcase_add_test(tc, memory_has_a_bound);
	tcase_add_loop_test(tc, random_operations, 0, 10);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
