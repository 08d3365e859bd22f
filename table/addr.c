/* SPDX-License-Identifier: BSD-3-Clause */
/* IP addresses and ranges: parsing, printing, order and arithmetic. */

#include "conn25/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct c25_addr
c25_addr_v4(const uint8_t bytes[static 4])
{
	struct c25_addr a = { .family = C25_V4 };

	memcpy(a.bytes, bytes, 4);
	return a;
}

struct c25_addr
c25_addr_v6(const uint8_t bytes[static 16])
{
	struct c25_addr a = { .family = C25_V6 };

	memcpy(a.bytes, bytes, 16);
	return a;
}

size_t
c25_addr_len(const struct c25_addr *a)
{
	return a->family == C25_V4 ? 4 : a->family == C25_V6 ? 16 : 0;
}

int
c25_addr_parse(struct c25_addr *out, const char *text, size_t len)
{
	char buf[C25_ADDR_TEXT_MAX];
	uint8_t bytes[16];

	memset(out, 0, sizeof(*out));
	if (len == 0 || len >= sizeof(buf) || memchr(text, '\0', len) != NULL)
		return -EINVAL;
	memcpy(buf, text, len);
	buf[len] = '\0';
	/* glibc's inet_pton refuses leading zeros, blanks, ports, zones */
	if (strchr(buf, ':') == NULL) {
		if (inet_pton(AF_INET, buf, bytes) != 1)
			return -EINVAL;
		*out = c25_addr_v4(bytes);
	} else {
		if (inet_pton(AF_INET6, buf, bytes) != 1)
			return -EINVAL;
		*out = c25_addr_v6(bytes);
	}
	return 0;
}

/* inet_ntop() takes ten times as long, by way of printf(). */
static void
format_v4(const uint8_t bytes[4], char *p)
{
	for (int i = 0; i < 4; i++) {
		unsigned n = bytes[i];

		if (n >= 100)
			*p++ = (char)('0' + n / 100);
		if (n >= 10)
			*p++ = (char)('0' + n / 10 % 10);
		*p++ = (char)('0' + n % 10);
		*p++ = '.';
	}
	p[-1] = '\0';
}

const char *
c25_addr_format(const struct c25_addr *a, char buf[static C25_ADDR_TEXT_MAX])
{
	if (a->family == C25_V4)
		format_v4(a->bytes, buf);
	else if (a->family != C25_V6 || inet_ntop(AF_INET6, a->bytes, buf,
	    C25_ADDR_TEXT_MAX) == NULL)
		(void)snprintf(buf, C25_ADDR_TEXT_MAX, "-");
	return buf;
}

struct c25_addr
c25_addr_unmap(const struct c25_addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (a->family == C25_V6 && memcmp(a->bytes, mapped, 12) == 0)
		return c25_addr_v4(a->bytes + 12);
	return *a;
}

struct c25_addr
c25_addr_inner(const struct c25_addr *a)
{
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	static const uint8_t compatible[12];

	if (a->family != C25_V6)
		return *a;
	if (memcmp(a->bytes, nat64, 12) == 0 ||
	    memcmp(a->bytes, compatible, 12) == 0)
		return c25_addr_v4(a->bytes + 12);
	if (a->bytes[0] == 0x20 && a->bytes[1] == 0x02)
		return c25_addr_v4(a->bytes + 2);
	return c25_addr_unmap(a);
}

int
c25_addr_cmp(const struct c25_addr *a, const struct c25_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool
c25_addr_eq(const struct c25_addr *a, const struct c25_addr *b)
{
	return c25_addr_cmp(a, b) == 0;
}

int
c25_addr_add(struct c25_addr *out, const struct c25_addr *a, uint64_t n)
{
	struct c25_addr r = *a;
	uint64_t carry = n;

	for (size_t i = c25_addr_len(a); i-- > 0 && carry != 0;) {
		uint64_t sum = r.bytes[i] + (carry & 0xff);

		r.bytes[i] = (uint8_t)sum;
		carry = (carry >> 8) + (sum >> 8);
	}
	if (carry != 0 || c25_addr_len(a) == 0)
		return -ERANGE;
	*out = r;
	return 0;
}

uint64_t
c25_addr_distance(const struct c25_addr *a, const struct c25_addr *b)
{
	size_t len = c25_addr_len(a);
	uint8_t diff[16];
	uint64_t r = 0;
	int borrow = 0;

	if (a->family != b->family || c25_addr_cmp(a, b) > 0)
		return 0;
	for (size_t i = len; i-- > 0;) {
		int d = b->bytes[i] - a->bytes[i] - borrow;

		borrow = d < 0;
		diff[i] = (uint8_t)(d & 0xff);
	}
	for (size_t i = 0; i < len; i++) {
		if (len - i > 8 && diff[i] != 0)
			return UINT64_MAX;
		r = r << 8 | diff[i];
	}
	return r;
}

/* Split `a` at prefix length `bits` into first and last address. */
static int
prefix_range(struct c25_range *out, const struct c25_addr *a, unsigned bits)
{
	size_t len = c25_addr_len(a);

	if (bits > len * 8)
		return -EINVAL;
	out->first = out->last = *a;
	for (size_t i = 0; i < len; i++) {
		unsigned have = bits > i * 8 ? bits - (unsigned)i * 8 : 0;
		uint8_t host = have >= 8 ? 0 : (uint8_t)(0xff >> have);

		if (a->bytes[i] & host)
			return -ERANGE;
		out->last.bytes[i] |= host;
	}
	return 0;
}

int
c25_range_parse(struct c25_range *out, const char *text, size_t len)
{
	const char *slash = memchr(text, '/', len);
	const char *dash = memchr(text, '-', len);
	const char *end = text + len;
	struct c25_addr a;
	unsigned bits = 0;

	if (slash != NULL) {
		if (c25_addr_parse(&a, text, (size_t)(slash - text)) != 0)
			return -EINVAL;
		if (end - slash < 2 || end - slash > 4 ||
		    (slash[1] == '0' && end - slash > 2))
			return -EINVAL;
		for (const char *p = slash + 1; p < end; p++) {
			if (*p < '0' || *p > '9')
				return -EINVAL;
			bits = bits * 10 + (unsigned)(*p - '0');
		}
		return prefix_range(out, &a, bits);
	}
	if (dash != NULL) {
		if (c25_addr_parse(&out->first, text,
		    (size_t)(dash - text)) != 0 ||
		    c25_addr_parse(&out->last, dash + 1,
		    (size_t)(end - dash - 1)) != 0 ||
		    out->first.family != out->last.family)
			return -EINVAL;
		return c25_addr_cmp(&out->first, &out->last) > 0 ?
		    -ERANGE : 0;
	}
	if (c25_addr_parse(&out->first, text, len) != 0)
		return -EINVAL;
	out->last = out->first;
	return 0;
}

bool
c25_range_contains(const struct c25_range *r, const struct c25_addr *a)
{
	return r->first.family == a->family &&
	    c25_addr_cmp(&r->first, a) <= 0 && c25_addr_cmp(a, &r->last) <= 0;
}

bool
c25_range_overlaps(const struct c25_range *a, const struct c25_range *b)
{
	return a->first.family == b->first.family &&
	    c25_addr_cmp(&a->first, &b->last) <= 0 &&
	    c25_addr_cmp(&b->first, &a->last) <= 0;
}

uint64_t
c25_range_count(const struct c25_range *r)
{
	uint64_t d = c25_addr_distance(&r->first, &r->last);

	return d == UINT64_MAX ? d : d + 1;
}

const char *
c25_range_format(const struct c25_range *r,
    char buf[static 2 * C25_ADDR_TEXT_MAX])
{
	char a[C25_ADDR_TEXT_MAX], b[C25_ADDR_TEXT_MAX];
	unsigned bits = (unsigned)c25_addr_len(&r->first) * 8;
	struct c25_range p;

	(void)c25_addr_format(&r->first, a);
	/* the longest prefix that starts here and ends at `last` */
	for (unsigned n = 0; n <= bits; n++) {
		if (prefix_range(&p, &r->first, n) == 0 &&
		    c25_addr_eq(&p.last, &r->last)) {
			(void)snprintf(buf, 2 * C25_ADDR_TEXT_MAX, "%s/%u", a,
			    n);
			return buf;
		}
	}
	(void)snprintf(buf, 2 * C25_ADDR_TEXT_MAX, "%s-%s", a,
	    c25_addr_format(&r->last, b));
	return buf;
}

/* Returns: what is special about it, or NULL. */
static const char *
special(const struct c25_addr *a)
{
	struct c25_addr u = c25_addr_unmap(a);
	const uint8_t *b = u.bytes;
	static const uint8_t zero[15], ones[4] = { 255, 255, 255, 255 };

	if (u.family == C25_V4)
		return b[0] == 0 ? "unspecified" :	/* RFC 1122 */
		    b[0] == 127 ? "loopback" :
		    b[0] == 169 && b[1] == 254 ? "link-local" :	/* RFC 3927 */
		    (b[0] & 0xf0) == 0xe0 ? "multicast" :
		    memcmp(b, ones, 4) == 0 ? "broadcast" : NULL;
	if (u.family == C25_V6)
		return memcmp(b, zero, 15) == 0 && b[15] <= 1 ?
		    (b[15] == 0 ? "unspecified" : "loopback") :
		    b[0] == 0xfe && (b[1] & 0xc0) == 0x80 ? "link-local" :
		    b[0] == 0xff ? "multicast" : NULL;
	return "no address";
}

bool
c25_addr_is_special(const struct c25_addr *a)
{
	return special(a) != NULL;
}

/* Where clouds have metadata, besides link-local addresses. */
static const uint8_t metadata_v4[][4] = {
	{ 100, 100, 100, 200 },			/* Alibaba */
	{ 192, 0, 0, 192 },			/* Oracle */
};
static const uint8_t metadata_v6[][16] = {
	{ 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54 },	/* Amazon */
	{ 0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54 },	/* Google */
};

const char *
c25_addr_forbidden(const struct c25_addr *a)
{
	struct c25_addr u = c25_addr_inner(a);
	const uint8_t *b = u.bytes;
	const char *what = special(&u);

	if (what != NULL)
		return what;
	if (u.family == C25_V4) {
		for (size_t i = 0; i < sizeof(metadata_v4) / 4; i++)
			if (memcmp(b, metadata_v4[i], 4) == 0)
				return "a cloud's metadata";
		return b[0] >= 240 ? "reserved" : NULL;
	}
	for (size_t i = 0; i < sizeof(metadata_v6) / 16; i++)
		if (memcmp(b, metadata_v6[i], 16) == 0)
			return "a cloud's metadata";
	return NULL;
}

bool
c25_addr_is_forbidden(const struct c25_addr *a)
{
	return c25_addr_forbidden(a) != NULL;
}
