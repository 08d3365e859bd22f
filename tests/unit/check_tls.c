/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of TLS as a filter, against OpenSSL's own server in memory and against
 * our own. The keys and certificates are made here.
 */

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sidecar/certificates.h"
#include "sidecar/tls.h"
#include "tests/unit/suite.h"

static EVP_PKEY *key;
static X509 *cert;
static SSL_CTX *server_ctx;
static SSL *server;
static BIO *server_in, *server_out;
static struct c25_tls *client;

/* A self-signed certificate for office.example and 192.0.2.7. */
static void
make_cert(void)
{
	X509_EXTENSION *ext;
	X509_NAME *name;

	key = EVP_EC_gen("P-256");
	cert = X509_new();
	ck_assert_ptr_nonnull(key);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	name = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name,
	    "DNS:office.example,IP:192.0.2.7");
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	ck_assert_int_gt(X509_sign(cert, key, EVP_sha256()), 0);
}

/* Let the system's store be this one certificate, or nothing. */
static void
trust(bool it)
{
	char path[] = "/tmp/check_tls.XXXXXX";
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");

	ck_assert_ptr_nonnull(f);
	if (it)
		PEM_write_X509(f, cert);
	fclose(f);
	setenv("SSL_CERT_FILE", path, 1);
	setenv("SSL_CERT_DIR", "/nonexistent", 1);
	/* the context is made, and the file read, with the first client */
	ck_assert_int_eq(c25_tls_new("x", &client), 0);
	c25_tls_free(client);
	unlink(path);
}

static void
start(const char *host)
{
	server_ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(server_ctx, cert);
	SSL_CTX_use_PrivateKey(server_ctx, key);
	server = SSL_new(server_ctx);
	server_in = BIO_new(BIO_s_mem());
	server_out = BIO_new(BIO_s_mem());
	SSL_set_bio(server, server_in, server_out);
	SSL_set_accept_state(server);
	ck_assert_int_eq(c25_tls_new(host, &client), 0);
}

static void
stop(void)
{
	c25_tls_free(client);
	SSL_free(server);
	SSL_CTX_free(server_ctx);
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* Carry bytes both ways, `piece` at a time, until nothing moves. Returns: what
 * the client says at last. */
static int
pump(size_t piece)
{
	int r = c25_tls_step(client, NULL, 0);
	bool moved = true;

	while (moved && r == 0) {
		struct c25_buf b = { 0 };
		char *data;
		long len;

		moved = false;
		c25_tls_out(client, &b);
		if (b.len != 0) {
			BIO_write(server_in, b.data, (int)b.len);
			moved = true;
		}
		c25_buf_free(&b);
		(void)SSL_do_handshake(server);
		len = BIO_get_mem_data(server_out, &data);
		for (long at = 0; at < len && r == 0; at += (long)piece)
			r = c25_tls_step(client, data + at,
			    (size_t)(len - at) < piece ? (size_t)(len - at) :
			    piece);
		if (len > 0)
			moved = true;
		(void)BIO_reset(server_out);
	}
	return r;
}

/* What a pin is of, by another way than ours. */
static int
spki_digest(X509 *x, unsigned char *out, unsigned *len)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(X509_get0_pubkey(x), &der);
	int r = n > 0 && EVP_Digest(der, (size_t)n, out, len, EVP_sha256(),
	    NULL);

	OPENSSL_free(der);
	return r;
}

static const struct {
	const char *host;
	bool trusted;
	size_t piece;
	const char *error;	/* NULL: good */
} rows[] = {
	{ "office.example", true, 100000, NULL },
	{ "OFFICE.example", true, 1, NULL },
	{ "192.0.2.7", true, 7, NULL },
	{ "branch.example", true, 100000, "hostname mismatch" },
	{ "x.office.example", true, 100000, "hostname mismatch" },
	{ "192.0.2.8", true, 100000, "IP address mismatch" },
	{ "office.example", false, 100000, "self-signed certificate" },
};

START_TEST(who_is_it)
{
	const char *error = rows[_i].error;
	int r;

	make_cert();
	trust(rows[_i].trusted);
	start(rows[_i].host);
	r = pump(rows[_i].piece);
	ck_assert_msg(r == (error == NULL ? 0 : -EPROTO), "%d: %s", r,
	    c25_tls_error(client));
	ck_assert_int_eq(c25_tls_ready(client), error == NULL);
	if (error != NULL)
		ck_assert_msg(strstr(c25_tls_error(client), error) != NULL,
		    "%s", c25_tls_error(client));
	stop();
}
END_TEST

START_TEST(there_and_back)
{
	static char big[300000], got[300000];
	size_t n, sum = 0;
	ssize_t r;

	make_cert();
	trust(true);
	start("office.example");
	ck_assert_int_eq(pump(100000), 0);
	memset(big, 'x', sizeof(big));
	ck_assert_int_eq(c25_tls_write(client, big, sizeof(big)), 0);
	ck_assert_int_eq(pump(100000), 0);
	while (sum < sizeof(got) && SSL_read_ex(server, got + sum,
	    sizeof(got) - sum, &n) == 1)
		sum += n;
	ck_assert_uint_eq(sum, sizeof(big));
	ck_assert_int_eq(memcmp(got, big, sizeof(big)), 0);
	ck_assert_int_eq(SSL_write_ex(server, "hello", 5, &n), 1);
	ck_assert_int_eq(c25_tls_read(client, got, sizeof(got)), 0);
	ck_assert_int_eq(pump(1), 0);
	r = c25_tls_read(client, got, sizeof(got));
	ck_assert_int_eq(r, 5);
	ck_assert_int_eq(memcmp(got, "hello", 5), 0);
	ck_assert_int_eq(c25_tls_read(client, got, sizeof(got)), 0);
	SSL_shutdown(server);
	ck_assert_int_eq(pump(100), 0);
	ck_assert_int_eq(c25_tls_read(client, got, sizeof(got)), -EPROTO);
	stop();
}
END_TEST

/* ---- our own server, and whom a client believes -------------------------- */

static char dir[] = "/tmp/check_tls.XXXXXX";

static const char *
in_dir(const char *name)
{
	static char path[4][128];
	static unsigned n;
	char *p = path[n++ % 4];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

/* The certificate and key of make_cert(), and another key. */
static void
write_files(void)
{
	EVP_PKEY *other = EVP_EC_gen("P-256");
	FILE *f;

	make_cert();
	ck_assert_ptr_nonnull(mkdtemp(dir));
	f = fopen(in_dir("cert"), "w");
	PEM_write_X509(f, cert);
	fclose(f);
	f = fopen(in_dir("key"), "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	f = fopen(in_dir("other"), "w");
	PEM_write_PrivateKey(f, other, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	f = fopen(in_dir("secret"), "w");
	PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), NULL, 0, NULL, "pw");
	fclose(f);
	f = fopen(in_dir("empty"), "w");
	fclose(f);
	ck_assert_int_eq(mkfifo(in_dir("fifo"), 0600), 0);
	ck_assert_int_eq(chmod(in_dir("key"), 0600), 0);
	ck_assert_int_eq(chmod(in_dir("other"), 0600), 0);
	ck_assert_int_eq(chmod(in_dir("secret"), 0600), 0);
	ck_assert_int_eq(chmod(in_dir("empty"), 0600), 0);
	f = fopen(in_dir("open"), "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	ck_assert_int_eq(chmod(in_dir("open"), 0604), 0);
	EVP_PKEY_free(other);
}

static void
remove_files(void)
{
	static const char *const names[] = { "cert", "key", "other", "secret",
		"empty", "fifo", "open" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		ck_assert_int_eq(unlink(in_dir(names[i])), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static const struct {
	const char *cert, *key;
	int r;
	const char *error;
} file_rows[] = {
	{ "cert", "key", 0, "" },
	{ "cert", "other", -EINVAL, "is not the key of the certificate" },
	{ "cert", "open", -EPERM, "mode 0604 lets others" },
	{ "cert", "secret", -EINVAL, "one with a password" },
	{ "cert", "empty", -EINVAL, "no private key in PEM form" },
	{ "cert", "cert", -EPERM, "lets others" },
	{ "cert", "fifo", -EINVAL, "is no regular file" },
	{ "cert", "none", -ENOENT, "No such file" },
	{ "empty", "key", -EINVAL, "no certificate in PEM form" },
	{ "key", "key", -EINVAL, "no certificate in PEM form" },
	{ "fifo", "key", -EINVAL, "must be a file in PEM form" },
	{ "none", "key", -ENOENT, "No such file" },
};

START_TEST(files)
{
	struct c25_tls_server *s = NULL;
	struct c25_error err = { "" };
	int64_t left;
	int r;

	write_files();
	r = c25_tls_server_load(in_dir(file_rows[_i].cert),
	    in_dir(file_rows[_i].key), geteuid(), &s, &err);
	ck_assert_msg(r == file_rows[_i].r, "%d: %s", r, err.text);
	ck_assert_msg(strstr(err.text, file_rows[_i].error) != NULL, "%s",
	    err.text);
	ck_assert_int_eq(s != NULL, r == 0);
	if (s != NULL) {
		left = c25_tls_server_left_s(s, time(NULL));
		ck_assert_int_ge(left, 3500);
		ck_assert_int_le(left, 3600);
		ck_assert_int_lt(c25_tls_server_left_s(s, time(NULL) + 7200),
		    0);
	}
	c25_tls_server_unref(s);
	remove_files();
}
END_TEST

/* Carry bytes between two of ours until nothing moves. Returns: what either
 * says. */
static int
pump_ours(struct c25_tls *a, struct c25_tls *b)
{
	struct c25_buf buf = { 0 };
	int r = c25_tls_step(a, NULL, 0);
	bool moved = true;

	for (int turn = 0; (moved || turn % 2 == 1) && r == 0; turn++) {
		if (turn % 2 == 0)
			moved = false;
		c25_buf_clear(&buf);
		c25_tls_out(turn % 2 == 0 ? a : b, &buf);
		moved |= buf.len != 0;
		if (buf.len != 0)
			r = c25_tls_step(turn % 2 == 0 ? b : a, buf.data,
			    buf.len);
	}
	c25_buf_free(&buf);
	return r;
}

enum { CA = 1, PIN = 2, WRONG_PIN = 4 };

static const struct {
	const char *host;
	int trust;
	const char *error;	/* NULL: good */
} believe_rows[] = {
	{ "office.example", CA, NULL },
	{ "branch.example", CA, "hostname mismatch" },
	{ "office.example", PIN, NULL },
	{ "branch.example", PIN, NULL },
	{ "192.0.2.99", WRONG_PIN | PIN, NULL },
	{ "office.example", WRONG_PIN, "another pin: sha256/" },
	{ "office.example", CA | PIN, NULL },
	{ "branch.example", CA | PIN, "hostname mismatch" },
	{ "office.example", CA | WRONG_PIN, "another pin: sha256/" },
	{ "office.example", 0, "self-signed certificate" },
};

START_TEST(believe)
{
	struct c25_tls_server *s;
	struct c25_tls_trust *t;
	struct c25_tls *ours;
	struct c25_tls_pin pins[2];
	struct c25_error err = { "" };
	int how = believe_rows[_i].trust, r;
	const char *error = believe_rows[_i].error;
	size_t count = 0;
	unsigned len = 0;
	char got[8];

	write_files();
	trust(false);
	if (how & WRONG_PIN)
		memset(&pins[count++], 7, sizeof(*pins));
	if (how & PIN)
		ck_assert_int_eq(spki_digest(cert,
		    pins[count++].bytes, &len), 1);
	ck_assert_int_eq(c25_tls_server_load(in_dir("cert"), in_dir("key"),
	    geteuid(), &s, &err), 0);
	ck_assert_int_eq(c25_tls_accept(s, &ours), 0);
	ck_assert_int_eq(c25_tls_new(believe_rows[_i].host, &client), 0);
	if (how != 0) {
		ck_assert_int_eq(c25_tls_trust_load(how & CA ?
		    in_dir("cert") : NULL, pins, count, &t, &err), 0);
		ck_assert_uint_ne(c25_tls_trust_id(t), 0);
		ck_assert_int_eq(c25_tls_believe(client, t), 0);
		c25_tls_trust_unref(t);
	}
	c25_tls_server_unref(s);	/* the connection holds on to it */
	r = pump_ours(client, ours);
	ck_assert_msg((r == 0) == (error == NULL), "%d: %s", r,
	    c25_tls_error(client));
	ck_assert_int_eq(c25_tls_ready(client), error == NULL);
	if (error != NULL) {
		ck_assert_msg(strstr(c25_tls_error(client), error) != NULL,
		    "%s", c25_tls_error(client));
	} else {
		ck_assert_int_eq(c25_tls_write(client, "hello", 5), 0);
		ck_assert_int_eq(pump_ours(client, ours), 0);
		ck_assert_int_eq(c25_tls_read(ours, got, 8), 5);
		ck_assert_int_eq(c25_tls_write(ours, "olleh", 5), 0);
		c25_tls_close(ours);
		ck_assert_int_eq(pump_ours(ours, client), 0);
		ck_assert_int_eq(c25_tls_read(client, got, 8), 5);
		ck_assert_int_eq(memcmp(got, "olleh", 5), 0);
		ck_assert_int_eq(c25_tls_read(client, got, 8), -EPROTO);
	}
	c25_tls_free(ours);
	c25_tls_free(client);
	remove_files();
}
END_TEST

/* A certificate that ends soon is told of when it is loaded, and once a day
 * from then on. */
START_TEST(once_a_day)
{
	const uint64_t day = C25_CERTIFICATES_EVERY_MS;
	struct c25_config cfg = { .listen = { .transit_ip.tls = true } };
	struct c25_certificates *c = NULL;
	struct c25_error err = { "" };
	unsigned told = 0;
	uint64_t start;

	write_files();
	cfg.listen.certificate_file = in_dir("cert");
	cfg.listen.private_key_file = in_dir("key");
	ck_assert_int_eq(c25_certificates_load(&cfg, geteuid(), &c, &err), 0);
	ck_assert_int_eq(c25_certificates_warn(c, &cfg, &err), 1);
	start = c->told_ms;
	ck_assert_int_eq(c25_certificates_tick(c, &cfg, start + day - 1,
	    &err), 0);
	for (uint64_t s = 0; s < 3 * 86400; s++)
		told += (unsigned)c25_certificates_tick(c, &cfg,
		    start + s * 1000 + 999, &err);
	ck_assert_uint_eq(told, 2);
	ck_assert_ptr_nonnull(strstr(err.text, "expires in 0 days"));
	ck_assert_int_eq(c25_certificates_tick(NULL, &cfg, start + 9 * day,
	    &err), 0);
	c25_certificates_free(c);
	remove_files();
}
END_TEST

/* Key updates (RFC 8446 4.6.3) in a row, of which none is to keep us busy:
 * only so many are answered, and the connection is given up. */
static const struct {
	unsigned count;
	unsigned rounds;		/* with a word after each */
	bool asks;			/* us for a new key, too */
	bool good;
} update_rows[] = {
	{ 1, 1, false, true },
	{ 5, 40, true, true },
	{ 5, 40, false, true },
	{ 1000, 1, false, false },
	{ 1000, 1, true, false },
	{ 40, 1, true, false },
};

START_TEST(key_updates)
{
	char got[8] = "", *data;
	ssize_t r = 0;
	size_t n;
	struct c25_buf b = { 0 };

	make_cert();
	trust(true);
	start("office.example");
	ck_assert_int_eq(pump(100000), 0);
	for (unsigned round = 0; round < update_rows[_i].rounds; round++) {
		for (unsigned i = 0; i < update_rows[_i].count; i++) {
			ck_assert_int_eq(SSL_key_update(server,
			    update_rows[_i].asks ? SSL_KEY_UPDATE_REQUESTED :
			    SSL_KEY_UPDATE_NOT_REQUESTED), 1);
			ck_assert_int_eq(SSL_do_handshake(server), 1);
		}
		ck_assert_int_eq(SSL_write_ex(server, "hello", 5, &n), 1);
		n = (size_t)BIO_get_mem_data(server_out, &data);
		ck_assert_int_eq(c25_tls_step(client, data, n), 0);
		(void)BIO_reset(server_out);
		r = c25_tls_read(client, got, sizeof(got));
		if (update_rows[_i].good)
			ck_assert_int_eq(r, 5);
	}
	c25_tls_out(client, &b);
	ck_assert_msg(b.len < 10000, "%zu bytes of answers", b.len);
	c25_buf_free(&b);
	if (!update_rows[_i].good) {
		ck_assert_int_eq(r, -EPROTO);
		ck_assert_msg(strstr(c25_tls_error(client), "too many") !=
		    NULL, "%s", c25_tls_error(client));
		ck_assert_int_eq(c25_tls_read(client, got, sizeof(got)),
		    -EPROTO);
	}
	stop();
}
END_TEST

/* What a server may choose from: lists as in the wire, "" for none. */
static const struct {
	const char *alpn;
	const char *chosen;	/* NULL: none */
	bool h2;
} alpn_rows[] = {
	{ "", NULL, false },
	{ "\010http/1.1", "http/1.1", false },
	{ "\002h2", "h2", true },
	{ "\010http/1.1\002h2", "http/1.1", false },
	{ "\002h2\010http/1.1", "h2", true },
	{ "\002h3", NULL, false },
	{ "\003h2c", NULL, false },
};

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *offer, unsigned len, void *ctx)
{
	const char *mine = ctx;

	return SSL_select_next_proto((unsigned char **)(uintptr_t)out,
	    out_len, (const unsigned char *)mine, (unsigned)strlen(mine),
	    offer, len) == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK :
	    SSL_TLSEXT_ERR_NOACK;
}

START_TEST(which_http)
{
	const char *chosen = alpn_rows[_i].chosen;
	const unsigned char *name;
	unsigned len;

	make_cert();
	trust(true);
	start("office.example");
	if (alpn_rows[_i].alpn[0] != '\0')
		SSL_CTX_set_alpn_select_cb(server_ctx, on_alpn,
		    (void *)(uintptr_t)alpn_rows[_i].alpn);
	ck_assert(!c25_tls_h2(client));
	ck_assert_int_eq(pump(100000), 0);
	ck_assert(c25_tls_ready(client));
	SSL_get0_alpn_selected(server, &name, &len);
	ck_assert_uint_eq(len, chosen == NULL ? 0 : strlen(chosen));
	ck_assert(len == 0 || memcmp(name, chosen, len) == 0);
	ck_assert_int_eq(c25_tls_h2(client), alpn_rows[_i].h2);
	stop();
}
END_TEST

static const char *const garbage_rows[] = {
	"HTTP/1.1 400 Bad Request\r\n\r\n", "\026\003\001", "",
	"\025\003\003\000\002\002\050",
};

START_TEST(not_tls)
{
	size_t len = strlen(garbage_rows[_i]) == 3 ? 3 : _i == 3 ? 7 :
	    strlen(garbage_rows[_i]);

	make_cert();
	trust(true);
	start("office.example");
	ck_assert_int_eq(c25_tls_step(client, NULL, 0), 0);
	ck_assert_int_eq(c25_tls_step(client, garbage_rows[_i], len),
	    len > 3 ? -EPROTO : 0);
	ck_assert(!c25_tls_ready(client));
	stop();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls");
	TCase *tc = tcase_create("tls");

	tcase_set_timeout(tc, 30);
	ADD_ROWS(tc, who_is_it, rows);
	tcase_add_test(tc, there_and_back);
	ADD_ROWS(tc, files, file_rows);
	ADD_ROWS(tc, believe, believe_rows);
	tcase_add_test(tc, once_a_day);
	ADD_ROWS(tc, key_updates, update_rows);
	ADD_ROWS(tc, which_http, alpn_rows);
	ADD_ROWS(tc, not_tls, garbage_rows);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
