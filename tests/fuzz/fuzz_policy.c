/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Policies (conn25/policy.h): what is compiled matches as a naive search
 * through the list does; and a blob with any bytes, under a right checksum,
 * is refused or harmless.
 * Input: apps, domains, ranges, names to look for, bytes to change.
 */
#include <errno.h>

#include "conn25/policy.h"
#include "table/policy_d.h"
#include "tests/fuzz/fuzz.h"

#define APPS 4
#define DOMAINS 48
#define RANGES 6
#define CONNECTORS 3

static const uint8_t key[16] = "policy";

struct world {
	struct c25_policy_spec spec;
	struct c25_spec_app apps[APPS];
	uint16_t lists[APPS][CONNECTORS];
	struct c25_spec_domain domains[DOMAINS];
	struct c25_spec_range ranges[RANGES];
	struct c25_range exclude[RANGES];
};

/* Names of few labels of few letters, so that they meet. */
static struct c25_name
a_name(struct fuzz *f)
{
	unsigned labels = fuzz_u8(f) % 6;
	char text[64] = "";
	struct c25_name n;

	for (unsigned i = 0; i < labels; i++) {
		unsigned what = fuzz_u8(f);
		char label[8] = { "abCx"[what & 3], "z-"[what >> 2 & 1],
			'0', '.', '\0' };

		label[what >> 3 & 1 ? 1 : 3] = '.';
		label[what >> 3 & 1 ? 2 : 4] = '\0';
		strcat(text, label);
	}
	if (labels == 0)
		strcpy(text, ".");
	fuzz_must(c25_name_from_text(&n, text, strlen(text)) == 0, "%s",
		text);
	return n;
}

static struct c25_range
a_range(struct fuzz *f)
{
	bool v6 = fuzz_u8(f) & 1;
	uint8_t bytes[16] = { 100, 64, 0, fuzz_u8(f) };
	struct c25_range r;

	r.first = v6 ? c25_addr_v6(bytes) : c25_addr_v4(bytes);
	bytes[3] = fuzz_u8(f);
	r.last = v6 ? c25_addr_v6(bytes) : c25_addr_v4(bytes);
	return r;
}

static void
make_spec(struct fuzz *f, struct world *w)
{
	static const char *const names[APPS] = { "one", "two", "three",
		"four" };
	static const struct c25_spec_connector connectors[CONNECTORS] = {
		{ "c0", 0 }, { "c7", 7 }, { "c255", 255 } };
	struct c25_policy_spec *s = &w->spec;

	memset(w, 0, sizeof(*w));
	s->apps = w->apps;
	s->app_count = APPS;
	for (unsigned i = 0; i < APPS; i++) {
		uint8_t what = fuzz_u8(f);

		w->apps[i].name = names[i];
		w->apps[i].self = what & 0x80;
		w->apps[i].connectors = w->lists[i];
		w->apps[i].connector_count = what % (CONNECTORS + 1);
		for (unsigned k = 0; k < CONNECTORS; k++)
			w->lists[i][k] = connectors[(what + k) % 3].reg;
	}
	s->connectors = connectors;
	s->connector_count = CONNECTORS;
	s->domains = w->domains;
	s->domain_count = fuzz_u8(f) % (DOMAINS + 1);
	for (unsigned i = 0; i < s->domain_count; i++) {
		uint8_t what = fuzz_u8(f);

		w->domains[i] = (struct c25_spec_domain){ a_name(f),
			what & 0x80, what % (APPS + ((what & 0x7f) == 99)) };
	}
	s->ranges = w->ranges;
	s->range_count = fuzz_u8(f) % (RANGES + 1);
	for (unsigned i = 0; i < s->range_count; i++) {
		uint8_t what = fuzz_u8(f);

		w->ranges[i] = (struct c25_spec_range){ a_range(f),
			what % C25_POOL_KINDS, what & 0x10 ? 7 :
			C25_CONNECTOR_NONE };
	}
	s->exclude = w->exclude;
	s->exclude_count = fuzz_u8(f) % (RANGES + 1);
	for (unsigned i = 0; i < s->exclude_count; i++)
		w->exclude[i] = a_range(f);
	s->max_ttl_s = fuzz_u16(f);
	s->hold_ms = fuzz_u16(f);
}

/* As DESIGN 4.2 says it. Returns: the domain that decides, or NULL. */
static const struct c25_spec_domain *
model(const struct world *w, const struct c25_name *n, bool *self)
{
	const struct c25_spec_domain *best = NULL;
	unsigned rank, best_rank = 0;

	*self = false;
	for (size_t i = 0; i < w->spec.domain_count; i++) {
		const struct c25_spec_domain *d = &w->domains[i];

		if (!d->wildcard && c25_name_eq(&d->name, n))
			rank = C25_NAME_MAX + 1;
		else if (d->wildcard && c25_name_below(n, &d->name))
			rank = d->name.len;
		else
			continue;
		if (rank < best_rank)
			continue;
		if (rank > best_rank) {
			best = d;
			best_rank = rank;
			*self = false;
		}
		*self = *self || w->apps[d->app].self;
	}
	return best;
}

static void
check_match(const struct world *w, const struct c25_policy *p,
	const struct c25_name *n)
{
	char text[C25_NAME_TEXT_MAX];
	struct c25_match m;
	bool self, found = c25_policy_match(p, n->wire, n->len, &m);
	const struct c25_spec_domain *d = model(w, n, &self);

	c25_name_to_text(n->wire, n->len, text);
	fuzz_must(found == (d != NULL), "%s", text);
	if (d == NULL)
		return;
	fuzz_must(m.app == d->app, "%s: app %u, not %u", text, m.app, d->app);
	fuzz_must(m.wildcard == d->wildcard, "%s", text);
	fuzz_must(m.rewrite == !self, "%s: self %d", text, self);
}

static void
check_addresses(const struct world *w, const struct c25_policy *p,
	struct fuzz *f)
{
	struct c25_range r = a_range(f);
	bool magic = false, out = c25_addr_is_special(&r.first);

	for (size_t i = 0; i < w->spec.range_count; i++)
		magic = magic || ((w->ranges[i].kind == C25_POOL_V4_MAGIC ||
			w->ranges[i].kind == C25_POOL_V6_MAGIC) &&
			c25_range_contains(&w->ranges[i].range, &r.first));
	for (size_t i = 0; i < w->spec.exclude_count; i++)
		out = out || c25_range_contains(&w->exclude[i], &r.first);
	fuzz_must(c25_policy_in_magic(p, &r.first) == magic, "magic");
	fuzz_must(c25_policy_excluded(p, &r.first) == out, "exclude");
}

/* May an assignment have the last address of this pool as what it is for? */
static bool
allows(const struct c25_policy *p, const struct c25_spec_range *r)
{
	return r->kind == C25_POOL_V4_MAGIC || r->kind == C25_POOL_V6_MAGIC ?
		c25_policy_allows_magic(p, &r->range.last) :
		c25_policy_allows_transit(p, &r->range.last);
}

/* Everything that can be asked. */
static void
ask_all(const struct c25_policy *p, const struct c25_name *n)
{
	struct c25_match exact, wild;
	struct c25_spec_range r;
	struct c25_name name;
	uint32_t count = 0;
	size_t i, cursor = 0, domains = 0;

	(void)c25_policy_match(p, n->wire, n->len, &exact);
	for (i = 0; c25_policy_domain_next(p, &cursor, &name, &exact, &wild);
	    i++) {
		fuzz_must(c25_name_valid(name.wire, name.len), "domain %zu",
			i);
		domains += (size_t)(exact.app != C25_APP_NONE) +
			(wild.app != C25_APP_NONE);
		(void)c25_policy_match(p, name.wire, name.len, &exact);
	}
	fuzz_must(domains == c25_policy_domain_count(p), "%zu domains",
		domains);
	for (i = 0; c25_policy_range_at(p, i, &r); i++) {
		fuzz_must(c25_addr_cmp(&r.range.first, &r.range.last) <= 0,
			"range %zu", i);
		(void)c25_policy_in_magic(p, &r.range.first);
		(void)c25_policy_excluded(p, &r.range.last);
	}
	/* the checksum is no proof: a family may be another than its kind's */
	for (i = 0; c25_policy_former_at(p, i, &r); i++)
		fuzz_must(allows(p, &r) || (r.range.last.family == C25_V6) !=
			(r.kind >= C25_POOL_V6_MAGIC), "former %zu", i);
	for (i = 0; i <= c25_policy_app_count(p); i++) {
		const char *app = c25_policy_app(p, (uint32_t)i);
		const uint16_t *list = c25_policy_app_connectors(p,
			(uint32_t)i, &count);

		fuzz_must((app == NULL) == (i == c25_policy_app_count(p)),
			"app %zu", i);
		for (uint32_t k = 0; list != NULL && k < count; k++)
			fuzz_must(list[k] < C25_CONNECTORS_MAX, "%u",
				list[k]);
		if (app != NULL)
			(void)strlen(app);
	}
	for (i = 0; i < C25_CONNECTORS_MAX + 1u; i++) {
		const char *c = c25_policy_connector(p, (uint16_t)i);

		if (c != NULL)
			(void)strlen(c);
	}
}

static struct c25_policy *
loaded(uint8_t *blob, size_t len)
{
	struct c25_error err = { "" };
	struct c25_policy *p;

	fuzz_must(c25_policy_load(blob, len, &p, &err) == 0, "%s", err.text);
	return p;
}

/* One without pools follows: it allows all pools, each for what it was, and no
 * more. */
static void
check_follow(struct fuzz *f, const struct c25_policy *p)
{
	static const bool used[1];
	struct c25_policy_spec spec = { .max_ttl_s = 1 };
	struct c25_error err = { "" };
	struct c25_policy *next;
	struct c25_spec_range r;
	struct c25_addr a;
	uint8_t *blob;
	size_t len;

	fuzz_must(c25_policy_compile(&spec, 8, key, &blob, &len, &err) == 0,
		"%s", err.text);
	next = loaded(blob, len);
	fuzz_must(c25_policy_follow(next, p, used, &blob, &len) == 0,
		"memory");
	if (blob != NULL) {
		c25_policy_unref(next);
		next = loaded(blob, len);
	}
	for (size_t i = 0; c25_policy_range_at(p, i, &r); i++)
		fuzz_must(allows(next, &r) && c25_policy_allows_magic(next,
			&r.range.last) != c25_policy_allows_transit(next,
			&r.range.last), "range %zu", i);
	a = a_range(f).first;
	fuzz_must(c25_policy_allows_magic(next, &a) ==
		c25_policy_in_magic(p, &a) && c25_policy_allows_transit(next,
		&a) == c25_policy_in_transit(p, &a), "allowed");
	c25_policy_unref(next);
}

/* A byte; or a number: small, or about the size of something. */
static void
damage(struct fuzz *f, uint8_t *blob, size_t len)
{
	const struct c25_policy_d *h = (const void *)blob;
	const uint32_t near[] = { 0, (uint32_t)h->names.count,
		(uint32_t)len };
	size_t at = fuzz_u16(f);
	uint8_t what = fuzz_u8(f);
	uint32_t word;

	if (what % 4 == 3) {
		blob[at % len] = fuzz_u8(f);
		return;
	}
	word = near[what % 4] + fuzz_u8(f) - 128u;
	memcpy(blob + at % (len / 4) * 4, &word, sizeof(word));
}

/* Change some, mend the checksum, and see who still takes it. */
static void
try_damage(struct fuzz *f, uint8_t *blob, size_t len,
	const struct c25_name *n)
{
	struct c25_policy_d *h = (struct c25_policy_d *)(void *)blob;
	size_t after = offsetof(struct c25_policy_d, check) +
		sizeof(h->check);
	struct c25_error err = { "" };
	struct c25_policy *p;
	int r;

	while (f->left > 0)
		damage(f, blob, len);
	h->check = c25_hash(h->hash_key, blob + after, len - after);
	r = c25_policy_load(blob, len, &p, &err);
	fuzz_must(r == 0 || r == -EINVAL || r == -EPROTO, "%d", r);
	if (r == 0) {
		ask_all(p, n);
		c25_policy_unref(p);
	} else {
		free(blob);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	struct c25_error err = { "" };
	struct c25_name n = { .len = 1 };
	struct c25_policy *p;
	struct world w;
	uint8_t *blob, *copy;
	size_t len;
	unsigned names;
	int r;

	make_spec(&f, &w);
	r = c25_policy_compile(&w.spec, 7, key, &blob, &len, &err);
	fuzz_must(r == 0 || r == -EINVAL, "%d: %s", r, err.text);
	if (r != 0)
		return 0;
	copy = malloc(len);
	memcpy(copy, blob, len);
	fuzz_must(c25_policy_load(blob, len, &p, &err) == 0, "%s", err.text);
	for (names = fuzz_u8(&f) % 32; names > 0; names--) {
		n = a_name(&f);
		check_match(&w, p, &n);
		check_addresses(&w, p, &f);
	}
	for (size_t i = 0; i < w.spec.domain_count; i++)
		check_match(&w, p, &w.domains[i].name);
	ask_all(p, &n);
	check_follow(&f, p);
	c25_policy_unref(p);
	try_damage(&f, copy, len, &n);
	return 0;
}
