/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stale.c - serve-expired for names that are ours: what Unbound does with an
 * expired message under the public key, done with the kept one.
 *
 *   without client timeout   answered at once, and fetched anew after that
 *   with one                 looked up; clients who have waited for so long
 *                            get the expired answer, and the lookup goes on
 *   when the lookup fails    the expired answer
 *
 * Ref: RFC 8767; services/mesh.c mesh_serve_expired_callback().
 */
#include "module/module.h"

/* Response-ip rules are for each client's own answer; an answer that is made
 * outside the modules' turns would go past them. */
static bool stale_allowed(const struct c25_worker *w)
{
	return w->env->cfg->serve_expired && w->respip < 0;
}

static void stale_due(struct c25_wait *e, struct c25_worker *w);

static void stale_watch(struct module_qstate *qstate, struct c25_worker *w,
	struct c25_wait *e)
{
	int timeout_ms = w->env->cfg->serve_expired_client_timeout;

	if (stale_allowed(w) && timeout_ms > 0)
		(void)c25_wait_add(w, e, qstate, (uint64_t)timeout_ms,
			stale_due);
}

static void stale_due(struct c25_wait *e, struct c25_worker *w)
{
	struct module_qstate *qstate = e->qstate;
	struct mesh_state *mesh = qstate->mesh_info;
	struct edns_option *options = qstate->edns_opts_front_out;
	struct dns_msg *real = qstate->return_msg, *stale = NULL;
	int real_rcode = qstate->return_rcode;
	bool at_once;

	/* A client may join later, so look again after the same time. */
	stale_watch(qstate, w, e);
	/* Callbacks are internal lookups, who must not see this. */
	if (mesh->reply_list == NULL || mesh->cb_list != NULL)
		return;
	stale = c25_cache_stale(qstate, &at_once);
	if (stale == NULL)
		return;
	qstate->edns_opts_front_out = NULL;
	qstate->return_msg = stale;
	qstate->return_rcode = LDNS_RCODE_NOERROR;
	if (c25_query_answer_stale(qstate, w)) {
		mesh_query_done(mesh);
		/* Who joins now has not been answered. */
		mesh->replies_sent = 0;
	}
	qstate->edns_opts_front_out = options;
	qstate->return_msg = real;
	qstate->return_rcode = real_rcode;
}

struct dns_msg *c25_stale_now(struct module_qstate *qstate,
	struct c25_worker *w, struct c25_query *q, bool *refetch)
{
	const struct config_file *cfg = qstate->env->cfg;
	struct dns_msg *msg;
	bool at_once = false;

	if (!cfg->serve_expired)
		return NULL;
	msg = c25_query_clients(qstate) == 0 ? NULL :
		c25_cache_stale(qstate, &at_once);
	/* Without events nobody could be answered after a time. */
	if (msg != NULL && (at_once || !C25_HAVE_EVENTS)) {
		*refetch = !C25_HAVE_EVENTS ||
			cfg->serve_expired_client_timeout == 0;
		return msg;
	}
	stale_watch(qstate, w, &q->wait);
	return NULL;
}

struct dns_msg *c25_stale_after_failure(struct module_qstate *qstate,
	struct c25_worker *w)
{
	bool at_once;

	return stale_allowed(w) && c25_query_clients(qstate) > 0 ?
		c25_cache_stale(qstate, &at_once) : NULL;
}

void c25_stale_note(struct module_qstate *qstate, unsigned clients)
{
	const struct config_file *cfg = qstate->env->cfg;

	qstate->env->mesh->ans_expired += clients;
	if (cfg->ede && cfg->ede_serve_expired)
		(void)edns_opt_list_append_ede(&qstate->edns_opts_front_out,
			qstate->region, LDNS_EDE_STALE_ANSWER, NULL);
}
