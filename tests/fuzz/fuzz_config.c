/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration file (sidecar/config.h): either it is refused with
 * reasons that can be printed, or it compiles to a policy that answers for
 * every domain in it. Input: the text.
 */
#include <errno.h>

#include "conn25/table.h"
#include "sidecar/compile.h"
#include "sidecar/config.h"
#include "tests/fuzz/fuzz.h"

static void
check_errors(const struct c25_config_errors *errs, size_t len, int r)
{
	char line[C25_CONFIG_LINE_MAX];

	fuzz_must((r == 0) == (errs->errors == 0), "%d with %zu errors", r,
		errs->errors);
	fuzz_must(errs->count <= C25_CONFIG_ERRORS_MAX, "%zu", errs->count);
	for (size_t i = 0; i < errs->count; i++) {
		const struct c25_config_error *e = &errs->items[i];

		fuzz_must(e->at <= len, "%zu of %zu bytes", e->at, len);
		fuzz_must(e->text[0] != '\0' && (e->line > 0) ==
			(e->column > 0), "%u:%u: %s", e->line, e->column,
			e->text);
		fuzz_must(i == 0 || errs->items[i - 1].at <= e->at ||
			e->line == 0, "%s: not in order", e->text);
	}
	for (size_t i = 0; i < c25_config_error_count(errs); i++) {
		const char *p = c25_config_error_line(errs, i, line);

		fuzz_must(strlen(p) > 0 && strlen(p) < sizeof(line), "%s", p);
		for (; *p != '\0'; p++)
			fuzz_must((unsigned char)*p >= ' ' && *p != 0x7f,
				"byte %d in %s", *p, line);
	}
}

static void
check_policy(const struct c25_config *cfg, const struct c25_policy *p)
{
	struct c25_match m;

	for (size_t i = 0; i < cfg->domain_count; i++) {
		const struct c25_spec_domain *d = &cfg->domains[i];

		fuzz_must(c25_policy_match(p, d->name.wire, d->name.len, &m),
			"domain %zu is not matched", i);
		fuzz_must(m.app < cfg->app_count && c25_policy_app(p, m.app)
			!= NULL, "app %u", m.app);
		fuzz_must(!m.rewrite || !c25_config_app_self(cfg, d->app),
			"domain %zu is served here", i);
	}
	for (size_t i = 0; i < cfg->app_count; i++)
		fuzz_must(strcmp(cfg->apps[i].name, c25_policy_app(p,
			(uint32_t)i)) == 0, "app %zu", i);
}

static void
check_config(const struct c25_config *cfg)
{
	static const uint8_t key[16] = "fuzz";
	uint16_t list[C25_CONNECTORS_MAX];
	struct c25_error err = { "" };
	struct c25_policy *p;
	uint8_t *blob = NULL;
	size_t len = 0;
	int r;

	fuzz_must(cfg->dns.max_ttl_s <= C25_LEASE_MAX_S &&
		cfg->dns.hold_ms <= 10000 &&
		cfg->table.max_assignments >= C25_ASSIGNMENTS_MIN &&
		cfg->table.max_assignments <= C25_ASSIGNMENTS_MAX,
		"out of range");
	for (size_t i = 0; i < cfg->app_count; i++) {
		fuzz_must(c25_config_app_find(cfg, cfg->apps[i].name) == i,
			"app %zu", i);
		fuzz_must(c25_config_app_connectors(cfg, i, list) <=
			cfg->connector_count, "app %zu", i);
	}
	r = c25_compile(cfg, NULL, 1, key, &blob, &len, &err);
	fuzz_must(r == 0, "%d: %s", r, err.text);
	fuzz_must(c25_policy_load(blob, len, &p, &err) == 0, "%s", err.text);
	if (c25_config_is_client(cfg))
		check_policy(cfg, p);
	c25_policy_unref(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	struct fuzz_copy in = fuzz_rest(&f);
	struct c25_config_errors errs = { .advice = true };
	struct c25_config *cfg = NULL;
	int r = c25_config_parse((char *)in.bytes, in.len, "fuzz.json", &cfg,
		&errs);

	fuzz_must(r == 0 || r == -EINVAL, "%d", r);
	fuzz_must((r == 0) == (cfg != NULL), "%d", r);
	check_errors(&errs, in.len, r);
	if (cfg != NULL)
		check_config(cfg);
	c25_config_free(cfg);
	c25_config_errors_free(&errs);
	free(in.bytes);
	return 0;
}
