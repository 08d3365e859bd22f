/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SVCB and HTTPS record data (module/svcb.h) against a naive model.
 * Input: length of the queried name, that name in wire form, record data.
 */
#include "conn25/name.h"
#include "module/svcb.h"
#include "tests/fuzz/fuzz.h"

static unsigned
u16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static bool
is_hint(unsigned key)
{
	return key == 4 || key == 6;
}

/* `mandatory` without the keys of hints. Returns: bytes; -1: malformed. */
static int
model_mandatory(const uint8_t *value, unsigned len, uint8_t *out)
{
	int n = 0;

	if (len == 0 || len % 2 != 0)
		return -1;
	for (unsigned i = 0; i < len; i += 2)
		if (!is_hint(u16(value + i))) {
			memcpy(out + n, value + i, 2);
			n += 2;
		}
	return n;
}

/* What is to come out. Returns: bytes; -1: to be dropped. */
static long
model(const uint8_t *in, size_t len, const uint8_t *qname, size_t qname_len,
	uint8_t *out)
{
	struct c25_name target, queried;
	size_t at, n;
	long last = -1;

	if (len < 3 || u16(in) == 0 ||
	    c25_name_from_wire(&target, in + 2, len - 2) != 0 ||
	    c25_name_from_wire(&queried, qname, qname_len) != 0 ||
	    (target.len > 1 && !c25_name_eq(&target, &queried)))
		return -1;
	n = at = 2u + target.len;
	memcpy(out, in, n);
	while (at < len) {
		unsigned key, size;
		int kept;

		if (len - at < 4)
			return -1;
		key = u16(in + at);
		size = u16(in + at + 2);
		if (size > len - at - 4 || (long)key <= last)
			return -1;
		last = (long)key;
		kept = (int)size;
		if (key == 0)
			kept = model_mandatory(in + at + 4, size, out + n + 4);
		else if (is_hint(key))
			kept = 0;
		else
			memcpy(out + n + 4, in + at + 4, size);
		if (kept < 0)
			return -1;
		if (kept > 0 || (key != 0 && !is_hint(key))) {
			memcpy(out + n, in + at, 2);
			out[n + 2] = (uint8_t)(kept >> 8);
			out[n + 3] = (uint8_t)kept;
			n += 4u + (size_t)kept;
		}
		at += 4u + size;
	}
	return (long)n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	struct fuzz_copy qname = fuzz_take(&f, fuzz_u8(&f));
	struct fuzz_copy in = fuzz_rest(&f);
	uint8_t *out = malloc(in.len), *want = malloc(in.len + 4);
	size_t out_len = 0, again;
	enum c25_svcb r;
	long n;

	r = c25_svcb_mend(in.bytes, in.len, qname.bytes, qname.len, out,
		&out_len);
	n = model(in.bytes, in.len, qname.bytes, qname.len, want);
	fuzz_must((n < 0) == (r == C25_SVCB_DROP), "%d, model %ld", r, n);
	if (r == C25_SVCB_SAME)
		fuzz_must((size_t)n == in.len && (n == 0 ||
			memcmp(want, in.bytes, in.len) == 0), "not the same");
	if (r == C25_SVCB_CHANGED) {
		fuzz_must((size_t)n == out_len && out_len < in.len &&
			memcmp(want, out, out_len) == 0, "%zu, model %ld",
			out_len, n);
		fuzz_must(c25_svcb_mend(out, out_len, qname.bytes, qname.len,
			want, &again) == C25_SVCB_SAME, "not final");
	}
	free(qname.bytes);
	free(in.bytes);
	free(out);
	free(want);
	return 0;
}
