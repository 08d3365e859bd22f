/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * learn.c - what to do when a server's response has come in, before the
 * iterator looks at it. Three things can only be done here:
 *
 *  - Lookups that the iterator starts for itself (nameserver addresses) begin
 *    at the iterator and never pass our operate() before it stores their
 *    message: they are marked no_cache_store now.
 *  - A query for a name that is not ours may fetch the message of one that
 *    is: the target of a CNAME, or a name in between when query names are
 *    minimised. The iterator would keep it under that name's public key.
 *  - no_cache_store also keeps the iterator from storing referrals, and every
 *    new name would be looked for from the root again: they are stored here.
 */
#include "module/module.h"

static void learn_verdict(const struct c25_policy *policy,
	const struct query_info *q, struct c25_verdict *v)
{
	c25_verdict_of(policy, q->qname, q->qname_len, q->qtype, q->qclass,
		v);
}

static struct ub_packed_rrset_key *learn_find(struct reply_info *rep,
	uint16_t type)
{
	size_t i, end = rep->an_numrrsets + rep->ns_numrrsets;

	for (i = rep->an_numrrsets; i < end; i++)
		if (ntohs(rep->rrsets[i]->rk.type) == type)
			return rep->rrsets[i];
	return NULL;
}

/* Will the iterator take the response for a referral? Never that of a
 * forwarder, which it asks with RD set.
 * Returns: its NS RRset, or NULL.
 * Ref: iterator/iter_resptype.c response_type_from_server(), iterator.c. */
static struct ub_packed_rrset_key *learn_is_referral(
	const struct iter_qstate *iq, struct dns_msg *response)
{
	struct ub_packed_rrset_key *ns;
	struct reply_info *rep = response->rep;

	if (iq == NULL || iq->dp == NULL ||
	    (iq->chase_flags & BIT_RD) != 0 || (rep->flags & BIT_TC) != 0 ||
	    rep->an_numrrsets != 0 ||
	    FLAGS_GET_RCODE(rep->flags) != LDNS_RCODE_NOERROR ||
	    learn_find(rep, LDNS_RR_TYPE_SOA) != NULL)
		return NULL;
	ns = learn_find(rep, LDNS_RR_TYPE_NS);
	if (ns == NULL ||
	    !dname_strict_subdomain_c(ns->rk.dname, iq->dp->name) ||
	    !dname_subdomain_c(iq->qchase.qname, ns->rk.dname))
		return NULL;
	return ns;
}

/*
 * A query state that is not ours got the message of a name that is.
 *
 * The iterator stores only the RRsets of a message that is not of the type
 * that it asked for: so an answer is said to be of no type. A negative one
 * may be kept, but for addresses that came along; those of a referral are
 * needed, and its message is not kept.
 * Ref: iterator/iterator.c processQueryResponse() "is_referral".
 */
static void learn_hide(const struct iter_qstate *iq,
	struct dns_msg *response)
{
	struct reply_info *rep = response->rep;

	if (rep->an_numrrsets > 0) {
		response->qinfo.qtype = 0;
	} else if (learn_is_referral(iq, response) == NULL) {
		rep->rrset_count -= rep->ar_numrrsets;
		rep->ar_numrrsets = 0;
	}
}

/* A negative message of a name on the way, from query name minimisation. */
static bool learn_is_step(const struct iter_qstate *iq,
	struct dns_msg *response)
{
	struct reply_info *rep = response->rep;

	return iq->dp != NULL && (rep->flags & BIT_TC) == 0 &&
		(rep->flags & BIT_AA) != 0 && rep->an_numrrsets == 0 &&
		FLAGS_GET_RCODE(rep->flags) == LDNS_RCODE_NOERROR &&
		learn_find(rep, LDNS_RR_TYPE_SOA) != NULL &&
		dname_strict_subdomain_c(iq->qchase.qname,
			response->qinfo.qname) &&
		dname_subdomain_c(response->qinfo.qname, iq->dp->name);
}

/* A query state of ours: store what leads to other names, as the iterator
 * would. */
static void learn_store(struct module_qstate *qstate,
	struct iter_qstate *iq, struct dns_msg *response)
{
	struct ub_packed_rrset_key *ns = learn_is_referral(iq, response);
	struct dns_msg *step;

	if (iq == NULL || c25_zone_no_cache(qstate))
		return;
	if (ns != NULL) {
		if (qstate->env->cfg->harden_referral_path)
			return;
		iter_scrub_ds(response, ns, iq->dp->name);
		(void)c25_dns_cache_store(qstate, &response->qinfo,
			response->rep, 1, 0);
	} else if (learn_is_step(iq, response)) {
		step = c25_reply_trim(qstate->region, response, NULL);
		if (step != NULL)
			(void)c25_dns_cache_store(qstate, &step->qinfo,
				step->rep,
				iq->qchase.qtype != step->qinfo.qtype,
				qstate->query_flags);
	}
}

int c25_learn_response(struct module_qstate *qstate,
	struct dns_msg *response, int id, void *arg)
{
	struct c25_worker *w = c25_state_worker(
		c25_module_of(qstate->env, id), qstate->env);
	const struct c25_policy *policy;
	struct iter_qstate *iq;
	struct c25_verdict v;

	policy = w == NULL ? NULL : c25_state_policy(w);
	if (policy == NULL || response == NULL || response->rep == NULL)
		return 1;
	iq = w->iterator < 0 ? NULL : qstate->minfo[w->iterator];
	v.kind = C25_DO_PASS;
	if (!c25_query_passes(qstate, id, w))
		learn_verdict(policy, &qstate->qinfo, &v);
	if (c25_verdict_is_ours(&v)) {
		qstate->no_cache_store = 1;
		learn_store(qstate, iq, response);
		return 1;
	}
	if (query_dname_compare(qstate->qinfo.qname,
	    response->qinfo.qname) != 0) {
		learn_verdict(policy, &response->qinfo, &v);
		if (c25_verdict_is_ours(&v))
			learn_hide(iq, response);
	}
	return 1;
}
