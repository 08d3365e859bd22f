/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names, addresses and ranges (conn25/name.h, addr.h): what is read and
 * written is read as the same again; addresses against inet_pton().
 * Input: which of the four, then text or wire form.
 */
#include <arpa/inet.h>

#include "conn25/addr.h"
#include "conn25/name.h"
#include "tests/fuzz/fuzz.h"

/* Labels of 1 to 63 bytes, the root and nothing behind it, no upper case. */
static bool
is_canonical(const struct c25_name *n)
{
	size_t at = 0;

	while (at < n->len && n->wire[at] >= 1 && n->wire[at] <= 63) {
		for (size_t i = 1; i <= n->wire[at] && at + i < n->len; i++)
			if (n->wire[at + i] >= 'A' && n->wire[at + i] <= 'Z')
				return false;
		at += n->wire[at] + 1u;
	}
	return at + 1 == n->len && n->wire[at] == 0;
}

/* A good name survives its text, is below the root and itself. */
static void
check_name(const struct c25_name *n)
{
	static const struct c25_name root = { .len = 1 };
	char text[C25_NAME_TEXT_MAX];
	struct c25_name again;

	fuzz_must(n->len >= 1 && n->len <= C25_NAME_MAX &&
		is_canonical(n) && c25_name_valid(n->wire, n->len),
		"length %u", n->len);
	c25_name_to_text(n->wire, n->len, text);
	fuzz_must(c25_name_from_text(&again, text, strlen(text)) == 0 &&
		c25_name_eq(n, &again), "%s", text);
	fuzz_must(c25_name_from_wire(&again, n->wire, n->len) == 0 &&
		c25_name_eq(n, &again), "%s", text);
	fuzz_must(c25_name_below(n, n) && c25_name_below(n, &root), "%s",
		text);
	fuzz_must(n->len == 1 || !c25_name_below(&root, n), "%s", text);
}

/* The reverse name of an address, the long way. */
static void
reverse_text(const struct c25_addr *a, char out[80])
{
	size_t n = 0;

	out[0] = '\0';
	if (a->family == C25_V4) {
		(void)snprintf(out, 80, "%u.%u.%u.%u.in-addr.arpa",
			a->bytes[3], a->bytes[2], a->bytes[1], a->bytes[0]);
		return;
	}
	for (int i = 15; i >= 0; i--)
		n += (size_t)snprintf(out + n, 80 - n, "%x.%x.",
			a->bytes[i] & 15u, a->bytes[i] >> 4);
	(void)snprintf(out + n, 80 - n, "ip6.arpa");
}

static void
check_reverse(const struct c25_name *n)
{
	struct c25_name again;
	struct c25_addr a;
	char text[80];

	if (!c25_name_to_reverse(n, &a))
		return;
	reverse_text(&a, text);
	fuzz_must(c25_name_from_text(&again, text, strlen(text)) == 0 &&
		c25_name_eq(n, &again), "%s", text);
}

static void
try_wire(const struct fuzz_copy *in)
{
	struct c25_name n, shorter;
	char text[C25_NAME_TEXT_MAX];

	/* whatever it is */
	c25_name_to_text(in->bytes, in->len, text);
	fuzz_must(strlen(text) < sizeof(text), "too long");
	if (c25_name_from_wire(&n, in->bytes, in->len) != 0) {
		fuzz_must(!c25_name_valid(in->bytes, in->len), "%s", text);
		return;
	}
	fuzz_must(n.len <= in->len, "%u of %zu bytes", n.len, in->len);
	fuzz_must(c25_name_from_wire(&shorter, in->bytes, n.len - 1u) != 0,
		"without its end");
	check_name(&n);
	check_reverse(&n);
}

static void
try_text(const struct fuzz_copy *in)
{
	struct c25_name n;

	if (c25_name_from_text(&n, (const char *)in->bytes, in->len) != 0)
		return;
	check_name(&n);
	check_reverse(&n);
}

static void
try_addr(const struct fuzz_copy *in)
{
	struct c25_addr a, again, plain;
	char text[C25_ADDR_TEXT_MAX], copy[64];
	uint8_t bytes[16];
	int r = c25_addr_parse(&a, (const char *)in->bytes, in->len);
	int family;

	if (in->len < sizeof(copy) && memchr(in->bytes, 0, in->len) == NULL) {
		memcpy(copy, in->bytes, in->len);
		copy[in->len] = '\0';
		family = strchr(copy, ':') != NULL ? AF_INET6 : AF_INET;
		fuzz_must((inet_pton(family, copy, bytes) == 1) == (r == 0),
			"%s", copy);
		fuzz_must(r != 0 || memcmp(bytes, a.bytes, family == AF_INET ?
			4 : 16) == 0, "%s", copy);
	}
	if (r != 0)
		return;
	c25_addr_format(&a, text);
	fuzz_must(c25_addr_parse(&again, text, strlen(text)) == 0 &&
		memcmp(&a, &again, sizeof(a)) == 0, "%s", text);
	plain = c25_addr_unmap(&a);
	fuzz_must(c25_addr_is_special(&plain) <= c25_addr_is_special(&a),
		"%s: not special, but what it stands for", text);
	fuzz_must(c25_addr_is_special(&a) <= c25_addr_is_forbidden(&a) &&
		c25_addr_is_forbidden(&plain) == c25_addr_is_forbidden(&a),
		"%s: not forbidden, but special or what it stands for", text);
	if (c25_addr_add(&again, &a, 1) == 0)
		fuzz_must(c25_addr_cmp(&a, &again) < 0 &&
			c25_addr_distance(&a, &again) == 1, "%s", text);
}

static void
try_range(const struct fuzz_copy *in)
{
	char text[2 * C25_ADDR_TEXT_MAX];
	struct c25_range r, again;

	if (c25_range_parse(&r, (const char *)in->bytes, in->len) != 0)
		return;
	c25_range_format(&r, text);
	fuzz_must(c25_addr_cmp(&r.first, &r.last) <= 0 &&
		c25_range_contains(&r, &r.first) &&
		c25_range_contains(&r, &r.last) &&
		c25_range_overlaps(&r, &r) && c25_range_count(&r) >= 1, "%s",
		text);
	fuzz_must(c25_range_parse(&again, text, strlen(text)) == 0 &&
		memcmp(&r, &again, sizeof(r)) == 0, "%s", text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	uint8_t which = fuzz_u8(&f);
	struct fuzz_copy in = fuzz_rest(&f);

	switch (which % 4) {
	case 0:
		try_text(&in);
		break;
	case 1:
		try_wire(&in);
		break;
	case 2:
		try_addr(&in);
		break;
	default:
		try_range(&in);
	}
	free(in.bytes);
	return 0;
}
