/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_reader.h - reading a cJSON tree by tables of keys. Private to
 * config_reader.c and config_read*.c.
 *
 * Example: the object {"nftables": true, "overlay": "wg0"}
 *	static const struct c25_reader_key keys[] = {
 *		C25_KEY(struct c25_config, datapath.nftables, "nftables",
 *			c25_reader_bool),
 *		C25_KEY(struct c25_config, datapath.overlay, "overlay",
 *			read_interface),
 *	};
 *	c25_reader_object(r, json, C25_KEYS(keys), cfg);
 *
 * Rules: a value that isn't right is complained of and left at its default;
 * reading goes on. r->path always leads to the value being read.
 */
#ifndef CONN25_CONFIG_READER_H
#define CONN25_CONFIG_READER_H

#include "config_private.h"

/* Reads one value into `to`, which the table of keys points at. */
typedef void c25_reader_fn(struct c25_config_reader *r, const cJSON *json,
	void *to);

struct c25_reader_key {
	const char *name;
	c25_reader_fn *read;
	size_t offset;			/* of what it fills */
	bool required;
};

#define C25_KEY(type, field, name, fn) \
	{ name, fn, offsetof(type, field), false }
#define C25_KEY_REQUIRED(type, field, name, fn) \
	{ name, fn, offsetof(type, field), true }
#define C25_KEYS(a) a, sizeof(a) / sizeof(*(a))

/* Byte offset of the value being read. */
size_t c25_reader_here(struct c25_config_reader *r);

/* Complain of the value being read. */
#define c25_reader_error(r, ...) \
	c25_config_error_add((r)->errs, c25_reader_here(r), false, \
		__VA_ARGS__)

/* Into an array or object, whose elements r->path[r->depth - 1] counts, and
 * out again. Returns: false when it is too deep. */
bool c25_reader_down(struct c25_config_reader *r);
void c25_reader_up(struct c25_config_reader *r);

/* Memory of the configuration; NULL or "" with r->no_memory set. */
void *c25_reader_alloc(struct c25_config_reader *r, size_t n, size_t size);
const char *c25_reader_copy(struct c25_config_reader *r, const char *text);

/* Remember a reference that is resolved later; `at` is filled in. */
void c25_reader_ref(struct c25_config_reader *r,
	struct c25_config_refs *refs, const struct c25_config_ref *ref);

/* Complain of a wrong type unless ok. Returns: ok. */
bool c25_reader_expect(struct c25_config_reader *r, const cJSON *json,
	bool ok, const char *what);

/* The text, which belongs to the tree; NULL after complaining. */
const char *c25_reader_text(struct c25_config_reader *r, const cJSON *json);

/* A copy of a text that is not empty, at most `max` bytes long and without
 * control characters; NULL after complaining. */
const char *c25_reader_short(struct c25_config_reader *r, const cJSON *json,
	size_t max);

/* A whole number within limits, or `otherwise` after complaining. */
long c25_reader_number(struct c25_config_reader *r, const cJSON *json,
	long min, long max, long otherwise);

/* Read an object's members into `to` by a table of keys, at most 16. */
void c25_reader_object(struct c25_config_reader *r, const cJSON *json,
	const struct c25_reader_key *keys, size_t n, void *to);

/* Zeroed room for the elements of an array and their number; NULL and 0
 * after complaining, or when it is empty. */
void *c25_reader_room(struct c25_config_reader *r, const cJSON *json,
	size_t size, size_t *count);

/* Read the elements of an array, for which `items` has room. */
void c25_reader_each(struct c25_config_reader *r, const cJSON *json,
	void *items, size_t size, c25_reader_fn *read);

/* true or false into a bool; a path into a const char *. */
c25_reader_fn c25_reader_bool;
c25_reader_fn c25_reader_path;

/* ---- config_read_limits.c ----------------------------------------------- */

/* Into a struct c25_config_connector, and two into a struct c25_config. */
c25_reader_fn c25_config_read_connector_tls;
c25_reader_fn c25_config_read_listen_tls;
c25_reader_fn c25_config_read_limits;

/* ---- config_resolver.c -------------------------------------------------- */

/* Two sections into a struct c25_config; a bool; and into a
 * struct c25_config_app. */
c25_reader_fn c25_config_read_resolver;
c25_reader_fn c25_config_read_unbound;
c25_reader_fn c25_config_read_resolve_at;
c25_reader_fn c25_config_read_dns_servers;
/* When all is read, what doesn't fit together; and, when the rest is right
 * and this is a client, what Unbound wouldn't be told. */
void c25_config_check_resolve_at(struct c25_config_reader *r);
void c25_config_check_unbound(struct c25_config_reader *r);

#endif
