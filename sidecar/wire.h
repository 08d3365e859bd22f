/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire.h - the JSON of POST /v0/connector/transit-ip, both directions and
 * both ends: bytes <-> messages. Pure; cJSON is underneath.
 *
 * Example (a connector):
 *	struct c25_wire_request q = { 0 };
 *
 *	if (c25_wire_request_parse(&q, body, len, &err) != 0)
 *		... 400, err.text ...
 *	for (i = 0; i < q.count; i++)
 *		codes[i] = ... q.entries[i] ...
 *	c25_wire_response_write(&out, codes, q.count);
 *	c25_wire_request_free(&q);
 *
 * What is read is strict RFC 8259 JSON (c25_json_parse(): cJSON alone is more
 * generous), at most C25_WIRE_BODY_MAX bytes and C25_JSONC_DEPTH_MAX deep,
 * nothing but blanks after the value; strings may not contain NUL. As in Go's
 * encoding/json, and so in upstream's conn25, keys match case-insensitively
 * (ASCII), of repeated keys the last counts, unknown keys are ignored, null
 * changes nothing (a null "transitIPs" empties it), and a value of another
 * type is an error.
 *
 * Addresses are strict (c25_addr_parse()). Absent, null or "" is unset;
 * anything else that is no address spoils the whole request. An IPv4-mapped
 * IPv6 address is an IPv6 address here: serve.h refuses to map to one.
 *
 * Rules: a request or response struct starts as all zero, is reused for as
 * many messages as you like (it keeps its arrays) and freed at the end. What
 * it points to lives until the next parse, clear or free.
 */
#ifndef CONN25_WIRE_H
#define CONN25_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "conn25/addr.h"
#include "conn25/error.h"
#include "jsonc.h"

#define C25_WIRE_PATH "/v0/connector/transit-ip"
#define C25_WIRE_EPOCH "Conn25-Epoch"		/* response header */
#define C25_WIRE_BODY_MAX (1u << 20)		/* bytes */
#define C25_WIRE_ENTRIES_MAX 65536		/* in one message; 16 bytes
						 * each fill a body */
#define C25_WIRE_VALUES_MAX 32768	/* in an entry, read in pieces */
#define C25_WIRE_MESSAGE_MAX 128		/* kept of a result's message */

/* Result codes of one entry. Ref: DESIGN 8. */
enum c25_wire_code {
	C25_WIRE_OK = 0,
	C25_WIRE_OTHER = 1,		/* other failure */
	C25_WIRE_DUPLICATE = 2,		/* transit IP twice in the request */
	C25_WIRE_NO_FAMILY = 3,		/* peer has no address of the family */
	C25_WIRE_FAMILIES = 4,		/* transit and destination differ */
	C25_WIRE_UNKNOWN_APP = 5,
	C25_WIRE_FORBIDDEN = 6,		/* peer may not use the app */
	C25_WIRE_CODES
};

/* One mapping of a request. */
struct c25_wire_entry {
	struct c25_addr transit;	/* unset when absent or "" */
	struct c25_addr destination;
	const char *app;		/* "" when absent */
	const char *domain;		/* "" when absent; our addition */
};

struct c25_wire_request {
	struct c25_wire_entry *entries;
	size_t count;
	size_t size;			/* allocated */
	void *doc;			/* cJSON, owns the strings */
	char *text;			/* or this does, in pieces */
	size_t text_len;
};

/*
 * Parse a request body; empty `entries` is a good request.
 * Returns: 0; -EINVAL (400: err says what, in words fit for the other side);
 * -E2BIG (413: too long, or too many entries); -ENOMEM.
 */
int c25_wire_request_parse(struct c25_wire_request *q, const char *body,
	size_t len, struct c25_error *err)
	__attribute__((warn_unused_result));
void c25_wire_request_clear(struct c25_wire_request *q);
void c25_wire_request_free(struct c25_wire_request *q);

/*
 * The same in pieces, for long bodies: the first step reads all of the body
 * once (4 ms for a mebibyte), each further one only so many entries; no tree
 * is built but of one entry at a time.
 *
 *	r = c25_wire_pieces_start(&pieces, &q, body, len, &err);
 *	while (r == 0 && pieces.more)
 *		r = c25_wire_pieces_next(&pieces, &q, body, 500,
 *			&err);
 *
 * The body may move in between, but has to stay what it is. Both return
 * what c25_wire_request_parse() does, -E2BIG also for an entry that has more
 * values in it than C25_WIRE_VALUES_MAX; q is empty then.
 */
struct c25_wire_pieces {
	struct c25_jsonc_walk list;
	bool more;			/* entries may be left */
};
int c25_wire_pieces_start(struct c25_wire_pieces *p,
	struct c25_wire_request *q, const char *body, size_t len,
	struct c25_error *err) __attribute__((warn_unused_result));
int c25_wire_pieces_next(struct c25_wire_pieces *p,
	struct c25_wire_request *q, const char *body, size_t max,
	struct c25_error *err) __attribute__((warn_unused_result));

/* Write a request body (replaces what is in `out`; see out->failed). */
void c25_wire_request_write(struct c25_buf *out,
	const struct c25_wire_entry *entries, size_t count);

/* One result of a response. */
struct c25_wire_result {
	uint8_t code;			/* enum c25_wire_code */
	char message[C25_WIRE_MESSAGE_MAX];	/* cut, printable, NUL */
};

struct c25_wire_response {
	struct c25_wire_result *results;
	size_t count;
	size_t size;			/* allocated */
};

/*
 * Parse the body of a 200 response to a request with `expected` entries.
 * Returns: 0 and exactly `expected` results; -EINVAL (no JSON, fewer or more
 * results, codes outside 0..6: err says what); -E2BIG; -ENOMEM.
 */
int c25_wire_response_parse(struct c25_wire_response *p, const char *body,
	size_t len, size_t expected, struct c25_error *err)
	__attribute__((warn_unused_result));
void c25_wire_response_free(struct c25_wire_response *p);

/*
 * Write a response body: `{}` for no entries, else an object for each code,
 * zero values omitted, each code with its standard message.
 */
void c25_wire_response_write(struct c25_buf *out, const uint8_t *codes,
	size_t count);

/*
 * The same; why(ctx, i, buf) gives the message of entry i in place of the
 * standard one, or NULL. `buf` is room for it.
 */
#define C25_WIRE_WHY_MAX 1280
void c25_wire_response_write_why(struct c25_buf *out, const uint8_t *codes,
	size_t count, const char *(*why)(void *ctx, size_t i,
	char buf[static C25_WIRE_WHY_MAX]), void *ctx);

/* ... in pieces: add what is between results from and to - 1 of `count`. */
void c25_wire_response_add(struct c25_buf *out, const uint8_t *codes,
	size_t from, size_t to, size_t count, const char *(*why)(void *ctx,
	size_t i, char buf[static C25_WIRE_WHY_MAX]), void *ctx);

/* The standard message of a code, "" for C25_WIRE_OK. */
const char *c25_wire_message(enum c25_wire_code code);

#endif
