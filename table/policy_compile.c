/* SPDX-License-Identifier: BSD-3-Clause */
/* Compiles a policy specification into the blob of policy_d.h. Pure. */

#include "conn25/policy.h"
#include "table/policy_d.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A growing byte buffer; `failed` sticks, so that callers check once. */
struct buf {
	uint8_t *data;
	size_t len, cap;
	bool failed;
};

/* Make room for n more bytes. Returns: where they start, or NULL. */
static void *
buf_grow(struct buf *b, size_t n)
{
	void *at;

	/* also for nothing: there is no arithmetic with NULL */
	if (b->data == NULL || b->len + n > b->cap) {
		size_t cap = (b->len + n) * 2 + 64;
		uint8_t *data = realloc(b->data, cap);

		if (data == NULL) {
			b->failed = true;
			return NULL;
		}
		b->data = data;
		b->cap = cap;
	}
	at = b->data + b->len;
	b->len += n;
	return at;
}

static uint32_t
buf_put(struct buf *b, const void *data, size_t n)
{
	size_t off = b->len;
	void *at = buf_grow(b, n);

	if (at != NULL && n > 0)
		memcpy(at, data, n);
	return (uint32_t)off;
}

struct work {
	const struct c25_policy_spec *spec;
	const uint8_t *key;
	struct c25_bucket_d *buckets;
	size_t bucket_count;
	size_t domain_count;
	uint64_t labels[2];
	struct buf domains, names, apps, lists, connectors, ranges, exclude;
};

static unsigned
label_count(const struct c25_name *n)
{
	unsigned count = 0;

	for (size_t i = 0; n->wire[i] != 0; i += n->wire[i] + 1u)
		count++;
	return count;
}

/* A new entry. Returns: NULL without memory. */
static struct c25_domain_d *
domain_new(struct work *w, struct c25_bucket_d *b, uint64_t h,
    const struct c25_name *n)
{
	size_t at = w->domains.len, len = offsetof(struct c25_domain_d, name) +
	    n->len;
	unsigned labels = label_count(n);
	struct c25_domain_d *d;

	len += (C25_DOMAIN_WORD - len % C25_DOMAIN_WORD) % C25_DOMAIN_WORD;
	d = buf_grow(&w->domains, len);
	if (d == NULL)
		return NULL;
	memset(d, 0, len);
	d->name_len = (uint8_t)n->len;
	memcpy(d->name, n->wire, n->len);
	b->tag = (uint32_t)(h >> 32);
	b->domain = (uint32_t)(at / C25_DOMAIN_WORD) + 1;
	w->domain_count++;
	w->labels[labels / 64] |= (uint64_t)1 << labels % 64;
	return d;
}

/* The entry for a name, made when it isn't there; good until the next call.
 * Returns: NULL without memory. */
static struct c25_domain_d *
domain_entry(struct work *w, const struct c25_name *n)
{
	uint64_t h = c25_hash(w->key, n->wire, n->len);
	size_t mask = w->bucket_count - 1;
	struct c25_domain_d *d;

	for (size_t i = h & mask;; i = (i + 1) & mask) {
		struct c25_bucket_d *b = &w->buckets[i];

		if (b->domain == 0)
			return domain_new(w, b, h, n);
		d = (void *)(w->domains.data + (size_t)(b->domain - 1) *
		    C25_DOMAIN_WORD);
		if (b->tag == (uint32_t)(h >> 32) && d->name_len == n->len &&
		    memcmp(d->name, n->wire, n->len) == 0)
			return d;
	}
}

static int
add_domains(struct work *w, struct c25_error *err)
{
	const struct c25_policy_spec *s = w->spec;

	for (w->bucket_count = 16; w->bucket_count < s->domain_count * 2;)
		w->bucket_count *= 2;
	w->buckets = calloc(w->bucket_count, sizeof(*w->buckets));
	if (w->buckets == NULL)
		return c25_fail(err, -ENOMEM, "policy: out of memory");
	for (size_t i = 0; i < s->domain_count; i++) {
		const struct c25_spec_domain *in = &s->domains[i];
		struct c25_domain_d *d;
		bool self;

		if (in->app >= s->app_count ||
		    !c25_name_valid(in->name.wire, in->name.len))
			return c25_fail(err, -EINVAL,
			    "policy: domain %zu is malformed", i);
		d = domain_entry(w, &in->name);
		if (d == NULL)
			return c25_fail(err, -ENOMEM, "policy: out of memory");
		self = s->apps[in->app].self;
		if (in->wildcard) {
			if (!(d->flags & C25_DOMAIN_WILD))
				d->wild_app = in->app;
			d->flags |= C25_DOMAIN_WILD |
			    (self ? C25_DOMAIN_WILD_SELF : 0);
		} else {
			if (!(d->flags & C25_DOMAIN_EXACT))
				d->exact_app = in->app;
			d->flags |= C25_DOMAIN_EXACT |
			    (self ? C25_DOMAIN_EXACT_SELF : 0);
		}
	}
	return 0;
}

static int
add_apps(struct work *w, struct c25_error *err)
{
	const struct c25_policy_spec *s = w->spec;

	for (size_t i = 0; i < s->app_count; i++) {
		const struct c25_spec_app *a = &s->apps[i];
		struct c25_app_d d = {
			.name_len = (uint32_t)strlen(a->name),
			.list_count = a->connector_count,
		};

		if (d.name_len == 0 || d.name_len > C25_APP_NAME_MAX)
			return c25_fail(err, -EINVAL,
			    "policy: app %zu: name is empty or too long", i);
		for (uint32_t k = 0; k < a->connector_count; k++)
			if (a->connectors[k] >= C25_CONNECTORS_MAX)
				return c25_fail(err, -EINVAL,
				    "policy: app %s: bad connector", a->name);
		d.name_off = buf_put(&w->names, a->name, d.name_len + 1);
		d.list_off = (uint32_t)(w->lists.len / sizeof(uint16_t));
		(void)buf_put(&w->lists, a->connectors,
		    a->connector_count * sizeof(uint16_t));
		(void)buf_put(&w->apps, &d, sizeof(d));
	}
	for (size_t i = 0; i < s->connector_count; i++) {
		const struct c25_spec_connector *c = &s->connectors[i];
		size_t len = strlen(c->name);
		struct c25_pconnector_d d = {
			.name_len = (uint16_t)len, .reg = c->reg,
		};

		if (len == 0 || len > C25_CONNECTOR_NAME_MAX ||
		    c->reg >= C25_CONNECTORS_MAX)
			return c25_fail(err, -EINVAL,
			    "policy: connector %zu: bad name or index", i);
		d.name_off = buf_put(&w->names, c->name, len + 1);
		(void)buf_put(&w->connectors, &d, sizeof(d));
	}
	return 0;
}

static void
put_range(struct buf *b, const struct c25_range *r, uint8_t kind, uint16_t reg)
{
	struct c25_prange_d d = {
		.family = r->first.family, .kind = kind, .connector = reg,
	};

	memcpy(d.first, r->first.bytes, 16);
	memcpy(d.last, r->last.bytes, 16);
	(void)buf_put(b, &d, sizeof(d));
}

/* The address before `a`; not called for the first one of a family. */
static struct c25_addr
addr_before(struct c25_addr a)
{
	for (size_t i = c25_addr_len(&a); i-- > 0;)
		if (a.bytes[i]-- != 0)
			break;
	return a;
}

/*
 * Put what remains of a shared transit range when the connectors' own
 * ranges from index `i` on are cut out of it.
 */
static void
put_shared(struct work *w, struct c25_range r,
    const struct c25_spec_range *in, size_t i)
{
	const struct c25_policy_spec *s = w->spec;
	struct c25_range left;

	for (; i < s->range_count; i++) {
		const struct c25_spec_range *own = &s->ranges[i];

		if (own->connector == C25_CONNECTOR_NONE ||
		    !c25_range_overlaps(&own->range, &r))
			continue;
		if (c25_addr_cmp(&r.first, &own->range.first) < 0) {
			left.first = r.first;
			left.last = addr_before(own->range.first);
			put_shared(w, left, in, i + 1);
		}
		if (c25_addr_cmp(&own->range.last, &r.last) >= 0 ||
		    c25_addr_add(&r.first, &own->range.last, 1) != 0)
			return;
	}
	put_range(&w->ranges, &r, (uint8_t)in->kind, C25_CONNECTOR_NONE);
}

static int
range_order(const void *a, const void *b)
{
	const struct c25_prange_d *x = a, *y = b;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	return memcmp(x->first, y->first, 16);
}

static int
add_ranges(struct work *w, struct c25_error *err)
{
	const struct c25_policy_spec *s = w->spec;
	const struct c25_prange_d *d;
	size_t count;

	for (size_t i = 0; i < s->range_count; i++) {
		const struct c25_spec_range *in = &s->ranges[i];
		enum c25_family family = in->kind == C25_POOL_V4_MAGIC ||
		    in->kind == C25_POOL_V4_TRANSIT ? C25_V4 : C25_V6;
		bool transit = in->kind == C25_POOL_V4_TRANSIT ||
		    in->kind == C25_POOL_V6_TRANSIT;

		if (in->range.first.family != family ||
		    in->range.last.family != family ||
		    c25_addr_cmp(&in->range.first, &in->range.last) > 0 ||
		    (in->connector != C25_CONNECTOR_NONE &&
		    (!transit || in->connector >= C25_CONNECTORS_MAX)))
			return c25_fail(err, -EINVAL,
			    "policy: pool range %zu is malformed", i);
		if (transit && in->connector == C25_CONNECTOR_NONE)
			put_shared(w, in->range, in, 0);
		else
			put_range(&w->ranges, &in->range, (uint8_t)in->kind,
			    in->connector);
	}
	for (size_t i = 0; i < s->exclude_count; i++) {
		const struct c25_range *out = &s->exclude[i];

		if (c25_addr_len(&out->first) == 0 ||
		    out->first.family != out->last.family ||
		    c25_addr_cmp(&out->first, &out->last) > 0)
			return c25_fail(err, -EINVAL,
			    "policy: exclude range %zu is malformed", i);
		put_range(&w->exclude, out, 0, C25_CONNECTOR_NONE);
	}
	if (w->ranges.failed)
		return c25_fail(err, -ENOMEM, "policy: out of memory");
	count = w->ranges.len / sizeof(*d);
	if (count > 1)
		qsort(w->ranges.data, count, sizeof(*d), range_order);
	d = (const struct c25_prange_d *)(void *)w->ranges.data;
	for (size_t i = 1; i < count; i++)
		if (d[i].family == d[i - 1].family &&
		    memcmp(d[i].first, d[i - 1].last, 16) <= 0)
			return c25_fail(err, -EINVAL,
			    "policy: address pools overlap");
	return 0;
}

/* Append a section, 8-aligned, and note it in the header. */
static struct c25_section_d
put_section(struct buf *out, const void *data, size_t bytes, size_t each)
{
	static const uint8_t zero[8];
	struct c25_section_d s;

	(void)buf_put(out, zero, (8 - out->len % 8) % 8);
	s.off_bytes = out->len;
	s.count = bytes / each;
	(void)buf_grow(out, 0);
	if (bytes > 0)
		(void)buf_put(out, data, bytes);
	return s;
}

static int
assemble(struct work *w, uint64_t generation, struct buf *out)
{
	struct c25_policy_d h = {
		.magic = C25_POLICY_MAGIC,
		.fingerprint = C25_POLICY_FINGERPRINT,
		.generation = generation,
		.labels = { w->labels[0], w->labels[1] },
		.max_ttl_s = w->spec->max_ttl_s,
		.hold_ms = w->spec->hold_ms < UINT16_MAX ?
		    (uint16_t)w->spec->hold_ms : UINT16_MAX,
		.flags = w->spec->log_queries ? C25_POLICY_LOG_QUERIES : 0,
	};
	size_t after = offsetof(struct c25_policy_d, check) +
	    sizeof(h.check);

	memcpy(h.hash_key, w->key, 16);
	(void)buf_put(out, &h, sizeof(h));
	h.buckets = put_section(out, w->buckets,
	    w->bucket_count * sizeof(*w->buckets), sizeof(*w->buckets));
	h.domains = put_section(out, w->domains.data, w->domains.len, 1);
	h.domain_count = w->domain_count;
	h.apps = put_section(out, w->apps.data, w->apps.len,
	    sizeof(struct c25_app_d));
	h.lists = put_section(out, w->lists.data, w->lists.len,
	    sizeof(uint16_t));
	h.connectors = put_section(out, w->connectors.data,
	    w->connectors.len, sizeof(struct c25_pconnector_d));
	h.ranges = put_section(out, w->ranges.data, w->ranges.len,
	    sizeof(struct c25_prange_d));
	h.exclude = put_section(out, w->exclude.data, w->exclude.len,
	    sizeof(struct c25_prange_d));
	h.names = put_section(out, w->names.data, w->names.len, 1);
	if (out->failed || w->names.failed || w->apps.failed ||
	    w->lists.failed || w->connectors.failed || w->exclude.failed)
		return -ENOMEM;
	if (out->len > UINT32_MAX)
		return -E2BIG;
	h.len_bytes = out->len;
	memcpy(out->data, &h, sizeof(h));
	h.check = c25_hash(h.hash_key, out->data + after, out->len - after);
	memcpy(out->data, &h, sizeof(h));
	return 0;
}

int
c25_policy_compile(const struct c25_policy_spec *spec, uint64_t generation,
    const uint8_t hash_key[static 16], uint8_t **blob, size_t *len_bytes,
    struct c25_error *err)
{
	struct work w = { .spec = spec, .key = hash_key };
	struct buf out = { 0 };
	int r;

	*blob = NULL;
	*len_bytes = 0;
	if ((r = add_domains(&w, err)) != 0 ||
	    (r = add_apps(&w, err)) != 0 ||
	    (r = add_ranges(&w, err)) != 0)
		goto out;
	if ((r = assemble(&w, generation, &out)) != 0) {
		(void)c25_fail(err, r, r == -E2BIG ?
		    "policy: over 4 GiB: use fewer domains" :
		    "policy: out of memory");
		goto out;
	}
	*blob = out.data;
	*len_bytes = out.len;
	out.data = NULL;
out:
	free(out.data);
	free(w.buckets);
	free(w.domains.data);
	free(w.names.data);
	free(w.apps.data);
	free(w.lists.data);
	free(w.connectors.data);
	free(w.ranges.data);
	free(w.exclude.data);
	return r;
}
