/* SPDX-License-Identifier: BSD-3-Clause */
/* The JSON of the peer API; see wire.h. jsonc.h reads it strictly. */
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "jsonc.h"

/* What an entry takes besides app and domain, and the longest form of a byte
 * of these. */
#define ENTRY_BYTES (2 * C25_ADDR_TEXT_MAX + sizeof( \
	"{\"transitIP\":\"\",\"destinationIP\":\"\",\"app\":\"\"," \
	"\"domain\":\"\"}"))
#define ESCAPE_BYTES (sizeof("\\u0000") - 1)

/* Returns: 0 and, with `doc`, a tree in *doc; -EINVAL; -E2BIG; -ENOMEM. */
static int
parse(const char *body, size_t len, cJSON **doc, struct c25_error *err)
{
	struct c25_jsonc_error why;
	size_t blank = 0;
	int r;

	if (len > C25_WIRE_BODY_MAX)
		return c25_fail(err, -E2BIG, "body too large: at most %u "
			"bytes", C25_WIRE_BODY_MAX);
	while (blank < len && strchr(" \t\r\n", body[blank]) != NULL &&
	    body[blank] != '\0')
		blank++;
	if (blank == len)
		return c25_fail(err, -EINVAL, "body is empty: a JSON object "
			"is expected");
	r = doc != NULL ? c25_json_parse(body, len, doc, &why) :
		c25_json_check(body, len, &why);
	if (r == -EINVAL)
		c25_fail(err, r, "body is not JSON: byte %zu: %s",
			why.at + 1, why.text);
	else if (r != 0)
		c25_fail(err, r, "out of memory");
	return r;
}

/*
 * The last "transitIPs" of the top object. Returns: 0 and *list (NULL: none,
 * or null) or -EINVAL.
 */
static int
find_list(const cJSON *top, const cJSON **list, struct c25_error *err)
{
	const cJSON *item;

	*list = NULL;
	if (cJSON_IsNull(top))
		return 0;
	if (!cJSON_IsObject(top))
		return c25_fail(err, -EINVAL, "body is not a JSON object");
	cJSON_ArrayForEach(item, top) {
		if (strcasecmp(item->string, "transitIPs") != 0)
			continue;
		if (cJSON_IsNull(item))
			*list = NULL;
		else if (cJSON_IsArray(item))
			*list = item;
		else
			return c25_fail(err, -EINVAL, "transitIPs is not an "
				"array");
	}
	return 0;
}

/* Room for the items of a list. Returns: 0, -ENOMEM. */
static int
grow(void **items, size_t *size, size_t item_bytes, size_t want)
{
	size_t next = *size != 0 ? *size : 16;
	void *p;

	if (want <= *size)
		return 0;
	while (next < want)
		next *= 2;
	p = realloc(*items, next * item_bytes);
	if (p == NULL)
		return -ENOMEM;
	*items = p;
	*size = next;
	return 0;
}

/* ---- requests ----------------------------------------------------------- */

static int
read_addr(const cJSON *item, struct c25_addr *a)
{
	size_t len;

	if (cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsString(item))
		return -EINVAL;
	len = strlen(item->valuestring);
	if (len == 0) {
		*a = (struct c25_addr){ 0 };
		return 0;
	}
	return c25_addr_parse(a, item->valuestring, len);
}

static int
read_text(const cJSON *item, const char **text)
{
	if (cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsString(item))
		return -EINVAL;
	*text = item->valuestring;
	return 0;
}

static int
read_entry(const cJSON *object, size_t index, struct c25_wire_entry *e,
	struct c25_error *err)
{
	const cJSON *item;

	*e = (struct c25_wire_entry){ .app = "", .domain = "" };
	if (cJSON_IsNull(object))
		return 0;
	if (!cJSON_IsObject(object))
		return c25_fail(err, -EINVAL, "transitIPs[%zu] is not an "
			"object", index);
	cJSON_ArrayForEach(item, object) {
		const char *what = "a string";
		int r = 0;

		if (strcasecmp(item->string, "transitIP") == 0) {
			r = read_addr(item, &e->transit);
			what = "an IP address";
		} else if (strcasecmp(item->string, "destinationIP") == 0) {
			r = read_addr(item, &e->destination);
			what = "an IP address";
		} else if (strcasecmp(item->string, "app") == 0) {
			r = read_text(item, &e->app);
		} else if (strcasecmp(item->string, "domain") == 0) {
			r = read_text(item, &e->domain);
		}
		if (r != 0)
			return c25_fail(err, -EINVAL,
				"transitIPs[%zu].%s is not %s", index,
				item->string, what);
	}
	return 0;
}

int
c25_wire_request_parse(struct c25_wire_request *q, const char *body,
	size_t len, struct c25_error *err)
{
	const cJSON *list = NULL, *item;
	cJSON *doc = NULL;
	size_t n = 0;
	int r;

	c25_wire_request_clear(q);
	r = parse(body, len, &doc, err);
	if (r != 0)
		return r;
	q->doc = doc;
	r = find_list(doc, &list, err);
	if (r != 0)
		goto out;
	cJSON_ArrayForEach(item, list)
		n++;
	if (n > C25_WIRE_ENTRIES_MAX) {
		r = c25_fail(err, -E2BIG, "too many entries: at most %d",
			C25_WIRE_ENTRIES_MAX);
		goto out;
	}
	r = grow((void **)&q->entries, &q->size, sizeof(*q->entries), n);
	if (r != 0) {
		c25_fail(err, r, "out of memory");
		goto out;
	}
	cJSON_ArrayForEach(item, list) {
		r = read_entry(item, q->count, &q->entries[q->count], err);
		if (r != 0)
			goto out;
		q->count++;
	}
out:
	if (r != 0)
		c25_wire_request_clear(q);
	return r;
}

void
c25_wire_request_clear(struct c25_wire_request *q)
{
	cJSON_Delete(q->doc);
	free(q->text);
	q->doc = NULL;
	q->text = NULL;
	q->text_len = 0;
	q->count = 0;
}

void
c25_wire_request_free(struct c25_wire_request *q)
{
	c25_wire_request_clear(q);
	free(q->entries);
	*q = (struct c25_wire_request){ 0 };
}

/* ---- requests in pieces ------------------------------------------------- */

/* Is "transitIPs" what the key at its quote says? The text was checked. */
static bool
is_list_key(const char *p)
{
	static const char want[] = "transitips";

	p++;
	for (const char *w = want; *w != '\0'; w++) {
		char hex[5] = "";
		unsigned long c = (unsigned char)*p++;

		if (c == '\\') {
			if (*p++ != 'u')
				return false;
			memcpy(hex, p, 4);
			p += 4;
			c = strtoul(hex, NULL, 16);
		}
		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (c != (unsigned char)*w)
			return false;
	}
	return *p == '"';
}

/* find_list() in the text. Returns: 0 and p->list, p->more; -EINVAL. */
static int
find_list_text(struct c25_wire_pieces *p, const char *body, size_t len,
	struct c25_error *err)
{
	struct c25_jsonc_walk top;
	size_t start = strspn(body, " \t\r\n");

	if (body[start] == 'n')
		return 0;
	if (body[start] != '{')
		return c25_fail(err, -EINVAL, "body is not a JSON object");
	c25_jsonc_walk_start(&top, body, len, start);
	while (c25_jsonc_walk_next(&top)) {
		if (!is_list_key(body + top.key))
			continue;
		p->more = body[top.value] == '[';
		if (p->more)
			c25_jsonc_walk_start(&p->list, body, len, top.value);
		else if (body[top.value] != 'n')
			return c25_fail(err, -EINVAL, "transitIPs is not an "
				"array");
	}
	return 0;
}

int
c25_wire_pieces_start(struct c25_wire_pieces *p, struct c25_wire_request *q,
	const char *body, size_t len, struct c25_error *err)
{
	int r = parse(body, len, NULL, err);

	c25_wire_request_clear(q);
	p->more = false;
	if (r == 0)
		r = find_list_text(p, body, len, err);
	if (r != 0 || !p->more)
		return r;
	/* No text in it is longer than with its quotes, as it came. */
	q->text = malloc(len);
	return q->text != NULL ? 0 : c25_fail(err, -ENOMEM, "out of memory");
}

/* Where it stays when its tree is gone. */
static const char *
keep_text(struct c25_wire_request *q, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = q->text + q->text_len;

	if (size == 1)
		return "";
	memcpy(copy, text, size);
	q->text_len += size;
	return copy;
}

/* A tree of them would take as long as a whole body. */
static bool
has_too_many_values(const char *text, size_t len)
{
	size_t values = 0;	/* that are not the first in theirs */

	for (size_t i = 0; len / 2 > C25_WIRE_VALUES_MAX && i < len; i++) {
		if (text[i] == '"')
			for (i++; text[i] != '"'; i++)
				i += text[i] == '\\';
		else
			values += text[i] == ',' || text[i] == '[' ||
				text[i] == '{';
	}
	return values > C25_WIRE_VALUES_MAX;
}

/* The entry at hand. */
static int
take_entry(struct c25_wire_pieces *p, struct c25_wire_request *q,
	struct c25_error *err)
{
	const char *text = p->list.in.text + p->list.value;
	size_t len = p->list.end - p->list.value;
	struct c25_wire_entry *e;
	cJSON *doc;
	int r;

	if (q->count == C25_WIRE_ENTRIES_MAX)
		return c25_fail(err, -E2BIG, "too many entries: at most %d",
			C25_WIRE_ENTRIES_MAX);
	if (has_too_many_values(text, len))
		return c25_fail(err, -E2BIG, "transitIPs[%zu] has too many "
			"values in it: at most %d", q->count,
			C25_WIRE_VALUES_MAX);
	r = grow((void **)&q->entries, &q->size, sizeof(*q->entries),
		q->count + 1);
	doc = r != 0 ? NULL : cJSON_ParseWithLength(text, len);
	if (doc == NULL)
		return c25_fail(err, -ENOMEM, "out of memory");
	e = &q->entries[q->count];
	r = read_entry(doc, q->count, e, err);
	if (r == 0) {
		e->app = keep_text(q, e->app);
		e->domain = keep_text(q, e->domain);
		q->count++;
	}
	cJSON_Delete(doc);
	return r;
}

int
c25_wire_pieces_next(struct c25_wire_pieces *p, struct c25_wire_request *q,
	const char *body, size_t max, struct c25_error *err)
{
	int r = 0;

	p->list.in.text = body;
	while (r == 0 && max-- > 0 && p->more) {
		p->more = c25_jsonc_walk_next(&p->list);
		if (p->more)
			r = take_entry(p, q, err);
	}
	if (r != 0) {
		c25_wire_request_clear(q);
		p->more = false;
	}
	return r;
}

/* ---- writing ------------------------------------------------------------ */

/* `"key":"text"` at p, behind a comma unless it is the first; or nothing for an
 * empty text. Returns: the end of it. */
static char *
write_member(char *p, const char *key, const char *text)
{
	if (*text == '\0')
		return p;
	if (p[-1] != '{')
		*p++ = ',';
	p = stpcpy(p, key);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= ' ' && c != '"' && c != '\\')
			*p++ = (char)c;
		else
			p += sprintf(p, "\\u%04x", c);
	}
	*p++ = '"';
	return p;
}

static void
write_entry(struct c25_buf *out, const struct c25_wire_entry *e)
{
	char text[C25_ADDR_TEXT_MAX], *p;

	if (!c25_buf_reserve(out, ENTRY_BYTES + ESCAPE_BYTES *
	    (strlen(e->app) + strlen(e->domain))))
		return;
	p = out->data + out->len;
	*p++ = '{';
	if (e->transit.family != C25_UNSET)
		p = write_member(p, "\"transitIP\":\"",
			c25_addr_format(&e->transit, text));
	if (e->destination.family != C25_UNSET)
		p = write_member(p, "\"destinationIP\":\"",
			c25_addr_format(&e->destination, text));
	p = write_member(p, "\"app\":\"", e->app);
	p = write_member(p, "\"domain\":\"", e->domain);
	*p++ = '}';
	*p = '\0';
	out->len = (size_t)(p - out->data);
}

void
c25_wire_request_write(struct c25_buf *out,
	const struct c25_wire_entry *entries, size_t count)
{
	c25_buf_clear(out);
	if (count == 0) {
		c25_buf_lit(out, "{}");
		return;
	}
	c25_buf_lit(out, "{\"transitIPs\":[");
	for (size_t i = 0; i < count; i++) {
		if (i != 0)
			c25_buf_lit(out, ",");
		write_entry(out, &entries[i]);
	}
	c25_buf_lit(out, "]}");
}

/* ---- responses ---------------------------------------------------------- */

static void
copy_message(char out[static C25_WIRE_MESSAGE_MAX], const char *text)
{
	size_t n = 0;

	for (; n < C25_WIRE_MESSAGE_MAX - 1 && text[n] != '\0'; n++)
		out[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	out[n] = '\0';
}

static int
read_result(const cJSON *object, size_t index, struct c25_wire_result *out,
	struct c25_error *err)
{
	const cJSON *item;

	out->code = C25_WIRE_OK;
	out->message[0] = '\0';
	if (cJSON_IsNull(object))
		return 0;
	if (!cJSON_IsObject(object))
		return c25_fail(err, -EINVAL, "transitIPs[%zu] is not an "
			"object", index);
	cJSON_ArrayForEach(item, object) {
		if (cJSON_IsNull(item))
			continue;
		if (strcasecmp(item->string, "code") == 0) {
			double code = item->valuedouble;

			if (!cJSON_IsNumber(item) || !(code >= 0) ||
			    code >= C25_WIRE_CODES || code != (int)code)
				return c25_fail(err, -EINVAL,
					"transitIPs[%zu].code is not a known "
					"code", index);
			out->code = (uint8_t)code;
		} else if (strcasecmp(item->string, "message") == 0) {
			if (!cJSON_IsString(item))
				return c25_fail(err, -EINVAL,
					"transitIPs[%zu].message is not a "
					"string", index);
			copy_message(out->message, item->valuestring);
		}
	}
	return 0;
}

int
c25_wire_response_parse(struct c25_wire_response *p, const char *body,
	size_t len, size_t expected, struct c25_error *err)
{
	const cJSON *list = NULL, *item;
	cJSON *doc = NULL;
	size_t n = 0;
	int r;

	p->count = 0;
	r = parse(body, len, &doc, err);
	if (r != 0)
		return r;
	r = find_list(doc, &list, err);
	if (r != 0)
		goto out;
	cJSON_ArrayForEach(item, list)
		n++;
	if (n != expected) {
		r = c25_fail(err, -EINVAL, "%zu results for %zu mappings", n,
			expected);
		goto out;
	}
	r = grow((void **)&p->results, &p->size, sizeof(*p->results), n);
	if (r != 0) {
		c25_fail(err, r, "out of memory");
		goto out;
	}
	cJSON_ArrayForEach(item, list) {
		r = read_result(item, p->count, &p->results[p->count], err);
		if (r != 0)
			goto out;
		p->count++;
	}
out:
	if (r != 0)
		p->count = 0;
	cJSON_Delete(doc);
	return r;
}

void
c25_wire_response_free(struct c25_wire_response *p)
{
	free(p->results);
	*p = (struct c25_wire_response){ 0 };
}

static const char *const messages[C25_WIRE_CODES] = {
	[C25_WIRE_OK] = "",
	[C25_WIRE_OTHER] = "mapping refused",
	[C25_WIRE_DUPLICATE] = "transit IP occurs twice in this request",
	[C25_WIRE_NO_FAMILY] = "peer has no address of that family",
	[C25_WIRE_FAMILIES] = "transit and destination IP differ in family",
	[C25_WIRE_UNKNOWN_APP] = "unknown app",
	[C25_WIRE_FORBIDDEN] = "peer may not use this app",
};

const char *
c25_wire_message(enum c25_wire_code code)
{
	return (unsigned)code < C25_WIRE_CODES ? messages[code] : "";
}

/* One that isn't OK. */
static void
write_refusal(struct c25_buf *out, unsigned code, const char *message)
{
	static const char open[] = "{\"code\":";
	char *p;

	if (!c25_buf_reserve(out, ENTRY_BYTES + ESCAPE_BYTES *
	    strlen(message)))
		return;
	p = stpcpy(out->data + out->len, open);
	*p++ = (char)('0' + code % 10);
	p = write_member(p, "\"message\":\"", message);
	*p++ = '}';
	*p = '\0';
	out->len = (size_t)(p - out->data);
}

void
c25_wire_response_write(struct c25_buf *out, const uint8_t *codes,
	size_t count)
{
	c25_wire_response_write_why(out, codes, count, NULL, NULL);
}

void
c25_wire_response_write_why(struct c25_buf *out, const uint8_t *codes,
	size_t count, const char *(*why)(void *ctx, size_t i,
	char buf[static C25_WIRE_WHY_MAX]), void *ctx)
{
	c25_buf_clear(out);
	c25_wire_response_add(out, codes, 0, count, count, why, ctx);
}

void
c25_wire_response_add(struct c25_buf *out, const uint8_t *codes, size_t from,
	size_t to, size_t count, const char *(*why)(void *ctx, size_t i,
	char buf[static C25_WIRE_WHY_MAX]), void *ctx)
{
	char buf[C25_WIRE_WHY_MAX];

	if (count == 0) {
		c25_buf_lit(out, "{}");
		return;
	}
	if (from == 0)
		c25_buf_lit(out, "{\"transitIPs\":[");
	for (size_t i = from; i < to; i++) {
		if (i != 0)
			c25_buf_lit(out, ",");
		if (codes[i] == C25_WIRE_OK) {
			c25_buf_lit(out, "{}");
		} else {
			const char *text = why != NULL ? why(ctx, i, buf) :
				NULL;

			write_refusal(out, codes[i], text != NULL ? text :
				c25_wire_message(codes[i]));
		}
	}
	if (to == count)
		c25_buf_lit(out, "]}");
}
