/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table, its rules and elements as messages of nftables; see
 * datapath_netlink.h. What the kernel makes of each attribute is told in
 * linux/netfilter/nf_tables.h.
 */
#include "datapath_netlink_private.h"

#include <endian.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <string.h>

#define GC_INTERVAL_MS 30000	/* to walk a million elements each second, as
				 * is the default, takes 8 % of a core */
#define ELEMENTS_BYTES 32768	/* of a message, before the next is begun */

/* Types of keys and values, as nft numbers them; a pair is one after the
 * other. They are for those who look at the table with nft. */
enum { TYPE_IPV4 = 7, TYPE_IPV6 = 8, TYPE_BITS = 6 };

/* Bits of ct state: established, related. */
#define STATE_BITS ((uint32_t)(NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | \
	NF_CT_STATE_BIT(IP_CT_RELATED)))

static uint32_t
address_type(enum c25_family family)
{
	return family == C25_V6 ? TYPE_IPV6 : TYPE_IPV4;
}

static uint16_t
address_len(enum c25_family family)
{
	return family == C25_V6 ? 16 : 4;
}

static void
put_be32(struct nlmsghdr *m, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(m, type, htobe32(value));
}

/* A nested attribute that holds one value. */
static void
put_value(struct nlmsghdr *m, uint16_t type, const void *data, size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(m, type);

	mnl_attr_put(m, NFTA_DATA_VALUE, len, data);
	mnl_attr_nest_end(m, nest);
}

/* ---- the expressions of a rule ------------------------------------------ */

struct expr {
	struct nlattr *nest, *data;
};

/* Between these come the attributes of the expression. */
static struct expr
expr_begin(struct nlmsghdr *m, const char *name)
{
	struct expr e = { .nest = mnl_attr_nest_start(m, NFTA_LIST_ELEM) };

	mnl_attr_put_strz(m, NFTA_EXPR_NAME, name);
	e.data = mnl_attr_nest_start(m, NFTA_EXPR_DATA);
	return e;
}

static void
expr_end(struct nlmsghdr *m, struct expr e)
{
	mnl_attr_nest_end(m, e.data);
	mnl_attr_nest_end(m, e.nest);
}

static void
expr_meta(struct nlmsghdr *m, enum nft_meta_keys key)
{
	struct expr e = expr_begin(m, "meta");

	put_be32(m, NFTA_META_DREG, NFT_REG_1);
	put_be32(m, NFTA_META_KEY, key);
	expr_end(m, e);
}

static void
expr_cmp(struct nlmsghdr *m, enum nft_cmp_ops op, const void *data,
	size_t len)
{
	struct expr e = expr_begin(m, "cmp");

	put_be32(m, NFTA_CMP_SREG, NFT_REG_1);
	put_be32(m, NFTA_CMP_OP, op);
	put_value(m, NFTA_CMP_DATA, data, len);
	expr_end(m, e);
}

static void
expr_interface(struct nlmsghdr *m, enum nft_meta_keys key,
	enum nft_cmp_ops op, const char name[16])
{
	expr_meta(m, key);
	expr_cmp(m, op, name, 16);
}

static void
expr_byte(struct nlmsghdr *m, enum nft_meta_keys key, uint8_t value)
{
	expr_meta(m, key);
	expr_cmp(m, NFT_CMP_EQ, &value, sizeof(value));
}

/* The packet's source or destination address into a register. */
static void
expr_address(struct nlmsghdr *m, enum c25_family family, bool source,
	uint32_t reg)
{
	uint32_t offset = family == C25_V6 ? (source ? 8 : 24) :
		(source ? 12 : 16);
	struct expr e = expr_begin(m, "payload");

	put_be32(m, NFTA_PAYLOAD_DREG, reg);
	put_be32(m, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
	put_be32(m, NFTA_PAYLOAD_OFFSET, offset);
	put_be32(m, NFTA_PAYLOAD_LEN, address_len(family));
	expr_end(m, e);
}

static void
expr_ct(struct nlmsghdr *m, enum nft_ct_keys key, bool original)
{
	struct expr e = expr_begin(m, "ct");

	put_be32(m, NFTA_CT_DREG, NFT_REG_1);
	put_be32(m, NFTA_CT_KEY, key);
	if (original)
		mnl_attr_put_u8(m, NFTA_CT_DIRECTION, IP_CT_DIR_ORIGINAL);
	expr_end(m, e);
}

/* Is one of these bits of ct state or status set? */
static void
expr_ct_bits(struct nlmsghdr *m, enum nft_ct_keys key, uint32_t bits)
{
	const uint32_t zero = 0;
	struct expr e;

	expr_ct(m, key, false);
	e = expr_begin(m, "bitwise");
	put_be32(m, NFTA_BITWISE_SREG, NFT_REG_1);
	put_be32(m, NFTA_BITWISE_DREG, NFT_REG_1);
	put_be32(m, NFTA_BITWISE_LEN, sizeof(bits));
	put_value(m, NFTA_BITWISE_MASK, &bits, sizeof(bits));
	put_value(m, NFTA_BITWISE_XOR, &zero, sizeof(zero));
	expr_end(m, e);
	expr_cmp(m, NFT_CMP_NEQ, &zero, sizeof(zero));
}

static void
expr_in_set(struct nlmsghdr *m, uint32_t id)
{
	struct expr e = expr_begin(m, "lookup");

	put_be32(m, NFTA_LOOKUP_SREG, NFT_REG_1);
	mnl_attr_put_strz(m, NFTA_LOOKUP_SET, "__set%d");
	put_be32(m, NFTA_LOOKUP_SET_ID, id);
	expr_end(m, e);
}

/* What the map has for the packet into the first register. */
static void
expr_map(struct nlmsghdr *m, enum c25_map map)
{
	const struct c25_map_info *info = &c25_map_infos[map];
	struct expr e;

	if (info->peers) {
		expr_address(m, info->family, true, NFT_REG_1);
		expr_address(m, info->family, false,
			info->family == C25_V6 ? NFT_REG_2 : NFT_REG32_01);
	} else {
		expr_address(m, info->family, false, NFT_REG_1);
	}
	e = expr_begin(m, "lookup");
	put_be32(m, NFTA_LOOKUP_SREG, NFT_REG_1);
	put_be32(m, NFTA_LOOKUP_DREG, NFT_REG_1);
	mnl_attr_put_strz(m, NFTA_LOOKUP_SET, info->name);
	expr_end(m, e);
}

static void
expr_dnat(struct nlmsghdr *m, enum c25_family family)
{
	struct expr e = expr_begin(m, "nat");

	put_be32(m, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	put_be32(m, NFTA_NAT_FAMILY, family == C25_V6 ? NFPROTO_IPV6 :
		NFPROTO_IPV4);
	put_be32(m, NFTA_NAT_REG_ADDR_MIN, NFT_REG_1);
	expr_end(m, e);
}

static void
expr_masquerade(struct nlmsghdr *m)
{
	expr_end(m, expr_begin(m, "masq"));
}

static void
expr_counter(struct nlmsghdr *m, enum c25_counter counter)
{
	struct expr e = expr_begin(m, "objref");

	put_be32(m, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	mnl_attr_put_strz(m, NFTA_OBJREF_IMM_NAME,
		c25_counter_names[counter]);
	expr_end(m, e);
}

static void
expr_reject(struct nlmsghdr *m, enum nft_reject_types type, uint8_t code)
{
	struct expr e = expr_begin(m, "reject");

	put_be32(m, NFTA_REJECT_TYPE, type);
	mnl_attr_put_u8(m, NFTA_REJECT_ICMP_CODE, code);
	expr_end(m, e);
}

static void
expr_verdict(struct nlmsghdr *m, uint32_t code)
{
	struct expr e = expr_begin(m, "immediate");
	struct nlattr *data, *verdict;

	put_be32(m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = mnl_attr_nest_start(m, NFTA_IMMEDIATE_DATA);
	verdict = mnl_attr_nest_start(m, NFTA_DATA_VERDICT);
	put_be32(m, NFTA_VERDICT_CODE, code);
	mnl_attr_nest_end(m, verdict);
	mnl_attr_nest_end(m, data);
	expr_end(m, e);
}

/* ---- a rule ------------------------------------------------------------- */

enum {				/* RFC 792, RFC 4443 */
	ICMP_HOST_UNREACHABLE = 1,
	ICMP_PORT_UNREACHABLE = 3,
	ICMPV6_ADDRESS_UNREACHABLE = 3,
	ICMPV6_PORT_UNREACHABLE = 4,
};

static void
encode_condition(struct nlmsghdr *m, const struct c25_rule *r,
	const struct c25_piece *p, uint32_t set_id)
{
	bool six = r->family == C25_V6;

	switch (p->kind) {
	case C25_PIECE_SADDR:
	case C25_PIECE_DADDR:
		expr_address(m, r->family, p->kind == C25_PIECE_SADDR,
			NFT_REG_1);
		expr_in_set(m, set_id);
		break;
	case C25_PIECE_ORIGINAL_SADDR:
		expr_ct(m, six ? NFT_CT_SRC_IP6 : NFT_CT_SRC_IP, true);
		expr_in_set(m, set_id);
		break;
	case C25_PIECE_ORIGINAL_DADDR:
		expr_ct(m, six ? NFT_CT_DST_IP6 : NFT_CT_DST_IP, true);
		expr_in_set(m, set_id);
		break;
	case C25_PIECE_ESTABLISHED:
		expr_ct_bits(m, NFT_CT_STATE, STATE_BITS);
		break;
	case C25_PIECE_TRANSLATED:
		expr_ct_bits(m, NFT_CT_STATUS, IPS_DST_NAT);
		break;
	case C25_PIECE_TCP:
		expr_byte(m, NFT_META_L4PROTO, IPPROTO_TCP);
		break;
	case C25_PIECE_UDP:
		expr_byte(m, NFT_META_L4PROTO, IPPROTO_UDP);
		break;
	default:
		break;
	}
}

static void
encode_action(struct nlmsghdr *m, const struct c25_rule *r,
	const struct c25_piece *p)
{
	bool six = r->family == C25_V6;

	switch (p->kind) {
	case C25_PIECE_DNAT:
		expr_dnat(m, r->family);
		break;
	case C25_PIECE_MASQUERADE:
		expr_masquerade(m);
		break;
	case C25_PIECE_RESET:
		expr_reject(m, NFT_REJECT_TCP_RST, 0);
		break;
	case C25_PIECE_PORT_UNREACHABLE:
		expr_reject(m, NFT_REJECT_ICMP_UNREACH, six ?
			ICMPV6_PORT_UNREACHABLE : ICMP_PORT_UNREACHABLE);
		break;
	case C25_PIECE_UNREACHABLE:
		expr_reject(m, NFT_REJECT_ICMP_UNREACH, six ?
			ICMPV6_ADDRESS_UNREACHABLE : ICMP_HOST_UNREACHABLE);
		break;
	case C25_PIECE_DROP:
		expr_verdict(m, NF_DROP);
		break;
	case C25_PIECE_ACCEPT:
		expr_verdict(m, NF_ACCEPT);
		break;
	default:
		break;
	}
}

static void
encode_piece(struct nlmsghdr *m, const struct c25_ruleset *rs,
	const struct c25_rule *r, size_t i, uint32_t set_id)
{
	const struct c25_piece *p = &r->pieces[i];

	switch (p->kind) {
	case C25_PIECE_IIF:
		expr_interface(m, NFT_META_IIFNAME, NFT_CMP_EQ, rs->overlay);
		break;
	case C25_PIECE_NOT_IIF:
		expr_interface(m, NFT_META_IIFNAME, NFT_CMP_NEQ,
			rs->overlay);
		break;
	case C25_PIECE_OIF:
		expr_interface(m, NFT_META_OIFNAME, NFT_CMP_EQ, rs->overlay);
		break;
	case C25_PIECE_NOT_OIF:
		expr_interface(m, NFT_META_OIFNAME, NFT_CMP_NEQ,
			rs->overlay);
		break;
	case C25_PIECE_COUNT:
		/* what is not in the map isn't counted as translated */
		if (i + 1 < r->count && r->pieces[i + 1].kind ==
		    C25_PIECE_DNAT)
			expr_map(m, r->pieces[i + 1].map);
		expr_counter(m, p->counter);
		break;
	default:
		encode_condition(m, r, p, set_id);
		encode_action(m, r, p);
	}
}

static void
encode_rule(struct c25_nft *n, const struct c25_ruleset *rs,
	const struct c25_rule *r, uint32_t set_id)
{
	struct c25_nft_part *p = &n->parts[C25_PART_HEAD];
	const char *chain = c25_chains[r->chain].name;
	struct nlmsghdr *m = c25_nft_message(n, p, NFT_MSG_NEWRULE,
		NLM_F_CREATE | NLM_F_APPEND, chain, r);
	struct nlattr *list;

	if (m == NULL)
		return;
	mnl_attr_put_strz(m, NFTA_RULE_TABLE, C25_NFT_TABLE);
	mnl_attr_put_strz(m, NFTA_RULE_CHAIN, chain);
	list = mnl_attr_nest_start(m, NFTA_RULE_EXPRESSIONS);
	if (r->family != C25_UNSET)
		expr_byte(m, NFT_META_NFPROTO, r->family == C25_V6 ?
			NFPROTO_IPV6 : NFPROTO_IPV4);
	for (size_t i = 0; i < r->count; i++)
		encode_piece(m, rs, r, i, set_id);
	mnl_attr_nest_end(m, list);
	c25_nft_message_end(p, m);
}

/* ---- sets inside rules -------------------------------------------------- */

static struct nlmsghdr *
set_elements(struct c25_nft *n, uint32_t id, struct nlattr **list)
{
	struct nlmsghdr *m = c25_nft_message(n, &n->parts[C25_PART_HEAD],
		NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL,
		"a set of addresses", NULL);

	if (m == NULL)
		return NULL;
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, C25_NFT_TABLE);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, "__set%d");
	put_be32(m, NFTA_SET_ELEM_LIST_SET_ID, id);
	*list = mnl_attr_nest_start(m, NFTA_SET_ELEM_LIST_ELEMENTS);
	return m;
}

static void
set_bound(struct nlmsghdr *m, const struct c25_addr *a, bool end)
{
	struct nlattr *e = mnl_attr_nest_start(m, NFTA_LIST_ELEM);

	put_value(m, NFTA_SET_ELEM_KEY, a->bytes, c25_addr_len(a));
	if (end)
		put_be32(m, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	mnl_attr_nest_end(m, e);
}

/* Ranges as an interval set has them: the first of each, and the first that
 * isn't in it any more. */
static void
encode_ranges(struct c25_nft *n, const struct c25_ranges *r, uint32_t id)
{
	struct c25_nft_part *p = &n->parts[C25_PART_HEAD];
	struct c25_addr end;
	struct nlattr *list;
	struct nlmsghdr *m = NULL;

	for (size_t i = 0; i < r->count; i++) {
		if (m == NULL && (m = set_elements(n, id, &list)) == NULL)
			return;
		set_bound(m, &r->items[i].first, false);
		if (c25_addr_add(&end, &r->items[i].last, 1) == 0)
			set_bound(m, &end, true);
		if (m->nlmsg_len > ELEMENTS_BYTES) {
			mnl_attr_nest_end(m, list);
			c25_nft_message_end(p, m);
			m = NULL;
		}
	}
	if (m != NULL) {
		mnl_attr_nest_end(m, list);
		c25_nft_message_end(p, m);
	}
}

/* A set for one rule. Returns: its id. */
static uint32_t
encode_set(struct c25_nft *n, const struct c25_ranges *r)
{
	struct c25_nft_part *p = &n->parts[C25_PART_HEAD];
	enum c25_family family = r->items[0].first.family;
	struct nlmsghdr *m = c25_nft_message(n, p, NFT_MSG_NEWSET,
		NLM_F_CREATE, "a set of addresses", NULL);
	uint32_t id = ++n->set_id;

	if (m == NULL)
		return id;
	mnl_attr_put_strz(m, NFTA_SET_TABLE, C25_NFT_TABLE);
	mnl_attr_put_strz(m, NFTA_SET_NAME, "__set%d");
	put_be32(m, NFTA_SET_FLAGS, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT |
		NFT_SET_INTERVAL);
	put_be32(m, NFTA_SET_KEY_TYPE, address_type(family));
	put_be32(m, NFTA_SET_KEY_LEN, address_len(family));
	put_be32(m, NFTA_SET_ID, id);
	c25_nft_message_end(p, m);
	encode_ranges(n, r, id);
	return id;
}

static void
encode_rules(struct c25_nft *n, const struct c25_ruleset *rs)
{
	for (size_t i = 0; i < rs->count; i++) {
		const struct c25_rule *r = &rs->rules[i];
		uint32_t id = 0;

		for (size_t k = 0; k < r->count; k++)
			if (r->pieces[k].kind >= C25_PIECE_SADDR &&
			    r->pieces[k].kind <= C25_PIECE_ORIGINAL_DADDR)
				id = encode_set(n, r->pieces[k].ranges);
		encode_rule(n, rs, r, id);
	}
}

/* ---- the table ---------------------------------------------------------- */

static void
encode_table(struct c25_nft *n, uint16_t type)
{
	struct c25_nft_part *p = &n->parts[C25_PART_HEAD];
	struct nlmsghdr *m = c25_nft_message(n, p, type,
		type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0, C25_NFT_TABLE,
		NULL);

	if (m == NULL)
		return;
	mnl_attr_put_strz(m, NFTA_TABLE_NAME, C25_NFT_TABLE);
	c25_nft_message_end(p, m);
}

static void
encode_counter(struct c25_nft *n, enum c25_counter counter)
{
	struct c25_nft_part *p = &n->parts[C25_PART_HEAD];
	struct nlmsghdr *m = c25_nft_message(n, p, NFT_MSG_NEWOBJ,
		NLM_F_CREATE, c25_counter_names[counter], NULL);

	if (m == NULL)
		return;
	mnl_attr_put_strz(m, NFTA_OBJ_TABLE, C25_NFT_TABLE);
	mnl_attr_put_strz(m, NFTA_OBJ_NAME, c25_counter_names[counter]);
	put_be32(m, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
	mnl_attr_nest_end(m, mnl_attr_nest_start(m, NFTA_OBJ_DATA));
	c25_nft_message_end(p, m);
}

static void
encode_map(struct c25_nft *n, const struct c25_map_info *info)
{
	struct c25_nft_part *p = &n->parts[C25_PART_HEAD];
	struct nlmsghdr *m = c25_nft_message(n, p, NFT_MSG_NEWSET,
		NLM_F_CREATE, info->name, NULL);
	uint32_t type = address_type(info->family);
	uint32_t len = address_len(info->family);

	if (m == NULL)
		return;
	mnl_attr_put_strz(m, NFTA_SET_TABLE, C25_NFT_TABLE);
	mnl_attr_put_strz(m, NFTA_SET_NAME, info->name);
	put_be32(m, NFTA_SET_FLAGS, NFT_SET_MAP | NFT_SET_TIMEOUT);
	put_be32(m, NFTA_SET_KEY_TYPE, info->peers ?
		type << TYPE_BITS | type : type);
	put_be32(m, NFTA_SET_KEY_LEN, info->peers ? 2 * len : len);
	put_be32(m, NFTA_SET_DATA_TYPE, type);
	put_be32(m, NFTA_SET_DATA_LEN, len);
	put_be32(m, NFTA_SET_ID, ++n->set_id);
	put_be32(m, NFTA_SET_GC_INTERVAL, GC_INTERVAL_MS);
	c25_nft_message_end(p, m);
}

static void
encode_chain(struct c25_nft *n, const struct c25_chain_info *info)
{
	static const uint32_t hooks[] = {
		[C25_HOOK_PREROUTING] = NF_INET_PRE_ROUTING,
		[C25_HOOK_FORWARD] = NF_INET_FORWARD,
		[C25_HOOK_OUTPUT] = NF_INET_LOCAL_OUT,
		[C25_HOOK_POSTROUTING] = NF_INET_POST_ROUTING,
	};
	struct c25_nft_part *p = &n->parts[C25_PART_HEAD];
	struct nlmsghdr *m = c25_nft_message(n, p, NFT_MSG_NEWCHAIN,
		NLM_F_CREATE, info->name, NULL);
	struct nlattr *hook;

	if (m == NULL)
		return;
	mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, C25_NFT_TABLE);
	mnl_attr_put_strz(m, NFTA_CHAIN_NAME, info->name);
	hook = mnl_attr_nest_start(m, NFTA_CHAIN_HOOK);
	put_be32(m, NFTA_HOOK_HOOKNUM, hooks[info->hook]);
	put_be32(m, NFTA_HOOK_PRIORITY, (uint32_t)info->priority);
	mnl_attr_nest_end(m, hook);
	put_be32(m, NFTA_CHAIN_POLICY, NF_ACCEPT);
	mnl_attr_put_strz(m, NFTA_CHAIN_TYPE, info->nat ? "nat" : "filter");
	c25_nft_message_end(p, m);
}

void
c25_nft_anew(struct c25_nft *n, const struct c25_ruleset *rs)
{
	/* made first, so that it can be removed whether there is one or not */
	encode_table(n, NFT_MSG_NEWTABLE);
	encode_table(n, NFT_MSG_DELTABLE);
	encode_table(n, NFT_MSG_NEWTABLE);
	for (int i = 0; i < C25_COUNTERS; i++)
		encode_counter(n, (enum c25_counter)i);
	for (int i = 0; i < C25_MAPS; i++)
		if (c25_ruleset_has_map(rs, (enum c25_map)i))
			encode_map(n, &c25_map_infos[i]);
	for (int i = 0; i < C25_CHAINS; i++)
		if (c25_ruleset_has_chain(rs, (enum c25_chain)i))
			encode_chain(n, &c25_chains[i]);
	encode_rules(n, rs);
}

void
c25_nft_remove(struct c25_nft *n)
{
	encode_table(n, NFT_MSG_NEWTABLE);
	encode_table(n, NFT_MSG_DELTABLE);
}

void
c25_nft_rules(struct c25_nft *n, const struct c25_ruleset *rs)
{
	struct c25_nft_part *p = &n->parts[C25_PART_HEAD];
	struct nlmsghdr *m = c25_nft_message(n, p, NFT_MSG_DELRULE, 0,
		C25_NFT_TABLE, NULL);

	if (m == NULL)
		return;
	mnl_attr_put_strz(m, NFTA_RULE_TABLE, C25_NFT_TABLE);
	c25_nft_message_end(p, m);
	encode_rules(n, rs);
}

/* ---- elements of the maps ----------------------------------------------- */

void
c25_nft_elements_end(struct c25_nft_part *p)
{
	if (p->open == NULL)
		return;
	mnl_attr_nest_end(p->open, p->list);
	c25_nft_message_end(p, p->open);
	p->open = NULL;
}

/* The message that elements of this map are put in now. */
static struct nlmsghdr *
elements(struct c25_nft *n, struct c25_nft_part *p, enum c25_map map, bool in)
{
	const char *name = c25_map_infos[map].name;
	struct nlmsghdr *m;

	if (p->open != NULL && p->open->nlmsg_len > ELEMENTS_BYTES)
		c25_nft_elements_end(p);
	if (p->open != NULL)
		return p->open;
	m = c25_nft_message(n, p, in ? NFT_MSG_NEWSETELEM :
		NFT_MSG_DELSETELEM, in ? NLM_F_CREATE | NLM_F_EXCL : 0, name,
		NULL);
	if (m == NULL)
		return NULL;
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, C25_NFT_TABLE);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, name);
	p->list = mnl_attr_nest_start(m, NFTA_SET_ELEM_LIST_ELEMENTS);
	p->open = m;
	return m;
}

static uint64_t
timeout_of(const struct c25_element *e, uint64_t now_ms)
{
	uint64_t end = e->until_ms + C25_ELEMENT_SLACK_MS;

	return end > now_ms + 1000 ? end - now_ms : 1000;
}

static void
element(struct c25_nft *n, const struct c25_element *e, bool in,
	uint64_t now_ms)
{
	const struct c25_map_info *info = &c25_map_infos[e->map];
	struct c25_nft_part *p = &n->parts[(in ? C25_PART_IN : C25_PART_OUT) +
		(int)e->map];
	struct nlmsghdr *m = elements(n, p, e->map, in);
	size_t len = address_len(info->family), at = 0;
	struct nlattr *nest;
	uint8_t key[32];

	if (m == NULL)
		return;
	if (info->peers) {
		memcpy(key, e->source, len);
		at = len;
	}
	memcpy(key + at, e->address, len);
	nest = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
	put_value(m, NFTA_SET_ELEM_KEY, key, at + len);
	if (in) {
		put_value(m, NFTA_SET_ELEM_DATA, e->target, len);
		mnl_attr_put_u64(m, NFTA_SET_ELEM_TIMEOUT,
			htobe64(timeout_of(e, now_ms)));
	}
	mnl_attr_nest_end(m, nest);
}

void
c25_nft_change(struct c25_nft *n, const struct c25_change *change,
	uint64_t now_ms)
{
	if (change->out)
		element(n, &change->element, false, now_ms);
	if (change->in)
		element(n, &change->element, true, now_ms);
}
