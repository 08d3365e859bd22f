/* SPDX-License-Identifier: BSD-3-Clause */
/* Which names are domains of an app: sorted arrays, searched once for each
 * label of a name. */

#include "verify_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A domain that is looked for. */
struct key {
	const uint8_t *wire;
	size_t len;
	bool wildcard;
};

static int
key_cmp(const struct key *a, const struct key *b)
{
	if (a->wildcard != b->wildcard)
		return a->wildcard ? 1 : -1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->wire, b->wire, a->len);
}

static struct key
key_of(const struct c25_spec_domain *d)
{
	return (struct key){ d->name.wire, d->name.len, d->wildcard };
}

static int
by_key(const void *a, const void *b)
{
	struct key x = key_of(*(const struct c25_spec_domain *const *)a);
	struct key y = key_of(*(const struct c25_spec_domain *const *)b);

	return key_cmp(&x, &y);
}

static int
find_key(const void *key, const void *item)
{
	struct key y = key_of(*(const struct c25_spec_domain *const *)item);

	return key_cmp(key, &y);
}

int
c25_verify_domains_new(const struct c25_config *cfg,
	struct c25_verify_domains **out)
{
	size_t count = cfg != NULL ? cfg->app_count : 0;
	struct c25_verify_domains *d = calloc(1, sizeof(*d) +
		count * sizeof(d->apps[0]));

	*out = NULL;
	if (d == NULL)
		return -ENOMEM;
	d->app_count = count;
	for (size_t i = 0; i < count; i++) {
		const struct c25_config_app *app = &cfg->apps[i];
		struct c25_verify_app *a = &d->apps[i];

		if (!app->verify_destinations)
			continue;
		d->wanted = true;
		a->items = calloc(app->domain_count + 1, sizeof(*a->items));
		if (a->items == NULL) {
			c25_verify_domains_free(d);
			return -ENOMEM;
		}
		a->count = app->domain_count;
		for (size_t k = 0; k < a->count; k++)
			a->items[k] = &app->domains[k];
		qsort(a->items, a->count, sizeof(*a->items), by_key);
	}
	*out = d;
	return 0;
}

void
c25_verify_domains_free(struct c25_verify_domains *d)
{
	for (size_t i = 0; d != NULL && i < d->app_count; i++)
		free(d->apps[i].items);
	free(d);
}

static bool
has(const struct c25_verify_app *a, const uint8_t *wire, size_t len,
	bool wildcard)
{
	struct key key = { wire, len, wildcard };

	return a->count > 0 && bsearch(&key, a->items, a->count,
		sizeof(*a->items), find_key) != NULL;
}

bool
c25_verify_domains_match(const struct c25_verify_domains *d,
	uint32_t app, const struct c25_name *name)
{
	const struct c25_verify_app *a;
	size_t at = 0;

	if (app >= d->app_count)
		return false;
	a = &d->apps[app];
	if (has(a, name->wire, name->len, false))
		return true;
	for (; name->wire[at] != 0; at += 1u + name->wire[at])
		if (has(a, name->wire + at, name->len - at, true))
			return true;
	return false;
}
