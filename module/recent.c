/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recent.c - what a worker remembers of the names that it answers often: what
 * the policy says of each, which RRset the answer is made from, and where the
 * assignment of its address is.
 *
 * None of it is believed for long. The policy's word holds while that policy
 * does. That the kept message leads to this RRset is looked at again in each
 * second, which also tells Unbound's caches that it is in use. The RRset is
 * named as messages in the cache name theirs: it is locked, and left alone
 * when it has expired or has become another one. The slot is a guess. What
 * will be read is asked for early, so that it is on its way at once.
 *
 * A place is found by the name's hash; of three names that share one, the one
 * that came first goes. All of it is its worker's alone.
 */
#include <string.h>
#include <sys/mman.h>

#include "module/module.h"

enum {
	RECENT_LINE = 64,		/* bytes of a cache line */
	RECENT_SHARE = 16,		/* of msg-cache-size, each worker */
	RECENT_MIN = 64 << 10,		/* bytes */
	RECENT_MAX = 8 << 20,
};

_Static_assert(sizeof(struct c25_recent) == 2 * RECENT_LINE, "two lines");

/* The size for a cache: a power of two. */
static size_t recent_bytes(size_t cache_bytes)
{
	size_t bytes = RECENT_MIN;

	while (bytes < RECENT_MAX && bytes < cache_bytes / RECENT_SHARE)
		bytes *= 2;
	return bytes;
}

/* The place of a name in any case. Not keyed: who has names share a place
 * makes them as slow as others. */
static struct c25_recent *recent_place(const struct c25_worker *w,
	const uint8_t *name, size_t len, uint16_t qtype)
{
	const uint64_t lower = 0x2020202020202020u;
	uint64_t h = qtype, word;
	size_t i = 0;

	for (; i + sizeof(word) <= len; i += sizeof(word)) {
		memcpy(&word, name + i, sizeof(word));
		h = (h ^ (word | lower)) * 0x9e3779b97f4a7c15u;
		h ^= h >> 32;
	}
	for (; i < len; i++)
		h = (h ^ (name[i] | (uint8_t)lower)) * 0x100000001b3u;
	h ^= h >> 32;
	return w->recent + (h & (w->recent_bytes / sizeof(*w->recent) - 2));
}

static bool recent_is(const struct c25_recent *r, unsigned epoch,
	const struct c25_name *name, uint16_t qtype)
{
	return r->epoch == epoch && r->qtype == qtype &&
		r->name_len == name->len &&
		memcmp(r->name, name->wire, name->len) == 0;
}

static void recent_ahead(const void *what, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += RECENT_LINE)
		__builtin_prefetch((const char *)what + i);
}

void c25_recent_open(struct c25_worker *w)
{
	size_t bytes = recent_bytes(w->env->cfg->msg_cache_size);
	void *all = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	w->recent = all == MAP_FAILED ? NULL : all;
	w->recent_bytes = all == MAP_FAILED ? 0 : bytes;
	/* fewer page walks; no matter if it can't be */
	if (w->recent != NULL)
		(void)madvise(all, bytes, MADV_HUGEPAGE);
}

void c25_recent_close(struct c25_worker *w)
{
	if (w->recent != NULL)
		(void)munmap(w->recent, w->recent_bytes);
	w->recent = NULL;
	w->recent_bytes = 0;
}

struct c25_recent *c25_recent_place(struct c25_worker *w,
	const struct query_info *q)
{
	struct c25_recent *r;

	if (w->recent == NULL || q->qname_len > sizeof(r->name) ||
	    q->qclass != LDNS_RR_CLASS_IN || (q->qtype != LDNS_RR_TYPE_A &&
	    q->qtype != LDNS_RR_TYPE_AAAA))
		return NULL;
	r = recent_place(w, q->qname, q->qname_len, q->qtype);
	recent_ahead(r, 2 * sizeof(*r));
	return r;
}

struct c25_recent *c25_recent_find(struct c25_worker *w,
	struct c25_recent *r, const struct c25_name *name, uint16_t qtype)
{
	if (!recent_is(&r[0], w->epoch, name, qtype) &&
	    !recent_is(++r, w->epoch, name, qtype))
		return NULL;
	if (r->data != NULL) {
		recent_ahead(r->rrset.key, sizeof(*r->rrset.key));
		recent_ahead(r->data, sizeof(struct packed_rrset_data) +
			RECENT_LINE);
		if (c25_state_table(w) != NULL)
			c25_table_ahead(c25_state_table(w), r->slot);
	}
	return r;
}

void c25_recent_put(struct c25_worker *w, struct c25_recent *r,
	const struct c25_name *name, uint16_t qtype,
	const struct c25_match *match)
{
	r[1] = r[0];
	memset(r, 0, sizeof(*r));
	r->epoch = w->epoch;
	r->slot = UINT32_MAX;
	r->match = *match;
	r->qtype = qtype;
	r->name_len = (uint8_t)name->len;
	memcpy(r->name, name->wire, name->len);
}

void c25_recent_note(struct c25_recent *r, const struct reply_info *kept,
	time_t now)
{
	const struct ub_packed_rrset_key *k = kept->rrsets[0];

	/* one RRset, of the type: there was no CNAME, so it has the name */
	if (r == NULL || kept->an_numrrsets != 1 ||
	    ntohs(k->rk.type) != r->qtype)
		return;
	for (size_t i = 0; i < kept->rrset_count; i++)
		if (kept->ref[i].key == k) {
			r->rrset = kept->ref[i];
			r->data = k->entry.data;
			r->looked = now;
			return;
		}
}
