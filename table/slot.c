/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slots: reading and writing them under their sequence number, the chains
 * of the three indexes, the free list, and how an assignment ends.
 */

#include "table/internal.h"

#include <errno.h>
#include <string.h>

#define WORDS C25_CONTENT_WORDS

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
	c25_step();
	atomic_thread_fence(memory_order_release);
	for (int i = 0; i < WORDS; i++) {
		atomic_store_explicit(&s->words[i], c->words[i],
		    memory_order_relaxed);
		c25_step();
	}
	atomic_store_explicit(&s->push, (uint64_t)(seq + 1) << 32 |
	    C25_PUSH_PENDING, memory_order_relaxed);
	c25_step();
	/* release: pairs with the acquire load in c25_slot_read() */
	atomic_store_explicit(&s->seq, seq + 1, memory_order_release);
	c25_step();
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
		c25_step();
		(void)atomic_fetch_sub(&h->free_count, 1);
		c25_step();
		return i;
	}
	i = atomic_load(&h->watermark);
	if (i >= t->l.capacity)
		return C25_NIL;
	/* first the mark, then the slot: recovery looks below the mark */
	atomic_store(&h->watermark, i + 1);
	c25_step();
	return i;
}

void
c25_slot_give(struct c25_table *t, uint32_t i)
{
	struct c25_slot_d *s = c25_slot(t, i);

	if (s == NULL)
		return;
	atomic_store(&s->next[0], atomic_load(&t->h->free_first));
	c25_step();
	atomic_store(&t->h->free_first, i);
	c25_step();
	(void)atomic_fetch_add(&t->h->free_count, 1);
	c25_step();
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
		c25_step();
		/* release: the slot's link is there before the slot is */
		atomic_store_explicit(b, i, memory_order_release);
		c25_step();
	}
}

bool
c25_unlink(struct c25_table *t, uint32_t i, const union c25_content_d *c)
{
	struct c25_slot_d *gone = c25_slot(t, i);
	unsigned found = 0;

	(void)atomic_fetch_add(&t->h->unlinks, 1);
	c25_step();
	for (unsigned x = 0; x < C25_INDEXES; x++) {
		_Atomic uint32_t *at = c25_bucket(t, x, index_hash(t, x, c));

		for (unsigned n = 0; n < C25_CHAIN_MAX; n++) {
			uint32_t k = atomic_load(at);
			struct c25_slot_d *s = c25_slot(t, k);

			if (s == NULL)
				break;
			if (k == i) {
				atomic_store(at, atomic_load(&gone->next[x]));
				c25_step();
				found++;
				break;
			}
			at = &s->next[x];
		}
	}
	(void)atomic_fetch_add(&t->h->unlinks, 1);
	return found == C25_INDEXES;
}

bool
c25_slot_rest(struct c25_table *t, uint32_t owner,
    const union c25_content_d *c, uint8_t *name)
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

/* Read the name as well. Returns: false: it isn't a sound one. */
static bool
decode_name(struct c25_table *t, uint32_t i, const union c25_content_d *c,
    struct c25_name *out)
{
	size_t n = c->live.name_len;

	out->len = (uint16_t)n;
	memcpy(out->wire, c->live.name, n < C25_INLINE_NAME ? n :
	    C25_INLINE_NAME);
	return (n <= C25_INLINE_NAME || c25_slot_rest(t, i, c, out->wire)) &&
	    c25_name_valid(out->wire, n);
}

static struct c25_addr
decode_addr(const uint8_t bytes[16], uint8_t family)
{
	struct c25_addr a = { .family = family };

	memcpy(a.bytes, bytes, 16);
	return a;
}

int
c25_slot_decode(struct c25_table *t, uint32_t i, uint32_t seq,
    const union c25_content_d *c, bool with_name,
    struct c25_assignment *out)
{
	struct c25_slot_d *s = c25_slot(t, i);
	uint64_t push;

	if (c->live.state != C25_SLOT_LIVE ||
	    (c->live.family != C25_V4 && c->live.family != C25_V6))
		return -ENOENT;
	out->ref.slot = i;
	out->ref.seq = seq;
	out->destination = decode_addr(c->live.destination, c->live.family);
	out->magic = decode_addr(c->live.magic, c->live.family);
	out->transit = decode_addr(c->live.transit, c->live.family);
	/* whoever gets it may take both for an index */
	out->connector = c->live.connector < C25_CONNECTORS_MAX ?
	    c->live.connector : C25_CONNECTOR_NONE;
	out->created = false;
	if (with_name && !decode_name(t, i, c, &out->domain))
		return -ENOENT;
	out->lease_end_ms = atomic_load(&s->lease_end_ms);
	push = atomic_load(&s->push);
	out->push = push >> 32 == seq && (uint32_t)push <= C25_PUSH_REFUSED ?
	    (uint8_t)push : C25_PUSH_PENDING;
	if (out->lease_end_ms == 0 ||
	    (out->lease_end_ms & C25_LEASE_GONE) != 0 ||
	    !c25_slot_unchanged(s, seq))
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
	return c25_slot_decode(t, i, seq, &c, true, out);
}

bool
c25_slot_is_living(const struct c25_slot_d *s, const union c25_content_d *c)
{
	uint64_t lease = atomic_load(&s->lease_end_ms);

	return c->live.state == C25_SLOT_LIVE && lease != 0 &&
	    (lease & C25_LEASE_GONE) == 0;
}

bool
c25_slot_is_gone(const struct c25_slot_d *s, const union c25_content_d *c)
{
	return c->live.state == C25_SLOT_LIVE &&
	    (atomic_load(&s->lease_end_ms) & C25_LEASE_GONE) != 0 &&
	    (c->live.family == C25_V4 || c->live.family == C25_V6);
}

static void
make_empty(struct c25_slot_d *s)
{
	static const union c25_content_d empty;

	atomic_store(&s->lease_end_ms, 0);
	c25_step();
	(void)c25_slot_write(s, &empty);
}

void
c25_slot_wipe(struct c25_table *t, uint32_t i)
{
	struct c25_slot_d *s = c25_slot(t, i);

	if (s == NULL)
		return;
	make_empty(s);
	c25_slot_give(t, i);
}

void
c25_slot_outlast(struct c25_slot_d *s, uint64_t until_ms)
{
	uint64_t old = atomic_load(&s->lease_end_ms);

	while (old < until_ms && !atomic_compare_exchange_weak(
	    &s->lease_end_ms, &old, until_ms))
		;
	c25_step();
}

/* No longer one that waits for its connector. */
static void
settle(struct c25_table *t, struct c25_slot_d *s)
{
	if ((uint8_t)atomic_exchange(&s->push, C25_PUSH_REFUSED) ==
	    C25_PUSH_PENDING)
		c25_pending_less(t);
	c25_step();
}

void
c25_slot_end(struct c25_table *t, uint32_t i, uint64_t lease_end_ms)
{
	struct c25_slot_d *s = c25_slot(t, i);
	uint64_t old = atomic_load(&s->lease_end_ms), ended;

	do {
		if (old == 0 || (old & C25_LEASE_GONE) != 0)
			return;
		ended = (old < lease_end_ms ? old : lease_end_ms) |
		    C25_LEASE_GONE;
	} while (!atomic_compare_exchange_weak(&s->lease_end_ms, &old,
	    ended));
	c25_step();
	(void)atomic_fetch_sub(&t->h->assignments, 1);
	c25_step();
	(void)atomic_fetch_add(&t->h->gone, 1);
	settle(t, s);
	c25_wheel_remove(t, i);
	c25_wheel_put(t, i);
}

/*
 * Has another slot this address? A newer version of the assignment, on another
 * connector, may, and older ones in their quarantine; all are in the chain.
 */
static bool
has_owner(struct c25_table *t, enum c25_index x, const uint8_t bytes[16],
    uint8_t family)
{
	uint32_t i = atomic_load(c25_bucket(t, x, c25_addr_hash(t, bytes,
	    family)));
	struct c25_slot_d *s;
	union c25_content_d c;

	for (unsigned n = 0; n < C25_CHAIN_MAX &&
	    (s = c25_slot(t, i)) != NULL; n++) {
		if (c25_slot_read(s, &c) != 1 &&
		    c.live.state == C25_SLOT_LIVE &&
		    atomic_load(&s->lease_end_ms) != 0 &&
		    c.live.family == family && memcmp(x == C25_BY_MAGIC ?
		    c.live.magic : c.live.transit, bytes, 16) == 0)
			return true;
		i = atomic_load(&s->next[x]);
	}
	return false;
}

static void
give_address(struct c25_table *t, enum c25_index x, const uint8_t bytes[16],
    uint8_t family)
{
	struct c25_addr a = { .family = family };

	memcpy(a.bytes, bytes, 16);
	if (!has_owner(t, x, bytes, family))
		c25_pool_give(t, &a);
}

void
c25_slot_free(struct c25_table *t, uint32_t i, const union c25_content_d *c,
    bool gone)
{
	bool unlinked = c25_unlink(t, i, c);

	if (!gone)
		settle(t, c25_slot(t, i));
	(void)atomic_fetch_sub(gone ? &t->h->gone : &t->h->assignments, 1);
	c25_step();
	give_address(t, C25_BY_MAGIC, c->live.magic, c->live.family);
	give_address(t, C25_BY_TRANSIT, c->live.transit, c->live.family);
	if (unlinked) {
		c25_slot_wipe(t, i);
	} else {
		/* its key or an address was written over, and it is in the
		 * chain of the one of before: used again, it would lead from
		 * there into another chain. It waits for c25_table_mend(). */
		c25_doubt(t, C25_DOUBT_DAMAGED);
		make_empty(c25_slot(t, i));
	}
	if (c->live.name_len > C25_INLINE_NAME)
		for (unsigned k = 0; k < C25_CONT_MAX; k++)
			if (c->live.cont[k] != C25_NIL)
				c25_slot_wipe(t, c->live.cont[k]);
}

void
c25_slot_free_former(struct c25_table *t, uint32_t i)
{
	struct c25_slot_d *s = c25_slot(t, i);
	union c25_content_d c;

	if (s == NULL || c25_slot_read(s, &c) == 1)
		return;
	c25_wheel_remove(t, i);
	atomic_store(&s->lease_end_ms, 0);
	c25_step();
	c25_slot_free(t, i, &c, true);
}
