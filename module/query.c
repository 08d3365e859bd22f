/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * query.c - the life of a query state: from the cache or on to the next
 * module, and back to the clients.
 *
 * Who gets what is decided when the state is done, not when it starts: a
 * client may join an internal lookup at any time, and a policy may have been
 * published meanwhile.
 *
 *   clients only          the answer we make
 *   internal only         the real message
 *   clients and supers    the clients are answered first, by calling
 *                         mesh_query_done() here; then the real message is
 *                         put back for the supers. mesh_continue() calls
 *                         mesh_query_done() again, which finds no one left.
 *   clients and callbacks SERVFAIL for both; they ask again
 *
 * An answer that waits for a connector (hold.c) is looked at again when it has
 * waited.
 */
#include <string.h>

#include "module/module.h"

enum {
	QUERY_TRIES = 3,		/* at answering, when policies change */
	QUERY_COMPLAIN_MS = 60 * 1000,
};

static const char *const failure_texts[C25_FAIL_COUNT] = {
	[C25_FAIL_V4_MAGIC] = "conn25: v4MagicIPPool is exhausted",
	[C25_FAIL_V4_TRANSIT] = "conn25: v4TransitIPPool is exhausted",
	[C25_FAIL_V6_MAGIC] = "conn25: v6MagicIPPool is exhausted",
	[C25_FAIL_V6_TRANSIT] = "conn25: v6TransitIPPool is exhausted",
	[C25_FAIL_TABLE_FULL] = "conn25: table is full",
	[C25_FAIL_TABLE_DAMAGED] = "conn25: table is damaged",
	[C25_FAIL_POLICY] = "conn25: policy is changing",
	[C25_FAIL_MEMORY] = "conn25: out of memory",
	[C25_FAIL_SHARED] = "conn25: lookup is in use",
	[C25_FAIL_STARTING] = "conn25: conn25d is starting",
	[C25_FAIL_NO_TABLE] = "conn25: table can't be used",
	[C25_FAIL_OTHER] = "conn25: nothing can be assigned",
};

static const char *const failure_remedies[C25_FAIL_COUNT] = {
	[C25_FAIL_V4_MAGIC] = "enlarge it in the configuration of conn25d",
	[C25_FAIL_V4_TRANSIT] = "enlarge it in the configuration of conn25d",
	[C25_FAIL_V6_MAGIC] = "enlarge it in the configuration of conn25d",
	[C25_FAIL_V6_TRANSIT] = "enlarge it in the configuration of conn25d",
	[C25_FAIL_TABLE_FULL] = "raise table.maxAssignments in the "
		"configuration of conn25d",
	[C25_FAIL_TABLE_DAMAGED] = "restart conn25d, which puts it right",
	[C25_FAIL_POLICY] = "it should last a moment only",
	[C25_FAIL_MEMORY] = "give Unbound more, or smaller caches",
	[C25_FAIL_SHARED] = "it should last a moment only",
	[C25_FAIL_STARTING] = "it should last a moment only",
	[C25_FAIL_NO_TABLE] = "the message about it says more",
	[C25_FAIL_OTHER] = "see the log of conn25d",
};

const char *c25_query_failure_text(enum c25_failure why)
{
	return failure_texts[why];
}

void c25_query_matched(struct c25_worker *w, struct query_info *q,
	unsigned clients)
{
	c25_state_count(w, C25_STAT_MATCHED, clients);
	if (clients > 0 && w->policy != NULL &&
	    c25_policy_log_queries(w->policy))
		log_query_info(NO_VERBOSE, "conn25: query", q);
}

void c25_query_complain(struct c25_worker *w, enum c25_failure why)
{
	atomic_uint_least64_t *last = &w->module->failure_logged_ms[why];
	uint64_t now_ms = c25_now_ms();
	uint_least64_t then_ms = atomic_load(last);

	/* Only one thread wins the exchange. 0: never. */
	if ((then_ms != 0 && now_ms - then_ms < QUERY_COMPLAIN_MS) ||
	    !atomic_compare_exchange_strong(last, &then_ms,
	    now_ms == 0 ? 1 : now_ms))
		return;
	log_warn("%s: clients get SERVFAIL: %s", failure_texts[why],
		failure_remedies[why]);
}

unsigned c25_query_clients(const struct module_qstate *qstate)
{
	const struct mesh_reply *r = qstate->mesh_info->reply_list;
	unsigned n = 0;

	for (; r != NULL; r = r->next)
		n++;
	return n;
}

/* The state's notes, made on first use. Returns: NULL without memory. */
static struct c25_query *query_notes(struct module_qstate *qstate, int id)
{
	if (qstate->minfo[id] == NULL)
		qstate->minfo[id] = regional_alloc_zero(qstate->region,
			sizeof(struct c25_query));
	return qstate->minfo[id];
}

static void query_fail(struct module_qstate *qstate, int id,
	struct c25_worker *w, enum c25_failure why)
{
	struct c25_query *q = query_notes(qstate, id);

	if (q != NULL) {
		q->failed = true;
		q->failure = why;
	}
	qstate->return_msg = NULL;
	qstate->return_rcode = LDNS_RCODE_SERVFAIL;
	c25_state_count(w, C25_STAT_SERVFAIL, c25_query_clients(qstate));
	c25_query_complain(w, why);
}

static void query_verdict(const struct module_qstate *qstate,
	const struct c25_policy *policy, struct c25_verdict *v)
{
	c25_verdict_of(policy, qstate->qinfo.qname, qstate->qinfo.qname_len,
		qstate->qinfo.qtype, qstate->qinfo.qclass, v);
}

/* A message that must not be used is one without records: it becomes
 * SERVFAIL with the validator's reason on the way to the client.
 * Ref: services/mesh.c mesh_send_reply() "examine security status". */
static bool query_is_bogus(const struct module_qstate *qstate,
	const struct reply_info *rep)
{
	if (!qstate->env->need_to_validate ||
	    ((qstate->query_flags & BIT_CD) != 0 &&
	    !qstate->env->cfg->ignore_cd))
		return false;
	return rep->security <= sec_status_bogus ||
		rep->security == sec_status_secure_sentinel_fail;
}

static struct dns_msg *query_bogus(struct module_qstate *qstate,
	const struct reply_info *rep)
{
	struct c25_ask ask = c25_ask_of(qstate, NULL);
	struct dns_msg *out = c25_reply_new(&ask, LDNS_RCODE_NOERROR, 0,
		rep->ttl);

	if (out != NULL) {
		out->rep->security = rep->security;
		out->rep->reason_bogus = rep->reason_bogus == LDNS_EDE_NONE ?
			LDNS_EDE_DNSSEC_BOGUS : rep->reason_bogus;
	}
	return out;
}

static enum c25_answer query_answer(struct module_qstate *qstate,
	struct c25_worker *w, const struct c25_verdict *v,
	struct c25_hold *hold, struct dns_msg **out, enum c25_failure *why)
{
	struct c25_ask ask = c25_ask_of(qstate, hold);
	struct dns_msg *real = qstate->return_msg;

	*why = C25_FAIL_MEMORY;
	if (c25_answer_is_own(v))
		return c25_answer_own(&ask, w, v, out, why);
	if (query_is_bogus(qstate, real->rep)) {
		*out = query_bogus(qstate, real->rep);
		return *out == NULL ? C25_ANSWER_FAIL : C25_ANSWER_OK;
	}
	return c25_answer_real(&ask, w, v, real, out, why);
}

/* Put the clients' answer into the state in place of the real message. */
static void query_replace(struct module_qstate *qstate, int id,
	struct c25_worker *w, struct c25_verdict *v, struct c25_hold *hold)
{
	enum c25_failure why = C25_FAIL_POLICY;
	enum c25_answer r = C25_ANSWER_RETRY;
	struct dns_msg *out = NULL;
	int tries;

	for (tries = 0; tries < QUERY_TRIES; tries++) {
		if (!c25_verdict_is_ours(v))
			return;
		r = query_answer(qstate, w, v, hold, &out, &why);
		if (r != C25_ANSWER_RETRY)
			break;
		query_verdict(qstate, c25_state_policy(w), v);
	}
	if (r == C25_ANSWER_OK) {
		qstate->return_msg = out;
		qstate->return_rcode = LDNS_RCODE_NOERROR;
	} else {
		query_fail(qstate, id, w, r == C25_ANSWER_RETRY ?
			C25_FAIL_POLICY : why);
	}
}

bool c25_query_answer_stale(struct module_qstate *qstate,
	struct c25_worker *w)
{
	unsigned clients = c25_query_clients(qstate);
	enum c25_failure why;
	struct dns_msg *out;
	struct c25_verdict v;

	query_verdict(qstate, c25_state_policy(w), &v);
	if (!c25_verdict_is_ours(&v) || c25_answer_is_own(&v) ||
	    query_answer(qstate, w, &v, NULL, &out, &why) !=
	    C25_ANSWER_OK)
		return false;
	qstate->return_msg = out;
	c25_state_count(w, C25_STAT_QUERIES, clients);
	c25_query_matched(w, &qstate->qinfo, clients);
	c25_stale_note(qstate, clients);
	return true;
}

/*
 * The state is done: return_msg holds the real message, or there is none
 * because the lookup failed (that stays what it is, unless there is an expired
 * answer) or because we answer by ourselves.
 */
static void query_finish(struct module_qstate *qstate, int id,
	struct c25_worker *w, struct c25_verdict *v)
{
	struct mesh_state *mesh = qstate->mesh_info;
	struct c25_query *q = query_notes(qstate, id);
	struct dns_msg *real = qstate->return_msg, *source;
	int real_rcode = qstate->return_rcode;
	unsigned clients = c25_query_clients(qstate);
	bool supers = mesh->super_set.count > 0;

	qstate->ext_state[id] = module_finished;
	/* Should anything become SERVFAIL now, serve-expired must not look
	 * for an old answer under the public key. */
	qstate->no_cache_lookup = 1;
	c25_state_count(w, C25_STAT_QUERIES, clients);
	c25_query_matched(w, &qstate->qinfo, clients);
	if (clients == 0 && !c25_answer_is_own(v))
		return;
	if (!c25_answer_is_own(v) && (real == NULL ||
	    real_rcode != LDNS_RCODE_NOERROR)) {
		struct dns_msg *stale = q == NULL ? NULL :
			c25_stale_after_failure(qstate, w);

		if (stale == NULL)
			return;
		q->stale = true;
		qstate->return_msg = stale;
	}
	if (clients > 0 && mesh->cb_list != NULL) {
		query_fail(qstate, id, w, C25_FAIL_SHARED);
		return;
	}
	if (q == NULL) {
		query_fail(qstate, id, w, C25_FAIL_MEMORY);
		return;
	}
	source = qstate->return_msg;
	/* Internal lookups don't wait for connectors. */
	query_replace(qstate, id, w, v, supers ? NULL : &q->hold);
	if (q->stale)
		c25_stale_note(qstate, clients);
	if (supers && clients > 0 && !c25_answer_is_own(v)) {
		mesh_query_done(mesh);
		qstate->return_msg = real;
		qstate->return_rcode = real_rcode;
	} else if (c25_hold_start(qstate, w, q)) {
		qstate->ext_state[id] = module_wait_reply;
		q->before = (struct c25_before){ .epoch = w->epoch,
			.source = source, .real = real,
			.real_rcode = real_rcode };
	}
}

/*
 * The answer has waited. By a policy that was published meanwhile it may be
 * another one, which doesn't wait again; and internal lookups may have joined,
 * which must not see it.
 */
static void query_held(struct module_qstate *qstate, int id,
	struct c25_worker *w, struct c25_query *q)
{
	struct mesh_state *mesh = qstate->mesh_info;
	struct c25_verdict v;

	qstate->ext_state[id] = module_finished;
	if (mesh->reply_list != NULL && mesh->cb_list != NULL) {
		query_fail(qstate, id, w, C25_FAIL_SHARED);
		return;
	}
	query_verdict(qstate, c25_state_policy(w), &v);
	if (w->epoch != q->before.epoch) {
		qstate->return_msg = q->before.source;
		qstate->return_rcode = LDNS_RCODE_NOERROR;
		qstate->edns_opts_front_out = NULL; /* "forged", for one */
		q->failed = false;
		query_replace(qstate, id, w, &v, NULL);
		if (q->stale)
			c25_stale_note(qstate, 0);
	}
	if (mesh->super_set.count > 0 || mesh->cb_list != NULL) {
		if (mesh->reply_list != NULL)
			mesh_query_done(mesh);
		qstate->return_msg = q->before.real;
		qstate->return_rcode = q->before.real_rcode;
	}
}

/*
 * Hand the kept message to respip, our neighbour, as if the module right of
 * it had just returned it, so that response-ip rules see each client's answer
 * as they do when Unbound answers from its cache. It comes back to
 * c25_query_done(). Ref: services/mesh.c mesh_run(), mesh_continue().
 */
static void query_through_respip(struct module_qstate *qstate, int id,
	int respip)
{
	struct mesh_area *mesh = qstate->env->mesh;

	qstate->ext_state[id] = module_wait_module;
	/* It makes its notes when a query passes. */
	mesh->mods.mod[respip]->operate(qstate, module_event_pass, respip,
		NULL);
	qstate->curmod = respip + 1;
	qstate->ext_state[respip + 1] = module_finished;
}

static bool query_has_edns(const struct module_qstate *qstate)
{
	const struct mesh_reply *r = qstate->mesh_info->reply_list;

	while (r != NULL && !r->edns.edns_present)
		r = r->next;
	return r != NULL;
}

/* Do clients wait for the state, and only they, and nobody acts on it left of
 * us? Then it may be answered at once. */
static bool query_is_plain(const struct module_qstate *qstate,
	const struct c25_worker *w)
{
	const struct mesh_state *mesh = qstate->mesh_info;

	return mesh->reply_list != NULL && mesh->cb_list == NULL &&
		mesh->super_set.count == 0 && w->respip < 0 &&
		qstate->blacklist == NULL;
}

/* The clients' answer is made. */
static void query_answered(struct module_qstate *qstate, int id,
	struct c25_worker *w, struct dns_msg *answer, unsigned clients)
{
	qstate->return_msg = answer;
	qstate->return_rcode = LDNS_RCODE_NOERROR;
	qstate->no_cache_lookup = 1;
	qstate->no_cache_store = 1;
	qstate->ext_state[id] = module_finished;
	c25_state_count(w, C25_STAT_QUERIES, clients);
	c25_query_matched(w, &qstate->qinfo, clients);
}

/* Most queries are for what was answered a moment ago. `place` may be NULL.
 * Returns: false: this one isn't. */
static bool query_is_recent(struct module_qstate *qstate, int id,
	struct c25_worker *w, struct c25_recent *place)
{
	time_t now = *qstate->env->now;
	struct c25_recent *r;
	struct dns_msg *answer;
	struct c25_ask ask;

	if (place == NULL || w->policy == NULL)
		return false;
	r = c25_recent_find(w, place, &qstate->qinfo, now);
	if (r == NULL || !query_is_plain(qstate, w))
		return false;
	ask = c25_ask_of(qstate, NULL);
	if (!query_has_edns(qstate))
		ask.options = NULL;
	answer = c25_answer_recent(&ask, w, r, now);
	if (answer != NULL)
		query_answered(qstate, id, w, answer, ask.clients);
	return answer != NULL;
}

/* Most others are for what is kept and assigned already.
 * Returns: false: it takes more than that. */
static bool query_is_known(struct module_qstate *qstate, int id,
	struct c25_worker *w, const struct c25_verdict *v,
	struct c25_recent *place)
{
	struct c25_ask ask = c25_ask_of(qstate, NULL);
	struct c25_known known;
	struct dns_msg *answer;
	bool due = false;

	if (v->kind != C25_DO_ADDRESS || !query_is_plain(qstate, w))
		return false;
	known.ask = &ask;
	known.w = w;
	known.v = v;
	answer = c25_cache_use(qstate, c25_answer_known, &known, &due);
	if (answer == NULL)
		return false;
	if (due && c25_cache_claim_refetch(qstate))
		qstate->need_refetch = 1;
	if (!due && place != NULL && known.recent.count > 0)
		c25_recent_put(w, place, &v->name, &known.recent,
			*qstate->env->now);
	query_answered(qstate, id, w, answer, ask.clients);
	return true;
}

/* Answer from our part of the cache. Returns: false when it has nothing. */
static bool query_from_cache(struct module_qstate *qstate, int id,
	struct c25_worker *w, struct c25_verdict *v, struct c25_query *q)
{
	bool due = false;
	struct dns_msg *msg;

	/* When respip is not our neighbour, only the usual way leads there. */
	if (w->respip > id + 1 && qstate->mesh_info->reply_list != NULL)
		return false;
	msg = c25_cache_lookup(qstate, &due);
	if (msg == NULL) {
		msg = c25_stale_now(qstate, w, q, &due);
		q->stale = msg != NULL;
	}
	if (msg == NULL)
		return false;
	q->from_cache = true;
	qstate->return_msg = msg;
	qstate->return_rcode = LDNS_RCODE_NOERROR;
	/* mesh_continue() starts the prefetch when this state is done. */
	if (due && c25_cache_claim_refetch(qstate))
		qstate->need_refetch = 1;
	if (w->respip == id + 1 && qstate->mesh_info->reply_list != NULL)
		query_through_respip(qstate, id, w->respip);
	else
		query_finish(qstate, id, w, v);
	return true;
}

/*
 * A prefetch must not be answered from the cache; its RRsets replace those
 * that expire within the leeway. Nobody may join it: clients get the kept
 * message meanwhile, and would wait for this state if it could be found.
 * Ref: services/mesh.c mesh_schedule_prefetch(), mesh_state_compare().
 */
static void query_prefetch(struct module_qstate *qstate)
{
	struct mesh_state *mesh = qstate->mesh_info;
	time_t left = c25_cache_left(qstate);

	if (qstate->prefetch_leeway <= left)
		qstate->prefetch_leeway = left + 1;
	if (mesh->reply_list == NULL && mesh->cb_list == NULL &&
	    mesh->super_set.count == 0 && mesh->sub_set.count == 0) {
		(void)rbtree_delete(&qstate->env->mesh->all, mesh);
		mesh_state_make_unique(mesh);
		(void)rbtree_insert(&qstate->env->mesh->all, &mesh->node);
	}
}

void c25_query_start(struct module_qstate *qstate, int id,
	struct c25_worker *w)
{
	struct c25_query *q = qstate->minfo[id];
	const struct c25_policy *policy;
	struct c25_recent *place;
	struct c25_verdict v;

	if (q != NULL && q->held) {
		query_held(qstate, id, w, q);
		return;
	}
	place = c25_recent_place(w, qstate);
	policy = c25_state_policy(w);
	if (query_is_recent(qstate, id, w, place))
		return;
	query_verdict(qstate, policy, &v);
	qstate->ext_state[id] = module_wait_module;
	if (!c25_verdict_is_ours(&v)) {
		q = query_notes(qstate, id);
		if (q != NULL)
			q->passes = w->epoch;
		return;
	}
	qstate->no_cache_store = 1;
	if (query_is_known(qstate, id, w, &v, place))
		return;
	q = query_notes(qstate, id);
	if (q == NULL) {
		qstate->ext_state[id] = module_finished;
		query_fail(qstate, id, w, C25_FAIL_MEMORY);
		return;
	}
	if (c25_answer_is_own(&v)) {
		query_finish(qstate, id, w, &v);
		return;
	}
	if (qstate->blacklist != NULL)
		query_prefetch(qstate);
	else
		(void)query_from_cache(qstate, id, w, &v, q);
}

void c25_query_done(struct module_qstate *qstate, int id,
	struct c25_worker *w)
{
	const struct c25_policy *policy = c25_state_policy(w);
	struct c25_query *q = qstate->minfo[id];
	struct c25_verdict v;

	if (q != NULL)
		c25_wait_remove(&q->wait);
	v.kind = C25_DO_PASS;
	if (!c25_query_passes(qstate, id, w))
		query_verdict(qstate, policy, &v);
	qstate->ext_state[id] = module_finished;
	if (!c25_verdict_is_ours(&v)) {
		c25_state_count(w, C25_STAT_QUERIES,
			c25_query_clients(qstate));
		return;
	}
	if (q == NULL || !q->from_cache) {
		/* It may have been stored: by dns64, which does not ask, or
		 * before the policy that makes the name ours was there. */
		c25_cache_remove_public(qstate);
		if (qstate->return_msg != NULL &&
		    qstate->return_rcode == LDNS_RCODE_NOERROR)
			c25_cache_store(qstate);
		else
			c25_cache_store_failure(qstate);
	}
	query_finish(qstate, id, w, &v);
}

/* What a query has is in its region, but for its place among those that
 * wait. */
void c25_query_clear(struct module_qstate *qstate, int id)
{
	struct c25_query *q = qstate->minfo[id];

	if (q != NULL) {
		c25_hold_forget(q);
		c25_wait_remove(&q->wait);
	}
	qstate->minfo[id] = NULL;
}
