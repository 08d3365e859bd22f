/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is connected to a listener: how many connections each address has, how
 * much of this round it has used up, and how fast it asks. See "Limits" in
 * http.h.
 */
#include <errno.h>
#include <sodium/randombytes.h>
#include <stdlib.h>
#include <time.h>

#include "conn25/name.h"
#include "http_private.h"
#include "loop_private.h"

/* What one address may keep the loop busy with, before others have their
 * turn: a hundred requests or so. */
#define TURN_US 1000
/* Strangers get a part of the connections, so that there is room for those
 * who are known. */
#define STRANGERS_PART 4
/* Addresses without connections that are remembered: who comes back has not
 * got a new allowance. */
#define GONE_MAX 4096
#define BURST_NS 1000000000u	/* a second's worth at once */

uint64_t
c25_http_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void
c25_http_sources_init(struct c25_http_sources *all)
{
	randombytes_buf(all->key, sizeof(all->key));
}

/* Forget those without connections. */
static void
forget_gone(struct c25_http_sources *all)
{
	for (size_t i = 0; i < C25_HTTP_BUCKETS; i++) {
		struct c25_http_source **at = &all->buckets[i], *s;

		while ((s = *at) != NULL) {
			if (s->connections > 0) {
				at = &s->next;
				continue;
			}
			*at = s->next;
			free(s);
		}
	}
	all->gone = 0;
}

void
c25_http_sources_free(struct c25_http_sources *all)
{
	forget_gone(all);
}

static struct c25_http_source **
bucket(struct c25_http_sources *all, const struct c25_addr *addr)
{
	return &all->buckets[c25_hash(all->key, addr, sizeof(*addr)) %
		C25_HTTP_BUCKETS];
}

static struct c25_http_source *
find(struct c25_http_sources *all, const struct c25_addr *addr)
{
	struct c25_http_source *s = *bucket(all, addr);

	while (s != NULL && !c25_addr_eq(&s->addr, addr))
		s = s->next;
	return s;
}

static struct c25_http_source *
add(struct c25_http_sources *all, const struct c25_addr *addr)
{
	struct c25_http_source **at = bucket(all, addr);
	struct c25_http_source *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->addr = *addr;
	s->next = *at;
	*at = s;
	all->gone++;
	return s;
}

int
c25_http_source_join(struct c25_http_listener *l, const struct c25_addr *addr,
	struct c25_http_source **out)
{
	struct c25_http_sources *all = &l->sources;
	struct c25_http_source *s = find(all, addr);
	bool known = l->how.knows == NULL || l->how.knows(l->how.ctx, addr);

	if (all->connections >= l->connections_max || (!known &&
	    all->strangers >= l->connections_max / STRANGERS_PART))
		return -503;
	if (s != NULL &&
	    s->connections >= l->how.limits.connections_per_address)
		return -429;
	if (all->gone >= GONE_MAX) {
		forget_gone(all);
		s = find(all, addr);
	}
	if (s == NULL && (s = add(all, addr)) == NULL)
		return -503;
	if (s->connections == 0) {
		all->gone--;
		s->stranger = !known;
		s->turn = known ? &s->own : &all->shared;
	}
	s->connections++;
	all->connections++;
	all->strangers += s->stranger;
	*out = s;
	return 0;
}

void
c25_http_source_leave(struct c25_http_listener *l, struct c25_http_source *s)
{
	struct c25_http_sources *all = &l->sources;
	struct c25_http_source **at;

	all->connections--;
	all->strangers -= s->stranger;
	if (--s->connections > 0)
		return;
	if (!s->stranger) {
		all->gone++;
		return;
	}
	for (at = bucket(all, &s->addr); *at != s; at = &(*at)->next)
		;
	*at = s->next;
	free(s);
}

bool
c25_http_turn_begin(struct c25_http_listener *l, struct c25_http_turn *t)
{
	if (t->round != l->loop->round) {
		t->round = l->loop->round;
		t->spent_ns = 0;
	}
	l->turn_ns = c25_http_now_ns();
	return t->spent_ns < TURN_US * 1000;
}

bool
c25_http_turn_left(const struct c25_http_listener *l,
	const struct c25_http_turn *t)
{
	return t->spent_ns + (c25_http_now_ns() - l->turn_ns) <
		TURN_US * 1000;
}

void
c25_http_turn_end(struct c25_http_listener *l, struct c25_http_turn *t)
{
	t->spent_ns += c25_http_now_ns() - l->turn_ns;
}

/*
 * A bucket of tokens, as the time at which it would be full again (the
 * "generic cell rate algorithm").
 */
unsigned
c25_http_rate(struct c25_http_listener *l, struct c25_http_turn *t)
{
	uint32_t rate = l->how.limits.requests_per_second;
	uint64_t now, late;

	if (rate == 0)
		return 0;
	now = c25_http_now_ns();
	if (t->full_ns < now)
		t->full_ns = now;
	late = t->full_ns - now + 1000000000u / rate;
	if (late <= BURST_NS) {
		t->full_ns += 1000000000u / rate;
		return 0;
	}
	return 1 + (unsigned)((late - BURST_NS) / 1000000000u);
}
