/* SPDX-License-Identifier: BSD-3-Clause */
/* The client side of HTTP/2 as a filter, with nghttp2; see http2.h. */
#include "http2.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_LINE "HTTP/1.1 "		/* what http1.c wants to see */

struct c25_http2 {
	nghttp2_session *session;
	enum c25_http2_state state;
	struct c25_http2_request q;	/* the last request */
	int32_t stream;			/* ... its stream */
	size_t sent;			/* bytes of its body */
	bool head;			/* its final head is there */
	size_t block;			/* bytes of fields in this block */
	size_t other;			/* bytes that came and were no body,
					 * since the last request */
	bool failed;
	char error[120];
};

/* The connection is of no use. Returns: what callbacks return for that. */
static int __attribute__((format(printf, 2, 3)))
fail(struct c25_http2 *s, const char *format, ...)
{
	va_list args;

	if (!s->failed) {
		va_start(args, format);
		(void)vsnprintf(s->error, sizeof(s->error), format, args);
		va_end(args);
		for (char *p = s->error; *p != '\0'; p++)
			if (*p < ' ' || *p > '~')
				*p = '?';
	}
	s->failed = true;
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* Is this of the request on the way? */
static bool
is_ours(const struct c25_http2 *s, int32_t stream)
{
	return s->state == C25_HTTP2_ASKED && stream == s->stream;
}

/* ---- the answer --------------------------------------------------------- */

/* Stricter than nghttp2, which has to live with streams that were left: we
 * leave none without the connection. */
static int
on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *ctx)
{
	struct c25_http2 *s = ctx;

	if (hd->type == NGHTTP2_PUSH_PROMISE)
		return fail(s, "HTTP/2: the server pushes, which it may not");
	if ((hd->type == NGHTTP2_HEADERS || hd->type == NGHTTP2_DATA) &&
	    !is_ours(s, hd->stream_id))
		return fail(s, "HTTP/2: an answer that nobody asked for");
	return 0;
}

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame,
	void *ctx)
{
	struct c25_http2 *s = ctx;

	s->block = 0;
	if (!s->head) {
		c25_buf_clear(s->q.head_bytes);
		c25_buf_lit(s->q.head_bytes, STATUS_LINE);
	}
	return 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame,
	const uint8_t *name, size_t name_len, const uint8_t *value,
	size_t value_len, uint8_t flags, void *ctx)
{
	struct c25_http2 *s = ctx;
	struct c25_buf *b = s->q.head_bytes;

	if (!is_ours(s, frame->hd.stream_id))
		return fail(s, "HTTP/2: an answer that nobody asked for");
	/* a table entry is named by one byte, however long it is */
	s->block += name_len + value_len + 4;
	if (s->block > C25_HTTP1_HEAD_MAX)
		return fail(s, "response head too large");
	if (s->head)
		return 0;		/* trailers */
	/* they would become lines of their own */
	if (memchr(value, '\r', value_len) != NULL ||
	    memchr(value, '\n', value_len) != NULL)
		return fail(s, "the answer is not HTTP");
	if (name_len != 0 && name[0] == ':') {
		c25_buf_add(b, value, value_len);	/* the status */
	} else {
		c25_buf_add(b, name, name_len);
		c25_buf_lit(b, ": ");
		c25_buf_add(b, value, value_len);
	}
	c25_buf_lit(b, "\r\n");
	return b->failed ? fail(s, "out of memory") : 0;
}

static int
on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
	const uint8_t *name, size_t name_len, const uint8_t *value,
	size_t value_len, uint8_t flags, void *ctx)
{
	return fail(ctx, "the answer is not HTTP");
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t stream,
	const uint8_t *data, size_t len, void *ctx)
{
	struct c25_http2 *s = ctx;

	if (!is_ours(s, stream) || !s->head)
		return fail(s, "HTTP/2: an answer that nobody asked for");
	if (len > s->q.answer_max - s->q.answer->len)
		return fail(s, "response too large");
	c25_buf_add(s->q.answer, data, len);
	if (s->q.answer->failed)
		return fail(s, "out of memory");
	s->other -= len;		/* c25_http2_in() has added it */
	return 0;
}

/* All fields of a block are there. */
static int
block_done(struct c25_http2 *s)
{
	struct c25_buf *b = s->q.head_bytes;
	int n;

	if (s->head)
		return 0;
	c25_buf_lit(b, "\r\n");
	if (b->failed)
		return fail(s, "out of memory");
	n = c25_http1_response(s->q.head, b->data, b->len);
	if (n < 0 || (size_t)n != b->len)
		return fail(s, "the answer is not HTTP");
	if (s->q.head->length > 0 &&
	    (uint64_t)s->q.head->length > s->q.answer_max)
		return fail(s, "response too large");
	s->head = s->q.head->status >= 200;
	return 0;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct c25_http2 *s = ctx;
	const nghttp2_frame_hd *hd = &frame->hd;

	switch (hd->type) {
	case NGHTTP2_HEADERS:
	case NGHTTP2_DATA:
		if (!is_ours(s, hd->stream_id))
			break;
		if (hd->type == NGHTTP2_HEADERS && block_done(s) != 0)
			return NGHTTP2_ERR_CALLBACK_FAILURE;
		if (s->head && (hd->flags & NGHTTP2_FLAG_END_STREAM) != 0)
			s->state = C25_HTTP2_ANSWERED;
		break;
	case NGHTTP2_RST_STREAM:
		if (is_ours(s, hd->stream_id) &&
		    frame->rst_stream.error_code != NGHTTP2_REFUSED_STREAM)
			return fail(s, "HTTP/2: the server gave the request "
				"up: %s", nghttp2_http2_strerror(
				frame->rst_stream.error_code));
		break;
	case NGHTTP2_GOAWAY:
		/* what it has not touched is closed as refused */
		if (frame->goaway.error_code != NGHTTP2_NO_ERROR &&
		    is_ours(s, s->stream) &&
		    frame->goaway.last_stream_id >= s->stream)
			return fail(s, "HTTP/2: the server gave the "
				"connection up: %s", nghttp2_http2_strerror(
				frame->goaway.error_code));
		break;
	default:
		break;
	}
	return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code,
	void *ctx)
{
	struct c25_http2 *s = ctx;

	if (!is_ours(s, stream))
		return 0;
	if (code == NGHTTP2_REFUSED_STREAM)
		s->state = C25_HTTP2_REFUSED;
	else
		(void)fail(s, "HTTP/2: the server is against the rules: %s",
			nghttp2_http2_strerror(code));
	return 0;
}

/* ---- what nghttp2 complains of ------------------------------------------ */

static int
on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame,
	int code, void *ctx)
{
	(void)fail(ctx, "HTTP/2: the server is against the rules: %s",
		nghttp2_strerror(code));
	return 0;
}

/* Our GOAWAY has nghttp2's reason in it. */
static int
on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	if (frame->hd.type == NGHTTP2_GOAWAY)
		(void)fail(ctx, "HTTP/2: the server is against the rules: "
			"%s: %.*s",
			nghttp2_http2_strerror(frame->goaway.error_code),
			(int)frame->goaway.opaque_data_len,
			(const char *)frame->goaway.opaque_data);
	return 0;
}

static int
on_complaint(nghttp2_session *session, int code, const char *text, size_t len,
	void *ctx)
{
	if (code == NGHTTP2_ERR_SETTINGS_EXPECTED)
		(void)fail(ctx, "HTTP/2: the server chose it and does not "
			"speak it");
	return 0;
}

/* ---- create and free ---------------------------------------------------- */

static int
session_new(struct c25_http2 *s)
{
	nghttp2_session_callbacks *on;
	int r = nghttp2_session_callbacks_new(&on);

	if (r != 0)
		return r;
	nghttp2_session_callbacks_set_on_begin_frame_callback(on,
		on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(on,
		on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(on, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(on,
		on_invalid_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(on,
		on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(on, on_frame);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(on,
		on_invalid_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(on,
		on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(on, on_sent);
	nghttp2_session_callbacks_set_error_callback2(on, on_complaint);
	r = nghttp2_session_client_new(&s->session, on, s);
	nghttp2_session_callbacks_del(on);
	return r;
}

int
c25_http2_new(struct c25_http2 **out)
{
	static const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, C25_HTTP1_HEAD_MAX },
	};
	struct c25_http2 *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	if (session_new(s) != 0 || nghttp2_submit_settings(s->session,
	    NGHTTP2_FLAG_NONE, settings, 2) != 0) {
		c25_http2_free(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

void
c25_http2_free(struct c25_http2 *s)
{
	if (s == NULL)
		return;
	nghttp2_session_del(s->session);
	free(s);
}

/* ---- asking ------------------------------------------------------------- */

static ssize_t
body_read(nghttp2_session *session, int32_t stream, uint8_t *to, size_t len,
	uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
	struct c25_http2 *s = ctx;
	size_t left = s->q.body_len - s->sent;

	if (!is_ours(s, stream))	/* its body may be gone */
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (len > left)
		len = left;
	memcpy(to, s->q.body + s->sent, len);
	s->sent += len;
	if (s->sent == s->q.body_len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)len;
}

static nghttp2_nv
field(const char *name, size_t name_len, const char *value, size_t value_len)
{
	return (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name,
		.namelen = name_len, .value = (uint8_t *)(uintptr_t)value,
		.valuelen = value_len };
}

/* Take "Name: value\r\n" lines apart; nghttp2 makes names lower-case. Returns:
 * how many; -EINVAL. */
static int
fields_split(const struct c25_buf *lines, nghttp2_nv *out, size_t max)
{
	const char *p = lines->data, *end = p + lines->len;
	size_t n = 0;

	while (p < end) {
		const char *stop = memmem(p, (size_t)(end - p), "\r\n", 2);
		const char *colon = stop == NULL ? NULL :
			memchr(p, ':', (size_t)(stop - p)), *value;

		if (colon == NULL || colon == p || n == max)
			return -EINVAL;
		value = colon + 1;
		while (value < stop && *value == ' ')
			value++;
		out[n++] = field(p, (size_t)(colon - p), value,
			(size_t)(stop - value));
		p = stop + 2;
	}
	return (int)n;
}

/* All that nghttp2 has for the network. */
static int
flush(struct c25_http2 *s, struct c25_buf *out)
{
	const uint8_t *data;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(s->session, &data)) > 0)
		c25_buf_add(out, data, (size_t)n);
	if (n == NGHTTP2_ERR_NOMEM || out->failed)
		return -ENOMEM;
	if (n < 0)
		(void)fail(s, "HTTP/2: %s", nghttp2_strerror((int)n));
	return s->failed ? -EPROTO : 0;
}

int
c25_http2_request(struct c25_http2 *s, const struct c25_http2_request *q,
	struct c25_buf *out)
{
	nghttp2_data_provider body = { .read_callback = body_read };
	nghttp2_nv nv[4 + C25_HTTP2_FIELDS_MAX] = {
		field(":method", 7, "POST", 4),
		field(":scheme", 7, "https", 5),
		field(":authority", 10, q->authority, strlen(q->authority)),
		field(":path", 5, q->path, strlen(q->path)),
	};
	int n = fields_split(q->fields, nv + 4, C25_HTTP2_FIELDS_MAX);
	int32_t stream;

	if (n < 0)
		return n;
	stream = nghttp2_submit_request(s->session, NULL, nv, 4 + (size_t)n,
		q->body_len != 0 ? &body : NULL, NULL);
	if (stream == NGHTTP2_ERR_NOMEM)
		return -ENOMEM;
	if (stream < 0) {
		(void)fail(s, "HTTP/2: %s", nghttp2_strerror(stream));
		return -EPROTO;
	}
	s->q = *q;
	s->stream = stream;
	s->state = C25_HTTP2_ASKED;
	s->sent = 0;
	s->head = false;
	s->other = 0;
	c25_buf_clear(q->answer);
	return flush(s, out);
}

/* ---- receiving ---------------------------------------------------------- */

int
c25_http2_in(struct c25_http2 *s, const void *data, size_t len,
	struct c25_buf *out)
{
	ssize_t n;
	int r;

	if (s->failed)
		return -EPROTO;
	s->other += len;
	n = nghttp2_session_mem_recv(s->session, data, len);
	if (n == NGHTTP2_ERR_NOMEM)
		return -ENOMEM;
	if (n < 0)
		(void)fail(s, "HTTP/2: %s", nghttp2_strerror((int)n));
	if (s->other > C25_HTTP2_OTHER_MAX)
		(void)fail(s, "HTTP/2: too much besides the answer");
	r = flush(s, out);
	if (r == 0 && !nghttp2_session_want_read(s->session) &&
	    s->state == C25_HTTP2_ASKED) {
		(void)fail(s, "HTTP/2: the server gave the connection up");
		r = -EPROTO;
	}
	return r;
}

enum c25_http2_state
c25_http2_state(const struct c25_http2 *s)
{
	return s->state;
}

bool
c25_http2_usable(const struct c25_http2 *s)
{
	return !s->failed && s->state != C25_HTTP2_ASKED &&
		s->state != C25_HTTP2_REFUSED && s->sent == s->q.body_len &&
		nghttp2_session_check_request_allowed(s->session) != 0;
}

const char *
c25_http2_error(const struct c25_http2 *s)
{
	return s->error;
}
