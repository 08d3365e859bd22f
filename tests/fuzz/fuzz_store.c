/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A database that anybody may have written (sidecar/store.h), and what
 * conn25d puts back of it into the table (sidecar/keep.h): rows that make no
 * sense are skipped, a file that can't be used is set aside, and the table is
 * sound afterwards.
 * Input: enum mode, then rows, see add_row(), or changes of the file's bytes.
 */
#include <errno.h>
#include <sqlite3.h>
#include <sys/mman.h>

#include "conn25/layout.h"
#include "conn25/log.h"
#include "sidecar/keep.h"
#include "sidecar/store.h"
#include "tests/fuzz/scratch.h"

enum mode {
	MODE_ROWS,			/* in the tables as they are */
	MODE_BYTES,			/* other bytes in the file */
	MODE_LOOSE,			/* tables that take any type */
	MODE_FILE,			/* the file is the input */
	MODES
};

#define BOOT_ID "00000000-0000-0000-0000-00000000f022"
#define DB C25_STORE_FILE

/* Nothing here has to survive a power failure. */
__attribute__((visibility("default"))) int
fsync(int fd)
{
	return 0;
}

__attribute__((visibility("default"))) int
fdatasync(int fd)
{
	return 0;
}

static struct {
	struct c25_table *table;
	struct c25_policy *policy;
	struct c25_header_d *h;		/* of the table */
	struct fuzz_copy file, loose;	/* two empty databases */
	char path[128];
} w;

static struct c25_store *store;

/* ---- files -------------------------------------------------------------- */

/* Whatever the last one left of the database. */
static void
remove_files(void)
{
	DIR *d = opendir(fuzz_scratch());
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (strncmp(e->d_name, DB, strlen(DB)) == 0)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		(void)closedir(d);
}

static void
write_file(const uint8_t *bytes, size_t len)
{
	FILE *f = fopen(w.path, "wb");

	fuzz_must(f != NULL && fwrite(bytes, 1, len, f) == len &&
		fclose(f) == 0, "%s", w.path);
}

static struct fuzz_copy
read_file(void)
{
	static uint8_t bytes[1 << 20];
	struct fuzz f = { bytes, 0 };
	FILE *file = fopen(w.path, "rb");

	fuzz_must(file != NULL, "%s", w.path);
	f.left = fread(bytes, 1, sizeof(bytes), file);
	(void)fclose(file);
	fuzz_must(f.left > 0 && f.left < sizeof(bytes), "%zu", f.left);
	return fuzz_rest(&f);
}

static int
open_store(struct c25_error *err)
{
	return c25_store_open(&(struct c25_store_options){
		.state_dir = fuzz_scratch(), .boot_id = BOOT_ID }, &store,
		err);
}

static sqlite3 *
open_sql(void)
{
	sqlite3 *sql = NULL;

	fuzz_must(sqlite3_open(w.path, &sql) == SQLITE_OK &&
		sqlite3_exec(sql, "PRAGMA journal_mode = OFF;"
		"PRAGMA synchronous = OFF;", NULL, NULL, NULL) == SQLITE_OK,
		"%s", w.path);
	return sql;
}

static void
drop_all(char *text, const char *what)
{
	char *p;

	while ((p = strstr(text, what)) != NULL)
		memmove(p, p + strlen(what), strlen(p + strlen(what)) + 1);
}

/* Make a table again so that its columns take anything. */
static void
loosen(sqlite3 *sql, const char *name)
{
	char text[2048] = "";
	sqlite3_stmt *stmt;

	fuzz_must(sqlite3_prepare_v2(sql, "SELECT sql FROM sqlite_schema"
		" WHERE name = ?1", -1, &stmt, NULL) == SQLITE_OK, "%s",
		sqlite3_errmsg(sql));
	sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	fuzz_must(sqlite3_step(stmt) == SQLITE_ROW, "%s", name);
	(void)snprintf(text, sizeof(text), "DROP TABLE %s;%s", name,
		(const char *)sqlite3_column_text(stmt, 0));
	(void)sqlite3_finalize(stmt);
	drop_all(text, "STRICT, ");
	drop_all(text, " BLOB NOT NULL");
	drop_all(text, " TEXT NOT NULL");
	drop_all(text, " INTEGER NOT NULL");
	fuzz_must(sqlite3_exec(sql, text, NULL, NULL, NULL) == SQLITE_OK,
		"%s: %s", sqlite3_errmsg(sql), text);
}

static void
set_up(void)
{
	struct c25_error err = { "" };
	sqlite3 *sql;
	void *map;
	int fd;

	if (w.table != NULL)
		return;
	c25_log_verbosity(-1);
	w.table = fuzz_table(64);
	fuzz_must(c25_table_policy(w.table, &w.policy, &err) == 0, "%s",
		err.text);
	(void)snprintf(w.path, sizeof(w.path), "%s/" C25_TABLE_FILE,
		fuzz_scratch());
	fd = open(w.path, O_RDWR | O_CLOEXEC);
	map = mmap(NULL, sizeof(*w.h), PROT_READ | PROT_WRITE, MAP_SHARED,
		fd, 0);
	fuzz_must(fd >= 0 && map != MAP_FAILED, "%s", w.path);
	w.h = map;
	(void)snprintf(w.path, sizeof(w.path), "%s/" DB, fuzz_scratch());
	fuzz_must(open_store(&err) == 0, "%s", err.text);
	c25_store_close(store);
	sql = open_sql();
	sqlite3_close(sql);
	w.file = read_file();
	sql = open_sql();
	loosen(sql, "assignment");
	loosen(sql, "mapping");
	sqlite3_close(sql);
	w.loose = read_file();
}

/* ---- making a database -------------------------------------------------- */

static void
bind_value(sqlite3_stmt *stmt, int column, struct fuzz *f)
{
	uint8_t type = fuzz_u8(f) % 4;
	struct fuzz_copy c;

	if (type == 2) {
		sqlite3_bind_int64(stmt, column, (int64_t)fuzz_u64(f));
		return;
	}
	if (type == 3) {
		sqlite3_bind_double(stmt, column, fuzz_u32(f) / 3.0);
		return;
	}
	c = fuzz_take(f, fuzz_u8(f));
	if (type == 0)
		sqlite3_bind_text(stmt, column, (char *)c.bytes, (int)c.len,
			SQLITE_TRANSIENT);
	else
		sqlite3_bind_blob(stmt, column, c.bytes, (int)c.len,
			SQLITE_TRANSIENT);
	free(c.bytes);
}

/* How many columns a table has. */
static int
width(sqlite3 *sql, const char *name)
{
	sqlite3_stmt *stmt;
	char text[64];
	int n;

	(void)snprintf(text, sizeof(text), "SELECT * FROM %s", name);
	fuzz_must(sqlite3_prepare_v2(sql, text, -1, &stmt, NULL) ==
		SQLITE_OK, "%s", sqlite3_errmsg(sql));
	n = sqlite3_column_count(stmt);
	(void)sqlite3_finalize(stmt);
	return n;
}

/* A row of one of the tables, if SQLite takes it. */
static void
add_row(sqlite3 *sql, struct fuzz *f)
{
	static const char *const tables[] = { "assignment", "mapping",
		"meta" };
	const char *name = tables[fuzz_u8(f) % 3];
	int columns = width(sql, name), i = 1;
	sqlite3_stmt *stmt;
	char text[128];
	size_t n;

	n = (size_t)snprintf(text, sizeof(text), "INSERT OR REPLACE INTO %s"
		" VALUES (?", name);
	while (++i <= columns)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ",?");
	(void)snprintf(text + n, sizeof(text) - n, ")");
	fuzz_must(sqlite3_prepare_v2(sql, text, -1, &stmt, NULL) ==
		SQLITE_OK, "%s", sqlite3_errmsg(sql));
	/* of meta there is one row, number 1 */
	i = strcmp(name, "meta") == 0 ? 2 : 1;
	sqlite3_bind_int(stmt, 1, 1);
	for (; i <= columns; i++)
		bind_value(stmt, i, f);
	(void)sqlite3_step(stmt);
	(void)sqlite3_finalize(stmt);
}

static void
make(enum mode mode, struct fuzz *f)
{
	const struct fuzz_copy *from = mode == MODE_LOOSE ? &w.loose :
		&w.file;
	uint8_t *bytes;
	sqlite3 *sql;

	if (mode == MODE_FILE) {
		write_file(f->p, f->left);
		return;
	}
	bytes = malloc(from->len);
	fuzz_must(bytes != NULL, "no memory");
	memcpy(bytes, from->bytes, from->len);
	while (mode == MODE_BYTES && f->left > 0) {
		size_t at = fuzz_u16(f) % from->len;

		bytes[at] = fuzz_u8(f);
	}
	write_file(bytes, from->len);
	free(bytes);
	if (mode == MODE_BYTES)
		return;
	sql = open_sql();
	for (unsigned i = 0; i < 40 && f->left > 0; i++)
		add_row(sql, f);
	sqlite3_close(sql);
}

/* ---- reading it --------------------------------------------------------- */

static bool
good_text(const char *text, size_t min, size_t max)
{
	size_t len = strnlen(text, max + 1);

	return len >= min && len <= max;
}

static int
take_assignment(void *ctx, const struct c25_store_assignment *a)
{
	fuzz_must(c25_name_valid(a->domain.wire, a->domain.len), "domain");
	fuzz_must(c25_addr_len(&a->magic) != 0 &&
		a->magic.family == a->destination.family &&
		a->magic.family == a->transit.family, "families");
	fuzz_must(good_text(a->app, 1, C25_APP_NAME_MAX) &&
		good_text(a->connector, 0, C25_CONNECTOR_NAME_MAX), "texts");
	fuzz_must(a->lease_s >= 1 && a->lease_s <= C25_LEASE_MAX_S, "%u",
		a->lease_s);
	fuzz_must(c25_store_put_assignment(store, a) == 0,
		"could not have been put");
	return 0;
}

static int
take_mapping(void *ctx, const struct c25_store_mapping *m)
{
	fuzz_must(good_text(m->peer, 1, C25_APP_NAME_MAX) &&
		good_text(m->app, 1, C25_APP_NAME_MAX), "texts");
	fuzz_must(c25_addr_len(&m->transit) != 0 &&
		m->transit.family == m->destination.family, "families");
	fuzz_must(m->sent_ms <= fuzz_now_ms, "in the future");
	fuzz_must(c25_store_put_mapping(store, m) == 0,
		"could not have been put");
	return 0;
}

/* As conn25d does at its start without a table. */
static void
put_back(void)
{
	struct c25_error err = { "" };
	struct c25_keep *keep = NULL;
	struct c25_assignment a;
	struct c25_match m;
	uint32_t cursor = 0;

	atomic_store(&w.h->closed, 1);
	if (c25_keep_start(store, w.table, w.policy, &keep, &err) != 0) {
		fuzz_must(err.text[0] != '\0', "no reason");
		c25_table_begin(w.table);
	}
	fuzz_must(c25_table_verify(w.table, &err) == 0, "%s", err.text);
	while (c25_table_next(w.table, &cursor, &a)) {
		fuzz_must(c25_policy_match(w.policy, a.domain.wire,
			a.domain.len, &m) && m.rewrite, "not ours");
		fuzz_must(c25_policy_in_magic(w.policy, &a.magic), "magic");
	}
	c25_keep_free(keep);
	fuzz_table_empty(w.table);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	enum mode mode = fuzz_u8(&f) % MODES;
	struct c25_store_loaded loaded;
	struct c25_error err = { "" };
	uint64_t began_ms;
	int r;

	set_up();
	began_ms = fuzz_now_ms;
	remove_files();
	make(mode, &f);
	r = open_store(&err);
	fuzz_must(r == 0, "%d: %s", r, err.text);
	fuzz_must(strspn(c25_store_epoch(store), "0123456789abcdef") ==
		C25_STORE_EPOCH_MAX - 1, "epoch");
	r = c25_store_load_mappings(store, take_mapping, NULL, &loaded, &err);
	fuzz_must(r == 0, "%d: %s", r, err.text);
	r = c25_store_load_assignments(store, take_assignment, NULL, &loaded,
		&err);
	fuzz_must(r == 0, "%d: %s", r, err.text);
	put_back();
	c25_store_close(store);
	fuzz_now_ms = began_ms;
	return 0;
}
