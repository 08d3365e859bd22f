/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table.h - the shared table: who has which magic and transit address.
 *
 * conn25d creates it in runDir; the module in Unbound reserves in it; conn25d
 * reads it and tells the connectors. This header is the whole interface; the
 * bytes are described in layout.h, the policy in policy.h.
 *
 * Example (module side):
 *	struct c25_table *t;
 *	struct c25_error err;
 *	struct c25_assignment a;
 *
 *	if (c25_table_attach("/run/conn25", &t, &err) != 0)
 *		... pass through, try again in a second ...
 *	r = c25_table_reserve(t, policy, &(struct c25_want){ .name = n,
 *		.destination = dst, .app = m.app, .ttl_s = 300 }, &a);
 *	if (r == 0)
 *		... answer with a.magic; if (a.created) ring the doorbell ...
 *
 * Rules
 *   threads    a handle may be used by any number of threads at once.
 *   processes  any number; lookups and renewals take no lock and make no
 *              system call (the clock is read through the vDSO); new
 *              reservations and everything marked `Locks: table` take one
 *              robust lock between the processes (layout.h).
 *   fork       a handle does not survive fork(): attach again.
 *   crash      any process may die at any instruction. Whoever takes the
 *              lock next sees that its holder is dead and rebuilds every
 *              index from the slots before going on; a slot counts from the
 *              moment its last write (the even sequence number) is there.
 *   hostile    whatever the bytes say, no access leaves the mapping and no
 *              walk is longer than the table; damage is -EUCLEAN.
 *   cut        who may write to the file may make it shorter, and then an
 *              access to what is gone is a SIGBUS: Unix knows no way to keep
 *              them from it that leaves the file its name (a sealed memfd has
 *              none, and an Unbound that starts alone would not find it).
 *              c25_table_replaced() looks at the size before it looks at the
 *              memory, and puts harmless memory in the place of a file that
 *              was cut; asked once a second that is in time only if nobody
 *              else came sooner. So there is no protection against root and
 *              the members of the file's group, who are to be Unbound's user
 *              and conn25d's and nobody else.
 *   time       milliseconds of CLOCK_BOOTTIME; a boot id in the header makes
 *              a table from before a reboot unusable (-ESTALE).
 */
#ifndef CONN25_TABLE_H
#define CONN25_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "conn25/addr.h"
#include "conn25/error.h"
#include "conn25/histogram.h"
#include "conn25/name.h"
#include "conn25/policy.h"

/* Files in runDir. */
#define C25_TABLE_FILE "table"
#define C25_POLICY_FILE_FORMAT "policy.%llu"	/* generation */
#define C25_DOORBELL_FILE "doorbell.sock"
#define C25_CONTROL_FILE "control.sock"
#define C25_LOCK_FILE "conn25d.lock"
#define C25_RUN_DIR_DEFAULT "/run/conn25"
#define C25_RUN_DIR_ENV "CONN25_RUN_DIR"

#define C25_LEASE_MIN_S 60
#define C25_LEASE_MAX_S (72 * 3600)

/* When the lease of an address ends, at the least, that is given to a client
 * now with this TTL. */
static inline uint64_t
c25_lease_until(uint64_t now_ms, uint32_t ttl_s)
{
	uint64_t lease_s = ttl_s;

	if (lease_s < C25_LEASE_MIN_S)
		lease_s = C25_LEASE_MIN_S;
	if (lease_s > C25_LEASE_MAX_S)
		lease_s = C25_LEASE_MAX_S;
	return now_ms + lease_s * 1000;
}
#define C25_QUARANTINE_S 120
#define C25_ASSIGNMENTS_MIN 16
#define C25_ASSIGNMENTS_MAX (1u << 24)

struct c25_table;

/* Names one version of one slot; stale after any change of its content. */
struct c25_ref {
	uint32_t slot;
	uint32_t seq;
};

/* What the connector knows of an assignment. */
enum c25_push {
	C25_PUSH_PENDING = 0,	/* to be sent, or sent and unanswered */
	C25_PUSH_READY = 1,	/* acknowledged */
	C25_PUSH_REFUSED = 2,	/* finally refused by every connector */
};

/* A consistent copy of one assignment. */
struct c25_assignment {
	struct c25_ref ref;
	struct c25_addr destination;
	struct c25_addr magic;
	struct c25_addr transit;
	struct c25_name domain;		/* the queried name */
	uint64_t lease_end_ms;		/* CLOCK_BOOTTIME */
	uint16_t connector;		/* registry index or _NONE */
	uint8_t push;			/* enum c25_push */
	bool created;			/* by this very call of reserve */
};

/* ---- create and attach -------------------------------------------------- */

/*
 * Make runDir/table anew (written under another name, then renamed over, so
 * that no one ever sees half a table). A table already there is marked
 * retired and replaced: call c25_table_attach() first and use that one if
 * it is good.
 * Mode 0660; `gid` (gid_t)-1 keeps the process's group. It is closed: see
 * c25_table_begin().
 * Owns: the handle; c25_table_detach() frees it.
 * Returns: 0; -EINVAL (capacity); -ENOSPC, -EACCES, other -errno of the file
 * operations, each with err set.
 */
int c25_table_create(const char *run_dir, uint32_t capacity, gid_t gid,
	struct c25_table **out, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * A new table is closed: nothing is reserved in it before conn25d has put
 * back what it remembers (c25_table_restore()), so that nobody takes its
 * addresses meanwhile. Then it begins. Process: begin in conn25d only.
 */
bool c25_table_closed(const struct c25_table *t);
void c25_table_begin(struct c25_table *t);

/*
 * Make a table in the place of the one that is there, with everything that
 * lives in it: to change its capacity, or because another version made it.
 * The old file gets nothing new from here on, and renewals in it fail as soon
 * as the new one has all leases; whoever maps it sees c25_table_retired().
 * Publish a policy in the new one.
 * Process: conn25d only. Owns: the handle.
 * Returns: 0; -ENOSPC (they don't fit, or the file system is full), -EINVAL
 * (capacity), -EPROTO (of a form that is not known here), -ESTALE, -EUCLEAN;
 * then the old one is as before.
 */
int c25_table_migrate(const char *run_dir, uint32_t capacity, gid_t gid,
	struct c25_table **out, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * Put a table that c25_table_migrate() can't read (-EPROTO) out of the way, as
 * table.format-N: nothing in it is used any more. Process: conn25d only.
 * Returns: 0 and the path it has now; -errno with err.
 */
int c25_table_set_aside(const char *run_dir, char kept[static 280],
	struct c25_error *err) __attribute__((warn_unused_result));

/*
 * Map an existing table.
 * Returns: 0; -ENOENT (nothing there yet); -EACCES; -EPROTO (made by another
 * version: another layout fingerprint); -EUCLEAN (damaged: sizes or offsets
 * that can't be); -ESTALE (from before a reboot); -EAGAIN (retired, and its
 * successor not there yet: ask again soon; if whoever was making that one died,
 * the table is in use again); -EMFILE (C25_HANDLES_MAX have it open already);
 * other -errno.
 */
int c25_table_attach(const char *run_dir, struct c25_table **out,
	struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * The same for who has no other table: one that is retired is mapped, too. Its
 * policy can be loaded, and what is in it is found and renewed as long as that
 * counts; what is new gets -ESTALE. Returns: but for -EAGAIN as above.
 */
int c25_table_attach_retired(const char *run_dir, struct c25_table **out,
	struct c25_error *err)
	__attribute__((warn_unused_result));

void c25_table_detach(struct c25_table *t);	/* NULL is fine */

/* Has a newer file taken its place, or is about to? One atomic load. */
bool c25_table_retired(const struct c25_table *t);

/*
 * Has the file in runDir been replaced since we attached (or the table been
 * retired)? Costs a stat(2); ask at most once a second.
 */
bool c25_table_replaced(const struct c25_table *t);

uint32_t c25_table_capacity(const struct c25_table *t);
const uint8_t *c25_table_hash_key(const struct c25_table *t);	/* 16 bytes */
/* Bytes of the mapping but for the sparse arena, for statistics. */
size_t c25_table_size(const struct c25_table *t);

/* Now in the table's time. */
uint64_t c25_now_ms(void);
/* The same clock in microseconds, for how long something takes. */
uint64_t c25_now_us(void);
/* For tests: replace the clock of this process (NULL restores it). */
void c25_clock_set(uint64_t (*now_ms)(void));

/* ---- policy -------------------------------------------------------------- */

/*
 * Registry index of a connector name, allocated on first use and stable over
 * reloads. Locks: table. Process: conn25d only.
 * Returns: 0..255; -ENOSPC (256 names were used); -EINVAL; -EUCLEAN.
 */
int c25_table_connector_reg(struct c25_table *t, const char *name)
	__attribute__((warn_unused_result));

/* A generation that no published policy had. Process: conn25d only. */
uint64_t c25_table_next_generation(const struct c25_table *t);

/*
 * Publish a compiled policy: write it beside the table, set up the pools
 * (living assignments keep their addresses, also outside the new ranges),
 * then make its generation the current one and remove older files. The handle
 * keeps it, with the pools of before, for c25_table_admits(): this, that and
 * c25_table_policy() are one thread's, then.
 * Locks: table. Process: conn25d only.
 * Returns: 0; -EINVAL (blob isn't loadable, pools too large: see err);
 * -errno of the file operations; nothing has changed then.
 */
int c25_table_publish(struct c25_table *t, const uint8_t *blob,
	size_t len_bytes, struct c25_error *err)
	__attribute__((warn_unused_result));

/* Current generation, 0 when nothing was published. One atomic load. */
uint64_t c25_table_generation(const struct c25_table *t);

/*
 * Read, verify and take the current policy. If a reload removes the file
 * meanwhile the newer one is tried. Who has published it gets it as it was.
 * Owns: one reference for the caller.
 * Returns: 0; -ENOENT (none published yet); -EUCLEAN/-EINVAL (damaged);
 * -EPROTO; -ENOMEM; -errno.
 */
int c25_table_policy(struct c25_table *t, struct c25_policy **out,
	struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * The current policy of a table that can't be attached to, of another version
 * or another boot or damaged, as long as its first bytes and the policy's file
 * are good: names that nobody can be given an address for are known then.
 * Owns: one reference for the caller.
 * Returns: 0; -EALREADY (it is generation `known`); -ENOENT; as
 * c25_table_policy().
 */
int c25_table_policy_alone(const char *run_dir, uint64_t known,
	struct c25_policy **out, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * How a connector is, as conn25d says: whom to reserve for (the app's first
 * that is good, else its first that answers, else its first), and whether it
 * is of use to wait for one.
 */
enum c25_health {
	C25_HEALTH_GOOD = 0,
	C25_HEALTH_DOWN = 1,		/* doesn't answer */
	C25_HEALTH_RETURNING = 2,	/* answers again, but since a moment */
};
void c25_table_connector_set_health(struct c25_table *t, uint16_t reg,
	enum c25_health health);
/* C25_HEALTH_GOOD also for what isn't known. */
enum c25_health c25_table_connector_health(const struct c25_table *t,
	uint16_t reg);

/* ---- reserve and look up ------------------------------------------------ */

struct c25_want {
	const struct c25_name *name;	/* queried name, canonical */
	struct c25_addr destination;
	uint32_t app;			/* index in `policy` */
	uint32_t ttl_s;			/* TTL given to the client; the lease
					 * is this clamped to 60 s .. 72 h */
};

/*
 * The assignment of (name, destination): the one there is, its lease
 * renewed, or a new one. One whose magic address the policy doesn't allow was
 * written over: it ends, and there is a new one.
 * Locks: none for an existing one, table for a new one.
 * Returns: 0; -ENOSPC (a pool or the table is full; *full says which: a
 * pool kind, or C25_POOL_KINDS for the table); -EAFNOSUPPORT (no pool of
 * that family); -ESTALE (the policy is no longer current and the pools it
 * knew changed: load it again); -EUCLEAN (table damaged); -EINVAL.
 * -ESTALE also means that the table was retired (attach to its successor),
 * or that it has no pools yet.
 * -EBUSY: it has not begun yet.
 * On failure nothing stays taken.
 */
int c25_table_reserve(struct c25_table *t, const struct c25_policy *policy,
	const struct c25_want *want, struct c25_assignment *out, int *full)
	__attribute__((warn_unused_result));

/*
 * The same for an assignment that is there already, and nothing else: what
 * most answers need. Locks: none. Returns: 0; -ENOENT (reserve it).
 */
int c25_table_renew(struct c25_table *t, const struct c25_policy *policy,
	const struct c25_want *want,
	struct c25_assignment *out) __attribute__((warn_unused_result));

/* c25_table_extend() comes soon: ask for the memory. For any ref. */
void c25_table_ahead(const struct c25_table *t, struct c25_ref ref);

/*
 * Lock-free lookups. Expired assignments that were not reclaimed yet are
 * found too: compare lease_end_ms.
 * Returns: 0; -ENOENT; -EUCLEAN.
 */
int c25_table_by_key(struct c25_table *t, const struct c25_name *name,
	const struct c25_addr *destination, struct c25_assignment *out);
int c25_table_by_magic(struct c25_table *t, const struct c25_addr *magic,
	struct c25_assignment *out);
int c25_table_by_transit(struct c25_table *t, const struct c25_addr *transit,
	struct c25_assignment *out);
/* Read the assignment a ref names. Returns: 0; -ENOENT when it changed. */
int c25_table_by_ref(struct c25_table *t, struct c25_ref ref,
	struct c25_assignment *out);

/*
 * Walk all assignments: start with *cursor = 0. Sees everything that lives
 * during the whole walk; takes no lock.
 * Returns: true and *out, false at the end.
 */
bool c25_table_next(struct c25_table *t, uint32_t *cursor,
	struct c25_assignment *out);

/*
 * Make the lease last at least until then, because something still uses it.
 * While the ref is good all else of the assignment is what it was.
 * Locks: none. Returns: 0; -ENOENT when the assignment changed or ended, or
 * its table was retired.
 */
int c25_table_extend(struct c25_table *t, struct c25_ref ref,
	uint64_t until_ms);

/*
 * The same for what has ended already, by c25_table_drop() or because it was
 * moved: assignments that had this magic or transit address keep it out of
 * use until then and for the quarantine. Takes no lock; one that is being
 * freed at this moment is missed.
 * Returns: how many there are.
 */
int c25_table_extend_ended(struct c25_table *t, const struct c25_addr *a,
	uint64_t until_ms);

/*
 * Let another connector carry an assignment: a new version of it, pending,
 * with the same magic address and lease. Its transit address is, of these, the
 * first that there is: the one it has, if both connectors share a pool; the
 * one it had when it was that connector's before, so that going back and forth
 * takes no more than one of each pool; a new one from that connector's pool.
 * The one it leaves stays out of use for the lease and quarantine, and with it
 * one slot of the table.
 * Locks: table. Process: conn25d.
 * Returns: 0; -ENOENT (it changed); -ENOSPC, -EAFNOSUPPORT, -ESTALE (the
 * table was retired), -EUCLEAN; then it is as before.
 */
int c25_table_move(struct c25_table *t, struct c25_ref ref,
	uint16_t connector, struct c25_assignment *out)
	__attribute__((warn_unused_result));

/* An assignment to be put back, as conn25d's database has it. */
struct c25_saved {
	struct c25_name name;
	struct c25_addr destination;
	struct c25_addr magic;
	struct c25_addr transit;
	uint16_t connector;		/* registry index or _NONE */
	bool keep_transit;		/* or not at all */
	uint64_t lease_end_ms;		/* CLOCK_BOOTTIME */
};

/*
 * Put assignments back, with their magic addresses, and with their transit
 * addresses where those still are in a pool of their connector; else with
 * another one, or with keep_transit not: -EADDRNOTAVAIL. Whether the
 * policy still has their domains is the caller's to know.
 * results[i]: 0; -EEXIST (the key is there already), -ERANGE (its magic
 * address is in no pool now), -EADDRINUSE, -ENOSPC, -EAFNOSUPPORT, -EINVAL.
 * Locks: table, for the whole list: give some hundreds at a time.
 * Returns: how many were put back; -EUCLEAN.
 */
int c25_table_restore(struct c25_table *t, const struct c25_saved *list,
	size_t count, int *results);

/*
 * Look through the whole table, and put right everything in it that is derived
 * (layout.h), if somebody has found it damaged or full since the last time, or
 * if the pools don't count what their bitmaps say, or if two assignments were
 * given one address, of which one stays.
 * Locks: table, for up to a microsecond a slot. Process: conn25d, at start.
 * Returns: why that was done, C25_DOUBT_DAMAGED and C25_DOUBT_FULL (layout.h);
 * 0 there was no need; -EUCLEAN (it can't be locked).
 */
int c25_table_mend(struct c25_table *t) __attribute__((warn_unused_result));

/*
 * Is this assignment one that may be, by the policy that was published here
 * last (c25_policy_allows_magic(), c25_policy_allows_transit())? If not,
 * somebody has written to the table, and it ends; its slot and the addresses
 * that it had stay out of use until c25_table_mend(). Who takes one out of the
 * table to tell others of it asks before. Without a policy none is.
 * Locks: table, to end one. Process: conn25d, the thread that publishes.
 */
bool c25_table_admits(struct c25_table *t, const struct c25_assignment *a);

/*
 * What was found since the last call, in any process: by c25_table_reserve()
 * exhausted, bit `kind` for a pool of that kind (a connector's own ones, too),
 * bit C25_POOL_KINDS for the slots; bit C25_TABLE_FOREIGN for an assignment
 * that has ended as its addresses weren't the policy's. Process: conn25d.
 */
#define C25_TABLE_FOREIGN (C25_POOL_KINDS + 1)
unsigned c25_table_short(struct c25_table *t);

/*
 * Free what is past lease and quarantine, looking at `steps` slots that may
 * be, if there are any. Locks: table, but only when something is due.
 * Returns: the number freed, or -errno.
 */
int c25_table_reclaim(struct c25_table *t, uint32_t steps);

/*
 * End an assignment at once. Its addresses stay out of use for the quarantine;
 * only the same name and destination, when that is dropped over and over, gets
 * one of its former addresses back. Locks: table.
 * Returns: 0; -ENOENT; -errno.
 */
int c25_table_drop(struct c25_table *t, struct c25_ref ref);

/* ---- the queue to conn25d ----------------------------------------------- */

/*
 * Next assignment that was reserved since the last call. Process: conn25d.
 * Returns: 1 and *ref; 0 nothing new; -EOVERFLOW once after the ring was
 * overrun (walk the table with c25_table_next() for pending ones).
 */
int c25_table_take(struct c25_table *t, struct c25_ref *ref);

/* Set the push state of one version of a slot, and by which connector.
 * Returns: 0; -ENOENT when the assignment changed or went away. */
int c25_table_set_push(struct c25_table *t, struct c25_ref ref,
	enum c25_push push);

/* The push state of one version of a slot, by one atomic load.
 * Returns: enum c25_push; -ENOENT when it changed or ended. */
int c25_table_push_state(const struct c25_table *t, struct c25_ref ref);

/*
 * Doorbell protocol. conn25d before it sleeps calls c25_table_sleep(): it
 * returns true when it may sleep, false when work has arrived meanwhile.
 * The module after reserving calls c25_table_must_ring(): true once for
 * each sleep, then it sends a byte on the doorbell.
 */
bool c25_table_sleep(struct c25_table *t);
bool c25_table_must_ring(struct c25_table *t);

/* ---- statistics --------------------------------------------------------- */

#define C25_WORKERS_MAX 64

/* Counters of one worker thread; index = number % C25_WORKERS_MAX. */
enum c25_stat {
	C25_STAT_QUERIES,	/* client queries that passed the module */
	C25_STAT_MATCHED,	/* ... whose name the policy matched */
	C25_STAT_REWRITTEN,	/* answers with magic addresses */
	C25_STAT_EMPTIED,	/* made NODATA: no pool of the family */
	C25_STAT_SERVFAIL,	/* nothing could be assigned, or damage */
	C25_STAT_RESERVED,	/* new assignments */
	C25_STAT_RENEWED,	/* existing ones given out again */
	C25_STAT_HELD,		/* first answers that waited */
	C25_STAT_HOLD_TIMEOUT,	/* ... until the time was up */
	C25_STAT_PASSED,	/* matched, passed (other types, exclude) */
	C25_STAT_PTR,		/* reverse lookups of magic addresses */
	C25_STAT_COUNT
};

void c25_table_count(struct c25_table *t, unsigned worker,
	enum c25_stat stat, uint64_t n);
/* Sum over all workers. */
uint64_t c25_table_stat(const struct c25_table *t, enum c25_stat stat);
/* An answer was held for so long. */
void c25_table_count_held(struct c25_table *t, unsigned worker, uint64_t us);
/* The sums over all workers. */
void c25_table_held(const struct c25_table *t, struct c25_histogram *out);
/* The name without its "total." prefix, such as "num.queries". */
const char *c25_stat_name(enum c25_stat stat);

struct c25_usage {
	uint64_t assignments;		/* living now */
	uint64_t ended;			/* whose addresses are in quarantine */
	uint64_t pending;		/* ... not acknowledged yet */
	uint64_t capacity;		/* slots */
	struct { uint64_t inuse, capacity; } pool[C25_POOL_KINDS];
};
/* Connectors' own transit pools count into the transit kinds. */
void c25_table_usage(struct c25_table *t, struct c25_usage *out);

/*
 * Check every invariant: each slot reachable by its three indexes and in the
 * wheel at a time when it isn't too late, no address with two owners or in
 * another one's quarantine, no key twice, bitmaps and counters equal to what
 * is assigned or in quarantine.
 * Locks: table, for the whole check. For tests and `status`.
 * Returns: 0; -EUCLEAN with err naming the first violation.
 */
int c25_table_verify(struct c25_table *t, struct c25_error *err)
	__attribute__((warn_unused_result));

#endif
