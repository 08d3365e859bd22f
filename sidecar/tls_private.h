/* SPDX-License-Identifier: BSD-3-Clause */
/* tls_private.h - what tls.c and tls_files.c share; OpenSSL is known to them
 * alone. */
#ifndef CONN25_TLS_PRIVATE_H
#define CONN25_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "tls.h"

/* Of every context, clients' and servers'. */
#define C25_TLS_OPTIONS (SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | \
	SSL_OP_NO_TICKET)

struct c25_tls_trust {
	unsigned refs;
	X509_STORE *store;		/* NULL: no caFile */
	struct c25_tls_pin *pins;
	size_t pin_count;
	uint64_t id;
};

struct c25_tls_server {
	unsigned refs;
	SSL_CTX *ctx;
};

#endif
