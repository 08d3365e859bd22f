/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * datapath_rules.h - the rules of the kernel's table `inet conn25`, made of a
 * configuration. Pure: plain data in, plain data out; datapath_netlink.c makes
 * netlink messages of it, c25_ruleset_print() text in nft's own language.
 *
 *   packet from a LAN client        packet from this host
 *	|                                |
 *   prerouting (nat)                 output (nat)
 *	magic -> transit                 magic -> transit
 *	(peer, transit) -> destination   |
 *   refuse_prerouting                refuse_output
 *	still to a magic pool: no        still to a magic pool: no
 *	|                                |
 *   refuse_forward                      |
 *	from the overlay, not            |
 *	translated: no                   |
 *	+--------------+-----------------+
 *	          postrouting (nat)
 *	            was to magic: masquerade onto the overlay, or nowhere
 *	            was to transit: masquerade
 *
 * Example:
 *	struct c25_ruleset *rs;
 *
 *	if (c25_ruleset_new(cfg, NULL, 0, &rs) == 0)
 *		c25_ruleset_print(rs, &out);
 *	c25_ruleset_free(rs);
 *
 * Rules
 *   cost       chains of type nat see the first packet of each connection
 *              only. What refuses is of type filter, as a reset that is sent
 *              from a nat chain doesn't reach a client on this host (seen
 *              with Linux 6.18); its first rule lets established connections
 *              pass.
 *   refusing   what lets clients give up at once: TCP is reset, as most
 *              systems take ICMP in answer to a SYN as a hint and go on
 *              trying; for UDP the port is unreachable, which is an error to
 *              the sender, where an unreachable host is a hint again (RFC
 *              1122, 4.1.3.3); for anything else the host (address) is.
 *   loading    while elements are still missing in the maps what would be
 *              refused is dropped: a client tries again after a second.
 *   leaving    what was translated to a transit address leaves by the
 *              overlay or not at all: a tunnel that is down leaks nothing.
 *   connector  what comes by the overlay and doesn't leave by it again is
 *              forwarded only if it was translated: of peers to anywhere, of
 *              anybody to the apps' destinations. Forwarding, which we need,
 *              would let everybody on the overlay past conn25 otherwise.
 *              Translations of other tables (published ports of containers)
 *              count.
 */
#ifndef CONN25_DATAPATH_RULES_H
#define CONN25_DATAPATH_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "config.h"
#include "conn25/addr.h"
#include "datapath_elements.h"

#define C25_NFT_TABLE "conn25"		/* family inet */

enum c25_chain {
	C25_CHAIN_OUTPUT,
	C25_CHAIN_PREROUTING,
	C25_CHAIN_POSTROUTING,
	C25_CHAIN_REFUSE_OUTPUT,
	C25_CHAIN_REFUSE_PREROUTING,
	C25_CHAIN_REFUSE_FORWARD,
	C25_CHAINS
};

enum c25_hook {
	C25_HOOK_PREROUTING,
	C25_HOOK_FORWARD,
	C25_HOOK_OUTPUT,
	C25_HOOK_POSTROUTING,
};

struct c25_chain_info {
	const char *name;
	enum c25_hook hook;
	bool nat;			/* type nat, else filter */
	int priority;
};
extern const struct c25_chain_info c25_chains[C25_CHAINS];

/* Names of the maps, and whether keys have the peer in front. */
struct c25_map_info {
	const char *name;
	enum c25_family family;
	bool peers;
};
extern const struct c25_map_info c25_map_infos[C25_MAPS];

/* Named counters: connections translated, packets refused. */
enum c25_counter {
	C25_COUNT_CLIENT_TRANSLATED,
	C25_COUNT_CLIENT_REFUSED,
	C25_COUNT_CONNECTOR_TRANSLATED,
	C25_COUNT_CONNECTOR_REFUSED,
	C25_COUNTERS
};
extern const char *const c25_counter_names[C25_COUNTERS];

/* A piece of a rule: a condition, or what to do. */
enum c25_piece_kind {
	C25_PIECE_IIF,			/* iifname "..." */
	C25_PIECE_OIF,			/* oifname "..." */
	C25_PIECE_NOT_OIF,		/* oifname != "..." */
	C25_PIECE_NOT_IIF,
	C25_PIECE_SADDR,		/* ip saddr { ... } */
	C25_PIECE_DADDR,
	C25_PIECE_ORIGINAL_SADDR,	/* ct original ip saddr { ... } */
	C25_PIECE_ORIGINAL_DADDR,
	C25_PIECE_ESTABLISHED,		/* ct state established,related */
	C25_PIECE_TRANSLATED,		/* ct status dnat */
	C25_PIECE_TCP,			/* meta l4proto tcp */
	C25_PIECE_UDP,
	C25_PIECE_COUNT,		/* counter name "..." */
	C25_PIECE_DNAT,			/* dnat to ip daddr map @..., or to
					 * ip saddr . ip daddr map @... */
	C25_PIECE_MASQUERADE,
	C25_PIECE_RESET,		/* reject with tcp reset */
	C25_PIECE_PORT_UNREACHABLE,	/* reject */
	C25_PIECE_UNREACHABLE,		/* reject with icmp host-unreachable */
	C25_PIECE_DROP,
	C25_PIECE_ACCEPT,
};

/* Sorted, disjoint, of one family. */
struct c25_ranges {
	struct c25_range *items;
	size_t count;
};

struct c25_piece {
	enum c25_piece_kind kind;
	union {
		const struct c25_ranges *ranges;
		enum c25_map map;
		enum c25_counter counter;
	};
};

#define C25_PIECES_MAX 8
struct c25_rule {
	enum c25_chain chain;
	enum c25_family family;		/* C25_UNSET: of any */
	size_t count;
	struct c25_piece pieces[C25_PIECES_MAX];
};

#define C25_RULES_MAX 48
struct c25_ruleset {
	bool client, connector;		/* roles */
	bool loading;
	bool anywhere;			/* an app may lead everywhere */
	char overlay[16];
	/* By family: [0] v4, [1] v6. */
	struct c25_ranges magic[2], peers[2], destinations[2];
	size_t count;
	struct c25_rule rules[C25_RULES_MAX];
};

/*
 * The rules of a configuration. `outside` are magic addresses that are in no
 * pool of it but given out still; in any order.
 * Owns: *out, until c25_ruleset_free(); cfg is not needed afterwards.
 * Returns: 0; -ENOMEM.
 */
int c25_ruleset_new(const struct c25_config *cfg,
	const struct c25_range *outside, size_t outside_count,
	struct c25_ruleset **out) __attribute__((warn_unused_result));
void c25_ruleset_free(struct c25_ruleset *rs);	/* NULL is fine */

/* Make the rules for the time while the maps are filled, or for after it. */
void c25_ruleset_load(struct c25_ruleset *rs, bool loading);

/* Is there a chain or map of this number with these roles? */
bool c25_ruleset_has_chain(const struct c25_ruleset *rs,
	enum c25_chain chain);
bool c25_ruleset_has_map(const struct c25_ruleset *rs, enum c25_map map);

/* Is the address one of a magic pool? */
bool c25_ruleset_is_magic(const struct c25_ruleset *rs,
	const struct c25_addr *a);

/* As `nft -s list table inet conn25` prints it, without elements. */
void c25_ruleset_print(const struct c25_ruleset *rs, struct c25_buf *out);

/* Sort, and make one of those that touch. Pure. */
void c25_ranges_merge(struct c25_ranges *r);

#endif
