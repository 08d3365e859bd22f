/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the shared table costs: reserving, renewing, finding, reclaiming, at
 * several sizes and fills, alone and with a second process that writes.
 * Prints "metric value unit" lines, tab-separated; see tests/bench/README.
 *
 *   bench_table [ASSIGNMENTS...]     default 1000 1000000
 */

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "table/internal.h"
#define FIXTURE_WITHOUT_CHECK
#include "tests/unit/fixture.h"

#define BATCH 64		/* calls that are timed together */

static struct fixture f;
static struct c25_name *names;
static struct c25_addr destination;
static uint64_t fake_ms;

static uint64_t
fake_clock(void)
{
	return fake_ms;
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int
cmp_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
print(const char *metric, uint32_t n, double value, const char *unit)
{
	(void)printf("table.%s.%u\t%.1f\t%s\n", metric, n, value, unit);
	(void)fflush(stdout);
}

/* A fixed walk through all numbers below n that looks random. */
static uint32_t
stride(uint32_t n)
{
	uint32_t s = (uint32_t)(n * 0.6180339) | 1;

	for (;; s += 2) {
		uint32_t a = n, b = s;

		while (b != 0) {
			uint32_t r = a % b;

			a = b;
			b = r;
		}
		if (a == 1)
			return s;
	}
}

/* The names of a batch: the resolver has the name that it asks for in its
 * cache, so it must not be a miss here. */
static struct c25_name hot[BATCH];
static uint32_t number[BATCH];

/* Time fn() over `calls` names in batches; the median batch, per call. */
static double
median_ns(void (*fn)(uint32_t), uint32_t calls, uint32_t n)
{
	uint32_t batches = (calls + BATCH - 1) / BATCH, at = 0;
	uint32_t step = stride(n);
	double *t = calloc(batches, sizeof(*t)), median;

	if (t == NULL)
		abort();
	for (uint32_t k = 0; k < batches; k++) {
		uint64_t start;

		for (uint32_t j = 0; j < BATCH; j++) {
			hot[j] = names[at];
			number[j] = at;
			at = (uint32_t)(((uint64_t)at + step) % n);
		}
		start = now_ns();
		for (uint32_t j = 0; j < BATCH; j++)
			fn(j);
		t[k] = (double)(now_ns() - start) / BATCH;
	}
	qsort(t, batches, sizeof(t[0]), cmp_double);
	median = t[batches / 2];
	free(t);
	return median;
}

static void
reserve(const struct c25_name *name)
{
	struct c25_want w = { .name = name, .destination = destination,
	    .ttl_s = 300 };
	struct c25_assignment a;

	if (c25_table_reserve(f.t, f.p, &w, &a, NULL) != 0)
		abort();
}

static void
do_reserve(uint32_t j)
{
	reserve(&hot[j]);
}

static void
do_by_magic(uint32_t j)
{
	struct c25_addr a = f.ranges[0].range.first;
	struct c25_assignment out;

	if (c25_addr_add(&a, &a, number[j]) != 0 ||
	    c25_table_by_magic(f.t, &a, &out) != 0)
		abort();
}

/* Nothing but the memory that a hit has to touch: one word of the bucket and
 * three lines of the slot. What no table of this size can do without. */
static volatile uint64_t sink;

static void
do_floor(uint32_t j)
{
	uint64_t hash = c25_key_hash(f.t, &hot[j], &destination);
	uint32_t k = atomic_load_explicit(c25_bucket(f.t, C25_BY_KEY, hash),
	    memory_order_relaxed);
	const struct c25_slot_d *s = c25_slot(f.t, k);

	if (s != NULL)
		sink = s->words[0] + s->words[8] + s->words[18];
}

static void
make_names(uint32_t n)
{
	char text[64];

	names = calloc(n, sizeof(*names));
	if (names == NULL)
		abort();
	for (uint32_t i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "host-%u.app%u.example",
		    i, i % 97);
		names[i] = fx_name(text);
	}
}

static void
open_table(uint32_t n)
{
	destination = fx_addr("10.0.0.1");
	fx_open(&f, n + n / 64 + 1024);
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, "100.64.0.0/10");
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE, "10.64.0.0/10");
	fx_publish(&f);
}

/* Make `count` addresses free, all over the pool, past their quarantine. */
static void
make_free(uint32_t n, uint32_t first, uint32_t count)
{
	uint32_t step = stride(n), at = first;
	struct c25_assignment a;
	struct c25_usage u;

	for (uint32_t i = 0; i < n; i++) {
		if (i < count && (c25_table_by_key(f.t, &names[at],
		    &destination, &a) != 0 || c25_table_drop(f.t, a.ref) != 0))
			abort();
		at = (uint32_t)(((uint64_t)at + step) % n);
	}
	fake_ms += C25_QUARANTINE_S * 1000 + 2 * C25_WHEEL_TICK_MS;
	at = first;
	for (uint32_t i = 0; i < n; i++) {
		if (i >= count)
			reserve(&names[at]);	/* a renewal */
		at = (uint32_t)(((uint64_t)at + step) % n);
	}
	do {
		if (c25_table_reclaim(f.t, 1u << 20) < 0)
			abort();
		c25_table_usage(f.t, &u);
	} while (u.ended > 0);
}

/* Take `count` of these again, timed; and the others. Returns: ns each. */
static double
take_again(uint32_t n, uint32_t first, uint32_t all, uint32_t count)
{
	uint32_t step = stride(n), at = first;
	uint64_t ns = 0;

	for (uint32_t i = 0; i < all; ) {
		uint32_t k = 0;
		uint64_t start;

		for (; k < BATCH && i < all; k++, i++) {
			if (i == count && k > 0)
				break;
			hot[k] = names[at];
			at = (uint32_t)(((uint64_t)at + step) % n);
		}
		start = now_ns();
		for (uint32_t j = 0; j < k; j++)
			reserve(&hot[j]);
		if (i <= count)
			ns += now_ns() - start;
	}
	return (double)ns / count;
}

/* New assignments at a fill of the pool, whose free addresses lie scattered
 * in it, so that each must be searched for. All fills leave and then take the
 * same number of free slots; the median of some rounds. */
static void
fills(uint32_t n)
{
	static const struct {
		const char *name;
		double fill;
	} rows[] = { { "new.fill1", 0.01 }, { "new.fill50", 0.5 },
	    { "new.fill99.99", 0.9999 } };
	struct c25_range r;
	struct c25_addr first = fx_addr("100.64.0.0");
	uint32_t tail = n / 10000 > 0 ? n / 10000 : 1;
	int rounds = n > 100000 ? 3 : 101;

	fx_open(&f, n + 1024);
	r.first = r.last = first;
	if (c25_addr_add(&r.last, &first, n - 1) != 0)
		abort();
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, "100.64.0.0/10");
	f.ranges[0].range = r;
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE, "10.64.0.0/10");
	fx_publish(&f);
	fake_ms = c25_now_ms();
	c25_clock_set(fake_clock);
	for (uint32_t i = 0; i < n; i++)
		reserve(&names[i]);
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		uint32_t count = (uint32_t)(n * (1 - rows[k].fill) + 0.5);
		double t[101];

		if (count < tail)
			count = tail;
		for (int i = 0; i < rounds; i++) {
			uint32_t at = (uint32_t)i * 7919 % n;

			make_free(n, at, count);
			t[i] = take_again(n, at, count, tail);
		}
		qsort(t, (size_t)rounds, sizeof(t[0]), cmp_double);
		print(rows[k].name, n, t[rounds / 2], "ns");
	}
	c25_clock_set(NULL);
	fx_close(&f);
}

static void
attach_times(uint32_t n)
{
	static double t[21];
	struct c25_table *other;
	struct c25_assignment a;
	struct c25_error err;

	for (int k = 0; k < 21; k++) {
		uint64_t start = now_ns();

		if (c25_table_attach(f.dir, &other, &err) != 0)
			abort();
		/* attached is who can answer */
		if (c25_table_by_key(other, &names[n / 2], &destination,
		    &a) != 0)
			abort();
		t[k] = (double)(now_ns() - start) / 1e6;
		c25_table_detach(other);
	}
	qsort(t, 21, sizeof(t[0]), cmp_double);
	print("attach", n, t[10], "ms");
}

/* Renewing and reserving while another process reserves and drops. */
static void
with_a_writer(uint32_t n)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct c25_table *t;
		struct c25_assignment a;
		struct c25_name name = fx_name("writer.example");
		struct c25_want w = { .name = &name, .ttl_s = 60,
		    .destination = fx_addr("10.0.0.2") };

		if (c25_table_attach(f.dir, &t, NULL) != 0)
			_exit(1);
		for (;;)
			if (c25_table_reserve(t, f.p, &w, &a, NULL) == 0)
				(void)c25_table_drop(t, a.ref);
	}
	print("hit.writer", n, median_ns(do_reserve, 200000, n), "ns");
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void
reclaim(uint32_t n)
{
	uint64_t start;
	long freed = 0;
	int r;

	fake_ms = c25_now_ms() + 1000000;
	c25_clock_set(fake_clock);
	start = now_ns();
	while ((r = c25_table_reclaim(f.t, 4096)) > 0)
		freed += r;
	if (freed > 0)
		print("reclaim", n, (double)(now_ns() - start) / (double)
		    freed, "ns");
	c25_clock_set(NULL);
}

static void
rebuild(uint32_t n)
{
	uint64_t start;

	if (c25_lock(f.t) != 0)
		abort();
	start = now_ns();
	c25_rebuild(f.t);
	print("recover", n, (double)(now_ns() - start) / 1e6, "ms");
	start = now_ns();
	c25_rebuild_pools(f.t);
	print("other_pools", n, (double)(now_ns() - start) / 1e6, "ms");
	c25_unlock(f.t);
}

static void
bench(uint32_t n)
{
	make_names(n);
	open_table(n);
	print("new", n, median_ns(do_reserve, n, n), "ns");
	print("hit", n, median_ns(do_reserve, n < 100000 ? 400000 : n, n),
	    "ns");
	print("floor", n, median_ns(do_floor, n < 100000 ? 400000 : n, n),
	    "ns");
	print("by_magic", n, median_ns(do_by_magic, n < 100000 ? 400000 : n,
	    n), "ns");
	print("bytes", n, (double)c25_table_size(f.t) /
	    c25_table_capacity(f.t), "bytes/assignment");
	attach_times(n);
	with_a_writer(n);
	rebuild(n);
	reclaim(n);
	fx_close(&f);
	fills(n);
	free(names);
}

int
main(int argc, char **argv)
{
	if (argc < 2) {
		bench(1000);
		bench(1000000);
	}
	for (int i = 1; i < argc; i++)
		bench((uint32_t)strtoul(argv[i], NULL, 10));
	return 0;
}
