/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address pools: a bitmap per pool with summary levels above it. A bit of
 * level 0 is one address; a bit of level k+1 says that a word of level k is
 * full. The next free address after the cursor is found in at most two words
 * a level, whatever the fill: four levels for the largest pool.
 *
 * All of this is derived from the slots and used under the lock only.
 */

#include "table/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define WORD 64u
#define LEVELS 5	/* 64^4 = 2^24 addresses, and one to spare */

struct bitmap {
	uint64_t *level[LEVELS];
	uint32_t bits[LEVELS];
	unsigned levels;
};

static uint64_t
words_for(uint64_t bits)
{
	return (bits + WORD - 1) / WORD;
}

/* Words of all levels together. */
static uint64_t
bitmap_words(uint32_t nbits)
{
	uint64_t sum = 0, n = nbits;

	do {
		n = words_for(n);
		sum += n;
	} while (n > 1);
	return sum;
}

/* Find the bitmap of a pool in the mapping. Returns: 0; -EUCLEAN. */
static int
bitmap_open(const struct c25_table *t, const struct c25_pool_d *p,
    struct bitmap *b)
{
	uint64_t off = p->off_bytes, n = p->nbits;
	uint64_t *at;

	if (n == 0 || n > C25_POOL_BITS_MAX || off % sizeof(uint64_t) != 0 ||
	    off > C25_ARENA_BYTES ||
	    bitmap_words((uint32_t)n) * 8 > C25_ARENA_BYTES - off)
		return -EUCLEAN;
	at = (uint64_t *)(void *)(t->base + t->l.arena + off);
	b->levels = 0;
	do {
		b->level[b->levels] = at;
		b->bits[b->levels++] = (uint32_t)n;
		n = words_for(n);
		at += n;
	} while (n > 1 && b->levels < LEVELS);
	return 0;
}

static bool
bit_get(const struct bitmap *b, uint32_t i)
{
	return b->level[0][i / WORD] >> i % WORD & 1;
}

/* Bits past the end of a level count as set. */
static bool
word_full(const struct bitmap *b, unsigned level, uint32_t word)
{
	uint64_t v = b->level[level][word];
	uint32_t left = b->bits[level] - word * WORD;

	if (left < WORD)
		v |= ~(uint64_t)0 << left;
	return v == ~(uint64_t)0;
}

static void
bit_set(struct bitmap *b, uint32_t i)
{
	for (unsigned l = 0; l < b->levels; l++) {
		b->level[l][i / WORD] |= (uint64_t)1 << i % WORD;
		c25_step();
		if (!word_full(b, l, i / WORD))
			return;
		i /= WORD;
	}
}

static void
bit_clear(struct bitmap *b, uint32_t i)
{
	for (unsigned l = 0; l < b->levels; l++) {
		b->level[l][i / WORD] &= ~((uint64_t)1 << i % WORD);
		c25_step();
		i /= WORD;
	}
}

/* First clear bit >= from, or C25_NIL. */
static uint32_t
bit_next_clear(const struct bitmap *b, uint32_t from)
{
	unsigned l = 0;

	while (l < b->levels) {
		uint32_t word = from / WORD;
		uint64_t v;

		if (from >= b->bits[l])
			return C25_NIL;
		v = ~b->level[l][word] & (~(uint64_t)0 << from % WORD);
		if (v != 0) {
			from = word * WORD + (uint32_t)__builtin_ctzll(v);
			if (from >= b->bits[l])
				return C25_NIL;
			if (l == 0)
				return from;
			/* that word below is not full: go down */
			from *= WORD;
			l--;
			continue;
		}
		from = word + 1;	/* go up: words after this one */
		l++;
	}
	return C25_NIL;
}

const struct c25_poolset_d *
c25_pool_active(const struct c25_table *t)
{
	return c25_poolset(t, (unsigned)(atomic_load(&t->h->p.current) & 1));
}

static uint32_t
set_count(const struct c25_poolset_d *s)
{
	return s->count > C25_RANGES_MAX ? 0 : s->count;
}

static struct c25_range
range_of(const struct c25_trange_d *d)
{
	struct c25_range r = { 0 };

	r.first.family = r.last.family = d->family;
	memcpy(r.first.bytes, d->first, 16);
	memcpy(r.last.bytes, d->last, 16);
	return r;
}

/* A copy of the range holding an address. Returns: false: there is none. */
static bool
find_range(const struct c25_table *t, const struct c25_addr *a,
    struct c25_trange_d *out)
{
	const struct c25_poolset_d *s = c25_pool_active(t);
	uint32_t low = 0, high = set_count(s);

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		struct c25_range r;

		*out = s->ranges[mid];
		r = range_of(out);
		if (c25_addr_cmp(a, &r.first) < 0)
			high = mid;
		else if (c25_addr_cmp(a, &r.last) > 0)
			low = mid + 1;
		else
			return out->pool < C25_POOLS_MAX;
	}
	return false;
}

static uint16_t
pool_index(enum c25_pool_kind kind, uint16_t connector)
{
	if (connector == C25_CONNECTOR_NONE)
		return (uint16_t)kind;
	return (uint16_t)(C25_POOL_KINDS + 2 * connector +
	    (kind == C25_POOL_V6_TRANSIT));
}

uint16_t
c25_pool_pick(const struct c25_table *t, enum c25_pool_kind kind,
    uint16_t connector)
{
	uint16_t own;

	if (connector >= C25_CONNECTORS_MAX ||
	    (kind != C25_POOL_V4_TRANSIT && kind != C25_POOL_V6_TRANSIT))
		return (uint16_t)kind;
	own = pool_index(kind, connector);
	return t->h->pools[own].nbits > 0 ? own : (uint16_t)kind;
}

/* Address of bit i of a pool. Returns: 0; -EUCLEAN. */
static int
address_of(const struct c25_table *t, uint16_t pool, uint32_t i,
    struct c25_addr *out)
{
	const struct c25_poolset_d *s = c25_pool_active(t);
	uint32_t low = 0, high = set_count(s);
	struct c25_trange_d d;
	struct c25_range r;

	/* the last range of this pool with a base <= i */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		uint16_t at = s->by_base[mid];

		if (at >= C25_RANGES_MAX)
			return -EUCLEAN;
		d = s->ranges[at];
		if (d.pool < pool || (d.pool == pool && d.base <= i))
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || s->by_base[low - 1] >= C25_RANGES_MAX)
		return -EUCLEAN;
	d = s->ranges[s->by_base[low - 1]];
	r = range_of(&d);
	if (d.pool != pool || d.base > i ||
	    i - d.base >= c25_range_count(&r) ||
	    c25_addr_add(out, &r.first, i - d.base) != 0)
		return -EUCLEAN;
	return 0;
}

int
c25_pool_take(struct c25_table *t, uint16_t pool, struct c25_addr *out)
{
	struct c25_pool_d *p;
	struct bitmap b;
	uint32_t i;
	int r;

	if (pool >= C25_POOLS_MAX)
		return -EUCLEAN;
	p = &t->h->pools[pool];
	if (p->nbits == 0)
		return -EAFNOSUPPORT;
	if ((r = bitmap_open(t, p, &b)) != 0)
		return r;
	i = bit_next_clear(&b, p->cursor < p->nbits ? p->cursor : 0);
	if (i == C25_NIL)
		i = bit_next_clear(&b, 0);
	if (i == C25_NIL)
		return -ENOSPC;
	if ((r = address_of(t, pool, i, out)) != 0)
		return r;
	bit_set(&b, i);
	p->inuse++;
	c25_step();
	p->cursor = i + 1 < p->nbits ? i + 1 : 0;
	return 0;
}

/* Find pool, bitmap and bit of an address. Returns: true when in a pool. */
static bool
locate(struct c25_table *t, const struct c25_addr *a, struct c25_pool_d **p,
    struct bitmap *b, uint32_t *bit)
{
	struct c25_trange_d d;
	struct c25_range r;
	uint64_t i;

	if (!find_range(t, a, &d))
		return false;
	r = range_of(&d);
	i = c25_addr_distance(&r.first, a) + d.base;
	*p = &t->h->pools[d.pool];
	if (bitmap_open(t, *p, b) != 0 || i >= b->bits[0])
		return false;
	*bit = (uint32_t)i;
	return true;
}

bool
c25_pool_fits(const struct c25_table *t, enum c25_pool_kind kind,
    uint16_t connector, const struct c25_addr *a)
{
	struct c25_trange_d d;

	return find_range(t, a, &d) &&
	    d.pool == c25_pool_pick(t, kind, connector);
}

bool
c25_pool_knows(struct c25_table *t, const struct c25_addr *a, bool *taken)
{
	struct c25_pool_d *p;
	struct bitmap b;
	uint32_t i;

	if (!locate(t, a, &p, &b, &i))
		return false;
	*taken = bit_get(&b, i);
	return true;
}

void
c25_pool_give(struct c25_table *t, const struct c25_addr *a)
{
	struct c25_pool_d *p;
	struct bitmap b;
	uint32_t i;

	if (!locate(t, a, &p, &b, &i) || !bit_get(&b, i))
		return;
	bit_clear(&b, i);
	p->inuse--;
}

bool
c25_pool_mark(struct c25_table *t, const struct c25_addr *a)
{
	struct c25_pool_d *p;
	struct bitmap b;
	uint32_t i;

	if (!locate(t, a, &p, &b, &i))
		return true;
	if (bit_get(&b, i))
		return false;
	bit_set(&b, i);
	p->inuse++;
	return true;
}

/* Sum up the sizes of a set's pools. */
static void
pool_sizes(const struct c25_poolset_d *s, uint32_t nbits[C25_POOLS_MAX])
{
	memset(nbits, 0, C25_POOLS_MAX * sizeof(*nbits));
	for (uint32_t k = 0; k < set_count(s); k++) {
		const struct c25_trange_d *d = &s->ranges[k];
		struct c25_range r = range_of(d);
		uint64_t n = c25_range_count(&r);
		uint32_t max = d->family == C25_V6 ? C25_POOL_BITS_MAX_V6 :
		    C25_POOL_BITS_MAX;

		if (d->pool >= C25_POOLS_MAX || d->base > max)
			continue;
		n += d->base;
		if (n > max)
			n = max;
		if (n > nbits[d->pool])
			nbits[d->pool] = (uint32_t)n;
	}
}

int
c25_pool_reset(struct c25_table *t)
{
	uint32_t nbits[C25_POOLS_MAX];
	uint64_t off = 0;

	pool_sizes(c25_pool_active(t), nbits);
	for (unsigned i = 0; i < C25_POOLS_MAX; i++) {
		struct c25_pool_d *p = &t->h->pools[i];
		uint64_t bytes = nbits[i] == 0 ? 0 :
		    bitmap_words(nbits[i]) * 8;

		if (p->nbits > 0 || bytes > 0)
			c25_step();
		p->inuse = 0;
		p->nbits = 0;
		if (bytes > C25_ARENA_BYTES - off)
			return -EUCLEAN;
		p->off_bytes = off;
		p->nbits = nbits[i];
		if (p->cursor >= p->nbits)
			p->cursor = 0;
		memset(t->base + t->l.arena + off, 0, bytes);
		off += bytes;
	}
	return 0;
}

/* How address_of() finds a range. */
struct by_base {
	uint16_t pool, range;
	uint32_t base;
};

static int
cmp_base(const void *a, const void *b)
{
	const struct by_base *x = a, *y = b;

	if (x->pool != y->pool)
		return x->pool < y->pool ? -1 : 1;
	return x->base < y->base ? -1 : x->base > y->base;
}

/* The order is made in private memory. */
static void
sort_by_base(struct c25_poolset_d *s, size_t count)
{
	struct by_base order[C25_RANGES_MAX] = { { 0 } };

	for (size_t i = 0; i < count; i++)
		order[i] = (struct by_base){ s->ranges[i].pool, (uint16_t)i,
		    s->ranges[i].base };
	qsort(order, count, sizeof(order[0]), cmp_base);
	for (size_t i = 0; i < count; i++)
		s->by_base[i] = order[i].range;
}

/* Bytes of arena that the bitmaps of a set need. */
static uint64_t
set_bytes(const struct c25_poolset_d *s)
{
	uint32_t nbits[C25_POOLS_MAX];
	uint64_t bytes = 0;

	pool_sizes(s, nbits);
	for (unsigned i = 0; i < C25_POOLS_MAX; i++)
		if (nbits[i] > 0)
			bytes += bitmap_words(nbits[i]) * 8;
	return bytes;
}

int
c25_pool_copy(struct c25_table *t, const struct c25_table *old)
{
	struct c25_poolset_d *s = c25_poolset(t, (unsigned)(atomic_load(
	    &t->h->p.current) & 1));
	uint64_t bytes;

	memcpy(s, c25_pool_active(old), sizeof(*s));
	bytes = set_bytes(s);
	return bytes > C25_ARENA_BYTES ? -EUCLEAN : (int)bytes;
}

int
c25_pool_prepare(struct c25_table *t, unsigned set,
    const struct c25_policy *p, struct c25_error *err)
{
	struct c25_poolset_d *s = c25_poolset(t, set);
	uint32_t base[C25_POOLS_MAX] = { 0 };
	struct c25_spec_range in;
	uint64_t bytes;
	size_t n = 0;

	s->count = 0;
	c25_step();
	for (; c25_policy_range_at(p, n, &in); n++) {
		struct c25_trange_d *d = &s->ranges[n];
		uint64_t count = c25_range_count(&in.range);

		if (n == C25_RANGES_MAX)
			return c25_fail(err, -EINVAL, "pools: more than %u "
			    "ranges: join neighbouring ones", C25_RANGES_MAX);
		memset(d, 0, sizeof(*d));
		memcpy(d->first, in.range.first.bytes, 16);
		memcpy(d->last, in.range.last.bytes, 16);
		d->family = in.range.first.family;
		d->kind = (uint8_t)in.kind;
		d->pool = pool_index(in.kind, in.connector);
		d->base = base[d->pool];
		if (count > C25_POOL_BITS_MAX - d->base)
			base[d->pool] = C25_POOL_BITS_MAX;
		else
			base[d->pool] += (uint32_t)count;
	}
	sort_by_base(s, n);
	c25_step();
	s->count = (uint32_t)n;
	bytes = set_bytes(s);
	if (bytes > C25_ARENA_BYTES)
		return c25_fail(err, -EINVAL, "pools: too many addresses in "
		    "all: use smaller pools");
	return (int)bytes;
}

int
c25_pool_room(struct c25_table *t, int bytes, struct c25_error *err)
{
	if (bytes == 0 || fallocate(t->fd, 0, (off_t)t->l.arena, bytes) == 0 ||
	    errno == EOPNOTSUPP)
		return 0;
	return c25_fail(err, -errno, "%s: no room for the bitmaps of the pools "
	    "(%d bytes): %s: enlarge that file system (a tmpfs: size= of its "
	    "mount), or use smaller pools", t->dir, bytes, strerror(errno));
}

bool
c25_pool_same_sets(const struct c25_table *t)
{
	const struct c25_poolset_d *a = c25_poolset(t, 0);
	const struct c25_poolset_d *b = c25_poolset(t, 1);

	return set_count(a) == set_count(b) && memcmp(a->ranges, b->ranges,
	    set_count(a) * sizeof(a->ranges[0])) == 0;
}

bool
c25_pool_sound(const struct c25_table *t, uint16_t pool)
{
	const struct c25_pool_d *p = &t->h->pools[pool];
	struct bitmap b;
	uint64_t sum = 0;

	if (p->nbits == 0)
		return p->inuse == 0;
	if (bitmap_open(t, p, &b) != 0)
		return false;
	for (uint32_t i = 0; i < words_for(p->nbits); i++)
		sum += (unsigned)__builtin_popcountll(b.level[0][i]);
	for (unsigned l = 0; l + 1 < b.levels; l++)
		for (uint32_t i = 0; i < b.bits[l + 1]; i++)
			if (word_full(&b, l, i) !=
			    (b.level[l + 1][i / WORD] >> i % WORD & 1))
				return false;
	return sum == p->inuse;
}

uint64_t
c25_pool_marked(const struct c25_table *t)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < C25_POOLS_MAX; i++)
		sum += t->h->pools[i].inuse;
	return sum;
}
