/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scratch.h - for fuzz targets that need a directory, or a table in it. It is
 * made in the working directory and removed at exit; what a target that was
 * stopped leaves is called fuzz-scratch.* and may go.
 */
#ifndef CONN25_TESTS_FUZZ_SCRATCH_H
#define CONN25_TESTS_FUZZ_SCRATCH_H

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "conn25/table.h"
#include "tests/fuzz/fuzz.h"

static char fuzz_dir[64];

/* Remove what is in it. */
static inline void
fuzz_scratch_empty(void)
{
	DIR *d = opendir(fuzz_dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		(void)closedir(d);
}

static inline void
fuzz_scratch_remove(void)
{
	fuzz_scratch_empty();
	(void)rmdir(fuzz_dir);
}

/* Make it, once. Returns: its path. */
static inline const char *
fuzz_scratch(void)
{
	if (fuzz_dir[0] == '\0') {
		strcpy(fuzz_dir, "fuzz-scratch.XXXXXX");
		fuzz_must(mkdtemp(fuzz_dir) != NULL, "no directory");
		(void)atexit(fuzz_scratch_remove);
	}
	return fuzz_dir;
}

/* The time that all of a target's code sees; it starts long after 0. */
static uint64_t fuzz_now_ms = UINT64_C(1000000000);

static inline uint64_t
fuzz_clock(void)
{
	return fuzz_now_ms;
}

/* ---- a policy, and a table that has it ---------------------------------- */

/*
 *	app.example, *.wild.example	app "app" of connector 0
 *	*.own.example			app "own" of connectors 1 and 0; 1
 *					has a transit pool of its own
 *	self.example			served here
 *	excluded			192.0.2.0/24
 */
#define FUZZ_V4_MAGIC "100.64.0.0/28"
#define FUZZ_V6_MAGIC "fd25:1::/125"
#define FUZZ_EXCLUDE "192.0.2.0/24"
#define FUZZ_MAX_TTL 300

static inline struct c25_range
fuzz_range(const char *text)
{
	struct c25_range r;

	fuzz_must(c25_range_parse(&r, text, strlen(text)) == 0, "%s", text);
	return r;
}

static inline struct c25_name
fuzz_name(const char *text)
{
	struct c25_name n;

	fuzz_must(c25_name_from_text(&n, text, strlen(text)) == 0, "%s",
		text);
	return n;
}

/* The blob is malloc'ed. */
static inline uint8_t *
fuzz_policy(uint64_t generation, const uint8_t key[static 16], size_t *len)
{
	static const uint16_t app[] = { 0 }, own[] = { 1, 0 };
	const struct c25_spec_app apps[] = {
		{ .name = "app", .connectors = app, .connector_count = 1 },
		{ .name = "own", .connectors = own, .connector_count = 2 },
		{ .name = "self", .self = true },
	};
	const struct c25_spec_domain domains[] = {
		{ .name = fuzz_name("app.example"), .app = 0 },
		{ .name = fuzz_name("wild.example"), .wildcard = true },
		{ .name = fuzz_name("own.example"), .wildcard = true,
			.app = 1 },
		{ .name = fuzz_name("self.example"), .app = 2 },
	};
	const struct c25_spec_connector connectors[] = {
		{ "c0", 0 }, { "c1", 1 },
	};
	const struct c25_spec_range ranges[] = {
		{ fuzz_range(FUZZ_V4_MAGIC), C25_POOL_V4_MAGIC,
			C25_CONNECTOR_NONE },
		{ fuzz_range("169.254.64.0/27"), C25_POOL_V4_TRANSIT,
			C25_CONNECTOR_NONE },
		{ fuzz_range("169.254.64.16/29"), C25_POOL_V4_TRANSIT, 1 },
		{ fuzz_range(FUZZ_V6_MAGIC), C25_POOL_V6_MAGIC,
			C25_CONNECTOR_NONE },
		{ fuzz_range("fd25:2::/120"), C25_POOL_V6_TRANSIT,
			C25_CONNECTOR_NONE },
	};
	const struct c25_range exclude = fuzz_range(FUZZ_EXCLUDE);
	const struct c25_policy_spec spec = {
		.apps = apps, .app_count = 3,
		.domains = domains, .domain_count = 4,
		.connectors = connectors, .connector_count = 2,
		.ranges = ranges, .range_count = 5,
		.exclude = &exclude, .exclude_count = 1,
		.max_ttl_s = FUZZ_MAX_TTL,
	};
	struct c25_error err = { "" };
	uint8_t *blob;

	fuzz_must(c25_policy_compile(&spec, generation, key, &blob, len,
		&err) == 0, "%s", err.text);
	return blob;
}

/* A table in the directory, with the policy, that has begun. */
static inline struct c25_table *
fuzz_table(uint32_t capacity)
{
	struct c25_error err = { "" };
	struct c25_table *t;
	uint8_t *blob;
	size_t len;

	c25_clock_set(fuzz_clock);
	fuzz_must(c25_table_create(fuzz_scratch(), capacity, (gid_t)-1, &t,
		&err) == 0, "%s", err.text);
	fuzz_must(c25_table_connector_reg(t, "c0") == 0 &&
		c25_table_connector_reg(t, "c1") == 1, "registry");
	blob = fuzz_policy(c25_table_next_generation(t),
		c25_table_hash_key(t), &len);
	fuzz_must(c25_table_publish(t, blob, len, &err) == 0, "%s", err.text);
	free(blob);
	c25_table_begin(t);
	return t;
}

/* Forget all assignments. Which address is handed out next stays. */
static inline void
fuzz_table_empty(struct c25_table *t)
{
	struct c25_assignment a;
	uint32_t cursor = 0;
	unsigned n = 0;

	while (c25_table_next(t, &cursor, &a)) {
		(void)c25_table_drop(t, a.ref);
		n++;
	}
	if (n == 0)
		return;
	fuzz_now_ms += (C25_LEASE_MAX_S + C25_QUARANTINE_S + 60) * 1000ull;
	while (c25_table_reclaim(t, 1u << 20) > 0)
		continue;
}

#endif
