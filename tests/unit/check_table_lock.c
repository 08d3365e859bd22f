/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the shared table: many at once, one who dies with its lock, a lock
 * that lies, and bytes changed under all of them. */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conn25/layout.h"
#include "table/internal.h"
#include "tests/unit/suite.h"
#include "tests/unit/table_fixture.h"

/* A process that dies holding the mutex, half way through a change. */
static void
die_holding_the_mutex(void)
{
	struct c25_assignment a;
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct c25_table *t;
		struct c25_slot_d *s;

		if (c25_table_attach(f.dir, &t, NULL) != 0 ||
		    c25_lock(t) != 0)
			_exit(1);
		/* a slot half written, an address half taken, an index and
		 * a counter that lie */
		s = c25_slot(t, c25_slot_take(t));
		atomic_store(&s->seq, atomic_load(&s->seq) | 1);
		(void)c25_pool_take(t, C25_POOL_V4_MAGIC, &a.magic);
		atomic_store(c25_bucket(t, C25_BY_KEY, 0), 77);
		atomic_store(&t->h->assignments, 99);
		(void)raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
}

START_TEST(recovery_after_a_death)
{
	struct c25_assignment a, b, c;
	struct c25_usage u;

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	die_holding_the_mutex();
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &b, NULL),
	    0);
	verify();
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.assignments, 2);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &c, NULL),
	    0);
	ck_assert(!c.created);
	ck_assert(c25_addr_eq(&a.magic, &c.magic));
	ck_assert(c25_addr_eq(&a.transit, &c.transit));
}
END_TEST

static unsigned
rnd(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 8) % below;
}

/* Threads and a second handle at once, all for the same keys. */
static void *
hammer(void *arg)
{
	struct c25_table *t = arg;
	char domain[32];

	for (int n = 0; n < 3000; n++) {
		struct c25_name name;
		struct c25_assignment a;
		struct c25_want w = { .name = &name, .destination =
		    fx_addr("10.0.0.1"), .ttl_s = 60 };

		(void)snprintf(domain, sizeof(domain), "n%d.example",
		    n % 200);
		name = fx_name(domain);
		if (c25_table_reserve(t, f.p, &w, &a, NULL) != 0 ||
		    !c25_name_eq(&a.domain, &name))
			return (void *)1;
		if (n % 17 == 0)
			(void)c25_table_drop(t, a.ref);
		if (c25_table_by_magic(t, &a.magic, &a) == 0)
			(void)c25_table_set_push(t, a.ref, C25_PUSH_READY);
	}
	return NULL;
}

START_TEST(threads_and_handles_at_once)
{
	struct c25_table *other;
	struct c25_error err;
	pthread_t th[4];
	void *bad;

	ck_assert_int_eq(c25_table_attach(f.dir, &other, &err), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&th[i], NULL, hammer,
		    i % 2 ? other : f.t), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(th[i], &bad), 0);
		ck_assert_ptr_null(bad);
	}
	verify();
	c25_table_detach(other);
}
END_TEST

/* Bytes changed at random all over the mapping, the lock among them: errors
 * are fine, leaving the mapping or never coming back is not. */
START_TEST(scribbled_table_is_survived)
{
	unsigned seed = 4711 + (unsigned)_i;
	struct c25_assignment a;
	struct c25_usage u;
	struct c25_error err;
	char domain[32];

	for (int n = 0; n < 300; n++) {
		uint32_t cursor = 0;

		for (int k = 0; k < 20; k++) {
			size_t at = rnd(&seed, 1 << 24) %
			    (k % 2 ? f.t->l.arena + 4096 :
			    sizeof(struct c25_header_d));

			f.t->base[at] = (uint8_t)rnd(&seed, 256);
		}
		if (n % 3 == 0)
			f.t->h->p.lock = 0;
		(void)snprintf(domain, sizeof(domain), "n%u.example",
		    rnd(&seed, 50));
		(void)fx_reserve(&f, domain, "10.0.0.1", &a, NULL);
		(void)fx_reserve(&f, domain, "fd00::1", &a, NULL);
		(void)c25_table_by_magic(f.t, &a.magic, &a);
		(void)c25_table_drop(f.t, a.ref);
		(void)c25_table_reclaim(f.t, 64);
		while (c25_table_next(f.t, &cursor, &a))
			(void)c25_table_set_push(f.t, a.ref, C25_PUSH_READY);
		c25_table_usage(f.t, &u);
		if (c25_table_verify(f.t, &err) != 0)
			ck_assert_str_ne(err.text, "");
		if (n % 10 == 0) {
			ck_assert_int_eq(c25_lock(f.t), 0);
			c25_rebuild(f.t);
			c25_unlock(f.t);
		}
	}
}
END_TEST

/* The lock says that we have it, but we don't: what needs it fails soon, and
 * from then on at once; what does not goes on. */
START_TEST(lock_that_nobody_gives_back_stops_nobody)
{
	struct c25_assignment a;

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	f.t->h->p.lock = f.t->handle;
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &a, NULL),
	    -EUCLEAN);
	/* if each of these waited, the test would run into its timeout */
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &a,
		    NULL), -EUCLEAN);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	f.t->h->p.lock = 0;
	f.t->stuck_until_ms = 0;
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &a, NULL),
	    0);
	verify();
}
END_TEST

/* Who waits for one who rebuilds the table outwaits him: twice the 2 us a slot
 * that a busy machine took. */
START_TEST(lock_is_waited_for_as_long_as_a_rebuild_may_take)
{
	static const uint32_t capacities[] = { C25_ASSIGNMENTS_MIN, 65536,
	    1000000, C25_ASSIGNMENTS_MAX };
	struct c25_table t = { .l.capacity = capacities[_i] };

	ck_assert_uint_ge(c25_lock_patience_ms(&t), capacities[_i] / 250);
	ck_assert_uint_ge(c25_lock_patience_ms(&t), 3000);
}
END_TEST

/* It says that somebody has it who doesn't live (any more). */
START_TEST(lock_of_nobody_is_taken)
{
	static const uint32_t words[] = { 77, 255, 256, 0x12345,
	    77 | C25_LOCK_WAITERS, C25_LOCK_WAITERS, 0x7fffffff };
	struct c25_assignment a;
	char domain[32];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		f.t->h->p.lock = words[i];
		(void)snprintf(domain, sizeof(domain), "n%zu.example", i);
		ck_assert_int_eq(fx_reserve(&f, domain, "10.0.0.1", &a,
		    NULL), 0);
		verify();
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("table_lock");
	TCase *tc = tcase_create("table_lock");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, recovery_after_a_death);
	tcase_add_test(tc, threads_and_handles_at_once);
	tcase_add_loop_test(tc, scribbled_table_is_survived, 0, 4);
	tcase_add_test(tc, lock_that_nobody_gives_back_stops_nobody);
	tcase_add_loop_test(tc,
	    lock_is_waited_for_as_long_as_a_rebuild_may_take, 0, 4);
	tcase_add_test(tc, lock_of_nobody_is_taken);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
