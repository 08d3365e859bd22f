/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pure part of control.h: taking a request line apart, and finding
 * runDir in a configuration that needn't be right.
 */

#include "control.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

/* ---- the request line -------------------------------------------------- */

static bool
all_printable(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return true;
}

/* Narrow text down to what is between leading and trailing blanks. */
static void
trim(const char **text, size_t *len)
{
	while (*len > 0 && **text == ' ') {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && (*text)[*len - 1] == ' ')
		(*len)--;
}

int
c25_control_parse(struct c25_control_line *out, const char *line, size_t len,
	struct c25_error *err)
{
	const size_t greeting_len = strlen(C25_CONTROL_GREETING);
	const char *blank;
	size_t verb_len;

	memset(out, 0, sizeof(*out));
	if (len < greeting_len ||
			memcmp(line, C25_CONTROL_GREETING, greeting_len) != 0)
		return c25_fail(err, -EPROTO, "request doesn't begin with "
			"\"%s\": use conn25-control of version %s",
			C25_CONTROL_GREETING, C25_VERSION);
	line += greeting_len;
	len -= greeting_len;
	if (!all_printable(line, len))
		return c25_fail(err, -EINVAL, "request has bytes that are "
			"not printable ASCII");
	trim(&line, &len);
	if (len == 0)
		return c25_fail(err, -EINVAL, "request names no verb");
	blank = memchr(line, ' ', len);
	verb_len = blank == NULL ? len : (size_t)(blank - line);
	if (verb_len >= sizeof(out->verb))
		return c25_fail(err, -EINVAL, "verb is longer than any");
	memcpy(out->verb, line, verb_len);
	line += verb_len;
	len -= verb_len;
	trim(&line, &len);
	if (len >= sizeof(out->argument))
		return c25_fail(err, -EINVAL, "argument is too long");
	memcpy(out->argument, line, len);
	return 0;
}

/* ---- runDir in a text -------------------------------------------------- */

/* Past blanks and comments; `end` when there is nothing else. */
static const char *
skip_blank(const char *p, const char *end)
{
	while (p < end) {
		if (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n') {
			p++;
		} else if (end - p >= 2 && p[0] == '/' && p[1] == '/') {
			p = memchr(p, '\n', (size_t)(end - p));
			if (p == NULL)
				return end;
		} else if (end - p >= 2 && p[0] == '/' && p[1] == '*') {
			p = memmem(p + 2, (size_t)(end - p) - 2, "*/", 2);
			if (p == NULL)
				return end;
			p += 2;
		} else {
			break;
		}
	}
	return p;
}

/* Past the string that begins at p, or `end` when it doesn't stop. */
static const char *
skip_string(const char *p, const char *end)
{
	for (p++; p < end; p++) {
		if (*p == '\\')
			p++;
		else if (*p == '"')
			return p + 1;
	}
	return end;
}

/* The string between p and end, quotes and escapes undone. */
static int
take_string(const char *p, const char *end, char *out, size_t size)
{
	cJSON *value = cJSON_ParseWithLength(p, (size_t)(end - p));
	int r = -EINVAL;

	if (cJSON_IsString(value) && value->valuestring[0] != '\0') {
		r = -ENAMETOOLONG;
		if (strlen(value->valuestring) < size) {
			strcpy(out, value->valuestring);
			r = 0;
		}
	}
	cJSON_Delete(value);
	return r;
}

int
c25_control_run_dir(const char *text, size_t len, char *out, size_t size)
{
	static const char key[] = "\"runDir\"";
	const char *end = text + len;
	const char *p = text, *start;
	bool is_key;
	int depth = 0;

	while ((p = skip_blank(p, end)) < end) {
		if (*p != '"') {
			depth += *p == '{' || *p == '[';
			depth -= *p == '}' || *p == ']';
			p++;
			continue;
		}
		start = p;
		p = skip_string(p, end);
		is_key = depth == 1 &&
			(size_t)(p - start) == sizeof(key) - 1 &&
			memcmp(start, key, sizeof(key) - 1) == 0;
		p = skip_blank(p, end);
		if (!is_key || p == end || *p != ':')
			continue;
		p = skip_blank(p + 1, end);
		if (p == end || *p != '"')
			return -EINVAL;
		return take_string(p, skip_string(p, end), out, size);
	}
	return -ENOENT;
}
