/* SPDX-License-Identifier: BSD-3-Clause */
/* Nonces that were used; see replay.h. */
#include "replay.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/table.h"
#include "httpsig.h"

#define SIZE_MIN 64u

void
c25_replay_init(struct c25_replay *r, const uint8_t key[static 16],
	int64_t floor_s)
{
	memset(r, 0, sizeof(*r));
	memcpy(r->key, key, sizeof(r->key));
	r->floor_s = floor_s;
}

void
c25_replay_free(struct c25_replay *r)
{
	free(r->young.slots);
	free(r->old.slots);
	memset(r, 0, sizeof(*r));
}

/* The slot of a hash: its own, or a free one. */
static size_t
set_slot(const struct c25_replay_set *s, uint64_t hash)
{
	size_t i = (size_t)hash & (s->size - 1);

	while (s->slots[i] != 0 && s->slots[i] != hash)
		i = (i + 1) & (s->size - 1);
	return i;
}

static bool
set_has(const struct c25_replay_set *s, uint64_t hash)
{
	return s->size > 0 && s->slots[set_slot(s, hash)] != 0;
}

/* Twice as large, or the first time. */
static bool
set_grow(struct c25_replay_set *s)
{
	struct c25_replay_set n = *s;

	n.size = s->size == 0 ? SIZE_MIN : s->size * 2;
	n.slots = calloc(n.size, sizeof(*n.slots));
	if (n.slots == NULL)
		return false;
	for (size_t i = 0; i < s->size; i++)
		if (s->slots[i] != 0)
			n.slots[set_slot(&n, s->slots[i])] = s->slots[i];
	free(s->slots);
	*s = n;
	return true;
}

/* The young set becomes the old one. What is forgotten is not taken again,
 * whatever the clock does later. */
static void
turn(struct c25_replay *r)
{
	if (r->old.count > 0 && r->old.newest > r->floor_s)
		r->floor_s = r->old.newest;
	free(r->old.slots);
	r->old = r->young;
	memset(&r->young, 0, sizeof(r->young));
}

int
c25_replay_add(struct c25_replay *r, const char *nonce, int64_t created,
	int64_t now_s)
{
	uint64_t hash = c25_hash(r->key, nonce, strlen(nonce));
	struct c25_replay_set *s = &r->young;

	if (hash == 0)
		hash = 1;
	if (created <= r->floor_s)
		return -ESTALE;
	if (set_has(&r->young, hash) || set_has(&r->old, hash))
		return -EEXIST;
	if (s->count * 2 >= s->size) {
		bool dead = r->old.count == 0 || r->old.newest <
			now_s - C25_HTTPSIG_WINDOW_S;

		/* small as long as two of this size do */
		if (s->count >= C25_REPLAY_MAX || (s->count > 0 && dead))
			turn(r);
		else if (s->count > 0 && !set_grow(s))
			return -ENOMEM;
		if (s->size == 0 && !set_grow(s))
			return -ENOMEM;
		if (created <= r->floor_s)
			return -ESTALE;
	}
	if (created > s->newest || s->count == 0)
		s->newest = created;
	s->slots[set_slot(s, hash)] = hash;
	s->count++;
	return 0;
}
