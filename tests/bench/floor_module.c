/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * floor_module.c - the least that any module can do: it answers each query
 * with one address that is always the same, and looks at nothing. What Unbound
 * takes for such an answer, more than for one from its own cache, is the price
 * of asking a module at all, which ours can't get below.
 *
 * For the benchmarks: loaded in the place of conn25.so.
 */
#include <string.h>

#include "module/module.h"

#define EXPORT __attribute__((visibility("default")))
#define TTL_S 300

EXPORT int init(struct module_env *env, int id);
EXPORT void deinit(struct module_env *env, int id);
EXPORT void operate(struct module_qstate *qstate, enum module_ev event,
	int id, struct outbound_entry *outbound);
EXPORT void inform_super(struct module_qstate *qstate, int id,
	struct module_qstate *super);
EXPORT void clear(struct module_qstate *qstate, int id);
EXPORT size_t get_mem(struct module_env *env, int id);

/* The message, as Unbound wants it: all in one piece. */
struct floor {
	struct dns_msg msg;
	struct reply_info rep;
	struct ub_packed_rrset_key *rrsets[1];
	struct ub_packed_rrset_key key;
	struct packed_rrset_data data;
	size_t len;
	uint8_t *rdata;
	time_t ttl;
	uint8_t bytes[6];
};

int init(struct module_env *env, int id)
{
	return 1;
}

void deinit(struct module_env *env, int id)
{
}

void operate(struct module_qstate *qstate, enum module_ev event, int id,
	struct outbound_entry *outbound)
{
	static const uint8_t address[6] = { 0, 4, 100, 64, 0, 1 };
	struct floor *f = regional_alloc_zero(qstate->region, sizeof(*f));

	qstate->ext_state[id] = module_finished;
	qstate->return_rcode = LDNS_RCODE_SERVFAIL;
	if (f == NULL)
		return;
	qstate->no_cache_store = 1;
	qstate->return_rcode = LDNS_RCODE_NOERROR;
	qstate->return_msg = &f->msg;
	f->msg.qinfo = qstate->qinfo;
	f->msg.rep = &f->rep;
	f->rep.flags = BIT_QR | BIT_RA;
	f->rep.qdcount = 1;
	f->rep.ttl = f->rep.prefetch_ttl = TTL_S;
	f->rep.security = sec_status_insecure;
	f->rep.rrset_count = f->rep.an_numrrsets = 1;
	f->rep.rrsets = f->rrsets;
	f->rrsets[0] = &f->key;
	f->key.entry.key = &f->key;
	f->key.entry.data = &f->data;
	f->key.rk.dname = qstate->qinfo.qname;
	f->key.rk.dname_len = qstate->qinfo.qname_len;
	f->key.rk.type = htons(LDNS_RR_TYPE_A);
	f->key.rk.rrset_class = htons(LDNS_RR_CLASS_IN);
	f->data.count = 1;
	f->data.ttl = f->ttl = TTL_S;
	f->data.rr_len = &f->len;
	f->data.rr_data = &f->rdata;
	f->data.rr_ttl = &f->ttl;
	f->len = sizeof(address);
	f->rdata = f->bytes;
	memcpy(f->bytes, address, sizeof(address));
}

void inform_super(struct module_qstate *qstate, int id,
	struct module_qstate *super)
{
}

void clear(struct module_qstate *qstate, int id)
{
}

size_t get_mem(struct module_env *env, int id)
{
	return 0;
}
