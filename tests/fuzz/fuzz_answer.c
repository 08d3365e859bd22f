/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What clients get: a reply as the modules right of ours give it goes through
 * the module as in Unbound, by way of operate() and the cache or of local
 * data, and comes out again in wire form. Names that are not ours must come
 * out as they went in; with those that are, no destination may be anywhere.
 * Input: how (enum how), security status, the reply in wire form, whose
 * question is the client's.
 */
#include "module/module.h"

#include <arpa/inet.h>

#include "iterator/iter_fwd.h"
#include "iterator/iter_hints.h"
#include "module/svcb.h"
#include "sldns/sbuffer.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"

enum how {
	HOW_CD = 1,
	HOW_VALIDATE = 2,		/* Unbound has a validator */
	HOW_DO = 4,
	HOW_LOCAL = 8,			/* the reply is from local data */
	HOW_DNS64 = 16,			/* stored under the public key too */
	HOW_INTERNAL = 32,		/* no client asks, but Unbound */
	HOW_FAILED = 64,		/* the lookup failed */
};

void operate(struct module_qstate *qstate, enum module_ev event, int id,
	struct outbound_entry *outbound);
void clear(struct module_qstate *qstate, int id);

static struct {
	struct worker worker;
	struct module_env *env;
	struct alloc_cache alloc;
	struct config_file cfg;
	struct mesh_area mesh;
	struct dynlibmod_env dynlib;
	struct comm_point point;
	struct comm_reply client;
	struct c25_module *module;
	struct c25_table *table;
	struct c25_range magic[2], exclude;
	time_t now;
	struct timeval now_tv;
	sldns_buffer *packet, *out;
	bool rewritten;			/* a magic address was seen */
} u;

/* ---- as much of Unbound as the module touches --------------------------- */

static void
set_up_env(void)
{
	struct module_env *env = u.env = &u.worker.env;

	u.now = 1000000;
	u.cfg.num_threads = 1;
	u.cfg.rrset_cache_slabs = 1;
	u.cfg.rrset_cache_size = u.cfg.msg_cache_size = 1 << 22;
	alloc_init(&u.alloc, NULL, 0);
	env->cfg = &u.cfg;
	env->alloc = &u.alloc;
	env->now = &u.now;
	env->now_tv = &u.now_tv;
	env->mesh = &u.mesh;
	env->modinfo[0] = &u.dynlib;
	env->worker = &u.worker;
	env->scratch = regional_create();
	env->msg_cache = slabhash_create(1, 64, 1 << 22, msgreply_sizefunc,
		query_info_compare, query_entry_delete, reply_info_delete,
		NULL);
	env->rrset_cache = rrset_cache_create(&u.cfg, &u.alloc);
	env->fwds = forwards_create();
	env->hints = hints_create();
	fuzz_must(forwards_apply_cfg(env->fwds, &u.cfg) != 0 &&
		hints_apply_cfg(env->hints, &u.cfg) != 0, "no zones");
	rbtree_init(&u.mesh.all, &mesh_state_compare);
	rbtree_init(&u.mesh.run, &mesh_state_compare);
	u.worker.scratchpad = env->scratch;
	u.point.cb_arg = &u.worker;
	u.client.c = &u.point;
}

static void
set_up(void)
{
	if (u.env != NULL)
		return;
	log_init(getenv("FUZZ_UNBOUND_LOG"), 0, NULL);
	u.table = fuzz_table(64);
	u.magic[0] = fuzz_range(FUZZ_V4_MAGIC);
	u.magic[1] = fuzz_range(FUZZ_V6_MAGIC);
	u.exclude = fuzz_range(FUZZ_EXCLUDE);
	u.packet = sldns_buffer_new(65535);
	u.out = sldns_buffer_new(65535);
	set_up_env();
	setenv(C25_RUN_DIR_ENV, fuzz_scratch(), 1);
	fuzz_must(c25_state_create(u.env, 0, &u.dynlib, &u.module) == 0,
		"no module");
	u.dynlib.dyn_env = u.module;
}

static void
clean_up(void)
{
	slabhash_clear(u.env->msg_cache);
	slabhash_clear(&u.env->rrset_cache->table);
	regional_free_all(u.env->scratch);
	fuzz_table_empty(u.table);
}

/* A query state with one client, or none. */
static struct module_qstate *
new_query(struct regional *region, const struct query_info *q, unsigned how)
{
	struct mesh_state *mesh = regional_alloc_zero(region, sizeof(*mesh));
	struct module_qstate *s = &mesh->s;

	rbtree_init(&mesh->super_set, &mesh_state_ref_compare);
	rbtree_init(&mesh->sub_set, &mesh_state_ref_compare);
	if (!(how & HOW_INTERNAL))
		mesh->reply_list = regional_alloc_zero(region,
			sizeof(*mesh->reply_list));
	s->mesh_info = mesh;
	s->env = u.env;
	s->region = region;
	s->qinfo = *q;
	s->query_flags = (uint16_t)(BIT_RD | (how & HOW_CD ? BIT_CD : 0));
	return s;
}

/* The reply as the iterator would hand it up. Returns: NULL: no message. */
static struct dns_msg *
parse(struct regional *region, enum sec_status security)
{
	struct msg_parse *prs = regional_alloc_zero(region, sizeof(*prs));
	struct edns_data edns;
	struct dns_msg *msg;

	sldns_buffer_set_position(u.packet, 0);
	if (parse_packet(u.packet, prs, region) != LDNS_RCODE_NOERROR ||
	    prs->qdcount != 1 || parse_extract_edns_from_response_msg(prs,
	    &edns, region) != LDNS_RCODE_NOERROR)
		return NULL;
	msg = dns_alloc_msg(u.packet, prs, region);
	if (msg == NULL || msg->qinfo.qname == NULL)
		return NULL;
	msg->rep->security = security;
	for (size_t i = 0; i < msg->rep->rrset_count; i++)
		((struct packed_rrset_data *)
			msg->rep->rrsets[i]->entry.data)->security = security;
	return msg;
}

/* ---- what comes out ----------------------------------------------------- */

struct rr {
	struct c25_name owner;
	unsigned section;		/* 0 answer, 1 authority, 2 more */
	unsigned type, rclass;
	uint32_t ttl;
	const uint8_t *data;
	size_t len;
};

/* A name, perhaps compressed. Returns: bytes at `at`. */
static size_t
read_name(const uint8_t *p, size_t len, size_t at, struct c25_name *out)
{
	uint8_t wire[C25_NAME_MAX + 1];
	size_t n = 0, used = 0, hops = 0;	/* `used` up to a pointer */

	for (;;) {
		fuzz_must(at < len && n < sizeof(wire), "name at %zu", at);
		if (p[at] >= 0xc0) {
			fuzz_must(at + 1 < len && hops < 128, "pointer");
			if (hops++ == 0)
				used = n + 2;
			at = (p[at] & 0x3fu) << 8 | p[at + 1];
			continue;
		}
		wire[n++] = p[at];
		if (p[at] == 0)
			break;
		fuzz_must(at + p[at] < len && n + p[at] < sizeof(wire),
			"label at %zu", at);
		memcpy(wire + n, p + at + 1, p[at]);
		n += p[at];
		at += p[at] + 1u;
	}
	fuzz_must(c25_name_from_wire(out, wire, n) == 0, "no name");
	return hops > 0 ? used : n;
}

static unsigned
u16_at(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void
check_address(const struct rr *rr)
{
	struct c25_addr a;
	char text[C25_ADDR_TEXT_MAX];
	bool v4 = rr->type == LDNS_RR_TYPE_A, magic;

	fuzz_must(rr->len == (v4 ? 4 : 16), "%zu bytes", rr->len);
	a = v4 ? c25_addr_v4(rr->data) : c25_addr_v6(rr->data);
	magic = c25_range_contains(&u.magic[!v4], &a);
	fuzz_must(magic || c25_range_contains(&u.exclude, &a) ||
		c25_addr_is_special(&a), "destination %s in section %u",
		c25_addr_format(&a, text), rr->section);
	u.rewritten = u.rewritten || magic;
	fuzz_must(!magic || rr->ttl <= FUZZ_MAX_TTL, "TTL %u", rr->ttl);
}

static void
check_service(const struct rr *rr, const struct query_info *q)
{
	uint8_t out[65535];
	size_t len;

	fuzz_must(c25_svcb_mend(rr->data, rr->len, q->qname, q->qname_len,
		out, &len) == C25_SVCB_SAME, "type %u in section %u leads "
		"past us", rr->type, rr->section);
}

static void
check_rr(const struct rr *rr, const struct query_info *q,
	const struct c25_name *qname)
{
	bool addresses = q->qtype == LDNS_RR_TYPE_A ||
		q->qtype == LDNS_RR_TYPE_AAAA;

	fuzz_must(rr->section < 2, "type %u in the additional section",
		rr->type);
	switch (rr->type) {
	case LDNS_RR_TYPE_A:
	case LDNS_RR_TYPE_AAAA:
		fuzz_must(rr->section == 0 && rr->type == q->qtype &&
			c25_name_eq(&rr->owner, qname), "type %u for %u in "
			"section %u", rr->type, q->qtype, rr->section);
		check_address(rr);
		break;
	case LDNS_RR_TYPE_SVCB:
	case LDNS_RR_TYPE_HTTPS:
		check_service(rr, q);
		break;
	case LDNS_RR_TYPE_CNAME:
		fuzz_must(!addresses || rr->section != 0 ||
			rr->rclass != LDNS_RR_CLASS_IN ||
			!c25_name_eq(&rr->owner, qname), "a bare CNAME");
		break;
	default:
		break;
	}
}

static void
check_wire(const uint8_t *p, size_t len, const struct query_info *q)
{
	struct c25_name name, qname;
	size_t at = 12;

	fuzz_must(len >= 12, "%zu bytes", len);
	fuzz_must(c25_name_from_wire(&qname, q->qname, q->qname_len) == 0,
		"qname");
	for (unsigned i = u16_at(p + 4); i > 0; i--)
		at += read_name(p, len, at, &name) + 4;
	for (unsigned section = 0; section < 3; section++)
		for (unsigned i = u16_at(p + 6 + 2 * section); i > 0; i--) {
			struct rr rr = { .section = section };

			at += read_name(p, len, at, &rr.owner);
			fuzz_must(at + 10 <= len, "record at %zu", at);
			rr.type = u16_at(p + at);
			rr.rclass = u16_at(p + at + 2);
			rr.ttl = u16_at(p + at + 4) << 16 | u16_at(p + at + 6);
			rr.len = u16_at(p + at + 8);
			rr.data = p + at + 10;
			fuzz_must(at + 10 + rr.len <= len, "data");
			check_rr(&rr, q, &qname);
			at += 10 + rr.len;
		}
}

/* As mesh_send_reply() does it. */
static void
encode(struct query_info *q, struct reply_info *rep, unsigned how)
{
	struct regional *region = regional_create();

	sldns_buffer_clear(u.out);
	fuzz_must(reply_info_encode(q, rep, 1, rep->flags, u.out, 0, region,
		65535, (how & HOW_DO) != 0, 0) != 0, "not encoded");
	regional_destroy(region);
}

static void
check_reply(struct query_info *q, struct reply_info *rep, unsigned how)
{
	u.rewritten = false;
	encode(q, rep, how);
	check_wire(sldns_buffer_begin(u.out), sldns_buffer_limit(u.out), q);
	/* what Unbound sets AD by */
	fuzz_must(!u.rewritten || rep->security != sec_status_secure, "AD");
}

/* Nothing under the public key may be what a client must not get. */
static void
check_cache(struct query_info *q, unsigned how)
{
	struct msgreply_entry *e = msg_cache_lookup(u.env, q->qname,
		q->qname_len, q->qtype, q->qclass, how & HOW_CD ? BIT_CD : 0,
		u.now, 0);
	struct regional *region = regional_create();
	struct dns_msg *msg;

	if (e != NULL) {
		msg = tomsg(u.env, &e->key, e->entry.data, region, u.now, 0,
			u.env->scratch);
		if (msg != NULL)
			check_reply(q, msg->rep, how);
		lock_rw_unlock(&e->entry.lock);
	}
	regional_destroy(region);
}

/* ---- whose name it is, naively ------------------------------------------ */

static bool
is_ours(const struct query_info *q)
{
	static const char *const wild[] = { "wild.example", "own.example" };
	struct c25_name n, d = fuzz_name("app.example");
	struct c25_addr a;

	if (q->qclass != LDNS_RR_CLASS_IN && q->qclass != LDNS_RR_CLASS_ANY)
		return false;
	if (c25_name_from_wire(&n, q->qname, q->qname_len) != 0)
		return false;
	if (c25_name_eq(&n, &d))
		return true;
	for (size_t i = 0; i < 2; i++) {
		d = fuzz_name(wild[i]);
		if (c25_name_below(&n, &d))
			return true;
	}
	return c25_name_to_reverse(&n, &a) &&
		c25_range_contains(&u.magic[a.family == C25_V6], &a);
}

/* ---- the two ways ------------------------------------------------------- */

/* Unbound copies RRsets as one piece, and finds the arrays again by where they
 * are. Ref: util/data/packed_rrset.c packed_rrset_ptr_fixup(). */
static void
check_layout(const struct reply_info *rep)
{
	for (size_t i = 0; i < rep->rrset_count; i++) {
		const struct packed_rrset_data *d = rep->rrsets[i]->entry.data;
		size_t total = d->count + d->rrsig_count;
		const uint8_t *next = (const uint8_t *)(d->rr_ttl + total);

		fuzz_must(d->rr_len == (const size_t *)(d + 1) &&
			(const void *)d->rr_data == d->rr_len + total &&
			(const void *)d->rr_ttl == d->rr_data + total,
			"arrays of RRset %zu", i);
		for (size_t n = 0; n < total; next += d->rr_len[n++])
			fuzz_must(d->rr_data[n] == next, "record %zu", n);
	}
}

/* Returns: is there a message for the client? */
static bool
has_reply(struct module_qstate *s)
{
	fuzz_must(s->ext_state[0] == module_finished, "state %d",
		s->ext_state[0]);
	if (s->return_rcode != LDNS_RCODE_NOERROR || s->return_msg == NULL)
		return false;
	check_layout(s->return_msg->rep);
	return true;
}

/* Another client, later: from the cache if it is there. */
static void
ask_again(struct regional *region, struct query_info *q, unsigned how)
{
	struct module_qstate *s = new_query(region, q, how);

	operate(s, module_event_new, 0, NULL);
	if (s->ext_state[0] == module_finished && has_reply(s))
		check_reply(&s->qinfo, s->return_msg->rep, how);
	clear(s, 0);
}

static void
through_modules(struct regional *region, struct dns_msg *real, unsigned how)
{
	struct query_info q = real->qinfo;
	struct module_qstate *s = new_query(region, &q, how);
	bool ours = is_ours(&q);

	operate(s, module_event_new, 0, NULL);
	fuzz_must(ours || s->ext_state[0] == module_wait_module, "not ours");
	fuzz_must(!ours || s->ext_state[0] == module_finished ||
		s->no_cache_store, "would be stored");
	if (s->ext_state[0] == module_wait_module) {
		if (how & HOW_DNS64)
			(void)dns_cache_store(u.env, &q, real->rep, 0, 0, 0,
				NULL, s->query_flags, u.now
#if C25_UNBOUND_1_26
				, 0
#endif
				);
		s->return_msg = how & HOW_FAILED ? NULL : real;
		s->return_rcode = how & HOW_FAILED ? LDNS_RCODE_SERVFAIL :
			LDNS_RCODE_NOERROR;
		operate(s, module_event_moddone, 0, NULL);
		fuzz_must((ours && !(how & HOW_INTERNAL)) || s->return_msg ==
			(how & HOW_FAILED ? NULL : real), "another message");
	}
	if (!ours) {
		clear(s, 0);
		return;
	}
	if (has_reply(s) && !(how & HOW_INTERNAL))
		check_reply(&s->qinfo, s->return_msg->rep, how);
	clear(s, 0);
	how &= ~(unsigned)HOW_INTERNAL;
	check_cache(&q, how);
	ask_again(region, &q, how);
	u.now += 100;
	ask_again(region, &q, how);
	check_cache(&q, how);
}

static void
through_local(struct regional *region, struct dns_msg *real, unsigned how)
{
	struct reply_info rep, before;
	struct edns_option *options = NULL;

	/* all but `ref`, which messages outside the cache don't have */
	memset(&rep, 0, sizeof(rep));
	memcpy(&rep, real->rep, offsetof(struct reply_info, ref));
	before = rep;
	/* the callback finds its worker by its region */
	u.worker.scratchpad = region;
	(void)c25_local_reply(&real->qinfo, NULL, &rep, LDNS_RCODE_NOERROR,
		NULL, &options, &u.client, region, NULL, 0, NULL);
	u.worker.scratchpad = u.env->scratch;
	if (!is_ours(&real->qinfo))
		fuzz_must(memcmp(&rep, &before, sizeof(rep)) == 0,
			"not ours, and changed");
	else if (FLAGS_GET_RCODE(rep.flags) == LDNS_RCODE_NOERROR)
		check_reply(&real->qinfo, &rep, how);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	unsigned how = fuzz_u8(&f);
	enum sec_status security = fuzz_u8(&f) % (sec_status_secure + 1);
	struct regional *region = regional_create();
	struct dns_msg *real;

	set_up();
	if (f.left < 65535) {
		sldns_buffer_clear(u.packet);
		sldns_buffer_write(u.packet, f.p, f.left);
		sldns_buffer_flip(u.packet);
		u.env->need_to_validate = (how & HOW_VALIDATE) != 0;
		real = parse(region, security);
		if (real != NULL && (how & HOW_LOCAL))
			through_local(region, real, how);
		else if (real != NULL)
			through_modules(region, real, how);
		clean_up();
	}
	regional_destroy(region);
	return 0;
}
