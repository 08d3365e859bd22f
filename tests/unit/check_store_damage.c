/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the store: directories that are no good, and databases that are
 * damaged, foreign, of another version or hostile.
 */

#include <errno.h>
#include <sys/wait.h>

#include "tests/unit/store_fixture.h"
#include "tests/unit/suite.h"

/* ---- stateDir ------------------------------------------------------------ */

START_TEST(state_dir_is_made_for_us_alone)
{
	struct stat st;

	(void)umask(0);
	sf_start();
	ck_assert_int_eq(stat(sf_state, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(stat(sf_db, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(sf_number("PRAGMA user_version"), 3);
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
	sf_close();
	sf_open();
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

/* ---- damage -------------------------------------------------------------- */

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
		sf_sql("PRAGMA user_version = 4");
		sf_open();
		ck_assert_uint_eq(sf_load_mappings(), 0);
		ck_assert_uint_eq(sf_glob("conn25.db.version-4.[0-9]",
		    aside), i);
		ck_assert_uint_eq(sf_glob("conn25.db.version-4", aside), 1);
		sf_close();
	}
	sf_logged("of version 4", 4);
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

/* Somebody has been at its tables: it is sound for all that. */
START_TEST(a_row_that_is_refused_is_no_damage)
{
	char aside[256];

	sf_start();
	ck_assert_int_eq(sf_map(1, 1, 1), 0);
	ck_assert_int_eq(sf_map(2, 2, 2), 0);
	ck_assert_int_eq(c25_store_flush(sf), 0);
	sf_sql("CREATE UNIQUE INDEX alien ON mapping (sent_ms)");
	ck_assert_int_eq(sf_map(1, 1, 2), 0);
	ck_assert_int_eq(c25_store_flush(sf), -EIO);
	ck_assert_uint_eq(sf_glob("conn25.db.damaged-*", aside), 0);
	sf_logged("undo what was changed", 1);
	sf_sql("DROP INDEX alien");
	ck_assert_int_eq(c25_store_flush(sf), 0);
	sf_close();
	sf_open();
	ck_assert_uint_eq(sf_load_mappings(), 2);
}
END_TEST

/* ---- hostile rows -------------------------------------------------------- */

#define GOOD_A "INSERT INTO assignment VALUES (x'64400001', x'017800'," \
	" x'0a000001', x'a9fe4001', 'wiki', 'office', 300, 1, 1);"
#define GOOD_M "INSERT INTO mapping VALUES ('edge-1', x'a9fe4001'," \
	" x'0a000001', 'wiki', 1, 1);"

static const struct {
	const char *sql;
	const char *why;		/* as the log names it */
	bool mapping;
} bad_rows[] = {
#define A(domain, dst, magic, transit, app, conn, lease) \
	"INSERT INTO assignment VALUES (" magic "," domain "," dst "," \
	transit "," app "," conn "," lease ", 1, 1)"
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

int
main(void)
{
	Suite *s = suite_create("store_damage");
	TCase *tc = tcase_create("store_damage");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, sf_setup, sf_teardown);
	tcase_add_test(tc, state_dir_is_made_for_us_alone);
	tcase_add_test(tc, a_second_conn25d_is_refused);
	ADD_ROWS(tc, a_state_dir_that_is_no_good, dir_rows);
	ADD_ROWS(tc, a_damaged_database_is_set_aside, damage_rows);
	tcase_add_test(tc, what_is_set_aside_is_never_overwritten);
	tcase_add_test(tc, a_newer_version_is_set_aside_with_its_log);
	tcase_add_test(tc, a_row_that_is_refused_is_no_damage);
	tcase_add_test(tc, a_log_without_its_database_is_set_aside);
	tcase_add_test(tc, an_unfinished_new_one_is_no_obstacle);
	ADD_ROWS(tc, rows_that_make_no_sense_are_skipped, bad_rows);
	tcase_add_test(tc, all_nonsense_at_once_is_one_line);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
