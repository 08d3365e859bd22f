/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_private.h - between the files that read a configuration; nobody
 * else includes it.
 *
 *   config.c         load, free, and the questions of config.h
 *   config_errors.c  collecting what is wrong
 *   config_where.c   which key of the file a message is about
 *   config_text.c    texts judged one by one: domains, URLs, ranges, keys
 *   config_reader.c  reading a cJSON tree by tables of keys
 *   config_read.c    the tables: cJSON tree -> struct c25_config
 *   config_read_limits.c  the tables of "tls" and "limits"
 *   config_resolver.c  those of "resolver", "resolveAt" and "unbound"
 *   config_check.c   what only shows when all is read: names used twice,
 *                    overlaps, references, roles
 *   config_advice.c  what works, and is seldom meant
 */
#ifndef CONN25_CONFIG_PRIVATE_H
#define CONN25_CONFIG_PRIVATE_H

#include "config.h"
#include "jsonc.h"

/* ---- memory, config.c --------------------------------------------------- */

/* n zeroed items that live as long as cfg; NULL: no memory (or n is 0). */
void *c25_config_alloc(struct c25_config *cfg, size_t n, size_t size_bytes);

/* ---- errors, config_errors.c -------------------------------------------- */

#define C25_AT_FILE SIZE_MAX	/* the file as a whole */

/* Add one; the line and column come later. Out of memory it is counted. */
void c25_config_error_add(struct c25_config_errors *errs, size_t at,
	bool warning, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Put them in the order of the file and find their lines and columns. */
void c25_config_errors_settle(struct c25_config_errors *errs,
	const char *text, size_t len);

/* Let the message begin with the whole path of its key, config_where.c. */
void c25_config_error_place(struct c25_config_error *e, const char *text,
	size_t len);

#define C25_SHOWN_MAX 96

/* A text from the file as a message may show it: short, no control
 * characters. Returns: buf. */
const char *c25_config_shown(char buf[static C25_SHOWN_MAX],
	const char *text);

/* ---- judging, config_text.c --------------------------------------------- */

/* Why a text isn't what it should be: "what: what to do". */
struct c25_why {
	char text[240];
};

/*
 * Each returns 0, or -EINVAL with `why` set. Pure.
 */
int c25_config_text_domain(const char *text, struct c25_spec_domain *out,
	struct c25_why *why) __attribute__((warn_unused_result));
/* family: the one it must have, C25_UNSET for any. */
int c25_config_text_range(const char *text, enum c25_family family,
	struct c25_range *out, struct c25_why *why)
	__attribute__((warn_unused_result));
/* host points into `host_buf`. */
int c25_config_text_url(const char *text, struct c25_config_url *out,
	char host_buf[static C25_NAME_MAX], struct c25_why *why)
	__attribute__((warn_unused_result));
int c25_config_text_key(const char *text, struct c25_config_key *out,
	struct c25_why *why) __attribute__((warn_unused_result));
/* "sha256/" and base64. */
int c25_config_text_pin(const char *text, struct c25_tls_pin *out,
	struct c25_why *why) __attribute__((warn_unused_result));
/* Is it a key that anything can be signed with? */
bool c25_config_key_usable(const struct c25_config_key *key);
/* A name of ours; `plain`: printable ASCII without blanks and '='. */
int c25_config_text_name(const char *text, size_t max_bytes, bool plain,
	struct c25_why *why) __attribute__((warn_unused_result));

/* ---- reading, config_read.c --------------------------------------------- */

/* Something named in the file that is looked at when all is read. */
struct c25_config_ref {
	const char *text;
	struct c25_addr addr;
	uint32_t owner;			/* index of the app or peer */
	size_t at;
};

struct c25_config_refs {
	struct c25_config_ref *items;
	size_t count, room;
};

/* Which sections the file has. */
struct c25_config_sections {
	bool pools, apps, peers;
};

struct c25_config_reader {
	struct c25_config *cfg;
	struct c25_config_errors *errs;
	struct c25_jsonc_finder finder;
	uint32_t path[C25_JSONC_DEPTH_MAX];	/* of the value being read */
	size_t depth;
	const char *key;		/* the nearest key, for messages */
	uint32_t owner;			/* index of the app or peer around */
	struct c25_config_sections has;
	struct c25_config_refs tags;		/* of apps: owner is the app */
	struct c25_config_refs peer_apps;	/* owner is the peer */
	struct c25_config_refs peer_addrs;	/* owner is the peer */
	size_t domain_room;
	size_t *domain_at;		/* of each of cfg->domains */
	size_t per_address_at;		/* of "connectionsPerAddress"; 0: the
					 * listener has none */
	size_t resolver_at;		/* of "resolver"; 0: there is none */
	size_t max_ttl_at;		/* of "maxTTL"; 0: there is none */
	bool no_memory;
};

/* Fill r->cfg from the tree. Errors go to r->errs, no_memory is set. */
void c25_config_read(struct c25_config_reader *r, const cJSON *tree);

/* ---- checking, config_check.c ------------------------------------------- */

/* Check the whole and resolve references; as c25_config_read(). */
void c25_config_check(struct c25_config_reader *r);

/* ---- config_advice.c ----------------------------------------------------- */

/* When nothing is wrong: warn of the rest, if that is wanted. */
void c25_config_check_advice(struct c25_config_reader *r);

#endif
