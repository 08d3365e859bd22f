/* SPDX-License-Identifier: BSD-3-Clause */
/* What a connector doesn't take, as the log tells it: each cause once in a
 * while, however many mappings it concerns; and as status shows it: one of each
 * app, as long as that holds. */
#include "push_private.h"

#include "conn25/log.h"

/* By code: what can be done about it. */
static const char *const remedies[C25_WIRE_CODES] = {
	[C25_WIRE_OK] = "see list_connectors and the log",
	[C25_WIRE_OTHER] = "see the connector's log: most often "
		"\"destinations\" of that app there lack the address; it is "
		"sent again until it is taken",
	[C25_WIRE_DUPLICATE] = "a mistake of that connector: update it; it "
		"is sent again until it is taken",
	[C25_WIRE_NO_FAMILY] = "add this host's address of that family to "
		"its entry in \"peers\" there",
	[C25_WIRE_FAMILIES] = "a mistake of that connector: update it",
	[C25_WIRE_UNKNOWN_APP] = "add that app to \"apps\" there, or correct "
		"its name here",
	[C25_WIRE_FORBIDDEN] = "add that app to the \"apps\" of this host's "
		"entry in \"peers\" there; if \"apps\" there has no such "
		"app, add it, or correct its name here",
};

/* Is it still refused? Then `a` is what it is. */
static bool
holds(const struct c25_pushq *p, const struct c25_push_witness *w,
	struct c25_assignment *a)
{
	return w->app != 0 && p->ops->read(p->ctx, w->ref, a) == 0 &&
		a->push != C25_PUSH_READY;
}

/* Which of two is kept? One that is refused for good lasts longer than one
 * that is sent again, and of a code one knows what to do. 0: neither. */
static unsigned
worth(const struct c25_pushq *p, const struct c25_push_witness *w)
{
	struct c25_assignment a;

	if (!holds(p, w, &a))
		return 0;
	return 1 + (w->code != C25_WIRE_OK) +
		(a.push == C25_PUSH_REFUSED ? 2 : 0);
}

void
c25_push_keep_refused(struct c25_pushq *p, const struct c25_assignment *a,
	uint8_t code)
{
	struct c25_push_witness *w = NULL, *other = p->witnesses, fresh;
	struct c25_assignment old;
	struct c25_push_app app;
	bool same;
	uint64_t key;

	if (!c25_push_app(p, a, &app))
		return;
	key = c25_cause_key(app.name, 0, 0);
	for (int i = 0; i < C25_PUSH_WITNESSES && w == NULL; i++)
		if (p->witnesses[i].app == key)
			w = &p->witnesses[i];
	for (; w == NULL && other < p->witnesses + C25_PUSH_WITNESSES; other++)
		if (!holds(p, other, &old))
			w = other;
	if (w == NULL)
		return;
	fresh = (struct c25_push_witness){ .app = key, .ref = a->ref,
		.code = code < C25_WIRE_CODES ? code : C25_WIRE_OK };
	same = w->ref.slot == a->ref.slot && w->ref.seq == a->ref.seq;
	if (worth(p, &fresh) + same > worth(p, w))
		*w = fresh;
}

bool
c25_push_next_refused(const struct c25_pushq *p, size_t *cursor,
	struct c25_push_refusal *out)
{
	struct c25_push_app app;

	while (*cursor < C25_PUSH_WITNESSES) {
		const struct c25_push_witness *w = &p->witnesses[(*cursor)++];

		if (!holds(p, w, &out->assignment) ||
		    !c25_push_app(p, &out->assignment, &app))
			continue;
		out->app = app.name;
		out->code = w->code;
		out->meaning = c25_wire_message(w->code);
		out->remedy = remedies[w->code];
		return true;
	}
	return false;
}

void
c25_push_tell_cause(struct c25_pushq *p, struct c25_push_peer *c,
	const struct c25_assignment *a, const struct c25_wire_result *res,
	uint64_t now)
{
	char name[C25_NAME_TEXT_MAX], addr[C25_ADDR_TEXT_MAX];
	struct c25_push_app app;
	char since[C25_CAUSE_SINCE_MAX];
	uint64_t count;

	if (res->code >= C25_WIRE_CODES)
		return;
	if (!c25_push_app(p, a, &app) ||
	    c25_cause_seen(c->causes, c25_cause_key(app.name, res->code, 0),
	    now, &count) != C25_CAUSE_DUE)
		return;
	c25_log(C25_LOG_ERROR, "connector %s: refuses %s of %s, app %s, code "
		"%u (%s): %s%s", c->name,
		c25_addr_format(&a->destination, addr),
		c25_name_to_text(a->domain.wire, a->domain.len, name),
		app.name, res->code, res->message[0] != '\0' ? res->message :
		c25_wire_message(res->code), remedies[res->code],
		c25_cause_since(count, since));
}
