/* SPDX-License-Identifier: BSD-3-Clause */
/* What a signature is over, making and verifying it; see httpsig.h. What is
 * in the fields is read in httpsig_parse.c. */
#include "httpsig.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NONCE_BYTES 16
#define DIGEST_TEXT_MAX 64	/* sha-256=:44 characters: */
#define LABEL "conn25"

void
c25_httpsig_free(struct c25_httpsig *sig)
{
	c25_buf_free(&sig->params);
	c25_buf_free(&sig->base);
}

/* ---- judging ------------------------------------------------------------- */

int
c25_httpsig_fresh(const struct c25_httpsig *sig, int64_t now_s,
	struct c25_error *err)
{
	long long off = (long long)now_s - sig->created;

	if (off > C25_HTTPSIG_WINDOW_S)
		return c25_fail(err, -ESTALE, "it was created %lld s ago, "
			"and %d are the most: compare the clocks", off,
			C25_HTTPSIG_WINDOW_S);
	if (-off > C25_HTTPSIG_WINDOW_S)
		return c25_fail(err, -ESTALE, "it was created %lld s in the "
			"future, and %d are the most: compare the clocks",
			-off, C25_HTTPSIG_WINDOW_S);
	if (sig->expires >= 0 && sig->expires <= now_s)
		return c25_fail(err, -ESTALE, "it expired %lld s ago",
			(long long)now_s - sig->expires);
	return 0;
}

int
c25_httpsig_covers(const struct c25_httpsig *sig, unsigned need,
	struct c25_error *err)
{
	static const char *const names[] = { "@method", "@path",
		"@authority", "content-digest", "@status",
		"\"signature\";req", "conn25-epoch" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if ((need & 1u << i & ~sig->covers) != 0)
			return c25_fail(err, -EINVAL, "it does not cover %s",
				names[i]);
	return 0;
}

/* ---- what is signed ------------------------------------------------------ */

/* The value of a component into `b`. Returns: false: there is none. */
static bool
put_component(struct c25_buf *b, const struct c25_httpsig_message *m,
	const struct c25_httpsig_component *c)
{
	char value[C25_HTTP1_HEAD_MAX + 1];
	const char *text = NULL;

	if (c->request) {
		if (strcmp(c->name, "signature") == 0)
			text = m->request_signature;
	} else if (strcmp(c->name, "@status") == 0) {
		if (m->status == 0)
			return false;
		c25_buf_format(b, "%d", m->status);
		return true;
	} else if (c->name[0] == '@') {
		text = strcmp(c->name, "@method") == 0 ? m->method :
			strcmp(c->name, "@path") == 0 ? m->path :
			strcmp(c->name, "@authority") == 0 ? m->authority :
			NULL;
	} else if (m->head != NULL) {
		if (c25_httpsig_field_value(m->head, c->name, value,
		    sizeof(value)) >= 0)
			text = value;
	} else {
		for (size_t i = 0; i < m->field_count; i++)
			if (strcmp(m->fields[i].name, c->name) == 0)
				text = m->fields[i].value;
	}
	if (text == NULL)
		return false;
	c25_buf_str(b, text);
	return true;
}

int
c25_httpsig_base(struct c25_httpsig *sig,
	const struct c25_httpsig_message *m, struct c25_error *err)
{
	struct c25_buf *b = &sig->base;

	c25_buf_clear(b);
	for (size_t i = 0; i < sig->component_count; i++) {
		const struct c25_httpsig_component *c = &sig->components[i];

		/* no name that is there has '"' or '\' in it */
		c25_buf_format(b, "\"%s\"%s: ", c->name,
			c->request ? ";req" : "");
		if (!put_component(b, m, c))
			return c25_fail(err, -EINVAL, "it covers a component "
				"that is not there");
		c25_buf_lit(b, "\n");
	}
	c25_buf_lit(b, "\"@signature-params\": ");
	c25_buf_add(b, sig->params.data, sig->params.len);
	return b->failed || sig->params.failed ?
		c25_fail(err, -ENOMEM, "out of memory") : 0;
}

int
c25_httpsig_verify(struct c25_httpsig *sig,
	const struct c25_httpsig_message *m, const struct c25_config_key *keys,
	size_t key_count, struct c25_error *err)
{
	int r = c25_httpsig_base(sig, m, err);

	if (r != 0)
		return r;
	for (size_t i = 0; i < key_count; i++)
		if (crypto_sign_verify_detached(sig->signature,
		    (const unsigned char *)sig->base.data, sig->base.len,
		    keys[i].bytes) == 0)
			return 0;
	return c25_fail(err, -EBADMSG, "it is by another key, or for another "
		"message");
}

/* ---- making -------------------------------------------------------------- */

static void
add_component(struct c25_httpsig *sig, const char *name, bool request)
{
	struct c25_httpsig_component *c =
		&sig->components[sig->component_count];

	(void)snprintf(c->name, sizeof(c->name), "%s", name);
	c->request = request;
	c25_buf_format(&sig->params, "%s\"%s\"%s", sig->component_count++ ==
		0 ? "(" : " ", name, request ? ";req" : "");
}

static void
add_params(struct c25_httpsig *sig, const struct c25_key *key, bool request,
	int64_t now_s)
{
	char nonce[sodium_base64_ENCODED_LEN(NONCE_BYTES,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
	uint8_t bytes[NONCE_BYTES];

	c25_buf_format(&sig->params, ");created=%lld", (long long)now_s);
	if (request) {
		randombytes_buf(bytes, sizeof(bytes));
		(void)sodium_bin2base64(nonce, sizeof(nonce), bytes,
			sizeof(bytes),
			sodium_base64_VARIANT_URLSAFE_NO_PADDING);
		c25_buf_format(&sig->params, ";nonce=\"%s\"", nonce);
	}
	c25_buf_format(&sig->params, ";keyid=\"%s\";alg=\"ed25519\"",
		c25_key_text(key));
}

static void
digest_text(const void *body, size_t len, char out[static DIGEST_TEXT_MAX])
{
	uint8_t digest[crypto_hash_sha256_BYTES];
	char text[sodium_base64_ENCODED_LEN(crypto_hash_sha256_BYTES,
		sodium_base64_VARIANT_ORIGINAL)];

	(void)crypto_hash_sha256(digest, body, len);
	(void)sodium_bin2base64(text, sizeof(text), digest, sizeof(digest),
		sodium_base64_VARIANT_ORIGINAL);
	(void)snprintf(out, DIGEST_TEXT_MAX, "sha-256=:%s:", text);
}

void
c25_httpsig_write(struct c25_buf *out, const struct c25_key *key,
	const struct c25_httpsig_message *m, const char *epoch,
	const void *body, size_t len, int64_t now_s,
	char signature[static 128])
{
	char digest[DIGEST_TEXT_MAX], text[sodium_base64_ENCODED_LEN(
		C25_SIGNATURE_BYTES, sodium_base64_VARIANT_ORIGINAL)];
	struct c25_httpsig_field fields[] = {
		{ "content-digest", digest }, { "conn25-epoch", epoch } };
	struct c25_httpsig_message all = *m;
	struct c25_httpsig sig = { .expires = -1 };
	bool has_epoch = epoch != NULL && epoch[0] != '\0';

	digest_text(body, len, digest);
	all.head = NULL;
	all.fields = fields;
	all.field_count = has_epoch ? 2 : 1;
	if (m->status == 0) {
		add_component(&sig, "@method", false);
		add_component(&sig, "@path", false);
		add_component(&sig, "@authority", false);
		add_component(&sig, "content-digest", false);
	} else {
		add_component(&sig, "@status", false);
		add_component(&sig, "content-digest", false);
		if (has_epoch)
			add_component(&sig, "conn25-epoch", false);
		add_component(&sig, "signature", true);
	}
	add_params(&sig, key, m->status == 0, now_s);
	signature[0] = '\0';
	if (c25_httpsig_base(&sig, &all, NULL) == 0) {
		c25_key_sign(key, sig.base.data, sig.base.len, sig.signature);
		(void)sodium_bin2base64(text, sizeof(text), sig.signature,
			sizeof(sig.signature),
			sodium_base64_VARIANT_ORIGINAL);
		(void)snprintf(signature, 128, LABEL "=:%s:", text);
		c25_buf_format(out, "Content-Digest: %s\r\n"
			"Signature-Input: " LABEL "=%s\r\n"
			"Signature: %s\r\n", digest, sig.params.data,
			signature);
	}
	c25_httpsig_free(&sig);
}

/* ---- whom it is for ------------------------------------------------------ */

int
c25_httpsig_authority(const struct c25_http1 *head, bool tls,
	char out[static C25_HTTPSIG_AUTHORITY_MAX])
{
	const char *text = NULL, *port = tls ? ":443" : ":80";
	size_t len = 0, at = (size_t)head->method_len + 1;
	size_t port_len = strlen(port);

	if (head->path > at) {
		/* http://authority/path: RFC 9112 3.2.2 */
		text = head->base + at + strlen("http://");
		len = head->path - at - strlen("http://");
	}
	for (unsigned i = 0, hosts = 0; i < head->field_count; i++) {
		const struct c25_http1_field *f = &head->fields[i];

		if (f->name_len != 4 ||
		    strncasecmp(head->base + f->name, "host", 4) != 0)
			continue;
		if (hosts++ > 0)
			return -EINVAL;
		if (head->path == at) {
			text = head->base + f->value;
			len = f->value_len;
		}
	}
	if (len >= port_len &&
	    memcmp(text + len - port_len, port, port_len) == 0)
		len -= port_len;
	if (len == 0 || len >= C25_HTTPSIG_AUTHORITY_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c <= ' ' || c > '~')
			return -EINVAL;
		out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	out[len] = '\0';
	return 0;
}
