/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What somebody else does between two stores of a write to the table. Like
 * check_crash.c this program has its own build of table/, in which c25_step()
 * is called there.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "table/internal.h"
#include "tests/unit/fixture.h"
#include "tests/unit/suite.h"

static struct fixture f;

/* Called once, when this thread has made so many steps; -1: never. */
static _Thread_local long steps_left = -1;
static _Thread_local void (*at_step)(void);

void
c25_step(void)
{
	if (steps_left >= 0 && steps_left-- == 0)
		at_step();
}

static void
setup(void)
{
	fx_open(&f, 128);
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, "100.64.0.0/24");
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
	    "169.254.64.0/24");
	fx_publish(&f);
}

static void
teardown(void)
{
	fx_close(&f);
}

/* ---- two who find the lock with a dead holder ---------------------------- */

static _Atomic bool second_is_in;	/* it has the lock, as it says */
static _Atomic bool go_on;
static pthread_t second_thread;
static struct c25_table *second_table;

static void
wait_for(_Atomic bool *what, int at_most_ms)
{
	for (; at_most_ms > 0 && !atomic_load(what); at_most_ms -= 10)
		(void)poll(NULL, 0, 10);
}

/* The second stands in the middle of its recovery. */
static void
second_step(void)
{
	atomic_store(&second_is_in, true);
	wait_for(&go_on, 5000);
	atomic_store(&second_is_in, false);
}

static void *
second_main(void *arg)
{
	(void)arg;
	at_step = second_step;
	steps_left = 4;
	if (c25_table_attach(f.dir, &second_table, NULL) == 0 &&
	    c25_lock(second_table) == 0)
		c25_unlock(second_table);
	return NULL;
}

/* The first has seen that the holder is dead; a second one comes. */
static void
first_step(void)
{
	ck_assert_int_eq(pthread_create(&second_thread, NULL, second_main,
	    NULL), 0);
	wait_for(&second_is_in, 1000);
}

START_TEST(one_recovers_at_a_time)
{
	pid_t pid = fork();
	int status;
	bool both;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct c25_table *t;

		if (c25_table_attach(f.dir, &t, NULL) != 0 || c25_lock(t) != 0)
			_exit(1);
		(void)raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	at_step = first_step;
	steps_left = 0;
	ck_assert_int_eq(c25_lock(f.t), 0);
	steps_left = -1;
	both = atomic_load(&second_is_in);
	ck_assert_uint_eq(atomic_load(&f.t->h->p.lock) & ~C25_LOCK_WAITERS,
	    f.t->handle);
	c25_unlock(f.t);
	atomic_store(&go_on, true);
	ck_assert_int_eq(pthread_join(second_thread, NULL), 0);
	ck_assert(!both);
	c25_table_detach(second_table);
}
END_TEST

/* ---- an acknowledgement during a rebuild --------------------------------- */

#define WAITING 3
static struct c25_assignment waiting[WAITING];
static unsigned acknowledged;

static void
acknowledge(void)
{
	if (c25_table_set_push(second_table, waiting[1].ref,
	    C25_PUSH_READY) == 0)
		acknowledged++;
}

START_TEST(acknowledged_during_a_rebuild)
{
	struct c25_usage u;
	char domain[32];

	for (int i = 0; i < WAITING; i++) {
		(void)snprintf(domain, sizeof(domain), "n%d.example", i);
		ck_assert_int_eq(fx_reserve(&f, domain, "10.0.0.1",
		    &waiting[i], NULL), 0);
	}
	ck_assert_int_eq(c25_table_attach(f.dir, &second_table, NULL), 0);
	at_step = acknowledge;
	for (long step = 0; step < 100; step++) {
		ck_assert_int_eq(c25_table_set_push(f.t, waiting[1].ref,
		    C25_PUSH_PENDING), 0);
		acknowledged = 0;
		ck_assert_int_eq(c25_lock(f.t), 0);
		steps_left = step;
		c25_rebuild(f.t);
		steps_left = -1;
		c25_unlock(f.t);
		c25_table_usage(f.t, &u);
		ck_assert_msg(u.pending == WAITING - acknowledged,
		    "acknowledged at step %ld: %llu are pending, of %u", step,
		    (unsigned long long)u.pending, WAITING - acknowledged);
	}
	/* whatever it counts, it never is less than none */
	atomic_store(&f.t->h->pending, 0);
	ck_assert_int_eq(c25_table_set_push(f.t, waiting[0].ref,
	    C25_PUSH_READY), 0);
	ck_assert_int_eq(c25_table_drop(f.t, waiting[2].ref), 0);
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.pending, 0);
	c25_table_detach(second_table);
}
END_TEST

/* ---- renewals while the table is copied ---------------------------------- */

static struct c25_assignment told;
static int told_result;

static void
renew_for_long(void)
{
	struct c25_want w = { .name = &told.domain,
	    .destination = told.destination, .ttl_s = 3600 };

	told_result = c25_table_renew(second_table, f.p, &w, &told);
}

/* Whenever it is renewed: either the new table knows of it, or it fails. */
START_TEST(renewed_while_it_is_copied)
{
	struct c25_error err = { "" };
	struct c25_assignment a;
	struct c25_table *t;
	int renewed = 0, refused = 0;

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	for (long step = 0; step < 2000; step++) {
		second_table = f.t;
		told = a;
		at_step = renew_for_long;
		steps_left = step;
		ck_assert_int_eq(c25_table_migrate(f.dir, 128, (gid_t)-1, &t,
		    &err), 0);
		if (steps_left >= 0)
			step = 10000;	/* it has no more */
		steps_left = -1;
		c25_table_detach(f.t);
		f.t = t;
		ck_assert_int_eq(c25_table_by_key(t, &a.domain,
		    &a.destination, &a), 0);
		if (step == 10000)
			break;
		*(told_result == 0 ? &renewed : &refused) += 1;
		ck_assert_msg(told_result != 0 || a.lease_end_ms >=
		    told.lease_end_ms, "step %ld: a renewal is lost", step);
		/* make it short again */
		atomic_store(&c25_slot(t, a.ref.slot)->lease_end_ms,
		    c25_now_ms() + 1000);
	}
	ck_assert_int_gt(renewed, 0);
	ck_assert_int_gt(refused, 0);
}
END_TEST

/* ---- extended while one moves -------------------------------------------- */

/* Extend the new version, which is in no index yet, if it is there. */
static void
extend_other(void)
{
	uint64_t until = c25_now_ms() + 3600 * 1000;
	struct c25_assignment a;
	uint32_t cursor = 0;

	told_result = -ENOENT;
	while (c25_table_next(second_table, &cursor, &a))
		if (a.ref.slot != told.ref.slot)
			told_result = c25_table_extend(second_table, a.ref,
			    until);
	told.lease_end_ms = until;
}

/* Whenever its new version is extended, by one who walks the table. */
START_TEST(extended_while_it_moves)
{
	struct c25_assignment a;
	int extended = 0;
	long step;

	ck_assert_int_eq(c25_table_connector_reg(f.t, "c1"), 1);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	second_table = f.t;
	at_step = extend_other;
	for (step = 0; step < 200; step++) {
		atomic_store(&c25_slot(f.t, a.ref.slot)->lease_end_ms,
		    c25_now_ms() + 1000);
		told = a;
		steps_left = step;
		/* both are of one pool: the old version is freed at once */
		ck_assert_int_eq(c25_table_move(f.t, a.ref, step % 2 == 0 ?
		    1 : 0, &a), 0);
		if (steps_left >= 0)
			break;
		steps_left = -1;
		extended += told_result == 0;
		ck_assert_int_eq(c25_table_by_ref(f.t, a.ref, &a), 0);
		ck_assert_msg(told_result != 0 || a.lease_end_ms >=
		    told.lease_end_ms, "step %ld: an extension is lost", step);
	}
	steps_left = -1;
	ck_assert_int_gt(step, 20);
	ck_assert_int_lt(step, 200);
	ck_assert_int_gt(extended, 10);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("steps");
	TCase *tc = tcase_create("steps");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_recovers_at_a_time);
	tcase_add_test(tc, acknowledged_during_a_rebuild);
	tcase_add_test(tc, renewed_while_it_is_copied);
	tcase_add_test(tc, extended_while_it_moves);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
