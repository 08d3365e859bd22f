/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.1 (sidecar/http1.h): heads are read the same however they come in,
 * and nothing outside of them; chunks too.
 * Input: request, response or chunked coding, then what a peer sent.
 */
#include <strings.h>

#include "sidecar/http1.h"
#include "tests/fuzz/fuzz.h"

typedef int head_fn(struct c25_http1 *h, const char *data, size_t len);

static int
parse(head_fn *fn, struct c25_http1 *h, const uint8_t *bytes, size_t len)
{
	memset(h, 0x5a, sizeof(*h));
	return fn(h, (const char *)bytes, len);
}

static void
check_piece(const struct c25_http1 *h, const char *end, size_t at, size_t len,
	bool blanks)
{
	const char *p = h->base + at;

	fuzz_must(len <= (size_t)(end - h->base) && p <= end - len,
		"outside of the head: %zu, %zu", at, len);
	for (size_t i = 0; i < len; i++)
		fuzz_must(p[i] != '\r' && p[i] != '\n' && p[i] != '\0' &&
			(blanks || p[i] != ' '), "byte %d", p[i]);
}

/* The value of the only field of that name; counts them. */
static unsigned
count_fields(const struct c25_http1 *h, const char *name, const char **value)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->field_count; i++) {
		const struct c25_http1_field *f = &h->fields[i];

		if (f->name_len != strlen(name) || strncasecmp(h->base +
		    f->name, name, f->name_len) != 0)
			continue;
		*value = h->base + f->value;
		n++;
	}
	return n;
}

/* Two who read the same bytes must see the same end of the message: RFC 9112
 * 6.3, where what is doubtful there is an error here. */
static void
check_framing(const struct c25_http1 *h, bool request)
{
	const char *value;
	unsigned coding = count_fields(h, "Transfer-Encoding", &value);
	unsigned length = count_fields(h, "Content-Length", &value);
	int64_t want = request ? 0 : -2;

	fuzz_must(coding + length <= 1, "%u and %u", coding, length);
	if (length == 1)
		want = strtoll(value, NULL, 10);
	if (coding == 1)
		want = -1;
	if (!request && (h->status < 200 || h->status == 204 ||
	    h->status == 304))
		want = 0;
	fuzz_must(h->length == want, "%lld, not %lld", (long long)h->length,
		(long long)want);
	fuzz_must(h->length != -2 || !h->keep, "kept without an end");
}

static void
check_head(const struct c25_http1 *h, const char *data, int n, bool request)
{
	const char *end = data + n, *value;

	fuzz_must(h->base >= data && h->base <= end, "base");
	fuzz_must(n >= 4 && memcmp(end - 4, "\r\n\r\n", 4) == 0, "end");
	if (request) {
		fuzz_must(h->method_len > 0 && h->length >= -1, "%lld",
			(long long)h->length);
		check_piece(h, end, h->method, h->method_len, false);
		check_piece(h, end, h->path, h->path_len, false);
	} else {
		fuzz_must(h->status >= 0 && h->status <= 999 &&
			h->length >= -2, "%d", h->status);
	}
	fuzz_must(h->field_count <= C25_HTTP1_FIELDS_MAX, "%u",
		h->field_count);
	for (unsigned i = 0; i < h->field_count; i++) {
		const struct c25_http1_field *f = &h->fields[i];

		fuzz_must(f->name_len > 0, "field without name");
		check_piece(h, end, f->name, f->name_len, false);
		check_piece(h, end, f->value, f->value_len, true);
	}
	(void)c25_http1_get(h, "content-digest", &value);
	check_framing(h, request);
}

/* As it comes in, byte by byte: nothing before it is whole, unless it is an
 * error that stays one, and the same at the end. */
static void
try_head(head_fn *fn, const struct fuzz_copy *in, bool request)
{
	struct c25_http1 h, again;
	int n = parse(fn, &h, in->bytes, in->len), m = 0;
	size_t step = in->len > 2048 ? in->len / 64 : 1, len;

	fuzz_must(n <= 0 || (size_t)n <= in->len, "%d of %zu", n, in->len);
	if (n > 0) {
		check_head(&h, (const char *)in->bytes, n, request);
		fuzz_must(parse(fn, &again, in->bytes, (size_t)n) == n,
			"otherwise without what follows");
		fuzz_must(again.length == h.length && again.keep == h.keep &&
			again.field_count == h.field_count &&
			memcmp(again.fields, h.fields, h.field_count *
			sizeof(*h.fields)) == 0, "otherwise");
	}
	for (len = 0; len < (n > 0 ? (size_t)n : in->len); len += step) {
		struct fuzz f = { in->bytes, len };
		struct fuzz_copy part = fuzz_rest(&f);

		m = parse(fn, &again, part.bytes, part.len);
		free(part.bytes);
		fuzz_must(m <= 0, "whole with %zu of %d bytes", len, n);
		if (m < 0)
			break;
	}
	/* an early error must not be better than the late one */
	fuzz_must(m == 0 || n < 0, "error %d with %zu bytes, then fine", m,
		len);
}

static void
try_chunks(struct fuzz *f)
{
	size_t max = fuzz_u16(f), piece = fuzz_u8(f) % 32u + 1, at = 0;
	struct fuzz_copy in = fuzz_rest(f);
	struct c25_chunk whole = { 0 }, parts = { 0 };
	struct c25_buf a = { 0 }, b = { 0 };
	ssize_t r, s = 0;

	r = c25_chunk_feed(&whole, (char *)in.bytes, in.len, &a, max);
	fuzz_must(a.len <= max, "%zu of %zu bytes", a.len, max);
	fuzz_must(r <= (ssize_t)in.len, "%zd", r);
	fuzz_must(r < 0 || (size_t)r == in.len ||
		whole.state == C25_CHUNK_DONE, "left something");
	while (at < in.len && s >= 0 && parts.state != C25_CHUNK_DONE) {
		size_t n = piece < in.len - at ? piece : in.len - at;

		s = c25_chunk_feed(&parts, (char *)in.bytes + at, n, &b, max);
		at += s > 0 ? (size_t)s : 0;
	}
	if (r < 0)
		fuzz_must(s == r, "%zd, in parts %zd", r, s);
	else
		fuzz_must(s >= 0 && at == (size_t)r && a.len == b.len &&
			whole.state == parts.state && (a.len == 0 ||
			memcmp(a.data, b.data, a.len) == 0),
			"otherwise in parts");
	c25_buf_free(&a);
	c25_buf_free(&b);
	free(in.bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	uint8_t which = fuzz_u8(&f) % 3;
	struct fuzz_copy in;

	if (which == 2) {
		try_chunks(&f);
		return 0;
	}
	in = fuzz_rest(&f);
	try_head(which == 0 ? c25_http1_request : c25_http1_response, &in,
		which == 0);
	free(in.bytes);
	return 0;
}
