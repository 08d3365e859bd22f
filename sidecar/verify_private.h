/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verify_private.h - between the files behind verify.h; nobody else includes
 * it.
 *
 *   verify.c          the decision, and what was seen of which name
 *   verify_wait.c     who waits for what, and which lookup begins next
 *   verify_domains.c  which names are domains of an app
 */
#ifndef CONN25_VERIFY_PRIVATE_H
#define CONN25_VERIFY_PRIVATE_H

#include "verify.h"

/* An address, and until when it counts. */
struct c25_verify_seen {
	uint64_t until_ms;
	struct c25_addr addr;
};

/* One thing that a wait waits for; in its name's list until answered. */
struct c25_verify_pin {
	struct c25_verify_wait *wait;
	struct c25_verify_name *name;	/* NULL: answered */
	struct c25_verify_pin *prev, *next;
};

struct c25_verify_name {
	struct c25_verify_name *chain;	/* of the hash */
	struct c25_verify_name *newer, *older;	/* by last use */
	struct c25_verify_pin *pins;
	struct c25_verify_seen *seen;
	uint64_t answered_ms;		/* 0: never */
	uint32_t peer;			/* whose lookup it is, while asked */
	uint8_t seen_count, seen_room;
	uint8_t found;			/* of the last answer */
	bool asked;			/* a lookup is under way */
	enum c25_family family;
	struct c25_name name;
};

struct c25_verify_wait {
	struct c25_verify *v;
	struct c25_verify_wait *prev, *next;	/* of those that wait, or the
						 * next that is over */
	uint32_t peer;
	bool started;
	uint64_t until_ms;
	void (*done)(void *ctx);
	void *ctx;
	size_t count;			/* pins */
	size_t left;			/* not answered */
	size_t cursor;			/* looked up, or by somebody else */
	struct c25_verify_pin pins[C25_VERIFY_WAIT_NAMES];
};

/* What one peer costs. */
struct c25_verify_peer {
	uint32_t waits;
	uint32_t asked;			/* lookups under way */
	uint32_t budget;		/* that it may begin */
	uint64_t budget_ms;		/* as of */
};

/* The domains of all apps that are verified. */
struct c25_verify_domains {
	size_t app_count;
	bool wanted;			/* there is such an app */
	struct c25_verify_app {
		const struct c25_spec_domain **items;	/* sorted; NULL: it
							 * isn't verified */
		size_t count;
	} apps[];			/* by index */
};

struct c25_verify {
	const struct c25_config *cfg;
	struct c25_verify_domains *domains;	/* NULL: never configured */
	uint8_t key[16];
	struct c25_verify_name **buckets;	/* NULL: never needed */
	struct c25_verify_name *newest, *oldest;
	size_t names;
	c25_verify_start_fn *start;
	void *start_ctx;
	struct c25_verify_peer *peers;
	size_t peer_room;
	struct c25_verify_wait *waits, *waits_last;	/* oldest first */
	struct c25_verify_wait *over;	/* to be called */
	size_t wait_count;		/* those not started, too */
	size_t asked;			/* lookups under way */
	uint64_t magic_logged_ms;
	struct c25_verify_stats stats;
};

/* verify_domains.c: is it exactly a domain of the app, or below (or at) a
 * wildcard? */
bool c25_verify_domains_match(const struct c25_verify_domains *d,
	uint32_t app, const struct c25_name *name);

/* verify.c: the name's place in the memory, made if need be; NULL: no room.
 * Names that somebody waits for or that are asked for stay where they are. */
struct c25_verify_name *c25_verify_name_get(struct c25_verify *v,
	const struct c25_name *name, enum c25_family family);
/* A lookup has ended, or couldn't begin. */
void c25_verify_name_answered(struct c25_verify *v,
	struct c25_verify_name *n, enum c25_found found, uint64_t now_ms);

/* verify_wait.c: false: it can't wait for more. */
bool c25_verify_wait_for(struct c25_verify_wait *w,
	struct c25_verify_name *n);
/* Nobody has to wait for it any more. */
void c25_verify_wait_answered(struct c25_verify *v,
	struct c25_verify_name *n);
/* Call those that have nothing to wait for any more, and begin lookups. */
void c25_verify_wait_run(struct c25_verify *v, uint64_t now_ms);
void c25_verify_wait_expire(struct c25_verify *v, uint64_t now_ms);

#endif
