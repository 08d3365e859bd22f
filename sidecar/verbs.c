/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What conn25-control can ask: one function a verb, reading (and for a few,
 * changing) struct c25_daemon. How it is printed is in report.c; walks over
 * assignments and mappings are in walk.c.
 */

#include "verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conn25/log.h"
#include "daemon.h"
#include "health.h"
#include "metric.h"
#include "report.h"
#include "sandbox.h"
#include "state.h"
#include "walk.h"

#define RELOAD_WAIT_MS 2000	/* for Unbound to take a policy */
#define RELOAD_PAUSE_MS 2	/* between looks whether it has */
#define RELOAD_LOOKS 3		/* at least: who has just come is seen then */

typedef void verb_fn(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r);

#define DECLARE(name, argument, json, columns, help) \
	static verb_fn verb_##name;
C25_VERBS(DECLARE)
#undef DECLARE

static const struct verb {
	const char *name;
	verb_fn *run;
	const char *argument;		/* "" when it takes none */
	bool json;			/* has that form, too */
} verbs[] = {
#define ENTRY(name, argument, json, columns, help) \
	{ #name, verb_##name, argument, json },
	C25_VERBS(ENTRY)
#undef ENTRY
};
#define VERBS (sizeof(verbs) / sizeof(*verbs))

static void
unknown(const char *name, struct c25_control_reply *r)
{
	size_t i;

	c25_control_fail(r, "unknown verb %s: known are", name);
	for (i = 0; i < VERBS; i++)
		c25_buf_format(&r->text, "%s %s", i == 0 ? "" : ",",
			verbs[i].name);
}

/* Is --json the first word? Then past it. */
static bool
take_json(const char **argument)
{
	static const char word[] = "--json";
	size_t len = sizeof(word) - 1;

	if (strncmp(*argument, word, len) != 0 ||
			((*argument)[len] != ' ' && (*argument)[len] != '\0'))
		return false;
	*argument += len + strspn(*argument + len, " ");
	return true;
}

/* Returns: whether the verb may be run with it; else the reply says why. */
static bool
argument_right(const struct verb *v, const char *argument,
	struct c25_control_reply *r)
{
	if (r->json && !v->json)
		c25_control_fail(r, "%s has no JSON form", v->name);
	else if (*v->argument == '\0' && *argument != '\0')
		c25_control_fail(r, "%s takes no argument", v->name);
	else if (*v->argument == '[' || *v->argument == '\0')
		return true;
	else if (*argument == '\0')
		c25_control_fail(r, "%s needs an argument: %s %s", v->name,
			v->name, v->argument);
	else if (strchr(argument, ' ') != NULL)
		c25_control_fail(r, "%s takes one argument: %s %s", v->name,
			v->name, v->argument);
	else
		return true;
	return false;
}

void
c25_verbs_run(struct c25_daemon *d, const struct c25_control_line *line,
	struct c25_control_reply *r)
{
	const char *argument = line->argument;
	const struct verb *v;

	for (v = verbs; v < verbs + VERBS; v++)
		if (strcmp(v->name, line->verb) == 0)
			break;
	c25_log(C25_LOG_DETAIL, "control: %s%s%s", line->verb,
		*line->argument == '\0' ? "" : " ", line->argument);
	if (v == verbs + VERBS) {
		unknown(line->verb, r);
		return;
	}
	r->json = take_json(&argument);
	if (argument_right(v, argument, r))
		v->run(d, argument, r);
}

/* ---- status and statistics --------------------------------------------- */

static void
count_connectors(struct c25_daemon *d, struct c25_report_status *s)
{
	struct c25_push_info info;
	size_t cursor = 0;

	while (c25_push_next(c25_pusher_push(d->pusher), &cursor, &info)) {
		s->connectors++;
		s->healthy += info.healthy;
	}
}

static void
verb_status(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	struct c25_report_status s = {
		.version = C25_VERSION,
		.verbosity = c25_log_get_verbosity(),
		.pid = (long)getpid(),
		.config = d->options->file,
		.run_dir = d->run_dir,
		.user = d->privileges.user,
		.capabilities = d->privileges.capabilities,
		.sandbox = c25_sandbox_on(),
		.client = c25_config_is_client(d->cfg),
		.connector = c25_config_is_connector(d->cfg),
		.table = d->table != NULL,
		.modules = c25_doorbell_count(d->doorbell),
		.mappings = c25_mappings_count(c25_serve_mappings(d->serve)),
		.transit_ip = d->cfg->listen.transit_ip.text,
		.admin = d->cfg->listen.admin.text,
		.uptime_s = (c25_now_ms() - d->start_ms) / 1000,
	};
	struct c25_buf reasons = { 0 }, degraded = { 0 };
	struct c25_usage usage;

	(void)argument;
	if (d->table != NULL) {
		c25_table_usage(d->table, &usage);
		s.assignments = usage.assignments;
		s.pending = usage.pending;
		s.capacity = usage.capacity;
		s.generation = c25_table_generation(d->table);
		count_connectors(d, &s);
	}
	(void)c25_health_reasons(d, &reasons);
	s.not_ready = reasons.len > 0 ? reasons.data : "";
	c25_health_degraded(d, &degraded);
	s.degraded = degraded.len > 0 ? degraded.data : "";
	c25_report_status(&r->text, r->json, &s);
	c25_buf_free(&reasons);
	c25_buf_free(&degraded);
}

static void
print_stats(struct c25_daemon *d, bool reset, struct c25_control_reply *r)
{
	struct c25_report_peer peers[C25_CONNECTORS_MAX], now;
	struct c25_report_stats s, all;
	size_t i, n = c25_health_peers(d, peers);

	c25_health_figures(d, &all);
	s = all;
	c25_metrics_since(c25_metrics, &s, &d->baseline);
	for (i = 0; i < n; i++) {
		now = peers[i];
		c25_metrics_since(c25_connector_metrics, &peers[i],
			&d->peer_baseline[now.reg]);
		if (reset)
			d->peer_baseline[now.reg] = now;
	}
	c25_report_stats(&r->text, r->json, &s, peers, n);
	if (!reset)
		return;
	d->baseline = all;
	d->reset_ms = c25_now_ms();
}

static void
verb_stats(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	(void)argument;
	print_stats(d, true, r);
}

static void
verb_stats_noreset(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	(void)argument;
	print_stats(d, false, r);
}

/* ---- orders ------------------------------------------------------------ */

/* A reload that waits until Unbound answers by what is new. */
struct reload {
	struct c25_daemon *d;
	struct c25_buf lines;		/* to be told */
	uint64_t until_ms;
	unsigned looks;
};

static bool
reload_more(struct c25_control_reply *r)
{
	struct reload *reload = r->state;
	unsigned behind = c25_doorbell_behind(reload->d->doorbell);

	if (reload->looks++ < RELOAD_LOOKS ||
	    (behind > 0 && c25_now_ms() < reload->until_ms)) {
		r->pause_ms = RELOAD_PAUSE_MS;
		return true;
	}
	c25_buf_add(&r->text, reload->lines.data, reload->lines.len);
	if (behind > 0)
		c25_buf_format(&r->text, "%u of Unbound's threads have not "
			"taken it yet: see Unbound's log\n", behind);
	c25_buf_lit(&r->text, "ok\n");
	return false;
}

static void
reload_done(struct c25_control_reply *r)
{
	struct reload *reload = r->state;

	c25_buf_free(&reload->lines);
	free(reload);
}

static void
verb_reload(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	struct reload *reload = calloc(1, sizeof(*reload));

	(void)argument;
	if (reload == NULL) {
		c25_control_fail(r, "out of memory");
		return;
	}
	reload->d = d;
	reload->until_ms = c25_now_ms() + RELOAD_WAIT_MS;
	r->state = reload;
	r->done = reload_done;
	if (c25_daemon_reload(d, &reload->lines) == 0) {
		r->more = reload_more;
		return;
	}
	c25_control_fail(r, "%s: not taken, everything stays as it was",
		d->options->file);
	if (reload->lines.len > 0) {
		c25_buf_lit(&r->text, "\n");
		/* The last newline follows the reply. */
		c25_buf_add(&r->text, reload->lines.data,
			reload->lines.len - 1);
	}
}

static void
verb_verbosity(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	(void)d;
	if (argument[0] < '0' || argument[0] > '0' + C25_LOG_VERBOSITY_MAX ||
			argument[1] != '\0') {
		c25_control_fail(r, "verbosity %s: give a number from 0 to "
			"%d", argument, C25_LOG_VERBOSITY_MAX);
		return;
	}
	c25_log_verbosity(argument[0] - '0');
	c25_buf_lit(&r->text, "ok\n");
}

static void
stop_done(struct c25_control_reply *r)
{
	c25_daemon_stop(r->state);
}

/* When the reply is out; the connection stays, so that the tool ends when
 * conn25d does. */
static bool
stop_more(struct c25_control_reply *r)
{
	if (r->text.len == 0)
		c25_daemon_stop(r->state);
	return true;
}

static void
verb_stop(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	(void)argument;
	c25_log(C25_LOG_INFO, "stopping: asked to by conn25-control");
	c25_buf_lit(&r->text, "ok\n");
	r->state = d;
	r->more = stop_more;
	r->done = stop_done;
}

/* ---- lists, lookup and drop ---------------------------------------------- */

static void
verb_list_assignments(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	c25_walk_list(d, C25_WALK_ASSIGNMENTS, argument, r);
}

static void
verb_list_mappings(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	c25_walk_list(d, C25_WALK_MAPPINGS, argument, r);
}

static void
verb_lookup(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	c25_walk_find(d, false, argument, r);
}

static void
verb_drop(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	c25_walk_find(d, true, argument, r);
}

static const char *
connector_url(const struct c25_config *cfg, const char *name)
{
	size_t i;

	for (i = 0; i < cfg->connector_count; i++)
		if (strcmp(cfg->connectors[i].name, name) == 0)
			return cfg->connectors[i].url.text;
	return NULL;
}

static uint64_t
wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
verb_list_connectors(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	struct c25_push_info info;
	size_t cursor = 0;
	bool first = true;

	(void)argument;
	if (r->json)
		c25_buf_lit(&r->text, "[");
	while (d->table != NULL && c25_push_next(c25_pusher_push(d->pusher),
			&cursor, &info)) {
		if (r->json)
			c25_buf_str(&r->text, first ? "\n" : ",\n");
		first = false;
		c25_report_connector(&r->text, r->json, &info,
			connector_url(d->cfg, info.name), c25_now_ms(),
			wall_ms());
	}
	if (r->json)
		c25_buf_lit(&r->text, "\n]\n");
}

/* ---- the whole ----------------------------------------------------------- */

static bool
dump_more(struct c25_control_reply *r)
{
	return c25_state_more(r->state, &r->text);
}

static void
dump_done(struct c25_control_reply *r)
{
	c25_state_free(r->state);
}

static void
verb_dump_state(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	struct c25_state *state;
	int e = c25_state_new(d, &state);

	(void)argument;
	if (e != 0) {
		c25_control_fail(r, "dump_state: %s", e == -EBUSY ?
			"others are being written: try again later" :
			"out of memory");
		return;
	}
	r->state = state;
	r->more = dump_more;
	r->done = dump_done;
}
