/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the store: what is kept, what a restart finds, what becomes of
 * databases that are damaged, foreign or hostile. What happens while disks
 * fail and processes die is in check_store_faults.c.
 */

#include <errno.h>
#include <pwd.h>
#include <sys/wait.h>

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

static struct c25_store_assignment
assignment(const char *domain, const char *destination)
{
	return (struct c25_store_assignment){ .domain = sf_name(domain),
	    .destination = sf_addr(destination),
	    .magic = sf_addr("100.64.0.1"),
	    .transit = sf_addr("169.254.64.1"), .app = "wiki",
	    .connector = "office-1", .lease_s = 300 };
}

static void
reopen(void)
{
	sf_close();
	sf_open();
}

/* ---- round trips ---------------------------------------------------------- */

START_TEST(assignments_come_back_as_they_were)
{
	struct c25_store_assignment a = assignment("wiki.example",
	    "10.1.2.3"), six;
	char app[C25_APP_NAME_MAX + 1], connector[C25_CONNECTOR_NAME_MAX + 1];
	int64_t before = (int64_t)time(NULL);

	memset(app, 'a', sizeof(app));
	app[sizeof(app) - 1] = '\0';
	memset(connector, 'c', sizeof(connector));
	connector[sizeof(connector) - 1] = '\0';
	six = a;
	memset(six.domain.wire, 'x', sizeof(six.domain.wire));
	for (int i = 0; i < 4; i++)
		six.domain.wire[64 * i] = i < 3 ? 63 : 61;
	six.domain.wire[254] = 0;
	six.domain.len = 255;
	six.destination = sf_addr("2001:db8::1");
	six.magic = sf_addr("fd25:1::1");
	six.transit = sf_addr("fd25:2::1");
	six.app = app;
	six.connector = connector;
	six.lease_s = C25_LEASE_MAX_S;
	sf_start();
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	ck_assert_int_eq(c25_store_put_assignment(sf, &six), 0);
	a.destination = sf_addr("10.1.2.4");
	a.connector = "";
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	reopen();
	ck_assert_uint_eq(sf_load_assignments(), 3);
	for (size_t i = 0; i < 3; i++) {
		const struct c25_store_assignment *got = &sf_got.a[i], *want =
		    got->domain.len == 255 ? &six : &a;

		ck_assert(c25_name_eq(&got->domain, &want->domain));
		ck_assert(c25_addr_eq(&got->magic, &want->magic));
		ck_assert(c25_addr_eq(&got->transit, &want->transit));
		ck_assert_str_eq(got->app, want->app);
		ck_assert_uint_eq(got->lease_s, want->lease_s);
		ck_assert_int_ge(got->stored_s, before);
		ck_assert_int_le(got->stored_s, (int64_t)time(NULL));
		ck_assert_str_eq(got->connector, want == &six ? connector :
		    got->destination.bytes[3] == 3 ? "office-1" : "");
	}
	ck_assert_uint_eq(sf_got.loaded.skipped, 0);
}
END_TEST

START_TEST(mappings_come_back_as_they_were)
{
	struct c25_store_mapping m = { .peer = "edge-1", .app = "wiki",
	    .transit = sf_addr("169.254.64.1"),
	    .destination = sf_addr("10.1.2.3"), .sent_ms = 5 };

	sf_start();
	ck_assert_int_eq(c25_store_put_mapping(sf, &m), 0);
	m.peer = "Ω edge";
	m.app = "an app's \"name\"";
	ck_assert_int_eq(c25_store_put_mapping(sf, &m), 0);
	m.transit = sf_addr("fd25:2::1");
	m.destination = sf_addr("2001:db8::1");
	ck_assert_int_eq(c25_store_put_mapping(sf, &m), 0);
	reopen();
	ck_assert_uint_eq(sf_load_mappings(), 3);
	/* by peer, and v4 before v6: as the key sorts */
	ck_assert_str_eq(sf_got.m[0].peer, "edge-1");
	ck_assert_str_eq(sf_got.m[0].app, "wiki");
	ck_assert_uint_eq(sf_got.m[0].sent_ms, 5);
	ck_assert_str_eq(sf_got.m[1].peer, m.peer);
	ck_assert_str_eq(sf_got.m[1].app, m.app);
	ck_assert(c25_addr_eq(&sf_got.m[2].transit, &m.transit));
	ck_assert(c25_addr_eq(&sf_got.m[2].destination, &m.destination));
}
END_TEST

START_TEST(the_newest_wins_and_what_is_removed_is_gone)
{
	struct c25_store_assignment a = assignment("wiki.example",
	    "10.1.2.3");
	struct c25_addr t1 = sf_nth(169, 1), t9 = sf_nth(169, 9);

	sf_start();
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(sf_map(i, i, 1), 0);
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	ck_assert_int_eq(sf_map(0, 77, 2), 0);
	ck_assert_int_eq(c25_store_remove_mapping(sf, "edge-1", &t1), 0);
	ck_assert_int_eq(c25_store_remove_mapping(sf, "edge-1", &t9), 0);
	ck_assert_int_eq(c25_store_remove_mapping(sf, "edge-2", &t1), 0);
	ck_assert_int_eq(c25_store_remove_assignment(sf, &a.domain,
	    &a.destination), 0);
	reopen();
	ck_assert_uint_eq(sf_load_assignments(), 0);
	ck_assert_uint_eq(sf_load_mappings(), 2);
	ck_assert_uint_eq(sf_number_of(&sf_got.m[0].destination), 77);
	ck_assert_uint_eq(sf_got.m[0].sent_ms, 2);
	ck_assert_uint_eq(sf_number_of(&sf_got.m[1].transit), 2);
}
END_TEST

START_TEST(removed_and_put_again_in_one_batch)
{
	struct c25_addr t = sf_nth(169, 1);

	sf_start();
	ck_assert_int_eq(sf_map(1, 1, 1), 0);
	ck_assert_int_eq(c25_store_remove_mapping(sf, "edge-1", &t), 0);
	ck_assert_int_eq(sf_map(1, 2, 2), 0);
	ck_assert_int_eq(sf_map(3, 3, 3), 0);
	t = sf_nth(169, 3);
	ck_assert_int_eq(c25_store_remove_mapping(sf, "edge-1", &t), 0);
	reopen();
	ck_assert_uint_eq(sf_load_mappings(), 1);
	ck_assert_uint_eq(sf_number_of(&sf_got.m[0].destination), 2);
}
END_TEST

START_TEST(changes_of_one_key_are_written_once)
{
	struct c25_store_stats stats;

	sf_open();		/* nothing is written before start */
	for (unsigned i = 0; i < 10000; i++)
		ck_assert_int_eq(sf_map(i % 10, i, i), 0);
	c25_store_stats(sf, &stats);
	ck_assert_uint_eq(stats.pending, 10);
	ck_assert_int_eq(c25_store_start(sf, &sf_err), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	c25_store_stats(sf, &stats);
	ck_assert_uint_eq(stats.written, 10);
	ck_assert_uint_eq(stats.pending, 0);
	ck_assert_int_eq(sf_number("SELECT count(*) FROM mapping"), 10);
}
END_TEST

START_TEST(closing_without_start_changes_nothing)
{
	sf_start();
	ck_assert_int_eq(sf_map(1, 1, 1), 0);
	sf_close();
	sf_open();
	ck_assert_int_eq(sf_map(2, 2, 2), 0);
	c25_store_epoch_renew(sf);
	sf_close();
	sf_open();
	ck_assert_uint_eq(sf_load_mappings(), 1);
}
END_TEST

/* A put of what is there already must not touch the file: data_version of
 * another connection tells. */
START_TEST(the_same_again_writes_nothing)
{
	struct c25_store_assignment a = assignment("wiki.example",
	    "10.1.2.3");
	sqlite3_stmt *stmt;
	sqlite3 *db;
	int version[4];

	sf_start();
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
	ck_assert_int_eq(sf_map(1, 1, 1), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	ck_assert_int_eq(sqlite3_open(sf_db, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, "PRAGMA data_version", -1,
	    &stmt, NULL), SQLITE_OK);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
		version[i] = sqlite3_column_int(stmt, 0);
		(void)sqlite3_reset(stmt);
		if (i == 1)
			a.lease_s = 600;
		if (i == 0 || i == 1)
			ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
		ck_assert_int_eq(sf_map(1, 1, i < 2 ? 1 : 9), 0);
		ck_assert_int_eq(c25_store_flush(sf), 0);
	}
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
	ck_assert_int_eq(version[0], version[1]);	/* the same */
	ck_assert_int_ne(version[1], version[2]);	/* another lease */
	ck_assert_int_ne(version[2], version[3]);	/* another time */
}
END_TEST

START_TEST(many_rows_take_several_transactions)
{
	struct c25_store_stats stats;
	unsigned n = 3 * C25_STORE_BATCH + 5;

	sf_open();
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(sf_map(i, i, 1), 0);
	ck_assert_int_eq(c25_store_start(sf, &sf_err), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	c25_store_stats(sf, &stats);
	ck_assert_uint_eq(stats.written, n);
	reopen();
	ck_assert_uint_eq(sf_load_mappings(), n);
}
END_TEST

/* Without flush or close: how long it takes until others see it. */
START_TEST(written_by_itself_soon)
{
	struct timespec a, b;

	sf_start();
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	ck_assert_int_eq(sf_map(1, 1, 1), 0);
	while (sf_number("SELECT count(*) FROM mapping") == 0)
		;
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	printf("store: a change is in the file after %.0f ms\n",
	    (double)(b.tv_sec - a.tv_sec) * 1e3 +
	    (double)(b.tv_nsec - a.tv_nsec) / 1e6);
}
END_TEST

static int
seven(void *ctx, const struct c25_store_mapping *m)
{
	(void)m;
	++*(int *)ctx;
	return -EUCLEAN;	/* also this one is the callback's */
}

START_TEST(loading_stops_when_told_to)
{
	struct c25_store_loaded loaded;
	int calls = 0;

	sf_start();
	for (unsigned i = 0; i < 9; i++)
		ck_assert_int_eq(sf_map(i, i, 1), 0);
	reopen();
	ck_assert_int_eq(c25_store_load_mappings(sf, seven, &calls, &loaded,
	    &sf_err), -EUCLEAN);
	ck_assert_int_eq(calls, 1);
	ck_assert(!c25_store_wants(sf, C25_STORE_MAPPINGS));
	ck_assert_uint_eq(sf_load_mappings(), 9);
}
END_TEST

START_TEST(nonsense_is_not_put)
{
	struct c25_store_assignment good = assignment("wiki.example",
	    "10.1.2.3"), a;
	struct c25_store_mapping fine = { .peer = "p", .app = "a",
	    .transit = sf_nth(169, 1), .destination = sf_nth(10, 1) }, m;
	struct c25_store_stats stats;
	char longer[C25_APP_NAME_MAX + 2];

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	sf_open();
#define BAD_A(change) do { a = good; change; ck_assert_int_eq( \
	c25_store_put_assignment(sf, &a), -EINVAL); } while (0)
	BAD_A(a.domain.len = 0);
	BAD_A(a.domain.len = 300);
	BAD_A(a.domain.wire[0] = 70);
	BAD_A(a.domain.wire[1] = 'W');
	BAD_A(a.destination.family = 0);
	BAD_A(a.destination.family = 5);
	BAD_A(a.magic = sf_addr("fd25:1::1"));
	BAD_A(a.transit = sf_addr("fd25:1::1"));
	BAD_A(a.transit.family = 0);
	BAD_A(a.app = "");
	BAD_A(a.app = NULL);
	BAD_A(a.app = longer);
	BAD_A(a.connector = NULL);
	BAD_A(a.connector = longer);
	BAD_A(a.lease_s = 0);
	BAD_A(a.lease_s = C25_LEASE_MAX_S + 1);
#define BAD_M(change) do { m = fine; change; ck_assert_int_eq( \
	c25_store_put_mapping(sf, &m), -EINVAL); } while (0)
	BAD_M(m.peer = "");
	BAD_M(m.peer = NULL);
	BAD_M(m.peer = longer);
	BAD_M(m.app = "");
	BAD_M(m.app = longer);
	BAD_M(m.transit.family = 9);
	BAD_M(m.destination = sf_addr("::1"));
	BAD_M(m.sent_ms = UINT64_MAX);
	c25_store_stats(sf, &stats);
	ck_assert_uint_eq(stats.pending, 0);
}
END_TEST

/* ---- stateDir ------------------------------------------------------------- */

START_TEST(state_dir_is_made_for_us_alone)
{
	struct stat st;

	(void)umask(0);
	sf_start();
	ck_assert_int_eq(stat(sf_state, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(stat(sf_db, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(sf_number("PRAGMA user_version"), 1);
	ck_assert_int_eq(sf_number("PRAGMA application_id"), 0x43323564);
	sf_close();
	/* closed cleanly it is one file */
	ck_assert_uint_eq(sf_glob("conn25.db-*", (char[256]){ 0 }), 0);
}
END_TEST

START_TEST(a_second_conn25d_is_refused)
{
	struct c25_store *second;

	sf_start();
	ck_assert_int_eq(c25_store_open(&(struct c25_store_options){
	    .state_dir = sf_state }, &second, &sf_err), -EBUSY);
	ck_assert_ptr_null(second);
	ck_assert_ptr_nonnull(strstr(sf_err.text, sf_state));
	ck_assert_ptr_nonnull(strstr(sf_err.text, "process id"));
	ck_assert_ptr_nonnull(strstr(sf_err.text, "\"stateDir\""));
	ck_assert_int_eq(sf_map(1, 1, 1), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	reopen();
	ck_assert_uint_eq(sf_load_mappings(), 1);
}
END_TEST

static void
parent_missing(void)
{
	(void)snprintf(sf_state, sizeof(sf_state), "%s/none/state", sf_dir);
}

static void
is_a_file(void)
{
	sf_write(sf_state, 0, "x", 1);
}

static void
become_nobody(void)
{
	if (geteuid() == 0)
		ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
}

static void
not_writable(void)
{
	ck_assert_int_eq(mkdir(sf_state, 0555), 0);
	ck_assert_int_eq(chmod(sf_dir, 0755), 0);
	become_nobody();
}

static void
not_makeable(void)
{
	ck_assert_int_eq(chmod(sf_dir, 0555), 0);
	become_nobody();
}

static void
file_not_writable(void)
{
	sf_start();
	sf_close();
	ck_assert_int_eq(chmod(sf_db, 0444), 0);
	ck_assert_int_eq(chmod(sf_dir, 0755), 0);
	ck_assert_int_eq(chmod(sf_run, 0777), 0);
	ck_assert_int_eq(chmod(sf_state, 0777), 0);
	sf_rm(sf_run);
	ck_assert_int_eq(mkdir(sf_run, 0777), 0);
	ck_assert_int_eq(chmod(sf_run, 0777), 0);
	(void)snprintf(sf_err.text, sizeof(sf_err.text), "%s/%s", sf_state,
	    "conn25.db.lock");
	(void)unlink(sf_err.text);
	become_nobody();
}

static const struct {
	void (*spoil)(void);
	int r;
	const char *words[2];
} dir_rows[] = {
	{ parent_missing, -ENOENT, { "make the directory it is in",
	    "\"stateDir\"" } },
	{ is_a_file, -ENOTDIR, { "is no directory", "\"stateDir\"" } },
	{ not_writable, -EACCES, { "make it writable", "\"stateDir\"" } },
	{ not_makeable, -EACCES, { "make it yourself", "\"stateDir\"" } },
	{ file_not_writable, -EROFS, { "conn25.db", "write access" } },
};

/* In a process of its own, as it gives up being root. */
START_TEST(a_state_dir_that_is_no_good)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		const char *text = sf_err.text;
		int r;

		dir_rows[_i].spoil();
		r = sf_try_open();
		(void)dprintf(2, "%d %s\n", r, text);
		_exit(r != dir_rows[_i].r ? 1 :
		    strstr(text, sf_state) == NULL ? 2 :
		    strstr(text, dir_rows[_i].words[0]) == NULL ? 3 :
		    strstr(text, dir_rows[_i].words[1]) == NULL ? 4 : 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (status != 0)
		sf_logged("(no such line)", 1);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- damage --------------------------------------------------------------- */

/* A good database with a few thousand rows, closed. */
static void
make_good(void)
{
	sf_start();
	for (unsigned i = 0; i < 3000; i++)
		ck_assert_int_eq(sf_map(i, i, 1), 0);
	sf_close();
}

static void
garbage(void)
{
	char noise[20000];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)(i * 31 >> 3);
	sf_write(sf_db, 0, noise, sizeof(noise));
}

static void
a_text(void)
{
	sf_write(sf_db, 0, "hello\n", 6);
}

static void
empty(void)
{
	ck_assert_int_eq(truncate(sf_db, 0), 0);
}

static void
only_a_header(void)
{
	ck_assert_int_eq(truncate(sf_db, 100), 0);
}

static void
first_half(void)
{
	struct stat st;

	ck_assert_int_eq(stat(sf_db, &st), 0);
	ck_assert_int_eq(truncate(sf_db, st.st_size / 2 / 4096 * 4096), 0);
}

static void
odd_length(void)
{
	struct stat st;

	ck_assert_int_eq(stat(sf_db, &st), 0);
	ck_assert_int_eq(truncate(sf_db, st.st_size - 5000), 0);
}

static void
bad_header(void)
{
	sf_write(sf_db, 16, "\377\377\377\377", 4);
}

static void
a_page_of_zeros(void)
{
	static const char zeros[4096];
	struct stat st;

	ck_assert_int_eq(stat(sf_db, &st), 0);
	sf_write(sf_db, st.st_size / 2 / 4096 * 4096, zeros, sizeof(zeros));
}

static void
a_page_of_noise(void)
{
	char noise[4096];
	struct stat st;

	memset(noise, 0x5a, sizeof(noise));
	ck_assert_int_eq(stat(sf_db, &st), 0);
	sf_write(sf_db, st.st_size / 2 / 4096 * 4096, noise, sizeof(noise));
}

static void
a_directory(void)
{
	sf_rm(sf_db);
	ck_assert_int_eq(mkdir(sf_db, 0700), 0);
}

static void
a_dangling_link(void)
{
	sf_rm(sf_db);
	ck_assert_int_eq(symlink("nowhere", sf_db), 0);
}

static void
another_program(void)
{
	sf_sql("PRAGMA application_id = 7");
}

static void
no_version(void)
{
	sf_sql("PRAGMA user_version = 0");
}

static void
negative_version(void)
{
	sf_sql("PRAGMA user_version = -3");
}

static void
no_table(void)
{
	sf_sql("DROP TABLE mapping");
}

static void
a_view(void)
{
	sf_sql("ALTER TABLE mapping RENAME TO m2;"
	    "CREATE VIEW mapping AS SELECT * FROM m2");
}

static void
other_columns(void)
{
	sf_sql("ALTER TABLE assignment DROP COLUMN app");
}

static void
no_meta(void)
{
	sf_sql("DELETE FROM meta");
}

static void
bad_epoch(void)
{
	sf_sql("UPDATE meta SET epoch = "
	    "'0123456789abcdef' || char(13,10) || 'Evil: yes....'");
}

static void
bad_boot(void)
{
	sf_sql("UPDATE meta SET boot = -1");
}

static void
huge_boot(void)
{
	sf_sql("UPDATE meta SET boot = 9223372036854775807");
}

static const struct {
	const char *what;
	void (*spoil)(void);
} damage_rows[] = {
#define ROW(f) { #f, f }
	ROW(garbage), ROW(a_text), ROW(empty), ROW(only_a_header),
	ROW(first_half), ROW(odd_length), ROW(bad_header),
	ROW(a_page_of_zeros), ROW(a_page_of_noise), ROW(a_directory),
	ROW(a_dangling_link), ROW(another_program), ROW(no_version),
	ROW(negative_version), ROW(no_table), ROW(a_view),
	ROW(other_columns), ROW(no_meta), ROW(bad_epoch), ROW(bad_boot),
	ROW(huge_boot),
#undef ROW
};

START_TEST(a_damaged_database_is_set_aside)
{
	char epoch[C25_STORE_EPOCH_MAX], aside[256], *before, *after;
	size_t len_before = 0, len_after = 0;

	make_good();
	sf_open();
	(void)snprintf(epoch, sizeof(epoch), "%s", c25_store_epoch(sf));
	sf_close();
	damage_rows[_i].spoil();
	before = sf_read(sf_db, &len_before);
	sf_catch();
	sf_start();
	sf_logged("can't be used", 1);
	ck_assert_uint_eq(sf_glob("conn25.db.damaged-*Z", aside), 1);
	after = sf_read(aside, &len_after);
	ck_assert_uint_eq(len_before, len_after);
	if (before != NULL)
		ck_assert_mem_eq(before, after, len_before);
	free(before);
	free(after);
	ck_assert_str_ne(epoch, c25_store_epoch(sf));
	ck_assert(!c25_store_wants(sf, C25_STORE_MAPPINGS));
	/* and the new one works, also after a restart */
	ck_assert_int_eq(sf_map(5, 5, 5), 0);
	(void)snprintf(epoch, sizeof(epoch), "%s", c25_store_epoch(sf));
	sf_close();
	sf_catch();
	sf_open();
	sf_logged("can't be used", 0);
	ck_assert_uint_eq(sf_load_mappings(), 1);
	ck_assert_str_eq(epoch, c25_store_epoch(sf));
}
END_TEST

/* The same name within a second, and -wal and -shm go with it. */
START_TEST(what_is_set_aside_is_never_overwritten)
{
	char aside[256];

	for (unsigned i = 0; i < 4; i++) {
		make_good();
		sf_sql("PRAGMA user_version = 2");
		sf_open();
		ck_assert_uint_eq(sf_load_mappings(), 0);
		ck_assert_uint_eq(sf_glob("conn25.db.version-2.[0-9]",
		    aside), i);
		ck_assert_uint_eq(sf_glob("conn25.db.version-2", aside), 1);
		sf_close();
	}
	sf_logged("of version 2", 4);
	for (unsigned i = 0; i < 3; i++) {
		garbage();
		sf_open();
		sf_close();
	}
	ck_assert_uint_eq(sf_glob("conn25.db.damaged-*", aside), 3);
}
END_TEST

/* As a conn25d of the future that was killed leaves it. */
START_TEST(a_newer_version_is_set_aside_with_its_log)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char path[64], aside[256];
	sqlite3 *db;

	make_good();
	ck_assert_int_eq(sqlite3_open(sf_db, &db), SQLITE_OK);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
	    NULL);
	ck_assert_int_eq(sqlite3_exec(db, "PRAGMA user_version = 9;"
	    "CREATE TABLE later (x);"
	    "INSERT INTO later VALUES (randomblob(9000))", NULL, NULL, NULL),
	    SQLITE_OK);
	(void)sqlite3_close(db);
	sf_catch();
	sf_start();
	sf_logged("version-9", 1);
	for (int i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "conn25.db.version-9%s",
		    suffixes[i]);
		ck_assert_uint_eq(sf_glob(path, aside), 1);
	}
	sf_close();
	/* what the newer one wrote is all there */
	(void)strcat(sf_db, ".version-9");
	ck_assert_int_eq(sf_number("SELECT length(x) FROM later"), 9000);
}
END_TEST

START_TEST(a_log_without_its_database_is_set_aside)
{
	char path[300], aside[256];

	sf_start();
	(void)snprintf(path, sizeof(path), "%s-wal", sf_db);
	sf_close();
	sf_rm(sf_db);
	sf_write(path, 0, "left", 4);
	sf_catch();
	sf_start();
	sf_logged("is missing", 1);
	ck_assert_uint_eq(sf_glob("conn25.db.damaged-*-wal", aside), 1);
	ck_assert_int_eq(sf_map(1, 1, 1), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
}
END_TEST

START_TEST(an_unfinished_new_one_is_no_obstacle)
{
	char path[300];

	sf_start();
	sf_close();
	sf_rm(sf_db);
	(void)snprintf(path, sizeof(path), "%s.new", sf_db);
	sf_write(path, 0, "half", 4);
	sf_catch();
	sf_start();
	sf_logged("can't be used", 0);
	ck_assert_uint_eq(sf_glob("conn25.db.*", (char[256]){ 0 }), 1);
}
END_TEST

/* ---- hostile rows --------------------------------------------------------- */

#define GOOD_A "INSERT INTO assignment VALUES (x'017800', x'0a000001'," \
	" x'64400001', x'a9fe4001', 'wiki', 'office', 300, 1);"
#define GOOD_M "INSERT INTO mapping VALUES ('edge-1', x'a9fe4001'," \
	" x'0a000001', 'wiki', 1, 1);"

static const struct {
	const char *sql;
	const char *why;		/* as the log names it */
	bool mapping;
} bad_rows[] = {
#define A(domain, dst, magic, transit, app, conn, lease) \
	"INSERT INTO assignment VALUES (" domain "," dst "," magic "," \
	transit "," app "," conn "," lease ", 1)"
#define IN4 "x'0a000009'"
	{ A("x''", IN4, IN4, IN4, "'a'", "''", "9"), "domain", false },
	{ A("x'0000'", IN4, IN4, IN4, "'a'", "''", "9"), "domain",
	    false },
	{ A("x'05'", IN4, IN4, IN4, "'a'", "''", "9"), "domain", false },
	{ A("x'015800'", IN4, IN4, IN4, "'a'", "''", "9"), "domain", false },
	{ A("x'c00c'", IN4, IN4, IN4, "'a'", "''", "9"), "domain", false },
	{ A("zeroblob(300)", IN4, IN4, IN4, "'a'", "''", "9"), "domain",
	    false },
	{ A("zeroblob(10000000)", IN4, IN4, IN4, "'a'", "''", "9"), "domain",
	    false },
	{ A("x'017800'", "x'0a'", IN4, IN4, "'a'", "''", "9"), "destination",
	    false },
	{ A("x'017800'", "x''", IN4, IN4, "'a'", "''", "9"), "destination",
	    false },
	{ A("x'017800'", "zeroblob(17)", IN4, IN4, "'a'", "''", "9"),
	    "destination", false },
	{ A("x'017800'", IN4, "x'0a0000'", IN4, "'a'", "''", "9"), "magic",
	    false },
	{ A("x'017800'", IN4, IN4, "zeroblob(5)", "'a'", "''", "9"),
	    "transit", false },
	{ A("x'017800'", IN4, "zeroblob(16)", IN4, "'a'", "''", "9"),
	    "families", false },
	{ A("x'017800'", "zeroblob(16)", IN4, IN4, "'a'", "''", "9"),
	    "families", false },
	{ A("x'017800'", IN4, IN4, IN4, "''", "''", "9"), "app", false },
	{ A("x'017800'", IN4, IN4, IN4, "printf('%.*c',256,'x')", "''",
	    "9"), "app", false },
	{ A("x'017800'", IN4, IN4, IN4, "printf('%.*c',9999999,'x')", "''",
	    "9"), "app", false },
	{ A("x'017800'", IN4, IN4, IN4, "'a'||char(0)||'b'", "''", "9"),
	    "app", false },
	{ A("x'017800'", IN4, IN4, IN4, "'a'", "printf('%.*c',64,'x')",
	    "9"), "connector", false },
	{ A("x'017800'", IN4, IN4, IN4, "'a'", "''", "0"), "lease", false },
	{ A("x'017800'", IN4, IN4, IN4, "'a'", "''", "-1"), "lease", false },
	{ A("x'017800'", IN4, IN4, IN4, "'a'", "''", "4294967596"), "lease",
	    false },
	{ A("x'017800'", IN4, IN4, IN4, "'a'", "''",
	    "-9223372036854775808"), "lease", false },
#define M(peer, transit, dst, app, boot, sent) \
	"INSERT INTO mapping VALUES (" peer "," transit "," dst "," app "," \
	boot "," sent ")"
	{ M("''", IN4, IN4, "'a'", "1", "1"), "peer", true },
	{ M("printf('%.*c',256,'x')", IN4, IN4, "'a'", "1", "1"), "peer",
	    true },
	{ M("char(0)", IN4, IN4, "'a'", "1", "1"), "peer", true },
	{ M("'p'", "x''", IN4, "'a'", "1", "1"), "transit", true },
	{ M("'p'", "zeroblob(9999999)", IN4, "'a'", "1", "1"), "transit",
	    true },
	{ M("'p'", IN4, "x'00'", "'a'", "1", "1"), "destination", true },
	{ M("'p'", IN4, "zeroblob(16)", "'a'", "1", "1"), "families", true },
	{ M("'p'", IN4, IN4, "''", "1", "1"), "app", true },
	{ M("'p'", IN4, IN4, "'a'", "1", "-1"), "boot or sent_ms", true },
	{ M("'p'", IN4, IN4, "'a'", "-1", "1"), "boot", true },
};

START_TEST(rows_that_make_no_sense_are_skipped)
{
	char epoch[C25_STORE_EPOCH_MAX], why[40];

	sf_start();
	(void)snprintf(epoch, sizeof(epoch), "%s", c25_store_epoch(sf));
	sf_close();
	sf_sql(GOOD_A GOOD_M);
	sf_sql(bad_rows[_i].sql);
	sf_catch();
	sf_open();
	sf_logged("can't be used", 0);
	ck_assert_str_eq(epoch, c25_store_epoch(sf));
	ck_assert_uint_eq(sf_load_assignments(), 1);
	ck_assert_uint_eq(sf_got.loaded.skipped, !bad_rows[_i].mapping);
	ck_assert_uint_eq(sf_load_mappings(), 1);
	ck_assert_uint_eq(sf_got.loaded.skipped, bad_rows[_i].mapping);
	sf_logged("make no sense", 1);
	(void)snprintf(why, sizeof(why), "the first: %s", bad_rows[_i].why);
	sf_logged(why, 1);
}
END_TEST

START_TEST(all_nonsense_at_once_is_one_line)
{
	sf_start();
	sf_close();
	sf_sql(GOOD_M "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
	    " SELECT i + 1 FROM n WHERE i < 5000)"
	    " INSERT INTO mapping SELECT 'p' || i, randomblob(i % 40),"
	    "  randomblob(3), '', i, -i FROM n");
	sf_catch();
	sf_open();
	ck_assert_uint_eq(sf_load_mappings(), 1);
	ck_assert_uint_eq(sf_got.loaded.skipped, 5000);
	sf_logged("5000 rows of table mapping make no sense", 1);
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

/* ---- boots, clocks, epochs ------------------------------------------------ */

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

/* ---- rates: printed, not judged ------------------------------------------- */

static double
seconds(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
count_assignment(void *ctx, const struct c25_store_assignment *a)
{
	*(size_t *)ctx += a->lease_s == 300;
	return 0;
}

static int
count_mapping(void *ctx, const struct c25_store_mapping *m)
{
	*(size_t *)ctx += m->sent_ms == 1;
	return 0;
}

static void
put_nth_assignment(unsigned i)
{
	char text[64];
	struct c25_store_assignment a;

	/* names in no order, as clients ask for them */
	(void)snprintf(text, sizeof(text), "host-%u.dept%u.corp.example",
	    i * 2654435761u, i % 97);
	a = assignment(text, "10.0.0.1");
	a.magic = sf_nth(100, i);
	a.transit = sf_nth(169, i);
	ck_assert_int_eq(c25_store_put_assignment(sf, &a), 0);
}

/* CONN25_STORE_ROWS=1000000 for the whole measurement. */
START_TEST(rates)
{
	const char *env = getenv("CONN25_STORE_ROWS");
	unsigned n = env != NULL ? (unsigned)atoi(env) : 20000;
	struct c25_store_loaded loaded;
	double at[8];
	struct stat st[2];
	size_t a = 0, m = 0;

	sf_start();
	at[0] = seconds();
	for (unsigned i = 0; i < n; i++)
		put_nth_assignment(i);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	at[1] = seconds();
	sf_close();
	ck_assert_int_eq(stat(sf_db, &st[0]), 0);
	sf_start();
	at[2] = seconds();
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(sf_map(i, i, 1), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	at[3] = seconds();
	sf_close();
	ck_assert_int_eq(stat(sf_db, &st[1]), 0);
	at[4] = seconds();
	sf_open();
	at[5] = seconds();
	ck_assert_int_eq(c25_store_load_assignments(sf, count_assignment, &a,
	    &loaded, &sf_err), 0);
	at[6] = seconds();
	ck_assert_int_eq(c25_store_load_mappings(sf, count_mapping, &m,
	    &loaded, &sf_err), 0);
	at[7] = seconds();
	ck_assert_uint_eq(a, n);
	ck_assert_uint_eq(m, n);
	printf("store: %u rows: assignments written %.0f/s, loaded %.0f/s, "
	    "%.0f bytes each; mappings written %.0f/s, loaded %.0f/s, "
	    "%.0f bytes each; opened and checked in %.3f s\n", n,
	    n / (at[1] - at[0]), n / (at[6] - at[5]),
	    (double)st[0].st_size / n, n / (at[3] - at[2]),
	    n / (at[7] - at[6]), (double)(st[1].st_size - st[0].st_size) / n,
	    at[5] - at[4]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("store");
	TCase *tc = tcase_create("store");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, sf_setup, sf_teardown);
	tcase_add_test(tc, assignments_come_back_as_they_were);
	tcase_add_test(tc, mappings_come_back_as_they_were);
	tcase_add_test(tc, the_newest_wins_and_what_is_removed_is_gone);
	tcase_add_test(tc, removed_and_put_again_in_one_batch);
	tcase_add_test(tc, changes_of_one_key_are_written_once);
	tcase_add_test(tc, closing_without_start_changes_nothing);
	tcase_add_test(tc, the_same_again_writes_nothing);
	tcase_add_test(tc, many_rows_take_several_transactions);
	tcase_add_test(tc, written_by_itself_soon);
	tcase_add_test(tc, loading_stops_when_told_to);
	tcase_add_test(tc, nonsense_is_not_put);
	tcase_add_test(tc, state_dir_is_made_for_us_alone);
	tcase_add_test(tc, a_second_conn25d_is_refused);
	ADD_ROWS(tc, a_state_dir_that_is_no_good, dir_rows);
	ADD_ROWS(tc, a_damaged_database_is_set_aside, damage_rows);
	tcase_add_test(tc, what_is_set_aside_is_never_overwritten);
	tcase_add_test(tc, a_newer_version_is_set_aside_with_its_log);
	tcase_add_test(tc, a_log_without_its_database_is_set_aside);
	tcase_add_test(tc, an_unfinished_new_one_is_no_obstacle);
	ADD_ROWS(tc, rows_that_make_no_sense_are_skipped, bad_rows);
	tcase_add_test(tc, all_nonsense_at_once_is_one_line);
	tcase_add_test(tc, strange_times_are_clamped);
	tcase_add_test(tc,
	    within_a_boot_times_stay_and_a_new_boot_gives_a_whole_life);
	tcase_add_test(tc, without_a_boot_id_each_start_is_a_boot);
	tcase_add_test(tc, the_kernels_boot_id_is_found);
	ADD_ROWS(tc, the_epoch_changes_when_mappings_may_be_lost_and_only_then,
	    epoch_rows);
	tcase_add_test(tc, a_mark_of_another_database_is_not_ours);
	tcase_add_test(tc, rates);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
