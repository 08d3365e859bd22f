/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of the store: directories of its own, what it logged, and its
 * database as SQLite and the file system see it.
 */
#ifndef CONN25_TESTS_STORE_FIXTURE_H
#define CONN25_TESTS_STORE_FIXTURE_H

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conn25/log.h"
#include "conn25/table.h"
#include "sidecar/store.h"

static char sf_dir[64];			/* everything of this test */
static char sf_state[80], sf_run[80], sf_db[120];
static const char *sf_boot;		/* NULL: the kernel's */
static struct c25_store *sf;		/* the store under test */
static struct c25_error sf_err;
static int sf_stderr = -1;		/* while the log is caught */

/* ---- files --------------------------------------------------------------- */

static inline int
sf_remove_one(const char *path, const struct stat *st, int type,
    struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void
sf_rm(const char *path)
{
	(void)nftw(path, sf_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* How many files match; the first of them in `first` unless that is NULL. */
static inline size_t
sf_glob(const char *pattern, char first[static 256])
{
	char path[400];
	glob_t g;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", sf_state, pattern);
	n = glob(path, 0, NULL, &g) == 0 ? g.gl_pathc : 0;
	(void)snprintf(first, 256, "%s", n > 0 ? g.gl_pathv[0] : "");
	if (n > 0)
		globfree(&g);
	return n;
}

/* A file's bytes, malloc'ed, NUL behind them; NULL when it isn't there. */
static inline char *
sf_read(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	char *data;

	if (f == NULL || fstat(fileno(f), &st) != 0)
		return NULL;
	data = malloc((size_t)st.st_size + 1);
	ck_assert_ptr_nonnull(data);
	*len = fread(data, 1, (size_t)st.st_size, f);
	data[*len] = '\0';
	(void)fclose(f);
	return data;
}

static inline void
sf_write(const char *path, long at, const void *data, size_t len)
{
	FILE *f = fopen(path, at == 0 ? "we" : "r+e");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, at, SEEK_SET), 0);
	ck_assert_uint_eq(fwrite(data, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

/* ---- the log ------------------------------------------------------------- */

static inline void
sf_catch(void)
{
	char path[100];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/log", sf_dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC,
	    0600);
	ck_assert_int_ge(fd, 0);
	if (sf_stderr < 0)
		sf_stderr = dup(2);
	ck_assert_int_eq(dup2(fd, 2), 2);
	(void)close(fd);
}

/* How many lines were logged since sf_catch() that have `text`; prints the
 * log, so that a failure shows it, when that isn't `want`. */
static inline void
sf_logged(const char *text, unsigned want)
{
	char path[100], *log, *p;
	unsigned n = 0;
	size_t len;

	(void)snprintf(path, sizeof(path), "%s/log", sf_dir);
	log = sf_read(path, &len);
	ck_assert_ptr_nonnull(log);
	for (p = log; (p = strstr(p, text)) != NULL; p++)
		n++;
	if (n != want)
		(void)dprintf(sf_stderr, "%s", log);
	free(log);
	ck_assert_msg(n == want, "%u times in the log, not %u: %s", n, want,
	    text);
}

/* ---- the store ----------------------------------------------------------- */

static inline int
sf_try_open(void)
{
	return c25_store_open(&(struct c25_store_options){
	    .state_dir = sf_state, .run_dir = sf_run, .boot_id = sf_boot },
	    &sf, &sf_err);
}

static inline void
sf_open(void)
{
	ck_assert_msg(sf_try_open() == 0, "%s", sf_err.text);
}

static inline void
sf_start(void)
{
	sf_open();
	ck_assert_msg(c25_store_start(sf, &sf_err) == 0, "%s", sf_err.text);
}

/* For children: libcheck's asserts are not for processes that get killed. */
static inline void
sf_start_or_exit(void)
{
	if (sf_try_open() != 0 || c25_store_start(sf, &sf_err) != 0) {
		(void)dprintf(2, "%s\n", sf_err.text);
		_exit(9);
	}
}

static inline void
sf_close(void)
{
	c25_store_close(sf);
	sf = NULL;
}

static inline void
sf_reopen(void)
{
	sf_close();
	sf_open();
}

static inline void
sf_setup(void)
{
	(void)snprintf(sf_dir, sizeof(sf_dir), "/tmp/c25-store-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(sf_dir));
	(void)snprintf(sf_state, sizeof(sf_state), "%s/state", sf_dir);
	(void)snprintf(sf_run, sizeof(sf_run), "%s/run", sf_dir);
	(void)snprintf(sf_db, sizeof(sf_db), "%s/conn25.db", sf_state);
	ck_assert_int_eq(mkdir(sf_run, 0700), 0);
	sf_boot = "first-boot";
	sf_catch();
}

static inline void
sf_teardown(void)
{
	c25_clock_set(NULL);
	sf_close();
	sf_rm(sf_dir);
	(void)dup2(sf_stderr, 2);
}

/* ---- the database behind its back ---------------------------------------- */

static inline void
sf_sql(const char *sql)
{
	char *why = NULL;
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(sf_db, &db), SQLITE_OK);
	(void)sqlite3_busy_timeout(db, 10000);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		ck_abort_msg("%s: %s", sql, why);
	(void)sqlite3_close(db);
}

static inline int64_t
sf_number(const char *sql)
{
	sqlite3_stmt *stmt;
	sqlite3 *db;
	int64_t n;

	ck_assert_int_eq(sqlite3_open(sf_db, &db), SQLITE_OK);
	(void)sqlite3_busy_timeout(db, 10000);
	ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL),
	    SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
	return n;
}

/* ---- rows ---------------------------------------------------------------- */

static inline struct c25_addr
sf_addr(const char *text)
{
	struct c25_addr a;

	ck_assert_int_eq(c25_addr_parse(&a, text, strlen(text)), 0);
	return a;
}

static inline struct c25_name
sf_name(const char *text)
{
	struct c25_name n;

	ck_assert_int_eq(c25_name_from_text(&n, text, strlen(text)), 0);
	return n;
}

/* 169.n.n.n and the like. */
static inline struct c25_addr
sf_nth(uint8_t first, unsigned n)
{
	return c25_addr_v4((uint8_t[]){ first, (uint8_t)(n >> 16),
	    (uint8_t)(n >> 8), (uint8_t)n });
}

static inline struct c25_store_assignment
sf_assignment(const char *domain, const char *destination)
{
	return (struct c25_store_assignment){ .domain = sf_name(domain),
	    .destination = sf_addr(destination),
	    .magic = sf_addr("100.64.0.1"),
	    .transit = sf_addr("169.254.64.1"), .app = "wiki",
	    .connector = "office-1", .lease_s = 300 };
}

/* A mapping of edge-1: transit number `key` means destination `value`. */
static inline int
sf_map(unsigned key, unsigned value, uint64_t sent_ms)
{
	return c25_store_put_mapping(sf, &(struct c25_store_mapping){
	    .peer = "edge-1", .app = "wiki", .transit = sf_nth(169, key),
	    .destination = sf_nth(10, value), .sent_ms = sent_ms });
}

static inline unsigned
sf_number_of(const struct c25_addr *a)
{
	return (unsigned)a->bytes[1] << 16 | (unsigned)a->bytes[2] << 8 |
	    a->bytes[3];
}

#define SF_ROWS 64

/* What was loaded, copied. */
static struct {
	struct c25_store_mapping m[SF_ROWS];
	struct c25_store_assignment a[SF_ROWS];
	char names[SF_ROWS][2][C25_APP_NAME_MAX + 1];
	size_t count;
	struct c25_store_loaded loaded;
} sf_got;

static inline int
sf_take_mapping(void *ctx, const struct c25_store_mapping *m)
{
	size_t i = sf_got.count++;

	(void)ctx;
	if (i >= SF_ROWS)
		return 0;
	sf_got.m[i] = *m;
	sf_got.m[i].peer = strcpy(sf_got.names[i][0], m->peer);
	sf_got.m[i].app = strcpy(sf_got.names[i][1], m->app);
	return 0;
}

static inline int
sf_take_assignment(void *ctx, const struct c25_store_assignment *a)
{
	size_t i = sf_got.count++;

	(void)ctx;
	if (i >= SF_ROWS)
		return 0;
	sf_got.a[i] = *a;
	sf_got.a[i].app = strcpy(sf_got.names[i][0], a->app);
	sf_got.a[i].connector = strcpy(sf_got.names[i][1], a->connector);
	return 0;
}

/* Load into sf_got. Returns: how many. */
static inline size_t
sf_load_mappings(void)
{
	sf_got.count = 0;
	ck_assert_msg(c25_store_load_mappings(sf, sf_take_mapping, NULL,
	    &sf_got.loaded, &sf_err) == 0, "%s", sf_err.text);
	ck_assert_uint_eq(sf_got.loaded.rows, sf_got.count);
	return sf_got.count;
}

static inline size_t
sf_load_assignments(void)
{
	sf_got.count = 0;
	ck_assert_msg(c25_store_load_assignments(sf, sf_take_assignment,
	    NULL, &sf_got.loaded, &sf_err) == 0, "%s", sf_err.text);
	ck_assert_uint_eq(sf_got.loaded.rows, sf_got.count);
	return sf_got.count;
}

#endif
