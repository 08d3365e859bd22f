/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The database as a file: opening and checking it, setting it aside when it
 * can't be used, making a new one, transactions, and what SQLite's errors
 * mean. What is in its rows is in store_rows.c.
 */

#include "store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium/randombytes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conn25/log.h"
#include "conn25/table.h"

#define SCHEMA_VERSION 3
#define APPLICATION_ID 0x43323564	/* "C25d" */
#define BUSY_MS 5000			/* others who look into it */
#define OPERATIONS 20000	/* of SQLite: some milliseconds */
#define EPOCH_LEN (C25_STORE_EPOCH_MAX - 1)

#define STRING(n) STRING_OF(n)
#define STRING_OF(n) #n

static const char settings[] =
	"PRAGMA synchronous = FULL;"
	"PRAGMA journal_size_limit = 4194304;"
	"PRAGMA cache_size = -16384;"		/* KiB, at most */
	"PRAGMA temp_store = MEMORY;"
	"PRAGMA cell_size_check = ON;";

static const char meta_schema[] =
	"CREATE TABLE meta (one INTEGER PRIMARY KEY, epoch TEXT NOT NULL,"
	"  boot_id TEXT NOT NULL, boot INTEGER NOT NULL,"
	"  restored_ms INTEGER NOT NULL, clean INTEGER NOT NULL) STRICT;"
	"PRAGMA application_id = " STRING(APPLICATION_ID) ";"
	"PRAGMA user_version = " STRING(SCHEMA_VERSION) ";";

/* The database itself first: without it the others mean nothing. */
static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
#define SUFFIXES (sizeof(suffixes) / sizeof(*suffixes))

/* ---- errors ------------------------------------------------------------- */

/* What the system said, 0 if that isn't known. SQLite doesn't always keep
 * it; then errno has it still, which c25_db_begin() cleared. */
static int
system_errno(const struct c25_db *d)
{
	int now = errno, kept = d->sqlite == NULL ? 0 :
		sqlite3_system_errno(d->sqlite);

	return kept != 0 ? kept : now == ENOSPC || now == EDQUOT ||
		now == EFBIG || now == EIO ? now : 0;
}

static int
to_errno(const struct c25_db *d, int code)
{
	int e = system_errno(d);

	switch (code & 0xff) {
	case SQLITE_NOMEM:
		return ENOMEM;
	case SQLITE_FULL:
		return ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return EBUSY;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return EROFS;
	case SQLITE_CANTOPEN:
		return e == ENOSPC || e == EMFILE || e == ENFILE ? e : EACCES;
	case SQLITE_IOERR:
		if (code == SQLITE_IOERR_NOMEM)
			return ENOMEM;
		if (code == SQLITE_IOERR_CORRUPTFS ||
				code == SQLITE_IOERR_SHORT_READ)
			return EUCLEAN;
		return e == ENOSPC || e == EDQUOT ? ENOSPC :
			e == EFBIG ? EFBIG : EIO;
	case SQLITE_CONSTRAINT:
		return EINVAL;	/* sound, but it won't have the row */
	default:	/* CORRUPT, NOTADB, ERROR: not what we made */
		return EUCLEAN;
	}
}

static const char *
remedy(int e)
{
	switch (e) {
	case ENOMEM:
		return "conn25d needs more memory";
	case ENOSPC:
		return "make room on its file system";
	case EFBIG:
		return "raise conn25d's limit of file sizes";
	case EBUSY:
		return "end the program that has it locked";
	case EROFS:
	case EACCES:
		return "give conn25d's user write access to it";
	case EMFILE:
	case ENFILE:
		return "raise the limit of open files";
	case EINVAL:
		return "undo what was changed in its tables";
	default:
		return "check the disk";
	}
}

int
c25_db_fail(struct c25_db *d, int code, const char *what,
	struct c25_error *err)
{
	int system = system_errno(d), e = to_errno(d, code);
	const char *text = d->sqlite == NULL ||
		sqlite3_extended_errcode(d->sqlite) != code ?
		sqlite3_errstr(code) : sqlite3_errmsg(d->sqlite);

	if (e == EUCLEAN)	/* a part of the message of set_aside() */
		return c25_fail(err, -e, "%s", text);
	return c25_fail(err, -e, "%s: %s: %s%s%s%s: %s", d->path, what, text,
		system != 0 ? " (" : "", system != 0 ? strerror(system) : "",
		system != 0 ? ")" : "", remedy(e));
}

static int
run(struct c25_db *d, const char *sql, const char *what,
	struct c25_error *err)
{
	int code = sqlite3_exec(d->sqlite, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : c25_db_fail(d, code, what, err);
}

int
c25_db_begin(struct c25_db *d, struct c25_error *err)
{
	c25_db_rollback(d);
	errno = 0;
	return run(d, "BEGIN IMMEDIATE", "can't be written", err);
}

int
c25_db_commit(struct c25_db *d, struct c25_error *err)
{
	return run(d, "COMMIT", "can't be written", err);
}

void
c25_db_rollback(struct c25_db *d)
{
	if (d->sqlite != NULL && !sqlite3_get_autocommit(d->sqlite))
		(void)sqlite3_exec(d->sqlite, "ROLLBACK", NULL, NULL, NULL);
}

/* ---- meta --------------------------------------------------------------- */

void
c25_db_epoch(char epoch[static C25_STORE_EPOCH_MAX])
{
	uint8_t id[EPOCH_LEN / 2];

	randombytes_buf(id, sizeof(id));
	for (size_t i = 0; i < sizeof(id); i++)
		(void)snprintf(epoch + 2 * i, 3, "%02x", id[i]);
}

int
c25_db_meta_write(struct c25_db *d, const struct c25_db_meta *meta,
	struct c25_error *err)
{
	struct sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(d->sqlite, "INSERT OR REPLACE INTO meta"
		" VALUES (1, ?1, ?2, ?3, ?4, ?5)", -1, &stmt, NULL);

	if (code == SQLITE_OK) {
		(void)sqlite3_bind_text(stmt, 1, meta->epoch, -1,
			SQLITE_STATIC);
		(void)sqlite3_bind_text(stmt, 2, meta->boot_id, -1,
			SQLITE_STATIC);
		(void)sqlite3_bind_int64(stmt, 3, meta->boot);
		(void)sqlite3_bind_int64(stmt, 4, meta->restored_ms);
		(void)sqlite3_bind_int(stmt, 5, meta->clean);
		code = sqlite3_step(stmt);
	}
	(void)sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? 0 :
		c25_db_fail(d, code, "can't be written", err);
}

static void
get_text(struct sqlite3_stmt *stmt, int column, char *out, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	(void)snprintf(out, size, "%s", text == NULL ? "" : text);
}

/* The epoch becomes a header of HTTP: nothing but what we make. */
static bool
meta_good(const struct c25_db_meta *m)
{
	return strlen(m->epoch) == EPOCH_LEN &&
		strspn(m->epoch, "0123456789abcdef") == EPOCH_LEN &&
		m->boot >= 1 && m->boot < INT64_MAX && m->restored_ms >= 0;
}

static int
meta_read(struct c25_db *d, struct c25_error *err)
{
	struct c25_db_meta *m = &d->meta;
	struct sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(d->sqlite, "SELECT epoch, boot_id,"
		" boot, restored_ms, clean FROM meta WHERE one = 1", -1,
		&stmt, NULL);
	int r = -EUCLEAN;

	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (code == SQLITE_ROW) {
		get_text(stmt, 0, m->epoch, sizeof(m->epoch));
		get_text(stmt, 1, m->boot_id, sizeof(m->boot_id));
		m->boot = sqlite3_column_int64(stmt, 2);
		m->restored_ms = sqlite3_column_int64(stmt, 3);
		m->clean = sqlite3_column_int(stmt, 4) != 0;
		r = meta_good(m) ? 0 : c25_fail(err, -EUCLEAN,
			"its table meta makes no sense");
	} else if (code == SQLITE_DONE) {
		c25_fail(err, r, "its table meta is empty");
	} else {
		r = c25_db_fail(d, code, "can't be read", err);
	}
	(void)sqlite3_finalize(stmt);
	return r;
}

/* ---- opening ------------------------------------------------------------ */

static int
connect_to(struct c25_db *d, const char *path, struct c25_error *err)
{
	int code;

	/* nobody asks for statistics of its memory, and they cost a lock for
	 * each piece of it */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	code = sqlite3_open_v2(path, &d->sqlite, SQLITE_OPEN_READWRITE |
		SQLITE_OPEN_NOMUTEX, NULL);

	if (code != SQLITE_OK)
		return c25_db_fail(d, code, "can't be opened", err);
	(void)sqlite3_extended_result_codes(d->sqlite, 1);
	(void)sqlite3_busy_timeout(d->sqlite, BUSY_MS);
	/* Whoever wrote the file: nothing in it runs. */
	(void)sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1,
		NULL);
	(void)sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0,
		NULL);
	(void)sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0,
		NULL);
	(void)sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_ENABLE_VIEW, 0,
		NULL);
	return 0;
}

static int
ask_number(struct c25_db *d, const char *sql, int64_t *out,
	struct c25_error *err)
{
	struct sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(d->sqlite, sql, -1, &stmt, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		*out = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_finalize(stmt);
	return code == SQLITE_ROW ? 0 :
		c25_db_fail(d, code, "can't be read", err);
}

/* Called by SQLite as it works, also where it gives no rows, as it sorts. */
static int
on_operations(void *ctx)
{
	struct c25_db *d = ctx;

	c25_progress_step(&d->progress, d->done, c25_now_ms());
	return 0;
}

void
c25_db_long_begin(struct c25_db *d, const char *what, uint64_t total)
{
	d->done = 0;
	c25_progress_begin(&d->progress, what, total, c25_now_ms());
	sqlite3_progress_handler(d->sqlite, OPERATIONS, on_operations, d);
}

void
c25_db_long_end(struct c25_db *d)
{
	sqlite3_progress_handler(d->sqlite, 0, NULL, NULL);
	c25_progress_end(&d->progress);
}

static int
quick_check(struct c25_db *d, struct c25_error *err)
{
	struct sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(d->sqlite, "PRAGMA quick_check(1)", -1,
		&stmt, NULL);
	char text[200] = "";
	const char *number;

	c25_db_long_begin(d, "checking the database", 0);
	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	c25_db_long_end(d);
	if (code == SQLITE_ROW)
		get_text(stmt, 0, text, sizeof(text));
	(void)sqlite3_finalize(stmt);
	if (code != SQLITE_ROW)
		return c25_db_fail(d, code, "can't be read", err);
	if (strcmp(text, "ok") == 0)
		return 0;
	/* It takes a disk that can't be read for damage, too; only its
	 * words tell them apart. */
	number = strstr(text, "error code=");
	if (number != NULL) {
		code = atoi(number + strlen("error code="));
		if ((code & 0xff) == SQLITE_IOERR)
			return c25_db_fail(d, code, "can't be read", err);
	}
	return c25_fail(err, -EUCLEAN, "%s", text);
}

/* Is the file of ours, and of which version? */
static int
identify(struct c25_db *d, int64_t *version, struct c25_error *err)
{
	int64_t id;
	int r;

	if ((r = ask_number(d, "PRAGMA application_id", &id, err)) != 0 ||
			(r = ask_number(d, "PRAGMA user_version", version,
			err)) != 0)
		return r;
	if (id != APPLICATION_ID || *version < 1)
		return c25_fail(err, -EUCLEAN, "no database of conn25");
	if (*version != SCHEMA_VERSION)
		return c25_fail(err, -EPROTO, "of version %lld, and this "
			"conn25d knows none but %d",
			(long long)*version, SCHEMA_VERSION);
	if (sqlite3_db_readonly(d->sqlite, "main") != 1)
		return 0;
	/* or is it only its header that says so, in the write version? */
	if (faccessat(AT_FDCWD, d->path, W_OK, AT_EACCESS) == 0)
		return c25_fail(err, -EUCLEAN, "of a version that this "
			"SQLite can't write");
	return c25_fail(err, -EROFS, "%s: can't be written: give conn25d's "
		"user write access to it", d->path);
}

/* Returns: -ENOENT, -EUCLEAN, -EPROTO: there is none to be used. */
static int
open_existing(struct c25_db *d, int64_t *version, struct c25_error *err)
{
	struct stat st;
	int r;

	if (lstat(d->path, &st) != 0)
		return c25_fail(err, -errno, "%s: %s: give conn25d's user "
			"access", d->path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return c25_fail(err, -EUCLEAN, S_ISREG(st.st_mode) ?
			"it is empty" : "it is no regular file");
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	r = connect_to(d, d->path, err);
	if (r == 0)
		r = identify(d, version, err);
	if (r == 0)
		r = run(d, "PRAGMA journal_mode = WAL", "can't be opened",
			err);
	if (r == 0)
		r = run(d, settings, "can't be opened", err);
	if (r == 0)
		r = quick_check(d, err);
	if (r == 0)
		r = c25_rows_prepare(d, err);
	if (r == 0)
		r = meta_read(d, err);
	if (r != 0)
		c25_db_close(d, false);
	return r;
}

void
c25_db_close(struct c25_db *d, bool checkpoint)
{
	c25_rows_finalize(d);
	if (d->sqlite == NULL)
		return;
	c25_db_rollback(d);
	(void)sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
		!checkpoint, NULL);
	(void)sqlite3_close(d->sqlite);
	d->sqlite = NULL;
}

bool
c25_db_gone(const struct c25_db *d)
{
	struct stat st;

	if (stat(d->path, &st) != 0)
		return errno == ENOENT || errno == ENOTDIR;
	return st.st_dev != d->dev || st.st_ino != d->ino;
}

/* ---- setting aside, making anew ----------------------------------------- */

static bool
exists(const char *base, const char *suffix)
{
	char path[4200];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s%s", base, suffix);
	return lstat(path, &st) == 0;
}

static bool
any_exists(const char *base)
{
	size_t i;

	for (i = 0; i < SUFFIXES; i++)
		if (exists(base, suffixes[i]))
			return true;
	return false;
}

/* A name that nothing has yet; the time is in it unless it is a version's. */
static void
aside_name(const struct c25_db *d, int64_t version, char *out, size_t size)
{
	char base[4150], stamp[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	int n;

	(void)strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ",
		gmtime_r(&now, &tm));
	if (version != 0)
		(void)snprintf(base, sizeof(base), "%s.version-%lld",
			d->path, (long long)version);
	else
		(void)snprintf(base, sizeof(base), "%s.damaged-%s", d->path,
			stamp);
	(void)snprintf(out, size, "%s", base);
	for (n = 1; any_exists(out); n++)
		(void)snprintf(out, size, "%s.%d", base, n);
}

/* Move whatever has the database's name out of the way. */
static int
set_aside(struct c25_db *d, int64_t version, const char *why,
	struct c25_error *err)
{
	char to[4170], from[4200], target[4200];
	size_t i;

	if (!any_exists(d->path))
		return 0;
	aside_name(d, version, to, sizeof(to));
	for (i = 0; i < SUFFIXES; i++) {
		if (!exists(d->path, suffixes[i]))
			continue;
		(void)snprintf(from, sizeof(from), "%s%s", d->path,
			suffixes[i]);
		(void)snprintf(target, sizeof(target), "%s%s", to,
			suffixes[i]);
		if (rename(from, target) != 0)
			return c25_fail(err, -errno, "%s: can't be used (%s) "
				"nor renamed: %s: move it away", from, why,
				strerror(errno));
	}
	c25_log(C25_LOG_ERROR, "%s: can't be used: %s: kept as %s; going on "
		"with a new, empty one", d->path, why, to);
	return 0;
}

/* Everything in a new file. */
static int
fill(struct c25_db *d, const struct c25_db_meta *meta, struct c25_error *err)
{
	int r = run(d, "BEGIN IMMEDIATE", "can't be made", err);

	if (r == 0)
		r = run(d, c25_rows_schema, "can't be made", err);
	if (r == 0)
		r = run(d, meta_schema, "can't be made", err);
	if (r == 0)
		r = c25_db_meta_write(d, meta, err);
	if (r == 0)
		r = run(d, "COMMIT", "can't be made", err);
	return r == -EUCLEAN ? -EIO : r;
}

static void
sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		(void)fsync(fd);
		(void)close(fd);
	}
}

/* Under another name first, so that what has ours is always whole. */
static int
make(struct c25_db *d, struct c25_error *err)
{
	/* clean: nobody has ever run with it, nothing is missing */
	struct c25_db_meta meta = { .boot = 1, .clean = true };
	char path[4150], name[4200];
	size_t i;
	int fd, r;

	c25_db_epoch(meta.epoch);
	(void)snprintf(path, sizeof(path), "%s.new", d->path);
	for (i = 0; i < SUFFIXES; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		(void)unlink(name);
	}
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return c25_fail(err, -errno, "%s: can't be made: %s: %s",
			path, strerror(errno), remedy(errno));
	(void)close(fd);
	r = connect_to(d, path, err);
	if (r == 0)
		r = fill(d, &meta, err);
	c25_db_close(d, true);
	if (r == 0 && rename(path, d->path) != 0)
		r = c25_fail(err, -errno, "%s: can't be renamed: %s: give "
			"conn25d's user write access to %s", path,
			strerror(errno), d->dir);
	if (r != 0) {
		(void)unlink(path);
		return r;
	}
	sync_dir(d->dir);
	return 0;
}

/* Set aside what is there, make a new one and open it. */
static int
replace(struct c25_db *d, int64_t version, const char *why,
	struct c25_error *err)
{
	int64_t ours;
	int r = set_aside(d, version, why, err);

	if (r == 0)
		r = make(d, err);
	if (r == 0)
		r = open_existing(d, &ours, err);
	if (r == -EUCLEAN || r == -EPROTO || r == -ENOENT) {
		char text[sizeof(err->text)];

		(void)snprintf(text, sizeof(text), "%s", err->text);
		r = c25_fail(err, -EIO, "%s: made anew and can't be used: "
			"%s: check the disk", d->path, text);
	}
	return r;
}

int
c25_db_open(struct c25_db *d, bool *fresh, struct c25_error *err)
{
	struct c25_error why = { "" };
	int64_t version = 0;
	int r = open_existing(d, &version, &why);

	*fresh = r == -ENOENT || r == -EUCLEAN || r == -EPROTO;
	if (*fresh)
		return replace(d, r == -EPROTO ? version : 0, r == -ENOENT ?
			"the file itself is missing, others that belong to "
			"it are there" : why.text, err);
	if (r != 0)
		return c25_fail(err, r, "%s", why.text);
	return 0;
}

int
c25_db_renew(struct c25_db *d, const char *why, struct c25_error *err)
{
	c25_db_close(d, false);
	return replace(d, 0, why, err);
}
