/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/2 (sidecar/http2.h): whatever a server sends, an answer is whole and
 * within its limits or there is an error, what we send and keep is bounded by
 * what came, and nothing is read that did not come.
 * Input: how (bit 0: plain bytes, else frames after a SETTINGS; bit 1: a
 * body), size of the pieces it comes in, then the bytes; or for each frame its
 * type (from 0xf0: the next request instead), flags, stream, length in two
 * bytes and payload.
 */
#include <errno.h>

#include "sidecar/http2.h"
#include "tests/fuzz/fuzz.h"

#define ANSWER_MAX 5000

static struct c25_http2 *client;
static struct c25_http1 head;
static struct c25_buf fields, head_bytes, answer, out;
static size_t came, went;

static void
ask(size_t body_len)
{
	static const char body[300];
	int r;

	c25_buf_clear(&fields);
	c25_buf_lit(&fields, "Content-Type: application/json\r\n"
		"Signature: s=:AAAA:\r\n");
	r = c25_http2_request(client, &(struct c25_http2_request){
		.path = "/v0/connector/transit-ip", .authority = "c:8025",
		.fields = &fields, .body = body, .body_len = body_len,
		.head = &head, .head_bytes = &head_bytes, .answer = &answer,
		.answer_max = ANSWER_MAX }, &out);
	fuzz_must(r == 0 || r == -EPROTO, "%d", r);
	went += out.len;
	c25_buf_clear(&out);
}

static void
check_piece(size_t at, size_t len)
{
	fuzz_must(head.base == head_bytes.data && len <= head_bytes.len &&
		at <= head_bytes.len - len, "outside of the head");
	for (size_t i = 0; i < len; i++)
		fuzz_must(head.base[at + i] != '\r' &&
			head.base[at + i] != '\n' &&
			head.base[at + i] != '\0', "byte %d",
			head.base[at + i]);
}

/* What must be so after each piece. */
static void
check_state(int r)
{
	enum c25_http2_state state = c25_http2_state(client);
	const char *error = c25_http2_error(client);

	fuzz_must(r == 0 || r == -EPROTO, "%d", r);
	fuzz_must((r == 0) == (error[0] == '\0'), "%d: %s", r, error);
	for (; *error != '\0'; error++)
		fuzz_must(*error >= ' ' && *error <= '~', "%d", *error);
	fuzz_must(r == 0 || !c25_http2_usable(client), "usable");
	fuzz_must(state != C25_HTTP2_ASKED || !c25_http2_usable(client),
		"usable while asking");
	fuzz_must(answer.len <= ANSWER_MAX, "%zu", answer.len);
	fuzz_must(head_bytes.len <= C25_HTTP1_HEAD_MAX + 64, "%zu",
		head_bytes.len);
	/* each frame is worth one answer at most, and has 9 bytes */
	fuzz_must(went <= 2000 + 4 * came, "%zu for %zu", went, came);
	if (state != C25_HTTP2_ANSWERED)
		return;
	fuzz_must(head.status >= 200 && head.status <= 999, "%d",
		head.status);
	fuzz_must(head.length < 0 || (size_t)head.length == answer.len ||
		head.status == 204 || head.status == 304, "%zu, not %lld",
		answer.len, (long long)head.length);
	for (unsigned i = 0; i < head.field_count; i++) {
		check_piece(head.fields[i].name, head.fields[i].name_len);
		check_piece(head.fields[i].value, head.fields[i].value_len);
	}
}

/* Give it bytes, in pieces. Returns: what it says at last. */
static int
give(const uint8_t *bytes, size_t len, size_t piece)
{
	int r = 0;

	for (size_t at = 0; at < len && r == 0; at += piece) {
		struct fuzz f = { bytes + at, piece < len - at ? piece :
			len - at };
		struct fuzz_copy copy = fuzz_rest(&f);

		r = c25_http2_in(client, copy.bytes, copy.len, &out);
		came += copy.len;
		went += out.len;
		c25_buf_clear(&out);
		free(copy.bytes);
		check_state(r);
	}
	return r;
}

static int
give_frame(struct fuzz *f, uint8_t type, size_t piece)
{
	uint8_t flags = fuzz_u8(f), stream = fuzz_u8(f);
	struct fuzz_copy payload = fuzz_take(f, fuzz_u16(f));
	uint8_t h[9] = { 0, (uint8_t)(payload.len >> 8),
		(uint8_t)payload.len, type, flags, 0, 0, 0, stream };
	struct c25_buf whole = { 0 };
	int r;

	c25_buf_add(&whole, h, sizeof(h));
	c25_buf_add(&whole, payload.bytes, payload.len);
	fuzz_must(!whole.failed, "out of memory");
	r = give((const uint8_t *)whole.data, whole.len, piece);
	c25_buf_free(&whole);
	free(payload.bytes);
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t settings[9] = { 0, 0, 0, 4 };
	struct fuzz f = { data, size };
	uint8_t how = fuzz_u8(&f);
	size_t piece = fuzz_u8(&f), body = (how & 2) != 0 ? 300 : 0;

	if (piece == 0)
		piece = 1u << 20;
	came = went = 0;
	memset(&head, 0x5a, sizeof(head));
	fuzz_must(c25_http2_new(&client) == 0, "out of memory");
	ask(body);
	if ((how & 1) != 0) {
		(void)give(f.p, f.left, piece);
	} else if (give(settings, sizeof(settings), sizeof(settings)) == 0) {
		while (f.left > 0) {
			uint8_t type = fuzz_u8(&f);

			if (type < 0xf0) {
				if (give_frame(&f, type, piece) != 0)
					break;
			} else if (c25_http2_usable(client)) {
				came += 200;	/* for ours */
				ask(body);
			}
		}
	}
	c25_http2_free(client);
	c25_buf_free(&fields);
	c25_buf_free(&head_bytes);
	c25_buf_free(&answer);
	c25_buf_free(&out);
	return 0;
}
