/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store.h - what conn25d must not forget, in the SQLite database
 * stateDir/conn25.db: the assignments of the client role, the mappings of the
 * connector role and its epoch. What is found wrong with the database is put
 * right or set aside here; what a row means is its owner's business.
 *
 * Example (start, run, stop):
 *	struct c25_store *s;
 *
 *	if (c25_store_open(&(struct c25_store_options){
 *	    .state_dir = cfg->state_dir, .run_dir = cfg->run_dir }, &s,
 *	    &err) != 0)
 *		... err says what to do; conn25d doesn't start ...
 *	r = c25_store_load_assignments(s, restore_one, table, &loaded, &err);
 *	if (r == 0)
 *		r = c25_store_start(s, &err);	from here on it is written
 *
 *	r = c25_store_put_assignment(s, &(struct c25_store_assignment){
 *	    .domain = a.domain, .destination = a.destination,
 *	    .magic = a.magic, .transit = a.transit, .app = "wiki",
 *	    .connector = "office-1", .lease_s = 300 });
 *
 *	each second:
 *	if (c25_store_wants(s, C25_STORE_ASSIGNMENTS))
 *		... put all that there are ...
 *	c25_store_close(s);			writes what is left
 *
 * Rules
 *   order      open, load what the roles need, start, then puts and removes
 *              as they come; a role that comes later loads then. Puts and
 *              removes between open and start wait for start; closing
 *              without it forgets them.
 *   threads    open, load, start and close: one and the same thread. Puts,
 *              removes, flush and statistics: any thread. From start on a
 *              thread of the store owns the database; nobody else ever
 *              waits for the disk (but for load, flush and
 *              close).
 *   process    one conn25d to a stateDir: a lock file keeps others out. A
 *              store doesn't survive fork().
 *   writing    the first change starts a clock; C25_STORE_DELAY_MS later
 *              everything that has changed is written, in transactions of
 *              up to C25_STORE_BATCH rows. A key changed again meanwhile is
 *              written once, with its newest value. While the disk fails or
 *              stalls at most one change of each key waits, besides those
 *              of the batch that is under way: none is ever dropped. A
 *              failure is logged once, with the remedy, and tried again
 *              with growing pauses.
 *   crash      kill -9 at any instruction leaves a consistent database with
 *              all that was written; so does a power failure, as each
 *              transaction is synced (synchronous=FULL: the epoch below
 *              promises peers that nothing was lost, so what is written
 *              must not be lost either).
 *   damage     a database that can't be read, isn't ours or is of another
 *              version is renamed (conn25.db.damaged-TIME,
 *              conn25.db.version-N), never written to, and a new one made.
 *              Rows that make no sense are skipped and left alone. If the
 *              file is removed, replaced or found damaged while conn25d
 *              runs, a new one is made and c25_store_wants() asks for
 *              everything again.
 *   time       mappings are dated in CLOCK_BOOTTIME, of a boot that is
 *              known by its id. Within that boot a restart leaves a mapping
 *              exactly the time it had; after a reboot it gets its whole
 *              life again. The wall clock is noted for people, and decides
 *              nothing.
 *   epoch      what a connector says as Conn25-Epoch. It stays the same
 *              over restarts as long as no mapping was lost, and changes if
 *              one was or may have been: with the database, by c25_store_
 *              epoch_renew(), when conn25d died with mappings accepted and
 *              not written yet (a mark in runDir tells), or when the
 *              machine went down without conn25d being stopped.
 */
#ifndef CONN25_STORE_H
#define CONN25_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn25/addr.h"
#include "conn25/error.h"
#include "conn25/name.h"

#define C25_STORE_FILE "conn25.db"		/* in stateDir */
#define C25_STORE_MARK_FILE "unsaved"		/* in runDir */
#define C25_STORE_DELAY_MS 50	/* to the start of writing: with the time it
				 * takes, within 100 ms */
#define C25_STORE_BATCH 16384	/* rows in a transaction */
#define C25_STORE_EPOCH_MAX 33	/* with its NUL */

struct c25_store;

struct c25_store_options {
	const char *state_dir;
	const char *run_dir;		/* NULL: no mark of what is unsaved */
	const char *boot_id;		/* for tests; NULL: the kernel's */
};

enum c25_store_kind { C25_STORE_ASSIGNMENTS, C25_STORE_MAPPINGS };
#define C25_STORE_KINDS 2

/* Client role. The key is the magic address: an assignment that gets it takes
 * the place of the one that had it. */
struct c25_store_assignment {
	struct c25_name domain;
	struct c25_addr destination;
	struct c25_addr magic;
	struct c25_addr transit;
	const char *app;		/* 1..C25_APP_NAME_MAX bytes */
	const char *connector;		/* ..C25_CONNECTOR_NAME_MAX bytes, ""
					 * for none */
	uint32_t lease_s;		/* length, 1..C25_LEASE_MAX_S */
	bool anew;			/* of a put: it is another one than
					 * what the key had, also where the
					 * contents are the same */
	int64_t stored_s;		/* wall clock when it was written or
					 * last changed, for people; a put
					 * doesn't look at it */
};

/* Connector role. The key is (peer, transit). */
struct c25_store_mapping {
	const char *peer;		/* 1..C25_APP_NAME_MAX bytes */
	const char *app;		/* 1..C25_APP_NAME_MAX bytes */
	struct c25_addr transit;
	struct c25_addr destination;
	uint64_t sent_ms;		/* c25_now_ms() when last sent; when
					 * loaded, never later than now */
};

/* ---- life --------------------------------------------------------------- */

/*
 * Make stateDir if there is none, lock it, open the database or make one.
 * Setting a database aside is logged.
 * Owns: the store, until c25_store_close().
 * Returns: 0; -EBUSY (another conn25d); -ENOENT, -EACCES, -EROFS, -ENOTDIR
 * (the directory); -ENOSPC, -EIO, -ENOMEM, other -errno. err names the
 * directory or file, and the remedy.
 */
int c25_store_open(const struct c25_store_options *options,
	struct c25_store **out, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * Begin to write. Notes this boot, and that conn25d runs.
 * Returns: 0; -EAGAIN (no thread); -EIO, -ENOSPC, other -errno of the first
 * write.
 */
int c25_store_start(struct c25_store *s, struct c25_error *err)
	__attribute__((warn_unused_result));

/* Write what is left (if it was started), and close. What can't be written is
 * logged. NULL is fine. */
void c25_store_close(struct c25_store *s);

/* ---- loading ------------------------------------------------------------- */

struct c25_store_loaded {
	size_t rows;			/* given to the callback */
	size_t skipped;			/* rows that make no sense; the first
					 * was logged */
	int stopped;			/* what the callback returned */
};

/*
 * Give every row to `fn`, of assignments those first that were put or changed
 * last, so that of two with the same domain and destination, or the same
 * transit address, the second one has ended; of mappings in no particular
 * order. What it points to lives
 * until `fn` returns. `fn` may put and remove. If it returns other than 0 the
 * rest is left out. After c25_store_start() it waits for what is being written,
 * and what is put or removed meanwhile is written afterwards; what waits to be
 * written isn't seen.
 * Returns: 0; what fn returned; -EIO, -ENOMEM. Damage that shows only here
 * sets the database aside as ever: 0, and c25_store_wants() asks for what was
 * loaded.
 */
int c25_store_load_assignments(struct c25_store *s,
	int (*fn)(void *ctx, const struct c25_store_assignment *a),
	void *ctx, struct c25_store_loaded *out, struct c25_error *err)
	__attribute__((warn_unused_result));
int c25_store_load_mappings(struct c25_store *s,
	int (*fn)(void *ctx, const struct c25_store_mapping *m),
	void *ctx, struct c25_store_loaded *out, struct c25_error *err)
	__attribute__((warn_unused_result));

/* ---- changes: any thread, never waits ----------------------------------- */

/*
 * Keep it, in place of what its key had before. One that is there already
 * with the same contents costs no write (an assignment's lease is a length:
 * renewing it changes nothing), unless it is put `anew`. A renewed mapping is
 * put again with its new sent_ms.
 * Returns: 0; -EINVAL (lengths, families, values out of range); -ENOMEM
 * (c25_store_wants() will ask for it).
 */
int c25_store_put_assignment(struct c25_store *s,
	const struct c25_store_assignment *a)
	__attribute__((warn_unused_result));
int c25_store_put_mapping(struct c25_store *s,
	const struct c25_store_mapping *m)
	__attribute__((warn_unused_result));

/* Forget it; fine when it isn't there. Returns: 0; -EINVAL; -ENOMEM. */
int c25_store_remove_assignment(struct c25_store *s,
	const struct c25_addr *magic) __attribute__((warn_unused_result));
int c25_store_remove_mapping(struct c25_store *s, const char *peer,
	const struct c25_addr *transit)
	__attribute__((warn_unused_result));

/*
 * Has what was stored been lost while conn25d runs, so that everything there
 * is of this kind must be put again? True once for each loss. Ask each
 * second or so.
 */
bool c25_store_wants(struct c25_store *s, enum c25_store_kind kind);

/*
 * Walk through the database in pieces, and remove each assignment of whose
 * magic address alive() says that nobody has it: one may have ended without
 * anybody noticing. If a walk
 * is under way another one follows. Walks take no more than a small part of
 * the time.
 * Threads: alive() is called by the store's own thread, until
 * c25_store_close().
 */
void c25_store_sweep_assignments(struct c25_store *s,
	bool (*alive)(void *ctx, const struct c25_addr *magic), void *ctx);

/* All mappings have been put again. Until then a crash would show as lost
 * state; see "epoch". */
void c25_store_mappings_complete(struct c25_store *s);

/* ---- epoch -------------------------------------------------------------- */

/* 32 hexadecimal digits; lives as long as the store. */
const char *c25_store_epoch(const struct c25_store *s);

/* Mappings were lost: another one, please. Before c25_store_start(). */
void c25_store_epoch_renew(struct c25_store *s);

/* ---- watching it -------------------------------------------------------- */

struct c25_store_stats {
	uint64_t pending;		/* changes not written yet */
	uint64_t written;		/* changes written */
	uint64_t failed;		/* attempts that failed */
	bool failing;			/* ... the last one did */
};
void c25_store_stats(struct c25_store *s, struct c25_store_stats *out);

/*
 * Wait until everything put before is written, trying now also if an attempt
 * failed just before. For tests and tools: it waits for the disk.
 * Returns: 0; -EIO when the attempt failed.
 */
int c25_store_flush(struct c25_store *s) __attribute__((warn_unused_result));

#endif
