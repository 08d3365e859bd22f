/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the kernel would send a packet; see datapath_netlink.h. */
#include "datapath_netlink_private.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

static void
decode(const struct nlmsghdr *m, struct c25_nft_route *out)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(m);
	const struct nlattr *a;

	out->there = rt->rtm_type == RTN_UNICAST || rt->rtm_type == RTN_LOCAL;
	mnl_attr_for_each(a, m, sizeof(*rt))
		if (mnl_attr_get_type(a) == RTA_OIF &&
		    mnl_attr_validate(a, MNL_TYPE_U32) == 0 &&
		    rt->rtm_type == RTN_UNICAST)
			(void)if_indextoname(mnl_attr_get_u32(a),
				out->interface);
}

int
c25_nft_route(const struct c25_addr *to, struct c25_nft_route *out)
{
	char buf[8192];
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	size_t len = c25_addr_len(to);
	struct nlmsghdr *m;
	struct rtmsg *rt;
	ssize_t got;
	int r = 0;

	*out = (struct c25_nft_route){ .there = false };
	if (s == NULL)
		return -errno;
	m = mnl_nlmsg_put_header(buf);
	m->nlmsg_type = RTM_GETROUTE;
	m->nlmsg_flags = NLM_F_REQUEST;
	rt = mnl_nlmsg_put_extra_header(m, sizeof(*rt));
	rt->rtm_family = to->family == C25_V6 ? AF_INET6 : AF_INET;
	rt->rtm_dst_len = (unsigned char)(len * 8);
	mnl_attr_put(m, RTA_DST, len, to->bytes);
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(s, m, m->nlmsg_len) < 0 ||
	    (got = mnl_socket_recvfrom(s, buf, sizeof(buf))) < 0) {
		r = -errno;
	} else if (mnl_nlmsg_ok((m = (void *)buf), (int)got)) {
		/* an error is the answer that there is no route */
		if (m->nlmsg_type == RTM_NEWROUTE &&
		    mnl_nlmsg_get_payload_len(m) >= sizeof(*rt))
			decode(m, out);
	}
	(void)mnl_socket_close(s);
	return r;
}
