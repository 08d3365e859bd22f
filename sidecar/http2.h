/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http2.h - the client side of HTTP/2 as a filter: bytes from the network in,
 * bytes for the network out, one request at a time; no sockets, no TLS.
 * nghttp2 is underneath. An answer comes as HTTP/1.1's do (http1.h), and is
 * checked as they are.
 *
 * Example:
 *	c25_http2_new(&s);
 *	c25_http2_request(s, &(struct c25_http2_request){ .path = "/",
 *		.authority = "office.example", .fields = &lines,
 *		.head = &head, .head_bytes = &bytes, .answer = &body }, &out);
 *	... send `out`, clear it, give what comes to c25_http2_in() ...
 *	if (c25_http2_state(s) == C25_HTTP2_ANSWERED)
 *		... head.status, body ...
 *	if (!c25_http2_usable(s))
 *		... no more requests over this connection ...
 *
 * What a server may not do: push; answer with a head over C25_HTTP1_HEAD_MAX
 * or C25_HTTP1_FIELDS_MAX, or a body over `answer_max`; send more than
 * C25_HTTP2_OTHER_MAX bytes besides bodies from one request to the next
 * (pings, settings, empty frames, padding, interim heads, trailers: what each
 * of them costs us is bounded by its bytes); and whatever nghttp2 finds
 * against the RFC. Any of it ends the connection. That no answer comes, for
 * want of a window or otherwise, is for the caller's clock.
 *
 * Rules: one thread.
 * Ref: RFC 9113, RFC 7541.
 */
#ifndef CONN25_HTTP2_H
#define CONN25_HTTP2_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "http1.h"

#define C25_HTTP2_OTHER_MAX (64u << 10)	/* bytes; see above */
#define C25_HTTP2_FIELDS_MAX 32		/* of a request */

enum c25_http2_state {
	C25_HTTP2_IDLE,		/* no request yet */
	C25_HTTP2_ASKED,	/* one is on the way */
	C25_HTTP2_ANSWERED,	/* the last one's answer is there */
	C25_HTTP2_REFUSED,	/* the server says that it has not touched
				 * it: it may be sent again elsewhere */
};

/* A POST over https, and where its answer goes. All pointers stay valid until
 * it is answered or refused or the session freed. */
struct c25_http2_request {
	const char *path;
	const char *authority;
	const struct c25_buf *fields;	/* lines "Name: value\r\n" */
	const char *body;
	size_t body_len;
	struct c25_http1 *head;		/* .length is -2 without a
					 * Content-Length; .keep means nothing,
					 * see c25_http2_usable() */
	struct c25_buf *head_bytes;	/* what `head` points into */
	struct c25_buf *answer;		/* body */
	size_t answer_max;		/* bytes of it */
};

struct c25_http2;

/* Owns: *out, until c25_http2_free(). Returns: 0; -ENOMEM. */
int c25_http2_new(struct c25_http2 **out) __attribute__((warn_unused_result));
void c25_http2_free(struct c25_http2 *s);	/* NULL is fine */

/*
 * Ask; what is to be sent is added to `out`. Only when c25_http2_usable().
 * Returns: 0; -ENOMEM; -EINVAL (no such lines, too many); -EPROTO, see
 * c25_http2_error().
 */
int c25_http2_request(struct c25_http2 *s, const struct c25_http2_request *q,
	struct c25_buf *out) __attribute__((warn_unused_result));

/*
 * Take bytes from the network; what is to be sent is added to `out`, also
 * when this fails.
 * Returns: 0; -EPROTO: the connection is good for nothing any more, see
 * c25_http2_error(), but what is answered stays so; -ENOMEM.
 */
int c25_http2_in(struct c25_http2 *s, const void *data, size_t len,
	struct c25_buf *out) __attribute__((warn_unused_result));

enum c25_http2_state c25_http2_state(const struct c25_http2 *s);

/* May another request be sent? No while one is on the way, after the server
 * has said goodbye, and after an error. */
bool c25_http2_usable(const struct c25_http2 *s);

/* What went wrong, a few words of printable ASCII; "" when nothing did. */
const char *c25_http2_error(const struct c25_http2 *s);

#endif
