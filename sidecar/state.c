/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state as JSON: see state.h. References to all that lives are put into a
 * heap, then taken out in order of their groups: both can stop and go on after
 * any of them, and cost the logarithm of their number each.
 */

#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "daemon.h"
#include "json.h"
#include "report.h"

#define STEPS 500		/* references put in or taken out in a piece */
#define PIECE_BYTES 16384	/* text made before it is sent */

/* One assignment or mapping. */
struct item {
	uint64_t group;			/* one group is written together */
	uint32_t slot, seq;		/* c25_ref; or the mapping's cursor */
};

enum phase {
	READ_ASSIGNMENTS, WRITE_ASSIGNMENTS, READ_MAPPINGS, WRITE_MAPPINGS,
	END
};

struct c25_state {
	struct c25_daemon *d;
	struct c25_policy *policy;	/* NULL: no client role */
	enum phase phase;
	bool begun;
	struct item *heap;		/* the smallest group first */
	size_t count, size;
	uint32_t cursor;		/* of the table */
	size_t mapping_cursor;
	/* What was written last: what may go on. */
	bool any;
	uint32_t app;
	struct c25_name domain;
	uint32_t peer;
	const char *peer_app;
};

static unsigned in_use;			/* states there are */

int
c25_state_new(struct c25_daemon *d, struct c25_state **out)
{
	struct c25_state *s;
	struct c25_policy *policy;

	if (in_use == C25_STATES_MAX)
		return -EBUSY;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->d = d;
	if (d->table != NULL) {
		policy = c25_push_policy(c25_pusher_push(d->pusher));
		if (policy != NULL)
			s->policy = c25_policy_ref(policy);
	}
	in_use++;
	*out = s;
	return 0;
}

void
c25_state_free(struct c25_state *s)
{
	if (s == NULL)
		return;
	c25_policy_unref(s->policy);
	free(s->heap);
	free(s);
	in_use--;
}

/* ---- the heap ------------------------------------------------------------ */

static bool
heap_put(struct c25_state *s, struct item item)
{
	size_t i = s->count, up;
	struct item *more;

	if (s->count == s->size) {
		s->size = s->size == 0 ? 1024 : s->size * 2;
		more = realloc(s->heap, s->size * sizeof(*more));
		if (more == NULL)
			return false;
		s->heap = more;
	}
	for (; i > 0 && s->heap[up = (i - 1) / 2].group > item.group; i = up)
		s->heap[i] = s->heap[up];
	s->heap[i] = item;
	s->count++;
	return true;
}

static struct item
heap_take(struct c25_state *s)
{
	struct item first = s->heap[0], last = s->heap[--s->count];
	size_t i = 0, down;

	while ((down = 2 * i + 1) < s->count) {
		if (down + 1 < s->count && s->heap[down + 1].group <
				s->heap[down].group)
			down++;
		if (s->heap[down].group >= last.group)
			break;
		s->heap[i] = s->heap[down];
		i = down;
	}
	s->heap[i] = last;
	return first;
}

/* ---- the client's half --------------------------------------------------- */

/* The app of a domain; false: the policy has none any more. */
static bool
app_of(const struct c25_state *s, const struct c25_name *domain,
	uint32_t *app)
{
	struct c25_match match;

	if (s->policy == NULL || !c25_policy_match(s->policy, domain->wire,
			domain->len, &match))
		return false;
	*app = match.app;
	return true;
}

/* By app, then by domain as far as a hash can tell. */
static bool
read_assignments(struct c25_state *s)
{
	struct c25_assignment a;
	uint32_t app;

	for (int i = 0; i < STEPS; i++) {
		if (s->d->table == NULL ||
		    !c25_table_next(s->d->table, &s->cursor, &a)) {
			s->phase = WRITE_ASSIGNMENTS;
			break;
		}
		if (!app_of(s, &a.domain, &app))
			continue;
		if (!heap_put(s, (struct item){ .slot = a.ref.slot,
		    .seq = a.ref.seq, .group = (uint64_t)app << 40 |
		    c25_hash(c25_table_hash_key(s->d->table), a.domain.wire,
		    a.domain.len) >> 24 }))
			return false;
	}
	return true;
}

static void
addr_member(struct c25_buf *out, const char *key, const struct c25_addr *a)
{
	char text[C25_ADDR_TEXT_MAX];

	c25_json_member(out, key, c25_addr_format(a, text));
}

/* When the lease ends, by the clock on the wall. */
static void
expiry(struct c25_buf *out, uint64_t end_ms)
{
	struct timespec wall;
	char text[40];
	struct tm tm;
	time_t at;

	(void)clock_gettime(CLOCK_REALTIME, &wall);
	at = (time_t)((int64_t)wall.tv_sec +
		((int64_t)end_ms - (int64_t)c25_now_ms()) / 1000);
	if (gmtime_r(&at, &tm) != NULL && strftime(text, sizeof(text),
			"%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
		c25_json_member(out, "expiresAt", text);
}

static void
assignment(struct c25_state *s, const struct c25_assignment *a,
	struct c25_buf *out)
{
	const char *connector = a->connector == C25_CONNECTOR_NONE ? NULL :
		c25_policy_connector(s->policy, a->connector);

	c25_buf_lit(out, "{");
	addr_member(out, "destinationIP", &a->destination);
	addr_member(out, "magicIP", &a->magic);
	addr_member(out, "transitIP", &a->transit);
	expiry(out, a->lease_end_ms);
	c25_json_member(out, "state", c25_report_push(a->push));
	if (connector != NULL)
		c25_json_member(out, "connector", connector);
	c25_buf_lit(out, "}");
}

/* End the app and begin another, or the domain and another. */
static void
assignment_group(struct c25_state *s, const struct c25_assignment *a,
	uint32_t app, struct c25_buf *out)
{
	char text[C25_NAME_TEXT_MAX];
	size_t len;

	if (s->any && s->app == app && c25_name_eq(&s->domain, &a->domain)) {
		c25_buf_lit(out, ",");
		return;
	}
	if (s->any)
		c25_buf_lit(out, "]}");
	if (!s->any || s->app != app) {
		c25_buf_str(out, s->any ? "]},\n" : "\"apps\":[");
		c25_buf_lit(out, "{");
		c25_json_member(out, "app", c25_policy_app(s->policy, app));
		c25_buf_lit(out, ",\"domains\":[\n");
	} else {
		c25_buf_lit(out, ",\n");
	}
	(void)c25_name_to_text(a->domain.wire, a->domain.len, text);
	len = strlen(text);
	if (len + 1 < sizeof(text) && a->domain.len > 1)
		memcpy(text + len, ".", 2);
	c25_buf_lit(out, "{");
	c25_json_member(out, "domain", text);
	c25_buf_lit(out, ",\"addresses\":[");
	s->any = true;
	s->app = app;
	s->domain = a->domain;
}

static void
pools(struct c25_state *s, struct c25_buf *out)
{
	static const struct { const char *name; enum c25_pool_kind kind; }
	rows[] = {
		{ "ipv4Magic", C25_POOL_V4_MAGIC },
		{ "ipv6Magic", C25_POOL_V6_MAGIC },
		{ "ipv4Transit", C25_POOL_V4_TRANSIT },
		{ "ipv6Transit", C25_POOL_V6_TRANSIT },
	};
	struct c25_usage u;

	c25_table_usage(s->d->table, &u);
	c25_buf_lit(out, "\"ipPoolStats\":");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t in_use_now = u.pool[rows[i].kind].inuse;
		uint64_t capacity = u.pool[rows[i].kind].capacity;

		if (capacity > INT64_MAX)
			capacity = INT64_MAX;
		c25_buf_format(out, "%s\"%sIPsInUse\":%" PRIu64 ","
			"\"%sIPsCapacity\":%" PRIu64, i == 0 ? "{" : ",",
			rows[i].name, in_use_now, rows[i].name, capacity);
	}
	c25_buf_lit(out, "}");
}

static void
write_assignments(struct c25_state *s, struct c25_buf *out)
{
	struct c25_assignment a;
	struct item item;
	uint32_t app;

	for (int i = 0; i < STEPS && s->count > 0 && out->len < PIECE_BYTES;
			i++) {
		item = heap_take(s);
		if (c25_table_by_ref(s->d->table, (struct c25_ref){ item.slot,
		    item.seq }, &a) != 0 || !app_of(s, &a.domain, &app))
			continue;
		assignment_group(s, &a, app, out);
		assignment(s, &a, out);
	}
	if (s->count > 0)
		return;
	if (s->any)
		c25_buf_lit(out, "]}]}],\n");
	if (s->d->table != NULL)
		pools(s, out);
	c25_buf_lit(out, "},\n\"connector\":{");
	s->any = false;
	s->phase = READ_MAPPINGS;
}

/* ---- the connector's half ------------------------------------------------ */

/* By peer, then by app: as its name has one place, that place will do. */
static bool
read_mappings(struct c25_state *s)
{
	struct c25_mappings *all = c25_serve_mappings(s->d->serve);
	struct c25_mapping m;
	uint32_t at;

	for (int i = 0; i < STEPS; i++) {
		if (!c25_mappings_next(all, &s->mapping_cursor, &m)) {
			s->phase = WRITE_MAPPINGS;
			break;
		}
		at = (uint32_t)s->mapping_cursor - 1;
		if (!heap_put(s, (struct item){ .slot = at,
		    .group = (uint64_t)m.peer_index << 32 |
		    (uint32_t)((uintptr_t)m.app >> 4) }))
			return false;
	}
	return true;
}

/* A peer is known by its first address. */
static void
peer_begin(const struct c25_state *s, const char *name, struct c25_buf *out)
{
	const struct c25_config *cfg = s->d->cfg;

	c25_buf_lit(out, "{");
	for (size_t i = 0; i < cfg->peer_count; i++)
		if (strcmp(cfg->peers[i].name, name) == 0)
			addr_member(out, "clientIP",
				&cfg->peers[i].addresses[0]);
	c25_json_member(out, "name", name);
	c25_buf_lit(out, ",\"apps\":[\n");
}

static void
mapping_group(struct c25_state *s, const struct c25_mapping *m,
	struct c25_buf *out)
{
	bool same_peer = s->any && s->peer == m->peer_index;

	if (same_peer && s->peer_app == m->app) {
		c25_buf_lit(out, ",");
		return;
	}
	if (s->any)
		c25_buf_lit(out, "]}");
	if (same_peer) {
		c25_buf_lit(out, ",\n");
	} else {
		c25_buf_str(out, s->any ? "]},\n" : "\"peers\":[");
		peer_begin(s, m->peer, out);
	}
	c25_buf_lit(out, "{");
	c25_json_member(out, "app", m->app);
	c25_buf_lit(out, ",\"addresses\":[");
	s->any = true;
	s->peer = m->peer_index;
	s->peer_app = m->app;
}

static void
write_mappings(struct c25_state *s, struct c25_buf *out)
{
	struct c25_mappings *all = c25_serve_mappings(s->d->serve);
	struct c25_mapping m;
	struct item item;
	size_t cursor;

	for (int i = 0; i < STEPS && s->count > 0 && out->len < PIECE_BYTES;
			i++) {
		item = heap_take(s);
		cursor = item.slot;
		/* Another one has its place when it has gone. */
		if (!c25_mappings_next(all, &cursor, &m) ||
		    cursor - 1 != item.slot || item.group !=
		    ((uint64_t)m.peer_index << 32 |
		    (uint32_t)((uintptr_t)m.app >> 4)))
			continue;
		mapping_group(s, &m, out);
		c25_buf_lit(out, "{");
		addr_member(out, "destinationIP", &m.destination);
		addr_member(out, "transitIP", &m.transit);
		c25_buf_lit(out, "}");
	}
	if (s->count > 0)
		return;
	c25_buf_str(out, s->any ? "]}]}]}}\n" : "}}\n");
	s->phase = END;
}

/* ---- all of it ----------------------------------------------------------- */

bool
c25_state_more(struct c25_state *s, struct c25_buf *out)
{
	bool memory = true;

	if (!s->begun) {
		s->begun = true;
		c25_buf_lit(out, "{\"configured\":true,\n\"client\":{");
	}
	switch (s->phase) {
	case READ_ASSIGNMENTS:
		memory = read_assignments(s);
		break;
	case WRITE_ASSIGNMENTS:
		write_assignments(s, out);
		break;
	case READ_MAPPINGS:
		memory = read_mappings(s);
		break;
	case WRITE_MAPPINGS:
		write_mappings(s, out);
		break;
	case END:
		break;
	}
	if (!memory) {
		out->failed = true;
		s->phase = END;
	}
	return s->phase != END;
}
