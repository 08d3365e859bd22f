/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * datapath_elements.h - what the kernel's maps are to hold, what they are
 * known to hold, and so what is to be changed. In memory, no I/O, no clock.
 *
 * Example (datapath.c):
 *	c25_elements_put(e, &(struct c25_element){ .map = C25_MAP_MAGIC4,
 *		.address = a.magic.bytes, .target = a.transit.bytes,
 *		.until_ms = a.lease_end_ms }, now + C25_ELEMENT_FRESH_MS);
 *	while (n < max && c25_elements_take(e, &change))
 *		... into one transaction ...
 *	c25_elements_taken(e, commit() == 0);
 *
 * Rules
 *   truth      nobody else writes to the maps (who does is noticed, and
 *              everything built anew): an element is in the kernel from the
 *              c25_elements_taken() that said so until one that took it out.
 *              The kernel's own timeout comes later than `until_ms`, see
 *              C25_ELEMENT_SLACK_MS; it only counts when nobody is there to
 *              take the element out.
 *   changes    of one element are one: a change of its target or time is to
 *              take it out and put it in, in one transaction, which every
 *              kernel can. Between c25_elements_take() and _taken() nothing
 *              is put or dropped.
 *   order      as they came, those put with `first` before all others, also
 *              if they were waiting already. A change that waits keeps its
 *              place when its element is put again, a transaction fails or
 *              all is lost.
 *   cost       put, drop, find, take: O(1), whatever the keys (keyed hash);
 *              72 bytes an element and some 4 for its bucket.
 *   memory     -ENOMEM of a put leaves everything as it was.
 */
#ifndef CONN25_DATAPATH_ELEMENTS_H
#define CONN25_DATAPATH_ELEMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The maps, by number; see datapath_rules.h for their names. */
enum c25_map {
	C25_MAP_MAGIC4,		/* client: magic -> transit */
	C25_MAP_MAGIC6,
	C25_MAP_PEER4,		/* connector: peer . transit -> destination */
	C25_MAP_PEER6,
	C25_MAPS
};

/* How long after `until_ms` the kernel drops it by itself: less than the
 * quarantine (C25_QUARANTINE_S), in which nobody else gets the address. */
#define C25_ELEMENT_SLACK_MS 60000

struct c25_element {
	uint8_t source[16];		/* peer's address; magic maps: zero */
	uint8_t address[16];		/* magic or transit address */
	uint8_t target[16];		/* transit or destination address */
	uint64_t until_ms;		/* c25_now_ms() */
	enum c25_map map;
};

/* What to do in the kernel: take out, put in, or one after the other. */
struct c25_change {
	struct c25_element element;
	bool out;
	bool in;
};

struct c25_elements;

/* Returns: 0; -ENOMEM. */
int c25_elements_new(struct c25_elements **out)
	__attribute__((warn_unused_result));
void c25_elements_free(struct c25_elements *e);	/* NULL is fine */

/*
 * It shall be in the kernel, until then. One that is there with the same
 * target and stays until `fresh_ms` or longer is left alone: its time is
 * looked after when it comes near (c25_elements_next()).
 * Returns: 1 something is to be changed; 0; -ENOMEM.
 */
int c25_elements_put(struct c25_elements *e, const struct c25_element *want,
	uint64_t fresh_ms, bool first) __attribute__((warn_unused_result));

/* It shall not be there. Returns: was it to be there? */
bool c25_elements_drop(struct c25_elements *e, enum c25_map map,
	const uint8_t source[static 16], const uint8_t address[static 16]);

/* One that shall be there. Returns: 0; -ENOENT. */
int c25_elements_find(const struct c25_elements *e, enum c25_map map,
	const uint8_t source[static 16], const uint8_t address[static 16],
	struct c25_element *out);

/*
 * Walk those that shall be there, in no particular order; start with
 * *cursor = 0. Between two calls anything may be put and dropped.
 * Returns: true and *out, false at the end.
 */
bool c25_elements_next(const struct c25_elements *e, size_t *cursor,
	struct c25_element *out);

/* ---- the kernel --------------------------------------------------------- */

/* The next change, for the transaction being made. Returns: false: none. */
bool c25_elements_take(struct c25_elements *e, struct c25_change *out);

/*
 * What was taken since the last time has been done, as a whole, or not at
 * all: then it comes again first.
 */
void c25_elements_taken(struct c25_elements *e, bool done);

/* The kernel has none of them: all that shall be there are to be put in,
 * behind those that wait already. Nothing is `first` that wasn't. */
void c25_elements_lost(struct c25_elements *e);

/* Changes that c25_elements_take() would give. */
size_t c25_elements_pending(const struct c25_elements *e);
/* How many of them come before all others, as they were put `first`. */
size_t c25_elements_first(const struct c25_elements *e);
/* Known to be in the kernel; to be there. */
size_t c25_elements_in_kernel(const struct c25_elements *e);
size_t c25_elements_count(const struct c25_elements *e);

/* ---- comparing with the source ------------------------------------------ */

/*
 * Between these two put everything that shall be there: what wasn't is
 * dropped. Returns (end): how many were.
 */
void c25_elements_pass_begin(struct c25_elements *e);
size_t c25_elements_pass_end(struct c25_elements *e);

/* Bytes of memory it holds. */
size_t c25_elements_size(const struct c25_elements *e);

#endif
