/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verdict.h - what is to be done with a question: the policy and the table
 * of DESIGN 4.3, without any DNS message.
 *
 * Example:
 *	struct c25_verdict v;
 *
 *	c25_verdict_of(policy, qname, qname_len, qtype, qclass, &v);
 *	if (v.kind == C25_DO_PASS)
 *		... not ours ...
 *
 * Rules: pure; no allocation, no lock, no Unbound. For a qname of the
 * network: malformed ones pass.
 */
#ifndef CONN25_MODULE_VERDICT_H
#define CONN25_MODULE_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn25/addr.h"
#include "conn25/name.h"
#include "conn25/policy.h"

enum c25_do {
	C25_DO_PASS,		/* not ours: as Unbound would do without us */
	C25_DO_ADDRESS,		/* A, AAAA: magic addresses */
	C25_DO_SERVICE,		/* HTTPS, SVCB: no hints, no other targets */
	C25_DO_OTHER,		/* the real answer, no additional section */
	C25_DO_ANY,		/* qtype ANY: RFC 8482 */
	C25_DO_REFUSE,		/* qclass ANY */
	C25_DO_REVERSE,		/* a name of an address in a magic pool */
};

struct c25_verdict {
	enum c25_do kind;
	uint16_t qtype;
	struct c25_match match;		/* unless PASS or REVERSE */
	struct c25_addr reverse;	/* REVERSE only */
	struct c25_name name;		/* the queried name, canonical */
};

/*
 * Decide. `policy` may be NULL: everything passes. Names under in-addr.arpa
 * and ip6.arpa that stand for an address in a magic pool are ours whatever
 * domains the policy has.
 */
void c25_verdict_of(const struct c25_policy *policy, const uint8_t *qname,
	size_t qname_len, uint16_t qtype, uint16_t qclass,
	struct c25_verdict *out);

/* May the real message for this verdict not be under the public cache key,
 * that is, is it anything but PASS? */
static inline bool c25_verdict_is_ours(const struct c25_verdict *v)
{
	return v->kind != C25_DO_PASS;
}

#endif
