/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tls.h - TLS as a filter: bytes from the network in, bytes for the network
 * out; no sockets. OpenSSL is underneath. As a client: the server must have a
 * certificate that the system's store vouches for, for the host we wanted,
 * unless a struct c25_tls_trust says otherwise. As a server: with a
 * certificate and its key out of two files.
 *
 * (libwebsockets 4.1.6 can't do it for us: for a raw client connection it
 * starts TLS before there is a socket.)
 *
 * Example:
 *	c25_tls_new("office.example", &t);
 *	r = c25_tls_step(t, NULL, 0);		starts the handshake
 *	... send c25_tls_out(t), give what comes to c25_tls_step() ...
 *	if (c25_tls_ready(t))
 *		c25_tls_write(t, data, len), c25_tls_read(t, buf, size)
 * A server is told apart by its beginning:
 *	c25_tls_server_load(cert, key, geteuid(), &s, &err);	once
 *	c25_tls_accept(s, &t);			for each connection
 *
 * Rules
 *   versions   TLS 1.2 or 1.3; nothing is renegotiated, compressed or
 *              resumed, and there are no session tickets.
 *   floods     a connection whose other side changes keys again and again
 *              and says nothing else is given up, before that costs time.
 *   files      are read when they are loaded, and not again. The key's must
 *              be its owner's alone, as those of keys.h.
 *   threads    one.
 */
#ifndef CONN25_TLS_H
#define CONN25_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "buf.h"
#include "conn25/error.h"

struct c25_tls;

/* ---- whom a client believes --------------------------------------------- */

/*
 * Let OpenSSL read its configuration and load what that names (providers)
 * while libraries can be loaded: before sandbox.h's filter.
 */
void c25_tls_init(void);

/* SHA-256 of a SubjectPublicKeyInfo: which key a certificate is for. */
#define C25_TLS_PIN_BYTES 32
struct c25_tls_pin {
	uint8_t bytes[C25_TLS_PIN_BYTES];
};

/*
 * Instead of the system's store. With a file of CA certificates (PEM) the
 * certificate must come from one of those, and be for the host. With pins its
 * key must be one of them; with pins alone that is all that is asked, neither
 * issuer nor name nor dates.
 */
struct c25_tls_trust;

/*
 * ca_file may be NULL. Owns: *out, the caller's until its unref.
 * Returns: 0; -errno of reading, -EINVAL (no certificate in it); -ENOMEM.
 */
int c25_tls_trust_load(const char *ca_file, const struct c25_tls_pin *pins,
	size_t count, struct c25_tls_trust **out, struct c25_error *err)
	__attribute__((warn_unused_result));
struct c25_tls_trust *c25_tls_trust_ref(struct c25_tls_trust *trust);
void c25_tls_trust_unref(struct c25_tls_trust *trust);	/* NULL is fine */

/* A number that is another one when something else is trusted; never 0. */
uint64_t c25_tls_trust_id(const struct c25_tls_trust *trust);

/* ---- what a server shows ------------------------------------------------ */

struct c25_tls_server;

/*
 * A certificate, its chain after it, and its private key, all PEM. `owner`
 * may own the key file besides root (C25_KEY_ANY_OWNER: anybody).
 * Owns: *out, the caller's until its unref; connections hold on to it.
 * Returns: 0; -errno of reading; -EPERM (others can read the key, another
 * owner); -EINVAL (not PEM, doesn't match, too weak); -ENOMEM.
 */
int c25_tls_server_load(const char *certificate_file, const char *key_file,
	uid_t owner, struct c25_tls_server **out, struct c25_error *err)
	__attribute__((warn_unused_result));
struct c25_tls_server *c25_tls_server_ref(struct c25_tls_server *server);
void c25_tls_server_unref(struct c25_tls_server *server); /* NULL is fine */

/* Seconds until the certificate ends; negative when it has. */
int64_t c25_tls_server_left_s(const struct c25_tls_server *server,
	time_t now);

/* ---- a connection ------------------------------------------------------- */

/* The server's side of one. Returns: as c25_tls_new(). */
int c25_tls_accept(struct c25_tls_server *server, struct c25_tls **out)
	__attribute__((warn_unused_result));

/* Owns: *out, until c25_tls_free(). Returns: 0; -ENOMEM; -EIO. */
int c25_tls_new(const char *host, struct c25_tls **out)
	__attribute__((warn_unused_result));
void c25_tls_free(struct c25_tls *t);		/* NULL is fine */

/* A client's, before its first step: whom to believe. Returns: 0; -ENOMEM. */
int c25_tls_believe(struct c25_tls *t, struct c25_tls_trust *trust)
	__attribute__((warn_unused_result));

/*
 * Take bytes from the network and go on with the handshake.
 * Returns: 0; -EPROTO: see c25_tls_error(); -ENOMEM.
 */
int c25_tls_step(struct c25_tls *t, const void *data, size_t len)
	__attribute__((warn_unused_result));

/* Is the handshake done and the certificate good? */
bool c25_tls_ready(const struct c25_tls *t);

/* Did the server choose HTTP/2 (ALPN, RFC 7301)? We offer that and HTTP/1.1. */
bool c25_tls_h2(const struct c25_tls *t);

/* Encrypt. Returns: 0; -EPROTO; -ENOMEM. */
int c25_tls_write(struct c25_tls *t, const void *data, size_t len)
	__attribute__((warn_unused_result));

/* Decrypt. Returns: bytes; 0 no more for now; -EPROTO (also at its end). */
ssize_t c25_tls_read(struct c25_tls *t, void *buf, size_t size)
	__attribute__((warn_unused_result));

/* Say that no more will be written. */
void c25_tls_close(struct c25_tls *t);

/* Add what is to be sent to `out`. */
void c25_tls_out(struct c25_tls *t, struct c25_buf *out);

/* What went wrong, a few words. */
const char *c25_tls_error(const struct c25_tls *t);

#endif
