/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store_private.h - between the files of the store; nobody else includes it.
 *
 *   store.c        the API, the queue and the thread that writes
 *   store_set.c    changes that wait, one of each key; pure
 *   store_rows.c   rows <-> bytes <-> SQL
 *   store_db.c     the file: opening, checking, setting aside, making anew
 *   store_mark.c   the mark in runDir: mappings accepted and not written
 */
#ifndef CONN25_STORE_PRIVATE_H
#define CONN25_STORE_PRIVATE_H

#include <sys/types.h>

#include "progress.h"
#include "store.h"

/* ---- store_set.c -------------------------------------------------------- */

/* Bytes of the longest row: two names, four addresses, numbers. */
#define C25_ROW_MAX 1024

/* What is to be done with a row. */
enum c25_change_what {
	C25_CHANGE_PUT,			/* nothing if it is there as it is */
	C25_CHANGE_REMOVE,
	C25_CHANGE_PUT_ANEW,		/* with a new serial number anyway */
};

/* One change, encoded. */
struct c25_change {
	uint16_t key_len;		/* the key is the first of the bytes */
	uint16_t len;			/* key and, unless removed, values */
	uint16_t room;			/* allocated for bytes */
	uint8_t kind;			/* enum c25_store_kind */
	bool remove;
	bool anew;			/* the serial is written anyway */
	uint64_t serial;		/* of the put that made it as it is */
	uint8_t bytes[];
};

struct c25_set_chunk;
struct c25_set_slot;

/* Changes, at most one of a key. */
struct c25_set {
	uint8_t key[16];		/* of the hash */
	struct c25_set_slot *slots;	/* open addressing */
	size_t mask;			/* slots - 1; 0: none yet */
	size_t count;
	size_t kinds[C25_STORE_KINDS];	/* of these */
	uint64_t serial;		/* of the last put; goes on over
					 * c25_set_clear(), and a restart */
	struct c25_set_chunk *first, *last;
};

struct c25_set_cursor {
	struct c25_set_chunk *chunk;
	size_t at;
	bool begun;
};

/*
 * Put a change in place of the one with the same kind and key. A put in place
 * of another one that is anew, or of a removal, is anew.
 * Returns: 0; -ENOMEM, and the set is as before.
 */
int c25_set_put(struct c25_set *set, enum c25_store_kind kind,
	enum c25_change_what what, const uint8_t *bytes, size_t key_len,
	size_t len)
	__attribute__((warn_unused_result));

/* Walk, in no particular order; start with all zero. Returns: NULL at the
 * end. */
const struct c25_change *c25_set_next(const struct c25_set *set,
	struct c25_set_cursor *cursor);

/*
 * All changes by kind, what is removed first, and key, NULL behind the last:
 * written in this order neighbours in the database are written together, and
 * if only some of it is written, then there aren't too many rows.
 * Owns: the list is the caller's to free; what it points to is the set's.
 * Returns: NULL without memory.
 */
const struct c25_change **c25_set_sorted(const struct c25_set *set);

/* Forget all and give back the memory; the hash key stays. */
void c25_set_clear(struct c25_set *set);

/* ---- store_rows.c ------------------------------------------------------- */

/* A row on its way into a set. */
struct c25_row {
	uint8_t bytes[C25_ROW_MAX];
	size_t key_len, len;
};

/* Check and encode. Returns: 0; -EINVAL. */
int c25_row_assignment(struct c25_row *row,
	const struct c25_store_assignment *a)
	__attribute__((warn_unused_result));
int c25_row_assignment_key(struct c25_row *row,
	const struct c25_addr *magic) __attribute__((warn_unused_result));
int c25_row_mapping(struct c25_row *row, const struct c25_store_mapping *m,
	int64_t boot) __attribute__((warn_unused_result));
int c25_row_mapping_key(struct c25_row *row, const char *peer,
	const struct c25_addr *transit) __attribute__((warn_unused_result));

/* ---- store_db.c --------------------------------------------------------- */

struct sqlite3;
struct sqlite3_stmt;

/* The one row of the table `meta`. */
struct c25_db_meta {
	char epoch[C25_STORE_EPOCH_MAX];	/* of the connector */
	char boot_id[64];		/* the kernel's name of a boot */
	int64_t boot;			/* ours: 1, 2, ... */
	int64_t restored_ms;		/* CLOCK_BOOTTIME of the first start in
					 * that boot */
	bool clean;			/* stopped with everything written */
};

struct c25_db {
	const char *dir;		/* stateDir */
	char path[4096];		/* of the file */
	struct sqlite3 *sqlite;		/* NULL: not open */
	struct sqlite3_stmt *put[C25_STORE_KINDS];
	struct sqlite3_stmt *put_many[C25_STORE_KINDS];
	struct sqlite3_stmt *remove[C25_STORE_KINDS];
	dev_t dev;			/* the file that is open */
	ino_t ino;
	struct c25_db_meta meta;	/* as it was read or made */
	struct c25_progress progress;	/* of long work, */
	uint64_t done;			/* rows */
};

/*
 * Open the database, or make one if there is none that can be used; what is
 * set aside is logged. `fresh` tells.
 * Returns: 0; -errno with err set, and nothing is open.
 */
int c25_db_open(struct c25_db *d, bool *fresh, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * Close, set aside what is there under the name (if anything), make a new
 * one. Returns: as c25_db_open().
 */
int c25_db_renew(struct c25_db *d, const char *why, struct c25_error *err)
	__attribute__((warn_unused_result));

/* Close; `checkpoint`: move the log into the file first. */
void c25_db_close(struct c25_db *d, bool checkpoint);

/* Is the open file no longer the one under that name? Costs a stat(2). */
bool c25_db_gone(const struct c25_db *d);

/* Returns: 0; -errno with err set; -EUCLEAN: damaged. */
int c25_db_begin(struct c25_db *d, struct c25_error *err)
	__attribute__((warn_unused_result));
int c25_db_commit(struct c25_db *d, struct c25_error *err)
	__attribute__((warn_unused_result));
void c25_db_rollback(struct c25_db *d);

/* Write the table `meta`. Returns: as above. */
int c25_db_meta_write(struct c25_db *d, const struct c25_db_meta *meta,
	struct c25_error *err) __attribute__((warn_unused_result));

/*
 * Make an error of SQLite's code: "stateDir X: what: why: what to do".
 * Returns: -EUCLEAN (damaged), -EINVAL (a constraint: it is sound), -ENOSPC,
 * -EIO, -EROFS, -EBUSY, -ENOMEM.
 */
int c25_db_fail(struct c25_db *d, int code, const char *what,
	struct c25_error *err);

/* What follows may take long: show how far it is, by d->done, until its end.
 * `total` 0: it can't be counted. */
void c25_db_long_begin(struct c25_db *d, const char *what, uint64_t total);
void c25_db_long_end(struct c25_db *d);

/* A new random epoch. */
void c25_db_epoch(char epoch[static C25_STORE_EPOCH_MAX]);

/* ---- store_rows.c, with a database -------------------------------------- */

/* The schema's tables, and the statements for them. */
extern const char c25_rows_schema[];
int c25_rows_prepare(struct c25_db *d, struct c25_error *err)
	__attribute__((warn_unused_result));
void c25_rows_finalize(struct c25_db *d);

/* Write changes, best in the order of c25_set_sorted(). Returns: 0; -errno
 * with err set, and some may be written; -EUCLEAN. */
int c25_rows_write(struct c25_db *d, const struct c25_change *const *list,
	size_t count, struct c25_error *err)
	__attribute__((warn_unused_result));

/* The highest serial number of an assignment. Returns: as above. */
int c25_rows_serial(struct c25_db *d, uint64_t *out, struct c25_error *err)
	__attribute__((warn_unused_result));

/* See c25_store_load_*(); `now_ms` is the present in CLOCK_BOOTTIME. */
int c25_rows_assignments(struct c25_db *d,
	int (*fn)(void *ctx, const struct c25_store_assignment *a),
	void *ctx, struct c25_store_loaded *out, struct c25_error *err)
	__attribute__((warn_unused_result));
int c25_rows_mappings(struct c25_db *d, const struct c25_db_meta *now,
	uint64_t now_ms,
	int (*fn)(void *ctx, const struct c25_store_mapping *m),
	void *ctx, struct c25_store_loaded *out, struct c25_error *err)
	__attribute__((warn_unused_result));

/* Where a walk through the keys is. */
struct c25_store_cursor {
	struct c25_addr magic;
	bool done;
};

/* Give the next `limit` keys of assignments to fn. Returns: as above. */
int c25_rows_keys(struct c25_db *d, struct c25_store_cursor *at, int limit,
	void (*fn)(void *ctx, const struct c25_addr *magic), void *ctx,
	struct c25_error *err) __attribute__((warn_unused_result));

/* ---- store_mark.c ------------------------------------------------------- */

struct c25_mark;

/* Open or make it. Owns: *out. Returns: 0; -errno with err set. */
int c25_mark_open(const char *run_dir, struct c25_mark **out,
	struct c25_error *err) __attribute__((warn_unused_result));
void c25_mark_close(struct c25_mark *m);	/* NULL is fine */

/* Did an earlier conn25d with this epoch leave it set? */
bool c25_mark_found(const struct c25_mark *m, const char *epoch);

/* It is for this epoch from now on, and not set. */
void c25_mark_begin(struct c25_mark *m, const char *epoch);

/* Are there mappings accepted and not written? A store, no system call; the
 * page outlives the process. NULL is fine. */
void c25_mark_set(struct c25_mark *m, bool unsaved);

#endif
