/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Unbound says of its forward zones, and the include file that conn25d
 * finds (sidecar/forwards.h): whatever they say, commands are lines of the
 * few verbs about names of ours, and a file that is read is written the same.
 * Input: which of them, then lines or a file.
 */
#include <errno.h>

#include "sidecar/forwards.h"
#include "tests/fuzz/fuzz.h"

static const char own[] = "forward-zone:\n\tname: \"a.example\"\n"
	"\tforward-addr: 10.0.0.1@53\nserver:\n\tdomain-insecure: \"b.example\""
	"\nforward-zone:\n\tname: \"b.example\"\n\tforward-addr: fd00::1@53\n"
	"\tforward-addr: 10.0.0.2@5353\n";

static void
check_plan(const struct c25_buf *plan)
{
	static const char *const verbs[] = { "forward_add ",
		"forward_remove ", "flush_zone " };
	const char *line = plan->data, *end;
	bool known;

	for (; plan->len > 0 && *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		fuzz_must(end != NULL, "no newline");
		known = false;
		for (size_t i = 0; i < 3; i++)
			known = known || strncmp(line, verbs[i],
				strlen(verbs[i])) == 0;
		fuzz_must(known, "%s", line);
		for (const char *p = line; p < end; p++)
			fuzz_must(*p >= ' ' && *p <= '~', "byte %d", *p);
	}
}

static void
try_lines(const struct fuzz_copy *in)
{
	struct c25_forwards want = { 0 }, none = { 0 }, listed = { 0 };
	struct c25_buf plan = { 0 };
	const char *at = (char *)in->bytes, *end;
	size_t left = in->len, n;
	int r = 0;

	fuzz_must(c25_forwards_parse(&want, own, sizeof(own) - 1) == 0,
		"own");
	while (r == 0 && left > 0) {
		end = memchr(at, '\n', left);
		n = end != NULL ? (size_t)(end - at) : left;
		r = c25_forwards_listed(&listed, &want, &none, at, n);
		fuzz_must(r == 0 || r == -EPROTO, "%d", r);
		n += end != NULL;
		at += n;
		left -= n;
	}
	c25_forwards_sort(&listed);
	fuzz_must(listed.count <= want.count, "%zu zones", listed.count);
	fuzz_must(c25_forwards_plan(&want, &none, &listed, &plan) <= 2,
		"changes");
	check_plan(&plan);
	c25_buf_clear(&plan);
	fuzz_must(c25_forwards_plan(&none, &want, &listed, &plan) ==
		listed.count, "removals");
	check_plan(&plan);
	c25_buf_free(&plan);
	c25_forwards_free(&want);
	c25_forwards_free(&listed);
}

static void
try_file(const struct fuzz_copy *in)
{
	struct c25_forwards f = { 0 }, again = { 0 };
	struct c25_buf text = { 0 }, second = { 0 };
	int r = c25_forwards_parse(&f, (char *)in->bytes, in->len);

	fuzz_must(r == 0 || r == -EINVAL, "%d", r);
	fuzz_must(r == 0 || f.count == 0, "left behind");
	c25_forwards_text(&f, "fuzz", &text);
	fuzz_must(c25_forwards_parse(&again, text.data, text.len) == 0,
		"%s", text.data);
	c25_forwards_text(&again, "fuzz", &second);
	fuzz_must(strcmp(text.data, second.data) == 0, "%s", second.data);
	c25_buf_free(&text);
	c25_buf_free(&second);
	c25_forwards_free(&f);
	c25_forwards_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	bool lines = fuzz_u8(&f) & 1;
	struct fuzz_copy in = fuzz_rest(&f);

	if (lines)
		try_lines(&in);
	else
		try_file(&in);
	free(in.bytes);
	return 0;
}
