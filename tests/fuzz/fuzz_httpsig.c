/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP Message Signatures (sidecar/httpsig.h): what a stranger writes into the
 * fields of a head is never believed, and what one who has the key signed is
 * believed only as it was signed.
 * Input: kind of message, then
 *   strange   the field lines of a head
 *   signed    a number, the length of a body, the body, and what to do to the
 *             message: place (two bytes), deed, byte; again and again
 */
#include <ctype.h>
#include <sodium.h>

#include "sidecar/httpsig.h"
#include "tests/fuzz/fuzz.h"

#define NOW 1700000000
#define PATH "/v0/connector/transit-ip"
#define AUTHORITY "10.9.0.2:8025"
#define ASKED "conn25=:c29tZSByZXF1ZXN0:"
#define BODY_MAX 512
#define DEEDS_MAX 32

/* A request or a response as it comes in. */
struct message {
	bool request;
	struct fuzz_copy bytes;
	size_t head_len;
	struct c25_http1 head;
};

static uint32_t next_random;

/* What libsodium thinks is random: nonces, the same each time. */
static uint32_t
counter(void)
{
	return next_random++;
}

static const char *
counter_name(void)
{
	return "counter";
}

static void
counter_fill(void *buf, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)buf)[i] = (uint8_t)counter();
}

static struct randombytes_implementation counters = {
	.implementation_name = counter_name,
	.random = counter,
	.buf = counter_fill,
};

static struct c25_key *
key_of(uint8_t first)
{
	uint8_t seed[C25_KEY_BYTES] = { first, 25 };
	struct c25_key *key = c25_key_from_seed(seed);

	fuzz_must(key != NULL, "no key");
	return key;
}

static struct c25_config_key
public_of(const struct c25_key *key)
{
	struct c25_config_key public;

	memcpy(public.bytes, c25_key_public(key), sizeof(public.bytes));
	return public;
}

/* Is it a head at all? */
static bool
read_head(struct message *m)
{
	const char *data = (const char *)m->bytes.bytes;
	int n = m->request ?
		c25_http1_request(&m->head, data, m->bytes.len) :
		c25_http1_response(&m->head, data, m->bytes.len);

	m->head_len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* It goes into logs and to the other side. */
static void
check_error(const struct c25_error *err, int r)
{
	fuzz_must(r == 0 || err->text[0] != '\0', "%d without a reason", r);
	for (const char *p = err->text; *p != '\0'; p++)
		fuzz_must(isprint((unsigned char)*p), "byte %d in %s", *p,
			err->text);
}

/* What is signed has one line for each component and one for the parameters,
 * whatever is in the fields: no value can pass for another line. */
static void
check_base(const struct c25_httpsig *sig)
{
	const char *base = sig->base.data, *last = base;
	size_t lines = 0;

	for (size_t i = 0; i < sig->base.len; i++)
		if (base[i] == '\n') {
			last = base + i + 1;
			lines++;
		}
	fuzz_must(lines == sig->component_count, "%zu lines, %zu components",
		lines, sig->component_count);
	fuzz_must(strncmp(last, "\"@signature-params\": (", 22) == 0, "%s",
		last);
	fuzz_must(strcmp(last + 21, sig->params.data) == 0, "%s, not %s",
		last + 21, sig->params.data);
}

/* Its parameters as they are signed mean the same when they are read. */
static void
check_canonical(const struct c25_httpsig *sig)
{
	struct c25_httpsig again = { 0 };
	char nothing[86];		/* 64 zeros in base64 */
	struct c25_buf b = { 0 };
	struct c25_http1 head;
	struct c25_error err;
	int n;

	memset(nothing, 'A', sizeof(nothing));
	c25_buf_format(&b, "HTTP/1.1 200 OK\r\nSignature-Input: s=%s\r\n"
		"Signature: s=:%.*s==:\r\n\r\n", sig->params.data,
		(int)sizeof(nothing), nothing);
	fuzz_must(!b.failed, "out of memory");
	n = c25_http1_response(&head, b.data, b.len);
	if (n < 0) {
		/* written longer than it came (tabs as blanks don't count) */
		fuzz_must(b.len > C25_HTTP1_HEAD_MAX, "%s", b.data);
		c25_buf_free(&b);
		return;
	}
	fuzz_must(c25_httpsig_parse(&again, &head, &err) == 0, "%s: %s",
		err.text, b.data);
	fuzz_must(again.component_count == sig->component_count &&
		again.covers == sig->covers && again.created == sig->created &&
		again.expires == sig->expires &&
		strcmp(again.nonce, sig->nonce) == 0 &&
		strcmp(again.params.data, sig->params.data) == 0,
		"%s becomes %s", sig->params.data, again.params.data);
	c25_httpsig_free(&again);
	c25_buf_free(&b);
}

/*
 * As guard.c and pusher.c ask, but for who it is and its nonce.
 * Returns: would it be believed?
 */
static bool
believe(const struct message *m, const char *asked,
	const struct c25_config_key *key, struct c25_httpsig *sig)
{
	char authority[C25_HTTPSIG_AUTHORITY_MAX], method[16], path[64];
	struct c25_httpsig_message about = { .head = &m->head };
	const struct c25_http1 *h = &m->head;
	const char *body = (const char *)m->bytes.bytes + m->head_len;
	struct c25_error err = { "" };
	int r, fresh, covers;

	(void)c25_httpsig_present(h);
	r = c25_httpsig_parse(sig, h, &err);
	check_error(&err, r);
	if (r != 0)
		return false;
	fuzz_must(sig->component_count <= C25_HTTPSIG_COMPONENTS_MAX, "%zu",
		sig->component_count);
	fuzz_must(strlen(sig->nonce) <= C25_HTTPSIG_NONCE_MAX, "%s",
		sig->nonce);
	fresh = c25_httpsig_fresh(sig, NOW, &err);
	check_error(&err, fresh);
	fuzz_must(fresh != 0 || (sig->created >= NOW - C25_HTTPSIG_WINDOW_S &&
		sig->created <= NOW + C25_HTTPSIG_WINDOW_S), "%lld is fresh",
		(long long)sig->created);
	covers = c25_httpsig_covers(sig, m->request ? C25_COVER_REQUEST :
		C25_COVER_RESPONSE, &err);
	check_error(&err, covers);
	if (m->request) {
		(void)snprintf(method, sizeof(method), "%.*s",
			(int)h->method_len, h->base + h->method);
		(void)snprintf(path, sizeof(path), "%.*s", (int)h->path_len,
			h->base + h->path);
		about.method = method;
		about.path = path;
		if (c25_httpsig_authority(h, false, authority) == 0)
			about.authority = authority;
	} else {
		about.status = h->status;
		about.request_signature = asked;
	}
	if (c25_httpsig_base(sig, &about, &err) == 0)
		check_base(sig);
	check_canonical(sig);
	r = c25_httpsig_verify(sig, &about, key, 1, &err);
	check_error(&err, r);
	return r == 0 && fresh == 0 && covers == 0 &&
		(!m->request || sig->nonce[0] != '\0') &&
		c25_httpsig_digest_check(h, body, m->bytes.len - m->head_len,
		&err) == 0;
}

/* ---- a stranger ---------------------------------------------------------- */

static void
try_strange(struct fuzz *f, bool request)
{
	struct message m = { .request = request };
	struct c25_httpsig sig = { 0 };
	struct c25_buf b = { 0 };
	/* nobody has the other half of this one */
	struct c25_config_key key = { { 0x58, 0x66, 0x66 } };

	c25_buf_format(&b, "%s\r\n", request ? "POST " PATH " HTTP/1.1" :
		"HTTP/1.1 200 OK");
	c25_buf_add(&b, f->p, f->left);
	c25_buf_lit(&b, "\r\n\r\n");
	fuzz_must(!b.failed, "out of memory");
	m.bytes = fuzz_rest(&(struct fuzz){ (uint8_t *)b.data, b.len });
	if (read_head(&m))
		fuzz_must(!believe(&m, ASKED, &key, &sig), "believed");
	c25_httpsig_free(&sig);
	free(m.bytes.bytes);
	c25_buf_free(&b);
}

/* ---- one who has the key ------------------------------------------------- */

/* Do something to a message, byte by byte. */
static void
tamper(struct fuzz *f, struct c25_buf *b)
{
	for (unsigned i = 0; i < DEEDS_MAX && f->left >= 4; i++) {
		size_t at = fuzz_u16(f) % (b->len + 1);
		uint8_t deed = fuzz_u8(f) % 4, byte = fuzz_u8(f);
		size_t part = byte < b->len - at ? byte : b->len - at;

		if (deed == 0 && at < b->len) {
			b->data[at] = (char)byte;
		} else if (deed == 1 && at < b->len) {
			memmove(b->data + at, b->data + at + 1,
				b->len - at - 1);
			b->len--;
		} else if (deed == 2) {
			c25_buf_add(b, "", 1);
			fuzz_must(!b->failed, "out of memory");
			memmove(b->data + at + 1, b->data + at,
				b->len - at - 1);
			b->data[at] = (char)byte;
		} else {
			char copy[255];

			memcpy(copy, b->data + at, part);
			c25_buf_add(b, copy, part);
			fuzz_must(!b->failed, "out of memory");
		}
	}
}

static void
write_message(struct c25_buf *b, bool request, const struct c25_key *key,
	const char *body, size_t len)
{
	struct c25_httpsig_message about = { .method = "POST", .path = PATH,
		.authority = AUTHORITY };
	char signature[128];

	if (!request)
		about = (struct c25_httpsig_message){ .status = 200,
			.request_signature = ASKED };
	c25_buf_format(b, "%s\r\nContent-Length: %zu\r\n", request ?
		"POST " PATH " HTTP/1.1\r\nHost: " AUTHORITY :
		"HTTP/1.1 200 OK\r\nConn25-Epoch: 0123", len);
	c25_httpsig_write(b, key, &about, request ? NULL : "0123", body, len,
		NOW, signature);
	c25_buf_lit(b, "\r\n");
	c25_buf_add(b, body, len);
	fuzz_must(!b->failed, "out of memory");
}

/* It was believed: then it says what was signed. */
static void
check_same(const struct message *m, const struct c25_httpsig *sig,
	const char *nonce, const struct fuzz_copy *body)
{
	char authority[C25_HTTPSIG_AUTHORITY_MAX];
	const struct c25_http1 *h = &m->head;
	size_t len = m->bytes.len - m->head_len;
	const char *epoch;

	fuzz_must(sig->created == NOW && strcmp(sig->nonce, nonce) == 0,
		"created %lld, nonce %s", (long long)sig->created, sig->nonce);
	fuzz_must(len == body->len && (len == 0 || memcmp(m->bytes.bytes +
		m->head_len, body->bytes, len) == 0), "another body");
	if (!m->request) {
		fuzz_must(h->status == 200, "status %d", h->status);
		fuzz_must(c25_http1_get(h, "conn25-epoch", &epoch) == 4 &&
			memcmp(epoch, "0123", 4) == 0, "another epoch");
		return;
	}
	fuzz_must(c25_http1_is(h->base + h->method, h->method_len, "POST"),
		"another method");
	fuzz_must(c25_http1_is(h->base + h->path, h->path_len, PATH),
		"another path");
	fuzz_must(c25_httpsig_authority(h, false, authority) == 0 &&
		strcmp(authority, AUTHORITY) == 0, "for %s", authority);
}

static void
try_signed(struct fuzz *f, bool request)
{
	struct c25_key *key = key_of(fuzz_u8(f));
	struct c25_config_key public = public_of(key);
	struct fuzz_copy body = fuzz_take(f, fuzz_u16(f) % BODY_MAX);
	struct message m = { .request = request };
	struct c25_httpsig sig = { 0 };
	struct c25_buf b = { 0 };
	char nonce[C25_HTTPSIG_NONCE_MAX + 1];

	write_message(&b, request, key, (const char *)body.bytes, body.len);
	m.bytes = fuzz_rest(&(struct fuzz){ (uint8_t *)b.data, b.len });
	fuzz_must(read_head(&m) && believe(&m, ASKED, &public, &sig),
		"our own isn't believed:\n%s", b.data);
	memcpy(nonce, sig.nonce, sizeof(nonce));
	if (!request)
		fuzz_must(!believe(&m, "conn25=:b3RoZXI=:", &public, &sig),
			"believed as an answer to something else");
	free(m.bytes.bytes);

	tamper(f, &b);
	m.bytes = fuzz_rest(&(struct fuzz){ (uint8_t *)b.data, b.len });
	if (read_head(&m) && believe(&m, ASKED, &public, &sig))
		check_same(&m, &sig, nonce, &body);
	c25_httpsig_free(&sig);
	free(m.bytes.bytes);
	free(body.bytes);
	c25_buf_free(&b);
	c25_key_free(key);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	uint8_t kind = fuzz_u8(&f) % 4;

	if (size == 0)
		return 0;
	(void)randombytes_set_implementation(&counters);
	next_random = 0;
	if (kind < 2)
		try_strange(&f, kind == 0);
	else
		try_signed(&f, kind == 2);
	return 0;
}
