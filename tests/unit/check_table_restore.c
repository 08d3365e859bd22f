/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the shared table: what a new one takes over, from the store or from
 * the one before it. */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "table/internal.h"
#include "tests/unit/suite.h"
#include "tests/unit/table_fixture.h"

START_TEST(closed_until_it_begins)
{
	struct c25_assignment a;

	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	atomic_store(&f.t->h->closed, 1);
	ck_assert(c25_table_closed(f.t));
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &a, NULL),
	    -EBUSY);
	ck_assert_int_eq(fx_reserve(&f, "a.example", "10.0.0.1", &a, NULL),
	    0);
	c25_table_begin(f.t);
	ck_assert_int_eq(fx_reserve(&f, "b.example", "10.0.0.1", &a, NULL),
	    0);
}
END_TEST

static const struct {
	const char *destination, *magic, *transit;
	uint16_t connector;
	int r;
	const char *transit_now;	/* NULL: the same */
} restore_rows[] = {
	{ "10.0.0.1", "100.64.0.77", "169.254.64.9", 2, 0, NULL },
	{ "10.0.0.1", "100.64.0.77", "169.254.65.9", 0, 0, NULL },
	/* a transit address that is not its connector's any more */
	{ "10.0.0.1", "100.64.0.77", "169.254.66.9", 0, 0, "169.254.65.0" },
	{ "10.0.0.1", "100.64.0.77", "192.0.2.1", 1, 0, "169.254.66.0" },
	{ "10.0.0.1", "192.0.2.1", "169.254.64.9", 2, -ERANGE, NULL },
	{ "10.0.0.1", "169.254.64.9", "169.254.64.9", 2, -ERANGE, NULL },
	{ "fd00::1", "fd25:1::77", "fd25:2::9", 0, 0, NULL },
	{ "fd00::1", "100.64.0.77", "fd25:2::9", 0, -EINVAL, NULL },
};

START_TEST(restored_with_its_addresses)
{
	struct c25_saved s = { .name = fx_name("old.example"),
	    .destination = fx_addr(restore_rows[_i].destination),
	    .magic = fx_addr(restore_rows[_i].magic),
	    .transit = fx_addr(restore_rows[_i].transit),
	    .connector = restore_rows[_i].connector };
	struct c25_saved twins[2];
	struct c25_assignment a;
	int r[2];

	two_connectors();
	s.lease_end_ms = c25_now_ms() + 60000;
	ck_assert_int_eq(c25_table_restore(f.t, &s, 1, r),
	    restore_rows[_i].r == 0);
	ck_assert_int_eq(r[0], restore_rows[_i].r);
	verify();
	if (restore_rows[_i].r != 0)
		return;
	ck_assert_int_eq(fx_reserve(&f, "old.example",
	    restore_rows[_i].destination, &a, NULL), 0);
	ck_assert(!a.created);
	ck_assert(c25_addr_eq(&a.magic, &s.magic));
	if (restore_rows[_i].transit_now != NULL)
		s.transit = fx_addr(restore_rows[_i].transit_now);
	ck_assert(c25_addr_eq(&a.transit, &s.transit));
	ck_assert_uint_eq(a.push, C25_PUSH_PENDING);
	/* neither a second time, nor another one with its address */
	twins[0] = twins[1] = s;
	twins[1].name = fx_name("new.example");
	ck_assert_int_eq(c25_table_restore(f.t, twins, 2, r), 0);
	ck_assert_int_eq(r[0], -EEXIST);
	ck_assert_int_eq(r[1], -EADDRINUSE);
	verify();
}
END_TEST

START_TEST(migrated_with_all_that_lives)
{
	static const uint32_t sizes[] = { 4096, 600 };
	uint64_t generation = c25_table_generation(f.t);
	struct c25_assignment a[500], b;
	struct c25_error err = { "" };
	struct c25_table *t;
	char domain[300], path[128];

	for (int i = 0; i < 500; i++) {
		(void)snprintf(domain, sizeof(domain), "%.*s.n%d.example",
		    1 + i % 60, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		    "xxxxxxxxxxxxxxx", i);
		ck_assert_int_eq(fx_reserve(&f, domain, i % 2 ? "10.0.0.1" :
		    "fd00::1", &a[i], NULL), 0);
	}
	ck_assert_int_eq(c25_table_set_push(f.t, a[7].ref, C25_PUSH_READY),
	    0);
	ck_assert_int_eq(c25_table_drop(f.t, a[8].ref), 0);
	if (_i >= 2) {		/* as another version would have made it */
		f.t->h->p.fingerprint ^= 1;
		ck_assert_int_eq(c25_table_attach(f.dir, &t, &err), -EPROTO);
	}
	ck_assert_msg(c25_table_migrate(f.dir, sizes[_i % 2], (gid_t)-1, &t,
	    &err) == 0, "%s", err.text);
	/* the old one gives what it has, and nothing new */
	ck_assert(c25_table_retired(f.t));
	ck_assert_int_eq(fx_reserve(&f, "x.example", "10.0.0.1", &b, NULL),
	    -ESTALE);
	ck_assert_int_eq(c25_table_by_magic(f.t, &a[7].magic, &b), 0);
	ck_assert_uint_eq(c25_table_generation(t), generation);
	c25_table_detach(f.t);
	f.t = t;
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c0"), 0);
	fx_publish(&f);
	verify();
	for (int i = 0; i < 500; i++) {
		int r = c25_table_by_key(f.t, &a[i].domain,
		    &a[i].destination, &b);

		ck_assert_int_eq(r, i == 8 ? -ENOENT : 0);
		if (i == 8)
			continue;
		ck_assert(c25_addr_eq(&a[i].magic, &b.magic));
		ck_assert(c25_addr_eq(&a[i].transit, &b.transit));
		ck_assert_uint_ge(b.lease_end_ms, a[i].lease_end_ms);
		ck_assert_uint_eq(b.push, i == 7 ? C25_PUSH_READY :
		    C25_PUSH_PENDING);
	}
	(void)snprintf(path, sizeof(path), "%s/policy.%llu", f.dir,
	    (unsigned long long)generation);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(migration_that_fails_changes_nothing)
{
	struct c25_assignment a;
	struct c25_error err = { "" };
	struct c25_table *t;
	char domain[32];

	for (int i = 0; i < 100; i++) {
		(void)snprintf(domain, sizeof(domain), "n%d.example", i);
		ck_assert_int_eq(fx_reserve(&f, domain, "10.0.0.1", &a,
		    NULL), 0);
	}
	ck_assert_int_eq(c25_table_migrate(f.dir, 64, (gid_t)-1, &t, &err),
	    -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.text, "maxAssignments"));
	ck_assert(!c25_table_replaced(f.t));
	ck_assert_int_eq(fx_reserve(&f, "x.example", "10.0.0.1", &a, NULL),
	    0);
	f.t->h->p.fingerprint ^= 1;
	f.t->h->p.slot_format++;
	ck_assert_int_eq(c25_table_migrate(f.dir, 1024, (gid_t)-1, &t, &err),
	    -EPROTO);
	verify();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("table_restore");
	TCase *tc = tcase_create("table_restore");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, closed_until_it_begins);
	ADD_ROWS(tc, restored_with_its_addresses, restore_rows);
	tcase_add_loop_test(tc, migrated_with_all_that_lives, 0, 4);
	tcase_add_test(tc, migration_that_fails_changes_nothing);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
