/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules of datapath_rules.h as nft's own text; nothing else. */
#include "datapath_rules.h"

static const char *const hooks[] = {
	[C25_HOOK_PREROUTING] = "prerouting",
	[C25_HOOK_FORWARD] = "forward",
	[C25_HOOK_OUTPUT] = "output",
	[C25_HOOK_POSTROUTING] = "postrouting",
};

/* As nft writes it where it has a name for it. */
static void
print_priority(const struct c25_chain_info *c, struct c25_buf *out)
{
	if (c->hook == C25_HOOK_PREROUTING && c->priority == -100)
		c25_buf_lit(out, "dstnat");
	else if (c->hook == C25_HOOK_PREROUTING && c->priority == -90)
		c25_buf_lit(out, "dstnat + 10");
	else if (c->hook == C25_HOOK_POSTROUTING && c->priority == 100)
		c25_buf_lit(out, "srcnat");
	else if (c->priority == 0)
		c25_buf_lit(out, "filter");
	else
		c25_buf_format(out, "%d", c->priority);
}

/* One address, a prefix, or first-last. */
static void
print_range(const struct c25_range *range, struct c25_buf *out)
{
	char text[2 * C25_ADDR_TEXT_MAX];

	if (c25_addr_eq(&range->first, &range->last))
		c25_buf_str(out, c25_addr_format(&range->first, text));
	else
		c25_buf_str(out, c25_range_format(range, text));
}

static void
print_ranges(const char *what, enum c25_family family,
	const struct c25_ranges *r, struct c25_buf *out)
{
	if (what[0] == 'c')
		c25_buf_format(out, "ct original ip%s %s { ",
			family == C25_V6 ? "6" : "", what + 1);
	else
		c25_buf_format(out, "ip%s %s { ", family == C25_V6 ? "6" :
			"", what);
	for (size_t i = 0; i < r->count; i++) {
		if (i > 0)
			c25_buf_lit(out, ", ");
		print_range(&r->items[i], out);
	}
	c25_buf_lit(out, " }");
}

static void
print_dnat(enum c25_map map, struct c25_buf *out)
{
	const struct c25_map_info *m = &c25_map_infos[map];
	const char *ip = m->family == C25_V6 ? "ip6" : "ip";

	c25_buf_format(out, "dnat %s to ", ip);
	if (m->peers)
		c25_buf_format(out, "%s saddr . ", ip);
	c25_buf_format(out, "%s daddr map @%s", ip, m->name);
}

static void
print_piece(const struct c25_ruleset *rs, const struct c25_rule *rule,
	const struct c25_piece *p, struct c25_buf *out)
{
	static const char *const words[] = {
		[C25_PIECE_IIF] = "iifname",
		[C25_PIECE_OIF] = "oifname",
		[C25_PIECE_NOT_OIF] = "oifname !=",
		[C25_PIECE_NOT_IIF] = "iifname !=",
		[C25_PIECE_SADDR] = "saddr",
		[C25_PIECE_DADDR] = "daddr",
		[C25_PIECE_ORIGINAL_SADDR] = "csaddr",
		[C25_PIECE_ORIGINAL_DADDR] = "cdaddr",
		[C25_PIECE_ESTABLISHED] = "ct state established,related",
		[C25_PIECE_TRANSLATED] = "ct status dnat",
		[C25_PIECE_TCP] = "meta l4proto tcp",
		[C25_PIECE_UDP] = "meta l4proto udp",
		[C25_PIECE_MASQUERADE] = "masquerade",
		[C25_PIECE_RESET] = "reject with tcp reset",
		[C25_PIECE_DROP] = "drop",
		[C25_PIECE_ACCEPT] = "accept",
	};

	switch (p->kind) {
	case C25_PIECE_IIF:
	case C25_PIECE_OIF:
	case C25_PIECE_NOT_OIF:
	case C25_PIECE_NOT_IIF:
		c25_buf_format(out, "%s \"%s\"", words[p->kind],
			rs->overlay);
		break;
	case C25_PIECE_SADDR:
	case C25_PIECE_DADDR:
	case C25_PIECE_ORIGINAL_SADDR:
	case C25_PIECE_ORIGINAL_DADDR:
		print_ranges(words[p->kind], rule->family, p->ranges, out);
		break;
	case C25_PIECE_COUNT:
		c25_buf_format(out, "counter name \"%s\"",
			c25_counter_names[p->counter]);
		break;
	case C25_PIECE_DNAT:
		print_dnat(p->map, out);
		break;
	case C25_PIECE_PORT_UNREACHABLE:
		c25_buf_str(out, rule->family == C25_V6 ?
			"reject with icmpv6 port-unreachable" :
			"reject with icmp port-unreachable");
		break;
	case C25_PIECE_UNREACHABLE:
		c25_buf_str(out, rule->family == C25_V6 ?
			"reject with icmpv6 addr-unreachable" :
			"reject with icmp host-unreachable");
		break;
	default:
		c25_buf_str(out, words[p->kind]);
	}
}

static void
print_chain(const struct c25_ruleset *rs, enum c25_chain chain,
	struct c25_buf *out)
{
	const struct c25_chain_info *c = &c25_chains[chain];

	c25_buf_format(out, "\n\tchain %s {\n\t\ttype %s hook %s priority ",
		c->name, c->nat ? "nat" : "filter", hooks[c->hook]);
	print_priority(c, out);
	c25_buf_lit(out, "; policy accept;\n");
	for (size_t i = 0; i < rs->count; i++) {
		const struct c25_rule *r = &rs->rules[i];

		if (r->chain != chain)
			continue;
		c25_buf_lit(out, "\t\t");
		if (r->family != C25_UNSET &&
		    r->pieces[0].kind != C25_PIECE_SADDR &&
		    r->pieces[0].kind != C25_PIECE_DADDR)
			c25_buf_format(out, "meta nfproto ipv%d ",
				r->family);
		for (size_t k = 0; k < r->count; k++) {
			if (k > 0)
				c25_buf_lit(out, " ");
			print_piece(rs, r, &r->pieces[k], out);
		}
		c25_buf_lit(out, "\n");
	}
	c25_buf_lit(out, "\t}\n");
}

void
c25_ruleset_print(const struct c25_ruleset *rs, struct c25_buf *out)
{
	c25_buf_format(out, "table inet %s {\n", C25_NFT_TABLE);
	for (int i = 0; i < C25_COUNTERS; i++)
		c25_buf_format(out, "%s\tcounter %s {\n\t}\n",
			i > 0 ? "\n" : "", c25_counter_names[i]);
	for (int i = 0; i < C25_MAPS; i++) {
		const struct c25_map_info *m = &c25_map_infos[i];
		const char *type = m->family == C25_V6 ? "ipv6_addr" :
			"ipv4_addr";

		if (!c25_ruleset_has_map(rs, (enum c25_map)i))
			continue;
		c25_buf_format(out, "\n\tmap %s {\n\t\ttype %s", m->name,
			type);
		if (m->peers)
			c25_buf_format(out, " . %s", type);
		c25_buf_format(out, " : %s\n\t\tflags timeout\n"
			"\t\tgc-interval 30s\n\t}\n", type);
	}
	for (int i = 0; i < C25_CHAINS; i++)
		if (c25_ruleset_has_chain(rs, (enum c25_chain)i))
			print_chain(rs, (enum c25_chain)i, out);
	c25_buf_lit(out, "}\n");
}
