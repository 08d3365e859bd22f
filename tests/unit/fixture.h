/* SPDX-License-Identifier: BSD-3-Clause */
/* A table with a small policy in a directory of its own, for tests. */
#ifndef CONN25_TESTS_FIXTURE_H
#define CONN25_TESTS_FIXTURE_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn25/table.h"

#ifdef FIXTURE_WITHOUT_CHECK	/* benchmarks: what fails ends the program */
#define ck_assert_msg(expr, ...) \
	((expr) ? (void)0 : (fprintf(stderr, __VA_ARGS__), abort()))
#define ck_assert_int_eq(a, b) \
	ck_assert_msg((a) == (b), "%s:%d\n", __FILE__, __LINE__)
#define ck_assert_uint_le(a, b) \
	ck_assert_msg((a) <= (b), "%s:%d\n", __FILE__, __LINE__)
#define ck_assert_ptr_nonnull(p) \
	ck_assert_msg((p) != NULL, "%s:%d\n", __FILE__, __LINE__)
#else
#include <check.h>
#endif

#define FIXTURE_RANGES 8

struct fixture {
	char dir[64];
	struct c25_table *t;
	struct c25_policy *p;
	struct c25_spec_range ranges[FIXTURE_RANGES];
	size_t range_count;
	uint32_t max_ttl_s;		/* 0: 300 */
};

static inline struct c25_name
fx_name(const char *text)
{
	struct c25_name n;

	ck_assert_int_eq(c25_name_from_text(&n, text, strlen(text)), 0);
	return n;
}

static inline struct c25_addr
fx_addr(const char *text)
{
	struct c25_addr a;

	ck_assert_int_eq(c25_addr_parse(&a, text, strlen(text)), 0);
	return a;
}

/* Add a pool range to what fx_publish() will publish. */
static inline void
fx_pool(struct fixture *f, enum c25_pool_kind kind, uint16_t reg,
    const char *text)
{
	struct c25_spec_range *r = &f->ranges[f->range_count++];

	ck_assert_uint_le(f->range_count, FIXTURE_RANGES);
	ck_assert_int_eq(c25_range_parse(&r->range, text, strlen(text)), 0);
	r->kind = kind;
	r->connector = reg;
}

/* Publish the pools, one app "app" with connector 0, and *.example. */
static inline void
fx_publish(struct fixture *f)
{
	static const uint16_t list[] = { 0 };
	struct c25_spec_app app = { .name = "app", .connectors = list,
	    .connector_count = 1 };
	struct c25_spec_domain d = { fx_name("example"), true, 0 };
	struct c25_spec_connector c = { "c0", 0 };
	struct c25_policy_spec spec = { .apps = &app, .app_count = 1,
	    .domains = &d, .domain_count = 1, .connectors = &c,
	    .connector_count = 1, .ranges = f->ranges,
	    .range_count = f->range_count,
	    .max_ttl_s = f->max_ttl_s != 0 ? f->max_ttl_s : 300 };
	struct c25_error err = { "" };
	uint8_t *blob;
	size_t len;

	ck_assert_int_eq(c25_policy_compile(&spec,
	    c25_table_next_generation(f->t), c25_table_hash_key(f->t), &blob,
	    &len, &err), 0);
	ck_assert_msg(c25_table_publish(f->t, blob, len, &err) == 0, "%s",
	    err.text);
	free(blob);
	c25_policy_unref(f->p);
	ck_assert_msg(c25_table_policy(f->t, &f->p, &err) == 0, "%s",
	    err.text);
}

static inline void
fx_open(struct fixture *f, uint32_t capacity)
{
	struct c25_error err = { "" };

	memset(f, 0, sizeof(*f));
	(void)snprintf(f->dir, sizeof(f->dir), "%s/c25-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(f->dir));
	ck_assert_msg(c25_table_create(f->dir, capacity, (gid_t)-1, &f->t,
	    &err) == 0, "%s", err.text);
	c25_table_begin(f->t);
	ck_assert_int_eq(c25_table_connector_reg(f->t, "c0"), 0);
}

static inline void
fx_close(struct fixture *f)
{
	DIR *d = opendir(f->dir);
	struct dirent *e;

	c25_policy_unref(f->p);
	c25_table_detach(f->t);
	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			(void)unlinkat(dirfd(d), e->d_name, 0);
	(void)closedir(d);
	ck_assert_int_eq(rmdir(f->dir), 0);
}

/* Reserve (name, destination). Returns: what c25_table_reserve() does. */
static inline int
fx_reserve(struct fixture *f, const char *domain, const char *destination,
    struct c25_assignment *out, int *full)
{
	struct c25_name n = fx_name(domain);
	struct c25_want w = { .name = &n, .destination =
	    fx_addr(destination), .app = 0, .ttl_s = 300 };

	return c25_table_reserve(f->t, f->p, &w, out, full);
}

#endif
