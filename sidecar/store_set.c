/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changes that wait to be written, one of each key: a hash table of entries
 * that lie one behind the other in chunks, so that adding one rarely
 * allocates and forgetting all is a few free(). No I/O, no lock.
 */

#include "store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_FIRST 4096u	/* most batches are small */
#define CHUNK_BYTES 65536u
#define SLOTS_FIRST 64u

struct c25_set_chunk {
	struct c25_set_chunk *next;
	size_t size, used;		/* of bytes */
	_Alignas(8) uint8_t bytes[];
};

struct c25_set_slot {
	struct c25_change *change;	/* NULL: free */
	uint64_t hash;
};

static uint64_t
hash_of(const struct c25_set *set, enum c25_store_kind kind,
	const uint8_t *bytes, size_t key_len)
{
	return c25_hash(set->key, bytes, key_len) + (uint64_t)kind;
}

/* The slot of a key: the one that has it, or the free one for it. */
static struct c25_set_slot *
find(const struct c25_set *set, uint64_t hash, enum c25_store_kind kind,
	const uint8_t *bytes, size_t key_len)
{
	size_t i = hash & set->mask;

	for (;; i = (i + 1) & set->mask) {
		struct c25_set_slot *slot = &set->slots[i];
		const struct c25_change *c = slot->change;

		if (c == NULL || (slot->hash == hash && c->kind == kind &&
				c->key_len == key_len &&
				memcmp(c->bytes, bytes, key_len) == 0))
			return slot;
	}
}

/* Room for one more, three quarters full at most. */
static int
grow(struct c25_set *set)
{
	size_t old = set->mask == 0 ? 0 : set->mask + 1, i, k;
	size_t size = old == 0 ? SLOTS_FIRST : old * 2;
	struct c25_set_slot *slots;

	if ((set->count + 1) * 4 <= old * 3)
		return 0;
	slots = calloc(size, sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	for (i = 0; i < old; i++) {
		if (set->slots[i].change == NULL)
			continue;
		k = set->slots[i].hash & (size - 1);
		while (slots[k].change != NULL)
			k = (k + 1) & (size - 1);
		slots[k] = set->slots[i];
	}
	free(set->slots);
	set->slots = slots;
	set->mask = size - 1;
	return 0;
}

/* An entry behind the others, with room for `room` bytes. */
static struct c25_change *
append(struct c25_set *set, size_t room)
{
	size_t bytes = (sizeof(struct c25_change) + room + 7) / 8 * 8;
	struct c25_set_chunk *chunk = set->last;
	struct c25_change *c;

	if (chunk == NULL || chunk->size - chunk->used < bytes) {
		size_t size = chunk == NULL ? CHUNK_FIRST : CHUNK_BYTES;

		chunk = malloc(sizeof(*chunk) + size);
		if (chunk == NULL)
			return NULL;
		*chunk = (struct c25_set_chunk){ .size = size };
		if (set->last != NULL)
			set->last->next = chunk;
		else
			set->first = chunk;
		set->last = chunk;
	}
	c = (struct c25_change *)(void *)(chunk->bytes + chunk->used);
	chunk->used += bytes;
	c->room = (uint16_t)(bytes - sizeof(*c));
	return c;
}

int
c25_set_put(struct c25_set *set, enum c25_store_kind kind,
	enum c25_change_what what, const uint8_t *bytes, size_t key_len,
	size_t len)
{
	uint64_t hash = hash_of(set, kind, bytes, key_len);
	bool remove = what == C25_CHANGE_REMOVE;
	bool anew = what == C25_CHANGE_PUT_ANEW;
	struct c25_set_slot *slot;
	struct c25_change *c;
	uint16_t room;

	if (grow(set) != 0)
		return -ENOMEM;
	slot = find(set, hash, kind, bytes, key_len);
	c = slot->change;
	if (c != NULL && !remove && (c->anew || c->remove))
		anew = true;
	if (c == NULL || c->room < len) {
		/* One that outgrows its place moves to one twice as large,
		 * so that what is left behind stays less than what is
		 * there. */
		c = append(set, c == NULL || len > c->room * 2u ? len :
			c->room * 2u);
		if (c == NULL)
			return -ENOMEM;
		if (slot->change != NULL) {
			slot->change->key_len = 0;
		} else {
			set->count++;
			set->kinds[kind]++;
		}
		*slot = (struct c25_set_slot){ c, hash };
	}
	room = c->room;
	*c = (struct c25_change){ .key_len = (uint16_t)key_len,
		.len = (uint16_t)len, .room = room, .kind = (uint8_t)kind,
		.remove = remove, .anew = anew, .serial = ++set->serial };
	memcpy(c->bytes, bytes, len);
	return 0;
}

static struct c25_change *
next(const struct c25_set *set, struct c25_set_cursor *cursor)
{
	if (!cursor->begun)
		*cursor = (struct c25_set_cursor){ .chunk = set->first,
			.begun = true };
	while (cursor->chunk != NULL) {
		struct c25_change *c;

		if (cursor->at == cursor->chunk->used) {
			cursor->chunk = cursor->chunk->next;
			cursor->at = 0;
			continue;
		}
		c = (struct c25_change *)(void *)
			(cursor->chunk->bytes + cursor->at);
		cursor->at += sizeof(*c) + c->room;
		if (c->key_len != 0)	/* else it has moved */
			return c;
	}
	return NULL;
}

const struct c25_change *
c25_set_next(const struct c25_set *set, struct c25_set_cursor *cursor)
{
	return next(set, cursor);
}

/* ---- order --------------------------------------------------------------- */

/* What is removed first, and then as SQLite orders the keys: column by column,
 * each a length and bytes. */
static int
by_key(const void *a, const void *b)
{
	const struct c25_change *x = *(const struct c25_change *const *)a;
	const struct c25_change *y = *(const struct c25_change *const *)b;
	const uint8_t *p = x->bytes, *q = y->bytes, *end = p + x->key_len;
	int r = 0;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->remove != y->remove)
		return x->remove ? -1 : 1;
	while (r == 0 && p < end) {
		r = memcmp(p + 1, q + 1, *p < *q ? *p : *q);
		if (r == 0)
			r = *p - *q;
		p += 1 + *p;
		q += 1 + *q;
	}
	return r;
}

const struct c25_change **
c25_set_sorted(const struct c25_set *set)
{
	const struct c25_change **list, *c;
	struct c25_set_cursor cursor = { 0 };
	size_t n = 0;

	list = malloc((set->count + 1) * sizeof(*list));
	if (list == NULL)
		return NULL;
	while ((c = c25_set_next(set, &cursor)) != NULL)
		list[n++] = c;
	qsort(list, n, sizeof(*list), by_key);
	list[n] = NULL;
	return list;
}

void
c25_set_clear(struct c25_set *set)
{
	struct c25_set_chunk *chunk, *next;

	for (chunk = set->first; chunk != NULL; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(set->slots);
	set->slots = NULL;
	set->mask = 0;
	set->count = 0;
	memset(set->kinds, 0, sizeof(set->kinds));
	set->first = set->last = NULL;
}
