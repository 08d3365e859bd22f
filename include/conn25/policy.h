/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy.h - the compiled configuration: which names are ours, which app and
 * connectors they belong to, where addresses come from.
 *
 * conn25d compiles a `struct c25_policy_spec` (plain arrays) into an
 * immutable blob, one per generation, and publishes it beside the table
 * (c25_table_publish()). Module and sidecar read the blob into private
 * memory, verify it once, and match names without a lock.
 *
 * Example (a reader):
 *	struct c25_policy *p;
 *	struct c25_match m;
 *
 *	if (c25_policy_load(blob, len, &p, &err) == 0 &&
 *	    c25_policy_match(p, name.wire, name.len, &m) && m.rewrite)
 *		... m.app ...
 *	c25_policy_unref(p);
 *
 * Rules
 *   threads    a loaded policy never changes; any thread may read it; the
 *              reference count is atomic.
 *   processes  nothing is shared: the blob is copied before it is verified,
 *              so later scribbling on the file can't hurt a reader.
 *   hostile    c25_policy_load() checks every offset; afterwards no lookup
 *              can leave the blob.
 * Matching costs one hash per label of the name, whatever the number of
 * domains (DESIGN 12: <= 300 ns at a million).
 */
#ifndef CONN25_POLICY_H
#define CONN25_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn25/addr.h"
#include "conn25/error.h"
#include "conn25/name.h"

#define C25_APP_NAME_MAX 255		/* bytes, without NUL */
#define C25_CONNECTOR_NAME_MAX 63
#define C25_CONNECTORS_MAX 256		/* registry slots of a table */
#define C25_CONNECTOR_NONE 0xffffu
#define C25_APP_NONE 0xffffffffu

/* What a pool's addresses are for. */
enum c25_pool_kind {
	C25_POOL_V4_MAGIC = 0,
	C25_POOL_V4_TRANSIT = 1,
	C25_POOL_V6_MAGIC = 2,
	C25_POOL_V6_TRANSIT = 3,
};
#define C25_POOL_KINDS 4

/* ---- input: what the configuration says -------------------------------- */

struct c25_spec_app {
	const char *name;
	const uint16_t *connectors;	/* registry indexes, best first */
	uint32_t connector_count;
	bool self;			/* this host serves it: don't rewrite */
};

/* One (domain, app) pair, in the order of the configuration. */
struct c25_spec_domain {
	struct c25_name name;		/* without the "*." of a wildcard */
	bool wildcard;			/* also every name below */
	uint32_t app;			/* index into apps */
};

struct c25_spec_connector {
	const char *name;
	uint16_t reg;			/* c25_table_connector_reg() */
};

/* One range of one pool. Ranges given must not overlap, except that a
 * connector's own transit range may lie inside a shared one: it is then cut
 * out of the shared pool. */
struct c25_spec_range {
	struct c25_range range;
	enum c25_pool_kind kind;
	uint16_t connector;		/* reg, or C25_CONNECTOR_NONE: shared */
};

struct c25_policy_spec {
	const struct c25_spec_app *apps;
	size_t app_count;
	const struct c25_spec_domain *domains;
	size_t domain_count;
	const struct c25_spec_connector *connectors;
	size_t connector_count;
	const struct c25_spec_range *ranges;
	size_t range_count;
	const struct c25_range *exclude;  /* passed as they are; the special
					   * addresses are always excluded */
	size_t exclude_count;
	uint32_t max_ttl_s;
	uint32_t hold_ms;		/* up to UINT16_MAX */
	bool log_queries;		/* each one of a matched name */
};

/*
 * Compile. Several apps on one domain: the first wins; if any of them is
 * `self` the domain is not rewritten.
 * Owns: *blob is malloc'ed, the caller frees it.
 * Returns: 0; -ENOMEM; -EINVAL (overlap, index out of range; see err);
 * -E2BIG (more than 2^32 bytes).
 */
int c25_policy_compile(const struct c25_policy_spec *spec,
	uint64_t generation, const uint8_t hash_key[static 16],
	uint8_t **blob, size_t *len_bytes, struct c25_error *err)
	__attribute__((warn_unused_result));

/* ---- reading ----------------------------------------------------------- */

struct c25_policy;

/*
 * Take over and verify a blob.
 * Owns: on success `blob` (malloc'ed) belongs to the policy; on failure it
 * still is the caller's. The policy starts with one reference.
 * Returns: 0; -EINVAL (not a policy, damaged; see err); -EPROTO (another
 * layout); -ENOMEM.
 */
int c25_policy_load(uint8_t *blob, size_t len_bytes,
	struct c25_policy **out, struct c25_error *err)
	__attribute__((warn_unused_result));

/* The blob it was loaded from, as long as the policy is there. */
const uint8_t *c25_policy_blob(const struct c25_policy *p, size_t *len_bytes);

struct c25_policy *c25_policy_ref(struct c25_policy *p);
void c25_policy_unref(struct c25_policy *p);	/* NULL is fine */

struct c25_match {
	uint32_t app;		/* index for c25_policy_app() */
	bool rewrite;		/* false: matches, but this host serves it */
	bool wildcard;		/* matched by a wildcard */
};

/*
 * Does the policy match this canonical wire name? An exact domain beats a
 * wildcard, a longer wildcard beats a shorter one, *.example.com matches
 * example.com too (DESIGN 4.2).
 * Returns: true and *out; false (also for a malformed name).
 */
bool c25_policy_match(const struct c25_policy *p, const uint8_t *name,
	size_t len, struct c25_match *out);

/* Is this destination passed as it is (DESIGN 4.3 exclude)? */
bool c25_policy_excluded(const struct c25_policy *p,
	const struct c25_addr *a);

/* May this family be rewritten, that is, are there magic and transit pools? */
bool c25_policy_has_pool(const struct c25_policy *p, enum c25_family family);

/* Is the address inside a magic pool, or a transit pool, of its family? */
bool c25_policy_in_magic(const struct c25_policy *p,
	const struct c25_addr *a);
bool c25_policy_in_transit(const struct c25_policy *p,
	const struct c25_addr *a);

/*
 * May an assignment that was found have this magic, or this transit address?
 * It is in a pool, or in one of an earlier policy that some may still be in.
 */
bool c25_policy_allows_magic(const struct c25_policy *p,
	const struct c25_addr *a);
bool c25_policy_allows_transit(const struct c25_policy *p,
	const struct c25_addr *a);

/* The name of an app, or NULL when there is no such index. */
const char *c25_policy_app(const struct c25_policy *p, uint32_t app);
/* Registry indexes of an app's connectors, best first. */
const uint16_t *c25_policy_app_connectors(const struct c25_policy *p,
	uint32_t app, uint32_t *count);
const char *c25_policy_connector(const struct c25_policy *p, uint16_t reg);

uint64_t c25_policy_generation(const struct c25_policy *p);
uint32_t c25_policy_max_ttl(const struct c25_policy *p);	/* seconds */
uint32_t c25_policy_hold(const struct c25_policy *p);	/* milliseconds */
bool c25_policy_log_queries(const struct c25_policy *p);
size_t c25_policy_app_count(const struct c25_policy *p);
/* Domains: a name and its wildcard are two, and each is counted once. */
size_t c25_policy_domain_count(const struct c25_policy *p);

/*
 * Walk the names in it, in the order of the configuration: what the name
 * itself says and what its wildcard says (app C25_APP_NONE: nothing). *cursor
 * begins with 0.
 * Returns: false at the end.
 */
bool c25_policy_domain_next(const struct c25_policy *p, size_t *cursor,
	struct c25_name *name, struct c25_match *exact,
	struct c25_match *wild);
/* The i-th compiled pool range, sorted by address. Returns: false at end. */
bool c25_policy_range_at(const struct c25_policy *p, size_t i,
	struct c25_spec_range *out);
/* The i-th range of earlier policies' pools. Returns: false at the end. */
bool c25_policy_former_at(const struct c25_policy *p, size_t i,
	struct c25_spec_range *out);

/*
 * A copy of a policy's blob that also knows the pools of the one that it
 * follows, and those former ones of that for which used[i] is set.
 * Owns: *out is malloc'ed, the caller frees it.
 * Returns: 0, and *out is NULL if there are none; -ENOMEM.
 */
int c25_policy_follow(const struct c25_policy *p,
	const struct c25_policy *before, const bool *used,
	uint8_t **out, size_t *len_bytes)
	__attribute__((warn_unused_result));

#endif
