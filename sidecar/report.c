/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What conn25-control prints but for statistics (report_stats.c). No state,
 * no I/O: see report.h.
 */

#include "report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json.h"

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

/* An item of an array of texts. */
static void
json_line(struct c25_buf *out, const char *line, size_t len)
{
	char *text = strndup(line, len);

	if (out->data[out->len - 1] != '[')
		c25_buf_lit(out, ",");
	c25_json_string(out, text);
	free(text);
}

/* An array of what has a line each. */
static void
json_lines(struct c25_buf *out, const char *key, const char *line)
{
	c25_json_raw(out, key, "[");
	while (*line != '\0') {
		size_t len = strcspn(line, "\n");

		json_line(out, line, len);
		line += len + (line[len] != '\0');
	}
	c25_buf_lit(out, "]");
}

static void
status_json(struct c25_buf *out, const struct c25_report_status *s)
{
	c25_buf_lit(out, "{");
	c25_json_member(out, "version", s->version);
	c25_json_raw(out, "verbosity", "%d", s->verbosity);
	c25_json_member(out, "config", s->config);
	c25_json_member(out, "runDir", s->run_dir);
	c25_json_member(out, "user", s->user);
	c25_json_member(out, "capabilities", s->capabilities);
	c25_json_raw(out, "seccomp", "%s", s->sandbox ? "true" : "false");
	c25_json_raw(out, "client", "%s", s->client ? "true" : "false");
	c25_json_raw(out, "connector", "%s", s->connector ? "true" : "false");
	c25_json_raw(out, "table", "%s", s->table ? "true" : "false");
	c25_json_raw(out, "assignments", "%" PRIu64, s->assignments);
	c25_json_raw(out, "pending", "%" PRIu64, s->pending);
	c25_json_raw(out, "capacity", "%" PRIu64, s->capacity);
	c25_json_raw(out, "generation", "%" PRIu64, s->generation);
	c25_json_raw(out, "modules", "%u", s->modules);
	c25_json_raw(out, "connectors", "%u", s->connectors);
	c25_json_raw(out, "connectorsHealthy", "%u", s->healthy);
	c25_json_raw(out, "mappings", "%" PRIu64, s->mappings);
	c25_json_member(out, "transitIP", *s->transit_ip == '\0' ? NULL :
		s->transit_ip);
	c25_json_member(out, "admin", *s->admin == '\0' ? NULL : s->admin);
	c25_json_raw(out, "ready", "%s", *s->not_ready == '\0' ? "true" :
		"false");
	json_lines(out, "notReady", s->not_ready);
	json_lines(out, "degraded", s->degraded);
	c25_json_raw(out, "uptime", "%" PRIu64, s->uptime_s);
	c25_json_raw(out, "pid", "%ld", s->pid);
	c25_buf_lit(out, "}\n");
}

/* Each line of them behind these words. */
static void
status_reasons(struct c25_buf *out, const char *words, const char *reasons)
{
	size_t len;

	for (; *reasons != '\0'; reasons += len + (reasons[len] != '\0')) {
		len = strcspn(reasons, "\n");
		c25_buf_str(out, words);
		c25_buf_add(out, reasons, len);
		c25_buf_lit(out, "\n");
	}
}

void
c25_report_status(struct c25_buf *out, bool json,
	const struct c25_report_status *s)
{
	if (json) {
		status_json(out, s);
		return;
	}
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
	if (*s->not_ready == '\0')
		c25_buf_lit(out, "ready: yes\n");
	status_reasons(out, "ready: no: ", s->not_ready);
	status_reasons(out, "degraded: ", s->degraded);
	c25_buf_format(out, "uptime: %" PRIu64 " seconds\n", s->uptime_s);
	c25_buf_format(out, "conn25d (pid %ld) is running...\n", s->pid);
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

/* A blank and an address. */
static void
addr_field(struct c25_buf *out, const struct c25_addr *a)
{
	char text[C25_ADDR_TEXT_MAX];

	c25_buf_lit(out, " ");
	c25_buf_str(out, c25_addr_format(a, text));
}

static void
addr_member(struct c25_buf *out, const char *key, const struct c25_addr *a)
{
	char text[C25_ADDR_TEXT_MAX];

	c25_json_member(out, key, c25_addr_format(a, text));
}

void
c25_report_assignment(struct c25_buf *out, bool json,
	const struct c25_assignment *a, const char *app,
	const char *connector, uint64_t now_ms)
{
	uint64_t left_s = seconds_left(a->lease_end_ms, now_ms);
	char name[C25_NAME_TEXT_MAX];

	(void)c25_name_to_text(a->domain.wire, a->domain.len, name);
	if (json) {
		c25_buf_lit(out, "{");
		c25_json_member(out, "domain", name);
		addr_member(out, "destination", &a->destination);
		addr_member(out, "magic", &a->magic);
		addr_member(out, "transit", &a->transit);
		c25_json_member(out, "app", app);
		c25_json_member(out, "connector", connector);
		c25_json_member(out, "state", c25_report_push(a->push));
		c25_json_raw(out, "leaseSeconds", "%" PRIu64, left_s);
		c25_buf_lit(out, "}");
		return;
	}
	c25_report_field(out, name);
	addr_field(out, &a->destination);
	addr_field(out, &a->magic);
	addr_field(out, &a->transit);
	c25_buf_lit(out, " ");
	c25_report_field(out, app);
	c25_buf_lit(out, " ");
	c25_report_field(out, connector);
	c25_buf_format(out, " %s %" PRIu64 "\n", c25_report_push(a->push),
		left_s);
}

void
c25_report_mapping(struct c25_buf *out, bool json,
	const struct c25_mapping *m, uint64_t now_ms)
{
	uint64_t left_s = seconds_left(m->sent_ms + C25_MAPPING_LIFE_MS,
		now_ms);

	if (json) {
		c25_buf_lit(out, "{");
		c25_json_member(out, "peer", m->peer);
		addr_member(out, "transit", &m->transit);
		addr_member(out, "destination", &m->destination);
		c25_json_member(out, "app", m->app);
		c25_json_raw(out, "expiresInSeconds", "%" PRIu64, left_s);
		c25_buf_lit(out, "}");
		return;
	}
	c25_report_field(out, m->peer);
	addr_field(out, &m->transit);
	addr_field(out, &m->destination);
	c25_buf_lit(out, " ");
	c25_report_field(out, m->app);
	c25_buf_format(out, " %" PRIu64 "\n", left_s);
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

/* "5 min", the largest unit of which there are two. */
static void
age(struct c25_buf *out, uint64_t ms)
{
	static const struct {
		uint64_t ms;
		const char *name;
	} units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "min" },
		{ 1000, "s" } };
	size_t i = 0;

	while (i < 3 && ms < 2 * units[i].ms)
		i++;
	c25_buf_format(out, "%" PRIu64 " %s", ms / units[i].ms,
		units[i].name);
}

/* When something was, by the clock on the wall. */
static void
time_member(struct c25_buf *out, const char *key, uint64_t wall_ms)
{
	time_t at = (time_t)(wall_ms / 1000);
	char text[40] = "";
	struct tm tm;

	if (gmtime_r(&at, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	c25_json_member(out, key, text[0] != '\0' ? text : NULL);
}

void
c25_report_connector(struct c25_buf *out, bool json,
	const struct c25_push_info *info, const char *url, uint64_t now_ms,
	uint64_t wall_ms)
{
	uint64_t ago_ms = now_ms > info->last_error_ms ?
		now_ms - info->last_error_ms : 0;
	const char *p;

	if (json) {
		c25_buf_lit(out, "{");
		c25_json_member(out, "name", info->name);
		c25_json_member(out, "url", url);
		c25_json_member(out, "health", health_text(info->health));
		c25_json_raw(out, "queued", "%" PRIu32, info->queued);
		c25_json_raw(out, "acked", "%" PRIu64, info->acked);
		c25_json_member(out, "lastError", info->last_error[0] ==
			'\0' ? NULL : info->last_error);
		if (info->last_error[0] == '\0')
			c25_json_member(out, "lastErrorTime", NULL);
		else
			time_member(out, "lastErrorTime", wall_ms - ago_ms);
		c25_buf_lit(out, "}");
		return;
	}
	c25_report_field(out, info->name);
	c25_buf_lit(out, " ");
	c25_report_field(out, url);
	c25_buf_format(out, " %s %" PRIu32 " %" PRIu64 " ",
		health_text(info->health), info->queued,
		info->acked);
	if (info->last_error[0] != '\0') {
		age(out, ago_ms);
		c25_buf_lit(out, " ago: ");
	}
	/* The rest of the line: blanks stay, anything else of control
	 * does not. */
	for (p = info->last_error; *p != '\0'; p++)
		c25_buf_add(out, (unsigned char)*p < ' ' || *p == 0x7f ?
			"?" : p, 1);
	if (p == info->last_error)
		c25_buf_lit(out, "-");
	c25_buf_lit(out, "\n");
}
