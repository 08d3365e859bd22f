/* SPDX-License-Identifier: BSD-3-Clause */
/* Another table in the place of one that is in use: what Unbound sees of it
 * meanwhile, what must not be forgotten, and who dies half way. */

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "table/internal.h"
#include "tests/unit/fixture.h"
#include "tests/unit/suite.h"

static struct fixture f;
static uint64_t fake_now_ms;

static uint64_t
fake_clock(void)
{
	return fake_now_ms;
}

static void
verify(void)
{
	struct c25_error err = { "" };

	ck_assert_msg(c25_table_verify(f.t, &err) == 0, "%s", err.text);
}

static void
setup(void)
{
	fake_now_ms = c25_now_ms();
	c25_clock_set(fake_clock);
	fx_open(&f, 1024);
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, "100.64.0.0/30");
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
	    "169.254.64.0/24");
	fx_publish(&f);
}

static void
teardown(void)
{
	c25_clock_set(NULL);
	fx_close(&f);
}

static int
reserve(struct c25_table *t, const char *domain, uint32_t ttl_s,
    struct c25_assignment *out)
{
	struct c25_name n = fx_name(domain);
	struct c25_want w = { .name = &n, .destination = fx_addr("10.0.0.1"),
	    .ttl_s = ttl_s };

	return c25_table_reserve(t, f.p, &w, out, NULL);
}

/* As conn25d does; f.t, which is the module's handle, stays. */
static struct c25_table *
migrate(uint32_t capacity)
{
	struct c25_error err = { "" };
	struct c25_table *t;

	ck_assert_msg(c25_table_migrate(f.dir, capacity, (gid_t)-1, &t,
	    &err) == 0, "%s", err.text);
	return t;
}

/* conn25d is killed when it has filled the new table and not renamed it. */
START_TEST(killed_before_the_rename)
{
	struct c25_assignment a, b;
	struct c25_error err = { "" };
	struct c25_table *t;
	pid_t pid;
	int status;

	ck_assert_int_eq(reserve(f.t, "a.example", 300, &a), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (c25_table_attach(f.dir, &t, NULL) != 0 || c25_lock(t) != 0)
			_exit(1);
		atomic_store(&t->h->p.retired, 1);
		(void)raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	/* it goes on with the table that is there, without conn25d */
	ck_assert(c25_table_retired(f.t));
	ck_assert_msg(c25_table_attach(f.dir, &t, &err) == 0, "%s", err.text);
	ck_assert_int_eq(reserve(t, "b.example", 300, &b), 0);
	ck_assert_int_eq(reserve(t, "a.example", 300, &b), 0);
	ck_assert(c25_addr_eq(&a.magic, &b.magic));
	ck_assert(!c25_table_replaced(f.t));
	c25_table_detach(t);
	verify();
}
END_TEST

/* While it is being copied it can't be attached to, and nobody is kept
 * waiting for the lock. */
START_TEST(refused_while_it_is_copied)
{
	struct c25_assignment a, b;
	struct c25_table *other, *t;
	struct c25_policy *p;

	ck_assert_int_eq(reserve(f.t, "known.example", 300, &a), 0);
	ck_assert_int_eq(c25_table_attach(f.dir, &other, NULL), 0);
	ck_assert_int_eq(c25_lock(other), 0);
	atomic_store(&other->h->p.retired, 1);
	c25_clock_set(NULL);
	fake_now_ms = c25_now_ms();
	ck_assert_int_eq(c25_table_attach(f.dir, &t, NULL), -EAGAIN);
	ck_assert_ptr_null(t);
	/* but by who has no other: what is in there is answered */
	ck_assert_int_eq(c25_table_attach_retired(f.dir, &t, NULL), 0);
	ck_assert(c25_table_retired(t));
	ck_assert_int_eq(c25_table_policy(t, &p, NULL), 0);
	ck_assert_int_eq(reserve(t, "known.example", 300, &b), 0);
	ck_assert(c25_addr_eq(&a.magic, &b.magic));
	ck_assert_int_eq(reserve(t, "x.example", 300, &b), -ESTALE);
	c25_policy_unref(p);
	c25_table_detach(t);
	ck_assert_int_eq(reserve(f.t, "x.example", 300, &b), -ESTALE);
	ck_assert_uint_lt(c25_now_ms() - fake_now_ms, 1000);
	c25_unlock(other);
	c25_table_detach(other);
	/* once replaced it stays retired, whoever has the lock */
	t = migrate(1024);
	ck_assert(c25_table_retired(f.t));
	c25_table_detach(t);
	ck_assert_int_eq(c25_table_attach(f.dir, &t, NULL), 0);
	ck_assert(c25_table_retired(f.t));
	c25_table_detach(f.t);
	f.t = t;
	fx_publish(&f);
	verify();
}
END_TEST

/* The new table has the leases of the moment it was made: nothing is promised
 * in the old one after that. */
START_TEST(no_renewal_is_lost)
{
	struct c25_name n = fx_name("a.example");
	struct c25_want w = { .name = &n, .destination = fx_addr("10.0.0.1"),
	    .ttl_s = 3600 };
	struct c25_assignment a, b;
	struct c25_table *t;

	ck_assert_int_eq(reserve(f.t, "a.example", 60, &a), 0);
	fake_now_ms += 50000;
	t = migrate(2048);
	ck_assert_int_eq(c25_table_renew(f.t, f.p, &w, &b), -ENOENT);
	ck_assert_int_eq(c25_table_reserve(f.t, f.p, &w, &b, NULL), -ESTALE);
	ck_assert_int_eq(c25_table_extend(f.t, a.ref, fake_now_ms + 3600000),
	    -ENOENT);
	c25_table_detach(f.t);
	f.t = t;
	fx_publish(&f);
	ck_assert_int_eq(c25_table_by_key(f.t, &n, &w.destination, &b), 0);
	ck_assert_uint_ge(b.lease_end_ms, a.lease_end_ms);
	verify();
}
END_TEST

/* What has ended keeps its addresses for the quarantine, in there too. */
START_TEST(quarantines_go_along)
{
	static const char *const names[] = { "a.example", "b.example",
	    "c.example", "d.example" };
	struct c25_assignment a[4], b;
	struct c25_usage u;
	struct c25_table *t;

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(reserve(f.t, names[i], 300, &a[i]), 0);
	ck_assert_int_eq(c25_table_drop(f.t, a[2].ref), 0);
	ck_assert_int_eq(reserve(f.t, "x.example", 300, &b), -ENOSPC);
	if (_i == 1)		/* as another version would have made it */
		f.t->h->p.fingerprint ^= 1;
	t = migrate(2048);
	c25_table_detach(f.t);
	f.t = t;
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c0"), 0);
	fx_publish(&f);
	verify();
	c25_table_usage(f.t, &u);
	ck_assert_uint_eq(u.assignments, 3);
	ck_assert_uint_eq(u.ended, 1);
	ck_assert_uint_eq(u.pending, 3);
	ck_assert_int_eq(reserve(f.t, "x.example", 300, &b), -ENOSPC);
	fake_now_ms += C25_QUARANTINE_S * 1000 + 2 * C25_WHEEL_TICK_MS;
	ck_assert_int_eq(c25_table_reclaim(f.t, 64), 1);
	ck_assert_int_eq(reserve(f.t, "x.example", 300, &b), 0);
	ck_assert(c25_addr_eq(&b.magic, &a[2].magic));
	verify();
}
END_TEST

/* It has one of the transit addresses it left when it goes back there. */
START_TEST(moves_back_after_a_migration)
{
	struct c25_assignment a, b;
	struct c25_table *t;

	ck_assert_int_eq(c25_table_connector_reg(f.t, "c1"), 1);
	fx_pool(&f, C25_POOL_V4_TRANSIT, 0, "169.254.65.0/24");
	fx_pool(&f, C25_POOL_V4_TRANSIT, 1, "169.254.66.0/24");
	fx_publish(&f);
	ck_assert_int_eq(reserve(f.t, "a.example", 300, &a), 0);
	ck_assert_int_eq(c25_table_move(f.t, a.ref, 1, &b), 0);
	t = migrate(2048);
	c25_table_detach(f.t);
	f.t = t;
	fx_publish(&f);
	verify();
	ck_assert_int_eq(c25_table_by_key(f.t, &a.domain, &a.destination,
	    &b), 0);
	ck_assert_int_eq(c25_table_move(f.t, b.ref, 0, &b), 0);
	ck_assert(c25_addr_eq(&a.magic, &b.magic));
	ck_assert(c25_addr_eq(&a.transit, &b.transit));
	verify();
}
END_TEST

/* The new table is there and conn25d has published nothing yet, or was killed:
 * names it doesn't know are answered too, and never with "no pool". */
START_TEST(not_published_yet)
{
	struct c25_error err = { "" };
	struct c25_assignment a, b;
	struct c25_policy *p;
	struct c25_table *t;

	ck_assert_int_eq(reserve(f.t, "a.example", 300, &a), 0);
	if (_i == 1)		/* as another version would have made it */
		f.t->h->p.fingerprint ^= 1;
	t = migrate(2048);
	c25_table_detach(f.t);
	f.t = t;
	/* what the module does */
	ck_assert_msg(c25_table_policy(f.t, &p, &err) == 0, "%s", err.text);
	c25_policy_unref(f.p);
	f.p = p;
	ck_assert_int_eq(reserve(f.t, "b.example", 300, &b), _i == 1 ?
	    -ESTALE : 0);
	if (_i == 0) {
		ck_assert(!c25_addr_eq(&a.magic, &b.magic));
		verify();
	}
	ck_assert_int_eq(reserve(f.t, "a.example", 300, &b), 0);
	ck_assert(c25_addr_eq(&a.magic, &b.magic));
	fx_publish(&f);
	verify();
	ck_assert_int_eq(reserve(f.t, "c.example", 300, &b), 0);
	verify();
}
END_TEST

/* One that can't be read makes way, and who maps it sees that. */
START_TEST(of_an_unknown_form)
{
	struct c25_error err = { "" };
	struct c25_table *t;
	char kept[280], was[300];

	(void)snprintf(was, sizeof(was), "%s/table.format-2", f.dir);
	f.t->h->p.fingerprint ^= 1;
	f.t->h->p.slot_format = 2;
	ck_assert_int_eq(c25_table_migrate(f.dir, 2048, (gid_t)-1, &t, &err),
	    -EPROTO);
	ck_assert_ptr_nonnull(strstr(err.text, "form (2)"));
	ck_assert(!c25_table_retired(f.t));
	ck_assert_msg(c25_table_set_aside(f.dir, kept, &err) == 0, "%s",
	    err.text);
	ck_assert_str_eq(kept, was);
	ck_assert(c25_table_retired(f.t));
	ck_assert_int_eq(access(kept, F_OK), 0);
	c25_table_detach(f.t);
	ck_assert_int_eq(c25_table_set_aside(f.dir, kept, &err), -ENOENT);
	ck_assert_int_eq(c25_table_create(f.dir, 1024, (gid_t)-1, &f.t, &err),
	    0);
	ck_assert_int_eq(access(was, F_OK), 0);
	ck_assert(c25_table_closed(f.t));
	c25_table_detach(f.t);
	/* no table at all is nothing to be kept */
	ck_assert_int_eq(truncate(was, 90), 0);
	(void)snprintf(kept, sizeof(kept), "%s/table", f.dir);
	ck_assert_int_eq(rename(was, kept), 0);
	ck_assert_int_eq(c25_table_set_aside(f.dir, kept, &err), -EUCLEAN);
	ck_assert_int_eq(c25_table_create(f.dir, 1024, (gid_t)-1, &f.t, &err),
	    0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("migrate");
	TCase *tc = tcase_create("migrate");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, killed_before_the_rename);
	tcase_add_test(tc, refused_while_it_is_copied);
	tcase_add_test(tc, no_renewal_is_lost);
	tcase_add_loop_test(tc, quarantines_go_along, 0, 2);
	tcase_add_test(tc, moves_back_after_a_migration);
	tcase_add_loop_test(tc, not_published_yet, 0, 2);
	tcase_add_test(tc, of_an_unknown_form);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
