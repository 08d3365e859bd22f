/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * answer.c - the answer a client gets for a name of ours, made from the real
 * message (DESIGN 4.3, 4.4). Reserves; sends nothing and stores nothing.
 */
#include <errno.h>
#include <string.h>

#include "module/module.h"

#include "module/svcb.h"

/* More than any TTL, also an absolute one. */
#define ANSWER_TTL_MAX ((time_t)(sizeof(time_t) > 4 ? INT64_C(1) << 40 : \
	INT32_MAX))

/* Where a message's CNAME chain from the queried name leads. */
struct chain {
	struct ub_packed_rrset_key *found;	/* RRset of the type, or NULL */
	time_t ttl;			/* smallest one so far */
	bool moved;			/* there was a CNAME */
};

static struct packed_rrset_data *rrset_data(
	const struct ub_packed_rrset_key *k)
{
	return k->entry.data;
}

static time_t ttl_min(time_t a, time_t b)
{
	return a < b ? a : b;
}

static time_t rrset_ttl(const struct ub_packed_rrset_key *k)
{
	const struct packed_rrset_data *d = rrset_data(k);
	/* That of the RRset is 0 in what local zones hold. */
	time_t ttl = d->count > 0 ? ANSWER_TTL_MAX : 0;

	for (size_t i = 0; i < d->count; i++)
		ttl = ttl_min(ttl, d->rr_ttl[i]);
	return ttl;
}

static struct ub_packed_rrset_key *chain_find(const struct reply_info *rep,
	uint8_t *owner, uint16_t type)
{
	for (size_t i = 0; i < rep->an_numrrsets; i++) {
		struct ub_packed_rrset_key *k = rep->rrsets[i];

		if (ntohs(k->rk.type) == type &&
		    ntohs(k->rk.rrset_class) == LDNS_RR_CLASS_IN &&
		    query_dname_compare(k->rk.dname, owner) == 0)
			return k;
	}
	return NULL;
}

/* The TTL of a step. A CNAME made from a DNAME lives as long as that; the
 * one Unbound makes has TTL 0. Ref: RFC 6672 3.1. */
static time_t chain_step_ttl(const struct reply_info *rep,
	const struct ub_packed_rrset_key *cname)
{
	for (size_t i = 0; i < rep->an_numrrsets; i++) {
		struct ub_packed_rrset_key *k = rep->rrsets[i];

		if (ntohs(k->rk.type) == LDNS_RR_TYPE_DNAME &&
		    dname_strict_subdomain_c(cname->rk.dname, k->rk.dname))
			return rrset_ttl(k);
	}
	return rrset_ttl(cname);
}

static struct chain chain_walk(const struct c25_ask *ask,
	const struct reply_info *rep, uint16_t qtype)
{
	struct chain c = { .ttl = ANSWER_TTL_MAX };
	uint8_t *owner = ask->q->qname;

	/* No chain is longer than the section has RRsets. */
	for (size_t hops = 0; hops <= rep->an_numrrsets; hops++) {
		struct ub_packed_rrset_key *cname;
		size_t len = 0;

		c.found = chain_find(rep, owner, qtype);
		if (c.found != NULL) {
			c.ttl = ttl_min(c.ttl, rrset_ttl(c.found));
			break;
		}
		cname = chain_find(rep, owner, LDNS_RR_TYPE_CNAME);
		if (cname == NULL)
			break;
		c.ttl = ttl_min(c.ttl, chain_step_ttl(rep, cname));
		c.moved = true;
		get_cname_target(cname, &owner, &len);
		if (owner == NULL || len == 0)
			break;
	}
	return c;
}

/* One record's data without the length before it. Returns: false: broken. */
static bool rdata_at(const struct packed_rrset_data *d, size_t i,
	struct c25_rdata *out)
{
	if (d->rr_len[i] < 2)
		return false;
	out->bytes = d->rr_data[i] + 2;
	out->len = d->rr_len[i] - 2;
	return true;
}

/*
 * There is nothing of the type at the chain's end. Without a chain the
 * message stays what it is. With one, the chain goes, and the SOA stays if
 * it speaks for the queried name.
 */
static struct dns_msg *answer_negative(const struct c25_ask *ask,
	struct dns_msg *real, const struct chain *c)
{
	struct reply_info *rep = real->rep;
	struct dns_msg *out;
	size_t i, end = rep->an_numrrsets + rep->ns_numrrsets;

	if (!c->moved)
		return c25_reply_trim(ask->region, real, NULL);
	out = c25_reply_new(ask, FLAGS_GET_RCODE(rep->flags), 1,
		ttl_min(c->ttl, rep->ttl));
	for (i = rep->an_numrrsets; out != NULL && i < end; i++) {
		struct ub_packed_rrset_key *k = rep->rrsets[i];

		if (ntohs(k->rk.type) == LDNS_RR_TYPE_SOA &&
		    dname_subdomain_c(ask->q->qname, k->rk.dname)) {
			if (!c25_reply_authority(ask, out, k))
				return NULL;
			break;
		}
	}
	if (out != NULL)
		c25_reply_forged(ask);
	return out;
}

static enum c25_failure failure_of(int r, int full)
{
	switch (r) {
	case -ENOSPC:
		return full >= 0 && full <= C25_POOL_KINDS ?
			(enum c25_failure)full : C25_FAIL_OTHER;
	case -EUCLEAN:
		return C25_FAIL_TABLE_DAMAGED;
	case -ESTALE:
		return C25_FAIL_POLICY;
	case -EBUSY:
		return C25_FAIL_STARTING;
	case -ENOMEM:
		return C25_FAIL_MEMORY;
	case -ENODEV:
		return C25_FAIL_NO_TABLE;
	default:
		return C25_FAIL_OTHER;
	}
}

/* The addresses of an answer as they are collected. */
struct collect {
	struct c25_rdata *rdata;
	uint8_t (*bytes)[16];
	size_t count;
	bool changed;			/* a magic address, or one left out */
	bool created;			/* the doorbell is to be rung */
	struct c25_hold *hold;		/* what is new is noted here, or NULL */
	int error;			/* the first failure to reserve */
	int full;
};

static void collect_add(struct collect *c, const struct c25_addr *a)
{
	memcpy(c->bytes[c->count], a->bytes, c25_addr_len(a));
	c->rdata[c->count].bytes = c->bytes[c->count];
	c->rdata[c->count].len = c25_addr_len(a);
	c->count++;
}

/* One destination becomes what the client gets for it, if anything. */
static void collect_destination(struct collect *c, struct c25_worker *w,
	const struct c25_verdict *v, const struct c25_addr *destination,
	time_t ttl)
{
	struct c25_want want = {
		.name = &v->name,
		.destination = *destination,
		.app = v->match.app,
		.ttl_s = (uint32_t)ttl,
	};
	struct c25_assignment a;
	int r, full = -1;

	if (c25_policy_excluded(w->policy, destination)) {
		collect_add(c, destination);
		return;
	}
	c->changed = true;
	if (!c25_policy_has_pool(w->policy, destination->family))
		return;
	r = c25_state_table(w) == NULL ? -ENODEV :
		c25_table_reserve(c25_state_table(w), w->policy, &want, &a,
			&full);
	if (r == 0) {
		collect_add(c, &a.magic);
		c->created = c->created || a.created;
		if (a.created && c->hold != NULL)
			c->hold->held[c->hold->count++] = (struct c25_held){
				.ref = a.ref, .magic = a.magic,
				.connector = a.connector };
		c25_state_count(w, a.created ? C25_STAT_RESERVED :
			C25_STAT_RENEWED, 1);
	} else if (r != -EAFNOSUPPORT && c->error == 0) {
		c->error = r;
		c->full = full;
	}
}

/* Room for so many more new assignments; those of an earlier try stay. */
static bool hold_room(struct c25_hold *h, struct regional *region,
	size_t count)
{
	struct c25_held *held = regional_alloc(region,
		(h->count + count) * sizeof(*held));

	if (held == NULL)
		return false;
	if (h->count > 0)
		memcpy(held, h->held, h->count * sizeof(*held));
	h->held = held;
	return true;
}

static bool collect_init(struct collect *c, const struct c25_ask *ask,
	size_t count)
{
	struct regional *region = ask->region;

	memset(c, 0, sizeof(*c));
	if (count > RR_COUNT_MAX)
		return false;
	c->hold = ask->hold;
	c->rdata = regional_alloc(region, count * (sizeof(*c->rdata) +
		sizeof(*c->bytes)));
	if (c->rdata == NULL)
		return false;
	c->bytes = (uint8_t (*)[16])(c->rdata + count);
	return c->hold == NULL || hold_room(c->hold, region, count);
}

static void collect_all(struct collect *c, struct c25_worker *w,
	const struct c25_verdict *v, const struct packed_rrset_data *d,
	time_t ttl)
{
	size_t len = v->qtype == LDNS_RR_TYPE_A ? 4 : 16;

	for (size_t i = 0; i < d->count; i++) {
		struct c25_rdata r;
		struct c25_addr a;

		if (!rdata_at(d, i, &r) || r.len != len) {
			c->changed = true;	/* malformed: left out */
			continue;
		}
		a = len == 4 ? c25_addr_v4(r.bytes) : c25_addr_v6(r.bytes);
		collect_destination(c, w, v, &a, ttl);
	}
	if (c->created)
		c25_bell_ring(w);
}

/* A, AAAA. An answer with some of the addresses is better than none. */
static enum c25_answer answer_address(const struct c25_ask *ask,
	struct c25_worker *w, const struct c25_verdict *v,
	struct dns_msg *real, struct dns_msg **out, enum c25_failure *why)
{
	struct chain chain = chain_walk(ask, real->rep, v->qtype);
	unsigned clients = ask->clients;
	struct collect c;
	time_t ttl;

	if (chain.found == NULL) {
		*out = answer_negative(ask, real, &chain);
		goto out;
	}
	ttl = ttl_min(chain.ttl, c25_policy_max_ttl(w->policy));
	if (!collect_init(&c, ask, rrset_data(chain.found)->count))
		goto nomem;
	collect_all(&c, w, v, rrset_data(chain.found), ttl);
	if (c.error == -ESTALE)
		return C25_ANSWER_RETRY;
	if (c.count == 0 && c.error != 0) {
		*why = failure_of(c.error, c.full);
		return C25_ANSWER_FAIL;
	}
	if (!c.changed && !chain.moved && real->rep->an_numrrsets == 1) {
		/* excluded ones only, and nothing beside them: as it is */
		c25_state_count(w, C25_STAT_PASSED, clients);
		*out = c25_reply_trim(ask->region, real, chain.found);
		goto out;
	}
	*out = c25_reply_new(ask, LDNS_RCODE_NOERROR, 1, ttl);
	if (*out == NULL || (c.count > 0 && !c25_reply_add(ask, *out,
	    v->qtype, ttl, c.rdata, c.count)))
		goto nomem;
	c25_reply_forged(ask);
	c25_state_count(w, c.count > 0 ? C25_STAT_REWRITTEN :
		C25_STAT_EMPTIED, clients);
out:
	if (*out != NULL)
		return C25_ANSWER_OK;
nomem:
	*why = C25_FAIL_MEMORY;
	return C25_ANSWER_FAIL;
}

/* Note the assignment of one more address, which is known to have room. */
static void recent_add(struct c25_recent *r, const struct c25_assignment *a)
{
	r->addresses[r->count].ref = a->ref;
	memcpy(r->addresses[r->count].magic, a->magic.bytes, 16);
	memcpy(r->addresses[r->count].destination, a->destination.bytes, 16);
	r->count++;
}

/* All addresses, each with an assignment that is there already.
 * Returns: false: there is one that isn't, or isn't to be rewritten. */
static bool collect_known(struct collect *c, struct c25_known *k,
	const struct packed_rrset_data *d, time_t ttl)
{
	const struct c25_policy *policy = k->w->policy;
	size_t len = k->v->qtype == LDNS_RR_TYPE_A ? 4 : 16;
	struct c25_want want = { .name = &k->v->name, .app = k->v->match.app,
		.ttl_s = (uint32_t)ttl };
	struct c25_assignment a;
	struct c25_rdata r;

	/* It may have had one when the assignments were made. */
	if (!c25_policy_has_pool(policy, len == 4 ? C25_V4 : C25_V6))
		return false;
	for (size_t i = 0; i < d->count; i++) {
		if (!rdata_at(d, i, &r) || r.len != len)
			return false;
		want.destination = len == 4 ? c25_addr_v4(r.bytes) :
			c25_addr_v6(r.bytes);
		if (c25_policy_excluded(policy, &want.destination) ||
		    c25_table_renew(c25_state_table(k->w), policy, &want,
		    &a) != 0)
			return false;
		collect_add(c, &a.magic);
		if (d->count <= C25_RECENT_ADDRESSES)
			recent_add(&k->recent, &a);
	}
	return true;
}

/* The answer is as it is because of this RRset alone: note that. */
static void known_note(struct c25_known *k, const struct reply_info *kept,
	struct ub_packed_rrset_key *found)
{
	for (size_t i = 0; i < kept->rrset_count; i++)
		if (kept->ref[i].key == found)
			k->recent.rrset = kept->ref[i];
	if (k->recent.rrset.key != found || kept->an_numrrsets != 1)
		k->recent.count = 0;
	k->recent.data = rrset_data(found);
	k->recent.qtype = k->v->qtype;
	k->recent.until = ttl_min(kept->ttl, k->w->env->cfg->prefetch ?
		kept->prefetch_ttl : kept->ttl) - 1;
}

/* Count an answer that is made of what was known. */
static void known_count(const struct c25_ask *ask, struct c25_worker *w,
	size_t addresses)
{
	c25_state_count(w, C25_STAT_RENEWED, addresses);
	c25_state_count(w, C25_STAT_REWRITTEN, ask->clients);
}

struct dns_msg *c25_answer_known(void *known, const struct reply_info *kept,
	time_t now)
{
	struct c25_known *k = known;
	struct chain chain = chain_walk(k->ask, kept, k->v->qtype);
	struct packed_rrset_data *d;
	struct dns_msg *out;
	struct collect c;
	time_t ttl;

	k->recent.count = 0;
	if (chain.found == NULL || c25_state_table(k->w) == NULL)
		return NULL;
	d = rrset_data(chain.found);
	ttl = ttl_min(chain.ttl - now, c25_policy_max_ttl(k->w->policy));
	if (ttl < 0 || d->count == 0 || !collect_init(&c, k->ask, d->count) ||
	    !collect_known(&c, k, d, ttl))
		return NULL;
	out = c25_reply_new(k->ask, LDNS_RCODE_NOERROR, 1, ttl);
	if (out == NULL || !c25_reply_add(k->ask, out, k->v->qtype, ttl,
	    c.rdata, c.count))
		return NULL;
	c25_reply_forged(k->ask);
	known_note(k, kept, chain.found);
	known_count(k->ask, k->w, c.count);
	return out;
}

/* Has the RRset the same addresses, and are they still assigned? */
static bool recent_holds(const struct c25_recent *r, struct c25_worker *w,
	const struct packed_rrset_data *d, uint64_t until_ms)
{
	size_t len = r->qtype == LDNS_RR_TYPE_A ? 4 : 16;
	struct c25_rdata rdata;

	if (d->count != r->count)
		return false;
	for (size_t i = 0; i < d->count; i++)
		if (!rdata_at(d, i, &rdata) || rdata.len != len ||
		    memcmp(rdata.bytes, r->addresses[i].destination, len) != 0
		    || c25_table_extend(c25_state_table(w),
		    r->addresses[i].ref, until_ms) != 0)
			return false;
	return true;
}

struct dns_msg *c25_answer_recent(const struct c25_ask *ask,
	struct c25_worker *w, struct c25_recent *r, time_t now)
{
	struct c25_rdata rdata[C25_RECENT_ADDRESSES];
	struct dns_msg *out;
	bool holds;
	time_t ttl;

	/* made while what is read below is on its way */
	for (size_t i = 0; i < r->count; i++)
		rdata[i] = (struct c25_rdata){ .bytes = r->addresses[i].magic,
			.len = r->qtype == LDNS_RR_TYPE_A ? 4 : 16 };
	out = c25_reply_new(ask, LDNS_RCODE_NOERROR, 1, 0);
	if (out == NULL || !c25_reply_add(ask, out, r->qtype, 0, rdata,
	    r->count) || !rrset_array_lock(&r->rrset, 1, now))
		return NULL;
	ttl = ttl_min(rrset_ttl(r->rrset.key) - now,
		c25_policy_max_ttl(w->policy));
	holds = ttl >= 0 && recent_holds(r, w, rrset_data(r->rrset.key),
		c25_lease_until(w->second_ends_ms, (uint32_t)ttl));
	rrset_array_unlock(&r->rrset, 1);
	if (!holds)
		return NULL;
	c25_reply_ttl(out, ttl);
	c25_reply_forged(ask);
	known_count(ask, w, r->count);
	return out;
}

/* HTTPS, SVCB: what is left of each record. Returns: records left, -ENOMEM;
 * *changed when anything is not as it was. */
static ssize_t service_mend(const struct c25_ask *ask,
	const struct packed_rrset_data *d, struct c25_rdata *rdata,
	bool *changed)
{
	size_t count = 0;

	for (size_t i = 0; i < d->count; i++) {
		struct c25_rdata *r = &rdata[count];
		uint8_t *mended;

		if (!rdata_at(d, i, r)) {
			*changed = true;
			continue;
		}
		mended = regional_alloc(ask->region, r->len + 1);
		if (mended == NULL)
			return -ENOMEM;
		switch (c25_svcb_mend(r->bytes, r->len, ask->q->qname,
		    ask->q->qname_len, mended, &r->len)) {
		case C25_SVCB_SAME:
			count++;
			break;
		case C25_SVCB_CHANGED:
			r->bytes = mended;
			count++;
			*changed = true;
			break;
		case C25_SVCB_DROP:
			*changed = true;
			break;
		}
	}
	return (ssize_t)count;
}

static struct dns_msg *answer_service(const struct c25_ask *ask,
	const struct c25_verdict *v, struct dns_msg *real)
{
	struct chain chain = chain_walk(ask, real->rep, v->qtype);
	struct c25_rdata *rdata;
	struct dns_msg *out;
	bool changed = chain.moved;
	ssize_t count;

	if (chain.found == NULL)
		return answer_negative(ask, real, &chain);
	rdata = regional_alloc_zero(ask->region, sizeof(*rdata) *
		(rrset_data(chain.found)->count + 1));
	if (rdata == NULL)
		return NULL;
	count = service_mend(ask, rrset_data(chain.found), rdata,
		&changed);
	if (count < 0)
		return NULL;
	if (!changed)
		return c25_reply_trim(ask->region, real, chain.found);
	out = c25_reply_new(ask, LDNS_RCODE_NOERROR, 1, chain.ttl);
	if (out == NULL || (count > 0 && !c25_reply_add(ask, out,
	    v->qtype, chain.ttl, rdata, (size_t)count)))
		return NULL;
	c25_reply_forged(ask);
	return out;
}

enum c25_answer c25_answer_real(const struct c25_ask *ask,
	struct c25_worker *w, const struct c25_verdict *v,
	struct dns_msg *real, struct dns_msg **out, enum c25_failure *why)
{
	*out = NULL;
	if (v->kind == C25_DO_ADDRESS)
		return answer_address(ask, w, v, real, out, why);
	if (v->kind == C25_DO_SERVICE)
		*out = answer_service(ask, v, real);
	else
		*out = c25_reply_trim(ask->region, real, NULL);
	if (*out == NULL) {
		*why = C25_FAIL_MEMORY;
		return C25_ANSWER_FAIL;
	}
	c25_state_count(w, C25_STAT_PASSED, ask->clients);
	return C25_ANSWER_OK;
}

/* ---- without asking anybody ---- */

/* A name of an address in a magic pool: the domain while it is assigned.
 * Other types than PTR don't exist there. */
static enum c25_answer answer_reverse(const struct c25_ask *ask,
	struct c25_worker *w, const struct c25_verdict *v,
	struct dns_msg **out, enum c25_failure *why)
{
	struct c25_assignment a = { .lease_end_ms = 0 };
	struct c25_rdata rdata = { .len = 0 };
	uint64_t now_ms = c25_now_ms();
	time_t ttl = 0;
	int r = -ENODEV;

	if (c25_state_table(w) != NULL)
		r = c25_table_by_magic(c25_state_table(w), &v->reverse, &a);
	if (r != 0 && r != -ENOENT) {
		*why = failure_of(r, -1);
		return C25_ANSWER_FAIL;
	}
	if (r == 0 && a.lease_end_ms <= now_ms)
		r = -ENOENT;
	if (r == 0)
		ttl = ttl_min((time_t)((a.lease_end_ms - now_ms) / 1000),
			c25_policy_max_ttl(w->policy));
	c25_state_count(w, C25_STAT_PTR, ask->clients);
	*out = c25_reply_new(ask, r == 0 ? LDNS_RCODE_NOERROR :
		LDNS_RCODE_NXDOMAIN, 1, ttl);
	rdata.bytes = a.domain.wire;
	rdata.len = r == 0 ? a.domain.len : 0;
	if (*out == NULL || (r == 0 && (v->qtype == LDNS_RR_TYPE_PTR ||
	    v->qtype == LDNS_RR_TYPE_ANY) && !c25_reply_add(ask, *out,
	    LDNS_RR_TYPE_PTR, ttl, &rdata, 1))) {
		*why = C25_FAIL_MEMORY;
		return C25_ANSWER_FAIL;
	}
	return C25_ANSWER_OK;
}

/* Ref: RFC 8482 4.2. */
static struct dns_msg *answer_any(const struct c25_ask *ask,
	const struct c25_worker *w)
{
	static const uint8_t hinfo[] = "\7RFC8482";	/* and an empty one */
	struct c25_rdata rdata = { .bytes = hinfo, .len = sizeof(hinfo) };
	time_t ttl = c25_policy_max_ttl(w->policy);
	struct dns_msg *out = c25_reply_new(ask, LDNS_RCODE_NOERROR, 1,
		ttl);

	if (out == NULL || !c25_reply_add(ask, out, LDNS_RR_TYPE_HINFO,
	    ttl, &rdata, 1))
		return NULL;
	return out;
}

enum c25_answer c25_answer_own(const struct c25_ask *ask,
	struct c25_worker *w, const struct c25_verdict *v,
	struct dns_msg **out, enum c25_failure *why)
{
	*out = NULL;
	if (v->kind == C25_DO_REVERSE)
		return answer_reverse(ask, w, v, out, why);
	*out = v->kind == C25_DO_ANY ? answer_any(ask, w) :
		c25_reply_new(ask, LDNS_RCODE_REFUSED, 0, 0);
	if (*out == NULL) {
		*why = C25_FAIL_MEMORY;
		return C25_ANSWER_FAIL;
	}
	c25_state_count(w, C25_STAT_PASSED, ask->clients);
	return C25_ANSWER_OK;
}
