/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy_d.h - the bytes of a compiled policy: a header, then sections that
 * the header gives as offset and count. Everything is naturally aligned, of
 * fixed width and in host order: the blob never leaves the machine.
 *
 * Domains are found by open addressing: buckets[hash & mask] onwards, until
 * an empty bucket. A bucket holds 32 bits of the hash, so that a name is
 * compared only where it almost surely matches: one cache line for a miss. For
 * a hit there is a second one to wait for, as the name lies beside what is said
 * of it; where it goes on in the next line that is fetched along. The buckets
 * of all suffixes are fetched at once.
 */
#ifndef CONN25_TABLE_POLICY_D_H
#define CONN25_TABLE_POLICY_D_H

#include <stdint.h>

#define C25_POLICY_MAGIC 0x31796c6f70353263ull	/* "c25poly1" */

struct c25_section_d {
	uint64_t off_bytes;	/* from the start of the blob, 8-aligned */
	uint64_t count;		/* elements */
};

enum c25_domain_flags {
	C25_DOMAIN_EXACT = 1,		/* the name itself */
	C25_DOMAIN_WILD = 2,		/* and everything below */
	C25_DOMAIN_EXACT_SELF = 4,	/* one of its apps is served here */
	C25_DOMAIN_WILD_SELF = 8,
};

struct c25_bucket_d {
	uint32_t tag;		/* upper half of the hash */
	uint32_t domain;	/* offset in words + 1, 0 is empty */
};

#define C25_DOMAIN_WORD 4u	/* bytes; where a domain may begin */

/* One after another, each filled up with zeros to a whole word. */
struct c25_domain_d {
	uint32_t exact_app;
	uint32_t wild_app;
	uint8_t flags;		/* enum c25_domain_flags */
	uint8_t name_len;
	uint8_t name[];
};

struct c25_app_d {
	uint32_t name_off;	/* into names, NUL-terminated */
	uint32_t name_len;
	uint32_t list_off;	/* into lists */
	uint32_t list_count;	/* connectors, best first */
};

struct c25_pconnector_d {
	uint32_t name_off;
	uint16_t name_len;
	uint16_t reg;
};

struct c25_prange_d {
	uint8_t first[16];
	uint8_t last[16];
	uint8_t family;		/* enum c25_family */
	uint8_t kind;		/* enum c25_pool_kind; 0 for exclude */
	uint16_t connector;	/* reg or C25_CONNECTOR_NONE */
	uint32_t pad;
};

enum c25_policy_flags {
	C25_POLICY_LOG_QUERIES = 1,
};

struct c25_policy_d {
	uint64_t magic;
	uint64_t fingerprint;	/* of the structs above */
	uint64_t generation;
	uint64_t len_bytes;	/* whole blob */
	uint64_t check;		/* c25_hash() of all after this field */
	uint8_t hash_key[16];
	uint64_t labels[2];	/* bit n: a domain of n labels exists */
	uint32_t max_ttl_s;
	uint16_t hold_ms;
	uint16_t flags;		/* enum c25_policy_flags */
	struct c25_section_d buckets;
	struct c25_section_d domains;	/* bytes */
	uint64_t domain_count;
	struct c25_section_d apps;
	struct c25_section_d lists;	/* uint16_t */
	struct c25_section_d connectors;
	struct c25_section_d ranges;	/* pools, sorted by address */
	struct c25_section_d exclude;
	struct c25_section_d former;	/* ranges of earlier pools */
	struct c25_section_d names;	/* bytes */
};

#define C25_POLICY_FINGERPRINT ((uint64_t)3 << 56 | \
	(uint64_t)sizeof(struct c25_policy_d) << 40 | \
	(uint64_t)sizeof(struct c25_domain_d) << 32 | \
	(uint64_t)sizeof(struct c25_app_d) << 24 | \
	(uint64_t)sizeof(struct c25_pconnector_d) << 16 | \
	(uint64_t)sizeof(struct c25_prange_d) << 8 | \
	(uint64_t)sizeof(struct c25_bucket_d))

#endif
