/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text of what conn25-control prints. No state, no I/O: see report.h.
 */

#include "report.h"

#include <inttypes.h>

static const char *const pool_names[C25_POOL_KINDS] = {
	[C25_POOL_V4_MAGIC] = "v4magic",
	[C25_POOL_V4_TRANSIT] = "v4transit",
	[C25_POOL_V6_MAGIC] = "v6magic",
	[C25_POOL_V6_TRANSIT] = "v6transit",
};

void
c25_report_field(struct c25_buf *out, const char *text)
{
	unsigned char c;

	if (text == NULL || *text == '\0') {
		c25_buf_lit(out, "-");
		return;
	}
	for (; (c = (unsigned char)*text) != '\0'; text++) {
		if (c <= ' ' || c == '\\' || c == 0x7f)
			c25_buf_format(out, "\\%03u", c);
		else
			c25_buf_add(out, text, 1);
	}
}

/* ---- status ------------------------------------------------------------ */

static const char *
roles(const struct c25_report_status *s)
{
	if (s->client && s->connector)
		return "client connector";
	if (s->client)
		return "client";
	return s->connector ? "connector" : "none";
}

void
c25_report_status(struct c25_buf *out, const struct c25_report_status *s)
{
	c25_buf_format(out, "version: %s\n", s->version);
	c25_buf_format(out, "verbosity: %d\n", s->verbosity);
	c25_buf_format(out, "config: %s\n", s->config);
	c25_buf_format(out, "runDir: %s\n", s->run_dir);
	c25_buf_format(out, "user: %s\n", s->user);
	c25_buf_format(out, "capabilities: %s\n", s->capabilities);
	c25_buf_format(out, "seccomp: %s\n", s->sandbox ? "on" : "off");
	c25_buf_format(out, "roles: %s\n", roles(s));
	if (s->table) {
		c25_buf_format(out, "table: %" PRIu64 " of %" PRIu64
			" assignments, %" PRIu64 " pending\n",
			s->assignments, s->capacity, s->pending);
		c25_buf_format(out, "generation: %" PRIu64 "\n",
			s->generation);
		c25_buf_format(out, "modules: %u connected\n", s->modules);
	} else {
		c25_buf_lit(out, "table: none\n");
	}
	c25_buf_format(out, "connectors: %u, %u healthy\n", s->connectors,
		s->healthy);
	c25_buf_format(out, "mappings: %" PRIu64 "\n", s->mappings);
	c25_buf_format(out, "listen.transitIP: %s\n",
		*s->transit_ip == '\0' ? "-" : s->transit_ip);
	c25_buf_format(out, "listen.admin: %s\n",
		*s->admin == '\0' ? "-" : s->admin);
	c25_buf_format(out, "uptime: %" PRIu64 " seconds\n", s->uptime_s);
	c25_buf_format(out, "conn25d (pid %ld) is running...\n", s->pid);
}

/* ---- statistics -------------------------------------------------------- */

static void
number(struct c25_buf *out, const char *name, uint64_t value)
{
	c25_buf_format(out, "%s=%" PRIu64 "\n", name, value);
}

/* Seconds with six digits after the point, as unbound prints times. */
static void
seconds(struct c25_buf *out, const char *name, uint64_t ms)
{
	c25_buf_format(out, "%s=%" PRIu64 ".%03u000\n", name, ms / 1000,
		(unsigned)(ms % 1000));
}

static void
usage_stats(struct c25_buf *out, const struct c25_usage *u)
{
	int kind;

	number(out, "assignments.current", u->assignments);
	number(out, "assignments.pending", u->pending);
	number(out, "assignments.quarantined", u->ended);
	number(out, "assignments.capacity", u->capacity);
	for (kind = 0; kind < C25_POOL_KINDS; kind++) {
		c25_buf_format(out, "pool.%s.inuse=%" PRIu64 "\n",
			pool_names[kind], u->pool[kind].inuse);
		c25_buf_format(out, "pool.%s.capacity=%" PRIu64 "\n",
			pool_names[kind], u->pool[kind].capacity);
	}
}

static void
datapath_stats(struct c25_buf *out, const struct c25_nat_stats *n)
{
	const struct c25_datapath_stats *d = &n->datapath;

	number(out, "datapath.elements", d->elements);
	number(out, "datapath.pending", d->pending);
	number(out, "datapath.batches", d->batches);
	number(out, "datapath.changes", d->changes);
	number(out, "datapath.errors", d->errors);
	number(out, "datapath.repairs", d->repairs);
	number(out, "datapath.flows", d->flows);
	number(out, "datapath.kept", d->kept);
	number(out, "datapath.client.translated",
		n->packets[C25_COUNT_CLIENT_TRANSLATED]);
	number(out, "datapath.client.refused",
		n->packets[C25_COUNT_CLIENT_REFUSED]);
	number(out, "datapath.connector.translated",
		n->packets[C25_COUNT_CONNECTOR_TRANSLATED]);
	number(out, "datapath.connector.refused",
		n->packets[C25_COUNT_CONNECTOR_REFUSED]);
}

static void
verify_stats(struct c25_buf *out, const struct c25_verify_stats *v)
{
	static const char *const names[C25_VERDICTS] = {
		[C25_VERDICT_OK] = "serve.verify.ok",
		[C25_VERDICT_NO_DOMAIN] = "serve.verify.nodomain",
		[C25_VERDICT_FOREIGN] = "serve.verify.foreign",
		[C25_VERDICT_OTHER] = "serve.verify.other",
		[C25_VERDICT_BOGUS] = "serve.verify.bogus",
		[C25_VERDICT_LATER] = "serve.verify.later",
	};
	int i;

	for (i = 0; i < C25_VERDICTS; i++)
		if (names[i] != NULL)
			number(out, names[i], v->verdicts[i]);
	number(out, "serve.verify.waited", v->waited);
	number(out, "serve.verify.names", v->names);
	number(out, "serve.verify.lookups", v->lookups);
	number(out, "serve.verify.lookups.pending", v->pending);
	number(out, "serve.verify.lookups.failed", v->failures);
	number(out, "serve.verify.lookups.bogus", v->bogus);
}

void
c25_report_stats(struct c25_buf *out, const struct c25_report_stats *s)
{
	int i;

	for (i = 0; i < C25_STAT_COUNT; i++)
		c25_buf_format(out, "total.%s=%" PRIu64 "\n",
			c25_stat_name((enum c25_stat)i), s->total[i]);
	usage_stats(out, &s->usage);
	number(out, "push.requests", s->push.requests);
	number(out, "push.acked", s->push.acked);
	number(out, "push.failed", s->push.failed);
	number(out, "push.retried", s->push.retried);
	number(out, "push.refused", s->push.refused);
	number(out, "push.parked", s->parked);
	number(out, "push.moved", s->push.moved);
	number(out, "push.stuck", s->push.stuck);
	number(out, "push.probes", s->push.probes);
	number(out, "serve.requests", s->serve.requests);
	number(out, "serve.denied", s->serve.denied);
	number(out, "serve.mappings.ok", s->serve.mappings_ok);
	number(out, "serve.mappings.refused", s->serve.mappings_refused);
	for (i = 1; i < C25_WIRE_CODES; i++)
		c25_buf_format(out, "serve.code.%d=%" PRIu64 "\n", i,
			s->serve.codes[i]);
	verify_stats(out, &s->verify);
	number(out, "mappings.current", s->mappings);
	number(out, "store.pending", s->store.pending);
	number(out, "store.written", s->store.written);
	number(out, "store.failed", s->store.failed);
	datapath_stats(out, &s->nat);
	seconds(out, "time.now", s->now_ms);
	seconds(out, "time.up", s->up_ms);
	seconds(out, "time.elapsed", s->elapsed_ms);
}

void
c25_report_connector_stats(struct c25_buf *out,
	const struct c25_push_info *info)
{
	c25_buf_format(out, "connector.%s.healthy=%d\n", info->name,
		info->healthy ? 1 : 0);
	c25_buf_format(out, "connector.%s.preferred=%d\n", info->name,
		info->health == C25_HEALTH_GOOD ? 1 : 0);
	c25_buf_format(out, "connector.%s.queued=%" PRIu32 "\n", info->name,
		info->queued);
	c25_buf_format(out, "connector.%s.acked=%" PRIu64 "\n", info->name,
		info->acked);
	c25_buf_format(out, "connector.%s.failed=%" PRIu64 "\n", info->name,
		info->failed);
}

/* ---- lists ------------------------------------------------------------- */

const char *
c25_report_push(uint8_t push)
{
	switch (push) {
	case C25_PUSH_PENDING:
		return "pending";
	case C25_PUSH_READY:
		return "ready";
	case C25_PUSH_REFUSED:
		return "refused";
	default:
		return "unknown";
	}
}

static uint64_t
seconds_left(uint64_t end_ms, uint64_t now_ms)
{
	return end_ms > now_ms ? (end_ms - now_ms + 999) / 1000 : 0;
}

void
c25_report_assignment(struct c25_buf *out, const struct c25_assignment *a,
	const char *app, const char *connector, uint64_t now_ms)
{
	char text[C25_ADDR_TEXT_MAX];
	char name[C25_NAME_TEXT_MAX];

	c25_report_field(out, c25_name_to_text(a->domain.wire, a->domain.len,
		name));
	c25_buf_format(out, " %s", c25_addr_format(&a->destination, text));
	c25_buf_format(out, " %s", c25_addr_format(&a->magic, text));
	c25_buf_format(out, " %s ", c25_addr_format(&a->transit, text));
	c25_report_field(out, app);
	c25_buf_lit(out, " ");
	c25_report_field(out, connector);
	c25_buf_format(out, " %s %" PRIu64 "\n", c25_report_push(a->push),
		seconds_left(a->lease_end_ms, now_ms));
}

void
c25_report_mapping(struct c25_buf *out, const struct c25_mapping *m,
	uint64_t now_ms)
{
	char text[C25_ADDR_TEXT_MAX];

	c25_report_field(out, m->peer);
	c25_buf_format(out, " %s", c25_addr_format(&m->transit, text));
	c25_buf_format(out, " %s ", c25_addr_format(&m->destination, text));
	c25_report_field(out, m->app);
	c25_buf_format(out, " %" PRIu64 "\n",
		seconds_left(m->sent_ms + C25_MAPPING_LIFE_MS, now_ms));
}

static const char *
health_text(enum c25_health health)
{
	switch (health) {
	case C25_HEALTH_DOWN:
		return "down";
	case C25_HEALTH_RETURNING:
		return "returning";
	default:
		return "healthy";
	}
}

void
c25_report_connector(struct c25_buf *out, const struct c25_push_info *info,
	const char *url)
{
	const char *p;

	c25_report_field(out, info->name);
	c25_buf_lit(out, " ");
	c25_report_field(out, url);
	c25_buf_format(out, " %s %" PRIu32 " %" PRIu64 " ",
		health_text(info->health), info->queued,
		info->acked);
	/* The rest of the line: blanks stay, anything else of control
	 * does not. */
	for (p = info->last_error; *p != '\0'; p++)
		c25_buf_add(out, (unsigned char)*p < ' ' || *p == 0x7f ?
			"?" : p, 1);
	if (p == info->last_error)
		c25_buf_lit(out, "-");
	c25_buf_lit(out, "\n");
}
