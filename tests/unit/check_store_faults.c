/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the store while disks fail and stall, files disappear, and
 * processes are killed.
 */

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/faulty_vfs.h"
#include "tests/unit/store_fixture.h"
#include "tests/unit/suite.h"

static void
setup(void)
{
	sf_setup();
	fv_install();
}

static void
teardown(void)
{
	fv_heal();
	fv_stall(false);
	sf_teardown();
}

static struct c25_store_stats
stats(void)
{
	struct c25_store_stats s;

	c25_store_stats(sf, &s);
	return s;
}

/* Are mappings 0..n-1 in the database, each with itself + `add`? */
static void
check_rows(unsigned n, unsigned add)
{
	sf_close();
	sf_open();
	ck_assert_uint_eq(sf_load_mappings(), n);
	for (unsigned i = 0; i < n && i < SF_ROWS; i++)
		ck_assert_uint_eq(sf_number_of(&sf_got.m[i].destination),
		    sf_number_of(&sf_got.m[i].transit) + add);
}

/* ---- a disk that fails --------------------------------------------------- */

static const struct {
	int op, code;
	const char *words[2];		/* in the log */
} fault_rows[] = {
	{ FV_WRITE, SQLITE_FULL, { "full", "make room" } },
	{ FV_WRITE, SQLITE_IOERR_WRITE, { "I/O", "check the disk" } },
	{ FV_SYNC, SQLITE_IOERR_FSYNC, { "I/O", "check the disk" } },
	{ FV_WRITE, SQLITE_READONLY, { "readonly", "write access" } },
};

START_TEST(a_failing_disk_is_told_once_and_nothing_is_lost)
{
	sf_start();
	ck_assert_int_eq(c25_store_flush(sf), 0);
	sf_catch();
	fv_fail(fault_rows[_i].op, fault_rows[_i].code, 1, false);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < 20; i++)
			ck_assert_int_eq(sf_map(i, i + round, 1), 0);
		ck_assert_int_eq(c25_store_flush(sf), -EIO);
		/* a change of each key, and those of the batch */
		ck_assert_uint_le(stats().pending, 40);
	}
	ck_assert_uint_ge(stats().failed, 5);
	ck_assert(stats().failing);
	sf_logged("goes on and tries again", 1);
	sf_logged(fault_rows[_i].words[0], 1);
	sf_logged(fault_rows[_i].words[1], 1);
	sf_logged(sf_db, 1);
	fv_heal();
	ck_assert_int_eq(c25_store_flush(sf), 0);
	sf_logged("can be written again", 1);
	ck_assert(!stats().failing);
	ck_assert_uint_eq(stats().pending, 0);
	check_rows(20, 4);
	ck_assert_uint_eq(sf_glob("*damaged*", (char[256]){ 0 }), 0);
}
END_TEST

/* It also comes back by itself, without anybody asking. */
START_TEST(it_tries_again_by_itself)
{
	sf_start();
	fv_fail(FV_WRITE, SQLITE_FULL, 1, false);
	ck_assert_int_eq(sf_map(0, 0, 1), 0);
	while (!stats().failing)
		;
	fv_heal();
	while (stats().pending > 0)
		;
	check_rows(1, 0);
}
END_TEST

/* Each single operation of a life fails once. */
START_TEST(whichever_operation_fails_all_is_kept)
{
	char epoch[C25_STORE_EPOCH_MAX], after[C25_STORE_EPOCH_MAX];
	int op = _i < 60 ? FV_WRITE : FV_SYNC;
	int nth = _i < 60 ? _i + 1 : _i - 59;

	sf_start();
	for (unsigned i = 0; i < 30; i++)
		ck_assert_int_eq(sf_map(i, i, 1), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	(void)snprintf(epoch, sizeof(epoch), "%s", c25_store_epoch(sf));
	fv_fail(op, _i % 2 ? SQLITE_FULL : SQLITE_IOERR_WRITE, nth, true);
	for (unsigned i = 0; i < 400; i++)
		ck_assert_int_eq(sf_map(i, i + 7, 1), 0);
	(void)!c25_store_flush(sf);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	sf_close();
	fv_heal();
	sf_start();
	(void)snprintf(after, sizeof(after), "%s", c25_store_epoch(sf));
	sf_logged("can't be used", 0);
	check_rows(400, 7);
	/* the note that it stopped in good order may be what failed */
	ck_assert_str_eq(epoch, after);
}
END_TEST

START_TEST(a_limit_of_file_size_is_an_error_like_others)
{
	struct rlimit rl, old;
	int r;

	(void)signal(SIGXFSZ, SIG_IGN);
	sf_start();
	ck_assert_int_eq(c25_store_flush(sf), 0);
	for (unsigned i = 0; i < 3000; i++)
		ck_assert_int_eq(sf_map(i, i, 1), 0);
	sf_catch();
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	rl = old;
	rl.rlim_cur = 16384;
	(void)setrlimit(RLIMIT_FSIZE, &rl);
	r = c25_store_flush(sf);	/* libcheck writes files, too */
	(void)setrlimit(RLIMIT_FSIZE, &old);
	ck_assert_int_eq(r, -EIO);
	sf_logged("limit of file sizes", 1);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	check_rows(3000, 0);
}
END_TEST

START_TEST(closing_on_a_full_disk_says_what_is_lost)
{
	char epoch[C25_STORE_EPOCH_MAX];

	sf_start();
	ck_assert_int_eq(sf_map(0, 0, 1), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	(void)snprintf(epoch, sizeof(epoch), "%s", c25_store_epoch(sf));
	fv_fail(FV_WRITE, SQLITE_FULL, 1, false);
	ck_assert_int_eq(sf_map(1, 1, 1), 0);
	ck_assert_int_eq(sf_map(2, 2, 1), 0);
	sf_close();
	fv_heal();
	sf_logged("2 changes can't be written and are lost", 1);
	sf_open();
	ck_assert_uint_eq(sf_load_mappings(), 1);
	ck_assert_str_ne(epoch, c25_store_epoch(sf));
}
END_TEST

/* What can't be opened now may be fine tomorrow: it isn't set aside. */
START_TEST(an_unreadable_disk_at_start_is_no_damage)
{
	sf_start();
	ck_assert_int_eq(sf_map(0, 0, 1), 0);
	sf_close();
	for (int nth = 1; nth < 20; nth++) {
		sf_catch();
		fv_fail(_i ? FV_SHM : FV_READ, _i ? SQLITE_IOERR_SHMSIZE :
		    SQLITE_IOERR_READ, nth, true);
		if (sf_try_open() != 0) {
			ck_assert_ptr_nonnull(strstr(sf_err.text, sf_db));
			ck_assert_ptr_nonnull(strstr(sf_err.text,
			    "check the disk"));
		}
		fv_heal();
		sf_close();
		sf_logged("can't be used", 0);
	}
	sf_open();
	ck_assert_uint_eq(sf_load_mappings(), 1);
}
END_TEST

START_TEST(a_full_disk_at_the_first_start)
{
	for (int nth = 1; nth < 40; nth++) {
		fv_fail(FV_WRITE | FV_SYNC, SQLITE_FULL, nth, true);
		if (sf_try_open() == 0)
			(void)!c25_store_start(sf, &sf_err);
		fv_heal();
		sf_close();
		sf_logged("can't be used", 0);
		sf_start();
		ck_assert_int_eq(sf_map(0, 0, 1), 0);
		sf_close();
		sf_rm(sf_state);
	}
}
END_TEST

/* ---- a disk that stalls -------------------------------------------------- */

START_TEST(while_the_disk_stalls_nobody_waits_and_little_is_kept)
{
	struct timespec a, b;
	double ms;

	sf_start();
	ck_assert_int_eq(c25_store_flush(sf), 0);
	fv_stall(true);
	ck_assert_int_eq(sf_map(0, 0, 1), 0);
	fv_wait_stalled();
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	for (unsigned i = 0; i < 100000; i++)
		ck_assert_int_eq(sf_map(i % 50, i, 1), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	ms = (double)(b.tv_sec - a.tv_sec) * 1e3 +
	    (double)(b.tv_nsec - a.tv_nsec) / 1e6;
	printf("store: 100000 changes beside a stalled disk: %.0f ms\n", ms);
	ck_assert_uint_eq(stats().pending, 51);
	ck_assert_uint_eq(stats().written, 0);
	fv_stall(false);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	ck_assert_uint_eq(stats().written, 51);
	check_rows(50, 99950);
}
END_TEST

/* Killed when one batch is written and what came meanwhile is not. */
START_TEST(the_mark_stays_while_anything_is_unsaved)
{
	char epoch[C25_STORE_EPOCH_MAX];
	int pipes[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		sf_start_or_exit();
		(void)!c25_store_flush(sf);
		fv_stall(true);
		(void)!sf_map(0, 0, 1);
		fv_wait_stalled();
		(void)!sf_map(1, 1, 1);
		fv_fail(FV_WRITE, SQLITE_FULL, 1, false);
		fv_stall(false);
		while (!stats().failing)
			;
		(void)!write(pipes[1], c25_store_epoch(sf), sizeof(epoch));
		(void)raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(read(pipes[0], epoch, sizeof(epoch)),
	    sizeof(epoch));
	sf_open();
	ck_assert_uint_eq(sf_load_mappings(), 1);
	ck_assert_str_ne(epoch, c25_store_epoch(sf));
}
END_TEST

/* ---- files that disappear or go bad while we run ------------------------- */

static void
lose_file(void)
{
	ck_assert_int_eq(unlink(sf_db), 0);
}

static void
lose_dir(void)
{
	sf_rm(sf_state);
}

static void
lose_to_another(void)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s.mv", sf_db);
	sf_write(path, 0, "not ours", 8);
	ck_assert_int_eq(rename(path, sf_db), 0);
}

static void
lose_table(void)
{
	sf_sql("DROP TABLE mapping");
}

static const struct {
	void (*lose)(void);
	bool idle;			/* found without a change */
	const char *words;
} lose_rows[] = {
	{ lose_file, true, "removed or replaced" },
	{ lose_file, false, "removed or replaced" },
	{ lose_dir, true, "removed or replaced" },
	{ lose_dir, false, "removed or replaced" },
	{ lose_to_another, true, "removed or replaced" },
	{ lose_table, false, "no such table" },
};

START_TEST(a_lost_database_is_made_anew_and_asked_for)
{
	char epoch[C25_STORE_EPOCH_MAX];
	const char *words = lose_rows[_i].words;

	sf_start();
	(void)snprintf(epoch, sizeof(epoch), "%s", c25_store_epoch(sf));
	for (unsigned i = 0; i < 40; i++)
		ck_assert_int_eq(sf_map(i, i, 1), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	ck_assert(!c25_store_wants(sf, C25_STORE_MAPPINGS));
	lose_rows[_i].lose();
	if (!lose_rows[_i].idle)
		ck_assert_int_eq(sf_map(0, 0, 2), 0);
	while (!c25_store_wants(sf, C25_STORE_MAPPINGS))
		;
	ck_assert(!c25_store_wants(sf, C25_STORE_MAPPINGS));
	ck_assert(c25_store_wants(sf, C25_STORE_ASSIGNMENTS));
	sf_logged(words, 1);
	for (unsigned i = 0; i < 40; i++)
		ck_assert_int_eq(sf_map(i, i, 1), 0);
	c25_store_mappings_complete(sf);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	ck_assert_str_eq(epoch, c25_store_epoch(sf));
	check_rows(40, 0);
	ck_assert_str_eq(epoch, c25_store_epoch(sf));
	ck_assert_uint_eq(sf_got.m[0].sent_ms, 1);
}
END_TEST

/* Killed before everything was put again: that shows as lost state. */
START_TEST(a_lost_database_that_is_not_complete_has_another_epoch)
{
	char epoch[C25_STORE_EPOCH_MAX];
	int pipes[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		sf_start_or_exit();
		(void)!sf_map(0, 0, 1);
		(void)!sf_map(1, 1, 1);
		(void)!c25_store_flush(sf);
		(void)unlink(sf_db);
		while (!c25_store_wants(sf, C25_STORE_MAPPINGS))
			;
		(void)!sf_map(0, 0, 1);
		if (_i == 1) {
			(void)!sf_map(1, 1, 1);
			c25_store_mappings_complete(sf);
		}
		(void)!c25_store_flush(sf);
		(void)!write(pipes[1], c25_store_epoch(sf), sizeof(epoch));
		if (_i == 2)
			c25_store_close(sf);
		else
			(void)raise(SIGKILL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(read(pipes[0], epoch, sizeof(epoch)),
	    sizeof(epoch));
	sf_open();
	ck_assert_uint_eq(sf_load_mappings(), _i == 1 ? 2 : 1);
	ck_assert_int_eq(strcmp(epoch, c25_store_epoch(sf)) == 0, _i == 1);
}
END_TEST

/* Its directory is taken by another one meanwhile: that one stays. */
START_TEST(a_lost_directory_with_another_conn25d_in_it)
{
	struct c25_store *other;

	sf_start();
	ck_assert_int_eq(c25_store_flush(sf), 0);
	sf_rm(sf_state);
	ck_assert_int_eq(c25_store_open(&(struct c25_store_options){
	    .state_dir = sf_state, .boot_id = "x" }, &other, &sf_err), 0);
	ck_assert_int_eq(sf_map(0, 0, 1), 0);
	ck_assert_int_eq(c25_store_flush(sf), -EIO);
	sf_logged("held by conn25d", 1);
	c25_store_close(other);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	check_rows(1, 0);
}
END_TEST

START_TEST(damage_again_and_again_is_no_pile_of_files)
{
	sf_start();
	for (unsigned i = 0; i < 5; i++) {
		ck_assert_int_eq(c25_store_flush(sf), i < 2 ? 0 : -EIO);
		lose_table();
		ck_assert_int_eq(sf_map(i, i, 1), 0);
		if (i > 0)
			ck_assert_int_eq(c25_store_flush(sf), -EIO);
		else
			ck_assert_int_eq(c25_store_flush(sf), 0);
		if (i > 0)
			break;
	}
	ck_assert_uint_eq(sf_glob("conn25.db.damaged-*Z",
	    (char[256]){ 0 }), 1);
	sf_logged("damaged again", 1);
}
END_TEST

/* ---- killed -------------------------------------------------------------- */

#define KILLS 200
#define KILL_KEYS 48

/* What the child tells: a change is accepted, or all up to there written. */
struct word {
	uint32_t written;
	uint32_t n;
};

static uint32_t
rnd(uint32_t *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

/* Change number n is of key n % KILL_KEYS. Never returns. */
static void
kill_child(int fd, uint32_t n, uint32_t seed)
{
	struct word w;

	sf_start_or_exit();
	for (;; n++) {
		if (sf_map(n % KILL_KEYS, n, n) != 0)
			_exit(3);
		w = (struct word){ 0, n };
		if (write(fd, &w, sizeof(w)) != (ssize_t)sizeof(w))
			_exit(4);
		if (rnd(&seed) % 4 != 0)
			continue;
		if (c25_store_flush(sf) != 0)
			_exit(5);
		w = (struct word){ 1, n };
		if (write(fd, &w, sizeof(w)) != (ssize_t)sizeof(w))
			_exit(6);
	}
}

static uint64_t
now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Let a child write, kill it; *accepted and *written are what it said. */
static void
kill_one(uint32_t from, uint32_t *seed, uint32_t *accepted,
    uint32_t *written)
{
	uint32_t words = rnd(seed) % 30, child_seed = rnd(seed);
	uint64_t until;
	int pipes[2], status;
	struct word w;
	pid_t pid;

	ck_assert_int_eq(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(pipes[0]);
		kill_child(pipes[1], from, child_seed);
	}
	(void)close(pipes[1]);
	for (uint32_t i = 0; i < words; i++) {
		if (read(pipes[0], &w, sizeof(w)) != (ssize_t)sizeof(w))
			break;
		*(w.written ? written : accepted) = w.n;
	}
	/* in the middle of whatever it does then; at first also of its
	 * start */
	until = now_us() + rnd(seed) % 6000;
	while (now_us() < until)
		;
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFSIGNALED(status), "the child failed: %d",
	    WEXITSTATUS(status));
	while (read(pipes[0], &w, sizeof(w)) == (ssize_t)sizeof(w))
		*(w.written ? written : accepted) = w.n;
	(void)close(pipes[0]);
}

/* What a key must have at least: all had `base`, then came base + 1 .. last,
 * each for its own key. */
static uint32_t
newest_of(uint32_t key, uint32_t base, uint32_t last)
{
	uint32_t n = last / KILL_KEYS * KILL_KEYS + key;

	if (n > last)
		n = n >= KILL_KEYS ? n - KILL_KEYS : 0;
	return n > base ? n : base;
}

/*
 * Whenever it is killed: the database is whole, what was said to be written
 * is there, and if the epoch stayed, everything that was accepted.
 */
START_TEST(killed_at_any_moment)
{
	uint32_t seed = (uint32_t)time(NULL), start = seed;
	uint32_t base = 0, accepted = 0, written = 0, kept = 0;
	uint32_t got[KILL_KEYS];
	char epoch[C25_STORE_EPOCH_MAX] = "", aside[256];

	printf("store: %d kills, seed %u\n", KILLS, start);
	for (unsigned i = 0; i < KILLS; i++) {
		bool same;

		if (i % 20 == 0) {	/* also while it is made */
			sf_rm(sf_state);
			base = accepted = written = 0;
			epoch[0] = '\0';
		}
		kill_one(base + 1, &seed, &accepted, &written);
		sf_catch();
		sf_open();
		ck_assert_msg(sf_glob("conn25.db.damaged*", aside) == 0,
		    "seed %u, kill %u: %s", start, i, aside);
		same = strcmp(epoch, c25_store_epoch(sf)) == 0;
		memset(got, 0, sizeof(got));
		for (size_t k = 0, n = sf_load_mappings(); k < n; k++)
			got[sf_number_of(&sf_got.m[k].transit)] =
			    sf_number_of(&sf_got.m[k].destination);
		for (uint32_t key = 0; key < KILL_KEYS; key++) {
			uint32_t want = newest_of(key, base, same ? accepted :
			    written);

			ck_assert_msg(got[key] >= want, "seed %u, kill %u, "
			    "key %u: has %u; %u was %s", start, i, key,
			    got[key], want, same ? "accepted, and the epoch "
			    "stayed" : "written");
		}
		kept += same;
		/* the next one starts from what is there */
		ck_assert_int_eq(c25_store_start(sf, &sf_err), 0);
		(void)snprintf(epoch, sizeof(epoch), "%s",
		    c25_store_epoch(sf));
		base = written = accepted;
		for (uint32_t key = 0; key < KILL_KEYS; key++)
			ck_assert_int_eq(sf_map(key, base, base), 0);
		sf_close();
	}
	printf("store: the epoch stayed after %u of them\n", kept);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("store_faults");
	TCase *tc = tcase_create("store_faults");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	ADD_ROWS(tc, a_failing_disk_is_told_once_and_nothing_is_lost,
	    fault_rows);
	tcase_add_test(tc, it_tries_again_by_itself);
	tcase_add_loop_test(tc, whichever_operation_fails_all_is_kept, 0, 66);
	tcase_add_test(tc, a_limit_of_file_size_is_an_error_like_others);
	tcase_add_test(tc, closing_on_a_full_disk_says_what_is_lost);
	tcase_add_loop_test(tc, an_unreadable_disk_at_start_is_no_damage, 0,
	    2);
	tcase_add_test(tc, a_full_disk_at_the_first_start);
	tcase_add_test(tc,
	    while_the_disk_stalls_nobody_waits_and_little_is_kept);
	tcase_add_test(tc, the_mark_stays_while_anything_is_unsaved);
	ADD_ROWS(tc, a_lost_database_is_made_anew_and_asked_for, lose_rows);
	tcase_add_loop_test(tc,
	    a_lost_database_that_is_not_complete_has_another_epoch, 0, 3);
	tcase_add_test(tc, a_lost_directory_with_another_conn25d_in_it);
	tcase_add_test(tc, damage_again_and_again_is_no_pile_of_files);
	tcase_add_test(tc, killed_at_any_moment);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
