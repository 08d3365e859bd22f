/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * addr.h - IP addresses and ranges: strict text form, order, arithmetic.
 *
 * Example:
 *	struct c25_addr a;
 *	char text[C25_ADDR_TEXT_MAX];
 *
 *	if (c25_addr_parse(&a, "100.64.0.1", strlen("100.64.0.1")) == 0)
 *		puts(c25_addr_format(&a, text));
 *
 * Rules: everything here is pure; no function allocates, locks or logs.
 */
#ifndef CONN25_ADDR_H
#define CONN25_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest text form with its NUL: INET6_ADDRSTRLEN. */
#define C25_ADDR_TEXT_MAX 46

/* Address families as we store them; 0 is "unset". */
enum c25_family { C25_UNSET = 0, C25_V4 = 4, C25_V6 = 6 };

/* One address, by value. Unused bytes are zero, so memcmp() compares. */
struct c25_addr {
	uint8_t family;		/* enum c25_family */
	uint8_t pad[3];		/* zero */
	uint8_t bytes[16];	/* network order; v4 in the first four */
};

/* An inclusive range; both ends have one family and first <= last. */
struct c25_range {
	struct c25_addr first;
	struct c25_addr last;
};

/*
 * Parse a literal address: dotted quad without leading zeros, or RFC 4291
 * text without a zone. No port, no brackets, no blanks. An IPv4-mapped IPv6
 * address (::ffff:1.2.3.4) stays IPv6: see c25_addr_unmap().
 * Returns: 0, or -EINVAL.
 */
int c25_addr_parse(struct c25_addr *out, const char *text, size_t len)
	__attribute__((warn_unused_result));

/* Text of an address, RFC 5952; "-" when unset. Returns: buf. */
const char *c25_addr_format(const struct c25_addr *a,
	char buf[static C25_ADDR_TEXT_MAX]);

/* Build from raw bytes (4 or 16 of them). Returns: the address. */
struct c25_addr c25_addr_v4(const uint8_t bytes[static 4]);
struct c25_addr c25_addr_v6(const uint8_t bytes[static 16]);

/* ::ffff:a.b.c.d becomes a.b.c.d, anything else is returned as it is. */
struct c25_addr c25_addr_unmap(const struct c25_addr *a);

/*
 * Where packets to an IPv6 address end when a translator or a tunnel is on
 * their way: the IPv4 address within those of NAT64 (64:ff9b::/96), 6to4
 * (2002::/16), IPv4-compatible (::/96) and IPv4-mapped ones; anything else is
 * returned as it is. Ref: RFC 6052, RFC 3056, RFC 4291 2.5.5.
 */
struct c25_addr c25_addr_inner(const struct c25_addr *a);

/* Family first, then bytes. Returns: <0, 0, >0. */
int c25_addr_cmp(const struct c25_addr *a, const struct c25_addr *b);
bool c25_addr_eq(const struct c25_addr *a, const struct c25_addr *b);

/* Number of address bytes: 4, 16, or 0 when unset. */
size_t c25_addr_len(const struct c25_addr *a);

/* a + n within the family. Returns: 0, or -ERANGE past the last address. */
int c25_addr_add(struct c25_addr *out, const struct c25_addr *a, uint64_t n)
	__attribute__((warn_unused_result));

/*
 * b - a, saturating at UINT64_MAX. Both of one family and a <= b, else 0.
 */
uint64_t c25_addr_distance(const struct c25_addr *a,
	const struct c25_addr *b);

/*
 * Parse "10.0.0.0/8", "10.0.0.1-10.0.0.9" or a lone address. Host bits set
 * in a prefix are an error, as a typing mistake is likelier than intent.
 * Returns: 0, -EINVAL (text), -ERANGE (first > last, or host bits set).
 */
int c25_range_parse(struct c25_range *out, const char *text, size_t len)
	__attribute__((warn_unused_result));

bool c25_range_contains(const struct c25_range *r, const struct c25_addr *a);
bool c25_range_overlaps(const struct c25_range *a, const struct c25_range *b);

/* Addresses in the range, saturating at UINT64_MAX. */
uint64_t c25_range_count(const struct c25_range *r);

/* "first-last" or the prefix when it is one. Returns: buf. */
const char *c25_range_format(const struct c25_range *r,
	char buf[static 2 * C25_ADDR_TEXT_MAX]);

/*
 * Addresses that are never assigned, whatever a configuration says:
 * unspecified, loopback, link-local (cloud metadata is there), multicast,
 * broadcast, and the IPv4-mapped forms of these. A client is given them as
 * they are.
 * Ref: RFC 6890, RFC 3927, RFC 4291.
 */
bool c25_addr_is_special(const struct c25_addr *a);

/*
 * Addresses that a connector never leads to: the special ones, those reserved
 * (240.0.0.0/4), where clouds have metadata outside link-local, and what leads
 * to one of these as IPv4-compatible, 6to4 and NAT64 address. Site-local ones
 * (fec0::/10) are like any others since RFC 3879.
 * Ref: RFC 1112 4, RFC 4291 2.5.5.1, RFC 3056, RFC 6052.
 */
bool c25_addr_is_forbidden(const struct c25_addr *a);

/* Returns: what makes it forbidden, as "loopback"; NULL: it isn't. */
const char *c25_addr_forbidden(const struct c25_addr *a);

#endif
