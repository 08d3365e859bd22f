/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads a compiled policy: verification once, then matching. */

#include "conn25/policy.h"
#include "table/policy_d.h"

#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct c25_policy {
	uint8_t *blob;
	const struct c25_policy_d *h;
	const struct c25_bucket_d *buckets;
	const uint8_t *domains;
	const struct c25_app_d *apps;
	const uint16_t *lists;
	const struct c25_pconnector_d *connectors;
	const struct c25_prange_d *ranges, *exclude, *former;
	const uint8_t *names;
	const char *by_reg[C25_CONNECTORS_MAX];	/* connector names */
	bool magic[2], transit[2];		/* pools of v4, v6 */
	size_t domain_count;			/* a name and its wildcard are
						 * two */
	atomic_uint refs;
};

/* Is the section inside the blob, aligned, of elements this size? */
static bool
section_ok(const struct c25_section_d *s, size_t each, size_t len)
{
	return s->off_bytes % 8 == 0 && s->off_bytes <= len &&
	    s->count <= (len - s->off_bytes) / each;
}

static bool
string_ok(const struct c25_policy *p, uint32_t off, uint32_t len)
{
	return off < p->h->names.count && len < p->h->names.count - off &&
	    p->names[off + len] == '\0' &&
	    memchr(p->names + off, '\0', len) == NULL;
}

/* Bytes that a domain takes whose name is that long. */
static size_t
domain_bytes(size_t name_len)
{
	size_t n = offsetof(struct c25_domain_d, name) + name_len;

	return (n + C25_DOMAIN_WORD - 1) / C25_DOMAIN_WORD * C25_DOMAIN_WORD;
}

static const struct c25_domain_d *
domain_of(const struct c25_policy *p, uint32_t word)
{
	return (const void *)(p->domains + (size_t)word * C25_DOMAIN_WORD);
}

/* The bytes of the domain at this offset. Returns: 0: there is none. */
static size_t
domain_ok(const struct c25_policy *p, size_t off)
{
	const struct c25_policy_d *h = p->h;
	const struct c25_domain_d *d = (const void *)(p->domains + off);
	size_t left = h->domains.count - off;

	if (left < domain_bytes(1) || left < domain_bytes(d->name_len) ||
	    !c25_name_valid(d->name, d->name_len) ||
	    ((d->flags & C25_DOMAIN_EXACT) &&
	    d->exact_app >= h->apps.count) ||
	    ((d->flags & C25_DOMAIN_WILD) && d->wild_app >= h->apps.count))
		return 0;
	return domain_bytes(d->name_len);
}

/* Are the domains sound, and do the buckets lead to where one begins? */
static bool
buckets_ok(struct c25_policy *p, uint8_t *begins)
{
	const struct c25_policy_d *h = p->h;
	size_t used = 0, found = 0, each;

	for (size_t off = 0; off < h->domains.count; off += each, found++) {
		size_t word = off / C25_DOMAIN_WORD;
		const struct c25_domain_d *d = domain_of(p, (uint32_t)word);

		if ((each = domain_ok(p, off)) == 0)
			return false;
		p->domain_count += ((d->flags & C25_DOMAIN_EXACT) != 0) +
		    ((d->flags & C25_DOMAIN_WILD) != 0);
		begins[word / 8] |= (uint8_t)(1u << word % 8);
	}
	for (size_t i = 0; i < h->buckets.count; i++) {
		uint32_t word = p->buckets[i].domain;

		if (word == 0)
			continue;
		if (--word >= h->domains.count / C25_DOMAIN_WORD ||
		    !(begins[word / 8] >> word % 8 & 1))
			return false;
		used++;
	}
	/* a search must end somewhere */
	return found == h->domain_count && used < h->buckets.count;
}

/* Returns: 0; -EINVAL; -ENOMEM. */
static int
domains_check(struct c25_policy *p)
{
	const struct c25_policy_d *h = p->h;
	uint8_t *begins;
	bool ok;

	if (h->buckets.count == 0 ||
	    (h->buckets.count & (h->buckets.count - 1)) != 0)
		return -EINVAL;
	begins = calloc(h->domains.count / C25_DOMAIN_WORD / 8 + 1, 1);
	if (begins == NULL)
		return -ENOMEM;
	ok = buckets_ok(p, begins);
	free(begins);
	return ok ? 0 : -EINVAL;
}

static bool
apps_ok(struct c25_policy *p)
{
	const struct c25_policy_d *h = p->h;

	for (size_t i = 0; i < h->apps.count; i++) {
		const struct c25_app_d *a = &p->apps[i];

		if (!string_ok(p, a->name_off, a->name_len) ||
		    a->list_off > h->lists.count ||
		    a->list_count > h->lists.count - a->list_off)
			return false;
	}
	for (size_t i = 0; i < h->lists.count; i++)
		if (p->lists[i] >= C25_CONNECTORS_MAX)
			return false;
	for (size_t i = 0; i < h->connectors.count; i++) {
		const struct c25_pconnector_d *c = &p->connectors[i];

		if (!string_ok(p, c->name_off, c->name_len) ||
		    c->reg >= C25_CONNECTORS_MAX)
			return false;
		p->by_reg[c->reg] = (const char *)p->names + c->name_off;
	}
	return true;
}

static void
range_get(const struct c25_prange_d *d, struct c25_range *out)
{
	memset(out, 0, sizeof(*out));
	out->first.family = out->last.family = d->family;
	memcpy(out->first.bytes, d->first, 16);
	memcpy(out->last.bytes, d->last, 16);
}

static bool
section_ranges_ok(const struct c25_prange_d *d, size_t count)
{
	for (; count > 0; count--, d++)
		if ((d->family != C25_V4 && d->family != C25_V6) ||
		    memcmp(d->first, d->last, 16) > 0 ||
		    d->kind >= C25_POOL_KINDS ||
		    (d->connector != C25_CONNECTOR_NONE &&
		    d->connector >= C25_CONNECTORS_MAX))
			return false;
	return true;
}

static bool
ranges_ok(struct c25_policy *p)
{
	const struct c25_policy_d *h = p->h;

	if (!section_ranges_ok(p->ranges, h->ranges.count) ||
	    !section_ranges_ok(p->exclude, h->exclude.count) ||
	    !section_ranges_ok(p->former, h->former.count))
		return false;
	for (size_t i = 0; i < h->ranges.count; i++) {
		const struct c25_prange_d *d = &p->ranges[i];

		if (d->kind == C25_POOL_V4_MAGIC ||
		    d->kind == C25_POOL_V6_MAGIC)
			p->magic[d->family == C25_V6] = true;
		else
			p->transit[d->family == C25_V6] = true;
	}
	return true;
}

static uint64_t
check_of(const uint8_t *blob, size_t len)
{
	const struct c25_policy_d *h = (const void *)blob;
	size_t after = offsetof(struct c25_policy_d, check) +
	    sizeof(h->check);

	return c25_hash(h->hash_key, blob + after, len - after);
}

static int
verify(struct c25_policy *p, size_t len, struct c25_error *err)
{
	const struct c25_policy_d *h = p->h;
	int r;

	if (len < sizeof(*h) || h->magic != C25_POLICY_MAGIC)
		return c25_fail(err, -EINVAL, "policy: not a policy file");
	if (h->fingerprint != C25_POLICY_FINGERPRINT)
		return c25_fail(err, -EPROTO, "policy: written by another "
		    "version of conn25d: run module and conn25d of one "
		    "version");
	if (h->len_bytes != len || h->check != check_of(p->blob, len))
		return c25_fail(err, -EINVAL,
		    "policy: damaged: reload conn25d to write it anew");
	if (!section_ok(&h->buckets, sizeof(*p->buckets), len) ||
	    !section_ok(&h->domains, 1, len) ||
	    !section_ok(&h->apps, sizeof(*p->apps), len) ||
	    !section_ok(&h->lists, sizeof(*p->lists), len) ||
	    !section_ok(&h->connectors, sizeof(*p->connectors), len) ||
	    !section_ok(&h->ranges, sizeof(*p->ranges), len) ||
	    !section_ok(&h->exclude, sizeof(*p->exclude), len) ||
	    !section_ok(&h->former, sizeof(*p->former), len) ||
	    !section_ok(&h->names, 1, len))
		return c25_fail(err, -EINVAL, "policy: damaged sections");
	p->buckets = (const void *)(p->blob + h->buckets.off_bytes);
	p->domains = p->blob + h->domains.off_bytes;
	p->apps = (const void *)(p->blob + h->apps.off_bytes);
	p->lists = (const void *)(p->blob + h->lists.off_bytes);
	p->connectors = (const void *)(p->blob + h->connectors.off_bytes);
	p->ranges = (const void *)(p->blob + h->ranges.off_bytes);
	p->exclude = (const void *)(p->blob + h->exclude.off_bytes);
	p->former = (const void *)(p->blob + h->former.off_bytes);
	p->names = p->blob + h->names.off_bytes;
	if ((r = domains_check(p)) == -ENOMEM)
		return c25_fail(err, r, "policy: out of memory");
	if (r != 0 || !apps_ok(p) || !ranges_ok(p))
		return c25_fail(err, -EINVAL, "policy: damaged contents");
	return 0;
}

int
c25_policy_load(uint8_t *blob, size_t len_bytes, struct c25_policy **out,
    struct c25_error *err)
{
	struct c25_policy *p = calloc(1, sizeof(*p));
	int r;

	*out = NULL;
	if (p == NULL)
		return c25_fail(err, -ENOMEM, "policy: out of memory");
	p->blob = blob;
	p->h = (const void *)blob;
	atomic_init(&p->refs, 1);
	if ((r = verify(p, len_bytes, err)) != 0) {
		free(p);
		return r;
	}
	*out = p;
	return 0;
}

const uint8_t *
c25_policy_blob(const struct c25_policy *p, size_t *len_bytes)
{
	*len_bytes = p->h->len_bytes;
	return p->blob;
}

struct c25_policy *
c25_policy_ref(struct c25_policy *p)
{
	(void)atomic_fetch_add(&p->refs, 1);
	return p;
}

void
c25_policy_unref(struct c25_policy *p)
{
	if (p == NULL || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	free(p->blob);
	free(p);
}

/* The entry of one canonical (sub)name whose hash is h, or NULL. */
static const struct c25_domain_d *
find(const struct c25_policy *p, uint64_t h, const uint8_t *name, size_t len)
{
	size_t mask = p->h->buckets.count - 1;

	for (size_t i = h & mask; p->buckets[i].domain != 0;
	    i = (i + 1) & mask) {
		const struct c25_domain_d *d;

		if (p->buckets[i].tag != (uint32_t)(h >> 32))
			continue;
		d = domain_of(p, p->buckets[i].domain - 1);
		/* most begin in one cache line and end in the next */
		__builtin_prefetch((const uint8_t *)d + len);
		if (d->name_len == len && memcmp(d->name, name, len) == 0)
			return d;
	}
	return NULL;
}

bool
c25_policy_match(const struct c25_policy *p, const uint8_t *name, size_t len,
    struct c25_match *out)
{
	uint16_t off[C25_LABELS_MAX + 1];
	uint64_t hash[C25_LABELS_MAX + 1];
	size_t mask = p->h->buckets.count - 1;
	unsigned n = 0;

	if (len == 0 || len > C25_NAME_MAX)
		return false;
	for (size_t i = 0;; i += name[i] + 1u) {
		if (i >= len || name[i] > C25_LABEL_MAX)
			return false;
		off[n++] = (uint16_t)i;
		if (name[i] == 0)
			break;
	}
	if (off[n - 1] + 1u != len)
		return false;
	/* all buckets are on their way before the first is looked at */
	for (unsigned i = 0; i < n; i++) {
		unsigned labels = n - 1 - i;

		if (!(p->h->labels[labels / 64] >> labels % 64 & 1)) {
			off[i] = UINT16_MAX;
			continue;
		}
		hash[i] = c25_hash(p->h->hash_key, name + off[i],
		    len - off[i]);
		__builtin_prefetch(&p->buckets[hash[i] & mask]);
	}
	for (unsigned i = 0; i < n; i++) {
		const struct c25_domain_d *d;

		if (off[i] == UINT16_MAX)
			continue;
		d = find(p, hash[i], name + off[i], len - off[i]);
		if (d == NULL)
			continue;
		if (i == 0 && (d->flags & C25_DOMAIN_EXACT)) {
			out->app = d->exact_app;
			out->rewrite = !(d->flags & C25_DOMAIN_EXACT_SELF);
			out->wildcard = false;
			return true;
		}
		if (d->flags & C25_DOMAIN_WILD) {
			out->app = d->wild_app;
			out->rewrite = !(d->flags & C25_DOMAIN_WILD_SELF);
			out->wildcard = true;
			return true;
		}
	}
	return false;
}

bool
c25_policy_excluded(const struct c25_policy *p, const struct c25_addr *a)
{
	struct c25_addr u = c25_addr_unmap(a);
	struct c25_range r;

	if (c25_addr_is_special(&u))
		return true;
	for (size_t i = 0; i < p->h->exclude.count; i++) {
		range_get(&p->exclude[i], &r);
		if (c25_range_contains(&r, &u) || c25_range_contains(&r, a))
			return true;
	}
	return false;
}

bool
c25_policy_has_pool(const struct c25_policy *p, enum c25_family family)
{
	int six = family == C25_V6;

	return p->magic[six] && p->transit[six];
}

/* As c25_addr_cmp() with a bound of a range; each answer asks for it. */
static int
cmp_bound(const struct c25_addr *a, uint8_t family, const uint8_t bound[16])
{
	uint64_t x[2], y[2];

	if (a->family != family)
		return a->family < family ? -1 : 1;
	memcpy(x, a->bytes, 16);
	memcpy(y, bound, 16);
	if (x[0] == y[0]) {
		x[0] = x[1];
		y[0] = y[1];
	}
	x[0] = be64toh(x[0]);
	y[0] = be64toh(y[0]);
	return x[0] < y[0] ? -1 : x[0] > y[0];
}

/* Is the address in a pool of this kind? */
static bool
in_pool(const struct c25_policy *p, enum c25_pool_kind kind,
    const struct c25_addr *a)
{
	size_t low = 0, high = p->h->ranges.count;

	while (low < high) {		/* the last range that starts <= a */
		size_t mid = low + (high - low) / 2;
		const struct c25_prange_d *d = &p->ranges[mid];

		if (cmp_bound(a, d->family, d->first) < 0)
			high = mid;
		else if (cmp_bound(a, d->family, d->last) > 0)
			low = mid + 1;
		else
			return d->kind == kind;
	}
	return false;
}

bool
c25_policy_in_magic(const struct c25_policy *p, const struct c25_addr *a)
{
	return in_pool(p, a->family == C25_V6 ? C25_POOL_V6_MAGIC :
	    C25_POOL_V4_MAGIC, a);
}

bool
c25_policy_in_transit(const struct c25_policy *p, const struct c25_addr *a)
{
	return in_pool(p, a->family == C25_V6 ? C25_POOL_V6_TRANSIT :
	    C25_POOL_V4_TRANSIT, a);
}

/* Is it in a pool of this kind of an earlier policy? */
static bool
in_former(const struct c25_policy *p, enum c25_pool_kind kind,
    const struct c25_addr *a)
{
	struct c25_spec_range r;

	for (size_t i = 0; c25_policy_former_at(p, i, &r); i++)
		if (r.kind == kind && c25_range_contains(&r.range, a))
			return true;
	return false;
}

bool
c25_policy_allows_magic(const struct c25_policy *p, const struct c25_addr *a)
{
	return c25_policy_in_magic(p, a) || in_former(p, a->family == C25_V6 ?
	    C25_POOL_V6_MAGIC : C25_POOL_V4_MAGIC, a);
}

bool
c25_policy_allows_transit(const struct c25_policy *p,
    const struct c25_addr *a)
{
	return c25_policy_in_transit(p, a) || in_former(p, a->family ==
	    C25_V6 ? C25_POOL_V6_TRANSIT : C25_POOL_V4_TRANSIT, a);
}

const char *
c25_policy_app(const struct c25_policy *p, uint32_t app)
{
	return app < p->h->apps.count ?
	    (const char *)p->names + p->apps[app].name_off : NULL;
}

const uint16_t *
c25_policy_app_connectors(const struct c25_policy *p, uint32_t app,
    uint32_t *count)
{
	if (app >= p->h->apps.count) {
		*count = 0;
		return NULL;
	}
	*count = p->apps[app].list_count;
	return p->lists + p->apps[app].list_off;
}

const char *
c25_policy_connector(const struct c25_policy *p, uint16_t reg)
{
	return reg < C25_CONNECTORS_MAX ? p->by_reg[reg] : NULL;
}

uint64_t
c25_policy_generation(const struct c25_policy *p)
{
	return p->h->generation;
}

uint32_t
c25_policy_max_ttl(const struct c25_policy *p)
{
	return p->h->max_ttl_s;
}

uint32_t
c25_policy_hold(const struct c25_policy *p)
{
	return p->h->hold_ms;
}

bool
c25_policy_log_queries(const struct c25_policy *p)
{
	return (p->h->flags & C25_POLICY_LOG_QUERIES) != 0;
}

size_t
c25_policy_app_count(const struct c25_policy *p)
{
	return p->h->apps.count;
}

size_t
c25_policy_domain_count(const struct c25_policy *p)
{
	return p->domain_count;
}

bool
c25_policy_domain_next(const struct c25_policy *p, size_t *cursor,
    struct c25_name *name, struct c25_match *exact, struct c25_match *wild)
{
	const struct c25_domain_d *d;

	if (*cursor >= p->h->domains.count)
		return false;
	d = (const void *)(p->domains + *cursor);
	*cursor += domain_bytes(d->name_len);
	memset(name, 0, sizeof(*name));
	name->len = d->name_len;
	memcpy(name->wire, d->name, d->name_len);
	exact->app = d->flags & C25_DOMAIN_EXACT ? d->exact_app :
	    C25_APP_NONE;
	exact->rewrite = !(d->flags & C25_DOMAIN_EXACT_SELF);
	exact->wildcard = false;
	wild->app = d->flags & C25_DOMAIN_WILD ? d->wild_app : C25_APP_NONE;
	wild->rewrite = !(d->flags & C25_DOMAIN_WILD_SELF);
	wild->wildcard = true;
	return true;
}

static bool
range_at(const struct c25_prange_d *list, size_t count, size_t i,
    struct c25_spec_range *out)
{
	if (i >= count)
		return false;
	range_get(&list[i], &out->range);
	out->kind = (enum c25_pool_kind)list[i].kind;
	out->connector = list[i].connector;
	return true;
}

bool
c25_policy_range_at(const struct c25_policy *p, size_t i,
    struct c25_spec_range *out)
{
	return range_at(p->ranges, p->h->ranges.count, i, out);
}

bool
c25_policy_former_at(const struct c25_policy *p, size_t i,
    struct c25_spec_range *out)
{
	return range_at(p->former, p->h->former.count, i, out);
}

/* ---- what follows on another --------------------------------------------- */

/* Is all of it in one of a list, of the same kind? */
static bool
is_known(const struct c25_prange_d *list, size_t count,
    const struct c25_spec_range *r)
{
	struct c25_spec_range known;

	for (size_t i = 0; range_at(list, count, i, &known); i++)
		if (known.kind == r->kind &&
		    c25_range_contains(&known.range, &r->range.first) &&
		    c25_range_contains(&known.range, &r->range.last))
			return true;
	return false;
}

/* Note a pool of before, unless all of it is in one that is known. */
static size_t
note_former(const struct c25_policy *p, struct c25_prange_d *list,
    size_t count, const struct c25_spec_range *r)
{
	struct c25_prange_d *d = &list[count];

	if (is_known(p->ranges, p->h->ranges.count, r) ||
	    is_known(list, count, r))
		return count;
	memset(d, 0, sizeof(*d));
	memcpy(d->first, r->range.first.bytes, 16);
	memcpy(d->last, r->range.last.bytes, 16);
	d->family = r->range.first.family;
	d->kind = (uint8_t)r->kind;
	d->connector = C25_CONNECTOR_NONE;
	return count + 1;
}

int
c25_policy_follow(const struct c25_policy *p, const struct c25_policy *before,
    const bool *used, uint8_t **out, size_t *len_bytes)
{
	size_t most = before->h->ranges.count + before->h->former.count;
	size_t end = (p->h->len_bytes + 7) / 8 * 8, n = 0;
	struct c25_prange_d *list = calloc(most + 1, sizeof(*list));
	struct c25_policy_d *h;
	struct c25_spec_range r;
	uint8_t *blob;

	*out = NULL;
	if (list == NULL)
		return -ENOMEM;
	for (size_t i = 0; c25_policy_range_at(before, i, &r); i++)
		n = note_former(p, list, n, &r);
	for (size_t i = 0; c25_policy_former_at(before, i, &r); i++)
		if (used[i])
			n = note_former(p, list, n, &r);
	*len_bytes = end + n * sizeof(*list);
	blob = n == 0 ? NULL : calloc(1, *len_bytes);
	if (blob != NULL) {
		h = (void *)blob;
		memcpy(blob, p->blob, p->h->len_bytes);
		memcpy(blob + end, list, n * sizeof(*list));
		h->former = (struct c25_section_d){ end, n };
		h->len_bytes = *len_bytes;
		h->check = check_of(blob, *len_bytes);
	}
	free(list);
	*out = blob;
	return n == 0 || blob != NULL ? 0 : -ENOMEM;
}
