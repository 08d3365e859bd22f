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

/* A new message; one piece of memory, as most of what it costs to make one is
 * asking for it. */
struct reply_new {
	struct dns_msg msg;
	struct reply_info rep;
	struct ub_packed_rrset_key *rrsets[];
};

/* ... and of an RRset, which the arrays and bytes of its records follow in
 * Unbound's order, as it copies both as one piece.
 * Ref: util/data/packed_rrset.c packed_rrset_ptr_fixup(). */
struct reply_rrset {
	struct ub_packed_rrset_key key;
	struct packed_rrset_data data;
};

void c25_reply_ttl(struct dns_msg *msg, time_t ttl)
{
	struct reply_info *rep = msg->rep;

	rep->ttl = ttl;
	rep->prefetch_ttl = PREFETCH_TTL_CALC(ttl);
	rep->serve_expired_ttl = ttl;
	for (size_t i = 0; i < rep->rrset_count; i++) {
		struct packed_rrset_data *d = rep->rrsets[i]->entry.data;

		d->ttl = ttl;
		for (size_t k = 0; k < d->count; k++)
			d->rr_ttl[k] = ttl;
	}
}

struct dns_msg *c25_reply_new(const struct c25_ask *ask, int rcode,
	size_t rrset_room, time_t ttl)
{
	struct reply_new *made;
	struct reply_info *rep;

	if (rrset_room > RR_COUNT_MAX)
		return NULL;
	made = regional_alloc_zero(ask->region, sizeof(*made) +
		rrset_room * sizeof(*made->rrsets));
	if (made == NULL)
		return NULL;
	rep = &made->rep;
	made->msg.qinfo = *ask->q;
	made->msg.rep = rep;
	rep->rrsets = made->rrsets;
	rep->flags = (uint16_t)(BIT_QR | BIT_RA | rcode);
	rep->qdcount = 1;
	c25_reply_ttl(&made->msg, ttl);
	/* Good enough to be sent to clients that want validation, not good
	 * enough for the AD bit. Ref: services/mesh.c mesh_send_reply(). */
	rep->security = sec_status_insecure;
	rep->reason_bogus = LDNS_EDE_NONE;
	return &made->msg;
}

/* An RRset of `count` records, each with its length before it, as
 * packed_rrset_data wants it. */
static struct ub_packed_rrset_key *reply_rrset(struct regional *region,
	time_t ttl, const struct c25_rdata *rdata, size_t count)
{
	size_t bytes = 0, i;
	struct reply_rrset *made;
	struct packed_rrset_data *d;
	uint8_t *next;

	if (count == 0 || count > RR_COUNT_MAX)
		return NULL;
	for (i = 0; i < count; i++)
		bytes += 2 + rdata[i].len;
	made = regional_alloc(region, sizeof(*made) + count *
		(sizeof(*d->rr_len) + sizeof(*d->rr_ttl) +
		sizeof(*d->rr_data)) + bytes);
	if (made == NULL)
		return NULL;
	memset(made, 0, sizeof(*made));
	d = &made->data;
	made->key.entry.key = &made->key;
	made->key.entry.data = d;
	d->ttl = ttl;
	d->count = count;
	d->trust = rrset_trust_ans_noAA;
	d->security = sec_status_insecure;
	d->rr_len = (size_t *)(d + 1);
	d->rr_data = (uint8_t **)(d->rr_len + count);
	/* a size and a pointer are as long as a time, or half of it */
	d->rr_ttl = (time_t *)(d->rr_data + count);
	next = (uint8_t *)(d->rr_ttl + count);
	for (i = 0; i < count; i++) {
		d->rr_len[i] = 2 + rdata[i].len;
		d->rr_ttl[i] = ttl;
		d->rr_data[i] = next;
		next[0] = (uint8_t)(rdata[i].len >> 8);
		next[1] = (uint8_t)rdata[i].len;
		memcpy(next + 2, rdata[i].bytes, rdata[i].len);
		next += d->rr_len[i];
	}
	return &made->key;
}

bool c25_reply_add(const struct c25_ask *ask, struct dns_msg *msg,
	uint16_t type, time_t ttl, const struct c25_rdata *rdata,
	size_t count)
{
	struct reply_info *rep = msg->rep;
	struct ub_packed_rrset_key *k = reply_rrset(ask->region, ttl, rdata,
		count);

	if (k == NULL)
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
	const struct packed_rrset_data *d = rrset->entry.data;
	struct c25_rdata one;
	struct ub_packed_rrset_key *k;

	if (d->count == 0 || d->rr_len[0] < 2)
		return false;
	one.bytes = d->rr_data[0] + 2;
	one.len = d->rr_len[0] - 2;
	k = reply_rrset(ask->region, d->ttl, &one, 1);
	if (k == NULL)
		return false;
	k->rk = rrset->rk;
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
	if (ask->options != NULL)
		(void)edns_opt_list_append_ede(ask->options, ask->region,
			LDNS_EDE_FORGED_ANSWER, NULL);
}
