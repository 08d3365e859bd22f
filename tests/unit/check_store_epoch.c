/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the store: what another boot and another clock do to times, and
 * when the epoch changes. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sidecar/mapping.h"
#include "tests/unit/store_fixture.h"
#include "tests/unit/suite.h"

#define HOUR C25_MAPPING_LIFE_MS

static uint64_t now;

static uint64_t
clock_now(void)
{
	return now;
}

/* Start at a time of a boot, look, and stop. Returns: sent_ms of the one. */
static uint64_t
sent_at(const char *boot, uint64_t at)
{
	uint64_t sent;

	sf_boot = boot;
	now = at;
	sf_start();
	sf_close();		/* what it notes must not matter */
	sf_open();
	ck_assert_uint_eq(sf_load_mappings(), 1);
	sent = sf_got.m[0].sent_ms;
	sf_close();
	return sent;
}

START_TEST(within_a_boot_times_stay_and_a_new_boot_gives_a_whole_life)
{
	c25_clock_set(clock_now);
	sf_boot = "A";
	now = 5000;
	sf_start();
	ck_assert_int_eq(sf_map(1, 1, 5000), 0);
	sf_close();
	ck_assert_uint_eq(sent_at("A", 6000), 5000);
	ck_assert_uint_eq(sent_at("A", 7000 + HOUR), 5000);
	/* the clock of the boot ran backwards: a snapshot came back */
	ck_assert_uint_eq(sent_at("A", 4000), 4000);
	ck_assert_uint_eq(sent_at("A", 6000), 5000);
	/* another boot, whose clock is behind, or far ahead */
	ck_assert_uint_eq(sent_at("B", 100), 100);
	ck_assert_uint_eq(sent_at("B", 900), 100);
	ck_assert_uint_eq(sent_at("C", 90000000), 90000000);
	ck_assert_uint_eq(sent_at("C", 90000500), 90000000);
	/* back in a boot that we have seen: it is a new one all the same */
	ck_assert_uint_eq(sent_at("A", 200), 200);
	/* sent again in this boot */
	now = 300;
	sf_start();
	ck_assert_int_eq(sf_map(1, 1, 300), 0);
	sf_close();
	ck_assert_uint_eq(sent_at("A", 400), 300);
}
END_TEST

START_TEST(without_a_boot_id_each_start_is_a_boot)
{
	c25_clock_set(clock_now);
	sf_boot = "";
	now = 5000;
	sf_start();
	ck_assert_int_eq(sf_map(1, 1, 5000), 0);
	sf_close();
	now = 6000;
	sf_open();
	ck_assert_uint_eq(sf_load_mappings(), 1);
	ck_assert_uint_eq(sf_got.m[0].sent_ms, 6000);
}
END_TEST

START_TEST(the_kernels_boot_id_is_found)
{
	char text[64] = "";
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	size_t len = 0;
	char *db;

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	(void)fclose(f);
	text[strcspn(text, "\n")] = '\0';
	sf_boot = NULL;
	sf_start();
	sf_close();
	db = sf_read(sf_db, &len);
	ck_assert_ptr_nonnull(memmem(db, len, text, strlen(text)));
	free(db);
}
END_TEST

/* Values that SQLite holds and we only clamp. */
START_TEST(strange_times_are_clamped)
{
	now = 1000;
	c25_clock_set(clock_now);
	sf_start();
	sf_close();
	sf_sql("INSERT INTO mapping SELECT 'p', x'a9fe4001', x'0a000001',"
	    " 'a', boot, 9223372036854775807 FROM meta");
	sf_sql("INSERT INTO mapping VALUES ('q', x'a9fe4001', x'0a000001',"
	    " 'a', 9223372036854775807, 7)");
	sf_open();
	ck_assert_uint_eq(sf_load_mappings(), 2);
	ck_assert_uint_eq(sf_got.m[0].sent_ms, 1000);
	ck_assert_uint_eq(sf_got.m[1].sent_ms, 1000);
}
END_TEST

/* How an earlier conn25d ended, and whether its epoch stays. */
enum how { STOPPED, KILLED, KILLED_UNSAVED };

static const struct {
	enum how how;
	bool reboot, lose_run_dir, lose_state_dir, renew;
	bool stays;
} epoch_rows[] = {
	{ STOPPED, false, false, false, false, true },
	{ STOPPED, true, true, false, false, true },
	{ STOPPED, false, true, false, false, true },
	{ STOPPED, false, false, true, false, false },
	{ STOPPED, false, false, false, true, false },
	{ KILLED, false, false, false, false, true },
	{ KILLED, false, true, false, false, true },
	{ KILLED, true, true, false, false, false },
	{ KILLED, false, false, true, false, false },
	{ KILLED_UNSAVED, false, false, false, false, false },
	{ KILLED_UNSAVED, true, true, false, false, false },
};

/* A process that uses the store and ends like that; its epoch in `epoch`. */
static void
live(enum how how, char epoch[static C25_STORE_EPOCH_MAX])
{
	int pipes[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		sf_start_or_exit();
		(void)!sf_map(1, 1, 1);
		(void)!write(pipes[1], c25_store_epoch(sf),
		    C25_STORE_EPOCH_MAX);
		if (how != KILLED_UNSAVED)
			(void)!c25_store_flush(sf);
		if (how == STOPPED)
			c25_store_close(sf);
		else
			(void)raise(SIGKILL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(read(pipes[0], epoch, C25_STORE_EPOCH_MAX),
	    C25_STORE_EPOCH_MAX);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

START_TEST(the_epoch_changes_when_mappings_may_be_lost_and_only_then)
{
	char before[C25_STORE_EPOCH_MAX], after[C25_STORE_EPOCH_MAX];

	live(epoch_rows[_i].how, before);
	if (epoch_rows[_i].lose_run_dir) {
		sf_rm(sf_run);
		ck_assert_int_eq(mkdir(sf_run, 0700), 0);
	}
	if (epoch_rows[_i].lose_state_dir)
		sf_rm(sf_state);
	if (epoch_rows[_i].reboot)
		sf_boot = "second-boot";
	/* opened and given up: the next one decides the same */
	sf_open();
	sf_close();
	sf_open();
	if (epoch_rows[_i].renew)
		c25_store_epoch_renew(sf);
	ck_assert_uint_eq(strlen(c25_store_epoch(sf)), 32);
	ck_assert_int_eq(strcmp(before, c25_store_epoch(sf)) == 0,
	    epoch_rows[_i].stays);
	ck_assert_int_eq(c25_store_start(sf, &sf_err), 0);
	(void)snprintf(after, sizeof(after), "%s", c25_store_epoch(sf));
	sf_close();
	/* and from there on it stays */
	live(KILLED, before);
	ck_assert_str_eq(before, after);
	live(STOPPED, before);
	ck_assert_str_eq(before, after);
}
END_TEST

/* Another database's mark says nothing about this one. */
START_TEST(a_mark_of_another_database_is_not_ours)
{
	char first[C25_STORE_EPOCH_MAX], other[C25_STORE_EPOCH_MAX];
	char state[sizeof(sf_state)];

	live(STOPPED, first);
	memcpy(state, sf_state, sizeof(state));
	(void)snprintf(sf_state, sizeof(sf_state), "%s/other", sf_dir);
	live(KILLED_UNSAVED, other);
	memcpy(sf_state, state, sizeof(state));
	sf_open();
	ck_assert_str_eq(c25_store_epoch(sf), first);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("store_epoch");
	TCase *tc = tcase_create("store_epoch");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, sf_setup, sf_teardown);
	tcase_add_test(tc, strange_times_are_clamped);
	tcase_add_test(tc,
	    within_a_boot_times_stay_and_a_new_boot_gives_a_whole_life);
	tcase_add_test(tc, without_a_boot_id_each_start_is_a_boot);
	tcase_add_test(tc, the_kernels_boot_id_is_found);
	ADD_ROWS(tc, the_epoch_changes_when_mappings_may_be_lost_and_only_then,
	    epoch_rows);
	tcase_add_test(tc, a_mark_of_another_database_is_not_ours);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
