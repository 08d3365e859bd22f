/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * internal.h - what the files of table/ share: the handle, checked access to
 * the mapping, the lock, slots, wheel and pools. Not for module or sidecar.
 *
 * Every index read from the mapping is compared with the handle's own copy
 * of the capacity before it is used: see c25_slot() and c25_bucket().
 */
#ifndef CONN25_TABLE_INTERNAL_H
#define CONN25_TABLE_INTERNAL_H

#include <sys/stat.h>

#include "conn25/layout.h"
#include "conn25/table.h"

/* What a test does at each step of a write; nothing otherwise: see
 * tests/unit/check_crash.c, which has its own build of table/. */
#ifdef C25_TEST_STEPS
void c25_step(void);
#else
static inline void
c25_step(void)
{
}
#endif

struct c25_table {
	uint8_t *base;			/* the mapping */
	struct c25_header_d *h;
	struct c25_layout l;		/* private, trusted copy */
	uint8_t hash_key[16];		/* private, trusted copy */
	uint64_t ring_tail;		/* conn25d: entries taken */
	_Atomic uint64_t stuck_until_ms; /* don't wait for the lock */
	_Atomic bool burying;		/* a thread looks at a dead holder */
	uint32_t handle;		/* number of this one, 0: none yet */
	bool foreign;			/* another version's: slots, registry
					 * and prefix only */
	int fd;				/* of the mapped file */
	struct c25_policy *policy;	/* published here last, or NULL */
	dev_t dev;
	ino_t ino;
	char dir[192];			/* runDir */
	char path[256];			/* of the file */
};

/* The slot, or NULL when the index is out of the table. */
static inline struct c25_slot_d *
c25_slot(const struct c25_table *t, uint32_t i)
{
	if (i >= t->l.capacity)
		return NULL;
	return (struct c25_slot_d *)(void *)(t->base + t->l.slots) + i;
}

static inline _Atomic uint32_t *
c25_bucket(const struct c25_table *t, enum c25_index x, uint64_t hash)
{
	_Atomic uint32_t *heads = (void *)(t->base + t->l.heads);

	for (unsigned k = 0; k < x; k++)
		heads += t->l.buckets[k];
	return heads + (hash & (t->l.buckets[x] - 1));
}

static inline struct c25_connector_d *
c25_connector(const struct c25_table *t, uint16_t reg)
{
	if (reg >= C25_CONNECTORS_MAX)
		return NULL;
	return (struct c25_connector_d *)(void *)(t->base + t->l.registry) +
	    reg;
}

static inline struct c25_poolset_d *
c25_poolset(const struct c25_table *t, unsigned set)
{
	return (struct c25_poolset_d *)(void *)(t->base + t->l.poolsets) +
	    (set & 1);
}

/* ---- table.c ---- */

/* The kernel's random name for this boot, as 16 bytes. Returns: 0; -errno. */
int c25_boot_id(uint8_t id[static 16]) __attribute__((warn_unused_result));
/* A handle for a directory, nothing mapped yet. */
int c25_table_handle(const char *run_dir, struct c25_table **out,
	struct c25_error *err) __attribute__((warn_unused_result));
/* Map t->fd, of which the layout is known, and remember what it is. */
int c25_table_map(struct c25_table *t, struct c25_error *err)
	__attribute__((warn_unused_result));
/* As c25_table_attach(); if `foreign_too` also what another version made. */
int c25_table_open(const char *run_dir, bool foreign_too,
	struct c25_table **out, struct c25_error *err)
	__attribute__((warn_unused_result));

/* ---- lock.c ---- */

/* Give the handle a number of its own. Returns: 0; -EMFILE (too many handles
 * of this table are open); -errno of the file system. */
int c25_lock_open(struct c25_table *t) __attribute__((warn_unused_result));

/*
 * Take the lock; after a crash of its holder rebuild everything derived.
 * Returns: 0; -EUCLEAN when it can't be had.
 */
int c25_lock(struct c25_table *t) __attribute__((warn_unused_result));
/* The same, but nobody is waited for. Returns: 0; -EBUSY. */
int c25_lock_at_once(struct c25_table *t) __attribute__((warn_unused_result));
void c25_unlock(struct c25_table *t);
/* How long one waits for it before the table counts as damaged: longer than
 * whoever has it may need to put such a table right. */
uint32_t c25_lock_patience_ms(const struct c25_table *t);

/* ---- slot.c ---- */

/*
 * Copy the content of a slot that is stable.
 * Returns: the even sequence number, or 1 when it is being written.
 */
uint32_t c25_slot_read(const struct c25_slot_d *s, union c25_content_d *out);
/* Is it an assignment that has ended, in quarantine? */
bool c25_slot_is_gone(const struct c25_slot_d *s,
	const union c25_content_d *c);
/* Has the slot still the version that was read? */
bool c25_slot_unchanged(const struct c25_slot_d *s, uint32_t seq);
/* Write content under the lock. Returns: the new, even number. */
uint32_t c25_slot_write(struct c25_slot_d *s, const union c25_content_d *c);

/* Hash of an index key: domain and destination, or one address. */
uint64_t c25_key_hash(const struct c25_table *t, const struct c25_name *name,
	const struct c25_addr *destination);
uint64_t c25_addr_hash(const struct c25_table *t, const uint8_t bytes[16],
	uint8_t family);

/* Slot free list, under the lock. C25_NIL when the table is full. */
uint32_t c25_slot_take(struct c25_table *t);
void c25_slot_give(struct c25_table *t, uint32_t i);

/* Chains, under the lock. c25_unlink() returns: was it in all of its own? */
void c25_link(struct c25_table *t, uint32_t i,
	const union c25_content_d *c);
bool c25_unlink(struct c25_table *t, uint32_t i,
	const union c25_content_d *c);

/* Append the parts of a long name. Returns: true when all were sound. */
bool c25_slot_rest(struct c25_table *t, uint32_t owner,
	const union c25_content_d *c, uint8_t *name);

/* Fill *out, but for the domain unless `with_name`, from content that was read
 * at version seq. Returns: as c25_slot_assignment(). */
int c25_slot_decode(struct c25_table *t, uint32_t i, uint32_t seq,
	const union c25_content_d *c, bool with_name,
	struct c25_assignment *out);

/*
 * Content of a LIVE slot as an assignment (the name's continuation slots
 * read as well). Returns: 0; -ENOENT when it isn't a sound live slot.
 */
int c25_slot_assignment(struct c25_table *t, uint32_t i,
	struct c25_assignment *out);

/* All zero, and into the free list, under the lock. */
void c25_slot_wipe(struct c25_table *t, uint32_t i);

/* Is there an assignment in it, that is, LIVE and not GONE? */
bool c25_slot_is_living(const struct c25_slot_d *s,
	const union c25_content_d *c);

/* End an assignment, under the lock: it is found no more, and keeps its
 * addresses until lease, or `lease_end_ms` if that is sooner, and quarantine
 * are over. */
void c25_slot_end(struct c25_table *t, uint32_t i, uint64_t lease_end_ms);

/* Free a slot whose lease is 0 and all it holds, under the lock. `gone` says
 * that it had been ended before. One that isn't where its content says is not
 * used again until c25_table_mend(). */
void c25_slot_free(struct c25_table *t, uint32_t i,
	const union c25_content_d *c, bool gone);

/* Free one that has ended and whose addresses a newer version has: it is of no
 * more use. C25_NIL is fine. */
void c25_slot_free_former(struct c25_table *t, uint32_t i);

/* ---- reserve.c ---- */

/* Let conn25d know: C25_DOUBT_... */
void c25_doubt(struct c25_table *t, uint32_t why);

/* Slots looked at to find one that is over, when there is no other. */
#define C25_TURN_WHEN_FULL 4096

/* What a new version of an assignment takes; under the lock, as all of this. */
struct c25_taken {
	uint32_t slot;
	uint32_t cont[C25_CONT_MAX];
	struct c25_addr magic, transit;
};

/* Take slots for a name of this length; c25_give_back() also on failure.
 * Returns: 0; -ENOSPC. */
int c25_take_slots(struct c25_table *t, size_t name_len, struct c25_taken *k)
	__attribute__((warn_unused_result));
/* All that was taken; addresses that are unset were not. */
void c25_give_back(struct c25_table *t, const struct c25_taken *k);

/* An assignment to be written: what its slot will hold. */
struct c25_draft {
	const struct c25_name *name;
	struct c25_addr destination;
	uint16_t connector;
	uint16_t moves;
	uint64_t key_hash;
	uint64_t lease_end_ms;
};

/* Write what was taken: continuation slots first, the commit last.
 * Returns: the slot's new version, and its content in *c for c25_link(). */
uint32_t c25_commit(struct c25_table *t, const struct c25_draft *w,
	const struct c25_taken *k, union c25_content_d *c);

/* Put an assignment of another table into this one, which nobody else uses
 * yet and which has no pools yet. Returns: 0 and its slot; -ENOSPC. */
int c25_slot_import(struct c25_table *t, const struct c25_assignment *a,
	uint32_t *slot) __attribute__((warn_unused_result));
/* The same for one that has ended, for the rest of its quarantine. */
int c25_slot_import_ended(struct c25_table *t,
	const union c25_content_d *from, uint64_t lease)
	__attribute__((warn_unused_result));
/* Make its lease last at least until then, whoever else does so. */
void c25_slot_outlast(struct c25_slot_d *s, uint64_t until_ms);

/* ---- rebuild.c ---- */

/* Everything derived, anew; under the lock. */
void c25_rebuild(struct c25_table *t);

/* The pools only: their bitmaps and counters, after the pool set changed. */
void c25_rebuild_pools(struct c25_table *t);

/* ---- lookup.c ---- */

/* What a search looks for: by key (name set) or by one address. */
struct c25_probe {
	enum c25_index index;
	uint64_t hash;
	const struct c25_name *name;
	const struct c25_addr *addr;
};

struct c25_probe c25_probe_key(const struct c25_table *t,
	const struct c25_name *name, const struct c25_addr *destination);
struct c25_probe c25_probe_addr(const struct c25_table *t,
	enum c25_index index, const struct c25_addr *a);

/* One walk along a chain. Returns: 0; -ENOENT; -EUCLEAN (endless). */
int c25_walk(struct c25_table *t, const struct c25_probe *p,
	struct c25_assignment *out);

/*
 * Search without the lock. A miss is believed only when no chain was taken
 * apart meanwhile. Returns: 0; -ENOENT; -EAGAIN (ask under the lock).
 */
int c25_search(struct c25_table *t, const struct c25_probe *p,
	struct c25_assignment *out);

/* ---- queue.c ---- */

/* Tell conn25d which slot is new. Under the lock. */
void c25_enqueue(struct c25_table *t, uint32_t slot, uint32_t seq);
/* One less waits for its connector. Never below none: acknowledging takes no
 * lock, and a rebuild counts anew meanwhile. */
void c25_pending_less(struct c25_table *t);

/* ---- wheel.c ---- */

/* Empty, at the present time. */
void c25_wheel_start(struct c25_table *t);
void c25_wheel_put(struct c25_table *t, uint32_t i);
/* Also for a slot that isn't in it. */
void c25_wheel_remove(struct c25_table *t, uint32_t i);
/* Look at up to `steps` slots that are due. Returns: how many were freed. */
int c25_wheel_turn(struct c25_table *t, uint32_t steps);
/* The time from which on a slot with this lease may be freed. */
uint64_t c25_wheel_end_of(uint64_t lease);
/* Is anything due? */
bool c25_wheel_due(const struct c25_table *t);
/* Does it hold so many slots, each in time? */
bool c25_wheel_sound(const struct c25_table *t, uint64_t count);

/* ---- pool.c ---- */

/* The active pool set. */
const struct c25_poolset_d *c25_pool_active(const struct c25_table *t);
/* The pool for a purpose: connector's own transit pool or the shared one. */
uint16_t c25_pool_pick(const struct c25_table *t, enum c25_pool_kind kind,
	uint16_t connector);
/*
 * Take the next free address round robin. Returns: 0; -ENOSPC;
 * -EAFNOSUPPORT (no such pool); -EUCLEAN.
 */
int c25_pool_take(struct c25_table *t, uint16_t pool, struct c25_addr *out);
/* Give back / mark as used. Addresses in no pool are ignored.
 * c25_pool_mark() returns false when the address was marked before. */
void c25_pool_give(struct c25_table *t, const struct c25_addr *a);
bool c25_pool_mark(struct c25_table *t, const struct c25_addr *a);
/* Lay the bitmaps of the active set out, all free. Returns: 0; -EUCLEAN */
int c25_pool_reset(struct c25_table *t);
/*
 * Fill a pool set from a policy.
 * Returns: the bytes of arena its bitmaps need, or -EINVAL with err.
 */
int c25_pool_prepare(struct c25_table *t, unsigned set,
	const struct c25_policy *p, struct c25_error *err);
/* Make the active set of a table that nobody uses yet that of another.
 * Returns: as c25_pool_prepare(); -EUCLEAN. */
int c25_pool_copy(struct c25_table *t, const struct c25_table *old);
/* Get that many bytes of arena, so that a full file system is an error here
 * and not a SIGBUS in the resolver. Returns: 0; -ENOSPC and the like with
 * err. */
int c25_pool_room(struct c25_table *t, int bytes, struct c25_error *err)
	__attribute__((warn_unused_result));
/* Do both sets say the same, so that the bitmaps fit either? */
bool c25_pool_same_sets(const struct c25_table *t);
/* Is the address in a pool of this kind that an assignment over this
 * connector may use? */
bool c25_pool_fits(const struct c25_table *t, enum c25_pool_kind kind,
	uint16_t connector, const struct c25_addr *a);
/* Is it in any pool; and is it taken? */
bool c25_pool_knows(struct c25_table *t, const struct c25_addr *a,
	bool *taken);
/* Compare a pool's counter with its bitmap. */
bool c25_pool_sound(const struct c25_table *t, uint16_t pool);
uint64_t c25_pool_marked(const struct c25_table *t);

#endif
