/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the store keeps, row by row: checking, the bytes that wait in a set
 * (c25_set), and the statements of SQL. A row in a set is its columns in the
 * order of the table, texts and blobs after a byte with their length.
 */

#include "store_private.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "conn25/log.h"
#include "conn25/table.h"

/* Addresses are 4 or 16 bytes in network order, domains wire form. */
const char c25_rows_schema[] =
	/* The key is the short one of its columns that is handed out in order,
	 * so that most rows go behind the last one; and there is no index: what
	 * of a domain or a transit address has ended is found by its serial
	 * number. (With three of them a row cost six times as much.) */
	"CREATE TABLE assignment ("
	"  magic BLOB PRIMARY KEY,"
	"  domain BLOB NOT NULL, destination BLOB NOT NULL,"
	"  transit BLOB NOT NULL, app TEXT NOT NULL,"
	"  connector TEXT NOT NULL, lease_s INTEGER NOT NULL,"
	"  stored_s INTEGER NOT NULL, serial INTEGER NOT NULL)"
	"  STRICT, WITHOUT ROWID;"
	"CREATE TABLE mapping ("
	"  peer TEXT NOT NULL, transit BLOB NOT NULL,"
	"  destination BLOB NOT NULL, app TEXT NOT NULL,"
	"  boot INTEGER NOT NULL, sent_ms INTEGER NOT NULL,"
	"  PRIMARY KEY (peer, transit)) STRICT, WITHOUT ROWID;";

/* So many neighbours are put by one statement: the next row starts where the
 * last one was, and what a statement costs is shared. */
#define ROWS_AT_ONCE 16
#define SQL_MAX 2048

static const struct table {
	const char *name;
	/* t text, b blob, i integer; the first are the key. A serial number
	 * is no part of the change's bytes. */
	const char *columns;
	int key_columns;
	bool serial;
	/* behind "INSERT INTO ... VALUES ...": what is there already is
	 * not touched, nor its page */
	const char *conflict;
	const char *remove, *all;
} tables[C25_STORE_KINDS] = {
	[C25_STORE_ASSIGNMENTS] = { "assignment", "bbbbttii", 1, true,
		" ON CONFLICT (magic) DO UPDATE SET"
		"  domain = excluded.domain,"
		"  destination = excluded.destination,"
		"  transit = excluded.transit, app = excluded.app,"
		"  connector = excluded.connector,"
		"  lease_s = excluded.lease_s,"
		"  stored_s = excluded.stored_s, serial = excluded.serial"
		" WHERE domain <> excluded.domain"
		"  OR destination <> excluded.destination"
		"  OR transit <> excluded.transit OR app <> excluded.app"
		"  OR connector <> excluded.connector"
		"  OR lease_s <> excluded.lease_s"
		/* the last parameter: one of them is anew */
		"  OR ?",
		"DELETE FROM assignment WHERE magic = ?1",
		"SELECT * FROM assignment ORDER BY serial DESC" },
	[C25_STORE_MAPPINGS] = { "mapping", "tbbtii", 2, false,
		" ON CONFLICT (peer, transit) DO UPDATE SET"
		"  destination = excluded.destination, app = excluded.app,"
		"  boot = excluded.boot, sent_ms = excluded.sent_ms"
		" WHERE destination <> excluded.destination"
		"  OR app <> excluded.app OR boot <> excluded.boot"
		"  OR sent_ms <> excluded.sent_ms",
		"DELETE FROM mapping WHERE peer = ?1 AND transit = ?2",
		"SELECT * FROM mapping" },
};

/* ---- encoding ----------------------------------------------------------- */

static void
add_bytes(struct c25_row *row, const void *bytes, size_t len)
{
	row->bytes[row->len++] = (uint8_t)len;
	memcpy(row->bytes + row->len, bytes, len);
	row->len += len;
}

static void
add_addr(struct c25_row *row, const struct c25_addr *a)
{
	add_bytes(row, a->bytes, c25_addr_len(a));
}

static void
add_text(struct c25_row *row, const char *text)
{
	add_bytes(row, text, strlen(text));
}

static void
add_number(struct c25_row *row, int64_t n)
{
	memcpy(row->bytes + row->len, &n, sizeof(n));
	row->len += sizeof(n);
}

static bool
name_good(const char *text, size_t min, size_t max)
{
	size_t len = text == NULL ? SIZE_MAX : strnlen(text, max + 1);

	return len >= min && len <= max;
}

int
c25_row_assignment_key(struct c25_row *row, const struct c25_addr *magic)
{
	row->len = 0;
	if (c25_addr_len(magic) == 0)
		return -EINVAL;
	add_addr(row, magic);
	row->key_len = row->len;
	return 0;
}

int
c25_row_assignment(struct c25_row *row, const struct c25_store_assignment *a)
{
	if (c25_row_assignment_key(row, &a->magic) != 0 ||
			a->domain.len > C25_NAME_MAX ||
			!c25_name_valid(a->domain.wire, a->domain.len) ||
			a->destination.family != a->magic.family ||
			a->transit.family != a->magic.family ||
			!name_good(a->app, 1, C25_APP_NAME_MAX) ||
			!name_good(a->connector, 0,
			C25_CONNECTOR_NAME_MAX) ||
			a->lease_s < 1 || a->lease_s > C25_LEASE_MAX_S)
		return -EINVAL;
	add_bytes(row, a->domain.wire, a->domain.len);
	add_addr(row, &a->destination);
	add_addr(row, &a->transit);
	add_text(row, a->app);
	add_text(row, a->connector);
	add_number(row, a->lease_s);
	add_number(row, (int64_t)time(NULL));
	return 0;
}

int
c25_row_mapping_key(struct c25_row *row, const char *peer,
	const struct c25_addr *transit)
{
	row->len = 0;
	if (!name_good(peer, 1, C25_APP_NAME_MAX) ||
			c25_addr_len(transit) == 0)
		return -EINVAL;
	add_text(row, peer);
	add_addr(row, transit);
	row->key_len = row->len;
	return 0;
}

int
c25_row_mapping(struct c25_row *row, const struct c25_store_mapping *m,
	int64_t boot)
{
	if (c25_row_mapping_key(row, m->peer, &m->transit) != 0 ||
			m->destination.family != m->transit.family ||
			!name_good(m->app, 1, C25_APP_NAME_MAX) ||
			m->sent_ms > INT64_MAX)
		return -EINVAL;
	add_addr(row, &m->destination);
	add_text(row, m->app);
	add_number(row, boot);
	add_number(row, (int64_t)m->sent_ms);
	return 0;
}

/* ---- writing ------------------------------------------------------------ */

static int
prepare(struct c25_db *d, const char *sql, struct sqlite3_stmt **out,
	struct c25_error *err)
{
	int code = sqlite3_prepare_v3(d->sqlite, sql, -1,
		SQLITE_PREPARE_PERSISTENT, out, NULL);

	return code == SQLITE_OK ? 0 :
		c25_db_fail(d, code, "can't be used", err);
}

/* As many columns as the table has. */
static int
width(const struct table *t)
{
	return (int)strlen(t->columns) + t->serial;
}

static int
prepare_put(struct c25_db *d, const struct table *t, int rows,
	struct sqlite3_stmt **out, struct c25_error *err)
{
	char sql[SQL_MAX];
	int len = snprintf(sql, sizeof(sql), "INSERT INTO %s VALUES ",
		t->name), i;

	for (i = 0; i < rows * width(t); i++) {
		sql[len++] = i == 0 ? '(' : ',';
		if (i > 0 && i % width(t) == 0)
			sql[len++] = '(';
		sql[len++] = '?';
		if (i % width(t) == width(t) - 1)
			sql[len++] = ')';
	}
	(void)snprintf(sql + len, sizeof(sql) - (size_t)len, "%s",
		t->conflict);
	return prepare(d, sql, out, err);
}

int
c25_rows_prepare(struct c25_db *d, struct c25_error *err)
{
	int i, r = 0;

	for (i = 0; i < C25_STORE_KINDS && r == 0; i++) {
		r = prepare_put(d, &tables[i], 1, &d->put[i], err);
		if (r == 0)
			r = prepare_put(d, &tables[i], ROWS_AT_ONCE,
				&d->put_many[i], err);
		if (r == 0)
			r = prepare(d, tables[i].remove, &d->remove[i], err);
	}
	return r;
}

void
c25_rows_finalize(struct c25_db *d)
{
	int i;

	for (i = 0; i < C25_STORE_KINDS; i++) {
		(void)sqlite3_finalize(d->put[i]);
		(void)sqlite3_finalize(d->put_many[i]);
		(void)sqlite3_finalize(d->remove[i]);
		d->put[i] = d->put_many[i] = d->remove[i] = NULL;
	}
}

/* Bind the columns of a change, from parameter `at` on; it stays where it is
 * until the step. */
static int
bind(struct sqlite3_stmt *stmt, int at, const struct c25_change *c)
{
	const struct table *t = &tables[c->kind];
	const char *column = t->columns, *end = c->remove ?
		column + t->key_columns : column + strlen(column);
	const uint8_t *p = c->bytes;
	int64_t n;
	int code = SQLITE_OK;

	for (; column < end && code == SQLITE_OK; column++, at++) {
		switch (*column) {
		case 't':
			code = sqlite3_bind_text(stmt, at,
				(const char *)p + 1, *p, SQLITE_STATIC);
			p += 1 + *p;
			break;
		case 'b':
			code = sqlite3_bind_blob(stmt, at, p + 1, *p,
				SQLITE_STATIC);
			p += 1 + *p;
			break;
		default:
			memcpy(&n, p, sizeof(n));
			code = sqlite3_bind_int64(stmt, at, n);
			p += sizeof(n);
		}
	}
	if (code == SQLITE_OK && t->serial && !c->remove)
		code = sqlite3_bind_int64(stmt, at, (int64_t)c->serial);
	return code;
}

/* How many of them one statement can put: ROWS_AT_ONCE, or 1. */
static size_t
together(const struct c25_change *const *list, size_t count)
{
	size_t i;

	if (count < ROWS_AT_ONCE)
		return 1;
	for (i = 0; i < ROWS_AT_ONCE; i++)
		if (list[i]->remove || list[i]->kind != list[0]->kind)
			return 1;
	return ROWS_AT_ONCE;
}

int
c25_rows_write(struct c25_db *d, const struct c25_change *const *list,
	size_t count, struct c25_error *err)
{
	int code = SQLITE_DONE;
	size_t n, i;
	bool anew;

	for (; count > 0 && code == SQLITE_DONE; list += n, count -= n) {
		unsigned kind = list[0]->kind;
		struct sqlite3_stmt *stmt;

		n = together(list, count);
		stmt = n > 1 ? d->put_many[kind] : list[0]->remove ?
			d->remove[kind] : d->put[kind];
		code = SQLITE_OK;
		anew = false;
		for (i = 0; i < n && code == SQLITE_OK; i++) {
			code = bind(stmt, 1 + (int)i * width(&tables[kind]),
				list[i]);
			anew = anew || list[i]->anew;
		}
		if (code == SQLITE_OK && tables[kind].serial &&
				!list[0]->remove)
			code = sqlite3_bind_int(stmt, 1 + (int)n *
				width(&tables[kind]), anew);
		if (code == SQLITE_OK)
			code = sqlite3_step(stmt);
		(void)sqlite3_reset(stmt);
	}
	return code == SQLITE_DONE ? 0 :
		c25_db_fail(d, code, "can't be written", err);
}

/* ---- reading ------------------------------------------------------------ */

/* A row as it comes; `why` is what is wrong with it. */
struct reading {
	struct sqlite3_stmt *stmt;
	const char *why;
};

static void
get_addr(struct reading *r, int column, const char *what,
	struct c25_addr *out)
{
	const void *bytes = NULL;
	int len = 0;

	memset(out, 0, sizeof(*out));
	if (sqlite3_column_type(r->stmt, column) == SQLITE_BLOB) {
		bytes = sqlite3_column_blob(r->stmt, column);
		len = sqlite3_column_bytes(r->stmt, column);
	}
	if (bytes != NULL && len == 4)
		*out = c25_addr_v4(bytes);
	else if (bytes != NULL && len == 16)
		*out = c25_addr_v6(bytes);
	else if (r->why == NULL)
		r->why = what;
}

/* Lives until the next step. */
static const char *
get_text(struct reading *r, int column, const char *what, size_t min,
	size_t max)
{
	const char *text = NULL;

	if (sqlite3_column_type(r->stmt, column) == SQLITE_TEXT)
		text = (const char *)sqlite3_column_text(r->stmt, column);
	if (name_good(text, min, max) && strlen(text) ==
			(size_t)sqlite3_column_bytes(r->stmt, column))
		return text;
	if (r->why == NULL)
		r->why = what;
	return "";
}

static void
get_name(struct reading *r, int column, const char *what,
	struct c25_name *out)
{
	const void *wire = sqlite3_column_blob(r->stmt, column);
	int len = sqlite3_column_bytes(r->stmt, column);

	if (wire != NULL && len <= C25_NAME_MAX &&
			c25_name_valid(wire, (size_t)len)) {
		out->len = (uint16_t)len;
		memcpy(out->wire, wire, (size_t)len);
	} else if (r->why == NULL) {
		r->why = what;
	}
}

static void
read_assignment(struct reading *r, struct c25_store_assignment *a)
{
	int64_t lease;

	get_addr(r, 0, "magic", &a->magic);
	get_name(r, 1, "domain", &a->domain);
	get_addr(r, 2, "destination", &a->destination);
	get_addr(r, 3, "transit", &a->transit);
	a->app = get_text(r, 4, "app", 1, C25_APP_NAME_MAX);
	a->connector = get_text(r, 5, "connector", 0,
		C25_CONNECTOR_NAME_MAX);
	lease = sqlite3_column_int64(r->stmt, 6);
	a->lease_s = (uint32_t)lease;
	a->stored_s = sqlite3_column_int64(r->stmt, 7);
	if (r->why == NULL && (a->magic.family != a->destination.family ||
			a->transit.family != a->destination.family))
		r->why = "families differ";
	if (r->why == NULL && (lease < 1 || lease > C25_LEASE_MAX_S))
		r->why = "lease_s";
}

static void
read_mapping(struct reading *r, const struct c25_db_meta *now,
	uint64_t now_ms, struct c25_store_mapping *m)
{
	int64_t boot = sqlite3_column_int64(r->stmt, 4);
	int64_t sent = sqlite3_column_int64(r->stmt, 5);

	m->peer = get_text(r, 0, "peer", 1, C25_APP_NAME_MAX);
	get_addr(r, 1, "transit", &m->transit);
	get_addr(r, 2, "destination", &m->destination);
	m->app = get_text(r, 3, "app", 1, C25_APP_NAME_MAX);
	if (r->why == NULL && m->transit.family != m->destination.family)
		r->why = "families differ";
	if (r->why == NULL && (sent < 0 || boot < 0))
		r->why = "boot or sent_ms";
	/* What another boot's clock said tells nothing: a whole life, from
	 * when this boot first knew it. */
	m->sent_ms = (uint64_t)(boot == now->boot ? sent : now->restored_ms);
	if (m->sent_ms > now_ms)
		m->sent_ms = now_ms;
}

/* One line for all of them. */
static void
tell_skipped(const struct c25_db *d, const char *table, size_t skipped,
	const char *why)
{
	if (skipped > 0)
		c25_log(C25_LOG_ERROR, "%s: %zu rows of table %s make no "
			"sense and are skipped; what is wrong with the first: "
			"%s", d->path, skipped, table, why);
}

/* For people; 0 if it can't be read: the walk will say so. */
static uint64_t
count_rows(struct c25_db *d, const struct table *t)
{
	struct sqlite3_stmt *stmt = NULL;
	char sql[SQL_MAX];
	uint64_t count = 0;

	(void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", t->name);
	if (prepare(d, sql, &stmt, NULL) == 0 &&
			sqlite3_step(stmt) == SQLITE_ROW)
		count = (uint64_t)sqlite3_column_int64(stmt, 0);
	(void)sqlite3_finalize(stmt);
	return count;
}

/* Walk a table: `row` judges one and hands it on. */
static int
walk(struct c25_db *d, const struct table *t,
	int (*row)(struct reading *r, void *ctx), void *ctx,
	struct c25_store_loaded *out, struct c25_error *err)
{
	struct reading reading = { 0 };
	char what[64];
	const char *first = "";
	int code = SQLITE_DONE, r;

	*out = (struct c25_store_loaded){ 0 };
	r = prepare(d, t->all, &reading.stmt, err);
	if (r != 0)
		return r;
	(void)snprintf(what, sizeof(what), "restoring %ss", t->name);
	c25_db_long_begin(d, what, count_rows(d, t));
	while (out->stopped == 0 &&
			(code = sqlite3_step(reading.stmt)) == SQLITE_ROW) {
		d->done++;
		reading.why = NULL;
		out->stopped = row(&reading, ctx);
		if (reading.why == NULL)
			out->rows++;
		else if (out->skipped++ == 0)
			first = reading.why;
	}
	if (out->stopped == 0 && code != SQLITE_DONE)
		r = c25_db_fail(d, code, "can't be read", err);
	c25_db_long_end(d);
	(void)sqlite3_finalize(reading.stmt);
	tell_skipped(d, t->name, out->skipped, first);
	return r;
}

struct to_assignments {
	int (*fn)(void *ctx, const struct c25_store_assignment *a);
	void *ctx;
	struct c25_store_assignment a;
};

static int
one_assignment(struct reading *r, void *ctx)
{
	struct to_assignments *to = ctx;

	read_assignment(r, &to->a);
	return r->why == NULL ? to->fn(to->ctx, &to->a) : 0;
}

int
c25_rows_assignments(struct c25_db *d,
	int (*fn)(void *ctx, const struct c25_store_assignment *a),
	void *ctx, struct c25_store_loaded *out, struct c25_error *err)
{
	struct to_assignments to = { .fn = fn, .ctx = ctx };

	return walk(d, &tables[C25_STORE_ASSIGNMENTS], one_assignment, &to,
		out, err);
}

struct to_mappings {
	int (*fn)(void *ctx, const struct c25_store_mapping *m);
	void *ctx;
	const struct c25_db_meta *now;
	uint64_t now_ms;
};

static int
one_mapping(struct reading *r, void *ctx)
{
	const struct to_mappings *to = ctx;
	struct c25_store_mapping m;

	read_mapping(r, to->now, to->now_ms, &m);
	return r->why == NULL ? to->fn(to->ctx, &m) : 0;
}

int
c25_rows_mappings(struct c25_db *d, const struct c25_db_meta *now,
	uint64_t now_ms,
	int (*fn)(void *ctx, const struct c25_store_mapping *m),
	void *ctx, struct c25_store_loaded *out, struct c25_error *err)
{
	struct to_mappings to = { .fn = fn, .ctx = ctx, .now = now,
		.now_ms = now_ms };

	return walk(d, &tables[C25_STORE_MAPPINGS], one_mapping, &to, out,
		err);
}

int
c25_rows_serial(struct c25_db *d, uint64_t *out, struct c25_error *err)
{
	struct sqlite3_stmt *stmt = NULL;
	int code, r = prepare(d, "SELECT max(serial) FROM assignment", &stmt,
		err);

	if (r != 0)
		return r;
	code = sqlite3_step(stmt);
	if (code == SQLITE_ROW && sqlite3_column_int64(stmt, 0) > 0)
		*out = (uint64_t)sqlite3_column_int64(stmt, 0);
	else
		*out = 0;
	(void)sqlite3_finalize(stmt);
	return code == SQLITE_ROW ? 0 :
		c25_db_fail(d, code, "can't be read", err);
}

/* Keys in their order, after the one that was last; without those that make
 * no sense, as that one has to be an address. */
static const char keys_sql[] = "SELECT magic FROM assignment"
	" WHERE magic > ?1 AND length(magic) IN (4, 16)"
	" ORDER BY magic LIMIT ?2";

int
c25_rows_keys(struct c25_db *d, struct c25_store_cursor *at, int limit,
	void (*fn)(void *ctx, const struct c25_addr *magic), void *ctx,
	struct c25_error *err)
{
	struct reading r = { 0 };
	struct c25_addr magic;
	int code, n = 0, result = prepare(d, keys_sql, &r.stmt, err);

	if (result != 0)
		return result;
	(void)sqlite3_bind_blob(r.stmt, 1, at->magic.bytes,
		(int)c25_addr_len(&at->magic), SQLITE_STATIC);
	(void)sqlite3_bind_int(r.stmt, 2, limit);
	while ((code = sqlite3_step(r.stmt)) == SQLITE_ROW) {
		get_addr(&r, 0, "magic", &magic);
		if (r.why == NULL)
			fn(ctx, &magic);
		n++;
	}
	if (n > 0)
		at->magic = magic;
	/* without memory another time is soon enough */
	at->done = n < limit || r.why != NULL;
	if (code != SQLITE_DONE)
		result = c25_db_fail(d, code, "can't be read", err);
	(void)sqlite3_finalize(r.stmt);
	return result;
}
