/* SPDX-License-Identifier: BSD-3-Clause */
/* What TLS reads from files: certificates, the server's key, CAs; see
 * tls.h. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys.h"
#include "tls_private.h"

#define FILE_MAX (4u << 20)	/* bytes; the CAs of all the world are less */
#define KEY_FILE_MAX (64u << 10)

/* What OpenSSL's last complaint was. */
static const char *
reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text != NULL ? text : "no reason given";
}

/* ---- reading ------------------------------------------------------------- */

/* All of a file that is open. Returns: 0; -errno; -EFBIG. */
static int
read_all(int fd, char *data, size_t size, size_t *len)
{
	ssize_t n;

	*len = 0;
	do {
		n = read(fd, data + *len, size - *len);
		if (n < 0 && errno != EINTR)
			return -errno;
		*len += n > 0 ? (size_t)n : 0;
	} while (n != 0 && *len < size);
	return *len < size ? 0 : -EFBIG;
}

/* A file that needn't be secret, into memory of the caller's. */
static int
read_file(const char *path, char **data, size_t *len, struct c25_error *err)
{
	struct stat st;
	int fd, r = 0;

	*data = NULL;
	/* it may be a FIFO: don't wait for its other end */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) != 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	else if ((*data = malloc(FILE_MAX)) == NULL)
		r = -ENOMEM;
	else
		r = read_all(fd, *data, FILE_MAX, len);
	if (fd >= 0)
		(void)close(fd);
	if (r == 0)
		return 0;
	free(*data);
	*data = NULL;
	return c25_fail(err, r, "%s: can't be read: %s: it must be a file in "
		"PEM form that conn25d's user can read", path, strerror(-r));
}

/* ---- whom a client believes ---------------------------------------------- */

/* Every certificate of a PEM text. Returns: how many, or -ENOMEM. */
static int
add_certificates(X509_STORE *store, const char *data, size_t len)
{
	BIO *bio = BIO_new_mem_buf(data, (int)len);
	X509 *cert;
	int n = 0;

	if (bio == NULL)
		return -ENOMEM;
	while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (X509_STORE_add_cert(store, cert) != 1)
			n = -ENOMEM;
		X509_free(cert);
		if (n < 0)
			break;
		n++;
	}
	BIO_free(bio);
	ERR_clear_error();
	return n;
}

static int
load_ca(struct c25_tls_trust *trust, const char *path,
	crypto_generichash_state *hash, struct c25_error *err)
{
	size_t len = 0;
	char *data;
	int r = read_file(path, &data, &len, err);

	if (r != 0)
		return r;
	trust->store = X509_STORE_new();
	r = trust->store == NULL ? -ENOMEM :
		add_certificates(trust->store, data, len);
	(void)crypto_generichash_update(hash, (const unsigned char *)data,
		len);
	free(data);
	if (r < 0)
		return c25_fail(err, r, "%s: out of memory", path);
	if (r == 0)
		return c25_fail(err, -EINVAL, "%s: has no certificate in PEM "
			"form: name the file of the CA's certificate", path);
	return 0;
}

int
c25_tls_trust_load(const char *ca_file, const struct c25_tls_pin *pins,
	size_t count, struct c25_tls_trust **out, struct c25_error *err)
{
	struct c25_tls_trust *trust = calloc(1, sizeof(*trust));
	crypto_generichash_state hash;
	unsigned char id[16];
	int r = 0;

	*out = NULL;
	if (trust == NULL || (trust->pins = calloc(count + 1,
	    sizeof(*pins))) == NULL || sodium_init() < 0) {
		free(trust);
		return c25_fail(err, -ENOMEM, "out of memory");
	}
	trust->refs = 1;
	trust->pin_count = count;
	(void)crypto_generichash_init(&hash, NULL, 0, 16);
	if (count > 0) {
		memcpy(trust->pins, pins, count * sizeof(*pins));
		(void)crypto_generichash_update(&hash,
			(const unsigned char *)pins, count * sizeof(*pins));
	}
	if (ca_file != NULL)
		r = load_ca(trust, ca_file, &hash, err);
	if (r != 0) {
		c25_tls_trust_unref(trust);
		return r;
	}
	(void)crypto_generichash_final(&hash, id, sizeof(id));
	memcpy(&trust->id, id, sizeof(trust->id));
	trust->id |= 1;
	*out = trust;
	return 0;
}

struct c25_tls_trust *
c25_tls_trust_ref(struct c25_tls_trust *trust)
{
	trust->refs++;
	return trust;
}

void
c25_tls_trust_unref(struct c25_tls_trust *trust)
{
	if (trust == NULL || --trust->refs > 0)
		return;
	X509_STORE_free(trust->store);
	free(trust->pins);
	free(trust);
}

uint64_t
c25_tls_trust_id(const struct c25_tls_trust *trust)
{
	return trust->id;
}

/* ---- what a server shows ------------------------------------------------- */

/* There is nobody to ask for a password. */
static int
no_password(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

/* Clients that ask for something want HTTP/1.1. Ref: RFC 7301 3.2. */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
	const unsigned char *in, unsigned in_len, void *ctx)
{
	static const unsigned char ours[] = "\010http/1.1";
	unsigned char *found;

	(void)ssl;
	(void)ctx;
	if (SSL_select_next_proto(&found, len, ours, sizeof(ours) - 1, in,
	    in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = found;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *
server_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_options(ctx, C25_TLS_OPTIONS |
		SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_num_tickets(ctx, 0) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

/* The certificate and what leads from it to its CA. */
static int
use_certificate(SSL_CTX *ctx, const char *path, struct c25_error *err)
{
	X509 *cert = NULL;
	BIO *bio = NULL;
	size_t len = 0;
	char *data;
	int r = read_file(path, &data, &len, err);

	if (r != 0)
		return r;
	bio = BIO_new_mem_buf(data, (int)len);
	if (bio == NULL) {
		r = c25_fail(err, -ENOMEM, "%s: out of memory", path);
		goto out;
	}
	cert = PEM_read_bio_X509(bio, NULL, no_password, NULL);
	if (cert == NULL) {
		r = c25_fail(err, -EINVAL, "%s: has no certificate in PEM "
			"form: name the file that has it, its chain after it",
			path);
		goto out;
	}
	if (SSL_CTX_use_certificate(ctx, cert) != 1) {
		r = c25_fail(err, -EINVAL, "%s: the certificate can't be "
			"used: %s: make another", path, reason());
		goto out;
	}
	X509_free(cert);
	while ((cert = PEM_read_bio_X509(bio, NULL, no_password,
	    NULL)) != NULL)
		if (SSL_CTX_add0_chain_cert(ctx, cert) != 1) {
			r = c25_fail(err, -EINVAL, "%s: the chain can't be "
				"used: %s", path, reason());
			goto out;
		}
out:
	X509_free(cert);
	BIO_free(bio);
	free(data);
	return r;
}

static int
use_key(SSL_CTX *ctx, const char *path, uid_t owner, struct c25_error *err)
{
	EVP_PKEY *key = NULL;
	BIO *bio = NULL;
	char *data;
	size_t len;
	int fd, r;

	fd = c25_key_open(path, owner, "it is the key of certificateFile, in "
		"PEM form", err);
	if (fd < 0)
		return fd;
	data = sodium_malloc(KEY_FILE_MAX);
	r = data == NULL ? -ENOMEM : read_all(fd, data, KEY_FILE_MAX, &len);
	(void)close(fd);
	if (r != 0) {
		sodium_free(data);
		return c25_fail(err, r, "%s: can't be read: %s", path,
			strerror(-r));
	}
	bio = BIO_new_mem_buf(data, (int)len);
	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	if (key == NULL)
		r = c25_fail(err, -EINVAL, "%s: has no private key in PEM "
			"form, or one with a password: write it without",
			path);
	else if (SSL_CTX_use_PrivateKey(ctx, key) != 1)
		r = c25_fail(err, -EINVAL, "%s: is not the key of the "
			"certificate: %s: name the two files that belong "
			"together", path, reason());
	EVP_PKEY_free(key);
	BIO_free(bio);
	sodium_free(data);		/* and zeroes it */
	return r;
}

int
c25_tls_server_load(const char *certificate_file, const char *key_file,
	uid_t owner, struct c25_tls_server **out, struct c25_error *err)
{
	struct c25_tls_server *s = calloc(1, sizeof(*s));
	int r;

	*out = NULL;
	if (s == NULL || sodium_init() < 0 ||
	    (s->ctx = server_context()) == NULL) {
		free(s);
		return c25_fail(err, -ENOMEM, "TLS can't be set up");
	}
	s->refs = 1;
	r = use_certificate(s->ctx, certificate_file, err);
	if (r == 0)
		r = use_key(s->ctx, key_file, owner, err);
	if (r == 0 && SSL_CTX_check_private_key(s->ctx) != 1)
		r = c25_fail(err, -EINVAL, "%s: is not the key of the "
			"certificate: name the two files that belong "
			"together", key_file);
	ERR_clear_error();
	if (r != 0) {
		c25_tls_server_unref(s);
		return r;
	}
	*out = s;
	return 0;
}

struct c25_tls_server *
c25_tls_server_ref(struct c25_tls_server *server)
{
	server->refs++;
	return server;
}

void
c25_tls_server_unref(struct c25_tls_server *server)
{
	if (server == NULL || --server->refs > 0)
		return;
	SSL_CTX_free(server->ctx);
	free(server);
}

int64_t
c25_tls_server_left_s(const struct c25_tls_server *server, time_t now)
{
	const X509 *cert = SSL_CTX_get0_certificate(server->ctx);
	int days = 0, seconds = 0;
	ASN1_TIME *at = ASN1_TIME_set(NULL, now);

	if (at != NULL)
		(void)ASN1_TIME_diff(&days, &seconds, at,
			X509_get0_notAfter(cert));
	ASN1_TIME_free(at);
	return (int64_t)days * 86400 + seconds;
}
