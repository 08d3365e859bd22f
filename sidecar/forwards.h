/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * forwards.h - which names Unbound is to ask other servers for: the forward
 * zones of apps with "resolveAt", as Unbound's include file has them, and
 * what unbound-control's commands have to change. Telling is forwarding.h.
 *
 * Example:
 *	struct c25_forwards want = { 0 }, former = { 0 }, listed = { 0 };
 *	struct c25_buf text = { 0 }, plan = { 0 };
 *
 *	r = c25_forwards_make(&want, cfg);
 *	c25_forwards_text(&want, cfg->file, &text);	the include file
 *	r = c25_forwards_parse(&former, old, strlen(old));	before it
 *	...	for each line of list_forwards:
 *	r = c25_forwards_listed(&listed, &want, &former, line, len);
 *	c25_forwards_sort(&listed);
 *	n = c25_forwards_plan(&want, &former, &listed, &plan);
 *
 * Rules
 *   zones      one for each domain, a wildcard without its "*."; sorted by
 *              name. Of two apps with the same domain the first counts, as
 *              everywhere, also when it is one without "resolveAt".
 *   others'    forward zones that are in no configuration of ours are never
 *              touched.
 *   hostile    files and what Unbound says are bytes from outside.
 *   memory     all zero is an empty list; freed by c25_forwards_free().
 *   threads    pure: nothing is shared.
 */
#ifndef CONN25_FORWARDS_H
#define CONN25_FORWARDS_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "config.h"

/* Unbound takes longer for each zone the more there are (it looks at all of
 * them): so many changes are told one by one, more need its restart. */
#define C25_FORWARDS_PLAN_MAX 10000
/* So many changes flush what is below each from Unbound's cache, which it
 * looks through as a whole each time; more flush all of it once. */
#define C25_FORWARDS_FLUSH_MAX 64

struct c25_forward {
	size_t name;			/* in c25_forwards.names: lower case,
					 * without the last dot */
	size_t servers;			/* first one in .servers */
	unsigned server_count;
	bool insecure;			/* nothing below is validated */
	bool changed;			/* merged from two that differ, or
					 * told, and perhaps not flushed */
};

struct c25_forwards {
	struct c25_forward *items;
	size_t count, room;
	char *names;
	size_t names_len, names_room;
	struct c25_config_forward *servers;
	size_t server_count, server_room;
};

void c25_forwards_free(struct c25_forwards *f);

/* The name of a zone. */
static inline const char *
c25_forward_name(const struct c25_forwards *f, size_t i)
{
	return f->names + f->items[i].name;
}

/*
 * What a configuration says; none without the client role.
 * Owns: *out, which must be empty. Returns: 0; -ENOMEM.
 */
int c25_forwards_make(struct c25_forwards *out, const struct c25_config *cfg)
	__attribute__((warn_unused_result));

/* The include file; `config` is named in it. Sees to out->failed. */
void c25_forwards_text(const struct c25_forwards *f, const char *config,
	struct c25_buf *out);

/*
 * Read an include file of ours.
 * Owns: *out, which must be empty and stays so on failure.
 * Returns: 0; -EINVAL (not as c25_forwards_text() writes it); -ENOMEM.
 */
int c25_forwards_parse(struct c25_forwards *out, const char *text,
	size_t len) __attribute__((warn_unused_result));

/* Add to a list what it doesn't have of another. Returns: 0; -ENOMEM, and it
 * is as before. */
int c25_forwards_merge(struct c25_forwards *f,
	const struct c25_forwards *more) __attribute__((warn_unused_result));

/* The first zone of `former` that isn't in `want`; NULL: none. */
const char *c25_forwards_gone(const struct c25_forwards *former,
	const struct c25_forwards *want);

/*
 * Add a line of unbound-control's list_forwards, without its newline, to
 * `listed` if it is about a zone of `want` or `former`. Ports aren't in it.
 * Returns: 0; -EPROTO (not such a line); -ENOMEM.
 */
int c25_forwards_listed(struct c25_forwards *listed,
	const struct c25_forwards *want, const struct c25_forwards *former,
	const char *line, size_t len) __attribute__((warn_unused_result));

/* Sort by name; later ones of the same name are dropped. */
void c25_forwards_sort(struct c25_forwards *f);

/*
 * The commands, a line each, that make of what Unbound has (`listed`, sorted)
 * what is wanted; zones of `former` that aren't wanted go.
 * Returns: how many zones change; more than C25_FORWARDS_PLAN_MAX: and
 * nothing was added to `out`. Sees to out->failed.
 */
size_t c25_forwards_plan(const struct c25_forwards *want,
	const struct c25_forwards *former, const struct c25_forwards *listed,
	struct c25_buf *out);

#endif
