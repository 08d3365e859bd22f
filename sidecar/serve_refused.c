/* SPDX-License-Identifier: BSD-3-Clause */
/* What this connector refuses, as its log tells it: an administrator of this
 * host can change it, and clients' logs refer to these lines. */

#include <errno.h>
#include <stdio.h>

#include "conn25/log.h"
#include "serve_private.h"

/* Where no mapping may lead, with what makes it so. */
static void
never(const struct c25_addr *a, char *buf, size_t size)
{
	char addr[C25_ADDR_TEXT_MAX], at[C25_ADDR_TEXT_MAX];
	struct c25_addr inner = c25_addr_inner(a);
	bool same = c25_addr_eq(a, &inner);

	(void)snprintf(buf, size, "%s is never allowed, whatever \""
	    "destinations\" say: %s%s%s%s", c25_addr_format(a, addr),
	    same ? "" : "it leads to ", same ? "" :
	    c25_addr_format(&inner, at), same ? "" : ", ",
	    c25_addr_forbidden(a));
}

/* This host's own, itself or where a translator or tunnel takes it. */
static void
own(const struct c25_addr *a, char *buf, size_t size)
{
	char addr[C25_ADDR_TEXT_MAX], at[C25_ADDR_TEXT_MAX];
	struct c25_addr inner = c25_addr_inner(a);

	if (c25_addr_eq(a, &inner))
		(void)snprintf(buf, size, "%s is this host's own address",
		    c25_addr_format(a, addr));
	else
		(void)snprintf(buf, size, "%s is or leads to this host's own "
		    "address (%s)", c25_addr_format(a, addr),
		    c25_addr_format(&inner, at));
}

const char *
c25_serve_why(const struct c25_serve *s, const struct c25_wire_entry *e,
    const struct c25_serve_refusal *r, char buf[static C25_SERVE_WHY_MAX])
{
	char addr[C25_ADDR_TEXT_MAX];
	size_t size = C25_SERVE_WHY_MAX;

	(void)snprintf(buf, size, "%s", c25_wire_message(r->code));
	switch (r->reason) {
	case C25_REFUSE_CODE:
		break;
	case C25_REFUSE_VERDICT:
		return c25_verify_text(r->verdict, e->domain, buf);
	case C25_REFUSE_UNSET:
		(void)snprintf(buf, size, "an address of it is missing");
		break;
	case C25_REFUSE_MAPPED:
		(void)snprintf(buf, size, "IPv4-mapped addresses are never "
		    "allowed: IPv4 ones are meant to be sent as such");
		break;
	case C25_REFUSE_OWN:
		own(&e->destination, buf, size);
		break;
	case C25_REFUSE_NEVER:
		never(&e->destination, buf, size);
		break;
	case C25_REFUSE_DESTINATIONS:
		(void)snprintf(buf, size, "%s is not among \"destinations\" "
		    "of the app: add it there if the app is to reach it",
		    c25_addr_format(&e->destination, addr));
		break;
	case C25_REFUSE_LIMIT:
		(void)snprintf(buf, size, "the peer has too many mappings, "
		    "or all peers together: \"mappingsPerPeer\" in limits "
		    "is %u", s->cfg->limits.mappings_per_peer);
		break;
	case C25_REFUSE_MEMORY:
		(void)snprintf(buf, size, "no memory is left for it");
		break;
	}
	return buf;
}

void
c25_serve_tell_refused(struct c25_serve *s, uint32_t peer,
    const struct c25_wire_entry *e, const struct c25_serve_refusal *r,
    uint64_t now_ms)
{
	char addr[C25_ADDR_TEXT_MAX], why[C25_SERVE_WHY_MAX];
	char since[C25_CAUSE_SINCE_MAX];
	uint8_t more = (uint8_t)(r->reason << 4 | r->verdict);
	uint64_t count;

	_Static_assert(C25_VERDICTS <= 16, "room in `more`");
	if (c25_cause_seen(s->peers[peer].causes, c25_cause_key(e->app,
	    r->code, more), now_ms, &count) != C25_CAUSE_DUE)
		return;
	c25_log(C25_LOG_INFO, "peer %s: %s of app %.64s is refused, code %u: "
	    "%s%s", s->cfg->peers[peer].name,
	    c25_addr_format(&e->destination, addr), e->app, r->code,
	    c25_serve_why(s, e, r, why), c25_cause_since(count, since));
}
