/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The elements of the kernel's maps; see datapath_elements.h. Entries live in
 * chunks that never move and are found by linear hashing, as in mapping.c.
 */
#include "datapath_elements.h"

#include <errno.h>
#include <sodium/randombytes.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/name.h"

#define NONE 0xffffffffu
#define CHUNK_ENTRIES 4096u
#define BUCKETS_MIN 1024u	/* a power of two */

enum {
	USED = 1,		/* not in the free list */
	WANTED = 2,		/* shall be in the kernel */
	IN_KERNEL = 4,
	STALE = 8,		/* in the kernel, but otherwise */
	QUEUED = 16,		/* in a queue, or taken */
	FIRST = 32,		/* that queue is `first` */
};

struct entry {
	uint8_t source[16];
	uint8_t address[16];
	uint8_t target[16];
	uint64_t until_ms;
	uint32_t next;		/* in the bucket, or in the free list */
	uint32_t queue;		/* the one behind it */
	uint32_t before;	/* the one before it */
	uint16_t pass;
	uint8_t map;
	uint8_t flags;
};

struct queue {
	uint32_t head, tail;
	size_t count;
};

struct c25_elements {
	uint8_t key[16];
	struct entry **chunks;
	uint32_t chunk_count, chunk_size;
	uint32_t used;			/* entries ever handed out */
	uint32_t free;			/* list, by next */
	uint32_t *buckets;
	uint32_t bucket_count;		/* in use */
	uint32_t bucket_size;		/* allocated */
	uint32_t split;			/* bucket_count's power of two below */
	uint16_t pass;
	struct queue first, todo;	/* changes to come, in this order */
	struct queue taken;
	size_t entries, wanted, in_kernel;
};

static struct entry *
at(const struct c25_elements *e, uint32_t i)
{
	return &e->chunks[i / CHUNK_ENTRIES][i % CHUNK_ENTRIES];
}

int
c25_elements_new(struct c25_elements **out)
{
	struct c25_elements *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return -ENOMEM;
	e->buckets = malloc(BUCKETS_MIN * sizeof(*e->buckets));
	if (e->buckets == NULL) {
		free(e);
		return -ENOMEM;
	}
	memset(e->buckets, 0xff, BUCKETS_MIN * sizeof(*e->buckets));
	e->bucket_count = e->bucket_size = e->split = BUCKETS_MIN;
	e->free = NONE;
	e->first = e->todo = e->taken = (struct queue){ NONE, NONE, 0 };
	randombytes_buf(e->key, sizeof(e->key));
	*out = e;
	return 0;
}

void
c25_elements_free(struct c25_elements *e)
{
	if (e == NULL)
		return;
	for (uint32_t i = 0; i < e->chunk_count; i++)
		free(e->chunks[i]);
	free(e->chunks);
	free(e->buckets);
	free(e);
}

/* ---- hashing ------------------------------------------------------------ */

static uint32_t
hash_of(const struct c25_elements *e, uint8_t map, const uint8_t *source,
	const uint8_t *address)
{
	uint8_t key[33];

	memcpy(key, source, 16);
	memcpy(key + 16, address, 16);
	key[32] = map;
	return (uint32_t)c25_hash(e->key, key, sizeof(key));
}

static uint32_t
hash_entry(const struct c25_elements *e, const struct entry *x)
{
	return hash_of(e, x->map, x->source, x->address);
}

/* Buckets below bucket_count - split have been split already. */
static uint32_t *
bucket(const struct c25_elements *e, uint32_t hash)
{
	uint32_t b = hash & (e->split * 2 - 1);

	return &e->buckets[b < e->bucket_count ? b : hash & (e->split - 1)];
}

/* The index of an entry, or NONE. */
static uint32_t
find(const struct c25_elements *e, uint32_t hash, uint8_t map,
	const uint8_t *source, const uint8_t *address)
{
	uint32_t i = *bucket(e, hash);

	for (; i != NONE; i = at(e, i)->next) {
		const struct entry *x = at(e, i);

		if (x->map == map && memcmp(x->address, address, 16) == 0 &&
		    memcmp(x->source, source, 16) == 0)
			return i;
	}
	return NONE;
}

/* One bucket more: its entries come from the one it is split from. */
static void
grow_buckets(struct c25_elements *e)
{
	uint32_t *from, i, mask;

	if (e->bucket_count == e->bucket_size) {
		uint32_t *p;

		if (e->bucket_size > UINT32_MAX / 8)
			return;
		p = realloc(e->buckets, (size_t)e->bucket_size * 2 *
			sizeof(*p));
		if (p == NULL)
			return;		/* slower, but right */
		e->buckets = p;
		e->bucket_size *= 2;
	}
	mask = e->split * 2 - 1;
	from = &e->buckets[e->bucket_count - e->split];
	e->buckets[e->bucket_count] = NONE;
	for (i = *from; i != NONE; i = *from) {
		struct entry *x = at(e, i);

		if ((hash_entry(e, x) & mask) == e->bucket_count) {
			*from = x->next;
			x->next = e->buckets[e->bucket_count];
			e->buckets[e->bucket_count] = i;
		} else {
			from = &x->next;
		}
	}
	e->bucket_count++;
	if (e->bucket_count == e->split * 2)
		e->split *= 2;
}

/* An unused entry, or NONE without memory. */
static uint32_t
take_entry(struct c25_elements *e)
{
	uint32_t i = e->free;

	if (i != NONE) {
		e->free = at(e, i)->next;
		return i;
	}
	if (e->used == e->chunk_count * CHUNK_ENTRIES) {
		struct entry *chunk;

		if (e->chunk_count == e->chunk_size) {
			uint32_t size = e->chunk_size != 0 ?
				e->chunk_size * 2 : 16;
			struct entry **p = realloc(e->chunks, size *
				sizeof(*p));

			if (p == NULL)
				return NONE;
			e->chunks = p;
			e->chunk_size = size;
		}
		chunk = malloc(CHUNK_ENTRIES * sizeof(*chunk));
		if (chunk == NULL)
			return NONE;
		e->chunks[e->chunk_count++] = chunk;
	}
	return e->used++;
}

static uint32_t
insert(struct c25_elements *e, uint32_t hash, const struct c25_element *want)
{
	uint32_t i = take_entry(e), *b;
	struct entry *x;

	if (i == NONE)
		return NONE;
	if (e->entries >= e->bucket_count)
		grow_buckets(e);
	x = at(e, i);
	b = bucket(e, hash);
	*x = (struct entry){ .map = (uint8_t)want->map, .flags = USED,
		.next = *b };
	memcpy(x->source, want->source, 16);
	memcpy(x->address, want->address, 16);
	*b = i;
	e->entries++;
	return i;
}

/* Neither in the kernel nor to be there, and in no queue. */
static void
release(struct c25_elements *e, uint32_t i)
{
	struct entry *x = at(e, i);
	uint32_t *link = bucket(e, hash_entry(e, x));

	while (*link != i)
		link = &at(e, *link)->next;
	*link = x->next;
	memset(x, 0, sizeof(*x));
	x->next = e->free;
	e->free = i;
	e->entries--;
}

/* ---- the queue ---------------------------------------------------------- */

/* Behind all others, or before them. */
static void
push(struct c25_elements *e, struct queue *q, uint32_t i, bool at_head)
{
	struct entry *x = at(e, i);

	x->queue = at_head ? q->head : NONE;
	x->before = at_head ? NONE : q->tail;
	if (x->queue == NONE)
		q->tail = i;
	else
		at(e, x->queue)->before = i;
	if (x->before == NONE)
		q->head = i;
	else
		at(e, x->before)->queue = i;
	q->count++;
}

/* Take it out, wherever it is. */
static void
unlink_entry(struct c25_elements *e, struct queue *q, uint32_t i)
{
	const struct entry *x = at(e, i);

	if (x->before == NONE)
		q->head = x->queue;
	else
		at(e, x->before)->queue = x->queue;
	if (x->queue == NONE)
		q->tail = x->before;
	else
		at(e, x->queue)->before = x->before;
	q->count--;
}

/* Where its change waits. */
static struct queue *
queue_of(struct c25_elements *e, const struct entry *x)
{
	return x->flags & FIRST ? &e->first : &e->todo;
}

/* Is the kernel otherwise than it should be? */
static bool
differs(const struct entry *x)
{
	bool wanted = x->flags & WANTED, there = x->flags & IN_KERNEL;

	return wanted != there || (wanted && (x->flags & STALE));
}

/* Returns: is there something to do about it? */
static bool
queue_up(struct c25_elements *e, uint32_t i, bool first)
{
	struct entry *x = at(e, i);
	bool change = differs(x);

	if (x->flags & QUEUED) {
		if (change && (!first || (x->flags & FIRST)))
			return true;	/* it keeps its place */
		unlink_entry(e, queue_of(e, x), i);
		x->flags &= (uint8_t)~(QUEUED | FIRST);
	}
	if (change) {
		x->flags |= first ? QUEUED | FIRST : QUEUED;
		push(e, queue_of(e, x), i, false);
	} else if ((x->flags & WANTED) == 0) {
		release(e, i);
	}
	return change;
}

/* ---- what shall be ------------------------------------------------------ */

int
c25_elements_put(struct c25_elements *e, const struct c25_element *want,
	uint64_t fresh_ms, bool first)
{
	uint32_t hash = hash_of(e, (uint8_t)want->map, want->source,
		want->address);
	uint32_t i = find(e, hash, (uint8_t)want->map, want->source,
		want->address);
	struct entry *x;
	bool same;

	if (i == NONE) {
		i = insert(e, hash, want);
		if (i == NONE)
			return -ENOMEM;
	}
	x = at(e, i);
	x->pass = e->pass;
	e->wanted += (x->flags & WANTED) == 0;
	x->flags |= WANTED;
	same = memcmp(x->target, want->target, 16) == 0;
	if ((x->flags & IN_KERNEL) && same && x->until_ms >= fresh_ms)
		return queue_up(e, i, first);
	if (!same || x->until_ms != want->until_ms)
		x->flags |= STALE;
	memcpy(x->target, want->target, 16);
	x->until_ms = want->until_ms;
	return queue_up(e, i, first);
}

static void
unwant(struct c25_elements *e, uint32_t i)
{
	at(e, i)->flags &= (uint8_t)~WANTED;
	e->wanted--;
	(void)queue_up(e, i, false);
}

bool
c25_elements_drop(struct c25_elements *e, enum c25_map map,
	const uint8_t source[static 16], const uint8_t address[static 16])
{
	uint32_t i = find(e, hash_of(e, (uint8_t)map, source, address),
		(uint8_t)map, source, address);

	if (i == NONE || (at(e, i)->flags & WANTED) == 0)
		return false;
	unwant(e, i);
	return true;
}

static void
show(const struct entry *x, struct c25_element *out)
{
	memcpy(out->source, x->source, 16);
	memcpy(out->address, x->address, 16);
	memcpy(out->target, x->target, 16);
	out->until_ms = x->until_ms;
	out->map = (enum c25_map)x->map;
}

int
c25_elements_find(const struct c25_elements *e, enum c25_map map,
	const uint8_t source[static 16], const uint8_t address[static 16],
	struct c25_element *out)
{
	uint32_t i = find(e, hash_of(e, (uint8_t)map, source, address),
		(uint8_t)map, source, address);

	if (i == NONE || (at(e, i)->flags & WANTED) == 0)
		return -ENOENT;
	show(at(e, i), out);
	return 0;
}

bool
c25_elements_next(const struct c25_elements *e, size_t *cursor,
	struct c25_element *out)
{
	while (*cursor < e->used) {
		const struct entry *x = at(e, (uint32_t)(*cursor)++);

		if ((x->flags & (USED | WANTED)) != (USED | WANTED))
			continue;
		show(x, out);
		return true;
	}
	return false;
}

/* ---- the kernel --------------------------------------------------------- */

bool
c25_elements_take(struct c25_elements *e, struct c25_change *out)
{
	struct queue *q = e->first.count > 0 ? &e->first : &e->todo;
	uint32_t i = q->head;
	const struct entry *x;

	if (i == NONE)
		return false;
	unlink_entry(e, q, i);
	push(e, &e->taken, i, false);
	x = at(e, i);
	show(x, &out->element);
	out->out = x->flags & IN_KERNEL;
	out->in = x->flags & WANTED;
	return true;
}

static void
settle(struct c25_elements *e, uint32_t i)
{
	struct entry *x = at(e, i);

	e->in_kernel -= (x->flags & IN_KERNEL) != 0;
	x->flags &= (uint8_t)~(QUEUED | FIRST | STALE | IN_KERNEL);
	if (x->flags & WANTED) {
		x->flags |= IN_KERNEL;
		e->in_kernel++;
	} else {
		release(e, i);
	}
}

void
c25_elements_taken(struct c25_elements *e, bool done)
{
	uint32_t i;

	/* backwards: each goes before those that went before it */
	while ((i = e->taken.tail) != NONE) {
		unlink_entry(e, &e->taken, i);
		if (done)
			settle(e, i);
		else
			push(e, queue_of(e, at(e, i)), i, true);
	}
}

void
c25_elements_lost(struct c25_elements *e)
{
	c25_elements_taken(e, false);
	e->in_kernel = 0;
	for (uint32_t i = 0; i < e->used; i++) {
		struct entry *x = at(e, i);

		if ((x->flags & USED) == 0)
			continue;
		x->flags &= (uint8_t)~(STALE | IN_KERNEL);
		(void)queue_up(e, i, false);
	}
}

size_t
c25_elements_first(const struct c25_elements *e)
{
	return e->first.count;
}

size_t
c25_elements_pending(const struct c25_elements *e)
{
	return e->first.count + e->todo.count;
}

size_t
c25_elements_in_kernel(const struct c25_elements *e)
{
	return e->in_kernel;
}

size_t
c25_elements_count(const struct c25_elements *e)
{
	return e->wanted;
}

/* ---- comparing with the source ------------------------------------------ */

void
c25_elements_pass_begin(struct c25_elements *e)
{
	e->pass++;
}

size_t
c25_elements_pass_end(struct c25_elements *e)
{
	size_t n = 0;

	for (uint32_t i = 0; i < e->used; i++) {
		const struct entry *x = at(e, i);

		if ((x->flags & (USED | WANTED)) != (USED | WANTED) ||
		    x->pass == e->pass)
			continue;
		unwant(e, i);
		n++;
	}
	return n;
}

size_t
c25_elements_size(const struct c25_elements *e)
{
	return sizeof(*e) + (size_t)e->chunk_count * CHUNK_ENTRIES *
		sizeof(struct entry) + (size_t)e->bucket_size *
		sizeof(*e->buckets) + e->chunk_size * sizeof(*e->chunks);
}
