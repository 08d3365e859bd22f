/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slots: reading and writing them under their sequence number, the chains
 * of the three indexes, the free list, and rebuilding all that is derived.
 */

#include "table/internal.h"

#include <errno.h>
#include <string.h>

#define WORDS 16

uint32_t
c25_slot_read(const struct c25_slot_d *s, union c25_content_d *out)
{
	/* acquire: pairs with the release store in c25_slot_write() */
	uint32_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);

	if (seq & 1)
		return 1;
	for (int i = 0; i < WORDS; i++)
		out->words[i] = atomic_load_explicit(&s->words[i],
		    memory_order_relaxed);
	return c25_slot_unchanged(s, seq) ? seq : 1;
}

bool
c25_slot_unchanged(const struct c25_slot_d *s, uint32_t seq)
{
	/* pairs with the release fence after the odd store: whoever read a
	 * word of the new content sees the new sequence number here */
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&s->seq, memory_order_relaxed) == seq;
}

uint32_t
c25_slot_write(struct c25_slot_d *s, const union c25_content_d *c)
{
	uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);

	seq |= 1;
	atomic_store_explicit(&s->seq, seq, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (int i = 0; i < WORDS; i++)
		atomic_store_explicit(&s->words[i], c->words[i],
		    memory_order_relaxed);
	atomic_store_explicit(&s->push, (uint64_t)(seq + 1) << 32 |
	    C25_PUSH_PENDING, memory_order_relaxed);
	/* release: pairs with the acquire load in c25_slot_read() */
	atomic_store_explicit(&s->seq, seq + 1, memory_order_release);
	return seq + 1;
}

uint64_t
c25_key_hash(const struct c25_table *t, const struct c25_name *name,
    const struct c25_addr *destination)
{
	uint8_t buf[C25_NAME_MAX + 17];

	memcpy(buf, destination->bytes, 16);
	buf[16] = destination->family;
	memcpy(buf + 17, name->wire, name->len);
	return c25_hash(t->hash_key, buf, 17u + name->len);
}

uint64_t
c25_addr_hash(const struct c25_table *t, const uint8_t bytes[16],
    uint8_t family)
{
	uint8_t buf[17];

	memcpy(buf, bytes, 16);
	buf[16] = family;
	return c25_hash(t->hash_key, buf, sizeof(buf));
}

uint32_t
c25_slot_take(struct c25_table *t)
{
	struct c25_header_d *h = t->h;
	uint32_t i = atomic_load(&h->free_first);
	struct c25_slot_d *s = c25_slot(t, i);

	if (s != NULL) {
		atomic_store(&h->free_first, atomic_load(&s->next[0]));
		(void)atomic_fetch_sub(&h->free_count, 1);
		return i;
	}
	i = atomic_load(&h->watermark);
	if (i >= t->l.capacity)
		return C25_NIL;
	/* first the mark, then the slot: recovery looks below the mark */
	atomic_store(&h->watermark, i + 1);
	return i;
}

void
c25_slot_give(struct c25_table *t, uint32_t i)
{
	struct c25_slot_d *s = c25_slot(t, i);

	if (s == NULL)
		return;
	atomic_store(&s->next[0], atomic_load(&t->h->free_first));
	atomic_store(&t->h->free_first, i);
	(void)atomic_fetch_add(&t->h->free_count, 1);
}

static uint64_t
index_hash(const struct c25_table *t, enum c25_index x,
    const union c25_content_d *c)
{
	if (x == C25_BY_KEY)
		return c->live.key_hash;
	return c25_addr_hash(t, x == C25_BY_MAGIC ? c->live.magic :
	    c->live.transit, c->live.family);
}

void
c25_link(struct c25_table *t, uint32_t i, const union c25_content_d *c)
{
	struct c25_slot_d *s = c25_slot(t, i);

	for (unsigned x = 0; x < C25_INDEXES; x++) {
		_Atomic uint32_t *b = c25_bucket(t, x, index_hash(t, x, c));

		atomic_store_explicit(&s->next[x], atomic_load(b),
		    memory_order_relaxed);
		/* release: the slot's link is there before the slot is */
		atomic_store_explicit(b, i, memory_order_release);
	}
}

void
c25_unlink(struct c25_table *t, uint32_t i, const union c25_content_d *c)
{
	struct c25_slot_d *gone = c25_slot(t, i);

	(void)atomic_fetch_add(&t->h->unlinks, 1);
	for (unsigned x = 0; x < C25_INDEXES; x++) {
		_Atomic uint32_t *at = c25_bucket(t, x, index_hash(t, x, c));

		for (unsigned n = 0; n < C25_CHAIN_MAX; n++) {
			uint32_t k = atomic_load(at);
			struct c25_slot_d *s = c25_slot(t, k);

			if (s == NULL)
				break;
			if (k == i) {
				atomic_store(at, atomic_load(&gone->next[x]));
				break;
			}
			at = &s->next[x];
		}
	}
	(void)atomic_fetch_add(&t->h->unlinks, 1);
}

/* Append the parts of a long name. Returns: true when all were sound. */
static bool
read_rest(struct c25_table *t, uint32_t owner, const union c25_content_d *c,
    uint8_t *name)
{
	size_t have = C25_INLINE_NAME;

	for (unsigned k = 0; k < C25_CONT_MAX && have < c->live.name_len;
	    k++) {
		struct c25_slot_d *s = c25_slot(t, c->live.cont[k]);
		union c25_content_d part;
		size_t n = c->live.name_len - have;

		if (s == NULL || c25_slot_read(s, &part) == 1 ||
		    part.cont.state != C25_SLOT_CONT ||
		    part.cont.owner != owner || part.cont.part != k)
			return false;
		if (n > C25_CONT_NAME)
			n = C25_CONT_NAME;
		memcpy(name + have, part.cont.name, n);
		have += n;
	}
	return have >= c->live.name_len;
}

/* Fill *out from content that was read at version seq. */
static int
decode(struct c25_table *t, uint32_t i, uint32_t seq,
    const union c25_content_d *c, struct c25_assignment *out)
{
	struct c25_slot_d *s = c25_slot(t, i);
	uint64_t push;
	size_t n = c->live.name_len;

	if (c->live.state != C25_SLOT_LIVE ||
	    (c->live.family != C25_V4 && c->live.family != C25_V6))
		return -ENOENT;
	memset(out, 0, sizeof(*out));
	out->ref.slot = i;
	out->ref.seq = seq;
	out->destination.family = out->magic.family = out->transit.family =
	    c->live.family;
	memcpy(out->destination.bytes, c->live.destination, 16);
	memcpy(out->magic.bytes, c->live.magic, 16);
	memcpy(out->transit.bytes, c->live.transit, 16);
	out->connector = c->live.connector;
	out->domain.len = (uint16_t)n;
	memcpy(out->domain.wire, c->live.name,
	    n < C25_INLINE_NAME ? n : C25_INLINE_NAME);
	if (n > C25_INLINE_NAME && !read_rest(t, i, c, out->domain.wire))
		return -ENOENT;
	if (!c25_name_valid(out->domain.wire, n))
		return -ENOENT;
	out->lease_end_ms = atomic_load(&s->lease_end_ms);
	push = atomic_load(&s->push);
	out->push = push >> 32 == seq ? (uint8_t)push : C25_PUSH_PENDING;
	if (out->lease_end_ms == 0 || !c25_slot_unchanged(s, seq))
		return -ENOENT;
	return 0;
}

int
c25_slot_assignment(struct c25_table *t, uint32_t i,
    struct c25_assignment *out)
{
	const struct c25_slot_d *s = c25_slot(t, i);
	union c25_content_d c;
	uint32_t seq;

	if (s == NULL || (seq = c25_slot_read(s, &c)) == 1)
		return -ENOENT;
	return decode(t, i, seq, &c, out);
}

/* Content of an unused slot, for good measure all zero. */
static void
wipe(struct c25_table *t, uint32_t i)
{
	static const union c25_content_d empty;
	struct c25_slot_d *s = c25_slot(t, i);

	if (s == NULL)
		return;
	atomic_store(&s->lease_end_ms, 0);
	(void)c25_slot_write(s, &empty);
	c25_slot_give(t, i);
}

void
c25_slot_free(struct c25_table *t, uint32_t i, const union c25_content_d *c)
{
	struct c25_slot_d *s = c25_slot(t, i);
	struct c25_addr magic = { .family = c->live.family };
	struct c25_addr transit = magic;

	memcpy(magic.bytes, c->live.magic, 16);
	memcpy(transit.bytes, c->live.transit, 16);
	c25_unlink(t, i, c);
	if ((uint8_t)atomic_exchange(&s->push, 0) == C25_PUSH_PENDING)
		(void)atomic_fetch_sub(&t->h->pending, 1);
	wipe(t, i);
	if (c->live.name_len > C25_INLINE_NAME)
		for (unsigned k = 0; k < C25_CONT_MAX; k++)
			if (c->live.cont[k] != C25_NIL)
				wipe(t, c->live.cont[k]);
	(void)atomic_fetch_sub(&t->h->assignments, 1);
	c25_pool_give(t, &magic);
	c25_pool_give(t, &transit);
}

/* Take one slot into the rebuilt indexes. Returns: false to free it. */
static bool
adopt(struct c25_table *t, uint32_t i)
{
	struct c25_slot_d *s = c25_slot(t, i);
	struct c25_assignment a;
	union c25_content_d c;

	if (c25_slot_read(s, &c) == 1 || c25_slot_assignment(t, i, &a) != 0 ||
	    c.live.key_hash != c25_key_hash(t, &a.domain, &a.destination))
		return false;
	if (!c25_pool_mark(t, &a.magic))
		return false;
	if (!c25_pool_mark(t, &a.transit)) {
		c25_pool_give(t, &a.magic);
		return false;
	}
	c25_link(t, i, &c);
	(void)atomic_fetch_add(&t->h->assignments, 1);
	if (a.push == C25_PUSH_PENDING)
		(void)atomic_fetch_add(&t->h->pending, 1);
	return true;
}

/* Is this continuation slot referred to by a live owner? */
static bool
is_owned(struct c25_table *t, uint32_t i, const union c25_content_d *c)
{
	struct c25_slot_d *owner = c25_slot(t, c->cont.owner);
	union c25_content_d o;

	return c->cont.state == C25_SLOT_CONT && owner != NULL &&
	    c->cont.part < C25_CONT_MAX && c25_slot_read(owner, &o) != 1 &&
	    o.live.state == C25_SLOT_LIVE &&
	    o.live.name_len > C25_INLINE_NAME +
	    c->cont.part * C25_CONT_NAME &&
	    o.live.cont[c->cont.part] == i;
}

void
c25_rebuild(struct c25_table *t)
{
	struct c25_header_d *h = t->h;
	uint32_t used = atomic_load(&h->watermark);
	_Atomic uint32_t *heads = c25_bucket(t, C25_BY_KEY, 0);

	/* odd from here: a miss means nothing until it is even again */
	if (!(atomic_load(&h->unlinks) & 1))
		(void)atomic_fetch_add(&h->unlinks, 1);
	if (used > t->l.capacity)
		used = t->l.capacity;
	atomic_store(&h->watermark, used);
	for (size_t i = 0; i < (size_t)C25_INDEXES * t->l.buckets; i++)
		atomic_store_explicit(&heads[i], C25_NIL,
		    memory_order_relaxed);
	atomic_store(&h->assignments, 0);
	atomic_store(&h->pending, 0);
	atomic_store(&h->free_first, C25_NIL);
	atomic_store(&h->free_count, 0);
	(void)c25_pool_reset(t);

	for (uint32_t i = 0; i < used; i++) {
		struct c25_slot_d *s = c25_slot(t, i);
		union c25_content_d c;
		uint32_t seq = c25_slot_read(s, &c);

		if (seq != 1 && (c.live.state == C25_SLOT_CONT ||
		    (c.live.state == C25_SLOT_LIVE && adopt(t, i))))
			continue;
		wipe(t, i);
	}
	for (uint32_t i = 0; i < used; i++) {
		union c25_content_d c;

		if (c25_slot_read(c25_slot(t, i), &c) != 1 &&
		    c.live.state == C25_SLOT_CONT && !is_owned(t, i, &c))
			wipe(t, i);
	}
	/* whatever was queued may be wrong: make conn25d walk the table */
	(void)atomic_fetch_add(&h->ring_head, C25_RING_SIZE + 1);
	(void)atomic_fetch_add(&h->unlinks, 1);
}
