/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cache.c - the real messages of names that are ours, in Unbound's own
 * message cache but where no query finds them.
 *
 * The key of a kept message has a type of the range for meta-queries, and the
 * queried type in the place of the class. Unbound answers questions of such a
 * type with FORMERR before it looks into any cache, so that no query can hit
 * it, also not after a dump and load of the cache. RRsets are in the RRset
 * cache as always.
 *
 * Ref: RFC 6895 3.1 (meta-TYPEs); daemon/worker.c worker_handle_request()
 * "meta-type"; services/cache/dns.c.
 */
#include <stdlib.h>
#include <string.h>

#include "module/module.h"

enum {
	CACHE_TYPE = 200,		/* of 128 to 248 */
	CACHE_HASH_TWIST = 0x5a17c025,	/* anything but 0 */
	CACHE_PURGE_BATCH = 65536,
	CACHE_FAILURE_TTL_S = 5,	/* NORR_TTL of the iterator */
	CACHE_REFETCH_S = 5,		/* between tries to fetch anew */
};

static struct query_info cache_key(const struct module_qstate *qstate)
{
	struct query_info key = qstate->qinfo;

	key.qclass = key.qtype;
	key.qtype = CACHE_TYPE;
	key.local_alias = NULL;
	return key;
}

/* With dns64 AAAA answers to queries with CD differ.
 * Ref: util/data/msgreply.c query_info_hash(). */
static hashvalue_type cache_hash(struct query_info *key, uint16_t flags)
{
	return query_info_hash(key, flags) ^
		(key->qclass == LDNS_RR_TYPE_AAAA && (flags & BIT_CD) != 0 ?
		(hashvalue_type)CACHE_HASH_TWIST : 0);
}

static struct lruhash_entry *cache_find(struct module_qstate *qstate,
	int for_writing)
{
	struct query_info key = cache_key(qstate);

	return slabhash_lookup(qstate->env->msg_cache,
		cache_hash(&key, qstate->query_flags), &key, for_writing);
}

/* Does who asks want validated answers? The validator's own lookups don't.
 * Ref: services/mesh.c mesh_send_reply(). */
static bool cache_must_validate(const struct module_qstate *qstate)
{
	return qstate->env->need_to_validate && !qstate->is_valrec &&
		((qstate->query_flags & BIT_CD) == 0 ||
		qstate->env->cfg->ignore_cd);
}

struct dns_msg *c25_cache_lookup(struct module_qstate *qstate, bool *due)
{
	struct module_env *env = qstate->env;
	struct lruhash_entry *e = cache_find(qstate, 0);
	struct dns_msg *msg = NULL;
	struct reply_info *rep;

	if (e == NULL)
		return NULL;
	rep = e->data;
	if (c25_ttl_expired(rep->ttl, *env->now) ||
	    (rep->security == sec_status_unchecked &&
	    cache_must_validate(qstate)))
		goto out;
	*due = env->cfg->prefetch && *env->now >= rep->prefetch_ttl;
	/* The message's own question, as its CNAME chain starts there. */
	msg = tomsg(env, &qstate->qinfo, rep, qstate->region, *env->now, 0,
		env->scratch);
out:
	lock_rw_unlock(&e->lock);
	return msg;
}

/* May this kept message, whose RRsets are locked, be answered as it is?
 * Ref: services/cache/dns.c tomsg(). */
static bool cache_is_sound(struct module_qstate *qstate,
	struct reply_info *rep)
{
	uint16_t first = rep->an_numrrsets == 0 ? 0 :
		ntohs(rep->rrsets[0]->rk.type);

	if ((first == LDNS_RR_TYPE_CNAME || first == LDNS_RR_TYPE_DNAME) &&
	    !reply_check_cname_chain(&qstate->qinfo, rep))
		return false;
	return rep->security != sec_status_secure || c25_still_secure(rep);
}

struct dns_msg *c25_cache_use(struct module_qstate *qstate,
	c25_cache_user *use, void *arg, bool *due)
{
	struct module_env *env = qstate->env;
	struct lruhash_entry *e = cache_find(qstate, 0);
	struct dns_msg *out = NULL;
	struct reply_info *rep;

	if (e == NULL)
		return NULL;
	rep = e->data;
	if (!c25_ttl_expired(rep->ttl, *env->now) &&
	    !(cache_must_validate(qstate) &&
	    (rep->security <= sec_status_bogus ||
	    rep->security == sec_status_secure_sentinel_fail)) &&
	    rrset_array_lock(rep->ref, rep->rrset_count, *env->now)) {
		*due = env->cfg->prefetch && *env->now >= rep->prefetch_ttl;
		if (cache_is_sound(qstate, rep))
			out = use(arg, rep, *env->now);
		rrset_array_unlock_touch(env->rrset_cache, env->scratch,
			rep->ref, rep->rrset_count);
	}
	lock_rw_unlock(&e->lock);
	return out;
}

/* Is this kept message one to answer with although it has expired?
 * Ref: services/mesh.c mesh_serve_expired_lookup(). */
static bool cache_is_stale(const struct module_qstate *qstate,
	const struct reply_info *rep)
{
	return qstate->env->cfg->serve_expired &&
		c25_ttl_expired(rep->ttl, *qstate->env->now) &&
		!(cache_must_validate(qstate) &&
		(rep->security <= sec_status_bogus ||
		rep->security == sec_status_secure_sentinel_fail));
}

struct dns_msg *c25_cache_stale(struct module_qstate *qstate, bool *at_once)
{
	struct module_env *env = qstate->env;
	struct lruhash_entry *e = cache_find(qstate, 0);
	struct dns_msg *msg = NULL;
	time_t *norec;

	if (e == NULL)
		return NULL;
	if (cache_is_stale(qstate, e->data)) {
		norec = c25_norec_ttl(e->data);
		*at_once = env->cfg->serve_expired_client_timeout == 0 ||
			(norec != NULL && *env->now < *norec);
		msg = tomsg(env, &qstate->qinfo, e->data, qstate->region,
			*env->now, 1, env->scratch);
	}
	lock_rw_unlock(&e->lock);
	return msg;
}

bool c25_cache_claim_refetch(struct module_qstate *qstate)
{
	struct lruhash_entry *e = cache_find(qstate, 1);
	time_t now = *qstate->env->now;
	struct reply_info *rep;
	bool mine;

	if (e == NULL)
		return false;
	rep = e->data;
	mine = now >= rep->prefetch_ttl;
	if (mine)
		rep->prefetch_ttl = now + CACHE_REFETCH_S;
	lock_rw_unlock(&e->lock);
	return mine;
}

/* The lookup failed: note in the kept message that has expired, if there is
 * one, that clients needn't wait for the next try. */
static bool cache_note_failure(struct module_qstate *qstate)
{
	struct config_file *cfg = qstate->env->cfg;
	time_t now = *qstate->env->now, *norec;
	struct lruhash_entry *e = cache_find(qstate, 1);
	struct reply_info *rep;
	bool stale;

	if (e == NULL)
		return false;
	rep = e->data;
	stale = cache_is_stale(qstate, rep);
	norec = c25_norec_ttl(rep);
	if (stale && norec != NULL)
		*norec = now + CACHE_FAILURE_TTL_S;
	if (stale && cfg->serve_expired_ttl_reset &&
	    rep->serve_expired_ttl < now + cfg->serve_expired_ttl)
		rep->serve_expired_ttl = now + cfg->serve_expired_ttl;
	lock_rw_unlock(&e->lock);
	return stale;
}

time_t c25_cache_left(struct module_qstate *qstate)
{
	struct lruhash_entry *e = cache_find(qstate, 0);
	time_t left = 0;

	if (e == NULL)
		return 0;
	left = ((struct reply_info *)e->data)->ttl - *qstate->env->now;
	lock_rw_unlock(&e->lock);
	return left > 0 ? left : 0;
}

/* As dns_cache_store() does it, with a key and hash of our own. */
static bool cache_store_private(struct module_qstate *qstate,
	struct reply_info *real)
{
	struct module_env *env = qstate->env;
	struct query_info key = cache_key(qstate);
	hashvalue_type hash = cache_hash(&key, qstate->query_flags);
	struct reply_info *rep;

	key.qname = memdup(qstate->qinfo.qname, qstate->qinfo.qname_len);
	if (key.qname == NULL)
		return false;
	rep = reply_info_copy(real, env->alloc, NULL);
	if (rep == NULL) {
		free(key.qname);
		return false;
	}
	rep->flags |= BIT_RA | BIT_QR;
	rep->flags &= ~(BIT_AA | BIT_CD);
	/* The validator calls what it looks up itself indeterminate, and
	 * checks it later: for clients it is not checked yet. Ref:
	 * validator/validator.c needs_validation(), val_operate(). */
	if (qstate->is_valrec && rep->security == sec_status_indeterminate)
		rep->security = sec_status_unchecked;
	dns_cache_store_msg(env, &key, hash, rep, qstate->prefetch_leeway, 0,
		NULL, qstate->query_flags, NULL, qstate->qstarttime);
	free(key.qname);	/* NULL when the cache has taken it */
	return true;
}

void c25_cache_store(struct module_qstate *qstate)
{
	struct val_neg_cache *denials = qstate->env->neg_cache;
	struct dns_msg *msg = qstate->return_msg;
	bool stored;

	/* Without RD nothing was resolved. */
	if (qstate->return_rcode != LDNS_RCODE_NOERROR || msg == NULL ||
	    (qstate->query_flags & BIT_RD) == 0)
		return;
	switch (FLAGS_GET_RCODE(msg->rep->flags)) {
	case LDNS_RCODE_NOERROR:
	case LDNS_RCODE_NXDOMAIN:
	case LDNS_RCODE_YXDOMAIN:
		break;
	default:
		return;
	}
	if (c25_rpz_applied(qstate) || c25_zone_no_cache(qstate))
		return;
	stored = cache_store_private(qstate, msg->rep);
	if (msg->rep->an_numrrsets == 0) {
		/* Under the public key too: the iterator wants to find these
		 * when it looks for a nameserver's addresses, and clients get
		 * them faster. Ours is for serve-expired, and takes the place
		 * of the answer that there was before. */
		msg = c25_reply_trim(qstate->region, msg, NULL);
		stored = msg != NULL && c25_dns_cache_store(qstate,
			&qstate->qinfo, msg->rep, 0, qstate->query_flags) &&
			stored;
		/* The validator learns from what it stores itself only. */
		if (stored && denials != NULL &&
		    msg->rep->security == sec_status_secure)
			val_neg_addreply(denials, msg->rep);
	}
	if (!stored)
		log_err("conn25: out of memory: answer not cached");
}

void c25_cache_store_failure(struct module_qstate *qstate)
{
	struct reply_info err;

	/* Don't hide an answer that is still good, or good enough. */
	if (cache_note_failure(qstate) || !c25_failure_cacheable(qstate) ||
	    c25_cache_left(qstate) > 0 ||
	    (qstate->query_flags & BIT_RD) == 0 || c25_zone_no_cache(qstate))
		return;
	memset(&err, 0, sizeof(err));
	err.flags = BIT_QR | BIT_RA;
	FLAGS_SET_RCODE(err.flags, LDNS_RCODE_SERVFAIL);
	err.qdcount = 1;
	err.ttl = CACHE_FAILURE_TTL_S;
	err.prefetch_ttl = PREFETCH_TTL_CALC(err.ttl);
	err.serve_expired_ttl = CACHE_FAILURE_TTL_S;
	err.security = sec_status_indeterminate;
	if (!c25_dns_cache_store(qstate, &qstate->qinfo, &err, 0,
	    qstate->query_flags))
		log_err("conn25: out of memory: failure not cached");
}

void c25_cache_remove_public(struct module_qstate *qstate)
{
	msg_cache_remove(qstate->env, qstate->qinfo.qname,
		qstate->qinfo.qname_len, qstate->qinfo.qtype,
		qstate->qinfo.qclass, qstate->query_flags);
}

/* ---- purging ---- */

/* A message to be removed: its question and hash. */
struct purge_item {
	struct query_info key;		/* qname is malloc'ed */
	hashvalue_type hash;
};

struct purge {
	const struct c25_policy *policy;
	struct purge_item *items;
	size_t count;
	bool more;			/* than fits */
};

/* Called with the entry locked: only notes it, as removing it would take
 * locks in the wrong order. */
static void purge_note(struct lruhash_entry *e, void *arg)
{
	const struct query_info *key = &((struct msgreply_entry *)e->key)->key;
	struct purge *p = arg;
	struct purge_item *item;
	struct c25_verdict v;

	if (p->more || key->qtype == CACHE_TYPE)
		return;			/* ours are out of reach already */
	c25_verdict_of(p->policy, key->qname, key->qname_len, key->qtype,
		key->qclass, &v);
	if (!c25_verdict_is_ours(&v))
		return;
	if (p->count == CACHE_PURGE_BATCH) {
		p->more = true;
		return;
	}
	item = &p->items[p->count];
	item->key = *key;
	item->key.local_alias = NULL;
	item->key.qname = memdup(key->qname, key->qname_len);
	item->hash = e->hash;
	if (item->key.qname == NULL)
		p->more = true;
	else
		p->count++;
}

size_t c25_cache_purge(struct module_env *env,
	const struct c25_policy *policy)
{
	struct purge p = { .policy = policy };
	size_t total = 0;

	if (env->msg_cache == NULL)
		return 0;
	p.items = malloc(CACHE_PURGE_BATCH * sizeof(*p.items));
	do {
		p.count = 0;
		p.more = false;
		if (p.items != NULL)
			slabhash_traverse(env->msg_cache, 0, purge_note, &p);
		for (size_t i = 0; i < p.count; i++) {
			slabhash_remove(env->msg_cache, p.items[i].hash,
				&p.items[i].key);
			free(p.items[i].key.qname);
		}
		total += p.count;
	} while (p.more && p.count > 0);
	if (p.items == NULL || p.more) {
		/* No memory to tell the entries apart: drop them all rather
		 * than leave one that must not be answered. */
		slabhash_clear(env->msg_cache);
	}
	free(p.items);
	return total;
}
