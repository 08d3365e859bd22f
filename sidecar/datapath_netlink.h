/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * datapath_netlink.h - the kernel: transactions on its table `inet conn25`,
 * what others do to that table, the connections that pass through it, and
 * where packets would be routed to. Only datapath_netlink*.c know netlink.
 *
 * Example (a transaction):
 *	struct c25_nft *n;
 *
 *	r = c25_nft_open(&n, &err);
 *	c25_nft_begin(n);
 *	c25_nft_anew(n, rs);
 *	while (c25_elements_take(e, &change))
 *		c25_nft_change(n, &change, now);
 *	r = c25_nft_commit(n, false, &err);
 *
 * libmnl, and messages written by ourselves, in place of libnftables or
 * libnftnl. Measured with Linux 6.18 on a busy machine of two cores, elements
 * with timeouts in a map of ipv4_addr : ipv4_addr, per second (in the map of
 * ipv4_addr . ipv4_addr : ipv4_addr):
 *
 *	                      libmnl    +libnftnl  libnftables, text    JSON
 *	full load      1,000  494k (922k) 928k (930k)  166k (174k)  141k (87k)
 *	             100,000  861k (681k) 505k (648k)  143k (97k)   94k (67k)
 *	           1,000,000  589k (594k) 515k (497k)  143k (86k)  132k (98k)
 *	add 256 at a time,
 *	  with     1,000,000  651k (362k) 372k (452k)  158k (147k) 120k (78k)
 *	replace 256 at a time,
 *	  with     1,000,000  321k (350k) 366k (371k)   99k (86k)   87k (57k)
 *	a lone one              6-17 us     5-15 us    100-170 us  90-150 us
 *
 * The kernel's share is the same for all; libnftables spends five times that
 * on texts and on reading back what there is, libnftnl costs no time but is a
 * library more for three dozen attributes. A million in a single transaction:
 * 2.2 s, 41 MB here and 130 MB in the kernel. Listening for changes (below)
 * slows the kernel down, as it notes each of our own, too: 50k to 270k/s full
 * load, 110k to 180k/s replacing; so we don't while much is loaded. To dump a
 * million elements took 75 s (2 s for 100,000): the kernel begins each piece
 * of a dump from the front. So the maps are never read back.
 *
 * Rules
 *   threads    one.
 *   waiting    transactions and c25_nft_counters() are done by the kernel
 *              before they return; events and flows are read when their fd is
 *              readable.
 *   errors     in words for an administrator: who lacks CAP_NET_ADMIN, which
 *              kernel module is missing.
 */
#ifndef CONN25_DATAPATH_NETLINK_H
#define CONN25_DATAPATH_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn25/addr.h"
#include "conn25/error.h"
#include "datapath_elements.h"
#include "datapath_rules.h"

struct c25_nft;

/*
 * Owns: *out, until c25_nft_close(), which leaves the kernel as it is.
 * Returns: 0; -EPROTONOSUPPORT (a kernel without nfnetlink); -ENOMEM, -EMFILE,
 * other -errno of sockets. err says what.
 */
int c25_nft_open(struct c25_nft **out, struct c25_error *err)
	__attribute__((warn_unused_result));
void c25_nft_close(struct c25_nft *n);		/* NULL is fine */

/* ---- transactions ------------------------------------------------------- */

/* Begin one; forgets what was not committed. */
void c25_nft_begin(struct c25_nft *n);
/* In place of whatever table there is: an empty one with these rules. */
void c25_nft_anew(struct c25_nft *n, const struct c25_ruleset *rs);
/* Other rules in our chains; maps and counters stay. */
void c25_nft_rules(struct c25_nft *n, const struct c25_ruleset *rs);
void c25_nft_change(struct c25_nft *n, const struct c25_change *change,
	uint64_t now_ms);
/* The table shall be gone. */
void c25_nft_remove(struct c25_nft *n);

/*
 * Do all of it, or nothing. `dry`: have the kernel check it and do nothing.
 * Returns: 0; -EPERM; -ENOENT, -EEXIST, -EBUSY (the kernel hasn't what we
 * think: elements, or a module is missing when there are rules); -ENOMEM,
 * -EOPNOTSUPP, other -errno of the kernel. err says what.
 */
int c25_nft_commit(struct c25_nft *n, bool dry, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * Packets counted by each counter. Returns: 0; -ENOENT (no such table);
 * -errno.
 */
int c25_nft_counters(struct c25_nft *n, uint64_t packets[C25_COUNTERS])
	__attribute__((warn_unused_result));

/* ---- what others do to our table ---------------------------------------- */

/*
 * Have each change of nftables by anybody else shown. The fd stays the
 * handle's. Returns: the fd; -errno.
 */
int c25_nft_listen(struct c25_nft *n, struct c25_error *err)
	__attribute__((warn_unused_result));

struct c25_nft_event {
	bool ours;			/* it was our table that was changed */
	char who[64];			/* "nft (pid 123)", or "someone" */
};
/*
 * Read what there is. Returns: 1 and *out, all of it taken together; 0
 * nothing of our table; -ENOBUFS: something was lost, it may have been ours.
 */
int c25_nft_events(struct c25_nft *n, struct c25_nft_event *out)
	__attribute__((warn_unused_result));

/* ---- connections -------------------------------------------------------- */

#define C25_FLOW_TUPLE_MAX 128

/* A connection that conntrack knows, as its first packet came. */
struct c25_flow {
	struct c25_addr source;
	struct c25_addr destination;
	struct c25_addr answered_by;	/* who answers: the destination after
					 * translation */
	bool translated;		/* its destination was */
	uint8_t tuple[C25_FLOW_TUPLE_MAX];	/* private, to find it again */
	uint16_t tuple_len;
	uint16_t zone;
};

/*
 * Begin to read the connections; those whose destination was translated, or
 * with `all` every one. Again: begins anew.
 * Returns: the fd to wait for; -errno (see err).
 */
int c25_nft_flows_start(struct c25_nft *n, bool all, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * Give some to `fn`; at most `max` reads. Returns: 1 there are more, wait for
 * the fd; 0 that was all; -errno.
 */
int c25_nft_flows_read(struct c25_nft *n, int max,
	void (*fn)(void *ctx, const struct c25_flow *flow), void *ctx)
	__attribute__((warn_unused_result));

/* Let the kernel forget a connection: its next packet is a first one. */
void c25_nft_flow_forget(struct c25_nft *n, const struct c25_flow *flow);

/* ---- routes ------------------------------------------------------------- */

/* Where a packet to this address would go. */
struct c25_nft_route {
	bool there;			/* a route that leads somewhere */
	char interface[16];		/* "" when local */
};
/* Needs no privileges. Returns: 0; -errno of netlink. */
int c25_nft_route(const struct c25_addr *to, struct c25_nft_route *out)
	__attribute__((warn_unused_result));

#endif
