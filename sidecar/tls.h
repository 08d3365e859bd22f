/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tls.h - the client side of TLS as a filter: bytes from the network in,
 * bytes for the network out; no sockets. OpenSSL is underneath; the server
 * must have a certificate that the system's store vouches for, for the host
 * we wanted.
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
 *
 * Rules: one thread.
 */
#ifndef CONN25_TLS_H
#define CONN25_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "buf.h"

struct c25_tls;

/* Owns: *out, until c25_tls_free(). Returns: 0; -ENOMEM; -EIO. */
int c25_tls_new(const char *host, struct c25_tls **out)
	__attribute__((warn_unused_result));
void c25_tls_free(struct c25_tls *t);		/* NULL is fine */

/*
 * Take bytes from the network and go on with the handshake.
 * Returns: 0; -EPROTO: see c25_tls_error(); -ENOMEM.
 */
int c25_tls_step(struct c25_tls *t, const void *data, size_t len)
	__attribute__((warn_unused_result));

/* Is the handshake done and the certificate good? */
bool c25_tls_ready(const struct c25_tls *t);

/* Encrypt. Returns: 0; -EPROTO; -ENOMEM. */
int c25_tls_write(struct c25_tls *t, const void *data, size_t len)
	__attribute__((warn_unused_result));

/* Decrypt. Returns: bytes; 0 no more for now; -EPROTO (also at its end). */
ssize_t c25_tls_read(struct c25_tls *t, void *buf, size_t size)
	__attribute__((warn_unused_result));

/* Add what is to be sent to `out`. */
void c25_tls_out(struct c25_tls *t, struct c25_buf *out);

/* What went wrong, a few words. */
const char *c25_tls_error(const struct c25_tls *t);

#endif
