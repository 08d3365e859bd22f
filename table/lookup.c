/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding assignments: without the lock, and under it when need be. */

#include "table/internal.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define RETRIES 8		/* of a lookup among moving chains */

static uint64_t (*clock_of_tests)(void);

void
c25_clock_set(uint64_t (*now_ms)(void))
{
	clock_of_tests = now_ms;
}

uint64_t
c25_now_ms(void)
{
	struct timespec ts;

	if (clock_of_tests != NULL)
		return clock_of_tests();
	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t
c25_now_us(void)
{
	struct timespec ts;

	if (clock_of_tests != NULL)
		return clock_of_tests() * 1000;
	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

struct c25_probe
c25_probe_key(const struct c25_table *t, const struct c25_name *name,
    const struct c25_addr *destination)
{
	return (struct c25_probe){ C25_BY_KEY,
	    c25_key_hash(t, name, destination), name, destination };
}

struct c25_probe
c25_probe_addr(const struct c25_table *t, enum c25_index index,
    const struct c25_addr *a)
{
	return (struct c25_probe){ index, c25_addr_hash(t, a->bytes,
	    a->family), NULL, a };
}

/* Is the domain of this content the one looked for? Its parts in other slots
 * are read only when all that is in its own is equal. */
static bool
same_name(struct c25_table *t, uint32_t i, const union c25_content_d *c,
    const struct c25_name *name)
{
	uint8_t rest[C25_NAME_MAX];
	size_t n = name->len < C25_INLINE_NAME ? name->len : C25_INLINE_NAME;

	if (c->live.name_len != name->len ||
	    memcmp(c->live.name, name->wire, n) != 0)
		return false;
	if (name->len <= C25_INLINE_NAME)
		return true;
	return c25_slot_rest(t, i, c, rest) && memcmp(rest +
	    C25_INLINE_NAME, name->wire + C25_INLINE_NAME,
	    name->len - C25_INLINE_NAME) == 0;
}

static bool
is_wanted(struct c25_table *t, uint32_t i, const union c25_content_d *c,
    const struct c25_probe *p)
{
	if (c->live.state != C25_SLOT_LIVE ||
	    c->live.family != p->addr->family)
		return false;
	switch (p->index) {
	case C25_BY_KEY:
		return memcmp(c->live.destination, p->addr->bytes, 16) == 0 &&
		    same_name(t, i, c, p->name);
	case C25_BY_MAGIC:
		return memcmp(c->live.magic, p->addr->bytes, 16) == 0;
	default:
		return memcmp(c->live.transit, p->addr->bytes, 16) == 0;
	}
}

/* What a search by key found: the name needn't be read again. */
static int
found(struct c25_table *t, uint32_t i, uint32_t seq,
    const union c25_content_d *c, const struct c25_probe *p,
    struct c25_assignment *out)
{
	if (p->index != C25_BY_KEY)
		return c25_slot_decode(t, i, seq, c, true, out);
	out->domain.len = p->name->len;
	memcpy(out->domain.wire, p->name->wire, p->name->len);
	return c25_slot_decode(t, i, seq, c, false, out);
}

int
c25_walk(struct c25_table *t, const struct c25_probe *p,
    struct c25_assignment *out)
{
	uint32_t i = atomic_load_explicit(c25_bucket(t, p->index, p->hash),
	    memory_order_acquire);

	for (unsigned n = 0; n < C25_CHAIN_MAX; n++) {
		struct c25_slot_d *s = c25_slot(t, i);
		union c25_content_d c;
		uint32_t seq;

		if (s == NULL)
			return -ENOENT;
		/* neighbours in the bucket are told apart by the hash that
		 * lies beside the link: no need to touch the rest of them */
		if ((p->index != C25_BY_KEY || p->hash ==
		    atomic_load_explicit(&s->words[C25_KEY_HASH_WORD],
		    memory_order_relaxed)) &&
		    (seq = c25_slot_read(s, &c)) != 1 &&
		    is_wanted(t, i, &c, p) &&
		    found(t, i, seq, &c, p, out) == 0)
			return 0;
		i = atomic_load_explicit(&s->next[p->index],
		    memory_order_acquire);
	}
	return -EUCLEAN;
}

int
c25_search(struct c25_table *t, const struct c25_probe *p,
    struct c25_assignment *out)
{
	for (unsigned n = 0; n < RETRIES; n++) {
		uint64_t before = atomic_load(&t->h->unlinks);
		int r = c25_walk(t, p, out);

		if (r == 0)
			return 0;
		if (r == -ENOENT && !(before & 1) &&
		    atomic_load(&t->h->unlinks) == before)
			return -ENOENT;
	}
	return -EAGAIN;
}

static int
lookup(struct c25_table *t, const struct c25_probe *p,
    struct c25_assignment *out)
{
	int r = c25_search(t, p, out);

	if (r != -EAGAIN)
		return r;
	if ((r = c25_lock(t)) != 0)
		return r;
	r = c25_walk(t, p, out);
	c25_unlock(t);
	return r;
}

int
c25_table_by_key(struct c25_table *t, const struct c25_name *name,
    const struct c25_addr *destination, struct c25_assignment *out)
{
	struct c25_probe p = c25_probe_key(t, name, destination);

	return lookup(t, &p, out);
}

int
c25_table_by_magic(struct c25_table *t, const struct c25_addr *magic,
    struct c25_assignment *out)
{
	struct c25_probe p = c25_probe_addr(t, C25_BY_MAGIC, magic);

	return lookup(t, &p, out);
}

int
c25_table_by_transit(struct c25_table *t, const struct c25_addr *transit,
    struct c25_assignment *out)
{
	struct c25_probe p = c25_probe_addr(t, C25_BY_TRANSIT, transit);

	return lookup(t, &p, out);
}

int
c25_table_by_ref(struct c25_table *t, struct c25_ref ref,
    struct c25_assignment *out)
{
	if (c25_slot_assignment(t, ref.slot, out) != 0 ||
	    out->ref.seq != ref.seq)
		return -ENOENT;
	return 0;
}

bool
c25_table_next(struct c25_table *t, uint32_t *cursor,
    struct c25_assignment *out)
{
	uint32_t used = atomic_load(&t->h->watermark);

	if (used > t->l.capacity)
		used = t->l.capacity;
	while (*cursor < used)
		if (c25_slot_assignment(t, (*cursor)++, out) == 0)
			return true;
	return false;
}
