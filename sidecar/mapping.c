/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store of mappings; see mapping.h. Entries live in chunks that never
 * move and are found by linear hashing: the table of buckets grows by one
 * bucket at a time, so that no put ever pays for all.
 */
#include "mapping.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/name.h"

#define NONE 0xffffffffu
#define CHUNK_ENTRIES 4096u
#define BUCKETS_MIN 1024u	/* a power of two */
#define NAMES_MAX (1u << 20)

/* One mapping: 72 bytes, and 4 for its bucket. */
struct entry {
	uint8_t transit[16];
	uint8_t destination[16];
	uint64_t sent_ms;
	uint32_t hash;		/* low half of the key's hash */
	uint32_t peer;
	uint32_t app;
	uint32_t next;		/* in the bucket, or in the free list */
	uint32_t older, newer;	/* by sent_ms */
	uint8_t family;		/* 0: free */
	uint8_t pad[7];
};

/* A name and, for peers, how many mappings it has. */
struct interned {
	char *name;
	uint32_t count;
};

struct names {
	struct interned *items;
	uint32_t count, size;
};

struct c25_mappings {
	uint8_t key[16];
	uint32_t per_peer, total;	/* limits */
	struct names peers, apps;
	struct entry **chunks;
	uint32_t chunk_count, chunk_size;
	uint32_t used;			/* entries ever handed out */
	uint32_t free;			/* list, by next */
	uint32_t count;
	uint32_t *buckets;
	uint32_t bucket_count;		/* in use */
	uint32_t bucket_size;		/* allocated */
	uint32_t split;			/* bucket_count's power of two below */
	uint32_t oldest, newest;
	struct {
		c25_mappings_watch_fn fn;	/* NULL: nobody */
		void *ctx;
	} watchers[C25_MAPPINGS_WATCHERS];
};

static struct entry *
at(const struct c25_mappings *m, uint32_t i)
{
	return &m->chunks[i / CHUNK_ENTRIES][i % CHUNK_ENTRIES];
}

int
c25_mappings_new(uint32_t per_peer, uint32_t total, struct c25_mappings **out)
{
	struct c25_mappings *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return -ENOMEM;
	m->buckets = malloc(BUCKETS_MIN * sizeof(*m->buckets));
	if (m->buckets == NULL) {
		free(m);
		return -ENOMEM;
	}
	memset(m->buckets, 0xff, BUCKETS_MIN * sizeof(*m->buckets));
	m->bucket_count = m->bucket_size = m->split = BUCKETS_MIN;
	m->per_peer = per_peer != 0 ? per_peer : C25_MAPPINGS_PER_PEER;
	m->total = total != 0 ? total : C25_MAPPINGS_TOTAL;
	m->free = m->oldest = m->newest = NONE;
	randombytes_buf(m->key, sizeof(m->key));
	*out = m;
	return 0;
}

static void
names_free(struct names *n)
{
	for (uint32_t i = 0; i < n->count; i++)
		free(n->items[i].name);
	free(n->items);
}

void
c25_mappings_limit(struct c25_mappings *m, uint32_t per_peer)
{
	m->per_peer = per_peer;
}

void
c25_mappings_free(struct c25_mappings *m)
{
	if (m == NULL)
		return;
	for (uint32_t i = 0; i < m->chunk_count; i++)
		free(m->chunks[i]);
	free(m->chunks);
	free(m->buckets);
	names_free(&m->peers);
	names_free(&m->apps);
	free(m);
}

/* ---- names -------------------------------------------------------------- */

/* Only configurations are interned, so a walk will do. */
static int
intern(struct names *n, const char *name)
{
	struct interned *items;

	for (uint32_t i = 0; i < n->count; i++)
		if (strcmp(n->items[i].name, name) == 0)
			return (int)i;
	if (n->count == NAMES_MAX)
		return -ENOSPC;
	if (n->count == n->size) {
		uint32_t size = n->size != 0 ? n->size * 2 : 16;

		items = realloc(n->items, size * sizeof(*items));
		if (items == NULL)
			return -ENOMEM;
		n->items = items;
		n->size = size;
	}
	n->items[n->count].name = strdup(name);
	if (n->items[n->count].name == NULL)
		return -ENOMEM;
	n->items[n->count].count = 0;
	return (int)n->count++;
}

int
c25_mappings_peer(struct c25_mappings *m, const char *name)
{
	return intern(&m->peers, name);
}

int
c25_mappings_app(struct c25_mappings *m, const char *name)
{
	return intern(&m->apps, name);
}

/* ---- hashing ------------------------------------------------------------ */

static uint32_t
hash_of(const struct c25_mappings *m, uint32_t peer,
	const struct c25_addr *transit)
{
	struct { uint32_t peer, family; uint8_t bytes[16]; } key = {
		.peer = peer, .family = transit->family };

	memcpy(key.bytes, transit->bytes, sizeof(key.bytes));
	return (uint32_t)c25_hash(m->key, &key, sizeof(key));
}

/* Buckets below bucket_count - split have been split already. */
static uint32_t
bucket_of(const struct c25_mappings *m, uint32_t hash)
{
	uint32_t b = hash & (m->split * 2 - 1);

	return b < m->bucket_count ? b : hash & (m->split - 1);
}

/* The index of an entry, or NONE; *link is what points to it. */
static uint32_t
find(const struct c25_mappings *m, uint32_t hash, uint32_t peer,
	const struct c25_addr *transit, uint32_t **link)
{
	uint32_t *from = &m->buckets[bucket_of(m, hash)];

	for (uint32_t i = *from; i != NONE; i = *from) {
		struct entry *e = at(m, i);

		if (e->hash == hash && e->peer == peer &&
		    e->family == transit->family &&
		    memcmp(e->transit, transit->bytes, 16) == 0) {
			if (link != NULL)
				*link = from;
			return i;
		}
		from = &e->next;
	}
	return NONE;
}

/* One bucket more: its entries come from the one it is split from. */
static void
grow_buckets(struct c25_mappings *m)
{
	uint32_t *from, i;

	if (m->bucket_count == m->bucket_size) {
		uint32_t *p;

		if (m->bucket_size > UINT32_MAX / 8)
			return;
		p = realloc(m->buckets, (size_t)m->bucket_size * 2 *
			sizeof(*p));
		if (p == NULL)
			return;		/* slower, but right */
		m->buckets = p;
		m->bucket_size *= 2;
	}
	from = &m->buckets[m->bucket_count - m->split];
	m->buckets[m->bucket_count] = NONE;
	m->bucket_count++;
	for (i = *from; i != NONE; i = *from) {
		struct entry *e = at(m, i);
		uint32_t b = e->hash & (m->split * 2 - 1);

		if (b == m->bucket_count - 1) {
			*from = e->next;
			e->next = m->buckets[b];
			m->buckets[b] = i;
		} else {
			from = &e->next;
		}
	}
	if (m->bucket_count == m->split * 2)
		m->split *= 2;
}

/* ---- entries ------------------------------------------------------------ */

static void
age_unlink(struct c25_mappings *m, struct entry *e)
{
	if (e->older != NONE)
		at(m, e->older)->newer = e->newer;
	else
		m->oldest = e->newer;
	if (e->newer != NONE)
		at(m, e->newer)->older = e->older;
	else
		m->newest = e->older;
}

static void
age_append(struct c25_mappings *m, uint32_t i, uint64_t now_ms)
{
	struct entry *e = at(m, i);

	e->sent_ms = now_ms;
	e->newer = NONE;
	e->older = m->newest;
	if (m->newest != NONE)
		at(m, m->newest)->newer = i;
	else
		m->oldest = i;
	m->newest = i;
}

/* An unused entry, or NONE without memory. */
static uint32_t
take_entry(struct c25_mappings *m)
{
	uint32_t i = m->free;

	if (i != NONE) {
		m->free = at(m, i)->next;
		return i;
	}
	if (m->used == m->chunk_count * CHUNK_ENTRIES) {
		struct entry *chunk;

		if (m->chunk_count == m->chunk_size) {
			uint32_t size = m->chunk_size != 0 ?
				m->chunk_size * 2 : 16;
			struct entry **p = realloc(m->chunks, size *
				sizeof(*p));

			if (p == NULL)
				return NONE;
			m->chunks = p;
			m->chunk_size = size;
		}
		chunk = malloc(CHUNK_ENTRIES * sizeof(*chunk));
		if (chunk == NULL)
			return NONE;
		m->chunks[m->chunk_count++] = chunk;
	}
	return m->used++;
}

static void
show(const struct c25_mappings *m, const struct entry *e,
	struct c25_mapping *out)
{
	*out = (struct c25_mapping){
		.peer = m->peers.items[e->peer].name,
		.app = m->apps.items[e->app].name,
		.transit.family = e->family,
		.destination.family = e->family,
		.sent_ms = e->sent_ms,
		.peer_index = e->peer,
	};
	memcpy(out->transit.bytes, e->transit, sizeof(e->transit));
	memcpy(out->destination.bytes, e->destination,
		sizeof(e->destination));
}

static void
tell(const struct c25_mappings *m, const struct entry *e, bool there)
{
	struct c25_mapping it = { .peer = NULL };

	for (int i = 0; i < C25_MAPPINGS_WATCHERS; i++) {
		if (m->watchers[i].fn == NULL)
			continue;
		if (it.peer == NULL)
			show(m, e, &it);
		m->watchers[i].fn(m->watchers[i].ctx, &it, there);
	}
}

void
c25_mappings_watch(struct c25_mappings *m, c25_mappings_watch_fn fn,
	void *ctx)
{
	int place = -1;

	for (int i = C25_MAPPINGS_WATCHERS - 1; i >= 0; i--) {
		if (ctx == NULL || m->watchers[i].ctx == ctx)
			m->watchers[i].fn = NULL;
		if (m->watchers[i].fn == NULL)
			place = i;
	}
	if (fn == NULL)
		return;
	assert(place >= 0);
	m->watchers[place].fn = fn;
	m->watchers[place].ctx = ctx;
}

static void
drop(struct c25_mappings *m, uint32_t i, uint32_t *link)
{
	struct entry *e = at(m, i);

	tell(m, e, false);
	*link = e->next;
	age_unlink(m, e);
	m->peers.items[e->peer].count--;
	m->count--;
	memset(e, 0, sizeof(*e));
	e->next = m->free;
	m->free = i;
}

static bool
expired(const struct entry *e, uint64_t now_ms)
{
	return now_ms >= e->sent_ms + C25_MAPPING_LIFE_MS;
}

static int
put_new(struct c25_mappings *m, uint32_t hash, uint32_t peer,
	const struct c25_addr *transit, const struct c25_addr *destination,
	uint32_t app, uint64_t now_ms, uint32_t *out)
{
	struct entry *e;
	uint32_t *bucket, i;

	if (m->count >= m->total || m->peers.items[peer].count >= m->per_peer)
		return -ENOSPC;
	i = take_entry(m);
	if (i == NONE)
		return -ENOMEM;
	if (m->count >= m->bucket_count)
		grow_buckets(m);
	e = at(m, i);
	bucket = &m->buckets[bucket_of(m, hash)];
	*e = (struct entry){ .hash = hash, .peer = peer, .app = app,
		.family = transit->family, .next = *bucket };
	memcpy(e->transit, transit->bytes, sizeof(e->transit));
	memcpy(e->destination, destination->bytes, sizeof(e->destination));
	*bucket = i;
	age_append(m, i, now_ms);
	m->peers.items[peer].count++;
	m->count++;
	*out = i;
	return 1;
}

static bool
puttable(const struct c25_mappings *m, uint32_t peer,
	const struct c25_addr *transit, const struct c25_addr *destination,
	uint32_t app)
{
	return peer < m->peers.count && app < m->apps.count &&
		transit->family == destination->family &&
		c25_addr_len(transit) != 0;
}

int
c25_mappings_put(struct c25_mappings *m, uint32_t peer,
	const struct c25_addr *transit, const struct c25_addr *destination,
	uint32_t app, uint64_t now_ms)
{
	struct entry *e;
	uint32_t hash, i;
	int r;

	if (!puttable(m, peer, transit, destination, app))
		return -EINVAL;
	hash = hash_of(m, peer, transit);
	i = find(m, hash, peer, transit, NULL);
	if (i == NONE) {
		r = put_new(m, hash, peer, transit, destination, app, now_ms,
			&i);
		if (r > 0)
			tell(m, at(m, i), true);
		return r;
	}
	e = at(m, i);
	r = e->app == app && memcmp(e->destination, destination->bytes,
		sizeof(e->destination)) == 0 ? 0 : 2;
	if (expired(e, now_ms))
		r = 1;
	e->app = app;
	memcpy(e->destination, destination->bytes, sizeof(e->destination));
	age_unlink(m, e);
	age_append(m, i, now_ms);
	tell(m, e, true);
	return r;
}

int
c25_mappings_renew(struct c25_mappings *m, uint32_t peer,
	const struct c25_addr *transit, uint64_t now_ms)
{
	uint32_t i = find(m, hash_of(m, peer, transit), peer, transit, NULL);
	struct entry *e;

	if (i == NONE || expired(at(m, i), now_ms))
		return -ENOENT;
	e = at(m, i);
	age_unlink(m, e);
	age_append(m, i, now_ms);
	tell(m, e, true);
	return 0;
}

int
c25_mappings_restore(struct c25_mappings *m, uint32_t peer,
	const struct c25_addr *transit, const struct c25_addr *destination,
	uint32_t app, uint64_t sent_ms)
{
	uint32_t hash, i;
	int r;

	if (!puttable(m, peer, transit, destination, app))
		return -EINVAL;
	hash = hash_of(m, peer, transit);
	if (find(m, hash, peer, transit, NULL) != NONE)
		return -EEXIST;
	r = put_new(m, hash, peer, transit, destination, app, sent_ms, &i);
	return r > 0 ? 0 : r;
}

struct aged {
	uint64_t sent_ms;
	uint32_t i;
};

static int
by_age(const void *a, const void *b)
{
	const struct aged *x = a, *y = b;

	return x->sent_ms < y->sent_ms ? -1 : x->sent_ms > y->sent_ms;
}

int
c25_mappings_restored(struct c25_mappings *m)
{
	struct aged *list = malloc((m->count + 1) * sizeof(*list));
	uint32_t i, n = 0;

	if (list == NULL)
		return -ENOMEM;
	for (i = m->oldest; i != NONE; i = at(m, i)->newer)
		list[n++] = (struct aged){ at(m, i)->sent_ms, i };
	qsort(list, n, sizeof(*list), by_age);
	m->oldest = m->newest = NONE;
	for (i = 0; i < n; i++)
		age_append(m, list[i].i, list[i].sent_ms);
	free(list);
	return 0;
}

int
c25_mappings_get(const struct c25_mappings *m, uint32_t peer,
	const struct c25_addr *transit, uint64_t now_ms,
	struct c25_mapping *out)
{
	uint32_t i = find(m, hash_of(m, peer, transit), peer, transit, NULL);

	if (i == NONE || expired(at(m, i), now_ms))
		return -ENOENT;
	show(m, at(m, i), out);
	return 0;
}

int
c25_mappings_drop(struct c25_mappings *m, uint32_t peer,
	const struct c25_addr *transit)
{
	uint32_t *link;
	uint32_t i = find(m, hash_of(m, peer, transit), peer, transit, &link);

	if (i == NONE)
		return -ENOENT;
	drop(m, i, link);
	return 0;
}

bool
c25_mappings_next(const struct c25_mappings *m, size_t *cursor,
	struct c25_mapping *out)
{
	for (; *cursor < m->used; (*cursor)++) {
		const struct entry *e = at(m, (uint32_t)*cursor);

		if (e->family == C25_UNSET)
			continue;
		show(m, e, out);
		(*cursor)++;
		return true;
	}
	return false;
}

size_t
c25_mappings_expire(struct c25_mappings *m, uint64_t now_ms, size_t max)
{
	size_t n = 0;

	while (n < max && m->oldest != NONE) {
		struct entry *e = at(m, m->oldest);
		uint32_t *link = &m->buckets[bucket_of(m, e->hash)];

		if (!expired(e, now_ms))
			break;
		while (*link != m->oldest)
			link = &at(m, *link)->next;
		drop(m, m->oldest, link);
		n++;
	}
	return n;
}

uint64_t
c25_mappings_due(const struct c25_mappings *m)
{
	return m->oldest == NONE ? 0 :
		at(m, m->oldest)->sent_ms + C25_MAPPING_LIFE_MS;
}

size_t
c25_mappings_count(const struct c25_mappings *m)
{
	return m->count;
}

size_t
c25_mappings_count_peer(const struct c25_mappings *m, uint32_t peer)
{
	return peer < m->peers.count ? m->peers.items[peer].count : 0;
}

size_t
c25_mappings_size(const struct c25_mappings *m)
{
	return sizeof(*m) + (size_t)m->chunk_count * CHUNK_ENTRIES *
		sizeof(struct entry) + (size_t)m->bucket_size *
		sizeof(*m->buckets) + m->chunk_size * sizeof(*m->chunks);
}
