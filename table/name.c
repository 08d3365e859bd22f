/* SPDX-License-Identifier: BSD-3-Clause */
/* Domain names between presentation format and canonical wire form. */

#include "conn25/name.h"
#include "conn25/addr.h"

#include <errno.h>
#include <sodium/crypto_shorthash.h>
#include <stdio.h>
#include <string.h>

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || is_digit((char)c) || c == '-';
}

/*
 * One character at text[*i], escapes resolved, *i moved past it.
 * Returns: the byte, or -1 for a bad escape.
 */
static int
unescape(const char *text, size_t len, size_t *i)
{
	int v;

	if (text[*i] != '\\')
		return (uint8_t)text[(*i)++];
	if (*i + 1 >= len)
		return -1;
	if (!is_digit(text[*i + 1])) {
		*i += 2;
		return (uint8_t)text[*i - 1];
	}
	if (*i + 3 >= len || !is_digit(text[*i + 2]) ||
	    !is_digit(text[*i + 3]))
		return -1;
	v = (text[*i + 1] - '0') * 100 + (text[*i + 2] - '0') * 10 +
	    (text[*i + 3] - '0');
	*i += 4;
	return v > 255 ? -1 : v;
}

int
c25_name_from_text(struct c25_name *out, const char *text, size_t len)
{
	size_t label = 0, used = 1;	/* where the length byte is; bytes */
	size_t i = 0;

	memset(out, 0, sizeof(*out));
	if (len == 0)
		return -EINVAL;
	if (len == 1 && text[0] == '.') {
		out->len = 1;
		return 0;
	}
	while (i < len) {
		int c;

		if (text[i] == '.') {
			if (used == label + 1)
				return -EINVAL;
			out->wire[label] = (uint8_t)(used - label - 1);
			label = used++;
			i++;
			if (used > C25_NAME_MAX)
				return -ENAMETOOLONG;
			continue;
		}
		if ((c = unescape(text, len, &i)) < 0)
			return -EINVAL;
		if (used - label - 1 == C25_LABEL_MAX)
			return -ENAMETOOLONG;
		if (used + 1 > C25_NAME_MAX)
			return -ENAMETOOLONG;
		out->wire[used++] = lower((uint8_t)c);
	}
	if (used > label + 1) {		/* no trailing dot: add the root */
		out->wire[label] = (uint8_t)(used - label - 1);
		if (used + 1 > C25_NAME_MAX)
			return -ENAMETOOLONG;
		out->wire[used++] = 0;
	}
	out->len = (uint16_t)used;
	return 0;
}

/* No length of a label looks like a letter: names are looked at as bytes. */
_Static_assert(C25_LABEL_MAX < 'A', "length of a label");

/* The highest bit of each of eight bytes that is between A and Z. */
static uint64_t
upper_bits(uint64_t x)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t low = x & 0x7f * ones;

	/* it is A or more, and not more than Z, and below 128 */
	return (low + (0x80 - 'A') * ones) & ~(low + (0x7f - 'Z') * ones) &
	    ~x & 0x80 * ones;
}

/* Eight at a time: this is asked of each name that is read from the table,
 * several times on its way, and done to each name that is queried. */
static bool
any_upper(const uint8_t *bytes, size_t len)
{
	uint64_t upper = 0;

	for (; len >= 8; len -= 8, bytes += 8) {
		uint64_t x;

		memcpy(&x, bytes, 8);
		upper |= upper_bits(x);
	}
	for (; len > 0; len--, bytes++)
		upper |= *bytes >= 'A' && *bytes <= 'Z';
	return upper != 0;
}

static void
copy_lower(uint8_t *out, const uint8_t *bytes, size_t len)
{
	for (; len >= 8; len -= 8, bytes += 8, out += 8) {
		uint64_t x;

		memcpy(&x, bytes, 8);
		x |= upper_bits(x) >> 2;	/* 0x80 becomes 0x20 */
		memcpy(out, &x, 8);
	}
	for (; len > 0; len--)
		*out++ = lower(*bytes++);
}

bool
c25_name_same(const uint8_t *canonical, const uint8_t *wire, size_t len)
{
	uint64_t other = 0;

	for (; len >= 8; len -= 8, canonical += 8, wire += 8) {
		uint64_t x, y;

		memcpy(&x, canonical, 8);
		memcpy(&y, wire, 8);
		other |= x ^ (y | upper_bits(y) >> 2);
	}
	for (; len > 0; len--)
		other |= *canonical++ ^ lower(*wire++);
	return other == 0;
}

int
c25_name_from_wire(struct c25_name *out, const uint8_t *wire, size_t len)
{
	size_t i = 0;

	out->len = 0;
	while (i < len && wire[i] != 0) {
		if (wire[i] > C25_LABEL_MAX)
			return -EINVAL;
		i += wire[i] + 1u;
		if (i >= len)
			return -EINVAL;
		if (i >= C25_NAME_MAX)
			return -ENAMETOOLONG;
	}
	if (i >= len)
		return -EINVAL;
	out->len = (uint16_t)(i + 1);
	copy_lower(out->wire, wire, out->len);
	memset(out->wire + out->len, 0, sizeof(out->wire) - out->len);
	return 0;
}

bool
c25_name_valid(const uint8_t *wire, size_t len)
{
	size_t i = 0;

	if (len == 0 || len > C25_NAME_MAX)
		return false;
	while (wire[i] != 0) {
		if (wire[i] > C25_LABEL_MAX || i + 1 + wire[i] >= len)
			return false;
		i += 1u + wire[i];
	}
	return i + 1 == len && !any_upper(wire, len);
}

const char *
c25_name_to_text(const uint8_t *wire, size_t len,
    char buf[static C25_NAME_TEXT_MAX])
{
	size_t i = 0, o = 0;

	if (!c25_name_valid(wire, len)) {
		(void)snprintf(buf, C25_NAME_TEXT_MAX, "?");
		return buf;
	}
	while (wire[i] != 0) {
		size_t end = i + 1 + wire[i];

		if (i > 0)
			buf[o++] = '.';
		for (i++; i < end; i++) {
			uint8_t c = wire[i];

			if (c <= 0x20 || c >= 0x7f) {
				o += (size_t)snprintf(buf + o, 5, "\\%03u", c);
				continue;
			}
			if (!is_plain(c) && strchr(".\\\"();@$", c) != NULL)
				buf[o++] = '\\';
			buf[o++] = (char)c;
		}
	}
	if (o == 0)
		buf[o++] = '.';
	buf[o] = '\0';
	return buf;
}

bool
c25_name_eq(const struct c25_name *a, const struct c25_name *b)
{
	return a->len == b->len && memcmp(a->wire, b->wire, a->len) == 0;
}

bool
c25_name_below(const struct c25_name *name, const struct c25_name *zone)
{
	size_t i = 0;

	if (name->len < zone->len)
		return false;
	while (name->len - i > zone->len)
		i += name->wire[i] + 1u;
	return name->len - i == zone->len &&
	    memcmp(name->wire + i, zone->wire, zone->len) == 0;
}

/* The value of a label of one to three decimal digits, or -1. */
static int
octet_label(const uint8_t *label)
{
	int v = 0;

	if (label[0] < 1 || label[0] > 3 ||
	    (label[0] > 1 && label[1] == '0'))
		return -1;
	for (int i = 1; i <= label[0]; i++) {
		if (!is_digit((char)label[i]))
			return -1;
		v = v * 10 + (label[i] - '0');
	}
	return v > 255 ? -1 : v;
}

static int
nibble_label(const uint8_t *label)
{
	if (label[0] != 1)
		return -1;
	if (is_digit((char)label[1]))
		return label[1] - '0';
	if (label[1] >= 'a' && label[1] <= 'f')
		return label[1] - 'a' + 10;
	return -1;
}

bool
c25_name_to_reverse(const struct c25_name *name, struct c25_addr *out)
{
	static const uint8_t v4[] = "\7in-addr\4arpa";
	static const uint8_t v6[] = "\3ip6\4arpa";
	uint8_t bytes[16] = { 0 };
	size_t i = 0;
	int v;

	/* sizeof counts the literal's NUL, which is the root label */
	if (name->len > sizeof(v4) && memcmp(name->wire + name->len -
	    sizeof(v4), v4, sizeof(v4)) == 0) {
		for (int k = 3; k >= 0; k--) {
			if (i + sizeof(v4) >= name->len ||
			    (v = octet_label(name->wire + i)) < 0)
				return false;
			bytes[k] = (uint8_t)v;
			i += name->wire[i] + 1u;
		}
		*out = c25_addr_v4(bytes);
		return i + sizeof(v4) == name->len;
	}
	if (name->len == 64 + sizeof(v6) && memcmp(name->wire + 64, v6,
	    sizeof(v6)) == 0) {
		for (int k = 31; k >= 0; k--, i += 2) {
			if ((v = nibble_label(name->wire + i)) < 0)
				return false;
			bytes[k / 2] |= (uint8_t)(k % 2 ? v : v << 4);
		}
		*out = c25_addr_v6(bytes);
		return true;
	}
	return false;
}

uint64_t
c25_hash(const uint8_t key[static 16], const void *data, size_t len)
{
	uint64_t h;

	_Static_assert(crypto_shorthash_BYTES == sizeof(h), "hash size");
	_Static_assert(crypto_shorthash_KEYBYTES == 16, "key size");
	(void)crypto_shorthash((unsigned char *)&h, data, len, key);
	return h;
}
