/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What conn25-control can ask: one function a verb, reading (and for a few,
 * changing) struct c25_daemon. How it is printed is in report.c.
 */

#include "verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conn25/log.h"
#include "daemon.h"
#include "report.h"
#include "sandbox.h"

/* Records looked at before others of the loop get their turn. */
#define WALK_STEPS 1000
#define VERBOSITY_MAX 5		/* as unbound's */
#define RELOAD_WAIT_MS 2000	/* for Unbound to take a policy */
#define RELOAD_PAUSE_MS 2	/* between looks whether it has */
#define RELOAD_LOOKS 3		/* at least: who has just come is seen then */

typedef void verb_fn(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r);

#define DECLARE(name, argument, help) static verb_fn verb_##name;
C25_VERBS(DECLARE)
#undef DECLARE

static const struct verb {
	const char *name;
	verb_fn *run;
	const char *argument;		/* "" when it takes none */
} verbs[] = {
#define ENTRY(name, argument, help) { #name, verb_##name, argument },
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

void
c25_verbs_run(struct c25_daemon *d, const struct c25_control_line *line,
	struct c25_control_reply *r)
{
	const struct verb *v;

	for (v = verbs; v < verbs + VERBS; v++)
		if (strcmp(v->name, line->verb) == 0)
			break;
	c25_log(C25_LOG_DETAIL, "control: %s%s%s", line->verb,
		*line->argument == '\0' ? "" : " ", line->argument);
	if (v == verbs + VERBS)
		unknown(line->verb, r);
	else if (*v->argument == '\0' && *line->argument != '\0')
		c25_control_fail(r, "%s takes no argument", v->name);
	else if (*v->argument != '\0' && *line->argument == '\0')
		c25_control_fail(r, "%s needs an argument: %s %s", v->name,
			v->name, v->argument);
	else
		v->run(d, line->argument, r);
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
	c25_report_status(&r->text, &s);
}

static void
print_stats(struct c25_daemon *d, struct c25_buf *out)
{
	struct c25_report_stats s = { 0 };
	struct c25_push_info info;
	struct timespec wall;
	struct c25_pushq *push;
	size_t cursor = 0;
	int i;

	(void)clock_gettime(CLOCK_REALTIME, &wall);
	s.now_ms = (uint64_t)wall.tv_sec * 1000 +
		(uint64_t)wall.tv_nsec / 1000000;
	s.up_ms = c25_now_ms() - d->start_ms;
	s.elapsed_ms = c25_now_ms() - d->reset_ms;
	s.serve = *c25_serve_stats(d->serve);
	c25_verify_stats(c25_serve_verify(d->serve), &s.verify);
	s.mappings = c25_mappings_count(c25_serve_mappings(d->serve));
	c25_store_stats(c25_persist_store(d->persist), &s.store);
	c25_nat_stats(d->nat, &s.nat);
	if (d->table == NULL) {
		c25_report_stats(out, &s);
		return;
	}
	push = c25_pusher_push(d->pusher);
	s.push = *c25_push_stats(push);
	s.parked = c25_push_parked(push);
	c25_table_usage(d->table, &s.usage);
	for (i = 0; i < C25_STAT_COUNT; i++)
		s.total[i] = c25_table_stat(d->table, (enum c25_stat)i) -
			d->baseline[i];
	c25_report_stats(out, &s);
	while (c25_push_next(push, &cursor, &info))
		c25_report_connector_stats(out, &info);
}

static void
verb_stats(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	(void)argument;
	print_stats(d, &r->text);
	c25_daemon_stats_reset(d);
}

static void
verb_stats_noreset(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	(void)argument;
	print_stats(d, &r->text);
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
	if (argument[0] < '0' || argument[0] > '0' + VERBOSITY_MAX ||
			argument[1] != '\0') {
		c25_control_fail(r, "verbosity %s: give a number from 0 to "
			"%d", argument, VERBOSITY_MAX);
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

/* ---- lists, lookup and drop: walks over assignments and mappings ------- */

/* A walk that goes on whenever the last piece of it has been sent. */
struct walk {
	struct c25_daemon *d;
	struct c25_policy *policy;	/* names of apps; may be NULL */
	const char *verb;
	bool assignments;		/* still to be walked */
	bool mappings;
	bool drop;			/* what is found */
	bool labels;			/* each line says what it is */
	bool by_name;			/* only these: name or address */
	bool by_addr;
	bool matched;			/* the policy knows the name */
	struct c25_name name;
	struct c25_addr addr;
	uint32_t cursor;		/* of the table */
	size_t mapping_cursor;
	unsigned long assignments_found;
	unsigned long mappings_found;
	char argument[C25_CONTROL_LINE_MAX];
};

static void
walk_free(struct c25_control_reply *r)
{
	struct walk *w = r->state;

	c25_policy_unref(w->policy);
	free(w);
}

static bool
assignment_wanted(const struct walk *w, const struct c25_assignment *a)
{
	if (w->by_name)
		return c25_name_eq(&a->domain, &w->name);
	return !w->by_addr || c25_addr_eq(&a->magic, &w->addr) ||
		c25_addr_eq(&a->transit, &w->addr) ||
		c25_addr_eq(&a->destination, &w->addr);
}

static bool
mapping_wanted(const struct walk *w, const struct c25_mapping *m)
{
	if (w->by_name)
		return false;	/* a mapping knows no domain */
	return !w->by_addr || c25_addr_eq(&m->transit, &w->addr) ||
		c25_addr_eq(&m->destination, &w->addr);
}

static void
assignment_found(struct walk *w, const struct c25_assignment *a,
	struct c25_buf *out)
{
	const char *app = NULL, *connector = NULL;
	struct c25_match match;

	if (w->drop) {
		if (c25_table_drop(w->d->table, a->ref) == 0) {
			w->assignments_found++;
			c25_nat_dropped(w->d->nat, a);
		}
		return;
	}
	w->assignments_found++;
	if (w->policy != NULL) {
		if (c25_policy_match(w->policy, a->domain.wire,
				a->domain.len, &match))
			app = c25_policy_app(w->policy, match.app);
		if (a->connector != C25_CONNECTOR_NONE)
			connector = c25_policy_connector(w->policy,
				a->connector);
	}
	if (w->labels)
		c25_buf_lit(out, "assignment: ");
	c25_report_assignment(out, a, app, connector, c25_now_ms());
}

static void
mapping_found(struct walk *w, const struct c25_mapping *m,
	struct c25_buf *out)
{
	if (w->drop) {
		w->mappings_found += c25_mappings_drop(
			c25_serve_mappings(w->d->serve), m->peer_index,
			&m->transit) == 0;
		return;
	}
	w->mappings_found++;
	if (w->labels)
		c25_buf_lit(out, "mapping: ");
	c25_report_mapping(out, m, c25_now_ms());
}

static void
walk_end(struct walk *w, struct c25_control_reply *r)
{
	if (w->drop && w->assignments_found + w->mappings_found > 0)
		c25_buf_format(&r->text, "dropped %lu assignments, %lu "
			"mappings\n", w->assignments_found,
			w->mappings_found);
	else if (w->by_name && !w->matched && w->assignments_found == 0)
		c25_control_fail(r, "%s %s: no assignment has this name%s",
			w->verb, w->argument, w->drop ? "" :
			", nor does the policy match it");
	else if (w->by_addr && w->assignments_found + w->mappings_found == 0)
		c25_control_fail(r, "%s %s: no assignment or mapping has "
			"this address", w->verb, w->argument);
}

/* The next piece; see c25_control_reply. */
static bool
walk_more(struct c25_control_reply *r)
{
	struct walk *w = r->state;
	struct c25_assignment a;
	struct c25_mapping m;
	int steps;

	for (steps = 0; w->assignments && steps < WALK_STEPS; steps++) {
		if (!c25_table_next(w->d->table, &w->cursor, &a))
			w->assignments = false;
		else if (assignment_wanted(w, &a))
			assignment_found(w, &a, &r->text);
	}
	for (; w->mappings && steps < WALK_STEPS; steps++) {
		if (!c25_mappings_next(c25_serve_mappings(w->d->serve),
				&w->mapping_cursor, &m))
			w->mappings = false;
		else if (mapping_wanted(w, &m))
			mapping_found(w, &m, &r->text);
	}
	if (w->assignments || w->mappings)
		return true;
	walk_end(w, r);
	return false;
}

/* Make the reply a walk; what of is set afterwards. */
static struct walk *
walk_new(struct c25_daemon *d, const char *verb, struct c25_control_reply *r)
{
	struct walk *w = calloc(1, sizeof(*w));
	struct c25_policy *policy = NULL;

	if (w == NULL) {
		c25_control_fail(r, "%s: out of memory", verb);
		return NULL;
	}
	w->d = d;
	w->verb = verb;
	if (d->table != NULL)
		policy = c25_push_policy(c25_pusher_push(d->pusher));
	if (policy != NULL)
		w->policy = c25_policy_ref(policy);
	r->state = w;
	r->more = walk_more;
	r->done = walk_free;
	return w;
}

static void
verb_list_assignments(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	struct walk *w = walk_new(d, "list_assignments", r);

	(void)argument;
	if (w != NULL)
		w->assignments = d->table != NULL;
}

static void
verb_list_mappings(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	struct walk *w = walk_new(d, "list_mappings", r);

	(void)argument;
	if (w != NULL)
		w->mappings = true;
}

/* A walk for one name or address; NULL when `argument` is neither. */
static struct walk *
walk_argument(struct c25_daemon *d, const char *verb, const char *argument,
	struct c25_control_reply *r)
{
	struct c25_addr addr;
	struct c25_name name;
	struct walk *w;
	bool by_addr = c25_addr_parse(&addr, argument,
		strlen(argument)) == 0;

	if (!by_addr && c25_name_from_text(&name, argument,
			strlen(argument)) != 0) {
		c25_control_fail(r, "%s %s: is neither a domain name nor an "
			"address", verb, argument);
		return NULL;
	}
	w = walk_new(d, verb, r);
	if (w == NULL)
		return NULL;
	strcpy(w->argument, argument);
	w->assignments = d->table != NULL;
	w->mappings = by_addr;
	w->by_addr = by_addr;
	w->by_name = !by_addr;
	w->labels = true;
	if (by_addr)
		w->addr = addr;
	else
		w->name = name;
	return w;
}

static void
verb_lookup(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	struct walk *w = walk_argument(d, "lookup", argument, r);
	char text[C25_NAME_TEXT_MAX];
	struct c25_match match;

	if (w == NULL || !w->by_name || w->policy == NULL ||
			!c25_policy_match(w->policy, w->name.wire,
			w->name.len, &match))
		return;
	w->matched = true;
	c25_buf_lit(&r->text, "policy: ");
	c25_report_field(&r->text, c25_name_to_text(w->name.wire,
		w->name.len, text));
	c25_buf_lit(&r->text, " ");
	c25_report_field(&r->text, c25_policy_app(w->policy, match.app));
	c25_buf_format(&r->text, " %s %s\n",
		match.wildcard ? "wildcard" : "exact",
		match.rewrite ? "rewritten" : "not_rewritten");
}

static void
verb_drop(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	struct walk *w = walk_argument(d, "drop", argument, r);

	if (w != NULL)
		w->drop = true;
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

static void
verb_list_connectors(struct c25_daemon *d, const char *argument,
	struct c25_control_reply *r)
{
	struct c25_push_info info;
	size_t cursor = 0;

	(void)argument;
	if (d->table == NULL)
		return;
	while (c25_push_next(c25_pusher_push(d->pusher), &cursor, &info))
		c25_report_connector(&r->text, &info,
			connector_url(d->cfg, info.name));
}
