/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What others do to our table; see datapath_netlink.h. The kernel tells each
 * change to whoever listens, our own as well: a filter on the socket drops
 * those.
 *
 * The other way to notice would be the generation of the whole ruleset, which
 * each transaction raises: to ask for it costs next to nothing, and ours would
 * cost half. But it doesn't say whose table was changed, and where firewalls
 * and containers change theirs each second nothing was left but to read ours
 * back each time, which takes minutes when it is large.
 */
#include "datapath_netlink_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define RECEIVE_MAX (8 << 20)

/* Drop what our own transactions cause. All messages that come together are
 * of one transaction, so that the first tells. */
static int
filter_own(const struct c25_nft *n)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct nlmsghdr, nlmsg_pid)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			htonl(mnl_socket_get_portid(n->control)), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	return setsockopt(mnl_socket_get_fd(n->watch), SOL_SOCKET,
		SO_ATTACH_FILTER, &program, sizeof(program)) == 0 ? 0 : -errno;
}

int
c25_nft_hear(struct c25_nft *n, bool hear)
{
	int group = NFNLGRP_NFTABLES;

	return mnl_socket_setsockopt(n->watch, hear ? NETLINK_ADD_MEMBERSHIP :
		NETLINK_DROP_MEMBERSHIP, &group, sizeof(group)) < 0 ? -errno :
		0;
}

int
c25_nft_listen(struct c25_nft *n, struct c25_error *err)
{
	int value = RECEIVE_MAX, r;

	if (n->watch != NULL)
		return mnl_socket_get_fd(n->watch);
	r = c25_nft_socket(&n->watch, err);
	if (r != 0)
		return r;
	(void)setsockopt(mnl_socket_get_fd(n->watch), SOL_SOCKET,
		SO_RCVBUFFORCE, &value, sizeof(value));
	r = filter_own(n);
	if (r == 0)
		r = c25_nft_hear(n, true);
	if (r != 0) {
		(void)mnl_socket_close(n->watch);
		n->watch = NULL;
		return c25_fail(err, r, "datapath: changes of nftables can't "
			"be watched: %s", strerror(-r));
	}
	return mnl_socket_get_fd(n->watch);
}

/* Of our table? The first attribute of all these messages names one. */
static bool
is_ours(const struct nlmsghdr *m)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(m);
	const struct nlattr *a;

	if (g->nfgen_family != NFPROTO_INET)
		return false;
	mnl_attr_for_each(a, m, sizeof(*g))
		if (mnl_attr_get_type(a) == NFTA_TABLE_NAME)
			return mnl_attr_validate(a, MNL_TYPE_NUL_STRING) ==
				0 && strcmp(mnl_attr_get_str(a),
				C25_NFT_TABLE) == 0;
	return false;
}

/* The last message of a transaction says who did it. */
static void
who(const struct nlmsghdr *m, char *out, size_t size)
{
	const struct nlattr *a;
	const char *name = "someone";
	uint32_t pid = 0;

	mnl_attr_for_each(a, m, sizeof(struct nfgenmsg)) {
		int type = mnl_attr_get_type(a);

		if (type == NFTA_GEN_PROC_NAME &&
		    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0)
			name = mnl_attr_get_str(a);
		else if (type == NFTA_GEN_PROC_PID &&
		    mnl_attr_validate(a, MNL_TYPE_U32) == 0)
			pid = ntohl(mnl_attr_get_u32(a));
	}
	(void)snprintf(out, size, "%s (pid %u)", name, pid);
}

struct hearing {
	struct c25_nft_event *out;
	bool unsigned_yet;		/* ours was changed, by whom comes */
};

static int
one_message(void *ctx, const struct nlmsghdr *m)
{
	struct hearing *h = ctx;

	if (m->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
	    mnl_nlmsg_get_payload_len(m) < sizeof(struct nfgenmsg))
		return 1;
	if ((m->nlmsg_type & 0xff) == NFT_MSG_NEWGEN) {
		if (h->unsigned_yet)
			who(m, h->out->who, sizeof(h->out->who));
		h->unsigned_yet = false;
	} else if (is_ours(m)) {
		h->out->ours = true;
		h->unsigned_yet = true;
	}
	return 1;
}

int
c25_nft_events(struct c25_nft *n, struct c25_nft_event *out)
{
	struct hearing h = { .out = out };
	int r;

	*out = (struct c25_nft_event){ .who = "someone" };
	r = c25_nft_receive(n, n->watch, INT_MAX, one_message, &h);
	if (out->ours)
		return 1;
	return r == -ENOBUFS ? r : 0;
}
