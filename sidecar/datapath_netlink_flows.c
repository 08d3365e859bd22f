/* SPDX-License-Identifier: BSD-3-Clause */
/* The connections that conntrack knows; see datapath_netlink.h. */
#include "datapath_netlink_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>

static struct nlmsghdr *
request(struct c25_nft *n, char *at, uint8_t type, uint16_t flags)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(at);
	struct nfgenmsg *g;

	m->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	m->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	m->nlmsg_seq = n->seq++;
	g = mnl_nlmsg_put_extra_header(m, sizeof(*g));
	g->nfgen_family = AF_UNSPEC;
	g->version = NFNETLINK_V0;
	return m;
}

/* A dump that is under way ends with its socket. */
static int
reopen(struct c25_nft *n, struct c25_error *err)
{
	if (n->flows != NULL)
		(void)mnl_socket_close(n->flows);
	n->flows = NULL;
	return c25_nft_socket(&n->flows, err);
}

int
c25_nft_flows_start(struct c25_nft *n, bool all, struct c25_error *err)
{
	char buf[256];
	struct nlmsghdr *m;
	int r = reopen(n, err);

	if (r != 0)
		return r;
	m = request(n, buf, IPCTNL_MSG_CT_GET, NLM_F_DUMP);
	if (!all) {
		/* The kernel then shows no others; older ones show all. */
		mnl_attr_put_u32(m, CTA_STATUS, htonl(IPS_DST_NAT));
		mnl_attr_put_u32(m, CTA_STATUS_MASK, htonl(IPS_DST_NAT));
	}
	n->flows_seq = m->nlmsg_seq;
	if (mnl_socket_sendto(n->flows, m, m->nlmsg_len) < 0) {
		r = -errno;
		return c25_fail(err, r, "datapath: connections can't be "
			"read: %s", strerror(-r));
	}
	return mnl_socket_get_fd(n->flows);
}

struct c25_addr
c25_nft_addr(const struct nlattr *a)
{
	const uint8_t *bytes = mnl_attr_get_payload(a);

	if (mnl_attr_get_payload_len(a) == 4)
		return c25_addr_v4(bytes);
	if (mnl_attr_get_payload_len(a) == 16)
		return c25_addr_v6(bytes);
	return (struct c25_addr){ .family = C25_UNSET };
}

/* Source and destination of a tuple. */
static void
tuple(const struct nlattr *nest, struct c25_addr *source,
	struct c25_addr *destination)
{
	const struct nlattr *a, *k;

	mnl_attr_for_each_nested(a, nest) {
		if (mnl_attr_get_type(a) != CTA_TUPLE_IP)
			continue;
		mnl_attr_for_each_nested(k, a) {
			switch (mnl_attr_get_type(k)) {
			case CTA_IP_V4_SRC:
			case CTA_IP_V6_SRC:
				*source = c25_nft_addr(k);
				break;
			case CTA_IP_V4_DST:
			case CTA_IP_V6_DST:
				*destination = c25_nft_addr(k);
				break;
			default:
				break;
			}
		}
	}
}

/* Returns: false: it is no connection between two addresses. */
static bool
decode(const struct nlmsghdr *m, struct c25_flow *flow)
{
	struct c25_addr asker;
	const struct nlattr *a;

	*flow = (struct c25_flow){ .zone = 0 };
	mnl_attr_for_each(a, m, sizeof(struct nfgenmsg)) {
		switch (mnl_attr_get_type(a)) {
		case CTA_TUPLE_ORIG:
			tuple(a, &flow->source, &flow->destination);
			flow->tuple_len = mnl_attr_get_payload_len(a);
			if (flow->tuple_len > C25_FLOW_TUPLE_MAX)
				return false;
			memcpy(flow->tuple, mnl_attr_get_payload(a),
				flow->tuple_len);
			break;
		case CTA_TUPLE_REPLY:
			tuple(a, &flow->answered_by, &asker);
			break;
		case CTA_STATUS:
			flow->translated = mnl_attr_validate(a,
				MNL_TYPE_U32) == 0 &&
				(ntohl(mnl_attr_get_u32(a)) &
				IPS_DST_NAT) != 0;
			break;
		case CTA_ZONE:
			if (mnl_attr_validate(a, MNL_TYPE_U16) == 0)
				flow->zone = ntohs(mnl_attr_get_u16(a));
			break;
		default:
			break;
		}
	}
	return flow->source.family != C25_UNSET &&
		flow->destination.family == flow->source.family;
}

struct reading {
	uint32_t seq;
	void (*fn)(void *ctx, const struct c25_flow *flow);
	void *ctx;
};

static int
one_flow(void *ctx, const struct nlmsghdr *m)
{
	const struct reading *r = ctx;
	struct c25_flow flow;

	if (m->nlmsg_seq != r->seq)
		return 1;
	if (m->nlmsg_type == NLMSG_DONE)
		return 0;
	if (m->nlmsg_type == NLMSG_ERROR)
		return c25_nft_error(m);
	if (m->nlmsg_type >> 8 == NFNL_SUBSYS_CTNETLINK &&
	    mnl_nlmsg_get_payload_len(m) >= sizeof(struct nfgenmsg) &&
	    decode(m, &flow))
		r->fn(r->ctx, &flow);
	return 1;
}

int
c25_nft_flows_read(struct c25_nft *n, int max,
	void (*fn)(void *ctx, const struct c25_flow *flow), void *ctx)
{
	struct reading r = { n->flows_seq, fn, ctx };

	return c25_nft_receive(n, n->flows, max, one_flow, &r);
}

void
c25_nft_flow_forget(struct c25_nft *n, const struct c25_flow *flow)
{
	char buf[512];
	struct nlmsghdr *m = request(n, buf, IPCTNL_MSG_CT_DELETE, 0);

	((struct nfgenmsg *)mnl_nlmsg_get_payload(m))->nfgen_family =
		flow->source.family == C25_V6 ? AF_INET6 : AF_INET;
	mnl_attr_put(m, CTA_TUPLE_ORIG | NLA_F_NESTED, flow->tuple_len,
		flow->tuple);
	if (flow->zone != 0)
		mnl_attr_put_u16(m, CTA_ZONE, htons(flow->zone));
	/* one that has ended meanwhile is as good */
	(void)mnl_socket_sendto(n->flows, m, m->nlmsg_len);
}
