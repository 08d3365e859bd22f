/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * internal.h - what the files of table/ share: the handle, checked access to
 * the mapping, the mutex, slots and pools. Not for module or sidecar.
 *
 * Every index read from the mapping is compared with the handle's own copy
 * of the capacity before it is used: see c25_slot() and c25_bucket().
 */
#ifndef CONN25_TABLE_INTERNAL_H
#define CONN25_TABLE_INTERNAL_H

#include <sys/stat.h>

#include "conn25/layout.h"
#include "conn25/table.h"

struct c25_table {
	uint8_t *base;			/* the mapping */
	struct c25_header_d *h;
	struct c25_layout l;		/* private, trusted copy */
	uint8_t hash_key[16];		/* private, trusted copy */
	uint64_t ring_tail;		/* conn25d: entries taken */
	_Atomic uint64_t stuck_until_ms; /* don't wait for the mutex */
	int fd;				/* of the mapped file */
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

	return heads + (size_t)x * t->l.buckets +
	    (hash & (t->l.buckets - 1));
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

/*
 * Take the mutex; after a crash of its holder rebuild everything derived.
 * Returns: 0; -EUCLEAN when the mutex is beyond repair or can't be had.
 */
int c25_lock(struct c25_table *t) __attribute__((warn_unused_result));
void c25_unlock(struct c25_table *t);

/* ---- slot.c ---- */

/*
 * Copy the content of a slot that is stable.
 * Returns: the even sequence number, or 1 when it is being written.
 */
uint32_t c25_slot_read(const struct c25_slot_d *s, union c25_content_d *out);
/* Has the slot still the version that was read? */
bool c25_slot_unchanged(const struct c25_slot_d *s, uint32_t seq);
/* Write content under the mutex. Returns: the new, even number. */
uint32_t c25_slot_write(struct c25_slot_d *s, const union c25_content_d *c);

/* Hash of an index key: domain and destination, or one address. */
uint64_t c25_key_hash(const struct c25_table *t, const struct c25_name *name,
	const struct c25_addr *destination);
uint64_t c25_addr_hash(const struct c25_table *t, const uint8_t bytes[16],
	uint8_t family);

/* Slot free list, under the mutex. C25_NIL when the table is full. */
uint32_t c25_slot_take(struct c25_table *t);
void c25_slot_give(struct c25_table *t, uint32_t i);

/* Chains, under the mutex. */
void c25_link(struct c25_table *t, uint32_t i,
	const union c25_content_d *c);
void c25_unlink(struct c25_table *t, uint32_t i,
	const union c25_content_d *c);

/*
 * Content of a LIVE slot as an assignment (the name's continuation slots
 * read as well). Returns: 0; -ENOENT when it isn't a sound live slot.
 */
int c25_slot_assignment(struct c25_table *t, uint32_t i,
	struct c25_assignment *out);

/* Free a live slot and all it holds, under the mutex. */
void c25_slot_free(struct c25_table *t, uint32_t i,
	const union c25_content_d *c);

/* Everything derived, anew; under the mutex. */
void c25_rebuild(struct c25_table *t);

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
/* Do both sets say the same, so that the bitmaps fit either? */
bool c25_pool_same_sets(const struct c25_table *t);
/* Compare a pool's counter with its bitmap. */
bool c25_pool_sound(const struct c25_table *t, uint16_t pool);
uint64_t c25_pool_marked(const struct c25_table *t);

#endif
