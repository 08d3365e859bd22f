/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table against the plainest model there is: two processes at once do
 * random things to one table, each with keys of its own and with a model of
 * what must be true of them. The seed is printed; CONN25_TEST_SEED repeats a
 * run, as far as two processes can be repeated, and CONN25_TEST_OPS sets how
 * many operations each does.
 */

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "table/internal.h"
#include "tests/unit/fixture.h"
#include "tests/unit/suite.h"

#define KEYS 2000		/* of each process */
#define PROCESSES 2
#define OPS 500000		/* of each process */
#define QUARANTINE_MS (C25_QUARANTINE_S * 1000ull)

/* What one process knows of one of its keys. */
struct known {
	bool told;		/* its addresses were given out ... */
	uint64_t until_ms;	/* ... and promised until then */
	struct c25_addr magic, transit;
	struct c25_ref ref;
	uint16_t connector;
	/* What it left at each connector when it moved away, and until when
	 * that surely is its own. */
	struct {
		struct c25_addr transit;
		uint64_t until_ms;
	} left[2];
};

/* Shared by the processes. */
struct shared {
	_Atomic uint64_t now_ms;
	_Atomic uint32_t stop;
};

static struct fixture f;
static struct shared *shared;
static struct known known[KEYS];
static unsigned me;		/* number of this process */
static unsigned long seed, first_seed;
static long op_number;

static uint64_t
shared_clock(void)
{
	return atomic_load(&shared->now_ms);
}

static unsigned
rnd(unsigned below)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned)(seed >> 33) % below;
}

#define must(what) ck_assert_msg(what, "process %u, operation %ld, " \
	"CONN25_TEST_SEED=%lu: %s", me, op_number, first_seed, #what)

static struct c25_name
name_of(unsigned k)
{
	static const char sixty[] =
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.";
	char text[300];

	(void)snprintf(text, sizeof(text), "%s%s%sp%u-%u.example",
	    k % 4 == 3 ? sixty : sixty + 60 - k % 40, k % 4 == 3 ? sixty : "",
	    k % 8 == 7 ? sixty : "", me, k);
	return fx_name(text[0] == '.' ? text + 1 : text);
}

static struct c25_addr
destination_of(unsigned k)
{
	return fx_addr(k % 2 ? "10.0.0.1" : "fd00::1");
}

static void
load_policy(void)
{
	struct c25_error err = { "" };
	struct c25_policy *p;

	if (c25_table_generation(f.t) == c25_policy_generation(f.p))
		return;
	ck_assert_msg(c25_table_policy(f.t, &p, &err) == 0, "%s", err.text);
	c25_policy_unref(f.p);
	f.p = p;
}

static void
note(struct known *n, const struct c25_assignment *a)
{
	n->told = true;
	n->magic = a->magic;
	n->transit = a->transit;
	n->ref = a->ref;
	n->connector = a->connector;
	n->until_ms = a->lease_end_ms;
	if (a->created)
		memset(n->left, 0, sizeof(n->left));
}

/* Is it promised still? Asked after what must have found it then, as the clock
 * goes on meanwhile, however long this process waits for its turn. */
static bool
promised(const struct known *n)
{
	return n->told && n->until_ms + QUARANTINE_MS > shared_clock();
}

static void
do_reserve(unsigned k)
{
	struct c25_name name = name_of(k);
	struct c25_want w = { .name = &name,
	    .destination = destination_of(k), .ttl_s = rnd(600) };
	struct known *n = &known[k];
	uint64_t began_ms = shared_clock();
	struct c25_assignment a;
	int r, full;
	bool still;

	do {
		load_policy();
		r = c25_table_reserve(f.t, f.p, &w, &a, &full);
	} while (r == -ESTALE);
	still = promised(n);
	if (r == -ENOSPC && !still) {
		n->told = false;	/* a full table is no mistake */
		return;
	}
	must(r == 0);
	must(c25_name_eq(&a.domain, &name));
	must(c25_addr_eq(&a.destination, &w.destination));
	must(!still || !a.created);
	must(a.created || (n->told && c25_addr_eq(&a.magic, &n->magic) &&
	    c25_addr_eq(&a.transit, &n->transit)));
	must(a.lease_end_ms >= began_ms + C25_LEASE_MIN_S * 1000);
	note(n, &a);
}

static void
do_look(unsigned k)
{
	struct c25_name name = name_of(k);
	struct c25_addr d = destination_of(k);
	struct known *n = &known[k];
	struct c25_assignment a;
	int r = rnd(2) ? c25_table_by_key(f.t, &name, &d, &a) :
	    n->told ? c25_table_by_magic(f.t, &n->magic, &a) : -ENOENT;
	int push;

	must(r == 0 || r == -ENOENT);
	must(r == 0 || !promised(n));
	if (r != 0)
		return;
	/* a magic address may be somebody else's by now */
	if (!promised(n) && !c25_name_eq(&a.domain, &name))
		return;
	must(c25_name_eq(&a.domain, &name));
	must(n->told);
	must(c25_addr_eq(&a.magic, &n->magic));
	must(c25_addr_eq(&a.transit, &n->transit));
	push = c25_table_push_state(f.t, a.ref);
	must(push >= 0 || !promised(n));
}

static void
do_drop(unsigned k)
{
	struct known *n = &known[k];
	int r;

	if (!n->told)
		return;
	r = c25_table_drop(f.t, n->ref);
	must(r == 0 || (r == -ENOENT && !promised(n)));
	n->told = false;
}

static void
do_move(unsigned k)
{
	struct known *n = &known[k];
	bool own = false, back = false;
	uint16_t to = (uint16_t)rnd(2);
	struct c25_assignment a;
	int r;

	if (!n->told)
		return;
	/* all of IPv6 shares a pool */
	own = to == n->connector || n->magic.family == C25_V6;
	r = c25_table_move(f.t, n->ref, to, &a);
	must(r == 0 || r == -ENOSPC || (r == -ENOENT && !promised(n)));
	if (r != 0)
		return;
	must(c25_addr_eq(&a.magic, &n->magic));
	must(a.lease_end_ms >= n->until_ms);
	must(own == c25_addr_eq(&a.transit, &n->transit));
	/* asked afterwards, as the clock goes on */
	back = !own && n->left[to].until_ms + QUARANTINE_MS > shared_clock();
	must(!back || c25_addr_eq(&a.transit, &n->left[to].transit));
	n->left[n->connector].transit = n->transit;
	n->left[n->connector].until_ms = a.lease_end_ms;
	n->left[to].until_ms = 0;
	note(n, &a);
}

static void
do_extend(unsigned k)
{
	struct known *n = &known[k];
	uint64_t until = shared_clock() + rnd(900) * 1000;
	int r;

	if (!n->told)
		return;
	r = c25_table_extend(f.t, n->ref, until);
	must(r == 0 || !promised(n));
	if (r == 0 && until > n->until_ms)
		n->until_ms = until;
	if (r == 0)
		(void)c25_table_set_push(f.t, n->ref, C25_PUSH_READY);
}

static void
verify(void)
{
	struct c25_error err = { "" };

	ck_assert_msg(c25_table_verify(f.t, &err) == 0, "process %u, "
	    "operation %ld, CONN25_TEST_SEED=%lu: %s", me, op_number,
	    first_seed, err.text);
}

/* The first process also plays conn25d and the one that crashes. */
static void
do_seldom(void)
{
	struct c25_ref ref;

	switch (rnd(5)) {
	case 0:			/* other pools; living ones keep theirs */
		f.ranges[0].range.last = fx_addr(rnd(2) ? "100.64.15.255" :
		    "100.64.31.255");
		fx_publish(&f);
		break;
	case 1: {
		pid_t pid = fork();
		struct c25_table *t;

		if (pid == 0) {
			if (c25_table_attach(f.dir, &t, NULL) == 0 &&
			    c25_lock(t) == 0)
				(void)raise(SIGKILL);
			_exit(1);
		}
		must(waitpid(pid, NULL, 0) == pid);
		break;
	}
	case 2:			/* a conn25d that starts finds no damage */
		must(c25_table_mend(f.t) == 0);
		verify();
		break;
	default:
		while (c25_table_take(f.t, &ref) == 1)
			;
	}
}

static void
run(long ops)
{
	for (op_number = 0; op_number < ops; op_number++) {
		unsigned k = rnd(KEYS), op = rnd(1000);

		if (op < 500)
			do_reserve(k);
		else if (op < 800)
			do_look(k);
		else if (op < 850)
			do_drop(k);
		else if (op < 890)
			do_move(k);
		else if (op < 970)
			do_extend(k);
		else if (op < 990)
			must(c25_table_reclaim(f.t, rnd(200)) >= 0);
		else if (me == 0 && op < 991 && rnd(20) == 0)
			do_seldom();
		else if (me == 0)
			(void)atomic_fetch_add(&shared->now_ms, rnd(3000));
	}
}

static long
setting(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text == NULL ? otherwise : strtol(text, NULL, 10);
}

START_TEST(against_a_model)
{
	long ops = setting("CONN25_TEST_OPS", OPS);
	int status;
	pid_t pid;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(shared != MAP_FAILED);
	atomic_store(&shared->now_ms, c25_now_ms());
	c25_clock_set(shared_clock);
	fx_open(&f, 8192);
	ck_assert_int_eq(c25_table_connector_reg(f.t, "c1"), 1);
	fx_pool(&f, C25_POOL_V4_MAGIC, C25_CONNECTOR_NONE,
	    "100.64.0.0-100.64.31.255");
	fx_pool(&f, C25_POOL_V4_TRANSIT, 0, "169.254.0.0/19");
	fx_pool(&f, C25_POOL_V4_TRANSIT, 1, "169.254.64.0/18");
	fx_pool(&f, C25_POOL_V6_MAGIC, C25_CONNECTOR_NONE, "fd25:1::/64");
	fx_pool(&f, C25_POOL_V6_TRANSIT, C25_CONNECTOR_NONE, "fd25:2::/64");
	fx_publish(&f);
	first_seed = (unsigned long)setting("CONN25_TEST_SEED",
	    (long)time(NULL));
	(void)printf("model: CONN25_TEST_SEED=%lu, %d processes, %ld "
	    "operations each\n", first_seed, PROCESSES, ops);
	(void)fflush(stdout);
	seed = first_seed;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		me = 1;
		seed ^= 0x5bd1e995;
		/* the one that was inherited belongs to the other process */
		if (c25_table_attach(f.dir, &f.t, NULL) != 0)
			_exit(1);
		run(ops);
		_exit(0);
	}
	run(ops);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	verify();
	c25_clock_set(NULL);
	fx_close(&f);
	(void)munmap(shared, sizeof(*shared));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("model");
	TCase *tc = tcase_create("model");

	tcase_set_timeout(tc, 900);
	tcase_add_test(tc, against_a_model);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
