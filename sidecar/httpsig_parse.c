/* SPDX-License-Identifier: BSD-3-Clause */
/* The structured fields of signatures, read strictly; see httpsig.h. */
#include "httpsig.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

#define KEY_MAX 64		/* characters of a key */
#define INTEGER_DIGITS 15	/* RFC 8941 3.3.1 */

/* Where we are in a field. */
struct cursor {
	const char *p, *end;
};

static bool
at(const struct cursor *c, char what)
{
	return c->p < c->end && *c->p == what;
}

static bool
take(struct cursor *c, char what)
{
	if (!at(c, what))
		return false;
	c->p++;
	return true;
}

static void
skip_spaces(struct cursor *c)
{
	while (at(c, ' '))
		c->p++;
}

static bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A key. Returns: its length, 0 when there is none. */
static size_t
take_key(struct cursor *c, const char **key)
{
	size_t n = 0;

	*key = c->p;
	if (!(c->p < c->end && (is_lower(*c->p) || *c->p == '*')))
		return 0;
	while (c->p < c->end && (is_lower(*c->p) || is_digit(*c->p) ||
	    strchr("_-.*", *c->p) != NULL)) {
		c->p++;
		n++;
	}
	return n <= KEY_MAX ? n : 0;
}

/* A string of at most `size` - 1 characters, unescaped. */
static bool
take_string(struct cursor *c, char *out, size_t size)
{
	size_t n = 0;

	if (!take(c, '"'))
		return false;
	while (c->p < c->end && *c->p != '"') {
		char ch = *c->p++;

		if (ch == '\\') {
			if (!at(c, '"') && !at(c, '\\'))
				return false;
			ch = *c->p++;
		}
		if (ch < 0x20 || ch > 0x7e || n + 1 >= size)
			return false;
		out[n++] = ch;
	}
	out[n] = '\0';
	return take(c, '"');
}

/* A whole number, not negative: all of ours are times. */
static bool
take_integer(struct cursor *c, int64_t *out)
{
	int digits = 0;

	*out = 0;
	while (c->p < c->end && is_digit(*c->p)) {
		if (++digits > INTEGER_DIGITS)
			return false;
		*out = *out * 10 + (*c->p++ - '0');
	}
	return digits > 0 && !at(c, '.');
}

/* :base64: of exactly `size` bytes. */
static bool
take_bytes(struct cursor *c, uint8_t *out, size_t size)
{
	const char *stop;
	size_t n = 0;

	if (!take(c, ':'))
		return false;
	stop = memchr(c->p, ':', (size_t)(c->end - c->p));
	if (stop == NULL || sodium_base642bin(out, size, c->p,
	    (size_t)(stop - c->p), NULL, &n, NULL,
	    sodium_base64_VARIANT_ORIGINAL) != 0 || n != size)
		return false;
	c->p = stop + 1;
	return true;
}

/* ---- canonical form ------------------------------------------------------ */

static void
put_string(struct c25_buf *b, const char *text)
{
	c25_buf_lit(b, "\"");
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			c25_buf_lit(b, "\\");
		c25_buf_add(b, text, 1);
	}
	c25_buf_lit(b, "\"");
}

/* ---- fields ------------------------------------------------------------- */

int
c25_httpsig_field_value(const struct c25_http1 *head, const char *name,
	char *out, size_t size)
{
	size_t len = 0, name_len = strlen(name);
	bool found = false;

	for (unsigned i = 0; i < head->field_count; i++) {
		const struct c25_http1_field *f = &head->fields[i];

		if (f->name_len != name_len ||
		    strncasecmp(head->base + f->name, name, name_len) != 0)
			continue;
		if (len + (found ? 2 : 0) + f->value_len >= size)
			return -ENOSPC;
		if (found) {
			memcpy(out + len, ", ", 2);
			len += 2;
		}
		memcpy(out + len, head->base + f->value, f->value_len);
		len += f->value_len;
		found = true;
	}
	if (!found)
		return -ENOENT;
	out[len] = '\0';
	return (int)len;
}

/* One of ours into `text`. */
static int
get_field(const struct c25_http1 *head, const char *name,
	char text[static C25_HTTPSIG_FIELD_MAX + 1], struct cursor *c,
	struct c25_error *err)
{
	int n = c25_httpsig_field_value(head, name, text,
		C25_HTTPSIG_FIELD_MAX + 1);

	if (n == -ENOENT)
		return c25_fail(err, -EINVAL, "there is no %s field", name);
	if (n < 0)
		return c25_fail(err, -EINVAL, "%s is longer than %d bytes",
			name, C25_HTTPSIG_FIELD_MAX);
	c->p = text;
	c->end = text + n;
	return 0;
}

static int
malformed(struct c25_error *err, const char *field)
{
	return c25_fail(err, -EINVAL, "%s is malformed", field);
}

/* After the only member of a dictionary. */
static int
at_end(const struct cursor *c, const char *field, struct c25_error *err)
{
	const char *p = c->p;

	while (p < c->end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == c->end)
		return 0;
	if (*p == ',')
		return c25_fail(err, -EINVAL, "%s has more than one "
			"signature, or one label twice", field);
	return malformed(err, field);
}

/* ---- components --------------------------------------------------------- */

static unsigned
cover_of(const struct c25_httpsig_component *c)
{
	static const struct { const char *name; unsigned cover; } names[] = {
		{ "@method", C25_COVER_METHOD }, { "@path", C25_COVER_PATH },
		{ "@authority", C25_COVER_AUTHORITY },
		{ "@status", C25_COVER_STATUS },
		{ "content-digest", C25_COVER_DIGEST },
		{ "conn25-epoch", C25_COVER_EPOCH },
	};

	if (c->request)
		return strcmp(c->name, "signature") == 0 ?
			C25_COVER_REQUEST_SIGNATURE : 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(c->name, names[i].name) == 0)
			return names[i].cover;
	return 0;
}

/* "name" or "name";req */
static int
take_component(struct c25_httpsig *sig, struct cursor *c,
	struct c25_error *err)
{
	struct c25_httpsig_component *to;
	const char *key;
	size_t n;

	if (sig->component_count == C25_HTTPSIG_COMPONENTS_MAX)
		return c25_fail(err, -EINVAL, "Signature-Input covers more "
			"than %d components", C25_HTTPSIG_COMPONENTS_MAX);
	to = &sig->components[sig->component_count];
	to->request = false;
	if (!take_string(c, to->name, sizeof(to->name)) ||
	    to->name[0] == '\0')
		return malformed(err, "Signature-Input");
	if (strcmp(to->name, "@signature-params") == 0)
		return malformed(err, "Signature-Input");
	for (const char *p = to->name; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			return malformed(err, "Signature-Input");
	if (take(c, ';')) {
		skip_spaces(c);
		n = take_key(c, &key);
		if (!c25_http1_is(key, n, "req") || at(c, ';'))
			return c25_fail(err, -EINVAL, "Signature-Input has a "
				"component with a parameter other than req");
		if (take(c, '=') && (!take(c, '?') || !take(c, '1')))
			return malformed(err, "Signature-Input");
		to->request = true;
	}
	for (size_t i = 0; i < sig->component_count; i++)
		if (strcmp(sig->components[i].name, to->name) == 0 &&
		    sig->components[i].request == to->request)
			return c25_fail(err, -EINVAL, "Signature-Input covers "
				"a component twice");
	sig->covers |= cover_of(to);
	sig->component_count++;
	put_string(&sig->params, to->name);
	if (to->request)
		c25_buf_lit(&sig->params, ";req");
	return 0;
}

static int
take_components(struct c25_httpsig *sig, struct cursor *c,
	struct c25_error *err)
{
	int r;

	if (!take(c, '('))
		return malformed(err, "Signature-Input");
	c25_buf_lit(&sig->params, "(");
	for (;;) {
		skip_spaces(c);
		if (take(c, ')'))
			break;
		if (sig->component_count > 0)
			c25_buf_lit(&sig->params, " ");
		r = take_component(sig, c, err);
		if (r != 0)
			return r;
		if (!at(c, ' ') && !at(c, ')'))
			return malformed(err, "Signature-Input");
	}
	c25_buf_lit(&sig->params, ")");
	return 0;
}

/* ---- parameters --------------------------------------------------------- */

enum param { CREATED, EXPIRES, NONCE, KEYID, ALG, TAG, PARAMS };

static const char *const param_names[PARAMS] = { "created", "expires",
	"nonce", "keyid", "alg", "tag" };

static enum param
param_find(const char *key, size_t len)
{
	int i = 0;

	while (i < PARAMS && !c25_http1_is(key, len, param_names[i]))
		i++;
	return (enum param)i;
}

static int
take_time(struct c25_httpsig *sig, struct cursor *c, int64_t *out,
	struct c25_error *err)
{
	if (!take_integer(c, out))
		return malformed(err, "Signature-Input");
	c25_buf_format(&sig->params, "%lld", (long long)*out);
	return 0;
}

static int
take_text(struct c25_httpsig *sig, struct cursor *c, enum param which,
	struct c25_error *err)
{
	char text[512];

	if (!take_string(c, text, sizeof(text)))
		return malformed(err, "Signature-Input");
	put_string(&sig->params, text);
	if (which == ALG && strcmp(text, "ed25519") != 0)
		return c25_fail(err, -EINVAL, "alg is not ed25519");
	if (which != NONCE)
		return 0;
	if (strlen(text) < C25_HTTPSIG_NONCE_MIN ||
	    strlen(text) > C25_HTTPSIG_NONCE_MAX)
		return c25_fail(err, -EINVAL, "nonce is not %d to %d "
			"characters long", C25_HTTPSIG_NONCE_MIN,
			C25_HTTPSIG_NONCE_MAX);
	memcpy(sig->nonce, text, strlen(text) + 1);
	return 0;
}

static int
take_params(struct c25_httpsig *sig, struct cursor *c, struct c25_error *err)
{
	bool seen[PARAMS] = { false };
	const char *key;
	int r;

	while (take(c, ';')) {
		enum param which;
		size_t n;

		skip_spaces(c);
		n = take_key(c, &key);
		if (n == 0)
			return malformed(err, "Signature-Input");
		which = param_find(key, n);
		if (which == PARAMS)
			return c25_fail(err, -EINVAL, "Signature-Input has an "
				"unknown parameter");
		if (seen[which])
			return c25_fail(err, -EINVAL, "Signature-Input has a "
				"parameter twice");
		seen[which] = true;
		if (!take(c, '='))
			return malformed(err, "Signature-Input");
		c25_buf_format(&sig->params, ";%s=", param_names[which]);
		if (which == CREATED || which == EXPIRES)
			r = take_time(sig, c, which == CREATED ?
				&sig->created : &sig->expires, err);
		else
			r = take_text(sig, c, which, err);
		if (r != 0)
			return r;
	}
	if (!seen[CREATED])
		return c25_fail(err, -EINVAL, "Signature-Input has no "
			"created");
	return 0;
}

/* ---- all of it ---------------------------------------------------------- */

bool
c25_httpsig_present(const struct c25_http1 *head)
{
	const char *value;

	return c25_http1_get(head, "signature-input", &value) >= 0 ||
		c25_http1_get(head, "signature", &value) >= 0;
}

static int
parse_input(struct c25_httpsig *sig, struct cursor *c, struct c25_error *err)
{
	int r = take_components(sig, c, err);

	if (r == 0)
		r = take_params(sig, c, err);
	if (r == 0)
		r = at_end(c, "Signature-Input", err);
	if (r == 0 && sig->params.failed)
		r = c25_fail(err, -ENOMEM, "out of memory");
	return r;
}

int
c25_httpsig_parse(struct c25_httpsig *sig, const struct c25_http1 *head,
	struct c25_error *err)
{
	char input[C25_HTTPSIG_FIELD_MAX + 1];
	char value[C25_HTTPSIG_FIELD_MAX + 1];
	const char *label, *other;
	size_t label_len, other_len;
	struct cursor c;
	int r;

	sig->component_count = 0;
	sig->covers = 0;
	sig->created = 0;
	sig->expires = -1;
	sig->nonce[0] = '\0';
	c25_buf_clear(&sig->params);
	if (!c25_httpsig_present(head))
		return c25_fail(err, -ENOENT, "it is not signed");
	r = get_field(head, "Signature-Input", input, &c, err);
	if (r != 0)
		return r;
	label_len = take_key(&c, &label);
	if (label_len == 0 || !take(&c, '='))
		return malformed(err, "Signature-Input");
	r = parse_input(sig, &c, err);
	if (r == 0)
		r = get_field(head, "Signature", value, &c, err);
	if (r != 0)
		return r;
	other_len = take_key(&c, &other);
	if (other_len == 0 || !take(&c, '=') ||
	    !take_bytes(&c, sig->signature, sizeof(sig->signature)))
		return malformed(err, "Signature");
	r = at_end(&c, "Signature", err);
	if (r == 0 && (label_len != other_len ||
	    memcmp(label, other, label_len) != 0))
		r = c25_fail(err, -EINVAL, "Signature and Signature-Input "
			"have different labels");
	return r;
}

/* ---- Content-Digest ------------------------------------------------------ */

/* The sha-256 of the dictionary; others are passed over. */
static int
digest_parse(struct cursor *c, uint8_t digest[crypto_hash_sha256_BYTES],
	struct c25_error *err)
{
	static const char field[] = "Content-Digest";
	bool found = false;

	for (;;) {
		const char *key, *stop;
		size_t n = take_key(c, &key);

		if (n == 0 || !take(c, '='))
			return malformed(err, field);
		if (c25_http1_is(key, n, "sha-256")) {
			if (found)
				return c25_fail(err, -EINVAL, "%s has "
					"sha-256 twice", field);
			if (!take_bytes(c, digest, crypto_hash_sha256_BYTES))
				return malformed(err, field);
			found = true;
		} else {
			if (!take(c, ':') || (stop = memchr(c->p, ':',
			    (size_t)(c->end - c->p))) == NULL)
				return malformed(err, field);
			c->p = stop + 1;
		}
		while (at(c, ' ') || at(c, '\t'))
			c->p++;
		if (c->p == c->end)
			break;
		if (!take(c, ','))
			return malformed(err, field);
		while (at(c, ' ') || at(c, '\t'))
			c->p++;
	}
	return found ? 0 : c25_fail(err, -EINVAL, "%s has no sha-256",
		field);
}

int
c25_httpsig_digest_check(const struct c25_http1 *head, const void *body,
	size_t len, struct c25_error *err)
{
	uint8_t said[crypto_hash_sha256_BYTES], is[crypto_hash_sha256_BYTES];
	char text[C25_HTTPSIG_FIELD_MAX + 1];
	struct cursor c;
	int r = get_field(head, "Content-Digest", text, &c, err);

	if (r == 0)
		r = digest_parse(&c, said, err);
	if (r != 0)
		return r;
	(void)crypto_hash_sha256(is, body, len);
	if (sodium_memcmp(said, is, sizeof(is)) != 0)
		return c25_fail(err, -EBADMSG, "the body is not the one of "
			"Content-Digest");
	return 0;
}
