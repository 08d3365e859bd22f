/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * datapath_netlink_private.h - between datapath_netlink*.c; nobody else
 * includes it.
 *
 *   datapath_netlink.c         sockets, transactions, what went wrong
 *   datapath_netlink_encode.c  rules and elements as messages
 *   datapath_netlink_names.c   ... which element it was, in words
 *   datapath_netlink_watch.c   what others do to our table
 *   datapath_netlink_flows.c   connections
 *   datapath_netlink_route.c   routes
 */
#ifndef CONN25_DATAPATH_NETLINK_PRIVATE_H
#define CONN25_DATAPATH_NETLINK_PRIVATE_H

#include <netinet/in.h>	/* before those of the kernel */

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "datapath_netlink.h"

/* No message is longer: the attribute that holds a list of elements has a
 * length of 16 bits. */
#define C25_NFT_MESSAGE_MAX 65535u

/* Bytes of messages, one after the other. */
struct c25_nft_part {
	char *data;
	size_t len;
	size_t size;
	struct nlmsghdr *open;		/* element message being filled */
	struct nlattr *list;		/* ... its list of elements */
};

/* What a message is about, for errors. */
struct c25_nft_label {
	uint32_t seq;
	uint16_t type;			/* NFT_MSG_ */
	const struct c25_rule *rule;	/* of rules */
	const char *name;		/* chain, map or counter */
};

/* Elements to be taken out and put in, by map: a message holds only those of
 * one map and kind. */
enum { C25_PART_HEAD, C25_PART_OUT, C25_PART_IN = C25_PART_OUT + C25_MAPS,
	C25_PARTS = C25_PART_IN + C25_MAPS };

struct c25_nft {
	struct mnl_socket *control;	/* transactions */
	struct mnl_socket *watch;	/* NULL: c25_nft_listen() not called */
	struct mnl_socket *flows;	/* NULL: never read */
	uint32_t seq;
	uint32_t set_id;		/* of the last set in the transaction */
	struct c25_nft_part parts[C25_PARTS];
	struct c25_nft_label *labels;
	size_t label_count, label_size;
	bool failed;			/* no memory for a message */
	uint32_t flows_seq;
	char *buf;			/* for reading */
};

#define C25_NFT_BUF (64u * 1024)

/* Room for one more message. Returns: where; NULL: out of memory, noted. */
void *c25_nft_room(struct c25_nft *n, struct c25_nft_part *p);

/*
 * Begin a message of nftables in a part.
 * Returns: it; NULL: out of memory, noted. c25_nft_message_end() then.
 */
struct nlmsghdr *c25_nft_message(struct c25_nft *n, struct c25_nft_part *p,
	uint16_t type, uint16_t flags, const char *name,
	const struct c25_rule *rule);
void c25_nft_message_end(struct c25_nft_part *p, struct nlmsghdr *m);

/* Close the messages of elements that are being filled. */
void c25_nft_elements_end(struct c25_nft_part *p);

/*
 * Which element of a map is `offset` bytes into a message of ours, in words,
 * its key as nft writes it. Older kernels (6.1) name no offset, then that is 0:
 * if there are several, how many, and the first. "": it is no such message;
 * m may be NULL.
 */
#define C25_NFT_ELEMENT_TEXT (2 * C25_ADDR_TEXT_MAX + 64)
void c25_nft_element_text(const struct nlmsghdr *m, uint32_t offset,
	char out[static C25_NFT_ELEMENT_TEXT]);

/* A netfilter socket. Returns: 0; -errno, err says what. */
int c25_nft_socket(struct mnl_socket **out, struct c25_error *err);

/*
 * Read from one of the handle's sockets, at most `max` times, what there is;
 * each message goes to `fn`, until that returns otherwise than 1.
 * Returns: what fn did; 1 there was no more yet, or `max` is over; -ENOBUFS
 * as 1, but something was lost; -errno.
 */
int c25_nft_receive(struct c25_nft *n, const struct mnl_socket *s, int max,
	int (*fn)(void *ctx, const struct nlmsghdr *m), void *ctx)
	__attribute__((warn_unused_result));

/* Of a message of type NLMSG_ERROR. Returns: 0; -errno. */
int c25_nft_error(const struct nlmsghdr *m);

/* Hear of changes of nftables from now on, or no more. Returns: 0; -errno. */
int c25_nft_hear(struct c25_nft *n, bool hear)
	__attribute__((warn_unused_result));

/* The address in an attribute's payload; unset when it is none. */
struct c25_addr c25_nft_addr(const struct nlattr *a);

#endif
