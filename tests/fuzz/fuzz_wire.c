/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The peer API's JSON (sidecar/wire.h): what is read is written and read as
 * the same again, and in pieces, too; a response has as many results as were
 * asked for.
 * Input: request or response, number of results expected, body.
 */
#include <errno.h>

#include "sidecar/wire.h"
#include "tests/fuzz/fuzz.h"

static void
check_reason(int r, const struct c25_error *err)
{
	fuzz_must(r == -EINVAL || r == -E2BIG, "%d", r);
	fuzz_must(err->text[0] != '\0' && strchr(err->text, '\n') == NULL,
		"%s", err->text);
}

static void
check_entry(const struct c25_wire_entry *a, const struct c25_wire_entry *b)
{
	fuzz_must(memcmp(&a->transit, &b->transit, sizeof(a->transit)) == 0 &&
		memcmp(&a->destination, &b->destination,
		sizeof(a->destination)) == 0, "addresses differ");
	fuzz_must(strcmp(a->app, b->app) == 0, "%s: %s", a->app, b->app);
	fuzz_must(strcmp(a->domain, b->domain) == 0, "%s: %s", a->domain,
		b->domain);
}

/* In pieces it is what it is in one, mistakes included. */
static void
try_pieces(const struct fuzz_copy *body, int want,
	const struct c25_wire_request *whole, const struct c25_error *why)
{
	struct c25_wire_request q = { 0 };
	struct c25_error err = { "" };
	struct c25_wire_pieces p;
	int r = c25_wire_pieces_start(&p, &q, (char *)body->bytes, body->len,
		&err);

	while (r == 0 && p.more)
		r = c25_wire_pieces_next(&p, &q, (char *)body->bytes, 1,
			&err);
	if (body->len / 2 <= C25_WIRE_VALUES_MAX) {
		fuzz_must(r == want && strcmp(err.text, why->text) == 0,
			"%s: %s", err.text, why->text);
		fuzz_must(q.count == whole->count, "%zu", q.count);
		for (size_t i = 0; i < q.count; i++)
			check_entry(&q.entries[i], &whole->entries[i]);
	}
	c25_wire_request_free(&q);
}

static void
try_request(const struct fuzz_copy *body)
{
	struct c25_wire_request q = { 0 }, again = { 0 };
	struct c25_error err = { "" };
	struct c25_buf text = { 0 };
	int r = c25_wire_request_parse(&q, (char *)body->bytes, body->len,
		&err);

	try_pieces(body, r, &q, &err);
	if (r != 0) {
		check_reason(r, &err);
		c25_wire_request_free(&q);
		return;
	}
	fuzz_must(q.count <= C25_WIRE_ENTRIES_MAX, "%zu", q.count);
	c25_wire_request_write(&text, q.entries, q.count);
	fuzz_must(!text.failed && c25_wire_request_parse(&again, text.data,
		text.len, &err) == 0, "%s: %s", err.text, text.data);
	fuzz_must(q.count == again.count, "%s", text.data);
	for (size_t i = 0; i < q.count; i++)
		check_entry(&q.entries[i], &again.entries[i]);
	c25_wire_request_clear(&q);
	c25_wire_request_free(&q);
	c25_wire_request_free(&again);
	c25_buf_free(&text);
}

static void
try_response(const struct fuzz_copy *body, size_t expected)
{
	struct c25_wire_response p = { 0 };
	struct c25_error err = { "" };
	struct c25_buf text = { 0 };
	uint8_t codes[256];
	int r = c25_wire_response_parse(&p, (char *)body->bytes, body->len,
		expected, &err);

	if (r != 0) {
		check_reason(r, &err);
		c25_wire_response_free(&p);
		return;
	}
	fuzz_must(p.count == expected, "%zu of %zu", p.count, expected);
	for (size_t i = 0; i < p.count; i++) {
		const char *m = p.results[i].message;

		codes[i] = p.results[i].code;
		fuzz_must(codes[i] < C25_WIRE_CODES, "%u", codes[i]);
		fuzz_must(strnlen(m, C25_WIRE_MESSAGE_MAX) <
			C25_WIRE_MESSAGE_MAX, "no end");
		for (; *m != '\0'; m++)
			fuzz_must(*m >= ' ' && *m <= '~', "byte %d", *m);
	}
	c25_wire_response_write(&text, codes, expected);
	fuzz_must(!text.failed && c25_wire_response_parse(&p, text.data,
		text.len, expected, &err) == 0, "%s: %s", err.text,
		text.data);
	for (size_t i = 0; i < expected; i++)
		fuzz_must(codes[i] == p.results[i].code, "%s", text.data);
	c25_wire_response_free(&p);
	c25_buf_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	bool request = fuzz_u8(&f) & 1;
	size_t expected = fuzz_u8(&f);
	struct fuzz_copy body = fuzz_rest(&f);

	if (request)
		try_request(&body);
	else
		try_response(&body, expected);
	free(body.bytes);
	return 0;
}
