/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * serve_private.h - between the files behind serve.h; nobody else includes
 * it.
 *
 *   serve.c          who may ask, and what the configuration allows
 *   serve_decide.c   the entries of a request, one after the other
 *   serve_refused.c  how refusals are told
 *   serve_request.c  a request and its answer
 *   serve_long.c     ... one that takes several turns
 */
#ifndef CONN25_SERVE_PRIVATE_H
#define CONN25_SERVE_PRIVATE_H

#include "cause.h"
#include "guard.h"
#include "serve.h"

/* A request that is being decided. Reused; starts as all zero. */
struct c25_serve_work {
	struct c25_wire_request request;
	uint8_t *codes;			/* of its entries */
	uint8_t *verdicts;		/* beside them; enum c25_verdict */
	size_t code_size;
	uint32_t *seen;			/* hash set of entry index + 1 */
	size_t seen_size;		/* allocated */
	size_t seen_mask;		/* of the part in use */
};

enum c25_serve_phase {
	C25_LONG_NEW,
	C25_LONG_READ,			/* entries from the body */
	C25_LONG_LOOK,			/* for what has to be looked up */
	C25_LONG_DECIDE,
};

/* A request that takes several turns, or waits for one that does. */
struct c25_serve_long {
	struct c25_serve_long *next;	/* under way, or waiting likewise */
	struct c25_serve_long *waiting;	/* for this one, in their order */
	size_t waiting_count;
	struct c25_http_later *later;	/* it waits for another one */
	uint32_t store;			/* whose: index in the mapping store */
	uint64_t since_us;		/* when it came */
	enum c25_serve_phase phase;
	size_t at;			/* entries that have been through it */
	uint64_t generation;		/* ... by this configuration */
	struct c25_wire_pieces pieces;
	struct c25_serve_work work;
	struct c25_verify_wait *wait;	/* not started */
	struct c25_buf out;		/* results so far */
};

struct c25_serve_peer {
	uint32_t store;			/* index in the mapping store */
	bool has[2];			/* an address of v4, v6 */
	struct c25_cause causes[C25_CAUSES];	/* of refusals, in the log */
};

struct c25_serve {
	const struct c25_config *cfg;	/* NULL: no connector role */
	struct c25_mappings *mappings;
	struct c25_guard *guard;	/* signatures */
	struct c25_verify *verify;	/* destinations */
	struct c25_serve_source *sources;	/* sorted by address */
	size_t source_count;
	struct c25_serve_app *apps;	/* sorted by name */
	uint32_t *app_store;		/* by config index: in the store */
	struct c25_serve_peer *peers;	/* by config index */
	uint32_t *store_peer;		/* by index in the store: config index
					 * + 1, 0: not in the configuration */
	uint32_t stores;		/* in that array */
	struct c25_addr *own;		/* sorted */
	size_t own_count;
	bool own_fixed;			/* c25_serve_own_set() */
	uint64_t own_due_ms;
	struct c25_serve_work work;	/* of what is decided at once */
	struct c25_serve_long *longs;	/* under way, one of a peer */
	size_t long_count;
	uint64_t generation;		/* of the configuration */
	uint8_t key[16];
	char epoch[C25_SERVE_EPOCH_MAX];
	struct c25_cause strangers[C25_CAUSES];	/* refused with 403 */
	struct c25_cause more_strangers;
	uint32_t restored;		/* the peer of the last restored */
	void (*before_reply)(void *ctx);	/* or NULL */
	void *before_reply_ctx;
	struct c25_serve_stats stats;
};

/* Beside a code: which cause of those it has in common. */
enum c25_serve_reason {
	C25_REFUSE_CODE,		/* the code says it */
	C25_REFUSE_VERDICT,		/* not verified */
	C25_REFUSE_UNSET,		/* an address is */
	C25_REFUSE_MAPPED,		/* an address is IPv4-mapped */
	C25_REFUSE_OWN,			/* this host's */
	C25_REFUSE_NEVER,		/* c25_addr_is_forbidden() */
	C25_REFUSE_DESTINATIONS,	/* not among them */
	C25_REFUSE_LIMIT,		/* of mappings */
	C25_REFUSE_MEMORY,
};

struct c25_serve_refusal {
	enum c25_wire_code code;
	enum c25_serve_reason reason;
	enum c25_verdict verdict;	/* C25_VERDICT_OK: it isn't that */
};

/* ---- serve.c ------------------------------------------------------------- */

/* Returns: its index in the configuration, or C25_APP_NONE. */
uint32_t c25_serve_find_app(const struct c25_serve *s, const char *name);

/* The checks of one entry that depend neither on what else is in its request
 * nor on lookups, in the order of DESIGN 8. *app is its app's index. */
enum c25_wire_code c25_serve_check(const struct c25_serve *s, uint32_t peer,
	const struct c25_wire_entry *e, uint32_t *app);

/* An entry that has code C25_WIRE_OTHER of c25_serve_check(): why? */
enum c25_serve_reason c25_serve_reason(const struct c25_serve *s,
	uint32_t app, const struct c25_wire_entry *e);

/* ---- serve_decide.c ------------------------------------------------------ */

/* Room for deciding as many entries, and none of them seen. Returns: 0;
 * -ENOMEM. */
int c25_serve_work_start(struct c25_serve_work *w, size_t count)
	__attribute__((warn_unused_result));
void c25_serve_work_free(struct c25_serve_work *w);

/* Decide about entries from .. to - 1; what is before them was decided. */
void c25_serve_decide(struct c25_serve *s, uint32_t peer,
	struct c25_serve_work *w, const struct c25_wire_entry *entries,
	size_t from, size_t to, uint64_t now_ms);

/* Count what was decided. */
void c25_serve_count(struct c25_serve *s, const uint8_t *codes, size_t count);

/* Add the results of entries from .. to - 1, and what is around all. */
void c25_serve_write(struct c25_buf *out, struct c25_serve_work *w,
	size_t from, size_t to);

/* Let `wait` wait for what has to be looked up of these entries. */
void c25_serve_look(struct c25_serve *s, uint32_t peer,
	const struct c25_wire_entry *entries, size_t count, uint64_t now_ms,
	struct c25_verify_wait *wait);

/* ---- serve_refused.c ----------------------------------------------------- */

/* In words. Returns: buf. */
#define C25_SERVE_WHY_MAX C25_WIRE_WHY_MAX
const char *c25_serve_why(const struct c25_serve *s,
	const struct c25_wire_entry *e, const struct c25_serve_refusal *r,
	char buf[static C25_SERVE_WHY_MAX]);

/* Say that it is refused, if that is due. */
void c25_serve_tell_refused(struct c25_serve *s, uint32_t peer,
	const struct c25_wire_entry *e, const struct c25_serve_refusal *r,
	uint64_t now_ms);

/* ---- serve_long.c -------------------------------------------------------- */

/* Is it for c25_serve_long()? Any request is while the peer has one there. */
bool c25_serve_is_long(const struct c25_serve *s, uint32_t peer,
	const struct c25_http_request *q);

/*
 * Some of an admitted request, whose state becomes a struct c25_serve_long.
 * Returns: 200 and `out`; 0: later; -EBUSY: it has to come again (503); or as
 * c25_wire_request_parse().
 */
int c25_serve_long(struct c25_serve *s, uint32_t peer,
	const struct c25_http_request *q, uint64_t now_ms,
	struct c25_buf *out, struct c25_error *err)
	__attribute__((warn_unused_result));

/* It has its answer, or doesn't need one any more. */
void c25_serve_long_end(struct c25_serve *s, struct c25_serve_long *l);

#endif
