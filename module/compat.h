/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * compat.h - Unbound's headers, and the only place that knows that there is
 * more than one Unbound. Everything else in module/ is written for 1.17.1
 * and uses what is here where a later one differs.
 *
 * Unbound's config.h has no version number for the preprocessor, so a header
 * or macro that came with a version stands for it.
 *
 *   1.17.1  Debian bookworm: the base
 *   1.22.0  Debian trixie: iter_stub_fwd_no_cache() has a name buffer,
 *           module_qstate.rpz_applied
 *   1.26    Debian sid: is_valrec for dns_cache_store(), a TTL that is
 *           reached has expired, error_response_cache
 */
#ifndef CONN25_MODULE_COMPAT_H
#define CONN25_MODULE_COMPAT_H

#include "config.h"

#include "daemon/worker.h"
#include "dynlibmod/dynlibmod.h"
#include "iterator/iter_delegpt.h"
#include "iterator/iter_utils.h"
#include "iterator/iterator.h"
#include "respip/respip.h"
#include "services/cache/dns.h"
#include "services/cache/rrset.h"
#include "services/mesh.h"
#include "services/modstack.h"
#include "sldns/pkthdr.h"
#include "sldns/rrdef.h"
#include "util/alloc.h"
#include "util/config_file.h"
#include "util/data/dname.h"
#include "util/data/msgencode.h"
#include "util/data/msgparse.h"
#include "util/data/msgreply.h"
#include "util/data/packed_rrset.h"
#include "util/locks.h"
#include "util/log.h"
#include "util/module.h"
#include "util/net_help.h"
#include "util/netevent.h"
#include "util/regional.h"
#include "util/storage/lruhash.h"
#include "util/storage/slabhash.h"
#include "util/ub_event.h"
#include "validator/val_neg.h"

#if __has_include("util/timeval_func.h")
#define C25_UNBOUND_1_22 1
#else
#define C25_UNBOUND_1_22 0
#endif
#ifdef TTL_IS_EXPIRED
#define C25_UNBOUND_1_26 1
#else
#define C25_UNBOUND_1_26 0
#endif

/* Can a module add events of its own to a worker's loop? mini-event calls
 * only functions on its whitelist. */
#ifdef USE_MINI_EVENT
#define C25_HAVE_EVENTS 0
#else
#define C25_HAVE_EVENTS 1
#endif

#if C25_HAVE_EVENTS
/* The loop of this worker thread, NULL outside of one. */
static inline struct ub_event_base *c25_event_base(
	const struct module_env *env)
{
	return env->worker_base == NULL ? NULL :
		comm_base_internal(env->worker_base);
}
#endif

/* The environment of the worker thread that serves this client; `region` is
 * what a callback was given, and tells whether it really is a worker's.
 * Returns: NULL when it isn't. */
static inline struct module_env *c25_env_of_client(
	const struct comm_reply *client, const struct regional *region)
{
	struct worker *worker = client == NULL || client->c == NULL ? NULL :
		client->c->cb_arg;

	return worker == NULL || worker->scratchpad != region ? NULL :
		&worker->env;
}

/* Has something with this absolute TTL expired? */
static inline bool c25_ttl_expired(time_t ttl, time_t now)
{
#if C25_UNBOUND_1_26
	return TTL_IS_EXPIRED(ttl, now);
#else
	return ttl < now;
#endif
}

/* Have all RRsets of a message that was secure still been validated? */
static inline bool c25_still_secure(struct reply_info *rep)
{
#if C25_UNBOUND_1_26
	return reply_an_ns_rrsets_secure(rep) != 0;
#else
	return reply_all_rrsets_secure(rep) != 0;
#endif
}

/* Until when a lookup that has just failed is not tried again, if there is an
 * expired answer; 0: no such time. Before 1.22 it is tried each time. */
static inline time_t *c25_norec_ttl(struct reply_info *rep)
{
#if C25_UNBOUND_1_22
	return &rep->serve_expired_norec_ttl;
#else
	return NULL;
#endif
}

/* dns_cache_store() as the iterator calls it for this query state. */
static inline int c25_dns_cache_store(struct module_qstate *qstate,
	struct query_info *qinfo, struct reply_info *rep, int is_referral,
	uint32_t flags)
{
	return dns_cache_store(qstate->env, qinfo, rep, is_referral,
		is_referral ? 0 : qstate->prefetch_leeway, 0, NULL, flags,
		qstate->qstarttime
#if C25_UNBOUND_1_26
		, qstate->is_valrec
#endif
		);
}

/* Has the administrator asked that this name be not cached (stub-no-cache,
 * forward-no-cache)? */
static inline bool c25_zone_no_cache(struct module_qstate *qstate)
{
	uint8_t *zone = NULL;
	size_t zone_len = 0;
#if C25_UNBOUND_1_22
	uint8_t storage[LDNS_MAX_DOMAINLEN + 1];

	return iter_stub_fwd_no_cache(qstate, &qstate->qinfo, &zone,
		&zone_len, storage, sizeof(storage)) != 0;
#else
	return iter_stub_fwd_no_cache(qstate, &qstate->qinfo, &zone,
		&zone_len) != 0;
#endif
}

/* Is this answer one that a response policy zone made up? */
static inline bool c25_rpz_applied(const struct module_qstate *qstate)
{
#if C25_UNBOUND_1_22
	if (qstate->rpz_applied)
		return true;
#endif
	return qstate->respip_action_info != NULL;
}

/* Would the iterator keep this failure for a few seconds? Before 1.26 it
 * does not tell, and nearly always does. */
static inline bool c25_failure_cacheable(const struct module_qstate *qstate)
{
#if C25_UNBOUND_1_26
	return qstate->error_response_cache != 0;
#else
	return qstate->was_ratelimited == 0;
#endif
}

#endif
