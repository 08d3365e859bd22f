/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * layout.h - the bytes of runDir/table, the file both processes map.
 *
 *   header | stats | registry | pool sets | ring | heads x 3 | slots | arena
 *
 * Truth and derivation. The truth is: the header's fixed part, the connector
 * registry, the active pool set, and every slot whose state is LIVE and whose
 * sequence number is even. Everything else (the three hash indexes, the free
 * list, the bitmaps in the arena, the counters) is derived from it and is
 * rebuilt by whoever takes the mutex after a crash (c25_rebuild()).
 *
 * A slot is written under the mutex: sequence odd, content, sequence even.
 * A reader copies the content between two loads of the sequence number and
 * takes the copy only when both are the same even value. A reader that is
 * led astray (a chain changed under its feet) merely misses; it then looks
 * again under the mutex, or knows from header.unlinks that nothing moved.
 *
 * The lease is outside the sequence lock, so that renewing needs neither the
 * mutex nor a new version: it only ever grows, by compare and swap, and the
 * one who frees a slot first swaps the lease to 0, after which no renewal
 * succeeds.
 *
 * The pool sets are two, so that a new one is written beside the active one
 * and committed, together with the policy generation, by one store
 * (header.current).
 *
 * Fixed-width fields, explicit padding, no pointers (but for those glibc
 * keeps in the mutex). Both processes run on one machine: host order.
 * The mapping is larger than what it uses: the arena is sparse.
 */
#ifndef CONN25_LAYOUT_H
#define CONN25_LAYOUT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "conn25/policy.h"
#include "conn25/table.h"

#define C25_TABLE_MAGIC 0x31656c6261743263ull	/* "c2table1" */
#define C25_RANGES_MAX 4096	/* ranges in one pool set */
#define C25_POOLS_MAX (C25_POOL_KINDS + 2 * C25_CONNECTORS_MAX)
#define C25_POOL_BITS_MAX (1u << 24)	/* addresses used of one v4 pool */
#define C25_POOL_BITS_MAX_V6 (1u << 22)	/* ... of one v6 pool */
#define C25_ARENA_BYTES (256u << 20)	/* sparse */
#define C25_RING_SIZE 65536u		/* entries, a power of two */
#define C25_CHAIN_MAX 512		/* longer than any honest chain */
#define C25_INLINE_NAME 56		/* bytes of a name in its own slot */
#define C25_CONT_NAME 112		/* ... in each continuation slot */
#define C25_CONT_MAX 2
#define C25_NIL 0xffffffffu

enum c25_slot_state {
	C25_SLOT_FREE = 0,
	C25_SLOT_LIVE = 1,	/* an assignment */
	C25_SLOT_CONT = 2,	/* the rest of a long name */
};

/* What the sequence number guards. Copied as 16 words. */
union c25_content_d {
	struct {
		uint8_t state;		/* enum c25_slot_state */
		uint8_t family;		/* of all three addresses */
		uint8_t name_len;
		uint8_t pad;
		uint16_t connector;	/* registry index or _NONE */
		uint16_t pad2;
		uint32_t cont[C25_CONT_MAX];	/* slots or C25_NIL */
		uint64_t key_hash;	/* of domain and destination */
		uint8_t destination[16];
		uint8_t magic[16];
		uint8_t transit[16];
		uint8_t name[C25_INLINE_NAME];
	} live;
	struct {
		uint8_t state;
		uint8_t pad[7];
		uint32_t owner;		/* the slot it belongs to */
		uint32_t part;		/* 0, 1 */
		uint8_t name[C25_CONT_NAME];
	} cont;
	uint64_t words[16];
};

struct c25_slot_d {
	_Atomic uint32_t seq;		/* even: stable */
	_Atomic uint32_t next[3];	/* chains by enum c25_index; derived;
					 * next[0] links the free list too */
	_Atomic uint64_t lease_end_ms;	/* 0: dead */
	_Atomic uint64_t push;		/* seq << 32 | enum c25_push */
	_Atomic uint64_t words[16];	/* union c25_content_d */
};

#define C25_KEY_HASH_WORD 2	/* where live.key_hash is in the content */
_Static_assert(offsetof(union c25_content_d, live.key_hash) ==
	C25_KEY_HASH_WORD * 8, "key hash word");

enum c25_index { C25_BY_KEY, C25_BY_MAGIC, C25_BY_TRANSIT, C25_INDEXES };

/* The live part of a pool; `nbits` and `off` are derived. */
struct c25_pool_d {
	uint64_t off_bytes;	/* of its bitmap in the arena */
	uint32_t nbits;		/* addresses in use or to be had; 0: none */
	uint32_t cursor;	/* where to look next: round robin */
	uint32_t inuse;
	uint32_t pad;
};

/* One range of a pool; sorted by family and address, disjoint. */
struct c25_trange_d {
	uint8_t first[16];
	uint8_t last[16];
	uint8_t family;
	uint8_t kind;
	uint16_t pool;		/* index into header.pools */
	uint32_t base;		/* bit of `first` in the pool's bitmap */
};

struct c25_poolset_d {
	uint32_t count;
	uint32_t pad;
	struct c25_trange_d ranges[C25_RANGES_MAX];
};

struct c25_connector_d {
	char name[C25_CONNECTOR_NAME_MAX + 1];
	_Atomic uint32_t used;	/* set after the name was written */
	_Atomic uint32_t down;
	uint8_t pad[56];
};

struct c25_stats_d {
	_Atomic uint64_t count[16];
};

struct c25_header_d {
	/* fixed at creation; copied and checked at attach */
	uint64_t magic;
	uint64_t fingerprint;
	uint64_t len_bytes;
	uint32_t capacity;	/* slots */
	uint32_t pad;
	uint8_t hash_key[16];
	uint8_t boot_id[16];
	/* changes */
	_Atomic uint64_t current;	/* generation << 1 | active pool set */
	_Atomic uint32_t retired;	/* a newer file has taken its place */
	_Atomic uint32_t asleep;	/* conn25d waits for the doorbell */
	_Atomic uint64_t ring_head;	/* entries ever written */
	_Atomic uint64_t pending;	/* assignments not acknowledged */
	_Atomic uint64_t unlinks;	/* odd while chains are taken apart */
	_Atomic uint64_t assignments;
	_Atomic uint32_t watermark;	/* slots from here on never used */
	_Atomic uint32_t free_first;	/* free list, C25_NIL at its end */
	_Atomic uint32_t free_count;	/* below the watermark */
	_Atomic uint32_t hand;		/* next slot to look at for reuse */
	uint8_t pad2[64];
	pthread_mutex_t mutex;		/* robust, process-shared */
	uint8_t pad3[64];
	struct c25_pool_d pools[C25_POOLS_MAX];
};

/* Where the parts are; a pure function of the capacity. */
struct c25_layout {
	uint64_t stats, registry, poolsets, ring, heads, slots, arena;
	uint64_t len_bytes;
	uint32_t capacity;
	uint32_t buckets;	/* of each index, a power of two */
};

void c25_layout_compute(uint32_t capacity, struct c25_layout *out);

/* Changes whenever a struct above changes its shape. */
#define C25_FP(h, v) (((uint64_t)(h) ^ (uint64_t)(v)) * 0x100000001b3ull)
#define C25_TABLE_FINGERPRINT \
	C25_FP(C25_FP(C25_FP(C25_FP(C25_FP(C25_FP(C25_FP(C25_FP(C25_FP( \
	    0xcbf29ce484222325ull, sizeof(struct c25_header_d)), \
	    offsetof(struct c25_header_d, mutex)), \
	    offsetof(struct c25_header_d, pools)), \
	    sizeof(pthread_mutex_t)), sizeof(struct c25_slot_d)), \
	    sizeof(struct c25_poolset_d)), sizeof(struct c25_connector_d)), \
	    C25_RING_SIZE), 1 /* bump when a meaning changes */)

_Static_assert(sizeof(union c25_content_d) == 128, "content is 16 words");
_Static_assert(sizeof(struct c25_slot_d) == 160, "DESIGN 12: <= 200 bytes");
_Static_assert(sizeof(struct c25_stats_d) == 128, "whole cache lines");
_Static_assert(sizeof(struct c25_connector_d) == 128, "whole cache lines");
_Static_assert(C25_STAT_COUNT <= 16, "stats fit their block");
_Static_assert(C25_INLINE_NAME + C25_CONT_MAX * C25_CONT_NAME >=
	C25_NAME_MAX, "any name fits");

#endif
