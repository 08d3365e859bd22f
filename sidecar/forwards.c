/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of forward zones, their file and their differences; see forwards.h. */

#include "forwards.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME_TEXT_MAX 253	/* of letters, digits, '-', '_' and dots */
#define SERVERS_MAX 64		/* of a zone that Unbound lists */

/* ---- lists ------------------------------------------------------------- */

void
c25_forwards_free(struct c25_forwards *f)
{
	free(f->items);
	free(f->names);
	free(f->servers);
	*f = (struct c25_forwards){ 0 };
}

/* Room for `more` members. Returns: the array; NULL when out of memory. */
static void *
grow(void *array, size_t *room, size_t used, size_t more, size_t size)
{
	size_t n = *room * 2 + more + 16;
	void *bigger;

	if (array != NULL && more <= *room - used)
		return array;
	bigger = reallocarray(array, n, size);
	if (bigger != NULL)
		*room = n;
	return bigger;
}

static int
make_room(struct c25_forwards *f, size_t name_bytes, size_t servers)
{
	struct c25_config_forward *s;
	struct c25_forward *items;
	char *names;

	items = grow(f->items, &f->room, f->count, 1, sizeof(*items));
	if (items == NULL)
		return -ENOMEM;
	f->items = items;
	names = grow(f->names, &f->names_room, f->names_len, name_bytes, 1);
	if (names == NULL)
		return -ENOMEM;
	f->names = names;
	s = grow(f->servers, &f->server_room, f->server_count, servers,
		sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	f->servers = s;
	return 0;
}

static bool
servers_equal(const struct c25_config_forward *a,
	const struct c25_config_forward *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i].port != b[i].port ||
		    !c25_addr_eq(&a[i].addr, &b[i].addr))
			return false;
	return true;
}

/* Append a zone; one after the other often has the same servers. */
static int
add(struct c25_forwards *f, const char *name, size_t len,
	const struct c25_config_forward *servers, size_t n, bool insecure)
{
	struct c25_forward z = { .name = f->names_len, .insecure = insecure,
		.servers = f->server_count, .server_count = (unsigned)n };
	const struct c25_forward *last;
	int r = make_room(f, len + 1, n);

	if (r != 0)
		return r;
	last = f->count > 0 ? &f->items[f->count - 1] : NULL;
	if (last != NULL && last->server_count == n && servers_equal(
	    f->servers + last->servers, servers, n))
		z.servers = last->servers;
	memcpy(f->names + f->names_len, name, len);
	f->names[f->names_len + len] = '\0';
	f->names_len += len + 1;
	if (z.servers == f->server_count) {
		for (size_t i = 0; i < n; i++)
			f->servers[f->server_count++] = servers[i];
	}
	f->items[f->count++] = z;
	return 0;
}

static const struct c25_forward *
find(const struct c25_forwards *f, const char *name)
{
	size_t low = 0, high = f->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = strcmp(name, c25_forward_name(f, middle));

		if (c == 0)
			return &f->items[middle];
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static int
by_name(const void *a, const void *b, void *names)
{
	const struct c25_forward *x = a, *y = b;
	int c = strcmp((char *)names + x->name, (char *)names + y->name);

	/* the names of earlier ones are before those of later ones */
	return c != 0 ? c : x->name < y->name ? -1 : x->name > y->name;
}

void
c25_forwards_sort(struct c25_forwards *f)
{
	size_t n = 0;

	if (f->count == 0)
		return;
	qsort_r(f->items, f->count, sizeof(*f->items), by_name, f->names);
	for (size_t i = 0; i < f->count; i++)
		if (n == 0 || strcmp(f->names + f->items[n - 1].name,
		    f->names + f->items[i].name) != 0)
			f->items[n++] = f->items[i];
	f->count = n;
}

static bool
same(const struct c25_forwards *f, const struct c25_forward *a,
	const struct c25_forwards *g, const struct c25_forward *b)
{
	return a->server_count == b->server_count &&
		a->insecure == b->insecure &&
		servers_equal(f->servers + a->servers,
			g->servers + b->servers, a->server_count);
}

int
c25_forwards_merge(struct c25_forwards *f, const struct c25_forwards *more)
{
	size_t before = f->count;
	int r;

	for (size_t i = 0; i < more->count; i++) {
		const struct c25_forward *z = &more->items[i];
		const char *name = c25_forward_name(more, i);
		struct c25_forwards sorted = *f;
		struct c25_forward *old;

		sorted.count = before;
		old = (struct c25_forward *)find(&sorted, name);
		if (old != NULL) {
			old->changed = old->changed ||
				!same(f, old, more, z);
			continue;
		}
		r = add(f, name, strlen(name), more->servers + z->servers,
			z->server_count, z->insecure);
		if (r != 0) {
			f->count = before;
			return r;
		}
		f->items[f->count - 1].changed = z->changed;
	}
	c25_forwards_sort(f);
	return 0;
}

const char *
c25_forwards_gone(const struct c25_forwards *former,
	const struct c25_forwards *want)
{
	for (size_t i = 0; i < former->count; i++)
		if (find(want, c25_forward_name(former, i)) == NULL)
			return c25_forward_name(former, i);
	return NULL;
}

/* ---- from the configuration -------------------------------------------- */

struct domain {
	size_t name;			/* in .names of the list */
	size_t index;			/* in cfg->domains */
};

static int
by_domain(const void *a, const void *b, void *names)
{
	const struct domain *x = a, *y = b;
	int c = strcmp((char *)names + x->name, (char *)names + y->name);

	return c != 0 ? c : x->index < y->index ? -1 : x->index > y->index;
}

/* Which app has the zone of domains of one name; NULL: none. */
static const struct c25_config_app *
owner(const struct c25_config *cfg, const struct domain *d, size_t n)
{
	bool taken[2] = { false, false };	/* exact, wildcard */

	for (size_t i = 0; i < n; i++) {
		const struct c25_spec_domain *spec =
			&cfg->domains[d[i].index];

		if (taken[spec->wildcard])
			continue;
		taken[spec->wildcard] = true;
		if (cfg->apps[spec->app].dns_server_count > 0)
			return &cfg->apps[spec->app];
	}
	return NULL;
}

static bool
any(const struct c25_config *cfg)
{
	for (size_t i = 0; i < cfg->app_count; i++)
		if (cfg->apps[i].dns_server_count > 0)
			return c25_config_is_client(cfg);
	return false;
}

int
c25_forwards_make(struct c25_forwards *out, const struct c25_config *cfg)
{
	char text[C25_NAME_TEXT_MAX], *names = NULL, *bigger;
	size_t len, used = 0, room = 0, n;
	struct domain *d;
	int r = 0;

	if (!any(cfg))
		return 0;
	d = calloc(cfg->domain_count + 1, sizeof(*d));
	if (d == NULL)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < cfg->domain_count; i++) {
		(void)c25_name_to_text(cfg->domains[i].name.wire,
			cfg->domains[i].name.len, text);
		len = strlen(text) + 1;
		bigger = grow(names, &room, used, len, 1);
		if (bigger == NULL) {
			r = -ENOMEM;
			break;
		}
		names = bigger;
		d[i] = (struct domain){ .name = used, .index = i };
		memcpy(names + used, text, len);
		used += len;
	}
	if (r == 0 && cfg->domain_count > 0)
		qsort_r(d, cfg->domain_count, sizeof(*d), by_domain, names);
	for (size_t i = 0; r == 0 && i < cfg->domain_count; i += n) {
		const struct c25_config_app *app;

		for (n = 1; i + n < cfg->domain_count && strcmp(names +
		    d[i].name, names + d[i + n].name) == 0; n++)
			;
		app = owner(cfg, d + i, n);
		if (app != NULL)
			r = add(out, names + d[i].name,
				strlen(names + d[i].name), app->dns_servers,
				app->dns_server_count, app->dns_insecure);
	}
	free(names);
	free(d);
	if (r != 0)
		c25_forwards_free(out);
	return r;
}

/* ---- the include file -------------------------------------------------- */

static void
server_text(struct c25_buf *out, const struct c25_config_forward *s)
{
	char text[C25_ADDR_TEXT_MAX];

	c25_buf_format(out, "%s@%u", c25_addr_format(&s->addr, text),
		s->port);
}

void
c25_forwards_text(const struct c25_forwards *f, const char *config,
	struct c25_buf *out)
{
	c25_buf_lit(out, "# Written by conn25d, which overwrites it: the "
		"forward zones of the apps with\n# \"resolveAt\" in ");
	/* a path of the administrator's, on one line */
	for (const char *p = config; *p != '\0'; p++)
		c25_buf_add(out, (unsigned char)*p < ' ' ? "?" : p, 1);
	c25_buf_lit(out, "\n");
	for (size_t i = 0; i < f->count; i++) {
		const struct c25_forward *z = &f->items[i];
		const char *name = c25_forward_name(f, i);

		if (z->insecure)
			c25_buf_format(out, "server:\n\tdomain-insecure: "
				"\"%s\"\n", name);
		c25_buf_format(out, "forward-zone:\n\tname: \"%s\"\n", name);
		for (unsigned j = 0; j < z->server_count; j++) {
			c25_buf_lit(out, "\tforward-addr: ");
			server_text(out, &f->servers[z->servers + j]);
			c25_buf_lit(out, "\n");
		}
	}
}

/* Does the line begin like this? Then what follows. */
static bool
starts(const char *line, size_t len, const char *with, const char **rest,
	size_t *rest_len)
{
	size_t n = strlen(with);

	if (len < n || memcmp(line, with, n) != 0)
		return false;
	*rest = line + n;
	*rest_len = len - n;
	return true;
}

static bool
plain_name(const char *text, size_t len)
{
	if (len == 0 || len > NAME_TEXT_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!(text[i] >= 'a' && text[i] <= 'z') &&
		    !(text[i] >= '0' && text[i] <= '9') && text[i] != '-' &&
		    text[i] != '_' && text[i] != '.')
			return false;
	return true;
}

/* "NAME" with its quotes. */
static bool
quoted_name(const char **text, size_t *len)
{
	if (*len < 2 || **text != '"' || (*text)[*len - 1] != '"')
		return false;
	(*text)++;
	*len -= 2;
	return plain_name(*text, *len);
}

/* A zone while its lines are being read. */
struct reading {
	const char *name, *insecure;	/* of the file; NULL: none yet */
	size_t name_len, insecure_len;
	struct c25_config_forward servers[C25_DNS_SERVERS_MAX];
	size_t count;
};

static int
read_done(struct c25_forwards *out, struct reading *z)
{
	bool insecure = z->insecure != NULL;
	int r;

	if (z->name == NULL)
		return 0;
	if (z->count == 0 || (insecure && (z->insecure_len != z->name_len ||
	    memcmp(z->insecure, z->name, z->name_len) != 0)))
		return -EINVAL;
	r = add(out, z->name, z->name_len, z->servers, z->count, insecure);
	*z = (struct reading){ 0 };
	return r;
}

static int
read_line(struct c25_forwards *out, struct reading *z, const char *line,
	size_t len)
{
	const char *rest;
	size_t n;
	int r = 0;

	if (len == 0 || line[0] == '#')
		return 0;
	if (len == 7 && memcmp(line, "server:", len) == 0)
		return read_done(out, z);
	if (starts(line, len, "\tdomain-insecure: ", &rest, &n)) {
		z->insecure = rest;
		z->insecure_len = n;
		return z->name == NULL && quoted_name(&z->insecure,
			&z->insecure_len) ? 0 : -EINVAL;
	}
	if (len == 13 && memcmp(line, "forward-zone:", len) == 0)
		return read_done(out, z);
	if (starts(line, len, "\tname: ", &rest, &n)) {
		if (z->name != NULL || !quoted_name(&rest, &n))
			return -EINVAL;
		z->name = rest;
		z->name_len = n;
		return 0;
	}
	if (!starts(line, len, "\tforward-addr: ", &rest, &n) ||
	    z->name == NULL || z->count == C25_DNS_SERVERS_MAX)
		return -EINVAL;
	r = c25_config_dns_server(rest, n, &z->servers[z->count]);
	z->count++;
	return r;
}

int
c25_forwards_parse(struct c25_forwards *out, const char *text, size_t len)
{
	struct reading z = { 0 };
	int r = 0;

	while (r == 0 && len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end != NULL ? (size_t)(end - text) : len;

		r = end == NULL ? -EINVAL : read_line(out, &z, text, n);
		if (r == 0) {
			text += n + 1;
			len -= n + 1;
		}
	}
	if (r == 0)
		r = read_done(out, &z);
	if (r == 0 && z.insecure != NULL)
		r = -EINVAL;
	if (r != 0)
		c25_forwards_free(out);
	else
		c25_forwards_sort(out);
	return r;
}

/* ---- what Unbound has -------------------------------------------------- */

/* The next word of a line, up to a blank. */
static bool
word(const char **line, size_t *len, const char **text, size_t *n)
{
	const char *blank;

	if (*len == 0)
		return false;
	blank = memchr(*line, ' ', *len);
	*text = *line;
	*n = blank != NULL ? (size_t)(blank - *line) : *len;
	*line += blank != NULL ? *n + 1 : *n;
	*len -= blank != NULL ? *n + 1 : *n;
	return true;
}

static bool
is(const char *text, size_t n, const char *what)
{
	return n == strlen(what) && memcmp(text, what, n) == 0;
}

int
c25_forwards_listed(struct c25_forwards *listed,
	const struct c25_forwards *want, const struct c25_forwards *former,
	const char *line, size_t len)
{
	struct c25_config_forward servers[SERVERS_MAX] = { 0 };
	const char *name, *class, *text;
	char copy[NAME_TEXT_MAX + 1];
	size_t name_len, class_len, n, count = 0;
	bool insecure = false, foreign = false;

	if (!word(&line, &len, &name, &name_len) || name_len == 0 ||
	    !word(&line, &len, &class, &class_len) ||
	    !word(&line, &len, &text, &n) || !is(text, n, "forward"))
		return -EPROTO;
	/* in a class or of a name that is none of ours? */
	if (!is(class, class_len, "IN") || name_len < 2 ||
	    name[name_len - 1] != '.' || !plain_name(name, name_len - 1))
		return 0;
	memcpy(copy, name, --name_len);
	copy[name_len] = '\0';
	if (find(want, copy) == NULL && find(former, copy) == NULL)
		return 0;
	while (word(&line, &len, &text, &n)) {
		if (is(text, n, "+i")) {
			insecure = true;
			continue;
		}
		/* Names of servers and too many of them are somebody else's:
		 * a zone without servers is like none of ours. */
		if (count == SERVERS_MAX || c25_addr_parse(
		    &servers[count].addr, text, n) != 0)
			foreign = true;
		if (count < SERVERS_MAX)
			count++;
	}
	if (foreign)
		count = 0;
	return add(listed, copy, name_len, servers, count, insecure);
}

/* ---- differences ------------------------------------------------------- */

/* The same addresses, in whatever order, ports aside? */
static bool
same_addresses(const struct c25_forwards *f, const struct c25_forward *a,
	const struct c25_forwards *g, const struct c25_forward *b)
{
	if (a->server_count != b->server_count)
		return false;
	for (unsigned i = 0; i < a->server_count; i++) {
		unsigned here = 0, there = 0;
		const struct c25_addr *one = &f->servers[a->servers + i].addr;

		for (unsigned j = 0; j < a->server_count; j++) {
			here += c25_addr_eq(one,
				&f->servers[a->servers + j].addr);
			there += c25_addr_eq(one,
				&g->servers[b->servers + j].addr);
		}
		if (here != there)
			return false;
	}
	return true;
}

/* What is being planned. */
struct plan {
	const struct c25_forwards *want, *former, *listed;
	struct c25_buf *out;
	size_t changes;
};

static void
plan_name(struct plan *p, const char *verb, bool insecure, const char *name)
{
	c25_buf_format(p->out, "%s %s%s", verb, insecure ? "+i " : "", name);
}

/* Returns: whether it changes; the commands are added if p->out is there. */
static bool
plan_add(struct plan *p, size_t i)
{
	const struct c25_forward *z = &p->want->items[i];
	const char *name = c25_forward_name(p->want, i);
	const struct c25_forward *had = find(p->listed, name);
	const struct c25_forward *old = find(p->former, name);

	if (had != NULL && had->insecure == z->insecure &&
	    same_addresses(p->listed, had, p->want, z) && (old == NULL ||
	    (!old->changed && same(p->former, old, p->want, z))))
		return false;
	if (p->out == NULL)
		return true;
	if (had != NULL && had->insecure && !z->insecure) {
		plan_name(p, "forward_remove", true, name);
		c25_buf_lit(p->out, "\n");
	}
	plan_name(p, "forward_add", z->insecure, name);
	for (unsigned j = 0; j < z->server_count; j++) {
		c25_buf_lit(p->out, " ");
		server_text(p->out, &p->want->servers[z->servers + j]);
	}
	c25_buf_lit(p->out, "\n");
	return true;
}

static bool
plan_remove(struct plan *p, size_t i)
{
	const char *name = c25_forward_name(p->former, i);
	const struct c25_forward *had = find(p->listed, name);

	if (find(p->want, name) != NULL ||
	    (had == NULL && !p->former->items[i].changed))
		return false;
	if (p->out != NULL) {
		plan_name(p, "forward_remove", had != NULL &&
			had->insecure && p->former->items[i].insecure, name);
		c25_buf_lit(p->out, "\n");
	}
	return true;
}

/* All of them; `flush`: flush what changes from the cache. */
static size_t
plan_walk(struct plan p, bool flush)
{
	struct c25_buf *out = p.out;
	size_t n = 0;

	if (flush)
		p.out = NULL;
	for (size_t i = 0; i < p.want->count; i++)
		if (plan_add(&p, i) && ++n > 0 && flush)
			c25_buf_format(out, "flush_zone %s\n",
				c25_forward_name(p.want, i));
	for (size_t i = 0; i < p.former->count; i++)
		if (plan_remove(&p, i) && ++n > 0 && flush)
			c25_buf_format(out, "flush_zone %s\n",
				c25_forward_name(p.former, i));
	return n;
}

size_t
c25_forwards_plan(const struct c25_forwards *want,
	const struct c25_forwards *former, const struct c25_forwards *listed,
	struct c25_buf *out)
{
	struct plan p = { .want = want, .former = former, .listed = listed };
	size_t n = plan_walk(p, false);

	if (n == 0 || n > C25_FORWARDS_PLAN_MAX)
		return n;
	p.out = out;
	(void)plan_walk(p, false);
	/* afterwards, so that nothing old comes into the cache again */
	if (n <= C25_FORWARDS_FLUSH_MAX)
		(void)plan_walk(p, true);
	else
		c25_buf_lit(out, "flush_zone .\n");
	return n;
}
