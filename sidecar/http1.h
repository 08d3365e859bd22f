/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http1.h - the syntax of HTTP/1.1, strictly: heads of requests and
 * responses, how long the body is, chunked coding. Pure.
 *
 * Example:
 *	struct c25_http1 h;
 *	int n = c25_http1_request(&h, data, len);
 *
 *	if (n == 0)
 *		... the head isn't complete, or -n is the status to answer ...
 *	if (n > 0 && c25_http1_is(h.base + h.path, h.path_len, "/healthz"))
 *		... the body starts at data + n ...
 *
 * Why not the parser of libwebsockets: 4.1.6, as in Debian 12, takes the
 * head of a pipelined POST for its body and then never returns, so whoever
 * can connect could stop the daemon; a field line without colon swallows the
 * next; it knows no chunked requests. lws moves bytes and does TLS for us.
 *
 * Rules: nothing is copied or changed; offsets are from h.base, which may be
 * moved together with the bytes.
 * Ref: RFC 9110, RFC 9112.
 */
#ifndef CONN25_HTTP1_H
#define CONN25_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"

#define C25_HTTP1_HEAD_MAX 8192		/* bytes of start line and fields */
#define C25_HTTP1_FIELDS_MAX 100

/* One field line; offsets from the head's base. */
struct c25_http1_field {
	uint16_t name, name_len;
	uint16_t value, value_len;	/* without blanks around */
};

/* A parsed head. */
struct c25_http1 {
	const char *base;		/* where the head starts */
	uint16_t method, method_len;	/* of a request */
	uint16_t path, path_len;	/* ... without query; of the absolute
					 * form what follows the authority */
	int status;			/* of a response */
	int64_t length;			/* of the body; -1 chunked; -2 up to
					 * the end of the connection */
	bool chunks;			/* of a request: an answer may be in
					 * chunked coding */
	bool keep;			/* the connection may be used again */
	bool expect;			/* Expect: 100-continue */
	unsigned field_count;
	struct c25_http1_field fields[C25_HTTP1_FIELDS_MAX];
};

/*
 * Parse the head of a request at the start of `data`.
 * Returns: its length; 0 when there is more to come; or the negative status
 * to answer with: -400 malformed, -413 Content-Length past 2^53, -431 longer
 * than C25_HTTP1_HEAD_MAX or too many fields, -501 unknown transfer coding,
 * -505 not HTTP/1.
 */
int c25_http1_request(struct c25_http1 *h, const char *data, size_t len)
	__attribute__((warn_unused_result));

/*
 * Parse the head of a response (to a request other than HEAD). Interim ones
 * (1xx) are returned as any other, with length 0.
 * Returns: its length; 0 when there is more to come; -400 malformed.
 */
int c25_http1_response(struct c25_http1 *h, const char *data, size_t len)
	__attribute__((warn_unused_result));

/*
 * The value of a field (the first of that name; case doesn't matter).
 * Returns: its length and *value, or -ENOENT.
 */
int c25_http1_get(const struct c25_http1 *h, const char *name,
	const char **value);

/* Is this piece of text exactly that? */
bool c25_http1_is(const char *piece, size_t len, const char *text);

/* The reason phrase of a status, "" when unknown. */
const char *c25_http1_reason(int status);

/* ---- chunked coding, RFC 9112 7.1 --------------------------------------- */

enum c25_chunk_state {
	C25_CHUNK_SIZE = 0,	/* hex digits */
	C25_CHUNK_EXT,		/* ; up to the end of the line */
	C25_CHUNK_SIZE_LF,
	C25_CHUNK_DATA,
	C25_CHUNK_DATA_CR,
	C25_CHUNK_DATA_LF,
	C25_CHUNK_TRAILER,	/* start of a line */
	C25_CHUNK_TRAILER_LINE,
	C25_CHUNK_END_LF,
	C25_CHUNK_DONE,
};

/* Starts as all zero. */
struct c25_chunk {
	enum c25_chunk_state state;
	uint64_t left;		/* size, then what is missing of the data */
	unsigned digits;	/* of the size line */
	unsigned extra;		/* bytes of extensions and trailers */
};

/*
 * Take up to `len` bytes and add the data in them to `out`, of which `max`
 * bytes may be filled. Complete when c->state is C25_CHUNK_DONE.
 * Returns: bytes taken (all, unless complete); -EINVAL (not chunked coding);
 * -E2BIG (over max); -ENOMEM.
 */
ssize_t c25_chunk_feed(struct c25_chunk *c, const char *data, size_t len,
	struct c25_buf *out, size_t max) __attribute__((warn_unused_result));

/* Whom a request is for, as a URL has it: without the scheme's own port. */
void c25_http1_authority(const char *host, uint16_t port, bool tls,
	char *text, size_t size);

#endif
