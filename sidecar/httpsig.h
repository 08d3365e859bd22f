/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * httpsig.h - HTTP Message Signatures with Ed25519, and Content-Digest with
 * SHA-256: what a signature covers, how it is written, and whether one that
 * came may be believed. Pure. Who has which key, and which nonces were there
 * before, is for others: guard.h, pusher.c, replay.h.
 *
 * Example (one who has received a request):
 *	struct c25_httpsig_message m = { .head = head, .method = "POST",
 *		.path = "/v0/connector/transit-ip", .authority = "10.9.0.1" };
 *	struct c25_httpsig sig = { 0 };
 *
 *	if (c25_httpsig_parse(&sig, head, &err) != 0 ||
 *	    c25_httpsig_fresh(&sig, now_s, &err) != 0 ||
 *	    c25_httpsig_covers(&sig, C25_COVER_REQUEST, &err) != 0 ||
 *	    c25_httpsig_verify(&sig, &m, keys, key_count, &err) != 0)
 *		... 401, err.text ...
 *	... read the body ...
 *	if (c25_httpsig_digest_check(head, body, len, &err) != 0)
 *		... 401 ...
 *
 * What is signed
 *   request    @method @path @authority content-digest; with `created` and
 *              `nonce`, so that no two requests have the same signature
 *   response   @status content-digest conn25-epoch, and "signature";req: the
 *              Signature field of the request that it answers. That binds
 *              it to this request and no other, its body and nonce
 *              included, and neither side has to remember anything. An echo
 *              of the nonce would need a field of our own, and whoever
 *              verifies would have to know that it was not used twice.
 *
 * What is read: the structured fields of RFC 8941, strictly, and of those
 * only what is needed. One signature, under one label, is taken; several are
 * refused, as whoever signs for us signs once. Of the parameters `created`
 * must be there, and `nonce` in requests; `expires`, `keyid`, `alg` and `tag`
 * may be; others are refused, as they may mean a restriction. Components
 * may be any field of the message, once, and those above. What a field has
 * in several lines is joined with ", ".
 *
 * Rules: what is wrong is said in err as one clause without subject, fit for
 * the other side; -ENOMEM apart all of it is the other side's fault.
 * Ref: RFC 9421; RFC 9530; RFC 8941 4.2 (parsing), 4.1 (what the signature is
 * over).
 */
#ifndef CONN25_HTTPSIG_H
#define CONN25_HTTPSIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "config.h"
#include "conn25/error.h"
#include "http1.h"
#include "keys.h"

#define C25_HTTPSIG_WINDOW_S 30		/* `created` may be off so far, to
					 * either side */
#define C25_HTTPSIG_FIELD_MAX 2048	/* bytes of one of our fields */
#define C25_HTTPSIG_COMPONENTS_MAX 16
#define C25_HTTPSIG_NONCE_MIN 8		/* characters */
#define C25_HTTPSIG_NONCE_MAX 128
#define C25_HTTPSIG_AUTHORITY_MAX 262	/* a name, a port, NUL */

/* What a signature covers, of what matters to us. */
enum c25_httpsig_cover {
	C25_COVER_METHOD = 1,
	C25_COVER_PATH = 2,
	C25_COVER_AUTHORITY = 4,
	C25_COVER_DIGEST = 8,
	C25_COVER_STATUS = 16,
	C25_COVER_REQUEST_SIGNATURE = 32,	/* "signature";req */
	C25_COVER_EPOCH = 64,

	C25_COVER_REQUEST = 1 + 2 + 4 + 8,
	C25_COVER_RESPONSE = 8 + 16 + 32,
};

struct c25_httpsig_field {
	const char *name;		/* lower case */
	const char *value;
};

/* A message as far as it can be signed. Texts may be NULL: a signature that
 * covers them is refused. */
struct c25_httpsig_message {
	const char *method;
	const char *path;		/* without query */
	const char *authority;		/* see c25_httpsig_authority() */
	int status;			/* 0: a request */
	const char *request_signature;	/* of a response: the Signature field
					 * of what it answers */
	const struct c25_http1 *head;	/* fields of one that was received */
	const struct c25_httpsig_field *fields;	/* ... of one to be sent */
	size_t field_count;
};

/* One covered component. */
struct c25_httpsig_component {
	char name[64];
	bool request;			/* ;req */
};

/* A signature, taken apart. Starts as all zero; reused. */
struct c25_httpsig {
	struct c25_httpsig_component components[C25_HTTPSIG_COMPONENTS_MAX];
	size_t component_count;
	unsigned covers;		/* enum c25_httpsig_cover */
	int64_t created;		/* Unix time, seconds */
	int64_t expires;		/* -1: never */
	char nonce[C25_HTTPSIG_NONCE_MAX + 1];	/* "" when absent */
	uint8_t signature[C25_SIGNATURE_BYTES];
	struct c25_buf params;		/* of @signature-params, canonical */
	struct c25_buf base;		/* room for what is signed */
};

void c25_httpsig_free(struct c25_httpsig *sig);

/* Is there anything of a signature in this head? */
bool c25_httpsig_present(const struct c25_http1 *head);

/*
 * Read Signature-Input and Signature.
 * Returns: 0; -ENOENT (neither is there); -EINVAL; -ENOMEM.
 */
int c25_httpsig_parse(struct c25_httpsig *sig, const struct c25_http1 *head,
	struct c25_error *err) __attribute__((warn_unused_result));

/* Is it of now? Returns: 0; -ESTALE. */
int c25_httpsig_fresh(const struct c25_httpsig *sig, int64_t now_s,
	struct c25_error *err) __attribute__((warn_unused_result));

/* Does it cover all of `need`? Returns: 0; -EINVAL. */
int c25_httpsig_covers(const struct c25_httpsig *sig, unsigned need,
	struct c25_error *err) __attribute__((warn_unused_result));

/* Is it one of these keys' for this message? Returns: 0; -EBADMSG; -EINVAL
 * (it covers what isn't there); -ENOMEM. */
int c25_httpsig_verify(struct c25_httpsig *sig,
	const struct c25_httpsig_message *m, const struct c25_config_key *keys,
	size_t key_count, struct c25_error *err)
	__attribute__((warn_unused_result));

/* Is the body what Content-Digest says? Returns: 0; -EINVAL; -EBADMSG. */
int c25_httpsig_digest_check(const struct c25_http1 *head, const void *body,
	size_t len, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * Add the lines of Content-Digest, Signature-Input and Signature to a head
 * that is being written. `m` has neither head nor fields but `epoch` ("" or
 * NULL: none). `signature` is the value of the Signature field, for
 * the request_signature of the answer.
 */
void c25_httpsig_write(struct c25_buf *out, const struct c25_key *key,
	const struct c25_httpsig_message *m, const char *epoch,
	const void *body, size_t len, int64_t now_s,
	char signature[static 128]);

/*
 * The authority that a request is for, as @authority has it: lower case,
 * without the port of https (with `tls`) or http; from Host, or the absolute
 * form.
 * Returns: 0; -EINVAL (no Host, several, none that can be one).
 */
int c25_httpsig_authority(const struct c25_http1 *head, bool tls,
	char out[static C25_HTTPSIG_AUTHORITY_MAX])
	__attribute__((warn_unused_result));

/*
 * All lines of a field, joined. Returns: the length, the text in `out` with
 * NUL; -ENOENT; -ENOSPC (longer than size - 1).
 */
int c25_httpsig_field_value(const struct c25_http1 *head, const char *name,
	char *out, size_t size) __attribute__((warn_unused_result));

/* What is signed, into sig->base; for tests. Returns: as ..._verify(). */
int c25_httpsig_base(struct c25_httpsig *sig,
	const struct c25_httpsig_message *m, struct c25_error *err)
	__attribute__((warn_unused_result));

#endif
