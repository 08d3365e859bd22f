/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * layout.h - the bytes of runDir/table, the file both processes map.
 *
 *   header | stats | registry | pool sets | ring | wheel | heads x 3 |
 *   slots | arena
 *
 * Truth and derivation. The truth is: the header's fixed part, the connector
 * registry, the active pool set, and every slot whose state is LIVE and whose
 * sequence number is even, with its lease. Everything else (the three hash
 * indexes, the free list, the wheel, the bitmaps in the arena, the counters)
 * is derived from it and is rebuilt by whoever takes the lock after a crash
 * (c25_rebuild()).
 *
 * A slot is written under the lock: sequence odd, content, sequence even. A
 * reader copies the content between two loads of the sequence number and
 * takes the copy only when both are the same even value. A reader that is
 * led astray (a chain changed under its feet) merely misses; it then looks
 * again under the lock, or knows from header.unlinks that nothing moved.
 *
 * A slot that somebody was told of is never written again; it ends. When an
 * assignment moves to another connector its new version is a slot of its own,
 * with `moves` one higher, and the old one ends after that: whoever finds
 * both after a crash keeps the newer. The ended one keeps its transit address
 * until lease and quarantine are over, or until the assignment returns to that
 * connector and takes the address back; it is freed at once when the newer one
 * has all its addresses.
 *
 * The lease is outside the sequence lock, so that renewing needs neither the
 * lock nor a new version: it only ever grows, by compare and swap. To end an
 * assignment is one store: C25_LEASE_GONE is set in its lease, and no lookup
 * finds it and no renewal succeeds from then on. It holds its addresses until
 * lease and quarantine are over; then the lease becomes 0 and the slot free.
 *
 * The wheel has the slots by the time at which they might be freed, in ticks
 * of C25_WHEEL_TICK_MS. A lease that was renewed meanwhile is noticed, and
 * the slot put back in at its new time, when its tick comes: reclaiming looks
 * at nothing that isn't due, and renewing touches no list.
 *
 * The pool sets are two, so that a new one is written beside the active one
 * and committed, together with the policy generation, by one store
 * (header.current).
 *
 * The lock is a word that holds the number of its holder's handle, and each
 * handle keeps a lock of the file system on the byte C25_LOCK_BYTES + number
 * of the table's file for as long as it is open: whether a holder still lives
 * is the kernel's word, whatever is in the memory. (A robust mutex of glibc
 * keeps pointers in the shared page, which would let whoever may write it
 * choose an address that the other process writes to.)
 *
 * What later versions may rely on when they find a table of this one is
 * struct c25_prefix_d, struct c25_slot_d and the connector registry: see
 * c25_table_migrate(). C25_SLOT_FORMAT says which form the slots have.
 *
 * Fixed-width fields, explicit padding, no pointers. Both processes run on
 * one machine: host order. The mapping is larger than what it uses: the arena
 * is sparse.
 */
#ifndef CONN25_LAYOUT_H
#define CONN25_LAYOUT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "conn25/policy.h"
#include "conn25/table.h"

#define C25_TABLE_MAGIC 0x31656c6261743263ull	/* "c2table1" */
#define C25_SLOT_FORMAT 1u
#define C25_RANGES_MAX 4096	/* ranges in one pool set */
#define C25_POOLS_MAX (C25_POOL_KINDS + 2 * C25_CONNECTORS_MAX)
#define C25_POOL_BITS_MAX (1u << 24)	/* addresses used of one v4 pool */
#define C25_POOL_BITS_MAX_V6 (1u << 22)	/* ... of one v6 pool */
#define C25_ARENA_BYTES (256u << 20)	/* sparse */
#define C25_RING_SIZE 65536u		/* entries, a power of two */
#define C25_CHAIN_MAX 512		/* longer than any honest chain */
/* Why the table may be in disorder; set by who finds it, taken by conn25d. */
#define C25_DOUBT_DAMAGED 1u
#define C25_DOUBT_FULL 2u		/* or a pool: addresses may be lost */
/* ... and what was exhausted, a pool kind or C25_POOL_KINDS for the slots; or
 * C25_TABLE_FOREIGN. */
#define C25_DOUBT_SHORT(kind) (0x100u << (kind))
#define C25_INLINE_NAME 80		/* bytes of a name in its own slot */
#define C25_CONT_NAME 136		/* ... in each continuation slot */
#define C25_CONT_MAX 2
#define C25_NIL 0xffffffffu
#define C25_WHEEL_TICK_MS 16000u
#define C25_WHEEL_TICKS 16384u		/* a power of two; 72.8 hours */
#define C25_WHEEL_HEAD 0x80000000u	/* in wheel_prev: of this tick */
#define C25_LEASE_GONE (1ull << 63)
#define C25_LOCK_BYTES (1ll << 40)	/* far past the end of the file */
#define C25_LOCK_WAITERS 0x80000000u	/* in the lock word */
#define C25_HANDLES_MAX 255		/* at once, of one table */

/* A newer file has taken its place, or is about to. Who says so has the lock
 * until the newer one is there: retired with nobody who has the lock, and still
 * in its place, means that there will be none. */
enum c25_retired {
	C25_IN_USE = 0,
	C25_NOTHING_NEW = 1,	/* what lives is being copied */
	C25_FROZEN = 2,		/* ... and no renewal counts any more */
};

enum c25_slot_state {
	C25_SLOT_FREE = 0,
	C25_SLOT_LIVE = 1,	/* an assignment, or one that is GONE */
	C25_SLOT_CONT = 2,	/* the rest of a long name */
};

#define C25_CONTENT_WORDS 19

/* What the sequence number guards, copied word by word. What a lookup
 * compares first is in the slot's first cache line. */
union c25_content_d {
	struct {
		uint8_t state;		/* enum c25_slot_state */
		uint8_t family;		/* of all three addresses */
		uint8_t name_len;
		uint8_t pad;
		uint16_t connector;	/* registry index or _NONE */
		uint16_t moves;		/* of the assignment, wraps */
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
	uint64_t words[C25_CONTENT_WORDS];
};

struct c25_slot_d {
	_Atomic uint32_t seq;		/* even: stable */
	_Atomic uint32_t next[3];	/* chains by c25_index; derived; next[0]
					 * links the free list too */
	_Atomic uint64_t lease_end_ms;	/* 0: free; or C25_LEASE_GONE */
	_Atomic uint64_t push;		/* seq << 32 | enum c25_push */
	_Atomic uint32_t wheel_next;	/* C25_NIL at the end; derived */
	_Atomic uint32_t wheel_prev;	/* or C25_WHEEL_HEAD | tick; derived;
					 * C25_NIL: not in the wheel */
	_Atomic uint64_t words[C25_CONTENT_WORDS];	/* c25_content_d */
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
	uint16_t by_base[C25_RANGES_MAX];	/* sorted by pool and base */
};

struct c25_connector_d {
	char name[C25_CONNECTOR_NAME_MAX + 1];
	_Atomic uint32_t used;	/* set after the name was written */
	_Atomic uint32_t health;	/* enum c25_health */
	uint8_t pad[56];
};

struct c25_stats_d {
	_Atomic uint64_t count[16];
	_Atomic uint64_t held_us;	/* how long answers waited: the sum */
	_Atomic uint64_t held[C25_HISTOGRAM_CLASSES];
	uint64_t pad[7];
};

/* The first bytes of every version's file. */
struct c25_prefix_d {
	uint64_t magic;
	uint64_t fingerprint;
	uint64_t len_bytes;
	uint64_t slots_bytes;	/* where the slots begin */
	uint64_t registry_bytes;	/* ... the connector registry */
	uint32_t capacity;	/* slots */
	uint32_t slot_format;	/* C25_SLOT_FORMAT */
	uint8_t hash_key[16];
	uint8_t boot_id[16];
	_Atomic uint64_t current;	/* generation << 1 | active pool set */
	_Atomic uint32_t retired;	/* enum c25_retired */
	_Atomic uint32_t lock;	/* handle number | C25_LOCK_WAITERS, or 0 */
};

struct c25_header_d {
	struct c25_prefix_d p;
	_Atomic uint32_t asleep;	/* conn25d waits for the doorbell */
	_Atomic uint32_t closed;	/* nothing new until conn25d has put
					 * back what it has in its database */
	_Atomic uint64_t ring_head;	/* entries ever written */
	_Atomic uint64_t pending;	/* assignments not acknowledged */
	_Atomic uint64_t unlinks;	/* odd while chains are taken apart */
	_Atomic uint64_t assignments;
	_Atomic uint64_t gone;		/* slots that wait to be freed */
	_Atomic uint64_t wheel_done;	/* last tick that was looked at */
	_Atomic uint32_t watermark;	/* slots from here on never used */
	_Atomic uint32_t free_first;	/* free list, C25_NIL at its end */
	_Atomic uint32_t free_count;	/* below the watermark */
	_Atomic uint32_t doubtful;	/* C25_DOUBT_..., found by somebody */
	struct c25_pool_d pools[C25_POOLS_MAX];
};

/* Where the parts are; a pure function of the capacity. */
struct c25_layout {
	uint64_t stats, registry, poolsets, ring, wheel, heads, slots, arena;
	uint64_t len_bytes;
	uint32_t capacity;
	/* Of each index, a power of two. The index by key is the one that
	 * every answer needs; the others have fewer and longer chains. */
	uint32_t buckets[3];
};

void c25_layout_compute(uint32_t capacity, struct c25_layout *out);

/* Changes whenever a struct above changes its shape. */
#define C25_FP(h, v) (((uint64_t)(h) ^ (uint64_t)(v)) * 0x100000001b3ull)
#define C25_TABLE_FINGERPRINT \
	C25_FP(C25_FP(C25_FP(C25_FP(C25_FP(C25_FP(C25_FP(C25_FP(C25_FP( \
	    0xcbf29ce484222325ull, sizeof(struct c25_header_d)), \
	    offsetof(struct c25_header_d, pools)), \
	    sizeof(struct c25_slot_d)), sizeof(struct c25_poolset_d)), \
	    sizeof(struct c25_connector_d)), \
	    sizeof(struct c25_stats_d)), C25_RING_SIZE), \
	    C25_WHEEL_TICKS), 3 /* bump when a meaning changes */)

_Static_assert(sizeof(union c25_content_d) == 8 * C25_CONTENT_WORDS,
	"content is whole words");
_Static_assert(sizeof(struct c25_slot_d) == 192, "DESIGN 12: <= 200 bytes");
_Static_assert(offsetof(struct c25_slot_d, words) +
	offsetof(union c25_content_d, live.destination) == 64,
	"what is compared first is one cache line");
_Static_assert(sizeof(struct c25_stats_d) == 512, "whole cache lines");
_Static_assert(sizeof(struct c25_connector_d) == 128, "whole cache lines");
_Static_assert(C25_STAT_COUNT <= 16, "stats fit their block");
_Static_assert(C25_INLINE_NAME + C25_CONT_MAX * C25_CONT_NAME >=
	C25_NAME_MAX, "any name fits");

#endif
