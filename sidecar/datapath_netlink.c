/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets to nftables, transactions, and what went wrong with them; see
 * datapath_netlink.h. What is in the messages is datapath_netlink_encode.c's.
 */
#include "datapath_netlink_private.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SEND_MAX (1 << 29)	/* bytes of a transaction; the kernel doubles */
#define UNHEARD_MIN (1 << 20)	/* bytes of a transaction */
#define RECEIVE_MAX (4 << 20)	/* for acknowledgements and errors */

/* ---- sockets ------------------------------------------------------------ */

int
c25_nft_socket(struct mnl_socket **out, struct c25_error *err)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_NETFILTER,
		SOCK_CLOEXEC | SOCK_NONBLOCK);
	int r = -errno;

	if (s == NULL) {
		if (r == -EPROTONOSUPPORT)
			return c25_fail(err, r, "datapath: this kernel has "
				"no nfnetlink: load the modules nfnetlink "
				"and nf_tables");
		return c25_fail(err, r, "datapath: netlink: %s",
			strerror(-r));
	}
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		(void)mnl_socket_close(s);
		return c25_fail(err, r, "datapath: netlink: %s",
			strerror(-r));
	}
	*out = s;
	return 0;
}

/* As large as we may: who may not can't do transactions either. */
static void
enlarge(const struct mnl_socket *s)
{
	int fd = mnl_socket_get_fd(s), value = SEND_MAX, one = 1;

	/* in a user namespace we may not force it */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &value,
	    sizeof(value)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value,
			sizeof(value));
	value = RECEIVE_MAX;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &value,
		sizeof(value));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
}

int
c25_nft_open(struct c25_nft **out, struct c25_error *err)
{
	struct c25_nft *n = calloc(1, sizeof(*n));
	int r;

	*out = NULL;
	if (n == NULL || (n->buf = malloc(C25_NFT_BUF)) == NULL) {
		free(n);
		return c25_fail(err, -ENOMEM, "datapath: out of memory");
	}
	n->seq = (uint32_t)time(NULL);
	r = c25_nft_socket(&n->control, err);
	if (r != 0) {
		c25_nft_close(n);
		return r;
	}
	enlarge(n->control);
	*out = n;
	return 0;
}

void
c25_nft_close(struct c25_nft *n)
{
	if (n == NULL)
		return;
	if (n->control != NULL)
		(void)mnl_socket_close(n->control);
	if (n->watch != NULL)
		(void)mnl_socket_close(n->watch);
	if (n->flows != NULL)
		(void)mnl_socket_close(n->flows);
	for (int i = 0; i < C25_PARTS; i++)
		free(n->parts[i].data);
	free(n->labels);
	free(n->buf);
	free(n);
}

int
c25_nft_receive(struct c25_nft *n, const struct mnl_socket *s, int max,
	int (*fn)(void *ctx, const struct nlmsghdr *m), void *ctx)
{
	bool lost = false;

	while (max-- > 0) {
		const struct nlmsghdr *m = (void *)n->buf;
		ssize_t len = recv(mnl_socket_get_fd(s), n->buf, C25_NFT_BUF,
			MSG_DONTWAIT);
		int left = (int)len, r;

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == ENOBUFS) {
			lost = true;
			continue;
		}
		if (len < 0 && errno != EAGAIN)
			return -errno;
		if (len <= 0)
			break;
		for (; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left))
			if ((r = fn(ctx, m)) != 1)
				return r;
	}
	return lost ? -ENOBUFS : 1;
}

int
c25_nft_error(const struct nlmsghdr *m)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);

	return mnl_nlmsg_get_payload_len(m) < sizeof(*e) ? -EIO : e->error;
}

/* ---- messages ----------------------------------------------------------- */

void *
c25_nft_room(struct c25_nft *n, struct c25_nft_part *p)
{
	size_t need = p->len + C25_NFT_MESSAGE_MAX, size = p->size;
	char *data;

	if (n->failed)
		return NULL;
	if (need > size) {
		if (size == 0)
			size = C25_NFT_MESSAGE_MAX;
		while (size < need)
			size *= 2;
		data = realloc(p->data, size);
		if (data == NULL) {
			n->failed = true;
			return NULL;
		}
		p->data = data;
		p->size = size;
	}
	return p->data + p->len;
}

static bool
label(struct c25_nft *n, const struct c25_nft_label *l)
{
	if (n->label_count == n->label_size) {
		size_t size = n->label_size != 0 ? n->label_size * 2 : 128;
		struct c25_nft_label *p = realloc(n->labels, size *
			sizeof(*p));

		if (p == NULL)
			return false;
		n->labels = p;
		n->label_size = size;
	}
	n->labels[n->label_count++] = *l;
	return true;
}

struct nlmsghdr *
c25_nft_message(struct c25_nft *n, struct c25_nft_part *p, uint16_t type,
	uint16_t flags, const char *name, const struct c25_rule *rule)
{
	void *at = c25_nft_room(n, p);
	struct nfgenmsg *g;
	struct nlmsghdr *m;

	if (at == NULL || !label(n, &(struct c25_nft_label){ .seq = n->seq,
	    .type = type, .rule = rule, .name = name })) {
		n->failed = true;
		return NULL;
	}
	m = mnl_nlmsg_put_header(at);
	m->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	/* One acknowledgement for each part is enough to know that the
	 * kernel got there; errors come for every message. */
	m->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags |
		(p->len == 0 ? NLM_F_ACK : 0));
	m->nlmsg_seq = n->seq++;
	g = mnl_nlmsg_put_extra_header(m, sizeof(*g));
	g->nfgen_family = NFPROTO_INET;
	g->version = NFNETLINK_V0;
	return m;
}

void
c25_nft_message_end(struct c25_nft_part *p, struct nlmsghdr *m)
{
	p->len += MNL_ALIGN(m->nlmsg_len);
}

void
c25_nft_begin(struct c25_nft *n)
{
	for (int i = 0; i < C25_PARTS; i++) {
		struct c25_nft_part *p = &n->parts[i];

		/* what a million elements took is not needed again soon */
		if (p->size > 16 * C25_NFT_MESSAGE_MAX) {
			free(p->data);
			p->data = NULL;
			p->size = 0;
		}
		p->len = 0;
		p->open = NULL;
	}
	n->label_count = 0;
	n->set_id = 0;
	n->failed = false;
}

/* ---- what went wrong ---------------------------------------------------- */

/* The kernel modules that a rule needs. */
static void
modules_of(const struct c25_rule *rule, char *text, size_t size)
{
	bool ct = false, reject = false;
	const char *nat = "";

	for (size_t i = 0; i < rule->count; i++) {
		switch (rule->pieces[i].kind) {
		case C25_PIECE_DNAT:
			nat = " nft_nat";
			break;
		case C25_PIECE_MASQUERADE:
			nat = " nft_masq";
			break;
		case C25_PIECE_RESET:
		case C25_PIECE_PORT_UNREACHABLE:
		case C25_PIECE_UNREACHABLE:
			reject = true;
			break;
		case C25_PIECE_ESTABLISHED:
		case C25_PIECE_TRANSLATED:
		case C25_PIECE_ORIGINAL_SADDR:
		case C25_PIECE_ORIGINAL_DADDR:
			ct = true;
			break;
		default:
			break;
		}
	}
	(void)snprintf(text, size, "%s%s%s", nat, ct ? " nft_ct" : "",
		reject ? " nft_reject_inet" : "");
}

static int
explain_missing(const struct c25_nft_label *l, int code, const char *hint,
	struct c25_error *err)
{
	char modules[64] = "";

	if (l != NULL && l->type == NFT_MSG_NEWCHAIN)
		return c25_fail(err, code, "datapath: chain %s: %s%s: is the "
			"kernel module nft_chain_nat missing?", l->name,
			strerror(-code), hint);
	if (l == NULL || l->rule == NULL)
		return c25_fail(err, code, "datapath: nftables: %s%s: is the "
			"kernel module nf_tables missing, or its family inet "
			"(CONFIG_NF_TABLES_INET)?", strerror(-code), hint);
	modules_of(l->rule, modules, sizeof(modules));
	return c25_fail(err, code, "datapath: a rule of chain %s: %s%s: is "
		"a kernel module missing, one of%s?", l->name,
		strerror(-code), hint, modules);
}

static int
explain(const struct c25_nft_label *l, int code, const char *hint,
	struct c25_error *err)
{
	if (code == -EPERM)
		return c25_fail(err, code, "datapath: nftables: %s: conn25d "
			"needs the capability CAP_NET_ADMIN: start it as "
			"root, or give it that (in a systemd unit "
			"AmbientCapabilities=CAP_NET_ADMIN)", strerror(-code));
	if (code == -EOPNOTSUPP || code == -EPROTONOSUPPORT ||
	    code == -EAFNOSUPPORT || (code == -ENOENT && l != NULL &&
	    (l->rule != NULL || l->type == NFT_MSG_NEWCHAIN)))
		return explain_missing(l, code, hint, err);
	if (l == NULL)
		return c25_fail(err, code, "datapath: nftables: %s%s",
			strerror(-code), hint);
	return c25_fail(err, code, "datapath: nftables: %s%s%s: %s%s",
		l->rule != NULL ? "a rule of chain " : "", l->name,
		l->type == NFT_MSG_NEWSETELEM ? ": putting elements in" :
		l->type == NFT_MSG_DELSETELEM ? ": taking elements out" : "",
		strerror(-code), hint);
}

/* One of ours, in the transaction. */
static const struct nlmsghdr *
message_of(const struct c25_nft *n, uint32_t seq)
{
	for (int i = 0; i < C25_PARTS; i++) {
		const struct nlmsghdr *m = (void *)n->parts[i].data;
		int left = (int)n->parts[i].len;

		for (; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left))
			if (m->nlmsg_seq == seq)
				return m;
	}
	return NULL;
}

/* The kernel's own words, if it has any, and the element that it means. */
static void
hint_of(const struct c25_nft *n, const struct nlmsghdr *m, char *out,
	size_t size)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);
	const uint16_t extras = NLM_F_ACK_TLVS | NLM_F_CAPPED;
	char element[C25_NFT_ELEMENT_TEXT] = "";
	const struct nlattr *a;
	const char *words = "";
	uint32_t offset = 0;

	if ((m->nlmsg_flags & extras) == extras)
		mnl_attr_for_each(a, m, sizeof(*e)) {
			if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MSG &&
			    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0)
				words = mnl_attr_get_str(a);
			else if (mnl_attr_get_type(a) ==
			    NLMSGERR_ATTR_OFFS &&
			    mnl_attr_validate(a, MNL_TYPE_U32) == 0)
				offset = mnl_attr_get_u32(a);
		}
	c25_nft_element_text(message_of(n, e->msg.nlmsg_seq), offset,
		element);
	(void)snprintf(out, size, "%s%s%s%s%s%s", *words ? " (" : "", words,
		*words ? ")" : "", *element ? " (" : "", element,
		*element ? ")" : "");
}

struct answers {
	const struct c25_nft *n;
	struct c25_error *err;
	bool acknowledged;
	int result;			/* the first error */
};

/* One answer. */
static int
answer(void *ctx, const struct nlmsghdr *m)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);
	const struct c25_nft_label *l = NULL;
	struct answers *a = ctx;
	char hint[256];

	if (m->nlmsg_type != NLMSG_ERROR ||
	    mnl_nlmsg_get_payload_len(m) < sizeof(*e))
		return 1;
	if (e->error == 0) {
		a->acknowledged = true;
		return 1;
	}
	if (a->result != 0)
		return 1;
	for (size_t i = 0; i < a->n->label_count; i++)
		if (a->n->labels[i].seq == e->msg.nlmsg_seq)
			l = &a->n->labels[i];
	hint_of(a->n, m, hint, sizeof(hint));
	a->result = explain(l, e->error, hint, a->err);
	return 1;
}

/* Read all answers. Returns: 0; the first error. */
static int
answers(struct c25_nft *n, struct c25_error *err)
{
	struct answers a = { .n = n, .err = err };
	int r = c25_nft_receive(n, n->control, INT_MAX, answer, &a);

	if (a.result != 0)
		return a.result;
	if (r == -ENOBUFS)
		return c25_fail(err, r, "datapath: nftables: answers were "
			"lost");
	if (!a.acknowledged)
		return c25_fail(err, -EIO, "datapath: nftables: the kernel "
			"doesn't answer");
	return 0;
}

/* ---- the generation ----------------------------------------------------- */

static int
one_generation(void *ctx, const struct nlmsghdr *m)
{
	const struct nlattr *a;

	if (m->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN) ||
	    mnl_nlmsg_get_payload_len(m) < sizeof(struct nfgenmsg))
		return -EIO;
	mnl_attr_for_each(a, m, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(a) == NFTA_GEN_ID &&
		    mnl_attr_validate(a, MNL_TYPE_U32) == 0) {
			*(uint32_t *)ctx = ntohl(mnl_attr_get_u32(a));
			return 0;
		}
	return -EIO;
}

/* The number that each transaction of anybody raises by one. */
static int
generation(struct c25_nft *n, uint32_t *out)
{
	char request[64];
	struct nlmsghdr *m = mnl_nlmsg_put_header(request);
	struct nfgenmsg *g;
	int r;

	m->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
	m->nlmsg_flags = NLM_F_REQUEST;
	m->nlmsg_seq = n->seq++;
	g = mnl_nlmsg_put_extra_header(m, sizeof(*g));
	g->nfgen_family = AF_UNSPEC;
	g->version = NFNETLINK_V0;
	if (mnl_socket_sendto(n->control, m, m->nlmsg_len) < 0)
		return -errno;
	r = c25_nft_receive(n, n->control, INT_MAX, one_generation, out);
	return r == 1 ? -EIO : r;
}

/* ---- transactions ------------------------------------------------------- */

/* The message that begins or ends a transaction; `gen` 0: of whichever
 * generation, else of that one only. */
static size_t
bracket(struct c25_nft *n, uint16_t type, uint32_t gen, char *at)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(at);
	struct nfgenmsg *g;

	m->nlmsg_type = type;
	m->nlmsg_flags = NLM_F_REQUEST;
	m->nlmsg_seq = n->seq++;
	g = mnl_nlmsg_put_extra_header(m, sizeof(*g));
	g->nfgen_family = AF_UNSPEC;
	g->version = NFNETLINK_V0;
	g->res_id = htons(NFNL_SUBSYS_NFTABLES);
	if (gen != 0)
		mnl_attr_put_u32(m, NFNL_BATCH_GENID, htonl(gen));
	return m->nlmsg_len;
}

#define BRACKET_BYTES 64

/* What the parts hold. */
static int
transact(struct c25_nft *n, uint32_t gen, bool dry, struct c25_error *err)
{
	char first[BRACKET_BYTES], last[BRACKET_BYTES];
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct iovec iov[C25_PARTS + 2] = { { first, 0 } };
	struct msghdr msg = { .msg_name = &kernel,
		.msg_namelen = sizeof(kernel), .msg_iov = iov,
		.msg_iovlen = 1 };
	int r;

	for (int i = 0; i < C25_PARTS; i++)
		if (n->parts[i].len > 0)
			iov[msg.msg_iovlen++] = (struct iovec){
				n->parts[i].data, n->parts[i].len };
	iov[0].iov_len = bracket(n, NFNL_MSG_BATCH_BEGIN, gen, first);
	/* without its end the kernel checks a transaction, and that is all */
	if (!dry)
		iov[msg.msg_iovlen++] = (struct iovec){ last,
			bracket(n, NFNL_MSG_BATCH_END, 0, last) };
	do
		r = sendmsg(mnl_socket_get_fd(n->control), &msg, 0) < 0 ?
			-errno : 0;
	while (r == -EINTR);
	if (r != 0)
		return explain(NULL, r, "", err);
	return answers(n, err);
}

/*
 * A large one, without listening to changes meanwhile: the kernel notes each
 * element for whoever listens, which takes it twice the time of all the rest.
 * By the generation we know if there was anything to hear.
 * Returns: 0; -ERESTART try again; -errno.
 */
static int
transact_unheard(struct c25_nft *n, struct c25_error *err)
{
	uint32_t before, after;
	int r, back;

	r = generation(n, &before);
	if (r != 0)
		return c25_fail(err, -ERESTART, "datapath: nftables: %s",
			strerror(-r));
	(void)!c25_nft_hear(n, false);	/* it is only slower */
	r = transact(n, before, false, err);
	back = c25_nft_hear(n, true);
	if (r != 0)
		return r;
	if (back != 0)
		return c25_fail(err, back, "datapath: changes of nftables "
			"can't be watched: %s", strerror(-back));
	if (++before == 0)
		before = 1;
	if (generation(n, &after) != 0 || after != before)
		return c25_fail(err, -ERESTART, "datapath: nftables: "
			"changed by someone at the same time");
	return 0;
}

int
c25_nft_commit(struct c25_nft *n, bool dry, struct c25_error *err)
{
	size_t bytes = 0;
	int r = -ERESTART;

	for (int i = 0; i < C25_PARTS; i++) {
		c25_nft_elements_end(&n->parts[i]);
		bytes += n->parts[i].len;
	}
	if (n->failed)
		return c25_fail(err, -ENOMEM, "datapath: out of memory");
	if (bytes == 0)
		return 0;
	/* each time may be in vain, where others don't rest */
	for (int i = 0; i < 2 && r == -ERESTART && bytes > UNHEARD_MIN &&
	    !dry && n->watch != NULL; i++)
		r = transact_unheard(n, err);
	return r == -ERESTART ? transact(n, 0, dry, err) : r;
}

/* ---- counters ----------------------------------------------------------- */

/* One object of a dump: ours, and which? */
static void
counter(const struct nlmsghdr *m, uint64_t packets[C25_COUNTERS])
{
	const struct nlattr *a, *k;
	const char *table = "", *name = "";
	uint64_t count = 0;

	mnl_attr_for_each(a, m, sizeof(struct nfgenmsg)) {
		int type = mnl_attr_get_type(a);
		bool text = mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0;

		if (type == NFTA_OBJ_TABLE && text)
			table = mnl_attr_get_str(a);
		else if (type == NFTA_OBJ_NAME && text)
			name = mnl_attr_get_str(a);
		else if (type == NFTA_OBJ_DATA)
			mnl_attr_for_each_nested(k, a)
				if (mnl_attr_get_type(k) ==
				    NFTA_COUNTER_PACKETS &&
				    mnl_attr_validate(k, MNL_TYPE_U64) == 0)
					count = be64toh(mnl_attr_get_u64(k));
	}
	if (strcmp(table, C25_NFT_TABLE) != 0)
		return;
	for (int i = 0; i < C25_COUNTERS; i++)
		if (strcmp(name, c25_counter_names[i]) == 0)
			packets[i] = count;
}

static bool
ask_counters(struct c25_nft *n)
{
	char request[256];
	struct nlmsghdr *m = mnl_nlmsg_put_header(request);
	struct nfgenmsg *g;

	m->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETOBJ;
	m->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	m->nlmsg_seq = n->seq++;
	g = mnl_nlmsg_put_extra_header(m, sizeof(*g));
	g->nfgen_family = NFPROTO_INET;
	g->version = NFNETLINK_V0;
	mnl_attr_put_strz(m, NFTA_OBJ_TABLE, C25_NFT_TABLE);
	mnl_attr_put_u32(m, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	return mnl_socket_sendto(n->control, m, m->nlmsg_len) >= 0;
}

static int
one_counter(void *ctx, const struct nlmsghdr *m)
{
	if (m->nlmsg_type == NLMSG_DONE)
		return 0;
	if (m->nlmsg_type == NLMSG_ERROR)
		return c25_nft_error(m);
	if (mnl_nlmsg_get_payload_len(m) >= sizeof(struct nfgenmsg))
		counter(m, ctx);
	return 1;
}

int
c25_nft_counters(struct c25_nft *n, uint64_t packets[C25_COUNTERS])
{
	int r;

	memset(packets, 0, C25_COUNTERS * sizeof(*packets));
	if (!ask_counters(n))
		return -errno;
	r = c25_nft_receive(n, n->control, INT_MAX, one_counter, packets);
	return r == 1 ? -EIO : r;
}
