/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS as a filter, with OpenSSL's memory BIOs; see tls.h. */
#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/addr.h"
#include "tls_private.h"

/* Records and handshake messages in a row that may carry nothing: session
 * tickets, a new key now and then. Each costs the other side next to nothing
 * and us a computation, and OpenSSL goes through all there are at once. */
#define EMPTY_MAX 32

struct c25_tls {
	SSL *ssl;
	BIO *in, *out;		/* owned by ssl */
	struct c25_tls_trust *trust;	/* NULL: the system's store */
	bool ready;
	unsigned empty;		/* read since there was something in one */
	char error[160];
};

void
c25_tls_init(void)
{
	(void)OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG, NULL);
}

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
	SSL_CTX_set_options(ctx, C25_TLS_OPTIONS);
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
	static const unsigned char alpn[] = "\002h2\010http/1.1";
	struct c25_addr a;

	if (SSL_set_alpn_protos(ssl, alpn, sizeof(alpn) - 1) != 0)
		return false;
	if (c25_addr_parse(&a, host, strlen(host)) == 0)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl),
			host) == 1;
	return SSL_set1_host(ssl, host) == 1 &&
		SSL_set_tlsext_host_name(ssl, host) == 1;
}

/* OpenSSL tells of each record's head and of each message. Too many of them:
 * take away what it has not read, so that it stops. */
static void
on_message(int sent, int version, int type, const void *data, size_t len,
	SSL *ssl, void *arg)
{
	struct c25_tls *t = arg;

	(void)version, (void)data, (void)len, (void)ssl;
	if (sent || !t->ready ||
	    (type != SSL3_RT_HEADER && type != SSL3_RT_HANDSHAKE))
		return;
	if (++t->empty > EMPTY_MAX)
		(void)BIO_reset(t->in);
}

/* One of a context, which way it goes still open. */
static int
tls_make(SSL_CTX *ctx, struct c25_tls **out)
{
	struct c25_tls *t = calloc(1, sizeof(*t));

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
	SSL_set_msg_callback(t->ssl, on_message);
	SSL_set_msg_callback_arg(t->ssl, t);
	*out = t;
	return 0;
}

int
c25_tls_new(const char *host, struct c25_tls **out)
{
	struct c25_tls *t;
	int r = tls_make(context(), &t);

	if (r != 0)
		return r;
	SSL_set_connect_state(t->ssl);
	if (!expect_host(t->ssl, host)) {
		c25_tls_free(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

int
c25_tls_accept(struct c25_tls_server *server, struct c25_tls **out)
{
	int r = tls_make(server->ctx, out);

	if (r == 0)
		SSL_set_accept_state((*out)->ssl);
	return r;
}

void
c25_tls_free(struct c25_tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	c25_tls_trust_unref(t->trust);
	free(t);
}

/* ---- pins ---------------------------------------------------------------- */

/* Any certificate: its key is looked at when the handshake is done. */
static int
any_certificate(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

int
c25_tls_believe(struct c25_tls *t, struct c25_tls_trust *trust)
{
	if (trust->store != NULL &&
	    SSL_set1_verify_cert_store(t->ssl, trust->store) != 1)
		return -ENOMEM;
	if (trust->store == NULL && trust->pin_count > 0)
		SSL_set_verify(t->ssl, SSL_VERIFY_PEER, any_certificate);
	c25_tls_trust_unref(t->trust);
	t->trust = c25_tls_trust_ref(trust);
	return 0;
}

/* Is the key of the other side's certificate one that we were told? */
static int
check_pin(struct c25_tls *t)
{
	const struct c25_tls_trust *trust = t->trust;
	char text[sodium_base64_ENCODED_LEN(C25_TLS_PIN_BYTES,
		sodium_base64_VARIANT_ORIGINAL)];
	struct c25_tls_pin pin;
	X509 *cert = SSL_get0_peer_certificate(t->ssl);
	unsigned char *der = NULL;
	int len;

	if (trust == NULL || trust->pin_count == 0)
		return 0;
	len = cert == NULL ? -1 : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert),
		&der);
	if (len < 0) {
		snprintf(t->error, sizeof(t->error), "TLS: no certificate");
		return -EPROTO;
	}
	(void)crypto_hash_sha256(pin.bytes, der, (unsigned long long)len);
	OPENSSL_free(der);
	for (size_t i = 0; i < trust->pin_count; i++)
		if (memcmp(&trust->pins[i], &pin, sizeof(pin)) == 0)
			return 0;
	(void)sodium_bin2base64(text, sizeof(text), pin.bytes,
		sizeof(pin.bytes), sodium_base64_VARIANT_ORIGINAL);
	snprintf(t->error, sizeof(t->error), "TLS: certificate not accepted: "
		"its key has another pin: sha256/%s", text);
	return -EPROTO;
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
	else if (ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_SSL &&
	    ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_WRONG_VERSION_NUMBER)
		snprintf(t->error, sizeof(t->error), "TLS: the other side "
			"speaks none: does it listen with https?");
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
	r = check_pin(t);
	t->ready = r == 0;
	return r;
}

bool
c25_tls_ready(const struct c25_tls *t)
{
	return t->ready;
}

bool
c25_tls_h2(const struct c25_tls *t)
{
	const unsigned char *name;
	unsigned len;

	SSL_get0_alpn_selected(t->ssl, &name, &len);
	return t->ready && len == 2 && memcmp(name, "h2", 2) == 0;
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
	if (t->empty > EMPTY_MAX) {
		snprintf(t->error, sizeof(t->error), "TLS: too many messages "
			"that carry nothing (new keys, tickets)");
		ERR_clear_error();
		return -EPROTO;
	}
	if (r != 1)
		return result(t, r);
	t->empty = 0;
	return (ssize_t)n;
}

void
c25_tls_close(struct c25_tls *t)
{
	ERR_clear_error();
	if (t->ready)
		(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
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
