/* SPDX-License-Identifier: BSD-3-Clause */
/* The syntax of HTTP/1.1; see http1.h. */
#include "http1.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CHUNK_EXTRA_MAX 1024	/* bytes of chunk extensions and trailers */
#define CHUNK_DIGITS_MAX 8	/* hex digits of a chunk size */
#define LENGTH_DIGITS_MAX 15	/* decimal digits of Content-Length */

/* A token character, RFC 9110 5.6.2. */
static bool
is_token(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		(c >= 'a' && c <= 'z') ||
		(c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* What no field value and no reason phrase may have, RFC 9110 5.5. */
static bool
is_control(unsigned char c)
{
	return (c < ' ' && c != '\t') || c == 0x7f;
}

static size_t
token_len(const char *p, size_t len)
{
	size_t n = 0;

	while (n < len && is_token((unsigned char)p[n]))
		n++;
	return n;
}

bool
c25_http1_is(const char *piece, size_t len, const char *text)
{
	return strlen(text) == len && memcmp(piece, text, len) == 0;
}

/*
 * Where the head ends, the blank line included.
 * Returns: 0 when it isn't there yet; -400 for a line without CR; -431.
 */
static int
head_len(const char *data, size_t len)
{
	size_t look = len < C25_HTTP1_HEAD_MAX ? len : C25_HTTP1_HEAD_MAX;
	const char *end = memmem(data, look, "\r\n\r\n", 4);
	const char *lf;

	if (end != NULL)
		return (int)(end - data) + 4;
	lf = memchr(data, '\n', look);
	if (lf != NULL && (lf == data || lf[-1] != '\r'))
		return -400;
	return look == C25_HTTP1_HEAD_MAX ? -431 : 0;
}

/* One field line (without its CRLF). Returns: 0, -400, -431. */
static int
parse_field(struct c25_http1 *h, size_t at, size_t end)
{
	const char *p = h->base;
	size_t name = token_len(p + at, end - at);
	size_t value = at + name + 1;
	struct c25_http1_field *f;

	if (name == 0 || at + name >= end || p[at + name] != ':')
		return -400;
	for (size_t i = value; i < end; i++) {
		if (is_control((unsigned char)p[i]))
			return -400;
	}
	while (value < end && (p[value] == ' ' || p[value] == '\t'))
		value++;
	while (end > value && (p[end - 1] == ' ' || p[end - 1] == '\t'))
		end--;
	if (h->field_count == C25_HTTP1_FIELDS_MAX)
		return -431;
	f = &h->fields[h->field_count++];
	f->name = (uint16_t)at;
	f->name_len = (uint16_t)name;
	f->value = (uint16_t)value;
	f->value_len = (uint16_t)(end - value);
	return 0;
}

/* All field lines between `at` and the blank line before `end`. */
static int
parse_fields(struct c25_http1 *h, size_t at, size_t end)
{
	while (at < end - 2) {
		const char *lf = memchr(h->base + at, '\n', end - at);
		size_t stop = (size_t)(lf - h->base) - 1;
		int r;

		if (h->base[stop] != '\r')
			return -400;
		r = parse_field(h, at, stop);
		if (r != 0)
			return r;
		at = stop + 2;
	}
	return 0;
}

static bool
field_is(const struct c25_http1 *h, const struct c25_http1_field *f,
	const char *name)
{
	return strlen(name) == f->name_len &&
		strncasecmp(h->base + f->name, name, f->name_len) == 0;
}

/* Does a comma-separated value contain the token? Case doesn't matter. */
static bool
has_token(const char *value, size_t len, const char *token)
{
	size_t want = strlen(token), at = 0;

	while (at < len) {
		size_t n = 0;

		while (at < len && strchr(", \t", value[at]) != NULL)
			at++;
		while (at + n < len && strchr(", \t", value[at + n]) == NULL)
			n++;
		if (n == want && strncasecmp(value + at, token, n) == 0)
			return true;
		at += n;
	}
	return false;
}

static int64_t
decimal(const char *p, size_t len)
{
	int64_t value = 0;

	if (len == 0)
		return -400;
	for (size_t i = 0; i < len; i++)
		if (p[i] < '0' || p[i] > '9')
			return -400;
	while (len > 1 && *p == '0') {
		p++;
		len--;
	}
	if (len > LENGTH_DIGITS_MAX)
		return -413;
	for (size_t i = 0; i < len; i++)
		value = value * 10 + (p[i] - '0');
	return value;
}

/* Read the fields that frame the message. `none` is the length of a body
 * that no field speaks of. Returns: 0 or a negative status. */
static int
read_framing(struct c25_http1 *h, int minor, int64_t none)
{
	bool length = false, coding = false;

	h->keep = h->chunks = minor >= 1;
	h->length = none;
	for (unsigned i = 0; i < h->field_count; i++) {
		const struct c25_http1_field *f = &h->fields[i];
		const char *value = h->base + f->value;

		if (field_is(h, f, "content-length")) {
			if (length)
				return -400;
			length = true;
			h->length = decimal(value, f->value_len);
			if (h->length < 0)
				return (int)h->length;
		} else if (field_is(h, f, "transfer-encoding")) {
			if (coding || minor == 0)
				return -400;
			coding = true;
			if (f->value_len != 7 ||
			    strncasecmp(value, "chunked", 7) != 0)
				return -501;
		} else if (field_is(h, f, "connection")) {
			if (has_token(value, f->value_len, "close"))
				h->keep = false;
			else if (minor == 0 && has_token(value, f->value_len,
			    "keep-alive"))
				h->keep = true;
		} else if (field_is(h, f, "expect")) {
			h->expect = f->value_len == 12 &&
				strncasecmp(value, "100-continue", 12) == 0;
		}
	}
	if (length && coding)
		return -400;
	if (coding)
		h->length = -1;
	return 0;
}

/* "/path", "http://authority/path" or "*" and the query. Returns: 0, -400. */
static int
parse_target(struct c25_http1 *h, size_t at, size_t end)
{
	const char *p = h->base;

	for (size_t i = at; i < end; i++)
		if ((unsigned char)p[i] <= ' ' || p[i] == 0x7f)
			return -400;
	if (end - at > 7 && strncasecmp(p + at, "http://", 7) == 0) {
		at += 7;
		while (at < end && p[at] != '/' && p[at] != '?')
			at++;
	}
	h->path = (uint16_t)at;
	while (at < end && p[at] != '?')
		at++;
	h->path_len = (uint16_t)(at - h->path);
	return 0;
}

/* "HTTP/1.x". Returns: x; -505 another version; -400. */
static int
parse_version(const char *p, size_t len)
{
	if (len != 8 || memcmp(p, "HTTP/", 5) != 0 || p[6] != '.' ||
	    p[5] < '0' || p[5] > '9' || p[7] < '0' || p[7] > '9')
		return -400;
	return p[5] == '1' ? p[7] - '0' : -505;
}

int
c25_http1_request(struct c25_http1 *h, const char *data, size_t len)
{
	size_t skip = 0, end, at, line;
	int n, minor, r;

	/* empty lines before a request are no error, RFC 9112 2.2 */
	while (skip < 8 && len - skip >= 2 && data[skip] == '\r' &&
	    data[skip + 1] == '\n')
		skip += 2;
	n = head_len(data + skip, len - skip);
	if (n <= 0)
		return n;
	h->base = data + skip;
	h->field_count = 0;
	h->expect = false;
	h->status = 0;
	end = (size_t)n;
	line = (size_t)((const char *)memchr(h->base, '\r', end) - h->base);
	h->method = 0;
	h->method_len = (uint16_t)token_len(h->base, line);
	at = h->method_len;
	if (at == 0 || at >= line || h->base[at] != ' ')
		return -400;
	if (line < at + 10 || h->base[line - 9] != ' ')
		return -400;
	minor = parse_version(h->base + line - 8, 8);
	if (minor < 0)
		return minor;
	r = parse_target(h, at + 1, line - 9);
	if (r == 0 && h->base[line + 1] != '\n')
		r = -400;
	if (r == 0)
		r = parse_fields(h, line + 2, end);
	if (r == 0)
		r = read_framing(h, minor, 0);
	return r != 0 ? r : (int)(skip + end);
}

int
c25_http1_response(struct c25_http1 *h, const char *data, size_t len)
{
	int n = head_len(data, len);
	size_t end = (size_t)n, line;
	int minor, r;

	if (n <= 0)
		return n < 0 ? -400 : 0;
	h->base = data;
	h->field_count = 0;
	h->expect = false;
	h->method = h->method_len = h->path = h->path_len = 0;
	line = (size_t)((const char *)memchr(data, '\r', end) - data);
	minor = line >= 12 ? parse_version(data, 8) : -400;
	if (minor < 0 || data[line + 1] != '\n' || data[8] != ' ' ||
	    (line > 12 && data[12] != ' '))
		return -400;
	for (int i = 9; i < 12; i++)
		if (data[i] < '0' || data[i] > '9')
			return -400;
	for (size_t i = 12; i < line; i++)
		if (is_control((unsigned char)data[i]))
			return -400;
	h->status = (data[9] - '0') * 100 + (data[10] - '0') * 10 +
		(data[11] - '0');
	r = parse_fields(h, line + 2, end);
	if (r == 0)
		r = read_framing(h, minor, -2);
	if (h->status < 200 || h->status == 204 || h->status == 304)
		h->length = 0;
	if (h->length == -2)
		h->keep = false;
	return r != 0 ? -400 : n;
}

int
c25_http1_get(const struct c25_http1 *h, const char *name,
	const char **value)
{
	for (unsigned i = 0; i < h->field_count; i++)
		if (field_is(h, &h->fields[i], name)) {
			*value = h->base + h->fields[i].value;
			return h->fields[i].value_len;
		}
	return -ENOENT;
}

const char *
c25_http1_reason(int status)
{
	static const struct { int status; const char *text; } reasons[] = {
		{ 200, "OK" }, { 204, "No Content" }, { 400, "Bad Request" },
		{ 401, "Unauthorized" }, { 403, "Forbidden" },
		{ 404, "Not Found" }, { 405, "Method Not Allowed" },
		{ 408, "Request Timeout" }, { 413, "Content Too Large" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" }, { 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "";
}

/* ---- chunked coding ----------------------------------------------------- */

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of a size line. */
static int
chunk_size(struct c25_chunk *c, char byte)
{
	int digit = hex(byte);

	if (digit >= 0) {
		if (++c->digits > CHUNK_DIGITS_MAX)
			return -EINVAL;
		c->left = c->left * 16 + (unsigned)digit;
		return 0;
	}
	if (c->digits == 0)
		return -EINVAL;
	if (byte == '\r')
		c->state = C25_CHUNK_SIZE_LF;
	else if (byte == ';' || byte == ' ' || byte == '\t')
		c->state = C25_CHUNK_EXT;
	else
		return -EINVAL;
	return 0;
}

/* This byte, and nothing else, leads to the next state. */
static int
chunk_expect(struct c25_chunk *c, char byte, char want,
	enum c25_chunk_state next)
{
	if (byte != want)
		return -EINVAL;
	c->state = next;
	return 0;
}

/* One byte of anything but chunk data. */
static int
chunk_byte(struct c25_chunk *c, char byte)
{
	switch (c->state) {
	case C25_CHUNK_SIZE:
		return chunk_size(c, byte);
	case C25_CHUNK_EXT:
		if (byte == '\r')
			c->state = C25_CHUNK_SIZE_LF;
		return byte == '\n' || ++c->extra > CHUNK_EXTRA_MAX ?
			-EINVAL : 0;
	case C25_CHUNK_SIZE_LF:
		return chunk_expect(c, byte, '\n', c->left != 0 ?
			C25_CHUNK_DATA : C25_CHUNK_TRAILER);
	case C25_CHUNK_DATA_CR:
		return chunk_expect(c, byte, '\r', C25_CHUNK_DATA_LF);
	case C25_CHUNK_DATA_LF:
		c->digits = 0;
		return chunk_expect(c, byte, '\n', C25_CHUNK_SIZE);
	case C25_CHUNK_TRAILER:
		if (byte == '\r') {
			c->state = C25_CHUNK_END_LF;
			return 0;
		}
		c->state = C25_CHUNK_TRAILER_LINE;
		return ++c->extra > CHUNK_EXTRA_MAX ? -EINVAL : 0;
	case C25_CHUNK_TRAILER_LINE:
		if (byte == '\n')
			c->state = C25_CHUNK_TRAILER;
		return ++c->extra > CHUNK_EXTRA_MAX ? -EINVAL : 0;
	case C25_CHUNK_END_LF:
		return chunk_expect(c, byte, '\n', C25_CHUNK_DONE);
	case C25_CHUNK_DATA:
	case C25_CHUNK_DONE:
		break;
	}
	return -EINVAL;
}

ssize_t
c25_chunk_feed(struct c25_chunk *c, const char *data, size_t len,
	struct c25_buf *out, size_t max)
{
	size_t at = 0;

	while (at < len && c->state != C25_CHUNK_DONE) {
		size_t n = 1;

		if (c->state == C25_CHUNK_DATA) {
			n = c->left < len - at ? (size_t)c->left : len - at;
			c25_buf_add(out, data + at, n);
			if (out->failed)
				return -ENOMEM;
			c->left -= n;
			if (c->left == 0)
				c->state = C25_CHUNK_DATA_CR;
		} else {
			int r = chunk_byte(c, data[at]);

			if (r != 0)
				return r;
			if (c->state == C25_CHUNK_DATA && (c->left > max ||
			    out->len > max - c->left))
				return -E2BIG;
		}
		at += n;
	}
	return (ssize_t)at;
}

void
c25_http1_authority(const char *host, uint16_t port, bool tls, char *text,
	size_t size)
{
	bool v6 = strchr(host, ':') != NULL;
	char suffix[8] = "";

	if (port != (tls ? 443 : 80))
		(void)snprintf(suffix, sizeof(suffix), ":%u", port);
	(void)snprintf(text, size, "%s%s%s%s", v6 ? "[" : "", host,
		v6 ? "]" : "", suffix);
}
