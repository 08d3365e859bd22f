/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reply.c - messages in the region of who asks: new ones, and the real one
 * with parts left out. What goes into them is decided in answer.c.
 */
#include <string.h>

#include "module/module.h"

struct c25_ask c25_ask_of(struct module_qstate *qstate,
	struct c25_hold *hold)
{
	/* Unbound copies these options into the replies of this state, also
	 * without a registered callback, for clients with EDNS.
	 * Ref: util/data/msgreply.c inplace_cb_reply_call(). */
	return (struct c25_ask){ .q = &qstate->qinfo,
		.region = qstate->region,
		.options = &qstate->edns_opts_front_out,
		.clients = c25_query_clients(qstate), .hold = hold };
}

struct dns_msg *c25_reply_new(const struct c25_ask *ask, int rcode,
	size_t rrset_room, time_t ttl)
{
	struct regional *region = ask->region;
	struct dns_msg *msg = regional_alloc_zero(region, sizeof(*msg));
	struct reply_info *rep;

	if (msg == NULL || rrset_room > RR_COUNT_MAX)
		return NULL;
	rep = regional_alloc_zero(region, sizeof(*rep));
	if (rep == NULL)
		return NULL;
	msg->qinfo = *ask->q;
	msg->rep = rep;
	rep->rrsets = regional_alloc_zero(region,
		(rrset_room + 1) * sizeof(*rep->rrsets));
	if (rep->rrsets == NULL)
		return NULL;
	rep->flags = (uint16_t)(BIT_QR | BIT_RA | rcode);
	rep->qdcount = 1;
	rep->ttl = ttl;
	rep->prefetch_ttl = PREFETCH_TTL_CALC(ttl);
	rep->serve_expired_ttl = ttl;
	/* Good enough to be sent to clients that want validation, not good
	 * enough for the AD bit. Ref: services/mesh.c mesh_send_reply(). */
	rep->security = sec_status_insecure;
	rep->reason_bogus = LDNS_EDE_NONE;
	return msg;
}

/* The record data block of `count` records, as packed_rrset_data wants it:
 * each with its length before it. */
static struct packed_rrset_data *reply_rrset_data(struct regional *region,
	time_t ttl, const struct c25_rdata *rdata, size_t count)
{
	size_t bytes = 0, i;
	struct packed_rrset_data *d;
	uint8_t *next;

	if (count == 0 || count > RR_COUNT_MAX)
		return NULL;
	for (i = 0; i < count; i++)
		bytes += 2 + rdata[i].len;
	d = regional_alloc_zero(region, sizeof(*d));
	if (d == NULL)
		return NULL;
	d->ttl = ttl;
	d->count = count;
	d->trust = rrset_trust_ans_noAA;
	d->security = sec_status_insecure;
	d->rr_len = regional_alloc(region, count * sizeof(*d->rr_len));
	d->rr_ttl = regional_alloc(region, count * sizeof(*d->rr_ttl));
	d->rr_data = regional_alloc(region, count * sizeof(*d->rr_data));
	next = regional_alloc(region, bytes);
	if (d->rr_len == NULL || d->rr_ttl == NULL || d->rr_data == NULL ||
	    next == NULL)
		return NULL;
	for (i = 0; i < count; i++) {
		d->rr_len[i] = 2 + rdata[i].len;
		d->rr_ttl[i] = ttl;
		d->rr_data[i] = next;
		next[0] = (uint8_t)(rdata[i].len >> 8);
		next[1] = (uint8_t)rdata[i].len;
		memcpy(next + 2, rdata[i].bytes, rdata[i].len);
		next += d->rr_len[i];
	}
	return d;
}

bool c25_reply_add(const struct c25_ask *ask, struct dns_msg *msg,
	uint16_t type, time_t ttl, const struct c25_rdata *rdata,
	size_t count)
{
	struct reply_info *rep = msg->rep;
	struct ub_packed_rrset_key *k = regional_alloc_zero(ask->region,
		sizeof(*k));

	if (k == NULL)
		return false;
	k->entry.key = k;
	k->entry.data = reply_rrset_data(ask->region, ttl, rdata, count);
	if (k->entry.data == NULL)
		return false;
	k->rk.dname = ask->q->qname;
	k->rk.dname_len = ask->q->qname_len;
	k->rk.type = htons(type);
	k->rk.rrset_class = htons(LDNS_RR_CLASS_IN);
	rep->rrsets[rep->rrset_count++] = k;
	rep->an_numrrsets++;
	return true;
}

bool c25_reply_authority(const struct c25_ask *ask, struct dns_msg *msg,
	const struct ub_packed_rrset_key *rrset)
{
	struct ub_packed_rrset_key *k = regional_alloc_init(ask->region,
		rrset, sizeof(*rrset));
	struct packed_rrset_data *d = regional_alloc_init(ask->region,
		rrset->entry.data, sizeof(*d));

	if (k == NULL || d == NULL)
		return false;
	d->rrsig_count = 0;
	d->security = sec_status_insecure;
	k->entry.key = k;
	k->entry.data = d;
	msg->rep->rrsets[msg->rep->rrset_count++] = k;
	msg->rep->ns_numrrsets++;
	return true;
}

/* Addresses, and records that have some in their hints. */
static bool reply_has_address(const struct ub_packed_rrset_key *k,
	const struct ub_packed_rrset_key *keep)
{
	if (k == keep)
		return false;
	switch (ntohs(k->rk.type)) {
	case LDNS_RR_TYPE_A:
	case LDNS_RR_TYPE_AAAA:
	case LDNS_RR_TYPE_SVCB:
	case LDNS_RR_TYPE_HTTPS:
		return true;
	default:
		return false;
	}
}

struct dns_msg *c25_reply_trim(struct regional *region,
	struct dns_msg *msg, const struct ub_packed_rrset_key *keep)
{
	struct reply_info *old = msg->rep, *rep;
	size_t kept = old->an_numrrsets + old->ns_numrrsets, i;
	struct dns_msg *out;
	bool changed = old->ar_numrrsets > 0;

	for (i = 0; i < kept; i++)
		changed = changed || reply_has_address(old->rrsets[i], keep);
	if (!changed)
		return msg;
	out = regional_alloc_init(region, msg, sizeof(*msg));
	rep = regional_alloc_zero(region, sizeof(*rep));
	if (out == NULL || rep == NULL)
		return NULL;
	/* All but `ref`, which messages outside the cache don't have. */
	memcpy(rep, old, sizeof(*old) - sizeof(struct rrset_ref));
	rep->rrsets = regional_alloc_zero(region,
		(kept + 1) * sizeof(*rep->rrsets));
	if (rep->rrsets == NULL)
		return NULL;
	rep->an_numrrsets = rep->ns_numrrsets = rep->ar_numrrsets = 0;
	rep->rrset_count = 0;
	for (i = 0; i < kept; i++) {
		if (reply_has_address(old->rrsets[i], keep))
			continue;
		rep->rrsets[rep->rrset_count++] = old->rrsets[i];
		if (i < old->an_numrrsets)
			rep->an_numrrsets++;
		else
			rep->ns_numrrsets++;
	}
	out->rep = rep;
	return out;
}

void c25_reply_forged(const struct c25_ask *ask)
{
	(void)edns_opt_list_append_ede(ask->options, ask->region,
		LDNS_EDE_FORGED_ANSWER, NULL);
}
