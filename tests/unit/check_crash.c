/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process that is killed at any step of any write to the table: what was
 * promised stays true, and whoever comes next finds the table whole.
 *
 * This program has its own build of table/, in which c25_step() is called
 * between any two stores. For each operation and each number k a process
 * begins the operation and is killed at its k-th step, until it comes to the
 * end with steps to spare. CONN25_TEST_STRIDE leaves numbers out, where that
 * would take too long.
 */

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "table/internal.h"
#include "tests/unit/fixture.h"
#include "tests/unit/suite.h"

#define KEPT 12			/* assignments that were promised before */
#define STEPS_MAX 20000		/* more than any operation has */

static long steps_left = -1;	/* -1: don't count */
static void (*last_deed)(void);	/* of somebody else, right before */

void
c25_step(void)
{
	if (steps_left < 0 || steps_left-- != 0)
		return;
	if (last_deed != NULL)
		last_deed();
	(void)raise(SIGKILL);
}

static struct fixture f;
static struct c25_assignment kept[KEPT], moving, dying;
static uint64_t fake_now_ms;

static uint64_t
fake_clock(void)
{
	return fake_now_ms;
}

static const char sixty[] =
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.";

/* Some names need one more slot, some two. */
static void
domain_of(int i, char out[static 300])
{
	(void)snprintf(out, 300, "%s%s%sn%d.example", i % 3 > 0 ? sixty : "",
	    i % 3 > 0 ? sixty : "", i % 3 > 1 ? sixty : "", i);
}

static int
reserve(int i, struct c25_assignment *out)
{
	char domain[300];

	domain_of(i, domain);
	return fx_reserve(&f, domain, i % 2 ? "10.0.0.1" : "fd00::1", out,
	    NULL);
}

static void
pools(const char *magic)
{
	f.range_count = 0;
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE, magic);
	fx_pool(&f, C25_POOL_V4_TRANSIT, 0, "169.254.64.0/24");
	fx_pool(&f, C25_POOL_V4_TRANSIT, 1, "169.254.65.0/24");
	fx_pool(&f, C25_POOL_V4_TRANSIT, C25_CONNECTOR_NONE,
	    "169.254.66.0/24");
	fx_pool(&f, C25_POOL_V6_MAGIC, C25_CONNECTOR_NONE, "fd25:1::/64");
	fx_pool(&f, C25_POOL_V6_TRANSIT, 0, "fd25:2::/64");
	fx_pool(&f, C25_POOL_V6_TRANSIT, 1, "fd25:3::/64");
	fx_pool(&f, C25_POOL_V6_TRANSIT, C25_CONNECTOR_NONE, "fd25:4::/64");
}

/* ---- what is killed ------------------------------------------------------ */

static int
op_reserve(void)
{
	struct c25_assignment a;

	return reserve(100, &a);
}

static int
op_reserve_long_name(void)
{
	struct c25_assignment a;

	return reserve(101, &a) == 0 ? reserve(104, &a) : 1;
}

static int
op_renew(void)
{
	struct c25_assignment a;

	fake_now_ms += 30000;
	return reserve(3, &a);
}

static int
op_drop(void)
{
	return c25_table_drop(f.t, dying.ref);
}

static int
op_move(void)
{
	struct c25_assignment a;

	return c25_table_move(f.t, moving.ref, 1, &a);
}

/* There and back again: it gets its former transit address. */
static int
op_move_back(void)
{
	struct c25_assignment a;

	return c25_table_move(f.t, moving.ref, 1, &a) != 0 ||
	    c25_table_move(f.t, a.ref, 0, &a) != 0 ||
	    !c25_addr_eq(&a.transit, &moving.transit);
}

/* To one that shares the pool. */
static int
op_move_within_a_pool(void)
{
	struct c25_assignment a;

	return c25_table_move(f.t, moving.ref, 2, &a) != 0 ||
	    c25_table_move(f.t, a.ref, 3, &a) != 0;
}

/* So often that it gets former addresses back. */
static int
op_drop_over_and_over(void)
{
	struct c25_assignment a;

	for (int i = 0; i < 12; i++)
		if (reserve(101, &a) != 0 || c25_table_drop(f.t, a.ref) != 0)
			return 1;
	return reserve(101, &a);
}

static int
op_reclaim(void)
{
	fake_now_ms += 500000;
	return c25_table_reclaim(f.t, 1000) < 0;
}

static int
op_reclaim_while_reserving(void)
{
	struct c25_assignment a;

	fake_now_ms += 500000;
	for (int i = 0; i < KEPT; i++)
		if (reserve(i, &a) != 0)
			return 1;
	return reserve(107, &a);
}

static int
op_publish(void)
{
	fx_publish(&f);
	return 0;
}

static int
op_publish_other_pools(void)
{
	pools("10.99.0.0/24");
	fx_publish(&f);
	return 0;
}

static int
op_register(void)
{
	return c25_table_connector_reg(f.t, "another") < 0;
}

static int
op_restore(void)
{
	struct c25_saved s = { .name = fx_name("restored.example"),
	    .destination = fx_addr("10.0.0.1"),
	    .magic = fx_addr("100.64.0.200"),
	    .transit = fx_addr("169.254.64.200"), .connector = 0,
	    .lease_end_ms = fake_now_ms + 60000 };
	int r;

	return c25_table_restore(f.t, &s, 1, &r) == 1 ? 0 : 1;
}

static int
op_migrate(void)
{
	struct c25_error err;
	struct c25_table *t;
	int r = c25_table_migrate(f.dir, 256, (gid_t)-1, &t, &err);

	if (r == 0)
		c25_table_detach(t);
	return r;
}

/* Die in the middle of something, so that the next one has to recover. */
static void
leave_a_mess(int (*op)(void), long step)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (c25_table_attach(f.dir, &f.t, NULL) != 0)
			_exit(1);
		steps_left = step;
		(void)op();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static int
op_recover(void)
{
	if (c25_lock(f.t) != 0)
		return 1;
	c25_unlock(f.t);
	return 0;
}

static const struct {
	const char *name;
	int (*op)(void);
	int (*before)(void);	/* killed at `before_step` first */
	long before_step;
	bool moves, drops, kept_may_end;
} rows[] = {
	{ .name = "reserve", .op = op_reserve },
	{ .name = "reserve a long name", .op = op_reserve_long_name },
	{ .name = "renew", .op = op_renew },
	{ .name = "drop", .op = op_drop, .drops = true },
	{ .name = "drop over and over", .op = op_drop_over_and_over },
	{ .name = "move", .op = op_move, .moves = true },
	{ .name = "move back", .op = op_move_back, .moves = true },
	{ .name = "move within a pool", .op = op_move_within_a_pool,
	    .moves = true },
	{ .name = "reclaim", .op = op_reclaim, .moves = true,
	    .drops = true, .kept_may_end = true },
	{ .name = "reclaim while reserving",
	    .op = op_reclaim_while_reserving,
	    .moves = true, .drops = true },
	{ .name = "publish", .op = op_publish },
	{ .name = "publish other pools", .op = op_publish_other_pools },
	{ .name = "register", .op = op_register },
	{ .name = "restore", .op = op_restore },
	{ .name = "migrate", .op = op_migrate },
	{ .name = "recover from a reserve", .op = op_recover,
	    .before = op_reserve_long_name, .before_step = 40 },
	{ .name = "recover from a move", .op = op_recover,
	    .before = op_move, .before_step = 36, .moves = true },
	{ .name = "recover from a move back", .op = op_recover,
	    .before = op_move_back, .before_step = 130, .moves = true },
	{ .name = "recover from a reclaim", .op = op_recover,
	    .before = op_reclaim, .before_step = 30, .moves = true,
	    .drops = true, .kept_may_end = true },
};

/* ---- the check ----------------------------------------------------------- */

static void
open_table(void)
{
	fx_open(&f, 128);
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c1"), 1);
	pools("100.64.0.0/24");
	fx_publish(&f);
	for (int i = 0; i < KEPT; i++)
		ck_assert_int_eq(reserve(i, &kept[i]), 0);
	ck_assert_int_eq(reserve(50, &moving), 0);
	ck_assert_int_eq(reserve(53, &dying), 0);
}

/* The table that is there now, with the policy that is current. */
static void
reopen(void)
{
	struct c25_error err = { "" };

	c25_policy_unref(f.p);
	f.p = NULL;
	c25_table_detach(f.t);
	if (c25_table_attach(f.dir, &f.t, &err) == -EAGAIN) {
		/* as conn25d does: killed while it replaced the table */
		ck_assert_msg(c25_table_migrate(f.dir, 256, (gid_t)-1, &f.t,
		    &err) == 0, "%s", err.text);
	}
	ck_assert_msg(f.t != NULL, "%s", err.text);
	fx_publish(&f);
}

static bool
same(const struct c25_assignment *was)
{
	struct c25_assignment a;

	return c25_table_by_key(f.t, &was->domain, &was->destination,
	    &a) == 0 && c25_addr_eq(&a.magic, &was->magic) &&
	    c25_addr_eq(&a.transit, &was->transit) &&
	    a.lease_end_ms >= was->lease_end_ms;
}

static void
check(int row, long step)
{
	struct c25_error err = { "" };
	struct c25_assignment a;
	const char *name = rows[row].name;

	reopen();
	ck_assert_msg(c25_table_verify(f.t, &err) == 0, "%s, step %ld: %s",
	    name, step, err.text);
	for (int i = 0; i < KEPT && !rows[row].kept_may_end; i++)
		ck_assert_msg(same(&kept[i]), "%s, step %ld: %d is lost or "
		    "changed", name, step, i);
	if (rows[row].moves && !rows[row].drops) {
		/* moved or not, its magic address is the same */
		ck_assert_msg(c25_table_by_key(f.t, &moving.domain,
		    &moving.destination, &a) == 0 &&
		    c25_addr_eq(&a.magic, &moving.magic), "%s, step %ld: "
		    "what was to be moved is lost", name, step);
	} else if (!rows[row].moves) {
		ck_assert_msg(same(&moving), "%s, step %ld", name, step);
	}
	if (!rows[row].drops)
		ck_assert_msg(same(&dying), "%s, step %ld", name, step);
	/* and it goes on */
	ck_assert_msg(reserve(200, &a) == 0 && a.created, "%s, step %ld",
	    name, step);
	ck_assert_msg(c25_table_verify(f.t, &err) == 0, "%s, step %ld: %s",
	    name, step, err.text);
}

/* Run the operation in a process that dies at this step.
 * Returns: did it come to its end first? */
static bool
killed_at(int row, long step)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		/* as a process of its own: with a handle of its own, which
		 * may have to recover before it is there */
		if (rows[row].before != NULL)
			steps_left = step;
		if (c25_table_attach(f.dir, &f.t, NULL) != 0)
			_exit(1);
		steps_left = rows[row].before != NULL ? steps_left : step;
		_exit(rows[row].op() != 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) == 0,
	    "%s fails", rows[row].name);
	return !WIFSIGNALED(status);
}

START_TEST(killed_at_every_step)
{
	const char *text = getenv("CONN25_TEST_STRIDE");
	long stride = text == NULL ? 1 : strtol(text, NULL, 10), step;
	uint64_t start_ms;
	bool ended = false;

	fake_now_ms = c25_now_ms();
	c25_clock_set(fake_clock);
	start_ms = fake_now_ms;
	for (step = 0; !ended && step < STEPS_MAX; step += stride) {
		fake_now_ms = start_ms;
		open_table();
		if (rows[_i].before != NULL)
			leave_a_mess(rows[_i].before, rows[_i].before_step);
		ended = killed_at(_i, step);
		if (rows[_i].op == op_reclaim || rows[_i].op ==
		    op_reclaim_while_reserving || rows[_i].before ==
		    op_reclaim)
			fake_now_ms += 500000;
		check(_i, step);
		fx_close(&f);
	}
	ck_assert(ended);
	ck_assert_int_gt(step, 1);
	(void)printf("%s: killed at every %ld. of %ld steps\n", rows[_i].name,
	    stride, step - stride);
	c25_clock_set(NULL);
}
END_TEST

/* ---- a renewal while it moves -------------------------------------------- */

/* What the other process was told, shared with the one that dies. */
static struct c25_assignment *told;
static struct c25_table *module_table;

static void
renew_for_long(void)
{
	struct c25_want w = { .name = &moving.domain,
	    .destination = moving.destination, .ttl_s = 3600 };

	steps_left = -1;
	if (c25_table_renew(module_table, f.p, &w, told) != 0)
		told->lease_end_ms = 0;
}

static void
move_and_die_at(int (*op)(void), long step)
{
	if (c25_table_attach(f.dir, &f.t, NULL) != 0 ||
	    c25_table_attach(f.dir, &module_table, NULL) != 0)
		_exit(1);
	last_deed = renew_for_long;
	steps_left = step;
	_exit(op() != 0);
}

/* A free slot before that of what is to be moved. */
static void
make_room_before(void)
{
	ck_assert_int_eq(c25_table_drop(f.t, kept[0].ref), 0);
	fake_now_ms += C25_QUARANTINE_S * 1000 + 2 * C25_WHEEL_TICK_MS;
	ck_assert_int_eq(c25_table_reclaim(f.t, 1000), 1);
	ck_assert_uint_lt(kept[0].ref.slot, moving.ref.slot);
}

static int (*const moves[])(void) = { op_move, op_move_back,
	op_move_within_a_pool };

START_TEST(renewed_while_it_moves)
{
	struct c25_error err = { "" };
	struct c25_assignment a;
	int status = 0, renewed = 0;
	long step;

	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED |
	    MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(told, MAP_FAILED);
	fake_now_ms = c25_now_ms();
	c25_clock_set(fake_clock);
	for (step = 0; step < STEPS_MAX; step++) {
		pid_t pid;

		open_table();
		if (step % 2)
			make_room_before();
		told->lease_end_ms = 0;
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			move_and_die_at(moves[_i], step / 2);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		if (!WIFSIGNALED(status))
			break;
		ck_assert_int_eq(c25_lock(f.t), 0);
		c25_unlock(f.t);
		ck_assert_msg(c25_table_verify(f.t, &err) == 0, "step %ld: "
		    "%s", step / 2, err.text);
		ck_assert_int_eq(c25_table_by_key(f.t, &moving.domain,
		    &moving.destination, &a), 0);
		renewed += told->lease_end_ms != 0;
		ck_assert_msg(a.lease_end_ms >= told->lease_end_ms, "killed "
		    "at step %ld the renewal just before it is lost",
		    step / 2);
		fx_close(&f);
	}
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert_int_gt(renewed, 10);
	fx_close(&f);
	c25_clock_set(NULL);
	(void)munmap(told, sizeof(*told));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("crash");
	TCase *tc = tcase_create("crash");

	tcase_set_timeout(tc, 600);
	ADD_ROWS(tc, killed_at_every_step, rows);
	ADD_ROWS(tc, renewed_while_it_moves, moves);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
