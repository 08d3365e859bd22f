/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS as a filter, with OpenSSL's memory BIOs; see tls.h. */
#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/addr.h"

struct c25_tls {
	SSL *ssl;
	BIO *in, *out;		/* owned by ssl */
	bool ready;
	char error[160];
};

/* One for all; lives as long as the process. */
static SSL_CTX *
context(void)
{
	static SSL_CTX *ctx;

	if (ctx != NULL)
		return ctx;
	ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_default_verify_paths(ctx) != 1) {
		SSL_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

/* Whose certificate it must be. Returns: false when out of memory. */
static bool
expect_host(SSL *ssl, const char *host)
{
	static const unsigned char alpn[] = "\010http/1.1";
	struct c25_addr a;

	if (SSL_set_alpn_protos(ssl, alpn, sizeof(alpn) - 1) != 0)
		return false;
	if (c25_addr_parse(&a, host, strlen(host)) == 0)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl),
			host) == 1;
	return SSL_set1_host(ssl, host) == 1 &&
		SSL_set_tlsext_host_name(ssl, host) == 1;
}

int
c25_tls_new(const char *host, struct c25_tls **out)
{
	struct c25_tls *t = calloc(1, sizeof(*t));
	SSL_CTX *ctx = context();

	if (t == NULL)
		return -ENOMEM;
	if (ctx != NULL)
		t->ssl = SSL_new(ctx);
	if (t->ssl == NULL) {
		free(t);
		return -EIO;
	}
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (t->in == NULL || t->out == NULL) {
		BIO_free(t->in);
		BIO_free(t->out);
		c25_tls_free(t);
		return -ENOMEM;
	}
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_connect_state(t->ssl);
	if (!expect_host(t->ssl, host)) {
		c25_tls_free(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

void
c25_tls_free(struct c25_tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	free(t);
}

/* Returns: 0 when OpenSSL only wants more bytes, else -EPROTO. */
static int
result(struct c25_tls *t, int r)
{
	int code = SSL_get_error(t->ssl, r);
	long verify = SSL_get_verify_result(t->ssl);
	const char *reason;

	if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE)
		return 0;
	reason = ERR_reason_error_string(ERR_peek_last_error());
	if (code == SSL_ERROR_ZERO_RETURN)
		reason = "connection closed";
	if (verify != X509_V_OK)
		snprintf(t->error, sizeof(t->error), "TLS: certificate not "
			"accepted: %s",
			X509_verify_cert_error_string(verify));
	else
		snprintf(t->error, sizeof(t->error), "TLS: %s",
			reason != NULL ? reason : "failed");
	ERR_clear_error();
	return -EPROTO;
}

int
c25_tls_step(struct c25_tls *t, const void *data, size_t len)
{
	int r;

	ERR_clear_error();
	if (len != 0 && BIO_write(t->in, data, (int)len) != (int)len)
		return -ENOMEM;
	if (t->ready)
		return 0;
	r = SSL_do_handshake(t->ssl);
	if (r != 1)
		return result(t, r);
	t->ready = true;
	return 0;
}

bool
c25_tls_ready(const struct c25_tls *t)
{
	return t->ready;
}

int
c25_tls_write(struct c25_tls *t, const void *data, size_t len)
{
	size_t done;

	ERR_clear_error();
	if (SSL_write_ex(t->ssl, data, len, &done) != 1)
		return result(t, 0) == 0 ? -ENOMEM : -EPROTO;
	return 0;
}

ssize_t
c25_tls_read(struct c25_tls *t, void *buf, size_t size)
{
	size_t n;
	int r;

	ERR_clear_error();
	r = SSL_read_ex(t->ssl, buf, size, &n);
	return r == 1 ? (ssize_t)n : result(t, r);
}

void
c25_tls_out(struct c25_tls *t, struct c25_buf *out)
{
	char *data;
	long len = BIO_get_mem_data(t->out, &data);

	if (len <= 0)
		return;
	c25_buf_add(out, data, (size_t)len);
	(void)BIO_reset(t->out);
}

const char *
c25_tls_error(const struct c25_tls *t)
{
	return t->error;
}
