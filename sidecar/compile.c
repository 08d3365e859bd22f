/* SPDX-License-Identifier: BSD-3-Clause */
/* Arranges a configuration as the input of the policy compiler. */

#include "compile.h"

#include <errno.h>
#include <stdlib.h>

/* The arrays of a struct c25_policy_spec while it is being built. */
struct spec {
	struct c25_spec_app *apps;
	uint16_t *lists;		/* of all apps, one after the other */
	size_t list_room, list_used;
	struct c25_spec_connector *connectors;
	struct c25_spec_range *ranges;
	size_t range_count;
	struct c25_range *exclude;
};

static uint16_t
reg_of(const uint16_t *regs, size_t connector)
{
	return regs != NULL ? regs[connector] : (uint16_t)connector;
}

/* Append an app's connectors, best first. */
static int
add_list(struct spec *s, const struct c25_config *cfg, const uint16_t *regs,
	size_t app)
{
	uint16_t list[C25_CONNECTORS_MAX];
	size_t n = c25_config_app_connectors(cfg, app, list);

	if (n > s->list_room - s->list_used) {
		size_t room = s->list_room * 2 + C25_CONNECTORS_MAX;
		uint16_t *p = reallocarray(s->lists, room, sizeof(*p));

		if (p == NULL)
			return -ENOMEM;
		s->lists = p;
		s->list_room = room;
	}
	for (size_t i = 0; i < n; i++)
		s->lists[s->list_used++] = reg_of(regs, list[i]);
	s->apps[app].connector_count = (uint32_t)n;
	return 0;
}

static int
add_apps(struct spec *s, const struct c25_config *cfg, const uint16_t *regs)
{
	size_t used = 0;
	int r;

	for (size_t i = 0; i < cfg->app_count; i++) {
		s->apps[i].name = cfg->apps[i].name;
		s->apps[i].self = c25_config_app_self(cfg, i);
		r = add_list(s, cfg, regs, i);
		if (r != 0)
			return r;
	}
	/* only now, as the lists have moved while they grew */
	for (size_t i = 0; i < cfg->app_count; i++) {
		if (s->apps[i].connector_count > 0)
			s->apps[i].connectors = s->lists + used;
		used += s->apps[i].connector_count;
	}
	return 0;
}

static void
add_ranges(struct spec *s, const struct c25_config_ranges *from,
	enum c25_pool_kind kind, uint16_t reg)
{
	for (size_t i = 0; i < from->count; i++)
		s->ranges[s->range_count++] = (struct c25_spec_range){
			.range = from->items[i].range, .kind = kind,
			.connector = reg };
}

static size_t
count_ranges(const struct c25_config *cfg)
{
	size_t n = 0;

	for (size_t i = 0; i < C25_POOL_KINDS; i++)
		n += cfg->pools[i].count;
	for (size_t i = 0; i < cfg->connector_count; i++)
		n += cfg->connectors[i].transit_v4.count +
			cfg->connectors[i].transit_v6.count;
	return n;
}

static void
add_all_ranges(struct spec *s, const struct c25_config *cfg,
	const uint16_t *regs)
{
	for (int i = 0; i < C25_POOL_KINDS; i++)
		add_ranges(s, &cfg->pools[i], (enum c25_pool_kind)i,
			C25_CONNECTOR_NONE);
	for (size_t i = 0; i < cfg->connector_count; i++) {
		const struct c25_config_connector *c = &cfg->connectors[i];

		add_ranges(s, &c->transit_v4, C25_POOL_V4_TRANSIT,
			reg_of(regs, i));
		add_ranges(s, &c->transit_v6, C25_POOL_V6_TRANSIT,
			reg_of(regs, i));
	}
}

static int
fill(struct spec *s, const struct c25_config *cfg, const uint16_t *regs)
{
	s->apps = calloc(cfg->app_count + 1, sizeof(*s->apps));
	s->connectors = calloc(cfg->connector_count + 1,
		sizeof(*s->connectors));
	s->ranges = calloc(count_ranges(cfg) + 1, sizeof(*s->ranges));
	s->exclude = calloc(cfg->dns.exclude.count + 1, sizeof(*s->exclude));
	if (s->apps == NULL || s->connectors == NULL || s->ranges == NULL ||
	    s->exclude == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < cfg->connector_count; i++) {
		s->connectors[i].name = cfg->connectors[i].name;
		s->connectors[i].reg = reg_of(regs, i);
	}
	for (size_t i = 0; i < cfg->dns.exclude.count; i++)
		s->exclude[i] = cfg->dns.exclude.items[i].range;
	add_all_ranges(s, cfg, regs);
	return add_apps(s, cfg, regs);
}

int
c25_compile(const struct c25_config *cfg, const uint16_t *connector_regs,
	uint64_t generation, const uint8_t hash_key[static 16],
	uint8_t **blob, size_t *len_bytes, struct c25_error *err)
{
	struct spec s = { 0 };
	struct c25_policy_spec spec;
	int r;

	*blob = NULL;
	*len_bytes = 0;
	r = fill(&s, cfg, connector_regs);
	if (r != 0) {
		r = c25_fail(err, r, "policy: not enough memory to compile "
			"it: give the machine more, or configure less");
		goto out;
	}
	spec = (struct c25_policy_spec){
		.apps = s.apps, .app_count = cfg->app_count,
		.domains = cfg->domains,
		/* who is no client must not touch any answer */
		.domain_count = c25_config_is_client(cfg) ?
			cfg->domain_count : 0,
		.connectors = s.connectors,
		.connector_count = cfg->connector_count,
		.ranges = s.ranges, .range_count = s.range_count,
		.exclude = s.exclude, .exclude_count = cfg->dns.exclude.count,
		.max_ttl_s = cfg->dns.max_ttl_s, .hold_ms = cfg->dns.hold_ms,
		.log_queries = cfg->log.queries,
	};
	r = c25_policy_compile(&spec, generation, hash_key, blob, len_bytes,
		err);
out:
	free(s.apps);
	free(s.lists);
	free(s.connectors);
	free(s.ranges);
	free(s.exclude);
	return r;
}
