/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * local.c - answers that Unbound has ready before it asks any module: from
 * local zones and their data (also in views), response policy zones and auth
 * zones. For a name of ours they are made anew like any other answer, so that
 * their addresses become magic ones too, and a reverse lookup of a magic IP
 * needs no "nodefault" line.
 *
 * There is no query state here: the message is changed where it is, just
 * before it is sent, and nothing can wait.
 *
 * Locks: Unbound may hold the lock of the zone, which nothing of ours takes.
 * Ref: services/localzone.c local_encode(), services/authzone.c
 * auth_answer_encode(), services/rpz.c rpz_local_encode().
 */
#include <string.h>

#include "module/module.h"

enum { LOCAL_TRIES = 3 };		/* when policies change meanwhile */

/* What the client is to get, `real` perhaps, or why it gets SERVFAIL. */
static enum c25_answer local_answer(const struct c25_ask *ask,
	struct c25_worker *w, struct c25_verdict *v, struct dns_msg *real,
	struct dns_msg **out, enum c25_failure *why)
{
	enum c25_answer r = C25_ANSWER_RETRY;

	for (int tries = 0; tries < LOCAL_TRIES; tries++) {
		*why = C25_FAIL_MEMORY;
		if (!c25_verdict_is_ours(v)) {
			*out = NULL;
			return C25_ANSWER_OK;
		}
		r = c25_answer_is_own(v) ?
			c25_answer_own(ask, w, v, out, why) :
			c25_answer_real(ask, w, v, real, out, why);
		if (r != C25_ANSWER_RETRY)
			return r;
		c25_verdict_of(c25_state_policy(w), ask->q->qname,
			ask->q->qname_len, ask->q->qtype, ask->q->qclass, v);
	}
	*why = C25_FAIL_POLICY;
	return C25_ANSWER_FAIL;
}

/* Unbound encodes `rep` next: make it say SERVFAIL. */
static void local_servfail(struct reply_info *rep)
{
	FLAGS_SET_RCODE(rep->flags, LDNS_RCODE_SERVFAIL);
	rep->an_numrrsets = rep->ns_numrrsets = rep->ar_numrrsets = 0;
	rep->rrset_count = 0;
}

static void local_change(const struct c25_ask *ask, struct c25_worker *w,
	struct c25_verdict *v, struct reply_info *rep)
{
	struct dns_msg real = { .qinfo = *ask->q, .rep = rep }, *out;
	enum c25_failure why;

	c25_query_matched(w, &real.qinfo, 1);
	if (local_answer(ask, w, v, &real, &out, &why) != C25_ANSWER_OK) {
		local_servfail(rep);
		(void)edns_opt_list_append_ede(ask->options, ask->region,
			LDNS_EDE_OTHER, c25_query_failure_text(why));
		c25_state_count(w, C25_STAT_SERVFAIL, 1);
		c25_query_complain(w, why);
	} else if (out != NULL && out->rep != rep) {
		/* All but `ref`, which messages outside the cache don't
		 * have. */
		memcpy(rep, out->rep, sizeof(*rep) - sizeof(rep->ref));
	}
}

int c25_local_reply(struct query_info *qinfo, struct module_qstate *qstate,
	struct reply_info *rep, int rcode, struct edns_data *edns,
	struct edns_option **options, struct comm_reply *client,
	struct regional *region, struct timeval *start, int id, void *arg)
{
	struct c25_ask ask = { .q = qinfo, .region = region,
		.options = options, .clients = 1 };
	struct module_env *env;
	struct c25_worker *w;
	struct c25_verdict v;

	/* Errors, and answers about Unbound itself, have no message. */
	if (rep == NULL || qinfo == NULL)
		return 1;
	env = c25_env_of_client(client, region);
	w = env == NULL ? NULL : c25_state_worker(c25_module_of(env, id),
		env);
	if (w == NULL) {
		local_servfail(rep);
		return 1;
	}
	c25_verdict_of(c25_state_policy(w), qinfo->qname, qinfo->qname_len,
		qinfo->qtype, qinfo->qclass, &v);
	c25_state_count(w, C25_STAT_QUERIES, 1);
	if (c25_verdict_is_ours(&v))
		local_change(&ask, w, &v, rep);
	return 1;
}
