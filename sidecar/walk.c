/* SPDX-License-Identifier: BSD-3-Clause */
/* Walks over assignments and mappings for conn25-control: see walk.h. */

#include "walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "json.h"
#include "report.h"
#include "verbs.h"

#define FILTERS_MAX 8
#define PIECE_BYTES 16384	/* text made before it is sent */

/* One KEY=VALUE word; only what its key needs is set. */
struct filter {
	enum filter_key { BY_APP, BY_DOMAIN, BY_ADDRESS, BY_CONNECTOR,
		BY_STATE, BY_PEER, FILTER_KEYS } key;
	char *text;
	bool below;			/* the domain, and all under it */
	struct c25_name name;
	struct c25_range range;
};

static const char *const filter_keys[FILTER_KEYS] = {
	[BY_APP] = "app",
	[BY_DOMAIN] = "domain",
	[BY_ADDRESS] = "address",
	[BY_CONNECTOR] = "connector",
	[BY_STATE] = "state",
	[BY_PEER] = "peer",
};

/* A walk that goes on whenever the last piece of it has been sent. */
struct walk {
	struct c25_daemon *d;
	struct c25_policy *policy;	/* names of apps; may be NULL */
	const char *verb;
	bool assignments;		/* still to be walked */
	bool mappings;
	bool drop;			/* what is found */
	bool lookup;			/* each line says what it is */
	bool by_name;			/* only these: name or address */
	bool by_addr;
	bool matched;			/* the policy knows the name */
	struct c25_match match;		/* ... so */
	struct c25_name name;
	struct c25_addr addr;
	struct filter filters[FILTERS_MAX];
	size_t filter_count;
	uint32_t cursor;		/* of the table */
	size_t mapping_cursor;
	unsigned long assignments_found;
	unsigned long mappings_found;
	bool begun;			/* JSON: the bracket is written */
	char argument[C25_CONTROL_LINE_MAX];
	char words[C25_CONTROL_LINE_MAX];	/* taken apart: filters */
};

static void
walk_free(struct c25_control_reply *r)
{
	struct walk *w = r->state;

	c25_policy_unref(w->policy);
	free(w);
}

/* ---- filters ------------------------------------------------------------- */

/* Returns: false: that is no address. */
static bool
filter_range(struct c25_range *out, const char *text)
{
	if (c25_addr_parse(&out->first, text, strlen(text)) == 0) {
		out->last = out->first;
		return true;
	}
	return c25_range_parse(out, text, strlen(text)) == 0;
}

/* Undo c25_report_field(), in place. */
static void
unescape(char *text)
{
	char *to = text;

	for (; *text != '\0'; to++) {
		unsigned value = 0;
		int i = 1;

		for (; *text == '\\' && i < 4 && text[i] >= '0' &&
				text[i] <= '9'; i++)
			value = value * 10 + (unsigned)(text[i] - '0');
		if (i == 4 && value > 0 && value < 256) {
			*to = (char)value;
			text += 4;
		} else {
			*to = *text++;
		}
	}
	*to = '\0';
}

/* What follows the "=". Returns: what it should have been, or NULL. */
static const char *
filter_value(struct filter *f)
{
	const char *name = f->text;

	switch (f->key) {
	case BY_DOMAIN:
		f->below = strncmp(name, "*.", 2) == 0;
		if (f->below)
			name += 2;
		return c25_name_from_text(&f->name, name, strlen(name)) == 0 ?
			NULL : "a domain name";
	case BY_ADDRESS:
		return filter_range(&f->range, name) ? NULL :
			"an address or a range of addresses";
	case BY_STATE:
		return strcmp(name, "pending") == 0 ||
			strcmp(name, "ready") == 0 ||
			strcmp(name, "refused") == 0 ? NULL :
			"pending, ready or refused";
	default:
		unescape(f->text);
		return *name != '\0' ? NULL : "a name";
	}
}

/* Has the configuration what a filter names? What it shows without one is
 * "-". */
static bool
is_configured(const struct c25_config *cfg, const struct filter *f)
{
	size_t i;

	if (strcmp(f->text, "-") == 0)
		return true;
	switch (f->key) {
	case BY_APP:
		return c25_config_app_find(cfg, f->text) != C25_APP_NONE;
	case BY_CONNECTOR:
		for (i = 0; i < cfg->connector_count; i++)
			if (strcmp(cfg->connectors[i].name, f->text) == 0)
				return true;
		return false;
	case BY_PEER:
		for (i = 0; i < cfg->peer_count; i++)
			if (strcmp(cfg->peers[i].name, f->text) == 0)
				return true;
		return false;
	default:
		return true;
	}
}

/* Is `key` one of the blank-separated words? */
static bool
is_word(const char *words, const char *key)
{
	size_t len = strlen(key);
	const char *p = words;

	while ((p = strstr(p, key)) != NULL) {
		if ((p == words || p[-1] == ' ') &&
				(p[len] == ' ' || p[len] == '\0'))
			return true;
		p += len;
	}
	return false;
}

/* Returns: whether all words are filters; else the reply says why not. */
static bool
filters_read(struct walk *w, const char *keys, struct c25_control_reply *r)
{
	char *rest = w->words, *word;
	const char *want;
	struct filter *f;
	int key;

	while ((word = strsep(&rest, " ")) != NULL) {
		if (*word == '\0')
			continue;
		if (w->filter_count == FILTERS_MAX) {
			c25_control_fail(r, "%s: more than %d KEY=VALUE",
				w->verb, FILTERS_MAX);
			return false;
		}
		f = &w->filters[w->filter_count++];
		f->text = strchr(word, '=');
		if (f->text != NULL)
			*f->text++ = '\0';
		for (key = 0; key < FILTER_KEYS; key++)
			if (strcmp(word, filter_keys[key]) == 0)
				break;
		if (f->text == NULL || key == FILTER_KEYS ||
				!is_word(keys, word)) {
			c25_control_fail(r, "%s %s: is no KEY=VALUE with a "
				"KEY of %s", w->verb, word, keys);
			return false;
		}
		f->key = (enum filter_key)key;
		want = filter_value(f);
		if (want != NULL) {
			c25_control_fail(r, "%s %s=%s: %s must be %s",
				w->verb, word, f->text, word, want);
			return false;
		}
		if (!is_configured(w->d->cfg, f)) {
			c25_control_fail(r, "%s %s=%s: the configuration has "
				"no such %s", w->verb, word, f->text, word);
			return false;
		}
	}
	return true;
}

/* A missing one is shown as "-". */
static bool
field_is(const char *value, const char *text)
{
	return strcmp(value != NULL ? value : "-", text) == 0;
}

static bool
assignment_passes(const struct walk *w, const struct c25_assignment *a,
	const char *app, const char *connector)
{
	bool pass = true;

	for (size_t i = 0; pass && i < w->filter_count; i++) {
		const struct filter *f = &w->filters[i];

		if (f->key == BY_APP)
			pass = field_is(app, f->text);
		else if (f->key == BY_CONNECTOR)
			pass = field_is(connector, f->text);
		else if (f->key == BY_STATE)
			pass = strcmp(c25_report_push(a->push), f->text) == 0;
		else if (f->key == BY_DOMAIN)
			pass = f->below ? c25_name_below(&a->domain, &f->name) :
				c25_name_eq(&a->domain, &f->name);
		else if (f->key == BY_ADDRESS)
			pass = c25_range_contains(&f->range, &a->magic) ||
				c25_range_contains(&f->range, &a->transit) ||
				c25_range_contains(&f->range,
					&a->destination);
	}
	return pass;
}

static bool
mapping_passes(const struct walk *w, const struct c25_mapping *m)
{
	bool pass = true;

	for (size_t i = 0; pass && i < w->filter_count; i++) {
		const struct filter *f = &w->filters[i];

		if (f->key == BY_APP)
			pass = field_is(m->app, f->text);
		else if (f->key == BY_PEER)
			pass = field_is(m->peer, f->text);
		else if (f->key == BY_ADDRESS)
			pass = c25_range_contains(&f->range, &m->transit) ||
				c25_range_contains(&f->range,
					&m->destination);
	}
	return pass;
}

/* ---- what is found ------------------------------------------------------- */

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

/* What the policy says of the name that is looked up. */
static void
policy_line(const struct walk *w, bool json, struct c25_buf *out)
{
	const char *app = c25_policy_app(w->policy, w->match.app);
	const char *kind = w->match.wildcard ? "wildcard" : "exact";
	char text[C25_NAME_TEXT_MAX];

	(void)c25_name_to_text(w->name.wire, w->name.len, text);
	if (json) {
		c25_buf_lit(out, "{");
		c25_json_member(out, "domain", text);
		c25_json_member(out, "app", app);
		c25_json_member(out, "match", kind);
		c25_json_raw(out, "rewritten", "%s", w->match.rewrite ?
			"true" : "false");
		c25_buf_lit(out, "}");
		return;
	}
	c25_buf_lit(out, "policy: ");
	c25_report_field(out, text);
	c25_buf_lit(out, " ");
	c25_report_field(out, app);
	c25_buf_format(out, " %s %s\n", kind,
		w->match.rewrite ? "rewritten" : "not_rewritten");
}

/* JSON up to the first item, if it isn't there yet. */
static void
json_begin(struct walk *w, struct c25_buf *out)
{
	if (w->begun)
		return;
	w->begun = true;
	if (!w->lookup) {
		c25_buf_lit(out, "[");
		return;
	}
	c25_buf_lit(out, "{\"policy\":");
	if (w->matched)
		policy_line(w, true, out);
	else
		c25_buf_lit(out, "null");
	c25_buf_lit(out, ",\n\"assignments\":[");
}

/* What is before an item. */
static void
item_begin(struct walk *w, bool json, bool first, const char *label,
	struct c25_buf *out)
{
	if (json)
		c25_buf_str(out, first ? "\n" : ",\n");
	else if (w->lookup)
		c25_buf_str(out, label);
}

static void
assignment_found(struct walk *w, const struct c25_assignment *a, bool json,
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
	if (w->policy != NULL) {
		if (c25_policy_match(w->policy, a->domain.wire,
				a->domain.len, &match))
			app = c25_policy_app(w->policy, match.app);
		if (a->connector != C25_CONNECTOR_NONE)
			connector = c25_policy_connector(w->policy,
				a->connector);
	}
	if (!assignment_passes(w, a, app, connector))
		return;
	if (json)
		json_begin(w, out);
	item_begin(w, json, w->assignments_found++ == 0, "assignment: ", out);
	c25_report_assignment(out, json, a, app, connector, c25_now_ms());
}

static void
mapping_found(struct walk *w, const struct c25_mapping *m, bool json,
	struct c25_buf *out)
{
	if (w->drop) {
		w->mappings_found += c25_mappings_drop(
			c25_serve_mappings(w->d->serve), m->peer_index,
			&m->transit) == 0;
		return;
	}
	if (!mapping_passes(w, m))
		return;
	if (json)
		json_begin(w, out);
	if (json && w->lookup && w->mappings_found == 0)
		c25_buf_lit(out, "\n],\n\"mappings\":[");
	item_begin(w, json, w->mappings_found++ == 0, "mapping: ", out);
	c25_report_mapping(out, json, m, c25_now_ms());
}

/* ---- the walk ------------------------------------------------------------ */

static void
walk_end(struct walk *w, struct c25_control_reply *r)
{
	unsigned long found = w->assignments_found + w->mappings_found;

	if (w->drop && w->mappings_found > 0)
		c25_serve_epoch_renew(w->d->serve);
	if (w->drop && found > 0)
		c25_buf_format(&r->text, "dropped %lu assignment%s, %lu "
			"mapping%s\n", w->assignments_found,
			w->assignments_found == 1 ? "" : "s",
			w->mappings_found, w->mappings_found == 1 ? "" : "s");
	else if (w->by_name && !w->matched && found == 0)
		c25_control_fail(r, "%s %s: no assignment has this name%s",
			w->verb, w->argument, w->drop ? "" :
			", nor does the policy match it");
	else if (w->by_addr && found == 0)
		c25_control_fail(r, "%s %s: no assignment or mapping has "
			"this address", w->verb, w->argument);
	else if (r->json) {
		json_begin(w, &r->text);
		if (w->lookup && w->mappings_found == 0)
			c25_buf_lit(&r->text, "\n],\n\"mappings\":[");
		c25_buf_str(&r->text, w->lookup ? "\n]}\n" : "\n]\n");
	}
}

/* The next piece; see c25_control_reply. */
static bool
walk_more(struct c25_control_reply *r)
{
	struct walk *w = r->state;
	struct c25_assignment a;
	struct c25_mapping m;
	int steps = 0;

	for (; w->assignments && steps < C25_WALK_STEPS &&
			r->text.len < PIECE_BYTES; steps++) {
		if (!c25_table_next(w->d->table, &w->cursor, &a))
			w->assignments = false;
		else if (assignment_wanted(w, &a))
			assignment_found(w, &a, r->json, &r->text);
	}
	for (; !w->assignments && w->mappings && steps < C25_WALK_STEPS &&
			r->text.len < PIECE_BYTES; steps++) {
		if (!c25_mappings_next(c25_serve_mappings(w->d->serve),
				&w->mapping_cursor, &m))
			w->mappings = false;
		else if (mapping_wanted(w, &m))
			mapping_found(w, &m, r->json, &r->text);
	}
	if (w->assignments || w->mappings)
		return true;
	walk_end(w, r);
	return false;
}

/* Make the reply a walk; what of is set afterwards. */
static struct walk *
walk_new(struct c25_daemon *d, const char *verb, const char *argument,
	struct c25_control_reply *r)
{
	struct walk *w = calloc(1, sizeof(*w));
	struct c25_policy *policy = NULL;

	if (w == NULL) {
		c25_control_fail(r, "%s: out of memory", verb);
		return NULL;
	}
	w->d = d;
	w->verb = verb;
	(void)snprintf(w->argument, sizeof(w->argument), "%s", argument);
	if (d->table != NULL)
		policy = c25_push_policy(c25_pusher_push(d->pusher));
	if (policy != NULL)
		w->policy = c25_policy_ref(policy);
	r->state = w;
	r->more = walk_more;
	r->done = walk_free;
	return w;
}

void
c25_walk_list(struct c25_daemon *d, enum c25_walk_of of, const char *filters,
	struct c25_control_reply *r)
{
	bool assignments = of == C25_WALK_ASSIGNMENTS;
	struct walk *w = walk_new(d, assignments ? "list_assignments" :
		"list_mappings", filters, r);

	if (w == NULL)
		return;
	w->assignments = assignments && d->table != NULL;
	w->mappings = !assignments;
	(void)snprintf(w->words, sizeof(w->words), "%s", filters);
	if (!filters_read(w, assignments ? C25_VERBS_ASSIGNMENT_KEYS :
			C25_VERBS_MAPPING_KEYS, r))
		r->more = NULL;
}

void
c25_walk_find(struct c25_daemon *d, bool drop, const char *argument,
	struct c25_control_reply *r)
{
	const char *verb = drop ? "drop" : "lookup";
	struct c25_addr addr;
	struct c25_name name;
	struct walk *w;
	bool by_addr = c25_addr_parse(&addr, argument,
		strlen(argument)) == 0;

	if (!by_addr && c25_name_from_text(&name, argument,
			strlen(argument)) != 0) {
		c25_control_fail(r, "%s %s: is neither a domain name nor an "
			"address", verb, argument);
		return;
	}
	w = walk_new(d, verb, argument, r);
	if (w == NULL)
		return;
	w->assignments = d->table != NULL;
	w->mappings = by_addr;
	w->by_addr = by_addr;
	w->by_name = !by_addr;
	w->drop = drop;
	w->lookup = !drop;
	if (by_addr)
		w->addr = addr;
	else
		w->name = name;
	if (drop || by_addr || w->policy == NULL)
		return;
	w->matched = c25_policy_match(w->policy, name.wire, name.len,
		&w->match);
	if (w->matched && !r->json)
		policy_line(w, false, &r->text);
}
