/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recent.c - the answers that a worker has given in the last seconds: which
 * RRset each was made from, and which assignments its addresses have. The next
 * one is the same, and needs neither the policy nor the kept message, nor is
 * anything looked for in the table.
 *
 * None of it is believed by itself. It is for one policy and table. The RRset
 * is named as messages in the cache name theirs, locked, and left alone when
 * it has expired, is another one, or says something else. The assignments are
 * named by their version, and their leases are renewed. That the kept message
 * leads to the RRset is looked at again every few seconds, and when it is due
 * to be fetched anew; this also tells Unbound's caches that both are in use.
 *
 * A place is found by the name's hash; of three names that share one, the one
 * that came first goes. What will be read is asked for early, so that all of
 * it is on its way at once. All of it is its worker's alone.
 */
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "module/module.h"

enum {
	RECENT_LINE = 64,		/* bytes of a cache line */
	RECENT_SHARE = 16,		/* of msg-cache-size, each worker */
	RECENT_MIN = 64 << 10,		/* bytes */
	RECENT_MAX = 16 << 20,
	RECENT_SECONDS = 4,		/* that it is good for */
};

/* The size for a cache: a power of two. */
static size_t recent_bytes(size_t cache_bytes)
{
	size_t bytes = RECENT_MIN;

	while (bytes < RECENT_MAX && bytes < cache_bytes / RECENT_SHARE)
		bytes *= 2;
	return bytes;
}

/* The first of the two at a name's place, in whatever case the name is. Not
 * keyed: who has names share a place makes them as slow as others. */
static struct c25_recent *recent_at(const struct c25_worker *w,
	const struct query_info *q)
{
	const uint64_t lower = 0x2020202020202020u;
	uint64_t h = q->qtype, word;
	size_t i = 0;

	for (; i + sizeof(word) <= q->qname_len; i += sizeof(word)) {
		memcpy(&word, q->qname + i, sizeof(word));
		h = (h ^ (word | lower)) * 0x9e3779b97f4a7c15u;
		h ^= h >> 32;
	}
	for (; i < q->qname_len; i++)
		h = (h ^ (q->qname[i] | (uint8_t)lower)) * 0x100000001b3u;
	h ^= h >> 32;
	return w->recent + (h & (w->recent_bytes / sizeof(*w->recent) - 2));
}

static bool recent_is(const struct c25_recent *r, const struct query_info *q)
{
	return r->qtype == q->qtype && r->name_len == q->qname_len &&
		c25_name_same(r->name, q->qname, q->qname_len);
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

	_Static_assert(sizeof(struct c25_recent) == 4 * RECENT_LINE, "lines");
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
	const struct module_qstate *qstate)
{
	const struct query_info *q = &qstate->qinfo;
	struct c25_recent *r;

	/* With CD the message may be another one. */
	if (w->recent == NULL || q->qname_len > sizeof(r->name) ||
	    q->qclass != LDNS_RR_CLASS_IN || (q->qtype != LDNS_RR_TYPE_A &&
	    q->qtype != LDNS_RR_TYPE_AAAA) ||
	    (qstate->query_flags & BIT_CD) != 0)
		return NULL;
	r = recent_at(w, q);
	/* of most names there is one address */
	recent_ahead(&r[0], 2 * RECENT_LINE);
	return r;
}

struct c25_recent *c25_recent_find(struct c25_worker *w,
	struct c25_recent *r, const struct query_info *q, time_t now)
{
	if (!recent_is(&r[0], q) && !recent_is(++r, q))
		return NULL;
	if (r->epoch != w->epoch || w->table == NULL)
		return NULL;
	recent_ahead(r->rrset.key, offsetof(struct ub_packed_rrset_key, rk));
	recent_ahead(r->data, 2 * RECENT_LINE);
	for (size_t i = 0; i < r->count; i++)
		c25_table_ahead(w->table->table, r->addresses[i].ref);
	/* the clock may have been set back */
	return now <= r->until && now > r->until - RECENT_SECONDS ? r : NULL;
}

void c25_recent_put(struct c25_worker *w, struct c25_recent *place,
	const struct c25_name *name, const struct c25_recent *r, time_t now)
{
	time_t until = now + RECENT_SECONDS - 1;
	const struct query_info q = { .qname = (uint8_t *)name->wire,
		.qname_len = name->len, .qtype = r->qtype };

	if (recent_is(&place[1], &q))
		place++;
	else if (!recent_is(&place[0], &q))
		place[1] = place[0];
	*place = *r;
	place->epoch = w->epoch;
	place->until = r->until < until ? r->until : until;
	place->name_len = (uint8_t)name->len;
	memcpy(place->name, name->wire, name->len);
}
