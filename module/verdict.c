/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verdict.c - see verdict.h. Pure: no Unbound header, so that unit tests
 * link it alone.
 */
#include "module/verdict.h"

/* Ref: IANA DNS parameters. */
enum {
	VERDICT_CLASS_IN = 1,
	VERDICT_CLASS_ANY = 255,
	VERDICT_TYPE_A = 1,
	VERDICT_TYPE_AAAA = 28,
	VERDICT_TYPE_SVCB = 64,
	VERDICT_TYPE_HTTPS = 65,
	VERDICT_TYPE_ANY = 255,
};

static enum c25_do verdict_by_type(uint16_t qtype)
{
	switch (qtype) {
	case VERDICT_TYPE_A:
	case VERDICT_TYPE_AAAA:
		return C25_DO_ADDRESS;
	case VERDICT_TYPE_SVCB:
	case VERDICT_TYPE_HTTPS:
		return C25_DO_SERVICE;
	case VERDICT_TYPE_ANY:
		return C25_DO_ANY;
	default:
		return C25_DO_OTHER;
	}
}

void c25_verdict_of(const struct c25_policy *policy, const uint8_t *qname,
	size_t qname_len, uint16_t qtype, uint16_t qclass,
	struct c25_verdict *out)
{
	out->kind = C25_DO_PASS;
	out->qtype = qtype;
	if (policy == NULL || (qclass != VERDICT_CLASS_IN &&
	    qclass != VERDICT_CLASS_ANY))
		return;
	if (c25_name_from_wire(&out->name, qname, qname_len) != 0)
		return;
	if (c25_name_to_reverse(&out->name, &out->reverse) &&
	    c25_policy_in_magic(policy, &out->reverse)) {
		out->kind = C25_DO_REVERSE;
	} else if (c25_policy_match(policy, out->name.wire, out->name.len,
	    &out->match) && out->match.rewrite) {
		out->kind = verdict_by_type(qtype);
	} else {
		return;
	}
	if (qclass == VERDICT_CLASS_ANY)
		out->kind = C25_DO_REFUSE;
}
