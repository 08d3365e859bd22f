/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The strict scanner for JSON with comments, and the finder of places. What
 * the values mean is not known here.
 */

#include "jsonc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* cJSON copies a number into 64 bytes and stops there. */
#define NUMBER_MAX 40

/* ---- the strict pass ---------------------------------------------------- */

struct scan {
	char *text;
	size_t len;
	size_t at;
	size_t depth;
	bool plain;				/* JSON and nothing more */
	size_t open[C25_JSONC_DEPTH_MAX];	/* where the open ones are */
	struct c25_jsonc_error *err;
};

static int fail(struct scan *s, size_t at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int
fail(struct scan *s, size_t at, const char *format, ...)
{
	va_list ap;

	s->err->at = at;
	va_start(ap, format);
	(void)vsnprintf(s->err->text, sizeof(s->err->text), format, ap);
	va_end(ap);
	return -EINVAL;
}

/* The byte at an offset, -1 past the end. */
static int
peek(const struct scan *s, size_t at)
{
	return at < s->len ? (unsigned char)s->text[at] : -1;
}

static bool
is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
is_word(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' ||
		c == '+';
}

static unsigned
line_of(const struct scan *s, size_t at)
{
	unsigned line, column;

	c25_jsonc_position(s->text, s->len, at, &line, &column);
	return line;
}

/* Blank a comment at s->at; line ends stay. */
static int
blank_comment(struct scan *s)
{
	size_t start = s->at;
	bool block = peek(s, start + 1) == '*';

	if (!block && peek(s, start + 1) != '/')
		return fail(s, start, "a lone '/': comments begin with // "
			"or /*");
	s->at += 2;
	for (;;) {
		int c = peek(s, s->at);

		if (c == -1 && block)
			return fail(s, start, "this comment is not closed: "
				"add */ where it ends");
		if (c == -1 || (!block && c == '\n'))
			break;
		if (block && c == '*' && peek(s, s->at + 1) == '/') {
			s->at += 2;
			break;
		}
		s->at++;
	}
	for (size_t i = start; i < s->at; i++)
		if (s->text[i] != '\n')
			s->text[i] = ' ';
	return 0;
}

/* Go on to the next byte that is neither blank nor comment. */
static int
skip_blank(struct scan *s)
{
	int r;

	for (;;) {
		while (is_blank(peek(s, s->at)))
			s->at++;
		if (peek(s, s->at) != '/' || s->plain)
			return 0;
		r = blank_comment(s);
		if (r != 0)
			return r;
	}
}

/* Length of the UTF-8 sequence at `at`, 0 when it is none. RFC 3629. */
static size_t
utf8_len(const struct scan *s, size_t at)
{
	int c = peek(s, at), low = 0x80, high = 0xbf;
	size_t n;

	if (c >= 0 && c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < n; i++) {
		c = peek(s, at + i);
		if (c < low || c > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

/* The four hex digits at `at`, -1 when they are none. */
static long
hex4(const struct scan *s, size_t at)
{
	long v = 0;

	for (size_t i = 0; i < 4; i++) {
		int c = peek(s, at + i);

		if (c >= '0' && c <= '9')
			v = v * 16 + c - '0';
		else if (c >= 'a' && c <= 'f')
			v = v * 16 + c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			v = v * 16 + c - 'A' + 10;
		else
			return -1;
	}
	return v;
}

static int
scan_escape(struct scan *s)
{
	int c = peek(s, s->at + 1);
	long v;

	if (c != 'u') {
		if (c <= 0 || strchr("\"\\/bfnrt", c) == NULL)
			return fail(s, s->at, "no such escape: a backslash "
				"itself is written \\\\");
		s->at += 2;
		return 0;
	}
	v = hex4(s, s->at + 2);
	if (v < 0)
		return fail(s, s->at, "\\u needs four hexadecimal digits");
	if (v == 0)
		return fail(s, s->at, "a NUL can't be part of a text: "
			"remove it");
	if (v >= 0xd800 && v <= 0xdfff) {
		long w = -1;

		if (v < 0xdc00 && peek(s, s->at + 6) == '\\' &&
		    peek(s, s->at + 7) == 'u')
			w = hex4(s, s->at + 8);
		if (w < 0xdc00 || w > 0xdfff)
			return fail(s, s->at, "half of a surrogate pair: "
				"write the character itself");
		s->at += 6;
	}
	s->at += 6;
	return 0;
}

/* A string from its first to past its last quote. */
static int
scan_string(struct scan *s)
{
	size_t start = s->at++, n;
	int r;

	for (;;) {
		int c = peek(s, s->at);

		if (c == '"') {
			s->at++;
			return 0;
		}
		if (c == -1 || c == '\n' || c == '\r')
			return fail(s, start, "this text is not closed on "
				"its line: add the missing \"");
		if (c < 0x20)
			return fail(s, s->at, "a control character (0x%02x) "
				"within a text: remove it", (unsigned)c);
		if (c == '\\') {
			r = scan_escape(s);
			if (r != 0)
				return r;
			continue;
		}
		n = utf8_len(s, s->at);
		if (n == 0)
			return fail(s, s->at, "this is not UTF-8: save the "
				"file as UTF-8");
		s->at += n;
	}
}

static size_t
digits(const struct scan *s, size_t at)
{
	size_t n = 0;

	while (peek(s, at + n) >= '0' && peek(s, at + n) <= '9')
		n++;
	return n;
}

/* Is [at, end) a number as RFC 8259 section 6 wants it? */
static bool
is_number(const struct scan *s, size_t at, size_t end)
{
	size_t n;

	if (peek(s, at) == '-')
		at++;
	n = digits(s, at);
	if (n == 0 || (n > 1 && s->text[at] == '0'))
		return false;
	at += n;
	if (at < end && s->text[at] == '.') {
		n = digits(s, ++at);
		if (n == 0)
			return false;
		at += n;
	}
	if (at < end && (s->text[at] == 'e' || s->text[at] == 'E')) {
		at++;
		if (peek(s, at) == '+' || peek(s, at) == '-')
			at++;
		n = digits(s, at);
		if (n == 0)
			return false;
		at += n;
	}
	return at == end;
}

/* true, false, null or a number; or a word that should have been quoted. */
static int
scan_word(struct scan *s)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t start = s->at, n;
	const char *word = s->text + start;
	int shown;

	while (is_word(peek(s, s->at)))
		s->at++;
	n = s->at - start;
	shown = n > 40 ? 40 : (int)n;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strlen(words[i]) == n && memcmp(words[i], word, n) == 0)
			return 0;
	if (n <= NUMBER_MAX && is_number(s, start, s->at))
		return 0;
	if (word[0] == '-' || word[0] == '+' ||
	    (word[0] >= '0' && word[0] <= '9'))
		return fail(s, start, "'%.*s' is not a number as JSON writes "
			"it: text needs double quotes", shown, word);
	return fail(s, start, "'%.*s' is neither true, false, null nor a "
		"number: text needs double quotes", shown, word);
}

/* Say why `c` at s->at can't be where `wanted` should be. */
static int
unexpected(struct scan *s, int c, const char *wanted)
{
	if (c == -1 && s->depth > 0) {
		size_t open = s->open[s->depth - 1];

		return fail(s, s->len, "the file ends here, but the '%c' of "
			"line %u is not closed", s->text[open],
			line_of(s, open));
	}
	if (c == -1)
		return fail(s, s->len, "there is nothing in this file: a "
			"configuration is an object {...}");
	if (c == '\'')
		return fail(s, s->at, "a single quote: keys and texts need "
			"double quotes");
	if (c < 0x20 || c >= 0x7f)
		return fail(s, s->at, "the byte 0x%02x doesn't belong here: "
			"%s is expected", (unsigned)c, wanted);
	return fail(s, s->at, "%s is expected before this '%c'", wanted, c);
}

enum want {
	WANT_VALUE,		/* at first, and after the ':' of a key */
	WANT_FIRST,		/* after a bracket was opened */
	WANT_ANOTHER,		/* after a ',' */
	WANT_NEXT,		/* after a value: ',' or the end */
};

static bool
in_object(const struct scan *s)
{
	return s->depth > 0 && s->text[s->open[s->depth - 1]] == '{';
}

/* A key and its colon. */
static int
scan_key(struct scan *s, int c)
{
	int r;

	if (is_word(c)) {
		size_t n = 0;

		while (is_word(peek(s, s->at + n)) && n < 40)
			n++;
		return fail(s, s->at, "'%.*s': a key needs double quotes",
			(int)n, s->text + s->at);
	}
	if (c != '"')
		return unexpected(s, c, "a key in double quotes");
	r = scan_string(s);
	if (r == 0)
		r = skip_blank(s);
	if (r != 0)
		return r;
	c = peek(s, s->at);
	if (c != ':')
		return unexpected(s, c, "':' and a value");
	s->at++;
	return 0;
}

static int
scan_value(struct scan *s, int c, enum want *want)
{
	*want = WANT_NEXT;
	if (c == '"')
		return scan_string(s);
	if (is_word(c))
		return scan_word(s);
	if (c != '{' && c != '[')
		return unexpected(s, c, "a value");
	if (s->depth == C25_JSONC_DEPTH_MAX)
		return fail(s, s->at, "more than %d brackets within each "
			"other", C25_JSONC_DEPTH_MAX);
	s->open[s->depth++] = s->at++;
	*want = WANT_FIRST;
	return 0;
}

static int
scan_close(struct scan *s, int c, enum want *want)
{
	size_t open = s->open[s->depth - 1];

	if ((c == '}') != in_object(s))
		return fail(s, s->at, "'%c' doesn't close the '%c' of line "
			"%u", c, s->text[open], line_of(s, open));
	s->depth--;
	s->at++;
	*want = WANT_NEXT;
	return 0;
}

/* After a value, no bracket being closed. */
static int
scan_comma(struct scan *s, int c, enum want *want)
{
	if (s->depth == 0)
		return fail(s, s->at, s->plain ? "text after the end" :
			"text after the end of the configuration: is a "
			"bracket closed too early?");
	if (c != ',')
		return unexpected(s, c, in_object(s) ? "',' or '}'" :
			"',' or ']'");
	s->at++;
	*want = WANT_ANOTHER;
	return 0;
}

/* Check the whole text and blank what isn't JSON. */
static int
scan_text(struct scan *s)
{
	enum want want = WANT_VALUE;
	size_t comma = 0;		/* the last one */
	int r;

	if (!s->plain && s->len >= 3 &&
	    memcmp(s->text, "\xef\xbb\xbf", 3) == 0)
		memset(s->text, ' ', 3);
	for (;;) {
		int c;

		r = skip_blank(s);
		if (r != 0)
			return r;
		c = peek(s, s->at);
		if (c == -1 && s->depth == 0 && want == WANT_NEXT)
			return 0;
		if (c == ',')
			comma = s->at;
		if ((c == '}' || c == ']') && s->depth > 0 &&
		    want != WANT_VALUE &&
		    !(s->plain && want == WANT_ANOTHER)) {
			if (want == WANT_ANOTHER)
				s->text[comma] = ' ';
			r = scan_close(s, c, &want);
		} else if (want == WANT_NEXT) {
			r = scan_comma(s, c, &want);
		} else if (want != WANT_VALUE && in_object(s)) {
			r = scan_key(s, c);
			want = WANT_VALUE;
		} else {
			r = scan_value(s, c, &want);
		}
		if (r != 0)
			return r;
	}
}

static int
parse(struct scan *s, cJSON **out)
{
	const char *text = s->text, *end = text;
	size_t len = s->len;
	int r;

	*out = NULL;
	memset(s->err, 0, sizeof(*s->err));
	r = scan_text(s);
	if (r != 0)
		return r;
	*out = cJSON_ParseWithLengthOpts(text, len, &end, 0);
	if (*out != NULL)
		return 0;
	/* The text is right, so memory is what was missing; unless cJSON is
	 * stricter than we know, then it stopped before the end. */
	if (end == text || end >= text + len)
		return -ENOMEM;
	return fail(s, (size_t)(end - text), "this is not JSON");
}

int
c25_jsonc_parse(char *text, size_t len, cJSON **out,
	struct c25_jsonc_error *err)
{
	struct scan s = { .text = text, .len = len, .err = err };

	return parse(&s, out);
}

int
c25_json_parse(const char *text, size_t len, cJSON **out,
	struct c25_jsonc_error *err)
{
	/* a plain scan blanks nothing, so it doesn't write */
	struct scan s = { .text = (char *)(uintptr_t)text, .len = len,
		.plain = true, .err = err };

	return parse(&s, out);
}

int
c25_json_check(const char *text, size_t len, struct c25_jsonc_error *err)
{
	struct scan s = { .text = (char *)(uintptr_t)text, .len = len,
		.plain = true, .err = err };

	memset(err, 0, sizeof(*err));
	return scan_text(&s);
}

void
c25_jsonc_position(const char *text, size_t len, size_t at, unsigned *line,
	unsigned *column)
{
	const char *start = text, *p, *end;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		start += 3;
	end = text + (at < len ? at : len);
	*line = 1;
	while (start < end &&
	    (p = memchr(start, '\n', (size_t)(end - start))) != NULL) {
		++*line;
		start = p + 1;
	}
	*column = 1;
	for (p = start; p < end; p++)
		if (((unsigned char)*p & 0xc0) != 0x80)
			++*column;
}

/* ---- the finder --------------------------------------------------------- */

/* First byte from `at` on that is no blank. */
static size_t
find_token(const struct c25_jsonc_finder *f, size_t at)
{
	while (at < f->len && is_blank((unsigned char)f->text[at]))
		at++;
	return at;
}

/* Past the string that begins at `at`. */
static size_t
find_string_end(const struct c25_jsonc_finder *f, size_t at)
{
	for (at++; at < f->len && f->text[at] != '"'; at++)
		if (f->text[at] == '\\')
			at++;
	return at < f->len ? at + 1 : f->len;
}

/* The ',' or closing bracket after the element that begins at `at`. */
static size_t
find_element_end(const struct c25_jsonc_finder *f, size_t at)
{
	size_t depth = 0;

	while (at < f->len) {
		switch (f->text[at]) {
		case '"':
			at = find_string_end(f, at);
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (depth == 0)
				return at;
			depth--;
			break;
		case ',':
			if (depth == 0)
				return at;
			break;
		}
		at++;
	}
	return f->len;
}

/* From a member's key to its value. */
static size_t
find_value(const struct c25_jsonc_finder *f, size_t at)
{
	at = find_token(f, find_string_end(f, at));
	return find_token(f, at < f->len ? at + 1 : at);
}

size_t
c25_jsonc_find(struct c25_jsonc_finder *f, const uint32_t *path,
	size_t depth, bool key)
{
	size_t value = find_token(f, 0), at = value, i = 0;
	bool known = true;

	if (depth > C25_JSONC_DEPTH_MAX)
		return f->len;
	for (size_t l = 0; l < depth; l++) {
		bool object = value < f->len && f->text[value] == '{';

		known = known && l < f->depth && f->level[l].index <= path[l];
		if (known) {
			i = f->level[l].index;
			at = f->level[l].at;
			known = i == path[l];
		} else {
			i = 0;
			at = value < f->len ? find_token(f, value + 1) :
				f->len;
		}
		for (; i < path[l] && at < f->len; i++) {
			at = find_element_end(f, at);
			if (at >= f->len || f->text[at] != ',')
				at = f->len;
			else
				at = find_token(f, at + 1);
		}
		if (at >= f->len) {
			f->depth = l;
			return f->len;
		}
		f->level[l].index = i;
		f->level[l].at = at;
		value = object ? find_value(f, at) : at;
	}
	/* A shorter path than the last one leaves what is below it known. */
	if (!known || f->depth < depth)
		f->depth = depth;
	return key ? at : value;
}

/* ---- one after the other ------------------------------------------------ */

void
c25_jsonc_walk_start(struct c25_jsonc_walk *w, const char *text, size_t len,
	size_t at)
{
	*w = (struct c25_jsonc_walk){ .in = { .text = text, .len = len } };
	w->object = at < len && text[at] == '{';
	w->next = find_token(&w->in, at + 1);
}

bool
c25_jsonc_walk_next(struct c25_jsonc_walk *w)
{
	const struct c25_jsonc_finder *f = &w->in;

	if (w->next >= f->len || f->text[w->next] == ']' ||
	    f->text[w->next] == '}')
		return false;
	w->key = w->next;
	w->value = w->object ? find_value(f, w->key) : w->key;
	w->end = find_element_end(f, w->value);
	w->next = w->end;
	if (w->next < f->len && f->text[w->next] == ',')
		w->next = find_token(f, w->next + 1);
	return true;
}
