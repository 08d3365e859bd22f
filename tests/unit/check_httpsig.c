/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of HTTP Message Signatures: RFC 9421's own example, each way in which
 * the fields can be wrong, and what we write read back.
 */

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "sidecar/httpsig.h"
#include "sidecar/replay.h"
#include "tests/unit/suite.h"

static struct c25_http1 head;
static struct c25_httpsig sig;
static struct c25_error err;
static char bytes[C25_HTTP1_HEAD_MAX * 2];

static void
setup(void)
{
	memset(&sig, 0, sizeof(sig));
	memset(&err, 0, sizeof(err));
}

static void
teardown(void)
{
	c25_httpsig_free(&sig);
}

/* Read a head with these field lines, each with its CRLF. */
static void
request(const char *fields)
{
	snprintf(bytes, sizeof(bytes), "POST /foo HTTP/1.1\r\n%s\r\n",
	    fields);
	ck_assert_int_gt(c25_http1_request(&head, bytes, strlen(bytes)), 0);
}

static void
response(const char *fields)
{
	snprintf(bytes, sizeof(bytes), "HTTP/1.1 200 OK\r\n%s\r\n", fields);
	ck_assert_int_gt(c25_http1_response(&head, bytes, strlen(bytes)), 0);
}

/* ---- RFC 9421 B.2.6, with the key of B.1.4 ------------------------------ */

#define RFC_FIELDS \
	"Host: example.com\r\n" \
	"Date: Tue, 20 Apr 2021 02:07:55 GMT\r\n" \
	"Content-Type: application/json\r\n" \
	"Content-Length: 18\r\n"
#define RFC_COVERS "(\"date\" \"@method\" \"@path\" \"@authority\" " \
	"\"content-type\" \"content-length\")"
#define RFC_PARAMS RFC_COVERS ";created=1618884473;keyid=\"test-key-ed25519\""
#define RFC_SIGNATURE "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb" \
	"04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
#define RFC_SEED "n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU="
#define RFC_PUBLIC "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="

static const char rfc_base[] =
    "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n"
    "\"@method\": POST\n"
    "\"@path\": /foo\n"
    "\"@authority\": example.com\n"
    "\"content-type\": application/json\n"
    "\"content-length\": 18\n"
    "\"@signature-params\": " RFC_PARAMS;

static struct c25_config_key
rfc_key(void)
{
	struct c25_config_key k;

	ck_assert_int_eq(sodium_base642bin(k.bytes, sizeof(k.bytes),
	    RFC_PUBLIC, strlen(RFC_PUBLIC), NULL, NULL, NULL,
	    sodium_base64_VARIANT_ORIGINAL), 0);
	return k;
}

static struct c25_key *
rfc_private(void)
{
	uint8_t seed[C25_KEY_BYTES];

	ck_assert_int_eq(sodium_base642bin(seed, sizeof(seed), RFC_SEED,
	    strlen(RFC_SEED), NULL, NULL, NULL,
	    sodium_base64_VARIANT_ORIGINAL), 0);
	return c25_key_from_seed(seed);
}

static struct c25_httpsig_message
rfc_message(char authority[static C25_HTTPSIG_AUTHORITY_MAX])
{
	ck_assert_int_eq(c25_httpsig_authority(&head, false, authority), 0);
	return (struct c25_httpsig_message){ .method = "POST",
	    .path = "/foo", .authority = authority, .head = &head };
}

START_TEST(rfc_example_verifies)
{
	struct c25_config_key keys[2] = { { { 0 } }, rfc_key() };
	char authority[C25_HTTPSIG_AUTHORITY_MAX];
	struct c25_httpsig_message m;

	request(RFC_FIELDS "Signature-Input: sig-b26=" RFC_PARAMS "\r\n"
	    "Signature: sig-b26=:" RFC_SIGNATURE ":\r\n");
	m = rfc_message(authority);
	ck_assert_int_eq(c25_httpsig_parse(&sig, &head, &err), 0);
	ck_assert_int_eq(sig.created, 1618884473);
	ck_assert_int_eq(sig.expires, -1);
	ck_assert_str_eq(sig.nonce, "");
	ck_assert_uint_eq(sig.covers, C25_COVER_METHOD | C25_COVER_PATH |
	    C25_COVER_AUTHORITY);
	ck_assert_int_eq(c25_httpsig_verify(&sig, &m, &keys[1], 1, &err), 0);
	ck_assert_str_eq(sig.base.data, rfc_base);
	/* any of several keys, but not another one or none */
	ck_assert_int_eq(c25_httpsig_verify(&sig, &m, keys, 2, &err), 0);
	ck_assert_int_eq(c25_httpsig_verify(&sig, &m, keys, 1, &err),
	    -EBADMSG);
	ck_assert_int_eq(c25_httpsig_verify(&sig, &m, keys, 0, &err),
	    -EBADMSG);
}
END_TEST

START_TEST(rfc_example_is_what_we_would_sign)
{
	char text[sodium_base64_ENCODED_LEN(C25_SIGNATURE_BYTES,
	    sodium_base64_VARIANT_ORIGINAL)];
	uint8_t signature[C25_SIGNATURE_BYTES];
	struct c25_key *key = rfc_private();

	ck_assert_str_eq(c25_key_text(key), RFC_PUBLIC);
	c25_key_sign(key, rfc_base, strlen(rfc_base), signature);
	sodium_bin2base64(text, sizeof(text), signature, sizeof(signature),
	    sodium_base64_VARIANT_ORIGINAL);
	ck_assert_str_eq(text, RFC_SIGNATURE);
	c25_key_free(key);
}
END_TEST

/* One change each, and the example doesn't verify. */
static const char *const rfc_changes[][2] = {
	{ "Host: example.com", "Host: example.org" },
	{ "07:55", "07:56" },
	{ "application/json", "application/jsom" },
	{ ": 18", ": 19" },
	{ "1618884473", "1618884474" },
	{ "test-key", "text-key" },
	{ "\"date\" \"@method\"", "\"@method\" \"date\"" },
	{ "wqcA", "wqcB" },
	{ "RCw==", "RCg==" },
};

START_TEST(rfc_example_changed)
{
	struct c25_config_key key = rfc_key();
	char authority[C25_HTTPSIG_AUTHORITY_MAX], text[2048];
	const char *fields = RFC_FIELDS "Signature-Input: sig-b26="
	    RFC_PARAMS "\r\nSignature: sig-b26=:" RFC_SIGNATURE ":\r\n";
	const char *from = rfc_changes[_i][0];
	const char *found = strstr(fields, from);
	struct c25_httpsig_message m;

	ck_assert_ptr_nonnull(found);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(found - fields),
	    fields, rfc_changes[_i][1], found + strlen(from));
	request(text);
	m = rfc_message(authority);
	ck_assert_int_eq(c25_httpsig_parse(&sig, &head, &err), 0);
	ck_assert_int_eq(c25_httpsig_verify(&sig, &m, &key, 1, &err),
	    -EBADMSG);
}
END_TEST

/* ---- the fields --------------------------------------------------------- */

#define SIG "Signature: a=:" RFC_SIGNATURE ":\r\n"
#define IN(v) "Signature-Input: a=" v "\r\n" SIG
#define C ";created=1"
#define TEN "0123456789"
#define NONCE_128 TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "01234567"

static const struct {
	const char *fields;
	int r;
	const char *what;	/* canonical parameters, or why */
} parse_rows[] = {
	{ IN("()" C), 0, "()" C },
	{ IN("( \"x\"   \"y\" )" C), 0, "(\"x\" \"y\")" C },
	{ IN("(\"x\";req \"x\")" C), 0, "(\"x\";req \"x\")" C },
	{ IN("(\"x\"; req=?1)" C), 0, "(\"x\";req)" C },
	{ IN("();  created=0007"), 0, "();created=7" },
	{ IN("()" C ";nonce=\"a\\\"\\\\bcdefg\""), 0,
	    "()" C ";nonce=\"a\\\"\\\\bcdefg\"" },
	{ IN("()" C ";alg=\"ed25519\";expires=2;tag=\"t\";keyid=\"\""), 0,
	    "()" C ";alg=\"ed25519\";expires=2;tag=\"t\";keyid=\"\"" },
	{ IN("()" C ";nonce=\"" NONCE_128 "\""), 0,
	    "()" C ";nonce=\"" NONCE_128 "\"" },
	{ "Signature-Input: *a-._9=()" C "\r\nSignature: *a-._9=:"
	    RFC_SIGNATURE ":\r\n", 0, "()" C },
	{ IN("(\"1\" \"2\" \"3\" \"4\" \"5\" \"6\" \"7\" \"8\" \"9\" \"a\" "
	    "\"b\" \"c\" \"d\" \"e\" \"f\" \"g\")" C), 0, "(\"1\" \"2\" \"3\" "
	    "\"4\" \"5\" \"6\" \"7\" \"8\" \"9\" \"a\" \"b\" \"c\" \"d\" "
	    "\"e\" \"f\" \"g\")" C },
	/* nothing, or half of it */
	{ "", -ENOENT, "it is not signed" },
	{ SIG, -EINVAL, "there is no Signature-Input field" },
	{ "Signature-Input: a=()" C "\r\n", -EINVAL,
	    "there is no Signature field" },
	/* labels */
	{ "Signature-Input: a=()" C ", b=()" C "\r\n" SIG, -EINVAL,
	    "Signature-Input has more than one signature" },
	{ IN("()" C) "Signature-Input: a=()" C "\r\n", -EINVAL,
	    "Signature-Input has more than one signature" },
	{ "Signature-Input: a=()" C "\r\nSignature: a=:" RFC_SIGNATURE
	    ":,a=:" RFC_SIGNATURE ":\r\n", -EINVAL,
	    "Signature has more than one signature" },
	{ IN("()" C) SIG, -EINVAL, "Signature has more than one signature" },
	{ "Signature-Input: b=()" C "\r\n" SIG, -EINVAL,
	    "Signature and Signature-Input have different labels" },
	{ "Signature-Input: ab=()" C "\r\n" SIG, -EINVAL, "different labels" },
	{ "Signature-Input: A=()" C "\r\n" SIG, -EINVAL,
	    "Signature-Input is malformed" },
	{ "Signature-Input: 1=()" C "\r\n" SIG, -EINVAL, "malformed" },
	{ "Signature-Input: ()" C "\r\n" SIG, -EINVAL, "malformed" },
	{ "Signature-Input: a\r\n" SIG, -EINVAL, "malformed" },
	{ "Signature-Input: \r\n" SIG, -EINVAL, "malformed" },
	{ "Signature-Input: a=\"x\"" C "\r\n" SIG, -EINVAL, "malformed" },
	{ "Signature-Input: a =()" C "\r\n" SIG, -EINVAL, "malformed" },
	{ "Signature-Input: a= ()" C "\r\n" SIG, -EINVAL, "malformed" },
	/* components */
	{ IN("(\"x\" \"x\")" C), -EINVAL, "covers a component twice" },
	{ IN("(\"x\"\"y\")" C), -EINVAL, "malformed" },
	{ IN("(\"x\"\t\"y\")" C), -EINVAL, "malformed" },
	{ IN("(x)" C), -EINVAL, "malformed" },
	{ IN("(\"x\""), -EINVAL, "malformed" },
	{ IN("(\"x" C), -EINVAL, "malformed" },
	{ IN("(\"X\")" C), -EINVAL, "malformed" },
	{ IN("(\"\")" C), -EINVAL, "malformed" },
	{ IN("(\"\303\244\")" C), -EINVAL, "malformed" },
	{ IN("(\"a\\b\")" C), -EINVAL, "malformed" },
	{ IN("(\"@signature-params\")" C), -EINVAL, "malformed" },
	{ IN("(\"x\";sf)" C), -EINVAL, "a parameter other than req" },
	{ IN("(\"x\";req;sf)" C), -EINVAL, "a parameter other than req" },
	{ IN("(\"x\";key=\"a\")" C), -EINVAL, "a parameter other than req" },
	{ IN("(\"x\";req=?0)" C), -EINVAL, "malformed" },
	{ IN("(\"1\" \"2\" \"3\" \"4\" \"5\" \"6\" \"7\" \"8\" \"9\" \"a\" "
	    "\"b\" \"c\" \"d\" \"e\" \"f\" \"g\" \"h\")" C), -EINVAL,
	    "covers more than 16 components" },
	{ IN("(\"" TEN TEN TEN TEN TEN TEN "1234\")" C), -EINVAL,
	    "malformed" },
	/* parameters */
	{ IN("()"), -EINVAL, "has no created" },
	{ IN("()" C C), -EINVAL, "has a parameter twice" },
	{ IN("()" C ";x=1"), -EINVAL, "has an unknown parameter" },
	{ IN("()" C ";x"), -EINVAL, "has an unknown parameter" },
	{ IN("();created"), -EINVAL, "malformed" },
	{ IN("();created=-1"), -EINVAL, "malformed" },
	{ IN("();created=1.5"), -EINVAL, "malformed" },
	{ IN("();created=\"1\""), -EINVAL, "malformed" },
	{ IN("();created="), -EINVAL, "malformed" },
	{ IN("();created=1234567890123456"), -EINVAL, "malformed" },
	{ IN("()" C ";alg=\"rsa-pss-sha512\""), -EINVAL,
	    "alg is not ed25519" },
	{ IN("()" C ";alg=\"ED25519\""), -EINVAL, "alg is not ed25519" },
	{ IN("()" C ";alg=ed25519"), -EINVAL, "malformed" },
	{ IN("()" C ";nonce=\"1234567\""), -EINVAL, "nonce is not 8 to 128" },
	{ IN("()" C ";nonce=\"" NONCE_128 "9\""), -EINVAL,
	    "nonce is not 8 to 128" },
	{ IN("()" C ";"), -EINVAL, "malformed" },
	{ IN("()" C " ;tag=\"\""), -EINVAL, "malformed" },
	{ IN("()" C "x"), -EINVAL, "malformed" },
	/* the signature */
	{ "Signature-Input: a=()" C "\r\nSignature: a=:AAAA:\r\n", -EINVAL,
	    "Signature is malformed" },
	{ "Signature-Input: a=()" C "\r\nSignature: a=:" RFC_SIGNATURE
	    "\r\n", -EINVAL, "Signature is malformed" },
	{ "Signature-Input: a=()" C "\r\nSignature: a=\"" RFC_SIGNATURE
	    "\"\r\n", -EINVAL, "Signature is malformed" },
	{ "Signature-Input: a=()" C "\r\nSignature: a=:" RFC_SIGNATURE
	    ":;x\r\n", -EINVAL, "Signature is malformed" },
	{ "Signature-Input: a=()" C "\r\nSignature: a=::\r\n", -EINVAL,
	    "Signature is malformed" },
	{ "Signature-Input: a=()" C "\r\nSignature: a=:AA" RFC_SIGNATURE
	    ":\r\n", -EINVAL, "Signature is malformed" },
};

START_TEST(parse)
{
	int r;

	request(parse_rows[_i].fields);
	r = c25_httpsig_parse(&sig, &head, &err);
	ck_assert_msg(r == parse_rows[_i].r, "%d: %s", r, err.text);
	if (r == 0)
		ck_assert_str_eq(sig.params.data, parse_rows[_i].what);
	else
		ck_assert_msg(strstr(err.text, parse_rows[_i].what) != NULL,
		    "%s", err.text);
}
END_TEST

START_TEST(absurd_sizes)
{
	char text[C25_HTTP1_HEAD_MAX - 512], line[C25_HTTP1_HEAD_MAX];

	for (size_t n = 1; n < sizeof(text) - 200; n++) {
		memset(text, ' ', n);
		text[n] = '\0';
		snprintf(line, sizeof(line), "Signature-Input: a=(%s)" C
		    "\r\n" SIG, text);
		request(line);
		ck_assert_int_eq(c25_httpsig_parse(&sig, &head, &err),
		    n + strlen("a=()" C) <= C25_HTTPSIG_FIELD_MAX ? 0 :
		    -EINVAL);
	}
	ck_assert_str_eq(err.text, "Signature-Input is longer than 2048 "
	    "bytes");
}
END_TEST

/* Cut anywhere, it is refused; nothing is read past its end. */
START_TEST(truncated)
{
	static const char input[] = "a=(\"@method\" \"x\";req)" C
	    ";nonce=\"12345678\"", value[] = "a=:" RFC_SIGNATURE ":";
	char line[1024];

	for (size_t n = 0; n < sizeof(input) - 1; n++) {
		/* but up to its created it is whole */
		snprintf(line, sizeof(line), "Signature-Input: %.*s\r\n"
		    "Signature: %s\r\n", (int)n, input, value);
		request(line);
		if (n == sizeof("a=(\"@method\" \"x\";req)" C) - 1)
			continue;
		ck_assert_msg(c25_httpsig_parse(&sig, &head, &err) ==
		    -EINVAL, "%s", line);
	}
	for (size_t n = 0; n < sizeof(value) - 1; n++) {
		snprintf(line, sizeof(line), "Signature-Input: %s\r\n"
		    "Signature: %.*s\r\n", input, (int)n, value);
		request(line);
		ck_assert_msg(c25_httpsig_parse(&sig, &head, &err) ==
		    -EINVAL, "%s", line);
	}
}
END_TEST

/* ---- window, coverage --------------------------------------------------- */

static const struct {
	long long created, expires, now;
	const char *why;	/* NULL: fresh */
} fresh_rows[] = {
	{ 1000, -1, 1000, NULL },
	{ 1000, -1, 1030, NULL },
	{ 1000, -1, 970, NULL },
	{ 1000, -1, 1031, "created 31 s ago" },
	{ 1000, -1, 969, "created 31 s in the future" },
	{ 0, -1, 1000, "created 1000 s ago" },
	{ 999999999999999, -1, 1000, "in the future" },
	{ 1000, 1001, 1000, NULL },
	{ 1000, 1000, 1000, "expired 0 s ago" },
	{ 1000, 0, 1000, "expired 1000 s ago" },
};

START_TEST(fresh)
{
	sig.created = fresh_rows[_i].created;
	sig.expires = fresh_rows[_i].expires;
	ck_assert_int_eq(c25_httpsig_fresh(&sig, fresh_rows[_i].now, &err),
	    fresh_rows[_i].why == NULL ? 0 : -ESTALE);
	if (fresh_rows[_i].why != NULL)
		ck_assert_msg(strstr(err.text, fresh_rows[_i].why) != NULL,
		    "%s", err.text);
}
END_TEST

static const struct {
	const char *components;
	const char *missing;
} cover_rows[] = {
	{ "\"@method\" \"@path\" \"@authority\" \"content-digest\"", NULL },
	{ "\"content-digest\" \"x\" \"@path\" \"@authority\" \"@method\"",
	    NULL },
	{ "\"@path\" \"@authority\" \"content-digest\"", "@method" },
	{ "\"@method\" \"@authority\" \"content-digest\"", "@path" },
	{ "\"@method\" \"@path\" \"content-digest\"", "@authority" },
	{ "\"@method\" \"@path\" \"@authority\"", "content-digest" },
	{ "\"@method\";req \"@path\" \"@authority\" \"content-digest\"",
	    "@method" },
	{ "\"@method\" \"@path\" \"@authority\" \"content-digest\";req",
	    "content-digest" },
	{ "", "@method" },
};

START_TEST(covers)
{
	char line[512];

	snprintf(line, sizeof(line), IN("(%s)" C), cover_rows[_i].components);
	request(line);
	ck_assert_int_eq(c25_httpsig_parse(&sig, &head, &err), 0);
	ck_assert_int_eq(c25_httpsig_covers(&sig, C25_COVER_REQUEST, &err),
	    cover_rows[_i].missing == NULL ? 0 : -EINVAL);
	if (cover_rows[_i].missing != NULL)
		ck_assert_msg(strstr(err.text, cover_rows[_i].missing) !=
		    NULL, "%s", err.text);
}
END_TEST

static const char *const absent_rows[] = { "\"x\"", "\"@query\"",
	"\"@status\"", "\"@method\";req", "\"signature\";req",
	"\"@target-uri\"", "\"a\\\"b\"" };

START_TEST(covers_what_is_not_there)
{
	struct c25_config_key key = rfc_key();
	char authority[C25_HTTPSIG_AUTHORITY_MAX], line[512];
	struct c25_httpsig_message m;

	snprintf(line, sizeof(line), "Host: x\r\n" IN("(%s)" C),
	    absent_rows[_i]);
	request(line);
	m = rfc_message(authority);
	ck_assert_int_eq(c25_httpsig_parse(&sig, &head, &err), 0);
	ck_assert_int_eq(c25_httpsig_verify(&sig, &m, &key, 1, &err),
	    -EINVAL);
}
END_TEST

START_TEST(a_field_in_several_lines_is_joined)
{
	char authority[C25_HTTPSIG_AUTHORITY_MAX];
	struct c25_httpsig_message m;

	request("Host: x\r\nX: a\r\nY: \r\nx:  b, c \r\n"
	    IN("(\"x\" \"y\")" C));
	m = rfc_message(authority);
	ck_assert_int_eq(c25_httpsig_parse(&sig, &head, &err), 0);
	ck_assert_int_eq(c25_httpsig_base(&sig, &m, &err), 0);
	ck_assert_str_eq(sig.base.data, "\"x\": a, b, c\n\"y\": \n"
	    "\"@signature-params\": (\"x\" \"y\")" C);
}
END_TEST

/* ---- authority ---------------------------------------------------------- */

static const struct {
	const char *target, *fields, *authority;
	bool tls;
} authority_rows[] = {
	{ "/", "Host: Example.COM\r\n", "example.com", false },
	{ "/", "Host: example.com:80\r\n", "example.com", false },
	{ "/", "Host: example.com:8080\r\n", "example.com:8080", false },
	{ "/", "Host: [FD00::1]:8025\r\n", "[fd00::1]:8025", false },
	{ "http://B.example:80/x", "Host: a\r\n", "b.example", false },
	{ "http://b.example?q", "Host: a\r\n", "b.example", false },
	{ "/", "", NULL, false },
	{ "/", "Host: \r\n", NULL, false },
	{ "/", "Host: :80\r\n", NULL, false },
	{ "/", "Host: a\r\nHost: a\r\n", NULL, false },
	{ "http://b/x", "Host: a\r\nHost: a\r\n", NULL, false },
	{ "/", "Host: a b\r\n", NULL, false },
	{ "/", "Host: a\300\r\n", NULL, false },
	{ "http:///x", "Host: a\r\n", NULL, false },
	{ "/", "Host: example.com:443\r\n", "example.com:443", false },
	{ "/", "Host: example.com:443\r\n", "example.com", true },
	{ "/", "Host: example.com:80\r\n", "example.com:80", true },
	{ "/", "Host: [fd00::1]:443\r\n", "[fd00::1]", true },
	{ "/", "Host: :443\r\n", NULL, true },
};

START_TEST(authority_normal)
{
	char out[C25_HTTPSIG_AUTHORITY_MAX];

	snprintf(bytes, sizeof(bytes), "POST %s HTTP/1.1\r\n%s\r\n",
	    authority_rows[_i].target, authority_rows[_i].fields);
	ck_assert_int_gt(c25_http1_request(&head, bytes, strlen(bytes)), 0);
	if (authority_rows[_i].authority == NULL) {
		ck_assert_int_eq(c25_httpsig_authority(&head,
		    authority_rows[_i].tls, out), -EINVAL);
		return;
	}
	ck_assert_int_eq(c25_httpsig_authority(&head, authority_rows[_i].tls,
	    out), 0);
	ck_assert_str_eq(out, authority_rows[_i].authority);
}
END_TEST

START_TEST(authority_of_any_length)
{
	char out[C25_HTTPSIG_AUTHORITY_MAX], line[600];

	for (int n = 1; n < 500; n++) {
		snprintf(line, sizeof(line), "Host: %0*d\r\n", n, 1);
		request(line);
		ck_assert_int_eq(c25_httpsig_authority(&head, false, out),
		    n < C25_HTTPSIG_AUTHORITY_MAX ? 0 : -EINVAL);
	}
}
END_TEST

/* ---- Content-Digest ----------------------------------------------------- */

#define HELLO "{\"hello\": \"world\"}"		/* RFC 9530's content */
#define SHA "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"

static const struct {
	const char *fields, *body;
	int r;
} digest_rows[] = {
	{ "Content-Digest: " SHA "\r\n", HELLO, 0 },
	{ "Content-Digest: sha-512=:AAAA:, " SHA "\r\n", HELLO, 0 },
	{ "Content-Digest: sha-512=:AAAA:\r\nContent-Digest: " SHA "\r\n",
	    HELLO, 0 },
	{ "Content-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hS"
	    "uFU=:\r\n", "", 0 },
	{ "Content-Digest: " SHA "\r\n", "{\"hello\": \"world\"} ", -EBADMSG },
	{ "Content-Digest: " SHA "\r\n", "", -EBADMSG },
	{ "Content-Digest: sha-512=:AAAA:\r\n", HELLO, -EINVAL },
	{ "Content-Digest: " SHA ", " SHA "\r\n", HELLO, -EINVAL },
	{ "Content-Digest: " SHA ",\r\n", HELLO, -EINVAL },
	{ "Content-Digest: " SHA ";x\r\n", HELLO, -EINVAL },
	{ "Content-Digest: sha-256=:AAAA:\r\n", HELLO, -EINVAL },
	{ "Content-Digest: sha-256=X48E\r\n", HELLO, -EINVAL },
	{ "Content-Digest: sha-256\r\n", HELLO, -EINVAL },
	{ "Content-Digest: \r\n", HELLO, -EINVAL },
	{ "", HELLO, -EINVAL },
};

START_TEST(digest)
{
	request(digest_rows[_i].fields);
	ck_assert_int_eq(c25_httpsig_digest_check(&head, digest_rows[_i].body,
	    strlen(digest_rows[_i].body), &err), digest_rows[_i].r);
}
END_TEST

/* ---- what we write ------------------------------------------------------ */

START_TEST(request_written_and_read)
{
	struct c25_key *key = rfc_private();
	struct c25_config_key public = rfc_key();
	struct c25_httpsig_message m = { .method = "POST", .path = "/foo",
	    .authority = "example.com" };
	struct c25_buf out = { 0 };
	char signature[128], again[128], authority[C25_HTTPSIG_AUTHORITY_MAX];

	c25_buf_lit(&out, "Host: example.com\r\n");
	c25_httpsig_write(&out, key, &m, NULL, HELLO, strlen(HELLO), 77,
	    signature);
	request(out.data);
	m = rfc_message(authority);
	ck_assert_int_eq(c25_httpsig_parse(&sig, &head, &err), 0);
	ck_assert_int_eq(sig.created, 77);
	ck_assert_uint_ge(strlen(sig.nonce), 16);
	ck_assert_uint_eq(sig.covers, C25_COVER_REQUEST);
	ck_assert_int_eq(c25_httpsig_verify(&sig, &m, &public, 1, &err), 0);
	ck_assert_int_eq(c25_httpsig_digest_check(&head, HELLO, strlen(HELLO),
	    &err), 0);
	m.path = "/bar";
	ck_assert_int_eq(c25_httpsig_verify(&sig, &m, &public, 1, &err),
	    -EBADMSG);
	m.path = "/foo";
	m.method = "GET";
	ck_assert_int_eq(c25_httpsig_verify(&sig, &m, &public, 1, &err),
	    -EBADMSG);
	/* never the same twice */
	c25_httpsig_write(&out, key, &m, NULL, HELLO, strlen(HELLO), 77,
	    again);
	ck_assert_str_ne(again, signature);
	c25_buf_free(&out);
	c25_key_free(key);
}
END_TEST

START_TEST(response_written_and_read)
{
	struct c25_key *key = rfc_private();
	struct c25_config_key public = rfc_key();
	struct c25_httpsig_message m = { .status = 200,
	    .request_signature = "a=:AAAA:" };
	struct c25_buf out = { 0 };
	char signature[128];

	c25_buf_lit(&out, "Conn25-Epoch: e\r\n");
	c25_httpsig_write(&out, key, &m, "e", "{}", 2, 77, signature);
	response(out.data);
	ck_assert_int_eq(c25_httpsig_parse(&sig, &head, &err), 0);
	ck_assert_uint_eq(sig.covers, C25_COVER_RESPONSE | C25_COVER_EPOCH);
	m.head = &head;
	ck_assert_int_eq(c25_httpsig_verify(&sig, &m, &public, 1, &err), 0);
	m.status = 400;
	ck_assert_int_eq(c25_httpsig_verify(&sig, &m, &public, 1, &err),
	    -EBADMSG);
	m.status = 200;
	m.request_signature = "a=:AAAB:";
	ck_assert_int_eq(c25_httpsig_verify(&sig, &m, &public, 1, &err),
	    -EBADMSG);
	/* without an epoch there is none to cover */
	c25_buf_clear(&out);
	c25_httpsig_write(&out, key, &m, NULL, "{}", 2, 77, signature);
	response(out.data);
	ck_assert_int_eq(c25_httpsig_parse(&sig, &head, &err), 0);
	ck_assert_uint_eq(sig.covers, C25_COVER_RESPONSE);
	c25_buf_free(&out);
	c25_key_free(key);
}
END_TEST

/* ---- nonces ------------------------------------------------------------- */

START_TEST(replay)
{
	static const uint8_t hash_key[16] = { 1 };
	struct c25_replay r;

	c25_replay_init(&r, hash_key, 999);
	ck_assert_int_eq(c25_replay_add(&r, "a", 999, 1000), -ESTALE);
	ck_assert_int_eq(c25_replay_add(&r, "a", 1000, 1000), 0);
	ck_assert_int_eq(c25_replay_add(&r, "a", 1000, 1000), -EEXIST);
	ck_assert_int_eq(c25_replay_add(&r, "a", 1030, 1030), -EEXIST);
	ck_assert_int_eq(c25_replay_add(&r, "b", 1030, 1030), 0);
	/* what was forgotten stays used when the clock goes back */
	for (int i = 0; i < 200; i++) {
		char nonce[16];

		snprintf(nonce, sizeof(nonce), "%d", i);
		ck_assert_int_eq(c25_replay_add(&r, nonce, 1100 + i,
		    1100 + i), 0);
	}
	for (int i = 0; i < 200; i++) {
		char nonce[16];
		int e;

		snprintf(nonce, sizeof(nonce), "%d", i);
		e = c25_replay_add(&r, nonce, 1100 + i, 1100 + i);
		ck_assert(e == -EEXIST || e == -ESTALE);
	}
	c25_replay_free(&r);
}
END_TEST

/*
 * At any rate: what was taken is never taken again while its `created` is
 * in the window, and memory is bounded. One nonce per step, and with each one
 * of those before is tried once more.
 */
START_TEST(replay_at_any_rate)
{
	static const unsigned rates[] = { 1, 7, 100, 2000, 40000 };
	static const uint8_t hash_key[16] = { 2 };
	static int64_t created[400000];
	unsigned rate = rates[_i], total = rate * 100 > 400000 ? 400000 :
	    rate * 100, stale = 0, wrong = 0;	/* each assertion costs */
	struct c25_replay r;
	char nonce[32];

	c25_replay_init(&r, hash_key, 0);
	for (unsigned i = 0; i < total; i++) {
		int64_t now = 1000 + i / rate;
		/* the window back, in steps of any size */
		unsigned back = 1 + (i * 7919u) % (rate * 31);
		int e;

		/* some clocks are off */
		created[i] = now + (int)(i * 31u % 61u) % 3 - 1;
		snprintf(nonce, sizeof(nonce), "nonce-%u", i);
		e = c25_replay_add(&r, nonce, created[i], now);
		wrong += e != 0 && e != -ESTALE;
		if (e != 0) {
			created[i] = -1;
			stale++;
		}
		if (back <= i && created[i - back] >= now - 30) {
			snprintf(nonce, sizeof(nonce), "nonce-%u", i - back);
			e = c25_replay_add(&r, nonce, created[i - back], now);
			wrong += e != -EEXIST && e != -ESTALE;
		}
		wrong += r.young.size + r.old.size > 4 * C25_REPLAY_MAX;
	}
	ck_assert_uint_eq(wrong, 0);
	/* only the fastest has to wait now and then */
	if (rate <= 1000)
		ck_assert_uint_eq(stale, 0);
	if (rate == 1)
		ck_assert_uint_le(r.young.size + r.old.size, 512);
	c25_replay_free(&r);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("httpsig");
	TCase *tc = tcase_create("httpsig");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rfc_example_verifies);
	tcase_add_test(tc, rfc_example_is_what_we_would_sign);
	ADD_ROWS(tc, rfc_example_changed, rfc_changes);
	ADD_ROWS(tc, parse, parse_rows);
	tcase_add_test(tc, absurd_sizes);
	tcase_add_test(tc, truncated);
	ADD_ROWS(tc, fresh, fresh_rows);
	ADD_ROWS(tc, covers, cover_rows);
	ADD_ROWS(tc, covers_what_is_not_there, absent_rows);
	tcase_add_test(tc, a_field_in_several_lines_is_joined);
	ADD_ROWS(tc, authority_normal, authority_rows);
	tcase_add_test(tc, authority_of_any_length);
	ADD_ROWS(tc, digest, digest_rows);
	tcase_add_test(tc, request_written_and_read);
	tcase_add_test(tc, response_written_and_read);
	tcase_add_test(tc, replay);
	tcase_add_loop_test(tc, replay_at_any_rate, 0, 5);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
